//! The client's side of IMAP: commands out, answers counted and checked.

use bytes::Bytes;

use super::Line;
use crate::Outcome;

/// A connection to an IMAP server.
pub(crate) struct Imap {
    line: Line,
    tag: u32,
}

/// One untagged response.
#[derive(Debug)]
pub(crate) struct Untagged {
    /// From after the `* ` to the first literal or the end.
    pub(crate) text: Bytes,
    /// Octets of its literals.
    pub(crate) literals: usize,
    /// The first literal, when the caller asked to keep it.
    pub(crate) first: Option<Bytes>,
}

impl Imap {
    /// Reads the greeting.
    pub(crate) async fn open(line: Line) -> Outcome<Self> {
        let mut session = Self { line, tag: 0 };
        let greeting = session.line.line().await?;
        match greeting.starts_with(b"* OK") {
            true => Ok(session),
            false => Err(format!("IMAP greeting: {}", String::from_utf8_lossy(&greeting)).into()),
        }
    }

    /// Connects without TLS and logs in.
    pub(crate) async fn logged_in(port: u16, user: &str) -> Outcome<Self> {
        let mut session = Self::open(Line::connect(port).await?).await?;
        session.login(user).await?;
        Ok(session)
    }

    /// LOGIN
    pub(crate) async fn login(&mut self, user: &str) -> Outcome<()> {
        let command = format!("LOGIN {user} {}", crate::server::PASSWORD);
        self.run(&command).await.map(drop)
    }

    /// Runs a command that must succeed; the untagged responses, without the contents of literals.
    pub(crate) async fn run(&mut self, command: &str) -> Outcome<Vec<Untagged>> {
        let mut found = Vec::new();
        self.each(command, false, |response| {
            found.push(response);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Runs a command that must succeed, handing each untagged response to `take`.
    pub(crate) async fn each(
        &mut self,
        command: &str,
        keep: bool,
        take: impl FnMut(Untagged) -> Outcome<()>,
    ) -> Outcome<()> {
        self.begin(command).await?;
        self.finish(command, keep, take).await
    }

    /// Sends a command line.
    async fn begin(&mut self, command: &str) -> Outcome<()> {
        self.tag += 1;
        let text = format!("a{} {command}\r\n", self.tag);
        self.line.send(text.as_bytes()).await
    }

    /// Reads up to the tagged answer, which must be OK.
    async fn finish(
        &mut self,
        command: &str,
        keep: bool,
        mut take: impl FnMut(Untagged) -> Outcome<()>,
    ) -> Outcome<()> {
        loop {
            let line = self.line.line().await?;
            if line.starts_with(b"* ") {
                let response = self.untagged(line.slice(2..), keep).await?;
                take(response)?;
                continue;
            }
            let wanted = format!("a{} OK", self.tag);
            if line.starts_with(wanted.as_bytes()) {
                return Ok(());
            }
            let said = String::from_utf8_lossy(&line);
            return Err(format!("IMAP: {command}: {said}").into());
        }
    }

    async fn untagged(&mut self, text: Bytes, keep: bool) -> Outcome<Untagged> {
        let mut response = Untagged {
            text,
            literals: 0,
            first: None,
        };
        let mut more = literal(&response.text);
        while let Some(octets) = more {
            response.literals += octets;
            if keep && response.first.is_none() {
                response.first = Some(self.line.octets(octets).await?);
            } else {
                self.line.skip(octets).await?;
            }
            more = literal(&self.line.line().await?);
        }
        Ok(response)
    }

    /// Appends messages in one command (MULTIAPPEND, RFC 3502), with non-synchronising literals.
    pub(crate) async fn append<'a>(
        &mut self,
        mailbox: &str,
        messages: impl Iterator<Item = &'a [u8]>,
    ) -> Outcome<()> {
        self.tag += 1;
        let mut command = format!("a{} APPEND {mailbox}", self.tag).into_bytes();
        for message in messages {
            command.extend_from_slice(format!(" () {{{}+}}\r\n", message.len()).as_bytes());
            command.extend_from_slice(message);
        }
        command.extend_from_slice(b"\r\n");
        self.line.send(&command).await?;
        self.finish("APPEND", false, |_| Ok(())).await
    }

    /// A search for text in UTF-8; the UIDs found.
    pub(crate) async fn search_body(&mut self, word: &str) -> Outcome<Vec<u32>> {
        let command = format!(
            "UID SEARCH CHARSET UTF-8 BODY {{{}+}}\r\n{word}",
            word.len()
        );
        let found = self.run(&command).await?;
        let hits = found
            .iter()
            .filter_map(|response| response.text.strip_prefix(b"SEARCH"));
        Ok(hits.flat_map(numbers).collect())
    }

    /// How many messages a mailbox holds.
    pub(crate) async fn count(&mut self, mailbox: &str) -> Outcome<u64> {
        let found = self.run(&format!("STATUS {mailbox} (MESSAGES)")).await?;
        let count = found.iter().find_map(|response| status(&response.text));
        count.ok_or_else(|| "STATUS without MESSAGES".into())
    }

    /// How many messages all mailboxes hold.
    pub(crate) async fn count_all(&mut self) -> Outcome<u64> {
        let found = self.run("LIST \"\" * RETURN (STATUS (MESSAGES))").await?;
        let counts = found.iter().filter_map(|response| status(&response.text));
        Ok(counts.sum())
    }

    /// SELECT; how many messages there are.
    pub(crate) async fn select(&mut self, mailbox: &str) -> Outcome<u64> {
        let found = self.run(&format!("SELECT {mailbox}")).await?;
        let count = found.iter().find_map(|response| exists(&response.text));
        count.ok_or_else(|| "SELECT without EXISTS".into())
    }

    /// IDLE, until the server says that it waits.
    pub(crate) async fn idle(&mut self) -> Outcome<()> {
        self.begin("IDLE").await?;
        loop {
            let line = self.line.line().await?;
            match line.first() {
                Some(b'+') => return Ok(()),
                Some(b'*') => {}
                _ => return Err(format!("IDLE: {}", String::from_utf8_lossy(&line)).into()),
            }
        }
    }

    /// Ends IDLE.
    pub(crate) async fn done(&mut self) -> Outcome<()> {
        self.line.send(b"DONE\r\n").await?;
        self.finish("IDLE", false, |_| Ok(())).await
    }

    /// LOGOUT
    pub(crate) async fn logout(mut self) -> Outcome<()> {
        self.run("LOGOUT").await.map(drop)
    }
}

/// The octets of the literal that a line announces at its end.
fn literal(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', inner)?;
    std::str::from_utf8(inner.get(open + 1..)?)
        .ok()?
        .parse()
        .ok()
}

/// The number after MESSAGES in a STATUS response.
fn status(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text.strip_prefix(b"STATUS ")?).ok()?;
    let (_, after) = text.rsplit_once("(MESSAGES ")?;
    after.trim_end_matches(')').parse().ok()
}

/// The number before EXISTS.
fn exists(text: &[u8]) -> Option<u64> {
    let number = text.strip_suffix(b" EXISTS")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

fn numbers(text: &[u8]) -> Vec<u32> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_found_at_the_end_only() {
        assert_eq!(literal(b"1 FETCH (BODY[] {312}"), Some(312));
        assert_eq!(literal(b"1 FETCH (BODY[] {312} x"), None);
        assert_eq!(literal(b"x}"), None);
    }

    #[test]
    fn counts_are_read() {
        assert_eq!(status(b"STATUS INBOX (MESSAGES 17)"), Some(17));
        assert_eq!(status(b"STATUS \"(odd) name\" (MESSAGES 0)"), Some(0));
        assert_eq!(status(b"STATUS INBOX (UNSEEN 17)"), None);
        assert_eq!(exists(b"23 EXISTS"), Some(23));
        assert_eq!(exists(b"23 RECENT"), None);
        assert_eq!(numbers(b" 2 84 882"), [2, 84, 882]);
        assert!(numbers(b"").is_empty());
    }
}
