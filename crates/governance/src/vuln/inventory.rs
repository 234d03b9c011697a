//! Which software there is (clause 4.3(1)).

use std::collections::BTreeSet;

use advisory::inventory::{Item, ItemKind};
use directory::command::{Caller, CommandError};
use jiff::Timestamp;
use serde::Serialize;
use store::{Error, Recorded, Store, Tx};
use trail::{Actor, Event, Kind, Outcome};

use super::{READERS, import, table};

/// Octets of facts in an event.
const ROOM: usize = 12 * 1024;

/// What was found of each kind of software, or why it could not be looked for.
pub type Looks = Vec<(ItemKind, Result<Vec<Item>, String>)>;

/// A piece of software, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// `server`, `component`, `package`, `scanner` or `declared`.
    pub kind: ItemKind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its package URL, or empty.
    pub purl: String,
    /// Since when it is here.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// Whether it is here.
    pub present: bool,
}

/// What came of looking.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Listed {
    /// How many pieces of software there are.
    pub items: u64,
    /// Kind, name and version of what is new.
    pub came: Vec<String>,
    /// Of what is not there any more.
    pub went: Vec<String>,
    /// Kinds that could not be looked at, and why.
    pub failed: Vec<String>,
}

/// Notes what software there is; what of a kind that could not be looked at stays. Closed cases that touch what came are opened.
///
/// # Errors
/// When the store fails.
pub async fn list(store: &Store, looks: Looks) -> Result<Listed, Error> {
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<Listed>, Error> { note(tx, looks) };
    Ok(store.commit(Vec::new(), work).await?.value)
}

fn note(tx: &mut Tx<'_>, looks: Looks) -> Result<Recorded<Listed>, Error> {
    let mut listed = Listed::default();
    let known = table::software(tx, true)?;
    for (kind, look) in looks {
        let found: BTreeSet<Item> = match look {
            Ok(found) => found.into_iter().collect(),
            Err(why) => {
                table::note_look(tx, kind, &why)?;
                listed.failed.push(format!("{}: {why}", kind.as_str()));
                continue;
            }
        };
        table::note_look(tx, kind, "")?;
        let before: Vec<_> = known.iter().filter(|one| one.item.kind == kind).collect();
        for one in &before {
            if !found.contains(&one.item) {
                table::end_software(tx, one.number)?;
                listed.went.push(words(&one.item));
            }
        }
        for item in &found {
            if !before.iter().any(|one| one.item == *item) {
                table::add_software(tx, item)?;
                listed.came.push(words(item));
            }
        }
    }
    let present = table::software(tx, true)?;
    listed.items = u64::try_from(present.len()).unwrap_or(u64::MAX);
    let items: Vec<Item> = present.into_iter().map(|one| one.item).collect();
    for event in import::reopen(tx, &items)? {
        drop(tx.record(&event, ())?);
    }
    let outcome = match listed.failed.is_empty() {
        true => Outcome::Success,
        false => Outcome::Failure,
    };
    let mut event = Event::new(Kind::SoftwareListed, Actor::System)
        .outcome(outcome)
        .detail("items", listed.items);
    if !listed.failed.is_empty() {
        event = event.detail("failed", listed.failed.clone());
    }
    let lists = [("came", &listed.came), ("went", &listed.went)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let lists = lists.map(|(name, list)| (name, list.clone())).collect();
    let mut recorded = None;
    for part in event.in_parts(ROOM, lists) {
        recorded = Some(tx.record(&part, ())?);
    }
    match recorded {
        Some(recorded) => Ok(recorded.map(|()| listed)),
        None => Err(Error::Corrupt("an event without a part".to_owned())),
    }
}

/// An item in a few words.
#[must_use]
pub fn words(item: &Item) -> String {
    format!("{} {} {}", item.kind.as_str(), item.name, item.version)
}

/// The software that is here; with `all`, also what was.
///
/// # Errors
/// [`CommandError`].
pub async fn show(caller: &Caller, all: bool) -> Result<Vec<View>, CommandError> {
    let words = if all {
        "vuln inventory --all"
    } else {
        "vuln inventory"
    };
    caller
        .look(words, READERS, move |snapshot, _| {
            let looks = table::looks(snapshot)?;
            let seen = |kind: ItemKind, since: Timestamp| {
                let look = looks.iter().find(|look| look.kind == kind.as_str());
                look.map_or(since, |look| look.looked_at)
            };
            let software = table::software(snapshot, !all)?.into_iter();
            Ok(software
                .map(|one| View {
                    kind: one.item.kind,
                    last_seen: one
                        .gone_at
                        .unwrap_or_else(|| seen(one.item.kind, one.first_seen)),
                    present: one.gone_at.is_none(),
                    name: one.item.name,
                    version: one.item.version,
                    purl: one.item.purl,
                    first_seen: one.first_seen,
                })
                .collect())
        })
        .await
}

/// The software that is here, as feeds are held against it.
///
/// # Errors
/// When the store fails.
pub async fn present(store: &Store) -> Result<Vec<Item>, Error> {
    let software = store
        .read(|snapshot| table::software(snapshot, true))
        .await?;
    Ok(software.into_iter().map(|one| one.item).collect())
}
