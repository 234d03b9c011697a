#![allow(clippy::unwrap_used)]
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;

/// Records by type and name; every other name has nothing, and `broken.example` cannot be asked.
#[derive(Default)]
struct Zone {
    records: BTreeMap<(&'static str, String), Vec<String>>,
    asked: AtomicU32,
}

impl Zone {
    fn with(mut self, kind: &'static str, name: &str, value: &str) -> Self {
        let key = (kind, name.to_owned());
        self.records.entry(key).or_default().push(value.to_owned());
        self
    }

    fn find<T>(&self, kind: &'static str, name: &str, read: impl Fn(&str) -> T) -> Answer<T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if name == "broken.example" {
            return Answer::Trouble;
        }
        match self.records.get(&(kind, name.to_ascii_lowercase())) {
            Some(values) => Answer::Found(values.iter().map(|value| read(value)).collect()),
            None => Answer::Nothing,
        }
    }
}

impl Dns for Zone {
    async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        self.find("TXT", name, |text| text.as_bytes().to_vec())
    }
    async fn a(&self, name: &str) -> Answer<Ipv4Addr> {
        self.find("A", name, |text| text.parse().unwrap())
    }
    async fn aaaa(&self, name: &str) -> Answer<Ipv6Addr> {
        self.find("AAAA", name, |text| text.parse().unwrap())
    }
    async fn mx(&self, name: &str) -> Answer<String> {
        self.find("MX", name, str::to_owned)
    }
    async fn ptr(&self, peer: IpAddr) -> Answer<String> {
        self.find("PTR", &peer.to_string(), str::to_owned)
    }
}

async fn check(zone: &Zone, peer: &str) -> Finding {
    let who = Identity {
        peer: peer.parse().unwrap(),
        hello: "h.example",
        local: "a",
        domain: "x.example",
    };
    Check::run(zone, who).await
}

fn publishing(record: &str) -> Zone {
    Zone::default().with("TXT", "x.example", record)
}

#[tokio::test]
async fn the_first_match_decides() {
    let zone = publishing("v=spf1 ?ip4:192.0.2.1 ip4:192.0.2.0/24 ~ip6:2001:db8::/32 -all");
    for (peer, result) in [
        ("192.0.2.1", Finding::Neutral),
        ("192.0.2.9", Finding::Pass),
        ("::ffff:192.0.2.9", Finding::Pass),
        ("2001:db8::1", Finding::Softfail),
        ("198.51.100.1", Finding::Fail),
    ] {
        assert_eq!(check(&zone, peer).await, result, "{peer}");
    }
    assert_eq!(check(&Zone::default(), "192.0.2.1").await, Finding::None);
    let twice = publishing("v=spf1 -all").with("TXT", "x.example", "v=spf1 +all");
    assert_eq!(check(&twice, "192.0.2.1").await, Finding::Permerror);
}

#[tokio::test]
async fn the_third_question_for_nothing_ends_it() {
    for (record, result) in [
        ("v=spf1 a:n1.example a:n2.example +all", Finding::Pass),
        (
            "v=spf1 a:n1.example exists:n2.example mx:n3.example +all",
            Finding::Permerror,
        ),
    ] {
        let found = check(&publishing(record), "192.0.2.1").await;
        assert_eq!(found, result, "{record}");
    }
}

#[tokio::test]
async fn a_record_that_leads_to_itself_is_bounded() {
    for record in ["v=spf1 include:x.example", "v=spf1 redirect=x.example"] {
        let zone = publishing(record);
        assert_eq!(check(&zone, "192.0.2.1").await, Finding::Permerror);
        assert!(zone.asked.load(Ordering::Relaxed) <= 12, "{record}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_no_pass() {
    for (record, result) in [
        ("v=spf1 a:broken.example +all", Finding::Temperror),
        ("v=spf1 include:broken.example +all", Finding::Temperror),
        ("v=spf1 redirect=broken.example", Finding::Temperror),
        ("v=spf1 include:nothing.example +all", Finding::Permerror),
        ("v=spf1 redirect=nothing.example", Finding::Permerror),
    ] {
        let found = check(&publishing(record), "192.0.2.1").await;
        assert_eq!(found, result, "{record}");
    }
}

#[tokio::test]
async fn a_peer_with_a_thousand_names_costs_ten() {
    let mut zone = publishing("v=spf1 exists:%{p}.z.example ptr:y.example -all").with(
        "A",
        "unknown.z.example",
        "127.0.0.2",
    );
    for n in 0..1000 {
        zone = zone.with("PTR", "192.0.2.1", &format!("n{n}.y.example"));
    }
    assert_eq!(check(&zone, "192.0.2.1").await, Finding::Pass);
    assert!(zone.asked.load(Ordering::Relaxed) <= 13);
}
