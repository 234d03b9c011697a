//! `account idle`: identifiers that nobody needs any more (clause 7.1(3)): reported, who it concerns warned, then suspended.

use jiff::{SignedDuration, Timestamp};
use message::address::Address;
use serde::Serialize;
use store::{AccountId, Error, Recorded, Topic, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use super::{Caller, CommandError};
use crate::{
    Directory, Options, Role,
    tables::{
        account::{self, AccountState},
        app_password,
        life::{self, Idle},
    },
};

/// An identifier that lies idle, or whose holder has left, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct IdleView {
    /// The identifier.
    pub identifier: String,
    /// Its holder.
    pub person: String,
    /// Whether the holder has left: it needs an order to delete it (clause 9.2(1)).
    pub person_left: bool,
    /// Whether it is suspended.
    pub suspended: bool,
    /// When it last proved itself, or was issued.
    pub idle_since: Timestamp,
    /// Since when its holder is not on the personnel's list (`person roster`); absent: they are, or no list was compared.
    pub off_roster_since: Option<Timestamp>,
    /// When the holder was warned.
    pub warned_at: Option<Timestamp>,
    /// From when on it is suspended by rule, unless it is used, or its holder is on the list again.
    pub suspends_at: Option<Timestamp>,
}

/// An identifier whose holder is to be warned.
#[derive(Clone, Debug)]
pub struct ToWarn {
    account: AccountId,
    since: Timestamp,
    /// The identifier: where the warning is sent.
    pub identifier: String,
    /// When it last proved itself, or was issued.
    pub idle_since: Timestamp,
    /// Whether its holder has left: then use changes nothing, and the account managers are told.
    pub person_left: bool,
    /// From when on it is suspended by rule.
    pub suspends_at: Option<Timestamp>,
}

impl ToWarn {
    /// The address of the holder's mailbox.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        Address::parse(&self.identifier).ok()
    }
}

/// All that lie idle, and those whose holder has left.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<IdleView>, CommandError> {
    let (options, now) = (
        caller.directory.options(),
        caller.directory.inner.store.now(),
    );
    caller
        .look("account idle", &Role::OFFICERS, move |snapshot, _| {
            Ok(views(snapshot, &options, now)?)
        })
        .await
}

/// The same for the server's own reports.
///
/// # Errors
/// When the store cannot be read.
pub async fn found(directory: &Directory) -> Result<Vec<IdleView>, Error> {
    let (options, now) = (directory.options(), directory.inner.store.now());
    let read = move |snapshot: &mut store::Snapshot<'_>| views(snapshot, &options, now);
    directory.inner.store.read(read).await
}

fn views(sql: &mut dyn Sql, options: &Options, now: Timestamp) -> Result<Vec<IdleView>, Error> {
    let all = life::idle(sql, idle_before(options, now))?;
    Ok(all
        .into_iter()
        .map(|idle| IdleView {
            suspends_at: [
                suspends_at(options, &idle),
                off_roster_until(options, &idle),
            ]
            .into_iter()
            .flatten()
            .min(),
            off_roster_since: idle.off_roster_since,
            identifier: idle.identifier,
            person: idle.person,
            person_left: idle.person_left,
            suspended: !idle.active,
            idle_since: idle.since,
            warned_at: idle.warned_at,
        })
        .collect())
}

/// What was last used before this lies idle; nothing, when the setting is zero.
fn idle_before(options: &Options, now: Timestamp) -> Timestamp {
    before(now, options.idle_after)
}

fn before(now: Timestamp, time: std::time::Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    if time.is_zero() {
        return Timestamp::MIN;
    }
    now.checked_sub(time).unwrap_or(Timestamp::MIN)
}

fn suspends_at(options: &Options, idle: &Idle) -> Option<Timestamp> {
    let grace = SignedDuration::try_from(options.idle_grace).ok()?;
    if grace.is_zero() || !idle.active {
        return None;
    }
    idle.warned_at?.checked_add(grace).ok()
}

/// From when on it is suspended since its holder is not on the personnel's list; of that the officers were told with the list.
fn off_roster_until(options: &Options, idle: &Idle) -> Option<Timestamp> {
    roster_ends(options, idle).filter(|_| idle.active)
}

/// When the time of grace is over in which a holder may be off the personnel's list.
fn roster_ends(options: &Options, idle: &Idle) -> Option<Timestamp> {
    let grace = SignedDuration::try_from(options.roster_grace).ok()?;
    if grace.is_zero() || idle.shared {
        return None;
    }
    idle.off_roster_since?.checked_add(grace).ok()
}

/// Since when the holder of an account is off the personnel's list, if that suspends it as soon as it is active.
pub(super) fn off_roster(
    sql: &mut dyn Sql,
    options: &Options,
    account: &account::Entry,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let all = life::idle(sql, Timestamp::MIN)?;
    let found = all.into_iter().find(|idle| idle.account == account.id);
    let over = |idle: &Idle| roster_ends(options, idle).is_some_and(|at| at <= now);
    Ok(found.filter(over).and_then(|idle| idle.off_roster_since))
}

/// Suspends what was warned of and not used since, for the time of grace, and what was warned of since its holder has left, or is not on the personnel's list; returns whose holders are to be warned now.
///
/// # Errors
/// The store's.
pub async fn sweep(directory: &Directory) -> Result<Vec<ToWarn>, Error> {
    let (options, now) = (directory.options(), directory.inner.store.now());
    let settings = options.clone();
    let read =
        move |snapshot: &mut store::Snapshot<'_>| life::idle(snapshot, idle_before(&settings, now));
    let idle = directory.inner.store.read(read).await?;
    let mut to_warn = Vec::new();
    for found in idle {
        let person_left = is_orphan(&found);
        if !found.active && (!person_left || found.warned_at.is_some()) {
            continue;
        }
        if off_roster_until(&options, &found).is_some_and(|at| at <= now) {
            suspend(directory, &found, Why::OffRoster).await?;
            continue;
        }
        if found.since >= idle_before(&options, now) && !person_left {
            // It is shared, and only one of those who use it has left: the decision to share it is reviewed.
            continue;
        }
        match suspends_at(&options, &found) {
            Some(at) if at <= now && person_left => {
                suspend(directory, &found, Why::Orphan).await?;
            }
            Some(at) if at <= now => suspend(directory, &found, Why::Idle).await?,
            _ if found.warned_at.is_none() => {
                let grace = SignedDuration::try_from(options.idle_grace).unwrap_or_default();
                let suspends_at = now.checked_add(grace).ok();
                let suspends_at = suspends_at.filter(|_| !grace.is_zero() && found.active);
                to_warn.push(ToWarn {
                    account: found.account,
                    since: found.since,
                    identifier: found.identifier,
                    idle_since: found.since,
                    person_left,
                    suspends_at,
                });
            }
            _ => {}
        }
    }
    Ok(to_warn)
}

/// Whether nobody is left to use it: its holder has left, and it is shared with nobody.
fn is_orphan(idle: &Idle) -> bool {
    idle.person_left && !idle.shared
}

/// Why an identifier is suspended by rule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Idle,
    Orphan,
    OffRoster,
}

impl Why {
    const fn words(self) -> &'static str {
        match self {
            Self::Idle => "it lies idle (clause 7.1(3))",
            Self::Orphan => "its holder has left (clause 7.1(3))",
            Self::OffRoster => "its holder is not on the personnel's list (clause 7.1(3))",
        }
    }

    /// Whether it holds for an identifier that was found `before`, as it is `now`.
    fn holds(self, before: &Idle, now: &Idle) -> bool {
        now.account == before.account
            && match self {
                Self::Idle => now.since == before.since,
                Self::Orphan => is_orphan(now),
                Self::OffRoster => now.off_roster_since == before.off_roster_since && !now.shared,
            }
    }
}

async fn suspend(directory: &Directory, idle: &Idle, why: Why) -> Result<(), Error> {
    let (id, before) = (idle.account, idle.clone());
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
        let used = life::idle(tx, Timestamp::MAX)?;
        let still = used.iter().any(|now| why.holds(&before, now));
        let account =
            account::by_id(tx, id)?.filter(|account| account.state == AccountState::Active);
        let (true, Some(account)) = (still, account) else {
            return Err(Error::NotFound(format!("idle account {id}")));
        };
        account::suspend(tx, id)?;
        let revoked = app_password::revoke_all(tx, id)?;
        tx.touch(Topic::Account(id));
        tx.touch(Topic::Directory);
        let mut event = Event::new(Kind::AccountSuspended, Actor::System)
            .subject(account.identifier)
            .detail("reason", why.words());
        if let (Why::OffRoster, Some(since)) = (why, before.off_roster_since) {
            event = event.detail("off_roster_since", since.to_string());
        } else {
            event = event
                .detail("idle_since", before.since.to_string())
                .detail("warned_at", before.warned_at.map(|at| at.to_string()));
        }
        let event = event
            .detail("app_passwords_revoked", revoked)
            .detail("before", "active")
            .detail("after", "suspended");
        tx.record(&event, ())
    };
    match directory.inner.store.commit(Vec::new(), work).await {
        // It was used meanwhile, or is gone.
        Err(Error::NotFound(_)) => Ok(()),
        done => done.map(drop),
    }
}

/// Notes in a commit of the server's own that a holder was warned, by mail if `sent`.
///
/// # Errors
/// [`Error::NotFound`] when the identifier was used or warned of meanwhile; then nothing may be sent.
pub fn note_warning(tx: &mut Tx<'_>, warned: &ToWarn, sent: bool) -> Result<Recorded<()>, Error> {
    if !life::note_warning(tx, warned.account, warned.since)? {
        return Err(Error::NotFound(format!("idle {}", warned.identifier)));
    }
    let event = Event::new(Kind::IdleWarned, Actor::System)
        .subject(warned.identifier.as_str())
        .detail("idle_since", warned.idle_since.to_string())
        .detail("person_left", warned.person_left)
        .detail("suspends_at", warned.suspends_at.map(|at| at.to_string()))
        .detail("sent", sent);
    tx.record(&event, ())
}
