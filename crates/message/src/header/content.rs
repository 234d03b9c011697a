//! `Content-*` fields.

use super::{lex::Lexer, params::Params};
use crate::Limits;

/// A media type with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// The top-level type, in lower case.
    pub kind: String,
    /// The subtype, in lower case.
    pub subtype: String,
    /// The parameters.
    pub params: Params,
}

impl ContentType {
    /// `text/plain; charset=us-ascii`: what a part without the field is (RFC 2045, section 5.2).
    #[must_use]
    pub fn plain_text() -> Self {
        Self {
            params: Params {
                raw: vec![("charset".to_owned(), "us-ascii".to_owned())],
            },
            ..Self::of("text", "plain")
        }
    }

    /// A type without parameters.
    #[must_use]
    pub fn of(kind: &str, subtype: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            subtype: subtype.to_owned(),
            params: Params::default(),
        }
    }

    /// Reads an unfolded `Content-Type`. `text` alone is `text/plain`; what is no type at all is
    /// `application/octet-stream`, since nobody can tell what it would show.
    #[must_use]
    pub fn parse(value: &str, limits: &Limits) -> Self {
        let mut lexer = Lexer::new(value);
        lexer.skip_comments();
        let kind = token(&mut lexer);
        lexer.skip_comments();
        let subtype = if lexer.eat('/') {
            lexer.skip_comments();
            token(&mut lexer)
        } else {
            String::new()
        };
        let params = Params::read(&mut lexer, limits);
        match (kind.as_str(), subtype.as_str()) {
            ("", "") if params.is_empty() => Self::plain_text(),
            ("text", "") => Self {
                params,
                ..Self::of("text", "plain")
            },
            ("", _) | (_, "") => Self {
                params,
                ..Self::of("application", "octet-stream")
            },
            _ => Self {
                kind,
                subtype,
                params,
            },
        }
    }

    /// Whether it is this type; both in lower case.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind && self.subtype == subtype
    }
}

/// `Content-Disposition` (RFC 2183).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// `attachment`, `inline` or another, in lower case.
    pub kind: String,
    /// The parameters.
    pub params: Params,
}

impl Disposition {
    /// Reads an unfolded `Content-Disposition`. `None` when there is nothing.
    #[must_use]
    pub fn parse(value: &str, limits: &Limits) -> Option<Self> {
        let mut lexer = Lexer::new(value);
        lexer.skip_comments();
        let kind = token(&mut lexer);
        if lexer.peek() == Some('=') {
            // The kind was forgotten: `filename=x`.
            return Some(Self {
                kind: "attachment".to_owned(),
                params: Params::read(&mut Lexer::new(&format!(";{value}")), limits),
            });
        }
        let params = Params::read(&mut lexer, limits);
        if kind.is_empty() && params.is_empty() {
            return None;
        }
        let kind = if kind.is_empty() {
            "attachment".to_owned()
        } else {
            kind
        };
        Some(Self { kind, params })
    }
}

/// Reads an unfolded `Content-Language` (RFC 3282).
#[must_use]
pub fn parse_languages(value: &str, limits: &Limits) -> Vec<String> {
    let mut lexer = Lexer::new(value);
    let mut languages = Vec::new();
    while languages.len() < limits.parameters {
        lexer.skip_comments();
        let language = token(&mut lexer);
        if !language.is_empty() {
            languages.push(language);
        }
        lexer.skip_comments();
        lexer.until(&[',']);
        if !lexer.eat(',') {
            break;
        }
    }
    languages
}

/// A token in lower case; characters that no token has end it. At most 127 of them (RFC 6838, section 4.2).
fn token(lexer: &mut Lexer<'_>) -> String {
    let text = lexer.until(&[
        ' ', '\t', ';', '/', '(', ',', '=', '"', '<', '>', '@', ':', '[', ']', '?', '\\', ')',
    ]);
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(127)
        .collect::<String>()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn parse(value: &str) -> ContentType {
        ContentType::parse(value, &Limits::default())
    }

    #[test]
    fn types_and_their_defaults() {
        assert!(parse("Text/HTML; Charset=\"utf-8\"").is("text", "html"));
        assert_eq!(
            parse("text/plain; charset=utf-8 ; x=y")
                .params
                .get("CHARSET")
                .unwrap(),
            "utf-8"
        );
        assert!(parse("text").is("text", "plain"));
        let commented = parse("text/plain; charset=us-ascii (Plain text); x=y");
        assert_eq!(commented.params.get("charset").unwrap(), "us-ascii");
        assert_eq!(commented.params.get("x").unwrap(), "y");
        assert!(parse("pdf").is("application", "octet-stream"));
        assert_eq!(parse(""), ContentType::plain_text());
        assert!(parse("multipart / mixed (c); boundary=(d) \"a b\"").is("multipart", "mixed"));
        assert_eq!(
            parse("multipart/mixed; (c) boundary = \"a;b\"")
                .params
                .get("boundary")
                .unwrap(),
            "a;b"
        );
    }

    #[test]
    fn extended_names_go_first() {
        let name = |v| {
            Disposition::parse(v, &Limits::default())
                .unwrap()
                .params
                .get("filename")
                .unwrap()
        };
        assert_eq!(
            name("attachment; filename=\"a.txt\"; filename*=utf-8'ja'%E4%BC%9A%E8%AD%B0.exe"),
            "会議.exe"
        );
        assert_eq!(
            name("attachment; filename*1*=%BC%9A; filename*0*=UTF-8''%E4; filename*2=\" %41.txt\""),
            "会 %41.txt"
        );
        assert_eq!(
            name("attachment; filename*0=\"long\"; filename*1=\"name.pdf\""),
            "longname.pdf"
        );
        assert_eq!(
            name("attachment; filename=\"=?ISO-2022-JP?B?GyRCMnE1RBsoQg==?=.pdf\""),
            "会議.pdf"
        );
        assert_eq!(name("attachment; filename=my file.txt"), "my file.txt");
        assert_eq!(
            name("attachment; filename*=iso-2022-jp''%1B$B2q5D%1B(B.doc"),
            "会議.doc"
        );
        assert_eq!(name("filename=x"), "x");
    }

    #[test]
    fn languages() {
        assert_eq!(
            parse_languages("ja, en-US (American)", &Limits::default()),
            ["ja", "en-us"]
        );
        assert!(parse_languages("", &Limits::default()).is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(value in "[a/;=*0-3\"\\\\ (),%'会]{0,60}") {
            let t = parse(&value);
            prop_assert!(!t.kind.is_empty() && !t.subtype.is_empty());
            for name in ["a", "a*", "0"] {
                let _ignored = t.params.get(name);
            }
        }
    }
}
