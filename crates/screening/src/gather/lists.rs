//! Asking DNS lists (RFC 5782). What was asked lately the resolver remembers.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use hickory_resolver::{net::NetError, proto::rr::RData};
use tokio::time::{Instant, timeout_at};

use message::Domain;

use super::Screener;
use crate::{
    DnsList, Evidence, Finding, ListedBy, Listing, ListsSaid, evidence, links::asked,
    lists::is_listing,
};

/// How long it is believed that a list answers as a list does.
const TRIED_EVERY: Duration = Duration::from_secs(3600);
/// Answers of one list that are told.
const MOST_ANSWERS: usize = 8;
/// Octets of a name that is looked for (RFC 1035, section 2.3.4).
const MOST_NAME: usize = 253;

impl Screener {
    /// What `lists` say within `time`: one word of each list. `linked` is where links in the text lead.
    pub async fn lists(
        &self,
        lists: &[DnsList],
        (found, linked): (&Evidence, &[Domain]),
        time: Duration,
    ) -> ListsSaid {
        let by = Instant::now() + time;
        let mut asked = tokio::task::JoinSet::new();
        // Questions of each list that brought nothing yet.
        let mut open = vec![0_usize; lists.len()];
        for (list, (number, open)) in lists.iter().zip(open.iter_mut().enumerate()) {
            for (place, (name, question)) in questions(list, found, linked).into_iter().enumerate()
            {
                *open = open.saturating_add(1);
                let (screener, list) = (self.clone(), list.clone());
                asked.spawn(async move {
                    let (zone, kind) = (list.zone.as_str().to_owned(), list.by);
                    let said = screener.list(&zone, kind, &question, by).await;
                    let rank = said.as_ref().map(|said| match said {
                        Ok(answers) if answers.iter().any(|answer| list.counts(*answer)) => 0,
                        // That it could not be asked tells more than an answer that does not count.
                        Err(_) => 1,
                        Ok(_) => 2,
                    });
                    let order = (number, rank.unwrap_or(u8::MAX), place);
                    (order, said.map(|said| (zone, kind, name, said)))
                });
            }
        }
        let mut told = Vec::new();
        while let Some(ended) = asked.join_next().await {
            let (order, said) = match ended {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::error!(%error, "asking a DNS list failed");
                    continue;
                }
            };
            match said {
                Some(said) => told.push((order, said)),
                None => {
                    if let Some(open) = open.get_mut(order.0) {
                        *open = open.saturating_sub(1);
                    }
                }
            }
        }
        // What a question brought, or failed to, is not silence.
        let silent = lists.iter().zip(&open).filter(|(_, open)| **open == 0);
        let silent = silent.map(|(list, _)| list.name()).collect();
        told.sort_by_key(|(order, _)| *order);
        told.dedup_by_key(|((number, ..), _)| *number);
        let listing =
            |(zone, by, name, said): (String, ListedBy, String, Result<Vec<Ipv4Addr>, String>)| {
                let (answers, reason) = match said {
                    Ok(answers) => (answers, String::new()),
                    Err(reason) => (Vec::new(), evidence::reason(&reason)),
                };
                Listing {
                    zone,
                    by,
                    name: evidence::name(&name),
                    answers,
                    reason,
                }
            };
        ListsSaid {
            told: told.into_iter().map(|(_, said)| listing(said)).collect(),
            silent,
        }
    }

    /// What one list says; `None`: that it does not list it. `Err` is why its word counts for nothing.
    async fn list(
        &self,
        zone: &str,
        kind: ListedBy,
        question: &str,
        by: Instant,
    ) -> Option<Result<Vec<Ipv4Addr>, String>> {
        let answers = match self.addresses(question, by).await {
            Ok(answers) if answers.is_empty() => return None,
            Ok(answers) => answers,
            Err(reason) => return Some(Err(reason)),
        };
        if let Some(strange) = answers.iter().find(|answer| !is_listing(**answer)) {
            let reason = match strange.octets() {
                [127, 255, 255, _] => format!("it does not answer this resolver ({strange})"),
                _ => format!("{strange} is no answer of a list"),
            };
            return Some(Err(reason));
        }
        if let Err(reason) = self.tried(zone, kind, by).await {
            return Some(Err(reason));
        }
        Some(Ok(answers))
    }

    /// Whether the list does not just list everything, as one does that was given up (section 5).
    async fn tried(&self, zone: &str, kind: ListedBy, by: Instant) -> Result<(), String> {
        let key = (zone.to_owned(), kind == ListedBy::Address);
        let known = self.tried.lock().get(&key).cloned();
        if let Some((at, said)) = known
            && at.elapsed() < TRIED_EVERY
        {
            return said;
        }
        let never = match kind {
            ListedBy::Address => format!("1.0.0.127.{zone}"),
            _ => format!("invalid.{zone}"),
        };
        let said = match self.addresses(&never, by).await {
            Ok(answers) if answers.is_empty() => Ok(()),
            Ok(_) => Err(format!("it lists everything, {never} among it")),
            // Asked again the next time.
            Err(reason) => return Err(reason),
        };
        self.tried
            .lock()
            .insert(key, (Instant::now(), said.clone()));
        said
    }

    async fn addresses(&self, name: &str, by: Instant) -> Result<Vec<Ipv4Addr>, String> {
        let looking = self.asking.resolver().ipv4_lookup(format!("{name}."));
        let lookup = match timeout_at(by, looking).await {
            Err(_) => return Err("no answer in time".to_owned()),
            Ok(Err(error)) if is_nothing(&error) => return Ok(Vec::new()),
            Ok(Err(error)) => return Err(error.to_string()),
            Ok(Ok(lookup)) => lookup,
        };
        let addresses = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::A(address) => Some(address.0),
                _ => None,
            });
        Ok(addresses.take(MOST_ANSWERS).collect())
    }
}

fn is_nothing(error: &NetError) -> bool {
    error.is_no_records_found()
}

/// What a list is asked: of one thing, or of all domains that the text leads to.
fn questions(list: &DnsList, found: &Evidence, linked: &[Domain]) -> Vec<(String, String)> {
    if list.by != ListedBy::Text {
        return question(list, found).into_iter().collect();
    }
    let mut names: Vec<String> = Vec::new();
    for name in linked.iter().flat_map(asked) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let zone = list.zone.as_str();
    let questions = names.into_iter().map(|name| {
        let question = format!("{name}.{zone}");
        (name, question)
    });
    questions
        .filter(|(_, question)| question.len() <= MOST_NAME)
        .collect()
}

/// What is looked for, and the name that the list is asked for; `None`: the message has no such thing, or nothing that fits.
fn question(list: &DnsList, found: &Evidence) -> Option<(String, String)> {
    let zone = list.zone.as_str();
    let name = match list.by {
        ListedBy::Address => {
            return Some((
                found.peer.to_string(),
                format!("{}.{zone}", reversed(found.peer)),
            ));
        }
        ListedBy::Name => found
            .iprev
            .name
            .as_deref()
            .filter(|_| found.iprev.result == Finding::Pass)?,
        ListedBy::Hello => &found.spf_helo.domain,
        ListedBy::Sender => found.sender.as_deref()?.rsplit_once('@')?.1,
        ListedBy::Author => &found.dmarc.domain,
        ListedBy::Text => return None,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_name = name.contains('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && name.parse::<IpAddr>().is_err();
    let question = format!("{name}.{zone}");
    (is_name && question.len() <= MOST_NAME).then_some((name, question))
}

/// The octets of IPv4, or the nibbles of IPv6, from the last to the first.
fn reversed(peer: IpAddr) -> String {
    match peer {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            let nibbles = octets
                .iter()
                .rev()
                .flat_map(|octet| [octet & 15, octet >> 4]);
            let nibbles: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            nibbles.join(".")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Treatment, Trouble};

    fn asked(by: ListedBy, found: &Evidence) -> Option<String> {
        let list = DnsList {
            zone: Domain::parse("list.example").unwrap(),
            by,
            answers: Vec::new(),
            then: Treatment::Refuse,
            trouble: Trouble::Accept,
        };
        question(&list, found).map(|(_, question)| question)
    }

    #[test]
    fn questions_are_as_the_standard_has_them() {
        let mut found = Evidence::of_peer("192.0.2.99".parse().unwrap(), "Mail.Client.example");
        found.sender = Some("a@Sender.example".into());
        found.dmarc.domain = "author.example".into();
        assert_eq!(
            asked(ListedBy::Address, &found).unwrap(),
            "99.2.0.192.list.example"
        );
        assert_eq!(
            asked(ListedBy::Hello, &found).unwrap(),
            "mail.client.example.list.example"
        );
        assert_eq!(
            asked(ListedBy::Sender, &found).unwrap(),
            "sender.example.list.example"
        );
        assert_eq!(
            asked(ListedBy::Author, &found).unwrap(),
            "author.example.list.example"
        );
        assert_eq!(asked(ListedBy::Name, &found), None);
        found.peer = "2001:db8:1:2:3:4:567:89ab".parse().unwrap();
        assert_eq!(
            asked(ListedBy::Address, &found).unwrap(),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.list.example"
        );
        for odd in ["[192.0.2.1]", "192.0.2.1", "localhost", "", "a b.example"] {
            let found = Evidence::of_peer("192.0.2.99".parse().unwrap(), odd);
            assert_eq!(asked(ListedBy::Hello, &found), None, "{odd}");
        }
    }
}
