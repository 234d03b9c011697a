//! The audit trail is given to another system: rsyslog, over TLS, in JSON and in OCSF.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use support::{Process, Site, loopback, until};

const SOON: Duration = Duration::from_secs(60);
const PORT: u16 = 26514;

/// An rsyslog that writes what it is told into a file.
struct Collector {
    process: Process,
    file: PathBuf,
}

impl Collector {
    /// Starts it with the site's own certificate, which is its own root.
    fn start(site: &Site, address: Ipv4Addr) -> Self {
        let place = site.beside("rsyslog");
        fs::create_dir_all(&place).unwrap();
        let file = place.join("trail");
        let keys = site.path().join("keys");
        let (certificate, key) = (keys.join("tls.crt"), keys.join("tls.key"));
        let settings = place.join("rsyslog.conf");
        let text = format!(
            "global(workDirectory=\"{place}\" maxMessageSize=\"1m\" DefaultNetstreamDriver=\"gtls\"\n\
             \x20 DefaultNetstreamDriverCAFile=\"{certificate}\" DefaultNetstreamDriverCertFile=\"{certificate}\"\n\
             \x20 DefaultNetstreamDriverKeyFile=\"{key}\")\n\
             module(load=\"imtcp\" StreamDriver.Name=\"gtls\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\")\n\
             input(type=\"imtcp\" address=\"{address}\" port=\"{PORT}\")\n\
             template(name=\"whole\" type=\"string\" string=\"%pri% %hostname% %app-name% %msgid% %msg%\\n\")\n\
             action(type=\"omfile\" file=\"{file}\" template=\"whole\" fileCreateMode=\"0600\")\n",
            place = place.display(),
            certificate = certificate.display(),
            key = key.display(),
            file = file.display(),
        );
        fs::write(&settings, text).unwrap();
        let mut command = Command::new("rsyslogd");
        command.arg("-n").arg("-f").arg(&settings);
        command.arg("-i").arg(place.join("pid"));
        let process = Process::start("rsyslogd", &mut command, &place.join("log"));
        until("rsyslogd to listen", SOON, || {
            std::net::TcpStream::connect((address, PORT)).ok()
        });
        Self { process, file }
    }

    /// What it was told: priority, host, program and kind before the event.
    fn told(&self) -> Vec<(String, Value)> {
        told(&self.file)
    }
}

fn told(file: &Path) -> Vec<(String, Value)> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let parse = |line: &str| {
        let (head, event) = line.split_once('{')?;
        let event = serde_json::from_str(&format!("{{{event}")).ok()?;
        Some((head.trim().to_owned(), event))
    };
    whole.lines().filter_map(parse).collect()
}

fn destination(address: Ipv4Addr, format: &str) -> String {
    format!(
        "\n[[audit.forward]]\nname = \"siem\"\nhost = \"{address}\"\nport = {PORT}\nformat = \"{format}\"\n\
         ca_file = \"keys/tls.crt\"\ncertificate_name = \"mail.city.example\"\nfrom_beginning = true\n"
    )
}

/// Waits until all events of the trail so far have come, and gives the ids that came.
fn all_come(site: &Site, told: impl Fn() -> Vec<i64>) -> Vec<i64> {
    let trail: BTreeSet<i64> = site
        .events(&[])
        .iter()
        .map(|event| event["id"].as_i64().unwrap())
        .collect();
    until("all events at the collector", SOON, || {
        let come = told();
        let set: BTreeSet<i64> = come.iter().copied().collect();
        trail.is_subset(&set).then_some(come)
    })
}

#[test]
fn every_event_reaches_the_collector_also_when_it_was_away() {
    let address = loopback();
    let mut site = Site::new("city.example");
    site.write_settings(&(site.settings() + &destination(address, "json")));
    site.serve();
    // Nobody listens yet: the trail waits, and `status` says so.
    let tanaka = site.person("tanaka");
    let attention = until("status to tell", SOON, || {
        let attention = site.give(&["status"])[0]["attention"].to_string();
        attention
            .contains("has not reached siem")
            .then_some(attention)
    });
    assert!(attention.contains("refused"), "{attention}");
    let mut collector = Collector::start(&site, address);
    let file = collector.file.clone();
    let ids = || -> Vec<i64> {
        let all = told(&file);
        all.iter()
            .map(|(_, event)| event["id"].as_i64().unwrap())
            .collect()
    };
    let come = all_come(&site, ids);
    assert!(come.is_sorted_by(|a, b| a < b), "in order, each once");
    let issued = collector.told();
    let issued = issued
        .iter()
        .find(|(_, event)| event["kind"] == "account.issued");
    let (head, event) = issued.unwrap();
    assert_eq!(head, "110 mail.city.example kakitome account.issued");
    assert_eq!(event["subject"], tanaka.address.as_str());
    until("status to be content", SOON, || {
        let attention = site.give(&["status"])[0]["attention"].to_string();
        (!attention.contains("siem")).then_some(())
    });

    // It goes away and comes back: nothing is missing. What was on its way may come twice.
    collector.process.kill_hard();
    site.give(&[
        "account",
        "suspend",
        &tanaka.address,
        "--reason",
        "meanwhile",
    ]);
    let _collector = Collector::start(&site, address);
    all_come(&site, ids);

    // So does the site.
    site.stop();
    site.serve();
    site.give(&["account", "show", &tanaka.address]);
    all_come(&site, ids);
    assert!(!site.events(&["--kind", "audit.forwarded"]).is_empty());
}

#[test]
fn a_collector_of_ocsf_and_one_whose_certificate_is_another() {
    let address = loopback();
    let mut site = Site::new("city.example");
    site.write_settings(&(site.settings() + &destination(address, "ocsf")));
    let collector = Collector::start(&site, address);
    site.serve();
    let tanaka = site.person("tanaka");
    site.imap(&tanaka);
    let login = until("the login at the collector", SOON, || {
        let told = collector.told();
        let found = told
            .into_iter()
            .find(|(_, event)| event["class_uid"] == 3002);
        found.map(|(_, event)| event)
    });
    assert_eq!(login["user"]["name"], tanaka.address.as_str(), "{login}");
    assert_eq!(login["type_uid"], 300_201);
    assert_eq!(login["src_endpoint"]["ip"], "127.0.0.1");
    assert_eq!(login["metadata"]["event_code"], "authentication.succeeded");

    site.stop();
    let wrong = site
        .settings()
        .replace("mail.city.example\"\nfrom", "log.other.example\"\nfrom");
    site.write_settings(&wrong);
    site.serve();
    until("status to tell of the certificate", SOON, || {
        let attention = site.give(&["status"])[0]["attention"].to_string();
        attention
            .to_lowercase()
            .contains("certificate")
            .then_some(())
    });
    let bad = site.settings().replace("name = \"siem\"", "name = \"a b\"");
    site.write_settings(&bad);
    site.stop();
    let told = site.command(&["status"]);
    assert!(!told.status.success());
}
