//! `account forward`: where mail goes on to. A forward to outside needs an
//! order, unless the site permits all; it dies with its account, its order's day, or the account's order of deletion.

use jiff::Timestamp;
use message::address::Address;
use serde::Serialize;
use store::{Error, Recorded, Topic, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use super::{
    Caller, CommandError, Executor, OrderProblem,
    account::present,
    app_password::{own, own_or},
    order::{self, mark_single},
};
use crate::{
    Directory, Options, Role,
    route::inside,
    tables::{
        account, address, forward,
        order::{OrderKind, OrderState, mark},
    },
};

/// Forwards of one account at most.
pub const MOST: usize = 10;
const MAY: &[Role] = &[Role::AccountManager];
const MAY_REMOVE: &[Role] = &[
    Role::Administrator,
    Role::AccountManager,
    Role::SecurityOfficer,
];

/// A forward to be made.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The account.
    pub name: String,
    /// Where its mail goes on to.
    pub target: Address,
    /// The order that permits it.
    pub order: Option<i64>,
    /// When it ends by itself; not after its order says.
    pub until: Option<Timestamp>,
}

/// A forward, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// The account.
    pub identifier: String,
    /// Where its mail goes on to.
    pub target: Address,
    /// Whether that is outside.
    pub outside: bool,
    /// The order that permits it, if one was needed.
    pub order: Option<i64>,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Who made it.
    pub added_by: String,
    /// When.
    pub added_at: Timestamp,
}

/// Makes a forward: the holder to an address inside, or to outside where the site permits all; else on an order, by an account manager who
/// neither issued nor approved it.
///
/// # Errors
/// [`CommandError`].
pub async fn add(caller: &Caller, wish: Wish) -> Result<(), CommandError> {
    let mut words = format!("account forward add {} {}", wish.name, wish.target);
    if let Some(order) = wish.order {
        words.push_str(&format!(" --order {order}"));
    }
    let options = caller.directory.options();
    let work = caller.change(&words, &[], move |tx, me| match wish.order {
        Some(number) => ordered(tx, me, &options, &wish, number),
        None => permitted(tx, me, &options, &wish),
    });
    caller.run(&words, work).await
}

/// On an order, which says exactly what.
fn ordered(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    wish: &Wish,
    number: i64,
) -> Result<((), Vec<Event>), CommandError> {
    if !me.has(Role::AccountManager) {
        return Err(CommandError::NotPermitted(MAY));
    }
    let (order, single) = order::usable(tx, number, OrderKind::Forward, me, options)?;
    let account = present(tx, options, &wish.name)?;
    let (from, to) = (order.details.address, order.details.to);
    if from.as_ref() != Some(&account.address)
        || to.as_ref() != Some(&settled(options, &wish.target))
    {
        let told = |address: Option<Address>| address.map_or_else(String::new, |a| a.to_string());
        let problem = OrderProblem::Address(format!("{} to {}", told(from), told(to)));
        return Err(CommandError::Order { number, problem });
    }
    let until = [wish.until, order.details.until]
        .into_iter()
        .flatten()
        .min();
    let event = enter(
        tx,
        (me, options),
        &account,
        &wish.target,
        (Some(number), until),
    )?;
    let done = format!("{} to {}", account.identifier, wish.target);
    mark(tx, number, OrderState::Used, me.id, &done)?;
    Ok(((), vec![mark_single(event.order(number), single)]))
}

/// An address as it is kept: inside, in the form in which it is looked up; outside, its local part is nobody's to change (RFC
/// 5321, section 2.4).
pub(super) fn settled(options: &Options, address: &Address) -> Address {
    match options.own(address.domain()) {
        Some(_) => address.canonical(),
        None => address.clone(),
    }
}

fn permitted(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    wish: &Wish,
) -> Result<((), Vec<Event>), CommandError> {
    let account = own(tx, options, &wish.name, me)?;
    let outside = options.own(wish.target.domain()).is_none();
    if outside && !options.outside_forwards {
        return Err(CommandError::State(format!(
            "{} is outside: a forward there needs an order, `order forward --address {} --to {}`",
            wish.target, account.identifier, wish.target
        )));
    }
    let event = enter(
        tx,
        (me, options),
        &account,
        &wish.target,
        (None, wish.until),
    )?;
    Ok(((), vec![event]))
}

fn enter(
    tx: &mut Tx<'_>,
    (me, options): (&Executor, &Options),
    account: &account::Entry,
    target: &Address,
    terms: (Option<i64>, Option<Timestamp>),
) -> Result<Event, CommandError> {
    if terms.1.is_some_and(|until| until <= tx.now()) {
        return Err(CommandError::Argument(
            "the forward would be over already".to_owned(),
        ));
    }
    if address::belongs(tx, target, account.id)? {
        return Err(CommandError::Argument(format!(
            "{target} is {} itself",
            account.identifier
        )));
    }
    let outside = options.own(target.domain()).is_none();
    if !outside && inside(tx, options, target)?.is_empty() {
        return Err(CommandError::Argument(format!(
            "{target} is no address here to which everybody may write"
        )));
    }
    if forward::of(tx, account.id)?.len() >= MOST {
        return Err(CommandError::State(format!(
            "{} has {MOST} forwards, as many as it may",
            account.identifier
        )));
    }
    if !forward::insert(tx, account.id, &settled(options, target), terms, me.id)? {
        return Err(CommandError::Exists {
            what: "a forward to",
            name: target.to_string(),
        });
    }
    Ok(me
        .event(Kind::ForwardAdded, &account.identifier)
        .detail("target", target.to_string())
        .detail("until", terms.1.map(|until| until.to_string())))
}

/// Takes a forward away: the holder, or who has a role for it.
///
/// # Errors
/// [`CommandError`].
pub async fn remove(caller: &Caller, name: &str, target: &Address) -> Result<(), CommandError> {
    let words = format!("account forward remove {name} {target}");
    let options = caller.directory.options();
    let (name, target) = (name.to_owned(), target.clone());
    let work = caller.change(&words, &[], move |tx, me| {
        let account = own_or(tx, &options, &name, me, MAY_REMOVE)?;
        if !forward::delete(tx, account.id, &settled(&options, &target))? {
            return Err(CommandError::NoSuch {
                what: "a forward to",
                name: target.to_string(),
            });
        }
        let mine = account.person.0 == me.id;
        let by: &[Role] = if mine { &[] } else { MAY_REMOVE };
        let event = me
            .event_by(by, Kind::ForwardRemoved, account.identifier)
            .detail("target", target.to_string())
            .detail("why", "command");
        Ok(((), vec![event]))
    });
    caller.run(&words, work).await
}

/// The forwards of one account, or all of them.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller, name: Option<&str>) -> Result<Vec<View>, CommandError> {
    let words = format!("account forward list {}", name.unwrap_or(""));
    let options = caller.directory.options();
    let name = name.map(str::to_owned);
    caller
        .look(words.trim(), &[], move |snapshot, me| {
            let Some(name) = name else {
                if !Role::OFFICERS.iter().any(|role| me.has(*role)) {
                    return Err(CommandError::NotPermitted(&Role::OFFICERS));
                }
                let all = forward::all(snapshot)?;
                return Ok(all.into_iter().map(|f| view(&options, f)).collect());
            };
            let account = own_or(snapshot, &options, &name, me, &Role::OFFICERS)?;
            Ok(of(snapshot, &options, &account)?)
        })
        .await
}

pub(super) fn of(
    sql: &mut dyn Sql,
    options: &Options,
    account: &account::Entry,
) -> Result<Vec<View>, Error> {
    let found = forward::of(sql, account.id)?;
    Ok(found.into_iter().map(|f| view(options, f)).collect())
}

fn view(options: &Options, entry: forward::Entry) -> View {
    View {
        outside: options.own(entry.target.domain()).is_none(),
        identifier: entry.identifier,
        target: entry.target,
        order: entry.order,
        until: entry.until,
        added_by: entry.added_by,
        added_at: entry.added_at,
    }
}

/// All forwards, for reports.
///
/// # Errors
/// The store's.
pub async fn found(directory: &Directory) -> Result<Vec<View>, Error> {
    let options = directory.options();
    let read = |snapshot: &mut store::Snapshot<'_>| forward::all(snapshot);
    let all = directory.inner.store.read(read).await?;
    Ok(all.into_iter().map(|entry| view(&options, entry)).collect())
}

/// Takes away every forward whose day has come; returns how many there were.
///
/// # Errors
/// The store's.
pub async fn expire(directory: &Directory) -> Result<usize, Error> {
    let now = directory.inner.store.now();
    let read = move |snapshot: &mut store::Snapshot<'_>| forward::all(snapshot);
    let mut due = directory.inner.store.read(read).await?;
    due.retain(|entry| entry.until.is_some_and(|until| until <= now));
    let count = due.len();
    for entry in due {
        let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
            if !forward::delete(tx, entry.account, &entry.target)? {
                return Err(Error::NotFound(entry.target.to_string()));
            }
            tx.touch(Topic::Directory);
            let event = Event::new(Kind::ForwardRemoved, Actor::System)
                .subject(entry.identifier)
                .detail("target", entry.target.to_string())
                .detail("why", "over");
            tx.record(&event, ())
        };
        match directory.inner.store.commit(Vec::new(), work).await {
            // Taken away meanwhile.
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}
