//! SEARCH, SORT and THREAD: from the cheapest facts to the text, no further than each message needs.

mod order;
mod term;
mod walk;

use protocol::imap::{Search, SearchResult, SearchReturn, Tag};
use tokio::time::{Instant, sleep_until};

use self::{
    term::Term,
    walk::{LISTED, Walk},
};
use super::{
    member::Member,
    outcome::{Done, Outcome, Stop},
};
use crate::budget::Holding;

/// Octets that a message takes in what is made of a result: UIDs, numbers, and the answer as it is written.
const ANSWER: u64 = 28;

impl Member {
    /// SEARCH (RFC 9051, section 6.4.4; RFC 4731; RFC 5182).
    pub(super) async fn search(&mut self, tag: &Tag, search: Search) -> Outcome {
        let asks_mod_seq = search.key.asks_mod_seq();
        if asks_mod_seq {
            self.enable_condstore();
        }
        let found = self.found(&search).await;
        self.forget_saved_after(&found, search.returns);
        let (uids, _room) = found?;
        self.answer_search(tag, &search, &uids, asks_mod_seq)
    }

    /// The UIDs of what matches, ascending, and room for the answer.
    async fn found(&mut self, search: &Search) -> Result<(Vec<u32>, Holding), Stop> {
        let (uids, mut holding) = self.find(&search.key).await?;
        let count = u64::try_from(uids.len()).unwrap_or(u64::MAX);
        let octets = count.saturating_mul(LISTED.saturating_add(ANSWER));
        self.line.hold(&mut holding, octets).await?;
        Ok((uids, holding))
    }

    /// RFC 5182, section 2.1: a search that was to be saved and is answered with NO leaves nothing in `$`; BAD leaves it alone.
    fn forget_saved_after<T>(&mut self, result: &Result<T, Stop>, returns: Option<SearchReturn>) {
        let saves = returns.is_some_and(|returns| returns.save);
        if saves && matches!(result, Err(Stop::No { .. })) {
            self.forget_saved();
        }
    }

    /// Empties `$`.
    pub(super) fn forget_saved(&mut self) {
        if let Some(selected) = &mut self.selected {
            selected.saved.clear();
        }
    }

    fn answer_search(
        &mut self,
        tag: &Tag,
        search: &Search,
        uids: &[u32],
        asks_mod_seq: bool,
    ) -> Outcome {
        let selected = self.need_selected()?;
        let highest = |uids: &[u32]| {
            let found = uids.iter().filter_map(|uid| selected.view.by_uid(*uid));
            found.map(|(_, slot)| slot.modseq).max()
        };
        // RFC 4731, section 3.2: with MIN or MAX alone, only those messages count.
        let told = search
            .returns
            .map_or_else(|| uids.to_vec(), |returns| told_of(returns, uids));
        let mod_seq = if asks_mod_seq { highest(&told) } else { None };
        let numbers: Vec<u32> = self.named(uids, search.uid).iter().collect();
        let returns = match search.returns {
            Some(returns) => returns,
            None if self.enabled.rev2 => SearchReturn {
                all: true,
                ..SearchReturn::default()
            },
            None => {
                self.line.out.search(numbers, mod_seq);
                return Ok(Done::new("Searched"));
            }
        };
        if returns.save {
            self.save(returns, uids)?;
        }
        if returns.min || returns.max || returns.all || returns.count {
            let result = SearchResult {
                min: numbers.first().copied().filter(|_| returns.min),
                max: numbers.last().copied().filter(|_| returns.max),
                count: returns
                    .count
                    .then(|| u32::try_from(numbers.len()).unwrap_or(u32::MAX)),
                all: returns.all.then(|| numbers.iter().copied().collect()),
                sorted: None,
                mod_seq,
            };
            self.line.out.esearch(tag, search.uid, &result);
        }
        Ok(Done::new("Searched"))
    }

    /// What `$` holds afterwards (RFC 5182, section 2.4): with MIN or MAX alone, only those. `uids` in the order of the answer.
    fn save(&mut self, returns: SearchReturn, uids: &[u32]) -> Result<(), Stop> {
        let mut saved = told_of(returns, uids);
        saved.sort_unstable();
        self.need_selected()?.saved = saved;
        Ok(())
    }

    /// The UIDs of what matches, ascending, and room for them. Keeps the connection alive meanwhile, and gives up when the client
    /// does.
    async fn find(&mut self, key: &protocol::imap::SearchKey) -> Result<(Vec<u32>, Holding), Stop> {
        let account = self.login.account;
        let Self {
            shared,
            line,
            selected: Some(selected),
            ..
        } = self
        else {
            return Err(Stop::Bad("Select a mailbox first"));
        };
        let selected = &*selected;
        let term = Term::new(key, selected, shared.world.now())?;
        let walk = Walk::new(shared, selected, account, line.settings().stall_timeout);
        let work = walk.find(term);
        tokio::pin!(work);
        loop {
            let keepalive = Instant::now() + line.settings().keepalive;
            tokio::select! {
                biased;
                found = &mut work => return found,
                end = line.hear_the_end() => return Err(Stop::End(end)),
                () = sleep_until(keepalive) => {
                    line.out.untagged(protocol::imap::Status::Ok, None, "Still searching");
                    line.flush().await?;
                }
            }
        }
    }
}

/// The UIDs that an answer with these options is about: with MIN or MAX alone, only the ends (RFC 4731, section 3.2; RFC 5182,
/// section 2.4).
fn told_of(returns: SearchReturn, uids: &[u32]) -> Vec<u32> {
    if returns.all || returns.count || !(returns.min || returns.max) {
        return uids.to_vec();
    }
    let mut ends: Vec<u32> = Vec::new();
    ends.extend(uids.first().filter(|_| returns.min));
    ends.extend(uids.last().filter(|_| returns.max));
    ends.dedup();
    ends
}
