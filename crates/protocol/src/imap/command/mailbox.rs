//! Mailboxes as a whole: SELECT, EXAMINE, CREATE, RENAME.

use super::{Command, MailboxName, Parse, ParseError, Parser, SequenceSet, list};
use crate::imap::name::DELIMITER;
use crate::imap::response::ResponseCode;

/// SELECT or EXAMINE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// The mailbox.
    pub mailbox: MailboxName,
    /// EXAMINE.
    pub read_only: bool,
    /// `(CONDSTORE)` was given (RFC 7162, section 3.1.8).
    pub condstore: bool,
    /// `(QRESYNC …)` was given (RFC 7162, section 3.2.5).
    pub qresync: Option<QResync>,
}

/// What the client knows of a mailbox from before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QResync {
    /// The last known UIDVALIDITY.
    pub uid_validity: u32,
    /// The last known MODSEQ, never 0.
    pub mod_seq: u64,
    /// The UIDs that the client holds; all when absent.
    pub known_uids: Option<SequenceSet>,
    /// Sequence numbers and the UIDs that went with them.
    pub matches: Option<(SequenceSet, SequenceSet)>,
}

pub(super) fn select(parser: &mut Parser<'_>, read_only: bool) -> Parse<Command> {
    let mut select = Select {
        mailbox: one(parser)?,
        read_only,
        condstore: false,
        qresync: None,
    };
    if parser.take(b' ') {
        parser.full_list(|parser| {
            if parser.take_word("CONDSTORE") {
                select.condstore = true;
                Ok(())
            } else if parser.take_word("QRESYNC") {
                parser.space()?;
                select.qresync = Some(qresync(parser)?);
                Ok(())
            } else {
                Err(ParseError::bad("unknown parameter of SELECT"))
            }
        })?;
    }
    Ok(Command::Select(select))
}

fn qresync(parser: &mut Parser<'_>) -> Parse<QResync> {
    parser.expect(b'(', "a list is missing")?;
    let uid_validity = parser.nonzero()?;
    parser.space()?;
    let mod_seq = parser.number64()?;
    if mod_seq == 0 {
        return Err(ParseError::bad("a MODSEQ is zero"));
    }
    let mut resync = QResync {
        uid_validity,
        mod_seq,
        known_uids: None,
        matches: None,
    };
    let mut more = parser.take(b' ');
    if more && parser.peek() != Some(b'(') {
        resync.known_uids = Some(parser.sequence_set()?);
        more = parser.take(b' ');
    }
    if more {
        parser.expect(b'(', "a list is missing")?;
        let numbers = parser.sequence_set()?;
        parser.space()?;
        let uids = parser.sequence_set()?;
        parser.expect(b')', "a list does not end")?;
        resync.matches = Some((numbers, uids));
    }
    parser.expect(b')', "a list does not end")?;
    Ok(resync)
}

pub(super) fn one(parser: &mut Parser<'_>) -> Parse<MailboxName> {
    parser.space()?;
    parser.mailbox()
}

pub(super) fn create(parser: &mut Parser<'_>) -> Parse<Command> {
    let given = one(parser)?;
    let (mailbox, level) = match given.as_str().strip_suffix(DELIMITER) {
        Some(name) => {
            let name = MailboxName::new(name);
            (
                name.ok_or(ParseError::no(
                    ResponseCode::Cannot,
                    "this mailbox name is not possible",
                ))?,
                true,
            )
        }
        None => (given, false),
    };
    let mut special_use = Vec::new();
    if parser.take(b' ') {
        parser.full_list(|parser| {
            if !parser.take_word("USE") {
                return Err(ParseError::bad("unknown parameter of CREATE"));
            }
            parser.space()?;
            special_use = parser.list(|parser| {
                let unknown =
                    ParseError::no(ResponseCode::UseAttr, "this special use is not supported");
                list::special_use(parser)?.ok_or(unknown)
            })?;
            Ok(())
        })?;
    }
    Ok(Command::Create {
        mailbox,
        level,
        special_use,
    })
}

pub(super) fn rename(parser: &mut Parser<'_>) -> Parse<Command> {
    let from = one(parser)?;
    let to = one(parser)?;
    Ok(Command::Rename { from, to })
}
