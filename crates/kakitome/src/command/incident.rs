//! `incident`: clauses 4.1, 4.4, 5.2, 5.5, 8.4.

use directory::{
    command::{
        Caller, CommandError,
        account::MAY_SUSPEND,
        incident::{self, IncidentView, Open},
        lever::{self, Target},
        surge,
    },
    restraint::{Door, Of},
    runbook::Lever,
};
use message::address::Host;
use serde_json::json;
use trail::analysis::Language;

use super::{Answer, Failure, audit::READERS};
use crate::{
    alarms,
    cli::{ActArgs, IncidentCommand, IncidentKind, LeverWord},
    site::Site,
    usage,
};

/// What a credential's incident is opened for unless it is said.
const REPORTED: &str = "the password was reported as used by another";
const CREDENTIAL: &str = incident::IncidentKind::Credential.as_str();

pub(super) async fn run(
    site: &Site,
    caller: &Caller,
    command: IncidentCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let shown = match command {
        IncidentCommand::Open {
            kind,
            address,
            reason,
            since,
            from,
        } => {
            let args = Open {
                kind: super::runbook::of(kind),
                name: address,
                reason: reason_of(kind, reason)?,
                since: since.as_deref().map(|at| site.time(at)).transpose()?,
                peer: from,
            };
            open(site, caller, args, answer).await?
        }
        IncidentCommand::List => {
            for entry in incident::list(caller).await? {
                answer.item(&entry).await?;
            }
            return Ok(());
        }
        IncidentCommand::Show { number } => incident::show(caller, number).await?,
        IncidentCommand::Report { number, lang } => {
            return report(site, caller, number, language(&lang), answer).await;
        }
        IncidentCommand::Step { number, step, note } => match step.as_str() {
            surge::RELEASED => surge::release(caller, number, &note).await?,
            "rejected" => return reject(site, caller, (number, &note), answer).await,
            "analysed" => analyse_again(site, caller, number, answer).await?,
            step => governance::incident::step(caller, number, step, &note).await?,
        },
        IncidentCommand::Act(args) => act(caller, args).await?,
        IncidentCommand::Close { number } => {
            let closed = governance::incident::close(caller, number).await?;
            for left in closed.in_force() {
                answer.note(format!("Still in force: {left}.")).await;
            }
            closed
        }
    };
    answer.row(&shown).await
}

/// Opens one, and has what belongs to its kind done at once.
async fn open(
    site: &Site,
    caller: &Caller,
    args: Open,
    answer: &mut Answer,
) -> Result<IncidentView, Failure> {
    let opened = incident::open(caller, args).await?;
    let suspended = incident::Step::Suspended.as_str();
    if opened.steps.iter().any(|step| step.step == suspended) {
        let words = format!(
            "{} is suspended everywhere; mail for it keeps arriving.",
            opened.identifier
        );
        answer.note(words).await;
    }
    if opened.kind != CREDENTIAL {
        let words = format!("Holders of the role {} are told by mail.", opened.officer);
        answer.note(words).await;
        return Ok(opened);
    }
    analyse(site, &opened, answer).await?;
    Ok(incident::show(caller, opened.number).await?)
}

/// Uses a lever.
async fn act(caller: &Caller, args: ActArgs) -> Result<IncidentView, Failure> {
    let lever = match args.lever {
        LeverWord::Suspend => Lever::Suspend,
        LeverWord::Resume => Lever::Resume,
        LeverWord::Block => Lever::Block,
        LeverWord::Unblock => Lever::Unblock,
        LeverWord::Hold => Lever::Hold,
        LeverWord::Release => Lever::Release,
        LeverWord::Limit => Lever::Limit,
        LeverWord::Unlimit => Lever::Unlimit,
        LeverWord::Drain => Lever::Drain,
        LeverWord::Undrain => Lever::Undrain,
    };
    if args.rate.is_some() && lever != Lever::Limit {
        let words = "--rate belongs to the lever limit".to_owned();
        return Err(Failure::Words(words));
    }
    if args.time.is_some() && lever != Lever::Block {
        let words = "--for belongs to the lever block".to_owned();
        return Err(Failure::Words(words));
    }
    let wrong =
        |what: &str, error: &dyn std::fmt::Display| Failure::Words(format!("{what}: {error}"));
    let limits = matches!(lever, Lever::Limit | Lever::Unlimit);
    let target = match (args.identifier, args.domain, args.target) {
        (Some(name), _, _) if limits => Target::Limited(Of::Identifier(name), args.rate),
        (Some(name), _, _) => Target::MailOf(name),
        (None, Some(name), _) => {
            let host = Host::parse(&name).map_err(|error| wrong(&name, &error))?;
            match limits {
                true => Target::Limited(Of::Domain(host), args.rate),
                false => Target::MailFor(host),
            }
        }
        (None, None, Some(name)) => match lever {
            Lever::Limit | Lever::Unlimit => {
                let network = name.parse().map_err(|error| wrong(&name, &error))?;
                Target::Limited(Of::Network(network), args.rate)
            }
            Lever::Drain | Lever::Undrain => {
                let door = Door::ALL.into_iter().find(|door| door.as_str() == name);
                let no_door = || wrong(&name, &"it is exchange or submission");
                Target::Door(door.ok_or_else(no_door)?)
            }
            Lever::Block | Lever::Unblock => {
                let network = name.parse().map_err(|error| wrong(&name, &error))?;
                Target::Network(network, args.time.map(|time| time.0))
            }
            _ => Target::Identifier(name),
        },
        (None, None, None) => {
            let words =
                "say on what: an identifier, a network, a listener, or --identifier or --domain";
            return Err(Failure::Words(words.to_owned()));
        }
    };
    Ok(lever::act(caller, args.number, lever, target, &args.note).await?)
}

/// Why it is opened: what was said, or what the kind says.
fn reason_of(kind: IncidentKind, said: Option<String>) -> Result<String, Failure> {
    match (said, kind) {
        (Some(said), _) => Ok(said),
        (None, IncidentKind::Credential) => Ok(REPORTED.to_owned()),
        (None, IncidentKind::MalwareInside) => Ok("malware was reported on a terminal".to_owned()),
        (None, _) => Err(Failure::Words(
            "--reason is needed: what was reported, or found".to_owned(),
        )),
    }
}

/// The trail is analysed again: of a password, whose incident is analysed by command.
async fn analyse_again(
    site: &Site,
    caller: &Caller,
    number: i64,
    answer: &mut Answer,
) -> Result<IncidentView, Failure> {
    let words = format!("incident step {number} analysed");
    let permitted = caller.permit(&words, MAY_SUSPEND, |me| async {
        Ok::<_, CommandError>(me)
    });
    let me = permitted.await?;
    site.record(me.given(&words)).await?;
    let found = incident::show(caller, number).await?;
    if found.closed_at.is_some() {
        return Err(Failure::Refused(format!("incident {number} is closed")));
    }
    if found.kind != CREDENTIAL {
        return Err(Failure::Refused(format!(
            "the server analyses incident {number} ({}) by itself",
            found.kind
        )));
    }
    analyse(site, &found, answer).await?;
    Ok(incident::show(caller, number).await?)
}

/// What was submitted is not in order: the identifier is suspended, and the trail analysed for who used it.
async fn reject(
    site: &Site,
    caller: &Caller,
    (number, note): (i64, &str),
    answer: &mut Answer,
) -> Result<(), Failure> {
    let (shown, opened) = surge::reject(caller, number, note).await?;
    let identifier = shown.identifier.as_str();
    if let Some(opened) = opened {
        let words = format!(
            "{identifier} is suspended everywhere by incident {}; mail for it keeps arriving.",
            opened.number
        );
        answer.note(words).await;
        analyse(site, &opened, answer).await?;
    }
    let words = format!(
        "What it submitted stays held: `queue discard` or `queue bounce` with --identifier {identifier} --state held, then \
         `incident step {number} queue-settled`."
    );
    answer.note(words).await;
    answer.row(&shown).await
}

fn language(name: &str) -> Language {
    match name {
        "en" => Language::En,
        _ => Language::Ja,
    }
}

/// Has it analysed and reported, and says to whom.
async fn analyse(site: &Site, found: &IncidentView, answer: &mut Answer) -> Result<(), Failure> {
    let told = alarms::analyse(site, found).await?;
    answer
        .note(if told.is_empty() {
            let number = found.number;
            format!(
                "No security officer has a mailbox here: show one `incident report {number}`, who then takes the step \"acknowledged\"."
            )
        } else {
            let names: Vec<String> = told.iter().map(ToString::to_string).collect();
            format!("The analysis was sent to {}.", names.join(", "))
        })
        .await;
    Ok(())
}

async fn report(
    site: &Site,
    caller: &Caller,
    number: i64,
    language: Language,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let words = format!("incident report {number}");
    let found = incident::show(caller, number).await?;
    if found.identifier.is_empty() {
        return Err(Failure::Refused(format!(
            "incident {number} is about no identifier: `incident show {number}`, `audit search --address`"
        )));
    }
    let permitted = caller.permit(&words, READERS, |me| async { Ok::<_, CommandError>(me) });
    let me = permitted.await?;
    let reading = me
        .given(&words)
        .detail("identifier", found.identifier.as_str());
    site.record(reading).await?;
    let usage = usage::gather(site, &found).await?;
    answer
        .note(alarms::report(
            &found,
            &usage,
            language,
            &site.settings().zone(),
        ))
        .await;
    answer
        .row(&json!({ "number": number, "identifier": found.identifier, "usage": usage }))
        .await
}
