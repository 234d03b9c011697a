//! The content of a message on its way in: by DATA (RFC 5321, section 4.5.2) and by BDAT (RFC 3030).
//!
//! Only CR LF ends a line, and only CR LF `.` CR LF ends the data. Anything that another server might
//! take for a line end, a CR or LF by itself, makes the content refused, and is never taken for
//! one here: so no message can hide a second one (SMTP smuggling).

use memchr::memchr2;

use super::event::ContentDefect;

/// What has been seen of a content so far.
#[derive(Debug)]
pub(super) struct Content {
    at: At,
    max_line: usize,
    max_size: u64,
    max_drained: u64,
    line: usize,
    octets: u64,
    eight_bit: bool,
    defect: Option<ContentDefect>,
    /// Octets thrown away since the defect.
    drained: u64,
}

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Inside,
    /// After a CR.
    Cr,
    /// After a dot at the start of a line, which is not content.
    Dot,
    /// After that dot and a CR.
    DotCr,
}

/// How much of the input was used, and whether the content is complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) used: usize,
    pub(super) ended: bool,
}

impl Content {
    pub(super) fn new(max_line: usize, max_size: u64, max_drained: u64) -> Self {
        Self {
            at: At::LineStart,
            max_line,
            max_size,
            max_drained,
            line: 0,
            octets: 0,
            eight_bit: false,
            defect: None,
            drained: 0,
        }
    }

    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    pub(super) fn eight_bit(&self) -> bool {
        self.eight_bit
    }

    pub(super) fn defect(&self) -> Option<ContentDefect> {
        self.defect
    }

    /// Whether more came after the defect than is worth reading. Where the input was cut makes no difference.
    pub(super) fn is_hopeless(&self) -> bool {
        self.drained > self.max_drained
    }

    /// Makes the content refused; the first reason stays.
    pub(super) fn spoil(&mut self, defect: ContentDefect) {
        self.defect.get_or_insert(defect);
    }

    /// Takes octets that came after DATA, up to the end of data, and adds the content to `out`. Stops early when the
    /// content is hopeless.
    pub(super) fn data(&mut self, input: &[u8], out: &mut Vec<u8>) -> Progress {
        let mut used = 0usize;
        while let Some((&octet, _)) = input.get(used..).and_then(<[u8]>::split_first) {
            let rest = input.get(used..).unwrap_or_default();
            match (self.at, octet) {
                (At::LineStart, b'.') => {
                    self.at = At::Dot;
                    used = used.saturating_add(1);
                }
                (At::Dot, b'\r') => {
                    self.at = At::DotCr;
                    used = used.saturating_add(1);
                }
                (At::DotCr, b'\n') => {
                    return Progress {
                        used: used.saturating_add(1),
                        ended: true,
                    };
                }
                (At::DotCr, _) => {
                    // The dot began a line whose first octet is this CR, by itself.
                    self.spoil(ContentDefect::BareNewline);
                    self.at = At::Inside;
                }
                (At::Dot, b'\n') => {
                    self.spoil(ContentDefect::BareNewline);
                    self.at = At::Inside;
                }
                (At::Dot, _) => self.at = At::Inside,
                (At::LineStart | At::Inside | At::Cr, _) => {
                    used = used.saturating_add(self.in_line(rest, out));
                    if self.is_hopeless() {
                        break;
                    }
                }
            }
        }
        Progress { used, ended: false }
    }

    /// Takes the octets of a BDAT chunk.
    pub(super) fn chunk(&mut self, input: &[u8], binary: bool, out: &mut Vec<u8>) {
        if binary {
            self.keep(input, out);
            return;
        }
        let mut rest = input;
        while !rest.is_empty() {
            let used = self.in_line(rest, out);
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// The last chunk has come: a CR at the very end has no LF.
    pub(super) fn finish_chunks(&mut self, binary: bool) {
        if !binary && self.at == At::Cr {
            self.spoil(ContentDefect::BareNewline);
        }
    }

    /// Takes a run of octets without a line end, or one octet of a line end. Returns how many.
    fn in_line(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let run = memchr2(b'\r', b'\n', input).unwrap_or(input.len());
        if run > 0 {
            if self.at == At::Cr {
                self.spoil(ContentDefect::BareNewline);
            }
            self.at = At::Inside;
            self.keep_line(input.get(..run).unwrap_or_default(), out);
            return run;
        }
        let octet = input.get(..1).unwrap_or_default();
        match (octet, self.at) {
            (b"\n", At::Cr) => {
                self.keep_line(octet, out);
                self.at = At::LineStart;
                self.line = 0;
                return octet.len();
            }
            (b"\n", _) => {
                self.spoil(ContentDefect::BareNewline);
                self.at = At::Inside;
            }
            (_, At::Cr) => self.spoil(ContentDefect::BareNewline),
            _ => self.at = At::Cr,
        }
        self.keep_line(octet, out);
        octet.len()
    }

    fn keep_line(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let room = self.max_line.saturating_sub(self.line);
        self.line = self.line.saturating_add(octets.len());
        let (fitting, beyond) = octets.split_at_checked(room).unwrap_or((octets, &[]));
        self.keep(fitting, out);
        if !beyond.is_empty() {
            self.spoil(ContentDefect::LineTooLong);
            self.keep(beyond, out);
        }
    }

    fn keep(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let room = usize::try_from(self.max_size.saturating_sub(self.octets)).unwrap_or(usize::MAX);
        self.octets = self.octets.saturating_add(count(octets));
        let (fitting, beyond) = octets.split_at_checked(room).unwrap_or((octets, &[]));
        if self.defect.is_some() {
            self.drained = self.drained.saturating_add(count(fitting));
        } else {
            self.eight_bit |= !fitting.is_ascii();
            out.extend_from_slice(fitting);
        }
        if !beyond.is_empty() {
            self.spoil(ContentDefect::TooBig);
            self.drained = self.drained.saturating_add(count(beyond));
        }
    }
}

fn count(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Content, what follows the end of data (if it came), and the defect.
    fn run(pieces: &[&[u8]]) -> (Vec<u8>, Option<Vec<u8>>, Option<ContentDefect>) {
        run_within(Content::new(1000, 100_000, 1_000_000), pieces)
    }

    fn run_within(
        mut content: Content,
        pieces: &[&[u8]],
    ) -> (Vec<u8>, Option<Vec<u8>>, Option<ContentDefect>) {
        let (mut out, mut after) = (Vec::new(), None::<Vec<u8>>);
        for piece in pieces {
            if let Some(after) = &mut after {
                after.extend_from_slice(piece);
                continue;
            }
            let progress = content.data(piece, &mut out);
            if progress.ended {
                after = Some(piece.get(progress.used..).unwrap_or_default().to_vec());
            } else if content.is_hopeless() {
                break;
            } else {
                assert_eq!(progress.used, piece.len());
            }
        }
        (out, after, content.defect())
    }

    #[test]
    fn dots_are_removed_and_the_end_is_found() {
        for (input, content) in [
            (&b".\r\n"[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"..a\r\n.b\r\n...\r\n.\r\n", b".a\r\nb\r\n..\r\n"),
            (b"a.\r\n.\r\n", b"a.\r\n"),
            (b"\r\n\r\n.\r\n", b"\r\n\r\n"),
        ] {
            assert_eq!(
                run(&[input, b"QUIT"]),
                (content.to_vec(), Some(b"QUIT".to_vec()), None)
            );
        }
    }

    /// None of these ends the data, and all make it refused.
    #[test]
    fn smuggled_ends_are_no_ends() {
        for end in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r",
            "\r.\r\n",
            "\r\n.\n",
            "\r\n.\r",
            "\n.\r",
            "\r.\n",
            "\r\n.\r\r\n",
            "\r\r\n.\r\n\0",
            "\r\n\n.\r\n",
            "\r\n\r.\r\n",
            "\r\n.\r.\r\n",
            "\n",
            "\r",
            "\r\n.\0\r\n\n.\r\n",
        ] {
            let text = format!("body{end}MAIL FROM:<evil@x.jp>\r\n");
            let (_, after, defect) = run(&[text.as_bytes()]);
            if end != "\r\r\n.\r\n\0" {
                assert_eq!(after, None, "{end:?}");
            }
            assert_eq!(defect, Some(ContentDefect::BareNewline), "{end:?}");
        }
    }

    #[test]
    fn limits_spoil() {
        let line = vec![b'a'; 999];
        assert_eq!(run(&[&line]).2, None);
        assert_eq!(run(&[&line, b"\r\n"]).2, Some(ContentDefect::LineTooLong));
        let lines = b"0123456\r\n".repeat(12_000);
        let (out, _, defect) = run(&[&lines]);
        assert_eq!(defect, Some(ContentDefect::TooBig));
        assert!(out.len() <= 100_000);
    }

    #[test]
    fn chunks_are_watched_too() {
        let run = |pieces: &[&[u8]], binary| {
            let mut content = Content::new(1000, 1000, 1000);
            let mut out = Vec::new();
            for piece in pieces {
                content.chunk(piece, binary, &mut out);
            }
            content.finish_chunks(binary);
            (out, content.defect())
        };
        assert_eq!(run(&[b"a\r", b"\n.\r\n"], false).1, None);
        assert_eq!(run(&[b"a\r", b"\n.\r\nb"], false).0, b"a\r\n.\r\nb");
        for bad in [&b"a\nb"[..], b"a\rb", b"a\r", b"\n"] {
            assert_eq!(run(&[bad], false).1, Some(ContentDefect::BareNewline));
            assert_eq!(run(&[bad], true), (bad.to_vec(), None));
        }
    }

    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(proptest::sample::select(b"\r\n.\r\n.a".to_vec()), 0..40)
    }

    /// The end of data, as the standard's grammar has it: the first CR LF . CR LF.
    fn first_end(input: &[u8]) -> Option<usize> {
        let whole = [b"\r\n", input].concat();
        whole.windows(5).position(|w| w == b"\r\n.\r\n")
    }

    proptest! {
        #[test]
        fn splitting_changes_nothing(input in hostile()) {
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            prop_assert_eq!(run(&[&input]), run(&bytes));
        }

        /// What is drained counts from the octet that is too much, not from the piece that has it.
        #[test]
        fn splitting_changes_no_limit(
            input in proptest::collection::vec(proptest::sample::select(b"\r\n.aaaaa".to_vec()), 0..60),
            line in 1..12_usize,
            size in 1..40_u64,
            drained in 0..20_u64,
        ) {
            let content = || Content::new(line, size, drained);
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            let pieces: Vec<&[u8]> = input.chunks(7).collect();
            let whole = run_within(content(), &[&input]);
            prop_assert_eq!(&whole, &run_within(content(), &bytes));
            prop_assert_eq!(&whole, &run_within(content(), &pieces));
        }

        #[test]
        fn ends_exactly_where_the_standard_says(input in hostile()) {
            let (_, after, _) = run(&[&input]);
            let expected = first_end(&input).map(|at| input[at + 3..].to_vec());
            prop_assert_eq!(after, expected);
        }

        #[test]
        fn unstuffing_reverses_stuffing(lines in proptest::collection::vec("[.a]{0,4}", 0..8)) {
            let plain: String = lines.iter().map(|l| format!("{l}\r\n")).collect();
            let stuffed: String = lines
                .iter()
                .map(|l| if l.starts_with('.') { format!(".{l}\r\n") } else { format!("{l}\r\n") })
                .collect();
            let (out, after, defect) = run(&[stuffed.as_bytes(), b".\r\n"]);
            prop_assert_eq!((out, after, defect), (plain.into_bytes(), Some(vec![]), None));
        }
    }
}
