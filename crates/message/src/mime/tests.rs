#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::Limits;

fn parse(raw: &[u8]) -> Structure {
    Structure::parse(raw, &Limits::default())
}

fn mixed(body: &str) -> Vec<u8> {
    format!("Subject: s\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n{body}")
        .into_bytes()
}

/// The structure in one line: types, with parts in brackets.
fn shape(part: &Part) -> String {
    let inner: Vec<String> = part.children().iter().map(shape).collect();
    let kind = format!("{}/{}", part.content_type.kind, part.content_type.subtype);
    if inner.is_empty() {
        kind
    } else {
        format!("{kind}[{}]", inner.join(" "))
    }
}

fn body<'a>(raw: &'a [u8], path: &[u32]) -> &'a str {
    let range = parse(raw)
        .section(path, Section::Body)
        .expect("no such part");
    std::str::from_utf8(&raw[range]).unwrap()
}

#[test]
fn a_message_without_mime_is_one_text() {
    let raw = b"Subject: s\r\n\r\nline 1\r\nline 2";
    let s = parse(raw);
    assert_eq!(shape(&s.root), "text/plain");
    assert_eq!(s.root.content, Content::Text { lines: 2 });
    assert_eq!(body(raw, &[1]), "line 1\r\nline 2");
    assert_eq!(s.section(&[], Section::Body), Some(0..raw.len()));
    assert_eq!(s.section(&[], Section::Header), Some(0..14));
    assert_eq!(s.section(&[1], Section::Mime), Some(0..14));
    assert_eq!(s.section(&[1], Section::Header), None);
    assert_eq!(s.section(&[], Section::Mime), None);
    assert_eq!(s.section(&[2], Section::Body), None);
    assert_eq!(s.section(&[1, 1], Section::Body), None);
}

#[test]
fn no_header_and_no_body() {
    for raw in [
        b"".as_slice(),
        b"\r\n",
        b"Subject: s",
        b"no header at all\r\n",
    ] {
        let s = parse(raw);
        assert_eq!(shape(&s.root), "text/plain");
        assert_eq!(s.root.octets(), 0);
    }
    assert_eq!(body(b"\r\nbody", &[1]), "body");
}

#[test]
fn nested_parts_and_messages() {
    let raw = mixed(
        "preamble\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: \
         inner\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\none\r\n--bb\r\n\r\ntwo\r\n--bb--\r\n\
         \r\n--b--\r\nepilogue",
    );
    let s = parse(&raw);
    assert_eq!(
        shape(&s.root),
        "multipart/mixed[text/html message/rfc822[multipart/alternative[text/plain text/plain]]]"
    );
    assert_eq!(body(&raw, &[1]), "<p>");
    assert_eq!(body(&raw, &[2, 1]), "one");
    assert_eq!(body(&raw, &[2, 2]), "two");
    let header = s.section(&[2], Section::Header).unwrap();
    assert!(raw[header].starts_with(b"Subject: inner"));
    let text = s.section(&[2], Section::Text).unwrap();
    assert!(raw[text].starts_with(b"--bb\r\n"));
    let mime = s.section(&[2], Section::Mime).unwrap();
    assert_eq!(&raw[mime], b"Content-Type: message/rfc822\r\n\r\n");
    let Content::Message {
        envelope, lines, ..
    } = &s.part(&[2]).unwrap().content
    else {
        panic!()
    };
    assert_eq!(envelope.subject.as_deref(), Some("inner"));
    assert_eq!(*lines, 10);
}

#[test]
fn a_message_inside_that_is_no_multipart_has_part_one() {
    let raw = mixed("--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nhi\r\n--b--");
    assert_eq!(body(&raw, &[1, 1]), "hi");
    assert_eq!(body(&raw, &[1]), "Subject: x\r\n\r\nhi");
}

#[test]
fn broken_multiparts() {
    assert_eq!(
        shape(&parse(&mixed("")).root),
        "multipart/mixed[text/plain]"
    );
    assert_eq!(body(&mixed("no parts here"), &[1]), "no parts here");
    assert_eq!(body(&mixed("--b--\r\n"), &[1]), "");
    // Neither end nor line end.
    assert_eq!(
        body(&mixed("--b\r\n\r\none\r\n--b\r\n\r\ntwo"), &[2]),
        "two"
    );
    // A boundary where a header should be.
    let raw = mixed("--b\r\nContent-Type: text/html\r\n--b\r\n\r\ntwo\r\n--b--");
    assert_eq!(body(&raw, &[1]), "");
    assert_eq!(body(&raw, &[2]), "two");
    // No boundary named.
    let raw = b"Content-Type: multipart/mixed\r\n\r\nwords";
    assert_eq!(shape(&parse(raw).root), "text/plain");
    assert_eq!(body(raw, &[1]), "words");
}

#[test]
fn what_is_told_of_all_parts_together_is_bounded() {
    let long = "x".repeat(1000);
    let part = format!(
        "--b\r\nContent-Type: multipart/mixed; boundary=c; long={long}\r\n\r\n--c\r\nContent-Type: message/rfc822\r\n\r\n\
         Subject: {long}\r\nTo: a@b, c@d\r\n\r\nin\r\n--c\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Description: {long}\r\n\r\naGk=\r\n--c--\r\n"
    );
    let raw = mixed(&part.repeat(10));
    let limits = Limits {
        described_octets: 6500,
        ..Limits::default()
    };
    let bounded = Structure::parse(&raw, &limits);
    let whole = parse(&raw);
    assert_eq!(shape(&bounded.root), shape(&whole.root));
    for (told, all) in bounded.root.walk().iter().zip(whole.root.walk()) {
        assert_eq!((&told.header, &told.body), (&all.header, &all.body));
        assert_eq!(told.encoding, all.encoding);
    }
    let last = bounded.part(&[10, 2]).unwrap();
    assert_eq!(last.description, None);
    assert_eq!(last.decoded_body(&raw).unwrap(), b"hi".as_slice());
    let Content::Message { envelope, .. } = &bounded.part(&[10, 1]).unwrap().content else {
        panic!()
    };
    assert_eq!(**envelope, crate::Envelope::default());
    assert_eq!(
        bounded.part(&[1, 2]).unwrap().description,
        Some(long.clone()),
        "the first parts are told of"
    );
    let octets = crate::Summary {
        structure: bounded,
        ..crate::Summary::of(b"", &limits)
    }
    .encode()
    .len();
    assert!(octets < 10_000, "{octets}");
}

#[test]
fn boundaries_that_begin_alike_stay_apart() {
    let raw = mixed(
        "--b\r\nContent-Type: multipart/mixed; boundary=bc\r\n\r\n--bc\r\n\r\nin\r\n--bc--\r\n--b \t\r\n\r\nout\r\n--b--",
    );
    assert_eq!(
        shape(&parse(&raw).root),
        "multipart/mixed[multipart/mixed[text/plain] text/plain]"
    );
    assert_eq!(body(&raw, &[1, 1]), "in");
    assert_eq!(body(&raw, &[2]), "out");
    // The inner end is missing: the outer boundary ends both.
    let raw = mixed(
        "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nin\r\n--b\r\n\r\nout\r\n--b--",
    );
    assert_eq!(body(&raw, &[1, 1]), "in");
    assert_eq!(body(&raw, &[2]), "out");
}

#[test]
fn digests_hold_messages_and_encoded_messages_are_files() {
    let raw = b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\nhi\r\n--b--";
    assert_eq!(
        shape(&parse(raw).root),
        "multipart/digest[message/rfc822[text/plain]]"
    );
    let raw = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==";
    assert_eq!(shape(&parse(raw).root), "application/octet-stream");
}

#[test]
fn depth_and_parts_are_bounded() {
    let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
    let s = parse(deep.as_bytes());
    assert_eq!(s.root.walk().len(), 33);
    let many = mixed(&"--b\r\n\r\nx\r\n".repeat(5_000));
    let s = parse(&many);
    assert!(s.root.walk().len() <= 1_001);
    assert_eq!(
        s.root.walk().last().unwrap().content_type.kind,
        "application"
    );
}

#[test]
fn transfer_encodings_and_file_names() {
    let raw = mixed(
        "--b\r\nContent-Type: application/pdf; name=\"x.pdf\"\r\nContent-Transfer-Encoding: \
         BASE64\r\nContent-Disposition: attachment; \
         filename*=UTF-8''%E4%BC%9A%E8%AD%B0.pdf\r\nContent-ID: <1@x>\r\nContent-Language: ja\r\n\r\nYWJj\r\n--b--",
    );
    let s = parse(&raw);
    let part = s.part(&[1]).unwrap();
    assert_eq!(part.decoded_body(&raw).unwrap().as_ref(), b"abc");
    assert_eq!(part.filename().unwrap(), "会議.pdf");
    assert_eq!(part.id.as_deref(), Some("<1@x>"));
    assert_eq!(part.languages, ["ja"]);
    assert_eq!(part.content, Content::Other);
}

fn check_places(part: &Part, size: usize) -> Result<(), TestCaseError> {
    prop_assert!(part.header.start <= part.header.end && part.header.end <= part.body.start);
    prop_assert!(part.body.start <= part.body.end && part.body.end <= size);
    for child in part.children() {
        prop_assert!(
            child.header.start >= part.body.start && child.body.end <= part.body.end,
            "{part:?}"
        );
        check_places(child, size)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn places_nest_whatever_the_input(pieces in prop::collection::vec(prop::sample::select(vec![
        "Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: multipart/digest; boundary=bb\n",
        "Content-Type: message/rfc822\r\n", "Content-Type: text/html\r\n", "\r\n", "\n", "--b\r\n", "--b--\r\n", "--bb\n", "--bb--",
        "text", "\r", "Content-Transfer-Encoding: base64\r\n", "--", "Subject: x\r\n", " folded\r\n",
    ]), 0..40)) {
        let raw = pieces.concat();
        let s = parse(raw.as_bytes());
        check_places(&s.root, raw.len())?;
        for path in [&[1][..], &[1, 1], &[2, 1], &[1, 1, 1]] {
            for section in [Section::Body, Section::Header, Section::Text, Section::Mime] {
                if let Some(range) = s.section(path, section) {
                    prop_assert!(raw.as_bytes().get(range).is_some());
                }
            }
        }
    }

    #[test]
    fn arbitrary_octets_never_panic(raw in any::<Vec<u8>>()) {
        check_places(&parse(&raw).root, raw.len())?;
    }
}
