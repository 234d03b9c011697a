//! A conversation in IMAP, as a client speaks it.

use std::{io, net::Ipv4Addr, time::Duration};

use super::{Person, Site, line::Lines, message, until};

/// An IMAP connection.
pub(crate) struct Session {
    pub(crate) lines: Lines,
    tag: u32,
}

/// What came after a command: untagged responses (literals within them) and the tagged one.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) untagged: Vec<Vec<u8>>,
    /// `OK …`, `NO …` or `BAD …`
    pub(crate) tagged: String,
}

impl Answer {
    /// The untagged responses as text.
    pub(crate) fn text(&self) -> Vec<String> {
        self.untagged
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }

    /// The numbers of the SEARCH response.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.text()
            .iter()
            .filter_map(|line| line.strip_prefix("* SEARCH"))
            .flat_map(|rest| {
                rest.split_whitespace()
                    .map(|n| n.parse().unwrap())
                    .collect::<Vec<u32>>()
            })
            .collect()
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.tagged.starts_with("OK")
    }
}

impl Session {
    /// Plain, after the greeting.
    pub(crate) fn try_open(address: Ipv4Addr, port: u16) -> io::Result<Self> {
        let mut session = Self {
            lines: Lines::connect(address, port)?,
            tag: 0,
        };
        session.greeting()?;
        Ok(session)
    }

    /// Over TLS, after the greeting.
    #[track_caller]
    pub(crate) fn open_tls(site: &Site, port: u16) -> Self {
        Self::open_over(Lines::connect(site.address, port).unwrap(), site)
    }

    /// The same over a connection that was made before.
    #[track_caller]
    pub(crate) fn open_over(lines: Lines, site: &Site) -> Self {
        let mut session = Self {
            lines: lines.into_tls(&site.certificate()).unwrap(),
            tag: 0,
        };
        session.greeting().unwrap();
        session
    }

    fn greeting(&mut self) -> io::Result<()> {
        let line = self.lines.line()?;
        if !line.starts_with(b"* OK") {
            return Err(io::Error::other(
                String::from_utf8_lossy(&line).into_owned(),
            ));
        }
        Ok(())
    }

    #[track_caller]
    pub(crate) fn login(&mut self, person: &Person) {
        self.ok(&format!(
            "LOGIN \"{}\" \"{}\"",
            person.address, person.password
        ));
    }

    /// One response, with its literals.
    pub(crate) fn response(&mut self) -> io::Result<Vec<u8>> {
        let mut response = self.lines.line()?;
        while let Some(octets) = literal(&response) {
            response.extend_from_slice(b"\r\n");
            response.extend(self.lines.exactly(octets)?);
            response.extend(self.lines.line()?);
        }
        Ok(response)
    }

    /// Sends a command without waiting; returns its tag.
    pub(crate) fn begin(&mut self, command: &str) -> io::Result<String> {
        self.tag += 1;
        let tag = format!("a{}", self.tag);
        self.lines
            .write(format!("{tag} {command}\r\n").as_bytes())?;
        Ok(tag)
    }

    /// Reads to the end of the command `tag`.
    pub(crate) fn end(&mut self, tag: &str) -> io::Result<Answer> {
        let mut untagged = Vec::new();
        let prefix = format!("{tag} ");
        loop {
            let response = self.response()?;
            match response.strip_prefix(prefix.as_bytes()) {
                Some(rest) => {
                    return Ok(Answer {
                        untagged,
                        tagged: String::from_utf8_lossy(rest).into_owned(),
                    });
                }
                None => untagged.push(response),
            }
        }
    }

    pub(crate) fn try_give(&mut self, command: &str) -> io::Result<Answer> {
        let tag = self.begin(command)?;
        self.end(&tag)
    }

    /// Gives a command and reads its whole answer.
    #[track_caller]
    pub(crate) fn give(&mut self, command: &str) -> Answer {
        self.try_give(command)
            .unwrap_or_else(|error| panic!("after {command:?}: {error}"))
    }

    /// Gives a command that must be answered with OK.
    #[track_caller]
    pub(crate) fn ok(&mut self, command: &str) -> Answer {
        let answer = self.give(command);
        assert!(answer.is_ok(), "after {command:?}: {answer:?}");
        answer
    }

    /// The number of messages in `mailbox`, now selected.
    #[track_caller]
    pub(crate) fn select(&mut self, mailbox: &str) -> u32 {
        exists(&self.ok(&format!("SELECT {mailbox}"))).expect("EXISTS")
    }

    /// Waits until `mailbox` holds `count` messages, and no more.
    #[track_caller]
    pub(crate) fn holds(&mut self, mailbox: &str, count: u32, limit: Duration) {
        let mut seen = 0;
        let what = format!("{count} messages in {mailbox}");
        until(&what, limit, || {
            seen = self.select(mailbox);
            assert!(
                seen <= count,
                "{mailbox} holds {seen} messages instead of {count}"
            );
            (seen == count).then_some(())
        });
    }

    /// With INBOX selected.
    #[track_caller]
    pub(crate) fn tap_inbox(mut self) -> Self {
        self.select("INBOX");
        self
    }

    /// The whole of message `number`.
    #[track_caller]
    pub(crate) fn fetch(&mut self, number: u32) -> Vec<u8> {
        let answer = self.ok(&format!("FETCH {number} BODY.PEEK[]"));
        let response = answer
            .untagged
            .iter()
            .find(|line| line.windows(6).any(|six| six == b"BODY[]"))
            .unwrap_or_else(|| panic!("no BODY[] in {answer:?}"));
        literal_of(response).to_vec()
    }

    /// The digest of the body of message `number`.
    #[track_caller]
    pub(crate) fn body_digest(&mut self, number: u32) -> String {
        message::digest(message::body(&self.fetch(number)))
    }
}

/// The count of the last EXISTS response.
pub(crate) fn exists(answer: &Answer) -> Option<u32> {
    answer
        .text()
        .iter()
        .filter_map(|line| {
            line.strip_prefix("* ")?
                .strip_suffix(" EXISTS")?
                .parse()
                .ok()
        })
        .next_back()
}

/// The literal that a response line announces at its end.
fn literal(line: &[u8]) -> Option<usize> {
    // Only the last line matters: literals before it were read whole.
    let open = line.iter().rposition(|byte| *byte == b'{')?;
    let digits = line.get(open + 1..)?.strip_suffix(b"}")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The first literal within `response`.
pub(crate) fn literal_of(response: &[u8]) -> &[u8] {
    let end = response
        .windows(3)
        .position(|three| three == b"}\r\n")
        .expect("a literal");
    let octets = literal(&response[..=end]).expect("a literal's length");
    &response[end + 3..end + 3 + octets]
}
