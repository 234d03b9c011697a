//! Responses about mailboxes: LIST, LSUB, STATUS, NAMESPACE, QUOTA, QUOTAROOT.

use super::Encoder;
use crate::imap::command::{SpecialUse, StatusItem};
use crate::imap::name::{DELIMITER, MailboxName};

/// Attributes of a LIST response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListAttributes {
    /// `\NonExistent`; implies `\Noselect`, which is written too for clients of IMAP4rev1.
    pub non_existent: bool,
    /// `\Noselect`
    pub no_select: bool,
    /// `\Noinferiors`
    pub no_inferiors: bool,
    /// `\HasChildren` or `\HasNoChildren`; nothing when unknown.
    pub has_children: Option<bool>,
    /// `\Subscribed`
    pub subscribed: bool,
    /// `\Marked` or `\Unmarked`
    pub marked: Option<bool>,
}

/// One mailbox for LIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry<'a> {
    /// The mailbox.
    pub mailbox: &'a MailboxName,
    /// Its attributes.
    pub attributes: ListAttributes,
    /// Its special uses.
    pub special_use: &'a [SpecialUse],
    /// CHILDINFO ("SUBSCRIBED"), for RECURSIVEMATCH with SUBSCRIBED.
    pub child_subscribed: bool,
    /// CHILDINFO ("SPECIAL-USE"), for RECURSIVEMATCH with SPECIAL-USE (RFC 6154).
    pub child_special_use: bool,
    /// OLDNAME: what the client called it (RFC 9051, section 6.3.9.7).
    pub old_name: Option<&'a MailboxName>,
}

impl<'a> ListEntry<'a> {
    /// A mailbox with attributes and nothing else.
    #[must_use]
    pub const fn new(mailbox: &'a MailboxName, attributes: ListAttributes) -> Self {
        Self {
            mailbox,
            attributes,
            special_use: &[],
            child_subscribed: false,
            child_special_use: false,
            old_name: None,
        }
    }
}

/// One value of a STATUS response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusData {
    /// Any item with a number.
    Number(StatusItem, u64),
    /// MAILBOXID
    MailboxId(String),
}

/// One resource of a QUOTA response: `STORAGE` in units of 1024 octets, `MESSAGE` in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaResource<'a> {
    /// The resource's name.
    pub name: &'a str,
    /// Used.
    pub usage: u64,
    /// Allowed.
    pub limit: u64,
}

impl Encoder {
    /// `* LIST …`
    pub fn list(&mut self, entry: &ListEntry<'_>) {
        self.raw(b"* LIST ");
        self.list_attributes(entry.attributes, entry.special_use);
        self.delimiter();
        self.mailbox(entry.mailbox);
        self.list_extended(entry);
        self.crlf();
    }

    /// `* LIST (\Noselect) "/" ""`: the answer to an empty pattern, which asks for the delimiter.
    pub fn list_delimiter(&mut self) {
        self.raw(b"* LIST (\\Noselect)");
        self.delimiter();
        self.raw(b"\"\"\r\n");
    }

    /// `* LSUB …` (IMAP4rev1)
    pub fn lsub(&mut self, mailbox: &MailboxName, no_select: bool) {
        self.raw(b"* LSUB ");
        self.list_attributes(
            ListAttributes {
                no_select,
                ..ListAttributes::default()
            },
            &[],
        );
        self.delimiter();
        self.mailbox(mailbox);
        self.crlf();
    }

    fn delimiter(&mut self) {
        self.raw(b" \"");
        self.raw(DELIMITER.encode_utf8(&mut [0; 4]).as_bytes());
        self.raw(b"\" ");
    }

    fn list_attributes(&mut self, attributes: ListAttributes, special_use: &[SpecialUse]) {
        let mut names: Vec<&str> = Vec::with_capacity(8);
        let flags = [
            (attributes.non_existent, "\\NonExistent"),
            (
                attributes.no_select || attributes.non_existent,
                "\\Noselect",
            ),
            (attributes.no_inferiors, "\\Noinferiors"),
            (attributes.has_children == Some(true), "\\HasChildren"),
            (attributes.has_children == Some(false), "\\HasNoChildren"),
            (attributes.subscribed, "\\Subscribed"),
            (attributes.marked == Some(true), "\\Marked"),
            (attributes.marked == Some(false), "\\Unmarked"),
        ];
        names.extend(
            flags
                .into_iter()
                .filter(|(set, _)| *set)
                .map(|(_, name)| name),
        );
        names.extend(special_use.iter().map(|&special| special.as_str()));
        self.parenthesised(&names, |encoder, name| encoder.raw(name.as_bytes()));
    }

    fn list_extended(&mut self, entry: &ListEntry<'_>) {
        let children: Vec<&str> = [
            (entry.child_subscribed, "SUBSCRIBED"),
            (entry.child_special_use, "SPECIAL-USE"),
        ]
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| name)
        .collect();
        if children.is_empty() && entry.old_name.is_none() {
            return;
        }
        self.raw(b" (");
        if !children.is_empty() {
            self.raw(b"\"CHILDINFO\" ");
            self.parenthesised(&children, |encoder, name| encoder.string(name.as_bytes()));
        }
        if let Some(old_name) = entry.old_name {
            if !children.is_empty() {
                self.raw(b" ");
            }
            self.raw(b"\"OLDNAME\" (");
            self.mailbox(old_name);
            self.raw(b")");
        }
        self.raw(b")");
    }

    /// `* STATUS …`
    pub fn status(&mut self, mailbox: &MailboxName, data: &[StatusData]) {
        self.raw(b"* STATUS ");
        self.mailbox(mailbox);
        self.raw(b" ");
        self.parenthesised(data, |encoder, value| match value {
            StatusData::Number(item, number) => {
                encoder.raw(item.as_str().as_bytes());
                encoder.raw(b" ");
                encoder.number(*number);
            }
            StatusData::MailboxId(id) => {
                encoder.raw(b"MAILBOXID (");
                encoder.raw(id.as_bytes());
                encoder.raw(b")");
            }
        });
        self.crlf();
    }

    /// `* NAMESPACE` with the one personal namespace that there is, and no others.
    pub fn namespace(&mut self) {
        self.raw(b"* NAMESPACE ((\"\"");
        self.raw(b" \"");
        self.raw(DELIMITER.encode_utf8(&mut [0; 4]).as_bytes());
        self.raw(b"\")) NIL NIL\r\n");
    }

    /// `* QUOTA …`; no resources mean no limits.
    pub fn quota(&mut self, root: &str, resources: &[QuotaResource<'_>]) {
        self.raw(b"* QUOTA ");
        self.string(root.as_bytes());
        self.raw(b" ");
        self.parenthesised(resources, |encoder, resource| {
            encoder.raw(resource.name.as_bytes());
            encoder.raw(b" ");
            encoder.number(resource.usage);
            encoder.raw(b" ");
            encoder.number(resource.limit);
        });
        self.crlf();
    }

    /// `* QUOTAROOT …`
    pub fn quota_root(&mut self, mailbox: &MailboxName, roots: &[&str]) {
        self.raw(b"* QUOTAROOT ");
        self.mailbox(mailbox);
        for root in roots {
            self.raw(b" ");
            self.string(root.as_bytes());
        }
        self.crlf();
    }
}
