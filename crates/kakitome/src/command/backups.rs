//! `backups`: the backups that were made, and what they still hold of deleted accounts (clause 7.1(3)).

use std::path::{Path, PathBuf};

use directory::{Role, repeat::Repeated};
use serde_json::json;
use trail::Kind;

use super::{Answer, Failure, need, words};
use crate::{
    backups::{self, Known, Left, State},
    cli::BackupsCommand,
    site::Site,
};

/// Who may look at them and carry out a deletion in them.
const MAY: &[Role] = &[
    Role::Administrator,
    Role::SystemOfficer,
    Role::AccountManager,
];
/// Who may say that one is gone.
const MAY_SAY_GONE: &[Role] = &[Role::Administrator, Role::SystemOfficer];

pub(super) async fn run(
    site: &Site,
    caller: &directory::Person,
    command: BackupsCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        BackupsCommand::List => {
            need(caller, MAY)?;
            for known in backups::list(site).await? {
                answer.item(&known).await?;
            }
            Ok(())
        }
        BackupsCommand::Purge { backups } => {
            need(caller, MAY)?;
            purge(site, caller, backups, answer).await
        }
        BackupsCommand::Gone {
            backups,
            missing,
            reason,
        } => {
            need(caller, MAY_SAY_GONE)?;
            gone(site, caller, (backups, missing), &reason, answer).await
        }
    }
}

async fn purge(
    site: &Site,
    caller: &directory::Person,
    mut named: Vec<PathBuf>,
    answer: &mut Answer,
) -> Result<(), Failure> {
    if named.is_empty() {
        let due = backups::list(site).await?.into_iter();
        let due = due.filter(|known| known.state == State::Due);
        named = due.map(|known| known.backup).collect();
    }
    let mut failed = 0_usize;
    for backup in named {
        absolute(&backup)?;
        match backups::purge(site, &backup, &caller.by()).await {
            Ok(done) => answer.item(&row(&backup, done)).await?,
            Err(why) => {
                failed = failed.saturating_add(1);
                answer.note(format!("{}: {why}", backup.display())).await;
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!(
            "{failed} backups were left as they are"
        ))),
    }
}

fn row(backup: &Path, done: Repeated) -> serde_json::Value {
    json!({
        "backup": backup.display().to_string(),
        "accounts": done.accounts,
        "addresses": done.addresses,
        "entries": done.entries,
        "discarded": done.discarded,
        "waiting": done.waiting,
    })
}

async fn gone(
    site: &Site,
    caller: &directory::Person,
    (named, missing): (Vec<PathBuf>, bool),
    reason: &str,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let reason = words("how you know that it is gone", reason)?;
    let known = backups::list(site).await?;
    let all = known.iter().filter(|one| one.state == State::Missing);
    let mut chosen: Vec<PathBuf> = all
        .filter(|_| missing)
        .map(|one| one.backup.clone())
        .collect();
    for backup in named {
        match known.iter().find(|one| one.backup == backup) {
            None => {
                return Err(Failure::Refused(format!(
                    "{} is no backup that is known: `backups list`",
                    backup.display()
                )));
            }
            Some(one) if matches!(one.state, State::Due | State::Clean) && backup.exists() => {
                return Err(Failure::Refused(format!(
                    "{} is still there",
                    backup.display()
                )));
            }
            Some(_) => chosen.push(backup),
        }
    }
    if chosen.is_empty() {
        return Err(Failure::Refused("no backup is meant".to_owned()));
    }
    for backup in chosen {
        let event = caller
            .by()
            .event(Kind::BackupGone)
            .subject(backup.display().to_string())
            .detail("reason", reason.as_str());
        site.record(event).await?;
        answer
            .item(&json!({ "backup": backup.display().to_string() }))
            .await?;
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<(), Failure> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(Failure::Words(format!(
        "{} is no absolute path",
        path.display()
    )))
}

/// After something was given up for good: gives it up in the backups, and says of each what became of it.
pub(super) async fn after_deletion(site: &Site, answer: &mut Answer) -> Result<(), Failure> {
    if !site.settings().directory.delete_in_backups {
        let due = backups::list(site).await?.into_iter();
        let due = due.filter(|known| known.state != State::Clean).count();
        if due > 0 {
            answer
                .note(format!(
                    "{due} backups still hold what was given up: `backups purge`"
                ))
                .await;
        }
        return Ok(());
    }
    for (known, ended) in backups::purge_all(site).await? {
        answer.note(told(&known, &ended)).await;
    }
    Ok(())
}

fn told(known: &Known, ended: &Result<Repeated, Left>) -> String {
    let backup = known.backup.display();
    match (ended, known.state) {
        (Ok(done), _) if done.waiting > 0 => format!(
            "the backup {backup}: the account is deleted there too; {} messages that it submitted still wait in the queue, \
             and go from the backup once they have left",
            done.waiting
        ),
        (Ok(done), _) if done.accounts > 0 => {
            format!("the backup {backup}: the account is deleted there too")
        }
        (Ok(_), _) => format!("the backup {backup}: it is given up there too"),
        (Err(_), State::Missing | State::Foreign) => format!(
            "the backup {backup} is not there: if it is elsewhere, `backups purge` with its place; if it was destroyed, `backups gone`"
        ),
        (Err(why), _) => format!("the backup {backup} still holds what was given up: {why}"),
    }
}
