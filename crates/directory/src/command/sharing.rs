//! Decisions on shared identifiers, told to those whom they concern: the administrators (clause 8.1(2)), and those who use the identifier
//! or used it until then (clause 7.1(2)a). The decisions are those that the trail tells of; so is whether they were told.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use message::address::Address;
use store::{
    Error, Recorded, Snapshot, Tx,
    event::{self, Filter},
    sql::Sql,
};
use trail::{Actor, Event, Kind, Outcome};

use crate::{
    Directory, Role,
    tables::{account, person},
};

/// How far back decisions are looked at: what is older was told long ago, or is reviewed anew.
pub const BACK: SignedDuration = SignedDuration::from_hours(92 * 24);
/// Events that are read at a time.
const PAGE: usize = 500;

/// A decision on a shared identifier.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Number of the event that tells of it.
    pub event: i64,
    /// When it was carried out.
    pub at: Timestamp,
    /// The identifier.
    pub identifier: String,
    /// The order that it is, or was, shared on.
    pub order: Option<i64>,
    /// Short names of those who use it from now on; empty: it is shared no more.
    pub users: Vec<String>,
    /// Short names of those who did before.
    pub before: Vec<String>,
    /// Until when it is to be decided anew.
    pub review_at: Option<Timestamp>,
    /// How it was told; `None`: it was not yet.
    pub told: Option<Outcome>,
}

impl Decision {
    /// Whether it is that the identifier is shared.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        !self.users.is_empty()
    }

    fn of(recorded: &trail::Recorded) -> Self {
        let event = &recorded.event;
        let names = |name: &str| {
            let all = event.detail.get(name).and_then(|all| all.as_array());
            let all = all.into_iter().flatten().filter_map(|one| one.as_str());
            all.map(str::to_owned).collect()
        };
        let review = event.detail.get("review_at").and_then(|at| at.as_str());
        let shared_on = event
            .detail
            .get("shared_on")
            .and_then(serde_json::Value::as_i64);
        Self {
            event: recorded.id,
            at: recorded.at,
            identifier: event.subject.clone(),
            order: event.order.or(shared_on),
            users: names("users"),
            before: names("users_before"),
            review_at: review.and_then(|at| at.parse().ok()),
            told: None,
        }
    }
}

/// Decisions since a time, in order, and how each was told. Of decisions that came too quickly upon each other each is told.
///
/// # Errors
/// The store's.
pub fn decisions(snapshot: &mut Snapshot<'_>, from: Timestamp) -> Result<Vec<Decision>, Error> {
    let mut filter = Filter {
        from: Some(from),
        kinds: vec![
            Kind::IdentifierShared,
            Kind::IdentifierUnshared,
            Kind::SharingTold,
        ],
        ..Filter::default()
    };
    let mut found: BTreeMap<i64, Decision> = BTreeMap::new();
    loop {
        let page = event::search(snapshot, &filter, PAGE)?;
        for one in &page {
            if one.event.kind != Kind::SharingTold {
                found.insert(one.id, Decision::of(one));
                continue;
            }
            let of = one.event.detail.get("decision").and_then(|of| of.as_str());
            let of = of.and_then(|of| of.parse().ok());
            if let Some(decision) = of.and_then(|of: i64| found.get_mut(&of)) {
                decision.told = Some(one.event.outcome);
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => filter.after = Some(last.id),
            _ => return Ok(found.into_values().collect()),
        }
    }
}

/// A decision that is to be told, and to whom.
#[derive(Clone, Debug)]
pub struct ToTell {
    /// The decision.
    pub decision: Decision,
    /// Main addresses of the administrators.
    pub administrators: Vec<Address>,
    /// Those of the users, of those who were until then, and of whom it was issued to.
    pub users: Vec<Address>,
}

/// Decisions that nobody was told of yet.
///
/// # Errors
/// The store's.
pub async fn untold(directory: &Directory) -> Result<Vec<ToTell>, Error> {
    let now = directory.inner.store.now();
    let from = now.checked_sub(BACK).unwrap_or(Timestamp::MIN);
    let read = move |snapshot: &mut Snapshot<'_>| {
        let mut all = decisions(snapshot, from)?;
        all.retain(|decision| decision.told.is_none());
        let administrators = match all.is_empty() {
            true => Vec::new(),
            false => account::of_role(snapshot, Role::Administrator.as_str())?,
        };
        let mut to_tell = Vec::new();
        for decision in all {
            let users = addresses(snapshot, &decision)?;
            to_tell.push(ToTell {
                decision,
                administrators: administrators.clone(),
                users,
            });
        }
        Ok::<_, Error>(to_tell)
    };
    directory.inner.store.read(read).await
}

fn addresses(sql: &mut dyn Sql, decision: &Decision) -> Result<Vec<Address>, Error> {
    let mut found: Vec<Address> = Vec::new();
    let holder = account::by_identifier(sql, &decision.identifier)?.map(|entry| entry.person.1);
    for name in decision.users.iter().chain(&decision.before).chain(&holder) {
        let Some(person) = person::by_name(sql, name)? else {
            continue;
        };
        let own = account::of_person(sql, person.id)?;
        let own = own.first().map(|account| account.address.clone());
        found.extend(own.filter(|address| !found.contains(address)));
    }
    Ok(found)
}

/// Notes who was told, in the commit that tells them. One task tells of decisions, so none is told twice.
///
/// # Errors
/// The store's.
pub fn note_told(tx: &mut Tx<'_>, of: &ToTell, told: &[Address]) -> Result<Recorded<()>, Error> {
    let decision = &of.decision;
    let among = |wanted: &[Address]| -> Vec<String> {
        let reached = wanted.iter().filter(|address| told.contains(address));
        reached.map(ToString::to_string).collect()
    };
    let administrators = among(&of.administrators);
    let outcome = match administrators.is_empty() {
        true => Outcome::Failure,
        false => Outcome::Success,
    };
    let event = Event::new(Kind::SharingTold, Actor::System)
        .subject(decision.identifier.as_str())
        .outcome(outcome)
        .detail("decision", decision.event.to_string())
        .detail("administrators", administrators)
        .detail("users", among(&of.users));
    tx.record(&event, ())
}
