//! Forwards, and who may write to an alias.

use jiff::Timestamp;
use message::address::Address;
use store::{
    AccountId, Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

use super::{account::parse_address, maybe_time};
use crate::Writers;

/// A forward's row.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) account: AccountId,
    pub(crate) identifier: String,
    pub(crate) target: Address,
    pub(crate) order: Option<i64>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) added_by: String,
    pub(crate) added_at: Timestamp,
}

const SELECT: &str =
    "SELECT f.account, a.identifier, f.target, f.order_number, f.until, p.name, f.added_at
    FROM forward f JOIN account a ON a.id = f.account JOIN person p ON p.id = f.added_by";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        account: AccountId(row.int(0)?),
        identifier: row.text(1)?,
        target: parse_address(&row.text(2)?)?,
        order: row.maybe_int(3)?,
        until: maybe_time(row, 4)?,
        added_by: row.text(5)?,
        added_at: row.time(6)?,
    })
}

/// Those of an account.
pub(crate) fn of(sql: &mut dyn Sql, account: AccountId) -> Result<Vec<Entry>, Error> {
    let list = format!("{SELECT} WHERE f.account = ?1 ORDER BY f.target");
    rows(sql, &list, params![account], read)
}

/// All of them.
pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    let list = format!("{SELECT} ORDER BY a.identifier, f.target");
    rows(sql, &list, &[], read)
}

/// Enters a forward; `false` when it is there already.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    account: AccountId,
    target: &Address,
    (order, until): (Option<i64>, Option<Timestamp>),
    by: PersonId,
) -> Result<bool, Error> {
    let (now, target) = (tx.now(), target.to_string());
    let insert = "INSERT INTO forward (account, target, order_number, until, added_by, added_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (account, target) DO NOTHING";
    let put = tx.execute(insert, params![account, &target, order, until, by, now])?;
    Ok(put > 0)
}

/// Takes a forward away; whether there was one.
pub(crate) fn delete(tx: &mut Tx<'_>, account: AccountId, target: &Address) -> Result<bool, Error> {
    let target = target.to_string();
    let remove = "DELETE FROM forward WHERE account = ?1 AND target = ?2";
    Ok(tx.execute(remove, params![account, &target])? > 0)
}

/// Takes all of an account's away; where they led to.
pub(crate) fn delete_all(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<Address>, Error> {
    let targets = of(tx, account)?.into_iter().map(|entry| entry.target);
    let targets = targets.collect();
    tx.execute("DELETE FROM forward WHERE account = ?1", params![account])?;
    Ok(targets)
}

/// Who may write to an address.
pub(crate) fn writers(sql: &mut dyn Sql, address: &Address) -> Result<Writers, Error> {
    let address = address.canonical();
    let find = "SELECT writers FROM address_writers WHERE local = ?1 AND domain = ?2";
    let found = first(
        sql,
        find,
        params![address.local(), address.domain().as_str()],
        |row| row.text(0),
    )?;
    match found {
        None => Ok(Writers::Anyone),
        Some(name) => name
            .parse()
            .map_err(|_| super::strange("address_writers.writers", &name)),
    }
}

/// The accounts that were named as those which may write to an address, in order.
pub(crate) fn named_writers(sql: &mut dyn Sql, address: &Address) -> Result<Vec<AccountId>, Error> {
    let address = address.canonical();
    let list =
        "SELECT account FROM address_writer WHERE local = ?1 AND domain = ?2 ORDER BY account";
    let place = params![address.local(), address.domain().as_str()];
    rows(sql, list, place, |row| row.int(0).map(AccountId))
}

/// The addresses that an account was named as a writer of.
pub(crate) fn writes_to(sql: &mut dyn Sql, account: AccountId) -> Result<Vec<String>, Error> {
    let list = "SELECT local, domain FROM address_writer WHERE account = ?1 ORDER BY domain, local";
    rows(sql, list, params![account], |row| {
        Ok(format!("{}@{}", row.text(0)?, row.text(1)?))
    })
}

/// Says who may write to an address: of [`Writers::Named`], which accounts.
pub(crate) fn set_writers(
    tx: &mut Tx<'_>,
    address: &Address,
    (writers, named): (Writers, &[AccountId]),
) -> Result<(), Error> {
    let address = address.canonical();
    let (local, domain) = (address.local(), address.domain().as_str());
    let forget = "DELETE FROM address_writers WHERE local = ?1 AND domain = ?2";
    tx.execute(forget, params![local, domain])?;
    if writers != Writers::Anyone {
        let put = "INSERT INTO address_writers (local, domain, writers) VALUES (?1, ?2, ?3)";
        tx.execute(put, params![local, domain, writers.as_str()])?;
    }
    let forget = "DELETE FROM address_writer WHERE local = ?1 AND domain = ?2";
    tx.execute(forget, params![local, domain])?;
    for account in named {
        let put = "INSERT INTO address_writer (local, domain, account) VALUES (?1, ?2, ?3)";
        tx.execute(put, params![local, domain, *account])?;
    }
    Ok(())
}
