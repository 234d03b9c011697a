//! Headers: fields with their exact places, and what stands in them.
//!
//! A field's value comes in two readings. [`Field::unfolded`] is the text as the sender wrote it: one line,
//! UTF-8, encoded words untouched; it is what IMAP ENVELOPE carries. [`Field::text`] also decodes encoded words
//! (RFC 2047), for people and for searching.
//!
//! ```
//! use message::{Limits, header::Header};
//! let raw = b"Subject: =?ISO-2022-JP?B?GyRCMnE1RBsoQg==?=\r\nTo: a@x.jp\r\n\r\nbody";
//! let header = Header::parse(raw, &Limits::default());
//! assert_eq!(header.text("subject").unwrap(), "会議");
//! assert_eq!(&raw[header.body_start()..], b"body");
//! ```

mod addresses;
mod content;
mod date;
mod fields;
mod ids;
mod lex;
mod params;
mod results;
mod words;

pub use addresses::{AddressItem, Mailbox, parse_addresses};
pub use content::{ContentType, Disposition, parse_languages};
pub use date::{SentDate, format_date, parse_date};
pub use fields::{Field, Header, select_fields};
pub use ids::{parse_id, parse_ids};
pub use params::Params;
pub use results::{remove_fields, remove_results_of};
pub use words::{decode_words, encode_words};

pub(crate) use fields::{is_blank, line_end};
