//! The `quarantine` commands, which the CLI and the pages share: an administrator's reach all mail that is set apart; everybody
//! else's reach what is for their own accounts, and release nothing that is dangerous to whoever opens it.

use directory::{Person, Role};
use jiff::Timestamp;
use serde::Serialize;
use store::{
    AccountId, Error, QueueId, event,
    event::Filter,
    quarantine::{self, ByCause, Held, Selection},
};
use trail::By;

use super::CommandError;
use crate::{
    Transfer, outbreak,
    quarantine::{PAGE, delete as delete_one, digest::words, purge, release as release_one},
};

/// Who gives a command, and how far it reaches.
#[derive(Clone, Debug)]
pub struct Reach {
    by: By,
    /// `None`: all of it.
    owners: Option<Vec<AccountId>>,
}

impl Reach {
    /// A person's: all for an administrator, else what is for the accounts that they hold or share.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(transfer: &Transfer, person: &Person) -> Result<Self, Error> {
        let owners = match person.has(Role::Administrator) {
            true => None,
            false => Some(transfer.directory().accounts_of(&person.name).await?),
        };
        Ok(Self {
            by: person.by(),
            owners,
        })
    }

    /// What is for these accounts, for `person`.
    #[must_use]
    pub fn own(person: &str, accounts: Vec<AccountId>) -> Self {
        Self {
            by: By::from(person),
            owners: Some(accounts),
        }
    }

    fn is_all(&self) -> bool {
        self.owners.is_none()
    }

    /// `selection`, of what it reaches.
    fn within(&self, mut selection: Selection) -> Selection {
        if let Some(owners) = &self.owners {
            selection.owners = Some(owners.clone());
        }
        selection
    }
}

/// One message that is set apart, for tables and JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Apart {
    /// Its id, as in the reply to it.
    pub id: String,
    /// When it was set apart.
    pub since: Timestamp,
    /// When it is deleted.
    pub until: Timestamp,
    /// Return path; `<>` is the null sender.
    pub sender: String,
    /// Author and subject as they stand in the message, shortened; empty when it cannot be opened, and in an administrator's
    /// list: others' mail is looked into one by one, on the record.
    pub from: String,
    /// As `from`.
    pub subject: String,
    /// Octets.
    pub size: u64,
    /// Why.
    pub cause: String,
    /// Which of the site's criteria of that cause: a DNS list, a rule, a tag, a milter; empty where there is but one.
    pub criterion: String,
    /// Whether only an administrator may release it.
    pub strict: bool,
    /// Whom it is still for, of those whom the caller may know of.
    pub recipients: Vec<String>,
}

/// What a command did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Recipients that it was done for.
    pub recipients: usize,
    /// Messages that stay, since only an administrator may release them.
    pub kept: usize,
    /// Messages that stay, since they cannot be opened; the log tells why.
    pub damaged: usize,
}

/// How often mail was set apart or marked for one criterion, and what became of it, within the time that was asked for. A message that
/// was set apart counts once, for however many it was and however many of them decided on it; one that was marked, once for each mailbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The cause.
    pub cause: String,
    /// Which of the site's criteria of that cause; empty where there is but one.
    pub criterion: String,
    /// Messages set apart.
    pub kept: u64,
    /// Those of `kept` that anybody released.
    pub kept_released: u64,
    /// Messages that anybody released, whenever they were set apart: they should not have been kept from them.
    pub released: u64,
    /// Messages that were deleted by command, and that nobody released.
    pub deleted: u64,
    /// Messages that nobody released or deleted until their time was over.
    pub expired: u64,
    /// `released` of what was decided by somebody or by time, in percent: wrongly set apart, as far as people said. `None`: nothing
    /// was decided yet.
    pub wrong_percent: Option<f64>,
    /// Put into Junk mailboxes; never less than `returned`, of which some may have come before.
    pub marked: u64,
    /// Taken out of Junk by their holders: it should not have been put there.
    pub returned: u64,
    /// `returned` of `marked`, in percent. `None`: nothing was marked.
    pub returned_percent: Option<f64>,
}

/// The answer to `list`, in pages.
pub struct Pages {
    transfer: Transfer,
    selection: Selection,
    after: Option<QueueId>,
    /// Whether messages are opened.
    opens: bool,
}

impl Pages {
    /// Whether there is another page, perhaps an empty one.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.after.is_some()
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// The store's.
    pub async fn next(&mut self) -> Result<Option<Vec<Apart>>, CommandError> {
        let Some(after) = self.after else {
            return Ok(None);
        };
        let page = read(&self.transfer, &self.selection, after).await?;
        self.after = page.next;
        let mut shown = Vec::with_capacity(page.held.len());
        for held in &page.held {
            let words = match self.opens {
                true => opened(&self.transfer, held).await,
                false => Default::default(),
            };
            shown.push(apart(held, words));
        }
        shown.extend(page.damaged.iter().map(damaged));
        Ok(Some(shown))
    }
}

/// What is set apart and selected, oldest first.
#[must_use]
pub fn list(transfer: &Transfer, reach: &Reach, selection: Selection) -> Pages {
    Pages {
        selection: reach.within(selection),
        transfer: transfer.clone(),
        after: Some(QueueId(0)),
        opens: !reach.is_all(),
    }
}

/// One message.
///
/// # Errors
/// [`CommandError::NoSuchApart`], also when it is none of the caller's; the store's.
pub async fn show(transfer: &Transfer, reach: &Reach, id: QueueId) -> Result<Apart, CommandError> {
    let selection = Selection {
        ids: vec![id],
        ..Selection::default()
    };
    let mut pages = Pages {
        opens: true,
        ..list(transfer, reach, selection)
    };
    let page = pages.next().await?.unwrap_or_default();
    let found = page.into_iter().find(|apart| apart.id == id.to_string());
    found.ok_or(CommandError::NoSuchApart(id))
}

/// Gives what is selected to those it is for.
///
/// # Errors
/// [`CommandError`]; what was done before it stays done.
pub async fn release(
    transfer: &Transfer,
    reach: &Reach,
    selection: Selection,
) -> Result<Done, CommandError> {
    let selection = reach.within(selection);
    let (mut after, mut done) = (QueueId(0), Done::default());
    loop {
        let page = read(transfer, &selection, after).await?;
        for held in &page.held {
            match release_if_allowed(transfer, reach, held).await {
                Ok(Some(released)) => done.recipients = done.recipients.saturating_add(released),
                Ok(None) => done.kept = done.kept.saturating_add(1),
                // The others are released all the same.
                Err(error @ (Error::Corrupt(_) | Error::NotFound(_) | Error::NoKey(_))) => {
                    tracing::error!(id = %held.message.id, %error, "mail that is set apart cannot be released");
                    done.damaged = done.damaged.saturating_add(1);
                }
                Err(error) => return Err(error.into()),
            }
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(done),
        }
    }
}

/// Gives one message to those it is for; `None`: only an administrator may, since it is dangerous, or a rule against an outbreak that is
/// in force means it.
async fn release_if_allowed(
    transfer: &Transfer,
    reach: &Reach,
    held: &Held,
) -> Result<Option<usize>, Error> {
    if !reach.is_all() && (held.message.strict || outbreak::is_meant(transfer, held).await?) {
        return Ok(None);
    }
    release_one(transfer, held, &reach.by).await.map(Some)
}

/// Deletes what is selected. An administrator who names a message by its id deletes it whatever is wrong with its rows.
///
/// # Errors
/// [`CommandError`]; what was done before it stays done.
pub async fn delete(
    transfer: &Transfer,
    reach: &Reach,
    selection: Selection,
) -> Result<Done, CommandError> {
    let named = match reach.is_all() {
        true => selection.ids.clone(),
        false => Vec::new(),
    };
    let selection = reach.within(selection);
    let (mut after, mut done) = (QueueId(0), Done::default());
    loop {
        let page = read(transfer, &selection, after).await?;
        for held in &page.held {
            let deleted = delete_one(transfer, held, &reach.by).await?;
            done.recipients = done.recipients.saturating_add(deleted);
        }
        for (id, _) in page.damaged.iter().filter(|(id, _)| named.contains(id)) {
            let deleted = purge(transfer, *id, &reach.by).await?;
            done.recipients = done.recipients.saturating_add(deleted);
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(done),
        }
    }
}

/// How often mail was set apart or marked since `from`, and what became of it, by criterion. From the trail, as far as it is here.
///
/// # Errors
/// [`CommandError::NotPermitted`] unless the caller is an administrator; the store's.
pub async fn figures(
    transfer: &Transfer,
    caller: &Person,
    from: Timestamp,
) -> Result<Vec<Figures>, CommandError> {
    super::permit(transfer.store(), caller, "quarantine figures").await?;
    let mut filter = Filter {
        from: Some(from),
        kinds: ByCause::KINDS.to_vec(),
        ..Filter::default()
    };
    let mut counted = ByCause::since(from);
    loop {
        let wanted = filter.clone();
        let events = transfer
            .store()
            .read(move |snapshot| event::search(snapshot, &wanted, PAGE))
            .await?;
        for recorded in &events {
            counted.take(&recorded.event);
        }
        match events.last() {
            Some(last) if events.len() == PAGE => filter.after = Some(last.id),
            _ => break,
        }
    }
    let percent = |tenths: u32| f64::from(tenths) / 10.0;
    let figures = counted.iter().map(|(criterion, one)| Figures {
        cause: criterion.cause.clone(),
        criterion: criterion.name.clone(),
        kept: one.kept,
        kept_released: one.kept_released,
        released: one.released,
        deleted: one.deleted,
        expired: one.expired,
        wrong_percent: one.wrong().map(percent),
        marked: one.marked,
        returned: one.returned,
        returned_percent: one.wrongly_marked().map(percent),
    });
    Ok(figures.collect())
}

async fn read(
    transfer: &Transfer,
    selection: &Selection,
    after: QueueId,
) -> Result<quarantine::Page, Error> {
    let wanted = selection.clone();
    transfer
        .store()
        .read(move |sql| quarantine::select(sql, &wanted, after, PAGE))
        .await
}

/// Author and subject; empty when the message cannot be opened.
async fn opened(transfer: &Transfer, held: &Held) -> (String, String) {
    let Some(first) = held.recipients.first() else {
        return Default::default();
    };
    let (owner, body) = (first.to.place.owner(), held.message.body);
    match transfer.store().body(owner, body).await {
        Ok(raw) => words(&raw),
        Err(error) => {
            tracing::error!(id = %held.message.id, %error, "mail that is set apart cannot be opened");
            Default::default()
        }
    }
}

fn apart(held: &Held, (from, subject): (String, String)) -> Apart {
    let message = &held.message;
    let names = held.recipients.iter().map(|one| one.to.address.to_string());
    Apart {
        id: message.id.to_string(),
        since: held.since,
        until: message.until,
        sender: crate::text::path(message.sender.as_ref()),
        from,
        subject,
        size: message.size,
        cause: message.cause.clone(),
        criterion: message.criterion.clone(),
        strict: message.strict,
        recipients: names.collect(),
    }
}

/// What cannot be read, so that somebody sees it.
fn damaged((id, error): &(QueueId, Error)) -> Apart {
    Apart {
        id: id.to_string(),
        since: Timestamp::UNIX_EPOCH,
        until: Timestamp::UNIX_EPOCH,
        sender: String::new(),
        from: String::new(),
        subject: error.to_string(),
        size: 0,
        cause: "damaged".to_owned(),
        criterion: String::new(),
        strict: true,
        recipients: Vec::new(),
    }
}
