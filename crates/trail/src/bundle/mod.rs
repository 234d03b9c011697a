//! Bundles for auditors: a directory with documents, and with events each of which proves itself against one signed checkpoint.
//! See `docs/trail.md`, "Bundle".
//!
//! Nothing is needed to verify one but its directory and the public key. What a bundle cannot show is that nothing was left out of
//! it: that takes the volumes, which hold every event.

mod manifest;
mod verify;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{entry::Salt, merkle::Hash};

pub use manifest::{Erased, Evidence, Manifest};
pub use verify::{BundleError, Fault, Report, is_bundle, verify};

/// The name of the signed manifest.
pub const MANIFEST: &str = "bundle.txt";
/// The name of the file with the one checkpoint that all proofs lead to.
pub const CHECKPOINT: &str = "checkpoint.txt";
/// The name of the file with checkpoints of the period: one JSON object a line, with `size`, `at`, `note` and `path`, the proof that the tree
/// of [`CHECKPOINT`] begins with it.
pub const CHECKPOINTS: &str = "checkpoints.jsonl";
/// The name of the file with the public key. It is there for comparison only: who verifies brings the key from elsewhere.
pub const KEY: &str = "key.txt";
/// Where the certificate of the erasure of volume N lies: `erased/volume-N.txt`.
#[must_use]
pub fn certificate(volume: u64) -> String {
    format!("erased/volume-{volume}.txt")
}

/// The line of an event in a file of evidence, with its end: place in the trail, salt, the hashes beside its way to the root and the
/// event, divided by tabs.
#[must_use]
pub fn line(index: u64, salt: &Salt, path: &[Hash], event: &str) -> String {
    let salt = crate::volume::hex(salt);
    format!("{index}\t{salt}\t{}\t{event}\n", hashes(path))
}

/// Hashes in base64 with commas between; a minus for none.
fn hashes(path: &[Hash]) -> String {
    if path.is_empty() {
        return "-".to_owned();
    }
    let texts: Vec<String> = path
        .iter()
        .map(|hash| BASE64_STANDARD.encode(hash))
        .collect();
    texts.join(",")
}

fn hashes_of(text: &str) -> Option<Vec<Hash>> {
    match text {
        "-" => Some(Vec::new()),
        text => text.split(',').map(hash_of).collect(),
    }
}

fn hash_of(text: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}
