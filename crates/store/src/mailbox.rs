//! Mailboxes and the messages in them.
//!
//! Every change gives the mailbox a higher MODSEQ (RFC 7162); UIDs ascend and are never reused; what was
//! expunged is remembered for QRESYNC. Counters in the mailbox row are kept by the operations here and
//! nowhere else. Every operation that changes a mailbox touches [`Topic::Mailbox`](crate::Topic::Mailbox);
//! those that change the list of mailboxes touch [`Topic::Account`](crate::Topic::Account).

use jiff::Timestamp;

use crate::{AccountId, BodyId, EmailId, Error, MailboxId, ThreadId, Tx, sql::Sql};

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagsChanged {
    /// Entries as they are now, ascending by UID; those that did not change keep their MODSEQ.
    pub entries: Vec<Entry>,
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

/// Makes what every account has: INBOX and the special-use mailboxes `names`. Called when the account is issued.
///
/// # Errors
/// When the account has mailboxes already.
pub fn create_initial(
    _tx: &mut Tx<'_>,
    _account: AccountId,
    _names: &[(&str, SpecialUse)],
) -> Result<(), Error> {
    unimplemented!()
}

/// Sets or lifts the account's limit, in octets.
///
/// # Errors
/// When the database fails.
pub fn set_quota(_tx: &mut Tx<'_>, _account: AccountId, _limit: Option<u64>) -> Result<(), Error> {
    unimplemented!()
}

/// What the account uses and may use. Constant time.
///
/// # Errors
/// When the database fails.
pub fn usage(_sql: &mut dyn Sql, _account: AccountId) -> Result<Usage, Error> {
    unimplemented!()
}

/// All mailboxes of an account, by name. Subscriptions to names that do not exist are in [`subscriptions`].
///
/// # Errors
/// When the database fails.
pub fn list(_sql: &mut dyn Sql, _account: AccountId) -> Result<Vec<Mailbox>, Error> {
    unimplemented!()
}

/// Names the account subscribed to, whether they exist or not.
///
/// # Errors
/// When the database fails.
pub fn subscriptions(_sql: &mut dyn Sql, _account: AccountId) -> Result<Vec<String>, Error> {
    unimplemented!()
}

/// The mailbox of that name (`INBOX` in any case).
///
/// # Errors
/// When the database fails.
pub fn by_name(
    _sql: &mut dyn Sql,
    _account: AccountId,
    _name: &str,
) -> Result<Option<Mailbox>, Error> {
    unimplemented!()
}

/// The mailbox of that id, if it still exists.
///
/// # Errors
/// When the database fails.
pub fn by_id(_sql: &mut dyn Sql, _mailbox: MailboxId) -> Result<Option<Mailbox>, Error> {
    unimplemented!()
}

/// Makes a mailbox, and its parents where they are missing.
///
/// # Errors
/// [`Refusal`](crate::Refusal) when it exists, the name is bad, the special use is taken or there are too many.
pub fn create(
    _tx: &mut Tx<'_>,
    _account: AccountId,
    _name: &str,
    _special_use: Option<SpecialUse>,
) -> Result<Mailbox, Error> {
    unimplemented!()
}

/// Deletes a mailbox and its messages. INBOX stays; a name with children stays as not selectable.
///
/// # Errors
/// [`Refusal`](crate::Refusal) when there is none or it is protected.
pub fn delete(_tx: &mut Tx<'_>, _account: AccountId, _name: &str) -> Result<(), Error> {
    unimplemented!()
}

/// Renames a mailbox with its children. Renaming INBOX moves its messages into a new mailbox (RFC 9051, 6.3.6).
///
/// # Errors
/// [`Refusal`](crate::Refusal) when there is none, or the new name exists or is bad.
pub fn rename(_tx: &mut Tx<'_>, _account: AccountId, _from: &str, _to: &str) -> Result<(), Error> {
    unimplemented!()
}

/// Subscribes to a name or unsubscribes from it.
///
/// # Errors
/// When the name is bad or there are too many.
pub fn subscribe(
    _tx: &mut Tx<'_>,
    _account: AccountId,
    _name: &str,
    _subscribed: bool,
) -> Result<(), Error> {
    unimplemented!()
}

/// Puts a message into a mailbox: retains its body, seals its summary, finds its thread.
/// `check_quota` refuses what would exceed the account's limit.
///
/// # Errors
/// [`Refusal::OverQuota`](crate::Refusal::OverQuota), no such mailbox, UIDs exhausted.
pub fn append(
    _tx: &mut Tx<'_>,
    _mailbox: MailboxId,
    _message: &NewMessage,
    _check_quota: bool,
) -> Result<Appended, Error> {
    unimplemented!()
}

/// Entries with `from <= uid <= to`, ascending.
///
/// # Errors
/// When the database fails.
pub fn entries(
    _sql: &mut dyn Sql,
    _mailbox: MailboxId,
    _from: u32,
    _to: u32,
) -> Result<Vec<Entry>, Error> {
    unimplemented!()
}

/// Entries changed after `modseq`, ascending by UID.
///
/// # Errors
/// When the database fails.
pub fn changed_since(
    _sql: &mut dyn Sql,
    _mailbox: MailboxId,
    _modseq: u64,
) -> Result<Vec<Entry>, Error> {
    unimplemented!()
}

/// UIDs expunged after `modseq`, ascending.
///
/// # Errors
/// When the database fails.
pub fn vanished_since(
    _sql: &mut dyn Sql,
    _mailbox: MailboxId,
    _modseq: u64,
) -> Result<Vec<u32>, Error> {
    unimplemented!()
}

/// The opened summaries of `uids`, ascending by UID; those gone are left out.
///
/// # Errors
/// When the database fails or a summary does not open.
pub fn summaries(
    _snapshot: &mut crate::Snapshot<'_>,
    _mailbox: MailboxId,
    _uids: &[u32],
) -> Result<Vec<(u32, Vec<u8>)>, Error> {
    unimplemented!()
}

/// Changes flags. Entries whose flags do not change keep their MODSEQ.
///
/// # Errors
/// When the database fails, or a limit on keywords is reached.
pub fn change_flags(
    _tx: &mut Tx<'_>,
    _mailbox: MailboxId,
    _uids: &[u32],
    _change: &FlagChange,
    _unchanged_since: Option<u64>,
) -> Result<FlagsChanged, Error> {
    unimplemented!()
}

/// Copies messages with flags, dates and EMAILID into another mailbox of the same account. All or none.
///
/// # Errors
/// Over quota, no such mailbox.
pub fn copy(
    _tx: &mut Tx<'_>,
    _from: MailboxId,
    _uids: &[u32],
    _to: MailboxId,
) -> Result<Copied, Error> {
    unimplemented!()
}

/// Moves messages (RFC 6851). All or none; never over quota.
///
/// # Errors
/// No such mailbox.
pub fn move_to(
    _tx: &mut Tx<'_>,
    _from: MailboxId,
    _uids: &[u32],
    _to: MailboxId,
) -> Result<Copied, Error> {
    unimplemented!()
}

/// Expunges `uids` (whatever their flags); returns those that were there.
///
/// # Errors
/// When the database fails.
pub fn expunge(_tx: &mut Tx<'_>, _mailbox: MailboxId, _uids: &[u32]) -> Result<Vec<u32>, Error> {
    unimplemented!()
}

/// Removes all of an account: mailboxes, messages, bodies it owns. For `account delete`, with
/// [`Tx::destroy_key`]. UIDVALIDITY of a later account can never repeat.
///
/// # Errors
/// When the database fails.
pub fn remove_account(_tx: &mut Tx<'_>, _account: AccountId) -> Result<(), Error> {
    unimplemented!()
}
