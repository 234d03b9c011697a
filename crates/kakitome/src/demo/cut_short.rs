//! An incident about a password whose command was cut short between its opening and its analysis (clause 4.1(1)).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use directory::command::{Caller, incident};
use jiff::Timestamp;
use world::{ManualClock, Random, World};

use super::people::{self, give_as};
use crate::{alarms, cli::InitArgs, init, site::Site};

const TANAKA: &str = "tanaka@city.example";

struct Unforeseen(World);

impl Random for Unforeseen {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_was_cut_short_is_analysed_by_the_server() {
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
        port_base: Some(21_100),
    };
    let founder = init::init(&arguments, "", world.clone()).await.unwrap();
    let founder = founder.person;
    let site = Arc::new(Site::open(&path, world).unwrap());
    let give = async |words: &[&str]| give_as(&site, &founder, words, None).await.unwrap();
    people::enter(&site, "city.example", &[("tanaka", "田中 花子")])
        .await
        .unwrap();
    // The officer has a mailbox.
    let address = format!("{founder}@city.example");
    give(&["person", "acknowledge", &founder, "--on-paper"]).await;
    let order = ["order", "issue", "--for", &founder, "--address", &address];
    let number = give(&order).await[0]["number"].to_string();
    give(&["order", "approve", &number]).await;
    give(&["account", "issue", "--order", &number]).await;

    // What is committed when the process ends after the first of the command's two commits.
    let caller = Caller::of_user(&site.directory, &founder, "test").await;
    let caller = caller.unwrap();
    let open = incident::Open {
        kind: incident::IncidentKind::Credential,
        name: Some(TANAKA.to_owned()),
        reason: "stolen".to_owned(),
        since: None,
        peer: None,
    };
    let number = incident::open(&caller, open).await.unwrap().number;
    let steps = async || {
        let shown = incident::show(&caller, number).await.unwrap();
        let steps = shown.steps.into_iter().map(|step| step.step);
        steps.collect::<Vec<_>>()
    };
    let analysed = async || steps().await.iter().any(|step| step == "analysed");
    // The command that opens one does it itself, and has time for it.
    alarms::tell_all(&site).await.unwrap();
    assert!(!analysed().await);
    clock.advance(Duration::from_secs(120));
    alarms::tell_all(&site).await.unwrap();
    assert!(analysed().await);
    assert!(steps().await.iter().any(|step| step == "reported"));
    let sent = give(&["audit", "search", "--kind", "incident.step"]).await;
    alarms::tell_all(&site).await.unwrap();
    let again = give(&["audit", "search", "--kind", "incident.step"]).await;
    assert_eq!(sent.len(), again.len(), "once");
    site.close().await;
}
