//! Reports about TLS between servers (RFC 8460): domains are told how connections to their servers came to be, and what others tell of
//! own servers is read.
//!
//! What is told is counted by [`store::tls_report`] in the commit that notes what became of the message that the connection was made
//! for, and is taken out in the commit that sends the report; so a crash neither loses a session nor tells of one twice. What is received
//! is kept as events in the commit of the message that it came in.

mod receive;
mod send;
mod sessions;

use message::Address;

pub use crate::dmarc_reports::Reporter;
pub(crate) use receive::{Mark, Received, events, look};
pub use send::{Sent, due_days, finish, send};
pub(crate) use sessions::{Ledger, Standing, Trouble};

/// What a site wants of such reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Who reports; `None`: nothing is counted, and nobody is told anything.
    pub reporter: Option<Reporter>,
    /// Where reports about own domains come to; `None`: nothing is looked for in mail.
    pub address: Option<Address>,
}
