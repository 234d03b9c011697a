//! Why a conversation came to no end.

use std::{io, net::SocketAddr, time::Duration};

/// Octets of one line: eight times what SMTP allows for a reply (RFC 5321, section 4.5.3.1.5).
pub(crate) const LINE: usize = 4096;
/// Lines of one answer.
pub(crate) const LINES: usize = 200;
/// Octets that are read in one conversation.
pub(crate) const OCTETS: usize = 1 << 20;

/// Why a conversation came to no end.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No connection came to be.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The network broke.
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
    /// The server hung up.
    #[error("the server closed the connection")]
    Closed,
    /// The server took too long.
    #[error("no whole answer came within {0:?}")]
    Slow(Duration),
    /// A line without an end.
    #[error("a line of more than {LINE} octets came")]
    LongLine,
    /// An answer without an end.
    #[error("an answer of more than {LINES} lines came")]
    ManyLines,
    /// A conversation without an end.
    #[error("more than {OCTETS} octets came")]
    ManyOctets,
    /// What came is not of the protocol.
    #[error("{0:?} is no answer of this protocol")]
    Garbled(String),
    /// The handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    /// STARTTLS is neither offered nor taken.
    #[error("TLS cannot be begun: the server answers {0:?} to STARTTLS")]
    NoTls(String),
    /// The server did not go along.
    #[error("the server answers {answer:?} to {command:?}")]
    Refused {
        /// What was asked.
        command: String,
        /// What it said.
        answer: String,
    },
    /// The plan does not allow what the check needs.
    #[error("{0}")]
    NotAllowed(&'static str),
}

/// What went wrong with a connection that was there.
pub(crate) fn broken(error: io::Error) -> Trouble {
    match error.kind() {
        // Servers hang up without TLS' farewell, and while there is something unread.
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => Trouble::Closed,
        _ => Trouble::Broken(error),
    }
}
