//! The receiving side: exchange and submission.
//!
//! ```text
//!  network ─▶ feed ─▶ Session ─▶ next_event ─▶ driver
//!  network ◀─ take_output ◀──┘ ◀── answer.accept / refuse ──┘
//! ```
//!
//! The driver asks for events until there is none. Most come with an answer, a value that can be used
//! once: nothing else is read from the client until it is used, so commands sent ahead (PIPELINING)
//! are safe. An answer that is dropped tells the client 451. The session keeps the order of commands, the
//! limits and the grammar; the driver decides only about people and mail.
//!
//! ```
//! use std::sync::Arc;
//! use protocol::smtp::server::{Config, Event, Session};
//!
//! let mut session = Session::new(Arc::new(Config::exchange("mx.example.jp")));
//! session.greet("ESMTP");
//! session.feed(b"EHLO c.example\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\n");
//! session.feed(b"Subject: hi\r\n\r\n..\r\n.\r\nQUIT\r\n");
//! let mut content = Vec::new();
//! loop {
//!     match session.next_event() {
//!         Event::Mail(_, answer) => answer.accept(&mut session),
//!         Event::Rcpt(_, answer) => answer.accept(&mut session),
//!         Event::Data(transaction, answer) => {
//!             assert_eq!(transaction.recipients.len(), 1);
//!             answer.accept(&mut session);
//!         }
//!         Event::Body(piece) => content.extend(piece),
//!         Event::EndOfData(_, answer) => answer.accept(&mut session, "queued"),
//!         Event::Closed(_) => break,
//!         Event::NeedInput => unreachable!("everything was fed"),
//!         _ => {}
//!     }
//! }
//! assert_eq!(content, b"Subject: hi\r\n\r\n.\r\n");
//! assert!(session.take_output().ends_with(b"250 2.0.0 queued\r\n221 2.0.0 Goodbye\r\n"));
//! ```

mod answer;
mod command;
mod config;
mod content;
mod event;
mod session;
#[cfg(test)]
mod tests;

pub use answer::{
    AuthAnswer, CredentialsAnswer, DataAnswer, EndAnswer, MailAnswer, PasswordAnswer, ProvedAnswer,
    RcptAnswer, StartTlsAnswer,
};
pub use config::{Config, Limits};
pub use event::{
    Abort, AuthFailed, CloseReason, ContentDefect, EndOfData, Event, Hello, Refused, Signals,
};
pub use session::Session;
