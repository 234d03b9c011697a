//! Logins without TLS (clause 4.1(2)). Whom the server warned of them is noted by the room `governance`.

use jiff::SignedDuration;
use store::{AccountId, Error, Tx, params, sql::first};

/// Uses are noted to the day.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Notes that an identifier logged in without TLS: once a day is enough.
pub(crate) fn note_login(
    tx: &mut Tx<'_>,
    account: AccountId,
    from: &str,
    with: &str,
) -> Result<(), Error> {
    let now = tx.now();
    let find = "SELECT used_at FROM plaintext_login WHERE account = ?1 AND used_at IS NOT NULL";
    let noted = first(tx, find, params![account], |row| row.time(0))?;
    if noted.is_some_and(|noted| now.duration_since(noted) < A_DAY) {
        return Ok(());
    }
    let put = "INSERT INTO plaintext_login (account, used_at, used_from, used_with) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (account) DO UPDATE SET used_at = excluded.used_at, used_from = excluded.used_from,
               used_with = excluded.used_with";
    tx.execute(put, params![account, now, from, with])?;
    Ok(())
}
