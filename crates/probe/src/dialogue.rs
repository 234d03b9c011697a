//! A conversation with a server that may be slow, endless or hostile: each thing read is bounded in octets and in time, and
//! all that is said is kept as evidence.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::{
    evidence::{Recorder, Speaker},
    handshake::Handshake,
    reply::{Answer, Reply, escape, reply_line},
    trouble::{LINE, LINES, OCTETS, Trouble, broken},
};

trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Octets for T {}

/// A conversation.
pub(crate) struct Dialogue {
    stream: Box<dyn Octets>,
    /// Read, and not yet taken.
    held: Vec<u8>,
    /// Octets read in all.
    read: usize,
    step: Duration,
    recorder: Recorder,
    /// The chain that the server showed; empty before TLS.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Version and suite, in words.
    pub(crate) security: Option<String>,
    tags: u32,
}

impl Dialogue {
    pub(crate) async fn connect(
        address: SocketAddr,
        step: Duration,
        recorder: Recorder,
    ) -> Result<(Self, SocketAddr), Trouble> {
        let failed = |source| Trouble::Connect { address, source };
        let deadline = deadline(step);
        let connected = timeout_at(deadline, TcpStream::connect(address)).await;
        let stream = connected
            .map_err(|_| Trouble::Slow(step))?
            .map_err(failed)?;
        let local = stream.local_addr().map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        recorder.note(format!("connected to {address}"));
        let dialogue = Self {
            stream: Box::new(stream),
            held: Vec::new(),
            read: 0,
            step,
            recorder,
            chain: Vec::new(),
            security: None,
            tags: 0,
        };
        Ok((dialogue, local))
    }

    /// Goes on under TLS. What was read before and not taken belongs to nobody, and is noted.
    pub(crate) async fn encrypt(mut self, handshake: &Handshake) -> Result<Self, Trouble> {
        if !self.held.is_empty() {
            self.recorder.octets(Speaker::Server, &self.held);
            self.recorder
                .note("the line above came before the handshake");
            self.held.clear();
        }
        let connector = TlsConnector::from(Arc::clone(&handshake.config));
        let shaking = connector.connect(handshake.name.clone(), self.stream);
        let shaken = timeout_at(deadline(self.step), shaking).await;
        let stream = shaken
            .map_err(|_| Trouble::Slow(self.step))?
            .map_err(|error| {
                self.recorder.note(format!("TLS handshake failed: {error}"));
                Trouble::Handshake(error)
            })?;
        let (_, connection) = stream.get_ref();
        let chain = connection.peer_certificates().unwrap_or_default();
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        let version = connection.protocol_version();
        let suite = connection.negotiated_cipher_suite();
        let security = match (version, suite) {
            (Some(version), Some(suite)) => format!("{version:?} {:?}", suite.suite()),
            _ => "TLS".to_owned(),
        };
        self.recorder
            .note(format!("TLS handshake done: {security}"));
        Ok(Self {
            stream: Box::new(stream),
            chain,
            security: Some(security),
            ..self
        })
    }

    /// Sends a command and its line end.
    pub(crate) async fn command(&mut self, command: &str) -> Result<(), Trouble> {
        self.recorder.octets(Speaker::Client, command.as_bytes());
        self.write(&[command.as_bytes(), b"\r\n"].concat()).await
    }

    /// Sends octets as they are.
    pub(crate) async fn octets(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        self.recorder.octets(Speaker::Client, octets);
        self.write(octets).await
    }

    /// Sends octets that evidence tells of in words.
    pub(crate) async fn octets_as(&mut self, octets: &[u8], words: &str) -> Result<(), Trouble> {
        self.recorder.put(Speaker::Client, words.to_owned());
        self.write(octets).await
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        let writing = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        let written = timeout_at(deadline(self.step), writing).await;
        written
            .map_err(|_| Trouble::Slow(self.step))?
            .map_err(broken)
    }

    /// What comes next, as it is; at least one octet.
    pub(crate) async fn some(&mut self) -> Result<Vec<u8>, Trouble> {
        if self.held.is_empty() {
            self.fill(deadline(self.step)).await?;
        }
        Ok(std::mem::take(&mut self.held))
    }

    async fn fill(&mut self, deadline: Instant) -> Result<(), Trouble> {
        let mut octets = [0; 4096];
        let reading = timeout_at(deadline, self.stream.read(&mut octets)).await;
        let count = reading
            .map_err(|_| Trouble::Slow(self.step))?
            .map_err(broken)?;
        let fresh = octets.get(..count).unwrap_or_default();
        if fresh.is_empty() {
            self.recorder.note("the server closed the connection");
            return Err(Trouble::Closed);
        }
        self.read = self.read.saturating_add(count);
        if self.read > OCTETS {
            return Err(Trouble::ManyOctets);
        }
        self.held.extend_from_slice(fresh);
        Ok(())
    }

    /// The next line, without its end.
    async fn line_by(&mut self, deadline: Instant) -> Result<Vec<u8>, Trouble> {
        let mut looked = 0;
        loop {
            let fresh = self
                .held
                .iter()
                .skip(looked)
                .position(|octet| *octet == b'\n');
            if let Some(end) = fresh.map(|at| at.saturating_add(looked)) {
                let rest = self.held.split_off(end.saturating_add(1));
                let mut line = std::mem::replace(&mut self.held, rest);
                line.pop();
                line.pop_if(|octet| *octet == b'\r');
                if line.len() > LINE {
                    return Err(Trouble::LongLine);
                }
                self.recorder.octets(Speaker::Server, &line);
                return Ok(line);
            }
            looked = self.held.len();
            if looked > LINE {
                self.recorder.octets(Speaker::Server, &self.held);
                return Err(Trouble::LongLine);
            }
            self.fill(deadline).await?;
        }
    }

    /// The next line, without its end, as text.
    pub(crate) async fn line(&mut self) -> Result<String, Trouble> {
        let line = self.line_by(deadline(self.step)).await?;
        Ok(escape(&line))
    }

    /// The next reply of SMTP.
    pub(crate) async fn reply(&mut self) -> Result<Reply, Trouble> {
        let deadline = deadline(self.step);
        let mut lines = Vec::new();
        while lines.len() < LINES {
            let line = self.line_by(deadline).await?;
            let Some((code, is_last, text)) = reply_line(&line) else {
                return Err(Trouble::Garbled(escape(line.get(..80).unwrap_or(&line))));
            };
            lines.push(escape(text));
            if is_last {
                return Ok(Reply { code, lines });
            }
        }
        Err(Trouble::ManyLines)
    }

    /// Sends a command of SMTP and reads the reply.
    pub(crate) async fn ask(&mut self, command: &str) -> Result<Reply, Trouble> {
        self.command(command).await?;
        self.reply().await
    }

    /// Gives a command of IMAP and reads until it is answered.
    pub(crate) async fn tagged(&mut self, command: &str) -> Result<Answer, Trouble> {
        let tag = self.tag();
        self.command(&format!("{tag} {command}")).await?;
        self.answer(&tag).await
    }

    /// A tag that was not used yet.
    pub(crate) fn tag(&mut self) -> String {
        self.tags = self.tags.saturating_add(1);
        format!("p{}", self.tags)
    }

    /// Reads until the command of `tag` is answered. A continuation request is answered by nothing, and ends it.
    pub(crate) async fn answer(&mut self, tag: &str) -> Result<Answer, Trouble> {
        let deadline = deadline(self.step);
        let mut untagged = Vec::new();
        while untagged.len() < LINES {
            let line = escape(&self.line_by(deadline).await?);
            if let Some((_, status)) = line.split_once(' ').filter(|(first, _)| *first == tag) {
                let status = status.to_owned();
                return Ok(Answer { untagged, status });
            }
            if line.starts_with('+') {
                return Ok(Answer {
                    untagged,
                    status: line,
                });
            }
            if !line.starts_with('*') {
                return Err(Trouble::Garbled(line.chars().take(80).collect()));
            }
            untagged.push(line);
        }
        Err(Trouble::ManyLines)
    }

    /// Gives a command of POP3 and reads the first line of its answer.
    pub(crate) async fn pop3(&mut self, command: &str) -> Result<String, Trouble> {
        self.command(command).await?;
        self.pop3_status().await
    }

    /// A line that begins with `+OK` or `-ERR`, or asks for more.
    pub(crate) async fn pop3_status(&mut self) -> Result<String, Trouble> {
        let line = self.line().await?;
        match line.starts_with('+') || line.starts_with('-') {
            true => Ok(line),
            false => Err(Trouble::Garbled(line.chars().take(80).collect())),
        }
    }

    /// The lines of an answer of POP3 that ends with a dot.
    pub(crate) async fn pop3_list(&mut self) -> Result<Vec<String>, Trouble> {
        let deadline = deadline(self.step);
        let mut lines = Vec::new();
        while lines.len() < LINES {
            let line = escape(&self.line_by(deadline).await?);
            if line == "." {
                return Ok(lines);
            }
            lines.push(line);
        }
        Err(Trouble::ManyLines)
    }

    /// A farewell, for the server's sake; whether it hears it tells nothing.
    pub(crate) async fn farewell(&mut self, command: &str) {
        if let Err(trouble) = self.command(command).await {
            self.recorder.note(trouble.to_string());
        }
    }
}

fn deadline(step: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(step).unwrap_or(now)
}
