//! What one event of the trail adds to the counts of its hour.

use std::net::IpAddr;

use serde_json::{Map, Value};
use store::QueueId;
use trail::{Kind, entry::Entry};

use traffic::{Counts, Series};

/// Adds what `entry` tells of; events of other kinds tell nothing. `own`: the site's domains, in lower case.
pub(super) fn count(counts: &mut Counts, entry: &Entry, own: &[String]) {
    let Ok(kind) = entry.kind.parse::<Kind>() else {
        return;
    };
    if !COUNTED.contains(&kind) {
        return;
    }
    // What the store wrote is an object; what somebody else put there counts as an event without facts.
    let detail = serde_json::from_str(&entry.detail).unwrap_or_default();
    let told = Told {
        entry,
        detail: &detail,
        own,
    };
    told.count(kind, counts);
}

const COUNTED: &[Kind] = &[
    Kind::TransactionAccepted,
    Kind::TransactionRefused,
    Kind::FloodRefused,
    Kind::SubmissionAccepted,
    Kind::SubmissionRefused,
    Kind::SubmissionLimited,
    Kind::DeliveryLocal,
    Kind::DeliveryRelayed,
    Kind::DeliveryDeferred,
    Kind::DeliveryFailed,
    Kind::DeliveryExpired,
    Kind::NotificationMade,
    Kind::BounceReceived,
    Kind::RetrievalSession,
    Kind::AuthenticationSucceeded,
    Kind::AuthenticationFailed,
];

struct Told<'a> {
    entry: &'a Entry,
    detail: &'a Map<String, Value>,
    own: &'a [String],
}

impl Told<'_> {
    fn count(&self, kind: Kind, counts: &mut Counts) {
        match kind {
            Kind::TransactionAccepted if self.is_first() => {
                counts.add(Series::InAccepted, 1);
                counts.add(Series::InOctets, self.number("size"));
                self.source(counts);
            }
            Kind::TransactionRefused if self.is_first() => {
                self.refused(counts);
                self.source(counts);
            }
            Kind::FloodRefused => self.flood(counts),
            Kind::SubmissionAccepted => {
                if self.is_first() {
                    counts.add(Series::Submitted, 1);
                    counts.add(Series::SubmittedOctets, self.number("size"));
                }
                counts.add(Series::Inside, self.inside());
            }
            Kind::SubmissionRefused if self.is_first() => match self.is_trouble() {
                true => counts.add(Series::Trouble, 1),
                false => counts.add(Series::SubmissionRefused, self.refusals()),
            },
            Kind::SubmissionLimited => counts.add(Series::SubmissionRefused, 1),
            Kind::DeliveryLocal => counts.add(Series::Delivered, self.recipients()),
            Kind::DeliveryRelayed => {
                counts.add(Series::Relayed, 1);
                self.destination(counts);
                if let Ok(QueueId(id)) = self.entry.subject.parse::<QueueId>() {
                    let on_its_way = self
                        .entry
                        .at
                        .saturating_sub(store::id::made_at(id).as_microsecond());
                    counts.took(on_its_way / 1_000_000);
                }
            }
            Kind::DeliveryDeferred => {
                counts.add(Series::Deferred, 1);
                self.destination(counts);
            }
            Kind::DeliveryFailed | Kind::DeliveryExpired => {
                counts.add(Series::Bounced, 1);
                self.destination(counts);
            }
            Kind::NotificationMade => counts.add(Series::Notified, 1),
            Kind::BounceReceived => counts.add(Series::BouncesIn, 1),
            Kind::RetrievalSession => counts.add(Series::Sessions, 1),
            Kind::AuthenticationSucceeded => counts.add(Series::Logins, 1),
            Kind::AuthenticationFailed => counts.add(Series::LoginsFailed, 1),
            _ => {}
        }
    }

    fn text(&self, name: &str) -> &str {
        let value = self.detail.get(name).and_then(Value::as_str);
        value.unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        let value = self.detail.get(name).and_then(Value::as_u64);
        value.unwrap_or_default()
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let list = self.detail.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Of several events about one message the first counts.
    fn is_first(&self) -> bool {
        let part = self.detail.get("part").and_then(Value::as_str);
        part.is_none_or(|part| part.starts_with("1 of "))
    }

    /// The server's own trouble is what the reply's status says (RFC 3463, X.3.X).
    fn is_trouble(&self) -> bool {
        let mut words = self.text("reply").split_ascii_whitespace();
        words
            .nth(1)
            .is_some_and(|status| status.starts_with("4.3."))
    }

    /// One, or as many as were only counted.
    fn refusals(&self) -> u64 {
        self.number("further_refusals").max(1)
    }

    fn refused(&self, counts: &mut Counts) {
        let series = match self.text("reply").as_bytes().first() {
            _ if self.is_trouble() => Series::Trouble,
            Some(b'4') => Series::InPutOff,
            Some(_) if self.text("command") == "RCPT" => Series::InRefusedRecipient,
            _ => Series::InRefused,
        };
        counts.add(series, self.refusals());
    }

    fn flood(&self, counts: &mut Counts) {
        for name in ["unknown_recipients", "null_senders", "sessions"] {
            counts.add(Series::TurnedAway, self.number(name));
        }
        for text in self.list("networks") {
            if let Some((address, count)) = text.split_once(' ')
                && let (Ok(address), Ok(count)) = (address.parse(), count.parse())
            {
                counts.sources.add(&network(address), count);
            }
        }
    }

    fn source(&self, counts: &mut Counts) {
        let address = self.entry.address.as_deref();
        if let Some(address) = address.and_then(|address| address.parse().ok()) {
            counts.sources.add(&network(address), self.refusals());
        }
    }

    fn destination(&self, counts: &mut Counts) {
        if let Some(domain) = domain(self.text("recipient")) {
            counts.destinations.add(&domain, 1);
        }
    }

    fn recipients(&self) -> u64 {
        let named = self.list("recipients").count();
        match self.text("recipient").is_empty() {
            true => u64::try_from(named).unwrap_or(u64::MAX),
            false => 1,
        }
    }

    fn inside(&self) -> u64 {
        let inside = self.list("recipients").filter_map(domain);
        let inside = inside.filter(|domain| self.own.contains(domain)).count();
        u64::try_from(inside).unwrap_or(u64::MAX)
    }
}

/// The longest name that is counted by itself.
const LONGEST_DOMAIN: usize = 255;

fn domain(address: &str) -> Option<String> {
    let (_, domain) = address.rsplit_once('@')?;
    let domain = domain.trim_end_matches('>').to_ascii_lowercase();
    (!domain.is_empty() && domain.len() <= LONGEST_DOMAIN).then_some(domain)
}

/// The network that an address counts for: of IPv4 24 bits, of IPv6 48.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let cut = std::net::Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80));
            format!("{cut}/48")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(kind: Kind, detail: &Value) -> Counts {
        let entry = Entry {
            id: 1,
            at: 7_000_000,
            version: 1,
            kind: kind.as_str().to_owned(),
            actor: "peer".to_owned(),
            outcome: "success".to_owned(),
            address: Some("192.0.2.77".to_owned()),
            subject: QueueId(0).to_string(),
            order: None,
            detail: detail.to_string(),
        };
        let mut counts = Counts::default();
        count(&mut counts, &entry, &["own.example".to_owned()]);
        counts
    }

    #[test]
    fn each_kind_counts_for_its_series() {
        for (kind, detail, series, number) in [
            (
                Kind::TransactionAccepted,
                json!({"size": 500}),
                Series::InAccepted,
                1,
            ),
            (
                Kind::TransactionAccepted,
                json!({"size": 500}),
                Series::InOctets,
                500,
            ),
            (
                Kind::TransactionAccepted,
                json!({"part": "2 of 2"}),
                Series::InAccepted,
                0,
            ),
            (
                Kind::TransactionRefused,
                json!({"command": "RCPT", "reply": "550 5.1.1 no"}),
                Series::InRefusedRecipient,
                1,
            ),
            (
                Kind::TransactionRefused,
                json!({"command": "DATA", "reply": "550 5.7.1 no"}),
                Series::InRefused,
                1,
            ),
            (
                Kind::TransactionRefused,
                json!({"command": "session", "further_refusals": 9}),
                Series::InRefused,
                9,
            ),
            (
                Kind::TransactionRefused,
                json!({"command": "DATA", "reply": "452 4.3.1 full"}),
                Series::Trouble,
                1,
            ),
            (
                Kind::TransactionRefused,
                json!({"command": "RCPT", "reply": "450 4.7.1 later"}),
                Series::InPutOff,
                1,
            ),
            (
                Kind::FloodRefused,
                json!({"unknown_recipients": 3, "null_senders": 2, "sessions": 1}),
                Series::TurnedAway,
                6,
            ),
            (
                Kind::SubmissionAccepted,
                json!({"recipients": ["a@OWN.example", "b@x.example"]}),
                Series::Inside,
                1,
            ),
            (
                Kind::SubmissionRefused,
                json!({"reply": "451 4.3.0 later"}),
                Series::Trouble,
                1,
            ),
            (
                Kind::SubmissionRefused,
                json!({"reply": "550 5.7.1 no"}),
                Series::SubmissionRefused,
                1,
            ),
            (
                Kind::DeliveryLocal,
                json!({"recipients": ["a", "b"]}),
                Series::Delivered,
                2,
            ),
            (
                Kind::DeliveryLocal,
                json!({"recipient": "a"}),
                Series::Delivered,
                1,
            ),
            (
                Kind::DeliveryRelayed,
                json!({"recipient": "a@x.example"}),
                Series::Relayed,
                1,
            ),
            (
                Kind::DeliveryExpired,
                json!({"recipient": "a@x.example"}),
                Series::Bounced,
                1,
            ),
            (Kind::BounceReceived, json!({}), Series::BouncesIn, 1),
            (
                Kind::AuthenticationFailed,
                json!({}),
                Series::LoginsFailed,
                1,
            ),
            (Kind::CommandGiven, json!({}), Series::InAccepted, 0),
        ] {
            assert_eq!(seen(kind, &detail).of(series), number, "{kind:?} {detail}");
        }
    }

    #[test]
    fn networks_and_domains_are_told_apart() {
        let flood = json!({"networks": ["198.51.100.9 40", "2001:db8:1:2::3 2", "x 3", "1.2.3.4"]});
        let counts = seen(Kind::FloodRefused, &flood);
        assert_eq!(
            counts.sources.largest(9),
            [("198.51.100.0/24", 40), ("2001:db8:1::/48", 2)]
        );
        let counts = seen(Kind::DeliveryRelayed, &json!({"recipient": "a@X.example"}));
        assert_eq!(counts.destinations.largest(9), [("x.example", 1)]);
        assert_eq!(counts.latency, [1, 0, 0, 0, 0]);
        let counts = seen(Kind::TransactionAccepted, &json!({}));
        assert_eq!(counts.sources.largest(9), [("192.0.2.0/24", 1)]);
    }
}
