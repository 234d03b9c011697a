//! A black-box test of a mail server, own or foreign, from outside (clauses 4.3(6), 5.1(1), 6.1(1)).
//!
//! A [`Plan`] says which server is probed, what is spoken there, and how far the probe may go; [`run`] carries out every
//! [`Check`] that fits and gives a [`Report`]: of each check a [`Verdict`], a reason in plain words, and the dialogue as
//! evidence. [`checks`] lists them all. Each check opens sessions of its own, one at a time.
//!
//! ```text
//! Plan ──► Context (reach the server, learn its names)
//!            │
//!            ├── relay · commands · smuggling · starttls · banner · enumeration · login · imap · pop3
//!            │      └── Dialogue: lines and octets, bounded in size and time, all of it recorded
//!            └── tls ── hello: our own ClientHello, for what no library speaks any more
//!            │
//!          Report
//! ```
//!
//! Unless the plan allows more, nothing is delivered and nobody's login fails: tricks to relay end at the reply to RCPT, and
//! what needs a message or a login says that it could not tell. Nothing here is shared with the server's own protocol code,
//! since a test that shares code with what it tests is blind to the faults of both.

mod banner;
mod certificate;
mod check;
mod commands;
mod context;
mod dialogue;
mod enumeration;
mod evidence;
mod handshake;
mod hello;
mod imap;
mod login;
mod plan;
mod pop3;
mod relay;
mod reply;
mod report;
mod smuggling;
mod starttls;
mod timing;
mod tls;
mod trouble;

use std::net::SocketAddr;

use tokio::time::{Instant, timeout_at};
use world::World;

pub use check::{Check, Family, Verdict, checks};
pub use evidence::{Said, Speaker};
pub use hello::{Answer as HelloAnswer, Hello, Malformed, Reader as HelloReader};
pub use plan::{
    MOST_SAMPLES, Plan, Protocol, SAMPLES, STEP_TIME, TOTAL_TIME, Tls, host_and_port, of_port,
};
pub use reply::{escape, reply_line};
pub use report::{Finding, Language, Report, Show};
pub use trouble::Trouble;

use check::Judged;
use context::Context;

/// Network addresses of one name that are tried.
const ADDRESSES: usize = 4;

/// Why a server could not be probed at all.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The name has no address.
    #[error("{host} has no network address: {reason}")]
    Name {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// Nothing there speaks the protocol.
    #[error("{host} port {port} cannot be probed as {}: {source}", protocol.as_str())]
    Server {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What was expected there.
        protocol: Protocol,
        /// Why.
        source: Trouble,
    },
    /// The probe itself lacks something.
    #[error("TLS cannot be spoken: {0}")]
    Tls(#[from] rustls::Error),
}

/// How far a probe has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The check that begins.
    pub check: &'static str,
    /// Checks that are done.
    pub done: usize,
    /// Checks in all.
    pub total: usize,
}

/// Carries out every check that fits the plan; `tell` hears of each as it begins.
///
/// # Errors
/// When the server cannot be reached, or does not greet as the protocol asks.
pub async fn run(
    plan: &Plan,
    world: &World,
    mut tell: impl FnMut(Progress) + Send,
) -> Result<Report, Unreachable> {
    let now = Instant::now();
    let end = now.checked_add(plan.total_time).unwrap_or(now);
    let context = reach(plan, world).await?;
    let chosen: Vec<&'static Check> = checks().filter(|check| fits(check, plan)).collect();
    context.recorder.take();
    let mut findings = Vec::with_capacity(chosen.len());
    for (done, check) in chosen.iter().enumerate() {
        tell(Progress {
            check: check.id,
            done,
            total: chosen.len(),
        });
        let judged = match Instant::now() < end {
            true => timeout_at(end, check.run(&context)).await.ok(),
            false => None,
        };
        let judged = judged.unwrap_or_else(|| {
            let time = plan.total_time;
            Judged::could_not_tell(format!("the time for all of the probe, {time:?}, was over"))
        });
        findings.push(Finding::new(check, judged, context.recorder.take()));
    }
    Ok(Report::new(plan, context.server.address, findings))
}

fn fits(check: &Check, plan: &Plan) -> bool {
    let wanted = plan.only.is_empty() || plan.only.contains(&check.family);
    let begins_plain = plan.tls != Tls::Implicit;
    wanted && check.protocols.contains(&plan.protocol) && (begins_plain || !check.before_tls)
}

/// Tries the addresses of the host in turn.
async fn reach<'p>(plan: &'p Plan, world: &'p World) -> Result<Context<'p>, Unreachable> {
    let unknown = |reason: String| Unreachable::Name {
        host: plan.host.clone(),
        reason,
    };
    let asking = tokio::net::lookup_host((plan.host.as_str(), plan.port));
    let found = tokio::time::timeout(plan.step_time, asking).await;
    let found = found.map_err(|_| unknown("no name server answered in time".to_owned()))?;
    let found = found.map_err(|error| unknown(error.to_string()))?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES).collect();
    let mut last = None;
    for address in addresses {
        let mut context = Context::new(plan, world, address)?;
        match context.reach().await {
            Ok(()) => return Ok(context),
            Err(trouble) => last = Some(trouble),
        }
    }
    Err(match last {
        Some(source) => Unreachable::Server {
            host: plan.host.clone(),
            port: plan.port,
            protocol: plan.protocol,
            source,
        },
        None => unknown("the name servers know none".to_owned()),
    })
}
