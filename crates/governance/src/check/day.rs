//! The events of the last twenty-four hours, counted exactly and once a look, whatever their number.

use std::collections::BTreeMap;

use ::trail::Kind;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use store::{
    Error, Snapshot,
    event::{self, Filter, Seen},
};

/// The code of the reply to an attempt to relay (RFC 3463).
const RELAYING: &str = "5.7.1 ";
/// Events that are counted in one go.
const PAGE: u32 = 100_000;
/// Addresses whose events are counted each for itself; what comes from others is in the sum alone.
const MOST_SOURCES: usize = 10_000;
/// Addresses that are named.
const MOST_NAMED: usize = 5;
/// Kinds of which more than their number is asked.
const LOOKED_INTO: [Kind; 4] = [
    Kind::BounceReceived,
    Kind::TransactionRefused,
    Kind::SubmissionRefused,
    Kind::AuthenticationFailed,
];

/// What a day held.
#[derive(Clone, Debug, Default)]
pub struct Day {
    kinds: BTreeMap<String, u64>,
    /// Attempts to relay that were refused (clause 8.2(3)a).
    pub(super) relaying: Sources,
    /// Failed logins at the MRA (clause 8.2(3)b).
    pub(super) retrieval: Sources,
    /// Failed logins at the MSA (clause 8.2(3)c).
    pub(super) submission: Sources,
    /// Bounces, by the domain that something was not delivered to (clause 5.5(1)).
    pub(super) bounces: Sources,
    /// The same, by cause.
    pub(super) bounce_causes: Sources,
    /// Mail without a sender that was refused at its recipient (clause 5.5(2)).
    pub(super) forged: u64,
}

/// A sum, and how much of it came from where.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    pub(super) count: u64,
    /// Addresses, domains or causes.
    addresses: BTreeMap<String, u64>,
}

impl Sources {
    fn add(&mut self, address: Option<&String>, count: u64) {
        self.count = self.count.saturating_add(count);
        let Some(address) = address else { return };
        if let Some(known) = self.addresses.get_mut(address) {
            *known = known.saturating_add(count);
        } else if self.addresses.len() < MOST_SOURCES {
            self.addresses.insert(address.clone(), count);
        }
    }

    /// Where most came from, with how much.
    pub(super) fn named(&self) -> Vec<String> {
        let mut all: Vec<_> = self.addresses.iter().collect();
        all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let most = all.into_iter().take(MOST_NAMED);
        most.map(|(address, count)| format!("{address}: {count}"))
            .collect()
    }
}

/// The facts of an event that are asked for. What is no object of such facts has none.
#[derive(Default, Deserialize)]
struct Told {
    #[serde(default)]
    reply: Option<String>,
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    sender: Option<String>,
    #[serde(default)]
    protocol: Option<String>,
    #[serde(default)]
    domain: Option<String>,
    #[serde(default)]
    cause: Option<String>,
    #[serde(default)]
    further_refusals: Option<u64>,
}

impl Day {
    /// Counts the events of the twenty-four hours before `now`.
    pub(super) fn count(snapshot: &mut Snapshot<'_>, now: Timestamp) -> Result<Self, Error> {
        let back = SignedDuration::from_hours(24);
        let mut filter = Filter {
            from: Some(now.checked_sub(back).unwrap_or(Timestamp::MIN)),
            ..Filter::default()
        };
        let mut day = Self::default();
        let looked_into = Filter {
            kinds: LOOKED_INTO.to_vec(),
            ..filter.clone()
        };
        loop {
            let page = event::tally(snapshot, &filter, PAGE)?;
            for ((kind, _), count) in page.counts {
                let sum = day.kinds.entry(kind).or_default();
                *sum = sum.saturating_add(count);
            }
            match page.last {
                Some(last) => filter.after = Some(last),
                None => break,
            }
        }
        event::visit(snapshot, &looked_into, &mut |seen| day.take(seen))?;
        Ok(day)
    }

    fn take(&mut self, seen: &Seen) {
        let told: Told = serde_json::from_str(&seen.detail).unwrap_or_default();
        let is = |fact: &Option<String>, text: &str| fact.as_deref() == Some(text);
        if seen.kind == Kind::BounceReceived.as_str() {
            self.bounces.add(told.domain.as_ref(), 1);
            self.bounce_causes.add(told.cause.as_ref(), 1);
            return;
        }
        // What came further in the same session was only counted.
        let times = told.further_refusals.unwrap_or(0).max(1);
        if seen.kind == Kind::AuthenticationFailed.as_str() {
            match told.protocol.as_deref() {
                Some("imap" | "pop3") => self.retrieval.add(seen.address.as_ref(), 1),
                Some("smtp") => self.submission.add(seen.address.as_ref(), 1),
                _ => {}
            }
            return;
        }
        if told
            .reply
            .as_deref()
            .is_some_and(|reply| reply.contains(RELAYING))
        {
            self.relaying.add(seen.address.as_ref(), times);
        }
        let outside = seen.kind == Kind::TransactionRefused.as_str();
        if outside && is(&told.sender, "<>") && is(&told.command, "RCPT") {
            self.forged = self.forged.saturating_add(times);
        }
    }

    /// How many events of any of the kinds there were.
    pub(super) fn of(&self, kinds: &[Kind]) -> u64 {
        let counts = kinds.iter().map(|kind| self.kinds.get(kind.as_str()));
        counts
            .flatten()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kind: Kind, address: &str, detail: &str) -> Seen {
        Seen {
            kind: kind.as_str().to_owned(),
            address: Some(address.to_owned()),
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn each_is_counted_for_what_it_is_and_what_is_strange_for_nothing() {
        let mut day = Day::default();
        let failed = Kind::AuthenticationFailed;
        for _ in 0..3 {
            day.take(&seen(failed, "192.0.2.1", r#"{"protocol":"imap"}"#));
        }
        day.take(&seen(
            failed,
            "192.0.2.2",
            r#"{"protocol":"smtp","reason":"x"}"#,
        ));
        day.take(&seen(failed, "192.0.2.2", r#"{"protocol":7}"#));
        let refused = Kind::TransactionRefused;
        let reply =
            r#"{"reply":"550 5.7.1 no","command":"RCPT","sender":"<>","further_refusals":9}"#;
        day.take(&seen(refused, "192.0.2.3", reply));
        day.take(&seen(refused, "192.0.2.3", "damaged"));
        let bounce = r#"{"cause":"no-mailbox","domain":"far.example"}"#;
        day.take(&seen(Kind::BounceReceived, "192.0.2.4", bounce));
        day.take(&seen(Kind::BounceReceived, "192.0.2.4", "{}"));
        assert_eq!(day.bounces.count, 2);
        assert_eq!(day.bounces.named(), ["far.example: 1"]);
        assert_eq!(day.bounce_causes.named(), ["no-mailbox: 1"]);
        assert_eq!(day.retrieval.count, 3);
        assert_eq!(day.submission.count, 1);
        assert_eq!(day.relaying.count, 9);
        assert_eq!(day.forged, 9);
        assert_eq!(day.retrieval.named(), ["192.0.2.1: 3"]);
    }

    #[test]
    fn memory_is_bounded_and_the_sum_is_not() {
        let mut sources = Sources::default();
        for number in 0..(2 * MOST_SOURCES) {
            sources.add(Some(&number.to_string()), 1);
        }
        assert_eq!(sources.addresses.len(), MOST_SOURCES);
        assert_eq!(sources.count, 2 * MOST_SOURCES as u64);
    }
}
