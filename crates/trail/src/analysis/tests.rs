#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Event, Outcome};

/// Events one after the other.
struct Trail {
    analysis: Analysis,
    id: i64,
    at: Timestamp,
}

impl Trail {
    fn new() -> Self {
        Self {
            analysis: Analysis::new(
                "2026-10-01T00:00:00Z".parse().unwrap(),
                Thresholds::default(),
            ),
            id: 0,
            at: "2026-10-02T00:00:00Z".parse().unwrap(),
        }
    }

    fn wait(&mut self, minutes: i64) -> &mut Self {
        self.at += SignedDuration::from_mins(minutes);
        self
    }

    fn take(&mut self, event: Event) -> &mut Self {
        self.id += 1;
        self.analysis.take(&Recorded {
            id: self.id,
            at: self.at,
            version: 1,
            event,
        });
        self
    }

    fn login(&mut self, success: bool, identifier: &str, address: &str) -> &mut Self {
        self.at_service("mra", success, identifier, address)
    }

    fn at_service(
        &mut self,
        service: &str,
        success: bool,
        identifier: &str,
        address: &str,
    ) -> &mut Self {
        let kind = match success {
            true => Kind::AuthenticationSucceeded,
            false => Kind::AuthenticationFailed,
        };
        let event = Event::new(kind, Actor::Identifier(identifier.to_owned()))
            .address(address.parse::<IpAddr>().unwrap())
            .detail("service", service);
        self.take(event)
    }

    fn found(self) -> Vec<(Pattern, u64)> {
        let found = self.analysis.end();
        assert_eq!(found.left_out, 0);
        found
            .finds
            .iter()
            .map(|find| (find.pattern, find.count))
            .collect()
    }
}

#[test]
fn a_person_who_mistypes_is_not_conspicuous() {
    let mut trail = Trail::new();
    for _ in 0..50 {
        for _ in 0..3 {
            trail.login(false, "tanaka", "192.0.2.1");
        }
        trail.login(true, "tanaka", "192.0.2.1").wait(120);
    }
    assert_eq!(trail.found(), []);
}

#[test]
fn guessing_is_one_find_however_long_it_lasts() {
    let mut trail = Trail::new();
    for _ in 0..300 {
        trail.login(false, "tanaka", "198.51.100.7").wait(4);
    }
    // Slower than the threshold of an hour: that is seen over days.
    for _ in 0..300 {
        trail.login(false, "suzuki", "198.51.100.7").wait(10);
    }
    // Slower than both: nothing.
    for _ in 0..300 {
        trail
            .login(false, "kato", "198.51.100.7")
            .wait(60 * 24 * 7 / 48);
    }
    assert_eq!(
        trail.found(),
        [(Pattern::Guessing, 300), (Pattern::SlowGuessing, 300)]
    );
}

#[test]
fn a_window_slides() {
    let mut trail = Trail::new();
    // Seven at the end of one hour, and seven at the beginning of the next.
    trail.login(false, "tanaka", "198.51.100.7").wait(50);
    for _ in 0..14 {
        trail.login(false, "tanaka", "198.51.100.7").wait(1);
    }
    assert_eq!(trail.found(), [(Pattern::Guessing, 15)]);
    // Nine at the end of a window, nine after: ten are within an hour.
    let mut trail = Trail::new();
    for _ in 0..2 {
        for _ in 0..9 {
            trail.login(false, "tanaka", "198.51.100.7");
        }
        trail.wait(59);
    }
    assert_eq!(trail.found(), [(Pattern::Guessing, 18)]);
    // And with more than an hour between them none are.
    let mut trail = Trail::new();
    for _ in 0..2 {
        for _ in 0..9 {
            trail.login(false, "tanaka", "198.51.100.7");
        }
        trail.wait(61);
    }
    assert_eq!(trail.found(), []);
    // Different identifiers slide too: five of one host, never more than four in the hour that began with the first.
    let mut trail = Trail::new();
    for (user, wait) in [
        ("a", 0),
        ("b", 40),
        ("c", 10),
        ("d", 25),
        ("e", 10),
        ("f", 5),
    ] {
        trail.wait(wait).login(false, user, "198.51.100.7");
    }
    assert_eq!(trail.found(), [(Pattern::Spraying, 5)]);
}

#[test]
fn a_host_of_ipv6_is_its_64() {
    let mut trail = Trail::new();
    for n in 0..8 {
        trail.login(false, &format!("user{n}"), &format!("2001:db8:0:1::{n}"));
    }
    assert_eq!(trail.found(), [(Pattern::Spraying, 8)]);
    let mut trail = Trail::new();
    for n in 0..8 {
        trail.login(false, &format!("user{n}"), &format!("2001:db8:0:{n}::1"));
    }
    assert_eq!(trail.found(), []);
}

#[test]
fn services_are_one_to_an_attacker_and_so_they_are_here() {
    let mut trail = Trail::new();
    for service in ["mra", "msa", "web", "mra"] {
        for _ in 0..3 {
            trail.at_service(service, false, "tanaka", "198.51.100.7");
        }
    }
    trail.at_service("web", true, "tanaka", "198.51.100.7");
    trail
        .wait(4)
        .at_service("msa", true, "tanaka", "203.0.113.9");
    let found = trail.analysis.end().finds;
    let told: Vec<_> = found
        .iter()
        .map(|find| (find.pattern, find.count, find.place()))
        .collect();
    assert_eq!(
        told,
        [
            (
                Pattern::SuccessAfterFailures,
                12,
                "MSA, MRA, Web".to_owned()
            ),
            (Pattern::TwoPlaces, 1, "MSA, Web".to_owned()),
            (Pattern::Guessing, 12, "MSA, MRA, Web".to_owned()),
            (Pattern::NewPlace, 1, "MSA".to_owned()),
        ]
    );
    // From the first failure to the success, and every event can be reached.
    let [success, two, ..] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(success.events, [1, 2, 3, 4, 5, 6, 7, 8, 9, 13]);
    assert!(success.search().ends_with(
        "--kind authentication.failed --kind authentication.succeeded --subject=tanaka"
    ));
    assert_eq!(two.events, [13, 14]);
    assert_eq!(two.addresses.len(), 2);
}

/// The trail tells what was claimed as the actor, and whose it would be as the subject.
#[test]
fn guesses_in_many_spellings_are_at_one_identifier() {
    let mut trail = Trail::new();
    let spellings = ["tanaka", "TANAKA", "Tanaka", "tanaka@city.example"];
    for claimed in spellings.iter().cycle().take(12) {
        let event = Event::new(
            Kind::AuthenticationFailed,
            Actor::Identifier((*claimed).to_owned()),
        )
        .address("198.51.100.7".parse::<IpAddr>().unwrap())
        .subject("tanaka@city.example")
        .detail("service", "mra");
        trail.take(event).wait(1);
    }
    trail.login(true, "tanaka@city.example", "198.51.100.7");
    assert_eq!(
        trail.found(),
        [(Pattern::SuccessAfterFailures, 12), (Pattern::Guessing, 12)]
    );
}

#[test]
fn the_holders_own_logins_hide_no_attack() {
    let mut trail = Trail::new();
    trail.login(true, "tanaka", "192.0.2.1");
    for _ in 0..12 {
        trail.login(false, "tanaka", "198.51.100.7").wait(3);
        // A program that looks for mail.
        trail.login(true, "tanaka", "192.0.2.1");
    }
    assert_eq!(trail.found(), [(Pattern::Guessing, 12)]);
}

#[test]
fn two_devices_are_one_find() {
    let mut trail = Trail::new();
    for _ in 0..40 {
        trail.login(true, "tanaka", "192.0.2.1").wait(3);
        trail.login(true, "tanaka", "203.0.113.9").wait(3);
    }
    assert_eq!(
        trail.found(),
        [(Pattern::TwoPlaces, 79), (Pattern::NewPlace, 1)]
    );
}

#[test]
fn a_window_reaches_back_over_the_beginning_of_the_period() {
    let mut trail = Trail::new();
    trail.at = "2026-09-30T23:40:00Z".parse().unwrap();
    for _ in 0..9 {
        trail.login(false, "tanaka", "198.51.100.7");
    }
    trail.wait(30).login(false, "tanaka", "198.51.100.7");
    assert_eq!(trail.found(), [(Pattern::Guessing, 10)]);
    // What was over by then belongs to the period before.
    let mut trail = Trail::new();
    trail.at = "2026-09-29T12:00:00Z".parse().unwrap();
    for _ in 0..20 {
        trail.login(false, "tanaka", "198.51.100.7");
    }
    assert_eq!(trail.found(), []);
}

#[test]
fn a_password_that_was_found_stands_first() {
    let mut trail = Trail::new();
    trail.login(true, "tanaka", "192.0.2.1").wait(60 * 24);
    for _ in 0..12 {
        trail.login(false, "tanaka", "198.51.100.7").wait(1);
    }
    trail.login(true, "tanaka", "198.51.100.7");
    let found = trail.found();
    assert_eq!(
        found,
        [
            (Pattern::SuccessAfterFailures, 12),
            (Pattern::Guessing, 12),
            (Pattern::NewPlace, 1)
        ]
    );
}

#[test]
fn spraying_and_stuffing_are_told_apart() {
    let mut trail = Trail::new();
    for n in 0..8 {
        trail.login(false, &format!("user{n}"), "198.51.100.7");
    }
    assert_eq!(trail.found(), [(Pattern::Spraying, 8)]);
    let mut trail = Trail::new();
    for n in 0..30 {
        trail.login(false, &format!("user{n}"), &format!("198.51.100.{n}"));
    }
    assert_eq!(trail.found(), [(Pattern::Stuffing, 30)]);
}

#[test]
fn what_is_usual_is_learned_from_before() {
    let mut trail = Trail::new();
    trail.at = "2026-09-01T00:00:00Z".parse().unwrap();
    trail.login(true, "tanaka", "192.0.2.1").wait(60);
    trail.login(true, "tanaka", "2001:db8::1");
    trail.at = "2026-10-05T00:00:00Z".parse().unwrap();
    trail.login(true, "tanaka", "192.0.2.99").wait(5);
    trail.login(true, "tanaka", "2001:db8:0:7::9").wait(60);
    trail.login(true, "tanaka", "203.0.113.5");
    // The first login of somebody new is no news.
    trail.login(true, "suzuki", "203.0.113.5");
    assert_eq!(
        trail.found(),
        [(Pattern::TwoPlaces, 1), (Pattern::NewPlace, 1)]
    );
}

#[test]
fn a_new_program_is_told_once() {
    let mut trail = Trail::new();
    for client in ["Thunderbird", "Thunderbird", "curl", "curl"] {
        let event = Event::new(
            Kind::AuthenticationSucceeded,
            Actor::Identifier("tanaka".into()),
        )
        .address("192.0.2.1".parse::<IpAddr>().unwrap())
        .detail("service", "msa")
        .detail("client", client);
        trail.take(event);
    }
    assert_eq!(trail.found(), [(Pattern::NewClient, 1)]);
}

#[test]
fn relaying_that_was_refused_is_told_by_address() {
    let mut trail = Trail::new();
    for n in 0..7 {
        for (reply, address) in [
            ("550 5.7.1 relaying denied", "198.51.100.7"),
            ("550 5.1.1 no such user", "198.51.100.8"),
        ] {
            let event = Event::new(Kind::TransactionRefused, Actor::Peer)
                .outcome(Outcome::Refused)
                .address(address.parse::<IpAddr>().unwrap())
                .detail("command", "RCPT")
                .detail("recipient", format!("victim{n}@elsewhere.example"))
                .detail("reply", reply);
            trail.take(event);
        }
    }
    let found = trail.analysis.end().finds;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].pattern, found[0].count), (Pattern::Relaying, 7));
    assert_eq!(
        found[0].addresses,
        ["198.51.100.7".parse::<IpAddr>().unwrap()]
    );
    assert_eq!(found[0].events, [1, 3, 5, 7, 9, 11, 13]);
}

#[test]
fn the_sites_own_probe_is_no_attack() {
    let mark = "relay-probe-0123456789abcdef";
    let mut trail = Trail::new();
    let refused = |recipient: &str| {
        Event::new(Kind::TransactionRefused, Actor::Peer)
            .outcome(Outcome::Refused)
            .address("127.0.0.1".parse::<IpAddr>().unwrap())
            .detail("command", "RCPT")
            .detail("recipient", recipient)
            .detail("reply", "550 5.7.1 relaying denied")
    };
    let begun = |mark: &str| Event::new(Kind::ProbeBegun, Actor::System).detail("mark", mark);
    let of_probe = format!("{}@elsewhere.example", mark.to_ascii_uppercase());
    trail.take(begun(mark));
    for _ in 0..9 {
        trail.take(refused(&of_probe));
    }
    // Somebody else meanwhile, and whoever learned the mark afterwards; and a mark that means anybody is none.
    trail.take(refused("victim@elsewhere.example"));
    trail.take(Event::new(Kind::ProbeDone, Actor::System));
    trail.take(refused(&of_probe));
    trail.take(begun("@"));
    trail.take(refused(&of_probe));
    assert_eq!(trail.found(), [(Pattern::Relaying, 3)]);
}

#[test]
fn memory_is_bounded_and_what_did_not_fit_is_counted() {
    let from = "2026-10-01T00:00:00Z".parse().unwrap();
    let thresholds = Thresholds {
        most: 100,
        ..Thresholds::default()
    };
    let mut trail = Trail::new();
    trail.analysis = Analysis::new(from, thresholds);
    for n in 0..150 {
        trail.login(true, &format!("user{n}"), "192.0.2.1");
    }
    assert_eq!(trail.analysis.end().left_out, 50);
    // What is over makes room.
    let mut trail = Trail::new();
    let thresholds = Thresholds {
        slow_window: thresholds.window,
        ..thresholds
    };
    trail.analysis = Analysis::new(from, thresholds);
    for n in 0..150 {
        trail
            .login(false, &format!("user{n}"), &format!("198.51.100.{n}"))
            .wait(2);
    }
    assert_eq!(trail.analysis.end().left_out, 0);
}
