//! SMTP sessions, the receiving side, in both roles; and content that a client of ours sends to it.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use protocol::{
    sasl::{ChannelBindings, Nonce, ScramCredentials},
    smtp::{
        Mail, Rcpt, ReversePath, Transaction, client,
        server::{Config, Event, Session},
    },
};

fuzz_target!(|octets: &[u8]| {
    for config in [
        Config::exchange("mx.example.jp"),
        narrow(Config::exchange("mx.example.jp")),
        narrow(Config::submission("mx.example.jp")),
    ] {
        let config = Arc::new(config);
        // What is sent along with STARTTLS is thrown away, so cuts matter there: TLS comes first.
        let whole = session(&config, true, std::iter::once(octets));
        assert_eq!(
            whole,
            session(&config, true, fuzz::pieces(octets)),
            "cuts matter"
        );
        assert_eq!(
            whole,
            session(&config, true, octets.chunks(1)),
            "cuts matter"
        );
        session(&config, false, fuzz::pieces(octets));
    }
    pass_on(octets);
});

/// Bounds that a short input can reach.
fn narrow(mut config: Config) -> Config {
    config.limits.command_line = 120;
    config.limits.auth_line = 150;
    config.limits.data_line = 80;
    config.limits.message_size = 300;
    config.limits.drained_content = 200;
    config.limits.recipients = 3;
    config.limits.transactions = 3;
    config.limits.commands = 25;
    config.limits.errors = 5;
    config
}

/// What came of a session: its events with pieces of content joined, and what it said.
fn session<'a>(
    config: &Arc<Config>,
    tls: bool,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<String>, Vec<Vec<u8>>, Vec<u8>) {
    let mut session = Session::new(Arc::clone(config));
    if tls {
        session.tls_started(bindings());
    }
    session.greet("ESMTP");
    let mut driver = Driver {
        output: session.take_output(),
        ..Driver::default()
    };
    for piece in pieces {
        session.feed(piece);
        while driver.step(&mut session) {}
        driver.output.extend(session.take_output());
    }
    assert!(fuzz::are_clean_lines(&driver.output));
    for reply in driver.output.split_inclusive(|&octet| octet == b'\n') {
        let digits = reply.get(..3).unwrap_or_default();
        assert!(digits.iter().all(u8::is_ascii_digit));
        assert!(matches!(reply.get(3), Some(b' ' | b'-')));
    }
    (driver.events, driver.contents, driver.output)
}

fn bindings() -> ChannelBindings {
    ChannelBindings {
        server_end_point: Some(vec![1; 32]),
        exporter: None,
    }
}

#[derive(Default)]
struct Driver {
    events: Vec<String>,
    contents: Vec<Vec<u8>>,
    content: Vec<u8>,
    output: Vec<u8>,
}

impl Driver {
    /// Answers one event; `false` when there is none.
    fn step(&mut self, session: &mut Session) -> bool {
        let event = session.next_event();
        if !matches!(event, Event::Body(_) | Event::NeedInput | Event::Closed(_)) {
            self.events.push(format!("{event:?}"));
        }
        match event {
            Event::NeedInput | Event::Closed(_) => return false,
            Event::Handshake => session.tls_started(bindings()),
            Event::StartTls(answer) => answer.accept(session),
            Event::Auth(_, answer) => answer.proceed(session, Nonce::new([7; 24])),
            Event::Password(claim, answer) => {
                if claim.password.is_empty() {
                    drop(answer);
                } else {
                    answer.accept(session);
                }
            }
            Event::Credentials(identity, answer) => {
                answer.give(session, ScramCredentials::decoy(b"k", &identity, 4096));
            }
            Event::Proved(..) => panic!("a decoy's password was proved"),
            Event::Mail(mail, answer) => {
                assert!(
                    mail.reverse_path
                        .to_string()
                        .chars()
                        .all(|c| !c.is_control())
                );
                answer.accept(session);
            }
            Event::Rcpt(rcpt, answer) => {
                let path = rcpt.forward_path.to_string();
                assert!(path.chars().all(|c| !c.is_control()));
                if path.starts_with("no") {
                    drop(answer);
                } else {
                    answer.accept(session);
                }
            }
            Event::Data(transaction, answer) => {
                assert!(!transaction.recipients.is_empty());
                self.content.clear();
                answer.accept(session);
            }
            Event::Body(piece) => self.content.extend(piece),
            Event::EndOfData(end, answer) => {
                assert_eq!(u64::try_from(self.content.len()), Ok(end.octets));
                assert!(end.chunked || fuzz::are_clean_lines(&self.content));
                self.contents.push(std::mem::take(&mut self.content));
                answer.accept(session, "queued");
            }
            Event::Hello(_)
            | Event::AuthFailed(_)
            | Event::Authenticated(_)
            | Event::Aborted(_)
            | Event::Handled(_)
            | Event::Refused(_) => {}
        }
        true
    }
}

/// What our client sends is what our server gets.
fn pass_on(content: &[u8]) {
    let mut client = client::Client::new(client::Config {
        tls: client::TlsPolicy::Never,
        ..client::Config::new("c.example")
    });
    client.feed(b"220 hi\r\n250-mx\r\n250 8BITMIME\r\n");
    let ready = client.next_event();
    assert_eq!(ready, client::Event::Ready);
    let Ok(recipient) = "b@example.jp".parse::<message::Address>() else {
        return;
    };
    let sent = client.send(&Transaction {
        mail: Mail::from(ReversePath::Null),
        recipients: vec![Rcpt::to(recipient.into())],
    });
    assert_eq!(sent, Ok(()));
    client.feed(b"250 ok\r\n250 ok\r\n354 go\r\n");
    while client.next_event() != client::Event::Body {}
    for piece in fuzz::pieces(content) {
        if client.body(piece).is_err() {
            return;
        }
    }
    if client.end_body().is_err() {
        return;
    }
    let lines = client.take_output();
    let mut config = Config::exchange("mx.example.jp");
    config.limits.data_line = usize::MAX;
    let (_, contents, _) = session(&Arc::new(config), true, std::iter::once(&*lines));
    let mut expected = content.to_vec();
    if !content.is_empty() && !content.ends_with(b"\r\n") {
        expected.extend_from_slice(b"\r\n");
    }
    assert_eq!(contents, [expected]);
}
