//! An outbreak that no scanner knows yet (clause 5.2(2)): one command makes a rule that holds at once, for mail from outside and for
//! submissions, and where the site wants it for what clients append, and composes the notice to staff, which another person approves. A rule ends by its date, or by command.

mod delivered;
mod release;
mod table;
mod warning;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use directory::{Person, Role};
use jiff::Timestamp;
use malware::FileMark;
use screening::outbreak::{
    Blocked, MOST_RULES, Marks, MarksError, Rule, RuleHandling, blocked, blocked_inside,
};
use serde::Serialize;
use store::{Error, Recorded, Tx};
use trail::{Actor, Event, Kind, Outcome};

use crate::{
    Transfer,
    notice::{self, Notice},
};

pub use delivered::{FoundView, MOST_FOUND, Pulled, Tally, found, pull, search};
pub(crate) use release::is_meant;
pub use table::RuleView;
pub use warning::{Composed, Waiting, approve, compose, digest_of, waiting};

/// Characters of a reason.
const MOST_REASON: usize = 500;
/// Characters of the words for staff.
const MOST_WORDS: usize = 4000;
/// A rule holds no longer: what has lasted so long is for the scanners and the settings.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// The rules that hold, each with its end; a change replaces them.
pub(crate) type Rules = ArcSwap<Vec<(Timestamp, Rule)>>;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OutbreakError {
    /// The person has no role for it.
    #[error("{0} may not do this: it needs the role of administrator or security-officer")]
    NotPermitted(String),
    /// The marks mean nothing.
    #[error(transparent)]
    Marks(#[from] MarksError),
    /// A reason, or words for staff, that are none.
    #[error("{0} must have 1 to {1} characters")]
    Text(&'static str, usize),
    /// How long it is to hold.
    #[error("a minute at least and 366 days at most are expected")]
    Time,
    /// There are too many.
    #[error("{MOST_RULES} rules hold already, the most there may be: `outbreak end` some")]
    TooMany,
    /// There is no such rule, or it has ended.
    #[error("there is no such rule, or it has ended: {0}")]
    NoSuch(i64),
    /// Nobody searched for what the rule means.
    #[error("nobody has searched for what rule {0} means: `outbreak search {0}`")]
    NotSearched(i64),
    /// The rule means too much.
    #[error(
        "the rule means more than {MOST_FOUND} messages in the mailboxes: make a narrower one, or look at fewer days"
    )]
    TooMuchFound,
    /// The person may not approve.
    #[error("{0} may not do this: it needs the role of security-officer")]
    NotAnOfficer(String),
    /// Who searched may not approve.
    #[error("another security officer than the one who searched must approve it")]
    SecondPerson,
    /// Nobody composed a notice.
    #[error("no notice about rule {0} was composed: `outbreak notice compose {0}`")]
    NoNotice(i64),
    /// The words that wait are not those that were shown to who approves.
    #[error(
        "these are not the words that wait to be approved about rule {0}: read them again with `outbreak show {0}`, which gives their digest"
    )]
    OtherWords(i64),
    /// Staff know already.
    #[error("staff were told of rule {0} already")]
    Told(i64),
    /// Who composed a notice may not approve it.
    #[error(
        "another administrator or security officer than the one who composed the notice must approve it"
    )]
    Composer,
    /// The notice would reach nobody.
    #[error("nobody has an account here that the notice could go to")]
    Nobody,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A rule to begin.
#[derive(Clone, Debug)]
pub struct Begin {
    /// What it means.
    pub marks: Marks,
    /// What it does.
    pub handling: RuleHandling,
    /// Why; kept in the trail.
    pub reason: String,
    /// How long it holds.
    pub time: Duration,
    /// What staff are to be told beside the marks, once another person approves it; `None`: nothing.
    pub notice: Option<String>,
}

/// A rule with what became of its notice.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The rule.
    #[serde(flatten)]
    pub rule: RuleView,
    /// Accounts that have the notice still.
    pub kept: u64,
    /// Accounts in which it was read.
    pub read: u64,
    /// The notice that waits to be approved, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Composed>,
}

impl Transfer {
    /// The rules that hold now.
    pub(crate) fn outbreak_rules(&self) -> Vec<Rule> {
        let all = self.rules().load();
        let now = self.store().now();
        let holding = all.iter().filter(|(end, _)| *end > now);
        holding.map(|(_, rule)| rule.clone()).collect()
    }

    /// The strictest rule that means a message that nobody sends, such as one that a client appends; `files` are those that an inspection saw
    /// in it.
    pub async fn blocked(&self, message: &Bytes, files: &[FileMark]) -> Option<Blocked> {
        let rules = self.outbreak_rules();
        if rules.is_empty() {
            return None;
        }
        let (message, files) = (message.clone(), files.to_vec());
        let look = move || match (
            blocked(&rules, None, &message),
            blocked_inside(&rules, None, &message, &files),
        ) {
            (Some(one), Some(other)) => Some(one.or_stricter(other)),
            (one, other) => one.or(other),
        };
        match self.world().blocking(look).await {
            Ok(blocked) => blocked,
            Err(panic) => {
                tracing::error!(%panic, "reading a message failed");
                Some(not_known())
            }
        }
    }

    /// Reads the rules anew: at the start, before anybody comes in, and after a change that was made elsewhere.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read_outbreak_rules(&self) -> Result<(), Error> {
        let read = |snapshot: &mut store::Snapshot<'_>| {
            table::open(snapshot, &mut |error| {
                tracing::error!(%error, "a rule against an outbreak cannot be read; the others hold");
            })
        };
        let open = self.store().read(read).await?;
        let rules = open.iter().map(|open| (open.ends_at, open.rule()));
        self.rules().store(Arc::new(rules.collect()));
        Ok(())
    }
}

/// Begins a rule. It holds when this returns. A notice to staff is composed with it unless none is wanted, and whoever may approve it is
/// asked by mail, in the same commit.
///
/// # Errors
/// [`OutbreakError`]: then nothing has happened.
pub async fn begin(
    transfer: &Transfer,
    caller: &Person,
    begin: Begin,
) -> Result<RuleView, OutbreakError> {
    permit(caller)?;
    let marks = begin.marks.checked()?;
    let reason = text("the reason", &begin.reason, MOST_REASON)?;
    if !(Duration::from_secs(60)..=LONGEST).contains(&begin.time) {
        return Err(OutbreakError::Time);
    }
    let words = begin.notice.as_deref().map(warning::words).transpose()?;
    let ends_at = transfer.store().now() + begin.time;
    let question = match &words {
        Some(words) => warning::question(transfer, caller, None, &marks, words).await?,
        None => Notice {
            to: Vec::new(),
            subject: String::new(),
            text: String::new(),
        },
    };
    let (handling, name, by) = (begin.handling, caller.name.clone(), caller.by());
    let json = serde_json::to_value(&marks).unwrap_or_default();
    let work = move |tx: &mut Tx<'_>,
                     asked: &[message::Address]|
          -> Result<Recorded<RuleView>, OutbreakError> {
        if table::open(tx, &mut |_| {})?.len() >= MOST_RULES {
            return Err(OutbreakError::TooMany);
        }
        let new = table::New {
            marks: &json.to_string(),
            handling,
            reason: &reason,
            begun_by: &name,
            ends_at,
        };
        let number = table::insert(tx, &new)?;
        let mut event = by
            .event(Kind::OutbreakBegun)
            .subject(number.to_string())
            .detail("marks", json.clone())
            .detail("handling", handling.as_str())
            .detail("reason", reason.as_str())
            .detail("until", ends_at.to_string());
        if let Some(words) = &words {
            event = event
                .detail("notice", words.as_str())
                .detail("asked", asked.len());
        }
        let rule = table::one(tx, number)?.ok_or(OutbreakError::NoSuch(number))?;
        Ok(tx.record(&event, rule)?)
    };
    let (rule, _) = notice::send(transfer, question, work).await?;
    transfer.read_outbreak_rules().await?;
    tracing::warn!(rule = rule.number, "a rule against an outbreak holds");
    Ok(rule)
}

/// Where it could not be found out whether a rule means a message: never "not meant", the strictest there is, for now.
pub(crate) fn not_known() -> Blocked {
    Blocked {
        rule: 0,
        handling: RuleHandling::Defer,
        what: String::new(),
    }
}

/// Ends a rule. It holds no more when this returns.
///
/// # Errors
/// [`OutbreakError`].
pub async fn end(
    transfer: &Transfer,
    caller: &Person,
    number: i64,
    reason: &str,
) -> Result<(), OutbreakError> {
    permit(caller)?;
    let reason = text("the reason", reason, MOST_REASON)?;
    let (name, by) = (caller.name.clone(), caller.by());
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, OutbreakError> {
        if !table::end(tx, number, Some(&name))? {
            return Err(OutbreakError::NoSuch(number));
        }
        let event = by
            .event(Kind::OutbreakEnded)
            .subject(number.to_string())
            .detail("reason", reason.as_str());
        Ok(tx.record(&event, ())?)
    };
    transfer.store().commit(Vec::new(), work).await?;
    Ok(transfer.read_outbreak_rules().await?)
}

/// Ends the rules whose time is over; returns how many.
///
/// # Errors
/// The store's.
pub async fn expire(transfer: &Transfer) -> Result<usize, Error> {
    let now = transfer.store().now();
    let all = transfer.rules().load_full();
    let mut ended = 0_usize;
    for (_, rule) in all.iter().filter(|(end, _)| *end <= now) {
        let number = rule.number;
        let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
            let outcome = match table::end(tx, number, None)? {
                true => Outcome::Success,
                // Somebody ended it just before.
                false => Outcome::Failure,
            };
            let event = Event::new(Kind::OutbreakEnded, Actor::System)
                .outcome(outcome)
                .subject(number.to_string())
                .detail("reason", "its time is over");
            tx.record(&event, ())
        };
        transfer.store().commit(Vec::new(), work).await?;
        ended = ended.saturating_add(1);
    }
    if ended > 0 {
        transfer.read_outbreak_rules().await?;
    }
    Ok(ended)
}

/// All rules, the newest first.
///
/// # Errors
/// [`OutbreakError`].
pub async fn list(transfer: &Transfer, caller: &Person) -> Result<Vec<RuleView>, OutbreakError> {
    permit(caller)?;
    Ok(transfer
        .store()
        .read(|snapshot| table::all(snapshot))
        .await?)
}

/// One rule, with how many have read the notice.
///
/// # Errors
/// [`OutbreakError`].
pub async fn show(
    transfer: &Transfer,
    caller: &Person,
    number: i64,
) -> Result<Standing, OutbreakError> {
    permit(caller)?;
    let read = move |snapshot: &mut store::Snapshot<'_>| -> Result<_, Error> {
        let Some(rule) = table::one(snapshot, number)? else {
            return Ok(None);
        };
        let readers = match rule.notice {
            Some(notice) => table::readers(snapshot, notice)?,
            None => (0, 0),
        };
        Ok(Some((rule, readers)))
    };
    let found = transfer.store().read(read).await?;
    let (rule, (kept, read)) = found.ok_or(OutbreakError::NoSuch(number))?;
    let waiting = match rule.ended_at {
        None => warning::composed(transfer, &rule).await?,
        Some(_) => None,
    };
    Ok(Standing {
        rule,
        kept,
        read,
        waiting,
    })
}

fn permit(caller: &Person) -> Result<(), OutbreakError> {
    let may = [Role::Administrator, Role::SecurityOfficer];
    match may.iter().any(|role| caller.has(*role)) {
        true => Ok(()),
        false => Err(OutbreakError::NotPermitted(caller.name.clone())),
    }
}

fn text(what: &'static str, text: &str, most: usize) -> Result<String, OutbreakError> {
    let text = text.trim();
    let hidden = |c: char| c.is_control() && c != '\n';
    if text.is_empty() || text.chars().count() > most || text.chars().any(hidden) {
        return Err(OutbreakError::Text(what, most));
    }
    Ok(text.to_owned())
}
