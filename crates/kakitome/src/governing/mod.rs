//! The regulation is looked at while the server runs: standings, tasks that came round, and the mail that tells people of them.

mod facts;
mod post;

use std::{sync::Arc, time::Duration};

use governance::{incident, look, remind, report};
use message::Address;
use regulation::Text;
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
    let facts = gather(site).await;
    post::warn(site, &facts).await?;
    post::sharing(site).await?;
    let seen = look::look(&site.store, &rules, &facts).await?;
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
        let to = post::holders(site, &reminder.roles).await?;
        let versions = post::versions(site, to, &reminder.subject, &reminder.text).await?;
        let task = reminder.task;
        let work = move |tx: &mut Tx<'_>, told: &[_]| remind::note(tx, &reminder, told);
        let sent = notice::send_versions(&site.transfer, versions, work).await;
        if is_untold(sent)? {
            tracing::warn!(
                task,
                "a task waits, and nobody who owes it has a mailbox here: `kakitome task list`"
            );
        }
    }
    for late in incident::late(&site.directory, &site.store).await? {
        // Both languages are in it.
        let message = Notice {
            to: post::holders(site, &late.roles).await?,
            subject: late.subject.clone(),
            text: late.text.clone(),
        };
        let number = late.incident;
        let work = move |tx: &mut Tx<'_>, told: &[_]| incident::note_late(tx, &late, told);
        let sent = notice::send(&site.transfer, message, work).await;
        if is_untold(sent)? {
            tracing::warn!(
                incident = number,
                "steps of an incident are late, and nobody who may take them has a mailbox here: `kakitome incident show`"
            );
        }
    }
    send_reports(site).await?;
    tell_again(site).await
}

/// Whether nobody was told; `false` too, if somebody else told of it meanwhile.
fn is_untold(sent: Result<((), Vec<Address>), store::Error>) -> Result<bool, store::Error> {
    match sent {
        Ok(((), told)) => Ok(told.is_empty()),
        Err(store::Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sends reports that were not sent. One that nobody can be sent is tried again each time: somebody may have got a mailbox.
async fn send_reports(site: &Site) -> Result<(), store::Error> {
    let unsent = site.store.read(|snapshot| report::unsent(snapshot)).await?;
    for report in unsent {
        let number = report.number;
        let to = post::holders(site, &[report.to]).await?;
        if to.is_empty() && report.untold {
            continue;
        }
        let title = &report.title;
        let subject = Text::new(
            format!("[Kakitome] 報告書 {number}: {title}"),
            format!("[Kakitome] report {number}: {title}"),
        );
        // A report is one document, with one digest: it is in both languages for everybody.
        let command = format!("kakitome -C DIR report acknowledge {number}");
        let text = Text::new(
            format!("{}\n----\n確認: {command}\n", report.text),
            format!("{}\n----\nAcknowledge: {command}\n", report.text),
        );
        let versions = post::reports(site, to, &subject, &text).await?;
        let to = report.to;
        let work = move |tx: &mut Tx<'_>, told: &[_]| report::note_sent(tx, number, to, told);
        let sent = notice::send_versions(&site.transfer, versions, work).await;
        if is_untold(sent)? {
            tracing::warn!(report = number, role = %to, "a report was made, and nobody of its role has a mailbox here: `kakitome report show`");
        }
    }
    Ok(())
}

/// Tells again of reports that nobody has acknowledged, after a week, and those above after two.
async fn tell_again(site: &Site) -> Result<(), store::Error> {
    let now = site.world.now();
    let waiting = site
        .store
        .read(move |snapshot| report::unacknowledged(snapshot, now))
        .await?;
    for report in waiting {
        let (number, title) = (report.number, &report.title);
        let to = post::holders(site, &report.roles).await?;
        let day = site.rules().calendar.date(report.made_at);
        let subject = Text::new(
            format!("[Kakitome] 報告書 {number} がまだ確認されていません: {title}"),
            format!("[Kakitome] nobody has acknowledged report {number}: {title}"),
        );
        let commands = format!(
            "kakitome -C DIR report show {number}\nkakitome -C DIR report acknowledge {number}\n"
        );
        let text = Text::new(
            format!("{day} の報告書 {number} がまだ確認されていません。\n{title}\n\n{commands}"),
            format!("Report {number} of {day} was not acknowledged yet.\n{title}\n\n{commands}"),
        );
        let versions = post::versions(site, to, &subject, &text).await?;
        let work = move |tx: &mut Tx<'_>, told: &[_]| report::note_reminded(tx, &report, told);
        let sent = notice::send_versions(&site.transfer, versions, work).await;
        if is_untold(sent)? {
            tracing::warn!(
                report = number,
                "nobody has acknowledged a report, and nobody who is to be told of that has a mailbox here: `kakitome report show`"
            );
        }
    }
    Ok(())
}
