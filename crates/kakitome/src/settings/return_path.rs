//! `[return_path]`: mail that leaves carries a mark that bounces bring back (clause 5.5(2)).

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use message::address::Domain;
use serde::Deserialize;
use toml::Spanned;
use transfer::{BounceSurge, ReturnPath, Unmarked};
use world::World;

use super::{SettingsError, Time, policy::At};

const FIRST_LINE: &str = "kakitome return path key 1";

/// The time of each is in memory.
const MOST_SURGE: usize = 100_000;
const SHORTEST_SURGE: Duration = Duration::from_secs(1);
const LONGEST_SURGE: Duration = Duration::from_secs(86_400);

/// `[return_path]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReturnPathKeys {
    /// Whether return paths are signed. Unless it is said: where one server both sends and receives, unless it is on the loopback
    /// address alone and names no name servers.
    pub(crate) enabled: Option<bool>,
    /// The key, relative to the site's directory. It is made when it is missing.
    pub(crate) key_file: PathBuf,
    /// Own domains whose return paths are not signed.
    pub(crate) except: Vec<Spanned<String>>,
    /// Bounces for mail that was not sent from here.
    pub(crate) unmarked: UnmarkedKeys,
    /// Refused bounces from which on it is a surge; 0: never.
    pub(crate) surge: Spanned<usize>,
    /// Within which time.
    pub(crate) surge_time: Spanned<Time>,
}

impl Default for ReturnPathKeys {
    fn default() -> Self {
        Self {
            enabled: None,
            key_file: PathBuf::from("keys/return-path.key"),
            except: Vec::new(),
            unmarked: UnmarkedKeys::RefuseBounces,
            surge: Spanned::new(0..0, BounceSurge::default().count),
            surge_time: Spanned::new(0..0, Time(BounceSurge::default().time)),
        }
    }
}

/// What is done, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnmarkedKeys {
    RefuseBounces,
    RefuseAll,
    Accept,
}

impl ReturnPathKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        for text in &self.except {
            Domain::parse(text.get_ref())
                .map_err(|error| at(text.span(), format!("this is no domain: {error}")))?;
        }
        if *self.surge.get_ref() > MOST_SURGE {
            return Err(at(
                self.surge.span(),
                format!("surge is {MOST_SURGE} at most"),
            ));
        }
        let time = self.surge_time.get_ref().0;
        if time < SHORTEST_SURGE || time > LONGEST_SURGE {
            let reason = "surge_time lies between 1s and 1d";
            return Err(at(self.surge_time.span(), reason.into()));
        }
        Ok(())
    }

    /// When refused bounces are a surge.
    pub(super) fn bounce_surge(&self) -> Option<BounceSurge> {
        let count = *self.surge.get_ref();
        (count > 0).then(|| BounceSurge {
            count,
            time: self.surge_time.get_ref().0,
        })
    }

    /// For the transfer room; `None`: return paths are not signed. `usual` is what holds unless it is said.
    pub(super) fn made(&self, site: &Path, usual: bool) -> Result<Option<ReturnPath>, String> {
        if !self.enabled.unwrap_or(usual) {
            return Ok(None);
        }
        let path = site.join(&self.key_file);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // Made when the site is opened; a check makes nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("[return_path] {}: {error}", path.display())),
        };
        let (key, since) = parse(&text).ok_or_else(|| {
            format!(
                "[return_path] {} is no key for return paths: remove it, and a new one is made",
                path.display()
            )
        })?;
        Ok(Some(ReturnPath {
            key: key.into(),
            since,
            except: self
                .except
                .iter()
                .filter_map(|text| Domain::parse(text.get_ref()).ok())
                .collect(),
            unmarked: match self.unmarked {
                UnmarkedKeys::RefuseBounces => Unmarked::Bounces,
                UnmarkedKeys::RefuseAll => Unmarked::All,
                UnmarkedKeys::Accept => Unmarked::Accept,
            },
        }))
    }

    /// Makes the key when it is wanted and missing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn make_key(&self, site: &Path, usual: bool, world: &World) -> Result<(), String> {
        let path = site.join(&self.key_file);
        if !self.enabled.unwrap_or(usual) || path.exists() {
            return Ok(());
        }
        let text = format!(
            "{FIRST_LINE}\n{}\n{}\n",
            HEXLOWER.encode(&world.bytes::<32>()),
            world.now()
        );
        write_new(&path, &text)
            .map_err(|error| format!("[return_path] {} cannot be made: {error}", path.display()))
    }
}

/// A new file that its owner alone can read, durable.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    match path.parent() {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// The key, and since when return paths are signed with it.
fn parse(text: &str) -> Option<([u8; 32], Timestamp)> {
    let mut lines = text.lines();
    (lines.next()? == FIRST_LINE).then_some(())?;
    let key = HEXLOWER.decode(lines.next()?.trim().as_bytes()).ok()?;
    let since = lines.next()?.trim().parse().ok()?;
    Some((key.try_into().ok()?, since))
}
