//! SMTP sessions, the sending side: what servers say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{
    sasl::{ChannelBindings, Nonce, Secret},
    smtp::{
        Mail, Rcpt, ReversePath, Transaction,
        client::{Client, Config, Event, Login, TlsPolicy},
    },
};

fuzz_target!(|octets: &[u8]| {
    // A client acts on each reply, so a server that answers before it is asked is another one than that which waits.
    // A line is nothing before its end, however: cuts within lines change nothing.
    let lines = || octets.split_inclusive(|&octet| octet == b'\n');
    for (tls, login) in [
        (TlsPolicy::Never, false),
        (TlsPolicy::IfOffered, true),
        (TlsPolicy::Required, false),
    ] {
        let whole = session(tls, login, lines());
        assert_eq!(whole, session(tls, login, octets.chunks(1)), "cuts matter");
    }
    session(TlsPolicy::Never, false, fuzz::pieces(octets));
    session(TlsPolicy::Never, false, std::iter::once(octets));
});

const RECIPIENTS: [&str; 3] = ["a@example.jp", "\"b c\"@example.jp", "漢字@example.jp"];

/// The events of a session, and what the client said.
fn session<'a>(
    tls: TlsPolicy,
    login: bool,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Event>, Vec<u8>) {
    let mut config = Config::new("c.example");
    config.tls = tls;
    config.limits.reply_line = 200;
    config.limits.reply_lines = 10;
    config.login = login.then(|| Login {
        identity: "taro".into(),
        password: Secret::from("open sesame"),
        nonce: Nonce::new([7; 24]),
    });
    let mut client = Client::new(config);
    let mut driver = Driver::default();
    for piece in pieces {
        client.feed(piece);
        while driver.step(&mut client) {}
        driver.output.extend(client.take_output());
    }
    client.connection_lost();
    while driver.step(&mut client) {}
    driver.output.extend(client.take_output());
    assert_eq!(driver.open, 0, "a transaction had no end");
    assert!(fuzz::are_clean_lines(&driver.output));
    (driver.events, driver.output)
}

#[derive(Default)]
struct Driver {
    events: Vec<Event>,
    output: Vec<u8>,
    /// Recipients of the transaction under way.
    open: usize,
    sent: usize,
}

impl Driver {
    fn step(&mut self, client: &mut Client) -> bool {
        let event = client.next_event();
        self.output.extend(client.take_output());
        match &event {
            Event::NeedInput | Event::Closed => return false,
            Event::Handshake => client.tls_started(ChannelBindings {
                server_end_point: Some(vec![1; 32]),
                exporter: None,
            }),
            Event::Ready => self.send(client),
            Event::Body => {
                let content = b"Subject: hi\r\n\r\n.hidden\r\n";
                assert!(client.body(content).is_ok() && client.end_body().is_ok());
            }
            Event::Finished(delivery) => {
                assert_eq!(
                    delivery.outcomes.len(),
                    self.open,
                    "outcomes and recipients differ"
                );
                self.open = 0;
            }
            Event::Failed(_) => assert_eq!(self.open, 0, "a transaction had no end"),
        }
        self.events.push(event);
        true
    }

    /// Three transactions, the last with a name that needs SMTPUTF8.
    fn send(&mut self, client: &mut Client) {
        self.sent = self.sent.saturating_add(1);
        let names = RECIPIENTS.get(..self.sent).unwrap_or_default();
        if names.is_empty() {
            client.quit();
            return;
        }
        let mut recipients = Vec::new();
        for name in names {
            if let Ok(address) = name.parse::<message::Address>() {
                recipients.push(Rcpt::to(address.into()));
            }
        }
        assert_eq!(recipients.len(), names.len());
        let transaction = Transaction {
            mail: Mail::from(ReversePath::Null),
            recipients,
        };
        if client.send(&transaction).is_ok() {
            self.open = names.len();
        }
    }
}
