//! Summaries of messages, as many at once as there is room for.
//!
//! A summary can be as large as its message's headers, and those kept by earlier versions larger still. So their sizes are
//! asked first; then one group after another is read, and unpacked one by one.

use message::Summary;
use store::{Error, MailboxId, Store, mailbox};

use super::outcome::Stop;

/// Octets of summaries that are read at once, unless a single one is larger: a hundred ordinary ones.
const AT_ONCE: u64 = 64 << 10;
/// How many times its octets an unpacked summary takes, with the answer that is made of it.
const UNPACKED: u64 = 8;
/// Summaries from so many octets on are unpacked elsewhere than where the sessions run.
const LARGE: usize = 256 << 10;

/// Messages whose summaries are read together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// Which, ascending.
    pub uids: Vec<u32>,
    octets: u64,
    largest: u64,
}

impl Group {
    /// Octets of memory that reading them takes.
    pub(crate) fn room(&self) -> u64 {
        self.octets.saturating_add(room_of(self.largest))
    }
}

/// Octets of memory that one summary takes when it is unpacked.
pub(crate) fn room_of(octets: u64) -> u64 {
    octets.saturating_mul(UNPACKED)
}

/// The sizes of the summaries of those of `uids` that still exist, ascending by UID.
pub(crate) async fn sizes(
    store: &Store,
    mailbox: MailboxId,
    uids: Vec<u32>,
) -> Result<Vec<(u32, u64)>, Error> {
    store
        .read(move |snapshot| mailbox::summary_sizes(snapshot, mailbox, &uids))
        .await
}

/// Messages with the sizes of their summaries, in groups that are read at once.
pub(crate) fn groups(sizes: &[(u32, u64)]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (uid, octets) in sizes {
        let fits = |group: &Group| group.octets.saturating_add(*octets) <= AT_ONCE;
        if !groups.last().is_some_and(fits) {
            groups.push(Group::default());
        }
        if let Some(group) = groups.last_mut() {
            group.uids.push(*uid);
            group.octets = group.octets.saturating_add(*octets);
            group.largest = group.largest.max(*octets);
        }
    }
    groups
}

/// The summaries of `uids`, still packed, ascending by UID; those gone are left out.
pub(crate) async fn read(
    store: &Store,
    mailbox: MailboxId,
    uids: Vec<u32>,
) -> Result<Vec<(u32, Vec<u8>)>, Error> {
    store
        .read(move |snapshot| mailbox::summaries(snapshot, mailbox, &uids))
        .await
}

/// The summary of one message; `None` when it is gone.
pub(crate) async fn read_one(
    store: &Store,
    mailbox: MailboxId,
    uid: u32,
) -> Result<Option<Summary>, Stop> {
    match read(store, mailbox, vec![uid]).await?.pop() {
        Some((_, packed)) => unpack(store, packed).await.map(Some),
        None => Ok(None),
    }
}

/// Reads a summary as the store keeps it.
pub(crate) async fn unpack(store: &Store, packed: Vec<u8>) -> Result<Summary, Stop> {
    let summary = if packed.len() < LARGE {
        Summary::decode(&packed)
    } else {
        let work = move || Ok::<_, Error>(Summary::decode(&packed));
        store.blocking(work).await?
    };
    summary.map_err(|error| Error::Corrupt(format!("a message's summary: {error}")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_bounded_and_nothing_is_left_out() {
        let sizes = [
            (1, 40 << 10),
            (2, 20 << 10),
            (4, 10 << 10),
            (5, 50 << 20),
            (6, 1),
        ];
        let groups = groups(&sizes);
        let uids: Vec<&[u32]> = groups.iter().map(|group| group.uids.as_slice()).collect();
        assert_eq!(uids, [&[1, 2][..], &[4], &[5], &[6]]);
        let rooms: Vec<u64> = groups.iter().map(Group::room).collect();
        assert_eq!(rooms, [380 << 10, 90 << 10, 450 << 20, 9]);
    }
}
