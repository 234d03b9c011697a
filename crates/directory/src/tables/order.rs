//! Orders (clauses 7.1, 9): what an officer ordered, who approved it, what it was used for.

use jiff::Timestamp;
use message::address::Address;
use serde::{Deserialize, Serialize};
use store::{
    Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

/// What an order permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderKind {
    /// To issue one address to one person.
    Issue,
    /// To delete one account.
    Delete,
    /// To import exactly one file of accounts.
    Import,
    /// To let mail of one account go on to one address.
    Forward,
    /// To let some people share one identifier.
    Shared,
    /// To let one person read one mailbox.
    Read,
    /// To set one new password of somebody else.
    Password,
    /// To remove one second factor of somebody else.
    SecondFactor,
    /// To say once which operating-system user somebody is who has a mailbox.
    User,
}

impl OrderKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 9] = [
        Self::Issue,
        Self::Delete,
        Self::Import,
        Self::Forward,
        Self::Shared,
        Self::Read,
        Self::Password,
        Self::SecondFactor,
        Self::User,
    ];

    /// Its name in storage and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Delete => "delete",
            Self::Import => "import",
            Self::Forward => "forward",
            Self::Shared => "shared",
            Self::Read => "read",
            Self::Password => "password",
            Self::SecondFactor => "second-factor",
            Self::User => "user",
        }
    }

    /// Whether it lets an officer act on somebody else's behalf: two people are enough, one who asks and carries out and one who approves.
    pub(crate) const fn is_on_behalf(self) -> bool {
        matches!(self, Self::Password | Self::SecondFactor | Self::User)
    }
}

/// How far an order has come. Whether it is too late to use it is told by its `expires_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderState {
    /// Waits for approval.
    Issued,
    /// May be used once.
    Approved,
    /// An import that has begun and has not ended.
    Executing,
    /// Carried out.
    Used,
}

impl OrderState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Approved => "approved",
            Self::Executing => "executing",
            Self::Used => "used",
        }
    }
}

/// What exactly is ordered. Stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderDetails {
    /// The address to issue or delete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The holder's name as shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Quota in octets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
    /// Where mail of the address may go on to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// What a mailbox is read for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Short names of those who are to share or read it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Until when; of what is shared, when that is to be reviewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Not before this instant (the day of departure).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The number of the second factor to remove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<i64>,
    /// The operating-system user that the person is to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The operating-system users that those are who are to get a mailbox, when it was ordered: each is as good as named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub os_users: Vec<String>,
    /// Rows of the file to import.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// An order's row, with the names of the people in it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) kind: OrderKind,
    pub(crate) for_person: Option<(PersonId, String)>,
    pub(crate) details: OrderDetails,
    pub(crate) digest: Option<String>,
    pub(crate) issued_by: (PersonId, String),
    pub(crate) issued_at: Timestamp,
    pub(crate) approved_by: Option<(PersonId, String)>,
    pub(crate) approved_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) used_by: Option<String>,
    pub(crate) used_at: Option<Timestamp>,
    pub(crate) used_for: Option<String>,
    pub(crate) state: OrderState,
}

const SELECT: &str = "SELECT o.number, o.kind, o.for_person, f.name, o.details, o.digest, o.issued_by, i.name,
    o.issued_at, o.approved_by, a.name, o.approved_at, o.expires_at, u.name, o.used_at, o.used_for, o.state
    FROM orders o JOIN person i ON i.id = o.issued_by LEFT JOIN person f ON f.id = o.for_person
    LEFT JOIN person a ON a.id = o.approved_by LEFT JOIN person u ON u.id = o.used_by";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    let details = row.text(4)?;
    Ok(Entry {
        number: row.int(0)?,
        kind: kind(&row.text(1)?)?,
        for_person: row.maybe_int(2)?.map(PersonId).zip(row.maybe_text(3)?),
        details: serde_json::from_str(&details)
            .map_err(|_| super::strange("orders.details", &details))?,
        digest: row.maybe_text(5)?,
        issued_by: (PersonId(row.int(6)?), row.text(7)?),
        issued_at: row.time(8)?,
        approved_by: row.maybe_int(9)?.map(PersonId).zip(row.maybe_text(10)?),
        approved_at: super::maybe_time(row, 11)?,
        expires_at: super::maybe_time(row, 12)?,
        used_by: row.maybe_text(13)?,
        used_at: super::maybe_time(row, 14)?,
        used_for: row.maybe_text(15)?,
        state: state(&row.text(16)?)?,
    })
}

fn kind(name: &str) -> Result<OrderKind, Error> {
    OrderKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .ok_or_else(|| super::strange("orders.kind", name))
}

fn state(name: &str) -> Result<OrderState, Error> {
    [
        OrderState::Issued,
        OrderState::Approved,
        OrderState::Executing,
        OrderState::Used,
    ]
    .into_iter()
    .find(|state| state.as_str() == name)
    .ok_or_else(|| super::strange("orders.state", name))
}

pub(crate) fn by_number(sql: &mut dyn Sql, number: i64) -> Result<Option<Entry>, Error> {
    first(
        sql,
        &format!("{SELECT} WHERE o.number = ?1"),
        params![number],
        read,
    )
}

pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    rows(sql, &format!("{SELECT} ORDER BY o.number"), params![], read)
}

/// What a new order says.
pub(crate) struct New<'a> {
    pub(crate) kind: OrderKind,
    pub(crate) for_person: Option<PersonId>,
    pub(crate) details: &'a OrderDetails,
    pub(crate) digest: Option<&'a str>,
    pub(crate) issued_by: PersonId,
}

/// Enters an order and returns its number, the next after the highest given.
pub(crate) fn insert(tx: &mut Tx<'_>, new: &New<'_>) -> Result<i64, Error> {
    let highest = first(
        tx,
        "SELECT COALESCE(MAX(number), 0) FROM orders",
        params![],
        |row| row.int(0),
    )?;
    let number = highest.unwrap_or_default().saturating_add(1);
    let details = serde_json::to_string(new.details)
        .map_err(|problem| Error::Corrupt(problem.to_string()))?;
    let now = tx.now();
    tx.execute(
        "INSERT INTO orders (number, kind, for_person, details, digest, issued_by, issued_at, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'issued')",
        params![number, new.kind.as_str(), new.for_person, &details, new.digest, new.issued_by, now],
    )?;
    Ok(number)
}

pub(crate) fn approve(
    tx: &mut Tx<'_>,
    number: i64,
    by: PersonId,
    expires_at: Timestamp,
) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE orders SET state = 'approved', approved_by = ?2, approved_at = ?3, expires_at = ?4
         WHERE number = ?1",
        params![number, by, now, expires_at],
    )?;
    Ok(())
}

/// Puts `nobody` in place of the person whom an order was for, and forgets the name on it.
pub(crate) fn forget_person(tx: &mut Tx<'_>, number: i64, nobody: PersonId) -> Result<(), Error> {
    let Some(mut order) = by_number(tx, number)? else {
        return Ok(());
    };
    // An import is for nobody in particular.
    if order.for_person.is_none() {
        return Ok(());
    }
    order.details.name = None;
    order.details.to = None;
    order.details.users = Vec::new();
    order.details.purpose = None;
    order.details.user = None;
    order.details.os_users = Vec::new();
    let details = serde_json::to_string(&order.details)
        .map_err(|problem| Error::Corrupt(problem.to_string()))?;
    let forget = "UPDATE orders SET for_person = ?2, details = ?3, used_for = CASE WHEN kind IN ('issue', 'delete', 'import')
                  THEN used_for ELSE NULL END WHERE number = ?1";
    tx.execute(forget, params![number, nobody, &details])?;
    Ok(())
}

/// Marks the order as used (or as being carried out) for `what`.
pub(crate) fn mark(
    tx: &mut Tx<'_>,
    number: i64,
    state: OrderState,
    by: PersonId,
    what: &str,
) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE orders SET state = ?2, used_by = ?3, used_at = ?4, used_for = ?5 WHERE number = ?1",
        params![number, state.as_str(), by, now, what],
    )?;
    Ok(())
}
