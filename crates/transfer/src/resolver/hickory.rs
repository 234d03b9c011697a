//! The real resolver: hickory, wrapped so that nothing else names it.
//!
//! DNSSEC is validated by the name server that is asked, not here (RFC 4035, section 4.9.3: a security-aware stub resolver that
//! trusts the path to its validating resolver). What it says of validity is believed only of a server on this machine, or where
//! the settings say that the path is secure.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use hickory_resolver::{
    NameServerPool, PoolContext, TlsConfig, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{
        DnsError, DnsHandle, NetError,
        runtime::TokioRuntimeProvider,
        xfer::{FirstAnswer, RetryDnsHandle},
    },
    proto::{
        op::{DnsRequestOptions, Query, ResponseCode},
        rr::{Name, RData, Record, RecordType},
    },
    system_conf,
};
use message::address::Domain;

use super::{Answer, Answering, Mx, Proven, Proving, Resolver, Tlsa};
use crate::{Dns, Dnssec};

/// Asks name servers over UDP and TCP. It remembers answers as long as they say, but for those that its name servers prove: a
/// validating resolver that is near remembers them itself.
#[derive(Clone)]
pub struct HickoryResolver {
    inner: TokioResolver,
    proving: Option<RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>>,
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
        let (config, mut options) = if dns.servers.is_empty() {
            system_conf::read_system_conf().map_err(failed)?
        } else {
            (named(dns), ResolverOpts::default())
        };
        if let Some(timeout) = dns.timeout {
            options.timeout = timeout;
        }
        // Mail routing is a matter of DNS; /etc/hosts is for addresses that DNS does not know, like localhost.
        options.use_hosts_file = ResolveHosts::Auto;
        let proving = if is_believed(dns.dnssec, &config) {
            let attempts = options.attempts;
            let tls = TlsConfig::new().map_err(failed)?;
            let context = Arc::new(PoolContext::new(options.clone(), tls));
            let servers = config.name_servers().to_vec();
            let pool =
                NameServerPool::from_config(servers, context, TokioRuntimeProvider::default());
            Some(RetryDnsHandle::new(pool, attempts))
        } else {
            None
        };
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        Ok(Self {
            inner: builder.build().map_err(failed)?,
            proving,
        })
    }

    /// Whether what the name servers say of DNSSEC is believed.
    #[must_use]
    pub fn believes_proofs(&self) -> bool {
        self.proving.is_some()
    }

    /// Whether the name servers validate DNSSEC and are believed: the root, which is signed, is asked for.
    ///
    /// # Errors
    /// When it cannot be asked for, in words.
    pub async fn validates(&self) -> Result<bool, String> {
        let root = self
            .prove(Name::root(), RecordType::SOA, |data| {
                matches!(data, RData::SOA(_)).then_some(())
            })
            .await;
        match root.answer {
            Answer::Temporary(why) => Err(why),
            Answer::Found(_) | Answer::NoRecords | Answer::NoName => Ok(root.secure),
        }
    }

    /// TXT records of a name, each with its strings joined; for checks of what a site publishes.
    pub async fn txt(&self, name: &str) -> Answer<String> {
        let name = match absolute(name) {
            Ok(name) => name,
            Err(why) => return Answer::Temporary(why),
        };
        self.ask(name, RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        })
        .await
    }

    /// The names that an address has (PTR).
    pub async fn ptr(&self, address: IpAddr) -> Answer<String> {
        self.ask(Name::from(address), RecordType::PTR, |data| match data {
            RData::PTR(ptr) => Some(ptr.0.to_ascii().trim_end_matches('.').to_owned()),
            _ => None,
        })
        .await
    }

    async fn ask<T>(
        &self,
        name: Name,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Answer<T> {
        match self.inner.lookup(name.clone(), kind).await {
            Ok(lookup) => picked(&name, kind, lookup.answers(), pick),
            Err(error) => nothing(&name, kind, &error),
        }
    }

    async fn proven<T>(
        &self,
        name: &str,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Proven<T> {
        match absolute(name) {
            Ok(name) => self.prove(name, kind, pick).await,
            Err(why) => Answer::Temporary(why).into(),
        }
    }

    async fn prove<T>(
        &self,
        name: Name,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Proven<T> {
        let Some(proving) = self.proving.as_ref().filter(|_| !is_localhost(&name)) else {
            return self.ask(name, kind, pick).await.into();
        };
        let mut options = DnsRequestOptions::default();
        // Without DO, servers need not say whether they validated (RFC 4035, section 3.2.3).
        options.edns_set_dnssec_ok = true;
        let query = Query::query(name.clone(), kind);
        let response = proving.lookup(query, options).first_answer().await;
        let response = response.and_then(|response| Ok(DnsError::from_response(response)?));
        match response {
            Ok(response) => {
                let answer = picked(&name, kind, &response.answers, pick);
                Proven {
                    secure: response.authentic_data && matches!(answer, Answer::Found(_)),
                    answer,
                    canonical: canonical(&name, kind, &response.answers),
                }
            }
            Err(error) => nothing(&name, kind, &error).into(),
        }
    }
}

/// The name servers that settings name.
fn named(dns: &Dns) -> ResolverConfig {
    let servers = dns.servers.iter().map(|server| {
        let connections =
            [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
        NameServerConfig::new(server.ip(), true, connections.into())
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}

fn is_believed(dnssec: Dnssec, config: &ResolverConfig) -> bool {
    let near = |server: &NameServerConfig| server.ip.is_loopback();
    match dnssec {
        Dnssec::Off => false,
        Dnssec::Trust => true,
        Dnssec::Auto => config.name_servers().iter().all(near),
    }
}

/// With its final dot, so that no search list is applied: mail.example must never become mail.example.office.example.
fn absolute(name: &str) -> Result<Name, String> {
    Name::from_ascii(format!("{}.", name.trim_end_matches('.')))
        .map_err(|e| format!("{name} cannot be asked for: {e}"))
}

fn is_localhost(name: &Name) -> bool {
    let last = name.iter().next_back();
    last.is_some_and(|label| label.eq_ignore_ascii_case(b"localhost"))
}

/// The records of `kind`, each as `pick` reads it.
fn picked<T>(
    name: &Name,
    kind: RecordType,
    records: &[Record],
    pick: impl Fn(&RData) -> Option<T>,
) -> Answer<T> {
    let mut of_kind = records
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

/// Whose records of `kind` an answer holds, if it is not `name` itself.
fn canonical(name: &Name, kind: RecordType, records: &[Record]) -> Option<Domain> {
    let record = records.iter().find(|record| record.record_type() == kind)?;
    if record.name.eq_ignore_root(name) {
        return None;
    }
    host(&record.name)
}

fn host(name: &Name) -> Option<Domain> {
    Domain::parse(name.to_ascii().trim_end_matches('.')).ok()
}

/// What the lack of an answer means.
fn nothing<T>(name: &Name, kind: RecordType, error: &NetError) -> Answer<T> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Answer::NoName,
            ResponseCode::NoError => Answer::NoRecords,
            code => Answer::Temporary(format!("name server said {code} for {kind} of {name}")),
        },
        error => Answer::Temporary(format!(
            "the DNS lookup of {kind} for {name} failed: {error}"
        )),
    }
}

impl std::fmt::Debug for HickoryResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HickoryResolver")
    }
}

impl Resolver for HickoryResolver {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Proving<'a, Mx> {
        Box::pin(
            self.proven(domain.as_str(), RecordType::MX, |data| match data {
                RData::MX(mx) => Some(Mx {
                    preference: mx.preference,
                    host: if mx.exchange.is_root() {
                        None
                    } else {
                        Some(host(&mx.exchange)?)
                    },
                }),
                _ => None,
            }),
        )
    }

    fn a<'a>(&'a self, host: &'a Domain) -> Proving<'a, Ipv4Addr> {
        Box::pin(
            self.proven(host.as_str(), RecordType::A, |data| match data {
                RData::A(a) => Some(a.0),
                _ => None,
            }),
        )
    }

    fn aaaa<'a>(&'a self, host: &'a Domain) -> Proving<'a, Ipv6Addr> {
        Box::pin(
            self.proven(host.as_str(), RecordType::AAAA, |data| match data {
                RData::AAAA(aaaa) => Some(aaaa.0),
                _ => None,
            }),
        )
    }

    fn alias<'a>(&'a self, name: &'a Domain) -> Proving<'a, Domain> {
        Box::pin(
            self.proven(name.as_str(), RecordType::CNAME, |data| match data {
                RData::CNAME(target) => host(&target.0),
                _ => None,
            }),
        )
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> Proving<'a, Tlsa> {
        Box::pin(self.proven(name, RecordType::TLSA, |data| match data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data.clone(),
            }),
            _ => None,
        }))
    }

    fn txt<'a>(&'a self, name: &'a str) -> Answering<'a, String> {
        Box::pin(HickoryResolver::txt(self, name))
    }
}
