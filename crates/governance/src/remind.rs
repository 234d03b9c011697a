//! Who is told of a task by mail, and when: as it is opened, as its day comes near, when it waits for approval, and, with those above,
//! every week once it is late.

use directory::Role;
use jiff::{SignedDuration, Timestamp};
use message::Address;
use regulation::Text;
use serde_json::Value;
use store::{Error, Recorded, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use crate::{
    fault,
    rules::Rules,
    tables::task::{self as table, Entry},
    workflow::Workflow,
};

/// How long before its day a task is near.
const NEAR: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How often those who owe a late task, and those above them, are told.
const AGAIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Mail that is to be sent about a task.
#[derive(Clone, Debug)]
pub struct Reminder {
    /// The task's number.
    pub task: i64,
    /// The workflow that it is of.
    pub workflow: String,
    /// Why now.
    pub why: Why,
    /// Whose holders are told.
    pub roles: Vec<Role>,
    /// The mail's subject.
    pub subject: Text,
    /// Its text.
    pub text: Text,
    /// How the task stood: who is told of it otherwise is told of what is not so any more.
    seen: (Option<Timestamp>, Option<Timestamp>),
}

/// Why somebody is told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was opened.
    Opened,
    /// It waits for approval.
    Approval,
    /// It was not approved, and is to be done again.
    Rejected,
    /// It is due soon.
    Near,
    /// It is late.
    Overdue,
}

impl Why {
    /// The word for it in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Approval => "approval",
            Self::Rejected => "rejected",
            Self::Near => "near",
            Self::Overdue => "overdue",
        }
    }
}

/// What is to be sent now.
///
/// # Errors
/// The store's.
pub fn due(sql: &mut dyn Sql, rules: &Rules, now: Timestamp) -> Result<Vec<Reminder>, Error> {
    let mut reminders = Vec::new();
    for entry in table::open(sql)? {
        if let Some(workflow) = fault::workflow(rules, &entry)
            && let Some(why) = why(&entry, table::rejected_at(sql, entry.number)?, now)
        {
            reminders.push(reminder(rules, &workflow, &entry, why));
        }
    }
    Ok(reminders)
}

fn why(entry: &Entry, rejected: Option<Timestamp>, now: Timestamp) -> Option<Why> {
    let Some(last) = entry.reminded_at else {
        return Some(Why::Opened);
    };
    let late = entry.due_at <= now;
    if late && (last < entry.due_at || now.duration_since(last) >= AGAIN) {
        return Some(Why::Overdue);
    }
    if entry.done_at.is_some_and(|done| last < done) {
        return Some(Why::Approval);
    }
    if entry.done_at.is_none() && rejected.is_some_and(|rejected| last < rejected) {
        return Some(Why::Rejected);
    }
    let near = entry.due_at.checked_sub(NEAR).unwrap_or(Timestamp::MIN);
    let waits = entry.done_at.is_none();
    (waits && near <= now && last < near).then_some(Why::Near)
}

fn reminder(rules: &Rules, workflow: &Workflow, entry: &Entry, why: Why) -> Reminder {
    let owes = match (workflow.approver, entry.done_at) {
        (Some(approver), Some(_)) => approver,
        _ => workflow.role,
    };
    let mut roles = vec![owes];
    if why == Why::Overdue {
        roles.push(above(owes));
    }
    let (number, period) = (entry.number, &entry.period);
    let due = rules.calendar.due_day(entry.due_at);
    let title = &workflow.title;
    let (ja, en) = match why {
        Why::Opened => ("新しいタスク", "new task"),
        Why::Approval => ("承認待ちのタスク", "a task waits for approval"),
        Why::Rejected => ("差し戻されたタスク", "a task was not approved"),
        Why::Near => ("期限の近いタスク", "a task is due soon"),
        Why::Overdue => ("期限を過ぎたタスク", "a task is late"),
    };
    let clauses = fault::clauses(rules, entry).join(", ");
    let verb = match entry.done_at {
        None => format!("kakitome -C DIR task done {number} --answer …"),
        Some(_) => format!("kakitome -C DIR task approve {number}"),
    };
    let commands = match workflow.on_record {
        true => format!("{}\nkakitome -C DIR task show {number}\n", waits(entry)),
        false => format!("kakitome -C DIR task show {number}\n{verb}\n"),
    };
    let text = Text::new(
        format!(
            "{ja}: {}({period})\n根拠の条項: {clauses}\n担当: {owes}\n期限: {due}\n\n{}\n\n{commands}",
            title.ja, workflow.demand.ja
        ),
        format!(
            "{en}: {} ({period})\nClauses: {clauses}\nOwed by: {owes}\nDue: {due}\n\n{}\n\n{commands}",
            title.en, workflow.demand.en
        ),
    );
    Reminder {
        task: number,
        workflow: workflow.name.clone(),
        why,
        roles,
        subject: Text::new(
            format!("[Kakitome] {ja} {number}: {}", title.ja),
            format!("[Kakitome] {en} {number}: {}", title.en),
        ),
        text,
        seen: (entry.reminded_at, entry.done_at),
    }
}

/// What waits, each on a line.
fn waits(entry: &Entry) -> String {
    let names = entry.facts.get("waits").and_then(Value::as_array);
    let names: Vec<&str> = names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let count = entry.facts.get("count").and_then(Value::as_u64);
    let more = count.unwrap_or_default().saturating_sub(names.len() as u64);
    let mut lines: String = names.iter().map(|name| format!("- {name}\n")).collect();
    if more > 0 {
        lines.push_str(&format!("- … +{more}\n"));
    }
    lines
}

/// Who is told when those who hold a role are late.
pub(crate) fn above(role: Role) -> Role {
    match role {
        Role::SystemOfficer => Role::SecurityOfficer,
        _ => Role::SystemOfficer,
    }
}

/// Notes that it was sent, in the commit that sends it.
///
/// # Errors
/// [`Error::NotFound`] when the task was closed, done, rejected or told of meanwhile: then nothing may be sent.
pub fn note(tx: &mut Tx<'_>, reminder: &Reminder, told: &[Address]) -> Result<Recorded<()>, Error> {
    let entry = table::by_number(tx, reminder.task)?;
    let is_so = entry.is_some_and(|entry| {
        entry.closed_at.is_none() && (entry.reminded_at, entry.done_at) == reminder.seen
    });
    if !is_so {
        return Err(Error::NotFound(format!(
            "a reminder of task {}",
            reminder.task
        )));
    }
    table::reminded(tx, reminder.task)?;
    let step = match reminder.why {
        Why::Overdue => "escalated",
        _ => "reminded",
    };
    table::step(tx, reminder.task, step, None, reminder.why.as_str())?;
    let roles: Vec<&str> = reminder.roles.iter().map(|role| role.as_str()).collect();
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    let event = Event::new(Kind::TaskReminded, Actor::System)
        .subject(reminder.task.to_string())
        .detail("workflow", reminder.workflow.as_str())
        .detail("why", reminder.why.as_str())
        .detail("roles", roles)
        .detail("told", told);
    tx.record(&event, ())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn people_are_told_as_it_opens_as_it_is_near_and_every_week_once_it_is_late() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut entry = Entry {
            number: 1,
            workflow: "trail-review".to_owned(),
            period: "2026-07".to_owned(),
            opened_at: at("2026-10-01T00:00:00Z"),
            due_at: at("2026-10-31T00:00:00Z"),
            facts: serde_json::Map::new(),
            answers: None,
            done_by: None,
            done_at: None,
            closed_by: None,
            closed_at: None,
            reminded_at: None,
        };
        assert_eq!(
            why(&entry, None, at("2026-10-01T00:01:00Z")),
            Some(Why::Opened)
        );
        entry.reminded_at = Some(at("2026-10-01T00:01:00Z"));
        assert_eq!(why(&entry, None, at("2026-10-20T00:00:00Z")), None);
        assert_eq!(
            why(&entry, None, at("2026-10-28T00:00:00Z")),
            Some(Why::Near)
        );
        entry.reminded_at = Some(at("2026-10-28T00:00:00Z"));
        assert_eq!(why(&entry, None, at("2026-10-30T00:00:00Z")), None);
        assert_eq!(
            why(&entry, None, at("2026-10-31T00:00:00Z")),
            Some(Why::Overdue)
        );
        entry.reminded_at = Some(at("2026-10-31T00:00:00Z"));
        assert_eq!(why(&entry, None, at("2026-11-06T00:00:00Z")), None);
        assert_eq!(
            why(&entry, None, at("2026-11-07T00:00:00Z")),
            Some(Why::Overdue)
        );
        entry.reminded_at = Some(at("2026-10-20T00:00:00Z"));
        entry.done_at = Some(at("2026-10-21T00:00:00Z"));
        assert_eq!(
            why(&entry, None, at("2026-10-22T00:00:00Z")),
            Some(Why::Approval)
        );
        // It was not approved: whoever owes it is told once.
        entry.done_at = None;
        let rejected = Some(at("2026-10-22T00:00:00Z"));
        assert_eq!(
            why(&entry, rejected, at("2026-10-22T00:01:00Z")),
            Some(Why::Rejected)
        );
        entry.reminded_at = Some(at("2026-10-22T00:01:00Z"));
        assert_eq!(why(&entry, rejected, at("2026-10-22T00:06:00Z")), None);
    }
}
