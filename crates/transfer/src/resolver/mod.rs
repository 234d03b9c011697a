//! Names: where mail for a domain goes, and the addresses of hosts.

mod fixed;
mod hickory;

use std::{
    future::Future,
    net::{Ipv4Addr, Ipv6Addr},
    pin::Pin,
};

use message::address::Domain;

pub use fixed::FixedResolver;
pub use hickory::{HickoryResolver, ResolverError};

/// A pending answer.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 'a>>;

/// What a name server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// At least one record.
    Found(Vec<T>),
    /// The name exists, and has no such record.
    NoRecords,
    /// The name does not exist.
    NoName,
    /// No answer could be had now: time ran out, server failure, no network. Trying later may help.
    Temporary(String),
}

/// What a name server said, and whether DNSSEC proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven<T> {
    /// What it said.
    pub answer: Answer<T>,
    /// Whether all of it, aliases included, was proven: a validating resolver that is trusted said so (AD, RFC 4035). Never true of what
    /// was not found.
    pub secure: bool,
    /// The name that the records are of, where aliases (CNAME) lead from the name that was asked for to another one.
    pub canonical: Option<Domain>,
}

impl<T> From<Answer<T>> for Proven<T> {
    /// An answer that nothing proves.
    fn from(answer: Answer<T>) -> Self {
        Self {
            answer,
            secure: false,
            canonical: None,
        }
    }
}

/// A pending answer that may be proven.
pub type Proving<'a, T> = Pin<Box<dyn Future<Output = Proven<T>> + Send + 'a>>;

/// A TLSA record (RFC 6698, section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// Certificate usage: 2 is DANE-TA, 3 is DANE-EE.
    pub usage: u8,
    /// What of the certificate is compared: 0 the whole, 1 its public key.
    pub selector: u8,
    /// How it is compared: 0 as it is, 1 by SHA-256, 2 by SHA-512.
    pub matching: u8,
    /// What it is compared with.
    pub data: Vec<u8>,
}

/// An MX record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mx {
    /// Lower comes first.
    pub preference: u16,
    /// The host; `None` is the root name `.`: a null MX (RFC 7505) when it stands alone.
    /// Names that cannot be host names are left out by resolvers.
    pub host: Option<Domain>,
}

/// Looks names up. Implementations bound their own time.
pub trait Resolver: Send + Sync {
    /// The MX records of `domain`, in any order. Follows CNAME (RFC 5321, section 5.1).
    fn mx<'a>(&'a self, domain: &'a Domain) -> Proving<'a, Mx>;

    /// The IPv4 addresses of `host`.
    fn a<'a>(&'a self, host: &'a Domain) -> Proving<'a, Ipv4Addr>;

    /// The IPv6 addresses of `host`.
    fn aaaa<'a>(&'a self, host: &'a Domain) -> Proving<'a, Ipv6Addr>;

    /// Where an alias leads: the CNAME record of `host` itself.
    fn alias<'a>(&'a self, host: &'a Domain) -> Proving<'a, Domain>;

    /// The TLSA records of `name`, which begins with labels that no host has (`_25._tcp`).
    fn tlsa<'a>(&'a self, name: &'a str) -> Proving<'a, Tlsa>;

    /// The TXT records of `name`, each with its strings joined. The name may have labels that no host has (`_domainkey`).
    fn txt<'a>(&'a self, name: &'a str) -> Answering<'a, String>;
}
