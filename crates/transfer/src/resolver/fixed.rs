//! A resolver that says what it was told: for tests and demonstrations.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use message::address::Domain;
use parking_lot::RwLock;

use super::{Answer, Answering, Mx, Resolver};

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

    /// While `lost`, every question fails for now.
    pub fn set_lost(&self, lost: bool) {
        self.zone.write().lost = lost;
    }

    fn addresses<T>(&self, host: &Domain, pick: impl Fn(&IpAddr) -> Option<T>) -> Answer<T> {
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
    fn mx<'a>(&'a self, domain: &'a Domain) -> Answering<'a, Mx> {
        let zone = self.zone.read();
        let answer = if zone.lost {
            Answer::Temporary("no name server answers".to_owned())
        } else {
            match zone.mx.get(domain) {
                Some(answer) => answer.clone(),
                None if zone.hosts.contains_key(domain) => Answer::NoRecords,
                None => Answer::NoName,
            }
        };
        Box::pin(std::future::ready(answer))
    }

    fn a<'a>(&'a self, host: &'a Domain) -> Answering<'a, Ipv4Addr> {
        let answer = self.addresses(host, |ip| match ip {
            IpAddr::V4(v4) => Some(*v4),
            IpAddr::V6(_) => None,
        });
        Box::pin(std::future::ready(answer))
    }

    fn aaaa<'a>(&'a self, host: &'a Domain) -> Answering<'a, Ipv6Addr> {
        let answer = self.addresses(host, |ip| match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => Some(*v6),
        });
        Box::pin(std::future::ready(answer))
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
