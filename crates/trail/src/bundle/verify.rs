//! Verifying a bundle with nothing but its directory and the public key.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    CHECKPOINT, CHECKPOINTS, Erased, Evidence, KEY, MANIFEST, Manifest, certificate, hash_of,
    hashes_of,
};
use crate::{
    checkpoint::Checkpoint,
    entry::{self, Salt},
    merkle::{Hash, verify_consistency, verify_inclusion},
    note::VerifierKey,
    reading::{self, next_line},
    volume::{FileOf, ManifestError, from_hex, hex},
};

/// Octets of a manifest at most.
const LONGEST_MANIFEST: u64 = 64 << 20;
/// Octets of a note at most.
const LONGEST_NOTE: u64 = 1 << 20;
/// Folders within each other at most.
const DEEPEST: usize = 8;
/// Faults that are named one by one.
const MOST_FAULTS: usize = 1000;

/// Why a bundle could not be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The manifest is not believed.
    #[error("{}: {source}", path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ManifestError,
    },
}

/// Something that is wrong in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A file is not the one that was signed, is missing, or has no business there.
    File {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A line of a file of evidence is none.
    Unreadable {
        /// The file.
        name: String,
        /// Which line of it, from 1.
        line: u64,
    },
    /// An event is not what was taken into the trail at that place.
    Unproved {
        /// The file.
        name: String,
        /// Its number, as it says.
        event: i64,
        /// The place that it is said to have.
        index: u64,
    },
    /// An event stands where it cannot: twice, or out of order.
    Misplaced {
        /// The file.
        name: String,
        /// Its number, as it says.
        event: i64,
        /// The place that it is said to have.
        index: u64,
    },
    /// A checkpoint is false, or of another history.
    Checkpoint {
        /// Of how many events it tells.
        size: u64,
        /// What is wrong with it.
        why: String,
    },
    /// What is said of an erased volume is not what was signed.
    Erased {
        /// Its number.
        volume: u64,
        /// What is wrong.
        why: String,
    },
    /// There are so many more faults that are not named.
    More(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, why } => write!(f, "the file {name} {why}"),
            Self::Unreadable { name, line } => write!(f, "{name}: line {line} is no event"),
            Self::Unproved { name, event, index } => write!(
                f,
                "{name}: event {event} is not what was written at place {index}"
            ),
            Self::Misplaced { name, event, index } => write!(
                f,
                "{name}: event {event}, at place {index}, stands where it cannot: put in, or moved"
            ),
            Self::Checkpoint { size, why } => {
                write!(f, "the checkpoint over {size} events is false: {why}")
            }
            Self::Erased { volume, why } => write!(f, "the erased volume {volume}: {why}"),
            Self::More(count) => write!(f, "and {count} more"),
        }
    }
}

/// What was found out about a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it says of itself, under its signature.
    pub manifest: Manifest,
    /// Events that were looked at.
    pub events: u64,
    /// Checkpoints whose trees the last one was shown to begin with.
    pub checkpoints: u64,
    /// Checkpoints that were kept elsewhere and could be compared.
    pub witnesses: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Whether the bundle is what was signed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }

    /// Events that were not put in, since a clause had more than was permitted.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.manifest.evidence.iter().map(|one| one.left_out).sum()
    }

    fn tell(&mut self, fault: Fault) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        } else if let Some(Fault::More(count)) = self.faults.last_mut() {
            *count += 1;
        } else {
            self.faults.push(Fault::More(1));
        }
    }

    fn file(&mut self, name: &str, why: impl Into<String>) {
        self.tell(Fault::File {
            name: name.to_owned(),
            why: why.into(),
        });
    }

    fn checkpoint(&mut self, size: u64, why: impl Into<String>) {
        let why = why.into();
        self.tell(Fault::Checkpoint { size, why });
    }
}

/// Whether a directory says that it is a bundle, and no volume.
#[must_use]
pub fn is_bundle(directory: &Path) -> bool {
    directory.join(MANIFEST).exists()
}

/// Verifies the bundle in `directory`; also against `witnesses`, checkpoints that were kept elsewhere. `progress` hears how many events
/// were looked at. Memory is bounded by the number of files and of checkpoints.
///
/// # Errors
/// When the directory cannot be read, or the manifest is not one that `key` signed.
pub fn verify(
    directory: &Path,
    key: &VerifierKey,
    witnesses: &[String],
    progress: impl FnMut(u64),
) -> Result<Report, BundleError> {
    let path = directory.join(MANIFEST);
    let note = reading::small(&path, LONGEST_MANIFEST).map_err(|source| BundleError::Io {
        path: path.clone(),
        source,
    })?;
    let manifest =
        Manifest::open(&note, key).map_err(|source| BundleError::Manifest { path, source })?;
    let report = Report {
        manifest: manifest.clone(),
        events: 0,
        checkpoints: 0,
        witnesses: 0,
        faults: Vec::new(),
    };
    let mut verifying = Verifying {
        directory,
        key,
        manifest: &manifest,
        report,
        roots: BTreeMap::from([(manifest.size, manifest.root)]),
        progress,
    };
    let files = verifying.files();
    verifying.nothing_else(&files)?;
    for name in [CHECKPOINT, CHECKPOINTS, KEY] {
        if !files.contains_key(name) {
            verifying.report.file(name, "is not named in the manifest");
        }
    }
    verifying.checkpoint();
    verifying.key();
    for (name, file) in &files {
        let evidence = manifest.evidence.iter().find(|one| one.name == *name);
        verifying.file(name, file, evidence);
    }
    for evidence in &manifest.evidence {
        if !files.contains_key(evidence.name.as_str()) {
            let report = &mut verifying.report;
            report.file(&evidence.name, "is not named in the manifest");
        }
    }
    for erased in &manifest.erased {
        if let Some(why) = verifying.erased(erased) {
            let volume = erased.volume;
            verifying.report.tell(Fault::Erased { volume, why });
        }
    }
    for witness in witnesses {
        verifying.witness(witness);
    }
    Ok(verifying.report)
}

struct Verifying<'a, P> {
    directory: &'a Path,
    key: &'a VerifierKey,
    manifest: &'a Manifest,
    report: Report,
    /// The roots of the trees that were shown to be the beginning of the last.
    roots: BTreeMap<u64, Hash>,
    progress: P,
}

impl<'a, P: FnMut(u64)> Verifying<'a, P> {
    /// The files that are named, each once.
    fn files(&mut self) -> BTreeMap<&'a str, &'a FileOf> {
        let mut files = BTreeMap::new();
        for file in &self.manifest.files {
            if files.insert(file.name.as_str(), file).is_some() {
                self.report.file(&file.name, "is named twice");
            }
        }
        files
    }

    /// Nothing but what is named may lie in the directory.
    fn nothing_else(&mut self, files: &BTreeMap<&str, &FileOf>) -> Result<(), BundleError> {
        let mut folders = vec![(self.directory.to_owned(), String::new(), 0_usize)];
        while let Some((path, prefix, depth)) = folders.pop() {
            let io = |source| BundleError::Io {
                path: path.clone(),
                source,
            };
            for entry in fs::read_dir(&path).map_err(io)? {
                let entry = entry.map_err(io)?;
                let kind = entry.file_type().map_err(io)?;
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if kind.is_file() {
                    if !files.contains_key(name.as_str()) && name != MANIFEST {
                        self.report.file(&name, "is not named in the manifest");
                    }
                } else if !kind.is_dir() {
                    self.report.file(&name, "is no plain file");
                } else {
                    let within = format!("{name}/");
                    match files.keys().any(|file| file.starts_with(&within)) && depth < DEEPEST {
                        true => folders.push((entry.path(), within, depth + 1)),
                        false => self
                            .report
                            .file(&name, "is a folder without any named file"),
                    }
                }
            }
        }
        Ok(())
    }

    /// The checkpoint that all proofs lead to is the one that the manifest tells of.
    fn checkpoint(&mut self) {
        let Some(note) = self.note(CHECKPOINT) else {
            return;
        };
        let (size, root) = (self.manifest.size, self.manifest.root);
        match Checkpoint::open(&note, self.key) {
            Ok(found) if found.size == size && found.root == root => {}
            Ok(found) => {
                let why = format!("{CHECKPOINT} is not the one that the manifest tells of");
                self.report.checkpoint(found.size, why);
            }
            Err(error) => self
                .report
                .checkpoint(size, format!("{CHECKPOINT}: {error}")),
        }
    }

    /// The key that lies in the bundle is the one that it is verified with.
    fn key(&mut self) {
        if let Some(text) = self.note(KEY)
            && text.trim_end() != self.key.to_string()
        {
            self.report
                .file(KEY, "has another key than the one that was given");
        }
    }

    /// A small file; what cannot be read is told where all files are compared with the manifest.
    fn note(&self, name: &str) -> Option<String> {
        reading::small(&self.directory.join(name), LONGEST_NOTE).ok()
    }

    /// Compares a file with the manifest, and looks at what is in it if it holds checkpoints or evidence.
    fn file(&mut self, name: &str, file: &FileOf, evidence: Option<&Evidence>) {
        let mut reader = match reading::open(&self.directory.join(name)) {
            Ok(reader) => reader,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.report.file(name, "is missing");
            }
            Err(error) => return self.report.file(name, format!("cannot be read: {error}")),
        };
        if let Some(evidence) = evidence {
            self.evidence(evidence, &mut reader);
        } else if name == CHECKPOINTS {
            self.checkpoints(&mut reader);
        }
        if let Some(why) = reader.into_inner().fault(Some(file)) {
            self.report.file(name, why);
        }
    }

    /// Each checkpoint is shown to be the beginning of the last.
    fn checkpoints(&mut self, reader: &mut impl io::BufRead) {
        let mut before = 0;
        while let Some(line) = next_line(reader) {
            let is_end = line.is_err();
            let parsed = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            let parsed: Value = parsed.unwrap_or_default();
            let size = parsed["size"].as_u64().unwrap_or_default();
            match self.begins_with(size, &parsed) {
                Ok(_) if size <= before => {
                    self.report
                        .checkpoint(size, "it stands where it cannot: put in, or moved");
                }
                Ok(root) => {
                    self.report.checkpoints += 1;
                    self.roots.insert(size, root);
                }
                Err(why) => self.report.checkpoint(size, why),
            }
            before = before.max(size);
            if is_end {
                break;
            }
        }
    }

    fn begins_with(&self, size: u64, line: &Value) -> Result<Hash, String> {
        let note = line["note"].as_str().unwrap_or_default();
        let found = Checkpoint::open(note, self.key).map_err(|error| error.to_string())?;
        if found.size != size {
            return Err(format!("it tells of {} events", found.size));
        }
        let path = line["path"].as_array().and_then(|path| {
            let hashes = path.iter().map(|hash| hash_of(hash.as_str()?));
            hashes.collect::<Option<Vec<Hash>>>()
        });
        let path = path.ok_or("its proof is none")?;
        let (last, root) = (self.manifest.size, &self.manifest.root);
        match verify_consistency(size, &found.root, last, root, &path) {
            true => Ok(found.root),
            false => Err("the last checkpoint does not begin with it".to_owned()),
        }
    }

    /// Each event is shown to be in the tree of the last checkpoint, in order.
    fn evidence(&mut self, told: &Evidence, reader: &mut impl io::BufRead) {
        let name = &told.name;
        let (mut number, mut last) = (0_u64, None::<(i64, u64)>);
        while let Some(line) = next_line(reader) {
            number += 1;
            self.report.events += 1;
            if self.report.events.is_multiple_of(1024) {
                (self.progress)(self.report.events);
            }
            let is_end = line.is_err();
            let parsed = line.as_deref().ok().and_then(Line::parse);
            let Some(line) = parsed else {
                let name = name.clone();
                self.report.tell(Fault::Unreadable { name, line: number });
                if is_end {
                    break;
                }
                continue;
            };
            let (name, event, index) = (name.clone(), line.number, line.index);
            let (size, root) = (self.manifest.size, &self.manifest.root);
            let leaf = entry::leaf(&line.salt, line.event);
            if !verify_inclusion(index, &leaf, size, root, &line.path) {
                self.report.tell(Fault::Unproved { name, event, index });
            } else if last.is_some_and(|last| event <= last.0 || index <= last.1) {
                self.report.tell(Fault::Misplaced { name, event, index });
            } else {
                last = Some((event, index));
            }
        }
        if number != told.events {
            let why = format!("has {number} events instead of {}", told.events);
            self.report.file(name, why);
        }
    }

    /// What is wrong with what is said of an erased volume: its certificate must say the same, and its root be that of the trail.
    fn erased(&self, told: &Erased) -> Option<String> {
        let Some(note) = self.note(&certificate(told.volume)) else {
            return Some("its certificate is missing".to_owned());
        };
        let text = match self.key.open(&note) {
            Ok(text) => text,
            Err(error) => return Some(format!("its certificate: {error}")),
        };
        let says = |name: &str, value: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            lines.any(|line| line == (name, value))
        };
        let is_certificate = text.lines().next() == Some("kakitome erasure certificate 1")
            && says("origin", self.key.name())
            && says("volume", &told.volume.to_string())
            && says("first", &told.first.to_string())
            && says("last", &told.last.to_string());
        if !is_certificate {
            return Some("its certificate is of something else".to_owned());
        }
        let root = self.roots.get(&told.last)?;
        match says("root", &hex(root)) {
            true => None,
            false => Some("its certificate is of another history".to_owned()),
        }
    }

    fn witness(&mut self, note: &str) {
        match Checkpoint::open(note, self.key) {
            Ok(witness) => match self.roots.get(&witness.size) {
                Some(root) if *root == witness.root => self.report.witnesses += 1,
                Some(_) => {
                    self.report.witnesses += 1;
                    let why = "one that was kept elsewhere: it is of another history";
                    self.report.checkpoint(witness.size, why);
                }
                // Told by who asked: it was compared with nothing.
                None => {}
            },
            Err(error) => {
                let why = format!("one that was kept elsewhere: {error}");
                self.report.checkpoint(0, why);
            }
        }
    }
}

/// A line of a file of evidence.
struct Line<'l> {
    index: u64,
    salt: Salt,
    path: Vec<Hash>,
    event: &'l str,
    /// The number that the event says it has.
    number: i64,
}

impl<'l> Line<'l> {
    fn parse(line: &'l str) -> Option<Self> {
        let mut parts = line.splitn(4, '\t');
        let (index, salt, path) = (parts.next()?, parts.next()?, parts.next()?);
        let event = parts.next()?;
        let parsed: Value = serde_json::from_str(event).ok()?;
        Some(Self {
            index: index.parse().ok()?,
            salt: from_hex(salt)?,
            path: hashes_of(path)?,
            event,
            number: parsed["id"].as_i64()?,
        })
    }
}
