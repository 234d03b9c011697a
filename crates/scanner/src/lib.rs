//! The process that looks into messages: it opens what hostile people have packed, and so it has no rights.
//!
//! [`run`] is the body of the program `kakitome-scanner`. It gives up every right ([`Rights`]), says that it is ready, and then
//! reads messages from its standard input and writes [`malware::Facts`] to its standard output (room `malware` has the frames).
//! [`inspect`] is the looking itself: a function of octets and limits. [`inspect_each`] shows each file to somebody else as well: room
//! `yara` holds its rules against them.
//!
//! | file | what it knows |
//! |---|---|
//! | `inspector` | the walk: parts, files, what lies in them, and the limits of it |
//! | `mail`, `uuencode` | messages, and messages and files in messages |
//! | `archive` | zip, 7z, tar, gzip, bzip2, xz, LZH and CAB; which others there are |
//! | `form` | what a file is by its first octets |
//! | `name` | what a name claims, and how it deceives |
//! | `office`, `page` | code and passwords in documents; pages that bring files |
//! | `rights` | landlock, seccomp, resource limits |
//!
//! # What it never does
//!
//! It decides nothing and keeps nothing. What lies behind a limit is noted, never passed over. It trusts none of the libraries
//! that unpack: an archive that one of them panics over is noted as damaged; a fault, or memory that is not to be had, ends the
//! process, and the server takes that for "not inspected".
//! Archives are unpacked into memory only, and no name out of one is ever a path here.
//!
//! ```
//! let message = b"Content-Type: application/pdf; name=\"bill.pdf.exe\"\r\n\r\nMZ";
//! let facts = scanner::inspect(message, malware::Limits::default());
//! assert!(facts.concerns.contains(&malware::Concern::Tricks));
//! ```

mod archive;
mod deed;
mod form;
mod inspector;
mod mail;
mod name;
mod office;
mod page;
mod rights;
mod uuencode;
mod worker;

pub use deed::{Deed, UnknownDeed};
pub use inspector::{Each, inspect, inspect_each};
pub use rights::{Rights, RightsError, Start};
pub use worker::run;
