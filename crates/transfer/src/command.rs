//! The `queue` commands: authorised, audited functions that the CLI and the console share.
//!
//! Each demands the administrator's role. A refusal is recorded too ([`Kind::CommandGiven`], refused);
//! what a command changes is in one commit with its event.

use directory::{Person, Role};
use serde::Serialize;
use store::{
    Error, QueueId, Recorded, Store, Tx,
    queue::{self, Queued, Selection, State, Totals},
};
use trail::{Actor, Event, Kind, Outcome};

use crate::notify;

mod damage;

/// Most messages that one answer lists.
pub const LIST_LIMIT: usize = 10_000;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The person does not hold the role.
    #[error("{person} may not do this: it needs the role of administrator")]
    NotPermitted {
        /// The person.
        person: String,
    },
    /// `discard` and `bounce` without a reason.
    #[error("a reason is required (clause 5.4(2))")]
    ReasonRequired,
    /// There is no such message in the queue.
    #[error("no message {0} in the queue")]
    NoSuchMessage(QueueId),
    /// Some of the mail is damaged; the rest was done.
    #[error(
        "{done} recipients were returned, and these messages cannot be read: {}. Restore them from a backup, or discard them by id",
        .damaged.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    )]
    Damaged {
        /// Recipients that were returned.
        done: u64,
        /// Messages that stay in the queue, held.
        damaged: Vec<QueueId>,
    },
    /// The empty selection means all mail; that must be said in so many words.
    #[error("nothing is selected: name ids, a selection, or all")]
    NothingSelected,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Which mail a changing command means. All of it only when that is said.
#[derive(Clone, Debug)]
pub enum Which {
    /// The whole queue.
    All,
    /// What the selection names; it must name something.
    Selected(Selection),
}

impl Which {
    fn selection(self) -> Result<Selection, CommandError> {
        match self {
            Self::All => Ok(Selection::default()),
            Self::Selected(selection) if is_empty(&selection) => Err(CommandError::NothingSelected),
            Self::Selected(selection) => Ok(selection),
        }
    }
}

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

/// Queued mail that `selection` names, oldest first, at most [`LIST_LIMIT`]; the empty selection lists all. What cannot
/// be read is listed too, as `damaged`.
///
/// # Errors
/// [`CommandError::NotPermitted`]; the store's.
pub async fn list(
    store: &Store,
    caller: &Person,
    selection: Selection,
) -> Result<Vec<Listed>, CommandError> {
    permit(store, caller, "queue list").await?;
    let (found, damaged) = store
        .read(move |snapshot| {
            let mut damaged = Vec::new();
            let mut note = |id, error: Error| damaged.push((id, error.to_string()));
            let found = queue::select_all(snapshot, &selection, LIST_LIMIT, &mut note)?;
            Ok::<_, Error>((found, damaged))
        })
        .await?;
    let mut list: Vec<Listed> = found.iter().map(listed).collect();
    damage::list(&mut list, damaged);
    Ok(list)
}

/// One queued message.
///
/// # Errors
/// [`CommandError::NoSuchMessage`]; as [`list`].
pub async fn show(store: &Store, caller: &Person, id: QueueId) -> Result<Listed, CommandError> {
    permit(store, caller, "queue show").await?;
    let found = store
        .read(move |snapshot| queue::load(snapshot, id))
        .await?;
    found
        .as_ref()
        .map(listed)
        .ok_or(CommandError::NoSuchMessage(id))
}

/// The size of the queue. Needs no role: `status` shows it to everyone who may call.
///
/// # Errors
/// The store's.
pub async fn totals(store: &Store) -> Result<Totals, CommandError> {
    Ok(store.read(|snapshot| queue::totals(snapshot)).await?)
}

/// Makes the selected waiting recipients due at once; returns how many.
///
/// # Errors
/// [`CommandError`].
pub async fn retry(store: &Store, caller: &Person, which: Which) -> Result<u64, CommandError> {
    permit(store, caller, "queue retry").await?;
    change(store, caller, which, Kind::QueueRetried, |tx, selection| {
        queue::retry(tx, selection)
    })
    .await
}

/// Holds the selected recipients; returns how many.
///
/// # Errors
/// [`CommandError`].
pub async fn hold(store: &Store, caller: &Person, which: Which) -> Result<u64, CommandError> {
    permit(store, caller, "queue hold").await?;
    change(store, caller, which, Kind::QueueHeld, |tx, selection| {
        queue::set_state(tx, selection, State::Held)
    })
    .await
}

/// Releases the selected recipients from hold; returns how many.
///
/// # Errors
/// [`CommandError`].
pub async fn release(store: &Store, caller: &Person, which: Which) -> Result<u64, CommandError> {
    permit(store, caller, "queue release").await?;
    change(
        store,
        caller,
        which,
        Kind::QueueReleased,
        |tx, selection| queue::set_state(tx, selection, State::Waiting),
    )
    .await
}

/// Takes the selected recipients out without any notification (clause 5.4(2)); returns what was taken. Messages that
/// are named by id alone go whatever is wrong with their rows.
///
/// # Errors
/// [`CommandError::ReasonRequired`] without a reason; [`CommandError`].
pub async fn discard(
    store: &Store,
    caller: &Person,
    which: Which,
    reason: &str,
) -> Result<Vec<(QueueId, String)>, CommandError> {
    permit(store, caller, "queue discard").await?;
    let reason = reason.trim().to_owned();
    if reason.is_empty() {
        return Err(CommandError::ReasonRequired);
    }
    let selection = which.selection()?;
    let actor = Actor::Person(caller.name.clone());
    let receipt = store
        .commit(Vec::new(), move |tx| {
            let found = queue::discard(tx, &selection)?.into_iter();
            let mut taken: Vec<(QueueId, String)> = found
                .map(|(id, address)| (id, address.to_string()))
                .collect();
            taken.extend(damage::purge(tx, &selection, &actor, &reason)?);
            let names: Vec<String> = taken
                .iter()
                .map(|(id, address)| format!("{id} {address}"))
                .collect();
            let event = Event::new(Kind::QueueDiscarded, actor)
                .subject(selection_text(&selection))
                .detail("reason", reason)
                .detail("count", taken.len())
                .detail("recipients", names);
            tx.record(&event, taken)
        })
        .await?;
    Ok(receipt.value)
}

/// Returns the selected recipients' mail to its senders at once, with a notification of failure; returns
/// how many recipients. Each message is its own commit, with its own event.
///
/// # Errors
/// [`CommandError::Damaged`] when some could not be read, after all others were returned;
/// [`CommandError::ReasonRequired`] without a reason; [`CommandError`].
pub async fn bounce(
    transfer: &crate::Transfer,
    caller: &Person,
    which: Which,
    reason: &str,
) -> Result<u64, CommandError> {
    let store = transfer.store();
    permit(store, caller, "queue bounce").await?;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(CommandError::ReasonRequired);
    }
    let selection = which.selection()?;
    let found = store
        .read(move |snapshot| queue::select(snapshot, &selection, LIST_LIMIT))
        .await?;
    let (mut count, mut damaged) = (0_u64, Vec::new());
    for queued in &found {
        let actor = Actor::Person(caller.name.clone());
        match notify::bounce(transfer, queued, &actor, reason).await {
            Err(CommandError::Damaged { damaged: ids, .. }) => damaged.extend(ids),
            result => count = count.saturating_add(result?),
        }
    }
    if !damaged.is_empty() {
        return Err(CommandError::Damaged {
            done: count,
            damaged,
        });
    }
    Ok(count)
}

/// Refuses, and records the refusal, unless `caller` is an administrator.
async fn permit(store: &Store, caller: &Person, words: &'static str) -> Result<(), CommandError> {
    if caller.has(Role::Administrator) {
        return Ok(());
    }
    let event = Event::new(Kind::CommandGiven, Actor::Person(caller.name.clone()))
        .outcome(Outcome::Refused)
        .subject(words)
        .detail("reason", "not an administrator");
    store
        .commit(
            Vec::new(),
            move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> { tx.record(&event, ()) },
        )
        .await?;
    Err(CommandError::NotPermitted {
        person: caller.name.clone(),
    })
}

async fn change(
    store: &Store,
    caller: &Person,
    which: Which,
    kind: Kind,
    work: impl FnOnce(&mut Tx<'_>, &Selection) -> Result<u64, Error> + Send + 'static,
) -> Result<u64, CommandError> {
    let selection = which.selection()?;
    let actor = Actor::Person(caller.name.clone());
    let receipt = store
        .commit(Vec::new(), move |tx| {
            let count = work(tx, &selection)?;
            let event = Event::new(kind, actor)
                .subject(selection_text(&selection))
                .detail("count", count);
            tx.record(&event, count)
        })
        .await?;
    Ok(receipt.value)
}

fn is_empty(selection: &Selection) -> bool {
    selection_text(selection) == ALL
}

const ALL: &str = "all";

/// The selection in words, for the trail.
fn selection_text(selection: &Selection) -> String {
    let Selection {
        ids,
        sender,
        recipient,
        domain,
        queued_before,
        state,
        identifier,
    } = selection;
    let mut words: Vec<String> = ids.iter().map(ToString::to_string).collect();
    if let Some(sender) = sender {
        words.push(format!("sender={}", crate::text::path(sender.as_ref())));
    }
    words.extend(recipient.iter().map(|r| format!("recipient={r}")));
    words.extend(domain.iter().map(|d| format!("domain={d}")));
    words.extend(queued_before.iter().map(|at| format!("queued-before={at}")));
    words.extend(state.iter().map(|s| format!("state={}", state_name(*s))));
    words.extend(identifier.iter().map(|i| format!("identifier={i}")));
    if words.is_empty() {
        return ALL.to_owned();
    }
    words.join(" ")
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Held => "held",
    }
}

fn listed(queued: &Queued) -> Listed {
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
