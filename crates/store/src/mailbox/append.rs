//! A message comes into a mailbox.

use crate::{EmailId, Error, MailboxId, Topic, Tx, params};

use super::{
    Appended, NewMessage, account,
    head::{Counts, Head, signed},
    thread,
};

/// Puts a message into a mailbox: retains its body, seals its summary, finds its thread.
/// `check_quota` refuses what would exceed the account's limit. A refusal leaves the transaction as it was.
///
/// # Errors
/// [`Refusal::OverQuota`](crate::Refusal::OverQuota), no such mailbox, UIDs exhausted.
pub fn append(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    message: &NewMessage,
    check_quota: bool,
) -> Result<Appended, Error> {
    let mut head = Head::load(tx, mailbox)?;
    if check_quota {
        head.must_have_room(message.size)?;
    }
    let size = signed(message.size)?;
    let keywords = head
        .keywords
        .admit(tx, mailbox, &message.keywords)?
        .join(" ");
    let uid = head.take_uids(1)?;
    let modseq = head.take_modseq();
    tx.retain_body(message.body, head.account, head.account, 1)?;
    let summary = tx.seal_note(head.account, &message.summary)?;
    let thread = thread::find(tx, head.account, &message.references)?;
    let email = EmailId(tx.next_id());
    tx.execute(
        "INSERT INTO email (id, account, body, summary) VALUES (?1, ?2, ?3, ?4)",
        params![email, head.account, message.body, &summary],
    )?;
    tx.execute(
        "INSERT INTO message (mailbox, uid, email, thread, body, modseq, flags, keywords, size, internal_date, \
         save_date) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            mailbox,
            uid,
            email,
            thread,
            message.body,
            signed(modseq)?,
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
    account::add_usage(tx, head.account, &counts)?;
    tx.touch(Topic::Arrivals);
    Ok(Appended {
        uid_validity: head.uid_validity,
        uid,
        modseq,
        email,
    })
}
