//! The manifest of a volume: a signed note.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;

use super::{from_hex, hex};
use crate::{
    merkle::{Frontier, Hash},
    note::{NoteError, SigningKey, VerifierKey},
};

const FIRST_LINE: &str = "kakitome audit volume 1";

/// Why a manifest is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not signed as it should be.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It says nothing that can be understood.
    #[error("its line {0:?} is not understood")]
    Line(String),
    /// Something is missing in it.
    #[error("it does not say {0}")]
    Missing(&'static str),
}

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOf {
    /// Its name.
    pub name: String,
    /// Its length.
    pub octets: u64,
    /// SHA-256 of it.
    pub digest: Hash,
}

/// What a volume holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The log, which is the name of its key too.
    pub origin: String,
    /// The number of the volume, from 1.
    pub volume: u64,
    /// Number of events in the volumes before.
    pub first: u64,
    /// Number of events with those of this volume.
    pub last: u64,
    /// When its first event was written.
    pub from: Timestamp,
    /// When its last event was written.
    pub to: Timestamp,
    /// When it was sealed.
    pub sealed: Timestamp,
    /// Until when it is to be kept at least (clause 4.2(3)).
    pub retain_until: Timestamp,
    /// The right edge of the tree before its first event.
    pub before: Frontier,
    /// The root of the tree up to its last event.
    pub root: Hash,
    /// Its files.
    pub files: Vec<FileOf>,
}

impl Manifest {
    /// The signed note.
    #[must_use]
    pub fn signed(&self, key: &SigningKey) -> String {
        key.sign(&self.text())
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{FIRST_LINE}\norigin {}\nvolume {}\nfirst {}\nlast {}\nfrom {}\nto {}\nsealed {}\nretain-until {}\n",
            self.origin,
            self.volume,
            self.first,
            self.last,
            self.from,
            self.to,
            self.sealed,
            self.retain_until
        );
        for part in self.before.parts() {
            text.push_str(&format!("before {}\n", BASE64_STANDARD.encode(part)));
        }
        text.push_str(&format!("root {}\n", BASE64_STANDARD.encode(self.root)));
        for file in &self.files {
            let digest = hex(&file.digest);
            text.push_str(&format!("file {} {} {digest}\n", file.name, file.octets));
        }
        text
    }

    /// What a note says that `key` signed.
    ///
    /// # Errors
    /// When it is no note of this key, no manifest, or that of another log.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, ManifestError> {
        let text = key.open(note)?;
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(ManifestError::Missing(
                "that it is a volume of a format that this program knows",
            ));
        }
        let mut said = Said::default();
        for line in lines {
            said.line(line)
                .ok_or_else(|| ManifestError::Line(line.to_owned()))?;
        }
        let manifest = said.manifest()?;
        if manifest.origin != key.name() {
            return Err(ManifestError::Missing("that it is of this log"));
        }
        Ok(manifest)
    }
}

/// What was read of a manifest.
#[derive(Default)]
struct Said {
    origin: Option<String>,
    numbers: [Option<u64>; 3],
    times: [Option<Timestamp>; 4],
    before: Vec<Hash>,
    root: Option<Hash>,
    files: Vec<FileOf>,
}

impl Said {
    fn line(&mut self, line: &str) -> Option<()> {
        let (name, value) = line.split_once(' ')?;
        let number = || value.parse().ok();
        let time = || value.parse().ok();
        let hash = || BASE64_STANDARD.decode(value).ok()?.try_into().ok();
        let [volume, first, last] = &mut self.numbers;
        let [from, to, sealed, retain] = &mut self.times;
        match name {
            "origin" => set(&mut self.origin, Some(value.to_owned())),
            "volume" => set(volume, number()),
            "first" => set(first, number()),
            "last" => set(last, number()),
            "from" => set(from, time()),
            "to" => set(to, time()),
            "sealed" => set(sealed, time()),
            "retain-until" => set(retain, time()),
            "root" => set(&mut self.root, hash()),
            "before" => {
                self.before.push(hash()?);
                Some(())
            }
            "file" => {
                self.files.push(file(value)?);
                Some(())
            }
            _ => None,
        }
    }

    fn manifest(self) -> Result<Manifest, ManifestError> {
        let missing = ManifestError::Missing;
        let [volume, first, last] = self.numbers;
        let [from, to, sealed, retain_until] = self.times;
        let first = first.ok_or(missing("its first event"))?;
        let last = last.ok_or(missing("its last event"))?;
        if last < first {
            return Err(missing("an end behind its beginning"));
        }
        let before = Frontier::from_parts(first, self.before);
        Ok(Manifest {
            origin: self.origin.ok_or(missing("its log"))?,
            volume: volume.ok_or(missing("its number"))?,
            first,
            last,
            from: from.ok_or(missing("when it begins"))?,
            to: to.ok_or(missing("when it ends"))?,
            sealed: sealed.ok_or(missing("when it was sealed"))?,
            retain_until: retain_until.ok_or(missing("until when it is to be kept"))?,
            before: before.ok_or(missing("the tree before it"))?,
            root: self.root.ok_or(missing("its root"))?,
            files: self.files,
        })
    }
}

/// Each is said once.
fn set<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    match place.replace(value?) {
        None => Some(()),
        Some(_) => None,
    }
}

fn file(value: &str) -> Option<FileOf> {
    let mut parts = value.split(' ');
    let (name, octets, digest) = (parts.next()?, parts.next()?, parts.next()?);
    let is_name = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
    (parts.next().is_none() && is_name).then_some(())?;
    Some(FileOf {
        name: name.to_owned(),
        octets: octets.parse().ok()?,
        digest: from_hex(digest)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn some() -> Manifest {
        let mut before = Frontier::default();
        (0..5_u8).for_each(|leaf| before.push([leaf; 32]));
        let time = Timestamp::from_second(1_764_201_600).unwrap();
        Manifest {
            origin: "mail.example/trail-1".to_owned(),
            volume: 2,
            first: 5,
            last: 9,
            from: time,
            to: time,
            sealed: time,
            retain_until: time,
            before,
            root: [7; 32],
            files: vec![FileOf {
                name: "events.gz".to_owned(),
                octets: 77,
                digest: [8; 32],
            }],
        }
    }

    #[test]
    fn a_manifest_comes_back_and_nothing_else_is_one() {
        let key = SigningKey::new("mail.example/trail-1", &[1; 32]).unwrap();
        let (manifest, verifier) = (some(), key.verifier());
        let note = manifest.signed(&key);
        assert_eq!(Manifest::open(&note, &verifier).unwrap(), manifest);
        let text = verifier.open(&note).unwrap();
        for (from, to) in [
            ("audit volume 1", "audit volume 2"),
            ("origin mail", "origin post"),
            ("first 5", "first 7"),
            ("last 9", "last 4"),
            ("first 5\n", ""),
            ("first 5\n", "first 5\nfirst 5\n"),
            ("root ", "root x"),
            ("events.gz", "../events.gz"),
            ("events.gz", "events.gz x"),
            ("volume 2\n", "volume 2\nmore 1\n"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let opened = Manifest::open(&key.sign(&changed), &verifier);
            assert!(opened.is_err(), "{from} {to}");
        }
    }
}
