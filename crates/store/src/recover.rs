//! What a crash left in the segments: found, judged and cut off.

use crate::{
    Error, Options,
    mark::Mark,
    params,
    segment::{PREAMBLE, Segments},
    sql::{self, Sql},
    tx::signed,
};

/// Bytes of bodies that failed transactions may leave without a row until one succeeds. Beyond it commits with
/// bodies are refused, so that a crash can always be told from a database that is older than the segments.
pub(crate) const MOST_UNNOTED: u64 = 64 << 20;
/// Bytes looked at in one go.
const LOOK: usize = 1 << 20;

/// How far the segments are known, and the one to go on in with the length that is trusted.
pub(crate) struct Recovered {
    pub(crate) mark: Mark,
    pub(crate) tail: Option<(u64, u64)>,
}

/// Cuts off what a crash left behind the mark (bodies are written before their rows), and removes segments in
/// which nothing lives.
pub(crate) fn recover(
    sql: &mut dyn Sql,
    segments: &Segments,
    options: &Options,
) -> Result<Recovered, Error> {
    let noted = Mark::find(sql)?.ok_or_else(|| {
        Error::Corrupt("the database does not say how far it knows the segments".to_owned())
    })?;
    // The row goes with the others in one transaction. If it ever were behind them, no body may pay for it.
    let mark = noted.max(last_row(sql)?);
    if mark != noted {
        tracing::error!(
            ?noted,
            ?mark,
            "the segments are known further than was noted"
        );
    }
    let mut unknown = 0u64;
    for number in segments.numbers()? {
        unknown = unknown.saturating_add(mark.behind(number, segments.length(number)?));
    }
    judge(unknown, options)?;
    let tail = cut(sql, segments, mark)?;
    Ok(Recovered { mark, tail })
}

/// The mark of a store of format 1, which noted none: there, dead ends can only be told from what a crash left
/// by their bytes, which are zeros.
pub(crate) fn first_mark(
    sql: &mut dyn Sql,
    segments: &Segments,
    options: &Options,
) -> Result<Mark, Error> {
    let numbers = segments.numbers()?;
    let mut unknown = 0u64;
    for number in &numbers {
        let from = end_of(sql, *number)?.max(PREAMBLE as u64);
        unknown = unknown.saturating_add(written_behind(segments, *number, from)?);
    }
    judge(unknown, options)?;
    let last = numbers.last().copied().unwrap_or(0);
    let mark = last_row(sql)?.max(Mark {
        segment: last,
        end: 0,
    });
    // Before it is noted: if we do not come to that, all this is found again as it was.
    cut(sql, segments, mark)?;
    Ok(mark)
}

/// Cutting is only right for what a crash leaves. More means a database older than the segments.
fn judge(unknown: u64, options: &Options) -> Result<(), Error> {
    if unknown > most_in_flight(options) {
        return Err(Error::Corrupt(format!(
            "segments hold {unknown} bytes that the database does not know: it is missing or older than \
             they are. Bring back the database that belongs to them; nothing was changed"
        )));
    }
    Ok(())
}

/// Bytes that can have been written without rows: a batch in each stage of the committer, one body too long,
/// and what failed transactions left.
fn most_in_flight(options: &Options) -> u64 {
    let batch = (options.batch_bytes as u64).max(64 << 20);
    batch
        .saturating_mul(3)
        .saturating_add(crate::seal::LARGEST as u64)
        .saturating_add(MOST_UNNOTED)
}

/// Removes dead segments, cuts the others; the one that the mark lies in, if it is still there.
fn cut(sql: &mut dyn Sql, segments: &Segments, mark: Mark) -> Result<Option<(u64, u64)>, Error> {
    let numbers = segments.numbers()?;
    segments.used(numbers.last().copied().unwrap_or(0).max(mark.segment));
    let mut tail = None;
    for number in numbers {
        let length = segments.length(number)?;
        let known = length.saturating_sub(mark.behind(number, length));
        let unknown = written_behind(segments, number, known)?;
        // One that holds free room only may never have come to the disk whole: its first sync can have failed.
        if !is_alive(sql, number)? {
            segments.remove(number)?;
        } else {
            let end = end_of(sql, number)?;
            segments.check_preamble(number)?;
            // Dead room in a segment that is left needs no file to stand in; in the last one its places stay
            // used.
            let goes_on = number == mark.segment && !mark.is_left();
            let end = if goes_on { mark.end } else { end };
            segments.cut(number, end.max(PREAMBLE as u64))?;
            tail = goes_on.then_some((number, mark.end));
        }
        if unknown > PREAMBLE as u64 {
            tracing::info!(
                segment = number,
                bytes = unknown,
                "bodies that were never acknowledged were cut off"
            );
        }
    }
    Ok(tail)
}

/// The place behind the last record in the tables.
pub(crate) fn last_row(sql: &mut dyn Sql) -> Result<Mark, Error> {
    let mut last = Mark::default();
    for table in ["body", "body_free"] {
        let statement = format!(
            "SELECT segment, start, length FROM {table} ORDER BY segment DESC, start DESC LIMIT 1"
        );
        if let Some(extent) = sql::first(sql, &statement, &[], crate::tx::extent)? {
            last.pass(extent);
        }
    }
    Ok(last)
}

/// Whether a body lies in a segment.
fn is_alive(sql: &mut dyn Sql, number: u64) -> Result<bool, Error> {
    let statement = "SELECT start FROM body WHERE segment = ?1 LIMIT 1";
    let found = sql::first(sql, statement, params![signed(number)?], |row| row.int(0))?;
    Ok(found.is_some())
}

/// The first byte behind the last record of a segment that is in the tables; 0 when there is none.
fn end_of(sql: &mut dyn Sql, number: u64) -> Result<u64, Error> {
    let mut end = 0;
    for table in ["body", "body_free"] {
        let statement = format!(
            "SELECT start + length FROM {table} WHERE segment = ?1 ORDER BY start DESC LIMIT 1"
        );
        let found = sql::first(sql, &statement, params![signed(number)?], |row| {
            row.count(0)
        })?;
        end = end.max(found.unwrap_or(0));
    }
    Ok(end)
}

/// Bytes of segment `number` from byte `from` on, in pieces that are not all zeros.
fn written_behind(segments: &Segments, number: u64, from: u64) -> Result<u64, Error> {
    let zeros = vec![0; LOOK];
    let mut piece = vec![0; LOOK];
    let length = segments.length(number)?;
    let mut written = 0u64;
    let mut position = from;
    while position < length {
        let step = usize::try_from(length - position).map_or(LOOK, |left| left.min(LOOK));
        let (piece, _) = piece.split_at_mut(step);
        segments.look(number, piece, position)?;
        if *piece != zeros[..step] {
            written = written.saturating_add(step as u64);
        }
        position = position.saturating_add(step as u64);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, os::unix::fs::FileExt as _, sync::Arc};

    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn holes_are_not_taken_for_bodies() {
        let directory = tempfile::tempdir().unwrap();
        let segments = Segments::new(directory.path().to_owned(), Arc::new(RealDisk));
        let file = fs::File::create(segments.path(1)).unwrap();
        file.write_all_at(b"living", 16).unwrap();
        file.set_len(10 << 20).unwrap();
        assert_eq!(written_behind(&segments, 1, 22).unwrap(), 0);
        assert_eq!(written_behind(&segments, 1, 10 << 20).unwrap(), 0);
        file.write_all_at(b"x", (5 << 20) + 22).unwrap();
        file.write_all_at(b"x", (10 << 20) - 1).unwrap();
        let found = written_behind(&segments, 1, 22).unwrap();
        assert_eq!(found, 2 * (1 << 20) - 22);
        file.set_len(0).unwrap();
        assert_eq!(written_behind(&segments, 1, 22).unwrap(), 0);
    }

    #[test]
    fn more_than_a_crash_leaves_is_an_older_database() {
        let options = Options::default();
        let most = most_in_flight(&options);
        judge(most, &options).unwrap();
        assert!(matches!(judge(most + 1, &options), Err(Error::Corrupt(_))));
    }
}
