#![allow(clippy::unwrap_used, clippy::expect_used)]

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;
use crate::sasl::{ScramCredentials, ScramKeys, client};

fn exchange(mechanism: Mechanism) -> Exchange {
    bound(mechanism, ChannelBindings::none(), false)
}

fn bound(mechanism: Mechanism, bindings: ChannelBindings, plus_offered: bool) -> Exchange {
    let nonce = Nonce::from_text("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0").unwrap();
    Exchange::new(mechanism, nonce, bindings, plus_offered)
}

fn tls() -> ChannelBindings {
    ChannelBindings {
        server_end_point: Some(vec![1; 32]),
        exporter: Some(vec![2; 32]),
    }
}

fn challenge(step: Step) -> String {
    match step {
        Step::Challenge(text) => String::from_utf8(text).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn failure(step: Step) -> Failure {
    match step {
        Step::Failed { failure, .. } => failure,
        other => panic!("{other:?}"),
    }
}

fn credentials() -> ScramCredentials {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    ScramCredentials::derive(&"pencil".into(), &salt, 4096)
}

/// RFC 7677, section 3.
#[test]
fn scram_follows_the_published_example() {
    let mut server = exchange(Mechanism::ScramSha256);
    let step = server.start(Some(&"n,,n=user,r=rOprNGfwEbeRWgbNEkqO".into()));
    assert!(matches!(step, Step::Credentials { ref identity } if identity == "user"));
    assert_eq!(
        challenge(server.credentials(credentials())),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert!(matches!(
        server.respond(&last.into()),
        Step::Proved { identity, password: 0 } if identity == "user"
    ));
    // Nothing of the server's signature is out before the driver has accepted the proof.
    assert_eq!(
        challenge(server.accept()),
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    );
    assert_eq!(server.claimed(), Some("user"));
    assert!(matches!(
        server.respond(&"".into()),
        Step::Done { identity } if identity == "user"
    ));
    assert_eq!(server.claimed(), None);
    assert_eq!(failure(server.respond(&"".into())), Failure::Malformed);
}

/// A further password proves itself with its own keys, and the server proves to know that one.
#[test]
fn any_of_several_passwords_will_do() {
    let own = credentials();
    let others: Vec<ScramKeys> = ["eraser", "ruler"]
        .into_iter()
        .map(|password| {
            let made = ScramCredentials::derive(&password.into(), &own.salt, own.iterations);
            ScramKeys {
                stored_key: made.stored_key,
                server_key: made.server_key,
            }
        })
        .collect();
    for (password, expected) in [("pencil", Some(0)), ("ruler", Some(2)), ("pen", None)] {
        let login = client::Login {
            identity: "user".into(),
            password: password.into(),
            nonce: Nonce::from_text("abc").unwrap(),
            bindings: ChannelBindings::none(),
            plus_offered: false,
        };
        let mut client = client::Exchange::new(Mechanism::ScramSha256, login).unwrap();
        let mut server = exchange(Mechanism::ScramSha256);
        server.start(client.initial().as_ref());
        let offer = ScramOffer {
            credentials: own.clone(),
            others: others.clone(),
        };
        let first = challenge(server.credentials(offer));
        let last = client.respond(first.as_bytes()).unwrap();
        match server.respond(&last) {
            Step::Proved { password, .. } => assert_eq!(Some(password), expected),
            step => assert!(expected.is_none(), "{step:?}"),
        }
        if expected.is_some() {
            let signature = challenge(server.accept());
            client.respond(signature.as_bytes()).unwrap();
            client.finish().unwrap();
        }
    }
}

fn log_in(
    mechanism: Mechanism,
    password: &str,
    at_client: ChannelBindings,
    at_server: ChannelBindings,
    (client_sees_plus, server_offers_plus): (bool, bool),
) -> Result<String, String> {
    let mut client = client::Exchange::new(
        mechanism,
        client::Login {
            identity: "us,er=1".into(),
            password: password.into(),
            nonce: Nonce::new([9; 24]),
            bindings: at_client,
            plus_offered: client_sees_plus,
        },
    )
    .map_err(|e| format!("{e:?}"))?;
    let mut server = bound(mechanism, at_server, server_offers_plus);
    let mut step = server.start(client.initial().as_ref());
    loop {
        step = match step {
            Step::Challenge(c) => {
                server.respond(&client.respond(&c).map_err(|e| format!("{e:?}"))?)
            }
            Step::Credentials { .. } => server.credentials(credentials()),
            Step::Password(claim) if claim.password == Secret::from("pencil") => {
                client.finish().unwrap();
                return Ok(claim.identity);
            }
            Step::Password(_) => return Err("wrong password".into()),
            Step::Proved { .. } => server.accept(),
            Step::Done { identity } => {
                client.finish().unwrap();
                return Ok(identity);
            }
            Step::Failed { failure, .. } => return Err(format!("{failure:?}")),
        }
    }
}

#[test]
fn both_sides_agree_in_every_mechanism() {
    for mechanism in Mechanism::ALL {
        let good = log_in(mechanism, "pencil", tls(), tls(), (true, true));
        assert_eq!(good.as_deref(), Ok("us,er=1"), "{mechanism}");
        let bad = log_in(mechanism, "pen", tls(), tls(), (true, true));
        assert!(bad.is_err(), "{mechanism}");
    }
}

#[test]
fn someone_in_between_is_noticed() {
    let other = ChannelBindings {
        server_end_point: Some(vec![8; 32]),
        exporter: Some(vec![9; 32]),
    };
    let plus = Mechanism::ScramSha256Plus;
    assert_eq!(
        log_in(plus, "pencil", other, tls(), (true, true)),
        Err("ChannelBinding".into())
    );
    // Who removes -PLUS from the list makes the client say `y`.
    assert_eq!(
        log_in(
            Mechanism::ScramSha256,
            "pencil",
            tls(),
            tls(),
            (false, true)
        ),
        Err("Downgrade".into())
    );
    assert_eq!(
        log_in(
            Mechanism::ScramSha256,
            "pencil",
            tls(),
            tls(),
            (false, false)
        )
        .as_deref(),
        Ok("us,er=1")
    );
}

#[test]
fn channel_binding_names_must_be_known_and_present() {
    let only_end_point = ChannelBindings {
        exporter: None,
        ..tls()
    };
    for (flag, expected) in [
        ("p=tls-exporter,,", Failure::ChannelBinding),
        ("p=tls-unique,,", Failure::ChannelBinding),
        ("n,,", Failure::Malformed),
        ("y,,", Failure::Malformed),
    ] {
        let mut server = bound(Mechanism::ScramSha256Plus, only_end_point.clone(), true);
        let first = format!("{flag}n=user,r=abc");
        assert_eq!(
            failure(server.start(Some(&first.into()))),
            expected,
            "{flag}"
        );
    }
    let mut server = exchange(Mechanism::ScramSha256);
    let first = "p=tls-exporter,,n=user,r=abc";
    assert_eq!(
        failure(server.start(Some(&first.into()))),
        Failure::ChannelBinding
    );
}

#[test]
fn scram_messages_are_read_strictly() {
    for first in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,r=abc,n=user",
        "n,,m=x,n=user,r=abc",
        "n,,n=user,r=",
        "n,,n=,r=abc",
        "n,,n=us=er,r=abc",
        "n,,n=user,r=a b",
        "x,,n=user,r=abc",
        "n,,n=\u{7},r=abc",
    ] {
        let mut server = exchange(Mechanism::ScramSha256);
        assert_eq!(
            failure(server.start(Some(&first.into()))),
            Failure::Malformed,
            "{first}"
        );
    }
    let mut server = exchange(Mechanism::ScramSha256);
    assert_eq!(
        failure(server.start(Some(&"n,a=root,n=user,r=abc".into()))),
        Failure::OtherAuthorization
    );
    let mut server = exchange(Mechanism::ScramSha256);
    assert!(matches!(
        server.start(Some(&"n,a=user,n=user,r=abc".into())),
        Step::Credentials { .. }
    ));
}

#[test]
fn scram_finals_are_read_strictly() {
    let nonce = "r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let zero = STANDARD.encode([0; 32]);
    for (last, expected) in [
        (String::new(), Failure::Malformed),
        (format!("c=biws,{nonce}"), Failure::Malformed),
        (format!("c=biws,{nonce},p=AAAA"), Failure::Malformed),
        (format!("c=biws,r=abc,p={zero}"), Failure::Malformed),
        (format!("{nonce},c=biws,p={zero}"), Failure::Malformed),
        (format!("c=eSws,{nonce},p={zero}"), Failure::ChannelBinding),
        (format!("c=biws,{nonce},p={zero}"), Failure::WrongProof),
    ] {
        let mut server = exchange(Mechanism::ScramSha256);
        server.start(Some(&"n,,n=user,r=abc".into()));
        server.credentials(credentials());
        assert_eq!(
            failure(server.respond(&last.as_str().into())),
            expected,
            "{last}"
        );
    }
}

#[test]
fn plain_wants_three_parts_and_one_person() {
    let read = |text: &str| exchange(Mechanism::Plain).start(Some(&text.into()));
    assert!(matches!(read("a\0a\0p"), Step::Password(c) if c.identity == "a"));
    for text in ["", "a", "a\0b", "\0a\0p\0", "\0\0p"] {
        assert_eq!(failure(read(text)), Failure::Malformed, "{text:?}");
    }
    assert_eq!(failure(read("b\0a\0p")), Failure::OtherAuthorization);
    assert_eq!(failure(read("\0a\0")), Failure::WrongProof);
    assert_eq!(
        failure(read(&format!("\0a\0{}", "p".repeat(1025)))),
        Failure::WrongProof
    );
    let mut binary = exchange(Mechanism::Plain);
    let step = binary.start(Some(&Secret::new(b"\0a\0\xff".to_vec())));
    assert_eq!(failure(step), Failure::Malformed);
}

#[test]
fn login_asks_twice() {
    let mut server = exchange(Mechanism::Login);
    assert_eq!(challenge(server.start(None)), "Username:");
    assert_eq!(challenge(server.respond(&"taro".into())), "Password:");
    assert_eq!(server.claimed(), Some("taro"));
    assert!(matches!(
        server.respond(&"x".into()),
        Step::Password(c) if c.identity == "taro" && c.password == "x".into()
    ));
    let mut server = exchange(Mechanism::Login);
    assert_eq!(challenge(server.start(Some(&"taro".into()))), "Password:");
}

#[test]
fn a_false_server_is_found_out() {
    let login = client::Login {
        identity: "user".into(),
        password: "pencil".into(),
        nonce: Nonce::from_text("abc").unwrap(),
        bindings: ChannelBindings::none(),
        plus_offered: false,
    };
    let begin = || {
        let mut c = client::Exchange::new(Mechanism::ScramSha256, login.clone()).unwrap();
        c.initial().unwrap();
        c
    };
    for (first, error) in [
        ("r=xyz123,s=AAAA,i=4096", client::Error::Unexpected),
        ("r=abc,s=AAAA,i=4096", client::Error::Unexpected),
        ("r=abcd,s=AAAA,i=10", client::Error::Iterations(10)),
        (
            "r=abcd,s=AAAA,i=9999999",
            client::Error::Iterations(9_999_999),
        ),
        ("e=other-error", client::Error::Unexpected),
    ] {
        assert_eq!(begin().respond(first.as_bytes()), Err(error), "{first}");
    }
    let mut client = begin();
    client.respond(b"r=abcd,s=AAAA,i=4096").unwrap();
    assert_eq!(client.finish(), Err(client::Error::WrongServer));
    let forged = format!("v={}", STANDARD.encode([0; 32]));
    assert_eq!(
        client.respond(forged.as_bytes()),
        Err(client::Error::WrongServer)
    );
}

/// A proof is answered once, by the driver's word, and by nothing that the client sends.
#[test]
fn a_proof_waits_for_the_driver() {
    let client = |server: &mut Exchange| {
        let login = client::Login {
            identity: "user".into(),
            password: "pencil".into(),
            nonce: Nonce::from_text("abc").unwrap(),
            bindings: ChannelBindings::none(),
            plus_offered: false,
        };
        let mut client = client::Exchange::new(Mechanism::ScramSha256, login).unwrap();
        server.start(client.initial().as_ref());
        let first = challenge(server.credentials(credentials()));
        client.respond(first.as_bytes()).unwrap()
    };
    let mut server = exchange(Mechanism::ScramSha256);
    let last = client(&mut server);
    assert_eq!(failure(server.accept()), Failure::Malformed, "no proof yet");
    let mut server = exchange(Mechanism::ScramSha256);
    assert_eq!(last, client(&mut server));
    assert!(matches!(server.respond(&last), Step::Proved { .. }));
    assert!(matches!(
        server.respond(&"".into()),
        Step::Failed { identity: Some(identity), failure: Failure::Malformed } if identity == "user"
    ));
}

proptest! {
    #[test]
    fn arbitrary_messages_never_panic(
        mechanism in proptest::sample::select(Mechanism::ALL.to_vec()),
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..5),
    ) {
        let mut server = bound(mechanism, tls(), true);
        let mut step = server.start(None);
        for message in messages {
            if matches!(step, Step::Credentials { .. }) {
                step = server.credentials(ScramCredentials::decoy(b"k", "x", 4096));
            }
            let proved = matches!(step, Step::Proved { .. });
            prop_assert!(!proved);
            step = server.respond(&Secret::new(message));
        }
    }
}
