//! A shared identifier that was suspended has no password that could be renewed: each of those who use it makes a secret of their own
//! again, or another decision shares it anew (clauses 4.1(1)b, 8.1).

use jiff::Timestamp;
use store::{Error, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use super::{
    AccountState, CommandError,
    incident::{self, Step},
};
use crate::tables::{
    account, app_password,
    incident::{self as table, Entry},
    shared,
};

/// Whether those who share it may make secrets although it is suspended: they open nothing before it is resumed. Once the decision to
/// share it is to be reviewed, only another decision will do.
pub(super) fn may_renew(
    sql: &mut dyn Sql,
    account: &account::Entry,
    now: Timestamp,
) -> Result<bool, Error> {
    let suspended = account.state == AccountState::Suspended;
    let entry = shared::of(sql, account.id)?;
    Ok(suspended && entry.is_some_and(|entry| entry.review_at > now))
}

/// Those who share the account and have made no secret since it was suspended. `None`: it is not shared, or nobody is
/// left who does.
fn without_secret(
    sql: &mut dyn Sql,
    account: &account::Entry,
    now: Timestamp,
) -> Result<Option<Vec<String>>, Error> {
    if shared::of(sql, account.id)?.is_none() {
        return Ok(None);
    }
    let since = account.suspended_at.unwrap_or(i64::MIN);
    let mut made = app_password::of(sql, account.id)?;
    made.retain(|one| one.made_at.as_microsecond() >= since);
    let users = shared::users(sql, account.id)?;
    let (mut missing, mut used) = (Vec::new(), false);
    for (person, name) in &users {
        // One who has left uses it no more.
        let uses = shared::is_user(sql, account.id, *person, now)?;
        used |= uses;
        if uses && !made.iter().any(|one| one.made_by == *person) {
            missing.push(name.clone());
        }
    }
    match used {
        true => Ok(Some(missing)),
        false if users.is_empty() => Ok(None),
        false => Ok(Some(users.into_iter().map(|(_, name)| name).collect())),
    }
}

/// Why a shared identifier is not resumed; `None`: it may be, or is not shared.
pub(super) fn refusal(
    sql: &mut dyn Sql,
    account: &account::Entry,
    now: Timestamp,
) -> Result<Option<CommandError>, Error> {
    let Some(entry) = shared::of(sql, account.id)? else {
        return Ok(None);
    };
    let identifier = &account.identifier;
    let anew =
        "another order shares it anew (`order shared`, `account share`), or `account unshare`";
    if entry.review_at <= now {
        return Ok(Some(CommandError::State(format!(
            "{identifier} is not resumed: the decision to share it was to be reviewed by {} (clause 8.1): {anew}",
            entry.review_at
        ))));
    }
    if account.renewed {
        return Ok(None);
    }
    let missing = without_secret(sql, account, now)?.unwrap_or_default();
    Ok(Some(CommandError::State(format!(
        "{identifier} is shared, and cannot be resumed before each of those who use it has made a secret since the suspension \
         (`account app-password add {identifier}`; still without one: {}): or {anew}",
        missing.join(", ")
    ))))
}

/// When the last of those who use a suspended identifier has made a secret, it counts as renewed, and what incidents demand of a new
/// password is done: nothing has to be handed over, since nobody but its maker has seen a secret.
pub(super) fn by_all(
    tx: &mut Tx<'_>,
    account: &account::Entry,
) -> Result<Vec<Event>, CommandError> {
    if !now_by_all(tx, account)? {
        return Ok(Vec::new());
    }
    let awaiting = incident::awaiting_password(tx, account)?;
    let note = "each of those who share it has made a new secret";
    Ok(settled(tx, &awaiting, note)?)
}

/// Whether each of those who use a suspended identifier has made a secret, but it does not count as renewed yet: it does then.
pub(super) fn now_by_all(tx: &mut Tx<'_>, account: &account::Entry) -> Result<bool, Error> {
    if account.state != AccountState::Suspended || account.renewed {
        return Ok(false);
    }
    let now = tx.now();
    match without_secret(tx, account, now)? {
        Some(missing) if missing.is_empty() => {
            account::renew(tx, account.id, false)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The server takes the steps of `awaiting` that a new password would be.
pub(super) fn settled(
    tx: &mut Tx<'_>,
    awaiting: &[Entry],
    note: &str,
) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    for open in awaiting {
        for step in [Step::PasswordRenewed, Step::HandedOver] {
            if table::take_step(tx, open.number, step.as_str(), None, note)? {
                let event = Event::new(Kind::IncidentStep, Actor::System)
                    .subject(open.number.to_string())
                    .detail("step", step.as_str())
                    .detail("note", note);
                events.push(event);
            }
        }
    }
    Ok(events)
}
