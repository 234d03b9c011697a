//! Every limit of a session, set so low that it is met: what the client is told, and what the trail has of it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::time::Duration;

use site::{JIRO, Site, TARO, Talk};
use tokio::{io::AsyncWriteExt, time::Instant};
use trail::{Kind, Recorded};
use transfer::{Listener, Settings};

const CONTENT: &str = "From: a@b.example\r\nSubject: hi\r\n\r\nhello";

async fn greeted(site: &Site) -> Talk {
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk
}

async fn in_data(site: &Site) -> Talk {
    let mut talk = greeted(site).await;
    talk.say("MAIL FROM:<a@b.example>", "250").await;
    talk.say(&format!("RCPT TO:<{TARO}>"), "250").await;
    talk.say("DATA", "354").await;
    talk
}

fn details(recorded: &Recorded) -> (&str, &str) {
    let detail = &recorded.event.detail;
    let of = |name: &str| detail.get(name).and_then(|value| value.as_str());
    (of("command").unwrap(), of("reply").unwrap_or_default())
}

/// One limit: how it is set, what is said up to it with what comes back, and the event of what was refused.
struct Case {
    name: &'static str,
    set: fn(&mut Settings),
    said: Vec<(String, &'static str)>,
    event: Option<(&'static str, &'static str)>,
}

fn cases() -> Vec<Case> {
    let said = |lines: &[(&str, &'static str)]| {
        let own = lines
            .iter()
            .map(|(line, reply)| ((*line).to_owned(), *reply));
        own.collect::<Vec<_>>()
    };
    let mail = ("MAIL FROM:<a@b.example>", "250");
    let taro = ("RCPT TO:<taro@example.jp>", "250");
    let jiro = "RCPT TO:<jiro@example.jp>";
    let unknown = "RCPT TO:<nobody@example.jp>";
    let content = |text: &str| format!("{text}\r\n.");
    let mut loops = said(&[mail, taro, ("DATA", "354")]);
    loops.push((
        content(&format!("{}\r\nx", "Received: by x\r\n".repeat(3))),
        "554 5.4.6",
    ));
    let mut long_line = said(&[mail, taro, ("DATA", "354")]);
    long_line.push((
        content(&format!("{CONTENT}{}", "x".repeat(1100))),
        "554 5.6.0",
    ));
    let mut drained = said(&[mail, taro, ("DATA", "354")]);
    drained.push(("x\r\n".repeat(20_000), "552 5.3.4"));
    vec![
        Case {
            name: "recipients",
            set: |settings| settings.limits.recipients = 1,
            said: said(&[mail, taro, (jiro, "452 4.5.3")]),
            event: Some(("RCPT", "452 4.5.3")),
        },
        Case {
            name: "transactions",
            set: |settings| settings.limits.transactions = 1,
            said: said(&[mail, ("RSET", "250"), (mail.0, "421")]),
            event: Some(("MAIL", "421")),
        },
        Case {
            name: "commands",
            set: |settings| settings.limits.commands = 3,
            said: said(&[mail, taro, (jiro, "421")]),
            event: Some(("RCPT", "421")),
        },
        Case {
            name: "errors",
            set: |settings| settings.limits.errors = 1,
            said: said(&[("DATA", "503"), ("RCPT TO:<x@y>", "421")]),
            event: Some(("RCPT", "421")),
        },
        Case {
            name: "unknown_commands",
            set: |settings| settings.limits.unknown_commands = 1,
            said: said(&[mail, ("JUNK", "500"), ("JUNK", "421")]),
            event: Some(("MAIL", "421")),
        },
        Case {
            name: "refused_recipients",
            set: |settings| settings.limits.refused_recipients = 1,
            said: said(&[mail, (unknown, "550"), (unknown, "421")]),
            event: Some(("MAIL", "421")),
        },
        Case {
            name: "line_length",
            set: |settings| settings.limits.line_octets = 40,
            said: said(&[
                mail,
                taro,
                ("MAIL FROM:<somebody.with.a.long.name@b.example>", "500"),
            ]),
            event: Some(("RCPT", "500")),
        },
        Case {
            name: "received_lines",
            set: |settings| settings.limits.received_lines = 2,
            said: loops,
            event: Some(("DATA", "554 5.4.6")),
        },
        Case {
            name: "content_line_length",
            set: |settings| settings.limits.content_line_octets = 1000,
            said: long_line,
            event: Some(("DATA", "554 5.6.0")),
        },
        Case {
            name: "drained_content",
            set: |settings| {
                settings.limits.message_octets = 1000;
                settings.limits.drained_octets = 10_000;
            },
            said: drained,
            event: Some(("DATA", "552 5.3.4")),
        },
    ]
}

#[tokio::test]
async fn a_limit_that_is_met_is_told_and_recorded() {
    for case in cases() {
        let site = Site::open(case.set).await;
        let mut talk = greeted(&site).await;
        for (line, reply) in &case.said {
            talk.write(format!("{line}\r\n").as_bytes()).await;
            let told = talk.reply().await;
            assert!(told.starts_with(reply), "{}: {line:.40}: {told}", case.name);
        }
        let last = case.said.last().unwrap().1;
        if last.starts_with("421") {
            assert_eq!(talk.reply().await, "", "{}: it is over", case.name);
        }
        let refused = site.events(Kind::TransactionRefused).await;
        let found = refused.iter().map(details).any(|(command, reply)| {
            case.event
                .is_none_or(|(of, begins)| command == of && reply.starts_with(begins))
        });
        assert!(found, "{}: {refused:?}", case.name);
        assert!(site.inbox(TARO).await.is_empty(), "{}", case.name);
    }
}

#[tokio::test]
async fn failed_authentications_are_counted_and_so_are_the_octets_of_one() {
    let site = Site::open(|settings| settings.limits.authentication_failures = 2).await;
    let mut talk = site.submission().await;
    talk.say("QUIT", "221").await;
    let mut talk = site.connect(Listener::Submission);
    talk.read("220").await;
    talk.say("EHLO pc", "250").await;
    talk.say("STARTTLS", "220").await;
    talk.start_tls(&site.certificate.roots).await;
    talk.say("EHLO pc", "250").await;
    talk.say("AUTH PLAIN AGEAYg==", "535").await;
    talk.say("AUTH PLAIN AGEAYg==", "535").await;
    assert_eq!(talk.reply().await, "");
    assert_eq!(site.events(Kind::AuthenticationFailed).await.len(), 2);

    let site = Site::open(|settings| settings.limits.auth_line_octets = 100).await;
    let mut talk = site.connect(Listener::Submission);
    talk.read("220").await;
    talk.say("EHLO pc", "250").await;
    talk.say(&format!("AUTH PLAIN {}", "A".repeat(200)), "500")
        .await;
    assert_eq!(talk.reply().await, "");
}

/// A message that takes too long in all, one that trickles, and one that the end of the server cuts off: each was
/// refused by it, and the trail has it.
#[tokio::test]
async fn a_message_that_is_cut_off_leaves_its_event() {
    for (name, set) in [
        (
            "data_time",
            (|settings: &mut Settings| settings.times.data = Duration::from_millis(400))
                as fn(&mut Settings),
        ),
        ("data_rate", |settings| {
            settings.limits.data_rate = 1 << 20;
            settings.times.data_silence = Duration::from_millis(400);
        }),
        ("data_silence", |settings| {
            settings.times.data_silence = Duration::from_millis(30);
        }),
        ("shutdown_time", |settings| {
            settings.times.drain = Duration::from_millis(400);
        }),
    ] {
        let site = Site::open(set).await;
        let mut talk = in_data(&site).await;
        if name == "shutdown_time" {
            site.shut_down();
        }
        let began = Instant::now();
        // Never silent for long, never done.
        while !talk.task.is_finished() {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "{name}: it goes on"
            );
            let stream = talk.stream.as_mut().unwrap();
            if stream.write_all(b"word\r\n").await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        talk.read("421").await;
        let refused = site.events(Kind::TransactionRefused).await;
        assert_eq!(refused.len(), 1, "{name}");
        assert_eq!(details(&refused[0]).0, "DATA", "{name}");
        assert!(details(&refused[0]).1.starts_with("421"), "{name}");
        assert_eq!(refused[0].event.detail["recipients"][0], TARO, "{name}");
    }
}

#[tokio::test]
async fn a_handshake_has_its_time() {
    let site = Site::open(|settings| {
        settings.times.handshake = Duration::from_millis(200);
    })
    .await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("STARTTLS", "220").await;
    let began = Instant::now();
    assert_eq!(talk.reply().await, "", "nothing is said in the clear");
    assert!(began.elapsed() >= Duration::from_millis(150));
    talk.task.await.unwrap();
    let talk = site.connect(Listener::Submissions);
    tokio::time::timeout(Duration::from_secs(10), talk.task)
        .await
        .expect("a silent client of the TLS port is let go")
        .unwrap();
}

/// However much one address sends and leaves unfinished, others are heard.
#[tokio::test]
async fn one_address_does_not_stop_all_mail() {
    let site = Site::open(|settings| {
        settings.limits.message_octets = 1 << 20;
        settings.memory = 12 << 20;
        settings.times.memory = Duration::from_millis(300);
    })
    .await;
    let line = format!("{}\r\n", "0123456789".repeat(8));
    let large = line.repeat(8_000);
    let mut greedy = Vec::new();
    for _ in 0..16 {
        let mut talk = in_data(&site).await;
        talk.write(large.as_bytes()).await;
        greedy.push(talk);
    }
    let mut other = site.connect_from(Listener::Exchange, "198.51.100.7:4000".parse().unwrap());
    other.read("220").await;
    other.say("EHLO other.example", "250").await;
    let content = format!("{CONTENT}\r\n{large}");
    let reply = other
        .mail("a@c.example", &[JIRO], "Subject: small\r\n\r\nx")
        .await;
    assert!(reply.starts_with("250"), "{reply}");
    let reply = other.mail("a@c.example", &[TARO], &content).await;
    assert!(reply.starts_with("250"), "{reply}");
    // The greedy one is told to come again, for all but its share.
    let mut put_off = 0;
    for talk in &mut greedy {
        talk.write(b".\r\n").await;
        put_off += usize::from(talk.reply().await.starts_with("452"));
    }
    assert!(put_off >= 8, "{put_off}");
}

/// A flood of mail without a sender is put off, while mail with one goes on (clause 5.5(3)).
#[tokio::test]
async fn bounces_have_a_budget_of_their_own() {
    let site = Site::open(|settings| {
        settings.limits.null_senders_per_minute = 4;
        settings.limits.null_sender_transactions = 2;
    })
    .await;
    let mut talks = Vec::new();
    for _ in 0..2 {
        let mut talk = greeted(&site).await;
        talk.say("MAIL FROM:<>", "250").await;
        talks.push(talk);
    }
    let mut third = greeted(&site).await;
    third.say("MAIL FROM:<>", "451 4.4.5").await;
    third.say("MAIL FROM:<a@b.example>", "250").await;
    third.say("RSET", "250").await;
    // Whoever ends a transaction, or goes, makes room; and then the minute's are used up.
    talks[0].say("RSET", "250").await;
    third.say("MAIL FROM:<>", "250").await;
    third.say("RSET", "250").await;
    talks[1].say("RSET", "250").await;
    let mut fourth = greeted(&site).await;
    fourth.say("MAIL FROM:<>", "250").await;
    fourth.say("RSET", "250").await;
    fourth.say("MAIL FROM:<>", "451 4.4.5").await;
    fourth.say("MAIL FROM:<a@b.example>", "250").await;
}
