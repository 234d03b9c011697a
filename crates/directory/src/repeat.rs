//! Deletions carried out again in a backup from before them (clause 7.1(3)): the key that opens the mail there, the login, the
//! addresses, and what the identifier had submitted and waited in the queue. So nobody reads it from the backup, and a site
//! that is made of the backup has neither the account nor its addresses.

use std::collections::BTreeSet;

use store::{
    AccountId, Error, PersonId, QueueId, Recorded, Store, Topic, Tx,
    event::DETAIL_LIMIT,
    queue::{self, Selection},
    sql::Sql,
};
use trail::{Actor, Event, Kind};

use crate::{
    command::delete,
    tables::{
        account::{self, AccountState},
        copied, incident, life,
    },
};

/// Messages discarded in one commit at most.
const BATCH: usize = 500;
/// Messages of one identifier that are looked at in the queue at most.
const MOST_QUEUED: usize = 100_000;

/// A deletion that this site has carried out.
#[derive(Clone, Debug)]
pub struct Deletion {
    account: AccountId,
    identifier: String,
    deleted_at: i64,
    order: copied::Order,
    people: Vec<copied::Person>,
    /// Mail that it submitted and that still waits in the site's own queue. Should the site be lost, the backup's copy is the only one.
    waiting: BTreeSet<QueueId>,
}

/// What was done in a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeated {
    /// Accounts deleted there.
    pub accounts: u64,
    /// Queued messages discarded there.
    pub discarded: u64,
    /// Queued messages kept there, since they still wait in the site's own queue.
    pub waiting: u64,
}

/// Why a deletion was not carried out again.
#[derive(Debug, thiserror::Error)]
pub enum NotRepeated {
    /// What it refers to is something else there.
    #[error("{0} is another one there: this is no backup from this site's past")]
    Stranger(String),
    /// The backup cannot be read or written.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How many deletions this site has carried out. Never goes down.
///
/// # Errors
/// When the store cannot be read.
pub async fn count(store: &Store) -> Result<u64, Error> {
    store.read(|sql| account::count_deleted(sql)).await
}

/// All deletions that this site has carried out.
///
/// # Errors
/// When the store cannot be read.
pub async fn deletions(store: &Store) -> Result<Vec<Deletion>, Error> {
    store.read(|sql| all(sql)).await
}

fn all(sql: &mut dyn Sql) -> Result<Vec<Deletion>, Error> {
    let mut found = Vec::new();
    for entry in account::all(sql)? {
        let (Some(order), Some(deleted_at)) = (entry.delete_order, entry.deleted_at) else {
            continue;
        };
        let order = copied::order(sql, order)?;
        found.push(Deletion {
            people: copied::people(sql, &order)?,
            waiting: queued(sql, &entry.identifier)?.into_iter().collect(),
            account: entry.id,
            identifier: entry.identifier,
            deleted_at,
            order,
        });
    }
    Ok(found)
}

/// Messages in the queue that `identifier` submitted.
fn queued(sql: &mut dyn Sql, identifier: &str) -> Result<Vec<QueueId>, Error> {
    let selection = Selection {
        identifier: Some(identifier.to_owned()),
        ..Selection::default()
    };
    let found = queue::select(sql, &selection, MOST_QUEUED)?;
    Ok(found.into_iter().map(|found| found.message.id).collect())
}

/// Carries `deletion` out in `backup`, which is open as a store. What was done there before is not done again.
///
/// # Errors
/// [`NotRepeated`]; what was committed before stays.
pub async fn repeat(backup: &Store, deletion: &Deletion) -> Result<Repeated, NotRepeated> {
    let mut done = Repeated::default();
    let (account, name) = (deletion.account, deletion.identifier.clone());
    let read = move |sql: &mut store::Snapshot<'_>| -> Result<_, Error> {
        Ok((account::by_id(sql, account)?, queued(sql, &name)?))
    };
    let (there, queued) = backup.read(read).await?;
    let Some(there) = there else {
        // Issued after the backup.
        return Ok(done);
    };
    if there.identifier != deletion.identifier {
        return Err(NotRepeated::Stranger(format!("account {account}")));
    }
    if there.state != AccountState::Deleted {
        let deletion = deletion.clone();
        let work = move |tx: &mut Tx<'_>| erase(tx, &deletion);
        backup.commit(Vec::new(), work).await?;
        done.accounts = 1;
    }
    let (kept, over): (Vec<_>, Vec<_>) = queued
        .into_iter()
        .partition(|id| deletion.waiting.contains(id));
    done.waiting = count_of(&kept);
    for batch in over.chunks(BATCH) {
        let batch = batch.to_vec();
        let work = move |tx: &mut Tx<'_>| discard(tx, batch);
        backup.commit(Vec::new(), work).await?;
    }
    done.discarded = count_of(&over);
    Ok(done)
}

fn count_of(ids: &[QueueId]) -> u64 {
    u64::try_from(ids.len()).unwrap_or(u64::MAX)
}

fn erase(tx: &mut Tx<'_>, deletion: &Deletion) -> Result<Recorded<()>, NotRepeated> {
    let gone = || Error::NotFound(format!("account {}", deletion.account));
    let entry = account::by_id(tx, deletion.account)?.ok_or_else(gone)?;
    for person in &deletion.people {
        if !copied::put_person(tx, person)? {
            return Err(NotRepeated::Stranger(format!("person {}", person.name)));
        }
    }
    let order = &deletion.order;
    if !copied::put_order(tx, order)? {
        return Err(NotRepeated::Stranger(format!("order {}", order.number)));
    }
    // What stood against it then was settled before it was deleted.
    life::lift_hold(tx, entry.id)?;
    for open in incident::open_of(tx, entry.id)? {
        incident::close(tx, open.number, PersonId(order.issued_by))?;
    }
    let removed = delete::remove(tx, entry.id, order.number)?;
    account::date_deletion(tx, entry.id, deletion.deleted_at)?;
    tx.touch(Topic::Account(entry.id));
    let event = Event::new(Kind::AccountDeleted, Actor::System)
        .subject(entry.identifier)
        .order(order.number)
        .detail("account", entry.id.to_string())
        .detail("person", entry.person.1)
        .detail("repeated", true);
    let recorded = tx.record(&removed.told(event), ())?;
    Ok(recorded)
}

fn discard(tx: &mut Tx<'_>, ids: Vec<QueueId>) -> Result<Recorded<()>, Error> {
    let mut recorded = None;
    for id in ids {
        let recipients = queue::purge(tx, id)?;
        let event = Event::new(Kind::QueueDiscarded, Actor::System)
            .subject(id.to_string())
            .detail(
                "reason",
                "its sender's account was deleted after this backup",
            );
        for event in event.in_parts(DETAIL_LIMIT, vec![("recipients", recipients)]) {
            recorded = Some(tx.record(&event, ())?);
        }
    }
    recorded.ok_or_else(|| Error::NotFound("queued mail".to_owned()))
}
