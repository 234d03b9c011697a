//! One who reads another's mailbox on an order (clause 7.1(4)): nothing changes, and each access is an event before it happens.

use protocol::imap::{Command, MessageSet, ResponseCode};
use store::{Recorded, Tx};
use trail::{Event, Kind};

use super::{member::Member, outcome::Stop};

/// Longest text of a set of messages that an event tells, in octets.
const MOST_SET: usize = 500;

impl Member {
    /// Refuses what would change something, opens mailboxes for reading only, and records what is asked for.
    pub(super) async fn only_read(&mut self, command: &mut Command) -> Result<(), Stop> {
        let asked = match command {
            Command::Create { .. }
            | Command::Delete(_)
            | Command::Rename { .. }
            | Command::Subscribe(_)
            | Command::Unsubscribe(_)
            | Command::Append(_)
            | Command::Expunge { .. }
            | Command::Store(_)
            | Command::Copy { .. }
            | Command::Move { .. }
            | Command::SetQuota { .. } => {
                return Err(Stop::no(
                    ResponseCode::NoPerm,
                    "This mailbox is yours to read only, on an order",
                ));
            }
            Command::Select(select) => {
                select.read_only = true;
                Some(("select", select.mailbox.as_str().to_owned()))
            }
            Command::Fetch(fetch) => {
                let numbers = match &fetch.messages {
                    MessageSet::Numbers(numbers) => numbers.to_string(),
                    MessageSet::Saved => "$".to_owned(),
                };
                Some((if fetch.uid { "uid fetch" } else { "fetch" }, numbers))
            }
            Command::Search(_) | Command::Sort(_) | Command::Thread(_) => {
                Some(("search", String::new()))
            }
            _ => None,
        };
        match asked {
            Some((what, set)) => self.note_reading(what, set).await,
            None => Ok(()),
        }
    }

    async fn note_reading(&self, what: &str, mut set: String) -> Result<(), Stop> {
        if set.len() > MOST_SET {
            let end = set.floor_char_boundary(MOST_SET);
            set.truncate(end);
            set.push('…');
        }
        let subject = self.login.identifier.as_str();
        let mailbox = self.selected.as_ref().map(|selected| selected.name.clone());
        let mut event: Event = self.who.event(Kind::MailboxRead, subject);
        event = event
            .order(self.login.reads_on.unwrap_or_default())
            .detail("asked", what)
            .detail("of", set)
            .detail("mailbox", mailbox);
        let record =
            move |tx: &mut Tx<'_>| -> Result<Recorded<()>, store::Error> { tx.record(&event, ()) };
        self.shared.store.commit(Vec::new(), record).await?;
        Ok(())
    }
}
