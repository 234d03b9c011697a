//! Commands to a running site: who calls is mapped to a person, the room's own authorised function is
//! called, and what was asked is an event, however it ended.

mod abuse;
mod access;
mod account;
mod audit;
mod backup;
mod backups;
mod block;
mod bounces;
mod dkim;
mod dmarc;
mod expert;
mod governance;
mod incident;
mod learning;
pub(crate) mod letter;
mod office;
mod on_behalf;
mod order;
mod outbreak;
mod person;
mod probe;
mod quarantine;
mod queue;
mod register;
mod regulation;
mod runbook;
mod screening;
mod status;
mod sts;
mod tls;
mod traffic;
mod trying;
mod verify;
mod vuln;

use std::sync::Arc;

use directory::{Person, command::Caller};
use message::address::Address;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use trail::Outcome;

use crate::{
    cli::SiteCommand,
    control::{Record, Reply, Request},
    site::{self, Site},
};

/// Why a command was not carried out, for the person who gave it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The caller is nobody in the directory.
    #[error(
        "the operating-system user {0} is no person of this site: ask an officer for `person add … --os-user {0}`"
    )]
    Nobody(String),
    /// The words cannot be meant.
    #[error("{0}")]
    Words(String),
    /// The rule of a room forbids it.
    #[error("{0}")]
    Refused(String),
    /// It was tried, and failed.
    #[error("{0}")]
    Failed(String),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<transfer::command::CommandError> for Failure {
    fn from(error: transfer::command::CommandError) -> Self {
        match error {
            transfer::command::CommandError::Store(error) => error.into(),
            refused => Self::Refused(refused.to_string()),
        }
    }
}

impl From<directory::command::CommandError> for Failure {
    fn from(error: directory::command::CommandError) -> Self {
        if error.is_failure() {
            Self::Failed(error.to_string())
        } else {
            Self::Refused(error.to_string())
        }
    }
}

/// Where a command puts what it has to say. A caller that is gone does not stop the command.
pub(crate) struct Answer {
    replies: mpsc::Sender<Reply>,
}

impl Answer {
    pub(crate) fn new(replies: mpsc::Sender<Reply>) -> Self {
        Self { replies }
    }

    /// The result, when it is one thing.
    pub(crate) async fn row(&mut self, row: &impl Serialize) -> Result<(), Failure> {
        let record = record(row)?;
        self.send(Reply::Row(record)).await;
        Ok(())
    }

    /// One row of a result that is a list.
    pub(crate) async fn item(&mut self, row: &impl Serialize) -> Result<(), Failure> {
        let record = record(row)?;
        self.send(Reply::Item(record)).await;
        Ok(())
    }

    /// The result, when it is a document.
    pub(crate) async fn text(&mut self, text: String) {
        self.send(Reply::Text(text)).await;
    }

    /// A sentence for the person.
    pub(crate) async fn note(&mut self, text: impl Into<String>) {
        self.send(Reply::Note(text.into())).await;
    }

    /// How far long work has come. Never waits: a caller that does not read misses some.
    pub(crate) fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        let reply = Reply::Progress {
            what: what.to_owned(),
            done,
            total,
        };
        if self.replies.try_send(reply).is_err() {
            tracing::trace!("progress was not told");
        }
    }

    /// The end.
    pub(crate) async fn end(&mut self, last: Reply) {
        self.send(last).await;
    }

    async fn send(&mut self, reply: Reply) {
        if self.replies.send(reply).await.is_err() {
            tracing::debug!("the caller of a command is gone; the command goes on");
        }
    }
}

/// A row as the control socket carries it.
fn record(row: &impl Serialize) -> Result<Record, Failure> {
    let value = serde_json::to_value(row).map_err(|e| Failure::Failed(e.to_string()))?;
    Ok(match value {
        Value::Object(record) => record,
        other => Record::from_iter([("value".to_owned(), other)]),
    })
}

/// Carries out `command` for the operating-system user `uid`.
pub(crate) async fn run(
    site: &Arc<Site>,
    uid: u32,
    command: SiteCommand,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Failure> {
    run_as(site, site::user_name(uid), command, request, answer).await
}

/// Carries out `command` for the operating-system user called `user`.
pub(crate) async fn run_as(
    site: &Arc<Site>,
    user: String,
    command: SiteCommand,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let caller = Caller::of_user(&site.directory, &user, "control").await?;
    // The directory's commands record themselves, refusals too.
    let ended = match command {
        SiteCommand::Person(command) => person::run(site, &caller, command, request, answer).await,
        SiteCommand::Order(command) => order::run(site, &caller, command, request, answer).await,
        SiteCommand::Account(command) => {
            account::run(site, &caller, command, request, answer).await
        }
        SiteCommand::Incident(command) => incident::run(site, &caller, command, answer).await,
        SiteCommand::Runbook(command) => runbook::run(&caller, command, answer).await,
        SiteCommand::Clause(command) => governance::clauses(site, &caller, command, answer).await,
        SiteCommand::Task(command) => governance::tasks(site, &caller, command, answer).await,
        SiteCommand::Expert(command) => expert::run(site, &caller, command, answer).await,
        SiteCommand::Report(command) => governance::reports(&caller, command, answer).await,
        SiteCommand::Block(command) => block::run(&caller, command, answer).await,
        SiteCommand::Vuln(command) => vuln::run(site, &caller, command, answer).await,
        SiteCommand::Register(command) => register::run(site, &caller, command, answer).await,
        SiteCommand::Regulation(command) => regulation::run(site, &caller, command, answer).await,
        SiteCommand::Traffic(command) => traffic::run(site, &caller, command, answer).await,
        other => {
            let (ended, acting) = match site.directory.person_of_user(&user).await {
                Ok(Some(person)) => {
                    let ended = dispatch(site, &person, other, request, answer).await;
                    // Known once the role was asked for.
                    (ended, person.acting())
                }
                Ok(None) => (Err(Failure::Nobody(user)), None),
                Err(refused) => (Err(refused.into()), None),
            };
            let caller = caller.acting(acting);
            note_command(site, &caller, request, &ended).await?;
            return ended;
        }
    };
    // What cannot be meant came to none of them.
    if let Err(Failure::Words(_)) = &ended {
        note_command(site, &caller, request, &ended).await?;
    }
    ended
}

/// Refuses, and records the refusal, unless `uid` is a person of the site: before a long request of theirs is read.
pub(crate) async fn must_be_known(site: &Site, uid: u32) -> Result<(), Failure> {
    let user = site::user_name(uid);
    let caller = Caller::of_user(&site.directory, &user, "control").await?;
    if caller.person().is_some() {
        return Ok(());
    }
    let refused = Failure::Nobody(user);
    let event = caller
        .given("")
        .outcome(Outcome::Refused)
        .detail("reason", refused.to_string());
    site.record(event).await?;
    Err(refused)
}

/// What was asked and how it ended (clause 8.2: the acts of administrators are in the trail too). The
/// words hold no secret: passwords travel beside them.
async fn note_command(
    site: &Site,
    caller: &Caller,
    request: &Request,
    ended: &Result<(), Failure>,
) -> Result<(), Failure> {
    // The words as a list: in one text, an argument with a space in it could not be told from two.
    let mut event = caller
        .given(&spoken(request))
        .detail("words", request.words.clone());
    if let Err(error) = ended {
        event = event
            .outcome(match error {
                Failure::Failed(_) => Outcome::Failure,
                _ => Outcome::Refused,
            })
            .detail("reason", error.to_string());
    }
    Ok(site.record(event).await?)
}

/// The command without its options, so that it begins with its name.
fn spoken(request: &Request) -> String {
    let mut spoken = Vec::new();
    let mut words = request.words.iter();
    while let Some(word) = words.next() {
        if word == "-C" {
            words.next();
        } else if !word.starts_with('-') {
            spoken.push(word.as_str());
        }
    }
    spoken.join(" ")
}

async fn dispatch(
    site: &Arc<Site>,
    caller: &Person,
    command: SiteCommand,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        SiteCommand::Status => status::run(site, caller, answer).await,
        SiteCommand::Queue(command) => queue::run(site, caller, command, answer).await,
        SiteCommand::Quarantine(command) => quarantine::run(site, caller, command, answer).await,
        SiteCommand::Abuse(command) => abuse::run(site, caller, command, answer).await,
        SiteCommand::Outbreak(command) => outbreak::run(site, caller, command, answer).await,
        SiteCommand::Bounces(words) => bounces::run(site, caller, words, answer).await,
        SiteCommand::Sts(command) => sts::run(site, caller, command, answer).await,
        SiteCommand::Dkim(command) => dkim::run(site, caller, command, answer).await,
        SiteCommand::Dmarc(command) => dmarc::run(site, caller, command, answer).await,
        SiteCommand::Tls(command) => tls::run(site, caller, command, answer).await,
        SiteCommand::Audit(command) => audit::run(site, caller, command, request, answer).await,
        SiteCommand::Screening(command) => {
            screening::run(site, caller, command, request, answer).await
        }
        SiteCommand::Backup { to } => backup::run(site, caller, &to, answer).await,
        SiteCommand::Probe(words) => probe::run(site, caller, &words, answer).await,
        SiteCommand::Backups(command) => backups::run(site, caller, command, answer).await,
        SiteCommand::Verify { repair } => verify::run(site, caller, repair, answer).await,
        SiteCommand::Person(_)
        | SiteCommand::Order(_)
        | SiteCommand::Account(_)
        | SiteCommand::Incident(_)
        | SiteCommand::Runbook(_)
        | SiteCommand::Block(_)
        | SiteCommand::Clause(_)
        | SiteCommand::Task(_)
        | SiteCommand::Expert(_)
        | SiteCommand::Report(_)
        | SiteCommand::Vuln(_)
        | SiteCommand::Traffic(_)
        | SiteCommand::Register(_)
        | SiteCommand::Regulation(_) => Err(Failure::Failed(
            "a command of the directory came the wrong way".to_owned(),
        )),
    }
}

/// An address as typed.
fn address(text: &str) -> Result<Address, Failure> {
    Address::parse(text.trim())
        .map_err(|error| Failure::Words(format!("{text:?} is no address: {error}")))
}

/// Characters of a reason, and of what is said of a medium, at most.
const MOST_WORDS: usize = 500;

/// A text for people as typed: not empty, bounded, and with nothing in it that nobody sees.
fn words(what: &str, text: &str) -> Result<String, Failure> {
    Ok(directory::command::plain_text(what, text, MOST_WORDS)?)
}

/// One of several roles, or a refusal that names them.
pub(crate) fn need(caller: &Person, roles: &[directory::Role]) -> Result<(), Failure> {
    if roles.iter().any(|role| caller.has(*role)) {
        return Ok(());
    }
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    Err(Failure::Refused(format!(
        "{} may not do this: it needs the role of {}",
        caller.name,
        names.join(" or ")
    )))
}
