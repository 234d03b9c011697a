//! Mail from staff: who may submit, as whom, and what becomes of those who may not.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use protocol::sasl::{ChannelBindings, Mechanism, Nonce, Secret, client, wire as sasl};
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
    let failed = site.events(Kind::AuthenticationFailed).await;
    assert_eq!(failed.len(), 2, "before TLS and under it");
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

/// A SCRAM exchange of taro's up to the proof: the client, and the line that carries the proof.
async fn proof(talk: &mut Talk, password: &Secret) -> String {
    let login = client::Login {
        identity: TARO.into(),
        password: password.clone(),
        nonce: Nonce::new([3; Nonce::RANDOM_LEN]),
        bindings: ChannelBindings::none(),
        plus_offered: false,
    };
    let mut exchange = client::Exchange::new(Mechanism::ScramSha256, login).unwrap();
    // `y` would be noticed as a downgrade: this client knows no channel binding.
    let first = exchange.initial().unwrap();
    let first = first.expose_str().unwrap().to_owned();
    assert!(first.starts_with("n,"), "{first}");
    let line = format!("AUTH SCRAM-SHA-256 {}", sasl::encode(first.as_bytes()));
    let reply = talk.say(&line, "334").await;
    let challenge = reply.strip_prefix("334 ").unwrap().trim_end().to_owned();
    let sasl::ClientLine::Response(challenge) =
        sasl::decode_line(challenge.as_bytes(), 10_000).unwrap()
    else {
        panic!("{challenge}");
    };
    sasl::encode(exchange.respond(challenge.expose()).unwrap().expose())
}

/// However an exchange ends, the trail has it under the identity that was tried, with the reason.
#[tokio::test]
async fn every_exchange_leaves_its_event() {
    let site = Site::open(|_| {}).await;
    // The client leaves with the salt.
    let (mut talk, _) = encrypted(&site).await;
    proof(&mut talk, &site.password).await;
    drop(talk.stream.take());
    talk.task.await.unwrap();
    // It cancels.
    let (mut talk, _) = encrypted(&site).await;
    proof(&mut talk, &site.password).await;
    talk.say("*", "501").await;
    talk.say("AUTH LOGIN", "334").await;
    talk.say(&sasl::encode(TARO.as_bytes()), "334").await;
    talk.say("*", "501").await;
    // It proves itself, and leaves before it says that it heard so: the proof is a fact.
    let (mut talk, _) = encrypted(&site).await;
    let last = proof(&mut talk, &site.password).await;
    talk.say(&last, "334").await;
    let proved = site.events(Kind::AuthenticationSucceeded).await;
    assert_eq!(proved.len(), 1, "before the client has answered");
    talk.say("MAIL FROM:<taro@example.jp>", "501").await;
    talk.say("MAIL FROM:<taro@example.jp>", "530").await;
    drop(talk.stream.take());
    talk.task.await.unwrap();
    // What comes before any proof.
    let mut talk = site.connect(Listener::Submission);
    talk.read("220").await;
    talk.say("EHLO pc", "250").await;
    talk.say("AUTH PLAIN AGEAYg==", "538").await;
    let (mut talk, _) = encrypted(&site).await;
    talk.say("AUTH PLAIN ???", "501").await;
    let foreign = format!("chief@example.jp\0{TARO}\0secret");
    talk.say(
        &format!("AUTH PLAIN {}", sasl::encode(foreign.as_bytes())),
        "535",
    )
    .await;
    let failed = site.events(Kind::AuthenticationFailed).await;
    let told: Vec<(&str, &str)> = failed
        .iter()
        .map(|recorded| {
            let event = &recorded.event;
            (
                event.subject.as_str(),
                event.detail["reason"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (TARO, "abandoned by the client"),
            (TARO, "cancelled by the client"),
            (TARO, "cancelled by the client"),
            (TARO, "a line that is not base64"),
            ("", "begun without TLS"),
            ("", "a line that is not base64"),
            (TARO, "another authorisation identity"),
        ]
    );
    assert_eq!(failed[4].event.detail["mechanism"], "PLAIN");
    assert!(!format!("{failed:?}").contains("secret"));
}

/// Guessing by SCRAM waits for the salt: the answer to a right proof comes at once.
#[tokio::test]
async fn guessing_by_scram_is_slowed_before_the_salt() {
    let site = Site::open(|_| {}).await;
    let (mut talk, _) = encrypted(&site).await;
    for _ in 0..3 {
        let wrong = proof(&mut talk, &Secret::from("wrong")).await;
        talk.say(&wrong, "535").await;
    }
    let begun = std::time::Instant::now();
    proof(&mut talk, &site.password).await;
    assert!(begun.elapsed() >= std::time::Duration::from_millis(900));
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
    // Nor behind a header that is longer than what is read elsewhere.
    for name in ["From", "Sender"] {
        let far = format!(
            "From: {TARO}\r\n{}{name}: {JIRO}\r\n\r\nx",
            "X-Filler: y\r\n".repeat(1_100)
        );
        let reply = talk.mail(TARO, &[JIRO], &far).await;
        assert!(reply.starts_with("550"), "{name}: {reply}");
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
