//! What the trail says of attacks (clause 8.2(3)): refused relaying, and passwords tried at MRA and MSA.
//!
//! Events go in, in order of time; what is conspicuous comes out, each with events to begin reading at. Memory is bounded:
//! what there was no room for is counted.

mod burst;
mod find;
mod report;
mod usage;

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use jiff::{SignedDuration, Timestamp};

use crate::{Actor, Kind, Recorded};

use burst::{Bursts, Key, Seen};

pub use find::{Find, Pattern, Service};
pub use report::{Beyond, Language, Permitted, Review};
pub use usage::{Sent, Usage, UsageReader, WayOfUse};

/// From where on something is conspicuous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Within this time.
    pub window: SignedDuration,
    /// Failures against one identifier. Default 10 within an hour.
    pub guesses: u64,
    /// Identifiers that one address fails to prove. Default 5 within an hour.
    pub identifiers: usize,
    /// Addresses that fail, with as many identifiers. Default 20 within an hour.
    pub addresses: usize,
    /// Failures of an identifier before it succeeds. Default 5 within an hour.
    pub before_success: u64,
    /// An identifier is proved from two networks within this time. Default 10 minutes.
    pub at_once: SignedDuration,
    /// Refused relaying of one address. Default 3 within an hour.
    pub relaying: u64,
    /// Identifiers, addresses and networks that are followed at most. Default 100,000 of each.
    pub most: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            window: SignedDuration::from_hours(1),
            guesses: 10,
            identifiers: 5,
            addresses: 20,
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

/// An analysis under way.
pub struct Analysis {
    from: Timestamp,
    thresholds: Thresholds,
    relaying: Bursts,
    /// What marks the attempts of the site's own probe that is under way.
    probe: Option<String>,
    guessing: Bursts,
    spraying: Bursts,
    stuffing: Bursts,
    people: HashMap<(Service, String), Habits>,
    finds: Vec<Find>,
    left_out: u64,
}

/// What is known of how an identifier is used.
#[derive(Default)]
struct Habits {
    networks: BTreeSet<String>,
    clients: BTreeSet<String>,
    last: Option<(Timestamp, String, i64)>,
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
        let bursts = || Bursts::new(thresholds.window, thresholds.most);
        Self {
            from,
            thresholds,
            relaying: bursts(),
            probe: None,
            guessing: bursts(),
            spraying: bursts(),
            stuffing: bursts(),
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
                let Actor::Identifier(identifier) = &recorded.event.actor else {
                    return;
                };
                let seen = Seen {
                    at: recorded.at,
                    id: recorded.id,
                    address,
                    identifier,
                };
                if recorded.event.kind == Kind::AuthenticationSucceeded {
                    self.succeeded(service, &seen, detail("client"));
                } else if recorded.at >= self.from {
                    self.failed(service, &seen);
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

    fn relayed(&mut self, recorded: &Recorded, address: IpAddr) {
        let seen = Seen {
            at: recorded.at,
            id: recorded.id,
            address,
            identifier: "",
        };
        let (enough, key) = (self.thresholds.relaying, Key::Address(None, address));
        self.relaying
            .take(key, &seen, |burst| burst.count >= enough);
    }

    fn failed(&mut self, service: Service, seen: &Seen<'_>) {
        let thresholds = self.thresholds;
        let identifier = Key::Identifier(service, seen.identifier.to_owned());
        self.guessing
            .take(identifier, seen, |burst| burst.count >= thresholds.guesses);
        let address = Key::Address(Some(service), seen.address);
        self.spraying.take(address, seen, |burst| {
            burst.identifiers.len() >= thresholds.identifiers
        });
        self.stuffing.take(Key::Service(service), seen, |burst| {
            burst.addresses.len() >= thresholds.addresses
                && burst.identifiers.len() >= thresholds.addresses
        });
    }

    fn succeeded(&mut self, service: Service, seen: &Seen<'_>, client: Option<&str>) {
        let key = Key::Identifier(service, seen.identifier.to_owned());
        let failures = self.guessing.ended_by(&key, seen.at);
        if failures >= self.thresholds.before_success && seen.at >= self.from {
            self.find(Pattern::SuccessAfterFailures, service, seen, failures);
        }
        let person = (service, seen.identifier.to_owned());
        if self.people.len() >= self.thresholds.most && !self.people.contains_key(&person) {
            self.left_out += 1;
            return;
        }
        let habits = self.people.entry(person).or_default();
        let network = network(seen.address);
        let is_first = habits.networks.is_empty();
        let is_new = |known: &mut BTreeSet<String>, what: &str| {
            known.len() < MOST_KNOWN && known.insert(what.to_owned())
        };
        let new_place = is_new(&mut habits.networks, &network) && !is_first;
        let had_client = !habits.clients.is_empty();
        let new_client = client.is_some_and(|client| is_new(&mut habits.clients, client));
        let elsewhere = habits.last.as_ref().is_some_and(|(at, before, _)| {
            *before != network && seen.at.duration_since(*at) <= self.thresholds.at_once
        });
        habits.last = Some((seen.at, network, seen.id));
        if seen.at < self.from {
            return;
        }
        for (pattern, is_so) in [
            (Pattern::TwoPlaces, elsewhere),
            (Pattern::NewPlace, new_place),
            (Pattern::NewClient, new_client && had_client),
        ] {
            if is_so {
                self.find(pattern, service, seen, 1);
            }
        }
    }

    fn find(&mut self, pattern: Pattern, service: Service, seen: &Seen<'_>, count: u64) {
        if self.finds.len() >= self.thresholds.most {
            self.left_out += 1;
            return;
        }
        self.finds.push(Find {
            pattern,
            service: Some(service),
            count,
            first: seen.at,
            last: seen.at,
            identifiers: vec![seen.identifier.to_owned()],
            addresses: vec![seen.address],
            events: vec![seen.id],
        });
    }

    /// What was found.
    #[must_use]
    pub fn end(self) -> Findings {
        let mut finds = self.finds;
        let mut left_out = self.left_out;
        for (pattern, bursts) in [
            (Pattern::Relaying, self.relaying),
            (Pattern::Guessing, self.guessing),
            (Pattern::Spraying, self.spraying),
            (Pattern::Stuffing, self.stuffing),
        ] {
            left_out += bursts.left_out();
            finds.extend(bursts.finds(pattern));
        }
        finds.sort_by_key(|find| (find.pattern, find.first));
        Findings { finds, left_out }
    }
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
