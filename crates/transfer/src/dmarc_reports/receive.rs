//! Reports about own domains, as they come in.

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;
use message::{
    dmarc_report::{Disposition, MOST_OCTETS, Report},
    mime::Part,
};
use store::{QueueId, event::DETAIL_LIMIT};
use trail::{Actor, Event, Kind, Outcome};

use crate::unpack::{Attached, attached, name, shown};

/// Rows of a report that are kept, those with the most messages first.
const MOST_KEPT: usize = 1000;

/// What a message to the address for reports holds.
#[derive(Debug)]
pub(crate) enum Received {
    /// A report.
    Report(Box<Report>),
    /// Something that claims to be one, or nothing that could be one: why, and the file's name.
    Unreadable(String, Option<String>),
}

/// Looks for the report in a message.
pub(crate) fn look(raw: &[u8]) -> Received {
    match attached(raw, may_hold, MOST_OCTETS) {
        Attached::Found(xml, file) => match Report::parse(&xml) {
            Ok(report) => Received::Report(Box::new(report)),
            Err(error) => Received::Unreadable(error.to_string(), file),
        },
        Attached::Unreadable(why, file) => Received::Unreadable(why, file),
        Attached::Nothing(why) => Received::Unreadable(why, None),
    }
}

/// By its type, or by its name where the type says nothing.
fn may_hold(part: &Part) -> bool {
    let types = [
        ("application", "gzip"),
        ("application", "x-gzip"),
        ("application", "zip"),
        ("application", "x-zip-compressed"),
        ("application", "xml"),
        ("text", "xml"),
    ];
    if types
        .iter()
        .any(|(kind, sub)| part.content_type.is(kind, sub))
    {
        return true;
    }
    let name = part.filename().unwrap_or_default().to_ascii_lowercase();
    [".xml", ".gz", ".zip"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// The events of what came in as `id`. `shown`: whether DMARC showed who the message is from. `is_own`: whether a domain is one
/// of this site's.
pub(crate) fn events(
    id: QueueId,
    received: &Received,
    shown_by_dmarc: bool,
    is_own: impl Fn(&str) -> bool,
) -> Vec<Event> {
    let unreadable = |why: &str, file: Option<&str>| {
        let event = Event::new(Kind::DmarcReportUnreadable, Actor::Peer)
            .outcome(Outcome::Failure)
            .subject(id.to_string())
            .detail("reason", why);
        vec![match file {
            Some(file) => event.detail("file", file),
            None => event,
        }]
    };
    match received {
        Received::Unreadable(why, file) => unreadable(why, file.as_deref()),
        Received::Report(report) if !is_own(&report.policy.domain) => {
            let domain = shown(&report.policy.domain);
            unreadable(&format!("{domain} is no domain of this site"), None)
        }
        Received::Report(report) => {
            let (rows, left_out) = rows(report);
            let event = event(id, report, shown_by_dmarc, left_out);
            event.in_parts(DETAIL_LIMIT, vec![("rows", rows)])
        }
    }
}

fn event(id: QueueId, report: &Report, shown_by_dmarc: bool, left_out: u64) -> Event {
    let sum = |only_failed: bool| {
        let rows = report.rows.iter().filter(|row| {
            let passed = row.seen.dkim_aligned || row.seen.spf_aligned;
            !(only_failed && passed)
        });
        rows.fold(0_u64, |sum, row| sum.saturating_add(row.count))
    };
    let at = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    let event = Event::new(Kind::DmarcReportReceived, Actor::Peer)
        .subject(id.to_string())
        .detail("reporter", shown(&report.organisation))
        .detail("report", shown(&report.id))
        .detail("domain", shown(&report.policy.domain))
        .detail("from", at(report.begin).to_string())
        .detail("until", at(report.end).to_string())
        .detail("policy", report.policy.policy.as_str())
        .detail("messages", sum(false))
        .detail("failed", sum(true))
        .detail("shown", shown_by_dmarc);
    match left_out {
        0 => event,
        left_out => event.detail("left_out", left_out),
    }
}

/// What rows of a report are alike in, as they are kept.
type Alike = (IpAddr, Disposition, bool, bool, String);

/// The rows as texts, and how many are not among them. Rows that differ in what is not kept are one.
fn rows(report: &Report) -> (Vec<String>, u64) {
    let mut counts: BTreeMap<Alike, u64> = BTreeMap::new();
    for row in &report.rows {
        let seen = &row.seen;
        let key = (
            row.source.to_canonical(),
            seen.disposition,
            seen.dkim_aligned,
            seen.spf_aligned,
            name(&seen.header_from),
        );
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(row.count);
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more = u64::try_from(all.len().saturating_sub(MOST_KEPT)).unwrap_or(u64::MAX);
    let word = |passed: bool| if passed { "pass" } else { "fail" };
    let texts = all.iter().take(MOST_KEPT).map(|(key, count)| {
        let (source, disposition, dkim, spf, from) = key;
        format!(
            "{source} {count} {} dkim={} spf={} {from}",
            disposition.as_str(),
            word(*dkim),
            word(*spf)
        )
    });
    (texts.collect(), report.left_out.saturating_add(more))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use message::dmarc_report::{Policy, Row, Seen};

    use super::*;

    fn report(rows: usize) -> Report {
        Report {
            organisation: "Other\r\n".into(),
            id: "7".into(),
            begin: 0,
            end: 86_399,
            policy: Policy {
                domain: "city.example".into(),
                ..Policy::default()
            },
            rows: (0..rows)
                .map(|n| Row {
                    source: IpAddr::from(u32::try_from(n).unwrap().to_be_bytes()),
                    count: 2,
                    seen: Seen {
                        dkim_aligned: n % 2 == 0,
                        header_from: "city.example evil".into(),
                        ..Seen::default()
                    },
                })
                .collect(),
            ..Report::default()
        }
    }

    #[test]
    fn a_report_becomes_events_that_fit() {
        let received = Received::Report(Box::new(report(3000)));
        let events = events(QueueId(1), &received, true, |domain| {
            domain == "city.example"
        });
        assert!(events.len() > 1);
        for event in &events {
            assert_eq!(trail::schema::misfit(event), None);
            let octets = serde_json::to_string(&event.detail).unwrap().len();
            assert!(octets <= DETAIL_LIMIT, "{octets}");
        }
        let first = &events[0].detail;
        assert_eq!(first["messages"], 6000);
        assert_eq!(first["failed"], 3000);
        assert_eq!(first["left_out"], 2000);
        assert_eq!(first["reporter"], "Other");
        let row = first["rows"][0].as_str().unwrap();
        assert_eq!(row, "0.0.0.0 2 none dkim=pass spf=fail city.example?evil");
    }

    #[test]
    fn a_report_about_others_is_none() {
        let received = Received::Report(Box::new(report(1)));
        let events = events(QueueId(1), &received, true, |_| false);
        assert_eq!(events[0].kind, Kind::DmarcReportUnreadable);
        assert_eq!(trail::schema::misfit(&events[0]), None);
    }

    #[test]
    fn the_report_is_found_among_the_parts() {
        let xml = report(1).to_xml("x");
        let raw = format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b\r\n\
             Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"a!b!1!2.xml\"\r\n\r\n{xml}\r\n--b--\r\n"
        );
        assert!(matches!(look(raw.as_bytes()), Received::Report(_)));
        let Received::Unreadable(why, file) =
            look(b"Content-Type: text/xml; name=x.xml\r\n\r\n<a/>")
        else {
            panic!();
        };
        assert_eq!(why, "it lacks a domain");
        assert_eq!(file.as_deref(), Some("x.xml"));
        let Received::Unreadable(why, _) = look(b"\r\nHello") else {
            panic!();
        };
        assert_eq!(why, "no part of it is a report");
    }
}
