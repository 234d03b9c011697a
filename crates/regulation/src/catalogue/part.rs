//! Reading a catalogue from the files that it is written in.

use serde::Deserialize;

use super::{Catalogue, Chapter, OptionEntry, Parameter, RoleEntry, Section, Slip, Source};
use crate::{File, Text};

/// The longest file, in octets.
const LONGEST_FILE: usize = 4 << 20;

/// Why a catalogue cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A file is longer than any catalogue is.
    #[error("{file} has {octets} octets; a catalogue's file has at most {LONGEST_FILE}")]
    TooLong {
        /// The file.
        file: String,
        /// Its length.
        octets: usize,
    },
    /// A file is not as it has to be; the message points at the line.
    #[error("{file}: {error}")]
    Syntax {
        /// The file.
        file: String,
        /// What is wrong, and where.
        error: String,
    },
    /// No file says what catalogue it is, or two do.
    #[error("{files} must have one table [catalogue], and there are {count}")]
    Heads {
        /// The files.
        files: String,
        /// How many there are.
        count: usize,
    },
    /// A section names a chapter that is not there.
    #[error("section {section} is of chapter {chapter}, which is not there")]
    NoChapter {
        /// The section.
        section: String,
        /// The chapter's number.
        chapter: u32,
    },
    /// Two chapters have one number.
    #[error("chapter {0} is there twice")]
    ChapterTwice(u32),
}

/// What one file holds: any of what a catalogue is made of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    #[serde(default)]
    catalogue: Option<Head>,
    #[serde(rename = "role", default)]
    roles: Vec<RoleEntry>,
    #[serde(rename = "option", default)]
    options: Vec<OptionEntry>,
    #[serde(rename = "parameter", default)]
    parameters: Vec<Parameter>,
    #[serde(rename = "slip", default)]
    slips: Vec<Slip>,
    #[serde(rename = "chapter", default)]
    chapters: Vec<ChapterHead>,
    #[serde(rename = "section", default)]
    sections: Vec<Section>,
}

/// `[catalogue]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    id: String,
    version: String,
    title: Text,
    source: Source,
}

/// `[[chapter]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChapterHead {
    number: u32,
    title: Text,
    #[serde(default)]
    audience: Option<String>,
}

impl Catalogue {
    /// Reads a catalogue that is written in `files`, one of which has its head.
    ///
    /// # Errors
    /// When a file is no TOML or has an unknown key, with the line; when the files do not make one catalogue. What it refers to is
    /// checked by [`crate::Regulation`].
    pub fn parse(files: &[File<'_>]) -> Result<Self, CatalogueError> {
        let mut heads = Vec::new();
        let mut made = Self {
            id: String::new(),
            version: String::new(),
            title: Text::new("", ""),
            source: Source {
                title: Text::new("", ""),
                publisher: Text::new("", ""),
                date: String::new(),
            },
            roles: Vec::new(),
            options: Vec::new(),
            parameters: Vec::new(),
            slips: Vec::new(),
            chapters: Vec::new(),
        };
        let mut sections = Vec::new();
        for file in files {
            let part = read(file)?;
            heads.extend(part.catalogue);
            made.roles.extend(part.roles);
            made.options.extend(part.options);
            made.parameters.extend(part.parameters);
            made.slips.extend(part.slips);
            for chapter in part.chapters {
                made.add_chapter(chapter)?;
            }
            sections.extend(part.sections);
        }
        let count = heads.len();
        let head = heads.pop().filter(|_| count == 1);
        let head = head.ok_or_else(|| {
            let files: Vec<&str> = files.iter().map(|file| file.name).collect();
            CatalogueError::Heads {
                files: files.join(", "),
                count,
            }
        })?;
        made.id = head.id;
        made.version = head.version;
        made.title = head.title;
        made.source = head.source;
        for section in sections {
            let mut chapters = made.chapters.iter_mut();
            let chapter = chapters
                .find(|chapter| chapter.number == section.chapter)
                .ok_or_else(|| CatalogueError::NoChapter {
                    section: section.id.clone(),
                    chapter: section.chapter,
                })?;
            chapter.sections.push(section);
        }
        Ok(made)
    }

    fn add_chapter(&mut self, head: ChapterHead) -> Result<(), CatalogueError> {
        let mut chapters = self.chapters.iter();
        if chapters.any(|chapter| chapter.number == head.number) {
            return Err(CatalogueError::ChapterTwice(head.number));
        }
        self.chapters.push(Chapter {
            number: head.number,
            title: head.title,
            audience: head.audience,
            sections: Vec::new(),
        });
        Ok(())
    }
}

fn read(file: &File<'_>) -> Result<Part, CatalogueError> {
    if file.text.len() > LONGEST_FILE {
        return Err(CatalogueError::TooLong {
            file: file.name.to_owned(),
            octets: file.text.len(),
        });
    }
    toml::from_str(file.text).map_err(|error| CatalogueError::Syntax {
        file: file.name.to_owned(),
        error: error.to_string(),
    })
}
