//! The published suite of RFC 7208 (`rfc7208-tests.yml`, which the source of pyspf holds), through the code that screens mail.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod published;

use std::{collections::BTreeMap, sync::Arc};

use message::Address;
use published::{Entry, Package, Zone, screener, yaml};
use screening::{Arrival, Limits};
use serde_json::Value;

const PYSPF: Package = Package {
    name: "pyspf",
    version: "2.0.14",
    sha256: "57a7ef01bda090173aafb6af0106251686ed73f03db4e911fcd34c57fc347186",
};
/// Cases in the suite: fewer would mean that it was not read whole.
const CASES: usize = 203;

/// Cases that come out otherwise, and why. One that comes out as the suite wants must leave the list.
const OTHERWISE: &[(&str, &str)] = &[(
    "null-text",
    "a TXT record without a string is against RFC 1035, section 3.3.14: the resolver refuses the whole answer, so it is temperror",
)];

/// The zone as the suite means it: a record of type SPF stands for a TXT record where there is none.
fn zone(scenario: &Value) -> Zone {
    let mut zone = Zone::default();
    for (at, records) in scenario["zonedata"].as_object().unwrap() {
        let records = records.as_array().unwrap();
        let has_txt = records.iter().any(|record| record.get("TXT").is_some());
        for record in records {
            let Some(record) = record.as_object() else {
                assert_eq!(record, "TIMEOUT");
                zone.put(at, Entry::Silent(None));
                continue;
            };
            for (kind, value) in record {
                if value == "NONE" || (kind == "SPF" && has_txt) {
                    continue;
                }
                let kind = if kind == "SPF" { "TXT" } else { kind };
                zone.put_value(at, kind, value);
            }
        }
    }
    zone
}

/// As the protocol would write an address whose local part needs quotes.
fn quoted(sender: &str) -> Option<Address> {
    let (local, domain) = sender.rsplit_once('@')?;
    Address::parse(&format!("\"{local}\"@{domain}")).ok()
}

/// What the case comes to.
async fn result(screener: &screening::Screener, case: &Value) -> String {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let (hello, sender) = (text("helo"), text("mailfrom"));
    // Without a local part it is postmaster's (section 4.3); the protocol does not take such an address.
    let sender = match sender.strip_prefix('@') {
        Some(domain) => format!("postmaster@{domain}"),
        None if !sender.is_empty() && !sender.contains('@') => format!("postmaster@{sender}"),
        None => sender.to_owned(),
    };
    let address = match sender.as_str() {
        "" => None,
        sender => match Address::parse(sender) {
            Ok(address) => Some(address),
            // What is no address is refused at MAIL FROM: no check is made, as the standard has it (section 4.3).
            Err(_) if sender.is_ascii() && !sender.contains('"') => match quoted(sender) {
                Some(address) => Some(address),
                None => return "none".to_owned(),
            },
            Err(_) => return "none".to_owned(),
        },
    };
    let arrival = Arrival {
        peer: text("host").parse().unwrap(),
        hello,
        sender: address.as_ref(),
    };
    let evidence = screener
        .gather(arrival, &Arc::new(b"\r\n".to_vec()), Limits::default())
        .await;
    evidence.spf.result.as_str().to_owned()
}

#[tokio::test]
async fn published_spf_comes_out_as_it_should() {
    let suite = PYSPF.unpacked().join("test/rfc7208-tests.yml");
    let mut cases = 0;
    let mut otherwise = BTreeMap::new();
    for scenario in yaml(&suite) {
        let (at, _stop) = zone(&scenario).serve().await;
        let screener = screener(at);
        for (id, case) in scenario["tests"].as_object().unwrap() {
            cases += 1;
            let found = result(&screener, case).await;
            let wanted: Vec<&str> = match &case["result"] {
                Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
                one => vec![one.as_str().unwrap()],
            };
            if !wanted.contains(&found.as_str()) {
                otherwise.insert(id.clone(), format!("{found}, not {wanted:?}"));
            }
        }
    }
    let known: Vec<&str> = OTHERWISE.iter().map(|(id, _)| *id).collect();
    let found: Vec<&str> = otherwise.keys().map(String::as_str).collect();
    assert_eq!(found, known, "{otherwise:#?}");
    assert_eq!(cases, CASES);
}
