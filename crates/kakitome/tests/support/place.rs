//! Where a story happens: a directory and a loopback address that nobody else has.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU8, Ordering},
};

use tempfile::TempDir;

static NEXT: AtomicU8 = AtomicU8::new(1);

/// A loopback address of this process's own, so that every site can use the same ports.
pub(crate) fn loopback() -> Ipv4Addr {
    let pid = std::process::id();
    let octet = |n: u32| u8::try_from(n % 250).unwrap() + 1;
    let host = NEXT.fetch_add(1, Ordering::SeqCst);
    assert!(host < 250, "too many sites in one test program");
    Ipv4Addr::new(127, octet(pid / 250), octet(pid), host)
}

/// A new directory on a real disk, removed at the end. Its path is short, for the sake of UNIX sockets.
pub(crate) fn place() -> TempDir {
    tempfile::Builder::new().prefix("kt").tempdir().unwrap()
}
