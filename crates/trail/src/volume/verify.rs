//! Verifying a volume with nothing but its directory and the public key.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Read as _},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;
use serde_json::Value;

use super::{CHECKPOINTS, ERASED, EVENTS, MANIFEST, Manifest, ManifestError, from_hex};
use crate::{
    checkpoint::Checkpoint,
    entry::{self, Salt},
    merkle::{Frontier, Hash},
    note::VerifierKey,
    reading::{self, Digested, next_line},
};

/// Octets of a manifest at most.
const LONGEST_MANIFEST: u64 = 1 << 20;
/// Octets of a note at most.
const LONGEST_NOTE: u64 = 1 << 16;
/// Faults that are named one by one.
const MOST_FAULTS: usize = 1000;

/// Why a volume could not be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
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

/// Something that is wrong in a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A file is not the one that was signed.
    File {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// An event is not what was taken in.
    Altered {
        /// Its place in the trail, from 0.
        index: u64,
        /// Its number, as it says.
        event: i64,
    },
    /// An event is missing.
    Removed {
        /// Its place in the trail.
        index: u64,
    },
    /// An event is said to be erased, and nothing signed says so.
    Uncovered {
        /// Its place in the trail.
        index: u64,
    },
    /// A line stands where no event can: twice, or out of order.
    Misplaced {
        /// The place that it says.
        index: u64,
    },
    /// A line is none.
    Unreadable {
        /// Which line of the file, from 1.
        line: u64,
    },
    /// A checkpoint is false.
    Checkpoint {
        /// Of how many events it tells.
        size: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The events are not those over which the root was signed.
    Root {
        /// Up to this place they are known to be right.
        right: u64,
        /// By this place they are known to be wrong.
        wrong: u64,
    },
    /// There are so many more faults that are not named.
    More(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, why } => write!(f, "the file {name} {why}"),
            Self::Altered { index, event } => {
                write!(f, "event {event}, at place {index}, was changed")
            }
            Self::Removed { index } => write!(f, "the event at place {index} was removed"),
            Self::Uncovered { index } => write!(
                f,
                "the event at place {index} is said to be erased, but no certificate says so"
            ),
            Self::Misplaced { index } => {
                write!(
                    f,
                    "a line for place {index} stands where it cannot: put in, or moved"
                )
            }
            Self::Unreadable { line } => write!(f, "line {line} of the events is none"),
            Self::Checkpoint { size, why } => {
                write!(f, "the checkpoint over {size} events is false: {why}")
            }
            Self::Root { right, wrong } => write!(
                f,
                "the events from place {right} to place {wrong} are not those that were signed"
            ),
            Self::More(count) => write!(f, "and {count} more"),
        }
    }
}

/// What was found out about a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it says of itself, under its signature.
    pub manifest: Manifest,
    /// Events whose text is there.
    pub events: u64,
    /// Events of which only the commitment is left: they were erased.
    pub erased: u64,
    /// Checkpoints that were verified.
    pub checkpoints: u64,
    /// Checkpoints that were kept elsewhere and end in this volume, so that they could be compared with it.
    pub witnesses: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Whether the volume is what was signed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
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
}

/// Verifies the volume in `directory`; also against `witnesses`, checkpoints that were kept elsewhere. `progress` hears how many events were
/// looked at. Memory is bounded by the number of checkpoints.
///
/// # Errors
/// When a file cannot be read, or the manifest is not one that `key` signed.
pub fn verify(
    directory: &Path,
    key: &VerifierKey,
    witnesses: &[String],
    mut progress: impl FnMut(u64),
) -> Result<Report, VolumeError> {
    let manifest = manifest(directory, key)?;
    let mut report = Report {
        manifest,
        events: 0,
        erased: 0,
        checkpoints: 0,
        witnesses: 0,
        faults: Vec::new(),
    };
    let mut checkpoints = checkpoints(directory, key, &mut report)?;
    for note in witnesses {
        match Checkpoint::open(note, key) {
            Ok(witness) => {
                let Manifest { first, last, .. } = report.manifest;
                report.witnesses += u64::from(first < witness.size && witness.size <= last);
                checkpoints.push(witness);
            }
            Err(error) => report.tell(Fault::Checkpoint {
                size: 0,
                why: format!("one that was kept elsewhere: {error}"),
            }),
        }
    }
    checkpoints.sort_by_key(|checkpoint| checkpoint.size);
    let may_be_erased = may_be_erased(directory, key, &mut report)?;
    let mut reading = Reading {
        tree: report.manifest.before.clone(),
        right: report.manifest.first,
        wrong: None,
        checkpoints: checkpoints.into_iter().peekable(),
        report,
        may_be_erased,
        last_event: i64::MIN,
    };
    reading.events(directory, &mut progress)?;
    Ok(reading.end())
}

fn manifest(directory: &Path, key: &VerifierKey) -> Result<Manifest, VolumeError> {
    let path = directory.join(MANIFEST);
    let text = reading::small(&path, LONGEST_MANIFEST).map_err(|source| VolumeError::Io {
        path: path.clone(),
        source,
    })?;
    Manifest::open(&text, key).map_err(|source| VolumeError::Manifest { path, source })
}

fn open(directory: &Path, name: &str) -> Result<BufReader<Digested<File>>, VolumeError> {
    let path = directory.join(name);
    reading::open(&path).map_err(|source| VolumeError::Io { path, source })
}

/// What is wrong with a file that was read.
fn fault(file: Digested<File>, name: &str, manifest: &Manifest) -> Option<Fault> {
    let told = manifest.files.iter().find(|file| file.name == name);
    let name = name.to_owned();
    Some(Fault::File {
        why: file.fault(told)?,
        name,
    })
}

/// The checkpoints of the volume whose signatures are right.
fn checkpoints(
    directory: &Path,
    key: &VerifierKey,
    report: &mut Report,
) -> Result<Vec<Checkpoint>, VolumeError> {
    let mut reader = open(directory, CHECKPOINTS)?;
    let mut found = Vec::new();
    while let Some(line) = next_line(&mut reader) {
        let parsed = line.ok().and_then(|line| serde_json::from_str(&line).ok());
        let parsed: Value = parsed.unwrap_or_default();
        let size = parsed["size"].as_u64().unwrap_or_default();
        let why = match Checkpoint::open(parsed["note"].as_str().unwrap_or_default(), key) {
            Ok(checkpoint) if checkpoint.size == size => {
                found.push(checkpoint);
                continue;
            }
            Ok(checkpoint) => format!("it tells of {} events", checkpoint.size),
            Err(error) => error.to_string(),
        };
        report.tell(Fault::Checkpoint { size, why });
    }
    report.checkpoints = found.len() as u64;
    if let Some(fault) = fault(reader.into_inner(), CHECKPOINTS, &report.manifest) {
        report.tell(fault);
    }
    Ok(found)
}

/// The first lines of notes that permit it: of a certificate, and of a decision that is being carried out.
const PERMITTING: [&str; 2] = [
    "kakitome erasure certificate 1",
    "kakitome erasure decision 1",
];

/// Whether there is a note, signed by the key, which says that this volume was erased, or is to be.
fn may_be_erased(
    directory: &Path,
    key: &VerifierKey,
    report: &mut Report,
) -> Result<bool, VolumeError> {
    let told = report.manifest.files.iter().any(|file| file.name == ERASED);
    let mut reader = match open(directory, ERASED) {
        Ok(reader) => reader,
        Err(VolumeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            if told {
                report.tell(Fault::File {
                    name: ERASED.to_owned(),
                    why: "is missing".to_owned(),
                });
            }
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let mut note = String::new();
    let read = (&mut reader).take(LONGEST_NOTE).read_to_string(&mut note);
    let permits = match read.ok().and_then(|_| key.open(&note).ok()) {
        Some(text) => is_of(text, &report.manifest),
        None => false,
    };
    if let Some(fault) = fault(reader.into_inner(), ERASED, &report.manifest) {
        report.tell(fault);
    } else if !permits {
        report.tell(Fault::File {
            name: ERASED.to_owned(),
            why: "is no signed note that this volume was erased, or is to be".to_owned(),
        });
    }
    Ok(permits)
}

fn is_of(text: &str, manifest: &Manifest) -> bool {
    let Manifest {
        origin,
        volume,
        first,
        last,
        ..
    } = manifest;
    PERMITTING.iter().any(|what| {
        let head =
            format!("{what}\norigin {origin}\nvolume {volume}\nfirst {first}\nlast {last}\n");
        text.starts_with(&head)
    })
}

/// The events on their way through.
struct Reading<C: Iterator<Item = Checkpoint>> {
    /// Over the leaves that were read.
    tree: Frontier,
    /// Up to here the tree is known to be right.
    right: u64,
    /// Here it is known to be wrong first.
    wrong: Option<u64>,
    checkpoints: std::iter::Peekable<C>,
    report: Report,
    /// Whether a signed note permits that events of it are gone.
    may_be_erased: bool,
    last_event: i64,
}

impl<C: Iterator<Item = Checkpoint>> Reading<C> {
    fn events(
        &mut self,
        directory: &Path,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), VolumeError> {
        let mut reader = BufReader::new(MultiGzDecoder::new(open(directory, EVENTS)?));
        let mut number = 0;
        while let Some(line) = next_line(&mut reader) {
            number += 1;
            match line.as_ref().ok().and_then(|line| Line::parse(line)) {
                Some(line) => self.line(&line),
                None => self.report.tell(Fault::Unreadable { line: number }),
            }
            if line.is_err() {
                break;
            }
            if number % 4096 == 0 {
                progress(number);
            }
        }
        progress(number);
        let file = reader.into_inner().into_inner().into_inner();
        if let Some(fault) = fault(file, EVENTS, &self.report.manifest) {
            self.report.tell(fault);
        }
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>) {
        let index = line.index;
        if index < self.tree.size() || index >= self.report.manifest.last {
            self.report.tell(Fault::Misplaced { index });
            return;
        }
        while self.tree.size() < index {
            self.report.tell(Fault::Removed {
                index: self.tree.size(),
            });
            // Whatever it was: what follows is compared with itself.
            self.tree.push(Hash::default());
        }
        match line.salt {
            Some(salt) => {
                self.report.events += 1;
                let event = line.number();
                if entry::leaf(&salt, line.event) != line.leaf || event.is_none() {
                    let event = event.unwrap_or_default();
                    self.report.tell(Fault::Altered { index, event });
                } else if event.is_some_and(|event| event <= self.last_event) {
                    self.report.tell(Fault::Misplaced { index });
                }
                self.last_event = event.unwrap_or(self.last_event);
            }
            None => {
                self.report.erased += 1;
                if !self.may_be_erased {
                    self.report.tell(Fault::Uncovered { index });
                }
            }
        }
        self.tree.push(line.leaf);
        self.compare();
    }

    /// Compares with the checkpoints that tell of the tree as it is now.
    fn compare(&mut self) {
        let size = self.tree.size();
        while let Some(checkpoint) = self.checkpoints.next_if(|next| next.size <= size) {
            if checkpoint.size < size || self.wrong.is_some() {
                continue;
            }
            if self.tree.root() == checkpoint.root {
                self.right = size;
            } else {
                self.wrong = Some(size);
            }
        }
    }

    fn end(mut self) -> Report {
        let last = self.report.manifest.last;
        while self.tree.size() < last {
            let index = self.tree.size();
            self.report.tell(Fault::Removed { index });
            self.tree.push(Hash::default());
            self.compare();
        }
        if self.tree.root() != self.report.manifest.root {
            self.wrong.get_or_insert(last);
        }
        if let Some(wrong) = self.wrong {
            let right = self.right;
            self.report.tell(Fault::Root { right, wrong });
        }
        self.report
    }
}

/// A line of the events' file.
struct Line<'l> {
    index: u64,
    salt: Option<Salt>,
    leaf: Hash,
    event: &'l str,
}

impl<'l> Line<'l> {
    fn parse(line: &'l str) -> Option<Self> {
        let mut parts = line.splitn(4, '\t');
        let (index, salt, leaf) = (parts.next()?, parts.next()?, parts.next()?);
        let event = parts.next()?;
        Some(Self {
            index: index.parse().ok()?,
            salt: match salt {
                "-" => None,
                salt => Some(from_hex(salt)?),
            },
            leaf: from_hex(leaf)?,
            event,
        })
    }

    /// The number that the event says it has.
    fn number(&self) -> Option<i64> {
        let event: Value = serde_json::from_str(self.event).ok()?;
        event["id"].as_i64()
    }
}
