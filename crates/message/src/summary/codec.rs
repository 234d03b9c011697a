//! A summary to octets and back. The first octet is the version of the form.

use std::ops::Range;

use super::{
    Summary, SummaryError,
    wire::{Reader, Writer},
};
use crate::{
    Envelope,
    header::{AddressItem, ContentType, Disposition, Mailbox, Params, SentDate},
    mime::{Content, Part, Structure},
    transfer::Encoding,
};

const VERSION: u8 = 1;
/// Deepest structure that is read back: deeper ones are not written with any sane [`crate::Limits`].
const MAX_DEPTH: usize = 256;

type Result<T> = std::result::Result<T, SummaryError>;

impl Summary {
    /// The summary as octets, to be sealed and stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.byte(VERSION);
        w.number(self.size);
        put_envelope(&mut w, &self.envelope);
        match self.sent {
            Some(sent) => {
                w.byte(1);
                w.signed(sent.at.as_second());
                w.signed(sent.offset_minutes.into());
            }
            None => w.byte(0),
        }
        put_texts(&mut w, &self.references);
        put_part(&mut w, &self.structure.root);
        w.octets
    }

    /// Reads back what [`Summary::encode`] wrote. Memory is bounded by the length of the octets.
    ///
    /// # Errors
    /// When the octets are damaged or of an unknown version: the caller reads the summary from the body again.
    pub fn decode(octets: &[u8]) -> Result<Self> {
        let mut r = Reader { rest: octets };
        let version = r.byte()?;
        if version != VERSION {
            return Err(SummaryError::Version(version));
        }
        let summary = Self {
            size: r.number()?,
            envelope: envelope(&mut r)?,
            sent: sent(&mut r)?,
            references: texts(&mut r)?,
            structure: Structure {
                root: part(&mut r, 0)?,
            },
        };
        if r.rest.is_empty() {
            Ok(summary)
        } else {
            Err(SummaryError::Damaged)
        }
    }
}

fn sent(r: &mut Reader<'_>) -> Result<Option<SentDate>> {
    if r.byte()? == 0 {
        return Ok(None);
    }
    let at = jiff::Timestamp::from_second(r.signed()?).map_err(|_| SummaryError::Damaged)?;
    let offset_minutes = i16::try_from(r.signed()?).map_err(|_| SummaryError::Damaged)?;
    Ok(Some(SentDate { at, offset_minutes }))
}

fn put_texts(w: &mut Writer, texts: &[String]) {
    w.size(texts.len());
    for text in texts {
        w.text(text);
    }
}

fn texts(r: &mut Reader<'_>) -> Result<Vec<String>> {
    let count = r.count()?;
    (0..count).map(|_| r.text()).collect()
}

fn put_envelope(w: &mut Writer, e: &Envelope) {
    for text in [&e.date, &e.subject, &e.in_reply_to, &e.message_id] {
        w.maybe(text.as_deref());
    }
    put_addresses(w, &e.from);
    // Nearly always the same as `From`: one octet then.
    for list in [&e.sender, &e.reply_to] {
        w.byte(u8::from(*list != e.from));
        if *list != e.from {
            put_addresses(w, list);
        }
    }
    for list in [&e.to, &e.cc, &e.bcc] {
        put_addresses(w, list);
    }
}

fn envelope(r: &mut Reader<'_>) -> Result<Envelope> {
    let (date, subject, in_reply_to, message_id) = (r.maybe()?, r.maybe()?, r.maybe()?, r.maybe()?);
    let from = addresses(r)?;
    let mut or_from = || {
        if r.byte()? == 0 {
            Ok(from.clone())
        } else {
            addresses(r)
        }
    };
    let (sender, reply_to) = (or_from()?, or_from()?);
    let (to, cc, bcc) = (addresses(r)?, addresses(r)?, addresses(r)?);
    Ok(Envelope {
        date,
        subject,
        from,
        sender,
        reply_to,
        to,
        cc,
        bcc,
        in_reply_to,
        message_id,
    })
}

fn put_addresses(w: &mut Writer, items: &[AddressItem]) {
    w.size(items.len());
    for item in items {
        match item {
            AddressItem::GroupEnd => w.byte(0),
            AddressItem::GroupStart(name) => {
                w.byte(1);
                w.text(name);
            }
            AddressItem::Mailbox(m) => {
                w.byte(2);
                w.maybe(m.name.as_deref());
                w.maybe(m.route.as_deref());
                w.text(&m.local);
                w.text(&m.host);
            }
        }
    }
}

fn addresses(r: &mut Reader<'_>) -> Result<Vec<AddressItem>> {
    let count = r.count()?;
    (0..count)
        .map(|_| {
            Ok(match r.byte()? {
                0 => AddressItem::GroupEnd,
                1 => AddressItem::GroupStart(r.text()?),
                2 => AddressItem::Mailbox(Mailbox {
                    name: r.maybe()?,
                    route: r.maybe()?,
                    local: r.text()?,
                    host: r.text()?,
                }),
                _ => return Err(SummaryError::Damaged),
            })
        })
        .collect()
}

fn put_params(w: &mut Writer, params: &Params) {
    w.size(params.raw.len());
    for (name, value) in &params.raw {
        w.text(name);
        w.text(value);
    }
}

fn params(r: &mut Reader<'_>) -> Result<Params> {
    let count = r.count()?;
    let raw = (0..count)
        .map(|_| Ok((r.text()?, r.text()?)))
        .collect::<Result<_>>()?;
    Ok(Params { raw })
}

fn put_range(w: &mut Writer, range: &Range<usize>) {
    w.size(range.start);
    w.size(range.len());
}

fn range(r: &mut Reader<'_>) -> Result<Range<usize>> {
    let (start, len) = (r.size()?, r.size()?);
    Ok(start..start.checked_add(len).ok_or(SummaryError::Damaged)?)
}

fn put_part(w: &mut Writer, p: &Part) {
    put_range(w, &p.header);
    put_range(w, &p.body);
    w.text(&p.content_type.kind);
    w.text(&p.content_type.subtype);
    put_params(w, &p.content_type.params);
    w.text(p.encoding.as_str());
    for text in [&p.id, &p.description, &p.md5, &p.location] {
        w.maybe(text.as_deref());
    }
    put_texts(w, &p.languages);
    w.maybe(p.disposition.as_ref().map(|d| d.kind.as_str()));
    if let Some(disposition) = &p.disposition {
        put_params(w, &disposition.params);
    }
    match &p.content {
        Content::Other => w.byte(0),
        Content::Text { lines } => {
            w.byte(1);
            w.size(*lines);
        }
        Content::Multipart(parts) => {
            w.byte(2);
            w.size(parts.len());
            parts.iter().for_each(|part| put_part(w, part));
        }
        Content::Message {
            envelope,
            root,
            lines,
        } => {
            w.byte(3);
            w.size(*lines);
            put_envelope(w, envelope);
            put_part(w, root);
        }
    }
}

fn part(r: &mut Reader<'_>, depth: usize) -> Result<Part> {
    if depth > MAX_DEPTH {
        return Err(SummaryError::Damaged);
    }
    let (header, body) = (range(r)?, range(r)?);
    let content_type = ContentType {
        kind: r.text()?,
        subtype: r.text()?,
        params: params(r)?,
    };
    let encoding = Encoding::parse(&r.text()?);
    let (id, description, md5, location) = (r.maybe()?, r.maybe()?, r.maybe()?, r.maybe()?);
    let languages = texts(r)?;
    let disposition = match r.maybe()? {
        Some(kind) => Some(Disposition {
            kind,
            params: params(r)?,
        }),
        None => None,
    };
    let content = content(r, depth)?;
    Ok(Part {
        header,
        body,
        content_type,
        id,
        description,
        encoding,
        md5,
        disposition,
        languages,
        location,
        content,
    })
}

fn content(r: &mut Reader<'_>, depth: usize) -> Result<Content> {
    let inner = depth.saturating_add(1);
    Ok(match r.byte()? {
        0 => Content::Other,
        1 => Content::Text { lines: r.size()? },
        2 => {
            let count = r.count()?;
            Content::Multipart((0..count).map(|_| part(r, inner)).collect::<Result<_>>()?)
        }
        3 => {
            let lines = r.size()?;
            let envelope = Box::new(envelope(r)?);
            Content::Message {
                envelope,
                root: Box::new(part(r, inner)?),
                lines,
            }
        }
        _ => return Err(SummaryError::Damaged),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::Limits;

    const SAMPLE: &[u8] = b"From: A <a@x.jp>\r\nTo: G: b@y.jp;\r\nSubject: =?UTF-8?B?5Lya?=\r\nDate: Mon, 1 Jan 2024 10:00:00 \
        +0900\r\nReferences: <1@x> <2@x>\r\nMessage-ID: <3@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=x\r\nContent-Language: ja\r\n\r\n\
        Subject: in\r\n\r\nhi\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: x-uue\r\nContent-ID: \
        <i>\r\n\r\nx\r\n--b--\r\n";

    #[test]
    fn a_full_message_round_trips() {
        let summary = Summary::of(SAMPLE, &Limits::default());
        assert_eq!(summary.references, ["1@x", "2@x"]);
        assert_eq!(summary.message_id().unwrap(), "3@x");
        assert_eq!(Summary::decode(&summary.encode()).unwrap(), summary);
        assert!(summary.encode().len() < SAMPLE.len());
    }

    #[test]
    fn damage_is_told() {
        let octets = Summary::of(SAMPLE, &Limits::default()).encode();
        for end in 0..octets.len() {
            assert!(Summary::decode(&octets[..end]).is_err());
        }
        assert_eq!(Summary::decode(&[9]), Err(SummaryError::Version(9)));
    }

    #[test]
    fn the_first_in_reply_to_stands_in_for_references() {
        let summary = Summary::of(b"In-Reply-To: <1@x> <2@x>\r\n\r\n", &Limits::default());
        assert_eq!(summary.references, ["1@x"]);
    }

    proptest! {
        #[test]
        fn any_message_round_trips(raw in any::<Vec<u8>>()) {
            let summary = Summary::of(&raw, &Limits::default());
            prop_assert_eq!(Summary::decode(&summary.encode()).unwrap(), summary);
        }

        #[test]
        fn damaged_octets_never_panic(at in 0_usize..600, byte in any::<u8>()) {
            let mut octets = Summary::of(SAMPLE, &Limits::default()).encode();
            if let Some(b) = octets.get_mut(at) {
                *b = byte;
            }
            let _ignored = Summary::decode(&octets);
        }

        #[test]
        fn signed_numbers_round_trip(number in any::<i64>()) {
            let mut w = Writer::default();
            w.signed(number);
            prop_assert_eq!(Reader { rest: &w.octets }.signed().unwrap(), number);
        }
    }
}
