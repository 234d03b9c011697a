//! SEARCH: every key of both revisions, with RETURN, CONDSTORE, WITHIN, SAVEDATE, OBJECTID and SEARCHRES.

use jiff::civil::Date;
use message::charset::Charset;

use super::{Command, MessageSet, Parse, ParseError, Parser};
use crate::imap::date::parse_date;
use crate::imap::flag::{Flag, Keyword, SystemFlags};
use crate::imap::response::ResponseCode;
use crate::imap::sequence::SequenceSet;

/// SEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// UID SEARCH: the answer holds UIDs.
    pub uid: bool,
    /// RETURN (RFC 4731); absent, IMAP4rev1 gets SEARCH and IMAP4rev2 gets ESEARCH with ALL.
    pub returns: Option<SearchReturn>,
    /// What to match.
    pub key: SearchKey,
}

/// Options of RETURN. `RETURN ()` is read as ALL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchReturn {
    /// MIN
    pub min: bool,
    /// MAX
    pub max: bool,
    /// ALL
    pub all: bool,
    /// COUNT
    pub count: bool,
    /// SAVE (RFC 5182): remember the result as `$`.
    pub save: bool,
}

/// A tree of conditions. Strings are Unicode and are to be looked for as substrings, without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// ALL
    All,
    /// Every one of these.
    And(Vec<SearchKey>),
    /// One of the two.
    Or(Box<SearchKey>, Box<SearchKey>),
    /// Not this.
    Not(Box<SearchKey>),
    /// ANSWERED, SEEN, KEYWORD x and so on. UNSEEN and the like are [`SearchKey::Not`] of this; NEW is RECENT and not
    /// SEEN.
    Flag(Flag),
    /// Sequence numbers.
    Numbers(SequenceSet),
    /// UIDs.
    Uids(SequenceSet),
    /// `$`
    Saved,
    /// BCC
    Bcc(String),
    /// BODY: the text of all parts.
    Body(String),
    /// CC
    Cc(String),
    /// FROM
    From(String),
    /// HEADER: the field's name, and text in it; empty text asks whether the field is there.
    Header(String, String),
    /// SUBJECT
    Subject(String),
    /// TEXT: header or body.
    Text(String),
    /// TO
    To(String),
    /// Internal date before the day, disregarding time and zone.
    Before(Date),
    /// Internal date on the day.
    On(Date),
    /// Internal date on the day or later.
    Since(Date),
    /// Date field before the day.
    SentBefore(Date),
    /// Date field on the day.
    SentOn(Date),
    /// Date field on the day or later.
    SentSince(Date),
    /// SAVEDBEFORE (RFC 8514)
    SavedBefore(Date),
    /// SAVEDON
    SavedOn(Date),
    /// SAVEDSINCE
    SavedSince(Date),
    /// SAVEDATESUPPORTED: every message, as every mailbox supports it.
    SaveDateSupported,
    /// Internal date more than so many seconds ago (RFC 5032).
    Older(u32),
    /// Internal date within the last so many seconds.
    Younger(u32),
    /// Size in octets above this.
    Larger(u64),
    /// Size in octets below this.
    Smaller(u64),
    /// MODSEQ of this or more (RFC 7162); the answer then tells the highest.
    ModSeq(u64),
    /// EMAILID (RFC 8474)
    EmailId(String),
    /// THREADID
    ThreadId(String),
}

impl SearchKey {
    /// Whether a MODSEQ key is anywhere inside, so that the answer must tell the highest.
    #[must_use]
    pub fn asks_mod_seq(&self) -> bool {
        match self {
            Self::ModSeq(_) => true,
            Self::And(keys) => keys.iter().any(Self::asks_mod_seq),
            Self::Or(one, other) => one.asks_mod_seq() || other.asks_mod_seq(),
            Self::Not(key) => key.asks_mod_seq(),
            _ => false,
        }
    }
}

pub(super) fn search(parser: &mut Parser<'_>, uid: bool) -> Parse<Command> {
    parser.space()?;
    let returns = returns(parser)?;
    let key = in_charset(parser).map_err(|error| error.of_search(returns))?;
    Ok(Command::Search(Search { uid, returns, key }))
}

fn in_charset(parser: &mut Parser<'_>) -> Parse<SearchKey> {
    if parser.take_word("CHARSET") {
        parser.space()?;
        charset(parser)?;
        parser.space()?;
    }
    program(parser)
}

/// `RETURN (…) ` if it is next.
pub(super) fn returns(parser: &mut Parser<'_>) -> Parse<Option<SearchReturn>> {
    if !parser.take_word("RETURN") {
        return Ok(None);
    }
    parser.space()?;
    let mut returns = SearchReturn::default();
    parser.list(|parser| {
        match parser.name()?.as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            _ => return Err(ParseError::bad("unknown return option of SEARCH")),
        }
        Ok(())
    })?;
    if returns == SearchReturn::default() {
        returns.all = true;
    }
    parser.space()?;
    Ok(Some(returns))
}

/// The charset that the strings behind it are written in: US-ASCII, UTF-8, or any that mail is read in. Old programs
/// search in what they write, ISO-2022-JP for one.
pub(super) fn charset(parser: &mut Parser<'_>) -> Parse<()> {
    let name = parser.astring()?;
    if name.eq_ignore_ascii_case(b"UTF-8") || name.eq_ignore_ascii_case(b"US-ASCII") {
        return Ok(());
    }
    parser.charset = std::str::from_utf8(&name).ok().and_then(Charset::for_label);
    if parser.charset.is_some() {
        return Ok(());
    }
    Err(ParseError::no(
        ResponseCode::BadCharset,
        "this charset is not known; search in UTF-8",
    ))
}

/// Keys to the end of the command.
pub(super) fn program(parser: &mut Parser<'_>) -> Parse<SearchKey> {
    let mut budget = parser.limits.search_keys;
    let keys = keys(parser, &mut budget)?;
    Ok(conjunction(keys))
}

fn conjunction(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.pop() {
        Some(only) if keys.is_empty() => only,
        Some(last) => {
            keys.push(last);
            SearchKey::And(keys)
        }
        None => SearchKey::All,
    }
}

fn keys(parser: &mut Parser<'_>, budget: &mut usize) -> Parse<Vec<SearchKey>> {
    let mut keys = vec![parser.nested(|parser| key(parser, budget))?];
    while parser.take(b' ') {
        keys.push(parser.nested(|parser| key(parser, budget))?);
    }
    Ok(keys)
}

fn key(parser: &mut Parser<'_>, budget: &mut usize) -> Parse<SearchKey> {
    *budget = budget
        .checked_sub(1)
        .ok_or(ParseError::limit("too many search keys"))?;
    match parser.peek() {
        Some(b'(') => {
            parser.take(b'(');
            let inner = keys(parser, budget)?;
            parser.expect(b')', "a search list does not end")?;
            return Ok(conjunction(inner));
        }
        Some(b'$') => {
            parser.take(b'$');
            return Ok(SearchKey::Saved);
        }
        Some(b'0'..=b'9' | b'*') => return parser.sequence_set().map(SearchKey::Numbers),
        _ => {}
    }
    let name = parser.name()?;
    if let Some(key) = plain_key(&name) {
        return Ok(key);
    }
    parser.space()?;
    match name.as_str() {
        "NOT" => Ok(not(parser.nested(|parser| key(parser, budget))?)),
        "OR" => {
            let one = parser.nested(|parser| key(parser, budget))?;
            parser.space()?;
            let other = parser.nested(|parser| key(parser, budget))?;
            Ok(SearchKey::Or(Box::new(one), Box::new(other)))
        }
        _ => match text_key(&name) {
            Some(make) => parser.search_text().map(make),
            None => match date_key(&name) {
                Some(make) => date(parser).map(make),
                None => argument_key(parser, &name),
            },
        },
    }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

fn system(flag: SystemFlags) -> SearchKey {
    SearchKey::Flag(Flag::System(flag))
}

/// Keys without an argument.
fn plain_key(name: &str) -> Option<SearchKey> {
    Some(match name {
        "ALL" => SearchKey::All,
        "ANSWERED" => system(SystemFlags::ANSWERED),
        "DELETED" => system(SystemFlags::DELETED),
        "DRAFT" => system(SystemFlags::DRAFT),
        "FLAGGED" => system(SystemFlags::FLAGGED),
        "SEEN" => system(SystemFlags::SEEN),
        "RECENT" => system(SystemFlags::RECENT),
        "UNANSWERED" => not(system(SystemFlags::ANSWERED)),
        "UNDELETED" => not(system(SystemFlags::DELETED)),
        "UNDRAFT" => not(system(SystemFlags::DRAFT)),
        "UNFLAGGED" => not(system(SystemFlags::FLAGGED)),
        "UNSEEN" => not(system(SystemFlags::SEEN)),
        "OLD" => not(system(SystemFlags::RECENT)),
        "NEW" => SearchKey::And(vec![
            system(SystemFlags::RECENT),
            not(system(SystemFlags::SEEN)),
        ]),
        "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
        _ => return None,
    })
}

fn text_key(name: &str) -> Option<fn(String) -> SearchKey> {
    Some(match name {
        "BCC" => SearchKey::Bcc,
        "BODY" => SearchKey::Body,
        "CC" => SearchKey::Cc,
        "FROM" => SearchKey::From,
        "SUBJECT" => SearchKey::Subject,
        "TEXT" => SearchKey::Text,
        "TO" => SearchKey::To,
        _ => return None,
    })
}

fn date_key(name: &str) -> Option<fn(Date) -> SearchKey> {
    Some(match name {
        "BEFORE" => SearchKey::Before,
        "ON" => SearchKey::On,
        "SINCE" => SearchKey::Since,
        "SENTBEFORE" => SearchKey::SentBefore,
        "SENTON" => SearchKey::SentOn,
        "SENTSINCE" => SearchKey::SentSince,
        "SAVEDBEFORE" => SearchKey::SavedBefore,
        "SAVEDON" => SearchKey::SavedOn,
        "SAVEDSINCE" => SearchKey::SavedSince,
        _ => return None,
    })
}

fn argument_key(parser: &mut Parser<'_>, name: &str) -> Parse<SearchKey> {
    Ok(match name {
        "KEYWORD" => SearchKey::Flag(Flag::Keyword(keyword(parser)?)),
        "UNKEYWORD" => not(SearchKey::Flag(Flag::Keyword(keyword(parser)?))),
        "HEADER" => {
            let field = parser.text()?;
            parser.space()?;
            SearchKey::Header(field, parser.search_text()?)
        }
        "LARGER" => SearchKey::Larger(parser.number64()?),
        "SMALLER" => SearchKey::Smaller(parser.number64()?),
        "OLDER" => SearchKey::Older(parser.nonzero()?),
        "YOUNGER" => SearchKey::Younger(parser.nonzero()?),
        "UID" => match super::message_set(parser)? {
            MessageSet::Numbers(set) => SearchKey::Uids(set),
            MessageSet::Saved => SearchKey::Saved,
        },
        "MODSEQ" => SearchKey::ModSeq(mod_seq(parser)?),
        "EMAILID" => SearchKey::EmailId(object_id(parser)?),
        "THREADID" => SearchKey::ThreadId(object_id(parser)?),
        _ => return Err(ParseError::bad("unknown search key")),
    })
}

fn keyword(parser: &mut Parser<'_>) -> Parse<Keyword> {
    parser.keyword()
}

fn date(parser: &mut Parser<'_>) -> Parse<Date> {
    let text = parser.astring()?;
    parse_date(&text).ok_or(ParseError::bad("a date is malformed"))
}

/// `[entry-name entry-type] number`: entries do not differ here, so they are read and have no effect
/// (RFC 7162, section 3.1.5).
fn mod_seq(parser: &mut Parser<'_>) -> Parse<u64> {
    if parser.peek() == Some(b'"') {
        let _entry = parser.string()?;
        parser.space()?;
        if !["ALL", "PRIV", "SHARED"].contains(&parser.name()?.as_str()) {
            return Err(ParseError::bad("a MODSEQ entry type is missing"));
        }
        parser.space()?;
    }
    parser.number64()
}

/// `objectid` of RFC 8474: up to 255 letters, digits, `_` and `-`.
fn object_id(parser: &mut Parser<'_>) -> Parse<String> {
    let id = parser.text()?;
    let valid = (1..=255).contains(&id.len())
        && id
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-'));
    if valid {
        Ok(id)
    } else {
        Err(ParseError::bad("an object id is malformed"))
    }
}
