//! The manifest of a bundle: a signed note.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;

use super::hash_of;
use crate::{
    merkle::Hash,
    note::{SigningKey, VerifierKey},
    volume::{FileOf, ManifestError, from_hex, hex},
};

const FIRST_LINE: &str = "kakitome audit bundle 1";

/// A file of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Its name.
    pub name: String,
    /// Events that it holds.
    pub events: u64,
    /// Earlier events of the period that were not put in, since there were more than was permitted.
    pub left_out: u64,
}

/// A volume whose events were erased on an officer's decision: of its places in the period nothing can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Its number.
    pub volume: u64,
    /// Number of events in the volumes before.
    pub first: u64,
    /// Number of events with those of this volume.
    pub last: u64,
}

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The log, which is the name of its key too.
    pub origin: String,
    /// When it was made.
    pub made: Timestamp,
    /// `all`, or `clause` and its id.
    pub about: String,
    /// Where its period begins.
    pub from: Timestamp,
    /// Where it ends.
    pub to: Timestamp,
    /// How many events the checkpoint tells of that all proofs lead to.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Volumes of the period that were erased.
    pub erased: Vec<Erased>,
    /// Its files of evidence.
    pub evidence: Vec<Evidence>,
    /// All of its files but the manifest.
    pub files: Vec<FileOf>,
}

impl Manifest {
    /// The signed note.
    #[must_use]
    pub fn signed(&self, key: &SigningKey) -> String {
        key.sign(&self.text())
    }

    fn text(&self) -> String {
        let root = BASE64_STANDARD.encode(self.root);
        let mut text = format!(
            "{FIRST_LINE}\norigin {}\nmade {}\nabout {}\nfrom {}\nto {}\nsize {}\nroot {root}\n",
            self.origin, self.made, self.about, self.from, self.to, self.size
        );
        for Erased {
            volume,
            first,
            last,
        } in &self.erased
        {
            text.push_str(&format!("erased {volume} {first} {last}\n"));
        }
        for Evidence {
            name,
            events,
            left_out,
        } in &self.evidence
        {
            text.push_str(&format!("evidence {name} {events} {left_out}\n"));
        }
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
                "that it is a bundle of a format that this program knows",
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
    texts: [Option<String>; 2],
    times: [Option<Timestamp>; 3],
    size: Option<u64>,
    root: Option<Hash>,
    erased: Vec<Erased>,
    evidence: Vec<Evidence>,
    files: Vec<FileOf>,
}

impl Said {
    fn line(&mut self, line: &str) -> Option<()> {
        let (name, value) = line.split_once(' ')?;
        let time = || value.parse().ok();
        let [origin, about] = &mut self.texts;
        let [made, from, to] = &mut self.times;
        match name {
            "origin" => set(origin, Some(value.to_owned())),
            "about" => set(about, Some(value.to_owned())),
            "made" => set(made, time()),
            "from" => set(from, time()),
            "to" => set(to, time()),
            "size" => set(&mut self.size, value.parse().ok()),
            "root" => set(&mut self.root, hash_of(value)),
            "erased" => {
                self.erased.push(erased(value)?);
                Some(())
            }
            "evidence" => {
                self.evidence.push(evidence(value)?);
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
        let [origin, about] = self.texts;
        let [made, from, to] = self.times;
        Ok(Manifest {
            origin: origin.ok_or(missing("its log"))?,
            made: made.ok_or(missing("when it was made"))?,
            about: about.ok_or(missing("what it is about"))?,
            from: from.ok_or(missing("when its period begins"))?,
            to: to.ok_or(missing("when its period ends"))?,
            size: self.size.ok_or(missing("its size"))?,
            root: self.root.ok_or(missing("its root"))?,
            erased: self.erased,
            evidence: self.evidence,
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

/// Exactly so many words.
fn words<const N: usize>(value: &str) -> Option<[&str; N]> {
    let words: Vec<&str> = value.split(' ').collect();
    words.try_into().ok()
}

fn erased(value: &str) -> Option<Erased> {
    let [volume, first, last] = words(value)?;
    let erased = Erased {
        volume: volume.parse().ok()?,
        first: first.parse().ok()?,
        last: last.parse().ok()?,
    };
    (erased.first < erased.last).then_some(erased)
}

fn evidence(value: &str) -> Option<Evidence> {
    let [name, events, left_out] = words(value)?;
    Some(Evidence {
        name: is_name(name).then(|| name.to_owned())?,
        events: events.parse().ok()?,
        left_out: left_out.parse().ok()?,
    })
}

fn file(value: &str) -> Option<FileOf> {
    let [name, octets, digest] = words(value)?;
    Some(FileOf {
        name: is_name(name).then(|| name.to_owned())?,
        octets: octets.parse().ok()?,
        digest: from_hex(digest)?,
    })
}

/// Whether it is the name of a file within the bundle, on every system.
fn is_name(name: &str) -> bool {
    let letter = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
    let mut parts = name.split('/');
    parts.all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(letter))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_manifest_comes_back_and_nothing_else_is_one() {
        let key = SigningKey::new("mail.example/trail-1", &[1; 32]).unwrap();
        let time = Timestamp::from_second(1_764_201_600).unwrap();
        let manifest = Manifest {
            origin: "mail.example/trail-1".to_owned(),
            made: time,
            about: "clause 5.4-2".to_owned(),
            from: time,
            to: time,
            size: 9,
            root: [7; 32],
            erased: vec![Erased {
                volume: 1,
                first: 0,
                last: 4,
            }],
            evidence: vec![Evidence {
                name: "evidence/5.4-2/events.tsv".to_owned(),
                events: 3,
                left_out: 2,
            }],
            files: vec![FileOf {
                name: "evidence/5.4-2/events.tsv".to_owned(),
                octets: 77,
                digest: [8; 32],
            }],
        };
        let (note, verifier) = (manifest.signed(&key), key.verifier());
        assert_eq!(Manifest::open(&note, &verifier).unwrap(), manifest);
        let text = verifier.open(&note).unwrap();
        for (from, to) in [
            ("audit bundle 1", "audit bundle 2"),
            ("origin mail", "origin post"),
            ("size 9\n", ""),
            ("size 9\n", "size 9\nsize 9\n"),
            ("root ", "root x"),
            ("erased 1 0 4", "erased 1 4 4"),
            ("erased 1 0 4", "erased 1 0"),
            ("tsv 3 2", "tsv 3"),
            ("file evidence", "file ../evidence"),
            ("file evidence", "file /evidence"),
            ("file evidence/", "file evidence//"),
            ("file evidence", "file .evidence"),
            ("file evidence", "file evi\\dence"),
            ("tsv 77", "tsv x"),
            ("size 9\n", "size 9\nmore 1\n"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let opened = Manifest::open(&key.sign(&changed), &verifier);
            assert!(opened.is_err(), "{from} {to}");
        }
    }
}
