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
    fn mx<'a>(&'a self, domain: &'a Domain) -> Answering<'a, Mx>;

    /// The IPv4 addresses of `host`.
    fn a<'a>(&'a self, host: &'a Domain) -> Answering<'a, Ipv4Addr>;

    /// The IPv6 addresses of `host`.
    fn aaaa<'a>(&'a self, host: &'a Domain) -> Answering<'a, Ipv6Addr>;

    /// The TXT records of `name`, each with its strings joined. The name may have labels that no host has (`_domainkey`).
    fn txt<'a>(&'a self, name: &'a str) -> Answering<'a, String>;
}
