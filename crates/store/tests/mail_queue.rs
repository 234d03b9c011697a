//! What the queue promises.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod mail;
mod site;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mail::{change, read, record};
use message::address::Address;
use proptest::prelude::*;
use site::{count, open};
use store::{
    AccountId, Error, QueueId, Store, Topic,
    queue::{self, Due, NewQueued, NewRecipient, Notify, Selection, State},
};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn to(recipient: &str) -> NewRecipient {
    let address = address(recipient);
    NewRecipient {
        destination: address.domain().to_string(),
        address,
        notify: Notify::default(),
        original: None,
    }
}

async fn enqueue_as(
    store: &Store,
    recipients: &[&str],
    with: impl FnOnce(&mut NewQueued),
) -> QueueId {
    let body = store
        .seal(b"Subject: x\r\n\r\ntext", &[AccountId::QUEUE])
        .unwrap();
    let mut message = NewQueued {
        id: QueueId(store.next_id()),
        body: body.id,
        size: body.size,
        sender: Some(address("taro@example.jp")),
        identifier: Some("taro".into()),
        envelope_id: None,
        return_full: None,
        smtputf8: false,
        require_tls: false,
        body_type: 0,
        message_id: "<x@example.jp>".into(),
        recipients: recipients.iter().map(|recipient| to(recipient)).collect(),
    };
    with(&mut message);
    let id = message.id;
    let done = store
        .commit(vec![body], move |tx| {
            queue::enqueue(tx, &message)?;
            record(tx, ())
        })
        .await;
    let done: Result<_, Error> = done;
    done.unwrap();
    id
}

async fn enqueue(store: &Store, recipients: &[&str]) -> QueueId {
    enqueue_as(store, recipients, |_| {}).await
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

async fn due_at(store: &Store, at: Timestamp) -> Vec<Due> {
    read(store, move |sql| {
        queue::due(sql, at, 1000, queue::Skip::default(), &mut |id, error| {
            panic!("{id}: {error}")
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_comes_back_as_it_went_in() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut woken = store.watch(Topic::Queue);
    woken.mark_unchanged();
    let id = enqueue_as(&store, &["a@one.example", "b@two.example"], |message| {
        message.sender = None;
        message.identifier = None;
        message.envelope_id = Some("env=1".into());
        message.return_full = Some(false);
        message.smtputf8 = true;
        message.require_tls = true;
        message.body_type = 1;
        message.recipients[1].notify = Notify {
            success: true,
            failure: false,
            delay: false,
            given: true,
        };
        message.recipients[1].original = Some("rfc822;b@old.example".into());
    })
    .await;
    assert!(woken.has_changed().unwrap());
    let queued = read(&store, move |sql| queue::load(sql, id)).await.unwrap();
    let message = &queued.message;
    assert_eq!(
        (
            message.id,
            message.sender.as_ref(),
            message.identifier.as_ref()
        ),
        (id, None, None)
    );
    assert_eq!(message.envelope_id.as_deref(), Some("env=1"));
    assert_eq!(
        (
            message.return_full,
            message.smtputf8,
            message.require_tls,
            message.body_type
        ),
        (Some(false), true, true, 1)
    );
    let second = &queued.recipients[1];
    assert_eq!(
        (second.number, &second.recipient.address),
        (1, &address("b@two.example"))
    );
    assert!(second.recipient.notify.success && !second.recipient.notify.failure);
    assert_eq!(
        second.recipient.original.as_deref(),
        Some("rfc822;b@old.example")
    );
    assert_eq!(
        (second.state, second.attempts, second.last_reply.as_str()),
        (State::Waiting, 0, "")
    );
    assert_eq!(message.recipients.len(), 2);
    assert!(
        !store
            .body(AccountId::QUEUE, message.body)
            .await
            .unwrap()
            .is_empty()
    );
    let none = read(&store, |sql| queue::load(sql, QueueId(7))).await;
    assert!(none.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_recipient_takes_message_and_body_along() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = enqueue(&store, &["a@one.example", "b@one.example"]).await;
    let finish = |number| change(&store, move |tx| queue::finish(tx, id, number));
    assert!(finish(0).await.unwrap());
    assert!(!finish(0).await.unwrap());
    assert_eq!(count(&store, "SELECT COUNT(*) FROM body").await, 1);
    assert!(finish(1).await.unwrap());
    assert!(
        read(&store, move |sql| queue::load(sql, id))
            .await
            .is_none()
    );
    assert_eq!(count(&store, "SELECT COUNT(*) FROM body").await, 0);
    assert_eq!(read(&store, queue::totals).await, queue::Totals::default());
    assert_eq!(read(&store, queue::next_due).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_destinations_do_not_hide_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let many: Vec<String> = (0..1000).map(|n| format!("u{n}@busy.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for _ in 0..6 {
        enqueue(&store, &many).await;
    }
    let first = enqueue(
        &store,
        &["a@quiet.example", "b@quiet.example", "c@busy.example"],
    )
    .await;
    let second = enqueue(&store, &["a@other.example"]).await;
    let at = later(1);
    let look = |busy: &'static [&'static str], in_hand: Vec<(QueueId, String)>, limit| {
        read(&store, move |sql| {
            let busy: Vec<String> = busy.iter().map(|&name| name.to_owned()).collect();
            let skip = queue::Skip {
                busy: &busy,
                in_hand: &in_hand,
                domains: &[],
            };
            queue::due(sql, at, limit, skip, &mut |_, error| panic!("{error}"))
        })
    };
    let quiet = Due {
        id: first,
        destination: "quiet.example".into(),
        recipients: vec![0, 1],
    };
    let other = Due {
        id: second,
        destination: "other.example".into(),
        recipients: vec![0],
    };
    assert_eq!(
        look(&["busy.example"], Vec::new(), 10).await,
        [quiet.clone(), other.clone()]
    );
    let in_hand = vec![(first, "quiet.example".to_owned())];
    assert_eq!(look(&["busy.example"], in_hand, 10).await, [other]);
    let all = look(&[], Vec::new(), 3).await;
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].recipients.len(), 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_rows_stop_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut ids = Vec::new();
    for n in 0..8 {
        let (a, b) = (format!("a{n}@x{n}.example"), format!("b{n}@x{n}.example"));
        ids.push(enqueue(&store, &[&a, &b]).await);
    }
    let damage = [
        "UPDATE queue_message SET sender = 'no address' WHERE id = ?1",
        "UPDATE queue_message SET size = 'many' WHERE id = ?1",
        "UPDATE queue_recipient SET address = x'ff00' WHERE message = ?1 AND number = 0",
        "UPDATE queue_recipient SET next_attempt = 'never' WHERE message = ?1 AND number = 0",
        "UPDATE queue_recipient SET state = 9 WHERE message = ?1 AND number = 0",
        "UPDATE queue_recipient SET destination = x'ff' WHERE message = ?1 AND number = 0",
        "DELETE FROM queue_message WHERE id = ?1",
    ];
    let raw = rusqlite::Connection::open(directory.path().join("store.db")).unwrap();
    for (statement, id) in damage.iter().zip(&ids) {
        assert!(raw.execute(statement, [id.0]).unwrap() > 0);
    }
    drop(raw);
    let at = later(1);
    let (due, reported) = read(&store, move |sql| {
        let mut reported = BTreeSet::new();
        let due = queue::due(sql, at, 100, queue::Skip::default(), &mut |id, _| {
            reported.insert(id);
        })?;
        Ok((due, reported))
    })
    .await;
    assert_eq!(reported, ids[..7].iter().copied().collect());
    let found: Vec<(QueueId, Vec<u32>)> = due
        .into_iter()
        .map(|due| (due.id, due.recipients))
        .collect();
    let expected = [
        (ids[2], vec![1]),
        (ids[3], vec![1]),
        (ids[4], vec![1]),
        (ids[5], vec![1]),
        (ids[7], vec![0, 1]),
    ];
    assert_eq!(found, expected);

    // What can be read is loaded, listed and discarded; the rest can be purged.
    let (broken, half) = (ids[0], ids[2]);
    assert!(
        store
            .read(move |sql| queue::load(sql, broken))
            .await
            .is_err()
    );
    let loaded = read(&store, move |sql| queue::load(sql, half))
        .await
        .unwrap();
    assert_eq!(loaded.recipients.len(), 1);
    let listed = read(&store, |sql| queue::select(sql, &Selection::default(), 100)).await;
    assert_eq!(listed.len(), 5);
    let totals = read(&store, queue::totals).await;
    assert_eq!(totals.messages, 7);
    assert!(read(&store, queue::next_due).await.is_some());
    change(&store, |tx| queue::discard(tx, &Selection::default()))
        .await
        .unwrap();
    let all = ids.clone();
    change(&store, move |tx| {
        for id in all {
            queue::purge(tx, id)?;
        }
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(
        count(&store, "SELECT COUNT(*) FROM queue_recipient").await,
        0
    );
    assert_eq!(count(&store, "SELECT COUNT(*) FROM queue_message").await, 0);
    assert_eq!(
        count(&store, "SELECT COUNT(*) FROM body").await,
        1,
        "that of the message whose row is gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn selections_mean_what_they_say() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let one = enqueue(&store, &["a@one.example", "b@two.example"]).await;
    let two = enqueue_as(&store, &["a@one.example"], |message| {
        message.sender = None;
        message.identifier = None;
        message.recipients[0].destination = "smarthost.example".into();
    })
    .await;
    let select = |selection: Selection| {
        read(&store, move |sql| {
            let found = queue::select(sql, &selection, 10)?;
            Ok(found
                .into_iter()
                .map(|q| {
                    (
                        q.message.id,
                        q.recipients.iter().map(|r| r.number).collect::<Vec<_>>(),
                    )
                })
                .collect::<Vec<_>>())
        })
    };
    let all = Selection::default;
    assert_eq!(select(all()).await, [(one, vec![0, 1]), (two, vec![0])]);
    assert_eq!(
        select(Selection {
            ids: vec![two],
            ..all()
        })
        .await,
        [(two, vec![0])]
    );
    assert_eq!(
        select(Selection {
            sender: Some(None),
            ..all()
        })
        .await,
        [(two, vec![0])]
    );
    let taro = Some(Some(address("taro@EXAMPLE.jp")));
    assert_eq!(
        select(Selection {
            sender: taro,
            ..all()
        })
        .await,
        [(one, vec![0, 1])]
    );
    assert_eq!(
        select(Selection {
            recipient: Some(address("b@two.example")),
            ..all()
        })
        .await,
        [(one, vec![1])]
    );
    assert_eq!(
        select(Selection {
            domain: Some("One.example".into()),
            ..all()
        })
        .await,
        [(one, vec![0]), (two, vec![0])]
    );
    assert_eq!(
        select(Selection {
            domain: Some("smarthost.example".into()),
            ..all()
        })
        .await,
        [(two, vec![0])]
    );
    assert_eq!(
        select(Selection {
            identifier: Some("taro".into()),
            ..all()
        })
        .await,
        [(one, vec![0, 1])]
    );
    assert!(
        select(Selection {
            queued_before: Some(later(-60)),
            ..all()
        })
        .await
        .is_empty()
    );
    let held = change(&store, move |tx| {
        let selection = Selection {
            domain: Some("one.example".into()),
            ..Selection::default()
        };
        queue::set_state(tx, &selection, State::Held)
    });
    assert_eq!(held.await.unwrap(), 2);
    assert_eq!(
        select(Selection {
            state: Some(State::Held),
            ..all()
        })
        .await,
        [(one, vec![0]), (two, vec![0])]
    );
    assert_eq!(due_at(&store, later(9)).await.len(), 1);
    let gone = change(&store, move |tx| {
        queue::discard(
            tx,
            &Selection {
                state: Some(State::Held),
                ..Selection::default()
            },
        )
    });
    assert_eq!(
        gone.await.unwrap(),
        [
            (one, address("a@one.example")),
            (two, address("a@one.example"))
        ]
    );
    assert_eq!(select(all()).await, [(one, vec![1])]);
}

#[derive(Clone, Debug)]
enum Step {
    Enqueue(Vec<usize>),
    Defer(usize, i64),
    Finish(usize),
    Hold(usize),
    Release,
    Retry,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec(0_usize..4, 1..4).prop_map(Step::Enqueue),
        2 => (any::<prop::sample::Index>(), -50_i64..500).prop_map(|(at, s)| Step::Defer(at.index(1000), s)),
        2 => any::<prop::sample::Index>().prop_map(|at| Step::Finish(at.index(1000))),
        1 => (0_usize..4).prop_map(Step::Hold),
        1 => Just(Step::Release),
        1 => Just(Step::Retry),
    ]
}

#[derive(Default)]
struct Model {
    /// Destination, whether held, seconds from the start when due (`None`: at once).
    waiting: BTreeMap<(QueueId, u32), (usize, bool, Option<i64>)>,
}

impl Model {
    fn nth(&self, at: usize) -> Option<(QueueId, u32)> {
        (!self.waiting.is_empty())
            .then(|| *self.waiting.keys().nth(at % self.waiting.len()).unwrap())
    }

    fn due(&self, seconds: i64) -> BTreeSet<(QueueId, usize, u32)> {
        let due = |after: Option<i64>| after.is_none_or(|after| after <= seconds);
        self.waiting
            .iter()
            .filter(|(_, (_, held, after))| !held && due(*after))
            .map(|((id, number), (destination, ..))| (*id, *destination, *number))
            .collect()
    }
}

async fn run(store: &Store, model: &mut Model, start: Timestamp, step: Step) {
    match step {
        Step::Enqueue(destinations) => {
            let recipients: Vec<String> = destinations
                .iter()
                .map(|d| format!("u@d{d}.example"))
                .collect();
            let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
            let id = enqueue(store, &recipients).await;
            for (number, destination) in (0..).zip(destinations) {
                model
                    .waiting
                    .insert((id, number), (destination, false, None));
            }
        }
        Step::Defer(at, seconds) => {
            let Some((id, number)) = model.nth(at) else {
                return;
            };
            let next = start + SignedDuration::from_secs(seconds);
            change(store, move |tx| {
                queue::defer(tx, id, number, next, "451 later")
            })
            .await
            .unwrap();
            model.waiting.get_mut(&(id, number)).unwrap().2 = Some(seconds);
        }
        Step::Finish(at) => {
            let Some((id, number)) = model.nth(at) else {
                return;
            };
            assert!(
                change(store, move |tx| queue::finish(tx, id, number))
                    .await
                    .unwrap()
            );
            model.waiting.remove(&(id, number));
        }
        Step::Hold(destination) => {
            let selection = Selection {
                domain: Some(format!("d{destination}.example")),
                ..Selection::default()
            };
            let changed = change(store, move |tx| {
                queue::set_state(tx, &selection, State::Held)
            })
            .await
            .unwrap();
            let held = model
                .waiting
                .values_mut()
                .filter(|(d, held, _)| *d == destination && !held);
            assert_eq!(changed, held.map(|entry| entry.1 = true).count() as u64);
        }
        Step::Release => {
            let all = Selection::default();
            let changed = change(store, move |tx| queue::set_state(tx, &all, State::Waiting))
                .await
                .unwrap();
            let held = model.waiting.values_mut().filter(|entry| entry.1);
            assert_eq!(changed, held.map(|entry| entry.1 = false).count() as u64);
        }
        Step::Retry => {
            let changed = change(store, |tx| queue::retry(tx, &Selection::default()))
                .await
                .unwrap();
            let waiting = model.waiting.values_mut().filter(|entry| !entry.1);
            assert_eq!(changed, waiting.map(|entry| entry.2 = None).count() as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_does_what_the_model_does(steps in prop::collection::vec(step(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let store = open(directory.path());
            // Far ahead, so that "at once" is always before the times that a step names.
            let start = later(10_000);
            let mut model = Model::default();
            for step in steps {
                run(&store, &mut model, start, step).await;
            }
            for seconds in [-100, 0, 100, 1000] {
                let found = due_at(&store, start + SignedDuration::from_secs(seconds)).await;
                let found: BTreeSet<(QueueId, usize, u32)> = found
                    .into_iter()
                    .flat_map(|due| {
                        let destination = due.destination[1..2].parse().unwrap();
                        due.recipients.into_iter().map(move |number| (due.id, destination, number))
                    })
                    .collect();
                assert_eq!(found, model.due(seconds));
            }
            let totals = read(&store, queue::totals).await;
            let held = model.waiting.values().filter(|entry| entry.1).count() as u64;
            let messages: BTreeSet<QueueId> = model.waiting.keys().map(|(id, _)| *id).collect();
            assert_eq!((totals.held, totals.recipients), (held, model.waiting.len() as u64 - held));
            assert_eq!(totals.messages, messages.len() as u64);
            assert_eq!(count(&store, "SELECT COUNT(*) FROM body").await, totals.messages);
            store.close().await;
        });
    }
}
