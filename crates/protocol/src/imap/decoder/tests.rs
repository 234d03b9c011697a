#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::imap::command::Command;

fn small() -> Limits {
    Limits {
        line: 300,
        literals: 50,
        literal_count: 3,
        append_message: 1000,
        append_total: 1500,
        append_count: 3,
        ..Limits::default()
    }
}

fn events(decoder: &mut Decoder) -> Vec<Event> {
    std::iter::from_fn(|| decoder.next_event()).collect()
}

/// Events in a short form: `C:` a command, `+` a continuation, `N:`/`B:` errors with code and tag.
fn told(events: &[Event]) -> Vec<String> {
    let tag = |tag: &Option<Tag>| tag.as_ref().map_or("*".to_owned(), ToString::to_string);
    events
        .iter()
        .map(|event| match event {
            Event::NeedContinuation(literal) => format!("+{}", literal.size),
            Event::Command(tagged) => format!("C:{} {}", tagged.tag, tagged.command.name()),
            Event::Line(line) => format!("L:{}", String::from_utf8_lossy(line)),
            Event::Error(error) => {
                let code = error
                    .code
                    .as_ref()
                    .map_or(String::new(), |code| format!(" {code:?}"));
                format!("{:?}:{}{code}", error.status, tag(&error.tag))
            }
        })
        .collect()
}

fn session() -> Decoder {
    let mut decoder = Decoder::new(small());
    decoder.set_authenticated();
    decoder
}

/// RFC 5182, section 2.1: NO empties `$`, BAD leaves it alone.
#[test]
fn a_refused_search_that_was_to_be_saved_says_so() {
    for (command, empties) in [
        ("SEARCH RETURN (SAVE) CHARSET KLINGON TEXT x", true),
        ("UID SORT RETURN (SAVE COUNT) (DATE) KLINGON ALL", true),
        ("SEARCH RETURN (COUNT) CHARSET KLINGON TEXT x", false),
        ("SEARCH RETURN (SAVE) NONSENSE", false),
        ("SORT RETURN (SAVE) () UTF-8 ALL", false),
    ] {
        let mut decoder = session();
        decoder.feed(format!("a {command}\r\n").as_bytes());
        let Some(Event::Error(error)) = decoder.next_event() else {
            panic!("{command}")
        };
        assert_eq!(error.empties_saved, empties, "{command}");
    }
}

#[test]
fn what_is_thrown_away_is_known_beforehand() {
    let mut decoder = session();
    decoder.feed(b"a APPEND x {2000}\r\n");
    assert_eq!(told(&events(&mut decoder)), ["No:a TooBig"]);
    assert_eq!(decoder.unwanted(), 0, "the client waits and sends nothing");
    decoder.feed(b"b APPEND x {99999999999+}\r\nxx");
    assert_eq!(told(&events(&mut decoder)), ["No:b TooBig"]);
    assert_eq!(decoder.unwanted(), 99_999_999_997);
    // After a line that is too long, as well.
    let mut decoder = session();
    decoder.feed(format!("a NOOP {} {{4000+}}\r\n", "x".repeat(300)).as_bytes());
    assert_eq!(told(&events(&mut decoder)), ["Bad:a Limit"]);
    assert_eq!(decoder.unwanted(), 4000);
    decoder.feed(&[b'x'; 4000]);
    decoder.feed(b"\r\nc NOOP\r\n");
    assert_eq!(told(&events(&mut decoder)), ["C:c NOOP"]);
    assert_eq!(decoder.unwanted(), 0);
}

#[test]
fn conversations() {
    for (input, expected) in [
        ("a NOOP\r\nb noop\r\n", &["C:a NOOP", "C:b NOOP"][..]),
        ("a LOGIN {3}\r\nx y \"z\"\r\n", &["+3", "C:a LOGIN"]),
        ("a LOGIN {3+}\r\nx y {2+}\r\n\"\"\r\n", &["C:a LOGIN"]),
        ("a LOGIN \"{3}\" \"b {3}\"\r\n", &["C:a LOGIN"]),
        ("a LOGIN x \"b {3}\r\nb NOOP\r\n", &["Bad:a", "C:b NOOP"]),
        (
            "a LOGIN x \"b \\\" {3}\r\nb NOOP\r\n",
            &["Bad:a", "C:b NOOP"],
        ),
        ("a NOOP\nb NOOP\r\n", &["Bad:a", "C:b NOOP"]),
        ("a NO\rOP\r\nb NOOP\r\n", &["Bad:a", "C:b NOOP"]),
        ("a NOOP\0\r\nb NOOP\r\n", &["Bad:a", "C:b NOOP"]),
        (
            "\r\na\r\n+ NOOP\r\na  NOOP\r\na NOOP \r\na WHAT\r\n",
            &["Bad:*", "Bad:*", "Bad:*", "Bad:a", "Bad:a", "Bad:a"],
        ),
        // Too large and synchronising: refused, and the next line is a command.
        ("a LOGIN {51}\r\nb NOOP\r\n", &["No:a Limit", "C:b NOOP"]),
        (
            "a APPEND x {1001}\r\nb NOOP\r\n",
            &["No:a TooBig", "C:b NOOP"],
        ),
        (
            "a APPEND x {99999999999999999999999}\r\nb NOOP\r\n",
            &["No:a TooBig", "C:b NOOP"],
        ),
        (
            "a LOGIN {1}\r\nx {1}\r\nx {1}\r\nx {1}\r\nb NOOP\r\n",
            &["+1", "+1", "+1", "No:a Limit", "C:b NOOP"],
        ),
    ] {
        let mut decoder = session();
        decoder.feed(input.as_bytes());
        assert_eq!(told(&events(&mut decoder)), expected, "{input:?}");
        assert!(!decoder.is_mid_command(), "{input:?}");
    }
}

#[test]
fn a_message_is_appended_as_it_was_sent() {
    let mut decoder = session();
    decoder.feed(b"a APPEND INBOX (\\Seen) {7+}\r\nA: b\r\nx {3+}\r\n\r\n\r\r\n");
    let events = events(&mut decoder);
    let [Event::Command(tagged)] = events.as_slice() else {
        panic!("{events:?}")
    };
    let Command::Append(append) = &tagged.command else {
        panic!()
    };
    assert_eq!(
        append
            .messages
            .iter()
            .map(|message| message.body.as_ref())
            .collect::<Vec<_>>(),
        [&b"A: b\r\nx"[..], b"\r\n\r"]
    );
}

#[test]
fn a_refused_message_that_is_coming_anyway_is_thrown_away() {
    let mut decoder = session();
    decoder.feed(b"a APPEND x {1000000+}\r\n");
    assert_eq!(told(&events(&mut decoder)), ["No:a TooBig"]);
    for _ in 0..1000 {
        decoder.feed(&[b'\n'; 1000]);
        assert!(events(&mut decoder).is_empty());
        assert_eq!(decoder.buffered(), 0);
    }
    // The command goes on, with one more literal that is thrown away, and then ends.
    decoder.feed(b" (\\Seen) {8+}\r\nb NOOP\r\n {5+}\r\n12345\r\nc NOOP\r\n");
    assert_eq!(told(&events(&mut decoder)), ["C:c NOOP"]);
}

#[test]
fn a_refused_command_may_end_with_a_literal_that_waits() {
    let mut decoder = session();
    decoder.feed(b"a APPEND x {2000+}\r\n");
    decoder.feed(&[b'x'; 2000]);
    decoder.feed(b" {9}\r\nb NOOP\r\n");
    assert_eq!(told(&events(&mut decoder)), ["No:a TooBig", "C:b NOOP"]);
}

#[test]
fn before_authentication_no_large_message_is_taken() {
    let mut decoder = Decoder::new(small());
    decoder.feed(b"a APPEND x {51}\r\nb NOOP\r\n");
    assert_eq!(told(&events(&mut decoder)), ["No:a Limit", "C:b NOOP"]);
}

#[test]
fn what_follows_does_not_make_a_command_an_append() {
    let mut decoder = session();
    // Refused, as 60 octets are too many for any other command.
    decoder.feed(b"a{60}\r\nb APPEND x {60}\r\n");
    assert_eq!(told(&events(&mut decoder)), ["No:* Limit", "+60"]);
}

#[test]
fn several_messages_are_limited_together() {
    let mut decoder = session();
    decoder.feed(b"a APPEND x {900}\r\n");
    decoder.feed(&[b'x'; 900]);
    decoder.feed(b" {900}\r\nb NOOP\r\n");
    assert_eq!(
        told(&events(&mut decoder)),
        ["+900", "No:a Limit", "C:b NOOP"]
    );
}

#[test]
fn the_driver_may_refuse_a_literal() {
    let mut decoder = session();
    decoder.feed(b"a APPEND full {900}\r\n");
    assert_eq!(told(&[decoder.next_event().unwrap()]), ["+900"]);
    assert!(decoder.is_mid_command());
    decoder.refuse_literal();
    decoder.feed(b"b NOOP\r\n");
    assert_eq!(told(&events(&mut decoder)), ["C:b NOOP"]);
}

#[test]
fn a_line_without_end_costs_one_error_and_no_memory() {
    let mut decoder = session();
    let mut count = 0;
    decoder.feed(b"a ");
    for _ in 0..1000 {
        decoder.feed(&[b'x'; 1000]);
        count += events(&mut decoder).len();
        assert!(decoder.buffered() < 100);
    }
    decoder.feed(b" {6+}\r\nb NOOP\r\nc NOOP\r\n");
    assert_eq!(count, 1);
    assert_eq!(told(&events(&mut decoder)), ["C:c NOOP"]);
}

#[test]
fn what_stands_before_a_line_that_is_too_long_is_not_looked_at_again() {
    // The line is found to be too long while the literal before it is among the last octets.
    let input = format!(
        "a LOGIN {} {{4+}}\r\nb NO {}\r\nc NOOP\r\n",
        "x".repeat(270),
        "y".repeat(40)
    );
    for cut in 1..40 {
        let mut decoder = session();
        let mut got = Vec::new();
        for piece in input.as_bytes().chunks(cut) {
            decoder.feed(piece);
            got.extend(events(&mut decoder));
        }
        assert_eq!(told(&got), ["Bad:a Limit", "C:c NOOP"], "{cut}");
    }
}

#[test]
fn lines_of_one_command_count_together() {
    let mut decoder = session();
    let line = format!(
        "a LOGIN {} {{1+}}\r\nx{}\r\nb NOOP\r\n",
        "x".repeat(150),
        "x".repeat(150)
    );
    decoder.feed(line.as_bytes());
    assert_eq!(told(&events(&mut decoder)), ["Bad:a Limit", "C:b NOOP"]);
}

#[test]
fn tls_begins_with_nothing_left() {
    let mut decoder = session();
    decoder.feed(b"a STARTTLS\r\nb LOGIN evil {3}\r\n");
    assert_eq!(told(&[decoder.next_event().unwrap()]), ["C:a STARTTLS"]);
    assert_eq!(decoder.discard(), 18);
    assert_eq!(decoder.next_event(), None);
    assert!(!decoder.is_mid_command());
}

#[test]
fn lines_are_awaited_for_authenticate_and_idle() {
    let mut decoder = session();
    decoder.feed(b"a AUTHENTICATE PLAIN\r\nAGEAYg==\r\n");
    assert_eq!(told(&[decoder.next_event().unwrap()]), ["C:a AUTHENTICATE"]);
    decoder.await_line(AwaitedLine::Authenticate);
    assert_eq!(told(&events(&mut decoder)), ["L:AGEAYg=="]);
    decoder.feed(b"b IDLE\r\nDONE\r\nc NOOP\r\n");
    assert_eq!(told(&[decoder.next_event().unwrap()]), ["C:b IDLE"]);
    decoder.await_line(AwaitedLine::Idle);
    assert_eq!(told(&events(&mut decoder)), ["L:DONE", "C:c NOOP"]);
    decoder.await_line(AwaitedLine::Idle);
    decoder.feed(&[b'x'; 100]);
    assert_eq!(told(&events(&mut decoder)), ["Bad:* Limit"]);
    decoder.feed(b"\r\nd NOOP\r\n");
    assert_eq!(told(&events(&mut decoder)), ["C:d NOOP"]);
}

#[test]
fn a_large_message_does_not_stay_in_the_buffer() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.set_authenticated();
    decoder.feed(b"a APPEND x {1000000+}\r\n");
    decoder.feed(&vec![b'x'; 1_000_000]);
    decoder.feed(b"\r\nb NO");
    assert_eq!(told(&events(&mut decoder)), ["C:a APPEND"]);
    assert!(decoder.buffer.capacity() < KEEP);
    decoder.feed(b"OP\r\n");
    assert_eq!(told(&events(&mut decoder)), ["C:b NOOP"]);
}

fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"a NOOP\r\n".to_vec()),
        Just(b"a LOGIN {3}\r\n".to_vec()),
        Just(b"b LOGIN {3+}\r\nxyz {60+}\r\n".to_vec()),
        Just(b"c APPEND \"a\\\"b\" {5+}\r\nhe\r\n\n".to_vec()),
        Just(b"d APPEND x {2000+}\r\n".to_vec()),
        Just(b"e SEARCH (OR NOT SEEN {4+}\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(vec![b'x'; 310]),
        Just(b" {7+}\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
        "[a-z \"\\\\{}0-9+\r\n]{0,12}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn feeding_in_pieces_changes_nothing(input in any_input(), cuts in proptest::collection::vec(1usize..30, 1..8)) {
        let mut whole = session();
        whole.feed(&input);
        let expected = events(&mut whole);
        let mut pieces = session();
        let mut got = Vec::new();
        let mut rest = input.as_slice();
        for &cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.feed(piece);
            got.extend(events(&mut pieces));
            rest = after;
        }
        prop_assert_eq!(told(&got), told(&expected));
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn memory_is_bounded(input in any_input()) {
        let mut decoder = session();
        for _ in 0..20 {
            decoder.feed(&input);
            events(&mut decoder);
            // Text and literals of one command, announcements included.
            prop_assert!(decoder.buffered() <= 300 + 1500 + 64);
        }
    }
}
