//! Credentials: one password hash an account, and the SCRAM secrets beside it.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use protocol::sasl::ScramCredentials;
use store::{
    AccountId, Error, Tx, params,
    sql::{Row, Sql, first},
};
use zeroize::Zeroizing;

use super::app_password;
use crate::hash::{NewSecrets, Stored};

/// What is kept of an account's password.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) stored: Stored,
    pub(crate) scram: Option<ScramCredentials>,
    /// When it was set.
    pub(crate) changed_at: Timestamp,
}

pub(crate) fn of(sql: &mut dyn Sql, account: AccountId) -> Result<Option<Entry>, Error> {
    first(
        sql,
        "SELECT scheme, secret, scram_iterations, scram_salt, scram_stored, scram_server, changed_at
         FROM credential WHERE account = ?1",
        params![account],
        |row| {
            // The text of a hash must not reach a log, so the problem is told without it.
            let stored = Stored::from_columns(&row.text(0)?, &row.text(1)?)
                .map_err(|problem| Error::Corrupt(format!("credential: {problem}")))?;
            Ok(Entry {
                stored,
                scram: scram(row)?,
                changed_at: row.time(6)?,
            })
        },
    )
}

fn scram(row: &dyn Row) -> Result<Option<ScramCredentials>, Error> {
    let Some(iterations) = row.maybe_int(2)? else {
        return Ok(None);
    };
    Ok(Some(ScramCredentials {
        salt: STANDARD.decode(row.text(3)?).map_err(|_| damaged())?,
        iterations: u32::try_from(iterations).map_err(|_| damaged())?,
        stored_key: scram_key(&row.text(4)?)?,
        server_key: scram_key(&row.text(5)?)?,
    }))
}

/// A key of SCRAM secrets as it is kept.
pub(super) fn scram_key(text: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    let bytes = STANDARD.decode(text).map_err(|_| damaged())?;
    <[u8; 32]>::try_from(bytes)
        .map(Zeroizing::new)
        .map_err(|_| damaged())
}

fn damaged() -> Error {
    Error::Corrupt("SCRAM secrets".to_owned())
}

/// Whether these secrets can stand beside the account's app passwords.
pub(crate) fn fits(sql: &mut dyn Sql, account: AccountId, new: &NewSecrets) -> Result<bool, Error> {
    let base = app_password::base(sql, account)?;
    Ok(base.is_none_or(|base| base.is_of(&new.scram)))
}

/// Sets today's secrets, which [`fits`] was asked about in this transaction.
pub(crate) fn set(tx: &mut Tx<'_>, account: AccountId, new: &NewSecrets) -> Result<(), Error> {
    let (scheme, secret) = new.stored.clone().into_columns();
    let now = tx.now();
    tx.execute(
        "INSERT INTO credential (account, scheme, secret, scram_iterations, scram_salt, scram_stored,
             scram_server, changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (account) DO UPDATE SET scheme = excluded.scheme, secret = excluded.secret,
             scram_iterations = excluded.scram_iterations, scram_salt = excluded.scram_salt,
             scram_stored = excluded.scram_stored, scram_server = excluded.scram_server,
             changed_at = excluded.changed_at",
        params![
            account,
            &scheme,
            secret.as_str(),
            new.scram.iterations,
            &STANDARD.encode(&new.scram.salt),
            &STANDARD.encode(*new.scram.stored_key),
            &STANDARD.encode(*new.scram.server_key),
            now
        ],
    )?;
    Ok(())
}

/// Sets a hash from elsewhere, without SCRAM secrets until the first login.
pub(crate) fn set_imported(
    tx: &mut Tx<'_>,
    account: AccountId,
    stored: Stored,
) -> Result<(), Error> {
    let (scheme, secret) = stored.into_columns();
    let now = tx.now();
    tx.execute(
        "INSERT INTO credential (account, scheme, secret, changed_at) VALUES (?1, ?2, ?3, ?4)",
        params![account, &scheme, secret.as_str(), now],
    )?;
    Ok(())
}

/// Forgets the account's credential.
pub(crate) fn delete(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    tx.execute(
        "DELETE FROM credential WHERE account = ?1",
        params![account],
    )?;
    Ok(())
}

const DECOY: &str = "scram-decoy";

/// The installation's secret that makes up SCRAM salts, if an account was ever issued.
pub(crate) fn decoy_key(sql: &mut dyn Sql) -> Result<Option<Vec<u8>>, Error> {
    let text = first(
        sql,
        "SELECT value FROM directory_secret WHERE name = ?1",
        params![DECOY],
        |row| row.text(0),
    )?;
    text.map(|text| {
        STANDARD
            .decode(text)
            .map_err(|_| Error::Corrupt("directory_secret: not base64".to_owned()))
    })
    .transpose()
}

/// Keeps `key` as that secret, unless there is one.
pub(crate) fn keep_decoy_key(tx: &mut Tx<'_>, key: &[u8]) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO directory_secret (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
        params![DECOY, &STANDARD.encode(key)],
    )?;
    Ok(())
}
