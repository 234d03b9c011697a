//! SORT and THREAD (RFC 5256, RFC 5267).

use std::hash::{BuildHasher, RandomState};

use message::Summary;
use protocol::imap::{
    SearchResult, SearchReturn, Sort, SortCriterion, SortKey, Tag, Thread, ThreadAlgorithm,
};
use store::mailbox::Entry;

use super::super::{
    member::Member,
    order::{Sortable, Threadable, by_references, by_subject, sort},
    outcome::{Done, Outcome, Stop},
    summaries,
};
use super::told_of;

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
const NODE: usize = 128;

impl Member {
    pub(in super::super) async fn sort(&mut self, tag: &Tag, command: Sort) -> Outcome {
        let asks_mod_seq = command.key.asks_mod_seq();
        if asks_mod_seq {
            self.enable_condstore();
        }
        let sorted = self.sorted(&command).await;
        self.forget_saved_after(&sorted, command.returns);
        let sorted = sorted?;
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

    /// The UIDs of what matches, in the order that is asked for.
    async fn sorted(&mut self, command: &Sort) -> Result<Vec<u32>, Stop> {
        let uids = self.find(&command.key).await?;
        let criteria = &command.criteria;
        let make = |entry: &Entry, summary: &Summary| sortable(entry, summary, criteria);
        let mut messages: Vec<Sortable> = self.with_summaries(&uids, make).await?;
        sort(&mut messages, criteria);
        Ok(messages.iter().map(|message| message.uid).collect())
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
        let uids = self.find(&command.key).await?;
        let mut digester = Digester::default();
        let make = |entry: &Entry, summary: &Summary| digester.threadable(entry, summary);
        let mut messages: Vec<Threadable> = self.with_summaries(&uids, make).await?;
        // For the tree, too, which has a node for each message and each that is only referred to.
        let octets = messages.len().saturating_add(digester.references);
        let octets = u64::try_from(octets.saturating_mul(NODE)).unwrap_or(u64::MAX);
        let _room = self.line.room_for(octets).await?;
        if !command.uid {
            let selected = self.need_selected()?;
            for message in &mut messages {
                if let Some((number, _)) = selected.view.by_uid(message.number) {
                    message.number = number;
                }
            }
        }
        let threads = self.shared.world.blocking(move || match command.algorithm {
            ThreadAlgorithm::References => by_references(&messages),
            ThreadAlgorithm::OrderedSubject => by_subject(&messages),
        });
        let threads = threads.await.map_err(|error| {
            tracing::error!(%error, "threading panicked");
            Stop::no(
                protocol::imap::ResponseCode::ServerBug,
                "The messages could not be threaded",
            )
        })?;
        self.line.out.thread(&threads);
        Ok(Done::new("Threaded"))
    }

    /// Reads rows in batches and summaries as there is room for them, and keeps only what `make` takes of them.
    async fn with_summaries<T>(
        &mut self,
        uids: &[u32],
        mut make: impl FnMut(&Entry, &Summary) -> T,
    ) -> Result<Vec<T>, Stop> {
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
        let mut made = Vec::with_capacity(uids.len());
        for batch in uids.chunks(BATCH) {
            let entries = selected.entries(store, batch).await?;
            let sizes = summaries::sizes(store, id, batch.to_vec()).await?;
            for group in summaries::groups(&sizes) {
                let _room = line.room_for(group.room()).await?;
                for (uid, packed) in summaries::read(store, id, group.uids).await? {
                    let place = entries.binary_search_by_key(&uid, |entry| entry.uid);
                    if let Some(entry) = place.ok().and_then(|place| entries.get(place)) {
                        made.push(make(entry, &summaries::unpack(store, packed).await?));
                    }
                }
            }
        }
        Ok(made)
    }
}

/// What a message is sorted by: no more than the criteria look at, and of long texts only the beginning.
fn sortable(entry: &Entry, summary: &Summary, criteria: &[SortCriterion]) -> Sortable {
    let key = |wanted: SortKey, text: &dyn Fn() -> String| {
        if !criteria.iter().any(|criterion| criterion.key == wanted) {
            return String::new();
        }
        let mut text = text();
        text.truncate(text.floor_char_boundary(KEY_OCTETS));
        text.shrink_to_fit();
        text
    };
    let envelope = &summary.envelope;
    Sortable {
        uid: entry.uid,
        arrival: entry.internal_date,
        date: summary.sent.map_or(entry.internal_date, |sent| sent.at),
        size: entry.size,
        from: key(SortKey::From, &|| Summary::address_key(&envelope.from)),
        to: key(SortKey::To, &|| Summary::address_key(&envelope.to)),
        cc: key(SortKey::Cc, &|| Summary::address_key(&envelope.cc)),
        subject: key(SortKey::Subject, &|| summary.base_subject().text),
    }
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
        let by = |key| {
            let reverse = false;
            sortable(&entry(), &summary, &[SortCriterion { reverse, key }])
        };
        assert_eq!(by(SortKey::Subject).subject, &long[..KEY_OCTETS]);
        assert_eq!(by(SortKey::Subject).from, "");
        assert_eq!(by(SortKey::From).from, &long[..KEY_OCTETS]);
        assert_eq!(by(SortKey::To).to, "a");
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
