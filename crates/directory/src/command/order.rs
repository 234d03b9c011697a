//! `order issue | delete | import | forward | approve | list | show`

use std::time::Duration;

use jiff::Timestamp;
use message::address::Address;
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::{Tx, sql::Sql};
use trail::{Event, Kind};

use super::{
    Caller, CommandError, Executor, OrderProblem,
    new_address::free,
    on_behalf,
    on_record::{self, PERMITS, permits},
    person, plain_text,
};
use crate::{
    Options, Role,
    tables::{
        account, life, officer,
        order::{self, Entry, New, OrderDetails, OrderKind, OrderState},
        person as person_table,
    },
};

pub(super) const MAY: &[Role] = &[Role::SystemOfficer];
/// Longest name on an order, in characters.
const MOST_NAME: usize = 200;

/// An order, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct OrderView {
    /// Its number.
    pub number: i64,
    /// What it permits.
    pub kind: OrderKind,
    /// How far it has come.
    pub state: OrderState,
    /// Whether it is too late to use it, or to approve it.
    pub expired: bool,
    /// Whom it concerns; nobody in particular for an import.
    pub for_person: Option<String>,
    /// What exactly is ordered.
    pub details: OrderDetails,
    /// SHA-256 of the file to import, in hexadecimal.
    pub digest: Option<String>,
    /// Who ordered.
    pub issued_by: String,
    /// When.
    pub issued_at: Timestamp,
    /// Who approved.
    pub approved_by: Option<String>,
    /// When.
    pub approved_at: Option<Timestamp>,
    /// Until when it can be used.
    pub expires_at: Option<Timestamp>,
    /// Who carried it out.
    pub used_by: Option<String>,
    /// When.
    pub used_at: Option<Timestamp>,
    /// What came of it.
    pub used_for: Option<String>,
}

/// Orders an address for a person (clauses 7.1(1), 9.1(1)).
#[derive(Clone, Debug)]
pub struct IssueOrder {
    /// The person.
    pub for_person: String,
    /// The address.
    pub address: Address,
    /// The name as shown; the person's full name when not given.
    pub name: Option<String>,
    /// Quota in octets; the setting's when not given.
    pub quota: Option<u64>,
}

/// Why nothing is ordered or issued for a person who does not know of the records.
pub(super) fn not_acknowledged(name: &str) -> CommandError {
    CommandError::State(format!(
        "{name} has not acknowledged yet that mail records are kept and analysed (clause 9.1(2)): `person notice`, then `person acknowledge`"
    ))
}

/// Orders an account deleted (clauses 7.1(3), 9.2(1)).
#[derive(Clone, Debug)]
pub struct DeleteOrder {
    /// The person.
    pub for_person: String,
    /// The account's address; may be left out when the person has one only.
    pub address: Option<Address>,
    /// Not to be carried out before this; when not given, not before the person leaves.
    pub not_before: Option<Timestamp>,
}

/// Issues an order for an address; returns its number.
///
/// # Errors
/// [`CommandError`].
pub async fn issue(caller: &Caller, args: IssueOrder) -> Result<i64, CommandError> {
    let words = format!(
        "order issue --for {} --address {}",
        args.for_person, args.address
    );
    let options = caller.directory.options();
    let work = async {
        let name = args
            .name
            .as_deref()
            .map(|name| plain_text("the name", name, MOST_NAME))
            .transpose()?;
        caller
            .change(&words, MAY, move |tx, me| {
                let person = person::find(tx, &args.for_person)?;
                let acknowledged = life::acknowledged(tx, person.id)?;
                if acknowledged.is_none() && options.acknowledgement_required {
                    return Err(not_acknowledged(&person.name));
                }
                let announced_by = life::announced_by(tx, person.id)?;
                free(tx, &options, &args.address)?;
                let details = OrderDetails {
                    address: Some(args.address.canonical()),
                    name: Some(name.unwrap_or(person.full_name)),
                    quota: args.quota,
                    os_users: on_behalf::users_of(tx, &[person.id])?,
                    ..OrderDetails::default()
                };
                let concerned = Some((person.id, person.name.as_str()));
                let (number, events) = enter(tx, me, OrderKind::Issue, concerned, &details, None)?;
                let told = |event: Event| match &announced_by {
                    Some((_, name)) => event.detail("announced_by", name.as_str()),
                    None => event,
                };
                Ok((number, events.into_iter().map(told).collect()))
            })
            .await
    };
    caller.run(&words, work).await
}

/// Issues an order to delete an account; returns its number.
///
/// # Errors
/// [`CommandError`].
pub async fn delete(caller: &Caller, args: DeleteOrder) -> Result<i64, CommandError> {
    let words = format!("order delete --for {}", args.for_person);
    let work = caller.change(&words, MAY, move |tx, me| {
        // One who has left is the usual case.
        let person = person::any(tx, &args.for_person)?;
        let account = account_of(tx, &person, args.address.as_ref())?;
        let leaves_at = life::leaves_at(tx, person.id)?;
        if let (Some(wanted), Some(leaves)) = (args.not_before, leaves_at)
            && wanted < leaves
            && leaves > tx.now()
        {
            return Err(CommandError::Argument(format!(
                "{} leaves at {leaves}: an account of theirs is not deleted before; `person depart` puts that on another day",
                person.name
            )));
        }
        let details = OrderDetails {
            address: Some(account.address.clone()),
            not_before: args.not_before.or(leaves_at),
            ..OrderDetails::default()
        };
        enter(
            tx,
            me,
            OrderKind::Delete,
            Some((person.id, &person.name)),
            &details,
            None,
        )
    });
    caller.run(&words, work).await
}

/// The account of a person that an order is about: the one of that address, or the only one.
pub(super) fn account_of(
    sql: &mut dyn Sql,
    person: &person_table::Entry,
    address: Option<&Address>,
) -> Result<account::Entry, CommandError> {
    let mut accounts = account::of_person(sql, person.id)?;
    if address.is_none() && accounts.len() > 1 {
        return Err(CommandError::Argument(format!(
            "{} has several accounts; name one with --address",
            person.name
        )));
    }
    if let Some(address) = address.map(Address::canonical) {
        accounts.retain(|account| account.address == address);
    }
    accounts.pop().ok_or_else(|| CommandError::NoSuch {
        what: "an account of",
        name: person.name.clone(),
    })
}

/// Issues an order to import exactly this file of accounts; returns its number. The file is checked first.
///
/// # Errors
/// [`CommandError`].
pub async fn import(caller: &Caller, file: &[u8]) -> Result<i64, CommandError> {
    let digest = digest(file);
    let words = format!("order import (sha256 {digest})");
    let options = caller.directory.options();
    let work = async {
        let rows = super::import::parse(file, &options)?;
        let rows = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        caller
            .change(&words, MAY, move |tx, me| {
                let details = OrderDetails {
                    rows: Some(rows),
                    ..OrderDetails::default()
                };
                enter(tx, me, OrderKind::Import, None, &details, Some(&digest))
            })
            .await
    };
    caller.run(&words, work).await
}

/// Orders that mail of an account may go on to an address (clause 7.1(4)).
#[derive(Clone, Debug)]
pub struct ForwardOrder {
    /// The account's address.
    pub address: Address,
    /// Where its mail may go on to.
    pub to: Address,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// Issues an order for a forward; returns its number.
///
/// # Errors
/// [`CommandError`].
pub async fn forward(caller: &Caller, args: ForwardOrder) -> Result<i64, CommandError> {
    let words = format!("order forward --address {} --to {}", args.address, args.to);
    let options = caller.directory.options();
    let work = caller.change(&words, MAY, move |tx, me| {
        let account = super::account::present(tx, &options, &args.address.to_string())?;
        if args.until.is_some_and(|until| until <= tx.now()) {
            return Err(CommandError::Argument(
                "the forward would be over already".to_owned(),
            ));
        }
        let details = OrderDetails {
            address: Some(account.address.clone()),
            to: Some(super::forward::settled(&options, &args.to)),
            until: args.until,
            ..OrderDetails::default()
        };
        let person = (account.person.0, account.person.1.as_str());
        enter(tx, me, OrderKind::Forward, Some(person), &details, None)
    });
    caller.run(&words, work).await
}

/// Approves an order: by a system officer who did not issue it.
///
/// # Errors
/// [`CommandError`].
pub async fn approve(caller: &Caller, number: i64) -> Result<OrderView, CommandError> {
    let words = format!("order approve {number}");
    let options = caller.directory.options();
    let work = caller.change(&words, MAY, move |tx, me| {
        let order = by_number(tx, number)?;
        if order.state != OrderState::Issued {
            return Err(CommandError::Order {
                number,
                problem: OrderProblem::Approved,
            });
        }
        let (now, refused) = (tx.now(), |problem| CommandError::Order { number, problem });
        if lapses_at(&order, options.order_lifetime) <= now {
            return Err(refused(OrderProblem::Expired));
        }
        let single = order.issued_by.0 == me.id;
        if single && !single_permitted(tx, now, &options)? {
            return Err(refused(second(order.kind)));
        }
        must_stand(tx, now, (&order, &order.issued_by), may_issue(order.kind))?;
        must_be_on_record(tx, &order)?;
        let expires_at = usable_until(&order, now, options.order_lifetime);
        order::approve(tx, number, me.id, expires_at)?;
        let event = me
            .event(Kind::OrderApproved, number.to_string())
            .order(number)
            .detail("issued_by", order.issued_by.1.as_str())
            .detail("expires_at", expires_at.to_string())
            .detail(PERMITS, permits(&order)?);
        let shown = view(by_number(tx, number)?, now, options.order_lifetime);
        Ok((shown, vec![mark_single(event, single)]))
    });
    caller.run(&words, work).await
}

/// All orders.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<OrderView>, CommandError> {
    let now = caller.directory.inner.store.now();
    let lifetime = caller.directory.options().order_lifetime;
    caller
        .look("order list", &Role::OFFICERS, move |snapshot, _| {
            Ok(order::all(snapshot)?
                .into_iter()
                .map(|entry| view(entry, now, lifetime))
                .collect())
        })
        .await
}

/// One order.
///
/// # Errors
/// [`CommandError`].
pub async fn show(caller: &Caller, number: i64) -> Result<OrderView, CommandError> {
    let now = caller.directory.inner.store.now();
    let lifetime = caller.directory.options().order_lifetime;
    let words = format!("order show {number}");
    caller
        .look(&words, &Role::OFFICERS, move |snapshot, _| {
            Ok(view(by_number(snapshot, number)?, now, lifetime))
        })
        .await
}

/// What an order says, for what is told of it when it is carried out; no event, since it is not shown to anybody. Nothing where there is
/// no such order: what carries it out refuses that, on record.
///
/// # Errors
/// [`CommandError`].
pub async fn details(caller: &Caller, number: i64) -> Result<OrderDetails, CommandError> {
    let read = move |snapshot: &mut store::Snapshot<'_>| order::by_number(snapshot, number);
    let found = caller.directory.inner.store.read(read).await?;
    Ok(found.map_or_else(OrderDetails::default, |found| found.details))
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn digest(file: &[u8]) -> String {
    Sha256::digest(file)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// An order that the executor may use now, and whether one person plays two parts in it.
pub(super) fn usable(
    tx: &mut Tx<'_>,
    number: i64,
    kind: OrderKind,
    me: &Executor,
    options: &Options,
) -> Result<(Entry, bool), CommandError> {
    let now = tx.now();
    usable_at(tx, now, (number, kind), me, options)
}

/// The same at an instant, also in a snapshot: before work that is not to be done for nothing.
pub(super) fn usable_at(
    sql: &mut dyn Sql,
    now: Timestamp,
    (number, kind): (i64, OrderKind),
    me: &Executor,
    options: &Options,
) -> Result<(Entry, bool), CommandError> {
    let refused = |problem| CommandError::Order { number, problem };
    let order = by_number(sql, number)?;
    if order.kind != kind {
        return Err(refused(OrderProblem::Kind {
            found: order.kind,
            wanted: kind,
        }));
    }
    match order.state {
        OrderState::Issued => return Err(refused(OrderProblem::NotApproved)),
        OrderState::Used => return Err(refused(OrderProblem::Used)),
        // What has begun may be ended whatever the day.
        OrderState::Executing => {}
        OrderState::Approved if order.expires_at.is_none_or(|at| at <= now) => {
            return Err(refused(OrderProblem::Expired));
        }
        OrderState::Approved => {}
    }
    must_be_on_record(sql, &order)?;
    if let Some(day) = order.details.not_before.filter(|day| *day > now) {
        return Err(refused(OrderProblem::TooEarly(day)));
    }
    let approver = order.approved_by.as_ref().map(|(id, _)| *id);
    // Two people do it: one issues, and the other approves and carries out; of what is done on another's behalf, one asks and carries
    // out, and the other approves.
    let mine = match kind.is_on_behalf() {
        true => approver == Some(me.id),
        false => order.issued_by.0 == me.id,
    };
    if mine && !single_permitted(sql, now, options)? {
        return Err(refused(second(kind)));
    }
    if order.state == OrderState::Approved {
        must_stand(sql, now, (&order, &order.issued_by), may_issue(kind))?;
        if let Some(by) = &order.approved_by {
            must_stand(sql, now, (&order, by), MAY)?;
        }
    }
    let single = mine || approver == Some(order.issued_by.0);
    Ok((order, single))
}

/// Why the same person may not.
const fn second(kind: OrderKind) -> OrderProblem {
    match kind.is_on_behalf() {
        true => OrderProblem::SecondApprover,
        false => OrderProblem::SecondPerson,
    }
}

/// Who issues an order of that kind.
const fn may_issue(kind: OrderKind) -> &'static [Role] {
    match kind {
        OrderKind::Password | OrderKind::SecondFactor => on_behalf::MAY_ASK,
        _ => MAY,
    }
}

/// Refuses an order by one who is not here any more, or holds none of the roles `may`: nobody answers for it.
fn must_stand(
    sql: &mut dyn Sql,
    now: Timestamp,
    (order, (by, name)): (&Entry, &(store::PersonId, String)),
    may: &[Role],
) -> Result<(), CommandError> {
    let roles = person_table::roles(sql, *by)?;
    if roles.iter().any(|role| may.contains(role)) && !life::gone(sql, *by, now)? {
        return Ok(());
    }
    Err(CommandError::Order {
        number: order.number,
        problem: OrderProblem::Unanswered(name.clone()),
    })
}

/// Until when an order can be carried out that is approved at `approved`: what may not be before a day can be from that day on.
fn usable_until(order: &Entry, approved: Timestamp, lifetime: Duration) -> Timestamp {
    let from = order.details.not_before.unwrap_or(Timestamp::MIN);
    let until = from.max(approved).checked_add(lifetime);
    until.unwrap_or(Timestamp::MAX)
}

/// Until when an order can be approved: as long as if that had been done at once.
pub(super) fn lapses_at(order: &Entry, lifetime: Duration) -> Timestamp {
    usable_until(order, order.issued_at, lifetime)
}

/// Refuses an order that the trail does not tell of as it stands.
fn must_be_on_record(sql: &mut dyn Sql, order: &Entry) -> Result<(), CommandError> {
    let problem = match on_record::fault(sql, order)? {
        None => return Ok(()),
        Some(on_record::Fault::Unnoted) => OrderProblem::Unnoted,
        Some(_) => OrderProblem::Forged,
    };
    let number = order.number;
    Err(CommandError::Order { number, problem })
}

/// Whether one person may do now what the regulation gives to two: where the site permits it, and only while there is no second
/// person for it, whatever the settings say from then on.
pub(crate) fn single_permitted(
    sql: &mut dyn Sql,
    now: Timestamp,
    options: &Options,
) -> Result<bool, store::Error> {
    Ok(alone_from(sql, options)?.is_some_and(|from| from <= now))
}

/// From when on one person may do what the regulation gives to two; `None`: not as things stand. One who ceases to be an officer counts on
/// for as long as an order lasts: else whoever can take roles would be alone whenever they want, and give the roles back.
pub(crate) fn alone_from(
    sql: &mut dyn Sql,
    options: &Options,
) -> Result<Option<Timestamp>, store::Error> {
    if !options.allow_single_person || person_table::officers(sql)? >= 2 {
        return Ok(None);
    }
    let ceased = officer::ceased(sql)?;
    Ok(Some(ceased.map_or(Timestamp::MIN, |at| {
        let from = at.checked_add(options.order_lifetime);
        from.unwrap_or(Timestamp::MAX)
    })))
}

/// Says in the event that one person did what the regulation gives to two.
pub(super) fn mark_single(event: Event, single: bool) -> Event {
    if single {
        event.detail("single_person", true)
    } else {
        event
    }
}

pub(super) fn enter(
    tx: &mut Tx<'_>,
    me: &Executor,
    kind: OrderKind,
    person: Option<(store::PersonId, &str)>,
    details: &OrderDetails,
    digest: Option<&str>,
) -> Result<(i64, Vec<Event>), CommandError> {
    let new = New {
        kind,
        for_person: person.map(|p| p.0),
        details,
        digest,
        issued_by: me.id,
    };
    let number = order::insert(tx, &new)?;
    let told = serde_json::to_value(details).unwrap_or_default();
    let event = me
        .event(Kind::OrderIssued, number.to_string())
        .order(number)
        .detail("order_kind", kind.as_str())
        .detail("for", person.map(|p| p.1))
        .detail("details", told)
        .detail("digest", digest);
    Ok((number, vec![event]))
}

fn by_number(sql: &mut dyn Sql, number: i64) -> Result<Entry, CommandError> {
    order::by_number(sql, number)?.ok_or_else(|| CommandError::NoSuch {
        what: "order",
        name: number.to_string(),
    })
}

fn view(entry: Entry, now: Timestamp, lifetime: Duration) -> OrderView {
    let expired = match entry.state {
        OrderState::Issued => lapses_at(&entry, lifetime) <= now,
        OrderState::Approved => entry.expires_at.is_some_and(|at| at <= now),
        OrderState::Executing | OrderState::Used => false,
    };
    OrderView {
        expired,
        number: entry.number,
        kind: entry.kind,
        state: entry.state,
        for_person: entry.for_person.map(|(_, name)| name),
        details: entry.details,
        digest: entry.digest,
        issued_by: entry.issued_by.1,
        issued_at: entry.issued_at,
        approved_by: entry.approved_by.map(|(_, name)| name),
        approved_at: entry.approved_at,
        expires_at: entry.expires_at,
        used_by: entry.used_by,
        used_at: entry.used_at,
        used_for: entry.used_for,
    }
}
