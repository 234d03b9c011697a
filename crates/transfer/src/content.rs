//! What this room reads in a message, and what it adds to a submission (RFC 6409, section 8).

use std::borrow::Cow;

use message::{
    Address, Domain, Limits, Summary,
    build::{Missing, without_fields},
    header::{AddressItem, ContentType, Field, Header, parse_addresses, parse_id},
};
use world::World;

/// Fields that a submission loses: blind copies are nobody's business, and trace is the receiver's to write.
const REMOVED: [&str; 3] = ["bcc", "resent-bcc", "return-path"];

/// What a mailbox keeps of a message beside its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digest {
    /// The encoded summary.
    pub(crate) summary: Vec<u8>,
    /// Message-IDs of itself and of what it refers to.
    pub(crate) references: Vec<String>,
}

impl Digest {
    /// Reads a message. Never fails: what is broken is summed up as it is.
    pub(crate) fn of(raw: &[u8]) -> Self {
        let limits = Limits::default();
        let summary = Summary::of(raw, &limits);
        let mut references: Vec<String> = summary.message_id().into_iter().collect();
        references.extend(summary.references.iter().cloned());
        Self {
            summary: summary.encode(),
            references,
        }
    }
}

/// The Message-ID without brackets; empty when there is none.
pub(crate) fn message_id(raw: &[u8]) -> String {
    let header = Header::parse(raw, &Limits::default());
    header
        .unfolded("message-id")
        .and_then(|value| parse_id(&value))
        .unwrap_or_default()
}

/// The addresses of the one From field; `None` when there is none or more than one (RFC 5322, section 3.6), or one
/// that is no address: it might look like somebody else's to the reader.
pub(crate) fn authors(raw: &[u8]) -> Option<Vec<Address>> {
    let header = Header::named(raw, &["from"], 2);
    let mut fields = header.iter();
    let (only, None) = (fields.next()?, fields.next()) else {
        return None;
    };
    addresses(only)
}

/// The addresses of all Sender fields, most often none; `None` when there is such a field without an address, or more
/// of them than anybody writes.
pub(crate) fn senders(raw: &[u8]) -> Option<Vec<Address>> {
    let header = Header::named(raw, &["sender"], MOST_SENDERS);
    if header.iter().count() >= MOST_SENDERS {
        return None;
    }
    let mut senders = Vec::new();
    for field in &header {
        senders.extend(addresses(field)?);
    }
    Some(senders)
}

/// Sender fields of one message that are looked at; there should be one.
const MOST_SENDERS: usize = 10;

/// The addresses of a field, each once; `None` when it has none, or one that is none, or more of them than are read:
/// the last might be anybody's.
fn addresses(field: &Field<'_>) -> Option<Vec<Address>> {
    let limits = Limits::default();
    if field.raw_value().len() > limits.value_octets {
        return None;
    }
    let items = parse_addresses(&field.unfolded(), &limits);
    if items.len() >= limits.addresses {
        return None;
    }
    let mut addresses = Vec::new();
    for mailbox in items.iter().filter_map(AddressItem::mailbox) {
        let address = mailbox.address()?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    (!addresses.is_empty()).then_some(addresses)
}

/// Whether it is a report (RFC 6522): a receipt or a notification, which are sent without a return path.
pub(crate) fn is_report(raw: &[u8]) -> bool {
    let limits = Limits::default();
    let header = Header::parse(raw, &limits);
    header
        .unfolded("content-type")
        .is_some_and(|value| ContentType::parse(&value, &limits).is("multipart", "report"))
}

/// The octets of a message's header, for notifications that carry no more.
pub(crate) fn header_of(raw: &[u8]) -> &[u8] {
    let header = Header::parse(raw, &Limits::default());
    raw.get(..header.body_start()).unwrap_or(raw)
}

/// A submission with what it lacks (Date, Message-ID) and without what it must not have (Bcc).
pub(crate) fn complete(raw: Vec<u8>, world: &World, hostname: &Domain) -> Vec<u8> {
    let unique = format!("{:032x}", u128::from_le_bytes(world.bytes()));
    let missing = Missing {
        at: world.now(),
        offset_minutes: 0,
        unique: &unique,
        domain: hostname,
    };
    let fields = missing.fields_for(&raw);
    match (fields.as_str(), without_fields(&raw, &REMOVED)) {
        ("", Cow::Borrowed(_)) => raw,
        (fields, kept) => [fields.as_bytes(), &kept].concat(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn completed(raw: &str) -> String {
        let hostname = Domain::parse("mx.example.jp").unwrap();
        String::from_utf8(complete(
            raw.as_bytes().to_vec(),
            &World::system(),
            &hostname,
        ))
        .unwrap()
    }

    #[test]
    fn a_complete_message_is_not_touched() {
        let raw = "Date: x\r\nMessage-ID: <a@b>\r\nFrom: a@b\r\n\r\nBcc: in the body\r\n";
        assert_eq!(completed(raw), raw);
    }

    #[test]
    fn blind_copies_go_and_what_lacks_comes() {
        let done = completed(
            "From: a@b.jp\r\nBCC: c@d.jp,\r\n e@f.jp\r\nTo: x@y.jp\r\nResent-Bcc: z@z.jp\r\n\r\nhi\r\n",
        );
        assert!(
            done.ends_with("From: a@b.jp\r\nTo: x@y.jp\r\n\r\nhi\r\n"),
            "{done}"
        );
        assert!(done.starts_with("Date: "), "{done}");
        assert!(
            done.contains("\r\nMessage-ID: <") && done.contains("@mx.example.jp>\r\n"),
            "{done}"
        );
    }

    #[test]
    fn all_authors_are_looked_at() {
        let a = |text: &str| Address::parse(text).unwrap();
        assert_eq!(
            authors(b"From: A <a@x.jp>, b@x.jp,\r\n a@x.jp\r\n\r\n").unwrap(),
            [a("a@x.jp"), a("b@x.jp")]
        );
        assert_eq!(authors(b"From: a@x.jp\r\nfrom: a@x.jp\r\n\r\n"), None);
        assert_eq!(authors(b"From: boss\r\n\r\n"), None);
        assert_eq!(authors(b"From: a@x.jp, boss\r\n\r\n"), None);
        assert_eq!(authors(b"To: a@x.jp\r\n\r\nFrom: a@x.jp\r\n"), None);
    }

    #[test]
    fn no_length_of_a_header_hides_an_author() {
        let fields = "X: y\r\n".repeat(2_000);
        let octets = format!("X: {}\r\n", "y".repeat(300_000));
        for before in [fields, octets] {
            let own = format!("{before}From: a@x.jp\r\n\r\n");
            assert_eq!(authors(own.as_bytes()).unwrap().len(), 1);
            let two = format!("From: a@x.jp\r\n{before}From: boss@x.jp\r\n\r\n");
            assert_eq!(authors(two.as_bytes()), None);
            let sender = format!("From: a@x.jp\r\n{before}Sender: boss@x.jp\r\n\r\n");
            assert_eq!(senders(sender.as_bytes()).unwrap().len(), 1);
        }
        // What cannot be read whole may end in anybody.
        let long = format!("From: a@x.jp ({}), boss@x.jp\r\n\r\n", "y".repeat(65_600));
        assert_eq!(authors(long.as_bytes()), None);
        let many = format!("From: {}boss@x.jp\r\n\r\n", "a@x.jp,\r\n ".repeat(2_000));
        assert_eq!(authors(many.as_bytes()), None);
    }

    #[test]
    fn a_sender_field_is_an_address_or_refused() {
        let a = |text: &str| Address::parse(text).unwrap();
        assert_eq!(senders(b"From: a@x.jp\r\n\r\n").unwrap(), []);
        assert_eq!(
            senders(b"SENDER: B <b@x.jp>\r\nSender: c@x.jp\r\n\r\n").unwrap(),
            [a("b@x.jp"), a("c@x.jp")]
        );
        assert_eq!(senders(b"Sender: boss\r\n\r\n"), None);
        assert_eq!(senders(b"Sender:\r\n\r\n"), None);
    }

    #[test]
    fn reports_are_known_by_their_type() {
        assert!(is_report(
            b"Content-Type: multipart/report;\r\n report-type=disposition-notification\r\n\r\n"
        ));
        assert!(!is_report(b"Content-Type: text/plain\r\n\r\n"));
    }
}
