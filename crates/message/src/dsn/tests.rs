#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::{Address, Domain, Limits, StatusCode, header::Header, mime::Structure};

const ORIGINAL: &[u8] = b"From: a@x.jp\r\nMessage-ID: <orig@x.jp>\r\nSubject: hi\r\n\r\nbody\r\n";

struct Case {
    mta: Domain,
    to: Address,
    recipients: Vec<Recipient<'static>>,
}

impl Case {
    fn new(to: &str, recipient: &str) -> Self {
        Self {
            mta: Domain::parse("mx.y.jp").unwrap(),
            to: Address::parse(to).unwrap(),
            recipients: vec![Recipient {
                address: Address::parse(recipient).unwrap(),
                original: OriginalRecipient::parse("rfc822;first+2Btag@y.jp"),
                action: Action::Failed,
                status: StatusCode::permanent(1, 1),
                remote_mta: Some("mail.z.jp"),
                diagnostic: Some("550 5.1.1 No such user\r\nEvil: 1"),
                last_attempt: Some("2024-01-01T01:00:00Z".parse().unwrap()),
                will_retry_until: None,
            }],
        }
    }

    fn build(&self, returned: Returned<'_>) -> Notification {
        Report {
            reporting_mta: &self.mta,
            to: &self.to,
            envid: Some("env=1"),
            arrived: Some("2024-01-01T00:00:00Z".parse().unwrap()),
            at: "2024-01-01T02:00:00Z".parse().unwrap(),
            offset_minutes: 540,
            unique: "u1",
            recipients: &self.recipients,
            returned,
        }
        .build()
    }
}

fn read(message: &[u8]) -> StatusReport {
    let limits = Limits::default();
    parse_report(message, &Structure::parse(message, &limits), &limits).expect("no report")
}

fn types(message: &[u8]) -> Vec<String> {
    let s = Structure::parse(message, &Limits::default());
    s.root
        .children()
        .iter()
        .map(|p| format!("{}/{}", p.content_type.kind, p.content_type.subtype))
        .collect()
}

#[test]
fn what_is_written_reads_back() {
    let case = Case::new("a@x.jp", "b@z.jp");
    let built = case.build(Returned::Full(ORIGINAL));
    assert!(!built.needs_smtputf8 && !built.is_8bit);
    assert_eq!(
        types(&built.message),
        ["text/plain", "message/delivery-status", "message/rfc822"]
    );
    let report = read(&built.message);
    assert_eq!(report.envid.as_deref(), Some("env=1"));
    assert_eq!(report.reporting_mta.as_deref(), Some("mx.y.jp"));
    assert_eq!(report.message_id.as_deref(), Some("orig@x.jp"));
    let [r] = report.recipients.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!(r.address.as_ref().unwrap(), &case.recipients[0].address);
    assert_eq!(r.original.as_ref().unwrap().address, "first+tag@y.jp");
    assert_eq!(r.action, Some(Action::Failed));
    assert_eq!(r.status, Some(StatusCode::permanent(1, 1)));
    assert_eq!(r.remote_mta.as_deref(), Some("mail.z.jp"));
    assert_eq!(
        r.diagnostic.as_deref(),
        Some("550 5.1.1 No such user Evil: 1")
    );
}

#[test]
fn people_can_read_it_in_two_languages() {
    let built = Case::new("a@x.jp", "b@例え.jp").build(Returned::Nothing);
    let s = Structure::parse(&built.message, &Limits::default());
    let text = s.part(&[1]).unwrap().decoded_body(&built.message).unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    for words in [
        "could not be delivered",
        "配信できませんでした",
        "<b@例え.jp>",
        "550 5.1.1 No such user  Evil",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let header = Header::parse(&built.message, &Limits::default());
    assert_eq!(
        header.text("subject").unwrap(),
        "Undelivered mail / 配信できなかったメール"
    );
    assert_eq!(header.text("auto-submitted").unwrap(), "auto-replied");
    assert_eq!(
        types(&built.message),
        ["text/plain", "message/delivery-status"]
    );
}

#[test]
fn a_delay_says_until_when() {
    let mut case = Case::new("a@x.jp", "b@z.jp");
    case.recipients[0].action = Action::Delayed;
    case.recipients[0].will_retry_until = Some("2024-01-06T01:00:00Z".parse().unwrap());
    let built = case.build(Returned::Header(ORIGINAL));
    let raw = String::from_utf8(built.message.clone()).unwrap();
    assert!(raw.contains("Will-Retry-Until: Sat, 06 Jan 2024 10:00:00 +0900"));
    let s = Structure::parse(&built.message, &Limits::default());
    let text = s
        .part(&[1])
        .unwrap()
        .decoded_body(&built.message)
        .unwrap()
        .into_owned();
    assert!(
        String::from_utf8(text)
            .unwrap()
            .contains("再送の期限: 2024-01-06 01:00 UTC")
    );
}

#[test]
fn every_line_can_be_sent() {
    let mut case = Case::new("a@x.jp", "b@z.jp");
    let long: &'static str = Box::leak("x".repeat(3000).into_boxed_str());
    case.recipients[0].diagnostic = Some(long);
    let built = case.build(Returned::Full(ORIGINAL));
    for line in built.message.split_inclusive(|b| *b == b'\n') {
        assert!(
            line.ends_with(b"\r\n") && line.len() <= 1000,
            "{:?}",
            String::from_utf8_lossy(line)
        );
    }
}

#[test]
fn headers_only_when_asked_or_when_the_whole_cannot_travel() {
    let case = Case::new("a@x.jp", "b@z.jp");
    let headers = [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ];
    let built = case.build(Returned::Header(ORIGINAL));
    assert_eq!(types(&built.message), headers);
    assert_eq!(
        read(&built.message).message_id.as_deref(),
        Some("orig@x.jp")
    );
    let long = [ORIGINAL, "x".repeat(2000).as_bytes(), b"\r\n"].concat();
    assert_eq!(types(&case.build(Returned::Full(&long)).message), headers);
    assert_eq!(
        types(
            &case
                .build(Returned::Full(&[ORIGINAL, b"a\nb"].concat()))
                .message
        ),
        headers
    );
}

#[test]
fn smtputf8_addresses() {
    // A sender without SMTPUTF8 learns of an international recipient in ASCII.
    let built = Case::new("a@x.jp", "会@z.jp").build(Returned::Full(ORIGINAL));
    assert!(built.message.is_ascii() && !built.needs_smtputf8);
    assert!(
        String::from_utf8_lossy(&built.message).contains("Final-Recipient: utf-8; \\x{4F1A}@z.jp")
    );
    assert_eq!(
        read(&built.message).recipients[0]
            .address
            .as_ref()
            .unwrap()
            .local(),
        "会"
    );

    let built = Case::new("議@x.jp", "会@z.jp").build(Returned::Full(ORIGINAL));
    assert!(built.needs_smtputf8 && built.is_8bit);
    assert_eq!(
        types(&built.message),
        [
            "text/plain",
            "message/global-delivery-status",
            "message/global"
        ]
    );
    assert_eq!(
        read(&built.message).recipients[0]
            .address
            .as_ref()
            .unwrap()
            .local(),
        "会"
    );
}

#[test]
fn a_returned_message_cannot_end_the_report() {
    let evil = b"Subject: x\r\n\r\n--=_u1--\r\n--=_u1\r\nContent-Type: text/html\r\n\r\nevil\r\n";
    let built = Case::new("a@x.jp", "b@z.jp").build(Returned::Full(evil));
    assert_eq!(types(&built.message).len(), 3);
}

#[test]
fn reports_of_others() {
    let raw = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry\r\n--b\r\n\
        Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.z.jp\r\n\r\n\r\n\
        Final-Recipient: RFC822; <b@z.jp>\r\nAction: FAILED (really)\r\nStatus: 5.2.2 (full)\r\n\
        Diagnostic-Code: smtp; 552 5.2.2\r\n Mailbox full\r\n\r\nFinal-Recipient: x400; what\r\nAction: odd\r\n--b--\r\n";
    let report = read(raw);
    assert_eq!(report.reporting_mta.as_deref(), Some("mx.z.jp"));
    let [first, second] = report.recipients.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!(first.address.as_ref().unwrap().to_string(), "b@z.jp");
    assert_eq!(
        (first.action, first.status),
        (Some(Action::Failed), Some(StatusCode::permanent(2, 2)))
    );
    assert_eq!(first.diagnostic.as_deref(), Some("552 5.2.2 Mailbox full"));
    assert_eq!((second.action, second.address.clone()), (None, None));
}

proptest! {
    #[test]
    fn hostile_reports_never_panic(pieces in prop::collection::vec(prop::sample::select(vec![
        "Final-Recipient: ", "rfc822;", "utf-8; \\x{4F1A}", "a@x.jp", "Action: failed", "Status: 5.1.1", "\r\n", "\n", "Diagnostic-Code: ;",
        "Original-Recipient: ;", ": ", " ",
    ]), 0..40)) {
        let head = "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n";
        let raw = format!("{head}{}", pieces.concat());
        let report = read(raw.as_bytes());
        prop_assert!(report.recipients.len() <= pieces.len());
    }

    #[test]
    fn a_hostile_diagnostic_adds_no_field(words in any::<String>()) {
        let mut case = Case::new("a@x.jp", "b@z.jp");
        let leaked: &'static str = Box::leak(words.into_boxed_str());
        case.recipients[0].diagnostic = Some(leaked);
        let built = case.build(Returned::Full(ORIGINAL));
        prop_assert_eq!(read(&built.message).recipients.len(), 1);
        prop_assert!(built.message.is_ascii());
    }
}
