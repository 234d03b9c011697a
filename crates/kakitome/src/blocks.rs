//! Blocked networks: what connections are held against follows the store, and ends when its time is over (clause 5.2(5)). So do the rules
//! against outbreaks (clause 5.2(2)).

use std::{sync::Arc, time::Duration};

use wire::Shutdown;

use crate::site::Site;

/// How often it is looked whose time is over.
const LOOK: Duration = Duration::from_secs(60);
/// After the store failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Reads the blocked networks, and ends sessions from there.
///
/// # Errors
/// The store's.
pub(crate) async fn read(site: &Site) -> Result<(), store::Error> {
    site.directory.read_blocks().await?;
    site.blocks_read
        .send_modify(|count| *count = count.wrapping_add(1));
    Ok(())
}

/// Follows the store until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut changes = site.directory.watch_blocks();
    // What came between the first reading and this line is read too.
    changes.mark_changed();
    let mut wait = LOOK;
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
        }
        wait = LOOK;
        match look(&site).await {
            Ok(()) => {}
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "blocked addresses and rules against outbreaks cannot be read or ended; it is tried again");
                wait = AGAIN;
            }
        }
    }
}

/// Ends what is over, and reads what holds.
pub(crate) async fn look(site: &Site) -> Result<(), store::Error> {
    let ended = site.directory.expire_blocks().await?;
    if ended > 0 {
        tracing::info!(ended, "blocks have ended");
    }
    let ended = transfer::outbreak::expire(&site.transfer).await?;
    if ended > 0 {
        tracing::info!(ended, "rules against outbreaks have ended");
    }
    read(site).await
}
