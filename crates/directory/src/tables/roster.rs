//! Who is not on the personnel's list (clause 7.1(3)).

use std::collections::BTreeMap;

use jiff::Timestamp;
use store::{
    Error, PersonId, Tx, params,
    sql::{Sql, rows},
};

/// Those who are not on the list, each since when.
pub(crate) fn off(sql: &mut dyn Sql) -> Result<BTreeMap<PersonId, Timestamp>, Error> {
    let list = "SELECT person, since FROM off_roster ORDER BY person";
    let all = rows(sql, list, &[], |row| {
        Ok((PersonId(row.int(0)?), row.time(1)?))
    })?;
    Ok(all.into_iter().collect())
}

/// Notes that a person is not on the list, unless that was noted before.
pub(crate) fn missing(tx: &mut Tx<'_>, person: PersonId) -> Result<(), Error> {
    let now = tx.now();
    let put =
        "INSERT INTO off_roster (person, since) VALUES (?1, ?2) ON CONFLICT (person) DO NOTHING";
    tx.execute(put, params![person, now])?;
    Ok(())
}

/// Notes that a person is on the list again.
pub(crate) fn found(tx: &mut Tx<'_>, person: PersonId) -> Result<(), Error> {
    let forget = "DELETE FROM off_roster WHERE person = ?1";
    tx.execute(forget, params![person])?;
    Ok(())
}
