//! `account issue`: an address comes to be, on an approved order only (clause 7.1(1)).

use message::address::Address;
use protocol::sasl::Secret;
use serde::Serialize;
use store::{
    AccountId, PersonId, Tx,
    mailbox::{self, SpecialUse},
};
use trail::{Event, Kind};

use super::{Caller, CommandError, Executor, OrderProblem, new_address::free, on_behalf, order};
use crate::{
    Options, Role,
    hash::{NewSecrets, Stored},
    password as rule,
    tables::{
        account, address, credential, life,
        order::{OrderKind, OrderState, mark},
        person,
    },
};

pub(super) const MAY: &[Role] = &[Role::AccountManager];

/// What every account has beside INBOX.
const MAILBOXES: [(&str, SpecialUse); 5] = [
    ("Drafts", SpecialUse::Drafts),
    ("Sent", SpecialUse::Sent),
    ("Trash", SpecialUse::Trash),
    ("Junk", SpecialUse::Junk),
    ("Archive", SpecialUse::Archive),
];

/// The account to issue.
#[derive(Clone, Debug)]
pub struct Issue {
    /// The approved order.
    pub order: i64,
    /// The address; when given it must be the order's.
    pub address: Option<Address>,
    /// Whether whoever issues it is shown the initial password; else nobody is, and a letter makes another (clause 7.1(1)c).
    pub shown: bool,
}

/// An account just issued.
#[derive(Clone, Debug, Serialize)]
pub struct Issued {
    /// The identifier (識別コード).
    pub identifier: String,
    /// The holder's short name.
    pub person: String,
    /// The initial password, stored nowhere.
    #[serde(skip)]
    pub password: Secret,
}

/// Issues the account that an order is for: identifier, mailboxes, initial password. The password is returned
/// this once and stored nowhere.
///
/// # Errors
/// [`CommandError`]; nothing is made unless the order is approved, in time, unused and for this address.
pub async fn issue(caller: &Caller, args: Issue) -> Result<Issued, CommandError> {
    let hidden = if args.shown { "" } else { " --hide-password" };
    let words = format!("account issue --order {}{hidden}", args.order);
    let directory = &caller.directory;
    let options = directory.options();
    let work = async {
        let password = rule::generate(&directory.inner.world);
        let secrets = directory
            .inner
            .hasher
            .derive(password.clone(), options.cost(), None)
            .await
            .map_err(|problem| CommandError::Hash(problem.to_string()))?;
        let decoy_key: [u8; 32] = directory.inner.world.bytes();
        let work = move |tx: &mut Tx<'_>, me: &Executor| {
            credential::keep_decoy_key(tx, &decoy_key)?;
            carry_out(tx, me, &options, &args, secrets)
        };
        let (identifier, person) = caller.change(&words, MAY, work).await?;
        Ok(Issued {
            identifier,
            person,
            password,
        })
    };
    caller.run(&words, work).await
}

fn carry_out(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    args: &Issue,
    secrets: NewSecrets,
) -> Result<((String, String), Vec<Event>), CommandError> {
    let number = args.order;
    let refused = |problem| CommandError::Order { number, problem };
    let (order, single) = order::usable(tx, number, OrderKind::Issue, me, options)?;
    let (Some((_, name)), Some(ordered)) = (order.for_person, order.details.address) else {
        return Err(CommandError::State(format!(
            "order {number} names no person or no address"
        )));
    };
    if args
        .address
        .as_ref()
        .is_some_and(|given| given.canonical() != ordered.canonical())
    {
        return Err(refused(OrderProblem::Address(ordered.to_string())));
    }
    let holder = super::person::any(tx, &name)?;
    if !holder.active {
        return Err(refused(OrderProblem::PersonLeft));
    }
    on_behalf::must_be_named(tx, options, (number, &order.details.os_users), &[holder.id])?;
    let acknowledged = life::acknowledged(tx, holder.id)?;
    if acknowledged.is_none() && options.acknowledgement_required {
        return Err(order::not_acknowledged(&name));
    }
    free(tx, options, &ordered)?;
    let new = NewAccount {
        address: &ordered,
        person: holder.id,
        order: number,
        quota: order.details.quota.or(options.default_quota),
        password: Password::Made(secrets),
    };
    let account = create(tx, new)?;
    let identifier = ordered.canonical().to_string();
    mark(tx, number, OrderState::Used, me.id, &identifier)?;
    let issued = me
        .event(Kind::AccountIssued, &identifier)
        .order(number)
        .detail("account", account.to_string())
        .detail("person", name.as_str())
        .detail("password_shown", args.shown)
        .detail("acknowledged_at", acknowledged.map(|at| at.to_string()))
        .detail("quota", order.details.quota.or(options.default_quota));
    let mut events = vec![order::mark_single(issued, single)];
    if person::grant(tx, holder.id, Role::Staff)? {
        let granted = me.event(Kind::RoleGranted, &name).order(number);
        events.push(granted.detail("role", Role::Staff.as_str()));
    }
    Ok(((identifier, name), events))
}

/// The password of a new account.
pub(super) enum Password {
    /// Made here: the holder has to change it.
    Made(NewSecrets),
    /// From another system, as its hash.
    Imported(Stored),
}

/// An account to be made; the order was checked.
pub(super) struct NewAccount<'a> {
    pub(super) address: &'a Address,
    pub(super) person: PersonId,
    pub(super) order: i64,
    pub(super) quota: Option<u64>,
    pub(super) password: Password,
}

/// Makes the account: rows, key, mailboxes, quota, credential.
pub(super) fn create(tx: &mut Tx<'_>, new: NewAccount<'_>) -> Result<AccountId, CommandError> {
    let row = account::New {
        address: new.address,
        person: new.person,
        order: new.order,
        must_change_password: matches!(new.password, Password::Made(_)),
    };
    let account = account::insert(tx, &row)?;
    address::insert(tx, new.address, account, true)?;
    tx.create_key(account)?;
    mailbox::create_initial(tx, account, &MAILBOXES)?;
    mailbox::set_quota(tx, account, new.quota)?;
    match new.password {
        Password::Made(secrets) => credential::set(tx, account, &secrets)?,
        Password::Imported(stored) => credential::set_imported(tx, account, stored)?,
    }
    Ok(account)
}
