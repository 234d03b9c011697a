//! Records of the queue that cannot be read: they are held, shown, and taken out, and the rest goes on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{net::IpAddr, time::Duration};

use site::{Site, TARO, domain, peer::Peer};
use store::queue::Selection;
use trail::{Kind, Outcome};
use transfer::{
    Answer,
    command::{self, Which},
};

const CONTENT: &str = "From: taro@example.jp\r\nTo: x@far.example\r\nSubject: out\r\n\r\nhello";
const FULL: &[&str] = &["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"];

async fn site_towards(peer: &Peer) -> Site {
    let port = peer.at.port();
    let site = Site::open(|settings| settings.outbound.relay_port = port).await;
    let here = Answer::Found(vec![IpAddr::from([127, 0, 0, 1])]);
    site.resolver.set_host(domain("far.example"), here);
    site
}

async fn spoil(site: &Site, statement: &'static str, id: store::QueueId) {
    let spoil = site
        .store
        .commit(Vec::new(), move |tx| -> Result<_, store::Error> {
            tx.execute(statement, store::params![id])?;
            let event = trail::Event::new(Kind::CommandGiven, trail::Actor::System);
            tx.record(&event, ())
        });
    spoil.await.unwrap();
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_held_and_the_rest_goes_on() {
    let peer = Peer::willing(FULL).await;
    let site = site_towards(&peer).await;
    for _ in 0..3 {
        site.submit(
            "MAIL FROM:<taro@example.jp>",
            &["RCPT TO:<x@far.example>"],
            CONTENT,
        )
        .await;
    }
    let ids: Vec<store::QueueId> = site
        .queued()
        .await
        .iter()
        .map(|q| q.id.parse().unwrap())
        .collect();
    let bad = ids[0];
    spoil(
        &site,
        "UPDATE queue_message SET sender = 'no address' WHERE id = ?1",
        bad,
    )
    .await;
    let _queue = site.run_queue();
    site.events_of(Kind::DeliveryRelayed, 2).await;
    let held = site.events_of(Kind::QueueHeld, 1).await;
    assert_eq!(
        (held[0].event.subject.clone(), held[0].event.outcome),
        (bad.to_string(), Outcome::Failure)
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(site.events(Kind::QueueHeld).await.len(), 1, "told once");
    assert_eq!(peer.messages().len(), 2);
}

/// What is damaged is shown, stops nothing, and can be taken out by its id.
#[tokio::test]
async fn commands_go_on_past_what_is_damaged() {
    let peer = Peer::willing(FULL).await;
    let site = site_towards(&peer).await;
    for _ in 0..4 {
        site.submit(
            "MAIL FROM:<taro@example.jp>",
            &["RCPT TO:<x@far.example>"],
            CONTENT,
        )
        .await;
    }
    let ids: Vec<store::QueueId> = site
        .queued()
        .await
        .iter()
        .map(|q| q.id.parse().unwrap())
        .collect();
    let by_id = |which: &[usize]| {
        Which::Selected(Box::new(Selection {
            ids: which.iter().map(|n| ids[*n]).collect(),
            ..Selection::default()
        }))
    };
    spoil(
        &site,
        "UPDATE queue_message SET body = 987654 WHERE id = ?1",
        ids[0],
    )
    .await;
    spoil(
        &site,
        "UPDATE queue_message SET sender = 'nobody' WHERE id = ?1",
        ids[1],
    )
    .await;
    spoil(
        &site,
        "UPDATE queue_recipient SET address = 'no address' WHERE message = ?1",
        ids[2],
    )
    .await;
    let state = |listed: &[command::Listed], id: store::QueueId| {
        let found = listed.iter().find(|one| one.id == id.to_string());
        found.unwrap().recipients.last().unwrap().state
    };
    let listed = site.queued().await;
    for (n, expected) in ["waiting", "damaged", "damaged", "waiting"]
        .iter()
        .enumerate()
    {
        assert_eq!(state(&listed, ids[n]), *expected, "{n}");
    }
    let admin = site.administrator();
    let bounced = command::bounce(&site.transfer, &admin, by_id(&[0, 3]), "test").await;
    let told = bounced.unwrap_err();
    assert!(matches!(
        &told,
        command::CommandError::Damaged { done: 1, damaged } if *damaged == [ids[0]]
    ));
    assert!(told.to_string().contains(&ids[0].to_string()), "{told}");
    assert_eq!(site.inbox_of(TARO, 1).await.len(), 1);
    let taken = command::discard(&site.store, &admin, by_id(&[1, 2]), "damaged").await;
    assert_eq!(taken.unwrap(), 2);
    let purged = site.events(Kind::QueueDiscarded).await;
    assert_eq!(purged.len(), 2);
    for (id, recipient) in [(ids[1], "x@far.example"), (ids[2], "no address")] {
        let told = purged
            .iter()
            .find(|one| one.event.subject == id.to_string());
        assert_eq!(told.unwrap().event.detail["recipients"][0], recipient);
    }
    assert_eq!(site.queued().await.len(), 1);
}
