//! What is to be tried now, and when the next will be.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map::Entry};

use jiff::Timestamp;

use crate::{
    Error, QueueId, params, sql,
    sql::{Sql, Value},
};

use super::{Due, Queued, State, row};

/// Rows that one look reads in order of time before it asks by destination instead: so many rows of busy
/// destinations stand before the others.
const LOOK: usize = 4096;

/// What is due and left out nevertheless.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skip<'a> {
    /// Destinations that have as many deliveries under way as they may.
    pub busy: &'a [String],
    /// Messages that are under way, each to a destination.
    pub in_hand: &'a [(QueueId, String)],
    /// Domains of recipients that may have no mail now.
    pub domains: &'a [String],
}

impl Skip<'_> {
    /// A condition that rows meet which are not for one of the domains, with its parameters numbered from `first`.
    fn condition(&self, first: usize) -> (String, Vec<Value<'_>>) {
        if self.domains.is_empty() {
            return (String::new(), Vec::new());
        }
        let numbers = (first..).take(self.domains.len());
        let marks: Vec<String> = numbers.map(|number| format!("?{number}")).collect();
        let values = self
            .domains
            .iter()
            .map(|domain| Value::from(domain.as_str()));
        (
            format!(" AND domain NOT IN ({})", marks.join(", ")),
            values.collect(),
        )
    }
}

/// Messages with due waiting recipients, oldest due first, at most `limit`, without what is to be skipped. A row that cannot be read is reported through `damaged` and passed over: it
/// never stops the rest.
///
/// # Errors
/// When the database fails.
pub fn due(
    sql: &mut dyn Sql,
    now: Timestamp,
    limit: usize,
    skip: Skip<'_>,
    damaged: &mut dyn FnMut(QueueId, Error),
) -> Result<Vec<Due>, Error> {
    report_out_of_range(sql, damaged)?;
    let busy: HashSet<&str> = skip.busy.iter().map(String::as_str).collect();
    let in_hand: HashSet<(QueueId, &str)> = skip
        .in_hand
        .iter()
        .map(|(id, destination)| (*id, destination.as_str()))
        .collect();
    let mut gathered = Gathered {
        limit,
        skip: &|id, destination| busy.contains(destination) || in_hand.contains(&(id, destination)),
        order: Vec::new(),
        recipients: HashMap::new(),
    };
    let read = by_time(sql, (now, skip), &mut gathered, damaged)?;
    if read >= LOOK && gathered.order.len() < limit {
        by_destination(sql, (now, skip), &busy, &mut gathered, damaged)?;
    }
    gathered.checked(sql, damaged)
}

/// When the next waiting recipient will be due.
///
/// # Errors
/// When the database fails.
pub fn next_due(sql: &mut dyn Sql) -> Result<Option<Timestamp>, Error> {
    let (first, last) = (
        Timestamp::MIN.as_microsecond(),
        Timestamp::MAX.as_microsecond(),
    );
    let next = sql::first(
        sql,
        "SELECT next_attempt FROM queue_recipient WHERE state = 0 AND next_attempt >= ?1 AND next_attempt <= ?2 \
         ORDER BY next_attempt LIMIT 1",
        params![first, last],
        |row| row.time(0),
    )?;
    Ok(next)
}

/// Due pairs of message and destination, in the order they were found.
struct Gathered<'a> {
    limit: usize,
    skip: &'a dyn Fn(QueueId, &str) -> bool,
    order: Vec<(QueueId, String)>,
    recipients: HashMap<(QueueId, String), BTreeSet<u32>>,
}

impl Gathered<'_> {
    fn take(&mut self, id: QueueId, number: u32, destination: String) {
        if (self.skip)(id, &destination) {
            return;
        }
        let key = (id, destination);
        if let Some(numbers) = self.recipients.get_mut(&key) {
            numbers.insert(number);
        } else if self.order.len() < self.limit {
            self.order.push(key.clone());
            self.recipients.insert(key, BTreeSet::from([number]));
        }
    }

    /// What was gathered, without messages and recipients that could not be loaded when their turn comes.
    fn checked(
        mut self,
        sql: &mut dyn Sql,
        damaged: &mut dyn FnMut(QueueId, Error),
    ) -> Result<Vec<Due>, Error> {
        let mut readable: BTreeMap<QueueId, Option<HashSet<u32>>> = BTreeMap::new();
        let mut due = Vec::with_capacity(self.order.len());
        for (id, destination) in std::mem::take(&mut self.order) {
            let numbers = match readable.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(readable_recipients(sql, id, damaged)?),
            };
            let key = (id, destination);
            let mut recipients = self.recipients.remove(&key).unwrap_or_default();
            match numbers {
                Some(numbers) => recipients.retain(|number| numbers.contains(number)),
                None => recipients.clear(),
            }
            if !recipients.is_empty() {
                due.push(Due {
                    id,
                    destination: key.1,
                    recipients: recipients.into_iter().collect(),
                });
            }
        }
        Ok(due)
    }
}

/// The readable recipients of a message; `None` when the message itself cannot be read.
fn readable_recipients(
    sql: &mut dyn Sql,
    id: QueueId,
    damaged: &mut dyn FnMut(QueueId, Error),
) -> Result<Option<HashSet<u32>>, Error> {
    match row::message_of(sql, id)? {
        Some(Ok(Queued { .. })) => {
            let recipients = row::recipients_of(sql, id, damaged)?;
            Ok(Some(recipients.iter().map(|known| known.number).collect()))
        }
        Some(Err(error)) => {
            damaged(id, error);
            Ok(None)
        }
        None => {
            damaged(
                id,
                Error::Corrupt("a recipient without its message".to_owned()),
            );
            Ok(None)
        }
    }
}

/// Reads at most [`LOOK`] due rows in order of time; returns how many it read.
fn by_time(
    sql: &mut dyn Sql,
    (now, skip): (Timestamp, Skip<'_>),
    gathered: &mut Gathered<'_>,
    damaged: &mut dyn FnMut(QueueId, Error),
) -> Result<usize, Error> {
    let look = LOOK.max(gathered.limit.saturating_mul(4));
    let mut read = 0;
    let (others, domains) = skip.condition(4);
    let mut values = vec![
        Value::Int(State::Waiting.column()),
        Value::from(now),
        Value::Int(i64::try_from(look).unwrap_or(i64::MAX)),
    ];
    values.extend(domains);
    sql.query(
        &format!(
            "SELECT message, number, destination FROM queue_recipient WHERE state = ?1 AND next_attempt <= ?2{others} \
             ORDER BY next_attempt, message, number LIMIT ?3"
        ),
        &values,
        &mut |row| {
            read += 1;
            take_row(row, gathered, damaged);
            Ok(())
        },
    )?;
    Ok(if read < look { 0 } else { LOOK })
}

/// Walks the destinations that have due recipients and are not busy, and takes from those that waited longest.
fn by_destination(
    sql: &mut dyn Sql,
    (now, skip): (Timestamp, Skip<'_>),
    busy: &HashSet<&str>,
    gathered: &mut Gathered<'_>,
    damaged: &mut dyn FnMut(QueueId, Error),
) -> Result<(), Error> {
    let mut waiting: Vec<(i64, String)> = Vec::new();
    let mut after = String::new();
    while let Some(destination) = sql::first(
        sql,
        "SELECT destination FROM queue_recipient WHERE state = 0 AND destination > ?1 \
         ORDER BY destination LIMIT 1",
        params![&after],
        |row| row.text(0),
    )? {
        if !busy.contains(destination.as_str()) {
            let oldest = sql::first(
                sql,
                "SELECT next_attempt FROM queue_recipient WHERE state = 0 AND destination = ?1 \
                 ORDER BY next_attempt LIMIT 1",
                params![&destination],
                |row| row.int(0),
            )?;
            waiting.extend(
                oldest
                    .filter(|oldest| *oldest <= now.as_microsecond())
                    .map(|oldest| (oldest, destination.clone())),
            );
        }
        after = destination;
    }
    waiting.sort_unstable();
    for (_, destination) in waiting {
        if gathered.order.len() >= gathered.limit {
            break;
        }
        let (others, domains) = skip.condition(4);
        let mut values =
            params![&destination, now, i64::try_from(LOOK).unwrap_or(i64::MAX)].to_vec();
        values.extend(domains);
        sql.query(
            &format!(
                "SELECT message, number, destination FROM queue_recipient \
                 WHERE state = 0 AND destination = ?1 AND next_attempt <= ?2{others} ORDER BY next_attempt LIMIT ?3"
            ),
            &values,
            &mut |row| {
                take_row(row, gathered, damaged);
                Ok(())
            },
        )?;
    }
    Ok(())
}

fn take_row(
    row: &dyn sql::Row,
    gathered: &mut Gathered<'_>,
    damaged: &mut dyn FnMut(QueueId, Error),
) {
    let Ok(id) = row.int(0).map(QueueId) else {
        damaged(
            QueueId(0),
            Error::Corrupt("a queue id is no number".to_owned()),
        );
        return;
    };
    let number = row.int(1).and_then(|number| {
        u32::try_from(number)
            .map_err(|_| Error::Corrupt("a recipient's number is out of range".to_owned()))
    });
    match (number, row.text(2)) {
        (Ok(number), Ok(destination)) => gathered.take(id, number, destination),
        (Err(error), _) | (_, Err(error)) => damaged(id, error),
    }
}

/// Reports rows that no look by time would ever find: a state that is none, a time beyond time.
fn report_out_of_range(
    sql: &mut dyn Sql,
    damaged: &mut dyn FnMut(QueueId, Error),
) -> Result<(), Error> {
    let last = Timestamp::MAX.as_microsecond();
    for (statement, what) in [
        (
            "SELECT message FROM queue_recipient WHERE state = 0 AND next_attempt > ?1 LIMIT 100",
            "a recipient's next attempt is out of range",
        ),
        (
            "SELECT message FROM queue_recipient WHERE state > 1 AND ?1 > 0 LIMIT 100",
            "a recipient's state is unknown",
        ),
        (
            "SELECT message FROM queue_recipient WHERE state < 0 AND ?1 > 0 LIMIT 100",
            "a recipient's state is unknown",
        ),
    ] {
        sql.query(statement, params![last], &mut |row| {
            damaged(
                QueueId(row.int(0).unwrap_or_default()),
                Error::Corrupt(what.to_owned()),
            );
            Ok(())
        })?;
    }
    Ok(())
}
