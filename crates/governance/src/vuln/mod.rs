//! Software, the vulnerabilities that feeds tell of, and the course of each case (clauses 4.3(1) to (5), 8.3(4) to (6)).
//!
//! ```text
//! inventory ─┐
//! feeds ─────┴─► case: reported → planned → approved → ordered → accepted → [tested] → executed → verified → closed
//! ```
//!
//! The server lists the software ([`inventory::list`]), reads feeds ([`import`]) and opens cases; everything after that is a step that
//! a person takes ([`act`]), in one commit with its event. *Nothing closes itself*: also a case whose software is not touched any more
//! waits for its execution to be recorded, or for an officer who says that it does not matter. A closed case is opened again when
//! software is touched that it was not closed with.

pub mod act;
pub mod case;
pub mod export;
pub mod import;
pub mod inventory;
mod names;
pub mod plan;
mod standing;
mod table;
mod times;

use directory::Role;

pub use standing::{FeedStanding, Standing, standing};

/// Who may look.
pub(crate) const READERS: &[Role] = &Role::OFFICERS;
/// Who finds, reports and carries out.
pub(crate) const ADMINISTRATORS: &[Role] = &[Role::Administrator];
/// Who plans, orders and ends.
pub(crate) const OFFICERS: &[Role] = &[Role::SystemOfficer];
/// Who approves.
pub(crate) const APPROVERS: &[Role] = &[Role::SystemOfficer, Role::SecurityOfficer];
