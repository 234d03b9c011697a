//! People, roles, identifiers, credentials, orders and accounts.
//!
//! # What it answers
//!
//! *Who may come in?* [`Directory::authenticate`] and the SCRAM pair [`Directory::scram_credentials`] /
//! [`Directory::scram_finished`] check an identifier's proof, slow down those who guess, and record every
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
//! It speaks no protocol, stores no password (Argon2id and SCRAM secrets only), and tells nobody whether an
//! identifier exists: an unknown one costs the same time and gets the same answer.

use std::net::IpAddr;

use message::address::{Address, Domain};
use protocol::sasl::ScramCredentials;
use store::{AccountId, Store};
use trail::Event;
use world::World;

pub mod command;

/// The directory of one installation. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    _inner: (),
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
    /// Whether one person may do what the regulation splits between two.
    pub allow_single_person: bool,
    /// How long an order can be used after its approval. Default 30 days.
    pub order_lifetime: std::time::Duration,
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
    /// Into these accounts' mailboxes.
    Local(Vec<LocalRecipient>),
    /// The domain is not ours.
    Foreign,
    /// The domain is ours and has no such address.
    Unknown,
    /// An account is there, and has no room.
    OverQuota,
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

/// The services that identifiers log in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Submission.
    Msa,
    /// Retrieval.
    Mra,
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
}

/// Why a proof was refused. A peer is told no more than [`Refusal::Credentials`] or [`Refusal::Temporary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown identifier, wrong password, suspended, not for this service: all the same to the peer.
    Credentials,
    /// The check could not be made now.
    Temporary,
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
}

impl Person {
    /// Whether the person holds `role`.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

impl Directory {
    /// The directory over `store`.
    #[must_use]
    pub fn new(_store: Store, _world: World, _options: Options) -> Self {
        unimplemented!()
    }

    /// Takes new settings; caches that they touch are dropped.
    pub fn reload(&self, _options: Options) {
        unimplemented!()
    }

    /// Whether `domain` is ours.
    #[must_use]
    pub fn is_own(&self, _domain: &Domain) -> bool {
        unimplemented!()
    }

    /// Where mail of `size` octets (0: unknown) for `address` goes. Known, unknown and aliased addresses of
    /// own domains take the same time. `postmaster` and `abuse` of every own domain always resolve.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn resolve(
        &self,
        _address: &Address,
        _size: u64,
    ) -> Result<Resolution, store::Error> {
        unimplemented!()
    }

    /// Checks a password. Held back after failures; costs one Argon2id, or less when the proof is remembered.
    /// Records the event either way.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn authenticate(
        &self,
        _attempt: &Attempt,
        _identifier: &str,
        _password: &[u8],
    ) -> Result<Login, Refusal> {
        unimplemented!()
    }

    /// The SCRAM secrets of an identifier; evenly made-up ones when it has none.
    ///
    /// # Errors
    /// [`Refusal::Temporary`] when the store cannot be read.
    pub async fn scram_credentials(&self, _identifier: &str) -> Result<ScramCredentials, Refusal> {
        unimplemented!()
    }

    /// Ends a SCRAM exchange: `proved` says whether the proof was right. Records the event, slows down failures.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn scram_finished(
        &self,
        _attempt: &Attempt,
        _identifier: &str,
        _proved: bool,
    ) -> Result<Login, Refusal> {
        unimplemented!()
    }

    /// Whether the login's identifier may use `address` as sender (main address, alias, sub-address of one).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn may_send_as(
        &self,
        _login: &Login,
        _address: &Address,
    ) -> Result<bool, store::Error> {
        unimplemented!()
    }

    /// Whether the login still holds: its account neither suspended, deleted nor given a new password since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn still_valid(&self, _login: &Login) -> Result<bool, store::Error> {
        unimplemented!()
    }

    /// The person that an operating-system user is, if any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn person_of_user(&self, _user: &str) -> Result<Option<Person>, store::Error> {
        unimplemented!()
    }

    /// The event of an authentication, as [`Directory::authenticate`] records it.
    #[must_use]
    pub fn authentication_event(
        _attempt: &Attempt,
        _identifier: &str,
        _result: Result<(), &str>,
    ) -> Event {
        unimplemented!()
    }
}
