//! DKIM (RFC 6376, 8463) and ARC (RFC 8617) against another implementation: what dkimpy signs and seals, as it is and altered on the
//! way, and messages that its source holds, through the code that screens mail.
//!
//! These cases stand beside the published suite for ARC (`published_arc.rs`), which knows RSA keys alone.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod published;

use std::{collections::BTreeMap, process::Command, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use published::{Package, Zone, screener};
use screening::{Arrival, Evidence, Limits};
use serde_json::Value;

const DKIMPY: Package = Package {
    name: "dkimpy",
    version: "1.1.8",
    sha256: "b5f60fb47bbf5d8d762f134bcea0c388eba6b498342a682a21f1686545094b77",
};
/// Fewer cases would mean that some were not made.
const CASES: usize = 185;

/// Cases that come out otherwise, and why. One that comes out as it should must leave the list.
const OTHERWISE: &[(&str, &str)] = &[];

/// Cases and the records that they need. Debian's own Python has what Ed25519 takes (python3-dkim brings it).
fn made() -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/published/signers.py");
    let made = Command::new("/usr/bin/python3")
        .args(["-I", script])
        .arg(DKIMPY.unpacked())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{told}");
    serde_json::from_slice(&made.stdout).unwrap()
}

/// What is wrong with the evidence, if something is.
fn misfit(case: &Value, evidence: &Evidence) -> Option<String> {
    let mut found = Vec::new();
    if let Some(wanted) = case.get("dkim") {
        let wanted: Vec<&str> = [wanted, &case["more"]]
            .iter()
            .filter_map(|word| word.as_str())
            .collect();
        let results: Vec<&str> = evidence.dkim.iter().map(|it| it.result.as_str()).collect();
        if results != wanted {
            found.push(format!("dkim={:?}", evidence.dkim));
        }
    }
    if let Some(wanted) = case["arc"].as_str()
        && evidence.arc.result.as_str() != wanted
    {
        found.push(format!("arc={:?}", evidence.arc));
    }
    if let Some(wanted) = case["sets"].as_u64()
        && u64::from(evidence.arc.sets) != wanted
    {
        found.push(format!("{} sets", evidence.arc.sets));
    }
    (!found.is_empty()).then(|| found.join(", "))
}

#[tokio::test]
async fn published_signatures_and_chains_come_out_as_they_should() {
    let made = made();
    let mut zone = Zone::default();
    for (at, text) in made["zone"].as_object().unwrap() {
        zone.txt(at, text.as_str().unwrap().as_bytes());
    }
    let (at, _stop) = zone.serve().await;
    let screener = screener(at);
    let cases = made["cases"].as_array().unwrap();
    let mut otherwise = BTreeMap::new();
    for case in cases {
        let text = case["message"].as_str().unwrap();
        let message = Arc::new(BASE64_STANDARD.decode(text).unwrap());
        let arrival = Arrival {
            peer: "192.0.2.1".parse().unwrap(),
            hello: "client.example",
            sender: None,
        };
        let evidence = screener.gather(arrival, &message, Limits::default()).await;
        if let Some(misfit) = misfit(case, &evidence) {
            otherwise.insert(case["id"].as_str().unwrap(), misfit);
        }
    }
    let known: Vec<&str> = OTHERWISE.iter().map(|(id, _)| *id).collect();
    let found: Vec<&str> = otherwise.keys().copied().collect();
    assert_eq!(found, known, "{otherwise:#?}");
    assert_eq!(cases.len(), CASES);
}
