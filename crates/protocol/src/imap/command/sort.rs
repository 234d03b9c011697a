//! SORT and THREAD (RFC 5256).

use super::{Command, Parse, ParseError, Parser, SearchKey, SearchReturn, search};

/// SORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// UID SORT: the answer holds UIDs.
    pub uid: bool,
    /// RETURN (RFC 5267).
    pub returns: Option<SearchReturn>,
    /// What to sort by, most important first; never empty.
    pub criteria: Vec<SortCriterion>,
    /// What to match.
    pub key: SearchKey,
}

/// One sort criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortCriterion {
    /// Greatest first.
    pub reverse: bool,
    /// What is compared.
    pub key: SortKey,
}

/// What SORT compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// Internal date.
    Arrival,
    /// First Cc mailbox.
    Cc,
    /// Date field, the internal date where it is unusable.
    Date,
    /// First From mailbox.
    From,
    /// Size in octets.
    Size,
    /// Base subject.
    Subject,
    /// First To mailbox.
    To,
}

/// THREAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// UID THREAD: the answer holds UIDs.
    pub uid: bool,
    /// How to thread.
    pub algorithm: ThreadAlgorithm,
    /// What to match.
    pub key: SearchKey,
}

/// How THREAD finds conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// By base subject, then date.
    OrderedSubject,
    /// By Message-ID, References and In-Reply-To.
    References,
}

pub(super) fn sort(parser: &mut Parser<'_>, uid: bool) -> Parse<Command> {
    parser.space()?;
    let returns = search::returns(parser)?;
    let (criteria, key) = program(parser).map_err(|error| error.of_search(returns))?;
    Ok(Command::Sort(Sort {
        uid,
        returns,
        criteria,
        key,
    }))
}

fn program(parser: &mut Parser<'_>) -> Parse<(Vec<SortCriterion>, SearchKey)> {
    let criteria = parser.full_list(criterion)?;
    parser.space()?;
    search::charset(parser)?;
    parser.space()?;
    Ok((criteria, search::program(parser)?))
}

fn criterion(parser: &mut Parser<'_>) -> Parse<SortCriterion> {
    let reverse = parser.take_word("REVERSE");
    if reverse {
        parser.space()?;
    }
    let key = match parser.name()?.as_str() {
        "ARRIVAL" => SortKey::Arrival,
        "CC" => SortKey::Cc,
        "DATE" => SortKey::Date,
        "FROM" => SortKey::From,
        "SIZE" => SortKey::Size,
        "SUBJECT" => SortKey::Subject,
        "TO" => SortKey::To,
        _ => return Err(ParseError::bad("unknown sort criterion")),
    };
    Ok(SortCriterion { reverse, key })
}

pub(super) fn thread(parser: &mut Parser<'_>, uid: bool) -> Parse<Command> {
    parser.space()?;
    let algorithm = match parser.name()?.as_str() {
        "ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
        "REFERENCES" => ThreadAlgorithm::References,
        _ => return Err(ParseError::bad("unknown threading algorithm")),
    };
    parser.space()?;
    search::charset(parser)?;
    parser.space()?;
    Ok(Command::Thread(Thread {
        uid,
        algorithm,
        key: search::program(parser)?,
    }))
}
