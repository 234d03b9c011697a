//! Submissions that are many times what is usual for their identifier: they are held, with all that follows, until an officer decides.

use serde_json::{Value, json};
use store::{
    Error, Tx,
    queue::{self, Selection, State},
};
use trail::{Actor, Event, Kind};

use super::{HABIT, Jump, Submitted, begin_of};
use crate::{
    alarm,
    command::incident::IncidentKind,
    isolation::{self, Cause},
    tables::{
        incident::{self as incidents, New},
        submitted::{self as table, Hold, Hour},
    },
};

/// Messages that an incident shows.
const SAMPLES: usize = 10;
/// Recipients that one of them shows.
const MOST_NAMED: usize = 5;
/// Characters of a text in a sample.
const MOST_TEXT: usize = 255;

/// Looks whether `this` hour, with the message that is being taken, is a jump over the habit, and holds what was submitted in it.
pub(super) fn look(
    tx: &mut Tx<'_>,
    jump: &Jump,
    submitted: &Submitted,
    this: Hour,
) -> Result<Vec<Event>, Error> {
    let is_many = this.messages > jump.messages || this.recipients > jump.recipients;
    if !is_many {
        return Ok(Vec::new());
    }
    let usual = match this.usual {
        Some(usual) => usual,
        None => usual(tx, submitted, this.hour)?,
    };
    if !is_jump(jump, (this.messages, this.recipients), usual) {
        return Ok(Vec::new());
    }
    open(tx, submitted, this, usual)
}

/// What was usual when the hour began: the hours before it do not change any more, so it is asked for once.
fn usual(tx: &mut Tx<'_>, submitted: &Submitted, hour: i64) -> Result<(u64, u64), Error> {
    let from = hour.saturating_sub(HABIT);
    let hours = table::habit(tx, submitted.account, (from, hour))?;
    let (messages, recipients): (Vec<u64>, Vec<u64>) = hours.into_iter().unzip();
    let usual = (most_hours(messages), most_hours(recipients));
    table::keep_usual(tx, submitted.account, hour, usual)?;
    Ok(usual)
}

/// The 90th percentile (nearest rank); 0 of nothing.
fn most_hours(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    let rank = counts.len().saturating_mul(9).div_ceil(10);
    counts.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Over the floor and over the factor, in messages or in recipients.
fn is_jump(jump: &Jump, now: (u64, u64), usual: (u64, u64)) -> bool {
    let over =
        |now: u64, floor: u64, usual: u64| now > floor && now > usual.saturating_mul(jump.factor);
    over(now.0, jump.messages, usual.0) || over(now.1, jump.recipients, usual.1)
}

fn open(
    tx: &mut Tx<'_>,
    submitted: &Submitted,
    this: Hour,
    usual: (u64, u64),
) -> Result<Vec<Event>, Error> {
    let kind = IncidentKind::SubmissionSurge.as_str();
    let since = begin_of(this.hour);
    let reason = format!(
        "{} messages to {} recipients in an hour, where {} to {} are usual",
        this.messages, this.recipients, usual.0, usual.1
    );
    let facts = json!({
        "messages": this.messages,
        "recipients": this.recipients,
        "usual_messages": usual.0,
        "usual_recipients": usual.1,
        "samples": samples(tx, submitted, since)?,
    });
    let new = New {
        kind: IncidentKind::SubmissionSurge,
        account: Some(submitted.account),
        address: None,
        reason: &reason,
        facts: &facts.to_string(),
        since,
        opened_by: None,
    };
    let (number, book) = incidents::insert(tx, &new)?;
    tx.touch(store::Topic::Directory);
    let opened = Event::new(Kind::IncidentOpened, Actor::System)
        .subject(number.to_string())
        .address(submitted.peer)
        .detail("incident_kind", kind)
        .detail("identifier", submitted.identifier.as_str())
        .detail("reason", reason.as_str())
        .detail("since", since.to_string())
        .detail("facts", facts);
    let mut events = vec![alarm::by(opened, book)];
    let cause = Cause {
        by: Actor::System.into(),
        incident: number,
        reason: &reason,
    };
    isolation::hold(tx, &submitted.identifier, &cause, Some(since), &mut events)?;
    hold_what_follows(tx, submitted.account, number)?;
    table::set_apart(tx, submitted.account, this.hour)?;
    Ok(events)
}

/// What the account submits from now on is held for the incident.
pub(crate) fn hold_what_follows(
    tx: &mut Tx<'_>,
    account: store::AccountId,
    incident: i64,
) -> Result<(), Error> {
    let hold = Hold {
        incident: Some(incident),
        excused_until: None,
    };
    table::put_hold(tx, account, hold)
}

/// Some of what is about to be held.
fn samples(
    tx: &mut Tx<'_>,
    submitted: &Submitted,
    since: jiff::Timestamp,
) -> Result<Vec<Value>, Error> {
    let selection = Selection {
        identifier: Some(submitted.identifier.clone()),
        queued_from: Some(since),
        state: Some(State::Waiting),
        ..Selection::default()
    };
    let cut = |text: &str| text.chars().take(MOST_TEXT).collect::<String>();
    let queued = queue::select(tx, &selection, SAMPLES)?;
    let samples = queued.into_iter().map(|queued| {
        let to = queued.recipients.iter().take(MOST_NAMED);
        let to: Vec<String> = to
            .map(|one| cut(&one.recipient.address.to_string()))
            .collect();
        json!({
            "at": queued.queued_at.to_string(),
            "id": queued.message.id.to_string(),
            "message_id": cut(&queued.message.message_id),
            "recipients": to,
        })
    });
    Ok(samples.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_what_nine_of_ten_hours_stay_within() {
        assert_eq!(most_hours(Vec::new()), 0);
        assert_eq!(most_hours(vec![7]), 7);
        assert_eq!(most_hours((1..=10).rev().collect()), 9);
        // One hour of many thousands is no habit.
        let mut counts = vec![10; 19];
        counts.push(5000);
        assert_eq!(most_hours(counts), 10);
    }

    #[test]
    fn a_jump_is_over_the_floor_and_over_the_factor() {
        let jump = Jump {
            factor: 5,
            messages: 100,
            recipients: 300,
            ..Jump::default()
        };
        for (now, usual, expected) in [
            // Who is new has the floor alone.
            ((100, 100), (0, 0), false),
            ((101, 101), (0, 0), true),
            ((1, 301), (0, 0), true),
            // Many, but as usual.
            ((400, 400), (80, 80), false),
            ((401, 401), (80, 80), true),
            // Five times as many as usual, but few.
            ((60, 60), (10, 10), false),
            // The same number of messages as ever, to very many more people.
            ((80, 2000), (80, 100), true),
            ((u64::MAX, 1), (u64::MAX, 1), false),
        ] {
            assert_eq!(is_jump(&jump, now, usual), expected, "{now:?} {usual:?}");
        }
    }
}
