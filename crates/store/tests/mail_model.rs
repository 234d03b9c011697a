//! Random operations on mailboxes give what a simple model in memory gives.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation
)]

mod mail;
mod site;

use std::collections::BTreeMap;

use mail::{change, owner, read};
use proptest::prelude::*;
use store::{
    AccountId, MailboxId, Store,
    mailbox::{self, Entry, FlagChange, FlagMode, Flags, NewMessage, Since},
};

const MAILBOXES: usize = 3;
const KEYWORDS: [&str; 3] = ["$a", "$b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Append {
        to: usize,
        size: u64,
        flags: u8,
    },
    Flag {
        at: usize,
        uids: Vec<u32>,
        mode: u8,
        flags: u8,
        keyword: Option<usize>,
        since_last: bool,
    },
    Copy {
        from: usize,
        to: usize,
        uids: Vec<u32>,
    },
    Move {
        from: usize,
        to: usize,
        uids: Vec<u32>,
    },
    Expunge {
        at: usize,
        uids: Vec<u32>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..MAILBOXES;
    let uids = prop::collection::vec(1_u32..25, 0..8);
    prop_oneof![
        4 => (at.clone(), 1_u64..500, 0_u8..32).prop_map(|(to, size, flags)| Step::Append { to, size, flags }),
        2 => (at.clone(), uids.clone(), 0_u8..3, 0_u8..32, prop::option::of(0..KEYWORDS.len()), any::<bool>())
            .prop_map(|(at, uids, mode, flags, keyword, since_last)| Step::Flag { at, uids, mode, flags, keyword, since_last }),
        1 => (at.clone(), at.clone(), uids.clone()).prop_map(|(from, to, uids)| Step::Copy { from, to, uids }),
        1 => (at.clone(), at.clone(), uids.clone()).prop_map(|(from, to, uids)| Step::Move { from, to, uids }),
        2 => (at, uids).prop_map(|(at, uids)| Step::Expunge { at, uids }),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Message {
    size: u64,
    flags: u8,
    keywords: Vec<String>,
    modseq: u64,
    /// Which append it came from.
    origin: usize,
}

#[derive(Debug)]
struct Box_ {
    messages: BTreeMap<u32, Message>,
    vanished: Vec<(u64, u32)>,
    uid_next: u32,
    modseq: u64,
}

impl Box_ {
    fn put(&mut self, mut message: Message, modseq: u64) -> u32 {
        message.modseq = modseq;
        let uid = self.uid_next;
        self.uid_next += 1;
        self.messages.insert(uid, message);
        uid
    }

    fn take(&mut self, uids: &[u32]) -> Vec<u32> {
        let there: Vec<u32> = self.there(uids);
        if !there.is_empty() {
            self.modseq += 1;
        }
        for uid in &there {
            self.messages.remove(uid);
            self.vanished.push((self.modseq, *uid));
        }
        there
    }

    fn there(&self, uids: &[u32]) -> Vec<u32> {
        self.messages
            .keys()
            .copied()
            .filter(|uid| uids.contains(uid))
            .collect()
    }
}

struct Model {
    boxes: Vec<Box_>,
    appended: usize,
}

impl Model {
    fn copy(&mut self, from: usize, to: usize, uids: &[u32]) -> Vec<(u32, u32)> {
        let there = self.boxes[from].there(uids);
        let copies: Vec<Message> = there
            .iter()
            .map(|uid| self.boxes[from].messages[uid].clone())
            .collect();
        if there.is_empty() {
            return Vec::new();
        }
        let target = &mut self.boxes[to];
        target.modseq += 1;
        let modseq = target.modseq;
        there
            .into_iter()
            .zip(copies)
            .map(|(uid, copy)| (uid, target.put(copy, modseq)))
            .collect()
    }

    fn flag(
        &mut self,
        at: usize,
        uids: &[u32],
        change: &FlagChange,
        since: Option<u64>,
    ) -> (Vec<u32>, Vec<u32>) {
        let target = &mut self.boxes[at];
        let (mut done, mut modified, mut changed) = (Vec::new(), Vec::new(), false);
        let next = target.modseq + 1;
        for uid in target.there(uids) {
            let message = target.messages.get_mut(&uid).unwrap();
            if since.is_some_and(|since| message.modseq > since) {
                modified.push(uid);
                continue;
            }
            done.push(uid);
            let before = message.clone();
            match change.mode {
                FlagMode::Replace => {
                    message.flags = change.flags.0;
                    message.keywords = change.keywords.clone();
                }
                FlagMode::Add => {
                    message.flags |= change.flags.0;
                    message.keywords.extend(change.keywords.iter().cloned());
                    message.keywords.sort();
                    message.keywords.dedup();
                }
                FlagMode::Remove => {
                    message.flags &= !change.flags.0;
                    message
                        .keywords
                        .retain(|word| !change.keywords.contains(word));
                }
            }
            if *message != before {
                message.modseq = next;
                changed = true;
            }
        }
        if changed {
            target.modseq = next;
        }
        (done, modified)
    }
}

struct World {
    store: Store,
    account: AccountId,
    boxes: Vec<MailboxId>,
    model: Model,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = site::open(directory.path());
        let (account, inbox) = owner(&store).await;
        let mut boxes = vec![inbox];
        for name in ["a", "a/b"] {
            let made = change(&store, move |tx| mailbox::create(tx, account, name, None)).await;
            boxes.push(made.unwrap().id);
        }
        let empty = || Box_ {
            messages: BTreeMap::new(),
            vanished: Vec::new(),
            uid_next: 1,
            modseq: 1,
        };
        let model = Model {
            boxes: (0..MAILBOXES).map(|_| empty()).collect(),
            appended: 0,
        };
        Self {
            store,
            account,
            boxes,
            model,
            _directory: directory,
        }
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Append { to, size, flags } => {
                let raw = vec![b'x'; size as usize];
                let set = |new: &mut NewMessage| new.flags = Flags(flags);
                let given = mail::append_as(&self.store, self.account, self.boxes[to], &raw, set)
                    .await
                    .unwrap();
                let target = &mut self.model.boxes[to];
                target.modseq += 1;
                let (modseq, origin) = (target.modseq, self.model.appended);
                self.model.appended += 1;
                let message = Message {
                    size,
                    flags,
                    keywords: Vec::new(),
                    modseq,
                    origin,
                };
                assert_eq!(
                    (given.uid, given.modseq),
                    (target.put(message, modseq), modseq)
                );
            }
            Step::Flag {
                at,
                uids,
                mode,
                flags,
                keyword,
                since_last,
            } => {
                let flag = FlagChange {
                    mode: [FlagMode::Replace, FlagMode::Add, FlagMode::Remove][usize::from(mode)],
                    flags: Flags(flags),
                    keywords: keyword
                        .map(|at| KEYWORDS[at].to_owned())
                        .into_iter()
                        .collect(),
                };
                let since = since_last.then(|| self.model.boxes[at].modseq - 1);
                let expected = self.model.flag(at, &uids, &flag, since);
                let id = self.boxes[at];
                let got = change(&self.store, move |tx| {
                    mailbox::change_flags(tx, id, &uids, &flag, since)
                })
                .await
                .unwrap();
                let done = got.messages.slots().iter().map(|slot| slot.uid).collect();
                assert_eq!((done, got.modified), expected);
            }
            Step::Copy { from, to, uids } => {
                let expected = self.model.copy(from, to, &uids);
                let (from, to) = (self.boxes[from], self.boxes[to]);
                let got = change(&self.store, move |tx| mailbox::copy(tx, from, &uids, to))
                    .await
                    .unwrap();
                assert_eq!(got.uids, expected);
            }
            Step::Move { from, to, uids } => {
                let expected = self.model.copy(from, to, &uids);
                let old: Vec<u32> = expected.iter().map(|(old, _)| *old).collect();
                self.model.boxes[from].take(&old);
                let (from, to) = (self.boxes[from], self.boxes[to]);
                let got = change(&self.store, move |tx| mailbox::move_to(tx, from, &uids, to))
                    .await
                    .unwrap();
                assert_eq!(got.uids, expected);
            }
            Step::Expunge { at, uids } => {
                let expected = self.model.boxes[at].take(&uids);
                let id = self.boxes[at];
                let got = change(&self.store, move |tx| mailbox::expunge(tx, id, &uids))
                    .await
                    .unwrap();
                assert_eq!(got, expected);
            }
        }
    }

    async fn compare(&self) {
        let mut origins: BTreeMap<usize, store::EmailId> = BTreeMap::new();
        let (mut messages, mut bytes) = (0, 0);
        for (id, model) in self.boxes.iter().copied().zip(&self.model.boxes) {
            let since = model.modseq / 2;
            let (row, entries, news, vanished) = read(&self.store, move |sql| {
                Ok((
                    mailbox::by_id(sql, id)?.unwrap(),
                    mailbox::entries(sql, id, 1, u32::MAX)?,
                    mailbox::news_since(sql, id, since, u64::MAX)?,
                    mailbox::vanished_since(sql, id, since)?,
                ))
            })
            .await;
            let got: Vec<(u32, Message)> = entries
                .iter()
                .map(|entry| (entry.uid, shown(entry, model)))
                .collect();
            let expected: Vec<(u32, Message)> = model.messages.clone().into_iter().collect();
            assert_eq!(got, expected);
            assert_eq!(
                (row.uid_next, row.highest_modseq),
                (model.uid_next, model.modseq)
            );
            let all = model.messages.values();
            assert_eq!(row.messages, all.len() as u64);
            assert_eq!(
                row.unseen,
                all.clone().filter(|m| m.flags & 1 == 0).count() as u64
            );
            assert_eq!(
                row.deleted,
                all.clone().filter(|m| m.flags & 8 != 0).count() as u64
            );
            assert_eq!(row.bytes, all.clone().map(|m| m.size).sum::<u64>());
            messages += row.messages;
            bytes += row.bytes;
            let Since::News(news) = news else {
                panic!("{news:?}")
            };
            let changed = news.changed.slots().iter();
            let changed: Vec<_> = changed.map(|slot| news.changed.marks(*slot)).collect();
            let later = entries.iter().filter(|entry| entry.modseq > since);
            assert_eq!(changed, later.map(Entry::marks).collect::<Vec<_>>());
            assert_eq!(news.vanished, vanished);
            let mut gone: Vec<u32> = model
                .vanished
                .iter()
                .filter(|(modseq, _)| *modseq > since)
                .map(|(_, uid)| *uid)
                .collect();
            gone.sort_unstable();
            let told = vanished.iter().flat_map(|(first, last)| *first..=*last);
            assert_eq!(told.collect::<Vec<_>>(), gone);
            for entry in &entries {
                let origin = model.messages[&entry.uid].origin;
                assert_eq!(
                    *origins.entry(origin).or_insert(entry.email),
                    entry.email,
                    "EMAILID stays"
                );
            }
        }
        let account = self.account;
        let usage = read(&self.store, move |sql| mailbox::usage(sql, account)).await;
        assert_eq!((usage.messages, usage.bytes), (messages, bytes));
        let alive = origins.len() as u64;
        assert_eq!(
            site::count(&self.store, "SELECT COUNT(*) FROM email").await,
            alive
        );
        assert_eq!(
            site::count(&self.store, "SELECT COUNT(*) FROM body").await,
            alive
        );
    }
}

/// What the store shows, as the model keeps it.
fn shown(entry: &Entry, model: &Box_) -> Message {
    Message {
        size: entry.size,
        flags: entry.flags.0,
        keywords: entry.keywords.clone(),
        modseq: entry.modseq,
        origin: model
            .messages
            .get(&entry.uid)
            .map_or(usize::MAX, |message| message.origin),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mailboxes_do_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world.run(step).await;
            }
            world.compare().await;
            world.store.close().await;
        });
    }
}
