//! The published suite for ARC (ValiMail's `arc_test_suite`, under the MIT licence, which the source of Mail::DKIM holds), through the code
//! that screens mail and the code that seals it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "published/debian.rs"]
mod debian;
mod published;

use std::{collections::BTreeMap, sync::Arc};

use debian::Source;
use jiff::Timestamp;
use message::Domain;
use published::{Zone, screener, yaml};
use screening::{
    Arrival, Evidence, Limits,
    sign::{Algorithm, Key, Signing, make_key, record},
};
use serde_json::Value;

const MAIL_DKIM: Source = Source {
    name: "libmail-dkim-perl",
    version: "1.20240923",
    suite: "trixie",
    sha256: "45de46f5dc4d23bcb6ad6401759881dd43968eab20e73f6f79d9557467de20ee",
    within: "Mail-DKIM-1.20240923",
};
/// Cases in the suite: fewer would mean that it was not read whole.
const VALIDATED: usize = 170;
const SEALED: usize = 17;

/// Cases that come out otherwise, and why. One that comes out as the suite wants must leave the list.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "ams_fields_a_sha1",
        "SHA-1 is not accepted (RFC 8301, which is younger than the suite)",
    ),
    (
        "ams_fields_h_empty",
        "RFC 6376, section 3.5, has at least one name in h=: what signs no field vouches for nobody's",
    ),
    ("as_fields_a_sha1", "as ams_fields_a_sha1"),
];

/// Sets that come out otherwise, and why.
const SEALED_OTHERWISE: &[(&str, &str)] = &[
    (
        "i1_base",
        "its chain does not hold (dkimpy says so, too): the suite believes the Authentication-Results field of the message, we verify",
    ),
    ("i2_base", "as i1_base"),
];

fn zone(scenario: &Value) -> Zone {
    let mut zone = Zone::default();
    for (at, text) in scenario["txt-records"].as_object().unwrap() {
        let text: String = text.as_str().unwrap().lines().collect();
        zone.txt(at, text.as_bytes());
    }
    zone
}

fn raw(case: &Value) -> Arc<Vec<u8>> {
    let text = case["message"].as_str().unwrap_or_default();
    Arc::new(text.replace('\n', "\r\n").into_bytes())
}

async fn gathered(screener: &screening::Screener, raw: &Arc<Vec<u8>>) -> Evidence {
    let arrival = Arrival {
        peer: "192.0.2.1".parse().unwrap(),
        hello: "client.example",
        sender: None,
    };
    screener.gather(arrival, raw, Limits::default()).await
}

#[tokio::test]
async fn published_arc_chains_come_out_as_they_should() {
    let suite = MAIL_DKIM
        .unpacked()
        .join("t/arc_test_suite/arc-draft-validation-tests.yml");
    let (mut cases, mut otherwise) = (0, BTreeMap::new());
    for scenario in yaml(&suite) {
        let (at, _stop) = zone(&scenario).serve().await;
        let screener = screener(at);
        for (id, case) in scenario["tests"].as_object().unwrap() {
            cases += 1;
            let found = gathered(&screener, &raw(case)).await.arc;
            let wanted = match case["cv"].as_str().unwrap() {
                // A chain that says of itself that it does not hold.
                "" => "fail".to_owned(),
                word => word.to_lowercase(),
            };
            let result = found.result.as_str();
            if result != wanted {
                otherwise.insert(
                    id.clone(),
                    format!("{result} ({}), not {wanted}", found.reason),
                );
            }
        }
    }
    let known: Vec<&str> = OTHERWISE.iter().map(|(id, _)| *id).collect();
    let found: Vec<&str> = otherwise.keys().map(String::as_str).collect();
    assert_eq!(found, known, "{otherwise:#?}");
    assert_eq!(cases, VALIDATED);
}

/// The value of a tag, without white space.
fn tag(field: &str, name: &str) -> String {
    let mut values = field.split(';').filter_map(|tag| {
        let (found, value) = tag.split_once('=')?;
        (found.trim() == name).then(|| value.split_whitespace().collect())
    });
    values.next().unwrap_or_default()
}

/// What we seal has our order of tags and our choice of fields, so its signatures are not the suite's: what is held against it is whether
/// there is a set, its number, what it says of the chain, the hash of the body, and that the chain holds with it.
#[tokio::test]
async fn published_arc_sets_are_added_as_they_should() {
    let suite = MAIL_DKIM
        .unpacked()
        .join("t/arc_test_suite/arc-draft-sign-tests.yml");
    let made = make_key(Algorithm::Rsa).unwrap();
    let domain = Domain::parse("example.org").unwrap();
    let key = Key::from_pkcs8(domain, "ours", Algorithm::Rsa, &made.pkcs8).unwrap();
    let (mut cases, mut otherwise) = (0, BTreeMap::new());
    for scenario in yaml(&suite) {
        let mut zone = zone(&scenario);
        let shown = record(Algorithm::Rsa, &made.public);
        zone.txt("ours._domainkey.example.org", shown.as_bytes());
        let (at, _stop) = zone.serve().await;
        let screener = screener(at);
        for (id, case) in scenario["tests"].as_object().unwrap() {
            cases += 1;
            let before = raw(case);
            let evidence = gathered(&screener, &before).await;
            let signing = Signing::of(&before).unwrap();
            let set = signing
                .arc(&evidence, "lists.example.org", &key, Timestamp::now())
                .unwrap();
            let seal = case["AS"].as_str().unwrap_or_default();
            let Some(set) = set else {
                if !seal.is_empty() {
                    otherwise.insert(id.clone(), format!("no set: {:?}", evidence.arc));
                }
                continue;
            };
            let (ours, rest) = set.split_once("ARC-Message-Signature:").unwrap();
            let wanted = ["i", "cv"].map(|name| tag(seal, name));
            let found = ["i", "cv"].map(|name| tag(ours.trim_start_matches("ARC-Seal:"), name));
            let bodies = [case["AMS"].as_str().unwrap_or_default(), rest];
            let bodies = bodies.map(|field| tag(field, "bh"));
            let after = Arc::new([set.as_bytes(), &before].concat());
            let holds = gathered(&screener, &after).await.arc;
            let expected = if found[1] == "fail" { "fail" } else { "pass" };
            if found != wanted || bodies[0] != bodies[1] || holds.result.as_str() != expected {
                let told = format!("{found:?}, not {wanted:?}; {bodies:?}; then {holds:?}");
                otherwise.insert(id.clone(), told);
            }
        }
    }
    let known: Vec<&str> = SEALED_OTHERWISE.iter().map(|(id, _)| *id).collect();
    let found: Vec<&str> = otherwise.keys().map(String::as_str).collect();
    assert_eq!(found, known, "{otherwise:#?}");
    assert_eq!(cases, SEALED);
}
