//! The time of mail that is set apart.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::time::Duration;

use data_encoding::BASE64;
use jiff::{SignedDuration, tz::TimeZone};
use site::{JIRO, Site, TARO, address};
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
    keep_as(site, days, place, false).await
}

async fn keep_as(site: &Site, days: i64, place: Place, strict: bool) -> QueueId {
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
        criterion: String::new(),
        strict,
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

/// The text of the one message in somebody's INBOX, which the server wrote.
async fn told(site: &Site, whom: &str) -> String {
    let found = site.inbox(whom).await;
    let [message] = found.as_slice() else {
        panic!("{} messages", found.len());
    };
    let (_, body) = message.split_once("\r\n\r\n").unwrap();
    let encoded: String = body.split_whitespace().collect();
    let text = String::from_utf8(BASE64.decode(encoded.as_bytes()).unwrap()).unwrap();
    text.replace("\r\n", "\n")
}

/// What the lines below one message in a digest are, to the empty line after it.
fn entry(text: &str, id: QueueId) -> &str {
    let (_, after) = text.split_once(&format!("  {id}\n")).unwrap();
    after.split_once("\n\n").unwrap().0
}

/// Clause 5.3(2): whoever cannot release a message reads so below it, and how to get it all the same; below the others nothing of the kind
/// stands.
#[tokio::test]
async fn a_digest_says_below_what_is_dangerous_that_only_an_administrator_releases_it() {
    const LINE: &str = "管理者だけが解除できます / only an administrator can release this one";
    const SUM: &str = "1 of them you cannot release yourself";
    let site = Site::open(|_| {}).await;
    let (taro, jiro) = (site.account(TARO).await, site.account(JIRO).await);
    let harmless = keep_at(&site, 2, Place::Here(taro)).await;
    let dangerous = keep_as(&site, 2, Place::Here(taro), true).await;
    let alone = keep_as(&site, 2, Place::Here(jiro), true).await;
    let page = Some("https://mx.example.jp/quarantine");
    let done = transfer::quarantine::digest(&site.transfer, page).await;
    assert_eq!(done.unwrap().messages, 3);
    let text = told(&site, TARO).await;
    assert!(entry(&text, dangerous).contains(LINE), "{text}");
    assert!(!entry(&text, harmless).contains(LINE), "{text}");
    assert!(text.contains(SUM), "{text}");
    assert!(text.contains("to release or delete: https://"), "{text}");
    // Who has nothing but that is sent nowhere to release it.
    let text = told(&site, JIRO).await;
    assert!(entry(&text, alone).contains(LINE), "{text}");
    assert!(text.contains("to look at them: https://"), "{text}");
    // What is said is so.
    let reach = Reach::own("taro", vec![taro]);
    let done = command::release(&site.transfer, &reach, Selection::default());
    let done = done.await.unwrap();
    assert_eq!((done.recipients, done.kept), (1, 1));
}

/// Times are the organisation's: a machine is in one of these zones at most.
#[tokio::test]
async fn a_digest_tells_times_where_the_organisation_is() {
    // The clock stands at 2026-09-21T14:13:20Z.
    for (hours, since, until) in [
        (14, "2026-09-22 04:13", "2026-09-24"),
        (-11, "2026-09-21 03:13", "2026-09-23"),
    ] {
        let zone = TimeZone::fixed(jiff::tz::offset(hours));
        let site = Site::open(|settings| settings.zone = zone).await;
        let taro = site.account(TARO).await;
        let id = keep_at(&site, 2, Place::Here(taro)).await;
        let done = transfer::quarantine::digest(&site.transfer, None).await;
        assert_eq!(done.unwrap().messages, 1);
        let text = told(&site, TARO).await;
        assert!(text.contains(&format!("{since}  {id}\n")), "{text}");
        assert!(text.contains(&format!("is deleted on {until}.")), "{text}");
    }
}
