//! A Kakitome site of a story's own: its directory, its loopback address, its people.

use std::{
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{Process, Program, imap, loopback, place, smtp, until};

/// Ports are this plus the standard port modulo 1000.
pub(crate) const PORT_BASE: u16 = 20_000;
pub(crate) const SMTP: u16 = PORT_BASE + 25;
pub(crate) const SUBMISSIONS: u16 = PORT_BASE + 465;
pub(crate) const SUBMISSION: u16 = PORT_BASE + 587;
pub(crate) const POP3: u16 = PORT_BASE + 110;
pub(crate) const POP3S: u16 = PORT_BASE + 995;
pub(crate) const IMAP: u16 = PORT_BASE + 143;
pub(crate) const IMAPS: u16 = PORT_BASE + 993;
pub(crate) const HTTPS: u16 = PORT_BASE + 443;

const NOT_SCREENED: &str = "enabled = false";

/// How long a server may take to be ready, or to end.
const SERVER_TIME: Duration = Duration::from_secs(40);

/// Somebody with an account.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) password: String,
}

/// The program under the umask that the systemd unit gives it.
fn as_packaged() -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_kakitome"));
    command
}

/// The name of the operating-system user that runs the stories, who is each site's first person.
pub(crate) fn me() -> String {
    Program::new("id").word("-un").succeeds().trim().to_owned()
}

/// A site. Dropping it ends its server and removes its directory.
pub(crate) struct Site {
    // First, so that the server ends before its directory goes.
    server: Option<Process>,
    pub(crate) domain: String,
    pub(crate) address: Ipv4Addr,
    directory: PathBuf,
    place: TempDir,
    roots: Option<PathBuf>,
    environment: Vec<(&'static str, String)>,
}

impl Site {
    /// `init`: a new installation for `domain`, with both roles.
    pub(crate) fn new(domain: &str) -> Self {
        Self::with_roles(domain, "exchange,mailbox")
    }

    /// `init --roles`
    pub(crate) fn with_roles(domain: &str, roles: &str) -> Self {
        let place = place();
        let directory = place.path().join("site");
        Self::at(place, directory, domain, roles)
    }

    /// `init` of `directory`, which need not lie in `place`.
    pub(crate) fn at(place: TempDir, directory: PathBuf, domain: &str, roles: &str) -> Self {
        let address = loopback();
        let output = as_packaged()
            .arg("init")
            .arg(&directory)
            .args(["--domain", domain, "--roles", roles])
            .args(["--listen", &address.to_string()])
            .args(["--port-base", &PORT_BASE.to_string()])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "init: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let site = Self {
            server: None,
            domain: domain.to_owned(),
            address,
            directory,
            place,
            roots: None,
            environment: Vec::new(),
        };
        // A story's domains are in no DNS, and each message would wait for it. Who has one says `screened`.
        site.set("screening", NOT_SCREENED);
        // It would be in the story's trail. Who wants it unsets it.
        site.set("probe", "daily = false");
        site.set("audit", "verify = false");
        site
    }

    /// Mail from outside is screened, by the name servers at `names`.
    pub(crate) fn screened(&self, names: &str) {
        self.unset(NOT_SCREENED);
        self.set("dns", &format!("servers = [\"{names}\"]"));
        self.set("dns", "time = \"1s\"");
    }

    /// `restore`: this site as a backup has it, in a directory of its own, at the same address.
    #[track_caller]
    pub(crate) fn restored(&self, backup: &std::path::Path, words: &[&str]) -> Self {
        let place = place();
        let site = Self {
            server: None,
            domain: self.domain.clone(),
            address: self.address,
            directory: place.path().join("site"),
            place,
            roots: None,
            environment: Vec::new(),
        };
        let mut all = vec!["restore", backup.to_str().unwrap()];
        all.extend(words);
        site.give(&all);
        site
    }

    /// A served site with both roles.
    pub(crate) fn served(domain: &str) -> Self {
        let mut site = Self::new(domain);
        site.serve();
        site
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.directory
    }

    /// Room for other files of the story.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn hostname(&self) -> String {
        format!("mail.{}", self.domain)
    }

    /// The certificate, which is its own root.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.join("keys/tls.crt")
    }

    /// When it is served from now on, the system's root certificates are those of the file.
    pub(crate) fn trusts(&mut self, roots: PathBuf) {
        self.roots = Some(roots);
    }

    /// When it is served from now on, its environment has this variable.
    pub(crate) fn with_variable(&mut self, name: &'static str, value: String) {
        self.environment.push((name, value));
    }

    /// The settings as they stand.
    pub(crate) fn settings(&self) -> String {
        std::fs::read_to_string(self.directory.join("kakitome.toml")).unwrap()
    }

    /// Replaces the settings.
    pub(crate) fn write_settings(&self, text: &str) {
        std::fs::write(self.directory.join("kakitome.toml"), text).unwrap();
    }

    /// Puts `line` into `[section]`.
    pub(crate) fn set(&self, section: &str, line: &str) {
        let text = self.settings();
        let header = format!("[{section}]");
        let changed = match text.find(&format!("\n{header}")) {
            Some(at) => {
                // A comment may stand behind it.
                let rest = &text[at + 1..];
                let after = at + 1 + rest.find('\n').map_or(rest.len(), |end| end + 1);
                format!("{}{line}\n{}", &text[..after], &text[after..])
            }
            None => format!("{text}\n{header}\n{line}\n"),
        };
        self.write_settings(&changed);
    }

    /// Removes the lines that begin with `key`.
    pub(crate) fn unset(&self, key: &str) {
        let kept: Vec<String> = self
            .settings()
            .lines()
            .filter(|line| !line.starts_with(key))
            .map(|line| format!("{line}\n"))
            .collect();
        self.write_settings(&kept.concat());
    }

    /// A route for `domain` to a server of the story.
    pub(crate) fn route(&self, domain: &str, hop: &str) {
        self.set("delivery.route", &format!("\"{domain}\" = {{ {hop} }}"));
    }

    /// `serve`, until it is ready.
    #[track_caller]
    pub(crate) fn serve(&mut self) {
        let log = self.beside("serve.log");
        let mut command = as_packaged();
        command.arg("serve").arg(&self.directory).env(
            "KAKITOME_LOG",
            std::env::var("KAKITOME_LOG").unwrap_or_else(|_| "info".to_owned()),
        );
        if let Some(roots) = &self.roots {
            command.env("SSL_CERT_FILE", roots);
        }
        command.envs(self.environment.iter().cloned());
        let process = Process::start(&format!("kakitome at {}", self.address), &mut command, &log);
        let server = self.server.insert(process);
        let (address, socket) = (self.address, self.directory.join("run/control.sock"));
        until("the server is ready", SERVER_TIME, || {
            assert!(server.is_running(), "the server ended");
            // The control socket comes last; one left by an earlier run does not answer.
            std::os::unix::net::UnixStream::connect(&socket).ok()?;
            TcpStream::connect((address, SMTP)).ok()
        });
    }

    /// The server's process.
    pub(crate) fn server(&mut self) -> &mut Process {
        self.server.as_mut().expect("the site is not served")
    }

    /// SIGHUP, until the settings in the file are in force. Their event comes first, so it tells less.
    #[track_caller]
    pub(crate) fn reload(&mut self) {
        let reloaded = |site: &Self| site.log().matches(" were reloaded").count();
        let before = reloaded(self);
        self.server().signal(Signal::HUP);
        until("the settings are loaded", SERVER_TIME, || {
            (reloaded(self) > before).then_some(())
        });
    }

    /// SIGTERM, and the end in order.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut server = self.server.take().expect("the site is not served");
        server.signal(Signal::TERM);
        let status = server.ended(SERVER_TIME);
        assert!(status.success(), "the server ended with {status}");
    }

    /// `kill -9`
    pub(crate) fn kill_hard(&mut self) {
        self.server
            .take()
            .expect("the site is not served")
            .kill_hard();
    }

    /// What the server logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.beside("serve.log")).unwrap()).into_owned()
    }

    /// Runs a command against the served site.
    pub(crate) fn command(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_kakitome"))
            .arg("-C")
            .arg(&self.directory)
            .arg("--json")
            .args(words)
            .output()
            .unwrap()
    }

    /// Gives a command, which must be done; returns its rows.
    #[track_caller]
    pub(crate) fn give(&self, words: &[&str]) -> Vec<Value> {
        let output = self.command(words);
        assert!(
            output.status.success(),
            "kakitome {words:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Gives a command, which must be refused with status 1; returns why.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) -> String {
        let output = self.command(words);
        assert_eq!(
            output.status.code(),
            Some(1),
            "kakitome {words:?} should be refused: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// `audit search`
    #[track_caller]
    pub(crate) fn events(&self, filter: &[&str]) -> Vec<Value> {
        let words: Vec<&str> = ["audit", "search", "--limit", "100000"]
            .into_iter()
            .chain(filter.iter().copied())
            .collect();
        self.give(&words)
    }

    /// A person with an account, by order.
    #[track_caller]
    pub(crate) fn person(&self, name: &str) -> Person {
        let address = format!("{name}@{}", self.domain);
        self.give(&["person", "add", name, "--full-name", name]);
        let order = self.give(&["order", "issue", "--for", name, "--address", &address]);
        let number = order[0]["number"].to_string();
        self.give(&["order", "approve", &number]);
        let issued = self.give(&["account", "issue", "--order", &number]);
        Person {
            name: name.to_owned(),
            address,
            password: issued[0]["password"].as_str().unwrap().to_owned(),
        }
    }

    /// As [`Site::person`], and it is on record that the person knows of the records: nobody has a task about that, and officers no mail.
    #[track_caller]
    pub(crate) fn informed_person(&self, name: &str) -> Person {
        let person = self.person(name);
        self.give(&["person", "acknowledge", name, "--on-paper"]);
        person
    }

    /// A conversation on the exchange port.
    #[track_caller]
    pub(crate) fn smtp(&self) -> smtp::Session {
        smtp::Session::open(self.address, SMTP)
    }

    /// A logged-in IMAP session over TLS.
    #[track_caller]
    pub(crate) fn imap(&self, person: &Person) -> imap::Session {
        let mut session = imap::Session::open_tls(self, IMAPS);
        session.login(person);
        session
    }

    /// Waits until nothing is queued.
    #[track_caller]
    pub(crate) fn drained(&self, limit: Duration) {
        until("the queue is empty", limit, || {
            self.give(&["queue", "list"]).is_empty().then_some(())
        });
    }
}
