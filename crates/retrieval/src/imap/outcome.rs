//! How a command ends.

use std::{borrow::Cow, io};

use protocol::imap::ResponseCode;
use store::{Error, Refusal};

use crate::audit::End;

/// A command was carried out: the tagged OK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Response code.
    pub code: Option<ResponseCode>,
    /// For people.
    pub text: &'static str,
}

impl Done {
    pub(crate) fn new(text: &'static str) -> Self {
        Self { code: None, text }
    }

    pub(crate) fn with(code: ResponseCode, text: &'static str) -> Self {
        Self {
            code: Some(code),
            text,
        }
    }
}

/// A command was not carried out, or not wholly.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Tagged NO.
    No {
        /// Response code.
        code: Option<ResponseCode>,
        /// For people.
        text: Cow<'static, str>,
    },
    /// Tagged BAD.
    Bad(&'static str),
    /// The session ends.
    End(End),
}

/// The result of a command.
pub(crate) type Outcome = Result<Done, Stop>;

impl Stop {
    pub(crate) fn no(code: ResponseCode, text: &'static str) -> Self {
        Self::No {
            code: Some(code),
            text: text.into(),
        }
    }
}

impl From<End> for Stop {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::End(End::from(error))
    }
}

impl From<Error> for Stop {
    /// Codes of RFC 5530 and RFC 9208. The peer learns what to do, the log what happened.
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Refused(refusal) => return refused(refusal),
            Error::Full
            | Error::ReadOnly(_)
            | Error::Closed
            | Error::Locked { .. }
            | Error::Io { .. } => ResponseCode::Unavailable,
            Error::NotFound(_) => ResponseCode::NonExistent,
            Error::Corrupt(_) => ResponseCode::Corruption,
            _ => ResponseCode::ServerBug,
        };
        tracing::error!(%error, "the mail store refused a command");
        Self::no(code, "The mail store cannot do this now")
    }
}

fn refused(refusal: &Refusal) -> Stop {
    let code = match refusal {
        Refusal::MailboxExists(_) => ResponseCode::AlreadyExists,
        Refusal::NoMailbox(_) => ResponseCode::NonExistent,
        Refusal::SpecialUseTaken(_) => ResponseCode::UseAttr,
        Refusal::Limit(_) => ResponseCode::Limit,
        Refusal::OverQuota => ResponseCode::OverQuota,
        _ => ResponseCode::Cannot,
    };
    Stop::No {
        code: Some(code),
        text: refusal.to_string().into(),
    }
}

/// For a command that puts messages into a mailbox: when it does not exist, the client may make it (RFC 9051, section 7.1).
pub(crate) fn or_try_create(error: Error) -> Stop {
    match error {
        Error::Refused(Refusal::NoMailbox(_)) => {
            Stop::no(ResponseCode::TryCreate, "There is no such mailbox")
        }
        other => other.into(),
    }
}
