//! A canary of the server's own among the mail of others (clauses 5.2(3), 5.5(3)).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{net::SocketAddr, time::Duration};

use site::{Site, address};
use transfer::{Listener, Settings};

const NOBODY: &str = "canary-0123@example.jp";

fn own() -> SocketAddr {
    "127.0.0.1:40001".parse().unwrap()
}

/// Another on the same machine.
fn other() -> SocketAddr {
    "127.0.0.1:40002".parse().unwrap()
}

/// Room for one message without a sender at a time, for two a minute, and for one name that is nobody's.
async fn narrow() -> Site {
    Site::open(|settings: &mut Settings| {
        settings.limits.null_sender_transactions = 1;
        settings.limits.null_senders_per_minute = 2;
        settings.limits.null_senders_per_network = 2;
        settings.limits.unknown_recipients_per_network = 1;
        settings.times.flood_pause = Duration::from_millis(1);
    })
    .await
}

#[tokio::test]
async fn a_canary_uses_up_nothing_and_is_kept_out_by_nothing() {
    let site = narrow().await;
    let canary = site.transfer.wait_for_canary(address(NOBODY)).await;
    canary.comes_from(own());
    let mut talk = site.connect_from(Listener::Exchange, own());
    talk.read("220").await;
    talk.say("EHLO mx.example.jp", "250").await;
    for _ in 0..10 {
        talk.say("MAIL FROM:<>", "250").await;
        talk.say("RSET", "250").await;
    }
    // All of it is there for others still.
    let mut others = site.connect_from(Listener::Exchange, other());
    others.read("220").await;
    others.say("EHLO client.example", "250").await;
    others.say("MAIL FROM:<>", "250").await;
    others.say("RSET", "250").await;
    others.say("MAIL FROM:<>", "250").await;
    others.say("RCPT TO:<nobody@example.jp>", "550").await;
    others.say("RCPT TO:<nobody@example.jp>", "421").await;
    let mut late = site.connect_from(Listener::Exchange, other());
    late.read("421").await;
    // Now it is used up, by them, and their network is shut out.
    let mut again = site.connect_from(Listener::Exchange, own());
    again.read("220").await;
    again.say("EHLO mx.example.jp", "250").await;
    again.say("MAIL FROM:<>", "250").await;
    again.say(&format!("RCPT TO:<{NOBODY}>"), "250").await;
}

/// The address is one that anybody might come to know: by itself it opens nothing.
#[tokio::test]
async fn nobody_else_is_taken_for_the_canary() {
    let site = narrow().await;
    let canary = site.transfer.wait_for_canary(address(NOBODY)).await;
    // Before its socket is known, no session is its.
    for told in [false, true] {
        if told {
            canary.comes_from(own());
        }
        let mut talk = site.connect_from(Listener::Exchange, "192.0.2.9:40001".parse().unwrap());
        talk.read("220").await;
        talk.say("EHLO client.example", "250").await;
        talk.say("MAIL FROM:<>", "250").await;
        talk.say("RSET", "250").await;
        talk.say("MAIL FROM:<x@client.example>", "250").await;
        if !told {
            talk.say(&format!("RCPT TO:<{NOBODY}>"), "550").await;
        }
    }
    let mut talk = site.connect_from(Listener::Exchange, other());
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<>", "451").await;
    talk.say("MAIL FROM:<x@client.example>", "250").await;
    talk.say(&format!("RCPT TO:<{NOBODY}>"), "550").await;
    // Nor is the socket's session the canary's when there is none any more.
    drop(canary);
    let mut talk = site.connect_from(Listener::Exchange, own());
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<>", "451").await;
}

#[tokio::test]
async fn one_is_waited_for_at_a_time() {
    let site = narrow().await;
    let first = site.transfer.wait_for_canary(address(NOBODY)).await;
    first.comes_from(own());
    let transfer = site.transfer.clone();
    let next = "canary-4567@example.jp";
    let second = tokio::spawn(async move { transfer.wait_for_canary(address(next)).await });
    tokio::task::yield_now().await;
    let mut talk = site.connect_from(Listener::Exchange, own());
    talk.read("220").await;
    talk.say("EHLO mx.example.jp", "250").await;
    talk.say("MAIL FROM:<>", "250").await;
    talk.say(&format!("RCPT TO:<{NOBODY}>"), "250").await;
    assert!(!second.is_finished());
    drop(first);
    let second = second.await.unwrap();
    second.comes_from(other());
    let mut talk = site.connect_from(Listener::Exchange, other());
    talk.read("220").await;
    talk.say("EHLO mx.example.jp", "250").await;
    talk.say("MAIL FROM:<>", "250").await;
    talk.say(&format!("RCPT TO:<{next}>"), "250").await;
}
