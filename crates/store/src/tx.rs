//! Transactions and snapshots.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{
    AccountId, BodyId, EmailId, Error, Recorded, SealedBody, Topic,
    cipher::Key,
    event::{self, index::TrailIndex},
    keys::Keyring,
    params,
    quarantine::figures::Counted,
    seal,
    segment::Extent,
    shared::Shared,
    sql::{self, Engine, Row, Sql, Value, View},
};

/// A consistent, read-only view of the tables.
pub struct Snapshot<'a> {
    pub(crate) sql: &'a mut dyn View,
    pub(crate) keys: &'a Keyring,
    pub(crate) trail: &'a TrailIndex,
    /// What was counted of hours that are over.
    pub(crate) counted: &'a Counted,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(sql: &'a mut dyn View, shared: &'a Shared) -> Self {
        Self {
            sql,
            keys: &shared.keys,
            trail: &shared.trail,
            counted: &shared.counted,
        }
    }

    /// Opens a blob that was sealed for `account` with [`Tx::seal_note`].
    ///
    /// # Errors
    /// [`Error::NoKey`] when the account's key is gone, [`Error::Corrupt`] when the blob does not open.
    pub fn open_note(&mut self, account: AccountId, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.keys.find(self.sql, account, true)?;
        seal::open_note(account, &key, sealed)
    }
}

impl Sql for Snapshot<'_> {
    fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.sql.query(sql, params, each)
    }
}

/// One transaction: reads, writes and, at its end, the audit event.
pub struct Tx<'a> {
    pub(crate) engine: &'a mut dyn Engine,
    pub(crate) shared: &'a Shared,
    pub(crate) now: Timestamp,
    pub(crate) effects: Effects,
}

/// What a transaction does besides rows.
#[derive(Default)]
pub(crate) struct Effects {
    /// Bodies given to this commit, by id.
    pub(crate) bodies: HashMap<BodyId, Pending>,
    /// Topics to wake.
    pub(crate) touched: Vec<Topic>,
    /// Keys looked up here, perhaps made here: nobody else may see them yet.
    pub(crate) own_keys: HashMap<AccountId, Arc<Key>>,
    /// Keys destroyed here.
    pub(crate) destroyed: Vec<AccountId>,
    /// Whether room in segments became free.
    pub(crate) freed: bool,
    /// Messages that no mailbox holds any more, with their owners.
    pub(crate) gone: Vec<(AccountId, EmailId)>,
}

/// A body that is on stable storage, but not yet in the tables.
pub(crate) struct Pending {
    extent: Extent,
    size: u64,
    digest: [u8; 32],
    owners: Vec<PendingOwner>,
}

struct PendingOwner {
    account: AccountId,
    wrapped: Vec<u8>,
    refs: u64,
}

impl Pending {
    pub(crate) fn new(body: &SealedBody, extent: Extent) -> Self {
        let owners = body
            .sealed
            .wrapped
            .iter()
            .map(|(account, wrapped)| PendingOwner {
                account: *account,
                wrapped: wrapped.clone(),
                refs: 0,
            });
        Self {
            extent,
            size: body.size,
            digest: body.sealed.digest,
            owners: owners.collect(),
        }
    }
}

impl Tx<'_> {
    /// Executes one changing statement of portable SQL; returns how many rows it changed.
    ///
    /// # Errors
    /// When the database refuses it.
    pub fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, Error> {
        self.engine.execute(sql, params)
    }

    /// The instant of this batch: the same for all its events, and never before that of an earlier batch.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A fresh id, above all given before.
    pub fn next_id(&mut self) -> i64 {
        self.shared.ids.next()
    }

    /// Records `event` in the trail, in this transaction, and makes the proof that `work` must return.
    /// Details beyond [`event::DETAIL_LIMIT`] are cut and say so.
    ///
    /// # Errors
    /// When the database refuses it.
    pub fn record<T>(&mut self, event: &trail::Event, value: T) -> Result<Recorded<T>, Error> {
        let id = self.shared.ids.next();
        event::insert(self.engine, id, self.now, event)?;
        Ok(Recorded { value })
    }

    /// In place of an event, for what is no change but tells of changes: the tree over the trail.
    pub(crate) fn bookkeeping<T>(&mut self, value: T) -> Recorded<T> {
        Recorded { value }
    }

    /// Wakes those who watch `topic`, once this transaction is durable.
    pub fn touch(&mut self, topic: Topic) {
        if !self.effects.touched.contains(&topic) {
            self.effects.touched.push(topic);
        }
    }

    /// Notes messages that no mailbox of `account` holds any more, for the search index.
    pub(crate) fn gone(&mut self, account: AccountId, emails: impl Iterator<Item = EmailId>) {
        self.effects
            .gone
            .extend(emails.map(|email| (account, email)));
    }

    /// Makes the key of a new account. Its id comes from [`Tx::next_id`].
    ///
    /// # Errors
    /// When the account already has one.
    pub fn create_key(&mut self, account: AccountId) -> Result<(), Error> {
        let wrapped = self.shared.keys.make(account)?;
        let statement = "INSERT INTO account_key (account, wrapped) VALUES (?1, ?2)";
        self.engine.execute(statement, params![account, &wrapped])?;
        Ok(())
    }

    /// Destroys an account's key: what was sealed under it cannot be read any more (clause 7.1(3)).
    /// Once the transaction is durable, its traces in the database's log are wiped too.
    ///
    /// # Errors
    /// [`Error::NoKey`] when it has none; when the database refuses it.
    pub fn destroy_key(&mut self, account: AccountId) -> Result<(), Error> {
        let statement = "SELECT wrapped FROM account_key WHERE account = ?1";
        let wrapped = sql::first(self.engine, statement, params![account], |row| row.blob(0))?
            .ok_or(Error::NoKey(account))?;
        // Written over in its place first: a deleted row may leave its bytes where it stood.
        let blank = vec![0; wrapped.len()];
        let overwrite = "UPDATE account_key SET wrapped = ?2 WHERE account = ?1";
        self.engine.execute(overwrite, params![account, &blank])?;
        let delete = "DELETE FROM account_key WHERE account = ?1";
        self.engine.execute(delete, params![account])?;
        self.effects.own_keys.remove(&account);
        self.effects.destroyed.push(account);
        self.shared.keys.forget(account);
        Ok(())
    }

    /// Seals a small blob (cached envelope, script) under `account`'s key.
    ///
    /// # Errors
    /// [`Error::NoKey`] when the account's key is gone.
    pub fn seal_note(&mut self, account: AccountId, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.key(account)?;
        seal::seal_note(account, &key, plain, &self.shared.world)
    }

    /// Opens a blob that was sealed for `account`. As [`Snapshot::open_note`].
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Corrupt`].
    pub fn open_note(&mut self, account: AccountId, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.key(account)?;
        seal::open_note(account, &key, sealed)
    }

    /// A key for hashes that nobody can repeat without `account`'s key: equal data of one account can be
    /// found by them, and they say nothing once the key is destroyed.
    ///
    /// # Errors
    /// [`Error::NoKey`] when the account's key is gone.
    pub fn account_hash_key(&mut self, account: AccountId) -> Result<Zeroizing<[u8; 32]>, Error> {
        let key = self.key(account)?;
        Ok(seal::hash_key(&key))
    }

    /// Adds `count` references of `owner` to `body` (as many as messages or queue entries name it). An
    /// owner that did not share the body at sealing gets its key re-wrapped from `from`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when neither owns the body; [`Error::NoKey`] when `owner` has no key (any more).
    pub fn retain_body(
        &mut self,
        body: BodyId,
        owner: AccountId,
        from: AccountId,
        count: u64,
    ) -> Result<(), Error> {
        self.key(owner)?;
        if self.effects.bodies.contains_key(&body) {
            return self.retain_pending(body, owner, from, count);
        }
        let add = "UPDATE body_owner SET refs = refs + ?3 WHERE body = ?1 AND account = ?2";
        let count = signed(count)?;
        if self.engine.execute(add, params![body, owner, count])? > 0 {
            return Ok(());
        }
        let find = "SELECT wrapped FROM body_owner WHERE body = ?1 AND account = ?2";
        let wrapped = sql::first(self.engine, find, params![body, from], |row| row.blob(0))?
            .ok_or_else(|| Error::NotFound(format!("body {body} of {from}")))?;
        let wrapped = self.rewrap(body, from, &wrapped, owner)?;
        self.insert_owner(body, owner, count, &wrapped)
    }

    fn retain_pending(
        &mut self,
        body: BodyId,
        owner: AccountId,
        from: AccountId,
        count: u64,
    ) -> Result<(), Error> {
        let missing = || Error::NotFound(format!("body {body} of {from}"));
        let pending = self.effects.bodies.get_mut(&body).ok_or_else(missing)?;
        if let Some(found) = pending.owners.iter_mut().find(|o| o.account == owner) {
            found.refs = found.refs.saturating_add(count);
            return Ok(());
        }
        let source = pending.owners.iter().find(|o| o.account == from);
        let wrapped = source.ok_or_else(missing)?.wrapped.clone();
        let wrapped = self.rewrap(body, from, &wrapped, owner)?;
        if let Some(pending) = self.effects.bodies.get_mut(&body) {
            pending.owners.push(PendingOwner {
                account: owner,
                wrapped,
                refs: count,
            });
        }
        Ok(())
    }

    /// Drops `count` references. The last one of the last owner frees the body: its room is given back
    /// to the disk after this transaction is durable.
    ///
    /// # Errors
    /// [`Error::NotFound`] when `owner` holds no such reference.
    pub fn release_body(
        &mut self,
        body: BodyId,
        owner: AccountId,
        count: u64,
    ) -> Result<(), Error> {
        let missing = || Error::NotFound(format!("reference of {owner} to body {body}"));
        if let Some(pending) = self.effects.bodies.get_mut(&body) {
            let found = pending.owners.iter_mut().find(|o| o.account == owner);
            let found = found.ok_or_else(missing)?;
            found.refs = found.refs.checked_sub(count).ok_or_else(missing)?;
            return Ok(());
        }
        let count = signed(count)?;
        let take = "UPDATE body_owner SET refs = refs - ?3 WHERE body = ?1 AND account = ?2 AND refs >= ?3 RETURNING refs";
        let left = sql::first(self.engine, take, params![body, owner, count], |row| {
            row.int(0)
        })?;
        if left.ok_or_else(missing)? > 0 {
            return Ok(());
        }
        let delete = "DELETE FROM body_owner WHERE body = ?1 AND account = ?2";
        self.engine.execute(delete, params![body, owner])?;
        let others = "SELECT account FROM body_owner WHERE body = ?1 LIMIT 1";
        if sql::first(self.engine, others, params![body], |row| row.int(0))?.is_none() {
            self.free_body(body)?;
        }
        Ok(())
    }

    /// Gives the room of a body without owners back.
    pub(crate) fn free_body(&mut self, body: BodyId) -> Result<(), Error> {
        let delete = "DELETE FROM body WHERE id = ?1 RETURNING segment, start, length";
        let extent = sql::first(self.engine, delete, params![body], extent)?
            .ok_or_else(|| Error::Corrupt(format!("body {body} has owners but no place")))?;
        insert_free(self.engine, extent)?;
        self.effects.freed = true;
        Ok(())
    }

    /// Says that `body`, which this commit has written anew, lies there and not at `from` any more; `false` when it did not lie
    /// at `from`: then the new place is free room instead of the old one.
    pub(crate) fn move_body(&mut self, body: BodyId, from: Extent) -> Result<bool, Error> {
        let pending = self.effects.bodies.remove(&body);
        let to = pending
            .ok_or_else(|| Error::NotFound(format!("body {body} in this commit")))?
            .extent;
        let update = "UPDATE body SET segment = ?2, start = ?3 WHERE id = ?1 AND segment = ?4 AND start = ?5 AND length = ?6";
        let [segment, start, length] = [to.segment, to.start, to.length].map(signed);
        let [old_segment, old_start] = [from.segment, from.start].map(signed);
        let places = params![body, segment?, start?, old_segment?, old_start?, length?];
        let moved = self.engine.execute(update, places)? > 0;
        insert_free(self.engine, if moved { from } else { to })?;
        self.effects.freed = true;
        Ok(moved)
    }

    /// Writes the bodies of this commit into the tables, once its closure has succeeded.
    pub(crate) fn settle_bodies(&mut self) -> Result<(), Error> {
        for (id, mut body) in std::mem::take(&mut self.effects.bodies) {
            body.owners.retain(|owner| owner.refs > 0);
            if body.owners.is_empty() {
                insert_free(self.engine, body.extent)?;
                self.effects.freed = true;
                continue;
            }
            let statement = "INSERT INTO body (id, segment, start, length, size, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let place = body.extent;
            self.engine.execute(
                statement,
                params![
                    id,
                    signed(place.segment)?,
                    signed(place.start)?,
                    signed(place.length)?,
                    signed(body.size)?,
                    body.digest.as_slice()
                ],
            )?;
            for owner in &body.owners {
                self.insert_owner(id, owner.account, signed(owner.refs)?, &owner.wrapped)?;
            }
        }
        Ok(())
    }

    fn insert_owner(
        &mut self,
        body: BodyId,
        owner: AccountId,
        refs: i64,
        wrapped: &[u8],
    ) -> Result<(), Error> {
        let statement =
            "INSERT INTO body_owner (body, account, refs, wrapped) VALUES (?1, ?2, ?3, ?4)";
        self.engine
            .execute(statement, params![body, owner, refs, wrapped])?;
        Ok(())
    }

    fn rewrap(
        &mut self,
        body: BodyId,
        from: AccountId,
        wrapped: &[u8],
        owner: AccountId,
    ) -> Result<Vec<u8>, Error> {
        let from_key = self.key(from)?;
        let body_key = seal::unwrap(body, from, &from_key, wrapped)?;
        let owner_key = self.key(owner)?;
        seal::wrap(body, owner, &owner_key, &body_key, &self.shared.world)
    }

    fn key(&mut self, account: AccountId) -> Result<Arc<Key>, Error> {
        if let Some(key) = self.effects.own_keys.get(&account) {
            return Ok(Arc::clone(key));
        }
        if let Some(key) = self.shared.keys.known(account)? {
            return Ok(key);
        }
        // Kept for this transaction only: it may be the one that makes the key, and fail.
        let key = self.shared.keys.find(self.engine, account, false)?;
        self.effects.own_keys.insert(account, Arc::clone(&key));
        Ok(key)
    }
}

impl Sql for Tx<'_> {
    fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.engine.query(sql, params, each)
    }
}

/// A number as the tables keep it.
pub(crate) fn signed(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::Corrupt(format!("{number} is out of range")))
}

/// Three columns, from the first, as an extent.
pub(crate) fn extent(row: &dyn Row) -> Result<Extent, Error> {
    Ok(Extent {
        segment: row.count(0)?,
        start: row.count(1)?,
        length: row.count(2)?,
    })
}

/// Notes room that is to be given back to the disk.
pub(crate) fn insert_free(engine: &mut dyn Engine, extent: Extent) -> Result<(), Error> {
    let statement = "INSERT INTO body_free (segment, start, length) VALUES (?1, ?2, ?3)
                     ON CONFLICT (segment, start) DO NOTHING";
    let place = [extent.segment, extent.start, extent.length];
    let [segment, start, length] = place.map(signed);
    engine.execute(statement, params![segment?, start?, length?])?;
    Ok(())
}

/// Opens the key of a body for `account`, which must own it.
pub(crate) fn body_key(
    keys: &Keyring,
    sql: &mut dyn Sql,
    account: AccountId,
    body: BodyId,
    wrapped: &[u8],
) -> Result<Key, Error> {
    let key = keys.find(sql, account, true)?;
    seal::unwrap(body, account, &key, wrapped)
}
