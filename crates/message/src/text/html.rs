//! The words of an HTML text, for searching; not for showing.

/// Elements that begin a new line, so that words beside them do not run together.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "blockquote",
    "body",
    "br",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "li",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "table",
    "tbody",
    "td",
    "th",
    "title",
    "tr",
    "ul",
];

/// Elements whose content nobody reads.
const HIDDEN: &[&str] = &["script", "style"];

/// Character references that mail uses; others stay as they are.
const ENTITIES: &[(&str, &str)] = &[
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", "\u{a0}"),
    ("copy", "©"),
    ("reg", "®"),
    ("yen", "¥"),
    ("middot", "·"),
    ("laquo", "«"),
    ("raquo", "»"),
    ("times", "×"),
    ("ndash", "–"),
    ("mdash", "—"),
    ("lsquo", "‘"),
    ("rsquo", "’"),
    ("ldquo", "“"),
    ("rdquo", "”"),
    ("hellip", "…"),
    ("bull", "•"),
    ("euro", "€"),
    ("trade", "™"),
    ("larr", "←"),
    ("rarr", "→"),
    ("auml", "ä"),
    ("ouml", "ö"),
    ("uuml", "ü"),
    ("szlig", "ß"),
    ("eacute", "é"),
    ("egrave", "è"),
    ("agrave", "à"),
    ("ccedil", "ç"),
];

/// Longest character reference that is looked at, in octets.
const MAX_ENTITY: usize = 12;

/// The text without tags, comments, scripts and styles, with character references decoded. Tags within a line
/// leave nothing behind, so that a word in two colours stays one word.
#[must_use]
pub fn html_to_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    let mut rest = html;
    let mut quotes_close = true;
    while let Some(at) = rest.find(['<', '&']) {
        let (plain, from) = rest.split_at(at);
        text.push_str(plain);
        rest = if from.starts_with('&') {
            entity(from, &mut text)
        } else {
            tag(from, &mut quotes_close, &mut text)
        };
    }
    text.push_str(rest);
    text
}

/// Reads the character reference that `from` begins with; returns what follows.
fn entity<'a>(from: &'a str, text: &mut String) -> &'a str {
    let after = from.get(1..).unwrap_or_default();
    let end = after
        .char_indices()
        .take(MAX_ENTITY)
        .find(|(_, c)| !c.is_ascii_alphanumeric() && *c != '#')
        .map_or(after.len().min(MAX_ENTITY), |(at, _)| at);
    let name = after.get(..end).unwrap_or_default();
    let decoded = match name.strip_prefix('#') {
        Some(number) => numeric(number).map(String::from),
        None => ENTITIES
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, c)| (*c).to_owned()),
    };
    match decoded {
        Some(decoded) => {
            text.push_str(&decoded);
            let rest = after.get(end..).unwrap_or_default();
            rest.strip_prefix(';').unwrap_or(rest)
        }
        None => {
            text.push('&');
            after
        }
    }
}

fn numeric(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code).filter(|c| *c != '\0')
}

/// Passes over the tag or comment that `from` begins with; returns what follows.
fn tag<'a>(from: &'a str, quotes_close: &mut bool, text: &mut String) -> &'a str {
    let after = from.get(1..).unwrap_or_default();
    if let Some(comment) = after.strip_prefix("!--") {
        return behind(comment, "-->");
    }
    let named = after.strip_prefix('/').unwrap_or(after);
    if !named.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!' || c == '?') {
        text.push('<');
        return after;
    }
    let name_end = named
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(named.len());
    let name = named
        .get(..name_end)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let rest = tag_end(named, quotes_close);
    if BLOCKS.contains(&name.as_str()) {
        text.push('\n');
    }
    if HIDDEN.contains(&name.as_str()) && !after.starts_with('/') {
        return closing(rest, &name);
    }
    rest
}

/// What follows the `>` that ends a tag, minding quoted attribute values while `quotes_close`.
///
/// A quote that never closes hides the rest of the text: then the nearest bracket ends the tag, and quotes count no
/// more, or each further tag would be looked for to the end of the text again.
fn tag_end<'a>(tag: &'a str, quotes_close: &mut bool) -> &'a str {
    if *quotes_close {
        let mut quote = None;
        for (at, c) in tag.char_indices() {
            match (quote, c) {
                (None, '>') => return tag.get(at.saturating_add(1)..).unwrap_or_default(),
                (None, '"' | '\'') => quote = Some(c),
                (Some(q), c) if q == c => quote = None,
                _ => {}
            }
        }
        *quotes_close = false;
    }
    behind(tag, ">")
}

/// What follows the closing tag of a hidden element; nothing when it is never closed.
fn closing<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        let after = rest.get(at.saturating_add(2)..).unwrap_or_default();
        if after
            .get(..name.len())
            .is_some_and(|n| n.eq_ignore_ascii_case(name))
        {
            return behind(after, ">");
        }
        rest = after;
    }
    ""
}

fn behind<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::html_to_text;

    #[test]
    fn words_stay_whole_and_apart() {
        assert_eq!(html_to_text("会<b class='>'>議</b>"), "会議");
        assert_eq!(html_to_text("a<br>b<p>c"), "a\nb\nc");
        assert_eq!(
            html_to_text("a<!-- <x> -->b<STYLE>x{}</style >c<script>1</b></script>d"),
            "abcd"
        );
        assert_eq!(
            html_to_text("&lt;&amp;&#x4f1a;&#35696;&nosuch;&"),
            "<&会議&nosuch;&"
        );
        assert_eq!(html_to_text("1 < 2 <3"), "1 < 2 <3");
        assert_eq!(html_to_text("a<b x=\"open>c"), "ac");
    }

    #[test]
    fn endless_quotes_take_no_endless_time() {
        let html = format!("{}\"", "<a \"> \"".repeat(200_000));
        assert!(html_to_text(&html).len() <= html.len());
    }

    proptest! {
        #[test]
        fn never_panics(html in "[<>&#;x/!a\"'-]{0,40}|(<script>|</|<!--|-->|&#|会){0,20}") {
            let _ignored = html_to_text(&html);
        }
    }
}
