//! Whether an order is what the trail tells of: who writes into the database makes no order, changes none, makes none last longer,
//! and uses none again (clauses 7.1, 8.2).

use jiff::Timestamp;
use store::{Error, event, sql::Sql};
use trail::{Actor, Event, Kind};

use super::order::{digest, lapses_at};
use crate::{
    Directory,
    tables::{
        order::{self, Entry, OrderKind, OrderState},
        register::ERASED,
    },
};

/// What an approval's event calls the digest of what was approved.
pub(super) const PERMITS: &str = "permits";

/// What is done on an order, once for each; an import makes many accounts.
const USES: &[Kind] = &[
    Kind::AccountIssued,
    Kind::AccountDeleted,
    Kind::ForwardAdded,
    Kind::IdentifierShared,
    Kind::ReadingOpened,
    Kind::PasswordChanged,
    Kind::SecondFactorRemoved,
    Kind::PersonAdded,
];

/// Where an order's row and the trail differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody issued it so.
    Issue,
    /// Nobody approved it so.
    Approval,
    /// Its approval, by an older program, does not say what was approved.
    Unnoted,
    /// The row says that it lasts longer or shorter.
    Expiry,
    /// It was carried out.
    Used,
    /// The row says that it was begun, and nothing was.
    NotBegun,
}

impl Fault {
    const fn words(self) -> &'static str {
        match self {
            Self::Issue => "nobody issued it as it stands, or another person did",
            Self::Approval => "nobody approved it as it stands, or another person did",
            Self::Unnoted => {
                "its approval does not say what was approved, as those of older programs did not"
            }
            Self::Expiry => "it was approved until another time",
            Self::Used => "it was carried out already",
            Self::NotBegun => "it was not begun",
        }
    }
}

/// What is wrong with an order that waits for approval, or that can be used; `None`: the trail tells of it as it stands. Few steps,
/// however long the trail is.
pub(super) fn fault(sql: &mut dyn Sql, order: &Entry) -> Result<Option<Fault>, Error> {
    let subject = order.number.to_string();
    let issued = event::recorded_at(sql, order.issued_at, Kind::OrderIssued, &subject)?;
    if !issued.is_some_and(|found| is_issue(&found.event, order)) {
        return Ok(Some(Fault::Issue));
    }
    if order.state == OrderState::Issued {
        return Ok(None);
    }
    let Some(at) = order.approved_at else {
        return Ok(Some(Fault::Approval));
    };
    let approved = event::recorded_at(sql, at, Kind::OrderApproved, &subject)?;
    let Some(approved) = approved else {
        return Ok(Some(Fault::Approval));
    };
    if let Some(fault) = approval(&approved.event, order)? {
        return Ok(Some(fault));
    }
    let used = event::first_of_order(sql, order.number, USES)?.is_some();
    Ok(match (order.kind, order.state) {
        (OrderKind::Import, OrderState::Executing) => (!used).then_some(Fault::NotBegun),
        (_, OrderState::Executing) => Some(Fault::NotBegun),
        _ => used.then_some(Fault::Used),
    })
}

fn is_issue(event: &Event, order: &Entry) -> bool {
    let by = Actor::Person(order.issued_by.1.clone());
    let details = serde_json::to_value(&order.details).ok();
    // Details that were too long for an event cannot be compared: what is approved then is, by its digest.
    let whole = !event.detail.contains_key("truncated");
    event.actor == by && (!whole || event.detail.get("details") == details.as_ref())
}

fn approval(event: &Event, order: &Entry) -> Result<Option<Fault>, Error> {
    let text = |name| event.detail.get(name).and_then(serde_json::Value::as_str);
    let by = order.approved_by.as_ref();
    let same = by.is_some_and(|(_, name)| event.actor == Actor::Person(name.clone()))
        && text("issued_by") == Some(order.issued_by.1.as_str());
    if !same {
        return Ok(Some(Fault::Approval));
    }
    match text(PERMITS) {
        None => return Ok(Some(Fault::Unnoted)),
        Some(noted) if noted != permits(order)? => return Ok(Some(Fault::Approval)),
        Some(_) => {}
    }
    // The row keeps microseconds.
    let until = text("expires_at").and_then(|until| until.parse::<Timestamp>().ok());
    let micros = |at: Timestamp| at.as_microsecond();
    let lasts = until.map(micros) == order.expires_at.map(micros);
    Ok((!lasts).then_some(Fault::Expiry))
}

/// SHA-256 over all that an order permits, in hexadecimal.
pub(super) fn permits(order: &Entry) -> Result<String, Error> {
    let whom = order.for_person.as_ref().map(|(_, name)| name);
    let whole = (
        order.number,
        order.kind.as_str(),
        whom,
        &order.details,
        &order.digest,
    );
    let text = serde_json::to_vec(&whole).map_err(|problem| Error::Corrupt(problem.to_string()))?;
    Ok(digest(&text))
}

/// Orders that wait for approval or could be used, and are not what the trail tells of: number, and what is wrong. What concerns
/// somebody who was erased from the register cannot be used and is passed over, as is what was issued before the end of a volume that
/// was erased as due.
///
/// # Errors
/// When the store cannot be read.
pub async fn off_record(directory: &Directory) -> Result<Vec<(i64, &'static str)>, Error> {
    let now = directory.inner.store.now();
    let lifetime = directory.options().order_lifetime;
    let read = move |snapshot: &mut store::Snapshot<'_>| -> Result<_, Error> {
        let erased = store::tree::volumes(snapshot)?.into_iter();
        let erased = erased.filter(|volume| volume.erased.is_some());
        let kept_from = erased.map(|volume| volume.to).max();
        let mut found = Vec::new();
        for order in order::all(snapshot)? {
            let nobodys = order.for_person.as_ref().is_some_and(|p| p.1 == ERASED);
            let over = match order.state {
                OrderState::Used => true,
                OrderState::Approved => order.expires_at.is_none_or(|at| at <= now),
                OrderState::Issued => lapses_at(&order, lifetime) <= now,
                OrderState::Executing => false,
            };
            if nobodys || over || kept_from.is_some_and(|from| order.issued_at <= from) {
                continue;
            }
            match fault(snapshot, &order)? {
                None | Some(Fault::Unnoted) => {}
                Some(fault) => found.push((order.number, fault.words())),
            }
        }
        Ok(found)
    };
    directory.inner.store.read(read).await
}
