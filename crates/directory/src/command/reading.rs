//! `order read`, `account reading`: another's mailbox is read on an order for one mailbox, one person, one purpose and one period,
//! by that person alone, and nothing in it changes (clause 7.1(4)). There is no other way: no master password, no impersonation.

use jiff::Timestamp;
use message::address::Address;
use serde::Serialize;
use store::{Error, Recorded, Topic, Tx};
use trail::{Actor, Event, Kind};

use super::{
    Caller, CommandError, Commit, Executor,
    account::{MOST_REASON, present},
    on_behalf,
    order::{self, mark_single},
    person, plain_text,
};
use crate::{
    Directory, Options, Role,
    tables::{
        app_password,
        order::{OrderDetails, OrderKind, OrderState, mark},
        reading,
    },
};

const MAY: &[Role] = &[Role::AccountManager];
const MAY_END: &[Role] = &[
    Role::Administrator,
    Role::AccountManager,
    Role::SystemOfficer,
    Role::SecurityOfficer,
];

/// An order that somebody reads another's mailbox.
#[derive(Clone, Debug)]
pub struct ReadOrder {
    /// The account's address.
    pub address: Address,
    /// Who reads it.
    pub reader: String,
    /// What for.
    pub purpose: String,
    /// Until when.
    pub until: Timestamp,
}

/// An access, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// The identifier whose mailbox is read.
    pub identifier: String,
    /// Who reads it.
    pub person: String,
    /// What for.
    pub purpose: String,
    /// The order.
    pub order: i64,
    /// Since when.
    pub opened_at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Issues an order to read a mailbox; returns its number.
///
/// # Errors
/// [`CommandError`].
pub async fn order(caller: &Caller, args: ReadOrder) -> Result<i64, CommandError> {
    let words = format!(
        "order read --address {} --for {}",
        args.address, args.reader
    );
    let options = caller.directory.options();
    let work = async {
        let purpose = plain_text("the purpose", &args.purpose, MOST_REASON)?;
        caller
            .change(&words, order::MAY, move |tx, me| {
                let account = present(tx, &options, &args.address.to_string())?;
                let reader = person::find(tx, &args.reader)?;
                if reader.id == account.person.0 {
                    return Err(CommandError::Argument(format!(
                        "{} is {}'s own",
                        account.identifier, reader.name
                    )));
                }
                if args.until <= tx.now() {
                    return Err(CommandError::Argument(
                        "the access would be over already".to_owned(),
                    ));
                }
                let details = OrderDetails {
                    address: Some(account.address.clone()),
                    users: vec![reader.name.clone()],
                    os_users: on_behalf::users_of(tx, &[reader.id])?,
                    purpose: Some(purpose),
                    until: Some(args.until),
                    ..OrderDetails::default()
                };
                let person = (account.person.0, account.person.1.as_str());
                order::enter(tx, me, OrderKind::Read, Some(person), &details, None)
            })
            .await
    };
    caller.run(&words, work).await
}

/// Opens the access that an approved order permits: from now on the reader can make an app password for it. `by` sends the
/// mail that tells the security officers.
///
/// # Errors
/// [`CommandError`].
pub async fn open(caller: &Caller, number: i64, by: impl Commit) -> Result<View, CommandError> {
    let words = format!("account reading open --order {number}");
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
    let (order, single) = order::usable(tx, number, OrderKind::Read, me, options)?;
    let details = order.details;
    let (Some(address), Some(until), Some(purpose), [reader]) = (
        details.address,
        details.until,
        details.purpose,
        details.users.as_slice(),
    ) else {
        return Err(CommandError::State(format!(
            "order {number} does not say who reads what, until when and what for"
        )));
    };
    let now = tx.now();
    if until <= now {
        return Err(CommandError::State(format!(
            "the period of order {number} has passed; ask for a new one"
        )));
    }
    let account = present(tx, options, &address.to_string())?;
    let reader = person::find(tx, reader)?;
    on_behalf::must_be_named(tx, options, (number, &details.os_users), &[reader.id])?;
    let pair = (account.id, reader.id);
    reading::set(tx, pair, number, (&purpose, until), me.id)?;
    mark(tx, number, OrderState::Used, me.id, &account.identifier)?;
    let event = me
        .event(Kind::ReadingOpened, &account.identifier)
        .order(number)
        .detail("person", reader.name.as_str())
        .detail("purpose", purpose.as_str())
        .detail("until", until.to_string());
    let view = View {
        identifier: account.identifier,
        person: reader.name,
        purpose,
        order: number,
        opened_at: now,
        until,
    };
    Ok((view, vec![mark_single(event, single)]))
}

/// Ends an access before its time: sessions end at once.
///
/// # Errors
/// [`CommandError`].
pub async fn end(caller: &Caller, name: &str, reader: &str) -> Result<(), CommandError> {
    let words = format!("account reading end {name} {reader}");
    let options = caller.directory.options();
    let (name, reader) = (name.to_owned(), reader.to_owned());
    let work = caller.change(&words, MAY_END, move |tx, me| {
        let account = present(tx, &options, &name)?;
        let reader = person::any(tx, &reader)?;
        let entry = reading::all(tx)?
            .into_iter()
            .find(|entry| entry.account == account.id && entry.person.0 == reader.id)
            .ok_or_else(|| CommandError::NoSuch {
                what: "access of",
                name: format!("{} to {}", reader.name, account.identifier),
            })?;
        let event = me.event(Kind::ReadingEnded, &entry.identifier);
        let event = close(tx, &entry, event, "command")?;
        Ok(((), vec![event]))
    });
    caller.run(&words, work).await
}

/// Ends an access, with the app passwords that it gave.
pub(super) fn close(
    tx: &mut Tx<'_>,
    entry: &reading::Entry,
    event: Event,
    why: &str,
) -> Result<Event, Error> {
    reading::end(tx, entry.account, entry.person.0)?;
    app_password::revoke_made_by(tx, entry.account, entry.person.0)?;
    tx.touch(Topic::Account(entry.account));
    Ok(event
        .order(entry.order)
        .detail("person", entry.person.1.as_str())
        .detail("why", why))
}

/// All accesses that are open.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<View>, CommandError> {
    caller
        .look("account reading list", &Role::OFFICERS, |snapshot, _| {
            let all = reading::all(snapshot)?;
            Ok(all.into_iter().map(view).collect())
        })
        .await
}

fn view(entry: reading::Entry) -> View {
    View {
        identifier: entry.identifier,
        person: entry.person.1,
        purpose: entry.purpose,
        order: entry.order,
        opened_at: entry.opened_at,
        until: entry.until,
    }
}

/// The same, for the server's own reports.
///
/// # Errors
/// When the store cannot be read.
pub async fn found(directory: &Directory) -> Result<Vec<View>, Error> {
    let read = |snapshot: &mut store::Snapshot<'_>| reading::all(snapshot);
    let all = directory.inner.store.read(read).await?;
    Ok(all.into_iter().map(view).collect())
}

/// Ends every access whose time is over; returns how many there were.
///
/// # Errors
/// The store's.
pub async fn expire(directory: &Directory) -> Result<usize, Error> {
    let now = directory.inner.store.now();
    let read = |snapshot: &mut store::Snapshot<'_>| reading::all(snapshot);
    let mut due = directory.inner.store.read(read).await?;
    due.retain(|entry| !entry.is_open(now));
    let count = due.len();
    for entry in due {
        let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
            let event = Event::new(Kind::ReadingEnded, Actor::System).subject(&*entry.identifier);
            let event = close(tx, &entry, event, "over")?;
            tx.record(&event, ())
        };
        directory.inner.store.commit(Vec::new(), work).await?;
    }
    Ok(count)
}
