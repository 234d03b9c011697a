//! Exported volumes of the trail: what a directory of one holds, and whether it is what was signed. See `docs/trail.md`.
//!
//! Nothing is needed to verify a volume but its directory and the public key: no store, no settings, no network.

mod manifest;
mod verify;

use crate::{entry::Salt, merkle::Hash};

pub use manifest::{FileOf, Manifest, ManifestError};
pub use verify::{Fault, Report, VolumeError, verify};

/// The name of the signed manifest.
pub const MANIFEST: &str = "volume.txt";
/// The name of the events' file: gzip over one line for each event.
pub const EVENTS: &str = "events.gz";
/// The name of the checkpoints' file: one JSON object a line, with `size`, `at` and `note`.
pub const CHECKPOINTS: &str = "checkpoints.jsonl";
/// The name of the file with the signed note that permits that events of the volume were erased: the certificate, or while the erasure is
/// under way the decision. There if any was.
pub const ERASED: &str = "erased.txt";
/// The name of the file with the public key. It is there for comparison only: who verifies brings the key from elsewhere.
pub const KEY: &str = "key.txt";

/// The line of an event in [`EVENTS`], with its end: place in the trail, salt, leaf hash and the event, divided by tabs. Of an event
/// that was erased only place and leaf are left; a minus stands for its salt and for itself.
#[must_use]
pub fn line(index: u64, salt: Option<&Salt>, leaf: &Hash, event: &str) -> String {
    let mut line = format!("{index}\t");
    match salt {
        Some(salt) => push_hex(&mut line, salt),
        None => line.push('-'),
    }
    line.push('\t');
    push_hex(&mut line, leaf);
    line.push('\t');
    line.push_str(if salt.is_some() { event } else { "-" });
    line.push('\n');
    line
}

/// `octets` as hexadecimal digits, lower case.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    push_hex(&mut text, octets);
    text
}

fn push_hex(text: &mut String, octets: &[u8]) {
    for octet in octets {
        for digit in [octet >> 4, octet & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
}

/// The octets that `text` gives as hexadecimal digits.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != N {
        return None;
    }
    for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *octet = digit(*high)? << 4 | digit(*low)?;
    }
    Some(octets)
}
