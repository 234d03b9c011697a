//! What the server tells of itself to whoever asks (clause 4.3(6)): a version tells which faults to try.

use crate::{
    Protocol,
    check::{ALL, Check, Doing, Family, Judged, SMTP, Work},
    context::{Context, Secure},
    starttls,
    trouble::Trouble,
};

/// Words by which operating systems are known.
const SYSTEMS: &[&str] = &[
    "debian", "ubuntu", "centos", "redhat", "fedora", "suse", "freebsd", "openbsd", "netbsd",
    "windows", "linux", "solaris", "gnu",
];
/// Words by which servers are known.
const PRODUCTS: &[&str] = &[
    "postfix",
    "exim",
    "sendmail",
    "qmail",
    "dovecot",
    "courier",
    "cyrus",
    "exchange",
    "microsoft",
    "opensmtpd",
    "zimbra",
    "kerio",
    "mdaemon",
    "hmailserver",
    "james",
    "stalwart",
    "haraka",
    "maddy",
    "kakitome",
    "uw-imap",
];

const fn check(
    id: &'static str,
    protocols: &'static [Protocol],
    english: &'static str,
    japanese: &'static str,
    work: Work,
) -> Check {
    Check::new(Family::Banner, "4.3(6)", [id, english, japanese], work).at(protocols)
}

#[rustfmt::skip]
pub(crate) const CHECKS: &[Check] = &[
    check("banner.greeting", ALL, "The greeting tells no version", "最初の応答がバージョンを示さない", Work::Own(greeting)),
    check("banner.capabilities", ALL, "The list of extensions tells no version", "拡張機能の一覧がバージョンを示さない", Work::Own(capabilities)),
    check("banner.help", SMTP, "HELP tells no version", "HELP がバージョンを示さない", Work::Own(help)),
    check("banner.unknown-command", ALL, "Errors tell no version", "エラー応答がバージョンを示さない", Work::Own(unknown)),
    check("banner.imap-id", &[Protocol::Imap], "ID tells no version before a login (RFC 2971)", "ログイン前の ID がバージョンを示さない", Work::Own(imap_id)),
];

fn greeting<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let (mut dialogue, _) = context.connect().await?;
        let text = context.greeting(&mut dialogue).await?;
        Ok(judged(context, &text))
    })
}

fn capabilities<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        if context.plan.protocol.is_smtp() {
            let session = context.smtp(Secure::AsUsual).await?;
            let text = plain(&session.hello.lines);
            session.quit().await;
            return Ok(judged(context, &text));
        }
        let mut dialogue = context.open(Secure::AsUsual).await?;
        let listed = starttls::capabilities(context, &mut dialogue).await?;
        // What POP3 tells by IMPLEMENTATION (RFC 2449, section 6.9).
        Ok(judged(context, &listed.join(" ")))
    })
}

fn help<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut session = context.smtp(Secure::AsUsual).await?;
        let reply = session.ask("HELP").await?;
        session.quit().await;
        Ok(judged(context, &plain(&reply.lines)))
    })
}

fn unknown<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let text = match context.plan.protocol {
            Protocol::Smtp | Protocol::Submission => {
                let mut session = context.smtp(Secure::AsUsual).await?;
                let reply = session.ask("XYZZY").await?;
                session.quit().await;
                plain(&reply.lines)
            }
            Protocol::Imap => {
                let mut dialogue = context.open(Secure::AsUsual).await?;
                dialogue.tagged("XYZZY").await?.status
            }
            Protocol::Pop3 => context.open(Secure::AsUsual).await?.pop3("XYZZY").await?,
        };
        Ok(judged(context, &text))
    })
}

fn imap_id<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = context.open(Secure::AsUsual).await?;
        let answer = match dialogue.tagged("ID NIL").await {
            Err(Trouble::Closed) => return Ok(Judged::pass("the server hangs up")),
            answer => answer?,
        };
        if !answer.is_ok() {
            return Ok(Judged::pass(format!(
                "ID is not answered: {}",
                answer.status
            )));
        }
        Ok(judged(context, &answer.untagged.join(" ")))
    })
}

/// The lines of a reply of SMTP without their enhanced status (RFC 3463), which looks like a version.
fn plain(lines: &[String]) -> String {
    let is_status = |word: &str| {
        let parts: Vec<&str> = word.split('.').collect();
        let short = |part: &&str| part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
        parts.len() == 3 && parts.iter().all(short)
    };
    let texts = lines.iter().map(|line| match line.split_once(' ') {
        Some((first, rest)) if is_status(first) => rest,
        _ => line.as_str(),
    });
    texts.collect::<Vec<_>>().join(" ")
}

fn judged(context: &Context<'_>, text: &str) -> Judged {
    let told = Told::by(text, &context.server.name);
    match told {
        Told {
            version: Some(version),
            ..
        } => Judged::warn(format!("it tells a version, {version}: {text}")),
        Told {
            system: Some(system),
            ..
        } => Judged::warn(format!("it tells the operating system, {system}: {text}")),
        Told {
            product: Some(product),
            ..
        } => Judged::info(format!(
            "it tells the product, {product}, without a version"
        )),
        _ => Judged::pass("neither product nor version is told"),
    }
}

/// What a text gives away.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    version: Option<String>,
    system: Option<&'static str>,
    product: Option<&'static str>,
}

impl Told {
    fn by(text: &str, host: &str) -> Self {
        let lower = text
            .to_ascii_lowercase()
            .replace(&host.to_ascii_lowercase(), " ");
        let between = |c: char| !c.is_ascii_alphanumeric() && !"._-+".contains(c);
        let words: Vec<&str> = lower
            .split(between)
            .filter(|word| !word.is_empty())
            .collect();
        let known = |list: &[&'static str]| {
            list.iter().copied().find(|name| {
                words.iter().any(|word| {
                    let rest = word.strip_prefix(name);
                    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphabetic()))
                })
            })
        };
        Self {
            version: words
                .iter()
                .find(|word| is_version(word))
                .map(|word| (*word).to_owned()),
            system: known(SYSTEMS),
            product: known(PRODUCTS),
        }
    }
}

/// Digits, a dot and digits; not an address, not a name.
fn is_version(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_address = word.parse::<std::net::IpAddr>().is_ok();
    // What ends with a word is the name of a host.
    let end = word.rsplit('.').next().unwrap_or_default();
    let is_name = word.contains('.') && end.bytes().all(|octet| octet.is_ascii_alphabetic());
    if is_address || is_name {
        return false;
    }
    let parts: Vec<&str> = word.split('.').collect();
    parts.windows(2).any(|pair| match pair {
        [before, after] => {
            before.ends_with(|c: char| c.is_ascii_digit())
                && after.starts_with(|c: char| c.is_ascii_digit())
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Told {
        Told::by(text, "mail.city.example")
    }

    #[test]
    fn versions_are_found() {
        for (text, version) in [
            ("mail.city.example ESMTP Postfix (3.9.1)", "3.9.1"),
            ("ESMTP Exim 4.96 Mon, 01 Jan 2024 10:00:00 +0900", "4.96"),
            (
                "* ID (\"name\" \"Dovecot\" \"version\" \"2.3.21\")",
                "2.3.21",
            ),
            ("sendmail 8.17.1/8.12", "8.17.1"),
            ("dovecot-2.3", "dovecot-2.3"),
        ] {
            assert_eq!(told(text).version.as_deref(), Some(version), "{text}");
        }
    }

    #[test]
    fn what_is_no_version_is_left() {
        for text in [
            "mail.city.example ESMTP",
            "Hello [127.0.0.1]",
            "IMAP4REV1 SIZE 52428800 LIMITS RCPTMAX=100",
            "see http://www.mail3.5g.example",
            "AUTH=SCRAM-SHA-256",
        ] {
            assert_eq!(told(text).version, None, "{text}");
        }
    }

    #[test]
    fn a_status_is_no_version() {
        let lines = [
            "5.5.2 no such command".to_owned(),
            "2.0.0 ESMTP 4.96".to_owned(),
        ];
        assert_eq!(plain(&lines), "no such command ESMTP 4.96");
    }

    #[test]
    fn products_and_systems_are_words() {
        assert_eq!(told("ESMTP Postfix (Debian/GNU)").system, Some("debian"));
        assert_eq!(told("ESMTP Postfix").product, Some("postfix"));
        assert_eq!(told("exchanged gnus").product, None);
        assert_eq!(told("exchanged gnus").system, None);
    }
}
