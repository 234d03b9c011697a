//! POP3 sessions, and messages on their way out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::pop3::{Command, Decoder, Encoder, Event, Limits, Listed, NeedsMessage, Transaction};

fuzz_target!(|octets: &[u8]| {
    let narrow = Limits {
        line: 40,
        authenticate_line: 60,
    };
    for limits in [Limits::default(), narrow] {
        let whole = session(&limits, std::iter::once(octets));
        assert_eq!(whole, session(&limits, fuzz::pieces(octets)), "cuts matter");
        assert_eq!(whole, session(&limits, octets.chunks(1)), "cuts matter");
        answer(&whole, octets);
    }
    retrieve(octets);
});

fn session<'a>(limits: &Limits, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut decoder = Decoder::new(limits.clone());
    let mut events = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(event) = decoder.next_event() {
            if let Event::Command(Command::Auth { .. }) = event {
                decoder.await_line();
            }
            events.push(event);
        }
        assert!(decoder.buffered() <= limits.authenticate_line.max(limits.line));
    }
    events
}

fn answer(events: &[Event], message: &[u8]) {
    let listed = |size, uid: &str| Listed {
        size,
        uid: uid.into(),
    };
    let mut session = Transaction::new(vec![listed(10, "a"), listed(u64::MAX / 4, "b")]);
    let mut encoder = Encoder::new();
    for event in events {
        let Event::Command(command) = event else {
            encoder.err(None, "no");
            continue;
        };
        match session.answer(command, &mut encoder) {
            Ok(()) => assert!(fuzz::are_clean_lines(&encoder.take())),
            Err(NeedsMessage::Retr(index)) => {
                assert!(index < 2);
                encoder.message(message);
            }
            Err(NeedsMessage::Top { index, lines }) => {
                assert!(index < 2);
                encoder.top(message, lines);
            }
            Err(NeedsMessage::Other) => {}
        }
        encoder.clear();
    }
    assert!(session.quit().deleted.iter().all(|&index| index < 2));
}

/// What a client makes of an answer is the message.
fn retrieve(message: &[u8]) {
    let mut encoder = Encoder::new();
    encoder.message(message);
    let sent = encoder.take();
    let head = sent
        .iter()
        .position(|&octet| octet == b'\n')
        .map_or(0, |at| at.saturating_add(1));
    let mut rest = sent.get(head..).unwrap_or_default();
    let mut got = Vec::new();
    while let Some(line) = next_line(&mut rest) {
        if line == b".\r\n" {
            break;
        }
        got.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    assert!(rest.is_empty(), "the answer ended early");
    let mut expected = message.to_vec();
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        expected.extend_from_slice(b"\r\n");
    }
    assert_eq!(got, expected);
}

/// Up to the next CR LF.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest
        .windows(2)
        .position(|pair| pair == b"\r\n")?
        .saturating_add(2);
    let (line, after) = rest.split_at_checked(end)?;
    *rest = after;
    Some(line)
}
