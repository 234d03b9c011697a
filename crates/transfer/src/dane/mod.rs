//! DANE for SMTP (RFC 7672): which records hold for a host, and whether a certificate is one of those that they name.

use std::sync::Arc;

use aws_lc_rs::digest;
use message::address::Domain;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};

use crate::{
    connect::ClientTlsError,
    resolver::{Answer, Resolver, Tlsa},
    route::Addresses,
};

/// Records of one host that are looked at; more are nobody's honest wish, and each costs a digest.
const MOST_RECORDS: usize = 64;
/// Certificates of a chain that are compared with records of a trust anchor.
const MOST_CERTIFICATES: usize = 16;

const DANE_TA: u8 = 2;
const DANE_EE: u8 = 3;

/// What DANE says of one host.
#[derive(Clone, Debug)]
pub(crate) enum Dane {
    /// Nothing: it has no records, or none that are proven.
    Absent,
    /// It has TLS, but no record that can be used: any certificate will do (RFC 7672, section 2.2).
    Unusable,
    /// Its certificate must be one that these name.
    Demanded(Arc<Association>),
}

/// The records that a host's certificate is held to, and the names that count where one names a trust anchor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Association {
    records: Vec<Tlsa>,
    /// The first is told to the server (RFC 7672, section 8.1).
    names: Vec<Domain>,
}

/// Whether one of `records` names the public key whose SHA-256 digest is `key` in the way that is published most (3 1 1).
#[must_use]
pub fn names_certificate(records: &[Tlsa], key: &[u8; 32]) -> bool {
    records.iter().any(|record| {
        (record.usage, record.selector, record.matching) == (DANE_EE, 1, 1) && record.data == *key
    })
}

/// Asks for the records of `host`, whose addresses are known and proven to be its own or not. `next_hop` is the domain whose
/// exchanger it is.
///
/// # Errors
/// Why they cannot be had now, which is no leave to do without (RFC 7672, section 2.1.2).
pub(crate) async fn of_host(
    resolver: &dyn Resolver,
    host: &Domain,
    port: u16,
    addresses: &Addresses,
    next_hop: Option<&Domain>,
) -> Result<Dane, String> {
    // RFC 7672, section 2.2.2: at the end of the aliases first, and then at the host's own name.
    let bases = if addresses.secure {
        addresses.canonical.iter().chain([host]).collect()
    } else if addresses.canonical.is_some() && is_secure_alias(resolver, host).await? {
        vec![host]
    } else {
        return Ok(Dane::Absent);
    };
    for base in bases {
        let found = resolver.tlsa(&format!("_{port}._tcp.{base}")).await;
        match found.answer {
            Answer::Found(records) if found.secure => {
                let mut names = vec![base.clone()];
                for name in [Some(host), next_hop].into_iter().flatten() {
                    if !names.contains(name) {
                        names.push(name.clone());
                    }
                }
                return Ok(judge(records, names));
            }
            Answer::Temporary(why) => return Err(why),
            Answer::Found(_) | Answer::NoRecords | Answer::NoName => {}
        }
    }
    Ok(Dane::Absent)
}

async fn is_secure_alias(resolver: &dyn Resolver, host: &Domain) -> Result<bool, String> {
    let found = resolver.alias(host).await;
    match found.answer {
        Answer::Temporary(why) => Err(why),
        Answer::Found(_) | Answer::NoRecords | Answer::NoName => Ok(found.secure),
    }
}

fn judge(records: Vec<Tlsa>, names: Vec<Domain>) -> Dane {
    let mut usable: Vec<Tlsa> = records.into_iter().filter(is_usable).collect();
    // RFC 7671, section 9: of digests, only the strongest that is there for a usage and selector counts.
    let strong: Vec<(u8, u8)> = usable
        .iter()
        .filter(|record| record.matching == 2)
        .map(|record| (record.usage, record.selector))
        .collect();
    usable.retain(|record| {
        record.matching != 1 || !strong.contains(&(record.usage, record.selector))
    });
    usable.truncate(MOST_RECORDS);
    if usable.is_empty() {
        return Dane::Unusable;
    }
    Dane::Demanded(Arc::new(Association {
        records: usable,
        names,
    }))
}

/// RFC 7672, section 3.1.3: the usages of the public key infrastructure say nothing here.
fn is_usable(record: &Tlsa) -> bool {
    let octets = record.data.len();
    let comparable = match (record.matching, record.selector) {
        (0, 0) => X509Certificate::from_der(&record.data).is_ok_and(|(rest, _)| rest.is_empty()),
        (0, 1) => {
            SubjectPublicKeyInfo::from_der(&record.data).is_ok_and(|(rest, _)| rest.is_empty())
        }
        (1, 0 | 1) => octets == 32,
        (2, 0 | 1) => octets == 64,
        _ => false,
    };
    matches!(record.usage, DANE_TA | DANE_EE) && comparable
}

impl Association {
    /// The name that the server is told.
    pub(crate) fn server_name(&self) -> Option<&Domain> {
        self.names.first()
    }

    /// TLS that accepts what the records name, and nothing else.
    ///
    /// # Errors
    /// When rustls refuses the settings.
    pub(crate) fn client(self: &Arc<Self>) -> Result<Arc<ClientConfig>, ClientTlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier {
            association: Arc::clone(self),
            provider: Arc::clone(&provider),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// The records, as their presentation format has them (RFC 6698, section 2.2).
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |record: &Tlsa| {
            let data = data_encoding::HEXLOWER.encode(&record.data);
            format!(
                "{} {} {} {data}",
                record.usage, record.selector, record.matching
            )
        };
        self.records.iter().map(text).collect()
    }

    fn matches(&self, usage: u8, certificate: &CertificateDer<'_>) -> bool {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return false;
        };
        let key = parsed.tbs_certificate.subject_pki.raw;
        self.records
            .iter()
            .filter(|record| record.usage == usage)
            .any(|record| {
                let part = if record.selector == 0 {
                    certificate.as_ref()
                } else {
                    key
                };
                match record.matching {
                    0 => part == record.data,
                    1 => digest::digest(&digest::SHA256, part).as_ref() == record.data,
                    2 => digest::digest(&digest::SHA512, part).as_ref() == record.data,
                    _ => false,
                }
            })
    }

    /// The trust anchors that records name: certificates of the chain, and those that stand in a record whole.
    fn anchors(&self, chain: &[CertificateDer<'_>]) -> RootCertStore {
        let mut anchors = RootCertStore::empty();
        let whole = self.records.iter().filter(|record| {
            record.usage == DANE_TA && record.selector == 0 && record.matching == 0
        });
        let whole = whole.map(|record| CertificateDer::from(record.data.clone()));
        let shown = chain.iter().take(MOST_CERTIFICATES);
        let shown = shown.filter(|certificate| self.matches(DANE_TA, certificate));
        for anchor in whole.chain(shown.map(|certificate| certificate.clone().into_owned())) {
            if let Err(error) = anchors.add(anchor) {
                tracing::debug!(%error, "a trust anchor that DANE names cannot be used");
            }
        }
        anchors
    }
}

/// Holds a certificate to an [`Association`].
#[derive(Debug)]
struct Verifier {
    association: Arc<Association>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // RFC 7672, section 3.1.1: neither names nor times of such a certificate count.
        if self.association.matches(DANE_EE, end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let anchors = self.association.anchors(intermediates);
        if anchors.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let provider = Arc::clone(&self.provider);
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), provider)
            .build()
            .map_err(|e| Error::General(e.to_string()))?;
        let mut last = Error::from(CertificateError::NotValidForName);
        for name in &self.association.names {
            let Ok(name) = ServerName::try_from(name.as_str()) else {
                continue;
            };
            match chain.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now) {
                Ok(verified) => return Ok(verified),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
