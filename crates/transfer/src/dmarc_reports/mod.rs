//! Aggregate reports of DMARC (RFC 9990): domains are told what came in their names, and what others tell of own domains is read.
//!
//! What is told is in the trail already, as the evidence of each message: [`send`] reads it there and adds it up, so nothing else
//! has to be kept, and what was not sent before a crash is sent after it. What is received is kept as events in the commit of the
//! message that it came in; the message itself goes where its address leads.

mod figures;
mod receive;
mod send;

use message::Address;

pub(crate) use receive::{Received, events, look};
pub use send::{Sent, last_days, send};

/// What a site wants of such reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Who reports; `None`: nobody is told anything.
    pub reporter: Option<Reporter>,
    /// Where reports about own domains come to; `None`: nothing is looked for in mail.
    pub address: Option<Address>,
}

/// Who reports to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// Name of the organisation.
    pub organisation: String,
    /// Address that reports are from, and that may be written to about them.
    pub contact: Address,
    /// Octets of a report as it is sent: a longer one goes nowhere. Default 10 MiB.
    pub most: u64,
}
