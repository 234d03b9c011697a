//! Deeds that need a right: a test has a worker try them, to see that it cannot.

use std::{
    io::{self, Write},
    str::FromStr,
};

/// Octets that no worker may have.
const MUCH: usize = 2 << 30;

/// A deed that needs a right, or, for comparison, none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// To open a file.
    File,
    /// To connect to a port of this machine.
    Socket(u16),
    /// To start a program.
    Process,
    /// To start a thread.
    Thread,
    /// To have much memory.
    Memory,
    /// To write to the standard output, which is allowed.
    Write,
}

/// Why a word is no deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a deed is file, socket, process, thread, memory or write")]
pub struct UnknownDeed;

impl FromStr for Deed {
    type Err = UnknownDeed;

    fn from_str(word: &str) -> Result<Self, UnknownDeed> {
        Ok(match word {
            "file" => Self::File,
            "socket" => Self::Socket(0),
            "process" => Self::Process,
            "thread" => Self::Thread,
            "memory" => Self::Memory,
            "write" => Self::Write,
            _ => return Err(UnknownDeed),
        })
    }
}

impl Deed {
    /// The same, to this port.
    #[must_use]
    pub fn at(self, port: u16) -> Self {
        match self {
            Self::Socket(_) => Self::Socket(port),
            other => other,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// What kept it from being done; where the filter of system calls does, the process ends.
    pub fn attempt(self) -> io::Result<()> {
        match self {
            Self::File => std::fs::File::open("/etc/passwd").map(drop),
            Self::Socket(port) => std::net::TcpStream::connect(("127.0.0.1", port)).map(drop),
            Self::Process => match std::process::Command::new("/bin/true").status()? {
                status if status.success() => Ok(()),
                status => Err(io::Error::other(status.to_string())),
            },
            Self::Thread => std::thread::Builder::new().spawn(|| {}).map(drop),
            Self::Memory => {
                // Where so much is not to be had, the process ends.
                let taken = vec![1_u8; MUCH];
                std::hint::black_box(taken.len());
                Ok(())
            }
            Self::Write => io::stdout().write_all(b"written\n"),
        }
    }
}
