//! `verify`: is what is stored what was written?

use directory::{Role, command::on_record};
use serde_json::json;
use store::{Finding, Repaired, verify::Step};
use trail::By;

use super::{Answer, Failure, need};
use crate::site::Site;

/// What was found, and what became of it.
#[derive(Default)]
struct Tally {
    found: u64,
    repaired: u64,
}

pub(super) async fn run(
    site: &Site,
    caller: &directory::Person,
    repair: bool,
    answer: &mut Answer,
) -> Result<(), Failure> {
    need(
        caller,
        &[
            Role::Administrator,
            Role::SystemOfficer,
            Role::SecurityOfficer,
        ],
    )?;
    let by = repair.then(|| caller.by());
    let mut tally = Tally::default();
    let mut verification = site.store.verification();
    while let Some(step) = verification.next().await? {
        match step {
            Step::Progress(so_far) => {
                answer.progress(so_far.what, so_far.checked, so_far.total);
            }
            Step::Found(finding) => tally.tell(site, &finding, by.as_ref(), answer).await?,
        }
    }
    for (number, why) in on_record::off_record(&site.directory).await? {
        let why = why.to_owned();
        let finding = Finding::OrderAltered { number, why };
        tally.tell(site, &finding, by.as_ref(), answer).await?;
    }
    let accounts = site.index.accounts().await?;
    for (checked, account) in (1..).zip(&accounts) {
        answer.progress("search index", checked, Some(accounts.len() as u64));
        if let Some(finding) = site.index.verify(*account).await? {
            tally.tell(site, &finding, by.as_ref(), answer).await?;
        }
    }
    tally.end(repair, answer).await
}

impl Tally {
    async fn tell(
        &mut self,
        site: &Site,
        finding: &Finding,
        by: Option<&By>,
        answer: &mut Answer,
    ) -> Result<(), Failure> {
        let remedy = finding.remedy();
        let (repaired, words) = match by {
            None if remedy.is_repair() => (None, format!("--repair {}", remedy.words())),
            None => (None, remedy.words().to_owned()),
            Some(by) => match mend(site, finding, by).await? {
                // It changed between the look and the repair, and is right.
                Repaired::NoLonger => return Ok(()),
                Repaired::Done => (Some(true), "repaired".to_owned()),
                Repaired::Left(why) => (Some(false), why),
            },
        };
        self.found += 1;
        self.repaired += u64::from(repaired == Some(true));
        let mut row = json!({
            "fault": finding.name(),
            "subject": finding.subject(),
            "finding": finding.to_string(),
            "repair": words,
        });
        match repaired {
            Some(repaired) => row["repaired"] = repaired.into(),
            None => row["repairable"] = remedy.is_repair().into(),
        }
        answer.item(&row).await
    }

    async fn end(&self, repair: bool, answer: &mut Answer) -> Result<(), Failure> {
        let left = self.found - self.repaired;
        match (self.found, left) {
            (0, _) => {
                answer.note("Everything stored is what was written.").await;
                Ok(())
            }
            (found, 0) => {
                answer
                    .note(format!("{found} findings, all repaired; `audit search --kind store.repaired` tells of each."))
                    .await;
                Ok(())
            }
            (found, left) if repair => Err(Failure::Failed(format!(
                "{found} findings, of which {left} were left alone"
            ))),
            (found, _) => Err(Failure::Failed(format!(
                "{found} findings; nothing was changed"
            ))),
        }
    }
}

async fn mend(site: &Site, finding: &Finding, by: &By) -> Result<Repaired, store::Error> {
    match finding {
        Finding::Index { .. } | Finding::IndexOfNobody { .. } => {
            site.index.repair(finding, by.clone()).await
        }
        _ => site.store.repair(finding, by.clone()).await,
    }
}
