//! Mail that a repair gives back to its owner.

use jiff::Timestamp;

use crate::{AccountId, BodyId, EmailId, Error, MailboxId, ThreadId, Topic, Tx, params};

use super::{
    Flags, account,
    head::{Counts, Head, signed},
    thread, tree,
};

/// The mailbox that it comes into.
const NAME: &str = "Recovered";

/// A message whose row is there, and that no mailbox shows.
pub(crate) struct Returning {
    pub(crate) email: EmailId,
    pub(crate) body: BodyId,
    pub(crate) size: u64,
    pub(crate) flags: Flags,
    pub(crate) keywords: Vec<String>,
    pub(crate) internal_date: Timestamp,
    /// Its thread, if that is known.
    pub(crate) thread: Option<ThreadId>,
    /// What its thread is found by otherwise.
    pub(crate) references: Vec<String>,
}

/// The mailbox for mail that is given back to `account`; made and subscribed when there is none.
pub(crate) fn recovered(tx: &mut Tx<'_>, account: AccountId) -> Result<MailboxId, Error> {
    match tree::by_name(tx, account, NAME)? {
        Some(found) if found.selectable => Ok(found.id),
        _ => {
            let made = tree::create(tx, account, NAME, None)?;
            tree::subscribe(tx, account, NAME, true)?;
            Ok(made.id)
        }
    }
}

/// Puts a message into [`recovered`], whatever the account's limit says: it was kept before.
pub(crate) fn put_back(
    tx: &mut Tx<'_>,
    owner: AccountId,
    message: &Returning,
) -> Result<(MailboxId, u32), Error> {
    let mailbox = recovered(tx, owner)?;
    let mut head = Head::load(tx, mailbox)?;
    let keywords = head
        .keywords
        .admit(tx, mailbox, &message.keywords)?
        .join(" ");
    let uid = head.take_uids(1)?;
    let modseq = signed(head.take_modseq())?;
    let thread = match message.thread {
        Some(thread) => thread,
        None => thread::find(tx, owner, &message.references)?,
    };
    let size = signed(message.size)?;
    tx.execute(
        "INSERT INTO message (mailbox, uid, email, thread, body, modseq, flags, keywords, size, internal_date, \
         save_date) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            mailbox,
            uid,
            message.email,
            thread,
            message.body,
            modseq,
            message.flags.0,
            &keywords,
            size,
            message.internal_date,
            tx.now()
        ],
    )?;
    let mut counts = Counts::default();
    counts.add(message.flags, message.size)?;
    head.save(tx, &counts)?;
    account::add_usage(tx, owner, &counts)?;
    tx.touch(Topic::Arrivals);
    Ok((mailbox, uid))
}
