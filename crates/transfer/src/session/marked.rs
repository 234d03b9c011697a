//! Mail that goes into Junk mailboxes, and what decided that it does. Each such message has an event, so that it can be counted by
//! criterion how much of it people take out again (clause 5.3(2)).

use message::{
    build,
    header::{Field, Header, decode_words},
};
use screening::Handling;
use store::QueueId;
use trail::{Actor, Event, Kind};

use super::Conversation;
use crate::{parcel::Folder, trace::HANDLING_FIELD};

/// What decided where none of this site's servers says it.
const UNKNOWN: &str = "unknown";
/// What decided where the lessons of the mailbox's own holder did.
const OWN_LESSONS: (&str, &str) = ("words", "mailbox");
/// Octets of a cause, and of a criterion, that another server tells.
const MOST_CAUSE: usize = 40;
const MOST_CRITERION: usize = 120;

/// What decided that a message goes into Junk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marked {
    cause: String,
    criterion: String,
}

impl Marked {
    fn new((cause, criterion): (&str, &str)) -> Self {
        Self {
            cause: cause.to_owned(),
            criterion: criterion.to_owned(),
        }
    }

    /// What the exchange server that hands the message over says of it, if it says that it belongs into Junk. Its field stands on top of
    /// the Received field that it wrote; what stands below is the message's own.
    pub(super) fn said_in(raw: &[u8]) -> Option<Self> {
        let header = Header::named(raw, &[HANDLING_FIELD, "received"], 1);
        let field = header
            .iter()
            .next()
            .filter(|field| field.is(HANDLING_FIELD))?;
        let value = decode_words(&Field::unfolded(field));
        let (handling, rest) = value.split_once(';').unwrap_or((&value, ""));
        if handling.trim() != Handling::Mark.as_str() {
            return None;
        }
        let (cause, criterion) = rest.split_once(';').unwrap_or((rest, ""));
        let cause = cause.trim().strip_prefix("because=").unwrap_or_default();
        let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
        let cause = match cause.len() <= MOST_CAUSE && cause.chars().all(is_word) {
            true if !cause.is_empty() => cause,
            _ => UNKNOWN,
        };
        let criterion = criterion.trim().strip_prefix("criterion=");
        let criterion = criterion.unwrap_or_default();
        let cut = criterion.floor_char_boundary(MOST_CRITERION);
        let criterion = criterion.get(..cut).unwrap_or_default();
        Some(Self::new((cause, criterion)))
    }

    /// The field that tells it to the server with the mailboxes.
    fn field(&self) -> String {
        let mut value = format!("{}; because={}", Handling::Mark.as_str(), self.cause);
        if !self.criterion.is_empty() {
            value.extend(["; criterion=", &self.criterion]);
        }
        build::text_field(HANDLING_FIELD, &value)
    }

    fn event(&self, id: QueueId, mailboxes: usize) -> Event {
        let event = Event::new(Kind::MailMarked, Actor::System)
            .subject(id.to_string())
            .detail("cause", self.cause.as_str())
            .detail("mailboxes", mailboxes);
        match self.criterion.is_empty() {
            true => event,
            false => event.detail("criterion", self.criterion.as_str()),
        }
    }
}

impl Conversation<'_> {
    /// The event of a message that goes into so many Junk mailboxes here.
    pub(super) fn marked_event(&self, id: QueueId, mailboxes: usize) -> Option<Event> {
        (mailboxes > 0).then(|| self.marked().event(id, mailboxes))
    }

    /// The field for a mailbox server, if the message belongs into Junk there; else empty.
    pub(super) fn handling_field(&self) -> String {
        // The mailboxes may be another server's.
        match self.open.folder == Folder::Junk && !self.settings.roles.has_mailboxes() {
            true => self.marked().field(),
            false => String::new(),
        }
    }

    fn marked(&self) -> Marked {
        let screened = self.open.screened.as_ref();
        let verdict = screened.map(|(_, screened)| &screened.verdict);
        match (verdict, &self.open.marked) {
            (Some(verdict), _) if verdict.handling == Handling::Mark => {
                Marked::new((verdict.because.as_str(), &verdict.criterion))
            }
            (_, Some(marked)) => marked.clone(),
            (Some(_), None) => Marked::new(OWN_LESSONS),
            (None, None) => Marked::new((UNKNOWN, "")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_one_server_says_the_other_reads() {
        for (cause, criterion) in [
            ("dmarc-quarantine", ""),
            ("listed", "list.example (address)"),
            ("rule", "名簿の業者; その2 = \"x\""),
            ("milter", &"長".repeat(40)),
        ] {
            let marked = Marked::new((cause, criterion));
            let raw = format!("ARC-Seal: x\r\n{}Received: from x\r\n\r\n", marked.field());
            assert!(raw.is_ascii(), "{raw}");
            assert_eq!(Marked::said_in(raw.as_bytes()), Some(marked), "{raw}");
        }
    }

    #[test]
    fn only_the_server_that_hands_over_says_it() {
        let said = |raw: &str| Marked::said_in(raw.as_bytes());
        let unknown = Some(Marked::new((UNKNOWN, "")));
        assert_eq!(said("X-Kakitome-Handling: mark\r\n\r\n"), unknown);
        let odd = "X-Kakitome-Handling: mark; because=A b; criterion=\r\n\r\n";
        assert_eq!(said(odd), unknown);
        assert_eq!(said("X-Kakitome-Handling: accept\r\n\r\n"), None);
        // Whoever wrote the message wrote this.
        let below = "Received: from x\r\nX-Kakitome-Handling: mark; because=listed\r\n\r\n";
        assert_eq!(said(below), None);
        assert_eq!(said("Subject: x\r\n\r\n"), None);
    }
}
