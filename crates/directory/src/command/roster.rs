//! `person roster`: the personnel's list held against the directory (clause 7.1(3): identifiers that nobody needs any more).

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use store::{Error, Tx, sql::Sql};
use trail::{Event, Kind};
use unicode_normalization::UnicodeNormalization;

use super::{Caller, CommandError, Commit, LineProblem};
use crate::{
    Role,
    tables::{account, person, roster},
};

const MAY: &[Role] = &[
    Role::PersonnelClerk,
    Role::SystemOfficer,
    Role::SecurityOfficer,
    Role::AccountManager,
    Role::Administrator,
];
/// People who are named in an event at most.
const MOST_TOLD: usize = 200;
/// Lines that are wrong and are told at most.
const MOST_PROBLEMS: usize = 100;

/// Where the list and the directory differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The short name.
    pub person: String,
    /// What differs.
    pub difference: Difference,
    /// Accounts that are not deleted.
    pub accounts: Vec<String>,
    /// Of who is not on the list: since which comparison.
    pub since: Option<Timestamp>,
    /// Of who is not on the list and has accounts: from when on these are suspended.
    pub suspends_at: Option<Timestamp>,
}

impl Mismatch {
    /// Says since when, and until when, of who is not on the list that is compared `now`.
    fn settle(&mut self, now: Timestamp, grace: Duration) {
        if self.difference != Difference::NotOnList {
            self.since = None;
            return;
        }
        let since = *self.since.get_or_insert(now);
        if !grace.is_zero() && !self.accounts.is_empty() {
            self.suspends_at = since.checked_add(grace).ok();
        }
    }
}

/// How they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// The person is in the directory and not on the list: perhaps gone without a notice.
    NotOnList,
    /// The person is on the list and has left, as the directory has it.
    LeftButOnList,
    /// The person is on the list and not in the directory.
    Unknown,
}

/// Compares a list in CSV, whose header has a column `name` with short names, with the directory. Who is in the directory and not on the
/// list is noted, with since when; after `roster_grace` their identifiers are suspended ([`super::idle::sweep`]), unless a later list has
/// them. `tell` makes what is committed with that of where the two differ: mail to the officers.
///
/// # Errors
/// [`CommandError`]; a list with a line that cannot be read is refused as a whole, and nothing is noted.
pub async fn compare<B: Commit>(
    caller: &Caller,
    file: &[u8],
    tell: impl FnOnce(&[Mismatch]) -> B + Send,
) -> Result<Vec<Mismatch>, CommandError> {
    let words = "person roster";
    let work = async {
        let (parsed, grace) = (parse(file), caller.directory.options().roster_grace);
        // Who may not compare hears nothing of the list.
        let (listed, seen) = caller
            .peek(MAY, move |snapshot, _| {
                let listed = parsed?;
                let seen = differences(snapshot, &listed)?;
                Ok((listed, seen))
            })
            .await?;
        let now = caller.store().now();
        let settled = move |mut found: Vec<Mismatch>| {
            for one in &mut found {
                one.settle(now, grace);
            }
            found
        };
        let by = tell(&settled(seen.clone()));
        let sha256 = super::order::digest(file);
        let noted = caller
            .change_by(by, words, MAY, move |tx, me| {
                if differences(tx, &listed)? != seen {
                    return Err(CommandError::Changed);
                }
                let event = me.event(Kind::RosterCompared, sha256);
                let event = note(tx, &listed, event)?;
                Ok((differences(tx, &listed)?, vec![event]))
            })
            .await?;
        Ok(settled(noted))
    };
    caller.run(words, work).await
}

/// Where the list and the directory differ.
fn differences(sql: &mut dyn Sql, listed: &BTreeMap<String, u64>) -> Result<Vec<Mismatch>, Error> {
    let mut unknown = listed.clone();
    let off = roster::off(sql)?;
    let mut found = Vec::new();
    for person in person::all(sql)? {
        let on_list = unknown.remove(&person.name).is_some();
        let difference = match (on_list, person.active) {
            (false, true) => Difference::NotOnList,
            (true, false) => Difference::LeftButOnList,
            _ => continue,
        };
        let accounts = account::of_person(sql, person.id)?;
        found.push(Mismatch {
            since: off.get(&person.id).copied(),
            person: person.name,
            difference,
            accounts: accounts.into_iter().map(|one| one.identifier).collect(),
            suspends_at: None,
        });
    }
    found.extend(unknown.into_keys().map(|person| Mismatch {
        person,
        difference: Difference::Unknown,
        accounts: Vec::new(),
        since: None,
        suspends_at: None,
    }));
    Ok(found)
}

/// Notes who is on the list and who is not; the event of that.
fn note(
    tx: &mut Tx<'_>,
    listed: &BTreeMap<String, u64>,
    event: Event,
) -> Result<Event, CommandError> {
    let off = roster::off(tx)?;
    let (mut missing, mut back) = (Vec::new(), Vec::new());
    for person in person::all(tx)? {
        let on_list = listed.contains_key(&person.name);
        if !on_list && person.active {
            roster::missing(tx, person.id)?;
            missing.push(person.name);
        } else if off.contains_key(&person.id) {
            roster::found(tx, person.id)?;
            back.push(person.name);
        }
    }
    let count = missing.len();
    missing.truncate(MOST_TOLD);
    back.truncate(MOST_TOLD);
    Ok(event
        .detail("listed", listed.len())
        .detail("missing", count)
        .detail("not_on_list", missing)
        .detail("came_back", back))
}

/// The short names of the list, with the lines that they stand in.
fn parse(file: &[u8]) -> Result<BTreeMap<String, u64>, CommandError> {
    let lone = |line, problem: String| CommandError::Lines(vec![LineProblem { line, problem }]);
    // Spreadsheet programs put a byte order mark before UTF-8.
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader
        .headers()
        .map_err(|problem| lone(1, problem.to_string()))?;
    let column = header
        .iter()
        .position(|name| name.trim() == "name")
        .ok_or_else(|| lone(1, "the header has no column \"name\"".to_owned()))?;
    let mut names = BTreeMap::new();
    let mut problems = Vec::new();
    for record in reader.records() {
        let read = record.map_err(|problem| {
            let line = problem.position().map_or(0, csv::Position::line);
            (line, problem.to_string())
        });
        let named = read.and_then(|record| {
            let line = record.position().map_or(0, csv::Position::line);
            let name: String = record
                .get(column)
                .unwrap_or_default()
                .trim()
                .nfc()
                .collect();
            if name.is_empty() {
                return Err((line, "there is no name".to_owned()));
            }
            match names.insert(name, line) {
                Some(first) => Err((line, format!("the name stands in line {first} too"))),
                None => Ok(()),
            }
        });
        if let Err((line, problem)) = named {
            problems.push(LineProblem { line, problem });
            if problems.len() >= MOST_PROBLEMS {
                break;
            }
        }
    }
    match problems.is_empty() {
        true => Ok(names),
        false => Err(CommandError::Lines(problems)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_are_read_or_refused_with_their_lines() {
        let names = parse("\u{feff}id,name\n1,tanaka\n2, 鈴木 \n".as_bytes()).unwrap();
        assert_eq!(names.into_keys().collect::<Vec<_>>(), ["tanaka", "鈴木"]);
        for (text, told) in [
            ("id\n1\n", "line 1: the header has no column \"name\""),
            ("name\na\na\n", "line 3: the name stands in line 2 too"),
            ("id,name\n1,\n", "line 2: there is no name"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), told);
        }
    }
}
