//! What is kept of a message beside its body, so that lists need not open bodies.

mod codec;
mod wire;

use crate::{
    Envelope, Limits,
    header::{AddressItem, Header, SentDate, decode_words, parse_date, parse_id, parse_ids},
    mime::Structure,
    text::{BaseSubject, base_subject, fold},
};

pub use wire::SummaryError;

/// Envelope, structure and references of a message: enough for IMAP FETCH ENVELOPE and BODYSTRUCTURE, SORT and
/// THREAD. It says who wrote to whom about what, so it is stored sealed.
///
/// ```
/// use message::{Limits, Summary};
/// let summary = Summary::of(b"Subject: Re: x\r\n\r\nhello", &Limits::default());
/// assert_eq!(Summary::decode(&summary.encode()).unwrap(), summary);
/// assert_eq!(summary.base_subject().text, "x");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Octets of the whole message.
    pub size: u64,
    /// The envelope.
    pub envelope: Envelope,
    /// `Date`, when it can be read.
    pub sent: Option<SentDate>,
    /// `References`, without brackets; the first of `In-Reply-To` when there are none (RFC 5256, section 3).
    pub references: Vec<String>,
    /// The structure, with places in the message.
    pub structure: Structure,
}

impl Summary {
    /// Reads the summary of a message.
    #[must_use]
    pub fn of(message: &[u8], limits: &Limits) -> Self {
        let header = Header::parse(message, limits);
        let ids = |name| {
            header
                .unfolded(name)
                .map_or_else(Vec::new, |v| parse_ids(&v, limits))
        };
        let mut references = ids("references");
        if references.is_empty() {
            references = ids("in-reply-to").into_iter().take(1).collect();
        }
        Self {
            size: u64::try_from(message.len()).unwrap_or(u64::MAX),
            envelope: Envelope::of(&header, limits),
            sent: header.unfolded("date").and_then(|v| parse_date(&v)),
            references,
            structure: Structure::parse(message, limits),
        }
    }

    /// The message's identifier without brackets.
    #[must_use]
    pub fn message_id(&self) -> Option<String> {
        self.envelope.message_id.as_deref().and_then(parse_id)
    }

    /// The decoded subject; empty when there is none.
    #[must_use]
    pub fn subject(&self) -> String {
        self.envelope
            .subject
            .as_deref()
            .map(decode_words)
            .unwrap_or_default()
    }

    /// The base subject for SORT and THREAD, folded for comparing (RFC 5256, section 2.1).
    #[must_use]
    pub fn base_subject(&self) -> BaseSubject {
        let base = base_subject(&self.subject());
        BaseSubject {
            text: fold(&base.text),
            ..base
        }
    }

    /// The key for SORT FROM, TO and CC: the local part of the first address, folded; empty when there is none.
    #[must_use]
    pub fn address_key(items: &[AddressItem]) -> String {
        items
            .iter()
            .find_map(AddressItem::mailbox)
            .map(|m| fold(&m.local))
            .unwrap_or_default()
    }
}
