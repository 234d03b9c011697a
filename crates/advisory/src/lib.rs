//! Vulnerabilities as data (clauses 4.3 and 8.3): feeds in the formats that their publishers use, inventories of software, and
//! which of the one touches the other.
//!
//! A leaf: it opens nothing by itself. [`feed::read`] takes octets that somebody opened and hands on one [`feed::Entry`] after the
//! other; [`matching::touches`] holds an [`Advisory`] against an [`inventory::Item`]; [`csaf`] and [`sbom`] write what is shared.
//!
//! *Whatever a feed says is hostile until it is read within bounds* ([`Limits`]): octets, records, lengths and depth. A record that
//! cannot be read is told and skipped; a file that cannot be read is an error, and the caller keeps what it had.

pub mod csaf;
pub mod feed;
pub mod inventory;
mod limits;
pub mod matching;
mod record;
pub mod sbom;
pub mod version;
mod xml;

pub use limits::Limits;
pub(crate) use record::is_cve as record_is_cve;
pub use record::{
    Advisory, Affected, Change, Mark, Point, Reference, Rule, Severity, Source, Status, Stretch,
    What,
};
pub use xml::XmlError;
