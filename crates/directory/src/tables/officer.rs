//! Officers' mailboxes, and when somebody ceased to be an officer: what one person may do alone depends on it.

use jiff::Timestamp;
use message::address::Address;
use store::{
    Error, PersonId, Tx, params,
    sql::{Sql, first, rows},
};

use super::account::parse_address;
use crate::Role;

/// The row of `meta` with the microsecond at which somebody last ceased to be an officer.
const CEASED: &str = "officer_ceased";

/// Notes that somebody ceases to be an officer. A clock that was set back takes nothing of the time since.
pub(crate) fn note_ceased(tx: &mut Tx<'_>) -> Result<(), Error> {
    let now = tx.now();
    let at = ceased(tx)?.map_or(now, |before| before.max(now));
    let text = at.as_microsecond().to_string();
    let put = "INSERT INTO meta (name, value) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(put, params![CEASED, &text])?;
    Ok(())
}

/// When somebody last ceased to be an officer; `None`: nobody ever did.
pub(crate) fn ceased(sql: &mut dyn Sql) -> Result<Option<Timestamp>, Error> {
    let find = "SELECT value FROM meta WHERE name = ?1";
    let Some(text) = first(sql, find, params![CEASED], |row| row.text(0))? else {
        return Ok(None);
    };
    let at = text.parse().ok();
    let at = at.and_then(|at| Timestamp::from_microsecond(at).ok());
    at.map(Some)
        .ok_or_else(|| super::strange("meta.officer_ceased", &text))
}

/// Main addresses of the accounts of active people who hold an officer's role, with whose they are; once for each role.
pub(crate) fn mailboxes(sql: &mut dyn Sql) -> Result<Vec<(PersonId, Role, Address)>, Error> {
    let list = "SELECT p.id, r.role, a.main_address FROM account a JOIN person p ON p.id = a.person
                JOIN person_role r ON r.person = p.id
                WHERE r.role <> ?1 AND p.state = 'active' AND a.state <> 'deleted' ORDER BY a.id, r.role";
    rows(sql, list, params![Role::Staff.as_str()], |row| {
        let role = row.text(1)?;
        let known = role
            .parse()
            .map_err(|_| super::strange("person_role.role", &role))?;
        Ok((PersonId(row.int(0)?), known, parse_address(&row.text(2)?)?))
    })
}
