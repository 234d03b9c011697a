//! Malware from outside: a report of abuse is prepared for whoever runs the server that it came from, and sent once an officer
//! approves (clause 5.2(6); RFC 5965).

use directory::{Person, Role};
use jiff::{SignedDuration, Timestamp};
use message::{
    Address,
    build::{Missing, field},
    feedback::{Feedback, abuse_address, header_of},
    header::format_date,
};
use screening::{Finding, Screened};
use serde::Serialize;
use store::{
    Error, QueueId, Recorded, Tx,
    abuse::{self, Prepared, State},
};
use trail::{Actor, Event, Kind};

use crate::{Transfer, notice};

/// Characters of a reason.
const MOST_REASON: usize = 500;
/// How long a report is kept: what it tells of is of no use to anybody after that.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AbuseError {
    /// The person has no role for it.
    #[error("{0} may not do this: it needs the role of {1}")]
    NotPermitted(String, &'static str),
    /// A reason that is none.
    #[error("the reason must have 1 to {MOST_REASON} characters")]
    Reason,
    /// There is no such report.
    #[error("no report is prepared about {0}")]
    NoSuch(QueueId),
    /// Somebody decided already.
    #[error("it was decided already what becomes of the report about {0}")]
    Decided(QueueId),
    /// Nobody knows whom to tell.
    #[error("nobody is shown to have sent it, so there is no contact: name one with --to")]
    NoContact,
    /// The contact is at no server that can be found.
    #[error("mail to {0} has nowhere to go")]
    Nowhere(Address),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A report, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct ReportView {
    /// The message's id.
    pub message: String,
    /// When it came.
    pub at: Timestamp,
    /// The address it came from.
    pub source: String,
    /// That address's confirmed name.
    pub reverse_name: String,
    /// Who is shown to have sent it.
    pub domain: String,
    /// The envelope's sender.
    pub sender: String,
    /// What a scanner calls it.
    pub malware: String,
    /// Whom the report would go to, or went to.
    pub contact: Option<String>,
    /// `open`, `sent` or `dropped`.
    pub state: &'static str,
    /// The message's header; only where one report is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// The report about a message from outside with what a scanner knows as malware; `None`: it is none.
pub(crate) fn prepared(
    transfer: &Transfer,
    (id, screened): (QueueId, &Screened),
    raw: &[u8],
) -> Option<Prepared> {
    let evidence = &screened.evidence;
    let malware = transfer
        .settings()
        .policy()
        .malware
        .known(evidence.malware.as_ref()?)?;
    Some(Prepared {
        message: id,
        at: transfer.store().now(),
        source: evidence.peer.to_canonical().to_string(),
        // Whoever has an address may call it what he likes; a name counts that leads back to it.
        reverse_name: match evidence.iprev.result {
            Finding::Pass => evidence.iprev.name.clone().unwrap_or_default(),
            _ => String::new(),
        },
        domain: evidence.responsible().unwrap_or_default().to_owned(),
        sender: evidence.sender.clone().unwrap_or_default(),
        malware,
        header: header_of(raw),
    })
}

/// Whose server it came from: the domain that is shown to have sent it, or else the one that the server's name is in.
fn contact(report: &Prepared) -> Option<Address> {
    if !report.domain.is_empty() {
        return abuse_address(&report.domain);
    }
    let (_, domain) = report.reverse_name.split_once('.')?;
    domain.contains('.').then(|| abuse_address(domain))?
}

fn view(report: &Prepared, state: &State, header: bool) -> ReportView {
    let (word, to) = match state {
        State::Open => ("open", contact(report).map(|to| to.to_string())),
        State::Sent(to) => ("sent", Some(to.clone())),
        State::Dropped => ("dropped", None),
    };
    ReportView {
        message: report.message.to_string(),
        at: report.at,
        source: report.source.clone(),
        reverse_name: report.reverse_name.clone(),
        domain: report.domain.clone(),
        sender: report.sender.clone(),
        malware: report.malware.clone(),
        contact: to,
        state: word,
        header: header.then(|| report.header.clone()),
    }
}

/// All reports that are prepared, sent or dropped, the newest first.
///
/// # Errors
/// [`AbuseError`].
pub async fn list(transfer: &Transfer, caller: &Person) -> Result<Vec<ReportView>, AbuseError> {
    may_look(caller)?;
    let all = transfer
        .store()
        .read(|snapshot| abuse::all(snapshot))
        .await?;
    Ok(all
        .iter()
        .map(|(report, state)| view(report, state, false))
        .collect())
}

/// One of them, with the header of the message that it tells of.
///
/// # Errors
/// [`AbuseError`].
pub async fn show(
    transfer: &Transfer,
    caller: &Person,
    message: QueueId,
) -> Result<ReportView, AbuseError> {
    may_look(caller)?;
    let (report, state) = one(transfer, message).await?;
    Ok(view(&report, &state, true))
}

async fn one(transfer: &Transfer, message: QueueId) -> Result<(Prepared, State), AbuseError> {
    let read = move |snapshot: &mut store::Snapshot<'_>| abuse::one(snapshot, message);
    let found = transfer.store().read(read).await?;
    found.ok_or(AbuseError::NoSuch(message))
}

/// Approves an open report and sends it, to `to` or else to the contact that was found, in one commit.
///
/// # Errors
/// [`AbuseError`]: then nothing has happened.
pub async fn send(
    transfer: &Transfer,
    caller: &Person,
    (message, to): (QueueId, Option<Address>),
    reason: &str,
) -> Result<ReportView, AbuseError> {
    may_decide(caller)?;
    let reason = checked(reason)?;
    let (report, state) = one(transfer, message).await?;
    if state != State::Open {
        return Err(AbuseError::Decided(message));
    }
    let to = to
        .or_else(|| contact(&report))
        .ok_or(AbuseError::NoContact)?;
    let event = event(Kind::AbuseReportSent, caller, &report, &reason).detail("to", to.to_string());
    let sent = State::Sent(to.to_string());
    let done = sent.clone();
    let nowhere = to.clone();
    let work = move |tx: &mut Tx<'_>, told: &[Address]| -> Result<Recorded<()>, AbuseError> {
        if told.is_empty() {
            return Err(AbuseError::Nowhere(nowhere));
        }
        if !abuse::close(tx, message, &sent)? {
            return Err(AbuseError::Decided(message));
        }
        Ok(tx.record(&event, ())?)
    };
    let make = |told: &[Address]| compose(transfer, &report, told);
    notice::send_made(transfer, &[to], make, work).await?;
    Ok(view(&report, &done, false))
}

/// Decides that nothing is to be sent.
///
/// # Errors
/// [`AbuseError`].
pub async fn drop_report(
    transfer: &Transfer,
    caller: &Person,
    message: QueueId,
    reason: &str,
) -> Result<(), AbuseError> {
    may_decide(caller)?;
    let reason = checked(reason)?;
    let (report, _) = one(transfer, message).await?;
    let event = event(Kind::AbuseReportDropped, caller, &report, &reason);
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, AbuseError> {
        if !abuse::close(tx, message, &State::Dropped)? {
            return Err(AbuseError::Decided(message));
        }
        Ok(tx.record(&event, ())?)
    };
    transfer.store().commit(Vec::new(), work).await?;
    Ok(())
}

/// Forgets reports that are a month old; returns how many.
///
/// # Errors
/// The store's.
pub async fn forget(transfer: &Transfer) -> Result<u64, Error> {
    let store = transfer.store();
    let before = store.now() - KEPT;
    if !store
        .read(move |snapshot| abuse::is_due(snapshot, before))
        .await?
    {
        return Ok(0);
    }
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<u64>, Error> {
        let gone = abuse::forget(tx, before)?;
        let event = Event::new(Kind::AbuseReportsForgotten, Actor::System).detail("count", gone);
        tx.record(&event, gone)
    };
    Ok(store.commit(Vec::new(), work).await?.value)
}

fn event(kind: Kind, caller: &Person, report: &Prepared, reason: &str) -> Event {
    caller
        .by()
        .event(kind)
        .subject(report.message.to_string())
        .detail("source", report.source.as_str())
        .detail("malware", report.malware.as_str())
        .detail("reason", reason)
}

fn may_look(caller: &Person) -> Result<(), AbuseError> {
    match caller.has(Role::Administrator) {
        true => Ok(()),
        false => may_decide(caller)
            .map_err(|_| AbuseError::NotPermitted(caller.name.clone(), "administrator")),
    }
}

fn may_decide(caller: &Person) -> Result<(), AbuseError> {
    match caller.has(Role::SecurityOfficer) {
        true => Ok(()),
        false => Err(AbuseError::NotPermitted(
            caller.name.clone(),
            "security-officer",
        )),
    }
}

fn checked(reason: &str) -> Result<String, AbuseError> {
    let reason = reason.trim();
    let fits = !reason.is_empty() && reason.chars().count() <= MOST_REASON;
    match fits && !reason.chars().any(char::is_control) {
        true => Ok(reason.to_owned()),
        false => Err(AbuseError::Reason),
    }
}

/// multipart/report of the type feedback-report: words, fields for programs, and the header of what is reported, never the malware.
fn compose(transfer: &Transfer, report: &Prepared, to: &[Address]) -> Vec<u8> {
    let (settings, world) = (transfer.settings(), transfer.world());
    let unique = format!("{:032x}", u128::from_le_bytes(world.bytes()));
    let missing = |at| Missing {
        at,
        offset_minutes: 0,
        unique: &unique,
        domain: &settings.hostname,
    };
    let names: Vec<String> = to.iter().map(Address::to_string).collect();
    let arrival = format_date(report.at, 0);
    let domain = match report.domain.as_str() {
        "" => report.reverse_name.as_str(),
        domain => domain,
    };
    let feedback = Feedback {
        user_agent: concat!("Kakitome/", env!("CARGO_PKG_VERSION")),
        reporting_mta: &settings.hostname,
        source: &report.source,
        sender: &report.sender,
        domain,
        arrival: &arrival,
        malware: &report.malware,
    };
    let mut raw = String::new();
    raw.push_str(&field("From", &format!("postmaster@{}", settings.hostname)));
    raw.push_str(&field("To", &names.join(", ")));
    raw.push_str(&field(
        "Subject",
        &format!("Malware from {} (abuse report)", report.source),
    ));
    raw.push_str(&field("MIME-Version", "1.0"));
    // Words of ours only, and a number that nobody knew before: the boundary stands nowhere else.
    let boundary = format!("=_{unique}");
    raw.push_str(&field(
        "Content-Type",
        &format!("multipart/report; report-type=feedback-report; boundary=\"{boundary}\""),
    ));
    raw.push_str(&missing(world.now()).fields_for(b"\r\n"));
    let words = format!(
        "A message with malware ({}) came to {} from {} at {}.\r\nIt was not delivered. Please look into the server that sent it.\r\n\
         The header of the message is attached; the message itself is not.\r\n",
        report.malware, settings.hostname, report.source, arrival
    );
    for (kind, body) in [
        ("text/plain; charset=us-ascii", words.as_str()),
        ("message/feedback-report", feedback.to_fields().as_str()),
        ("text/rfc822-headers", report.header.as_str()),
    ] {
        raw.push_str("\r\n--");
        raw.push_str(&boundary);
        raw.push_str("\r\n");
        raw.push_str(&field("Content-Type", kind));
        raw.push_str("\r\n");
        // RFC 5965, section 3, and RFC 6522, section 4: 7-bit.
        raw.extend(body.chars().map(|c| if c.is_ascii() { c } else { '?' }));
    }
    raw.push_str("\r\n--");
    raw.push_str(&boundary);
    raw.push_str("--\r\n");
    raw.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_shown_to_have_sent_it_is_told_or_whose_server_it_is() {
        let report = |domain: &str, reverse_name: &str| {
            let report = Prepared {
                message: QueueId(1),
                at: Timestamp::UNIX_EPOCH,
                source: "192.0.2.1".to_owned(),
                reverse_name: reverse_name.to_owned(),
                domain: domain.to_owned(),
                sender: String::new(),
                malware: "Bad.Thing".to_owned(),
                header: String::new(),
            };
            contact(&report).map(|to| to.to_string())
        };
        assert_eq!(
            report("a.example", "mx.b.example").as_deref(),
            Some("abuse@a.example")
        );
        assert_eq!(
            report("", "mx.b.example").as_deref(),
            Some("abuse@b.example")
        );
        assert_eq!(report("", "mx.example"), None);
        assert_eq!(report("", ""), None);
    }
}
