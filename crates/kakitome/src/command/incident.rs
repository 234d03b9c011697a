//! `incident`: clause 4.1.

use directory::{
    Role,
    command::{
        Caller, CommandError,
        account::MAY_SUSPEND,
        dos,
        incident::{self, IncidentView, Open},
        surge,
    },
};
use jiff::tz::TimeZone;
use serde_json::json;
use trail::analysis::{Language, Usage};
use transfer::notice::{self, Notice};

use super::{
    Answer, Failure,
    audit::{READERS, search::time},
};
use crate::{
    alarms,
    cli::{IncidentCommand, IncidentKind},
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
            kind: IncidentKind::Credential,
            address,
            reason,
            since,
            from,
        } => {
            if from.is_some() {
                let words = "--from is for an incident of the kind malware-inside";
                return Err(Failure::Words(words.to_owned()));
            }
            let args = Open {
                name: address,
                reason: reason.unwrap_or_else(|| REPORTED.to_owned()),
                since: since.as_deref().map(time).transpose()?,
            };
            let opened = incident::open(caller, args).await?;
            answer
                .note(format!(
                    "{} is suspended everywhere; mail for it keeps arriving.",
                    opened.identifier
                ))
                .await;
            analyse(site, &opened, answer).await?;
            incident::show(caller, opened.number).await?
        }
        IncidentCommand::Open {
            kind: IncidentKind::MalwareInside,
            address,
            reason,
            since,
            from,
        } => {
            if since.is_some() {
                let words = "--since is for an incident of the kind credential";
                return Err(Failure::Words(words.to_owned()));
            }
            let reason = reason
                .as_deref()
                .unwrap_or("malware was reported on a terminal");
            let opened = incident::open_inside(caller, &address, from, reason).await?;
            answer
                .note(format!(
                    "{} is suspended everywhere; mail for it keeps arriving. The security officers are told by mail.",
                    opened.identifier
                ))
                .await;
            opened
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
            "handed-over" => incident::hand_over(caller, number, &note).await?,
            "acknowledged" => incident::acknowledge(caller, number, &note).await?,
            "terminal-cleaned" => incident::clean(caller, number, &note).await?,
            "measure-taken" => dos::measure(caller, number, &note).await?,
            "queue-settled" => incident::settle(caller, number, &note).await?,
            surge::RELEASED => surge::release(caller, number, &note).await?,
            "rejected" => return reject(site, caller, (number, &note), answer).await,
            step => {
                let words = format!("incident step {number} {step}");
                let permitted = caller.permit(&words, MAY_SUSPEND, |_| async {
                    Ok::<(), CommandError>(())
                });
                permitted.await?;
                site.record(caller.given(&words)).await?;
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
                incident::show(caller, number).await?
            }
        },
        IncidentCommand::Close { number } => incident::close(caller, number).await?,
    };
    answer.row(&shown).await
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

/// Analyses the trail and sends the security officers what came of it, with the record of both in one commit.
async fn analyse(site: &Site, found: &IncidentView, answer: &mut Answer) -> Result<(), Failure> {
    let usage = usage::gather(site, found).await?;
    let text = document(found, &usage, Language::Ja);
    let digest = trail::volume::hex(&trail::merkle::sha256(&[text.as_bytes()]));
    let officers = site.directory.addresses_of(Role::SecurityOfficer).await?;
    let message = Notice {
        to: officers,
        subject: format!(
            "[Kakitome] インシデント {}: {} のパスワードの不正使用の疑い",
            found.number, found.identifier
        ),
        text,
    };
    let number = found.number;
    let told = notice::send(&site.transfer, message, move |tx, told| {
        incident::note_report(tx, number, told, &digest)
    });
    let ((), told) = told.await?;
    answer
        .note(if told.is_empty() {
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
    let permitted = caller.permit(&words, READERS, |_| async { Ok::<(), CommandError>(()) });
    permitted.await?;
    let reading = caller
        .given(&words)
        .detail("identifier", found.identifier.as_str());
    site.record(reading).await?;
    let usage = usage::gather(site, &found).await?;
    answer.note(document(&found, &usage, language)).await;
    answer
        .row(&json!({ "number": number, "identifier": found.identifier, "usage": usage }))
        .await
}

/// The report to the security officer (clause 4.1(1)d).
fn document(found: &IncidentView, usage: &Usage, language: Language) -> String {
    if found.kind != CREDENTIAL {
        return alarms::report(found, usage, language);
    }
    let zone = TimeZone::system();
    let time = |at: jiff::Timestamp| {
        at.to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M %Z")
            .to_string()
    };
    let head = match language {
        Language::Ja => format!(
            "パスワードの不正使用の疑いについて(規程 4.1(1))\n\n\
             インシデント番号: {}\n識別コード: {}\n届出の内容: {}\n届出・利用停止: {} ({})\n\
             本人による確かな利用の最後: {}\n\n\
             識別コードの利用を停止しました。新しいパスワードを本人に手渡すまで再開できません。\n\
             内容を確認したら次の命令で承認してください: kakitome incident step {} acknowledged\n\n",
            found.number,
            found.identifier,
            found.reason,
            time(found.opened_at),
            found.opened_by.as_deref().unwrap_or("-"),
            time(found.since),
            found.number
        ),
        Language::En => format!(
            "On a password that another may have used (clause 4.1(1))\n\n\
             Incident: {}\nIdentifier: {}\nReported: {}\nOpened and suspended: {} ({})\nThe owner's last sure use: {}\n\n\
             The identifier is suspended, and is not resumed before a new password was handed over to its owner.\n\
             When you have read this: kakitome incident step {} acknowledged\n\n",
            found.number,
            found.identifier,
            found.reason,
            time(found.opened_at),
            found.opened_by.as_deref().unwrap_or("-"),
            time(found.since),
            found.number
        ),
    };
    head + &usage.text(language, &zone)
}
