//! References: whether each owner of a body counts as many as name it.
//!
//! No index leads from a body to the messages that name it, and counting them all in one view would keep that view
//! open for as long as it takes to read all mail. So each (body, account) is put into one of many drawers. A drawer
//! adds up what owners count and takes away what messages name, each times a number that only this pair has: it ends
//! at zero when all of its pairs agree, and only then (but for one chance in 2^64). Of the drawers that do not, the
//! pairs are looked at one by one in views of their own, exactly; so nothing that changed meanwhile is told.

use std::collections::BTreeMap;

use crate::{
    AccountId, BodyId, EmailId, Error, batch, params, sql,
    sql::{Sql, Value},
};

use super::{Check, Finding, Look};

/// Drawers: 1 MiB of them.
const DRAWERS: usize = 1 << 16;
/// Rows added up in one step.
const ROWS: i64 = 5000;
/// Pairs looked at one by one in one round: what the check keeps in memory.
const PAIRS: u64 = 20_000;
/// Pairs looked at in one step.
const AT_ONCE: usize = 64;

type Pair = (BodyId, AccountId);

/// References of all bodies.
pub(super) struct References {
    drawers: Vec<Drawer>,
    stage: Stage,
    suspects: BTreeMap<Pair, Vec<EmailId>>,
    /// The last message that was looked at.
    newest: EmailId,
}

#[derive(Clone, Copy, Default)]
struct Drawer {
    sum: u64,
    pairs: u32,
    open: bool,
}

/// What is read. `Add` puts all pairs into drawers; then each round takes some drawers that are not at zero.
#[derive(Clone, Copy)]
enum Stage {
    Add(Source),
    Gather(Source),
    Judge,
}

/// The tables, each with where the next step begins.
#[derive(Clone, Copy)]
enum Source {
    Owners(i64, i64),
    Emails(i64),
    Queue(i64),
    Quarantine(i64, i64),
}

struct Row {
    pair: Pair,
    /// References counted, or taken away.
    count: i64,
    email: Option<EmailId>,
}

impl References {
    pub(super) fn new() -> Self {
        Self {
            drawers: vec![Drawer::default(); DRAWERS],
            stage: Stage::Add(Source::Owners(0, 0)),
            suspects: BTreeMap::new(),
            newest: EmailId(0),
        }
    }

    fn add(&mut self, row: &Row) {
        let number = spread(row.pair);
        let drawer = &mut self.drawers[place(number)];
        let count = row.count.cast_unsigned();
        drawer.sum = drawer.sum.wrapping_add((number | 1).wrapping_mul(count));
        if row.count > 0 {
            drawer.pairs = drawer.pairs.saturating_add(1);
        }
    }

    fn gather(&mut self, row: &Row) {
        if self.drawers[place(spread(row.pair))].open {
            let emails = self.suspects.entry(row.pair).or_default();
            emails.extend(row.email);
        }
    }

    /// Opens drawers that are not at zero, as many as memory takes; whether there are any.
    fn open_some(&mut self) -> bool {
        let mut pairs = 0;
        for drawer in &mut self.drawers {
            drawer.open = false;
            if drawer.sum != 0 && pairs < PAIRS {
                pairs += u64::from(drawer.pairs) + 1;
                drawer.open = true;
                // Looked at in this round, and not again.
                drawer.sum = 0;
            }
        }
        pairs > 0
    }
}

impl Check for References {
    fn name(&self) -> &'static str {
        "references"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let (source, gathers) = match self.stage {
            Stage::Add(source) => (source, false),
            Stage::Gather(source) => (source, true),
            Stage::Judge => return self.judge(look),
        };
        let (rows, next) = read(look, source)?;
        for row in &rows {
            if gathers {
                self.newest = row
                    .email
                    .map_or(self.newest, |email| self.newest.max(email));
                self.gather(row);
            } else {
                self.add(row);
            }
        }
        self.stage = match (next, gathers) {
            (Some(source), false) => Stage::Add(source),
            (Some(source), true) => Stage::Gather(source),
            (None, true) => Stage::Judge,
            (None, false) => return Ok(self.next_round()),
        };
        Ok(true)
    }
}

impl References {
    fn next_round(&mut self) -> bool {
        self.newest = EmailId(0);
        self.stage = Stage::Gather(Source::Owners(0, 0));
        self.open_some()
    }

    fn judge(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        for _ in 0..AT_ONCE {
            let Some(((body, account), emails)) = self.suspects.pop_first() else {
                return Ok(self.next_round());
            };
            let find = "SELECT o.refs FROM body_owner o JOIN body b ON b.id = o.body
                        WHERE o.body = ?1 AND o.account = ?2";
            // Who names a body without owning it is told of with the message; a body without a place, by itself.
            let counted = look.first(find, params![body, account], |row| row.int(0))?;
            let Some(counted) = counted else { continue };
            let named = named(look.sql, body, account, &emails, self.newest)?;
            if named == 0 {
                look.tell(Finding::ReferenceUnnamed {
                    body,
                    account,
                    counted,
                });
            } else if i64::try_from(named) != Ok(counted) {
                look.tell(Finding::ReferenceCount {
                    body,
                    account,
                    named,
                    counted,
                });
            }
        }
        Ok(true)
    }
}

/// The next rows of a source, and where to go on.
fn read(look: &mut Look<'_, '_>, source: Source) -> Result<(Vec<Row>, Option<Source>), Error> {
    let (statement, page) = match source {
        Source::Owners(body, account) => (
            "SELECT body, account, refs, body FROM body_owner WHERE (body, account) > (?1, ?2)
             ORDER BY body, account LIMIT ?3",
            [body, account, ROWS],
        ),
        Source::Emails(after) => (
            "SELECT body, account, -1, id FROM email WHERE id > ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            [after, after, ROWS],
        ),
        Source::Queue(after) => (
            "SELECT body, 1, -1, id FROM queue_message WHERE id > ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            [after, after, ROWS],
        ),
        Source::Quarantine(message, number) => (
            "SELECT body, owner, -1, message, number FROM quarantined_for WHERE (message, number) > (?1, ?2)
             ORDER BY message, number LIMIT ?3",
            [message, number, ROWS],
        ),
    };
    let params: Vec<Value<'_>> = page.into_iter().map(Value::Int).collect();
    let mut last = None;
    let rows = look.rows(statement, &params, |row| {
        let (body, account, id) = (row.int(0)?, row.int(1)?, row.int(3)?);
        let (email, next) = match source {
            Source::Owners(..) => (None, Source::Owners(body, account)),
            Source::Emails(_) => (Some(EmailId(id)), Source::Emails(id)),
            Source::Queue(_) => (None, Source::Queue(id)),
            Source::Quarantine(..) => (None, Source::Quarantine(id, row.int(4)?)),
        };
        last = Some(next);
        Ok(Row {
            pair: (BodyId(body), AccountId(account)),
            count: row.int(2)?,
            email,
        })
    })?;
    let next = last.or(match source {
        Source::Owners(..) => Some(Source::Emails(0)),
        Source::Emails(_) => Some(Source::Queue(0)),
        Source::Queue(_) => Some(Source::Quarantine(0, -1)),
        Source::Quarantine(..) => None,
    });
    Ok((rows, next))
}

/// How many messages, queue entries and messages set apart of `account` name `body`, exactly: of the messages up to `newest`, those that
/// do are among `emails`.
pub(crate) fn named(
    sql: &mut dyn Sql,
    body: BodyId,
    account: AccountId,
    emails: &[EmailId],
    newest: EmailId,
) -> Result<u64, Error> {
    let mut named = 0u64;
    let ids: Vec<i64> = batch::ascending(emails).iter().map(|id| id.0).collect();
    for list in batch::lists(&ids) {
        let count = format!(
            "SELECT count(*) FROM email WHERE body = ?1 AND account = ?2 AND id IN ({})",
            batch::marks(3, list.len())
        );
        let mut params = vec![Value::from(body), Value::from(account)];
        params.extend(list.iter().map(|id| Value::Int(*id)));
        named += sql::first(sql, &count, &params, |row| row.count(0))?.unwrap_or(0);
    }
    // Ids of messages ascend in the order of commits: what came meanwhile is above.
    let later = "SELECT count(*) FROM email WHERE id > ?3 AND body = ?1 AND account = ?2";
    named += sql::first(sql, later, params![body, account, newest], |row| {
        row.count(0)
    })?
    .unwrap_or(0);
    if account == AccountId::QUEUE {
        let queued = "SELECT count(*) FROM queue_message WHERE body = ?1";
        named += sql::first(sql, queued, params![body], |row| row.count(0))?.unwrap_or(0);
    }
    let apart = "SELECT count(*) FROM quarantined_for WHERE owner = ?1 AND body = ?2";
    named += sql::first(sql, apart, params![account, body], |row| row.count(0))?.unwrap_or(0);
    Ok(named)
}

/// A number for a pair, spread evenly (the finalizer of SplitMix64, twice).
fn spread((body, account): Pair) -> u64 {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    mix(mix(body.0.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ account.0.cast_unsigned())
}

fn place(number: u64) -> usize {
    usize::try_from(number >> 48).unwrap_or_default() % DRAWERS
}
