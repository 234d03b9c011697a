//! Sections and parts of a message's text.

use std::borrow::Cow;

use bytes::Bytes;
use message::{
    Limits,
    header::select_fields,
    mime::{self, Structure},
};
use protocol::imap::{FetchItem, FetchWriter, Partial, ResponseCode, Section, SectionText};
use world::World;

use super::super::{line::Line, outcome::Stop};
use crate::{audit::End, connection::Connection};

/// Octets of text from which on it is sent without being copied into the answer, and decoded elsewhere than where the
/// sessions run.
const LARGE: usize = 32 << 10;
/// Octets of an answer that may wait between two of its items.
const WAITING: usize = 64 << 10;

/// A message's text and what is known of it.
pub(super) struct Content<'a> {
    raw: Bytes,
    /// There when some item needs it.
    structure: Option<&'a Structure>,
    limits: Limits,
    world: &'a World,
    /// The part that was decoded last. There is room for one: the items of one part stand together.
    decoded: Option<(Vec<u32>, Decoded)>,
}

#[derive(Clone)]
enum Decoded {
    Octets(Bytes),
    NoPart,
    Unknown,
}

/// Which item a text is written as.
enum Name<'a> {
    Rfc822,
    Rfc822Header,
    Rfc822Text,
    Section(&'a Section, Option<u32>),
}

/// Where an answer with text is written: small items into the encoder, large ones straight to the connection.
pub(super) struct Pen<'a> {
    pub writer: FetchWriter<'a>,
    pub connection: &'a mut Connection,
}

impl<'a> Content<'a> {
    pub(super) fn new(
        raw: Bytes,
        structure: Option<&'a Structure>,
        limits: Limits,
        world: &'a World,
    ) -> Self {
        Self {
            raw,
            structure,
            limits,
            world,
            decoded: None,
        }
    }

    /// Writes an item that is made of text. Not written, and `false`, when the part's transfer encoding is not known (RFC
    /// 3516, section 4.3).
    pub(super) async fn write(
        &mut self,
        pen: &mut Pen<'_>,
        item: &FetchItem,
    ) -> Result<bool, Stop> {
        match item {
            FetchItem::Rfc822 => pen.text(&Name::Rfc822, &self.raw).await?,
            FetchItem::Rfc822Header => {
                let header = self.at(&[], mime::Section::Header).unwrap_or_default();
                pen.text(&Name::Rfc822Header, header).await?;
            }
            FetchItem::Rfc822Text => {
                let text = self.at(&[], mime::Section::Text).unwrap_or_default();
                pen.text(&Name::Rfc822Text, text).await?;
            }
            FetchItem::Section {
                section, partial, ..
            } => {
                let origin = partial.map(|partial| partial.offset);
                match self.section(section) {
                    Some(whole) => {
                        let name = Name::Section(section, origin);
                        pen.text(&name, cut(&whole, *partial)).await?;
                    }
                    None => pen.writer.section(section, origin, None),
                }
            }
            FetchItem::Binary { path, partial, .. } => match self.decode(path).await? {
                Decoded::Octets(whole) => {
                    let origin = partial.map(|partial| partial.offset);
                    pen.binary(path, origin, cut(&whole, *partial)).await?;
                }
                Decoded::NoPart => pen.writer.binary(path, None, None),
                Decoded::Unknown => return Ok(false),
            },
            FetchItem::BinarySize { path } => match self.decode(path).await? {
                Decoded::Octets(whole) => {
                    let size = u64::try_from(whole.len()).unwrap_or(u64::MAX);
                    pen.writer.binary_size(path, size);
                }
                Decoded::NoPart => pen.writer.binary_size(path, 0),
                Decoded::Unknown => return Ok(false),
            },
            _ => {}
        }
        Ok(true)
    }

    fn at(&self, path: &[u32], section: mime::Section) -> Option<&[u8]> {
        let place = self.structure?.section(path, section)?;
        self.raw.get(place)
    }

    /// The octets of a section; `None` when there is no such part.
    fn section(&self, section: &Section) -> Option<Cow<'_, [u8]>> {
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
            SectionText::Full if path.is_empty() => Some(Cow::Borrowed(&self.raw)),
            SectionText::Full => plain(mime::Section::Body),
            SectionText::Header => plain(mime::Section::Header),
            SectionText::Text => plain(mime::Section::Text),
            SectionText::Mime => plain(mime::Section::Mime),
            SectionText::HeaderFields(names) => fields(names, false),
            SectionText::HeaderFieldsNot(names) => fields(names, true),
        }
    }

    /// A part decoded: once, however many items are about it.
    async fn decode(&mut self, path: &[u32]) -> Result<Decoded, Stop> {
        if let Some((held, decoded)) = &self.decoded
            && held == path
        {
            return Ok(decoded.clone());
        }
        self.decoded = None;
        let decoded = self.decode_anew(path).await?;
        self.decoded = Some((path.to_vec(), decoded.clone()));
        Ok(decoded)
    }

    async fn decode_anew(&self, path: &[u32]) -> Result<Decoded, Stop> {
        if path.is_empty() {
            return Ok(Decoded::Octets(self.raw.clone()));
        }
        let Some(part) = self.structure.and_then(|structure| structure.part(path)) else {
            return Ok(Decoded::NoPart);
        };
        let body = self.raw.slice_ref(part.raw_body(&self.raw));
        if part.encoding.is_identity() {
            return Ok(Decoded::Octets(body));
        }
        let (encoding, is_large) = (part.encoding.clone(), body.len() >= LARGE);
        let work = move || encoding.decode(&body).map(Cow::into_owned);
        let decoded = if is_large {
            self.world.blocking(work).await.map_err(|error| {
                tracing::error!(%error, "decoding a part panicked");
                Stop::no(ResponseCode::ServerBug, "A part could not be decoded")
            })?
        } else {
            work()
        };
        Ok(decoded.map_or(Decoded::Unknown, |octets| Decoded::Octets(octets.into())))
    }
}

impl Pen<'_> {
    async fn text(&mut self, name: &Name<'_>, octets: &[u8]) -> Result<(), End> {
        let writer = &mut self.writer;
        if octets.len() < LARGE {
            match name {
                Name::Rfc822 => writer.rfc822(octets),
                Name::Rfc822Header => writer.rfc822_header(octets),
                Name::Rfc822Text => writer.rfc822_text(octets),
                Name::Section(section, origin) => writer.section(section, *origin, Some(octets)),
            }
            return self.relieve().await;
        }
        let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        let head = match name {
            Name::Rfc822 => writer.rfc822_head(length),
            Name::Rfc822Header => writer.rfc822_header_head(length),
            Name::Rfc822Text => writer.rfc822_text_head(length),
            Name::Section(section, origin) => writer.section_head(section, *origin, length),
        };
        Line::send_text(self.connection, &head, octets).await
    }

    async fn binary(
        &mut self,
        path: &[u32],
        origin: Option<u32>,
        octets: &[u8],
    ) -> Result<(), End> {
        if octets.len() < LARGE {
            self.writer.binary(path, origin, Some(octets));
            return self.relieve().await;
        }
        let head = self.writer.binary_head(path, origin, octets);
        Line::send_large(self.connection, &head, octets).await
    }

    /// Sends what waits, if it is much: hundreds of small items are a large answer.
    async fn relieve(&mut self) -> Result<(), End> {
        if self.writer.move_if_over(WAITING, self.connection.out()) {
            self.connection.relieve().await?;
        }
        Ok(())
    }
}

fn cut(whole: &[u8], partial: Option<Partial>) -> &[u8] {
    partial.map_or(whole, |partial| partial.of(whole))
}
