//! Guessing is made slow: failures of one identifier, and from one network address, are counted, and the
//! answers to later attempts are held back, longer each time, never for ever.
//!
//! Who has proved an identifier from an address before is held back only after failing from there several times
//! again: an attack from elsewhere, a neighbour behind the same address, or a slip of the finger does not slow
//! the holder down.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// Identifiers, and addresses, that are remembered at most; the longest quiet are forgotten first.
const MOST_ENTRIES: usize = 32_768;
/// Entries forgotten at once when the room is full.
const FORGET_AT_ONCE: usize = MOST_ENTRIES / 8;
/// Failures are forgotten after this quiet time.
const FORGET_AFTER: Duration = Duration::from_secs(60 * 60);
/// The first delay; each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Attempts of one identifier, or from one address, that are held back at the same time. More are turned
/// away at once: holding them costs memory, and trying many side by side must not beat the delay.
const MOST_WAITING: u32 = 16;
/// Attempts of one identifier that may be under way side by side before the rest counts as failures: who
/// guesses with many connections at once gains no more than this. A mail program may open dozens.
const FREE_AT_ONCE_BY_IDENTIFIER: u32 = 128;
/// The same for one address, where a whole office may sit. Connections from one address have a limit of their own.
const FREE_AT_ONCE_BY_ADDRESS: u32 = 512;
/// Addresses remembered for each identifier as its holder's.
const MOST_KNOWN: usize = 8;

/// Counts failures and says how long to hold an attempt back.
#[derive(Clone, Default)]
pub(crate) struct Throttle {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    identifiers: HashMap<String, Entry>,
    addresses: HashMap<IpAddr, Entry>,
}

struct Entry {
    failures: u32,
    /// Attempts under way.
    begun: u32,
    /// Of these, how many are held back.
    waiting: u32,
    last: Instant,
    /// Where the holder has proved the identifier from (identifiers only), and the failures there since.
    known: Vec<(IpAddr, u32)>,
}

/// The limits that settings give.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) free_failures: u32,
    pub(crate) longest_delay: Duration,
}

/// Too many attempts are already held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded;

/// An attempt under way, until dropped.
pub(crate) struct Held {
    throttle: Throttle,
    identifier: String,
    network: IpAddr,
    /// How long it is held back.
    delay: Duration,
    /// Whether it still is.
    waiting: bool,
}

impl Throttle {
    /// How long an attempt must wait before it is checked.
    pub(crate) fn hold(&self, identifier: &str, peer: IpAddr, pace: Pace) -> Result<Held, Crowded> {
        let network = network(peer);
        let now = Instant::now();
        let mut state = self.state.lock();
        let claimed = state.identifiers.get(identifier);
        let place = state.addresses.get(&network);
        let trusted = |entry: &Entry| {
            let free = pace.free_failures.max(1);
            entry
                .known
                .iter()
                .any(|(known, since)| *known == network && *since < free)
        };
        let delay = if claimed.is_some_and(trusted) {
            Duration::ZERO
        } else {
            let claimed = claimed.map(|e| e.delay(now, pace, FREE_AT_ONCE_BY_IDENTIFIER));
            let place = place.map(|e| e.delay(now, pace, FREE_AT_ONCE_BY_ADDRESS));
            claimed.max(place).unwrap_or_default()
        };
        let crowd = [claimed, place]
            .into_iter()
            .flatten()
            .map(|entry| entry.waiting)
            .max();
        if !delay.is_zero() && crowd.is_some_and(|waiting| waiting >= MOST_WAITING) {
            return Err(Crowded);
        }
        entry(&mut state.identifiers, identifier.to_owned(), now).begin(delay);
        entry(&mut state.addresses, network, now).begin(delay);
        drop(state);
        Ok(Held {
            throttle: self.clone(),
            identifier: identifier.to_owned(),
            network,
            delay,
            waiting: !delay.is_zero(),
        })
    }

    /// How long an answer to an attempt that proves nothing must wait: as if each place were an identifier of its own.
    pub(crate) fn hold_unproved(&self, peer: IpAddr, pace: Pace) -> Result<Held, Crowded> {
        self.hold(&unproved(network(peer)), peer, pace)
    }

    /// Counts an attempt that proved nothing. Only those of its kind pay for it.
    pub(crate) fn failed_unproved(&self, peer: IpAddr) {
        let now = Instant::now();
        let mut state = self.state.lock();
        entry(&mut state.identifiers, unproved(network(peer)), now).fail(now);
    }

    /// Counts a failed attempt.
    pub(crate) fn failed(&self, identifier: &str, peer: IpAddr) {
        let network = network(peer);
        let now = Instant::now();
        let mut state = self.state.lock();
        let entry = entry(&mut state.identifiers, identifier.to_owned(), now);
        entry.fail(now);
        for (known, since) in &mut entry.known {
            if *known == network {
                *since = since.saturating_add(1);
            }
        }
        self::entry(&mut state.addresses, network, now).fail(now);
    }

    /// Notes a success: the identifier's failures are forgotten, and the address is known as its holder's.
    pub(crate) fn succeeded(&self, identifier: &str, peer: IpAddr) {
        let network = network(peer);
        let now = Instant::now();
        let mut state = self.state.lock();
        let entry = entry(&mut state.identifiers, identifier.to_owned(), now);
        entry.failures = 0;
        entry.last = now;
        entry.known.retain(|(known, _)| *known != network);
        if entry.known.len() >= MOST_KNOWN {
            entry.known.remove(0);
        }
        entry.known.push((network, 0));
        // A program that tries what is not offered before what is must not be slowed down for ever.
        if let Some(entry) = state.identifiers.get_mut(&unproved(network)) {
            entry.failures = 0;
        }
    }
}

impl Held {
    /// Waits as long as the attempt is held back. From then on it is under way and holds nobody else back by
    /// waiting: an exchange of several steps may take its time.
    pub(crate) async fn wait(&mut self) {
        if self.waiting {
            sleep(self.delay).await;
            self.on_entries(|entry| entry.waiting = entry.waiting.saturating_sub(1));
            self.waiting = false;
        }
    }

    fn on_entries(&self, change: impl Fn(&mut Entry)) {
        let mut state = self.throttle.state.lock();
        if let Some(entry) = state.identifiers.get_mut(&self.identifier) {
            change(entry);
        }
        if let Some(entry) = state.addresses.get_mut(&self.network) {
            change(entry);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let waiting = self.waiting;
        self.on_entries(|entry| entry.end(waiting));
    }
}

impl Entry {
    fn delay(&self, now: Instant, pace: Pace, free_at_once: u32) -> Duration {
        let quiet = now.duration_since(self.last) > FORGET_AFTER;
        let failures = if quiet { 0 } else { self.failures };
        let suspect = failures.saturating_add(self.begun.saturating_sub(free_at_once));
        let free = pace.free_failures.max(1);
        if suspect < free {
            return Duration::ZERO;
        }
        let doublings = suspect.saturating_sub(free).min(16);
        FIRST_DELAY
            .saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX))
            .min(pace.longest_delay)
    }

    fn begin(&mut self, delay: Duration) {
        self.begun = self.begun.saturating_add(1);
        self.waiting = self.waiting.saturating_add(u32::from(!delay.is_zero()));
    }

    fn end(&mut self, waiting: bool) {
        self.begun = self.begun.saturating_sub(1);
        self.waiting = self.waiting.saturating_sub(u32::from(waiting));
    }

    fn fail(&mut self, now: Instant) {
        if now.duration_since(self.last) > FORGET_AFTER {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.last = now;
    }
}

/// The entry of `key`, made when it is missing; the map never outgrows its bound.
fn entry<K: Hash + Eq + Clone>(map: &mut HashMap<K, Entry>, key: K, now: Instant) -> &mut Entry {
    if map.len() >= MOST_ENTRIES && !map.contains_key(&key) {
        forget(map);
    }
    map.entry(key).or_insert_with(|| Entry {
        failures: 0,
        begun: 0,
        waiting: 0,
        last: now,
        known: Vec::new(),
    })
}

fn forget<K: Hash + Eq + Clone>(map: &mut HashMap<K, Entry>) {
    let mut ages: Vec<(Instant, K)> = map
        .iter()
        .map(|(key, entry)| (entry.last, key.clone()))
        .collect();
    ages.sort_by_key(|(last, _)| *last);
    for (_, key) in ages.into_iter().take(FORGET_AT_ONCE) {
        map.remove(&key);
    }
}

/// Stands among the identifiers for the attempts from a place that prove nothing. NUL is in no identifier.
fn unproved(network: IpAddr) -> String {
    format!("\0{network}")
}

/// What counts as one place: an IPv4 address, or the /64 that an IPv6 user commonly has alone.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PACE: Pace = Pace {
        free_failures: 3,
        longest_delay: Duration::from_secs(30),
    };
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

    fn delay(throttle: &Throttle, identifier: &str, peer: IpAddr) -> u64 {
        throttle
            .hold(identifier, peer, PACE)
            .unwrap()
            .delay
            .as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn delays_grow_to_their_limit_and_success_resets_them() {
        let throttle = Throttle::default();
        let mut seen = Vec::new();
        for _ in 0..10 {
            seen.push(delay(&throttle, "a", HERE));
            throttle.failed("a", HERE);
        }
        assert_eq!(seen, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(delay(&throttle, "a", THERE), 30, "by identifier");
        assert_eq!(delay(&throttle, "b", HERE), 30, "by address");
        assert_eq!(delay(&throttle, "b", THERE), 0);
        throttle.succeeded("a", THERE);
        assert_eq!(delay(&throttle, "a", THERE), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_holder_is_not_slowed_by_an_attack_from_elsewhere() {
        let throttle = Throttle::default();
        throttle.succeeded("a", HERE);
        for _ in 0..10 {
            throttle.failed("a", THERE);
        }
        assert_eq!(delay(&throttle, "a", HERE), 0);
        for _ in 0..2 {
            throttle.failed("a", HERE);
            assert_eq!(delay(&throttle, "a", HERE), 0, "a slip is forgiven");
        }
        throttle.failed("a", HERE);
        assert_eq!(
            delay(&throttle, "a", HERE),
            30,
            "as many failures as anybody has free end the trust"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_proves_nothing_slows_down_its_own_kind() {
        let throttle = Throttle::default();
        let unproved = || {
            let held = throttle.hold_unproved(HERE, PACE).unwrap();
            throttle.failed_unproved(HERE);
            held.delay.as_secs()
        };
        let seen = [(); 5].map(|()| unproved());
        assert_eq!(seen, [0, 0, 0, 1, 2]);
        assert_eq!(delay(&throttle, "a", HERE), 0);
        throttle.succeeded("a", HERE);
        assert_eq!(unproved(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn side_by_side_attempts_are_bounded() {
        let throttle = Throttle::default();
        for _ in 0..5 {
            throttle.failed("a", HERE);
        }
        let mut held = Vec::new();
        for _ in 0..MOST_WAITING {
            held.push(throttle.hold("a", HERE, PACE).unwrap());
        }
        assert!(matches!(throttle.hold("a", HERE, PACE), Err(Crowded)));
        held.clear();
        assert!(
            throttle.hold("a", HERE, PACE).is_ok(),
            "never a lasting lockout"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_keeps_nobody_out() {
        let throttle = Throttle::default();
        for _ in 0..5 {
            throttle.failed("a", HERE);
        }
        let mut under_way = Vec::new();
        for _ in 0..2 * MOST_WAITING {
            let mut held = throttle.hold("a", HERE, PACE).unwrap();
            held.wait().await;
            under_way.push(held);
        }
        under_way.clear();
        let state = throttle.state.lock();
        let entry = state.identifiers.get("a").unwrap();
        assert_eq!((entry.begun, entry.waiting), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_once_gain_nothing() {
        let throttle = Throttle::default();
        let begun: Vec<_> = (0..200)
            .filter_map(|_| throttle.hold("a", HERE, PACE).ok())
            .collect();
        let free = begun.iter().filter(|held| held.delay.is_zero()).count();
        assert_eq!(free, 131, "those at once and 3 failures");
        assert!(begun.iter().any(|held| held.delay == PACE.longest_delay));
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_failures_are_forgotten() {
        let throttle = Throttle::default();
        for _ in 0..5 {
            throttle.failed("a", HERE);
        }
        tokio::time::advance(FORGET_AFTER + Duration::from_secs(1)).await;
        assert_eq!(delay(&throttle, "a", HERE), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..MOST_ENTRIES + 10 {
            throttle.failed(&n.to_string(), HERE);
        }
        assert!(throttle.state.lock().identifiers.len() <= MOST_ENTRIES);
    }

    #[test]
    fn one_ipv6_user_is_one_place() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        assert_eq!(network(a), network(b));
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(network(mapped), HERE);
    }
}
