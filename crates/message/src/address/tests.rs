#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn domain_case_and_labels_do_not_matter() {
    assert_eq!(address("a@日本語.JP"), address("a@XN--WGV71A119E.jp"));
    assert_eq!(
        address("a@日本語.jp").domain().as_str(),
        "xn--wgv71a119e.jp"
    );
    assert_eq!(address("a@xn--wgv71a119e.jp").to_unicode(), "a@日本語.jp");
    assert_ne!(address("A@example.jp"), address("a@example.jp"));
    assert_eq!(address("A@example.jp").canonical(), address("a@example.jp"));
}

#[test]
fn carrier_addresses_are_accepted_and_written_quoted() {
    for (given, local) in [("a..b@x.jp", "a..b"), ("a.@x.jp", "a."), (".a@x.jp", ".a")] {
        let a = address(given);
        assert_eq!(a.local(), local);
        assert_eq!(a.to_string(), format!("\"{local}\"@x.jp"));
        assert_eq!(address(&a.to_string()), a);
    }
}

#[test]
fn quoting_is_by_need_only() {
    assert_eq!(address("\"abc\"@x.jp").to_string(), "abc@x.jp");
    assert_eq!(address("\"a\\b\\\"@c\"@x.jp").local(), "ab\"@c");
    assert_eq!(address("\"a @b\"@x.jp").to_string(), "\"a @b\"@x.jp");
}

#[test]
fn utf8_local_parts_need_smtputf8() {
    assert!(address("太郎@例え.jp").needs_smtputf8());
    assert!(!address("taro@例え.jp").needs_smtputf8());
}

#[test]
fn hostile_addresses_are_refused() {
    for text in [
        "",
        "@",
        "a",
        "a@",
        "@x.jp",
        "\"\"@x.jp",
        "\"a@x.jp",
        "a b@x.jp",
        "a@x..jp",
        "a@.jp",
        "a@x.jp.",
        "a\r\n@x.jp",
        "\"a\r\nRCPT\"@x.jp",
        "\"a\\\n\"@x.jp",
        "a@x.jp\r\n",
        "a@x y",
        "a@-x.jp",
        "a@b@x.jp",
        "a@127.0.0.1",
        "a@１２７.０.０.１",
        "a@x_\u{0}.jp",
        "<a@x.jp>",
        "a@[foo:bar]",
        "a@[300.1.1.1]",
        "\"a\"b@x.jp",
        "a@xn--.jp",
    ] {
        assert!(Address::parse(text).is_err(), "{text:?}");
    }
    assert!(matches!(
        Address::parse("a@[192.0.2.1]"),
        Err(AddressError::Literal(_))
    ));
    assert!(Address::parse(&format!("{}@x.jp", "a".repeat(257))).is_err());
    assert!(Domain::parse(&"a".repeat(64)).is_err());
    assert!(Domain::parse(&["abc"; 70].join(".")).is_err());
}

#[test]
fn literals_are_hosts() {
    assert_eq!(
        Host::parse("[192.0.2.1]").unwrap().to_string(),
        "[192.0.2.1]"
    );
    assert_eq!(
        Host::parse("[ipv6:2001:DB8::1]").unwrap().to_string(),
        "[IPv6:2001:db8::1]"
    );
    assert_eq!(
        Host::parse("[2001:db8::1]").unwrap().to_string(),
        "[IPv6:2001:db8::1]"
    );
    assert!(Host::parse("[IPv6:192.0.2.1]").is_err());
}

#[test]
fn tags_split_at_the_first_plus() {
    assert_eq!(address("a+b+c@x.jp").split_tag(), ("a", Some("b+c")));
    assert_eq!(address("+a@x.jp").split_tag(), ("+a", None));
    assert_eq!(address("a+@x.jp").without_tag(), address("a@x.jp"));
}

#[test]
fn within_means_at_label_borders() {
    let d = |t| Domain::parse(t).unwrap();
    assert!(d("a.example.jp").is_within(&d("example.jp")));
    assert!(d("example.jp").is_within(&d("Example.JP")));
    assert!(!d("badexample.jp").is_within(&d("example.jp")));
}

proptest! {
    #[test]
    fn anything_parsed_prints_and_parses_back(text in "\\PC{0,20}@[a-zA-Z0-9.-]{1,20}") {
        if let Ok(a) = Address::parse(&text) {
            let shown = a.to_string();
            prop_assert!(!shown.chars().any(char::is_control));
            let domain = a.domain().to_string();
            prop_assert_eq!(shown.len(), a.local_octets() + 1 + domain.len());
            prop_assert_eq!(Address::parse(&shown).unwrap(), a);
        }
    }

    #[test]
    fn any_local_part_round_trips(local in ".{1,40}") {
        if let Ok(a) = Address::new(&local, Domain::parse("x.jp").unwrap()) {
            prop_assert_eq!(Address::parse(&a.to_string()).unwrap(), a.clone());
            prop_assert_eq!(a.canonical().canonical(), a.canonical());
        }
    }

    #[test]
    fn a_domain_reads_back_in_both_forms(text in "[a-z日本語ßÄ。.\\-_0-9]{1,30}") {
        if let Ok(domain) = Domain::parse(&text) {
            prop_assert_eq!(&Domain::parse(domain.as_str()).unwrap(), &domain);
            prop_assert!(domain.as_str().is_ascii());
            prop_assert_eq!(&Domain::parse(&domain.to_unicode()).unwrap(), &domain);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ignored = Address::parse(&text);
        let _ignored = Host::parse(&text);
    }
}
