//! LIST with the extensions of RFC 5258, 5819 and 6154, and LSUB.

use super::{Command, ListPattern, Parse, ParseError, Parser, StatusItem, status};

/// LIST.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The reference name, possibly empty.
    pub reference: String,
    /// What to match; see [`ListPattern::under`] for how the reference joins in.
    pub patterns: Vec<ListPattern>,
    /// Which mailboxes are wanted.
    pub selection: ListSelection,
    /// What to tell of each.
    pub returns: ListReturn,
    /// The extended syntax was used: a single empty pattern then does not ask for the delimiter.
    pub extended: bool,
}

/// Selection options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListSelection {
    /// SUBSCRIBED: subscribed names, existing or not.
    pub subscribed: bool,
    /// REMOTE: remote mailboxes too; there are none.
    pub remote: bool,
    /// RECURSIVEMATCH: also parents of what is selected, with CHILDINFO.
    pub recursive_match: bool,
    /// SPECIAL-USE: only mailboxes with a special use.
    pub special_use: bool,
}

/// Return options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListReturn {
    /// SUBSCRIBED
    pub subscribed: bool,
    /// CHILDREN
    pub children: bool,
    /// SPECIAL-USE
    pub special_use: bool,
    /// STATUS (…): a STATUS response after each mailbox.
    pub status: Option<Vec<StatusItem>>,
}

/// What a mailbox is for (RFC 6154, and `\Important` of RFC 8457).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpecialUse {
    /// `\All`
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Important`
    Important,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    const NAMED: [(Self, &'static str); 8] = [
        (Self::All, "\\All"),
        (Self::Archive, "\\Archive"),
        (Self::Drafts, "\\Drafts"),
        (Self::Flagged, "\\Flagged"),
        (Self::Important, "\\Important"),
        (Self::Junk, "\\Junk"),
        (Self::Sent, "\\Sent"),
        (Self::Trash, "\\Trash"),
    ];

    /// The attribute with its backslash.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMED
            .into_iter()
            .find(|(known, _)| *known == self)
            .map_or("", |(_, name)| name)
    }

    /// The use of this name, with its backslash, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED
            .into_iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(known, _)| known)
    }
}

/// A special use; `None` for one that is well written but unknown.
pub(super) fn special_use(parser: &mut Parser<'_>) -> Parse<Option<SpecialUse>> {
    parser.expect(b'\\', "a special use is missing")?;
    let name = parser.atom()?;
    Ok(SpecialUse::from_name(&format!("\\{name}")))
}

pub(super) fn list(parser: &mut Parser<'_>) -> Parse<Command> {
    let mut list = List::default();
    parser.space()?;
    if parser.peek() == Some(b'(') {
        list.extended = true;
        list.selection = selection(parser)?;
        parser.space()?;
    }
    list.reference = parser.reference()?;
    parser.space()?;
    if parser.peek() == Some(b'(') {
        list.extended = true;
        list.patterns = parser.full_list(Parser::list_mailbox)?;
        if list.patterns.len() > parser.limits.list_patterns {
            return Err(ParseError::limit("too many patterns in one LIST"));
        }
    } else {
        list.patterns.push(parser.list_mailbox()?);
    }
    if parser.take(b' ') {
        list.extended = true;
        if !parser.take_word("RETURN") {
            return Err(ParseError::bad("RETURN is missing"));
        }
        parser.space()?;
        list.returns = returns(parser)?;
    }
    Ok(Command::List(list))
}

fn selection(parser: &mut Parser<'_>) -> Parse<ListSelection> {
    let mut selection = ListSelection::default();
    parser.list(|parser| {
        match parser.name()?.as_str() {
            "SUBSCRIBED" => selection.subscribed = true,
            "REMOTE" => selection.remote = true,
            "RECURSIVEMATCH" => selection.recursive_match = true,
            "SPECIAL-USE" => selection.special_use = true,
            _ => return Err(ParseError::bad("unknown selection option of LIST")),
        }
        Ok(())
    })?;
    // RFC 5258, section 3.1: it modifies another option and is an error by itself.
    if selection.recursive_match && !selection.subscribed && !selection.special_use {
        return Err(ParseError::bad(
            "RECURSIVEMATCH needs another selection option",
        ));
    }
    Ok(selection)
}

fn returns(parser: &mut Parser<'_>) -> Parse<ListReturn> {
    let mut returns = ListReturn::default();
    parser.list(|parser| {
        match parser.name()?.as_str() {
            "SUBSCRIBED" => returns.subscribed = true,
            "CHILDREN" => returns.children = true,
            "SPECIAL-USE" => returns.special_use = true,
            "STATUS" => {
                parser.space()?;
                returns.status = Some(status::items(parser)?);
            }
            _ => return Err(ParseError::bad("unknown return option of LIST")),
        }
        Ok(())
    })?;
    Ok(returns)
}

pub(super) fn lsub(parser: &mut Parser<'_>) -> Parse<Command> {
    parser.space()?;
    let reference = parser.reference()?;
    parser.space()?;
    Ok(Command::Lsub {
        reference,
        pattern: parser.list_mailbox()?,
    })
}
