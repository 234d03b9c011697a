//! What the search index promises: no message that holds the needle is left out.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod mail;
mod site;

use std::{collections::BTreeSet, io::Read as _, path::Path};

use mail::{append, change, owner, read};
use proptest::prelude::*;
use site::{eventually, open};
use store::{
    AccountId, EmailId, Error, Store,
    index::{Candidates, Field, Found, Index},
    mailbox,
};

fn files(directory: &Path) -> Vec<String> {
    let listed = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = listed
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn found(index: &Index, account: AccountId, needle: &str, field: Field) -> Found {
    match index.candidates(account, needle, field).await.unwrap() {
        Candidates::These(found) => found,
        Candidates::All => panic!("{needle:?} was not narrowed"),
    }
}

async fn expunge_all(store: &Store, account: AccountId) {
    change(store, move |tx| {
        let inbox = mailbox::by_name(tx, account, "INBOX")?.unwrap().id;
        let uids: Vec<u32> = mailbox::entries(tx, inbox, 1, u32::MAX)?
            .iter()
            .map(|entry| entry.uid)
            .collect();
        mailbox::expunge(tx, inbox, &uids)
    })
    .await
    .unwrap();
}

const MAILS: [&[u8]; 4] = [
    // 会議 in ISO-2022-JP, in the subject and in the body.
    b"Subject: =?ISO-2022-JP?B?GyRCMnE1RBsoQg==?=\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B2q5D\x1b(B 2026\r\n",
    "Subject: lunch\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n議会 and Überraschung, 第3会議室\r\n".as_bytes(),
    b"Subject: Quarterly report\r\nFrom: Hanako <hanako@example.jp>\r\n\r\nnothing to see\r\n",
    b"Subject: broken\r\nContent-Type: multipart/mixed\r\n\r\n\xff\xfe\x00",
];

#[tokio::test(flavor = "multi_thread")]
async fn japanese_and_latin_text_is_found_where_it_stands() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let (account, inbox) = owner(&store).await;
    let (stranger, strangers) = owner(&store).await;
    let mut emails = Vec::new();
    for raw in MAILS {
        emails.push(append(&store, account, inbox, raw).await.unwrap().email);
    }
    append(&store, stranger, strangers, MAILS[0]).await.unwrap();
    let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
    index.catch_up(account).await.unwrap();
    let cases: [(&str, Field, &[usize]); 14] = [
        ("会議", Field::Text, &[0, 1]),
        ("会議", Field::Headers, &[0]),
        ("会議", Field::Body, &[0, 1]),
        ("会議室", Field::Text, &[1]),
        ("会", Field::Headers, &[0]),
        ("議会", Field::Text, &[1]),
        ("第３会", Field::Text, &[1]),
        ("RASCH", Field::Text, &[1]),
        ("überra", Field::Body, &[1]),
        ("ly", Field::Headers, &[2]),
        ("quarterly re", Field::Headers, &[2]),
        ("hanako@exam", Field::Headers, &[2]),
        ("hanako@exam", Field::Body, &[]),
        ("202", Field::Body, &[0]),
    ];
    for (needle, field, expected) in cases {
        let found = found(&index, account, needle, field).await;
        let expected: Vec<EmailId> = expected.iter().map(|at| emails[*at]).collect();
        assert_eq!(found.emails, expected, "{needle:?} in {field:?}");
        let held = index.hold(account, &emails, needle, field).await.unwrap();
        let held: Vec<EmailId> = emails
            .iter()
            .zip(held)
            .filter(|(_, held)| held.unwrap())
            .map(|(email, _)| *email)
            .collect();
        assert_eq!(held, expected, "{needle:?} in {field:?}");
        assert_eq!(found.covered_up_to, emails[3]);
    }
    for needle in ["", "...", "a", "\"'*:()"] {
        let narrowed = index
            .candidates(account, needle, Field::Text)
            .await
            .unwrap();
        assert_eq!(narrowed, Candidates::All, "{needle:?}");
    }
    let both = found(&index, account, "会議", Field::Text).await;
    let uids = read(&store, move |sql| {
        mailbox::places_of_emails(sql, inbox, &both.emails)
    });
    let uids = async {
        uids.await
            .into_iter()
            .map(|(uid, _)| uid)
            .collect::<Vec<u32>>()
    };
    assert_eq!(uids.await, [1, 2]);
    index.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_follows_and_says_how_far_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let (account, inbox) = owner(&store).await;
    let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
    for n in 0..100 {
        let raw = format!("Subject: number{n:03}\r\n\r\nbody\r\n");
        let email = append(&store, account, inbox, raw.as_bytes())
            .await
            .unwrap()
            .email;
        let found = found(&index, account, &format!("umber{n:03}"), Field::Headers).await;
        assert!(found.emails == [email] || found.covered_up_to < email);
        let uids = read(&store, move |sql| {
            mailbox::places_to_verify(sql, inbox, &found)
        })
        .await;
        assert!(uids.contains(&(n + 1, email)));
    }
    eventually("all mail is indexed", async || {
        found(&index, account, "body", Field::Body)
            .await
            .emails
            .len()
            == 100
    })
    .await;
    index.close().await;

    // What came while nobody followed is indexed at the next start.
    let late = append(&store, account, inbox, b"Subject: latecomer\r\n\r\n")
        .await
        .unwrap()
        .email;
    let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
    eventually("the late message is indexed", async || {
        found(&index, account, "latecomer", Field::Text)
            .await
            .emails
            == [late]
    })
    .await;
    index.close().await;

    // Damage inside the file shows when it is asked, and the follower makes it anew.
    let file = directory.path().join("index").join(format!("{account}.db"));
    let mut pages = std::fs::read(&file).unwrap();
    pages[8192..].fill(0x5a);
    std::fs::write(&file, pages).unwrap();
    let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
    eventually("the damaged index is made anew", async || {
        found(&index, account, "latecomer", Field::Text)
            .await
            .emails
            == [late]
    })
    .await;
    index.close().await;

    // A file of another format is made anew.
    let older = rusqlite::Connection::open(&file).unwrap();
    older.execute("UPDATE meta SET format = 1", []).unwrap();
    drop(older);
    let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
    index.catch_up(account).await.unwrap();
    let again = found(&index, account, "latecomer", Field::Text).await;
    assert_eq!(again.emails, [late]);
    index.close().await;

    // A process that died before it made the tables left an empty file.
    std::fs::write(&file, b"").unwrap();
    let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
    index.catch_up(account).await.unwrap();
    assert_eq!(
        found(&index, account, "latecomer", Field::Text)
            .await
            .emails,
        [late]
    );
    index.close().await;

    // A file that is no database at all is made anew.
    std::fs::write(
        &file,
        b"this is no database at all, but it is long enough to look",
    )
    .unwrap();
    let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
    index.catch_up(account).await.unwrap();
    assert_eq!(
        found(&index, account, "latecomer", Field::Text)
            .await
            .emails,
        [late]
    );
    index.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_shrinks_when_most_mail_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let at = directory.path().join("index");
    let (account, inbox) = owner(&store).await;
    let index = Index::open(&at, store.clone()).unwrap();
    let mut emails = Vec::new();
    for number in 0..200 {
        let words: Vec<String> = (0..100).map(|at| format!("w{number}x{at}")).collect();
        let raw = format!("Subject: letter {number}\r\n\r\n{}\r\n", words.join(" "));
        let appended = append(&store, account, inbox, raw.as_bytes()).await;
        emails.push(appended.unwrap().email);
    }
    index.catch_up(account).await.unwrap();
    let size = || -> u64 {
        let sizes = files(&at)
            .into_iter()
            .map(|name| std::fs::metadata(at.join(name)));
        sizes.map(|file| file.map_or(0, |file| file.len())).sum()
    };
    let full = size();
    change(&store, move |tx| {
        let uids: Vec<u32> = (1..=180).collect();
        mailbox::expunge(tx, inbox, &uids)
    })
    .await
    .unwrap();
    eventually("a smaller file", async || size() * 3 < full).await;
    let found = found(&index, account, "w190x7", Field::Text).await;
    assert_eq!(found.emails, [emails[190]]);
    assert_eq!(index.verify(account).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_of_what_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let at = directory.path().join("index");
    let (account, inbox) = owner(&store).await;
    let (other, others) = owner(&store).await;
    append(&store, account, inbox, b"Subject: secretword\r\n\r\n")
        .await
        .unwrap();
    append(&store, other, others, b"Subject: secretword\r\n\r\n")
        .await
        .unwrap();
    let index = Index::open(&at, store.clone()).unwrap();
    index.catch_up(account).await.unwrap();
    index.catch_up(other).await.unwrap();

    // Expunged: gone with the next sweep, which a start does.
    expunge_all(&store, other).await;
    index.close().await;
    let index = Index::open(&at, store.clone()).unwrap();
    eventually("the expunged message left the index", async || {
        found(&index, other, "secretword", Field::Text)
            .await
            .emails
            .is_empty()
    })
    .await;

    // Expunged while it runs: gone soon, and an account without mail has no file.
    append(&store, other, others, b"Subject: secretword\r\n\r\n")
        .await
        .unwrap();
    index.catch_up(other).await.unwrap();
    assert!(files(&at).contains(&format!("{other}.db")));
    expunge_all(&store, other).await;
    eventually("the file of an account without mail is gone", async || {
        !files(&at)
            .iter()
            .any(|name| name.starts_with(&other.to_string()))
    })
    .await;

    // Deleted: gone at once, and nothing brings it back.
    assert!(files(&at).contains(&format!("{account}.db")));
    let mut held = std::fs::File::open(at.join(format!("{account}.db"))).unwrap();
    change(&store, move |tx| {
        mailbox::remove_account(tx, account)?;
        tx.destroy_key(account)
    })
    .await
    .unwrap();
    index.forget(account).await.unwrap();
    // What stood in the file is not left on the disk for whoever reads that.
    let mut left = Vec::new();
    held.read_to_end(&mut left).unwrap();
    assert!(!left.is_empty() && left.iter().all(|octet| *octet == 0));
    assert!(
        !files(&at)
            .iter()
            .any(|name| name.starts_with(&account.to_string()))
    );
    index.catch_up(account).await.unwrap();
    let nothing = found(&index, account, "secretword", Field::Text).await;
    assert!(nothing.emails.is_empty());
    assert!(
        !files(&at)
            .iter()
            .any(|name| name.starts_with(&account.to_string()))
    );

    // Deleted while the process was down before it could forget: the next start does it.
    index.close().await;
    change(&store, move |tx| {
        mailbox::remove_account(tx, other)?;
        tx.destroy_key(other)
    })
    .await
    .unwrap();
    let index = Index::open(&at, store.clone()).unwrap();
    eventually("the deleted account's file is gone", async || {
        !files(&at)
            .iter()
            .any(|name| name.starts_with(&other.to_string()))
    })
    .await;
    index.close().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_ends_the_follower() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let (account, _) = owner(&store).await;
    let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
    store.close().await;
    let closed = index.catch_up(account).await;
    assert!(matches!(closed, Err(Error::Closed)), "{closed:?}");
    index.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_not_kept_is_a_candidate_and_nothing_more() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let (account, inbox) = owner(&store).await;
    let long = format!("\r\nfirstword {}", "filling ".repeat(50_000));
    let long = append(&store, account, inbox, long.as_bytes())
        .await
        .unwrap()
        .email;
    let short = append(&store, account, inbox, b"\r\nfirstword fill")
        .await
        .unwrap()
        .email;
    let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
    index.catch_up(account).await.unwrap();
    let both = found(&index, account, "firstword fill", Field::Body).await;
    assert_eq!(both.emails, [long, short]);
    let held = index.hold(account, &both.emails, "firstword fill", Field::Body);
    assert_eq!(held.await.unwrap(), [None, Some(true)]);
    let finding = index.verify(account).await.unwrap();
    assert!(finding.is_none(), "{finding:?}");
    index.close().await;

    // A kept text that is damaged or gone is found out.
    let file = directory.path().join("index").join(format!("{account}.db"));
    for damage in [
        "UPDATE text SET sealed = zeroblob(40)",
        "DELETE FROM text",
        "INSERT INTO text VALUES (77, x'00')",
    ] {
        let damaged = rusqlite::Connection::open(&file).unwrap();
        assert_eq!(damaged.execute(damage, []).unwrap(), 1);
        drop(damaged);
        let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
        assert!(index.verify(account).await.unwrap().is_some(), "{damage}");
        let narrowed = found(&index, account, "firstword fill", Field::Body).await;
        assert!(narrowed.emails.contains(&short) || narrowed.covered_up_to < short);
        let finding = store::Finding::Index {
            account,
            why: damage.to_owned(),
        };
        let ended = index.repair(&finding, trail::Actor::System).await;
        assert_eq!(ended.unwrap(), store::Repaired::Done);
        index.close().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Through charset, MIME, folding, grams and the engine: whatever stands in a body is among the candidates.
    #[test]
    fn every_part_of_a_text_finds_it(
        texts in prop::collection::vec("[a-cA-C0-2 .,@\"*é会議室ガかーｶﾞ한글ไทย]{1,40}", 1..12),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..10), 40),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let store = open(&directory.path().join("store"));
            let (account, inbox) = owner(&store).await;
            let (mut emails, mut read) = (Vec::new(), Vec::new());
            let limits = message::Limits::default();
            for text in &texts {
                let raw = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n");
                let structure = message::mime::Structure::parse(raw.as_bytes(), &limits);
                read.push(message::text::Words::of(raw.as_bytes(), &structure, &limits));
                emails.push(append(&store, account, inbox, raw.as_bytes()).await.unwrap().email);
            }
            let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
            index.catch_up(account).await.unwrap();
            let folded: Vec<String> = texts.iter().map(|text| message::text::fold_words(text)).collect();
            for (which, from, length) in cuts {
                let chars: Vec<char> = folded[which.index(folded.len())].chars().collect();
                let from = from.index(chars.len());
                let needle: String = chars[from..].iter().take(length).collect();
                let needle_folded = message::text::fold_words(&needle);
                let candidates = index.candidates(account, &needle, Field::Body).await.unwrap();
                if let Candidates::These(found) = candidates {
                    let held = index.hold(account, &emails, &needle, Field::Body).await.unwrap();
                    let found: BTreeSet<EmailId> = found.emails.into_iter().collect();
                    for (((email, text), words), held) in emails.iter().zip(&folded).zip(&read).zip(held) {
                        assert!(
                            found.contains(email) || !text.contains(&needle_folded),
                            "{needle:?} stands in {text:?}"
                        );
                        // What the index says is what who reads the message finds.
                        let holds = words.body.contains(&needle_folded);
                        assert_eq!(held, Some(holds), "{needle:?} in {words:?}");
                    }
                }
            }
            index.close().await;
            store.close().await;
        });
    }
}

/// A closed store with an index. Its runtime is gone when this returns, and with it all that worked on the files.
fn indexed(directory: &Path) -> AccountId {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(directory);
        let (owner, inbox) = owner(&store).await;
        for n in 0..5 {
            let raw = format!("Subject: {n}\r\n\r\nthe council meets\r\n");
            append(&store, owner, inbox, raw.as_bytes()).await.unwrap();
        }
        let index = Index::open(&directory.join("index"), store.clone()).unwrap();
        index.catch_up(owner).await.unwrap();
        assert_eq!(index.verify_all(|_| {}).await.unwrap(), []);
        index.close().await;
        store.close().await;
        owner
    })
}

/// Opens them again, with an index that nobody follows: that would mend some damage before it is found.
fn examined<T>(directory: &Path, work: impl AsyncFnOnce(&Index) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let index = Index::open(&directory.join("index"), open(directory)).unwrap();
        index.close().await;
        work(&index).await
    })
}

#[test]
fn a_damaged_index_is_found_and_made_anew() {
    let damages = [
        (
            "DELETE FROM text WHERE email = (SELECT min(email) FROM document);
             DELETE FROM document WHERE email = (SELECT min(email) FROM document)",
            "misses message",
        ),
        (
            "DELETE FROM gram WHERE rowid = (SELECT max(email) FROM document)",
            "misses message",
        ),
        (
            "INSERT INTO document VALUES (9000000000000000000, 1, 0);
             INSERT INTO gram (rowid, grams) VALUES (9000000000000000000, 'hx');",
            "never was",
        ),
    ];
    for (sql, words) in damages {
        let directory = tempfile::tempdir().unwrap();
        let owner = indexed(directory.path());
        let path = directory.path().join(format!("index/{owner}.db"));
        let file = rusqlite::Connection::open(path).unwrap();
        file.execute_batch(sql).unwrap();
        drop(file);
        examined(directory.path(), async |index| {
            let findings = index.verify_all(|_| {}).await.unwrap();
            assert_eq!(findings.len(), 1, "{sql}: {findings:?}");
            let told = findings[0].to_string();
            assert!(told.contains(words), "{sql}: {told}");
            let ended = index.repair(&findings[0], trail::Actor::System).await;
            assert_eq!(ended.unwrap(), store::Repaired::Done);
            assert_eq!(index.verify_all(|_| {}).await.unwrap(), []);
            let council = found(index, owner, "council", Field::Body).await;
            assert_eq!(council.emails.len(), 5);
        });
    }
}

#[test]
fn an_index_file_of_garbage_or_of_nobody_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let owner = indexed(directory.path());
    let path = directory.path().join(format!("index/{owner}.db"));
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(4096).step_by(7) {
        *byte = byte.wrapping_add(1);
    }
    std::fs::write(&path, bytes).unwrap();
    let nobody = directory.path().join(format!("index/{}.db", AccountId(77)));
    std::fs::copy(&path, &nobody).unwrap();
    examined(directory.path(), async |index| {
        let findings = index.verify_all(|_| {}).await.unwrap();
        let names: Vec<&str> = findings.iter().map(store::Finding::name).collect();
        assert_eq!(names, ["index-of-nobody", "index"], "{findings:?}");
        for finding in &findings {
            let ended = index.repair(finding, trail::Actor::System).await;
            assert_eq!(ended.unwrap(), store::Repaired::Done);
        }
        assert_eq!(index.verify_all(|_| {}).await.unwrap(), []);
        assert!(!nobody.exists());
    });
}
