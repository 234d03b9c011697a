//! One pass over the lines of a message, cutting it at boundaries.
//!
//! Boundaries of all open multiparts are looked for at once, so that a part whose end is missing ends with its
//! holder. Work is linear in the message: each line is looked at once, against at most `depth` boundaries.

use memchr::memchr_iter;

use super::{Content, Part};
use crate::{
    Limits,
    envelope::Envelope,
    header::{ContentType, Header, is_blank, line_end},
};

/// Longest boundary that is looked for, in octets. RFC 2046 allows 70.
const MAX_BOUNDARY: usize = 512;

/// Reads the message as a tree of parts.
pub(super) fn walk(message: &[u8], limits: &Limits) -> Part {
    let mut walker = Walker {
        message,
        limits,
        boundaries: Vec::new(),
        parts: 0,
        describable: limits.described_octets,
    };
    walker.part(0, 0, ContentType::plain_text()).0
}

struct Walker<'a> {
    message: &'a [u8],
    limits: &'a Limits,
    /// Those of the multiparts that are open, the outermost first.
    boundaries: Vec<Vec<u8>>,
    parts: usize,
    /// What is left of [`Limits::described_octets`].
    describable: usize,
}

/// Why a stretch ended.
#[derive(Clone, Copy)]
struct Stop {
    /// Where the content ends: before the line end that belongs to the boundary.
    end: usize,
    /// The boundary that ended it; none at the end of the message.
    boundary: Option<Boundary>,
}

#[derive(Clone, Copy)]
struct Boundary {
    /// Its place in the list of open ones.
    level: usize,
    /// Whether it closes its multipart.
    closes: bool,
    /// Where the line after it begins.
    next: usize,
}

impl Walker<'_> {
    /// Reads the part that begins at `start`, up to a boundary of any open multipart.
    fn part(&mut self, start: usize, depth: usize, default: ContentType) -> (Part, Stop) {
        self.parts = self.parts.saturating_add(1);
        let (body_start, ended) = self.header_end(start);
        let mut part = Part::bare(start..body_start, body_start..body_start);
        let raw_header = self.message.get(start..body_start).unwrap_or_default();
        let header = Header::parse(raw_header, self.limits);
        part.describe(&header, default, self.limits);
        let may_keep = self.may_keep(part.weight());

        let stop = match ended {
            Some(stop) => {
                self.degrade(&mut part);
                stop
            }
            None => self.body(&mut part, body_start, depth),
        };
        part.body.end = stop.end.max(body_start);
        self.count_lines(&mut part);
        // Not earlier: the boundary was among the parameters.
        if !may_keep {
            part.forget_description();
        }
        (part, stop)
    }

    /// Takes so much of what may be told of parts, if there is so much left.
    fn may_keep(&mut self, weight: usize) -> bool {
        let left = self.describable.checked_sub(weight);
        self.describable = left.unwrap_or(self.describable);
        left.is_some()
    }

    /// Where the header's empty line ends. With a stop, a boundary came first and there is no body.
    fn header_end(&self, start: usize) -> (usize, Option<Stop>) {
        let mut at = start;
        while at < self.message.len() {
            let end = line_end(self.message, at);
            let line = self.message.get(at..end).unwrap_or_default();
            if is_blank(line) {
                return (end, None);
            }
            if let Some(boundary) = self.boundary(line, end) {
                let end = self.before_line_end(start, at);
                return (
                    end,
                    Some(Stop {
                        end,
                        boundary: Some(boundary),
                    }),
                );
            }
            at = end;
        }
        (at, None)
    }

    fn body(&mut self, part: &mut Part, start: usize, depth: usize) -> Stop {
        let may_go_in = depth < self.limits.depth && self.parts < self.limits.parts;
        // Multipart and message bodies may not be encoded (RFC 2045, section 6.4). Multiparts that say so are
        // read all the same; an encoded message would need decoding first.
        if part.content_type.kind == "multipart" && may_go_in {
            if let Some(boundary) = boundary_of(&part.content_type) {
                return self.multipart(part, start, depth, boundary);
            }
        } else if is_message(&part.content_type) && may_go_in && part.encoding.is_identity() {
            return self.inner_message(part, start, depth);
        }
        let stop = self.skip_to_boundary(start);
        part.body.end = stop.end;
        self.degrade(part);
        stop
    }

    fn multipart(
        &mut self,
        part: &mut Part,
        start: usize,
        depth: usize,
        boundary: Vec<u8>,
    ) -> Stop {
        let level = self.boundaries.len();
        let is_digest = part.content_type.subtype == "digest";
        let mut children = Vec::new();
        self.boundaries.push(boundary);
        let mut stop = self.skip_to_boundary(start);
        let preamble_end = stop.end;
        loop {
            match stop.boundary {
                Some(Boundary {
                    level: l,
                    closes,
                    next,
                }) if l == level => {
                    if closes {
                        self.boundaries.truncate(level);
                        stop = self.skip_to_boundary(next);
                        break;
                    }
                    if self.parts.saturating_add(1) >= self.limits.parts {
                        // The rest of the multipart is one last part that is not looked into.
                        self.boundaries.truncate(level);
                        let (last, end) = self.unread(next);
                        children.push(last);
                        stop = end;
                        break;
                    }
                    let default = if is_digest {
                        ContentType::of("message", "rfc822")
                    } else {
                        ContentType::plain_text()
                    };
                    let (child, end) = self.part(next, depth.saturating_add(1), default);
                    children.push(child);
                    stop = end;
                }
                _ => break,
            }
        }
        self.boundaries.truncate(level);
        if children.is_empty() {
            // IMAP knows no multipart without parts: what there is, is shown as text.
            let mut only = Part::bare(start..start, start..preamble_end.max(start));
            self.count_lines(&mut only);
            children.push(only);
        }
        part.content = Content::Multipart(children);
        stop
    }

    fn inner_message(&mut self, part: &mut Part, start: usize, depth: usize) -> Stop {
        let (root, stop) = self.part(start, depth.saturating_add(1), ContentType::plain_text());
        let raw_header = self.message.get(root.header.clone()).unwrap_or_default();
        let mut envelope = Envelope::of(&Header::parse(raw_header, self.limits), self.limits);
        if !self.may_keep(envelope.weight()) {
            envelope = Envelope::default();
        }
        part.content = Content::Message {
            envelope: Box::new(envelope),
            root: Box::new(root),
            lines: 0,
        };
        stop
    }

    /// A part whose header is read but whose body is not.
    fn unread(&mut self, start: usize) -> (Part, Stop) {
        self.parts = self.parts.saturating_add(1);
        let stop = self.skip_to_boundary(start);
        let mut part = Part::bare(start..start, start..stop.end.max(start));
        part.content_type = ContentType::of("application", "octet-stream");
        part.content = Content::Other;
        (part, stop)
    }

    /// Makes a part that is not looked into what it can be shown as.
    fn degrade(&self, part: &mut Part) {
        let kind = part.content_type.kind.as_str();
        if kind == "multipart" {
            // Without a boundary a reader can still read it; too deep, nobody should.
            part.content_type = if boundary_of(&part.content_type).is_none() {
                ContentType::plain_text()
            } else {
                ContentType::of("application", "octet-stream")
            };
        } else if is_message(&part.content_type) {
            part.content_type = ContentType::of("application", "octet-stream");
        }
        part.content = if part.content_type.kind == "text" {
            Content::Text { lines: 0 }
        } else {
            Content::Other
        };
    }

    fn count_lines(&self, part: &mut Part) {
        match &mut part.content {
            Content::Text { lines } | Content::Message { lines, .. } => {
                *lines = count_lines(self.message.get(part.body.clone()).unwrap_or_default());
            }
            Content::Multipart(_) | Content::Other => {}
        }
    }

    /// Passes over lines up to a boundary of any open multipart.
    fn skip_to_boundary(&self, start: usize) -> Stop {
        if self.boundaries.is_empty() {
            return Stop {
                end: self.message.len(),
                boundary: None,
            };
        }
        let mut at = start;
        while at < self.message.len() {
            let end = line_end(self.message, at);
            let line = self.message.get(at..end).unwrap_or_default();
            if let Some(boundary) = self.boundary(line, end) {
                return Stop {
                    end: self.before_line_end(start, at),
                    boundary: Some(boundary),
                };
            }
            at = end;
        }
        Stop {
            end: self.message.len(),
            boundary: None,
        }
    }

    /// Whether the line is a boundary, and of which multipart: the innermost goes first.
    fn boundary(&self, line: &[u8], next: usize) -> Option<Boundary> {
        let rest = line.strip_prefix(b"--")?.trim_ascii_end();
        for (level, boundary) in self.boundaries.iter().enumerate().rev() {
            // All of the line must be the boundary, or one boundary could pass for another that begins like it.
            match rest.strip_prefix(boundary.as_slice()) {
                Some(b"") => {
                    return Some(Boundary {
                        level,
                        closes: false,
                        next,
                    });
                }
                Some(b"--") => {
                    return Some(Boundary {
                        level,
                        closes: true,
                        next,
                    });
                }
                _ => {}
            }
        }
        None
    }

    /// The end of the content before the boundary line at `at`.
    fn before_line_end(&self, start: usize, at: usize) -> usize {
        let content = self.message.get(start..at).unwrap_or_default();
        let cut = content
            .strip_suffix(b"\n")
            .map_or(content, |c| c.strip_suffix(b"\r").unwrap_or(c));
        start.saturating_add(cut.len())
    }
}

/// The boundary of a multipart. `None` when there is none that could stand in a line.
fn boundary_of(content_type: &ContentType) -> Option<Vec<u8>> {
    let boundary = content_type.params.get("boundary")?;
    // White space at the end cannot be told from padding of the boundary line (RFC 2046, section 5.1.1).
    let boundary = boundary.trim_end();
    let valid = !boundary.is_empty() && boundary.len() <= MAX_BOUNDARY;
    valid.then(|| boundary.as_bytes().to_vec())
}

fn is_message(content_type: &ContentType) -> bool {
    content_type.kind == "message" && matches!(content_type.subtype.as_str(), "rfc822" | "global")
}

/// Lines of a body; an unfinished last line counts.
fn count_lines(body: &[u8]) -> usize {
    let whole = memchr_iter(b'\n', body).count();
    let unfinished = usize::from(!body.is_empty() && !body.ends_with(b"\n"));
    whole.saturating_add(unfinished)
}
