#![allow(clippy::unwrap_used)]

use message::Domain;

use super::*;

const LETTER: &str = "From: =?utf-8?B?55Sw5Lit?= <tanaka@example.jp>\r\nTo: a@example.net,\r\n\tb@example.net\r\n\
    Subject: =?utf-8?B?5Lya6K2w?=\r\nDate: Fri, 27 Nov 2026 10:00:00 +0900\r\nMessage-ID: <1@example.jp>\r\n\r\n\
    text  \r\n\r\nmore\r\n\r\n \r\n\r\n";

fn key(algorithm: Algorithm) -> Key {
    let domain = Domain::parse("example.jp").unwrap();
    let made = make_key(algorithm).unwrap();
    Key::from_pkcs8(domain, "k1", algorithm, &made.pkcs8).unwrap()
}

/// Everything about the form: what the signature says is checked by other programs, in the stories.
#[test]
fn a_signature_guards_what_readers_see() {
    let signing = Signing::of(LETTER.as_bytes()).unwrap();
    for algorithm in [Algorithm::Rsa, Algorithm::Ed25519] {
        let field = signing
            .dkim(&key(algorithm), Timestamp::UNIX_EPOCH)
            .unwrap();
        assert!(field.starts_with("DKIM-Signature: v=1; a="), "{field}");
        assert!(field.ends_with("\r\n"));
        assert!(field.lines().all(|line| line.len() <= 100), "{field}");
        let flat: String = field.split_ascii_whitespace().collect();
        for part in [
            "d=example.jp;",
            "s=k1;",
            "t=0;",
            "c=relaxed/relaxed;",
            "h=From:From:Reply-To:To:To:",
        ] {
            assert!(flat.contains(part), "{part}: {flat}");
        }
        assert!(!flat.contains("l="), "part of a body would be anybody's");
    }
}

#[test]
fn what_has_no_author_is_not_signed() {
    for raw in ["Subject: x\r\n\r\n", "", "\r\nFrom: a@example.jp\r\n"] {
        assert_eq!(Signing::of(raw.as_bytes()).err(), Some(SignError::NoHeader));
    }
    let long = format!("From: a@example.jp\r\n{}\r\n", "X: y\r\n".repeat(5000));
    assert_eq!(
        Signing::of(long.as_bytes()).err(),
        Some(SignError::NoHeader)
    );
}

#[test]
fn of_several_fields_the_last_is_first() {
    let raw = b"From: a\r\nX-A: 1\r\nTo: one\r\nX-A: 2\r\nTo: two\r\n\r\n";
    let signing = Signing::of(raw).unwrap();
    let canonical = signing.canonical_fields(&["To", "To", "To", "From"]);
    assert_eq!(
        String::from_utf8_lossy(&canonical),
        "to:two\r\nto:one\r\nfrom:a\r\n"
    );
}
