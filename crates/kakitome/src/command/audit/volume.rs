//! `audit volumes`, `seal`, `export`, `custody`: the trail in parts, and where its copies are (clauses 4.2(2), 8.2(1)b).

use directory::Person;
use serde_json::{Value, json};
use store::tree::{self, Custody, Export, NewCustody, Seal, Volume};
use tokio::sync::watch;
use trail::Actor;

use super::{
    super::{Answer, Failure},
    verify::must_be_absolute,
};
use crate::{
    cli::{CustodyCommand, ExportArgs, MediumArgs},
    site::Site,
};

pub(super) async fn list(site: &Site, answer: &mut Answer) -> Result<(), Failure> {
    let read = site.store.read(|sql| -> Result<_, store::Error> {
        Ok((tree::volumes(sql)?, tree::custody(sql, None)?))
    });
    let (volumes, custody) = read.await?;
    for volume in volumes {
        let media = custody.iter().filter(|noted| noted.volume == volume.number);
        answer.item(&shown(&volume, media.count())).await?;
    }
    Ok(())
}

fn shown(volume: &Volume, media: usize) -> Value {
    json!({
        "volume": volume.number,
        "events": volume.last - volume.first,
        "from": volume.from,
        "to": volume.to,
        "sealed": volume.sealed,
        "retain_until": volume.retain_until,
        "custody_entries": media,
    })
}

pub(super) async fn seal(site: &Site, caller: &Person, answer: &mut Answer) -> Result<(), Failure> {
    let how = Seal {
        before: None,
        retain_years: site.settings().audit.retain_years,
        actor: Actor::Person(caller.name.clone()),
    };
    match site.store.seal_volume(how).await? {
        Some(volume) => answer.row(&shown(&volume, 0)).await,
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
        actor: Actor::Person(caller.name.clone()),
    };
    let (teller, mut told) = watch::channel((0, 0));
    let exporting = site.store.export_volume(how, move |done, total| {
        teller.send_replace((done, total));
    });
    tokio::pin!(exporting);
    let report = loop {
        tokio::select! {
            done = &mut exporting => break found(done)?,
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
    let new = NewCustody {
        medium,
        place,
        key_holder,
        remark: words.remark.unwrap_or_default(),
    };
    found(site.store.note_custody(volume, new, &caller.name).await)
}

/// What does not exist is a refusal, not a failure.
fn found<T>(done: Result<T, store::Error>) -> Result<T, Failure> {
    done.map_err(|error| match error {
        store::Error::NotFound(what) => Failure::Refused(format!("there is no {what}")),
        other => other.into(),
    })
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
