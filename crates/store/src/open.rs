//! Opening a store: lock, key, tables, and what a crash left behind.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64},
    },
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use world::{Worker, World};

use crate::{
    AccountId, Error, Options,
    collect::{self, Chore, Chores},
    commit::{self, Applier, Entrance},
    disk::{Disk, Lock},
    event::{self, index::TrailIndex},
    id::{self, Generator},
    keys::Keyring,
    log_ahead::LogAhead,
    mark::Mark,
    params,
    quarantine::figures::Counted,
    recover::{self, Recovered},
    schema,
    segment::{Appender, Segments},
    shared::{Counters, Gone, Readers, Shared, Topics},
    sql::{self, Engine as _, Sql},
    sqlite::Connection,
    tree::{self, Tree},
};

/// The database's file in the store's directory.
pub(crate) const DATABASE: &str = "store.db";
/// The file whose lock says that a process has the store open.
pub(crate) const LOCK: &str = "store.lock";
/// The directory of the segments.
pub(crate) const SEGMENTS: &str = "segments";
/// The directory of what can be made anew: the indexes of the trail and of each account's mail.
pub(crate) const INDEX: &str = "index";
/// The directory of the installation key.
pub(crate) const KEYS: &str = "keys";

/// An open store's threads and the way to them.
pub(crate) struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) entrance: Entrance,
    pub(crate) stages: [Worker; 2],
    pub(crate) keeper: Worker,
    pub(crate) chores: Chores,
    pub(crate) followers: [Worker; 2],
    pub(crate) stop: watch::Sender<bool>,
}

/// Opens the store under `directory` on `disk`.
pub(crate) fn open(
    directory: &Path,
    options: &Options,
    world: World,
    disk: Arc<dyn Disk>,
) -> Result<Opened, Error> {
    disk.make_directory(directory)
        .map_err(|error| Error::io(directory, error))?;
    for part in [SEGMENTS, KEYS, INDEX].map(|name| directory.join(name)) {
        disk.make_directory(&part)
            .map_err(|error| Error::io(&part, error))?;
    }
    let lock = lock(disk.as_ref(), directory)?;
    let database = directory.join(DATABASE);
    let segments = Arc::new(Segments::new(directory.join(SEGMENTS), Arc::clone(&disk)));
    let orphaned = || {
        Error::Corrupt(format!(
            "{} is missing or empty, but what belongs to it is there: bring it back; nothing was changed",
            database.display()
        ))
    };
    let has_mail = !segments.numbers()?.is_empty();
    let size = |path: &Path| size(disk.as_ref(), path);
    if size(&database)? == 0 && (size(&log_of(&database))? > 0 || has_mail) {
        // Opened without its database, the engine would throw its log away, and we the mail.
        return Err(orphaned());
    }
    let mut writer = Connection::writer(disk.as_ref(), &database)?;
    let found = writer.format()?;
    if found == 0 && has_mail {
        return Err(orphaned());
    }
    if found > schema::newest() {
        return Err(Error::LaterFormat {
            found,
            known: schema::newest(),
        });
    }
    let key_directory = directory.join(KEYS);
    let keys = Keyring::open(disk.as_ref(), &key_directory, found == 0, world.clone())?;
    if found > 0 {
        check_key(&mut writer, directory, &keys)?;
    }
    let has_tree = found >= tree::SINCE_FORMAT && tree::latest(&mut writer)?.is_some();
    let origin = &options.trail_origin;
    let trail_key = tree::open_key(disk.as_ref(), &key_directory, !has_tree, origin, &world)?;
    let first_mark = match found {
        0 => Some(Mark::default()),
        1 => Some(recover::first_mark(&mut writer, &segments, options)?),
        _ => None,
    };
    prepare(&mut writer, found, &keys, first_mark)?;

    let Recovered { mark, tail } = recover::recover(&mut writer, &segments, options)?;
    let appender = Appender::new(Arc::clone(&segments), options.segment_size, tail)?;
    let log_ahead = LogAhead::new(log_of(&database), options.log_bytes);
    let applier = resume(&mut writer, &world, mark, log_ahead)?;
    let shared = Arc::new(Shared {
        directory: directory.to_owned(),
        options: options.clone(),
        ids: Generator::above(applier.ids_marked, world.clone()),
        world,
        keys,
        trail: TrailIndex::new(&directory.join(INDEX), Arc::clone(&disk)),
        counted: Counted::default(),
        tree: Tree::new(trail_key),
        segments,
        readers: Readers::new(Arc::clone(&disk), database, options.readers),
        disk,
        topics: Topics::default(),
        gone: Gone::default(),
        counters: Counters::default(),
        collecting: tokio::sync::Mutex::new(()),
        last_at: AtomicI64::new(applier.last.as_microsecond()),
        unnoted: Mutex::new(None),
        log_is_long: AtomicBool::new(false),
        lock: Mutex::new(Some(lock)),
    });
    let applier = begin_ids(&mut writer, &shared, applier)?;
    let (chores, todo) = Chores::new();
    let (entrance, stages) = commit::start(&shared, writer, appender, chores.clone(), applier)?;
    let keeper = collect::start(&shared, entrance.clone(), todo)?;
    let (stop, stopped) = watch::channel(false);
    let following = event::index::run(Arc::clone(&shared), stopped);
    let index = shared.world.start_behind("store-trail", following);
    let growing = tree::run(Arc::clone(&shared), entrance.clone(), stop.subscribe());
    let tree = shared.world.start_behind("store-tree", growing);
    let io_error = |error| Error::io(directory, error);
    let followers = [index.map_err(io_error)?, tree.map_err(io_error)?];
    // A crash may have come between a deletion and its consequences.
    chores.ask(Chore::Erase);
    chores.ask(Chore::Collect);
    Ok(Opened {
        shared,
        entrance,
        stages,
        keeper,
        chores,
        followers,
        stop,
    })
}

/// The engine's log beside the database.
pub(crate) fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Bytes of a file; 0 when there is none.
pub(crate) fn size(disk: &dyn Disk, path: &Path) -> Result<u64, Error> {
    let size = disk.size(path).map_err(|error| Error::io(path, error))?;
    Ok(size.unwrap_or(0))
}

fn lock(disk: &dyn Disk, directory: &Path) -> Result<Lock, Error> {
    let path = directory.join(LOCK);
    let note = format!("{}\n", std::process::id());
    let taken = disk
        .lock(&path, &note)
        .map_err(|error| Error::io(&path, error))?;
    taken.map_err(|left| Error::Locked {
        directory: directory.to_owned(),
        process: left.trim().parse().ok(),
    })
}

/// Brings the tables to today's format, in one transaction.
fn prepare(
    writer: &mut Connection,
    found: i64,
    keys: &Keyring,
    first_mark: Option<Mark>,
) -> Result<(), Error> {
    let newest = schema::newest();
    if found == newest {
        return Ok(());
    }
    writer.begin()?;
    let mut steps = || -> Result<(), Error> {
        for step in schema::STEPS.iter().filter(|step| step.format > found) {
            writer.apply(step)?;
        }
        put(writer, "format", &newest.to_string())?;
        if let Some(mark) = first_mark {
            mark.note(writer)?;
        }
        if found == 0 {
            put(writer, "installation-key", &keys.fingerprint())?;
            let wrapped = keys.make(AccountId::QUEUE)?;
            let statement = "INSERT INTO account_key (account, wrapped) VALUES (?1, ?2)";
            writer.execute(statement, params![AccountId::QUEUE, &wrapped])?;
        }
        writer.commit()
    };
    let done = steps();
    if done.is_err() {
        writer.rollback()?;
    }
    done
}

fn put(writer: &mut Connection, name: &str, value: &str) -> Result<(), Error> {
    let statement = "INSERT INTO meta (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    writer.execute(statement, params![name, value]).map(|_| ())
}

fn get(sql: &mut dyn Sql, name: &str) -> Result<Option<String>, Error> {
    let statement = "SELECT value FROM meta WHERE name = ?1";
    sql::first(sql, statement, params![name], |row| row.text(0))
}

fn check_key(writer: &mut Connection, directory: &Path, keys: &Keyring) -> Result<(), Error> {
    if get(writer, "installation-key")? == Some(keys.fingerprint()) {
        return Ok(());
    }
    Err(Error::KeyFile {
        path: directory.join(KEYS),
        reason:
            "this is the key of another store: bring back the one that belongs to this database"
                .to_owned(),
    })
}

/// Where the last batch and its ids stood.
fn resume(
    writer: &mut Connection,
    world: &World,
    mark: Mark,
    log_ahead: LogAhead,
) -> Result<Applier, Error> {
    let marked: i64 = match get(writer, "ids")? {
        Some(text) => text
            .parse()
            .map_err(|_| Error::Corrupt("the mark of used ids is not a number".to_owned()))?,
        None => 0,
    };
    let statement = "SELECT at FROM event ORDER BY id DESC LIMIT 1";
    let last = sql::first(writer, statement, &[], |row| row.time(0))?;
    let last = last.unwrap_or(Timestamp::MIN);
    if last > world.now() {
        tracing::warn!(%last, "the clock is behind the last event: events keep its time until the clock has caught up");
    }
    Ok(Applier {
        last,
        ids_marked: marked.max(id::not_before(world.now())),
        mark,
        noted: mark,
        lost: Vec::new(),
        log_asked: 0,
        log_ahead,
        behind: commit::Behind::default(),
    })
}

/// Marks the first ids of this run as used before any is given.
fn begin_ids(
    writer: &mut Connection,
    shared: &Shared,
    mut applier: Applier,
) -> Result<Applier, Error> {
    let marked = shared.ids.last() + commit::IDS_AHEAD;
    writer.begin()?;
    let done = commit::mark_ids(writer, marked).and_then(|()| writer.commit());
    match done {
        Ok(()) => applier.ids_marked = marked,
        // A full disk must not keep the store shut: the mark is set with the first commit instead.
        Err(Error::Full) => writer.rollback()?,
        Err(error) => {
            writer.rollback()?;
            return Err(error);
        }
    }
    Ok(applier)
}
