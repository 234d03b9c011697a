//! STORE (with UNCHANGEDSINCE of RFC 7162).

use super::{Command, MessageSet, Parse, ParseError, Parser, message_set};
use crate::imap::flag::FlagList;

/// STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// UID STORE.
    pub uid: bool,
    /// Which messages.
    pub messages: MessageSet,
    /// Only messages whose MODSEQ is at most this.
    pub unchanged_since: Option<u64>,
    /// What to do with the flags.
    pub action: StoreAction,
    /// `.SILENT`: no FETCH answers for the flags.
    pub silent: bool,
    /// The flags.
    pub flags: FlagList,
}

/// What STORE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAction {
    /// `FLAGS`
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

pub(super) fn store(parser: &mut Parser<'_>, uid: bool) -> Parse<Command> {
    parser.space()?;
    let messages = message_set(parser)?;
    parser.space()?;
    let mut unchanged_since = None;
    if parser.peek() == Some(b'(') {
        parser.full_list(|parser| {
            if !parser.take_word("UNCHANGEDSINCE") {
                return Err(ParseError::bad("unknown modifier of STORE"));
            }
            parser.space()?;
            unchanged_since = Some(parser.number64()?);
            Ok(())
        })?;
        parser.space()?;
    }
    let action = if parser.take(b'+') {
        StoreAction::Add
    } else if parser.take(b'-') {
        StoreAction::Remove
    } else {
        StoreAction::Replace
    };
    let silent = match parser.name()?.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(ParseError::bad("STORE changes FLAGS")),
    };
    parser.space()?;
    let flags = if parser.peek() == Some(b'(') {
        parser.flag_list()?
    } else {
        parser.bare_flags()?
    };
    Ok(Command::Store(Store {
        uid,
        messages,
        unchanged_since,
        action,
        silent,
        flags,
    }))
}
