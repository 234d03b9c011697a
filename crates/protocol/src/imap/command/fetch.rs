//! FETCH.

use super::{Command, MessageSet, Parse, ParseError, Parser, message_set};
use crate::imap::section::{Partial, Section, SectionText};

/// Part numbers in one path; deeper than any message that is served.
const PATH_DEPTH: usize = 100;

/// FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// UID FETCH: UID is to be among the answers though it may not be among the items.
    pub uid: bool,
    /// Which messages.
    pub messages: MessageSet,
    /// What of each; macros are spelt out.
    pub items: Vec<FetchItem>,
    /// CHANGEDSINCE (RFC 7162, section 3.1.4.1): only messages with a greater MODSEQ, and MODSEQ among the answers.
    pub changed_since: Option<u64>,
    /// VANISHED (RFC 7162, section 3.2.6): UID FETCH with CHANGEDSINCE only, which is checked.
    pub vanished: bool,
}

/// What of a message is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchItem {
    /// FLAGS
    Flags,
    /// INTERNALDATE
    InternalDate,
    /// RFC822.SIZE
    Size,
    /// ENVELOPE
    Envelope,
    /// BODY without a section: the structure without extension data
    Body,
    /// BODYSTRUCTURE
    BodyStructure,
    /// UID
    Uid,
    /// MODSEQ (RFC 7162)
    ModSeq,
    /// EMAILID (RFC 8474)
    EmailId,
    /// THREADID (RFC 8474)
    ThreadId,
    /// SAVEDATE (RFC 8514)
    SaveDate,
    /// RFC822 (IMAP4rev1): the whole message, answered under that name; sets `\Seen`
    Rfc822,
    /// RFC822.HEADER (IMAP4rev1); does not set `\Seen`
    Rfc822Header,
    /// RFC822.TEXT (IMAP4rev1); sets `\Seen`
    Rfc822Text,
    /// BODY[…]
    Section {
        /// What is meant.
        section: Section,
        /// A range of it.
        partial: Option<Partial>,
        /// BODY.PEEK: does not set `\Seen`.
        peek: bool,
    },
    /// BINARY[…] (RFC 3516): a part's content decoded
    Binary {
        /// Part numbers; empty means the whole message.
        path: Vec<u32>,
        /// A range of the decoded content.
        partial: Option<Partial>,
        /// BINARY.PEEK: does not set `\Seen`.
        peek: bool,
    },
    /// BINARY.SIZE[…]
    BinarySize {
        /// Part numbers.
        path: Vec<u32>,
    },
}

impl FetchItem {
    /// Whether fetching this sets `\Seen` (in a mailbox that was selected for writing).
    #[must_use]
    pub const fn sets_seen(&self) -> bool {
        match self {
            Self::Rfc822 | Self::Rfc822Text => true,
            Self::Section { peek, .. } | Self::Binary { peek, .. } => !*peek,
            _ => false,
        }
    }
}

pub(super) fn fetch(parser: &mut Parser<'_>, uid: bool) -> Parse<Command> {
    parser.space()?;
    let messages = message_set(parser)?;
    parser.space()?;
    let items = items(parser)?;
    let mut fetch = Fetch {
        uid,
        messages,
        items,
        changed_since: None,
        vanished: false,
    };
    if parser.take(b' ') {
        modifiers(parser, &mut fetch)?;
    }
    Ok(Command::Fetch(fetch))
}

fn items(parser: &mut Parser<'_>) -> Parse<Vec<FetchItem>> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Size};
    if parser.take_word("ALL") {
        return Ok(vec![Flags, InternalDate, Size, Envelope]);
    }
    if parser.take_word("FULL") {
        return Ok(vec![Flags, InternalDate, Size, Envelope, Body]);
    }
    if parser.take_word("FAST") {
        return Ok(vec![Flags, InternalDate, Size]);
    }
    let given = if parser.peek() == Some(b'(') {
        parser.full_list(item)?
    } else {
        vec![item(parser)?]
    };
    let mut items = Vec::with_capacity(given.len());
    for item in given {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(items)
}

fn item(parser: &mut Parser<'_>) -> Parse<FetchItem> {
    let name = parser.name()?;
    let bracket = parser.peek() == Some(b'[');
    Ok(match name.as_str() {
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "RFC822.SIZE" => FetchItem::Size,
        "ENVELOPE" => FetchItem::Envelope,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "UID" => FetchItem::Uid,
        "MODSEQ" => FetchItem::ModSeq,
        "EMAILID" => FetchItem::EmailId,
        "THREADID" => FetchItem::ThreadId,
        "SAVEDATE" => FetchItem::SaveDate,
        "RFC822" => FetchItem::Rfc822,
        "RFC822.HEADER" => FetchItem::Rfc822Header,
        "RFC822.TEXT" => FetchItem::Rfc822Text,
        "BODY" if !bracket => FetchItem::Body,
        "BODY" | "BODY.PEEK" => {
            let section = section(parser)?;
            FetchItem::Section {
                section,
                partial: partial(parser)?,
                peek: name == "BODY.PEEK",
            }
        }
        "BINARY" | "BINARY.PEEK" => {
            let path = binary_path(parser)?;
            FetchItem::Binary {
                path,
                partial: partial(parser)?,
                peek: name == "BINARY.PEEK",
            }
        }
        "BINARY.SIZE" => FetchItem::BinarySize {
            path: binary_path(parser)?,
        },
        _ => return Err(ParseError::bad("unknown item of FETCH")),
    })
}

fn section(parser: &mut Parser<'_>) -> Parse<Section> {
    parser.expect(b'[', "a section is missing")?;
    let (path, mut more) = path(parser)?;
    if path.is_empty() {
        more = parser.peek() != Some(b']');
    }
    let text = if more {
        section_text(parser, !path.is_empty())?
    } else {
        SectionText::Full
    };
    parser.expect(b']', "a section does not end")?;
    Ok(Section { path, text })
}

/// Part numbers, and whether a dot follows them.
fn path(parser: &mut Parser<'_>) -> Parse<(Vec<u32>, bool)> {
    let mut path = Vec::new();
    while parser.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        if path.len() >= PATH_DEPTH {
            return Err(ParseError::limit("a part path is too deep"));
        }
        path.push(parser.nonzero()?);
        if !parser.take(b'.') {
            return Ok((path, false));
        }
    }
    let more = !path.is_empty();
    Ok((path, more))
}

fn section_text(parser: &mut Parser<'_>, of_part: bool) -> Parse<SectionText> {
    Ok(match parser.name()?.as_str() {
        "HEADER" => SectionText::Header,
        "TEXT" => SectionText::Text,
        "MIME" if of_part => SectionText::Mime,
        "HEADER.FIELDS" => SectionText::HeaderFields(field_names(parser)?),
        "HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(field_names(parser)?),
        _ => return Err(ParseError::bad("unknown section")),
    })
}

fn field_names(parser: &mut Parser<'_>) -> Parse<Vec<String>> {
    parser.space()?;
    parser.full_list(|parser| {
        let name = parser.text()?;
        let printable = !name.is_empty()
            && name
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && octet != b':');
        if printable {
            Ok(name)
        } else {
            Err(ParseError::bad("a header field name is malformed"))
        }
    })
}

fn binary_path(parser: &mut Parser<'_>) -> Parse<Vec<u32>> {
    parser.expect(b'[', "a section is missing")?;
    let (path, more) = path(parser)?;
    if more {
        return Err(ParseError::bad("a binary section is part numbers only"));
    }
    parser.expect(b']', "a section does not end")?;
    Ok(path)
}

fn partial(parser: &mut Parser<'_>) -> Parse<Option<Partial>> {
    if !parser.take(b'<') {
        return Ok(None);
    }
    let offset = parser.number()?;
    parser.expect(b'.', "a partial range is malformed")?;
    let length = parser.nonzero()?;
    parser.expect(b'>', "a partial range does not end")?;
    Ok(Some(Partial { offset, length }))
}

fn modifiers(parser: &mut Parser<'_>, fetch: &mut Fetch) -> Parse<()> {
    parser.full_list(|parser| {
        if parser.take_word("CHANGEDSINCE") {
            parser.space()?;
            fetch.changed_since = Some(parser.number64()?);
            Ok(())
        } else if parser.take_word("VANISHED") {
            fetch.vanished = true;
            Ok(())
        } else {
            Err(ParseError::bad("unknown modifier of FETCH"))
        }
    })?;
    if fetch.vanished && (fetch.changed_since.is_none() || !fetch.uid) {
        return Err(ParseError::bad(
            "VANISHED needs UID FETCH with CHANGEDSINCE",
        ));
    }
    Ok(())
}
