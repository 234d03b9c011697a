//! The certificate: who vouches for it, for what name, until when, and how strong it is (RFC 5280, RFC 9525).

use std::{net::IpAddr, sync::Arc};

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use x509_parser::{
    prelude::{FromDer as _, GeneralName, X509Certificate},
    public_key::PublicKey,
};

use crate::{check::Judged, context::Context, trouble::Trouble};

/// Days before the end that are worth a warning.
const WARNING_DAYS: i64 = 21;
/// Bits of an RSA key that are enough (CRYPTREC, and BSI TR-02102 with more).
const RSA_BITS: usize = 2048;
/// Bits of a key on a curve that are enough.
const CURVE_BITS: usize = 224;
/// MD5 with RSA, SHA-1 with RSA, ECDSA and DSA (RFC 3279, section 2.2).
const WEAK_SIGNATURES: &[&str] = &[
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.2.840.10045.4.1",
    "1.2.840.10040.4.3",
];
/// Names of a certificate that are told.
const NAMES: usize = 20;

/// What of it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Handshake,
    Chain,
    Name,
    Dates,
    Key,
    Signature,
}

/// What a server showed.
pub(crate) struct Shown {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) security: String,
}

pub(crate) fn judge(context: &Context<'_>, shown: &Shown, look: Look) -> Result<Judged, Trouble> {
    if look == Look::Handshake {
        return Ok(Judged::pass(format!("connected: {}", shown.security)));
    }
    let Some(der) = shown.chain.first() else {
        return Ok(Judged::could_not_tell("the server showed no certificate"));
    };
    let Ok((_, leaf)) = X509Certificate::from_der(der) else {
        return Ok(Judged::weak_tls(
            context.plan.protocol,
            "the certificate cannot be read",
        ));
    };
    context.recorder.note(format!(
        "certificate of {}, by {}",
        leaf.subject(),
        leaf.issuer()
    ));
    Ok(match look {
        Look::Handshake | Look::Chain => chain(context, shown, der, &leaf),
        Look::Name => name(context, &leaf),
        Look::Dates => dates(context, &leaf),
        Look::Key => key(context, &leaf),
        Look::Signature => signature(context, &leaf),
    })
}

/// The names that it is for.
fn names(leaf: &X509Certificate<'_>) -> Vec<Named> {
    let Ok(Some(extension)) = leaf.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(Named::Host((*name).to_owned())),
            GeneralName::IPAddress(octets) => {
                let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
                let v6 = <[u8; 16]>::try_from(*octets).map(IpAddr::from);
                v4.or(v6).ok().map(Named::Address)
            }
            _ => None,
        })
        .take(NAMES)
        .collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Host(String),
    Address(IpAddr),
}

impl Named {
    /// Whether it means `host`. A wildcard stands for exactly one label (RFC 9525, section 6.3).
    fn is_for(&self, host: &str) -> bool {
        match self {
            Self::Address(address) => host.parse::<IpAddr>().is_ok_and(|host| host == *address),
            Self::Host(name) => match name.strip_prefix("*.") {
                Some(parent) => host
                    .split_once('.')
                    .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
                None => name.eq_ignore_ascii_case(host),
            },
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Host(name) => name.clone(),
            Self::Address(address) => address.to_string(),
        }
    }
}

fn chain(
    context: &Context<'_>,
    shown: &Shown,
    der: &CertificateDer<'_>,
    leaf: &X509Certificate<'_>,
) -> Judged {
    let roots = match &context.plan.roots {
        Some(roots) => roots.clone(),
        None => system_roots(),
    };
    if roots.is_empty() {
        return Judged::could_not_tell("no roots are known on this machine: --ca names some");
    }
    // For one of its own names: whether that is the right one is another check's matter.
    let own = names(leaf)
        .into_iter()
        .find_map(|name| ServerName::try_from(name.text()).ok());
    let Some(own) = own else {
        return Judged::weak_tls(
            context.plan.protocol,
            "the certificate is for no name at all",
        );
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = match WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
    {
        Ok(verifier) => verifier,
        Err(error) => return Judged::could_not_tell(format!("the roots cannot be used: {error}")),
    };
    let seconds = u64::try_from(context.world.now().as_second()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let rest = shown.chain.get(1..).unwrap_or_default();
    match verifier.verify_server_cert(der, rest, &own, &[], now) {
        Ok(_) => Judged::pass("a root that is trusted here vouches for it"),
        Err(error) if leaf.subject() == leaf.issuer() => Judged::weak_tls(
            context.plan.protocol,
            format!("it is self-signed, and no root that is trusted here vouches for it ({error})"),
        ),
        Err(error) => Judged::weak_tls(
            context.plan.protocol,
            format!("no root that is trusted here vouches for it: {error}"),
        ),
    }
}

/// The system's roots; what of them cannot be read vouches for nothing.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn name(context: &Context<'_>, leaf: &X509Certificate<'_>) -> Judged {
    let (wanted, names) = (context.plan.certificate_name(), names(leaf));
    let told: Vec<String> = names.iter().map(Named::text).collect();
    let told = told.join(", ");
    if names.iter().any(|name| name.is_for(wanted)) {
        return Judged::pass(format!("it is for {told}"));
    }
    if context.plan.name.is_none() && wanted.parse::<IpAddr>().is_ok() {
        return Judged::could_not_tell(format!(
            "it is for {told}; what name clients know the server by must be said (--name)"
        ));
    }
    Judged::weak_tls(
        context.plan.protocol,
        format!("it is for {told}, not for {wanted}"),
    )
}

fn dates(context: &Context<'_>, leaf: &X509Certificate<'_>) -> Judged {
    let now = context.world.now().as_second();
    let validity = leaf.validity();
    let (begin, end) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    let days = end.saturating_sub(now).div_euclid(86_400);
    if now < begin {
        return Judged::weak_tls(
            context.plan.protocol,
            format!("it is not valid before {}", validity.not_before),
        );
    }
    if now > end {
        return Judged::weak_tls(
            context.plan.protocol,
            format!("it ended {} days ago", days.saturating_neg()),
        );
    }
    match days < WARNING_DAYS {
        true => Judged::warn(format!("it ends in {days} days")),
        false => Judged::pass(format!("it is valid for {days} days more")),
    }
}

fn key(context: &Context<'_>, leaf: &X509Certificate<'_>) -> Judged {
    let (kind, bits, least) = match leaf.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => ("RSA", key.key_size(), RSA_BITS),
        Ok(PublicKey::EC(point)) => ("ECDSA", point.key_size(), CURVE_BITS),
        // Curves of a fixed size, all of them strong.
        Ok(_) | Err(_) => {
            let algorithm = &leaf.public_key().algorithm.algorithm;
            return Judged::info(format!("a key of the algorithm {algorithm}"));
        }
    };
    let told = format!("{kind} with {bits} bits");
    match bits < least {
        true => Judged::weak_tls(
            context.plan.protocol,
            format!("{told}: {least} is the least"),
        ),
        false => Judged::pass(told),
    }
}

fn signature(context: &Context<'_>, leaf: &X509Certificate<'_>) -> Judged {
    let algorithm = leaf.signature_algorithm.algorithm.to_id_string();
    match WEAK_SIGNATURES.contains(&algorithm.as_str()) {
        true => Judged::weak_tls(
            context.plan.protocol,
            format!("it is signed with MD5 or SHA-1 ({algorithm})"),
        ),
        false => Judged::pass(format!("signed with {algorithm}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_hosts() {
        let host = |name: &str| Named::Host(name.to_owned());
        assert!(host("*.City.example").is_for("mail.city.example"));
        assert!(host("MAIL.city.example").is_for("mail.city.example"));
        for other in ["city.example", "a.mail.city.example", "mail.town.example"] {
            assert!(!host("*.city.example").is_for(other), "{other}");
        }
        assert!(Named::Address([127, 0, 0, 1].into()).is_for("127.0.0.1"));
        assert!(!host("127.0.0.2").is_for("127.0.0.1"));
    }
}
