//! What an engine is told of a message beside its content.

use std::net::SocketAddr;

/// The session and the envelope of one message.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The message's id here.
    pub id: String,
    /// This server's name.
    pub hostname: String,
    /// `exchange` or `submission`.
    pub listener: &'static str,
    /// Where it came from.
    pub peer: SocketAddr,
    /// The name of that address, if it has one that has the address.
    pub peer_name: Option<String>,
    /// The name in HELO or EHLO; empty when there was none.
    pub hello: String,
    /// How the session is encrypted.
    pub tls: Option<Tls>,
    /// The identifier that logged in.
    pub login: Option<String>,
    /// How it proved itself; empty when it did not.
    pub mechanism: String,
    /// MAIL FROM; empty for the null sender.
    pub sender: String,
    /// The parameters of MAIL, as in `SIZE=100`.
    pub parameters: Vec<String>,
    /// The recipients, as they were accepted.
    pub recipients: Vec<String>,
}

/// How a session is encrypted.
#[derive(Clone, Debug)]
pub struct Tls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: String,
    /// The cipher suite.
    pub cipher: String,
}
