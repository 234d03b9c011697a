//! A volume written to a medium, and read back.

use std::{
    fs,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use trail::{
    By, Kind,
    volume::{self, FileOf, Manifest, Report, VolumeError},
};

use super::{COLUMNS, Leaf, Tile, checkpoints, deed, entry, tile, volume::Volume};
use crate::{
    Error, Snapshot, Store,
    disk::{Disk as _, RealDisk},
    params,
    shared::Shared,
    sql::Sql,
};

/// Tiles written in one view.
const TILES: i64 = 16;
/// Checkpoints written in one view.
const CHECKPOINTS: i64 = 4096;

/// How to export a volume.
#[derive(Clone, Debug)]
pub struct Export {
    /// Which.
    pub number: u64,
    /// The directory that is made for it.
    pub to: PathBuf,
    /// Who does it.
    pub by: By,
}

impl Store {
    /// Writes a volume into a new directory, brings it to stable storage, and verifies what it reads back, as somebody who has
    /// only the directory and the public key would. `progress` hears how many events were written, and how many there are.
    ///
    /// # Errors
    /// When there is no such volume, the directory holds something or cannot be written; [`Error::Corrupt`] when what was read
    /// back is not what was sealed.
    pub async fn export_volume(
        &self,
        how: Export,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<Report, Error> {
        let shared = Arc::clone(&self.inner.shared);
        let (number, to) = (how.number, how.to.clone());
        let (looking, place) = (Arc::clone(&shared), to.clone());
        let look = move || {
            let volume = looking
                .readers
                .with(|sql| super::volume::find(sql, number))?;
            make_room(&place)?;
            Ok::<Volume, Error>(volume)
        };
        let volume = self.blocking(look).await?;
        // What is cut short is on record too: the events are out there.
        let event = how
            .by
            .event(Kind::VolumeExporting)
            .subject(format!("volume {number}"))
            .detail("to", how.to.display().to_string());
        let begun = self.commit(Vec::new(), move |tx| tx.record(&event, ()));
        let begun: Result<_, Error> = begun.await;
        begun?;
        let writing = tokio::task::spawn_blocking(move || {
            write(&shared, &volume, &to, progress)?;
            read_back(&shared, &to)
        });
        let report = writing
            .await
            .unwrap_or_else(|panic| Err(Error::Panicked(panic.to_string())))?;
        let event = how
            .by
            .event(Kind::VolumeExported)
            .subject(format!("volume {number}"))
            .detail("to", how.to.display().to_string())
            .detail("events", report.events)
            .detail("erased", report.erased)
            .detail("checkpoints", report.checkpoints);
        let noted = self.commit(Vec::new(), move |tx| tx.record(&event, ()));
        let noted: Result<_, Error> = noted.await;
        noted?;
        Ok(report)
    }
}

/// Makes the directory, which must have nothing in it.
fn make_room(to: &Path) -> Result<(), Error> {
    let io_error = |error| Error::io(to, error);
    RealDisk.make_directory(to).map_err(io_error)?;
    if fs::read_dir(to).map_err(io_error)?.next().is_some() {
        let source = io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a volume goes into an empty directory",
        );
        return Err(io_error(source));
    }
    Ok(())
}

fn write(
    shared: &Shared,
    volume: &Volume,
    to: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<(), Error> {
    let io_error = |error| Error::io(to, error);
    let before = shared
        .readers
        .with(|sql| tile::frontier(sql, volume.first))?;
    let erased = write_events(shared, volume, &to.join(volume::EVENTS), progress)?;
    write_checkpoints(shared, volume, &to.join(volume::CHECKPOINTS))?;
    write_file(&to.join(volume::KEY), |out| {
        writeln!(out, "{}", shared.tree.verifier())
    })?;
    let mut names = vec![volume::EVENTS, volume::CHECKPOINTS, volume::KEY];
    if erased {
        // By whose decision they are not there: whoever verifies believes no line that says so.
        let note = shared
            .readers
            .with(|sql| deed::certificate(sql, volume.number))?;
        write_file(&to.join(volume::ERASED), |out| {
            out.write_all(note.as_bytes())
        })?;
        names.push(volume::ERASED);
    }
    let files: Result<_, Error> = names.into_iter().map(|name| described(to, name)).collect();
    let manifest = Manifest {
        origin: shared.tree.verifier().name().to_owned(),
        volume: volume.number,
        first: volume.first,
        last: volume.last,
        from: volume.from,
        to: volume.to,
        sealed: volume.sealed,
        retain_until: volume.retain_until,
        before,
        root: shared
            .readers
            .with(|sql| tile::frontier(sql, volume.last))?
            .root(),
        files: files?,
    };
    let note = manifest.signed(&shared.tree.key);
    write_file(&to.join(volume::MANIFEST), |out| {
        out.write_all(note.as_bytes())
    })?;
    fs::File::open(to)
        .and_then(|directory| directory.sync_all())
        .map_err(io_error)
}

/// Makes a file, and syncs what `with` writes into it.
fn write_file(
    path: &Path,
    with: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let mut out = BufWriter::new(make(path)?);
        with(&mut out)?;
        out.into_inner()?.sync_all()
    };
    write().map_err(|error| Error::io(path, error))
}

fn make(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Whether any of them were erased.
fn write_events(
    shared: &Shared,
    volume: &Volume,
    path: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<bool, Error> {
    let io_error = |error| Error::io(path, error);
    let file = BufWriter::new(make(path).map_err(io_error)?);
    let mut out = GzEncoder::new(file, Compression::default());
    let (mut number, count) = (volume.first / super::LEAVES, volume.last - volume.first);
    let mut erased = false;
    while number * super::LEAVES < volume.last {
        let lines = shared.readers.with(|sql| {
            let tiles = tile::read(sql, number, TILES)?;
            let mut leaves = tiles.iter().flat_map(Tile::numbered);
            let gone = leaves.find(|(index, leaf)| {
                (volume.first..volume.last).contains(index) && leaf.is_erased()
            });
            if let Some((index, _)) = gone {
                must_be_erased(sql, shared, volume, index)?;
                erased = true;
            }
            number += tiles.len() as u64;
            match tiles.is_empty() {
                true => Err(Error::Corrupt("the trail's tree misses a tile".to_owned())),
                false => lines(&mut Snapshot::new(sql, shared), &tiles, volume),
            }
        })?;
        out.write_all(lines.as_bytes()).map_err(io_error)?;
        let written = (number * super::LEAVES).min(volume.last);
        progress(written.saturating_sub(volume.first), count);
    }
    let finish = || -> io::Result<()> { out.finish()?.into_inner()?.sync_all() };
    finish().map_err(io_error)?;
    Ok(erased)
}

/// Refuses a leaf that says that its event was erased where no officer decided that it is.
fn must_be_erased(
    sql: &mut dyn Sql,
    shared: &Shared,
    volume: &Volume,
    index: u64,
) -> Result<(), Error> {
    let (erased, _) = deed::erased(sql, shared)?;
    match erased.contains(&(volume.first..volume.last)) {
        true => Ok(()),
        false => Err(Error::Corrupt(format!(
            "the event at place {index} of the audit trail was removed, and no officer decided that: `audit verify` tells more"
        ))),
    }
}

/// The lines of those events of `tiles` that are in the volume.
fn lines(sql: &mut Snapshot<'_>, tiles: &[Tile], volume: &Volume) -> Result<String, Error> {
    let leaves = tiles.iter().flat_map(Tile::numbered);
    let mut leaves = leaves
        .filter(|(index, _)| (volume.first..volume.last).contains(index))
        .peekable();
    let all = tiles
        .iter()
        .flat_map(|tile| &tile.leaves)
        .map(|leaf| leaf.event);
    let (from, to) = (all.clone().min().unwrap_or(0), all.max().unwrap_or(0));
    let list = format!("SELECT {COLUMNS} FROM event WHERE id >= ?1 AND id <= ?2 ORDER BY id");
    let mut text = String::new();
    sql.query(&list, params![from, to], &mut |row| {
        let entry = entry(row)?;
        push_erased(&mut text, &mut leaves);
        if let Some((index, leaf)) = leaves.next_if(|(_, leaf)| leaf.event == entry.id) {
            text.push_str(&volume::line(
                index,
                Some(&leaf.salt),
                &leaf.hash,
                &entry.line(),
            ));
        }
        Ok(())
    })?;
    push_erased(&mut text, &mut leaves);
    match leaves.next() {
        None => Ok(text),
        Some((_, leaf)) => Err(Error::Corrupt(format!(
            "event {} of the audit trail is missing: `audit verify` tells more",
            leaf.event
        ))),
    }
}

/// Adds the lines of events that were erased, up to the next that was not.
fn push_erased<'l>(
    text: &mut String,
    leaves: &mut std::iter::Peekable<impl Iterator<Item = (u64, &'l Leaf)>>,
) {
    while let Some((index, leaf)) = leaves.next_if(|(_, leaf)| leaf.is_erased()) {
        text.push_str(&volume::line(index, None, &leaf.hash, ""));
    }
}

fn write_checkpoints(shared: &Shared, volume: &Volume, path: &Path) -> Result<(), Error> {
    let mut after = volume.first;
    let mut next = move || {
        let span = (after, volume.last);
        let found = shared
            .readers
            .with(|sql| checkpoints(sql, span, CHECKPOINTS))?;
        after = found.last().map_or(after, |last| last.size);
        Ok::<_, Error>(found)
    };
    let mut failed = None;
    write_file(path, |out| {
        loop {
            let found = match next() {
                Ok(found) if found.is_empty() => return Ok(()),
                Ok(found) => found,
                Err(error) => {
                    failed = Some(error);
                    return Ok(());
                }
            };
            for signed in found {
                let at = signed.at.to_string();
                let line = json!({ "size": signed.size, "at": at, "note": signed.note });
                writeln!(out, "{line}")?;
            }
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// A file as the manifest tells of it.
fn described(to: &Path, name: &str) -> Result<FileOf, Error> {
    let path = to.join(name);
    let (octets, digest) = digest(&path).map_err(|error| Error::io(&path, error))?;
    Ok(FileOf {
        name: name.to_owned(),
        octets,
        digest,
    })
}

fn digest(path: &Path) -> io::Result<(u64, trail::merkle::Hash)> {
    let mut hasher = trail::merkle::Hasher::default();
    let octets = io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    Ok((octets, hasher.finish()))
}

/// What somebody finds who has only the directory and the key.
fn read_back(shared: &Shared, to: &Path) -> Result<Report, Error> {
    let report = match volume::verify(to, &shared.tree.verifier(), &[], |_| {}) {
        Ok(report) => report,
        Err(VolumeError::Io { path, source }) => return Err(Error::io(&path, source)),
        Err(error) => return Err(Error::Corrupt(error.to_string())),
    };
    match report.faults.first() {
        None => Ok(report),
        Some(fault) => Err(Error::Corrupt(format!(
            "what was read back from {} is not what was sealed: {fault}",
            to.display()
        ))),
    }
}
