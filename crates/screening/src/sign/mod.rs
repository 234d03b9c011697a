//! What own mail is signed with when it leaves: DKIM signatures (RFC 6376), and ARC sets for mail that goes on (RFC 8617).
//!
//! Our own, in place of the library's: that one reads the system's clock, and takes white space at the end of a body for part of
//! it, which others do not.

mod arc;
mod key;

use jiff::Timestamp;
use message::{Limits, header::Header};
use sha2::{Digest as _, Sha256};

pub use key::{Algorithm, Key, NewKey, SignError, make_key, record, shows};

use crate::canonical::{relaxed, relaxed_field};

/// Fields that are signed, there or not: nobody adds one to the message unseen (RFC 6376, section 8.15).
const ALWAYS: &[&str] = &[
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];
/// Fields that are signed if they are there (RFC 6376, section 5.4.1): programs on the way may add some.
const IF_THERE: &[&str] = &[
    "Sender",
    "Resent-Date",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "Resent-Message-ID",
    "Content-ID",
    "Content-Description",
    "Content-Disposition",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Auto-Submitted",
];
/// Octets of a line of a signature's base64.
const LINE: usize = 72;

/// A message that is about to be signed: read once, however many keys sign it.
pub struct Signing<'a> {
    header: Header<'a>,
    /// Hash of the body in relaxed form, in base64.
    body_hash: String,
}

impl<'a> Signing<'a> {
    /// Reads `raw`, which ends its lines with CR LF, as all mail here does.
    ///
    /// # Errors
    /// [`SignError::NoHeader`].
    pub fn of(raw: &'a [u8]) -> Result<Self, SignError> {
        let limits = Limits::default();
        let header = Header::parse(raw, &limits);
        let is_whole = header.iter().count() < limits.header_fields
            && header.body_start() <= limits.header_octets;
        if !is_whole || header.first("from").is_none() {
            return Err(SignError::NoHeader);
        }
        let mut hasher = Sha256::new();
        relaxed(
            raw.get(header.body_start()..).unwrap_or_default(),
            &mut hasher,
        );
        Ok(Self {
            body_hash: data_encoding::BASE64.encode(&hasher.finalize()),
            header,
        })
    }

    /// A DKIM-Signature field by `key`, to stand before the message. It has no time at which it ends: a key is given up instead.
    ///
    /// # Errors
    /// [`SignError::NotSigned`].
    pub fn dkim(&self, key: &Key, at: Timestamp) -> Result<String, SignError> {
        let names = self.signed(&[ALWAYS, IF_THERE], true);
        let begin = format!("v=1; {}", self.tags(key, at, &names));
        self.finish("DKIM-Signature", &begin, &names, key)
    }

    /// Tags of a signature over message and header, up to the empty `b=`.
    fn tags(&self, key: &Key, at: Timestamp, names: &[&str]) -> String {
        format!(
            "a={}; c=relaxed/relaxed; d={};\r\n\ts={}; t={};\r\n\th={};\r\n\tbh={};\r\n\tb=",
            key.algorithm().tag(),
            key.domain,
            key.selector,
            at.as_second(),
            folded_names(names),
            self.body_hash,
        )
    }

    /// Names of the fields to sign, each as often as it is there, and once more of those that nobody is to add.
    fn signed(&self, lists: &[&[&'static str]], guarded: bool) -> Vec<&'static str> {
        let mut names = Vec::new();
        for name in lists.iter().copied().flatten() {
            let there = self.header.all(name).count();
            let once_more = usize::from(guarded && ALWAYS.contains(name));
            names.extend(std::iter::repeat_n(*name, there.saturating_add(once_more)));
        }
        names
    }

    /// The field `name` with the value `begin`, which ends in an empty `b=`, and the signature over the fields `names` and itself.
    fn finish(
        &self,
        name: &str,
        begin: &str,
        names: &[&str],
        key: &Key,
    ) -> Result<String, SignError> {
        let mut data = self.canonical_fields(names);
        relaxed_field(name.as_bytes(), begin.as_bytes(), &mut data);
        Ok(with_signature(name, begin, &key.sign(&data)?))
    }

    /// The named fields in relaxed form: of several of one name, the last one first (RFC 6376, section 5.4.2).
    fn canonical_fields(&self, names: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let earlier = names
                .iter()
                .take(place)
                .filter(|other| other == &name)
                .count();
            let all: Vec<_> = self.header.all(name).collect();
            let wanted = all.len().checked_sub(earlier.saturating_add(1));
            if let Some(field) = wanted.and_then(|wanted| all.get(wanted)) {
                relaxed_field(field.name(), field.raw_value(), &mut out);
                out.extend_from_slice(b"\r\n");
            }
        }
        out
    }
}

/// A field whose value ends in `b=`, with the signature behind it.
fn with_signature(name: &str, begin: &str, signature: &str) -> String {
    let mut field = format!("{name}: {begin}");
    let (mut rest, mut separator) = (signature, "");
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        field.push_str(separator);
        field.push_str(line);
        (rest, separator) = (more, "\r\n\t");
    }
    field.push_str("\r\n");
    field
}

/// Names for `h=`, on lines of a good length.
fn folded_names(names: &[&str]) -> String {
    let (mut text, mut line) = (String::new(), 0_usize);
    for (place, name) in names.iter().enumerate() {
        if place > 0 {
            text.push(':');
        }
        if line > LINE {
            text.push_str("\r\n\t");
            line = 0;
        }
        text.push_str(name);
        line = line.saturating_add(name.len()).saturating_add(1);
    }
    text
}

#[cfg(test)]
mod tests;
