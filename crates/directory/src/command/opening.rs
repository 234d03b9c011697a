//! `incident open`: by hand. What opening does at once depends on the kind: an identifier is suspended (clauses 4.1, 5.2(5)), or what
//! it submits is held (clause 4.4). Then the steps of the kind's runbook have to be taken before the incident can be closed.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use store::{
    Error, Snapshot, Tx,
    event::{self, Filter},
};
use trail::{Actor, Event, Kind};

use super::{
    Caller, CommandError, Executor,
    account::{MOST_REASON, present},
    incident::{self, IncidentKind, IncidentView, Step, permitted, view_of},
    plain_text,
};
use crate::{
    Options, Role, alarm,
    isolation::{self, Cause},
    runbook::{self, About},
    submission::jump,
    tables::{
        account,
        incident::{self as table, New},
    },
};

/// How far back is looked when the owner of a password vouches for nothing.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How far back, of other incidents, when nothing is said.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);
/// What is said of mail that had to be settled, if there is none.
const NOTHING_HELD: &str = "nothing is held";
/// Events of one kind that are counted at most.
const MOST_COUNTED: usize = 2000;

/// An incident to open.
#[derive(Clone, Debug)]
pub struct Open {
    /// What it is about.
    pub kind: IncidentKind,
    /// The identifier, of a kind that is about one.
    pub name: Option<String>,
    /// What was reported.
    pub reason: String,
    /// From when on the trail is analysed. Of a password: the owner's last sure use, 30 days ago when nothing is said; else a day ago.
    pub since: Option<Timestamp>,
    /// Of malware from inside: the terminal's network address, to be blocked.
    pub peer: Option<IpAddr>,
}

/// Opens an incident, and does what belongs to its opening, in one commit. What is still to be done is told by the answer.
///
/// # Errors
/// [`CommandError`]; an identifier has one open incident of a kind at most, and so has the site of a kind that is about the site.
pub async fn open(caller: &Caller, args: Open) -> Result<IncidentView, CommandError> {
    let kind = args.kind;
    let words = match &args.name {
        Some(name) => format!("incident open --kind {} {name}", kind.as_str()),
        None => format!("incident open --kind {}", kind.as_str()),
    };
    let options = caller.directory.options();
    let work = async {
        let args = Open {
            reason: plain_text("the reason", &args.reason, MOST_REASON)?,
            ..args
        };
        fits(&args)?;
        let facts = gathered(caller, kind).await?;
        caller
            .change(&words, &Role::OFFICERS, move |tx, me| {
                opened(tx, me, &options, &args, &facts)
            })
            .await
    };
    caller.run(&words, work).await
}

fn fits(args: &Open) -> Result<(), CommandError> {
    let kind = args.kind.as_str();
    if args.peer.is_some() && args.kind != IncidentKind::MalwareInside {
        return Err(CommandError::Argument(format!(
            "a terminal's address belongs to an incident of the kind malware-inside, not {kind}"
        )));
    }
    if args.since.is_some() && args.kind == IncidentKind::MalwareInside {
        return Err(CommandError::Argument(format!(
            "no time is given for an incident of the kind {kind}"
        )));
    }
    Ok(())
}

/// What the runbook wants to be counted of the day before.
async fn gathered(caller: &Caller, kind: IncidentKind) -> Result<Value, CommandError> {
    let from = caller.store().now().checked_sub(A_DAY).ok();
    let read = move |snapshot: &mut Snapshot<'_>| -> Result<Value, Error> {
        let book = runbook::in_force(snapshot, kind)?;
        let mut counts = Map::new();
        for kind in &book.gather {
            let filter = Filter {
                from,
                kinds: vec![*kind],
                ..Filter::default()
            };
            let count = event::search(snapshot, &filter, MOST_COUNTED)?.len();
            counts.insert(kind.as_str().to_owned(), count.into());
        }
        Ok(match counts.is_empty() {
            true => json!({}),
            false => json!({ "events": counts }),
        })
    };
    Ok(caller.store().read(read).await?)
}

fn opened(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    args: &Open,
    facts: &Value,
) -> Result<(IncidentView, Vec<Event>), CommandError> {
    let kind = args.kind.as_str();
    let book = runbook::in_force(tx, args.kind)?;
    permitted(me, &book.open)?;
    let account = match (book.about, &args.name) {
        (About::Identifier, None) => {
            return Err(CommandError::Argument(format!(
                "an incident of the kind {kind} is about an identifier: name it"
            )));
        }
        (About::Site, Some(_)) => {
            return Err(CommandError::Argument(format!(
                "an incident of the kind {kind} is about the site, and not about an identifier"
            )));
        }
        (_, Some(name)) => Some(present(tx, options, name)?),
        (_, None) => None,
    };
    let open = match (&account, book.about) {
        (Some(account), _) => {
            let mut open = table::open_of(tx, account.id)?;
            open.retain(|open| open.kind == kind);
            let mut known = None;
            for same in open {
                let again = args.kind == IncidentKind::MalwareInside
                    && isolation::is_over(tx, &same, Some(account))?;
                if !again && known.is_none() {
                    known = Some((same, account.identifier.clone()));
                }
            }
            known
        }
        (None, About::Site) => {
            table::open_at(tx, kind, None)?.map(|open| (open, "the site".to_owned()))
        }
        (None, _) => None,
    };
    if let Some((open, name)) = open {
        return Err(CommandError::State(format!(
            "incident {} is open for {name} already",
            open.number
        )));
    }
    match (args.kind, &account) {
        (IncidentKind::Credential, Some(account)) => {
            carry_out(tx, me, account, (&args.reason, facts), args.since)
        }
        (IncidentKind::MalwareInside, Some(account)) => {
            let found = isolation::Found {
                account: Some(account.id),
                peer: args.peer,
                ..isolation::Found::default()
            };
            let rule = options.isolation.clone().unwrap_or_default();
            let by = Some((me, args.reason.as_str()));
            let (number, events) = isolation::isolate(tx, &rule, &found, by)?;
            Ok((view_of(tx, number)?, events))
        }
        (IncidentKind::SubmissionSurge, Some(account)) => {
            let since = since(tx, args.since, SignedDuration::from_hours(1))?;
            let (number, opened) = enter(tx, me, args, Some(account), facts, since)?;
            let mut events = vec![opened];
            let cause = Cause {
                by: me.into(),
                incident: number,
                reason: &args.reason,
            };
            isolation::hold(tx, &account.identifier, &cause, Some(since), &mut events)?;
            jump::hold_what_follows(tx, account.id, number)?;
            Ok((view_of(tx, number)?, events))
        }
        _ => {
            let since = since(tx, args.since, A_DAY)?;
            let (number, opened) = enter(tx, me, args, account.as_ref(), facts, since)?;
            Ok((view_of(tx, number)?, vec![opened]))
        }
    }
}

/// From when on the trail is looked at.
fn since(
    tx: &Tx<'_>,
    given: Option<Timestamp>,
    back: SignedDuration,
) -> Result<Timestamp, CommandError> {
    let now = tx.now();
    let since = given.unwrap_or_else(|| now.checked_sub(back).unwrap_or(Timestamp::MIN));
    match since > now {
        false => Ok(since),
        true => Err(CommandError::Argument(
            "the time from which on the trail is analysed cannot be in the future".to_owned(),
        )),
    }
}

/// Enters an incident; its number, and the event of its opening.
fn enter(
    tx: &mut Tx<'_>,
    me: &Executor,
    args: &Open,
    account: Option<&account::Entry>,
    facts: &Value,
    since: Timestamp,
) -> Result<(i64, Event), Error> {
    let new = New {
        kind: args.kind,
        account: account.map(|account| account.id),
        address: None,
        reason: &args.reason,
        facts: &facts.to_string(),
        since,
        opened_by: Some(me.id),
    };
    let (number, book) = table::insert(tx, &new)?;
    let identifier = account.map_or("", |account| account.identifier.as_str());
    let event = me
        .event(Kind::IncidentOpened, number.to_string())
        .detail("incident_kind", args.kind.as_str())
        .detail("identifier", identifier)
        .detail("reason", args.reason.as_str())
        .detail("since", since.to_string())
        .detail("facts", facts.clone());
    Ok((number, alarm::by(event, book)))
}

/// Opens one about a password: suspends the identifier, holds what it queued since, and takes away what was added to it since by which
/// one could come back (clause 4.1(1)a).
pub(super) fn carry_out(
    tx: &mut Tx<'_>,
    me: &Executor,
    account: &account::Entry,
    (reason, facts): (&str, &Value),
    given: Option<Timestamp>,
) -> Result<(IncidentView, Vec<Event>), CommandError> {
    let since = since(tx, given, LOOK_BACK)?;
    let args = Open {
        kind: IncidentKind::Credential,
        name: None,
        reason: reason.to_owned(),
        since: given,
        peer: None,
    };
    let mut facts = facts.clone();
    if let Value::Object(facts) = &mut facts {
        let left = isolation::left_behind(tx, account, since)?;
        facts.insert("left_behind".to_owned(), left);
    }
    let (number, opened) = enter(tx, me, &args, Some(account), &facts, since)?;
    let mut events = vec![opened];
    let cause = Cause {
        by: me.into(),
        incident: number,
        reason,
    };
    isolation::shut(tx, account, &cause, Some(since), &mut events)?;
    // Where nothing is held there is nothing that somebody has to decide about.
    if incident::nothing_held(tx, &account.identifier)? {
        table::take_step(tx, number, Step::QueueSettled.as_str(), None, NOTHING_HELD)?;
        let event = Event::new(Kind::IncidentStep, Actor::System)
            .subject(number.to_string())
            .detail("step", Step::QueueSettled.as_str())
            .detail("note", NOTHING_HELD);
        events.push(event);
    }
    Ok((view_of(tx, number)?, events))
}
