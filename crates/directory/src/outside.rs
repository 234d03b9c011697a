//! Malware that comes from outside opens an incident (clause 5.2(6)): in the commit of the refusal that prepares a report of abuse, one for
//! each source and time, so that somebody looks for what came in before it was known, and tells whoever runs the sending server.

use std::{net::IpAddr, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{Error, Topic, Tx};
use trail::{Actor, Event, Kind};
use wire::network_of;

use crate::{
    Directory, alarm,
    command::incident::IncidentKind,
    tables::incident::{self as table, New},
};

/// How far back the trail is analysed for what else came from there.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Characters of what was found that are kept.
const MOST_FOUND: usize = 200;
const MALWARE_OUTSIDE: &str = IncidentKind::MalwareOutside.as_str();

/// What a site has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// How long after an incident about a source was opened no other is opened about the same one. Default 7 days.
    pub again_after: Duration,
    /// Incidents of the kind that the server has open at once at most: one worm comes from everywhere. Default 10.
    pub most_open: u64,
}

impl Default for Outside {
    fn default() -> Self {
        Self {
            again_after: Duration::from_secs(7 * 86_400),
            most_open: 10,
        }
    }
}

/// Malware that came from outside, and was refused.
#[derive(Clone, Debug)]
pub struct Came {
    /// From there.
    pub peer: IpAddr,
    /// Who is shown to have sent it; empty: nobody.
    pub domain: String,
    /// What a scanner calls it.
    pub malware: String,
    /// The message's id.
    pub message: String,
}

impl Directory {
    /// When malware from outside opens an incident; `None`: never.
    #[must_use]
    pub fn outside_rule(&self) -> Option<Outside> {
        self.options().outside.clone()
    }
}

/// Opens an incident about where malware came from; the event belongs into the same commit. `None`: one is open about it, or was opened
/// of late, or there are as many as there may be, and nothing was done.
///
/// # Errors
/// When the database fails.
pub fn open(tx: &mut Tx<'_>, rule: &Outside, came: &Came) -> Result<Option<Event>, Error> {
    // Of IPv6 one machine has a network of addresses.
    let source = network_of(came.peer);
    let address = source.to_string();
    let now = tx.now();
    let time = SignedDuration::try_from(rule.again_after).unwrap_or(SignedDuration::MAX);
    let from = now.checked_sub(time).unwrap_or(Timestamp::MIN);
    if table::opened_at_since(tx, MALWARE_OUTSIDE, &address, from)?
        || table::open_by_server(tx, MALWARE_OUTSIDE)? >= rule.most_open
    {
        return Ok(None);
    }
    let malware: String = came.malware.chars().take(MOST_FOUND).collect();
    let facts = json!({
        "malware": malware,
        "message": came.message,
        "source": address,
        "domain": came.domain,
    });
    let reason = format!("malware from {address}: {malware}");
    let since = now.checked_sub(LOOK_BACK).unwrap_or(Timestamp::MIN);
    let new = New {
        kind: IncidentKind::MalwareOutside,
        account: None,
        address: Some(&address),
        reason: &reason,
        facts: &facts.to_string(),
        since,
        opened_by: None,
    };
    let (number, book) = table::insert(tx, &new)?;
    tx.touch(Topic::Directory);
    let event = Event::new(Kind::IncidentOpened, Actor::System)
        .subject(number.to_string())
        .address(came.peer)
        .detail("incident_kind", MALWARE_OUTSIDE)
        .detail("identifier", "")
        .detail("reason", reason)
        .detail("since", since.to_string())
        .detail("facts", facts);
    Ok(Some(alarm::by(event, book)))
}
