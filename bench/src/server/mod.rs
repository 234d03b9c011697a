//! The mail servers under test: each is programs to start, ports to talk to, and accounts that exist.

mod dovecot;
mod kakitome;
mod peers;
mod postfix;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::{
    Outcome,
    client::{Imap, Line, Smtp},
};

pub(crate) use kakitome::{Kakitome, Screening};
pub(crate) use peers::peers;

/// The domain whose mailboxes they keep.
pub(crate) const DOMAIN: &str = "bench.test";
/// A domain that lies beyond the next hop, which the load program itself plays.
pub(crate) const REMOTE: &str = "remote.test";
/// Everybody's password. Only loopback sees it.
pub(crate) const PASSWORD: &str = "bench-secret";
/// Accounts of every server, so that start-up is measured with as many as the target says.
pub(crate) const ACCOUNTS: usize = 1000;

const START_TIME: Duration = Duration::from_secs(60);
const STOP_TIME: Duration = Duration::from_secs(60);

/// Where a server listens on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) smtp: u16,
    pub(crate) submission: u16,
    pub(crate) submissions: u16,
    pub(crate) imap: u16,
    pub(crate) imaps: u16,
    pub(crate) pop3: u16,
}

impl Ports {
    /// Each is `base` plus the standard port modulo 1000.
    pub(crate) fn at(base: u16) -> Self {
        Self {
            smtp: base + 25,
            submission: base + 587,
            submissions: base + 465,
            imap: base + 143,
            imaps: base + 993,
            pop3: base + 110,
        }
    }
}

/// A server. Dropping it ends its programs.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) ports: Ports,
    /// All that it keeps lies below.
    pub(crate) directory: PathBuf,
    /// A command that says which version it is, and the version.
    pub(crate) version: String,
    programs: Vec<Vec<String>>,
    children: Vec<Child>,
}

impl Server {
    fn new(name: &'static str, ports: Ports, directory: &Path, version: String) -> Self {
        Self {
            name,
            ports,
            directory: directory.to_owned(),
            version,
            programs: Vec::new(),
            children: Vec::new(),
        }
    }

    fn program(&mut self, words: &[&str]) {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        self.programs.push(words);
    }

    /// Starts its programs; the time from the first `exec` to a greeting on SMTP and on IMAP.
    ///
    /// Programs start one after the other, each when IMAP answers: an smtpd that finds nobody who checks passwords is
    /// held back by its master for a minute.
    pub(crate) async fn start(&mut self) -> Outcome<Duration> {
        let begun = Instant::now();
        for words in self.programs.clone() {
            self.children.push(spawn(&words, &self.directory)?);
            while !self.imap_greets().await {
                self.must_run(begun)?;
                sleep(Duration::from_millis(1)).await;
            }
        }
        while Smtp::open(self.ports.smtp).await.is_err() {
            self.must_run(begun)?;
            sleep(Duration::from_millis(1)).await;
        }
        Ok(begun.elapsed())
    }

    async fn imap_greets(&self) -> bool {
        match Line::connect(self.ports.imap).await {
            Ok(line) => Imap::open(line).await.is_ok(),
            Err(_) => false,
        }
    }

    fn must_run(&mut self, begun: Instant) -> Outcome<()> {
        for child in &mut self.children {
            if let Some(status) = child.try_wait()? {
                return Err(
                    format!("{} ended at its start: {status}; see its log", self.name).into(),
                );
            }
        }
        match begun.elapsed() < START_TIME {
            true => Ok(()),
            false => Err(format!("{} does not answer", self.name).into()),
        }
    }

    /// Ends it in order.
    pub(crate) async fn stop(&mut self) -> Outcome<()> {
        for child in &self.children {
            kill_process(Pid::from_child(child), Signal::TERM)?;
        }
        let begun = Instant::now();
        for child in &mut self.children {
            while child.try_wait()?.is_none() {
                if begun.elapsed() > STOP_TIME {
                    return Err(format!("{} does not end", self.name).into());
                }
                sleep(Duration::from_millis(5)).await;
            }
        }
        self.children.clear();
        Ok(())
    }

    /// Ends it and starts it again; how long the start took.
    pub(crate) async fn restart(&mut self) -> Outcome<Duration> {
        self.stop().await?;
        self.start().await
    }

    /// The processes that were started; theirs are found from them.
    pub(crate) fn roots(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.children {
            // A master process ends its children when it is asked to; when it is killed it cannot. One that cannot be
            // asked has ended by itself.
            kill_process(Pid::from_child(child), Signal::TERM).ok();
        }
        let begun = Instant::now();
        for child in &mut self.children {
            while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < STOP_TIME {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn spawn(words: &[String], directory: &Path) -> Outcome<Child> {
    let (program, rest) = words.split_first().ok_or("no program")?;
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("output.log"))?;
    let child = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    Ok(child)
}

/// Runs a program that must succeed; what it printed.
fn output(program: &str, words: &[&str]) -> Outcome<String> {
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {}: {said}", words.join(" ")).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The address of account `number`.
pub(crate) fn address(number: usize) -> String {
    format!("u{number:05}@{DOMAIN}")
}
