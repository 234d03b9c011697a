//! Milters that behave as a test wants, at a socket of their own.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use parking::Shared;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{codec::packet, *};

/// What was sent to a milter, command by command.
mod parking {
    use std::sync::Mutex;

    #[derive(Default)]
    pub(super) struct Shared(Mutex<Vec<(u8, Vec<u8>)>>);

    impl Shared {
        pub(super) fn push(&self, command: u8, data: Vec<u8>) {
            self.0.lock().unwrap().push((command, data));
        }

        pub(super) fn commands(&self) -> String {
            let all = self.0.lock().unwrap();
            all.iter()
                .map(|(command, _)| char::from(*command))
                .collect()
        }

        pub(super) fn data(&self, command: u8) -> Vec<Vec<u8>> {
            let all = self.0.lock().unwrap();
            let of = all.iter().filter(|(other, _)| *other == command);
            of.map(|(_, data)| data.clone()).collect()
        }
    }
}

const MESSAGE: &[u8] = b"From: a@b.example\r\nSubject: x\r\n folded\r\n\r\nbody\r\n";

/// The answers of a milter: what it writes after which command; `None` hangs up.
type Answers = fn(u8) -> Option<Vec<u8>>;

async fn started(steps: u32, actions: u32, answers: Answers) -> (Address, Arc<Shared>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Shared::default());
    let hears = Arc::clone(&heard);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Some((command, data)) = packet_from(&mut stream).await {
            hears.push(command, data);
            let answer = match command {
                b'O' => {
                    let words = [6_u32, actions, steps].map(u32::to_be_bytes).concat();
                    packet(b'O', &[&words, b"\0\0\0\x02i {mail_addr}\0"])
                }
                b'D' | b'Q' => continue,
                command => match answers(command) {
                    Some(answer) => answer,
                    None => return,
                },
            };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    });
    (Address::Tcp("127.0.0.1".into(), port), heard)
}

async fn packet_from(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let length = stream.read_u32().await.ok()?;
    let mut packet = vec![0; length as usize];
    stream.read_exact(&mut packet).await.ok()?;
    Some((packet[0], packet[1..].to_vec()))
}

fn envelope() -> Envelope {
    Envelope {
        id: "q1".into(),
        hostname: "mail.city.example".into(),
        listener: "exchange",
        peer: "192.0.2.1:999".parse().unwrap(),
        peer_name: None,
        hello: "client.example".into(),
        tls: None,
        login: None,
        mechanism: String::new(),
        sender: "a@b.example".into(),
        parameters: vec!["SIZE=50".into()],
        recipients: vec!["x@city.example".into(), "y@city.example".into()],
    }
}

fn limits() -> MilterLimits {
    MilterLimits {
        command_time: Duration::from_millis(300),
        end_time: Duration::from_millis(300),
        time: Duration::from_secs(3),
        body_octets: 1000,
        ..MilterLimits::default()
    }
}

async fn shown(at: Address, may: May) -> (MilterSaid, Changes) {
    let milter = Milter::new("story", at, may, limits());
    milter.show(&envelope(), MESSAGE).await
}

fn go(_: u8) -> Option<Vec<u8>> {
    Some(packet(b'c', &[]))
}

#[tokio::test]
async fn all_of_a_message_is_shown_in_order() {
    let (at, heard) = started(0, 0x11, go).await;
    let (said, changes) = shown(at, May::default()).await;
    assert_eq!(
        (said.result, said.at.as_str()),
        (MilterResult::Accept, "end")
    );
    assert!(changes.is_empty());
    assert_eq!(
        heard.commands().trim_end_matches('Q'),
        "ODCDHDMDRDRDTLLDNBDE"
    );
    assert_eq!(
        heard.data(b'C'),
        [b"[192.0.2.1]\x004\x03\xe7192.0.2.1\0".to_vec()]
    );
    assert_eq!(heard.data(b'M'), [b"<a@b.example>\0SIZE=50\0".to_vec()]);
    assert_eq!(heard.data(b'L')[1], b"Subject\0x\n folded\0");
    assert_eq!(heard.data(b'B'), [b"body\r\n".to_vec()]);
    // It asked for these two at MAIL.
    assert_eq!(heard.data(b'D')[2], b"Mi\0q1\0{mail_addr}\0a@b.example\0");
}

#[tokio::test]
async fn who_does_without_a_step_is_not_asked() {
    // Everything is left out but the body, which is not answered, and spaces stay.
    let (at, heard) = started(0x18_03ef & !0x10 | 0x8_0000, 0, |command| match command {
        b'E' => Some(packet(b'a', &[])),
        _ => Some(Vec::new()),
    })
    .await;
    let (said, _) = shown(at, May::default()).await;
    assert_eq!(said.result, MilterResult::Accept, "{said:?}");
    assert_eq!(heard.commands().trim_end_matches('Q'), "OBDE");
}

#[tokio::test]
async fn what_it_says_is_told() {
    async fn ends(answers: Answers) -> MilterSaid {
        let (at, _) = started(0, 0x31, answers).await;
        shown(at, May::default()).await.0
    }
    let said = ends(|command| match command {
        b'R' => Some(packet(b'y', &[b"550 5.7.1 not this one\0"])),
        _ => go(command),
    })
    .await;
    assert_eq!(
        (said.result, said.at.as_str()),
        (MilterResult::Reject, "rcpt")
    );
    assert_eq!(said.recipient, "x@city.example");
    assert_eq!(said.words, "550 5.7.1 not this one");
    let said = ends(|command| match command {
        b'B' => Some(packet(b't', &[])),
        _ => go(command),
    })
    .await;
    assert_eq!(
        (said.result, said.at.as_str()),
        (MilterResult::Tempfail, "body")
    );
    let said = ends(|command| match command {
        b'E' => Some([packet(b'q', &[b"odd\0"]), packet(b'c', &[])].concat()),
        b'B' => Some(packet(b's', &[])),
        _ => go(command),
    })
    .await;
    assert_eq!(said.result, MilterResult::Quarantine);
    assert_eq!(said.words, "odd");
    let said = ends(|command| match command {
        b'E' => Some(packet(b'd', &[])),
        _ => go(command),
    })
    .await;
    assert_eq!(said.result, MilterResult::Discard);
}

#[tokio::test]
async fn changes_are_taken_only_from_who_comes_to_the_end() {
    fn changing(command: u8) -> Option<Vec<u8>> {
        match command {
            b'E' => Some(
                [
                    packet(b'h', &[b"X-A\0b\n\tc\0"]),
                    packet(b'i', &[b"\0\0\0\0", b"X-B\0d\0"]),
                    packet(b'b', &[b"new "]),
                    packet(b'p', &[]),
                    packet(b'b', &[b"body\r\n"]),
                    packet(b'c', &[]),
                ]
                .concat(),
            ),
            _ => go(command),
        }
    }
    let all = May {
        fields: true,
        body: true,
    };
    let (at, _) = started(0, 0x13, changing).await;
    let (said, changes) = shown(at, all).await;
    assert_eq!(said.changed, ["change the body", "add X-A", "add X-B"]);
    assert_eq!(
        edited(MESSAGE, &changes.edits, changes.body.as_deref()),
        b"X-B: d\r\nFrom: a@b.example\r\nSubject: x\r\n folded\r\nX-A: b\r\n\tc\r\n\r\nnew body\r\n"
    );
    // It did not say that it would.
    let (at, _) = started(0, 0x11, changing).await;
    let (said, changes) = shown(at, May::default()).await;
    assert_eq!(said.result, MilterResult::Failed);
    assert!(changes.is_empty());
    assert!(said.reason.contains("another body"), "{}", said.reason);
    let (at, _) = started(0, 0x13, go).await;
    let (said, _) = shown(at, May::default()).await;
    assert!(said.reason.contains("more than it may"), "{}", said.reason);
}

#[tokio::test]
async fn who_lies_or_is_silent_has_failed() {
    for (answers, why) in [
        (
            (|command| match command {
                b'M' => None,
                _ => go(command),
            }) as Answers,
            "broke",
        ),
        (
            |command| match command {
                b'H' => Some(Vec::new()),
                _ => go(command),
            },
            "in time",
        ),
        (
            |command| match command {
                b'H' => Some(packet(b'c', &[]).repeat(2)),
                _ => go(command),
            },
            "before it was asked",
        ),
        (
            |command| match command {
                b'H' => Some(packet(b'h', &[b"X\0y\0"])),
                _ => go(command),
            },
            "does not belong",
        ),
        (
            |command| match command {
                b'H' => Some(vec![0xff; 9]),
                _ => go(command),
            },
            "octets",
        ),
        (
            |command| match command {
                b'H' => Some(b"HTTP/1.1 400 Bad\r\n\r\n".to_vec()),
                _ => go(command),
            },
            "octets",
        ),
        (
            |command| match command {
                b'E' => Some(packet(b'y', &[b"250 2.0.0 fine\0"])),
                _ => go(command),
            },
            "reply code",
        ),
        (
            |command| match command {
                b'E' => Some(packet(b'h', &[b"X\0y\nBcc: z\0"])),
                _ => go(command),
            },
            "does not belong to it",
        ),
        (
            |command| match command {
                b'E' => Some(packet(b'+', &[b"<z@else.example>\0"])),
                _ => go(command),
            },
            "add a recipient",
        ),
        (
            |command| match command {
                b'E' => Some(packet(b'p', &[]).repeat(30_000)),
                _ => go(command),
            },
            "20,000 replies",
        ),
        (
            |command| match command {
                b'E' => Some(packet(b'h', &[b"X\0y\0"]).repeat(300)),
                _ => go(command),
            },
            "200 changes",
        ),
    ] {
        let (at, _) = started(0, 0x31, answers).await;
        let (said, changes) = shown(at, May::default()).await;
        assert_eq!(said.result, MilterResult::Failed, "{why}: {said:?}");
        assert!(said.reason.contains(why), "{why}: {said:?}");
        assert!(changes.is_empty());
    }
}

#[tokio::test]
async fn nobody_at_work_for_ever_holds_a_message() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = Address::Tcp("127.0.0.1".into(), listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if stream.write_all(&packet(b'p', &[])).await.is_err() {
                return;
            }
        }
    });
    let begun = std::time::Instant::now();
    let (said, _) = shown(at, May::default()).await;
    assert_eq!(said.result, MilterResult::Failed);
    assert!(said.reason.contains("in time"), "{said:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn who_is_not_there_is_down() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = Address::Tcp("127.0.0.1".into(), listener.local_addr().unwrap().port());
    drop(listener);
    let milter = Milter::new("story", at, May::default(), limits());
    assert!(matches!(milter.probe().await, Mood::Down(_)));
    let (at, _) = started(0, 0, go).await;
    let milter = Milter::new("story", at, May::default(), limits());
    assert_eq!(milter.probe().await, Mood::Well);
}
