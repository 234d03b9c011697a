//! TLS, channel binding, accounts that change under a session, large mail and slow clients.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use protocol::sasl::{ChannelBindings, Mechanism, Nonce, Secret, client, wire};
use retrieval::Listener;
use site::{Client, Site, TARO};

async fn authenticate(
    site: &Site,
    client: &mut Client,
    mechanism: Mechanism,
    bindings: ChannelBindings,
) -> String {
    let login = client::Login {
        identity: TARO.to_owned(),
        password: Secret::from(site.password.as_str()),
        nonce: Nonce::new([7; 24]),
        bindings,
        plus_offered: true,
    };
    let mut exchange = client::Exchange::new(mechanism, login).unwrap();
    let initial = wire::encode_initial(exchange.initial().unwrap().expose());
    client
        .send(format!("a AUTHENTICATE {mechanism} {initial}\r\n"))
        .await;
    loop {
        let line = client.line().await;
        let Some(challenge) = line.strip_prefix("+ ") else {
            return line;
        };
        let Ok(wire::ClientLine::Response(challenge)) =
            wire::decode_line(challenge.as_bytes(), 9999)
        else {
            panic!("{line}")
        };
        let answer = exchange.respond(challenge.expose()).unwrap();
        client
            .send(format!("{}\r\n", wire::encode(answer.expose())))
            .await;
    }
}

#[tokio::test]
async fn starttls_forgets_what_was_pipelined_and_binds_the_channel() {
    let site = Site::open().await;
    let (mut client, _) = site.connect_to(Listener::Imap, "203.0.113.1:9").await;
    client.send("s STARTTLS\r\ninjected NOOP\r\n").await;
    assert!(client.line().await.starts_with("s OK"));
    let (mut client, bindings) = client.start_tls().await;
    let told = client.ok("CAPABILITY").await;
    assert!(
        told.contains("AUTH=SCRAM-SHA-256-PLUS") && told.contains("AUTH=PLAIN"),
        "{told}"
    );
    assert!(
        !told.contains("STARTTLS") && !told.contains("LOGINDISABLED") && !told.contains("injected"),
        "{told}"
    );
    let other = ChannelBindings {
        server_end_point: None,
        exporter: Some(vec![0; 32]),
    };
    let end = authenticate(&site, &mut client, Mechanism::ScramSha256Plus, other).await;
    assert!(end.starts_with("a NO [AUTHENTICATIONFAILED]"), "{end}");
    let end = authenticate(&site, &mut client, Mechanism::ScramSha256Plus, bindings).await;
    assert!(end.starts_with("a OK [CAPABILITY"), "{end}");
    assert!(client.refused("STARTTLS").await.starts_with("BAD"));
    drop(client);
    assert_eq!(site.session_event().await.event.detail["tls"], true);
}

#[tokio::test]
async fn a_suspended_account_loses_its_sessions() {
    let site = Site::open().await;
    let mut idle = site.inbox().await;
    idle.play("C: i IDLE\nS: + Idling").await;
    let mut waiting = site.imap().await;
    let manager = site.manager().await;
    directory::command::account::suspend(&manager, TARO, "test")
        .await
        .unwrap();
    assert!(idle.line().await.starts_with("* BYE [AUTHORIZATIONFAILED]"));
    assert!(
        waiting
            .line()
            .await
            .starts_with("* BYE [AUTHORIZATIONFAILED]")
    );
    assert!(idle.is_closed().await && waiting.is_closed().await);
}

#[tokio::test]
async fn large_mail_goes_in_and_out_whole() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    let mut mail = b"Subject: large\r\n\r\n".to_vec();
    for line in 0..100_000 {
        mail.extend_from_slice(format!("{line:064}\r\n").as_bytes());
    }
    let text = String::from_utf8(mail).unwrap();
    client.append("INBOX", "()", &text).await;
    let read = client.ok("FETCH 1 (BODY.PEEK[] UID)").await;
    let expected = format!(
        "* 1 FETCH (BODY[] {{{}}}\r\n{text} UID 1)\nOK Fetched",
        text.len()
    );
    assert!(
        read == expected,
        "{} octets came, {} were expected",
        read.len(),
        expected.len()
    );
    let part = client.ok("FETCH 1 BODY.PEEK[TEXT]<66.64>").await;
    assert!(
        part.contains(&format!("BODY[TEXT]<66> {{64}}\r\n{:064})", 1)),
        "{part}"
    );
}

#[tokio::test]
async fn binary_parts_are_decoded() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    let mail = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        aGVsbG8A\r\n--b\r\nContent-Transfer-Encoding: x-new\r\n\r\n??\r\n--b--\r\n";
    client.append("INBOX", "()", mail).await;
    assert!(
        client
            .ok("FETCH 1 BINARY.SIZE[1]")
            .await
            .contains("BINARY.SIZE[1] 6)")
    );
    let read = client.ok("FETCH 1 BINARY.PEEK[1]").await;
    assert!(read.contains("BINARY[1] ~{6}\r\nhello\0)"), "{read}");
    assert!(
        client
            .refused("FETCH 1 BINARY.PEEK[2]")
            .await
            .starts_with("NO [UNKNOWN-CTE]")
    );
    let structure = client.ok("FETCH 1 BODYSTRUCTURE").await;
    assert!(
        structure.contains("BODYSTRUCTURE ((\"text\" \"plain\""),
        "{structure}"
    );
}

/// RFC 9051, section 4.3: no literal holds NUL, whatever its size; a literal8 does.
#[tokio::test]
async fn nul_is_told_by_binary_only() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    let mut mail = b"Subject: nul\r\n\r\n".to_vec();
    mail.resize(100_000, b'x');
    mail[50_000] = 0;
    mail[99_999] = 0;
    let mut command = format!("a APPEND INBOX ~{{{}+}}\r\n", mail.len()).into_bytes();
    command.extend_from_slice(&mail);
    command.extend_from_slice(b"\r\n");
    client.send(command).await;
    client.play("S: * 1 EXISTS\nS: a OK [APPENDUID…").await;
    for item in [
        "BODY.PEEK[]",
        "BODY.PEEK[TEXT]",
        "RFC822",
        "RFC822.TEXT",
        "BODY.PEEK[1]<9.99999>",
    ] {
        let read = client.ok(&format!("FETCH 1 {item}")).await;
        assert!(!read.contains('\0'), "{item}");
        assert_eq!(read.matches('\u{fffd}').count(), 2, "{item}");
    }
    let read = client.ok("FETCH 1 BINARY.PEEK[1]").await;
    assert_eq!(read.matches('\0').count(), 2);
    assert!(read.contains("BINARY[1] ~{99984}\r\n"), "{}", &read[..60]);
}

#[tokio::test]
async fn hundreds_of_ranges_are_told_one_after_another() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    let body: String = (0..8000).map(|line| format!("{line:06}\r\n")).collect();
    client.append("INBOX", "()", format!("\r\n{body}")).await;
    let ranges = |name: &str| -> Vec<String> {
        let range = |n: usize| format!("{name}[1]<{}.{}>", n * 8, 32_000 + n * 8);
        (0..120).map(range).collect()
    };
    for name in ["BODY.PEEK", "BINARY.PEEK"] {
        let items = ranges(name).join(" ");
        let read = client.ok(&format!("FETCH 1 ({items} UID)")).await;
        let told = name.trim_end_matches(".PEEK");
        let mut expected = String::from("* 1 FETCH (");
        for n in 0..120 {
            let (from, length) = (n * 8, 32_000 + n * 8);
            let text = &body[from..from + length];
            expected.push_str(&format!("{told}[1]<{from}> {{{length}}}\r\n{text} "));
        }
        expected.push_str("UID 1)\nOK Fetched");
        assert!(read == expected, "{name}: {} octets came", read.len());
    }
}

#[tokio::test]
async fn a_waiting_session_is_small() {
    let site = Site::open().await;
    for listener in [Listener::Imap, Listener::Pop3] {
        let octets = site.session_size(listener);
        assert!(octets <= 16 << 10, "{listener:?}: {octets} octets");
    }
}

#[tokio::test]
async fn a_stalled_reader_is_given_up_and_gives_its_memory_to_others() {
    let site = Site::open_with(retrieval::Settings {
        memory_budget: 1 << 20,
        stall_timeout: std::time::Duration::from_millis(500),
        minimum_rate: 64 << 20,
        ..retrieval::Settings::default()
    })
    .await;
    let mut stalled = site.inbox().await;
    stalled
        .append("INBOX", "()", format!("\r\n{}", "x".repeat(900 << 10)))
        .await;
    let mut other = site.inbox().await;
    // The message takes all the memory that there is, and this client never reads it.
    stalled.send("f FETCH 1 BODY.PEEK[]\r\n").await;
    // Nobody is kept waiting for longer than that client may pause, so that the first answer may come too early.
    let mut read = Vec::new();
    for _ in 0..5 {
        let (untagged, end) = other.ask("FETCH 1 BODY.PEEK[]").await;
        if end.starts_with("OK") {
            read = untagged;
            break;
        }
        assert!(end.starts_with("NO [UNAVAILABLE]"), "{end}");
    }
    assert!(read.concat().len() > 900 << 10);
    let session = site.session_event().await.event;
    assert_eq!(session.detail["end"], "timed-out");
    assert_eq!(session.detail["fetched"], 0);
    other.ok("NOOP").await;
}

#[tokio::test]
async fn readers_that_take_large_mail_slowly_leave_ordinary_mail_to_others() {
    let site = Site::open_with(retrieval::Settings {
        memory_budget: 4 << 20,
        ..retrieval::Settings::default()
    })
    .await;
    let mut other = site.inbox().await;
    other
        .append("INBOX", "()", format!("\r\n{}", "x".repeat(900 << 10)))
        .await;
    other.append("INBOX", "()", "\r\nshort\r\n").await;
    let mut slow = Vec::new();
    for _ in 0..6 {
        let mut reader = site.inbox().await;
        reader.send("f FETCH 1 BODY.PEEK[]\r\n").await;
        slow.push(reader);
    }
    // They are given up after a minute only.
    let patience = std::time::Duration::from_secs(20);
    let read = tokio::time::timeout(patience, other.ok("FETCH 2 BODY.PEEK[]")).await;
    assert!(read.expect("short mail does not wait").contains("short"));
}

#[tokio::test]
async fn several_messages_of_one_append_come_together_or_not_at_all() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    let account = site.account().await;
    site.store
        .commit::<_, store::Error>(Vec::new(), move |tx| {
            store::mailbox::set_quota(tx, account, Some(1000))?;
            tx.record(
                &trail::Event::new(trail::Kind::AccountChanged, trail::Actor::System),
                (),
            )
        })
        .await
        .unwrap();
    let long = "x".repeat(600);
    let end = client
        .refused(&format!(
            "APPEND INBOX {{600+}}\r\n{long} {{600+}}\r\n{long}"
        ))
        .await;
    assert!(end.starts_with("NO [OVERQUOTA]"), "{end}");
    assert!(
        client
            .ok("STATUS INBOX (MESSAGES)")
            .await
            .contains("(MESSAGES 0)")
    );
    assert!(site.events(trail::Kind::MessageAppended).await.is_empty());
}
