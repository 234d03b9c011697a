//! SQLite over a [`Disk`] of ours: so the real database code runs in a simulation where power fails.
//!
//! SQLite asks a "VFS" for files; this one hands every call to the disk. What lives only as long as its process on
//! a real machine (locks, the log's shared index) lives in memory here: see [`shared`].
//!
//! The only module of the store with `unsafe`: it speaks C. It is built for simulations, never for a server.
#![allow(unsafe_code, reason = "SQLite calls it through C function pointers")]

mod file;
mod shared;

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString, OsStr, c_char, c_int, c_void},
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    ptr,
    sync::Arc,
};

use parking_lot::Mutex;
use rusqlite::ffi;

use crate::disk::{Disk, File};
use shared::Shared;

/// Bytes of a path at most, with the zero at its end.
const LONGEST_PATH: c_int = 512;

/// A disk as SQLite finds it by name, as long as this lives.
pub struct EngineFiles {
    vfs: *mut ffi::sqlite3_vfs,
}

/// What a registered name stands for.
struct Registered {
    disk: Arc<dyn Disk>,
    /// Locks and shared memory of each open database file, by its path.
    shared: Mutex<BTreeMap<PathBuf, std::sync::Weak<Shared>>>,
    _name: CString,
}

// SAFETY: the pointer is to a value that only this one frees, and SQLite's list of them has a lock of its own.
unsafe impl Send for EngineFiles {}
// SAFETY: nothing is done through a shared reference.
unsafe impl Sync for EngineFiles {}

impl EngineFiles {
    /// Lets the database engine find `disk` under `name`, which nobody else has: the name that [`Disk::engine`] of
    /// the disk given to a store then tells.
    ///
    /// # Errors
    /// When the name holds a zero, or SQLite refuses it.
    pub fn register(name: &str, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let name = CString::new(name)?;
        let z_name = name.as_ptr();
        let registered = Box::new(Registered {
            disk,
            shared: Mutex::default(),
            _name: name,
        });
        let vfs = Box::into_raw(Box::new(ffi::sqlite3_vfs {
            iVersion: 1,
            szOsFile: c_int::try_from(size_of::<file::Opened>()).unwrap_or(c_int::MAX),
            mxPathname: LONGEST_PATH,
            pNext: ptr::null_mut(),
            zName: z_name,
            pAppData: Box::into_raw(registered).cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: None,
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        let files = Self { vfs };
        // SAFETY: `vfs` is whole and lives until `drop` takes it out of the list again.
        match unsafe { ffi::sqlite3_vfs_register(vfs, 0) } {
            ffi::SQLITE_OK => Ok(files),
            code => Err(io::Error::other(format!(
                "SQLite refuses the disk ({code})"
            ))),
        }
    }
}

impl Drop for EngineFiles {
    fn drop(&mut self) {
        // SAFETY: both boxes were made in `register`; whoever used the name has closed its connections, since the disk
        // that told the name owns this value.
        unsafe {
            ffi::sqlite3_vfs_unregister(self.vfs);
            let vfs = Box::from_raw(self.vfs);
            drop(Box::from_raw(vfs.pAppData.cast::<Registered>()));
        }
    }
}

/// What `vfs` stands for.
///
/// # Safety
/// `vfs` must be one that [`EngineFiles::register`] made and that is still registered.
unsafe fn registered<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Registered {
    // SAFETY: promised by the caller.
    unsafe { &*(*vfs).pAppData.cast::<Registered>() }
}

/// A path as SQLite hands it over.
///
/// # Safety
/// `name` must be a C string.
unsafe fn path<'a>(name: *const c_char) -> &'a Path {
    // SAFETY: promised by the caller.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    Path::new(OsStr::from_bytes(bytes))
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    opened: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands over what it was given at registration, and room for a file of ours.
    unsafe {
        let registered = registered(vfs);
        // Should this fail, there is nothing to close.
        (*opened).pMethods = ptr::null();
        let found = if name.is_null() {
            Ok(file::Handle::temporary())
        } else {
            registered.open(path(name), flags)
        };
        match found {
            Ok(handle) => {
                if !out_flags.is_null() {
                    *out_flags = flags;
                }
                file::put(opened, handle);
                ffi::SQLITE_OK
            }
            Err(error) => code(&error, ffi::SQLITE_CANTOPEN),
        }
    }
}

impl Registered {
    fn open(&self, path: &Path, flags: c_int) -> io::Result<file::Handle> {
        let wants = |flag| flags & flag != 0;
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let (file, made): (Arc<dyn File>, bool) = match self.disk.open(path) {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && wants(ffi::SQLITE_OPEN_CREATE) =>
            {
                (self.disk.create(path)?, true)
            }
            other => (other?, false),
        };
        // As SQLite does on Unix: the name of a journal or log must not be lost when its contents count.
        let names_count = wants(ffi::SQLITE_OPEN_MAIN_JOURNAL) || wants(ffi::SQLITE_OPEN_WAL);
        let unsynced_name = (made && names_count).then(|| (Arc::clone(&self.disk), directory));
        let delete = wants(ffi::SQLITE_OPEN_DELETEONCLOSE)
            .then(|| (Arc::clone(&self.disk), path.to_owned()));
        Ok(file::Handle::new(
            file,
            self.shared(path),
            unsynced_name,
            delete,
        ))
    }

    fn shared(&self, path: &Path) -> Arc<Shared> {
        let mut all = self.shared.lock();
        all.retain(|_, shared| shared.strong_count() > 0);
        if let Some(found) = all.get(path).and_then(std::sync::Weak::upgrade) {
            return found;
        }
        let made = Arc::new(Shared::default());
        all.insert(path.to_owned(), Arc::downgrade(&made));
        made
    }
}

unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: as for `open`.
    let (registered, path) = unsafe { (registered(vfs), path(name)) };
    let done = registered.disk.remove(path).and_then(|()| {
        let directory = path.parent().filter(|_| sync_directory != 0);
        directory.map_or(Ok(()), |directory| registered.disk.sync_names(directory))
    });
    match done {
        Ok(()) => ffi::SQLITE_OK,
        Err(error) if error.kind() == io::ErrorKind::NotFound => ffi::SQLITE_IOERR_DELETE_NOENT,
        Err(error) => code(&error, ffi::SQLITE_IOERR_DELETE),
    }
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    result: *mut c_int,
) -> c_int {
    // SAFETY: as for `open`; `result` is SQLite's own.
    unsafe {
        match registered(vfs).disk.size(path(name)) {
            // An empty journal or log is as good as none.
            Ok(size) => {
                let there = size.is_some_and(|size| size > 0 || flags != ffi::SQLITE_ACCESS_EXISTS);
                *result = c_int::from(there);
                ffi::SQLITE_OK
            }
            Err(error) => code(&error, ffi::SQLITE_IOERR_ACCESS),
        }
    }
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite gives a C string and `room` bytes for the answer.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if usize::try_from(room).is_ok_and(|room| bytes.len() <= room) {
            ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
            return ffi::SQLITE_OK;
        }
    }
    ffi::SQLITE_CANTOPEN
}

unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, count: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite gives `count` bytes. It takes its chance from the machine's own VFS; this is never the default.
    unsafe { ptr::write_bytes(out, 1, usize::try_from(count).unwrap_or(0)) };
    count
}

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: SQLite's own variable. No statement of ours asks the database for the time.
    unsafe { *out = 2_461_000.5 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

/// What an error of the disk is to SQLite; `otherwise` where it has no code of its own.
fn code(error: &io::Error, otherwise: c_int) -> c_int {
    match error.kind() {
        io::ErrorKind::StorageFull => ffi::SQLITE_FULL,
        _ => otherwise,
    }
}

/// A pointer that SQLite keeps for us.
type Opaque = *mut c_void;
