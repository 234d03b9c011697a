//! Kakitome: a site made with its own command line, its accounts imported on an order.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use super::{DOMAIN, Ports, REMOTE, Server, address, output};
use crate::Outcome;

/// SSHA512 of [`super::PASSWORD`].
const HASH: &str = "{SSHA512}63iDPozSl3i9tTPeb1Piq0itlstc0xD5RK+Uw2kt4KObqAAv7k762jvT+v+hQ7lz0Si7T9SJQtRliMtg/ImrhWtha2l0b21l";

/// Cheap to check, as the peers' are: what a password costs is policy, and not what any load is about. It also keeps the
/// memory of Argon2id out of the figures of idle connections.
const PASSWORDS: &str = "proof_lifetime = \"12h\"\nargon2_memory = \"64KiB\"\nargon2_passes = 1\n";

/// Limits that protect a site from one address: here every client has the same address.
const LIMITS: &str = "\
transactions = 100000000
commands = 1000000000
smtp_connections = 2000
smtp_connections_per_address = 2000
submission_connections = 2000
submission_connections_per_address = 2000
retrieval_connections = 20000
retrieval_connections_per_address = 20000
";

/// A load submits more than people do.
const UNLIMITED: &str = "\
messages_per_hour = 0
messages_per_day = 0
recipients_per_hour = 0
recipients_per_day = 0
";

/// What is needed to make a site and to command it.
pub(crate) struct Kakitome {
    pub(crate) binary: PathBuf,
    pub(crate) site: PathBuf,
    pub(crate) port_base: u16,
    /// Where mail for other domains goes.
    pub(crate) sink: u16,
    /// What it looks at in mail from outside.
    pub(crate) screening: Screening,
}

/// What a site looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screening {
    /// Nothing, as the peers.
    Off,
    /// SPF, DKIM, DMARC, ARC and the client's name, asked of a name server on this machine (unbound); what is remembered of senders, and some
    /// rules and patterns.
    On,
    /// The same, and what is attached.
    WithAttachments,
    /// The same, and rules of YARA are held against all of it.
    WithRules,
}

impl Screening {
    pub(crate) const ALL: [Self; 4] = [Self::Off, Self::On, Self::WithAttachments, Self::WithRules];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Off => "kakitome",
            Self::On => "screened",
            Self::WithAttachments => "and inspected",
            Self::WithRules => "and matched",
        }
    }

    /// `[screening]` and `[screening.malware]`.
    fn settings(self) -> (&'static str, &'static str) {
        match self {
            // The peers look at no sender either, and the senders are in no DNS.
            Self::Off => ("enabled = false\n", "inspect = false\n"),
            Self::On => (RULES, "inspect = false\n"),
            Self::WithAttachments | Self::WithRules => (RULES, "inspect = true\n"),
        }
    }
}

/// None of them holds for the mail of the load.
const RULES: &str = "enabled = true
pattern = [{ name = \"bill\", in = \"subject\", texts = [\"未払い請求\"] }, \
{ name = \"number\", in = \"text\", expressions = [\"invoice +[0-9]{6}\", \"wire +transfer\"] }]
rule = [{ name = \"bills\", pattern = [\"bill\", \"number\"], then = \"quarantine\" }, \
{ name = \"bad\", sender = [\"bad.test\"], then = \"refuse\" }]
";

/// Rules of YARA in a set as a site keeps it; none holds for the mail of the load.
const MATCHED: usize = 200;

/// The name server of a site that screens: what it does not know does not exist.
const NAMES: &str = "server:
  interface: 127.0.0.1
  do-daemonize: no
  use-syslog: no
  logfile: \"\"
  pidfile: \"\"
  chroot: \"\"
  username: \"\"
  module-config: \"iterator\"
  num-threads: 1
  local-zone: \".\" static
  local-data: 'sender.test. 300 IN TXT \"v=spf1 ip4:127.0.0.1 -all\"'
  local-data: '_dmarc.sender.test. 300 IN TXT \"v=DMARC1; p=reject\"'
  local-data: 'client.bench.test. 300 IN TXT \"v=spf1 ip4:127.0.0.1 -all\"'
  local-data: '1.0.0.127.in-addr.arpa. 300 IN PTR client.bench.test.'
  local-data: 'client.bench.test. 300 IN A 127.0.0.1'
remote-control:
  control-enable: no
";

impl Kakitome {
    /// `init`, and the settings of a benchmark.
    pub(crate) fn make(&self) -> Outcome<Server> {
        let site = self.site.display().to_string();
        let base = self.port_base.to_string();
        let words = [
            "init",
            &site,
            "--domain",
            DOMAIN,
            "--listen",
            "127.0.0.1",
            "--port-base",
            &base,
        ];
        self.run(&words)?;
        self.settings()?;
        let version = self.run(&["--version"])?;
        let ports = Ports::at(self.port_base);
        let mut server = Server::new(self.screening.name(), ports, &self.site, version);
        server.program(&[&self.binary.display().to_string(), "serve", &site]);
        if self.screening != Screening::Off {
            let file = self.site.with_extension("unbound.conf");
            let port = format!("  port: {}\nremote-control:", self.names());
            fs::write(&file, NAMES.replace("remote-control:", &port))?;
            let file = file.display().to_string();
            server.program(&["/usr/sbin/unbound", "-d", "-c", &file]);
        }
        Ok(server)
    }

    /// The port of its name server.
    fn names(&self) -> u16 {
        self.port_base + 53
    }

    fn settings(&self) -> Outcome<()> {
        let file = self.site.join("kakitome.toml");
        let mut text = fs::read_to_string(&file)?;
        put(&mut text, "limits", LIMITS)?;
        put(&mut text, "submission.limits", UNLIMITED)?;
        put(&mut text, "submission.jump", "enabled = false\n")?;
        let (screening, malware) = self.screening.settings();
        put(&mut text, "screening", screening)?;
        put(&mut text, "screening.malware", malware)?;
        if self.screening == Screening::WithRules {
            put(&mut text, "screening.malware.yara", "rules = [\"rules\"]\n")?;
            fs::create_dir(self.site.join("rules"))?;
            fs::write(self.site.join("rules/bench.yar"), yara_rules())?;
        }
        if self.screening != Screening::Off {
            let servers = format!("servers = [\"127.0.0.1:{}\"]\n", self.names());
            put(&mut text, "dns", &servers)?;
        }
        put(
            &mut text,
            "retrieval",
            "plaintext_networks = [\"127.0.0.0/8\"]\nsessions_per_identifier = 20000\n",
        )?;
        text = text.replace(
            "unauthenticated_networks = []",
            "unauthenticated_networks = [\"127.0.0.1/32\"]",
        );
        put(&mut text, "directory", PASSWORDS)?;
        put(
            &mut text,
            "delivery",
            "concurrency = 100\nconcurrency_per_destination = 50\n",
        )?;
        write!(
            text,
            "\n[delivery.route]\n\"{REMOTE}\" = {{ host = \"[127.0.0.1]\", port = {}, tls = \"none\" }}\n",
            self.sink
        )?;
        fs::write(&file, text)?;
        Ok(())
    }

    /// Makes the accounts `from..to` in the running site.
    pub(crate) fn import(&self, from: usize, to: usize) -> Outcome<()> {
        let mut text = String::from("address,name,password_hash,quota\n");
        for number in from..to {
            writeln!(text, "{},Person {number},{HASH},", address(number))?;
        }
        let file = self.site.with_extension(format!("{from}.csv"));
        fs::write(&file, text)?;
        let file = file.display().to_string();
        let said = self.command(&["order", "import", &file])?;
        let order: serde_json::Value = serde_json::from_str(&said)?;
        let number = order
            .get("number")
            .map(ToString::to_string)
            .ok_or("the order has no number")?;
        self.command(&["order", "approve", &number])?;
        self.command(&["account", "import", &file, "--order", &number])?;
        Ok(())
    }

    /// Gives a command to the running site.
    pub(crate) fn command(&self, words: &[&str]) -> Outcome<String> {
        let site = self.site.display().to_string();
        let mut all = vec!["-C", &site, "--json"];
        all.extend(words);
        self.run(&all)
    }

    fn run(&self, words: &[&str]) -> Outcome<String> {
        output(&self.binary.display().to_string(), words)
    }

    /// Certificate and key, which the peers use too: handshakes then cost all the same.
    pub(crate) fn certificate(site: &Path) -> (PathBuf, PathBuf) {
        (site.join("keys/tls.crt"), site.join("keys/tls.key"))
    }
}

fn yara_rules() -> String {
    let rule = |number: usize| {
        format!(
            "rule r{number} {{ strings: $a = \"dropper {number:04}\" $b = {{ 4D 5A ?? {:02X} {:02X} [4-16] 50 45 }} \
             $c = /evil{number}\\.(exe|scr)/ nocase condition: any of them }}\n",
            number / 256,
            number % 256
        )
    };
    (0..MATCHED).map(rule).collect()
}

/// Puts `lines` at the head of a section, in place of what the file says there.
fn put(text: &mut String, section: &str, lines: &str) -> Outcome<()> {
    let header = format!("\n[{section}]\n");
    let at = text
        .find(&header)
        .ok_or_else(|| format!("kakitome.toml has no [{section}]"))?;
    text.insert_str(at + header.len(), lines);
    Ok(())
}
