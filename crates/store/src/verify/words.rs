//! Findings in plain words.

use std::fmt;

use super::finding::{Finding, Holder, Remedy};
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
            Self::EventTime { .. } => "event-time",
            Self::EventUnreadable { .. } => "event-unreadable",
            Self::EventAddresses { .. } => "event-addresses",
            Self::AddressOrphan { .. } => "address-orphan",
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
            | Self::AddressOrphan { .. } => {
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
            Self::EventTime { .. } | Self::EventUnreadable { .. } => Leave(
                "left alone: the trail is never changed; compare it with a backup to see who did",
            ),
            Self::EventAddresses { .. } => Repair("adds the addresses"),
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
            Self::UidValidity { .. } => "UIDVALIDITY".to_owned(),
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
            | Self::RecipientOrphans { id, .. } => id.to_string(),
            Self::EventTime { event, .. }
            | Self::EventUnreadable { event, .. }
            | Self::EventAddresses { event, .. }
            | Self::AddressOrphan { event, .. } => format!("event {event}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table { table, said } => write!(f, "table {table}: the database says: {said}"),
            Self::Segment { number, why } => write!(f, "segment {number}: {why}"),
            Self::BodyDamaged { body, why, holders } => damaged(f, *body, why, holders),
            Self::BodyUnowned { body } => write!(f, "body {body} has no owner"),
            Self::BodyWithoutPlace { body, account } => {
                write!(f, "body {body} of account {account} has no place")
            }
            Self::BodiesOverlap {
                segment,
                first,
                second,
            } => {
                write!(
                    f,
                    "segment {segment}: bodies {first} and {second} lie in the same bytes"
                )
            }
            Self::FreeOverlaps {
                segment,
                start,
                length,
                body,
            } => write!(
                f,
                "segment {segment}: {length} bytes from {start} are listed as free, but body {body} lies there"
            ),
            Self::MarkBehind { noted, last } => write!(
                f,
                "the segments are noted as known up to {noted}, but rows name places up to {last}"
            ),
            Self::IdMarkLow { noted, highest } => write!(
                f,
                "ids are noted as used up to {noted}, but {highest} was given: it could be given again"
            ),
            Self::ReferenceCount {
                body,
                account,
                named,
                counted,
            } => write!(
                f,
                "body {body}: account {account} names it {named} times and counts {counted} references"
            ),
            Self::ReferenceUnnamed {
                body,
                account,
                counted,
            } => write!(
                f,
                "body {body}: account {account} counts {counted} references and nothing names it"
            ),
            _ => self.write_mail(f),
        }
    }
}

impl Finding {
    fn write_mail(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmailUnowned {
                email,
                account,
                body,
                holders,
            } => {
                write!(
                    f,
                    "message {email}: its account {account} does not own its body {body}, so it cannot be read"
                )?;
                told(f, holders)
            }
            Self::EmailUnseen { email, account, .. } => {
                write!(f, "message {email} of account {account} is in no mailbox")
            }
            Self::SummaryDamaged { email, account, .. } => write!(
                f,
                "message {email} of account {account}: what lists show of it does not open"
            ),
            Self::MessageWithoutEmail {
                mailbox,
                uid,
                email,
                ..
            } => write!(
                f,
                "mailbox {mailbox}, UID {uid}: message {email} has no row, so it cannot be listed"
            ),
            Self::MessageBody {
                mailbox,
                uid,
                shown,
                kept,
            } => write!(
                f,
                "mailbox {mailbox}, UID {uid}: it shows body {shown}, but the message has body {kept}"
            ),
            Self::MessageSize {
                mailbox,
                uid,
                told,
                real,
            } => write!(
                f,
                "mailbox {mailbox}, UID {uid}: it tells of {told} octets, but the message has {real}"
            ),
            Self::MessageForeign {
                mailbox,
                uid,
                email,
                account,
            } => write!(
                f,
                "mailbox {mailbox}, UID {uid}: message {email} belongs to another account, {account}"
            ),
            Self::MailboxMissing { mailbox, messages } => {
                write!(
                    f,
                    "mailbox {mailbox} does not exist, but {messages} messages are in it"
                )
            }
            Self::MailboxCounters {
                mailbox,
                counted,
                held,
            } => write!(
                f,
                "mailbox {mailbox} counts {} messages, {} unseen, {} deleted, {} octets and holds {}, {}, {}, {}",
                counted[0], counted[1], counted[2], counted[3], held[0], held[1], held[2], held[3]
            ),
            Self::UidNext {
                mailbox,
                next,
                needed,
            } => write!(
                f,
                "mailbox {mailbox} would give UID {next} to its next message, but UIDs below {needed} were given"
            ),
            Self::ModSeq {
                mailbox,
                highest,
                needed,
            } => write!(
                f,
                "mailbox {mailbox} has HIGHESTMODSEQ {highest}, but a change in it has {needed}"
            ),
            Self::Usage {
                account,
                counted: Some(counted),
                held,
            } => write!(
                f,
                "account {account} counts {} octets and its mailboxes hold {} (messages: {} and {})",
                counted[0], held[0], counted[1], held[1]
            ),
            Self::Usage {
                account,
                counted: None,
                held,
            } => write!(
                f,
                "account {account}: nothing counts the {} octets that its mailboxes hold",
                held[0]
            ),
            Self::ExpungedOrphans { mailbox, rows } => write!(
                f,
                "mailbox {mailbox} does not exist, but {rows} rows remember messages expunged from it"
            ),
            Self::AccountOrphans {
                table,
                account,
                rows,
            } => write!(
                f,
                "account {account} has no mailboxes, but {rows} rows in {table}"
            ),
            Self::KeyMissing { account } => write!(f, "account {account} has mailboxes and no key"),
            Self::UidValidity { last, needed } => write!(
                f,
                "the last UIDVALIDITY given is noted as {last}, but {needed} is in use: it could be given again"
            ),
            _ => self.write_trail(f),
        }
    }

    fn write_trail(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueEmpty { id } => write!(f, "queued message {id} has no recipients"),
            Self::QueueUnreadable { id, why } => {
                write!(f, "queued message {id} cannot be read: {why}")
            }
            Self::QueueUnowned { id, body } => {
                write!(
                    f,
                    "queued message {id}: the queue does not own its body {body}, so it cannot be sent"
                )
            }
            Self::RecipientOrphans { id, recipients } => write!(
                f,
                "message {id} is not in the queue, but recipients wait for it: {}",
                recipients.join(", ")
            ),
            Self::EventTime { event, at, before } => write!(
                f,
                "event {event} is dated {}, before the event that was written before it ({})",
                time(*at),
                time(*before)
            ),
            Self::EventUnreadable { event, why } => {
                write!(f, "event {event} cannot be read: {why}")
            }
            Self::EventAddresses { event, missing } => write!(
                f,
                "event {event} is not found by addresses that it tells of: {}",
                missing.join(", ")
            ),
            Self::AddressOrphan { address, event } => {
                write!(f, "{address} leads to event {event}, which does not exist")
            }
            Self::Index { account, why } => {
                write!(f, "the search index of account {account}: {why}")
            }
            Self::IndexOfNobody { account } => {
                write!(
                    f,
                    "there is a search index of account {account}, which does not exist"
                )
            }
            other => f.write_str(other.name()),
        }
    }
}

fn time(microseconds: i64) -> String {
    jiff::Timestamp::from_microsecond(microseconds)
        .map_or_else(|_| microseconds.to_string(), |at| at.to_string())
}

fn damaged(
    f: &mut fmt::Formatter<'_>,
    body: crate::BodyId,
    why: &str,
    holders: &[Holder],
) -> fmt::Result {
    write!(f, "body {body} is damaged: {why}")?;
    told(f, holders)
}

fn told(f: &mut fmt::Formatter<'_>, holders: &[Holder]) -> fmt::Result {
    for holder in holders {
        write!(f, "; {holder}")?;
    }
    Ok(())
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue { id } => write!(f, "queued message {id}"),
            Self::Mailbox {
                account,
                identifier,
                mailbox,
                uid,
                arrival,
            } => {
                match identifier {
                    Some(identifier) => write!(f, "account {identifier}")?,
                    None => write!(f, "account {account}")?,
                }
                write!(f, ", mailbox {mailbox}, UID {uid}")?;
                match arrival {
                    Some(arrival) => write!(
                        f,
                        ", which came with event {} ({} {})",
                        arrival.event, arrival.kind, arrival.subject
                    ),
                    None => Ok(()),
                }
            }
        }
    }
}
