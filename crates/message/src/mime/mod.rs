//! The structure of a message: its parts and their exact places.
//!
//! Nothing here fails. What is broken is shown as the nearest thing that is not: a multipart without a boundary
//! is text, one without parts has one part, a part that nobody can look into is `application/octet-stream`.
//!
//! ```
//! use message::{Limits, mime::{Section, Structure}};
//! let raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b--\r\n";
//! let structure = Structure::parse(raw, &Limits::default());
//! let text = structure.section(&[1], Section::Body).unwrap();
//! assert_eq!(&raw[text], b"Hello");
//! ```

mod part;
mod section;
#[cfg(test)]
mod tests;
mod walk;

pub use part::{Content, Part};
pub use section::{Section, Structure};
