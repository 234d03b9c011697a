//! A Postfix of a story's own: an instance with its own directories, on its own loopback address.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Process, Program, loopback, place, until};

pub(crate) const PORT: u16 = 2525;
const READY: Duration = Duration::from_secs(30);

/// A running Postfix that takes mail for `domain` into one Maildir, and sends all other mail to one host.
pub(crate) struct Postfix {
    master: Process,
    pub(crate) address: Ipv4Addr,
    pub(crate) domain: String,
    place: TempDir,
}

/// Whether a side uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    Never,
    Always,
}

impl Postfix {
    /// Starts it. Mail for other domains goes to `next`; `users` have mailboxes.
    #[track_caller]
    pub(crate) fn start(domain: &str, users: &[&str], next: (Ipv4Addr, u16), tls: Tls) -> Self {
        Self::start_with(domain, users, next, tls, "")
    }

    /// The same with further lines of `main.cf`, of which the last of a name counts.
    #[track_caller]
    pub(crate) fn start_with(
        domain: &str,
        users: &[&str],
        next: (Ipv4Addr, u16),
        tls: Tls,
        more: &str,
    ) -> Self {
        let place = place();
        let address = loopback();
        let root = place.path();
        // Postfix' own user must reach its directories; the place is no secret.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        let owner = user("postfix");
        for name in ["etc", "spool", "data", "mail"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        for name in ["data", "mail"] {
            chown(root.join(name), Some(owner.0), Some(owner.1)).unwrap();
        }
        certificate(root, domain);
        fs::write(
            root.join("etc/main.cf"),
            main_cf(root, domain, address, next, tls, owner)
                + &more.replace("{root}", &root.display().to_string()),
        )
        .unwrap();
        fs::write(root.join("etc/master.cf"), master_cf(address)).unwrap();
        let users: String = users
            .iter()
            .map(|name| format!("{name}@{domain} {name}/\n"))
            .collect();
        fs::write(root.join("etc/users"), users).unwrap();
        let configuration = root.join("etc").display().to_string();
        // Makes the queue's directories with their owners.
        Program::new("/usr/sbin/postfix")
            .words(["-c", &configuration, "check"])
            .succeeds();
        let master = Process::start(
            "postfix",
            Command::new("/usr/lib/postfix/sbin/master").args(["-c", &configuration, "-d"]),
            &root.join("log"),
        );
        let started = Self {
            master,
            address,
            domain: domain.to_owned(),
            place,
        };
        until("Postfix is ready", READY, || {
            TcpStream::connect((address, PORT)).ok()
        });
        started
    }

    /// Gives it a message as a local program would; `options` are sendmail's.
    #[track_caller]
    pub(crate) fn sendmail(&self, from: &str, options: &[&str], to: &str, content: &[u8]) {
        Program::new("/usr/sbin/sendmail")
            .word("-C")
            .word(self.place.path().join("etc"))
            .words(["-i", "-f", from])
            .words(options)
            .words(["--", to])
            .input(content)
            .succeeds();
    }

    /// What lies in a user's Maildir, oldest first, with CRLF line ends.
    pub(crate) fn maildir(&self, user: &str) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.place.path().join("mail").join(user).join("new"))
        else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
        paths
            .iter()
            .map(|path| {
                let mut text = Vec::new();
                for byte in fs::read(path).unwrap() {
                    if byte == b'\n' {
                        text.push(b'\r');
                    }
                    text.push(byte);
                }
                text
            })
            .collect()
    }

    /// Its certificate, which is its own root.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.place.path().join("etc/tls.crt")
    }

    /// What Postfix logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("maillog")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- Postfix logged:\n{}----", self.log());
        }
        // The master ends its children when it is asked to.
        if self.master.is_running() {
            self.master.signal(Signal::TERM);
            self.master.ended(READY);
        }
    }
}

fn main_cf(
    root: &Path,
    domain: &str,
    address: Ipv4Addr,
    (next, port): (Ipv4Addr, u16),
    tls: Tls,
    (user, group): (u32, u32),
) -> String {
    let root = root.display();
    let level = match tls {
        Tls::Never => "none",
        Tls::Always => "encrypt",
    };
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {root}/spool\ndata_directory = {root}/data\n\
         maillog_file = {root}/maillog\nmaillog_file_prefixes = {root}\n\
         myhostname = mail.{domain}\nmyorigin = {domain}\nmydestination =\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nsmtp_bind_address = {address}\n\
         mynetworks = {address}/32 127.0.0.1/32\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n\
         local_transport = error:there are no local users\nlocal_recipient_maps =\nalias_maps =\nalias_database =\n\
         virtual_mailbox_domains = {domain}\nvirtual_mailbox_base = {root}/mail\n\
         virtual_mailbox_maps = texthash:{root}/etc/users\nvirtual_minimum_uid = 1\n\
         virtual_uid_maps = static:{user}\nvirtual_gid_maps = static:{group}\n\
         virtual_mailbox_limit = 0\nmailbox_size_limit = 0\nmessage_size_limit = 60000000\n\
         default_transport = smtp:[{next}]:{port}\nrelay_transport = smtp:[{next}]:{port}\n\
         smtp_tls_security_level = {level}\nsmtpd_tls_security_level = {level}\n\
         smtpd_tls_cert_file = {root}/etc/tls.crt\nsmtpd_tls_key_file = {root}/etc/tls.key\n\
         smtp_tls_loglevel = 1\nsmtpd_tls_loglevel = 1\n\
         biff = no\nminimal_backoff_time = 2s\nmaximal_backoff_time = 2s\nqueue_run_delay = 2s\n"
    )
}

/// The services, none in a chroot.
fn master_cf(address: Ipv4Addr) -> String {
    format!(
        "{address}:{PORT} inet n - n - - smtpd\n\
         pickup unix n - n 1 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n\
         verify unix - - n - 1 verify\nflush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\n\
         smtp unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n\
         discard unix - - n - - discard\nvirtual unix - n n - - virtual\nanvil unix - - n - 1 anvil\n\
         scache unix - - n - 1 scache\nshowq unix n - n - - showq\npostlog unix-dgram n - n - 1 postlogd\n"
    )
}

fn certificate(root: &Path, domain: &str) {
    Program::new("openssl")
        .words([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
        ])
        .words(["-subj", &format!("/CN=mail.{domain}")])
        .words(["-addext", &format!("subjectAltName=DNS:mail.{domain}")])
        .words(["-addext", "basicConstraints=critical,CA:FALSE"])
        .word("-keyout")
        .word(root.join("etc/tls.key"))
        .word("-out")
        .word(root.join("etc/tls.crt"))
        .succeeds();
}

/// The ids of a user of the system.
fn user(name: &str) -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name))
        .unwrap_or_else(|| {
            panic!("there is no user {name}; ./test installs what the stories need")
        });
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}
