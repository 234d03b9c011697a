//! What people said of messages by moving them into Junk and out of it, and the words that were learned from that.
//!
//! A move makes a lesson, in its own commit. A lesson is learned in a commit of its own: the counts of its words, for the site and for
//! the account, and that it was learned. Words are kept as numbers, hashed with a key that is made of the installation key.

use std::time::Duration;

use crate::{
    AccountId, BodyId, Error, MailboxId, Store, Tx, batch, params, sql,
    sql::{Sql, Value},
};

/// The account whose words are those of the whole site.
pub const SITE: AccountId = AccountId(0);
/// How long it is remembered which messages were learned from.
const REMEMBERED: Duration = Duration::from_secs(180 * 86_400);
/// Lessons of one account that wait at most; what is beyond is not learned from.
const MOST_WAITING: u64 = 10_000;

/// What somebody said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Its number.
    pub number: i64,
    /// Whose message.
    pub account: AccountId,
    /// The message.
    pub body: BodyId,
    /// Whether it is not wanted.
    pub junk: bool,
}

/// Messages of both kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That were wanted.
    pub good: u32,
    /// That were not.
    pub junk: u32,
}

/// Notes what the messages with these UIDs in `mailbox` are said to be. Returns how many lessons that makes.
///
/// # Errors
/// When the database fails.
pub fn teach(
    tx: &mut Tx<'_>,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[u32],
    junk: bool,
) -> Result<usize, Error> {
    let waiting = "SELECT COUNT(*) FROM lesson WHERE account = ?1";
    let waiting = sql::first(tx, waiting, params![account], |row| row.count(0))?;
    let room = MOST_WAITING.saturating_sub(waiting.unwrap_or(0));
    let uids = uids
        .get(..usize::try_from(room).unwrap_or(usize::MAX))
        .unwrap_or(uids);
    let mut count = 0;
    let wide: Vec<i64> = uids.iter().map(|uid| i64::from(*uid)).collect();
    for list in batch::lists(&wide) {
        let statement = format!(
            "SELECT body FROM message WHERE mailbox = ?1 AND uid IN ({})",
            batch::marks(2, list.len())
        );
        let mut of = vec![Value::from(mailbox)];
        of.extend(list.iter().map(|uid| Value::Int(*uid)));
        let bodies = sql::rows(tx, &statement, &of, |row| Ok(BodyId(row.int(0)?)))?;
        for body in bodies {
            let number = tx.next_id();
            tx.execute(
                "INSERT INTO lesson (number, account, body, junk) VALUES (?1, ?2, ?3, ?4)",
                params![number, account, body, junk],
            )?;
            count += 1;
        }
    }
    Ok(count)
}

/// The lessons that wait, oldest first.
///
/// # Errors
/// When the database fails.
pub fn waiting(sql: &mut dyn Sql, most: u32) -> Result<Vec<Lesson>, Error> {
    let list = "SELECT number, account, body, junk FROM lesson ORDER BY number LIMIT ?1";
    sql::rows(sql, list, params![most], |row| {
        Ok(Lesson {
            number: row.int(0)?,
            account: AccountId(row.int(1)?),
            body: BodyId(row.int(2)?),
            junk: row.int(3)? != 0,
        })
    })
}

/// A lesson is over: `words` are those of its message, `None` when it could not be read any more. Returns whether it taught anything: not when
/// the same was learned of it before.
///
/// # Errors
/// When the database fails.
pub fn learn(tx: &mut Tx<'_>, lesson: &Lesson, words: Option<&[i64]>) -> Result<bool, Error> {
    tx.execute(
        "DELETE FROM lesson WHERE number = ?1",
        params![lesson.number],
    )?;
    let Some(words) = words else {
        return Ok(false);
    };
    let find = "SELECT junk FROM learned WHERE account = ?1 AND body = ?2";
    let before = sql::first(tx, find, params![lesson.account, lesson.body], |row| {
        Ok(row.int(0)? != 0)
    })?;
    if before == Some(lesson.junk) {
        return Ok(false);
    }
    for account in [SITE, lesson.account] {
        if let Some(junk) = before {
            count_words(tx, account, words, junk, -1)?;
        }
        count_words(tx, account, words, lesson.junk, 1)?;
    }
    let now = tx.now();
    tx.execute(
        "INSERT INTO learned (account, body, junk, at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (account, body) DO UPDATE SET junk = ?3, at = ?4",
        params![lesson.account, lesson.body, lesson.junk, now],
    )?;
    tx.execute(
        "DELETE FROM learned WHERE at < ?1",
        params![now - REMEMBERED],
    )?;
    Ok(true)
}

/// Learns words for the whole site, of a message that is in no mailbox here.
///
/// # Errors
/// When the database fails.
pub fn learn_for_site(tx: &mut Tx<'_>, words: &[i64], junk: bool) -> Result<(), Error> {
    count_words(tx, SITE, words, junk, 1)
}

fn count_words(
    tx: &mut Tx<'_>,
    account: AccountId,
    words: &[i64],
    junk: bool,
    by: i64,
) -> Result<(), Error> {
    let (good, junk) = if junk { (0, by) } else { (by, 0) };
    let word = "INSERT INTO word (account, token, good, junk) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account, token) \
                DO UPDATE SET good = word.good + ?5, junk = word.junk + ?6";
    for token in words {
        tx.execute(
            word,
            params![account, *token, good.max(0), junk.max(0), good, junk],
        )?;
    }
    tx.execute(
        "INSERT INTO word_lessons (account, good, junk) VALUES (?1, ?2, ?3) ON CONFLICT (account) \
         DO UPDATE SET good = word_lessons.good + ?4, junk = word_lessons.junk + ?5",
        params![account, good.max(0), junk.max(0), good, junk],
    )?;
    Ok(())
}

/// How many messages `account` taught of, or the site.
///
/// # Errors
/// When the database fails.
pub fn lessons(sql: &mut dyn Sql, account: AccountId) -> Result<Counts, Error> {
    let find = "SELECT good, junk FROM word_lessons WHERE account = ?1";
    let found = sql::first(sql, find, params![account], counts)?;
    Ok(found.unwrap_or_default())
}

/// What is known of each of `words`, in their order.
///
/// # Errors
/// When the database fails.
pub fn of(sql: &mut dyn Sql, account: AccountId, words: &[i64]) -> Result<Vec<Counts>, Error> {
    let find = "SELECT good, junk FROM word WHERE account = ?1 AND token = ?2";
    let mut found = Vec::with_capacity(words.len());
    for token in words {
        let seen = sql::first(sql, find, params![account, *token], counts)?;
        found.push(seen.unwrap_or_default());
    }
    Ok(found)
}

/// Forgets all that `account` taught, for itself; what it taught the site is among what others taught.
///
/// # Errors
/// When the database fails.
pub fn forget(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    for table in ["lesson", "learned", "word", "word_lessons"] {
        tx.execute(
            &format!("DELETE FROM {table} WHERE account = ?1"),
            params![account],
        )?;
    }
    Ok(())
}

fn counts(row: &dyn sql::Row) -> Result<Counts, Error> {
    // What was unlearned after the words of a message were cut otherwise may go below nothing.
    let small = |column| Ok::<_, Error>(u32::try_from(row.int(column)?.max(0)).unwrap_or(u32::MAX));
    Ok(Counts {
        good: small(0)?,
        junk: small(1)?,
    })
}

impl Store {
    /// The key that words are hashed with: another one for each installation.
    #[must_use]
    pub fn words_key(&self) -> [u8; 32] {
        self.inner
            .shared
            .keys
            .derived("kakitome 2026 words of messages")
    }
}
