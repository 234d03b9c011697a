//! A mail program logs in, looks around, reads, keeps, marks and removes mail.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use retrieval::{Listener, Settings};
use site::{Site, TARO};
use trail::{Actor, Kind};

const MAIL: &str = "From: Hanako <hanako@example.com>\r\nTo: taro@example.jp\r\nSubject: lunch\r\n\
    Date: Mon, 2 Nov 2026 09:00:00 +0900\r\nMessage-ID: <1@example.com>\r\n\r\nAt noon?\r\n";

#[tokio::test]
async fn a_password_is_not_taken_in_the_clear() {
    let site = Site::open().await;
    let (mut client, greeting) = site.connect_to(Listener::Imap, "203.0.113.1:9").await;
    assert!(
        greeting.starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 "),
        "{greeting}"
    );
    assert!(greeting.contains("STARTTLS") && greeting.contains("LOGINDISABLED"));
    assert!(!greeting.contains("AUTH="), "{greeting}");
    let end = client.refused("LOGIN a b").await;
    assert!(end.starts_with("NO [PRIVACYREQUIRED]"), "{end}");
    assert!(
        client
            .refused("AUTHENTICATE PLAIN")
            .await
            .starts_with("NO [PRIVACYREQUIRED]")
    );
    assert!(client.refused("SELECT INBOX").await.starts_with("BAD"));
}

/// Clause 4.2(1)c: a login that is refused before any proof was looked at is one that failed.
#[tokio::test]
async fn logins_without_a_proof_are_recorded_and_bounded() {
    let site = Site::open().await;
    let (mut stranger, _) = site.connect_to(Listener::Imap, "203.0.113.1:9").await;
    stranger.refused(&format!("LOGIN {TARO} secret")).await;
    let mut client = site.connect(Listener::Imap).await;
    let end = client.refused("AUTHENTICATE X-ODD").await;
    assert!(end.starts_with("NO [CANNOT]"), "{end}");
    client
        .play("C: c AUTHENTICATE PLAIN\nS: +…\nC: *\nS: c BAD Cancelled")
        .await;
    client
        .play("C: d AUTHENTICATE PLAIN\nS: +…\nC: ?\nS: d BAD …\nS: * BYE …")
        .await;
    assert!(client.is_closed().await);
    let events = site.events(Kind::AuthenticationFailed).await;
    let reason = |event: &trail::Recorded| event.event.detail["reason"].clone();
    let reasons: Vec<_> = events.iter().map(reason).collect();
    assert_eq!(
        reasons,
        [
            "privacy-required",
            "no-such-mechanism",
            "cancelled",
            "malformed"
        ]
    );
    let first = &events[0].event;
    assert_eq!(first.actor, Actor::Identifier(TARO.to_owned()));
    assert_eq!(first.outcome, trail::Outcome::Refused);
    assert_eq!(first.detail["mechanism"], "LOGIN");
    assert_eq!(first.address.unwrap().to_string(), "203.0.113.1");
    assert!(!format!("{events:?}").contains("secret"));
}

/// What a program says it is may come before the login or after it.
#[tokio::test]
async fn the_session_tells_the_program() {
    let site = Site::open().await;
    let mut client = site.imap().await;
    let long = "x".repeat(900);
    client
        .ok(&format!("ID (\"name\" \"Mail\" \"version\" \"{long}\")"))
        .await;
    client.ask("LOGOUT").await;
    let session = site.session_event().await.event;
    let told = session.detail["client"].as_str().unwrap();
    assert!(told.starts_with("Mail xxx") && told.len() == 200, "{told}");
}

#[tokio::test]
async fn unselect_removes_nothing() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    client.append("INBOX", "(\\Deleted)", MAIL).await;
    client.ok("UNSELECT").await;
    assert!(client.refused("FETCH 1 FLAGS").await.starts_with("BAD"));
    let kept = client.ok("STATUS INBOX (MESSAGES DELETED)").await;
    assert!(kept.contains("(MESSAGES 1 DELETED 1)"), "{kept}");
    client.ok("SELECT INBOX").await;
    client.ok("CLOSE").await;
    let kept = client.ok("STATUS INBOX (MESSAGES)").await;
    assert!(kept.contains("(MESSAGES 0)"), "{kept}");
}

#[tokio::test]
async fn wrong_passwords_end_the_session() {
    let site = Site::open().await;
    let mut client = site.connect(Listener::Imap).await;
    for _ in 0..2 {
        let end = client.refused(&format!("LOGIN {TARO} wrong")).await;
        assert!(end.starts_with("NO [AUTHENTICATIONFAILED]"), "{end}");
    }
    client.send(format!("x LOGIN {TARO} wrong\r\n")).await;
    assert!(
        client
            .line()
            .await
            .starts_with("x NO [AUTHENTICATIONFAILED]")
    );
    assert!(client.line().await.starts_with("* BYE"));
    assert!(client.is_closed().await);
    assert_eq!(site.events(Kind::AuthenticationFailed).await.len(), 3);
}

#[tokio::test]
async fn plain_and_scram_log_in() {
    use protocol::sasl::{ChannelBindings, Mechanism, Nonce, Secret, client, wire};
    let site = Site::open().await;
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256] {
        let mut client = site.connect(Listener::Imap).await;
        let login = client::Login {
            identity: TARO.to_owned(),
            password: Secret::from(site.password.as_str()),
            nonce: Nonce::new([7; 24]),
            bindings: ChannelBindings::none(),
            plus_offered: false,
        };
        let mut exchange = client::Exchange::new(mechanism, login).unwrap();
        let initial = exchange
            .initial()
            .map(|first| wire::encode_initial(first.expose()));
        let initial = initial.map(|text| format!(" {text}")).unwrap_or_default();
        client
            .send(format!("a AUTHENTICATE {mechanism}{initial}\r\n"))
            .await;
        loop {
            let line = client.line().await;
            if let Some(challenge) = line.strip_prefix("+ ") {
                let wire::ClientLine::Response(challenge) =
                    wire::decode_line(challenge.as_bytes(), 9999).unwrap()
                else {
                    panic!("{line}")
                };
                let answer = exchange.respond(challenge.expose()).unwrap();
                client
                    .send(format!("{}\r\n", wire::encode(answer.expose())))
                    .await;
            } else {
                assert!(line.starts_with("a OK [CAPABILITY "), "{mechanism}: {line}");
                break;
            }
        }
        exchange.finish().unwrap();
        client.ok("SELECT INBOX").await;
    }
}

#[tokio::test]
async fn a_message_is_kept_read_marked_and_removed() {
    let site = Site::open().await;
    let mut client = site.imap().await;
    let end = client.append("INBOX", "(\\Flagged $Work)", MAIL).await;
    assert!(end.starts_with("OK [APPENDUID "), "{end}");
    let selected = client.ok("SELECT INBOX").await;
    for part in [
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)",
        "* 1 EXISTS",
        "* 0 RECENT",
        "* OK [UNSEEN 1]",
        "\\*)]",
        "[UIDNEXT 2]",
        "[MAILBOXID (",
        "OK [READ-WRITE]",
    ] {
        assert!(selected.contains(part), "{part} in {selected}");
    }
    let size = MAIL.len();
    let facts = client
        .ok("FETCH 1 (UID FLAGS RFC822.SIZE ENVELOPE BODY)")
        .await;
    assert!(facts.contains(&format!("UID 1 FLAGS (\\Flagged $Work) RFC822.SIZE {size} ENVELOPE (\"Mon, 2 Nov 2026 09:00:00 +0900\" \"lunch\" ((\"Hanako\" NIL \"hanako\" \"example.com\"))")), "{facts}");
    assert!(
        facts
            .contains("BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 1)")
            || facts.contains("BODY (\"TEXT\" \"PLAIN\""),
        "{facts}"
    );
    let peeked = client
        .ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        .await;
    assert!(
        peeked.contains("* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {18}\r\nSubject: lunch\r\n\r\n)"),
        "{peeked}"
    );
    let read = client.ok("FETCH 1 BODY[]").await;
    assert!(
        read.contains(&format!("* 1 FETCH (BODY[] {{{size}}}\r\n{MAIL})")),
        "{read}"
    );
    assert!(
        read.contains("* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen $Work))"),
        "{read}"
    );
    let part = client.ok("UID FETCH 1 BODY.PEEK[TEXT]<3.4>").await;
    assert!(
        part.contains("* 1 FETCH (UID 1 BODY[TEXT]<3> {4}\r\nnoon)"),
        "{part}"
    );
    let none = client.ok("FETCH 1 BODY.PEEK[7]").await;
    assert!(none.contains("BODY[7] NIL"), "{none}");
    let marked = client.ok("STORE 1 +FLAGS (\\Deleted)").await;
    assert!(
        marked.contains("FLAGS (\\Flagged \\Deleted \\Seen $Work)"),
        "{marked}"
    );
    let silent = client.ok("STORE 1 FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(silent, "OK Stored");
    assert!(client.refused("FETCH 2 FLAGS").await.starts_with("BAD"));
    let gone = client.ok("EXPUNGE").await;
    assert_eq!(gone, "* 1 EXPUNGE\nOK Expunged");
    let (untagged, _) = client.ask("LOGOUT").await;
    assert!(untagged[0].starts_with("* BYE"));

    let session = site.session_event().await.event;
    assert_eq!(session.actor, Actor::Identifier(TARO.to_owned()));
    assert_eq!(session.address.unwrap().to_string(), "192.0.2.9");
    for (fact, value) in [("fetched", 1), ("deleted", 1), ("appended", 1)] {
        assert_eq!(session.detail[fact], value, "{fact}");
    }
    assert_eq!(session.detail["end"], "logout");
    assert!(session.detail["octets"].as_u64().unwrap() > 1000);
    let flagged = site.events(Kind::MessageFlagged).await;
    assert_eq!(flagged.len(), 3, "the implied \\Seen and two STOREs");
    assert_eq!(flagged[0].event.detail["implicit"], true);
    assert_eq!(flagged[1].event.detail["change"], "+FLAGS (\\Deleted)");
    assert_eq!(flagged[1].event.subject, "INBOX");
    assert_eq!(
        site.events(Kind::MessageExpunged).await[0].event.detail["uids"],
        "1"
    );
}

#[tokio::test]
async fn append_is_all_or_nothing() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    let end = client.refused("APPEND Nowhere {1+}\r\na").await;
    assert!(end.starts_with("NO [TRYCREATE]"), "{end}");
    let end = client
        .refused(&format!("APPEND INBOX {{{}}}", 60 << 20))
        .await;
    assert!(end.starts_with("NO [TOOBIG]"), "{end}");
    let end = client
        .ok("APPEND INBOX {3+}\r\na\r\n (\\Seen) \" 1-Feb-2024 00:00:00 +0900\" {3+}\r\nb\r\n")
        .await;
    assert!(
        end.contains("* 2 EXISTS") && end.contains("APPENDUID") && end.contains(" 1:2]"),
        "{end}"
    );
    let dates = client.ok("FETCH 2 (INTERNALDATE FLAGS)").await;
    assert!(
        dates.contains("INTERNALDATE \"31-Jan-2024 15:00:00 +0000\" FLAGS (\\Seen)"),
        "{dates}"
    );
    client.play("C: s APPEND INBOX {3}\nS: + Go on").await;
    client.send("x\r\n\r\n").await;
    client.play("S: * 3 EXISTS\nS: s OK [APPENDUID…").await;
    assert_eq!(site.events(Kind::MessageAppended).await.len(), 2);
}

#[tokio::test]
async fn examine_changes_nothing() {
    let site = Site::open().await;
    let mut client = site.imap().await;
    client.append("INBOX", "()", MAIL).await;
    assert!(client.ok("EXAMINE INBOX").await.contains("OK [READ-ONLY]"));
    let read = client.ok("FETCH 1 (FLAGS BODY[TEXT])").await;
    assert!(
        read.contains("FLAGS ()") && !read.contains("Seen"),
        "{read}"
    );
    assert!(
        client
            .refused("STORE 1 +FLAGS (\\Seen)")
            .await
            .starts_with("NO")
    );
    assert!(client.refused("EXPUNGE").await.starts_with("NO"));
    client.ok("CLOSE").await;
    assert!(client.refused("FETCH 1 FLAGS").await.starts_with("BAD"));
}

#[tokio::test]
async fn copies_and_moves_tell_their_uids() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    for _ in 0..3 {
        client.append("INBOX", "()", MAIL).await;
    }
    client.ok("CREATE Work/2026").await;
    let copied = client.ok("COPY 1:2 Work/2026").await;
    assert!(
        copied.starts_with("OK [COPYUID ") && copied.contains(" 1:2 1:2]"),
        "{copied}"
    );
    let moved = client.ok("UID MOVE 2,3 Work/2026").await;
    let lines: Vec<&str> = moved.lines().collect();
    assert!(
        lines[0].starts_with("* OK [COPYUID ") && lines[0].contains(" 2:3 3:4]"),
        "{moved}"
    );
    assert_eq!(&lines[1..3], ["* 2 EXPUNGE", "* 2 EXPUNGE"]);
    assert!(
        client
            .refused("COPY 1 Nowhere")
            .await
            .starts_with("NO [TRYCREATE]")
    );
    let status = client
        .ok("STATUS Work/2026 (MESSAGES UIDNEXT UNSEEN SIZE)")
        .await;
    assert!(
        status.contains(&format!(
            "(MESSAGES 4 UIDNEXT 5 UNSEEN 4 SIZE {})",
            4 * MAIL.len()
        )),
        "{status}"
    );
}

#[tokio::test]
async fn nonsense_is_answered_and_bounded() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    client
        .play("C: a1 WHAT\nS: a1 BAD …\nC: *\nS: * BAD …\nC: a2 FETCH 0 FLAGS\nS: a2 BAD …")
        .await;
    assert!(client.refused("LOGIN a b").await.starts_with("BAD"));
    for _ in 0..46 {
        client.send("x WHAT\r\n").await;
    }
    for _ in 0..46 {
        assert!(client.line().await.starts_with("x BAD"));
    }
    assert!(client.line().await.starts_with("* BYE [CLIENTBUG]"));
    assert_eq!(
        site.session_event().await.event.detail["end"],
        "protocol-error"
    );
}

/// RFC 3501, section 6.4.1: a command of the selected state.
#[tokio::test]
async fn check_needs_a_mailbox() {
    let site = Site::open().await;
    let mut client = site.imap().await;
    assert!(client.refused("CHECK").await.starts_with("BAD"));
    client.ok("SELECT INBOX").await;
    client.ok("CHECK").await;
}

/// RFC 7888, section 4: what is a little too large is thrown away; what nobody could wait for ends the session.
#[tokio::test]
async fn an_absurd_literal_ends_the_session() {
    let site = Site::open_with(Settings {
        append_limit: 1000,
        append_total: 2000,
        ..Settings::default()
    })
    .await;
    let mut client = site.imap().await;
    client.send("a APPEND INBOX {1500+}\r\n").await;
    client.send([b'x'; 1500]).await;
    client
        .play("C:\nS: a NO [TOOBIG] …\nC: b NOOP\nS: b OK …")
        .await;
    client
        .play("C: c APPEND INBOX {99999999999+}\nS: c NO [TOOBIG] …\nS: * BYE [TOOBIG] …")
        .await;
    assert!(client.is_closed().await);
    let end = site.session_event().await;
    assert_eq!(end.event.detail["end"], "literal-too-large");
}
