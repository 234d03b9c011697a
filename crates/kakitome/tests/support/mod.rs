//! What the stories share: sites on their own loopback addresses, processes that end with their story,
//! conversations in SMTP and IMAP, and other people's programs.
#![allow(dead_code, unused_imports, reason = "each story uses a part")]

pub(crate) mod between;
pub(crate) mod browser;
pub(crate) mod chromium;
pub(crate) mod clamd;
pub(crate) mod disk;
pub(crate) mod dns;
pub(crate) mod dnssec;
pub(crate) mod dovecot;
pub(crate) mod engines;
pub(crate) mod imap;
pub(crate) mod line;
pub(crate) mod load;
pub(crate) mod message;
pub(crate) mod nobody;
pub(crate) mod parsedmarc;
pub(crate) mod place;
pub(crate) mod postfix;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod site;
pub(crate) mod smtp;
pub(crate) mod unbound;
pub(crate) mod writer;

pub(crate) use message::Letter;
pub(crate) use nobody::Nobody;
pub(crate) use parsedmarc::parsedmarc;
pub(crate) use place::{loopback, place};
pub(crate) use process::{Process, until};
pub(crate) use program::Program;
pub(crate) use site::{Person, Site};
