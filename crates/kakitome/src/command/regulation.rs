//! `regulation`: the site's own regulation as documents.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use ::regulation::{Catalogue, Decided, Document, Language, Regulation, SiteFacts, oscal};
use directory::{
    Role,
    command::{
        Caller, CommandError,
        person::{self, PersonView},
    },
};
use governance::{clause::ClauseView, expert::ExpertView, fault::Correction};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trail::{By, Event, Kind};

use super::{Answer, Failure, audit::verify::must_be_absolute};
use crate::{
    cli::RegulationCommand,
    files::Claimed,
    folder::{Folder, Readers},
    governing, own_regulation,
    site::Site,
};

/// Who may read it may also pass it on: it names officers and tells what is not in order.
const MODE: u32 = 0o640;

pub(super) async fn run(
    site: &Site,
    caller: &Caller,
    command: RegulationCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        RegulationCommand::Show => show(site, caller, answer).await,
        RegulationCommand::Render { lang, format, to } => {
            if to.is_none() && format == "pdf" {
                return Err(Failure::Words("a pdf needs --to FILE".to_owned()));
            }
            to.as_deref().map_or(Ok(()), must_be_absolute)?;
            let (row, text) = render(site, caller, &lang, &format, to.as_deref()).await?;
            match text {
                Some(text) => {
                    answer.text(text).await;
                    Ok(())
                }
                None => answer.row(&row).await,
            }
        }
        RegulationCommand::Export { format, to } => {
            to.as_deref().map_or(Ok(()), must_be_absolute)?;
            for row in export(site, caller, &format, to.as_deref()).await? {
                match to {
                    Some(_) => answer.item(&row).await?,
                    None => answer.text(format!("{row}\n")).await,
                }
            }
            Ok(())
        }
    }
}

/// The regulation and the facts of the site as they are now.
pub(super) async fn gathered(site: &Site) -> Result<(Arc<Regulation>, SiteFacts), CommandError> {
    let (rules, facts, now) = (
        site.rules(),
        governing::gather(site).await,
        site.world.now(),
    );
    let read = move |snapshot: &mut store::Snapshot<'_>| Seen::read(snapshot, &rules, &facts, now);
    Ok(site.store.read(read).await?.told(site))
}

/// What one view of the store has for the site's regulation.
pub(super) struct Seen {
    people: Vec<PersonView>,
    clauses: BTreeMap<String, ClauseView>,
    corrections: Vec<Correction>,
    experts: Vec<ExpertView>,
    at: Timestamp,
}

impl Seen {
    /// Reads it.
    pub(super) fn read(
        snapshot: &mut store::Snapshot<'_>,
        rules: &governance::Rules,
        facts: &governance::facts::Facts,
        now: Timestamp,
    ) -> Result<Self, CommandError> {
        Ok(Self {
            clauses: governance::clause::states(snapshot, rules, facts, now)?,
            corrections: governance::fault::corrections(snapshot, rules, None)?,
            experts: governance::expert::all(snapshot, rules, now)?,
            people: person::everybody(snapshot)?,
            at: now,
        })
    }

    /// The regulation in force, and the facts for its documents.
    pub(super) fn told(self, site: &Site) -> (Arc<Regulation>, SiteFacts) {
        let (regulation, mut facts) = own_regulation::of(
            site,
            &self.people,
            &self.clauses,
            self.corrections,
            &self.experts,
        );
        facts.at = self.at;
        (regulation, facts)
    }
}

async fn show(site: &Site, caller: &Caller, answer: &mut Answer) -> Result<(), Failure> {
    let words = "regulation show";
    let (regulation, facts) = caller
        .permit(words, &Role::OFFICERS, |me| async move {
            let gathered = gathered(site).await?;
            site.record(me.given(words)).await?;
            Ok(gathered)
        })
        .await?;
    for catalogue in regulation.catalogues() {
        let row = json!({
            "what": "catalogue",
            "key": catalogue.id,
            "value": catalogue.version,
            "proposed": null,
            "decided_by": null,
            "title": catalogue.title.en,
        });
        answer.item(&row).await?;
    }
    for parameter in regulation.parameters() {
        let row = json!({
            "what": "parameter",
            "key": parameter.key,
            "value": facts.choices.said(&parameter.key, Language::En),
            "proposed": parameter.said(Language::En),
            "decided_by": decided(parameter.decided, parameter.setting.as_deref()),
            "title": parameter.title.en,
        });
        answer.item(&row).await?;
    }
    for option in regulation.options() {
        let row = json!({
            "what": "option",
            "key": option.key,
            "value": facts.choices.is_on(&option.key),
            "proposed": option.default,
            "decided_by": decided(option.decided, option.setting.as_deref()),
            "title": option.condition.en,
        });
        answer.item(&row).await?;
    }
    Ok(())
}

fn decided(by: Decided, setting: Option<&str>) -> String {
    match by {
        Decided::Design => "the program".to_owned(),
        Decided::Settings | Decided::Choice => setting.unwrap_or_default().to_owned(),
    }
}

async fn render(
    site: &Site,
    caller: &Caller,
    lang: &str,
    format: &str,
    to: Option<&Path>,
) -> Result<(Value, Option<String>), CommandError> {
    let words = format!(
        "regulation render --lang {lang} --format {format}{}",
        said(to)
    );
    let words = words.as_str();
    let language = match lang {
        "en" => Language::En,
        _ => Language::Ja,
    };
    caller
        .permit(words, &Role::OFFICERS, |me| async move {
            let by = me.by();
            let (regulation, facts) = gathered(site).await?;
            let document = Document::regulation(&regulation, &facts, language);
            let bytes = match format {
                "pdf" => document.pdf(),
                "md" => document.markdown().into_bytes(),
                _ => document.html().into_bytes(),
            };
            let sha256 = digest(&bytes);
            let claimed = match to {
                Some(to) => Some(Claimed::new(to, MODE).map_err(|error| at(to, &error))?),
                None => None,
            };
            let event = event(Kind::RegulationRendered, &by, to, &regulation, &facts)
                .detail("language", lang)
                .detail("format", format)
                .detail("bytes", bytes.len())
                .detail("sha256", sha256.as_str());
            // What is not on record is not given out.
            commit(site, &me, words, event).await?;
            if let Some(claimed) = claimed {
                claimed
                    .fill(&bytes)
                    .map_err(|(to, error)| at(&to, &error))?;
            }
            let row = json!({
                "file": to.map(|to| to.display().to_string()),
                "edition": facts.edition,
                "bytes": bytes.len(),
                "sha256": sha256,
            });
            let text = match to {
                Some(_) => None,
                None => Some(String::from_utf8_lossy(&bytes).into_owned()),
            };
            Ok((row, text))
        })
        .await
}

async fn export(
    site: &Site,
    caller: &Caller,
    format: &str,
    to: Option<&Path>,
) -> Result<Vec<Value>, CommandError> {
    let words = format!("regulation export --format {format}{}", said(to));
    let words = words.as_str();
    caller
        .permit(words, &Role::OFFICERS, |me| async move {
            let by = me.by();
            let (regulation, facts) = gathered(site).await?;
            let documents = oscal::documents(&regulation, &facts, env!("CARGO_PKG_VERSION"));
            let mut folder = match to {
                Some(to) => Some(unfinished(site, to).map_err(|error| at(to, &error))?),
                None => None,
            };
            let (mut rows, mut told) = (Vec::new(), Vec::new());
            for document in documents {
                let mut text = serde_json::to_vec_pretty(&document.json)
                    .map_err(|error| CommandError::Argument(error.to_string()))?;
                text.push(b'\n');
                let row = json!({ "file": document.file, "sha256": digest(&text) });
                told.push(row.clone());
                match &mut folder {
                    Some(folder) => {
                        let put = folder.put(&document.file, &text);
                        put.map_err(|error| at(&folder.path().join(&document.file), &error))?;
                        rows.push(row);
                    }
                    None => rows.push(document.json),
                }
            }
            if let Some(folder) = &folder {
                folder.sync().map_err(|error| at(folder.path(), &error))?;
            }
            let event = event(Kind::RegulationExported, &by, to, &regulation, &facts)
                .detail("format", format)
                .detail("files", told);
            // Until then nobody finds it; whatever fails before leaves neither the event nor a part of the export.
            commit(site, &me, words, event).await?;
            if let (Some(folder), Some(to)) = (folder, to) {
                folder.name().map_err(|error| at(to, &error))?;
            }
            Ok(rows)
        })
        .await
}

/// Where documents are written until the trail knows of them.
fn unfinished(site: &Site, to: &Path) -> io::Result<Folder> {
    let mark = trail::volume::hex(&site.world.bytes::<4>());
    Folder::new(to, &mark, Readers::Group)
}

/// The option as it was given.
fn said(to: Option<&Path>) -> String {
    to.map_or_else(String::new, |to| format!(" --to {}", to.display()))
}

fn event(
    kind: Kind,
    by: &By,
    to: Option<&Path>,
    regulation: &Regulation,
    facts: &SiteFacts,
) -> Event {
    let catalogues = regulation.catalogues().iter();
    let catalogues: Vec<Value> = catalogues
        .map(|one: &Catalogue| json!({ "id": one.id, "version": one.version }))
        .collect();
    by.event(kind)
        .subject(to.map_or_else(String::new, |to| to.display().to_string()))
        .detail("edition", facts.edition)
        .detail("catalogues", catalogues)
}

/// What was made and that it was asked for, in one commit.
async fn commit(
    site: &Site,
    caller: &Caller,
    words: &str,
    event: Event,
) -> Result<(), CommandError> {
    let given = caller.given(words);
    let work = move |tx: &mut store::Tx<'_>| {
        drop(tx.record(&event, ())?);
        tx.record(&given, ())
    };
    site.store.commit(Vec::new(), work).await?;
    Ok(())
}

fn at(path: &Path, error: &io::Error) -> CommandError {
    CommandError::Argument(format!("{}: {error}", path.display()))
}

fn digest(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}
