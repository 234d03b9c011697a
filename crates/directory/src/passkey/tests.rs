//! Passkeys as the standard's own examples have them (WebAuthn Level 3, section 16), as a device of the tests makes them, and as an
//! attacker would.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code
)]

#[path = "../../tests/site/device.rs"]
mod device;

use data_encoding::HEXLOWER;
use device::{Device, written};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::passkey;

/// An example: challenge, client data and attestation object; challenge, client data, authenticator data and signature.
struct Vector {
    registered: (&'static str, &'static str, &'static str),
    asserted: (&'static str, &'static str, &'static str, &'static str),
}

/// Section 16.2: ES256, no attestation.
const ES256: Vector = Vector {
    registered: (
        "00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130",
        "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22414d4d507434557878475453746e63\
         647134313759447742466938767049612d7077386f4f755657345441222c226f726967696e223a2268747470733a2f2f6578616d706c\
         652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e\
         206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c\
         207375636820617320746869733a20426b5165446a646354427258426941774a544c453551227d",
        "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592\
         a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33\
         ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820\
         930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
    ),
    asserted: (
        "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408",
        "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224f63446e55685158756c5455506f334a5558\
         543049393770767a7a59425039745a63685879617630314167222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f\
         7267222c2263726f73734f726967696e223a66616c73657d",
        "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000",
        "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93538174f575bf11a1\
         dd5d78c6e486013f937295ea13653e331e87",
    ),
};

/// Section 16.11: Ed25519, with an attestation that nobody here looks at.
const EDDSA: Vector = Vector {
    registered: (
        "a8abf9dabdc6b0df63466b39bda9e8a34a34e185337a59f1c579990676d3b3bd",
        "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22714b763532723347734e396a526d73\
         3576616e6f6f306f303459557a656c6e7878586d5a426e6254733730222c226f726967696e223a2268747470733a2f2f6578616d706c\
         652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e\
         206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c\
         207375636820617320746869733a20425f44543567375a445f2d394f544c59583549764551227d",
        "a363666d74667061636b65646761747453746d74a363616c67266373696758483046022100d83f60bd80269537583218858aefb03ac5\
         7d45fa06e42feaae332d187f62da9f022100a02bd3cb6f7e1d283c93bad1f3f4b5a4c0494463da7fdbf256949116754d1f1763783563\
         8159022730820223308201c8a003020102021100b2cfc9ea33c8643b0e1a760463eaf164300a06082a8648ce3d0403023062311e301c\
         06035504030c15576562417574686e207465737420766563746f7273310c300a060355040a0c0357334331253023060355040b0c1c41\
         757468656e74696361746f72204174746573746174696f6e204341310b30090603550406130241413020170d32343031303130303030\
         30305a180f33303234303130313030303030305a305f311e301c06035504030c15576562417574686e207465737420766563746f7273\
         310c300a060355040a0c0357334331223020060355040b0c1941757468656e74696361746f72204174746573746174696f6e310b3009\
         0603550406130241413059301306072a8648ce3d020106082a8648ce3d03010703420004dd2b7a564b73b8c0b81c4c62e521925c4d11\
         98ec9f583dbf1eebe364b65cd9c29a9bdf346aaa81fb6b9507e5249a52fdaf8e39e26b0b7dc45992a7e233b70f70a360305e300c0603\
         551d130101ff04023000300e0603551d0f0101ff040403020780301d0603551d0e041604140ae27546bc7eccb1b4b597bd354f0c0b1f\
         1f8f8e301f0603551d2304183016801445aff715b0dd786741fee996ebc16547a3931b1e300a06082a8648ce3d040302034900304602\
         2100a0d434ecb5fc3bfd7da5f41904517ad2836249f561bd834ba7a438a8ab7a4ce8022100fac845bb7a02513b58e9f319654dbe49b0\
         f02b95835bac568c71f8a18cdde9ab6861757468446174615881bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f014\
         52b2e4b54100000000d5aa33581e8ca478e20fe713f5d32ff20020ce9f840ed96599580cd140fbc7bb3230633f50f61041aff73308ae\
         71caa8a2bda401010327200621582044e06ddd331c36a8dc667bab52bcae63486c916aa5e339e6acebaa84934bf832",
    ),
    asserted: (
        "895957e01c633a698348a2d8a31a54b7db27e8c1c43b2080d79ae2190267bfd2",
        "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a2269566c583442786a4f6d6d44534b4c596f78\
         70557439736e364d48454f7943413135726947514a6e763949222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f\
         7267222c2263726f73734f726967696e223a66616c73657d",
        "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50100000000",
        "f5c59c7e46c34f6f8cc197101ddf9934fa2595f68eb1913a637e8419eb9ba4cfdfc48f85393bc0d40b011f0d6fecb097d66075257132\
         23a0dc0d453993dae00b",
    ),
};

/// Section 16.4: the page was within another.
const FRAMED: (&str, &str) = (
    "3be5aacd03537142472340ab5969f240f1d87716e20b6807ac230655fa4b3b49",
    "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a224f2d57717a514e5463554a48493043\
         7257576e7951504859647862694332674872434d475666704c4f306b222c226f726967696e223a2268747470733a2f2f6578616d706c\
         652e6f7267222c2263726f73734f726967696e223a747275652c22657874726144617461223a22636c69656e74446174614a534f4e20\
         6d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c20\
         7375636820617320746869733a207a5a7175457444523944577170573574425754467567227d",
);

const USER: &[u8] = b"a user handle";
const CHALLENGE: [u8; 32] = [7; 32];

fn octets(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

fn example() -> Place {
    Place {
        name: "example.org".to_owned(),
        origin: "https://example.org".to_owned(),
    }
}

fn challenge() -> Challenge {
    Challenge::of(&CHALLENGE)
}

/// A device whose passkey was registered.
fn made(algorithm: i32) -> (Device, Passkey, i64) {
    let device = Device::new(algorithm, USER);
    let registration = device.registers(&example(), &written(&CHALLENGE));
    let (passkey, counter) = registered(&registration, &challenge(), USER).unwrap();
    (device, passkey, counter)
}

#[test]
fn the_examples_of_the_standard() {
    for vector in [ES256, EDDSA] {
        let (asked, client_data, object) = vector.registered;
        let registration = Registration {
            place: example(),
            client_data: octets(client_data),
            object: octets(object),
        };
        let asked = Challenge::of(&octets(asked));
        let (passkey, counter) = registered(&registration, &asked, USER).unwrap();
        assert_eq!(counter, 0);
        assert_eq!(
            Passkey::read(&passkey.to_octets().unwrap()).unwrap(),
            passkey
        );
        let (asked, client_data, data, signature) = vector.asserted;
        let mut assertion = Assertion {
            place: example(),
            credential: passkey.credential.clone(),
            user: USER.to_owned(),
            client_data: octets(client_data),
            authenticator_data: octets(data),
            signature: octets(signature),
        };
        let asked = Challenge::of(&octets(asked));
        assert_eq!(passkey.proved(&assertion, &asked, 0), Ok(0));
        *assertion.signature.last_mut().unwrap() ^= 1;
        let wrong = passkey.proved(&assertion, &asked, 0);
        assert_eq!(wrong, Err(Fault::Signature));
    }
    let framed = Registration {
        client_data: octets(FRAMED.1),
        ..Device::new(-7, USER).registers(&example(), "")
    };
    let refused = registered(&framed, &Challenge::of(&octets(FRAMED.0)), USER);
    assert_eq!(refused.unwrap_err(), Fault::Origin);
}

#[test]
fn each_algorithm_from_registration_to_use() {
    for algorithm in ALGORITHMS {
        let (mut device, passkey, counter) = made(algorithm);
        assert_eq!(counter, 1);
        let assertion = device.answers(&example(), &written(&CHALLENGE));
        let proved = passkey.proved(&assertion, &challenge(), counter);
        assert_eq!(proved, Ok(2), "{algorithm}");
        // Another device of the same kind is another passkey, whatever it says it is.
        let mut other = Device::new(algorithm, USER);
        other.credential = passkey.credential.clone();
        let forged = other.answers(&example(), &written(&CHALLENGE));
        let refused = passkey.proved(&forged, &challenge(), 1);
        assert_eq!(refused, Err(Fault::Signature), "{algorithm}");
    }
}

#[test]
fn whatever_an_answer_is_not_for_is_told_apart() {
    type Turn = fn(&mut Device, &mut Place, &mut String);
    let turns: [(&str, Fault, Turn); 12] = [
        ("another challenge", Fault::Challenge, |_, _, asked| {
            *asked = written(&[8; 32]);
        }),
        (
            "a challenge with padding",
            Fault::Challenge,
            |_, _, asked| asked.push('='),
        ),
        ("another origin", Fault::Origin, |_, place, _| {
            place.origin = "https://example.com".into();
        }),
        ("another port", Fault::Origin, |_, place, _| {
            place.origin.push_str(":8443");
        }),
        ("a host below", Fault::Origin, |_, place, _| {
            place.origin = "https://a.example.org".into();
        }),
        ("no TLS", Fault::Origin, |_, place, _| {
            place.origin = "http://example.org".into();
        }),
        ("within another page", Fault::Origin, |device, _, _| {
            device.more = r#","crossOrigin":true"#;
        }),
        ("below another page", Fault::Origin, |device, _, _| {
            device.more = r#","topOrigin":"https://example.com""#;
        }),
        ("another site's passkey", Fault::Site, |_, place, _| {
            place.name = "example.com".into();
        }),
        ("nobody there", Fault::NobodyThere, |device, _, _| {
            device.flags &= !1;
        }),
        (
            "copied, but not to be",
            Fault::Malformed("the authenticator data"),
            |device, _, _| {
                device.flags |= 0x10;
            },
        ),
        (
            "a field twice",
            Fault::Malformed("the client data"),
            |device, _, _| {
                device.more = r#","origin":"https://example.org""#;
            },
        ),
    ];
    for (what, fault, turn) in turns {
        let (mut device, passkey, _) = made(-7);
        let (mut place, mut asked) = (example(), written(&CHALLENGE));
        turn(&mut device, &mut place, &mut asked);
        let mut assertion = device.answers(&place, &asked);
        let mut registration = device.registers(&place, &asked);
        (assertion.place, registration.place) = (example(), example());
        let refused = passkey.proved(&assertion, &challenge(), 1);
        assert_eq!(refused, Err(fault), "{what}");
        let refused = registered(&registration, &challenge(), USER);
        assert_eq!(refused.unwrap_err(), fault, "{what}");
    }
}

#[test]
fn one_answer_is_no_other() {
    let (mut device, passkey, _) = made(-8);
    let asked = written(&CHALLENGE);
    let registration = device.registers(&example(), &asked);
    let mut assertion = device.answers(&example(), &asked);
    assertion.client_data = registration.client_data;
    let refused = passkey.proved(&assertion, &challenge(), 1);
    assert_eq!(refused, Err(Fault::Ceremony));
    let mut registration = device.registers(&example(), &asked);
    registration.client_data = device.answers(&example(), &asked).client_data;
    let refused = registered(&registration, &challenge(), USER);
    assert_eq!(refused.unwrap_err(), Fault::Ceremony);
    for change in [
        |it: &mut Assertion| it.user.clear(),
        |it: &mut Assertion| it.credential.push(0),
    ] {
        let mut assertion = device.answers(&example(), &asked);
        change(&mut assertion);
        let refused = passkey.proved(&assertion, &challenge(), 1);
        assert_eq!(refused, Err(Fault::Other));
    }
}

#[test]
fn a_counter_grows_or_is_always_zero() {
    let (mut device, passkey, _) = made(-7);
    let asked = written(&CHALLENGE);
    for (counter, before, result) in [
        (6, 5, Ok(6)),
        (5, 5, Err(Fault::Counter)),
        (4, 5, Err(Fault::Counter)),
        (0, 5, Err(Fault::Counter)),
        (0, 0, Ok(0)),
        (u32::MAX, 5, Ok(i64::from(u32::MAX))),
    ] {
        // The device counts before it signs.
        device.counter = counter.saturating_sub(1);
        let assertion = device.answers(&example(), &asked);
        let proved = passkey.proved(&assertion, &challenge(), before);
        assert_eq!(proved, result, "{counter} after {before}");
    }
}

#[test]
fn what_is_cut_or_has_more_is_refused_wherever_it_is() {
    let (mut device, passkey, _) = made(-7);
    let asked = written(&CHALLENGE);
    let whole = device.registers(&example(), &asked);
    for len in 0..whole.object.len() {
        let cut = Registration {
            object: whole.object[..len].to_vec(),
            ..whole.clone()
        };
        assert!(registered(&cut, &challenge(), USER).is_err(), "{len}");
    }
    for len in 0..whole.client_data.len() {
        let cut = Registration {
            client_data: whole.client_data[..len].to_vec(),
            ..whole.clone()
        };
        assert!(registered(&cut, &challenge(), USER).is_err(), "{len}");
    }
    let mut more = whole.clone();
    more.object.push(0);
    assert!(registered(&more, &challenge(), USER).is_err());
    let mut assertion = device.answers(&example(), &asked);
    for len in 0..assertion.authenticator_data.len() {
        let cut = Assertion {
            authenticator_data: assertion.authenticator_data[..len].to_vec(),
            ..assertion.clone()
        };
        assert!(passkey.proved(&cut, &challenge(), 1).is_err(), "{len}");
    }
    assertion.authenticator_data.push(0);
    let refused = passkey.proved(&assertion, &challenge(), 1);
    assert_eq!(refused, Err(Fault::Malformed("the authenticator data")));
}

#[test]
fn no_octet_of_a_registration_makes_it_fall() {
    let device = Device::new(-7, USER);
    let whole = device.registers(&example(), &written(&CHALLENGE));
    for at in 0..whole.object.len() {
        for value in [0, 0x1b, 0x5b, 0x7b, 0x9b, 0x9f, 0xbb, 0xbf, 0xdb, 0xff] {
            let mut turned = whole.clone();
            turned.object[at] = value;
            // It may still be a passkey, with another name or key: what counts is that it is read to an end.
            drop(registered(&turned, &challenge(), USER));
        }
    }
    let deep = [vec![0x81; 100_000], vec![0]].concat();
    for object in [deep[..MOST_OBJECT].to_vec(), deep] {
        let turned = Registration {
            object,
            ..whole.clone()
        };
        assert!(registered(&turned, &challenge(), USER).is_err());
    }
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let device = Device::new(-7, USER);
    let cose = cbor::only(&device.cose(), "").unwrap();
    let pairs = cose.as_map().unwrap().clone();
    let turned = |label: i32, value: Value| {
        let mut pairs = pairs.clone();
        pairs.retain(|(name, _)| *name != Value::from(label));
        pairs.push((Value::from(label), value));
        Value::Map(pairs)
    };
    let mut twice = pairs.clone();
    twice.push((Value::from(1), Value::from(2)));
    for (what, key) in [
        ("ES384", turned(3, Value::from(-35))),
        ("another kind", turned(1, Value::from(3))),
        ("another curve", turned(-1, Value::from(2))),
        ("a short coordinate", turned(-2, Value::Bytes(vec![1; 31]))),
        ("a sign for a coordinate", turned(-3, Value::Bool(true))),
        ("a label twice", Value::Map(twice)),
        ("no map", Value::from(1)),
    ] {
        let mut octets = Vec::new();
        ciborium::into_writer(&key, &mut octets).unwrap();
        assert!(key::check(&octets).is_err(), "{what}");
    }
    assert_eq!(key::check(&device.cose()), Ok(()));
}

proptest! {
    /// Whatever comes is read to an end, and is no passkey.
    #[test]
    fn nonsense_is_refused(
        client_data in vec(any::<u8>(), 0..300),
        object in vec(any::<u8>(), 0..300),
        cut in 0_usize..200,
    ) {
        let (mut device, passkey, _) = made(-8);
        let asked = written(&CHALLENGE);
        let place = example();
        let whole = device.registers(&place, &asked);
        // The beginning is as it should be, and then it is not.
        let mut turned = whole.object[..cut.min(whole.object.len())].to_vec();
        turned.extend(&object);
        for (client_data, object) in [
            (client_data.clone(), whole.object.clone()),
            (whole.client_data.clone(), object.clone()),
            (client_data, object.clone()),
        ] {
            let place = place.clone();
            let nonsense = Registration { place, client_data, object };
            prop_assert!(registered(&nonsense, &challenge(), USER).is_err());
        }
        let nonsense = Registration { object: turned, ..whole };
        drop(registered(&nonsense, &challenge(), USER));
        let answer = device.answers(&place, &asked);
        let nonsense = Assertion { authenticator_data: object, ..answer };
        prop_assert!(passkey.proved(&nonsense, &challenge(), 1).is_err());
    }
}
