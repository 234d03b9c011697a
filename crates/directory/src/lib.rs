//! People, roles, identifiers, credentials, orders and accounts.
//!
//! # What it answers
//!
//! *Who may come in?* [`Directory::authenticate`] and, for SCRAM, [`Directory::begin_scram`] with
//! [`ScramExchange`] check an identifier's proof, slow down those who guess, and record every
//! success and failure in the trail (clauses 4.2(1)b, c). *Where does mail for this address go?*
//! [`Directory::resolve`]. *What may this identifier send as?* [`Directory::may_send_as`]. *May this person
//! give this command?* [`Directory::person_of_user`] and [`Person::has`].
//!
//! # How it changes
//!
//! Only by the commands in [`command`]: authorised, audited functions that the CLI and the console share.
//! No account comes to be without an approved order (clause 7.1(1)); the table demands its number.
//!
//! # What it never does
//!
//! It speaks no protocol, stores no password (Argon2id and SCRAM secrets only; an imported hash stays until its
//! holder's first login), and tells nobody whether an identifier exists: an unknown one costs the same and gets
//! the same answer. (An imported hash costs its own scheme's time on top until that first login.)
//!
//! # Example
//!
//! ```
//! # use directory::{Directory, Options, Resolution, bootstrap, command::{Caller, person}};
//! # use message::address::Address;
//! # use store::Store;
//! # use world::World;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = Store::open(folder.path(), &store::Options::default(), World::system())?;
//! bootstrap(&store, "tanaka", "root").await?;
//! let directory = Directory::new(store, World::system(), Options::default());
//!
//! let caller = Caller::of_user(&directory, "root", "control").await?;
//! assert_eq!(person::list(&caller).await?.len(), 1);
//! let address = Address::parse("sato@example.jp")?;
//! assert_eq!(directory.resolve(&address, 0).await?, Resolution::Foreign);
//! # Ok(())
//! # }
//! ```

pub mod alarm;
mod attempt;
mod blocks;
mod codes;
mod hash;
mod known;
mod language;
mod login;
mod options;
pub mod outside;
mod proof;
mod proved;
mod reach;
pub mod restraint;
mod role;
mod route;
mod scram;
mod tables;
mod throttle;
mod totp;
mod writers;

pub mod command;
pub mod isolation;
pub mod passkey;
pub mod password;
pub mod repeat;
pub mod runbook;
pub mod submission;

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use message::address::{Address, Domain};
use parking_lot::RwLock;
use protocol::sasl::{ScramOffer, Secret, server::Failure};
use store::{AccountId, Store};
use trail::Event;
use world::World;
use zeroize::Zeroizing;

use proved::Second;

pub use command::bootstrap;
pub use language::{Language, UnknownLanguage};
pub use login::holds;
pub use role::UnknownRole;
pub use scram::ScramExchange;
pub use writers::{Restriction, Writers};

/// The directory of one installation. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    world: World,
    options: RwLock<Arc<Options>>,
    hasher: hash::Hasher,
    proofs: proof::Proofs,
    codes: codes::Codes,
    challenges: passkey::Challenges,
    throttle: throttle::Throttle,
    known: known::Known,
    blocks: blocks::Blocks,
    restraints: restraint::Known,
    /// Makes up SCRAM salts until the installation has a secret of its own for that.
    process_key: Zeroizing<[u8; 32]>,
}

/// Settings of the directory.
#[derive(Clone, Debug)]
pub struct Options {
    /// Domains whose mail is ours, each with how it treats unknown local parts.
    pub domains: Vec<OwnDomain>,
    /// Divides a local part from its sub-address. Default `+`.
    pub tag_separator: Option<char>,
    /// How long a proof is remembered in memory, so that busy clients do not pay Argon2id each time. Default 10 minutes.
    pub proof_lifetime: std::time::Duration,
    /// Failed logins of one identifier, or from one address, before answers slow down. Default 3.
    pub free_failures: u32,
    /// The longest that an answer is held back. Default 30 s.
    pub longest_delay: std::time::Duration,
    /// Argon2id memory in KiB. Default 19456.
    pub argon2_memory_kib: u32,
    /// Argon2id passes. Default 2.
    pub argon2_passes: u32,
    /// Password checks that run at once. Default: number of cores.
    pub concurrent_checks: usize,
    /// SCRAM iterations. Default 10000.
    pub scram_iterations: u32,
    /// Quota of new accounts, in octets. Default none.
    pub default_quota: Option<u64>,
    /// Whether one person may do what the regulation splits between two, while fewer than two people hold an
    /// officer's role. Default false.
    pub allow_single_person: bool,
    /// Whether an account is issued only to a person who has acknowledged that mail records are kept and analysed (clause
    /// 9.1(2)). Default false.
    pub acknowledgement_required: bool,
    /// Whether an initial password opens nothing but the page where it is changed (clause 7.1(1)c). Default false.
    pub initial_only_to_change: bool,
    /// Whether what would let another read a mailbox (a new password, the end of a second factor, an operating-system user) needs an
    /// approved order, or an incident that demands it (clause 7.1(4)); not while one person may do what is two people's. Default true.
    pub password_needs_order: bool,
    /// Whether mail that goes on elsewhere stays in the mailbox too. Default true.
    pub forwards_keep_copy: bool,
    /// Whether holders may let their mail go on to addresses outside without an order. Default false.
    pub outside_forwards: bool,
    /// What is asked of chosen passwords.
    pub password_rule: password::Rule,
    /// Who must have a second factor to use the pages. Default those with an officer's role.
    pub second_factor: SecondFactor,
    /// Whether the password alone of who must have a second factor, and has none, opens nothing but the pages. Default false.
    pub second_factor_for_mail: bool,
    /// How long an identifier may lie idle before its holder is warned (clause 7.1(3)); zero: for ever. Default 90 days.
    pub idle_after: std::time::Duration,
    /// How long after the warning it is suspended, unless it is used; zero: never. Default 30 days.
    pub idle_grace: std::time::Duration,
    /// How long a person may be off the personnel's list before their identifiers are suspended (clause 7.1(3)); zero: for ever. Default 30 days.
    pub roster_grace: std::time::Duration,
    /// What is done about malware from inside (clause 5.2(5)); `None`: nothing beyond its refusal. Default [`isolation::Isolation`]'s.
    pub isolation: Option<isolation::Isolation>,
    /// When malware from outside opens an incident (clause 5.2(6)); `None`: never. Default [`outside::Outside`]'s.
    pub outside: Option<outside::Outside>,
    /// How much an identifier may submit (clause 4.4). Default: as much as it likes.
    pub submission: submission::Rule,
    /// How long an order waits for its approval, how long it can be used after it, and how long an officer who ceased to be one counts on
    /// (`allow_single_person`). Default 30 days.
    pub order_lifetime: std::time::Duration,
}

/// Who must have a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondFactor {
    /// Nobody; who wants one can have it.
    Optional,
    /// People with a role other than staff.
    #[default]
    Officers,
    /// Everybody.
    Everyone,
}

/// A domain whose mail is ours.
#[derive(Clone, Debug)]
pub struct OwnDomain {
    /// The domain.
    pub name: Domain,
    /// Where mail for unknown local parts goes; only by explicit setting.
    pub catch_all: Option<Address>,
}

/// Where mail for an address goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// To these accounts.
    Local(Vec<LocalRecipient>),
    /// To these accounts, from some writers only.
    Restricted(Vec<LocalRecipient>, Restriction),
    /// The domain is not ours.
    Foreign,
    /// The domain is ours and has no such address.
    Unknown,
    /// An account is there, and has no room.
    OverQuota,
    /// An address that every domain has (postmaster, abuse), on a site that has no account yet to keep its mail.
    Unattended,
}

/// A mailbox owner that a message goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRecipient {
    /// The account.
    pub account: AccountId,
    /// Its main address.
    pub address: Address,
    /// The sub-address, if any (`tag` of `local+tag@domain`).
    pub tag: Option<String>,
    /// Whether it stays in the mailbox.
    pub keeps: bool,
    /// Addresses outside that it goes on to.
    pub onward: Vec<Address>,
    /// Whose forwards these are: the account's identifier; empty without any.
    pub forwarder: String,
}

/// Where a proof is given.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// MSA or MRA.
    pub service: Service,
    /// `smtp`, `imap`, `pop3`, …
    pub protocol: &'static str,
    /// `PLAIN`, `LOGIN`, `SCRAM-SHA-256`, `USER`, …
    pub mechanism: &'static str,
    /// The client's address.
    pub peer: IpAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// What the client says it is (EHLO name, IMAP ID), if known.
    pub client: Option<String>,
}

/// Why a login ended before any proof was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unproved {
    /// The connection is not encrypted, and no password may be told on it.
    PrivacyRequired,
    /// The mechanism is not offered.
    NoSuchMechanism,
    /// The client gave up within the exchange.
    Cancelled,
    /// What the client said within the exchange was no answer.
    Malformed,
    /// It answers a challenge that is too old, was answered before, or is not this server's.
    StaleChallenge,
}

impl Unproved {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PrivacyRequired => "privacy-required",
            Self::NoSuchMechanism => "no-such-mechanism",
            Self::Cancelled => "cancelled",
            Self::Malformed => "malformed",
            Self::StaleChallenge => "stale-challenge",
        }
    }
}

/// The services that identifiers log in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Submission.
    Msa,
    /// Retrieval.
    Mra,
    /// The pages where staff look after their accounts.
    Web,
}

/// An identifier that has proved itself.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its account.
    pub account: AccountId,
    /// The identifier (識別コード).
    pub identifier: String,
    /// Its main address.
    pub address: Address,
    /// The account's generation at the login: [`Directory::still_valid`] compares it.
    pub generation: i64,
    /// The number of the app password that it was, if it was one.
    pub app_password: Option<i64>,
    /// Who made that app password: of a shared identifier, who it is (clause 8.1).
    pub person: Option<String>,
    /// The order on which another reads this mailbox, and can do nothing else (clause 7.1(4)).
    pub reads_on: Option<i64>,
}

/// Why a proof was refused. A peer is told no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown identifier, wrong password, suspended, not for this service: all the same to the peer.
    Credentials,
    /// The password is right, and it is the initial one, which opens only the page where it is changed.
    InitialPassword,
    /// The password is right, and whose it is must have a second factor first, which is added on the pages.
    SecondFactorMissing,
    /// On the pages: what became of the passkey that came with the password.
    Passkey(PasskeyRefusal),
    /// The check could not be made now.
    Temporary,
}

/// What is told of a passkey that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasskeyRefusal {
    /// The page was open for too long, or was answered already. Nothing else was looked at.
    Stale,
    /// Password and passkey were right, and the passkey's device was used elsewhere since: there may be a copy of it.
    Copied,
}

/// Roles of `REQUIREMENTS.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// 情報システムセキュリティ管理者: runs the servers day to day.
    Administrator,
    /// 権限管理を行う者: issues and deletes addresses, only when ordered.
    AccountManager,
    /// 情報システムセキュリティ責任者: orders, decides, plans.
    SystemOfficer,
    /// 情報セキュリティ責任者: receives incident reports, approves erasures.
    SecurityOfficer,
    /// 行政事務従事者: owns a mailbox.
    Staff,
    /// 庶務担当者: announces people who join and leave.
    PersonnelClerk,
}

/// A person with the roles held now.
#[derive(Clone, Debug)]
pub struct Person {
    /// Short name, unique.
    pub name: String,
    /// Roles held now.
    pub roles: Vec<Role>,
    acting: Arc<OnceLock<Role>>,
}

impl Person {
    /// A person of that name, with these roles.
    #[must_use]
    pub fn new(name: impl Into<String>, roles: Vec<Role>) -> Self {
        Self {
            name: name.into(),
            roles,
            acting: Arc::default(),
        }
    }

    /// Whether the person holds `role`.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        let has = self.roles.contains(&role);
        if has {
            self.acting.get_or_init(|| role);
        }
        has
    }

    /// The role by which the person may do what is under way: the first that was asked for and is held.
    #[must_use]
    pub fn acting(&self) -> Option<Role> {
        self.acting.get().copied()
    }

    /// The person, for the events of what is under way: once it was asked for the roles that permit it.
    #[must_use]
    pub fn by(&self) -> trail::By {
        trail::By {
            role: self.acting().map(Role::as_str),
            ..trail::By::from(self.name.as_str())
        }
    }
}

impl Directory {
    /// The directory over `store`.
    #[must_use]
    pub fn new(store: Store, world: World, options: Options) -> Self {
        let inner = Inner {
            hasher: hash::Hasher::new(world.clone(), options.concurrent_checks),
            proofs: proof::Proofs::new(&world),
            codes: codes::Codes::default(),
            challenges: passkey::Challenges::new(&world),
            throttle: throttle::Throttle::default(),
            known: known::Known::new(&store),
            blocks: blocks::Blocks::default(),
            restraints: restraint::Known::default(),
            process_key: Zeroizing::new(world.bytes()),
            options: RwLock::new(Arc::new(options)),
            store,
            world,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Takes new settings; caches that they touch are dropped.
    pub fn reload(&self, options: Options) {
        self.inner.hasher.set_limit(options.concurrent_checks);
        *self.inner.options.write() = Arc::new(options);
        self.inner.proofs.clear();
        self.inner.known.forget();
    }

    /// Whether `domain` is ours.
    #[must_use]
    pub fn is_own(&self, domain: &Domain) -> bool {
        self.options().own(domain).is_some()
    }

    /// The address without its sub-address (`local@domain` of `local+tag@domain`), if it has one.
    #[must_use]
    pub fn without_tag(&self, address: &Address) -> Option<Address> {
        self.options().split_tag(address).map(|(base, _)| base)
    }

    /// The first of our domains: where mail for `postmaster` without a domain goes.
    #[must_use]
    pub fn first_domain(&self) -> Option<Domain> {
        self.options().domains.first().map(|own| own.name.clone())
    }

    /// Where mail of `size` octets (0: unknown) for `address` goes. Known, unknown and aliased addresses of
    /// own domains take the same time when they are asked for the first time; then what was found is remembered until
    /// the directory changes, except for accounts with a quota. `postmaster` and `abuse` of every own domain always
    /// resolve.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn resolve(&self, address: &Address, size: u64) -> Result<Resolution, store::Error> {
        route::resolve(&self.inner, address, size).await
    }

    /// Checks a password. Held back after failures; costs one Argon2id, or less when the proof is remembered.
    /// Records the event either way.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn authenticate(
        &self,
        attempt: &Attempt,
        identifier: &str,
        password: &[u8],
    ) -> Result<Login, Refusal> {
        self.check_password(attempt, identifier, password, None)
            .await
    }

    /// Checks a password with the code of a second factor, which is demanded of an account that has one. Otherwise as
    /// [`authenticate`](Self::authenticate).
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn authenticate_with_code(
        &self,
        attempt: &Attempt,
        identifier: &str,
        password: &[u8],
        code: &Secret,
    ) -> Result<Login, Refusal> {
        let second = Second::Code(code.clone());
        self.check_password(attempt, identifier, password, Some(&second))
            .await
    }

    /// A challenge for a passkey at a login, and its ticket, which the browser with the cookie `whose` brings back.
    #[must_use]
    pub fn passkey_challenge(&self, whose: &str) -> (passkey::Challenge, String) {
        let challenges = &self.inner.challenges;
        let challenge = challenges.make();
        let ticket = challenges.ticket(&challenge, whose);
        (challenge, ticket)
    }

    /// Checks a password with a passkey, which answered the challenge of `ticket`. Whatever is wrong, the answer is the same as
    /// to a wrong password, but for what [`PasskeyRefusal`] tells. Otherwise as
    /// [`authenticate_with_code`](Self::authenticate_with_code).
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn authenticate_with_passkey(
        &self,
        attempt: &Attempt,
        identifier: &str,
        password: &[u8],
        (ticket, whose): (&str, &str),
        assertion: passkey::Assertion,
    ) -> Result<Login, Refusal> {
        let challenges = &self.inner.challenges;
        let challenge = challenges
            .of_ticket(ticket, whose)
            .filter(|challenge| challenges.spend(challenge));
        let Some(challenge) = challenge else {
            self.refuse_unproved(attempt, identifier, Unproved::StaleChallenge)
                .await;
            return Err(Refusal::Passkey(PasskeyRefusal::Stale));
        };
        let second = Second::Passkey(Box::new((assertion, challenge)));
        self.check_password(attempt, identifier, password, Some(&second))
            .await
    }

    /// Whether this is the password of `login`'s account, asked again before something grave. A wrong one is recorded and
    /// slowed down like a failed login.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn confirm(
        &self,
        attempt: &Attempt,
        login: &Login,
        password: &Secret,
    ) -> Result<(), Refusal> {
        self.confirm_password(attempt, login, password).await
    }

    /// A login ended before any proof was looked at: records that, and holds the answer back when there were many such from
    /// the same place. `identifier` is what the client claimed, empty when it claimed nothing.
    pub async fn refused_unproved(&self, attempt: &Attempt, identifier: &str, why: Unproved) {
        self.refuse_unproved(attempt, identifier, why).await;
    }

    /// Begins a SCRAM exchange, with the secrets of the identifier or evenly made-up ones when it has none. Held back
    /// after failures: who guesses waits for the salt already. The exchange must be ended, and is recorded.
    ///
    /// # Errors
    /// [`Refusal::Temporary`] when the store cannot be read, or too many attempts wait.
    pub async fn begin_scram(
        &self,
        attempt: &Attempt,
        identifier: &str,
    ) -> Result<(ScramExchange, ScramOffer), Refusal> {
        self.open_scram(attempt, identifier).await
    }

    /// Records an authentication that failed before there was a proof to check; `identifier` is empty when the
    /// client had named none. Slowed down like any other. Returns what the peer may be told.
    pub async fn authentication_failed(
        &self,
        attempt: &Attempt,
        identifier: &str,
        failure: Failure,
    ) -> Refusal {
        self.record_failure(attempt, identifier, failure).await
    }

    /// Whether the login's identifier may use `address` as sender (main address, alias, sub-address of one).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn may_send_as(
        &self,
        login: &Login,
        address: &Address,
    ) -> Result<bool, store::Error> {
        route::may_send_as(&self.inner.store, self.options(), login.account, address).await
    }

    /// Whether the login still holds: its account neither suspended, deleted nor given a new password since, and its app
    /// password neither revoked nor expired.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn still_valid(&self, login: &Login) -> Result<bool, store::Error> {
        self.holds(login).await
    }

    /// Whether one person may do now what the regulation splits between two: the setting, and nobody else with an
    /// officer's role, now or for as long as an order lasts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn permits_single_person(&self) -> Result<bool, store::Error> {
        let (options, now) = (self.options(), self.inner.store.now());
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            command::order::single_permitted(snapshot, now, &options)
        };
        self.inner.store.read(read).await
    }

    /// The accounts whose mail is a person's: those that they hold, and those that they share. Suspended ones are nobody's for now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn accounts_of(&self, person: &str) -> Result<Vec<AccountId>, store::Error> {
        let person = person.to_owned();
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            let Some(entry) = tables::person::by_name(snapshot, &person)? else {
                return Ok(Vec::new());
            };
            let mut accounts = tables::account::of_person(snapshot, entry.id)?;
            for (shared, _) in tables::shared::of_person(snapshot, entry.id)? {
                accounts.extend(tables::account::by_id(snapshot, shared)?);
            }
            accounts.retain(|entry| entry.state == tables::account::AccountState::Active);
            Ok(accounts.into_iter().map(|entry| entry.id).collect())
        };
        self.inner.store.read(read).await
    }

    /// The accounts whose mail is before whoever logged in so: that account, and those that its holder shares. Other accounts of the
    /// same person have proofs of their own.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn accounts_of_login(&self, login: &Login) -> Result<Vec<AccountId>, store::Error> {
        let account = login.account;
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            let Some(entry) = tables::account::by_id(snapshot, account)? else {
                return Ok(Vec::new());
            };
            let shared = tables::shared::of_person(snapshot, entry.person.0)?;
            let mut accounts = vec![account];
            accounts.extend(shared.into_iter().map(|(id, _)| id));
            Ok(accounts)
        };
        self.inner.store.read(read).await
    }

    /// The person that an operating-system user is, if any.
    ///
    /// # Errors
    /// [`CommandError::Departed`](command::CommandError::Departed) from the day on that the person was to leave; when the store cannot be read.
    pub async fn person_of_user(
        &self,
        user: &str,
    ) -> Result<Option<Person>, command::CommandError> {
        let (user, now) = (user.to_owned(), self.inner.store.now());
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            let Some(entry) = tables::person::of_user(snapshot, &user)? else {
                return Ok(None);
            };
            command::person::must_not_be_gone(snapshot, &entry, now)?;
            let roles = tables::person::roles(snapshot, entry.id)?;
            Ok(Some(Person::new(entry.name, roles)))
        };
        self.inner.store.read(read).await
    }

    /// The event of an authentication, as [`Directory::authenticate`] records it.
    #[must_use]
    pub fn authentication_event(
        attempt: &Attempt,
        identifier: &str,
        result: Result<(), &str>,
    ) -> Event {
        attempt::event(attempt, identifier, result)
    }

    /// Argon2id computations since the start, for metrics.
    #[must_use]
    pub fn hashes_computed(&self) -> u64 {
        self.inner.hasher.computed()
    }

    /// The most password checks that ran at the same time, for metrics.
    #[must_use]
    pub fn most_checks_at_once(&self) -> u64 {
        self.inner.hasher.peak()
    }

    /// The settings as they are now.
    pub(crate) fn options(&self) -> Arc<Options> {
        Arc::clone(&self.inner.options.read())
    }
}
