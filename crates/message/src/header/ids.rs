//! Message identifiers (RFC 5322, section 3.6.4).

use super::lex::Lexer;
use crate::Limits;

/// The identifiers in `References` or `In-Reply-To`, without brackets and white space, in their order.
///
/// Words outside angle brackets are passed over. Of more identifiers than the limit, the first and the latest
/// stay, since threads hang on both ends.
#[must_use]
pub fn parse_ids(value: &str, limits: &Limits) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut lexer = Lexer::new(value);
    loop {
        lexer.skip_comments();
        match lexer.peek() {
            None => break,
            Some('<') => {
                lexer.next();
                let id = lexer.until(&['<', '>', ',']);
                lexer.eat('>');
                let id: String = id
                    .chars()
                    .filter(|c| !c.is_whitespace() && !c.is_control())
                    .collect();
                if !id.is_empty() {
                    ids.push(id);
                }
            }
            Some('"') => drop(lexer.quoted()),
            Some(_) => {
                lexer.next();
                lexer.until(&['<', '(', '"']);
            }
        }
    }
    if let Some(surplus) = ids.len().checked_sub(limits.references.max(1)) {
        ids.drain(1..surplus.saturating_add(1));
    }
    ids
}

/// The identifier of `Message-ID`, without brackets. One without brackets is accepted.
#[must_use]
pub fn parse_id(value: &str) -> Option<String> {
    if let Some(id) = parse_ids(value, &Limits::default()).into_iter().next() {
        return Some(id);
    }
    let word = value.split_whitespace().next()?.trim_matches(['<', '>']);
    (!word.is_empty()).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_identifiers() {
        let ids = |value| parse_ids(value, &Limits::default());
        assert_eq!(ids("<a@x> (no <z@z>) <b @ x>,<c@x>"), ["a@x", "b@x", "c@x"]);
        assert_eq!(ids("Your message of \"<q@q>\" <a@x"), ["a@x"]);
        assert_eq!(ids("<> nonsense"), Vec::<String>::new());
        let few = Limits {
            references: 3,
            ..Limits::default()
        };
        assert_eq!(parse_ids("<1><2><3><4><5>", &few), ["1", "4", "5"]);
        assert_eq!(parse_ids("<1><2><3>", &few), ["1", "2", "3"]);
        assert_eq!(parse_id("a@x"), Some("a@x".to_owned()));
        assert_eq!(parse_id(" "), None);
    }
}
