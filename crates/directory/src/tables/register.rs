//! The register of who had which address when (clause 7.1(5)), and what is to be erased of it.

use jiff::Timestamp;
use store::{
    AccountId, Error, PersonId, Tx, params,
    sql::{Sql, first, rows},
};

/// The short name that stands in place of an erased one. No person can have it.
pub(crate) const ERASED: &str = "~erased~";

/// An address that an account has or had.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) address: String,
    pub(crate) kind: String,
    pub(crate) identifier: String,
    pub(crate) person: String,
    pub(crate) full_name: String,
    pub(crate) order: i64,
    pub(crate) delete_order: Option<i64>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

/// All of them, by address. When an alias was added that was given up before format 6 is not known any more.
pub(crate) fn lines(sql: &mut dyn Sql) -> Result<Vec<Line>, Error> {
    let list = "SELECT d.local || '@' || d.domain, d.kind, a.identifier, p.name, p.full_name, a.order_number,
                a.delete_order, d.added_at, d.until FROM (
                SELECT local, domain, account, kind, added_at, NULL AS until FROM address
                UNION ALL
                SELECT r.local, r.domain, r.account,
                    CASE WHEN r.local || '@' || r.domain = b.main_address THEN 'main' ELSE 'alias' END,
                    CASE WHEN r.local || '@' || r.domain = b.main_address THEN b.issued_at ELSE r.added_at END, r.retired_at
                FROM retired_address r JOIN account b ON b.id = r.account
                ) d JOIN account a ON a.id = d.account JOIN person p ON p.id = a.person
                ORDER BY 1, a.issued_at";
    rows(sql, list, &[], |row| {
        Ok(Line {
            address: row.text(0)?,
            kind: row.text(1)?,
            identifier: row.text(2)?,
            person: row.text(3)?,
            full_name: row.text(4)?,
            order: row.int(5)?,
            delete_order: row.maybe_int(6)?,
            from: super::maybe_time(row, 7)?,
            until: super::maybe_time(row, 8)?,
        })
    })
}

/// A wish to erase an entry.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) reason: String,
    pub(crate) asked_by: (PersonId, String),
    pub(crate) approved_at: Option<Timestamp>,
}

pub(crate) fn wish(sql: &mut dyn Sql, account: AccountId) -> Result<Option<Wish>, Error> {
    let find = "SELECT w.reason, w.asked_by, p.name, w.approved_at FROM register_erasure w
                JOIN person p ON p.id = w.asked_by WHERE w.account = ?1";
    first(sql, find, params![account], |row| {
        Ok(Wish {
            reason: row.text(0)?,
            asked_by: (PersonId(row.int(1)?), row.text(2)?),
            approved_at: super::maybe_time(row, 3)?,
        })
    })
}

pub(crate) fn ask(
    tx: &mut Tx<'_>,
    account: AccountId,
    reason: &str,
    by: PersonId,
) -> Result<(), Error> {
    let now = tx.now();
    let insert = "INSERT INTO register_erasure (account, reason, asked_by, asked_at) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(insert, params![account, reason, by, now])?;
    Ok(())
}

/// Erases who held an account, from its row and from its orders: the identifier stays taken, and nobody's name stands beside it.
pub(crate) fn erase(
    tx: &mut Tx<'_>,
    account: &super::account::Entry,
    by: PersonId,
) -> Result<(), Error> {
    forget(tx, account)?;
    let now = tx.now();
    let approve =
        "UPDATE register_erasure SET approved_by = ?2, approved_at = ?3 WHERE account = ?1";
    tx.execute(approve, params![account.id, by, now])?;
    Ok(())
}

/// Puts nobody in place of who held an account.
pub(crate) fn forget(tx: &mut Tx<'_>, account: &super::account::Entry) -> Result<(), Error> {
    let nobody = match super::person::by_name(tx, ERASED)? {
        Some(nobody) => nobody.id,
        None => {
            let nobody = super::person::insert(tx, ERASED, "")?;
            super::person::leave(tx, nobody)?;
            nobody
        }
    };
    let erase = "UPDATE account SET person = ?2 WHERE id = ?1";
    tx.execute(erase, params![account.id, nobody])?;
    // Those that it came and went by, and those for what it had: forwards, sharing, reading.
    let mut orders: Vec<i64> = std::iter::once(account.order)
        .chain(account.delete_order)
        .collect();
    for order in super::order::all(tx)? {
        if order.details.address.as_ref() == Some(&account.address) {
            orders.push(order.number);
        }
    }
    for number in orders {
        super::order::forget_person(tx, number, nobody)?;
    }
    Ok(())
}
