//! The program's body: a worker, or an attempt of what a worker may not do, so that a test sees it fail.
//!
//! ```text
//! kakitome-scanner OCTETS SECONDS        a worker with so much memory and processor time in all
//! kakitome-scanner try WALL DEED [PORT]  one deed behind one wall: all, filter, landlock, limits or none
//! ```

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use malware::{FrameError, Ready, Request, read_words, write_words};

use crate::{Deed, Rights, RightsError, inspect, rights};

/// Octets of a message that are taken, whatever the server asks: its own limit lies below.
const LARGEST_MESSAGE: u64 = 1 << 30;

/// Why a worker ends.
#[derive(Debug, thiserror::Error)]
enum WorkerFault {
    #[error(
        "usage: kakitome-scanner OCTETS SECONDS; the mail server starts it, nobody else needs to"
    )]
    Usage,
    #[error(transparent)]
    Rights(#[from] RightsError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the pipe: {0}")]
    Pipe(#[from] io::Error),
    #[error("a message of {0} octets is larger than a worker takes")]
    TooLarge(u64),
    #[error("the deed was not done: {0}")]
    NotDone(io::Error),
}

/// Does what the arguments say.
#[must_use]
pub fn run() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["try", wall, deed] => attempt(wall, deed, ""),
        ["try", wall, deed, port] => attempt(wall, deed, port),
        [memory, seconds] => match (memory.parse(), seconds.parse()) {
            (Ok(memory), Ok(seconds)) => work(Rights { memory, seconds }),
            _ => Err(WorkerFault::Usage),
        },
        _ => Err(WorkerFault::Usage),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let told = writeln!(io::stderr(), "{fault}");
            // The status tells it, too.
            drop(told);
            ExitCode::FAILURE
        }
    }
}

fn work(rights: Rights) -> Result<(), WorkerFault> {
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let landlock = rights.keep_only()?;
    write_words(&mut to, &Ready { landlock })?;
    while let Some(request) = read_words::<Request>(&mut from)? {
        if request.octets > LARGEST_MESSAGE {
            return Err(WorkerFault::TooLarge(request.octets));
        }
        let wanted = usize::try_from(request.octets).unwrap_or(usize::MAX);
        let mut message = vec![0; wanted];
        from.read_exact(&mut message)?;
        let facts = inspect(&message, request.limits);
        write_words(&mut to, &facts)?;
    }
    Ok(())
}

/// Builds one wall and does one deed that needs a right.
fn attempt(wall: &str, deed: &str, port: &str) -> Result<(), WorkerFault> {
    let rights = Rights {
        memory: 1 << 30,
        seconds: 60,
    };
    let port = port.parse::<u16>().unwrap_or_default();
    let landlock = match wall {
        "all" => rights.keep_only().map(Some)?,
        "filter" => rights::filter().map(|()| None)?,
        "landlock" => rights::lock_land().map(Some)?,
        "limits" => rights.limit().map(|()| None)?,
        "none" => None,
        _ => return Err(WorkerFault::Usage),
    };
    if deed == "status" {
        let told = writeln!(io::stdout(), "landlock: {landlock:?}");
        return told.map_err(WorkerFault::NotDone);
    }
    let deed = deed.parse::<Deed>().map_err(|_| WorkerFault::Usage)?;
    deed.at(port).attempt().map_err(WorkerFault::NotDone)
}
