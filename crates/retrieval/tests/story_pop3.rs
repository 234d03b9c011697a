//! A POP3 program fetches mail and deletes it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use retrieval::Listener;
use site::{Client, Site, TARO};
use trail::Kind;

const MAIL: &str = "Subject: dots\r\n\r\n.one\r\ntwo\r\n..three\r\n";

async fn pop3(site: &Site) -> Client {
    let mut client = site.connect(Listener::Pop3).await;
    assert!(client.greeting.starts_with("+OK "));
    client
        .play(&format!(
            "C: USER {TARO}\nS: +OK …\nC: PASS {}\nS: +OK …",
            site.password
        ))
        .await;
    client
}

async fn filled(site: &Site) {
    let mut client = site.imap().await;
    for subject in ["dots", "second", "third"] {
        client
            .append("INBOX", "()", MAIL.replace("dots", subject))
            .await;
    }
}

#[tokio::test]
async fn mail_is_fetched_and_deleted_at_quit() {
    let site = Site::open().await;
    filled(&site).await;
    let mut client = pop3(&site).await;
    let size = MAIL.len();
    client
        .play("C: STAT\nS: +OK 3 …\nC: UIDL 1\nS: +OK 1 …")
        .await;
    client
        .play(&format!(
            "C: RETR 1\nS: +OK {size} octets\nS: Subject: dots\nS: \nS: ..one\nS: two\nS: ...three\nS: ."
        ))
        .await;
    client
        .play("C: TOP 2 1\nS: +OK\nS: Subject: second\nS: \nS: ..one\nS: .")
        .await;
    client
        .play("C: TOP 3 0\nS: +OK\nS: Subject: third\nS: \nS: .")
        .await;
    client
        .play("C: DELE 2\nS: +OK …\nC: RETR 2\nS: -ERR …\nC: RETR 9\nS: -ERR …\nC: NOOP\nS: +OK")
        .await;
    client.play("C: QUIT\nS: +OK …").await;
    assert!(client.is_closed().await);
    let session = site.events(Kind::RetrievalSession).await;
    let session = &session
        .iter()
        .find(|event| event.event.detail["protocol"] == "pop3")
        .unwrap()
        .event;
    // The whole of one, and a line of another: not the one of which only the header was asked for.
    assert_eq!(session.detail["fetched"], 2);
    assert_eq!(session.detail["deleted"], 1);
    assert_eq!(session.detail["end"], "logout");
    let mut imap = site.inbox().await;
    let left = imap.ok("FETCH 1:* (UID FLAGS)").await;
    assert_eq!(
        left,
        "* 1 FETCH (UID 1 FLAGS (\\Seen))\n* 2 FETCH (UID 3 FLAGS ())\nOK Fetched"
    );
    assert_eq!(
        site.events(Kind::MessageExpunged).await[0].event.detail["uids"],
        "2"
    );
}

#[tokio::test]
async fn without_quit_nothing_is_deleted() {
    let site = Site::open().await;
    filled(&site).await;
    let mut client = pop3(&site).await;
    client
        .play("C: DELE 1\nS: +OK …\nC: RSET\nS: +OK…\nC: DELE 2\nS: +OK …")
        .await;
    drop(client);
    let mut imap = site.inbox().await;
    assert!(imap.ok("SEARCH ALL").await.contains("* SEARCH 1 2 3"));
}

#[tokio::test]
async fn a_second_session_waits_its_turn() {
    let site = Site::open().await;
    filled(&site).await;
    let mut first = pop3(&site).await;
    let mut second = site.connect(Listener::Pop3).await;
    let login = format!("C: USER {TARO}\nS: +OK …\nC: PASS {}", site.password);
    second.play(&format!("{login}\nS: -ERR [IN-USE] …")).await;
    // Clause 4.2(1)c: the identifier proved itself, and no session came of it.
    let ends: Vec<_> = site.events(Kind::RetrievalSession).await;
    let ends = ends.iter().map(|event| event.event.detail["end"].clone());
    assert_eq!(ends.filter(|end| end == "in-use").count(), 1);
    first.play("C: QUIT\nS: +OK …").await;
    assert!(first.is_closed().await);
    second.play(&format!("{login}\nS: +OK …")).await;
}

#[tokio::test]
async fn capabilities_follow_the_state_and_logins_are_watched() {
    let site = Site::open().await;
    let (mut stranger, _) = site.connect_to(Listener::Pop3, "203.0.113.1:9").await;
    stranger.send("CAPA\r\n").await;
    let mut told = Vec::new();
    while told.last().is_none_or(|line| line != ".") {
        told.push(stranger.line().await);
    }
    assert!(
        told.contains(&"STLS".to_owned()) && !told.iter().any(|line| line.starts_with("SASL")),
        "{told:?}"
    );
    stranger
        .play("C: USER x\nS: -ERR …\nC: PASS y\nS: -ERR …\nC: STAT\nS: -ERR …")
        .await;
    stranger
        .play("C: AUTH\nS: -ERR …\nC: AUTH PLAIN\nS: -ERR …\nC: PASS y\nS: -ERR …")
        .await;
    assert!(stranger.is_closed().await);
    let mut client = site.connect(Listener::Pop3).await;
    client
        .play(&format!(
            "C: USER {TARO}\nS: +OK …\nC: PASS wrong\nS: -ERR [AUTH] …"
        ))
        .await;
    client
        .play("C: PASS x\nS: -ERR …\nC: AUTH NONSENSE\nS: -ERR …")
        .await;
    let reasons = [
        "privacy-required",
        "privacy-required",
        "privacy-required",
        "wrong password",
        "no-such-mechanism",
    ];
    let failed = site.events(Kind::AuthenticationFailed).await;
    let told: Vec<_> = failed
        .iter()
        .map(|event| event.event.detail["reason"].clone())
        .collect();
    assert_eq!(told, reasons);
    assert_eq!(failed[0].event.subject, "x");
    let initial = protocol::sasl::wire::encode(format!("\0{TARO}\0{}", site.password).as_bytes());
    client
        .play(&format!(
            "C: AUTH PLAIN {initial}\nS: +OK 0 messages\nC: CAPA\nS: +OK …"
        ))
        .await;
    let mut told = Vec::new();
    while told.last().is_none_or(|line| line != ".") {
        told.push(client.line().await);
    }
    // RFC 2449, section 5: the same in both states, but for IMPLEMENTATION.
    for name in ["USER", "STLS", "SASL", "UTF8", "IMPLEMENTATION"] {
        let is_told = told.iter().any(|line| line.split(' ').next() == Some(name));
        assert!(is_told, "{name} in {told:?}");
    }
}

/// RFC 6856: mail is sent as it is kept, before UTF8 and after it, and an identifier may be told in UTF-8.
#[tokio::test]
async fn a_session_in_utf8() {
    let site = Site::open().await;
    let mut imap = site.imap().await;
    imap.append("INBOX", "()", "Subject: 会議\r\n\r\n山田\r\n")
        .await;
    let mut client = site.connect(Listener::Pop3).await;
    client
        .play(&format!(
            "C: UTF8\nS: +OK …\nC: USER {TARO}\nS: +OK …\nC: PASS {}\nS: +OK 1 messages",
            site.password
        ))
        .await;
    client
        .play(
            "C: RETR 1\nS: +OK 27 octets\nS: Subject: 会議\nS: \nS: 山田\nS: .\nC: QUIT\nS: +OK …",
        )
        .await;
    let mut client = pop3(&site).await;
    client
        .play("C: TOP 1 0\nS: +OK\nS: Subject: 会議\nS: \nS: .\nC: USER 会議\nS: -ERR …")
        .await;
}

/// RFC 1939, section 6: the maildrop is free when QUIT is answered, not some time later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_maildrop_is_free_when_quit_is_answered() {
    let site = Site::open().await;
    filled(&site).await;
    for _ in 0..30 {
        // Logs in, which is refused while another session has the maildrop.
        let mut client = pop3(&site).await;
        client.play("C: RETR 1\nS: +OK …").await;
        for _ in 0..6 {
            client.line().await;
        }
        client.play("C: QUIT\nS: +OK …").await;
    }
}
