//! Reports to others.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use message::{
    Address, Domain,
    dmarc_report::{self, Policy, Report},
};
use screening::{DmarcRecord, Published, ReportRequest};
use store::{
    Error, Tx,
    event::{self, Filter},
};
use trail::{Actor, Event, Kind, Outcome};

use super::{
    Reporter,
    figures::{self, Figures},
};
use crate::{Transfer, notice, report_mail::ReportMail, unpack::packed};

/// Events of own reports that are read at a time.
const PAGE: usize = 500;
/// Addresses of one record that get the report.
const MOST_PLACES: usize = 5;
/// Octets of base64 for three octets, and a line end for each 57.
const BASE64: (u64, u64) = (78, 57);

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Reports that were sent.
    pub reports: usize,
    /// Domains that want a report and could not be told.
    pub failed: usize,
    /// Domains that could not be asked what they want: they are to be tried again.
    pub unknown: usize,
}

/// Tells every domain that wants to know what came in its name in this time, and that it was not told yet. Does nothing where
/// the site does not report, or does not screen.
///
/// # Errors
/// The store's: what was sent stays so, and the rest is for the next round.
pub async fn send(
    transfer: &Transfer,
    (from, until): (Timestamp, Timestamp),
) -> Result<Sent, Error> {
    let settings = transfer.settings();
    let (Some(reporter), Some(screener)) =
        (settings.dmarc_reports.reporter.clone(), transfer.screener())
    else {
        return Ok(Sent::default());
    };
    let _alone = transfer.reporting().lock().await;
    let told = told(transfer, from).await?;
    let all = figures::between(transfer.store(), (from, until), &told).await?;
    let mut done = Sent::default();
    for (name, figures) in all {
        let Ok(domain) = Domain::parse(&name) else {
            continue;
        };
        let request = match screener.report_request(&domain).await {
            Ok(Some(request)) if !request.record.reports.is_empty() => request,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%domain, %error, "a report has to wait");
                done.unknown = done.unknown.saturating_add(1);
                continue;
            }
        };
        let begin = told.get(&name).copied().unwrap_or(from).max(from);
        let about = About {
            domain: &domain,
            period: (begin, until),
            figures: &figures,
            request: &request,
        };
        match about.tell(transfer, &reporter).await? {
            true => done.reports = done.reports.saturating_add(1),
            false => done.failed = done.failed.saturating_add(1),
        }
    }
    Ok(done)
}

/// Until when each domain was told.
async fn told(transfer: &Transfer, from: Timestamp) -> Result<HashMap<String, Timestamp>, Error> {
    let mut told: HashMap<String, Timestamp> = HashMap::new();
    let mut filter = Filter {
        from: Some(from),
        kinds: vec![Kind::DmarcReportSent],
        ..Filter::default()
    };
    loop {
        let wanted = filter.clone();
        let events = transfer
            .store()
            .read(move |sql| event::search(sql, &wanted, PAGE))
            .await?;
        for recorded in &events {
            let until = recorded.event.detail.get("until");
            let until = until.and_then(|until| until.as_str()?.parse().ok());
            if let Some(until) = until {
                let known = told.entry(recorded.event.subject.clone()).or_insert(until);
                *known = until.max(*known);
            }
        }
        match events.last() {
            Some(last) if events.len() == PAGE => filter.after = Some(last.id),
            _ => return Ok(told),
        }
    }
}

/// Of the last `count` days that are over at `now`, in UTC, those about which not all was sent; the oldest first.
///
/// # Errors
/// The store's.
pub async fn last_days(
    transfer: &Transfer,
    now: Timestamp,
    count: u8,
) -> Result<Vec<(Date, (Timestamp, Timestamp))>, Error> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let filter = Filter {
        from: Some(now - SignedDuration::from_hours(24 * i64::from(count.saturating_add(1)))),
        kinds: vec![Kind::DmarcReportsDone],
        ..Filter::default()
    };
    let events = transfer
        .store()
        .read(move |sql| event::search(sql, &filter, PAGE))
        .await?;
    let done: HashSet<&str> = events
        .iter()
        .map(|recorded| recorded.event.subject.as_str())
        .collect();
    let mut days = Vec::new();
    for back in (1..=i64::from(count)).rev() {
        let Ok(day) = today.checked_sub(SignedDuration::from_hours(24 * back)) else {
            continue;
        };
        if done.contains(day.to_string().as_str()) {
            continue;
        }
        if let Some(period) = period(day) {
            days.push((day, period));
        }
    }
    Ok(days)
}

/// From the day's midnight to the next one's.
fn period(day: Date) -> Option<(Timestamp, Timestamp)> {
    let begin = day.to_zoned(TimeZone::UTC).ok()?;
    let end = begin.tomorrow().ok()?;
    Some((begin.timestamp(), end.timestamp()))
}

/// What there is to tell one domain.
struct About<'a> {
    domain: &'a Domain,
    period: (Timestamp, Timestamp),
    figures: &'a Figures,
    request: &'a ReportRequest,
}

impl About<'_> {
    /// Sends the report, or says why not; either way in the commit of the event. Whether it was sent.
    async fn tell(&self, transfer: &Transfer, reporter: &Reporter) -> Result<bool, Error> {
        let report = self.report(transfer, reporter);
        let file = dmarc_report::file_name(transfer.settings().hostname.as_str(), &report);
        let subject = dmarc_report::subject(transfer.settings().hostname.as_str(), &report);
        let id = report.id.clone();
        let generator = concat!("Kakitome ", env!("CARGO_PKG_VERSION"));
        let packed = transfer
            .store()
            .blocking(move || Ok::<_, Error>(packed(report.to_xml(generator).as_bytes())))
            .await?;
        let (factor, of) = BASE64;
        let octets = u64::try_from(packed.len()).unwrap_or(u64::MAX);
        let octets = octets.saturating_mul(factor) / of;
        let (fitting, too_small): (Vec<_>, Vec<_>) = self
            .request
            .places
            .iter()
            .take(MOST_PLACES)
            .partition(|place| octets <= place.most.unwrap_or(u64::MAX).min(reporter.most));
        let names = |places: Vec<&screening::ReportPlace>| {
            let names = places.iter().map(|place| place.address.to_string());
            names.collect::<Vec<_>>()
        };
        let event = self.event().detail("report", id).detail("octets", octets);
        let event = with_list(event, "too_small", names(too_small));
        let event = with_list(
            event,
            "unconfirmed",
            names(self.request.unconfirmed.iter().collect()),
        );
        let to: Vec<Address> = fitting.iter().map(|place| place.address.clone()).collect();
        let mail = ReportMail {
            from: &reporter.contact,
            subject: &subject,
            kind: "multipart/mixed",
            fields: "",
            text: "This is an aggregate report about mail in the name of your domain (RFC 9990).\r\n",
            media_type: "application/gzip",
            file: &file,
            octets: &packed,
        };
        let work = move |tx: &mut Tx<'_>, told: &[Address]| {
            let names: Vec<String> = told.iter().map(ToString::to_string).collect();
            let mut event = event.detail("to", names);
            if told.is_empty() {
                event = event
                    .outcome(Outcome::Failure)
                    .detail("reason", "no address that it names takes this report");
            }
            tx.record(&event, ())
        };
        let make = |told: &[Address]| mail.compose(transfer, told);
        let ((), told) = notice::send_made(transfer, &to, make, work).await?;
        Ok(!told.is_empty())
    }

    fn event(&self) -> Event {
        let (from, until) = self.period;
        let event = Event::new(Kind::DmarcReportSent, Actor::System)
            .subject(self.domain.to_string())
            .detail("from", from.to_string())
            .detail("until", until.to_string())
            .detail("messages", self.figures.messages())
            .detail("rows", self.figures.rows().len());
        match self.figures.left_out {
            0 => event,
            left_out => event.detail("left_out", left_out),
        }
    }

    fn report(&self, transfer: &Transfer, reporter: &Reporter) -> Report {
        let (from, until) = self.period;
        let unique = u64::from_le_bytes(transfer.world().bytes());
        Report {
            organisation: reporter.organisation.clone(),
            contact: reporter.contact.to_string(),
            id: format!("{unique:016x}.{}", self.domain),
            begin: from.as_second(),
            // The end is still part of it.
            end: until.as_second().saturating_sub(1).max(from.as_second()),
            error: None,
            policy: policy(self.domain, &self.request.record),
            rows: self.figures.rows(),
            left_out: self.figures.left_out,
        }
    }
}

fn with_list(event: Event, name: &str, list: Vec<String>) -> Event {
    match list.is_empty() {
        true => event,
        false => event.detail(name, list),
    }
}

fn policy(domain: &Domain, record: &DmarcRecord) -> Policy {
    let word = |published: Published| dmarc_report::Disposition::of(published.as_str());
    Policy {
        domain: domain.to_string(),
        policy: record.policy.and_then(word).unwrap_or_default(),
        below: record.below.and_then(word),
        nonexistent: record.nonexistent.and_then(word),
        strict_dkim: record.strict_dkim,
        strict_spf: record.strict_spf,
        testing: record.testing,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_is_a_day_in_utc() {
        let (begin, end) = period("2026-11-28".parse().unwrap()).unwrap();
        assert_eq!(begin.to_string(), "2026-11-28T00:00:00Z");
        assert_eq!(end.to_string(), "2026-11-29T00:00:00Z");
    }
}
