//! What a site looks for in mail by words of its own: named patterns, which the evidence tells by their names alone.

use message::{
    Limits,
    header::Header,
    mime::Structure,
    text::{fold_words, searchable_body},
};
use regex::{Regex, RegexBuilder};

/// Octets of text that patterns are looked for in.
const MOST_TEXT: usize = 1 << 20;
/// Octets that one regular expression may be, compiled.
const MOST_COMPILED: usize = 1 << 20;
/// Fields of one name that are looked at.
const MOST_FIELDS: usize = 50;

/// Where a pattern is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Subject, decoded.
    Subject,
    /// Header fields of this name, decoded.
    Header(String),
    /// All text of the message: its texts, HTML without tags, the names of what is attached.
    Text,
    /// The names of what is attached.
    FileName,
}

/// A named pattern: it is found when one of its texts or expressions is.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Its name in rules, evidence and events.
    pub name: String,
    /// Where.
    pub place: Place,
    any: Vec<Matcher>,
}

#[derive(Clone, Debug)]
enum Matcher {
    /// In one form with what it is looked for in: case, width and spaces do not count.
    Text(String),
    Expression(Regex),
}

impl Pattern {
    /// One that looks for `texts` and `expressions`.
    ///
    /// # Errors
    /// What is wrong, in words: an expression that is none, or one that would take more than 1 MiB.
    pub fn new(
        name: &str,
        place: Place,
        texts: &[String],
        expressions: &[String],
    ) -> Result<Self, String> {
        let mut any: Vec<Matcher> = texts
            .iter()
            .map(|text| Matcher::Text(fold_words(text)))
            .collect();
        for expression in expressions {
            // The engine takes time in proportion to text and expression, whatever both are.
            let built = RegexBuilder::new(expression)
                .case_insensitive(true)
                .size_limit(MOST_COMPILED)
                .dfa_size_limit(MOST_COMPILED)
                .build();
            any.push(Matcher::Expression(
                built.map_err(|error| error.to_string())?,
            ));
        }
        if any.is_empty()
            || any
                .iter()
                .any(|one| matches!(one, Matcher::Text(text) if text.trim().is_empty()))
        {
            return Err(
                "a pattern looks for at least one text or expression, none of them empty"
                    .to_owned(),
            );
        }
        Ok(Self {
            name: name.to_owned(),
            place,
            any,
        })
    }

    fn is_in(&self, text: &str) -> bool {
        self.any.iter().any(|one| match one {
            Matcher::Text(wanted) => text.contains(wanted),
            Matcher::Expression(wanted) => wanted.is_match(text),
        })
    }
}

/// Names these patterns: 64 bits of a digest of all that they look for; empty when there are none.
#[must_use]
pub(crate) fn digest(patterns: &[Pattern]) -> String {
    if patterns.is_empty() {
        return String::new();
    }
    let whole = blake3::hash(format!("{patterns:?}").as_bytes()).to_hex();
    whole.get(..16).unwrap_or_default().to_owned()
}

/// The names of those of `patterns` that are in the message.
#[must_use]
pub fn found(patterns: &[Pattern], message: &[u8]) -> Vec<String> {
    if patterns.is_empty() {
        return Vec::new();
    }
    let limits = Limits {
        text_octets: MOST_TEXT,
        ..Limits::default()
    };
    let header = Header::parse(message, &limits);
    let structure = Structure::parse(message, &limits);
    let wanted = |place: &Place| patterns.iter().any(|pattern| pattern.place == *place);
    let text = match wanted(&Place::Text) {
        true => fold_words(&searchable_body(message, &structure, &limits)),
        false => String::new(),
    };
    let names: Vec<String> = match wanted(&Place::FileName) {
        true => structure
            .root
            .walk()
            .iter()
            .filter_map(|part| part.filename())
            .map(|name| fold_words(&name))
            .collect(),
        false => Vec::new(),
    };
    let in_fields = |pattern: &Pattern, name: &str| {
        let fields = header
            .iter()
            .filter(|field| field.name().eq_ignore_ascii_case(name.as_bytes()));
        fields
            .take(MOST_FIELDS)
            .any(|field| pattern.is_in(&fold_words(&field.text())))
    };
    let is_found = |pattern: &&Pattern| match &pattern.place {
        Place::Subject => in_fields(pattern, "subject"),
        Place::Header(name) => in_fields(pattern, name),
        Place::Text => pattern.is_in(&text),
        Place::FileName => names.iter().any(|name| pattern.is_in(name)),
    };
    patterns
        .iter()
        .filter(is_found)
        .map(|pattern| pattern.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pattern(name: &str, place: Place, texts: &[&str], expressions: &[&str]) -> Pattern {
        let all = |list: &[&str]| {
            list.iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        Pattern::new(name, place, &all(texts), &all(expressions)).unwrap()
    }

    #[test]
    fn patterns_are_found_where_they_are_looked_for() {
        let raw = "Subject: =?ISO-2022-JP?B?GyRCMnE1RBsoQg==?= no 3\r\nX-Campaign: Spring-42\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nＦｒｅｅ   money\r\n\
            --b\r\nContent-Type: application/zip; name=invoice.ISO\r\n\r\nx\r\n--b--\r\n";
        let patterns = [
            pattern("subject", Place::Subject, &["会議"], &[]),
            pattern("other", Place::Subject, &["money"], &[]),
            pattern("text", Place::Text, &["FREE money"], &[]),
            pattern("expression", Place::Text, &[], &["fre+ mon[a-z]y"]),
            pattern(
                "field",
                Place::Header("x-campaign".into()),
                &[],
                &["^spring-\\d+$"],
            ),
            pattern("file", Place::FileName, &[], &["\\.iso$"]),
        ];
        assert_eq!(
            found(&patterns, raw.as_bytes()),
            ["subject", "text", "expression", "field", "file"]
        );
        assert!(found(&[], raw.as_bytes()).is_empty());
    }

    #[test]
    fn expressions_that_would_blow_up_elsewhere_are_bounded() {
        let begun = std::time::Instant::now();
        let bomb = pattern(
            "bomb",
            Place::Text,
            &[],
            &["(a+)+$", "(a|aa)+b", "(x{1,50}){1,50}y"],
        );
        let raw = format!("Subject: x\r\n\r\n{}!", "a".repeat(200_000));
        assert!(found(&[bomb], raw.as_bytes()).is_empty());
        assert!(begun.elapsed().as_secs() < 60, "linear, not exponential");
        let wrong = Pattern::new(
            "x",
            Place::Text,
            &[],
            &["((a{1,1000}){1,1000}){1,1000}".into()],
        );
        assert!(wrong.is_err());
        assert!(Pattern::new("x", Place::Text, &[], &["(".into()]).is_err());
        assert!(Pattern::new("x", Place::Text, &[" ".into()], &[]).is_err());
        assert!(Pattern::new("x", Place::Text, &[], &[]).is_err());
    }
}
