//! The end of a volume of the trail, on a clock that is moved: one officer decides, another person erases (clause 4.2(3)).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use world::{ManualClock, Random, World};

use super::people::give_as;
use crate::{cli::InitArgs, init, site::Site};

/// Shorter than what counts as a standstill.
const A_MONTH: Duration = Duration::from_secs(30 * 86_400);

struct Unforeseen(World);

impl Random for Unforeseen {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_erased_by_another_than_who_decided() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("site");
    let begin: Timestamp = "2026-04-01T00:00:00Z".parse().unwrap();
    let clock = ManualClock::at(begin);
    let world = World::new(clock.clone(), Unforeseen(World::system()));
    let arguments = InitArgs {
        site: path.clone(),
        domains: vec!["city.example".to_owned()],
        hostname: Some("mail.city.example".to_owned()),
        roles: vec!["exchange".to_owned(), "mailbox".to_owned()],
        listen: Some([127, 0, 0, 1].into()),
        port_base: Some(21_000),
    };
    let made = init::init(&arguments, "", world.clone()).await.unwrap();
    let founder = made.person;
    let site = Arc::new(Site::open(&path, world).unwrap());
    let give = async |who: &str, words: &[&str]| give_as(&site, who, words, None).await;
    let add = ["person", "add", "sato", "--os-user", "sato-os"];
    give(&founder, &add).await.unwrap();
    for role in ["administrator", "security-officer"] {
        let grant = ["person", "role", "grant", "sato", role];
        give(&founder, &grant).await.unwrap();
    }
    give(&founder, &["audit", "seal"]).await.unwrap();
    let decide = [
        "audit",
        "decide",
        "1",
        "--erase",
        "--reason",
        "its time is over",
    ];
    let early = give("sato-os", &decide).await.unwrap_err().to_string();
    assert!(early.contains("nothing erases it earlier"), "{early}");

    // Ten years, with a checkpoint a month; the last days of them alone are missing.
    let months = (10 * 365 + 3) / 30;
    for _ in 0..months {
        clock.advance(A_MONTH);
        give(&founder, &["audit", "checkpoint"]).await.unwrap();
    }
    let early = give("sato-os", &decide).await.unwrap_err().to_string();
    assert!(early.contains("nothing erases it earlier"), "{early}");
    // Months that come twice, since the clock was set back, count once.
    clock.put_back(60 * A_MONTH);
    for _ in 0..3 {
        clock.advance(A_MONTH);
        give(&founder, &["audit", "checkpoint"]).await.unwrap();
    }
    clock.advance(57 * A_MONTH);
    let early = give("sato-os", &decide).await.unwrap_err().to_string();
    assert!(early.contains("nothing erases it earlier"), "{early}");
    clock.advance(A_MONTH);
    give(&founder, &["audit", "checkpoint"]).await.unwrap();
    let undecided = give(&founder, &["audit", "erase-due"]).await.unwrap();
    assert!(undecided.is_empty(), "{undecided:?}");
    give("sato-os", &decide).await.unwrap();
    let own = give("sato-os", &["audit", "erase-due"]).await;
    let own = own.unwrap_err().to_string();
    assert!(own.contains("another person erases it"), "{own}");
    let erased = give(&founder, &["audit", "erase-due"]).await.unwrap();
    let certificate = erased[0]
        .get("certificate")
        .and_then(Value::as_str)
        .unwrap();
    for told in ["kakitome erasure certificate 1", &founder, "sato"] {
        assert!(certificate.contains(told), "{told} in {certificate}");
    }
    let again = give(&founder, &["audit", "erase-due"]).await.unwrap();
    assert!(again.is_empty(), "{again:?}");

    // What is left verifies: here, and as a stub that is read back where it is written.
    give(&founder, &["audit", "verify"]).await.unwrap();
    let to = place.path().join("stub");
    let to = to.to_str().unwrap();
    let stub = give(&founder, &["audit", "export", "--to", to, "1"]).await;
    let stub = stub.unwrap();
    let count = |name: &str| stub[0].get(name).and_then(Value::as_u64).unwrap();
    assert_eq!(count("events"), 0);
    assert!(count("erased") > 0);
    site.close().await;
}
