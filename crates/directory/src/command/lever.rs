//! `incident act N LEVER`: what the incident's runbook offers is done at once, from the incident. Each lever keeps its own role check;
//! what it does, its own event and the incident's are one commit.
//!
//! | lever | role (any of) |
//! |---|---|
//! | `suspend`, `resume` | administrator, account-manager, security-officer |
//! | `block`, `unblock` | administrator, security-officer |
//! | `hold`, `release` | administrator |
//! | `limit`, `unlimit` | administrator, security-officer |
//! | `drain`, `undrain` | administrator |

use std::time::Duration;

use message::address::Host;
use serde::Serialize;
use store::{
    Error, Tx,
    event::DETAIL_LIMIT,
    queue::{self, Selection, State},
    sql::Sql,
};
use trail::{Event, Kind};
use wire::ExplicitNetwork;

use super::{
    Caller, CommandError, Executor,
    account::{self, MAY_SUSPEND, MOST_REASON},
    block,
    incident::{IncidentView, permitted, still_open, view_of},
    plain_text, restrain,
};
use crate::{
    Options, Role,
    restraint::{self, Door, Of, Rate},
    runbook::Lever,
    tables::{
        account::{self as accounts, AccountState},
        block as blocks, lever as table,
    },
};

/// Whose `queue hold` and `queue release` are.
const MAY_HOLD: &[Role] = &[Role::Administrator];
const IDENTIFIER: &str = "identifier:";
const DOMAIN: &str = "domain:";

/// What a lever is used on.
#[derive(Clone, Debug)]
pub enum Target {
    /// An identifier: to suspend or to resume.
    Identifier(String),
    /// A network: to block, for so long or until it is ended, or to unblock.
    Network(ExplicitNetwork, Option<Duration>),
    /// Queued mail of an identifier.
    MailOf(String),
    /// Queued mail for a domain.
    MailFor(Host),
    /// Whose mail to limit, and to how much, or to limit no more.
    Limited(Of, Option<Rate>),
    /// Where no new mail is to be taken, or is again.
    Door(Door),
}

/// A lever that was used, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct LeverView {
    /// Which.
    pub lever: String,
    /// On what.
    pub target: String,
    /// By whom.
    pub by: String,
    /// When.
    pub at: jiff::Timestamp,
    /// Whether what it did is in force now.
    pub in_force: bool,
}

/// Uses a lever.
///
/// # Errors
/// [`CommandError`]: among them that the runbook does not offer it, and what the command of its own would refuse.
pub async fn act(
    caller: &Caller,
    number: i64,
    lever: Lever,
    target: Target,
    note: &str,
) -> Result<IncidentView, CommandError> {
    let options = caller.directory.options();
    let words = format!(
        "incident act {number} {} {}",
        lever.as_str(),
        said(&options, &target)
    );
    let note = note.to_owned();
    let work = caller.change(&words, &Role::OFFICERS, move |tx, me| {
        let use_of = Use {
            number,
            lever,
            target,
        };
        use_of.carry_out(tx, me, &options, &note)
    });
    caller.run(&words, work).await
}

struct Use {
    number: i64,
    lever: Lever,
    target: Target,
}

impl Use {
    fn carry_out(
        &self,
        tx: &mut Tx<'_>,
        me: &Executor,
        options: &Options,
        note: &str,
    ) -> Result<(IncidentView, Vec<Event>), CommandError> {
        let (number, lever) = (self.number, self.lever);
        let case = still_open(tx, number)?;
        if !case.book.levers.contains(&lever) {
            let offered: Vec<&str> = case.book.levers.iter().map(|one| one.as_str()).collect();
            return Err(CommandError::State(format!(
                "the runbook of incident {number} ({}) does not offer {}; it offers: {}",
                case.entry.kind,
                lever.as_str(),
                offered.join(", ")
            )));
        }
        let reason = match note.is_empty() {
            true => case.entry.reason.clone(),
            false => plain_text("the note", note, MOST_REASON)?,
        };
        let mut events = self.pull(tx, me, options, &reason)?;
        let target = said(options, &self.target);
        let lasts = lever.undone_by().is_some();
        table::insert(tx, number, (lever.as_str(), &target, lasts), me.id)?;
        let mut acted = me
            .event(Kind::IncidentActed, number.to_string())
            .detail("lever", lever.as_str())
            .detail("target", target)
            .detail("in_force", lasts);
        if !note.is_empty() {
            acted = acted.detail("note", reason);
        }
        events.push(acted);
        Ok((view_of(tx, number)?, events))
    }

    /// What the command of its own would do, as that permits it.
    fn pull(
        &self,
        tx: &mut Tx<'_>,
        me: &Executor,
        options: &Options,
        reason: &str,
    ) -> Result<Vec<Event>, CommandError> {
        let incident = Some(self.number);
        match (self.lever, &self.target) {
            (Lever::Suspend, Target::Identifier(name)) => {
                permitted(me, MAY_SUSPEND)?;
                account::suspend_in(tx, me, options, (name, reason), incident)
            }
            (Lever::Resume, Target::Identifier(name)) => {
                permitted(me, MAY_SUSPEND)?;
                account::resume_in(tx, me, options, name)
            }
            (Lever::Block, Target::Network(network, time)) => {
                permitted(me, block::MAY_BLOCK)?;
                Ok(block::add_in(tx, me, options, (network, reason, *time), incident)?.1)
            }
            (Lever::Unblock, Target::Network(network, _)) => {
                permitted(me, block::MAY_BLOCK)?;
                block::remove_in(tx, me, (network, reason), incident)
            }
            (Lever::Hold, Target::MailOf(_) | Target::MailFor(_)) => {
                permitted(me, MAY_HOLD)?;
                self.hold(tx, me, options)
            }
            (Lever::Release, Target::MailOf(_) | Target::MailFor(_)) => {
                permitted(me, MAY_HOLD)?;
                self.release(tx, me, options)
            }
            (Lever::Limit, Target::Limited(of, rate)) => {
                permitted(me, block::MAY_BLOCK)?;
                let Some(rate) = rate else {
                    let words = "say how much is let through: --rate 20/minute or --rate 100/hour";
                    return Err(CommandError::Argument(words.to_owned()));
                };
                let of = canonical(options, of);
                restrain::limit(tx, me, (&of, *rate), (self.number, reason))
            }
            (Lever::Unlimit, Target::Limited(of, None)) => {
                permitted(me, block::MAY_BLOCK)?;
                restrain::unlimit(tx, me, &canonical(options, of), (self.number, reason))
            }
            (Lever::Drain, Target::Door(door)) => {
                permitted(me, MAY_HOLD)?;
                restrain::drain(tx, me, *door, (self.number, reason))
            }
            (Lever::Undrain, Target::Door(door)) => {
                permitted(me, MAY_HOLD)?;
                restrain::undrain(tx, me, *door, (self.number, reason))
            }
            (lever, _) => Err(CommandError::Argument(format!(
                "{} is used on {}",
                lever.as_str(),
                match lever {
                    Lever::Suspend | Lever::Resume => "an identifier",
                    Lever::Block | Lever::Unblock => "a network",
                    Lever::Hold | Lever::Release => "mail: --identifier or --domain",
                    Lever::Limit => "a network, or --identifier or --domain, with --rate",
                    Lever::Unlimit => "a network, or --identifier or --domain, without a rate",
                    Lever::Drain | Lever::Undrain => "exchange or submission",
                }
            ))),
        }
    }

    fn hold(
        &self,
        tx: &mut Tx<'_>,
        me: &Executor,
        options: &Options,
    ) -> Result<Vec<Event>, CommandError> {
        let waiting = mail(&said(options, &self.target), State::Waiting);
        let waiting = waiting.unwrap_or_default();
        let held = queue::set_state(tx, &waiting, State::Held)?;
        if held == 0 {
            return Err(nothing(options, &self.target, "waits"));
        }
        let event = me
            .event(Kind::QueueHeld, said(options, &self.target))
            .detail("recipients", held)
            .detail("incident", self.number);
        Ok(vec![event])
    }

    fn release(
        &self,
        tx: &mut Tx<'_>,
        me: &Executor,
        options: &Options,
    ) -> Result<Vec<Event>, CommandError> {
        let held = mail(&said(options, &self.target), State::Held).unwrap_or_default();
        let mut events: Vec<Event> = Vec::new();
        for one in queue::named(tx, &held)? {
            let event = me
                .event(Kind::QueueReleased, one.id.to_string())
                .detail("incident", self.number)
                .detail("sender", one.sender.unwrap_or_else(|| "<>".to_owned()));
            events.extend(event.in_parts(DETAIL_LIMIT, vec![("recipients", one.recipients)]));
        }
        queue::set_state(tx, &held, State::Waiting)?;
        match events.is_empty() {
            false => Ok(events),
            true => Err(nothing(options, &self.target, "is held")),
        }
    }
}

fn nothing(options: &Options, target: &Target, how: &str) -> CommandError {
    CommandError::State(format!(
        "nothing in the queue {how} of {}",
        said(options, target)
    ))
}

/// A target in the form in which it is kept.
fn said(options: &Options, target: &Target) -> String {
    match target {
        Target::Identifier(name) => options.canonical_identifier(name),
        Target::Network(network, _) => network.to_string(),
        Target::MailOf(name) => format!("{IDENTIFIER}{}", options.canonical_identifier(name)),
        Target::MailFor(host) => format!("{DOMAIN}{host}"),
        Target::Limited(of, Some(rate)) => restraint::said(&canonical(options, of), *rate),
        Target::Limited(of, None) => canonical(options, of).to_string(),
        Target::Door(door) => door.as_str().to_owned(),
    }
}

/// An identifier in the form in which it is kept; others are.
fn canonical(options: &Options, of: &Of) -> Of {
    match of {
        Of::Identifier(name) => Of::Identifier(options.canonical_identifier(name)),
        other => other.clone(),
    }
}

/// The mail that a kept target means.
fn mail(target: &str, state: State) -> Option<Selection> {
    let (identifier, domain) = match target.strip_prefix(IDENTIFIER) {
        Some(name) => (Some(name.to_owned()), None),
        None => (None, Some(target.strip_prefix(DOMAIN)?.to_owned())),
    };
    Some(Selection {
        identifier,
        domain,
        state: Some(state),
        ..Selection::default()
    })
}

/// What was done from an incident, and whether it is in force.
pub(super) fn used(sql: &mut dyn Sql, number: i64) -> Result<Vec<LeverView>, Error> {
    let mut views = Vec::new();
    let now = restraint::in_force(sql)?;
    let restrained = now.words_of(number);
    for entry in table::of(sql, number)? {
        let restrains = [Lever::Limit, Lever::Drain].map(Lever::as_str);
        let in_force = match restrains.contains(&entry.lever.as_str()) {
            true => restrained.contains(&entry.target),
            false => is_in_force(sql, &entry)?,
        };
        views.push(LeverView {
            in_force: entry.lasts && in_force,
            lever: entry.lever,
            target: entry.target,
            by: entry.by,
            at: entry.at,
        });
    }
    Ok(views)
}

fn is_in_force(sql: &mut dyn Sql, entry: &table::Entry) -> Result<bool, Error> {
    if entry.lever == Lever::Suspend.as_str() {
        let account = accounts::by_identifier(sql, &entry.target)?;
        return Ok(account.is_some_and(|account| account.state == AccountState::Suspended));
    }
    if entry.lever == Lever::Block.as_str() {
        return Ok(blocks::of(sql, &entry.target)?.is_some());
    }
    match mail(&entry.target, State::Held) {
        Some(held) => Ok(!queue::ids(sql, &held)?.is_empty()),
        None => Ok(false),
    }
}
