//! What servers say, read line by line: replies of SMTP, greetings and statuses of IMAP and POP3.
//!
//! Nothing here is shared with the server's own state machines: a test that read with the code it tests would be blind
//! to the faults of both.

/// A reply of SMTP (RFC 5321, section 4.2), of all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// 200 to 599.
    pub(crate) code: u16,
    /// The text of each line, escaped where it is no printable ASCII.
    pub(crate) lines: Vec<String>,
}

impl Reply {
    /// 2yz: done.
    pub(crate) fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// 4yz: refused for now.
    pub(crate) fn is_put_off(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5yz: refused for good.
    pub(crate) fn is_refused(&self) -> bool {
        (500..600).contains(&self.code)
    }

    /// Whether the enhanced status tells of a rule rather than of a fault: X.7.Z (RFC 3463, section 3.8).
    pub(crate) fn is_policy(&self) -> bool {
        let status = self.lines.first().and_then(|line| line.split(' ').next());
        let mut parts = status.unwrap_or_default().split('.');
        let class = parts
            .next()
            .is_some_and(|class| class == "4" || class == "5");
        class && parts.next() == Some("7") && parts.next().is_some()
    }

    /// The reply in one line, as a reason quotes it.
    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" / "))
    }

    /// The text without what differs from reply to reply only because it names what was asked for.
    pub(crate) fn without(&self, name: &str) -> String {
        neutral(&self.text(), name)
    }
}

/// `text` without `name`, in whatever case it stands there.
pub(crate) fn neutral(text: &str, name: &str) -> String {
    let (text, name) = (text.to_ascii_lowercase(), name.to_ascii_lowercase());
    if name.is_empty() {
        return text;
    }
    text.replace(&name, "<name>")
}

/// One line of a reply: its code, whether it is the last, and its text.
///
/// `None`: this is no line of a reply. A line that ends after the code is taken for the last, as RFC 5321, section 4.2.1, asks.
#[must_use]
pub fn reply_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    let code = std::str::from_utf8(code).ok()?;
    if !code.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let code: u16 = code.parse().ok()?;
    if !(200..600).contains(&code) {
        return None;
    }
    match rest.split_first() {
        None => Some((code, true, b"")),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

/// Octets as evidence shows them: printable ASCII as it is, the rest escaped, so that no terminal obeys a server.
#[must_use]
pub fn escape(octets: &[u8]) -> String {
    let mut shown = String::with_capacity(octets.len());
    for &octet in octets {
        match octet {
            b'\\' => shown.push_str("\\\\"),
            b'\r' => shown.push_str("\\r"),
            b'\n' => shown.push_str("\\n"),
            b'\t' => shown.push_str("\\t"),
            0x20..=0x7e => shown.push(char::from(octet)),
            _ => shown.push_str(&format!("\\x{octet:02x}")),
        }
    }
    shown
}

/// How a command of IMAP ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Untagged lines.
    pub(crate) untagged: Vec<String>,
    /// The tagged line without its tag: `OK …`, `NO …`, `BAD …`.
    pub(crate) status: String,
}

impl Answer {
    pub(crate) fn is_ok(&self) -> bool {
        first_word(&self.status).eq_ignore_ascii_case("OK")
    }

    /// What `* CAPABILITY` listed, in upper case.
    pub(crate) fn capabilities(&self) -> Vec<String> {
        let listed = self.untagged.iter().filter_map(|line| {
            let (word, rest) = line.strip_prefix("* ")?.split_once(' ')?;
            word.eq_ignore_ascii_case("CAPABILITY").then_some(rest)
        });
        listed
            .flat_map(str::split_whitespace)
            .map(str::to_ascii_uppercase)
            .collect()
    }
}

/// The first word of a text.
pub(crate) fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_replies() {
        assert_eq!(reply_line(b"250-SIZE"), Some((250, false, &b"SIZE"[..])));
        assert_eq!(reply_line(b"250 ok"), Some((250, true, &b"ok"[..])));
        assert_eq!(reply_line(b"221"), Some((221, true, &b""[..])));
        for line in [
            &b"25"[..],
            b"2x0 no",
            b"250_no",
            b"199 no",
            b"600 no",
            b"+50 no",
            b"",
        ] {
            assert_eq!(reply_line(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_refusal_by_a_rule_is_known_by_its_status() {
        let reply = |text: &str| Reply {
            code: 454,
            lines: vec![text.to_owned()],
        };
        assert!(reply("4.7.1 <a@b>: Relay access denied").is_policy());
        assert!(!reply("4.3.0 busy").is_policy());
        assert!(!reply("try later").is_policy());
    }

    #[test]
    fn names_do_not_make_replies_differ() {
        let reply = |name: &str| Reply {
            code: 550,
            lines: vec![format!("5.1.1 <{name}>: no such user")],
        };
        assert_eq!(
            reply("A@b.example").without("a@b.example"),
            reply("c@b.example").without("c@b.example")
        );
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_is_left(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(escape(&octets).bytes().all(|octet| (0x20..=0x7e).contains(&octet)));
        }

        #[test]
        fn any_line_is_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Some((code, _, _)) = reply_line(&line) {
                prop_assert!((200..600).contains(&code));
            }
        }
    }
}
