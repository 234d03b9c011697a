//! The protocols from the client's side: prebuilt bytes out, replies checked and counted.

mod imap;
mod line;
mod pop3;
mod smtp;

pub(crate) use imap::Imap;
pub(crate) use line::{HOSTNAME, Line, Trust};
pub(crate) use pop3::Pop3;
pub(crate) use smtp::{Smtp, envelope};
