//! An administrator, who now and then takes mail out of the queue.

use std::{sync::Arc, time::Duration};

use trail::Kind;

use crate::{
    chance::Chance,
    ledger::{Asked, Ledger},
    server::Server,
};

/// The administrator.
pub(crate) struct Operator {
    pub(crate) server: Arc<Server>,
    pub(crate) ledger: Ledger,
    pub(crate) chance: Chance,
}

impl Operator {
    /// Looks at the queue some times.
    pub(crate) async fn run(self) {
        for _ in 0..self.chance.below(4) {
            let pause = Duration::from_millis(self.chance.below(4000));
            tokio::time::sleep(pause).await;
            self.look().await;
        }
    }

    /// Takes one message out of the queue, with or without a word to its sender.
    async fn look(&self) {
        // What cannot be read cannot be taken out either.
        let Ok(queued) = self.server.queued().await else {
            return;
        };
        let Some(id) = self.chance.pick(&queued).copied() else {
            return;
        };
        let kind = if self.chance.once_in(2) {
            Kind::QueueDiscarded
        } else {
            Kind::QueueBounced
        };
        let key = (id.to_string(), kind.as_str());
        let ask = |change: &dyn Fn(&mut Asked)| {
            change(self.ledger.book().taken_out.entry(key.clone()).or_default());
        };
        ask(&|asked| asked.open += 1);
        let done = self.server.take_out(id, kind).await;
        // A command that failed may have been carried out all the same, as with an IMAP client's.
        if let Ok(recipients) = done {
            ask(&|asked| {
                asked.open -= 1;
                asked.done += recipients;
            });
        }
    }
}
