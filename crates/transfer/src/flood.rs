//! What mail to nobody may use (clauses 4.4, 5.5(3)): recipients that are not here and mail without a sender have budgets, by client
//! network and in all, so that a flood of them leaves normal mail its share. Whoever is over is turned away before anything is done for it.
//!
//! All of it is in memory: it is about the last minute. What is refused without an event of its own is told in sum, at most a
//! minute later; what a crash takes from that is a minute's count of refusals.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use store::{Error, Recorded, Tx};
use tokio::time::Instant;
use trail::{Actor, Event, Kind, Outcome};
use wire::{Shutdown, network_of};

use crate::{Limits, Transfer, budget::Meter};

/// Networks that are known at once at most; those that were idle longest are forgotten.
const MOST_NETWORKS: usize = 10_000;
/// How long a network counts as one that sends wanted mail.
const KNOWN: Duration = Duration::from_secs(7 * 86_400);
/// Networks that one event names.
const MOST_NAMED: usize = 20;
/// How often a flood is told of.
const TELL: Duration = Duration::from_secs(60);

/// The budgets of all sessions together.
#[derive(Clone, Default)]
pub(crate) struct Floods {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Sessions of strangers that named somebody who is not here.
    guessing: AtomicUsize,
    /// Clients that wait to be turned away.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    networks: HashMap<IpAddr, Network>,
    all: Meter,
    window: Window,
}

/// What is known of a network.
#[derive(Default)]
struct Network {
    unknown: Meter,
    null_senders: Meter,
    /// It named too many who are not here, until half of that budget has come back.
    shut: bool,
    /// When mail of it was last accepted.
    good: Option<Instant>,
    seen: Option<Instant>,
}

/// What was refused without an event of its own.
#[derive(Default)]
struct Window {
    since: Option<Timestamp>,
    unknown: u64,
    null_senders: u64,
    sessions: u64,
    limited: u64,
    drained: u64,
    by_network: HashMap<IpAddr, u64>,
    /// Of networks that are too many to be named.
    others: u64,
}

/// What a client is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Unknown,
    NullSender,
    Session,
    /// An incident limits its network.
    Limited,
    /// No new mail is taken for an incident.
    Drained,
}

/// One of the sessions or clients that there may be so many of, until it is dropped.
pub(crate) struct Place {
    shared: Arc<Shared>,
    of: fn(&Shared) -> &AtomicUsize,
}

impl Drop for Place {
    fn drop(&mut self) {
        (self.of)(&self.shared).fetch_sub(1, Ordering::AcqRel);
    }
}

impl Network {
    fn over(&mut self, now: Instant) -> bool {
        let half = Duration::from_secs(30);
        if self.shut && self.unknown.owes(now) <= half {
            self.shut = false;
        }
        self.shut
    }

    fn is_known(&self, now: Instant) -> bool {
        self.good
            .is_some_and(|good| now.saturating_duration_since(good) < KNOWN)
    }
}

impl State {
    fn network(&mut self, peer: IpAddr, now: Instant) -> &mut Network {
        let address = network_of(peer);
        if self.networks.len() >= MOST_NETWORKS && !self.networks.contains_key(&address) {
            self.forget();
        }
        let network = self.networks.entry(address).or_default();
        network.seen = Some(now);
        network
    }

    /// Forgets the half that was idle longest: strangers first.
    fn forget(&mut self) {
        let mut order: Vec<(bool, Option<Instant>, IpAddr)> = self
            .networks
            .iter()
            .map(|(address, network)| (network.good.is_some(), network.seen, *address))
            .collect();
        order.sort_unstable();
        for (_, _, address) in order.into_iter().take(MOST_NETWORKS / 2) {
            self.networks.remove(&address);
        }
    }

    fn count(&mut self, what: What, peer: IpAddr, at: Timestamp) {
        let window = &mut self.window;
        window.since.get_or_insert(at);
        let count = match what {
            What::Unknown => &mut window.unknown,
            What::NullSender => &mut window.null_senders,
            What::Session => &mut window.sessions,
            What::Limited => &mut window.limited,
            What::Drained => &mut window.drained,
        };
        *count = count.saturating_add(1);
        let address = network_of(peer);
        let of = if window.by_network.len() < MOST_NETWORKS
            || window.by_network.contains_key(&address)
        {
            window.by_network.entry(address).or_default()
        } else {
            &mut window.others
        };
        *of = of.saturating_add(1);
    }
}

impl Floods {
    /// Whether the client's network is over a budget: nothing is done for it now.
    pub(crate) fn is_over(&self, peer: IpAddr, now: Instant) -> bool {
        let mut state = self.shared.state.lock();
        let address = network_of(peer);
        let network = state.networks.get_mut(&address);
        network.is_some_and(|network| network.over(now))
    }

    /// A recipient was named who is not here. `false`: that is one too many, of its network, or of all that are not known to
    /// send wanted mail.
    pub(crate) fn unknown(&self, peer: IpAddr, limits: &Limits, now: Instant) -> bool {
        let mut state = self.shared.state.lock();
        let known = {
            let network = state.network(peer, now);
            let per = limits.unknown_recipients_per_network;
            if !network.unknown.take(per, now) {
                network.shut = true;
                return false;
            }
            network.is_known(now)
        };
        // What the others do is not counted against it.
        known || state.all.take(limits.unknown_recipients_per_minute, now)
    }

    /// A transaction without a sender begins. `false`: that is one too many of its network.
    pub(crate) fn null_sender(&self, peer: IpAddr, limits: &Limits, now: Instant) -> bool {
        let mut state = self.shared.state.lock();
        let network = state.network(peer, now);
        // It is not shut: servers that send much mail send many bounces, too.
        network
            .null_senders
            .take(limits.null_senders_per_network, now)
    }

    /// A message to `recipients` was accepted: as many unknown ones are forgiven.
    pub(crate) fn good(&self, peer: IpAddr, recipients: usize, limits: &Limits, now: Instant) {
        let mut state = self.shared.state.lock();
        let network = state.network(peer, now);
        network.good = Some(now);
        let per = limits.unknown_recipients_per_network;
        network
            .unknown
            .give(per, u32::try_from(recipients).unwrap_or(u32::MAX));
    }

    /// A place for a session that named somebody who is not here; `None`: there are so many already. Known networks need none.
    pub(crate) fn guess(
        &self,
        peer: IpAddr,
        limits: &Limits,
        now: Instant,
    ) -> Option<Option<Place>> {
        let known = self.shared.state.lock().network(peer, now).is_known(now);
        if known {
            return Some(None);
        }
        self.place(|shared| &shared.guessing, limits.unknown_recipient_sessions)
            .map(Some)
    }

    /// A place to wait in before a client is turned away; `None`: so many wait that it is told at once.
    pub(crate) fn wait(&self, limits: &Limits) -> Option<Place> {
        self.place(|shared| &shared.waiting, limits.unknown_recipient_sessions)
    }

    fn place(&self, of: fn(&Shared) -> &AtomicUsize, most: usize) -> Option<Place> {
        let add = |open: usize| (open < most).then(|| open.saturating_add(1));
        of(&self.shared)
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, add)
            .ok()?;
        Some(Place {
            shared: Arc::clone(&self.shared),
            of,
        })
    }

    /// Counts what was refused without an event of its own.
    pub(crate) fn count(&self, what: What, peer: IpAddr, at: Timestamp) {
        self.shared.state.lock().count(what, peer, at);
    }

    /// What is to be told; counting begins anew.
    fn told(&self, until: Timestamp) -> Option<(Window, Event)> {
        let window = std::mem::take(&mut self.shared.state.lock().window);
        let since = window.since?;
        let mut networks: Vec<(u64, IpAddr)> = window
            .by_network
            .iter()
            .map(|(address, count)| (*count, *address))
            .collect();
        networks.sort_unstable_by(|a, b| b.cmp(a));
        let named: Vec<String> = networks
            .iter()
            .take(MOST_NAMED)
            .map(|(count, address)| format!("{address} {count}"))
            .collect();
        let mut event = Event::new(Kind::FloodRefused, Actor::System)
            .outcome(Outcome::Refused)
            .detail("since", since.to_string())
            .detail("until", until.to_string())
            .detail("unknown_recipients", window.unknown)
            .detail("null_senders", window.null_senders)
            .detail("sessions", window.sessions)
            .detail("networks", named)
            .detail("network_count", networks.len());
        for (name, count) in [("limited", window.limited), ("drained", window.drained)] {
            if count > 0 {
                event = event.detail(name, count);
            }
        }
        Some((window, event))
    }

    /// Puts back what could not be told.
    fn untold(&self, window: Window) {
        let mut state = self.shared.state.lock();
        let now = &mut state.window;
        now.since = window.since.or(now.since);
        now.unknown = now.unknown.saturating_add(window.unknown);
        now.null_senders = now.null_senders.saturating_add(window.null_senders);
        now.sessions = now.sessions.saturating_add(window.sessions);
        now.limited = now.limited.saturating_add(window.limited);
        now.drained = now.drained.saturating_add(window.drained);
        now.others = now.others.saturating_add(window.others);
        for (address, count) in window.by_network {
            let of = now.by_network.entry(address).or_default();
            *of = of.saturating_add(count);
        }
    }
}

impl Transfer {
    /// Tells the trail of floods until shutdown: one event a minute at most, while there are any. To be run once.
    pub async fn run_floods(&self, mut shutdown: Shutdown) {
        loop {
            let ends = tokio::select! {
                () = shutdown.begun() => true,
                () = tokio::time::sleep(TELL) => false,
            };
            self.tell_of_floods().await;
            if ends {
                return;
            }
        }
    }

    /// Tells of what was turned away since the last time, if anything was.
    pub async fn tell_of_floods(&self) {
        let Some((window, event)) = self.floods().told(self.world().now()) else {
            return;
        };
        tracing::warn!(
            unknown_recipients = window.unknown,
            null_senders = window.null_senders,
            sessions = window.sessions,
            limited = window.limited,
            drained = window.drained,
            "a flood of mail to nobody, without a sender, or against an incident's limits is turned away"
        );
        let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> { tx.record(&event, ()) };
        if let Err(error) = self.store().commit(Vec::new(), work).await {
            tracing::error!(%error, "that a flood was turned away could not be recorded; it is tried again");
            self.floods().untold(window);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn limits() -> Limits {
        Limits {
            unknown_recipients_per_minute: 20,
            unknown_recipients_per_network: 6,
            null_senders_per_network: 4,
            unknown_recipient_sessions: 2,
            ..Limits::default()
        }
    }

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    #[test]
    fn a_network_that_is_over_is_shut_until_half_of_its_budget_has_come_back() {
        let (floods, limits, now) = (Floods::default(), limits(), Instant::now());
        let named = (0..10)
            .filter(|_| floods.unknown(peer(1), &limits, now))
            .count();
        assert_eq!(named, 6);
        let later = |seconds| now + Duration::from_secs(seconds);
        assert!(floods.is_over(peer(1), later(29)));
        assert!(!floods.is_over(peer(1), later(30)));
        assert!(!floods.is_over(peer(2), now), "others are not");
        let begun = (0..10)
            .filter(|_| floods.null_sender(peer(3), &limits, now))
            .count();
        assert_eq!((begun, floods.is_over(peer(3), now)), (4, false));
    }

    #[test]
    fn one_that_is_not_here_among_many_that_are_is_forgiven() {
        let (floods, limits, now) = (Floods::default(), limits(), Instant::now());
        for _ in 0..100 {
            assert!(floods.unknown(peer(1), &limits, now));
            floods.good(peer(1), 3, &limits, now);
        }
        // What is forgiven is no credit.
        let named = (0..10)
            .filter(|_| floods.unknown(peer(1), &limits, now))
            .count();
        assert_eq!(named, 6);
    }

    #[test]
    fn many_strangers_are_over_together_and_who_is_known_is_not_concerned() {
        let (floods, limits, now) = (Floods::default(), limits(), Instant::now());
        floods.good(peer(100), 1, &limits, now);
        let named = (0..50)
            .filter(|n| floods.unknown(peer(*n), &limits, now))
            .count();
        assert_eq!(named, 20);
        assert!(floods.unknown(peer(100), &limits, now));
        // So many sessions of strangers at once, and no more.
        let first = floods.guess(peer(1), &limits, now).unwrap();
        let _second = floods.guess(peer(2), &limits, now).unwrap();
        assert!(floods.guess(peer(3), &limits, now).is_none());
        assert!(floods.guess(peer(100), &limits, now).unwrap().is_none());
        drop(first);
        assert!(floods.guess(peer(3), &limits, now).is_some());
        let long_after = now + KNOWN;
        assert!(
            !floods
                .shared
                .state
                .lock()
                .network(peer(100), long_after)
                .is_known(long_after)
        );
    }

    #[test]
    fn a_flood_is_told_in_sum_and_memory_is_bounded() {
        let (floods, limits, now) = (Floods::default(), limits(), Instant::now());
        let at = Timestamp::from_second(1000).unwrap();
        assert!(floods.told(at).is_none());
        floods.good(peer(1), 1, &limits, now);
        for number in 0..30_000_u32 {
            let peer = IpAddr::from(number.to_be_bytes());
            floods.unknown(peer, &limits, now);
            floods.count(What::Unknown, peer, at);
        }
        floods.count(What::Session, peer(9), at);
        {
            let state = floods.shared.state.lock();
            assert!(state.networks.len() <= MOST_NETWORKS);
            assert!(state.networks.contains_key(&peer(1)), "known ones last");
        }
        let (window, _) = floods.told(at).unwrap();
        assert_eq!(
            (window.unknown, window.sessions, window.others),
            (30_000, 1, 20_001)
        );
        floods.untold(window);
        let (_, event) = floods.told(at).unwrap();
        let text = serde_json::to_string(&event.detail).unwrap();
        assert!(
            text.contains("\"unknown_recipients\":30000") && text.len() < 2000,
            "{text}"
        );
        assert!(floods.told(at).is_none());
    }
}
