//! What happened in a mailbox since a MODSEQ. Rows are looked at one by one and none is held, since every message of a large
//! mailbox may have changed.

use super::{
    Flags, Roll, Slot,
    head::{number, signed},
    keywords,
    read::{are_dense, flags, widened, with_list},
};
use crate::{
    Error, MailboxId, batch, params,
    sql::{Row, Sql, Value},
};

/// What a [`Roll`] says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks<'a> {
    /// UID.
    pub uid: u32,
    /// MODSEQ of what follows.
    pub modseq: u64,
    /// System flags.
    pub flags: Flags,
    /// Keywords, sorted, in the mailbox's spelling.
    pub keywords: &'a [String],
}

/// What happened in a mailbox after some MODSEQ, as of one instant.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Messages that arrived, or whose flags changed.
    pub changed: Roll,
    /// UIDs that were expunged: first and last of each run, ascending.
    pub vanished: Vec<(u32, u32)>,
}

/// What [`news_since`] found.
#[derive(Clone, Debug)]
pub enum Since {
    /// The news.
    News(News),
    /// They take more memory than was offered: about so many octets.
    Larger(u64),
}

impl News {
    /// Octets of memory that they take.
    #[must_use]
    pub fn octets(&self) -> u64 {
        let runs = octets_of::<(u32, u32)>(self.vanished.len());
        u64::try_from(self.changed.octets())
            .unwrap_or(u64::MAX)
            .saturating_add(runs)
    }
}

/// What happened in `mailbox` after `modseq`, if it takes no more than `most` octets of memory. No more are held in either case.
///
/// # Errors
/// When the database fails.
pub fn news_since(
    sql: &mut dyn Sql,
    mailbox: MailboxId,
    modseq: u64,
    most: u64,
) -> Result<Since, Error> {
    let mut news = News::default();
    let mut left_out = 0_u64;
    each_changed(sql, mailbox, modseq, &mut |marks| {
        if news.octets() > most {
            left_out = left_out.saturating_add(octets_of::<Slot>(1));
        } else {
            news.changed.add(marks);
        }
    })?;
    each_vanished(sql, mailbox, modseq, &mut |run| {
        if news.octets() > most {
            left_out = left_out.saturating_add(octets_of::<(u32, u32)>(1));
        } else {
            news.vanished.push(run);
        }
    })?;
    let octets = news.octets();
    if octets > most {
        return Ok(Since::Larger(octets.saturating_add(left_out)));
    }
    news.changed.sort_from(0);
    join(&mut news.vanished);
    Ok(Since::News(news))
}

/// UIDs expunged after `modseq`: first and last of each run, ascending. Runs that touch are one.
///
/// # Errors
/// When the database fails.
pub fn vanished_since(
    sql: &mut dyn Sql,
    mailbox: MailboxId,
    modseq: u64,
) -> Result<Vec<(u32, u32)>, Error> {
    let mut runs = Vec::new();
    each_vanished(sql, mailbox, modseq, &mut |run| runs.push(run))?;
    join(&mut runs);
    Ok(runs)
}

/// Shows each message that arrived or changed after `modseq`, in the order of their MODSEQs: with another the engine would walk
/// the whole mailbox instead of the index.
pub(super) fn each_changed(
    sql: &mut dyn Sql,
    mailbox: MailboxId,
    modseq: u64,
    each: &mut dyn FnMut(Marks<'_>),
) -> Result<(), Error> {
    let Ok(modseq) = signed(modseq) else {
        return Ok(());
    };
    let statement =
        "SELECT uid, modseq, flags, keywords FROM message WHERE mailbox = ?1 AND modseq > ?2";
    sql.query(statement, params![mailbox, modseq], &mut |row| {
        shown(row, &mut |marks| {
            each(marks);
            Ok(())
        })
    })
}

/// Shows each of `uids` that is there, ascending.
pub(super) fn each_of(
    sql: &mut dyn Sql,
    mailbox: MailboxId,
    uids: &[u32],
    each: &mut dyn FnMut(Marks<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let uids = batch::ascending(uids);
    if let [first, .., last] = uids[..]
        && are_dense(&uids)
    {
        let statement = "SELECT uid, modseq, flags, keywords FROM message
                         WHERE mailbox = ?1 AND uid >= ?2 AND uid <= ?3 ORDER BY uid";
        return sql.query(
            statement,
            params![mailbox, first, last],
            &mut |row| match uids.binary_search(&number(row, 0)?) {
                Ok(_) => shown(row, each),
                Err(_) => Ok(()),
            },
        );
    }
    for list in batch::lists(&widened(&uids)) {
        let statement = format!(
            "SELECT uid, modseq, flags, keywords FROM message WHERE mailbox = ?1 AND uid IN ({}) ORDER BY uid",
            batch::marks(2, list.len())
        );
        let params = with_list(Value::from(mailbox), &list);
        sql.query(&statement, &params, &mut |row| shown(row, each))?;
    }
    Ok(())
}

/// Shows what stands in a row of UID, MODSEQ, flags and keywords.
pub(super) fn shown(
    row: &dyn Row,
    each: &mut dyn FnMut(Marks<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let keywords = keywords::split(&row.text(3)?);
    each(Marks {
        uid: number(row, 0)?,
        modseq: row.count(1)?,
        flags: flags(row, 2)?,
        keywords: &keywords,
    })
}

/// Shows each run of UIDs that was expunged after `modseq`: first and last.
pub(super) fn each_vanished(
    sql: &mut dyn Sql,
    mailbox: MailboxId,
    modseq: u64,
    each: &mut dyn FnMut((u32, u32)),
) -> Result<(), Error> {
    let Ok(modseq) = signed(modseq) else {
        return Ok(());
    };
    let statement = "SELECT first, last FROM expunged WHERE mailbox = ?1 AND modseq > ?2";
    sql.query(statement, params![mailbox, modseq], &mut |row| {
        each((number(row, 0)?, number(row, 1)?));
        Ok(())
    })
}

/// Brings runs into order, and makes one of those that touch.
fn join(runs: &mut Vec<(u32, u32)>) {
    runs.sort_unstable();
    runs.dedup_by(|next, before| {
        let touches = next.0 <= before.1.saturating_add(1);
        if touches {
            before.1 = before.1.max(next.1);
        }
        touches
    });
}

fn octets_of<T>(count: usize) -> u64 {
    u64::try_from(count.saturating_mul(size_of::<T>())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_are_one() {
        let mut runs = vec![(9, 9), (1, 2), (5, 6), (3, 3), (u32::MAX, u32::MAX)];
        join(&mut runs);
        assert_eq!(runs, [(1, 3), (5, 6), (9, 9), (u32::MAX, u32::MAX)]);
    }
}
