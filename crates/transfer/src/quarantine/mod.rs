//! What becomes of mail that is set apart (clause 5.3(2)): it is released, deleted, or its time is over. Each message is one commit,
//! with its event.

pub(crate) mod digest;

use std::collections::BTreeSet;

use store::{
    AccountId, BodyId, Error, QueueId, Recorded, Tx,
    event::DETAIL_LIMIT,
    mailbox::{self, Flags, NewMessage},
    quarantine::{self, Held, Place, Selection, Waiting},
    queue::{self, NewQueued, NewRecipient, Notify},
};
use trail::{Actor, By, Event, Kind};

use crate::{Transfer, content::Digest, metrics, parcel, text};

pub use digest::{Digested, digest};

/// Messages that are read at a time.
pub(crate) const PAGE: usize = 100;

/// Why a message was left as it is.
enum Unchanged {
    /// It is not there any more.
    Gone,
    Failed(Error),
}

impl From<Error> for Unchanged {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Gives a message to those of its recipients that `held` names: into INBOX, or on to the server with their mailboxes. Returns how
/// many recipients; 0 when it is not there any more.
///
/// # Errors
/// The store's: then it stays set apart.
pub(crate) async fn release(transfer: &Transfer, held: &Held, by: &By) -> Result<usize, Error> {
    let store = transfer.store();
    let here = held
        .recipients
        .iter()
        .find_map(|waiting| match waiting.to.place {
            Place::Here(account) => Some(account),
            Place::Away(_) => None,
        });
    let digest = match here {
        Some(account) => {
            let raw = store.body(account, held.message.body).await?;
            store
                .blocking(move || Ok::<_, Error>(Digest::of(&raw)))
                .await?
        }
        None => Digest::default(),
    };
    let queue_id = QueueId(store.next_id());
    let (held, by) = (held.clone(), by.clone());
    let work = move |tx: &mut Tx<'_>| {
        let waiting = still_waiting(tx, &held)?;
        let away = onward(&held, &waiting, queue_id);
        for waiting in &waiting {
            if let Place::Here(account) = waiting.to.place {
                put(tx, &held, account, &digest)?;
            }
        }
        if let Some(queued) = &away {
            queue::enqueue(tx, queued)?;
        }
        let mut event = told(Kind::QuarantineReleased, &held, &by);
        if away.is_some() {
            event = event.detail("queued_as", queue_id.to_string());
        }
        take(tx, &held, &waiting, event)
    };
    let done = settle(store.commit(Vec::new(), work).await)?;
    metrics::count_many(metrics::QUARANTINE_RELEASED, done);
    Ok(done)
}

/// Deletes a message for those of its recipients that `held` names, by command of `by`. Returns how many.
///
/// # Errors
/// The store's: then it stays.
pub(crate) async fn delete(transfer: &Transfer, held: &Held, by: &By) -> Result<usize, Error> {
    let done = drop_for(transfer, held, Kind::QuarantineDeleted, by).await?;
    metrics::count_many(metrics::QUARANTINE_DELETED, done);
    Ok(done)
}

/// Deletes a message that cannot be read. Returns for how many it was; 0 when there is none.
///
/// # Errors
/// The store's.
pub(crate) async fn purge(transfer: &Transfer, id: QueueId, by: &By) -> Result<usize, Error> {
    let by = by.clone();
    let work = move |tx: &mut Tx<'_>| {
        let addresses = quarantine::purge(tx, id)?;
        let count = addresses.len();
        let event = by
            .event(Kind::QuarantineDeleted)
            .subject(id.to_string())
            .detail("note", "its record could not be read");
        let events = event.in_parts(DETAIL_LIMIT, vec![("recipients", addresses)]);
        Ok::<_, Unchanged>(parcel::record_all(tx, &events)?.map(|()| count))
    };
    settle(transfer.store().commit(Vec::new(), work).await)
}

/// Deletes what its time is over for; returns how many messages.
///
/// # Errors
/// The store's.
pub async fn expire(transfer: &Transfer) -> Result<usize, Error> {
    let store = transfer.store();
    let selection = Selection {
        overdue_at: Some(store.now()),
        ..Selection::default()
    };
    let (mut after, mut count) = (QueueId(0), 0_usize);
    loop {
        let wanted = selection.clone();
        let page = store
            .read(move |sql| quarantine::select(sql, &wanted, after, PAGE))
            .await?;
        for (id, error) in &page.damaged {
            tracing::error!(%id, %error, "mail that is set apart cannot be read, and stays");
        }
        for held in &page.held {
            let done = drop_for(
                transfer,
                held,
                Kind::QuarantineExpired,
                &Actor::System.into(),
            )
            .await?;
            metrics::count_many(metrics::QUARANTINE_EXPIRED, done);
            count = count.saturating_add(usize::from(done > 0));
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(count),
        }
    }
}

async fn drop_for(transfer: &Transfer, held: &Held, kind: Kind, by: &By) -> Result<usize, Error> {
    let (held, by) = (held.clone(), by.clone());
    let work = move |tx: &mut Tx<'_>| {
        let waiting = still_waiting(tx, &held)?;
        let event = told(kind, &held, &by);
        take(tx, &held, &waiting, event)
    };
    settle(transfer.store().commit(Vec::new(), work).await)
}

fn settle(done: Result<store::Receipt<usize>, Unchanged>) -> Result<usize, Error> {
    match done {
        Ok(receipt) => Ok(receipt.value),
        Err(Unchanged::Gone) => Ok(0),
        Err(Unchanged::Failed(error)) => Err(error),
    }
}

/// Those of `held` that it is still set apart for.
fn still_waiting(tx: &mut Tx<'_>, held: &Held) -> Result<Vec<Waiting>, Unchanged> {
    let now = Selection {
        ids: vec![held.message.id],
        ..Selection::default()
    };
    let page = quarantine::select(tx, &now, QueueId(0), 1)?;
    let numbers: BTreeSet<u32> = page
        .held
        .iter()
        .flat_map(|held| &held.recipients)
        .map(|waiting| waiting.number)
        .collect();
    let mut waiting = held.recipients.clone();
    waiting.retain(|one| numbers.contains(&one.number));
    if waiting.is_empty() {
        return Err(Unchanged::Gone);
    }
    Ok(waiting)
}

/// Takes them out, with `event`.
fn take(
    tx: &mut Tx<'_>,
    held: &Held,
    waiting: &[Waiting],
    event: Event,
) -> Result<Recorded<usize>, Unchanged> {
    for one in waiting {
        quarantine::take(tx, held.message.id, one.number)?;
    }
    let names = waiting.iter().map(|one| one.to.address.to_string());
    let events = event.in_parts(DETAIL_LIMIT, vec![("recipients", names.collect())]);
    Ok(parcel::record_all(tx, &events)?.map(|()| waiting.len()))
}

fn told(kind: Kind, held: &Held, by: &By) -> Event {
    let event = by
        .event(kind)
        .subject(held.message.id.to_string())
        .detail("sender", text::path(held.message.sender.as_ref()))
        .detail("cause", held.message.cause.as_str());
    held.message.tell_criterion(event)
}

fn put(tx: &mut Tx<'_>, held: &Held, account: AccountId, digest: &Digest) -> Result<(), Error> {
    let inbox = mailbox::by_name(tx, account, "INBOX")?
        .ok_or_else(|| Error::NotFound(format!("the INBOX of account {account}")))?;
    let message = NewMessage {
        body: held.message.body,
        size: held.message.size,
        flags: Flags::default(),
        keywords: Vec::new(),
        // As if it had come when it came.
        internal_date: held.since,
        summary: digest.summary.clone(),
        references: digest.references.clone(),
    };
    mailbox::append(tx, inbox.id, &message, false).map(drop)
}

/// What goes on to another server, if anything does. Who had to wait for a person to decide is not told of delays.
fn onward(held: &Held, waiting: &[Waiting], id: QueueId) -> Option<NewQueued> {
    let recipients: Vec<NewRecipient> = waiting
        .iter()
        .filter_map(|one| match &one.to.place {
            Place::Here(_) => None,
            Place::Away(destination) => Some(NewRecipient {
                address: one.to.address.clone(),
                notify: Notify::NEVER,
                original: None,
                destination: destination.clone(),
            }),
        })
        .collect();
    let message = &held.message;
    (!recipients.is_empty()).then(|| NewQueued {
        id,
        body: BodyId(message.body.0),
        size: message.size,
        sender: message.sender.clone(),
        identifier: None,
        envelope_id: None,
        return_full: None,
        smtputf8: message.smtputf8,
        require_tls: message.require_tls,
        body_type: message.body_type,
        message_id: message.message_id.clone(),
        recipients,
    })
}
