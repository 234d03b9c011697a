//! Programs of others that judge mail: the real ones of Debian, with settings of a story's own.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Process, Program, place, until};

/// rspamd compiles its rules first.
const READY: Duration = Duration::from_secs(120);

/// A program that listens at a socket of its own.
pub(crate) struct Engine {
    // First, so that it ends before its directory goes.
    process: Option<Process>,
    place: TempDir,
    address: String,
    start: fn(&Path) -> Command,
}

impl Engine {
    /// opendkim, which signs submissions of `city.example` and verifies other mail, with the key's record in a file of its own.
    #[track_caller]
    pub(crate) fn opendkim() -> Self {
        let place = place();
        let directory = place.path();
        Program::new("opendkim-genkey")
            .words(["-b", "2048", "-d", "city.example", "-s", "story", "-D"])
            .word(directory.to_str().unwrap())
            .succeeds();
        let settings = format!(
            "Syslog no\nMode sv\nDomain city.example\nSelector story\nKeyFile {0}/story.private\nSocket local:{0}/milter.sock\n\
             UMask 000\nCanonicalization relaxed/relaxed\nInternalHosts 192.0.2.1\nBackground no\nRequireSafeKeys no\n\
             TestPublicKeys {0}/keys\nAuthservID mail.city.example\n",
            directory.display()
        );
        fs::write(directory.join("opendkim.conf"), settings).unwrap();
        let zone = fs::read_to_string(directory.join("story.txt")).unwrap();
        // Strings in quotes, which belong together.
        let record: Vec<&str> = zone.split('"').skip(1).step_by(2).collect();
        let record = format!("story._domainkey.city.example {}\n", record.concat());
        fs::write(directory.join("keys"), record).unwrap();
        let address = format!("unix:{}/milter.sock", directory.display());
        let mut engine = Self {
            process: None,
            address,
            place,
            start: |directory| {
                let mut command = Command::new("/usr/sbin/opendkim");
                command
                    .arg("-f")
                    .arg("-x")
                    .arg(directory.join("opendkim.conf"));
                command
            },
        };
        engine.restart();
        engine
    }

    /// clamav-milter before the clamd at `clamd` (`unix:` and a path), which refuses what that finds.
    #[track_caller]
    pub(crate) fn clamav_milter(clamd: &str) -> Self {
        let place = place();
        let directory = place.path();
        let settings = format!(
            "MilterSocket {0}/milter.sock\nForeground yes\nClamdSocket {1}\nOnInfected Reject\nRejectMsg infected with %v\n\
             AddHeader Replace\nReportHostname mail.city.example\nTemporaryDirectory {0}\n",
            directory.display(),
            clamd
        );
        fs::write(directory.join("milter.conf"), settings).unwrap();
        let address = format!("unix:{}/milter.sock", directory.display());
        let mut engine = Self {
            process: None,
            address,
            place,
            start: |directory| {
                let mut command = Command::new("/usr/sbin/clamav-milter");
                command.arg("-c").arg(directory.join("milter.conf"));
                command
            },
        };
        engine.restart();
        engine
    }

    /// rspamd's normal worker, which asks nobody else: it knows GTUBE, and the rules that it has by itself.
    #[track_caller]
    pub(crate) fn rspamd() -> Self {
        let place = place();
        let directory = place.path();
        let port = free_port();
        fs::create_dir(directory.join("db")).unwrap();
        // All of them take a minute to compile.
        fs::write(directory.join("tlds"), "com\nexample\njp\n").unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        let settings = format!(
            ".include \"$CONFDIR/common.conf\"\n\
             options {{\n  pidfile = \"{0}/rspamd.pid\";\n  url_tld = \"{0}/tlds\";\n  filters = \"chartable,dkim,regexp\";\n  local_addrs = [];\n  \
             dns {{ nameserver = [\"127.0.0.1:1:1\"]; timeout = 0.1s; retransmits = 1; }}\n}}\n\
             logging {{ type = \"console\"; level = \"info\"; }}\n\
             worker \"normal\" {{ bind_socket = \"127.0.0.1:{port}\"; count = 1; }}\n",
            directory.display()
        );
        fs::write(directory.join("rspamd.conf"), settings).unwrap();
        let mut engine = Self {
            process: None,
            address: format!("127.0.0.1:{port}"),
            place,
            start: |directory| {
                let mut command = Command::new("/usr/bin/rspamd");
                command
                    .args(["-f", "-i", "-c"])
                    .arg(directory.join("rspamd.conf"))
                    .args(["--var", &format!("DBDIR={}/db", directory.display())])
                    .args(["--var", &format!("RUNDIR={}", directory.display())]);
                command
            },
        };
        engine.restart();
        engine
    }

    /// Starts it again, until it takes connections.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        let directory = self.place.path();
        let mut command = (self.start)(directory);
        let log = directory.join("printed");
        let mut process = Process::start("an engine", &mut command, &log);
        let address = self.address.clone();
        until("the engine answers", READY, || {
            assert!(process.is_running(), "it ended: {}", process.printed());
            answers(&address).then_some(())
        });
        self.process = Some(process);
    }

    /// As the settings name it.
    pub(crate) fn at(&self) -> &str {
        &self.address
    }

    /// A file of its directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// To it and to its workers.
    pub(crate) fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().unwrap();
        let workers = workers(process);
        process.signal(signal);
        for worker in workers {
            kill_process(worker, signal).unwrap();
        }
    }

    /// `kill -9`, of its workers too, which it can not make anew then.
    pub(crate) fn kill_hard(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        let workers = workers(&process);
        process.kill_hard();
        for worker in workers {
            // It may have ended with its parent.
            // It may have ended by itself.
            if let Err(error) = kill_process(worker, Signal::KILL) {
                eprintln!("worker {worker:?}: {error}");
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill_hard();
    }
}

fn workers(process: &Process) -> Vec<Pid> {
    let pid = process.pid().as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let pids = children.split_whitespace();
    pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}

fn answers(address: &str) -> bool {
    match address.strip_prefix("unix:") {
        Some(path) => UnixStream::connect(path).is_ok(),
        None => TcpStream::connect(address).is_ok_and(|mut stream| {
            let asked = stream.write_all(b"GET /ping HTTP/1.0\r\n\r\n");
            let mut reply = Vec::new();
            asked.is_ok() && stream.read_to_end(&mut reply).is_ok_and(|count| count > 0)
        }),
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
