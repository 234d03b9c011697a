//! What the quarantine promises.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod mail;
mod site;

use jiff::{SignedDuration, Timestamp};
use mail::{owner, read, record};
use message::address::Address;
use site::{count, open};
use store::{
    AccountId, Error, QueueId, Store, mailbox,
    quarantine::{self, For, NewHeld, Page, Place, Selection},
};

const RAW: &[u8] = b"Subject: x\r\n\r\ntext";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn here(text: &str, account: AccountId) -> For {
    For {
        address: address(text),
        place: Place::Here(account),
    }
}

fn away(text: &str) -> For {
    For {
        address: address(text),
        place: Place::Away("mailbox.example.jp:25".to_owned()),
    }
}

/// `why` is a cause, or a cause and after a colon a criterion.
async fn keep(store: &Store, why: &str, recipients: Vec<For>) -> QueueId {
    let (cause, criterion) = why.split_once(':').unwrap_or((why, ""));
    let owners: Vec<AccountId> = recipients.iter().map(|to| to.place.owner()).collect();
    let body = store.seal(RAW, &owners).unwrap();
    let held = NewHeld {
        id: QueueId(store.next_id()),
        body: body.id,
        size: body.size,
        sender: Some(address("stranger@example.net")),
        smtputf8: false,
        require_tls: false,
        body_type: 0,
        message_id: "x@example.net".to_owned(),
        cause: cause.to_owned(),
        criterion: criterion.to_owned(),
        strict: false,
        until: Timestamp::now() + SignedDuration::from_hours(24),
        recipients,
    };
    let id = held.id;
    let done = store.commit(vec![body], move |tx| {
        quarantine::keep(tx, &held)?;
        record(tx, ())
    });
    let done: Result<_, Error> = done.await;
    done.unwrap();
    id
}

async fn page(store: &Store, selection: Selection, after: QueueId, limit: usize) -> Page {
    read(store, move |sql| {
        quarantine::select(sql, &selection, after, limit)
    })
    .await
}

async fn ids(store: &Store, selection: Selection) -> Vec<QueueId> {
    let page = page(store, selection, QueueId(0), 100).await;
    assert!(page.damaged.is_empty(), "{:?}", page.damaged);
    page.held.iter().map(|held| held.message.id).collect()
}

async fn change<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut store::Tx<'_>) -> Result<T, Error> + Send + 'static,
) -> T {
    mail::change(store, work).await.unwrap()
}

async fn findings(store: &Store) -> Vec<String> {
    let found = store.verify(|_| {}).await.unwrap();
    found.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_leaves_for_itself_and_the_body_with_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (one, two) = (owner(&store).await.0, owner(&store).await.0);
    let to = vec![
        here("taro@example.jp", one),
        here("hanako@example.jp", two),
        away("jiro@example.jp"),
    ];
    let id = keep(&store, "dmarc-quarantine", to.clone()).await;
    let found = page(&store, Selection::default(), QueueId(0), 10).await;
    assert_eq!(found.held.len(), 1);
    assert_eq!(found.held[0].message.recipients, to);
    let body = found.held[0].message.body;
    assert_eq!(store.body(two, body).await.unwrap(), RAW);
    assert_eq!(findings(&store).await, [""; 0]);

    assert!(change(&store, move |tx| quarantine::take(tx, id, 0)).await);
    assert!(!change(&store, move |tx| quarantine::take(tx, id, 0)).await);
    assert!(
        store.body(one, body).await.is_err(),
        "its key to the body went"
    );
    assert_eq!(store.body(two, body).await.unwrap(), RAW);
    let left = page(&store, Selection::default(), QueueId(0), 10).await;
    assert_eq!(left.held[0].message.recipients, to[1..]);

    assert!(change(&store, move |tx| quarantine::take(tx, id, 1)).await);
    assert!(change(&store, move |tx| quarantine::take(tx, id, 2)).await);
    assert_eq!(count(&store, "SELECT COUNT(*) FROM quarantined").await, 0);
    assert_eq!(count(&store, "SELECT COUNT(*) FROM body").await, 0);
    assert_eq!(findings(&store).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_takes_its_share_along() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (one, two) = (owner(&store).await.0, owner(&store).await.0);
    let both = vec![here("taro@example.jp", one), here("hanako@example.jp", two)];
    keep(&store, "a", both).await;
    keep(&store, "a", vec![here("taro@example.jp", one)]).await;
    change(&store, move |tx| {
        mailbox::remove_account(tx, one)?;
        tx.destroy_key(one)
    })
    .await;
    let left = page(&store, Selection::default(), QueueId(0), 10).await;
    assert_eq!(left.held.len(), 1);
    assert_eq!(left.held[0].message.recipients.len(), 1);
    assert_eq!(findings(&store).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_selected_is_found_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (one, two) = (owner(&store).await.0, owner(&store).await.0);
    let a = keep(&store, "a", vec![here("taro@example.jp", one)]).await;
    let both = vec![here("taro@example.jp", one), here("hanako@example.jp", two)];
    let b = keep(&store, "b", both).await;
    let c = keep(&store, "b:50% off", vec![here("hanako@example.jp", two)]).await;
    let all = Selection::default;
    assert_eq!(ids(&store, all()).await, [a, b, c]);
    let owners = |owner| Selection {
        owners: Some(vec![owner]),
        ..all()
    };
    assert_eq!(ids(&store, owners(one)).await, [a, b]);
    let of_two = page(&store, owners(two), QueueId(0), 10).await;
    assert_eq!(
        of_two.held[0].recipients.len(),
        1,
        "not whom it is for besides"
    );
    assert_eq!(
        ids(
            &store,
            Selection {
                owners: Some(vec![]),
                ..all()
            }
        )
        .await,
        []
    );
    let cause = Some("b".to_owned());
    assert_eq!(ids(&store, Selection { cause, ..all() }).await, [b, c]);
    for (why, expected) in [("b:50% off", vec![c]), ("b:50", vec![]), ("%", vec![])] {
        let cause = Some(why.to_owned());
        assert_eq!(ids(&store, Selection { cause, ..all() }).await, expected);
    }
    let of_c = page(&store, all(), b, 1).await.held.remove(0).message;
    assert_eq!((&*of_c.cause, &*of_c.criterion), ("b", "50% off"));
    let recipient = Some(address("hanako@example.jp"));
    assert_eq!(ids(&store, Selection { recipient, ..all() }).await, [b, c]);
    let two_of_three = vec![c, a];
    assert_eq!(
        ids(
            &store,
            Selection {
                ids: two_of_three,
                ..all()
            }
        )
        .await,
        [a, c]
    );
    let sender = Some(None);
    assert_eq!(ids(&store, Selection { sender, ..all() }).await, []);
    let overdue_at = Some(Timestamp::now());
    assert_eq!(
        ids(
            &store,
            Selection {
                overdue_at,
                ..all()
            }
        )
        .await,
        []
    );
    let overdue_at = Some(Timestamp::now() + SignedDuration::from_hours(48));
    assert_eq!(
        ids(
            &store,
            Selection {
                overdue_at,
                ..all()
            }
        )
        .await,
        [a, b, c]
    );
    assert!(change(&store, move |tx| quarantine::note_told(tx, b, 0)).await);
    assert!(!change(&store, move |tx| quarantine::note_told(tx, b, 0)).await);
    assert_eq!(
        ids(
            &store,
            Selection {
                untold: true,
                ..owners(one)
            }
        )
        .await,
        [a]
    );

    let first = page(&store, all(), QueueId(0), 2).await;
    assert_eq!((first.held.len(), first.next), (2, Some(b)));
    let second = page(&store, all(), b, 2).await;
    assert_eq!((second.held.len(), second.next), (1, None));
    assert_eq!(
        read(&store, |sql| quarantine::totals(sql)).await,
        (3, 3 * RAW.len() as u64)
    );
}

/// A row that cannot be read stops nobody else, is found by `verify`, and can be removed.
#[tokio::test(flavor = "multi_thread")]
async fn damage_stays_where_it_is() {
    for damage in [
        "UPDATE quarantined SET sender = 'no address' WHERE id = ?1",
        "UPDATE quarantined SET size = 'many' WHERE id = ?1",
        "UPDATE quarantined_for SET address = x'ff00' WHERE message = ?1",
        "DELETE FROM quarantined WHERE id = ?1",
        "DELETE FROM quarantined_for WHERE message = ?1",
        "UPDATE quarantined SET body = body + 1 WHERE id = ?1",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let one = owner(&store).await.0;
        let bad = keep(&store, "a", vec![here("taro@example.jp", one)]).await;
        let good = keep(&store, "a", vec![here("taro@example.jp", one)]).await;
        change(&store, move |tx| tx.execute(damage, store::params![bad])).await;
        let found = page(&store, Selection::default(), QueueId(0), 10).await;
        assert!(
            found.held.iter().any(|held| held.message.id == good),
            "{damage}"
        );
        let told = findings(&store).await;
        assert!(
            told.iter()
                .any(|finding| finding.contains(&bad.to_string())),
            "{damage}: {told:?}"
        );
        change(&store, move |tx| quarantine::purge(tx, bad)).await;
        let told = findings(&store).await;
        let named = |finding: &String| finding.contains(&bad.to_string());
        assert!(!told.iter().any(named), "{damage}: {told:?}");
        assert_eq!(ids(&store, Selection::default()).await, [good], "{damage}");
    }
}
