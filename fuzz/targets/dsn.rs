//! Delivery status notifications, read and written; bounces in free words; ENVID and ORCPT.
#![no_main]

use libfuzzer_sys::fuzz_target;
use message::{
    Address, Domain, Limits, StatusCode,
    bounce::{Bounce, MOST_FAILURES},
    dsn::{
        Action, OriginalRecipient, Recipient, Report, Returned, parse_report, utf8_addr_decode,
        utf8_addr_encode, xtext_decode, xtext_encode,
    },
    mime::Structure,
};

fuzz_target!(|octets: &[u8]| {
    let limits = Limits::default();
    let structure = Structure::parse(octets, &limits);
    if let Some(report) = parse_report(octets, &structure, &limits) {
        assert!(report.recipients.len() <= limits.addresses);
    }
    if let Some(bounce) = Bounce::of(octets, &limits) {
        assert!((1..=MOST_FAILURES).contains(&bounce.failures.len()));
        for failure in &bounce.failures {
            assert!(!failure.said.contains(char::is_control));
        }
    }
    let text = String::from_utf8_lossy(octets);
    for line in text.lines().take(10) {
        parameters(line);
    }
    write(octets, &text);
});

fn parameters(text: &str) {
    if let Some(decoded) = xtext_decode(text) {
        let encoded = xtext_encode(&decoded);
        assert!(encoded.len() > 1000 || xtext_decode(&encoded) == Some(decoded));
    }
    if let Some(decoded) = utf8_addr_decode(text) {
        let encoded = utf8_addr_encode(&decoded);
        assert!(encoded.is_ascii());
        assert!(encoded.len() > 1000 || utf8_addr_decode(&encoded) == Some(decoded));
    }
    if let Some(original) = OriginalRecipient::parse(text) {
        let parameter = original.to_parameter();
        assert!(parameter.is_ascii() && !parameter.contains(char::is_control));
        assert!(parameter.len() > 1000 || OriginalRecipient::parse(&parameter) == Some(original));
    }
    if let Some(status) = StatusCode::parse(text) {
        assert_eq!(StatusCode::parse(&status.to_string()), Some(status));
    }
}

/// A report with peers' words in it can travel, and tells what it was given.
fn write(octets: &[u8], text: &str) {
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default();
    let (to, recipient) = (address(next()), address(next()));
    let (Some(to), Some(recipient), Ok(mta)) = (to, recipient, Domain::parse("mx.example.jp"))
    else {
        return;
    };
    let original = OriginalRecipient::parse(next());
    let action = next().parse().unwrap_or(Action::Failed);
    let status = StatusCode::parse(next()).unwrap_or(StatusCode::permanent(1, 1));
    let recipients = [Recipient {
        address: recipient,
        original,
        action,
        status,
        remote_mta: Some(next()),
        diagnostic: Some(text),
        last_attempt: None,
        will_retry_until: None,
    }];
    for returned in [
        Returned::Full(octets),
        Returned::Header(octets),
        Returned::Nothing,
    ] {
        let built = Report {
            reporting_mta: &mta,
            to: &to,
            envid: Some(text),
            arrived: None,
            at: jiff::Timestamp::UNIX_EPOCH,
            offset_minutes: 540,
            unique: "u1",
            recipients: &recipients,
            returned,
        }
        .build();
        assert!(fuzz::are_clean_lines(&built.message));
        assert!(!built.message.contains(&0));
        assert!(
            built
                .message
                .split(|&octet| octet == b'\n')
                .all(|line| line.len() <= 999)
        );
        assert!(built.needs_smtputf8 == to.needs_smtputf8());
        let limits = Limits::default();
        let structure = Structure::parse(&built.message, &limits);
        let Some(report) = parse_report(&built.message, &structure, &limits) else {
            panic!("our own report is none");
        };
        let [told] = report.recipients.as_slice() else {
            panic!("{report:?}");
        };
        let [meant] = &recipients;
        assert_eq!(told.address.as_ref(), Some(&meant.address));
        assert_eq!(
            (told.action, told.status),
            (Some(meant.action), Some(meant.status))
        );
    }
}

fn address(line: &str) -> Option<Address> {
    Address::parse(line).ok()
}
