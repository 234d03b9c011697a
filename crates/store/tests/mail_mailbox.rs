//! What a mailbox promises.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod mail;
mod site;

use mail::{append, append_as, change, find, owner, read, uids};
use site::{count, open};
use store::{
    AccountId, Error, MailboxId, Refusal, Store, Topic,
    mailbox::{self, FlagChange, FlagMode, Flags, Marks, Roll, Since, SpecialUse},
};

fn marked(roll: &Roll) -> Vec<Marks<'_>> {
    let slots = roll.slots().iter();
    slots.map(|slot| roll.marks(*slot)).collect()
}

async fn make(store: &Store, account: AccountId, name: &'static str) -> MailboxId {
    change(store, move |tx| mailbox::create(tx, account, name, None))
        .await
        .unwrap()
        .id
}

async fn names(store: &Store, account: AccountId) -> Vec<(String, bool)> {
    let all = read(store, move |sql| mailbox::list(sql, account)).await;
    all.into_iter().map(|m| (m.name, m.selectable)).collect()
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_give_each_message_its_own_uid() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    let mut watch = store.watch(Topic::Mailbox(inbox));
    watch.mark_unchanged();
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut given = Vec::new();
                for turn in 0..10 {
                    let raw = format!("message {task} {turn}");
                    given.push(
                        append(&store, account, inbox, raw.as_bytes())
                            .await
                            .unwrap(),
                    );
                }
                given
            })
        })
        .collect();
    let mut given = Vec::new();
    for task in tasks {
        let of_task = task.await.unwrap();
        assert!(
            of_task
                .windows(2)
                .all(|w| w[0].uid < w[1].uid && w[0].modseq < w[1].modseq)
        );
        given.extend(of_task);
    }
    given.sort_by_key(|appended| appended.uid);
    assert_eq!(
        given.iter().map(|a| a.uid).collect::<Vec<_>>(),
        (1..=500).collect::<Vec<_>>()
    );
    assert!(
        given
            .windows(2)
            .all(|w| w[0].modseq < w[1].modseq && w[0].email < w[1].email)
    );
    assert!(watch.has_changed().unwrap());
    assert_eq!(uids(&store, inbox).await.len(), 500);
    let mailbox = find(&store, account, "INBOX").await.unwrap();
    assert_eq!(
        (mailbox.messages, mailbox.unseen, mailbox.uid_next),
        (500, 500, 501)
    );
    assert_eq!(mailbox.highest_modseq, given.last().unwrap().modseq);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_away_learns_what_changed_and_vanished() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    for n in 0..10 {
        append(&store, account, inbox, format!("message {n}").as_bytes())
            .await
            .unwrap();
    }
    let seen = find(&store, account, "INBOX").await.unwrap().highest_modseq;
    let flag = FlagChange {
        mode: FlagMode::Add,
        flags: Flags::SEEN,
        keywords: vec!["$Work".into(), "$work".into()],
    };
    let changed = change(&store, {
        let flag = flag.clone();
        move |tx| mailbox::change_flags(tx, inbox, &[9, 2, 2, 77], &flag, None)
    })
    .await
    .unwrap();
    let changed = marked(&changed.messages);
    let uids: Vec<u32> = changed.iter().map(|one| one.uid).collect();
    assert_eq!(uids, [2, 9]);
    assert_eq!(changed[0].modseq, changed[1].modseq);
    assert_eq!(changed[0].keywords, ["$Work"]);
    let gone = change(&store, move |tx| {
        mailbox::expunge(tx, inbox, &[5, 4, 7, 99])
    })
    .await
    .unwrap();
    assert_eq!(gone, [4, 5, 7]);

    let later = read(&store, move |sql| {
        Ok((
            mailbox::news_since(sql, inbox, seen, 64 << 10)?,
            mailbox::vanished_since(sql, inbox, seen)?,
            mailbox::vanished_since(sql, inbox, u64::MAX)?,
        ))
    })
    .await;
    let Since::News(news) = later.0 else {
        panic!("little happened");
    };
    assert_eq!(marked(&news.changed), changed);
    assert_eq!(news.vanished, [(4, 5), (7, 7)]);
    assert_eq!(later.1, news.vanished);
    assert!(later.2.is_empty());

    // Nothing changes: nothing is told, and nothing gets a new MODSEQ.
    let before = find(&store, account, "INBOX").await.unwrap();
    let again = change(&store, {
        let flag = flag.clone();
        move |tx| mailbox::change_flags(tx, inbox, &[2, 9], &flag, None)
    });
    assert_eq!(marked(&again.await.unwrap().messages), changed);
    assert_eq!(find(&store, account, "INBOX").await.unwrap(), before);

    // UNCHANGEDSINCE leaves alone what changed after.
    let conditional = change(&store, move |tx| {
        let remove = FlagChange {
            mode: FlagMode::Remove,
            keywords: vec!["$WORK".into()],
            flags: Flags::SEEN,
        };
        mailbox::change_flags(tx, inbox, &[1, 2, 9], &remove, Some(seen))
    })
    .await
    .unwrap();
    assert_eq!(conditional.modified, [2, 9]);
    assert_eq!(conditional.messages.slots().len(), 1);
    assert_eq!((before.unseen, before.messages), (5, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_share_a_body_and_free_it_with_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    let other = make(&store, account, "Projects/2026").await;
    for n in 0..3 {
        append_as(&store, account, inbox, &vec![b'x'; 100 + n], |new| {
            new.flags = Flags::FLAGGED;
            new.keywords = vec![format!("k{n}")];
        })
        .await
        .unwrap();
    }
    let copied = change(&store, move |tx| mailbox::copy(tx, inbox, &[3, 1], other))
        .await
        .unwrap();
    assert_eq!(copied.uids, [(1, 1), (3, 2)]);
    let (from, to) = read(&store, move |sql| {
        Ok((
            mailbox::entries(sql, inbox, 1, 9)?,
            mailbox::entries(sql, other, 1, 9)?,
        ))
    })
    .await;
    assert_eq!(to[1].email, from[2].email);
    assert_eq!(to[1].thread, from[2].thread);
    assert_eq!(
        (to[1].flags, &to[1].keywords),
        (Flags::FLAGGED, &from[2].keywords)
    );
    assert_eq!(to[0].modseq, to[1].modseq);
    let usage = read(&store, move |sql| mailbox::usage(sql, account)).await;
    assert_eq!((usage.messages, usage.bytes), (5, 303 + 202));
    assert_eq!(count(&store, "SELECT COUNT(*) FROM body").await, 3);

    let moved = change(&store, move |tx| {
        mailbox::move_to(tx, inbox, &[2, 3], other)
    })
    .await
    .unwrap();
    assert_eq!(moved.uids, [(2, 3), (3, 4)]);
    assert_eq!(
        read(&store, move |sql| mailbox::usage(sql, account)).await,
        usage
    );
    assert_eq!(
        read(&store, move |sql| mailbox::vanished_since(sql, inbox, 1)).await,
        [(2, 3)]
    );

    // Within one mailbox too.
    let onto_itself = change(&store, move |tx| mailbox::move_to(tx, other, &[1], other))
        .await
        .unwrap();
    assert_eq!(onto_itself.uids, [(1, 5)]);
    assert_eq!(uids(&store, other).await, [2, 3, 4, 5]);

    change(&store, move |tx| mailbox::expunge(tx, other, &[2, 3, 5]))
        .await
        .unwrap();
    assert_eq!(
        count(&store, "SELECT COUNT(*) FROM body").await,
        2,
        "the third is in `other` once, the first in INBOX"
    );
    let text = store.body(account, from[2].body).await.unwrap();
    assert_eq!(text.len(), 102);
    change(&store, move |tx| mailbox::expunge(tx, other, &[4]))
        .await
        .unwrap();
    change(&store, move |tx| mailbox::expunge(tx, inbox, &[1]))
        .await
        .unwrap();
    assert_eq!(count(&store, "SELECT COUNT(*) FROM body").await, 0);
    assert_eq!(count(&store, "SELECT COUNT(*) FROM email").await, 0);
    assert!(matches!(
        store.body(account, from[2].body).await,
        Err(Error::NotFound(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_account_takes_no_more_but_moves_and_deletes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    let other = make(&store, account, "other").await;
    change(&store, move |tx| {
        mailbox::set_quota(tx, account, Some(1000))
    })
    .await
    .unwrap();
    append(&store, account, inbox, &[b'x'; 600]).await.unwrap();
    assert_eq!(
        refusal(append(&store, account, inbox, &[b'x'; 401]).await),
        Refusal::OverQuota
    );
    let copy = change(&store, move |tx| mailbox::copy(tx, inbox, &[1], other)).await;
    assert_eq!(refusal(copy), Refusal::OverQuota);
    append(&store, account, inbox, &[b'x'; 400]).await.unwrap();
    change(&store, move |tx| mailbox::move_to(tx, inbox, &[1], other))
        .await
        .unwrap();
    change(&store, move |tx| mailbox::expunge(tx, other, &[1]))
        .await
        .unwrap();
    let usage = read(&store, move |sql| mailbox::usage(sql, account)).await;
    assert_eq!(
        (usage.bytes, usage.messages, usage.limit),
        (400, 1, Some(1000))
    );
    assert_eq!(count(&store, "SELECT COUNT(*) FROM body").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_follow_the_rules() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, _) = owner(&store).await;
    let create = |name: &'static str, special_use| {
        change(&store, move |tx| {
            mailbox::create(tx, account, name, special_use)
        })
    };
    assert_eq!(create("inbox/a/b/", None).await.unwrap().name, "INBOX/a/b");
    assert!(matches!(
        refusal(create("Inbox", None).await),
        Refusal::MailboxExists(_)
    ));
    assert!(matches!(
        refusal(create("a*", None).await),
        Refusal::MailboxName { .. }
    ));
    assert_eq!(
        refusal(create("S2", Some(SpecialUse::Sent)).await),
        Refusal::SpecialUseTaken("\\Sent")
    );
    assert_eq!(
        create("Junk", Some(SpecialUse::Junk))
            .await
            .unwrap()
            .special_use,
        Some(SpecialUse::Junk)
    );
    let delete = |name: &'static str| change(&store, move |tx| mailbox::delete(tx, account, name));
    assert!(matches!(
        refusal(delete("INBOX").await),
        Refusal::MailboxProtected(_)
    ));
    assert!(matches!(
        refusal(delete("none").await),
        Refusal::NoMailbox(_)
    ));
    let old = find(&store, account, "INBOX/a").await.unwrap();
    append(&store, account, old.id, b"gone with it")
        .await
        .unwrap();
    delete("INBOX/a").await.unwrap();
    let kept = find(&store, account, "INBOX/a").await.unwrap();
    assert!(!kept.selectable && kept.messages == 0 && kept.id != old.id);
    assert!(matches!(
        refusal(append(&store, account, kept.id, b"x").await),
        Refusal::NoMailbox(_)
    ));
    assert!(matches!(
        refusal(delete("INBOX/a").await),
        Refusal::MailboxProtected(_)
    ));
    let again = create("INBOX/a", None).await.unwrap();
    assert!(again.selectable && again.uid_validity > old.uid_validity && again.uid_next == 1);
    assert!(again.id != old.id);
    assert_eq!(count(&store, "SELECT COUNT(*) FROM body").await, 0);
    change(&store, move |tx| {
        mailbox::subscribe(tx, account, "not/there", true)
    })
    .await
    .unwrap();
    assert_eq!(
        read(&store, move |sql| mailbox::subscriptions(sql, account)).await,
        ["INBOX", "Sent", "not/there"]
    );
    assert!(find(&store, account, "Sent").await.unwrap().subscribed);
}

#[tokio::test(flavor = "multi_thread")]
async fn renaming_takes_the_children_along() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    let leaf = make(&store, account, "a/b/c").await;
    make(&store, account, "ab").await;
    append(&store, account, leaf, b"kept").await.unwrap();
    let rename = |from: &'static str, to: &'static str| {
        change(&store, move |tx| mailbox::rename(tx, account, from, to))
    };
    assert!(matches!(
        refusal(rename("a", "a/b/d").await),
        Refusal::MailboxName { .. }
    ));
    assert!(matches!(
        refusal(rename("a", "ab").await),
        Refusal::MailboxExists(_)
    ));
    assert!(matches!(
        refusal(rename("x", "y").await),
        Refusal::NoMailbox(_)
    ));
    let validity = find(&store, account, "a/b/c").await.unwrap().uid_validity;
    rename("a", "new/a").await.unwrap();
    let all: Vec<String> = names(&store, account)
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        all,
        [
            "INBOX",
            "Sent",
            "ab",
            "new",
            "new/a",
            "new/a/b",
            "new/a/b/c"
        ]
    );
    let moved = find(&store, account, "new/a/b/c").await.unwrap();
    assert_eq!(
        (moved.id, moved.messages, moved.uid_validity),
        (leaf, 1, validity)
    );

    // A name shown before with a higher UIDVALIDITY must not come back with a lower one.
    let younger = change(&store, move |tx| {
        mailbox::create(tx, account, "young", None)
    })
    .await
    .unwrap();
    change(&store, move |tx| mailbox::delete(tx, account, "young"))
        .await
        .unwrap();
    rename("new/a/b/c", "young").await.unwrap();
    let taken = find(&store, account, "young").await.unwrap();
    assert!(taken.id == leaf && taken.uid_validity > younger.uid_validity);

    append(&store, account, inbox, b"in the inbox")
        .await
        .unwrap();
    make(&store, account, "INBOX/child").await;
    rename("inbox", "Old/2026").await.unwrap();
    assert_eq!(find(&store, account, "Old/2026").await.unwrap().messages, 1);
    assert_eq!(find(&store, account, "INBOX").await.unwrap().messages, 0);
    assert!(find(&store, account, "INBOX/child").await.is_some());
    assert_eq!(uids(&store, inbox).await, [0_u32; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_join_the_thread() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    let (stranger, strangers_inbox) = owner(&store).await;
    let references: [&[&str]; 5] = [
        &["<answer@x>", "<root@x>"],
        &["root@x"],
        &["<other@x>"],
        &["<late@x>", "<answer@x>", "<other@x>"],
        &[],
    ];
    for list in references {
        append_as(&store, account, inbox, b"text", |new| {
            new.references = list.iter().map(|&id| id.to_owned()).collect();
        })
        .await
        .unwrap();
    }
    append_as(&store, stranger, strangers_inbox, b"text", |new| {
        new.references = vec!["<root@x>".into()];
    })
    .await
    .unwrap();
    let entries = read(&store, move |sql| mailbox::entries(sql, inbox, 1, 99)).await;
    let threads: Vec<_> = entries.iter().map(|entry| entry.thread).collect();
    assert_eq!(
        threads[0], threads[1],
        "found by a reference that came before its message"
    );
    assert_ne!(threads[0], threads[2]);
    assert_eq!(threads[3], threads[0], "the first thread found wins");
    assert!(!threads[..4].contains(&threads[4]));
    let theirs = read(&store, move |sql| {
        mailbox::entries(sql, strangers_inbox, 1, 9)
    })
    .await;
    assert!(
        !threads.contains(&theirs[0].thread),
        "threads are an account's own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn summaries_open_for_their_account_and_end_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    for n in 0..30_u8 {
        append_as(&store, account, inbox, b"text", |new| {
            new.summary = vec![n; 20];
        })
        .await
        .unwrap();
    }
    let opened = store
        .read(move |snapshot| mailbox::summaries(snapshot, inbox, &[30, 1, 99, 7, 7]))
        .await;
    let opened: Vec<(u32, Vec<u8>)> = Result::<_, Error>::unwrap(opened);
    assert_eq!(
        opened,
        [(1, vec![0; 20]), (7, vec![6; 20]), (30, vec![29; 20])]
    );
    let sizes = read(&store, move |sql| {
        mailbox::summary_sizes(sql, inbox, &[99, 7, 30])
    })
    .await;
    let uids: Vec<u32> = sizes.iter().map(|(uid, _)| *uid).collect();
    assert_eq!(uids, [7, 30]);
    assert!(sizes.iter().all(|(_, octets)| (20..120).contains(octets)));

    change(&store, move |tx| {
        mailbox::remove_account(tx, account)?;
        tx.destroy_key(account)
    })
    .await
    .unwrap();
    for table in [
        "email",
        "message",
        "mailbox",
        "body",
        "subscription",
        "account_usage",
        "thread_reference",
    ] {
        let statement: &'static str =
            Box::leak(format!("SELECT COUNT(*) FROM {table}").into_boxed_str());
        assert_eq!(count(&store, statement).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keywords_have_one_spelling_and_limits() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    let other = make(&store, account, "other").await;
    append_as(&store, account, inbox, b"1", |new| {
        new.keywords = vec!["B".into(), "a".into(), "b".into()];
    })
    .await
    .unwrap();
    append_as(&store, account, other, b"2", |new| {
        new.keywords = vec!["A".into()];
    })
    .await
    .unwrap();
    change(&store, move |tx| mailbox::copy(tx, inbox, &[1], other))
        .await
        .unwrap();
    let (kept, known) = read(&store, move |sql| {
        Ok((
            mailbox::entries(sql, other, 1, 9)?,
            mailbox::keywords(sql, other)?,
        ))
    })
    .await;
    assert_eq!(kept[1].keywords, ["A", "B"], "the target's spelling");
    assert_eq!(known, ["A", "B"]);
    for bad in ["", "with space", "會", "paren("] {
        let bad = bad.to_owned();
        let refused = append_as(&store, account, inbox, b"3", |new| new.keywords = vec![bad]).await;
        assert!(matches!(refusal(refused), Refusal::Limit(_)));
    }
    // Keywords that no message bears any more make room for new ones.
    for round in 0..2 {
        for turn in 0..mailbox::MAX_MAILBOX_KEYWORDS / 32 {
            change(&store, move |tx| {
                let set = FlagChange {
                    mode: FlagMode::Replace,
                    flags: Flags::default(),
                    keywords: (0..32).map(|n| format!("k{round}.{turn}.{n}")).collect(),
                };
                mailbox::change_flags(tx, inbox, &[1], &set, None)
            })
            .await
            .unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_uid_is_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    change(&store, move |tx| {
        tx.execute(
            "UPDATE mailbox SET uid_next = 4294967294 WHERE id = ?1",
            store::params![inbox],
        )
    })
    .await
    .unwrap();
    assert_eq!(
        append(&store, account, inbox, b"x").await.unwrap().uid,
        u32::MAX - 1
    );
    assert!(matches!(
        refusal(append(&store, account, inbox, b"x").await),
        Refusal::Limit(_)
    ));
    let copy = change(&store, move |tx| {
        mailbox::copy(tx, inbox, &[u32::MAX - 1], inbox)
    })
    .await;
    assert!(matches!(refusal(copy), Refusal::Limit(_)));
    assert_eq!(count(&store, "SELECT COUNT(*) FROM body").await, 1);
}
