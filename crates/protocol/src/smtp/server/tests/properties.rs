//! What holds for every input.

use proptest::prelude::*;

use super::*;

/// Octets that get far: whole commands, pieces of content, and noise.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "EHLO c\r\n",
            "MAIL FROM:<>\r\n",
            "MAIL FROM:<a@x.jp> BODY=BINARYMIME\r\n",
            "RCPT TO:<b@x.jp>\r\n",
            "RCPT TO:<unknown@x.jp>\r\n",
            "DATA\r\n",
            "BDAT 5\r\n",
            "BDAT 3 LAST\r\n",
            "hello",
            ".",
            "\r\n",
            "\r\n.\r\n",
            "\n",
            "\r",
            "STARTTLS\r\n",
            "AUTH PLAIN AGEAcHc=\r\n",
            "AUTH LOGIN\r\n",
            "*\r\n",
            "RSET\r\n",
            "QUIT\r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..40)
        .prop_map(|pieces| [b"EHLO c\r\n".to_vec(), pieces.concat()].concat())
}

proptest! {
    #[test]
    fn splitting_changes_nothing(input in conversation(), at_once in 1usize..7) {
        // What comes with STARTTLS is thrown away by design, so only one side of it can be compared.
        let config = Config { starttls: false, ..exchange() };
        let mut whole = Driver::new(config.clone());
        whole.feed(&input);
        let mut pieces = Driver::new(config);
        for piece in input.chunks(at_once) {
            pieces.feed(piece);
        }
        prop_assert_eq!(whole.output, pieces.output);
        prop_assert_eq!(whole.messages, pieces.messages);
        prop_assert_eq!(whole.seen, pieces.seen);
    }

    #[test]
    fn memory_is_bounded(noise in proptest::collection::vec(any::<u8>(), 1..100), data in any::<bool>()) {
        let mut driver = Driver::new(exchange());
        if data {
            driver.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.jp>\r\nDATA\r\n");
        }
        for _ in 0..100 {
            driver.feed(&noise);
            driver.output.clear();
            prop_assert!(driver.session.held() <= 12_288 + noise.len());
            prop_assert!(driver.content.len() <= 1000);
        }
    }

    #[test]
    fn nothing_is_accepted_that_a_strict_reader_would_split(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec!["\r\n", "\n", "\r", ".", "a"]), 0..30)
    ) {
        let content = pieces.concat();
        let mut driver = Driver::new(exchange());
        driver.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.jp>\r\nDATA\r\n");
        driver.feed(content.as_bytes());
        driver.feed(b"\r\n.\r\n");
        for (_, taken) in &driver.messages {
            let text = String::from_utf8_lossy(taken).replace("\r\n", "");
            prop_assert!(!text.contains(['\r', '\n']));
        }
    }
}
