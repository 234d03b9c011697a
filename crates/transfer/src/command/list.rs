//! Queued mail as rows, a page at a time: the queue may be longer than memory should hold.

use serde::Serialize;
use store::{
    Error, QueueId, Store,
    queue::{self, Queued, Selection},
};

use super::{CommandError, damage, state_name};

/// Messages that are read at a time.
const PAGE: usize = 500;

/// One queued message, for tables and JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Queue id.
    pub id: String,
    /// Return path; empty for the null sender.
    pub sender: String,
    /// The identifier that submitted it.
    pub identifier: Option<String>,
    /// Octets.
    pub size: u64,
    /// Its Message-ID.
    pub message_id: String,
    /// When it was queued.
    pub queued_at: jiff::Timestamp,
    /// Its waiting recipients.
    pub recipients: Vec<ListedRecipient>,
}

/// One waiting recipient.
#[derive(Clone, Debug, Serialize)]
pub struct ListedRecipient {
    /// Where it goes.
    pub address: String,
    /// The domain or next hop.
    pub destination: String,
    /// `waiting` or `held`; `damaged` when its row or its message's cannot be read.
    pub state: &'static str,
    /// Attempts made.
    pub attempts: u32,
    /// When it is tried next.
    pub next_attempt: jiff::Timestamp,
    /// What the last attempt was told.
    pub last_reply: String,
}

/// The answer to `queue list`: what was selected when it was asked for, in pages.
pub struct Listing {
    store: Store,
    selection: Selection,
    ids: std::vec::IntoIter<QueueId>,
}

impl Listing {
    pub(super) async fn of(store: &Store, selection: Selection) -> Result<Self, CommandError> {
        let wanted = selection.clone();
        let ids = store
            .read(move |snapshot| queue::ids(snapshot, &wanted))
            .await?;
        Ok(Self {
            store: store.clone(),
            selection,
            ids: ids.into_iter(),
        })
    }

    /// The next page; `None` after the last. What has left the queue meanwhile is not in it.
    ///
    /// # Errors
    /// The store's.
    pub async fn next(&mut self) -> Result<Option<Vec<Listed>>, CommandError> {
        let ids: Vec<QueueId> = self.ids.by_ref().take(PAGE).collect();
        if ids.is_empty() {
            return Ok(None);
        }
        let selection = Selection {
            ids,
            ..self.selection.clone()
        };
        let (found, damaged) = self
            .store
            .read(move |snapshot| {
                let mut damaged = Vec::new();
                let mut note = |id, error: Error| damaged.push((id, error.to_string()));
                let found = queue::select_all(snapshot, &selection, PAGE, &mut note)?;
                Ok::<_, Error>((found, damaged))
            })
            .await?;
        let mut page: Vec<Listed> = found.iter().map(listed).collect();
        damage::list(&mut page, damaged);
        Ok(Some(page))
    }
}

pub(super) fn listed(queued: &Queued) -> Listed {
    let message = &queued.message;
    Listed {
        id: message.id.to_string(),
        sender: message
            .sender
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        identifier: message.identifier.clone(),
        size: message.size,
        message_id: message.message_id.clone(),
        queued_at: queued.queued_at,
        recipients: queued
            .recipients
            .iter()
            .map(|waiting| ListedRecipient {
                address: waiting.recipient.address.to_string(),
                destination: waiting.recipient.destination.clone(),
                state: state_name(waiting.state),
                attempts: waiting.attempts,
                next_attempt: waiting.next_attempt,
                last_reply: waiting.last_reply.clone(),
            })
            .collect(),
    }
}
