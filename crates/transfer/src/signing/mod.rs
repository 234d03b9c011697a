//! Mail that leaves is signed in the name of its author's domain (DKIM), and what goes on is sealed (ARC).
//!
//! Keys live in the store, sealed; those that sign are in memory too. A key signs only once the DNS shows its record
//! ([`care`]), so no signature is ever sent that nobody can verify.

mod care;
mod table;

use std::sync::Arc;

use arc_swap::ArcSwap;
use message::Domain;
use screening::{
    Evidence,
    sign::{Algorithm, Key, SignError, Signing},
};
use store::Error;

use crate::{Transfer, content};

pub use care::{Cared, Rules, care, make, start, stop};
pub use table::{Record, Standing, records};

/// Octets of a message that is signed where it is. RSA takes half a millisecond, and hashing of more than this as long again.
const SMALL: usize = 32 << 10;

/// The keys that sign.
#[derive(Default)]
pub(crate) struct Ring {
    keys: ArcSwap<Vec<Key>>,
}

impl Transfer {
    /// Reads the keys that sign from the store: at the start, and after each change.
    ///
    /// # Errors
    /// The store's; the keys stay as they were then.
    pub async fn load_keys(&self) -> Result<(), Error> {
        let keys = self.store().read(table::signing).await?;
        self.ring().keys.store(Arc::new(keys));
        Ok(())
    }

    /// Signatures for a message of an author at `domain`, to stand before it; none where no key signs for the domain, nor for one
    /// above it. A message that cannot be signed leaves without: its receivers treat it as they treat all such mail.
    pub(crate) async fn signatures(&self, raw: Vec<u8>, domain: &Domain) -> (Vec<u8>, String) {
        let keys = self.keys_for(domain);
        if keys.is_empty() {
            return (raw, String::new());
        }
        let at = self.world().now();
        let work = move |raw: &[u8]| {
            let signing = Signing::of(raw)?;
            keys.iter().map(|key| signing.dkim(key, at)).collect()
        };
        self.signed(raw, work).await
    }

    /// The next ARC set for a message that goes on from an account of `domain`.
    pub(crate) async fn seal_of(
        &self,
        raw: Vec<u8>,
        domain: &Domain,
        evidence: &Evidence,
    ) -> (Vec<u8>, String) {
        let mut keys = self.keys_for(domain);
        // Verifiers of chains know no other (RFC 8617, section 4.1.3, has RSA alone).
        keys.retain(|key| key.algorithm() == Algorithm::Rsa);
        let Some(key) = keys.pop() else {
            return (raw, String::new());
        };
        let (at, evidence) = (self.world().now(), evidence.clone());
        let host = self.settings().hostname.as_str().to_owned();
        let work = move |raw: &[u8]| {
            let set = Signing::of(raw)?.arc(&evidence, &host, &key, at)?;
            Ok(set.unwrap_or_default())
        };
        self.signed(raw, work).await
    }

    async fn signed(
        &self,
        raw: Vec<u8>,
        work: impl FnOnce(&[u8]) -> Result<String, SignError> + Send + 'static,
    ) -> (Vec<u8>, String) {
        let raw = Arc::new(raw);
        let done = if raw.len() <= SMALL {
            Ok(work(&raw))
        } else {
            let shared = Arc::clone(&raw);
            let work = move || Ok::<_, Error>(work(&shared));
            self.store().blocking(work).await
        };
        let fields = match done {
            Ok(Ok(fields)) => fields,
            Ok(Err(error)) => {
                tracing::warn!(%error, "mail leaves without a signature");
                String::new()
            }
            Err(error) => {
                tracing::error!(%error, "mail leaves without a signature");
                String::new()
            }
        };
        (Arc::unwrap_or_clone(raw), fields)
    }

    /// The keys that sign for `domain`: its own, or those of the nearest domain above it that has some.
    fn keys_for(&self, domain: &Domain) -> Vec<Key> {
        let all = self.ring().keys.load();
        let mut name = Some(domain.as_str());
        while let Some(domain) = name {
            let own = all.iter().filter(|key| key.domain.as_str() == domain);
            let own: Vec<Key> = own.cloned().collect();
            if !own.is_empty() {
                return own;
            }
            name = domain.split_once('.').map(|(_, above)| above);
        }
        Vec::new()
    }

    /// A message of the server's own, signed as such.
    pub(crate) async fn signed_own(&self, raw: Vec<u8>) -> Vec<u8> {
        let Some(domain) = author(&raw) else {
            return raw;
        };
        let (raw, fields) = self.signatures(raw, &domain).await;
        with_fields(raw, fields)
    }
}

/// A message with fields before it. It is not copied, and grows by no more than these.
pub(crate) fn with_fields(mut raw: Vec<u8>, fields: String) -> Vec<u8> {
    raw.reserve_exact(fields.len());
    raw.splice(..0, fields.into_bytes());
    raw
}

/// The domain of the one author, or of the first of several.
pub(crate) fn author(raw: &[u8]) -> Option<Domain> {
    let authors = content::authors(raw)?;
    authors.first().map(|author| author.domain().clone())
}
