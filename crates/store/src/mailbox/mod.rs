//! Mailboxes and the messages in them.
//!
//! Every change gives the mailbox a higher MODSEQ (RFC 7162); UIDs ascend and are never reused; what was
//! expunged is remembered for QRESYNC. Counters in the mailbox row are kept by the operations here and
//! nowhere else. Every operation that changes a mailbox touches [`Topic::Mailbox`](crate::Topic::Mailbox);
//! those that change the list of mailboxes touch [`Topic::Account`](crate::Topic::Account).

mod account;
mod append;
mod copy;
mod expunge;
mod flags;
mod head;
mod keywords;
mod name;
mod news;
mod read;
mod recovered;
mod roll;
mod roll_codec;
mod thread;
mod tree;

use jiff::Timestamp;

use crate::{AccountId, BodyId, EmailId, MailboxId, ThreadId};

pub use account::{create_initial, remove_account, set_quota, usage};
pub use append::append;
pub use copy::{copy, move_to};
pub use expunge::expunge;
pub use flags::change_flags;
pub use keywords::{MAX_KEYWORD_OCTETS, MAX_KEYWORDS, MAX_MAILBOX_KEYWORDS, keywords};
pub use name::{MAX_LEVEL_OCTETS, MAX_LEVELS, MAX_NAME_OCTETS, SEPARATOR, canonical};
pub use news::{Marks, News, Since, news_since, vanished_since};
pub use read::{
    deleted_octets, entries, entries_of, places_of_emails, places_to_verify, summaries,
    summary_sizes,
};
pub(crate) use recovered::{Returning, put_back, recovered};
pub use roll::{Roll, Slot};
pub use tree::{
    MAX_MAILBOXES, MAX_SUBSCRIPTIONS, by_id, by_name, by_special_use, create, delete, list, rename,
    subscribe, subscriptions,
};

/// A mailbox as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its id, kept through renames.
    pub id: MailboxId,
    /// Whose it is.
    pub account: AccountId,
    /// Full name in UTF-8, levels divided by `/`. `INBOX` in capitals.
    pub name: String,
    /// RFC 9051, section 2.3.1.1.
    pub uid_validity: u32,
    /// The UID that the next message will get.
    pub uid_next: u32,
    /// The highest MODSEQ given in this mailbox; at least 1.
    pub highest_modseq: u64,
    /// RFC 6154 use, if any.
    pub special_use: Option<SpecialUse>,
    /// Whether its owner subscribed to it.
    pub subscribed: bool,
    /// Whether it can be selected. A name that only has children cannot.
    pub selectable: bool,
    /// Number of messages.
    pub messages: u64,
    /// Messages without `\Seen`.
    pub unseen: u64,
    /// Messages with `\Deleted`.
    pub deleted: u64,
    /// Octets of all messages.
    pub bytes: u64,
}

/// RFC 6154.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the RFC's own words")]
pub enum SpecialUse {
    All,
    Archive,
    Drafts,
    Flagged,
    Junk,
    Sent,
    Trash,
}

impl SpecialUse {
    const ALL: [Self; 7] = [
        Self::All,
        Self::Archive,
        Self::Drafts,
        Self::Flagged,
        Self::Junk,
        Self::Sent,
        Self::Trash,
    ];

    /// The attribute of LIST, with its backslash.
    #[must_use]
    pub fn attribute(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }

    /// The attribute without its backslash, as the table holds it.
    fn column(self) -> &'static str {
        self.attribute().trim_start_matches('\\')
    }

    fn from_column(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|special_use| special_use.column() == text)
    }
}

/// System flags as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(2);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(4);
    /// `\Deleted`
    pub const DELETED: Self = Self(8);
    /// `\Draft`
    pub const DRAFT: Self = Self(16);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// What a mailbox tells of a message without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// UID in this mailbox.
    pub uid: u32,
    /// The message, wherever it is copied.
    pub email: EmailId,
    /// Its thread.
    pub thread: ThreadId,
    /// Its body.
    pub body: BodyId,
    /// MODSEQ of its last change.
    pub modseq: u64,
    /// System flags.
    pub flags: Flags,
    /// Keywords as first written, sorted, without duplicates (compared without regard to case).
    pub keywords: Vec<String>,
    /// Octets (RFC822.SIZE).
    pub size: u64,
    /// INTERNALDATE: when it arrived, or what APPEND said.
    pub internal_date: Timestamp,
    /// SAVEDATE: when it came into this mailbox (RFC 8514).
    pub save_date: Timestamp,
}

impl Entry {
    /// What a [`Roll`] says of it.
    #[must_use]
    pub fn marks(&self) -> Marks<'_> {
        Marks {
            uid: self.uid,
            modseq: self.modseq,
            flags: self.flags,
            keywords: &self.keywords,
        }
    }
}

/// A message to put into a mailbox. Its body was given to the same commit, or is owned already.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The body.
    pub body: BodyId,
    /// Octets of the raw message.
    pub size: u64,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<String>,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
    /// The encoded `message::Summary` (envelope, structure); sealed by the store before it is written.
    pub summary: Vec<u8>,
    /// Message-IDs of the message itself, its In-Reply-To and its References, for THREADID. Hashed
    /// under the account's key before they are written.
    pub references: Vec<String>,
}

/// What an append gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: u32,
    /// The UID given.
    pub uid: u32,
    /// Its MODSEQ.
    pub modseq: u64,
    /// Its EMAILID.
    pub email: EmailId,
}

/// What a copy or move gave: pairs of source and new UIDs, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// UIDVALIDITY of the target.
    pub uid_validity: u32,
    /// Source UID and target UID.
    pub uids: Vec<(u32, u32)>,
}

/// How flags change (IMAP STORE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// Replace, add or remove.
    pub mode: FlagMode,
    /// System flags named.
    pub flags: Flags,
    /// Keywords named.
    pub keywords: Vec<String>,
}

/// The three forms of STORE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagMode {
    /// `FLAGS`
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// What a flag change did.
#[derive(Clone, Debug, Default)]
pub struct FlagsChanged {
    /// The messages as they are now; those that did not change keep their MODSEQ.
    pub messages: Roll,
    /// UIDs left alone since they changed after `unchanged_since` (RFC 7162).
    pub modified: Vec<u32>,
}

/// Octets and messages that an account keeps, against its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Octets kept, each message counted in every mailbox that holds it.
    pub bytes: u64,
    /// Messages kept.
    pub messages: u64,
    /// Octets permitted; `None`: no limit.
    pub limit: Option<u64>,
}
