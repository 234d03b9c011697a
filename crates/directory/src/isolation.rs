//! Who sends malware from inside is shut out at once (clause 5.2(5)): the identifier is suspended, connections from its address are
//! not taken any more, what it has queued is held, and an incident is opened. All of it is done within the commit of the event
//! that tells what was found, so that neither is ever without the other.

mod leavings;
mod terminal;

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use store::{
    AccountId, Error, Topic, Tx,
    queue::{self, Selection, State},
    sql::Sql,
};
use trail::{Actor, By, Event, Kind};
use wire::ExplicitNetwork;

use crate::{
    Directory, alarm,
    command::{
        Executor,
        incident::{IncidentKind, Step},
    },
    tables::{
        account, app_password,
        block::{self, NewBlock},
        forward,
        incident::{self as table, New},
    },
};

pub(crate) use leavings::left_behind;
pub use terminal::Waiting;

/// Characters of what was found that are kept.
const MOST_FOUND: usize = 200;
const MALWARE_INSIDE: &str = IncidentKind::MalwareInside.as_str();

/// What a site has decided about malware from inside.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// Networks that are never blocked: the machine itself, servers that bring other people's mail. Default loopback.
    pub except: Vec<ExplicitNetwork>,
    /// How long the address is blocked, unless somebody ends it before. Default 30 days.
    pub block_time: Duration,
}

impl Default for Isolation {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"];
        Self {
            except: loopback
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
            block_time: Duration::from_secs(30 * 86_400),
        }
    }
}

/// Malware that came from inside.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Whose it was; `None`: a network that may submit without a login.
    pub account: Option<AccountId>,
    /// Where it came from, if that is known.
    pub peer: Option<IpAddr>,
    /// What it is, as the scanner calls it.
    pub malware: String,
    /// What it was in: the id of the message that was refused, or the mailbox that it was to be put into.
    pub place: String,
    /// What its terminal has waiting in the queue, where it needs no login there ([`Directory::waiting_of`]).
    pub waiting: Waiting,
}

/// Why something is shut, for its events.
pub(crate) struct Cause<'a> {
    pub(crate) by: By,
    pub(crate) incident: i64,
    pub(crate) reason: &'a str,
}

impl From<&Executor> for By {
    fn from(me: &Executor) -> Self {
        Self {
            role: me.acting.map(crate::Role::as_str),
            ..Self::from(me.name.as_str())
        }
    }
}

impl Cause<'_> {
    fn event(&self, kind: Kind, subject: &str) -> Event {
        self.by.event(kind).subject(subject)
    }
}

impl Directory {
    /// Shuts out who sent malware, within the commit that tells of it. The events that come back belong into the same commit;
    /// there are none where the site does not want it, or where all of it was done before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn isolate(&self, tx: &mut Tx<'_>, found: &Found) -> Result<Vec<Event>, Error> {
        let Some(rule) = &self.options().isolation else {
            return Ok(Vec::new());
        };
        isolate(tx, rule, found, None).map(|(_, events)| events)
    }
}

/// The same, by a person (who, and why) or by the server; returns the incident too.
pub(crate) fn isolate(
    tx: &mut Tx<'_>,
    rule: &Isolation,
    found: &Found,
    by: Option<(&Executor, &str)>,
) -> Result<(i64, Vec<Event>), Error> {
    let entry = match found.account {
        Some(id) => account::by_id(tx, id)?,
        None => None,
    };
    let address = found.peer.map(|peer| peer.to_canonical().to_string());
    let known = known(tx, entry.as_ref(), address.as_deref())?;
    let malware: String = found.malware.chars().take(MOST_FOUND).collect();
    let reason = match by {
        Some((_, reason)) => reason.to_owned(),
        None => format!("malware: {malware}"),
    };
    let who = by.map_or_else(|| Actor::System.into(), |(me, _)| By::from(me));
    let mut events = Vec::new();
    let is_new = known.is_none();
    let incident = match known {
        Some(open) => open.number,
        None => {
            let facts = json!({ "malware": malware, "found_in": found.place }).to_string();
            let now = tx.now();
            let since = now.checked_sub(LOOK_BACK).unwrap_or(Timestamp::MIN);
            let new = New {
                kind: IncidentKind::MalwareInside,
                account: entry.as_ref().map(|entry| entry.id),
                address: address.as_deref(),
                reason: &reason,
                facts: &facts,
                since,
                opened_by: by.map(|(me, _)| me.id),
            };
            let (number, book) = table::insert(tx, &new)?;
            let identifier = entry.as_ref().map_or("", |entry| entry.identifier.as_str());
            let mut opened = who
                .event(Kind::IncidentOpened)
                .subject(number.to_string())
                .detail("incident_kind", MALWARE_INSIDE)
                .detail("identifier", identifier)
                .detail("reason", reason.as_str())
                .detail("since", since.to_string())
                .detail("found", malware.as_str())
                .detail("found_in", found.place.as_str());
            if let Some(peer) = found.peer {
                opened = opened.address(peer);
            }
            events.push(alarm::by(opened, book));
            number
        }
    };
    let cause = Cause {
        by: who,
        incident,
        reason: &reason,
    };
    if let Some(entry) = entry.as_ref().filter(|_| is_new) {
        shut(tx, entry, &cause, None, &mut events)?;
    }
    if let (None, Some(peer)) = (&entry, found.peer) {
        terminal::hold(tx, peer, &found.waiting, &cause, &mut events)?;
    }
    let note = block_address(tx, rule, found.peer, &cause, &mut events)?;
    table::take_step(tx, incident, Step::AddressBlocked.as_str(), None, &note)?;
    if !events.is_empty() {
        tx.touch(Topic::Directory);
    }
    Ok((incident, events))
}

/// The open incident that the malware belongs to; `None`: another is to be opened.
fn known(
    sql: &mut dyn Sql,
    account: Option<&account::Entry>,
    address: Option<&str>,
) -> Result<Option<table::Entry>, Error> {
    let open = match account {
        Some(account) => table::open_of(sql, account.id)?,
        None => Vec::from_iter(table::open_at(sql, MALWARE_INSIDE, address)?),
    };
    for entry in open {
        if entry.kind == MALWARE_INSIDE && !is_over(sql, &entry, account)? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Whether the infection that an open incident is about is over, though nobody has closed it yet: its identifier may send again, or its
/// terminal was cleaned. Malware that comes after that needs each step again, and a step is taken once in an incident.
pub(crate) fn is_over(
    sql: &mut dyn Sql,
    incident: &table::Entry,
    account: Option<&account::Entry>,
) -> Result<bool, Error> {
    if account.is_some_and(|account| account.state == account::AccountState::Active) {
        return Ok(true);
    }
    let steps = table::steps(sql, incident.number)?;
    let ends = [Step::TerminalCleaned, Step::Resumed].map(Step::as_str);
    Ok(steps.iter().any(|step| ends.contains(&step.name.as_str())))
}

/// How far back the trail is analysed for what else came from there.
const LOOK_BACK: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

/// Blocks the address, unless it is one that is never blocked; returns what is to be said of it.
fn block_address(
    tx: &mut Tx<'_>,
    rule: &Isolation,
    peer: Option<IpAddr>,
    cause: &Cause<'_>,
    events: &mut Vec<Event>,
) -> Result<String, Error> {
    let Some(peer) = peer.map(|peer| peer.to_canonical()) else {
        return Ok("no address is known".to_owned());
    };
    if rule.except.iter().any(|network| network.contains(peer)) {
        return Ok(format!(
            "{peer} is not blocked: it is one of those that never are ([isolation] except)"
        ));
    }
    let Ok(network) = ExplicitNetwork::new(peer, if peer.is_ipv4() { 32 } else { 128 }) else {
        return Ok(format!("{peer} is no address that can be blocked"));
    };
    let network = network.to_string();
    let now = tx.now();
    if let Some(known) = block::of(tx, &network)?
        && known.ends_at.is_none_or(|end| end > now)
    {
        return Ok(format!("{network} is blocked already"));
    }
    if block::count(tx)? >= block::MOST {
        return Ok(format!(
            "{network} is not blocked: there are {} blocks, the most there may be",
            block::MOST
        ));
    }
    let ends_at = now.checked_add(rule.block_time).unwrap_or(Timestamp::MAX);
    let new = NewBlock {
        network: &network,
        reason: cause.reason,
        incident: Some(cause.incident),
        placed_by: None,
        ends_at: Some(ends_at),
    };
    block::put(tx, &new)?;
    let event = cause
        .event(Kind::AddressBlocked, &network)
        .detail("reason", cause.reason)
        .detail("incident", cause.incident)
        .detail("until", ends_at.to_string());
    events.push(event);
    Ok(format!("{network} until {ends_at}"))
}

/// Suspends an identifier and holds what it has queued (since `since`), for an incident; nothing that was proved before holds, and
/// second factors that were added since `since` are gone.
pub(crate) fn shut(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    cause: &Cause<'_>,
    since: Option<Timestamp>,
    events: &mut Vec<Event>,
) -> Result<(), Error> {
    let number = cause.incident;
    // Also one that is suspended: a password that was set since does not count any more.
    account::suspend(tx, account.id)?;
    // Whoever had the password could make more of them.
    let app_passwords = app_password::of(tx, account.id)?;
    app_password::revoke_all(tx, account.id)?;
    let (mut ended, mut left) = (Vec::new(), Vec::new());
    for forward in forward::of(tx, account.id)? {
        if forward.order.is_none() {
            forward::delete(tx, account.id, &forward.target)?;
            ended.push(forward.target.to_string());
        } else {
            left.push(forward.target.to_string());
        }
    }
    tx.touch(Topic::Account(account.id));
    let was_suspended = account.suspended_at.is_some();
    let suspended = cause
        .event(Kind::AccountSuspended, &account.identifier)
        .detail("reason", cause.reason)
        .detail("incident", number)
        .detail("app_passwords_revoked", app_passwords.len())
        .detail("forwards_left", left)
        .detail("before", if was_suspended { "suspended" } else { "active" })
        .detail("after", "suspended");
    events.push(suspended);
    for revoked in app_passwords {
        let event = cause
            .event(Kind::AppPasswordRevoked, &account.identifier)
            .detail("app_password", revoked.number)
            .detail("app_password_name", revoked.name)
            .detail("why", "incident")
            .detail("incident", number);
        events.push(event);
    }
    if let Some(since) = since {
        leavings::remove_second_factors(tx, account, cause, since, events)?;
    }
    for target in ended {
        let event = cause
            .event(Kind::ForwardRemoved, &account.identifier)
            .detail("target", target)
            .detail("why", "incident")
            .detail("incident", number);
        events.push(event);
    }
    table::take_step(tx, number, Step::Suspended.as_str(), None, "")?;
    hold(tx, &account.identifier, cause, since, events)
}

/// Holds what an identifier has queued (since `since`).
pub(crate) fn hold(
    tx: &mut Tx<'_>,
    identifier: &str,
    cause: &Cause<'_>,
    since: Option<Timestamp>,
    events: &mut Vec<Event>,
) -> Result<(), Error> {
    let selection = Selection {
        identifier: Some(identifier.to_owned()),
        queued_from: since,
        state: Some(State::Waiting),
        ..Selection::default()
    };
    let held = queue::set_state(tx, &selection, State::Held)?;
    let note = format!("{held} recipients");
    table::take_step(tx, cause.incident, Step::QueueHeld.as_str(), None, &note)?;
    if held > 0 {
        let event = cause.event(Kind::QueueHeld, identifier);
        events.push(
            event
                .detail("recipients", held)
                .detail("incident", cause.incident),
        );
    }
    Ok(())
}
