//! SMTP, the receiving and the sending side (RFC 5321).
//!
//! [`server`] takes mail from other servers and from mail programs; [`client`] hands mail to
//! other servers. Both are fed with bytes and give events and bytes; each page has a picture and an
//! example. What they share is here: paths and their parameters ([`Mail`], [`Rcpt`]), and replies
//! ([`Reply`], [`Refusal`]) in which the reply code decides the class of the enhanced status code.
//!
//! Extensions: PIPELINING, SIZE, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, STARTTLS, DSN, CHUNKING,
//! BINARYMIME, REQUIRETLS, LIMITS, AUTH.
//!
//! ```
//! use protocol::smtp::{Detail, Refusal};
//! let refusal = Refusal::new::<550>(Detail::BAD_MAILBOX, "No such mailbox");
//! assert_eq!(refusal.to_string(), "550 5.1.1 No such mailbox");
//! ```

pub mod client;
mod envelope;
mod reply;
pub mod server;
mod xtext;

pub use envelope::{
    BodyKind, ForwardPath, Mail, Notify, Orcpt, Rcpt, Ret, ReversePath, Transaction,
};
pub use reply::{Detail, Refusal, Reply};
