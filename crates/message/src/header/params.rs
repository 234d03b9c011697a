//! Parameters of MIME fields (RFC 2045, section 5.1; RFC 2231).

use super::{decode_words, lex::Lexer};
use crate::{Limits, charset, limits::weight_of, transfer::decode_hex_escapes};

/// The parameters of `Content-Type` or `Content-Disposition`, as they stand and in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// Name (in lower case, with any `*`) and value (unquoted, otherwise untouched).
    pub raw: Vec<(String, String)>,
}

impl Params {
    /// Reads `;name=value;…` from where `lexer` stands. Broken parameters are passed over.
    pub(super) fn read(lexer: &mut Lexer<'_>, limits: &Limits) -> Self {
        let mut raw = Vec::new();
        while raw.len() < limits.parameters {
            lexer.until(&[';', '(']);
            if lexer.peek() == Some('(') {
                lexer.comment();
                continue;
            }
            if !lexer.eat(';') {
                break;
            }
            lexer.skip_comments();
            let name = lexer
                .until(&['=', ';', '(', ' ', '\t'])
                .to_ascii_lowercase();
            lexer.skip_comments();
            if name.is_empty() || !lexer.eat('=') {
                continue;
            }
            lexer.skip_comments();
            let value = if lexer.peek() == Some('"') {
                lexer.quoted()
            } else {
                unquoted(lexer.until(&[';']))
            };
            raw.push((name, value));
        }
        Self { raw }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// What they take of [`Limits::described_octets`].
    pub(crate) fn weight(&self) -> usize {
        let each = self.raw.iter();
        each.map(|(name, value)| weight_of(name.len().saturating_add(value.len())))
            .fold(0, usize::saturating_add)
    }

    /// The value of one parameter, decoded.
    ///
    /// `name*` goes before `name*0…`, and that before the plain `name`: a file that has a harmless plain name and
    /// another extended one is shown by the extended one everywhere (RFC 2231, RFC 6266 section 4.3). In a plain
    /// value, encoded words are decoded, since mailers write them there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let text = self
            .find(name, "*")
            .map(decode_extended)
            .or_else(|| self.continued(name))
            .or_else(|| self.find(name, "").map(decode_words))?;
        Some(
            text.chars()
                .filter(|c| !matches!(c, '\r' | '\n' | '\0'))
                .collect(),
        )
    }

    fn find(&self, name: &str, suffix: &str) -> Option<&str> {
        self.raw
            .iter()
            .find(|(n, _)| strip_name(n, name) == Some(suffix))
            .map(|(_, value)| value.as_str())
    }

    /// Joins `name*0`, `name*1*`, … in the order of their numbers, whatever their order in the field.
    fn continued(&self, name: &str) -> Option<String> {
        let mut sections: Vec<(u32, bool, &str)> = self
            .raw
            .iter()
            .filter_map(|(n, value)| {
                let number = strip_name(n, name)?.strip_prefix('*')?;
                let (number, is_extended) = number
                    .strip_suffix('*')
                    .map_or((number, false), |n| (n, true));
                Some((number.parse().ok()?, is_extended, value.as_str()))
            })
            .collect();
        sections.sort_by_key(|(number, ..)| *number);
        let mut label = "";
        let mut octets = Vec::new();
        let mut expected = 0_u32;
        for (number, is_extended, value) in sections {
            if number != expected {
                break;
            }
            expected = expected.saturating_add(1);
            if !is_extended {
                octets.extend_from_slice(value.as_bytes());
                continue;
            }
            let text = if number == 0 {
                let (charset, text) = split_charset(value);
                label = charset;
                text
            } else {
                value
            };
            octets.extend(decode_hex_escapes(text.as_bytes(), b'%'));
        }
        if expected == 0 {
            return None;
        }
        let text = charset::decode(&octets, label);
        // Without a character set there may be encoded words, cut into continuations.
        Some(if label.is_empty() {
            decode_words(&text)
        } else {
            text
        })
    }
}

/// A value without quotes. Spaces belong to it in what broken mailers write (`name=my file.txt`), but a comment
/// does not (`charset=us-ascii (plain text)`).
fn unquoted(text: &str) -> String {
    let text = text.trim();
    match text.split_once([' ', '\t']) {
        Some((token, rest)) if rest.trim_start().starts_with('(') => token.to_owned(),
        _ => text.to_owned(),
    }
}

/// What follows `name` in `full`, in any case.
fn strip_name<'a>(full: &'a str, name: &str) -> Option<&'a str> {
    let head = full.get(..name.len())?;
    head.eq_ignore_ascii_case(name)
        .then(|| full.get(name.len()..).unwrap_or_default())
}

/// `charset'language'text`; without the quotes there is only text.
fn split_charset(value: &str) -> (&str, &str) {
    let mut parts = value.splitn(3, '\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_language), Some(text)) => (charset, text),
        _ => ("", value),
    }
}

fn decode_extended(value: &str) -> String {
    let (label, text) = split_charset(value);
    charset::decode(&decode_hex_escapes(text.as_bytes(), b'%'), label)
}
