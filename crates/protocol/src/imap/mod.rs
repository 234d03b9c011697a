//! IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051), the serving side.
//!
//! Bytes of the client go into a [`Decoder`], which hands out [`Event`]s: a complete [`Command`], a request for a
//! continuation, a line of AUTHENTICATE or IDLE, or an error that wants its answer. Responses are written into an
//! [`Encoder`], whose bytes go to the client. Nothing here knows a socket, a mailbox or a clock, and nothing decides
//! what a client may do: the session that drives the two halves does.
//!
//! ```
//! use protocol::imap::{Command, Decoder, Encoder, Event, Limits, Status};
//!
//! let mut decoder = Decoder::new(Limits::default());
//! let mut encoder = Encoder::new();
//! decoder.feed(b"a1 LOGIN {5}\r\n");
//! let mut answers = Vec::new();
//! for more in [&b"taro@ \"pass word\"\r\n"[..], b"a2 NOOP\r\na3 WHAT\r\n"] {
//!     while let Some(event) = decoder.next_event() {
//!         match event {
//!             Event::NeedContinuation(_) => encoder.continuation("go on"),
//!             Event::Command(tagged) => match &tagged.command {
//!                 Command::Login { user, .. } => encoder.tagged(&tagged.tag, Status::Ok, None, user),
//!                 _ => encoder.tagged(&tagged.tag, Status::Ok, None, "done"),
//!             },
//!             Event::Error(error) => encoder.command_error(&error),
//!             Event::Line(_) => {}
//!         }
//!     }
//!     answers.extend(encoder.take());
//!     decoder.feed(more);
//! }
//! # while let Some(event) = decoder.next_event() {
//! #     match event {
//! #         Event::Command(tagged) => encoder.tagged(&tagged.tag, Status::Ok, None, "done"),
//! #         Event::Error(error) => encoder.command_error(&error),
//! #         _ => {}
//! #     }
//! # }
//! # answers.extend(encoder.take());
//! assert_eq!(
//!     String::from_utf8_lossy(&answers),
//!     "+ go on\r\na1 OK taro@\r\na2 OK done\r\na3 BAD unknown command\r\n"
//! );
//! ```
//!
//! What the driver has to do:
//!
//! * Ask [`Decoder::next_event`] until it says `None`, then feed more. What the decoder holds is bounded by [`Limits`].
//! * On [`Event::NeedContinuation`] send [`Encoder::continuation`], or call [`Decoder::refuse_literal`] and answer NO
//!   (an APPEND to a mailbox that is full or does not exist costs no transfer that way). Sizes beyond the limits never
//!   get that far: they come as [`Event::Error`] with `TOOBIG` or `LIMIT`, and a non-synchronising literal is read and
//!   thrown away.
//! * On AUTHENTICATE send [`Encoder::challenge`], on IDLE [`Encoder::continuation`], and each time say
//!   [`Decoder::await_line`]. The line comes as [`Event::Line`].
//! * On STARTTLS send OK, then [`Decoder::discard`].
//! * After authentication call [`Decoder::set_authenticated`]; before it, no literal may be larger than an ordinary
//!   one. After `ENABLE IMAP4rev2` call [`Decoder::set_utf8`] and [`Encoder::set_utf8`].
//!
//! Responses with many parts are written as they are found: [`Encoder::fetch`] gives a [`FetchWriter`] that writes
//! straight into the buffer. Message numbers come as a [`SequenceSet`], which [`SequenceSet::resolve`] turns into a
//! [`NumberSet`] of sorted ranges: it stays small whatever the client wrote, so clip it to what exists before going
//! through it.

mod capability;
pub mod command;
mod date;
mod decoder;
mod flag;
mod limits;
mod name;
mod parse;
pub mod response;
mod secret;
mod section;
mod sequence;
mod utf7;

pub use capability::{CapabilityState, capabilities};
pub use command::{
    Append, AppendMessage, Command, Fetch, FetchItem, List, ListReturn, ListSelection, MessageSet,
    QResync, Search, SearchKey, SearchReturn, Select, Sort, SortCriterion, SortKey, SpecialUse,
    StatusItem, Store, StoreAction, Tag, Tagged, Thread, ThreadAlgorithm,
};
pub use date::{DateTime, parse_date};
pub use decoder::{AwaitedLine, CommandError, Decoder, Event, Literal};
pub use flag::{Flag, FlagList, Keyword, SystemFlags};
pub use limits::Limits;
pub use name::{DELIMITER, INBOX, ListPattern, MailboxName};
pub use parse::ParseError;
pub use response::{
    Encoder, FetchWriter, ListAttributes, ListEntry, QuotaResource, ResponseCode, SearchResult,
    Status, StatusData, ThreadNode, literal_pieces,
};
pub use secret::Secret;
pub use section::{Partial, Section, SectionText};
pub use sequence::{Bound, NumberSet, SequenceSet, SequenceSetError};
