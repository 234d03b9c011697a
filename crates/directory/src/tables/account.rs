//! Accounts.

use jiff::Timestamp;
use message::address::Address;
use serde::Serialize;
use store::{
    AccountId, Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountState {
    /// In use.
    Active,
    /// Nobody can log in; mail keeps arriving (clause 4.1(1)a).
    Suspended,
    /// Gone; the identifier stays taken (clause 7.1(6)).
    Deleted,
}

impl AccountState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }
}

/// An account's row.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: AccountId,
    pub(crate) identifier: String,
    pub(crate) address: Address,
    pub(crate) person: (PersonId, String),
    pub(crate) order: i64,
    pub(crate) delete_order: Option<i64>,
    pub(crate) state: AccountState,
    pub(crate) msa: bool,
    pub(crate) mra: bool,
    pub(crate) must_change_password: bool,
    pub(crate) renewed: bool,
    pub(crate) generation: i64,
    pub(crate) issued_at: Timestamp,
    pub(crate) suspended_at: Option<i64>,
    pub(crate) deleted_at: Option<i64>,
}

const SELECT: &str = "SELECT a.id, a.identifier, a.main_address, a.person, p.name, a.order_number, a.delete_order,
    a.state, a.msa, a.mra, a.must_change_password, a.renewed, a.generation, a.issued_at, a.suspended_at, a.deleted_at
    FROM account a JOIN person p ON p.id = a.person";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    let address = row.text(2)?;
    Ok(Entry {
        id: AccountId(row.int(0)?),
        identifier: row.text(1)?,
        address: parse_address(&address)?,
        person: (PersonId(row.int(3)?), row.text(4)?),
        order: row.int(5)?,
        delete_order: row.maybe_int(6)?,
        state: state(&row.text(7)?)?,
        msa: row.int(8)? != 0,
        mra: row.int(9)? != 0,
        must_change_password: row.int(10)? != 0,
        renewed: row.int(11)? != 0,
        generation: row.int(12)?,
        issued_at: row.time(13)?,
        suspended_at: row.maybe_int(14)?,
        deleted_at: row.maybe_int(15)?,
    })
}

pub(super) fn parse_address(text: &str) -> Result<Address, Error> {
    Address::parse(text).map_err(|_| super::strange("account.main_address", text))
}

fn state(name: &str) -> Result<AccountState, Error> {
    [
        AccountState::Active,
        AccountState::Suspended,
        AccountState::Deleted,
    ]
    .into_iter()
    .find(|state| state.as_str() == name)
    .ok_or_else(|| super::strange("account.state", name))
}

pub(crate) fn by_identifier(sql: &mut dyn Sql, identifier: &str) -> Result<Option<Entry>, Error> {
    first(
        sql,
        &format!("{SELECT} WHERE a.identifier = ?1"),
        params![identifier],
        read,
    )
}

pub(crate) fn by_id(sql: &mut dyn Sql, id: AccountId) -> Result<Option<Entry>, Error> {
    first(sql, &format!("{SELECT} WHERE a.id = ?1"), params![id], read)
}

pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    rows(
        sql,
        &format!("{SELECT} ORDER BY a.identifier"),
        params![],
        read,
    )
}

/// The person's accounts that are not deleted.
pub(crate) fn of_person(sql: &mut dyn Sql, person: PersonId) -> Result<Vec<Entry>, Error> {
    rows(
        sql,
        &format!("{SELECT} WHERE a.person = ?1 AND a.state <> 'deleted' ORDER BY a.id"),
        params![person],
        read,
    )
}

/// Main addresses of the accounts of active people who hold a role.
pub(crate) fn of_role(sql: &mut dyn Sql, role: &str) -> Result<Vec<Address>, Error> {
    let list = "SELECT a.main_address FROM account a JOIN person p ON p.id = a.person
                JOIN person_role r ON r.person = p.id
                WHERE r.role = ?1 AND p.state = 'active' AND a.state <> 'deleted' ORDER BY a.id";
    rows(sql, list, params![role], |row| parse_address(&row.text(0)?))
}

/// Main addresses of all accounts that are not deleted.
pub(crate) fn addresses(sql: &mut dyn Sql) -> Result<Vec<Address>, Error> {
    let list = "SELECT main_address FROM account WHERE state <> 'deleted' ORDER BY id";
    rows(sql, list, params![], |row| parse_address(&row.text(0)?))
}

/// Whose mail is whose: the account of the person entered first, for role addresses that nobody was named for.
pub(crate) fn first_of_all(sql: &mut dyn Sql) -> Result<Option<(AccountId, Address)>, Error> {
    first(
        sql,
        "SELECT id, main_address FROM account WHERE state <> 'deleted' ORDER BY person, id LIMIT 1",
        params![],
        |row| Ok((AccountId(row.int(0)?), parse_address(&row.text(1)?)?)),
    )
}

/// A new account.
pub(crate) struct New<'a> {
    pub(crate) address: &'a Address,
    pub(crate) person: PersonId,
    pub(crate) order: i64,
    pub(crate) must_change_password: bool,
}

/// Enters an account under its canonical address; returns its id.
pub(crate) fn insert(tx: &mut Tx<'_>, new: &New<'_>) -> Result<AccountId, Error> {
    let id = AccountId(tx.next_id());
    let now = tx.now();
    let address = new.address.canonical().to_string();
    tx.execute(
        "INSERT INTO account (id, identifier, main_address, person, order_number, state, msa, mra,
             must_change_password, renewed, generation, issued_at)
         VALUES (?1, ?2, ?2, ?3, ?4, 'active', 1, 1, ?5, 0, 1, ?6)",
        params![
            id,
            &address,
            new.person,
            new.order,
            new.must_change_password,
            now
        ],
    )?;
    Ok(id)
}

pub(crate) fn suspend(tx: &mut Tx<'_>, id: AccountId) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE account SET state = 'suspended', suspended_at = ?2, renewed = 0, generation = generation + 1
         WHERE id = ?1",
        params![id, now],
    )?;
    Ok(())
}

pub(crate) fn resume(tx: &mut Tx<'_>, id: AccountId) -> Result<(), Error> {
    tx.execute(
        "UPDATE account SET state = 'active', suspended_at = NULL, generation = generation + 1 WHERE id = ?1",
        params![id],
    )?;
    Ok(())
}

/// Sets the services' switches.
pub(crate) fn switch(tx: &mut Tx<'_>, id: AccountId, msa: bool, mra: bool) -> Result<(), Error> {
    tx.execute(
        "UPDATE account SET msa = ?2, mra = ?3, generation = generation + 1 WHERE id = ?1",
        params![id, msa, mra],
    )?;
    Ok(())
}

/// Notes a new password: whatever was proved before is void.
pub(crate) fn renew(tx: &mut Tx<'_>, id: AccountId, must_change: bool) -> Result<(), Error> {
    tx.execute(
        "UPDATE account SET must_change_password = ?2, renewed = 1, generation = generation + 1 WHERE id = ?1",
        params![id, must_change],
    )?;
    Ok(())
}

/// What was proved before must be proved anew.
pub(crate) fn prove_anew(tx: &mut Tx<'_>, id: AccountId) -> Result<(), Error> {
    let void = "UPDATE account SET generation = generation + 1 WHERE id = ?1";
    tx.execute(void, params![id])?;
    Ok(())
}

/// Marks the account as deleted; the row keeps its identifier taken.
pub(crate) fn delete(tx: &mut Tx<'_>, id: AccountId, order: i64) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE account SET state = 'deleted', deleted_at = ?2, delete_order = ?3, generation = generation + 1
         WHERE id = ?1",
        params![id, now, order],
    )?;
    Ok(())
}

/// Deleted accounts.
pub(crate) fn count_deleted(sql: &mut dyn Sql) -> Result<u64, Error> {
    let count = "SELECT COUNT(*) FROM account WHERE state = 'deleted'";
    Ok(first(sql, count, params![], |row| row.count(0))?.unwrap_or_default())
}

/// Puts the instant of a deletion right, which was carried out elsewhere before.
pub(crate) fn date_deletion(tx: &mut Tx<'_>, id: AccountId, at: i64) -> Result<(), Error> {
    let now = tx.now();
    let account = "UPDATE account SET deleted_at = ?2 WHERE id = ?1";
    tx.execute(account, params![id, at])?;
    let addresses =
        "UPDATE retired_address SET retired_at = ?2 WHERE account = ?1 AND retired_at = ?3";
    tx.execute(addresses, params![id, at, now])?;
    Ok(())
}
