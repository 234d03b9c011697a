//! `audit volumes`, `seal`, `export`, `custody`: the trail in parts, and where its copies are (clauses 4.2(2), 8.2(1)b).

use directory::Person;
use serde_json::{Value, json};
use store::tree::{self, Custody, Decision, EraseError, Export, NewCustody, Seal, Volume};
use tokio::sync::watch;
use trail::By;

use super::{
    super::{Answer, Failure},
    verify::must_be_absolute,
};
use crate::{
    cli::{CustodyCommand, DecideArgs, ExportArgs, MediumArgs},
    site::Site,
};

pub(super) async fn list(site: &Site, answer: &mut Answer) -> Result<(), Failure> {
    let now = site.store.now();
    let read = site.store.read(move |sql| -> Result<_, store::Error> {
        let mut volumes = Vec::new();
        for volume in tree::volumes(sql)? {
            let due = tree::is_due(sql, &volume, now)?;
            volumes.push((volume, due));
        }
        Ok((volumes, tree::custody(sql, None)?))
    });
    let (volumes, custody) = read.await?;
    for (volume, due) in volumes {
        let media = custody.iter().filter(|noted| noted.volume == volume.number);
        answer.item(&shown(&volume, media.count(), due)).await?;
    }
    Ok(())
}

fn shown(volume: &Volume, media: usize, due: bool) -> Value {
    json!({
        "volume": volume.number,
        "events": volume.last - volume.first,
        "from": volume.from,
        "to": volume.to,
        "sealed": volume.sealed,
        "retain_until": volume.retain_until,
        "due": due,
        "decided_by": volume.decided.as_ref().map(|(_, by)| by),
        "erased": volume.erased,
        "custody_entries": media,
    })
}

pub(super) async fn seal(site: &Site, caller: &Person, answer: &mut Answer) -> Result<(), Failure> {
    let how = Seal {
        before: None,
        retain_years: site.settings().audit.retain_years,
        by: caller.by(),
    };
    match site.store.seal_volume(how).await? {
        Some(volume) => answer.row(&shown(&volume, 0, false)).await,
        None => Err(Failure::Refused(
            "there are no events since the last volume".to_owned(),
        )),
    }
}

pub(super) async fn export(
    site: &Site,
    caller: &Person,
    words: ExportArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    must_be_absolute(&words.to)?;
    let within = std::path::absolute(&site.path).is_ok_and(|site| words.to.starts_with(site));
    if within {
        return Err(Failure::Refused(format!(
            "{} lies within the site itself and would be lost with it",
            words.to.display()
        )));
    }
    let how = Export {
        number: words.volume,
        to: words.to.clone(),
        by: caller.by(),
    };
    let (teller, mut told) = watch::channel((0, 0));
    let exporting = site.store.export_volume(how, move |done, total| {
        teller.send_replace((done, total));
    });
    tokio::pin!(exporting);
    let report = loop {
        tokio::select! {
            done = &mut exporting => break done.map_err(missing)?,
            Ok(()) = told.changed() => {
                let (done, total) = *told.borrow_and_update();
                answer.progress("events", done, Some(total));
            }
        }
    };
    let mut noted = None;
    if words.medium.medium.is_some() {
        let custody = note(site, caller, words.volume, words.medium).await?;
        noted = Some(custody.id);
    } else {
        answer
            .note("Note where the medium is kept: audit custody add")
            .await;
    }
    answer
        .row(&json!({
            "volume": words.volume,
            "to": words.to.display().to_string(),
            "events": report.events,
            "erased": report.erased,
            "checkpoints": report.checkpoints,
            "custody": noted,
        }))
        .await
}

pub(super) async fn decide(
    site: &Site,
    caller: &Person,
    words: &DecideArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let decision = match &words.extend {
        Some(until) => Decision::Extend(site.time(until)?),
        None => Decision::Erase,
    };
    let (number, reason) = (
        words.volume,
        &super::super::words("the reason", &words.reason)?,
    );
    let erase = matches!(decision, Decision::Erase);
    let decided = site
        .store
        .decide_volume(number, decision, caller.by(), reason);
    let volume = decided.await.map_err(refused)?;
    // What is not due is not decided to be erased, and what is extended is not due.
    answer.row(&shown(&volume, 0, erase)).await
}

/// Erases what is due and decided on. Whoever decided does not erase too, unless one person may do both.
pub(super) async fn erase_due(
    site: &Site,
    caller: &Person,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let read = site.store.read(|sql| tree::volumes(sql));
    let volumes: Result<Vec<Volume>, store::Error> = read.await;
    let single = site.directory.permits_single_person().await?;
    let mut erased = 0_u64;
    for volume in volumes? {
        if volume.decided.is_none() || volume.erased.is_some() {
            continue;
        }
        // Whether it is one is looked at by the commit that begins it.
        let eraser = By {
            single_person: single,
            ..caller.by()
        };
        let erasing = site.store.erase_volume(volume.number, eraser);
        let certificate = erasing.await.map_err(refused)?;
        erased += 1;
        let row = json!({ "volume": volume.number, "certificate": certificate });
        answer.item(&row).await?;
    }
    answer.note(format!("{erased} volumes were erased.")).await;
    Ok(())
}

fn refused(error: EraseError) -> Failure {
    match error {
        EraseError::Store(error) => missing(error),
        other => Failure::Refused(other.to_string()),
    }
}

pub(super) async fn custody(
    site: &Site,
    caller: &Person,
    command: CustodyCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        CustodyCommand::List { volume } => {
            let read = site.store.read(move |sql| tree::custody(sql, volume));
            let read: Result<_, store::Error> = read.await;
            for noted in read? {
                answer.item(&entry(&noted)).await?;
            }
            Ok(())
        }
        CustodyCommand::Add { volume, medium } => {
            let noted = note(site, caller, volume, medium).await?;
            answer.row(&entry(&noted)).await
        }
    }
}

async fn note(
    site: &Site,
    caller: &Person,
    volume: u64,
    words: MediumArgs,
) -> Result<Custody, Failure> {
    let (Some(medium), Some(place), Some(key_holder)) =
        (words.medium, words.place, words.key_holder)
    else {
        let words = "an entry of custody says --medium, --place and --key-holder";
        return Err(Failure::Words(words.to_owned()));
    };
    let plain = super::super::words;
    let new = NewCustody {
        medium: plain("the medium", &medium)?,
        place: plain("the place", &place)?,
        key_holder: plain("the holder of the key", &key_holder)?,
        remark: match words.remark {
            Some(remark) => plain("the remark", &remark)?,
            None => String::new(),
        },
    };
    let noted = site.store.note_custody(volume, new, caller.by()).await;
    noted.map_err(missing)
}

/// What does not exist is a refusal, not a failure.
fn missing(error: store::Error) -> Failure {
    match error {
        store::Error::NotFound(what) => Failure::Refused(format!("there is no {what}")),
        other => other.into(),
    }
}

fn entry(noted: &Custody) -> Value {
    json!({
        "id": noted.id,
        "volume": noted.volume,
        "at": noted.at,
        "medium": noted.entry.medium,
        "place": noted.entry.place,
        "key_holder": noted.entry.key_holder,
        "by": noted.person,
        "remark": noted.entry.remark,
    })
}
