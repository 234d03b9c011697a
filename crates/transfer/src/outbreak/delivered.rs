//! Mail that came before the rule was made: found in the mailboxes by command, and on approval by a security officer pulled out of
//! them and set apart.

use std::{sync::Arc, time::Duration};

use directory::{Person, Role};
use jiff::Timestamp;
use malware::FileMark;
use message::{
    Address, Limits,
    header::{Header, parse_addresses},
};
use screening::outbreak::{Marks, Traits};
use serde::Serialize;
use store::{
    AccountId, BodyId, EmailId, Error, QueueId, Recorded, Tx,
    outbreak::{self as mail, Delivered, Found, Search, State},
    quarantine::{For, NewHeld, Place},
};
use trail::{By, Kind};

use super::{LONGEST, MOST_REASON, OutbreakError, RuleView, permit, table, text};
use crate::{Transfer, content, text::path, trace};

/// Messages that one rule may mean in all mailboxes.
pub const MOST_FOUND: usize = 20_000;
/// Messages whose places are read at a time.
const PAGE: u32 = 500;
/// Characters of what a rule means that are kept.
const MOST_WHAT: usize = 200;

/// What a search found so far, or in the end.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Messages that were looked at.
    pub looked: u64,
    /// Those that the rule means.
    pub found: u64,
    /// Accounts that have them.
    pub accounts: u64,
    /// Messages that could not be read; the log says why.
    pub unreadable: u64,
}

/// A message that was found.
#[derive(Clone, Debug, Serialize)]
pub struct FoundView {
    /// Its EMAILID.
    pub email: String,
    /// The account's address; `None`: it is deleted.
    pub account: Option<String>,
    /// What of it the rule means.
    pub what: String,
    /// `found`, `pulled` or `gone`.
    pub state: &'static str,
    /// The id under which it is set apart.
    pub held: Option<String>,
}

/// What became of the messages that were to be pulled.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Pulled {
    /// Messages that are set apart now.
    pub pulled: u64,
    /// Messages that their owners had deleted.
    pub gone: u64,
    /// Messages that could not be pulled; the log says why. They stay found.
    pub failed: u64,
}

/// Looks through all mail of all accounts that came within `time` for what the rule means, and notes it. `tell` hears how far it is.
///
/// # Errors
/// [`OutbreakError`]: then nothing is noted.
pub async fn search(
    transfer: &Transfer,
    caller: &Person,
    number: i64,
    time: Duration,
    tell: &mut (dyn FnMut(&Tally) + Send),
) -> Result<Tally, OutbreakError> {
    permit(caller)?;
    if !(Duration::from_secs(60)..=LONGEST).contains(&time) {
        return Err(OutbreakError::Time);
    }
    let store = transfer.store();
    let rule = rule(transfer, number).await?;
    let marks = Arc::new(rule.marks);
    let since = store.now() - time;
    let (mut after, mut tally, mut found) = (mail::before(since), Tally::default(), Vec::new());
    let mut last: Option<(BodyId, Option<String>)> = None;
    loop {
        let from = after;
        let page = store
            .read(move |sql| mail::delivered(sql, from, PAGE))
            .await?;
        let Some(end) = page.last() else { break };
        after = end.email;
        for delivered in page {
            tally.looked = tally.looked.saturating_add(1);
            let what = match &last {
                // The same message to several people, one after the other.
                Some((body, what)) if *body == delivered.body => what.clone(),
                _ => match look(transfer, &delivered, &marks).await {
                    Ok(what) => what,
                    // It was deleted just now, or its account.
                    Err(Error::NotFound(_) | Error::NoKey(_)) => None,
                    Err(Error::Corrupt(why)) => {
                        tally.unreadable = tally.unreadable.saturating_add(1);
                        tracing::error!(email = %delivered.email, why, "a message cannot be searched");
                        None
                    }
                    Err(error) => return Err(error.into()),
                },
            };
            if let Some(what) = &what {
                if found.len() >= MOST_FOUND {
                    return Err(OutbreakError::TooMuchFound);
                }
                found.push(Found {
                    delivered,
                    what: what.clone(),
                    state: State::Found,
                });
                tally.found = tally.found.saturating_add(1);
            }
            last = Some((delivered.body, what));
        }
        tell(&tally);
    }
    let mut accounts: Vec<AccountId> = found.iter().map(|one| one.delivered.account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    tally.accounts = accounts.len() as u64;
    note(transfer, caller, (number, since), &tally, found).await?;
    Ok(tally)
}

async fn note(
    transfer: &Transfer,
    caller: &Person,
    (rule, since): (i64, Timestamp),
    tally: &Tally,
    found: Vec<Found>,
) -> Result<(), Error> {
    let (by, tally) = (caller.by(), tally.clone());
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
        let search = Search {
            rule,
            searched_by: by.name(),
            searched_at: tx.now(),
            since,
            looked: tally.looked,
            unreadable: tally.unreadable,
        };
        mail::note_search(tx, &search, &found)?;
        let event = by
            .event(Kind::OutbreakSearched)
            .subject(rule.to_string())
            .detail("since", since.to_string())
            .detail("looked", tally.looked)
            .detail("found", tally.found)
            .detail("accounts", tally.accounts)
            .detail("unreadable", tally.unreadable);
        tx.record(&event, ())
    };
    transfer.store().commit(Vec::new(), work).await?;
    Ok(())
}

/// What of a message the rule means.
async fn look(
    transfer: &Transfer,
    delivered: &Delivered,
    marks: &Arc<Marks>,
) -> Result<Option<String>, Error> {
    let store = transfer.store();
    let raw = store.body(delivered.account, delivered.body).await?;
    // What can be seen from outside needs nobody who looks into it, and stands if nobody can.
    let shown = Arc::clone(marks);
    let look = move || {
        let what = means(&shown, &raw, &[]);
        Ok::<_, Error>((raw, what))
    };
    let (raw, what) = store.blocking(look).await?;
    if what.is_some() || !marks.of_parts() {
        return Ok(what);
    }
    let files = inside(transfer, trace::as_it_came(&raw)).await?;
    let marks = Arc::clone(marks);
    store
        .blocking(move || Ok(means(&marks, &raw, &files)))
        .await
}

/// What rules may know the files by that lie in a message, however deep; none where the site has nobody look into attachments.
pub(super) async fn inside(transfer: &Transfer, raw: &[u8]) -> Result<Vec<FileMark>, Error> {
    let scanners = transfer.scanners();
    let Some(workers) = scanners.as_ref().and_then(|all| all.workers.as_ref()) else {
        return Ok(Vec::new());
    };
    let facts = workers.inspect(raw).await;
    // Not known is not "not meant".
    let facts =
        facts.map_err(|error| Error::Corrupt(format!("it cannot be looked into: {error}")))?;
    Ok(facts.files)
}

fn means(marks: &Marks, raw: &[u8], files: &[FileMark]) -> Option<String> {
    let sender = sender(raw);
    let traits = Traits::of(
        sender.as_ref(),
        trace::as_it_came(raw),
        marks.sha256.is_some(),
    );
    let what = marks.meets(&traits.with_files(files))?;
    Some(what.chars().take(MOST_WHAT).collect())
}

/// The envelope's sender, which delivery wrote on top.
fn sender(raw: &[u8]) -> Option<Address> {
    let header = Header::named(raw, &["return-path"], 1);
    let value = header.unfolded("return-path")?;
    let items = parse_addresses(&value, &Limits::default());
    let mut mailboxes = items
        .iter()
        .filter_map(message::header::AddressItem::mailbox);
    mailboxes.find_map(message::header::Mailbox::address)
}

async fn rule(transfer: &Transfer, number: i64) -> Result<RuleView, OutbreakError> {
    let read = move |snapshot: &mut store::Snapshot<'_>| table::one(snapshot, number);
    let rule = transfer.store().read(read).await?;
    rule.ok_or(OutbreakError::NoSuch(number))
}

/// What the searches of a rule found, the first that came first, each with what became of it.
///
/// # Errors
/// [`OutbreakError`].
pub async fn found(
    transfer: &Transfer,
    caller: &Person,
    number: i64,
) -> Result<Vec<FoundView>, OutbreakError> {
    permit(caller)?;
    let mut views = Vec::new();
    for one in all_found(transfer, number).await?.1 {
        let address = transfer
            .directory()
            .main_address(one.delivered.account)
            .await?;
        let (state, held) = match one.state {
            State::Found => ("found", None),
            State::Gone => ("gone", None),
            State::Pulled(held) => ("pulled", Some(held.to_string())),
        };
        views.push(FoundView {
            email: one.delivered.email.to_string(),
            account: address.map(|address| address.to_string()),
            what: one.what,
            state,
            held,
        });
    }
    Ok(views)
}

async fn all_found(
    transfer: &Transfer,
    number: i64,
) -> Result<(Search, Vec<Found>), OutbreakError> {
    let read = move |snapshot: &mut store::Snapshot<'_>| -> Result<_, Error> {
        let Some(search) = mail::search(snapshot, number)? else {
            return Ok(None);
        };
        let (mut all, mut after) = (Vec::new(), EmailId(0));
        loop {
            let page = mail::found(snapshot, number, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.delivered.email;
            all.extend(page);
        }
        Ok(Some((search, all)))
    };
    let found = transfer.store().read(read).await?;
    found.ok_or(OutbreakError::NotSearched(number))
}

/// Pulls all that was found out of the mailboxes and sets it apart; only an administrator may release it. Each message is a commit
/// with its event. Takes a security officer, and another person than the one who searched, unless the site has only one.
///
/// # Errors
/// [`OutbreakError`]; what was pulled until then is pulled.
pub async fn pull(
    transfer: &Transfer,
    caller: &Person,
    number: i64,
    reason: &str,
    tell: &mut (dyn FnMut(&Pulled) + Send),
) -> Result<Pulled, OutbreakError> {
    if !caller.has(Role::SecurityOfficer) {
        return Err(OutbreakError::NotAnOfficer(caller.name.clone()));
    }
    let reason = text("the reason", reason, MOST_REASON)?;
    let (search, all) = all_found(transfer, number).await?;
    let single = search.searched_by == caller.name;
    if single && !transfer.directory().permits_single_person().await? {
        return Err(OutbreakError::SecondPerson);
    }
    let approval = Approval {
        rule: number,
        by: caller.by(),
        reason,
        single,
    };
    let mut done = Pulled::default();
    for one in all.into_iter().filter(|one| one.state == State::Found) {
        let count = match pull_one(transfer, &approval, one.delivered).await {
            Ok(true) => &mut done.pulled,
            Ok(false) => &mut done.gone,
            // Somebody else pulled it just now, or its account was deleted, and what was found of it.
            Err(Error::NotFound(_)) => continue,
            // One damaged message does not keep the others in the mailboxes.
            Err(Error::Corrupt(why)) => {
                tracing::error!(email = %one.delivered.email, why, "a message cannot be pulled");
                &mut done.failed
            }
            Err(error) => return Err(error.into()),
        };
        *count = count.saturating_add(1);
        tell(&done);
    }
    tracing::warn!(
        rule = number,
        pulled = done.pulled,
        "mail was pulled out of mailboxes"
    );
    Ok(done)
}

/// Who approved, and why.
#[derive(Clone)]
struct Approval {
    rule: i64,
    by: By,
    reason: String,
    single: bool,
}

/// `false`: it is in no mailbox any more.
async fn pull_one(
    transfer: &Transfer,
    approval: &Approval,
    delivered: Delivered,
) -> Result<bool, Error> {
    let store = transfer.store();
    let address = transfer.directory().main_address(delivered.account).await?;
    let address = address
        .ok_or_else(|| Error::NotFound(format!("an address of account {}", delivered.account)))?;
    let held = match store.body(delivered.account, delivered.body).await {
        Ok(raw) => {
            let of = (delivered, &address);
            Some(held(transfer, approval.rule, of, &raw))
        }
        // Its owner had deleted it.
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let approval = approval.clone();
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<bool>, Error> {
        let is_pulled = mail::pull(tx, approval.rule, &delivered, held.as_ref())?;
        let mut event = approval
            .by
            .event(Kind::OutbreakPulled)
            .subject(approval.rule.to_string())
            .detail("email", delivered.email.to_string())
            .detail("account", address.to_string())
            .detail("reason", approval.reason.as_str());
        if let Some(held) = &held {
            event = event
                .detail("sender", path(held.sender.as_ref()))
                .detail("message_id", held.message_id.as_str());
        }
        event = match &held {
            Some(held) if is_pulled => event
                .detail("held", held.id.to_string())
                .detail("until", held.until.to_string()),
            _ => event.outcome(trail::Outcome::Failure),
        };
        if approval.single {
            event = event.detail("single_person", true);
        }
        tx.record(&event, is_pulled)
    };
    Ok(store.commit(Vec::new(), work).await?.value)
}

/// What is pulled, for the rule of this number.
fn held(
    transfer: &Transfer,
    rule: i64,
    (delivered, address): (Delivered, &Address),
    raw: &[u8],
) -> NewHeld {
    let store = transfer.store();
    NewHeld {
        id: QueueId(store.next_id()),
        body: delivered.body,
        size: raw.len() as u64,
        sender: sender(raw),
        smtputf8: false,
        require_tls: false,
        body_type: 0,
        message_id: content::message_id(raw),
        cause: screening::Cause::OutbreakRule.as_str().to_owned(),
        criterion: rule.to_string(),
        strict: true,
        until: store.now() + transfer.settings().quarantine_time,
        recipients: vec![For {
            address: address.clone(),
            place: Place::Here(delivered.account),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivered_mail_is_known_by_what_it_was_when_it_came() {
        let came = "From: <x@else.example>\r\nSubject: a\r\n\r\nb\r\n";
        let stored = format!(
            "Return-Path: <bounce@else.example>\r\nAuthentication-Results: here;\r\n none\r\nReceived: from a\r\n\tby b; c\r\n{came}"
        );
        let marks = |sha256: Option<String>, sender: Option<&str>| Marks {
            sha256,
            sender: sender.map(str::to_owned),
            ..Marks::default()
        };
        // Of what came, without what delivery wrote on top.
        let digest = "d3d2ae3954a1bccf972823e5acc24c5414055ab0926f73c6c7b3c8721cc73cbc".to_owned();
        assert!(means(&marks(Some(digest), None), stored.as_bytes(), &[]).is_some());
        assert!(
            means(
                &marks(None, Some("bounce@else.example")),
                stored.as_bytes(),
                &[]
            )
            .is_some()
        );
        assert!(
            means(
                &marks(None, Some("another.example")),
                stored.as_bytes(),
                &[]
            )
            .is_none()
        );
    }
}
