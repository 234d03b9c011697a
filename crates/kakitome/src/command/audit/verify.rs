//! `audit verify`, `audit checkpoint`, `audit prove`: what the tree over the trail says.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use directory::Person;
use serde_json::json;
use store::{
    tree::{Signed, Witness},
    verify::Step,
};
use trail::{Kind, checkpoint::Checkpoint};

use super::super::{Answer, Failure};
use crate::{site::Site, verifying::Faults};

/// Verifies every event, the tree and all checkpoints, and compares with a checkpoint that was kept elsewhere.
pub(super) async fn run(
    site: &Site,
    caller: &Person,
    witness: Option<&str>,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let signed = site.store.checkpoint().await?;
    let mut faults = Faults::default();
    let mut verification = site.store.trail_verification();
    while let Some(step) = verification.next().await? {
        match step {
            Step::Progress(so_far) => answer.progress(so_far.what, so_far.checked, so_far.total),
            Step::Found(finding) => {
                faults.take(&finding.to_string());
                let row = json!({
                    "fault": finding.name(),
                    "subject": finding.subject(),
                    "finding": finding.to_string(),
                });
                answer.item(&row).await?;
            }
        }
    }
    if let Some(note) = witness
        && let Some(finding) = compare(site, note).await?
    {
        faults.take(&finding);
        let row = json!({ "fault": "witness", "subject": "the audit trail", "finding": finding });
        answer.item(&row).await?;
    }
    let size = signed.as_ref().map_or(0, |signed| signed.size);
    faults
        .record(site, &caller.by(), size, witness.is_some())
        .await?;
    if faults.found > 0 {
        return Err(Failure::Failed(format!(
            "{} findings: the audit trail is not what was written",
            faults.found
        )));
    }
    answer
        .note(format!(
            "All {size} events are what was written, and every checkpoint tells of them."
        ))
        .await;
    Ok(())
}

/// What is wrong by a checkpoint that was kept elsewhere.
async fn compare(site: &Site, note: &str) -> Result<Option<String>, Failure> {
    Ok(match site.store.witness(note).await? {
        Err(error) => Some(format!(
            "the checkpoint that was kept elsewhere is none of this trail: {error}"
        )),
        Ok(Witness::Agrees { .. }) => None,
        Ok(Witness::Forked { size }) => Some(format!(
            "the first {size} events are not those that the checkpoint told of: the trail was written anew, or an older one was brought back"
        )),
        Ok(Witness::Cut { told, left }) => Some(format!(
            "the checkpoint told of {told} events, {left} are there: the end of the trail is gone"
        )),
    })
}

/// Gives out a checkpoint over all events.
pub(super) async fn checkpoint(
    site: &Site,
    caller: &Person,
    to: Option<&Path>,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let Some(Signed { at, size, note }) = site.store.checkpoint().await? else {
        return Err(Failure::Refused("there are no events yet".to_owned()));
    };
    if let Some(to) = to {
        must_be_absolute(to)?;
        write_new(to, &note)
            .map_err(|error| Failure::Failed(format!("{}: {error}", to.display())))?;
    }
    let event = caller
        .by()
        .event(Kind::TrailWitnessed)
        .detail("events", size)
        .detail("checkpoint", note.as_str())
        .detail("to", to.map(|to| to.display().to_string()));
    site.record(event).await?;
    let key = site.store.trail_key().to_string();
    answer
        .row(&json!({ "events": size, "at": at, "key": key, "checkpoint": note }))
        .await
}

/// Gives out what proves one event to somebody who has the public key.
pub(super) async fn prove(
    site: &Site,
    caller: &Person,
    event: i64,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let proof = match site.store.prove(event).await {
        Err(store::Error::NotFound(what)) => {
            return Err(Failure::Refused(format!("there is no {what}")));
        }
        other => other?,
    };
    let told = caller
        .by()
        .event(Kind::TrailProved)
        .subject(event.to_string());
    site.record(told).await?;
    let path: Vec<String> = proof
        .path
        .iter()
        .map(|hash| BASE64_STANDARD.encode(hash))
        .collect();
    answer
        .row(&json!({
            "event": proof.line,
            "salt": trail::volume::hex(&proof.salt),
            "index": proof.index,
            "path": path,
            "checkpoint": proof.checkpoint.note,
            "key": site.store.trail_key().to_string(),
        }))
        .await
}

/// Gives out what proves that the trail only grew since the checkpoint `since`.
pub(super) async fn prove_growth(
    site: &Site,
    caller: &Person,
    since: &str,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let old = match Checkpoint::open(since, &site.store.trail_key()) {
        Ok(old) => old,
        Err(error) => {
            return Err(Failure::Refused(format!(
                "that is no checkpoint of this trail: {error}"
            )));
        }
    };
    let (now, path) = match site.store.prove_growth(old.size).await {
        Err(store::Error::NotFound(what)) => {
            return Err(Failure::Refused(format!("there is no {what}")));
        }
        other => other?,
    };
    let told = caller
        .by()
        .event(Kind::TrailProved)
        .detail("since", old.size)
        .detail("events", now.size);
    site.record(told).await?;
    let path: Vec<String> = path
        .iter()
        .map(|hash| BASE64_STANDARD.encode(hash))
        .collect();
    answer
        .row(&json!({
            "since": old.size,
            "events": now.size,
            "path": path,
            "checkpoint": now.note,
            "key": site.store.trail_key().to_string(),
        }))
        .await
}

pub(in crate::command) fn must_be_absolute(path: &Path) -> Result<(), Failure> {
    match path.is_absolute() {
        true => Ok(()),
        false => Err(Failure::Words(format!(
            "{} is no absolute path",
            path.display()
        ))),
    }
}

/// Writes a file that must not be there yet, durably.
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
