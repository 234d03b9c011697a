//! What a site gives up for good is given up again in a backup from before (clauses 7.1(3), 7.1(5), 7.1(6)). Of a deleted account the
//! key that opens the mail there, the login, the addresses, and what the identifier had submitted and waited in the queue: so nobody
//! reads it from the backup, and a site that is made of the backup has neither the account nor its addresses. Identifiers that came and
//! went since, and addresses that were given up, are entered, so that such a site gives them to nobody else. What was erased from the
//! register is erased there.

use std::collections::BTreeSet;

use store::{
    AccountId, Error, PersonId, QueueId, Recorded, Store, Topic, Tx,
    event::DETAIL_LIMIT,
    queue::{self, Selection},
    sql::Sql,
};
use trail::{Actor, Event, Kind};

use crate::{
    command::{delete, given},
    tables::{
        account::{self, AccountState},
        copied, incident, life, register,
    },
};

/// Messages discarded in one commit at most.
const BATCH: usize = 500;
/// Messages of one identifier that are looked at in the queue at most.
const MOST_QUEUED: usize = 100_000;
/// Why a hold is lifted in a backup.
const SETTLED: &str =
    "its account was deleted after this backup, and the hold was lifted before that";

/// What this site has given up for good: it is given up in its backups too.
#[derive(Clone, Debug, Default)]
pub struct Past {
    count: u64,
    deletions: Vec<Deletion>,
    retired: Vec<copied::Retired>,
    erasures: Vec<Erasure>,
}

impl Past {
    /// How much it is, as [`count`] counts it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// A deletion that this site has carried out.
#[derive(Clone, Debug)]
struct Deletion {
    account: AccountId,
    identifier: String,
    deleted_at: i64,
    row: copied::Account,
    issued_on: copied::Order,
    order: copied::Order,
    people: Vec<copied::Person>,
    /// Mail that it submitted and that still waits in the site's own queue. Should the site be lost, the backup's copy is the only one.
    waiting: BTreeSet<QueueId>,
}

/// An entry of the register that this site has erased, with those who decided it and the row that stands for nobody.
#[derive(Clone, Debug)]
struct Erasure {
    entry: copied::Erasure,
    asked_by: String,
    people: Vec<copied::Person>,
}

/// What was done in a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeated {
    /// Accounts deleted there.
    pub accounts: u64,
    /// Addresses retired there.
    pub addresses: u64,
    /// Entries of the register erased there.
    pub entries: u64,
    /// Queued messages discarded there.
    pub discarded: u64,
    /// Queued messages kept there, since they still wait in the site's own queue.
    pub waiting: u64,
}

impl Repeated {
    /// Whether anything was changed there.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.accounts > 0 || self.addresses > 0 || self.entries > 0 || self.discarded > 0
    }
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

/// How much this site has given up for good: accounts, addresses by themselves, entries of the register. Never goes down.
///
/// # Errors
/// When the store cannot be read.
pub async fn count(store: &Store) -> Result<u64, Error> {
    store.read(|sql| count_all(sql)).await
}

fn count_all(sql: &mut dyn Sql) -> Result<u64, Error> {
    let erased = u64::try_from(copied::erasures(sql)?.len()).unwrap_or(u64::MAX);
    Ok(account::count_deleted(sql)?
        .saturating_add(copied::count_retired(sql)?)
        .saturating_add(erased))
}

/// All that this site has given up for good.
///
/// # Errors
/// When the store cannot be read.
pub async fn past(store: &Store) -> Result<Past, Error> {
    store.read(|sql| all(sql)).await
}

fn all(sql: &mut dyn Sql) -> Result<Past, Error> {
    let mut past = Past {
        count: count_all(sql)?,
        retired: copied::retired(sql)?,
        ..Past::default()
    };
    for entry in account::all(sql)? {
        let (Some(order), Some(deleted_at)) = (entry.delete_order, entry.deleted_at) else {
            continue;
        };
        let row = copied::account(sql, entry.id)?;
        let (issued_on, order) = (copied::order(sql, entry.order)?, copied::order(sql, order)?);
        let mut people = copied::people(sql, &[&issued_on, &order])?;
        people.extend(copied::persons(sql, vec![row.person])?);
        past.deletions.push(Deletion {
            people,
            waiting: queued(sql, &entry.identifier)?.into_iter().collect(),
            account: entry.id,
            identifier: entry.identifier,
            deleted_at,
            row,
            issued_on,
            order,
        });
    }
    for entry in copied::erasures(sql)? {
        let asked_by = entry.asked_by;
        let holder = copied::account(sql, entry.account)?.person;
        let ids = vec![asked_by, entry.approved_by, holder];
        let people = copied::persons(sql, ids)?;
        let asked_by = people.iter().find(|person| person.id.0 == asked_by);
        past.erasures.push(Erasure {
            asked_by: asked_by.map_or_else(String::new, |person| person.name.clone()),
            people,
            entry,
        });
    }
    Ok(past)
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

/// Gives up in `backup`, which is open as a store, what the site has given up. What was done there before is not done again.
///
/// # Errors
/// [`NotRepeated`]; what was committed before stays.
pub async fn repeat(backup: &Store, past: &Past) -> Result<Repeated, NotRepeated> {
    let mut done = Repeated::default();
    for deletion in &past.deletions {
        delete_again(backup, deletion, &mut done).await?;
    }
    for batch in past.retired.chunks(BATCH) {
        let batch = batch.to_vec();
        let read = move |sql: &mut store::Snapshot<'_>| missing(sql, batch);
        let missing = backup.read(read).await?;
        if missing.is_empty() {
            continue;
        }
        let retired = backup.commit(Vec::new(), move |tx| retire(tx, &missing));
        let retired: Result<_, Error> = retired.await;
        done.addresses = done.addresses.saturating_add(retired?.value);
    }
    for erasure in &past.erasures {
        let account = erasure.entry.account;
        let read = move |sql: &mut store::Snapshot<'_>| -> Result<_, Error> {
            let entry = account::by_id(sql, account)?;
            let erased = copied::is_erased(sql, account)?;
            Ok(entry.map(|entry| (entry, erased)))
        };
        let Some((entry, false)) = backup.read(read).await? else {
            continue;
        };
        let erasure = erasure.clone();
        let work = move |tx: &mut Tx<'_>| forget(tx, &entry, &erasure);
        backup.commit(Vec::new(), work).await?;
        done.entries = done.entries.saturating_add(1);
    }
    Ok(done)
}

async fn delete_again(
    backup: &Store,
    deletion: &Deletion,
    done: &mut Repeated,
) -> Result<(), NotRepeated> {
    let (account, name) = (deletion.account, deletion.identifier.clone());
    let read = move |sql: &mut store::Snapshot<'_>| -> Result<_, Error> {
        Ok((account::by_id(sql, account)?, queued(sql, &name)?))
    };
    let (there, queued) = backup.read(read).await?;
    let deletion_again = deletion.clone();
    match there {
        Some(there) if there.identifier != deletion.identifier => {
            return Err(NotRepeated::Stranger(format!("account {account}")));
        }
        Some(there) if there.state == AccountState::Deleted => {}
        Some(_) => {
            let work = move |tx: &mut Tx<'_>| erase(tx, &deletion_again);
            backup.commit(Vec::new(), work).await?;
            done.accounts = done.accounts.saturating_add(1);
        }
        // Issued after the backup: its identifier is to stay taken.
        None => {
            let work = move |tx: &mut Tx<'_>| enter(tx, &deletion_again);
            backup.commit(Vec::new(), work).await?;
            done.accounts = done.accounts.saturating_add(1);
        }
    }
    let (kept, over): (Vec<_>, Vec<_>) = queued
        .into_iter()
        .partition(|id| deletion.waiting.contains(id));
    done.waiting = done.waiting.saturating_add(count_of(&kept));
    for batch in over.chunks(BATCH) {
        let batch = batch.to_vec();
        let work = move |tx: &mut Tx<'_>| discard(tx, batch);
        backup.commit(Vec::new(), work).await?;
    }
    done.discarded = done.discarded.saturating_add(count_of(&over));
    Ok(())
}

/// Those of `batch` that are not retired there, and whose account is there.
fn missing(
    sql: &mut dyn Sql,
    batch: Vec<copied::Retired>,
) -> Result<Vec<(String, copied::Retired)>, Error> {
    let mut missing = Vec::new();
    for retired in batch {
        if let Some(account) = account::by_id(sql, retired.account)?
            && !copied::is_retired(sql, &retired)?
        {
            missing.push((account.identifier, retired));
        }
    }
    Ok(missing)
}

/// Retires addresses: nobody else gets them.
fn retire(tx: &mut Tx<'_>, missing: &[(String, copied::Retired)]) -> Result<Recorded<u64>, Error> {
    let mut recorded = None;
    let mut count = 0_u64;
    for (identifier, retired) in missing {
        copied::put_retired(tx, retired)?;
        count = count.saturating_add(1);
        let event = Event::new(Kind::AccountChanged, Actor::System)
            .subject(identifier.as_str())
            .detail(
                "alias_removed",
                format!("{}@{}", retired.local, retired.domain),
            )
            .detail("repeated", true);
        recorded = Some(tx.record(&event, count)?);
    }
    tx.touch(Topic::Directory);
    recorded.ok_or_else(|| Error::NotFound("addresses that were given up".to_owned()))
}

/// Erases who held an identifier from the register.
fn forget(
    tx: &mut Tx<'_>,
    entry: &account::Entry,
    erasure: &Erasure,
) -> Result<Recorded<()>, NotRepeated> {
    put_people(tx, &erasure.people)?;
    copied::put_erasure(tx, &erasure.entry)?;
    register::forget(tx, entry)?;
    let event = Event::new(Kind::EntryErased, Actor::System)
        .subject(entry.identifier.as_str())
        .detail("asked_by", erasure.asked_by.as_str())
        .detail("reason", erasure.entry.reason.as_str())
        .detail("repeated", true);
    Ok(tx.record(&event, ())?)
}

fn put_people(tx: &mut Tx<'_>, people: &[copied::Person]) -> Result<(), NotRepeated> {
    for person in people {
        if !copied::put_person(tx, person)? {
            return Err(NotRepeated::Stranger(format!("person {}", person.name)));
        }
    }
    Ok(())
}

fn put_order(tx: &mut Tx<'_>, order: &copied::Order) -> Result<(), NotRepeated> {
    match copied::put_order(tx, order)? {
        true => Ok(()),
        false => Err(NotRepeated::Stranger(format!("order {}", order.number))),
    }
}

/// Enters an account that was issued and deleted after the backup, so that its identifier stays taken.
fn enter(tx: &mut Tx<'_>, deletion: &Deletion) -> Result<Recorded<()>, NotRepeated> {
    put_people(tx, &deletion.people)?;
    put_order(tx, &deletion.issued_on)?;
    put_order(tx, &deletion.order)?;
    let entered = copied::put_account(
        tx,
        (deletion.account, &deletion.identifier),
        &deletion.row,
        (deletion.deleted_at, deletion.order.number),
    )?;
    if !entered {
        return Err(NotRepeated::Stranger(deletion.identifier.clone()));
    }
    tx.touch(Topic::Account(deletion.account));
    let mut people = deletion.people.iter();
    let holder = people.find(|person| person.id.0 == deletion.row.person);
    let event = Event::new(Kind::AccountDeleted, Actor::System)
        .subject(deletion.identifier.as_str())
        .order(deletion.order.number)
        .detail("account", deletion.account.to_string())
        .detail("person", holder.map_or("", |person| person.name.as_str()))
        .detail("repeated", true);
    let event = delete::Removed::default().told(event);
    Ok(tx.record(&event, ())?)
}

fn count_of(ids: &[QueueId]) -> u64 {
    u64::try_from(ids.len()).unwrap_or(u64::MAX)
}

fn erase(tx: &mut Tx<'_>, deletion: &Deletion) -> Result<Recorded<()>, NotRepeated> {
    let gone = || Error::NotFound(format!("account {}", deletion.account));
    let entry = account::by_id(tx, deletion.account)?.ok_or_else(gone)?;
    put_people(tx, &deletion.people)?;
    let order = &deletion.order;
    put_order(tx, order)?;
    settle(tx, &entry, order)?;
    let given = given::end(tx, &entry, order.number, |kind, whose| {
        Event::new(kind, Actor::System).subject(whose)
    })?;
    for event in &given {
        drop(tx.record(event, ())?);
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

/// What stood against it then was settled before it was deleted.
fn settle(
    tx: &mut Tx<'_>,
    entry: &account::Entry,
    order: &copied::Order,
) -> Result<(), NotRepeated> {
    if let Some(hold) = life::hold(tx, entry.id)? {
        life::lift_hold(tx, entry.id)?;
        let event = Event::new(Kind::HoldLifted, Actor::System)
            .subject(entry.identifier.as_str())
            .detail("reason", SETTLED)
            .detail("placed_for", hold.reason)
            .detail("placed_by", hold.placed_by)
            .detail("repeated", true);
        drop(tx.record(&event, ())?);
    }
    for open in incident::open_of(tx, entry.id)? {
        incident::close(tx, open.number, PersonId(order.issued_by))?;
        let event = Event::new(Kind::IncidentClosed, Actor::System)
            .subject(open.number.to_string())
            .detail("identifier", entry.identifier.as_str())
            .detail("repeated", true);
        drop(tx.record(&event, ())?);
    }
    Ok(())
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
