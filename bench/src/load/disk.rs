//! The limit of the disk: a log that several writers share, with one sync for all that wait.

use std::{
    fs::File,
    io::Write,
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

/// Durable records a second with `writers` threads, for `time`.
pub(crate) fn raw_log(directory: &Path, writers: usize, time: Duration) -> Outcome<Figure> {
    let path = directory.join("raw-log");
    let log = Arc::new(Log {
        state: Mutex::default(),
        synced: Condvar::new(),
        file: File::create(&path)?,
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
    let cost = Cost {
        seconds: began.elapsed().as_secs_f64(),
        load: process::own_cpu_seconds() - load,
        server: 0.0,
    };
    std::fs::remove_file(path)?;
    let plural = if writers == 1 { "writer" } else { "writers" };
    let name = format!("raw group-synced log, 4 KiB, {writers} {plural}");
    Ok(Figure::rate(name, count, cost))
}

struct Log {
    state: Mutex<State>,
    synced: Condvar,
    file: File,
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
            let number = state.gathering;
            drop(state);
            (&self.file).write_all(&batch)?;
            self.file.sync_data()?;
            state = self.state.lock().map_err(|_| broken())?;
            state.durable = number;
            state.busy = false;
            self.synced.notify_all();
        }
        Ok(())
    }
}
