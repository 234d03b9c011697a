//! Conversations with scripted servers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    sasl::{ChannelBindings, Nonce, ScramCredentials},
    smtp::{
        BodyKind, Mail, Notify, Orcpt, Rcpt, Ret, ReversePath, Transaction,
        server::{self, Session},
    },
};

fn mail(sender: &str) -> Mail {
    Mail::from(ReversePath::Address(sender.parse().unwrap()))
}

fn transaction(recipients: &[&str]) -> Transaction {
    Transaction {
        mail: mail("a@x.jp"),
        recipients: recipients
            .iter()
            .map(|r| Rcpt::to(r.parse::<message::Address>().unwrap().into()))
            .collect(),
    }
}

/// A client that has said EHLO and got these extensions.
fn ready(extensions: &[&str]) -> Client {
    let mut client = Client::new(Config {
        tls: TlsPolicy::Never,
        ..Config::new("c.jp")
    });
    let mut reply = "220-mx\r\n220 hi\r\n250-mx\r\n".to_owned();
    for extension in extensions {
        reply += &format!("250-{extension}\r\n");
    }
    client.feed((reply + "250 HELP\r\n").as_bytes());
    assert_eq!(client.next_event(), Event::Ready);
    assert_eq!(client.take_output(), b"EHLO c.jp\r\n");
    client
}

/// The server says this; the client must say that.
fn exchange(client: &mut Client, server: &str, said: &str) -> Event {
    client.feed(server.as_bytes());
    let event = client.next_event();
    assert_eq!(
        String::from_utf8_lossy(&client.take_output()),
        said,
        "after {server:?}"
    );
    event
}

fn outcomes(event: Event) -> Vec<String> {
    let Event::Finished(delivery) = event else {
        panic!("{event:?}");
    };
    delivery
        .outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Delivered(reply) => format!("delivered {}", reply.code()),
            Outcome::Refused(stage, reply) => format!("{stage:?} {}", reply.code()),
            Outcome::Lost(stage, _) => format!("lost {stage:?}"),
        })
        .collect()
}

const THREE: &str =
    "MAIL FROM:<a@x.jp>\r\nRCPT TO:<1@y.jp>\r\nRCPT TO:<2@y.jp>\r\nRCPT TO:<3@y.jp>\r\n";

fn sent_three() -> Client {
    let mut client = ready(&["PIPELINING"]);
    client
        .send(&transaction(&["1@y.jp", "2@y.jp", "3@y.jp"]))
        .unwrap();
    assert_eq!(client.take_output(), THREE.as_bytes());
    client
}

#[test]
fn some_recipients_are_accepted() {
    let mut client = sent_three();
    let event = exchange(
        &mut client,
        "250 ok\r\n250 ok\r\n550 5.1.1 no\r\n450 later\r\n",
        "DATA\r\n",
    );
    assert_eq!(event, Event::NeedInput);
    assert_eq!(exchange(&mut client, "354 go\r\n", ""), Event::Body);
    client.body(b"a\r\n.b").unwrap();
    client.end_body().unwrap();
    assert_eq!(client.stage(), Stage::EndOfData);
    let event = exchange(&mut client, "250 2.0.0 ok\r\n", "a\r\n..b\r\n.\r\n");
    assert_eq!(outcomes(event), ["delivered 250", "Rcpt 550", "Rcpt 450"]);
    // The session takes another, without RSET.
    assert_eq!(client.next_event(), Event::Ready);
    client.send(&transaction(&["1@y.jp"])).unwrap();
    assert!(client.take_output().starts_with(b"MAIL"));
}

#[test]
fn nobody_is_accepted() {
    let mut client = sent_three();
    let event = exchange(
        &mut client,
        "250 ok\r\n550 no\r\n550 no\r\n450 later\r\n",
        "",
    );
    assert_eq!(outcomes(event), ["Rcpt 550", "Rcpt 550", "Rcpt 450"]);
    assert_eq!(client.next_event(), Event::Ready);
    client.send(&transaction(&["1@y.jp"])).unwrap();
    assert_eq!(
        client.take_output(),
        b"RSET\r\nMAIL FROM:<a@x.jp>\r\nRCPT TO:<1@y.jp>\r\n"
    );
}

#[test]
fn the_sender_is_refused() {
    let mut client = sent_three();
    let replies = "552 5.3.4 too big\r\n503 mail first\r\n503 mail first\r\n503 mail first\r\n";
    assert_eq!(
        outcomes(exchange(&mut client, replies, "")),
        ["Mail 552"; 3]
    );

    let mut client = ready(&[]);
    client.send(&transaction(&["1@y.jp", "2@y.jp"])).unwrap();
    let event = exchange(&mut client, "451 no\r\n", "MAIL FROM:<a@x.jp>\r\n");
    assert_eq!(outcomes(event), ["Mail 451"; 2]);
}

#[test]
fn one_at_a_time_without_pipelining() {
    let mut client = ready(&[]);
    client.send(&transaction(&["1@y.jp", "2@y.jp"])).unwrap();
    exchange(&mut client, "", "MAIL FROM:<a@x.jp>\r\n");
    exchange(&mut client, "250 ok\r\n", "RCPT TO:<1@y.jp>\r\n");
    exchange(&mut client, "250 ok\r\n", "RCPT TO:<2@y.jp>\r\n");
    exchange(&mut client, "250 ok\r\n", "DATA\r\n");
    assert_eq!(
        outcomes(exchange(&mut client, "554 no\r\n", "")),
        ["Data 554"; 2]
    );
}

#[test]
fn before_and_after_the_end_of_data() {
    let mut client = sent_three();
    client.connection_lost();
    assert_eq!(outcomes(client.next_event()), ["lost Mail"; 3]);
    assert_eq!(client.next_event(), Event::Closed);

    let to_body = "250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n";
    let mut client = sent_three();
    exchange(&mut client, to_body, "DATA\r\n");
    client.body(b"a\r\n").unwrap();
    client.connection_lost();
    let Event::Finished(delivery) = client.next_event() else {
        panic!();
    };
    let Outcome::Lost(stage, _) = delivery.outcomes[0] else {
        panic!();
    };
    assert!(!stage.may_have_been_taken() && !delivery.reusable);

    let mut client = sent_three();
    exchange(&mut client, to_body, "DATA\r\n");
    client.end_body().unwrap();
    client.connection_lost();
    let event = client.next_event();
    assert!(Stage::EndOfData.may_have_been_taken());
    assert_eq!(
        outcomes(event),
        ["lost EndOfData", "Rcpt 550", "lost EndOfData"]
    );
}

#[test]
fn a_421_ends_everything_at_any_time() {
    let mut client = sent_three();
    let event = exchange(&mut client, "250 ok\r\n250 ok\r\n550 no\r\n421 bye\r\n", "");
    assert_eq!(outcomes(event), ["Rcpt 421", "Rcpt 550", "Rcpt 421"]);
    assert_eq!(client.next_event(), Event::Closed);

    let mut client = ready(&[]);
    assert!(matches!(
        exchange(&mut client, "421 idle\r\n", ""),
        Event::Failed(Failure::Refused(Stage::Idle, _))
    ));

    let mut client = sent_three();
    exchange(
        &mut client,
        "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n",
        "DATA\r\n",
    );
    client.body(b"a\r\n").unwrap();
    assert_eq!(
        outcomes(exchange(&mut client, "552 5.3.4 no\r\n", "a\r\n")),
        ["Body 552"; 3]
    );
}

#[test]
fn smuggling_content_is_never_sent() {
    let mut client = sent_three();
    exchange(
        &mut client,
        "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n",
        "DATA\r\n",
    );
    assert_eq!(client.body(b"a\n.\r\nMAIL"), Err(Loss::Content));
    assert_eq!(client.take_output(), b"");
    assert_eq!(outcomes(client.next_event()), ["lost Body"; 3]);
    assert_eq!(client.next_event(), Event::Closed);
}

#[test]
fn parameters_go_where_they_are_known() {
    let mut full = transaction(&["1@y.jp"]);
    full.mail = Mail {
        size: Some(10),
        body: BodyKind::EightBitMime,
        ret: Some(Ret::Full),
        envid: Some("a+b".into()),
        ..mail("a@x.jp")
    };
    full.recipients[0].notify = Some(Notify::DEFAULT);
    full.recipients[0].orcpt = Some(Orcpt {
        kind: "rfc822".into(),
        address: "b=c@y.jp".into(),
    });
    let mut client = ready(&["PIPELINING", "SIZE 100", "8BITMIME", "DSN"]);
    client.send(&full).unwrap();
    exchange(
        &mut client,
        "",
        "MAIL FROM:<a@x.jp> SIZE=10 BODY=8BITMIME RET=FULL ENVID=a+2Bb\r\n\
         RCPT TO:<1@y.jp> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b+3Dc@y.jp\r\n",
    );
    let mut client = ready(&["PIPELINING", "8BITMIME"]);
    client.send(&full).unwrap();
    exchange(
        &mut client,
        "",
        "MAIL FROM:<a@x.jp> BODY=8BITMIME\r\nRCPT TO:<1@y.jp>\r\n",
    );
}

#[test]
fn what_the_server_lacks_is_not_attempted() {
    let change = |f: fn(&mut Mail)| {
        let mut t = transaction(&["1@y.jp"]);
        f(&mut t.mail);
        t
    };
    let all = [
        "PIPELINING",
        "SIZE 5",
        "CHUNKING",
        "REQUIRETLS",
        "LIMITS RCPTMAX=1",
    ];
    for (t, error) in [
        (change(|m| m.smtputf8 = true), Unsendable::SmtpUtf8),
        (transaction(&["太郎@y.jp"]), Unsendable::SmtpUtf8),
        (
            change(|m| m.body = BodyKind::EightBitMime),
            Unsendable::EightBitMime,
        ),
        (
            change(|m| m.body = BodyKind::BinaryMime),
            Unsendable::BinaryMime,
        ),
        (change(|m| m.requiretls = true), Unsendable::RequireTls),
        (change(|m| m.size = Some(6)), Unsendable::TooBig(5)),
        (
            transaction(&["1@y.jp", "2@y.jp"]),
            Unsendable::TooManyRecipients(1),
        ),
        (transaction(&[]), Unsendable::NoRecipients),
    ] {
        let mut client = ready(&all);
        assert_eq!(client.send(&t), Err(error));
        assert_eq!(client.take_output(), b"");
        assert_eq!(client.next_event(), Event::Ready);
    }
}

#[test]
fn binary_goes_in_chunks() {
    let mut client = ready(&["PIPELINING", "CHUNKING", "BINARYMIME"]);
    let mut binary = transaction(&["1@y.jp"]);
    binary.mail.body = BodyKind::BinaryMime;
    client.send(&binary).unwrap();
    let envelope = "MAIL FROM:<a@x.jp> BODY=BINARYMIME\r\nRCPT TO:<1@y.jp>\r\n";
    assert_eq!(
        exchange(&mut client, "250 ok\r\n250 ok\r\n", envelope),
        Event::Body
    );
    client.body(b"\n.\n").unwrap();
    exchange(&mut client, "", "BDAT 3\r\n\n.\n");
    client.end_body().unwrap();
    let event = exchange(&mut client, "250 ok\r\n250 done\r\n", "BDAT 0 LAST\r\n");
    assert_eq!(outcomes(event), ["delivered 250"]);

    client.send(&binary).unwrap();
    exchange(&mut client, "250 ok\r\n250 ok\r\n", envelope);
    client.body(b"abc").unwrap();
    assert_eq!(
        exchange(&mut client, "452 full\r\n", "BDAT 3\r\nabc"),
        Event::Body
    );
    client.body(b"more").unwrap();
    client.end_body().unwrap();
    assert_eq!(outcomes(exchange(&mut client, "", "")), ["Body 452"]);
}

#[test]
fn starttls_as_the_policy_has_it() {
    let begin = |tls| {
        Client::new(Config {
            tls,
            ..Config::new("c.jp")
        })
    };
    let ehlo = "220 hi\r\n250-mx\r\n250 STARTTLS\r\n";
    let said = "EHLO c.jp\r\nSTARTTLS\r\n";

    let mut client = begin(TlsPolicy::Required);
    exchange(&mut client, ehlo, said);
    assert_eq!(exchange(&mut client, "220 go\r\n", ""), Event::Handshake);
    client.tls_started(ChannelBindings::none());
    assert_eq!(
        exchange(&mut client, "250 mx\r\n", "EHLO c.jp\r\n"),
        Event::Ready
    );

    let mut client = begin(TlsPolicy::IfOffered);
    exchange(&mut client, ehlo, said);
    assert_eq!(exchange(&mut client, "454 not now\r\n", ""), Event::Ready);

    let mut client = begin(TlsPolicy::Required);
    exchange(&mut client, ehlo, said);
    let event = exchange(&mut client, "454 not now\r\n", "QUIT\r\n");
    assert!(matches!(
        event,
        Event::Failed(Failure::Refused(Stage::StartTls, _))
    ));

    let mut client = begin(TlsPolicy::Required);
    let event = exchange(&mut client, "220 hi\r\n250 mx\r\n", "EHLO c.jp\r\nQUIT\r\n");
    assert_eq!(event, Event::Failed(Failure::NoTls));

    // Octets sent in the clear after 220 would otherwise be read as if they came under TLS.
    let mut client = begin(TlsPolicy::Required);
    exchange(&mut client, ehlo, said);
    let event = exchange(&mut client, "220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n", "");
    assert_eq!(
        event,
        Event::Failed(Failure::Lost(
            Stage::StartTls,
            Loss::Reply(ReplyError::Injected)
        ))
    );
}

#[test]
fn greeting_and_helo() {
    let mut client = Client::new(Config::new("c.jp"));
    let event = exchange(&mut client, "554 no\r\n", "QUIT\r\n");
    assert!(matches!(
        event,
        Event::Failed(Failure::Refused(Stage::Greeting, _))
    ));

    let mut client = Client::new(Config::new("c.jp"));
    exchange(&mut client, "220 hi\r\n", "EHLO c.jp\r\n");
    exchange(&mut client, "502 what\r\n", "HELO c.jp\r\n");
    assert_eq!(exchange(&mut client, "250 mx\r\n", ""), Event::Ready);
    assert!(!client.capabilities().extended);
    client.quit();
    assert_eq!(
        exchange(&mut client, "221 bye\r\n", "QUIT\r\n"),
        Event::Closed
    );
}

/// This client against this server, logged in, a dotted message, both directions in small pieces.
fn deliver(mechanisms: Vec<crate::sasl::Mechanism>, content: &[u8], at_once: usize) -> Vec<u8> {
    let bindings = ChannelBindings {
        server_end_point: None,
        exporter: Some(vec![7; 32]),
    };
    let mut client = Client::new(Config {
        login: Some(Login {
            identity: "taro".into(),
            password: "pw".into(),
            nonce: Nonce::new([1; 24]),
        }),
        ..Config::new("c.jp")
    });
    let mut session = Session::new(Arc::new(server::Config {
        mechanisms,
        ..server::Config::submission("mx.jp")
    }));
    session.tls_started(bindings.clone());
    client.tls_started(bindings);
    session.greet("hi");
    let (mut taken, mut current, mut sent) = (None, Vec::new(), false);
    loop {
        match session.next_event() {
            server::Event::Auth(_, answer) => answer.proceed(&mut session, Nonce::new([2; 24])),
            server::Event::Password(claim, answer) => {
                assert_eq!(claim.password, "pw".into());
                answer.accept(&mut session);
            }
            server::Event::Credentials(_, answer) => answer.give(
                &mut session,
                ScramCredentials::derive(&"pw".into(), b"salt", 4096),
            ),
            server::Event::Proved(_, _, answer) => answer.accept(&mut session),
            server::Event::Mail(_, answer) => answer.accept(&mut session),
            server::Event::Rcpt(_, answer) => answer.accept(&mut session),
            server::Event::Data(_, answer) => answer.accept(&mut session),
            server::Event::Body(piece) => current.extend(piece),
            server::Event::EndOfData(_, answer) => {
                taken = Some(std::mem::take(&mut current));
                answer.accept(&mut session, "ok");
            }
            server::Event::Authenticated(identity) => assert_eq!(identity, "taro"),
            server::Event::Closed(_) => return taken.unwrap(),
            server::Event::NeedInput => {
                for piece in session.take_output().chunks(at_once) {
                    client.feed(piece);
                }
                match client.next_event() {
                    Event::Ready if !sent => {
                        client.send(&transaction(&["1@y.jp"])).unwrap();
                        sent = true;
                    }
                    Event::Ready => client.quit(),
                    Event::Body => {
                        for piece in content.chunks(at_once) {
                            client.body(piece).unwrap();
                        }
                        client.end_body().unwrap();
                    }
                    Event::Finished(delivery) => {
                        assert!(matches!(delivery.outcomes[..], [Outcome::Delivered(_)]));
                    }
                    Event::NeedInput => {}
                    other => panic!("{other:?}"),
                }
                for piece in client.take_output().chunks(at_once) {
                    session.feed(piece);
                }
            }
            server::Event::Hello(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn client_and_server_agree_in_every_mechanism() {
    for mechanism in crate::sasl::Mechanism::ALL {
        assert_eq!(deliver(vec![mechanism], b".a\r\n", 1000), b".a\r\n");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn content_arrives_as_it_was(text in "(\r\n|[.a]){0,40}", at_once in 1usize..9) {
        let text = text + "\r\n";
        let taken = deliver(vec![crate::sasl::Mechanism::Plain], text.as_bytes(), at_once);
        prop_assert_eq!(taken, text.into_bytes());
    }

    #[test]
    fn arbitrary_servers_never_panic(
        replies in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(vec![
                    "220 a\r\n", "250 a\r\n", "250-STARTTLS\r\n", "354 a\r\n", "421 a\r\n",
                    "550 a\r\n", "334 \r\n", "250-AUTH PLAIN\r\n",
                ]).prop_map(str::to_owned),
                "\\PC{0,10}",
            ],
            0..20,
        ),
    ) {
        let mut client = Client::new(Config::new("c.jp"));
        for reply in replies {
            client.feed(reply.as_bytes());
            for _ in 0..20 {
                match client.next_event() {
                    Event::Handshake => client.tls_started(ChannelBindings::none()),
                    Event::Ready => { client.send(&transaction(&["1@y.jp"])).unwrap(); }
                    Event::Body => {
                        client.body(b"a\r\n").unwrap();
                        client.end_body().unwrap();
                    }
                    Event::NeedInput | Event::Closed => break,
                    Event::Finished(_) | Event::Failed(_) => {}
                }
            }
        }
    }
}
