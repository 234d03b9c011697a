//! A zone that is signed (DNSSEC), and a real name server, unbound, that has it and validates.

use std::{fmt::Write as _, fs, net::Ipv4Addr, process::Command, time::Duration};

use tempfile::TempDir;

use super::{Process, Program, loopback, place, unbound, until};

const READY: Duration = Duration::from_secs(20);

/// What the zone `example.` says.
#[derive(Default)]
pub(crate) struct Zone {
    signed: String,
    open: String,
    forged: Vec<(String, String)>,
}

impl Zone {
    /// A record, such as `mx.town.example. 60 IN A 127.0.0.1`.
    pub(crate) fn record(mut self, line: &str) -> Self {
        writeln!(self.signed, "{line}").unwrap();
        self
    }

    /// A domain with one exchanger, whose name is `mx.<domain>`.
    pub(crate) fn exchanger(self, domain: &str, address: Ipv4Addr) -> Self {
        self.record(&format!("{domain}. 60 IN MX 10 mx.{domain}."))
            .record(&format!("mx.{domain}. 60 IN A {address}"))
    }

    /// What its TLSA record for `port` says.
    pub(crate) fn tlsa(self, host: &str, port: u16, says: &str) -> Self {
        self.record(&format!("_{port}._tcp.{host}. 60 IN TLSA {says}"))
    }

    /// A record of the zone `open.example.`, which is not signed.
    pub(crate) fn open(mut self, line: &str) -> Self {
        writeln!(self.open, "{line}").unwrap();
        self
    }

    /// Once all is signed, `before` becomes `after`, so that the signature is a lie.
    pub(crate) fn forged(mut self, before: &str, after: &str) -> Self {
        self.forged.push((before.to_owned(), after.to_owned()));
        self
    }
}

/// Has the zone, and validates what it says, until it is dropped.
pub(crate) struct Validating {
    // First, so that it ends before its directory goes.
    _process: Process,
    address: Ipv4Addr,
    _place: TempDir,
}

impl Validating {
    /// Signs the zone with keys of the moment, and starts the name server at an address of its own.
    #[track_caller]
    pub(crate) fn start(zone: &Zone) -> Self {
        Self::start_at(zone, unbound::PORT)
    }

    /// The same at a port.
    #[track_caller]
    pub(crate) fn start_at(zone: &Zone, port: u16) -> Self {
        let (place, address) = (place(), loopback());
        let root = place.path();
        let soa = |name: &str| {
            format!(
                "{name} 60 IN SOA ns.example. host.example. 1 3600 600 86400 60\n{name} 60 IN NS ns.example.\n"
            )
        };
        let head =
            soa("example.") + "ns.example. 60 IN A 127.0.0.1\nopen.example. 60 IN NS ns.example.\n";
        fs::write(root.join("zone"), head + &zone.signed).unwrap();
        fs::write(root.join("open"), soa("open.example.") + &zone.open).unwrap();
        let key = Program::new("/usr/bin/ldns-keygen")
            .words(["-a", "ECDSAP256SHA256", "-k", "example"])
            .within(root)
            .succeeds();
        Program::new("/usr/bin/ldns-signzone")
            .words(["-f", "signed", "zone", key.trim()])
            .within(root)
            .succeeds();
        let signed = fs::read_to_string(root.join("signed")).unwrap();
        let told = zone.forged.iter().fold(signed, |text, (before, after)| {
            assert!(text.contains(before), "{before} is not in {text}");
            text.replace(before, after)
        });
        fs::write(root.join("signed"), told).unwrap();
        let settings = format!(
            "server:\n  interface: {address}\n  port: {port}\n  access-control: 127.0.0.0/8 allow\n  do-daemonize: no\n  \
             use-syslog: no\n  logfile: \"\"\n  pidfile: \"\"\n  chroot: \"\"\n  username: \"\"\n  directory: \"{0}\"\n  \
             module-config: \"validator iterator\"\n  num-threads: 1\n  trust-anchor-file: \"{0}/{key}.key\"\n  \
             val-log-level: 2\n  val-clean-additional: yes\n\
             auth-zone:\n  name: \"example.\"\n  zonefile: \"{0}/signed\"\n  for-downstream: no\n  for-upstream: yes\n  fallback-enabled: no\n\
             auth-zone:\n  name: \"open.example.\"\n  zonefile: \"{0}/open\"\n  for-downstream: no\n  for-upstream: yes\n  fallback-enabled: no\n\
             remote-control:\n  control-enable: no\n",
            root.display(),
            key = key.trim(),
        );
        let file = root.join("unbound.conf");
        fs::write(&file, settings).unwrap();
        Program::new("/usr/sbin/unbound-checkconf")
            .word(&file)
            .succeeds();
        let mut command = Command::new("/usr/sbin/unbound");
        command.arg("-d").arg("-c").arg(&file);
        let mut process = Process::start("unbound", &mut command, &root.join("log"));
        until("unbound answers", READY, || {
            assert!(process.is_running(), "unbound ended");
            unbound::answers(address, port, "example").then_some(())
        });
        Self {
            _process: process,
            address,
            _place: place,
        }
    }

    /// Where it is, as `[dns] servers` names it.
    pub(crate) fn at(&self) -> String {
        format!("{}:{}", self.address, unbound::PORT)
    }

    /// Its address.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }
}
