//! Reports to others: by mail, and by HTTPS (RFC 8460, section 5).

use std::{collections::BTreeMap, time::Duration};

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use message::{
    Address, Domain,
    build::field,
    tls_report::{self, Applied, Detail, Failure, HttpsPlace, PACKED, Policy, Report, Request},
};
use store::{
    BodyId, Error, Tx,
    tls_report::{Counted, domains, forget, forget_seen, note_mail, of, told},
};
use trail::{Actor, Event, Kind, Outcome};

use super::Reporter;
use crate::{
    Answer, Settings, Transfer,
    https::{Ask, Https},
    notice, parcel,
    report_mail::ReportMail,
    unpack::packed,
};

/// Domains that are read at a time.
const PAGE: usize = 500;
/// Places of one kind of one record that get the report.
const MOST_PLACES: usize = 5;
/// Time for handing a report over.
const TIME: Duration = Duration::from_secs(60);
/// Octets of an answer to a report that was handed over; nobody reads it.
const MOST_ANSWER: usize = 64 * 1024;
/// How long it is remembered which reports came.
const SEEN: SignedDuration = SignedDuration::from_hours(24 * 60);

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Reports that were sent.
    pub reports: usize,
    /// Domains that want a report and could not be told.
    pub failed: usize,
    /// Domains that could not be asked what they want, or whose servers did not take the report: they are to be tried again.
    pub unknown: usize,
}

/// The days that are over at `now` of which sessions are kept, counted from 1970, the oldest first.
///
/// # Errors
/// The store's.
pub async fn due_days(transfer: &Transfer, now: Timestamp) -> Result<Vec<i64>, Error> {
    let today = store::tls_report::day(now);
    transfer
        .store()
        .read(move |sql| store::tls_report::days(sql, today))
        .await
}

/// Tells every domain that wants to know how the sessions of a day with its servers came out. `until` is the end of the time that is
/// told of. Does nothing where the site does not report.
///
/// # Errors
/// The store's: what was sent stays so, and the rest is for the next round.
pub async fn send(transfer: &Transfer, day: i64, until: Timestamp) -> Result<Sent, Error> {
    let settings = transfer.settings();
    let Some(reporter) = settings.tls_reports.reporter.clone() else {
        return Ok(Sent::default());
    };
    let _alone = transfer.reporting().lock().await;
    let (mut done, mut after) = (Sent::default(), String::new());
    loop {
        let from = after.clone();
        let page = transfer
            .store()
            .read(move |sql| domains(sql, day, &from, PAGE))
            .await?;
        for name in &page {
            let Ok(domain) = Domain::parse(name) else {
                tracing::error!(
                    name,
                    "sessions of what is no domain; `verify` tells of them"
                );
                continue;
            };
            let about = About {
                transfer,
                settings: &settings,
                reporter: &reporter,
                domain: &domain,
                day,
                until,
            };
            let count = match about.tell().await? {
                Told::Nobody => continue,
                Told::Sent => &mut done.reports,
                Told::Failed => &mut done.failed,
                Told::Again => &mut done.unknown,
            };
            *count = count.saturating_add(1);
        }
        match page.last() {
            Some(last) if page.len() == PAGE => last.clone_into(&mut after),
            _ => return Ok(done),
        }
    }
}

/// Ends a day: what is left of it, and of days before it, is forgotten. `why`: why it is not tried again although not all is told.
///
/// # Errors
/// The store's.
pub async fn finish(
    transfer: &Transfer,
    day: i64,
    sent: Sent,
    why: Option<&str>,
) -> Result<(), Error> {
    let event = Event::new(Kind::TlsReportsDone, Actor::System)
        .subject(date(begin_of(day)))
        .detail("reports", sent.reports)
        .detail("failed", sent.failed.saturating_add(sent.unknown));
    let event = match why {
        Some(why) => event.outcome(Outcome::Failure).detail("reason", why),
        None => event,
    };
    parcel::commit(transfer.store(), Vec::new(), move |tx| {
        let forgotten = forget(tx, day)?;
        forget_seen(tx, tx.now() - SEEN)?;
        tx.record(&event.detail("forgotten", forgotten), ())
    })
    .await
}

fn begin_of(day: i64) -> Timestamp {
    Timestamp::from_second(day.saturating_mul(86_400)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// What became of one domain.
enum Told {
    /// It asks for nothing.
    Nobody,
    Sent,
    Failed,
    /// It is to be tried again.
    Again,
}

/// What there is to tell one domain.
struct About<'a> {
    transfer: &'a Transfer,
    settings: &'a Settings,
    reporter: &'a Reporter,
    domain: &'a Domain,
    day: i64,
    until: Timestamp,
}

impl About<'_> {
    async fn tell(&self) -> Result<Told, Error> {
        let domain = self.domain;
        let name = format!("_smtp._tls.{domain}");
        let request = match self.transfer.resolver().txt(&name).await {
            Answer::Found(texts) => Request::of(&texts),
            Answer::NoName | Answer::NoRecords => None,
            Answer::Temporary(why) => {
                tracing::warn!(%domain, why, "a report about TLS has to wait");
                return Ok(Told::Again);
            }
        };
        let Some(request) = request else {
            return Ok(Told::Nobody);
        };
        let (day, name) = (self.day, domain.clone());
        let read = self.transfer.store().read(move |sql| of(sql, day, &name));
        let counted = match read.await {
            Ok(counted) => counted,
            Err(error @ Error::Corrupt(_)) => {
                tracing::error!(%domain, %error, "a domain gets no report about TLS");
                return Ok(Told::Failed);
            }
            Err(error) => return Err(error),
        };
        if counted.is_empty() {
            return Ok(Told::Nobody);
        }
        let report = self.report(&counted);
        let json = report.to_json();
        let packed = self
            .transfer
            .store()
            .blocking(move || Ok::<_, Error>(packed(json.as_bytes())))
            .await?;
        self.hand(&request, &counted, &report, packed).await
    }

    /// Hands the report to those who want it, and takes what it tells of out of the store in the commit of the event.
    async fn hand(
        &self,
        request: &Request,
        counted: &[Counted],
        report: &Report,
        packed: Vec<u8>,
    ) -> Result<Told, Error> {
        let octets = u64::try_from(packed.len()).unwrap_or(u64::MAX);
        let fits = octets <= self.reporter.most;
        let (mut handed, mut refused) = (Vec::new(), Vec::new());
        let places = request.https.iter().take(MOST_PLACES).filter(|_| fits);
        for place in places {
            let url = format!("https://{}{}", place.host, place.path);
            match self.post(place, &packed).await {
                Ok(()) => handed.push(url),
                Err(why) => refused.push(format!("{url}: {why}")),
            }
        }
        let to: Vec<Address> = match fits {
            true => request.mail.iter().take(MOST_PLACES).cloned().collect(),
            false => Vec::new(),
        };
        if to.is_empty() && handed.is_empty() && !refused.is_empty() {
            let why = refused.join("; ");
            tracing::warn!(domain = %self.domain, why, "nobody took a report about TLS; it is tried again");
            return Ok(Told::Again);
        }
        let event = self
            .event(report)
            .detail("octets", octets)
            .detail("handed", handed.clone());
        let event = match refused.is_empty() {
            true => event,
            false => event.detail("refused", refused),
        };
        let none = match fits {
            true => "no place that its record names can be told",
            false => "the report is larger than [tls_reports] size",
        };
        let (day, counted) = (self.day, counted.to_vec());
        let nobody = handed.is_empty();
        let work = move |tx: &mut Tx<'_>, names: &[Address], body: Option<BodyId>| {
            told(tx, day, &counted)?;
            if let Some(body) = body {
                note_mail(tx, body)?;
            }
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let failed = names.is_empty() && nobody;
            let mut event = event.detail("to", names);
            if failed {
                event = event.outcome(Outcome::Failure).detail("reason", none);
            }
            tx.record(&event, failed)
        };
        let make = |names: &[Address]| self.mail(report, &packed).compose(self.transfer, names);
        let (failed, _) = notice::send_all(self.transfer, &to, make, work).await?;
        Ok(if failed { Told::Failed } else { Told::Sent })
    }

    async fn post(&self, place: &HttpsPlace, packed: &[u8]) -> Result<(), String> {
        let request = Https {
            host: &place.host,
            path: &place.path,
            ask: Ask::Post(PACKED, Bytes::copy_from_slice(packed)),
            most: MOST_ANSWER,
            time: TIME,
        };
        let answered = request.answer(self.transfer, self.settings).await;
        let answered = answered.map_err(|error| error.why)?;
        // RFC 8460, section 5.4: any success will do.
        match answered.status.is_success() {
            true => Ok(()),
            false => Err(format!("it answered {}", answered.status)),
        }
    }

    fn mail<'m>(&'m self, report: &'m Report, packed: &'m [u8]) -> Mail<'m> {
        let (host, domain) = (self.settings.hostname.as_str(), self.domain.as_str());
        let fields = [
            ("TLS-Report-Domain", domain),
            ("TLS-Report-Submitter", host),
        ];
        Mail {
            subject: tls_report::subject(host, domain, report),
            file: tls_report::file_name(host, domain, report),
            fields: fields.map(|(name, value)| field(name, value)).concat(),
            from: &self.reporter.contact,
            octets: packed,
        }
    }

    fn event(&self, report: &Report) -> Event {
        let sum = |failed_alone: bool| {
            report.policies.iter().fold(0_u64, |sum, applied| {
                let successes = if failed_alone { 0 } else { applied.successes };
                sum.saturating_add(applied.failures)
                    .saturating_add(successes)
            })
        };
        Event::new(Kind::TlsReportSent, Actor::System)
            .subject(self.domain.to_string())
            .detail("from", report.begin.to_string())
            .detail("until", report.end.to_string())
            .detail("report", report.id.clone())
            .detail("sessions", sum(false))
            .detail("failed", sum(true))
    }

    fn report(&self, counted: &[Counted]) -> Report {
        let begin = begin_of(self.day);
        let policies = policies(counted);
        let mut report = Report {
            organisation: self.reporter.organisation.clone(),
            contact: self.reporter.contact.to_string(),
            id: String::new(),
            begin,
            // The end is still part of it.
            end: (self.until - SignedDuration::from_secs(1)).max(begin),
            policies,
            left_out: 0,
        };
        // Of what it says: one that is sent again after a crash has the same id, so that it counts once.
        let digest = digest::digest(&digest::SHA256, report.to_json().as_bytes());
        let name: String = HEXLOWER.encode(digest.as_ref()).chars().take(24).collect();
        report.id = format!("{name}.{}@{}", date(begin), self.settings.hostname);
        report
    }
}

/// The sessions by policy, in the standard's form.
fn policies(counted: &[Counted]) -> Vec<Applied> {
    let mut all: BTreeMap<&Policy, Applied> = BTreeMap::new();
    for one in counted {
        let session = &one.session;
        let applied = all.entry(&session.policy).or_insert_with(|| Applied {
            policy: session.policy.clone(),
            ..Applied::default()
        });
        let Some(failure) = session.failure else {
            applied.successes = applied.successes.saturating_add(one.sessions);
            continue;
        };
        applied.failures = applied.failures.saturating_add(one.sessions);
        applied.details.push(Detail {
            result: Failure::as_str(failure).to_owned(),
            from: session.source.map(|ip| ip.to_string()),
            mx: (!session.mx.is_empty()).then(|| session.mx.clone()),
            to: session.peer.map(|ip| ip.to_string()),
            sessions: one.sessions,
            reason: (!session.reason.is_empty()).then(|| session.reason.clone()),
        });
    }
    all.into_values().collect()
}

/// The message's parts that are made for it.
struct Mail<'a> {
    subject: String,
    file: String,
    fields: String,
    from: &'a Address,
    octets: &'a [u8],
}

impl Mail<'_> {
    fn compose(&self, transfer: &Transfer, to: &[Address]) -> Vec<u8> {
        let mail = ReportMail {
            from: self.from,
            subject: &self.subject,
            kind: "multipart/report; report-type=\"tlsrpt\"",
            fields: &self.fields,
            text: "This is an aggregate report about TLS with the servers of your domain (RFC 8460).\r\n",
            media_type: PACKED,
            file: &self.file,
            octets: self.octets,
        };
        mail.compose(transfer, to)
    }
}
