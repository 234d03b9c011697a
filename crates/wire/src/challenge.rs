//! Answers to an authority's questions within TLS (tls-alpn-01, RFC 8737): a certificate of its own for who asks by the protocol
//! `acme-tls/1`, and for nobody else. There is none but while an order is under way.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::ClientHello,
    sign::{CertifiedKey, SingleCertAndKey},
};

/// The protocol by which an authority asks (RFC 8737, section 6.2).
const PROTOCOL: &[u8] = b"acme-tls/1";

/// What is answered, by name. Cheap to clone; clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<RwLock<BTreeMap<String, Arc<ServerConfig>>>>);

impl Challenges {
    /// From now on who asks for `name` is shown this certificate.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn put(
        &self,
        name: &str,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        // Not by the usual way, which looks into the certificate, and does not know what an answer has in it (section 3).
        let key = provider.key_provider.load_private_key(key)?;
        let shown = CertifiedKey::new(vec![certificate], key);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        let mut known = self.0.write();
        known.insert(name.to_ascii_lowercase(), Arc::new(config));
        Ok(())
    }

    /// Nothing is answered any more.
    pub fn clear(&self) {
        self.0.write().clear();
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// The answer to a question; `None`: it is none, or none that is known.
    pub(crate) fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        // Section 3: the protocol alone.
        let asks = protocols.next() == Some(PROTOCOL) && protocols.next().is_none();
        let name = hello.server_name().filter(|_| asks)?;
        self.0.read().get(&name.to_ascii_lowercase()).cloned()
    }
}
