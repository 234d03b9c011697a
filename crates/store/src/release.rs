//! Many bodies released at once: what emptying a mailbox needs.

use std::collections::BTreeMap;

use crate::{
    AccountId, BodyId, Error, Tx, batch,
    sql::{self, Sql, Value},
    tx::{extent, insert_free},
};

impl Tx<'_> {
    /// Drops references of `owner` to many bodies, as [`Tx::release_body`] does for one, in a few statements.
    ///
    /// # Errors
    /// [`Error::NotFound`] when `owner` lacks one of the references.
    pub fn release_bodies(
        &mut self,
        owner: AccountId,
        bodies: &BTreeMap<BodyId, u64>,
    ) -> Result<(), Error> {
        let mut once = Vec::with_capacity(bodies.len());
        for (body, count) in bodies {
            if *count == 1 && !self.effects.bodies.contains_key(body) {
                once.push(body.0);
            } else {
                self.release_body(*body, owner, *count)?;
            }
        }
        let mut rest = once.as_slice();
        for list in batch::lists(&once) {
            let (distinct, later) = rest.split_at(list.len().min(rest.len()));
            rest = later;
            self.release_list(owner, &list, distinct.len())?;
        }
        Ok(())
    }

    fn release_list(
        &mut self,
        owner: AccountId,
        list: &[i64],
        distinct: usize,
    ) -> Result<(), Error> {
        let owned: Vec<Value<'_>> = std::iter::once(Value::from(owner))
            .chain(list.iter().map(|body| Value::Int(*body)))
            .collect();
        let marks = batch::marks(2, list.len());
        let take = format!(
            "UPDATE body_owner SET refs = refs - 1 WHERE account = ?1 AND refs > 0 AND body IN ({marks})"
        );
        if self.execute(&take, &owned)? != distinct as u64 {
            return Err(Error::NotFound(format!(
                "a reference of {owner} to one of {distinct} bodies"
            )));
        }
        let leave =
            format!("DELETE FROM body_owner WHERE account = ?1 AND refs = 0 AND body IN ({marks})");
        self.execute(&leave, &owned)?;
        let free = format!(
            "DELETE FROM body WHERE id IN ({}) \
             AND NOT EXISTS (SELECT 1 FROM body_owner WHERE body_owner.body = body.id) \
             RETURNING segment, start, length",
            batch::marks(1, list.len())
        );
        let bodies: Vec<Value<'_>> = list.iter().map(|body| Value::Int(*body)).collect();
        let freed = sql::rows(self as &mut dyn Sql, &free, &bodies, extent)?;
        for place in freed {
            insert_free(self.engine, place)?;
            self.effects.freed = true;
        }
        Ok(())
    }
}
