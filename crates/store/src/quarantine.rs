//! Mail that was taken and set apart (clause 5.3(2)): nobody gets it until somebody releases it, and it is deleted when its time
//! is over.
//!
//! One row a message, one for each account or address that it is for. The body is sealed for those accounts, so that deleting
//! one suffices for its share. A recipient leaves in the commit of the event that says how; the message leaves with its last
//! recipient.

pub mod figures;

use jiff::Timestamp;
use message::address::Address;
use trail::Event;

use crate::{
    AccountId, BodyId, Error, QueueId, Refusal, Tx, params, sql,
    sql::{Row, Sql, Value},
};

pub use figures::{ByCause, Criterion, Figures};

/// Octets of cause and criterion that are kept.
const MAX_CAUSE: usize = 200;
/// What stands between cause and criterion in the table. It is in no cause.
const BETWEEN: char = ':';

/// A message to be set apart. Its body was sealed for the owners of all recipients.
#[derive(Clone, Debug)]
pub struct NewHeld {
    /// Its id, which the reply to it names.
    pub id: QueueId,
    /// The body.
    pub body: BodyId,
    /// Octets.
    pub size: u64,
    /// Return path; `None` is the null sender.
    pub sender: Option<Address>,
    /// Needs SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// Needs TLS all the way (RFC 8689).
    pub require_tls: bool,
    /// BODY parameter: `0` 7BIT, `1` 8BITMIME, `2` BINARYMIME.
    pub body_type: u8,
    /// Message-ID header.
    pub message_id: String,
    /// What decided, in a word without a colon.
    pub cause: String,
    /// Which of the site's criteria of that cause did, by its name; empty where there is but one.
    pub criterion: String,
    /// Only an administrator may release it.
    pub strict: bool,
    /// When it is deleted.
    pub until: Timestamp,
    /// Whom it is for; at least one.
    pub recipients: Vec<For>,
}

impl NewHeld {
    /// Cause and criterion as one text, `listed:zen.example (address)`: as the table holds them, and as [`Selection::cause`] finds them.
    #[must_use]
    pub fn why(&self) -> String {
        match self.criterion.is_empty() {
            true => self.cause.clone(),
            false => format!("{}{BETWEEN}{}", self.cause, self.criterion),
        }
    }

    /// An event that tells of it, with its criterion, if it has one.
    #[must_use]
    pub fn tell_criterion(&self, event: Event) -> Event {
        match self.criterion.is_empty() {
            true => event,
            false => event.detail("criterion", self.criterion.as_str()),
        }
    }
}

/// Whom a message that is set apart is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct For {
    /// The address.
    pub address: Address,
    /// Where it goes once it is released.
    pub place: Place,
}

/// Where mail goes once it is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into the INBOX of an account here.
    Here(AccountId),
    /// To another server: the destination, as the queue has it.
    Away(String),
}

impl Place {
    /// Whose key the body is sealed with.
    #[must_use]
    pub fn owner(&self) -> AccountId {
        match self {
            Self::Here(account) => *account,
            Self::Away(_) => AccountId::QUEUE,
        }
    }

    fn destination(&self) -> &str {
        match self {
            Self::Here(_) => "",
            Self::Away(destination) => destination,
        }
    }
}

/// A message that is set apart, as its rows say.
#[derive(Clone, Debug)]
pub struct Held {
    /// The message; its recipients are in `recipients`.
    pub message: NewHeld,
    /// When it was set apart.
    pub since: Timestamp,
    /// Whom it is still for (of a [`Selection`] with owners: those of them).
    pub recipients: Vec<Waiting>,
}

/// One of those whom a message is still for.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its number within the message, from 0.
    pub number: u32,
    /// Who.
    pub to: For,
    /// When the holder was told.
    pub told_at: Option<Timestamp>,
}

/// Which mail is meant; conditions are joined by AND, and the empty selection is all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// These messages.
    pub ids: Vec<QueueId>,
    /// For one of these accounts.
    pub owners: Option<Vec<AccountId>>,
    /// For this address.
    pub recipient: Option<Address>,
    /// From this return path; `Some(None)` is the null sender.
    pub sender: Option<Option<Address>>,
    /// Set apart for this: a cause with whatever criterion, or cause and criterion as [`NewHeld::why`] has them.
    pub cause: Option<String>,
    /// Whose time is over at this moment.
    pub overdue_at: Option<Timestamp>,
    /// Whose holder was not told yet.
    pub untold: bool,
}

/// Sets `message` apart: each of its recipients' owners gets a reference to its body.
///
/// # Errors
/// When it has no recipient, when its body was not sealed for one of them, or when the database fails.
pub fn keep(tx: &mut Tx<'_>, message: &NewHeld) -> Result<(), Error> {
    if message.recipients.is_empty() {
        return Err(Refusal::Limit("mail that is set apart has at least one recipient").into());
    }
    let size = i64::try_from(message.size).map_err(|_| Refusal::Limit("numbers of 63 bits"))?;
    let sender = message.sender.as_ref().map(Address::to_string);
    let why = message.why();
    let cut = why.floor_char_boundary(MAX_CAUSE);
    tx.execute(
        "INSERT INTO quarantined (id, body, size, sender, smtputf8, require_tls, body_type, message_id, cause, strict, \
         since, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            message.id,
            message.body,
            size,
            sender.as_ref(),
            message.smtputf8,
            message.require_tls,
            message.body_type,
            &message.message_id,
            why.get(..cut).unwrap_or_default(),
            message.strict,
            tx.now(),
            message.until
        ],
    )?;
    for (number, to) in (0_u32..).zip(&message.recipients) {
        let owner = to.place.owner();
        tx.retain_body(message.body, owner, owner, 1)?;
        tx.execute(
            "INSERT INTO quarantined_for (message, number, address, owner, destination, body, told_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)",
            params![
                message.id,
                number,
                &to.address.to_string(),
                owner,
                to.place.destination(),
                message.body
            ],
        )?;
    }
    Ok(())
}

/// Takes a recipient out, however it ended; the last one takes the message with it. `false` when it was not there (any more).
///
/// # Errors
/// When the database fails.
pub fn take(tx: &mut Tx<'_>, id: QueueId, number: u32) -> Result<bool, Error> {
    let found = sql::first(
        tx,
        "DELETE FROM quarantined_for WHERE message = ?1 AND number = ?2 RETURNING body, owner",
        params![id, number],
        |row| Ok((BodyId(row.int(0)?), AccountId(row.int(1)?))),
    )?;
    let Some((body, owner)) = found else {
        return Ok(false);
    };
    tx.release_body(body, owner, 1)?;
    tx.execute(
        "DELETE FROM quarantined WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM quarantined_for WHERE message = ?1)",
        params![id],
    )?;
    Ok(true)
}

/// Takes a message out that cannot be read, whatever is wrong with it. Returns whom it was for, as that stands in the table.
///
/// # Errors
/// When the database fails.
pub fn purge(tx: &mut Tx<'_>, id: QueueId) -> Result<Vec<String>, Error> {
    let statement = "DELETE FROM quarantined_for WHERE message = ?1 RETURNING address, body, owner";
    let found = sql::rows(tx, statement, params![id], |row| {
        let address = row.text(0).unwrap_or_else(|error| error.to_string());
        let owned = row
            .int(1)
            .and_then(|body| Ok((BodyId(body), AccountId(row.int(2)?))));
        Ok((address, owned))
    })?;
    let mut addresses = Vec::with_capacity(found.len());
    for (address, owned) in found {
        addresses.push(address);
        match owned.and_then(|(body, owner)| tx.release_body(body, owner, 1)) {
            // `verify` tells of what is not released then.
            Ok(()) | Err(Error::NotFound(_) | Error::Corrupt(_)) => {}
            Err(error) => return Err(error),
        }
    }
    tx.execute("DELETE FROM quarantined WHERE id = ?1", params![id])?;
    Ok(addresses)
}

/// Takes out all that is for `account`, whose key is about to be destroyed; returns how many messages.
///
/// # Errors
/// When the database fails.
pub fn forget(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, Error> {
    let found = sql::rows(
        tx,
        "SELECT message, number FROM quarantined_for WHERE owner = ?1",
        params![account],
        |row| Ok((QueueId(row.int(0)?), row.count(1)?)),
    )?;
    let mut taken = 0_u64;
    for (id, number) in found {
        let number = u32::try_from(number).map_err(|_| damaged(id, "a recipient's number"))?;
        taken = taken.saturating_add(u64::from(take(tx, id, number)?));
    }
    Ok(taken)
}

/// Notes that the holder was told of a recipient's mail. `false` when it is not there (any more), or was told already.
///
/// # Errors
/// When the database fails.
pub fn note_told(tx: &mut Tx<'_>, id: QueueId, number: u32) -> Result<bool, Error> {
    let now = tx.now();
    let noted = tx.execute(
        "UPDATE quarantined_for SET told_at = ?3 WHERE message = ?1 AND number = ?2 AND told_at IS NULL",
        params![id, number, now],
    )?;
    Ok(noted > 0)
}

/// How many messages are set apart, and their octets.
///
/// # Errors
/// When the database fails.
pub fn totals(sql: &mut dyn Sql) -> Result<(u64, u64), Error> {
    let statement = "SELECT count(*), coalesce(sum(size), 0) FROM quarantined";
    let found = sql::first(sql, statement, &[], |row| {
        Ok((row.count(0)?, row.count(1)?))
    })?;
    Ok(found.unwrap_or_default())
}

/// Some of the selected mail.
#[derive(Debug, Default)]
pub struct Page {
    /// Messages, oldest first, each with the recipients that are selected.
    pub held: Vec<Held>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<QueueId>,
    /// What could not be read. It stops nobody else.
    pub damaged: Vec<(QueueId, Error)>,
}

/// The selected messages with an id above `after`, at most `limit`.
///
/// # Errors
/// When the database fails.
pub fn select(
    sql: &mut dyn Sql,
    selection: &Selection,
    after: QueueId,
    limit: usize,
) -> Result<Page, Error> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let (wanted, columns) = conditions(selection);
    let statement = format!(
        "SELECT {MESSAGE} FROM quarantined q WHERE q.id > ?1 AND EXISTS (SELECT 1 FROM quarantined_for r \
         WHERE r.message = q.id{wanted}) ORDER BY q.id LIMIT ?2"
    );
    let mut params = vec![Value::from(after), Value::Int(most)];
    params.extend(columns.iter().map(Column::value));
    let (mut page, mut rows, mut last) = (Page::default(), 0_usize, after);
    sql.query(&statement, &params, &mut |row| {
        rows = rows.saturating_add(1);
        last = QueueId(row.int(0)?);
        match held(row) {
            Ok(held) => page.held.push(held),
            Err(error) => page.damaged.push((last, error)),
        }
        Ok(())
    })?;
    page.next = (rows >= limit).then_some(last);
    for held in &mut page.held {
        let id = held.message.id;
        held.recipients = recipients(sql, id, &mut page.damaged)?;
        held.recipients.retain(|waiting| selection.means(waiting));
        let all = held.recipients.iter().map(|waiting| waiting.to.clone());
        held.message.recipients = all.collect();
    }
    page.held.retain(|held| !held.recipients.is_empty());
    Ok(page)
}

impl Selection {
    /// Whether it means this recipient of a message that it means.
    fn means(&self, waiting: &Waiting) -> bool {
        let owner = waiting.to.place.owner();
        let is_owner = self
            .owners
            .as_ref()
            .is_none_or(|owners| owners.contains(&owner));
        let is_recipient = self
            .recipient
            .as_ref()
            .is_none_or(|address| waiting.to.address == *address);
        is_owner && is_recipient && !(self.untold && waiting.told_at.is_some())
    }
}

/// A parameter that a condition made.
enum Column {
    Int(i64),
    Text(String),
}

impl Column {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Int(number) => Value::Int(*number),
            Self::Text(text) => Value::Text(text),
        }
    }
}

/// Conditions on `q` and `r`, with parameters from number 3 on.
fn conditions(selection: &Selection) -> (String, Vec<Column>) {
    let (mut wanted, mut columns) = (Vec::new(), Vec::new());
    let mut add = |words: &str, column: Column| {
        columns.push(column);
        wanted.push(format!("{words} ?{}", columns.len() + 2));
    };
    if let Some(sender) = &selection.sender {
        let text = sender.as_ref().map(Address::to_string).unwrap_or_default();
        add("coalesce(q.sender, '') =", Column::Text(text));
    }
    match &selection.cause {
        Some(why) if why.contains(BETWEEN) => add("q.cause =", Column::Text(why.clone())),
        Some(cause) => {
            let begin = format!("{cause}{BETWEEN}");
            let long = begin.chars().count();
            let words = format!("substr(q.cause || '{BETWEEN}', 1, {long}) =");
            add(&words, Column::Text(begin));
        }
        None => {}
    }
    if let Some(now) = selection.overdue_at {
        add("q.until <=", Column::Int(now.as_microsecond()));
    }
    if let Some(recipient) = &selection.recipient {
        add("r.address =", Column::Text(recipient.to_string()));
    }
    if selection.untold {
        wanted.push("r.told_at IS NULL".to_owned());
    }
    let mut among = |column: &str, numbers: Vec<String>| {
        wanted.push(format!("{column} IN ({})", numbers.join(", ")));
    };
    // Numbers, so there is nothing in them that could be taken for words of the statement.
    if let Some(owners) = &selection.owners {
        among(
            "r.owner",
            owners.iter().map(|owner| owner.0.to_string()).collect(),
        );
    }
    if !selection.ids.is_empty() {
        among(
            "q.id",
            selection.ids.iter().map(|id| id.0.to_string()).collect(),
        );
    }
    let wanted = wanted.iter().map(|one| format!(" AND {one}")).collect();
    (wanted, columns)
}

const MESSAGE: &str = "q.id, q.body, q.size, q.sender, q.smtputf8, q.require_tls, q.body_type, q.message_id, q.cause, \
     q.strict, q.since, q.until";

fn held(row: &dyn Row) -> Result<Held, Error> {
    let id = QueueId(row.int(0)?);
    let sender = row.maybe_text(3)?;
    let sender = sender.map(|text| address(id, &text)).transpose()?;
    let why = row.text(8)?;
    let (cause, criterion) = why.split_once(BETWEEN).unwrap_or((&why, ""));
    Ok(Held {
        message: NewHeld {
            id,
            body: BodyId(row.int(1)?),
            size: row.count(2)?,
            sender,
            smtputf8: row.int(4)? != 0,
            require_tls: row.int(5)? != 0,
            body_type: u8::try_from(row.int(6)?).map_err(|_| damaged(id, "its body type"))?,
            message_id: row.text(7)?,
            cause: cause.to_owned(),
            criterion: criterion.to_owned(),
            strict: row.int(9)? != 0,
            until: row.time(11)?,
            recipients: Vec::new(),
        },
        since: row.time(10)?,
        recipients: Vec::new(),
    })
}

fn recipients(
    sql: &mut dyn Sql,
    id: QueueId,
    damaged: &mut Vec<(QueueId, Error)>,
) -> Result<Vec<Waiting>, Error> {
    let statement = "SELECT number, address, owner, destination, told_at FROM quarantined_for WHERE message = ?1 \
                     ORDER BY number";
    let mut found = Vec::new();
    sql.query(statement, params![id], &mut |row| {
        match waiting(id, row) {
            Ok(waiting) => found.push(waiting),
            Err(error) => damaged.push((id, error)),
        }
        Ok(())
    })?;
    Ok(found)
}

fn waiting(id: QueueId, row: &dyn Row) -> Result<Waiting, Error> {
    let destination = row.text(3)?;
    let place = match destination.is_empty() {
        true => Place::Here(AccountId(row.int(2)?)),
        false => Place::Away(destination),
    };
    Ok(Waiting {
        number: u32::try_from(row.int(0)?).map_err(|_| damaged(id, "a recipient's number"))?,
        to: For {
            address: address(id, &row.text(1)?)?,
            place,
        },
        told_at: row.maybe_time(4)?,
    })
}

fn address(id: QueueId, text: &str) -> Result<Address, Error> {
    Address::parse(text).map_err(|error| damaged(id, &format!("the address {text:?} ({error})")))
}

fn damaged(id: QueueId, what: &str) -> Error {
    Error::Corrupt(format!("{what} of {id}, which is set apart"))
}
