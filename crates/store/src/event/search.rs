//! Finding events: one index drives, the other conditions look at what it brings.

use jiff::Timestamp;
use trail::{Actor, Event, Kind, Outcome, Recorded};

use super::Filter;
use crate::{
    Error, params,
    sql::{self, Row, Sql, Value},
};

/// Events that match, in order of time, at most `limit`.
///
/// The memory it takes is bounded by `limit` (times the number of kinds, when only kinds are given).
///
/// # Errors
/// When the database fails.
pub fn search(sql: &mut dyn Sql, filter: &Filter, limit: usize) -> Result<Vec<Recorded>, Error> {
    let Some(span) = span(sql, filter)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for driver in drivers(filter) {
        run(sql, filter, &driver, span, limit, &mut found)?;
    }
    found.sort_by_key(|event: &Recorded| event.id);
    found.dedup_by_key(|event| event.id);
    found.truncate(limit);
    Ok(found)
}

/// Ids between which all events of the filter's time lie: after the first, before the second.
fn span(sql: &mut dyn Sql, filter: &Filter) -> Result<Option<(i64, i64)>, Error> {
    let mut first_at = |at: Timestamp| {
        // Times ascend with ids, so one look into the index by time is enough.
        let statement = "SELECT id FROM event WHERE at >= ?1 ORDER BY at, id LIMIT 1";
        sql::first(sql, statement, params![at], |row| row.int(0))
    };
    let mut after = filter.after.unwrap_or(-1);
    if let Some(from) = filter.from {
        match first_at(from)? {
            Some(id) => after = after.max(id.saturating_sub(1)),
            None => return Ok(None),
        }
    }
    let before = match filter.to {
        Some(to) => first_at(to)?.unwrap_or(i64::MAX),
        None => i64::MAX,
    };
    Ok((after < before).then_some((after, before)))
}

/// The condition whose index is walked.
enum Driver {
    Address(String),
    Subject(String),
    Actor(String),
    Outcome(Outcome),
    Kind(Kind),
    Time,
}

/// The most selective conditions first. Several drivers of one sort are alternatives.
fn drivers(filter: &Filter) -> Vec<Driver> {
    if let Some(address) = &filter.address {
        return vec![Driver::Address(address_key(address))];
    }
    if let Some(subject) = &filter.subject {
        return vec![Driver::Subject(subject.clone())];
    }
    if let Some(actor) = &filter.actor {
        return actors(actor).into_iter().map(Driver::Actor).collect();
    }
    match filter.outcome {
        Some(outcome) if outcome != Outcome::Success => return vec![Driver::Outcome(outcome)],
        _ => {}
    }
    if !filter.kinds.is_empty() {
        return filter.kinds.iter().copied().map(Driver::Kind).collect();
    }
    vec![Driver::Time]
}

fn address_key(address: &str) -> String {
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => address.to_lowercase(),
    }
}

/// The texts of actors that are meant by `text`.
fn actors(text: &str) -> Vec<String> {
    let mut texts = vec![
        Actor::Identifier(text.to_owned()).to_text(),
        Actor::Person(text.to_owned()).to_text(),
    ];
    if Actor::from_text(text).is_some() {
        texts.push(text.to_owned());
    }
    texts
}

fn run(
    sql: &mut dyn Sql,
    filter: &Filter,
    driver: &Driver,
    (after, before): (i64, i64),
    limit: usize,
    found: &mut Vec<Recorded>,
) -> Result<(), Error> {
    let mut query = Query::new(after, before);
    let (from, id) = match driver {
        Driver::Address(address) => {
            query.holds("a.address", address);
            ("event_address a JOIN event e ON e.id = a.event", "a.event")
        }
        Driver::Subject(subject) => {
            query.holds("e.subject", subject);
            ("event e", "e.id")
        }
        Driver::Actor(actor) => {
            query.holds("e.actor", actor);
            ("event e", "e.id")
        }
        Driver::Outcome(outcome) => {
            query.holds("e.outcome", outcome.as_str());
            query.and.push_str(" AND e.outcome <> 'success'");
            ("event e", "e.id")
        }
        Driver::Kind(kind) => {
            query.holds("e.kind", kind.as_str());
            ("event e", "e.id")
        }
        Driver::Time => ("event e", "e.id"),
    };
    query.look_at(filter, driver);
    let statement = format!(
        "SELECT e.id, e.at, e.version, e.kind, e.actor, e.outcome, e.address, e.subject, e.ord, e.detail
         FROM {from} WHERE {id} > ?1 AND {id} < ?2{} ORDER BY {id} LIMIT ?3",
        query.and
    );
    let mut params = vec![
        Value::Int(query.after),
        Value::Int(query.before),
        Value::Int(i64::try_from(limit).unwrap_or(i64::MAX)),
    ];
    params.extend(query.texts.iter().map(Value::from));
    sql.query(&statement, &params, &mut |row| {
        found.push(recorded(row)?);
        Ok(())
    })
}

struct Query {
    after: i64,
    before: i64,
    and: String,
    texts: Vec<String>,
}

impl Query {
    fn new(after: i64, before: i64) -> Self {
        Self {
            after,
            before,
            and: String::new(),
            texts: Vec::new(),
        }
    }

    /// A parameter's mark; the first three are taken.
    fn mark(&mut self, text: &str) -> String {
        self.texts.push(text.to_owned());
        format!("?{}", self.texts.len() + 3)
    }

    /// `column` equals `text`, by its index.
    fn holds(&mut self, column: &str, text: &str) {
        let mark = self.mark(text);
        self.and.push_str(&format!(" AND {column} = {mark}"));
    }

    /// `column` is one of `texts`, without its index: an index that does not give the order would have the
    /// engine sort all that matches before it gives the first.
    fn looks(&mut self, column: &str, texts: &[String]) {
        let marks: Vec<String> = texts.iter().map(|text| self.mark(text)).collect();
        let marks = marks.join(", ");
        self.and
            .push_str(&format!(" AND ({column} || '') IN ({marks})"));
    }

    /// The filter's conditions that do not drive.
    fn look_at(&mut self, filter: &Filter, driver: &Driver) {
        if let (Some(subject), false) = (&filter.subject, matches!(driver, Driver::Subject(_))) {
            self.looks("e.subject", std::slice::from_ref(subject));
        }
        if let (Some(actor), false) = (&filter.actor, matches!(driver, Driver::Actor(_))) {
            self.looks("e.actor", &actors(actor));
        }
        if let (Some(outcome), false) = (filter.outcome, matches!(driver, Driver::Outcome(_))) {
            self.looks("e.outcome", &[outcome.as_str().to_owned()]);
        }
        if !filter.kinds.is_empty() && !matches!(driver, Driver::Kind(_)) {
            let kinds: Vec<String> = filter
                .kinds
                .iter()
                .map(|kind| kind.as_str().to_owned())
                .collect();
            self.looks("e.kind", &kinds);
        }
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
