//! SMTP, IMAP, POP3 and SASL as sans-IO state machines.
//!
//! This room turns bytes into events and answers into bytes. It holds no socket, no database, no
//! policy, no clock and no randomness: whoever drives a session brings those. What a peer may send is
//! bounded by named limits, and every session costs a bounded amount of memory whatever arrives.
//!
//! | module | what it speaks | page |
//! |---|---|---|
//! | [`smtp`] | SMTP and submission, receiving and sending | RFC 5321, 6409 and their extensions |
//! | [`sasl`] | authentication exchanges for all the others | RFC 4422, 4616, 5802, 7677 |
//! | [`imap`] | IMAP4rev1 and IMAP4rev2, the serving side | RFC 3501, 9051 |
//! | [`pop3`] | POP3, the serving side | RFC 1939, 2449, 2595 |
//!
//! The shape is the same everywhere. Bytes that came from the network go in through `feed` (or
//! `receive`); the driver then asks for the next event until there is none, answers each event that
//! wants an answer, and writes out whatever bytes the session has ready. Each module's page has an
//! example.

pub mod imap;
pub mod pop3;
pub mod sasl;
pub mod smtp;
