//! Writes a small store in the format of this build, packed, with a manifest of all that is in it.
//!
//! Whoever makes a new format runs it once, with the last build of the format before:
//!
//! ```text
//! cargo run --locked -p store --example write_format -- crates/store/tests/formats
//! ```
//!
//! and commits what it writes. `tests/contract_formats.rs` opens every format there is. Each file is packed with zstd
//! and keeps its name with `.zst` behind it; `manifest.json` lists every row of every table, and every body with its
//! owner, size and digest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool for developers: it may stop where it stands"
)]

use std::{fs, path::Path};

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};
use store::{
    AccountId, BodyId, Error, MailboxId, Options, QueueId, Receipt, Recorded, Store, Tx,
    mailbox::{self, FlagChange, FlagMode, Flags, NewMessage, SpecialUse},
    params,
    quarantine::{self, For, NewHeld, Place},
    queue::{self, NewQueued, NewRecipient, Notify},
    tree::{NewCustody, Seal},
};
use trail::{Actor, Event, Kind};
use world::World;

/// Segments this small make several of them, with dead ends.
const SEGMENT: u64 = 16 << 10;

#[tokio::main]
async fn main() {
    let target = std::env::args_os()
        .nth(1)
        .expect("the directory of formats");
    let place = tempfile::tempdir().unwrap();
    let directory = place.path();
    let options = Options {
        segment_size: SEGMENT,
        reserve_bytes: 0,
        ..Options::default()
    };
    let store = Store::open(directory, &options, World::system()).unwrap();
    fill(&store).await;
    let bodies = bodies(&store).await;
    settle(&store).await;
    trail(&store).await;
    store.close().await;
    let tables = tables(&directory.join("store.db"));
    let format = format_of(&tables);
    let target = Path::new(&target).join(&format);
    fs::create_dir_all(&target).unwrap();
    pack(directory, &target);
    let manifest = json!({ "format": format, "bodies": bodies, "tables": tables });
    let text = serde_json::to_string(&manifest).unwrap();
    fs::write(
        target.join("manifest.json"),
        text.replace("],[", "],\n[") + "\n",
    )
    .unwrap();
    println!("format {format} is in {}", target.display());
}

/// Accounts with mail, a queue, an account that was deleted, and bodies that died.
async fn fill(store: &Store) {
    let one = account(store, "tanaka").await;
    let two = account(store, "suzuki").await;
    let gone = account(store, "sato").await;
    for n in 0..24 {
        let text = letter(n, 300 + 40 * n);
        append(store, one, "INBOX", &text).await;
        if n % 3 == 0 {
            append(store, two, "INBOX", &text).await;
        }
    }
    append(store, gone, "INBOX", &letter(90, 500)).await;
    shared(store, &[one, two], &letter(91, 900)).await;
    work(store, one).await;
    for n in 0..4 {
        enqueue(store, n).await;
    }
    work_queue(store).await;
    set_apart(store, &[one, gone]).await;
    change(store, move |tx| {
        mailbox::remove_account(tx, gone)?;
        tx.destroy_key(gone)
    })
    .await;
    directory_rows(store, one).await;
    // Last, so that the last segment and one before it end in dead room.
    let mut dying = Vec::new();
    for n in 0..3 {
        dying.push(append(store, two, "INBOX", &noise(9000 + n)).await);
    }
    large_event(store).await;
    change(store, move |tx| {
        let inbox = inbox(tx, two)?;
        mailbox::expunge(tx, inbox, &dying).map(drop)
    })
    .await;
}

/// A volume with its entry of custody, and a checkpoint behind it.
async fn trail(store: &Store) {
    let how = Seal {
        before: None,
        retain_years: 10,
        by: Actor::System.into(),
    };
    store.seal_volume(how).await.unwrap().unwrap();
    let entry = NewCustody {
        medium: "DVD-R 0001".to_owned(),
        place: "safe A".to_owned(),
        key_holder: "suzuki".to_owned(),
        remark: String::new(),
    };
    store.note_custody(1, entry, "tanaka").await.unwrap();
    store.checkpoint().await.unwrap().unwrap();
}

async fn change<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
) -> T {
    let done = store.commit(Vec::new(), move |tx| {
        let value = work(tx)?;
        record(tx, value)
    });
    done.await.unwrap().value
}

fn record<T>(tx: &mut Tx<'_>, value: T) -> Result<Recorded<T>, Error> {
    let event = Event::new(Kind::TransactionAccepted, Actor::Peer)
        .subject("tanaka@example.jp")
        .address("192.0.2.7".parse::<std::net::IpAddr>().ok())
        .detail("recipients", vec!["tanaka@example.jp", "会議@example.jp"]);
    tx.record(&event, value)
}

/// An event whose details are too long to be kept whole.
async fn large_event(store: &Store) {
    let recipients: Vec<String> = (0..1000).map(|n| format!("kumi{n}@example.jp")).collect();
    let event = Event::new(Kind::TransactionAccepted, Actor::Peer).detail("recipients", recipients);
    let done = store.commit(Vec::new(), move |tx| tx.record(&event, ()));
    let _: Receipt<()> = done.await.map_err(|error: Error| error).unwrap();
}

fn inbox(tx: &mut Tx<'_>, owner: AccountId) -> Result<MailboxId, Error> {
    let found = mailbox::by_name(tx, owner, "INBOX")?;
    found
        .map(|inbox| inbox.id)
        .ok_or_else(|| Error::NotFound("INBOX".to_owned()))
}

async fn account(store: &Store, name: &'static str) -> AccountId {
    change(store, move |tx| {
        let account = AccountId(tx.next_id());
        tx.create_key(account)?;
        let names = [("Sent", SpecialUse::Sent), ("Trash", SpecialUse::Trash)];
        mailbox::create_initial(tx, account, &names)?;
        mailbox::create(tx, account, &format!("{name}/案件"), None)?;
        mailbox::set_quota(tx, account, Some(50 << 20))?;
        Ok(account)
    })
    .await
}

fn letter(number: usize, length: usize) -> Vec<u8> {
    let mut text = format!(
        "From: <sender@example.com>\r\nTo: <tanaka@example.jp>\r\nSubject: =?UTF-8?B?5Lya6K2w?= {number}\r\n\
         Message-ID: <{number}@example.com>\r\nReferences: <{}@example.com>\r\n\r\n",
        number / 4
    )
    .into_bytes();
    text.extend(noise(length));
    text.extend(b"\r\n");
    text
}

/// Letters that compress badly, so that segments fill up.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    World::system().fill(&mut bytes);
    bytes.iter().map(|byte| b'0' + byte % 64).collect()
}

fn new_message(body: BodyId, size: u64, raw: &[u8]) -> NewMessage {
    let summary = message::Summary::of(raw, &message::Limits::default());
    NewMessage {
        body,
        size,
        flags: Flags::default(),
        keywords: vec!["$Label1".to_owned()],
        internal_date: Timestamp::from_second(1_700_000_000).unwrap(),
        references: summary
            .message_id()
            .into_iter()
            .chain(summary.references.iter().cloned())
            .collect(),
        summary: summary.encode(),
    }
}

async fn append(store: &Store, owner: AccountId, name: &'static str, raw: &[u8]) -> u32 {
    let body = store.seal(raw, &[owner]).unwrap();
    let new = new_message(body.id, body.size, raw);
    let done = store.commit(vec![body], move |tx| {
        let found = mailbox::by_name(tx, owner, name)?;
        let found = found.ok_or_else(|| Error::NotFound(name.to_owned()))?;
        let appended = mailbox::append(tx, found.id, &new, true)?;
        record(tx, appended.uid)
    });
    done.await.unwrap().value
}

/// One body for several accounts.
async fn shared(store: &Store, owners: &[AccountId], raw: &[u8]) {
    let body = store.seal(raw, owners).unwrap();
    let new = new_message(body.id, body.size, raw);
    let owners = owners.to_vec();
    let done = store.commit(vec![body], move |tx| {
        for owner in owners {
            let inbox = inbox(tx, owner)?;
            mailbox::append(tx, inbox, &new, true)?;
        }
        record(tx, ())
    });
    done.await.unwrap();
}

/// Flags, copies, moves, expunged messages, a mailbox renamed, one deleted.
async fn work(store: &Store, owner: AccountId) {
    change(store, move |tx| {
        let from = inbox(tx, owner)?;
        let sent = mailbox::by_name(tx, owner, "Sent")?.map(|sent| sent.id);
        let sent = sent.ok_or_else(|| Error::NotFound("Sent".to_owned()))?;
        let seen = FlagChange {
            mode: FlagMode::Add,
            flags: Flags::SEEN.with(Flags::FLAGGED),
            keywords: vec!["$Forwarded".to_owned()],
        };
        mailbox::change_flags(tx, from, &[1, 2, 3, 5, 8], &seen, None)?;
        mailbox::copy(tx, from, &[2, 3, 4], sent)?;
        mailbox::move_to(tx, from, &[6, 7], sent)?;
        mailbox::expunge(tx, from, &[9, 10, 11, 15])?;
        mailbox::create(tx, owner, "Old/Deep", None)?;
        mailbox::rename(tx, owner, "Old", "Archive")?;
        mailbox::delete(tx, owner, "Archive/Deep")?;
        mailbox::subscribe(tx, owner, "Archive", true)
    })
    .await;
}

async fn enqueue(store: &Store, number: usize) {
    let raw = letter(60 + number, 700);
    let body = store.seal(&raw, &[AccountId::QUEUE]).unwrap();
    let to = |name: &str| NewRecipient {
        address: name.parse().unwrap(),
        notify: Notify::default(),
        original: Some(format!("rfc822;{name}")),
        destination: "example.net".to_owned(),
    };
    let new = NewQueued {
        id: QueueId(store.next_id()),
        body: body.id,
        size: body.size,
        sender: (number > 0).then(|| "tanaka@example.jp".parse().unwrap()),
        identifier: Some("tanaka".to_owned()),
        envelope_id: Some("env-1".to_owned()),
        return_full: Some(true),
        smtputf8: false,
        require_tls: number == 2,
        body_type: 1,
        message_id: format!("{number}@example.com"),
        recipients: vec![to("a@example.net"), to("b@example.net")],
    };
    let done = store.commit(vec![body], move |tx| {
        queue::enqueue(tx, &new)?;
        record(tx, ())
    });
    done.await.unwrap();
}

/// Mail in the quarantine: for two accounts, of which one will be deleted, and for a mailbox elsewhere.
async fn set_apart(store: &Store, owners: &[AccountId]) {
    let raw = letter(70, 800);
    let to = |address: &str, place| For {
        address: address.parse().unwrap(),
        place,
    };
    let mut recipients = vec![to(
        "away@example.jp",
        Place::Away("mailbox.example.jp:25".to_owned()),
    )];
    let here = owners.iter().enumerate();
    recipients
        .extend(here.map(|(n, owner)| to(&format!("kumi{n}@example.jp"), Place::Here(*owner))));
    let all: Vec<AccountId> = recipients.iter().map(|to| to.place.owner()).collect();
    let body = store.seal(&raw, &all).unwrap();
    let held = NewHeld {
        id: QueueId(store.next_id()),
        body: body.id,
        size: body.size,
        sender: Some("stranger@example.net".parse().unwrap()),
        smtputf8: false,
        require_tls: false,
        body_type: 1,
        message_id: "70@example.com".to_owned(),
        cause: "dmarc-quarantine".to_owned(),
        criterion: String::new(),
        strict: true,
        until: Timestamp::from_second(4_000_000_000).unwrap(),
        recipients,
    };
    let done = store.commit(vec![body], move |tx| {
        quarantine::keep(tx, &held)?;
        quarantine::note_told(tx, held.id, 1)?;
        record(tx, ())
    });
    done.await.unwrap();
}

async fn work_queue(store: &Store) {
    change(store, |tx| {
        let all = queue::select(tx, &queue::Selection::default(), 100)?;
        for (number, queued) in all.iter().enumerate() {
            let id = queued.message.id;
            match number {
                0 => queue::defer(tx, id, 0, tx.now(), "451 4.7.1 come back later")?,
                1 => drop(queue::finish(tx, id, 1)?),
                2 => {
                    let held = queue::Selection {
                        ids: vec![id],
                        ..queue::Selection::default()
                    };
                    queue::set_state(tx, &held, queue::State::Held)?;
                }
                _ => {
                    queue::finish(tx, id, 0)?;
                    queue::finish(tx, id, 1)?;
                }
            }
        }
        Ok(())
    })
    .await;
}

/// What the room `directory` keeps, as far as it takes to see that the rows come through.
async fn directory_rows(store: &Store, account: AccountId) {
    change(store, move |tx| {
        let now = tx.now();
        tx.execute(
            "INSERT INTO person (id, name, full_name, state, added_at) VALUES (7, 'tanaka', '田中 花子', 'active', ?1)",
            params![now],
        )?;
        tx.execute("INSERT INTO person_role (person, role, granted_at) VALUES (7, 'administrator', ?1)", params![now])?;
        tx.execute("INSERT INTO person_user (os_user, person) VALUES ('tanaka', 7)", &[])?;
        tx.execute(
            "INSERT INTO orders (number, kind, for_person, details, issued_by, issued_at, approved_by, approved_at, \
             state) VALUES (1, 'issue', 7, '{}', 7, ?1, 7, ?1, 'used')",
            params![now],
        )?;
        tx.execute(
            "INSERT INTO account (id, identifier, main_address, person, order_number, state, msa, mra, \
             must_change_password, renewed, generation, issued_at) \
             VALUES (?1, 'tanaka@example.jp', 'tanaka@example.jp', 7, 1, 'active', 1, 1, 0, 1, 3, ?2)",
            params![account, now],
        )?;
        tx.execute(
            "INSERT INTO address (local, domain, account, kind, added_at) VALUES ('tanaka', 'example.jp', ?1, 'main', ?2)",
            params![account, now],
        )?;
        tx.execute(
            "INSERT INTO credential (account, scheme, secret, changed_at) VALUES (?1, 'ARGON2ID', '$argon2id$x', ?2)",
            params![account, now],
        )?;
        life_rows(tx, account)
    })
    .await;
}

/// One row in each of the tables of an account's life.
fn life_rows(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, Error> {
    let now = tx.now();
    for statement in [
        "INSERT INTO acknowledgement (person, at, way, noted_by) VALUES (7, ?2, 'paper', 7)",
        "INSERT INTO departure (person, leaves_at, noted_by, noted_at) VALUES (7, ?2, 7, ?2)",
        "INSERT INTO letter (number, account, digest, made_by, made_at, handed_by, handed_at, receipt) \
         VALUES (1, ?1, 'abc', 7, ?2, 7, ?2, '手渡し')",
        "INSERT INTO account_use (account, used_at) VALUES (?1, ?2)",
        "INSERT INTO register_erasure (account, reason, asked_by, asked_at) VALUES (?1, 'old', 7, ?2)",
        "INSERT INTO legal_hold (account, reason, placed_by, placed_at) VALUES (?1, 'court', 7, ?2)",
        "INSERT INTO incident (number, kind, account, address, reason, facts, since, opened_by, opened_at) \
         VALUES (1, 'credential', ?1, NULL, 'reported', '{}', ?2, 7, ?2)",
        "INSERT INTO incident (number, kind, account, address, reason, facts, since, opened_by, opened_at) \
         VALUES (2, 'malware-inside', NULL, '192.0.2.9', 'found', '{\"malware\":\"Eicar\"}', ?2, NULL, ?2)",
        "INSERT INTO incident (number, kind, account, address, reason, facts, since, opened_by, opened_at) \
         VALUES (3, 'submission-surge', ?1, NULL, 'many', '{\"messages\":900}', ?2, NULL, ?2)",
        "INSERT INTO submitted (account, hour, messages, recipients, apart, usual_messages, usual_recipients, told) \
         VALUES (?1, ?2 / 3600000000, 900, 1800, 1, 20, 40, 1)",
        "INSERT INTO submission_hold (account, incident, excused_until) VALUES (?1, 3, nullif(?2, ?2))",
        "INSERT INTO outbreak_rule (number, marks, handling, reason, begun_by, begun_at, ends_at, told) \
         VALUES (1, '{\"name\":\"*.iso\"}', 'refuse', '注意', 'tanaka', ?2, ?2 + 86400000000, 0)",
        "INSERT INTO abuse_report (message, at, source, reverse_name, domain, sender, malware, header, state) \
         VALUES (7, ?2, '192.0.2.9', 'mx.bad.example', '', 'x@bad.example', 'Eicar', 'Subject: a', 'open')",
        "INSERT INTO outbreak_search (rule, searched_by, searched_at, since, looked, unreadable) VALUES (1, 'tanaka', ?2, ?2, 7, 0)",
        "INSERT INTO outbreak_found (rule, email, account, body, what, state, held) VALUES (1, ?2, ?1, 1, 'a.iso', 'found', NULL)",
        "INSERT INTO blocked_address (network, reason, incident, placed_by, placed_at, ends_at) \
         VALUES ('192.0.2.9/32', 'found', 2, NULL, ?2, ?2 + 86400000000)",
        "INSERT INTO app_password (number, account, name, msa, mra, digest, scram_iterations, scram_salt, scram_stored, \
         scram_server, made_by, made_at, used_at, used_from) \
         VALUES (1, ?1, 'スマートフォン', 1, 1, 'abc', 4096, 'AAAA', 'AAAA', 'AAAA', 7, ?2, ?2, '192.0.2.7')",
        "INSERT INTO second_factor (number, account, kind, name, secret, counter, added_at) \
         VALUES (1, ?1, 'totp', 'phone', 'AAAA', 7, ?2)",
        "INSERT INTO forward (account, target, order_number, added_by, added_at) \
         VALUES (?1, 'elsewhere@example.com', 1, 7, ?2)",
        "INSERT INTO shared_identifier (account, order_number, review_at) VALUES (?1, 1, ?2)",
        "INSERT INTO shared_user (account, person, added_at) VALUES (?1, 7, ?2)",
        "INSERT INTO reading (account, person, order_number, purpose, until, opened_by, opened_at) \
         VALUES (?1, 7, 1, '監査', ?2, 7, ?2)",
        "INSERT INTO retired_address (local, domain, account, retired_at, added_at) VALUES ('old', 'example.jp', ?1, ?2, ?2)",
        "INSERT INTO dkim_key (number, domain, selector, algorithm, secret, public, made_at, signs_from) \
         VALUES (?1, 'example.jp', 'k1', 'ed25519', 'AAAA', 'AAAA', ?2, ?2)",
        "INSERT INTO acquaintance (kind, name, first_at, last_at, good, bad) VALUES (2, 'example.com', ?2, ?2, 5000, ?1)",
        "INSERT INTO lesson (number, account, body, junk) VALUES (?2, ?1, 1, 1)",
        "INSERT INTO learned (account, body, junk, at) VALUES (?1, 2, 0, ?2)",
        "INSERT INTO word (account, token, good, junk) VALUES (?1, -77, 1, ?2)",
        "INSERT INTO word_lessons (account, good, junk) VALUES (?1, 1, ?2)",
        "INSERT INTO screening_policy (digest, since, settings) VALUES ('2-abc', ?2, '[screening] # ' || ?1)",
        "INSERT INTO sts_policy (domain, id, mode, mx, max_age, fetched_at, expires_at) \
         VALUES ('example.com', '20260101', 'enforce', 'mx.example.com', ?1, ?2, ?2)",
        "INSERT INTO tls_session (day, domain, digest, kind, strings, hosts, failure, mx, peer, source, reason, sessions) \
         VALUES (?2, 'example.com', '00ff', 'sts', 'version: STSv1', 'mx.example.com', 'certificate-expired', 'mx.example.com', \
         '192.0.2.1', '', 'x', ?1)",
        "INSERT INTO tls_report_mail (body) SELECT body FROM queue_message WHERE ?1 <> ?2 LIMIT 1",
        "INSERT INTO tls_report_seen (digest, at) VALUES ('00ff' || ?1, ?2)",
        "INSERT INTO traffic_span (hour, hours, closed, content) VALUES (?2 / 3600000000, ?1 - ?1 + 1, 1, '{\"minutes\":60}')",
        "INSERT INTO traffic_mark (one, event, state, since) VALUES (1, ?1 - ?1, 'normal', ?2)",
        "INSERT INTO arrival (person, noted_by, noted_at) SELECT 7, 7, ?2 WHERE ?1 <> ?2",
        "INSERT INTO address_writer (local, domain, account) SELECT 'kumi', 'example.jp', ?1 WHERE ?1 <> ?2",
        "INSERT INTO off_roster (person, since) SELECT 7, ?2 WHERE ?1 <> ?2",
        "INSERT INTO person_language (person, language) VALUES (7, CASE WHEN ?1 < ?2 THEN 'ja' ELSE 'en' END)",
        "INSERT INTO plaintext_login (account, used_at, used_from, used_with, warned_at, told_at) VALUES (?1, ?2, '192.0.2.1', 'imap', ?2, NULL)",
        "INSERT INTO capacity (period, measured_at, mailboxes, octets, messages, disk_free, disk_size) VALUES ('2026-11', ?2, 1, ?1, 1, NULL, NULL)",
        "INSERT INTO capacity_mailbox (period, account, octets, messages, quota) VALUES ('2026-11', ?1, ?2 - ?2 + 4096, 1, NULL)",
        "INSERT INTO expert (number, name, contact, from_day, until_day, renew_by, added_by, added_at) \
         VALUES (1, '専門家 ' || ?1, '03-0000-0000', '2026-04-01', '2027-03-31', '2027-01-31', 7, ?2)",
        "INSERT INTO expert_drill (number, expert, on_day, reached, result, noted_by, noted_at) VALUES (1, 1, '2026-06-01', 1, 'x' || ?1, 7, ?2)",
        "INSERT INTO acme_account (directory, secret, made_at) VALUES ('https://authority.example/directory', 'AAAA', ?2)",
        "INSERT INTO standing (name, state, reason_ja, reason_en, facts, since, told_at) \
         VALUES ('trail-review', 'met', '済', 'done', '{}', ?2, ?2 + ?1 - ?1)",
        "INSERT INTO occasion (item, period, due_at, run_at, missed) VALUES ('look', '2026-11-28', ?2, ?2, ?1 - ?1)",
        "INSERT INTO software (number, kind, name, version, item, first_seen, gone_at) \
         VALUES (1, 'scanner', 'clamd', '1.0.' || ?1, '{}', ?2, NULL)",
        "INSERT INTO software_look (kind, looked_at, seen_at, failed) VALUES ('scanner', ?2, ?2, 'x' || ?1)",
        "INSERT INTO vuln_feed (name, format, tried_at, failed, good_at, digest, published, records, skipped, touched) \
         VALUES ('debian', 'osv', ?2, '', ?2, '00ff', '', ?1, 0, 1)",
        "INSERT INTO vuln_exploited (cve, added, name, ransomware) VALUES ('CVE-2024-0001', '2024-01-01', 'x' || ?1 || ?2, 0)",
        "INSERT INTO vuln_case (number, id, opened_at, told_at, closed_at, score, percentile) \
         VALUES (1, 'CVE-2024-0001', ?2, NULL, NULL, ?1, NULL)",
        "INSERT INTO vuln_advisory (source, id, case_number, seen_at, facts) VALUES ('osv', 'X-' || ?1, 1, ?2, '{}')",
        "INSERT INTO vuln_step (number, case_number, step, at, person, facts) VALUES (1, 1, 'reported', ?2, NULL, '{\"x\":' || ?1 || '}')",
        "INSERT INTO incident_step (incident, step, done_by, done_at, note) VALUES (1, 'reported', NULL, ?2, 'x')",
        "INSERT INTO runbook (number, kind, digest, source, since, text) VALUES (?1 - ?1 + 1, 'credential', \
         '38d42483db7ff41a50e97c0c078aeb2928c020a94e9a952511a0d91c9fda012e', 'site', ?2, 'kind = \"other\"')",
        "INSERT INTO incident_runbook (incident, runbook) SELECT 1, 1 WHERE ?1 <> ?2",
        "INSERT INTO incident_lever (incident, number, lever, target, lasts, used_by, used_at) \
         VALUES (1, 1, 'hold', 'domain:' || ?1, 1, 7, ?2)",
        "INSERT INTO incident_reminder (incident, told_at) SELECT 1, ?2 WHERE ?1 <> ?2",
    ] {
        tx.execute(statement, params![account, now])?;
    }
    let writers = "INSERT INTO address_writers (local, domain, writers) VALUES ('kumi', 'example.jp', 'members')";
    tx.execute(writers, &[])
}

/// Every body with each of its owners.
async fn bodies(store: &Store) -> Vec<Value> {
    let owners = store
        .read(|sql| {
            let list = "SELECT account, body FROM body_owner ORDER BY body, account";
            store::sql::rows(sql, list, &[], |row| {
                Ok((AccountId(row.int(0)?), BodyId(row.int(1)?)))
            })
        })
        .await;
    let owners: Result<Vec<_>, Error> = owners;
    let mut bodies = Vec::new();
    for (owner, body) in owners.unwrap() {
        let raw = store.body(owner, body).await.unwrap();
        let digest = blake3::hash(&raw).to_hex().to_string();
        bodies.push(json!([owner.0, body.0, raw.len(), digest]));
    }
    bodies
}

/// Waits until what died is given back, so that the fixture ends in the state that a quiet store is in.
async fn settle(store: &Store) {
    let left = |store: Store| async move {
        let count = store.read(|sql| {
            store::sql::first(sql, "SELECT count(*) FROM body_free", &[], |row| row.int(0))
        });
        let count: Result<Option<i64>, Error> = count.await;
        count.unwrap()
    };
    while left(store.clone()).await != Some(0) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Every row of every table: for each table its columns, then its rows. Bytes are hexadecimal behind `x:`.
fn tables(database: &Path) -> Map<String, Value> {
    let handle = rusqlite::Connection::open(database).unwrap();
    let mut names = handle
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name")
        .unwrap();
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    names
        .into_iter()
        .map(|name| {
            let rows = rows(&handle, &name);
            (name, rows)
        })
        .collect()
}

fn rows(handle: &rusqlite::Connection, table: &str) -> Value {
    let all = format!("SELECT * FROM {table}");
    let order = match handle.prepare(&all).unwrap().column_count() {
        1 => "1",
        _ => "1, 2",
    };
    let mut statement = handle.prepare(&format!("{all} ORDER BY {order}")).unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query([]).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = found.next().unwrap() {
        let cells = (0..columns.len()).map(|at| match row.get_ref(at).unwrap() {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::from(number),
            ValueRef::Text(text) => Value::from(std::str::from_utf8(text).unwrap()),
            ValueRef::Blob(bytes) => {
                let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Value::from(format!("x:{}", digits.concat()))
            }
            ValueRef::Real(_) => panic!("a fraction in {table}"),
        });
        rows.push(Value::Array(cells.collect()));
    }
    json!({ "columns": columns, "rows": rows })
}

fn format_of(tables: &Map<String, Value>) -> String {
    let rows = tables["meta"]["rows"].as_array().unwrap();
    let format = rows.iter().find(|row| row[0] == "format").unwrap();
    format[1].as_str().unwrap().to_owned()
}

/// Packs every file but the lock.
fn pack(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(to.join(&name)).unwrap();
            pack(&entry.path(), &to.join(&name));
        } else if name != "store.lock" {
            let packed = zstd::encode_all(fs::File::open(entry.path()).unwrap(), 19).unwrap();
            fs::write(to.join(format!("{name}.zst")), packed).unwrap();
        }
    }
}
