//! Real peers killed in the middle of an answer, late, and lying: a name server (unbound) and rspamd, with somebody between. Mail is put
//! off or taken as the settings say, the trail tells why, and the server goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{
    Letter, Person, Site,
    between::{Between, Way},
    engines::Engine,
    smtp::Reply,
    unbound::{Unbound, Zones},
    until,
};

const SOON: Duration = Duration::from_secs(60);
/// As long as any message of these stories may take.
const BOUNDED: Duration = Duration::from_secs(30);

struct Story {
    site: Site,
    tanaka: Person,
}

impl Story {
    fn of(mut site: Site) -> Self {
        site.serve();
        let tanaka = site.person("tanaka");
        Self { site, tanaka }
    }

    /// From somebody at `domain`, whose records say that it comes from here and that all else is to be refused.
    #[track_caller]
    fn hand(&self, domain: &str) -> Reply {
        let from = format!("boss@{domain}");
        let letter = Letter::new("a letter", &from, &self.tanaka.address);
        let begun = Instant::now();
        let to = [self.tanaka.address.as_str()];
        let reply = self.site.smtp().send(&from, &to, &letter.content());
        assert!(begun.elapsed() < BOUNDED, "{:?}", begun.elapsed());
        reply.unwrap()
    }

    #[track_caller]
    fn explain(&self, reply: &Reply) -> Value {
        let text = reply.text.join(" ");
        let id = text.split_whitespace().last().unwrap();
        let id = id.trim_matches(['(', ')']);
        self.site.give(&["screening", "explain", id]).remove(0)
    }

    fn count(&self) -> u32 {
        self.site.imap(&self.tanaka).select("INBOX")
    }
}

const LIES: [Way; 6] = [
    Way::OtherId,
    Way::OtherQuestion,
    Way::Noise,
    Way::CutOff,
    Way::Half,
    Way::Late,
];

/// Each lie has a domain of its own: answers are remembered.
fn domain(number: usize) -> String {
    format!("d{number}.example")
}

#[test]
fn a_name_server_that_lies_is_late_or_dies_in_its_answer_decides_nothing() {
    let mut zones = Zones::default();
    for number in 0..=LIES.len() {
        let own = domain(number);
        zones = zones
            .txt(&own, "v=spf1 ip4:127.0.0.0/8 -all")
            .txt(&format!("_dmarc.{own}"), "v=DMARC1; p=reject");
    }
    let mut names = Unbound::start(&zones);
    let between = Between::names(&names.at());
    let site = Site::new("city.example");
    site.screened(&between.at());
    site.set("screening", "time = \"5s\"");
    let story = Story::of(site);
    let honest = story.hand(&domain(LIES.len()));
    assert_eq!(honest.code, 250, "{honest:?}");
    let told = story.explain(&honest);
    assert_eq!(told["evidence"]["dmarc"]["result"], "pass", "{told}");
    for (number, way) in LIES.into_iter().enumerate() {
        between.turn(way);
        let reply = story.hand(&domain(number));
        assert_eq!(reply.code, 451, "{way:?}: {reply:?}");
        assert!(reply.text[0].starts_with("4.4.3 "), "{way:?}: {reply:?}");
        let told = story.explain(&reply);
        assert_eq!(
            told["evidence"]["dmarc"]["result"], "temperror",
            "{way:?}: {told}"
        );
        assert_eq!(
            told["verdict"]["because"], "dmarc-trouble",
            "{way:?}: {told}"
        );
        // What was told by it is not remembered, and the next try finds the truth.
        between.turn(Way::Honest);
        until("the same mail comes in", SOON, || {
            (story.hand(&domain(number)).code == 250).then_some(())
        });
    }
    assert_eq!(story.count(), 1 + u32::try_from(LIES.len()).unwrap());
    // Killed while it is asked.
    let reply = std::thread::scope(|scope| {
        between.turn(Way::Late);
        let handing = scope.spawn(|| story.hand("unknown.example"));
        names.kill_hard();
        handing.join().unwrap()
    });
    assert_eq!(reply.code, 451, "{reply:?}");
    assert_eq!(story.site.events(&["--kind", "server.started"]).len(), 1);
}

#[test]
fn an_rspamd_that_dies_in_its_answer_is_late_or_talks_nonsense_lets_nothing_in() {
    let rspamd = Engine::rspamd();
    let between = Between::http(rspamd.at());
    let site = Site::new("city.example");
    site.set(
        "screening.rspamd",
        &format!("address = \"{}\"", between.at()),
    );
    site.set("screening.rspamd", "time = \"3s\"");
    let mut story = Story::of(site);
    let honest = story.hand("else.example");
    assert_eq!(honest.code, 250, "{honest:?}");
    let told = story.explain(&honest);
    assert!(told["evidence"]["rspamd"]["action"].is_string(), "{told}");
    let before = story.site.server().memory();
    for way in [Way::Half, Way::Late, Way::Noise, Way::Endless] {
        between.turn(way);
        let reply = story.hand("else.example");
        assert_eq!(reply.code, 451, "{way:?}: {reply:?}");
        let told = story.explain(&reply);
        assert_eq!(told["verdict"]["because"], "rspamd-down", "{way:?}: {told}");
        assert_ne!(
            told["evidence"]["rspamd"]["reason"],
            Value::Null,
            "{way:?}: {told}"
        );
    }
    // What never ends is not kept.
    let more = story.site.server().memory().saturating_sub(before);
    assert!(more < 64 << 20, "{more} octets more");
    until("the trail tells that it is down", SOON, || {
        let down = story.site.events(&["--kind", "scanner.down"]);
        down.iter()
            .any(|event| event["subject"] == "rspamd")
            .then_some(())
    });
    story.site.set("screening.rspamd", "failure = \"accept\"");
    story.site.reload();
    let taken = story.hand("else.example");
    assert_eq!(taken.code, 250, "{taken:?}");
    assert_eq!(story.explain(&taken)["verdict"]["because"], "rspamd-down");
    between.turn(Way::Honest);
    let again = story.hand("else.example");
    let told = story.explain(&again);
    assert!(told["evidence"]["rspamd"]["action"].is_string(), "{told}");
    assert_eq!(story.count(), 3);
    assert_eq!(story.site.events(&["--kind", "server.started"]).len(), 1);
}
