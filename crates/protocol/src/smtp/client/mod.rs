//! The sending side: to other servers, and to smarthosts.
//!
//! ```text
//!  network ─▶ feed ─▶ Client ─▶ next_event ─▶ driver
//!  network ◀─ take_output ◀──┘ ◀── send / body / end_body / quit ──┘
//! ```
//!
//! Greeting, EHLO (HELO where that is all there is), STARTTLS and AUTH run by themselves as [`Config`]
//! says; then [`Event::Ready`] comes, and any number of transactions can follow. Each ends in
//! [`Event::Finished`] with one [`Outcome`] for each recipient, whatever happens: an outcome tells at which
//! [`Stage`] things went wrong, so also whether the end of data was sent
//! ([`Stage::may_have_been_taken`]).
//!
//! ```
//! use protocol::smtp::{Mail, Rcpt, ReversePath, Transaction};
//! use protocol::smtp::client::{Client, Config, Event, Outcome};
//!
//! let mut client = Client::new(Config::new("mail.example.jp"));
//! client.feed(b"220 mx.example.com ESMTP\r\n");
//! assert_eq!(client.next_event(), Event::NeedInput);
//! assert_eq!(client.take_output(), b"EHLO mail.example.jp\r\n");
//! client.feed(b"250-mx.example.com\r\n250 PIPELINING\r\n");
//! assert_eq!(client.next_event(), Event::Ready);
//!
//! client.send(&Transaction {
//!     mail: Mail::from(ReversePath::Null),
//!     recipients: vec![Rcpt::to("b@example.com".parse::<message::Address>().unwrap().into())],
//! }).unwrap();
//! assert_eq!(client.take_output(), b"MAIL FROM:<>\r\nRCPT TO:<b@example.com>\r\n");
//! client.feed(b"250 2.1.0 OK\r\n250 2.1.5 OK\r\n");
//! assert_eq!(client.next_event(), Event::NeedInput);
//! assert_eq!(client.take_output(), b"DATA\r\n");
//! client.feed(b"354 go on\r\n");
//! assert_eq!(client.next_event(), Event::Body);
//! client.body(b".hidden\r\n").unwrap();
//! client.end_body().unwrap();
//! assert_eq!(client.take_output(), b"..hidden\r\n.\r\n");
//! client.feed(b"250 2.0.0 taken\r\n");
//! let Event::Finished(delivery) = client.next_event() else { panic!() };
//! assert!(matches!(&delivery.outcomes[..], [Outcome::Delivered(_)]));
//! ```

mod capabilities;
mod config;
mod outcome;
mod reply_reader;
mod session;
mod stuffing;
#[cfg(test)]
mod tests;

pub use capabilities::Capabilities;
pub use config::{Config, Limits, Login, TlsPolicy};
pub use outcome::{Delivery, Event, Failure, Loss, Outcome, Stage, Unsendable};
pub use reply_reader::ReplyError;
pub use session::Client;
