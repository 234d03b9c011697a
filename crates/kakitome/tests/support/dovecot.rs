//! A Dovecot of a story's own: IMAP and POP3 with one account, on its own loopback address.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Process, Program, loopback, place, until};

pub(crate) const IMAP: u16 = 20_143;
pub(crate) const IMAPS: u16 = 20_993;
pub(crate) const POP3: u16 = 20_110;
pub(crate) const POP3S: u16 = 20_995;
const READY: Duration = Duration::from_secs(30);

/// A running Dovecot, in which `sato` has an account.
pub(crate) struct Dovecot {
    master: Process,
    pub(crate) address: Ipv4Addr,
    place: TempDir,
}

impl Dovecot {
    /// Starts it, with further lines of its configuration, of which the last of a name counts.
    #[track_caller]
    pub(crate) fn start(more: &str) -> Self {
        let (place, address) = (place(), loopback());
        let root = place.path();
        // Its own users must reach what they read; the place is no secret.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        certificate(root);
        fs::write(
            root.join("users"),
            "sato@town.example:{PLAIN}correct horse 7\n",
        )
        .unwrap();
        fs::write(
            root.join("dovecot.conf"),
            configuration(root, address) + more,
        )
        .unwrap();
        let master = Process::start(
            "dovecot",
            Command::new("/usr/sbin/dovecot")
                .arg("-F")
                .arg("-c")
                .arg(root.join("dovecot.conf")),
            &root.join("log"),
        );
        let started = Self {
            master,
            address,
            place,
        };
        until("Dovecot is ready", READY, || {
            TcpStream::connect((address, POP3S)).ok()
        });
        started
    }

    /// Its certificate, which is its own root.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.place.path().join("tls.crt")
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // The master ends its children when it is asked to.
        if self.master.is_running() {
            self.master.signal(Signal::TERM);
            self.master.ended(READY);
        }
    }
}

/// What Debian's packages say, but for places, ports, and where accounts are.
fn configuration(root: &Path, address: Ipv4Addr) -> String {
    let root = root.display();
    let listener = |protocol: &str, port: u16, tls: u16| {
        format!(
            "service {protocol}-login {{\n  inet_listener {protocol} {{\n    port = {port}\n  }}\n  \
             inet_listener {protocol}s {{\n    port = {tls}\n    ssl = yes\n  }}\n}}\n"
        )
    };
    format!(
        "protocols = imap pop3\nlisten = {address}\nbase_dir = {root}/run\nstate_dir = {root}/state\n\
         log_path = {root}/dovecot.log\nssl = yes\nssl_cert = <{root}/tls.crt\nssl_key = <{root}/tls.key\n\
         auth_mechanisms = plain\nmail_location = maildir:{root}/mail/%u\n\
         passdb {{\n  driver = passwd-file\n  args = {root}/users\n}}\n\
         userdb {{\n  driver = static\n  args = uid=nobody gid=nogroup home={root}/mail/%u\n}}\n{}{}",
        listener("imap", IMAP, IMAPS),
        listener("pop3", POP3, POP3S),
    )
}

fn certificate(root: &Path) {
    Program::new("openssl")
        .words([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
        ])
        .words(["-subj", "/CN=mail.town.example"])
        .words(["-addext", "subjectAltName=DNS:mail.town.example"])
        .words(["-addext", "basicConstraints=critical,CA:FALSE"])
        .word("-keyout")
        .word(root.join("tls.key"))
        .word("-out")
        .word(root.join("tls.crt"))
        .succeeds();
}
