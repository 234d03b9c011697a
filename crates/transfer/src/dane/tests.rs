#![allow(clippy::unwrap_used)]
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair};
use rustls::pki_types::UnixTime;

use super::*;
use crate::resolver::FixedResolver;

fn d(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn tlsa(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Tlsa {
    Tlsa {
        usage,
        selector,
        matching,
        data: data.to_vec(),
    }
}

fn sha256(data: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, data).as_ref().to_vec()
}

fn sha512(data: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA512, data).as_ref().to_vec()
}

fn key_of(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
    parsed.tbs_certificate.subject_pki.raw.to_vec()
}

/// A self-signed certificate for `name` that ended long ago.
fn ended(name: &str) -> CertificateDer<'static> {
    let mut wanted = CertificateParams::new([name.to_owned()]).unwrap();
    wanted.not_before = rcgen::date_time_ymd(2001, 1, 1);
    wanted.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let pair = KeyPair::generate().unwrap();
    wanted.self_signed(&pair).unwrap().der().clone()
}

/// An authority, and a certificate of it for `name`.
fn chain(name: &str) -> (CertificateDer<'static>, CertificateDer<'static>) {
    let mut wanted = CertificateParams::new(Vec::new()).unwrap();
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(wanted, KeyPair::generate().unwrap()).unwrap();
    let issuer: &Issuer<'_, KeyPair> = &authority;
    let wanted = CertificateParams::new([name.to_owned()]).unwrap();
    let leaf = wanted
        .signed_by(&KeyPair::generate().unwrap(), issuer)
        .unwrap();
    (authority.der().clone(), leaf.der().clone())
}

fn verify(records: Vec<Tlsa>, names: &[&str], shown: &[&CertificateDer<'_>]) -> Result<(), Error> {
    let names = names.iter().map(|name| d(name)).collect();
    let Dane::Demanded(association) = judge(records, names) else {
        panic!("no record can be used");
    };
    let verifier = Verifier {
        association,
        provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
    };
    let (leaf, rest) = shown.split_first().unwrap();
    let rest: Vec<CertificateDer<'_>> = rest.iter().map(|one| (*one).clone()).collect();
    let name = ServerName::try_from("unasked.example").unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
    verifier
        .verify_server_cert(leaf, &rest, &name, &[], now)
        .map(drop)
}

#[test]
fn an_end_entity_is_compared_in_each_way_and_neither_name_nor_time_counts() {
    let shown = ended("other.example");
    let key = key_of(&shown);
    for record in [
        tlsa(3, 0, 0, &shown),
        tlsa(3, 0, 1, &sha256(&shown)),
        tlsa(3, 0, 2, &sha512(&shown)),
        tlsa(3, 1, 0, &key),
        tlsa(3, 1, 1, &sha256(&key)),
        tlsa(3, 1, 2, &sha512(&key)),
    ] {
        assert!(verify(vec![record.clone()], &["mx.example"], &[&shown]).is_ok());
        let stranger = ended("mx.example");
        assert!(verify(vec![record], &["mx.example"], &[&stranger]).is_err());
    }
    // A selector is not what it is not.
    let mixed = tlsa(3, 0, 1, &sha256(&key));
    assert!(verify(vec![mixed], &["mx.example"], &[&shown]).is_err());
}

#[test]
fn a_trust_anchor_must_be_in_the_chain_and_the_name_and_time_count() {
    let (authority, leaf) = chain("mx.example");
    for record in [
        tlsa(2, 0, 1, &sha256(&authority)),
        tlsa(2, 1, 1, &sha256(&key_of(&authority))),
        tlsa(2, 1, 2, &sha512(&key_of(&authority))),
    ] {
        let good = verify(vec![record.clone()], &["mx.example"], &[&leaf, &authority]);
        assert_eq!(good, Ok(()));
        // The domain that the mail is for is as good a name (RFC 7672, section 3.2.2).
        let names = ["alias.example", "mx.example"];
        assert!(verify(vec![record.clone()], &names, &[&leaf, &authority]).is_ok());
        let named = verify(vec![record.clone()], &["no.example"], &[&leaf, &authority]);
        assert!(named.is_err());
        assert!(verify(vec![record], &["mx.example"], &[&leaf]).is_err());
    }
    // A record that holds the whole anchor needs no server that sends it.
    let whole = tlsa(2, 0, 0, &authority);
    assert!(verify(vec![whole.clone()], &["mx.example"], &[&leaf]).is_ok());
    let (_, forged) = chain("mx.example");
    assert!(verify(vec![whole.clone()], &["mx.example"], &[&forged]).is_err());
    // A certificate beside the chain makes nobody its issuer.
    assert!(verify(vec![whole], &["mx.example"], &[&forged, &authority]).is_err());
    // What is said of a trust anchor is not said of an end entity.
    let as_anchor = tlsa(2, 0, 1, &sha256(&leaf));
    assert!(verify(vec![as_anchor], &["mx.example"], &[&leaf]).is_err());
}

#[test]
fn records_that_cannot_be_used_demand_no_certificate() {
    let names = || vec![d("mx.example")];
    let good = sha256(b"x");
    for record in [
        tlsa(0, 1, 1, &good),
        tlsa(1, 1, 1, &good),
        tlsa(4, 1, 1, &good),
        tlsa(3, 2, 1, &good),
        tlsa(3, 1, 3, &good),
        tlsa(3, 1, 1, &good[..31]),
        tlsa(3, 1, 2, &good),
        tlsa(3, 0, 0, b"no certificate"),
        tlsa(3, 1, 0, b""),
    ] {
        assert!(
            matches!(judge(vec![record.clone()], names()), Dane::Unusable),
            "{record:?}"
        );
        let both = vec![record, tlsa(3, 1, 1, &good)];
        assert!(matches!(judge(both, names()), Dane::Demanded(_)));
    }
}

#[test]
fn of_digests_only_the_strongest_counts() {
    let (shown, other) = (ended("mx.example"), ended("mx.example"));
    let weak = tlsa(3, 1, 1, &sha256(&key_of(&shown)));
    let strong = tlsa(3, 1, 2, &sha512(&key_of(&other)));
    let both = vec![weak.clone(), strong];
    assert!(verify(both.clone(), &["mx.example"], &[&shown]).is_err());
    assert!(verify(both, &["mx.example"], &[&other]).is_ok());
    // Another selector is another matter.
    let of_whole = tlsa(3, 0, 2, &sha512(&other));
    assert!(verify(vec![weak, of_whole], &["mx.example"], &[&shown]).is_ok());
}

/// A host whose addresses and records are there, and what DANE says of it.
async fn found(prepare: impl FnOnce(&FixedResolver)) -> Result<Dane, String> {
    let resolver = FixedResolver::new();
    let ip = "192.0.2.1".parse().unwrap();
    resolver.set_host(d("mx.example"), Answer::Found(vec![ip]));
    resolver.set_host(d("end.example"), Answer::Found(vec![ip]));
    prepare(&resolver);
    let host = message::address::Host::Domain(d("mx.example"));
    let settings = crate::Settings::default();
    let addresses = crate::route::addresses(&host, 25, &resolver, &settings).await;
    let next_hop = d("far.example");
    of_host(
        &resolver,
        &d("mx.example"),
        25,
        &addresses.unwrap(),
        Some(&next_hop),
    )
    .await
}

fn records(octet: u8) -> Answer<Tlsa> {
    Answer::Found(vec![tlsa(3, 1, 1, &[octet; 32])])
}

fn demanded(dane: Result<Dane, String>) -> (u8, Vec<String>) {
    let Ok(Dane::Demanded(association)) = dane else {
        panic!("{dane:?}");
    };
    let names = association.names.iter().map(ToString::to_string).collect();
    (association.records[0].data[0], names)
}

#[tokio::test]
async fn only_what_is_proven_from_the_address_to_the_record_counts() {
    const AT: &str = "_25._tcp.mx.example";
    let secure = |names: &'static [&'static str]| {
        move |resolver: &FixedResolver| {
            resolver.set_tlsa(AT, records(1));
            for name in names {
                resolver.set_secure(name);
            }
        }
    };
    let got = found(secure(&["mx.example", AT])).await;
    assert_eq!(
        demanded(got),
        (1, vec!["mx.example".into(), "far.example".into()])
    );
    assert!(matches!(
        found(secure(&["mx.example"])).await,
        Ok(Dane::Absent)
    ));
    assert!(matches!(found(secure(&[AT])).await, Ok(Dane::Absent)));
    // Nobody is asked whose address is not proven; and who is asked and does not answer gets no mail.
    let lost = |resolver: &FixedResolver| {
        resolver.set_tlsa(AT, Answer::Temporary("SERVFAIL".into()));
    };
    assert!(matches!(found(lost).await, Ok(Dane::Absent)));
    let lost_and_secure = |resolver: &FixedResolver| {
        lost(resolver);
        resolver.set_secure("mx.example");
    };
    assert!(found(lost_and_secure).await.is_err());
}

#[tokio::test]
async fn aliases_are_followed_and_the_end_comes_first() {
    const HOST: &str = "_25._tcp.mx.example";
    const END: &str = "_25._tcp.end.example";
    let alias = |names: &'static [&'static str], at: &'static [(&'static str, u8)]| {
        move |resolver: &FixedResolver| {
            resolver.set_alias(d("mx.example"), d("end.example"));
            for (name, octet) in at {
                resolver.set_tlsa(name, records(*octet));
            }
            for name in names {
                resolver.set_secure(name);
            }
        }
    };
    let both: &[_] = &[(HOST, 1), (END, 2)];
    let got = found(alias(&["mx.example", "end.example", HOST, END], both)).await;
    let names = ["end.example", "mx.example", "far.example"].map(str::to_owned);
    assert_eq!(demanded(got), (2, names.to_vec()));
    let got = found(alias(&["mx.example", "end.example", HOST], &[(HOST, 1)])).await;
    assert_eq!(demanded(got).0, 1);
    // The alias is proven and its end is not: the host's own name still has its say (RFC 7672, section 2.2.2).
    let got = found(alias(&["mx.example", HOST, END], both)).await;
    assert_eq!(demanded(got).0, 1);
    let got = found(alias(&["end.example", HOST, END], both)).await;
    assert!(matches!(got, Ok(Dane::Absent)));
}
