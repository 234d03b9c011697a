//! Finds where commands begin and end, before anything is parsed.

use bytes::{Buf, Bytes, BytesMut};

use super::command::{self, Tag, Tagged};
use super::limits::Limits;
use super::response::{Encoder, ResponseCode, Status};

/// What the decoder found.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The client announced a literal and waits: send a continuation and go on, or
    /// [`Decoder::refuse_literal`] and answer NO.
    NeedContinuation(Literal),
    /// A complete command.
    Command(Tagged),
    /// A line that was awaited with [`Decoder::await_line`], without its line end.
    Line(Bytes),
    /// Something that is no command, or too much of one. The decoder goes on behind it. While a line is awaited, the
    /// exchange is over.
    Error(CommandError),
}

/// A literal that waits for a continuation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// The tag of the command that it is part of.
    pub tag: Option<Tag>,
    /// Octets, already found to be within the limits.
    pub size: u64,
    /// Whether it is a message for APPEND.
    pub append: bool,
}

/// A command that is refused before anyone saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// The tag, when there was a valid one; without it the answer is untagged.
    pub tag: Option<Tag>,
    /// BAD for what is not understood, NO for what is but cannot be done.
    pub status: Status,
    /// A response code that fits.
    pub code: Option<ResponseCode>,
    /// For the client's log.
    pub text: &'static str,
    /// It was a search that was to be saved: `$` is empty now (RFC 5182, section 2.1).
    pub empties_saved: bool,
}

impl Encoder {
    /// The answer to a [`CommandError`].
    pub fn command_error(&mut self, error: &CommandError) {
        match &error.tag {
            Some(tag) => self.tagged(tag, error.status, error.code.as_ref(), error.text),
            // A NO without a tag would be a warning about nothing.
            None => self.untagged(Status::Bad, error.code.as_ref(), error.text),
        }
    }
}

/// Which line is awaited instead of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwaitedLine {
    /// The client's next response in AUTHENTICATE: base64, or `*` to cancel.
    Authenticate,
    /// `DONE`, which ends IDLE.
    Idle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Reading the text of a command.
    Text,
    /// Reading a literal that ends at this position of the buffer.
    Literal(usize),
    /// Reading one line that is no command.
    Line(AwaitedLine),
    /// Throwing away this many octets of a refused literal.
    Drain(u64),
    /// Throwing away the rest of a refused command.
    Skip,
}

/// Turns the client's bytes into [`Event`]s. Ask for events until there are none before feeding more: what the decoder
/// holds is then bounded by its [`Limits`] and what was fed last.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    utf8: bool,
    authenticated: bool,
    mode: Mode,
    /// From the first octet of the present command on.
    buffer: BytesMut,
    /// Where the present line of the present command begins.
    line: usize,
    /// Up to where that line is known to hold no line end.
    scanned: usize,
    /// Octets of the present command that are no literal, without the present line.
    text: usize,
    literal_count: usize,
    literal_octets: u64,
}

/// Buffers that were larger than this are given back after a command.
const KEEP: usize = 64 * 1024;

/// `DONE` and some spaces.
const IDLE_LINE: usize = 64;

/// No literal announcement is longer: `~{18446744073709551615+}` CR.
const ANNOUNCEMENT: usize = 32;

impl Decoder {
    /// A decoder at the start of a connection, before authentication: a message for APPEND is then no more welcome
    /// than any other literal.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            utf8: false,
            authenticated: false,
            mode: Mode::Text,
            buffer: BytesMut::new(),
            line: 0,
            scanned: 0,
            text: 0,
            literal_count: 0,
            literal_octets: 0,
        }
    }

    /// The client is authenticated: APPEND may bring messages up to its own limits.
    pub fn set_authenticated(&mut self) {
        self.authenticated = true;
    }

    /// The client enabled IMAP4rev2: mailbox names are UTF-8.
    pub fn set_utf8(&mut self, utf8: bool) {
        self.utf8 = utf8;
    }

    /// Takes bytes from the connection.
    pub fn feed(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// The next line is no command. To be called between the event that brought AUTHENTICATE or IDLE (or the line
    /// before) and the next.
    pub fn await_line(&mut self, line: AwaitedLine) {
        self.mode = Mode::Line(line);
    }

    /// The exchange is over (IDLE that the server ends, AUTHENTICATE that failed): commands follow.
    pub fn await_command(&mut self) {
        if let Mode::Line(_) = self.mode {
            self.mode = Mode::Text;
        }
    }

    /// After [`Event::NeedContinuation`]: forgets the command, which the caller answers with NO. The client then sends
    /// no literal.
    pub fn refuse_literal(&mut self) {
        if let Mode::Literal(_) = self.mode {
            self.forget(self.line);
            self.mode = Mode::Text;
        }
    }

    /// Forgets everything that was fed and not used, and tells how much that was. To be called when STARTTLS is
    /// accepted: what came before the handshake may be an attacker's (RFC 9051, section 6.2.1).
    pub fn discard(&mut self) -> usize {
        let waiting = self.buffer.len();
        self.buffer = BytesMut::new();
        self.start_command();
        self.mode = Mode::Text;
        waiting
    }

    /// Bytes that wait in the decoder.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Octets of a refused literal that the client is sending all the same, and that will be thrown away. RFC 7888, section 4
    /// lets the server close the connection instead of waiting for all of them.
    #[must_use]
    pub fn unwanted(&self) -> u64 {
        match self.mode {
            Mode::Drain(left) => left,
            _ => 0,
        }
    }

    /// Whether the client is in the middle of a command or line, so that silence is not idleness.
    #[must_use]
    pub fn is_mid_command(&self) -> bool {
        !self.buffer.is_empty() || !matches!(self.mode, Mode::Text | Mode::Line(_))
    }

    /// The next event; `None` when more bytes are needed.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            match self.mode {
                Mode::Text => match self.text_line()? {
                    Step::Emit(event) => return Some(event),
                    Step::Continue => {}
                },
                Mode::Literal(end) => {
                    if self.buffer.len() < end {
                        return None;
                    }
                    self.line = end;
                    self.scanned = end;
                    self.mode = Mode::Text;
                }
                Mode::Line(awaited) => return self.awaited_line(awaited),
                Mode::Drain(left) => {
                    let here = u64::try_from(self.buffer.len())
                        .unwrap_or(u64::MAX)
                        .min(left);
                    self.buffer.advance(
                        usize::try_from(here)
                            .unwrap_or(usize::MAX)
                            .min(self.buffer.len()),
                    );
                    if here < left {
                        self.mode = Mode::Drain(left.saturating_sub(here));
                        return None;
                    }
                    self.mode = Mode::Skip;
                }
                Mode::Skip => self.skip_line()?,
            }
        }
    }

    /// One more line of the present command.
    fn text_line(&mut self) -> Option<Step> {
        let unread = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(offset) = memchr::memchr(b'\n', unread) else {
            self.scanned = self.buffer.len();
            let so_far = self
                .buffer
                .len()
                .saturating_sub(self.line)
                .saturating_add(self.text);
            return (so_far > self.limits.line).then(|| self.line_too_long(self.buffer.len()));
        };
        let end = self.scanned.saturating_add(offset).saturating_add(1);
        self.text = self.text.saturating_add(end.saturating_sub(self.line));
        if self.text > self.limits.line {
            // The line end stays, so that skipping finds it at once and sees what the line announced.
            return Some(self.line_too_long(end.saturating_sub(1)));
        }
        let line = self.buffer.get(self.line..end).unwrap_or_default();
        let Some(content) = line
            .strip_suffix(b"\r\n")
            .filter(|content| memchr::memchr2(b'\r', 0, content).is_none())
        else {
            let error = self.bad("a line must end with CR LF and hold no other control of lines");
            self.forget(end);
            return Some(Step::Emit(error));
        };
        match announced(content) {
            Some(literal) => Some(self.literal(&literal, end)),
            None => Some(Step::Emit(self.complete(end))),
        }
    }

    fn line_too_long(&mut self, upto: usize) -> Step {
        let error = self.error(
            Status::Bad,
            Some(ResponseCode::Limit),
            "the command line is too long",
        );
        // A little stays: it may announce a literal that has to be thrown away as well. Nothing of what came before
        // this line may, or skipping would end at a line end in there.
        self.forget(upto.saturating_sub(ANNOUNCEMENT).max(self.line));
        self.mode = Mode::Skip;
        Step::Emit(error)
    }

    fn literal(&mut self, literal: &Announced, line_end: usize) -> Step {
        let append = self.authenticated && self.command_is(b"APPEND");
        self.literal_count = self.literal_count.saturating_add(1);
        self.literal_octets = self.literal_octets.saturating_add(literal.size);
        let end = usize::try_from(literal.size)
            .ok()
            .and_then(|size| line_end.checked_add(size));
        let refusal = self.refusal(append, literal.size);
        let end = match (refusal, end) {
            (None, Some(end)) => end,
            (refusal, _) => {
                let (code, text) =
                    refusal.unwrap_or((ResponseCode::TooBig, "the literal is too large"));
                let error = self.error(Status::No, Some(code), text);
                self.forget(line_end);
                // Without a continuation the client sends nothing; with `+` it is sending already.
                self.mode = if literal.synchronising {
                    Mode::Text
                } else {
                    Mode::Drain(literal.size)
                };
                return Step::Emit(error);
            }
        };
        self.mode = Mode::Literal(end);
        self.line = line_end;
        if literal.synchronising {
            let event = Literal {
                tag: self.tag(),
                size: literal.size,
                append,
            };
            return Step::Emit(Event::NeedContinuation(event));
        }
        Step::Continue
    }

    fn refusal(&self, append: bool, size: u64) -> Option<(ResponseCode, &'static str)> {
        let limits = &self.limits;
        if append {
            // The name of the mailbox may be a literal as well.
            if self.literal_count > limits.append_count.saturating_add(1) {
                return Some((ResponseCode::Limit, "too many messages in one APPEND"));
            }
            if size > limits.append_message {
                return Some((
                    ResponseCode::TooBig,
                    "the message is larger than APPENDLIMIT",
                ));
            }
            if self.literal_octets > limits.append_total {
                return Some((
                    ResponseCode::Limit,
                    "the messages of one APPEND are too large together",
                ));
            }
            return None;
        }
        if self.literal_count > limits.literal_count {
            return Some((ResponseCode::Limit, "too many literals in one command"));
        }
        (self.literal_octets > limits.literals)
            .then_some((ResponseCode::Limit, "the literals are too large"))
    }

    /// Cuts the present command out and parses it.
    fn complete(&mut self, end: usize) -> Event {
        let mut frame = self.buffer.split_to(end.min(self.buffer.len()));
        frame.truncate(frame.len().saturating_sub(2));
        let frame = frame.freeze();
        self.start_command();
        if frame.len() > KEEP {
            // What is left shares memory with the frame and would keep all of it alive.
            self.buffer = BytesMut::from(self.buffer.as_ref());
        }
        match command::parse(&frame, &self.limits, self.utf8) {
            Ok(tagged) => Event::Command(tagged),
            Err((tag, error)) => {
                let status = if error.no { Status::No } else { Status::Bad };
                Event::Error(CommandError {
                    tag,
                    status,
                    code: error.code,
                    text: error.text,
                    empties_saved: error.empties_saved,
                })
            }
        }
    }

    fn awaited_line(&mut self, awaited: AwaitedLine) -> Option<Event> {
        let limit = match awaited {
            AwaitedLine::Authenticate => self.limits.authenticate_line,
            AwaitedLine::Idle => IDLE_LINE,
        };
        let found = memchr::memchr(b'\n', &self.buffer);
        let length = found.map_or(self.buffer.len(), |offset| offset.saturating_add(1));
        if length > limit {
            self.forget(length.saturating_sub(ANNOUNCEMENT));
            self.mode = Mode::Skip;
            let text = "the line is too long";
            let code = Some(ResponseCode::Limit);
            return Some(Event::Error(CommandError {
                tag: None,
                status: Status::Bad,
                code,
                text,
                empties_saved: false,
            }));
        }
        found?;
        let mut line = self.buffer.split_to(length.min(self.buffer.len()));
        self.start_command();
        self.mode = Mode::Text;
        if !line.ends_with(b"\r\n") {
            let text = "a line must end with CR LF";
            return Some(Event::Error(CommandError {
                tag: None,
                status: Status::Bad,
                code: None,
                text,
                empties_saved: false,
            }));
        }
        line.truncate(line.len().saturating_sub(2));
        Some(Event::Line(line.freeze()))
    }

    fn skip_line(&mut self) -> Option<()> {
        let Some(offset) = memchr::memchr(b'\n', &self.buffer) else {
            self.forget(self.buffer.len().saturating_sub(ANNOUNCEMENT));
            return None;
        };
        let tail = self
            .buffer
            .get(offset.saturating_sub(ANNOUNCEMENT)..offset)
            .unwrap_or_default();
        let tail = tail.strip_suffix(b"\r").unwrap_or(tail);
        self.mode = match announced_at_end(tail) {
            Some(Announced {
                size,
                synchronising: false,
            }) => Mode::Drain(size),
            _ => Mode::Text,
        };
        self.forget(offset.saturating_add(1));
        Some(())
    }

    fn start_command(&mut self) {
        self.line = 0;
        self.scanned = 0;
        self.text = 0;
        self.literal_count = 0;
        self.literal_octets = 0;
    }

    /// Drops the present command, and the buffer up to `upto`.
    fn forget(&mut self, upto: usize) {
        self.buffer.advance(upto.min(self.buffer.len()));
        self.start_command();
    }

    fn tag(&self) -> Option<Tag> {
        let start = self
            .buffer
            .get(..self.buffer.len().min(256))
            .unwrap_or_default();
        let end = start
            .iter()
            .position(|octet| matches!(octet, b' ' | b'\r' | b'\n'))?;
        Tag::new(std::str::from_utf8(start.get(..end)?).ok()?)
    }

    fn command_is(&self, name: &[u8]) -> bool {
        let start = self
            .buffer
            .get(..self.buffer.len().min(300))
            .unwrap_or_default();
        // The buffer may hold more than the command's first line, and tag and name stand in that.
        let line = start
            .split(|octet| matches!(octet, b'\r' | b'\n'))
            .next()
            .unwrap_or_default();
        let word = line.split(|&octet| octet == b' ').nth(1);
        word.is_some_and(|word| word.eq_ignore_ascii_case(name))
    }

    fn bad(&self, text: &'static str) -> Event {
        self.error(Status::Bad, None, text)
    }

    fn error(&self, status: Status, code: Option<ResponseCode>, text: &'static str) -> Event {
        Event::Error(CommandError {
            tag: self.tag(),
            status,
            code,
            text,
            empties_saved: false,
        })
    }
}

enum Step {
    Emit(Event),
    Continue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announced {
    size: u64,
    synchronising: bool,
}

/// The literal that a line ends with, unless that is inside a quoted string.
fn announced(line: &[u8]) -> Option<Announced> {
    let literal = announced_at_end(line)?;
    (!ends_quoted(line)).then_some(literal)
}

fn announced_at_end(line: &[u8]) -> Option<Announced> {
    let inside = line.strip_suffix(b"}")?;
    let (inside, synchronising) = match inside.strip_suffix(b"+") {
        Some(inside) => (inside, false),
        None => (inside, true),
    };
    let open = memchr::memrchr(b'{', inside)?;
    let digits = inside.get(open.saturating_add(1)..)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A size beyond any number is refused like one that is merely too large.
    let size = std::str::from_utf8(digits)
        .ok()?
        .parse()
        .unwrap_or(u64::MAX);
    Some(Announced {
        size,
        synchronising,
    })
}

fn ends_quoted(line: &[u8]) -> bool {
    let mut quoted = false;
    let mut octets = line.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                octets.next();
            }
            _ => {}
        }
    }
    quoted
}

#[cfg(test)]
mod tests;
