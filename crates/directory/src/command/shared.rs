//! `order shared`, `account share | unshare`: identifiers that several people use (clause 8.1), each with secrets of their own, so
//! that the trail names who it was. The decision has a day of review; without a new one the identifier is suspended then.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use message::address::Address;
use serde::Serialize;
use store::{Error, PersonId, Recorded, Topic, Tx};
use trail::{Actor, Event, Kind};

use super::{
    Caller, CommandError, Commit, Executor,
    account::present,
    incident, on_behalf,
    order::{self, mark_single},
    person, renewed,
};
use crate::{
    Directory, Options, Role,
    tables::{
        account, app_password, credential, life,
        order::{OrderDetails, OrderKind, OrderState, mark},
        shared,
    },
};

/// People who may share one identifier at most.
pub const MOST_USERS: usize = 100;
const MAY: &[Role] = &[Role::AccountManager];

/// An order that an identifier is shared.
#[derive(Clone, Debug)]
pub struct ShareOrder {
    /// The account's address.
    pub address: Address,
    /// Short names of those who use it, and of nobody else.
    pub users: Vec<String>,
    /// When the decision is to be reviewed.
    pub review_at: Timestamp,
}

/// A shared identifier, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// The identifier.
    pub identifier: String,
    /// The order that it is shared on.
    pub order: i64,
    /// Who uses it.
    pub users: Vec<String>,
    /// When the decision is to be reviewed.
    pub review_at: Timestamp,
    /// When its users were warned that this is near.
    pub warned_at: Option<Timestamp>,
    /// Whether it is suspended.
    pub suspended: bool,
}

/// Issues an order to share an identifier; returns its number.
///
/// # Errors
/// [`CommandError`].
pub async fn order(caller: &Caller, args: ShareOrder) -> Result<i64, CommandError> {
    let words = format!("order shared --address {}", args.address);
    let options = caller.directory.options();
    let work = caller.change(&words, order::MAY, move |tx, me| {
        let account = present(tx, &options, &args.address.to_string())?;
        let users: BTreeSet<String> = args.users.into_iter().collect();
        if users.is_empty() || users.len() > MOST_USERS {
            return Err(CommandError::Argument(format!(
                "an identifier is shared by 1 to {MOST_USERS} people"
            )));
        }
        let mut people = Vec::with_capacity(users.len());
        for name in &users {
            people.push(person::find(tx, name)?.id);
        }
        if args.review_at <= tx.now() {
            return Err(CommandError::Argument(
                "the day of review has passed already".to_owned(),
            ));
        }
        let details = OrderDetails {
            address: Some(account.address.clone()),
            users: users.into_iter().collect(),
            os_users: on_behalf::users_of(tx, &people)?,
            until: Some(args.review_at),
            ..OrderDetails::default()
        };
        let person = (account.person.0, account.person.1.as_str());
        order::enter(tx, me, OrderKind::Shared, Some(person), &details, None)
    });
    caller.run(&words, work).await
}

/// Shares an identifier, or goes on sharing it, as an approved order says. Its password and the secrets of those who do not
/// use it any more are gone; if it is suspended, those of all, and it can be resumed. In an incident that demands a new password this is
/// what one would be.
///
/// # Errors
/// [`CommandError`].
pub async fn share(caller: &Caller, number: i64, by: impl Commit) -> Result<View, CommandError> {
    let words = format!("account share --order {number}");
    let options = caller.directory.options();
    let work = caller.change_by(by, &words, MAY, move |tx, me| {
        carry_out(tx, me, &options, number)
    });
    caller.run(&words, work).await
}

fn carry_out(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    number: i64,
) -> Result<(View, Vec<Event>), CommandError> {
    let (order, single) = order::usable(tx, number, OrderKind::Shared, me, options)?;
    let (Some(address), Some(review_at)) = (order.details.address, order.details.until) else {
        return Err(CommandError::State(format!(
            "order {number} names no address or no day of review"
        )));
    };
    if review_at <= tx.now() {
        return Err(CommandError::State(format!(
            "the day of review of order {number} has passed; ask for a new one"
        )));
    }
    let account = present(tx, options, &address.to_string())?;
    // In an incident another decision is what a new password would be.
    let awaiting = incident::awaiting_password(tx, &account)?;
    if awaiting.is_empty() {
        incident::must_be_over(tx, &account)?;
    }
    let before = shared::users(tx, account.id)?;
    let mut users: Vec<PersonId> = Vec::with_capacity(order.details.users.len());
    for name in &order.details.users {
        users.push(person::find(tx, name)?.id);
    }
    on_behalf::must_be_named(tx, options, (number, &order.details.os_users), &users)?;
    if before.is_empty() && !users.contains(&account.person.0) && life::is_used(tx, account.id)? {
        return Err(CommandError::State(format!(
            "{} has been used by {} alone, whose mail others would read then: name {} among those who share it, or have an \
             identifier of its own issued for what is to be shared (clause 7.1(4))",
            account.identifier, account.person.1, account.person.1
        )));
    }
    let suspended = account.suspended_at.is_some();
    let mut revoked = 0_u64;
    for entry in app_password::of(tx, account.id)? {
        if suspended || !users.contains(&entry.made_by) {
            app_password::revoke(tx, entry.number)?;
            revoked = revoked.saturating_add(1);
        }
    }
    credential::delete(tx, account.id)?;
    account::renew(tx, account.id, false)?;
    shared::set(tx, account.id, (number, review_at), &users)?;
    mark(tx, number, OrderState::Used, me.id, &account.identifier)?;
    tx.touch(Topic::Account(account.id));
    let names = |users: &[(PersonId, String)]| -> Vec<String> {
        users.iter().map(|(_, name)| name.clone()).collect()
    };
    let event = me
        .event(Kind::IdentifierShared, &account.identifier)
        .order(number)
        .detail("users", order.details.users)
        .detail("users_before", names(&before))
        .detail("review_at", review_at.to_string())
        .detail("app_passwords_revoked", revoked);
    let entry = shared::of(tx, account.id)?.ok_or(CommandError::Changed)?;
    let mut events = vec![mark_single(event, single)];
    let note = format!("it is shared anew, on order {number}");
    events.extend(renewed::settled(tx, &awaiting, &note)?);
    Ok((view(tx, entry)?, events))
}

/// An identifier is its holder's alone again: the secrets of all are gone, and the holder needs a new password.
///
/// # Errors
/// [`CommandError`]; nobody gets by it the mail that others used it for.
pub async fn unshare(caller: &Caller, name: &str) -> Result<(), CommandError> {
    let words = format!("account unshare {name}");
    let (options, name) = (caller.directory.options(), name.to_owned());
    let work = caller.change(&words, MAY, move |tx, me| {
        let account = present(tx, &options, &name)?;
        let entry = shared::of(tx, account.id)?
            .ok_or_else(|| CommandError::State(format!("{} is not shared", account.identifier)))?;
        let before = shared::users(tx, account.id)?;
        let (holder, holder_name) = &account.person;
        if !before.iter().any(|(user, _)| user == holder) && life::is_used(tx, account.id)? {
            return Err(CommandError::State(format!(
                "{} has been used by others than {holder_name}, who holds it and would read their mail then: share it with {holder_name} first, on \
                 an order (`order shared`), or have it deleted (clause 7.1(4))",
                account.identifier
            )));
        }
        let revoked = app_password::revoke_all(tx, account.id)?;
        let before: Vec<String> = before.into_iter().map(|(_, name)| name).collect();
        shared::forget(tx, account.id)?;
        account::prove_anew(tx, account.id)?;
        tx.touch(Topic::Account(account.id));
        let event = me
            .event(Kind::IdentifierUnshared, account.identifier)
            .detail("shared_on", entry.order)
            .detail("users_before", before)
            .detail("app_passwords_revoked", revoked);
        Ok(((), vec![event]))
    });
    caller.run(&words, work).await
}

/// All shared identifiers.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<View>, CommandError> {
    caller
        .look("account shared", &Role::OFFICERS, |snapshot, _| {
            Ok(listed(snapshot)?)
        })
        .await
}

/// All shared identifiers, for reports.
///
/// # Errors
/// The store's.
pub async fn found(directory: &Directory) -> Result<Vec<View>, Error> {
    let read = |snapshot: &mut store::Snapshot<'_>| listed(snapshot);
    directory.inner.store.read(read).await
}

/// The same, as a snapshot has them. For rooms that build upon this one.
///
/// # Errors
/// The store's.
pub fn listed(sql: &mut dyn store::sql::Sql) -> Result<Vec<View>, Error> {
    let all = shared::all(sql)?;
    let views = all.into_iter().map(|entry| view(sql, entry));
    views.collect()
}

fn view(sql: &mut dyn store::sql::Sql, entry: shared::Entry) -> Result<View, Error> {
    let users = shared::users(sql, entry.account)?;
    Ok(View {
        users: users.into_iter().map(|(_, name)| name).collect(),
        identifier: entry.identifier,
        order: entry.order,
        review_at: entry.review_at,
        warned_at: entry.warned_at,
        suspended: !entry.active,
    })
}

/// A shared identifier whose users are to be warned.
#[derive(Clone, Debug)]
pub struct ToWarn {
    account: store::AccountId,
    /// The identifier.
    pub identifier: String,
    /// When it is suspended, unless there is a new decision.
    pub review_at: Timestamp,
    /// Main addresses of those who use it.
    pub users: Vec<Address>,
}

/// How long before the review its users are warned, and how long after the warning it is suspended at the earliest.
const NOTICE: SignedDuration = SignedDuration::from_hours(14 * 24);
const LEAST_NOTICE: SignedDuration = SignedDuration::from_hours(24);

/// Suspends what was not reviewed; returns whose users are to be warned now.
///
/// # Errors
/// The store's.
pub async fn sweep(directory: &Directory) -> Result<Vec<ToWarn>, Error> {
    let now = directory.inner.store.now();
    let read = move |snapshot: &mut store::Snapshot<'_>| {
        let mut found = Vec::new();
        for entry in shared::all(snapshot)? {
            let mut users = Vec::new();
            for (person, _) in shared::users(snapshot, entry.account)? {
                let own = account::of_person(snapshot, person)?;
                users.extend(own.first().map(|account| account.address.clone()));
            }
            found.push((entry, users));
        }
        Ok::<_, Error>(found)
    };
    let mut to_warn = Vec::new();
    for (entry, users) in directory.inner.store.read(read).await? {
        let due = now >= entry.review_at;
        let near = now
            >= entry
                .review_at
                .checked_sub(NOTICE)
                .unwrap_or(Timestamp::MIN);
        match entry.warned_at {
            None if near && entry.active => to_warn.push(ToWarn {
                account: entry.account,
                identifier: entry.identifier,
                review_at: entry.review_at,
                users,
            }),
            Some(warned) if due && entry.active && now.duration_since(warned) >= LEAST_NOTICE => {
                suspend(directory, entry).await?;
            }
            _ => {}
        }
    }
    Ok(to_warn)
}

async fn suspend(directory: &Directory, entry: shared::Entry) -> Result<(), Error> {
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
        let still = shared::of(tx, entry.account)?;
        if !still.is_some_and(|now| now.active && now.review_at == entry.review_at) {
            return Err(Error::NotFound(entry.identifier));
        }
        account::suspend(tx, entry.account)?;
        tx.touch(Topic::Account(entry.account));
        tx.touch(Topic::Directory);
        let event = Event::new(Kind::AccountSuspended, Actor::System)
            .subject(entry.identifier)
            .detail(
                "reason",
                "the decision to share it was not reviewed (clause 8.1)",
            )
            .detail("review_at", entry.review_at.to_string())
            .detail("before", "active")
            .detail("after", "suspended");
        tx.record(&event, ())
    };
    match directory.inner.store.commit(Vec::new(), work).await {
        // Decided anew meanwhile.
        Err(Error::NotFound(_)) => Ok(()),
        done => done.map(drop),
    }
}

/// Notes in a commit of the server's own that the users were warned, by mail if `sent`.
///
/// # Errors
/// [`Error::NotFound`] when they were warned meanwhile; then nothing may be sent.
pub fn note_warning(tx: &mut Tx<'_>, warned: &ToWarn, sent: bool) -> Result<Recorded<()>, Error> {
    if !shared::note_warning(tx, warned.account)? {
        return Err(Error::NotFound(warned.identifier.clone()));
    }
    let event = Event::new(Kind::ReviewWarned, Actor::System)
        .subject(warned.identifier.as_str())
        .detail("review_at", warned.review_at.to_string())
        .detail("sent", sent);
    tx.record(&event, ())
}

/// Shared identifiers whose review is near or has passed: identifier, day. For the server's own reports.
///
/// # Errors
/// When the store cannot be read.
pub async fn near(directory: &Directory) -> Result<Vec<(String, Timestamp)>, Error> {
    let now = directory.inner.store.now();
    let read = |snapshot: &mut store::Snapshot<'_>| shared::all(snapshot);
    let mut all = directory.inner.store.read(read).await?;
    all.retain(|entry| {
        now >= entry
            .review_at
            .checked_sub(NOTICE)
            .unwrap_or(Timestamp::MIN)
    });
    Ok(all
        .into_iter()
        .map(|entry| (entry.identifier, entry.review_at))
        .collect())
}
