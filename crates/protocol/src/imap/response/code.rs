//! Response codes: what a program can act on in a status response.

use super::{write_flags, write_number, write_set};
use crate::imap::flag::FlagList;
use crate::imap::sequence::NumberSet;

/// A response code (RFC 9051, section 7.1, RFC 5530, and the extensions that are named).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseCode {
    /// ALERT: show the text to the user.
    Alert,
    /// ALREADYEXISTS
    AlreadyExists,
    /// APPENDUID: where one APPEND put its messages (RFC 4315, 3502).
    AppendUid {
        /// UIDVALIDITY of the mailbox.
        uid_validity: u32,
        /// UIDs in the order of the messages.
        uids: NumberSet,
    },
    /// AUTHENTICATIONFAILED
    AuthenticationFailed,
    /// AUTHORIZATIONFAILED
    AuthorizationFailed,
    /// BADCHARSET with the commonest of the charsets that are understood.
    BadCharset,
    /// CANNOT
    Cannot,
    /// CAPABILITY
    Capability(Vec<String>),
    /// CLIENTBUG
    ClientBug,
    /// CLOSED: the mailbox that was selected before is no more (RFC 7162).
    Closed,
    /// CONTACTADMIN
    ContactAdmin,
    /// COPYUID (RFC 4315). Both ascend, so that the n-th of one goes with the n-th of the other.
    CopyUid {
        /// UIDVALIDITY of the destination.
        uid_validity: u32,
        /// UIDs in the source.
        source: NumberSet,
        /// UIDs in the destination.
        destination: NumberSet,
    },
    /// CORRUPTION
    Corruption,
    /// EXPIRED
    Expired,
    /// EXPUNGEISSUED
    ExpungeIssued,
    /// HASCHILDREN
    HasChildren,
    /// HIGHESTMODSEQ (RFC 7162)
    HighestModSeq(u64),
    /// INUSE
    InUse,
    /// LIMIT
    Limit,
    /// MAILBOXID (RFC 8474)
    MailboxId(String),
    /// MODIFIED: messages that STORE left alone (RFC 7162).
    Modified(NumberSet),
    /// NOMODSEQ (RFC 7162)
    NoModSeq,
    /// NONEXISTENT
    NonExistent,
    /// NOPERM
    NoPerm,
    /// NOTSAVED: the search result was not saved (RFC 5182).
    NotSaved,
    /// OVERQUOTA
    OverQuota,
    /// PARSE
    Parse,
    /// PERMANENTFLAGS
    PermanentFlags {
        /// Flags that can be changed and stay.
        flags: FlagList,
        /// `\*`: new keywords can be made.
        new_keywords: bool,
    },
    /// PRIVACYREQUIRED
    PrivacyRequired,
    /// READ-ONLY
    ReadOnly,
    /// READ-WRITE
    ReadWrite,
    /// SERVERBUG
    ServerBug,
    /// TOOBIG (RFC 7889)
    TooBig,
    /// TRYCREATE
    TryCreate,
    /// UIDNEXT
    UidNext(u32),
    /// UIDNOTSTICKY
    UidNotSticky,
    /// UIDVALIDITY
    UidValidity(u32),
    /// UNAVAILABLE
    Unavailable,
    /// UNKNOWN-CTE (RFC 3516)
    UnknownCte,
    /// UNSEEN: the first unseen message (IMAP4rev1).
    Unseen(u32),
    /// USEATTR (RFC 6154)
    UseAttr,
}

impl ResponseCode {
    /// Appends the code without its brackets.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if let Some(name) = self.plain_name() {
            out.extend_from_slice(name.as_bytes());
            return;
        }
        match self {
            Self::AppendUid { uid_validity, uids } => {
                write_numbered(out, b"APPENDUID ", u64::from(*uid_validity));
                out.push(b' ');
                write_set(out, uids);
            }
            Self::Capability(names) => {
                out.extend_from_slice(b"CAPABILITY");
                for name in names {
                    out.push(b' ');
                    out.extend_from_slice(name.as_bytes());
                }
            }
            Self::CopyUid {
                uid_validity,
                source,
                destination,
            } => {
                write_numbered(out, b"COPYUID ", u64::from(*uid_validity));
                out.push(b' ');
                write_set(out, source);
                out.push(b' ');
                write_set(out, destination);
            }
            Self::MailboxId(id) => {
                out.extend_from_slice(b"MAILBOXID (");
                out.extend_from_slice(id.as_bytes());
                out.push(b')');
            }
            Self::Modified(numbers) => {
                out.extend_from_slice(b"MODIFIED ");
                write_set(out, numbers);
            }
            Self::PermanentFlags {
                flags,
                new_keywords,
            } => {
                out.extend_from_slice(b"PERMANENTFLAGS ");
                write_flags(out, flags, *new_keywords);
            }
            Self::HighestModSeq(value) => write_numbered(out, b"HIGHESTMODSEQ ", *value),
            Self::UidNext(value) => write_numbered(out, b"UIDNEXT ", u64::from(*value)),
            Self::UidValidity(value) => write_numbered(out, b"UIDVALIDITY ", u64::from(*value)),
            Self::Unseen(value) => write_numbered(out, b"UNSEEN ", u64::from(*value)),
            _ => {}
        }
    }

    /// The whole code where it has no data.
    const fn plain_name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Alert => "ALERT",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::BadCharset => {
                "BADCHARSET (US-ASCII UTF-8 ISO-2022-JP Shift_JIS EUC-JP ISO-8859-1)"
            }
            Self::Cannot => "CANNOT",
            Self::ClientBug => "CLIENTBUG",
            Self::Closed => "CLOSED",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::Corruption => "CORRUPTION",
            Self::Expired => "EXPIRED",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HasChildren => "HASCHILDREN",
            Self::InUse => "INUSE",
            Self::Limit => "LIMIT",
            Self::NoModSeq => "NOMODSEQ",
            Self::NonExistent => "NONEXISTENT",
            Self::NoPerm => "NOPERM",
            Self::NotSaved => "NOTSAVED",
            Self::OverQuota => "OVERQUOTA",
            Self::Parse => "PARSE",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::ServerBug => "SERVERBUG",
            Self::TooBig => "TOOBIG",
            Self::TryCreate => "TRYCREATE",
            Self::UidNotSticky => "UIDNOTSTICKY",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::UseAttr => "USEATTR",
            Self::AppendUid { .. }
            | Self::Capability(_)
            | Self::CopyUid { .. }
            | Self::HighestModSeq(_)
            | Self::MailboxId(_)
            | Self::Modified(_)
            | Self::PermanentFlags { .. }
            | Self::UidNext(_)
            | Self::UidValidity(_)
            | Self::Unseen(_) => return None,
        })
    }
}

fn write_numbered(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    write_number(out, value);
}
