//! An exchange server asks its mailbox server for recipients, and guesses from outside cost the two of them little.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::sync::Arc;

use message::address::Host;
use parking_lot::Mutex;
use site::{Site, TARO, certificate, domain, peer::Peer};
use transfer::{Listener, NextHop, Roles};

const EHLO: &[&str] = &[
    "PIPELINING",
    "CHUNKING",
    "BINARYMIME",
    "8BITMIME",
    "STARTTLS",
];

#[tokio::test]
async fn guesses_share_few_connections_and_sub_addresses_one_question() {
    let ours = certificate("box.example.jp");
    let questions = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&questions);
    let mailbox = Peer::start(
        EHLO,
        Some(ours.identity.clone()),
        Arc::new(move |command| {
            let is_question = command.starts_with("RCPT");
            *counted.lock() += usize::from(is_question);
            (is_question && !command.contains("<TARO")).then_some("550 5.1.1 nobody")
        }),
    )
    .await;
    let exchange = Arc::new(
        Site::open(|settings| {
            settings.roles = Roles::Exchange;
            let mut hop = NextHop::new(Host::Literal(mailbox.at.ip()), mailbox.at.port());
            hop.roots = Some(Arc::new(ours.roots.clone()));
            hop.certificate_name = Some(Host::Domain(domain("box.example.jp")));
            settings.mailbox_server = Some(hop);
        })
        .await,
    );
    let mut guessers = tokio::task::JoinSet::new();
    for guesser in 0..20 {
        let exchange = Arc::clone(&exchange);
        guessers.spawn(async move {
            let mut talk = exchange.connect(Listener::Exchange);
            talk.read("220").await;
            talk.say("EHLO client.example", "250").await;
            talk.say("MAIL FROM:<a@b.example>", "250").await;
            for n in 0..5 {
                let guess = format!("RCPT TO:<x{guesser}y{n}@example.jp>");
                talk.say(&guess, "550 5.1.1").await;
            }
            talk.say(&format!("RCPT TO:<{TARO}>"), "250").await;
        });
    }
    while let Some(ended) = guessers.join_next().await {
        ended.unwrap();
    }
    let connections = *mailbox.connections.lock();
    assert!(
        connections <= 12,
        "{connections} connections for 120 questions"
    );

    let before = *questions.lock();
    let mut talk = exchange.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example>", "250").await;
    for n in 0..20 {
        talk.say(&format!("RCPT TO:<taro+{n}@example.jp>"), "250")
            .await;
    }
    assert_eq!(*questions.lock(), before);
    assert!(mailbox.messages().is_empty());
}
