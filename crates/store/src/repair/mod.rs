//! Repairing what a check has found: without loss, without guessing, one commit each with its event.
//!
//! A finding may be old when its repair begins. So each repair looks again in its own transaction, and changes only what
//! is still wrong.

mod body;
mod mail;
mod number;
mod row;
mod search;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use trail::{By, Event, Kind};

use crate::{
    AccountId, BodyId, Error, Store, Tx, params, sql,
    verify::{Finding, Remedy},
};

use search::Naming;

/// How a repair ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// It is right now, and the trail says so.
    Done,
    /// It was right already: something else has changed it since.
    NoLonger,
    /// It was left as it is, for this reason.
    Left(String),
}

/// What a repair changed.
struct Change {
    before: Value,
    after: Value,
}

/// Why a repair changed nothing.
enum Stop {
    NoLonger,
    Left(&'static str),
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What a repair needs that takes longer to read than a transaction may.
#[derive(Default)]
struct Material {
    raw: Option<Bytes>,
    naming: Naming,
}

impl Store {
    /// Repairs what `finding` names, for `by`, in one commit with its event ([`Kind::StoreRepaired`]).
    ///
    /// Mail is never deleted. A finding of the search index is repaired by
    /// [`Index::repair`](crate::index::Index::repair). The trail's index is made anew before that is recorded.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn repair(&self, finding: &Finding, by: impl Into<By>) -> Result<Repaired, Error> {
        let by = by.into();
        if let Remedy::Leave(why) = finding.remedy() {
            return Ok(Repaired::Left(why.to_owned()));
        }
        if let Finding::TrailIndex { .. } = finding {
            return self.renew_trail_index(finding, &by).await;
        }
        let material = match self.material(finding).await {
            Ok(material) => material,
            // Damaged, or gone: then the repair has nothing to work with, and the check tells of it by itself.
            Err(Error::Corrupt(why)) => return Ok(Repaired::Left(why)),
            Err(error @ (Error::NotFound(_) | Error::NoKey(_))) => {
                return Ok(Repaired::Left(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let found = finding.clone();
        let done = self.commit(Vec::new(), move |tx| {
            let change = change(tx, &found, &material)?;
            let event = event(&found, &by, change);
            Ok::<_, Stop>(tx.record(&event, ())?)
        });
        match done.await {
            Ok(_) => Ok(Repaired::Done),
            Err(Stop::NoLonger) => Ok(Repaired::NoLonger),
            Err(Stop::Left(why)) => Ok(Repaired::Left(why.to_owned())),
            // It depends on something that is itself not in order.
            Err(Stop::Error(
                error @ (Error::Refused(_)
                | Error::NoKey(_)
                | Error::NotFound(_)
                | Error::Corrupt(_)),
            )) => Ok(Repaired::Left(error.to_string())),
            // Rows that an index forbids: it cannot be made of them.
            Err(Stop::Error(Error::Database(why))) if matches!(finding, Finding::Table { .. }) => {
                Ok(Repaired::Left(why))
            }
            Err(Stop::Error(error)) => Err(error),
        }
    }

    async fn renew_trail_index(&self, finding: &Finding, by: &By) -> Result<Repaired, Error> {
        let shared = Arc::clone(&self.inner.shared);
        self.blocking(move || shared.trail.renew()).await?;
        self.index_trail().await?;
        let event = told(finding, by, "made anew from the events");
        let noted: Result<_, Error> = self
            .commit(Vec::new(), move |tx| tx.record(&event, ()))
            .await;
        noted.map(|_| Repaired::Done)
    }

    async fn material(&self, finding: &Finding) -> Result<Material, Error> {
        let mut material = Material::default();
        match finding {
            Finding::BodyUnowned { body }
            | Finding::BodyWithoutPlace { body, .. }
            | Finding::ReferenceCount { body, .. }
            | Finding::ReferenceUnnamed { body, .. } => {
                material.naming = search::naming(self, *body).await?;
            }
            _ => {}
        }
        match finding {
            Finding::ReferenceUnnamed { body, account, .. } if *account != AccountId::QUEUE => {
                material.raw = Some(self.body(*account, *body).await?);
            }
            Finding::EmailUnseen { account, body, .. }
            | Finding::SummaryDamaged { account, body, .. } => {
                material.raw = Some(self.body(*account, *body).await?);
            }
            Finding::MessageWithoutEmail { mailbox, body, .. } => {
                let mailbox = *mailbox;
                let owner = self.read(move |sql| -> Result<_, Error> {
                    let find = "SELECT account FROM mailbox WHERE id = ?1";
                    sql::first(sql, find, params![mailbox], |row| row.int(0).map(AccountId))
                });
                let missing = || Error::NotFound(format!("mailbox {mailbox}"));
                let owner = owner.await?.ok_or_else(missing)?;
                material.raw = Some(self.body(owner, *body).await?);
            }
            _ => {}
        }
        Ok(material)
    }
}

/// Changes what is still wrong.
fn change(tx: &mut Tx<'_>, finding: &Finding, material: &Material) -> Result<Change, Stop> {
    match finding {
        Finding::Table { table, said } => {
            tx.engine.reindex(table)?;
            Ok(Change {
                before: Value::from(said.clone()),
                after: Value::from("its indexes were made anew"),
            })
        }
        Finding::BodyUnowned { body } => body::free(tx, *body, &material.naming),
        Finding::BodyWithoutPlace { body, account } => {
            body::remove_owner(tx, *body, *account, &material.naming)
        }
        Finding::FreeOverlaps { segment, start, .. } => body::keep_room(tx, *segment, *start),
        Finding::ReferenceCount { body, account, .. } => {
            body::recount(tx, *body, *account, &material.naming)
        }
        Finding::ReferenceUnnamed { body, account, .. } => {
            body::give_back(tx, *body, *account, material)
        }
        Finding::EmailUnseen { .. }
        | Finding::SummaryDamaged { .. }
        | Finding::MessageWithoutEmail { .. }
        | Finding::MessageSize { .. }
        | Finding::MailboxMissing { .. } => mail::change(tx, finding, material.raw.as_deref()),
        Finding::MarkBehind { .. }
        | Finding::IdMarkLow { .. }
        | Finding::UidValidity { .. }
        | Finding::MailboxCounters { .. }
        | Finding::UidNext { .. }
        | Finding::ModSeq { .. }
        | Finding::Usage { .. } => number::change(tx, finding),
        Finding::ExpungedOrphans { .. }
        | Finding::AccountOrphans { .. }
        | Finding::RecipientOrphans { .. }
        | Finding::AddressOrphans { .. } => row::change(tx, finding),
        _ => Err(Stop::Left("the store has no repair for it")),
    }
}

/// The event of a repair: what was found, and what was changed to what.
fn event(finding: &Finding, by: &By, change: Change) -> Event {
    by.event(Kind::StoreRepaired)
        .subject(finding.subject())
        .detail("fault", finding.name())
        .detail("found", finding.to_string())
        .detail("before", change.before)
        .detail("after", change.after)
}

/// The event of a repair outside the store's own tables.
pub(crate) fn told(finding: &Finding, by: &By, after: &str) -> Event {
    let change = Change {
        before: Value::from(finding.to_string()),
        after: Value::from(after),
    };
    event(finding, by, change)
}

/// When a body was made, by its id.
fn made_at(body: BodyId) -> jiff::Timestamp {
    crate::id::made_at(body.0)
}
