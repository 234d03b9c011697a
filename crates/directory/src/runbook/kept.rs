//! Each runbook that came into force is kept, with an event; an incident goes by the one that it was opened under.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;
use store::{
    Error, Recorded, Store, Tx, params,
    sql::{self, Row, Sql},
};
use trail::{Actor, Event, Kind};

use super::{Runbook, Runbooks};
use crate::{Role, command::incident::IncidentKind, tables::incident::Entry};

/// Where a runbook is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The program.
    BuiltIn,
    /// A file of the site's own.
    Site,
}

impl Source {
    /// Its name in storage and in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Site => "site",
        }
    }
}

/// A runbook that came into force.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    /// Its number, ascending over all kinds.
    pub number: i64,
    /// The kind of incident.
    pub kind: String,
    /// BLAKE3 of its text, in hexadecimal.
    pub digest: String,
    /// `built-in` or `site`.
    pub source: String,
    /// When it came into force.
    pub since: Timestamp,
    /// Its text.
    #[serde(skip)]
    pub text: String,
}

const SELECT: &str = "SELECT r.number, r.kind, r.digest, r.source, r.since, r.text FROM runbook r";

fn read(row: &dyn Row) -> Result<Version, Error> {
    Ok(Version {
        number: row.int(0)?,
        kind: row.text(1)?,
        digest: row.text(2)?,
        source: row.text(3)?,
        since: row.time(4)?,
        text: row.text(5)?,
    })
}

/// All of them, the newest first.
pub(crate) fn versions(sql: &mut dyn Sql) -> Result<Vec<Version>, Error> {
    sql::rows(sql, &format!("{SELECT} ORDER BY r.number DESC"), &[], read)
}

fn newest(sql: &mut dyn Sql, kind: IncidentKind) -> Result<Option<Version>, Error> {
    let find = format!("{SELECT} WHERE r.kind = ?1 ORDER BY r.number DESC LIMIT 1");
    sql::first(sql, &find, params![kind.as_str()], read)
}

/// A version, read.
pub(crate) fn parsed(version: &Version) -> Result<Arc<Runbook>, Error> {
    let file = format!("runbook {} ({})", version.number, version.kind);
    let book = Runbook::read(&file, &version.text);
    book.map(Arc::new)
        .map_err(|error| Error::Corrupt(error.to_string()))
}

fn built_in(kind: IncidentKind) -> Result<Arc<Runbook>, Error> {
    let book = Runbook::built_in(kind);
    book.map(Arc::new)
        .map_err(|error| Error::Corrupt(error.to_string()))
}

/// The runbook that a new incident goes by. Before any was kept, the program's.
pub(crate) fn in_force(sql: &mut dyn Sql, kind: IncidentKind) -> Result<Arc<Runbook>, Error> {
    match newest(sql, kind)? {
        Some(version) => parsed(&version),
        None => built_in(kind),
    }
}

/// What of the runbook in force nobody could do: steps, the opening or the end, with the roles of which none is `held`.
///
/// # Errors
/// The store's.
pub fn nobody_for(
    sql: &mut dyn Sql,
    kind: IncidentKind,
    held: impl Fn(&Role) -> bool,
) -> Result<Vec<String>, Error> {
    let book = in_force(sql, kind)?;
    let steps = book.steps.iter().filter(|rule| !rule.roles.is_empty());
    let steps = steps.map(|rule| (rule.key.as_str(), rule.roles.as_slice()));
    let officer = std::slice::from_ref(&book.officer);
    let all = steps.chain([("open", book.open.as_slice()), ("close", officer)]);
    let nobody = all.filter(|(_, roles)| !roles.iter().any(&held));
    let told = nobody.map(|(what, roles)| {
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        format!("{what} ({})", names.join(", "))
    });
    Ok(told.collect())
}

/// Notes that a new incident goes by the runbook in force; its number.
pub(crate) fn bind(
    tx: &mut Tx<'_>,
    incident: i64,
    kind: IncidentKind,
) -> Result<Option<i64>, Error> {
    let Some(version) = newest(tx, kind)? else {
        return Ok(None);
    };
    put(tx, incident, version.number)?;
    Ok(Some(version.number))
}

fn put(tx: &mut Tx<'_>, incident: i64, version: i64) -> Result<(), Error> {
    let insert = "INSERT INTO incident_runbook (incident, runbook) VALUES (?1, ?2)";
    tx.execute(insert, params![incident, version])?;
    Ok(())
}

/// The runbook that an incident goes by, with its number; one from before runbooks were kept goes by the program's.
pub(crate) fn of_incident(
    sql: &mut dyn Sql,
    incident: &Entry,
) -> Result<(Option<i64>, Arc<Runbook>), Error> {
    of_incidents(sql, &mut BTreeMap::new(), incident)
}

/// The same of one of many: what was read of the others is remembered in `known`.
pub(crate) fn of_incidents(
    sql: &mut dyn Sql,
    known: &mut BTreeMap<i64, Arc<Runbook>>,
    incident: &Entry,
) -> Result<(Option<i64>, Arc<Runbook>), Error> {
    let find = "SELECT runbook FROM incident_runbook WHERE incident = ?1";
    let number = sql::first(sql, find, params![incident.number], |row| row.int(0))?;
    let Some(number) = number else {
        return Ok((None, built_in(incident.kind()?)?));
    };
    if let Some(book) = known.get(&number) {
        return Ok((Some(number), Arc::clone(book)));
    }
    let find = format!("{SELECT} WHERE r.number = ?1");
    let version = sql::first(sql, &find, params![number], read)?
        .ok_or_else(|| Error::Corrupt(format!("there is no runbook {number}")))?;
    let book = parsed(&version)?;
    known.insert(number, Arc::clone(&book));
    Ok((Some(number), book))
}

/// Keeps the runbooks that are in force from now on, if they are others than before. Incidents from before any was kept go by the
/// program's, as they did.
///
/// # Errors
/// The store's.
pub async fn keep(store: &Store, books: &Runbooks) -> Result<(), Error> {
    let wanted: Vec<(Source, Runbook)> = books
        .iter()
        .map(|(source, book)| (source, book.clone()))
        .collect();
    let all = wanted.clone();
    let is_kept = store.read(move |sql| {
        for (source, book) in &all {
            let newest = newest(sql, book.kind)?;
            if !newest.is_some_and(|newest| is(&newest, *source, book)) {
                return Ok::<_, Error>(false);
            }
        }
        Ok(true)
    });
    if is_kept.await? {
        return Ok(());
    }
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
        let mut last = None;
        for (source, book) in &wanted {
            for event in renew(tx, *source, book)? {
                last = Some(tx.record(&event, ())?);
            }
        }
        // Another commit kept them meanwhile: reloads come one after the other, so it is none.
        last.ok_or_else(|| Error::Corrupt("runbooks changed while they were kept".to_owned()))
    };
    store.commit(Vec::new(), work).await.map(drop)
}

fn is(version: &Version, source: Source, book: &Runbook) -> bool {
    version.source == source.as_str() && version.digest == book.digest()
}

fn renew(tx: &mut Tx<'_>, source: Source, book: &Runbook) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    let mut before = newest(tx, book.kind)?.map(|version| (version.number, version));
    if before.is_none() {
        let first = built_in(book.kind)?;
        let (version, mut event) = enter(tx, Source::BuiltIn, &first, None)?;
        let find = "SELECT i.number FROM incident i WHERE i.kind = ?1 AND i.closed_at IS NULL
                    AND NOT EXISTS (SELECT 1 FROM incident_runbook b WHERE b.incident = i.number) ORDER BY i.number";
        let open = sql::rows(tx, find, params![book.kind.as_str()], |row| row.int(0))?;
        for incident in &open {
            put(tx, *incident, version.number)?;
        }
        if !open.is_empty() {
            event = event.detail("incidents", open);
        }
        events.push(event);
        before = Some((version.number, version));
    }
    if let Some((number, version)) = before
        && !is(&version, source, book)
    {
        events.push(enter(tx, source, book, Some(number))?.1);
    }
    Ok(events)
}

fn enter(
    tx: &mut Tx<'_>,
    source: Source,
    book: &Runbook,
    before: Option<i64>,
) -> Result<(Version, Event), Error> {
    let highest = "SELECT COALESCE(MAX(number), 0) FROM runbook";
    let highest = sql::first(tx, highest, &[], |row| row.int(0))?;
    let version = Version {
        number: highest.unwrap_or_default().saturating_add(1),
        kind: book.kind.as_str().to_owned(),
        digest: book.digest(),
        source: source.as_str().to_owned(),
        since: tx.now(),
        text: book.text.clone(),
    };
    let insert = "INSERT INTO runbook (number, kind, digest, source, since, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.execute(
        insert,
        params![
            version.number,
            version.kind.as_str(),
            version.digest.as_str(),
            version.source.as_str(),
            version.since,
            version.text.as_str()
        ],
    )?;
    let mut event = Event::new(Kind::RunbookInForce, Actor::System)
        .subject(version.kind.as_str())
        .detail("version", version.number)
        .detail("digest", version.digest.as_str())
        .detail("source", version.source.as_str());
    if let Some(before) = before {
        event = event.detail("before", before);
    }
    Ok((version, event))
}
