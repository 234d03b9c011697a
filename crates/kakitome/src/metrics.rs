//! Prometheus metrics over HTTP.

use std::sync::{Arc, OnceLock};

use axum::{Router, extract::State, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use store::{quarantine, queue};
use tokio::net::TcpListener;
use wire::Shutdown;

use crate::{settings::Service, site::Site};

/// The process' recorder, installed at the first call; sites of one process (the demo's) share it. `None` when
/// another part of the process installed one of its own.
pub(crate) fn install() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| PrometheusBuilder::new().install_recorder().ok())
        .clone()
}

/// Serves `/metrics` until `shutdown`.
pub(crate) async fn serve(
    listener: TcpListener,
    handle: Option<PrometheusHandle>,
    site: Arc<Site>,
    mut shutdown: Shutdown,
) {
    let Some(handle) = handle else {
        tracing::warn!("no metrics: this process has another recorder");
        return;
    };
    let router = Router::new()
        .route("/metrics", get(render))
        .with_state((handle, site));
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(async move { shutdown.begun().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "metrics are no longer served");
    }
}

async fn render(State((handle, site)): State<(PrometheusHandle, Arc<Site>)>) -> String {
    match site.store.read(|sql| queue::totals(sql)).await {
        Ok(totals) => {
            gauge("kakitome_queue_messages", totals.messages);
            gauge("kakitome_queue_recipients", totals.recipients);
            gauge("kakitome_queue_held_recipients", totals.held);
            gauge("kakitome_queue_bytes", totals.bytes);
            let age = totals
                .oldest
                .map_or(0, |oldest| (site.world.now() - oldest).get_seconds());
            gauge(
                "kakitome_queue_oldest_seconds",
                u64::try_from(age).unwrap_or_default(),
            );
        }
        Err(error) => tracing::error!(%error, "the queue cannot be measured"),
    }
    match site.store.read(|sql| quarantine::totals(sql)).await {
        Ok((messages, bytes)) => {
            gauge("kakitome_quarantine_messages", messages);
            gauge("kakitome_quarantine_bytes", bytes);
        }
        Err(error) => tracing::error!(%error, "the quarantine cannot be measured"),
    }
    for service in Service::ALL {
        if service != Service::Metrics {
            let connections = site.admission(service).total() as u64;
            ::metrics::gauge!("kakitome_connections", "group" => group(service))
                .set(as_f64(connections));
        }
    }
    handle.run_upkeep();
    handle.render()
}

/// The listeners that share an admission.
fn group(service: Service) -> &'static str {
    match service {
        Service::Smtp => "smtp",
        Service::Submission | Service::Submissions => "submission",
        Service::Https => "web",
        _ => "retrieval",
    }
}

fn gauge(name: &'static str, value: u64) {
    ::metrics::gauge!(name).set(as_f64(value));
}

/// Exact up to 2⁵³, which no counter here reaches.
#[allow(
    clippy::cast_precision_loss,
    reason = "metrics are floats by their format"
)]
fn as_f64(value: u64) -> f64 {
    value as f64
}
