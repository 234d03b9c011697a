//! Command lines (RFC 5321, section 4.1.1), read without knowing what went before.

mod parameter;
mod path;
#[cfg(test)]
mod tests;

use crate::smtp::{Detail, Mail, Rcpt, Refusal};

/// What this session allows a command to say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// EHLO was said: parameters may be used.
    pub(super) extended: bool,
    pub(super) smtputf8: bool,
    pub(super) dsn: bool,
    pub(super) chunking: bool,
    pub(super) requiretls: bool,
    pub(super) auth: bool,
    pub(super) lenient_space: bool,
    /// SMTPUTF8 was said at MAIL.
    pub(super) utf8_transaction: bool,
}

/// A command that can be read. Whether it may come now is the session's business.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Hello {
        extended: bool,
        name: &'a str,
    },
    StartTls,
    Auth {
        mechanism: &'a str,
        initial: Option<&'a str>,
    },
    Mail(Mail),
    Rcpt(Rcpt),
    Data,
    Bdat {
        size: u64,
        last: bool,
    },
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
}

/// Why a line is no command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// The verb is unknown, or deliberately not there.
    Unknown,
    /// The verb is known, the rest is wrong.
    Wrong(Refusal),
    /// BDAT whose size cannot be read: what follows cannot be told from commands.
    LostCount(Refusal),
}

impl From<Refusal> for Mistake {
    fn from(refusal: Refusal) -> Self {
        Self::Wrong(refusal)
    }
}

/// Reads a line without its CR LF.
pub(super) fn parse(line: &[u8], allowed: Allowed) -> Result<Command<'_>, Mistake> {
    let text = std::str::from_utf8(line)
        .map_err(|_| Refusal::new::<500>(Detail::SYNTAX, "Not ASCII, and not UTF-8 either"))?;
    if text.chars().any(char::is_control) {
        return Err(Refusal::new::<500>(Detail::SYNTAX, "Control characters in a command").into());
    }
    // Trailing spaces are common and harmless (section 4.1.1: "SHOULD tolerate").
    let text = text.trim_end_matches(' ');
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let verb = verb.to_ascii_uppercase();
    if !text.is_ascii() && !matches!(verb.as_str(), "MAIL" | "RCPT" | "VRFY") {
        return Err(Refusal::new::<500>(Detail::SYNTAX, "Octets above 127 in a command").into());
    }
    let command = match verb.as_str() {
        "EHLO" => hello(true, rest)?,
        "HELO" => hello(false, rest)?,
        "MAIL" => Command::Mail(parameter::mail(keyword(rest, "FROM:")?, allowed)?),
        "RCPT" => Command::Rcpt(parameter::rcpt(keyword(rest, "TO:")?, allowed)?),
        "DATA" => bare(rest, Command::Data)?,
        "BDAT" if allowed.chunking => bdat(rest)?,
        "RSET" => bare(rest, Command::Rset)?,
        "QUIT" => bare(rest, Command::Quit)?,
        "NOOP" => Command::Noop,
        "HELP" => Command::Help,
        "VRFY" if rest.is_empty() => return Err(argument_needed().into()),
        "VRFY" => Command::Vrfy,
        "STARTTLS" => bare(rest, Command::StartTls)?,
        "AUTH" => auth(rest)?,
        _ => return Err(Mistake::Unknown),
    };
    Ok(command)
}

fn hello(extended: bool, rest: &str) -> Result<Command<'_>, Refusal> {
    let name = rest.trim_matches(' ');
    if name.is_empty() || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refusal::new::<501>(
            Detail::INVALID_ARGUMENTS,
            "Give your domain or address literal",
        ));
    }
    Ok(Command::Hello { extended, name })
}

fn auth(rest: &str) -> Result<Command<'_>, Refusal> {
    let mut words = rest.split(' ');
    let mechanism = words
        .next()
        .filter(|m| !m.is_empty())
        .ok_or_else(argument_needed)?;
    let initial = words.next();
    match (initial, words.next()) {
        (Some(""), _) | (_, Some(_)) => Err(Refusal::new::<501>(
            Detail::INVALID_ARGUMENTS,
            "AUTH takes a mechanism and one initial response",
        )),
        _ => Ok(Command::Auth { mechanism, initial }),
    }
}

fn bdat(rest: &str) -> Result<Command<'_>, Mistake> {
    let lost = || {
        Mistake::LostCount(Refusal::new::<501>(
            Detail::INVALID_ARGUMENTS,
            "BDAT takes a size and perhaps LAST",
        ))
    };
    let (size, last) = match rest.split_once(' ') {
        Some((size, last)) if last.eq_ignore_ascii_case("LAST") => (size, true),
        Some(_) => return Err(lost()),
        None => (rest, false),
    };
    let size = parameter::number(size).ok_or_else(lost)?;
    Ok(Command::Bdat { size, last })
}

fn bare<'a>(rest: &str, command: Command<'a>) -> Result<Command<'a>, Refusal> {
    if rest.is_empty() {
        return Ok(command);
    }
    Err(Refusal::new::<501>(
        Detail::INVALID_ARGUMENTS,
        "This command takes no argument",
    ))
}

/// Strips `FROM:` or `TO:`, in any case.
fn keyword<'a>(rest: &'a str, keyword: &str) -> Result<&'a str, Refusal> {
    match rest.split_at_checked(keyword.len()) {
        Some((found, after)) if found.eq_ignore_ascii_case(keyword) => Ok(after),
        _ => Err(Refusal::new::<501>(
            Detail::INVALID_ARGUMENTS,
            &format!("{keyword}<address> expected"),
        )),
    }
}

fn argument_needed() -> Refusal {
    Refusal::new::<501>(Detail::INVALID_ARGUMENTS, "Argument missing")
}
