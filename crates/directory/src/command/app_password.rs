//! `account app-password`: a password for one mail program, made by the server, seen once, and given up by itself.

use jiff::Timestamp;
use protocol::sasl::Secret;
use serde::Serialize;
use store::{Error, Recorded, Topic, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use super::{Caller, CommandError, Executor, account::present, plain_text, renewed};
use crate::{
    Directory, Options, Role, password as rule,
    tables::{
        account, app_password,
        app_password::{Base, New},
        credential, reading, shared,
    },
};

/// App passwords that one person may have for one account.
pub const MOST: usize = 25;
/// Longest name, in characters.
const MOST_NAME: usize = 80;
/// Who may give up another's: to make one is the holder's alone.
const MAY_REVOKE: &[Role] = &[
    Role::Administrator,
    Role::AccountManager,
    Role::SecurityOfficer,
];

/// What a new app password is for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The program or device, in the holder's words.
    pub name: String,
    /// Whether it may submit mail.
    pub msa: bool,
    /// Whether it may fetch mail.
    pub mra: bool,
    /// From when on it is not good any more.
    pub expires_at: Option<Timestamp>,
}

/// A new app password.
#[derive(Debug)]
pub struct Made {
    /// Its number.
    pub number: i64,
    /// What to type into the mail program. It is kept nowhere.
    pub password: Secret,
}

/// An app password, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Its number.
    pub number: i64,
    /// The identifier that it opens.
    pub identifier: String,
    /// The program or device, in the holder's words.
    pub name: String,
    /// Who made it.
    pub person: String,
    /// Whether it may submit mail.
    pub msa: bool,
    /// Whether it may fetch mail.
    pub mra: bool,
    /// When it was made.
    pub made_at: Timestamp,
    /// From when on it is not good any more.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
    /// From which address that was.
    pub used_from: Option<String>,
}

/// Makes an app password for the caller's own account.
///
/// # Errors
/// [`CommandError`]: also when the account is another's, suspended, or has as many as it may.
pub async fn add(caller: &Caller, name: &str, wish: Wish) -> Result<Made, CommandError> {
    let words = format!("account app-password add {name}");
    let work = make(caller, &words, name.to_owned(), wish);
    caller.run(&words, work).await
}

async fn make(
    caller: &Caller,
    words: &str,
    name: String,
    wish: Wish,
) -> Result<Made, CommandError> {
    let directory = &caller.directory;
    let options = directory.options();
    let label = plain_text("the name", &wish.name, MOST_NAME)?;
    if !wish.msa && !wish.mra {
        return Err(CommandError::Argument(
            "an app password is for sending mail, for fetching it, or for both".to_owned(),
        ));
    }
    let now = directory.inner.store.now();
    if wish.expires_at.is_some_and(|end| end <= now) {
        return Err(CommandError::Argument(
            "the app password would have expired already".to_owned(),
        ));
    }
    let (asked, settings) = (name.clone(), options.clone());
    let base = caller
        .peek(&[], move |snapshot, me| {
            let account = may_have_another(snapshot, (&settings, now), &asked, me)?;
            Ok(base_of(snapshot, &account)?)
        })
        .await?;
    let password = rule::generate_long(&directory.inner.world);
    let hasher = &directory.inner.hasher;
    let scram = hasher
        .scram(password.clone(), options.cost(), base)
        .await
        .map_err(|problem| CommandError::Hash(problem.to_string()))?;
    let digest = app_password::digest(&password);
    let number = caller
        .change(words, &[], move |tx, me| {
            let now = tx.now();
            let account = may_have_another(tx, (&options, now), &name, me)?;
            if base_of(tx, &account)?.is_some_and(|base| !base.is_of(&scram)) {
                return Err(CommandError::Changed);
            }
            let new = New {
                account: account.id,
                name: &label,
                msa: wish.msa,
                mra: wish.mra,
                digest: &digest,
                scram: &scram,
                expires_at: wish.expires_at,
                made_by: me.id,
            };
            let number = app_password::insert(tx, &new)?;
            let event = me
                .event(Kind::AppPasswordMade, &account.identifier)
                .detail("app_password", number)
                .detail("app_password_name", label)
                .detail("msa", wish.msa)
                .detail("mra", wish.mra)
                .detail("expires_at", wish.expires_at.map(|at| at.to_string()));
            let mut events = vec![event];
            events.extend(renewed::by_all(tx, &account)?);
            Ok((number, events))
        })
        .await?;
    Ok(Made { number, password })
}

/// The account, if the caller may make one more app password for it.
fn may_have_another(
    sql: &mut dyn Sql,
    (options, now): (&Options, Timestamp),
    name: &str,
    me: &Executor,
) -> Result<account::Entry, CommandError> {
    let account = used_by(sql, (options, now), name, me)?;
    let reads = reading::open(sql, account.id, me.id, now)?.is_some();
    let renews = renewed::may_renew(sql, &account, now)?;
    if !reads && !renews && account.state != super::AccountState::Active {
        return Err(CommandError::State(format!(
            "{} is suspended",
            account.identifier
        )));
    }
    if !reads && account.must_change_password {
        return Err(CommandError::State(format!(
            "{} still has the password that it was issued with; change it first",
            account.identifier
        )));
    }
    let mut mine = app_password::of(sql, account.id)?;
    mine.retain(|entry| entry.made_by == me.id);
    if mine.len() >= MOST {
        return Err(CommandError::State(format!(
            "{} has {MOST} app passwords of {}, as many as there may be; give one up first",
            account.identifier, me.name
        )));
    }
    Ok(account)
}

/// Salt and iterations that all SCRAM secrets of the account have, if it has any.
fn base_of(sql: &mut dyn Sql, account: &account::Entry) -> Result<Option<Base>, Error> {
    if let Some(base) = app_password::base(sql, account.id)? {
        return Ok(Some(base));
    }
    let scram = credential::of(sql, account.id)?.and_then(|held| held.scram);
    Ok(scram.map(|scram| Base {
        salt: scram.salt,
        iterations: scram.iterations,
    }))
}

/// The account, which must be the caller's own; of a shared identifier, the caller must be one of those who use it,
/// and of one that is read on an order, the reader.
fn used_by(
    sql: &mut dyn Sql,
    (options, now): (&Options, Timestamp),
    name: &str,
    me: &Executor,
) -> Result<account::Entry, CommandError> {
    let identifier = options.canonical_identifier(name);
    let Some(entry) = account::by_identifier(sql, &identifier)? else {
        return Err(CommandError::OnlyHolder(identifier));
    };
    if reading::open(sql, entry.id, me.id, now)?.is_some() {
        return present(sql, options, name);
    }
    match shared::of(sql, entry.id)? {
        None => own(sql, options, name, me),
        Some(_) if shared::is_user(sql, entry.id, me.id, now)? => present(sql, options, name),
        Some(_) => Err(CommandError::OnlyHolder(identifier)),
    }
}

/// The account, which must be the caller's own.
pub(super) fn own(
    sql: &mut dyn Sql,
    options: &Options,
    name: &str,
    me: &Executor,
) -> Result<account::Entry, CommandError> {
    let identifier = options.canonical_identifier(name);
    let entry = account::by_identifier(sql, &identifier)?;
    if entry.is_none_or(|entry| entry.person.0 != me.id) {
        return Err(CommandError::OnlyHolder(identifier));
    }
    present(sql, options, name)
}

/// The account, which must be the caller's own unless one of the roles is held.
pub(super) fn own_or(
    sql: &mut dyn Sql,
    options: &Options,
    name: &str,
    me: &Executor,
    roles: &'static [Role],
) -> Result<account::Entry, CommandError> {
    if roles.iter().any(|role| me.has(*role)) {
        return present(sql, options, name);
    }
    own(sql, options, name, me).map_err(|error| match error {
        CommandError::OnlyHolder(_) => CommandError::NotPermitted(roles),
        other => other,
    })
}

/// The app passwords of an account: the caller's own, or any for an officer.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller, name: &str) -> Result<Vec<View>, CommandError> {
    let words = format!("account app-password list {name}");
    let (options, name) = (caller.directory.options(), name.to_owned());
    caller
        .look(&words, &[], move |snapshot, me| {
            let account = own_or(snapshot, &options, &name, me, &Role::OFFICERS)?;
            let all = app_password::of(snapshot, account.id)?;
            let view = |entry| view(&account.identifier, entry);
            Ok(all.into_iter().map(view).collect())
        })
        .await
}

pub(super) fn view(identifier: &str, entry: app_password::Entry) -> View {
    View {
        number: entry.number,
        identifier: identifier.to_owned(),
        name: entry.name,
        person: entry.maker,
        msa: entry.msa,
        mra: entry.mra,
        made_at: entry.made_at,
        expires_at: entry.expires_at,
        used_at: entry.used_at,
        used_from: entry.used_from,
    }
}

/// Gives an app password up: sessions that it began end at once.
///
/// # Errors
/// [`CommandError`].
pub async fn revoke(caller: &Caller, name: &str, number: i64) -> Result<(), CommandError> {
    let words = format!("account app-password revoke {name} {number}");
    let (options, name) = (caller.directory.options(), name.to_owned());
    let work = caller.change(&words, &[], move |tx, me| {
        let no_such = || CommandError::NoSuch {
            what: "app password",
            name: number.to_string(),
        };
        let now = tx.now();
        let (account, mine) = match used_by(tx, (&options, now), &name, me) {
            Ok(account) => (account, true),
            Err(_) => (own_or(tx, &options, &name, me, MAY_REVOKE)?, false),
        };
        let officer = MAY_REVOKE.iter().any(|role| me.has(*role));
        let entry = app_password::one(tx, account.id, number)?;
        // Those who share an identifier look each after their own.
        let entry = entry.filter(|entry| officer || !mine || entry.made_by == me.id);
        let entry = entry.ok_or_else(no_such)?;
        app_password::revoke(tx, number)?;
        tx.touch(Topic::Account(account.id));
        let by: &[Role] = if entry.made_by == me.id {
            &[]
        } else {
            MAY_REVOKE
        };
        let event = me.event_by(by, Kind::AppPasswordRevoked, account.identifier);
        Ok(((), vec![told(event, &entry, "command")]))
    });
    caller.run(&words, work).await
}

pub(super) fn told(event: Event, entry: &app_password::Entry, why: &str) -> Event {
    event
        .detail("app_password", entry.number)
        .detail("app_password_name", entry.name.as_str())
        .detail("why", why)
}

/// Gives up every app password whose time is over, so that sessions which it began end too; returns how many there were.
///
/// # Errors
/// The store's.
pub async fn expire(directory: &Directory) -> Result<usize, Error> {
    let now = directory.inner.store.now();
    let read = move |snapshot: &mut store::Snapshot<'_>| app_password::expired(snapshot, now);
    let due = directory.inner.store.read(read).await?;
    let count = due.len();
    for (account, number) in due {
        let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
            let gone = || Error::NotFound(format!("app password {number}"));
            let entry = app_password::one(tx, account, number)?.ok_or_else(gone)?;
            let holder = account::by_id(tx, account)?.ok_or_else(gone)?;
            app_password::revoke(tx, number)?;
            tx.touch(Topic::Account(account));
            let event =
                Event::new(Kind::AppPasswordRevoked, Actor::System).subject(holder.identifier);
            tx.record(&told(event, &entry, "expired"), ())
        };
        match directory.inner.store.commit(Vec::new(), work).await {
            // Given up meanwhile.
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}
