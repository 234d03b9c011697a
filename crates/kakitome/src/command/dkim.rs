//! `dkim`: keys that mail is signed with (RFC 6376).

use directory::{Person, Role};
use message::Domain;
use screening::sign::Algorithm;
use serde_json::json;
use transfer::signing as keys;

use super::{Answer, Failure, need};
use crate::{cli::DkimCommand, signing, site::Site};

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    command: DkimCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    need(caller, &[Role::Administrator])?;
    let by = caller.by();
    let transfer = &site.transfer;
    match command {
        DkimCommand::List => {
            let all = site.store.read(|snapshot| keys::records(snapshot)).await?;
            for key in &all {
                answer.item(key).await?;
            }
            Ok(())
        }
        DkimCommand::Look => {
            if site.settings().signing_rules().is_none() {
                return Err(Failure::Refused(
                    "mail is not signed: [signing] enabled is off".to_owned(),
                ));
            }
            let cared = signing::look(site).await?;
            let names = |all: &[keys::Record]| -> Vec<String> {
                all.iter().map(|key| key.name.clone()).collect()
            };
            let row = json!({
                "made": names(&cared.made),
                "started": names(&cared.started),
                "gone": names(&cared.gone),
            });
            answer.row(&row).await
        }
        DkimCommand::Make { domain, algorithm } => {
            let name = Domain::parse(&domain)
                .map_err(|error| Failure::Words(format!("{domain:?} is no domain: {error}")))?;
            if !site.directory.is_own(&name) {
                return Err(Failure::Refused(format!(
                    "{name} is no domain of this site"
                )));
            }
            let algorithm = Algorithm::from_word(&algorithm)
                .ok_or_else(|| Failure::Words(format!("{algorithm:?} is no algorithm")))?;
            let made = keys::make(transfer, &name, algorithm, &by).await?;
            answer.row(&made).await
        }
        DkimCommand::Start { number } => {
            done(keys::start(transfer, number, &by).await)?;
            answer
                .row(&json!({ "number": number, "standing": "signing" }))
                .await
        }
        DkimCommand::Stop { number } => {
            done(keys::stop(transfer, number, &by).await)?;
            answer
                .note("publish the key's record with an empty p=, or remove it: mail that it signed counts as unsigned then")
                .await;
            answer
                .row(&json!({ "number": number, "standing": "stopped" }))
                .await
        }
    }
}

fn done(result: Result<(), store::Error>) -> Result<(), Failure> {
    result.map_err(|error| match error {
        store::Error::Refused(_) | store::Error::NotFound(_) => Failure::Refused(error.to_string()),
        error => error.into(),
    })
}
