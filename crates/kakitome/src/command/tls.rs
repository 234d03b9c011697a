//! `tls`: what others report about TLS with servers of own domains, and what they are told (RFC 8460).

use std::collections::BTreeMap;

use directory::{Person, Role};
use serde_json::{Value, json};
use store::event::{self, Filter};
use trail::{Event, Kind, Recorded};

use super::{
    Answer, Failure,
    dmarc::{MOST_LINES, PAGE, day, every, is_first, text},
    need,
};
use crate::{
    check,
    cli::{TlsCommand, TlsFiguresArgs, TlsFiguresBy, TlsReportsCommand},
    site::Site,
    tls_reports,
};

/// Who watches over how mail travels.
const READERS: &[Role] = &[Role::Administrator, Role::SecurityOfficer];

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    command: TlsCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    need(caller, READERS)?;
    match command {
        TlsCommand::Records => records(site, answer).await,
        TlsCommand::Reports(TlsReportsCommand::List { days, domain, sent }) => {
            list(site, days, domain.as_deref(), sent, answer).await
        }
        TlsCommand::Reports(TlsReportsCommand::Show { id }) => show(site, id, answer).await,
        TlsCommand::Reports(TlsReportsCommand::Figures(words)) => {
            figures(site, &words, answer).await
        }
        TlsCommand::Reports(TlsReportsCommand::Send) => {
            need(caller, &[Role::Administrator])?;
            send(site, answer).await
        }
    }
}

async fn records(site: &Site, answer: &mut Answer) -> Result<(), Failure> {
    let keys = site.tls_report_keys();
    if keys.address.is_none() {
        answer
            .note("[tls_reports] address is not set: reports that come are not read")
            .await;
    }
    for domain in site.settings().own_domains() {
        let record = check::tls_report::record(&domain, keys.address.as_ref());
        let row = json!({ "domain": domain.to_string(), "record": record });
        answer.item(&row).await?;
    }
    Ok(())
}

async fn send(site: &Site, answer: &mut Answer) -> Result<(), Failure> {
    if site.tls_report_keys().reporter.is_none() {
        return Err(Failure::Refused(
            "nobody is told anything: [tls_reports] send is off".to_owned(),
        ));
    }
    let sent = tls_reports::send_until(site, site.world.now()).await?;
    let row = json!({
        "reports": sent.reports,
        "failed": sent.failed,
        "unknown": sent.unknown,
    });
    answer.row(&row).await
}

/// Whether a report that came is about `domain`.
fn is_about(event: &Event, domain: &str) -> bool {
    let domains = event.detail.get("domains").and_then(Value::as_array);
    let mut names = domains.into_iter().flatten().filter_map(Value::as_str);
    names.any(|name| name.eq_ignore_ascii_case(domain))
}

async fn list(
    site: &Site,
    days: u16,
    domain: Option<&str>,
    sent: bool,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let kind = match sent {
        true => Kind::TlsReportSent,
        false => Kind::TlsReportReceived,
    };
    every(site, days, kind, |recorded| {
        let event = &recorded.event;
        let wanted = domain.is_none_or(|domain| match sent {
            true => event.subject.eq_ignore_ascii_case(domain),
            false => is_about(event, domain),
        });
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
        "sessions": fact("sessions"),
        "failed": fact("failed"),
        "to": fact("to"),
        "handed": fact("handed"),
        "refused": fact("refused"),
        "reason": fact("reason"),
    })
}

fn received_row(recorded: &Recorded) -> Value {
    let event = &recorded.event;
    let fact = |name: &str| event.detail.get(name).cloned().unwrap_or_default();
    json!({
        "id": event.subject,
        "domains": fact("domains"),
        "reporter": fact("reporter"),
        "from": fact("from"),
        "until": fact("until"),
        "sessions": fact("sessions"),
        "failed": fact("failed"),
        "shown": fact("shown"),
        "again": is_again(event),
    })
}

fn is_again(event: &Event) -> bool {
    event.detail.get("again") == Some(&Value::Bool(true))
}

async fn show(site: &Site, id: String, answer: &mut Answer) -> Result<(), Failure> {
    let filter = Filter {
        kinds: vec![Kind::TlsReportReceived],
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
            "domain": row.domain,
            "policy": row.policy,
            "result": row.result,
            "sessions": row.sessions,
            "host": row.host,
            "address": row.address,
            "more": row.more,
        });
        answer.item(&told).await?;
    }
    Ok(())
}

/// A row as the trail keeps it.
struct Row<'e> {
    domain: &'e str,
    policy: &'e str,
    result: &'e str,
    sessions: u64,
    host: Option<&'e str>,
    address: Option<&'e str>,
    more: Option<&'e str>,
}

fn rows_of(recorded: &Recorded) -> Vec<Row<'_>> {
    let rows = recorded.event.detail.get("rows").and_then(Value::as_array);
    let texts = rows.into_iter().flatten().filter_map(Value::as_str);
    texts.filter_map(row_of).collect()
}

fn row_of(text: &str) -> Option<Row<'_>> {
    let mut words = text.splitn(7, ' ');
    let (domain, policy, result) = (words.next()?, words.next()?, words.next()?);
    let sessions = words.next()?.parse().ok()?;
    let mut told = || words.next().filter(|word| *word != "-");
    Some(Row {
        domain,
        policy,
        result,
        sessions,
        host: told(),
        address: told(),
        more: told(),
    })
}

/// Sessions of one line.
#[derive(Default)]
struct Count {
    sessions: u64,
    failed: u64,
}

/// Domain, what it is added up by, and the host where that counts.
type Key = (String, String, String);

async fn figures(site: &Site, words: &TlsFiguresArgs, answer: &mut Answer) -> Result<(), Failure> {
    let mut counts: BTreeMap<Key, Count> = BTreeMap::new();
    every(site, words.days, Kind::TlsReportReceived, |recorded| {
        let event = &recorded.event;
        let shown = event.detail.get("shown") == Some(&Value::Bool(true));
        // A report that comes twice counts once.
        if is_again(event) || !(words.all || shown) {
            return true;
        }
        for row in rows_of(recorded) {
            add(&mut counts, words, event, &row);
        }
        true
    })
    .await?;
    let mut lines: Vec<(Key, Count)> = counts.into_iter().collect();
    if words.by != TlsFiguresBy::Day {
        lines.sort_by_key(|(_, count)| std::cmp::Reverse((count.failed, count.sessions)));
    }
    for ((domain, key, host), count) in lines {
        let row = match words.by {
            TlsFiguresBy::Reporter => json!({
                "domain": domain, "reporter": key, "sessions": count.sessions, "failed": count.failed,
            }),
            TlsFiguresBy::Day => json!({
                "domain": domain, "day": key, "sessions": count.sessions, "failed": count.failed,
            }),
            TlsFiguresBy::Failure => json!({
                "domain": domain, "failure": key, "host": host, "failed": count.failed,
            }),
        };
        answer.item(&row).await?;
    }
    Ok(())
}

fn add(counts: &mut BTreeMap<Key, Count>, words: &TlsFiguresArgs, event: &Event, row: &Row<'_>) {
    let wanted = words.domain.as_ref();
    let failed = row.result != "ok";
    let is_wanted = wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(row.domain));
    if !is_wanted || (words.by == TlsFiguresBy::Failure && !failed) {
        return;
    }
    let (key, host) = match words.by {
        TlsFiguresBy::Reporter => (text(event, "reporter").to_owned(), ""),
        TlsFiguresBy::Failure => (row.result.to_owned(), row.host.unwrap_or_default()),
        TlsFiguresBy::Day => (day(text(event, "from")), ""),
    };
    let key = (row.domain.to_owned(), key, host.to_owned());
    let key = match counts.len() < MOST_LINES || counts.contains_key(&key) {
        true => key,
        false => ("…".to_owned(), "…".to_owned(), String::new()),
    };
    let count = counts.entry(key).or_default();
    count.sessions = count.sessions.saturating_add(row.sessions);
    if failed {
        count.failed = count.failed.saturating_add(row.sessions);
    }
}
