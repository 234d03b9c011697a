//! `screening`: what was found about a message from outside, and why it was taken or not. It is in the trail, so those who may
//! search the trail may ask (clause 8.2(1)a), and asking is an event.

use ::screening::{Policy, Screened};
use directory::{Person, Role};
use serde_json::{Value, json};
use store::{
    QueueId,
    event::{self, Filter},
};
use trail::{Kind, Recorded};

use super::{Answer, Failure, audit, learning, need, trying};
use crate::{canary, cli::ScreeningCommand, control::Request, site::Site};

/// Events of one message: a message with many recipients is told in parts, each with all of the evidence.
const FIRST: usize = 1;

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    command: ScreeningCommand,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match &command {
        ScreeningCommand::Learn(_) => need(caller, &[Role::Administrator])?,
        ScreeningCommand::Memory => need(caller, &[Role::Administrator, Role::SecurityOfficer])?,
        _ => need(caller, audit::READERS)?,
    }
    match command {
        ScreeningCommand::Try(words) => trying::run(site, caller, &words, request, answer).await,
        ScreeningCommand::Policies { digest } => {
            trying::policies(site, digest.as_deref(), answer).await
        }
        ScreeningCommand::Learn(words) => learning::learn(site, caller, &words, answer).await,
        ScreeningCommand::Memory => learning::memory(site, answer).await,
        ScreeningCommand::Explain { id } => explain(site, caller, &id, answer).await,
        ScreeningCommand::Canary => send_canary(site, answer).await,
    }
}

/// The kinds of events that tell of screening.
pub(super) const SCREENED: [Kind; 4] = [
    Kind::TransactionAccepted,
    Kind::TransactionRefused,
    Kind::SubmissionAccepted,
    Kind::SubmissionRefused,
];

async fn send_canary(site: &Site, answer: &mut Answer) -> Result<(), Failure> {
    let outcome = canary::send(site).await?;
    answer.row(&outcome.to_json()).await?;
    match outcome.is_caught() {
        true => Ok(()),
        false => Err(Failure::Failed(outcome.words())),
    }
}

async fn explain(
    site: &Site,
    caller: &Person,
    id: &str,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let id: QueueId = id
        .parse()
        .map_err(|error| Failure::Words(format!("{id:?} is {error}")))?;
    let subject = id.to_string();
    // Before anything is shown, the trail knows that it was read.
    let reading = caller.by().event(Kind::TrailRead).detail(
        "filter",
        json!({ "subject": subject, "kinds": SCREENED.map(Kind::as_str) }),
    );
    site.record(reading).await?;
    let filter = Filter {
        subject: Some(subject.clone()),
        kinds: SCREENED.to_vec(),
        ..Filter::default()
    };
    let events = site
        .store
        .read(move |snapshot| event::search(snapshot, &filter, FIRST))
        .await?;
    let Some(event) = events.first() else {
        return Err(Failure::Refused(format!(
            "the trail knows no message with the id {subject} that came in here"
        )));
    };
    let Some(found) = event.event.detail.get("screening") else {
        return Err(Failure::Refused(format!(
            "{subject} was not screened: [screening] and its scanners were off, or the mail came from an exchange server of this site"
        )));
    };
    let Some(screened) = Screened::from_json(found) else {
        return Err(Failure::Failed(format!(
            "the evidence of {subject} is not whole in the trail"
        )));
    };
    answer.row(&shown(site, event, &screened)?).await
}

/// What was found and decided then, and what would be decided today.
fn shown(site: &Site, recorded: &Recorded, screened: &Screened) -> Result<Value, Failure> {
    let event = &recorded.event;
    let settings = site.settings();
    let asked = settings.screening_settings().map_err(Failure::Failed)?;
    let policy = match asked {
        Some(asked) => Some(asked.policy),
        // Of submissions it is not asked who they are from, whatever is asked of other mail.
        None => (!screened.evidence.authentication).then(|| Policy {
            malware: settings.screening.malware.policy(),
            engines: settings.screening.engine_policy(),
            ..Policy::default()
        }),
    };
    let today = policy.map(|policy| policy.judge(&screened.evidence));
    let is_same = today.as_ref().map(|today| {
        (today.handling, today.because) == (screened.verdict.handling, screened.verdict.because)
    });
    Ok(json!({
        "id": event.subject,
        "at": recorded.at,
        "event": recorded.id,
        "address": event.address,
        "sender": event.detail.get("sender"),
        "reply": event.detail.get("reply"),
        "evidence": screened.evidence,
        "verdict": screened.verdict,
        "today": today,
        "same_today": is_same,
    }))
}
