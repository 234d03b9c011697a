//! As much of XML as feeds are written in: elements with attributes, text, comments, CDATA. There is no document type and no entity
//! of its own, so nothing in it can grow, or be fetched. Prefixes of names are left out.

use std::borrow::Cow;

/// What is no XML, or none that is read here, and at which octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// It ends within something.
    #[error("it ends in the middle of something that begins at octet {0}")]
    Cut(usize),
    /// A document type could make it as large as its author likes.
    #[error("it has a document type at octet {0}, which is not read")]
    DocumentType(usize),
    /// Something else than its own five, or a number.
    #[error("an entity that XML does not know stands at or behind octet {0}")]
    Entity(usize),
    /// No name, an end without a beginning, or attributes that are none.
    #[error("what stands at octet {0} is no element")]
    Element(usize),
    /// Elements within elements, without an end.
    #[error("elements are nested deeper than {MOST_DEPTH} at octet {0}")]
    Depth(usize),
    /// So many elements that what they take would be many times the document.
    #[error("there are more than {MOST_ELEMENTS} elements, of which one begins at octet {0}")]
    Elements(usize),
}

/// Elements within elements.
const MOST_DEPTH: usize = 64;
/// Elements of a document: a hundred times what a year of JVN has.
const MOST_ELEMENTS: usize = 1_000_000;
/// Attributes of one element.
const MOST_ATTRIBUTES: usize = 64;

/// An element with what is in it.
#[derive(Debug, Default)]
pub(crate) struct Element<'a> {
    pub(crate) name: &'a str,
    pub(crate) attributes: Vec<(&'a str, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Self>,
}

impl<'a> Element<'a> {
    /// The value of an attribute; empty: there is none.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        let mut found = self.attributes.iter().filter(|(known, _)| *known == name);
        found.next().map_or("", |(_, value)| value)
    }

    /// The elements of that name that are directly in it.
    pub(crate) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element<'a>> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first of them.
    pub(crate) fn first(&self, name: &str) -> Option<&Element<'a>> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first element at the end of `path`; empty: there is none.
    pub(crate) fn text_at(&self, path: &[&str]) -> &str {
        let mut at = self;
        for name in path {
            match at.first(name) {
                Some(next) => at = next,
                None => return "",
            }
        }
        at.text.trim()
    }
}

/// Reads a document: its one element.
pub(crate) fn read(text: &str) -> Result<Element<'_>, XmlError> {
    let mut open: Vec<Element<'_>> = Vec::new();
    let (mut at, mut elements) = (0_usize, 0_usize);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(begin) = rest.find('<') else {
            return Err(XmlError::Cut(at));
        };
        if let Some(inner) = open.last_mut() {
            let words = rest.get(..begin).unwrap_or_default();
            inner.text.push_str(&resolved(words, at)?);
        }
        at = at.saturating_add(begin);
        let rest = rest.get(begin..).unwrap_or_default();
        let past = |opening: usize, end: &str| {
            let behind = rest.get(opening..).unwrap_or_default();
            let found = behind.find(end).ok_or(XmlError::Cut(at))?;
            Ok(opening.saturating_add(found).saturating_add(end.len()))
        };
        if rest.starts_with("<!--") {
            at = at.saturating_add(past(4, "-->")?);
        } else if rest.starts_with("<?") {
            at = at.saturating_add(past(2, "?>")?);
        } else if rest.starts_with("<![CDATA[") {
            let end = past(9, "]]>")?;
            if let Some(inner) = open.last_mut() {
                inner
                    .text
                    .push_str(rest.get(9..end.saturating_sub(3)).unwrap_or_default());
            }
            at = at.saturating_add(end);
        } else if rest.starts_with("<!") {
            return Err(XmlError::DocumentType(at));
        } else {
            let is_end = rest.starts_with("</");
            elements = elements.saturating_add(usize::from(!is_end));
            if elements > MOST_ELEMENTS {
                return Err(XmlError::Elements(at));
            }
            let end = end_of_tag(rest).ok_or(XmlError::Cut(at))?;
            let inside = rest.get(1..end).unwrap_or_default();
            let done = match inside.strip_prefix('/') {
                Some(name) => Some(close(&mut open, name.trim(), at)?),
                None => begun(&mut open, inside, at)?,
            };
            at = at.saturating_add(end).saturating_add(1);
            // The document's own element has no other around it.
            match (done, open.last_mut()) {
                (Some(done), Some(outer)) => outer.children.push(done),
                (Some(done), None) => return Ok(done),
                (None, _) => {}
            }
        }
    }
}

fn close<'a>(open: &mut Vec<Element<'a>>, name: &str, at: usize) -> Result<Element<'a>, XmlError> {
    let done = open.pop().ok_or(XmlError::Element(at))?;
    match done.name == local(name) {
        true => Ok(done),
        false => Err(XmlError::Element(at)),
    }
}

/// An element begins; one that is empty is over, too.
fn begun<'a>(
    open: &mut Vec<Element<'a>>,
    inside: &'a str,
    at: usize,
) -> Result<Option<Element<'a>>, XmlError> {
    let (inside, is_empty) = match inside.strip_suffix('/') {
        Some(inside) => (inside, true),
        None => (inside, false),
    };
    let end = inside
        .find(|c: char| c.is_ascii_whitespace())
        .unwrap_or(inside.len());
    let (name, rest) = inside.split_at_checked(end).ok_or(XmlError::Element(at))?;
    let name = local(name);
    if name.is_empty() || name.contains(['<', '"', '\'']) {
        return Err(XmlError::Element(at));
    }
    let element = Element {
        name,
        attributes: attributes(rest, at)?,
        ..Element::default()
    };
    if is_empty {
        return Ok(Some(element));
    }
    if open.len() >= MOST_DEPTH {
        return Err(XmlError::Depth(at));
    }
    open.push(element);
    Ok(None)
}

fn attributes(text: &str, at: usize) -> Result<Vec<(&str, String)>, XmlError> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=').ok_or(XmlError::Element(at))?;
        let behind = behind.trim_start();
        let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''));
        let quote = quote.ok_or(XmlError::Element(at))?;
        let behind = behind.get(1..).unwrap_or_default();
        let (value, next) = behind.split_once(quote).ok_or(XmlError::Element(at))?;
        if found.len() >= MOST_ATTRIBUTES {
            return Err(XmlError::Element(at));
        }
        found.push((local(name.trim()), resolved(value, at)?.into_owned()));
        rest = next.trim_start();
    }
    Ok(found)
}

/// Where the tag at the beginning of `text` ends: at the first `>` that is not in a quoted value.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (place, octet) in text.bytes().enumerate() {
        match (quote, octet) {
            (Some(open), octet) if open == octet => quote = None,
            (None, b'"' | b'\'') => quote = Some(octet),
            (None, b'>') => return Some(place),
            _ => {}
        }
    }
    None
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn resolved(text: &str, at: usize) -> Result<Cow<'_, str>, XmlError> {
    if !text.contains('&') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = behind.split_once(';').ok_or(XmlError::Entity(at))?;
        out.push(character(name).ok_or(XmlError::Entity(at))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn elements_attributes_and_text() {
        let found = read("<?xml version=\"1.0\"?><!-- x --><a:r xmlns:a='u'><b c=\"1 &gt; 2\">x<![CDATA[<y>]]>&amp;&#12354;</b><d/></a:r>").unwrap();
        assert_eq!(found.name, "r");
        assert_eq!(found.first("b").unwrap().attribute("c"), "1 > 2");
        assert_eq!(found.text_at(&["b"]), "x<y>&あ");
        assert_eq!(found.all("d").count(), 1);
    }

    #[test]
    fn what_could_grow_is_refused() {
        let bomb = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><l>&b;</l>";
        assert_eq!(read(bomb).unwrap_err(), XmlError::DocumentType(21));
        assert_eq!(read("<l>&b;</l>").unwrap_err(), XmlError::Entity(3));
        assert!(matches!(
            read(&"<a>".repeat(100_000)).unwrap_err(),
            XmlError::Depth(_)
        ));
        let wide = format!("<l>{}</l>", "<a/>".repeat(MOST_ELEMENTS + 1));
        assert!(matches!(read(&wide).unwrap_err(), XmlError::Elements(_)));
        let within = format!("<l>{}</l>", "<a></a>".repeat(1000));
        assert_eq!(read(&within).unwrap().children.len(), 1000);
        let attributes: String = (0..100).map(|n| format!(" a{n}=\"\"")).collect();
        assert!(matches!(
            read(&format!("<l{attributes}/>")).unwrap_err(),
            XmlError::Element(_)
        ));
        for (text, error) in [
            ("", XmlError::Cut(0)),
            ("<a>", XmlError::Cut(3)),
            ("<a", XmlError::Cut(0)),
            ("<a></b>", XmlError::Element(3)),
            ("</a>", XmlError::Element(0)),
            ("<a b></a>", XmlError::Element(0)),
            ("< a></a>", XmlError::Element(0)),
        ] {
            assert_eq!(read(text).unwrap_err(), error, "{text}");
        }
    }
}
