//! The sending side of SMTP and submission, with pipelining (RFC 2920), as today's senders do.

use super::{Line, Trust};
use crate::{Outcome, mail::Letter};

/// A session that may send.
pub(crate) struct Smtp {
    line: Line,
}

impl Smtp {
    /// Connects and says EHLO.
    pub(crate) async fn open(port: u16) -> Outcome<Self> {
        Self::greet(Line::connect(port).await?).await
    }

    /// Connects with TLS from the first byte and authenticates.
    pub(crate) async fn open_authenticated(
        port: u16,
        trust: &Trust,
        credentials: &str,
    ) -> Outcome<Self> {
        let line = Line::connect(port).await?.secure(trust).await?;
        let mut session = Self::greet(line).await?;
        let command = format!("AUTH PLAIN {credentials}\r\n");
        session.line.send(command.as_bytes()).await?;
        session.expect(b"235").await?;
        Ok(session)
    }

    async fn greet(line: Line) -> Outcome<Self> {
        let mut session = Self { line };
        session.expect(b"220").await?;
        session.line.send(b"EHLO client.bench.test\r\n").await?;
        session.expect(b"250").await?;
        Ok(session)
    }

    /// Sends one message; done when the server has taken responsibility for it.
    pub(crate) async fn send(&mut self, envelope: &[u8], letter: &Letter) -> Outcome<()> {
        self.line.send(envelope).await?;
        self.expect(b"250").await?;
        self.expect(b"250").await?;
        self.expect(b"354").await?;
        self.line.send(letter.dotted()).await?;
        self.expect(b"250").await
    }

    /// Says goodbye and waits for the answer.
    pub(crate) async fn quit(mut self) -> Outcome<()> {
        self.line.send(b"QUIT\r\n").await?;
        self.expect(b"221").await
    }

    /// Reads a whole reply, which must have this code.
    async fn expect(&mut self, code: &[u8]) -> Outcome<()> {
        loop {
            let line = self.line.line().await?;
            if !line.starts_with(code) {
                let said = String::from_utf8_lossy(&line);
                let wanted = String::from_utf8_lossy(code);
                return Err(format!("SMTP: expected {wanted}, got: {said}").into());
            }
            if line.get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

/// MAIL, RCPT and DATA of one message, in one packet.
pub(crate) fn envelope(from: &str, to: &str) -> Vec<u8> {
    format!("MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n").into_bytes()
}
