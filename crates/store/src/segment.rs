//! Segments: append-only files of sealed bodies. `docs/format.md` has the bytes.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use crate::{
    BodyId, Error,
    disk::{self, Disk, File},
};

/// Bytes of a record's header.
pub(crate) const HEADER: usize = 48;
/// Bytes of a segment's header.
pub(crate) const PREAMBLE: usize = 16;
const SEGMENT_MAGIC: &[u8; 8] = b"KAKISEG\n";
const RECORD_MAGIC: &[u8; 4] = b"KBDY";
const VERSION: u8 = 1;
/// Bytes of zeros written ahead of the records.
const AHEAD: u64 = 1 << 20;
/// Batches longer than this are written without: the zeros would be half of what goes to the disk.
const SMALL: u64 = 64 << 10;
/// Segments kept open for readers at most.
const OPEN: usize = 64;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    /// Number of the segment.
    pub(crate) segment: u64,
    /// First byte.
    pub(crate) start: u64,
    /// Bytes, header included.
    pub(crate) length: u64,
}

impl Extent {
    /// The first byte after it.
    pub(crate) fn end(self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// What stands before each ciphertext, and is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The body.
    pub(crate) id: BodyId,
    /// Whether the plain text is zstd.
    pub(crate) compressed: bool,
    /// Bytes of the ciphertext with its tag.
    pub(crate) sealed: u64,
    /// Bytes of the raw body.
    pub(crate) size: u64,
}

impl Header {
    /// As it is written.
    pub(crate) fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let (front, sum) = bytes.split_at_mut(32);
        front[..4].copy_from_slice(RECORD_MAGIC);
        front[4] = VERSION;
        front[5] = u8::from(self.compressed);
        front[8..16].copy_from_slice(&self.id.0.to_le_bytes());
        front[16..24].copy_from_slice(&self.sealed.to_le_bytes());
        front[24..32].copy_from_slice(&self.size.to_le_bytes());
        sum.copy_from_slice(&blake3::hash(front).as_bytes()[..16]);
        bytes
    }

    /// The reverse; `None` when it is not a header or is damaged.
    pub(crate) fn from_bytes(bytes: &[u8; HEADER]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let header = Self {
            id: BodyId(i64::try_from(word(8)?).ok()?),
            compressed: bytes[5] == 1,
            sealed: word(16)?,
            size: word(24)?,
        };
        (header.to_bytes() == *bytes).then_some(header)
    }
}

/// All segments of a store: reading, freeing, removing.
pub(crate) struct Segments {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    open: Mutex<HashMap<u64, Arc<dyn File>>>,
    /// The highest number that was ever given to a segment.
    highest: AtomicU64,
    /// The lowest segment that something may still be appended to.
    active: AtomicU64,
    /// A segment that is to be left with the next write, because it is being emptied.
    to_leave: AtomicU64,
}

impl Segments {
    pub(crate) fn new(directory: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Self {
            directory,
            disk,
            open: Mutex::default(),
            highest: AtomicU64::new(0),
            active: AtomicU64::new(0),
            to_leave: AtomicU64::new(0),
        }
    }

    /// The numbers of the segments there are, ascending.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>, Error> {
        let names = self
            .disk
            .names(&self.directory)
            .map_err(|error| Error::io(&self.directory, error))?;
        let mut numbers: Vec<u64> = names
            .iter()
            .filter_map(|name| name.strip_suffix(".seg")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The file of segment `number`.
    pub(crate) fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:08}.seg"))
    }

    /// Checks what a segment says of itself at its beginning.
    pub(crate) fn check_preamble(&self, number: u64) -> Result<(), Error> {
        let mut preamble = [0; PREAMBLE];
        let path = self.path(number);
        self.file(number)?
            .read_at(&mut preamble, 0)
            .map_err(|error| Error::io(&path, error))?;
        if preamble.first_chunk::<8>() != Some(SEGMENT_MAGIC) {
            let what = format!("{} is not a segment", path.display());
            return Err(Error::Corrupt(what));
        }
        match preamble[8] {
            VERSION => Ok(()),
            found => Err(Error::LaterFormat {
                found: i64::from(found),
                known: i64::from(VERSION),
            }),
        }
    }

    /// The segment that is appended to, or the one that will be: nothing is ever written to lower ones again.
    pub(crate) fn active(&self) -> u64 {
        self.active.load(Ordering::SeqCst)
    }

    /// Free bytes of the file system.
    pub(crate) fn free(&self) -> Result<u64, Error> {
        self.disk
            .free(&self.directory)
            .map_err(|error| Error::io(&self.directory, error))
    }

    /// Segment `number`, open.
    pub(crate) fn file(&self, number: u64) -> Result<Arc<dyn File>, Error> {
        // One lock over finding and keeping: else a reader could keep a file that is just being removed, and
        // its room with it.
        let mut open = self.open.lock();
        if let Some(file) = open.get(&number) {
            return Ok(Arc::clone(file));
        }
        let path = self.path(number);
        let file = self
            .disk
            .open(&path)
            .map_err(|error| Error::io(&path, error))?;
        Self::keep(&mut open, number, &file);
        Ok(file)
    }

    fn keep(open: &mut HashMap<u64, Arc<dyn File>>, number: u64, file: &Arc<dyn File>) {
        if open.len() >= OPEN
            && let Some(other) = open.keys().min().copied()
        {
            open.remove(&other);
        }
        open.insert(number, Arc::clone(file));
    }

    /// Reads a record.
    pub(crate) fn read(&self, extent: Extent) -> Result<Vec<u8>, Error> {
        let length = usize::try_from(extent.length)
            .ok()
            .filter(|length| *length <= crate::seal::LARGEST + (1 << 20))
            .ok_or_else(|| Error::Corrupt(format!("a record of {} bytes", extent.length)))?;
        let mut record = vec![0; length];
        match self
            .file(extent.segment)?
            .read_at(&mut record, extent.start)
        {
            Ok(()) => Ok(record),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Error::Corrupt(
                format!("segment {} is too short", extent.segment),
            )),
            Err(error) => Err(Error::io(&self.path(extent.segment), error)),
        }
    }

    /// Gives extents of one segment back to the disk, durably. A segment that is gone has given all.
    pub(crate) fn punch(&self, number: u64, gaps: &[(u64, u64)]) -> Result<(), Error> {
        let file = match self.file(number) {
            Ok(file) => file,
            Err(error) if error.is_missing() => return Ok(()),
            Err(error) => return Err(error),
        };
        let punched = gaps
            .iter()
            .try_for_each(|(start, end)| file.punch(*start, end.saturating_sub(*start)));
        punched
            .and_then(|()| file.sync())
            .map_err(|error| Error::io(&self.path(number), error))
    }

    /// Removes a segment in which nothing lives.
    pub(crate) fn remove(&self, number: u64) -> Result<(), Error> {
        let path = self.path(number);
        let removed = self.disk.remove(&path);
        self.open.lock().remove(&number);
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(&path, error)),
            _ => self
                .disk
                .sync_names(&self.directory)
                .map_err(|error| Error::io(&self.directory, error)),
        }
    }

    /// Fills `piece` with the bytes of segment `number` from byte `start`, whatever they are.
    pub(crate) fn look(&self, number: u64, piece: &mut [u8], start: u64) -> Result<(), Error> {
        self.file(number)?
            .read_at(piece, start)
            .map_err(|error| Error::io(&self.path(number), error))
    }

    /// Bytes of segment `number`.
    pub(crate) fn length(&self, number: u64) -> Result<u64, Error> {
        self.file(number)?
            .length()
            .map_err(|error| Error::io(&self.path(number), error))
    }

    /// Cuts off what lies behind `end` in segment `number`.
    pub(crate) fn cut(&self, number: u64, end: u64) -> Result<u64, Error> {
        let file = self.file(number)?;
        let cut = || -> io::Result<u64> {
            let length = file.length()?;
            if length > end {
                file.truncate(end)?;
                file.sync()?;
            }
            Ok(length.saturating_sub(end))
        };
        cut().map_err(|error| Error::io(&self.path(number), error))
    }

    /// Bytes that all segments take on the disk.
    pub(crate) fn allocated(&self) -> Result<u64, Error> {
        let mut sum = 0;
        for number in self.numbers()? {
            sum += match self.allocated_by(number) {
                // Removed since its name was listed.
                Err(error) if error.is_missing() => 0,
                other => other?,
            };
        }
        Ok(sum)
    }

    /// Bytes that segment `number` takes on the disk.
    pub(crate) fn allocated_by(&self, number: u64) -> Result<u64, Error> {
        self.file(number)?
            .allocated()
            .map_err(|error| Error::io(&self.path(number), error))
    }

    /// Asks that nothing more is appended to segment `number` from the next write on.
    pub(crate) fn leave(&self, number: u64) {
        self.to_leave.store(number, Ordering::SeqCst);
    }

    /// Says at open that numbers up to this one were given.
    pub(crate) fn used(&self, number: u64) {
        self.highest.fetch_max(number, Ordering::SeqCst);
    }

    /// A number that no segment ever had.
    fn fresh(&self) -> u64 {
        self.highest.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Says that from now on nothing is appended below segment `number`.
    fn append_from(&self, number: u64) {
        self.active.store(number, Ordering::SeqCst);
    }
}

/// Appends to the active segment. One per store.
pub(crate) struct Appender {
    segments: Arc<Segments>,
    size: u64,
    current: Option<Current>,
    /// Written and not trusted: to be given back to the disk once the database can note it.
    abandoned: Vec<Extent>,
}

struct Current {
    number: u64,
    file: Arc<dyn File>,
    length: u64,
    /// Up to here it was synced.
    synced: u64,
    /// Up to here the file has its place on the disk: records or zeros.
    ready: u64,
}

impl Current {
    /// Writes zeros ahead, to be synced with what was just written. A sync of bytes that were written over is one write
    /// to the disk; when the file grows, the file system must write its journal as well.
    fn make_ready(&mut self, size: u64) {
        let batch = self.length.saturating_sub(self.synced);
        let end = self.length.saturating_add(AHEAD).min(size);
        if self.length <= self.ready || end <= self.length || batch > SMALL {
            return;
        }
        match disk::write_zeros(self.file.as_ref(), self.length, end) {
            Ok(()) => self.ready = end,
            // Records need no zeros: the next ones find out by themselves whether there is room.
            Err(error) => tracing::debug!(segment = self.number, %error, "no zeros ahead"),
        }
    }

    /// Cuts off the zeros.
    fn cut(&self) -> io::Result<()> {
        if self.ready > self.length {
            self.file.truncate(self.length)?;
        }
        Ok(())
    }
}

impl Appender {
    /// Goes on in segment `tail` if there is one, which holds `length` trusted bytes.
    pub(crate) fn new(
        segments: Arc<Segments>,
        size: u64,
        tail: Option<(u64, u64)>,
    ) -> Result<Self, Error> {
        let current = match tail {
            Some((number, length)) if length < size => Some(Current {
                number,
                file: segments.file(number)?,
                length,
                synced: length,
                ready: length,
            }),
            _ => None,
        };
        let next = segments.highest.load(Ordering::SeqCst) + 1;
        segments.append_from(current.as_ref().map_or(next, |current| current.number));
        Ok(Self {
            segments,
            size,
            current,
            abandoned: Vec::new(),
        })
    }

    /// Writes all `records`; where each one lies. They are not to be trusted before [`Appender::sync`].
    ///
    /// After a failed write the segment is cut back.
    pub(crate) fn write(&mut self, records: &[&[u8]]) -> Result<Vec<Extent>, Error> {
        let mut current = match self.current.take() {
            Some(current) if current.length < self.size && !self.is_to_leave(&current) => current,
            full => {
                self.leave(full);
                self.begin()?
            }
        };
        let before = current.length;
        let written = current.file.write_at(records, before);
        let path = self.segments.path(current.number);
        let mut extents = Vec::with_capacity(records.len());
        for record in records {
            extents.push(Extent {
                segment: current.number,
                start: current.length,
                length: record.len() as u64,
            });
            current.length += record.len() as u64;
        }
        if let Err(error) = written {
            if current.file.truncate(before).is_ok() {
                current.length = before;
                current.ready = before;
                self.current = Some(current);
            } else {
                self.abandoned.extend(extents);
            }
            return Err(Error::io(&path, error));
        }
        self.current = Some(current);
        Ok(extents)
    }

    /// Whether a segment is to be left though it is not full.
    fn is_to_leave(&self, current: &Current) -> bool {
        current.number == self.segments.to_leave.load(Ordering::SeqCst)
    }

    /// Syncs what was written.
    ///
    /// After a failed sync nobody can know what reached the disk (the kernel reports the loss once and then forgets
    /// it), so the segment is left for good: what was written since the last sync is lost.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        let Some(mut current) = self.current.take() else {
            return Ok(());
        };
        current.make_ready(self.size);
        if let Err(error) = current.file.sync() {
            let path = self.segments.path(current.number);
            tracing::error!(segment = %path.display(), %error, "a sync failed: the segment is left and a new one begun");
            return Err(Error::io(&path, error));
        }
        current.synced = current.length;
        self.current = Some(current);
        Ok(())
    }

    /// What was written and is not trusted, since the last call.
    pub(crate) fn abandoned(&mut self) -> Vec<Extent> {
        std::mem::take(&mut self.abandoned)
    }

    /// Ends: nothing is appended any more.
    pub(crate) fn close(mut self) {
        let current = self.current.take();
        self.leave(current);
    }

    /// Leaves a segment without the zeros behind its last record. If it keeps them, the next start cuts them off.
    fn leave(&self, left: Option<Current>) {
        let Some(left) = left else { return };
        if let Err(error) = left.cut() {
            let path = self.segments.path(left.number);
            tracing::warn!(segment = %path.display(), %error, "zeros stay behind the last record");
        }
    }

    fn begin(&self) -> Result<Current, Error> {
        let number = self.segments.fresh();
        let path = self.segments.path(number);
        let mut preamble = [0; PREAMBLE];
        preamble[..8].copy_from_slice(SEGMENT_MAGIC);
        preamble[8] = VERSION;
        let make = || -> io::Result<Arc<dyn File>> {
            let disk = &self.segments.disk;
            let file = disk.create(&path)?;
            file.write_at(&[&preamble], 0)?;
            disk.sync_names(&self.segments.directory)?;
            Ok(file)
        };
        let file = make().map_err(|error| {
            // An empty file does no harm, but a disk without room would collect one for each message.
            if let Err(left) = self.segments.disk.remove(&path)
                && left.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(segment = %path.display(), error = %left, "an empty segment stays until the next start");
            }
            Error::io(&path, error)
        })?;
        Segments::keep(&mut self.segments.open.lock(), number, &file);
        self.segments.append_from(number);
        Ok(Current {
            number,
            file,
            length: PREAMBLE as u64,
            synced: 0,
            ready: PREAMBLE as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn header_and_back() {
        let header = Header {
            id: BodyId(77),
            compressed: true,
            sealed: 1234,
            size: 5678,
        };
        let bytes = header.to_bytes();
        assert_eq!(Header::from_bytes(&bytes), Some(header));
        for at in 0..HEADER {
            let mut broken = bytes;
            broken[at] ^= 1;
            assert_eq!(Header::from_bytes(&broken), None, "byte {at}");
        }
    }
}
