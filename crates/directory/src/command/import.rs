//! `account import FILE.csv --order N`: accounts with their password hashes, from another mail server.
//!
//! The file has a header line and four columns, `address,name,password_hash,quota`. It is read and checked as a
//! whole before anything changes; then its accounts are made in batches, each a commit with its events. When that
//! is interrupted, the same command goes on where it stopped: rows whose account this order made are passed over.

use std::collections::HashMap;

use message::address::Address;
use serde::Serialize;
use store::{Tx, sql::Sql};
use trail::{Event, Kind};

use super::{
    Caller, CommandError, Executor, LineProblem, OrderProblem,
    issue::{MAY, NewAccount, Password, create},
    new_address::free,
    order, plain_text,
};
use crate::{
    Options, Role,
    hash::Stored,
    tables::{
        account, credential,
        order::{OrderKind, OrderState, mark},
        person,
    },
};

/// Largest file, in octets.
const MOST_OCTETS: usize = 64 << 20;
/// Accounts made in one commit.
const BATCH: usize = 100;
/// Longest name, in characters.
const MOST_NAME: usize = 200;
/// Problems that are collected before reading stops.
const MOST_PROBLEMS: usize = 1000;

const HEADER: [&str; 4] = ["address", "name", "password_hash", "quota"];

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Accounts made now.
    pub made: usize,
    /// Accounts that this order had made before an interruption.
    pub made_before: usize,
}

/// One account of the file, checked.
#[derive(Clone)]
pub(super) struct Line {
    number: u64,
    address: Address,
    name: String,
    stored: Stored,
    quota: Option<u64>,
}

/// Makes the accounts of `file` on the order that was given for exactly this file. `progress` is told, after each
/// commit, how many lines of how many are done.
///
/// # Errors
/// [`CommandError`]; with [`CommandError::Lines`] nothing was changed. After a failure of the store, give the same
/// command again.
pub async fn import(
    caller: &Caller,
    number: i64,
    file: &[u8],
    mut progress: impl FnMut(usize, usize) + Send,
) -> Result<Imported, CommandError> {
    let digest = order::digest(file);
    let words = format!("account import --order {number} (sha256 {digest})");
    let options = caller.directory.options();
    let work = async {
        let lines = parse(file, &options)?;
        check_against_store(caller, number, &digest, &options, &lines).await?;
        let total = lines.len();
        let mut done = Imported::default();
        let mut seen = 0usize;
        for batch in lines.chunks(BATCH) {
            seen = seen.saturating_add(batch.len());
            let part = Part {
                number,
                digest: digest.clone(),
                last: seen == total,
                total,
                lines: batch.to_vec(),
            };
            let options = options.clone();
            let decoy_key: [u8; 32] = caller.directory.inner.world.bytes();
            let made = caller
                .change(&words, MAY, move |tx, me| {
                    credential::keep_decoy_key(tx, &decoy_key)?;
                    make(tx, me, &options, part)
                })
                .await?;
            done.made = done.made.saturating_add(made.made);
            done.made_before = done.made_before.saturating_add(made.made_before);
            progress(seen, total);
        }
        Ok(done)
    };
    caller.run(&words, work).await
}

/// Reads and checks the whole file by itself.
pub(super) fn parse(file: &[u8], options: &Options) -> Result<Vec<Line>, CommandError> {
    let lone = |line, problem: String| CommandError::Lines(vec![LineProblem { line, problem }]);
    if file.len() > MOST_OCTETS {
        return Err(lone(
            1,
            format!("the file is larger than {MOST_OCTETS} octets"),
        ));
    }
    // Spreadsheet programs put a byte order mark before UTF-8.
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader
        .headers()
        .map_err(|problem| lone(1, problem.to_string()))?;
    if header.iter().map(str::trim).ne(HEADER) {
        return Err(lone(1, format!("the header must be {}", HEADER.join(","))));
    }
    let mut lines = Vec::new();
    let mut problems = Vec::new();
    let mut seen: HashMap<Address, u64> = HashMap::new();
    for record in reader.records() {
        let (number, line) = match &record {
            Ok(record) => {
                let number = record.position().map_or(0, csv::Position::line);
                (number, read_line(number, record, options))
            }
            Err(problem) => {
                let number = problem.position().map_or(0, csv::Position::line);
                (number, Err(problem.to_string()))
            }
        };
        match line {
            Ok(line) => match seen.insert(line.address.clone(), number) {
                Some(first) => {
                    problems.push(LineProblem {
                        line: number,
                        problem: format!("the address stands in line {first} too"),
                    });
                }
                None => lines.push(line),
            },
            Err(problem) => problems.push(LineProblem {
                line: number,
                problem,
            }),
        }
        if problems.len() >= MOST_PROBLEMS {
            break;
        }
    }
    if lines.is_empty() && problems.is_empty() {
        return Err(lone(2, "the file has no accounts".to_owned()));
    }
    if problems.is_empty() {
        Ok(lines)
    } else {
        Err(CommandError::Lines(problems))
    }
}

fn read_line(number: u64, record: &csv::StringRecord, options: &Options) -> Result<Line, String> {
    let fields: Vec<&str> = record.iter().map(str::trim).collect();
    let [address, name, hash, quota] = fields.as_slice() else {
        return Err(format!("4 fields are expected, {} are there", fields.len()));
    };
    let address = Address::parse(address)
        .map_err(|problem| problem.to_string())?
        .canonical();
    if options.own(address.domain()).is_none() {
        return Err(CommandError::NotOwn(address).to_string());
    }
    // The address becomes the holder's short name.
    super::person::short_name(&address.to_string()).map_err(|problem| problem.to_string())?;
    Ok(Line {
        number,
        name: plain_text("the name", name, MOST_NAME).map_err(|problem| problem.to_string())?,
        stored: Stored::parse(hash).map_err(|problem| problem.to_string())?,
        quota: parse_quota(quota)?,
        address,
    })
}

/// Octets, or with `K`, `M` or `G` (or `KiB`, `MiB`, `GiB`, as in the settings) behind the number 2¹⁰, 2²⁰ or
/// 2³⁰ of them. Empty: the setting's quota.
fn parse_quota(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let short = text
        .strip_suffix("iB")
        .filter(|rest| rest.ends_with(['K', 'M', 'G']))
        .unwrap_or(text);
    let (digits, shift) = match short.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 10),
        None => match short.strip_suffix(['M', 'm']) {
            Some(digits) => (digits, 20),
            None => short
                .strip_suffix(['G', 'g'])
                .map_or((short, 0), |digits| (digits, 30)),
        },
    };
    let number: Option<u64> = digits
        .parse()
        .ok()
        .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
    let octets = number
        .and_then(|n| n.checked_mul(1u64 << shift))
        .filter(|n| i64::try_from(*n).is_ok());
    octets.map(Some).ok_or_else(|| {
        format!("{text:?} is no quota: octets are expected, with KiB, MiB or GiB if wished")
    })
}

/// Looks for every line that the store would refuse, so that nothing begins that cannot end.
async fn check_against_store(
    caller: &Caller,
    number: i64,
    digest: &str,
    options: &std::sync::Arc<Options>,
    lines: &[Line],
) -> Result<(), CommandError> {
    let (options, lines, digest) = (options.clone(), lines.to_vec(), digest.to_owned());
    caller
        .peek(MAY, move |snapshot, _| {
            let order = crate::tables::order::by_number(snapshot, number)?.ok_or_else(|| {
                CommandError::NoSuch {
                    what: "order",
                    name: number.to_string(),
                }
            })?;
            same_file(number, order.digest.as_deref(), &digest)?;
            let mut problems = Vec::new();
            for line in &lines {
                match free_for(snapshot, &options, number, line) {
                    Ok(_) => {}
                    Err(CommandError::Store(error)) => return Err(error.into()),
                    Err(problem) => {
                        problems.push(LineProblem {
                            line: line.number,
                            problem: problem.to_string(),
                        });
                    }
                }
            }
            if problems.is_empty() {
                Ok(())
            } else {
                Err(CommandError::Lines(problems))
            }
        })
        .await
}

/// Whether the line's account is still to be made; `false` when this order made it before.
fn free_for(
    sql: &mut dyn Sql,
    options: &Options,
    number: i64,
    line: &Line,
) -> Result<bool, CommandError> {
    let identifier = line.address.to_string();
    if account::by_identifier(sql, &identifier)?.is_some_and(|account| account.order == number) {
        return Ok(false);
    }
    free(sql, options, &line.address)?;
    if person::by_name(sql, &identifier)?.is_some() {
        return Err(CommandError::Exists {
            what: "person",
            name: identifier,
        });
    }
    Ok(true)
}

fn same_file(number: i64, ordered: Option<&str>, given: &str) -> Result<(), CommandError> {
    match ordered {
        Some(ordered) if ordered != given => Err(CommandError::Order {
            number,
            problem: OrderProblem::File(ordered.to_owned()),
        }),
        _ => Ok(()),
    }
}

/// A batch of lines.
struct Part {
    number: i64,
    digest: String,
    last: bool,
    total: usize,
    lines: Vec<Line>,
}

fn make(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    part: Part,
) -> Result<(Imported, Vec<Event>), CommandError> {
    let number = part.number;
    let (order, single) = order::usable(tx, number, OrderKind::Import, me, options)?;
    same_file(number, order.digest.as_deref(), &part.digest)?;
    let mut done = Imported::default();
    let mut events = Vec::new();
    for line in part.lines {
        if !free_for(tx, options, number, &line)? {
            done.made_before = done.made_before.saturating_add(1);
            continue;
        }
        let identifier = line.address.to_string();
        let holder = person::insert(tx, &identifier, &line.name)?;
        person::grant(tx, holder, Role::Staff)?;
        let quota = line.quota.or(options.default_quota);
        let scheme = line.stored.scheme.as_str();
        let new = NewAccount {
            address: &line.address,
            person: holder,
            order: number,
            quota,
            password: Password::Imported(line.stored),
        };
        let account = create(tx, new)?;
        let added = me.event(Kind::PersonAdded, &identifier).order(number);
        events.push(
            added
                .detail("full_name", line.name)
                .detail("role", Role::Staff.as_str()),
        );
        let issued = me
            .event(Kind::AccountIssued, &identifier)
            .order(number)
            .detail("account", account.to_string())
            .detail("person", identifier.as_str())
            .detail("line", line.number)
            .detail("scheme", scheme)
            .detail("quota", quota);
        events.push(order::mark_single(issued, single));
        done.made = done.made.saturating_add(1);
    }
    let (state, what) = if part.last {
        (OrderState::Used, format!("{} accounts", part.total))
    } else {
        (
            OrderState::Executing,
            format!("an import of {} accounts under way", part.total),
        )
    };
    mark(tx, number, state, me.id, &what)?;
    Ok((done, events))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use message::address::Domain;

    use super::*;
    use crate::OwnDomain;

    fn options() -> Options {
        let name = Domain::parse("example.jp").unwrap();
        Options {
            domains: vec![OwnDomain {
                name,
                catch_all: None,
            }],
            ..Options::default()
        }
    }

    const HASH: &str = "{BLF-CRYPT}$2b$05$abcdefghijklmnopqrstuuXKTEyGV6paEx72uaCdgQy9aOINbQwsm";

    #[test]
    fn problems_name_their_lines() {
        let file = format!(
            "address,name,password_hash,quota\n\
             a@example.jp,A,{HASH},\n\
             b@other.jp,B,{HASH},\n\
             c@example.jp,C,{{PLAIN}}x,\n\
             d@example.jp,D,{HASH},many\n\
             A@example.jp,A,{HASH},1\n\
             e@example.jp,E,{HASH}\n\
             f@example.jp,,{HASH},\n"
        );
        let Err(CommandError::Lines(problems)) = parse(file.as_bytes(), &options()) else {
            panic!("accepted");
        };
        let found: Vec<u64> = problems.iter().map(|p| p.line).collect();
        assert_eq!(found, [3, 4, 5, 6, 7, 8], "{problems:?}");
    }

    #[test]
    fn good_files_are_read() {
        let file = format!(
            "\u{feff}address,name,password_hash,quota\r\nA@example.jp,\"田中, 太郎\",{HASH},2G\r\n"
        );
        let lines = parse(file.as_bytes(), &options()).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines.first().unwrap().quota, Some(2 << 30));
        assert_eq!(lines.first().unwrap().name, "田中, 太郎");
        assert!(parse(b"address,name\n", &options()).is_err());
        assert!(parse(b"address,name,password_hash,quota\n", &options()).is_err());
        assert!(parse(b"", &options()).is_err());
        assert!(
            parse(
                b"address,name,password_hash,quota\n\xff\xfe,a,b,c\n",
                &options()
            )
            .is_err()
        );
    }

    #[test]
    fn quotas() {
        assert_eq!(parse_quota(""), Ok(None));
        assert_eq!(parse_quota("1000"), Ok(Some(1000)));
        assert_eq!(parse_quota("10m"), Ok(Some(10 << 20)));
        assert_eq!(parse_quota("2GiB"), Ok(Some(2 << 30)));
        for bad in [
            "5iB",
            "iB",
            "1B",
            "-1",
            "+1",
            "1T",
            "G",
            "99999999999999999999",
            "9999999999G",
        ] {
            assert!(parse_quota(bad).is_err(), "{bad}");
        }
    }
}
