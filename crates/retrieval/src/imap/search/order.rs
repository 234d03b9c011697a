//! SORT and THREAD (RFC 5256, RFC 5267).

use std::hash::{BuildHasher, RandomState};

use message::Summary;
use protocol::imap::{
    SearchResult, SearchReturn, Sort, SortCriterion, SortKey, Tag, Thread, ThreadAlgorithm,
};
use store::mailbox::Entry;

use super::super::{
    member::Member,
    order::{Sortable, Threadable, Value, by_references, by_subject, sort},
    outcome::{Done, Outcome, Stop},
    summaries,
};
use super::{ANSWER, told_of, walk::LISTED};
use crate::budget::Holding;

/// Messages whose rows are held at once.
const BATCH: usize = 256;
/// Octets of a text that SORT compares.
const KEY_OCTETS: usize = 256;
/// References that THREAD follows, over all messages. Beyond them it looks only at the last few of each message, its parent
/// among them: threads hold together unless several messages in a row are missing.
const MOST_REFERENCES: usize = 1 << 20;
/// How many of a message are kept then.
const KEPT_REFERENCES: usize = 3;
/// Octets that THREAD takes for each message and reference.
const NODE: u64 = 128;
/// Octets that the allocator may take for each text that is kept, besides the text.
const ALLOCATED: u64 = 16;

impl Member {
    pub(in super::super) async fn sort(&mut self, tag: &Tag, command: Sort) -> Outcome {
        let asks_mod_seq = command.key.asks_mod_seq();
        if asks_mod_seq {
            self.enable_condstore();
        }
        let sorted = self.sorted(&command).await;
        self.forget_saved_after(&sorted, command.returns);
        let (sorted, _room) = sorted?;
        let selected = self.need_selected()?;
        let told = command
            .returns
            .map_or_else(|| sorted.clone(), |returns| told_of(returns, &sorted));
        let modseqs = told.iter().filter_map(|uid| selected.view.by_uid(*uid));
        let mod_seq = modseqs
            .map(|(_, slot)| slot.modseq)
            .max()
            .filter(|_| asks_mod_seq);
        let numbers: Vec<u32> = sorted
            .iter()
            .filter_map(|uid| selected.view.by_uid(*uid).map(|(number, _)| (*uid, number)))
            .map(|(uid, number)| if command.uid { uid } else { number })
            .collect();
        let Some(returns) = command.returns else {
            self.line.out.sort(numbers, mod_seq);
            return Ok(Done::new("Sorted"));
        };
        if returns.save {
            self.save(returns, &sorted)?;
        }
        self.answer_sort(tag, command.uid, returns, numbers, mod_seq);
        Ok(Done::new("Sorted"))
    }

    /// The UIDs of what matches, in the order that is asked for, and the room for the answer.
    async fn sorted(&mut self, command: &Sort) -> Result<(Vec<u32>, Holding), Stop> {
        let found = self.find(&command.key).await?;
        let criteria = &command.criteria;
        let make = |entry: &Entry, summary: &Summary| {
            let message = sortable(entry, summary, criteria);
            let octets = message.octets().saturating_add(ALLOCATED);
            (message, octets)
        };
        let (mut messages, room) = self.with_summaries(found, ANSWER, make).await?;
        sort(&mut messages);
        let uids = messages.iter().map(|message| message.uid).collect();
        Ok((uids, room))
    }

    /// RFC 5267, section 3: MIN and MAX are the first and the last in the order of the sort. With SAVE alone there is nothing to
    /// tell.
    fn answer_sort(
        &mut self,
        tag: &Tag,
        uid: bool,
        returns: SearchReturn,
        numbers: Vec<u32>,
        mod_seq: Option<u64>,
    ) {
        if !(returns.min || returns.max || returns.all || returns.count) {
            return;
        }
        let result = SearchResult {
            min: numbers.first().copied().filter(|_| returns.min),
            max: numbers.last().copied().filter(|_| returns.max),
            count: returns
                .count
                .then(|| u32::try_from(numbers.len()).unwrap_or(u32::MAX)),
            all: None,
            sorted: returns.all.then_some(numbers),
            mod_seq,
        };
        self.line.out.esearch(tag, uid, &result);
    }

    pub(in super::super) async fn thread(&mut self, _tag: &Tag, command: Thread) -> Outcome {
        let found = self.find(&command.key).await?;
        let mut digester = Digester::default();
        let make = |entry: &Entry, summary: &Summary| {
            let message = digester.threadable(entry, summary);
            let references = u64::try_from(message.references.len()).unwrap_or(u64::MAX);
            let octets = references.saturating_mul(NODE + 8);
            (message, octets.saturating_add(ALLOCATED))
        };
        // For the tree, too, which has a node for each message and each that is only referred to.
        let each = NODE + ANSWER;
        let (mut messages, room) = self.with_summaries(found, each, make).await?;
        if !command.uid {
            let selected = self.need_selected()?;
            for message in &mut messages {
                if let Some((number, _)) = selected.view.by_uid(message.number) {
                    message.number = number;
                }
            }
        }
        // The room goes along: the work goes on when the session ends meanwhile.
        let threads = self.shared.world.blocking(move || {
            let threads = match command.algorithm {
                ThreadAlgorithm::References => by_references(&messages),
                ThreadAlgorithm::OrderedSubject => by_subject(&messages),
            };
            (threads, room)
        });
        let (threads, _room) = threads.await.map_err(|error| {
            tracing::error!(%error, "threading panicked");
            Stop::no(
                protocol::imap::ResponseCode::ServerBug,
                "The messages could not be threaded",
            )
        })?;
        self.line.out.thread(&threads);
        Ok(Done::new("Threaded"))
    }

    /// Reads rows in batches and summaries as there is room for them, and keeps only what `make` takes of them, with the octets
    /// of it that are not in itself. To the room of what was found, that for all that is kept and for `each` octets more a message
    /// is added before, and all is handed back with it: to be held as long as it is.
    async fn with_summaries<T>(
        &mut self,
        (uids, mut holding): (Vec<u32>, Holding),
        each: u64,
        mut make: impl FnMut(&Entry, &Summary) -> (T, u64),
    ) -> Result<(Vec<T>, Holding), Stop> {
        let Self {
            shared,
            line,
            selected: Some(selected),
            ..
        } = self
        else {
            return Err(Stop::Bad("Select a mailbox first"));
        };
        let (store, id) = (&shared.store, selected.id);
        let octets_of = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let each = octets_of(size_of::<T>()).saturating_add(each);
        let mut kept = octets_of(uids.len()).saturating_mul(each.saturating_add(LISTED));
        line.hold(&mut holding, kept).await?;
        let mut made = Vec::with_capacity(uids.len());
        for batch in uids.chunks(BATCH) {
            let entries = selected.entries(store, batch).await?;
            let sizes = summaries::sizes(store, id, batch.to_vec()).await?;
            for group in summaries::groups(&sizes) {
                let room = line.room_beside(&holding, group.room()).await?;
                for (uid, packed) in summaries::read(store, id, group.uids).await? {
                    let place = entries.binary_search_by_key(&uid, |entry| entry.uid);
                    if let Some(entry) = place.ok().and_then(|place| entries.get(place)) {
                        let (one, octets) = make(entry, &summaries::unpack(store, packed).await?);
                        made.push(one);
                        kept = kept.saturating_add(octets);
                    }
                }
                // What is kept of a group is less than its room was. That is given back before more is waited for.
                drop(room);
                line.hold(&mut holding, kept).await?;
            }
        }
        Ok((made, holding))
    }
}

/// What a message is sorted by: no more than the criteria look at, and of long texts only the beginning.
fn sortable(entry: &Entry, summary: &Summary, criteria: &[SortCriterion]) -> Sortable {
    let text = |mut text: String| {
        text.truncate(text.floor_char_boundary(KEY_OCTETS));
        Value::Text(text)
    };
    let envelope = &summary.envelope;
    Sortable::new(entry.uid, criteria, |key| match key {
        SortKey::Arrival => Value::Time(entry.internal_date),
        // INTERNALDATE when there is no sent date that can be read (section 2.2).
        SortKey::Date => Value::Time(summary.sent.map_or(entry.internal_date, |sent| sent.at)),
        SortKey::Size => Value::Size(entry.size),
        SortKey::From => text(Summary::address_key(&envelope.from)),
        SortKey::To => text(Summary::address_key(&envelope.to)),
        SortKey::Cc => text(Summary::address_key(&envelope.cc)),
        SortKey::Subject => text(summary.base_subject().text),
    })
}

/// Makes 64 bits of each identifier and subject, since those of a large mailbox would fill the memory. The keys of the digest
/// are made anew for each command, so that nobody can send texts that become the same.
#[derive(Default)]
struct Digester {
    keys: RandomState,
    /// References kept so far.
    references: usize,
}

impl Digester {
    fn threadable(&mut self, entry: &Entry, summary: &Summary) -> Threadable {
        let digest = |text: &str| (!text.is_empty()).then(|| self.keys.hash_one(text));
        let all = &summary.references;
        let from = if self.references.saturating_add(all.len()) > MOST_REFERENCES {
            all.len().saturating_sub(KEPT_REFERENCES)
        } else {
            0
        };
        let kept = all.get(from..).unwrap_or_default();
        let references: Box<[u64]> = kept.iter().filter_map(|id| digest(id)).collect();
        let subject = summary.base_subject();
        let threadable = Threadable {
            number: entry.uid,
            id: summary.message_id().as_deref().and_then(digest),
            references,
            subject: digest(&subject.text),
            is_reply: subject.is_reply,
            date: summary.sent.map_or(entry.internal_date, |sent| sent.at),
        };
        self.references = self.references.saturating_add(kept.len());
        threadable
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::Timestamp;
    use message::Limits;
    use store::{BodyId, EmailId, ThreadId, mailbox::Flags};

    use super::*;

    fn entry() -> Entry {
        Entry {
            uid: 1,
            email: EmailId(1),
            thread: ThreadId(1),
            body: BodyId(1),
            modseq: 1,
            flags: Flags(0),
            keywords: Vec::new(),
            size: 1,
            internal_date: Timestamp::UNIX_EPOCH,
            save_date: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn sort_keeps_what_it_compares() {
        let long = "x".repeat(2000);
        let raw = format!("From: {long}@y\r\nTo: a@b\r\nSubject: {long}\r\n\r\n");
        let summary = Summary::of(raw.as_bytes(), &Limits::default());
        let by = |keys: &[SortKey]| {
            let reverse = false;
            let criteria = keys.iter().map(|key| SortCriterion { reverse, key: *key });
            sortable(&entry(), &summary, &criteria.collect::<Vec<_>>())
        };
        let octets = u64::try_from(KEY_OCTETS).unwrap();
        assert_eq!(by(&[SortKey::Subject]).octets(), octets + 1);
        assert_eq!(by(&[SortKey::From]).octets(), octets + 1);
        assert_eq!(by(&[SortKey::To]).octets(), 2);
        assert_eq!(by(&[SortKey::Arrival, SortKey::Size]).octets(), 16);
        assert_eq!(by(&[SortKey::Arrival; 1000]).octets(), 8);
    }

    #[test]
    fn thread_keeps_digests_and_so_many_references() {
        let summary = |id: &str, references: &str| {
            let raw = format!("Message-ID: <{id}>\r\nReferences: {references}\r\n\r\n");
            Summary::of(raw.as_bytes(), &Limits::default())
        };
        let mut digester = Digester::default();
        let parent = digester.threadable(&entry(), &summary("p", ""));
        let reply = summary("r", "<1> <2> <3> <4> <p>");
        let few = digester.threadable(&entry(), &reply);
        assert_eq!(few.references.len(), 5);
        assert_eq!(few.references.last(), parent.id.as_ref());
        assert_eq!(few.subject, None);
        digester.references = MOST_REFERENCES - 4;
        let many = digester.threadable(&entry(), &reply);
        assert_eq!(*many.references, few.references[2..]);
        assert_eq!(digester.references, MOST_REFERENCES - 1);
    }
}
