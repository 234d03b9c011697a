//! DKIM (RFC 6376), with what RFC 8301 no longer takes: SHA-1, and RSA keys below 1024 bits.

use std::{
    collections::BTreeSet,
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use jiff::Timestamp;
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DnsError, Error,
    common::{
        crypto::{Algorithm, CryptoError},
        verify::{DomainKey, VerifySignature},
    },
    dkim::{self, DkimError},
};
use message::{Domain, Limits, header::Header};
use tokio::time::{Instant, timeout_at};

use super::Screener;
use crate::{Finding, Signature, evidence};

/// Header fields that one signature may name: each is looked for among all fields.
pub(super) const MOST_SIGNED_FIELDS: usize = 200;
/// RFC 8301, section 3.2.
const LEAST_RSA_BITS: usize = 1024;

/// One signature: what is known of it before the DNS is asked, or the message with it alone, to be verified.
pub(super) enum Single<'x> {
    /// It is not verified.
    Judged(Signature),
    /// It is to be.
    Open(Box<AuthenticatedMessage<'x>>),
}

/// What all of them said.
pub(super) struct Found {
    pub(super) told: Vec<Signature>,
    /// For DMARC: those that hold, and those that may.
    pub(super) signed: Vec<Signed>,
}

/// A domain that signed, or may have.
pub(super) struct Signed {
    pub(super) domain: Domain,
    /// Whether the signature holds; else that could not be found out.
    pub(super) passed: bool,
}

/// Whether a header is of a size that signatures over it may be verified: each looks through all fields, so the work grows
/// with their product.
pub(super) fn within_bounds(header: &Header<'_>, head: &[u8]) -> bool {
    let limits = Limits::default();
    head.len() <= limits.header_octets && header.iter().count() < limits.header_fields
}

/// The first `most` signatures, and how many there are beyond them.
pub(super) fn select<'x>(
    message: &AuthenticatedMessage<'x>,
    most: usize,
    now: Timestamp,
) -> (Vec<Single<'x>>, u32) {
    let broken = message.errors.iter().filter_map(|header| {
        let is_dkim = header.name.eq_ignore_ascii_case(b"dkim-signature");
        is_dkim.then(|| {
            Single::Judged(Signature {
                result: Finding::Neutral,
                reason: evidence::reason(&header.header.to_string()),
                ..Signature::default()
            })
        })
    });
    let mut bare = AuthenticatedMessage {
        dkim_headers: Vec::new(),
        errors: Vec::new(),
        ..message.clone()
    };
    bare.dkim2_signatures.clear();
    let read = message.dkim_headers.iter().map(|header| {
        if let Some((result, reason)) = refused_unseen(&header.header, message, now) {
            return Single::Judged(Signature {
                result,
                reason: reason.to_owned(),
                ..named(&header.header)
            });
        }
        let mut header = header.clone();
        // Reports of failures (RFC 6651) and third parties' signatures (RFC 6541) would cost questions that nobody needs.
        header.header.r = false;
        header.header.atps = None;
        // Its end was looked at, by our clock.
        header.header.x = 0;
        let mut single = bare.clone();
        single.dkim_headers.push(header);
        Single::Open(Box::new(single))
    });
    // Those that can be read come first: of broken ones anybody can add any number.
    let all = message.dkim_headers.len() + message.errors.len();
    let singles: Vec<Single<'x>> = read.chain(broken).take(most).collect();
    let more = all.saturating_sub(singles.len());
    (singles, u32::try_from(more).unwrap_or(u32::MAX))
}

/// Why a signature counts for nothing, whatever its key says.
fn refused_unseen(
    signature: &dkim::Signature,
    message: &AuthenticatedMessage<'_>,
    now: Timestamp,
) -> Option<(Finding, &'static str)> {
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    let covers_all = || {
        let mut hashes = message.body_hashes.iter();
        hashes.any(|(form, _, length, hash)| {
            *form == signature.cb && *length == signature.l && !hash.is_empty()
        })
    };
    let signed: BTreeSet<String> = signature
        .h
        .iter()
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    if signature.a == Algorithm::RsaSha1 {
        Some((Finding::Policy, "SHA-1 is not accepted (RFC 8301)"))
    } else if !signed.contains("from") {
        Some((Finding::Permerror, "From is not signed (RFC 6376, 5.4)"))
    } else if signature.h.len() > MOST_SIGNED_FIELDS {
        Some((Finding::Policy, "it names too many fields"))
    } else if signature.x != 0 && signature.x <= signature.t {
        Some((Finding::Permerror, "it ends before it begins"))
    } else if signature.x != 0 && signature.x <= now {
        Some((Finding::Fail, "its time is over"))
    } else if signature.l != 0 && !covers_all() {
        // RFC 6376, section 8.2: anybody could have written the rest.
        Some((Finding::Policy, "it does not cover the whole body (l=)"))
    } else {
        None
    }
}

fn named(signature: &dkim::Signature) -> Signature {
    Signature {
        domain: evidence::name(&signature.d),
        selector: evidence::name(&signature.s),
        algorithm: algorithm(signature.a).to_owned(),
        ..Signature::default()
    }
}

fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RsaSha1 => "rsa-sha1",
        Algorithm::RsaSha256 => "rsa-sha256",
        Algorithm::Ed25519Sha256 => "ed25519-sha256",
    }
}

impl Screener {
    /// Verifies all at once. Those that time does not suffice for are `temperror`.
    pub(super) async fn dkim<'s>(&self, singles: &'s [Single<'s>], by: Instant) -> Found {
        let verifying = singles.iter().map(|single| self.single(single, by));
        let told = all(verifying).await;
        let mut found = Found {
            told: Vec::with_capacity(singles.len()),
            signed: Vec::new(),
        };
        for (told, domain) in told {
            let domain = domain.and_then(|domain| Domain::parse(domain).ok());
            if let Some(domain) = domain
                && matches!(told.result, Finding::Pass | Finding::Temperror)
            {
                found.signed.push(Signed {
                    domain,
                    passed: told.result == Finding::Pass,
                });
            }
            found.told.push(told);
        }
        found
    }

    /// What one says, and who signed, in the signature's own words.
    async fn single<'s>(
        &self,
        single: &'s Single<'s>,
        by: Instant,
    ) -> (Signature, Option<&'s str>) {
        let message = match single {
            Single::Judged(told) => return (told.clone(), None),
            Single::Open(message) => message.as_ref(),
        };
        let Some(signature) = message.dkim_headers.first().map(|header| &header.header) else {
            return (Signature::default(), None);
        };
        let verifying = self.asking.verify_dkim(message);
        let verified = timeout_at(by, verifying).await.ok();
        let output = verified.and_then(|mut outputs| outputs.pop());
        let output = output.unwrap_or_else(|| {
            let error = Error::Dns(DnsError::Resolver("time ran out".to_owned()));
            DkimOutput::temp_err(error).with_signature(signature)
        });
        let (result, reason) = self.finding(output.result(), signature, by).await;
        let told = Signature {
            result,
            reason,
            ..named(signature)
        };
        (told, Some(&signature.d))
    }

    async fn finding(
        &self,
        result: &DkimResult,
        signature: &dkim::Signature,
        by: Instant,
    ) -> (Finding, String) {
        let error = match result {
            DkimResult::Pass => return (Finding::Pass, String::new()),
            DkimResult::None => return (Finding::None, String::new()),
            DkimResult::TempError(error) => {
                return (Finding::Temperror, evidence::reason(&error.to_string()));
            }
            DkimResult::Neutral(error) | DkimResult::Fail(error) | DkimResult::PermError(error) => {
                error
            }
        };
        let finding = match error {
            Error::Crypto(CryptoError::FailedVerification) => {
                if self.has_short_key(signature, by).await {
                    let reason = "the RSA key is below 1024 bits (RFC 8301)";
                    return (Finding::Policy, reason.to_owned());
                }
                Finding::Fail
            }
            Error::Dkim(DkimError::FailedBodyHashMatch) => Finding::Fail,
            // So the library tells of an Ed25519 signature that does not hold.
            Error::Crypto(CryptoError::Library(_)) if signature.a == Algorithm::Ed25519Sha256 => {
                Finding::Fail
            }
            Error::Dns(DnsError::RecordNotFound(_)) => {
                return (Finding::Permerror, "there is no such key".to_owned());
            }
            _ => Finding::Permerror,
        };
        (finding, evidence::reason(&error.to_string()))
    }

    /// Whether that is why it did not verify: the library does not tell. The answer is remembered.
    async fn has_short_key(&self, signature: &dkim::Signature, by: Instant) -> bool {
        if signature.a != Algorithm::RsaSha256 {
            return false;
        }
        let asking = self
            .asking
            .txt_lookup::<DomainKey>(signature.domain_key(), super::NO_CACHE);
        match timeout_at(by, asking).await {
            Ok(Ok(key)) => key.p.public_key_bits() < LEAST_RSA_BITS,
            _ => false,
        }
    }
}

/// All of them side by side, in the task that asks.
async fn all<F: Future + Send>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F::Output: Send,
{
    let mut waiting: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        match done.iter().all(Option::is_some) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
