//! The time of mail that is set apart.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::time::Duration;

use jiff::SignedDuration;
use site::{Site, address};
use store::{
    AccountId, QueueId,
    quarantine::{self, For, NewHeld, Place, Selection},
};
use trail::{Actor, Event, Kind};

const DAY: Duration = Duration::from_secs(86_400);

async fn keep(site: &Site, days: i64) -> QueueId {
    let body = site
        .store
        .seal(b"Subject: x\r\n\r\n", &[AccountId::QUEUE])
        .unwrap();
    let held = NewHeld {
        id: QueueId(site.store.next_id()),
        body: body.id,
        size: body.size,
        sender: None,
        smtputf8: false,
        require_tls: false,
        body_type: 0,
        message_id: String::new(),
        cause: "dmarc-quarantine".to_owned(),
        strict: false,
        until: site.store.now() + SignedDuration::from_hours(24 * days),
        recipients: vec![For {
            address: address("taro@example.jp"),
            place: Place::Away("mailbox.example.jp:25".to_owned()),
        }],
    };
    let id = held.id;
    let work = move |tx: &mut store::Tx<'_>| -> Result<_, store::Error> {
        quarantine::keep(tx, &held)?;
        tx.record(&Event::new(Kind::CommandGiven, Actor::System), ())
    };
    site.store.commit(vec![body], work).await.unwrap();
    id
}

#[tokio::test]
async fn what_its_time_is_over_for_is_deleted_and_nothing_before() {
    let site = Site::open(|_| {}).await;
    // More than are read at once.
    for _ in 0..150 {
        keep(&site, 2).await;
    }
    let late = keep(&site, 4).await;
    assert_eq!(
        transfer::quarantine::expire(&site.transfer).await.unwrap(),
        0
    );
    site.clock.advance(3 * DAY);
    assert_eq!(
        transfer::quarantine::expire(&site.transfer).await.unwrap(),
        150
    );
    assert_eq!(
        transfer::quarantine::expire(&site.transfer).await.unwrap(),
        0
    );
    let read = |sql: &mut store::Snapshot<'_>| {
        quarantine::select(sql, &Selection::default(), QueueId(0), 1000)
    };
    let page = site.store.read(read).await.unwrap();
    let left: Vec<QueueId> = page.held.iter().map(|held| held.message.id).collect();
    assert_eq!(left, [late]);
    let expired = site.events(Kind::QuarantineExpired).await;
    assert_eq!(expired.len(), 150);
    assert_eq!(expired[0].event.detail["cause"], "dmarc-quarantine");
}
