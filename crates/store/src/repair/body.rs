//! Bodies, their room and their owners.

use serde_json::{Value, json};

use crate::{
    AccountId, BodyId, Error, Tx,
    mailbox::{self, Flags, NewMessage},
    params,
    segment::Extent,
    sql::{self, Sql},
    tx::{self, signed},
    verify,
};

use super::{Change, Material, Naming, Stop, made_at, mail::Digest};

/// Gives the room of a body back that nobody owns and nothing names.
pub(super) fn free(tx: &mut Tx<'_>, body: BodyId, naming: &Naming) -> Result<Change, Stop> {
    let find = "SELECT segment, start, length FROM body WHERE id = ?1";
    let place = sql::first(tx, find, params![body], tx::extent)?.ok_or(Stop::NoLonger)?;
    let owned = "SELECT body FROM body_owner WHERE body = ?1";
    if verify::exists(tx, owned, params![body])? {
        return Err(Stop::NoLonger);
    }
    if naming.any(tx, body)? {
        return Err(Stop::Left(
            "a message names it: its key is lost, and a backup may have it",
        ));
    }
    if overlapped(tx, body, place)? {
        return Err(Stop::Left("another body lies in the same bytes"));
    }
    tx.free_body(body)?;
    let Extent {
        segment,
        start,
        length,
    } = place;
    Ok(Change {
        before: json!({ "segment": segment, "start": start, "length": length }),
        after: Value::from("its room is given back"),
    })
}

/// Whether another body lies in `place`.
fn overlapped(sql: &mut dyn Sql, body: BodyId, place: Extent) -> Result<bool, Error> {
    let find = "SELECT id FROM body WHERE segment = ?1 AND start < ?2 AND start + length > ?3 AND id <> ?4 LIMIT 1";
    let [segment, end, start] = [place.segment, place.end(), place.start].map(signed);
    verify::exists(sql, find, params![segment?, end?, start?, body])
}

/// Removes an owner of a body that has no place.
pub(super) fn remove_owner(
    tx: &mut Tx<'_>,
    body: BodyId,
    account: AccountId,
    naming: &Naming,
) -> Result<Change, Stop> {
    let find = "SELECT id FROM body WHERE id = ?1";
    if verify::exists(tx, find, params![body])? {
        return Err(Stop::NoLonger);
    }
    if naming.any(tx, body)? {
        return Err(Stop::Left(
            "a message names it: its bytes are lost, and a backup may have them",
        ));
    }
    drop_owner(tx, body, account)
}

fn drop_owner(tx: &mut Tx<'_>, body: BodyId, account: AccountId) -> Result<Change, Stop> {
    let delete = "DELETE FROM body_owner WHERE body = ?1 AND account = ?2 RETURNING refs";
    let refs = sql::first(tx, delete, params![body, account], |row| row.int(0))?;
    let refs = refs.ok_or(Stop::NoLonger)?;
    Ok(Change {
        before: json!({ "account": account.to_string(), "references": refs }),
        after: Value::Null,
    })
}

/// Takes room off the list of what is to be given back, when a body lies in it.
pub(super) fn keep_room(tx: &mut Tx<'_>, segment: u64, start: u64) -> Result<Change, Stop> {
    let [at, from] = [segment, start].map(signed);
    let (at, from) = (at?, from?);
    let find = "SELECT segment, start, length FROM body_free WHERE segment = ?1 AND start = ?2";
    let place = sql::first(tx, find, params![at, from], tx::extent)?.ok_or(Stop::NoLonger)?;
    if !overlapped(tx, BodyId(0), place)? {
        return Err(Stop::NoLonger);
    }
    let delete = "DELETE FROM body_free WHERE segment = ?1 AND start = ?2";
    tx.execute(delete, params![at, from])?;
    Ok(Change {
        before: json!({ "segment": segment, "start": start, "length": place.length }),
        after: Value::Null,
    })
}

/// Counts an owner's references anew.
pub(super) fn recount(
    tx: &mut Tx<'_>,
    body: BodyId,
    account: AccountId,
    naming: &Naming,
) -> Result<Change, Stop> {
    let counted = references(tx, body, account)?.ok_or(Stop::NoLonger)?;
    let named = signed(naming.count(tx, body, account)?)?;
    if named == counted || named == 0 {
        return Err(Stop::NoLonger);
    }
    let update = "UPDATE body_owner SET refs = ?3 WHERE body = ?1 AND account = ?2";
    tx.execute(update, params![body, account, named])?;
    Ok(Change {
        before: Value::from(counted),
        after: Value::from(named),
    })
}

fn references(sql: &mut dyn Sql, body: BodyId, account: AccountId) -> Result<Option<i64>, Error> {
    let find = "SELECT refs FROM body_owner WHERE body = ?1 AND account = ?2";
    sql::first(sql, find, params![body, account], |row| row.int(0))
}

/// Gives a body that nothing names back to the account that owns it, as a message.
pub(super) fn give_back(
    tx: &mut Tx<'_>,
    body: BodyId,
    account: AccountId,
    material: &Material,
) -> Result<Change, Stop> {
    let counted = references(tx, body, account)?.ok_or(Stop::NoLonger)?;
    if material.naming.count(tx, body, account)? > 0 {
        return Err(Stop::NoLonger);
    }
    let Some(raw) = &material.raw else {
        return leave_queue(tx, body, account);
    };
    // The message will count for itself.
    let none = "UPDATE body_owner SET refs = 0 WHERE body = ?1 AND account = ?2";
    tx.execute(none, params![body, account])?;
    let mailbox = mailbox::recovered(tx, account)?;
    let digest = Digest::of(raw);
    let message = NewMessage {
        body,
        size: raw.len() as u64,
        flags: Flags::default(),
        keywords: Vec::new(),
        internal_date: made_at(body),
        summary: digest.summary,
        references: digest.references,
    };
    let appended = mailbox::append(tx, mailbox, &message, false)?;
    Ok(Change {
        before: json!({ "references": counted }),
        after: json!({ "mailbox": mailbox.to_string(), "uid": appended.uid }),
    })
}

/// The queue lets go of a body that others keep.
fn leave_queue(tx: &mut Tx<'_>, body: BodyId, account: AccountId) -> Result<Change, Stop> {
    let others = "SELECT account FROM body_owner WHERE body = ?1 AND account <> ?2 LIMIT 1";
    if !verify::exists(tx, others, params![body, account])? {
        return Err(Stop::Left(
            "only the queue owns it, and nothing says whom it was for: find its events by the time it came",
        ));
    }
    drop_owner(tx, body, account)
}
