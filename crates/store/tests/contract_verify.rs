//! What `verify` says of a sound store and of damaged ones, and what a repair makes of them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod mail;
mod site;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, Mutex},
};

use site::{account, done, open};
use store::{
    AccountId, BodyId, Error, Finding, QueueId, Repaired, Store,
    event::Filter,
    mailbox::{self, FlagChange, FlagMode, Flags},
    params,
    queue::{self, NewQueued, NewRecipient, Notify},
};
use trail::{Actor, Event, Kind};

/// A store with mail, a queue and events of all sorts; closed.
async fn base(directory: &Path) {
    let store = open(directory);
    let (one, inbox) = mail::owner(&store).await;
    let (two, other) = mail::owner(&store).await;
    for n in 0..12 {
        let raw = format!("Message-ID: <{n}@x>\r\nSubject: {n}\r\n\r\nbody {n}\r\n").repeat(n + 1);
        mail::append(&store, one, inbox, raw.as_bytes())
            .await
            .unwrap();
    }
    mail::append(&store, two, other, b"Subject: two\r\n\r\n")
        .await
        .unwrap();
    let worked = mail::change(&store, move |tx| {
        let sent = mailbox::by_name(tx, one, "Sent")?.unwrap().id;
        let seen = FlagChange {
            mode: FlagMode::Add,
            flags: Flags::SEEN.with(Flags::DELETED),
            keywords: Vec::new(),
        };
        mailbox::change_flags(tx, inbox, &[1, 2, 3], &seen, None)?;
        mailbox::copy(tx, inbox, &[2, 4, 5], sent)?;
        mailbox::expunge(tx, sent, &[1])?;
        mailbox::expunge(tx, inbox, &[11, 12])?;
        directory_row(tx, one)
    });
    worked.await.unwrap();
    enqueue(&store).await;
    let mail = Event::new(Kind::TransactionAccepted, Actor::Peer)
        .subject("tanaka@example.jp")
        .address("192.0.2.1".parse::<std::net::IpAddr>().ok())
        .detail("recipients", vec!["a@example.net", "b@example.net"]);
    let told = store.commit(Vec::new(), move |tx| tx.record(&mail, ()));
    let told: Result<_, Error> = told.await;
    told.unwrap();
    store.close().await;
}

/// The directory's word for the account, so that a finding can name it.
fn directory_row(tx: &mut store::Tx<'_>, account: AccountId) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO person (id, name, full_name, state, added_at) VALUES (1, 'p', 'p', 'active', 0)",
        &[],
    )?;
    tx.execute(
        "INSERT INTO orders (number, kind, for_person, details, issued_by, issued_at, state)
         VALUES (1, 'issue', 1, '', 1, 0, 'issued')",
        &[],
    )?;
    tx.execute(
        "INSERT INTO account (id, identifier, main_address, person, order_number, state, msa, mra,
         must_change_password, renewed, generation, issued_at)
         VALUES (?1, 'tanaka@example.jp', 'tanaka@example.jp', 1, 1, 'active', 1, 1, 0, 1, 1, 0)",
        params![account],
    )?;
    Ok(())
}

async fn enqueue(store: &Store) {
    let body = store
        .seal(b"Subject: out\r\n\r\n", &[AccountId::QUEUE])
        .unwrap();
    let to = |name: &str| NewRecipient {
        address: name.parse().unwrap(),
        notify: Notify::default(),
        original: None,
        destination: "example.net".to_owned(),
    };
    let new = NewQueued {
        id: QueueId(store.next_id()),
        body: body.id,
        size: body.size,
        sender: None,
        identifier: None,
        envelope_id: None,
        return_full: None,
        smtputf8: false,
        require_tls: false,
        body_type: 0,
        message_id: String::new(),
        recipients: vec![to("a@example.net"), to("b@example.net")],
    };
    let queued = store.commit(vec![body], move |tx| {
        queue::enqueue(tx, &new)?;
        done(tx, "queued", ())
    });
    queued.await.unwrap();
}

/// What is wrong, by name, each once.
fn names(findings: &[Finding]) -> BTreeSet<&'static str> {
    findings.iter().map(Finding::name).collect()
}

/// Repairs as `verify --repair` does: each finding as it comes. What was left.
async fn repair(store: &Store) -> BTreeSet<&'static str> {
    let mut left = BTreeSet::new();
    let mut verification = store.verification();
    while let Some(step) = verification.next().await.unwrap() {
        let store::verify::Step::Found(finding) = step else {
            continue;
        };
        let ended = store.repair(&finding, Actor::System).await.unwrap();
        let words = finding.remedy().words();
        assert!(!words.is_empty() && !finding.subject().is_empty());
        match ended {
            Repaired::Done => {}
            Repaired::NoLonger => panic!("{finding}: still wrong when it was found"),
            Repaired::Left(why) => {
                assert!(!why.is_empty());
                left.insert(finding.name());
            }
        }
    }
    left
}

/// What was repaired, as the trail tells it.
async fn repaired(store: &Store) -> BTreeSet<String> {
    let filter = Filter {
        kinds: vec![Kind::StoreRepaired],
        ..Filter::default()
    };
    let events = store
        .read(move |sql| store::event::search(sql, &filter, 10_000))
        .await
        .unwrap();
    events
        .iter()
        .map(|event| {
            for fact in ["found", "before", "after"] {
                assert!(event.event.detail.contains_key(fact), "{event:?}");
            }
            event.event.detail["fault"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// How many messages mailboxes hold, wherever they are.
async fn messages(store: &Store) -> u64 {
    site::count(store, "SELECT count(DISTINCT email) FROM message").await
}

/// Damage, by SQL on the closed database or on the open one; what is found, and what of it is left after a repair.
struct Damage {
    sql: &'static str,
    open: bool,
    found: &'static [&'static str],
    left: &'static [&'static str],
}

const fn damage(
    sql: &'static str,
    found: &'static [&'static str],
    left: &'static [&'static str],
) -> Damage {
    Damage {
        sql,
        open: false,
        found,
        left,
    }
}

/// Opening the store would put it right, or worse.
const fn while_open(sql: &'static str, found: &'static [&'static str]) -> Damage {
    Damage {
        sql,
        open: true,
        found,
        left: &[],
    }
}

const COUNTERS: &[Damage] = &[
    damage(
        "UPDATE body_owner SET refs = refs + 1 WHERE account <> 1",
        &["reference-count"],
        &[],
    ),
    damage("UPDATE body_owner SET refs = 0", &["reference-count"], &[]),
    damage(
        "UPDATE mailbox SET messages = messages + 1",
        &["mailbox-counters", "usage"],
        &[],
    ),
    damage(
        "UPDATE mailbox SET unseen = unseen + 1",
        &["mailbox-counters"],
        &[],
    ),
    damage("UPDATE mailbox SET deleted = 7", &["mailbox-counters"], &[]),
    damage(
        "UPDATE account_usage SET bytes = bytes + 1",
        &["usage"],
        &[],
    ),
    damage("DELETE FROM account_usage", &["usage"], &[]),
    damage(
        "UPDATE message SET size = size + 1 WHERE uid = 2",
        &["mailbox-counters", "message-size"],
        &[],
    ),
    damage(
        "UPDATE mailbox SET uid_next = 2 WHERE name = 'INBOX'",
        &["uid-next"],
        &[],
    ),
    damage(
        "UPDATE mailbox SET highest_modseq = 1 WHERE name = 'Sent'",
        &["modseq"],
        &[],
    ),
    damage("UPDATE uid_validity SET last = 5", &["uid-validity"], &[]),
    damage(
        "UPDATE meta SET value = '0 0' WHERE name = 'segments'",
        &["mark-behind"],
        &[],
    ),
    while_open(
        "UPDATE meta SET value = '5' WHERE name = 'ids'",
        &["id-mark-low"],
    ),
];

const ROWS: &[Damage] = &[
    damage(
        "UPDATE mailbox SET messages = 'many' WHERE name = 'Sent'",
        &["table"],
        &["table"],
    ),
    damage(
        "INSERT INTO expunged VALUES (77, 1, 1, 1)",
        &["expunged-orphans"],
        &[],
    ),
    damage(
        "INSERT INTO subscription VALUES (999, 'x')",
        &["account-orphans"],
        &[],
    ),
    damage(
        "INSERT INTO thread_reference VALUES (999, 5, 5)",
        &["account-orphans"],
        &[],
    ),
    damage(
        "INSERT INTO event_named VALUES (5, 'x@example.jp')",
        &["address-orphans"],
        &[],
    ),
    damage(
        "INSERT INTO body_owner VALUES (4242, 1, 1, X'00')",
        &["body-without-place"],
        &[],
    ),
    damage(
        "DELETE FROM queue_message",
        &["recipient-orphans", "reference-unnamed"],
        &["reference-unnamed"],
    ),
    damage(
        "DELETE FROM queue_recipient",
        &["queue-empty"],
        &["queue-empty"],
    ),
    damage(
        "UPDATE queue_recipient SET address = '@@' WHERE number = 1",
        &["queue-unreadable"],
        &["queue-unreadable"],
    ),
    damage(
        "UPDATE event SET at = at - 60000000000 WHERE id = (SELECT max(id) FROM event)",
        &["event-time"],
        &["event-time"],
    ),
    damage(
        "UPDATE event SET detail = '{' WHERE id = (SELECT max(id) FROM event)",
        &["event-unreadable"],
        &["event-unreadable"],
    ),
    while_open(
        "INSERT INTO body_free SELECT segment, start + 10, length FROM body ORDER BY id LIMIT 1",
        &["free-overlaps"],
    ),
];

const MAIL: &[Damage] = &[
    damage(
        "UPDATE email SET summary = X'0102' WHERE id = (SELECT min(id) FROM email)",
        &["summary-damaged"],
        &[],
    ),
    damage(
        "DELETE FROM email WHERE id = (SELECT min(id) FROM email)",
        &["message-without-email", "reference-unnamed"],
        &[],
    ),
    damage(
        "DELETE FROM message WHERE email = (SELECT min(id) FROM email)",
        &["email-unseen", "mailbox-counters"],
        &[],
    ),
    damage(
        "DELETE FROM message WHERE email = (SELECT min(id) FROM email);
         DELETE FROM email WHERE id = (SELECT min(id) FROM email);",
        &["mailbox-counters", "reference-unnamed"],
        &[],
    ),
    damage(
        "DELETE FROM mailbox WHERE name = 'Sent'",
        &["expunged-orphans", "mailbox-missing", "usage"],
        &[],
    ),
    damage(
        "DELETE FROM mailbox WHERE account = (SELECT min(account) FROM mailbox)",
        &["expunged-orphans", "mailbox-missing", "usage"],
        &[],
    ),
    damage(
        "UPDATE message SET body = (SELECT max(body) FROM email) WHERE email = (SELECT min(id) FROM email)",
        &["message-body"],
        &["message-body"],
    ),
    damage(
        "UPDATE body SET length = length + 60 WHERE id = (SELECT min(body) FROM email)",
        &["bodies-overlap", "body-damaged"],
        &["bodies-overlap", "body-damaged"],
    ),
    damage(
        "UPDATE body SET segment = 9 WHERE id = (SELECT min(body) FROM email)",
        &["body-damaged", "mark-behind"],
        &["body-damaged"],
    ),
    damage(
        "UPDATE body SET digest = X'00' WHERE id = (SELECT min(body) FROM email)",
        &["body-damaged"],
        &["body-damaged"],
    ),
    damage(
        "DELETE FROM body_owner WHERE body = (SELECT min(body) FROM email)",
        &["body-unowned", "email-unowned"],
        &["body-unowned", "email-unowned"],
    ),
    damage(
        "DELETE FROM account_key WHERE account = (SELECT max(account) FROM email)",
        &["body-damaged", "key-missing"],
        &["body-damaged", "key-missing"],
    ),
    damage(
        "UPDATE email SET account = (SELECT max(account) FROM email) WHERE id = (SELECT min(id) FROM email)",
        &["email-unowned", "message-foreign", "reference-unnamed"],
        &["email-unowned", "message-foreign"],
    ),
];

async fn story(template: &Path, case: &Damage) {
    let place = tempfile::tempdir().unwrap();
    copy(template, place.path());
    let database = place.path().join("store.db");
    let closed = |sql: &str| {
        let handle = rusqlite::Connection::open(&database).unwrap();
        handle.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        handle.execute_batch(sql).unwrap();
    };
    if !case.open {
        closed(case.sql);
    }
    let store = open(place.path());
    if case.open {
        let sql = case.sql;
        let change = store.commit(Vec::new(), move |tx| {
            tx.execute(sql, &[])?;
            done(tx, "tampered", ())
        });
        change.await.unwrap();
    }
    let before = site::count(&store, "SELECT count(*) FROM email").await;
    let findings = store.verify(|_| {}).await.unwrap();
    let found: BTreeSet<&str> = case.found.iter().copied().collect();
    assert_eq!(names(&findings), found, "{}: {findings:?}", case.sql);
    let left: BTreeSet<&str> = case.left.iter().copied().collect();
    assert_eq!(repair(&store).await, left, "{}", case.sql);
    let findings = store.verify(|_| {}).await.unwrap();
    assert_eq!(names(&findings), left, "{}: {findings:?}", case.sql);
    let told = repaired(&store).await;
    for name in found.difference(&left) {
        // What follows from another fault is right when that is.
        let follows = ["usage", "mailbox-counters", "reference-unnamed"].contains(name);
        let done = told.contains(*name);
        assert!(
            done || (follows && !told.is_empty()),
            "{}: {name} of {told:?}",
            case.sql
        );
    }
    let after = site::count(&store, "SELECT count(*) FROM email").await;
    assert!(after >= before, "{}: mail was deleted", case.sql);
    store.close().await;
    let store = open(place.path());
    let findings = store.verify(|_| {}).await.unwrap();
    assert_eq!(names(&findings), left, "{}: opened again", case.sql);
}

async fn stories(cases: &[Damage]) {
    let template = tempfile::tempdir().unwrap();
    base(template.path()).await;
    for case in cases {
        story(template.path(), case).await;
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_and_marks_are_found_and_put_right() {
    stories(COUNTERS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_lead_nowhere_are_found_and_put_right() {
    stories(ROWS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_is_not_in_order_is_found_and_never_deleted() {
    stories(MAIL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_store_at_work_has_no_findings() {
    let directory = tempfile::tempdir().unwrap();
    base(directory.path()).await;
    let store = open(directory.path());
    let owner = account(&store).await;
    let inbox = mail::change(&store, move |tx| {
        mailbox::create_initial(tx, owner, &[])?;
        Ok(mailbox::by_name(tx, owner, "INBOX")?.unwrap().id)
    });
    let inbox = inbox.await.unwrap();
    let writer = store.clone();
    let working = tokio::spawn(async move {
        for n in 0..400u32 {
            let uid = mail::append(&writer, owner, inbox, &[b'a'; 900])
                .await
                .unwrap()
                .uid;
            if n % 3 > 0 {
                let gone = mail::change(&writer, move |tx| mailbox::expunge(tx, inbox, &[uid]));
                gone.await.unwrap();
            }
        }
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    while !working.is_finished() {
        let told = Arc::clone(&seen);
        let findings = store.verify(move |progress| told.lock().unwrap().push(progress));
        assert_eq!(findings.await.unwrap(), Vec::<Finding>::new());
    }
    working.await.unwrap();
    assert_eq!(store.verify(|_| {}).await.unwrap(), Vec::<Finding>::new());
    let seen = seen.lock().unwrap();
    let bodies = seen.iter().filter(|progress| progress.what == "bodies");
    assert!(bodies.clone().count() > 1);
    assert!(bodies.clone().all(|progress| progress.total.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_bytes_are_named_with_all_that_is_known() {
    let directory = tempfile::tempdir().unwrap();
    base(directory.path()).await;
    let store = open(directory.path());
    let find = "SELECT b.segment, b.start, b.id FROM message m JOIN mailbox x ON x.id = m.mailbox JOIN body b ON b.id = m.body
                WHERE x.name = 'INBOX' AND m.uid = 4 ORDER BY m.body LIMIT 1";
    let place = store.read(move |sql| -> Result<_, Error> {
        store::sql::first(sql, find, &[], |row| {
            Ok((row.count(0)?, row.count(1)?, BodyId(row.int(2)?)))
        })
    });
    let (segment, start, body) = place.await.unwrap().unwrap();
    let path = directory.path().join(format!("segments/{segment:08}.seg"));
    let mut file = fs::OpenOptions::new();
    let file = file.read(true).write(true).open(path).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, start + 60).unwrap();
    file.write_all_at(&[!octet[0]], start + 60).unwrap();
    let findings = store.verify(|_| {}).await.unwrap();
    assert_eq!(names(&findings), BTreeSet::from(["body-damaged"]));
    let told = findings[0].to_string();
    for words in [
        &body.to_string(),
        "tanaka@example.jp",
        "INBOX, UID 4",
        "Sent, UID 2",
        "command.given test",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let ended = store.repair(&findings[0], Actor::System).await.unwrap();
    assert!(matches!(ended, Repaired::Left(why) if why.contains("backup")));
    assert_eq!(store.verify(|_| {}).await.unwrap(), findings, "left alone");
    file.write_all_at(b"?", 0).unwrap();
    let findings = store.verify(|_| {}).await.unwrap();
    assert_eq!(
        names(&findings),
        BTreeSet::from(["body-damaged", "segment"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_misses_rows_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    base(directory.path()).await;
    let database = directory.path().join("store.db");
    let handle = rusqlite::Connection::open(&database).unwrap();
    let find = "SELECT rootpage FROM sqlite_schema WHERE name = 'email_by_account'";
    let root: u32 = handle.query_row(find, [], |row| row.get(0)).unwrap();
    let root = u64::from(root);
    drop(handle);
    // The last byte of the page: the end of an entry of the index.
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&database)
        .unwrap();
    let mut last = [0];
    file.read_exact_at(&mut last, root * 4096 - 1).unwrap();
    file.write_all_at(&[!last[0]], root * 4096 - 1).unwrap();
    let store = open(directory.path());
    let findings = store.verify(|_| {}).await.unwrap();
    assert!(names(&findings).contains("table"), "{findings:?}");
    repair(&store).await;
    let findings = store.verify(|_| {}).await.unwrap();
    assert!(!names(&findings).contains("table"), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_account_leaves_a_sound_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let ((one, first), (two, second)) = (mail::owner(&store).await, mail::owner(&store).await);
    for n in 0..20 {
        mail::append(&store, one, first, format!("one {n}").as_bytes())
            .await
            .unwrap();
        mail::append(&store, two, second, format!("two {n}").as_bytes())
            .await
            .unwrap();
    }
    let removed = mail::change(&store, move |tx| {
        mailbox::remove_account(tx, one)?;
        tx.destroy_key(one)
    });
    removed.await.unwrap();
    assert_eq!(messages(&store).await, 20);
    assert_eq!(store.verify(|_| {}).await.unwrap(), Vec::<Finding>::new());
    drop(store);
    let store = open(directory.path());
    assert_eq!(store.verify(|_| {}).await.unwrap(), Vec::<Finding>::new());
}
