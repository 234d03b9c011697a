//! What an event is found by: words, each a hash of one of its facts.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use trail::{Actor, Outcome};

use super::{Filter, envelope};
use crate::{
    Error, params,
    sql::{Row, Sql},
};

/// The columns of an event, in the order in which they are read.
pub(crate) const COLUMNS: &str =
    "id, at, version, kind, actor, outcome, address, subject, ord, detail";

/// Of which sort a fact is.
#[derive(Clone, Copy)]
enum Sort {
    Kind,
    Actor,
    Outcome,
    Subject,
    Address,
    MessageId,
}

/// The facts of one event, as they stand in its row: also of one that cannot be read as an event any more.
pub(super) struct Facts {
    pub(super) id: i64,
    kind: String,
    actor: String,
    outcome: String,
    subject: String,
    /// Network and mail addresses, lower case.
    pub(super) addresses: BTreeSet<String>,
    /// The message's identifier, without angle brackets.
    pub(super) message_id: Option<String>,
    /// Its details were cut: other addresses stand in a table of their own.
    cut: bool,
}

impl Facts {
    /// Reads a row of [`COLUMNS`].
    pub(super) fn of(row: &dyn Row) -> Result<Self, Error> {
        let subject = row.text(7)?;
        let mut addresses: BTreeSet<String> = row.maybe_text(6)?.into_iter().collect();
        envelope::add(&mut addresses, &subject);
        let detail: Map<String, Value> = serde_json::from_str(&row.text(9)?).unwrap_or_default();
        envelope::addresses(&detail, &mut addresses);
        Ok(Self {
            id: row.int(0)?,
            kind: row.text(3)?,
            actor: row.text(4)?,
            outcome: row.text(5)?,
            message_id: detail
                .get(MESSAGE_ID)
                .and_then(Value::as_str)
                .map(message_id_key),
            subject,
            addresses,
            cut: detail.contains_key(envelope::TRUNCATED),
        })
    }

    /// Adds the addresses that the details had no room for.
    pub(super) fn complete(&mut self, sql: &mut dyn Sql) -> Result<(), Error> {
        if !self.cut {
            return Ok(());
        }
        let list = "SELECT address FROM event_named WHERE event = ?1";
        let addresses = &mut self.addresses;
        sql.query(list, params![self.id], &mut |row| {
            addresses.insert(row.text(0)?);
            Ok(())
        })
    }

    /// All words, each once.
    pub(super) fn words(&self) -> BTreeSet<String> {
        let mut words: BTreeSet<String> = self
            .addresses
            .iter()
            .map(|address| word(Sort::Address, address))
            .collect();
        words.insert(word(Sort::Kind, &self.kind));
        words.insert(word(Sort::Actor, &self.actor));
        if let Some(message_id) = self.message_id.as_ref().filter(|text| !text.is_empty()) {
            words.insert(word(Sort::MessageId, message_id));
        }
        if !self.subject.is_empty() {
            words.insert(word(Sort::Subject, &self.subject));
        }
        // Most events succeed: who looks for those must look at all.
        if self.outcome != Outcome::Success.as_str() {
            words.insert(word(Sort::Outcome, &self.outcome));
        }
        words
    }
}

/// The words that an event must have to match `filter`: one of each list. Empty: any event may.
pub(super) fn wanted(filter: &Filter) -> Vec<Vec<String>> {
    let mut wanted = Vec::new();
    if let Some(address) = &filter.address {
        wanted.push(vec![word(Sort::Address, &address_key(address))]);
    }
    if let Some(message_id) = &filter.message_id {
        wanted.push(vec![word(Sort::MessageId, &message_id_key(message_id))]);
    }
    if let Some(subject) = filter.subject.as_ref().filter(|text| !text.is_empty()) {
        wanted.push(vec![word(Sort::Subject, subject)]);
    }
    if let Some(actor) = &filter.actor {
        let texts = actors(actor);
        wanted.push(texts.iter().map(|text| word(Sort::Actor, text)).collect());
    }
    if let Some(outcome) = filter.outcome.filter(|one| *one != Outcome::Success) {
        wanted.push(vec![word(Sort::Outcome, outcome.as_str())]);
    }
    if !filter.kinds.is_empty() {
        let kinds = filter.kinds.iter();
        wanted.push(kinds.map(|kind| word(Sort::Kind, kind.as_str())).collect());
    }
    wanted
}

/// The detail that holds the message's identifier.
const MESSAGE_ID: &str = "message_id";

/// A message's identifier as events are found by it.
pub(super) fn message_id_key(text: &str) -> String {
    let text = text.trim();
    let bare = text
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'));
    bare.unwrap_or(text).to_owned()
}

/// An address as events are found by it.
pub(super) fn address_key(address: &str) -> String {
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => address.to_lowercase(),
    }
}

/// The texts of actors that are meant by `text`.
pub(super) fn actors(text: &str) -> Vec<String> {
    let mut texts = vec![
        Actor::Identifier(text.to_owned()).to_text(),
        Actor::Person(text.to_owned()).to_text(),
    ];
    if Actor::from_text(text).is_some() {
        texts.push(text.to_owned());
    }
    texts
}

/// Two facts may share a word: whoever finds an event by it looks at the fact itself.
fn word(sort: Sort, text: &str) -> String {
    let letter = match sort {
        Sort::Kind => 'k',
        Sort::Actor => 'r',
        Sort::Outcome => 'o',
        Sort::Subject => 's',
        Sort::Address => 'a',
        Sort::MessageId => 'm',
    };
    let hash = blake3::hash(text.as_bytes()).to_hex();
    format!("{letter}{}", &hash[..12])
}
