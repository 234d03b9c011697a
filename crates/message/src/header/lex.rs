//! The lexical elements of structured fields (RFC 5322, section 3.2), read liberally from one line of text.

/// A reader over one unfolded value.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    /// Takes `c` if it is next.
    pub(super) fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn skip_space(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        before != self.rest.len()
    }

    /// Skips white space and comments; returns the text of the last comment.
    pub(super) fn skip_comments(&mut self) -> Option<String> {
        let mut last = None;
        loop {
            self.skip_space();
            if self.peek() != Some('(') {
                return last;
            }
            last = Some(self.comment());
        }
    }

    /// Takes the comment that begins here; nested comments stay in its text. An open one runs to the end.
    pub(super) fn comment(&mut self) -> String {
        let mut text = String::new();
        let mut depth = 0_usize;
        while let Some(c) = self.next() {
            match c {
                '(' => {
                    depth = depth.saturating_add(1);
                    if depth == 1 {
                        continue;
                    }
                }
                ')' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        break;
                    }
                }
                '\\' => {
                    text.extend(self.next());
                    continue;
                }
                _ => {}
            }
            text.push(c);
        }
        text.trim().to_owned()
    }

    /// Takes the quoted string that begins here, decoded. An open one runs to the end.
    pub(super) fn quoted(&mut self) -> String {
        let mut text = String::new();
        self.eat('"');
        while let Some(c) = self.next() {
            match c {
                '"' => break,
                '\\' => text.extend(self.next()),
                c => text.push(c),
            }
        }
        text
    }

    /// Takes text up to any of `stops`, which stays.
    pub(super) fn until(&mut self, stops: &[char]) -> &'a str {
        let end = self.rest.find(stops).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text
    }
}
