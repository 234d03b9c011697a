//! Address lists (RFC 5322, section 3.4, obsolete forms included), as far as they can be made out.

use super::{decode_words, lex::Lexer};
use crate::{Address, Limits, limits::weight_of};

/// One element of an address list, in the order of the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressItem {
    /// `name <local@host>` in any form.
    Mailbox(Mailbox),
    /// `name:` opens a group.
    GroupStart(String),
    /// `;` closes it.
    GroupEnd,
}

impl AddressItem {
    /// The mailbox, if it is one.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Mailbox(mailbox) => Some(mailbox),
            Self::GroupStart(_) | Self::GroupEnd => None,
        }
    }

    /// What it takes of [`Limits::described_octets`].
    pub(crate) fn weight(&self) -> usize {
        let octets = match self {
            Self::Mailbox(mailbox) => [&mailbox.local, &mailbox.host]
                .into_iter()
                .chain(&mailbox.name)
                .chain(&mailbox.route)
                .map(String::len)
                .fold(0, usize::saturating_add),
            Self::GroupStart(name) => name.len(),
            Self::GroupEnd => 0,
        };
        weight_of(octets)
    }
}

/// A mailbox as the header tells it, valid or not: the four parts of an IMAP address structure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, unquoted, encoded words untouched; from a comment when there is no phrase.
    pub name: Option<String>,
    /// The source route (`@a,@b`), which nobody uses any more.
    pub route: Option<String>,
    /// The local part without quotes; may be empty in broken mail.
    pub local: String,
    /// The domain as it is written; empty when there is none.
    pub host: String,
}

impl Mailbox {
    /// The display name with encoded words decoded.
    #[must_use]
    pub fn display_name(&self) -> Option<String> {
        self.name.as_deref().map(decode_words)
    }

    /// The address, when it is a valid one.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        Address::new(&self.local, self.host.parse().ok()?).ok()
    }

    /// `local@host` as it is written, valid or not, for searching and showing.
    #[must_use]
    pub fn spec(&self) -> String {
        if self.host.is_empty() {
            self.local.clone()
        } else {
            format!("{}@{}", self.local, self.host)
        }
    }
}

/// Reads an address list from an unfolded value. Never fails: what is no address becomes a mailbox without a host.
#[must_use]
pub fn parse_addresses(value: &str, limits: &Limits) -> Vec<AddressItem> {
    let mut reader = Reader {
        lexer: Lexer::new(value),
        items: Vec::new(),
        in_group: false,
    };
    while reader.items.len() < limits.addresses && reader.element() {}
    if reader.in_group {
        reader.items.push(AddressItem::GroupEnd);
    }
    reader.items
}

/// The words before `<`, `:`, `@` or the end.
#[derive(Default)]
struct Phrase {
    text: String,
    /// The words run together, as the local part of an address without brackets.
    joined: String,
    comment: Option<String>,
    has_quotes: bool,
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    items: Vec<AddressItem>,
    in_group: bool,
}

impl Reader<'_> {
    /// Reads one element. `false` at the end of the text.
    fn element(&mut self) -> bool {
        let mut phrase = Phrase {
            comment: self.lexer.skip_comments(),
            ..Phrase::default()
        };
        self.phrase(&mut phrase);
        match self.lexer.next() {
            None => {
                self.push_bare(phrase, String::new());
                return false;
            }
            Some('<') => self.angle(phrase),
            Some('@') => {
                let host = self.host(&mut phrase.comment);
                // `a@b <c@d>`: what looked like an address is the name of one.
                if self.lexer.eat('<') {
                    phrase.text = format!("{}@{host}", phrase.text);
                    self.angle(phrase);
                } else {
                    self.push_bare(phrase, host);
                }
            }
            Some(':') if !self.in_group => {
                self.in_group = true;
                self.items.push(AddressItem::GroupStart(phrase.text));
            }
            Some(';') => {
                self.push_bare(phrase, String::new());
                if std::mem::take(&mut self.in_group) {
                    self.items.push(AddressItem::GroupEnd);
                }
            }
            // A comma, or a stray special.
            Some(_) => self.push_bare(phrase, String::new()),
        }
        true
    }

    /// Gathers words up to a character that ends a phrase, which stays.
    fn phrase(&mut self, phrase: &mut Phrase) {
        loop {
            let spaced = self.lexer.skip_space();
            let (word, quoted) = match self.lexer.peek() {
                None | Some('<' | '@' | ',' | ';' | ':' | '>') => return,
                Some('(') => {
                    phrase.comment = Some(self.lexer.comment());
                    continue;
                }
                Some('"') => (self.lexer.quoted(), true),
                Some(_) => (
                    self.lexer
                        .until(&[' ', '\t', '<', '@', ',', ';', ':', '>', '(', '"'])
                        .to_owned(),
                    false,
                ),
            };
            if spaced && !phrase.text.is_empty() {
                phrase.text.push(' ');
            }
            phrase.text.push_str(&word);
            phrase.joined.push_str(&word);
            phrase.has_quotes |= quoted;
        }
    }

    /// The domain behind an `@` that has been taken.
    fn host(&mut self, comment: &mut Option<String>) -> String {
        let mut host = String::new();
        loop {
            if let Some(text) = self.lexer.skip_comments() {
                *comment = Some(text);
            }
            if self.lexer.peek() == Some('[') {
                host.push_str(self.lexer.until(&[']', '>']));
                if self.lexer.eat(']') {
                    host.push(']');
                }
                continue;
            }
            let word = self
                .lexer
                .until(&[' ', '\t', ',', ';', '<', '>', '(', '[', '"']);
            if word.is_empty() {
                if self.lexer.peek() == Some('"') {
                    // Text behind the domain: read over it.
                    self.lexer.quoted();
                    continue;
                }
                return host;
            }
            // Domains may have white space around their dots (obs-domain); other words behind them are noise.
            if host.is_empty() || host.ends_with('.') || word.starts_with('.') {
                host.push_str(word);
            }
        }
    }

    /// What stands between `<`, already taken, and `>`.
    fn angle(&mut self, mut phrase: Phrase) {
        self.lexer.skip_comments();
        let mut route = None;
        if self.lexer.peek() == Some('@') {
            route = Some(self.lexer.until(&[':', '>']).trim().to_owned());
            self.lexer.eat(':');
        }
        let mut local = String::new();
        let mut host = String::new();
        let mut ignored = None;
        loop {
            self.lexer.skip_comments();
            match self.lexer.peek() {
                None => break,
                Some('>') => {
                    self.lexer.next();
                    break;
                }
                Some('"') => local.push_str(&self.lexer.quoted()),
                Some('@') => {
                    self.lexer.next();
                    host = self.host(&mut ignored);
                    // Whatever else stands before the bracket closes is noise.
                    self.lexer.until(&['>']);
                }
                Some(_) => {
                    let word = self.lexer.until(&[' ', '\t', '>', '"', '@', '(']);
                    if word.is_empty() {
                        self.lexer.next();
                    }
                    local.push_str(word);
                }
            }
        }
        if let Some(comment) = self.lexer.skip_comments() {
            phrase.comment.get_or_insert(comment);
        }
        // Text between `>` and the comma would otherwise become an address of its own.
        self.lexer.until(&[',', ';']);
        self.lexer.eat(',');
        let name = if phrase.text.is_empty() && !phrase.has_quotes {
            phrase.comment
        } else {
            Some(phrase.text)
        };
        self.items.push(AddressItem::Mailbox(Mailbox {
            name: name.filter(|n| !n.is_empty()),
            route: route.filter(|r| !r.is_empty()),
            local,
            host,
        }));
    }

    fn push_bare(&mut self, phrase: Phrase, host: String) {
        if phrase.joined.is_empty() && host.is_empty() {
            return;
        }
        let local = if host.is_empty() {
            phrase.text
        } else {
            phrase.joined
        };
        let name = phrase.comment.filter(|c| !c.is_empty());
        self.items.push(AddressItem::Mailbox(Mailbox {
            name,
            route: None,
            local,
            host,
        }));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn show(value: &str) -> Vec<String> {
        parse_addresses(value, &Limits::default())
            .into_iter()
            .map(|item| match item {
                AddressItem::GroupStart(name) => format!("{name}:"),
                AddressItem::GroupEnd => ";".to_owned(),
                AddressItem::Mailbox(m) => format!(
                    "{}|{}|{}|{}",
                    m.name.unwrap_or_default(),
                    m.route.unwrap_or_default(),
                    m.local,
                    m.host
                ),
            })
            .collect()
    }

    #[test]
    fn usual_forms() {
        assert_eq!(show("a@x.jp"), ["||a|x.jp"]);
        assert_eq!(
            show("Taro Yamada <a@x.jp>, b@y.jp"),
            ["Taro Yamada||a|x.jp", "||b|y.jp"]
        );
        assert_eq!(show("\"Yamada, Taro\" <a@x.jp>"), ["Yamada, Taro||a|x.jp"]);
        assert_eq!(show("a@x.jp (Taro)"), ["Taro||a|x.jp"]);
        assert_eq!(
            show("=?UTF-8?B?5Lya?= <a@x.jp>"),
            ["=?UTF-8?B?5Lya?=||a|x.jp"]
        );
        assert_eq!(show("会議 <a@x.jp>"), ["会議||a|x.jp"]);
    }

    #[test]
    fn groups() {
        assert_eq!(
            show("undisclosed-recipients:;"),
            ["undisclosed-recipients:", ";"]
        );
        assert_eq!(
            show("G: a@x.jp, B <b@y.jp>; c@z.jp"),
            ["G:", "||a|x.jp", "B||b|y.jp", ";", "||c|z.jp"]
        );
        assert_eq!(show("G: a@x.jp"), ["G:", "||a|x.jp", ";"]);
    }

    #[test]
    fn obsolete_and_strange_forms() {
        assert_eq!(show("<@r1.jp,@r2.jp:a@x.jp>"), ["|@r1.jp,@r2.jp|a|x.jp"]);
        assert_eq!(
            show("Joe Q. Public <a . b @ x . jp>"),
            ["Joe Q. Public||a.b|x.jp"]
        );
        assert_eq!(show("a@[192.0.2.1]"), ["||a|[192.0.2.1]"]);
        assert_eq!(show("\"a b\"@x.jp"), ["||a b|x.jp"]);
        assert_eq!(show(",, a@x.jp ,,"), ["||a|x.jp"]);
        assert_eq!(show("<a..b@docomo.ne.jp>"), ["||a..b|docomo.ne.jp"]);
        assert_eq!(show("a(c(n)\\))@(d)x.jp(e)"), ["e||a|x.jp"]);
    }

    #[test]
    fn broken_input_keeps_what_it_can() {
        assert_eq!(show(""), Vec::<String>::new());
        assert_eq!(show("nobody"), ["||nobody|"]);
        assert_eq!(show("<>"), ["|||"]);
        assert_eq!(show("a@x.jp <b@y.jp>"), ["a@x.jp||b|y.jp"]);
        assert_eq!(show("Name <a@x.jp"), ["Name||a|x.jp"]);
        assert_eq!(show("\"open <a@x.jp>"), ["||open <a@x.jp>|"]);
    }

    proptest! {
        #[test]
        fn never_panics_nor_hangs(value in "[a@<>,;:()\"\\\\ .\\[\\]会]{0,60}") {
            let items = parse_addresses(&value, &Limits::default());
            prop_assert!(items.len() <= value.len() + 1);
        }
    }
}
