//! Flags and keywords change (IMAP STORE).

use std::collections::BTreeMap;

use crate::{Error, MailboxId, Tx, batch, sql::Value};

use super::{
    FlagChange, FlagMode, Flags, FlagsChanged, Marks,
    head::{Counts, Head, signed},
    news::each_of,
    read::widened,
};

/// Changes flags. Messages whose flags do not change keep their MODSEQ; those that do share a new one.
///
/// # Errors
/// When the database fails, or a limit on keywords is reached.
pub fn change_flags(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    uids: &[u32],
    change: &FlagChange,
    unchanged_since: Option<u64>,
) -> Result<FlagsChanged, Error> {
    let mut head = Head::load(tx, mailbox)?;
    let named = named_keywords(tx, &mut head, change)?;
    let mut result = FlagsChanged::default();
    let mut counts = Counts::default();
    let mut groups: BTreeMap<(u8, String), Vec<u32>> = BTreeMap::new();
    let mut modseq = None;
    each_of(tx, mailbox, uids, &mut |marks| {
        if unchanged_since.is_some_and(|since| marks.modseq > since) {
            result.modified.push(marks.uid);
            return Ok(());
        }
        let flags = changed_flags(marks.flags, change);
        let keywords = changed_keywords(marks.keywords, &named, change.mode);
        if flags == marks.flags && keywords.is_none() {
            result.messages.add(marks);
            return Ok(());
        }
        let keywords = keywords.as_deref().unwrap_or(marks.keywords);
        if keywords.len() > super::MAX_KEYWORDS {
            return Err(crate::Refusal::Limit("keywords of one message (64)").into());
        }
        counts.add_flags(marks.flags, -1);
        counts.add_flags(flags, 1);
        let group = (flags.0, keywords.join(" "));
        groups.entry(group).or_default().push(marks.uid);
        result.messages.add(Marks {
            uid: marks.uid,
            modseq: *modseq.get_or_insert_with(|| head.take_modseq()),
            flags,
            keywords,
        });
        Ok(())
    })?;
    if let Some(modseq) = modseq {
        for ((flags, keywords), uids) in &groups {
            write(tx, mailbox, signed(modseq)?, *flags, keywords, uids)?;
        }
        head.save(tx, &counts)?;
    }
    Ok(result)
}

/// The keywords that the change names, as the mailbox spells them. One that is only removed is not learnt.
fn named_keywords(
    tx: &mut Tx<'_>,
    head: &mut Head,
    change: &FlagChange,
) -> Result<Vec<String>, Error> {
    if change.mode == FlagMode::Remove {
        return Ok(change
            .keywords
            .iter()
            .filter_map(|word| head.keywords.spelling(word))
            .map(str::to_owned)
            .collect());
    }
    let mailbox = head.id;
    head.keywords.admit(tx, mailbox, &change.keywords)
}

fn changed_flags(old: Flags, change: &FlagChange) -> Flags {
    match change.mode {
        FlagMode::Replace => change.flags,
        FlagMode::Add => old.with(change.flags),
        FlagMode::Remove => old.without(change.flags),
    }
}

/// The new keywords, or `None` when they stay. Both lists are sorted and in the mailbox's spelling.
fn changed_keywords(old: &[String], named: &[String], mode: FlagMode) -> Option<Vec<String>> {
    match mode {
        FlagMode::Replace => (old != named).then(|| named.to_vec()),
        FlagMode::Add => {
            let new: Vec<&String> = named.iter().filter(|word| !old.contains(word)).collect();
            (!new.is_empty()).then(|| {
                let mut all = old.to_vec();
                all.extend(new.into_iter().cloned());
                all.sort_unstable();
                all
            })
        }
        FlagMode::Remove => old.iter().any(|word| named.contains(word)).then(|| {
            let mut rest = old.to_vec();
            rest.retain(|word| !named.contains(word));
            rest
        }),
    }
}

fn write(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    modseq: i64,
    flags: u8,
    keywords: &str,
    uids: &[u32],
) -> Result<(), Error> {
    for list in batch::lists(&widened(uids)) {
        let statement = format!(
            "UPDATE message SET modseq = ?2, flags = ?3, keywords = ?4 WHERE mailbox = ?1 AND uid IN ({})",
            batch::marks(5, list.len())
        );
        let mut params = vec![
            Value::from(mailbox),
            Value::Int(modseq),
            Value::from(flags),
            Value::Text(keywords),
        ];
        params.extend(list.iter().map(|uid| Value::Int(*uid)));
        tx.execute(&statement, &params)?;
    }
    Ok(())
}
