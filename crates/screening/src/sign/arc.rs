//! ARC sets (RFC 8617): what this server saw of mail that it hands on, for those whom its own signature convinces.

use jiff::Timestamp;
use message::header::Field;

use super::{ALWAYS, IF_THERE, Key, SignError, Signing, with_signature};
use crate::{ArcChain, Evidence, Finding, canonical::relaxed_field};

/// Sets of one chain (RFC 8617, section 5.1.1.1).
const MOST_SETS: u32 = 50;
const RESULTS: &str = "ARC-Authentication-Results";
const SIGNATURE: &str = "ARC-Message-Signature";
const SEAL: &str = "ARC-Seal";

impl Signing<'_> {
    /// The next set of the chain, to stand before the message: what `host` found, signed by `key`. `None` when the chain takes no
    /// more, or could not be looked at.
    ///
    /// # Errors
    /// [`SignError::NotSigned`].
    pub fn arc(
        &self,
        evidence: &Evidence,
        host: &str,
        key: &Key,
        at: Timestamp,
    ) -> Result<Option<String>, SignError> {
        let Some((instance, validation)) = next(&evidence.arc) else {
            return Ok(None);
        };
        let value = evidence.authentication_results(host);
        let results = message::build::field(RESULTS, &format!("i={instance}; {value}"));
        let mut names = self.signed(&[ALWAYS, IF_THERE], false);
        let signatures = self.header.all("dkim-signature").count();
        names.extend(std::iter::repeat_n("DKIM-Signature", signatures));
        let begin = format!("i={instance}; {}", self.tags(key, at, &names));
        let signature = self.finish(SIGNATURE, &begin, &names, key)?;
        let begin = format!(
            "i={instance}; a={}; t={}; cv={validation};\r\n\td={}; s={};\r\n\tb=",
            key.algorithm().tag(),
            at.as_second(),
            key.domain,
            key.selector,
        );
        let mut data = Vec::new();
        // A chain that is broken is not vouched for (section 5.1.2).
        if validation == "pass" {
            for earlier in 1..instance {
                self.add_set(earlier, &mut data);
            }
        }
        for own in [&results, &signature] {
            let (name, value) = own.split_once(':').unwrap_or_default();
            relaxed_field(name.as_bytes(), value.as_bytes(), &mut data);
            data.extend_from_slice(b"\r\n");
        }
        relaxed_field(SEAL.as_bytes(), begin.as_bytes(), &mut data);
        let seal = with_signature(SEAL, &begin, &key.sign(&data)?);
        Ok(Some(format!("{seal}{signature}{results}")))
    }

    /// An earlier set in the order in which seals cover it (section 5.1.1).
    fn add_set(&self, instance: u32, out: &mut Vec<u8>) {
        for name in [RESULTS, SIGNATURE, SEAL] {
            let field = self.header.all(name).find(|field| is_of(field, instance));
            if let Some(field) = field {
                relaxed_field(field.name(), field.raw_value(), out);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// Whether a field is of this set: `i=` among its tags.
fn is_of(field: &Field<'_>, instance: u32) -> bool {
    let text = field.unfolded();
    text.split(';').any(|tag| {
        let (name, value) = tag.split_once('=').unwrap_or_default();
        name.trim() == "i" && value.trim().parse() == Ok(instance)
    })
}

/// The number of the next set, and what it says of those before it.
fn next(chain: &ArcChain) -> Option<(u32, &'static str)> {
    if chain.ended {
        return None;
    }
    let validation = match chain.result {
        Finding::None => "none",
        Finding::Pass => "pass",
        Finding::Fail | Finding::Permerror => "fail",
        _ => return None,
    };
    let instance = chain.sets.saturating_add(1);
    let first = chain.sets == 0;
    (instance <= MOST_SETS && first == (validation == "none")).then_some((instance, validation))
}
