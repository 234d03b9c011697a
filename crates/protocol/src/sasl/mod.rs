//! Authentication exchanges for SMTP, IMAP and POP3, both sides (RFC 4422).
//!
//! The mechanisms are PLAIN, LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS. Which of them are offered is
//! the protocol's business ([`Mechanism::shows_password`] demands TLS, [`Mechanism::binds_channel`]
//! demands [`ChannelBindings`]).
//!
//! # How data enters and leaves
//!
//! A protocol session makes a [`server::Exchange`] with the chosen mechanism, a fresh [`Nonce`] (this
//! room has no randomness) and the connection's bindings. It hands in what the client sends, decoded
//! with [`wire`], and acts on each [`server::Step`]:
//!
//! ```text
//! start(initial) / respond(line) ──▶ Challenge    send it, read a line, respond()
//!                                ──▶ Password     check it: the verdict is the result
//!                                ──▶ Credentials  look them up (or a decoy), credentials()
//!                                ──▶ Proved       the proof is right: record it, accept()
//!                                ──▶ Done         the client has heard of it: let it in
//!                                ──▶ Failed       refuse
//! ```
//!
//! SCRAM's last server message is a challenge too, which the client answers with an empty line; that is
//! how SMTP, IMAP4rev1 and POP3 carry it.
//!
//! ```
//! use protocol::sasl::{ChannelBindings, Mechanism, Nonce, Secret, server::{Exchange, Step}};
//!
//! let nonce = Nonce::new([7; Nonce::RANDOM_LEN]);
//! let mut exchange = Exchange::new(Mechanism::Plain, nonce, ChannelBindings::none(), false);
//! match exchange.start(Some(&Secret::from("\0taro\0open sesame"))) {
//!     Step::Password(claim) => {
//!         assert_eq!(claim.identity, "taro");
//!         assert_eq!(claim.password, Secret::from("open sesame"));
//!     }
//!     other => panic!("{other:?}"),
//! }
//! ```

mod binding;
pub mod client;
mod mechanism;
mod prepare;
mod scram;
mod secret;
pub mod server;
pub mod wire;

pub use binding::ChannelBindings;
pub use mechanism::{Mechanism, UnknownMechanism};
pub use prepare::{MAX_IDENTITY, MAX_PASSWORD, prepare_identity, prepare_password};
pub use scram::{DEFAULT_ITERATIONS, Nonce, SALT_LEN, ScramCredentials, ScramKeys, ScramOffer};
pub use secret::Secret;
