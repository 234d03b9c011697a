//! Rows that are carried into a backup, with their numbers: an order that was given after it, and who had to do with that.

use store::{
    Error, PersonId, Tx, params,
    sql::{Sql, first},
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
                used_at, used_for, state FROM orders WHERE number = ?1";
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
        })
    })?;
    found.ok_or_else(|| Error::NotFound(format!("order {number}")))
}

/// The people who stand in `order`.
pub(crate) fn people(sql: &mut dyn Sql, order: &Order) -> Result<Vec<Person>, Error> {
    let named = [order.for_person, order.approved_by, order.used_by];
    let mut ids: Vec<i64> = named.into_iter().flatten().collect();
    ids.push(order.issued_by);
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
             used_by, used_at, used_for, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
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
            &order.state
        ],
    )?;
    Ok(true)
}
