//! What open incidents restrain: how much an identifier, a network or a domain may have in a time (the lever `limit`), and that no new mail
//! is taken while what waits is delivered (`drain`). Clauses 4.4(2), 8.4(1).
//!
//! The levers' own rows say what is in force: of each target the last word of an incident that is open. So a restraint survives a restart
//! and ends with its incident at the latest, with nothing to be cleared away. Sessions and the queue ask a copy in memory, which follows
//! the store as the blocked networks do.

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr, sync::Arc, time::Duration};

use message::address::Host;
use parking_lot::RwLock;
use store::{
    Error,
    sql::{Sql, rows},
};
use wire::ExplicitNetwork;

use crate::{Directory, runbook::Lever};

/// Restraints that may be in force at once: each recipient that is named is held against them.
pub const MOST: usize = 1000;
/// The most recipients that a rate may name.
const MOST_RECIPIENTS: u32 = 1_000_000;

const IDENTIFIER: &str = "identifier:";
const DOMAIN: &str = "domain:";
const NETWORK: &str = "network:";

/// So many recipients in a minute or in an hour, written `20/minute` or `100/hour`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Recipients.
    pub recipients: u32,
    /// In this time.
    pub per: Per,
}

/// The time of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Per {
    /// How long it is.
    #[must_use]
    pub const fn time(self) -> Duration {
        match self {
            Self::Minute => Duration::from_secs(60),
            Self::Hour => Duration::from_secs(3600),
        }
    }
}

impl Rate {
    /// Recipients of an hour, for comparison.
    #[must_use]
    pub fn of_an_hour(self) -> u64 {
        let count = u64::from(self.recipients);
        match self.per {
            Per::Minute => count.saturating_mul(60),
            Per::Hour => count,
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Per::Minute => "minute",
            Per::Hour => "hour",
        };
        write!(f, "{}/{per}", self.recipients)
    }
}

/// A rate that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no rate: write so many recipients, 1 to {MOST_RECIPIENTS}, a minute or an hour, as 20/minute or 100/hour"
)]
pub struct NoRate(String);

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let wrong = || NoRate(text.to_owned());
        let (recipients, per) = text.split_once('/').ok_or_else(wrong)?;
        let recipients: u32 = recipients.parse().map_err(|_| wrong())?;
        let per = match per {
            "minute" | "min" | "m" => Per::Minute,
            "hour" | "h" => Per::Hour,
            _ => return Err(wrong()),
        };
        match (1..=MOST_RECIPIENTS).contains(&recipients) {
            true => Ok(Self { recipients, per }),
            false => Err(wrong()),
        }
    }
}

/// Whose mail is limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// What an identifier submits.
    Identifier(String),
    /// What comes from a network, on any listener, all of its addresses together.
    Network(ExplicitNetwork),
    /// What goes to a domain elsewhere.
    Domain(Host),
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identifier(name) => write!(f, "{IDENTIFIER}{name}"),
            Self::Network(network) => write!(f, "{NETWORK}{network}"),
            Self::Domain(host) => write!(f, "{DOMAIN}{host}"),
        }
    }
}

impl Of {
    fn read(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix(IDENTIFIER) {
            return Some(Self::Identifier(name.to_owned()));
        }
        if let Some(network) = text.strip_prefix(NETWORK) {
            return network.parse().ok().map(Self::Network);
        }
        let host = Host::parse(text.strip_prefix(DOMAIN)?).ok()?;
        Some(Self::Domain(host))
    }
}

/// Where no new mail is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// From elsewhere, on the exchange's listeners.
    Exchange,
    /// From staff, on the submission listeners.
    Submission,
}

impl Door {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Exchange, Self::Submission];

    /// Its name on the command line and in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Submission => "submission",
        }
    }
}

/// A limit that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The incident that it is of.
    pub incident: i64,
    /// Whose mail.
    pub of: Of,
    /// How much.
    pub rate: Rate,
}

/// A door at which no new mail is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// The incident that it is of.
    pub incident: i64,
    /// Which.
    pub door: Door,
}

/// All restraints that are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restraints {
    /// Limits, in the order of their incidents.
    pub limits: Vec<Limit>,
    /// Doors.
    pub drains: Vec<Drain>,
}

impl Restraints {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.limits.len().saturating_add(self.drains.len())
    }

    /// The lowest limit of what an identifier submits.
    #[must_use]
    pub fn of_identifier(&self, identifier: &str) -> Option<&Limit> {
        self.lowest(|of| matches!(of, Of::Identifier(name) if name == identifier))
    }

    /// All limits of networks that an address is in.
    pub fn of_address(&self, peer: IpAddr) -> impl Iterator<Item = &Limit> {
        let within = move |limit: &&Limit| matches!(&limit.of, Of::Network(network) if network.contains(peer));
        self.limits.iter().filter(within)
    }

    /// The lowest limit of each domain that has one.
    #[must_use]
    pub fn domains(&self) -> BTreeMap<String, Rate> {
        let mut lowest: BTreeMap<String, Rate> = BTreeMap::new();
        for limit in &self.limits {
            if let Of::Domain(host) = &limit.of {
                let rate = lowest.entry(host.to_string()).or_insert(limit.rate);
                if limit.rate.of_an_hour() < rate.of_an_hour() {
                    *rate = limit.rate;
                }
            }
        }
        lowest
    }

    /// The incident for which no new mail is taken at a door.
    #[must_use]
    pub fn at(&self, door: Door) -> Option<i64> {
        let mut drains = self.drains.iter();
        drains
            .find(|drain| drain.door == door)
            .map(|drain| drain.incident)
    }

    /// Those of one incident.
    pub(crate) fn of_incident(&self, number: i64) -> (Vec<&Limit>, Vec<&Drain>) {
        let limits = self.limits.iter().filter(|one| one.incident == number);
        let drains = self.drains.iter().filter(|one| one.incident == number);
        (limits.collect(), drains.collect())
    }

    /// The same in the words in which the rows of their levers have them.
    pub(crate) fn words_of(&self, number: i64) -> Vec<String> {
        let (limits, drains) = self.of_incident(number);
        let limits = limits.into_iter().map(|one| said(&one.of, one.rate));
        let drains = drains.into_iter().map(|one| one.door.as_str().to_owned());
        limits.chain(drains).collect()
    }

    fn lowest(&self, wanted: impl Fn(&Of) -> bool) -> Option<&Limit> {
        let limits = self.limits.iter().filter(|limit| wanted(&limit.of));
        limits.min_by_key(|limit| limit.rate.of_an_hour())
    }
}

/// What a lever's row says of a limit: whose mail, and how much.
pub(crate) fn said(of: &Of, rate: Rate) -> String {
    format!("{of} {rate}")
}

/// Reads what [`said`] wrote.
fn read_limit(target: &str) -> Option<(Of, Rate)> {
    let (of, rate) = target.rsplit_once(' ')?;
    Some((Of::read(of)?, rate.parse().ok()?))
}

/// What is in force, as the levers' rows say. A row that cannot be read is told of in the log and passed over; `verify` names it.
///
/// # Errors
/// When the database fails.
pub fn in_force(sql: &mut dyn Sql) -> Result<Restraints, Error> {
    let list = "SELECT l.incident, l.lever, l.target FROM incident_lever l JOIN incident i ON i.number = l.incident
                WHERE i.closed_at IS NULL AND l.lever IN ('limit', 'unlimit', 'drain', 'undrain') ORDER BY l.incident, l.number";
    let used = rows(sql, list, &[], |row| {
        Ok((row.int(0)?, row.text(1)?, row.text(2)?))
    })?;
    let mut now = Restraints::default();
    for (incident, lever, target) in used {
        if lever == Lever::Limit.as_str() {
            match read_limit(&target) {
                Some((of, rate)) => {
                    let same = |one: &Limit| one.incident == incident && one.of == of;
                    now.limits.retain(|one| !same(one));
                    now.limits.push(Limit { incident, of, rate });
                }
                None => {
                    tracing::error!(incident, target, "a limit cannot be read; the others hold");
                }
            }
        } else if lever == Lever::Unlimit.as_str() {
            let same = |one: &Limit| one.incident == incident && one.of.to_string() == target;
            now.limits.retain(|one| !same(one));
        } else if let Some(door) = Door::ALL.into_iter().find(|door| door.as_str() == target) {
            let drain = Drain { incident, door };
            now.drains.retain(|one| *one != drain);
            if lever == Lever::Drain.as_str() {
                now.drains.push(drain);
            }
        } else {
            tracing::error!(
                incident,
                target,
                "a drained door cannot be read; the others hold"
            );
        }
    }
    Ok(now)
}

/// The restraints of one process.
#[derive(Default)]
pub(crate) struct Known(RwLock<Arc<Restraints>>);

impl Known {
    pub(crate) fn now(&self) -> Arc<Restraints> {
        Arc::clone(&self.0.read())
    }

    pub(crate) fn put(&self, new: Restraints) {
        *self.0.write() = Arc::new(new);
    }
}

impl Directory {
    /// What is restrained now. From memory: [`Directory::read_blocks`] brings it up to date.
    #[must_use]
    pub fn restraints(&self) -> Arc<Restraints> {
        self.inner.restraints.now()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_written_and_nothing_else_is_one() {
        for text in ["1/minute", "20/hour", "1000000/hour"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("3/m".parse::<Rate>().unwrap().of_an_hour(), 180);
        for text in [
            "",
            "20",
            "0/hour",
            "1000001/hour",
            "-1/hour",
            "5/day",
            "/hour",
            "5 /hour",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_row_says_is_read_again() {
        let rate = "5/minute".parse().unwrap();
        for of in [
            Of::Identifier("tanaka@city.example".to_owned()),
            Of::Network("2001:db8::/32".parse().unwrap()),
            Of::Domain(Host::parse("far.example").unwrap()),
        ] {
            assert_eq!(read_limit(&said(&of, rate)), Some((of, rate)));
        }
        assert_eq!(read_limit("elsewhere 5/minute"), None);
        assert_eq!(read_limit("domain:far.example"), None);
    }

    #[test]
    fn of_several_incidents_the_lowest_limit_holds() {
        let limit = |incident, of: &str, rate: &str| Limit {
            incident,
            of: Of::read(of).unwrap(),
            rate: rate.parse().unwrap(),
        };
        let now = Restraints {
            limits: vec![
                limit(1, "identifier:a", "100/hour"),
                limit(2, "identifier:a", "1/minute"),
                limit(2, "domain:far.example", "90/hour"),
                limit(3, "domain:far.example", "2/minute"),
                limit(3, "network:192.0.2.0/24", "2/minute"),
            ],
            drains: vec![Drain {
                incident: 2,
                door: Door::Exchange,
            }],
        };
        assert_eq!(now.of_identifier("a").unwrap().incident, 2);
        assert_eq!(now.of_identifier("b"), None);
        assert_eq!(now.domains()["far.example"].to_string(), "90/hour");
        assert_eq!(now.of_address("192.0.2.9".parse().unwrap()).count(), 1);
        assert_eq!(now.of_address("192.0.3.9".parse().unwrap()).count(), 0);
        assert_eq!(
            (now.at(Door::Exchange), now.at(Door::Submission)),
            (Some(2), None)
        );
    }
}
