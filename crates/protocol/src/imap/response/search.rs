//! SEARCH, ESEARCH, SORT and THREAD responses.

use super::{Encoder, write_set};
use crate::imap::command::Tag;
use crate::imap::sequence::NumberSet;

/// What an ESEARCH response tells (RFC 4731). Absent fields are not written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchResult {
    /// MIN; leave absent when nothing was found.
    pub min: Option<u32>,
    /// MAX; leave absent when nothing was found.
    pub max: Option<u32>,
    /// COUNT
    pub count: Option<u32>,
    /// ALL; an empty set is not written.
    pub all: Option<NumberSet>,
    /// ALL of an extended SORT: order matters, so no set.
    pub sorted: Option<Vec<u32>>,
    /// MODSEQ: the highest of what was found, when MODSEQ was searched for.
    pub mod_seq: Option<u64>,
}

/// A message and the messages that follow it in a conversation. `None` stands for a message that is not there
/// (a missing parent), which must have children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreadNode {
    /// Sequence number or UID.
    pub number: Option<u32>,
    /// Answers, in order.
    pub children: Vec<ThreadNode>,
}

impl Encoder {
    /// `* SEARCH …` of IMAP4rev1, with `(MODSEQ n)` when MODSEQ was searched for and something was found.
    pub fn search(&mut self, numbers: impl IntoIterator<Item = u32>, mod_seq: Option<u64>) {
        self.raw(b"* SEARCH");
        self.found(numbers, mod_seq);
    }

    /// `* ESEARCH (TAG "t") …`
    pub fn esearch(&mut self, tag: &Tag, uid: bool, result: &SearchResult) {
        self.raw(b"* ESEARCH (TAG ");
        self.string(tag.as_str().as_bytes());
        self.raw(if uid { b") UID" } else { b")" });
        let fields = [
            (&b" MIN "[..], result.min.map(u64::from)),
            (b" MAX ", result.max.map(u64::from)),
            (b" COUNT ", result.count.map(u64::from)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                self.raw(name);
                self.number(value);
            }
        }
        if let Some(all) = result.all.as_ref().filter(|all| !all.is_empty()) {
            self.raw(b" ALL ");
            write_set(&mut self.out, all);
        } else if let Some((first, rest)) = result.sorted.as_deref().and_then(<[u32]>::split_first)
        {
            self.raw(b" ALL ");
            self.number(u64::from(*first));
            for &number in rest {
                self.raw(b",");
                self.number(u64::from(number));
            }
        }
        if let Some(mod_seq) = result.mod_seq {
            self.raw(b" MODSEQ ");
            self.number(mod_seq);
        }
        self.crlf();
    }

    /// `* SORT …`, with `(MODSEQ n)` as in [`Encoder::search`] (RFC 7162, section 7).
    pub fn sort(&mut self, numbers: impl IntoIterator<Item = u32>, mod_seq: Option<u64>) {
        self.raw(b"* SORT");
        self.found(numbers, mod_seq);
    }

    fn found(&mut self, numbers: impl IntoIterator<Item = u32>, mod_seq: Option<u64>) {
        for number in numbers {
            self.raw(b" ");
            self.number(u64::from(number));
        }
        if let Some(mod_seq) = mod_seq {
            self.raw(b" (MODSEQ ");
            self.number(mod_seq);
            self.raw(b")");
        }
        self.crlf();
    }

    /// `* THREAD …` (RFC 5256, section 4). Works on an explicit stack: a conversation may be longer than any call
    /// stack.
    pub fn thread(&mut self, threads: &[ThreadNode]) {
        enum Step<'a> {
            Write(&'a ThreadNode, bool),
            Open(&'a ThreadNode),
            Close,
        }
        self.raw(b"* THREAD");
        if !threads.is_empty() {
            self.raw(b" ");
        }
        let mut steps: Vec<Step<'_>> = threads.iter().rev().map(Step::Open).collect();
        while let Some(step) = steps.pop() {
            let (node, spaced) = match step {
                Step::Close => {
                    self.raw(b")");
                    continue;
                }
                Step::Open(node) => {
                    self.raw(b"(");
                    steps.push(Step::Close);
                    (node, false)
                }
                Step::Write(node, spaced) => (node, spaced),
            };
            let mut spaced = spaced;
            if let Some(number) = node.number {
                if spaced {
                    self.raw(b" ");
                }
                self.number(u64::from(number));
                spaced = true;
            }
            match node.children.as_slice() {
                [] => {}
                [only] if node.number.is_some() => steps.push(Step::Write(only, true)),
                several => {
                    if spaced {
                        self.raw(b" ");
                    }
                    steps.extend(several.iter().rev().map(Step::Open));
                }
            }
        }
        self.crlf();
    }
}

/// The derived drop would call itself once a level.
impl Drop for ThreadNode {
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.children);
        while let Some(mut node) = rest.pop() {
            rest.append(&mut node.children);
        }
    }
}
