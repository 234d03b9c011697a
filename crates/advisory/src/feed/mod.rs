//! Feeds: octets in, entries out, one after the other.
//!
//! | format | what it is |
//! |---|---|
//! | `osv` | records of OSV (schema 1.x): one, an array of them, one a line, or a zip archive of them |
//! | `cve` | CVE records of format 5, likewise |
//! | `jvn` | JVNRSS (also what MyJVN's overview answers), or VULDEF (MyJVN's details) |
//! | `kev` | CISA's catalogue of known exploited vulnerabilities, JSON |
//! | `epss` | FIRST's scores, CSV, plain or gzip |

mod cve;
mod epss;
mod jvn;
mod kev;
mod osv;
mod text;

use std::{
    fmt,
    io::{Read, Seek, SeekFrom},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zip::ZipArchive;

use crate::{Advisory, Limits, XmlError};

/// Records that are told by name when they could not be read; the others are counted.
const TOLD: usize = 20;

/// The form of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// OSV.
    Osv,
    /// CVE 5.
    Cve,
    /// JVNRSS or VULDEF.
    Jvn,
    /// CISA KEV.
    Kev,
    /// EPSS.
    Epss,
}

impl Format {
    /// All of them, those first that open cases, so that what marks cases finds them.
    pub const ALL: [Self; 5] = [Self::Osv, Self::Cve, Self::Jvn, Self::Kev, Self::Epss];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Osv => "osv",
            Self::Cve => "cve",
            Self::Jvn => "jvn",
            Self::Kev => "kev",
            Self::Epss => "epss",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|format| format.as_str() == name);
        found.ok_or_else(|| {
            format!("{name:?} is no format of a feed: osv, cve, jvn, kev or epss is expected")
        })
    }
}

/// One thing that a feed says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A vulnerability.
    Advisory(Box<Advisory>),
    /// One that is known to be exploited.
    Exploited(Exploited),
    /// How likely it is that one will be exploited.
    Score(Score),
}

/// An entry of the catalogue of known exploited vulnerabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exploited {
    /// The CVE number.
    pub cve: String,
    /// Since when it is in the catalogue (date).
    pub added: String,
    /// What the catalogue calls it.
    pub name: String,
    /// What the catalogue asks for.
    pub action: String,
    /// Whether extortionists are known to use it.
    pub ransomware: bool,
}

/// A score of EPSS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// The CVE number.
    pub cve: String,
    /// Probability of exploitation within 30 days, in millionths.
    pub probability: u32,
    /// Share of vulnerabilities with this probability or a lower one, in millionths.
    pub percentile: u32,
}

/// A record that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Where it stands: the name of a file, a line, a number.
    pub place: String,
    /// Why.
    pub why: String,
}

/// What came of reading a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Records that were read.
    pub records: u64,
    /// Records that were passed over.
    pub skipped: u64,
    /// The first of those.
    pub told: Vec<Skipped>,
    /// When the feed says that it was made, or its newest record was changed; empty: it does not say.
    pub published: String,
}

/// Why a feed is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// It cannot be read from where it lies.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is no archive, or a damaged one.
    #[error("the archive is damaged{place}: {why}", place = place_of(.place))]
    Archive {
        /// Where; empty: as a whole.
        place: String,
        /// What the archive's reader says.
        why: String,
    },
    /// It is no JSON.
    #[error("it is no JSON: {0}")]
    Json(String),
    /// It is no XML.
    #[error("it is no XML that is read here: {0}")]
    Xml(#[from] XmlError),
    /// It is something else.
    #[error("it is no feed of the format {format}: {why}")]
    Form {
        /// What was expected.
        format: Format,
        /// What is missing.
        why: String,
    },
    /// A bound.
    #[error("it has more than {most} {what}")]
    Limit {
        /// Octets, records, …
        what: &'static str,
        /// How many are read.
        most: u64,
    },
    /// Nothing is in it.
    #[error("there is no record in it")]
    Empty,
    /// More was passed over than read: it is not what it is taken for.
    #[error("{skipped} of its {all} records cannot be read; the first, {place}: {why}")]
    Mostly {
        /// How many.
        skipped: u64,
        /// Of how many.
        all: u64,
        /// Where the first is.
        place: String,
        /// What is wrong with it.
        why: String,
    },
}

fn place_of(place: &str) -> String {
    match place {
        "" => String::new(),
        place => format!(" at {place}"),
    }
}

/// Reads all of a feed and gives `take` what it says. What `take` heard counts only if this succeeds.
///
/// # Errors
/// [`FeedError`].
pub fn read(
    format: Format,
    from: &mut (impl Read + Seek),
    limits: &Limits,
    take: &mut dyn FnMut(Entry),
) -> Result<Reading, FeedError> {
    let mut hearing = Hearing {
        format,
        limits,
        take,
        reading: Reading::default(),
    };
    let mut magic = [0_u8; 4];
    let known = fill(from, &mut magic)?;
    from.seek(SeekFrom::Start(0))?;
    let is_zip = known == 4 && magic == *b"PK\x03\x04";
    match format {
        Format::Osv | Format::Cve if is_zip => hearing.archive(from)?,
        Format::Osv | Format::Cve => hearing.records(&document(from, limits.document)?)?,
        Format::Jvn => jvn::read(&text::utf8(document(from, limits.document)?)?, &mut hearing)?,
        Format::Kev => kev::read(&document(from, limits.document)?, &mut hearing)?,
        Format::Epss if magic.starts_with(&[0x1f, 0x8b]) => {
            let mut unpacked = flate2::read::MultiGzDecoder::new(from);
            epss::read(&document(&mut unpacked, limits.document)?, &mut hearing)?;
        }
        Format::Epss => epss::read(&document(from, limits.document)?, &mut hearing)?,
    }
    hearing.end()
}

fn fill(from: &mut impl Read, into: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest)? {
            0 => break,
            more => filled = filled.saturating_add(more),
        }
    }
    Ok(filled)
}

/// All of it, if it is short enough.
fn document(from: &mut impl Read, most: u64) -> Result<Vec<u8>, FeedError> {
    let mut octets = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut octets)?;
    match u64::try_from(octets.len()).is_ok_and(|length| length <= most) {
        true => Ok(octets),
        false => Err(FeedError::Limit {
            what: "octets",
            most,
        }),
    }
}

/// What is heard of a feed while it is read.
pub(crate) struct Hearing<'a> {
    format: Format,
    limits: &'a Limits,
    take: &'a mut dyn FnMut(Entry),
    reading: Reading,
}

impl Hearing<'_> {
    /// One record, whatever came of it.
    fn record(
        &mut self,
        place: impl FnOnce() -> String,
        found: Result<Option<Entry>, String>,
    ) -> Result<(), FeedError> {
        let all = self.reading.records.saturating_add(self.reading.skipped);
        if all >= self.limits.records {
            return Err(FeedError::Limit {
                what: "records",
                most: self.limits.records,
            });
        }
        match found {
            Ok(entry) => {
                self.reading.records = self.reading.records.saturating_add(1);
                if let Some(entry) = entry {
                    self.date(&entry);
                    (self.take)(entry);
                }
            }
            Err(why) => {
                self.reading.skipped = self.reading.skipped.saturating_add(1);
                if self.reading.told.len() < TOLD {
                    self.reading.told.push(Skipped {
                        place: place(),
                        why,
                    });
                }
            }
        }
        Ok(())
    }

    /// A feed of records does not say when it was made: its newest record does.
    fn date(&mut self, entry: &Entry) {
        if let (Format::Osv | Format::Cve, Entry::Advisory(advisory)) = (self.format, entry)
            && advisory.modified > self.reading.published
        {
            self.reading.published.clone_from(&advisory.modified);
        }
    }

    fn parse(&self, value: Value) -> Result<Option<Entry>, String> {
        match self.format {
            Format::Cve => cve::record(value),
            _ => osv::record(value),
        }
    }

    fn json(&self, octets: &[u8]) -> Result<Option<Entry>, String> {
        let value = serde_json::from_slice(octets).map_err(|error| format!("no JSON: {error}"))?;
        self.parse(value)
    }

    /// Records of an archive, each a file.
    fn archive(&mut self, from: &mut (impl Read + Seek)) -> Result<(), FeedError> {
        let damaged = |place: &str, why: String| FeedError::Archive {
            place: place.to_owned(),
            why,
        };
        let mut archive = ZipArchive::new(from).map_err(|error| damaged("", error.to_string()))?;
        let files = u64::try_from(archive.len()).unwrap_or(u64::MAX);
        if files > self.limits.records {
            return Err(FeedError::Limit {
                what: "records",
                most: self.limits.records,
            });
        }
        let mut unpacked = 0_u64;
        for index in 0..archive.len() {
            let mut file = archive
                .by_index(index)
                .map_err(|error| damaged(&format!("file {index}"), error.to_string()))?;
            let name = file
                .name()
                .map_err(|error| damaged(&format!("file {index}"), error.to_string()))?;
            let name = crate::limits::line(&name, crate::limits::WORD);
            // CVE's archives hold lists of changes beside the records.
            if !file.is_file()
                || !name.ends_with(".json")
                || name.ends_with("delta.json")
                || name.ends_with("deltaLog.json")
            {
                continue;
            }
            let most = self.limits.record;
            let mut octets = Vec::new();
            let read = (&mut file)
                .take(most.saturating_add(1))
                .read_to_end(&mut octets);
            read.map_err(|error| damaged(&name, error.to_string()))?;
            let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
            unpacked = unpacked.saturating_add(length);
            if unpacked > self.limits.unpacked {
                return Err(FeedError::Limit {
                    what: "octets, unpacked",
                    most: self.limits.unpacked,
                });
            }
            let found = match length > most {
                true => Err(format!("more than {most} octets")),
                false => self.json(&octets),
            };
            self.record(|| name, found)?;
        }
        Ok(())
    }

    /// One record, an array of them, or one a line.
    fn records(&mut self, octets: &[u8]) -> Result<(), FeedError> {
        let why = match serde_json::from_slice::<Value>(octets) {
            Ok(value) => {
                let list = match value {
                    Value::Array(list) => list,
                    one => vec![one],
                };
                for (number, value) in (1_u64..).zip(list) {
                    let found = self.parse(value);
                    self.record(|| format!("record {number}"), found)?;
                }
                return Ok(());
            }
            Err(error) => error.to_string(),
        };
        let lines = (1_u64..).zip(octets.split(|octet| *octet == b'\n'));
        let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
        let is_json = |line: &[u8]| serde_json::from_slice::<Value>(line).is_ok();
        // One bad record, be it the first, is no reason to lose the others. With two at its head it is something else.
        let mut head = lines.clone().take(2).peekable();
        if head.peek().is_some() && !head.any(|(_, line)| is_json(line)) {
            return Err(FeedError::Json(why));
        }
        for (number, line) in lines {
            let found = self.json(line);
            self.record(|| format!("line {number}"), found)?;
        }
        Ok(())
    }

    /// What is missing for it to be a feed of this format.
    fn form(&self, why: impl Into<String>) -> FeedError {
        FeedError::Form {
            format: self.format,
            why: why.into(),
        }
    }

    fn end(self) -> Result<Reading, FeedError> {
        let reading = self.reading;
        match reading.told.first() {
            Some(first) if reading.skipped > reading.records => Err(FeedError::Mostly {
                skipped: reading.skipped,
                all: reading.skipped.saturating_add(reading.records),
                place: first.place.clone(),
                why: first.why.clone(),
            }),
            _ if reading.records == 0 => Err(FeedError::Empty),
            _ => Ok(reading),
        }
    }
}
