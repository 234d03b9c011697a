//! Events that come close together.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use jiff::{SignedDuration, Timestamp};

use super::find::{Find, Pattern, Service};

/// Of identifiers, addresses and events, so many are named.
const NAMED: usize = 10;
/// Of identifiers and addresses of one burst, so many are told apart.
const TOLD_APART: usize = 1000;

/// An event, as far as bursts are concerned.
pub(super) struct Seen<'e> {
    pub(super) at: Timestamp,
    pub(super) id: i64,
    pub(super) address: IpAddr,
    /// Empty when none is claimed.
    pub(super) identifier: &'e str,
}

/// What bursts are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Identifier(Service, String),
    Address(Option<Service>, IpAddr),
    Service(Service),
}

impl Key {
    fn service(&self) -> Option<Service> {
        match self {
            Self::Identifier(service, _) | Self::Service(service) => Some(*service),
            Self::Address(service, _) => *service,
        }
    }
}

/// Events of one key within a window.
pub(super) struct Burst {
    pub(super) count: u64,
    pub(super) identifiers: BTreeSet<String>,
    pub(super) addresses: BTreeSet<IpAddr>,
    first: Timestamp,
    last: Timestamp,
    events: Vec<i64>,
    /// It is conspicuous.
    enough: bool,
}

/// The bursts of one pattern.
pub(super) struct Bursts {
    window: SignedDuration,
    most: usize,
    open: HashMap<Key, Burst>,
    finds: Vec<(Option<Service>, Burst)>,
    left_out: u64,
}

impl Bursts {
    pub(super) fn new(window: SignedDuration, most: usize) -> Self {
        Self {
            window,
            most,
            open: HashMap::new(),
            finds: Vec::new(),
            left_out: 0,
        }
    }

    /// Takes an event; `enough` says from where on its burst is conspicuous. A burst goes on as long as events come within a
    /// window of each other once it is, and is begun anew after a window otherwise.
    pub(super) fn take(&mut self, key: Key, seen: &Seen<'_>, enough: impl Fn(&Burst) -> bool) {
        if let Some(burst) = self.open.get(&key) {
            let since = if burst.enough {
                burst.last
            } else {
                burst.first
            };
            if seen.at.duration_since(since) > self.window {
                self.close(&key);
            }
        }
        if !self.open.contains_key(&key) && self.open.len() >= self.most {
            self.close_old(seen.at);
            if self.open.len() >= self.most {
                self.left_out += 1;
                return;
            }
        }
        let burst = self.open.entry(key).or_insert_with(|| Burst {
            count: 0,
            identifiers: BTreeSet::new(),
            addresses: BTreeSet::new(),
            first: seen.at,
            last: seen.at,
            events: Vec::new(),
            enough: false,
        });
        burst.take(seen);
        burst.enough |= enough(burst);
    }

    /// How many events of a key came within the last window before a success, which ends them.
    pub(super) fn ended_by(&mut self, key: &Key, at: Timestamp) -> u64 {
        let Some(burst) = self.open.get(key) else {
            return 0;
        };
        let count = match at.duration_since(burst.last) <= self.window {
            true => burst.count,
            false => 0,
        };
        self.close(key);
        count
    }

    /// Ends a burst: it is kept if it was conspicuous.
    fn close(&mut self, key: &Key) {
        if let Some(burst) = self.open.remove(key)
            && burst.enough
        {
            if self.finds.len() < self.most {
                self.finds.push((key.service(), burst));
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Ends the bursts that no event can belong to any more.
    fn close_old(&mut self, now: Timestamp) {
        let old = self.open.iter();
        let old = old.filter(|(_, burst)| now.duration_since(burst.last) > self.window);
        let old: Vec<Key> = old.map(|(key, _)| key.clone()).collect();
        for key in old {
            self.close(&key);
        }
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What was conspicuous.
    pub(super) fn finds(mut self, pattern: Pattern) -> impl Iterator<Item = Find> {
        let keys: Vec<Key> = self.open.keys().cloned().collect();
        for key in keys {
            self.close(&key);
        }
        self.finds.into_iter().map(move |(service, burst)| Find {
            pattern,
            service,
            count: burst.count,
            first: burst.first,
            last: burst.last,
            identifiers: burst.identifiers.into_iter().take(NAMED).collect(),
            addresses: burst.addresses.into_iter().take(NAMED).collect(),
            events: burst.events,
        })
    }
}

impl Burst {
    fn take(&mut self, seen: &Seen<'_>) {
        self.count += 1;
        self.last = seen.at;
        if self.identifiers.len() < TOLD_APART && !seen.identifier.is_empty() {
            self.identifiers.insert(seen.identifier.to_owned());
        }
        if self.addresses.len() < TOLD_APART {
            self.addresses.insert(seen.address);
        }
        if self.events.len() < NAMED {
            self.events.push(seen.id);
        }
    }
}
