//! A resolver that says what it was told: for tests and demonstrations.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use message::address::Domain;
use parking_lot::RwLock;

use super::{Answer, Answering, Mx, Proven, Proving, Resolver, Tlsa};

/// Knows only what it was told; other names do not exist.
#[derive(Debug, Default)]
pub struct FixedResolver {
    zone: RwLock<Zone>,
}

#[derive(Debug, Default)]
struct Zone {
    mx: HashMap<Domain, Answer<Mx>>,
    hosts: HashMap<Domain, Answer<IpAddr>>,
    texts: HashMap<String, Vec<String>>,
    tlsa: HashMap<String, Answer<Tlsa>>,
    aliases: HashMap<Domain, Domain>,
    secure: HashSet<String>,
    lost: bool,
}

impl FixedResolver {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the answer for a domain's MX records.
    pub fn set_mx(&self, domain: Domain, answer: Answer<Mx>) {
        self.zone.write().mx.insert(domain, answer);
    }

    /// Sets the answer for a host's addresses of both families.
    pub fn set_host(&self, host: Domain, answer: Answer<IpAddr>) {
        self.zone.write().hosts.insert(host, answer);
    }

    /// Sets the TXT records of a name.
    pub fn set_txt(&self, name: &str, texts: Vec<String>) {
        self.zone.write().texts.insert(name.to_owned(), texts);
    }

    /// Sets the answer for the TLSA records of a name.
    pub fn set_tlsa(&self, name: &str, answer: Answer<Tlsa>) {
        self.zone.write().tlsa.insert(name.to_owned(), answer);
    }

    /// Makes `host` an alias of `target`, whose addresses it has from then on.
    pub fn set_alias(&self, host: Domain, target: Domain) {
        self.zone.write().aliases.insert(host, target);
    }

    /// What is found under `name` is proven from now on.
    pub fn set_secure(&self, name: &str) {
        self.zone.write().secure.insert(name.to_owned());
    }

    /// While `lost`, every question fails for now.
    pub fn set_lost(&self, lost: bool) {
        self.zone.write().lost = lost;
    }

    fn proven<T>(&self, name: &str, answer: Answer<T>) -> Proven<T> {
        Proven {
            secure: matches!(answer, Answer::Found(_)) && self.zone.read().secure.contains(name),
            answer,
            canonical: None,
        }
    }

    /// Like a name server, it proves an answer over an alias when it proves both ends.
    fn addresses<T>(&self, host: &Domain, pick: impl Fn(&IpAddr) -> Option<T>) -> Proven<T> {
        let target = self.zone.read().aliases.get(host).cloned();
        let Some(target) = target else {
            return self.proven(host.as_str(), self.own_addresses(host, pick));
        };
        let mut proven = self.proven(target.as_str(), self.own_addresses(&target, pick));
        proven.secure &= self.zone.read().secure.contains(host.as_str());
        proven.canonical = Some(target);
        proven
    }

    fn own_addresses<T>(&self, host: &Domain, pick: impl Fn(&IpAddr) -> Option<T>) -> Answer<T> {
        let zone = self.zone.read();
        if zone.lost {
            return Answer::Temporary("no name server answers".to_owned());
        }
        match zone.hosts.get(host) {
            Some(Answer::Found(all)) => match all.iter().filter_map(pick).collect::<Vec<_>>() {
                picked if picked.is_empty() => Answer::NoRecords,
                picked => Answer::Found(picked),
            },
            Some(Answer::NoRecords) => Answer::NoRecords,
            Some(Answer::Temporary(why)) => Answer::Temporary(why.clone()),
            None if zone.mx.contains_key(host) => Answer::NoRecords,
            Some(Answer::NoName) | None => Answer::NoName,
        }
    }
}

impl Resolver for FixedResolver {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Proving<'a, Mx> {
        let answer = {
            let zone = self.zone.read();
            match zone.mx.get(domain) {
                _ if zone.lost => Answer::Temporary("no name server answers".to_owned()),
                Some(answer) => answer.clone(),
                None if zone.hosts.contains_key(domain) => Answer::NoRecords,
                None => Answer::NoName,
            }
        };
        Box::pin(std::future::ready(self.proven(domain.as_str(), answer)))
    }

    fn a<'a>(&'a self, host: &'a Domain) -> Proving<'a, Ipv4Addr> {
        let answer = self.addresses(host, |ip| match ip {
            IpAddr::V4(v4) => Some(*v4),
            IpAddr::V6(_) => None,
        });
        Box::pin(std::future::ready(answer))
    }

    fn aaaa<'a>(&'a self, host: &'a Domain) -> Proving<'a, Ipv6Addr> {
        let answer = self.addresses(host, |ip| match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => Some(*v6),
        });
        Box::pin(std::future::ready(answer))
    }

    fn alias<'a>(&'a self, host: &'a Domain) -> Proving<'a, Domain> {
        let answer = match self.zone.read().aliases.get(host) {
            Some(target) => Answer::Found(vec![target.clone()]),
            None => Answer::NoRecords,
        };
        Box::pin(std::future::ready(self.proven(host.as_str(), answer)))
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> Proving<'a, Tlsa> {
        let answer = match self.zone.read().tlsa.get(name) {
            Some(answer) => answer.clone(),
            None => Answer::NoName,
        };
        Box::pin(std::future::ready(self.proven(name, answer)))
    }

    fn txt<'a>(&'a self, name: &'a str) -> Answering<'a, String> {
        let zone = self.zone.read();
        let answer = match zone.texts.get(name) {
            _ if zone.lost => Answer::Temporary("no name server answers".to_owned()),
            Some(texts) => Answer::Found(texts.clone()),
            None => Answer::NoName,
        };
        Box::pin(std::future::ready(answer))
    }
}
