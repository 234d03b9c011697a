//! As much of XML as reports are written in, a piece at a time: elements, text, comments, CDATA. Attributes are passed over. There
//! is no document type, so nothing in it can grow, or be fetched.

/// A piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// An element begins; its name without a prefix.
    Begin(&'a str),
    /// An element ends.
    End(&'a str),
    /// Text with its entities resolved.
    Text(String),
}

/// What is no XML, or none that is read here, and at which octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// It ends within something.
    #[error("it ends in the middle of something")]
    Cut,
    /// A document type could make it as large as its author likes.
    #[error("it has a document type at octet {0}")]
    DocumentType(usize),
    /// Something else than its own five, or a number.
    #[error("an entity that XML does not know stands at octet {0}")]
    Entity(usize),
    /// An element without a name.
    #[error("what stands at octet {0} is no element")]
    Element(usize),
}

/// Longest name of an entity, `#x10FFFF` being the longest that has a meaning.
const LONGEST_ENTITY: usize = 10;

/// Reads `text` from its beginning.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// An element that was written as empty has still to end.
    empty: Option<&'a str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text: text.strip_prefix('\u{feff}').unwrap_or(text),
            at: 0,
            empty: None,
        }
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Piece<'a>>, XmlError> {
        if let Some(name) = self.empty.take() {
            return Ok(Some(Piece::End(name)));
        }
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Ok(None);
            }
            if !rest.starts_with('<') {
                let end = rest.find('<').unwrap_or(rest.len());
                let (text, _) = rest.split_at_checked(end).unwrap_or((rest, ""));
                let text = self.resolved(text)?;
                self.at = self.at.saturating_add(end);
                return Ok(Some(Piece::Text(text)));
            }
            if rest.starts_with("<!--") {
                self.past("-->")?;
            } else if rest.starts_with("<?") {
                self.past("?>")?;
            } else if let Some(inside) = rest.strip_prefix("<![CDATA[") {
                let end = inside.find("]]>").ok_or(XmlError::Cut)?;
                let text = inside.get(..end).unwrap_or_default().to_owned();
                self.past("]]>")?;
                return Ok(Some(Piece::Text(text)));
            } else if rest.starts_with("<!") {
                return Err(XmlError::DocumentType(self.at));
            } else {
                return self.element().map(Some);
            }
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn past(&mut self, end: &str) -> Result<(), XmlError> {
        let found = self.rest().find(end).ok_or(XmlError::Cut)?;
        self.at = self.at.saturating_add(found).saturating_add(end.len());
        Ok(())
    }

    /// An element's beginning or end.
    fn element(&mut self) -> Result<Piece<'a>, XmlError> {
        let begin = self.at;
        let rest = self.rest();
        let end = end_of_tag(rest).ok_or(XmlError::Cut)?;
        let inside = rest.get(1..end).unwrap_or_default();
        self.at = self.at.saturating_add(end).saturating_add(1);
        if let Some(name) = inside.strip_prefix('/') {
            let name = local(name.trim()).ok_or(XmlError::Element(begin))?;
            return Ok(Piece::End(name));
        }
        let (inside, is_empty) = match inside.strip_suffix('/') {
            Some(inside) => (inside, true),
            None => (inside, false),
        };
        let name = inside.split(|c: char| c.is_ascii_whitespace()).next();
        let name = name.and_then(local).ok_or(XmlError::Element(begin))?;
        if is_empty {
            self.empty = Some(name);
        }
        Ok(Piece::Begin(name))
    }

    fn resolved(&self, text: &str) -> Result<String, XmlError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('&') {
            out.push_str(before);
            let at = self.at.saturating_add(text.len() - behind.len());
            let end = behind.find(';').filter(|end| *end <= LONGEST_ENTITY);
            let end = end.ok_or(XmlError::Entity(at))?;
            let (name, after) = behind.split_at_checked(end).ok_or(XmlError::Entity(at))?;
            out.push(character(name).ok_or(XmlError::Entity(at))?);
            rest = after.strip_prefix(';').unwrap_or(after);
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// Where the tag at the beginning of `text` ends: at the first `>` that is not in a quoted value.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (place, octet) in text.bytes().enumerate() {
        match (quote, octet) {
            (Some(open), octet) if open == octet => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(octet),
            (None, b'>') => return Some(place),
            (None, _) => {}
        }
    }
    None
}

/// A name without its prefix.
fn local(name: &str) -> Option<&str> {
    let local = name.rsplit(':').next().unwrap_or(name);
    (!local.is_empty()).then_some(local)
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
