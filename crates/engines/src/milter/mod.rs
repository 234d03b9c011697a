//! A milter, driven wholly at the end of data: connect, envelope, header, body and end in one go, over a connection of the message's
//! own.
//!
//! `codec` knows the packets, `macros` what is told beside them, `edit` what may be changed, `talk` the conversation.

mod codec;
mod edit;
mod macros;
mod said;
mod talk;

use std::time::Duration;

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

pub use codec::{PacketError, Packets, Reply};
pub use edit::{Edit, EditError, edited};
pub use said::{Changes, MilterResult, MilterSaid};

use crate::{Address, Envelope, address::Connection};

/// Octets of all changes of the header of one message.
const MOST_ADDED: usize = 256 << 10;
/// Changes of the header of one message.
const MOST_EDITS: usize = 200;
/// Replies of one conversation, so that a milter that is always at work keeps nobody busy.
const MOST_REPLIES: usize = 20_000;

/// How a milter is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MilterLimits {
    /// Messages at once; further ones wait within their time. Default 20.
    pub concurrency: usize,
    /// For a connection. Default 5 s.
    pub connect_time: Duration,
    /// For the reply to each step before the end. Default 10 s.
    pub command_time: Duration,
    /// For the reply to the end of the message; a milter that says that it is still at work gets it again. Default 60 s.
    pub end_time: Duration,
    /// For all of one message, whatever the milter says. Default 2 min.
    pub time: Duration,
    /// Octets of a new body. Default 50 MiB.
    pub body_octets: usize,
}

impl Default for MilterLimits {
    fn default() -> Self {
        Self {
            concurrency: 20,
            connect_time: Duration::from_secs(5),
            command_time: Duration::from_secs(10),
            end_time: Duration::from_secs(60),
            time: Duration::from_secs(120),
            body_octets: 50 << 20,
        }
    }
}

/// What a milter may change. Setting the message apart is always its right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct May {
    /// Fields of the header. Default true.
    pub fields: bool,
    /// The body. Default false.
    pub body: bool,
}

impl Default for May {
    fn default() -> Self {
        Self {
            fields: true,
            body: false,
        }
    }
}

/// Whether a milter can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It agreed on how to speak.
    Well,
    /// It did not.
    Down(String),
}

/// Why a milter said nothing of a message that could be used.
#[derive(Debug, thiserror::Error)]
pub enum MilterError {
    /// There is nobody.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
    /// It did not answer in time.
    #[error("no answer in time")]
    Slow,
    /// It and this side do not agree on how to speak.
    #[error("nothing was agreed on: {0}")]
    Disagreed(String),
    /// It answered before it was asked.
    #[error("it answered before it was asked")]
    Early,
    /// It said something that is none of the protocol's.
    #[error("it sent {0}")]
    Packet(#[from] PacketError),
    /// It answered something else than the step may be answered with.
    #[error("its answer does not belong here")]
    Misplaced,
    /// It asked for a change that would break the message.
    #[error("it asked for {0}")]
    Edit(#[from] EditError),
    /// It asked for more than it may.
    #[error("it asked for {0}, which it may not")]
    MayNot(&'static str),
    /// It asked for too much, or said too much.
    #[error("it asked for more than {0}")]
    TooMuch(&'static str),
}

/// A milter at one address.
#[derive(Debug)]
pub struct Milter {
    name: String,
    address: Address,
    may: May,
    limits: MilterLimits,
    free: Semaphore,
}

impl Milter {
    /// The milter `name` at `address`. Nothing is connected yet.
    #[must_use]
    pub fn new(name: &str, address: Address, may: May, limits: MilterLimits) -> Self {
        Self {
            name: name.to_owned(),
            address,
            may,
            free: Semaphore::new(limits.concurrency),
            limits,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may change.
    #[must_use]
    pub fn may(&self) -> May {
        self.may
    }

    /// Shows it a message. Never fails: who says nothing is told of with the reason, and of him nothing is changed.
    pub async fn show(&self, envelope: &Envelope, message: &[u8]) -> (MilterSaid, Changes) {
        let by = Instant::now() + self.limits.time;
        let mut at = "connect";
        let talking = async {
            // Never closed.
            let Ok(_free) = self.free.acquire().await else {
                return Err(MilterError::Slow);
            };
            let connection = self.connect().await?;
            let mut talk = talk::Talk::new(connection, self, &mut at);
            talk.show(envelope, message).await
        };
        let ended = timeout_at(by, talking).await;
        match ended.unwrap_or(Err(MilterError::Slow)) {
            Ok((mut said, changes)) => {
                said.note_changes(&changes);
                (said, changes)
            }
            Err(error) => {
                tracing::warn!(milter = self.name, at, %error, "a milter failed");
                let said = MilterSaid::new(&self.name, MilterResult::Failed, at);
                (said.because(&error.to_string()), Changes::default())
            }
        }
    }

    /// Whether it can be used: whether it agrees on how to speak.
    pub async fn probe(&self) -> Mood {
        let mut at = "connect";
        let asking = async {
            let connection = self.connect().await?;
            talk::Talk::new(connection, self, &mut at)
                .agree_only()
                .await
        };
        let by = Instant::now() + self.limits.time;
        match timeout_at(by, asking)
            .await
            .unwrap_or(Err(MilterError::Slow))
        {
            Ok(()) => Mood::Well,
            Err(error) => Mood::Down(error.to_string()),
        }
    }

    async fn connect(&self) -> Result<Box<dyn Connection>, MilterError> {
        let by = Instant::now() + self.limits.connect_time;
        let connected = timeout_at(by, self.address.connect()).await;
        connected
            .map_err(|_| MilterError::Slow)?
            .map_err(MilterError::Connect)
    }
}

#[cfg(test)]
mod tests;
