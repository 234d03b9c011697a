//! The control socket: how a command line reaches a running server.
//!
//! One connection carries one command. The client sends one line of JSON, a [`Request`] with the words as
//! they were typed (and the text of a file, where the command takes one); the server answers with lines
//! of JSON, [`Reply`] each, of which the last is [`Reply::Done`] or [`Reply::Error`]. Who is calling is
//! not said but seen: the operating system tells the server which user holds the other end.

mod client;
mod server;

use std::{
    fs::File,
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use client::{CallError, Style, ask, call, is_answered};
pub(crate) use server::{bind, serve};

/// The longest request: an import file of some 100,000 accounts.
const REQUEST_LIMIT: u64 = 64 << 20;
/// The longest request of somebody who is not known yet: any command without a file.
const SHORT_REQUEST: u64 = 64 << 10;

/// One row of an answer.
pub(crate) type Record = Map<String, Value>;

/// What a client asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The words of the command line, from the verb on.
    pub(crate) words: Vec<String>,
    /// The text of the file named in the words.
    pub(crate) attachment: Option<String>,
    /// One line of standard input (a password).
    pub(crate) line: Option<String>,
}

/// What a server answers, line by line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// The result, when it is one thing.
    Row(Record),
    /// One row of a result that is a list, however long.
    Item(Record),
    /// The result, when it is a document: printed as it is.
    Text(String),
    /// How far long work has come.
    Progress {
        /// What is being done.
        what: String,
        /// Done so far.
        done: u64,
        /// In all, if known.
        total: Option<u64>,
    },
    /// A sentence for the person, not part of the result.
    Note(String),
    /// It was done.
    Done,
    /// It was refused or failed.
    Error(String),
    /// The words cannot be meant.
    Usage(String),
}

/// Where the socket of the site in `directory` is.
pub(crate) fn socket_path(directory: &Path) -> PathBuf {
    directory.join("run").join(SOCKET)
}

const SOCKET: &str = "control.sock";

/// The socket by a path that is short enough for the system (some 100 octets), however deep the site's
/// directory lies. The path holds as long as the file is open.
fn short_path(socket: &Path) -> io::Result<(PathBuf, File)> {
    let parent = socket.parent().unwrap_or(Path::new("."));
    // As a path only: whoever may pass through the directory need not be allowed to list it.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = File::from(rustix::fs::open(parent, flags, Mode::empty())?);
    let path = format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd());
    Ok((path.into(), directory))
}
