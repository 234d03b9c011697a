//! `account delete`: an identifier goes, with everything of it, on an approved order (clause 7.1(3)).

use message::address::Address;
use serde::Serialize;
use store::{
    AccountId, Topic, Tx,
    event::DETAIL_LIMIT,
    mailbox,
    queue::{self, Selection, State},
    sql::Sql,
    tree,
};
use trail::{Event, Kind};

use super::{
    Caller, CommandError, Executor, OrderProblem, account::present, given, incident, issue::MAY,
    order,
};
use crate::{
    Options,
    tables::{
        account, address, app_password, credential, forward, life,
        order::{OrderKind, OrderState, all as all_orders, mark},
        reading, second_factor, shared, submitted,
    },
};

/// Queued messages that are counted at most, and that one deletion releases or discards at most.
const MOST_COUNTED: usize = 1000;

/// What becomes of what the account has queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Queued {
    /// It is still to be delivered, and what is held stays held: it was submitted, or went on to elsewhere, while that was permitted.
    #[default]
    Keep,
    /// What is held goes out, too.
    Release,
    /// It is discarded, without a bounce: nobody is left who could read that.
    Discard,
}

impl Queued {
    /// The name on the command line and in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Release => "release",
            Self::Discard => "discard",
        }
    }
}

/// An account just deleted.
#[derive(Clone, Debug, Serialize)]
pub struct Deleted {
    /// The account it was: what the search index holds of it is to be forgotten now.
    #[serde(skip)]
    pub account: AccountId,
    /// The identifier, retired for ever.
    pub identifier: String,
    /// What referred to it, in words: removed with it, or left for somebody to put in order.
    pub references: Vec<String>,
}

/// Deletes the account that an order is for: login, mailboxes, addresses, and the key, so that nothing that is left of its
/// mail here, or comes into a backup from now on, can be read. In backups from before it is to be repeated
/// ([`repeat`](crate::repeat)). The identifier is never given again. With the last account of its holder ends what they were given
/// elsewhere: shared identifiers, and mailboxes that they read.
///
/// # Errors
/// [`CommandError`].
pub async fn delete(caller: &Caller, order: i64) -> Result<Deleted, CommandError> {
    delete_named(caller, order, Queued::Keep, |_| Vec::new()).await
}

/// The same; `named` tells where else the address stands, such as in settings, each in words.
///
/// # Errors
/// [`CommandError`].
pub async fn delete_named(
    caller: &Caller,
    order: i64,
    queued: Queued,
    named: impl FnOnce(&Address) -> Vec<String> + Send + 'static,
) -> Result<Deleted, CommandError> {
    let words = match queued {
        Queued::Keep => format!("account delete --order {order}"),
        queued => format!("account delete --order {order} --queue {}", queued.as_str()),
    };
    let options = caller.directory.options();
    let work = caller.change(&words, MAY, move |tx, me| {
        carry_out(tx, me, &options, (order, queued), named)
    });
    caller.run(&words, work).await
}

fn carry_out(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    (number, queued): (i64, Queued),
    named: impl FnOnce(&Address) -> Vec<String>,
) -> Result<(Deleted, Vec<Event>), CommandError> {
    let (order, single) = order::usable(tx, number, OrderKind::Delete, me, options)?;
    let ordered = order
        .details
        .address
        .ok_or_else(|| CommandError::State(format!("order {number} names no address")))?;
    let account = present(tx, options, &ordered.to_string())?;
    if let Some(leaves) = life::leaves_at(tx, account.person.0)?.filter(|at| *at > tx.now()) {
        let problem = OrderProblem::NotLeftYet(leaves);
        return Err(CommandError::Order { number, problem });
    }
    if let Some(hold) = life::hold(tx, account.id)? {
        return Err(CommandError::State(format!(
            "{} may not be deleted: {} holds it since {} ({})",
            account.identifier, hold.placed_by, hold.placed_at, hold.reason
        )));
    }
    incident::must_be_over(tx, &account)?;
    let mut events = settle_queue(tx, me, &account, (number, queued))?;
    let mut references = references(tx, options, &account)?;
    if !events.is_empty() {
        references.push(format!(
            "queue: {} was decided for what it had submitted",
            queued.as_str()
        ));
    }
    references.extend(commitments(tx, number, &account)?);
    references.extend(given::listed(tx, &account)?);
    references.extend(named(&account.address));
    events.extend(given::end(tx, &account, number, |kind, whose| {
        me.event(kind, whose)
    })?);
    let removed = remove(tx, account.id, number)?;
    mark(tx, number, OrderState::Used, me.id, &account.identifier)?;
    tx.touch(Topic::Account(account.id));

    let event = me
        .event(Kind::AccountDeleted, &account.identifier)
        .order(number)
        .detail("account", account.id.to_string())
        .detail("person", account.person.1)
        .detail("queue", queued.as_str())
        .detail("references", references.clone());
    let event = removed.told(event);
    let deleted = Deleted {
        account: account.id,
        identifier: account.identifier,
        references,
    };
    events.push(order::mark_single(event, single));
    Ok((deleted, events))
}

/// Does with the account's queued mail what was chosen: an event for each message.
fn settle_queue(
    tx: &mut Tx<'_>,
    me: &Executor,
    account: &account::Entry,
    (order, queued): (i64, Queued),
) -> Result<Vec<Event>, CommandError> {
    let (kind, state) = match queued {
        Queued::Keep => return Ok(Vec::new()),
        Queued::Release => (Kind::QueueReleased, Some(State::Held)),
        Queued::Discard => (Kind::QueueDiscarded, None),
    };
    let selection = Selection {
        identifier: Some(account.identifier.clone()),
        state,
        ..Selection::default()
    };
    let all = queue::named(tx, &selection)?;
    if all.len() > MOST_COUNTED {
        return Err(CommandError::State(format!(
            "{} has {} messages queued, more than the {MOST_COUNTED} that are settled in one step: `queue {}` with --identifier {} first",
            account.identifier,
            all.len(),
            queued.as_str(),
            account.identifier
        )));
    }
    match queued {
        Queued::Discard => drop(queue::discard(tx, &selection)?),
        _ => drop(queue::set_state(tx, &selection, State::Waiting)?),
    }
    // An address that cannot be read stays where it is, and is told among what is left.
    let left = queue::named(tx, &selection)?;
    let mut events = Vec::new();
    for mut one in all {
        let same = left.iter().find(|left| left.id == one.id);
        if let Some(same) = same.filter(|_| queued == Queued::Discard) {
            one.recipients
                .retain(|name| !same.recipients.contains(name));
        }
        if one.recipients.is_empty() {
            continue;
        }
        let mut event = me
            .event(kind, one.id.to_string())
            .order(order)
            .detail("sender", one.sender.unwrap_or_else(|| "<>".to_owned()));
        if queued == Queued::Discard {
            let why = format!("{} is deleted", account.identifier);
            event = event.detail("reason", why);
        }
        events.extend(event.in_parts(DETAIL_LIMIT, vec![("recipients", one.recipients)]));
    }
    Ok(events)
}

/// What was removed with an account.
#[derive(Default)]
pub(crate) struct Removed {
    usage: mailbox::Usage,
    app_passwords: u64,
    second_factors: u64,
    forwards: usize,
}

impl Removed {
    pub(crate) fn told(&self, event: Event) -> Event {
        event
            .detail("messages", self.usage.messages)
            .detail("bytes", self.usage.bytes)
            .detail("app_passwords", self.app_passwords)
            .detail("second_factors", self.second_factors)
            .detail("forwards", self.forwards)
    }
}

/// Removes all of an account, and the key to its mail; the row that keeps its identifier taken stays.
pub(crate) fn remove(
    tx: &mut Tx<'_>,
    account: AccountId,
    order: i64,
) -> Result<Removed, store::Error> {
    let usage = mailbox::usage(tx, account)?;
    address::remove_all(tx, account)?;
    credential::delete(tx, account)?;
    let app_passwords = app_password::delete_all(tx, account)?;
    shared::forget(tx, account)?;
    reading::end_all(tx, account)?;
    let forwards = forward::delete_all(tx, account)?.len();
    let second_factors = second_factor::delete_all(tx, account)?;
    submitted::delete_all(tx, account)?;
    mailbox::remove_account(tx, account)?;
    tx.destroy_key(account)?;
    account::delete(tx, account, order)?;
    Ok(Removed {
        usage,
        app_passwords,
        second_factors,
        forwards,
    })
}

/// What was ordered, given or kept for the account, and what becomes of it.
fn commitments(
    sql: &mut dyn Sql,
    number: i64,
    account: &account::Entry,
) -> Result<Vec<String>, CommandError> {
    let mut found = Vec::new();
    for order in all_orders(sql)? {
        let open = order.state != OrderState::Used && order.number != number;
        if open && order.details.address.as_ref() == Some(&account.address) {
            found.push(format!(
                "order {} to {}: can never be carried out",
                order.number,
                order.kind.as_str()
            ));
        }
    }
    for reading in reading::all(sql)? {
        if reading.account == account.id {
            found.push(format!(
                "reading by {} on order {}: ended",
                reading.person.1, reading.order
            ));
        }
    }
    if let Some(shared) = shared::of(sql, account.id)? {
        let users = shared::users(sql, account.id)?;
        let users: Vec<String> = users.into_iter().map(|(_, name)| name).collect();
        found.push(format!(
            "shared by {} on order {}: they have it no more",
            users.join(", "),
            shared.order
        ));
    }
    if let Some(letter) = life::letter(sql, account.id)?.filter(|l| l.handed_at.is_none()) {
        found.push(format!(
            "letter {}: was not handed over; its password opens nothing, destroy it",
            letter.number
        ));
    }
    let media = tree::custody(sql, None)?.len();
    if media > 0 {
        found.push(format!(
            "custody: {media} media hold volumes of the audit trail, which tell of it until they are due"
        ));
    }
    Ok(found)
}

/// What refers to the account.
fn references(
    sql: &mut dyn Sql,
    options: &Options,
    account: &account::Entry,
) -> Result<Vec<String>, CommandError> {
    let mut found = Vec::new();
    for alias in address::aliases(sql, account.id)? {
        let others = address::targets(sql, &alias, 2)?.len() > 1;
        found.push(if others {
            format!("alias {alias}: goes on to its other accounts")
        } else {
            format!("alias {alias}: removed and retired")
        });
    }
    for alias in forward::writes_to(sql, account.id)? {
        found.push(format!(
            "alias {alias}: it was named to write to it, and is not any more"
        ));
    }
    for role in address::roles_of(sql, account.id)? {
        found.push(format!(
            "role address {role}: goes to the default account again"
        ));
    }
    for forward in forward::of(sql, account.id)? {
        found.push(format!("forward to {}: ended", forward.target));
    }
    for forward in forward::all(sql)? {
        let to = forward.target.to_string();
        if forward.account != account.id && address::belongs(sql, &forward.target, account.id)? {
            found.push(format!(
                "forward of {} to {to}: does not lead here any more; what leads nowhere is kept there",
                forward.identifier
            ));
        }
    }
    for own in &options.domains {
        let caught = own.catch_all.as_ref().map(Address::canonical);
        if caught.as_ref() == Some(&account.address) {
            found.push(format!(
                "catch-all of {}: leads nowhere now; change the setting",
                own.name
            ));
        }
    }
    let selection = Selection {
        identifier: Some(account.identifier.clone()),
        ..Selection::default()
    };
    let queued = queue::select(sql, &selection, MOST_COUNTED)?.len();
    if queued > 0 {
        found.push(format!(
            "queue: {queued} messages that it submitted are still to be delivered (what is held, when it is released), unless `queue discard` or `queue bounce` ends them"
        ));
    }
    Ok(found)
}
