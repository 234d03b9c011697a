//! A real name server, unbound, for zones that a story writes.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use super::{Process, Program, loopback, place, until};

pub(crate) const PORT: u16 = 5300;
const READY: Duration = Duration::from_secs(20);
/// Octets of one string of a TXT record (RFC 1035, section 3.3).
const STRING: usize = 250;

/// Answers for `example.` until it is dropped.
pub(crate) struct Unbound {
    // First, so that it ends before its directory goes.
    process: Process,
    address: Ipv4Addr,
    _place: TempDir,
}

/// What the server is to know.
#[derive(Default)]
pub(crate) struct Zones {
    data: String,
}

impl Zones {
    /// A TXT record, in as many strings as it takes.
    pub(crate) fn txt(mut self, name: &str, text: &str) -> Self {
        let strings: Vec<String> = text
            .as_bytes()
            .chunks(STRING)
            .map(|chunk| format!("\"{}\"", String::from_utf8_lossy(chunk)))
            .collect();
        let record = format!("{name}. 60 IN TXT {}", strings.join(" "));
        self.data.push_str(&format!("  local-data: '{record}'\n"));
        self
    }

    /// An address.
    pub(crate) fn a(mut self, name: &str, address: &str) -> Self {
        let line = format!("  local-data: \"{name}. 60 IN A {address}\"\n");
        self.data.push_str(&line);
        self
    }

    /// A mail exchanger.
    pub(crate) fn mx(mut self, name: &str, host: &str) -> Self {
        let line = format!("  local-data: \"{name}. 60 IN MX 10 {host}.\"\n");
        self.data.push_str(&line);
        self
    }

    /// A zone that is answered for in another way: `always_deny` is silence, `always_refuse` REFUSED.
    pub(crate) fn zone(mut self, name: &str, kind: &str) -> Self {
        self.data
            .push_str(&format!("  local-zone: \"{name}.\" {kind}\n"));
        self
    }
}

impl Unbound {
    /// Starts it at an address of its own; what `zones` does not name does not exist.
    #[track_caller]
    pub(crate) fn start(zones: &Zones) -> Self {
        let (place, address) = (place(), loopback());
        let file = place.path().join("unbound.conf");
        let settings = format!(
            "server:\n  interface: {address}\n  port: {PORT}\n  access-control: 127.0.0.0/8 allow\n  \
             do-daemonize: no\n  use-syslog: no\n  logfile: \"\"\n  pidfile: \"\"\n  chroot: \"\"\n  username: \"\"\n  \
             directory: \"{}\"\n  module-config: \"iterator\"\n  num-threads: 1\n  local-zone: \".\" static\n{}\
             remote-control:\n  control-enable: no\n",
            place.path().display(),
            zones.data
        );
        fs::write(&file, settings).unwrap();
        let checked = Program::new("/usr/sbin/unbound-checkconf").word(&file);
        checked.succeeds();
        let mut command = Command::new("/usr/sbin/unbound");
        command.arg("-d").arg("-c").arg(&file);
        let log = place.path().join("log");
        let mut process = Process::start("unbound", &mut command, &log);
        until("unbound answers", READY, || {
            assert!(process.is_running(), "unbound ended");
            answers(address, PORT, "").then_some(())
        });
        Self {
            process,
            address,
            _place: place,
        }
    }

    /// Where it is, as `[dns] servers` names it.
    pub(crate) fn at(&self) -> String {
        format!("{}:{PORT}", self.address)
    }

    /// `kill -9`: nobody answers from then on.
    pub(crate) fn kill_hard(&mut self) {
        self.process.kill_hard();
    }
}

/// Whether a question about the root, or about one label below it, gets any answer.
pub(crate) fn answers(address: Ipv4Addr, port: u16, label: &str) -> bool {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut question = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    if !label.is_empty() {
        question.push(u8::try_from(label.len()).unwrap());
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    socket.send_to(&question, (address, port)).is_ok() && socket.recv(&mut [0; 512]).is_ok()
}
