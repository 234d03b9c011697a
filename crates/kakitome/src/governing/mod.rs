//! The regulation is looked at while the server runs: standings, tasks that came round, and the mail that tells people of them.

mod facts;

use std::{sync::Arc, time::Duration};

use directory::Role;
use governance::{incident, look, remind, report};
use store::Tx;
use transfer::notice::{self, Notice};
use wire::Shutdown;

use crate::site::Site;

pub(crate) use facts::gather;

/// How often all clauses are looked at.
const LOOK: Duration = Duration::from_secs(300);
/// How long after the start the first time: scanners and disk are known then.
const FIRST: Duration = Duration::from_secs(5);

/// Looks until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut wait = FIRST;
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(wait) => {}
            () = site.look_at_clauses.notified() => {}
        }
        wait = LOOK;
        match once(&site).await {
            Ok(()) => {}
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the clauses were not looked at; it is tried again");
            }
        }
    }
}

/// Looks once, and sends what is to be sent.
pub(crate) async fn once(site: &Site) -> Result<(), store::Error> {
    let rules = site.rules();
    let seen = look::look(&site.store, &rules, &gather(site).await).await?;
    for state in governance::State::ALL {
        let count = seen
            .values()
            .filter(|one| one.finding.state == state)
            .count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics::gauge!("kakitome_clause_standings", "state" => state.as_str())
            .set(f64::from(count));
    }
    tell(site).await
}

async fn tell(site: &Site) -> Result<(), store::Error> {
    let (rules, now) = (site.rules(), site.world.now());
    let due = site
        .store
        .read(move |snapshot| remind::due(snapshot, &rules, now))
        .await?;
    for reminder in due {
        let message = Notice {
            to: holders(site, &reminder.roles).await?,
            subject: reminder.subject.clone(),
            text: reminder.text.clone(),
        };
        let task = reminder.task;
        let work = move |tx: &mut Tx<'_>, told: &[_]| remind::note(tx, &reminder, told);
        let ((), told) = notice::send(&site.transfer, message, work).await?;
        if told.is_empty() {
            tracing::warn!(
                task,
                "a task waits, and nobody who owes it has a mailbox here: `kakitome task list`"
            );
        }
    }
    for late in incident::late(&site.directory, &site.store).await? {
        let message = Notice {
            to: holders(site, &late.roles).await?,
            subject: late.subject.clone(),
            text: late.text.clone(),
        };
        let number = late.incident;
        let work = move |tx: &mut Tx<'_>, told: &[_]| incident::note_late(tx, &late, told);
        let ((), told) = notice::send(&site.transfer, message, work).await?;
        if told.is_empty() {
            tracing::warn!(
                incident = number,
                "steps of an incident are late, and nobody who may take them has a mailbox here: `kakitome incident show`"
            );
        }
    }
    let unsent = site.store.read(|snapshot| report::unsent(snapshot)).await?;
    for report in unsent {
        let number = report.number;
        let message = Notice {
            to: holders(site, &[report.to]).await?,
            subject: format!(
                "[Kakitome] 報告書 {number}: {title} / report {number}",
                title = report.title
            ),
            text: format!(
                "{}\n----\n確認 / Acknowledge: kakitome -C DIR report acknowledge {number}\n",
                report.text
            ),
        };
        let to = report.to;
        let work = move |tx: &mut Tx<'_>, told: &[_]| report::note_sent(tx, number, to, told);
        let ((), told) = notice::send(&site.transfer, message, work).await?;
        if told.is_empty() {
            tracing::warn!(report = number, role = %to, "a report was made, and nobody of its role has a mailbox here: `kakitome report show`");
        }
    }
    Ok(())
}

/// Where mail reaches those who hold any of the roles, each address once.
async fn holders(site: &Site, roles: &[Role]) -> Result<Vec<message::Address>, store::Error> {
    let mut addresses = Vec::new();
    for role in roles {
        for address in site.directory.addresses_of(*role).await? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    Ok(addresses)
}
