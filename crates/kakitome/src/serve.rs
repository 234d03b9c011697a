//! `serve`: run a site until it is told to stop.

use std::{path::Path, sync::Arc};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::timeout,
};
use trail::{Actor, Event, Kind};
use wire::{Shutdown, ShutdownHandle};
use world::World;

use crate::{
    acme, alarms, blocks, canary, clock, control, digests, dmarc_reports, forward, governing, idle,
    listen, metrics, probing, recording, remembering, rotation, scanners,
    settings::Service,
    signing,
    site::{Site, SiteError},
    tls_reports, traffic, verifying, vulnerabilities, witness, yara_rules,
};

/// Why a site cannot be served.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum ServeError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Site(#[from] SiteError),
    #[error("cannot listen for {service} on {address} port {port}: {source}")]
    #[diagnostic(help(
        "is another program there? [listen] in kakitome.toml sets addresses and ports"
    ))]
    Listen {
        service: &'static str,
        address: String,
        port: u16,
        source: std::io::Error,
    },
    #[error("cannot make the control socket: {0}")]
    Control(std::io::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
    #[error("the store: {0}")]
    Store(#[from] store::Error),
}

/// A site that serves; [`Running::stop`] ends it.
pub(crate) struct Running {
    pub(crate) site: Arc<Site>,
    shutdown: ShutdownHandle,
    tasks: JoinSet<()>,
}

/// Serves the site in `path` until SIGTERM or SIGINT; SIGHUP reloads.
pub(crate) async fn serve(path: &Path) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    let running = start(path).await?;
    notify(&[sd_notify::NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&running.site).await,
        }
    }
    notify(&[sd_notify::NotifyState::Stopping]);
    running.stop().await
}

async fn reload(site: &Site) {
    notify(&[sd_notify::NotifyState::Reloading]);
    match site.reload().await {
        Ok(need_restart) if need_restart.is_empty() => {
            tracing::info!("settings and certificates were reloaded");
        }
        Ok(need_restart) => {
            tracing::warn!(
                keys = need_restart.join(", "),
                "settings and certificates were reloaded, but these take effect only after a restart"
            );
        }
        Err(error) => {
            tracing::error!(
                error = format!("{:?}", miette::Report::new(error)),
                "the settings were not reloaded; the old ones stay in force"
            );
        }
    }
    // Clauses may stand otherwise by what the settings say now.
    site.look_at_clauses.notify_one();
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Opens the site, binds its listeners and begins to serve.
pub(crate) async fn start(path: &Path) -> Result<Running, ServeError> {
    let site = Arc::new(Site::open(path, World::system())?);
    let begun = begin(path, &site).await;
    if begun.is_err() {
        // Whoever made the site must be able to take it away again.
        site.close().await;
    }
    begun
}

/// Opens the site at the time of `world` and binds its listeners, and nothing that comes round by itself: whoever moves that time on
/// gives each its turn.
pub(crate) async fn hold(path: &Path, world: World) -> Result<Running, ServeError> {
    let site = Arc::new(Site::open(path, world)?);
    let (shutdown, watch) = ShutdownHandle::new();
    let mut tasks = JoinSet::new();
    let begun = async {
        open_doors(&site, &watch, &mut tasks).await?;
        told_of_start(&site).await
    };
    match begun.await {
        Ok(()) => Ok(Running {
            site,
            shutdown,
            tasks,
        }),
        Err(error) => {
            site.close().await;
            Err(error)
        }
    }
}

/// Reads whom nobody lets in, then binds the listeners.
async fn open_doors(
    site: &Arc<Site>,
    watch: &Shutdown,
    tasks: &mut JoinSet<()>,
) -> Result<(), ServeError> {
    let metrics_handle = metrics::install();
    let settings = site.settings();
    // Before anybody can come in.
    blocks::read(site).await?;
    site.transfer.read_outbreak_rules().await?;
    if let Some(yara) = &site.scanners().yara {
        yara_rules::load(site, yara).await?;
    }
    for (service, port) in settings.services() {
        for address in settings.listen.addresses_of(service) {
            let bound =
                listen::bind(service, *address, port).map_err(|source| ServeError::Listen {
                    service: service.name(),
                    address: address.to_string(),
                    port,
                    source,
                })?;
            site.note_listener(&bound);
            if service == Service::Metrics {
                tasks.spawn(metrics::serve(
                    bound.listener,
                    metrics_handle.clone(),
                    Arc::clone(site),
                    watch.clone(),
                ));
            } else {
                let admission = site.admission(service);
                tasks.spawn(listen::run(
                    bound,
                    Arc::clone(site),
                    admission,
                    watch.clone(),
                ));
            }
        }
    }
    Ok(())
}

/// The trail tells with which settings it was started, and where it listens.
async fn told_of_start(site: &Site) -> Result<(), ServeError> {
    let settings = site.settings();
    let rules = site.rules();
    unless_full(recording::record(site, &settings, &rules.regulation).await)?;
    let listeners: Vec<String> = site
        .listeners()
        .iter()
        .map(|(service, address)| format!("{} {address}", service.name()))
        .collect();
    let started = Event::new(Kind::ServerStarted, Actor::System)
        .subject(settings.server.hostname.get_ref().clone())
        .detail("version", env!("CARGO_PKG_VERSION"))
        .detail("listeners", listeners.clone());
    unless_full(site.record(started).await)?;
    tracing::info!(
        hostname = settings.server.hostname.get_ref().as_str(),
        listeners = listeners.join(", "),
        "serving"
    );
    Ok(())
}

async fn begin(path: &Path, site: &Arc<Site>) -> Result<Running, ServeError> {
    let (shutdown, watch) = ShutdownHandle::new();
    let mut tasks = JoinSet::new();
    let settings = site.settings();
    open_doors(site, &watch, &mut tasks).await?;
    let socket = control::bind(path).map_err(ServeError::Control)?;
    tasks.spawn(control::serve(socket, Arc::clone(site), watch.clone()));
    tasks.spawn(blocks::run(Arc::clone(site), watch.clone()));
    tasks.spawn(alarms::run(Arc::clone(site), watch.clone()));
    tasks.spawn(clock::run(Arc::clone(site), watch.clone()));
    tasks.spawn(traffic::run(Arc::clone(site), watch.clone()));
    tasks.spawn(rotation::run(Arc::clone(site), watch.clone()));
    tasks.spawn(verifying::run(Arc::clone(site), watch.clone()));
    signing::load(site).await;
    tasks.spawn(signing::run(Arc::clone(site), watch.clone()));
    tasks.spawn(acme::run(Arc::clone(site), watch.clone()));
    tasks.spawn(digests::run(Arc::clone(site), watch.clone()));
    tasks.spawn(remembering::run(Arc::clone(site), watch.clone()));
    tasks.spawn(dmarc_reports::run(Arc::clone(site), watch.clone()));
    tasks.spawn(tls_reports::run(Arc::clone(site), watch.clone()));
    tasks.spawn(idle::run(Arc::clone(site), watch.clone()));
    tasks.spawn(governing::run(Arc::clone(site), watch.clone()));
    tasks.spawn(scanners::run(Arc::clone(site), watch.clone()));
    tasks.spawn(yara_rules::run(Arc::clone(site), watch.clone()));
    tasks.spawn(canary::run(Arc::clone(site), watch.clone()));
    tasks.spawn(probing::daily::run(Arc::clone(site), watch.clone()));
    tasks.spawn(vulnerabilities::run(Arc::clone(site), watch.clone()));
    tasks.spawn(witness::run(Arc::clone(site), watch.clone()));
    for to in settings.audit.forward_to(path).map_err(SiteError::Values)? {
        tasks.spawn(forward::run(Arc::clone(site), to, watch.clone()));
    }
    let (policies, of_policies) = (site.transfer.clone(), watch.clone());
    tasks.spawn(async move { policies.run_policies(of_policies).await });
    let (floods, of_floods) = (site.transfer.clone(), watch.clone());
    tasks.spawn(async move { floods.run_floods(of_floods).await });
    let queue = site.transfer.clone();
    tasks.spawn(async move { queue.run_queue(watch).await });
    told_of_start(site).await?;
    Ok(Running {
        site: Arc::clone(site),
        shutdown,
        tasks,
    })
}

/// On a full disk nothing can be recorded, but mail that is there can be read and deleted, which makes room. What
/// changes anything is put off by itself.
fn unless_full(recorded: Result<(), store::Error>) -> Result<(), store::Error> {
    match recorded {
        Err(store::Error::Full) => {
            tracing::error!(
                "the disk is full: the start is not in the trail, and no mail is taken until there is room; \
                 free some room on the disk"
            );
            Ok(())
        }
        other => other,
    }
}

impl Running {
    /// Ends sessions politely, then closes the store.
    pub(crate) async fn stop(mut self) -> Result<(), ServeError> {
        self.shutdown.begin();
        let drained = timeout(self.site.settings().drain_time(), async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a part of the server panicked");
                }
            }
        })
        .await;
        if drained.is_err() {
            tracing::warn!("some sessions did not end in time; what they were told is kept");
            self.tasks.abort_all();
        }
        let recorded = self
            .site
            .record(Event::new(Kind::ServerStopped, Actor::System))
            .await;
        // Whether the trail could be told or not: what is open is closed in order.
        self.site.close().await;
        tracing::info!("stopped");
        Ok(recorded?)
    }
}

/// Tells systemd, when it listens.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd does not listen");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_disk_is_no_reason_not_to_start() {
        assert!(unless_full(Err(store::Error::Full)).is_ok());
        let broken = store::Error::Database("disk I/O error".to_owned());
        assert!(unless_full(Err(broken)).is_err());
    }
}
