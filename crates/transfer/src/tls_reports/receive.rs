//! Reports about own domains, as they come in.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use message::{
    mime::Part,
    tls_report::{MOST_OCTETS, Report},
};
use store::{Error, QueueId, Tx, event::DETAIL_LIMIT, tls_report::note_seen};
use trail::{Actor, Event, Kind, Outcome};

use crate::{
    metrics,
    unpack::{Attached, attached, name, shown},
};

/// Rows of a report that are kept, failures first.
const MOST_KEPT: usize = 1000;
/// Own domains of a report that its event names.
const MOST_DOMAINS: usize = 20;

/// What a message to the address for reports holds.
#[derive(Debug)]
pub(crate) enum Received {
    /// A report.
    Report(Box<Report>),
    /// Something that claims to be one, or nothing that could be one: why, and the file's name.
    Unreadable(String, Option<String>),
}

/// Looks for the report in a message. `by_type`: only for what says by its type that it is one, since reports of other kinds come to the
/// address too; `None`, if there is none.
pub(crate) fn look(raw: &[u8], by_type: bool) -> Option<Received> {
    let is_it = |part: &Part| is_typed(part) || (!by_type && may_hold(part));
    Some(match attached(raw, is_it, MOST_OCTETS) {
        Attached::Found(octets, file) => match Report::parse(&octets) {
            Ok(report) => Received::Report(Box::new(report)),
            Err(error) => Received::Unreadable(error.to_string(), file),
        },
        Attached::Unreadable(why, file) => Received::Unreadable(why, file),
        Attached::Nothing(_) if by_type => return None,
        Attached::Nothing(why) => Received::Unreadable(why, None),
    })
}

fn is_typed(part: &Part) -> bool {
    let kind = |sub| part.content_type.is("application", sub);
    kind("tlsrpt+gzip") || kind("tlsrpt+json")
}

/// By its type, or by its name where the type says nothing.
fn may_hold(part: &Part) -> bool {
    let kind = |sub| part.content_type.is("application", sub);
    let name = part.filename().unwrap_or_default().to_ascii_lowercase();
    kind("gzip")
        || kind("x-gzip")
        || kind("json")
        || [".json", ".gz"].iter().any(|end| name.ends_with(end))
}

/// The events of what came in as `id`. `shown_by_dmarc`: whether DMARC showed who the message is from. `is_own`: whether a domain is one
/// of this site's.
pub(crate) fn events(
    id: QueueId,
    received: &Received,
    shown_by_dmarc: bool,
    is_own: impl Fn(&str) -> bool,
) -> Vec<Event> {
    let unreadable = |why: &str, file: Option<&str>| {
        let event = Event::new(Kind::TlsReportUnreadable, Actor::Peer)
            .outcome(Outcome::Failure)
            .subject(id.to_string())
            .detail("reason", why);
        vec![match file {
            Some(file) => event.detail("file", file),
            None => event,
        }]
    };
    let report = match received {
        Received::Unreadable(why, file) => return unreadable(why, file.as_deref()),
        Received::Report(report) => report,
    };
    let told = Own::of(report, is_own);
    if told.domains.is_empty() {
        return unreadable("it is about no domain of this site", None);
    }
    let event = Event::new(Kind::TlsReportReceived, Actor::Peer)
        .subject(id.to_string())
        .detail("reporter", shown(&report.organisation))
        .detail("report", shown(&report.id))
        .detail("domains", told.domains)
        .detail("from", report.begin.to_string())
        .detail("until", report.end.to_string())
        .detail("sessions", told.sessions)
        .detail("failed", told.failed)
        .detail("shown", shown_by_dmarc);
    let numbers = [("others", told.others), ("left_out", told.left_out)];
    let numbers = numbers.into_iter().filter(|(_, number)| *number > 0);
    let event = numbers.fold(event, |event, (name, number)| event.detail(name, number));
    event.in_parts(DETAIL_LIMIT, vec![("rows", told.rows)])
}

/// What a report tells of own domains.
#[derive(Default)]
struct Own {
    domains: Vec<String>,
    sessions: u64,
    failed: u64,
    others: u64,
    left_out: u64,
    rows: Vec<String>,
}

impl Own {
    fn of(report: &Report, is_own: impl Fn(&str) -> bool) -> Self {
        let mut own = Self {
            left_out: report.left_out,
            ..Self::default()
        };
        let mut rows: Vec<(bool, u64, String)> = Vec::new();
        for applied in &report.policies {
            if !is_own(&applied.policy.domain) {
                own.others = own.others.saturating_add(1);
                continue;
            }
            let domain = name(&applied.policy.domain).to_ascii_lowercase();
            if !own.domains.contains(&domain) && own.domains.len() < MOST_DOMAINS {
                own.domains.push(domain.clone());
            }
            own.failed = own.failed.saturating_add(applied.failures);
            own.sessions = own
                .sessions
                .saturating_add(applied.failures)
                .saturating_add(applied.successes);
            let kind = applied.policy.kind.as_str();
            if applied.successes > 0 {
                let count = applied.successes;
                rows.push((false, count, format!("{domain} {kind} ok {count}")));
            }
            let mut left = applied.failures;
            for detail in &applied.details {
                left = left.saturating_sub(detail.sessions);
                let word = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), name);
                let mut row = format!(
                    "{domain} {kind} {} {} {} {}",
                    name(&detail.result),
                    detail.sessions,
                    word(&detail.mx),
                    address(detail.to.as_deref()),
                );
                if let Some(reason) = &detail.reason {
                    row.push(' ');
                    row.push_str(&shown(reason));
                }
                rows.push((true, detail.sessions, row));
            }
            if left > 0 {
                rows.push((true, left, format!("{domain} {kind} not-told {left} - -")));
            }
        }
        rows.sort_by_key(|(failed, count, _)| std::cmp::Reverse((*failed, *count)));
        let more = rows.len().saturating_sub(MOST_KEPT);
        own.left_out = own
            .left_out
            .saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        own.rows = rows.into_iter().take(MOST_KEPT).map(|row| row.2).collect();
        own
    }
}

/// An address that somebody wrote, as one word.
fn address(text: Option<&str>) -> String {
    let parsed = text.and_then(|text| text.parse::<std::net::IpAddr>().ok());
    parsed.map_or("-".to_owned(), |ip| ip.to_string())
}

/// What a report is known by, so that it counts once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mark {
    named: Option<[String; 3]>,
    /// What is told of it, in the log and the metrics.
    event: Option<Event>,
    again: Arc<AtomicBool>,
}

impl Mark {
    /// Of a report in a message of `author`'s domain, which DMARC showed or not: who only says that he is somebody cannot come before
    /// the report of the one that he says he is.
    pub(crate) fn of(received: &Received, author: Option<&str>, events: &[Event]) -> Self {
        let Received::Report(report) = received else {
            return Self::default();
        };
        let author = author.unwrap_or_default().to_ascii_lowercase();
        Self {
            named: Some([author, report.organisation.clone(), report.id.clone()]),
            event: events.iter().find(|event| is_received(event)).cloned(),
            again: Arc::default(),
        }
    }

    /// Notes that the report came; if it came before, its events say so.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn put(&self, tx: &mut Tx<'_>, events: &mut [Event]) -> Result<(), Error> {
        let (Some([author, organisation, id]), Some(_)) = (&self.named, &self.event) else {
            return Ok(());
        };
        if note_seen(tx, &[author, organisation, id])? {
            return Ok(());
        }
        self.again.store(true, Ordering::Relaxed);
        for event in events.iter_mut().filter(|event| is_received(event)) {
            *event = event.clone().detail("again", true);
        }
        Ok(())
    }

    /// After the commit: tells whoever looks at the log and the metrics.
    pub(crate) fn tell(&self) {
        let number = |event: &Event, name: &str| {
            let value = event.detail.get(name).and_then(serde_json::Value::as_u64);
            value.unwrap_or_default()
        };
        let Some(event) = self
            .event
            .as_ref()
            .filter(|_| !self.again.load(Ordering::Relaxed))
        else {
            return;
        };
        let (sessions, failed) = (number(event, "sessions"), number(event, "failed"));
        metrics::tls_told(sessions, failed);
        if failed > 0 {
            let fact = |name: &str| event.detail.get(name).map(ToString::to_string);
            tracing::warn!(
                domains = fact("domains"),
                reporter = fact("reporter"),
                shown = fact("shown"),
                sessions,
                failed,
                "somebody reports that TLS with servers of this site fails: `tls reports figures`"
            );
        }
    }
}

fn is_received(event: &Event) -> bool {
    event.kind == Kind::TlsReportReceived
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use jiff::Timestamp;
    use message::tls_report::{Applied, Detail, Policy};

    use super::*;

    fn report(details: u64) -> Report {
        let detail = |n: u64| Detail {
            result: "certificate-expired\r\nX".into(),
            mx: Some(format!("mx{n}.city.example evil")),
            to: Some("no address".into()),
            sessions: 2,
            reason: Some("some\r\nwords".into()),
            ..Detail::default()
        };
        let applied = |domain: &str| Applied {
            policy: Policy {
                domain: domain.into(),
                ..Policy::default()
            },
            successes: 7,
            failures: details * 2 + 1,
            details: (0..details).map(detail).collect(),
        };
        Report {
            organisation: "Other\r\n".into(),
            contact: String::new(),
            id: "7".into(),
            begin: Timestamp::UNIX_EPOCH,
            end: Timestamp::UNIX_EPOCH,
            policies: vec![applied("City.example"), applied("elsewhere.example")],
            left_out: 0,
        }
    }

    #[test]
    fn a_report_becomes_events_that_fit() {
        let received = Received::Report(Box::new(report(1500)));
        let is_own = |domain: &str| domain.eq_ignore_ascii_case("city.example");
        let events = events(QueueId(1), &received, true, is_own);
        assert!(events.len() > 1);
        for event in &events {
            assert_eq!(trail::schema::misfit(event), None);
            let octets = serde_json::to_string(&event.detail).unwrap().len();
            assert!(octets <= DETAIL_LIMIT, "{octets}");
        }
        let first = &events[0].detail;
        assert_eq!(first["sessions"], 3008);
        assert_eq!(first["failed"], 3001);
        assert_eq!(first["others"], 1);
        assert_eq!(first["left_out"], 502);
        assert_eq!(first["domains"][0], "city.example");
        let row = first["rows"][0].as_str().unwrap();
        assert!(
            row.starts_with("city.example no-policy-found certificate-expired??X 2 mx"),
            "{row}"
        );
        assert!(row.ends_with(".city.example?evil - somewords"), "{row}");
    }

    #[test]
    fn a_report_about_others_is_none() {
        let received = Received::Report(Box::new(report(1)));
        let events = events(QueueId(1), &received, true, |_| false);
        assert_eq!(events[0].kind, Kind::TlsReportUnreadable);
        assert_eq!(trail::schema::misfit(&events[0]), None);
    }

    #[test]
    fn the_report_is_found_by_its_type_or_its_name() {
        let json = report(1).to_json();
        let typed = format!("Content-Type: application/tlsrpt+json\r\n\r\n{json}");
        assert!(matches!(
            look(typed.as_bytes(), true),
            Some(Received::Report(_))
        ));
        let named = format!("Content-Type: application/octet-stream; name=x.json\r\n\r\n{json}");
        assert!(look(named.as_bytes(), true).is_none());
        assert!(matches!(
            look(named.as_bytes(), false),
            Some(Received::Report(_))
        ));
        let Some(Received::Unreadable(why, file)) = look(b"\r\nHello", false) else {
            panic!();
        };
        assert_eq!((why.as_str(), file), ("no part of it is a report", None));
    }
}
