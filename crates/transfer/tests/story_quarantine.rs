//! The time of mail that is set apart.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::time::Duration;

use jiff::SignedDuration;
use site::{Site, TARO, address};
use store::{
    QueueId,
    quarantine::{self, For, NewHeld, Place, Selection},
};
use trail::{Actor, Event, Kind};
use transfer::command::quarantine::{self as command, Reach};

const DAY: Duration = Duration::from_secs(86_400);

async fn keep(site: &Site, days: i64) -> QueueId {
    let place = Place::Away("mailbox.example.jp:25".to_owned());
    keep_at(site, days, place).await
}

async fn keep_at(site: &Site, days: i64, place: Place) -> QueueId {
    let body = site
        .store
        .seal(b"Subject: x\r\n\r\n", &[place.owner()])
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
            place,
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

/// What cannot be opened stays, is told of, and stops nobody else.
#[tokio::test]
async fn a_damaged_message_does_not_stop_the_others() {
    let site = Site::open(|_| {}).await;
    let taro = site.account(TARO).await;
    let bad = keep_at(&site, 2, Place::Here(taro)).await;
    keep_at(&site, 2, Place::Here(taro)).await;
    let spoil = move |tx: &mut store::Tx<'_>| -> Result<_, store::Error> {
        let statement = "UPDATE quarantined SET body = 987654 WHERE id = ?1";
        tx.execute(statement, store::params![bad])?;
        tx.record(&Event::new(Kind::CommandGiven, Actor::System), ())
    };
    site.store.commit(Vec::new(), spoil).await.unwrap();
    let administrator = site.administrator();
    let reach = Reach::of(&site.transfer, &administrator).await.unwrap();
    let done = command::release(&site.transfer, &reach, Selection::default());
    let done = done.await.unwrap();
    assert_eq!((done.recipients, done.damaged), (1, 1));
    assert_eq!(site.inbox(TARO).await.len(), 1);
}
