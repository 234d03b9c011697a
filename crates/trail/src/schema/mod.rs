//! What each kind of event holds, field by field: its subject, its outcomes, its order, and the facts of its `detail`.
//!
//! These tables are version [`SCHEMA_VERSION`](crate::SCHEMA_VERSION) of the schema. `docs/events.md` is made of them, and
//! every event that a test or a debug build writes is held to them ([`misfit`]).
//!
//! A name, once used, keeps its meaning: readers of old volumes rely on it. New kinds and new facts may come within a
//! version; a meaning or a type that changes raises the version.

mod common;
pub mod document;

use serde_json::Value;

use crate::{Event, Kind, Outcome};

pub use common::COMMON;

/// What events of one kind hold.
#[derive(Debug)]
pub struct Schema {
    /// The kind.
    pub kind: Kind,
    /// What `subject` is; empty: there is none.
    pub subject: &'static str,
    /// The outcomes that occur.
    pub outcomes: &'static [Outcome],
    /// What `order` is; `None`: it is never set.
    pub order: Option<&'static str>,
    /// The facts that `detail` may hold, besides `truncated`.
    pub facts: &'static [Fact],
}

/// One fact of `detail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub holds: Holds,
    /// What its value is otherwise.
    pub or: Option<Holds>,
    /// Whether it is there.
    pub when: When,
    /// What it says, in a sentence.
    pub meaning: &'static str,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
    /// Any of these, or null.
    Any,
}

/// Whether a fact is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In each event of its kind.
    Always,
    /// In each event of its kind; null where there is nothing to say.
    OrNull,
    /// In some events of its kind; what it means says when, and whether it can be null.
    Sometimes,
}

/// Writes a table of schemas down without the words that Rust needs between.
macro_rules! schemas {
    ($($kind:ident {
        subject: $subject:literal;
        outcome: $($outcome:ident),+;
        $(order: $order:literal;)?
        $(shared: $($shared:ident),+;)?
        facts: $($when:ident $name:literal $holds:ident $(or $or:ident)?: $meaning:literal;)*
    })*) => {
        &[$($crate::schema::Schema {
            kind: $crate::Kind::$kind,
            subject: $subject,
            outcomes: &[$($crate::Outcome::$outcome),+],
            order: schemas!(@maybe $($order)?),
            facts: &[
                $($($crate::schema::common::$shared,)+)?
                $($crate::schema::Fact {
                    name: $name,
                    holds: $crate::schema::Holds::$holds,
                    or: schemas!(@maybe $($crate::schema::Holds::$or)?),
                    when: $crate::schema::When::$when,
                    meaning: $meaning,
                },)*
            ],
        }),*]
    };
    (@maybe) => { None };
    (@maybe $value:expr) => { Some($value) };
}

mod account;
mod audit;
mod governance;
mod mailbox;
mod people;
mod regulation;
mod server;
mod traffic;
mod transfer;
mod vuln;

/// One chapter of the schema: its title and the kinds in it.
pub type Chapter = (&'static str, &'static [Schema]);

/// All of the schema.
pub const CHAPTERS: &[Chapter] = &[
    ("The server", server::SERVER),
    ("Mail on its way", transfer::MAIL),
    ("The queue", transfer::QUEUE),
    ("Policies of other domains", transfer::POLICIES),
    ("Bounces", transfer::BOUNCES),
    ("What screening remembers", transfer::SCREENING),
    ("Reports of DMARC", transfer::DMARC_REPORTS),
    ("Reports about TLS", transfer::TLS_REPORTS),
    ("The quarantine", transfer::QUARANTINE),
    ("Outbreaks", transfer::OUTBREAKS),
    ("Reports of abuse", transfer::ABUSE),
    ("Software and its vulnerabilities", vuln::VULNERABILITIES),
    ("Signing", transfer::SIGNING),
    ("Authentication", mailbox::AUTHENTICATION),
    ("Mailboxes", mailbox::MAILBOXES),
    ("People and orders", people::PEOPLE),
    ("Accounts", account::ACCOUNTS),
    ("Secrets", account::SECRETS),
    ("Incidents", people::INCIDENTS),
    ("Clauses at work", governance::CLAUSES),
    ("Traffic", traffic::TRAFFIC),
    ("The audit trail", audit::TRAIL),
    ("The store", server::STORE),
    ("The regulation", regulation::REGULATION),
];

/// The schema of a kind. `None` never happens: a test holds [`CHAPTERS`] to [`Kind::ALL`].
#[must_use]
pub fn of(kind: Kind) -> Option<&'static Schema> {
    CHAPTERS
        .iter()
        .flat_map(|(_, schemas)| schemas.iter())
        .find(|schema| schema.kind == kind)
}

/// What in the details of `event` is not in the schema of its kind, in words for who wrote the code that made it.
#[must_use]
pub fn misfit(event: &Event) -> Option<String> {
    let kind = event.kind.as_str();
    let Some(schema) = of(event.kind) else {
        return Some(format!("the schema has no kind {kind}"));
    };
    event.detail.iter().find_map(|(name, value)| {
        let Some(fact) = schema.fact(name) else {
            return Some(format!("the schema of {kind} has no fact {name}"));
        };
        (!fact.may_be(value))
            .then(|| format!("the fact {name} of {kind} is of another type in the schema: {value}"))
    })
}

impl Schema {
    /// The fact of that name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&Fact> {
        let mut facts = self.facts.iter().chain(common::EVERYWHERE);
        facts.find(|fact| fact.name == name)
    }
}

impl Fact {
    fn may_be(&self, value: &Value) -> bool {
        let absent = value.is_null() && self.when != When::Always;
        let fits = |holds: Holds| holds.fits(value);
        absent || fits(self.holds) || self.or.is_some_and(fits)
    }
}

impl Holds {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
            Self::Any => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Actor;

    fn all() -> impl Iterator<Item = &'static Schema> {
        CHAPTERS.iter().flat_map(|(_, schemas)| schemas.iter())
    }

    #[test]
    fn every_kind_is_there_once() {
        for kind in Kind::ALL {
            let count = all().filter(|schema| schema.kind == *kind).count();
            assert_eq!(
                count,
                1,
                "{} is in the schema {count} times: crates/trail/src/schema",
                kind.as_str()
            );
        }
    }

    #[test]
    fn every_name_is_there_once_and_every_meaning_is_a_sentence() {
        for schema in all() {
            let kind = schema.kind.as_str();
            assert!(!schema.outcomes.is_empty(), "{kind}");
            let mut names: HashSet<&str> =
                common::EVERYWHERE.iter().map(|fact| fact.name).collect();
            for fact in schema.facts {
                assert!(names.insert(fact.name), "{kind}: {} twice", fact.name);
                assert!(fact.meaning.ends_with('.'), "{kind}: {}", fact.name);
            }
        }
        for kind in Kind::ALL {
            assert!(kind.meaning().ends_with('.'), "{}", kind.as_str());
        }
    }

    /// Kinds that tell of a change by their names, and need no fact for what was before: why.
    const NO_BEFORE: &[(Kind, &str)] = &[
        (Kind::SettingsLoaded, "`changes` has both of each setting"),
        (Kind::PasswordChanged, "a secret stands in no event"),
        (Kind::PasswordUpgraded, "`from` and `to` are both"),
        (
            Kind::MessageFlagged,
            "flags are the holder's own; what was set is told",
        ),
        (
            Kind::MailboxRenamed,
            "the subject was before, `to` is after",
        ),
        (
            Kind::IdentifierUnshared,
            "`shared_on` was before; after it, nobody shares it",
        ),
    ];

    /// What a change says of before and after, so that nobody has to look for the event before it (clause 8.2).
    #[test]
    fn a_change_tells_what_was_before_and_after() {
        let changes = [
            "changed",
            "renamed",
            "suspended",
            "resumed",
            "granted",
            "revoked",
            "shared",
            "unshared",
            "departs",
            "standing",
            "state",
            "upgraded",
            "loaded",
            "flagged",
            "password",
        ];
        for kind in Kind::ALL {
            let name = kind.as_str();
            let last = name.rsplit(['.', '-']).next().unwrap_or(name);
            let is_change = changes.contains(&last) && !name.contains("app-password");
            if !is_change || NO_BEFORE.iter().any(|(other, _)| other == kind) {
                continue;
            }
            let facts = of(*kind).map_or(&[][..], |schema| schema.facts);
            let has = |end: &str| facts.iter().any(|fact| fact.name.contains(end));
            assert!(has("before"), "{name} does not say what was before");
        }
        for schema in all() {
            for fact in schema.facts {
                let Some(stem) = fact.name.strip_suffix("before") else {
                    continue;
                };
                // What it is after stands in a fact of that name, or in one without `_before`.
                let after = [
                    format!("{stem}after"),
                    stem.trim_end_matches('_').to_owned(),
                ];
                let has = schema
                    .facts
                    .iter()
                    .any(|fact| after.contains(&fact.name.to_owned()));
                let lone = ONLY_BEFORE.contains(&(schema.kind, fact.name));
                assert!(
                    has || lone,
                    "{}: {} without what is after",
                    schema.kind.as_str(),
                    fact.name
                );
            }
        }
    }

    /// Where what is after is plain.
    const ONLY_BEFORE: &[(Kind, &str)] = &[
        // `state` is after.
        (Kind::TrafficState, "before"),
        (Kind::ClauseStanding, "before"),
        // `version` is after.
        (Kind::RunbookInForce, "before"),
        // After it, the account is one more.
        (Kind::AccountChanged, "targets_before"),
        // After it, nobody shares it.
        (Kind::IdentifierUnshared, "users_before"),
        // `language` is after.
        (Kind::PersonLanguage, "before"),
        // `until` is after.
        (Kind::ExpertRenewed, "before"),
        // `rate` is after.
        (Kind::LimitPlaced, "before"),
        // The instant of the event is after.
        (Kind::NoticeAcknowledged, "before"),
        // `settings` are after.
        (Kind::ScreeningPolicy, "before"),
    ];

    #[test]
    fn what_does_not_fit_is_named() {
        let event = |kind| Event::new(kind, Actor::System);
        let held = event(Kind::QueueHeld);
        assert_eq!(misfit(&held.clone().detail("recipients", 3)), None);
        assert_eq!(misfit(&held.clone().detail("recipients", vec!["a"])), None);
        assert_eq!(misfit(&held.clone().detail("truncated", 70_000)), None);
        let resumed = event(Kind::AccountResumed).detail("incident", Value::Null);
        assert_eq!(misfit(&resumed), None);
        let unknown = misfit(&held.clone().detail("colour", "red"));
        assert_eq!(
            unknown.as_deref(),
            Some("the schema of queue.held has no fact colour")
        );
        let mistyped = misfit(&held.detail("reason", 3));
        assert_eq!(
            mistyped.as_deref(),
            Some("the fact reason of queue.held is of another type in the schema: 3")
        );
    }
}
