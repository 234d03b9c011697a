//! Commands on people, orders and accounts: authorised, audited functions shared by CLI and console.
//!
//! Each takes the [`Caller`] who gives it and its arguments. The caller's roles are read in the transaction that
//! makes the change, and the change, its own event and the event of the command are one commit. A command that
//! is refused, or fails, leaves an event too. Secrets never stand in an event.
//!
//! | command | role (any of) |
//! |---|---|
//! | `person add` | system-officer, security-officer, personnel-clerk |
//! | `person leave`, `person depart` | system-officer, security-officer, personnel-clerk |
//! | `person announce` | system-officer, security-officer, personnel-clerk |
//! | `person notice NAME` | system-officer, security-officer, personnel-clerk |
//! | `person acknowledge` | the person; on paper: system-officer, security-officer, personnel-clerk |
//! | `person role grant`, `person role revoke` | system-officer, security-officer |
//! | `person map` | system-officer, security-officer, on an order where that is demanded ([`on_behalf`]) |
//! | `person unmap` | system-officer, security-officer |
//! | `person list`, `person show` | any officer's role (all but staff) |
//! | `person language` | the person; system-officer, security-officer, personnel-clerk |
//! | `person roster` | any officer's role |
//! | `order issue`, `order delete`, `order import` | system-officer |
//! | `order approve` | system-officer, and not the one who issued it |
//! | `order list`, `order show` | any officer's role |
//! | `account issue`, `account delete`, `account import` | account-manager, and not the one who issued the order |
//! | `account letter` | account-manager, on an order where that is demanded ([`on_behalf`]) |
//! | `account hold` | security-officer, system-officer |
//! | `account suspend`, `account resume`, `account idle --act` | administrator, account-manager, security-officer |
//! | `account services` | administrator, account-manager |
//! | `account password` | the holder for the own account; account-manager for any, on an order where that is demanded ([`on_behalf`]) |
//! | `order forward`, `order shared`, `order read`, `order user` | system-officer |
//! | `order password`, `order second-factor` | system-officer, account-manager |
//! | `account reading open` | account-manager, and not the one who issued the order |
//! | `account reading end` | administrator, account-manager, system-officer, security-officer |
//! | `account reading list` | any officer's role |
//! | `account share` | account-manager, and not the one who issued the order |
//! | `account unshare` | account-manager |
//! | `account shared` | any officer's role |
//! | `account forward add` | the holder; on an order: account-manager, and not the one who issued it |
//! | `account forward remove` | the holder; administrator, account-manager, security-officer |
//! | `account forward list` | the holder for the own account; any officer's role |
//! | `account writers` | account-manager; to look: any officer's role |
//! | `account app-password add` | the holder; whoever shares the identifier |
//! | `account app-password revoke` | the holder; administrator, account-manager, security-officer |
//! | `account app-password list`, `account second-factor list` | the holder; any officer's role |
//! | `account second-factor add` (pages only) | the holder |
//! | `account second-factor remove` | the holder; account-manager, on an order where that is demanded ([`on_behalf`]) |
//! | `account logins` | the holder; administrator, security-officer |
//! | `account list`, `account idle` | any officer's role |
//! | `account show` | any officer's role; the holder for the own account |
//! | `block add`, `block remove` | administrator, security-officer |
//! | `block list` | any officer's role |
//! | `incident open`, `incident step`, `incident close` | the roles that the kind's runbook names; the close is its officer's |
//! | `incident act` | that of the lever: see [`lever`] |
//! | `incident step N mail-released`, `incident step N rejected` | security-officer |
//! | `runbook list`, `runbook show`, `runbook export` | any officer's role |
//! | `incident list`, `incident show` | any officer's role |
//! | `register list` | any officer's role |
//! | `register erase` | account-manager, system-officer |
//! | `register approve` | security-officer, and not the one who asked |
//! | `address alias add`, `address alias remove` | account-manager |
//! | `address role` | administrator, account-manager |
//!
//! Where a site permits one person to do what the regulation gives to two (`allow_single_person`), that holds while
//! fewer than two people hold an officer's role and nobody else did for as long as an order lasts, and the events say that it
//! happened (`single_person`).

pub mod account;
pub mod address;
pub mod app_password;
pub mod arrival;
pub mod block;
mod bootstrap;
pub(crate) mod delete;
mod error;
pub mod forward;
pub(crate) mod given;
pub mod hold;
pub mod idle;
pub mod import;
pub mod incident;
mod issue;
pub mod language;
pub mod leaving;
pub mod letter;
pub mod lever;
mod new_address;
pub mod on_behalf;
pub mod on_record;
mod opening;
pub mod order;
pub mod own;
pub mod passkey;
pub mod person;
pub mod reading;
pub mod register;
mod renewed;
mod restrain;
pub mod role;
pub mod roster;
pub mod runbook;
pub mod second_factor;
pub mod shared;
pub mod sharing;
pub mod step;
mod stepping;
pub mod surge;
pub mod writers;

use std::{future::Future, pin::Pin};

use message::address::Address;
use store::{PersonId, Recorded, Snapshot, Topic, Tx};
use trail::{Actor, Event, Kind, Outcome};

use crate::{Directory, Person, Role, tables};

pub use crate::tables::{
    account::AccountState,
    order::{OrderDetails, OrderKind, OrderState},
};
pub use bootstrap::bootstrap;
pub use error::{CommandError, LineProblem, OrderProblem};

/// Who gives a command, and by what way.
#[derive(Clone)]
pub struct Caller {
    directory: Directory,
    user: String,
    person: Option<String>,
    via: String,
    /// The account and generation of the login that the caller came by: what it gives stands only as long as that holds.
    proof: Option<(store::AccountId, i64)>,
    /// The network address that the caller comes from, if there is one.
    address: Option<std::net::IpAddr>,
    /// The role by which the caller may do what is under way, where that was found out ([`Caller::permit`]).
    acting: Option<Role>,
}

impl Caller {
    /// The caller that an operating-system user is. One who is nobody of the directory can still call; every
    /// command is then refused, and recorded. `via` is `control`, `console`, ….
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of_user(
        directory: &Directory,
        user: &str,
        via: &str,
    ) -> Result<Self, store::Error> {
        // One whose day to leave has come is told so, command by command, and is named by the refusals.
        let name = user.to_owned();
        let read = move |snapshot: &mut Snapshot<'_>| tables::person::of_user(snapshot, &name);
        let person = directory.inner.store.read(read).await?;
        let person = person.map(|person| person.name);
        Ok(Self {
            directory: directory.clone(),
            user: user.to_owned(),
            person,
            via: via.to_owned(),
            proof: None,
            address: None,
            acting: None,
        })
    }

    /// The same, coming from a network address: all events of what the caller gives tell it.
    #[must_use]
    pub fn from_address(self, address: std::net::IpAddr) -> Self {
        Self {
            address: Some(address),
            ..self
        }
    }

    /// A caller who has shown to be `person` in another way than by an operating-system user.
    #[must_use]
    pub fn of_person(directory: &Directory, person: &Person, via: &str) -> Self {
        Self {
            directory: directory.clone(),
            user: String::new(),
            person: Some(person.name.clone()),
            via: via.to_owned(),
            proof: None,
            address: None,
            acting: None,
        }
    }

    /// The person's name, if the caller is one.
    #[must_use]
    pub fn person(&self) -> Option<&str> {
        self.person.as_deref()
    }

    /// Where commands read and write.
    #[must_use]
    pub fn store(&self) -> &store::Store {
        &self.directory.inner.store
    }

    /// Whether one person may do now what the regulation gives to two, to be asked within a command of another room; its event
    /// says that it happened (`single_person`).
    pub fn single_person(
        &self,
    ) -> impl Fn(&mut dyn store::sql::Sql) -> Result<bool, store::Error> + Send + 'static {
        let (options, store) = (self.directory.options(), self.store().clone());
        move |sql: &mut dyn store::sql::Sql| order::single_permitted(sql, store.now(), &options)
    }

    /// Runs a command of another room with the same rules: the caller needs one of `needs`, and every refusal
    /// and failure is recorded with `words` (the command as given, without secrets). What `work` changes, and
    /// the events of it, the room commits itself; it gets the caller, whose [`Caller::given`] says by which role that is.
    ///
    /// # Errors
    /// Those of `work`, or [`CommandError::NotPermitted`] and [`CommandError::Nobody`].
    pub async fn permit<T, F>(
        &self,
        words: &str,
        needs: &'static [Role],
        work: impl FnOnce(Self) -> F + Send,
    ) -> Result<T, CommandError>
    where
        F: Future<Output = Result<T, CommandError>> + Send,
    {
        self.run(words, async {
            let caller = self.clone();
            let me = self
                .directory
                .inner
                .store
                .read(move |snapshot: &mut Snapshot<'_>| executor(snapshot, &caller, needs))
                .await?;
            let caller = Self {
                acting: me.acting,
                ..self.clone()
            };
            work(caller).await
        })
        .await
    }

    /// Awaits a command; when it was refused or failed, records that.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn run<T>(
        &self,
        words: &str,
        work: impl Future<Output = Result<T, CommandError>> + Send,
    ) -> Result<T, CommandError> {
        let error = match work.await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let outcome = if error.is_failure() {
            Outcome::Failure
        } else {
            Outcome::Refused
        };
        let event = self
            .given(words)
            .outcome(outcome)
            .detail("reason", error.to_string());
        let record = move |tx: &mut Tx<'_>| tx.record(&event, ());
        // The command's own error is what the caller must see; a refusal changed nothing that needs evidence.
        if let Err(problem) = self.directory.inner.store.commit(Vec::new(), record).await {
            tracing::error!(%problem, command = words, "a refused command could not be recorded");
        }
        Err(error)
    }

    /// Makes a change: roles, change, events and the command's own event in one commit. `work` gets the person who gave the
    /// command, whose role is one of `needs` (none named: any person).
    ///
    /// # Errors
    /// Those of `work`; [`CommandError::NotPermitted`] and [`CommandError::Nobody`]. Each is recorded.
    pub async fn change<T: Send + 'static>(
        &self,
        words: &str,
        needs: &'static [Role],
        work: impl FnOnce(&mut Tx<'_>, &Executor) -> Result<(T, Vec<Event>), CommandError>
        + Send
        + 'static,
    ) -> Result<T, CommandError> {
        let alone = Alone(self.directory.inner.store.clone());
        self.change_by(alone, words, needs, work).await
    }

    /// The same, with what else `by` commits.
    ///
    /// # Errors
    /// As [`Caller::change`].
    pub async fn change_by<T: Send + 'static>(
        &self,
        by: impl Commit,
        words: &str,
        needs: &'static [Role],
        work: impl FnOnce(&mut Tx<'_>, &Executor) -> Result<(T, Vec<Event>), CommandError>
        + Send
        + 'static,
    ) -> Result<T, CommandError> {
        let caller = self.clone();
        let given = self.given(words);
        let work = move |tx: &mut Tx<'_>, told: &[Address]| {
            let me = executor(tx, &caller, needs)?;
            let (value, events) = work(tx, &me)?;
            tx.touch(Topic::Directory);
            for event in &events {
                drop(tx.record(event, ())?);
            }
            let given = match told {
                [] => given,
                told => {
                    let told: Vec<String> = told.iter().map(Address::to_string).collect();
                    given.detail("told", told)
                }
            };
            Ok(tx.record(&me.acts(given), value)?)
        };
        by.commit(work).await
    }

    /// Reads for a command that changes nothing, and records that it was given.
    ///
    /// # Errors
    /// As [`Caller::change`].
    pub async fn look<T: Send + 'static>(
        &self,
        words: &str,
        needs: &'static [Role],
        work: impl FnOnce(&mut Snapshot<'_>, &Executor) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, CommandError> {
        self.run(words, async {
            let given = self.given(words);
            let look = move |snapshot: &mut Snapshot<'_>, me: &Executor| {
                let value = work(snapshot, me)?;
                Ok((value, me.acts(given)))
            };
            let (value, given) = self.peek(needs, look).await?;
            let record = move |tx: &mut Tx<'_>| tx.record(&given, ());
            self.directory
                .inner
                .store
                .commit(Vec::new(), record)
                .await?;
            Ok(value)
        })
        .await
    }

    /// Reads within a command.
    async fn peek<T: Send + 'static>(
        &self,
        needs: &'static [Role],
        work: impl FnOnce(&mut Snapshot<'_>, &Executor) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, CommandError> {
        let caller = self.clone();
        let read = move |snapshot: &mut Snapshot<'_>| {
            let me = executor(snapshot, &caller, needs)?;
            work(snapshot, &me)
        };
        self.directory.inner.store.read(read).await
    }

    /// The event of a command: who gave it, by what way, in what `words` (without secrets). Its subject is the
    /// command's name, the first two words. For commands of other rooms; those of this room record it themselves.
    #[must_use]
    pub fn given(&self, words: &str) -> Event {
        let actor = match &self.person {
            Some(name) => Actor::Person(name.clone()),
            None => Actor::Person(format!("user:{}", self.user)),
        };
        let subject = words.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let mut event = Event::new(Kind::CommandGiven, actor)
            .subject(subject)
            .detail("words", words)
            .detail("via", self.via.as_str());
        event.address = self.address;
        if !self.user.is_empty() {
            event = event.detail("user", self.user.as_str());
        }
        match self.acting {
            Some(role) => event.detail("acting_role", role.as_str()),
            None => event,
        }
    }

    /// The caller, for the events of what is under way in another room ([`Caller::permit`]).
    #[must_use]
    pub fn by(&self) -> trail::By {
        trail::By {
            role: self.acting.map(Role::as_str),
            ..trail::By::from(self.person.as_deref().unwrap_or_default())
        }
    }

    /// The same caller, who does what is under way by `role`.
    #[must_use]
    pub fn acting(self, role: Option<Role>) -> Self {
        Self {
            acting: role,
            ..self
        }
    }
}

/// How a change is committed: alone, or together with the mail that tells of it.
pub trait Commit: Send {
    /// Commits what `work` does; it hears whom the mail reaches.
    ///
    /// # Errors
    /// Those of `work`, and the store's: then nothing has happened.
    fn commit<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Tx<'_>, &[Address]) -> Result<Recorded<T>, CommandError> + Send + 'static,
    ) -> Committing<T>;
}

/// A commit under way.
pub type Committing<T> = Pin<Box<dyn Future<Output = Result<T, CommandError>> + Send>>;

/// Nothing else is committed.
#[derive(Clone)]
pub struct Alone(pub store::Store);

impl Commit for Alone {
    fn commit<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Tx<'_>, &[Address]) -> Result<Recorded<T>, CommandError> + Send + 'static,
    ) -> Committing<T> {
        Box::pin(async move {
            let work = move |tx: &mut Tx<'_>| work(tx, &[]);
            Ok(self.0.commit(Vec::new(), work).await?.value)
        })
    }
}

/// The person who gives a command, as the transaction sees it.
pub struct Executor {
    /// The person's row.
    pub id: PersonId,
    /// The name that events tell.
    pub name: String,
    /// What the person is.
    pub roles: Vec<Role>,
    /// The role by which the person may do it; `None`: any person may.
    pub acting: Option<Role>,
    /// The network address that the person comes from, if there is one.
    pub address: Option<std::net::IpAddr>,
}

impl Executor {
    /// Whether the person holds the role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// An event of something that the person did.
    #[must_use]
    pub fn event(&self, kind: Kind, subject: impl Into<String>) -> Event {
        let mut event = Event::new(kind, Actor::Person(self.name.clone())).subject(subject);
        event.address = self.address;
        self.acts(event)
    }

    /// An event of what the person did to what is another's, by one of `roles`, which is not asked of who does it to the own.
    #[must_use]
    pub fn event_by(&self, roles: &[Role], kind: Kind, subject: impl Into<String>) -> Event {
        let event = self.event(kind, subject);
        match roles.iter().find(|role| self.has(**role)) {
            Some(role) if self.acting.is_none() => event.detail("acting_role", role.as_str()),
            _ => event,
        }
    }

    /// Says in an event of what the person did by which role that was.
    #[must_use]
    pub fn acts(&self, event: Event) -> Event {
        match self.acting {
            Some(role) => event.detail("acting_role", role.as_str()),
            None => event,
        }
    }
}

/// Reads the caller's roles and demands one of `needs`; none named: any person will do.
fn executor(
    sql: &mut dyn store::sql::Sql,
    caller: &Caller,
    needs: &'static [Role],
) -> Result<Executor, CommandError> {
    let nobody = || CommandError::Nobody(caller.user.clone());
    if let Some((account, generation)) = caller.proof {
        let account = tables::account::by_id(sql, account)?;
        let holds = account.is_some_and(|account| {
            account.state == AccountState::Active && account.generation == generation
        });
        if !holds {
            return Err(CommandError::SessionEnded);
        }
    }
    let name = caller.person.as_deref().ok_or_else(nobody)?;
    let entry = tables::person::by_name(sql, name)?
        .filter(|p| p.active)
        .ok_or_else(nobody)?;
    person::must_not_be_gone(sql, &entry, caller.directory.inner.store.now())?;
    let roles = tables::person::roles(sql, entry.id)?;
    let acting = needs.iter().copied().find(|role| roles.contains(role));
    if !needs.is_empty() && acting.is_none() {
        return Err(CommandError::NotPermitted(needs));
    }
    Ok(Executor {
        id: entry.id,
        name: entry.name,
        roles,
        acting,
        address: caller.address,
    })
}

/// Characters that nobody sees and that make a text read as another: controls, marks of direction (UAX #9), spaces without
/// width. Joiners stay, since some scripts need them.
fn is_hidden(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let unseen = matches!(
        c,
        '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
    );
    c.is_control() || turns || unseen
}

/// Text for people: not empty, bounded, on one line.
///
/// # Errors
/// [`CommandError::Argument`], which says what of it is wrong.
pub fn plain_text(what: &str, text: &str, most: usize) -> Result<String, CommandError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most || text.chars().any(is_hidden) {
        return Err(CommandError::Argument(format!(
            "{what} must have 1 to {most} characters, and none that controls or turns the text without being seen"
        )));
    }
    Ok(text.to_owned())
}
