//! Mail whose rows are not in order.

use message::{Limits, Summary};
use serde_json::{Value, json};

use crate::{
    AccountId, BodyId, EmailId, Error, MailboxId, ThreadId, Tx,
    mailbox::{self, Flags, Returning},
    params, sql,
    sql::Sql,
    verify::{self, Finding},
};

use super::{Change, Stop, made_at};

/// Messages put back in one commit.
const AT_ONCE: i64 = 500;

/// What the store keeps of a message beside its bytes, made from the bytes.
pub(super) struct Digest {
    pub(super) summary: Vec<u8>,
    pub(super) references: Vec<String>,
}

impl Digest {
    pub(super) fn of(raw: &[u8]) -> Self {
        let summary = Summary::of(raw, &Limits::default());
        let mut references: Vec<String> = summary.message_id().into_iter().collect();
        references.extend(summary.references.iter().cloned());
        Self {
            summary: summary.encode(),
            references,
        }
    }
}

pub(super) fn change(
    tx: &mut Tx<'_>,
    finding: &Finding,
    raw: Option<&[u8]>,
) -> Result<Change, Stop> {
    const UNREAD: Stop = Stop::Left("the message could not be read");
    match finding {
        Finding::EmailUnseen {
            email,
            account,
            body,
        } => unseen(tx, *account, *email, *body, raw.ok_or(UNREAD)?),
        Finding::SummaryDamaged { email, account, .. } => {
            summary(tx, *account, *email, raw.ok_or(UNREAD)?)
        }
        Finding::MessageWithoutEmail {
            mailbox,
            uid,
            email,
            body,
        } => row_of(tx, (*mailbox, *uid), *email, *body, raw.ok_or(UNREAD)?),
        Finding::MessageSize { mailbox, uid, .. } => size(tx, *mailbox, *uid),
        Finding::MailboxMissing { mailbox, .. } => move_out(tx, *mailbox),
        _ => Err(Stop::NoLonger),
    }
}

/// A message that no mailbox holds comes back to its owner.
fn unseen(
    tx: &mut Tx<'_>,
    account: AccountId,
    email: EmailId,
    body: BodyId,
    raw: &[u8],
) -> Result<Change, Stop> {
    let there = "SELECT id FROM email WHERE id = ?1";
    let held = "SELECT uid FROM message WHERE email = ?1 LIMIT 1";
    if !verify::exists(tx, there, params![email])? || verify::exists(tx, held, params![email])? {
        return Err(Stop::NoLonger);
    }
    let returning = Returning {
        email,
        body,
        size: raw.len() as u64,
        flags: Flags::default(),
        keywords: Vec::new(),
        internal_date: made_at(body),
        thread: None,
        references: Digest::of(raw).references,
    };
    let (mailbox, uid) = mailbox::put_back(tx, account, &returning)?;
    Ok(Change {
        before: Value::Null,
        after: json!({ "mailbox": mailbox.to_string(), "uid": uid }),
    })
}

/// What lists show of a message is made anew.
fn summary(
    tx: &mut Tx<'_>,
    account: AccountId,
    email: EmailId,
    raw: &[u8],
) -> Result<Change, Stop> {
    let find = "SELECT summary FROM email WHERE id = ?1";
    let old = sql::first(tx, find, params![email], |row| row.blob(0))?.ok_or(Stop::NoLonger)?;
    match tx.open_note(account, &old) {
        Err(Error::Corrupt(_)) => {}
        Ok(_) => return Err(Stop::NoLonger),
        Err(error) => return Err(error.into()),
    }
    let sealed = tx.seal_note(account, &Digest::of(raw).summary)?;
    let update = "UPDATE email SET summary = ?2 WHERE id = ?1";
    tx.execute(update, params![email, &sealed])?;
    Ok(Change {
        before: Value::from("it did not open"),
        after: Value::from("made from the message"),
    })
}

/// The row of a message that a mailbox shows is made anew.
fn row_of(
    tx: &mut Tx<'_>,
    (mailbox, uid): (MailboxId, u32),
    email: EmailId,
    body: BodyId,
    raw: &[u8],
) -> Result<Change, Stop> {
    let shown = "SELECT x.account FROM message m JOIN mailbox x ON x.id = m.mailbox
                 WHERE m.mailbox = ?1 AND m.uid = ?2 AND m.email = ?3 AND m.body = ?4";
    let shown = sql::first(tx, shown, params![mailbox, uid, email, body], |row| {
        row.int(0).map(AccountId)
    })?;
    let account = shown.ok_or(Stop::NoLonger)?;
    let there = "SELECT id FROM email WHERE id = ?1";
    if verify::exists(tx, there, params![email])? {
        return Err(Stop::NoLonger);
    }
    let summary = tx.seal_note(account, &Digest::of(raw).summary)?;
    tx.execute(
        "INSERT INTO email (id, account, body, summary) VALUES (?1, ?2, ?3, ?4)",
        params![email, account, body, &summary],
    )?;
    Ok(Change {
        before: Value::Null,
        after: json!({ "message": email.to_string(), "body": body.to_string() }),
    })
}

fn size(tx: &mut Tx<'_>, mailbox: MailboxId, uid: u32) -> Result<Change, Stop> {
    let find = "SELECT m.size, b.size FROM message m JOIN body b ON b.id = m.body
                WHERE m.mailbox = ?1 AND m.uid = ?2";
    let sizes = sql::first(tx, find, params![mailbox, uid], |row| {
        Ok((row.int(0)?, row.int(1)?))
    })?;
    let (told, real) = sizes
        .filter(|(told, real)| told != real)
        .ok_or(Stop::NoLonger)?;
    let update = "UPDATE message SET size = ?3 WHERE mailbox = ?1 AND uid = ?2";
    tx.execute(update, params![mailbox, uid, real])?;
    Ok(Change {
        before: Value::from(told),
        after: Value::from(real),
    })
}

struct Stray {
    uid: i64,
    account: AccountId,
    returning: Returning,
}

/// Messages of a mailbox that does not exist come back to their owners, with all that is known of them.
fn move_out(tx: &mut Tx<'_>, mailbox: MailboxId) -> Result<Change, Stop> {
    let there = "SELECT id FROM mailbox WHERE id = ?1";
    if verify::exists(tx, there, params![mailbox])? {
        return Err(Stop::NoLonger);
    }
    let strays = strays(tx, mailbox)?;
    if strays.is_empty() {
        return Err(Stop::Left(
            "its messages have no rows that say whose they are; the mail is kept",
        ));
    }
    let mut moved = Vec::new();
    for stray in &strays {
        let (to, uid) = mailbox::put_back(tx, stray.account, &stray.returning)?;
        let remove = "DELETE FROM message WHERE mailbox = ?1 AND uid = ?2";
        tx.execute(remove, params![mailbox, stray.uid])?;
        moved.push(json!([stray.uid, to.to_string(), uid]));
    }
    Ok(Change {
        before: json!({ "mailbox": mailbox.to_string(), "messages": strays.len() }),
        after: Value::Array(moved),
    })
}

fn strays(sql: &mut dyn Sql, mailbox: MailboxId) -> Result<Vec<Stray>, Error> {
    let list = "SELECT m.uid, e.account, m.email, m.body, m.size, m.flags, m.keywords, m.internal_date, m.thread
                FROM message m JOIN email e ON e.id = m.email WHERE m.mailbox = ?1 ORDER BY m.uid LIMIT ?2";
    sql::rows(sql, list, params![mailbox, AT_ONCE], |row| {
        Ok(Stray {
            uid: row.int(0)?,
            account: AccountId(row.int(1)?),
            returning: Returning {
                email: EmailId(row.int(2)?),
                body: BodyId(row.int(3)?),
                size: row.count(4)?,
                flags: Flags(u8::try_from(row.int(5)?).unwrap_or_default()),
                keywords: row
                    .text(6)?
                    .split(' ')
                    .filter(|word| !word.is_empty())
                    .map(str::to_owned)
                    .collect(),
                internal_date: row.time(7)?,
                thread: Some(ThreadId(row.int(8)?)),
                references: Vec::new(),
            },
        })
    })
}
