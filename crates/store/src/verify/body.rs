//! Every body: whether it opens for each owner as what was written.

use crate::{
    AccountId, BodyId, EmailId, Error, EventId, QueueId, Snapshot,
    cipher::Key,
    params, seal,
    shared::Shared,
    sql::{self, Sql},
    tx,
};

use super::{Arrival, Check, Finding, Holder, Look, ROWS};

/// Bodies opened in one step, and octets after which it ends early.
const AT_ONCE: i64 = 64;
const OCTETS: u64 = 64 << 20;
/// Places where a damaged body is shown that are told.
const HOLDERS: usize = 20;

/// Owners' rows that name no body.
#[derive(Default)]
pub(super) struct Owners {
    after: (i64, i64),
}

impl Check for Owners {
    fn name(&self) -> &'static str {
        "owners"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let list =
            "SELECT o.body, o.account, b.id FROM body_owner o LEFT JOIN body b ON b.id = o.body
                    WHERE (o.body, o.account) > (?1, ?2) ORDER BY o.body, o.account LIMIT ?3";
        let page = params![self.after.0, self.after.1, ROWS];
        let owners = look.rows(list, page, |row| {
            Ok((row.int(0)?, row.int(1)?, row.maybe_int(2)?))
        })?;
        for (body, account, placed) in &owners {
            if placed.is_some() {
                continue;
            }
            let (body, account) = (BodyId(*body), AccountId(*account));
            let holders = held_by(look.sql, body, account)?;
            look.tell(if holders.is_empty() {
                Finding::BodyWithoutPlace { body, account }
            } else {
                let why = "where its bytes lie is not known any more".to_owned();
                Finding::BodyDamaged { body, why, holders }
            });
        }
        match owners.last() {
            Some((body, account, _)) => self.after = (*body, *account),
            None => return Ok(false),
        }
        Ok(true)
    }
}

/// Every body there is.
#[derive(Default)]
pub(super) struct Bodies {
    after: i64,
    total: Option<u64>,
}

impl Check for Bodies {
    fn name(&self) -> &'static str {
        "bodies"
    }

    fn total(&self) -> Option<u64> {
        self.total
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        if self.total.is_none() {
            self.total = look.first("SELECT count(*) FROM body", &[], |row| row.count(0))?;
        }
        let list = "SELECT id, length FROM body WHERE id > ?1 ORDER BY id LIMIT ?2";
        let bodies = sql::rows(look.sql, list, params![self.after, AT_ONCE], |row| {
            Ok((row.int(0)?, row.count(1)?))
        })?;
        let mut octets = 0u64;
        for (id, length) in &bodies {
            look.rows += 1;
            self.after = *id;
            if let Some(finding) = examine(look.shared, look.sql, BodyId(*id))? {
                look.tell(finding);
            }
            octets = octets.saturating_add(*length);
            if octets > OCTETS {
                break;
            }
        }
        Ok(!bodies.is_empty())
    }
}

/// What is wrong with a body.
fn examine(
    shared: &Shared,
    snapshot: &mut Snapshot<'_>,
    id: BodyId,
) -> Result<Option<Finding>, Error> {
    match open(shared, snapshot, id) {
        Ok(Opened::Whole) => return Ok(None),
        Ok(Opened::NoOwner) => return Ok(Some(Finding::BodyUnowned { body: id })),
        Err(_) => {}
    }
    // It, or one of its owners, may have gone since this view began: the second look is at what is now.
    let again = shared
        .readers
        .with(|sql| open(shared, &mut Snapshot::new(sql, shared), id));
    let Err(error) = again else {
        return Ok(None);
    };
    let why = match error {
        Error::Corrupt(why) => why,
        Error::Io { .. } | Error::NoKey(_) => error.to_string(),
        // The database itself failed: the check cannot go on.
        other => return Err(other),
    };
    let prefix = format!("body {id}: ");
    Ok(Some(Finding::BodyDamaged {
        body: id,
        why: why.strip_prefix(&prefix).unwrap_or(&why).to_owned(),
        holders: holders(snapshot, id)?,
    }))
}

enum Opened {
    Whole,
    NoOwner,
}

fn open(shared: &Shared, snapshot: &mut Snapshot<'_>, id: BodyId) -> Result<Opened, Error> {
    let statement = "SELECT segment, start, length, size, digest FROM body WHERE id = ?1";
    let found = sql::first(snapshot, statement, params![id], |row| {
        Ok((tx::extent(row)?, row.count(3)?, row.blob(4)?))
    })?;
    let Some((extent, size, digest)) = found else {
        return Ok(Opened::Whole);
    };
    let statement = "SELECT account, wrapped FROM body_owner WHERE body = ?1";
    let owners = sql::rows(snapshot, statement, params![id], |row| {
        Ok((AccountId(row.int(0)?), row.blob(1)?))
    })?;
    let mut key: Option<Key> = None;
    for (owner, wrapped) in owners {
        let own = tx::body_key(&shared.keys, snapshot, owner, id, &wrapped)?;
        if key.as_ref().is_some_and(|key| **key != *own) {
            return Err(Error::Corrupt(format!("{owner} has another key")));
        }
        key = Some(own);
    }
    let Some(key) = key else {
        return Ok(Opened::NoOwner);
    };
    let length = shared.segments.length(extent.segment)?;
    if extent.end() > length {
        return Err(Error::Corrupt(format!(
            "its place ends at byte {} of segment {}, which has {length}",
            extent.end(),
            extent.segment
        )));
    }
    let mut record = shared.segments.read(extent)?;
    seal::open(id, &mut record, size, Some(&digest), &key).map(|_| Opened::Whole)
}

/// Where a body is shown, as far as the tables know.
fn holders(snapshot: &mut Snapshot<'_>, body: BodyId) -> Result<Vec<Holder>, Error> {
    let queued = "SELECT id FROM queue_message WHERE body = ?1";
    let queued = sql::rows(snapshot, queued, params![body], |row| {
        Ok(Holder::Queue {
            id: QueueId(row.int(0)?),
        })
    })?;
    let mut holders = queued;
    let apart = "SELECT DISTINCT message FROM quarantined_for WHERE body = ?1";
    holders.extend(sql::rows(snapshot, apart, params![body], |row| {
        Ok(Holder::Quarantine {
            id: QueueId(row.int(0)?),
        })
    })?);
    let owners = "SELECT account FROM body_owner WHERE body = ?1 AND account <> ?2";
    let owners = sql::rows(snapshot, owners, params![body, AccountId::QUEUE], |row| {
        row.int(0).map(AccountId)
    })?;
    for account in owners {
        holders.extend(held_by(snapshot, body, account)?);
    }
    holders.truncate(HOLDERS);
    Ok(holders)
}

/// Where an account shows a body.
fn held_by(
    snapshot: &mut Snapshot<'_>,
    body: BodyId,
    account: AccountId,
) -> Result<Vec<Holder>, Error> {
    let emails = "SELECT id FROM email WHERE account = ?1 AND body = ?2 ORDER BY id LIMIT ?3";
    let most = i64::try_from(HOLDERS).unwrap_or(i64::MAX);
    let emails = sql::rows(snapshot, emails, params![account, body, most], |row| {
        row.int(0).map(EmailId)
    })?;
    let mut holders = Vec::new();
    for email in emails {
        holders.extend(shown(snapshot, account, email)?);
    }
    Ok(holders)
}

pub(super) fn shown(
    snapshot: &mut Snapshot<'_>,
    account: AccountId,
    email: EmailId,
) -> Result<Vec<Holder>, Error> {
    let identifier = "SELECT identifier FROM account WHERE id = ?1";
    let identifier = sql::first(snapshot, identifier, params![account], |row| row.text(0))?;
    // A commit writes its events after its messages, with the next ids: the first event above is of that commit.
    let arrival = "SELECT id, kind, subject FROM event WHERE id > ?1 ORDER BY id LIMIT 1";
    let arrival = sql::first(snapshot, arrival, params![email], |row| {
        Ok(Arrival {
            event: EventId(row.int(0)?),
            kind: row.text(1)?,
            subject: row.text(2)?,
        })
    })?;
    let places = "SELECT b.name, m.uid FROM message m JOIN mailbox b ON b.id = m.mailbox
                  WHERE m.email = ?1 ORDER BY m.mailbox, m.uid";
    sql::rows(snapshot as &mut dyn Sql, places, params![email], |row| {
        Ok(Holder::Mailbox {
            account,
            identifier: identifier.clone(),
            mailbox: row.text(0)?,
            uid: u32::try_from(row.int(1)?).unwrap_or_default(),
            arrival: arrival.clone(),
        })
    })
}
