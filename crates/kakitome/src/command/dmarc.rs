//! `dmarc`: what others report about mail in own domains' names, and what they are told (RFC 9990).

use std::collections::{BTreeMap, BTreeSet};

use directory::{Person, Role};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::event::{self, Filter};
use trail::{Event, Kind, Recorded};

use super::{Answer, Failure, need};
use crate::{
    check,
    cli::{DmarcCommand, ReportFiguresArgs, ReportFiguresBy, ReportsCommand},
    dmarc_reports,
    site::Site,
};

/// Who watches over mail in own names.
const READERS: &[Role] = &[Role::Administrator, Role::SecurityOfficer];
/// Events that are read at a time.
pub(super) const PAGE: usize = 500;
/// Lines of figures that are added up; of more the rest is one line.
pub(super) const MOST_LINES: usize = 100_000;

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    command: DmarcCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    need(caller, READERS)?;
    match command {
        DmarcCommand::Records => records(site, answer).await,
        DmarcCommand::Reports(ReportsCommand::List { days, domain, sent }) => {
            list(site, days, domain.as_deref(), sent, answer).await
        }
        DmarcCommand::Reports(ReportsCommand::Show { id }) => show(site, id, answer).await,
        DmarcCommand::Reports(ReportsCommand::Figures(words)) => {
            figures(site, &words, answer).await
        }
        DmarcCommand::Reports(ReportsCommand::Send) => {
            need(caller, &[Role::Administrator])?;
            send(site, answer).await
        }
    }
}

async fn records(site: &Site, answer: &mut Answer) -> Result<(), Failure> {
    let settings = site.settings();
    let keys = site.dmarc_report_keys();
    let reports = keys.address.as_ref();
    if reports.is_none() {
        answer
            .note("[dmarc_reports] address is not set: reports that come are not read")
            .await;
    }
    for domain in settings.own_domains() {
        let name = format!("_dmarc.{domain}");
        let record = check::dmarc::record(&name, &domain, reports);
        let row = json!({ "domain": domain.to_string(), "record": record });
        answer.item(&row).await?;
        let confirmation = reports.and_then(|reports| check::dmarc::confirmation(&domain, reports));
        if let Some((_, record)) = confirmation {
            let row = json!({ "domain": domain.to_string(), "record": record });
            answer.item(&row).await?;
        }
    }
    Ok(())
}

async fn send(site: &Site, answer: &mut Answer) -> Result<(), Failure> {
    let keys = site.dmarc_report_keys();
    if keys.reporter.is_none() {
        return Err(Failure::Refused(
            "nobody is told anything: [dmarc_reports] send is off".to_owned(),
        ));
    }
    let sent = dmarc_reports::send_until(site, site.world.now()).await?;
    let row = json!({
        "reports": sent.reports,
        "failed": sent.failed,
        "unknown": sent.unknown,
    });
    answer.row(&row).await
}

/// All events of these kinds in the last days, each handed to `each`.
pub(super) async fn every(
    site: &Site,
    days: u16,
    kind: Kind,
    mut each: impl FnMut(&Recorded) -> bool,
) -> Result<(), Failure> {
    let from = site.world.now() - SignedDuration::from_hours(i64::from(days) * 24);
    let mut filter = Filter {
        from: Some(from),
        kinds: vec![kind],
        ..Filter::default()
    };
    loop {
        let wanted = filter.clone();
        let events = site
            .store
            .read(move |snapshot| event::search(snapshot, &wanted, PAGE))
            .await?;
        for recorded in &events {
            if !each(recorded) {
                return Ok(());
            }
        }
        match events.last() {
            Some(last) if events.len() == PAGE => filter.after = Some(last.id),
            _ => return Ok(()),
        }
    }
}

pub(super) fn text<'e>(event: &'e Event, name: &str) -> &'e str {
    let value = event.detail.get(name).and_then(Value::as_str);
    value.unwrap_or_default()
}

/// Of several events about one report, the first.
pub(super) fn is_first(event: &Event) -> bool {
    let part = text(event, "part");
    part.is_empty() || part.starts_with("1 of ")
}

async fn list(
    site: &Site,
    days: u16,
    domain: Option<&str>,
    sent: bool,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let (kind, about): (Kind, fn(&Event) -> &str) = match sent {
        true => (Kind::DmarcReportSent, |event| &event.subject),
        false => (Kind::DmarcReportReceived, |event| text(event, "domain")),
    };
    every(site, days, kind, |recorded| {
        let event = &recorded.event;
        let wanted = domain.is_none_or(|domain| domain.eq_ignore_ascii_case(about(event)));
        if wanted && is_first(event) {
            rows.push(match sent {
                true => sent_row(recorded),
                false => received_row(recorded),
            });
        }
        rows.len() < MOST_LINES
    })
    .await?;
    for row in rows {
        answer.item(&row).await?;
    }
    Ok(())
}

fn sent_row(recorded: &Recorded) -> Value {
    let event = &recorded.event;
    let fact = |name: &str| event.detail.get(name).cloned().unwrap_or_default();
    json!({
        "at": recorded.at,
        "domain": event.subject,
        "from": fact("from"),
        "until": fact("until"),
        "messages": fact("messages"),
        "to": fact("to"),
        "reason": fact("reason"),
    })
}

fn received_row(recorded: &Recorded) -> Value {
    let event = &recorded.event;
    let fact = |name: &str| event.detail.get(name).cloned().unwrap_or_default();
    json!({
        "id": event.subject,
        "domain": fact("domain"),
        "reporter": fact("reporter"),
        "from": fact("from"),
        "until": fact("until"),
        "messages": fact("messages"),
        "failed": fact("failed"),
        "shown": fact("shown"),
    })
}

async fn show(site: &Site, id: String, answer: &mut Answer) -> Result<(), Failure> {
    let filter = Filter {
        kinds: vec![Kind::DmarcReportReceived],
        subject: Some(id.clone()),
        ..Filter::default()
    };
    let events = site
        .store
        .read(move |snapshot| event::search(snapshot, &filter, PAGE))
        .await?;
    if events.is_empty() {
        return Err(Failure::Refused(format!("no report came in as {id}")));
    }
    for row in events.iter().flat_map(rows_of) {
        let told = json!({
            "source": row.source,
            "messages": row.messages,
            "done": row.done,
            "dkim": row.dkim,
            "spf": row.spf,
            "domain": row.domain,
        });
        answer.item(&told).await?;
    }
    Ok(())
}

/// A row as the trail keeps it.
struct Row<'e> {
    source: &'e str,
    messages: u64,
    done: &'e str,
    dkim: &'e str,
    spf: &'e str,
    domain: &'e str,
}

fn rows_of(recorded: &Recorded) -> Vec<Row<'_>> {
    let rows = recorded.event.detail.get("rows").and_then(Value::as_array);
    let texts = rows.into_iter().flatten().filter_map(Value::as_str);
    texts.filter_map(row_of).collect()
}

fn row_of(text: &str) -> Option<Row<'_>> {
    let mut words = text.split(' ');
    Some(Row {
        source: words.next()?,
        messages: words.next()?.parse().ok()?,
        done: words.next()?,
        dkim: words.next()?.strip_prefix("dkim=")?,
        spf: words.next()?.strip_prefix("spf=")?,
        domain: words.next()?,
    })
}

/// What was seen of the mail of one line.
#[derive(Default)]
struct Count {
    messages: u64,
    dkim: u64,
    spf: u64,
    failed: u64,
    refused: u64,
}

async fn figures(
    site: &Site,
    words: &ReportFiguresArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    every(site, words.days, Kind::DmarcReportReceived, |recorded| {
        let event = &recorded.event;
        // A report that comes twice counts once.
        let key = (
            text(event, "reporter").to_owned(),
            text(event, "report").to_owned(),
            text(event, "part").to_owned(),
        );
        if seen.len() < MOST_LINES && !seen.insert(key) {
            return true;
        }
        if !words.all && event.detail.get("shown") != Some(&Value::Bool(true)) {
            return true;
        }
        for row in rows_of(recorded) {
            add(&mut counts, words, event, &row);
        }
        true
    })
    .await?;
    let name = match words.by {
        ReportFiguresBy::Source => "source",
        ReportFiguresBy::Domain => "domain",
        ReportFiguresBy::Reporter => "reporter",
        ReportFiguresBy::Day => "day",
    };
    let mut lines: Vec<(String, Count)> = counts.into_iter().collect();
    if words.by != ReportFiguresBy::Day {
        lines.sort_by_key(|(_, count)| std::cmp::Reverse((count.failed, count.messages)));
    }
    for (key, count) in lines {
        let row = json!({
            name: key,
            "messages": count.messages,
            "dkim": count.dkim,
            "spf": count.spf,
            "failed": count.failed,
            "refused": count.refused,
        });
        answer.item(&row).await?;
    }
    Ok(())
}

fn add(
    counts: &mut BTreeMap<String, Count>,
    words: &ReportFiguresArgs,
    event: &Event,
    row: &Row<'_>,
) {
    let about = text(event, "domain");
    let is_wanted = |wanted: &String| {
        wanted.eq_ignore_ascii_case(about) || wanted.eq_ignore_ascii_case(row.domain)
    };
    let passed = row.dkim == "pass" || row.spf == "pass";
    if (words.failed && passed) || !words.domain.as_ref().is_none_or(is_wanted) {
        return;
    }
    let key = match words.by {
        ReportFiguresBy::Source => row.source.to_owned(),
        ReportFiguresBy::Domain => row.domain.to_owned(),
        ReportFiguresBy::Reporter => text(event, "reporter").to_owned(),
        ReportFiguresBy::Day => day(text(event, "from")),
    };
    let key = match counts.len() < MOST_LINES || counts.contains_key(&key) {
        true => key,
        false => "…".to_owned(),
    };
    let count = counts.entry(key).or_default();
    let more = |sum: &mut u64, is: bool| {
        *sum = sum.saturating_add(if is { row.messages } else { 0 });
    };
    more(&mut count.messages, true);
    more(&mut count.dkim, row.dkim == "pass");
    more(&mut count.spf, row.spf == "pass");
    more(&mut count.failed, !passed);
    more(&mut count.refused, row.done == "reject");
}

/// The day of a time as an event keeps it, in UTC.
pub(super) fn day(at: &str) -> String {
    let at = at.parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d").to_string()
}
