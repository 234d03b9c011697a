//! A disk in memory that keeps what is durable beside what is seen, fails, and loses power at any operation.
//!
//! A write is seen at once and durable with the next sync of its file, as in a page cache. When the power fails, each
//! sector of 512 bytes that was written since holds what any of its last writes left: writes are lost, torn and
//! reordered. The file's length is one of those that it had since. A file's name is durable with the next sync of its
//! directory; names that were not synced are lost from the last one back.
//!
//! A write for which there is no room leaves any part of it that fits, and fails.
//!
//! A sync that fails may have brought anything to stable storage, and a later one does not bring the rest: the kernel
//! reports the loss once and then takes the pages for clean.

mod image;
mod inode;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use store::disk::{Disk, EngineFiles, File, Lock};
use tokio::sync::watch;

use crate::chance::Chance;

pub use image::Image;
use inode::Inode;

/// What a disk does to those who use it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// The operation at which the power fails, counted from 1; `None`: it does not.
    pub cut_at: Option<u64>,
    /// Of 10,000 operations that change something, so many fail, in one of the ways that disks have.
    pub failures: u64,
    /// Of 10,000 operations that only look (reading, opening, listing, asking for a size), so many fail.
    pub failed_reads: u64,
    /// Bytes that all files together may have; `None`: no bound. A name needs room, too.
    pub capacity: Option<u64>,
    /// The disk says that it synced and did not, as some do: no promise can be kept on it.
    pub lies: bool,
}

impl Weather {
    /// Whether something may fail though there is power.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.failures > 0 || self.failed_reads > 0 || self.capacity.is_some()
    }
}

/// What a new name takes of the disk, if the directory has to grow for it.
const NAME: u64 = 4096;

/// A simulated disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimulatedDisk {
    shared: Arc<Shared>,
    /// How SQLite finds it. `None` in the part that SQLite itself uses.
    engine: Option<Arc<Engine>>,
}

struct Engine {
    name: String,
    _files: EngineFiles,
}

struct Shared {
    state: Mutex<State>,
    power: watch::Sender<bool>,
}

struct State {
    chance: Chance,
    weather: Weather,
    operations: u64,
    failed_reads: u64,
    /// Reads do not fail for a while.
    calm: bool,
    powered: bool,
    files: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    durable: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    /// Changes of names since the last sync, in order.
    unsynced: Vec<Renaming>,
    directories: BTreeSet<PathBuf>,
}

/// A change of names: who leaves, who comes.
struct Renaming {
    directory: PathBuf,
    without: Option<PathBuf>,
    with: Option<(PathBuf, Arc<Mutex<Inode>>)>,
}

impl SimulatedDisk {
    /// A disk that holds `image`.
    ///
    /// # Errors
    /// When SQLite refuses it.
    pub fn new(image: &Image, chance: Chance, weather: Weather) -> io::Result<Self> {
        let files = image.inodes();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                chance,
                weather,
                operations: 0,
                failed_reads: 0,
                calm: false,
                powered: true,
                durable: files.clone(),
                files,
                unsynced: Vec::new(),
                directories: image.directories.clone(),
            }),
            power: watch::Sender::new(true),
        });
        let bare = Self {
            shared: Arc::clone(&shared),
            engine: None,
        };
        // SQLite finds a disk by its name; no two disks of a process may have the same.
        let name = format!("simulated-{:p}", Arc::as_ptr(&shared));
        let engine = Engine {
            _files: EngineFiles::register(&name, Arc::new(bare))?,
            name,
        };
        Ok(Self {
            shared,
            engine: Some(Arc::new(engine)),
        })
    }

    /// Operations that changed something, so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared.state.lock().operations
    }

    /// Reads that failed, so far.
    #[must_use]
    pub fn failed_reads(&self) -> u64 {
        self.shared.state.lock().failed_reads
    }

    /// Whether reads fail as the weather has it, or not at all for now.
    pub fn let_reads_fail(&self, fail: bool) {
        self.shared.state.lock().calm = !fail;
    }

    /// Whether the power is still there.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        self.shared.state.lock().powered
    }

    /// Waits until the power has failed.
    pub async fn power_failure(&self) {
        let mut power = self.shared.power.subscribe();
        // The sender lives as long as the disk.
        power.wait_for(|powered| !powered).await.ok();
    }

    /// Cuts the power now, if it is still there; what is found on the disk when it comes back.
    #[must_use]
    pub fn cut(&self) -> Image {
        let mut state = self.shared.state.lock();
        self.shared.lose_power(&mut state);
        state.crash()
    }

    /// What another disk would hold to which everything was copied now.
    #[must_use]
    pub fn copy(&self) -> Image {
        let state = self.shared.state.lock();
        Image::of_live(&state.files, &state.directories)
    }
}

/// What an operation meets.
enum Fate {
    Success,
    /// It fails without having done anything, or having done some of it.
    Failure(io::Error),
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

fn input_output_error() -> io::Error {
    io::Error::from_raw_os_error(libc::EIO)
}

impl Shared {
    fn lose_power(&self, state: &mut State) {
        state.powered = false;
        self.power.send_replace(false);
    }

    /// The state, when there is power to read it with.
    fn read(&self) -> io::Result<parking_lot::MutexGuard<'_, State>> {
        let state = self.state.lock();
        if state.powered {
            Ok(state)
        } else {
            Err(power_is_off())
        }
    }

    /// The same for an operation that looks at what is on the disk, and may fail to see it.
    fn look(&self) -> io::Result<parking_lot::MutexGuard<'_, State>> {
        let mut state = self.read()?;
        let rate = state.weather.failed_reads;
        // Without a rate nothing is drawn: such histories stay what they were.
        if rate > 0 && !state.calm && state.chance.below(10_000) < rate {
            state.failed_reads += 1;
            return Err(input_output_error());
        }
        Ok(state)
    }

    /// Counts an operation that changes something, and says what becomes of it.
    fn begin(&self) -> io::Result<(parking_lot::MutexGuard<'_, State>, Fate)> {
        let mut state = self.read()?;
        state.operations += 1;
        if state
            .weather
            .cut_at
            .is_some_and(|at| state.operations >= at)
        {
            self.lose_power(&mut state);
            return Ok((state, Fate::Failure(power_is_off())));
        }
        let failures = state.weather.failures;
        let fate = if state.chance.below(10_000) < failures {
            Fate::Failure(input_output_error())
        } else {
            Fate::Success
        };
        Ok((state, fate))
    }

    /// An operation of which a failure leaves nothing.
    fn change(&self, work: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        let (mut state, fate) = self.begin()?;
        match fate {
            Fate::Success => work(&mut state),
            Fate::Failure(error) => Err(error),
        }
    }
}

impl State {
    fn find(&self, path: &Path) -> io::Result<Arc<Mutex<Inode>>> {
        let found = self.files.get(path);
        found.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(
        &mut self,
        without: Option<PathBuf>,
        with: Option<(PathBuf, Arc<Mutex<Inode>>)>,
    ) -> io::Result<()> {
        let of = without
            .as_deref()
            .or(with.as_ref().map(|(path, _)| path.as_path()));
        let directory = of
            .and_then(Path::parent)
            .unwrap_or(Path::new(""))
            .to_owned();
        if !self.directories.contains(&directory) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if let Some(path) = &without {
            self.files.remove(path);
        }
        if let Some((path, inode)) = &with {
            self.files.insert(path.clone(), Arc::clone(inode));
        }
        self.unsynced.push(Renaming {
            directory,
            without,
            with,
        });
        Ok(())
    }

    fn used(&self) -> u64 {
        let sizes = self.files.values().map(|inode| inode.lock().length());
        sizes.sum()
    }

    /// Bytes that all files together may still grow by.
    fn room(&self) -> u64 {
        let capacity = self.weather.capacity;
        capacity.map_or(u64::MAX >> 1, |capacity| {
            capacity.saturating_sub(self.used())
        })
    }

    fn need_room_for_a_name(&self) -> io::Result<()> {
        if self.room() >= NAME {
            Ok(())
        } else {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    fn apply_names(durable: &mut BTreeMap<PathBuf, Arc<Mutex<Inode>>>, change: Renaming) {
        if let Some(path) = change.without {
            durable.remove(&path);
        }
        if let Some((path, inode)) = change.with {
            durable.insert(path, inode);
        }
    }

    fn crash(&mut self) -> Image {
        // A journal of names is written in order: what is lost is lost from its end.
        let keep = self.chance.index(self.unsynced.len() + 1);
        let kept: Vec<Renaming> = self.unsynced.drain(..).take(keep).collect();
        for change in kept {
            Self::apply_names(&mut self.durable, change);
        }
        let chance = &self.chance;
        let files = self.durable.iter().map(|(path, inode)| {
            let bytes = inode.lock().after_crash(chance);
            (path.clone(), bytes)
        });
        Image::new(files.collect(), self.directories.clone())
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let inode = Arc::new(Mutex::new(Inode::default()));
        self.shared.change(|state| {
            if state.files.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.need_room_for_a_name()?;
            state.rename(None, Some((path.to_owned(), Arc::clone(&inode))))
        })?;
        Ok(self.file(inode))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let inode = self.shared.look()?.find(path)?;
        Ok(self.file(inode))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.shared.change(|state| {
            state.find(path)?;
            state.rename(Some(path.to_owned()), None)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.shared.change(|state| {
            let inode = state.find(from)?;
            state.need_room_for_a_name()?;
            state.rename(Some(from.to_owned()), Some((to.to_owned(), inode)))
        })
    }

    fn sync_names(&self, directory: &Path) -> io::Result<()> {
        self.shared.change(|state| {
            let (ours, others) = state
                .unsynced
                .drain(..)
                .partition::<Vec<_>, _>(|change| change.directory == directory);
            state.unsynced = others;
            for change in ours {
                State::apply_names(&mut state.durable, change);
            }
            Ok(())
        })
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let state = self.shared.look()?;
        let here = state
            .files
            .keys()
            .filter(|path| path.parent() == Some(directory));
        let names = here.filter_map(|path| path.file_name());
        Ok(names
            .map(|name| name.to_string_lossy().into_owned())
            .collect())
    }

    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        let mut parts: Vec<&Path> = directory.ancestors().collect();
        parts.reverse();
        for part in parts {
            if self.shared.read()?.directories.contains(part) {
                continue;
            }
            // Each is durable with its name before the next one is made: so it is promised.
            self.shared.change(|state| {
                state.need_room_for_a_name()?;
                state.directories.insert(part.to_owned());
                Ok(())
            })?;
        }
        Ok(())
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = self.shared.look()?;
        Ok(state.files.get(path).map(|inode| inode.lock().length()))
    }

    fn free(&self, _directory: &Path) -> io::Result<u64> {
        Ok(self.shared.read()?.room())
    }

    fn lock(&self, _path: &Path, _note: &str) -> io::Result<Result<Lock, String>> {
        // One server at a time has this disk, and its locks go with it.
        drop(self.shared.read()?);
        Ok(Ok(Box::new(())))
    }

    fn engine(&self) -> Option<&str> {
        self.engine.as_deref().map(|engine| engine.name.as_str())
    }
}

impl SimulatedDisk {
    fn file(&self, inode: Arc<Mutex<Inode>>) -> Arc<dyn File> {
        Arc::new(SimulatedFile {
            shared: Arc::clone(&self.shared),
            inode,
        })
    }
}

struct SimulatedFile {
    shared: Arc<Shared>,
    inode: Arc<Mutex<Inode>>,
}

impl File for SimulatedFile {
    fn write_at(&self, parts: &[&[u8]], start: u64) -> io::Result<()> {
        let bytes = parts.concat();
        let (state, fate) = self.shared.begin()?;
        let room = state.room();
        let mut inode = self.inode.lock();
        let most = inode.length().saturating_add(room);
        let grows = start + bytes.len() as u64 > inode.length();
        let fits = match usize::try_from(most.saturating_sub(start)) {
            Ok(fits) if grows => fits.min(bytes.len()),
            _ => bytes.len(),
        };
        let fate = match fate {
            Fate::Success if fits < bytes.len() => Fate::Failure(io::ErrorKind::StorageFull.into()),
            fate => fate,
        };
        match fate {
            Fate::Success => {
                inode.write(start, bytes);
                Ok(())
            }
            Fate::Failure(error) => {
                // Some of it may have been written all the same, as far as there is room.
                let some = state.chance.index(fits + 1);
                inode.write(start, bytes.get(..some).unwrap_or_default().to_vec());
                Err(error)
            }
        }
    }

    fn read_some(&self, buffer: &mut [u8], start: u64) -> io::Result<usize> {
        drop(self.shared.look()?);
        Ok(self.inode.lock().read(buffer, start))
    }

    fn sync(&self) -> io::Result<()> {
        let (state, fate) = self.shared.begin()?;
        let mut inode = self.inode.lock();
        match fate {
            Fate::Success if state.weather.lies => Ok(()),
            Fate::Success => {
                inode.sync();
                Ok(())
            }
            Fate::Failure(error) => {
                // Without power nobody tells what is lost, and the crash decides.
                if state.powered {
                    inode.fail_to_sync(&state.chance);
                }
                Err(error)
            }
        }
    }

    fn punch(&self, start: u64, length: u64) -> io::Result<()> {
        let inode = &self.inode;
        self.shared.change(|_| {
            inode.lock().punch(start, length);
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let inode = &self.inode;
        self.shared.change(|_| {
            inode.lock().set_length(length);
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        drop(self.shared.read()?);
        Ok(self.inode.lock().length())
    }

    fn allocated(&self) -> io::Result<u64> {
        self.length()
    }

    fn mode(&self) -> io::Result<u32> {
        drop(self.shared.read()?);
        Ok(0o600)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_write_without_room_leaves_what_fits_or_less() {
        let (mut nothing, mut some, mut all) = (false, false, false);
        for seed in 0..100 {
            let weather = Weather {
                capacity: Some(NAME + 8),
                ..Weather::default()
            };
            let disk = SimulatedDisk::new(&Image::default(), Chance::new(seed), weather).unwrap();
            let directory = Path::new("/d");
            disk.make_directory(directory).unwrap();
            let file = disk.create(&directory.join("file")).unwrap();
            file.write_at(&[&vec![1; 4096]], 0).unwrap();
            let failed = file.write_at(&[b"0123456789abcdef"], 4094).unwrap_err();
            assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
            let length = file.length().unwrap();
            assert!(length <= NAME + 8, "{length}");
            let mut end = [0; 16];
            let found = file.read_some(&mut end, 4096).unwrap();
            assert!(b"23456789".starts_with(&end[..found]), "{end:?}");
            nothing |= length == 4096;
            some |= (4097..NAME + 8).contains(&length);
            all |= length == NAME + 8;
            // Over what is there, one can write.
            file.write_at(&[b"over"], 0).unwrap();
        }
        assert!(nothing && some && all);
    }
}
