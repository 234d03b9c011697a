//! Finding events: the trail's index brings what may match, and what it has not reached is looked through.

use jiff::Timestamp;
use trail::{Actor, Event, Kind, Outcome, Recorded};

use super::{
    Filter,
    index::TrailIndex,
    words::{self, COLUMNS, Facts},
};
use crate::{
    Error, Snapshot, params,
    sql::{self, Row, Sql, Value},
};

/// Events looked at in one go.
const PAGE: usize = 512;

/// Events that match, in order of time, at most `limit`.
///
/// The memory that it takes is bounded by `limit`.
///
/// # Errors
/// When the database fails.
pub fn search(
    snapshot: &mut Snapshot<'_>,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Recorded>, Error> {
    let Some(span) = span(snapshot.sql, filter)? else {
        return Ok(Vec::new());
    };
    let mut search = Search::new(filter, span, limit);
    let wanted = words::wanted(filter);
    if !wanted.is_empty() {
        search.by_index(snapshot.sql, snapshot.trail, &wanted)?;
    }
    search.through(snapshot.sql)?;
    Ok(search.found)
}

/// Ids between which all events of the filter's time lie: after the first, before the second.
pub(super) fn span(sql: &mut dyn Sql, filter: &Filter) -> Result<Option<(i64, i64)>, Error> {
    let mut after = filter.after.unwrap_or(-1);
    if let Some(from) = filter.from {
        match first_at(sql, from)? {
            Some(id) => after = after.max(id.saturating_sub(1)),
            None => return Ok(None),
        }
    }
    let before = match filter.to {
        Some(to) => first_at(sql, to)?.unwrap_or(i64::MAX),
        None => i64::MAX,
    };
    Ok((after < before).then_some((after, before)))
}

/// The first event not before `at`. Times ascend with ids, so it is found by halving.
pub(crate) fn first_at(sql: &mut dyn Sql, at: Timestamp) -> Result<Option<i64>, Error> {
    let last = "SELECT id, at FROM event ORDER BY id DESC LIMIT 1";
    let read = |row: &dyn Row| Ok((row.int(0)?, row.time(1)?));
    let Some((mut high, _)) = sql::first(sql, last, &[], read)?.filter(|(_, last)| *last >= at)
    else {
        return Ok(None);
    };
    // Every event below `low` is before `at`; the first one from `high` on is not.
    let mut low = 0;
    while low < high {
        let middle = low + (high - low) / 2;
        let next = "SELECT id, at FROM event WHERE id >= ?1 ORDER BY id LIMIT 1";
        match sql::first(sql, next, params![middle], read)? {
            Some((id, time)) if time < at => low = id.saturating_add(1),
            _ => high = middle,
        }
    }
    let found = "SELECT id FROM event WHERE id >= ?1 ORDER BY id LIMIT 1";
    sql::first(sql, found, params![low], |row| row.int(0))
}

/// The event of `kind` on `subject` that was recorded at exactly this instant: what a row that tells of it must have. Few
/// steps, however long the trail is.
///
/// # Errors
/// When the database fails.
pub fn recorded_at(
    sql: &mut dyn Sql,
    at: Timestamp,
    kind: Kind,
    subject: &str,
) -> Result<Option<Recorded>, Error> {
    let Some(from) = first_at(sql, at)? else {
        return Ok(None);
    };
    let next = Timestamp::from_microsecond(at.as_microsecond().saturating_add(1));
    let next = next.map_err(|error| Error::Corrupt(error.to_string()))?;
    let before = first_at(sql, next)?.unwrap_or(i64::MAX);
    let find = format!(
        "SELECT {COLUMNS} FROM event WHERE id >= ?1 AND id < ?2 AND kind = ?3 AND subject = ?4 LIMIT 1"
    );
    let params = params![from, before, kind.as_str(), subject];
    sql::first(sql, &find, params, recorded)
}

/// The first event of one of `kinds` that belongs to an order. Events with an order have an index of their own.
///
/// # Errors
/// When the database fails.
pub fn first_of_order(
    sql: &mut dyn Sql,
    order: i64,
    kinds: &[Kind],
) -> Result<Option<Recorded>, Error> {
    let kinds: Vec<String> = kinds
        .iter()
        .map(|kind| format!("'{}'", kind.as_str()))
        .collect();
    let find = format!(
        "SELECT {COLUMNS} FROM event WHERE ord = ?1 AND kind IN ({}) ORDER BY id LIMIT 1",
        kinds.join(", ")
    );
    sql::first(sql, &find, params![order], recorded)
}

/// A search under way.
struct Search {
    conditions: Conditions,
    /// Looked up in what an event tells of, not in a column.
    address: Option<String>,
    message_id: Option<String>,
    /// All events up to this one were looked at.
    after: i64,
    before: i64,
    limit: usize,
    found: Vec<Recorded>,
}

impl Search {
    fn new(filter: &Filter, (after, before): (i64, i64), limit: usize) -> Self {
        Self {
            conditions: Conditions::of(filter),
            address: filter.address.as_deref().map(words::address_key),
            message_id: filter.message_id.as_deref().map(words::message_id_key),
            after,
            before,
            limit,
            found: Vec::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }

    /// Looks at what the index brings, as far as it reaches.
    fn by_index(
        &mut self,
        sql: &mut dyn Sql,
        index: &TrailIndex,
        wanted: &[Vec<String>],
    ) -> Result<(), Error> {
        while !self.is_full() {
            let hits = match index.find(sql, wanted, (self.after, self.before), PAGE) {
                Ok(hits) => hits,
                Err(error) => {
                    tracing::warn!(%error, "the index of the audit trail cannot be read: the events are looked through");
                    return Ok(());
                }
            };
            for id in &hits.ids {
                self.look_at(sql, (id.saturating_sub(1), id.saturating_add(1)), 1)?;
                self.after = *id;
                if self.is_full() {
                    return Ok(());
                }
            }
            if hits.ids.len() < PAGE {
                self.after = self.after.max(hits.reach.min(self.before));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks through all events that are left.
    fn through(&mut self, sql: &mut dyn Sql) -> Result<(), Error> {
        while !self.is_full() {
            // What stands in the details is not among the statement's own conditions.
            let wanted = match self.looks_into_details() {
                true => PAGE,
                false => PAGE.min(self.limit.saturating_sub(self.found.len())),
            };
            let span = (self.after, self.before);
            let Some((count, last)) = self.look_at(sql, span, wanted)? else {
                return Ok(());
            };
            self.after = last;
            if count < wanted {
                return Ok(());
            }
        }
        Ok(())
    }

    fn looks_into_details(&self) -> bool {
        self.address.is_some() || self.message_id.is_some()
    }

    /// Whether an event tells of the address and the message that are wanted.
    fn tells_of(&self, sql: &mut dyn Sql, mut facts: Facts) -> Result<bool, Error> {
        if self.message_id.is_some() && facts.message_id != self.message_id {
            return Ok(false);
        }
        let Some(address) = &self.address else {
            return Ok(true);
        };
        facts.complete(sql)?;
        Ok(facts.addresses.contains(address))
    }

    /// Takes what matches of the next events strictly within a span, at most `page`; how many they were and the last of
    /// them, if there was any.
    fn look_at(
        &mut self,
        sql: &mut dyn Sql,
        (after, before): (i64, i64),
        page: usize,
    ) -> Result<Option<(usize, i64)>, Error> {
        let page = i64::try_from(page).unwrap_or(i64::MAX);
        let mut params = vec![Value::Int(after), Value::Int(before), Value::Int(page)];
        params.extend(self.conditions.texts.iter().map(Value::from));
        let addressed = self.looks_into_details();
        let events = sql::rows(sql, &self.conditions.statement, &params, |row| {
            let facts = if addressed {
                Some(Facts::of(row)?)
            } else {
                None
            };
            Ok((recorded(row)?, facts))
        })?;
        let Some((last, _)) = events.last() else {
            return Ok(None);
        };
        let (count, last) = (events.len(), last.id);
        for (event, facts) in events {
            if self.is_full() {
                break;
            }
            if let Some(facts) = facts
                && !self.tells_of(sql, facts)?
            {
                continue;
            }
            self.found.push(event);
        }
        Ok(Some((count, last)))
    }
}

/// The events of a span (the first three parameters: after, before, how many) that the filter's conditions on columns
/// let through.
struct Conditions {
    statement: String,
    texts: Vec<String>,
}

impl Conditions {
    fn of(filter: &Filter) -> Self {
        let mut conditions = Self {
            statement: format!("SELECT {COLUMNS} FROM event WHERE id > ?1 AND id < ?2"),
            texts: Vec::new(),
        };
        if let Some(subject) = &filter.subject {
            conditions.is_one_of("subject", std::slice::from_ref(subject));
        }
        if let Some(actor) = &filter.actor {
            conditions.is_one_of("actor", &words::actors(actor));
        }
        if let Some(outcome) = filter.outcome {
            conditions.is_one_of("outcome", &[outcome.as_str().to_owned()]);
        }
        if !filter.kinds.is_empty() {
            let kinds = filter.kinds.iter().map(|kind| kind.as_str().to_owned());
            conditions.is_one_of("kind", &kinds.collect::<Vec<_>>());
        }
        conditions.statement.push_str(" ORDER BY id LIMIT ?3");
        conditions
    }

    fn is_one_of(&mut self, column: &str, texts: &[String]) {
        let marks = (1..=texts.len()).map(|number| format!("?{}", self.texts.len() + number + 3));
        let marks = marks.collect::<Vec<_>>().join(", ");
        let condition = format!(" AND {column} IN ({marks})");
        self.statement.push_str(&condition);
        self.texts.extend_from_slice(texts);
    }
}

pub(super) fn recorded(row: &dyn Row) -> Result<Recorded, Error> {
    let id = row.int(0)?;
    let bad = |what: &str| Error::Corrupt(format!("event {id}: {what}"));
    let kind = row.text(3)?.parse().map_err(|_| bad("unknown kind"))?;
    let actor = Actor::from_text(&row.text(4)?).ok_or_else(|| bad("no actor"))?;
    let outcome = Outcome::from_name(&row.text(5)?).ok_or_else(|| bad("unknown outcome"))?;
    let address = match row.maybe_text(6)? {
        Some(text) => Some(text.parse().map_err(|_| bad("bad address"))?),
        None => None,
    };
    let detail = serde_json::from_str(&row.text(9)?).map_err(|_| bad("bad details"))?;
    Ok(Recorded {
        id,
        at: row.time(1)?,
        version: u32::try_from(row.int(2)?).map_err(|_| bad("bad version"))?,
        event: Event {
            kind,
            actor,
            outcome,
            address,
            subject: row.text(7)?,
            order: row.maybe_int(8)?,
            detail,
        },
    })
}
