//! The audit events: written by [`Tx::record`](crate::Tx::record), read here.

use jiff::Timestamp;
use trail::{Kind, Outcome, Recorded};

use crate::{Error, sql::Sql};

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
    /// After this event (paging).
    pub after: Option<i64>,
}

/// Events that match, in order of time, at most `limit`.
///
/// # Errors
/// When the database fails.
pub fn search(_sql: &mut dyn Sql, _filter: &Filter, _limit: usize) -> Result<Vec<Recorded>, Error> {
    unimplemented!()
}
