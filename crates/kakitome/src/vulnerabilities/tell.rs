//! Who has to act is told of cases by mail (clause 4.3(3)).

use directory::Role;
use governance::vuln::case::{self, View};
use store::{Error, Recorded, Tx};
use trail::{Actor, Event, Kind, Outcome};
use transfer::notice::{self, Notice};

use crate::site::Site;

/// Cases that one mail tells of in whole; the others by number.
const MOST_TOLD: usize = 50;

/// Tells administrators and system officers of cases that they were not told of.
pub(super) async fn cases(site: &Site) -> Result<(), Error> {
    // Nobody is told twice of a case, and not of half of what a feed says.
    let _alone = site.importing.lock().await;
    let cases = case::untold(&site.store, site.world.now()).await?;
    if cases.is_empty() {
        return Ok(());
    }
    let mut to = site.directory.addresses_of(Role::Administrator).await?;
    for address in site.directory.addresses_of(Role::SystemOfficer).await? {
        if !to.contains(&address) {
            to.push(address);
        }
    }
    let numbers: Vec<i64> = cases.iter().map(|case| case.number).collect();
    let names: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let work = move |tx: &mut Tx<'_>, told: &[message::Address]| -> Result<Recorded<()>, Error> {
        case::note_told(tx, &numbers)?;
        let whom: Vec<String> = told.iter().map(ToString::to_string).collect();
        let event = Event::new(Kind::VulnTold, Actor::System)
            .subject(whom.join(" "))
            .detail("cases", names);
        let event = match whom.is_empty() {
            true => event.outcome(Outcome::Failure).detail(
                "reason",
                "no administrator and no system officer has a mailbox here",
            ),
            false => event,
        };
        tx.record(&event, ())
    };
    let message = Notice {
        to,
        subject: format!("[Kakitome] 脆弱性 / vulnerabilities: {}", cases.len()),
        text: text(&cases),
    };
    notice::send(&site.transfer, message, work).await?;
    Ok(())
}

fn text(cases: &[View]) -> String {
    let mut text = "このサーバーのソフトウェアに関わる脆弱性情報(規程 4.3(3))\n\
                    システム管理者は内容を確認し、責任者に報告してください: kakitome vuln show 番号、kakitome vuln report 番号\n\n\
                    On vulnerabilities of software that runs here (clause 4.3(3))\n\
                    The administrator looks at each and reports it to the officer: kakitome vuln show N, kakitome vuln report N\n"
        .to_owned();
    for case in cases.iter().take(MOST_TOLD) {
        let software: Vec<&str> = case
            .software
            .iter()
            .map(|one| one.software.as_str())
            .collect();
        let mut fixed: Vec<&str> = case
            .software
            .iter()
            .flat_map(|one| one.fixed.iter().map(String::as_str))
            .collect();
        fixed.dedup();
        let dash = |list: Vec<&str>| {
            if list.is_empty() {
                "-".to_owned()
            } else {
                list.join(", ")
            }
        };
        text.push_str(&format!(
            "\n# {number}: {id}\n{title}\n対象 / touches: {software}\n修正版 / fixed in: {fixed}\n深刻度 / severity: {severity}\n",
            number = case.number,
            id = case.id,
            title = case.title,
            software = dash(software),
            fixed = dash(fixed),
            severity = case.severity.as_deref().unwrap_or("-"),
        ));
        if let Some(since) = &case.exploited_since {
            text.push_str(&format!(
                "悪用が確認されています / known to be exploited since: {since}\n"
            ));
        }
    }
    if cases.len() > MOST_TOLD {
        text.push_str(&format!(
            "\nほか / and {} more: kakitome vuln list\n",
            cases.len().saturating_sub(MOST_TOLD)
        ));
    }
    text
}
