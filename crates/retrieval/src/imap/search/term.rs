//! A search key made ready: numbers resolved, texts folded; and its judgement with as much as is known of a message.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use message::{
    Summary,
    header::AddressItem,
    text::{self, fold_words},
};
use protocol::imap::{Flag, NumberSet, SearchKey, SystemFlags};
use store::{
    index::Field,
    mailbox::{Entry, Slot},
};

use super::super::{outcome::Stop, selected::Selected};

/// A condition on a message.
pub(super) enum Term {
    Const(bool),
    And(Vec<Term>),
    Or(Box<(Term, Term)>),
    Not(Box<Term>),
    System(SystemFlags),
    Keyword(String),
    Numbers(NumberSet),
    Uids(NumberSet),
    Saved(Vec<u32>),
    ModSeq(u64),
    Fact(Fact),
    SentDate(Range),
    Needle(Needle),
}

/// A condition on the message's row.
pub(super) enum Fact {
    Arrived(Range),
    Saved(Range),
    ArrivedAfter(Timestamp),
    ArrivedUntil(Timestamp),
    Larger(u64),
    Smaller(u64),
    Email(String),
    Thread(String),
}

/// Days: before one, on it, or from it on.
pub(super) enum Range {
    Before(Date),
    On(Date),
    Since(Date),
}

/// A text to look for.
pub(super) struct Needle {
    pub place: Place,
    /// Folded; empty: everything matches (or the header field is there).
    pub text: String,
    /// As the client wrote it: what the index is asked.
    pub written: String,
    /// What the index says; nothing until it was asked.
    pub narrowed: Option<Narrowed>,
}

/// What the index says of a text in the selected mailbox: UIDs, ascending. A message that is in neither list does not
/// hold it.
pub(super) struct Narrowed {
    /// Messages that hold it.
    pub certain: Vec<u32>,
    /// Messages that may, those that do among them.
    pub open: Vec<u32>,
}

/// Where to look for a text.
pub(super) enum Place {
    From,
    To,
    Cc,
    Bcc,
    Subject,
    MessageId,
    InReplyTo,
    Header(String),
    Body,
    Text,
}

/// What is known of a message so far.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub number: u32,
    pub slot: Slot,
    pub keywords: &'a [String],
    pub entry: Option<&'a Entry>,
    pub summary: Option<&'a Summary>,
    pub words: Option<&'a Words>,
}

/// The text of a message, folded.
pub(super) struct Words {
    /// Header fields by name in lower case.
    pub fields: Vec<(String, String)>,
    pub all: text::Words,
}

impl Range {
    fn holds(&self, date: Date) -> bool {
        match self {
            Self::Before(day) => date < *day,
            Self::On(day) => date == *day,
            Self::Since(day) => date >= *day,
        }
    }
}

impl Term {
    /// Makes a key ready for the messages of a mailbox at this moment.
    pub(super) fn new(key: &SearchKey, selected: &Selected, now: Timestamp) -> Result<Self, Stop> {
        let each = |key: &SearchKey| Self::new(key, selected, now);
        let ago = |seconds: u32| {
            let span = jiff::SignedDuration::from_secs(i64::from(seconds));
            now.checked_sub(span).unwrap_or(Timestamp::MIN)
        };
        Ok(match key {
            SearchKey::All | SearchKey::SaveDateSupported => Self::Const(true),
            SearchKey::And(keys) => Self::And(keys.iter().map(each).collect::<Result<_, _>>()?),
            SearchKey::Or(one, other) => Self::Or(Box::new((each(one)?, each(other)?))),
            SearchKey::Not(key) => Self::Not(Box::new(each(key)?)),
            SearchKey::Flag(Flag::System(flag)) if *flag == SystemFlags::RECENT => {
                Self::Const(false)
            }
            SearchKey::Flag(Flag::System(flag)) => Self::System(*flag),
            SearchKey::Flag(Flag::Keyword(keyword)) => Self::Keyword(keyword.as_str().to_owned()),
            SearchKey::Numbers(set) => Self::numbers(set, selected)?,
            SearchKey::Uids(set) => Self::Uids(set.resolve(selected.view.last_uid())),
            SearchKey::Saved => Self::Saved(selected.saved.clone()),
            SearchKey::ModSeq(modseq) => Self::ModSeq(*modseq),
            SearchKey::Before(day) => Self::Fact(Fact::Arrived(Range::Before(*day))),
            SearchKey::On(day) => Self::Fact(Fact::Arrived(Range::On(*day))),
            SearchKey::Since(day) => Self::Fact(Fact::Arrived(Range::Since(*day))),
            SearchKey::SavedBefore(day) => Self::Fact(Fact::Saved(Range::Before(*day))),
            SearchKey::SavedOn(day) => Self::Fact(Fact::Saved(Range::On(*day))),
            SearchKey::SavedSince(day) => Self::Fact(Fact::Saved(Range::Since(*day))),
            SearchKey::Older(seconds) => Self::Fact(Fact::ArrivedUntil(ago(*seconds))),
            SearchKey::Younger(seconds) => Self::Fact(Fact::ArrivedAfter(ago(*seconds))),
            SearchKey::Larger(size) => Self::Fact(Fact::Larger(*size)),
            SearchKey::Smaller(size) => Self::Fact(Fact::Smaller(*size)),
            SearchKey::EmailId(id) => Self::Fact(Fact::Email(id.clone())),
            SearchKey::ThreadId(id) => Self::Fact(Fact::Thread(id.clone())),
            SearchKey::SentBefore(day) => Self::SentDate(Range::Before(*day)),
            SearchKey::SentOn(day) => Self::SentDate(Range::On(*day)),
            SearchKey::SentSince(day) => Self::SentDate(Range::Since(*day)),
            SearchKey::From(text) => Self::needle(Place::From, text),
            SearchKey::To(text) => Self::needle(Place::To, text),
            SearchKey::Cc(text) => Self::needle(Place::Cc, text),
            SearchKey::Bcc(text) => Self::needle(Place::Bcc, text),
            SearchKey::Subject(text) => Self::needle(Place::Subject, text),
            SearchKey::Header(name, text) => Self::needle(Place::of_header(name, text), text),
            SearchKey::Body(text) => Self::needle(Place::Body, text),
            SearchKey::Text(text) => Self::needle(Place::Text, text),
        })
    }

    fn numbers(set: &protocol::imap::SequenceSet, selected: &Selected) -> Result<Self, Stop> {
        let numbers = set.resolve(selected.view.exists());
        if numbers
            .last()
            .is_some_and(|last| last > selected.view.exists())
        {
            return Err(Stop::Bad("There are not so many messages"));
        }
        Ok(Self::Numbers(numbers))
    }

    fn needle(place: Place, text: &str) -> Self {
        let needle = Needle {
            place,
            text: fold_words(text),
            written: text.to_owned(),
            narrowed: None,
        };
        // Every message holds the empty text, but not every header field.
        match needle.place {
            Place::Header(_) => Self::Needle(needle),
            _ if needle.text.is_empty() => Self::Const(true),
            _ => Self::Needle(needle),
        }
    }

    /// Whether the message matches; `None` when more has to be known of it.
    pub(super) fn judge(&self, known: &Known<'_>) -> Option<bool> {
        match self {
            Self::Const(value) => Some(*value),
            Self::And(terms) => all(terms.iter().map(|term| term.judge(known))),
            Self::Or(terms) => {
                let (one, other) = &**terms;
                match (one.judge(known), other.judge(known)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                }
            }
            Self::Not(term) => term.judge(known).map(|value| !value),
            Self::System(flag) => {
                Some(SystemFlags::from_bits(known.slot.flags().0).contains(*flag))
            }
            Self::Keyword(keyword) => Some(
                known
                    .keywords
                    .iter()
                    .any(|held| held.eq_ignore_ascii_case(keyword)),
            ),
            Self::Numbers(set) => Some(set.contains(known.number)),
            Self::Uids(set) => Some(set.contains(known.slot.uid)),
            Self::Saved(uids) => Some(uids.binary_search(&known.slot.uid).is_ok()),
            Self::ModSeq(modseq) => Some(known.slot.modseq >= *modseq),
            Self::Fact(fact) => known.entry.map(|entry| fact.holds(entry)),
            Self::SentDate(range) => known.summary.map(|summary| {
                summary
                    .sent
                    .is_some_and(|sent| range.holds(sent.local_date()))
            }),
            Self::Needle(needle) => needle.judge(known),
        }
    }

    /// All texts to look for.
    pub(super) fn needles(&mut self) -> Vec<&mut Needle> {
        let mut found = Vec::new();
        self.gather(&mut found);
        found
    }

    fn gather<'a>(&'a mut self, found: &mut Vec<&'a mut Needle>) {
        match self {
            Self::And(terms) => terms.iter_mut().for_each(|term| term.gather(found)),
            Self::Or(terms) => {
                let (one, other) = &mut **terms;
                one.gather(found);
                other.gather(found);
            }
            Self::Not(term) => term.gather(found),
            Self::Needle(needle) => found.push(needle),
            _ => {}
        }
    }
}

/// Conjunction of what is known: one `false` decides, whatever else is unknown.
fn all(judgements: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut whole = Some(true);
    for judgement in judgements {
        match judgement {
            Some(false) => return Some(false),
            Some(true) => {}
            None => whole = None,
        }
    }
    whole
}

impl Fact {
    fn holds(&self, entry: &Entry) -> bool {
        // INTERNALDATE is told in UTC, so its day is that of UTC.
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        match self {
            Self::Arrived(range) => range.holds(day(entry.internal_date)),
            Self::Saved(range) => range.holds(day(entry.save_date)),
            Self::ArrivedAfter(at) => entry.internal_date >= *at,
            Self::ArrivedUntil(at) => entry.internal_date < *at,
            Self::Larger(size) => entry.size > *size,
            Self::Smaller(size) => entry.size < *size,
            Self::Email(id) => entry.email.to_string().eq_ignore_ascii_case(id),
            Self::Thread(id) => entry.thread.to_string().eq_ignore_ascii_case(id),
        }
    }
}

impl Place {
    /// Fields that stand in the summary as they are written are looked for there. Addresses are not: a text may reach from
    /// one to the next.
    fn of_header(name: &str, text: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "subject" if !text.is_empty() => Self::Subject,
            "message-id" if !text.is_empty() => Self::MessageId,
            "in-reply-to" if !text.is_empty() => Self::InReplyTo,
            _ => Self::Header(name),
        }
    }

    /// Which part of the index holds it.
    pub(super) fn field(&self) -> Field {
        match self {
            Self::Body => Field::Body,
            Self::Text => Field::Text,
            _ => Field::Headers,
        }
    }
}

impl Needle {
    fn judge(&self, known: &Known<'_>) -> Option<bool> {
        if let Some(narrowed) = &self.narrowed {
            let is_in = |uids: &[u32]| uids.binary_search(&known.slot.uid).is_ok();
            if !is_in(&narrowed.open) {
                return Some(false);
            }
            if is_in(&narrowed.certain) {
                return Some(true);
            }
        }
        let envelope = known.summary.map(|summary| &summary.envelope);
        match &self.place {
            Place::From => envelope.map(|envelope| self.in_addresses(&envelope.from)),
            Place::To => envelope.map(|envelope| self.in_addresses(&envelope.to)),
            Place::Cc => envelope.map(|envelope| self.in_addresses(&envelope.cc)),
            Place::Bcc => envelope.map(|envelope| self.in_addresses(&envelope.bcc)),
            Place::Subject => known
                .summary
                .map(|summary| fold_words(&summary.subject()).contains(&self.text)),
            Place::MessageId => envelope.map(|envelope| self.is_in(envelope.message_id.as_deref())),
            Place::InReplyTo => {
                envelope.map(|envelope| self.is_in(envelope.in_reply_to.as_deref()))
            }
            Place::Header(name) => known.words.map(|words| {
                let mut fields = words.fields.iter().filter(|(held, _)| held == name);
                fields.any(|(_, value)| value.contains(&self.text))
            }),
            Place::Body => known.words.map(|words| words.all.body.contains(&self.text)),
            Place::Text => known.words.map(|Words { all, .. }| {
                all.body.contains(&self.text) || all.headers.contains(&self.text)
            }),
        }
    }

    fn is_in(&self, field: Option<&str>) -> bool {
        field.is_some_and(|field| fold_words(field).contains(&self.text))
    }

    fn in_addresses(&self, items: &[AddressItem]) -> bool {
        let holds = |text: &str| fold_words(text).contains(&self.text);
        items.iter().any(|item| match item {
            AddressItem::Mailbox(mailbox) => {
                holds(&mailbox.spec()) || mailbox.display_name().is_some_and(|name| holds(&name))
            }
            AddressItem::GroupStart(name) => holds(name),
            AddressItem::GroupEnd => false,
        })
    }
}
