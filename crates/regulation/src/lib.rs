//! The regulation as data: what each clause demands, of whom, how often, and in which way the server meets it.
//!
//! A leaf: it does no I/O, reads no clock and knows no store. What a site has chosen, and how each clause stands, is handed in.
//!
//! A [`Catalogue`] is a regulation in TOML; the one of 2006 is built in, a site may add its own, and a later regulation is another
//! catalogue over the same machinery. A [`Regulation`] is all that a site has, checked against each other: every id once, every text in
//! both languages, every role, option, parameter and precondition that is named, known.
//!
//! ```
//! let regulation = regulation::Regulation::built_in()?;
//! let clause = regulation.clause("5.4-2").ok_or("no such clause")?;
//! assert_eq!(clause.owed_by, ["administrator"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Choices`] are a site's parameters and options, each within what the catalogue permits.

mod catalogue;
mod choices;
pub mod document;
mod facts;
mod listing;
pub mod oscal;
mod regulation;
mod schedule;
mod text;
mod wording;

pub use catalogue::{
    Catalogue, CatalogueError, Chapter, Clause, Decided, Kind, Obligation, OptionEntry, Parameter,
    RoleEntry, Section, Slip, Source, Unit, Value, Way, WayKind,
};
pub use choices::{ChoiceError, Choices};
pub use document::Document;
pub use facts::{Contact, Correction, Holder, Mark, SiteFacts, Standing};
pub use listing::listing;
pub use regulation::{File, LoadError, Regulation};
pub use schedule::{Period, PeriodUnit, Schedule, UnknownSchedule};
pub use text::{Language, Text};
pub use wording::citation;
