//! `vuln`: software, its vulnerabilities, and what is done about them (clauses 4.3, 8.3).

use std::sync::Arc;

use advisory::csaf::Profile;
use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use directory::{
    Role,
    command::{Caller, CommandError},
};
use governance::vuln::{
    act::{self, Document, Execution},
    case::{self, Report, View},
    export::{self, Publisher},
    inventory,
    plan::Plan,
};
use serde_json::Value;
use transfer::notice::Notice;

use super::{Answer, Failure, access::Telling, address};
use crate::{
    cli::{
        ExecuteArgs, ExportFormat, ImportArgs, PlanArgs, TestResult, VulnCommand, VulnReportArgs,
    },
    site::Site,
    vulnerabilities::{self, Source},
};

/// Octets of what is installed.
const MOST_FILE: u64 = 8 << 30;
/// Who may have feeds read.
const IMPORTERS: &[Role] = &[Role::Administrator, Role::SystemOfficer];

pub(super) async fn run(
    site: &Arc<Site>,
    caller: &Caller,
    command: VulnCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let now = site.world.now();
    let shown = match command {
        VulnCommand::Inventory { all, look } => {
            if look {
                permit(site, caller, "vuln inventory --look", || {
                    vulnerabilities::list(site)
                })
                .await?;
            }
            for item in inventory::show(caller, all).await? {
                answer.item(&item).await?;
            }
            return Ok(());
        }
        VulnCommand::Sbom => {
            caller
                .look("vuln sbom", &Role::OFFICERS, |_, _| Ok(()))
                .await?;
            return answer.row(&vulnerabilities::bill()).await;
        }
        VulnCommand::Import(words) => return import(site, caller, words, answer).await,
        VulnCommand::Feeds => {
            for feed in case::feeds(caller).await? {
                answer.item(&feed).await?;
            }
            return Ok(());
        }
        VulnCommand::List { all } => {
            for row in case::list(caller, all, now).await? {
                answer.item(&row).await?;
            }
            return Ok(());
        }
        VulnCommand::Show { number } => case::show(caller, number, now).await?,
        VulnCommand::Report(words) => report(site, caller, words).await?,
        VulnCommand::Plan(words) => plan(caller, words).await?,
        VulnCommand::Approve { number } => act::approve(caller, number).await?,
        VulnCommand::Order { number } => order(site, caller, number).await?,
        VulnCommand::Accept { number } => act::accept(caller, number).await?,
        VulnCommand::Test {
            number,
            result,
            note,
        } => act::test(caller, number, result == TestResult::Passed, note).await?,
        VulnCommand::Execute(words) => execute(site, caller, words).await?,
        VulnCommand::Verify { number } => {
            // Recorded with what comes of it.
            let words = format!("vuln verify {number}");
            let permitted =
                caller.permit(&words, IMPORTERS, |_| async { Ok::<(), CommandError>(()) });
            permitted.await?;
            vulnerabilities::list(site).await?;
            act::verify(caller, number).await?
        }
        VulnCommand::Close {
            number,
            not_affected,
            reason,
        } => {
            let reason = reason.unwrap_or_default();
            act::close(
                caller,
                number,
                not_affected.map(|justification| (justification, reason)),
            )
            .await?
        }
        VulnCommand::Except {
            number,
            until,
            reason,
        } => act::except(caller, number, site.time(&until)?, reason).await?,
        VulnCommand::Share {
            number,
            to,
            not_needed,
            format,
        } => match not_needed {
            Some(reason) => act::need_not_share(caller, number, reason).await?,
            None => share(site, caller, number, &to, format).await?,
        },
        VulnCommand::Export { number, format } => {
            return export(site, caller, number, format, answer).await;
        }
    };
    answer.row(&shown).await
}

/// Does what the server does by itself each day, for those who may have it done at once.
async fn permit<T, F>(
    site: &Site,
    caller: &Caller,
    words: &str,
    work: impl FnOnce() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, store::Error>>,
{
    let permitted = caller.permit(words, IMPORTERS, |me| async { Ok::<_, CommandError>(me) });
    let me = permitted.await?;
    site.record(me.given(words)).await?;
    Ok(work().await?)
}

async fn import(
    site: &Arc<Site>,
    caller: &Caller,
    words: ImportArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let (mut file, mut url) = (words.file, words.url);
    match words.from {
        Some(from) if from.contains("://") => url = Some(from),
        Some(from) => file = Some(from.into()),
        None => {}
    }
    let feeds = match (words.format, file, url) {
        (Some(format), Some(file), _) => vec![(words.name, format, Source::File(file))],
        (Some(format), None, Some(url)) => {
            transfer::fetch::check(&url).map_err(Failure::Words)?;
            vec![(words.name, format, Source::Url(url))]
        }
        (Some(_), None, None) => {
            return Err(Failure::Words(
                "name the file or the URL of the feed".to_owned(),
            ));
        }
        (None, ..) => {
            let settings = site.settings();
            let feeds = settings.vulnerabilities.feeds().into_iter();
            feeds
                .filter_map(|keys| {
                    let file = keys.file.map(|file| Source::File(site.path.join(file)));
                    Some((
                        Some(keys.name),
                        keys.format,
                        keys.url.map(Source::Url).or(file)?,
                    ))
                })
                .collect()
        }
    };
    permit(site, caller, "vuln import", || vulnerabilities::list(site)).await?;
    let mut refused = Vec::new();
    for (name, format, source) in feeds {
        let name = name.unwrap_or_else(|| "by-hand".to_owned());
        match vulnerabilities::import(site, &name, format, source).await? {
            Ok(imported) => answer.item(&imported).await?,
            Err(why) => refused.push(format!(
                "the feed {name} was not taken, and what was known stays: {why}"
            )),
        }
    }
    vulnerabilities::tell_of_new(site).await?;
    match refused.is_empty() {
        true => Ok(()),
        false => Err(Failure::Failed(refused.join("\n"))),
    }
}

async fn report(site: &Site, caller: &Caller, words: VulnReportArgs) -> Result<View, Failure> {
    let VulnReportArgs {
        number,
        cause,
        scope,
        remedy,
        exploit,
    } = words;
    let texts = Report {
        cause,
        scope,
        remedy,
        exploit,
    };
    let view = act::report(caller, number, texts).await?;
    // It is sent with the other reports.
    site.look_at_clauses.notify_one();
    Ok(view)
}

async fn plan(caller: &Caller, words: PlanArgs) -> Result<View, Failure> {
    let tested = words.no_test.is_empty();
    let answers = Plan {
        need: words.need,
        method: words.method,
        workaround: words.workaround,
        effect: words.effect,
        schedule: words.schedule,
        test_need: if tested {
            words.test_need
        } else {
            words.no_test
        },
        test_method: words.test_method,
        test_schedule: words.test_schedule,
        tested,
    };
    Ok(act::plan(caller, words.number, answers).await?)
}

async fn order(site: &Site, caller: &Caller, number: i64) -> Result<View, Failure> {
    let message = Notice {
        to: site.directory.addresses_of(Role::Administrator).await?,
        subject: format!("[Kakitome] 脆弱性対策の指示 / an order on a vulnerability: {number}"),
        text: format!(
            "脆弱性(案件 {number})の対策計画の実施が指示されました(規程 8.3(5))。\n\
             内容: kakitome vuln show {number}\n受領: kakitome vuln accept {number}\n\n\
             The plan of case {number} is to be carried out (clause 8.3(5)).\n\
             The plan: kakitome vuln show {number}\nTo take the order: kakitome vuln accept {number}\n"
        ),
    };
    Ok(act::order(caller, number, Telling::new(site, message)).await?)
}

async fn execute(site: &Site, caller: &Caller, words: ExecuteArgs) -> Result<View, Failure> {
    // A file is opened for nobody who may not record this.
    let given = format!("vuln execute {}", words.number);
    caller
        .permit(&given, &[Role::Administrator], |_| async {
            Ok::<(), CommandError>(())
        })
        .await?;
    let file = words.file.clone();
    let read = tokio::task::spawn_blocking(move || vulnerabilities::digest_of(&file, MOST_FILE));
    let read = read
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    let (_, found, octets) = read.map_err(Failure::Refused)?;
    let done = Execution {
        source: words.source,
        sha256: words.sha256,
        found,
        file: words.file.display().to_string(),
        octets,
        note: words.note,
    };
    let view = act::execute(caller, words.number, done).await?;
    site.look_at_clauses.notify_one();
    Ok(view)
}

async fn export(
    site: &Site,
    caller: &Caller,
    number: i64,
    format: ExportFormat,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let document = document(site, caller, number, format).await?;
    answer.row(&document).await
}

async fn document(
    site: &Site,
    caller: &Caller,
    number: i64,
    format: ExportFormat,
) -> Result<Value, Failure> {
    let publisher = publisher(site);
    let profile = match format {
        ExportFormat::Csaf => Profile::Advisory,
        ExportFormat::Vex => Profile::Vex,
    };
    Ok(export::document(caller, number, profile, publisher, site.world.now()).await?)
}

/// Who shares documents about cases.
pub(super) fn publisher(site: &Site) -> Publisher {
    let settings = site.settings();
    let keys = &settings.vulnerabilities;
    let domain = settings
        .domains
        .first()
        .map(|domain| domain.name.get_ref().clone())
        .unwrap_or_default();
    let url = keys.publisher_url.as_ref().map(|url| url.get_ref().clone());
    Publisher {
        name: keys.publisher.clone().unwrap_or_else(|| domain.clone()),
        namespace: url.unwrap_or_else(|| format!("https://{domain}")),
    }
}

async fn share(
    site: &Site,
    caller: &Caller,
    number: i64,
    to: &[String],
    format: ExportFormat,
) -> Result<View, Failure> {
    let to = to
        .iter()
        .map(|text| address(text))
        .collect::<Result<Vec<_>, _>>()?;
    let text = document(site, caller, number, format).await?;
    let text =
        serde_json::to_string_pretty(&text).map_err(|error| Failure::Failed(error.to_string()))?;
    let word = match format {
        ExportFormat::Csaf => "csaf",
        ExportFormat::Vex => "vex",
    };
    let shared = Document {
        to: to.iter().map(ToString::to_string).collect(),
        format: word,
        sha256: HEXLOWER.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()),
    };
    let hostname = site.settings().server.hostname.get_ref().clone();
    let message = Notice {
        to,
        subject: format!(
            "[Kakitome] 脆弱性情報の共有 / a vulnerability, shared: {hostname} {number}"
        ),
        // The document is all of the text, so that whatever reads mail can hand it on.
        text,
    };
    Ok(act::share(caller, number, shared, Telling::new(site, message)).await?)
}
