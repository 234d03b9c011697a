//! Checkpoints over the trail are mailed to witnesses: who has one can tell later that the whole trail was written anew
//! (clauses 4.2, 8.2).

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use store::{
    event::{self, Filter},
    tree::Signed,
};
use trail::{Actor, Event, Kind};
use transfer::notice::{self, Notice};
use wire::Shutdown;
use world::Timestamp;

use crate::site::Site;

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(30);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(600);

/// Sends checkpoints as the settings say, until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    // What the trail tells of the last one, and then what was done since.
    let mut last = None;
    loop {
        let wait = match send_due(&site, &mut last).await {
            Ok(()) => LOOK,
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the witnesses were sent no checkpoint; it is tried again");
                AGAIN
            }
        };
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn send_due(site: &Site, last: &mut Option<Timestamp>) -> Result<(), store::Error> {
    let settings = site.settings();
    let to = settings.audit.witness_addresses();
    if to.is_empty() {
        return Ok(());
    }
    let interval = SignedDuration::try_from(settings.audit.witness_interval.0);
    let interval = interval.unwrap_or(SignedDuration::MAX);
    let now = site.world.now();
    if last.is_none() {
        *last = last_sent(site, now.checked_sub(interval).unwrap_or(Timestamp::MIN)).await?;
    }
    // A clock that was put back delays no checkpoint.
    let is_due = last.is_none_or(|last| last > now || now.duration_since(last) >= interval);
    if !is_due {
        return Ok(());
    }
    let Some(Signed { size, note, .. }) = site.store.checkpoint().await? else {
        return Ok(());
    };
    let message = Notice {
        to,
        subject: format!(
            "[Kakitome] {} {size}: checkpoint of the audit trail / 監査証跡のチェックポイント",
            site.store.trail_key().name()
        ),
        // Nothing but the note: what is saved of the mail is what `audit verify --witness` reads.
        text: note.clone(),
    };
    let work = move |tx: &mut store::Tx<'_>, told: &[message::address::Address]| {
        if told.is_empty() {
            return Err(store::Error::NotFound("a mailbox of a witness".to_owned()));
        }
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        let event = Event::new(Kind::TrailWitnessed, Actor::System)
            .detail("events", size)
            .detail("checkpoint", note.as_str())
            .detail("recipients", told);
        tx.record(&event, ())
    };
    notice::send(&site.transfer, message, work).await?;
    *last = Some(now);
    Ok(())
}

/// When a checkpoint was last mailed, if that was after `after`.
async fn last_sent(site: &Site, after: Timestamp) -> Result<Option<Timestamp>, store::Error> {
    let filter = Filter {
        from: Some(after),
        kinds: vec![Kind::TrailWitnessed],
        actor: Some(Actor::System.to_text()),
        ..Filter::default()
    };
    let found = site
        .store
        .read(move |snapshot| event::search(snapshot, &filter, 1000))
        .await?;
    Ok(found.last().map(|sent| sent.at))
}
