//! What people owe beside tasks: measures of mailboxes, contracts with experts, warnings of logins without TLS, languages. What a row
//! refers to is there, and an event tells of it.

use trail::Kind;

use crate::{
    AccountId, Error,
    sql::{Row, Value},
};

use super::{Check, Finding, Look, is_told};

/// Measures looked at in one step, each with all of its mailboxes.
const AT_ONCE: i64 = 16;

/// Every measure of mailboxes: an event tells of it, and its mailboxes are not more than it counts.
#[derive(Default)]
pub(super) struct Capacity {
    after: String,
}

impl Check for Capacity {
    fn name(&self) -> &'static str {
        "measures of mailboxes"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let page = "SELECT c.period, c.measured_at, c.octets, c.messages, SUM(m.octets), SUM(m.messages), COUNT(m.account), c.mailboxes
                    FROM capacity c LEFT JOIN capacity_mailbox m ON m.period = c.period WHERE c.period > ?1
                    GROUP BY c.period, c.measured_at, c.octets, c.messages, c.mailboxes ORDER BY c.period LIMIT ?2";
        let sums = |row: &dyn Row| {
            let held = [row.maybe_int(4)?, row.maybe_int(5)?].map(Option::unwrap_or_default);
            let whole = [row.int(2)?, row.int(3)?];
            let has_rows = row.int(6)? > 0;
            let differs = has_rows && held != whole || row.int(6)? > row.int(7)?;
            Ok((row.text(0)?, row.time(1)?, differs))
        };
        let rows = look.rows(page, crate::params![self.after.as_str(), AT_ONCE], sums)?;
        for (period, measured, differs) in &rows {
            let name = || format!("measure of {period}");
            if !is_told(look, *measured, &[Kind::CapacityMeasured], period)? {
                tell(look, name(), "no event tells of it");
            }
            if *differs {
                tell(look, name(), "its mailboxes do not come to its sum");
            }
        }
        match rows.last() {
            Some((last, ..)) => self.after.clone_from(last),
            None => return Ok(false),
        }
        Ok(true)
    }
}

/// All others; there are few, or they are told of by one look at an index.
pub(super) struct Duties;

impl Check for Duties {
    fn name(&self) -> &'static str {
        "experts, warnings and languages"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        references(look)?;
        experts(look)?;
        drills(look)?;
        warnings(look)?;
        Ok(false)
    }
}

/// What rows refer to.
fn references(look: &mut Look<'_, '_>) -> Result<(), Error> {
    for (list, what, why) in [
        (
            "SELECT CAST(l.person AS TEXT) FROM person_language l LEFT JOIN person p ON p.id = l.person WHERE p.id IS NULL",
            "language of person",
            "there is no such person",
        ),
        (
            "SELECT CAST(w.account AS TEXT) FROM plaintext_login w LEFT JOIN account a ON a.id = w.account WHERE a.id IS NULL",
            "warning of account",
            "there is no such account",
        ),
        (
            "SELECT m.period || ', account ' || CAST(m.account AS TEXT) FROM capacity_mailbox m LEFT JOIN account a ON a.id = m.account
             LEFT JOIN capacity c ON c.period = m.period WHERE a.id IS NULL OR c.period IS NULL",
            "measure of",
            "there is no such account, or no such measure",
        ),
        (
            "SELECT CAST(e.number AS TEXT) FROM expert e LEFT JOIN person p ON p.id = e.added_by LEFT JOIN person q ON q.id = e.ended_by
             WHERE p.id IS NULL OR (e.ended_by IS NOT NULL AND q.id IS NULL)",
            "contract with experts",
            "who added or ended it is not there",
        ),
        (
            "SELECT CAST(d.number AS TEXT) FROM expert_drill d LEFT JOIN expert e ON e.number = d.expert
             LEFT JOIN person p ON p.id = d.noted_by WHERE e.number IS NULL OR p.id IS NULL",
            "drill",
            "its contract, or who noted it, is not there",
        ),
    ] {
        for name in look.rows(list, &[], |row| row.text(0))? {
            tell(look, format!("{what} {name}"), why);
        }
    }
    Ok(())
}

/// A contract was added, and ended if it was, by events.
fn experts(look: &mut Look<'_, '_>) -> Result<(), Error> {
    let list = "SELECT number, added_at, ended_at FROM expert ORDER BY number";
    let rows = look.rows(list, &[], |row| {
        Ok((row.int(0)?, row.time(1)?, row.maybe_time(2)?))
    })?;
    for (number, added, ended) in rows {
        let name = || format!("contract with experts {number}");
        if !is_told(look, added, &[Kind::ExpertAdded], &number.to_string())? {
            tell(look, name(), "no event tells that it was added");
        }
        if let Some(ended) = ended
            && !is_told(look, ended, &[Kind::ExpertEnded], &number.to_string())?
        {
            tell(look, name(), "no event tells that it was ended");
        }
    }
    Ok(())
}

/// A drill was noted by an event of its contract.
fn drills(look: &mut Look<'_, '_>) -> Result<(), Error> {
    let list = "SELECT number, expert, noted_at FROM expert_drill ORDER BY number";
    let rows = look.rows(list, &[], |row| {
        Ok((row.int(0)?, row.int(1)?, row.time(2)?))
    })?;
    for (number, expert, noted) in rows {
        if !is_told(look, noted, &[Kind::ExpertDrilled], &expert.to_string())? {
            tell(look, format!("drill {number}"), "no event tells of it");
        }
    }
    Ok(())
}

/// Who is noted to have been warned of logins without TLS was, as an event tells.
fn warnings(look: &mut Look<'_, '_>) -> Result<(), Error> {
    let mut after = AccountId(0);
    let page = "SELECT w.account, a.identifier, w.warned_at FROM plaintext_login w JOIN account a ON a.id = w.account
                WHERE w.warned_at IS NOT NULL AND w.account > ?1 ORDER BY w.account LIMIT ?2";
    loop {
        let params = [Value::from(after), Value::Int(super::ROWS)];
        let rows = look.rows(page, &params, |row| {
            Ok((AccountId(row.int(0)?), row.text(1)?, row.time(2)?))
        })?;
        for (account, identifier, warned) in &rows {
            after = *account;
            if !is_told(look, *warned, &[Kind::PlaintextWarned], identifier)? {
                let name = format!("warning of account {account}");
                tell(look, name, "no event tells of it");
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}

fn tell(look: &mut Look<'_, '_>, name: String, why: &str) {
    look.tell(Finding::WorkAltered {
        name,
        why: why.to_owned(),
    });
}
