//! Malware that is submitted: who submitted it is shut out in the commit of the event that tells of its refusal (clause 5.2(5)).

use directory::{Login, isolation::Found, submission::Over};
use protocol::smtp::Refusal;
use store::{Error, Recorded, Tx};
use trail::Event;

use super::Conversation;
use crate::parcel;

impl Conversation<'_> {
    /// Records that the message was refused, and shuts out who submitted it if it holds malware. Returns what the client is told:
    /// where the one could not be recorded with the other, it is to come again, and is caught again.
    pub(super) async fn refused_and_isolated(&mut self, refusal: Refusal, reason: &str) -> Refusal {
        let Some(mut found) = self.found_inside() else {
            self.message_refused("DATA", refusal.reply(), reason).await;
            return refusal;
        };
        if found.account.is_none() {
            let waiting = self.transfer.directory().waiting_of(self.peer.ip()).await;
            found.waiting = match waiting {
                Ok(waiting) => waiting,
                Err(error) => return self.store_trouble(&error),
            };
        }
        let events = self.message_refusal("DATA", refusal.reply(), reason);
        let directory = self.transfer.directory().clone();
        let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, NoEvent> {
            let mut events = events;
            events.extend(directory.isolate(tx, &found)?);
            // A flood of refusals is only counted, and who was shut out before is not shut out again.
            if events.is_empty() {
                return Err(NoEvent::Nothing);
            }
            Ok(parcel::record_all(tx, &events)?)
        };
        match self.transfer.store().commit(Vec::new(), work).await {
            Ok(_) | Err(NoEvent::Nothing) => refusal,
            Err(NoEvent::Store(error)) => self.store_trouble(&error),
        }
    }

    /// What a scanner knows as malware in a submission.
    fn found_inside(&self) -> Option<Found> {
        if !self.listener.is_submission() {
            return None;
        }
        let (id, screened) = self.open.screened.as_ref()?;
        let said = screened.evidence.malware.as_ref()?;
        let malware = self.settings.policy().malware.known(said)?;
        Some(Found {
            account: self.login.as_ref().map(|login| login.account),
            peer: Some(self.peer.ip()),
            malware,
            place: id.to_string(),
            ..Found::default()
        })
    }
}

/// Why there was nothing to commit.
enum NoEvent {
    Nothing,
    Store(Error),
}

impl From<Error> for NoEvent {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Why a submission was not taken at last.
pub(super) enum Untaken {
    /// Its identifier was suspended meanwhile: what it had queued is held, and nothing may come behind that.
    LoginEnded,
    /// Its identifier has met a limit, perhaps by another session.
    Over(Over),
    Store(Error),
}

impl From<Error> for Untaken {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Records what tells of a message that is taken, unless the login that it came by does not hold any more.
pub(super) fn taken(
    tx: &mut Tx<'_>,
    login: Option<&Login>,
    events: &[Event],
) -> Result<Recorded<()>, Untaken> {
    if let Some(login) = login
        && !directory::holds(tx, login)?
    {
        return Err(Untaken::LoginEnded);
    }
    Ok(parcel::record_all(tx, events)?)
}
