//! Connections to other servers: the socket, and the TLS that they are held to.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use parking_lot::Mutex;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::net::TcpSocket;

/// A pending connection.
pub type Dialing<'a> = Pin<Box<dyn Future<Output = io::Result<wire::Stream>> + Send + 'a>>;

/// Opens connections: TCP, or a simulation's pipes. Callers bound the time.
pub trait Dialer: Send + Sync {
    /// A plain connection to `to`, from `bind` when it is given and of the same family.
    fn dial(&self, to: SocketAddr, bind: Option<IpAddr>) -> Dialing<'_>;
}

/// Opens TCP connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDialer;

impl Dialer for TcpDialer {
    fn dial(&self, to: SocketAddr, bind: Option<IpAddr>) -> Dialing<'_> {
        Box::pin(async move {
            let socket = match to {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            if let Some(bind) = bind.filter(|bind| bind.is_ipv4() == to.is_ipv4()) {
                socket.bind(SocketAddr::new(bind, 0))?;
            }
            let stream = socket.connect(to).await?;
            // A reply must not wait for the next segment: SMTP is many small writes.
            stream.set_nodelay(true)?;
            Ok(wire::Stream::plain(stream))
        })
    }
}

/// TLS as client: one configuration that verifies, one that only encrypts.
#[derive(Clone, Debug)]
pub struct ClientTls {
    roots: Arc<RootCertStore>,
    verified: Arc<ClientConfig>,
    opportunistic: Arc<ClientConfig>,
}

/// Why TLS as client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ClientTlsError {
    /// The text is no PEM certificate.
    #[error("the roots cannot be read: {0}")]
    Pem(String),
    /// There is no certificate in it.
    #[error("there is no root certificate to trust")]
    NoRoots,
    /// rustls refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl ClientTls {
    /// Trusts `roots` where a certificate must be verified.
    ///
    /// # Errors
    /// When rustls refuses the settings.
    pub fn new(roots: RootCertStore) -> Result<Self, ClientTlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let opportunistic = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        Ok(Self {
            roots: Arc::new(roots.clone()),
            verified: Arc::new(verifying(roots)?),
            opportunistic: Arc::new(opportunistic),
        })
    }

    /// Trusts the roots of the operating system. A system without roots is no error here: connections that
    /// must be verified then fail, and say so.
    ///
    /// # Errors
    /// When rustls refuses the settings.
    pub fn system() -> Result<Self, ClientTlsError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "a root certificate of the system cannot be read");
        }
        let (_, ignored) = roots.add_parsable_certificates(native.certs);
        if roots.is_empty() {
            tracing::error!(
                "this system has no root certificates: no server that must be verified can be reached \
                 (Debian: install ca-certificates)"
            );
        }
        if ignored > 0 {
            tracing::debug!(ignored, "root certificates of the system were passed over");
        }
        Self::new(roots)
    }

    /// The configuration that verifies, with `roots` of a next hop's own or the general ones.
    ///
    /// # Errors
    /// When rustls refuses the settings.
    pub fn verified(
        &self,
        roots: Option<&Arc<RootCertStore>>,
    ) -> Result<Arc<ClientConfig>, ClientTlsError> {
        match roots {
            Some(roots) => Ok(Arc::new(verifying(RootCertStore::clone(roots))?)),
            None => Ok(Arc::clone(&self.verified)),
        }
    }

    /// A configuration that accepts any certificate, and notes what would have been wrong with it. It is made anew for each
    /// connection: a resumed session shows no certificate.
    ///
    /// # Errors
    /// When rustls refuses the settings.
    pub(crate) fn watched(&self, watch: &Watch) -> Result<Arc<ClientConfig>, ClientTlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = match self.roots.is_empty() {
            true => None,
            false => Some(
                WebPkiServerVerifier::builder_with_provider(
                    Arc::clone(&self.roots),
                    Arc::clone(&provider),
                )
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?,
            ),
        };
        let watching = Watching {
            any: AnyCertificate(Arc::clone(&provider)),
            verifier,
            watch: watch.clone(),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(watching))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// The configuration that encrypts without asking who is there (RFC 7435).
    pub(crate) fn opportunistic(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.opportunistic)
    }
}

fn verifying(roots: RootCertStore) -> Result<ClientConfig, ClientTlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Reads root certificates from PEM, for [`NextHop::roots`](crate::NextHop::roots).
///
/// # Errors
/// When the text is no PEM, or holds no certificate that can be a root.
pub fn roots_from_pem(pem: &[u8]) -> Result<RootCertStore, ClientTlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|e| ClientTlsError::Pem(e.to_string()))?;
        roots
            .add(certificate)
            .map_err(|e| ClientTlsError::Pem(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(ClientTlsError::NoRoots);
    }
    Ok(roots)
}

/// Accepts any certificate: between strangers, encryption to nobody in particular is better than none. The
/// signatures of the handshake are still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What was wrong with a certificate that was accepted all the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Mutex<Option<rustls::Error>>>);

impl Watch {
    /// What was noted.
    pub(crate) fn trouble(&self) -> Option<rustls::Error> {
        self.0.lock().clone()
    }
}

impl PartialEq for Watch {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Watch {}

/// Accepts any certificate, and notes what would have been wrong with it. The signatures of the handshake are still checked.
#[derive(Debug)]
struct Watching {
    any: AnyCertificate,
    /// `None`: there are no roots, so nobody vouches for anything.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    watch: Watch,
}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = match &self.verifier {
            Some(verifier) => verifier
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map(|_| ()),
            None => Err(rustls::CertificateError::UnknownIssuer.into()),
        };
        *self.watch.0.lock() = judged.err();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.any.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.any.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.any.supported_verify_schemes()
    }
}
