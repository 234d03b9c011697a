//! The limit of the disk: a log that several writers share, with one sync for all that wait; and the disk by itself.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    figure::{Cost, Figure},
    process,
};

const RECORD: usize = 4096;
/// Octets of zeros that are written and synced before anything is timed, and written over from then on, round and round.
const PREPARED: u64 = 256 << 20;

/// Where a log puts what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Over octets that have their place on the disk, as the store does: a sync is one write.
    Prepared,
    /// At the end of a file that grows: each sync also writes the file system's journal.
    Growing,
}

impl Room {
    /// As names of figures have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Prepared => "over prepared room",
            Self::Growing => "growing",
        }
    }
}

/// Durable records a second with `writers` threads, for `time`.
pub(crate) fn raw_log(
    directory: &Path,
    writers: usize,
    room: Room,
    time: Duration,
) -> Outcome<Figure> {
    let path = directory.join("raw-log");
    let log = Arc::new(Log {
        state: Mutex::default(),
        synced: Condvar::new(),
        file: file(&path, room)?,
        room,
        over: AtomicBool::new(false),
    });
    let (began, load) = (Instant::now(), process::own_cpu_seconds());
    let threads: Vec<_> = (0..writers)
        .map(|_| {
            let log = Arc::clone(&log);
            std::thread::spawn(move || log.write_until_over())
        })
        .collect();
    std::thread::sleep(time);
    log.over.store(true, Ordering::Relaxed);
    let mut count = 0;
    for thread in threads {
        count += thread.join().map_err(|_| "a writer panicked")??;
    }
    let cost = cost(began, load);
    std::fs::remove_file(path)?;
    let plural = if writers == 1 { "writer" } else { "writers" };
    let name = format!(
        "raw group-synced log, {}, 4 KiB, {writers} {plural}",
        room.name()
    );
    Ok(Figure::rate(name, count, cost))
}

/// Durable records a second that one thread makes with batches of `records`: no waiting for others, the disk alone.
pub(crate) fn batches(directory: &Path, records: usize, time: Duration) -> Outcome<Figure> {
    let path = directory.join("raw-batches");
    let file = file(&path, Room::Prepared)?;
    let batch = vec![0xA5; RECORD * records];
    let (began, load) = (Instant::now(), process::own_cpu_seconds());
    let (mut count, mut place) = (0, 0);
    while began.elapsed() < time {
        place = put(&file, Room::Prepared, place, &batch)?;
        count += records;
    }
    let cost = cost(began, load);
    std::fs::remove_file(path)?;
    let name = format!("the disk alone, 1 thread, batches of {records} × 4 KiB");
    Ok(Figure::rate(name, count, cost))
}

fn cost(began: Instant, load: f64) -> Cost {
    Cost {
        seconds: began.elapsed().as_secs_f64(),
        load: process::own_cpu_seconds() - load,
        server: 0.0,
    }
}

/// A file with its room.
fn file(path: &Path, room: Room) -> std::io::Result<File> {
    let file = File::create(path)?;
    if room == Room::Prepared {
        let zeros = vec![0; 1 << 20];
        for at in (0..PREPARED).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
    }
    Ok(file)
}

/// Writes a batch at `place` and syncs it; where the next one goes.
fn put(file: &File, room: Room, place: u64, batch: &[u8]) -> std::io::Result<u64> {
    let length = batch.len() as u64;
    let place = match room {
        Room::Prepared if place + length > PREPARED => 0,
        _ => place,
    };
    file.write_all_at(batch, place)?;
    file.sync_data()?;
    Ok(place + length)
}

struct Log {
    state: Mutex<State>,
    synced: Condvar,
    file: File,
    room: Room,
    over: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Records that wait for the next write, one after the other.
    waiting: Vec<u8>,
    /// The batch that gathers now, and the last that is on the disk.
    gathering: u64,
    durable: u64,
    /// Somebody writes and syncs for all.
    busy: bool,
    /// Where the next batch goes.
    place: u64,
}

impl Log {
    fn write_until_over(&self) -> std::io::Result<usize> {
        let record = vec![0xA5; RECORD];
        let mut count = 0;
        while !self.over.load(Ordering::Relaxed) {
            self.append(&record)?;
            count += 1;
        }
        Ok(count)
    }

    /// Returns when the record is on stable storage. Whoever finds nobody syncing does it for all that wait.
    fn append(&self, record: &[u8]) -> std::io::Result<()> {
        let broken = || std::io::Error::other("a writer panicked");
        let mut state = self.state.lock().map_err(|_| broken())?;
        state.waiting.extend_from_slice(record);
        // The batch that gathers becomes durable as number `gathering + 1`.
        let mine = state.gathering + 1;
        while state.durable < mine {
            if state.busy {
                state = self.synced.wait(state).map_err(|_| broken())?;
                continue;
            }
            state.busy = true;
            state.gathering += 1;
            let batch = std::mem::take(&mut state.waiting);
            let (number, place) = (state.gathering, state.place);
            drop(state);
            let place = put(&self.file, self.room, place, &batch)?;
            state = self.state.lock().map_err(|_| broken())?;
            state.place = place;
            state.durable = number;
            state.busy = false;
            self.synced.notify_all();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepared_room_is_written_over_and_never_grows() -> Outcome<()> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("log");
        let prepared = file(&path, Room::Prepared)?;
        let batch = vec![1; RECORD];
        let end = put(&prepared, Room::Prepared, PREPARED - 4096, &batch)?;
        assert_eq!(end, PREPARED);
        assert_eq!(put(&prepared, Room::Prepared, end, &batch)?, 4096);
        assert_eq!(prepared.metadata()?.len(), PREPARED);
        let growing = file(&path, Room::Growing)?;
        assert_eq!(put(&growing, Room::Growing, 4096, &batch)?, 8192);
        assert_eq!(growing.metadata()?.len(), 8192);
        Ok(())
    }

    #[test]
    fn each_log_has_a_name_of_its_own() -> Outcome<()> {
        let place = tempfile::tempdir()?;
        let time = Duration::from_millis(20);
        let one = raw_log(place.path(), 2, Room::Growing, time)?;
        assert_eq!(one.name, "raw group-synced log, growing, 4 KiB, 2 writers");
        let alone = batches(place.path(), 8, time)?;
        assert_eq!(alone.name, "the disk alone, 1 thread, batches of 8 × 4 KiB");
        assert!(one.value > 0.0 && alone.value > 0.0);
        Ok(())
    }
}
