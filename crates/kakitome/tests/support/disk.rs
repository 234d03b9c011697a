//! A file system of a story's own, which can be filled up or made unwritable.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use super::Program;

/// A mounted ext4 in a file; unmounted at the end.
pub(crate) struct Disk {
    mounted: PathBuf,
}

impl Disk {
    /// Makes one of `mebibytes` and mounts it on `mount`, which is made. Mounting takes root.
    #[track_caller]
    pub(crate) fn mount(image: &Path, mount: &Path, mebibytes: u64) -> Self {
        assert!(
            rustix::process::getuid().is_root(),
            "this story mounts a file system: run it as root"
        );
        fs::File::create(image)
            .unwrap()
            .set_len(mebibytes << 20)
            .unwrap();
        Program::new("mkfs.ext4")
            .words(["-q", "-m", "0"])
            .word(image)
            .succeeds();
        fs::create_dir(mount).unwrap();
        Program::new("mount")
            .words(["-o", "loop"])
            .word(image)
            .word(mount)
            .succeeds();
        Self {
            mounted: mount.to_owned(),
        }
    }

    /// Fills it until `left` octets are free.
    pub(crate) fn fill(&self, left: u64) {
        let mut ballast = fs::File::options()
            .create(true)
            .append(true)
            .open(self.ballast())
            .unwrap();
        let block = vec![0xA5; 1 << 16];
        while self.free() > left {
            let octets = usize::try_from(self.free() - left)
                .unwrap_or(block.len())
                .min(block.len());
            if ballast.write_all(&block[..octets]).is_err() {
                break;
            }
        }
        // What is only in memory takes no room yet.
        ballast.sync_all().unwrap();
    }

    /// Frees what `fill` took.
    pub(crate) fn free_again(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.mounted.join("ballast")
    }

    fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.mounted).unwrap();
        disk.f_bavail * disk.f_frsize
    }

    /// No file of `directory` can be written, not even by who has it open; or it can again.
    pub(crate) fn set_writable(directory: &Path, writable: bool) {
        let sign = if writable { "-i" } else { "+i" };
        // Journals come and go meanwhile: what is gone when its turn comes is no fault.
        Program::new("find")
            .word(directory)
            .words(["(", "-type", "f", "-o", "-type", "d", ")"])
            .words(["-exec", "chattr", "-f", sign, "{}", "+"])
            .run();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The processes that wrote there ended before.
        Program::new("umount")
            .word("--lazy")
            .word(&self.mounted)
            .run();
    }
}
