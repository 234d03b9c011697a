//! The client's side of POP3.

use super::Line;
use crate::Outcome;

/// A session in the transaction state.
pub(crate) struct Pop3 {
    line: Line,
}

impl Pop3 {
    /// Connects without TLS and logs in.
    pub(crate) async fn open(port: u16, user: &str) -> Outcome<Self> {
        let line = Line::connect(port).await?;
        let mut session = Self { line };
        session.ok().await?;
        session.command(&format!("USER {user}\r\n")).await?;
        let pass = format!("PASS {}\r\n", crate::server::PASSWORD);
        session.command(&pass).await?;
        Ok(session)
    }

    /// STAT: how many messages there are.
    pub(crate) async fn count(&mut self) -> Outcome<usize> {
        let said = self.command("STAT\r\n").await?;
        let count = said.split(' ').nth(1).and_then(|word| word.parse().ok());
        count.ok_or_else(|| format!("STAT: {said}").into())
    }

    /// RETR and DELE of one message; the octets of its lines, without their ends.
    pub(crate) async fn take(&mut self, number: usize) -> Outcome<usize> {
        self.command(&format!("RETR {number}\r\n")).await?;
        let mut octets = 0;
        loop {
            let line = self.line.line().await?;
            if *line == *b"." {
                break;
            }
            octets += line.len();
        }
        self.command(&format!("DELE {number}\r\n")).await?;
        Ok(octets)
    }

    /// QUIT, which makes the deletions true.
    pub(crate) async fn quit(mut self) -> Outcome<()> {
        self.command("QUIT\r\n").await.map(drop)
    }

    async fn command(&mut self, command: &str) -> Outcome<String> {
        self.line.send(command.as_bytes()).await?;
        self.ok().await
    }

    async fn ok(&mut self) -> Outcome<String> {
        let line = self.line.line().await?;
        let text = String::from_utf8_lossy(&line).into_owned();
        match text.starts_with("+OK") {
            true => Ok(text),
            false => Err(format!("POP3: {text}").into()),
        }
    }
}
