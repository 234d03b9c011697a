//! How well mail is secured on its way out, and the way between an exchange and a mailbox server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{net::IpAddr, sync::Arc, time::Duration};

use message::address::Host;
use site::{CLIENT, Site, TARO, certificate, domain, peer::Peer};
use trail::Kind;
use transfer::{Answer, Listener, NextHop, Roles, TlsPolicy};

const CONTENT: &str = "From: taro@example.jp\r\nSubject: out\r\n\r\nhello";
const TLS: &[&str] = &["PIPELINING", "STARTTLS", "DSN"];
const TLS_ONLY: &[&str] = &["PIPELINING", "STARTTLS", "REQUIRETLS"];

fn host(site: &Site, name: &str) {
    site.resolver.set_host(
        domain(name),
        Answer::Found(vec![IpAddr::from([127, 0, 0, 1])]),
    );
}

async fn send(site: &Site, parameters: &str) {
    site.submit(
        &format!("MAIL FROM:<taro@example.jp>{parameters}"),
        &["RCPT TO:<x@far.example>"],
        CONTENT,
    )
    .await;
}

#[tokio::test]
async fn strangers_are_spoken_to_under_tls_when_they_can() {
    let stranger = certificate("somebody.else.example");
    let peer = Peer::start(TLS, Some(stranger.identity), Arc::new(|_| None)).await;
    let port = peer.at.port();
    let site = Site::open(|settings| settings.outbound.relay_port = port).await;
    host(&site, "far.example");
    let _queue = site.run_queue();
    send(&site, "").await;
    site.queue_empties().await;
    assert!(peer.messages()[0].tls);
    let event = &site.events(Kind::DeliveryRelayed).await[0].event;
    assert!(event.detail["tls"].as_str().unwrap().starts_with("TLSv1.3"));
    assert_eq!(event.detail["tls_verified"], false);
}

#[tokio::test]
async fn a_broken_handshake_falls_back_only_where_that_is_allowed() {
    // It offers STARTTLS and has no certificate.
    let peer = Peer::start(TLS, None, Arc::new(|_| None)).await;
    let port = peer.at.port();
    let site = Site::open(|settings| {
        settings.outbound.relay_port = port;
        settings
            .minimum_tls
            .insert(domain("strict.example"), TlsPolicy::Verified);
    })
    .await;
    host(&site, "far.example");
    host(&site, "strict.example");
    let _queue = site.run_queue();
    send(&site, "").await;
    site.queue_empties().await;
    assert!(!peer.messages()[0].tls);
    site.submit(
        "MAIL FROM:<taro@example.jp>",
        &["RCPT TO:<x@strict.example>"],
        CONTENT,
    )
    .await;
    site.events_of(Kind::DeliveryDeferred, 1).await;
    assert_eq!(peer.messages().len(), 1);
    let reply = &site.queued().await[0].recipients[0].last_reply;
    assert!(reply.starts_with("TLS with strict.example"), "{reply}");
}

#[tokio::test]
async fn verified_means_the_right_name_and_a_known_root() {
    let right = certificate("far.example");
    let wrong = certificate("other.example");
    let roots = {
        let mut roots = right.roots.clone();
        roots.extend(wrong.roots.roots.iter().cloned());
        roots
    };
    for (identity, taken) in [
        (right.identity, true),
        (wrong.identity, false),
        (certificate("far.example").identity, false),
    ] {
        let peer = Peer::start(TLS, Some(identity), Arc::new(|_| None)).await;
        let port = peer.at.port();
        let site = Site::with_roots(roots.clone(), |settings| {
            settings.outbound.relay_port = port;
            settings.default_tls = TlsPolicy::Verified;
        })
        .await;
        host(&site, "far.example");
        let _queue = site.run_queue();
        send(&site, "").await;
        let kind = if taken {
            Kind::DeliveryRelayed
        } else {
            Kind::DeliveryDeferred
        };
        site.events_of(kind, 1).await;
        assert_eq!(peer.messages().len(), usize::from(taken));
    }
}

#[tokio::test]
async fn requiretls_goes_only_where_it_is_kept() {
    for (ehlo, taken) in [(TLS, false), (TLS_ONLY, true)] {
        let right = certificate("far.example");
        let peer = Peer::start(ehlo, Some(right.identity), Arc::new(|_| None)).await;
        let port = peer.at.port();
        let site =
            Site::with_roots(right.roots, |settings| settings.outbound.relay_port = port).await;
        host(&site, "far.example");
        let _queue = site.run_queue();
        send(&site, " RET=FULL REQUIRETLS").await;
        site.queue_empties().await;
        assert_eq!(peer.messages().len(), usize::from(taken));
        if taken {
            assert!(peer.messages()[0].mail.contains(" REQUIRETLS"));
        } else {
            let report = &site.inbox_of(TARO, 1).await[0];
            assert!(report.contains("Status: 5.7.30"), "{report}");
            // RFC 8689, section 5: the text does not travel back, whatever RET said.
            assert!(
                report.contains("text/rfc822-headers") && !report.contains("hello"),
                "{report}"
            );
        }
    }
}

/// RFC 8689, section 4.2.1: every exchanger is asked, and the message fails only when none can be waited for.
#[tokio::test]
async fn requiretls_tries_every_exchanger() {
    for second_is_up in [true, false] {
        let right = certificate("mx1.far.example");
        let other = certificate("mx2.far.example");
        let mut roots = right.roots.clone();
        roots.extend(other.roots.roots.iter().cloned());
        let first = Peer::start(TLS, Some(right.identity), Arc::new(|_| None)).await;
        let port = first.at.port();
        let second = tokio::net::TcpListener::bind(("127.0.0.4", port)).await;
        let second = Peer::serve(
            second.unwrap(),
            TLS_ONLY,
            Some(other.identity),
            Arc::new(move |command| (command.is_empty() && !second_is_up).then_some("421 later")),
        );
        let site = Site::with_roots(roots, |settings| settings.outbound.relay_port = port).await;
        let mx = |preference, name| transfer::Mx {
            preference,
            host: Some(domain(name)),
        };
        // The one that is down is asked first, the other one has the last word.
        let (of_first, of_second) = if second_is_up { (1, 2) } else { (2, 1) };
        let records = vec![
            mx(of_first, "mx1.far.example"),
            mx(of_second, "mx2.far.example"),
        ];
        site.resolver
            .set_mx(domain("far.example"), Answer::Found(records));
        host(&site, "mx1.far.example");
        site.resolver.set_host(
            domain("mx2.far.example"),
            Answer::Found(vec![IpAddr::from([127, 0, 0, 4])]),
        );
        let _queue = site.run_queue();
        send(&site, " REQUIRETLS").await;
        if second_is_up {
            site.queue_empties().await;
            assert_eq!(second.messages().len(), 1);
        } else {
            site.events_of(Kind::DeliveryDeferred, 1).await;
            assert_eq!(site.queued().await.len(), 1);
        }
        assert_eq!(first.messages().len(), 0);
        assert_eq!(*first.connections.lock(), 1);
    }
}

/// What is demanded for a domain is demanded of a smarthost too.
#[tokio::test]
async fn a_smarthost_keeps_to_what_a_domain_demands() {
    // It has no certificate that anybody vouches for.
    let stranger = certificate("somebody.else.example");
    let peer = Peer::start(TLS, Some(stranger.identity), Arc::new(|_| None)).await;
    let at = peer.at;
    let site = Site::open(|settings| {
        settings.default_route = Some(NextHop::new(Host::Literal(at.ip()), at.port()));
        settings
            .minimum_tls
            .insert(domain("strict.example"), TlsPolicy::Verified);
    })
    .await;
    let _queue = site.run_queue();
    site.submit(
        "MAIL FROM:<taro@example.jp>",
        &["RCPT TO:<x@strict.example>", "RCPT TO:<x@far.example>"],
        CONTENT,
    )
    .await;
    site.events_of(Kind::DeliveryRelayed, 1).await;
    let put_off = site.events_of(Kind::DeliveryDeferred, 1).await;
    assert_eq!(put_off[0].event.detail["recipient"], "x@strict.example");
    let messages = peer.messages();
    assert_eq!((messages.len(), messages[0].rcpt.len()), (1, 1));
}

/// RFC 8689, section 4.2.1: an MX record that is not signed may lead anywhere.
#[tokio::test]
async fn requiretls_does_not_follow_dns_out_of_the_domain() {
    for (exchanger, taken) in [("mx.far.example", true), ("mx.thief.example", false)] {
        let right = certificate(exchanger);
        let peer = Peer::start(TLS_ONLY, Some(right.identity), Arc::new(|_| None)).await;
        let port = peer.at.port();
        let site =
            Site::with_roots(right.roots, |settings| settings.outbound.relay_port = port).await;
        let mx = transfer::Mx {
            preference: 1,
            host: Some(domain(exchanger)),
        };
        site.resolver
            .set_mx(domain("far.example"), Answer::Found(vec![mx]));
        host(&site, exchanger);
        let _queue = site.run_queue();
        send(&site, " REQUIRETLS").await;
        site.queue_empties().await;
        assert_eq!(peer.messages().len(), usize::from(taken), "{exchanger}");
        if !taken {
            assert!(site.inbox_of(TARO, 1).await[0].contains("Status: 5.7.30"));
        }
    }
}

/// Exchange and mailbox server as two, over real sockets and verified TLS.
#[tokio::test]
async fn the_exchange_hands_over_to_the_mailbox_server_and_asks_it_first() {
    let mailbox = Site::open(|settings| {
        settings.roles = Roles::Mailbox;
        settings.exchange_peers = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let at = mailbox.listen().await;
    let roots = mailbox.certificate.roots.clone();
    let exchange = Site::open(|settings| {
        settings.roles = Roles::Exchange;
        settings.recipient_memory.fresh = Duration::ZERO;
        settings.outbound.idle = Duration::ZERO;
        let mut hop = NextHop::new(Host::Domain(domain("box.example.jp")), at.port());
        hop.roots = Some(Arc::new(roots));
        hop.certificate_name = Some(Host::Domain(domain("mx.example.jp")));
        settings.mailbox_server = Some(hop);
    })
    .await;
    host(&exchange, "box.example.jp");
    let _queue = exchange.run_queue();
    let mut talk = exchange.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example>", "250").await;
    talk.say("RCPT TO:<nobody@example.jp>", "550 5.1.1").await;
    talk.say("RCPT TO:<x@foreign.example>", "550 5.7.1").await;
    talk.say("RSET", "250").await;
    let reply = talk.mail("a@b.example", &[TARO], CONTENT).await;
    assert!(reply.starts_with("250"), "{reply}");
    let inbox = mailbox.inbox_of(TARO, 1).await;
    assert!(inbox[0].contains("from client.example") && inbox[0].contains("with ESMTPS"));

    // The mailbox server cannot be reached: who was known is taken and waits, others are to come again.
    exchange.resolver.set_lost(true);
    let reply = talk.mail("a@b.example", &[TARO], CONTENT).await;
    assert!(reply.starts_with("250"), "{reply}");
    talk.say("MAIL FROM:<a@b.example>", "250").await;
    talk.say("RCPT TO:<new@example.jp>", "451").await;
    exchange.events_of(Kind::DeliveryDeferred, 1).await;
    exchange.resolver.set_lost(false);
    exchange.clock.advance(Duration::from_secs(301));
    mailbox.inbox_of(TARO, 2).await;
    exchange.queue_empties().await;
}

#[tokio::test]
async fn a_mailbox_server_hears_its_exchanges_only() {
    let site = Site::open(|settings| {
        settings.roles = Roles::Mailbox;
        settings.exchange_peers = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let mut talk = site.connect_from(Listener::Exchange, CLIENT.parse().unwrap());
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example>", "530").await;
    talk.say("STARTTLS", "220").await;
    talk.start_tls(&site.certificate.roots).await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example>", "550 5.7.1").await;
}
