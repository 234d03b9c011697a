//! How one identifier was used (clause 4.1(1)c): from where and by what programs it was proved, what it sent, fetched, changed; and
//! what was changed of it: forwards, app passwords, second factors, password, addresses.
//!
//! Events of the identifier go in, in order of time; then the refused proofs of it, however it was written there, so that no flood of
//! guesses takes the room of those that succeeded; and those about it ([`CHANGES`]). Memory is bounded: what there was no room for is counted.

use std::collections::{BTreeMap, VecDeque};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use super::Language;
use crate::{Kind, Outcome, Recorded};

/// Ways of use that are told apart at most.
const MOST_WAYS: usize = 500;
/// Messages sent that are told one by one at most.
const MOST_SENT: usize = 500;
/// Recipients of a message that are told.
const MOST_RECIPIENTS: usize = 20;
/// Changes of the identifier that are told one by one at most: the last ones.
const MOST_CHANGES: usize = 500;

/// The kinds of events, with the identifier as subject, that tell of a change of it: who has the password can make them by the pages
/// or by a command, and is named as the person there.
pub const CHANGES: [Kind; 17] = [
    Kind::ForwardAdded,
    Kind::ForwardRemoved,
    Kind::AppPasswordMade,
    Kind::AppPasswordRevoked,
    Kind::SecondFactorAdded,
    Kind::SecondFactorRemoved,
    Kind::PasswordChanged,
    Kind::AccountChanged,
    Kind::AccountSuspended,
    Kind::AccountResumed,
    Kind::LetterMade,
    Kind::IdentifierShared,
    Kind::IdentifierUnshared,
    Kind::ReadingOpened,
    Kind::ReadingEnded,
    Kind::HoldPlaced,
    Kind::HoldLifted,
];

/// The facts of those events that are told, by their names in the schema.
const TOLD: [&str; 20] = [
    "target",
    "until",
    "name",
    "app_password_name",
    "second_factor_kind",
    "msa",
    "mra",
    "expires_at",
    "by",
    "made",
    "alias_added",
    "alias_removed",
    "role_address",
    "users",
    "person",
    "purpose",
    "why",
    "reason",
    "incident",
    "app_passwords_revoked",
];

/// How an identifier was used in a period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Proofs by address, service and client program.
    pub ways: Vec<WayOfUse>,
    /// Messages submitted, in order of time.
    pub sent: Vec<Sent>,
    /// Messages submitted, those beyond [`Usage::sent`] too.
    pub sent_in_all: u64,
    /// What was changed of the identifier itself, in order of time; the last of it if it is much.
    pub changed: VecDeque<Change>,
    /// Such changes, those that are not in [`Usage::changed`] too.
    pub changed_in_all: u64,
    /// Events by kind, of what it changed in its mailboxes: flags, mailboxes, expunged mail.
    pub changes: BTreeMap<String, u64>,
    /// Proofs of ways for which there was no room.
    pub left_out: u64,
    /// Retrieval sessions that had not ended when this was read: what they fetched is not in it.
    pub sessions_open: usize,
}

/// A change of an identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// The kind of the event that tells of it.
    pub kind: Kind,
    /// Its number in the trail.
    pub event: i64,
    /// In whose name: who has the password of a person's account acts in that person's.
    pub by: String,
    /// From what network address, if the event has it.
    pub address: String,
    /// The facts, by their names in the schema.
    pub what: String,
}

/// From where and by what an identifier was used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WayOfUse {
    /// The network address.
    pub address: String,
    /// `msa` or `mra`.
    pub service: String,
    /// What the program calls itself, if it says so.
    pub client: String,
    /// Proofs that succeeded.
    pub proved: u64,
    /// Proofs that were refused.
    pub refused: u64,
    /// Messages fetched in sessions that have ended.
    pub fetched: u64,
    /// Octets that these sessions sent.
    pub octets: u64,
    /// The first of all that.
    pub first: Option<Timestamp>,
    /// The last.
    pub last: Option<Timestamp>,
}

/// A message that an identifier submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub address: String,
    /// To whom, the first of them.
    pub recipients: Vec<String>,
    /// Its Message-ID.
    pub message_id: String,
}

type Ways = BTreeMap<(String, String, String), WayOfUse>;

/// A [`Usage`] under way.
#[derive(Default)]
pub struct UsageReader {
    ways: Ways,
    usage: Usage,
}

impl UsageReader {
    /// Takes the next event of the identifier. Refused proofs among them mean nothing here: [`UsageReader::take_refused`].
    pub fn take(&mut self, recorded: &Recorded) {
        let event = &recorded.event;
        match event.kind {
            Kind::AuthenticationSucceeded => self.way(recorded, |way| way.proved += 1),
            Kind::AuthenticationFailed => {}
            Kind::RetrievalSession => {
                let number = |name| event.detail.get(name).and_then(serde_json::Value::as_u64);
                let fetched = number("fetched").unwrap_or(0);
                let octets = number("octets").unwrap_or(0);
                self.way(recorded, |way| {
                    way.fetched += fetched;
                    way.octets += octets;
                });
            }
            Kind::SubmissionAccepted => self.sent(recorded),
            kind if event.outcome == Outcome::Success => {
                *self
                    .usage
                    .changes
                    .entry(kind.as_str().to_owned())
                    .or_default() += 1;
            }
            _ => {}
        }
    }

    /// Takes the next refused proof of the identifier: after all of [`UsageReader::take`].
    pub fn take_refused(&mut self, recorded: &Recorded) {
        self.way(recorded, |way| way.refused += 1);
    }

    /// Takes the next event about the identifier, of [`CHANGES`].
    pub fn take_change(&mut self, recorded: &Recorded) {
        let event = &recorded.event;
        self.usage.changed_in_all += 1;
        if self.usage.changed.len() >= MOST_CHANGES {
            self.usage.changed.pop_front();
        }
        let facts = TOLD.iter().filter_map(|name| {
            let value = event.detail.get(*name).filter(|value| !value.is_null())?;
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            Some(format!("{name}={value}"))
        });
        self.usage.changed.push_back(Change {
            at: recorded.at,
            kind: event.kind,
            event: recorded.id,
            by: event.actor.to_text(),
            address: address(recorded),
            what: facts.collect::<Vec<_>>().join(", "),
        });
    }

    /// What was read so far, while `sessions_open` sessions had not ended.
    #[must_use]
    pub fn end(self, sessions_open: usize) -> Usage {
        let mut usage = self.usage;
        usage.sessions_open = sessions_open;
        usage.ways = self.ways.into_values().collect();
        usage.ways.sort_by_key(|way| way.first);
        usage
    }

    fn way(&mut self, recorded: &Recorded, count: impl FnOnce(&mut WayOfUse)) {
        let service = match recorded.event.kind {
            Kind::RetrievalSession => "mra".to_owned(),
            _ => text(recorded, "service"),
        };
        let key = (address(recorded), service, text(recorded, "client"));
        if !self.ways.contains_key(&key) && self.ways.len() >= MOST_WAYS {
            self.usage.left_out += 1;
            return;
        }
        let way = self.ways.entry(key.clone()).or_insert_with(|| WayOfUse {
            address: key.0,
            service: key.1,
            client: key.2,
            ..WayOfUse::default()
        });
        way.first = Some(way.first.map_or(recorded.at, |at| at.min(recorded.at)));
        way.last = way.last.max(Some(recorded.at));
        count(way);
    }

    fn sent(&mut self, recorded: &Recorded) {
        self.usage.sent_in_all += 1;
        if self.usage.sent.len() >= MOST_SENT {
            return;
        }
        let recipients = recorded.event.detail.get("recipients");
        let recipients = recipients.and_then(|all| all.as_array());
        let names = recipients.into_iter().flatten();
        let names = names.filter_map(|name| name.as_str().map(str::to_owned));
        self.usage.sent.push(Sent {
            at: recorded.at,
            address: address(recorded),
            recipients: names.take(MOST_RECIPIENTS).collect(),
            message_id: text(recorded, "message_id"),
        });
    }
}

fn address(recorded: &Recorded) -> String {
    let address = recorded.event.address;
    address.map_or_else(String::new, |address| address.to_canonical().to_string())
}

fn text(recorded: &Recorded, name: &str) -> String {
    let found = recorded.event.detail.get(name);
    found
        .and_then(|text| text.as_str())
        .unwrap_or_default()
        .to_owned()
}

impl Usage {
    /// In words, for the report to an officer.
    #[must_use]
    pub fn text(&self, language: Language, zone: &TimeZone) -> String {
        let say = |en: &'static str, ja: &'static str| match language {
            Language::En => en,
            Language::Ja => ja,
        };
        let time = |at: Option<Timestamp>| {
            at.map_or_else(String::new, |at| {
                at.to_zoned(zone.clone())
                    .strftime("%Y-%m-%d %H:%M")
                    .to_string()
            })
        };
        let mut out = format!("{}\n", say("# Logins and fetching", "# 認証と受信"));
        if self.ways.is_empty() {
            out.push_str(say("None.\n", "なし。\n"));
        }
        for way in &self.ways {
            out.push_str(&format!(
                "{} – {}  {} {} {}: {} {}, {} {}, {} {} ({} {})\n",
                time(way.first),
                time(way.last),
                way.service.to_uppercase(),
                way.address,
                way.client,
                way.proved,
                say("proved", "回成功"),
                way.refused,
                say("refused", "回失敗"),
                way.fetched,
                say("messages fetched", "通受信"),
                way.octets,
                say("octets", "オクテット"),
            ));
        }
        if self.sessions_open > 0 {
            let open = self.sessions_open;
            out.push_str(&match language {
                Language::En => format!(
                    "{open} sessions had not ended when this was made: what they fetched is not in it. Ask again: incident report\n"
                ),
                Language::Ja => format!(
                    "{open} 個のセッションが作成時にまだ終了しておらず、その受信数は含まれません。後で incident report で確認してください。\n"
                ),
            });
        }
        if self.left_out > 0 {
            out.push_str(&format!(
                "{} {}\n",
                self.left_out,
                say("more proofs from other places", "回はほかの場所から")
            ));
        }
        out.push_str(&format!(
            "\n{} ({})\n",
            say("# Mail sent", "# 送信したメール"),
            self.sent_in_all
        ));
        for sent in &self.sent {
            out.push_str(&format!(
                "{}  {}  {}  {}\n",
                time(Some(sent.at)),
                sent.address,
                sent.recipients.join(", "),
                sent.message_id
            ));
        }
        self.push_changed(&mut out, language, &time);
        out.push_str(&format!(
            "\n{}\n",
            say(
                "# Changes in its mailboxes, by kind of event",
                "# メールボックスの変更(事象の種類ごと)"
            )
        ));
        if self.changes.is_empty() {
            out.push_str(say("None.\n", "なし。\n"));
        }
        for (kind, count) in &self.changes {
            out.push_str(&format!("{kind}: {count}\n"));
        }
        out
    }

    fn push_changed(
        &self,
        out: &mut String,
        language: Language,
        time: &impl Fn(Option<Timestamp>) -> String,
    ) {
        let title = match language {
            Language::En => {
                "# Forwards, app passwords, second factors and other changes of the identifier"
            }
            Language::Ja => "# 転送・アプリパスワード・第二要素などの変更",
        };
        out.push_str(&format!("\n{title} ({})\n", self.changed_in_all));
        for change in &self.changed {
            out.push_str(&format!(
                "{}  {}  {}  {}  {}  (event {})\n",
                time(Some(change.at)),
                change.kind.as_str(),
                change.by,
                change.address,
                change.what,
                change.event
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::{Actor, Event};

    fn at(second: i64, event: Event) -> Recorded {
        Recorded {
            id: second,
            at: Timestamp::from_second(second).unwrap(),
            version: 1,
            event,
        }
    }

    fn event(kind: Kind) -> Event {
        Event::new(kind, Actor::Identifier("a@city.example".into()))
            .address(std::net::IpAddr::from([192, 0, 2, 7]))
    }

    #[test]
    fn what_was_done_is_told_by_place() {
        let mut reader = UsageReader::default();
        reader.take(&at(
            2,
            event(Kind::AuthenticationSucceeded).detail("service", "mra"),
        ));
        reader.take(&at(
            9,
            event(Kind::RetrievalSession)
                .detail("fetched", 12)
                .detail("octets", 4000),
        ));
        let sent = event(Kind::SubmissionAccepted).detail("recipients", json!(["b@else.example"]));
        reader.take(&at(10, sent.detail("message_id", "<1@x>")));
        reader.take(&at(11, event(Kind::MessageExpunged)));
        // As it was typed; it counts once, by whose it would be.
        let typed = Event::new(Kind::AuthenticationFailed, Actor::Identifier("A".into()))
            .address(std::net::IpAddr::from([192, 0, 2, 7]))
            .subject("a@city.example")
            .detail("service", "mra");
        reader.take(&at(1, typed.clone()));
        reader.take_refused(&at(1, typed));
        let forward = Event::new(Kind::ForwardAdded, Actor::Person("tanaka".into()))
            .subject("a@city.example")
            .detail("target", "fence@nowhere.example")
            .detail("until", json!(null));
        reader.take_change(&at(12, forward));
        let usage = reader.end(1);
        let [way] = usage.ways.as_slice() else {
            panic!("{usage:?}")
        };
        assert_eq!(
            (way.proved, way.refused, way.fetched, way.octets),
            (1, 1, 12, 4000)
        );
        let span = |second| Some(Timestamp::from_second(second).unwrap());
        assert_eq!((way.first, way.last), (span(1), span(9)));
        assert_eq!(usage.sent[0].recipients, ["b@else.example"]);
        assert_eq!(usage.changes["message.expunged"], 1);
        let told = usage.text(Language::En, &TimeZone::UTC);
        assert!(
            told.contains("1970-01-01 00:00  MRA 192.0.2.7 : 1 proved, 1 refused, 12 messages"),
            "{told}"
        );
        assert!(told.contains("b@else.example  <1@x>"), "{told}");
        let forward = "account.forward  person:tanaka    target=fence@nowhere.example  (event 12)";
        assert!(told.contains(forward), "{told}");
        assert!(told.contains("1 sessions had not ended"), "{told}");
    }

    #[test]
    fn memory_is_bounded() {
        let mut reader = UsageReader::default();
        for number in 0..2000_u32 {
            let address = std::net::IpAddr::from(number.to_be_bytes());
            let proof = event(Kind::AuthenticationSucceeded).address(address);
            reader.take(&at(1, proof));
            reader.take(&at(1, event(Kind::SubmissionAccepted)));
            let change = event(Kind::AppPasswordMade).detail("app_password_name", number);
            reader.take_change(&at(1, change));
        }
        let usage = reader.end(0);
        let last = usage.changed.back().unwrap();
        assert_eq!(last.what, "app_password_name=1999");
        assert_eq!(
            (usage.changed.len(), usage.changed_in_all),
            (MOST_CHANGES, 2000)
        );
        assert_eq!((usage.ways.len(), usage.left_out), (MOST_WAYS, 1500));
        assert_eq!((usage.sent.len(), usage.sent_in_all), (MOST_SENT, 2000));
    }
}
