//! APPEND of one message or several (RFC 3502), also binary (RFC 3516).

use bytes::Bytes;

use super::{Command, MailboxName, Parse, ParseError, Parser};
use crate::imap::date::DateTime;
use crate::imap::flag::FlagList;

/// APPEND.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// Where to.
    pub mailbox: MailboxName,
    /// One message at least; all or none are to be stored.
    pub messages: Vec<AppendMessage>,
}

/// One message of an APPEND.
#[derive(Debug, Clone, PartialEq)]
pub struct AppendMessage {
    /// Flags that it is to have.
    pub flags: FlagList,
    /// Its internal date, the present when absent.
    pub date: Option<DateTime>,
    /// The message as sent.
    pub body: Bytes,
    /// It came as a `literal8`, so it may hold NUL.
    pub binary: bool,
}

pub(super) fn append(parser: &mut Parser<'_>) -> Parse<Command> {
    let mailbox = super::mailbox::one(parser)?;
    parser.space()?;
    let mut messages = vec![message(parser)?];
    while parser.take(b' ') {
        if messages.len() >= parser.limits.append_count {
            return Err(ParseError::limit("too many messages in one APPEND"));
        }
        messages.push(message(parser)?);
    }
    Ok(Command::Append(Append { mailbox, messages }))
}

fn message(parser: &mut Parser<'_>) -> Parse<AppendMessage> {
    let mut flags = FlagList::default();
    if parser.peek() == Some(b'(') {
        flags = parser.flag_list()?;
        parser.space()?;
    }
    let mut date = None;
    if parser.peek() == Some(b'"') {
        date = Some(parser.date_time()?);
        parser.space()?;
    }
    let (body, binary) = parser.literal(true)?;
    Ok(AppendMessage {
        flags,
        date,
        body,
        binary,
    })
}
