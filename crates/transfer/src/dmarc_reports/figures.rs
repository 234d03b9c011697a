//! What the trail tells of mail in a domain's name, added up.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use jiff::Timestamp;
use message::dmarc_report::{Disposition, MOST_ROWS, Row, Seen};
use screening::{Evidence, Finding, Published};
use serde::Deserialize;
use serde_json::Value;
use store::{
    Error, Store,
    event::{self, Filter},
};
use trail::{Event, Kind, Recorded};

/// Events that are read at a time.
const PAGE: usize = 500;
/// Domains that one round adds up; who is among the first of the day is told.
const MOST_DOMAINS: usize = 5000;
/// Rows of all of them together.
const MOST_ROWS_OF_ALL: usize = 50_000;
/// Signatures that a row tells of.
const MOST_SIGNATURES: usize = 10;

/// What was seen in the name of one domain.
#[derive(Default)]
pub(super) struct Figures {
    rows: BTreeMap<(IpAddr, Seen), u64>,
    /// Messages that are in no row.
    pub(super) left_out: u64,
}

impl Figures {
    pub(super) fn messages(&self) -> u64 {
        self.rows
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let rows = self.rows.iter().map(|((source, seen), count)| Row {
            source: *source,
            count: *count,
            seen: seen.clone(),
        });
        rows.collect()
    }
}

/// All figures between two times, by the domain whose record was found. `told` says until when a domain was told already.
pub(super) async fn between(
    store: &Store,
    (from, until): (Timestamp, Timestamp),
    told: &HashMap<String, Timestamp>,
) -> Result<BTreeMap<String, Figures>, Error> {
    let mut filter = Filter {
        from: Some(from),
        to: Some(until),
        kinds: vec![Kind::TransactionAccepted, Kind::TransactionRefused],
        ..Filter::default()
    };
    let mut all = BTreeMap::new();
    let mut rows = 0_usize;
    loop {
        let wanted = filter.clone();
        let events = store
            .read(move |sql| event::search(sql, &wanted, PAGE))
            .await?;
        for recorded in &events {
            if let Some((domain, source, seen)) = told_by(recorded)
                && told.get(&domain).is_none_or(|told| recorded.at >= *told)
            {
                add(&mut all, &mut rows, domain, (source, seen));
            }
        }
        match events.last() {
            Some(last) if events.len() == PAGE => filter.after = Some(last.id),
            _ => return Ok(all),
        }
    }
}

fn add(all: &mut BTreeMap<String, Figures>, rows: &mut usize, domain: String, key: (IpAddr, Seen)) {
    if all.len() >= MOST_DOMAINS && !all.contains_key(&domain) {
        return;
    }
    let figures = all.entry(domain).or_default();
    if let Some(count) = figures.rows.get_mut(&key) {
        *count = count.saturating_add(1);
    } else if figures.rows.len() < MOST_ROWS && *rows < MOST_ROWS_OF_ALL {
        figures.rows.insert(key, 1);
        *rows = rows.saturating_add(1);
    } else {
        figures.left_out = figures.left_out.saturating_add(1);
    }
}

/// What one event tells of one message. `None`: it tells of none that DMARC was asked about to an end.
fn told_by(recorded: &Recorded) -> Option<(String, IpAddr, Seen)> {
    let event = &recorded.event;
    // Of several events about one message the first counts.
    let part = event.detail.get("part").and_then(Value::as_str);
    if part.is_some_and(|part| !part.starts_with("1 of ")) {
        return None;
    }
    let screening = event.detail.get("screening")?;
    let evidence = Evidence::deserialize(screening.get("evidence")?).ok()?;
    let dmarc = &evidence.dmarc;
    if !evidence.authentication || dmarc.found_at.is_empty() {
        return None;
    }
    let word = |name: &str| {
        let verdict = screening.get("verdict");
        let word = verdict.and_then(|verdict| verdict.get(name));
        word.and_then(Value::as_str).unwrap_or_default()
    };
    // Who is to come again is counted when the message comes again.
    if !matches!(dmarc.result, Finding::Pass | Finding::Fail) || word("handling") == "defer" {
        return None;
    }
    let (disposition, reason) = match (dmarc.result, dmarc.policy) {
        (Finding::Fail, Some(asked)) => done(asked, word("handling"), word("because")),
        _ => (Disposition::None, None),
    };
    let signatures = evidence.dkim.iter().filter(|it| !it.domain.is_empty());
    let mut dkim: Vec<_> = signatures
        .map(|it| {
            let result = it.result.as_str().to_owned();
            (it.domain.clone(), it.selector.clone(), result)
        })
        .collect();
    // Those that hold come first (RFC 9990, section 3.1.3), so that they are not left out.
    dkim.sort_by_key(|(_, _, result)| result != "pass");
    dkim.truncate(MOST_SIGNATURES);
    let seen = Seen {
        disposition,
        dkim_aligned: dmarc.dkim_aligned,
        spf_aligned: dmarc.spf_aligned,
        reason,
        header_from: dmarc.domain.clone(),
        envelope_from: envelope_from(event),
        dkim,
        spf: Some((
            evidence.spf.domain.clone(),
            evidence.spf.result.as_str().to_owned(),
        )),
    };
    Some((dmarc.found_at.clone(), evidence.peer.to_canonical(), seen))
}

/// The domain of MAIL FROM; `None` for the null sender.
fn envelope_from(event: &Event) -> Option<String> {
    let sender = event.detail.get("sender")?.as_str()?;
    let (_, domain) = sender.trim_matches(['<', '>']).rsplit_once('@')?;
    Some(domain.to_owned())
}

/// What was done with a message that failed, in the standard's words, and why if it is not what was asked for.
fn done(
    asked: Published,
    handling: &str,
    because: &str,
) -> (Disposition, Option<(String, String)>) {
    let asked = match asked {
        // Whatever was done with it was not done for DMARC.
        Published::None => return (Disposition::None, None),
        Published::Quarantine => Disposition::Quarantine,
        Published::Reject => Disposition::Reject,
    };
    let done = match handling {
        "refuse" | "discard" => Disposition::Reject,
        "mark" | "quarantine" => Disposition::Quarantine,
        _ => Disposition::None,
    };
    let reason = match because {
        _ if done == asked => return (done, None),
        "trusted-network" => ("trusted_forwarder", "a network that is trusted here"),
        "trusted-sealer" => ("mailing_list", "arc=pass"),
        _ => ("local_policy", ""),
    };
    (done, Some((reason.0.to_owned(), reason.1.to_owned())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use trail::Actor;

    use super::*;

    fn recorded(result: &str, handling: &str, because: &str) -> Recorded {
        let screening = json!({
            "evidence": {"peer": "192.0.2.1",
                "spf_helo": {"result": "none", "domain": "h.example"},
                "spf": {"result": "softfail", "domain": "y.example"},
                "dkim": [{"result": "fail", "domain": "x.example", "selector": "a", "algorithm": "rsa-sha256"},
                    {"result": "pass", "domain": "y.example", "selector": "b", "algorithm": "rsa-sha256"}],
                "dmarc": {"author": "one", "domain": "sub.x.example", "result": result, "policy": "reject",
                    "found_at": "x.example", "spf_aligned": false, "dkim_aligned": result == "pass"}},
            "verdict": {"handling": handling, "because": because, "policy": "1"},
        });
        Recorded {
            id: 1,
            at: Timestamp::UNIX_EPOCH,
            version: 1,
            event: Event::new(Kind::TransactionAccepted, Actor::Peer)
                .detail("sender", "a@Y.example")
                .detail("screening", screening),
        }
    }

    #[test]
    fn what_was_done_is_told_in_the_standard_s_words() {
        for (result, handling, because, disposition, reason) in [
            ("pass", "accept", "nothing-against", Disposition::None, None),
            ("fail", "refuse", "dmarc-reject", Disposition::Reject, None),
            (
                "fail",
                "mark",
                "dmarc-reject",
                Disposition::Quarantine,
                Some("local_policy"),
            ),
            (
                "fail",
                "accept",
                "trusted-network",
                Disposition::None,
                Some("trusted_forwarder"),
            ),
            (
                "fail",
                "accept",
                "trusted-sealer",
                Disposition::None,
                Some("mailing_list"),
            ),
        ] {
            let (domain, source, seen) = told_by(&recorded(result, handling, because)).unwrap();
            assert_eq!(domain, "x.example");
            assert_eq!(source.to_string(), "192.0.2.1");
            assert_eq!(seen.disposition, disposition, "{because}");
            assert_eq!(seen.reason.map(|it| it.0).as_deref(), reason, "{because}");
            assert_eq!(seen.dkim.first().unwrap().0, "y.example");
            assert_eq!(seen.header_from, "sub.x.example");
        }
        assert!(told_by(&recorded("temperror", "accept", "x")).is_none());
        assert!(told_by(&recorded("fail", "defer", "dmarc-trouble")).is_none());
        let mut second = recorded("pass", "accept", "x");
        second.event = second.event.detail("part", "2 of 2");
        assert!(told_by(&second).is_none());
    }

    #[test]
    fn the_same_is_counted_and_more_than_fits_is_said() {
        let mut all = BTreeMap::new();
        let mut rows = MOST_ROWS_OF_ALL - 1;
        for source in [1_u8, 1, 2] {
            let source = IpAddr::from([192, 0, 2, source]);
            let key = (source, Seen::default());
            add(&mut all, &mut rows, "x.example".into(), key);
        }
        let figures = all.remove("x.example").unwrap();
        assert_eq!((figures.messages(), figures.left_out), (2, 1));
        assert_eq!(figures.rows().len(), 1);
    }
}
