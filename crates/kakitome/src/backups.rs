//! The backups that this site has made: a deletion is carried out in them again, so that nobody reads the mail from one
//! of them (clause 7.1(3)). Which there are, the trail tells; how far one is, a file in it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use directory::repeat::{self, Repeated};
use serde::Serialize;
use store::{
    Error, Store,
    event::{self, Filter},
};
use trail::{Actor, By, Kind, Recorded};
use world::Timestamp;
use zeroize::Zeroizing;

use crate::{files, site::Site};

/// The file in a backup that says how much of what the site has given up is given up in it.
const NOTE: &str = "deletions";
/// What opening a store makes, and a backup does not keep.
const MADE: &str = "index";
/// Events read in one go.
const PAGE: usize = 1000;

/// A backup, as the trail and a look at its place tell.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Known {
    /// Where it was written to, or was found since.
    pub(crate) backup: PathBuf,
    /// When it was made; `None`: it was not made there, or was cut short.
    pub(crate) made_at: Option<Timestamp>,
    /// What it holds of what was given up.
    pub(crate) state: State,
    /// How much was given up since: accounts deleted, addresses given up by themselves, entries erased from the register.
    pub(crate) deletions: u64,
}

/// What a backup holds of what was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Nothing.
    Clean,
    /// Something was given up since.
    Due,
    /// It is not there.
    Missing,
    /// Something else is there.
    Foreign,
}

/// Why a backup was left as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Left {
    #[error("no backup of this site is there")]
    Foreign,
    #[error(transparent)]
    Repeat(#[from] repeat::NotRepeated),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<Error> for Left {
    fn from(error: Error) -> Self {
        Self::Repeat(error.into())
    }
}

/// All backups that are not known to be gone.
///
/// # Errors
/// The store's.
pub(crate) async fn list(site: &Site) -> Result<Vec<Known>, Error> {
    let deletions = repeat::count(&site.store).await?;
    let mut known = Vec::new();
    for (backup, told) in told(site).await? {
        let (state, since) = match look(&site.path, &backup) {
            Look::Ours(noted) => (State::Due, deletions.saturating_sub(noted)),
            Look::Nothing => (State::Missing, deletions.saturating_sub(told.deletions)),
            Look::Foreign => (State::Foreign, deletions.saturating_sub(told.deletions)),
        };
        known.push(Known {
            backup,
            made_at: told.made_at,
            state: if since == 0 { State::Clean } else { state },
            deletions: since,
        });
    }
    Ok(known)
}

/// What the trail tells of a backup.
#[derive(Default)]
struct Told {
    made_at: Option<Timestamp>,
    deletions: u64,
}

async fn told(site: &Site) -> Result<BTreeMap<PathBuf, Told>, Error> {
    let mut told = BTreeMap::new();
    let mut filter = Filter {
        kinds: vec![
            Kind::StoreBackingUp,
            Kind::StoreBackedUp,
            Kind::BackupPurged,
            Kind::BackupGone,
        ],
        ..Filter::default()
    };
    loop {
        let wanted = filter.clone();
        let read = move |sql: &mut store::Snapshot<'_>| event::search(sql, &wanted, PAGE);
        let page: Vec<Recorded> = site.store.read(read).await?;
        let Some(last) = page.last() else {
            return Ok(told);
        };
        filter.after = Some(last.id);
        for found in page {
            let path = PathBuf::from(&found.event.subject);
            let count = found.event.detail.get("deletions");
            let deletions = count.and_then(serde_json::Value::as_u64).unwrap_or(0);
            match found.event.kind {
                Kind::BackupGone => drop(told.remove(&path)),
                // What was at its place before is gone. One that was cut short may hold mail all the same.
                kind @ (Kind::StoreBackingUp | Kind::StoreBackedUp) => {
                    let made_at = (kind == Kind::StoreBackedUp).then_some(found.at);
                    told.insert(path, Told { made_at, deletions });
                }
                _ => told.entry(path).or_default().deletions = deletions,
            }
        }
    }
}

enum Look {
    Nothing,
    Foreign,
    /// So many deletions of the site are in it.
    Ours(u64),
}

/// Looks whether a whole backup of the site is at `backup`. One that nothing is noted in holds all that was deleted.
fn look(site: &Path, backup: &Path) -> Look {
    let key = Path::new("keys").join("installation.key");
    let read = |directory: &Path| fs::read(directory.join(&key)).map(Zeroizing::new);
    match (read(backup), read(site)) {
        (Ok(found), Ok(own)) if found == own && backup.join("store.db").is_file() => {
            let noted = fs::read_to_string(backup.join(NOTE)).ok();
            Look::Ours(noted.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
        }
        _ if backup.exists() => Look::Foreign,
        _ => Look::Nothing,
    }
}

/// Notes in a backup how many of the site's deletions it is after.
pub(crate) fn note(backup: &Path, deletions: u64) -> io::Result<()> {
    let unfinished = backup.join(format!("{NOTE}.new"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    files::write_new(&unfinished, format!("{deletions}\n").as_bytes(), 0o600)?;
    fs::rename(&unfinished, backup.join(NOTE))?;
    fs::File::open(backup)?.sync_all()
}

/// Carries out again in `backup` what was deleted since, durably, and records it.
///
/// # Errors
/// [`Left`]; what was done until then stays.
pub(crate) async fn purge(site: &Site, backup: &Path, by: &By) -> Result<Repeated, Left> {
    let _alone = site.purging.lock().await;
    let Look::Ours(noted) = look(&site.path, backup) else {
        return Err(Left::Foreign);
    };
    let past = repeat::past(&site.store).await?;
    let count = past.count();
    if count == noted {
        return Ok(Repeated::default());
    }
    let opened = open(site, backup).await?;
    let repeated = repeat::repeat(&opened, &past).await;
    // Closing empties the database's log: no trace of a key is left.
    opened.close().await;
    let done = repeated?;
    match fs::remove_dir_all(backup.join(MADE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let over = done.waiting == 0;
    let mut event = by
        .event(Kind::BackupPurged)
        .subject(backup.display().to_string())
        .detail("accounts", done.accounts)
        .detail("addresses", done.addresses)
        .detail("entries", done.entries)
        .detail("discarded", done.discarded)
        .detail("waiting", done.waiting)
        .detail("deletions", if over { count } else { noted });
    if !over {
        event = event.outcome(trail::Outcome::Deferred);
    }
    if over || done.is_change() {
        site.record(event).await?;
    }
    if over {
        note(backup, count)?;
    }
    Ok(done)
}

async fn open(site: &Site, backup: &Path) -> Result<Store, Error> {
    let options = site.settings().store_options();
    let (world, backup) = (site.world.clone(), backup.to_owned());
    let opening = tokio::task::spawn_blocking(move || Store::open(&backup, &options, world));
    opening
        .await
        .unwrap_or_else(|panic| Err(Error::Panicked(panic.to_string())))
}

/// Carries out again what was deleted, in all backups that are at their place; what became of those that hold deleted accounts.
///
/// # Errors
/// The store's.
pub(crate) async fn purge_all(site: &Site) -> Result<Vec<(Known, Result<Repeated, Left>)>, Error> {
    let mut tried = Vec::new();
    for known in list(site).await? {
        let ended = match known.state {
            State::Clean => continue,
            State::Missing | State::Foreign => Err(Left::Foreign),
            State::Due => purge(site, &known.backup, &Actor::System.into()).await,
        };
        tried.push((known, ended));
    }
    Ok(tried)
}
