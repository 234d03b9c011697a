//! `person roster`: the personnel's list held against the directory (clause 7.1(3): identifiers that nobody needs any more).

use std::collections::BTreeMap;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use super::{Caller, CommandError, LineProblem};
use crate::{
    Role,
    tables::{account, person},
};

const MAY: &[Role] = &[
    Role::PersonnelClerk,
    Role::SystemOfficer,
    Role::SecurityOfficer,
    Role::AccountManager,
    Role::Administrator,
];
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

/// Compares a list in CSV, whose header has a column `name` with short names, with the directory. Nothing is changed.
///
/// # Errors
/// [`CommandError`]; a list with a line that cannot be read is refused as a whole.
pub async fn compare(caller: &Caller, file: &[u8]) -> Result<Vec<Mismatch>, CommandError> {
    let words = "person roster";
    let parsed = parse(file);
    caller
        .look(words, MAY, move |snapshot, _| {
            let mut listed = parsed?;
            let mut found = Vec::new();
            for person in person::all(snapshot)? {
                let on_list = listed.remove(&person.name).is_some();
                let difference = match (on_list, person.active) {
                    (false, true) => Difference::NotOnList,
                    (true, false) => Difference::LeftButOnList,
                    _ => continue,
                };
                let accounts = account::of_person(snapshot, person.id)?;
                found.push(Mismatch {
                    person: person.name,
                    difference,
                    accounts: accounts.into_iter().map(|one| one.identifier).collect(),
                });
            }
            found.extend(listed.into_keys().map(|person| Mismatch {
                person,
                difference: Difference::Unknown,
                accounts: Vec::new(),
            }));
            Ok(found)
        })
        .await
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
