//! How much an identifier may submit: limits by hour and day, and what is done when it submits many times what it usually does
//! (clauses 4.4, 5.5). A password in wrong hands, or a machine that went mad, is met by its figures, whatever it sends.
//!
//! All is counted in the commit of the message, so that no number of sessions at once passes a limit, and what was counted is
//! counted after a crash too. Who submits without a login (clause 6.1(1)b) has no identifier, and is not counted.

pub(crate) mod jump;

use std::{collections::BTreeMap, fmt, net::IpAddr, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use store::{
    AccountId, Error, QueueId, Recorded, Tx,
    queue::{self, Selection, State},
};
use trail::{Actor, Event, Kind, Outcome};

use crate::{
    Directory, Login,
    tables::submitted::{self as table, Hold, Hour},
};

/// Seconds of an hour.
const HOUR: i64 = 3600;
/// Hours of a day.
const DAY: i64 = 24;
/// Hours that the habit is made of: 30 days.
const HABIT: i64 = 30 * DAY;

/// What a site has decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// For everybody else.
    pub usual: Limits,
    /// By identifier.
    pub of: BTreeMap<String, Limits>,
    /// When submissions are held; `None`: never. Default: never; a site has [`Jump`]'s.
    pub jump: Option<Jump>,
}

/// How much one identifier may submit; 0 is no limit. Hours are those of the clock (UTC), a day is the last 24 of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Messages in an hour.
    pub messages_per_hour: u64,
    /// Messages in a day.
    pub messages_per_day: u64,
    /// Recipients of them in an hour.
    pub recipients_per_hour: u64,
    /// Recipients of them in a day.
    pub recipients_per_day: u64,
}

impl Limits {
    /// Those that a site has unless it says otherwise: 500 and 2,000 messages, 2,000 and 5,000 recipients.
    #[must_use]
    pub const fn of_a_site() -> Self {
        Self {
            messages_per_hour: 500,
            messages_per_day: 2000,
            recipients_per_hour: 2000,
            recipients_per_day: 5000,
        }
    }
}

/// When an hour's submissions are so many more than usual that they are held. What is usual is the 90th percentile of the hours of the
/// last 30 days in which anything was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// More than so many times what is usual. Default 5.
    pub factor: u64,
    /// And more than so many messages in the hour. Default 150.
    pub messages: u64,
    /// Or so many recipients. Default 500.
    pub recipients: u64,
    /// How long nothing is compared with the habit after an officer found a jump in order. Default 24 hours.
    pub excuse: Duration,
}

impl Default for Jump {
    fn default() -> Self {
        Self {
            factor: 5,
            messages: 150,
            recipients: 500,
            excuse: Duration::from_secs(24 * 3600),
        }
    }
}

/// A limit that was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// `messages` or `recipients`.
    pub what: &'static str,
    /// `hour` or `day`.
    pub per: &'static str,
    /// How many.
    pub most: u64,
    /// When there is room again.
    pub until: Timestamp,
    /// Whether the trail has it for this hour already.
    told: bool,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "You have reached the limit of {} {} per {}, try again after {}",
            self.most, self.what, self.per, self.until
        )
    }
}

/// A message that is submitted.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// By this account.
    pub account: AccountId,
    /// With this identifier.
    pub identifier: String,
    /// From there.
    pub peer: IpAddr,
    /// To so many recipients.
    pub recipients: u64,
    /// As this message of the queue, if any of them is elsewhere.
    pub queued: Option<QueueId>,
}

/// What came of counting one.
#[derive(Debug)]
pub enum Counted {
    /// It is counted. What the trail has to be told besides belongs into the same commit: that it is held, and why.
    Within(Vec<Event>),
    /// It may not be taken; the transaction must not be kept.
    Over(Over),
}

/// What an identifier has submitted of late, and may.
#[derive(Clone, Debug)]
pub struct Room {
    limits: Limits,
    now: Timestamp,
    hours: Vec<Hour>,
}

/// What of an hour is counted.
type Count = fn(&Hour) -> u64;

fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(HOUR)
}

fn begin_of(hour: i64) -> Timestamp {
    Timestamp::from_second(hour.saturating_mul(HOUR)).unwrap_or(Timestamp::MAX)
}

impl Room {
    /// The limit that `messages` more messages to `recipients` more recipients would pass, if they would pass one: of several, the
    /// one that lasts longest.
    #[must_use]
    pub fn over(&self, messages: u64, recipients: u64) -> Option<Over> {
        let hour = hour_of(self.now);
        let told = self.hours.iter().any(|one| one.hour == hour && one.told);
        let limits = &self.limits;
        let sent: Count = |hour| hour.messages;
        let named: Count = |hour| hour.recipients;
        let sent = ("messages", sent, messages);
        let named = ("recipients", named, recipients);
        let met = [
            (sent, ("hour", 1), limits.messages_per_hour),
            (named, ("hour", 1), limits.recipients_per_hour),
            (sent, ("day", DAY), limits.messages_per_day),
            (named, ("day", DAY), limits.recipients_per_day),
        ]
        .into_iter()
        .filter(|(_, _, most)| *most > 0)
        .filter_map(|((what, of, more), (per, length), most)| {
            let until = self.until((hour, length), most, of, more)?;
            Some(Over {
                what,
                per,
                most,
                until,
                told,
            })
        });
        met.max_by_key(|over| over.until)
    }

    /// When so many of the last `length` hours have passed that `more` have room; `None`: they have room now.
    fn until(
        &self,
        (hour, length): (i64, i64),
        most: u64,
        of: Count,
        more: u64,
    ) -> Option<Timestamp> {
        let from = hour.saturating_sub(length).saturating_add(1);
        let counted = || self.hours.iter().filter(move |one| one.hour >= from);
        let mut sum = counted().fold(more, |sum, one| sum.saturating_add(of(one)));
        if sum <= most {
            return None;
        }
        for one in counted() {
            sum = sum.saturating_sub(of(one));
            if sum <= most {
                return Some(begin_of(one.hour.saturating_add(length)));
            }
        }
        // More than the limit by itself.
        Some(begin_of(hour.saturating_add(length)))
    }
}

impl Rule {
    fn limits(&self, identifier: &str) -> Limits {
        self.of.get(identifier).copied().unwrap_or(self.usual)
    }
}

impl Directory {
    /// The settings' limits, or what open incidents limit the identifier to where that is less.
    fn submission_limits(&self, identifier: &str) -> Limits {
        let mut limits = self.options().submission.limits(identifier);
        let restraints = self.restraints();
        if let Some(limit) = restraints.of_identifier(identifier) {
            let most = limit.rate.of_an_hour();
            let per_hour = &mut limits.recipients_per_hour;
            if *per_hour == 0 || *per_hour > most {
                *per_hour = most;
            }
        }
        limits
    }

    /// What an identifier may submit now: a look before the work, since the commit counts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn submission_room(&self, login: &Login) -> Result<Room, Error> {
        let limits = self.submission_limits(&login.identifier);
        let (account, now) = (login.account, self.inner.store.now());
        let from = hour_of(now).saturating_sub(DAY).saturating_add(1);
        let hours = match limits == Limits::default() {
            true => Vec::new(),
            false => {
                let read =
                    move |snapshot: &mut store::Snapshot<'_>| table::since(snapshot, account, from);
                self.inner.store.read(read).await?
            }
        };
        Ok(Room { limits, now, hours })
    }

    /// Counts a message in the commit that takes it, after it was enqueued.
    ///
    /// # Errors
    /// When the database fails.
    pub fn count_submission(
        &self,
        tx: &mut Tx<'_>,
        submitted: &Submitted,
    ) -> Result<Counted, Error> {
        let options = self.options();
        let rule = &options.submission;
        let limits = self.submission_limits(&submitted.identifier);
        if limits == Limits::default() && rule.jump.is_none() {
            return Ok(Counted::Within(Vec::new()));
        }
        let (account, now) = (submitted.account, tx.now());
        let hour = hour_of(now);
        let from = hour.saturating_sub(DAY).saturating_add(1);
        let hours = table::since(tx, account, from)?;
        let room = Room { limits, now, hours };
        if let Some(over) = room.over(1, submitted.recipients) {
            return Ok(Counted::Over(over));
        }
        let mut this = match room.hours.last() {
            Some(last) if last.hour == hour => *last,
            _ => {
                table::forget_before(tx, account, hour.saturating_sub(HABIT))?;
                Hour {
                    hour,
                    ..Hour::default()
                }
            }
        };
        table::add(tx, account, hour, (1, submitted.recipients))?;
        this.messages = this.messages.saturating_add(1);
        this.recipients = this.recipients.saturating_add(submitted.recipients);
        let hold = table::hold(tx, account)?;
        let events = match (hold.incident, &rule.jump) {
            (Some(incident), _) => held(tx, submitted, hour, incident)?,
            (None, Some(jump)) if hold.excused_until.is_none_or(|until| until <= now) => {
                jump::look(tx, jump, submitted, this)?
            }
            (None, _) => Vec::new(),
        };
        Ok(Counted::Within(events))
    }

    /// Tells the trail that an identifier met a limit, once an hour.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note_limit(&self, login: &Login, peer: IpAddr, over: &Over) -> Result<(), Error> {
        if over.told {
            return Ok(());
        }
        let event = Event::new(
            Kind::SubmissionLimited,
            Actor::Identifier(login.identifier.clone()),
        )
        .outcome(Outcome::Refused)
        .address(peer)
        .subject(&login.identifier)
        .detail("limit", format!("{}-per-{}", over.what, over.per))
        .detail("most", over.most)
        .detail("until", over.until.to_string());
        let account = login.account;
        let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Untold> {
            let hour = hour_of(tx.now());
            match table::tell(tx, account, hour)? {
                true => Ok(tx.record(&event, ())?),
                false => Err(Untold::Before),
            }
        };
        match self.inner.store.commit(Vec::new(), work).await {
            Ok(_) | Err(Untold::Before) => Ok(()),
            Err(Untold::Store(error)) => Err(error),
        }
    }
}

/// Why nothing was told.
enum Untold {
    Before,
    Store(Error),
}

impl From<Error> for Untold {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Holds a message of an account whose submissions are held.
fn held(
    tx: &mut Tx<'_>,
    submitted: &Submitted,
    hour: i64,
    incident: i64,
) -> Result<Vec<Event>, Error> {
    table::set_apart(tx, submitted.account, hour)?;
    let Some(id) = submitted.queued else {
        return Ok(Vec::new());
    };
    let selection = Selection {
        ids: vec![id],
        ..Selection::default()
    };
    let recipients = queue::set_state(tx, &selection, State::Held)?;
    let event = Event::new(Kind::QueueHeld, Actor::System)
        .subject(id.to_string())
        .detail("recipients", recipients)
        .detail("incident", incident);
    Ok(vec![event])
}

/// An officer decided about a jump: what follows is not held any more. `in_order`: it was, so that it is part of the habit from `since`
/// on, and nothing is compared with the habit for the time of the rule; otherwise, to the end of this hour, in which all of it is counted.
pub(crate) fn decided(
    tx: &mut Tx<'_>,
    account: AccountId,
    rule: Option<Jump>,
    in_order: Option<Timestamp>,
) -> Result<Timestamp, Error> {
    let now = tx.now();
    let until = match in_order {
        Some(since) => {
            table::count_again(tx, account, hour_of(since))?;
            let excuse = rule.unwrap_or_default().excuse;
            now.checked_add(excuse).unwrap_or(Timestamp::MAX)
        }
        None => begin_of(hour_of(now).saturating_add(1)),
    };
    let hold = Hold {
        incident: None,
        excused_until: Some(until),
    };
    table::put_hold(tx, account, hold)?;
    Ok(until)
}

/// What `facts` of an incident say of what is usual, and of now.
#[must_use]
pub fn figures(facts: &Value) -> [(&'static str, u64); 4] {
    [
        "messages",
        "recipients",
        "usual_messages",
        "usual_recipients",
    ]
    .map(|name| (name, facts.get(name).and_then(Value::as_u64).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn room(limits: Limits, hours: &[(i64, u64, u64)]) -> Room {
        let hours = hours.iter().map(|(hour, messages, recipients)| Hour {
            hour: *hour,
            messages: *messages,
            recipients: *recipients,
            ..Hour::default()
        });
        Room {
            limits,
            now: Timestamp::from_second(100 * HOUR + 1234).unwrap(),
            hours: hours.collect(),
        }
    }

    fn told(over: Option<Over>) -> Option<(&'static str, &'static str, i64)> {
        over.map(|over| (over.what, over.per, hour_of(over.until)))
    }

    #[test]
    fn the_hour_of_the_clock_and_the_last_24_hours_are_counted() {
        let limits = Limits {
            messages_per_hour: 10,
            messages_per_day: 20,
            recipients_per_hour: 0,
            recipients_per_day: 100,
        };
        assert_eq!(room(limits, &[]).over(10, 100), None);
        let over = room(limits, &[]).over(11, 1);
        assert_eq!(told(over), Some(("messages", "hour", 101)));
        // What is a day ago does not count any more; what is an hour less does.
        assert_eq!(room(limits, &[(99, 10, 10), (100, 9, 9)]).over(1, 1), None);
        let over = room(limits, &[(77, 11, 11), (100, 9, 9)]).over(1, 1);
        assert_eq!(told(over), Some(("messages", "day", 101)));
        // The day is over when enough of it is.
        let over = room(limits, &[(80, 5, 5), (90, 10, 10), (100, 5, 5)]).over(1, 1);
        assert_eq!(told(over), Some(("messages", "day", 104)));
        let over = room(limits, &[(80, 5, 60), (90, 5, 30)]).over(1, 31);
        assert_eq!(told(over), Some(("recipients", "day", 104)));
    }

    #[test]
    fn no_limit_is_none_and_of_several_the_longest_is_told() {
        let hours = [(100, 1_000_000, 1_000_000)];
        assert_eq!(room(Limits::default(), &hours).over(1, 1), None);
        let over = room(Limits::of_a_site(), &hours).over(1, 1).unwrap();
        assert_eq!((over.per, hour_of(over.until)), ("day", 124));
        let words = "You have reached the limit of 5000 recipients per day, try again after 1970-01-06T04:00:00Z";
        assert_eq!(over.to_string(), words);
        // One message alone may pass a limit: then there is never room, and the time is the end of the period.
        let over = room(Limits::of_a_site(), &[]).over(1, 6000);
        assert_eq!(told(over), Some(("recipients", "day", 124)));
    }
}
