//! Once a day people are told by mail what is set apart for them (clause 5.3(2)).

use std::{sync::Arc, time::Duration};

use jiff::civil::Date;
use transfer::quarantine::{self, Digested};
use wire::Shutdown;

use crate::{settings::Service, site::Site};

/// How often it is looked whether it is time.
const LOOK: Duration = Duration::from_secs(30);

/// Sends digests each day, until the server stops. What was missed while it was down is sent at once.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut done: Option<Date> = None;
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let Some(time) = site.settings().quarantine.digest_time() else {
            continue;
        };
        let now = site.world.now().to_zoned(site.settings().zone());
        if now.time() < time || done == Some(now.date()) {
            continue;
        }
        match send(&site).await {
            Ok(_) => done = Some(now.date()),
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "people could not be told what is set apart for them; it is tried again");
            }
        }
    }
}

/// Tells everybody now.
///
/// # Errors
/// The store's.
pub(crate) async fn send(site: &Site) -> Result<Digested, store::Error> {
    let page = page(site);
    let sent = quarantine::digest(&site.transfer, page.as_deref()).await?;
    if sent.digests > 0 {
        tracing::info!(
            digests = sent.digests,
            messages = sent.messages,
            "people were told what is set apart for them"
        );
    }
    Ok(sent)
}

/// Where people look after their own, if there are pages.
fn page(site: &Site) -> Option<String> {
    let listeners = site.listeners();
    let (_, address) = listeners
        .iter()
        .find(|(service, _)| *service == Service::Https)?;
    let settings = site.settings();
    let hostname = settings.server.hostname.get_ref();
    Some(match address.port() {
        443 => format!("https://{hostname}/quarantine"),
        port => format!("https://{hostname}:{port}/quarantine"),
    })
}
