//! What the commands do about rows of the queue that cannot be read.

use store::{
    Error, QueueId, Tx,
    event::DETAIL_LIMIT,
    queue::{self, Selection},
};
use trail::{By, Event, Kind};

use super::{Listed, ListedRecipient};

/// Adds to `list` what could not be read, each as a recipient of its message that is `damaged`.
pub(super) fn list(list: &mut Vec<Listed>, damaged: Vec<(QueueId, String)>) {
    for (id, error) in damaged {
        let id = id.to_string();
        let recipient = ListedRecipient {
            address: String::new(),
            destination: String::new(),
            state: "damaged",
            attempts: 0,
            next_attempt: jiff::Timestamp::UNIX_EPOCH,
            last_reply: error,
        };
        match list.iter_mut().find(|listed| listed.id == id) {
            Some(listed) => listed.recipients.push(recipient),
            None => list.push(Listed {
                id,
                sender: String::new(),
                identifier: None,
                size: 0,
                message_id: String::new(),
                queued_at: jiff::Timestamp::UNIX_EPOCH,
                recipients: vec![recipient],
            }),
        }
    }
}

/// Takes what [`queue::discard`] could not read out of the queue, when it was named by id and by nothing else. Returns
/// an event for each message, and the number of recipients.
pub(super) fn purge(
    tx: &mut Tx<'_>,
    selection: &Selection,
    by: &By,
    reason: &str,
) -> Result<(Vec<Event>, u64), Error> {
    let but_ids = Selection {
        ids: Vec::new(),
        ..selection.clone()
    };
    let (mut events, mut count) = (Vec::new(), 0_u64);
    if !super::is_empty(&but_ids) {
        return Ok((events, count));
    }
    for id in &selection.ids {
        let is_left = !matches!(queue::load(tx, *id), Ok(None));
        let addresses = queue::purge(tx, *id)?;
        if !is_left && addresses.is_empty() {
            continue;
        }
        let event = by
            .event(Kind::QueueDiscarded)
            .subject(id.to_string())
            .detail("reason", reason)
            .detail("note", "its record could not be read");
        count = count.saturating_add(u64::try_from(addresses.len()).unwrap_or(u64::MAX));
        events.extend(event.in_parts(DETAIL_LIMIT, vec![("recipients", addresses)]));
    }
    Ok((events, count))
}
