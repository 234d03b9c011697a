//! The `queue` commands: authorised, audited functions that the CLI and the console share.
//!
//! Each demands the administrator's role. A refusal is recorded too ([`Kind::CommandGiven`], refused);
//! what a command changes is in one commit with its events, one for each message, so that whoever asks what
//! became of a message or of mail for an address finds it. A large selection is worked through in batches, each
//! a commit of its own: when one fails, those before it are done and told of.

mod change;
mod damage;
mod list;
pub mod quarantine;

use directory::{Person, Role};
use store::{
    Error, QueueId, Recorded, Store, Tx,
    queue::{self, Selection, State, Totals},
};
use trail::{Actor, Event, Kind, Outcome};

use self::{change::Deed, list::listed};
use crate::notify;

pub use self::list::{Listed, ListedRecipient, Listing};

/// Messages that one commit changes at most, or that are read at once to be returned.
const BATCH: usize = 100;

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
    /// No such message is set apart, or none of the caller's.
    #[error("no message {0} is set apart for you")]
    NoSuchApart(QueueId),
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
    Selected(Box<Selection>),
}

impl Which {
    fn selection(self) -> Result<Selection, CommandError> {
        match self {
            Self::All => Ok(Selection::default()),
            Self::Selected(selection) if is_empty(&selection) => Err(CommandError::NothingSelected),
            Self::Selected(selection) => Ok(*selection),
        }
    }
}

/// Queued mail that `selection` names, in the order in which it came; the empty selection lists all. What cannot be
/// read is listed too, as `damaged`.
///
/// # Errors
/// [`CommandError::NotPermitted`]; the store's.
pub async fn list(
    store: &Store,
    caller: &Person,
    selection: Selection,
) -> Result<Listing, CommandError> {
    permit(store, caller, "queue list").await?;
    Listing::of(store, selection).await
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
    change::all(store, caller, which.selection()?, Deed::Retry).await
}

/// Holds the selected recipients; returns how many.
///
/// # Errors
/// [`CommandError`].
pub async fn hold(store: &Store, caller: &Person, which: Which) -> Result<u64, CommandError> {
    permit(store, caller, "queue hold").await?;
    change::all(store, caller, which.selection()?, Deed::Hold).await
}

/// Releases the selected recipients from hold; returns how many.
///
/// # Errors
/// [`CommandError`].
pub async fn release(store: &Store, caller: &Person, which: Which) -> Result<u64, CommandError> {
    permit(store, caller, "queue release").await?;
    change::all(store, caller, which.selection()?, Deed::Release).await
}

/// Takes the selected recipients out without any notification (clause 5.4(2)); returns how many. Messages that are
/// named by id alone go whatever is wrong with their rows.
///
/// # Errors
/// [`CommandError::ReasonRequired`] without a reason; [`CommandError`].
pub async fn discard(
    store: &Store,
    caller: &Person,
    which: Which,
    reason: &str,
) -> Result<u64, CommandError> {
    permit(store, caller, "queue discard").await?;
    let reason = reason.trim().to_owned();
    if reason.is_empty() {
        return Err(CommandError::ReasonRequired);
    }
    change::all(store, caller, which.selection()?, Deed::Discard { reason }).await
}

/// Returns the selected recipients' mail to its senders at once, with a notification of failure; returns
/// how many recipients. Each message is its own commit, with its own event.
///
/// # Errors
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
    let by = caller.by();
    let (mut count, mut damaged) = (0_u64, Vec::new());
    for ids in batches(store, &selection).await? {
        let part = Selection {
            ids,
            ..selection.clone()
        };
        let found = store
            .read(move |snapshot| queue::select(snapshot, &part, BATCH))
            .await?;
        for queued in &found {
            match notify::bounce(transfer, queued, &by, reason).await {
                Err(CommandError::Damaged { damaged: ids, .. }) => damaged.extend(ids),
                result => count = count.saturating_add(result?),
            }
        }
    }
    if damaged.is_empty() {
        Ok(count)
    } else {
        Err(CommandError::Damaged {
            done: count,
            damaged,
        })
    }
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

/// The messages that are selected now, in batches.
async fn batches(store: &Store, selection: &Selection) -> Result<Vec<Vec<QueueId>>, Error> {
    let selection = selection.clone();
    let ids = store
        .read(move |snapshot| queue::ids(snapshot, &selection))
        .await?;
    Ok(ids.chunks(BATCH).map(<[QueueId]>::to_vec).collect())
}

fn is_empty(selection: &Selection) -> bool {
    let Selection {
        ids,
        sender,
        recipient,
        domain,
        queued_from,
        queued_before,
        state,
        identifier,
    } = selection;
    ids.is_empty()
        && sender.is_none()
        && recipient.is_none()
        && domain.is_none()
        && queued_from.is_none()
        && queued_before.is_none()
        && state.is_none()
        && identifier.is_none()
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Held => "held",
    }
}
