//! Events that come close together: a window that slides with each event, in bounded memory.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::find::{Find, Pattern, Service};

/// Of identifiers, addresses and events, so many are named.
const NAMED: usize = 10;
/// When all room is taken, it is looked for what is over so often in a window at most: that looks at every key, and who guesses at ever
/// new identifiers must not have it done for each.
const SWEEPS: i32 = 64;

/// An event, as far as bursts are concerned.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) at: Timestamp,
    pub(super) id: i64,
    pub(super) address: IpAddr,
    /// Empty when none is claimed.
    pub(super) identifier: Arc<str>,
    /// None at the exchange.
    pub(super) service: Option<Service>,
}

/// What bursts are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Identifier(Arc<str>),
    Host(IpAddr),
    All,
}

impl Key {
    /// The host that an address belongs to: IPv4 as it is, IPv6 by /64, since one host has that many.
    pub(super) fn host(address: IpAddr) -> Self {
        Self::Host(host(address))
    }
}

pub(super) fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// Each event.
    Events,
    /// Different identifiers.
    Identifiers,
    /// Different hosts.
    Hosts,
}

/// From where on events of one key are conspicuous: when there are as many of each within the window.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) window: SignedDuration,
    pub(super) enough: Vec<(Count, usize)>,
    /// So many of the last events are known at least.
    pub(super) known: usize,
}

/// The last events of a key, as many as it takes to be enough: one for each identifier or host if these are counted.
#[derive(Default)]
struct Recent(VecDeque<Entry>);

/// What is known of an event, and of earlier ones that count as the same.
struct Entry {
    seen: Seen,
    first: (Timestamp, i64),
    count: u64,
}

impl Recent {
    fn take(&mut self, seen: &Seen, count: Count, window: SignedDuration, most: usize) {
        self.forget(seen.at, window);
        let same = self.0.iter().position(|entry| match count {
            Count::Events => false,
            Count::Identifiers => entry.seen.identifier == seen.identifier,
            Count::Hosts => host(entry.seen.address) == host(seen.address),
        });
        let before = same.and_then(|at| self.0.remove(at));
        let (first, count) =
            before.map_or(((seen.at, seen.id), 0), |entry| (entry.first, entry.count));
        if self.0.len() >= most {
            self.0.pop_front();
        }
        self.0.push_back(Entry {
            seen: seen.clone(),
            first,
            count: count.saturating_add(1),
        });
    }

    /// Forgets what the window has passed.
    fn forget(&mut self, now: Timestamp, window: SignedDuration) {
        while let Some(entry) = self.0.front()
            && now.duration_since(entry.seen.at) > window
        {
            self.0.pop_front();
        }
    }
}

/// Events of one key.
struct Burst {
    /// One for each thing that is counted.
    recent: Vec<Recent>,
    /// There it is conspicuous.
    found: Option<Told>,
}

/// What is told of a burst.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) identifiers: BTreeSet<Arc<str>>,
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) services: BTreeSet<Service>,
    /// The first few by number.
    pub(super) events: BTreeSet<i64>,
}

impl Told {
    fn of<'e>(entries: impl Iterator<Item = &'e Entry>) -> Option<Self> {
        let mut told: Option<Self> = None;
        for entry in entries {
            let told = told.get_or_insert_with(|| Self {
                count: 0,
                first: entry.first.0,
                last: entry.seen.at,
                identifiers: BTreeSet::new(),
                addresses: BTreeSet::new(),
                services: BTreeSet::new(),
                events: BTreeSet::new(),
            });
            told.first = told.first.min(entry.first.0);
            told.events.insert(entry.first.1);
            told.take(&entry.seen, entry.count);
        }
        if let Some(told) = &mut told {
            while told.events.len() > NAMED {
                told.events.pop_last();
            }
        }
        told
    }

    fn take(&mut self, seen: &Seen, count: u64) {
        self.count = self.count.saturating_add(count);
        self.last = self.last.max(seen.at);
        if self.identifiers.len() < NAMED && !seen.identifier.is_empty() {
            self.identifiers.insert(Arc::clone(&seen.identifier));
        }
        if self.addresses.len() < NAMED {
            self.addresses.insert(seen.address);
        }
        self.services.extend(seen.service);
        if self.events.len() < NAMED {
            self.events.insert(seen.id);
        }
    }
}

/// The bursts of one pattern.
pub(super) struct Bursts {
    rule: Rule,
    most: usize,
    open: HashMap<Key, Burst>,
    finds: Vec<Told>,
    left_out: u64,
    /// When it was last looked for what is over.
    swept: Option<Timestamp>,
}

impl Bursts {
    pub(super) fn new(rule: Rule, most: usize) -> Self {
        Self {
            rule,
            most,
            open: HashMap::new(),
            finds: Vec::new(),
            left_out: 0,
            swept: None,
        }
    }

    /// Takes an event. A burst that is conspicuous goes on as long as events come within a window of each other.
    pub(super) fn take(&mut self, key: Key, seen: &Seen) {
        let window = self.rule.window;
        if !self.open.contains_key(&key) && self.open.len() >= self.most {
            self.close_old(seen.at);
            if self.open.len() >= self.most {
                self.left_out = self.left_out.saturating_add(1);
                return;
            }
        }
        let enough = &self.rule.enough;
        let burst = self.open.entry(key).or_insert_with(|| Burst {
            recent: enough.iter().map(|_| Recent::default()).collect(),
            found: None,
        });
        let is_over = |told: &Told| seen.at.duration_since(told.last) > window;
        if let Some(over) = burst.found.take_if(|told| is_over(told)) {
            keep(&mut self.finds, &mut self.left_out, self.most, over);
        }
        for (recent, (count, least)) in burst.recent.iter_mut().zip(enough) {
            recent.take(seen, *count, window, (*least).max(self.rule.known));
        }
        if let Some(told) = &mut burst.found {
            told.take(seen, 1);
            return;
        }
        let mut pairs = burst.recent.iter().zip(enough);
        if pairs.all(|(recent, (_, least))| recent.0.len() >= *least) {
            let recent = burst.recent.first();
            burst.found = recent.and_then(|recent| Told::of(recent.0.iter()));
        }
    }

    /// What came of a key within a window before `at`: all of it, or what came from the host alone.
    pub(super) fn before(&self, key: &Key, at: Timestamp, from: Option<IpAddr>) -> Option<Told> {
        let burst = self.open.get(key)?;
        let within = |last: Timestamp| at.duration_since(last) <= self.rule.window;
        let recent = burst.recent.first()?;
        let mine = |entry: &&Entry| {
            within(entry.seen.at) && from.is_none_or(|from| host(entry.seen.address) == host(from))
        };
        let told = Told::of(recent.0.iter().filter(mine))?;
        let is_all = recent.0.iter().all(|entry| mine(&entry));
        match &burst.found {
            // There were more than are known one by one.
            Some(found) if is_all && within(found.last) => Some(found.clone()),
            _ => Some(told),
        }
    }

    /// Forgets what came from a host of a key: somebody mistyped, and was proved then. What is conspicuous stays told.
    pub(super) fn forgive(&mut self, key: &Key, from: IpAddr) {
        let Some(burst) = self.open.get_mut(key) else {
            return;
        };
        for recent in &mut burst.recent {
            recent
                .0
                .retain(|entry| host(entry.seen.address) != host(from));
        }
        if burst.found.is_none() && burst.recent.iter().all(|recent| recent.0.is_empty()) {
            self.open.remove(key);
        }
    }

    /// Whether a burst of the key is conspicuous and goes on.
    pub(super) fn is_going_on(&self, key: &Key, at: Timestamp) -> bool {
        let found = self.open.get(key).and_then(|burst| burst.found.as_ref());
        found.is_some_and(|told| at.duration_since(told.last) <= self.rule.window)
    }

    /// Ends the bursts that no event can belong to any more, unless that was done a moment ago.
    fn close_old(&mut self, now: Timestamp) {
        let window = self.rule.window;
        let rest = window / SWEEPS;
        if self
            .swept
            .is_some_and(|swept| now.duration_since(swept) < rest)
        {
            return;
        }
        self.swept = Some(now);
        let (finds, left_out, most) = (&mut self.finds, &mut self.left_out, self.most);
        self.open.retain(|_, burst| {
            let last = burst.recent.iter().filter_map(|recent| recent.0.back());
            let last = last.map(|entry| entry.seen.at);
            let last = last.chain(burst.found.as_ref().map(|told| told.last)).max();
            let goes_on = last.is_some_and(|last| now.duration_since(last) <= window);
            if !goes_on && let Some(told) = burst.found.take() {
                keep(finds, left_out, most, told);
            }
            goes_on
        });
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What was conspicuous.
    pub(super) fn finds(mut self, pattern: Pattern) -> Vec<Find> {
        for burst in std::mem::take(&mut self.open).into_values() {
            if let Some(told) = burst.found {
                keep(&mut self.finds, &mut self.left_out, self.most, told);
            }
        }
        let finds = self.finds.into_iter();
        finds.map(|told| told.find(pattern)).collect()
    }
}

fn keep(finds: &mut Vec<Told>, left_out: &mut u64, most: usize, told: Told) {
    if finds.len() < most {
        finds.push(told);
    } else {
        *left_out = left_out.saturating_add(1);
    }
}

impl Told {
    pub(super) fn find(self, pattern: Pattern) -> Find {
        let identifiers = self.identifiers.iter().map(ToString::to_string);
        Find {
            pattern,
            services: self.services.into_iter().collect(),
            count: self.count,
            first: self.first,
            last: self.last,
            identifiers: identifiers.collect(),
            addresses: self.addresses.into_iter().collect(),
            events: self.events.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A flood of identifiers that nobody has costs no look at all keys for each of them, and what is over makes room again.
    #[test]
    fn a_flood_is_swept_now_and_then() {
        let window = SignedDuration::from_hours(1);
        let rule = Rule {
            window,
            enough: vec![(Count::Events, 10)],
            known: 5,
        };
        let mut bursts = Bursts::new(rule, 50);
        let begin: Timestamp = "2026-10-02T00:00:00Z".parse().unwrap();
        let mut take = |second: i64, name: String| {
            let seen = Seen {
                at: begin + SignedDuration::from_secs(second),
                id: second,
                address: [198, 51, 100, 7].into(),
                identifier: name.as_str().into(),
                service: None,
            };
            bursts.take(Key::Identifier(Arc::clone(&seen.identifier)), &seen);
            (bursts.swept, bursts.left_out)
        };
        let mut sweeps = BTreeSet::new();
        for second in 0..1000 {
            let (swept, _) = take(second, format!("nobody{second}"));
            sweeps.extend(swept);
        }
        assert_eq!(sweeps.len(), 17, "{sweeps:?}");
        let (_, left_out) = take(5000, "somebody".to_owned());
        assert_eq!(left_out, 950);
    }
}
