//! What is counted of an hour.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Seconds of an hour.
pub const HOUR: i64 = 3600;
/// Networks and domains that an hour that is not over tells apart; of more, those with the least are only in the sum.
pub const TRACKED: usize = 256;
/// Networks and domains that are kept of an hour that is over.
pub const KEPT: usize = 20;
/// Minutes of an hour that have to be observed, or nothing is learned from it.
pub const ENOUGH_MINUTES: u32 = 45;

macro_rules! series {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal),* $(,)?) => {
        /// What is counted. A name, once used, keeps its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Series { $($(#[doc = $doc])+ #[serde(rename = $name)] $variant),* }

        impl Series {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name on the command line and in storage.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

series! {
    /// Messages that came from other servers and were accepted.
    InAccepted = "in-accepted",
    /// Octets of them.
    InOctets = "in-octets",
    /// Recipients that were refused to other servers for good.
    InRefusedRecipient = "in-refused-recipient",
    /// Other refusals to other servers for good: senders, contents, commands of a transaction.
    InRefused = "in-refused",
    /// What other servers were asked to send later, for other reasons than this server's own trouble.
    InPutOff = "in-put-off",
    /// What was put off for this server's own trouble: no room, no memory, a scanner that does not answer (RFC 3463, X.3.X).
    Trouble = "trouble",
    /// Sessions, recipients and transactions that the budgets for floods turned away.
    TurnedAway = "turned-away",
    /// Messages that were submitted.
    Submitted = "submitted",
    /// Octets of them.
    SubmittedOctets = "submitted-octets",
    /// Refusals to those who submit.
    SubmissionRefused = "submission-refused",
    /// Recipients here of what was submitted.
    Inside = "inside",
    /// Recipients whose mailboxes got a message.
    Delivered = "delivered",
    /// Recipients whose message another server took.
    Relayed = "relayed",
    /// Attempts that were put off, by recipient.
    Deferred = "deferred",
    /// Recipients whose message failed or was given up.
    Bounced = "bounced",
    /// Notifications that were made.
    Notified = "notified",
    /// Bounces that came.
    BouncesIn = "bounces-in",
    /// Sessions of IMAP and POP3 that ended.
    Sessions = "sessions",
    /// Identifiers that proved themselves.
    Logins = "logins",
    /// Proofs that were refused.
    LoginsFailed = "logins-failed",
}

impl std::str::FromStr for Series {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = Self::ALL.iter().copied();
        let found = all.find(|series| series.as_str() == name);
        found.ok_or_else(|| format!("no series is called {name:?}"))
    }
}

/// A figure of the service, sampled each minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gauge {
    /// Recipients in the queue.
    Queue,
    /// Age of the oldest message in the queue, in seconds.
    Oldest,
    /// How long the queue is behind: since when what is most overdue should have been tried, in seconds.
    Overdue,
    /// How long a commit of the store took in the minute, on average, in microseconds.
    Commit,
    /// Free part of the disk, in thousandths.
    DiskFree,
}

impl Gauge {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Queue,
        Self::Oldest,
        Self::Overdue,
        Self::Commit,
        Self::DiskFree,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Oldest => "oldest",
            Self::Overdue => "overdue",
            Self::Commit => "commit",
            Self::DiskFree => "disk-free",
        }
    }
}

/// Samples of a figure: what was not sampled is not there, and never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// How many.
    pub count: u32,
    /// All together.
    pub sum: u64,
    /// The largest.
    pub most: u64,
    /// The smallest.
    pub least: u64,
}

impl Samples {
    /// One more.
    pub fn add(&mut self, value: u64) {
        self.least = match self.count {
            0 => value,
            _ => self.least.min(value),
        };
        self.most = self.most.max(value);
        self.sum = self.sum.saturating_add(value);
        self.count = self.count.saturating_add(1);
    }

    /// Their mean; `None`: there is none.
    #[must_use]
    pub fn mean(&self) -> Option<u64> {
        self.sum.checked_div(u64::from(self.count))
    }

    fn join(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        self.least = match self.count {
            0 => other.least,
            _ => self.least.min(other.least),
        };
        self.most = self.most.max(other.most);
        self.sum = self.sum.saturating_add(other.sum);
        self.count = self.count.saturating_add(other.count);
    }
}

/// Who sent or was sent how much: the largest by name, the rest in sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// By name; what is left of a name that was pushed out before is in `rest`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub named: BTreeMap<String, u64>,
    /// All others.
    #[serde(default)]
    pub rest: u64,
}

impl Shares {
    /// Counts `more` of `name`. The memory is bounded by [`TRACKED`] names; the sum stays exact.
    pub fn add(&mut self, name: &str, more: u64) {
        if let Some(count) = self.named.get_mut(name) {
            *count = count.saturating_add(more);
            return;
        }
        if self.named.len() >= TRACKED {
            self.push_out();
        }
        self.named.insert(name.to_owned(), more);
    }

    /// All together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let named = self.named.values();
        named.fold(self.rest, |sum, count| sum.saturating_add(*count))
    }

    /// The largest first, at most `most`.
    #[must_use]
    pub fn largest(&self, most: usize) -> Vec<(&str, u64)> {
        let named = self.named.iter();
        let mut all: Vec<(&str, u64)> =
            named.map(|(name, count)| (name.as_str(), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(most);
        all
    }

    /// Keeps the `most` largest by name.
    pub fn cut(&mut self, most: usize) {
        while self.named.len() > most {
            self.push_out();
        }
    }

    fn push_out(&mut self) {
        let least = self.named.iter().min_by_key(|(_, count)| **count);
        if let Some(name) = least.map(|(name, _)| name.clone()) {
            let count = self.named.remove(&name).unwrap_or_default();
            self.rest = self.rest.saturating_add(count);
        }
    }

    fn join(&mut self, other: &Self) {
        for (name, count) in &other.named {
            self.add(name, *count);
        }
        self.rest = self.rest.saturating_add(other.rest);
    }
}

/// How long what other servers took was on its way here, from acceptance to their answer: messages within 10 seconds, a minute, ten
/// minutes, an hour, and longer.
pub const LATENCIES: [i64; 4] = [10, 60, 600, 3600];

/// All that is kept of an hour, or of hours that were folded into a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// What was counted; what is not there was not seen.
    #[serde(default)]
    pub counts: BTreeMap<Series, u64>,
    /// What came from which network (IPv4 /24, IPv6 /48): accepted or refused.
    #[serde(default)]
    pub sources: Shares,
    /// Whom mail went to elsewhere, by domain.
    #[serde(default)]
    pub destinations: Shares,
    /// Bounds in [`LATENCIES`].
    #[serde(default)]
    pub latency: [u64; 5],
    /// Figures of the service; what was not sampled is not there.
    #[serde(default)]
    pub service: BTreeMap<Gauge, Samples>,
    /// Minutes in which the server ran and looked; 0: what is not counted is unknown.
    #[serde(default)]
    pub minutes: u32,
    /// How the hour was judged when it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<crate::State>,
    /// It belongs to an incident: nothing is learned from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apart: bool,
}

impl Counts {
    /// How many of `series`.
    #[must_use]
    pub fn of(&self, series: Series) -> u64 {
        self.counts.get(&series).copied().unwrap_or(0)
    }

    /// Counts `more` of `series`.
    pub fn add(&mut self, series: Series, more: u64) {
        if more > 0 {
            let count = self.counts.entry(series).or_default();
            *count = count.saturating_add(more);
        }
    }

    /// Counts a message that another server took after so many seconds.
    pub fn took(&mut self, seconds: i64) {
        let place = LATENCIES.iter().position(|bound| seconds <= *bound);
        if let Some(count) = self.latency.get_mut(place.unwrap_or(LATENCIES.len())) {
            *count = count.saturating_add(1);
        }
    }

    /// The bound in seconds under which a share of messages (in hundredths) was on its way; `None`: none was, or it was longer than
    /// the last bound.
    #[must_use]
    pub fn latency(&self, hundredths: u64) -> Option<i64> {
        let all: u64 = self.latency.iter().sum();
        let mut seen = 0_u64;
        for (bound, count) in LATENCIES.iter().zip(&self.latency) {
            seen = seen.saturating_add(*count);
            if all > 0 && seen.saturating_mul(100) >= all.saturating_mul(hundredths) {
                return Some(*bound);
            }
        }
        None
    }

    /// Takes samples that stand for so many minutes.
    pub fn sample(&mut self, figures: &BTreeMap<Gauge, u64>, minutes: u32) {
        self.minutes = self.minutes.saturating_add(minutes);
        for (gauge, value) in figures {
            self.service.entry(*gauge).or_default().add(*value);
        }
    }

    /// Whether something can be learned from it: it was observed, and is part of no incident.
    #[must_use]
    pub fn teaches(&self) -> bool {
        self.minutes >= ENOUGH_MINUTES && !self.apart
    }

    /// Adds another's counts, as hours are folded into a day. The worse state stands.
    pub fn join(&mut self, other: &Self) {
        for (series, count) in &other.counts {
            self.add(*series, *count);
        }
        self.sources.join(&other.sources);
        self.destinations.join(&other.destinations);
        for (sum, more) in self.latency.iter_mut().zip(&other.latency) {
            *sum = sum.saturating_add(*more);
        }
        for (gauge, samples) in &other.service {
            self.service.entry(*gauge).or_default().join(*samples);
        }
        self.minutes = self.minutes.saturating_add(other.minutes);
        self.state = self.state.max(other.state);
        self.apart |= other.apart;
    }

    /// Cuts what is kept by name to what an hour that is over keeps.
    pub fn close(&mut self) {
        self.sources.cut(KEPT);
        self.destinations.cut(KEPT);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn latency_is_told_by_bounds() {
        let mut counts = Counts::default();
        assert_eq!(counts.latency(50), None);
        for seconds in [1, 2, 9, 30, 4000] {
            counts.took(seconds);
        }
        assert_eq!(counts.latency, [3, 1, 0, 0, 1]);
        assert_eq!(
            (counts.latency(50), counts.latency(80), counts.latency(95)),
            (Some(10), Some(60), None)
        );
    }

    #[test]
    fn what_was_not_sampled_is_not_zero() {
        let mut counts = Counts::default();
        counts.sample(&BTreeMap::from([(Gauge::Queue, 7)]), 1);
        counts.sample(&BTreeMap::from([(Gauge::Queue, 3)]), 5);
        assert_eq!(counts.minutes, 6);
        let queue = counts.service.get(&Gauge::Queue).unwrap();
        assert_eq!((queue.most, queue.least, queue.mean()), (7, 3, Some(5)));
        assert!(!counts.service.contains_key(&Gauge::DiskFree));
        assert_eq!(Samples::default().mean(), None);
    }

    #[test]
    fn written_and_read_again() {
        let mut counts = Counts::default();
        for (number, series) in Series::ALL.iter().enumerate() {
            counts.add(*series, number as u64);
            assert_eq!(series.as_str().parse(), Ok(*series));
        }
        counts.sources.add("192.0.2.0/24", 4);
        counts.sample(&Gauge::ALL.map(|gauge| (gauge, 1)).into(), 1);
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(serde_json::from_str::<Counts>(&text).unwrap(), counts);
        assert!(serde_json::from_str::<Counts>(r#"{"colour":1}"#).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn shares_are_bounded_and_their_sum_is_exact(names in proptest::collection::vec((0_u16..2000, 1_u64..9), 0..4000)) {
            let mut shares = Shares::default();
            let mut sum = 0;
            for (name, more) in names {
                shares.add(&format!("n{name}"), more);
                sum += more;
            }
            prop_assert!(shares.named.len() <= TRACKED);
            prop_assert_eq!(shares.sum(), sum);
            shares.cut(KEPT);
            prop_assert!(shares.named.len() <= KEPT);
            prop_assert_eq!(shares.sum(), sum);
        }
    }

    #[test]
    fn a_large_one_among_many_small_ones_is_named() {
        let mut shares = Shares::default();
        for round in 0..5000 {
            shares.add(&format!("small{round}"), 1);
            if round % 4 == 0 {
                shares.add("large", 1);
            }
        }
        assert_eq!(shares.largest(1), [("large", 1250)]);
    }
}
