//! The certificate and key that a server shows, and what SCRAM binds to.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Challenges;

/// A certificate chain with its key, ready to serve TLS 1.2 and 1.3.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The configuration that accepts connections.
    pub config: Arc<ServerConfig>,
    /// The hash of the certificate for `tls-server-end-point` (RFC 5929, section 4.1).
    pub end_point: Arc<[u8]>,
    /// When the certificate ends, in seconds since 1970.
    pub not_after: i64,
    /// What an authority is answered that asks within TLS.
    pub challenges: Challenges,
}

/// An identity that a reload can replace under running listeners.
pub type IdentityHandle = Arc<ArcSwap<Identity>>;

/// Why a certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The chain is empty.
    #[error("the certificate file holds no certificate")]
    NoCertificate,
    /// The certificate is not readable.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// rustls refuses them: the key does not belong to the certificate, or is of no use.
    #[error("the certificate and key cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

impl Identity {
    /// Makes an identity of a chain (leaf first) and its key.
    ///
    /// # Errors
    /// When they do not belong together or cannot be read.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        let leaf = chain.first().ok_or(IdentityError::NoCertificate)?.clone();
        let (_, parsed) = X509Certificate::from_der(&leaf)
            .map_err(|e| IdentityError::Certificate(e.to_string()))?;
        let not_after = parsed.validity().not_after.timestamp();
        let algorithm = match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
            // RFC 5929: MD5 and SHA-1 signatures are hashed with SHA-256; others with their own hash.
            "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &aws_lc_rs::digest::SHA384,
            "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &aws_lc_rs::digest::SHA512,
            _ => &aws_lc_rs::digest::SHA256,
        };
        let end_point = aws_lc_rs::digest::digest(algorithm, &leaf).as_ref().into();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.max_early_data_size = 0;
        Ok(Self {
            config: Arc::new(config),
            end_point,
            not_after,
            challenges: Challenges::default(),
        })
    }

    /// The same, with the answers that others share.
    #[must_use]
    pub fn with_challenges(mut self, challenges: Challenges) -> Self {
        self.challenges = challenges;
        self
    }

    /// A handle that a reload can store a new identity in.
    #[must_use]
    pub fn into_handle(self) -> IdentityHandle {
        Arc::new(ArcSwap::from_pointee(self))
    }
}
