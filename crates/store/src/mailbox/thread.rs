//! Threads (RFC 8474, section 5.2): messages that share a Message-ID, as their own or as a reference.

use std::collections::HashMap;

use crate::{
    AccountId, Error, ThreadId, Tx, batch, params,
    sql::{Sql, Value},
};

use super::read::with_list;

/// References of one message that are looked at, at most: the first half and the last half of this many. The
/// root and the nearest ancestors are what ties a thread together.
const MAX_REFERENCES: usize = 64;

/// The thread of the first of `references` that has one, else a new one. Those that had none join it.
///
/// Two threads that turn out to be one stay two: a THREADID that was told never changes.
pub(super) fn find(
    tx: &mut Tx<'_>,
    account: AccountId,
    references: &[String],
) -> Result<ThreadId, Error> {
    let hashes = hashes(tx, account, references)?;
    let known = known(tx, account, &hashes)?;
    let thread = hashes
        .iter()
        .find_map(|hash| known.get(hash))
        .copied()
        .unwrap_or_else(|| ThreadId(tx.next_id()));
    let new: Vec<i64> = hashes
        .into_iter()
        .filter(|hash| !known.contains_key(hash))
        .collect();
    for list in batch::lists(&new) {
        let rows: Vec<String> = (3..3 + list.len())
            .map(|mark| format!("(?1, ?{mark}, ?2)"))
            .collect();
        let statement = format!(
            "INSERT INTO thread_reference (account, hash, thread) VALUES {} ON CONFLICT (account, hash) DO NOTHING",
            rows.join(", ")
        );
        let mut params = vec![Value::from(account), Value::from(thread)];
        params.extend(list.iter().map(|hash| Value::Int(*hash)));
        tx.execute(&statement, &params)?;
    }
    Ok(thread)
}

/// The keyed hashes of the references, in order, each once.
fn hashes(tx: &mut Tx<'_>, account: AccountId, references: &[String]) -> Result<Vec<i64>, Error> {
    if references.is_empty() {
        return Ok(Vec::new());
    }
    let key = tx.account_hash_key(account)?;
    let half = MAX_REFERENCES / 2;
    let skipped = references.len().saturating_sub(MAX_REFERENCES);
    let chosen = references
        .iter()
        .enumerate()
        .filter(|(at, _)| *at < half || *at >= half + skipped)
        .map(|(_, reference)| bare(reference))
        .filter(|reference| !reference.is_empty());
    let mut hashes = Vec::new();
    for reference in chosen {
        let hash = blake3::keyed_hash(&key, reference.as_bytes());
        let mut short = [0; 8];
        short.copy_from_slice(hash.as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]));
        let hash = i64::from_le_bytes(short);
        if !hashes.contains(&hash) {
            hashes.push(hash);
        }
    }
    Ok(hashes)
}

fn known(
    sql: &mut dyn Sql,
    account: AccountId,
    hashes: &[i64],
) -> Result<HashMap<i64, ThreadId>, Error> {
    let mut known = HashMap::new();
    for list in batch::lists(hashes) {
        let statement = format!(
            "SELECT hash, thread FROM thread_reference WHERE account = ?1 AND hash IN ({})",
            batch::marks(2, list.len())
        );
        sql.query(
            &statement,
            &with_list(Value::from(account), &list),
            &mut |row| {
                known.insert(row.int(0)?, ThreadId(row.int(1)?));
                Ok(())
            },
        )?;
    }
    Ok(known)
}

/// A Message-ID without its angle brackets.
fn bare(reference: &str) -> &str {
    let trimmed = reference.trim();
    trimmed
        .strip_prefix('<')
        .and_then(|inner| inner.strip_suffix('>'))
        .unwrap_or(trimmed)
}

/// Forgets all of an account's references.
pub(super) fn forget(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    tx.execute(
        "DELETE FROM thread_reference WHERE account = ?1",
        params![account],
    )?;
    Ok(())
}
