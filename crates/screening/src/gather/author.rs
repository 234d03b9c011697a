//! Which one domain a message says that it is from (RFC 9989, section 5.3.1): our own reading of From, which is the one that
//! the recipient's list of messages shows.

use message::{
    Domain, Limits,
    header::{AddressItem, Field, Header, parse_addresses},
};

use crate::Author;

/// What From says, and the domain if it is one.
pub(super) fn of(raw: &[u8]) -> (Author, Option<Domain>) {
    let header = Header::named(raw, &["from"], 2);
    let mut fields = header.iter();
    match (fields.next(), fields.next()) {
        (None, _) => (Author::Missing, None),
        (Some(_), Some(_)) => (Author::Several, None),
        (Some(only), None) => of_field(only),
    }
}

fn of_field(field: &Field<'_>) -> (Author, Option<Domain>) {
    let limits = Limits::default();
    if field.raw_value().len() > limits.value_octets {
        return (Author::Unreadable, None);
    }
    let items = parse_addresses(&field.unfolded(), &limits);
    if items.len() >= limits.addresses {
        return (Author::Unreadable, None);
    }
    let mut domain: Option<Domain> = None;
    for mailbox in items.iter().filter_map(AddressItem::mailbox) {
        let Some(address) = mailbox.address() else {
            return (Author::Unreadable, None);
        };
        match &domain {
            Some(other) if other != address.domain() => return (Author::Several, None),
            Some(_) => {}
            None => domain = Some(address.domain().clone()),
        }
    }
    match domain {
        Some(domain) => (Author::One, Some(domain)),
        None => (Author::Unreadable, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_with_addresses_of_one_domain() {
        for (header, author, domain) in [
            ("From: A <a@X.example>\r\n", Author::One, "x.example"),
            (
                "From: \"boss@bank.example\" <a@x.example>\r\n",
                Author::One,
                "x.example",
            ),
            (
                "From: a@x.example,\r\n b@x.example\r\n",
                Author::One,
                "x.example",
            ),
            ("From: a@x.example, b@y.example\r\n", Author::Several, ""),
            (
                "From: a@x.example\r\nfrom: a@x.example\r\n",
                Author::Several,
                "",
            ),
            ("From: nobody\r\n", Author::Unreadable, ""),
            ("From: \r\n", Author::Unreadable, ""),
            ("To: a@x.example\r\n", Author::Missing, ""),
        ] {
            let raw = format!("{header}\r\nbody");
            let (found, of) = of(raw.as_bytes());
            assert_eq!(found, author, "{header}");
            assert_eq!(of.as_ref().map_or("", Domain::as_str), domain, "{header}");
        }
    }
}
