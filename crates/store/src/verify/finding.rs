//! What can be wrong, as values. `words` has the sentences, `remedy` what is done.

use crate::{AccountId, BodyId, EmailId, EventId, MailboxId, QueueId};

/// Something that is wrong: what, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the fields are named for what they are; `Display` says the rest"
)]
pub enum Finding {
    /// The database engine complains about a table.
    Table { table: String, said: String },
    /// A segment does not begin as one.
    Segment { number: u64, why: String },
    /// A body does not open, or is not what was written.
    BodyDamaged {
        body: BodyId,
        why: String,
        holders: Vec<Holder>,
    },
    /// Nobody owns a body.
    BodyUnowned { body: BodyId },
    /// An owner's row names a body that has no place.
    BodyWithoutPlace { body: BodyId, account: AccountId },
    /// Two bodies lie in the same bytes.
    BodiesOverlap {
        segment: u64,
        first: BodyId,
        second: BodyId,
    },
    /// Room that is to be given back holds a living body.
    FreeOverlaps {
        segment: u64,
        start: u64,
        length: u64,
        body: BodyId,
    },
    /// The mark of the segments is behind the last row.
    MarkBehind { noted: String, last: String },
    /// The mark of used ids is below an id that was given.
    IdMarkLow { noted: i64, highest: i64 },
    /// An owner's references are not as many as name the body.
    ReferenceCount {
        body: BodyId,
        account: AccountId,
        named: u64,
        counted: i64,
    },
    /// An owner has references to a body, and nothing names it.
    ReferenceUnnamed {
        body: BodyId,
        account: AccountId,
        counted: i64,
    },
    /// A message's account does not own its body.
    EmailUnowned {
        email: EmailId,
        account: AccountId,
        body: BodyId,
        holders: Vec<Holder>,
    },
    /// No mailbox holds a message.
    EmailUnseen {
        email: EmailId,
        account: AccountId,
        body: BodyId,
    },
    /// What lists show of a message does not open.
    SummaryDamaged {
        email: EmailId,
        account: AccountId,
        body: BodyId,
    },
    /// A mailbox holds a message that has no row.
    MessageWithoutEmail {
        mailbox: MailboxId,
        uid: u32,
        email: EmailId,
        body: BodyId,
    },
    /// A mailbox says of a message that it has another body.
    MessageBody {
        mailbox: MailboxId,
        uid: u32,
        shown: BodyId,
        kept: BodyId,
    },
    /// A mailbox says of a message that it has another size.
    MessageSize {
        mailbox: MailboxId,
        uid: u32,
        told: i64,
        real: i64,
    },
    /// A mailbox holds a message of another account.
    MessageForeign {
        mailbox: MailboxId,
        uid: u32,
        email: EmailId,
        account: AccountId,
    },
    /// Messages are in a mailbox that does not exist.
    MailboxMissing { mailbox: MailboxId, messages: u64 },
    /// A mailbox's counters (messages, unseen, deleted, octets) are not what it holds.
    MailboxCounters {
        mailbox: MailboxId,
        counted: [i64; 4],
        held: [i64; 4],
    },
    /// The next UID was given already.
    UidNext {
        mailbox: MailboxId,
        next: i64,
        needed: i64,
    },
    /// A change has a higher MODSEQ than the mailbox.
    ModSeq {
        mailbox: MailboxId,
        highest: i64,
        needed: i64,
    },
    /// What an account uses (octets, messages) is not what its mailboxes hold; `None`: it is not counted at all.
    Usage {
        account: AccountId,
        counted: Option<[i64; 2]>,
        held: [i64; 2],
    },
    /// A mailbox that does not exist remembers expunged messages.
    ExpungedOrphans { mailbox: MailboxId, rows: u64 },
    /// Rows of an account that has no mailboxes.
    AccountOrphans {
        table: &'static str,
        account: AccountId,
        rows: u64,
    },
    /// An account has mail and no key.
    KeyMissing { account: AccountId },
    /// A UIDVALIDITY is above the last one given.
    UidValidity { last: i64, needed: i64 },
    /// A queued message has no recipients.
    QueueEmpty { id: QueueId },
    /// A queued message cannot be read.
    QueueUnreadable { id: QueueId, why: String },
    /// The queue does not own the body of a queued message.
    QueueUnowned { id: QueueId, body: BodyId },
    /// Recipients wait for a message that is not in the queue.
    RecipientOrphans {
        id: QueueId,
        recipients: Vec<String>,
    },
    /// A message that is set apart is not whole.
    QuarantineDamaged { id: QueueId, why: String },
    /// A policy of another domain (MTA-STS) cannot be used.
    StsPolicyDamaged { domain: String, why: String },
    /// Sessions that a report is to tell of (TLSRPT) cannot be read.
    TlsSessionsDamaged { domain: String, why: String },
    /// A body is noted to be a queued report, and is in no queued message.
    TlsReportStray { body: i64 },
    /// What was counted of an hour cannot be right (hours since 1970; 0: all of them).
    TrafficDamaged { hour: i64, why: String },
    /// An incident, a blocked network or a rule against an outbreak cannot be read.
    AlarmUnreadable { name: String, why: String },
    /// A task or a report is not as its events tell.
    WorkAltered { name: String, why: String },
    /// An order that waits or can be used is not as its events tell.
    OrderAltered { number: i64, why: String },
    /// A case of vulnerability says something else than its steps.
    CaseDamaged { number: i64, why: String },
    /// An event is dated before the one before it (microseconds since 1970).
    EventTime {
        event: EventId,
        at: i64,
        before: i64,
    },
    /// An event cannot be read.
    EventUnreadable { event: EventId, why: String },
    /// An event is not what the tree took in.
    EventAltered { event: EventId },
    /// An event that the tree took in is gone.
    EventRemoved { event: EventId },
    /// An event stands among those that the tree took in, and was not there then.
    EventInserted { event: EventId },
    /// The tree over the trail is damaged.
    Tree { why: String },
    /// A checkpoint does not tell of the trail, or was not signed by the trail's key.
    CheckpointFalse { size: u64, at: i64, why: String },
    /// A checkpoint tells of more events than there are.
    TrailCut { told: u64, left: u64 },
    /// The index of the trail is not what the events are.
    TrailIndex { why: String },
    /// Addresses stand for an event that does not exist.
    AddressOrphans { event: EventId, rows: u64 },
    /// The search index of an account is not what its mail is.
    Index { account: AccountId, why: String },
    /// There is a search index of an account that does not exist.
    IndexOfNobody { account: AccountId },
}

/// Where a damaged body is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// In a mailbox.
    Mailbox {
        /// The account.
        account: AccountId,
        /// Its identifier, if the directory knows one.
        identifier: Option<String>,
        /// The mailbox's name.
        mailbox: String,
        /// The UID there.
        uid: u32,
        /// How it came, as the trail tells it.
        arrival: Option<Arrival>,
    },
    /// In the queue.
    Queue {
        /// Its id there: the subject of its events.
        id: QueueId,
    },
    /// Set apart.
    Quarantine {
        /// Its id there: the subject of its events.
        id: QueueId,
    },
}

/// The event of the commit that brought a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The event.
    pub event: EventId,
    /// Its kind's name.
    pub kind: String,
    /// Its subject.
    pub subject: String,
}

/// What `--repair` does about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It does this; nothing is lost by it.
    Repair(&'static str),
    /// It leaves it alone; this is what a person can do.
    Leave(&'static str),
}

impl Remedy {
    /// Whether something is done.
    #[must_use]
    pub fn is_repair(self) -> bool {
        matches!(self, Self::Repair(_))
    }

    /// What is done, or what a person can do.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Repair(words) | Self::Leave(words) => words,
        }
    }
}
