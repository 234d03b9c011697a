//! Findings in plain words.

use std::fmt;

use super::finding::{Finding, Holder};

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
            Self::QuarantineDamaged { id, why } => write!(f, "{id}, which is set apart: {why}"),
            Self::CaseDamaged { number, why } => {
                write!(f, "case {number} of vulnerability: {why}")
            }
            Self::StsPolicyDamaged { domain, why } => {
                write!(f, "the policy (MTA-STS) of {domain}: {why}")
            }
            Self::TlsSessionsDamaged { domain, why } => {
                write!(f, "sessions with the servers of {domain}: {why}")
            }
            Self::TlsReportStray { body } => {
                write!(
                    f,
                    "body {body} is noted to be a queued report, and is not in the queue"
                )
            }
            Self::TrafficDamaged { hour: 0, why } => write!(f, "the counts of traffic: {why}"),
            Self::TrafficDamaged { hour, why } => {
                write!(f, "the traffic of the hour {hour}: {why}")
            }
            Self::OrderAltered { number, why } => {
                write!(f, "order {number} is not what the trail tells of: {why}")
            }
            Self::AlarmUnreadable { name, why } | Self::WorkAltered { name, why } => {
                write!(f, "{name}: {why}")
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
            Self::EventAltered { event } => {
                write!(f, "event {event} was changed after it was written")
            }
            Self::EventRemoved { event } => write!(f, "event {event} was removed from the trail"),
            Self::EventInserted { event } => {
                write!(
                    f,
                    "event {event} was put into the trail between others, afterwards"
                )
            }
            Self::Tree { why } => write!(f, "the tree over the trail: {why}"),
            Self::CheckpointFalse { size, at, why } => write!(
                f,
                "the checkpoint of {} over {size} events is false: {why}",
                time(*at)
            ),
            Self::TrailCut { told, left } => write!(
                f,
                "the end of the trail was cut off: a checkpoint tells of {told} events, {left} are there"
            ),
            Self::TrailIndex { why } => write!(f, "the index of the audit trail: {why}"),
            Self::AddressOrphans { event, rows } => write!(
                f,
                "{rows} addresses stand for event {event}, which does not exist"
            ),
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
            Self::Quarantine { id } => write!(f, "{id}, which is set apart"),
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
