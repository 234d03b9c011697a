//! Clients whose network is over what mail to nobody may use (clauses 4.4, 5.5(3)): they are told to come later, shortly, and nothing
//! is asked or written for them.

use protocol::smtp::{Detail, Refusal};
use screening::Handling;
use tokio::time::Instant;

use super::Conversation;
use crate::{Listener, flood::What, metrics, restraint};

impl Conversation<'_> {
    /// Turns the client away before it is greeted, if its network is over a budget, after a pause while few wait. `true`: it was.
    pub(super) async fn turned_away(&mut self) -> bool {
        let peer = self.peer.ip();
        let floods = self.transfer.floods();
        let is_free = !self.is_from_outside() || self.is_of_canary();
        if is_free || !floods.is_over(peer, Instant::now()) {
            return false;
        }
        self.flooded(What::Session).await;
        self.machine.close(&too_many());
        self.bye().await;
        true
    }

    /// A recipient was named who is not here: whether that is within the budgets. `Err`: the session ends.
    pub(super) async fn named_unknown(&mut self) -> Result<(), Refusal> {
        if !self.is_from_outside() {
            return Ok(());
        }
        let (peer, now) = (self.peer.ip(), Instant::now());
        let (floods, limits) = (self.transfer.floods(), &self.settings.limits);
        let mut has_room = floods.unknown(peer, limits, now);
        if has_room && self.guessing.is_none() {
            let place = floods.guess(peer, limits, now);
            has_room = place.is_some();
            self.guessing = place.flatten();
        }
        if has_room {
            return Ok(());
        }
        self.flooded(What::Unknown).await;
        Err(too_many())
    }

    /// Whether it is the session by which the server sends a canary to itself: it uses up nothing of what others may, and nothing that they
    /// use up keeps it from being screened.
    pub(super) fn is_of_canary(&self) -> bool {
        self.listener == Listener::Exchange && self.transfer.canary().is_from(self.peer)
    }

    /// A transaction without a sender begins: whether that is within its network's budget.
    pub(super) async fn without_sender(&mut self) -> bool {
        let limits = &self.settings.limits;
        let floods = self.transfer.floods();
        let has_room = floods.null_sender(self.peer.ip(), limits, Instant::now());
        if !has_room {
            self.flooded(What::NullSender).await;
        }
        has_room
    }

    /// One more recipient is named: whether open incidents limit the client's network to less.
    pub(super) async fn within_limits(&mut self) -> Result<(), Refusal> {
        if self.is_of_canary() || self.transfer.within_network(self.peer.ip()) {
            return Ok(());
        }
        self.flooded(What::Limited).await;
        Err(restraint::limited())
    }

    /// A transaction begins: whether new mail is taken at all.
    pub(super) async fn takes_mail(&mut self) -> Result<(), Refusal> {
        if self.transfer.drained(self.listener).is_none() {
            return Ok(());
        }
        self.flooded(What::Drained).await;
        Err(restraint::not_now())
    }

    /// A message was accepted: if it has a sender and screening found nothing against it, its network is one that sends wanted mail.
    pub(super) fn sent_wanted(&mut self) {
        let screened = self.open.screened.as_ref();
        let is_wanted = screened
            .is_none_or(|(_, screened)| screened.verdict.handling == Handling::Accept)
            && self.open.sender().is_some()
            && !self.open.is_canary()
            && !self.open.is_for_sink();
        if is_wanted && self.is_from_outside() {
            let recipients = self.open.targets.len();
            let (floods, limits) = (self.transfer.floods(), &self.settings.limits);
            floods.good(self.peer.ip(), recipients, limits, Instant::now());
            self.guessing = None;
        }
    }

    /// Something is refused without an event of its own, after a pause while few wait: who floods waits for each refusal.
    async fn flooded(&mut self, what: What) {
        self.count_flood(what);
        let place = self.transfer.floods().wait(&self.settings.limits);
        if let Some(_place) = place {
            tokio::select! {
                () = self.shutdown.begun() => {}
                () = tokio::time::sleep(self.settings.times.flood_pause) => {}
            }
        }
    }

    /// Counts what is refused without an event of its own.
    pub(super) fn count_flood(&self, what: What) {
        metrics::count(metrics::FLOODED);
        let now = self.transfer.world().now();
        self.transfer.floods().count(what, self.peer.ip(), now);
    }
}

pub(super) fn too_many() -> Refusal {
    Refusal::new::<421>(
        Detail::SECURITY,
        "Too much mail to nobody or without a sender from your network, try again later",
    )
}
