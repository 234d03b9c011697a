//! What can go wrong in the store.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk is full, or its reserve is reached. Try again later.
    #[error("the disk has no room left for mail")]
    Full,
    /// The file system does not let us write.
    #[error("the store is read-only: {0}")]
    ReadOnly(String),
    /// Reading or writing a file failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refused or failed.
    #[error("database: {0}")]
    Database(String),
    /// Stored data is not what was written.
    #[error("damaged data: {0}")]
    Corrupt(String),
    /// There is no such thing.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The key that would open or seal it does not exist (any more).
    #[error("no key for account {0}")]
    NoKey(crate::AccountId),
    /// A rule of the mail store forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store is closing or closed.
    #[error("the store is closed")]
    Closed,
    /// Another process has the store open.
    #[error("{directory} is in use by another process{}", holder(*.process))]
    Locked {
        /// The store's directory.
        directory: PathBuf,
        /// The number of the process that holds it, if it left one.
        process: Option<u32>,
    },
    /// A key file is missing, readable by others, or not the one this store was made with.
    #[error("{path}: {reason}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// The store was written by a later version of Kakitome.
    #[error(
        "the store has format {found}, this program knows formats up to {known}: use the program that wrote it, or a later one"
    )]
    LaterFormat {
        /// What the store says.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// A closure given to the store panicked; its changes were undone.
    #[error("a transaction panicked: {0}")]
    Panicked(String),
}

impl From<world::Panicked> for Error {
    fn from(panicked: world::Panicked) -> Self {
        Self::Panicked(panicked.0)
    }
}

fn holder(process: Option<u32>) -> String {
    process.map_or_else(String::new, |id| format!(" (number {id})"))
}

impl Error {
    /// `source` at `path`, with the two causes that have a variant of their own told apart.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(format!("{}", path.display())),
            _ => Self::Io {
                path: path.to_owned(),
                source,
            },
        }
    }

    /// Whether a file is missing.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// The same error for another caller of the same batch.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::ReadOnly(why) => Self::ReadOnly(why.clone()),
            Self::Io { path, source } => Self::Io {
                path: path.clone(),
                source: source
                    .raw_os_error()
                    .map_or_else(|| source.kind().into(), io::Error::from_raw_os_error),
            },
            Self::Corrupt(what) => Self::Corrupt(what.clone()),
            Self::Closed => Self::Closed,
            Self::NotFound(what) => Self::NotFound(what.clone()),
            Self::NoKey(account) => Self::NoKey(*account),
            other => Self::Database(other.to_string()),
        }
    }
}

/// Rules of the mail store that a caller can break.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A mailbox of that name exists.
    #[error("mailbox {0:?} already exists")]
    MailboxExists(String),
    /// No mailbox of that name exists.
    #[error("mailbox {0:?} does not exist")]
    NoMailbox(String),
    /// The mailbox may not be deleted or renamed.
    #[error("mailbox {0:?} cannot be changed so")]
    MailboxProtected(String),
    /// The name is not a mailbox name: empty part, too deep, too long, control characters.
    #[error("{name:?} is not a mailbox name: {reason}")]
    MailboxName {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another mailbox already has that special use.
    #[error("special use {0} is already taken")]
    SpecialUseTaken(&'static str),
    /// A limit with a name was reached.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// The account's quota would be exceeded.
    #[error("over quota")]
    OverQuota,
}
