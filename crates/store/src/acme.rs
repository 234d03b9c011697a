//! Accounts at authorities that give certificates (ACME, RFC 8555).

use crate::{Error, Tx, params, sql, sql::Sql};

/// Keeps the account at the authority with this directory; `secret` was sealed before.
///
/// # Errors
/// When there is one already, or the database fails.
pub fn keep(tx: &mut Tx<'_>, directory: &str, secret: &str) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO acme_account (directory, secret, made_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT (directory) DO UPDATE SET secret = ?2, made_at = ?3",
        params![directory, secret, now],
    )?;
    Ok(())
}

/// The sealed secret of the account at the authority with this directory.
///
/// # Errors
/// When the database fails, or the row is damaged.
pub fn of(sql: &mut dyn Sql, directory: &str) -> Result<Option<String>, Error> {
    let statement = "SELECT secret FROM acme_account WHERE directory = ?1";
    sql::first(sql, statement, params![directory], |row| row.text(0))
}
