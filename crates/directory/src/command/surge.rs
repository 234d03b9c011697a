//! `incident step N mail-released | rejected`: what is done about submissions that were held since they were many times what is usual for
//! their identifier ([`crate::submission`]).

use serde_json::json;
use store::{
    event::DETAIL_LIMIT,
    queue::{self, Selection, State},
};
use trail::{Event, Kind};

use super::{
    Caller, CommandError,
    account::{MOST_REASON, present},
    incident::{self, IncidentKind, IncidentView, Step},
    opening, plain_text,
};
use crate::{
    Role, submission,
    tables::incident::{self as table, Entry},
};

/// The step by which held mail goes out.
pub const RELEASED: &str = "mail-released";
const MAY_DECIDE: &[Role] = &[Role::SecurityOfficer];
const SURGE: &str = IncidentKind::SubmissionSurge.as_str();
const CREDENTIAL: &str = IncidentKind::Credential.as_str();

/// It is in order: what the identifier submitted since, and is held, goes out, what follows is not held, and for the time that the
/// site has set nothing is compared with the habit. Refused while the identifier is suspended.
///
/// # Errors
/// [`CommandError`].
pub async fn release(
    caller: &Caller,
    number: i64,
    note: &str,
) -> Result<IncidentView, CommandError> {
    let words = format!("incident step {number} {RELEASED}");
    let options = caller.directory.options();
    let note = note.to_owned();
    let work = caller.change(&words, MAY_DECIDE, move |tx, me| {
        let note = incident::said(&note)?;
        let entry = undecided(tx, number)?;
        let account = present(tx, &options, entry.identifier())?;
        if account.suspended_at.is_some() {
            return Err(CommandError::State(format!(
                "{} is suspended: what it submitted stays held until it is resumed",
                account.identifier
            )));
        }
        let held = Selection {
            identifier: Some(account.identifier.clone()),
            queued_from: Some(entry.since),
            state: Some(State::Held),
            ..Selection::default()
        };
        let mut events: Vec<Event> = Vec::new();
        for one in queue::named(tx, &held)? {
            let event = me
                .event(Kind::QueueReleased, one.id.to_string())
                .detail("incident", number)
                .detail("sender", one.sender.unwrap_or_else(|| "<>".to_owned()));
            events.extend(event.in_parts(DETAIL_LIMIT, vec![("recipients", one.recipients)]));
        }
        queue::set_state(tx, &held, State::Waiting)?;
        let jump = options.submission.jump;
        let until = submission::decided(tx, account.id, jump, Some(entry.since))?;
        let step = incident::take(tx, me, number, Step::QueueSettled.as_str(), &note)?;
        events.push(step.detail("excused_until", until.to_string()));
        Ok((incident::view_of(tx, number)?, events))
    });
    caller.run(&words, work).await
}

/// It is not in order: the identifier is suspended everywhere, by an incident of its own (clause 4.1), unless one is open. What is held
/// stays held until it is returned or discarded, and the step `queue-settled` is taken. Returns both incidents.
///
/// # Errors
/// [`CommandError`].
pub async fn reject(
    caller: &Caller,
    number: i64,
    note: &str,
) -> Result<(IncidentView, Option<IncidentView>), CommandError> {
    let words = format!("incident step {number} {}", Step::Rejected.as_str());
    let options = caller.directory.options();
    let note = note.to_owned();
    let work = caller.change(&words, MAY_DECIDE, move |tx, me| {
        let note = plain_text("the note on what is not in order", &note, MOST_REASON)?;
        let entry = undecided(tx, number)?;
        let account = present(tx, &options, entry.identifier())?;
        let step = incident::take(tx, me, number, Step::Rejected.as_str(), &note)?;
        let open = table::open_of(tx, account.id)?;
        let mut events = vec![step];
        let opened = match open.iter().any(|open| open.kind == CREDENTIAL) {
            true => None,
            false => {
                let (opened, more) =
                    opening::carry_out(tx, me, &account, (&note, &json!({})), Some(entry.since))?;
                events.extend(more);
                Some(opened)
            }
        };
        Ok(((incident::view_of(tx, number)?, opened), events))
    });
    caller.run(&words, work).await
}

/// The incident, if it is one about submissions that nobody decided about yet.
fn undecided(sql: &mut dyn store::sql::Sql, number: i64) -> Result<Entry, CommandError> {
    let entry = incident::still_open(sql, number)?.entry;
    if entry.kind != SURGE {
        return Err(CommandError::State(format!(
            "incident {number} ({}) is not about submissions that are held: its mail is settled by the commands of `queue`",
            entry.kind
        )));
    }
    for step in [Step::QueueSettled, Step::Rejected] {
        if incident::taken(sql, number, step)? {
            return Err(CommandError::State(format!(
                "incident {number} is decided: the step {} was taken",
                step.as_str()
            )));
        }
    }
    Ok(entry)
}
