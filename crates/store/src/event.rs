//! The audit events: written by [`Tx::record`](crate::Tx::record), read here.

mod envelope;
mod examine;
pub(crate) mod index;
mod search;
mod tally;
mod visit;
mod words;

use std::collections::BTreeSet;

use jiff::Timestamp;
use trail::{Event, Kind, Outcome};

use crate::{Error, params, sql::Engine};

pub(crate) use examine::{readable, unfound};
pub(crate) use search::first_at;
pub use search::{first_of_order, recorded_at, search};
pub use tally::{Tally, tally};
pub use visit::{Seen, visit};
pub(crate) use words::COLUMNS;

/// Bytes of an event's details as JSON. What is longer is cut, and says so in `truncated`.
pub const DETAIL_LIMIT: usize = 16 << 10;
/// Bytes of an event's subject and of its actor; what is longer ends in `…`.
pub const TEXT_LIMIT: usize = 1024;
/// Addresses of one event that searches find.
pub const ADDRESS_LIMIT: usize = 2048;

/// Which events a search means; conditions are joined by AND.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub to: Option<Timestamp>,
    /// The actor's text equals this, or its name does.
    pub actor: Option<String>,
    /// A network address equals this, or a mail address in the envelope or subject does.
    pub address: Option<String>,
    /// One of these kinds; empty: any.
    pub kinds: Vec<Kind>,
    /// This outcome.
    pub outcome: Option<Outcome>,
    /// The subject equals this.
    pub subject: Option<String>,
    /// The message's identifier (Message-ID), with its angle brackets or without, equals this.
    pub message_id: Option<String>,
    /// After this event (paging).
    pub after: Option<i64>,
}

/// Writes `event` and what it is found by.
///
/// A build with debug assertions ends here if the event has a fact that the schema does not know.
pub(crate) fn insert(
    engine: &mut dyn Engine,
    id: i64,
    at: Timestamp,
    event: &Event,
) -> Result<(), Error> {
    debug_assert_eq!(
        trail::schema::misfit(event),
        None,
        "write the fact down in crates/trail/src/schema"
    );
    let address = event
        .address
        .map(|address| address.to_canonical().to_string());
    let actor = envelope::cut(event.actor.to_text(), TEXT_LIMIT);
    let subject = envelope::cut(event.subject.clone(), TEXT_LIMIT);
    let (detail, whole) = envelope::detail(&event.detail);
    let statement = "INSERT INTO event
        (id, at, version, kind, actor, outcome, address, subject, ord, detail)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    engine.execute(
        statement,
        params![
            id,
            at,
            trail::SCHEMA_VERSION,
            event.kind.as_str(),
            &actor,
            event.outcome.as_str(),
            address.as_ref(),
            &subject,
            event.order,
            &detail
        ],
    )?;
    if whole {
        return Ok(());
    }
    // What is left of the details may not tell all that the event is to be found by.
    let mut addresses = BTreeSet::new();
    envelope::addresses(&event.detail, &mut addresses);
    for address in addresses {
        let statement = "INSERT INTO event_named (event, address) VALUES (?1, ?2)";
        engine.execute(statement, params![id, &address])?;
    }
    Ok(())
}
