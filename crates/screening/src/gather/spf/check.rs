//! The check itself (RFC 7208, sections 4 to 6), over answers of the DNS that somebody else gets.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::Pin,
};

use super::{
    record::{Mechanism, Prefixes, Qualifier, Record, is_record},
    spec::{Letter, Spec},
};
use crate::Finding;

/// Terms that ask the DNS, in all records of one check (section 4.6.4).
const MOST_ASKING_TERMS: u32 = 10;
/// Questions without an answer in one check (section 4.6.4).
const MOST_VOID: u32 = 2;
/// Exchanges of one `mx`, and names of the peer, that are looked up (section 4.6.4).
const MOST_NAMES: usize = 10;
/// Octets of a label (RFC 1035, section 2.3.4).
const MOST_LABEL: usize = 63;
/// Octets of a name without its last dot.
const MOST_NAME: usize = 253;

/// What the DNS says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gather) enum Answer<T> {
    /// These records; there is at least one.
    Found(Vec<T>),
    /// There is no such name, or it has no such records.
    Nothing,
    /// It cannot be learnt now.
    Trouble,
}

/// Who asks the DNS. Names have no dot at their end, in questions and in answers.
pub(in crate::gather) trait Dns: Sync {
    fn txt(&self, name: &str) -> impl Future<Output = Answer<Vec<u8>>> + Send;
    fn a(&self, name: &str) -> impl Future<Output = Answer<Ipv4Addr>> + Send;
    fn aaaa(&self, name: &str) -> impl Future<Output = Answer<Ipv6Addr>> + Send;
    fn mx(&self, name: &str) -> impl Future<Output = Answer<String>> + Send;
    fn ptr(&self, peer: IpAddr) -> impl Future<Output = Answer<String>> + Send;
}

/// Whom the check is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    pub(super) peer: IpAddr,
    pub(super) hello: &'a str,
    pub(super) local: &'a str,
    /// Domain of the sender: where the check begins.
    pub(super) domain: &'a str,
}

/// One check under way.
pub(super) struct Check<'a, D> {
    dns: &'a D,
    who: Identity<'a>,
    asking_terms: u32,
    void: u32,
    /// Names of the peer that lead back to it, once they were asked for.
    names: Option<Vec<String>>,
}

/// What ends a check at once.
type Ended = Finding;

impl<'a, D: Dns> Check<'a, D> {
    /// `check_host()` of the sender's domain.
    pub(super) async fn run(dns: &'a D, who: Identity<'a>) -> Finding {
        let who = Identity {
            // An IPv4 address is one, however the socket tells it (section 5).
            peer: who.peer.to_canonical(),
            // Section 4.3.
            local: match who.local {
                "" => "postmaster",
                local => local,
            },
            ..who
        };
        let mut check = Check {
            dns,
            who,
            asking_terms: 0,
            void: 0,
            names: None,
        };
        check.host(who.domain.to_owned()).await
    }

    /// `check_host()` of one domain: the author's own, and each that an `include` or a `redirect` leads to.
    fn host(&mut self, domain: String) -> Pin<Box<dyn Future<Output = Finding> + Send + '_>> {
        Box::pin(async move {
            let mut domain = domain;
            let mut redirected = false;
            loop {
                let record = match self.record(&domain).await {
                    Ok(record) => record,
                    // Section 6.1: who redirects must lead somewhere.
                    Err(Finding::None) if redirected => return Finding::Permerror,
                    Err(ended) => return ended,
                };
                match self.matches(&record, &domain).await {
                    Err(ended) => return ended,
                    Ok(Some(qualifier)) => return finding(qualifier),
                    Ok(None) => {}
                }
                let Some(redirect) = &record.redirect else {
                    // Section 4.7.
                    return Finding::Neutral;
                };
                if let Err(ended) = self.count_term() {
                    return ended;
                }
                domain = match self.expand(redirect, &domain).await {
                    Ok(domain) => domain,
                    Err(ended) => return ended,
                };
                redirected = true;
            }
        })
    }

    /// The one record of the domain (sections 4.3 to 4.6).
    async fn record(&mut self, domain: &str) -> Result<Record, Ended> {
        if !is_name(domain) || !domain.contains('.') {
            return Err(Finding::None);
        }
        let texts = match self.dns.txt(domain).await {
            Answer::Found(texts) => texts,
            Answer::Nothing => return Err(Finding::None),
            Answer::Trouble => return Err(Finding::Temperror),
        };
        let mut records = texts.iter().filter(|text| is_record(text));
        match (records.next(), records.next()) {
            (None, _) => Err(Finding::None),
            (Some(_), Some(_)) => Err(Finding::Permerror),
            (Some(only), None) => Record::parse(only).map_err(|_| Finding::Permerror),
        }
    }

    /// The first mechanism that matches, if one does.
    async fn matches(&mut self, record: &Record, domain: &str) -> Result<Option<Qualifier>, Ended> {
        for (qualifier, mechanism) in &record.mechanisms {
            if self.is_match(mechanism, domain).await? {
                return Ok(Some(*qualifier));
            }
        }
        Ok(None)
    }

    async fn is_match(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Ended> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, prefix) => {
                Ok(matches!(self.who.peer, IpAddr::V4(peer) if is_in4(peer, *network, *prefix)))
            }
            Mechanism::Ip6(network, prefix) => {
                Ok(matches!(self.who.peer, IpAddr::V6(peer) if is_in6(peer, *network, *prefix)))
            }
            Mechanism::Include(spec) => {
                self.count_term()?;
                let included = self.expand(spec, domain).await?;
                match self.host(included).await {
                    Finding::Pass => Ok(true),
                    Finding::Fail | Finding::Softfail | Finding::Neutral => Ok(false),
                    Finding::Temperror => Err(Finding::Temperror),
                    _ => Err(Finding::Permerror),
                }
            }
            Mechanism::A(spec, prefixes) => {
                self.count_term()?;
                let name = self.target(spec.as_ref(), domain).await?;
                self.has_peer(&name, *prefixes).await
            }
            Mechanism::Mx(spec, prefixes) => {
                self.count_term()?;
                let name = self.target(spec.as_ref(), domain).await?;
                self.is_exchange(&name, *prefixes).await
            }
            Mechanism::Ptr(spec) => {
                self.count_term()?;
                let name = self.target(spec.as_ref(), domain).await?;
                let names = self.peer_names().await?;
                Ok(names.iter().any(|it| is_within(it, &name)))
            }
            Mechanism::Exists(spec) => {
                self.count_term()?;
                let name = self.expand(spec, domain).await?;
                if !is_name(&name) {
                    return Ok(false);
                }
                // An IPv4 address is asked for, whatever the peer has (section 5.7).
                let answer = self.dns.a(&name).await;
                Ok(!self.found(answer)?.is_empty())
            }
        }
    }

    /// Whether the name has the peer's address, or one with the same beginning.
    async fn has_peer(&mut self, name: &str, prefixes: Prefixes) -> Result<bool, Ended> {
        if !is_name(name) {
            return Ok(false);
        }
        match self.who.peer {
            IpAddr::V4(peer) => {
                let answer = self.dns.a(name).await;
                let found = self.found(answer)?;
                Ok(found.iter().any(|it| is_in4(peer, *it, prefixes.v4)))
            }
            IpAddr::V6(peer) => {
                let answer = self.dns.aaaa(name).await;
                let found = self.found(answer)?;
                Ok(found.iter().any(|it| is_in6(peer, *it, prefixes.v6)))
            }
        }
    }

    async fn is_exchange(&mut self, name: &str, prefixes: Prefixes) -> Result<bool, Ended> {
        if !is_name(name) {
            return Ok(false);
        }
        let answer = self.dns.mx(name).await;
        let exchanges = self.found(answer)?;
        if exchanges.len() > MOST_NAMES {
            return Err(Finding::Permerror);
        }
        for exchange in exchanges {
            if self.has_peer(&exchange, prefixes).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Names of the peer that lead back to it (section 5.5). Trouble with one name is no trouble.
    async fn peer_names(&mut self) -> Result<Vec<String>, Ended> {
        if let Some(names) = &self.names {
            return Ok(names.clone());
        }
        let mut validated = Vec::new();
        let answer = match self.dns.ptr(self.who.peer).await {
            Answer::Trouble => Vec::new(),
            answer => self.found(answer)?,
        };
        for name in answer.into_iter().take(MOST_NAMES) {
            if !is_name(&name) {
                continue;
            }
            // Void answers are not counted here: what names strangers give their addresses is not the domain's doing.
            let leads_back = match self.who.peer {
                IpAddr::V4(peer) => {
                    matches!(self.dns.a(&name).await, Answer::Found(all) if all.contains(&peer))
                }
                IpAddr::V6(peer) => {
                    matches!(self.dns.aaaa(&name).await, Answer::Found(all) if all.contains(&peer))
                }
            };
            if leads_back {
                validated.push(name);
            }
        }
        self.names = Some(validated.clone());
        Ok(validated)
    }

    async fn target(&mut self, spec: Option<&Spec>, domain: &str) -> Result<String, Ended> {
        match spec {
            Some(spec) => self.expand(spec, domain).await,
            None => Ok(domain.to_owned()),
        }
    }

    async fn expand(&mut self, spec: &Spec, domain: &str) -> Result<String, Ended> {
        let peer_name = match spec.needs(Letter::PeerName) {
            true => one_of(&self.peer_names().await?, domain),
            false => String::new(),
        };
        let who = self.who;
        Ok(spec.expand(|letter| match letter {
            Letter::Sender => format!("{}@{}", who.local, who.domain),
            Letter::Local => who.local.to_owned(),
            Letter::SenderDomain => who.domain.to_owned(),
            Letter::Domain => domain.to_owned(),
            Letter::Address => in_parts(who.peer),
            Letter::PeerName => peer_name.clone(),
            Letter::Kind => match who.peer {
                IpAddr::V4(_) => "in-addr".to_owned(),
                IpAddr::V6(_) => "ip6".to_owned(),
            },
            Letter::Hello => who.hello.to_owned(),
        }))
    }

    fn count_term(&mut self) -> Result<(), Ended> {
        self.asking_terms = self.asking_terms.saturating_add(1);
        match self.asking_terms > MOST_ASKING_TERMS {
            true => Err(Finding::Permerror),
            false => Ok(()),
        }
    }

    /// What was found, which may be nothing, so often.
    fn found<T>(&mut self, answer: Answer<T>) -> Result<Vec<T>, Ended> {
        match answer {
            Answer::Found(all) => Ok(all),
            Answer::Trouble => Err(Finding::Temperror),
            Answer::Nothing => {
                self.void = self.void.saturating_add(1);
                match self.void > MOST_VOID {
                    true => Err(Finding::Permerror),
                    false => Ok(Vec::new()),
                }
            }
        }
    }
}

fn finding(qualifier: Qualifier) -> Finding {
    match qualifier {
        Qualifier::Pass => Finding::Pass,
        Qualifier::Fail => Finding::Fail,
        Qualifier::Softfail => Finding::Softfail,
        Qualifier::Neutral => Finding::Neutral,
    }
}

/// Whether the DNS could be asked for it.
fn is_name(name: &str) -> bool {
    let fits = |label: &str| !label.is_empty() && label.len() <= MOST_LABEL;
    name.len() <= MOST_NAME && name.split('.').all(fits)
}

fn is_within(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    name.strip_suffix(&domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The name that `%{p}` stands for: the domain itself, one below it, or any (section 7.3).
fn one_of(names: &[String], domain: &str) -> String {
    let same = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
    let below = || names.iter().find(|name| is_within(name, domain));
    let chosen = same.or_else(below).or(names.first());
    chosen.map_or_else(|| "unknown".to_owned(), Clone::clone)
}

/// The address as `%{i}` writes it: an IPv6 address digit by digit.
fn in_parts(peer: IpAddr) -> String {
    match peer {
        IpAddr::V4(peer) => peer.to_string(),
        IpAddr::V6(peer) => {
            let digits: Vec<String> = peer
                .octets()
                .iter()
                .flat_map(|octet| [octet >> 4, octet & 15])
                .map(|digit| format!("{digit:x}"))
                .collect();
            digits.join(".")
        }
    }
}

fn is_in4(peer: Ipv4Addr, network: Ipv4Addr, prefix: u8) -> bool {
    let rest = 32_u32.saturating_sub(u32::from(prefix));
    let beginning = |address: Ipv4Addr| address.to_bits().checked_shr(rest).unwrap_or(0);
    beginning(peer) == beginning(network)
}

fn is_in6(peer: Ipv6Addr, network: Ipv6Addr, prefix: u8) -> bool {
    let rest = 128_u32.saturating_sub(u32::from(prefix));
    let beginning = |address: Ipv6Addr| address.to_bits().checked_shr(rest).unwrap_or(0);
    beginning(peer) == beginning(network)
}

#[cfg(test)]
mod tests;
