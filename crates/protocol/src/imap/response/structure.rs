//! ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051, section 7.5.2), from what `message` found.

use message::Envelope;
use message::header::{AddressItem, ContentType, Disposition, Params, encode_words};
use message::mime::{Content, Part};

use super::{Encoder, FetchWriter};

impl FetchWriter<'_> {
    /// ENVELOPE
    pub fn envelope(&mut self, envelope: &Envelope) {
        self.named(b"ENVELOPE ").envelope(envelope);
    }

    /// BODY: the structure without extension data
    pub fn body(&mut self, root: &Part) {
        self.named(b"BODY ").structure(root, false);
    }

    /// BODYSTRUCTURE
    pub fn body_structure(&mut self, root: &Part) {
        self.named(b"BODYSTRUCTURE ").structure(root, true);
    }
}

impl Encoder {
    fn envelope(&mut self, envelope: &Envelope) {
        self.raw(b"(");
        self.text(envelope.date.as_deref());
        self.raw(b" ");
        self.words(envelope.subject.as_deref());
        let lists = [
            &envelope.from,
            &envelope.sender,
            &envelope.reply_to,
            &envelope.to,
            &envelope.cc,
            &envelope.bcc,
        ];
        for addresses in lists {
            self.raw(b" ");
            self.addresses(addresses);
        }
        self.raw(b" ");
        self.text(envelope.in_reply_to.as_deref());
        self.raw(b" ");
        self.text(envelope.message_id.as_deref());
        self.raw(b")");
    }

    /// No space stands between addresses.
    fn addresses(&mut self, items: &[AddressItem]) {
        if items.is_empty() {
            self.raw(b"NIL");
            return;
        }
        self.raw(b"(");
        for item in items {
            match item {
                AddressItem::Mailbox(mailbox) => {
                    self.raw(b"(");
                    self.words(mailbox.name.as_deref());
                    self.raw(b" ");
                    self.text(mailbox.route.as_deref());
                    self.raw(b" ");
                    self.string(mailbox.local.as_bytes());
                    self.raw(b" ");
                    // NIL would make it a group, so a missing domain is an empty string.
                    self.string(mailbox.host.as_bytes());
                    self.raw(b")");
                }
                AddressItem::GroupStart(name) => {
                    self.raw(b"(NIL NIL ");
                    self.words(Some(name));
                    self.raw(b" NIL)");
                }
                AddressItem::GroupEnd => self.raw(b"(NIL NIL NIL NIL)"),
            }
        }
        self.raw(b")");
    }

    /// Recursion is as deep as the message room's limit on nested parts.
    fn structure(&mut self, part: &Part, extended: bool) {
        self.raw(b"(");
        if let Content::Multipart(parts) = &part.content {
            for inner in parts {
                self.structure(inner, extended);
            }
            self.raw(b" ");
            self.string(part.content_type.subtype.as_bytes());
            if extended {
                self.raw(b" ");
                self.params(&part.content_type.params);
            }
        } else {
            self.single(part, extended);
        }
        if extended {
            self.disposition(part.disposition.as_ref());
            self.raw(b" ");
            self.languages(&part.languages);
            self.raw(b" ");
            self.text(part.location.as_deref());
        }
        self.raw(b")");
    }

    fn single(&mut self, part: &Part, extended: bool) {
        self.media_type(&part.content_type);
        self.raw(b" ");
        self.text(part.id.as_deref());
        self.raw(b" ");
        self.words(part.description.as_deref());
        self.raw(b" ");
        self.string(part.encoding.as_str().as_bytes());
        self.raw(b" ");
        self.count(part.octets());
        match &part.content {
            Content::Text { lines } => {
                self.raw(b" ");
                self.count(*lines);
            }
            Content::Message {
                envelope,
                root,
                lines,
            } => {
                self.raw(b" ");
                self.envelope(envelope);
                self.raw(b" ");
                self.structure(root, extended);
                self.raw(b" ");
                self.count(*lines);
            }
            Content::Other | Content::Multipart(_) => {}
        }
        if extended {
            self.raw(b" ");
            self.text(part.md5.as_deref());
        }
    }

    fn media_type(&mut self, content_type: &ContentType) {
        self.string(content_type.kind.as_bytes());
        self.raw(b" ");
        self.string(content_type.subtype.as_bytes());
        self.raw(b" ");
        self.params(&content_type.params);
    }

    fn params(&mut self, params: &Params) {
        if params.is_empty() {
            self.raw(b"NIL");
            return;
        }
        self.parenthesised(&params.raw, |encoder, (name, value)| {
            encoder.string(name.as_bytes());
            encoder.raw(b" ");
            encoder.string(value.as_bytes());
        });
    }

    fn disposition(&mut self, disposition: Option<&Disposition>) {
        let Some(disposition) = disposition else {
            self.raw(b" NIL");
            return;
        };
        self.raw(b" (");
        self.string(disposition.kind.as_bytes());
        self.raw(b" ");
        self.params(&disposition.params);
        self.raw(b")");
    }

    fn languages(&mut self, languages: &[String]) {
        match languages {
            [] => self.raw(b"NIL"),
            [only] => self.string(only.as_bytes()),
            several => self.parenthesised(several, |encoder, language| {
                encoder.string(language.as_bytes());
            }),
        }
    }

    fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    fn text(&mut self, text: Option<&str>) {
        self.nstring(text.map(str::as_bytes));
    }

    /// Text that people read. Raw 8-bit text of the header goes to a client of IMAP4rev1 as encoded words, which it
    /// knows how to show.
    fn words(&mut self, text: Option<&str>) {
        match text {
            Some(raw) if !raw.is_ascii() && !self.utf8() && !raw.contains("=?") => {
                let encoded = encode_words(raw).replace("\r\n ", " ");
                self.string(encoded.as_bytes());
            }
            other => self.text(other),
        }
    }
}
