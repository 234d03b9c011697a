//! Incidents that the server opens by itself are analysed, and the officers are told by mail (clauses 4.4(2), 5.1, 5.2(5), 5.5(2)). The opening is a commit of
//! its own; what a crash leaves in between is told of at the next start.

mod other;
mod password;
mod submissions;
mod traffic;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use directory::command::incident::{self, IncidentKind, IncidentView, Step};
use jiff::{Timestamp, tz::TimeZone};
use message::address::Address;
use store::{Topic, event::Filter};
use trail::{
    Kind,
    analysis::{Language, Usage},
};
use transfer::notice::{self, Notice};
use wire::Shutdown;

pub(crate) use password::analyse;

use crate::{site::Site, usage};

const BACKSCATTER: &str = IncidentKind::Backscatter.as_str();
const MALWARE_INSIDE: &str = IncidentKind::MalwareInside.as_str();
const SUBMISSION_SURGE: &str = IncidentKind::SubmissionSurge.as_str();
const CREDENTIAL: &str = IncidentKind::Credential.as_str();
const DOS: &str = IncidentKind::Dos.as_str();
/// How often it is looked for incidents that nobody was told of, if nothing wakes it before.
const LOOK: Duration = Duration::from_secs(60);
/// Identifiers at one address that a report names at most.
const MOST_NAMED: usize = 50;

/// Tells of incidents until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut changes = site.store.watch(Topic::Directory);
    changes.mark_changed();
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
        match tell_all(&site).await {
            Ok(()) => {}
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the officers could not be told of an incident; it is tried again");
            }
        }
    }
}

/// Tells of each that nobody was told of yet.
///
/// # Errors
/// The store's.
pub(crate) async fn tell_all(site: &Site) -> Result<(), store::Error> {
    // A command waits so long for the end of sessions before it reports.
    let patience = LOOK.saturating_add(site.settings().audit.analysis.sessions_end.0);
    for found in incident::unreported(&site.directory, patience).await? {
        tell(site, &found).await?;
    }
    Ok(())
}

/// Analyses the trail and sends the officers what came of it, with the record of both in one commit.
async fn tell(site: &Site, found: &IncidentView) -> Result<(), store::Error> {
    if found.kind == CREDENTIAL {
        let told = analyse(site, found).await?;
        said(found, &told);
        return Ok(());
    }
    let owner_told = Step::OwnerTold.as_str();
    if found.missing.iter().any(|step| step == owner_told) {
        submissions::tell_owner(site, found).await?;
    }
    let facts = Facts::gather(site, found).await?;
    let zone = site.settings().zone();
    let text = format!(
        "{}\n----\n\n{}",
        facts.text(found, Language::Ja, &zone),
        facts.text(found, Language::En, &zone)
    );
    let digest = trail::volume::hex(&trail::merkle::sha256(&[text.as_bytes()]));
    let message = Notice {
        to: site.directory.addresses_of(found.officer).await?,
        subject: subject(found),
        text,
    };
    let number = found.number;
    let (view, text) = (found.clone(), message.text.clone());
    let told = notice::send(&site.transfer, message, move |tx, told| {
        governance::incident::report_opening(tx, &view, &text, told)?;
        incident::note_report(tx, number, told, &digest)
    });
    let ((), told) = told.await?;
    said(found, &told);
    Ok(())
}

/// Says in the log what became of it.
fn said(found: &IncidentView, told: &[Address]) {
    let number = found.number;
    if told.is_empty() {
        tracing::warn!(
            incident = number,
            "an incident was opened, and no officer has a mailbox here: show one `incident show {number}`"
        );
    } else {
        tracing::warn!(
            incident = number,
            kind = found.kind,
            "an incident was opened, and the officers were told"
        );
    }
}

/// The same text for `incident report`, in one language.
pub(crate) fn report(
    found: &IncidentView,
    usage: &Usage,
    language: Language,
    zone: &TimeZone,
) -> String {
    if found.kind == CREDENTIAL {
        return password::report(found, usage, language, zone);
    }
    format!(
        "{}\n{}",
        head(found, language, zone),
        usage.text(language, zone)
    )
}

fn subject(found: &IncidentView) -> String {
    let about = match (&found.address, found.identifier.is_empty()) {
        (_, false) => found.identifier.clone(),
        (Some(address), true) => address.clone(),
        (None, true) => String::new(),
    };
    match text_of(found) {
        Text::Bounces => format!(
            "[Kakitome] インシデント {}: 詐称エラーメールの急増 / incident {}: surge of forged bounces",
            found.number, found.number
        ),
        Text::Submissions => submissions::subject(found),
        Text::Traffic => traffic::subject(found),
        Text::Malware => format!(
            "[Kakitome] インシデント {}: 内部からのマルウェア送信 {about} / incident {}: malware from inside",
            found.number, found.number
        ),
        Text::Plain => other::subject(found, &about),
    }
}

/// How an incident is told.
enum Text {
    Bounces,
    Submissions,
    Traffic,
    Malware,
    /// By its runbook, and by the facts as they are.
    Plain,
}

/// What a person opened has not the facts that the server opens one with.
fn text_of(found: &IncidentView) -> Text {
    let by_server = found.opened_by.is_none();
    match found.kind.as_str() {
        BACKSCATTER if by_server => Text::Bounces,
        SUBMISSION_SURGE if by_server => Text::Submissions,
        DOS if by_server => Text::Traffic,
        MALWARE_INSIDE => Text::Malware,
        _ => Text::Plain,
    }
}

/// What the trail tells of where an incident came from.
struct Facts {
    /// How the identifier was used.
    usage: Option<Usage>,
    /// Who else was used from the address, and how often that succeeded.
    at_address: BTreeMap<String, u64>,
}

impl Facts {
    async fn gather(site: &Site, found: &IncidentView) -> Result<Self, store::Error> {
        let mut facts = Self {
            usage: None,
            at_address: BTreeMap::new(),
        };
        if !found.identifier.is_empty() {
            facts.usage = Some(usage::gather(site, found).await?);
        }
        if let Some(address) = &found.address {
            let filter = Filter {
                from: Some(found.since),
                address: Some(address.clone()),
                kinds: vec![Kind::AuthenticationSucceeded],
                ..Filter::default()
            };
            let named = &mut facts.at_address;
            usage::each(site, filter, |recorded| {
                let who = recorded.event.subject.clone();
                if named.len() < MOST_NAMED || named.contains_key(&who) {
                    let count = named.entry(who).or_default();
                    *count = count.saturating_add(1);
                }
            })
            .await?;
        }
        Ok(facts)
    }

    fn text(&self, found: &IncidentView, language: Language, zone: &TimeZone) -> String {
        let mut text = head(found, language, zone);
        if !self.at_address.is_empty() {
            text.push_str(match language {
                Language::Ja => "\n# その端末(IP アドレス)から認証した識別コード\n",
                Language::En => "\n# Identifiers that were proved from that address\n",
            });
            for (who, count) in &self.at_address {
                text.push_str(&format!("{who}: {count}\n"));
            }
        }
        if let Some(usage) = &self.usage {
            text.push('\n');
            text.push_str(&usage.text(language, zone));
        }
        text
    }
}

fn head(found: &IncidentView, language: Language, zone: &TimeZone) -> String {
    match text_of(found) {
        Text::Bounces => of_bounces(found, language, zone),
        Text::Submissions => submissions::head(found, language, zone),
        Text::Traffic => traffic::head(found, language, zone),
        Text::Malware => of_malware(found, language, zone),
        Text::Plain => other::head(found, language, zone),
    }
}

fn of_bounces(found: &IncidentView, language: Language, zone: &TimeZone) -> String {
    let since = found.since.to_zoned(zone.clone());
    let since = since.strftime("%Y-%m-%d %H:%M %Z");
    let (number, reason) = (found.number, &found.reason);
    let mut text = match language {
        Language::Ja => format!(
            "送信者を詐称されたエラーメールの急増について(規程 5.5(2))\n\n\
             インシデント番号: {number}\n内容: {reason}\n開始: {since}\n\n\
             こちらから送っていないメールのエラーメールが多数届いています。受信は拒否しています。誰かがこちらのアドレスを\
             差出人に使っています。このインシデントが閉じられるまで、新たな通知はありません。\n\
             確認したら: kakitome incident step {number} acknowledged、続いて kakitome incident close {number}\n\
             詳細: kakitome audit search --kind smtp.refused、kakitome bounces\n\n# 例\n"
        ),
        Language::En => format!(
            "On a surge of bounces with forged senders (clause 5.5(2))\n\n\
             Incident: {number}\nWhat: {reason}\nSince: {since}\n\n\
             Many bounces come to mail that was never sent from here. They are refused. Somebody uses addresses of this site as senders. \
             There is no further notice until this incident is closed.\n\
             When you have read this: kakitome incident step {number} acknowledged, then kakitome incident close {number}\n\
             More: kakitome audit search --kind smtp.refused; kakitome bounces\n\n# Samples\n"
        ),
    };
    let samples = found.facts.get("samples").and_then(|all| all.as_array());
    for sample in samples.into_iter().flatten() {
        let field = |name: &str| {
            let value = sample.get(name).and_then(|value| value.as_str());
            value.unwrap_or_default().to_owned()
        };
        let (at, peer) = (field("at"), field("peer"));
        let (hello, to) = (field("hello"), field("recipient"));
        text.push_str(&format!("{at}  {peer} ({hello}) -> {to}\n"));
    }
    text
}

fn of_malware(found: &IncidentView, language: Language, zone: &TimeZone) -> String {
    let time = |at: Timestamp| {
        let at = at.to_zoned(zone.clone());
        at.strftime("%Y-%m-%d %H:%M %Z").to_string()
    };
    let fact = |name: &str| {
        let value = found.facts.get(name).and_then(|value| value.as_str());
        value.unwrap_or_default().to_owned()
    };
    let note = |step: &str| {
        let step = found.steps.iter().find(|taken| taken.step == step);
        step.map_or_else(String::new, |taken| taken.note.clone())
    };
    let none = |text: &str| match text.is_empty() {
        true => "-".to_owned(),
        false => text.to_owned(),
    };
    let (number, address) = (found.number, found.address.as_deref().unwrap_or_default());
    let missing: Vec<&str> = found.missing.iter().map(String::as_str).collect();
    let (blocked, held) = (note("address-blocked"), note("queue-held"));
    let (malware, place) = (fact("malware"), fact("found_in"));
    let (at, address) = (time(found.opened_at), none(address));
    let (identifier, held) = (&found.identifier, none(&held));
    let (who_ja, who_en) = match identifier.is_empty() {
        true => (
            format!("なし(ログインしない端末です。送信待ちを保留しました: {held})"),
            format!("none (a terminal that does not log in; what it had queued is held: {held})"),
        ),
        false => (
            format!("{identifier}(利用を停止し、送信待ちを保留しました: {held})"),
            format!("{identifier} (suspended, and what it had queued is held: {held})"),
        ),
    };
    match language {
        Language::Ja => format!(
            "内部からのマルウェアの送信について(規程 5.2(5))\n\n\
             インシデント番号: {number}\n検出: {malware}\nメッセージまたはメールボックス: {place}\n日時: {at}\n\
             識別コード: {who_ja}\n\
             端末の IP アドレス: {address}(遮断: {blocked})\n\n\
             端末をネットワークから切り離し、駆除を確認してください。残っている手順: {missing}\n\
             詳細: kakitome incident show {number}、保留中のメール: kakitome queue list --state held、遮断: kakitome block list\n",
            missing = missing.join(", "),
        ),
        Language::En => format!(
            "On malware that was sent from inside (clause 5.2(5))\n\n\
             Incident: {number}\nFound: {malware}\nMessage or mailbox: {place}\nAt: {at}\n\
             Identifier: {who_en}\n\
             Network address of the terminal: {address} (blocked: {blocked})\n\n\
             Take the terminal off the network, and see that it is clean. Steps that are missing: {missing}\n\
             More: kakitome incident show {number}; held mail: kakitome queue list --state held; blocks: kakitome block list\n",
            missing = missing.join(", "),
        ),
    }
}
