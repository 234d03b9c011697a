//! Lines out of bytes.

use super::command::{Command, CommandError};

/// Bounds on what a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command line, line end included. RFC 2449, section 4 allows 255 and lets extensions have more.
    pub line: usize,
    /// Octets of a line of an AUTH exchange, line end included (RFC 5034, section 4: 12288 at least), and of the AUTH
    /// command with its initial response.
    pub authenticate_line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 512,
            authenticate_line: 16 * 1024,
        }
    }
}

/// What the decoder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command.
    Command(Command),
    /// A line that was awaited with [`Decoder::await_line`], without its end: base64, or `*` to cancel.
    Line(Vec<u8>),
    /// A line that is no command: answer `-ERR`. An AUTH exchange is over.
    Error(CommandError),
}

/// Turns the client's bytes into [`Event`]s. Ask for events until there are none before feeding more.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Throwing away the rest of a line that was too long.
    skipping: bool,
    awaiting: bool,
}

impl Decoder {
    /// A decoder at the start of a connection.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            start: 0,
            skipping: false,
            awaiting: false,
        }
    }

    /// Takes bytes from the connection.
    pub fn feed(&mut self, octets: &[u8]) {
        self.buffer.drain(..self.start.min(self.buffer.len()));
        self.start = 0;
        self.buffer.extend_from_slice(octets);
    }

    /// The next line is the client's response in AUTH.
    pub fn await_line(&mut self) {
        self.awaiting = true;
    }

    /// Forgets what was fed and not used, and tells how much that was. To be called when STLS is accepted.
    pub fn discard(&mut self) -> usize {
        let waiting = self.buffer.len().saturating_sub(self.start);
        self.buffer = Vec::new();
        self.start = 0;
        self.skipping = false;
        self.awaiting = false;
        waiting
    }

    /// Bytes that wait in the decoder.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    /// The next event; `None` when more bytes are needed.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let unread = self.buffer.get(self.start..).unwrap_or_default();
            let found = memchr::memchr(b'\n', unread);
            let length = found.map_or(unread.len(), |offset| offset.saturating_add(1));
            if self.skipping {
                self.start = self.start.saturating_add(length);
                found?;
                self.skipping = false;
                continue;
            }
            let auth = self.awaiting
                || unread
                    .get(..5)
                    .is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH "));
            if length
                > if auth {
                    self.limits.authenticate_line
                } else {
                    self.limits.line
                }
            {
                self.start = self.start.saturating_add(length);
                self.skipping = found.is_none();
                self.awaiting = false;
                return Some(Event::Error(CommandError::TooLong));
            }
            found?;
            let line = unread.get(..length).unwrap_or_default();
            let event = Self::event(line, self.awaiting);
            self.awaiting = false;
            self.start = self.start.saturating_add(length);
            return Some(event);
        }
    }

    fn event(line: &[u8], awaited: bool) -> Event {
        let line = line
            .strip_suffix(b"\r\n")
            .filter(|line| memchr::memchr2(b'\r', 0, line).is_none());
        let Some(line) = line else {
            return Event::Error(CommandError::LineEnd);
        };
        if awaited {
            return Event::Line(line.to_vec());
        }
        match Command::parse(line) {
            Ok(command) => Event::Command(command),
            Err(error) => Event::Error(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(decoder: &mut Decoder) -> Vec<Event> {
        std::iter::from_fn(|| decoder.next_event()).collect()
    }

    #[test]
    fn a_line_without_end_costs_one_error_and_no_memory() {
        let mut decoder = Decoder::new(Limits::default());
        let mut errors = 0;
        for _ in 0..1000 {
            decoder.feed(&[b'x'; 1000]);
            errors += events(&mut decoder).len();
            assert!(decoder.buffered() <= 1000);
        }
        decoder.feed(b"\r\nNOOP\r\n");
        assert_eq!(errors, 1);
        assert_eq!(events(&mut decoder), [Event::Command(Command::Noop)]);
    }

    #[test]
    fn bare_line_ends_are_errors() {
        let mut decoder = Decoder::new(Limits::default());
        decoder.feed(b"NOOP\nNO\rOP\r\nNOOP\r\n");
        let end = Event::Error(CommandError::LineEnd);
        assert_eq!(
            events(&mut decoder),
            [end.clone(), end, Event::Command(Command::Noop)]
        );
    }

    #[test]
    fn what_was_sent_before_tls_is_forgotten() {
        let mut decoder = Decoder::new(Limits::default());
        decoder.feed(b"STLS\r\nDELE 1\r\n");
        assert_eq!(decoder.next_event(), Some(Event::Command(Command::Stls)));
        assert_eq!(decoder.discard(), 8);
        assert_eq!(decoder.next_event(), None);
    }

    #[test]
    fn an_awaited_line_is_no_command() {
        let mut decoder = Decoder::new(Limits::default());
        decoder.feed(b"AUTH PLAIN\r\nQUIT\r\nQUIT\r\n");
        assert!(matches!(
            decoder.next_event(),
            Some(Event::Command(Command::Auth { .. }))
        ));
        decoder.await_line();
        assert_eq!(
            events(&mut decoder),
            [Event::Line(b"QUIT".to_vec()), Event::Command(Command::Quit)]
        );
    }

    proptest! {
        #[test]
        fn feeding_in_pieces_changes_nothing(
            lines in proptest::collection::vec("(NOOP|RETR 1|USER x|[a-z]{0,20}|x{520}|PASS \u{e9})(\r\n|\n|\r\r\n)", 0..8),
            cut in 1usize..40,
        ) {
            let bytes = lines.concat().into_bytes();
            let mut whole = Decoder::new(Limits::default());
            whole.feed(&bytes);
            let expected = events(&mut whole);
            let mut pieces = Decoder::new(Limits::default());
            let mut got = Vec::new();
            for piece in bytes.chunks(cut) {
                pieces.feed(piece);
                got.extend(events(&mut pieces));
            }
            prop_assert_eq!(got, expected);
        }
    }
}
