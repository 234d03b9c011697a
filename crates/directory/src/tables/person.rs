//! People, their roles and their operating-system users.

use jiff::Timestamp;
use store::{
    Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

use crate::Role;

/// A person's row.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: PersonId,
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) active: bool,
    pub(crate) added_at: Timestamp,
    pub(crate) left_at: Option<Timestamp>,
}

const COLUMNS: &str = "p.id, p.name, p.full_name, p.state, p.added_at, p.left_at";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        id: PersonId(row.int(0)?),
        name: row.text(1)?,
        full_name: row.text(2)?,
        active: row.text(3)? == "active",
        added_at: row.time(4)?,
        left_at: row
            .maybe_int(5)?
            .and_then(|at| Timestamp::from_microsecond(at).ok()),
    })
}

pub(crate) fn by_name(sql: &mut dyn Sql, name: &str) -> Result<Option<Entry>, Error> {
    first(
        sql,
        &format!("SELECT {COLUMNS} FROM person p WHERE p.name = ?1"),
        params![name],
        read,
    )
}

pub(crate) fn of_user(sql: &mut dyn Sql, user: &str) -> Result<Option<Entry>, Error> {
    first(
        sql,
        &format!(
            "SELECT {COLUMNS} FROM person p JOIN person_user u ON u.person = p.id WHERE u.os_user = ?1"
        ),
        params![user],
        read,
    )
}

pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    rows(
        sql,
        &format!("SELECT {COLUMNS} FROM person p ORDER BY p.id"),
        params![],
        read,
    )
}

/// Roles held; none for one who left. Names that this build does not know are damage.
pub(crate) fn roles(sql: &mut dyn Sql, person: PersonId) -> Result<Vec<Role>, Error> {
    let mut held = rows(
        sql,
        "SELECT r.role FROM person_role r JOIN person p ON p.id = r.person
         WHERE r.person = ?1 AND p.state = 'active'",
        params![person],
        |row| {
            let name = row.text(0)?;
            name.parse()
                .map_err(|_| super::strange("person_role.role", &name))
        },
    )?;
    held.sort_unstable();
    Ok(held)
}

pub(crate) fn users(sql: &mut dyn Sql, person: PersonId) -> Result<Vec<String>, Error> {
    rows(
        sql,
        "SELECT os_user FROM person_user WHERE person = ?1 ORDER BY os_user",
        params![person],
        |row| row.text(0),
    )
}

/// Whether somebody other than `person` holds the role and stays: has not left, and is not to leave.
pub(crate) fn another_stays(
    sql: &mut dyn Sql,
    role: Role,
    person: PersonId,
) -> Result<bool, Error> {
    let find = "SELECT 1 FROM person_role r JOIN person p ON p.id = r.person
                WHERE r.role = ?1 AND r.person <> ?2 AND p.state = 'active'
                AND NOT EXISTS (SELECT 1 FROM departure d WHERE d.person = p.id) LIMIT 1";
    let found = first(sql, find, params![role.as_str(), person], |row| row.int(0))?;
    Ok(found.is_some())
}

/// Whether somebody other than `person` holds the role, stays, and is an operating-system user, so that they can give commands.
pub(crate) fn another_commands(
    sql: &mut dyn Sql,
    role: Role,
    person: PersonId,
) -> Result<bool, Error> {
    let find = "SELECT 1 FROM person_role r JOIN person p ON p.id = r.person
                WHERE r.role = ?1 AND r.person <> ?2 AND p.state = 'active'
                AND EXISTS (SELECT 1 FROM person_user u WHERE u.person = p.id)
                AND NOT EXISTS (SELECT 1 FROM departure d WHERE d.person = p.id) LIMIT 1";
    let found = first(sql, find, params![role.as_str(), person], |row| row.int(0))?;
    Ok(found.is_some())
}

/// How many active people hold that role.
pub(crate) fn holders(sql: &mut dyn Sql, role: Role) -> Result<u64, Error> {
    let count = first(
        sql,
        "SELECT COUNT(*) FROM person_role r JOIN person p ON p.id = r.person WHERE r.role = ?1 AND p.state = 'active'",
        params![role.as_str()],
        |row| row.count(0),
    )?;
    Ok(count.unwrap_or_default())
}

/// How many active people hold an officer's role.
pub(crate) fn officers(sql: &mut dyn Sql) -> Result<u64, Error> {
    let count = first(
        sql,
        "SELECT COUNT(DISTINCT r.person) FROM person_role r JOIN person p ON p.id = r.person
         WHERE r.role <> ?1 AND p.state = 'active'",
        params![Role::Staff.as_str()],
        |row| row.count(0),
    )?;
    Ok(count.unwrap_or_default())
}

pub(crate) fn insert(tx: &mut Tx<'_>, name: &str, full_name: &str) -> Result<PersonId, Error> {
    let id = PersonId(tx.next_id());
    let now = tx.now();
    tx.execute(
        "INSERT INTO person (id, name, full_name, state, added_at) VALUES (?1, ?2, ?3, 'active', ?4)",
        params![id, name, full_name, now],
    )?;
    Ok(id)
}

/// `false` when the user is mapped already.
pub(crate) fn map_user(tx: &mut Tx<'_>, person: PersonId, user: &str) -> Result<bool, Error> {
    let changed = tx.execute(
        "INSERT INTO person_user (os_user, person) VALUES (?1, ?2) ON CONFLICT (os_user) DO NOTHING",
        params![user, person],
    )?;
    Ok(changed == 1)
}

/// `false` when the person is not that user.
pub(crate) fn unmap_user(tx: &mut Tx<'_>, person: PersonId, user: &str) -> Result<bool, Error> {
    let forget = "DELETE FROM person_user WHERE os_user = ?1 AND person = ?2";
    Ok(tx.execute(forget, params![user, person])? == 1)
}

/// `false` when it is held already.
pub(crate) fn grant(tx: &mut Tx<'_>, person: PersonId, role: Role) -> Result<bool, Error> {
    let now = tx.now();
    let changed = tx.execute(
        "INSERT INTO person_role (person, role, granted_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (person, role) DO NOTHING",
        params![person, role.as_str(), now],
    )?;
    Ok(changed == 1)
}

/// `false` when it is not held.
pub(crate) fn revoke(tx: &mut Tx<'_>, person: PersonId, role: Role) -> Result<bool, Error> {
    let changed = tx.execute(
        "DELETE FROM person_role WHERE person = ?1 AND role = ?2",
        params![person, role.as_str()],
    )?;
    Ok(changed == 1)
}

/// Marks a person as gone: no roles, no users; the row stays.
pub(crate) fn leave(tx: &mut Tx<'_>, person: PersonId) -> Result<(), Error> {
    let now = tx.now();
    tx.execute("DELETE FROM person_role WHERE person = ?1", params![person])?;
    tx.execute("DELETE FROM person_user WHERE person = ?1", params![person])?;
    tx.execute("DELETE FROM off_roster WHERE person = ?1", params![person])?;
    tx.execute(
        "UPDATE person SET state = 'left', left_at = ?2 WHERE id = ?1",
        params![person, now],
    )?;
    Ok(())
}
