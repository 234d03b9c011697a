//! Mail from staff: who may submit, as whom, and what becomes of those who may not.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use protocol::sasl::{ChannelBindings, Mechanism, Nonce, client, wire as sasl};
use site::{JIRO, Site, TARO, Talk};
use trail::Kind;
use transfer::Listener;

const CONTENT: &str = "From: Taro <taro@example.jp>\r\nSubject: hi\r\n\r\nhello";

async fn encrypted(site: &Site) -> (Talk, String) {
    let mut talk = site.connect(Listener::Submission);
    talk.read("220").await;
    talk.say("EHLO pc", "250").await;
    talk.say("STARTTLS", "220").await;
    talk.start_tls(&site.certificate.roots).await;
    let offer = talk.say("EHLO pc", "250").await;
    (talk, offer)
}

#[tokio::test]
async fn nobody_submits_without_tls_and_proof() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.connect(Listener::Submission);
    talk.read("220").await;
    let offer = talk.say("EHLO pc", "250").await;
    assert!(
        offer.contains("STARTTLS") && !offer.contains("AUTH"),
        "{offer}"
    );
    talk.say("AUTH PLAIN AGEAYg==", "5").await;
    talk.say("MAIL FROM:<taro@example.jp>", "530").await;
    let (mut talk, offer) = encrypted(&site).await;
    assert!(
        offer.contains("SCRAM-SHA-256-PLUS") && offer.contains("PLAIN"),
        "{offer}"
    );
    talk.say("MAIL FROM:<taro@example.jp>", "530").await;
    talk.say("AUTH PLAIN AGEAYg==", "535 5.7.8").await;
    assert_eq!(site.events(Kind::AuthenticationFailed).await.len(), 1);
    assert!(site.events(Kind::SubmissionRefused).await.len() >= 2);
}

#[tokio::test]
async fn all_mechanisms_let_in_who_knows_the_password() {
    let site = Site::open(|_| {}).await;
    for mechanism in Mechanism::ALL {
        let (mut talk, _) = encrypted(&site).await;
        let facts = talk.stream.as_ref().unwrap().tls().unwrap();
        let login = client::Login {
            identity: TARO.into(),
            password: site.password.clone(),
            nonce: Nonce::new([3; Nonce::RANDOM_LEN]),
            bindings: ChannelBindings {
                server_end_point: None,
                exporter: Some(facts.exporter.to_vec()),
            },
            plus_offered: true,
        };
        let mut exchange = client::Exchange::new(mechanism, login).unwrap();
        let mut line = match exchange.initial() {
            Some(first) => format!("AUTH {mechanism} {}", sasl::encode_initial(first.expose())),
            None => format!("AUTH {mechanism}"),
        };
        let reply = loop {
            talk.write(format!("{line}\r\n").as_bytes()).await;
            let reply = talk.reply().await;
            let Some(challenge) = reply.strip_prefix("334 ") else {
                break reply;
            };
            let sasl::ClientLine::Response(challenge) =
                sasl::decode_line(challenge.trim_end().as_bytes(), 10_000).unwrap()
            else {
                panic!("{challenge}");
            };
            line = sasl::encode(exchange.respond(challenge.expose()).unwrap().expose());
        };
        assert!(reply.starts_with("235"), "{mechanism}: {reply}");
        let reply = talk.mail(TARO, &[JIRO], CONTENT).await;
        assert!(reply.starts_with("250"), "{mechanism}: {reply}");
        talk.say("QUIT", "221").await;
    }
    assert_eq!(site.events(Kind::AuthenticationSucceeded).await.len(), 4);
    assert_eq!(site.inbox(JIRO).await.len(), 4);
}

#[tokio::test]
async fn the_sender_must_belong_to_the_identifier() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.submission().await;
    talk.say("MAIL FROM:<jiro@example.jp>", "553 5.7.1").await;
    talk.say("MAIL FROM:<taro@foreign.example>", "553 5.7.1")
        .await;
    for bad in [
        "From: jiro@example.jp\r\n\r\nx",
        "From: taro@example.jp, jiro@example.jp\r\n\r\nx",
        "From: taro@example.jp\r\nFrom: jiro@example.jp\r\n\r\nx",
        "Subject: no author\r\n\r\nx",
        "From: taro@example.jp\r\nSender: jiro@example.jp\r\n\r\nx",
        "From: taro@example.jp\r\nSender: the boss\r\n\r\nx",
    ] {
        let reply = talk.mail(TARO, &[JIRO], bad).await;
        assert!(reply.starts_with("550"), "{bad}: {reply}");
    }
    let own = format!("Sender: Taro <{TARO}>\r\n{CONTENT}");
    let reply = talk.mail("taro+tag@example.jp", &[JIRO], &own).await;
    assert!(reply.starts_with("250"), "{reply}");
    // Receipts have no sender; other mail does.
    let reply = talk.mail("", &[JIRO], CONTENT).await;
    assert!(reply.starts_with("550 5.7.1"), "{reply}");
    let receipt = format!("Content-Type: multipart/report; boundary=b\r\n{CONTENT}");
    let reply = talk.mail("", &[JIRO], &receipt).await;
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(site.inbox(JIRO).await.len(), 2);
}

#[tokio::test]
async fn a_named_network_submits_without_proof_and_others_do_not() {
    let site = Site::open(|settings| {
        settings.submission_networks = vec!["198.51.100.0/24".parse().unwrap()];
    })
    .await;
    let mut talk = site.connect_from(Listener::Submission, "198.51.100.7:999".parse().unwrap());
    talk.read("220").await;
    talk.say("EHLO scanner", "250").await;
    talk.say("MAIL FROM:<x@foreign.example>", "553").await;
    let reply = talk.mail(TARO, &[JIRO], CONTENT).await;
    assert!(reply.starts_with("250"), "{reply}");
    let mut talk = site.connect_from(Listener::Submission, "198.51.101.7:999".parse().unwrap());
    talk.read("220").await;
    talk.say("EHLO scanner", "250").await;
    talk.say("MAIL FROM:<taro@example.jp>", "530").await;
}

#[tokio::test]
async fn the_tls_port_begins_with_tls() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.connect(Listener::Submissions);
    talk.start_tls(&site.certificate.roots).await;
    talk.read("220").await;
    let offer = talk.say("EHLO pc", "250").await;
    assert!(
        !offer.contains("STARTTLS") && offer.contains("AUTH"),
        "{offer}"
    );
}
