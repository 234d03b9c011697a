//! The grammar's small pieces, read from one complete command.

use bytes::Bytes;
use message::charset::Charset;

use super::command::SearchReturn;
use super::date::DateTime;
use super::flag::{Flag, FlagList, Keyword, SystemFlags};
use super::limits::Limits;
use super::name::{ListPattern, MailboxName};
use super::response::ResponseCode;
use super::sequence::{SequenceSet, SequenceSetError};

/// Why a command is not one. The tagged answer is BAD, or NO when the code says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// For the client: what is wrong.
    pub text: &'static str,
    /// The response code, if there is a fitting one.
    pub code: Option<ResponseCode>,
    /// NO instead of BAD: the syntax is right, the content cannot be served.
    pub no: bool,
    /// It was a search that was to be saved and is refused: `$` is empty now.
    pub empties_saved: bool,
}

impl ParseError {
    pub(crate) const fn bad(text: &'static str) -> Self {
        Self {
            text,
            code: None,
            no: false,
            empties_saved: false,
        }
    }

    pub(crate) const fn no(code: ResponseCode, text: &'static str) -> Self {
        Self {
            text,
            code: Some(code),
            no: true,
            empties_saved: false,
        }
    }

    /// The error of a search with these options. RFC 5182, section 2.1: with SAVE, NO empties `$`; BAD leaves it alone.
    pub(crate) fn of_search(self, returns: Option<SearchReturn>) -> Self {
        let empties_saved = self.no && returns.is_some_and(|returns| returns.save);
        Self {
            empties_saved,
            ..self
        }
    }

    pub(crate) const fn limit(text: &'static str) -> Self {
        Self::no(ResponseCode::Limit, text)
    }
}

pub(crate) type Parse<T> = Result<T, ParseError>;

/// `ATOM-CHAR` of RFC 9051, section 9.
pub(crate) const fn is_atom_char(octet: u8) -> bool {
    octet > b' '
        && octet < 0x7f
        && !matches!(
            octet,
            b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']'
        )
}

/// `ASTRING-CHAR`: an atom character or `]`.
pub(crate) const fn is_astring_char(octet: u8) -> bool {
    is_atom_char(octet) || octet == b']'
}

const fn is_list_char(octet: u8) -> bool {
    is_astring_char(octet) || matches!(octet, b'%' | b'*')
}

/// Reads one command from its first octet to the end, its literals in place: `{5}` CR LF `hello`.
pub(crate) struct Parser<'a> {
    frame: &'a Bytes,
    position: usize,
    pub(crate) limits: &'a Limits,
    /// The client enabled IMAP4rev2: mailbox names are UTF-8.
    pub(crate) utf8: bool,
    /// What the strings of a search are written in, when that is neither US-ASCII nor UTF-8.
    pub(crate) charset: Option<Charset>,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(crate) const fn new(frame: &'a Bytes, limits: &'a Limits, utf8: bool) -> Self {
        Self {
            frame,
            position: 0,
            limits,
            utf8,
            charset: None,
            depth: 0,
        }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.frame.get(self.position..).unwrap_or_default()
    }

    /// Takes everything to the end.
    pub(crate) fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.rest();
        self.position = self.frame.len();
        rest
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.frame.get(self.position).copied()
    }

    pub(crate) fn at_end(&self) -> bool {
        self.position >= self.frame.len()
    }

    fn advance(&mut self, count: usize) {
        self.position = self.position.saturating_add(count).min(self.frame.len());
    }

    /// Takes the octet if it is next.
    pub(crate) fn take(&mut self, octet: u8) -> bool {
        let here = self.peek() == Some(octet);
        if here {
            self.advance(1);
        }
        here
    }

    pub(crate) fn expect(&mut self, octet: u8, text: &'static str) -> Parse<()> {
        if self.take(octet) {
            Ok(())
        } else {
            Err(ParseError::bad(text))
        }
    }

    pub(crate) fn space(&mut self) -> Parse<()> {
        self.expect(b' ', "a space is missing")
    }

    pub(crate) fn end(&self) -> Parse<()> {
        if self.at_end() {
            Ok(())
        } else {
            Err(ParseError::bad("unexpected text after the command"))
        }
    }

    /// Takes the word if it is next, in any case, and not merely the start of a longer one.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let found = rest
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
            && !rest
                .get(word.len())
                .copied()
                .is_some_and(|next| is_atom_char(next) && !matches!(next, b'[' | b'<'));
        if found {
            self.advance(word.len());
        }
        found
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest
            .iter()
            .position(|&octet| !belongs(octet))
            .unwrap_or(rest.len());
        self.advance(length);
        rest.get(..length).unwrap_or_default()
    }

    fn text_run(&mut self, belongs: impl Fn(u8) -> bool, missing: &'static str) -> Parse<&'a str> {
        match std::str::from_utf8(self.run(belongs)) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(ParseError::bad(missing)),
        }
    }

    pub(crate) fn atom(&mut self) -> Parse<&'a str> {
        self.text_run(is_atom_char, "an atom is missing")
    }

    /// An atom in capitals, of letters, digits, `-`, `.`, `_` and `=`: names of commands, items and options.
    pub(crate) fn name(&mut self) -> Parse<String> {
        let belongs = |octet: u8| {
            octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'=' | b'+')
        };
        self.text_run(belongs, "a name is missing")
            .map(str::to_ascii_uppercase)
    }

    pub(crate) fn tag(&mut self) -> Parse<&'a str> {
        self.text_run(
            |octet| is_astring_char(octet) && octet != b'+',
            "a tag is missing",
        )
    }

    pub(crate) fn number64(&mut self) -> Parse<u64> {
        const WHAT: &str = "a number is missing or out of range";
        let digits = self.text_run(|octet| octet.is_ascii_digit(), WHAT)?;
        digits
            .parse()
            .ok()
            .filter(|&number| i64::try_from(number).is_ok())
            .ok_or(ParseError::bad(WHAT))
    }

    pub(crate) fn number(&mut self) -> Parse<u32> {
        u32::try_from(self.number64()?).map_err(|_| ParseError::bad("a number is out of range"))
    }

    pub(crate) fn nonzero(&mut self) -> Parse<u32> {
        match self.number()? {
            0 => Err(ParseError::bad("a number is zero")),
            number => Ok(number),
        }
    }

    fn quoted(&mut self) -> Parse<Bytes> {
        self.expect(b'"', "a quoted string is missing")?;
        let mut text = Vec::new();
        let mut rest = self.rest().iter();
        let mut used = 0usize;
        loop {
            let octet = rest.next().copied();
            used = used.saturating_add(1);
            match octet {
                Some(b'"') => break,
                Some(b'\\') => {
                    used = used.saturating_add(1);
                    match rest.next().copied() {
                        Some(escaped @ (b'"' | b'\\')) => text.push(escaped),
                        _ => {
                            return Err(ParseError::bad(
                                "only \" and \\ can follow a \\ in a quoted string",
                            ));
                        }
                    }
                }
                None | Some(b'\r' | b'\n' | 0) => {
                    return Err(ParseError::bad("a quoted string does not end"));
                }
                Some(octet) => text.push(octet),
            }
        }
        self.advance(used);
        if self.charset.is_none() && std::str::from_utf8(&text).is_err() {
            return Err(ParseError::bad("a quoted string is not UTF-8"));
        }
        Ok(text.into())
    }

    /// A literal's octets, shared with the command's buffer. `binary` says whether `~{n}` is welcome; the answer says
    /// whether it was one.
    pub(crate) fn literal(&mut self, binary: bool) -> Parse<(Bytes, bool)> {
        let literal8 = self.take(b'~');
        if literal8 && !binary {
            return Err(ParseError::bad("a literal8 is not allowed here"));
        }
        self.expect(b'{', "a literal is missing")?;
        let size = self.number64()?;
        let _non_synchronising = self.take(b'+');
        self.expect(b'}', "a literal's size does not end")?;
        self.expect(b'\r', "a literal's line does not end")?;
        self.expect(b'\n', "a literal's line does not end")?;
        let end = usize::try_from(size)
            .ok()
            .and_then(|size| self.position.checked_add(size));
        let Some(end) = end.filter(|&end| end <= self.frame.len()) else {
            return Err(ParseError::bad("a literal is shorter than its size"));
        };
        let octets = self.frame.slice(self.position..end);
        self.position = end;
        if !literal8 && memchr::memchr(0, &octets).is_some() {
            return Err(ParseError::bad("a literal holds NUL; use a literal8"));
        }
        Ok((octets, literal8))
    }

    pub(crate) fn string(&mut self) -> Parse<Bytes> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(false).map(|(octets, _)| octets),
            _ => Err(ParseError::bad("a string is missing")),
        }
    }

    pub(crate) fn nstring(&mut self) -> Parse<Option<Bytes>> {
        if self.take_word("NIL") {
            Ok(None)
        } else {
            self.string().map(Some)
        }
    }

    fn string_or(&mut self, belongs: impl Fn(u8) -> bool) -> Parse<Bytes> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string();
        }
        let start = self.position;
        // Unquoted 8-bit octets are no grammar, but a search word or name in UTF-8 is clear enough.
        let run = self.run(|octet| belongs(octet) || octet >= 0x80);
        if run.is_empty() || (self.charset.is_none() && std::str::from_utf8(run).is_err()) {
            return Err(ParseError::bad("a string or atom is missing"));
        }
        Ok(self.frame.slice(start..self.position))
    }

    pub(crate) fn astring(&mut self) -> Parse<Bytes> {
        self.string_or(is_astring_char)
    }

    /// An `astring` that has to be UTF-8.
    pub(crate) fn text(&mut self) -> Parse<String> {
        let octets = self.astring()?;
        std::str::from_utf8(&octets)
            .map(str::to_owned)
            .map_err(|_| ParseError::bad("a string is not UTF-8"))
    }

    /// An `astring` to look for, written in the charset of the search.
    pub(crate) fn search_text(&mut self) -> Parse<String> {
        match self.charset {
            Some(charset) => self.astring().map(|octets| charset.decode(&octets)),
            None => self.text(),
        }
    }

    pub(crate) fn mailbox(&mut self) -> Parse<MailboxName> {
        let octets = self.astring()?;
        let name = MailboxName::from_wire(&octets, self.utf8);
        let name = name.ok_or(ParseError::no(
            ResponseCode::Cannot,
            "this mailbox name is not possible",
        ))?;
        if name.as_str().len() > self.limits.mailbox_name {
            return Err(ParseError::limit("a mailbox name is too long"));
        }
        Ok(name)
    }

    /// A mailbox name as text that may be empty or end with the delimiter: LIST's reference.
    pub(crate) fn reference(&mut self) -> Parse<String> {
        let octets = self.astring()?;
        self.pattern_of(&octets)
            .map(|pattern| pattern.as_str().to_owned())
    }

    pub(crate) fn list_mailbox(&mut self) -> Parse<ListPattern> {
        let octets = self.string_or(is_list_char)?;
        self.pattern_of(&octets)
    }

    fn pattern_of(&self, octets: &[u8]) -> Parse<ListPattern> {
        if octets.len() > self.limits.mailbox_name.saturating_mul(2) {
            return Err(ParseError::limit("a mailbox pattern is too long"));
        }
        let pattern = ListPattern::from_wire(octets, self.utf8);
        pattern.ok_or(ParseError::no(
            ResponseCode::Cannot,
            "this mailbox pattern is not possible",
        ))
    }

    pub(crate) fn sequence_set(&mut self) -> Parse<SequenceSet> {
        let run = self.run(|octet| octet.is_ascii_digit() || matches!(octet, b':' | b',' | b'*'));
        SequenceSet::parse(run, self.limits.set_items).map_err(|error| match error {
            SequenceSetError::Malformed => ParseError::bad("a sequence set is malformed"),
            SequenceSetError::TooMany => ParseError::limit("a sequence set has too many elements"),
        })
    }

    pub(crate) fn date_time(&mut self) -> Parse<DateTime> {
        let text = self.quoted()?;
        DateTime::parse(&text).ok_or(ParseError::bad("a date-time is malformed"))
    }

    fn flag(&mut self) -> Parse<Flag> {
        if self.peek() == Some(b'\\') {
            let rest = self.rest();
            self.advance(1);
            let name = self.atom()?;
            let whole = rest.get(..name.len().saturating_add(1)).unwrap_or_default();
            let known = SystemFlags::from_name(whole).filter(|&flag| flag != SystemFlags::RECENT);
            return known.map(Flag::System).ok_or(ParseError::bad(
                "this system flag does not exist or cannot be set",
            ));
        }
        self.keyword().map(Flag::Keyword)
    }

    pub(crate) fn keyword(&mut self) -> Parse<Keyword> {
        let name = self.atom()?;
        if name.len() > self.limits.keyword {
            return Err(ParseError::limit("a keyword is too long"));
        }
        Keyword::new(name).ok_or(ParseError::bad("a keyword is missing"))
    }

    /// `(flag flag)`, possibly empty.
    pub(crate) fn flag_list(&mut self) -> Parse<FlagList> {
        let mut flags = FlagList::default();
        for flag in self.list(Self::flag)? {
            flags.insert(flag);
        }
        Ok(flags)
    }

    /// Flags without parentheses, one at least.
    pub(crate) fn bare_flags(&mut self) -> Parse<FlagList> {
        let mut flags = FlagList::default();
        let mut count = 0usize;
        loop {
            flags.insert(self.flag()?);
            count = count.saturating_add(1);
            if count > self.limits.list_items {
                return Err(ParseError::limit("a list has too many items"));
            }
            if !self.take(b' ') {
                return Ok(flags);
            }
        }
    }

    /// `(item item)`, possibly empty.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.expect(b'(', "a list is missing")?;
        let mut items = Vec::new();
        if self.take(b')') {
            return Ok(items);
        }
        loop {
            if items.len() >= self.limits.list_items {
                return Err(ParseError::limit("a list has too many items"));
            }
            items.push(item(self)?);
            if self.take(b')') {
                return Ok(items);
            }
            self.space()?;
        }
    }

    /// A list that must hold something.
    pub(crate) fn full_list<T>(
        &mut self,
        item: impl FnMut(&mut Self) -> Parse<T>,
    ) -> Parse<Vec<T>> {
        let items = self.list(item)?;
        if items.is_empty() {
            Err(ParseError::bad("a list is empty"))
        } else {
            Ok(items)
        }
    }

    /// Runs a reader one level deeper.
    pub(crate) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= self.limits.depth {
            return Err(ParseError::limit("the command is nested too deeply"));
        }
        self.depth = self.depth.saturating_add(1);
        let result = read(self);
        self.depth = self.depth.saturating_sub(1);
        result
    }
}
