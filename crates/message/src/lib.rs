//! Mail as data: addresses, headers, MIME, charsets, delivery status notifications.
//!
//! This room reads and writes messages and does nothing else: it performs no I/O, reads no clock, and knows no
//! protocol session. Every message is taken as hostile. Readers never fail on one; they degrade within the
//! bounds of [`Limits`], in time linear in the message, and what they return are ranges of the original octets
//! or decoded copies. A message that is stored is never rewritten: servers put fields before it ([`build`]).
//!
//! | module | what it knows |
//! |---|---|
//! | [`address`] | [`Address`], [`Domain`] and [`Host`]: values that are valid and safe to write anywhere |
//! | [`header`] | fields with their places, encoded words, address lists, dates, identifiers, parameters |
//! | [`charset`] | text from labelled and unlabelled octets; the Japanese sets in all their dialects |
//! | [`mime`] | the tree of parts with exact places; IMAP section numbers |
//! | [`transfer`] | base64 and quoted-printable |
//! | [`envelope`] | IMAP ENVELOPE |
//! | [`Summary`] | envelope, structure and references in compact octets, to be kept beside the body |
//! | [`text`] | folding, searchable text, base subjects |
//! | [`build`] | `Received`, missing fields, removal of `Bcc` |
//! | [`dsn`] | delivery status notifications, written and read; xtext |
//! | [`dmarc_report`] | aggregate reports of DMARC, written and read |
//! | [`tls_report`] | reports about TLS between servers, written and read, and the record that asks for them |
//! | [`StatusCode`] | enhanced status codes |
//!
//! How a message goes through: the octets come from SMTP or IMAP APPEND; [`Summary::of`] reads what lists need, and
//! [`text`] what searches need; later, [`mime::Structure::section`] tells which octets a client asked for.
//!
//! ```
//! use message::{Limits, Summary, mime::Section, text};
//! let raw = b"From: Taro <taro@x.jp>\r\nSubject: =?ISO-2022-JP?B?GyRCMnE1RBsoQg==?=\r\n\r\nHello\r\n";
//! let limits = Limits::default();
//! let summary = Summary::of(raw, &limits);
//! assert_eq!(summary.subject(), "会議");
//! assert_eq!(&raw[summary.structure.section(&[1], Section::Body).unwrap()], b"Hello\r\n");
//! assert!(text::fold(&text::searchable_headers(raw, &limits)).contains("会議"));
//! ```

pub mod address;
pub mod bounce;
pub mod build;
pub mod charset;
pub mod dmarc_report;
pub mod dsn;
pub mod envelope;
pub mod feedback;
pub mod header;
mod limits;
pub mod mime;
mod status;
pub mod sts;
mod summary;
pub mod text;
pub mod tls_report;
pub mod transfer;

pub use address::{Address, AddressError, Domain, Host};
pub use envelope::Envelope;
pub use limits::Limits;
pub use status::{StatusClass, StatusCode};
pub use summary::{Summary, SummaryError};
