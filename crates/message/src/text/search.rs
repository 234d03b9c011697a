//! What IMAP SEARCH looks at.

use super::{fold_words, html_to_text};
use crate::{
    Limits, charset,
    header::Header,
    mime::{Content, Part, Structure},
};

/// What SEARCH looks for a text in. The search index keeps it, and who reads a message to search it makes it anew: both
/// by this, so that they agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// [`searchable_headers`], folded with [`fold_words`].
    pub headers: String,
    /// [`searchable_body`], folded in the same way.
    pub body: String,
    /// Whether all text was taken: what is beyond [`Limits::text_octets`] is left out.
    pub whole: bool,
}

impl Words {
    /// Those of a message and its structure.
    #[must_use]
    pub fn of(message: &[u8], structure: &Structure, limits: &Limits) -> Self {
        let headers = searchable_headers(message, limits);
        let body = searchable_body(message, structure, limits);
        // A text that fills its limit may have been cut inside a character.
        let full = limits.text_octets.saturating_sub(8);
        Self {
            whole: headers.len() < full && body.len() < full,
            headers: fold_words(&headers),
            body: fold_words(&body),
        }
    }
}

/// The header fields of the message, decoded: one `Name: text` a line.
#[must_use]
pub fn searchable_headers(message: &[u8], limits: &Limits) -> String {
    let mut text = String::new();
    push_header(
        &Header::parse(message, limits),
        limits.text_octets,
        &mut text,
    );
    text
}

/// The words of the body: all text parts decoded (HTML without its tags), the headers of messages inside, and
/// the names of attached files. A message without limits would be without end: text beyond
/// [`Limits::text_octets`] is left out.
#[must_use]
pub fn searchable_body(message: &[u8], structure: &Structure, limits: &Limits) -> String {
    let mut text = String::new();
    for part in structure.root.walk() {
        if text.len() >= limits.text_octets {
            break;
        }
        match &part.content {
            Content::Text { .. } => push_text(part, message, limits.text_octets, &mut text),
            Content::Message { root, .. } => {
                let raw = message.get(root.header.clone()).unwrap_or_default();
                push_header(&Header::parse(raw, limits), limits.text_octets, &mut text);
            }
            Content::Other | Content::Multipart(_) => {}
        }
        if let Some(name) = part.filename() {
            push(&name, limits.text_octets, &mut text);
        }
    }
    text
}

fn push_header(header: &Header<'_>, most: usize, text: &mut String) {
    for field in header {
        let line = format!(
            "{}: {}",
            String::from_utf8_lossy(field.name()),
            field.text()
        );
        push(&line, most, text);
    }
}

fn push_text(part: &Part, message: &[u8], most: usize, text: &mut String) {
    // Four octets of encoded text give at least one of UTF-8 in every usual encoding: decode no more than counts.
    let wanted = most.saturating_sub(text.len()).saturating_mul(4);
    let raw = part.raw_body(message);
    let Some(octets) = part.encoding.decode(raw.get(..wanted).unwrap_or(raw)) else {
        return;
    };
    let label = part.content_type.params.get("charset").unwrap_or_default();
    let decoded = charset::decode(&octets, &label);
    if part.content_type.subtype == "html" {
        push(&html_to_text(&decoded), most, text);
    } else {
        push(&decoded, most, text);
    }
}

/// Adds as much of `more` as fits, and a line end.
fn push(more: &str, most: usize, text: &mut String) {
    let room = most.saturating_sub(text.len());
    text.push_str(more.get(..more.floor_char_boundary(room)).unwrap_or(more));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_mail_is_found_in_every_encoding() {
        let raw = b"Subject: =?ISO-2022-JP?B?GyRCMnE1RBsoQg==?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B2q5D\x1b(B1\r\n\
            --b\r\nContent-Type: text/html; charset=shift_jis\r\nContent-Transfer-Encoding: base64\r\n\r\niTxiPu+LYzwvYj4y\r\n\
            --b\r\nContent-Type: application/pdf; name*=utf-8''%E4%BC%9A%E8%AD%B03.pdf\r\n\r\nnot text\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody 4\r\n--b--";
        let limits = Limits::default();
        assert!(searchable_headers(raw, &limits).contains("Subject: 会議\n"));
        let body = searchable_body(raw, &Structure::parse(raw, &limits), &limits);
        for word in ["会議1", "会議3.pdf", "Subject: inner", "body 4"] {
            assert!(body.contains(word), "{word} in {body}");
        }
        assert!(!body.contains("not text"));
    }

    #[test]
    fn text_is_bounded() {
        let raw = format!("\r\n{}", "会".repeat(1000));
        let limits = Limits {
            text_octets: 100,
            ..Limits::default()
        };
        let body = searchable_body(
            raw.as_bytes(),
            &Structure::parse(raw.as_bytes(), &limits),
            &limits,
        );
        assert_eq!(body.trim_end().chars().count(), 33);
    }
}
