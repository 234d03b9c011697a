//! One part of a message.

use std::{borrow::Cow, ops::Range};

use crate::{
    Limits,
    envelope::Envelope,
    header::{ContentType, Disposition, Header, Params, parse_languages},
    limits::weight_of,
    transfer::Encoding,
};

/// One part: all that IMAP BODYSTRUCTURE tells of it, and where it stands in the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part's own header with the empty line behind it. For the root, the message's header.
    pub header: Range<usize>,
    /// The body, without the line end that belongs to the boundary behind it.
    pub body: Range<usize>,
    /// The media type, as it is shown: degraded where the part is broken.
    pub content_type: ContentType,
    /// `Content-ID`, as it is written.
    pub id: Option<String>,
    /// `Content-Description`, encoded words untouched.
    pub description: Option<String>,
    /// `Content-Transfer-Encoding`.
    pub encoding: Encoding,
    /// `Content-MD5`.
    pub md5: Option<String>,
    /// `Content-Disposition`.
    pub disposition: Option<Disposition>,
    /// `Content-Language`.
    pub languages: Vec<String>,
    /// `Content-Location`.
    pub location: Option<String>,
    /// What the body holds.
    pub content: Content,
}

/// What a part's body holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, with the number of its lines in encoded form; an unfinished last line counts.
    Text {
        /// Lines of the body.
        lines: usize,
    },
    /// Anything that is not looked into.
    Other,
    /// Parts, at least one.
    Multipart(Vec<Part>),
    /// A message, with the number of its lines.
    Message {
        /// Its envelope.
        envelope: Box<Envelope>,
        /// Its own structure: the header and body of the message inside.
        root: Box<Part>,
        /// Lines of the whole message inside.
        lines: usize,
    },
}

impl Part {
    /// A part with nothing known but its places, shown as `text/plain`.
    pub(super) fn bare(header: Range<usize>, body: Range<usize>) -> Self {
        Self {
            header,
            body,
            content_type: ContentType::plain_text(),
            id: None,
            description: None,
            encoding: Encoding::SevenBit,
            md5: None,
            disposition: None,
            languages: Vec::new(),
            location: None,
            content: Content::Text { lines: 0 },
        }
    }

    /// Takes up what the part's header tells. `default` is the type of a part that names none.
    pub(super) fn describe(&mut self, header: &Header<'_>, default: ContentType, limits: &Limits) {
        let text = |name| header.unfolded(name).filter(|v| !v.is_empty());
        self.content_type =
            text("content-type").map_or(default, |v| ContentType::parse(&v, limits));
        self.encoding =
            text("content-transfer-encoding").map_or(Encoding::SevenBit, |v| Encoding::parse(&v));
        self.id = text("content-id");
        self.description = text("content-description");
        self.md5 = text("content-md5");
        self.disposition = text("content-disposition").and_then(|v| Disposition::parse(&v, limits));
        self.languages =
            text("content-language").map_or_else(Vec::new, |v| parse_languages(&v, limits));
        self.location = text("content-location");
    }

    /// What the part's own description takes of [`Limits::described_octets`].
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.id, &self.description, &self.md5, &self.location];
        let texts = texts.into_iter().flatten().map(String::len);
        let languages = self.languages.iter().map(|text| weight_of(text.len()));
        let disposition = self.disposition.as_ref().map(|d| d.params.weight());
        texts
            .chain(languages)
            .chain(disposition)
            .fold(self.content_type.params.weight(), usize::saturating_add)
    }

    /// Forgets what is not needed to find and decode the part.
    pub(super) fn forget_description(&mut self) {
        self.content_type.params = Params::default();
        self.id = None;
        self.description = None;
        self.md5 = None;
        self.disposition = None;
        self.languages = Vec::new();
        self.location = None;
    }

    /// Octets of the body in encoded form.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.body.len()
    }

    /// The body in encoded form, out of the message this structure was read from.
    #[must_use]
    pub fn raw_body<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        message.get(self.body.clone()).unwrap_or_default()
    }

    /// The body decoded, as IMAP `BINARY` sends it. `None` when the encoding is not known.
    #[must_use]
    pub fn decoded_body<'a>(&self, message: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        self.encoding.decode(self.raw_body(message))
    }

    /// The file name, decoded: from the disposition, else from the type's `name`.
    #[must_use]
    pub fn filename(&self) -> Option<String> {
        let disposition = self.disposition.as_ref();
        disposition
            .and_then(|d| d.params.get("filename"))
            .or_else(|| self.content_type.params.get("name"))
    }

    /// The parts directly inside: those of a multipart, or the root of a message.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        match &self.content {
            Content::Multipart(parts) => parts,
            Content::Message { root, .. } => std::slice::from_ref(root),
            Content::Text { .. } | Content::Other => &[],
        }
    }

    /// This part and all inside it, outer before inner, in the order of the message.
    #[must_use]
    pub fn walk(&self) -> Vec<&Self> {
        let mut all = Vec::new();
        let mut waiting = vec![self];
        while let Some(part) = waiting.pop() {
            all.push(part);
            waiting.extend(part.children().iter().rev());
        }
        all
    }
}
