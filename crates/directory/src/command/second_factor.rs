//! Second factors: time-based codes and passkeys (see `passkey`), added by the holder on the pages, removed by the holder, or
//! by an account manager for one who has lost the device.

use jiff::Timestamp;
use protocol::sasl::Secret;
use serde::Serialize;
use store::{Error, Topic, Tx, sql::Sql};
use trail::{Event, Kind};

use super::{
    Alone, Caller, CommandError, Commit, Executor,
    account::{needs_none, on_order},
    app_password::{own, own_or},
    on_behalf::{Act, Ground},
    plain_text,
};
use crate::{
    Directory, Options, Role, SecondFactor,
    tables::{account, person, second_factor},
    totp,
};

/// Second factors of one account at most.
pub const MOST: usize = 5;
/// Longest name, in characters.
pub(super) const MOST_NAME: usize = 80;
/// Who may remove another's.
const MAY_REMOVE: &[Role] = &[Role::AccountManager];

/// A second factor, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Its number.
    pub number: i64,
    /// `totp` or `passkey`.
    pub kind: String,
    /// The device, in the holder's words.
    pub name: String,
    /// When it was added.
    pub added_at: Timestamp,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
}

/// A second factor that was added.
#[derive(Clone, Copy, Debug)]
pub struct Added {
    /// Its number.
    pub number: i64,
    /// The account's generation from now on: what was proved without the second factor does not hold any more, but for the
    /// login that added it, if it takes this on.
    pub generation: i64,
}

/// A secret that may become a second factor, once a code of it is shown.
#[derive(Debug)]
pub struct Offer {
    /// The secret as people type it (base32).
    pub secret: Secret,
    /// The same for a program's camera: an `otpauth:` address.
    pub address: Secret,
}

/// Makes a secret for the holder of `identifier`. Nothing is kept.
#[must_use]
pub fn offer(directory: &Directory, identifier: &str, issuer: &str) -> Offer {
    let bytes: [u8; totp::SECRET_LEN] = directory.inner.world.bytes();
    let secret = totp::written(&bytes);
    let address = format!(
        "otpauth://totp/{issuer}:{identifier}?secret={secret}&issuer={issuer}",
        issuer = escaped(issuer),
        identifier = escaped(identifier),
    );
    Offer {
        secret: Secret::from(secret),
        address: Secret::from(address),
    }
}

/// Text as it may stand in an address (RFC 3986, section 2.3).
fn escaped(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~@".contains(&octet);
    text.bytes()
        .map(|octet| match plain(octet) {
            true => char::from(octet).to_string(),
            false => format!("%{octet:02X}"),
        })
        .collect()
}

/// Adds a device that shows codes to the caller's own account: `code` shows that the device has the secret.
///
/// # Errors
/// [`CommandError`]: also when the code is wrong or over.
pub async fn add(
    caller: &Caller,
    name: &str,
    label: &str,
    secret: &Secret,
    code: &str,
) -> Result<Added, CommandError> {
    let words = format!("account second-factor add {name}");
    let options = caller.directory.options();
    let (name, code) = (name.to_owned(), code.to_owned());
    let work = async {
        let label = plain_text("the name", label, MOST_NAME)?;
        let secret = secret.expose_str().and_then(totp::read).ok_or_else(|| {
            CommandError::Argument("the secret is not one that was offered".to_owned())
        })?;
        caller
            .change(&words, &[], move |tx, me| {
                let account = own(tx, &options, &name, me)?;
                has_room(tx, &account)?;
                let Some(step) = totp::step_of(&secret, &code, tx.now(), 0) else {
                    return Err(CommandError::WrongCode);
                };
                let what = (second_factor::TOTP, label);
                let (added, event) = keep(tx, me, &account, what, &secret, step)?;
                Ok((added, vec![event]))
            })
            .await
    };
    caller.run(&words, work).await
}

/// Refuses an account that has as many as it may.
pub(super) fn has_room(sql: &mut dyn Sql, account: &account::Entry) -> Result<(), CommandError> {
    if second_factor::of(sql, account.id)?.len() < MOST {
        return Ok(());
    }
    Err(CommandError::State(format!(
        "{} has {MOST} second factors, as many as it may; remove one first",
        account.identifier
    )))
}

/// Keeps one of a kind and a name, whose `secret` was just proved with `counter`: what was proved without it counts no more.
pub(super) fn keep(
    tx: &mut Tx<'_>,
    me: &Executor,
    account: &account::Entry,
    (kind, label): (&'static str, String),
    secret: &[u8],
    counter: i64,
) -> Result<(Added, Event), CommandError> {
    let id = account.id;
    let number = second_factor::insert(tx, id, (kind, &label), secret, counter)?;
    account::prove_anew(tx, id)?;
    let generation = account.generation.saturating_add(1);
    tx.touch(Topic::Account(id));
    let event = me
        .event(Kind::SecondFactorAdded, account.identifier.clone())
        .detail("second_factor", number)
        .detail("second_factor_kind", kind)
        .detail("name", label);
    Ok((Added { number, generation }, event))
}

/// The second factors of an account: the caller's own, or any for an officer.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller, name: &str) -> Result<Vec<View>, CommandError> {
    let words = format!("account second-factor list {name}");
    let (options, name) = (caller.directory.options(), name.to_owned());
    caller
        .look(&words, &[], move |snapshot, me| {
            let account = own_or(snapshot, &options, &name, me, &Role::OFFICERS)?;
            Ok(views(snapshot, &account)?)
        })
        .await
}

pub(super) fn views(sql: &mut dyn Sql, account: &account::Entry) -> Result<Vec<View>, Error> {
    let all = second_factor::of(sql, account.id)?;
    let view = |entry: second_factor::Entry| View {
        number: entry.number,
        kind: entry.kind,
        name: entry.name,
        added_at: entry.added_at,
        used_at: entry.used_at,
    };
    Ok(all.into_iter().map(view).collect())
}

/// Removes a second factor. The holder's sessions on the pages end.
///
/// # Errors
/// [`CommandError`]; the last one stays where the holder has to have one, unless an account manager removes it.
pub async fn remove(caller: &Caller, name: &str, number: i64) -> Result<(), CommandError> {
    let alone = Alone(caller.directory.inner.store.clone());
    remove_by(caller, (name, number), None, alone).await
}

/// The same, on the `order` of that number; what another than the holder does is committed together with the mail that tells of it: without
/// a second factor the password opens the mailbox for mail programs.
///
/// # Errors
/// As [`remove`]; [`CommandError::NeedsOrder`] where the settings demand one.
pub async fn remove_by(
    caller: &Caller,
    (name, number): (&str, i64),
    order: Option<i64>,
    by: impl Commit,
) -> Result<(), CommandError> {
    let words = on_order(
        format!("account second-factor remove {name} {number}"),
        order,
    );
    let (options, name) = (caller.directory.options(), name.to_owned());
    let work = async {
        let (asked, settings) = (name.clone(), options.clone());
        let mine = caller
            .peek(&[], move |snapshot, me| {
                let account = own_or(snapshot, &settings, &asked, me, MAY_REMOVE)?;
                Ok(account.person.0 == me.id)
            })
            .await?;
        let remove = move |tx: &mut Tx<'_>, me: &Executor| {
            let account = own_or(tx, &options, &name, me, MAY_REMOVE)?;
            if mine != (account.person.0 == me.id) {
                return Err(CommandError::Changed);
            }
            Ok((
                (),
                vec![remove_in(tx, me, &options, &account, (number, order))?],
            ))
        };
        match mine {
            true => caller.change(&words, &[], remove).await,
            false => caller.change_by(by, &words, MAY_REMOVE, remove).await,
        }
    };
    caller.run(&words, work).await
}

fn remove_in(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    account: &account::Entry,
    (number, order): (i64, Option<i64>),
) -> Result<Event, CommandError> {
    let left = second_factor::of(tx, account.id)?.len();
    let mine = account.person.0 == me.id;
    // A manager takes another's last one away, on the grounds that hold for that; nobody takes their own.
    let manager = !mine && me.has(Role::AccountManager);
    if left == 1 && !manager && is_needed(tx, account, options.second_factor)? {
        return Err(CommandError::State(format!(
            "{} has to have a second factor: add another before this one goes",
            account.identifier
        )));
    }
    must_be_there(tx, account, number)?;
    let now = tx.now();
    let ground = match mine {
        true => needs_none(order).map(|()| Ground::Role { single: false })?,
        false => Ground::of(
            tx,
            (options, now),
            me,
            (account, Act::Removal(number)),
            order,
        )?,
    };
    let label = second_factor::remove(tx, account.id, number)?.unwrap_or_default();
    account::prove_anew(tx, account.id)?;
    ground.spend(tx, me, &account.identifier)?;
    tx.touch(Topic::Account(account.id));
    let event = me
        .event(Kind::SecondFactorRemoved, account.identifier.clone())
        .detail("second_factor", number)
        .detail("name", label)
        .detail("by", if mine { "holder" } else { "account-manager" });
    Ok(ground.told(event))
}

/// Refuses a number that none of the account's has.
pub(super) fn must_be_there(
    sql: &mut dyn Sql,
    account: &account::Entry,
    number: i64,
) -> Result<(), CommandError> {
    let all = second_factor::of(sql, account.id)?;
    match all.iter().any(|one| one.number == number) {
        true => Ok(()),
        false => Err(CommandError::NoSuch {
            what: "second factor",
            name: number.to_string(),
        }),
    }
}

/// Whether the holder of the account has to have a second factor.
pub(crate) fn is_needed(
    sql: &mut dyn Sql,
    account: &account::Entry,
    rule: SecondFactor,
) -> Result<bool, Error> {
    Ok(match rule {
        SecondFactor::Optional => false,
        SecondFactor::Everyone => true,
        SecondFactor::Officers => {
            let roles = person::roles(sql, account.person.0)?;
            roles.iter().any(|role| *role != Role::Staff)
        }
    })
}

/// Identifiers of people with an officer's role that have no second factor, where one is asked of them.
///
/// # Errors
/// When the store cannot be read.
pub async fn missing(directory: &Directory) -> Result<Vec<String>, Error> {
    if directory.options().second_factor == SecondFactor::Optional {
        return Ok(Vec::new());
    }
    let read =
        |snapshot: &mut store::Snapshot<'_>| second_factor::missing(snapshot, Role::Staff.as_str());
    directory.inner.store.read(read).await
}
