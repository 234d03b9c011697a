//! How much an identifier may submit (clauses 4.4, 5.5): looked at when a transaction begins, so that nobody sends in vain, and decided in
//! the commit of the message ([`directory::submission`]).

use directory::{
    Directory, Login,
    submission::{Counted, Over, Room, Submitted},
};
use protocol::smtp::{Detail, Refusal};
use store::{QueueId, Recorded, Tx};
use trail::Event;

use super::{
    Conversation,
    envelope::login_ended,
    inside::{Untaken, taken},
};
use crate::metrics;

/// What has to be counted with a message that is submitted with a login.
pub(super) struct Allowance {
    directory: Directory,
    login: Login,
    submitted: Submitted,
}

impl Allowance {
    /// Records what tells of a message that is taken, and counts it, unless a limit or the end of the login forbids it.
    pub(super) fn take(
        allowance: Option<&Self>,
        tx: &mut Tx<'_>,
        events: &[Event],
    ) -> Result<Recorded<()>, Untaken> {
        let Some(this) = allowance else {
            return taken(tx, None, events);
        };
        match this.directory.count_submission(tx, &this.submitted)? {
            Counted::Over(over) => Err(Untaken::Over(over)),
            Counted::Within(more) => {
                let events = [events, more.as_slice()].concat();
                taken(tx, Some(&this.login), &events)
            }
        }
    }
}

impl Conversation<'_> {
    /// What has to be counted with the message; `None`: nothing, since nobody has logged in. `queued`: it goes elsewhere, too.
    pub(super) fn allowance(
        &self,
        id: QueueId,
        recipients: usize,
        queued: bool,
    ) -> Option<Allowance> {
        let login = self.login.clone()?;
        Some(Allowance {
            directory: self.transfer.directory().clone(),
            submitted: Submitted {
                account: login.account,
                identifier: login.identifier.clone(),
                peer: self.peer.ip(),
                recipients: u64::try_from(recipients).unwrap_or(u64::MAX),
                queued: queued.then_some(id),
            },
            login,
        })
    }

    /// Looks up what the identifier may submit now. `Err`: not one message more.
    pub(super) async fn may_submit(&mut self) -> Result<(), Refusal> {
        let Some(login) = &self.login else {
            return Ok(());
        };
        let room = match self.transfer.directory().submission_room(login).await {
            Ok(room) => room,
            Err(error) => return Err(self.store_trouble(&error)),
        };
        let over = room.over(1, 1);
        self.open.room = Some(room);
        match over {
            Some(over) => Err(self.limited(&over).await),
            None => Ok(()),
        }
    }

    /// Whether one more recipient is within the limits.
    pub(super) async fn may_add(&self) -> Result<(), Refusal> {
        let named = u64::try_from(self.open.targets.len()).unwrap_or(u64::MAX);
        let more = named.saturating_add(1);
        match self
            .open
            .room
            .as_ref()
            .and_then(|room: &Room| room.over(1, more))
        {
            Some(over) => Err(self.limited(&over).await),
            None => Ok(()),
        }
    }

    /// What a client is told whose message was not taken at last.
    pub(super) async fn untaken(&self, untaken: Untaken) -> Refusal {
        match untaken {
            Untaken::LoginEnded => login_ended(),
            Untaken::Over(over) => self.limited(&over).await,
            Untaken::Store(error) => self.store_trouble(&error),
        }
    }

    /// A limit was met: the trail is told once an hour. The refusal needs no disk.
    pub(super) async fn limited(&self, over: &Over) -> Refusal {
        metrics::count(metrics::LIMITED);
        tracing::info!(peer = %self.peer, %over, "submission refused");
        if let Some(login) = &self.login {
            let noted = self
                .transfer
                .directory()
                .note_limit(login, self.peer.ip(), over)
                .await;
            if let Err(error) = noted {
                tracing::error!(peer = %self.peer, %error, "that a limit was met could not be recorded");
            }
        }
        Refusal::new::<450>(Detail::NOT_AUTHORIZED, &over.to_string())
    }
}
