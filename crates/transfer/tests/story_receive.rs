//! Mail from the world: what is taken goes into mailboxes in one commit, and what is refused is refused in the
//! dialogue, with its event.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::time::Duration;

use site::{JIRO, Site, TARO};
use tokio::io::AsyncWriteExt;
use trail::{Actor, Kind, Outcome};
use transfer::Listener;

const CONTENT: &str = "From: a@b.example\r\nMessage-ID: <1@b.example>\r\nSubject: hi\r\n\r\nhello";

#[tokio::test]
async fn a_message_is_in_every_mailbox_once_when_250_is_said() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    let to = [TARO, JIRO, "Taro+news@EXAMPLE.jp"];
    let reply = talk.mail("a@b.example", &to, CONTENT).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");

    let taro = site.inbox(TARO).await;
    assert_eq!((taro.len(), site.inbox(JIRO).await.len()), (1, 1));
    assert!(
        taro[0].starts_with(
            "Return-Path: <a@b.example>\r\nReceived: from client.example ([192.0.2.9])"
        )
    );
    assert!(taro[0].ends_with("Subject: hi\r\n\r\nhello\r\n"));
    let accepted = site.events(Kind::TransactionAccepted).await;
    let local = site.events(Kind::DeliveryLocal).await;
    assert_eq!((accepted.len(), local.len()), (1, 1));
    let event = &accepted[0].event;
    assert!(reply.contains(&event.subject) && event.subject == local[0].event.subject);
    assert_eq!(
        (&event.actor, event.outcome),
        (&Actor::Peer, Outcome::Success)
    );
    assert_eq!(event.address, Some("192.0.2.9".parse().unwrap()));
    assert_eq!(event.detail["recipients"].as_array().unwrap().len(), 3);
    // One instant: one commit.
    assert_eq!(accepted[0].at, local[0].at);
}

#[tokio::test]
async fn nothing_is_relayed_whatever_the_address_looks_like() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example>", "250").await;
    for path in [
        "x@foreign.example",
        "@example.jp:x@foreign.example",
        "x%foreign.example@example.jp",
        "foreign.example!x@example.jp",
        "\"x@foreign.example\"@example.jp",
        "x@foreign.example@example.jp",
        "x@[192.0.2.1]",
        "x@[127.0.0.1]",
        "taro@[192.0.2.9]",
        "nobody@example.jp",
        "\"taro@example.jp\"@example.jp",
    ] {
        talk.say(&format!("RCPT TO:<{path}>"), "5").await;
    }
    // After all that, own mail still works, by source route too.
    talk.say("RCPT TO:<postmaster>", "250").await;
    talk.say("RCPT TO:<abuse@example.jp>", "250").await;
    talk.say(&format!("RCPT TO:<@x.example:{TARO}>"), "250")
        .await;
    talk.say("QUIT", "221").await;
    let refused = site.events(Kind::TransactionRefused).await;
    assert!(refused.len() >= 11, "{}", refused.len());
    let event = &refused[0].event;
    assert_eq!(event.outcome, Outcome::Refused);
    assert_eq!(event.detail["recipient"], "x@foreign.example");
    assert_eq!(event.detail["sender"], "a@b.example");
    assert!(
        event.detail["reply"]
            .as_str()
            .unwrap()
            .starts_with("550 5.7.1")
    );
}

#[tokio::test]
async fn a_flood_of_refusals_costs_bounded_disk_and_is_counted() {
    let site = Site::open(|settings| settings.limits.refusal_events = 5).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example>", "250").await;
    for n in 0..40 {
        talk.say(&format!("RCPT TO:<x{n}@example.jp>"), "550").await;
    }
    // A content that is refused after all these has its event all the same.
    talk.say(&format!("RCPT TO:<{TARO}>"), "250").await;
    talk.say("DATA", "354").await;
    let looping = "Received: by x\r\n".repeat(51);
    talk.say(&format!("{looping}\r\nx\r\n."), "554").await;
    talk.say("QUIT", "221").await;
    talk.task.await.unwrap();
    let refused = site.events(Kind::TransactionRefused).await;
    assert_eq!(refused.len(), 7);
    let content = &refused[5].event.detail;
    assert_eq!(content["recipients"][0], TARO);
    assert!(content["size"].as_u64().unwrap() > 51 * 15, "{content:?}");
    let rest = &refused[6].event.detail;
    assert_eq!(rest["further_refusals"], 35);
    assert_eq!(rest["recipients"][0], "x5@example.jp");
    assert_eq!(rest["recipients"].as_array().unwrap().len(), 35);
}

/// Contents beyond the events that a session may write are counted, and whom they were for is told all the same.
#[tokio::test]
async fn whom_refused_contents_were_for_is_never_lost() {
    let site = Site::open(|settings| settings.limits.refusal_events = 2).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    let looping = format!("{}\r\nx", "Received: by x\r\n".repeat(51));
    for _ in 0..2 {
        let reply = talk.mail("a@b.example", &[TARO], &looping).await;
        assert!(reply.starts_with("554"), "{reply}");
    }
    for _ in 0..3 {
        let reply = talk.mail("a@b.example", &[JIRO], &looping).await;
        assert!(reply.starts_with("554"), "{reply}");
    }
    talk.say("QUIT", "221").await;
    talk.task.await.unwrap();
    let refused = site.events(Kind::TransactionRefused).await;
    assert_eq!(refused.len(), 3);
    let rest = &refused[2].event.detail;
    assert_eq!(rest["further_refusals"], 3);
    assert_eq!(rest["recipients"].as_array().unwrap().len(), 1);
    let found = site.events_with(JIRO).await;
    assert!(found.contains(&refused[2]), "{found:?}");
}

/// The largest transaction that the default settings take, to addresses as long as real ones.
#[tokio::test]
async fn the_trail_has_every_recipient_of_a_large_transaction() {
    let site = Site::open(|_| {}).await;
    let name = |n: usize| format!("taro+somebody-with-quite-a-long-name-{n}@example.jp");
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    let names: Vec<String> = (0..1000).map(name).collect();
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    let reply = talk.mail("a@b.example", &to, CONTENT).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    for kind in [Kind::TransactionAccepted, Kind::DeliveryLocal] {
        let parts = site.events(kind).await;
        assert!(parts.len() > 1, "{}", kind.as_str());
        let mut told = Vec::new();
        for (number, part) in (1..).zip(&parts) {
            let event = &part.event;
            assert_eq!(event.subject, parts[0].event.subject);
            assert_eq!(event.detail["part"], format!("{number} of {}", parts.len()));
            assert!(!event.detail.contains_key("truncated"));
            for name in event.detail["recipients"].as_array().unwrap() {
                told.push(name.as_str().unwrap().to_owned());
            }
        }
        assert_eq!(told, names, "{}", kind.as_str());
    }
    assert_eq!(site.events_with(&name(999)).await.len(), 2);
}

/// Each hides a second message behind something that is no end of data.
#[tokio::test]
async fn no_smuggled_message_is_ever_delivered() {
    let site = Site::open(|_| {}).await;
    for end in [
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r\n.\n",
        "\r\n.\r",
        "\r.\r\n",
        "\r\n\x00.\r\n",
        "\r\r\n.\r\r\n",
    ] {
        let mut talk = site.connect(Listener::Exchange);
        talk.read("220").await;
        talk.say("EHLO client.example", "250").await;
        talk.say("MAIL FROM:<a@b.example>", "250").await;
        talk.say(&format!("RCPT TO:<{TARO}>"), "250").await;
        talk.say("DATA", "354").await;
        let hidden =
            format!("MAIL FROM:<evil@b.example>\r\nRCPT TO:<{JIRO}>\r\nDATA\r\nevil\r\n.\r\n");
        talk.write(format!("{CONTENT}{end}{hidden}").as_bytes())
            .await;
        let reply = talk.reply().await;
        if end.contains('\0') {
            assert!(reply.starts_with("250"), "{end:?}: {reply}");
        } else {
            assert!(reply.starts_with('5'), "{end:?}: {reply}");
        }
    }
    assert!(site.inbox(JIRO).await.is_empty());
    assert_eq!(site.inbox(TARO).await.len(), 1);
}

#[tokio::test]
async fn a_full_mailbox_is_refused_at_rcpt() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example> SIZE=100000", "250").await;
    talk.say(&format!("RCPT TO:<{JIRO}>"), "452 4.2.2").await;
    talk.say(&format!("RCPT TO:<{TARO}>"), "250").await;
    talk.say("RSET", "250").await;
    talk.say("QUIT", "221").await;
    assert!(site.inbox(JIRO).await.is_empty());
}

/// Whoever does not say how much it brings gets the last message over in: for one recipient as for several.
#[tokio::test]
async fn one_message_may_be_the_last_over_a_quota_and_then_rcpt_refuses() {
    for recipients in [&[JIRO][..], &[JIRO, TARO], &[TARO, JIRO]] {
        let site = Site::open(|_| {}).await;
        let mut talk = site.connect(Listener::Exchange);
        talk.read("220").await;
        talk.say("EHLO client.example", "250").await;
        let big = format!("{CONTENT}{}", "\r\nword".repeat(2000));
        let reply = talk.mail("a@b.example", recipients, &big).await;
        assert!(reply.starts_with("250"), "{recipients:?}: {reply}");
        let local = &site.events(Kind::DeliveryLocal).await[0].event;
        let accounts = local.detail["accounts"].as_array().unwrap();
        assert_eq!(accounts.len(), recipients.len());
        talk.say("MAIL FROM:<a@b.example>", "250").await;
        talk.say(&format!("RCPT TO:<{JIRO}>"), "452 4.2.2").await;
        talk.say(&format!("RCPT TO:<{TARO}>"), "250").await;
        assert!(site.queued().await.is_empty(), "nothing is returned");
    }
}

#[tokio::test]
async fn a_loop_ends() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    let content = format!("{}{CONTENT}", "Received: by x\r\n".repeat(51));
    let reply = talk.mail("a@b.example", &[TARO], &content).await;
    assert!(reply.starts_with("554 5.4.6"), "{reply}");
    assert!(site.inbox(TARO).await.is_empty());
}

#[tokio::test]
async fn a_slow_client_is_shown_out() {
    let site = Site::open(|settings| {
        settings.times.command = Duration::from_millis(300);
        settings.times.data_silence = Duration::from_millis(300);
    })
    .await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.read("421 4.4.2").await;
    assert_eq!(talk.reply().await, "");
    talk.task.await.unwrap();

    // A command that trickles is no quicker than none.
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    let mut octets = 0;
    while talk.stream.as_mut().unwrap().write_all(b"N").await.is_ok() {
        octets += 1;
        assert!(octets < 50, "it may go on for ever");
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    talk.read("421 4.4.2").await;

    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example>", "250").await;
    talk.say(&format!("RCPT TO:<{TARO}>"), "250").await;
    talk.say("DATA", "354").await;
    talk.write(b"Subject: never").await;
    talk.read("421 4.4.2").await;
    talk.task.await.unwrap();
    assert!(site.inbox(TARO).await.is_empty());
}

#[tokio::test]
async fn shutdown_ends_idle_sessions_politely() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    site.shut_down();
    talk.read("421 4.3.2").await;
    talk.task.await.unwrap();
}

#[tokio::test]
async fn starttls_forgets_what_was_sent_ahead_and_is_recorded() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    let offer = talk.say("EHLO client.example", "250").await;
    assert!(
        offer.contains("STARTTLS") && !offer.contains("AUTH"),
        "{offer}"
    );
    talk.say("STARTTLS", "220").await;
    talk.start_tls(&site.certificate.roots).await;
    talk.say("MAIL FROM:<a@b.example>", "503").await;
    talk.say("EHLO client.example", "250").await;
    let reply = talk.mail("", &[TARO], CONTENT).await;
    assert!(reply.starts_with("250"), "{reply}");
    assert!(site.inbox(TARO).await[0].contains("with ESMTPS"));
    let accepted = site.events(Kind::TransactionAccepted).await;
    assert!(
        accepted[0].event.detail["tls"]
            .as_str()
            .unwrap()
            .starts_with("TLSv1.3")
    );
    assert_eq!(accepted[0].event.detail["sender"], "<>");
}

#[tokio::test]
async fn success_is_notified_in_the_same_commit_when_asked_for() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example> RET=HDRS ENVID=e1", "250")
        .await;
    talk.say(
        &format!("RCPT TO:<{TARO}> NOTIFY=SUCCESS ORCPT=rfc822;{TARO}"),
        "250",
    )
    .await;
    talk.say("DATA", "354").await;
    talk.say(&format!("{CONTENT}\r\n."), "250").await;
    let queued = site.queued().await;
    assert_eq!(queued.len(), 1);
    assert_eq!(
        (
            queued[0].sender.as_str(),
            queued[0].recipients[0].address.as_str()
        ),
        ("", "a@b.example")
    );
    assert_eq!(site.inbox(TARO).await.len(), 1);
    assert_eq!(site.events(Kind::NotificationMade).await.len(), 1);
}

#[tokio::test]
async fn a_full_disk_puts_mail_off() {
    let store = store::Options {
        reserve_bytes: u64::MAX >> 1,
        ..store::Options::default()
    };
    let site = Site::over(store, rustls::RootCertStore::empty(), |_| {}).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    let reply = talk.mail("a@b.example", &[TARO], CONTENT).await;
    assert!(reply.starts_with("452 4.3.1"), "{reply}");
    // The session goes on, and the trail still tells.
    talk.say("RSET", "250").await;
    let refused = site.events(Kind::TransactionRefused).await;
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0].event.detail["reply"]
            .as_str()
            .unwrap()
            .starts_with("452 4.3.1")
    );
    assert!(site.inbox(TARO).await.is_empty());
}

#[tokio::test]
async fn many_sessions_at_once_lose_nothing() {
    let site = std::sync::Arc::new(Site::open(|_| {}).await);
    let mut sessions = tokio::task::JoinSet::new();
    for session in 0..20 {
        let site = std::sync::Arc::clone(&site);
        sessions.spawn(async move {
            let mut talk = site.connect(Listener::Exchange);
            talk.read("220").await;
            talk.say("EHLO client.example", "250").await;
            for n in 0..10 {
                let content = format!("From: a@b.example\r\nSubject: {session}-{n}\r\n\r\nhello");
                let reply = talk.mail("a@b.example", &[TARO], &content).await;
                assert!(reply.starts_with("250"), "{reply}");
            }
        });
    }
    while let Some(ended) = sessions.join_next().await {
        ended.unwrap();
    }
    let inbox = site.inbox(TARO).await;
    let subjects: std::collections::BTreeSet<_> = inbox
        .iter()
        .filter_map(|m| m.lines().find(|l| l.starts_with("Subject: ")))
        .collect();
    assert_eq!((inbox.len(), subjects.len()), (200, 200));
}

#[tokio::test]
async fn large_messages_share_the_memory_there_is() {
    // Room for little more than one: the others wait, and none fails.
    let site = std::sync::Arc::new(
        Site::open(|settings| {
            settings.limits.message_octets = 4 << 20;
            settings.memory = 4 << 20;
            settings.times.memory = Duration::from_millis(500);
        })
        .await,
    );
    let content = std::sync::Arc::new(format!(
        "{CONTENT}{}",
        "\r\n0123456789012345678901234567890123456789012345678901234567890123456789".repeat(45_000)
    ));
    let mut sessions = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (site, content) = (
            std::sync::Arc::clone(&site),
            std::sync::Arc::clone(&content),
        );
        sessions.spawn(async move {
            let mut talk = site.connect(Listener::Exchange);
            talk.read("220").await;
            talk.say("EHLO client.example", "250").await;
            let reply = talk.mail("a@b.example", &[TARO], &content).await;
            // A session that waited with others for what none gave back is told to come again.
            assert!(
                reply.starts_with("250") || reply.starts_with("452"),
                "{reply}"
            );
            reply.starts_with("250")
        });
    }
    let mut taken = 0;
    while let Some(ended) = sessions.join_next().await {
        taken += usize::from(ended.unwrap());
    }
    assert!(taken >= 1);
    assert_eq!(site.inbox(TARO).await.len(), taken);
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example> SIZE=5000000", "552")
        .await;
}

/// The whole message comes in one read with its end: nothing of it may be acknowledged.
#[tokio::test]
async fn without_memory_a_small_message_is_put_off_and_never_kept_empty() {
    let site = Site::open(|settings| {
        settings.limits.message_octets = 64 << 10;
        settings.memory = 64 << 10;
        settings.times.memory = Duration::from_millis(200);
    })
    .await;
    let mut holders = Vec::new();
    let mut put_off = false;
    for n in 0..20 {
        let mut talk = site.connect(Listener::Exchange);
        talk.read("220").await;
        talk.say("EHLO client.example", "250").await;
        talk.say("MAIL FROM:<a@b.example>", "250").await;
        talk.say(&format!("RCPT TO:<{JIRO}>"), "250").await;
        // The reply to a chunk comes once there is room for it, or room was waited for in vain.
        talk.write(b"BDAT 10\r\nSubject: x").await;
        talk.read("250").await;
        holders.push(talk);
        let mut talk = site.connect(Listener::Exchange);
        talk.read("220").await;
        talk.say("EHLO client.example", "250").await;
        let reply = talk.mail("a@b.example", &[TARO], CONTENT).await;
        if reply.starts_with("250") {
            continue;
        }
        assert!(reply.starts_with("452 4.3.1"), "{n}: {reply}");
        talk.say("MAIL FROM:<a@b.example>", "250").await;
        talk.say(&format!("RCPT TO:<{TARO}>"), "250").await;
        talk.write(b"BDAT 14 LAST\r\nSubject: x\r\n\r\n").await;
        talk.read("452 4.3.1").await;
        put_off = true;
        // Room again, and the same session goes on.
        holders.clear();
        for _ in 0..100 {
            if talk
                .mail("a@b.example", &[TARO], CONTENT)
                .await
                .starts_with("250")
            {
                break;
            }
        }
        break;
    }
    assert!(put_off, "the memory was never used up");
    let refused = site.events(Kind::TransactionRefused).await;
    assert!(refused.len() >= 2, "{refused:?}");
    assert_eq!(refused[0].event.detail["recipients"][0], TARO);
    let inbox = site.inbox(TARO).await;
    assert!(!inbox.is_empty());
    for message in inbox {
        assert!(message.ends_with("hello\r\n"), "{message}");
    }
}

#[tokio::test]
async fn chunks_are_taken_like_lines() {
    let site = Site::open(|_| {}).await;
    let mut talk = site.connect(Listener::Exchange);
    talk.read("220").await;
    talk.say("EHLO client.example", "250").await;
    talk.say("MAIL FROM:<a@b.example> BODY=BINARYMIME", "250")
        .await;
    talk.say(&format!("RCPT TO:<{TARO}>"), "250").await;
    talk.write(b"BDAT 17\r\nSubject: bin\r\n\r\nxBDAT 3 LAST\r\n\n.\r")
        .await;
    talk.read("250").await;
    talk.read("250").await;
    let inbox = site.inbox(TARO).await;
    assert!(
        inbox[0].ends_with("Subject: bin\r\n\r\nx\n.\r"),
        "{:?}",
        inbox[0]
    );
}
