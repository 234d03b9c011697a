//! What the driver is told of that came to nothing: authentications, transactions, limits.

use super::*;
use crate::sasl::server::Failure;

/// What fails before the driver is asked is told of, with the name when there was one.
#[test]
fn failures_before_a_password_are_told_of() {
    for (sent, failure, identity) in [
        ("AUTH PLAIN ???\r\n", Failure::Unreadable, None),
        ("AUTH LOGIN\r\nYQ==\r\n*\r\n", Failure::Cancelled, Some("a")),
        (
            "AUTH LOGIN\r\nYQ==\r\n???\r\n",
            Failure::Unreadable,
            Some("a"),
        ),
        ("AUTH PLAIN\r\n*\r\n", Failure::Cancelled, None),
        (
            "AUTH PLAIN YgBhAHB3\r\n",
            Failure::OtherAuthorization,
            Some("a"),
        ),
    ] {
        let mut driver = submission();
        driver.feed(sent.as_bytes());
        let failed = driver.failed.pop().unwrap();
        assert_eq!(
            (failed.failure, failed.identity.as_deref()),
            (failure, identity),
            "{sent}"
        );
        let before_tls = driver.failed.pop().unwrap();
        assert_eq!(before_tls.failure, Failure::Unprotected);
    }
}

/// Whatever ends a session in the middle of a transaction, the driver hears of the transaction and of the words.
#[test]
fn a_transaction_that_the_session_ends_is_told_of() {
    const BEGIN: &str = "EHLO c\r\nMAIL FROM:<a@x.jp>\r\nRCPT TO:<b@x.jp>\r\n";
    let long = "x".repeat(3000);
    for (then, code) in [
        ("DATA\r\n".to_owned(), "421"),
        (String::new(), "421"),
        (format!("NOOP {long}\r\n"), "500"),
        ("NOOP\n".to_owned(), "500"),
        ("BDAT x\r\n".to_owned(), "501"),
        ("JUNK\r\n".repeat(11), "421"),
        (format!("DATA\r\n{}", "x\r\n".repeat(2000)), "552"),
    ] {
        let mut driver = Driver::new(exchange());
        driver.feed(BEGIN.as_bytes());
        driver.feed(then.as_bytes());
        driver
            .session
            .close(&Refusal::new::<421>(Detail::NOT_ACCEPTING, "Going down"));
        while driver.step() {}
        let told = driver.seen.iter().filter(|seen| {
            (seen.starts_with("Ended") || seen.starts_with("Content")) && seen.contains(code)
        });
        assert_eq!(told.count(), 1, "{then:.20}: {:?}", driver.seen);
    }
    // The client's own end is no refusal.
    let mut driver = Driver::new(exchange());
    driver.feed(format!("{BEGIN}QUIT\r\n").as_bytes());
    assert_eq!(driver.seen, ["Closed"]);
}

/// The command that reached a limit is named, or nobody could tell that it was a MAIL.
#[test]
fn what_reached_a_limit_is_named() {
    let mut driver = Driver::new(exchange());
    driver.feed(b"EHLO c\r\n");
    driver.feed(&b"MAIL FROM:<a@x.jp>\r\nRSET\r\n".repeat(4));
    assert_eq!(driver.seen.last().unwrap(), "MAIL");
    assert!(driver.is_closed());
}
