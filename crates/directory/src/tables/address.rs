//! Addresses: main, alias, role, retired. All are kept and looked up in their canonical form.

use message::address::{Address, Domain};
use store::{
    AccountId, Error, Tx, params,
    sql::{Sql, first, rows},
};

/// The accounts that an address means, with their main addresses; at most `limit`.
pub(crate) fn targets(
    sql: &mut dyn Sql,
    address: &Address,
    limit: u32,
) -> Result<Vec<(AccountId, Address)>, Error> {
    let address = address.canonical();
    rows(
        sql,
        "SELECT a.id, a.main_address FROM address d JOIN account a ON a.id = d.account
         WHERE d.local = ?1 AND d.domain = ?2 ORDER BY a.id LIMIT ?3",
        params![address.local(), address.domain().as_str(), limit],
        |row| {
            Ok((
                AccountId(row.int(0)?),
                super::account::parse_address(&row.text(1)?)?,
            ))
        },
    )
}

/// Whether the address means (among others) this account.
pub(crate) fn belongs(
    sql: &mut dyn Sql,
    address: &Address,
    account: AccountId,
) -> Result<bool, Error> {
    let address = address.canonical();
    let found = first(
        sql,
        "SELECT 1 FROM address WHERE local = ?1 AND domain = ?2 AND account = ?3",
        params![address.local(), address.domain().as_str(), account],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Whether it is somebody's main address.
pub(crate) fn is_main(sql: &mut dyn Sql, address: &Address) -> Result<bool, Error> {
    let address = address.canonical();
    let found = first(
        sql,
        "SELECT 1 FROM address WHERE local = ?1 AND domain = ?2 AND kind = 'main'",
        params![address.local(), address.domain().as_str()],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// The account's aliases.
pub(crate) fn aliases(sql: &mut dyn Sql, account: AccountId) -> Result<Vec<Address>, Error> {
    let parts = rows(
        sql,
        "SELECT local, domain FROM address WHERE account = ?1 AND kind = 'alias' ORDER BY domain, local",
        params![account],
        |row| Ok((row.text(0)?, row.text(1)?)),
    )?;
    parts
        .into_iter()
        .map(|(local, domain)| join(&local, &domain))
        .collect()
}

/// Role addresses that were routed to the account by command.
pub(crate) fn roles_of(sql: &mut dyn Sql, account: AccountId) -> Result<Vec<Address>, Error> {
    let parts = rows(
        sql,
        "SELECT local, domain FROM role_address WHERE account = ?1 ORDER BY domain, local",
        params![account],
        |row| Ok((row.text(0)?, row.text(1)?)),
    )?;
    parts
        .into_iter()
        .map(|(local, domain)| join(&local, &domain))
        .collect()
}

fn join(local: &str, domain: &str) -> Result<Address, Error> {
    let domain = Domain::parse(domain).map_err(|_| super::strange("address.domain", domain))?;
    Address::new(local, domain).map_err(|_| super::strange("address.local", local))
}

/// The account that a role address was routed to by command.
pub(crate) fn role_target(
    sql: &mut dyn Sql,
    address: &Address,
) -> Result<Option<(AccountId, Address)>, Error> {
    let address = address.canonical();
    first(
        sql,
        "SELECT a.id, a.main_address FROM role_address r JOIN account a ON a.id = r.account
         WHERE r.local = ?1 AND r.domain = ?2",
        params![address.local(), address.domain().as_str()],
        |row| {
            Ok((
                AccountId(row.int(0)?),
                super::account::parse_address(&row.text(1)?)?,
            ))
        },
    )
}

/// Who had the address before it was given up, except `but`.
pub(crate) fn was_anothers(
    sql: &mut dyn Sql,
    address: &Address,
    but: Option<AccountId>,
) -> Result<bool, Error> {
    let address = address.canonical();
    let found = first(
        sql,
        "SELECT 1 FROM retired_address WHERE local = ?1 AND domain = ?2 AND account <> ?3",
        params![
            address.local(),
            address.domain().as_str(),
            but.unwrap_or(AccountId(0))
        ],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Whether an account other than `but` has the address or had it.
pub(crate) fn had_by_other(
    sql: &mut dyn Sql,
    address: &Address,
    but: Option<AccountId>,
) -> Result<bool, Error> {
    let address = address.canonical();
    let but = but.unwrap_or(AccountId(0));
    let find = "SELECT 1 FROM address WHERE local = ?1 AND domain = ?2 AND account <> ?3
                UNION ALL SELECT 1 FROM retired_address WHERE local = ?1 AND domain = ?2 AND account <> ?3 LIMIT 1";
    let params = params![address.local(), address.domain().as_str(), but];
    Ok(first(sql, find, params, |_| Ok(()))?.is_some())
}

/// Local parts of the domain that may be `folded` when they are, past ones too, with their accounts: the same, or beyond ASCII. The
/// latter have indexes of their own.
pub(crate) fn alike(
    sql: &mut dyn Sql,
    address: &Address,
    folded: &str,
) -> Result<Vec<(String, AccountId)>, Error> {
    let find = "SELECT local, account FROM address WHERE domain = ?1 AND local GLOB '*[^ -~]*'
                UNION ALL SELECT local, account FROM retired_address WHERE domain = ?1 AND local GLOB '*[^ -~]*'
                UNION ALL SELECT local, account FROM address WHERE domain = ?1 AND local = ?2
                UNION ALL SELECT local, account FROM retired_address WHERE domain = ?1 AND local = ?2";
    let params = params![address.domain().as_str(), folded];
    rows(sql, find, params, |row| {
        Ok((row.text(0)?, AccountId(row.int(1)?)))
    })
}

pub(crate) fn insert(
    tx: &mut Tx<'_>,
    address: &Address,
    account: AccountId,
    main: bool,
) -> Result<bool, Error> {
    let address = address.canonical();
    let now = tx.now();
    let changed = tx.execute(
        "INSERT INTO address (local, domain, account, kind, added_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (local, domain, account) DO NOTHING",
        params![
            address.local(),
            address.domain().as_str(),
            account,
            if main { "main" } else { "alias" },
            now
        ],
    )?;
    Ok(changed == 1)
}

/// Takes an alias from an account and retires it for all others; `false` when there is no such alias.
pub(crate) fn remove_alias(
    tx: &mut Tx<'_>,
    address: &Address,
    account: AccountId,
) -> Result<bool, Error> {
    let address = address.canonical();
    let (local, domain) = (address.local(), address.domain().as_str());
    let now = tx.now();
    tx.execute(
        "INSERT INTO retired_address (local, domain, account, retired_at, added_at)
         SELECT local, domain, account, ?4, added_at FROM address
         WHERE local = ?1 AND domain = ?2 AND account = ?3 AND kind = 'alias'
         ON CONFLICT (local, domain, account) DO NOTHING",
        params![local, domain, account, now],
    )?;
    let changed = tx.execute(
        "DELETE FROM address WHERE local = ?1 AND domain = ?2 AND account = ?3 AND kind = 'alias'",
        params![local, domain, account],
    )?;
    forget_writers(tx)?;
    Ok(changed > 0)
}

/// Forgets who may write to aliases that mean nobody any more: whoever gets one later begins with what is usual.
fn forget_writers(tx: &mut Tx<'_>) -> Result<(), Error> {
    let forget = "DELETE FROM address_writers WHERE NOT EXISTS
        (SELECT 1 FROM address a WHERE a.local = address_writers.local AND a.domain = address_writers.domain)";
    tx.execute(forget, &[])?;
    let forget = "DELETE FROM address_writer WHERE NOT EXISTS
        (SELECT 1 FROM address a WHERE a.local = address_writer.local AND a.domain = address_writer.domain)";
    tx.execute(forget, &[])?;
    Ok(())
}

/// Takes all addresses from an account and retires them.
pub(crate) fn remove_all(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO retired_address (local, domain, account, retired_at, added_at)
         SELECT local, domain, account, ?2, added_at FROM address WHERE account = ?1
         ON CONFLICT (local, domain, account) DO NOTHING",
        params![account, now],
    )?;
    tx.execute("DELETE FROM address WHERE account = ?1", params![account])?;
    tx.execute(
        "DELETE FROM role_address WHERE account = ?1",
        params![account],
    )?;
    // Where nobody is left who was named, nobody may write: that is safer than everybody.
    tx.execute(
        "DELETE FROM address_writer WHERE account = ?1",
        params![account],
    )?;
    forget_writers(tx)
}

/// Routes a role address to an account.
pub(crate) fn set_role(
    tx: &mut Tx<'_>,
    address: &Address,
    account: AccountId,
) -> Result<(), Error> {
    let address = address.canonical();
    tx.execute(
        "INSERT INTO role_address (local, domain, account) VALUES (?1, ?2, ?3)
         ON CONFLICT (local, domain) DO UPDATE SET account = excluded.account",
        params![address.local(), address.domain().as_str(), account],
    )?;
    Ok(())
}
