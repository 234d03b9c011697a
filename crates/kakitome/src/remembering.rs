//! The classifier of words follows what people move into Junk and out of it; senders that come no more are forgotten; each policy
//! that is in force is kept (clause 5.3(1)).

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use store::policy;
use trail::{Actor, Event, Kind};
use wire::Shutdown;

use crate::{settings::Settings, site::Site};

/// How often it is looked whether there is something to learn.
const LOOK: Duration = Duration::from_secs(10);
/// How often it is looked who is to be forgotten.
const FORGET: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// Learns and forgets, until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut forgot: Option<Timestamp> = None;
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        // What is learned is learned lesson by lesson, so it may be left off anywhere.
        let learned = tokio::select! {
            () = shutdown.begun() => return,
            learned = transfer::learning::learn(&site.transfer) => learned,
        };
        match learned {
            Ok(0) => {}
            Ok(taught) => tracing::info!(taught, "words were learned from what people moved"),
            Err(store::Error::Closed) => return,
            Err(error) => tracing::error!(%error, "words could not be learned; it is tried again"),
        }
        let now = site.world.now();
        if forgot.is_some_and(|at| now < at + FORGET) {
            continue;
        }
        match forget(&site).await {
            Ok(()) => forgot = Some(now),
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "what is old could not be forgotten; it is tried again");
            }
        }
    }
}

/// Forgets senders that come no more, and reports of abuse that nobody sent in time.
///
/// # Errors
/// The store's.
pub(crate) async fn forget(site: &Site) -> Result<(), store::Error> {
    transfer::acquaintance::forget(&site.transfer).await?;
    transfer::abuse::forget(&site.transfer).await?;
    Ok(())
}

/// Keeps the policy of these settings, if it is another than was in force.
///
/// # Errors
/// The store's.
pub(crate) async fn keep_policy(site: &Site, settings: &Settings) -> Result<(), store::Error> {
    let Ok(policy) = settings.screening.policy() else {
        // They were checked when they were read.
        return Ok(());
    };
    let (digest, kept) = (policy.digest(), settings.screening_kept.clone());
    let all = site.store.read(|sql| policy::list(sql)).await?;
    let before = all.first().map(|version| version.digest.clone());
    if before.as_deref() == Some(digest.as_str()) {
        return Ok(());
    }
    let commit = site.store.commit::<_, store::Error>(Vec::new(), move |tx| {
        policy::put(tx, &digest, &kept)?;
        let mut event = Event::new(Kind::ScreeningPolicy, Actor::System)
            .subject(digest)
            .detail(
                "settings",
                blake3::hash(kept.as_bytes()).to_hex().to_string(),
            );
        if let Some(before) = before {
            event = event.detail("before", before);
        }
        tx.record(&event, ())
    });
    commit.await.map(|_| ())
}
