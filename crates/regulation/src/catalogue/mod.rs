//! A regulation as a file says it: chapters, sections, clauses, and what they refer to.

mod clause;
mod entry;
mod part;

pub use clause::{Clause, Kind, Obligation, Way, WayKind};
pub use entry::{Decided, OptionEntry, Parameter, RoleEntry, Slip, Source, Unit, Value};
pub use part::CatalogueError;

use serde::Deserialize;

use crate::Text;

/// One regulation: of the government, or of a site.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// Its id: `2006`, or `site-…` of a site's own.
    pub id: String,
    /// Version of this catalogue, as `1.0.0`; it changes whenever what it says changes.
    pub version: String,
    /// Its name.
    pub title: Text,
    /// What it was made from.
    pub source: Source,
    /// Roles that owe something.
    pub roles: Vec<RoleEntry>,
    /// Conditions that a site may be under.
    pub options: Vec<OptionEntry>,
    /// What a site sets for itself.
    pub parameters: Vec<Parameter>,
    /// Slips of the source, and how they are read.
    pub slips: Vec<Slip>,
    /// Its chapters, in order.
    pub chapters: Vec<Chapter>,
}

/// A chapter.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// Its number in the source.
    pub number: u32,
    /// Its heading.
    pub title: Text,
    /// The role that the source addresses it to; absent where it is for all.
    pub audience: Option<String>,
    /// Its sections, in order.
    pub sections: Vec<Section>,
}

/// A section of a chapter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// The number of its chapter.
    pub chapter: u32,
    /// Its id, as `4.1`.
    pub id: String,
    /// Its heading.
    pub title: Text,
    /// Its clauses and their items, in order: an item stands after the clause that it is of.
    #[serde(rename = "clause", default)]
    pub clauses: Vec<Clause>,
}

impl Catalogue {
    /// All clauses and items, in order.
    pub fn clauses(&self) -> impl Iterator<Item = &Clause> {
        let sections = self.chapters.iter().flat_map(|chapter| &chapter.sections);
        sections.flat_map(|section| &section.clauses)
    }
}
