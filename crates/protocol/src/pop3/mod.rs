//! POP3 (RFC 1939 with RFC 2449, 2595, 3206, 5034, 6856), the serving side.
//!
//! Bytes of the client go into a [`Decoder`], which hands out [`Event`]s; answers are written by an [`Encoder`]. The
//! state of a session is a type: an [`Authorization`] becomes a [`Transaction`] becomes an [`Update`], and only the
//! middle one has a maildrop to delete from. Nothing here knows a socket, a mailbox or a clock.
//!
//! ```
//! use protocol::pop3::{Command, Decoder, Encoder, Event, Limits, Listed, Transaction};
//!
//! let mut decoder = Decoder::new(Limits::default());
//! let mut encoder = Encoder::new();
//! // The driver authenticated the client and locked its maildrop.
//! let mut session = Transaction::new(vec![Listed { size: 120, uid: "u1".into() }, Listed { size: 80, uid: "u2".into() }]);
//! decoder.feed(b"STAT\r\nDELE 1\r\nUIDL\r\nQUIT\r\n");
//! while let Some(event) = decoder.next_event() {
//!     let Event::Command(command) = event else { continue };
//!     match command {
//!         Command::Quit => encoder.ok("bye"),
//!         command => session.answer(&command, &mut encoder).expect("needs no message"),
//!     }
//! }
//! assert_eq!(encoder.bytes(), b"+OK 2 200\r\n+OK deleted\r\n+OK\r\n2 u2\r\n.\r\n+OK bye\r\n");
//! assert_eq!(session.quit().deleted, [0]);
//! ```
//!
//! What the driver has to do:
//!
//! * Ask [`Decoder::next_event`] until it says `None`, then feed more (PIPELINING needs no more than that).
//! * Hand USER, PASS, AUTH, STLS and CAPA to its own code by state; after AUTH say [`Decoder::await_line`], and after
//!   STLS [`Decoder::discard`].
//! * Answer RETR and TOP with [`Encoder::message`] and [`Encoder::top`]; [`Transaction::answer`] does all other
//!   commands of the transaction state, and hands those that need a message back.

mod command;
mod decoder;
mod encoder;
mod state;

pub use command::{Command, CommandError};
pub use decoder::{Decoder, Event, Limits};
pub use encoder::{Capabilities, Encoder, ResponseCode};
pub use state::{Authorization, Listed, NeedsMessage, Transaction, Update};

pub use crate::imap::Secret;
