//! Who names a body.

use crate::{
    AccountId, BodyId, EmailId, Error, Snapshot, Store, params,
    sql::{self, Sql},
    verify,
};

/// Rows looked at in one view.
const ROWS: i64 = 5000;

/// The messages that name a body: all of them up to `newest`.
pub(super) struct Naming {
    emails: Vec<(AccountId, EmailId)>,
    newest: EmailId,
    /// A mailbox names it, whether its message has a row or not.
    shown: bool,
}

impl Default for Naming {
    fn default() -> Self {
        Self {
            emails: Vec::new(),
            newest: EmailId(0),
            shown: false,
        }
    }
}

/// Reads all mail, a part at a time, for what names `body`: a transaction must not take as long as that.
pub(super) async fn naming(store: &Store, body: BodyId) -> Result<Naming, Error> {
    let mut naming = Naming::default();
    loop {
        let after = naming.newest;
        let (last, found) = store.read(move |sql| emails(sql, body, after)).await?;
        naming.emails.extend(found);
        match last {
            Some(last) => naming.newest = last,
            None => break,
        }
    }
    let mut after = (0, 0);
    loop {
        let (last, shown) = store.read(move |sql| messages(sql, body, after)).await?;
        naming.shown |= shown;
        match last {
            Some(last) => after = last,
            None => return Ok(naming),
        }
    }
}

type Named = Vec<(AccountId, EmailId)>;

fn emails(
    sql: &mut Snapshot<'_>,
    body: BodyId,
    after: EmailId,
) -> Result<(Option<EmailId>, Named), Error> {
    let list = "SELECT id, account, body FROM email WHERE id > ?1 ORDER BY id LIMIT ?2";
    let (mut last, mut found) = (None, Vec::new());
    sql.query(list, params![after, ROWS], &mut |row| {
        let email = EmailId(row.int(0)?);
        last = Some(email);
        if row.int(2)? == body.0 {
            found.push((AccountId(row.int(1)?), email));
        }
        Ok(())
    })?;
    Ok((last, found))
}

type Place = (i64, i64);

fn messages(
    sql: &mut Snapshot<'_>,
    body: BodyId,
    after: Place,
) -> Result<(Option<Place>, bool), Error> {
    let list = "SELECT mailbox, uid, body FROM message WHERE (mailbox, uid) > (?1, ?2)
                ORDER BY mailbox, uid LIMIT ?3";
    let (mut last, mut shown) = (None, false);
    sql.query(list, params![after.0, after.1, ROWS], &mut |row| {
        last = Some((row.int(0)?, row.int(1)?));
        shown |= row.int(2)? == body.0;
        Ok(())
    })?;
    Ok((last, shown))
}

impl Naming {
    /// How many references of `account` there should be, exactly, in this transaction.
    pub(super) fn count(
        &self,
        sql: &mut dyn Sql,
        body: BodyId,
        account: AccountId,
    ) -> Result<u64, Error> {
        let own = self.emails.iter().filter(|(owner, _)| *owner == account);
        let emails: Vec<EmailId> = own.map(|(_, email)| *email).collect();
        verify::named(sql, body, account, &emails, self.newest)
    }

    /// Whether anybody names `body`, in this transaction.
    pub(super) fn any(&self, sql: &mut dyn Sql, body: BodyId) -> Result<bool, Error> {
        let later = "SELECT id FROM email WHERE id > ?1 AND body = ?2 LIMIT 1";
        let queued = "SELECT id FROM queue_message WHERE body = ?1 LIMIT 1";
        let apart = "SELECT message FROM quarantined_for WHERE body = ?1 LIMIT 1";
        if self.shown
            || verify::exists(sql, later, params![self.newest, body])?
            || verify::exists(sql, queued, params![body])?
            || verify::exists(sql, apart, params![body])?
        {
            return Ok(true);
        }
        for (_, email) in &self.emails {
            let still = "SELECT id FROM email WHERE id = ?1";
            if sql::first(sql, still, params![*email], |_| Ok(()))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
