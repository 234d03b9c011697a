//! Which one domain a message says that it is from (RFC 9989, section 5.3.1): our own reading of From, which is the one that
//! the recipient's list of messages shows.

use message::{
    Address, Domain, Limits,
    header::{AddressItem, Field, Header, parse_addresses},
};

use crate::Author;

/// The address in From; `None` where it is not one alone.
#[must_use]
pub fn author_address(raw: &[u8]) -> Option<Address> {
    read(raw).2
}

/// What From says, the domain if it is one, and the address if it is one.
pub(super) fn read(raw: &[u8]) -> (Author, Option<Domain>, Option<Address>) {
    let header = Header::named(raw, &["from"], 2);
    let mut fields = header.iter();
    match (fields.next(), fields.next()) {
        (None, _) => (Author::Missing, None, None),
        (Some(_), Some(_)) => (Author::Several, None, None),
        (Some(only), None) => of_field(only),
    }
}

fn of_field(field: &Field<'_>) -> (Author, Option<Domain>, Option<Address>) {
    let limits = Limits::default();
    if field.raw_value().len() > limits.value_octets {
        return (Author::Unreadable, None, None);
    }
    let items = parse_addresses(&field.unfolded(), &limits);
    if items.len() >= limits.addresses {
        return (Author::Unreadable, None, None);
    }
    let mut domain: Option<Domain> = None;
    let (mut first, mut others) = (None, false);
    for mailbox in items.iter().filter_map(AddressItem::mailbox) {
        let Some(address) = mailbox.address() else {
            return (Author::Unreadable, None, None);
        };
        match &domain {
            Some(other) if other != address.domain() => return (Author::Several, None, None),
            Some(_) => {}
            None => domain = Some(address.domain().clone()),
        }
        others |= first.as_ref().is_some_and(|first| *first != address);
        first.get_or_insert(address);
    }
    match domain {
        Some(domain) => (Author::One, Some(domain), first.filter(|_| !others)),
        None => (Author::Unreadable, None, None),
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
            let (found, of, _) = read(raw.as_bytes());
            assert_eq!(found, author, "{header}");
            assert_eq!(of.as_ref().map_or("", Domain::as_str), domain, "{header}");
        }
    }

    #[test]
    fn an_address_is_told_where_it_is_one_alone() {
        for (header, address) in [
            ("From: A <Tanaka@X.example>\r\n", Some("Tanaka@x.example")),
            ("From: a@x.example, a@x.example\r\n", Some("a@x.example")),
            ("From: a@x.example, b@x.example\r\n", None),
            ("From: a@x.example\r\nFrom: a@x.example\r\n", None),
            ("From: nobody\r\n", None),
            ("To: a@x.example\r\n", None),
        ] {
            let found = author_address(format!("{header}\r\nbody").as_bytes());
            let found = found.map(|address| address.to_string());
            assert_eq!(found.as_deref(), address, "{header}");
        }
    }
}
