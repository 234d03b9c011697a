//! The envelope of a message as IMAP shows it.

use crate::{
    Limits,
    header::{AddressItem, Header, parse_addresses},
};

/// IMAP ENVELOPE (RFC 9051, section 7.5.2) as data.
///
/// Texts are single lines of UTF-8 in the form of the header: encoded words are *not* decoded, since clients do
/// that ([`crate::header::decode_words`] does it here). Text that is not ASCII stood raw in the header; a session
/// that may not send UTF-8 passes it through [`crate::header::encode_words`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `Date`, as it is written.
    pub date: Option<String>,
    /// `Subject`.
    pub subject: Option<String>,
    /// `From`.
    pub from: Vec<AddressItem>,
    /// `Sender`; `From` when it is missing or empty.
    pub sender: Vec<AddressItem>,
    /// `Reply-To`; `From` when it is missing or empty.
    pub reply_to: Vec<AddressItem>,
    /// `To`.
    pub to: Vec<AddressItem>,
    /// `Cc`.
    pub cc: Vec<AddressItem>,
    /// `Bcc`.
    pub bcc: Vec<AddressItem>,
    /// `In-Reply-To`, as it is written.
    pub in_reply_to: Option<String>,
    /// `Message-ID`, as it is written, with its brackets.
    pub message_id: Option<String>,
}

impl Envelope {
    /// Gathers the envelope from a header.
    #[must_use]
    pub fn of(header: &Header<'_>, limits: &Limits) -> Self {
        let text = |name| header.unfolded(name);
        let from = addresses(header, "from", limits);
        let or_from = |items: Vec<AddressItem>| {
            if items.is_empty() {
                from.clone()
            } else {
                items
            }
        };
        Self {
            date: text("date"),
            subject: text("subject"),
            sender: or_from(addresses(header, "sender", limits)),
            reply_to: or_from(addresses(header, "reply-to", limits)),
            to: addresses(header, "to", limits),
            cc: addresses(header, "cc", limits),
            bcc: addresses(header, "bcc", limits),
            in_reply_to: text("in-reply-to"),
            message_id: text("message-id"),
            from,
        }
    }

    /// What it takes of [`Limits::described_octets`].
    pub(crate) fn weight(&self) -> usize {
        let texts = [
            &self.date,
            &self.subject,
            &self.in_reply_to,
            &self.message_id,
        ];
        let texts = texts.into_iter().flatten().map(String::len);
        let lists = [
            &self.from,
            &self.sender,
            &self.reply_to,
            &self.to,
            &self.cc,
            &self.bcc,
        ];
        let addresses = lists.into_iter().flatten().map(AddressItem::weight);
        texts.chain(addresses).fold(0, usize::saturating_add)
    }
}

/// All addresses of all fields of one name: `To` twice is forbidden and happens.
fn addresses(header: &Header<'_>, name: &str, limits: &Limits) -> Vec<AddressItem> {
    let mut items = Vec::new();
    for field in header.all(name) {
        items.extend(parse_addresses(&field.unfolded(), limits));
        if items.len() >= limits.addresses {
            break;
        }
    }
    items
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sender_and_reply_to_fall_back_to_from() {
        let raw = b"From: A <a@x.jp>\r\nSender:\r\nTo: b@y.jp\r\nTo: c@z.jp\r\nSubject: =?UTF-8?Q?a?=\r\n\r\n";
        let e = Envelope::of(&Header::parse(raw, &Limits::default()), &Limits::default());
        assert_eq!(e.sender, e.from);
        assert_eq!(e.reply_to, e.from);
        assert_eq!(e.to.len(), 2);
        assert_eq!(e.subject.unwrap(), "=?UTF-8?Q?a?=");
        assert_eq!(e.date, None);
    }
}
