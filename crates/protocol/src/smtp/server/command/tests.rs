#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::smtp::{BodyKind, ForwardPath, Notify, Orcpt, Ret, ReversePath};

const ALL: Allowed = Allowed {
    extended: true,
    smtputf8: true,
    dsn: true,
    chunking: true,
    requiretls: true,
    auth: true,
    lenient_space: true,
    utf8_transaction: false,
};

fn mail(line: &str) -> Mail {
    match parse(line.as_bytes(), ALL) {
        Ok(Command::Mail(mail)) => mail,
        other => panic!("{line}: {other:?}"),
    }
}

fn rcpt(line: &str) -> Rcpt {
    match parse(line.as_bytes(), ALL) {
        Ok(Command::Rcpt(rcpt)) => rcpt,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused_with(line: &str, allowed: Allowed) -> String {
    match parse(line.as_bytes(), allowed) {
        Err(Mistake::Wrong(refusal)) => {
            let reply = refusal.into_reply();
            format!("{} {}", reply.code(), reply.status().unwrap())
        }
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(line: &str) -> String {
    refused_with(line, ALL)
}

#[test]
fn paths_are_read() {
    assert_eq!(mail("MAIL FROM:<>").reverse_path, ReversePath::Null);
    assert_eq!(
        mail("mail from: <a@x.jp> ").reverse_path.to_string(),
        "a@x.jp"
    );
    assert_eq!(
        mail("MAIL FROM:<\"a>b c\"@x.jp> SIZE=1")
            .reverse_path
            .to_string(),
        "\"a>b c\"@x.jp"
    );
    let routed = rcpt("RCPT TO:<@a.jp,@[IPv6:::1]:c@d.jp>");
    assert!(routed.source_route);
    assert_eq!(routed.forward_path.to_string(), "c@d.jp");
    assert!(!rcpt("RCPT TO:<c@d.jp>").source_route);
    assert_eq!(
        rcpt("RCPT TO:<PostMaster>").forward_path,
        ForwardPath::Postmaster
    );
}

#[test]
fn wrong_paths_are_refused() {
    for (line, expected) in [
        ("MAIL", "501 5.5.4"),
        ("MAIL FROM", "501 5.5.4"),
        ("MAIL FROM:", "501 5.1.7"),
        ("MAIL FROM:a@x.jp", "501 5.1.7"),
        ("MAIL FROM:<a@x.jp", "501 5.1.7"),
        ("MAIL FROM:<a@x.jp>SIZE=1", "501 5.5.4"),
        ("MAIL FROM:<a>", "553 5.1.7"),
        ("MAIL FROM:<postmaster>", "553 5.1.7"),
        ("MAIL FROM:<a@[127.0.0.1]>", "550 5.1.8"),
        ("MAIL TO:<a@x.jp>", "501 5.5.4"),
        ("RCPT TO:<>", "553 5.1.3"),
        ("RCPT TO:<a@[127.0.0.1]>", "550 5.1.2"),
        ("RCPT TO:<@:a@x.jp>", "553 5.1.3"),
        ("RCPT TO:<@a.jp>", "553 5.1.3"),
        ("RCPT TO:<@a.jp:>", "553 5.1.3"),
        ("RCPT TO:<a@b@x.jp>", "553 5.1.3"),
        ("RCPT TO:<a b@x.jp>", "553 5.1.3"),
    ] {
        assert_eq!(refused(line), expected, "{line}");
    }
    let strict = Allowed {
        lenient_space: false,
        ..ALL
    };
    assert_eq!(refused_with("MAIL FROM: <a@x.jp>", strict), "501 5.1.7");
}

#[test]
fn parameters_are_read() {
    let mail = mail(
        "MAIL FROM:<a@x.jp> size=100 BODY=8bitmime SMTPUTF8 REQUIRETLS RET=hdrs \
         ENVID=a+2Bb AUTH=<>",
    );
    assert_eq!(mail.size, Some(100));
    assert_eq!(mail.body, BodyKind::EightBitMime);
    assert!(mail.smtputf8 && mail.requiretls);
    assert_eq!(mail.ret, Some(Ret::Headers));
    assert_eq!(mail.envid.as_deref(), Some("a+b"));

    let rcpt = rcpt("RCPT TO:<a@x.jp> NOTIFY=success,DELAY ORCPT=rfc822;b+2Bc@y.jp");
    assert_eq!(
        rcpt.notify,
        Some(Notify::On {
            success: true,
            failure: false,
            delay: true
        })
    );
    assert_eq!(
        rcpt.orcpt,
        Some(Orcpt {
            kind: "rfc822".into(),
            address: "b+c@y.jp".into()
        })
    );
}

#[test]
fn wrong_parameters_are_refused() {
    for (parameters, expected) in [
        ("FOO=1", "555 5.5.4"),
        ("SIZE", "555 5.5.4"),
        ("NOTIFY=NEVER", "555 5.5.4"),
        ("SIZE=1 size=2", "501 5.5.4"),
        ("SIZE=-1", "501 5.5.4"),
        ("SIZE=", "501 5.5.4"),
        ("BODY=9BIT", "501 5.5.4"),
        ("RET=ALL", "501 5.5.4"),
        ("ENVID=", "501 5.5.4"),
        ("ENVID=a+0D+0Ab", "501 5.5.4"),
        ("AUTH=a+0", "501 5.5.4"),
        ("SMTPUTF8=1", "555 5.5.4"),
    ] {
        assert_eq!(
            refused(&format!("MAIL FROM:<a@x.jp> {parameters}")),
            expected,
            "{parameters}"
        );
    }
    for (parameters, expected) in [
        ("NOTIFY=", "501 5.5.4"),
        ("NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
        ("ORCPT=a@x.jp", "501 5.5.4"),
        ("ORCPT=rfc822;", "501 5.5.4"),
        ("ORCPT=rfc822;a+0Ab", "501 5.5.4"),
        ("SIZE=1", "555 5.5.4"),
    ] {
        assert_eq!(
            refused(&format!("RCPT TO:<a@x.jp> {parameters}")),
            expected,
            "{parameters}"
        );
    }
    assert_eq!(
        mail("MAIL FROM:<> SIZE=99999999999999999999").size,
        Some(u64::MAX)
    );
    let plain = Allowed {
        extended: false,
        ..ALL
    };
    assert_eq!(
        refused_with("MAIL FROM:<a@x.jp> SIZE=1", plain),
        "555 5.5.4"
    );
    let no_tls = Allowed {
        requiretls: false,
        ..ALL
    };
    assert_eq!(
        refused_with("MAIL FROM:<a@x.jp> REQUIRETLS", no_tls),
        "555 5.5.4"
    );
}

#[test]
fn utf8_needs_its_parameter() {
    assert_eq!(refused("MAIL FROM:<太郎@x.jp>"), "553 5.6.7");
    assert_eq!(
        mail("MAIL FROM:<太郎@例え.jp> SMTPUTF8")
            .reverse_path
            .to_string(),
        "太郎@xn--r8jz45g.jp"
    );
    assert_eq!(refused("RCPT TO:<太郎@x.jp>"), "553 5.6.7");
    let utf8 = Allowed {
        utf8_transaction: true,
        ..ALL
    };
    assert!(
        parse(
            "RCPT TO:<太郎@x.jp> ORCPT=utf-8;\\x{592A}@x.jp".as_bytes(),
            utf8
        )
        .is_ok()
    );
    assert!(matches!(
        parse(b"MAIL FROM:<\xff@x.jp>", ALL),
        Err(Mistake::Wrong(_))
    ));
}

#[test]
fn other_commands() {
    assert_eq!(
        parse(b"EHLO [192.0.2.1]", ALL),
        Ok(Command::Hello {
            extended: true,
            name: "[192.0.2.1]"
        })
    );
    assert_eq!(
        parse(b"bdat 10 last", ALL),
        Ok(Command::Bdat {
            size: 10,
            last: true
        })
    );
    for line in [
        "EXPN a",
        "ETRN a",
        "TURN",
        "",
        "FOO",
        "SEND FROM:<a@x.jp>",
        "GET / HTTP/1.1",
    ] {
        assert_eq!(parse(line.as_bytes(), ALL), Err(Mistake::Unknown), "{line}");
    }
    for line in [
        "EHLO",
        "EHLO a b",
        "HELO é",
        "NOOP é",
        "DATA x",
        "AUTH",
        "AUTH PLAIN  x",
        "VRFY",
        "QUIT x",
    ] {
        assert!(
            matches!(parse(line.as_bytes(), ALL), Err(Mistake::Wrong(_))),
            "{line}"
        );
    }
    for line in ["BDAT", "BDAT x", "BDAT 1 LASTE", "BDAT 1 LAST x", "BDAT -1"] {
        assert!(
            matches!(parse(line.as_bytes(), ALL), Err(Mistake::LostCount(_))),
            "{line}"
        );
    }
    assert!(matches!(parse(b"NOOP \0", ALL), Err(Mistake::Wrong(_))));
}

proptest! {
    #[test]
    fn arbitrary_lines_never_panic(
        verb in "(MAIL FROM:<|RCPT TO:<|BDAT |AUTH |EHLO )?",
        rest in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ignored = parse(&[verb.as_bytes(), &rest].concat(), ALL);
    }
}
