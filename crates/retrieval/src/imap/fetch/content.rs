//! Sections and parts of a message's text.

use std::borrow::Cow;

use message::{
    Limits,
    header::select_fields,
    mime::{self, Structure},
};
use protocol::imap::{FetchItem, FetchWriter, Partial, Section, SectionText};

use super::super::line::Line;
use crate::{audit::End, connection::Connection};

/// Octets of text above which it is sent without being copied into the answer.
const LARGE: usize = 32 << 10;

/// A message's text and what is known of it.
pub(super) struct Content<'a> {
    pub raw: &'a [u8],
    /// There when some item needs it.
    pub structure: Option<&'a Structure>,
    pub limits: Limits,
}

/// Writes an item that is made of text. Not written, and `false`, when the part's transfer encoding is not known (RFC
/// 3516, section 4.3).
pub(super) async fn write_content(
    writer: &mut FetchWriter<'_>,
    connection: &mut Connection,
    content: &Content<'_>,
    item: &FetchItem,
) -> Result<bool, End> {
    match item {
        FetchItem::Rfc822 => writer.rfc822(content.raw),
        FetchItem::Rfc822Header => writer.rfc822_header(&content.own(mime::Section::Header)),
        FetchItem::Rfc822Text => writer.rfc822_text(&content.own(mime::Section::Text)),
        FetchItem::Section {
            section, partial, ..
        } => {
            let whole = content.section(section);
            let origin = partial.map(|partial| partial.offset);
            match whole.as_deref().map(|whole| cut(whole, *partial)) {
                Some(octets) if octets.len() >= LARGE => {
                    let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
                    let head = writer.section_head(section, origin, length);
                    Line::send_large(connection, &head, octets).await?;
                }
                octets => writer.section(section, origin, octets),
            }
        }
        FetchItem::Binary { path, partial, .. } => match content.decoded(path) {
            Decoded::Octets(whole) => {
                let origin = partial.map(|partial| partial.offset);
                writer.binary(path, origin, Some(cut(&whole, *partial)));
            }
            Decoded::NoPart => writer.binary(path, None, None),
            Decoded::Unknown => return Ok(false),
        },
        FetchItem::BinarySize { path } => match content.decoded(path) {
            Decoded::Octets(whole) => {
                writer.binary_size(path, u64::try_from(whole.len()).unwrap_or(u64::MAX));
            }
            Decoded::NoPart => writer.binary_size(path, 0),
            Decoded::Unknown => return Ok(false),
        },
        _ => {}
    }
    Ok(true)
}

fn cut(whole: &[u8], partial: Option<Partial>) -> &[u8] {
    partial.map_or(whole, |partial| partial.of(whole))
}

enum Decoded<'a> {
    Octets(Cow<'a, [u8]>),
    NoPart,
    Unknown,
}

impl<'a> Content<'a> {
    fn at(&self, path: &[u32], section: mime::Section) -> Option<&'a [u8]> {
        let place = self.structure?.section(path, section)?;
        self.raw.get(place)
    }

    fn own(&self, section: mime::Section) -> Cow<'a, [u8]> {
        Cow::Borrowed(self.at(&[], section).unwrap_or_default())
    }

    /// The octets of a section; `None` when there is no such part.
    fn section(&self, section: &Section) -> Option<Cow<'a, [u8]>> {
        let path = &section.path;
        let plain = |section| self.at(path, section).map(Cow::Borrowed);
        let fields = |names: &[String], except| {
            let header = self.at(path, mime::Section::Header)?;
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Some(Cow::Owned(select_fields(
                header,
                &names,
                except,
                &self.limits,
            )))
        };
        match &section.text {
            SectionText::Full if path.is_empty() => Some(Cow::Borrowed(self.raw)),
            SectionText::Full => plain(mime::Section::Body),
            SectionText::Header => plain(mime::Section::Header),
            SectionText::Text => plain(mime::Section::Text),
            SectionText::Mime => plain(mime::Section::Mime),
            SectionText::HeaderFields(names) => fields(names, false),
            SectionText::HeaderFieldsNot(names) => fields(names, true),
        }
    }

    fn decoded(&self, path: &[u32]) -> Decoded<'a> {
        if path.is_empty() {
            return Decoded::Octets(Cow::Borrowed(self.raw));
        }
        match self.structure.and_then(|structure| structure.part(path)) {
            None => Decoded::NoPart,
            Some(part) => part
                .decoded_body(self.raw)
                .map_or(Decoded::Unknown, Decoded::Octets),
        }
    }
}
