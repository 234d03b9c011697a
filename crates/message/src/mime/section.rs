//! Finding a part by its IMAP section number.

use std::ops::Range;

use super::{Content, Part, walk};
use crate::Limits;

/// The structure of a whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// The message itself: its header, its body, and what is in it.
    pub root: Part,
}

/// Which section of a part is meant (RFC 9051, section 6.4.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// No keyword: the part's body; with an empty path, the whole message.
    Body,
    /// `HEADER`: of the message, or of the message that the part holds.
    Header,
    /// `TEXT`: the body of the message, or of the message that the part holds.
    Text,
    /// `MIME`: the part's own header; never with an empty path.
    Mime,
}

impl Structure {
    /// Reads the structure of a message.
    #[must_use]
    pub fn parse(message: &[u8], limits: &Limits) -> Self {
        Self {
            root: walk::walk(message, limits),
        }
    }

    /// The part of that number. The empty path is the message itself. A message that is no multipart has one
    /// part, number 1, which is its body; so has a message inside a part.
    #[must_use]
    pub fn part(&self, path: &[u32]) -> Option<&Part> {
        let Some((last, before)) = path.split_last() else {
            return Some(&self.root);
        };
        let mut holder = &self.root;
        for number in before {
            holder = step(holder, *number)?;
            if let Content::Message { root, .. } = &holder.content {
                holder = root;
            } else if !matches!(holder.content, Content::Multipart(_)) {
                return None;
            }
        }
        step(holder, *last)
    }

    /// The place of a section. `None` when there is no such part, or the part has no such section.
    #[must_use]
    pub fn section(&self, path: &[u32], section: Section) -> Option<Range<usize>> {
        let part = self.part(path)?;
        let inner = match (&part.content, path) {
            (_, []) => Some(part),
            (Content::Message { root, .. }, _) => Some(root.as_ref()),
            _ => None,
        };
        match section {
            Section::Body if path.is_empty() => Some(part.header.start..part.body.end),
            Section::Body => Some(part.body.clone()),
            Section::Header => inner.map(|m| m.header.clone()),
            Section::Text => inner.map(|m| m.body.clone()),
            Section::Mime if path.is_empty() => None,
            // The body of a message that is no multipart stands under the message's own header.
            Section::Mime => Some(part.header.clone()),
        }
    }
}

/// The part number `number` of a message root or multipart.
fn step(holder: &Part, number: u32) -> Option<&Part> {
    match &holder.content {
        Content::Multipart(parts) => parts.get(usize::try_from(number.checked_sub(1)?).ok()?),
        _ if number == 1 => Some(holder),
        _ => None,
    }
}
