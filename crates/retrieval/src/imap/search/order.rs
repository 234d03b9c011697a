//! SORT and THREAD (RFC 5256, RFC 5267).

use message::Summary;
use protocol::imap::{SearchResult, SearchReturn, Sort, Tag, Thread, ThreadAlgorithm};
use store::mailbox::Entry;

use super::super::{
    member::Member,
    order::{Sortable, Threadable, by_references, by_subject, sort},
    outcome::{Done, Outcome, Stop},
};
use super::walk::read_summaries;

/// Messages whose summaries are held at once.
const BATCH: usize = 256;

impl Member {
    pub(in super::super) async fn sort(&mut self, tag: &Tag, command: Sort) -> Outcome {
        let asks_mod_seq = command.key.asks_mod_seq();
        if asks_mod_seq {
            self.enable_condstore();
        }
        let uids = self.find(&command.key).await?;
        let mut messages: Vec<Sortable> = self.with_summaries(&uids, sortable).await?;
        sort(&mut messages, &command.criteria);
        let sorted: Vec<u32> = messages.iter().map(|message| message.uid).collect();
        let selected = self.need_selected()?;
        let numbers: Vec<u32> = sorted
            .iter()
            .filter_map(|uid| selected.view.by_uid(*uid).map(|(number, _)| (*uid, number)))
            .map(|(uid, number)| if command.uid { uid } else { number })
            .collect();
        let modseqs = sorted.iter().filter_map(|uid| selected.view.by_uid(*uid));
        let mod_seq = modseqs
            .map(|(_, slot)| slot.modseq)
            .max()
            .filter(|_| asks_mod_seq);
        let Some(returns) = command.returns else {
            self.line.out.sort(numbers);
            return Ok(Done::new("Sorted"));
        };
        if returns.save {
            self.save(returns, &uids)?;
        }
        self.answer_sort(tag, command.uid, returns, numbers, mod_seq);
        Ok(Done::new("Sorted"))
    }

    /// RFC 5267, section 3: MIN and MAX are the first and the last in the order of the sort.
    fn answer_sort(
        &mut self,
        tag: &Tag,
        uid: bool,
        returns: SearchReturn,
        numbers: Vec<u32>,
        mod_seq: Option<u64>,
    ) {
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
        let mut messages: Vec<Threadable> = self.with_summaries(&uids, threadable).await?;
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

    /// Reads rows and summaries in batches and keeps only what `make` takes of them.
    async fn with_summaries<T>(
        &mut self,
        uids: &[u32],
        make: impl Fn(&Entry, &Summary) -> T,
    ) -> Result<Vec<T>, Stop> {
        let store = self.shared.store.clone();
        let selected = self.need_selected()?;
        let mut made = Vec::with_capacity(uids.len());
        for batch in uids.chunks(BATCH) {
            let entries = selected.entries(&store, batch).await?;
            let summaries = read_summaries(&store, selected, batch.to_vec()).await?;
            for (uid, summary) in &summaries {
                let place = entries.binary_search_by_key(uid, |entry| entry.uid);
                if let Some(entry) = place.ok().and_then(|place| entries.get(place)) {
                    made.push(make(entry, summary));
                }
            }
        }
        Ok(made)
    }
}

fn sortable(entry: &Entry, summary: &Summary) -> Sortable {
    Sortable {
        uid: entry.uid,
        arrival: entry.internal_date,
        date: summary.sent.map_or(entry.internal_date, |sent| sent.at),
        size: entry.size,
        from: Summary::address_key(&summary.envelope.from),
        to: Summary::address_key(&summary.envelope.to),
        cc: Summary::address_key(&summary.envelope.cc),
        subject: summary.base_subject().text,
    }
}

fn threadable(entry: &Entry, summary: &Summary) -> Threadable {
    Threadable {
        number: entry.uid,
        id: summary.message_id().unwrap_or_default(),
        references: summary.references.clone(),
        subject: summary.base_subject(),
        date: summary.sent.map_or(entry.internal_date, |sent| sent.at),
    }
}
