//! `audit`: only those with a role that reads the trail may (clause 8.2(1)a), and reading is an event.

mod analysis;
pub(super) mod bundle;
pub(super) mod search;
pub(super) mod verify;
mod volume;

use directory::{Person, Role};
use store::event::{self, Filter};
use trail::Recorded;

use super::{Answer, Failure, need};
use crate::{cli::AuditCommand, control::Request, site::Site};

/// Events read from the store at a time.
const PAGE: usize = 500;
/// Who may read the trail.
pub(super) const READERS: &[Role] = &[
    Role::Administrator,
    Role::SystemOfficer,
    Role::SecurityOfficer,
];
/// Who decides on volumes that are due.
const OFFICERS: &[Role] = &[Role::SystemOfficer, Role::SecurityOfficer];
/// Who may seal volumes, give them out and keep the register of custody.
const KEEPERS: &[Role] = &[Role::Administrator, Role::SystemOfficer];

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    command: AuditCommand,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Failure> {
    need(
        caller,
        match command {
            AuditCommand::Seal
            | AuditCommand::Export(_)
            | AuditCommand::Bundle(_)
            | AuditCommand::Custody(_)
            | AuditCommand::EraseDue => KEEPERS,
            AuditCommand::Decide(_) => OFFICERS,
            _ => READERS,
        },
    )?;
    match command {
        AuditCommand::Search(words) => search::run(site, caller, &words, answer).await,
        AuditCommand::Analyse(words) => analysis::analyse(site, caller, &words, answer).await,
        AuditCommand::Report(words) => analysis::report(site, caller, &words, answer).await,
        AuditCommand::Verify(words) => {
            let witness = words.witness.and(kept_note(request));
            verify::run(site, caller, witness.as_deref(), answer).await
        }
        AuditCommand::Checkpoint { to } => {
            verify::checkpoint(site, caller, to.as_deref(), answer).await
        }
        AuditCommand::Prove { event } => verify::prove(site, caller, event, answer).await,
        AuditCommand::ProveGrowth { .. } => {
            let since = kept_note(request).unwrap_or_default();
            verify::prove_growth(site, caller, &since, answer).await
        }
        AuditCommand::Volumes => volume::list(site, answer).await,
        AuditCommand::Seal => volume::seal(site, caller, answer).await,
        AuditCommand::Export(words) => volume::export(site, caller, words, answer).await,
        AuditCommand::Bundle(words) => bundle::run(site, caller, &words, answer).await,
        AuditCommand::Decide(words) => volume::decide(site, caller, &words, answer).await,
        AuditCommand::EraseDue => volume::erase_due(site, caller, answer).await,
        AuditCommand::Custody(command) => volume::custody(site, caller, command, answer).await,
    }
}

/// Reads all events that match, some at a time, and tells how far it has come.
pub(super) async fn each_event(
    site: &Site,
    mut filter: Filter,
    answer: &Answer,
    mut take: impl FnMut(&Recorded),
) -> Result<(), Failure> {
    let mut read = 0_u64;
    loop {
        let page = filter.clone();
        let events = site
            .store
            .read(move |snapshot| event::search(snapshot, &page, PAGE))
            .await?;
        events.iter().for_each(&mut take);
        read += events.len() as u64;
        answer.progress("events", read, None);
        match events.last() {
            Some(last) if events.len() == PAGE => filter.after = Some(last.id),
            _ => return Ok(()),
        }
    }
}

/// The checkpoint that goes with the command. One that was saved of a mail has the mail's line ends.
fn kept_note(request: &Request) -> Option<String> {
    let note = request.attachment.as_deref()?;
    Some(note.replace("\r\n", "\n"))
}
