//! Mail to the world: submitted, queued, tried, put off, returned; and nothing that gets stuck stops the rest.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use site::{Site, TARO, domain, peer::Peer};
use store::queue::Selection;
use trail::{Kind, Outcome};
use transfer::{
    Answer, Mx,
    command::{self, Which},
};

const CONTENT: &str = "From: taro@example.jp\r\nTo: x@far.example\r\nSubject: out\r\nBcc: secret@far.example\r\n\r\nhello\r\n..dot";
const FULL: &[&str] = &[
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "SIZE 100000000",
];

fn exchanger(site: &Site, of: &str, host: &str) {
    let mx = Mx {
        preference: 10,
        host: Some(domain(host)),
    };
    site.resolver.set_mx(domain(of), Answer::Found(vec![mx]));
    site.resolver.set_host(
        domain(host),
        Answer::Found(vec![IpAddr::from([127, 0, 0, 1])]),
    );
}

async fn site_towards(peer: &Peer) -> Site {
    let port = peer.at.port();
    let site = Site::open(|settings| settings.outbound.relay_port = port).await;
    exchanger(&site, "far.example", "mx.far.example");
    site
}

#[tokio::test]
async fn a_submission_goes_out_and_the_trail_tells() {
    let peer = Peer::willing(FULL).await;
    let site = site_towards(&peer).await;
    let queue = site.run_queue();
    site.submit(
        "MAIL FROM:<taro@example.jp> RET=HDRS ENVID=q1",
        &[
            "RCPT TO:<x@far.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@far.example",
            "RCPT TO:<jiro@example.jp>",
        ],
        CONTENT,
    )
    .await;
    site.queue_empties().await;
    let got = peer.messages();
    assert_eq!(got.len(), 1);
    assert!(
        got[0].mail.starts_with("MAIL FROM:<taro@example.jp>") && got[0].mail.contains("ENVID=q1"),
        "{}",
        got[0].mail
    );
    assert_eq!(
        got[0].rcpt,
        ["RCPT TO:<x@far.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@far.example"]
    );
    let data = &got[0].data;
    assert!(
        data.starts_with("Received: from mx.example.jp by"),
        "{data}"
    );
    assert!(
        !data.contains("192.0.2.9") && !data.contains("secret") && !data.contains("pc.office"),
        "{data}"
    );
    assert!(
        data.contains("Date: ")
            && data.contains("Message-ID: <")
            && data.ends_with("hello\r\n.dot\r\n"),
        "{data}"
    );
    // The local recipient has the same message, from the same commit.
    let jiro = site.inbox("jiro@example.jp").await;
    assert!(
        jiro[0].starts_with("Return-Path: <taro@example.jp>\r\nReceived:")
            && jiro[0].ends_with(".dot\r\n")
    );
    let relayed = site.events(Kind::DeliveryRelayed).await;
    assert_eq!(relayed[0].event.detail["host"], "mx.far.example");
    assert_eq!(relayed[0].event.detail["recipient"], "x@far.example");
    let accepted = site.events(Kind::SubmissionAccepted).await;
    assert_eq!(accepted[0].event.subject, relayed[0].event.subject);
    assert_eq!(
        accepted[0].event.actor.to_text(),
        format!("identifier:{TARO}")
    );
    // The peer was given the DSN parameters: telling of success is its business.
    assert!(site.events(Kind::NotificationMade).await.is_empty());
    site.shut_down();
    queue.await.unwrap();
}

#[tokio::test]
async fn a_peer_without_dsn_makes_us_tell_that_it_was_relayed() {
    let peer = Peer::willing(&["PIPELINING"]).await;
    let site = site_towards(&peer).await;
    let _queue = site.run_queue();
    site.submit(
        "MAIL FROM:<taro@example.jp>",
        &["RCPT TO:<x@far.example> NOTIFY=SUCCESS"],
        CONTENT,
    )
    .await;
    let inbox = site.inbox_of(TARO, 1).await;
    assert!(inbox[0].starts_with("Return-Path: <>"), "{}", inbox[0]);
    assert!(
        inbox[0].contains("Action: relayed")
            && inbox[0].contains("Final-Recipient: rfc822; x@far.example")
    );
    assert_eq!(peer.messages()[0].rcpt, ["RCPT TO:<x@far.example>"]);
}

#[tokio::test]
async fn each_recipient_has_its_own_fate_and_failure_is_told_at_once() {
    let peer = Peer::start(
        FULL,
        None,
        Arc::new(|command| match command {
            c if c.starts_with("RCPT TO:<NO@") => Some("550 5.1.1 nobody of that name"),
            c if c.starts_with("RCPT TO:<LATER@") => Some("450 4.2.0 greylisted"),
            _ => None,
        }),
    )
    .await;
    let site = site_towards(&peer).await;
    let _queue = site.run_queue();
    site.submit(
        "MAIL FROM:<taro@example.jp>",
        &[
            "RCPT TO:<yes@far.example>",
            "RCPT TO:<no@far.example>",
            "RCPT TO:<later@far.example>",
            "RCPT TO:<no2@nowhere.example>",
            "RCPT TO:<no@far.example> NOTIFY=NEVER",
        ],
        CONTENT,
    )
    .await;
    // One for far.example, one for the domain that does not exist: they are separate attempts.
    let inbox = site.inbox_of(TARO, 2).await.join("\n");
    assert!(
        inbox.contains("Diagnostic-Code: smtp; 550 5.1.1 nobody of that name"),
        "{inbox}"
    );
    assert!(
        inbox.contains("Final-Recipient: rfc822; no2@nowhere.example")
            && inbox.contains("Status: 5.1.2"),
        "{inbox}"
    );
    assert!(inbox.contains("Subject: out"), "the message comes back");
    site.events_of(Kind::DeliveryDeferred, 1).await;
    let left = site.queued().await;
    assert_eq!((left.len(), left[0].recipients.len()), (1, 1));
    assert_eq!(left[0].recipients[0].last_reply, "450 4.2.0 greylisted");
    assert_eq!(left[0].recipients[0].attempts, 1);
    assert_eq!(site.events(Kind::DeliveryFailed).await.len(), 2);
}

#[tokio::test]
async fn what_fails_for_now_is_tried_again_warned_of_and_returned() {
    let open = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    let (gate, count) = (Arc::clone(&open), Arc::clone(&asked));
    let peer = Peer::start(
        FULL,
        None,
        Arc::new(move |command| {
            let late = command.starts_with("RCPT TO:<LATE@") && gate.load(Ordering::SeqCst);
            if command.starts_with("RCPT") && !late {
                count.fetch_add(1, Ordering::SeqCst);
                return Some("451 4.3.0 not now");
            }
            None
        }),
    )
    .await;
    let site = site_towards(&peer).await;
    let _queue = site.run_queue();
    site.submit(
        "MAIL FROM:<taro@example.jp>",
        &["RCPT TO:<late@far.example>", "RCPT TO:<never@far.example>"],
        CONTENT,
    )
    .await;
    site.events_of(Kind::DeliveryDeferred, 2).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // Nothing before its time.
    site.clock.advance(Duration::from_secs(299));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    site.clock.advance(Duration::from_secs(2));
    site.events_of(Kind::DeliveryDeferred, 4).await;
    // After four hours the sender is told, once.
    site.clock.advance(Duration::from_secs(4 * 3600));
    let inbox = site.inbox_of(TARO, 1).await;
    assert!(
        inbox[0].contains("Action: delayed") && inbox[0].contains("Will-Retry-Until:"),
        "{}",
        inbox[0]
    );
    open.store(true, Ordering::SeqCst);
    site.clock.advance(Duration::from_secs(5 * 3600));
    site.events_of(Kind::DeliveryRelayed, 1).await;
    site.events_of(Kind::DeliveryDeferred, 7).await;
    assert_eq!(site.inbox(TARO).await.len(), 1);
    // After five days it comes back.
    site.clock.advance(Duration::from_secs(5 * 86_400));
    let inbox = site.inbox_of(TARO, 2).await;
    assert!(
        inbox[1].contains("Action: failed") && inbox[1].contains("never@far.example"),
        "{}",
        inbox[1]
    );
    assert!(!inbox[1].contains("Final-Recipient: rfc822; late@"));
    site.queue_empties().await;
    assert_eq!(site.events(Kind::DeliveryExpired).await.len(), 1);
}

#[tokio::test]
async fn a_stuck_destination_does_not_stop_the_rest() {
    // A server that takes the connection and never speaks.
    let silent = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = silent.accept().await {
            held.push(socket);
        }
    });
    let peer = Peer::willing(FULL).await;
    let near = peer.at.port();
    let site = Site::open(|settings| {
        settings.outbound.relay_port = port;
        settings.outbound.concurrency = 6;
        settings.outbound.destination_concurrency = 2;
        let hop = transfer::NextHop::new("[127.0.0.1]".parse_host(), near);
        settings.routes.insert(domain("far.example"), hop);
    })
    .await;
    site.resolver.set_mx(
        domain("stuck.example"),
        Answer::Found(vec![Mx {
            preference: 1,
            host: Some(domain("mx.stuck.example")),
        }]),
    );
    site.resolver.set_host(
        domain("mx.stuck.example"),
        Answer::Found(vec![IpAddr::from([127, 0, 0, 2])]),
    );
    let _queue = site.run_queue();
    for _ in 0..10 {
        site.submit(
            "MAIL FROM:<taro@example.jp>",
            &["RCPT TO:<x@stuck.example>"],
            CONTENT,
        )
        .await;
    }
    for _ in 0..5 {
        site.submit(
            "MAIL FROM:<taro@example.jp>",
            &["RCPT TO:<x@far.example>"],
            CONTENT,
        )
        .await;
    }
    site.events_of(Kind::DeliveryRelayed, 5).await;
    assert_eq!(peer.messages().len(), 5);
    assert_eq!(site.queued().await.len(), 10);
}

/// As many stuck destinations as would fill every slot.
#[tokio::test]
async fn stuck_destinations_together_do_not_stop_the_rest() {
    let silent = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let (held, mut watched) = tokio::sync::watch::channel(Vec::new());
    tokio::spawn(async move {
        while let Ok((socket, _)) = silent.accept().await {
            held.send_modify(|held| held.push(socket));
        }
    });
    let peer = Peer::willing(FULL).await;
    let near = peer.at.port();
    let site = Site::open(|settings| {
        settings.outbound.relay_port = port;
        settings.outbound.concurrency = 8;
        settings.outbound.destination_concurrency = 2;
        let hop = transfer::NextHop::new("[127.0.0.1]".parse_host(), near);
        settings.routes.insert(domain("far.example"), hop);
    })
    .await;
    let stuck = ["a.example", "b.example", "c.example", "d.example"];
    for name in stuck {
        site.resolver.set_host(
            domain(name),
            Answer::Found(vec![IpAddr::from([127, 0, 0, 2])]),
        );
    }
    let send = async |to: &str, times| {
        for _ in 0..times {
            let rcpt = format!("RCPT TO:<x@{to}>");
            site.submit("MAIL FROM:<taro@example.jp>", &[&rcpt], CONTENT)
                .await;
        }
    };
    for name in stuck {
        send(name, 3).await;
    }
    let _queue = site.run_queue();
    let seven = watched.wait_for(|held| held.len() == 7);
    let seven = tokio::time::timeout(Duration::from_secs(10), seven).await;
    drop(seven.expect("all slots but the last are taken").unwrap());
    send("far.example", 3).await;
    site.events_of(Kind::DeliveryRelayed, 3).await;
    assert_eq!(site.queued().await.len(), 12);
}

trait ParseHost {
    fn parse_host(&self) -> message::address::Host;
}

impl ParseHost for str {
    fn parse_host(&self) -> message::address::Host {
        message::address::Host::parse(self).unwrap()
    }
}

#[tokio::test]
async fn dns_decides_null_mx_never_lost_dns_later() {
    let peer = Peer::willing(FULL).await;
    let site = site_towards(&peer).await;
    site.resolver.set_mx(
        domain("null.example"),
        Answer::Found(vec![Mx {
            preference: 0,
            host: None,
        }]),
    );
    let _queue = site.run_queue();
    site.submit(
        "MAIL FROM:<taro@example.jp>",
        &["RCPT TO:<x@null.example>"],
        CONTENT,
    )
    .await;
    let inbox = site.inbox_of(TARO, 1).await;
    assert!(inbox[0].contains("Status: 5.1.10"), "{}", inbox[0]);
    site.resolver.set_lost(true);
    site.submit(
        "MAIL FROM:<taro@example.jp>",
        &["RCPT TO:<x@far.example>"],
        CONTENT,
    )
    .await;
    site.events_of(Kind::DeliveryDeferred, 1).await;
    assert_eq!(
        site.queued().await[0].recipients[0].last_reply,
        "no name server answers"
    );
    site.resolver.set_lost(false);
    site.clock.advance(Duration::from_secs(301));
    site.queue_empties().await;
    assert_eq!(peer.messages().len(), 1);
}

#[tokio::test]
async fn connections_are_used_again() {
    let peer = Peer::willing(FULL).await;
    let site = site_towards(&peer).await;
    let mut talk = site.submission().await;
    for _ in 0..6 {
        let reply = talk.mail(TARO, &["x@far.example"], CONTENT).await;
        assert!(reply.starts_with("250"), "{reply}");
    }
    let _queue = site.run_queue();
    site.queue_empties().await;
    assert_eq!(peer.messages().len(), 6);
    let used = *peer.connections.lock();
    assert!(used <= 5, "{used} connections for 6 messages at 5 at once");
}

#[tokio::test]
async fn commands_need_a_role_and_leave_events() {
    let site = Site::open(|_| {}).await;
    site.resolver.set_lost(true);
    for _ in 0..3 {
        site.submit(
            "MAIL FROM:<taro@example.jp>",
            &["RCPT TO:<x@far.example>"],
            CONTENT,
        )
        .await;
    }
    let admin = site.administrator();
    let nobody = directory::Person::new("taro", vec![directory::Role::Staff]);
    assert!(
        command::list(&site.store, &nobody, Selection::default())
            .await
            .is_err()
    );
    assert_eq!(
        site.events(Kind::CommandGiven)
            .await
            .last()
            .unwrap()
            .event
            .outcome,
        Outcome::Refused
    );
    let ids: Vec<store::QueueId> = site
        .queued()
        .await
        .iter()
        .map(|q| q.id.parse().unwrap())
        .collect();
    let one = |n: usize| {
        Which::Selected(Box::new(Selection {
            ids: vec![ids[n]],
            ..Selection::default()
        }))
    };
    assert!(matches!(
        command::hold(&site.store, &admin, Which::Selected(Box::default())).await,
        Err(command::CommandError::NothingSelected)
    ));
    assert_eq!(command::hold(&site.store, &admin, one(0)).await.unwrap(), 1);
    assert_eq!(
        command::show(&site.store, &admin, ids[0])
            .await
            .unwrap()
            .recipients[0]
            .state,
        "held"
    );
    assert_eq!(
        command::release(&site.store, &admin, one(0)).await.unwrap(),
        1
    );
    assert!(
        command::discard(&site.store, &admin, one(1), " ")
            .await
            .is_err()
    );
    assert_eq!(
        command::discard(&site.store, &admin, one(1), "spam")
            .await
            .unwrap(),
        1
    );
    assert!(site.inbox(TARO).await.is_empty(), "discard tells nobody");
    assert_eq!(
        command::bounce(&site.transfer, &admin, one(2), "wrong address")
            .await
            .unwrap(),
        1
    );
    let inbox = site.inbox(TARO).await;
    assert!(
        inbox[0].contains("Action: failed") && inbox[0].contains("wrong address"),
        "{}",
        inbox[0]
    );
    assert_eq!(site.queued().await.len(), 1);
    for (kind, count) in [
        (Kind::QueueHeld, 1),
        (Kind::QueueReleased, 1),
        (Kind::QueueDiscarded, 1),
        (Kind::QueueBounced, 1),
        (Kind::NotificationMade, 1),
    ] {
        let events = site.events(kind).await;
        assert_eq!(events.len(), count, "{}", kind.as_str());
        if kind != Kind::NotificationMade {
            assert_eq!(events[0].event.detail["acting_role"], "administrator");
        }
    }
}

/// The second exchanger is tried only while the first cannot have taken the message.
#[tokio::test]
async fn another_host_is_tried_unless_the_message_may_have_been_taken() {
    for (breaks_at, delivered) in [("", true), ("MAIL", true), (".", false)] {
        let second = Peer::willing(FULL).await;
        let first = tokio::net::TcpListener::bind(("127.0.0.3", second.at.port()))
            .await
            .unwrap();
        let first = Peer::serve(
            first,
            FULL,
            None,
            Arc::new(move |command| {
                (command == breaks_at || (breaks_at == "MAIL" && command.starts_with("MAIL")))
                    .then_some("")
            }),
        );
        let site = site_towards(&second).await;
        let mx = |preference, host| Mx {
            preference,
            host: Some(domain(host)),
        };
        site.resolver.set_mx(
            domain("far.example"),
            Answer::Found(vec![mx(20, "mx.far.example"), mx(10, "mx1.far.example")]),
        );
        site.resolver.set_host(
            domain("mx1.far.example"),
            Answer::Found(vec![IpAddr::from([127, 0, 0, 3])]),
        );
        let _queue = site.run_queue();
        site.submit(
            "MAIL FROM:<taro@example.jp>",
            &["RCPT TO:<x@far.example>"],
            CONTENT,
        )
        .await;
        let kind = if delivered {
            Kind::DeliveryRelayed
        } else {
            Kind::DeliveryDeferred
        };
        site.events_of(kind, 1).await;
        assert_eq!(*first.connections.lock(), 1, "{breaks_at}");
        assert_eq!(
            second.messages().len(),
            usize::from(delivered),
            "{breaks_at}"
        );
    }
}

#[tokio::test]
async fn shutdown_lets_a_delivery_end() {
    let peer = Peer::willing(FULL).await;
    let site = site_towards(&peer).await;
    let queue = site.run_queue();
    site.submit(
        "MAIL FROM:<taro@example.jp>",
        &["RCPT TO:<x@far.example>"],
        CONTENT,
    )
    .await;
    site.events_of(Kind::DeliveryRelayed, 1).await;
    site.shut_down();
    tokio::time::timeout(Duration::from_secs(5), queue)
        .await
        .expect("it ends")
        .unwrap();
}
