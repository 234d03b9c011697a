//! Commands of IMAP4rev1 and IMAP4rev2, one file a family.

mod append;
mod fetch;
mod list;
mod mailbox;
mod quota;
mod search;
mod session;
mod sort;
mod status;
mod store;

use bytes::Bytes;

pub use append::{Append, AppendMessage};
pub use fetch::{Fetch, FetchItem};
pub use list::{List, ListReturn, ListSelection, SpecialUse};
pub use mailbox::{QResync, Select};
pub use search::{Search, SearchKey, SearchReturn};
pub use sort::{Sort, SortCriterion, SortKey, Thread, ThreadAlgorithm};
pub use status::StatusItem;
pub use store::{Store, StoreAction};

use super::limits::Limits;
use super::name::{ListPattern, MailboxName};
use super::parse::{Parse, ParseError, Parser};
use super::secret::Secret;
use super::sequence::SequenceSet;

/// What a client writes before a command to know its answer: never empty, safe to print.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// Takes the octets of a tag; `None` when they are none (RFC 9051: ASTRING-CHAR except `+`), or over 255.
    #[must_use]
    pub fn new(tag: &str) -> Option<Self> {
        let fits = !tag.is_empty() && tag.len() <= 255;
        let valid = tag
            .bytes()
            .all(|octet| super::parse::is_astring_char(octet) && octet != b'+');
        (fits && valid).then(|| Self(tag.into()))
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One command with its tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagged {
    /// To be repeated in the completion.
    pub tag: Tag,
    /// What is asked.
    pub command: Command,
}

/// Messages meant by a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageSet {
    /// Numbers, UIDs when the command is a UID command.
    Numbers(SequenceSet),
    /// `$`: the saved result of the last SEARCH (RFC 5182).
    Saved,
}

/// Everything that a client can ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// CAPABILITY
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT
    Logout,
    /// STARTTLS
    StartTls,
    /// AUTHENTICATE, with the initial response of RFC 4959 (decoded; `=` gives an empty one).
    Authenticate {
        /// SASL mechanism in capitals.
        mechanism: String,
        /// The first response, if it came with the command.
        initial: Option<Secret>,
    },
    /// LOGIN
    Login {
        /// The identifier, UTF-8.
        user: String,
        /// The password.
        password: Secret,
    },
    /// ENABLE (RFC 5161), names in capitals.
    Enable(Vec<String>),
    /// ID (RFC 2971): the client's fields, `None` for NIL.
    Id(Option<Vec<(String, Option<String>)>>),
    /// SELECT or EXAMINE
    Select(Select),
    /// CREATE, with the USE of RFC 6154.
    Create {
        /// The new mailbox.
        mailbox: MailboxName,
        /// Whether the name ended with the delimiter: a level that is to hold others.
        level: bool,
        /// Special uses asked for.
        special_use: Vec<SpecialUse>,
    },
    /// DELETE
    Delete(MailboxName),
    /// RENAME
    Rename {
        /// The present name.
        from: MailboxName,
        /// The new name.
        to: MailboxName,
    },
    /// SUBSCRIBE
    Subscribe(MailboxName),
    /// UNSUBSCRIBE
    Unsubscribe(MailboxName),
    /// LIST, basic and extended (RFC 5258).
    List(List),
    /// LSUB (IMAP4rev1)
    Lsub {
        /// The reference name, possibly empty.
        reference: String,
        /// What to match.
        pattern: ListPattern,
    },
    /// NAMESPACE
    Namespace,
    /// STATUS
    Status {
        /// The mailbox.
        mailbox: MailboxName,
        /// What to tell.
        items: Vec<StatusItem>,
    },
    /// APPEND, of one message or more.
    Append(Append),
    /// IDLE: answer with a continuation and let the decoder await the line `DONE`.
    Idle,
    /// CHECK (IMAP4rev1)
    Check,
    /// CLOSE
    Close,
    /// UNSELECT
    Unselect,
    /// EXPUNGE, or UID EXPUNGE of a set.
    Expunge {
        /// The UIDs of UID EXPUNGE.
        uids: Option<MessageSet>,
    },
    /// SEARCH
    Search(Search),
    /// SORT
    Sort(Sort),
    /// THREAD
    Thread(Thread),
    /// FETCH
    Fetch(Fetch),
    /// STORE
    Store(Store),
    /// COPY
    Copy {
        /// UID COPY.
        uid: bool,
        /// Which messages.
        messages: MessageSet,
        /// Where to.
        mailbox: MailboxName,
    },
    /// MOVE
    Move {
        /// UID MOVE.
        uid: bool,
        /// Which messages.
        messages: MessageSet,
        /// Where to.
        mailbox: MailboxName,
    },
    /// GETQUOTA
    GetQuota {
        /// The quota root.
        root: String,
    },
    /// GETQUOTAROOT
    GetQuotaRoot(MailboxName),
    /// SETQUOTA
    SetQuota {
        /// The quota root.
        root: String,
        /// Resource names in capitals with their limits.
        limits: Vec<(String, u64)>,
    },
}

impl Command {
    /// The command's name as the client writes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Capability => "CAPABILITY",
            Self::Noop => "NOOP",
            Self::Logout => "LOGOUT",
            Self::StartTls => "STARTTLS",
            Self::Authenticate { .. } => "AUTHENTICATE",
            Self::Login { .. } => "LOGIN",
            Self::Enable(_) => "ENABLE",
            Self::Id(_) => "ID",
            Self::Select(select) if select.read_only => "EXAMINE",
            Self::Select(_) => "SELECT",
            Self::Create { .. } => "CREATE",
            Self::Delete(_) => "DELETE",
            Self::Rename { .. } => "RENAME",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::Unsubscribe(_) => "UNSUBSCRIBE",
            Self::List(_) => "LIST",
            Self::Lsub { .. } => "LSUB",
            Self::Namespace => "NAMESPACE",
            Self::Status { .. } => "STATUS",
            Self::Append(_) => "APPEND",
            Self::Idle => "IDLE",
            Self::Check => "CHECK",
            Self::Close => "CLOSE",
            Self::Unselect => "UNSELECT",
            Self::Expunge { uids: None } => "EXPUNGE",
            Self::Expunge { uids: Some(_) } => "UID EXPUNGE",
            Self::Search(search) if search.uid => "UID SEARCH",
            Self::Search(_) => "SEARCH",
            Self::Sort(sort) if sort.uid => "UID SORT",
            Self::Sort(_) => "SORT",
            Self::Thread(thread) if thread.uid => "UID THREAD",
            Self::Thread(_) => "THREAD",
            Self::Fetch(fetch) if fetch.uid => "UID FETCH",
            Self::Fetch(_) => "FETCH",
            Self::Store(store) if store.uid => "UID STORE",
            Self::Store(_) => "STORE",
            Self::Copy { uid: true, .. } => "UID COPY",
            Self::Copy { .. } => "COPY",
            Self::Move { uid: true, .. } => "UID MOVE",
            Self::Move { .. } => "MOVE",
            Self::GetQuota { .. } => "GETQUOTA",
            Self::GetQuotaRoot(_) => "GETQUOTAROOT",
            Self::SetQuota { .. } => "SETQUOTA",
        }
    }
}

/// Reads one complete command: the line without its last CR LF, literals in place. `utf8` says that the client enabled
/// IMAP4rev2. The [`Decoder`](super::Decoder) calls this; it is public for tools and fuzzing.
///
/// # Errors
/// The tag, when there is a valid one, and what is wrong.
pub fn parse(
    frame: &Bytes,
    limits: &Limits,
    utf8: bool,
) -> Result<Tagged, (Option<Tag>, ParseError)> {
    let mut parser = Parser::new(frame, limits, utf8);
    let tag = parser.tag().map_err(|error| (None, error))?;
    let Some(tag) = Tag::new(tag).filter(|_| parser.take(b' ')) else {
        return Err((
            None,
            ParseError::bad("a command is a tag, a space and a name"),
        ));
    };
    match command(&mut parser).and_then(|command| parser.end().map(|()| command)) {
        Ok(command) => Ok(Tagged { tag, command }),
        Err(error) => Err((Some(tag), error)),
    }
}

fn command(parser: &mut Parser<'_>) -> Parse<Command> {
    let name = parser.name()?;
    Ok(match name.as_str() {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "AUTHENTICATE" => session::authenticate(parser)?,
        "LOGIN" => session::login(parser)?,
        "ENABLE" => session::enable(parser)?,
        "ID" => session::id(parser)?,
        "SELECT" => mailbox::select(parser, false)?,
        "EXAMINE" => mailbox::select(parser, true)?,
        "CREATE" => mailbox::create(parser)?,
        "DELETE" => Command::Delete(mailbox::one(parser)?),
        "RENAME" => mailbox::rename(parser)?,
        "SUBSCRIBE" => Command::Subscribe(mailbox::one(parser)?),
        "UNSUBSCRIBE" => Command::Unsubscribe(mailbox::one(parser)?),
        "LIST" => list::list(parser)?,
        "LSUB" => list::lsub(parser)?,
        "NAMESPACE" => Command::Namespace,
        "STATUS" => status::status(parser)?,
        "APPEND" => append::append(parser)?,
        "IDLE" => Command::Idle,
        "CHECK" => Command::Check,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "EXPUNGE" => Command::Expunge { uids: None },
        "GETQUOTA" => quota::get(parser)?,
        "GETQUOTAROOT" => Command::GetQuotaRoot(mailbox::one(parser)?),
        "SETQUOTA" => quota::set(parser)?,
        "UID" => {
            parser.space()?;
            let name = parser.name()?;
            on_messages(parser, &name, true)?
        }
        other => on_messages(parser, other, false)?,
    })
}

fn on_messages(parser: &mut Parser<'_>, name: &str, uid: bool) -> Parse<Command> {
    match name {
        "SEARCH" => search::search(parser, uid),
        "SORT" => sort::sort(parser, uid),
        "THREAD" => sort::thread(parser, uid),
        "FETCH" => fetch::fetch(parser, uid),
        "STORE" => store::store(parser, uid),
        "COPY" => {
            let (messages, mailbox) = messages_and_mailbox(parser)?;
            Ok(Command::Copy {
                uid,
                messages,
                mailbox,
            })
        }
        "MOVE" => {
            let (messages, mailbox) = messages_and_mailbox(parser)?;
            Ok(Command::Move {
                uid,
                messages,
                mailbox,
            })
        }
        "EXPUNGE" if uid => {
            parser.space()?;
            Ok(Command::Expunge {
                uids: Some(message_set(parser)?),
            })
        }
        _ => Err(ParseError::bad("unknown command")),
    }
}

fn messages_and_mailbox(parser: &mut Parser<'_>) -> Parse<(MessageSet, MailboxName)> {
    parser.space()?;
    let messages = message_set(parser)?;
    parser.space()?;
    Ok((messages, parser.mailbox()?))
}

fn message_set(parser: &mut Parser<'_>) -> Parse<MessageSet> {
    if parser.take(b'$') {
        Ok(MessageSet::Saved)
    } else {
        parser.sequence_set().map(MessageSet::Numbers)
    }
}

#[cfg(test)]
mod tests;
