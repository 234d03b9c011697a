//! The certificate comes from an authority (ACME, RFC 8555), and is renewed while the server runs: by Debian's pebble.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use support::{Process, Program, Site, loopback, site, until};

const SOON: Duration = Duration::from_secs(120);
const DIRECTORY_PORT: u16 = 14_000;
const MANAGEMENT_PORT: u16 = 15_000;
/// Where pebble asks back.
const HTTP_PORT: u16 = 20_080;
/// Where it asks back within TLS.
const TLS_PORT: u16 = 21_443;
/// Seconds that its certificates last.
const LIFE: u64 = 60;

/// An authority of the story's own, and the names that it knows.
struct Authority {
    pebble: Process,
    _names: Process,
    address: Ipv4Addr,
    place: PathBuf,
    root: PathBuf,
}

impl Authority {
    /// Starts it; all names are at `at`.
    fn start(site: &Site, at: Ipv4Addr) -> Self {
        Self::start_with(site, at, TLS_PORT)
    }

    /// The same, with the port at which it asks within TLS.
    fn start_with(site: &Site, at: Ipv4Addr, tls_port: u16) -> Self {
        let address = loopback();
        let place = site.beside("authority");
        fs::create_dir(&place).unwrap();
        let (root, key) = (place.join("cert.pem"), place.join("key.pem"));
        Program::new("openssl")
            .words([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .words(["-subj", "/CN=authority", "-addext"])
            .word(format!("subjectAltName=IP:{address}"))
            .words(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .word(&key)
            .word("-out")
            .word(&root)
            .succeeds();
        let settings = json!({"pebble": {
            "listenAddress": format!("{address}:{DIRECTORY_PORT}"),
            "managementListenAddress": format!("{address}:{MANAGEMENT_PORT}"),
            "certificate": root,
            "privateKey": key,
            "httpPort": HTTP_PORT,
            "tlsPort": tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": LIFE,
        }});
        let file = place.join("pebble.json");
        fs::write(&file, settings.to_string()).unwrap();
        let mut command = Command::new("/usr/bin/pebble-challtestsrv");
        command
            .args([
                "-dns01",
                &format!("{address}:8053"),
                "-http01",
                "",
                "-https01",
                "",
                "-tlsalpn01",
                "",
            ])
            .args(["-defaultIPv6", "", "-defaultIPv4", &at.to_string()])
            .args(["-management", &format!("{address}:8055")]);
        let names = Process::start("challtestsrv", &mut command, &place.join("names.log"));
        Self {
            pebble: pebble(&place, address),
            _names: names,
            address,
            place,
            root,
        }
    }

    /// `kill -9`, in the middle of whatever it does.
    fn kill_hard(&mut self) {
        self.pebble.kill_hard();
    }

    /// It comes back, and has forgotten all that it knew: accounts, orders, and its own root.
    fn restart(&mut self) {
        self.pebble = pebble(&self.place, self.address);
    }

    /// `[tls] acme`
    fn setting(&self) -> String {
        self.setting_by(&format!("http_port = {HTTP_PORT}"))
    }

    /// The same, with how names are proven.
    fn setting_by(&self, way: &str) -> String {
        format!(
            "acme = {{ directory = \"https://{}:{DIRECTORY_PORT}/dir\", terms_agreed = true, {way}, \
             contact = [\"mailto:postmaster@city.example\"], ca_file = \"{}\" }}",
            self.address,
            self.root.display()
        )
    }

    /// The root that its certificates come from.
    fn issuer(&self, site: &Site) -> PathBuf {
        let url = format!("https://{}:{MANAGEMENT_PORT}/roots/0", self.address);
        let pem = Program::new("curl")
            .words(["-s", "-S", "--fail", "-k", &url])
            .succeeds();
        let file = site.beside("issuer.pem");
        fs::write(&file, pem).unwrap();
        file
    }
}

fn pebble(place: &Path, address: Ipv4Addr) -> Process {
    let mut command = Command::new("/usr/bin/pebble");
    command
        .arg("-config")
        .arg(place.join("pebble.json"))
        .args(["-dnsserver", &format!("{address}:8053")])
        .env("PEBBLE_VA_NOSLEEP", "1");
    let pebble = Process::start("pebble", &mut command, &place.join("pebble.log"));
    until("the authority answers", SOON, || {
        std::net::TcpStream::connect((address, DIRECTORY_PORT)).ok()
    });
    pebble
}

/// What openssl sees at the port for IMAP: the certificate's serial number, and whether all is well with it.
fn shown(site: &Site, issuer: &Path) -> (String, bool) {
    let script = "openssl s_client -connect \"$0\" -servername \"$1\" -verify_hostname \"$1\" -CAfile \"$2\" \
                  </dev/null 2>/dev/null | tee /dev/stderr | openssl x509 -noout -serial";
    let ran = Program::new("sh")
        .words(["-c", script])
        .word(format!("{}:{}", site.address, site::IMAPS))
        .word(site.hostname())
        .word(issuer)
        .run();
    let told = String::from_utf8_lossy(&ran.output.stderr);
    let serial = String::from_utf8_lossy(&ran.output.stdout)
        .trim()
        .to_owned();
    (serial, told.contains("Verify return code: 0 (ok)"))
}

fn obtained(site: &Site) -> Vec<Value> {
    site.events(&["--kind", "certificate.obtained"])
}

#[test]
fn a_certificate_comes_and_is_renewed_while_the_server_runs() {
    let mut site = Site::new("city.example");
    let authority = Authority::start(&site, site.address);
    site.set("tls", &authority.setting());
    let key = fs::read(site.path().join("keys/tls.key")).unwrap();
    site.serve();
    let first = until("a certificate", SOON, || obtained(&site).pop());
    assert_eq!(first["subject"], "mail.city.example", "{first}");
    let issuer = authority.issuer(&site);
    let (serial, well) = shown(&site, &issuer);
    assert!(well, "{serial}");
    // Sessions that begin later have the next, with the same key, and nothing was started anew.
    until("the next certificate", SOON, || {
        (obtained(&site).len() > 1).then_some(())
    });
    let (next, well) = shown(&site, &issuer);
    assert!(well, "{next}");
    assert_ne!(next, serial);
    assert_eq!(fs::read(site.path().join("keys/tls.key")).unwrap(), key);
    assert_eq!(site.events(&["--kind", "server.started"]).len(), 1);
    // One account, over a restart too.
    let count = obtained(&site).len();
    site.stop();
    site.serve();
    until("a certificate after the restart", SOON, || {
        (obtained(&site).len() > count).then_some(())
    });
    assert_eq!(
        site.events(&["--kind", "certificate.account-made"]).len(),
        1
    );
}

#[test]
fn names_are_proven_within_tls_on_a_port_of_its_own_and_where_the_pages_are() {
    for port in [TLS_PORT, site::HTTPS] {
        let mut site = Site::new("city.example");
        let authority = Authority::start_with(&site, site.address, port);
        let way = format!("challenge = \"tls-alpn-01\", tls_port = {port}");
        site.set("tls", &authority.setting_by(&way));
        site.serve();
        until("a certificate", SOON, || obtained(&site).pop());
        let issuer = authority.issuer(&site);
        let (serial, well) = shown(&site, &issuer);
        assert!(well, "{serial}");
        // The port is listened at no longer than the order takes; the pages are there as before, with the new certificate.
        let open = || std::net::TcpStream::connect((site.address, port)).is_ok();
        until("the proof's port is as it was", SOON, || {
            (open() == (port == site::HTTPS)).then_some(())
        });
        if port == site::HTTPS {
            let page = Program::new("curl")
                .words(["-s", "-S", "--cacert"])
                .word(&issuer);
            let at = format!("{}:{port}:{}", site.hostname(), site.address);
            let url = format!("https://{}:{port}/", site.hostname());
            page.words([
                "--resolve",
                &at,
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                &url,
            ])
            .succeeds();
        }
        assert!(site.events(&["--kind", "certificate.failed"]).is_empty());
    }
}

#[test]
fn a_proof_that_fails_is_told_and_the_old_certificate_stays() {
    let mut site = Site::new("city.example");
    // The authority asks at an address where nobody is.
    let authority = Authority::start(&site, loopback());
    site.set("tls", &authority.setting());
    let before = fs::read(site.certificate()).unwrap();
    site.serve();
    let failed = until("a failure", SOON, || {
        site.events(&["--kind", "certificate.failed"]).pop()
    });
    assert_eq!(failed["result"], "failure", "{failed}");
    assert!(
        failed["detail"]["reason"]
            .to_string()
            .contains("mail.city.example"),
        "{failed}"
    );
    assert_eq!(fs::read(site.certificate()).unwrap(), before);
    assert!(obtained(&site).is_empty());
}

#[test]
fn an_authority_that_dies_within_an_order_costs_nothing_and_one_that_forgets_is_met_anew() {
    let mut site = Site::new("city.example");
    let mut authority = Authority::start(&site, site.address);
    site.set("tls", &authority.setting());
    site.serve();
    until("a certificate", SOON, || obtained(&site).pop());
    let (serial, well) = shown(&site, &authority.issuer(&site));
    assert!(well, "{serial}");
    // Asleep, it takes the next order and says nothing; then it is killed.
    authority.pebble.signal(Signal::STOP);
    let waits = format!("{}:{DIRECTORY_PORT}", authority.address);
    until("the next order waits for an answer", SOON, || {
        let open = Program::new("ss").words(["-Htn", "state", "established", "dst", &waits]);
        (!open.succeeds().trim().is_empty()).then_some(())
    });
    authority.kill_hard();
    let failed = until("the failure is told", SOON, || {
        site.events(&["--kind", "certificate.failed"]).pop()
    });
    assert_eq!(failed["result"], "failure", "{failed}");
    // What was there is there, and mail goes on.
    site.smtp().expect("NOOP", 250);
    authority.restart();
    let before = obtained(&site).len();
    site.stop();
    site.serve();
    until("a certificate from who knows nobody", SOON, || {
        (obtained(&site).len() > before).then_some(())
    });
    let (next, well) = shown(&site, &authority.issuer(&site));
    assert!(well, "{next}");
    assert_ne!(next, serial);
    let made = site.events(&["--kind", "certificate.account-made"]);
    assert_eq!(made.len(), 2, "{made:?}");
}
