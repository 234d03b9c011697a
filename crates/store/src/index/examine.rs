//! Checking the search index against the mail, and making it anew.
//!
//! What waits to be indexed is no fault, and neither is what was expunged since the index was last swept: so an account
//! is swept before it is looked at.

use std::{collections::BTreeSet, sync::Arc};

use trail::By;

use crate::{
    AccountId, EmailId, Error, Repaired, params, repair, sql,
    verify::{Finding, Progress},
};

use super::{Index, Shared, follow, rolls, sqlite_index::Examined};

/// Messages compared in one view.
const AT_ONCE: i64 = 1000;

impl Index {
    /// The accounts to check: those that have mailboxes, and those that have a file.
    ///
    /// # Errors
    /// When the store or the directory cannot be read.
    pub async fn accounts(&self) -> Result<Vec<AccountId>, Error> {
        let shared = Arc::clone(&self.shared);
        let listing = move || shared.accounts_with_files();
        let files = self.shared.store.blocking(listing).await?;
        let mut accounts: BTreeSet<AccountId> = files.into_iter().collect();
        let list = "SELECT account FROM account_usage";
        let read = self.shared.store.read(move |sql| -> Result<_, Error> {
            sql::rows(sql, list, &[], |row| row.int(0).map(AccountId))
        });
        accounts.extend(read.await?);
        Ok(accounts.into_iter().collect())
    }

    /// What is wrong with the index of `account`. Searches and indexing go on meanwhile.
    ///
    /// # Errors
    /// When the store or the index cannot be read.
    pub async fn verify(&self, account: AccountId) -> Result<Option<Finding>, Error> {
        if !follow::exists(&self.shared, account).await? {
            // Asked again: it may be just being issued, or deleted.
            let shared = Arc::clone(&self.shared);
            let looking = move || shared.has_file(account);
            let has_file = self.shared.store.blocking(looking).await?;
            let nobody = has_file && !follow::exists(&self.shared, account).await?;
            return Ok(nobody.then_some(Finding::IndexOfNobody { account }));
        }
        let why = match examine(&self.shared, account).await {
            Ok(why) => why,
            Err(Error::Corrupt(why)) => Some(why),
            Err(error) => return Err(error),
        };
        Ok(why.map(|why| Finding::Index { account, why }))
    }

    /// Checks all accounts and gathers what is wrong.
    ///
    /// # Errors
    /// As [`Index::verify`].
    pub async fn verify_all(
        &self,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Vec<Finding>, Error> {
        let accounts = self.accounts().await?;
        let mut findings = Vec::new();
        for (checked, account) in (1..).zip(&accounts) {
            findings.extend(self.verify(*account).await?);
            progress(Progress {
                what: "search index",
                checked,
                total: Some(accounts.len() as u64),
            });
        }
        Ok(findings)
    }

    /// Repairs what [`Index::verify`] has found: the account's file is removed and, if the account exists, made anew;
    /// then that is recorded. An account without a file is searched without an index, so nothing is missed meanwhile.
    ///
    /// # Errors
    /// When the store or the index cannot be read or written.
    pub async fn repair(&self, finding: &Finding, by: impl Into<By>) -> Result<Repaired, Error> {
        let by = by.into();
        let after = match finding {
            Finding::Index { account, why } => {
                let account = *account;
                let (shared, why) = (Arc::clone(&self.shared), why.clone());
                let losing = move || match shared.account(account) {
                    Some(files) => shared.lose(account, &files, &why),
                    None => Ok(()),
                };
                self.shared.store.blocking(losing).await?;
                self.catch_up(account).await?;
                "made anew from the mail"
            }
            Finding::IndexOfNobody { account } => {
                self.forget(*account).await?;
                "the file was removed"
            }
            other => return Ok(Repaired::Left(other.remedy().words().to_owned())),
        };
        let event = repair::told(finding, &by, after);
        let noted = self
            .shared
            .store
            .commit(Vec::new(), move |tx| tx.record(&event, ()));
        let noted: Result<_, Error> = noted.await;
        noted.map(|_| Repaired::Done)
    }
}

/// What is wrong with the file of an account that exists.
async fn examine(shared: &Arc<Shared>, account: AccountId) -> Result<Option<String>, Error> {
    let (path, disk) = (shared.path(account), Arc::clone(&shared.disk));
    let opened = shared.store.blocking(move || {
        let Some(file) = Examined::open(disk.as_ref(), &path)? else {
            return Ok(None);
        };
        let complaint = file.complaints()?.into_iter().next();
        // Without a table it is just being made.
        match complaint {
            Some(complaint) => Err(Error::Corrupt(complaint)),
            None => Ok(file.watermark().ok().map(|watermark| (file, watermark))),
        }
    });
    // An account without a file has all its messages still to come.
    let opened = match opened.await {
        // Whatever keeps the file from being read, it is made anew.
        Err(Error::Database(why)) => return Ok(Some(why)),
        other => other?,
    };
    let Some((mut file, watermark)) = opened else {
        return Ok(None);
    };
    let why;
    (file, why) = wrong_roll(shared, file).await?;
    if why.is_some() {
        return Ok(why);
    }
    let at = Arc::clone(shared);
    let mut texts = match shared.store.blocking(move || at.texts(account)).await {
        // Deleted meanwhile.
        Err(Error::NoKey(_)) => return Ok(None),
        other => other?,
    };
    let (mut after, mut swept) = (EmailId(0), false);
    loop {
        let listing = move || -> Result<_, Error> {
            let indexed = file.documents(after, AT_ONCE, &texts)?;
            Ok((file, texts, indexed))
        };
        let indexed;
        (file, texts, indexed) = shared.store.blocking(listing).await?;
        let full = i64::try_from(indexed.len()).is_ok_and(|count| count == AT_ONCE);
        let to = indexed.last().copied().filter(|_| full);
        let span = (after, to.unwrap_or(EmailId(i64::MAX)), watermark);
        let why = match swept {
            false => foreign(shared, account, indexed).await?,
            true => missing(shared, account, indexed, span).await?,
        };
        match (why, to, swept) {
            (Some(why), ..) => return Ok(Some(why)),
            (None, Some(to), _) => after = to,
            (None, None, true) => return Ok(None),
            (None, None, false) => {
                follow::sweep(shared, account).await?;
                (after, swept) = (EmailId(0), true);
            }
        }
    }
}

/// A roll that does not say what its mailbox holds.
async fn wrong_roll(
    shared: &Arc<Shared>,
    mut file: Examined,
) -> Result<(Examined, Option<String>), Error> {
    let listing = move || file.rolls().map(|kept| (file, kept));
    let (kept, mut roll);
    (file, kept) = shared.store.blocking(listing).await?;
    for kept in kept {
        let reading = move || file.roll(kept).map(|roll| (file, roll));
        (file, roll) = shared.store.blocking(reading).await?;
        let Some(roll) = roll.take() else {
            continue;
        };
        let compared = shared
            .store
            .read(move |sql| rolls::complaint(sql, roll))
            .await?;
        if compared.is_some() {
            return Ok((file, compared));
        }
    }
    Ok((file, None))
}

/// A message in the index that is another account's, or nobody's.
async fn foreign(
    shared: &Arc<Shared>,
    account: AccountId,
    indexed: Vec<EmailId>,
) -> Result<Option<String>, Error> {
    let read = shared.store.read(move |sql| -> Result<_, Error> {
        // Every id that was given is below the newest event, which is written last in each commit.
        let newest = "SELECT max(id) FROM event";
        let newest = sql::first(sql, newest, &[], |row| row.maybe_int(0))?;
        let last = newest.flatten().unwrap_or(0);
        for email in indexed {
            let find = "SELECT account FROM email WHERE id = ?1";
            let owner = sql::first(sql, find, params![email], |row| row.int(0))?;
            if owner.is_some_and(|owner| owner != account.0) {
                return Ok(Some(format!("it names message {email} of another account")));
            }
            if owner.is_none() && email.0 > last {
                return Ok(Some(format!("it names message {email}, which never was")));
            }
        }
        Ok(None)
    });
    read.await
}

/// A message that is not in the index, of those after one and up to another that it should have.
async fn missing(
    shared: &Arc<Shared>,
    account: AccountId,
    indexed: Vec<EmailId>,
    (after, to, watermark): (EmailId, EmailId, EmailId),
) -> Result<Option<String>, Error> {
    let read = shared.store.read(move |sql| -> Result<_, Error> {
        let list = "SELECT id FROM email WHERE account = ?1 AND id > ?2 AND id <= ?3 ORDER BY id";
        let upto = to.min(watermark);
        let emails = sql::rows(sql, list, params![account, after, upto], |row| {
            row.int(0).map(EmailId)
        })?;
        let missing = emails
            .into_iter()
            .find(|email| indexed.binary_search(email).is_err());
        Ok(missing.map(|email| {
            format!("it misses message {email}, which stands below what it says it has reached")
        }))
    });
    read.await
}
