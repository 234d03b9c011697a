//! The commands, read from one line.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Secret;

/// What a client can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// USER
    User(String),
    /// PASS: everything behind the space is the password, other spaces too (RFC 1939, section 7).
    Pass(Secret),
    /// AUTH (RFC 5034); without a mechanism the client asks for a list, which is how old programs learnt it.
    Auth {
        /// Mechanism in capitals.
        mechanism: Option<String>,
        /// Initial response, decoded; `=` gives an empty one.
        initial: Option<Secret>,
    },
    /// STLS (RFC 2595)
    Stls,
    /// CAPA (RFC 2449)
    Capa,
    /// UTF8 (RFC 6856)
    Utf8,
    /// STAT
    Stat,
    /// LIST, of one message or all
    List(Option<u32>),
    /// UIDL, of one message or all
    Uidl(Option<u32>),
    /// RETR
    Retr(u32),
    /// TOP: the header and so many lines of the body
    Top {
        /// Message number.
        message: u32,
        /// Lines of the body.
        lines: u32,
    },
    /// DELE
    Dele(u32),
    /// NOOP
    Noop,
    /// RSET
    Rset,
    /// QUIT
    Quit,
}

/// Why a line is no command; the answer is `-ERR` and the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Not one of ours.
    #[error("unknown command")]
    Unknown,
    /// Arguments are missing, too many or malformed.
    #[error("malformed arguments")]
    Arguments,
    /// The line is longer than the limit.
    #[error("the line is too long")]
    TooLong,
    /// The line ends without CR, or holds CR or NUL.
    #[error("a line must end with CR LF and hold no other control of lines")]
    LineEnd,
    /// Text is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// The initial response is not base64.
    #[error("the initial response is not base64")]
    NotBase64,
}

impl Command {
    /// Reads one line without its end.
    ///
    /// # Errors
    /// [`CommandError`] for what is no command.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let (name, rest) = match line.iter().position(|&octet| octet == b' ') {
            Some(space) => (
                line.get(..space).unwrap_or_default(),
                line.get(space.saturating_add(1)..),
            ),
            None => (line, None),
        };
        if name.eq_ignore_ascii_case(b"PASS") {
            let password = rest
                .filter(|password| !password.is_empty())
                .ok_or(CommandError::Arguments)?;
            return Ok(Self::Pass(Secret::new(password.to_vec())));
        }
        let rest =
            std::str::from_utf8(rest.unwrap_or_default()).map_err(|_| CommandError::NotUtf8)?;
        let rest = rest.trim_end_matches(' ');
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        let command = match name.as_str() {
            "USER" if !rest.is_empty() => return Ok(Self::User(rest.to_owned())),
            "AUTH" => return auth(rest),
            "LIST" => return optional(rest).map(Self::List),
            "UIDL" => return optional(rest).map(Self::Uidl),
            "RETR" => return number(rest).map(Self::Retr),
            "DELE" => return number(rest).map(Self::Dele),
            "TOP" => return top(rest),
            "STLS" => Self::Stls,
            "CAPA" => Self::Capa,
            "UTF8" => Self::Utf8,
            "STAT" => Self::Stat,
            "NOOP" => Self::Noop,
            "RSET" => Self::Rset,
            "QUIT" => Self::Quit,
            "USER" => return Err(CommandError::Arguments),
            _ => return Err(CommandError::Unknown),
        };
        if rest.is_empty() {
            Ok(command)
        } else {
            Err(CommandError::Arguments)
        }
    }
}

fn auth(rest: &str) -> Result<Command, CommandError> {
    let mut words = rest.splitn(2, ' ').filter(|word| !word.is_empty());
    let mechanism = words.next().map(str::to_ascii_uppercase);
    let initial = match words.next() {
        None => None,
        Some("=") => Some(Secret::new(Vec::new())),
        Some(encoded) => Some(Secret::new(
            STANDARD
                .decode(encoded)
                .map_err(|_| CommandError::NotBase64)?,
        )),
    };
    Ok(Command::Auth { mechanism, initial })
}

fn top(rest: &str) -> Result<Command, CommandError> {
    let (message, lines) = rest.split_once(' ').ok_or(CommandError::Arguments)?;
    Ok(Command::Top {
        message: number(message)?,
        lines: digits(lines)?,
    })
}

fn optional(rest: &str) -> Result<Option<u32>, CommandError> {
    if rest.is_empty() {
        Ok(None)
    } else {
        number(rest).map(Some)
    }
}

fn number(text: &str) -> Result<u32, CommandError> {
    digits(text).and_then(|number| {
        if number == 0 {
            Err(CommandError::Arguments)
        } else {
            Ok(number)
        }
    })
}

fn digits(text: &str) -> Result<u32, CommandError> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(CommandError::Arguments);
    }
    text.parse().map_err(|_| CommandError::Arguments)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands() {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        for (line, command) in [
            ("user taro@x.jp", Command::User("taro@x.jp".into())),
            ("PASS  a b ", Command::Pass(secret(" a b "))),
            (
                "AUTH",
                Command::Auth {
                    mechanism: None,
                    initial: None,
                },
            ),
            (
                "AUTH plain AGEAYg==",
                Command::Auth {
                    mechanism: Some("PLAIN".into()),
                    initial: Some(secret("\0a\0b")),
                },
            ),
            (
                "AUTH PLAIN =",
                Command::Auth {
                    mechanism: Some("PLAIN".into()),
                    initial: Some(secret("")),
                },
            ),
            ("LIST", Command::List(None)),
            ("LIST 2", Command::List(Some(2))),
            (
                "TOP 1 0",
                Command::Top {
                    message: 1,
                    lines: 0,
                },
            ),
            ("NOOP ", Command::Noop),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command() {
        for (line, error) in [
            ("", CommandError::Unknown),
            ("APOP a b", CommandError::Unknown),
            ("USER", CommandError::Arguments),
            ("PASS", CommandError::Arguments),
            ("RETR", CommandError::Arguments),
            ("RETR 0", CommandError::Arguments),
            ("RETR -1", CommandError::Arguments),
            ("RETR +1", CommandError::Arguments),
            ("RETR 4294967296", CommandError::Arguments),
            ("TOP 1", CommandError::Arguments),
            ("STAT 1", CommandError::Arguments),
            ("AUTH PLAIN ***", CommandError::NotBase64),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Err(error), "{line}");
        }
        assert_eq!(Command::parse(b"USER \xff"), Err(CommandError::NotUtf8));
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            drop(Command::parse(&line));
        }
    }
}
