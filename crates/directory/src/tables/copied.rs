//! Rows that are carried into a backup, with their numbers: orders that were given after it, and who had to do with them; accounts
//! that came and went since; addresses that were given up; entries of the register that were erased.

use store::{
    AccountId, Error, PersonId, Tx, params,
    sql::{Sql, first, rows},
};

/// A person's row.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: PersonId,
    pub(crate) name: String,
    full_name: String,
    state: String,
    added_at: i64,
    left_at: Option<i64>,
}

/// An order's row.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) number: i64,
    kind: String,
    for_person: Option<i64>,
    details: String,
    digest: Option<String>,
    pub(crate) issued_by: i64,
    issued_at: i64,
    approved_by: Option<i64>,
    approved_at: Option<i64>,
    expires_at: Option<i64>,
    used_by: Option<i64>,
    used_at: Option<i64>,
    used_for: Option<String>,
    state: String,
}

/// An order as it stands.
pub(crate) fn order(sql: &mut dyn Sql, number: i64) -> Result<Order, Error> {
    let find = "SELECT kind, for_person, details, issued_by, issued_at, approved_by, approved_at, expires_at, used_by,
                used_at, used_for, state, digest FROM orders WHERE number = ?1";
    let found = first(sql, find, params![number], |row| {
        Ok(Order {
            number,
            kind: row.text(0)?,
            for_person: row.maybe_int(1)?,
            details: row.text(2)?,
            issued_by: row.int(3)?,
            issued_at: row.int(4)?,
            approved_by: row.maybe_int(5)?,
            approved_at: row.maybe_int(6)?,
            expires_at: row.maybe_int(7)?,
            used_by: row.maybe_int(8)?,
            used_at: row.maybe_int(9)?,
            used_for: row.maybe_text(10)?,
            state: row.text(11)?,
            digest: row.maybe_text(12)?,
        })
    })?;
    found.ok_or_else(|| Error::NotFound(format!("order {number}")))
}

/// The people who stand in `orders`.
pub(crate) fn people(sql: &mut dyn Sql, orders: &[&Order]) -> Result<Vec<Person>, Error> {
    let mut ids = Vec::new();
    for order in orders {
        let named = [order.for_person, order.approved_by, order.used_by];
        ids.extend(named.into_iter().flatten());
        ids.push(order.issued_by);
    }
    persons(sql, ids)
}

/// The people of those ids.
pub(crate) fn persons(sql: &mut dyn Sql, mut ids: Vec<i64>) -> Result<Vec<Person>, Error> {
    ids.sort_unstable();
    ids.dedup();
    let find = "SELECT name, full_name, state, added_at, left_at FROM person WHERE id = ?1";
    let mut people = Vec::new();
    for id in ids {
        people.extend(first(sql, find, params![id], |row| {
            Ok(Person {
                id: PersonId(id),
                name: row.text(0)?,
                full_name: row.text(1)?,
                state: row.text(2)?,
                added_at: row.int(3)?,
                left_at: row.maybe_int(4)?,
            })
        })?);
    }
    Ok(people)
}

/// Enters a person who is not there yet; `false` when another one is.
pub(crate) fn put_person(tx: &mut Tx<'_>, person: &Person) -> Result<bool, Error> {
    let find = "SELECT name, added_at FROM person WHERE id = ?1 OR name = ?2";
    let there = first(tx, find, params![person.id, &person.name], |row| {
        Ok((row.text(0)?, row.int(1)?))
    })?;
    if let Some((name, added_at)) = there {
        return Ok(name == person.name && added_at == person.added_at);
    }
    tx.execute(
        "INSERT INTO person (id, name, full_name, state, added_at, left_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            person.id,
            &person.name,
            &person.full_name,
            &person.state,
            person.added_at,
            person.left_at
        ],
    )?;
    Ok(true)
}

/// Enters an order, or brings one up to date that was given already; `false` when it is another one.
pub(crate) fn put_order(tx: &mut Tx<'_>, order: &Order) -> Result<bool, Error> {
    let find = "SELECT kind, issued_at FROM orders WHERE number = ?1";
    let there = first(tx, find, params![order.number], |row| {
        Ok((row.text(0)?, row.int(1)?))
    })?;
    if there.is_some_and(|(kind, issued_at)| kind != order.kind || issued_at != order.issued_at) {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO orders (number, kind, for_person, details, issued_by, issued_at, approved_by, approved_at, expires_at,
             used_by, used_at, used_for, state, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT (number) DO UPDATE SET for_person = excluded.for_person, details = excluded.details,
             approved_by = excluded.approved_by, approved_at = excluded.approved_at, expires_at = excluded.expires_at,
             used_by = excluded.used_by, used_at = excluded.used_at, used_for = excluded.used_for, state = excluded.state",
        params![
            order.number,
            &order.kind,
            order.for_person,
            &order.details,
            order.issued_by,
            order.issued_at,
            order.approved_by,
            order.approved_at,
            order.expires_at,
            order.used_by,
            order.used_at,
            order.used_for.as_ref(),
            &order.state,
            order.digest.as_ref()
        ],
    )?;
    Ok(true)
}

/// A deleted account's row.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    main_address: String,
    pub(crate) person: i64,
    order: i64,
    generation: i64,
    issued_at: i64,
}

/// The row of an account.
pub(crate) fn account(sql: &mut dyn Sql, id: AccountId) -> Result<Account, Error> {
    let find = "SELECT main_address, person, order_number, generation, issued_at FROM account WHERE id = ?1";
    let found = first(sql, find, params![id], |row| {
        Ok(Account {
            main_address: row.text(0)?,
            person: row.int(1)?,
            order: row.int(2)?,
            generation: row.int(3)?,
            issued_at: row.int(4)?,
        })
    })?;
    found.ok_or_else(|| Error::NotFound(format!("account {id}")))
}

/// Enters an account that came to be after the backup as it is: deleted. `false` when another has its identifier there.
pub(crate) fn put_account(
    tx: &mut Tx<'_>,
    (id, identifier): (AccountId, &str),
    account: &Account,
    (deleted_at, delete_order): (i64, i64),
) -> Result<bool, Error> {
    let put = "INSERT INTO account (id, identifier, main_address, person, order_number, delete_order, state, msa, mra,
                   must_change_password, renewed, generation, issued_at, deleted_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'deleted', 0, 0, 0, 0, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
    let params = params![
        id,
        identifier,
        &account.main_address,
        account.person,
        account.order,
        delete_order,
        account.generation,
        account.issued_at,
        deleted_at
    ];
    Ok(tx.execute(put, params)? == 1)
}

/// An address that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retired {
    pub(crate) local: String,
    pub(crate) domain: String,
    pub(crate) account: AccountId,
    retired_at: i64,
    added_at: Option<i64>,
}

/// All addresses that were given up.
pub(crate) fn retired(sql: &mut dyn Sql) -> Result<Vec<Retired>, Error> {
    let list = "SELECT local, domain, account, retired_at, added_at FROM retired_address ORDER BY domain, local, account";
    rows(sql, list, &[], |row| {
        Ok(Retired {
            local: row.text(0)?,
            domain: row.text(1)?,
            account: AccountId(row.int(2)?),
            retired_at: row.int(3)?,
            added_at: row.maybe_int(4)?,
        })
    })
}

/// How many addresses were given up by themselves: those that went with their accounts are not counted.
pub(crate) fn count_retired(sql: &mut dyn Sql) -> Result<u64, Error> {
    let count = "SELECT COUNT(*) FROM retired_address r JOIN account a ON a.id = r.account
                 WHERE a.deleted_at IS NULL OR a.deleted_at <> r.retired_at";
    Ok(first(sql, count, &[], |row| row.count(0))?.unwrap_or_default())
}

/// Whether the account has given the address up here.
pub(crate) fn is_retired(sql: &mut dyn Sql, retired: &Retired) -> Result<bool, Error> {
    let find = "SELECT 1 FROM retired_address WHERE local = ?1 AND domain = ?2 AND account = ?3";
    let params = params![&retired.local, &retired.domain, retired.account];
    Ok(first(sql, find, params, |_| Ok(()))?.is_some())
}

/// Enters an address that was given up; `false` when it is there, or its account is not.
pub(crate) fn put_retired(tx: &mut Tx<'_>, retired: &Retired) -> Result<bool, Error> {
    let put = "INSERT INTO retired_address (local, domain, account, retired_at, added_at)
               SELECT ?1, ?2, id, ?4, ?5 FROM account WHERE id = ?3
               ON CONFLICT (local, domain, account) DO NOTHING";
    let params = params![
        &retired.local,
        &retired.domain,
        retired.account,
        retired.retired_at,
        retired.added_at
    ];
    Ok(tx.execute(put, params)? == 1)
}

/// An entry of the register that was erased.
#[derive(Clone, Debug)]
pub(crate) struct Erasure {
    pub(crate) account: AccountId,
    pub(crate) reason: String,
    pub(crate) asked_by: i64,
    asked_at: i64,
    pub(crate) approved_by: i64,
    approved_at: i64,
}

/// All entries of the register that were erased.
pub(crate) fn erasures(sql: &mut dyn Sql) -> Result<Vec<Erasure>, Error> {
    let list =
        "SELECT account, reason, asked_by, asked_at, approved_by, approved_at FROM register_erasure
                WHERE approved_at IS NOT NULL ORDER BY account";
    rows(sql, list, &[], |row| {
        Ok(Erasure {
            account: AccountId(row.int(0)?),
            reason: row.text(1)?,
            asked_by: row.int(2)?,
            asked_at: row.int(3)?,
            approved_by: row.int(4)?,
            approved_at: row.int(5)?,
        })
    })
}

/// Whether the entry was erased here.
pub(crate) fn is_erased(sql: &mut dyn Sql, account: AccountId) -> Result<bool, Error> {
    let find = "SELECT 1 FROM register_erasure WHERE account = ?1 AND approved_at IS NOT NULL";
    Ok(first(sql, find, params![account], |_| Ok(()))?.is_some())
}

/// Notes that the entry was asked for and erased, by whom and when.
pub(crate) fn put_erasure(tx: &mut Tx<'_>, erasure: &Erasure) -> Result<(), Error> {
    let put = "INSERT INTO register_erasure (account, reason, asked_by, asked_at, approved_by, approved_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (account) DO UPDATE SET reason = excluded.reason, asked_by = excluded.asked_by,
                   asked_at = excluded.asked_at, approved_by = excluded.approved_by, approved_at = excluded.approved_at";
    let params = params![
        erasure.account,
        &erasure.reason,
        erasure.asked_by,
        erasure.asked_at,
        erasure.approved_by,
        erasure.approved_at
    ];
    tx.execute(put, params)?;
    Ok(())
}
