//! Megabytes made to be slow. Each reader must stay linear: what is quadratic would take hours here, so that
//! the generous bound tells one from the other on any machine.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::{Duration, Instant};

use message::{Limits, Summary, build, charset, dsn, header, text};

const SIZE: usize = 2_000_000;
const BOUND: Duration = Duration::from_secs(60);

fn read_everything(name: &str, raw: &[u8]) {
    let started = Instant::now();
    let limits = Limits::default();
    let summary = Summary::of(raw, &limits);
    let octets = summary.encode();
    assert_eq!(Summary::decode(&octets).unwrap(), summary, "{name}");
    let _ignored = (summary.base_subject(), summary.message_id());
    let words = text::searchable_headers(raw, &limits)
        + &text::searchable_body(raw, &summary.structure, &limits);
    let _ignored = text::fold(&words);
    let _ignored = dsn::parse_report(raw, &summary.structure, &limits);
    let _ignored = build::without_bcc(raw);
    let _ignored = build::received_count(raw);
    let took = started.elapsed();
    assert!(took < BOUND, "{name} took {took:?}");
}

fn fill(head: &str, piece: &str) -> Vec<u8> {
    format!("{head}{}", piece.repeat(SIZE / piece.len().max(1))).into_bytes()
}

#[test]
fn hostile_headers() {
    for (name, head, piece) in [
        ("one endless field", "Subject: ", "x"),
        ("words without end", "Subject: ", "=?utf-8?q?"),
        ("folds", "Subject: x\r\n", " =?\r\n"),
        ("blobs", "Subject: ", "[a]"),
        ("open comments", "From: ", "("),
        ("open brackets", "To: ", "<a@b"),
        ("quotes", "To: ", "\"\\"),
        ("groups", "To: ", "a:;"),
        ("parameters", "Content-Type: text/plain", ";a*0=\"x\""),
        ("identifiers", "References: ", "<"),
        ("fields", "", "To: a@b, c@d\r\n"),
        ("colons", "", ":\r\n"),
        ("escapes", "Subject: ", "\x1b$B"),
    ] {
        read_everything(name, &fill(head, piece));
    }
}

#[test]
fn hostile_bodies() {
    let mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    let html = "Content-Type: text/html; charset=iso-2022-jp\r\n\r\n";
    let nest: String = (0..40)
        .map(|n| {
            format!(
                "Content-Type: multipart/mixed; boundary={0}{n}\r\n\r\n--{0}{n}\r\n",
                "b".repeat(60)
            )
        })
        .collect();
    let boundary_like = format!("--{}\r\n", "b".repeat(60));
    for (name, head, piece) in [
        ("parts", mixed, "--b\r\n"),
        (
            "parts with headers",
            mixed,
            "--b\r\nContent-Type: message/rfc822\r\n\r\n",
        ),
        ("messages", "", "Content-Type: message/rfc822\r\n\r\n"),
        ("boundaries of forty", nest.as_str(), boundary_like.as_str()),
        ("tags", html, "<"),
        ("quoted tags", html, "<a \"> \""),
        ("scripts", html, "<script></"),
        ("comments", html, "<!--"),
        ("references", html, "&#"),
        ("escapes", html, "\x1b$B\x1b(B"),
        ("shifts", html, "\x0e\x0f"),
        (
            "report",
            "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n",
            "Final-Recipient: x\r\n\r\n",
        ),
        (
            "empty groups",
            "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n",
            "\r\n",
        ),
    ] {
        read_everything(name, &fill(head, piece));
    }
}

#[test]
fn hostile_texts() {
    let started = Instant::now();
    for label in ["utf-7", "iso-2022-jp", "us-ascii", "cp932"] {
        for piece in [b"+".as_slice(), b"+AA", b"\x1b", b"\xff", b"\xe3\x81"] {
            let _ignored = charset::decode(&piece.repeat(SIZE / piece.len()), label);
        }
    }
    let _ignored = header::decode_words(&"=?a?b?".repeat(SIZE / 6));
    assert!(started.elapsed() < BOUND);
}
