//! A message on its way into the store: sealed once, for the mailboxes and the queue together.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use store::{
    AccountId, BodyId, Error, Recorded, SealedBody, Store, Tx,
    mailbox::{self, Flags, NewMessage, SpecialUse},
    queue::{self, NewQueued},
};
use world::Panicked;

use crate::content::Digest;

/// Octets of a message that is sealed where it is: handing it to another thread would cost as much as the work.
const SMALL: usize = 32 << 10;

/// A sealed message and all the places that it goes to.
pub(crate) struct Parcel {
    sealed: SealedBody,
    contents: Contents,
}

/// Which mailbox of an account a message goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Folder {
    /// INBOX.
    #[default]
    Inbox,
    /// The one with the special use `\\Junk` (RFC 6154); INBOX where there is none.
    Junk,
}

struct Contents {
    body: BodyId,
    size: u64,
    accounts: BTreeSet<AccountId>,
    into: Folder,
    /// Accounts whose mailbox is another one.
    elsewhere: BTreeMap<AccountId, Folder>,
    queued: Vec<NewQueued>,
    digest: Digest,
}

impl Parcel {
    /// Seals `raw` for the INBOX of each of `accounts`, and for the queue as `queued` says how; body and size are filled in
    /// here. Long messages are compressed and encrypted where blocking is allowed.
    ///
    /// # Errors
    /// The store's: an account has no key any more, or the store is closing.
    pub(crate) async fn seal(
        store: &Store,
        raw: Vec<u8>,
        accounts: BTreeSet<AccountId>,
        mut queued: Vec<NewQueued>,
    ) -> Result<Self, Error> {
        let sealing = store.clone();
        let is_small = raw.len() <= SMALL;
        let work = move || {
            let mut owners: Vec<AccountId> = accounts.iter().copied().collect();
            owners.extend((!queued.is_empty()).then_some(AccountId::QUEUE));
            let sealed = sealing.seal(&raw, &owners)?;
            let digest = if accounts.is_empty() {
                Digest::default()
            } else {
                Digest::of(&raw)
            };
            for queued in &mut queued {
                queued.body = sealed.id;
                queued.size = sealed.size;
            }
            let contents = Contents {
                body: sealed.id,
                size: sealed.size,
                accounts,
                into: Folder::default(),
                elsewhere: BTreeMap::new(),
                queued,
                digest,
            };
            Ok(Self { sealed, contents })
        };
        if is_small {
            // As there: whatever a message does to the work, its session goes on and says so.
            return catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|panic| Err(Panicked::from_payload(panic.as_ref()).into()));
        }
        store.blocking(work).await
    }

    /// The body that it is kept as.
    pub(crate) fn body(&self) -> BodyId {
        self.contents.body
    }

    /// The same, for another mailbox of its accounts; those in `elsewhere` have one of their own.
    pub(crate) fn into_mailbox(
        mut self,
        into: Folder,
        elsewhere: BTreeMap<AccountId, Folder>,
    ) -> Self {
        self.contents.into = into;
        self.contents.elsewhere = elsewhere;
        self
    }
}

impl Contents {
    /// Puts the message where it goes. Quotas were checked at RCPT: what was promised then is kept, so that
    /// nothing is accepted and then bounced.
    fn put(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        for account in &self.accounts {
            let junk = match *self.elsewhere.get(account).unwrap_or(&self.into) {
                Folder::Inbox => None,
                Folder::Junk => mailbox::by_special_use(tx, *account, SpecialUse::Junk)?,
            };
            let place = match junk {
                Some(junk) => junk,
                None => mailbox::by_name(tx, *account, "INBOX")?
                    .ok_or_else(|| Error::NotFound(format!("the INBOX of account {account}")))?,
            };
            let message = NewMessage {
                body: self.body,
                size: self.size,
                flags: Flags::default(),
                keywords: Vec::new(),
                internal_date: tx.now(),
                summary: self.digest.summary.clone(),
                references: self.digest.references.clone(),
            };
            mailbox::append(tx, place.id, &message, false)?;
        }
        self.queued
            .iter()
            .try_for_each(|queued| queue::enqueue(tx, queued))
    }
}

/// Commits `parcels` and what `work` does, in one transaction.
///
/// # Errors
/// The store's; then nothing of it has happened.
pub(crate) async fn commit<T, E>(
    store: &Store,
    parcels: Vec<Parcel>,
    work: impl FnOnce(&mut Tx<'_>) -> Result<Recorded<T>, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (bodies, contents): (Vec<_>, Vec<_>) = parcels
        .into_iter()
        .map(|parcel| (parcel.sealed, parcel.contents))
        .unzip();
    let receipt = store
        .commit(bodies, move |tx| {
            for contents in &contents {
                contents.put(tx)?;
            }
            work(tx)
        })
        .await?;
    Ok(receipt.value)
}

/// Records all of `events`, at least one, in one transaction.
///
/// # Errors
/// The store's; also when there is no event, since a transaction without one proves nothing.
pub(crate) fn record_all(tx: &mut Tx<'_>, events: &[trail::Event]) -> Result<Recorded<()>, Error> {
    let mut proof = None;
    for event in events {
        proof = Some(tx.record(event, ())?);
    }
    proof.ok_or_else(|| Error::Database("a transaction without an event".to_owned()))
}
