//! What became of a recipient in one attempt.

use std::net::IpAddr;

use message::StatusCode;
use store::AccountId;

/// What became of a recipient in one attempt, and who said so.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// What became of it.
    pub(crate) fate: Fate,
    /// The server that was spoken to, if one was.
    pub(crate) remote: Option<Remote>,
}

/// What became of a recipient.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// The next server took responsibility.
    Relayed {
        /// Its reply.
        reply: String,
        /// Whether it was given the DSN parameters, so that it will notify.
        dsn_passed: bool,
        /// Whether it took 8-bit text without having offered to.
        eight_bit_forced: bool,
    },
    /// Goes into mailboxes here, in the commit that writes this outcome.
    Local {
        /// Whose.
        accounts: Vec<AccountId>,
    },
    /// Not now.
    Deferred {
        /// What kind of failure.
        status: StatusCode,
        /// The reply, or the error in words.
        reply: String,
    },
    /// Never.
    Failed {
        /// What kind of failure.
        status: StatusCode,
        /// The reply, or the error in words.
        reply: String,
    },
}

/// A server that was spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Its name, as DNS or settings gave it.
    pub(crate) host: String,
    /// Its address.
    pub(crate) address: IpAddr,
    /// What was demanded of the connection, in the word that events have.
    pub(crate) policy: &'static str,
    /// Its TLS, if it got so far.
    pub(crate) tls: Option<RemoteTls>,
}

/// The TLS of a connection to another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteTls {
    /// Its version.
    pub(crate) version: String,
    /// Its cipher suite.
    pub(crate) cipher: String,
    /// Whether it is known who is on the other side.
    pub(crate) verified: bool,
}

impl Outcome {
    /// Not now, for a reason of one's own.
    pub(crate) fn deferred(status: StatusCode, reply: impl Into<String>) -> Self {
        Self {
            fate: Fate::Deferred {
                status,
                reply: reply.into(),
            },
            remote: None,
        }
    }

    /// Never, for a reason of one's own.
    pub(crate) fn failed(status: StatusCode, reply: impl Into<String>) -> Self {
        Self {
            fate: Fate::Failed {
                status,
                reply: reply.into(),
            },
            remote: None,
        }
    }

    /// The same, said by `remote`.
    #[must_use]
    pub(crate) fn by(mut self, remote: Option<&Remote>) -> Self {
        self.remote = remote.cloned();
        self
    }

    /// The reply or error in words.
    pub(crate) fn reply(&self) -> &str {
        match &self.fate {
            Fate::Relayed { reply, .. }
            | Fate::Deferred { reply, .. }
            | Fate::Failed { reply, .. } => reply,
            Fate::Local { .. } => "delivered",
        }
    }
}
