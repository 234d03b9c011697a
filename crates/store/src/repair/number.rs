//! Counters that are counted anew, and highest numbers that are raised.

use serde_json::{Value, json};

use crate::{
    AccountId, Error, MailboxId, Topic, Tx,
    commit::IDS_AHEAD,
    id,
    mark::Mark,
    params, recover,
    sql::{self, Sql},
    verify::{self, Finding},
};

use super::{Change, Stop};

/// Ids this far ahead of the clock (a year) were not given by a clock that was wrong: going on above them could use up
/// what is left.
const FAR_AHEAD: i64 = (365 * 86_400_000) << 20;

pub(super) fn change(tx: &mut Tx<'_>, finding: &Finding) -> Result<Change, Stop> {
    match finding {
        Finding::MarkBehind { .. } => mark(tx),
        Finding::IdMarkLow { .. } => ids(tx),
        Finding::UidValidity { .. } => validity(tx),
        Finding::MailboxCounters { mailbox, .. } => counters(tx, *mailbox),
        Finding::UidNext { mailbox, .. } => uid_next(tx, *mailbox),
        Finding::ModSeq { mailbox, .. } => modseq(tx, *mailbox),
        Finding::Usage { account, .. } => usage(tx, *account),
        _ => Err(Stop::NoLonger),
    }
}

fn raised(before: i64, after: i64) -> Change {
    Change {
        before: Value::from(before),
        after: Value::from(after),
    }
}

fn mark(tx: &mut Tx<'_>) -> Result<Change, Stop> {
    let noted = Mark::find(tx)?.unwrap_or_default();
    let last = recover::last_row(tx)?;
    if last <= noted {
        return Err(Stop::NoLonger);
    }
    last.note(tx.engine)?;
    Ok(Change {
        before: Value::from(noted.to_string()),
        after: Value::from(last.to_string()),
    })
}

/// The mark of used ids goes above every id there is, and so do the ids that are given from now on.
fn ids(tx: &mut Tx<'_>) -> Result<Change, Stop> {
    let mut highest = 0;
    for table in verify::WITH_IDS {
        let statement = format!("SELECT max(id) FROM {table}");
        let found = sql::first(tx, &statement, &[], |row| row.maybe_int(0))?;
        highest = found.flatten().unwrap_or(0).max(highest);
    }
    let find = "SELECT value FROM meta WHERE name = 'ids'";
    let noted = sql::first(tx, find, &[], |row| row.text(0))?;
    let noted: i64 = noted.and_then(|text| text.parse().ok()).unwrap_or(0);
    if highest <= noted {
        return Err(Stop::NoLonger);
    }
    if highest > id::not_before(tx.now()).saturating_add(FAR_AHEAD) {
        return Err(Stop::Left(
            "an id is so far ahead of the clock that it was never given: find its row and where it came from",
        ));
    }
    tx.shared.ids.raise(highest);
    let marked = tx.shared.ids.last().max(highest).saturating_add(IDS_AHEAD);
    let put = "INSERT INTO meta (name, value) VALUES ('ids', ?1)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(put, params![&marked.to_string()])?;
    Ok(raised(noted, marked))
}

fn validity(tx: &mut Tx<'_>) -> Result<Change, Stop> {
    let (last, needed) = verify::validity(tx)?;
    if last >= needed {
        return Err(Stop::NoLonger);
    }
    tx.execute(
        "INSERT INTO uid_validity (id, last) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET last = ?1",
        params![needed],
    )?;
    Ok(raised(last, needed))
}

fn state(sql: &mut dyn Sql, mailbox: MailboxId) -> Result<verify::State, Stop> {
    verify::State::of(sql, mailbox)?.ok_or(Stop::NoLonger)
}

fn counters(tx: &mut Tx<'_>, mailbox: MailboxId) -> Result<Change, Stop> {
    let verify::State { counted, held, .. } = state(tx, mailbox)?;
    if counted == held {
        return Err(Stop::NoLonger);
    }
    let [messages, unseen, deleted, bytes] = held;
    tx.execute(
        "UPDATE mailbox SET messages = ?2, unseen = ?3, deleted = ?4, bytes = ?5 WHERE id = ?1",
        params![mailbox, messages, unseen, deleted, bytes],
    )?;
    tx.touch(Topic::Mailbox(mailbox));
    let told = |[messages, unseen, deleted, octets]: [i64; 4]| json!({ "messages": messages, "unseen": unseen, "deleted": deleted, "octets": octets });
    Ok(Change {
        before: told(counted),
        after: told(held),
    })
}

fn uid_next(tx: &mut Tx<'_>, mailbox: MailboxId) -> Result<Change, Stop> {
    let state = state(tx, mailbox)?;
    if state.next >= state.next_needed {
        return Err(Stop::NoLonger);
    }
    if u32::try_from(state.next_needed).is_err() {
        return Err(Stop::Left("a UID in it is beyond 32 bits"));
    }
    let update = "UPDATE mailbox SET uid_next = ?2 WHERE id = ?1";
    tx.execute(update, params![mailbox, state.next_needed])?;
    tx.touch(Topic::Mailbox(mailbox));
    Ok(raised(state.next, state.next_needed))
}

fn modseq(tx: &mut Tx<'_>, mailbox: MailboxId) -> Result<Change, Stop> {
    let state = state(tx, mailbox)?;
    if state.modseq >= state.modseq_needed {
        return Err(Stop::NoLonger);
    }
    let update = "UPDATE mailbox SET highest_modseq = ?2 WHERE id = ?1";
    tx.execute(update, params![mailbox, state.modseq_needed])?;
    tx.touch(Topic::Mailbox(mailbox));
    Ok(raised(state.modseq, state.modseq_needed))
}

fn usage(tx: &mut Tx<'_>, account: AccountId) -> Result<Change, Stop> {
    let (counted, held) = verify::usage(tx, account)?;
    if counted == Some(held) {
        return Err(Stop::NoLonger);
    }
    let [bytes, messages] = held;
    // A row that is missing may have known a higher UIDVALIDITY than its mailboxes show: the last one given is above.
    let retired = retired(tx)?;
    tx.execute(
        "INSERT INTO account_usage (account, bytes, messages, quota, retired_validity) VALUES (?1, ?2, ?3, NULL, ?4) \
         ON CONFLICT (account) DO UPDATE SET bytes = excluded.bytes, messages = excluded.messages",
        params![account, bytes, messages, retired],
    )?;
    tx.touch(Topic::Account(account));
    let told = |[bytes, messages]: [i64; 2]| json!({ "octets": bytes, "messages": messages });
    Ok(Change {
        before: counted.map_or(Value::Null, told),
        after: told(held),
    })
}

fn retired(sql: &mut dyn Sql) -> Result<i64, Error> {
    let (last, needed) = verify::validity(sql)?;
    Ok(last.max(needed))
}
