//! How an identifier was used, read from the trail for those who look into an incident (clause 4.1(1)c).

use std::time::Duration;

use directory::command::incident::{IncidentKind, IncidentView};
use store::event::{self, Filter};
use trail::{
    Kind, Recorded,
    analysis::{CHANGES, Usage, UsageReader},
};

use crate::site::Site;

/// Events that are read at a time.
const PAGE: usize = 500;

/// How the identifier was used from the incident's `since` on, until it was closed: what it did itself, and what was changed of
/// it by whom. Waits for the end of its sessions if the incident has ended them, `[audit.analysis] sessions_end` at most.
pub(crate) async fn gather(site: &Site, found: &IncidentView) -> Result<Usage, store::Error> {
    let open = still_open(site, found).await;
    let mut reader = UsageReader::default();
    let period = Filter {
        from: Some(found.since),
        to: found.closed_at,
        ..Filter::default()
    };
    let own = Filter {
        actor: Some(format!("identifier:{}", found.identifier)),
        ..period.clone()
    };
    // However it was written there.
    let refused = Filter {
        subject: Some(found.identifier.clone()),
        kinds: vec![Kind::AuthenticationFailed],
        ..period.clone()
    };
    let changes = Filter {
        subject: Some(found.identifier.clone()),
        kinds: CHANGES.to_vec(),
        ..period
    };
    each(site, own, |recorded| reader.take(recorded)).await?;
    each(site, refused, |recorded| reader.take_refused(recorded)).await?;
    each(site, changes, |recorded| reader.take_change(recorded)).await?;
    Ok(reader.end(open))
}

/// Sessions of the identifier whose end the trail does not tell yet.
async fn still_open(site: &Site, found: &IncidentView) -> usize {
    let Some(account) = found.account.filter(|_| found.closed_at.is_none()) else {
        return 0;
    };
    // Of other kinds nothing is ended, and there is nothing to wait for.
    let shuts = [IncidentKind::Credential, IncidentKind::MalwareInside];
    let within = match shuts.iter().any(|kind| kind.as_str() == found.kind) {
        true => site.settings().audit.analysis.sessions_end.0,
        false => Duration::ZERO,
    };
    site.retrieval.sessions_ended(account, within).await
}

/// Reads all events that match, some at a time.
pub(crate) async fn each(
    site: &Site,
    mut filter: Filter,
    mut take: impl FnMut(&Recorded),
) -> Result<(), store::Error> {
    loop {
        let page = filter.clone();
        let read = move |snapshot: &mut store::Snapshot<'_>| event::search(snapshot, &page, PAGE);
        let events = site.store.read(read).await?;
        events.iter().for_each(&mut take);
        match events.last() {
            Some(last) if events.len() == PAGE => filter.after = Some(last.id),
            _ => return Ok(()),
        }
    }
}
