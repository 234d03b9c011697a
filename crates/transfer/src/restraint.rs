//! How open incidents' limits are kept to ([`directory::restraint`]): how much each has had of late is counted here, in memory. After a
//! restart a limit allows at once what it allows in its time, once more.

use std::{collections::HashMap, net::IpAddr};

use directory::restraint::{Door, Limit, MOST, Rate};
use parking_lot::Mutex;
use protocol::smtp::{Detail, Refusal};
use store::queue::Recipient;
use tokio::time::Instant;

use crate::{Listener, Transfer, budget::Meter};

/// What of each limit was used.
#[derive(Default)]
pub(crate) struct Meters(Mutex<HashMap<String, Meter>>);

impl Meters {
    /// Takes one of all that are named; `false`: one of them has no room, and nothing is taken.
    fn take(&self, limits: &[(String, Rate)], now: Instant) -> bool {
        let mut meters = self.0.lock();
        if meters.len() > MOST.saturating_mul(2) {
            meters.retain(|_, meter| !meter.owes(now).is_zero());
        }
        let has_room = limits.iter().all(|(name, rate)| {
            meters
                .get(name)
                .is_none_or(|meter| meter.has_room(rate.recipients, rate.per.time(), now))
        });
        if has_room {
            for (name, rate) in limits {
                let meter = meters.entry(name.clone()).or_default();
                meter.take_of(rate.recipients, rate.per.time(), now);
            }
        }
        has_room
    }

    fn has_room(&self, (name, rate): (&str, Rate), now: Instant) -> bool {
        let meters = self.0.lock();
        meters
            .get(name)
            .is_none_or(|meter| meter.has_room(rate.recipients, rate.per.time(), now))
    }
}

fn of_domain(domain: &str, rate: Rate) -> String {
    format!("domain:{domain} {rate}")
}

impl Transfer {
    /// The incident for which a listener takes no new mail.
    pub(crate) fn drained(&self, listener: Listener) -> Option<i64> {
        let door = match listener.is_submission() {
            true => Door::Submission,
            false => Door::Exchange,
        };
        self.directory().restraints().at(door)
    }

    /// Takes one recipient of what the networks may have that an address is in; `false`: they had as much as they may.
    pub(crate) fn within_network(&self, peer: IpAddr) -> bool {
        let restraints = self.directory().restraints();
        let named = |limit: &Limit| (format!("{} {}", limit.of, limit.rate), limit.rate);
        let limits: Vec<(String, Rate)> = restraints
            .of_address(peer.to_canonical())
            .map(named)
            .collect();
        limits.is_empty() || self.meters().take(&limits, Instant::now())
    }

    /// Domains that had as much mail as they may: what is for them waits.
    pub(crate) fn waiting_domains(&self) -> Vec<String> {
        let now = Instant::now();
        let limited = self.directory().restraints().domains().into_iter();
        let full = limited.filter(|(domain, rate)| {
            !self
                .meters()
                .has_room((&of_domain(domain, *rate), *rate), now)
        });
        full.map(|(domain, _)| domain).collect()
    }

    /// Those of the recipients whose domains may have mail now; the others stay due, and wait.
    pub(crate) fn within_domains(&self, mut recipients: Vec<Recipient>) -> Vec<Recipient> {
        let limited = self.directory().restraints().domains();
        if limited.is_empty() {
            return recipients;
        }
        let now = Instant::now();
        recipients.retain(|waiting| {
            let domain = waiting.recipient.address.domain().to_string();
            limited.get(&domain).is_none_or(|rate| {
                let one = [(of_domain(&domain, *rate), *rate)];
                self.meters().take(&one, now)
            })
        });
        recipients
    }
}

/// What a client is told while no new mail is taken (RFC 3463, X.3.2).
pub(crate) fn not_now() -> Refusal {
    Refusal::new::<451>(
        Detail::NOT_ACCEPTING,
        "This server takes no new mail for the moment, try again later",
    )
}

/// What a client is told whose network is limited.
pub(crate) fn limited() -> Refusal {
    Refusal::new::<450>(
        Detail::NOT_AUTHORIZED,
        "Too many recipients from your network for the moment, try again later",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn so_many_are_let_through_and_of_two_limits_both_are_kept_to() {
        let (meters, now) = (Meters::default(), Instant::now());
        let wide = (
            "network:192.0.2.0/24".to_owned(),
            "5/minute".parse().unwrap(),
        );
        let narrow = ("network:192.0.2.1/32".to_owned(), "2/hour".parse().unwrap());
        let both = [wide.clone(), narrow.clone()];
        let count =
            |limits: &[(String, Rate)], now| (0..10).filter(|_| meters.take(limits, now)).count();
        assert_eq!(count(&both, now), 2, "the narrower one");
        assert_eq!(
            count(std::slice::from_ref(&wide), now),
            3,
            "what it left of the other"
        );
        let later = now + Duration::from_secs(60);
        assert_eq!(count(&both, later), 0, "an hour is not over");
        assert!(!meters.has_room((&narrow.0, narrow.1), later));
        assert_eq!(count(&[wide], later), 5);
        let later = now + Duration::from_secs(1801);
        assert!(meters.has_room((&narrow.0, narrow.1), later));
        assert_eq!(count(&both, later), 1);
    }
}
