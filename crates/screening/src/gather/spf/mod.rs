//! SPF (RFC 7208): our own, since the library takes the first of several records, counts no questions that were for nothing, and has
//! more that the published suite finds (`tests/published_spf.rs`).
//!
//! `record` reads what a domain publishes, `spec` the names in it, `check` asks on; here the DNS is asked for them.

mod check;
mod record;
mod spec;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use message::Domain;
use tokio::time::{Instant, timeout_at};

pub(super) use self::check::{Answer, Dns};
use self::check::{Check, Identity};
use super::{Arrival, Screener};
use crate::{Finding, Spf, evidence};

/// What both identities said.
pub(super) struct Found {
    pub(super) hello: Spf,
    pub(super) sender: Spf,
    /// The domain of MAIL FROM, or in HELO with a null sender: for DMARC.
    pub(super) about: Option<Domain>,
}

impl Screener {
    /// Checks the name in HELO and MAIL FROM. A null sender is checked as `postmaster` at the name in HELO (section 2.4).
    pub(super) async fn spf(&self, arrival: Arrival<'_>, by: Instant) -> Found {
        let hello = arrival.hello.trim_end_matches('.');
        let of_hello = Identity {
            peer: arrival.peer,
            hello,
            local: "postmaster",
            domain: hello,
        };
        let checking_sender = async {
            let sender = arrival.sender?;
            let of_sender = Identity {
                local: sender.local(),
                domain: sender.domain().as_str(),
                ..of_hello
            };
            Some(self.check(of_sender, by).await)
        };
        let (hello_told, sender_told) = tokio::join!(self.check(of_hello, by), checking_sender);
        let sender_told = sender_told.unwrap_or_else(|| hello_told.clone());
        let about = match arrival.sender {
            Some(sender) => Some(sender.domain().clone()),
            None => Domain::parse(hello).ok(),
        };
        Found {
            about,
            hello: hello_told,
            sender: sender_told,
        }
    }

    async fn check(&self, who: Identity<'_>, by: Instant) -> Spf {
        let checking = Check::run(self, who);
        let result = timeout_at(by, checking).await;
        Spf {
            result: result.unwrap_or(Finding::Temperror),
            domain: evidence::name(who.domain),
        }
    }

    /// The records of one type, as `pick` reads them. What else is in the answer, such as aliases on the way, is passed over.
    async fn ask<T>(
        &self,
        name: Option<Name>,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Answer<T> {
        // A name that cannot be written is nowhere.
        let Some(name) = name else {
            return Answer::Nothing;
        };
        match self.asking.resolver().lookup(name, kind).await {
            Ok(lookup) => {
                let records = lookup.answers().iter();
                let found: Vec<T> = records.filter_map(|record| pick(&record.data)).collect();
                match found.is_empty() {
                    true => Answer::Nothing,
                    false => Answer::Found(found),
                }
            }
            Err(error) if error.is_no_records_found() => Answer::Nothing,
            Err(_) => Answer::Trouble,
        }
    }
}

/// The name, whatever octets its labels hold.
pub(super) fn absolute(name: &str) -> Option<Name> {
    let labels = name.split('.').map(str::as_bytes);
    let mut name = Name::from_labels(labels).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The name as it is, without what presentation adds to odd octets.
fn plain(name: &Name) -> String {
    let labels = name.iter().map(String::from_utf8_lossy);
    labels.collect::<Vec<_>>().join(".")
}

impl Dns for Screener {
    async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        self.ask(absolute(name), RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        })
        .await
    }

    async fn a(&self, name: &str) -> Answer<Ipv4Addr> {
        self.ask(absolute(name), RecordType::A, |data| match data {
            RData::A(address) => Some(address.0),
            _ => None,
        })
        .await
    }

    async fn aaaa(&self, name: &str) -> Answer<Ipv6Addr> {
        self.ask(absolute(name), RecordType::AAAA, |data| match data {
            RData::AAAA(address) => Some(address.0),
            _ => None,
        })
        .await
    }

    async fn mx(&self, name: &str) -> Answer<String> {
        self.ask(absolute(name), RecordType::MX, |data| match data {
            RData::MX(mx) => Some(plain(&mx.exchange)),
            _ => None,
        })
        .await
    }

    async fn ptr(&self, peer: IpAddr) -> Answer<String> {
        self.ask(Some(Name::from(peer)), RecordType::PTR, |data| match data {
            RData::PTR(name) => Some(plain(&name.0)),
            _ => None,
        })
        .await
    }
}
