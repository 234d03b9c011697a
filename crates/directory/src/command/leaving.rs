//! Nobody logs in as one who has left (clause 9.2(1)): from the moment on that this is noted, and from the day on that was announced.

use jiff::Timestamp;
use store::{AccountId, Error, Recorded, Snapshot, Topic, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use super::{app_password::told, step::Step};
use crate::{
    Directory,
    tables::{
        account::{self, AccountState, Entry},
        app_password, incident, life, shared,
    },
};

/// Why.
const HAS_LEFT: &str = "its holder has left (clause 9.2(1))";
/// What an incident demands before its identifier is used again.
const BEFORE_USE: [Step; 3] = [Step::PasswordRenewed, Step::HandedOver, Step::Resumed];
/// What is said of these steps where nobody is to use the identifier again.
const NOT_AGAIN: &str =
    "not done: its holder has left, and it stays suspended until it is deleted (clause 9.2(1))";

/// Suspends an account of one who leaves, unless it is suspended or others use it too; `event` is told with what was done.
pub(super) fn suspend(
    tx: &mut Tx<'_>,
    account: &Entry,
    event: Event,
) -> Result<Option<Event>, Error> {
    if account.state != AccountState::Active || shared::of(tx, account.id)?.is_some() {
        return Ok(None);
    }
    account::suspend(tx, account.id)?;
    let revoked = app_password::revoke_all(tx, account.id)?;
    tx.touch(Topic::Account(account.id));
    Ok(Some(
        event
            .detail("reason", HAS_LEFT)
            .detail("app_passwords_revoked", revoked)
            .detail("before", AccountState::Active.as_str())
            .detail("after", AccountState::Suspended.as_str()),
    ))
}

/// Suspends the accounts of those whose day to leave has come, though nobody has noted yet that they left, and gives up their app
/// passwords for shared identifiers; sessions end with that. Returns how many accounts it suspended.
///
/// # Errors
/// The store's.
pub async fn departed(directory: &Directory) -> Result<usize, Error> {
    let now = directory.inner.store.now();
    let read = move |snapshot: &mut Snapshot<'_>| -> Result<_, Error> {
        let due = life::departed(snapshot, now)?;
        Ok((due, shared::of_departed(snapshot, now)?))
    };
    let (due, secrets) = directory.inner.store.read(read).await?;
    for (account, number) in secrets {
        give_up(directory, account, number).await?;
    }
    let mut count = 0_usize;
    for id in due {
        let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
            let gone = || Error::NotFound(format!("departed account {id}"));
            let account = account::by_id(tx, id)?.ok_or_else(gone)?;
            let leaves = life::leaves_at(tx, account.person.0)?;
            // It may have been put on another day meanwhile.
            let leaves = leaves.filter(|at| *at <= tx.now()).ok_or_else(gone)?;
            let event = Event::new(Kind::AccountSuspended, Actor::System)
                .subject(account.identifier.as_str())
                .detail("left_at", leaves.to_string());
            let event = suspend(tx, &account, event)?.ok_or_else(gone)?;
            tx.touch(Topic::Directory);
            tx.record(&event, ())
        };
        match directory.inner.store.commit(Vec::new(), work).await {
            Ok(_) => count = count.saturating_add(1),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Gives up an app password for a shared identifier whose maker was to leave before now.
async fn give_up(directory: &Directory, id: AccountId, number: i64) -> Result<(), Error> {
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
        let gone = || Error::NotFound(format!("app password {number}"));
        let entry = app_password::one(tx, id, number)?.ok_or_else(gone)?;
        let account = account::by_id(tx, id)?.ok_or_else(gone)?;
        let now = tx.now();
        if !life::gone(tx, entry.made_by, now)? {
            return Err(gone());
        }
        app_password::revoke(tx, number)?;
        tx.touch(Topic::Account(id));
        let event = Event::new(Kind::AppPasswordRevoked, Actor::System).subject(account.identifier);
        tx.record(&told(event, &entry, "left"), ())
    };
    match directory.inner.store.commit(Vec::new(), work).await {
        // It was given up meanwhile, or the day put off.
        Ok(_) | Err(Error::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the holder of an account has left, or was to leave before now, and nobody else uses it.
pub(crate) fn has_left(sql: &mut dyn Sql, account: &Entry, now: Timestamp) -> Result<bool, Error> {
    Ok(life::gone(sql, account.person.0, now)? && shared::of(sql, account.id)?.is_none())
}

/// Takes those steps of an incident that would resume the identifier, where its holder has left and nothing resumes it: else the incident
/// could never be closed, nor the account be deleted. `demands` says which steps the incident has.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    (number, account): (i64, AccountId),
    demands: impl Fn(Step) -> bool,
) -> Result<Vec<Event>, Error> {
    let now = tx.now();
    let account = account::by_id(tx, account)?;
    let account = account.filter(|account| account.state == AccountState::Suspended);
    let mut events = Vec::new();
    let Some(account) = account else {
        return Ok(events);
    };
    if !has_left(tx, &account, now)? {
        return Ok(events);
    }
    for step in BEFORE_USE.into_iter().filter(|step| demands(*step)) {
        let step = step.as_str();
        if incident::take_step(tx, number, step, None, NOT_AGAIN)? {
            let event = Event::new(Kind::IncidentStep, Actor::System)
                .subject(number.to_string())
                .detail("step", step)
                .detail("note", NOT_AGAIN);
            events.push(event);
        }
    }
    Ok(events)
}
