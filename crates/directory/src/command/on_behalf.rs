//! `order password | second-factor | user`: what would let whoever does it read somebody else's mail (clause 7.1(4)), and what permits it.
//!
//! A new password opens the mailbox until its holder changes it. Without a second factor the password opens it for mail programs. Who is
//! an operating-system user of somebody's is that person, to every command. App passwords and passkeys are made by holders alone, and
//! nothing that is removed of them opens anything.

use jiff::Timestamp;
use message::address::Address;
use store::{PersonId, Tx, event, sql::Sql};
use trail::{Actor, Event, Kind};

use super::{
    Caller, CommandError, Executor, OrderProblem, incident,
    order::{self, account_of, mark_single},
    person,
};
use crate::{
    Options, Role,
    tables::{
        account, credential, incident as incidents, life,
        order::{Entry, OrderDetails, OrderKind, OrderState, mark},
        person as person_table, reading, shared,
    },
};

/// Whom an order is about, and which of their accounts: may be left out if there is one only.
#[derive(Clone, Debug)]
pub struct Whose {
    /// The holder.
    pub person: String,
    /// The account's address.
    pub address: Option<Address>,
}

/// Who asks for it: another system officer approves.
pub(super) const MAY_ASK: &[Role] = &[Role::SystemOfficer, Role::AccountManager];

/// Orders one new password for an account; returns the order's number.
///
/// # Errors
/// [`CommandError`].
pub async fn order_password(caller: &Caller, whose: Whose) -> Result<i64, CommandError> {
    let words = format!("order password --for {}", whose.person);
    enter(caller, &words, whose, OrderKind::Password, None).await
}

/// Orders that a second factor is removed; returns the order's number.
///
/// # Errors
/// [`CommandError`].
pub async fn order_removal(
    caller: &Caller,
    whose: Whose,
    number: i64,
) -> Result<i64, CommandError> {
    let words = format!("order second-factor --for {} {number}", whose.person);
    enter(caller, &words, whose, OrderKind::SecondFactor, Some(number)).await
}

async fn enter(
    caller: &Caller,
    words: &str,
    whose: Whose,
    kind: OrderKind,
    second_factor: Option<i64>,
) -> Result<i64, CommandError> {
    let work = caller.change(words, MAY_ASK, move |tx, me| {
        let person = person::find(tx, &whose.person)?;
        let account = account_of(tx, &person, whose.address.as_ref())?;
        super::account::must_be_one_persons(tx, &account)?;
        if let Some(number) = second_factor {
            super::second_factor::must_be_there(tx, &account, number)?;
        }
        let details = OrderDetails {
            address: Some(account.address),
            second_factor,
            ..OrderDetails::default()
        };
        order::enter(
            tx,
            me,
            kind,
            Some((person.id, &person.name)),
            &details,
            None,
        )
    });
    caller.run(words, work).await
}

/// Orders that a person is an operating-system user from now on; returns the order's number.
///
/// # Errors
/// [`CommandError`].
pub async fn order_user(caller: &Caller, name: &str, user: &str) -> Result<i64, CommandError> {
    let words = format!("order user --for {name} --user {user}");
    let name = name.to_owned();
    let work = async {
        let user = person::user_name(user)?;
        caller
            .change(&words, order::MAY, move |tx, me| {
                let person = person::find(tx, &name)?;
                let details = OrderDetails {
                    user: Some(user),
                    ..OrderDetails::default()
                };
                let concerned = Some((person.id, person.name.as_str()));
                order::enter(tx, me, OrderKind::User, concerned, &details, None)
            })
            .await
    };
    caller.run(&words, work).await
}

/// What somebody asks to do to another's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Set a password.
    Password,
    /// Make a letter with a new one.
    Letter,
    /// Remove the second factor of that number.
    Removal(i64),
}

impl Act {
    const fn kind(self) -> OrderKind {
        match self {
            Self::Password | Self::Letter => OrderKind::Password,
            Self::Removal(_) => OrderKind::SecondFactor,
        }
    }

    fn words(self, identifier: &str) -> String {
        match self {
            Self::Password => format!("a password that another sets for {identifier}"),
            Self::Letter => format!("a letter with another password of {identifier}"),
            Self::Removal(_) => format!("a second factor of {identifier} that another removes"),
        }
    }
}

/// The operating-system users that these people are, to every command.
pub(super) fn users_of(
    sql: &mut dyn Sql,
    people: &[PersonId],
) -> Result<Vec<String>, store::Error> {
    let mut users = Vec::new();
    for person in people {
        users.extend(person_table::users(sql, *person)?);
    }
    Ok(users)
}

/// Refuses an order that gives these people a mailbox, if one of them became an operating-system user after it was issued: whoever approved
/// it did not know whose mailbox it would be.
pub(super) fn must_be_named(
    tx: &mut Tx<'_>,
    options: &Options,
    (number, named): (i64, &[String]),
    people: &[PersonId],
) -> Result<(), CommandError> {
    let now = tx.now();
    if !is_demanded(tx, now, options)? {
        return Ok(());
    }
    let users = users_of(tx, people)?;
    match users.into_iter().find(|user| !named.contains(user)) {
        None => Ok(()),
        Some(user) => Err(CommandError::Order {
            number,
            problem: OrderProblem::UserSince(user),
        }),
    }
}

/// Whether the settings demand an order, and there is a second person for it.
fn is_demanded(sql: &mut dyn Sql, now: Timestamp, options: &Options) -> Result<bool, store::Error> {
    Ok(options.password_needs_order && !order::single_permitted(sql, now, options)?)
}

/// What permits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// An order of its own, and whether one person plays two parts in it.
    Order { number: i64, single: bool },
    /// The order that the account was issued on: its password was never its holder's.
    Issue(i64),
    /// An open incident that demands a new password, and whether one person plays two parts in it.
    Incident { number: i64, single: bool },
    /// The role alone: as the settings have it, or since one person holds every office.
    Role { single: bool },
}

impl Ground {
    /// Looks for it; `number` is that of the order that was named, if one was.
    ///
    /// # Errors
    /// [`CommandError::NeedsOrder`]; what is wrong with the order.
    pub(super) fn of(
        sql: &mut dyn Sql,
        (options, now): (&Options, Timestamp),
        me: &Executor,
        (account, act): (&account::Entry, Act),
        number: Option<i64>,
    ) -> Result<Self, CommandError> {
        if let Some(number) = number {
            let (order, single) = order::usable_at(sql, now, (number, act.kind()), me, options)?;
            must_be_of(&order, account, act)?;
            return Ok(Self::Order { number, single });
        }
        let covered = match act {
            Act::Letter => is_as_issued(sql, account)?,
            Act::Password => is_as_issued(sql, account)? && has_seen(sql, me, account)?,
            Act::Removal(_) => false,
        };
        if covered {
            return Ok(Self::Issue(account.order));
        }
        match in_incident(sql, me, account, (options, now))? {
            Some(Standing::Stands { number, single }) => {
                return Ok(Self::Incident { number, single });
            }
            Some(Standing::OwnAlone(number)) if is_demanded(sql, now, options)? => {
                return Err(CommandError::State(format!(
                    "incident {number} of {} was opened by {} as well: it stands for an order once somebody else has acknowledged its report \
                     (`incident step {number} acknowledged`)",
                    account.identifier, me.name
                )));
            }
            _ => {}
        }
        match is_demanded(sql, now, options)? {
            false => Ok(Self::by_role(options)),
            true => Err(CommandError::NeedsOrder {
                what: act.words(&account.identifier),
                kind: act.kind(),
            }),
        }
    }

    /// Where no order is demanded: by the settings, or for want of a second person.
    const fn by_role(options: &Options) -> Self {
        let single = options.password_needs_order;
        Self::Role { single }
    }

    /// The event of what was done, with what permits it.
    pub(super) fn told(self, event: Event) -> Event {
        match self {
            Self::Order { number, single } => mark_single(event.order(number), single),
            Self::Issue(number) => event.order(number),
            Self::Incident { number, single } => {
                mark_single(event.detail("incident", number), single)
            }
            Self::Role { single } => mark_single(event, single),
        }
    }

    /// An order is used up by it.
    pub(super) fn spend(
        self,
        tx: &mut Tx<'_>,
        me: &Executor,
        what: &str,
    ) -> Result<(), store::Error> {
        match self {
            Self::Order { number, .. } => mark(tx, number, OrderState::Used, me.id, what),
            Self::Issue(_) | Self::Incident { .. } | Self::Role { .. } => Ok(()),
        }
    }
}

fn must_be_of(order: &Entry, account: &account::Entry, act: Act) -> Result<(), CommandError> {
    let refused = |problem| CommandError::Order {
        number: order.number,
        problem,
    };
    match &order.details.address {
        Some(address) if *address == account.address => {}
        address => {
            let named = address.as_ref().map(ToString::to_string);
            return Err(refused(OrderProblem::Address(named.unwrap_or_default())));
        }
    }
    match (act, order.details.second_factor) {
        (Act::Removal(number), Some(named)) if named != number => {
            Err(refused(OrderProblem::SecondFactor(named)))
        }
        _ => Ok(()),
    }
}

/// Whether the account has the password that it was issued with, and nobody used it or has a letter with it: the order to issue it
/// covers the first letter, and another password by whoever was shown that one.
pub(super) fn is_as_issued(
    sql: &mut dyn Sql,
    account: &account::Entry,
) -> Result<bool, store::Error> {
    if !account.must_change_password
        || life::letter(sql, account.id)?.is_some()
        || life::is_used(sql, account.id)?
    {
        return Ok(false);
    }
    let held = credential::of(sql, account.id)?;
    Ok(held.is_some_and(|held| held.changed_at <= account.issued_at))
}

/// Whether the executor issued the account, and was shown its password: another one opens nothing more to them.
fn has_seen(
    sql: &mut dyn Sql,
    me: &Executor,
    account: &account::Entry,
) -> Result<bool, store::Error> {
    let (at, kind) = (account.issued_at, Kind::AccountIssued);
    let issued = event::recorded_at(sql, at, kind, &account.identifier)?;
    Ok(issued.is_some_and(|found| {
        let shown = found.event.detail.get("password_shown") == Some(&true.into());
        shown && found.event.actor == Actor::Person(me.name.clone())
    }))
}

enum Standing {
    Stands {
        number: i64,
        single: bool,
    },
    /// It is open, and nobody but the one who asks has had a part in it.
    OwnAlone(i64),
}

/// An open incident of the account that demands a new password. That somebody else opened it, or acknowledged its report, is what the
/// approval of an order would be.
fn in_incident(
    sql: &mut dyn Sql,
    me: &Executor,
    account: &account::Entry,
    (options, now): (&Options, Timestamp),
) -> Result<Option<Standing>, CommandError> {
    let mut own = None;
    for open in incident::awaiting_password(sql, account)? {
        let number = open.number;
        let others = |name: &Option<String>| name.as_ref() != Some(&me.name);
        let steps = incidents::steps(sql, number)?;
        let acknowledged = steps
            .iter()
            .any(|step| step.name == incident::Step::Acknowledged.as_str() && others(&step.by));
        if others(&open.opened_by) || acknowledged {
            let single = false;
            return Ok(Some(Standing::Stands { number, single }));
        }
        own = Some(number);
    }
    let Some(number) = own else { return Ok(None) };
    Ok(Some(match order::single_permitted(sql, now, options)? {
        true => Standing::Stands {
            number,
            single: true,
        },
        false => Standing::OwnAlone(number),
    }))
}

/// What whoever gives commands as a person can do that is to be done by nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opens {
    /// They have a mailbox before them: their own, whatever its state, a shared one, or one that they read.
    Mailbox,
    /// They hold an officer's role, and no mailbox: what takes two people, two such users do.
    Office,
}

/// What being that person opens; `None`: nothing.
pub(crate) fn opens(sql: &mut dyn Sql, person: PersonId) -> Result<Option<Opens>, store::Error> {
    let mailbox = !account::of_person(sql, person)?.is_empty()
        || !shared::of_person(sql, person)?.is_empty()
        || reading::is_reader(sql, person)?;
    if mailbox {
        return Ok(Some(Opens::Mailbox));
    }
    let roles = person_table::roles(sql, person)?;
    let office = roles.into_iter().any(Role::is_officers);
    Ok(office.then_some(Opens::Office))
}

/// What permits that a person is an operating-system user from now on: the role alone, if that opens nothing.
///
/// # Errors
/// As [`Ground::of`].
pub(super) fn to_map(
    tx: &mut Tx<'_>,
    options: &Options,
    me: &Executor,
    (whom, user): (&crate::tables::person::Entry, &str),
    number: Option<i64>,
) -> Result<Ground, CommandError> {
    let Some(number) = number else {
        let now = tx.now();
        let Some(opens) = opens(tx, whom.id)? else {
            return Ok(Ground::Role { single: false });
        };
        if !is_demanded(tx, now, options)? {
            return Ok(Ground::by_role(options));
        }
        let has = match opens {
            Opens::Mailbox => "has a mailbox",
            Opens::Office => "holds an officer's role",
        };
        return Err(CommandError::NeedsOrder {
            what: format!("an operating-system user for {}, who {has},", whom.name),
            kind: OrderKind::User,
        });
    };
    let (order, single) = order::usable(tx, number, OrderKind::User, me, options)?;
    let refused = |problem| CommandError::Order { number, problem };
    match &order.for_person {
        Some((id, _)) if *id == whom.id => {}
        other => {
            let name = other.as_ref().map(|(_, name)| name.clone());
            return Err(refused(OrderProblem::Person(name.unwrap_or_default())));
        }
    }
    match order.details.user {
        Some(ordered) if ordered == user => Ok(Ground::Order { number, single }),
        other => Err(refused(OrderProblem::User(other.unwrap_or_default()))),
    }
}
