//! The events of a session: what it changed, and at its end what it fetched (clause 4.2(1)d).

use std::{collections::BTreeMap, collections::HashMap, net::IpAddr};

use directory::Login;
use protocol::imap::NumberSet;
use store::{MailboxId, Store};
use tokio::time::Instant;
use trail::{Actor, Event, Kind, Outcome};

/// Characters of UIDs that an event holds at most; the count is always exact.
const UIDS_LENGTH: usize = 4000;

/// Who acts, and from where: enough to make events, and to send into a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    identifier: String,
    /// Who it is, where an app password tells.
    person: Option<String>,
    peer: IpAddr,
    protocol: &'static str,
}

impl Agent {
    /// The holder of `login` at `peer`.
    pub(crate) fn new(login: &Login, peer: IpAddr, protocol: &'static str) -> Self {
        Self {
            identifier: login.identifier.clone(),
            person: login.person.clone(),
            peer,
            protocol,
        }
    }

    /// An event of this session about `subject`.
    pub(crate) fn event(&self, kind: Kind, subject: &str) -> Event {
        let event = Event::new(kind, Actor::Identifier(self.identifier.clone()))
            .address(self.peer)
            .subject(subject)
            .detail("protocol", self.protocol);
        match &self.person {
            Some(person) => event.detail("person", person.as_str()),
            None => event,
        }
    }

    /// An event about messages of a mailbox: how many, and which.
    pub(crate) fn event_of(
        &self,
        kind: Kind,
        mailbox: &str,
        uids: impl Iterator<Item = u32>,
    ) -> Event {
        let uids: NumberSet = uids.collect();
        let mut text = uids.to_string();
        if text.len() > UIDS_LENGTH {
            text.truncate(UIDS_LENGTH);
            text.push('…');
        }
        self.event(kind, mailbox)
            .detail("messages", uids.len())
            .detail("uids", text)
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client said so.
    Logout,
    /// The connection was closed or broke.
    Closed,
    /// The client was silent or slow for too long.
    TimedOut,
    /// The server stops.
    Shutdown,
    /// The mailbox was deleted under the session.
    MailboxGone,
    /// The account was suspended, deleted or got a new password.
    AccountChanged,
    /// The client broke the protocol too often or in a way that cannot be survived.
    Protocol,
    /// The client sends a literal that is refused, and too large to be thrown away.
    TooLarge,
    /// There was no memory for what the client sent.
    Busy,
    /// The store failed.
    Failed,
    /// The identifier had proved itself, and has as many sessions as it may.
    TooMany,
    /// The identifier had proved itself, and another POP3 session has its maildrop.
    InUse,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Closed => "closed",
            Self::TimedOut => "timed-out",
            Self::Shutdown => "shutdown",
            Self::MailboxGone => "mailbox-deleted",
            Self::AccountChanged => "account-changed",
            Self::Protocol => "protocol-error",
            Self::TooLarge => "literal-too-large",
            Self::Busy => "busy",
            Self::Failed => "store-failed",
            Self::TooMany => "too-many-sessions",
            Self::InUse => "in-use",
        }
    }
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::TimedOut {
            Self::TimedOut
        } else {
            Self::Closed
        }
    }
}

/// What the connection of a session tells at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// Octets written to the client.
    pub octets: u64,
    /// Whether it was encrypted.
    pub tls: bool,
    /// What the client says it is (RFC 2971), bounded and fit to be shown.
    pub client: Option<&'a str>,
}

/// What an authenticated session did.
#[derive(Debug)]
pub(crate) struct Tally {
    began: Instant,
    /// UIDs of which text was fetched: ranges by their first number, for each mailbox.
    fetched: HashMap<MailboxId, BTreeMap<u32, u32>>,
    /// Messages expunged.
    pub deleted: u64,
    /// Messages appended.
    pub appended: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            fetched: HashMap::new(),
            deleted: 0,
            appended: 0,
        }
    }

    /// Text of a message was given to the client.
    pub(crate) fn fetched(&mut self, mailbox: MailboxId, uid: u32) {
        let ranges = self.fetched.entry(mailbox).or_default();
        if let Some((_, last)) = ranges.range_mut(..=uid).next_back() {
            if uid <= *last {
                return;
            }
            if uid == last.saturating_add(1) {
                *last = uid;
                return;
            }
        }
        ranges.insert(uid, uid);
    }

    /// Messages of which text was fetched, each counted once a mailbox.
    pub(crate) fn messages(&self) -> u64 {
        self.fetched
            .values()
            .flat_map(BTreeMap::iter)
            .map(|(first, last)| u64::from(last.saturating_sub(*first)).saturating_add(1))
            .sum()
    }

    /// Records the event of the session's end. A session that did nothing has one too: that somebody looked is a fact.
    pub(crate) async fn record(&self, store: &Store, who: &Agent, facts: Facts<'_>, end: End) {
        let outcome = match end {
            End::Failed => Outcome::Failure,
            End::TooMany | End::InUse => Outcome::Refused,
            _ => Outcome::Success,
        };
        let milliseconds = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut event = who
            .event(Kind::RetrievalSession, &who.identifier)
            .outcome(outcome)
            .detail("fetched", self.messages())
            .detail("octets", facts.octets)
            .detail("deleted", self.deleted)
            .detail("appended", self.appended)
            .detail("milliseconds", milliseconds)
            .detail("tls", facts.tls)
            .detail("end", end.as_str());
        if let Some(client) = facts.client {
            event = event.detail("client", client);
        }
        let done = store
            .commit::<(), store::Error>(Vec::new(), move |tx| tx.record(&event, ()))
            .await;
        if let Err(error) = done {
            tracing::error!(%error, identifier = who.identifier, "the end of a session could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fetched_twice_counts_once() {
        let mut tally = Tally::new();
        for uid in [1, 2, 3, 2, 9, 1, 10, 5] {
            tally.fetched(MailboxId(1), uid);
        }
        tally.fetched(MailboxId(2), 1);
        assert_eq!(tally.messages(), 7);
    }
}
