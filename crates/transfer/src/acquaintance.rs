//! What is remembered of those who send mail here, and what a message adds to that.

use std::net::{IpAddr, Ipv6Addr};

use directory::outside::{self, Came, Outside};
use jiff::Timestamp;
use message::{
    Address, Domain,
    header::{Field, Header},
};
use screening::{Cause, Evidence, Handling, History, Screened, Standing};
use store::{
    Error, Tx,
    abuse::{self, Prepared},
    acquaintance::{self, Acquaintance, ONE, Who},
    sql::Sql,
};
use trail::{Actor, Event, Kind};

use crate::Transfer;

/// What it counts that somebody here wrote to a domain.
const WRITTEN_TO: i64 = 5 * ONE;
/// What it counts that a recipient moved a message into Junk, or out of it.
const MOVED: i64 = 5 * ONE;
/// Domains, and addresses, of one submission that become known by it.
const MOST_WRITTEN_TO: usize = 20;
/// Octets of a sender that is remembered.
const MOST_SENDER: usize = 320;
/// How many days those are remembered that come no more. A flood of made-up senders is forgotten soon.
const REMEMBERED_DAYS: [(Who, i64); 4] = [
    (Who::Network, 120),
    (Who::Domain, 120),
    (Who::Address, 120),
    (Who::Pair, 7),
];
/// Rows that one commit forgets.
const FORGOTTEN_AT_ONCE: u32 = 2000;

/// What one message adds to what is remembered, in the commit that tells of the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Note {
    adds: Vec<(Who, String, i64, i64)>,
    /// The report of abuse that is prepared about it.
    abuse: Option<Prepared>,
    /// When an incident is opened for that.
    outside: Option<Outside>,
}

/// What is remembered of where a message comes from.
///
/// # Errors
/// The store's.
pub(crate) async fn history(transfer: &Transfer, evidence: &Evidence) -> Result<History, Error> {
    let (network, pair) = (network(evidence.peer), pair(evidence));
    let domain = evidence.responsible().map(str::to_owned);
    let address = evidence.responsible_address().map(str::to_lowercase);
    let now = transfer.store().now();
    let look = move |sql: &mut dyn Sql| {
        let mut of = |who, name: &str| {
            let found = acquaintance::find(sql, who, name, now)?;
            Ok::<_, Error>(standing(name, found, now))
        };
        let network = of(Who::Network, &network)?;
        let domain = domain.map(|domain| of(Who::Domain, &domain)).transpose()?;
        let address = address.map(|address| {
            let found = acquaintance::find(sql, Who::Address, &by_domain(&address), now)?;
            Ok::<_, Error>(standing(&address, found, now))
        });
        let tried = acquaintance::find(sql, Who::Pair, &pair, now)?;
        Ok::<_, Error>(History {
            network,
            domain,
            address: address.transpose()?,
            tried_for: tried.map(|tried| seconds(tried.first, now)),
        })
    };
    transfer.store().read(move |snapshot| look(snapshot)).await
}

fn standing(name: &str, found: Option<Acquaintance>, now: Timestamp) -> Standing {
    let whole = |weight: i64| u32::try_from((weight + ONE / 2) / ONE).unwrap_or(u32::MAX);
    Standing {
        name: name.to_owned(),
        known_for: found.map_or(0, |found| seconds(found.first, now)),
        good: found.map_or(0, |found| whole(found.good)),
        bad: found.map_or(0, |found| whole(found.bad)),
    }
}

fn seconds(from: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(from).as_secs()).unwrap_or(0)
}

/// /24 of IPv4, /64 of IPv6: what one sender usually has.
fn network(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// An address in the order in which a domain's stand together.
fn by_domain(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    format!("{domain} {local}").to_lowercase()
}

fn pair(evidence: &Evidence) -> String {
    let sender = evidence.sender.as_deref().unwrap_or_default();
    let cut = sender.floor_char_boundary(MOST_SENDER);
    let sender = sender.get(..cut).unwrap_or_default().to_lowercase();
    format!("{} {sender}", network(evidence.peer))
}

impl Note {
    /// What the verdict on a message from outside says of where it came from.
    pub(crate) fn of(screened: &Screened) -> Self {
        let (evidence, verdict) = (&screened.evidence, &screened.verdict);
        if !evidence.authentication || evidence.history.is_none() {
            return Self::default();
        }
        let mut adds = Vec::new();
        let weight = match (verdict.handling, verdict.because) {
            // It must not become worse for being bad.
            (_, Cause::BadHistory) => None,
            (Handling::Accept, _) => Some((ONE, 0)),
            (Handling::Mark | Handling::Quarantine | Handling::Discard | Handling::Refuse, _) => {
                Some((0, ONE))
            }
            (Handling::Defer, _) => None,
        };
        if let Some((good, bad)) = weight {
            adds.push((Who::Network, network(evidence.peer), good, bad));
            // A domain answers only for what it is shown to have sent.
            let domain = evidence.responsible().map(str::to_owned);
            adds.extend(domain.map(|domain| (Who::Domain, domain, good, bad)));
            let address = evidence.responsible_address().map(by_domain);
            adds.extend(address.map(|address| (Who::Address, address, good, bad)));
        }
        if verdict.because == Cause::Greylisted {
            adds.push((Who::Pair, pair(evidence), 0, 0));
        }
        Self {
            adds,
            ..Self::default()
        }
    }

    /// With a report of abuse, if one is prepared, and the incident that the site wants to be opened for it.
    pub(crate) fn with_abuse(mut self, report: Option<Prepared>, rule: Option<Outside>) -> Self {
        self.outside = rule.filter(|_| report.is_some());
        self.abuse = report;
        self
    }

    /// What a recipient says of who sent a message by moving it into Junk, or out of it. `host` is the name that this server's
    /// results stand under, which tell who answered for the message when it came.
    pub(crate) fn of_lesson(raw: &[u8], host: &str, junk: bool) -> Self {
        let header = Header::named(raw, &["authentication-results"], 1);
        let field = header.iter().next().map(Field::unfolded);
        let domain = field.and_then(|value| screening::responsible_in(value.trim(), host));
        let (good, bad) = if junk { (0, MOVED) } else { (MOVED, 0) };
        let author = screening::author_address(raw);
        let author = author.filter(|author| domain.as_deref() == Some(author.domain().as_str()));
        let author = author.map(|author| by_domain(&author.to_string()));
        let address = author.map(|author| (Who::Address, author, good, bad));
        let add = domain.map(|domain| (Who::Domain, domain, good, bad));
        Self {
            adds: add.into_iter().chain(address).collect(),
            ..Self::default()
        }
    }

    /// What it says of domains that somebody here writes to them.
    pub(crate) fn of_correspondents<'a>(recipients: impl Iterator<Item = &'a Address>) -> Self {
        let recipients: Vec<&Address> = recipients.collect();
        let mut addresses: Vec<String> = recipients
            .iter()
            .map(|address| by_domain(&address.to_string()))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        let mut domains: Vec<&Domain> = recipients.iter().map(|it| it.domain()).collect();
        domains.sort_unstable();
        domains.dedup();
        let add = |domain: &&Domain| (Who::Domain, domain.as_str().to_owned(), WRITTEN_TO, 0);
        let domains = domains.iter().take(MOST_WRITTEN_TO).map(add);
        let addresses = addresses.into_iter().take(MOST_WRITTEN_TO);
        let addresses = addresses.map(|address| (Who::Address, address, WRITTEN_TO, 0));
        Self {
            adds: domains.chain(addresses).collect(),
            ..Self::default()
        }
    }

    /// Adds it to what is remembered.
    pub(crate) fn write(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        self.adds.iter().try_for_each(|(who, name, good, bad)| {
            acquaintance::add(tx, *who, name, *good, *bad)
        })?;
        let Some(report) = &self.abuse else {
            return Ok(());
        };
        if !abuse::prepare(tx, report)? {
            tracing::warn!(message = %report.message, "no more reports of abuse are prepared: there are too many");
        }
        // The source is an address that this server wrote.
        if let (Some(rule), Ok(peer)) = (&self.outside, report.source.parse()) {
            let came = Came {
                peer,
                domain: report.domain.clone(),
                malware: report.malware.clone(),
                message: report.message.to_string(),
            };
            if let Some(opened) = outside::open(tx, rule, &came)? {
                drop(tx.record(&opened, ())?);
            }
        }
        Ok(())
    }
}

/// Forgets networks, domains and addresses that did not come for 120 days, and who was put off once and did not come again for 7; returns how many.
///
/// # Errors
/// The store's.
pub async fn forget(transfer: &Transfer) -> Result<u64, Error> {
    let store = transfer.store();
    let mut all = 0_u64;
    for (who, days) in REMEMBERED_DAYS {
        let before = store.now() - jiff::SignedDuration::from_hours(24 * days);
        loop {
            let due = store
                .read(move |sql| acquaintance::is_due(sql, who, before))
                .await?;
            if !due {
                break;
            }
            let commit = store.commit::<_, Error>(Vec::new(), move |tx| {
                let gone = acquaintance::forget(tx, who, before, FORGOTTEN_AT_ONCE)?;
                let event = Event::new(Kind::SendersForgotten, Actor::System).detail("count", gone);
                tx.record(&event, gone)
            });
            all = all.saturating_add(commit.await?.value);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use screening::{Finding, Policy};

    use super::*;

    #[test]
    fn networks_are_as_wide_as_one_sender_has_them() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
    }

    #[test]
    fn what_is_added_is_what_became_of_it() {
        let mut evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "c.example");
        evidence.sender = Some("A@x.example".into());
        evidence.history = Some(History::default());
        evidence.spf.result = Finding::Pass;
        evidence.spf.domain = "x.example".into();
        let noted = |handling, because, evidence: &Evidence| {
            let mut verdict = Policy::default().judge(evidence);
            (verdict.handling, verdict.because) = (handling, because);
            let screened = Screened {
                evidence: evidence.clone(),
                verdict,
            };
            Note::of(&screened).adds
        };
        let taken = noted(Handling::Accept, Cause::NothingAgainst, &evidence);
        assert_eq!(
            taken,
            [
                (Who::Network, "192.0.2.0/24".to_owned(), ONE, 0),
                (Who::Domain, "x.example".to_owned(), ONE, 0),
                (Who::Address, "x.example a".to_owned(), ONE, 0)
            ]
        );
        let refused = noted(Handling::Refuse, Cause::Listed, &evidence);
        assert!(
            refused
                .iter()
                .all(|(_, _, good, bad)| (*good, *bad) == (0, ONE))
        );
        assert!(noted(Handling::Mark, Cause::BadHistory, &evidence).is_empty());
        assert!(noted(Handling::Defer, Cause::DmarcTrouble, &evidence).is_empty());
        let put_off = noted(Handling::Defer, Cause::Greylisted, &evidence);
        assert_eq!(
            put_off,
            [(Who::Pair, "192.0.2.0/24 a@x.example".to_owned(), 0, 0)]
        );
        evidence.history = None;
        assert!(noted(Handling::Accept, Cause::NothingAgainst, &evidence).is_empty());
    }
}
