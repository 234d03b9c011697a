//! The index follows the store.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, timeout},
};

use crate::{
    AccountId, BodyId, EmailId, Error, Topic, params,
    shared::Left,
    sql,
    sql::{Sql, Value},
};

use super::{Shared, extract::Content, rolls, sqlite_index::Document};

/// Messages of one transaction of the index, and octets of raw mail after which it ends early.
const BATCH: usize = 64;
const BATCH_OCTETS: u64 = 8 << 20;
/// Messages compared at once when expunged ones are looked for.
const SWEEP: usize = 1000;
/// How often what was expunged is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Mail is left to gather until none has come for this long: many messages of an account cost little more than one, and who
/// delivers much is not slowed down by an index for each. Searches look through what is not indexed yet.
const GATHER: Duration = Duration::from_secs(1);
/// How long it gathers at most.
const GATHER_AT_MOST: Duration = Duration::from_secs(3);
/// How long after a failure the account is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Follows the store until it closes or `stopped` says so.
pub(super) async fn run(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = follow(&shared) => {}
    }
}

async fn follow(shared: &Arc<Shared>) {
    let mut arrivals = shared.store.watch(Topic::Arrivals);
    // What was expunged before the start is known to nobody: the first tick comes at once, and its look is at all accounts.
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swept = false;
    let mut removed = HashMap::new();
    let mut position = EmailId(0);
    let mut behind: BTreeSet<AccountId> = BTreeSet::new();
    loop {
        arrivals.mark_unchanged();
        let looked = arrived(shared, position, &mut behind).await;
        behind.append(&mut shared.lost.lock());
        let mut failed = BTreeSet::new();
        let ended = match looked {
            Ok(newest) => {
                position = newest;
                false
            }
            Err(Error::Closed) => true,
            Err(error) => {
                tracing::warn!(%error, "the search index cannot read the store");
                false
            }
        };
        for account in std::mem::take(&mut behind) {
            let followed = match catch_up(shared, account).await {
                Ok(()) => rolls::renew(shared, account).await,
                failed => failed,
            };
            match followed {
                Ok(()) => {}
                Err(Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%account, %error, "the search index stays behind");
                    failed.insert(account);
                }
            }
        }
        if ended {
            return;
        }
        let retry = !failed.is_empty();
        behind = failed;
        tokio::select! {
            changed = arrivals.changed() => {
                if changed.is_err() {
                    return;
                }
                gather(&mut arrivals).await;
            }
            _ = sweep.tick() => {
                let sweeping = if swept {
                    remove_gone(shared, &mut removed).await
                } else {
                    sweep_all(shared, &mut behind).await
                };
                swept |= sweeping.is_ok();
                if let Err(error) = sweeping {
                    tracing::warn!(%error, "expunged messages stay in the search index for now");
                }
            }
            () = shared.lost_one.notified() => {}
            () = tokio::time::sleep(RETRY), if retry => {}
        }
    }
}

/// Waits until no more mail comes for a moment, or for long enough.
async fn gather(arrivals: &mut watch::Receiver<u64>) {
    let most = Instant::now() + GATHER_AT_MOST;
    while Instant::now() < most
        && let Ok(Ok(())) = timeout(GATHER, arrivals.changed()).await
    {}
}

/// Adds the accounts that got mail after `position` to `behind`; returns the newest message.
async fn arrived(
    shared: &Shared,
    position: EmailId,
    behind: &mut BTreeSet<AccountId>,
) -> Result<EmailId, Error> {
    let (newest, accounts) = shared
        .store
        .read(move |snapshot| {
            let newest = sql::first(
                snapshot,
                "SELECT id FROM email ORDER BY id DESC LIMIT 1",
                &[],
                |row| Ok(EmailId(row.int(0)?)),
            )?;
            let accounts = if position.0 == 0 {
                // An account without mail needs no file.
                let list = "SELECT account FROM account_usage u \
                            WHERE EXISTS (SELECT 1 FROM email e WHERE e.account = u.account)";
                sql::rows(snapshot, list, &[], |row| Ok(AccountId(row.int(0)?)))?
            } else {
                sql::rows(
                    snapshot,
                    "SELECT account FROM email WHERE id > ?1",
                    params![position],
                    |row| Ok(AccountId(row.int(0)?)),
                )?
            };
            Ok::<_, Error>((newest.unwrap_or(position), accounts))
        })
        .await?;
    behind.extend(accounts);
    Ok(newest.max(position))
}

/// Indexes all messages of `account` that are past its watermark.
pub(super) async fn catch_up(shared: &Arc<Shared>, account: AccountId) -> Result<(), Error> {
    let Some(files) = shared.account(account) else {
        return Ok(());
    };
    let _following = files.following.lock().await;
    loop {
        let at = Arc::clone(shared);
        let watermark = shared
            .store
            .blocking(move || at.write_existing(account, |file| file.watermark()))
            .await?;
        // An account without mail needs no file.
        let watermark = watermark.unwrap_or(EmailId(0));
        let rows = newer(shared, account, watermark).await?;
        let Some((last, documents)) = documents(shared, account, rows).await? else {
            return Ok(());
        };
        let at = Arc::clone(shared);
        let added = shared
            .store
            .blocking(move || at.write(account, |file| file.add(&documents, watermark, last)))
            .await?;
        if added.is_none() {
            // Forgotten meanwhile.
            return Ok(());
        }
    }
}

/// Messages after `watermark` with the sizes of their bodies.
async fn newer(
    shared: &Shared,
    account: AccountId,
    watermark: EmailId,
) -> Result<Vec<(EmailId, BodyId, u64)>, Error> {
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    shared
        .store
        .read(move |snapshot| {
            sql::rows(
                snapshot,
                "SELECT e.id, e.body, COALESCE(b.size, 0) FROM email e LEFT JOIN body b ON b.id = e.body
                 WHERE e.account = ?1 AND e.id > ?2 ORDER BY e.id LIMIT ?3",
                params![account, watermark, limit],
                |row| Ok((EmailId(row.int(0)?), BodyId(row.int(1)?), row.count(2)?)),
            )
        })
        .await
}

/// What is to be kept of the first of `rows`, as many as a batch takes, and the last of them. `None`: there are none.
async fn documents(
    shared: &Arc<Shared>,
    account: AccountId,
    mut rows: Vec<(EmailId, BodyId, u64)>,
) -> Result<Option<(EmailId, Vec<Document>)>, Error> {
    let mut octets: u64 = 0;
    let fits = rows.iter().take_while(|(_, _, size)| {
        let first = octets == 0;
        octets = octets.saturating_add(*size);
        first || octets <= BATCH_OCTETS
    });
    let count = fits.count();
    rows.truncate(count);
    let Some((last, ..)) = rows.last().copied() else {
        return Ok(None);
    };
    let bodies = rows.iter().map(|(_, body, _)| *body).collect();
    let read = shared.store.bodies(account, bodies).await?;
    let at = Arc::clone(shared);
    let work = move || {
        let texts = match at.texts(account) {
            Err(Error::NoKey(_)) => return Ok(Some((last, Vec::new()))),
            other => other?,
        };
        let world = &at.store.inner.shared.world;
        let mut documents = Vec::with_capacity(rows.len());
        for ((email, ..), raw) in rows.into_iter().zip(read) {
            let content = match raw {
                Ok(raw) => Content::of(&raw),
                // Expunged since, or the account is gone: nothing will ask for it.
                Err(Error::NotFound(_) | Error::NoKey(_)) => continue,
                // Its owner is told when the message is read; the index must not hide it.
                Err(Error::Corrupt(_)) => None,
                Err(error) => return Err(error),
            };
            let content = content.map(|content| (content.grams, content.text));
            let (grams, text) = content.map_or((None, None), |(grams, text)| (Some(grams), text));
            let text = text.map(|text| texts.seal(email, &text, world));
            documents.push(Document {
                email,
                grams,
                text: text.transpose()?,
            });
        }
        Ok(Some((last, documents)))
    };
    shared.store.blocking(work).await
}

/// Removes what was expunged from all files, and the files of accounts that are gone.
async fn sweep_all(shared: &Arc<Shared>, behind: &mut BTreeSet<AccountId>) -> Result<(), Error> {
    let at = Arc::clone(shared);
    let accounts = shared
        .store
        .blocking(move || at.accounts_with_files())
        .await?;
    for account in accounts {
        if exists(shared, account).await? {
            let removed = sweep(shared, account).await?;
            if removed > 0 {
                shrink(shared, account, removed).await?;
            }
            behind.insert(account);
        } else {
            let at = Arc::clone(shared);
            shared.store.blocking(move || at.forget(account)).await?;
        }
    }
    Ok(())
}

/// Removes what was expunged since it was last removed. `removed` counts, for each account, what was removed since its file
/// was last made smaller.
async fn remove_gone(
    shared: &Arc<Shared>,
    removed: &mut HashMap<AccountId, u64>,
) -> Result<(), Error> {
    let gone = &shared.store.inner.shared.gone;
    let mut all = gone.take();
    while let Some((account, left)) = all.pop_first() {
        let removing = async {
            let count = removed.entry(account).or_default();
            *count += match left {
                Left::These(emails) => remove(shared, account, emails).await?,
                Left::Many => sweep(shared, account).await?,
            };
            if shrink(shared, account, *count).await? {
                removed.remove(&account);
            }
            Ok(())
        };
        if let Err(error) = removing.await {
            for account in std::iter::once(account).chain(all.into_keys()) {
                gone.look_through(account);
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Removes messages that no mailbox of the account holds any more; how many.
async fn remove(
    shared: &Arc<Shared>,
    account: AccountId,
    emails: Vec<EmailId>,
) -> Result<u64, Error> {
    let at = Arc::clone(shared);
    let removing = move || {
        for emails in emails.chunks(SWEEP) {
            at.write_existing(account, |file| file.remove(emails))?;
        }
        Ok(emails.len() as u64)
    };
    shared.store.blocking(removing).await
}

/// Gives back what the account's file does not need any more, if it is much; all of it, when the account has no mail.
async fn shrink(shared: &Arc<Shared>, account: AccountId, removed: u64) -> Result<bool, Error> {
    let Some(files) = shared.account(account) else {
        return Ok(true);
    };
    let kept = Arc::clone(&files);
    let _following = kept.following.lock().await;
    let first = "SELECT id FROM email WHERE account = ?1 LIMIT 1";
    let mail = shared.store.read(move |snapshot| -> Result<_, Error> {
        sql::first(snapshot, first, params![account], |row| row.int(0))
    });
    let is_empty = mail.await?.is_none();
    let at = Arc::clone(shared);
    let shrinking = move || {
        if is_empty {
            // It is made again with the next message.
            return at.drop_file(account, &files).map(|()| true);
        }
        let shrunk = at.write_existing(account, |file| file.shrink(removed))?;
        Ok(shrunk.unwrap_or(true))
    };
    shared.store.blocking(shrinking).await
}

pub(super) async fn exists(shared: &Shared, account: AccountId) -> Result<bool, Error> {
    shared
        .store
        .read(move |snapshot| {
            let found = sql::first(
                snapshot,
                "SELECT account FROM account_usage WHERE account = ?1",
                params![account],
                |row| row.int(0),
            )?;
            Ok(found.is_some())
        })
        .await
}

/// Removes the account's messages that no mailbox holds any more; how many.
pub(super) async fn sweep(shared: &Arc<Shared>, account: AccountId) -> Result<u64, Error> {
    let mut after = EmailId(0);
    let mut removed = 0;
    loop {
        let at = Arc::clone(shared);
        let indexed = shared
            .store
            .blocking(move || at.write_existing(account, |file| file.documents(after, SWEEP)))
            .await?;
        let indexed = indexed.unwrap_or_default();
        let (Some(&first), Some(&last)) = (indexed.first(), indexed.last()) else {
            return Ok(removed);
        };
        let alive = alive(shared, account, first, last).await?;
        let gone: Vec<EmailId> = indexed
            .into_iter()
            .filter(|email| !alive.contains(email))
            .collect();
        if !gone.is_empty() {
            removed += gone.len() as u64;
            let at = Arc::clone(shared);
            shared
                .store
                .blocking(move || at.write(account, |file| file.remove(&gone)))
                .await?;
        }
        after = last;
    }
}

async fn alive(
    shared: &Shared,
    account: AccountId,
    first: EmailId,
    last: EmailId,
) -> Result<BTreeSet<EmailId>, Error> {
    shared
        .store
        .read(move |snapshot| {
            let mut alive = BTreeSet::new();
            snapshot.query(
                "SELECT id FROM email WHERE account = ?1 AND id >= ?2 AND id <= ?3",
                &[Value::from(account), Value::from(first), Value::from(last)],
                &mut |row| {
                    alive.insert(EmailId(row.int(0)?));
                    Ok(())
                },
            )?;
            Ok(alive)
        })
        .await
}
