//! The real resolver: hickory, wrapped so that nothing else names it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};
use message::address::Domain;

use super::{Answer, Answering, Mx, Resolver};
use crate::Dns;

/// Asks name servers over UDP and TCP, and remembers answers as long as they say.
#[derive(Clone)]
pub struct HickoryResolver {
    inner: TokioResolver,
}

/// Why no resolver can be made: the system's resolver settings cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the resolver cannot be set up: {0}")]
pub struct ResolverError(String);

impl HickoryResolver {
    /// A resolver as `dns` says.
    ///
    /// # Errors
    /// When no servers are named and the system's settings (`/etc/resolv.conf`) cannot be read.
    pub fn new(dns: &Dns) -> Result<Self, ResolverError> {
        let failed = |e: NetError| ResolverError(e.to_string());
        let mut builder = if dns.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(failed)?
        } else {
            let servers = dns.servers.iter().map(|server| {
                let connections =
                    [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                        connection.port = server.port();
                        connection
                    });
                NameServerConfig::new(server.ip(), true, connections.into())
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        if let Some(timeout) = dns.timeout {
            options.timeout = timeout;
        }
        // Mail routing is a matter of DNS; /etc/hosts is for addresses that DNS does not know, like localhost.
        options.use_hosts_file = ResolveHosts::Auto;
        Ok(Self {
            inner: builder.build().map_err(failed)?,
        })
    }

    /// TXT records of a name, each with its strings joined; for checks of what a site publishes.
    pub async fn txt(&self, name: &str) -> Answer<String> {
        let Ok(domain) = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))) else {
            return Answer::Temporary(format!("{name} cannot be asked for"));
        };
        self.ask_name(domain, RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        })
        .await
    }

    /// The names that an address has (PTR).
    pub async fn ptr(&self, address: IpAddr) -> Answer<String> {
        self.ask_name(Name::from(address), RecordType::PTR, |data| match data {
            RData::PTR(ptr) => Some(ptr.0.to_ascii().trim_end_matches('.').to_owned()),
            _ => None,
        })
        .await
    }

    async fn ask<T>(
        &self,
        domain: &Domain,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Answer<T> {
        // With its final dot, so that no search list is applied: mail.example must never become
        // mail.example.office.example.
        let name = match Name::from_ascii(format!("{}.", domain.as_str())) {
            Ok(name) => name,
            Err(e) => return Answer::Temporary(format!("{domain} cannot be asked for: {e}")),
        };
        self.ask_name(name, kind, pick).await
    }

    async fn ask_name<T>(
        &self,
        name: Name,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Answer<T> {
        match self.inner.lookup(name.clone(), kind).await {
            Ok(lookup) => {
                let mut of_kind = lookup
                    .answers()
                    .iter()
                    .filter(|record| record.record_type() == kind)
                    .peekable();
                if of_kind.peek().is_none() {
                    return Answer::NoRecords;
                }
                let picked: Vec<T> = of_kind.filter_map(|record| pick(&record.data)).collect();
                if picked.is_empty() {
                    // RFC 5321, section 5.1: MX records that cannot be used are an error; the domain's own
                    // address must not be tried in their place.
                    Answer::Temporary(format!("no {kind} record of {name} names a valid host"))
                } else {
                    Answer::Found(picked)
                }
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
                ResponseCode::NXDomain => Answer::NoName,
                ResponseCode::NoError => Answer::NoRecords,
                code => Answer::Temporary(format!("name server said {code} for {kind} of {name}")),
            },
            Err(e) => Answer::Temporary(format!("the DNS lookup of {kind} for {name} failed: {e}")),
        }
    }
}

impl std::fmt::Debug for HickoryResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HickoryResolver")
    }
}

impl Resolver for HickoryResolver {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Answering<'a, Mx> {
        Box::pin(self.ask(domain, RecordType::MX, |data| match data {
            RData::MX(mx) => {
                let text = mx.exchange.to_ascii();
                let text = text.trim_end_matches('.');
                let host = if text.is_empty() {
                    None
                } else {
                    Some(Domain::parse(text).ok()?)
                };
                Some(Mx {
                    preference: mx.preference,
                    host,
                })
            }
            _ => None,
        }))
    }

    fn a<'a>(&'a self, host: &'a Domain) -> Answering<'a, Ipv4Addr> {
        Box::pin(self.ask(host, RecordType::A, |data| match data {
            RData::A(a) => Some(a.0),
            _ => None,
        }))
    }

    fn aaaa<'a>(&'a self, host: &'a Domain) -> Answering<'a, Ipv6Addr> {
        Box::pin(self.ask(host, RecordType::AAAA, |data| match data {
            RData::AAAA(aaaa) => Some(aaaa.0),
            _ => None,
        }))
    }

    fn txt<'a>(&'a self, name: &'a str) -> Answering<'a, String> {
        Box::pin(HickoryResolver::txt(self, name))
    }
}
