//! What a session tells its driver.

use message::Host;

use super::answer::{
    AuthAnswer, CredentialsAnswer, DataAnswer, EndAnswer, MailAnswer, PasswordAnswer, ProvedAnswer,
    RcptAnswer, StartTlsAnswer,
};
use crate::{
    sasl::{
        Mechanism,
        server::{Failure, PasswordClaim},
    },
    smtp::{Mail, Rcpt, Refusal, Transaction},
};

/// One thing that happened. An event that comes with an answer must be answered before the next is
/// asked for; an answer that was dropped counts as a temporary refusal (451).
#[derive(Debug)]
pub enum Event {
    /// Nothing more to do: write the output, read from the network, `feed`.
    NeedInput,
    /// EHLO or HELO came. Any open transaction is gone.
    Hello(Hello),
    /// STARTTLS came, and may be accepted.
    StartTls(StartTlsAnswer),
    /// Write the output, run the TLS handshake, then call `tls_started`. Nothing read before the
    /// handshake may be fed.
    Handshake,
    /// AUTH came: the driver allows the attempt and gives a nonce, or refuses.
    Auth(Mechanism, AuthAnswer),
    /// A password to check.
    Password(PasswordClaim, PasswordAnswer),
    /// SCRAM credentials to look up for an identity.
    Credentials(String, CredentialsAnswer),
    /// This identity has proved that it knows its password (SCRAM), and has not been told so; the driver lets it
    /// in or not. The number is that of the password, as in [`Step::Proved`](crate::sasl::server::Step::Proved).
    Proved(String, usize, ProvedAnswer),
    /// Who was accepted is logged in from now on, and the client was told.
    Authenticated(String),
    /// An authentication failed, and the client was told.
    AuthFailed(AuthFailed),
    /// MAIL came.
    Mail(Mail, MailAnswer),
    /// RCPT came.
    Rcpt(Rcpt, RcptAnswer),
    /// DATA, or the first BDAT, came; content follows if the driver accepts.
    Data(Transaction, DataAnswer),
    /// A piece of the content, dots removed. Pieces are not lines.
    Body(Vec<u8>),
    /// The content is complete and well-formed. Accepting takes responsibility for the message.
    EndOfData(EndOfData, EndAnswer),
    /// The open transaction came to nothing; what was gathered for it can go.
    Aborted(Abort),
    /// NOOP, VRFY, HELP or RSET came and was answered.
    Handled(&'static str),
    /// The session itself refused a command.
    Refused(Refused),
    /// The session is over: write the output, close the connection. Repeats when asked again.
    Closed(CloseReason),
}

/// EHLO or HELO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What the client calls itself: printable ASCII, at most 255 octets.
    pub name: String,
    /// The same, when it is a domain or an address literal.
    pub host: Option<Host>,
    /// Whether it was EHLO.
    pub extended: bool,
}

/// What is known of a complete content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndOfData {
    /// Octets that were given as [`Event::Body`].
    pub octets: u64,
    /// Whether it came by BDAT.
    pub chunked: bool,
    /// Whether an octet above 127 was in it.
    pub eight_bit: bool,
}

/// Why a transaction came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abort {
    /// RSET, a new EHLO or HELO, or STARTTLS.
    Reset,
    /// QUIT.
    Closed,
    /// The server ended the session in the middle of it, and the client was told this.
    Ended(Refusal),
    /// The content broke a rule and was refused.
    Content(ContentDefect, Refusal),
}

/// What is wrong with a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentDefect {
    /// A CR without LF, or an LF without CR: it could end the data for another server (SMTP smuggling).
    BareNewline,
    /// A line is longer than the limit.
    LineTooLong,
    /// The content is longer than the limit.
    TooBig,
    /// The driver gave up (`stop_body`).
    Stopped,
}

/// A command that the session refused by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the client wrote, made printable and shortened; only the verb of AUTH.
    pub command: String,
    /// What it was told.
    pub refusal: Refusal,
}

/// An authentication that failed before the driver had to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthFailed {
    /// The mechanism; `None` when the client named none that exists.
    pub mechanism: Option<Mechanism>,
    /// Whom the client claimed to be, as far as known.
    pub identity: Option<String>,
    /// Why.
    pub failure: Failure,
    /// What it was told.
    pub refusal: Refusal,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client said QUIT.
    Quit,
    /// A limit was reached; the client was told 421.
    Limit,
    /// A command had a bare CR or LF in it.
    BareNewline,
    /// The driver closed it.
    Driver,
}

/// What the client did on its way that well-behaved clients do not: evidence for screening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// It spoke before it was greeted.
    pub early_talker: bool,
    /// It sent a CR without LF, or an LF without CR.
    pub bare_newline: bool,
    /// It sent commands together with STARTTLS, in the hope that they survive it; they were thrown away.
    pub injection_at_starttls: bool,
}
