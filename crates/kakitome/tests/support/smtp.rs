//! A conversation in SMTP, as a client speaks it.

use std::{io, net::Ipv4Addr, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Person, Site, line::Lines, site};

/// A session after the greeting and EHLO.
pub(crate) struct Session {
    pub(crate) lines: Lines,
    /// What EHLO listed.
    pub(crate) extensions: Vec<String>,
}

/// A reply: its code and its lines.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) text: Vec<String>,
}

impl Reply {
    pub(crate) fn is_positive(&self) -> bool {
        self.code < 400
    }
}

impl Session {
    /// Connects and says EHLO.
    #[track_caller]
    pub(crate) fn open(address: Ipv4Addr, port: u16) -> Self {
        Self::try_open(address, port).unwrap()
    }

    pub(crate) fn try_open(address: Ipv4Addr, port: u16) -> io::Result<Self> {
        Self::try_over(Lines::connect(address, port)?)
    }

    /// Over a connection that was made before.
    #[track_caller]
    pub(crate) fn over(lines: Lines) -> Self {
        Self::try_over(lines).unwrap()
    }

    fn try_over(lines: Lines) -> io::Result<Self> {
        let mut session = Self {
            lines,
            extensions: Vec::new(),
        };
        session.greeted()?;
        Ok(session)
    }

    /// A connection that has read the greeting and said nothing.
    #[track_caller]
    pub(crate) fn silent(address: Ipv4Addr, port: u16) -> Self {
        let mut session = Self {
            lines: Lines::connect(address, port).unwrap(),
            extensions: Vec::new(),
        };
        assert_eq!(session.reply().unwrap().code, 220);
        session
    }

    /// Over TLS from the first octet, logged in by AUTH PLAIN.
    #[track_caller]
    pub(crate) fn submission(site: &Site, person: &Person) -> Self {
        let lines = Lines::connect(site.address, site::SUBMISSIONS).unwrap();
        Self::submission_over(lines, site, person)
    }

    /// The same over a connection that was made before.
    #[track_caller]
    pub(crate) fn submission_over(lines: Lines, site: &Site, person: &Person) -> Self {
        let mut session = Self {
            lines: lines.into_tls(&site.certificate()).unwrap(),
            extensions: Vec::new(),
        };
        assert_eq!(session.reply().unwrap().code, 220);
        session.hello().unwrap();
        let reply = session.auth_plain(person);
        assert_eq!(reply.code, 235, "{reply:?}");
        session
    }

    /// The same where the server may go meanwhile.
    pub(crate) fn try_submission(
        address: Ipv4Addr,
        certificate: &Path,
        person: &Person,
    ) -> io::Result<Self> {
        let lines = Lines::connect(address, site::SUBMISSIONS)?;
        let mut session = Self {
            lines: lines.into_tls(certificate)?,
            extensions: Vec::new(),
        };
        session.greeted()?;
        let reply = session.try_say(&plain(person))?;
        match reply.code {
            235 => Ok(session),
            _ => Err(io::Error::other(format!("{reply:?}"))),
        }
    }

    fn greeted(&mut self) -> io::Result<()> {
        let greeting = self.reply()?;
        if greeting.code != 220 {
            return Err(io::Error::other(format!("{greeting:?}")));
        }
        self.hello()
    }

    #[track_caller]
    pub(crate) fn auth_plain(&mut self, person: &Person) -> Reply {
        self.say(&plain(person))
    }

    pub(crate) fn hello(&mut self) -> io::Result<()> {
        self.lines.write(b"EHLO client.example\r\n")?;
        let reply = self.reply()?;
        if reply.code != 250 {
            return Err(io::Error::other(format!("{reply:?}")));
        }
        self.extensions = reply.text.into_iter().skip(1).collect();
        Ok(())
    }

    /// STARTTLS and EHLO again.
    #[track_caller]
    pub(crate) fn starttls(mut self, site: &Site) -> Self {
        self.expect("STARTTLS", 220);
        let mut session = Self {
            lines: self.lines.into_tls(&site.certificate()).unwrap(),
            extensions: Vec::new(),
        };
        session.hello().unwrap();
        session
    }

    pub(crate) fn reply(&mut self) -> io::Result<Reply> {
        let mut text = Vec::new();
        loop {
            let line = String::from_utf8_lossy(&self.lines.line()?).into_owned();
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let Some(code) = code else {
                return Err(io::Error::other(format!("this is no reply: {line:?}")));
            };
            text.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply { code, text });
            }
        }
    }

    /// Sends a line and reads the reply.
    #[track_caller]
    pub(crate) fn say(&mut self, line: &str) -> Reply {
        self.try_say(line)
            .unwrap_or_else(|error| panic!("after {line:?}: {error}"))
    }

    pub(crate) fn try_say(&mut self, line: &str) -> io::Result<Reply> {
        self.lines.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends a line that must be answered with `code`.
    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str, code: u16) -> Reply {
        let reply = self.say(line);
        assert_eq!(reply.code, code, "after {line:?}: {reply:?}");
        reply
    }

    /// Sends one message; the reply is the one that decides: the first refusal, or the end of data.
    /// `content` has CRLF line ends and no final dot.
    pub(crate) fn send(&mut self, from: &str, to: &[&str], content: &[u8]) -> io::Result<Reply> {
        let mut commands = vec![format!("MAIL FROM:<{from}>")];
        commands.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
        commands.push("DATA".to_owned());
        for command in commands {
            let reply = self.try_say(&command)?;
            if !reply.is_positive() {
                if command != "DATA" {
                    self.try_say("RSET")?;
                }
                return Ok(reply);
            }
        }
        self.lines.write(&stuffed(content))?;
        self.reply()
    }
}

fn plain(person: &Person) -> String {
    let proof = format!("\0{}\0{}", person.address, person.password);
    format!("AUTH PLAIN {}", BASE64_STANDARD.encode(proof))
}

/// `content` with dots stuffed and the final dot.
pub(crate) fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(content.len() + 64);
    let mut at_start = true;
    for byte in content {
        if at_start && *byte == b'.' {
            stuffed.push(b'.');
        }
        stuffed.push(*byte);
        at_start = *byte == b'\n';
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}
