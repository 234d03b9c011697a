//! Rows that lead nowhere.

use serde_json::{Value, json};

use crate::{
    AccountId, Error, EventId, MailboxId, QueueId, Tx, params,
    sql::{self, Sql},
    verify::{self, Finding},
};

use super::{Change, Stop};

pub(super) fn change(tx: &mut Tx<'_>, finding: &Finding) -> Result<Change, Stop> {
    match finding {
        Finding::ExpungedOrphans { mailbox, .. } => expunged(tx, *mailbox),
        Finding::AccountOrphans { table, account, .. } => of_account(tx, table, *account),
        Finding::RecipientOrphans { id, .. } => recipients(tx, *id),
        Finding::AddressOrphans { event, .. } => stray_addresses(tx, *event),
        _ => Err(Stop::NoLonger),
    }
}

fn removed(rows: u64, before: Value) -> Result<Change, Stop> {
    if rows == 0 {
        return Err(Stop::NoLonger);
    }
    Ok(Change {
        before,
        after: Value::Null,
    })
}

fn expunged(tx: &mut Tx<'_>, mailbox: MailboxId) -> Result<Change, Stop> {
    let there = "SELECT id FROM mailbox WHERE id = ?1";
    if verify::exists(tx, there, params![mailbox])? {
        return Err(Stop::NoLonger);
    }
    let delete = "DELETE FROM expunged WHERE mailbox = ?1";
    let rows = tx.execute(delete, params![mailbox])?;
    removed(rows, json!({ "rows": rows }))
}

fn of_account(tx: &mut Tx<'_>, table: &str, account: AccountId) -> Result<Change, Stop> {
    if verify::has_mail(tx, account)? {
        return Err(Stop::NoLonger);
    }
    let delete = format!("DELETE FROM {table} WHERE account = ?1");
    let rows = tx.execute(&delete, params![account])?;
    removed(rows, json!({ "table": table, "rows": rows }))
}

fn recipients(tx: &mut Tx<'_>, id: QueueId) -> Result<Change, Stop> {
    let there = "SELECT id FROM queue_message WHERE id = ?1";
    if verify::exists(tx, there, params![id])? {
        return Err(Stop::NoLonger);
    }
    let list = "SELECT address, attempts, last_reply FROM queue_recipient WHERE message = ?1 ORDER BY number";
    let before = sql::rows(tx, list, params![id], |row| {
        let text = |column| row.text(column).unwrap_or_else(|error| error.to_string());
        Ok(json!([text(0), row.int(1).unwrap_or(-1), text(2)]))
    })?;
    let delete = "DELETE FROM queue_recipient WHERE message = ?1";
    let rows = tx.execute(delete, params![id])?;
    removed(rows, Value::Array(before))
}

fn stray_addresses(tx: &mut Tx<'_>, event: EventId) -> Result<Change, Stop> {
    if is_there(tx, event)? {
        return Err(Stop::NoLonger);
    }
    let list = "SELECT address FROM event_named WHERE event = ?1";
    let before = sql::rows(tx, list, params![event], |row| row.text(0))?;
    let delete = "DELETE FROM event_named WHERE event = ?1";
    let rows = tx.execute(delete, params![event])?;
    removed(
        rows,
        json!({ "event": event.to_string(), "addresses": before }),
    )
}

fn is_there(sql: &mut dyn Sql, event: EventId) -> Result<bool, Error> {
    let find = "SELECT id FROM event WHERE id = ?1";
    verify::exists(sql, find, params![event])
}
