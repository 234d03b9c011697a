//! Content on its way out: dots doubled, lines watched (RFC 5321, section 4.5.2).

/// Doubles dots at the start of lines, across pieces.
#[derive(Debug)]
pub(super) struct Stuffer {
    line_start: bool,
    after_cr: bool,
}

impl Stuffer {
    pub(super) fn new() -> Self {
        Self {
            line_start: true,
            after_cr: false,
        }
    }

    /// Adds `octets` to `out`. `None` at a CR or LF by itself: another server might take it for a line
    /// end, so it must not be sent (SMTP smuggling).
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Option<()> {
        out.reserve(octets.len());
        for &octet in octets {
            if (octet == b'\n') != self.after_cr {
                return None;
            }
            if self.line_start && octet == b'.' {
                out.push(b'.');
            }
            out.push(octet);
            self.line_start = octet == b'\n';
            self.after_cr = octet == b'\r';
        }
        Some(())
    }

    /// Adds the end of data, after a line end if the content lacks one.
    pub(super) fn finish(&self, out: &mut Vec<u8>) -> Option<()> {
        if self.after_cr {
            return None;
        }
        if !self.line_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        Some(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stuff(pieces: &[&[u8]]) -> Option<Vec<u8>> {
        let (mut stuffer, mut out) = (Stuffer::new(), Vec::new());
        for piece in pieces {
            stuffer.push(piece, &mut out)?;
        }
        stuffer.finish(&mut out)?;
        Some(out)
    }

    #[test]
    fn stuffs() {
        for (given, sent) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("a\r\n.b..\r\n", "a\r\n..b..\r\n.\r\n"),
        ] {
            assert_eq!(stuff(&[given.as_bytes()]).unwrap(), sent.as_bytes());
        }
    }

    #[test]
    fn never_sends_a_bare_newline() {
        for bad in ["\n", "a\n.\r\n", "\r", "a\r.\r\n", "\r\r\n", "\r\n\n"] {
            assert_eq!(stuff(&[bad.as_bytes()]), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn splitting_changes_nothing(text in "(\r\n|[.a]){0,20}") {
            let octets: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            prop_assert_eq!(stuff(&octets), stuff(&[text.as_bytes()]));
        }
    }
}
