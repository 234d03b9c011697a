//! Who sends malware from inside is shut out once, whoever finds it and how often (clause 5.2(5)).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{net::IpAddr, time::Duration};

use directory::{
    command::{
        CommandError, account, block, incident,
        lever::{self, Target},
    },
    isolation::Found,
    runbook::Lever,
};
use site::{PEER, Site};
use store::{
    Error, Recorded, Snapshot, Tx,
    event::{self, Filter},
};
use trail::{Actor, Event, Kind};

const TARO: &str = "taro@example.jp";

/// What a session commits when a scanner finds something.
async fn find(site: &Site, found: Found) -> usize {
    let directory = site.directory.clone();
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<usize>, Error> {
        let events = directory.isolate(tx, &found)?;
        for event in &events {
            drop(tx.record(event, ())?);
        }
        tx.record(
            &Event::new(Kind::SubmissionRefused, Actor::Peer),
            events.len(),
        )
    };
    site.store.commit(Vec::new(), work).await.unwrap().value
}

#[tokio::test]
async fn it_is_done_once_and_a_new_address_is_blocked_too() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let taro = site.directory.accounts_of("taro").await.unwrap()[0];
    let found = |peer: IpAddr| Found {
        account: Some(taro),
        peer: Some(peer),
        malware: "Eicar".to_owned(),
        place: "1M".to_owned(),
        ..Found::default()
    };
    assert!(find(&site, found(PEER)).await >= 3);
    assert_eq!(find(&site, found(PEER)).await, 0, "all of it was done");
    let other: IpAddr = "192.0.2.10".parse().unwrap();
    assert_eq!(find(&site, found(other)).await, 1, "the address alone");
    assert_eq!(
        find(&site, found("::1".parse().unwrap())).await,
        0,
        "never blocked"
    );
    assert!(!site.directory.is_blocked(PEER), "from memory");
    site.directory.read_blocks().await.unwrap();
    for (peer, blocked) in [
        ("192.0.2.9", true),
        ("::ffff:192.0.2.9", true),
        ("192.0.2.11", false),
    ] {
        assert_eq!(
            site.directory.is_blocked(peer.parse().unwrap()),
            blocked,
            "{peer}"
        );
    }
    let guard = site.caller("guard").await;
    let shown = incident::list(&guard).await.unwrap();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0].opened_by, None);
    assert_eq!(shown[0].facts["malware"], "Eicar");

    // It ends by itself, with an event each.
    site.days(31);
    assert!(!site.directory.is_blocked(PEER), "over is over");
    assert_eq!(site.directory.expire_blocks().await.unwrap(), 2);
    assert_eq!(site.directory.expire_blocks().await.unwrap(), 0);
    assert_eq!(site.events(Kind::AddressUnblocked).await.len(), 2);
    assert!(block::list(&guard).await.unwrap().is_empty());
    // Once more, by hand, and the machine itself never.
    let network = |text: &str| text.parse().unwrap();
    let day = Some(Duration::from_secs(86_400));
    block::add(&guard, network("2001:db8::/32"), "x", day)
        .await
        .unwrap();
    let again = block::add(&guard, network("2001:db8::/32"), "x", None).await;
    assert!(
        matches!(again, Err(CommandError::Exists { .. })),
        "{again:?}"
    );
    let own = block::add(&guard, network("::1"), "x", None).await;
    assert!(matches!(own, Err(CommandError::State(_))), "{own:?}");
    let manager = site.caller("manager").await;
    let may = block::add(&manager, network("192.0.2.0/24"), "x", None).await;
    assert!(matches!(may, Err(CommandError::NotPermitted(_))), "{may:?}");
}

#[tokio::test]
async fn both_incidents_of_an_identifier_end_with_its_resumption() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let taro = site.directory.accounts_of("taro").await.unwrap()[0];
    let found = Found {
        account: Some(taro),
        peer: None,
        malware: "Eicar".to_owned(),
        ..Found::default()
    };
    find(&site, found).await;
    let (guard, manager) = (site.caller("guard").await, site.caller("manager").await);
    let open = incident::Open {
        kind: incident::IncidentKind::Credential,
        name: Some(TARO.to_owned()),
        reason: "reported".to_owned(),
        since: None,
        peer: None,
    };
    assert_eq!(incident::open(&guard, open).await.unwrap().number, 2);
    account::password(&manager, TARO, None).await.unwrap();
    incident::step(&manager, 1, "handed-over", "in person")
        .await
        .unwrap();
    let early = account::resume(&manager, TARO)
        .await
        .unwrap_err()
        .to_string();
    assert!(early.contains("incident"), "{early}");
    incident::step(&manager, 2, "handed-over", "in person")
        .await
        .unwrap();
    let unclean = account::resume(&manager, TARO)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        unclean.contains("before the step terminal-cleaned"),
        "{unclean}"
    );
    incident::step(&guard, 1, "terminal-cleaned", "reinstalled")
        .await
        .unwrap();
    account::resume(&manager, TARO).await.unwrap();
    for number in [1, 2] {
        let shown = incident::show(&guard, number).await.unwrap();
        assert!(
            shown.steps.iter().any(|step| step.step == "resumed"),
            "{shown:?}"
        );
    }
}

/// Whatever a person did by a role says by which, and what a lever did says of which incident it was.
#[tokio::test]
async fn what_a_person_does_about_an_incident_tells_the_role() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let guard = site.caller("guard").await;
    let open = |kind, peer| incident::Open {
        kind,
        name: Some(TARO.to_owned()),
        reason: "reported".to_owned(),
        since: None,
        peer,
    };
    let inside = open(incident::IncidentKind::MalwareInside, Some(PEER));
    incident::open(&guard, inside).await.unwrap();
    let credential = open(incident::IncidentKind::Credential, None);
    incident::open(&guard, credential).await.unwrap();
    // Placed for the first one, ended by the second.
    let network = Target::Network("192.0.2.9".parse().unwrap(), None);
    lever::act(&guard, 2, Lever::Unblock, network, "clean")
        .await
        .unwrap();
    let ended = site.last_event(Kind::AddressUnblocked).await.event;
    assert_eq!(ended.detail["incident"], 1);
    assert_eq!(ended.detail["by_incident"], 2);
    block::add(&guard, "192.0.2.9".parse().unwrap(), "again", None)
        .await
        .unwrap();
    block::remove(&guard, "192.0.2.9".parse().unwrap(), "over")
        .await
        .unwrap();
    let ended = site.last_event(Kind::AddressUnblocked).await.event;
    assert!(!ended.detail.contains_key("by_incident"), "{ended:?}");
    let all = |snapshot: &mut Snapshot<'_>| event::search(snapshot, &Filter::default(), 10_000);
    let all: Result<_, Error> = site.store.read(all).await;
    let mut kinds = Vec::new();
    for told in all.unwrap() {
        if told.event.actor == Actor::Person("guard".to_owned()) {
            let role = told.event.detail.get("acting_role");
            assert_eq!(role.unwrap(), "security-officer", "{told:?}");
            kinds.push(told.event.kind);
        }
    }
    for kind in [
        Kind::IncidentOpened,
        Kind::AccountSuspended,
        Kind::AddressBlocked,
        Kind::AddressUnblocked,
    ] {
        let count = kinds.iter().filter(|found| **found == kind).count();
        assert_eq!(count, 2, "{}", kind.as_str());
    }
}
