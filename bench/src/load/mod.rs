//! The loads. Each drives one server once and says what it measured, or why the result does not count.

mod disk;
mod events;
mod fetch;
mod fill;
mod flood;
mod growth;
mod idle;
mod large;
mod mixed;
mod pop3;
mod search;
mod select;
mod store;
mod trail;
mod transfer;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Outcome, client::Trust, figure::Figure, server::Server, sink::Sink};

pub(crate) use disk::{Room, batches, raw_log};
pub(crate) use events::{EACH as EVENT, OF_A_MESSAGE as EVENTS_OF_A_MESSAGE, events};
pub(crate) use fill::warm;
pub(crate) use flood::{FLOODERS, flood};
pub(crate) use growth::{MEMORY, growth};
pub(crate) use large::{LARGEST, PEAK};
pub(crate) use select::NEW_PROCESS;
pub(crate) use store::{Commit, rate};
pub(crate) use trail::trail;
pub(crate) use transfer::{Entry, Transfer};

/// Accounts among which mail is spread.
pub(crate) const MAILBOXES: usize = 50;

/// What all loads share.
pub(crate) struct Bench {
    pub(crate) quick: bool,
    pub(crate) trust: Trust,
    pub(crate) sink: Sink,
    serials: AtomicUsize,
}

impl Bench {
    pub(crate) fn new(quick: bool, trust: Trust, sink: Sink) -> Self {
        Self {
            quick,
            trust,
            sink,
            serials: AtomicUsize::new(1),
        }
    }

    /// A number that no mailbox or message of this run has had.
    pub(crate) fn serial(&self) -> usize {
        self.serials.fetch_add(1, Ordering::Relaxed)
    }

    /// `full` things in a full run, fewer in a quick one.
    pub(crate) fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

/// One thing to measure.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Transfer(Transfer),
    Mixed,
    Fetch,
    Select,
    Search,
    Pop3,
    Idle { secure: bool },
    Start,
}

impl Work {
    /// Drives `server` once.
    pub(crate) async fn run(&self, bench: &Bench, server: &mut Server) -> Outcome<Vec<Figure>> {
        match self {
            Self::Transfer(load) => load.run(bench, server).await,
            Self::Mixed => mixed::run(bench, server).await,
            Self::Fetch => fetch::run(bench, server).await,
            Self::Select => select::run(bench, server).await,
            Self::Search => search::run(bench, server).await,
            Self::Pop3 => pop3::run(bench, server).await,
            Self::Idle { secure } => idle::run(bench, server, *secure).await,
            Self::Start => idle::start(server).await,
        }
    }
}
