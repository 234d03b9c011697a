//! Open files as SQLite sees them.

use std::{ffi::c_int, io, path::PathBuf, ptr, slice, sync::Arc};

use parking_lot::Mutex;
use rusqlite::ffi;

use super::{
    Opaque, code,
    shared::{Shared, User},
};
use crate::disk::{Disk, File};

/// SQLite's view of a file, with ours behind it.
#[repr(C)]
pub(super) struct Opened {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

/// One opening of a file.
pub(super) struct Handle {
    file: Arc<dyn File>,
    locks: Arc<Shared>,
    user: User,
    /// The disk, and the directory in which the file's name is not yet on stable storage.
    unsynced_name: Mutex<Option<(Arc<dyn Disk>, PathBuf)>>,
    /// To be removed when it is closed.
    delete: Option<(Arc<dyn Disk>, PathBuf)>,
}

impl Handle {
    pub(super) fn new(
        file: Arc<dyn File>,
        locks: Arc<Shared>,
        unsynced_name: Option<(Arc<dyn Disk>, PathBuf)>,
        delete: Option<(Arc<dyn Disk>, PathBuf)>,
    ) -> Self {
        let user = locks.user();
        Self {
            file,
            locks,
            user,
            unsynced_name: Mutex::new(unsynced_name),
            delete,
        }
    }

    /// A file without a name, in memory.
    pub(super) fn temporary() -> Self {
        let file = Arc::new(Temporary::default());
        Self::new(file, Arc::new(Shared::default()), None, None)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()?;
        let mut unsynced = self.unsynced_name.lock();
        if let Some((disk, directory)) = unsynced.as_ref() {
            disk.sync_names(directory)?;
        }
        *unsynced = None;
        Ok(())
    }
}

const METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
static METHODS_AT: ffi::sqlite3_io_methods = METHODS;

/// Puts `handle` into the room that SQLite made for a file.
///
/// # Safety
/// `opened` must have room for an [`Opened`].
pub(super) unsafe fn put(opened: *mut ffi::sqlite3_file, handle: Handle) {
    let value = Opened {
        base: ffi::sqlite3_file {
            pMethods: &raw const METHODS_AT,
        },
        handle: Box::into_raw(Box::new(handle)),
    };
    // SAFETY: promised by the caller.
    unsafe { ptr::write(opened.cast::<Opened>(), value) };
}

/// Our side of a file.
///
/// # Safety
/// `file` must come from [`put`] and not be closed.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a Handle {
    // SAFETY: promised by the caller.
    unsafe { &*(*file.cast::<Opened>()).handle }
}

/// SQLite's code for what was done.
fn done(result: io::Result<()>, otherwise: c_int) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(error) => code(&error, otherwise),
    }
}

fn granted(granted: bool) -> c_int {
    if granted {
        ffi::SQLITE_OK
    } else {
        ffi::SQLITE_BUSY
    }
}

// SAFETY of all below: SQLite calls them with files that `put` filled and with buffers of the sizes that it says.

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: see above; SQLite closes once.
    let handle = unsafe { Box::from_raw((*file.cast::<Opened>()).handle) };
    handle.locks.leave(handle.user);
    match &handle.delete {
        Some((disk, path)) => done(disk.remove(path), ffi::SQLITE_IOERR_DELETE),
        None => ffi::SQLITE_OK,
    }
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    buffer: Opaque,
    count: c_int,
    start: ffi::sqlite3_int64,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: see above.
    let (handle, buffer) = unsafe {
        (
            handle(file),
            slice::from_raw_parts_mut(buffer.cast::<u8>(), count),
        )
    };
    match handle
        .file
        .read_some(buffer, u64::try_from(start).unwrap_or(0))
    {
        Ok(read) if read == count => ffi::SQLITE_OK,
        Ok(read) => {
            if let Some(rest) = buffer.get_mut(read..) {
                rest.fill(0);
            }
            ffi::SQLITE_IOERR_SHORT_READ
        }
        Err(error) => code(&error, ffi::SQLITE_IOERR_READ),
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    buffer: *const std::ffi::c_void,
    count: c_int,
    start: ffi::sqlite3_int64,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: see above.
    let (handle, bytes) = unsafe {
        (
            handle(file),
            slice::from_raw_parts(buffer.cast::<u8>(), count),
        )
    };
    let start = u64::try_from(start).unwrap_or(0);
    done(
        handle.file.write_at(&[bytes], start),
        ffi::SQLITE_IOERR_WRITE,
    )
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: ffi::sqlite3_int64) -> c_int {
    // SAFETY: see above.
    let handle = unsafe { handle(file) };
    let length = u64::try_from(length).unwrap_or(0);
    done(handle.file.truncate(length), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: see above.
    done(unsafe { handle(file) }.sync(), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    size: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: see above.
    match unsafe { handle(file) }.file.length() {
        Ok(length) => {
            // SAFETY: SQLite's own variable.
            unsafe { *size = i64::try_from(length).unwrap_or(i64::MAX) };
            ffi::SQLITE_OK
        }
        Err(error) => code(&error, ffi::SQLITE_IOERR_FSTAT),
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: see above.
    let handle = unsafe { handle(file) };
    granted(handle.locks.lock(handle.user, level))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: see above.
    let handle = unsafe { handle(file) };
    handle.locks.unlock(handle.user, level);
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(
    file: *mut ffi::sqlite3_file,
    result: *mut c_int,
) -> c_int {
    // SAFETY: see above; `result` is SQLite's own.
    unsafe { *result = c_int::from(handle(file).locks.is_reserved()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: Opaque) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    // What SQLite assumes on Unix.
    4096
}

unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    // As on Unix: a write does not harm the bytes beside it. The simulated disk keeps to that.
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut Opaque,
) -> c_int {
    // SAFETY: see above.
    let handle = unsafe { handle(file) };
    let page = usize::try_from(page).unwrap_or(0);
    let size = usize::try_from(size).unwrap_or(0);
    let at = handle.locks.map(handle.user, page, size, extend != 0);
    // SAFETY: SQLite's own variable.
    unsafe { *out = at.map_or(ptr::null_mut(), <*mut u64>::cast) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: see above.
    let handle = unsafe { handle(file) };
    let slots = usize::try_from(first).unwrap_or(0)
        ..usize::try_from(first.saturating_add(count)).unwrap_or(0);
    granted(handle.locks.lock_slots(handle.user, slots, flags))
}

unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: see above.
    let handle = unsafe { handle(file) };
    handle.locks.unmap(handle.user);
    ffi::SQLITE_OK
}

/// A file in memory, for what SQLite spills.
#[derive(Default)]
struct Temporary(Mutex<Vec<u8>>);

impl File for Temporary {
    fn write_at(&self, parts: &[&[u8]], start: u64) -> io::Result<()> {
        let mut bytes = self.0.lock();
        let mut start = usize::try_from(start).map_err(io::Error::other)?;
        for part in parts {
            let end = start.saturating_add(part.len());
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            if let Some(room) = bytes.get_mut(start..end) {
                room.copy_from_slice(part);
            }
            start = end;
        }
        Ok(())
    }

    fn read_some(&self, buffer: &mut [u8], start: u64) -> io::Result<usize> {
        let bytes = self.0.lock();
        let start = usize::try_from(start).map_err(io::Error::other)?;
        let found = bytes.get(start..).unwrap_or_default();
        let count = found.len().min(buffer.len());
        buffer[..count].copy_from_slice(&found[..count]);
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn punch(&self, _start: u64, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        self.0.lock().resize(length, 0);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }

    fn allocated(&self) -> io::Result<u64> {
        self.length()
    }

    fn mode(&self) -> io::Result<u32> {
        Ok(0o600)
    }
}
