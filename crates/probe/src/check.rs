//! What a check is: an id that stays, a title, a clause, and how it comes to its verdict.

use std::{future::Future, pin::Pin};

use serde::Serialize;

use crate::{
    Protocol, banner, commands, context::Context, enumeration, imap, login, pop3, relay, smuggling,
    starttls, tls, trouble::Trouble,
};

/// Checks that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Ways to have mail sent on that is not the server's own.
    Relay,
    /// Commands that can be abused.
    Commands,
    /// Ends of messages and of lines that only some servers take for such.
    Smuggling,
    /// The change to TLS in the middle of a session.
    StartTls,
    /// Versions, ciphers and certificate.
    Tls,
    /// What the server tells of itself.
    Banner,
    /// Whether it tells who has a mailbox.
    Enumeration,
    /// Logins over SMTP.
    Login,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
}

impl Family {
    /// All of them, in the order in which they are tried and shown.
    pub const ALL: [Self; 10] = [
        Self::Relay,
        Self::Commands,
        Self::Smuggling,
        Self::StartTls,
        Self::Tls,
        Self::Banner,
        Self::Login,
        Self::Imap,
        Self::Pop3,
        Self::Enumeration,
    ];

    /// Its name: the part of a check's id before the dot.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Commands => "commands",
            Self::Smuggling => "smuggling",
            Self::StartTls => "starttls",
            Self::Tls => "tls",
            Self::Banner => "banner",
            Self::Enumeration => "enumeration",
            Self::Login => "login",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
        }
    }
}

impl std::str::FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|family| family.as_str() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("{text:?} is no family of checks: {names}")
        })
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// A fault that somebody can use.
    Fail,
    /// What should be better, or may be a fault.
    Warn,
    /// A fact without a judgement.
    Info,
    /// The check did not come to an end that says anything.
    CouldNotTell,
}

impl Verdict {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] = [
        Self::Fail,
        Self::Warn,
        Self::CouldNotTell,
        Self::Info,
        Self::Pass,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::CouldNotTell => "could-not-tell",
        }
    }
}

/// A verdict and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) reason: String,
}

macro_rules! makers {
    ($($name:ident = $verdict:ident),*) => {
        impl Judged {
            $(pub(crate) fn $name(reason: impl Into<String>) -> Self {
                Self { verdict: Verdict::$verdict, reason: reason.into() }
            })*
        }
    };
}

makers!(
    pass = Pass,
    fail = Fail,
    warn = Warn,
    info = Info,
    could_not_tell = CouldNotTell
);

impl Judged {
    /// A fault of TLS: a warning where clients would go on without any.
    pub(crate) fn weak_tls(protocol: Protocol, reason: impl Into<String>) -> Self {
        match protocol.is_opportunistic() {
            true => Self::warn(reason),
            false => Self::fail(reason),
        }
    }
}

/// A check at work. Trouble on the way means that it could not tell.
pub(crate) type Doing<'c> = Pin<Box<dyn Future<Output = Result<Judged, Trouble>> + Send + 'c>>;

/// How a check is done: data for those that differ in data alone, a function for the rest.
pub(crate) enum Work {
    Relay(relay::Trick),
    Ending(smuggling::Ending),
    Hello(tls::Asking),
    Command(commands::Command),
    Certificate(tls::Look),
    Own(for<'c> fn(&'c Context<'c>) -> Doing<'c>),
}

/// One check.
pub struct Check {
    /// Its name, which stays: `family.what`.
    pub id: &'static str,
    /// What it looks for, in English.
    pub english: &'static str,
    /// The same in Japanese.
    pub japanese: &'static str,
    /// The clauses of the regulation that it is evidence for.
    pub clause: &'static str,
    /// What it belongs to.
    pub family: Family,
    /// Where it is done.
    pub protocols: &'static [Protocol],
    /// Only where the session begins without TLS.
    pub before_tls: bool,
    pub(crate) work: Work,
}

/// Where checks of SMTP are done.
pub(crate) const SMTP: &[Protocol] = &[Protocol::Smtp, Protocol::Submission];
/// Where checks of any protocol are done.
pub(crate) const ALL: &[Protocol] = &[
    Protocol::Smtp,
    Protocol::Submission,
    Protocol::Imap,
    Protocol::Pop3,
];

impl Check {
    /// A check of all protocols, with TLS and without.
    pub(crate) const fn new(
        family: Family,
        clause: &'static str,
        [id, english, japanese]: [&'static str; 3],
        work: Work,
    ) -> Self {
        Self {
            id,
            english,
            japanese,
            clause,
            family,
            protocols: ALL,
            before_tls: false,
            work,
        }
    }

    /// The same for these protocols only.
    pub(crate) const fn at(mut self, protocols: &'static [Protocol]) -> Self {
        self.protocols = protocols;
        self
    }

    /// The same only where the session begins without TLS.
    pub(crate) const fn before_tls(mut self) -> Self {
        self.before_tls = true;
        self
    }

    pub(crate) async fn run(&self, context: &Context<'_>) -> Judged {
        let ended = match &self.work {
            Work::Relay(trick) => relay::run(context, trick).await,
            Work::Ending(ending) => smuggling::run(context, self.id, ending).await,
            Work::Hello(asking) => tls::run(context, asking).await,
            Work::Command(command) => commands::run(context, command).await,
            Work::Certificate(look) => tls::look(context, *look).await,
            Work::Own(work) => work(context).await,
        };
        ended.unwrap_or_else(|trouble| Judged::could_not_tell(trouble.to_string()))
    }
}

/// All checks, in the order in which they are done.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        relay::CHECKS,
        commands::CHECKS,
        smuggling::CHECKS,
        starttls::CHECKS,
        tls::CHECKS,
        banner::CHECKS,
        login::CHECKS,
        imap::CHECKS,
        pop3::CHECKS,
        // Last, since logins that fail can make a server slow for a while.
        enumeration::CHECKS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_name_their_family() {
        let mut seen = std::collections::BTreeSet::new();
        for check in checks() {
            assert!(seen.insert(check.id), "{} is there twice", check.id);
            let family = check.id.split('.').next();
            assert_eq!(family, Some(check.family.as_str()), "{}", check.id);
            assert!(!check.protocols.is_empty(), "{}", check.id);
            let titled = !check.english.is_empty() && !check.japanese.is_ascii();
            assert!(titled && !check.clause.is_empty(), "{}", check.id);
        }
    }

    #[test]
    fn more_than_thirty_ways_to_relay_are_tried() {
        let tricks = checks().filter(|check| matches!(check.work, Work::Relay(_)));
        assert!(tricks.count() > 30);
    }
}
