//! What clients of SMTP and IMAP share: lines.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

/// The connection is gone, or the server does not answer.
#[derive(Debug)]
pub(crate) struct Gone;

/// A client's side of a connection.
pub(crate) struct Talk {
    stream: DuplexStream,
    waiting: Vec<u8>,
}

/// Longer than any limit of the server's own.
const PATIENCE: Duration = Duration::from_secs(7200);

impl Talk {
    pub(crate) fn new(stream: DuplexStream) -> Self {
        Self {
            stream,
            waiting: Vec::new(),
        }
    }

    pub(crate) async fn write(&mut self, text: &str) -> Result<(), Gone> {
        let written = self.stream.write_all(text.as_bytes());
        let written = timeout(PATIENCE, written).await.map_err(|_| Gone)?;
        written.map_err(|_| Gone)
    }

    /// One line without its end.
    pub(crate) async fn line(&mut self) -> Result<String, Gone> {
        loop {
            if let Some(end) = self.waiting.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.waiting.drain(..end + 2).collect();
                let line = line.strip_suffix(b"\r\n").unwrap_or(&line);
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            self.more().await?;
        }
    }

    /// So many bytes.
    pub(crate) async fn octets(&mut self, count: usize) -> Result<Vec<u8>, Gone> {
        while self.waiting.len() < count {
            self.more().await?;
        }
        Ok(self.waiting.drain(..count).collect())
    }

    async fn more(&mut self) -> Result<(), Gone> {
        let mut buffer = [0; 4096];
        let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await;
        match read {
            Ok(Ok(count)) if count > 0 => {
                self.waiting
                    .extend_from_slice(buffer.get(..count).unwrap_or_default());
                Ok(())
            }
            _ => Err(Gone),
        }
    }

    /// A whole SMTP reply: its code and text.
    pub(crate) async fn reply(&mut self) -> Result<(u16, String), Gone> {
        let mut text = String::new();
        loop {
            let line = self.line().await?;
            text.push_str(line.get(4..).unwrap_or_default());
            if line.as_bytes().get(3) != Some(&b'-') {
                let code = line.get(..3).and_then(|code| code.parse().ok());
                return Ok((code.ok_or(Gone)?, text));
            }
            text.push('\n');
        }
    }

    /// Sends an SMTP command and reads its reply.
    pub(crate) async fn command(&mut self, line: &str) -> Result<u16, Gone> {
        self.write(&format!("{line}\r\n")).await?;
        Ok(self.reply().await?.0)
    }
}
