//! Findings by name and subject, and what a repair does about each.

use super::finding::{Finding, Remedy};
use Remedy::{Leave, Repair};

const FROM_BACKUP: &str =
    "left alone, nothing is deleted: bring the message back from a backup or ask its sender";

impl Finding {
    /// The sort of finding, as programs know it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Table { .. } => "table",
            Self::Segment { .. } => "segment",
            Self::BodyDamaged { .. } => "body-damaged",
            Self::BodyUnowned { .. } => "body-unowned",
            Self::BodyWithoutPlace { .. } => "body-without-place",
            Self::BodiesOverlap { .. } => "bodies-overlap",
            Self::FreeOverlaps { .. } => "free-overlaps",
            Self::MarkBehind { .. } => "mark-behind",
            Self::IdMarkLow { .. } => "id-mark-low",
            Self::ReferenceCount { .. } => "reference-count",
            Self::ReferenceUnnamed { .. } => "reference-unnamed",
            Self::EmailUnowned { .. } => "email-unowned",
            Self::EmailUnseen { .. } => "email-unseen",
            Self::SummaryDamaged { .. } => "summary-damaged",
            Self::MessageWithoutEmail { .. } => "message-without-email",
            Self::MessageBody { .. } => "message-body",
            Self::MessageSize { .. } => "message-size",
            Self::MessageForeign { .. } => "message-foreign",
            Self::MailboxMissing { .. } => "mailbox-missing",
            Self::MailboxCounters { .. } => "mailbox-counters",
            Self::UidNext { .. } => "uid-next",
            Self::ModSeq { .. } => "modseq",
            Self::Usage { .. } => "usage",
            Self::ExpungedOrphans { .. } => "expunged-orphans",
            Self::AccountOrphans { .. } => "account-orphans",
            Self::KeyMissing { .. } => "key-missing",
            Self::UidValidity { .. } => "uid-validity",
            Self::QueueEmpty { .. } => "queue-empty",
            Self::QueueUnreadable { .. } => "queue-unreadable",
            Self::QueueUnowned { .. } => "queue-unowned",
            Self::RecipientOrphans { .. } => "recipient-orphans",
            Self::QuarantineDamaged { .. } => "quarantine-damaged",
            Self::CaseDamaged { .. } => "case-damaged",
            Self::WorkAltered { .. } => "work-altered",
            Self::OrderAltered { .. } => "order-altered",
            Self::StsPolicyDamaged { .. } => "sts-policy-damaged",
            Self::TlsSessionsDamaged { .. } => "tls-sessions-damaged",
            Self::TlsReportStray { .. } => "tls-report-stray",
            Self::TrafficDamaged { .. } => "traffic-damaged",
            Self::AlarmUnreadable { .. } => "alarm-unreadable",
            Self::EventTime { .. } => "event-time",
            Self::EventUnreadable { .. } => "event-unreadable",
            Self::EventAltered { .. } => "event-altered",
            Self::EventRemoved { .. } => "event-removed",
            Self::EventInserted { .. } => "event-inserted",
            Self::Tree { .. } => "tree",
            Self::CheckpointFalse { .. } => "checkpoint-false",
            Self::TrailCut { .. } => "trail-cut",
            Self::TrailIndex { .. } => "trail-index",
            Self::AddressOrphans { .. } => "address-orphans",
            Self::Index { .. } => "index",
            Self::IndexOfNobody { .. } => "index-of-nobody",
        }
    }

    /// What `--repair` does about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            // Only an index can be told from its table; a table has no second copy.
            Self::Table { said, .. } if said.contains("index") => {
                Repair("makes the table's indexes anew from its rows")
            }
            Self::Table { .. } => Leave(
                "left alone: restore the last backup into a new directory and compare before anything else is changed",
            ),
            Self::Segment { .. } => Leave("left alone: bring the file back from a backup"),
            Self::BodyDamaged { .. } | Self::EmailUnowned { .. } => Leave(FROM_BACKUP),
            Self::BodyUnowned { .. } => Repair(
                "gives its room back, unless a message names it: without an owner no key opens it",
            ),
            Self::BodyWithoutPlace { .. } => Repair("removes the row, unless a message names it"),
            Self::BodiesOverlap { .. } => Leave(
                "left alone: the one that was written over is found damaged too and is to come from a backup",
            ),
            Self::FreeOverlaps { .. } => {
                Repair("takes the room off the list, so that the body is not erased")
            }
            Self::MarkBehind { .. } | Self::IdMarkLow { .. } => Repair("moves the mark on"),
            Self::ReferenceCount { .. } => Repair("counts the references anew"),
            Self::ReferenceUnnamed { account, .. } if *account == crate::AccountId::QUEUE => {
                Repair(
                    "removes the queue's row if others own the body too; else it is left, since nothing says whom it was for",
                )
            }
            Self::ReferenceUnnamed { .. }
            | Self::EmailUnseen { .. }
            | Self::MailboxMissing { .. } => Repair(
                "puts the mail into the account's mailbox Recovered: it may be mail that was lost",
            ),
            Self::SummaryDamaged { .. } => Repair("makes it anew from the message"),
            Self::MessageWithoutEmail { .. } => Repair("makes the row anew from the message"),
            Self::MessageBody { .. } => {
                Leave("left alone: which of the two is right cannot be told")
            }
            Self::MessageSize { .. } => Repair("writes down the real size"),
            Self::MessageForeign { .. } => Leave(
                "left alone: nobody can open it there; find out how it came (`audit search`) before it is expunged",
            ),
            Self::MailboxCounters { .. } | Self::Usage { .. } => Repair("counts anew"),
            Self::UidNext { .. } | Self::ModSeq { .. } | Self::UidValidity { .. } => {
                Repair("raises it; it is never lowered")
            }
            Self::ExpungedOrphans { .. }
            | Self::AccountOrphans { .. }
            | Self::RecipientOrphans { .. }
            | Self::AddressOrphans { .. } => {
                Repair("removes the rows; the event keeps what they said")
            }
            Self::KeyMissing { .. } => {
                Leave("left alone: without its key the mail cannot be read; restore a backup")
            }
            Self::QueueEmpty { .. } => Leave(
                "left alone: whom it was for is in the events of its id (`audit search --subject`); send it anew",
            ),
            Self::QueueUnreadable { .. } | Self::QueueUnowned { .. } => Leave(
                "left alone, and the others go on: what it was is in the events of its id (`audit search --subject`)",
            ),
            Self::QuarantineDamaged { .. } => Leave(
                "left alone: what it was is in the events of its id (`audit search --subject`); `quarantine delete` removes it",
            ),
            Self::CaseDamaged { .. } => Leave(
                "left alone: its course is in its events (`audit search --kind vuln.step`); an officer goes on with it",
            ),
            Self::StsPolicyDamaged { .. } => Leave(
                "left alone: what it said is in the event that kept it (`audit search --kind sts.kept`); mail to the domain waits",
            ),
            Self::TlsSessionsDamaged { .. } | Self::TlsReportStray { .. } => Leave(
                "left alone: no mail hangs on it; the domain gets no report of that day, and the row goes with the day",
            ),
            Self::OrderAltered { .. } => Leave(
                "left alone: nothing is done on it; tell the security officer, since somebody went around the server, and issue it anew",
            ),
            Self::WorkAltered { .. } => Leave(
                "left alone: what was said is in the events of the task or report (`audit search --subject`); somebody went around the server",
            ),
            Self::TrafficDamaged { .. } => Leave(
                "left alone: no mail hangs on it, and nothing is learned from it; what was counted is in the event that closed the hour (`audit search --kind traffic.hour`)",
            ),
            Self::AlarmUnreadable { .. } => Leave(
                "left alone: what it was is in the events of its opening (`audit search --subject`); block or begin it anew",
            ),
            Self::EventTime { .. }
            | Self::EventUnreadable { .. }
            | Self::EventAltered { .. }
            | Self::EventRemoved { .. }
            | Self::EventInserted { .. }
            | Self::Tree { .. }
            | Self::CheckpointFalse { .. }
            | Self::TrailCut { .. } => Leave(
                "left alone: the trail is never changed; compare it with a backup to see who did",
            ),
            Self::TrailIndex { .. } => Repair("makes it anew from the events"),
            Self::Index { .. } => Repair("makes the account's index anew from its mail"),
            Self::IndexOfNobody { .. } => Repair("removes the file"),
        }
    }

    /// What it is about, as the subject of an event.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Table { table, .. } => format!("table {table}"),
            Self::Segment { number, .. } => format!("segment {number}"),
            Self::FreeOverlaps { segment, start, .. } => format!("segment {segment} at {start}"),
            Self::MarkBehind { .. } => "the mark of the segments".to_owned(),
            Self::IdMarkLow { .. } => "the mark of used ids".to_owned(),
            Self::TrailIndex { .. } => "the index of the audit trail".to_owned(),
            Self::Tree { .. } | Self::TrailCut { .. } => "the audit trail".to_owned(),
            Self::CheckpointFalse { size, .. } => format!("the checkpoint of {size} events"),
            Self::UidValidity { .. } => "UIDVALIDITY".to_owned(),
            Self::StsPolicyDamaged { domain, .. } | Self::TlsSessionsDamaged { domain, .. } => {
                domain.clone()
            }
            Self::CaseDamaged { number, .. } => number.to_string(),
            Self::OrderAltered { number, .. } => format!("order {number}"),
            Self::TlsReportStray { body } => body.to_string(),
            Self::TrafficDamaged { hour, .. } => format!("traffic of the hour {hour}"),
            Self::BodyDamaged { body, .. }
            | Self::BodyUnowned { body }
            | Self::BodyWithoutPlace { body, .. }
            | Self::BodiesOverlap { second: body, .. }
            | Self::ReferenceCount { body, .. }
            | Self::ReferenceUnnamed { body, .. } => format!("body {body}"),
            Self::EmailUnowned { email, .. }
            | Self::EmailUnseen { email, .. }
            | Self::SummaryDamaged { email, .. } => format!("message {email}"),
            Self::MessageWithoutEmail { mailbox, uid, .. }
            | Self::MessageBody { mailbox, uid, .. }
            | Self::MessageSize { mailbox, uid, .. }
            | Self::MessageForeign { mailbox, uid, .. } => format!("mailbox {mailbox}, UID {uid}"),
            Self::MailboxMissing { mailbox, .. }
            | Self::MailboxCounters { mailbox, .. }
            | Self::UidNext { mailbox, .. }
            | Self::ModSeq { mailbox, .. }
            | Self::ExpungedOrphans { mailbox, .. } => format!("mailbox {mailbox}"),
            Self::Usage { account, .. }
            | Self::AccountOrphans { account, .. }
            | Self::KeyMissing { account }
            | Self::Index { account, .. }
            | Self::IndexOfNobody { account } => format!("account {account}"),
            Self::QueueEmpty { id }
            | Self::QueueUnreadable { id, .. }
            | Self::QueueUnowned { id, .. }
            | Self::RecipientOrphans { id, .. }
            | Self::QuarantineDamaged { id, .. } => id.to_string(),
            Self::AlarmUnreadable { name, .. } | Self::WorkAltered { name, .. } => name.clone(),
            Self::EventTime { event, .. }
            | Self::EventUnreadable { event, .. }
            | Self::EventAltered { event }
            | Self::EventRemoved { event }
            | Self::EventInserted { event }
            | Self::AddressOrphans { event, .. } => format!("event {event}"),
        }
    }
}
