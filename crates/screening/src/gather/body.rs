//! Hashes of bodies as they were signed (RFC 6376, section 3.4.3 and 3.4.4).
//!
//! Our own, in place of the library's: that one keeps lines of white space at the end of a relaxed body, which the standard
//! ignores, and hashes on the thread that serves everybody.

use std::sync::Arc;

use mail_auth::{AuthenticatedMessage, common::crypto::HashAlgorithm, dkim::Canonicalization};
use sha2::{Digest, Sha256};

use super::Screener;
use crate::canonical::{Sink, relaxed, simple};

/// Octets of a body that is hashed where it is: handing it to another thread would cost as much.
const SMALL: usize = 32 << 10;

impl Screener {
    /// `message`, of which only the header was read, with the hashes of the body of `raw` that its signatures need.
    pub(super) async fn with_body_hashes<'x>(
        &self,
        mut message: AuthenticatedMessage<'x>,
        raw: &Arc<Vec<u8>>,
    ) -> AuthenticatedMessage<'x> {
        let begins = message.body_offset();
        let wanted = |form: Canonicalization| {
            let mut hashes = message.body_hashes.iter();
            hashes.any(|(c, a, _, _)| *c == form && *a == HashAlgorithm::Sha256)
        };
        let forms = [Canonicalization::Simple, Canonicalization::Relaxed];
        let wanted: Vec<Canonicalization> =
            forms.into_iter().filter(|form| wanted(*form)).collect();
        if wanted.is_empty() {
            return message;
        }
        let whole = Arc::clone(raw);
        let work = move || {
            let body = whole.get(begins..).unwrap_or_default();
            let hashed = wanted.into_iter().map(|form| (form, hash(body, form)));
            hashed.collect::<Vec<_>>()
        };
        let hashed = if raw.len() <= SMALL {
            work()
        } else {
            match self.world.blocking(work).await {
                Ok(hashed) => hashed,
                Err(error) => {
                    // Without a hash no signature holds.
                    tracing::error!(%error, "a body could not be hashed");
                    Vec::new()
                }
            }
        };
        for (form, algorithm, length, hash) in &mut message.body_hashes {
            let ours = hashed.iter().find(|(known, _)| known == form);
            // A length that is said (`l=`) has to be that of the whole body.
            *hash = match ours {
                Some((_, (ours, whole)))
                    if *algorithm == HashAlgorithm::Sha256 && [0, *whole].contains(length) =>
                {
                    ours.clone()
                }
                _ => Vec::new(),
            };
        }
        message
    }
}

/// SHA-256 of a body in canonical form, and the octets of that form.
fn hash(body: &[u8], form: Canonicalization) -> (Vec<u8>, u64) {
    let mut counted = Counted {
        hasher: Sha256::new(),
        octets: 0,
    };
    match form {
        Canonicalization::Simple => simple(body, &mut counted),
        Canonicalization::Relaxed => relaxed(body, &mut counted),
    }
    (counted.hasher.finalize().to_vec(), counted.octets)
}

struct Counted {
    hasher: Sha256,
    octets: u64,
}

impl Sink for Counted {
    fn put(&mut self, octets: &[u8]) {
        self.hasher.update(octets);
        let more = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        self.octets = self.octets.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(form: Canonicalization, body: &[u8], canonical: &[u8]) {
        let whole = u64::try_from(canonical.len()).unwrap_or(u64::MAX);
        assert_eq!(
            hash(body, form),
            (Sha256::digest(canonical).to_vec(), whole),
            "{:?} of {:?}",
            form,
            String::from_utf8_lossy(body)
        );
    }

    #[test]
    fn simple_bodies() {
        // RFC 6376, section 3.4.5.
        for (body, canonical) in [
            (&b" C \r\nD \t E\r\n\r\n\r\n"[..], &b" C \r\nD \t E\r\n"[..]),
            (b"", b"\r\n"),
            (b"\r\n\r\n", b"\r\n"),
            (b"no end", b"no end\r\n"),
            (b"a\r\n \r\n", b"a\r\n \r\n"),
        ] {
            same(Canonicalization::Simple, body, canonical);
        }
    }

    #[test]
    fn relaxed_bodies() {
        for (body, canonical) in [
            (&b" C \r\nD \t E\r\n\r\n\r\n"[..], &b" C\r\nD E\r\n"[..]),
            (b"", b""),
            (b"\r\n \t\r\n", b""),
            (b"no end", b"no end\r\n"),
            // Where the library differs: lines of white space at the end.
            (b"a\r\n \r\n\t\r\n", b"a\r\n"),
            (b"a\r\n \r\nb", b"a\r\n\r\nb\r\n"),
            (b" \tx\t\t y\r\n", b" x y\r\n"),
        ] {
            same(Canonicalization::Relaxed, body, canonical);
        }
    }

    #[test]
    fn a_body_of_empty_lines_costs_no_more_than_its_length() {
        let body = [&b"\r\n".repeat(100_000)[..], b"x\r\n"].concat();
        same(Canonicalization::Relaxed, &body, &body);
    }
}
