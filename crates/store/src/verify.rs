//! Checking a store: every body, every reference, every counter. `kakitome verify` prints what it finds.

use crate::{
    AccountId, BodyId, Error, Snapshot, Store,
    cipher::Key,
    params, seal,
    shared::Shared,
    sql,
    sql::{Row, Sql},
    tx,
};

/// Bodies checked in one snapshot: a longer one would keep the database's log from being moved along.
const AT_ONCE: i64 = 64;
/// Findings of one sort that are told one by one.
const TOLD: i64 = 100;

/// How far a check has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bodies checked.
    pub checked: u64,
    /// Bodies there were at the beginning.
    pub total: u64,
}

impl Store {
    /// Checks that every body opens for every owner with its digest, that references and counters agree with
    /// what they count, and that the database is sound. Runs beside normal work. Returns what is wrong, in
    /// plain words; nothing, when all is well.
    ///
    /// # Errors
    /// When the check itself cannot go on.
    pub async fn verify(
        &self,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Vec<String>, Error> {
        let mut findings = self.read(tables).await?;
        let shared = std::sync::Arc::clone(&self.inner.shared);
        findings.extend(self.read(move |_| preambles(&shared)).await?);
        let total = self
            .read(|sql| one_count(sql, "SELECT count(*) FROM body"))
            .await?;
        let mut checked = 0;
        let mut after = BodyId(0);
        loop {
            progress(Progress { checked, total });
            let shared = std::sync::Arc::clone(&self.inner.shared);
            let part = self
                .read(move |snapshot| bodies(&shared, snapshot, after))
                .await?;
            findings.extend(part.findings);
            checked += part.checked;
            match part.last {
                Some(last) => after = last,
                None => return Ok(findings),
            }
        }
    }
}

struct Part {
    findings: Vec<String>,
    checked: u64,
    last: Option<BodyId>,
}

/// Checks some bodies with ids above `after`.
fn bodies(shared: &Shared, snapshot: &mut Snapshot<'_>, after: BodyId) -> Result<Part, Error> {
    let statement = "SELECT id FROM body WHERE id > ?1 ORDER BY id LIMIT ?2";
    let ids = sql::rows(snapshot, statement, params![after, AT_ONCE], |row| {
        row.int(0).map(BodyId)
    })?;
    let mut findings = Vec::new();
    for id in &ids {
        let Err(error) = body(shared, snapshot, *id) else {
            continue;
        };
        // Erased since this snapshot began: no finding.
        let still = "SELECT id FROM body WHERE id = ?1";
        let still = shared
            .readers
            .with(|sql| sql::first(sql, still, params![*id], |row| row.int(0)))?;
        if still.is_some() {
            findings.push(error.to_string());
        }
    }
    Ok(Part {
        findings,
        checked: ids.len() as u64,
        last: ids.last().copied(),
    })
}

fn body(shared: &Shared, snapshot: &mut Snapshot<'_>, id: BodyId) -> Result<(), Error> {
    let statement = "SELECT segment, start, length, size, digest FROM body WHERE id = ?1";
    let found = sql::first(snapshot, statement, params![id], |row| {
        Ok((tx::extent(row)?, row.count(3)?, row.blob(4)?))
    })?;
    let Some((extent, size, digest)) = found else {
        return Ok(());
    };
    let statement = "SELECT account, wrapped FROM body_owner WHERE body = ?1";
    let owners = sql::rows(snapshot, statement, params![id], |row| {
        Ok((AccountId(row.int(0)?), row.blob(1)?))
    })?;
    let mut key: Option<Key> = None;
    for (owner, wrapped) in owners {
        let own = tx::body_key(&shared.keys, snapshot, owner, id, &wrapped)?;
        if key.as_ref().is_some_and(|key| **key != *own) {
            return Err(Error::Corrupt(format!(
                "body {id}: {owner} has another key"
            )));
        }
        key = Some(own);
    }
    let key = key.ok_or_else(|| Error::Corrupt(format!("body {id} has no owner")))?;
    let record = shared.segments.read(extent)?;
    seal::open(id, record, size, &digest, &key).map(|_| ())
}

fn preambles(shared: &Shared) -> Result<Vec<String>, Error> {
    let mut findings = Vec::new();
    for number in shared.segments.numbers()? {
        match shared.segments.check_preamble(number) {
            Ok(()) | Err(Error::Io { .. }) => {}
            Err(error) => findings.push(error.to_string()),
        }
    }
    Ok(findings)
}

fn one_count(sql: &mut dyn Sql, statement: &str) -> Result<u64, Error> {
    Ok(sql::first(sql, statement, &[], |row| row.count(0))?.unwrap_or(0))
}

/// What names a body, once for each reference.
const NAMED: &str = "SELECT account, body, count(*) AS times FROM (
        SELECT account, body FROM email UNION ALL SELECT 1 AS account, body FROM queue_message
    ) AS naming GROUP BY account, body";

/// A statement whose rows are findings, and the words for them: each `{}` is the next column, an id, and each
/// `#` the next, a number.
struct Rule {
    statement: String,
    words: &'static str,
}

fn rules() -> Vec<Rule> {
    let rule = |statement: String, words| Rule { statement, words };
    vec![
        rule(
            format!(
                "SELECT n.body, n.account, n.times, o.refs FROM ({NAMED}) AS n
                 LEFT JOIN body_owner o ON o.body = n.body AND o.account = n.account
                 WHERE o.refs IS NULL OR o.refs <> n.times LIMIT ?1"
            ),
            "body {}: account {} names it # times and counts # references",
        ),
        rule(
            format!(
                "SELECT o.body, o.account, o.refs FROM body_owner o
                 LEFT JOIN ({NAMED}) AS n ON n.body = o.body AND n.account = o.account
                 WHERE n.times IS NULL LIMIT ?1"
            ),
            "body {}: account {} counts # references and nothing names it",
        ),
        rule(
            "SELECT o.body, o.account FROM body_owner o LEFT JOIN body b ON b.id = o.body
             WHERE b.id IS NULL LIMIT ?1"
                .to_owned(),
            "body {} of account {} has no place",
        ),
        rule(
            "SELECT m.mailbox, m.uid, m.email FROM message m LEFT JOIN email e ON e.id = m.email
             WHERE e.id IS NULL OR e.body <> m.body LIMIT ?1"
                .to_owned(),
            "mailbox {}, UID #: message {} is not what it shows",
        ),
        rule(
            "SELECT b.id, b.messages, count(m.uid) FROM mailbox b LEFT JOIN message m ON m.mailbox = b.id
             GROUP BY b.id, b.messages, b.bytes, b.unseen, b.deleted
             HAVING count(m.uid) <> b.messages OR coalesce(sum(m.size), 0) <> b.bytes
                 OR coalesce(sum(1 - (m.flags & 1)), 0) <> b.unseen
                 OR coalesce(sum((m.flags & 8) / 8), 0) <> b.deleted
             LIMIT ?1"
                .to_owned(),
            "mailbox {} counts # messages and holds #, or its other counters differ",
        ),
        rule(
            "SELECT u.account, u.bytes, coalesce(sum(b.bytes), 0) FROM account_usage u
             LEFT JOIN mailbox b ON b.account = u.account GROUP BY u.account, u.bytes, u.messages
             HAVING coalesce(sum(b.bytes), 0) <> u.bytes OR coalesce(sum(b.messages), 0) <> u.messages
             LIMIT ?1"
                .to_owned(),
            "account {} counts # octets and its mailboxes hold #, or its messages differ",
        ),
    ]
}

fn tables(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>, Error> {
    let mut findings = snapshot.sql.examine()?;
    for rule in rules() {
        snapshot
            .sql
            .query(&rule.statement, params![TOLD], &mut |row| {
                findings.push(tell(rule.words, row)?);
                Ok(())
            })?;
    }
    Ok(findings)
}

fn tell(words: &str, row: &dyn Row) -> Result<String, Error> {
    let mut told = String::with_capacity(words.len() + 32);
    let mut column = 0;
    for part in words.split_inclusive(['}', '#']) {
        let (text, number) = match (part.strip_suffix("{}"), part.strip_suffix('#')) {
            (Some(text), _) => (text, false),
            (_, Some(text)) => (text, true),
            _ => {
                told.push_str(part);
                continue;
            }
        };
        told.push_str(text);
        match row.maybe_int(column)? {
            Some(value) if number => told.push_str(&value.to_string()),
            Some(value) => told.push_str(&BodyId(value).to_string()),
            None => told.push_str("no"),
        }
        column += 1;
    }
    Ok(told)
}
