//! The process that looks into messages: it opens what hostile people have packed, and so it has no rights.
//!
//! [`run`] is the body of the program `kakitome-scanner`. It gives up every right ([`Rights`]), says that it is ready, and then
//! reads messages from its standard input and writes [`malware::Facts`] to its standard output (room `malware` has the frames).
//! [`inspect`] is the looking itself: the walk of room `malware`, and the archives that it comes to. [`inspect_each`] shows each file to
//! somebody else as well: room `yara` holds its rules against them.
//!
//! | file | what it knows |
//! |---|---|
//! | `archive` | zip, 7z, tar, gzip, bzip2, xz, LZH and CAB; which others there are |
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
mod rights;
mod worker;

use malware::{
    Facts, Limits,
    walk::{self, Each},
};

pub use deed::{Deed, UnknownDeed};
pub use rights::{Rights, RightsError, Start};
pub use worker::run;

/// What can be seen in `message` within the limits.
#[must_use]
pub fn inspect(message: &[u8], limits: Limits) -> Facts {
    inspect_each(message, limits, &mut |_, _| {})
}

/// The same, and each file is shown to `each`, as [`malware::walk::walk`] does.
#[must_use]
pub fn inspect_each(message: &[u8], limits: Limits, each: &mut Each<'_>) -> Facts {
    walk::walk(message, limits, archive::open, each)
}
