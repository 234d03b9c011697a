//! Authentication-Results (RFC 8601): who claims to have looked at a message.

use super::{
    fields::{remove_fields_if, unfold},
    lex::Lexer,
};
use crate::{Domain, Limits};

/// Removes, in place, each Authentication-Results field that claims to be `host`'s own (RFC 8601, section 5): what came from
/// outside cannot be. Fields of others, and those of ARC, stay. Returns how many there were.
///
/// A field that is too long to be read is removed as well: nobody writes one in good faith.
pub fn remove_results_of(message: &mut Vec<u8>, host: &Domain) -> usize {
    let most = Limits::default().value_octets;
    remove_fields_if(message, "authentication-results", |value| {
        value.len() > most || claims(&unfold(value), host)
    })
}

/// Removes the fields of that name (in any case) from `message`, whatever they say; returns how many there were. Of a name that this
/// server alone writes, before it writes its own.
pub fn remove_fields(message: &mut Vec<u8>, name: &str) -> usize {
    remove_fields_if(message, name, |_| true)
}

/// Whether the field's authserv-id is `host`: a token or a quoted string, behind any comments (RFC 8601, section 2.2).
fn claims(value: &str, host: &Domain) -> bool {
    let mut lexer = Lexer::new(value);
    lexer.skip_comments();
    let id = match lexer.peek() {
        Some('"') => lexer.quoted(),
        _ => lexer.until(&[' ', '\t', ';', '(']).to_owned(),
    };
    let id = id.trim().trim_end_matches('.');
    Domain::parse(id).is_ok_and(|id| id == *host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::header::Header;

    const PIECES: [&str; 9] = [
        "Authentication-Results: ",
        "mx.city.example",
        "; x=y",
        "\r\n",
        "\n",
        " ",
        "(",
        "\"",
        "A: b",
    ];

    proptest! {
        #[test]
        fn nothing_of_ours_is_left_and_the_body_is_as_it_was(
            pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40)
        ) {
            let message = pieces.concat().into_bytes();
            let host = Domain::parse("mx.city.example").unwrap();
            let mut left = message.clone();
            let count = remove_results_of(&mut left, &host);
            prop_assert_eq!(count == 0, left == message);
            prop_assert_eq!(remove_results_of(&mut left, &host), 0);
            let body = |raw: &[u8]| {
                let header = Header::parse(raw, &Limits::default());
                raw.get(header.body_start()..).unwrap_or_default().to_vec()
            };
            prop_assert_eq!(body(&left), body(&message));
        }
    }

    fn removed(message: &str) -> (String, usize) {
        let mut octets = message.as_bytes().to_vec();
        let host = Domain::parse("mx.city.example").unwrap();
        let count = remove_results_of(&mut octets, &host);
        (String::from_utf8(octets).unwrap(), count)
    }

    #[test]
    fn what_claims_to_be_ours_goes_however_it_is_written() {
        for field in [
            "Authentication-Results: mx.city.example; dmarc=pass\r\n",
            "AUTHENTICATION-RESULTS:MX.City.Example.;dkim=pass\r\n",
            "Authentication-Results :\r\n (a (nested) comment)\r\n\tmx.city.example (x) 1; none\r\n",
            "Authentication-Results: \"mx.city\\.example\"; spf=pass\r\n",
            "Authentication-Results: mx.city.example\r\n",
        ] {
            let rest = "Subject: x\r\n folded\r\n\r\nAuthentication-Results: mx.city.example; in the body\r\n";
            assert_eq!(
                removed(&format!("{field}{rest}")),
                (rest.to_owned(), 1),
                "{field}"
            );
            let message = format!("A: b\r\n{field}C: d\r\n{field}{rest}");
            assert_eq!(
                removed(&message),
                (format!("A: b\r\nC: d\r\n{rest}"), 2),
                "{field}"
            );
        }
    }

    #[test]
    fn what_others_say_stays() {
        for field in [
            "Authentication-Results: mx.other.example; dmarc=pass (mx.city.example)\r\n",
            "Authentication-Results: mx.city.example.other.example; x=y\r\n",
            "ARC-Authentication-Results: i=1; mx.city.example; dmarc=pass\r\n",
            "X-Authentication-Results: mx.city.example; x=y\r\n",
            "Authentication-Results:\r\n",
            "Authentication-Results: (open comment mx.city.example; x=y\r\n",
        ] {
            let message = format!("{field}\r\nbody");
            assert_eq!(removed(&message), (message.clone(), 0), "{field}");
        }
        for message in ["", "\r\n", "Authentication-Results", "no field at all"] {
            assert_eq!(removed(message), (message.to_owned(), 0));
        }
    }

    #[test]
    fn no_number_of_others_and_no_length_hides_one() {
        let others = "Authentication-Results: other.example; spf=pass\r\n".repeat(20_000);
        let message = format!("{others}Authentication-Results: mx.city.example; spf=pass\r\n\r\nx");
        assert_eq!(removed(&message), (format!("{others}\r\nx"), 1));
        let long = format!("({})", "x".repeat(70_000));
        let message = format!("Authentication-Results: {long} mx.city.example; spf=pass\r\n\r\nx");
        assert_eq!(removed(&message), ("\r\nx".to_owned(), 1));
    }
}
