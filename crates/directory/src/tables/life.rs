//! What accompanies an account from arrival to erasure: acknowledgements, departures, letters, holds.

use jiff::{SignedDuration, Timestamp};
use store::{
    AccountId, Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

/// Uses are noted to the day.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// When a person first said that they know of the records (clause 9.1(2)).
pub(crate) fn acknowledged(
    sql: &mut dyn Sql,
    person: PersonId,
) -> Result<Option<Timestamp>, Error> {
    let find = "SELECT at FROM acknowledgement WHERE person = ?1 ORDER BY at LIMIT 1";
    first(sql, find, params![person], |row| row.time(0))
}

pub(crate) fn acknowledge(
    tx: &mut Tx<'_>,
    person: PersonId,
    way: &str,
    by: PersonId,
) -> Result<(), Error> {
    let now = tx.now();
    let insert = "INSERT INTO acknowledgement (person, at, way, noted_by) VALUES (?1, ?2, ?3, ?4)
                  ON CONFLICT (person, at) DO NOTHING";
    tx.execute(insert, params![person, now, way, by])?;
    Ok(())
}

/// Who announced a person (clause 9.1(1)), if that is known.
pub(crate) fn announced_by(
    sql: &mut dyn Sql,
    person: PersonId,
) -> Result<Option<(PersonId, String)>, Error> {
    let find = "SELECT r.noted_by, p.name FROM arrival r JOIN person p ON p.id = r.noted_by WHERE r.person = ?1";
    first(sql, find, params![person], |row| {
        Ok((PersonId(row.int(0)?), row.text(1)?))
    })
}

/// Notes who announced a person.
pub(crate) fn announce(tx: &mut Tx<'_>, person: PersonId, by: PersonId) -> Result<(), Error> {
    let now = tx.now();
    let put = "INSERT INTO arrival (person, noted_by, noted_at) VALUES (?1, ?2, ?3)
               ON CONFLICT (person) DO UPDATE SET noted_by = excluded.noted_by, noted_at = excluded.noted_at";
    tx.execute(put, params![person, by, now])?;
    Ok(())
}

/// When a person is to leave.
pub(crate) fn leaves_at(sql: &mut dyn Sql, person: PersonId) -> Result<Option<Timestamp>, Error> {
    let find = "SELECT leaves_at FROM departure WHERE person = ?1";
    first(sql, find, params![person], |row| row.time(0))
}

pub(crate) fn depart(
    tx: &mut Tx<'_>,
    person: PersonId,
    leaves_at: Timestamp,
    by: PersonId,
) -> Result<(), Error> {
    let now = tx.now();
    let put = "INSERT INTO departure (person, leaves_at, noted_by, noted_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (person) DO UPDATE SET leaves_at = excluded.leaves_at, noted_by = excluded.noted_by,
               noted_at = excluded.noted_at";
    tx.execute(put, params![person, leaves_at, by, now])?;
    Ok(())
}

/// Whether a person has left, or was to leave before now.
pub(crate) fn gone(sql: &mut dyn Sql, person: PersonId, now: Timestamp) -> Result<bool, Error> {
    let find = "SELECT 1 FROM person p LEFT JOIN departure d ON d.person = p.id
                WHERE p.id = ?1 AND (p.state = 'left' OR d.leaves_at <= ?2)";
    Ok(first(sql, find, params![person, now], |row| row.int(0))?.is_some())
}

/// Accounts that can be used, are nobody else's too, and whose holder was to leave before now.
pub(crate) fn departed(sql: &mut dyn Sql, now: Timestamp) -> Result<Vec<AccountId>, Error> {
    let list = "SELECT a.id FROM departure d JOIN account a ON a.person = d.person
                WHERE d.leaves_at <= ?1 AND a.state = 'active'
                AND NOT EXISTS (SELECT 1 FROM shared_identifier s WHERE s.account = a.id) ORDER BY a.id";
    rows(sql, list, params![now], |row| row.int(0).map(AccountId))
}

/// A letter's row.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) number: i64,
    pub(crate) made_at: Timestamp,
    pub(crate) handed_at: Option<Timestamp>,
}

/// The newest letter of an account.
pub(crate) fn letter(sql: &mut dyn Sql, account: AccountId) -> Result<Option<Letter>, Error> {
    let find = "SELECT number, made_at, handed_at FROM letter WHERE account = ?1
                ORDER BY number DESC LIMIT 1";
    first(sql, find, params![account], |row: &dyn Row| {
        Ok(Letter {
            number: row.int(0)?,
            made_at: row.time(1)?,
            handed_at: super::maybe_time(row, 2)?,
        })
    })
}

/// Enters a letter with the password that the account gets in this transaction; returns its number.
pub(crate) fn insert_letter(
    tx: &mut Tx<'_>,
    account: AccountId,
    digest: &str,
    by: PersonId,
) -> Result<i64, Error> {
    let number = next_letter(tx)?;
    let now = tx.now();
    let insert = "INSERT INTO letter (number, account, digest, made_by, made_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute(insert, params![number, account, digest, by, now])?;
    Ok(number)
}

/// The number that the next letter has.
pub(crate) fn next_letter(sql: &mut dyn Sql) -> Result<i64, Error> {
    let highest = "SELECT COALESCE(MAX(number), 0) FROM letter";
    let highest = first(sql, highest, &[], |row| row.int(0))?;
    Ok(highest.unwrap_or_default().saturating_add(1))
}

pub(crate) fn hand_letter(
    tx: &mut Tx<'_>,
    number: i64,
    by: PersonId,
    receipt: &str,
) -> Result<(), Error> {
    let now = tx.now();
    let hand = "UPDATE letter SET handed_by = ?2, handed_at = ?3, receipt = ?4 WHERE number = ?1";
    tx.execute(hand, params![number, by, now, receipt])?;
    Ok(())
}

/// A hold's row.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) reason: String,
    pub(crate) placed_by: String,
    pub(crate) placed_at: Timestamp,
}

pub(crate) fn hold(sql: &mut dyn Sql, account: AccountId) -> Result<Option<Hold>, Error> {
    let find =
        "SELECT h.reason, p.name, h.placed_at FROM legal_hold h JOIN person p ON p.id = h.placed_by
                WHERE h.account = ?1";
    first(sql, find, params![account], |row| {
        Ok(Hold {
            reason: row.text(0)?,
            placed_by: row.text(1)?,
            placed_at: row.time(2)?,
        })
    })
}

pub(crate) fn place_hold(
    tx: &mut Tx<'_>,
    account: AccountId,
    reason: &str,
    by: PersonId,
) -> Result<(), Error> {
    let now = tx.now();
    let insert =
        "INSERT INTO legal_hold (account, reason, placed_by, placed_at) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(insert, params![account, reason, by, now])?;
    Ok(())
}

pub(crate) fn lift_hold(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    let delete = "DELETE FROM legal_hold WHERE account = ?1";
    tx.execute(delete, params![account])?;
    Ok(())
}

/// Notes that an identifier proved itself: once a day is enough. What it was warned of is over with that, unless its holder has left.
pub(crate) fn note_use(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    let now = tx.now();
    let find = "SELECT used_at FROM account_use WHERE account = ?1 AND warned_at IS NULL";
    let noted = first(tx, find, params![account], |row| row.time(0))?;
    if noted.is_some_and(|noted| now.duration_since(noted) < A_DAY) {
        return Ok(());
    }
    let put = "INSERT INTO account_use (account, used_at) VALUES (?1, ?2)
               ON CONFLICT (account) DO UPDATE SET used_at = excluded.used_at, warned_at = CASE WHEN EXISTS (
                   SELECT 1 FROM account a JOIN person p ON p.id = a.person WHERE a.id = ?1 AND p.state = 'left')
               THEN account_use.warned_at END";
    tx.execute(put, params![account, now])?;
    Ok(())
}

/// Whether an identifier ever proved itself, or was warned of that it did not.
pub(crate) fn is_used(sql: &mut dyn Sql, account: AccountId) -> Result<bool, Error> {
    let find = "SELECT 1 FROM account_use WHERE account = ?1";
    Ok(first(sql, find, params![account], |row| row.int(0))?.is_some())
}

/// Notes that the holder of an idle identifier was warned; `false` when it was used or warned of since `used_at`.
pub(crate) fn note_warning(
    tx: &mut Tx<'_>,
    account: AccountId,
    idle_since: Timestamp,
) -> Result<bool, Error> {
    let now = tx.now();
    let put = "INSERT INTO account_use (account, used_at, warned_at) VALUES (?1, ?2, ?3)
               ON CONFLICT (account) DO UPDATE SET warned_at = excluded.warned_at
               WHERE account_use.used_at = ?2 AND account_use.warned_at IS NULL";
    Ok(tx.execute(put, params![account, idle_since, now])? > 0)
}

/// Forgets that the holder was warned: what lies idle still is warned of anew.
pub(crate) fn forget_warning(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    let forget = "UPDATE account_use SET warned_at = NULL WHERE account = ?1";
    tx.execute(forget, params![account])?;
    Ok(())
}

/// An account that lies idle, or whose holder has left.
#[derive(Clone, Debug)]
pub(crate) struct Idle {
    pub(crate) account: AccountId,
    pub(crate) identifier: String,
    pub(crate) person: String,
    pub(crate) person_left: bool,
    /// Whether others use it too (clause 8.1).
    pub(crate) shared: bool,
    pub(crate) active: bool,
    pub(crate) since: Timestamp,
    pub(crate) warned_at: Option<Timestamp>,
    /// Since when its holder is not on the personnel's list.
    pub(crate) off_roster_since: Option<Timestamp>,
}

/// Accounts that were last used, or issued, before `before`, and those whose holder has left or is not on the personnel's list.
pub(crate) fn idle(sql: &mut dyn Sql, before: Timestamp) -> Result<Vec<Idle>, Error> {
    let list = "SELECT a.id, a.identifier, p.name, p.state, a.state, COALESCE(u.used_at, a.issued_at), u.warned_at,
                EXISTS (SELECT 1 FROM shared_identifier s WHERE s.account = a.id), o.since
                FROM account a JOIN person p ON p.id = a.person LEFT JOIN account_use u ON u.account = a.id
                LEFT JOIN off_roster o ON o.person = p.id
                WHERE a.state <> 'deleted' AND (COALESCE(u.used_at, a.issued_at) < ?1 OR p.state = 'left' OR o.since IS NOT NULL)
                ORDER BY a.identifier";
    rows(sql, list, params![before], |row| {
        Ok(Idle {
            account: AccountId(row.int(0)?),
            identifier: row.text(1)?,
            person: row.text(2)?,
            person_left: row.text(3)? == "left",
            active: row.text(4)? == "active",
            since: row.time(5)?,
            warned_at: super::maybe_time(row, 6)?,
            shared: row.int(7)? != 0,
            off_roster_since: super::maybe_time(row, 8)?,
        })
    })
}
