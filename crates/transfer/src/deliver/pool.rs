//! Connections that wait a little for the next message to the same destination.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;

use super::Link;
use crate::{Settings, TlsPolicy};

/// A connection serves no longer than this after it was found out how its host has to be secured: what the DNS says of that changes.
const JUDGED_FOR: Duration = Duration::from_secs(60);

/// Idle connections by destination.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<String, Vec<Link>>>,
}

impl Pool {
    /// A connection to `destination` with at least this TLS that has not waited longer than `patience`.
    pub(crate) fn take(
        &self,
        destination: &str,
        tls: TlsPolicy,
        patience: Duration,
    ) -> Option<Link> {
        let mut idle = self.idle.lock();
        let links = idle.get_mut(destination)?;
        links.retain(|link| link.idle_for() < patience && link.judged_for() < JUDGED_FOR);
        let at = links
            .iter()
            .rposition(|link| link.secured().satisfies(tls))?;
        Some(links.swap_remove(at))
    }

    /// Keeps a connection for the next message, if it can take one.
    pub(crate) fn put(&self, destination: String, mut link: Link, settings: &Settings) {
        if !link.is_ready()
            || link.judged_for() >= JUDGED_FOR
            || link.messages() >= settings.outbound.messages_per_connection
        {
            return link.leave(settings.outbound.waits.quit);
        }
        link.rest();
        let mut idle = self.idle.lock();
        let links = idle.entry(destination).or_default();
        if links.len() < settings.outbound.destination_concurrency {
            links.push(link);
        } else {
            drop(idle);
            link.leave(settings.outbound.waits.quit);
        }
    }

    /// Ends connections that waited `patience` or longer.
    pub(crate) fn sweep(&self, patience: Duration, quit: Duration) {
        let mut old = Vec::new();
        self.idle.lock().retain(|_, links| {
            let (keep, leave) = std::mem::take(links)
                .into_iter()
                .partition(|link| link.idle_for() < patience);
            *links = keep;
            let leave: Vec<Link> = leave;
            old.extend(leave);
            !links.is_empty()
        });
        for link in old {
            link.leave(quit);
        }
    }
}
