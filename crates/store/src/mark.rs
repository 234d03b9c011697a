//! How far the database knows the segments.
//!
//! Rows come and go, and a segment's dead end leaves none behind. So each transaction that places bodies also
//! notes the first byte behind the last one: what lies there or beyond has never been in the tables, and what
//! lies before it has, whatever became of it. Places are used in ascending order and never twice.

use crate::{
    Error, params,
    segment::Extent,
    sql::{self, Engine, Sql},
};

/// The row of `meta` that holds it.
const ROW: &str = "segments";
/// The end of a segment that nothing is appended to any more, wherever its file may end.
const LEFT: u64 = i64::MAX as u64;

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.is_left() {
            true => write!(f, "the end of segment {}", self.segment),
            false => write!(f, "byte {} of segment {}", self.end, self.segment),
        }
    }
}

/// A place in the order of segments: everything before it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// The segment that it lies in.
    pub(crate) segment: u64,
    /// Bytes of that segment that are known, from its beginning.
    pub(crate) end: u64,
}

impl Mark {
    /// Moves it behind `extent`.
    pub(crate) fn pass(&mut self, extent: Extent) {
        *self = (*self).max(Self {
            segment: extent.segment,
            end: extent.end(),
        });
    }

    /// Moves it behind all of `segment`, which was left.
    pub(crate) fn leave(&mut self, segment: u64) {
        *self = (*self).max(Self { segment, end: LEFT });
    }

    /// Whether its segment was left.
    pub(crate) fn is_left(self) -> bool {
        self.end == LEFT
    }

    /// Bytes of a segment of `length` bytes that lie behind it.
    pub(crate) fn behind(self, segment: u64, length: u64) -> u64 {
        match segment.cmp(&self.segment) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => length.saturating_sub(self.end),
            std::cmp::Ordering::Greater => length,
        }
    }

    /// What the database has noted; `None` before format 2.
    pub(crate) fn find(sql: &mut dyn Sql) -> Result<Option<Self>, Error> {
        let statement = "SELECT value FROM meta WHERE name = ?1";
        let text = sql::first(sql, statement, params![ROW], |row| row.text(0))?;
        let read = |text: &str| {
            let (segment, end) = text.split_once(' ')?;
            Some(Self {
                segment: segment.parse().ok()?,
                end: end.parse().ok()?,
            })
        };
        let damaged =
            |text| Error::Corrupt(format!("the end of the segments is noted as {text:?}"));
        text.map(|text| read(&text).ok_or_else(|| damaged(text)))
            .transpose()
    }

    /// Notes it.
    pub(crate) fn note(self, engine: &mut dyn Engine) -> Result<(), Error> {
        let statement = "INSERT INTO meta (name, value) VALUES (?1, ?2)
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        let text = format!("{} {}", self.segment, self.end);
        engine.execute(statement, params![ROW, &text]).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_only_moves_on() {
        let mut mark = Mark::default();
        let place = |segment, start| Extent {
            segment,
            start,
            length: 10,
        };
        mark.pass(place(2, 100));
        mark.pass(place(1, 500));
        mark.pass(place(2, 90));
        assert_eq!((mark.segment, mark.end), (2, 110));
        assert_eq!([1, 2, 3].map(|at| mark.behind(at, 150)), [0, 40, 150]);
        mark.leave(1);
        assert!(!mark.is_left());
        mark.leave(2);
        assert!(mark.is_left());
        assert_eq!([2, 3].map(|at| mark.behind(at, 150)), [0, 150]);
        mark.pass(place(3, 16));
        assert!(!mark.is_left());
    }
}
