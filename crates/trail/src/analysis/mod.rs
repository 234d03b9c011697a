//! What the trail says of attacks (clause 8.2(3)): refused relaying, and passwords tried at MRA and MSA.
//!
//! Events go in, in order of time; what is conspicuous comes out, each with events to begin reading at. Memory is bounded:
//! what there was no room for is counted.

mod burst;
mod find;
mod report;
mod usage;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use crate::{Actor, Kind, Recorded};

use burst::{Bursts, Count, Key, Rule, Seen};

pub use find::{Find, Pattern, Service};
pub use report::{Beyond, Language, Permitted, Review};
pub use usage::{CHANGES, Change, Sent, Usage, UsageReader, WayOfUse};

/// From where on something is conspicuous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Within this time, whenever it begins. Default 1 hour.
    pub window: SignedDuration,
    /// Failures against one identifier within it. Default 10.
    pub guesses: usize,
    /// Within this time slow guessing is looked for. Default 7 days.
    pub slow_window: SignedDuration,
    /// Failures against one identifier within that, besides those that are conspicuous by themselves. Default 50.
    pub slow_guesses: usize,
    /// Identifiers that one host fails to prove within the window. Default 5.
    pub identifiers: usize,
    /// Hosts that fail, with as many identifiers, within the window. Default 20.
    pub hosts: usize,
    /// Failures of an identifier within the window before it succeeds. Default 5.
    pub before_success: usize,
    /// An identifier is proved from two networks within this time. Default 10 minutes.
    pub at_once: SignedDuration,
    /// Refused relaying of one host within the window. Default 3.
    pub relaying: usize,
    /// Identifiers, hosts and networks that are followed at most. Default 100,000 of each.
    pub most: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            window: SignedDuration::from_hours(1),
            guesses: 10,
            slow_window: SignedDuration::from_hours(7 * 24),
            slow_guesses: 50,
            identifiers: 5,
            hosts: 20,
            before_success: 5,
            at_once: SignedDuration::from_mins(10),
            relaying: 3,
            most: 100_000,
        }
    }
}

/// The kinds of events that an analysis reads.
pub const KINDS: [Kind; 5] = [
    Kind::AuthenticationSucceeded,
    Kind::AuthenticationFailed,
    Kind::TransactionRefused,
    Kind::ProbeBegun,
    Kind::ProbeDone,
];

/// The enhanced code of a refusal to relay, with the command that it answers.
const RELAYING: (&str, &str) = ("RCPT", "5.7.1 ");
/// What marks a probe is not guessed: it has so many characters at least.
const LEAST_MARK: usize = 16;
/// Networks and clients that are known of one identifier at most; more are not told as new.
const MOST_KNOWN: usize = 256;
/// Pairs of networks of one identifier that are told as two places at most.
const MOST_PAIRS: usize = 64;

/// An analysis under way.
pub struct Analysis {
    from: Timestamp,
    thresholds: Thresholds,
    relaying: Bursts,
    /// What marks the attempts of the site's own probe that is under way.
    probe: Option<String>,
    guessing: Bursts,
    slow: Bursts,
    spraying: Bursts,
    stuffing: Bursts,
    people: HashMap<Arc<str>, Habits>,
    finds: Vec<Find>,
    left_out: u64,
}

/// What is known of how an identifier is used, at all services.
#[derive(Default)]
struct Habits {
    networks: BTreeSet<String>,
    clients: BTreeSet<String>,
    last: Option<(String, Seen)>,
    /// Two networks within minutes: where that is among the finds.
    pairs: BTreeMap<(String, String), usize>,
}

/// What an analysis found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is conspicuous, the gravest pattern first.
    pub finds: Vec<Find>,
    /// Events that could not be followed for want of room.
    pub left_out: u64,
}

impl Analysis {
    /// An analysis of what happened from `from` on. Events before it tell what is usual.
    #[must_use]
    pub fn new(from: Timestamp, thresholds: Thresholds) -> Self {
        let bursts = |window: SignedDuration, enough: &[(Count, usize)]| {
            let rule = Rule {
                window,
                enough: enough.to_vec(),
                known: thresholds.before_success,
            };
            Bursts::new(rule, thresholds.most)
        };
        let within = |enough: &[(Count, usize)]| bursts(thresholds.window, enough);
        let many = thresholds.hosts;
        Self {
            from,
            thresholds,
            relaying: within(&[(Count::Events, thresholds.relaying)]),
            probe: None,
            guessing: within(&[(Count::Events, thresholds.guesses)]),
            slow: bursts(
                thresholds.slow_window,
                &[(Count::Events, thresholds.slow_guesses)],
            ),
            spraying: within(&[(Count::Identifiers, thresholds.identifiers)]),
            stuffing: within(&[(Count::Identifiers, many), (Count::Hosts, many)]),
            people: HashMap::new(),
            finds: Vec::new(),
            left_out: 0,
        }
    }

    /// Takes the next event. Those of other kinds than [`KINDS`] mean nothing here.
    pub fn take(&mut self, recorded: &Recorded) {
        let detail = |name: &str| {
            recorded
                .event
                .detail
                .get(name)
                .and_then(|fact| fact.as_str())
        };
        match recorded.event.kind {
            Kind::ProbeBegun => {
                let mark = detail("mark").filter(|mark| mark.len() >= LEAST_MARK);
                self.probe = mark.map(str::to_owned);
            }
            Kind::ProbeDone => self.probe = None,
            _ => {}
        }
        let Some(address) = recorded.event.address else {
            return;
        };
        match recorded.event.kind {
            Kind::TransactionRefused => {
                let (command, code) = RELAYING;
                let refused = detail("reply").is_some_and(|reply| reply.contains(code));
                let is_probe = self.is_probe(detail("recipient").unwrap_or_default());
                let counts = refused && !is_probe && recorded.at >= self.from;
                if detail("command") == Some(command) && counts {
                    self.relayed(recorded, address);
                }
            }
            Kind::AuthenticationFailed | Kind::AuthenticationSucceeded => {
                let Some(service) = detail("service").and_then(Service::from_name) else {
                    return;
                };
                let Actor::Identifier(claimed) = &recorded.event.actor else {
                    return;
                };
                // However it was written: who guesses at one identifier in many spellings guesses at one.
                let identifier = match recorded.event.subject.as_str() {
                    "" => claimed.as_str(),
                    meant => meant,
                };
                let seen = Seen {
                    at: recorded.at,
                    id: recorded.id,
                    address,
                    identifier: identifier.into(),
                    service: Some(service),
                };
                if recorded.event.kind == Kind::AuthenticationSucceeded {
                    self.succeeded(&seen, detail("client"));
                } else if recorded.at >= self.failures_from() {
                    self.failed(&seen);
                }
            }
            _ => {}
        }
    }

    /// Whether the site's own probe tried to relay to `recipient`.
    fn is_probe(&self, recipient: &str) -> bool {
        let recipient = recipient.to_ascii_lowercase();
        self.probe
            .as_ref()
            .is_some_and(|mark| recipient.contains(mark.as_str()))
    }

    /// Failures from here on are counted, so that a window that reaches into the period is whole.
    fn failures_from(&self) -> Timestamp {
        let window = self.thresholds.window.max(self.thresholds.slow_window);
        self.from.checked_sub(window).unwrap_or(Timestamp::MIN)
    }

    fn relayed(&mut self, recorded: &Recorded, address: IpAddr) {
        let seen = Seen {
            at: recorded.at,
            id: recorded.id,
            address,
            identifier: "".into(),
            service: None,
        };
        self.relaying.take(Key::host(address), &seen);
    }

    fn failed(&mut self, seen: &Seen) {
        let identifier = Key::Identifier(Arc::clone(&seen.identifier));
        self.guessing.take(identifier.clone(), seen);
        self.slow.take(identifier, seen);
        self.spraying.take(Key::host(seen.address), seen);
        self.stuffing.take(Key::All, seen);
    }

    fn succeeded(&mut self, seen: &Seen, client: Option<&str>) {
        let network = network(seen.address);
        let habits = self.people.get(&seen.identifier);
        let is_usual = habits.is_some_and(|habits| habits.networks.contains(&network));
        self.after_failures(seen, is_usual);
        let is_known = self.people.contains_key(&seen.identifier);
        if !is_known && self.people.len() >= self.thresholds.most {
            self.left_out += 1;
            return;
        }
        let habits = self.people.entry(Arc::clone(&seen.identifier)).or_default();
        let is_first = habits.networks.is_empty();
        let is_new = |known: &mut BTreeSet<String>, what: &str| {
            known.len() < MOST_KNOWN && known.insert(what.to_owned())
        };
        let new_place = is_new(&mut habits.networks, &network) && !is_first;
        let had_client = !habits.clients.is_empty();
        let new_client = client.is_some_and(|client| is_new(&mut habits.clients, client));
        let before = habits.last.replace((network.clone(), seen.clone()));
        if seen.at < self.from {
            return;
        }
        if let Some((other, before)) = before
            && other != network
            && seen.at.duration_since(before.at) <= self.thresholds.at_once
        {
            self.two_places(&before, seen, (other, network));
        }
        for (pattern, is_so) in [
            (Pattern::NewPlace, new_place),
            (Pattern::NewClient, new_client && had_client),
        ] {
            if is_so {
                self.find(pattern, seen);
            }
        }
    }

    /// An identifier is proved. Failures from there were its holder's, who mistyped, if it is where it is always used, and they were
    /// few; else the password may have been found. Failures from elsewhere go on to count: whoever guesses does not begin anew because the
    /// holder's program looks for mail.
    fn after_failures(&mut self, seen: &Seen, is_usual: bool) {
        let key = Key::Identifier(Arc::clone(&seen.identifier));
        let from = is_usual.then_some(seen.address);
        let least = u64::try_from(self.thresholds.before_success).unwrap_or(u64::MAX);
        let told = self.guessing.before(&key, seen.at, from);
        let told = told.filter(|told| told.count >= least).or_else(|| {
            let slow = self.slow.is_going_on(&key, seen.at);
            slow.then(|| self.slow.before(&key, seen.at, from))
                .flatten()
                .filter(|told| told.count >= least)
        });
        if let Some(told) = told
            && seen.at >= self.from
        {
            self.success_after(told, seen);
        }
        self.guessing.forgive(&key, seen.address);
        self.slow.forgive(&key, seen.address);
    }

    fn success_after(&mut self, mut told: burst::Told, seen: &Seen) {
        // The success is among what is named, whatever else is left out.
        if told.events.len() > 1 {
            told.events.pop_last();
        }
        told.events.insert(seen.id);
        told.addresses.insert(seen.address);
        told.services.extend(seen.service);
        told.last = seen.at;
        self.keep(told.find(Pattern::SuccessAfterFailures));
    }

    fn two_places(&mut self, before: &Seen, seen: &Seen, (other, network): (String, String)) {
        let pair = match other < network {
            true => (other, network),
            false => (network, other),
        };
        let Some(habits) = self.people.get_mut(&seen.identifier) else {
            return;
        };
        if let Some(find) = habits
            .pairs
            .get(&pair)
            .and_then(|at| self.finds.get_mut(*at))
        {
            find.count += 1;
            find.last = seen.at;
            return;
        }
        if habits.pairs.len() >= MOST_PAIRS {
            self.left_out += 1;
            return;
        }
        habits.pairs.insert(pair, self.finds.len());
        let mut services = vec![before.service, seen.service];
        services.sort_unstable();
        services.dedup();
        self.keep(Find {
            pattern: Pattern::TwoPlaces,
            services: services.into_iter().flatten().collect(),
            count: 1,
            first: before.at,
            last: seen.at,
            identifiers: vec![seen.identifier.to_string()],
            addresses: vec![before.address, seen.address],
            events: vec![before.id, seen.id],
        });
    }

    fn find(&mut self, pattern: Pattern, seen: &Seen) {
        self.keep(Find {
            pattern,
            services: seen.service.into_iter().collect(),
            count: 1,
            first: seen.at,
            last: seen.at,
            identifiers: vec![seen.identifier.to_string()],
            addresses: vec![seen.address],
            events: vec![seen.id],
        });
    }

    fn keep(&mut self, find: Find) {
        if self.finds.len() < self.thresholds.most {
            self.finds.push(find);
        } else {
            self.left_out += 1;
        }
    }

    /// What was found.
    #[must_use]
    pub fn end(self) -> Findings {
        let mut finds = self.finds;
        let mut left_out = self.left_out;
        for (pattern, bursts) in [
            (Pattern::Relaying, self.relaying),
            (Pattern::Guessing, self.guessing),
            (Pattern::SlowGuessing, self.slow),
            (Pattern::Spraying, self.spraying),
            (Pattern::Stuffing, self.stuffing),
        ] {
            left_out += bursts.left_out();
            finds.extend(bursts.finds(pattern));
        }
        // What was before the period only made its windows whole.
        finds.retain(|find| find.last >= self.from);
        let told = told_of_guessing(&finds);
        let least = u64::try_from(self.thresholds.slow_guesses).unwrap_or(u64::MAX);
        finds.retain(|find| find.pattern != Pattern::SlowGuessing || beside(find, &told) >= least);
        finds.sort_by_key(|find| (find.pattern, find.first));
        Findings { finds, left_out }
    }
}

type Guessed = HashMap<String, Vec<(Timestamp, Timestamp, u64)>>;

/// What is told as guessing, by identifier: from when, until when, how often.
fn told_of_guessing(finds: &[Find]) -> Guessed {
    let mut told = Guessed::new();
    let guessing = finds
        .iter()
        .filter(|find| find.pattern == Pattern::Guessing);
    for find in guessing {
        for identifier in &find.identifiers {
            let times = told.entry(identifier.clone()).or_default();
            times.push((find.first, find.last, find.count));
        }
    }
    told
}

/// How many of slow guesses are not told as guessing already.
fn beside(slow: &Find, told: &Guessed) -> u64 {
    let of = slow.identifiers.first().and_then(|name| told.get(name));
    let inside = of
        .into_iter()
        .flatten()
        .filter(|(first, last, _)| *first >= slow.first && *last <= slow.last);
    slow.count
        .saturating_sub(inside.map(|(_, _, count)| count).sum())
}

/// The network that an address is taken to be in: its /24, or its /48.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

#[cfg(test)]
mod tests;
