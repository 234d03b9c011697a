//! Addresses, domains, and lists of them in header fields.
#![no_main]

use libfuzzer_sys::fuzz_target;
use message::{
    Address, Domain, Host, Limits,
    header::{AddressItem, decode_words, encode_words, parse_addresses},
};

fuzz_target!(|octets: &[u8]| {
    let text = String::from_utf8_lossy(octets);
    for line in text.lines().take(20) {
        address(line);
        domain(line);
        list(line);
        words(line);
    }
});

fn address(text: &str) {
    let Ok(address) = Address::parse(text) else {
        return;
    };
    same(&address);
    same(&address.without_tag());
    let canonical = address.canonical();
    same(&canonical);
    assert_eq!(canonical.canonical(), canonical);
    assert_eq!(
        Address::new(address.local(), address.domain().clone()),
        Ok(address)
    );
}

/// Printed, it reads back; and it can be printed anywhere.
fn same(address: &Address) {
    for text in [address.to_string(), address.to_unicode()] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert_eq!(Address::parse(&text).as_ref(), Ok(address), "{text:?}");
    }
}

fn domain(text: &str) {
    if let Ok(domain) = Domain::parse(text) {
        assert!(domain.as_str().is_ascii() && domain.as_str().len() <= 255);
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Ok(&domain));
        assert_eq!(Domain::parse(&domain.to_unicode()).as_ref(), Ok(&domain));
        assert!(domain.is_within(&domain));
    }
    if let Ok(host) = Host::parse(text) {
        assert_eq!(Host::parse(&host.to_string()), Ok(host));
    }
}

fn list(text: &str) {
    let limits = Limits {
        addresses: 10,
        ..Limits::default()
    };
    let items = parse_addresses(text, &limits);
    // A group that is cut off still gets its end.
    assert!(items.len() <= limits.addresses.saturating_add(2));
    let mut in_group = false;
    for item in &items {
        match item {
            AddressItem::GroupStart(_) => in_group = true,
            AddressItem::GroupEnd => {
                assert!(in_group);
                in_group = false;
            }
            AddressItem::Mailbox(mailbox) => {
                let _name = mailbox.display_name();
                if let Some(address) = mailbox.address() {
                    same(&address);
                }
            }
        }
    }
    assert!(!in_group, "a group had no end");
}

fn words(text: &str) {
    let _decoded = decode_words(text);
    let encoded = encode_words(text);
    assert!(encoded.is_ascii());
    let plain = !text.chars().any(|c| c.is_control() || c == '\u{feff}');
    assert!(!plain || decode_words(&encoded) == text, "{encoded:?}");
}
