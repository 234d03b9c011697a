//! A scripted SMTP server: says what it is told to say, and keeps what it got.

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wire::{IdentityHandle, Stream};

/// What came in over one connection or more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub mail: String,
    pub rcpt: Vec<String>,
    pub data: String,
    pub tls: bool,
}

/// Replies other than `250 2.0.0 ok`, by the beginning of the command in capitals; `.` is the end of data and the
/// empty one the greeting. An empty reply closes the connection.
pub type Script = Arc<dyn Fn(&str) -> Option<&'static str> + Send + Sync>;

#[derive(Clone)]
pub struct Peer {
    pub at: SocketAddr,
    pub got: Arc<Mutex<Vec<Message>>>,
    pub connections: Arc<Mutex<usize>>,
}

impl Peer {
    pub async fn start(
        ehlo: &'static [&'static str],
        identity: Option<IdentityHandle>,
        script: Script,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, ehlo, identity, script)
    }

    pub fn serve(
        listener: TcpListener,
        ehlo: &'static [&'static str],
        identity: Option<IdentityHandle>,
        script: Script,
    ) -> Self {
        let peer = Self {
            at: listener.local_addr().unwrap(),
            got: Arc::default(),
            connections: Arc::default(),
        };
        let kept = peer.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                *kept.connections.lock() += 1;
                let session = Session {
                    stream: Some(Stream::plain(socket)),
                    buffer: Vec::new(),
                    ehlo,
                    identity: identity.clone(),
                    script: Arc::clone(&script),
                    got: Arc::clone(&kept.got),
                };
                tokio::spawn(session.run());
            }
        });
        peer
    }

    /// One that takes everything.
    pub async fn willing(ehlo: &'static [&'static str]) -> Self {
        Self::start(ehlo, None, Arc::new(|_| None)).await
    }

    pub fn messages(&self) -> Vec<Message> {
        self.got.lock().clone()
    }
}

struct Session {
    stream: Option<Stream>,
    buffer: Vec<u8>,
    ehlo: &'static [&'static str],
    identity: Option<IdentityHandle>,
    script: Script,
    got: Arc<Mutex<Vec<Message>>>,
}

impl Session {
    async fn run(mut self) {
        let mut message = Message::default();
        if !self.answer("", "220 peer ESMTP").await {
            return;
        }
        while let Some(line) = self.line().await {
            let command = line.to_ascii_uppercase();
            let verb = command
                .split([' ', ':'])
                .next()
                .unwrap_or_default()
                .to_owned();
            let going = match verb.as_str() {
                "EHLO" => {
                    let mut lines = vec!["peer"];
                    let tls = self.stream.as_ref().unwrap().tls().is_some();
                    lines.extend(self.ehlo.iter().filter(|l| !(tls && **l == "STARTTLS")));
                    let last = lines.len() - 1;
                    let text: Vec<String> = lines
                        .iter()
                        .enumerate()
                        .map(|(n, l)| format!("250{}{l}", if n == last { ' ' } else { '-' }))
                        .collect();
                    self.answer("EHLO", &text.join("\r\n")).await
                }
                "STARTTLS" => {
                    if !self.answer("STARTTLS", "220 go").await {
                        return;
                    }
                    let Some(identity) = &self.identity else {
                        return;
                    };
                    let plain = self.stream.take().unwrap();
                    let Ok(stream) = plain.accept_tls(&identity.load_full()).await else {
                        return;
                    };
                    self.stream = Some(stream);
                    true
                }
                "MAIL" => {
                    message = Message {
                        mail: line,
                        tls: self.stream.as_ref().unwrap().tls().is_some(),
                        ..Message::default()
                    };
                    self.answer(&command, "250 2.1.0 ok").await
                }
                "RCPT" => {
                    let refusal = (self.script)(&command);
                    if refusal.is_none() {
                        message.rcpt.push(line);
                    }
                    self.put(refusal.unwrap_or("250 2.1.5 ok")).await
                }
                "DATA" => {
                    if !self.answer("DATA", "354 go").await {
                        return;
                    }
                    while let Some(line) = self.line().await {
                        if line == "." {
                            break;
                        }
                        message
                            .data
                            .push_str(line.strip_prefix('.').unwrap_or(&line));
                        message.data.push_str("\r\n");
                    }
                    if (self.script)(".").is_none() {
                        self.got.lock().push(message.clone());
                    }
                    self.answer(".", "250 2.0.0 taken").await
                }
                "BDAT" => {
                    let mut words = command.split(' ').skip(1);
                    let count: usize = words.next().unwrap().parse().unwrap();
                    let Some(chunk) = self.octets(count).await else {
                        return;
                    };
                    message.data.push_str(&chunk);
                    if words.next() == Some("LAST") {
                        self.got.lock().push(message.clone());
                    }
                    self.answer("BDAT", "250 2.0.0 taken").await
                }
                "QUIT" => {
                    self.answer("QUIT", "221 bye").await;
                    return;
                }
                _ => self.answer(&command, "250 ok").await,
            };
            if !going {
                return;
            }
        }
    }

    async fn answer(&mut self, command: &str, default: &str) -> bool {
        let reply = (self.script)(command).unwrap_or(default);
        self.put(reply).await
    }

    async fn put(&mut self, reply: &str) -> bool {
        if reply.is_empty() {
            return false;
        }
        let stream = self.stream.as_mut().unwrap();
        let written = stream.write_all(format!("{reply}\r\n").as_bytes()).await;
        written.is_ok() && stream.flush().await.is_ok()
    }

    async fn octets(&mut self, count: usize) -> Option<String> {
        while self.buffer.len() < count {
            let mut chunk = [0; 4096];
            let count = self.stream.as_mut()?.read(&mut chunk).await.ok()?;
            if count == 0 {
                return None;
            }
            self.buffer.extend_from_slice(&chunk[..count]);
        }
        let octets: Vec<u8> = self.buffer.drain(..count).collect();
        Some(String::from_utf8_lossy(&octets).into_owned())
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let mut chunk = [0; 4096];
            let count = self.stream.as_mut()?.read(&mut chunk).await.ok()?;
            if count == 0 {
                return None;
            }
            self.buffer.extend_from_slice(&chunk[..count]);
        }
    }
}
