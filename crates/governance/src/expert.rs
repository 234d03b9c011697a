//! Outside experts at hand for when the own measures against malware do not suffice (clause 10.1(2)): whom to call, until when the
//! contract lasts, when it is to be renewed, and whether it was tried that they can be reached.
//!
//! | command | role |
//! |---|---|
//! | `expert list` | any officer's role |
//! | `expert add`, `expert renew`, `expert end`, `expert drill` | security officer |
//!
//! Before a contract is to be renewed, and before it is to be tried again, a task is opened for the security officer.

use directory::{
    Role,
    command::{Caller, CommandError, plain_text},
};
use jiff::{Timestamp, ToSpan as _, civil::Date};
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{Error, sql::Sql};
use trail::{Kind, Outcome};

use crate::{
    look::Call,
    rules::Rules,
    tables::expert::{self as table, Drill, Entry},
};

const OFFICER: &[Role] = &[Role::SecurityOfficer];
/// Characters of a name, a contact, a result or a reason.
const MOST_TEXT: usize = 500;
/// Years that a term lasts at most.
const MOST_YEARS: i32 = 20;
/// How long before its end a contract is to be renewed, if nothing else is said.
const RENEWED_BEFORE: i32 = 60;
/// How long before its day a task is opened.
const OPENED_BEFORE: i32 = 30;
/// Months after which it is to be tried again whether they can be reached, unless the site says otherwise.
const DRILLED_EVERY: i64 = 12;

/// A contract to be entered.
#[derive(Clone, Debug)]
pub struct New {
    /// Who they are.
    pub name: String,
    /// How they are reached.
    pub contact: String,
    /// The first day of the term.
    pub from: Date,
    /// The last day of the term.
    pub until: Date,
    /// The day by which it is to be renewed; `None`: 60 days before its end.
    pub renew_by: Option<Date>,
}

/// A contract, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct ExpertView {
    /// Its number.
    pub number: i64,
    /// Who they are.
    pub name: String,
    /// How they are reached.
    pub contact: String,
    /// `in-force`, `to-come`, `over` or `ended`.
    pub state: &'static str,
    /// The first day of the term.
    pub from: Date,
    /// The last day of the term.
    pub until: Date,
    /// The day by which it is to be renewed.
    pub renew_by: Date,
    /// When it was last tried to reach them.
    pub drilled_on: Option<Date>,
    /// Whether they were reached then.
    pub reached: Option<bool>,
    /// How that went.
    pub result: Option<String>,
    /// By when it is to be tried again.
    pub drill_by: Date,
}

impl ExpertView {
    /// Whether the contract is in force.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.state == "in-force"
    }

    /// Whether they were reached when it was last due to be tried.
    pub(crate) fn is_reachable(&self, today: Date) -> bool {
        self.reached != Some(false) && today <= self.drill_by
    }
}

/// All contracts, those that are over too.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller, rules: &Rules) -> Result<Vec<ExpertView>, CommandError> {
    let (rules, now) = (rules.clone(), caller.store().now());
    let look = caller.look("expert list", &Role::OFFICERS, move |snapshot, _| {
        Ok(all(snapshot, &rules, now)?)
    });
    look.await
}

/// Enters a contract.
///
/// # Errors
/// [`CommandError`].
pub async fn add(caller: &Caller, rules: &Rules, new: New) -> Result<ExpertView, CommandError> {
    let words = format!(
        "expert add {} --from {} --until {}",
        new.name, new.from, new.until
    );
    let rules = rules.clone();
    let change = caller.change(&words, OFFICER, move |tx, me| {
        let (from, until) = (new.from, new.until);
        let renew_by = renewal(from, until, new.renew_by)?;
        let entry = Entry {
            number: 0,
            name: plain_text("the name", &new.name, MOST_TEXT)?,
            contact: plain_text("the contact", &new.contact, MOST_TEXT)?,
            from,
            until,
            renew_by,
            ended_at: None,
        };
        let number = table::insert(tx, &entry, me.id)?;
        let event = me
            .event(Kind::ExpertAdded, number.to_string())
            .detail("name", entry.name)
            .detail("contact", entry.contact)
            .detail("from", from.to_string())
            .detail("until", until.to_string())
            .detail("renew_by", renew_by.to_string());
        Ok((shown(tx, &rules, number)?, vec![event]))
    });
    caller.run(&words, change).await
}

/// Puts the end of a contract later, and says by when it is to be renewed the next time.
///
/// # Errors
/// [`CommandError`]: it has ended, or would end earlier.
pub async fn renew(
    caller: &Caller,
    rules: &Rules,
    number: i64,
    until: Date,
    renew_by: Option<Date>,
    contact: Option<String>,
) -> Result<ExpertView, CommandError> {
    let words = format!("expert renew {number} --until {until}");
    let rules = rules.clone();
    let change = caller.change(&words, OFFICER, move |tx, me| {
        let mut entry = standing(tx, number)?;
        let before = entry.until;
        if until < before {
            return Err(CommandError::Argument(format!(
                "contract {number} lasts until {before}: what ends before its time is ended with `expert end`"
            )));
        }
        entry.renew_by = renewal(entry.from, until, renew_by)?;
        entry.until = until;
        if let Some(contact) = contact {
            entry.contact = plain_text("the contact", &contact, MOST_TEXT)?;
        }
        table::renew(tx, &entry)?;
        let event = me
            .event(Kind::ExpertRenewed, number.to_string())
            .detail("name", entry.name)
            .detail("contact", entry.contact)
            .detail("until", until.to_string())
            .detail("renew_by", entry.renew_by.to_string())
            .detail("before", before.to_string());
        Ok((shown(tx, &rules, number)?, vec![event]))
    });
    caller.run(&words, change).await
}

/// Notes that a contract ended before its time.
///
/// # Errors
/// [`CommandError`].
pub async fn end(
    caller: &Caller,
    rules: &Rules,
    number: i64,
    reason: &str,
) -> Result<ExpertView, CommandError> {
    let words = format!("expert end {number}");
    let (rules, reason) = (rules.clone(), reason.to_owned());
    let change = caller.change(&words, OFFICER, move |tx, me| {
        let entry = standing(tx, number)?;
        let reason = plain_text("the reason", &reason, MOST_TEXT)?;
        table::end(tx, number, me.id)?;
        let event = me
            .event(Kind::ExpertEnded, number.to_string())
            .detail("name", entry.name)
            .detail("reason", reason);
        Ok((shown(tx, &rules, number)?, vec![event]))
    });
    caller.run(&words, change).await
}

/// Notes that it was tried to reach them, on which day, and how that went.
///
/// # Errors
/// [`CommandError`]: the day lies before the contract, or is not over.
pub async fn drill(
    caller: &Caller,
    rules: &Rules,
    number: i64,
    on: Option<Date>,
    reached: bool,
    result: &str,
) -> Result<ExpertView, CommandError> {
    let words = format!("expert drill {number}");
    let (rules, result) = (rules.clone(), result.to_owned());
    let change = caller.change(&words, OFFICER, move |tx, me| {
        let entry = standing(tx, number)?;
        let today = rules.calendar.date(tx.now());
        let on = on.unwrap_or(today);
        if on > today || on < entry.from {
            return Err(CommandError::Argument(format!(
                "it was tried on a day from {} to {today}, and not on {on}",
                entry.from
            )));
        }
        let result = plain_text("the result", &result, MOST_TEXT)?;
        let tried = Drill {
            on,
            reached,
            result,
        };
        table::drill(tx, number, &tried, me.id)?;
        let event = me
            .event(Kind::ExpertDrilled, number.to_string())
            .outcome(match reached {
                true => Outcome::Success,
                false => Outcome::Failure,
            })
            .detail("name", entry.name)
            .detail("on", on.to_string())
            .detail("result", tried.result);
        Ok((shown(tx, &rules, number)?, vec![event]))
    });
    caller.run(&words, change).await
}

/// All contracts, as documents tell of them.
///
/// # Errors
/// The store's.
pub fn all(sql: &mut dyn Sql, rules: &Rules, now: Timestamp) -> Result<Vec<ExpertView>, Error> {
    let entries = table::all(sql)?.into_iter();
    entries.map(|entry| view(sql, rules, entry, now)).collect()
}

fn view(
    sql: &mut dyn Sql,
    rules: &Rules,
    entry: Entry,
    now: Timestamp,
) -> Result<ExpertView, Error> {
    let today = rules.calendar.date(now);
    let last = table::last_drill(sql, entry.number)?;
    let months = rules
        .choices
        .number("expert-drill")
        .unwrap_or(DRILLED_EVERY);
    let since = last.as_ref().map_or(entry.from, |last| last.on);
    let drill_by = since.checked_add(months.months()).unwrap_or(Date::MAX);
    let state = if entry.ended_at.is_some() {
        "ended"
    } else if today < entry.from {
        "to-come"
    } else if today > entry.until {
        "over"
    } else {
        "in-force"
    };
    Ok(ExpertView {
        number: entry.number,
        name: entry.name,
        contact: entry.contact,
        state,
        from: entry.from,
        until: entry.until,
        renew_by: entry.renew_by,
        drilled_on: last.as_ref().map(|last| last.on),
        reached: last.as_ref().map(|last| last.reached),
        result: last.map(|last| last.result),
        drill_by,
    })
}

/// A contract that was not ended.
fn standing(sql: &mut dyn Sql, number: i64) -> Result<Entry, CommandError> {
    let entry = table::by_number(sql, number)?.ok_or_else(|| CommandError::NoSuch {
        what: "contract",
        name: number.to_string(),
    })?;
    match entry.ended_at {
        None => Ok(entry),
        Some(_) => Err(CommandError::State(format!(
            "contract {number} has ended already"
        ))),
    }
}

fn shown(tx: &mut store::Tx<'_>, rules: &Rules, number: i64) -> Result<ExpertView, CommandError> {
    let now = tx.now();
    let entry = table::by_number(tx, number)?;
    let entry = entry.ok_or_else(|| Error::Corrupt(format!("contract {number} is gone")))?;
    Ok(view(tx, rules, entry, now)?)
}

/// The day by which a term is to be renewed.
fn renewal(from: Date, until: Date, renew_by: Option<Date>) -> Result<Date, CommandError> {
    let longest = from.checked_add(MOST_YEARS.years()).unwrap_or(Date::MAX);
    if until < from || until > longest {
        return Err(CommandError::Argument(format!(
            "a term from {from} ends on a day from then to {longest}, and not on {until}"
        )));
    }
    let usual = until.checked_sub(RENEWED_BEFORE.days()).unwrap_or(from);
    let day = renew_by.unwrap_or_else(|| usual.max(from));
    if day < from || day > until {
        return Err(CommandError::Argument(format!(
            "a term from {from} to {until} is renewed by a day within it, and not by {day}"
        )));
    }
    Ok(day)
}

/// What contracts in force call for: a renewal, and a try whether they can be reached.
pub(crate) fn calls(sql: &mut dyn Sql, rules: &Rules, now: Timestamp) -> Result<Vec<Call>, Error> {
    let today = rules.calendar.date(now);
    let near = today.checked_add(OPENED_BEFORE.days()).unwrap_or(Date::MAX);
    let mut calls = Vec::new();
    for one in all(sql, rules, now)?.iter().filter(|one| one.is_in_force()) {
        let due = [
            ("expert-renewal", one.renew_by, one.renew_by <= near),
            (
                "expert-drill",
                one.drill_by,
                one.drill_by <= near && one.drill_by <= one.until,
            ),
        ];
        for (workflow, day, is_near) in due {
            let day = rules.calendar.working_day(day);
            if let Some(due_at) = rules.calendar.end_of(day).filter(|_| is_near) {
                calls.push(Call {
                    workflow,
                    period: format!("{}-{day}", one.number),
                    due_at,
                    facts: facts(one),
                });
            }
        }
    }
    Ok(calls)
}

fn facts(one: &ExpertView) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("expert".to_owned(), json!(one));
    facts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_term_is_renewed_within_itself() {
        let (from, until) = (date(2026, 4, 1), date(2027, 3, 31));
        assert_eq!(renewal(from, until, None).unwrap(), date(2027, 1, 30));
        assert_eq!(renewal(from, date(2026, 4, 10), None).unwrap(), from);
        assert!(renewal(from, until, Some(date(2027, 4, 1))).is_err());
        assert!(renewal(from, until, Some(date(2026, 3, 31))).is_err());
        assert!(renewal(until, from, None).is_err());
        assert!(renewal(from, date(2060, 1, 1), None).is_err());
    }
}
