//! The rows (`crates/store/src/schema/vuln.sql`).

use advisory::{
    Advisory,
    feed::{Exploited, Format, Score},
    inventory::{Item, ItemKind},
};
use jiff::Timestamp;
use serde_json::Value;
use store::{
    Error, PersonId, Tx, params,
    sql::{self, Row, Sql},
};

use super::case::Step;

/// A row of `software`.
#[derive(Clone, Debug)]
pub(super) struct Software {
    pub(super) number: i64,
    pub(super) item: Item,
    pub(super) first_seen: Timestamp,
    pub(super) gone_at: Option<Timestamp>,
}

fn damaged(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("{what}: {error}"))
}

fn json(what: &str, value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| damaged(what, error))
}

fn parsed<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| damaged(what, error))
}

fn next(sql: &mut dyn Sql, table: &str) -> Result<i64, Error> {
    let last = format!("SELECT coalesce(max(number), 0) FROM {table}");
    let last = sql::first(sql, &last, &[], |row| row.int(0))?.unwrap_or_default();
    Ok(last.saturating_add(1))
}

/// Software, present or all that there ever was.
pub(super) fn software(sql: &mut dyn Sql, present_only: bool) -> Result<Vec<Software>, Error> {
    let only = if present_only {
        "WHERE gone_at IS NULL"
    } else {
        ""
    };
    let list = format!(
        "SELECT number, item, first_seen, gone_at FROM software {only} ORDER BY kind, name, number"
    );
    sql::rows(sql, &list, &[], |row| {
        Ok(Software {
            number: row.int(0)?,
            item: parsed("software", &row.text(1)?)?,
            first_seen: row.time(2)?,
            gone_at: row.maybe_time(3)?,
        })
    })
}

/// Software that went at `at` or later.
pub(super) fn gone_since(sql: &mut dyn Sql, at: Timestamp) -> Result<Vec<Item>, Error> {
    let list = "SELECT item FROM software WHERE gone_at >= ?1 ORDER BY number";
    sql::rows(sql, list, params![at], |row| {
        parsed("software", &row.text(0)?)
    })
}

pub(super) fn add_software(tx: &mut Tx<'_>, item: &Item) -> Result<(), Error> {
    let (number, now) = (next(tx, "software")?, tx.now());
    let text = json("software", item)?;
    tx.execute(
        "INSERT INTO software (number, kind, name, version, item, first_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![number, item.kind.as_str(), &item.name, &item.version, &text, now],
    )?;
    Ok(())
}

pub(super) fn end_software(tx: &mut Tx<'_>, number: i64) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE software SET gone_at = ?2 WHERE number = ?1",
        params![number, now],
    )?;
    Ok(())
}

/// A row of `software_look`.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    pub(super) kind: String,
    pub(super) looked_at: Timestamp,
    pub(super) failed: String,
}

pub(super) fn note_look(tx: &mut Tx<'_>, kind: ItemKind, failed: &str) -> Result<(), Error> {
    let now = tx.now();
    let seen = failed.is_empty().then_some(now);
    tx.execute(
        "INSERT INTO software_look (kind, looked_at, seen_at, failed) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (kind) DO UPDATE SET \
         looked_at = excluded.looked_at, seen_at = coalesce(excluded.seen_at, software_look.seen_at), failed = excluded.failed",
        params![kind.as_str(), now, seen, failed],
    )?;
    Ok(())
}

pub(super) fn looks(sql: &mut dyn Sql) -> Result<Vec<Looked>, Error> {
    sql::rows(
        sql,
        "SELECT kind, looked_at, failed FROM software_look ORDER BY kind",
        &[],
        |row| {
            Ok(Looked {
                kind: row.text(0)?,
                looked_at: row.time(1)?,
                failed: row.text(2)?,
            })
        },
    )
}

/// A row of `vuln_feed`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Feed {
    /// Its name.
    pub name: String,
    /// Its format.
    pub format: String,
    /// When it was tried last.
    pub tried_at: Timestamp,
    /// Why that failed; empty: it did not.
    pub failed: String,
    /// When it was read last.
    pub good_at: Option<Timestamp>,
    /// SHA-256 of what was read then.
    pub digest: String,
    /// When the feed said that it was made.
    pub published: String,
    /// Records that were read.
    pub records: u64,
    /// Records that were passed over.
    pub skipped: u64,
    /// Records about cases or software here.
    pub touched: u64,
}

pub(super) fn feeds(sql: &mut dyn Sql) -> Result<Vec<Feed>, Error> {
    let list = "SELECT name, format, tried_at, failed, good_at, digest, published, records, skipped, touched FROM vuln_feed ORDER BY name";
    sql::rows(sql, list, &[], |row| {
        Ok(Feed {
            name: row.text(0)?,
            format: row.text(1)?,
            tried_at: row.time(2)?,
            failed: row.text(3)?,
            good_at: row.maybe_time(4)?,
            digest: row.text(5)?,
            published: row.text(6)?,
            records: row.count(7)?,
            skipped: row.count(8)?,
            touched: row.count(9)?,
        })
    })
}

/// A feed was read.
pub(super) fn feed_read(tx: &mut Tx<'_>, feed: &Feed) -> Result<(), Error> {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    tx.execute(
        "INSERT INTO vuln_feed (name, format, tried_at, failed, good_at, digest, published, records, skipped, touched) \
         VALUES (?1, ?2, ?3, '', ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (name) DO UPDATE SET format = excluded.format, \
         tried_at = excluded.tried_at, failed = '', good_at = excluded.good_at, digest = excluded.digest, \
         published = excluded.published, records = excluded.records, skipped = excluded.skipped, touched = excluded.touched",
        params![
            &feed.name, &feed.format, feed.tried_at, &feed.digest, &feed.published, count(feed.records), count(feed.skipped),
            count(feed.touched)
        ],
    )?;
    Ok(())
}

/// A feed could not be read; what was known stays.
pub(super) fn feed_failed(
    tx: &mut Tx<'_>,
    name: &str,
    format: Format,
    why: &str,
) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO vuln_feed (name, format, tried_at, failed, digest, published, records, skipped, touched) \
         VALUES (?1, ?2, ?3, ?4, '', '', 0, 0, 0) ON CONFLICT (name) DO UPDATE SET tried_at = excluded.tried_at, failed = excluded.failed",
        params![name, format.as_str(), now, why],
    )?;
    Ok(())
}

/// Puts the catalogue in the place of the one there was, or beside it if it is not whole: what it lacks may be known already. Returns the
/// CVE numbers that are new in it.
pub(super) fn set_exploited(
    tx: &mut Tx<'_>,
    catalogue: &[Exploited],
    is_whole: bool,
) -> Result<Vec<String>, Error> {
    let known = sql::rows(tx, "SELECT cve FROM vuln_exploited", &[], |row| row.text(0))?;
    let known: std::collections::BTreeSet<String> = known.into_iter().collect();
    if is_whole {
        tx.execute("DELETE FROM vuln_exploited", &[])?;
    }
    let mut fresh = Vec::new();
    for one in catalogue {
        tx.execute(
            "INSERT INTO vuln_exploited (cve, added, name, ransomware) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (cve) DO UPDATE SET \
             added = excluded.added, name = excluded.name, ransomware = excluded.ransomware",
            params![&one.cve, &one.added, &one.name, one.ransomware],
        )?;
        if !known.contains(&one.cve) {
            fresh.push(one.cve.clone());
        }
    }
    Ok(fresh)
}

/// Since when a vulnerability is in the catalogue, and whether extortionists use it.
pub(super) fn exploited(sql: &mut dyn Sql, cve: &str) -> Result<Option<(String, bool)>, Error> {
    sql::first(
        sql,
        "SELECT added, ransomware FROM vuln_exploited WHERE cve = ?1",
        params![cve],
        |row| Ok((row.text(0)?, row.int(1)? != 0)),
    )
}

/// A row of `vuln_case`.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) number: i64,
    pub(super) id: String,
    pub(super) opened_at: Timestamp,
    pub(super) told_at: Option<Timestamp>,
    pub(super) closed_at: Option<Timestamp>,
    pub(super) score: Option<(i64, i64)>,
}

fn case(row: &dyn Row) -> Result<Case, Error> {
    Ok(Case {
        number: row.int(0)?,
        id: row.text(1)?,
        opened_at: row.time(2)?,
        told_at: row.maybe_time(3)?,
        closed_at: row.maybe_time(4)?,
        score: row.maybe_int(5)?.zip(row.maybe_int(6)?),
    })
}

const CASE: &str =
    "SELECT number, id, opened_at, told_at, closed_at, score, percentile FROM vuln_case";

pub(super) fn cases(sql: &mut dyn Sql) -> Result<Vec<Case>, Error> {
    sql::rows(sql, &format!("{CASE} ORDER BY number"), &[], case)
}

pub(super) fn case_by_number(sql: &mut dyn Sql, number: i64) -> Result<Option<Case>, Error> {
    sql::first(
        sql,
        &format!("{CASE} WHERE number = ?1"),
        params![number],
        case,
    )
}

pub(super) fn case_by_id(sql: &mut dyn Sql, id: &str) -> Result<Option<i64>, Error> {
    sql::first(
        sql,
        "SELECT number FROM vuln_case WHERE id = ?1",
        params![id],
        |row| row.int(0),
    )
}

pub(super) fn open(tx: &mut Tx<'_>, id: &str) -> Result<i64, Error> {
    let (number, now) = (next(tx, "vuln_case")?, tx.now());
    tx.execute(
        "INSERT INTO vuln_case (number, id, opened_at) VALUES (?1, ?2, ?3)",
        params![number, id, now],
    )?;
    Ok(number)
}

pub(super) fn note_told(tx: &mut Tx<'_>, number: i64) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE vuln_case SET told_at = ?2 WHERE number = ?1",
        params![number, now],
    )?;
    Ok(())
}

/// Somebody is to be told of it (again).
pub(super) fn untell(tx: &mut Tx<'_>, number: i64) -> Result<(), Error> {
    tx.execute(
        "UPDATE vuln_case SET told_at = NULL WHERE number = ?1",
        params![number],
    )?;
    Ok(())
}

pub(super) fn set_closed(tx: &mut Tx<'_>, number: i64, at: Option<Timestamp>) -> Result<(), Error> {
    tx.execute(
        "UPDATE vuln_case SET closed_at = ?2 WHERE number = ?1",
        params![number, at],
    )?;
    Ok(())
}

/// Notes the score of a case.
pub(super) fn set_score(tx: &mut Tx<'_>, number: i64, score: &Score) -> Result<(), Error> {
    tx.execute(
        "UPDATE vuln_case SET score = ?2, percentile = ?3 WHERE number = ?1",
        params![number, score.probability, score.percentile],
    )?;
    Ok(())
}

/// What sources say of a case.
pub(super) fn advisories(sql: &mut dyn Sql, case: i64) -> Result<Vec<Advisory>, Error> {
    let list = "SELECT facts FROM vuln_advisory WHERE case_number = ?1 ORDER BY source, id";
    sql::rows(sql, list, params![case], |row| {
        parsed("an advisory", &row.text(0)?)
    })
}

/// What sources say of all cases, with each case's number.
pub(super) fn all_advisories(sql: &mut dyn Sql) -> Result<Vec<(i64, Advisory)>, Error> {
    let list = "SELECT case_number, facts FROM vuln_advisory ORDER BY case_number, source, id";
    sql::rows(sql, list, &[], |row| {
        Ok((row.int(0)?, parsed("an advisory", &row.text(1)?)?))
    })
}

/// The case of an advisory, and what it said.
pub(super) fn advisory(
    sql: &mut dyn Sql,
    source: &str,
    id: &str,
) -> Result<Option<(i64, Advisory)>, Error> {
    let one = "SELECT case_number, facts FROM vuln_advisory WHERE source = ?1 AND id = ?2";
    sql::first(sql, one, params![source, id], |row| {
        Ok((row.int(0)?, parsed("an advisory", &row.text(1)?)?))
    })
}

/// Source and identifier of all that are kept.
pub(super) fn known(sql: &mut dyn Sql) -> Result<Vec<(String, String)>, Error> {
    sql::rows(sql, "SELECT source, id FROM vuln_advisory", &[], |row| {
        Ok((row.text(0)?, row.text(1)?))
    })
}

pub(super) fn keep(tx: &mut Tx<'_>, case: i64, advisory: &Advisory) -> Result<(), Error> {
    let now = tx.now();
    let text = json("an advisory", advisory)?;
    tx.execute(
        "INSERT INTO vuln_advisory (source, id, case_number, seen_at, facts) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (source, id) DO UPDATE SET seen_at = excluded.seen_at, facts = excluded.facts",
        params![advisory.source.as_str(), &advisory.id, case, now, &text],
    )?;
    Ok(())
}

/// A row of `vuln_step`.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) step: Step,
    pub(super) at: Timestamp,
    pub(super) person: Option<(PersonId, String)>,
    pub(super) facts: Value,
}

pub(super) fn steps(sql: &mut dyn Sql, case: i64) -> Result<Vec<Taken>, Error> {
    let list = "SELECT s.step, s.at, s.person, p.name, s.facts FROM vuln_step s LEFT JOIN person p ON p.id = s.person \
                WHERE s.case_number = ?1 ORDER BY s.number";
    sql::rows(sql, list, params![case], |row| {
        let step = row.text(0)?;
        let step = step
            .parse()
            .map_err(|error: String| damaged("a step of a case", error))?;
        let person = row.maybe_int(2)?.map(PersonId);
        Ok(Taken {
            step,
            at: row.time(1)?,
            person: person.zip(row.maybe_text(3)?),
            facts: parsed("a step of a case", &row.text(4)?)?,
        })
    })
}

pub(super) fn take(
    tx: &mut Tx<'_>,
    case: i64,
    step: Step,
    person: Option<PersonId>,
    facts: &Value,
) -> Result<(), Error> {
    let (number, now) = (next(tx, "vuln_step")?, tx.now());
    let text = json("a step of a case", facts)?;
    tx.execute(
        "INSERT INTO vuln_step (number, case_number, step, at, person, facts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![number, case, step.as_str(), now, person, &text],
    )?;
    Ok(())
}
