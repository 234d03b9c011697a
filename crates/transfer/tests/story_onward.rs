//! The ways that mail takes to other servers: relays that want a login, servers that know less than others, and
//! what is kept when something breaks on the way.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use message::address::Host;
use protocol::sasl::Secret;
use site::{Site, TARO, certificate, domain, peer::Peer};
use trail::{Kind, Outcome};
use transfer::{
    Answer, Credentials, EightBit, Listener, Mx, NextHop, TlsPolicy,
    command::{self, Which},
};

const CONTENT: &str = "From: taro@example.jp\r\nSubject: out\r\n\r\nhello";
const FULL: &[&str] = &["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"];
const PLAIN_LOGIN: &[&str] = &["STARTTLS", "AUTH PLAIN"];
const CHUNKS: &[&str] = &["PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME"];

fn host(site: &Site, name: &str) {
    let here = IpAddr::from([127, 0, 0, 1]);
    site.resolver
        .set_host(domain(name), Answer::Found(vec![here]));
}

/// A site that sends to `peer` whatever is for far.example.
async fn towards(peer: &Peer, set: impl FnOnce(&mut transfer::Settings)) -> Site {
    let port = peer.at.port();
    let site = Site::open(|settings| {
        settings.outbound.relay_port = port;
        set(settings);
    })
    .await;
    host(&site, "far.example");
    site
}

/// A relay at `port` that wants taro's `password`, and shows the certificate of `name`.
fn relay(port: u16, name: &str, roots: rustls::RootCertStore, password: &Secret) -> NextHop {
    let mut hop = NextHop::new(Host::Domain(domain("relay.example")), port);
    hop.tls = TlsPolicy::Verified;
    hop.roots = Some(Arc::new(roots));
    hop.certificate_name = Some(Host::Domain(domain(name)));
    hop.credentials = Some(Credentials {
        identity: TARO.into(),
        password: password.clone(),
    });
    hop
}

async fn submit(site: &Site, parameters: &str, recipient: &str) {
    let mail = format!("MAIL FROM:<taro@example.jp>{parameters}");
    site.submit(&mail, &[&format!("RCPT TO:<{recipient}>")], CONTENT)
        .await;
}

#[tokio::test]
async fn a_relay_is_logged_in_to_by_the_strongest_mechanism() {
    let smart = Site::open(|_| {}).await;
    for (service, implicit) in [(Listener::Submission, false), (Listener::Submissions, true)] {
        let at = smart.listen_as(service).await;
        let roots = smart.certificate.roots.clone();
        let password = smart.password.clone();
        let site = Site::open(|settings| {
            let mut hop = relay(at.port(), "mx.example.jp", roots, &password);
            hop.implicit_tls = implicit;
            settings.default_route = Some(hop);
        })
        .await;
        host(&site, "relay.example");
        let _queue = site.run_queue();
        submit(&site, "", "x@far.example").await;
        site.queue_empties().await;
        let relayed = site.events(Kind::DeliveryRelayed).await;
        assert_eq!(relayed[0].event.detail["tls_verified"], true);
    }
    let logins = smart.events(Kind::AuthenticationSucceeded).await;
    assert_eq!(logins.len(), 2);
    for login in logins {
        assert_eq!(login.event.detail["mechanism"], "SCRAM-SHA-256-PLUS");
    }
    assert_eq!(smart.queued().await.len(), 2);
}

#[tokio::test]
async fn a_wrong_password_at_a_relay_loses_nothing() {
    let smart = Site::open(|_| {}).await;
    let at = smart.listen_as(Listener::Submission).await;
    let roots = smart.certificate.roots.clone();
    let site = Site::open(|settings| {
        let wrong = Secret::from("wrong");
        settings.default_route = Some(relay(at.port(), "mx.example.jp", roots, &wrong));
    })
    .await;
    host(&site, "relay.example");
    let _queue = site.run_queue();
    submit(&site, "", "x@far.example").await;
    site.events_of(Kind::DeliveryDeferred, 1).await;
    assert_eq!(site.queued().await.len(), 1);
    assert!(smart.queued().await.is_empty());
}

#[tokio::test]
async fn plain_is_spoken_under_tls_only_and_mail_waits_without() {
    let shown = certificate("relay.example");
    for (ehlo, taken) in [(PLAIN_LOGIN, true), (&["AUTH PLAIN"] as &[_], false)] {
        let identity = Arc::clone(&shown.identity);
        let spoken = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&spoken);
        let peer = Peer::start(
            ehlo,
            Some(identity),
            Arc::new(move |command| {
                let auth = command.starts_with("AUTH ");
                heard.fetch_or(auth, Ordering::SeqCst);
                auth.then_some("235 2.7.0 welcome")
            }),
        )
        .await;
        let roots = shown.roots.clone();
        let site = Site::open(|settings| {
            let password = Secret::from("geheim");
            let hop = relay(peer.at.port(), "relay.example", roots, &password);
            settings.default_route = Some(hop);
        })
        .await;
        host(&site, "relay.example");
        let _queue = site.run_queue();
        submit(&site, "", "x@far.example").await;
        let kind = if taken {
            Kind::DeliveryRelayed
        } else {
            Kind::DeliveryDeferred
        };
        site.events_of(kind, 1).await;
        assert_eq!(spoken.load(Ordering::SeqCst), taken);
        assert_eq!(peer.messages().len(), usize::from(taken));
    }
}

#[tokio::test]
async fn a_relay_may_be_found_by_its_exchangers() {
    let peer = Peer::willing(FULL).await;
    let site = towards(&peer, |settings| {
        let mut hop = NextHop::new(Host::Domain(domain("relay.example")), peer.at.port());
        hop.use_mx = true;
        settings.default_route = Some(hop);
    })
    .await;
    let mx = Mx {
        preference: 1,
        host: Some(domain("mx.relay.example")),
    };
    site.resolver
        .set_mx(domain("relay.example"), Answer::Found(vec![mx]));
    host(&site, "mx.relay.example");
    let _queue = site.run_queue();
    submit(&site, "", "x@elsewhere.example").await;
    site.queue_empties().await;
    assert_eq!(peer.messages()[0].rcpt, ["RCPT TO:<x@elsewhere.example>"]);
    let relayed = site.events(Kind::DeliveryRelayed).await;
    assert_eq!(relayed[0].event.detail["host"], "mx.relay.example");
}

#[tokio::test]
async fn international_mail_goes_where_it_is_understood() {
    for (ehlo, taken) in [(FULL, true), (&["8BITMIME"] as &[_], false)] {
        let peer = Peer::willing(ehlo).await;
        let site = towards(&peer, |_| {}).await;
        let _queue = site.run_queue();
        submit(&site, " SMTPUTF8", "用@far.example").await;
        site.queue_empties().await;
        assert_eq!(peer.messages().len(), usize::from(taken));
        if taken {
            let got = &peer.messages()[0];
            assert!(got.mail.contains(" SMTPUTF8"), "{}", got.mail);
            assert_eq!(got.rcpt, ["RCPT TO:<用@far.example>"]);
        } else {
            let report = &site.inbox_of(TARO, 1).await[0];
            assert!(report.contains("Status: 5.6.7"), "{report}");
            assert!(report.contains("Diagnostic-Code: x-kakitome; "), "{report}");
        }
    }
}

/// RFC 6532, section 3.7: what goes back keeps its header, in a type that allows for it.
#[tokio::test]
async fn an_international_header_goes_back_as_what_it_is() {
    let site = Site::open(|_| {}).await;
    let _queue = site.run_queue();
    for (ret, kind) in [
        ("FULL", "message/global"),
        ("HDRS", "message/global-headers"),
    ] {
        site.submit(
            &format!("MAIL FROM:<taro@example.jp> SMTPUTF8 RET={ret}"),
            &["RCPT TO:<x@nowhere.example>"],
            "From: taro@example.jp\r\nSubject: 会議\r\n\r\nhello",
        )
        .await;
        let count = if ret == "FULL" { 1 } else { 2 };
        let report = site.inbox_of(TARO, count).await.pop().unwrap();
        assert!(
            report.contains(&format!("Content-Type: {kind}\r\n")) && report.contains("会議"),
            "{report}"
        );
    }
}

#[tokio::test]
async fn binary_content_goes_by_chunks_or_comes_back() {
    for (ehlo, taken) in [(CHUNKS, true), (FULL, false)] {
        let peer = Peer::willing(ehlo).await;
        let site = towards(&peer, |_| {}).await;
        let _queue = site.run_queue();
        let mut talk = site.submission().await;
        talk.say("MAIL FROM:<taro@example.jp> BODY=BINARYMIME", "250")
            .await;
        talk.say("RCPT TO:<x@far.example>", "250").await;
        let content = "From: taro@example.jp\r\n\r\na\nb\rc\u{0}d";
        let length = content.len();
        talk.say(&format!("BDAT {length} LAST\r\n{content}\r\nNOOP"), "250")
            .await;
        site.queue_empties().await;
        assert_eq!(peer.messages().len(), usize::from(taken));
        if taken {
            let got = &peer.messages()[0];
            assert!(got.mail.contains("BODY=BINARYMIME"), "{}", got.mail);
            assert!(got.data.ends_with("\r\n\r\na\nb\rc\u{0}d"), "{}", got.data);
        } else {
            let report = &site.inbox_of(TARO, 1).await[0];
            assert!(report.contains("Status: 5.6."), "{report}");
        }
    }
}

#[tokio::test]
async fn eight_bit_text_is_sent_to_old_servers_unless_that_is_refused() {
    for eight_bit in [EightBit::Send, EightBit::Refuse] {
        let peer = Peer::willing(&["PIPELINING"]).await;
        let site = towards(&peer, |settings| settings.outbound.eight_bit = eight_bit).await;
        let _queue = site.run_queue();
        site.submit(
            "MAIL FROM:<taro@example.jp> BODY=8BITMIME",
            &["RCPT TO:<x@far.example>"],
            "From: taro@example.jp\r\n\r\n本文",
        )
        .await;
        site.queue_empties().await;
        if eight_bit == EightBit::Send {
            let got = &peer.messages()[0];
            assert!(got.data.contains("本文") && !got.mail.contains("BODY="));
            let event = &site.events(Kind::DeliveryRelayed).await[0].event;
            let note = event.detail["note"].as_str().unwrap();
            assert!(note.contains("without 8BITMIME"), "{note}");
        } else {
            assert!(peer.messages().is_empty());
            let report = &site.inbox_of(TARO, 1).await[0];
            assert!(report.contains("Status: 5.6.3"), "{report}");
        }
    }
}

/// RFC 3461, section 5.2.1.
#[tokio::test]
async fn wishes_for_notification_are_passed_on_as_they_were_given() {
    let peer = Peer::willing(FULL).await;
    let site = towards(&peer, |_| {}).await;
    let _queue = site.run_queue();
    let wishes = [
        "",
        " NOTIFY=FAILURE,DELAY",
        " NOTIFY=NEVER",
        " NOTIFY=SUCCESS",
    ];
    for wish in wishes {
        let recipient = format!("RCPT TO:<x@far.example>{wish}");
        site.submit("MAIL FROM:<taro@example.jp>", &[&recipient], CONTENT)
            .await;
        site.queue_empties().await;
        let got = peer.messages().pop().unwrap();
        assert_eq!(got.rcpt, [recipient]);
    }
}

#[tokio::test]
async fn recipients_that_wait_together_stay_together() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let peer = Peer::start(
        FULL,
        None,
        Arc::new(move |command| {
            let closed = command.starts_with("RCPT") && !gate.load(Ordering::SeqCst);
            closed.then_some("451 4.3.0 not now")
        }),
    )
    .await;
    let site = towards(&peer, |settings| settings.retry.jitter_percent = 1000).await;
    let _queue = site.run_queue();
    let recipients: Vec<String> = (0..20)
        .map(|n| format!("RCPT TO:<x{n}@far.example>"))
        .collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    site.submit("MAIL FROM:<taro@example.jp>", &recipients, CONTENT)
        .await;
    site.events_of(Kind::DeliveryDeferred, 20).await;
    open.store(true, Ordering::SeqCst);
    site.clock.advance(Duration::from_secs(11 * 300));
    site.queue_empties().await;
    let got = peer.messages();
    assert_eq!(got.len(), 1, "one copy for all of them");
    assert_eq!(got[0].rcpt.len(), 20);
}

/// What the other server took is not sent again because its receipt could not be written at once.
#[tokio::test]
async fn a_result_that_cannot_be_written_is_written_later_and_nothing_goes_twice() {
    let peer = Peer::willing(FULL).await;
    let site = towards(&peer, |_| {}).await;
    execute(
        &site,
        "CREATE TRIGGER stuck BEFORE DELETE ON queue_recipient BEGIN SELECT RAISE(ABORT, 'stuck'); END",
    )
    .await;
    let _queue = site.run_queue();
    submit(&site, "", "x@far.example").await;
    while peer.messages().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(site.events(Kind::DeliveryRelayed).await.is_empty());
    assert_eq!(site.queued().await.len(), 1);
    execute(&site, "DROP TRIGGER stuck").await;
    site.queue_empties().await;
    assert_eq!(site.events(Kind::DeliveryRelayed).await.len(), 1);
    assert_eq!(peer.messages().len(), 1);
}

/// A command and a delivery that meet: each recipient ends once, and is told of as it ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_command_takes_out_during_a_delivery_is_told_of_once() {
    for (reply, relayed) in [("250 2.0.0 taken", true), ("550 5.7.0 no", false)] {
        let reached = Arc::new(AtomicBool::new(false));
        let open = Arc::new(AtomicBool::new(false));
        let (here, gate) = (Arc::clone(&reached), Arc::clone(&open));
        let peer = Peer::start(
            FULL,
            None,
            Arc::new(move |command| {
                if command != "." {
                    return None;
                }
                here.store(true, Ordering::SeqCst);
                // The other tasks of this thread go on elsewhere.
                tokio::task::block_in_place(|| {
                    while !gate.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                });
                Some(reply)
            }),
        )
        .await;
        let site = towards(&peer, |_| {}).await;
        let _queue = site.run_queue();
        submit(&site, "", "x@far.example").await;
        while !reached.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let admin = site.administrator();
        let returned = command::bounce(&site.transfer, &admin, Which::All, "wrong")
            .await
            .unwrap();
        assert_eq!(returned, 1);
        open.store(true, Ordering::SeqCst);
        if relayed {
            let event = &site.events_of(Kind::DeliveryRelayed, 1).await[0].event;
            let note = event.detail["note"].as_str().unwrap();
            assert!(note.contains("by command"), "{note}");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(site.events(Kind::DeliveryFailed).await.is_empty());
        assert_eq!(site.events(Kind::NotificationMade).await.len(), 1);
        assert_eq!(site.inbox(TARO).await.len(), 1);
        // Nothing is left to return, so nobody is told of anything.
        let again = command::bounce(&site.transfer, &admin, Which::All, "wrong").await;
        assert_eq!(again.unwrap(), 0);
    }
}

/// The trail tells of a notification that nobody could be given.
#[tokio::test]
async fn a_notification_to_a_sender_who_is_gone_leaves_an_event() {
    let site = Site::open(|_| {}).await;
    submit(&site, "", "x@nowhere.example").await;
    execute(&site, "UPDATE queue_message SET sender = 'gone@example.jp'").await;
    let _queue = site.run_queue();
    site.queue_empties().await;
    let made = site.events(Kind::NotificationMade).await;
    assert_eq!(made.len(), 1);
    let event = &made[0].event;
    assert_eq!(event.outcome, Outcome::Failure);
    assert_eq!(event.detail["recipients"][0], "gone@example.jp");
    let reason = event.detail["reason"].as_str().unwrap();
    assert!(reason.contains("no mailbox"), "{reason}");
}

#[tokio::test]
async fn counters_tell_what_happened() {
    let handle = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .unwrap();
    let peer = Peer::willing(FULL).await;
    let site = towards(&peer, |_| {}).await;
    let _queue = site.run_queue();
    submit(&site, "", "x@far.example").await;
    submit(&site, "", "x@nowhere.example").await;
    submit(&site, "", "jiro@example.jp").await;
    site.queue_empties().await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example>", "250").await;
    talk.say("RCPT TO:<nobody@example.jp>", "550").await;
    let text = handle.render();
    // Other stories of this file may count at the same time.
    for line in [
        "# HELP kakitome_recipients_relayed_total Recipients taken by other servers",
        "kakitome_recipients_expired_total ",
        "kakitome_recipients_relayed_total ",
        "kakitome_recipients_failed_total ",
        "kakitome_recipients_delivered_total ",
        "kakitome_messages_accepted_total{service=\"submission\"} ",
        "kakitome_messages_accepted_bytes_total{service=\"submission\"} ",
        "kakitome_transactions_refused_total{service=\"exchange\",class=\"permanent\"} ",
        "kakitome_submission_authentications_total{outcome=\"success\"} ",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let relayed = text
        .lines()
        .find_map(|line| line.strip_prefix("kakitome_recipients_relayed_total "))
        .unwrap();
    assert!(relayed.parse::<f64>().unwrap() >= 1.0, "{relayed}");
}

/// Changes the store behind everybody's back.
async fn execute(site: &Site, sql: &'static str) {
    let changed = site
        .store
        .commit(Vec::new(), move |tx| -> Result<_, store::Error> {
            tx.execute(sql, store::params![])?;
            tx.record(
                &trail::Event::new(Kind::CommandGiven, trail::Actor::System),
                (),
            )
        });
    changed.await.unwrap();
}
