#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;
use message::mime::{Content, Structure};
use proptest::prelude::*;

use super::*;
use crate::imap::command::{SpecialUse, StatusItem};
use crate::imap::date::DateTime;
use crate::imap::flag::{Flag, Keyword, SystemFlags};
use crate::imap::limits::Limits;
use crate::imap::parse::Parser;
use crate::imap::section::{Section, SectionText};

fn written(write: impl FnOnce(&mut Encoder)) -> String {
    let mut encoder = Encoder::new();
    write(&mut encoder);
    String::from_utf8(encoder.take()).unwrap()
}

fn set(numbers: &[u32]) -> NumberSet {
    numbers.iter().copied().collect()
}

fn tag() -> Tag {
    Tag::new("a1").unwrap()
}

#[test]
fn status_responses() {
    let code =
        |code: ResponseCode| written(|encoder| encoder.untagged(Status::Ok, Some(&code), "x"));
    let flags = FlagList {
        system: SystemFlags::SEEN,
        keywords: vec![Keyword::new("$a").unwrap()],
    };
    for (given, expected) in [
        (ResponseCode::TryCreate, "TRYCREATE"),
        (ResponseCode::UnknownCte, "UNKNOWN-CTE"),
        (
            ResponseCode::BadCharset,
            "BADCHARSET (US-ASCII UTF-8 ISO-2022-JP Shift_JIS EUC-JP ISO-8859-1)",
        ),
        (ResponseCode::UidNext(7), "UIDNEXT 7"),
        (
            ResponseCode::HighestModSeq(u64::MAX),
            "HIGHESTMODSEQ 18446744073709551615",
        ),
        (
            ResponseCode::AppendUid {
                uid_validity: 3,
                uids: set(&[4, 5, 9]),
            },
            "APPENDUID 3 4:5,9",
        ),
        (
            ResponseCode::CopyUid {
                uid_validity: 3,
                source: set(&[1]),
                destination: set(&[2]),
            },
            "COPYUID 3 1 2",
        ),
        (ResponseCode::Modified(set(&[7, 9])), "MODIFIED 7,9"),
        (ResponseCode::MailboxId("F1".into()), "MAILBOXID (F1)"),
        (
            ResponseCode::PermanentFlags {
                flags,
                new_keywords: true,
            },
            "PERMANENTFLAGS (\\Seen $a \\*)",
        ),
        (
            ResponseCode::PermanentFlags {
                flags: FlagList::default(),
                new_keywords: false,
            },
            "PERMANENTFLAGS ()",
        ),
    ] {
        assert_eq!(code(given), format!("* OK [{expected}] x\r\n"));
    }
    assert_eq!(
        written(|encoder| encoder.tagged(&tag(), Status::No, None, "")),
        "a1 NO .\r\n"
    );
    assert_eq!(
        written(|encoder| encoder.bye(Some(&ResponseCode::Unavailable), "a\r\nb é")),
        "* BYE [UNAVAILABLE] a  b ?\r\n"
    );
    assert_eq!(
        written(|encoder| encoder.tagged(&tag(), Status::No, None, "[ALERT] x")),
        "a1 NO (ALERT] x\r\n"
    );
    assert_eq!(written(|encoder| encoder.string(b"a\0b")), "\"ab\"");
    assert_eq!(written(|encoder| encoder.challenge(b"")), "+ \r\n");
    assert_eq!(written(|encoder| encoder.challenge(b"ab")), "+ YWI=\r\n");
    assert_eq!(written(|encoder| encoder.id(&[])), "* ID NIL\r\n");
    assert_eq!(
        written(|encoder| encoder.enabled(["IMAP4REV2"])),
        "* ENABLED IMAP4REV2\r\n"
    );
}

#[test]
fn mailbox_responses() {
    let name = MailboxName::new("日本/a \"b\"").unwrap();
    let attributes = ListAttributes {
        has_children: Some(false),
        subscribed: true,
        ..ListAttributes::default()
    };
    let mut entry = ListEntry {
        special_use: &[SpecialUse::Sent],
        ..ListEntry::new(&name, attributes)
    };
    assert_eq!(
        written(|encoder| encoder.list(&entry)),
        "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" \"&ZeVnLA-/a \\\"b\\\"\"\r\n"
    );
    entry.child_subscribed = true;
    entry.old_name = Some(&name);
    let extended = written(|encoder| {
        encoder.set_utf8(true);
        encoder.list(&entry);
    });
    let tail = "\"日本/a \\\"b\\\"\" (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"日本/a \\\"b\\\"\"))\r\n";
    assert!(extended.ends_with(tail), "{extended}");
    assert_eq!(
        written(Encoder::list_delimiter),
        "* LIST (\\Noselect) \"/\" \"\"\r\n"
    );
    let inbox = MailboxName::new("INBOX").unwrap();
    assert_eq!(
        written(|encoder| encoder.lsub(&inbox, true)),
        "* LSUB (\\Noselect) \"/\" \"INBOX\"\r\n"
    );
    let data = [
        StatusData::Number(StatusItem::Messages, 0),
        StatusData::MailboxId("F1".into()),
    ];
    assert_eq!(
        written(|encoder| encoder.status(&inbox, &data)),
        "* STATUS \"INBOX\" (MESSAGES 0 MAILBOXID (F1))\r\n"
    );
    assert_eq!(
        written(Encoder::namespace),
        "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"
    );
    let storage = QuotaResource {
        name: "STORAGE",
        usage: 1,
        limit: 10,
    };
    assert_eq!(
        written(|encoder| encoder.quota("", &[storage])),
        "* QUOTA \"\" (STORAGE 1 10)\r\n"
    );
    assert_eq!(
        written(|encoder| encoder.quota_root(&inbox, &[""])),
        "* QUOTAROOT \"INBOX\" \"\"\r\n"
    );
}

#[test]
fn search_responses() {
    assert_eq!(written(|encoder| encoder.search([], None)), "* SEARCH\r\n");
    assert_eq!(
        written(|encoder| encoder.search([2, 84], Some(9))),
        "* SEARCH 2 84 (MODSEQ 9)\r\n"
    );
    assert_eq!(
        written(|encoder| encoder.sort([9, 1], None)),
        "* SORT 9 1\r\n"
    );
    assert_eq!(
        written(|encoder| encoder.sort([9, 1], Some(7))),
        "* SORT 9 1 (MODSEQ 7)\r\n"
    );
    let result = SearchResult {
        min: Some(1),
        count: Some(2),
        all: Some(set(&[1, 5])),
        mod_seq: Some(7),
        ..SearchResult::default()
    };
    assert_eq!(
        written(|encoder| encoder.esearch(&tag(), true, &result)),
        "* ESEARCH (TAG \"a1\") UID MIN 1 COUNT 2 ALL 1,5 MODSEQ 7\r\n"
    );
    let nothing = SearchResult {
        count: Some(0),
        all: Some(set(&[])),
        ..SearchResult::default()
    };
    assert_eq!(
        written(|encoder| encoder.esearch(&tag(), false, &nothing)),
        "* ESEARCH (TAG \"a1\") COUNT 0\r\n"
    );
    let sorted = SearchResult {
        sorted: Some(vec![5, 1]),
        ..SearchResult::default()
    };
    assert_eq!(
        written(|encoder| encoder.esearch(&tag(), false, &sorted)),
        "* ESEARCH (TAG \"a1\") ALL 5,1\r\n"
    );
    assert_eq!(
        written(|encoder| encoder.vanished(true, &set(&[300, 301]))),
        "* VANISHED (EARLIER) 300:301\r\n"
    );
    assert_eq!(written(|encoder| encoder.vanished(false, &set(&[]))), "");
}

#[test]
fn threads_as_in_rfc_5256() {
    fn node(number: u32, children: Vec<ThreadNode>) -> ThreadNode {
        ThreadNode {
            number: Some(number),
            children,
        }
    }
    let branch = node(
        3,
        vec![node(
            6,
            vec![
                node(4, vec![node(23, vec![])]),
                node(44, vec![node(7, vec![node(96, vec![])])]),
            ],
        )],
    );
    let orphans = ThreadNode {
        number: None,
        children: vec![node(3, vec![]), node(5, vec![])],
    };
    assert_eq!(
        written(|encoder| encoder.thread(&[node(2, vec![]), branch, orphans])),
        "* THREAD (2)(3 6 (4 23)(44 7 96))((3)(5))\r\n"
    );
    assert_eq!(written(|encoder| encoder.thread(&[])), "* THREAD\r\n");
}

#[test]
fn a_thread_longer_than_any_stack() {
    let mut node = ThreadNode::default();
    for number in 1..500_000 {
        let child = std::mem::take(&mut node);
        node.number = Some(number);
        if child.number.is_some() {
            node.children.push(child);
        }
    }
    assert!(written(|encoder| encoder.thread(std::slice::from_ref(&node))).ends_with(" 2 1)\r\n"));
}

#[test]
fn fetch_responses() {
    let mut flags = FlagList::system(SystemFlags::SEEN);
    flags.insert(Flag::Keyword(Keyword::new("$a").unwrap()));
    let section = Section {
        path: vec![1],
        text: SectionText::HeaderFieldsNot(vec!["To".into(), "odd(".into()]),
    };
    let response = written(|encoder| {
        let mut fetch = encoder.fetch(3);
        fetch.uid(9);
        fetch.flags(&flags);
        fetch.mod_seq(12);
        fetch.size(5);
        fetch.internal_date(DateTime::utc(Timestamp::UNIX_EPOCH));
        fetch.save_date(None);
        fetch.email_id("M1");
        fetch.thread_id(None);
        fetch.section(&section, None, Some(b"a\r\n"));
        fetch.section(&Section::default(), Some(5), Some(b""));
        fetch.section(
            &Section {
                path: vec![9],
                text: SectionText::Mime,
            },
            None,
            None,
        );
        fetch.binary(&[1, 2], Some(0), Some(b"\0"));
        fetch.binary_size(&[2], 4);
        fetch.rfc822_header(b"x");
        fetch.finish();
    });
    assert_eq!(
        response,
        "* 3 FETCH (UID 9 FLAGS (\\Seen $a) MODSEQ (12) RFC822.SIZE 5 INTERNALDATE \" 1-Jan-1970 00:00:00 +0000\" \
         SAVEDATE NIL EMAILID (M1) THREADID NIL BODY[1.HEADER.FIELDS.NOT (To \"odd(\")] {3}\r\na\r\n BODY[]<5> {0}\r\n \
         BODY[9.MIME] NIL BINARY[1.2]<0> ~{1}\r\n\0 BINARY.SIZE[2] 4 RFC822.HEADER {1}\r\nx)\r\n"
    );
    assert_eq!(written(|encoder| encoder.fetch(1).finish()), "");
}

#[test]
fn nul_goes_out_in_binary_only() {
    let mut encoder = Encoder::new();
    let mut fetch = encoder.fetch(1);
    fetch.rfc822(b"a\0b");
    fetch.binary(&[1], None, Some(b"a\0b"));
    fetch.finish();
    let expected = b"* 1 FETCH (RFC822 {3}\r\na\x80b BINARY[1] ~{3}\r\na\0b)\r\n";
    assert_eq!(encoder.bytes(), expected);
}

#[test]
fn a_large_body_goes_beside_the_encoder() {
    let mut encoder = Encoder::new();
    encoder.exists(1);
    let mut fetch = encoder.fetch(1);
    let mut sent = fetch.section_head(&Section::default(), None, 4);
    sent.extend_from_slice(b"body");
    fetch.uid(2);
    fetch.finish();
    sent.extend(encoder.take());
    assert_eq!(
        String::from_utf8_lossy(&sent),
        "* 1 EXISTS\r\n* 1 FETCH (BODY[] {4}\r\nbody UID 2)\r\n"
    );
}

#[test]
fn a_long_response_goes_piece_by_piece() {
    let mut encoder = Encoder::new();
    let mut fetch = encoder.fetch(1);
    let mut sent = Vec::new();
    assert!(!fetch.move_if_over(0, &mut sent), "it may stay empty");
    fetch.uid(2);
    assert!(fetch.move_if_over(5, &mut sent));
    assert!(!fetch.move_if_over(5, &mut sent));
    assert_eq!(sent, b"* 1 FETCH (UID 2");
    fetch.size(3);
    assert!(fetch.move_if_over(5, &mut sent));
    fetch.size(4);
    assert!(
        fetch.move_if_over(5, &mut sent),
        "it goes behind what waits"
    );
    sent.extend(fetch.binary_head(&[1], None, b"a\0"));
    sent.extend_from_slice(b"a\0");
    sent.extend(fetch.binary_head(&[2], Some(1), b"ab"));
    sent.extend_from_slice(b"ab");
    sent.extend(fetch.rfc822_text_head(2));
    sent.extend_from_slice(b"cd");
    fetch.finish();
    sent.extend(encoder.take());
    assert_eq!(
        String::from_utf8_lossy(&sent),
        "* 1 FETCH (UID 2 RFC822.SIZE 3 RFC822.SIZE 4 BINARY[1] ~{2}\r\na\0 BINARY[2]<1> {2}\r\nab RFC822.TEXT {2}\r\ncd)\r\n"
    );
}

proptest::proptest! {
    #[test]
    fn pieces_of_a_literal_are_what_the_encoder_writes(octets in "[\0a]{0,9}", blow in 0_usize..40_000) {
        let octets = [octets.as_bytes(), &vec![b'x'; blow], octets.as_bytes(), octets.as_bytes()].concat();
        let pieces: Vec<u8> = literal_pieces(&octets).flat_map(Cow::into_owned).collect();
        let mut encoder = Encoder::new();
        encoder.literal(&octets);
        let head = encoder.len() - octets.len();
        proptest::prop_assert_eq!(&pieces, &encoder.bytes()[head..]);
    }
}

const MESSAGE: &[u8] = b"Date: Mon, 1 Jan 2024 00:00:00 +0900\r\nSubject: a \"b\"\r\nFrom: Taro <taro@x.jp>\r\nTo: g: a@y.jp;, b@z.jp\r\n\
Message-ID: <1@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\nyou\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\
Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.pdf\r\nContent-Language: ja, en\r\n\r\nAAAA\r\n--b\r\n\
Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b--\r\n";

#[test]
fn envelope_and_structure() {
    let structure = Structure::parse(MESSAGE, &message::Limits::default());
    let inner = match &structure.root.content {
        Content::Multipart(parts) => parts,
        other => panic!("{other:?}"),
    };
    assert_eq!(inner.len(), 3);
    let header = message::header::Header::parse(MESSAGE, &message::Limits::default());
    let envelope = message::Envelope::of(&header, &message::Limits::default());
    let response = written(|encoder| {
        let mut fetch = encoder.fetch(1);
        fetch.envelope(&envelope);
        fetch.body(&structure.root);
        fetch.body_structure(&structure.root);
        fetch.finish();
    });
    let from = "((\"Taro\" NIL \"taro\" \"x.jp\"))";
    let to =
        "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"y.jp\")(NIL NIL NIL NIL)(NIL NIL \"b\" \"z.jp\"))";
    let inner = "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL)";
    let plain = "\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\"";
    let pdf = "\"application\" \"pdf\" (\"name\" \"a.pdf\") NIL NIL \"base64\" 4";
    let expected = format!(
        "* 1 FETCH (ENVELOPE (\"Mon, 1 Jan 2024 00:00:00 +0900\" \"a \\\"b\\\"\" {from} {from} {from} {to} NIL NIL NIL \"<1@x>\") \
         BODY (({plain} 7 2)({pdf})(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 16 {inner} ({plain} 1 1) 3) \"mixed\") \
         BODYSTRUCTURE (({plain} 7 2 NIL NIL NIL NIL)({pdf} NIL (\"attachment\" (\"filename\" \"a.pdf\")) (\"ja\" \"en\") NIL)\
         (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 16 {inner} ({plain} 1 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) \
         \"mixed\" (\"boundary\" \"b\") NIL NIL NIL))\r\n"
    );
    assert_eq!(response.to_lowercase(), expected.to_lowercase());
}

#[test]
fn raw_header_text_is_encoded_for_old_clients_only() {
    let envelope = message::Envelope {
        subject: Some("会議".into()),
        ..message::Envelope::default()
    };
    let subject = |utf8| {
        written(|encoder| {
            encoder.set_utf8(utf8);
            encoder.fetch(1).envelope(&envelope);
        })
    };
    assert!(
        subject(false).contains("NIL \"=?UTF-8?B?5Lya6K2w?=\""),
        "{}",
        subject(false)
    );
    assert!(subject(true).contains("NIL \"会議\""));
}

proptest! {
    #[test]
    fn strings_survive(octets in proptest::collection::vec(1u8..=255, 0..40), utf8: bool) {
        let mut out = Vec::new();
        write_string(&mut out, &octets, utf8);
        let limits = Limits::default();
        prop_assert_eq!(Parser::new(&Bytes::from(out), &limits, utf8).string().unwrap(), octets.clone());
        let mut out = Vec::new();
        write_astring(&mut out, &octets);
        prop_assert_eq!(Parser::new(&Bytes::from(out), &limits, utf8).astring().unwrap(), octets);
    }

    #[test]
    fn numbers_print_as_ever(number: u64) {
        let mut out = Vec::new();
        write_number(&mut out, number);
        prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
    }
}
