//! What a client tells its driver.

use message::StatusCode;

use super::ReplyError;
use crate::{sasl, smtp::Reply};

/// How far a session or transaction had come. The driver also takes its time limits from it
/// (RFC 5321, section 4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Waiting for the greeting.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// Between transactions.
    Idle,
    /// RSET before a new transaction.
    Reset,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, until 354.
    Data,
    /// The content, until its end is sent.
    Body,
    /// The end of data was sent; its reply has not come.
    EndOfData,
    /// QUIT.
    Quit,
}

impl Stage {
    /// Whether the server may have taken the message although no reply came, so that sending it again
    /// may make it arrive twice (RFC 1047).
    #[must_use]
    pub fn may_have_been_taken(self) -> bool {
        self == Self::EndOfData
    }
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server took responsibility: its reply to the end of data.
    Delivered(Reply),
    /// The server refused, for now (4xx) or for good (5xx), at this stage.
    Refused(Stage, Reply),
    /// The connection broke or the server talked nonsense at this stage. To be tried again; see
    /// [`Stage::may_have_been_taken`].
    Lost(Stage, Loss),
}

/// How a connection came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// It broke, or the driver gave it up.
    #[error("the connection was lost")]
    Connection,
    /// The server's octets make no sense.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// The driver gave up on the content, or the content cannot be sent by DATA.
    #[error("the content could not be sent")]
    Content,
}

/// The end of a transaction: one outcome for each recipient, in the order they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The outcomes.
    pub outcomes: Vec<Outcome>,
    /// Whether the session can take another transaction.
    pub reusable: bool,
}

/// Why a session came to nothing outside of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server refused.
    #[error("the server refused at {0:?}: {1}")]
    Refused(Stage, Reply),
    /// TLS is required and the server does not offer it.
    #[error("the server does not offer STARTTLS")]
    NoTls,
    /// Credentials are set, and the server offers no mechanism that may be used (or there is no TLS).
    #[error("the server offers no usable authentication mechanism")]
    NoMechanism,
    /// The exchange failed on this side.
    #[error("authentication failed: {0}")]
    Auth(#[from] sasl::client::Error),
    /// The connection broke, or the server talked nonsense.
    #[error("at {0:?}: {1}")]
    Lost(Stage, Loss),
}

/// Why a transaction cannot be sent to this server at all. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// The session is not ready for a transaction.
    #[error("the session is not ready for a transaction")]
    NotReady,
    /// There is no recipient.
    #[error("the transaction has no recipient")]
    NoRecipients,
    /// More recipients than the server takes at once (RFC 9422): split them.
    #[error("the server takes {0} recipients at a time")]
    TooManyRecipients(usize),
    /// The message needs SMTPUTF8.
    #[error("the server does not offer SMTPUTF8")]
    SmtpUtf8,
    /// The message needs 8BITMIME.
    #[error("the server does not offer 8BITMIME")]
    EightBitMime,
    /// The message needs BINARYMIME (and CHUNKING, and PIPELINING).
    #[error("the server does not offer BINARYMIME")]
    BinaryMime,
    /// The message demands REQUIRETLS.
    #[error("the server does not offer REQUIRETLS, or there is no TLS")]
    RequireTls,
    /// The message is bigger than the server takes.
    #[error("the server takes messages up to {0} octets")]
    TooBig(u64),
}

impl Unsendable {
    /// The status for a notification, where the message cannot go there unless it is changed.
    #[must_use]
    pub fn status(self) -> Option<StatusCode> {
        match self {
            Self::NotReady | Self::NoRecipients | Self::TooManyRecipients(_) => None,
            Self::SmtpUtf8 => Some(StatusCode::permanent(6, 7)),
            Self::EightBitMime | Self::BinaryMime => Some(StatusCode::permanent(6, 3)),
            Self::RequireTls => Some(StatusCode::permanent(7, 30)),
            Self::TooBig(_) => Some(StatusCode::permanent(3, 4)),
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing more to do: write the output, read from the network, `feed`.
    NeedInput,
    /// Write the output, run the TLS handshake, then call `tls_started`.
    Handshake,
    /// The session can take a transaction (`send`), or `quit`.
    Ready,
    /// Give the content with `body`, then `end_body`. Repeats until then.
    Body,
    /// A transaction is over.
    Finished(Delivery),
    /// The session came to nothing, outside of a transaction. [`Event::Closed`] follows.
    Failed(Failure),
    /// The session is over: write the output, close the connection. Repeats when asked again.
    Closed,
}
