//! What holders see of their own accounts.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::{
    Snapshot,
    event::{self, Filter},
};
use trail::{Kind, Outcome, Recorded};

use super::{
    Caller, CommandError,
    app_password::{self, own_or},
    forward, second_factor,
};
use crate::{
    Login, Role,
    tables::{address, life, person, shared},
};

/// Events that are looked at in one go.
const PAGE: usize = 500;
/// Hours that are looked back, one after the other.
const STEPS: [i64; 4] = [1, 24, 7 * 24, 30 * 24];

/// One login, or an attempt at one.
#[derive(Clone, Debug, Serialize)]
pub struct LoginView {
    /// When.
    pub at: Timestamp,
    /// Whether it got in.
    pub success: bool,
    /// `smtp`, `imap`, `pop3`, `https`.
    pub protocol: String,
    /// From which address.
    pub address: Option<String>,
    /// What the program called itself.
    pub client: Option<String>,
    /// The app password's name, if it was one.
    pub app_password: Option<String>,
    /// Why it was refused.
    pub reason: Option<String>,
}

/// An account as its holder sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The identifier.
    pub identifier: String,
    /// The holder's short name.
    pub person: String,
    /// Roles that the holder has now.
    pub roles: Vec<Role>,
    /// Whether the password is still the one that was issued.
    pub must_change_password: bool,
    /// Whether the holder has to have a second factor.
    pub second_factor_needed: bool,
    /// When the holder said to know of the records (clause 9.1(2)).
    pub acknowledged_at: Option<Timestamp>,
    /// Aliases.
    pub aliases: Vec<String>,
    /// Identifiers that the holder shares with others.
    pub shared: Vec<String>,
    /// Where mail goes on to.
    pub forwards: Vec<forward::View>,
    /// App passwords that the holder made: for this identifier, and for those that are shared.
    pub app_passwords: Vec<app_password::View>,
    /// Second factors.
    pub second_factors: Vec<second_factor::View>,
}

impl crate::Directory {
    /// The account of `login` as its holder sees it; `None` when the login does not hold any more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn standing(&self, login: &Login) -> Result<Option<Standing>, store::Error> {
        if !self.holds(login).await? {
            return Ok(None);
        }
        let (options, id) = (self.options(), login.account);
        let read = move |snapshot: &mut Snapshot<'_>| {
            let Some(account) = crate::tables::account::by_id(snapshot, id)? else {
                return Ok(None);
            };
            let rule = options.second_factor;
            let mine = (id, account.identifier.clone());
            let mut app_passwords = Vec::new();
            let shared = shared::of_person(snapshot, account.person.0)?;
            for (id, identifier) in [&mine].into_iter().chain(&shared) {
                let mut found = crate::tables::app_password::of(snapshot, *id)?;
                found.retain(|entry| entry.made_by == account.person.0);
                let views = found.into_iter().map(|e| app_password::view(identifier, e));
                app_passwords.extend(views);
            }
            let aliases = address::aliases(snapshot, id)?;
            Ok(Some(Standing {
                second_factor_needed: second_factor::is_needed(snapshot, &account, rule)?,
                acknowledged_at: life::acknowledged(snapshot, account.person.0)?,
                second_factors: second_factor::views(snapshot, &account)?,
                app_passwords,
                shared: shared
                    .into_iter()
                    .map(|(_, identifier)| identifier)
                    .collect(),
                forwards: forward::of(snapshot, &options, &account)?,
                aliases: aliases.iter().map(ToString::to_string).collect(),
                identifier: account.identifier,
                roles: person::roles(snapshot, account.person.0)?,
                person: account.person.1,
                must_change_password: account.must_change_password,
            }))
        };
        self.inner.store.read(read).await
    }
}

/// The newest logins and attempts at the account since `from`, the newest first: the caller's own, or any for an officer who
/// may search the trail.
///
/// # Errors
/// [`CommandError`].
pub async fn logins(
    caller: &Caller,
    name: &str,
    from: Timestamp,
    most: usize,
) -> Result<Vec<LoginView>, CommandError> {
    let words = format!("account logins {name}");
    let (options, name) = (caller.directory.options(), name.to_owned());
    let now = caller.directory.inner.store.now();
    caller
        .look(&words, &[], move |snapshot, me| {
            let account = own_or(snapshot, &options, &name, me, MAY_LOOK)?;
            let filter = Filter {
                kinds: vec![Kind::AuthenticationSucceeded, Kind::AuthenticationFailed],
                subject: Some(account.identifier.clone()),
                ..Filter::default()
            };
            Ok(newest(snapshot, &filter, (from, now), most)?)
        })
        .await
}

/// Those who may see anybody's logins.
const MAY_LOOK: &[Role] = &[Role::Administrator, Role::SecurityOfficer];

/// Looks back in steps that grow, until there are enough: most accounts have as many within a day or a week.
fn newest(
    snapshot: &mut Snapshot<'_>,
    filter: &Filter,
    (from, now): (Timestamp, Timestamp),
    most: usize,
) -> Result<Vec<LoginView>, store::Error> {
    for hours in STEPS {
        let begin = now.checked_sub(SignedDuration::from_hours(hours));
        let begin = begin.unwrap_or(Timestamp::MIN).max(from);
        let found = newest_since(snapshot, filter, begin, most)?;
        if found.len() >= most || begin <= from {
            return Ok(found);
        }
    }
    newest_since(snapshot, filter, from, most)
}

fn newest_since(
    snapshot: &mut Snapshot<'_>,
    filter: &Filter,
    from: Timestamp,
    most: usize,
) -> Result<Vec<LoginView>, store::Error> {
    let mut page = Filter {
        from: Some(from),
        ..filter.clone()
    };
    let mut newest = VecDeque::with_capacity(most);
    loop {
        let found = event::search(snapshot, &page, PAGE)?;
        let more = found.len() == PAGE;
        page.after = found.last().map(|last| last.id);
        newest.extend(found);
        newest.drain(..newest.len().saturating_sub(most));
        if !more {
            return Ok(newest.into_iter().rev().map(view).collect());
        }
    }
}

fn view(recorded: Recorded) -> LoginView {
    let event = recorded.event;
    let text = |name: &str| {
        let value = event.detail.get(name)?;
        value.as_str().map(str::to_owned)
    };
    LoginView {
        at: recorded.at,
        success: event.outcome == Outcome::Success,
        protocol: text("protocol").unwrap_or_default(),
        client: text("client"),
        app_password: text("app_password_name"),
        reason: text("reason"),
        address: event.address.map(|address| address.to_string()),
    }
}

impl Caller {
    /// The holder of the account of `login`, who calls by `via`.
    ///
    /// # Errors
    /// When the store cannot be read; [`CommandError::Nobody`] when the person is no more.
    pub async fn of_login(
        directory: &crate::Directory,
        login: &Login,
        via: &str,
    ) -> Result<Self, CommandError> {
        let id = login.account;
        let read = move |snapshot: &mut Snapshot<'_>| crate::tables::account::by_id(snapshot, id);
        let account = directory.inner.store.read(read).await?;
        let account = account.ok_or_else(|| CommandError::Nobody(login.identifier.clone()))?;
        Ok(Self {
            directory: directory.clone(),
            user: login.identifier.clone(),
            person: Some(account.person.1),
            via: via.to_owned(),
            proof: Some((login.account, login.generation)),
            address: None,
            acting: None,
        })
    }
}
