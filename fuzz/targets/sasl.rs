//! Authentication exchanges, both sides. The first line of an input names what is tried.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::sasl::{
    ChannelBindings, Mechanism, Nonce, ScramCredentials, Secret, client, prepare_identity,
    prepare_password,
    server::{Exchange, Failure, Step},
    wire,
};

fuzz_target!(|octets: &[u8]| {
    let lines: Vec<&[u8]> = octets.split(|&octet| octet == b'\n').take(10).collect();
    for mechanism in Mechanism::ALL {
        for plus_offered in [false, true] {
            serve(mechanism, plus_offered, &lines);
        }
        ask(mechanism, &lines);
    }
    for line in &lines {
        carry(line);
    }
    if let [identity, password, ..] = lines.as_slice() {
        log_in(identity, password);
    }
});

const NONCE: [u8; 24] = [7; 24];

fn bindings() -> ChannelBindings {
    ChannelBindings {
        server_end_point: Some(vec![1; 32]),
        exporter: Some(vec![2; 32]),
    }
}

/// Nobody gets in without a password that the driver has judged, and nothing follows a result.
fn serve(mechanism: Mechanism, plus_offered: bool, lines: &[&[u8]]) {
    let mut exchange = Exchange::new(mechanism, Nonce::new(NONCE), bindings(), plus_offered);
    let mut over = false;
    for line in lines {
        let mut step = exchange.respond(&Secret::new(line.to_vec()));
        if let Step::Credentials { identity } = &step {
            assert_eq!(prepare_identity(identity).as_ref(), Some(identity));
            let decoy = ScramCredentials::decoy(b"k", identity, 4096);
            step = exchange.credentials(decoy);
        }
        match step {
            Step::Challenge(_) => assert!(!over),
            Step::Password(claim) => {
                assert!(!over && mechanism.shows_password());
                assert_eq!(prepare_identity(&claim.identity), Some(claim.identity));
                over = true;
            }
            Step::Failed { failure, .. } => {
                assert!(!over || failure == Failure::Malformed);
                over = true;
            }
            Step::Proved { .. } | Step::Done { .. } | Step::Credentials { .. } => {
                panic!("a decoy was proved")
            }
        }
    }
}

/// A server that knows no password never satisfies a client that checks it.
fn ask(mechanism: Mechanism, lines: &[&[u8]]) {
    let login = client::Login {
        identity: "taro".into(),
        password: Secret::from("open sesame"),
        nonce: Nonce::new(NONCE),
        bindings: bindings(),
        plus_offered: true,
    };
    let Ok(mut exchange) = client::Exchange::new(mechanism, login) else {
        return;
    };
    let _initial = exchange.initial();
    for line in lines {
        // The work that a server may ask for is bounded, but not so low that it could be done here.
        let digits = line
            .rsplit(|&octet| octet == b'=')
            .next()
            .unwrap_or_default();
        if digits.len() > 4 && line.windows(3).any(|at| at == b",i=") {
            return;
        }
        if exchange.respond(line).is_err() {
            break;
        }
    }
    assert!(mechanism.shows_password() || exchange.finish().is_err());
}

/// What goes over the wire comes back.
fn carry(octets: &[u8]) {
    let line = wire::encode(octets);
    assert_eq!(
        wire::decode_line(line.as_bytes(), usize::MAX),
        Ok(wire::ClientLine::Response(Secret::new(octets.to_vec())))
    );
    let initial = wire::encode_initial(octets);
    assert_eq!(
        wire::decode_initial(initial.as_bytes(), usize::MAX),
        Ok(Secret::new(octets.to_vec()))
    );
    if let Ok(wire::ClientLine::Response(response)) = wire::decode_line(octets, usize::MAX) {
        assert_eq!(wire::encode(response.expose()).as_bytes(), octets);
    }
}

/// What our client sends by PLAIN is what our server reads.
fn log_in(identity: &[u8], password: &[u8]) {
    let Ok(identity) = std::str::from_utf8(identity) else {
        return;
    };
    let Some(prepared) = prepare_identity(identity) else {
        return;
    };
    assert_eq!(prepare_identity(&prepared), Some(prepared.clone()));
    let password = Secret::new(password.to_vec());
    let login = client::Login {
        identity: identity.to_owned(),
        password: password.clone(),
        nonce: Nonce::new(NONCE),
        bindings: ChannelBindings::none(),
        plus_offered: false,
    };
    let Ok(mut client) = client::Exchange::new(Mechanism::Plain, login) else {
        panic!("a prepared identity was refused");
    };
    let nonce = Nonce::new(NONCE);
    let mut server = Exchange::new(Mechanism::Plain, nonce, ChannelBindings::none(), false);
    let prepared_password = prepare_password(&password);
    let sendable = std::str::from_utf8(password.expose())
        .is_ok_and(|text| !text.is_empty() && !text.contains('\0') && text.len() <= 512);
    match server.start(client.initial().as_ref()) {
        Step::Password(claim) => {
            assert_eq!(claim.identity, prepared);
            assert_eq!(claim.password, prepared_password);
        }
        Step::Failed { .. } => assert!(!sendable || prepared_password.is_empty()),
        other => panic!("{other:?}"),
    }
}
