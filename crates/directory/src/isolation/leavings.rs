//! What whoever had a password may have left behind to come back by: app passwords and second factors that were added since the
//! owner's last sure use (clause 4.1(1)).

use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Error, Tx, sql::Sql};
use trail::{Event, Kind};

use super::Cause;
use crate::tables::{account, app_password, second_factor};

/// Of each kind, the newest that are told one by one at most; all of them are revoked.
const MOST_TOLD: usize = 25;

/// What was added to the identifier since `since`: an object with `app_passwords` and `second_factors`, each a list, and `left_out`, how many
/// there are besides.
pub(crate) fn left_behind(
    sql: &mut dyn Sql,
    account: &account::Entry,
    since: Timestamp,
) -> Result<Value, Error> {
    let mut made = app_password::of(sql, account.id)?;
    made.retain(|one| one.made_at >= since);
    let mut added = second_factor::of(sql, account.id)?;
    added.retain(|one| one.added_at >= since);
    let left_out = made.len().saturating_sub(MOST_TOLD) + added.len().saturating_sub(MOST_TOLD);
    let made: Vec<Value> = (made.into_iter().rev().take(MOST_TOLD))
        .map(|one| {
            json!({
                "number": one.number, "name": one.name, "person": one.maker, "msa": one.msa, "mra": one.mra,
                "made_at": one.made_at.to_string(), "used_from": one.used_from,
            })
        })
        .collect();
    let added: Vec<Value> = (added.into_iter().rev().take(MOST_TOLD))
        .map(|one| {
            json!({
                "number": one.number, "kind": one.kind, "name": one.name, "added_at": one.added_at.to_string(),
            })
        })
        .collect();
    Ok(json!({ "app_passwords": made, "second_factors": added, "left_out": left_out }))
}

/// Removes the second factors that were added since `since`: passkeys too, with which nobody needs the password.
pub(super) fn remove_second_factors(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    cause: &Cause<'_>,
    since: Timestamp,
    events: &mut Vec<Event>,
) -> Result<(), Error> {
    let mut added = second_factor::of(tx, account.id)?;
    added.retain(|one| one.added_at >= since);
    for one in added {
        second_factor::remove(tx, account.id, one.number)?;
        let event = cause
            .event(Kind::SecondFactorRemoved, &account.identifier)
            .detail("second_factor", one.number)
            .detail("second_factor_kind", one.kind)
            .detail("name", one.name)
            .detail("by", "incident")
            .detail("incident", cause.incident);
        events.push(event);
    }
    Ok(())
}
