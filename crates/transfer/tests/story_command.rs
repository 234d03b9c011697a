//! Commands to the queue: what they did to whom is found in the trail, however much was selected.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use site::{Site, address};
use store::{
    AccountId, QueueId,
    queue::{self, NewQueued, NewRecipient, Notify, Selection, State},
};
use trail::{Actor, Event, Kind};
use transfer::command::{self, Which};

/// Queues `count` messages of `recipients` each, all with one body; returns their ids.
async fn queued(site: &Site, count: usize, recipients: usize) -> Vec<QueueId> {
    let body = site
        .store
        .seal(b"Subject: x\r\n\r\nx\r\n", &[AccountId::QUEUE])
        .unwrap();
    let message = NewQueued {
        id: QueueId(0),
        body: body.id,
        size: body.size,
        sender: Some(address("taro@example.jp")),
        identifier: None,
        envelope_id: None,
        return_full: None,
        smtputf8: false,
        require_tls: false,
        body_type: 0,
        message_id: String::new(),
        recipients: Vec::new(),
    };
    let done = site
        .store
        .commit(vec![body], move |tx| -> Result<_, store::Error> {
            let mut ids = Vec::new();
            for _ in 0..count {
                let id = QueueId(tx.next_id());
                let to = |n: usize| NewRecipient {
                    address: address(&format!("r{n}-of-{id}@far.example")),
                    notify: Notify::default(),
                    original: None,
                    destination: "far.example".to_owned(),
                };
                let message = NewQueued {
                    id,
                    recipients: (0..recipients).map(to).collect(),
                    ..message.clone()
                };
                queue::enqueue(tx, &message)?;
                ids.push(id);
            }
            tx.record(&Event::new(Kind::CommandGiven, Actor::System), ids)
        });
    done.await.unwrap().value
}

fn far() -> Which {
    Which::Selected(Box::new(Selection {
        domain: Some("far.example".to_owned()),
        ..Selection::default()
    }))
}

#[tokio::test]
async fn what_was_done_to_a_message_is_found_by_its_id_and_its_addresses() {
    let site = Site::open(|_| {}).await;
    let admin = site.administrator();
    let ids = queued(&site, 3, 2).await;
    assert_eq!(command::hold(&site.store, &admin, far()).await.unwrap(), 6);
    assert_eq!(command::hold(&site.store, &admin, far()).await.unwrap(), 0);
    assert_eq!(command::retry(&site.store, &admin, far()).await.unwrap(), 0);
    assert_eq!(
        command::release(&site.store, &admin, far()).await.unwrap(),
        6
    );
    assert_eq!(command::retry(&site.store, &admin, far()).await.unwrap(), 6);
    let held = Which::Selected(Box::new(Selection {
        state: Some(State::Held),
        ..Selection::default()
    }));
    let none = command::discard(&site.store, &admin, held, "phishing").await;
    assert_eq!(none.unwrap(), 0);
    let all = command::discard(&site.store, &admin, far(), "phishing").await;
    assert_eq!(all.unwrap(), 6);
    for id in ids {
        let wanted = [
            Kind::QueueHeld,
            Kind::QueueReleased,
            Kind::QueueRetried,
            Kind::QueueDiscarded,
        ];
        let about = site.events_about(&id.to_string()).await;
        let kinds: Vec<Kind> = about.iter().map(|event| event.event.kind).collect();
        assert_eq!(kinds, wanted);
        let with = site.events_with(&format!("R1-of-{id}@far.example")).await;
        assert_eq!(with, about);
        for event in &about {
            let event = &event.event;
            assert_eq!(event.actor, Actor::Person("admin".to_owned()));
            assert_eq!(event.detail["acting_role"], "administrator");
            assert_eq!(event.detail["sender"], "taro@example.jp");
            assert_eq!(event.detail["recipients"].as_array().unwrap().len(), 2);
        }
        assert_eq!(about[3].event.detail["reason"], "phishing");
    }
}

#[tokio::test]
async fn a_long_list_of_recipients_is_told_whole() {
    let site = Site::open(|_| {}).await;
    queued(&site, 1, 1500).await;
    let all = command::discard(&site.store, &site.administrator(), Which::All, "spam").await;
    assert_eq!(all.unwrap(), 1500);
    let events = site.events(Kind::QueueDiscarded).await;
    assert!(events.len() > 1);
    let told: usize = events
        .iter()
        .map(|event| event.event.detail["recipients"].as_array().unwrap().len())
        .sum();
    assert_eq!(told, 1500);
    assert!(
        events
            .iter()
            .all(|event| !event.event.detail.contains_key("truncated"))
    );
}

/// More than any one answer or commit should hold.
#[tokio::test]
async fn a_long_queue_is_listed_and_worked_through_whole() {
    const MANY: usize = 10_500;
    let site = Site::open(|_| {}).await;
    let admin = site.administrator();
    for _ in 0..7 {
        queued(&site, MANY / 7, 1).await;
    }
    let listed = site.queued().await;
    assert_eq!(listed.len(), MANY);
    assert!(listed.is_sorted_by_key(|message| message.queued_at));
    let held = command::hold(&site.store, &admin, Which::All).await;
    assert_eq!(held.unwrap(), MANY as u64);
    let gone = command::discard(&site.store, &admin, Which::All, "spam").await;
    assert_eq!(gone.unwrap(), MANY as u64);
    assert!(site.queued().await.is_empty());
    assert_eq!(
        site.events(Kind::QueueDiscarded).await.len(),
        10_000,
        "and more"
    );
}

#[tokio::test]
async fn what_is_returned_is_returned_in_batches_too() {
    let site = Site::open(|_| {}).await;
    queued(&site, 250, 1).await;
    let returned =
        command::bounce(&site.transfer, &site.administrator(), Which::All, "moved").await;
    assert_eq!(returned.unwrap(), 250);
    assert!(site.queued().await.is_empty());
}
