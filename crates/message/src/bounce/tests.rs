#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

fn read(raw: &str) -> Option<Bounce> {
    Bounce::of(raw.replace('\n', "\r\n").as_bytes(), &Limits::default())
}

#[track_caller]
fn only(raw: &str) -> (String, Cause, bool) {
    let bounce = read(raw).expect("a bounce");
    assert_eq!(bounce.failures.len(), 1, "{bounce:?}");
    let failure = &bounce.failures[0];
    let address = failure.address.as_ref().map(ToString::to_string);
    (
        address.unwrap_or_default(),
        failure.cause,
        failure.permanent,
    )
}

fn free(from: &str, subject: &str, text: &str) -> String {
    format!(
        "From: {from}\nTo: <tanaka@city.example>\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{text}"
    )
}

/// In the manner of programs that write no RFC 3464: what they say is ours, how they say it is theirs.
#[test]
fn free_words_of_many_programs() {
    for (from, subject, text, address, cause, permanent) in [
        (
            "MAILER-DAEMON@isp.example",
            "failure notice",
            "Hi. This is the program at isp.example.\n\n<a@isp.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n\
             --- Below this line is a copy of the message.\n\nMessage-ID: <1@city.example>\nTo: <other@isp.example>\n",
            "a@isp.example",
            Cause::NoMailbox,
            true,
        ),
        (
            "Mail Delivery System <Mailer-Daemon@mx.example>",
            "Mail delivery failed: returning message to sender",
            "A message that you sent could not be delivered. This is a permanent error.\n\n  b@far.example\n    \
             SMTP error from remote mail server after RCPT TO:<b@far.example>:\n    550 Mailbox quota exceeded\n\n\
             ------ This is a copy of the message ------\n",
            "b@far.example",
            Cause::MailboxFull,
            true,
        ),
        (
            "\"postmaster\" <postmaster@keitai.example>",
            "メール送信失敗",
            "次の宛先へメールを届けられませんでした。\n\n宛先: c@keitai.example\n理由: 宛先不明 (550 User unknown)\n",
            "c@keitai.example",
            Cause::NoMailbox,
            true,
        ),
        (
            "Mail Administrator<Postmaster@keitai2.example>",
            "Mail System Error - Returned Mail",
            "This Message was undeliverable due to the following reason:\n\nEach of the following recipients was rejected by a remote \
             mail server.\n\n    Recipient: <d@keitai2.example>\n    Reason:    迷惑メールとして受信拒否\n",
            "d@keitai2.example",
            Cause::NotWanted,
            true,
        ),
        (
            "MAILER-DAEMON@old.example (Mail Delivery Subsystem)",
            "Warning: could not send message for past 4 hours",
            "The original message was received\n\n   ----- Transcript of session follows -----\n<e@slow.example>... Deferred: \
             Connection timed out with mx.slow.example.\n451 4.4.1 will keep trying\n",
            "e@slow.example",
            Cause::NotReached,
            false,
        ),
        (
            "postmaster@corp.example",
            "配信不能: 会議の件",
            "「f@corp.example」への配信に失敗しました。\nメールのサイズが大きすぎます。\n",
            "f@corp.example",
            Cause::TooLarge,
            true,
        ),
        (
            "MAILER-DAEMON@gone.example",
            "Undeliverable: hello",
            "g@nowhere.example: host not found, 5.4.4\n",
            "g@nowhere.example",
            Cause::NoServer,
            true,
        ),
        (
            "MAILER-DAEMON@strict.example",
            "Returned mail: see transcript for details",
            "<h@strict.example>: 550 5.7.1 Message rejected, SPF check failed\n",
            "h@strict.example",
            Cause::NotBelieved,
            true,
        ),
    ] {
        let found = only(&free(from, subject, text));
        assert_eq!(found, (address.to_owned(), cause, permanent), "{subject}");
    }
    let raw = free(
        "MAILER-DAEMON@isp.example",
        "failure notice",
        "<a@isp.example>:\n550 no such user\n\n--- Below this line is a copy of the message.\n\nMessage-ID: <1@city.example>\n",
    );
    assert_eq!(
        read(&raw).unwrap().message_id.as_deref(),
        Some("1@city.example")
    );
}

#[test]
fn several_recipients_each_with_its_own() {
    let bounce = read(&free(
        "MAILER-DAEMON@isp.example",
        "Undelivered Mail Returned to Sender",
        "<a@isp.example>: host mx said: 550 5.1.1 unknown\n\n<b@isp.example>: host mx said:\n    452 4.2.2 try later\n",
    ))
    .unwrap();
    let causes: Vec<Cause> = bounce
        .failures
        .iter()
        .map(|failure| failure.cause)
        .collect();
    assert_eq!(causes, [Cause::NoMailbox, Cause::MailboxFull]);
    assert!(bounce.failures[0].permanent && !bounce.failures[1].permanent);
}

#[test]
fn the_standard_form_is_read_as_such() {
    let report = |action: &str, status: &str, said: &str| {
        format!(
            "From: MAILER-DAEMON@x.example\nSubject: x\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nwords\n--b\n\
             Content-Type: message/delivery-status\n\nReporting-MTA: dns; x.example\n\n\
             Final-Recipient: rfc822; a@x.example\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {said}\n\n--b--\n"
        )
    };
    for (action, status, said, cause) in [
        ("failed", "5.1.1", "550 x", Cause::NoMailbox),
        ("failed", "5.0.0", "550 User unknown", Cause::NoMailbox),
        (
            "failed",
            "5.7.1",
            "550 blocked by our list",
            Cause::NotWanted,
        ),
        ("failed", "5.7.26", "550 x", Cause::NotBelieved),
        ("failed", "5.1.10", "556 x", Cause::NoServer),
        ("delayed", "4.4.7", "x", Cause::NotReached),
        ("failed", "5.4.6", "x", Cause::Loop),
        ("failed", "5.9.9", "x", Cause::Other),
    ] {
        let found = only(&report(action, status, said));
        assert_eq!(
            found,
            ("a@x.example".to_owned(), cause, action == "failed"),
            "{status}"
        );
    }
    assert_eq!(read(&report("delivered", "2.0.0", "250 ok")), None);
}

#[test]
fn what_is_no_bounce_is_none() {
    for (from, subject, text) in [
        (
            "yamada@isp.example",
            "会議の件",
            "550 5.1.1 <a@x.example> user unknown\n",
        ),
        (
            "yamada@isp.example",
            "Re: my undelivered parcels",
            "none here\n",
        ),
        (
            "postmaster@isp.example",
            "Report domain: city.example",
            "a@x.example dmarc failed\n",
        ),
        (
            "postmaster@isp.example",
            "hello",
            "no address here, user unknown\n",
        ),
        (
            "postmaster@isp.example",
            "hello",
            "please call a@isp.example\n",
        ),
    ] {
        assert_eq!(read(&free(from, subject, text)), None, "{subject}");
    }
}

proptest! {
    #[test]
    fn nothing_hostile_ends_it(octets in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut raw = b"From: MAILER-DAEMON@x.example\r\nSubject: failure notice\r\n\r\n".to_vec();
        raw.extend(&octets);
        if let Some(bounce) = Bounce::of(&raw, &Limits::default()) {
            prop_assert!(bounce.failures.len() <= MOST_FAILURES);
            prop_assert!(bounce.failures.iter().all(|failure| failure.said.chars().count() <= MOST_SAID));
        }
    }

    #[test]
    fn words_that_look_like_it_end_it_neither(
        words in proptest::collection::vec(proptest::sample::select(vec!["<a@x.example>", "550", "5.1.1", "\r\n", " ", "user unknown", "Message-ID:", "「", "…", "@", "."]), 0..300),
    ) {
        let raw = format!("From: postmaster@x.example\r\nSubject: failure notice\r\n\r\n{}", words.concat());
        let bounce = Bounce::of(raw.as_bytes(), &Limits::default());
        prop_assert!(bounce.is_none_or(|bounce| bounce.failures.len() <= MOST_FAILURES));
    }
}
