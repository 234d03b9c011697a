//! Mail of the year: sessions over connections in memory, as mail programs and other servers hold them, with the addresses of the
//! terminals and servers that they come from.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use miette::{IntoDiagnostic as _, Result, WrapErr as _, miette};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    time::timeout,
};
use wire::{ShutdownHandle, Stream};

use super::office::Person;
use crate::{settings::Service, site::Site};

/// How long one reply may take, in the time of this machine.
const REPLY_TIME: Duration = Duration::from_secs(120);
/// Octets that are under way in one direction at most.
const PIPE: usize = 64 << 10;

/// Who connects, and how.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) site: Arc<Site>,
    pub(super) tls: Arc<ClientConfig>,
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) from: String,
    pub(super) from_name: String,
    pub(super) to: Vec<String>,
    pub(super) subject: String,
    pub(super) text: String,
    /// Name and content of a file.
    pub(super) file: Option<(String, Vec<u8>)>,
    /// What its Message-ID begins with.
    pub(super) id: String,
}

impl Letter {
    /// The message as it is sent, dots doubled, with the final one.
    fn written(&self) -> String {
        let word = |text: &str| format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(text));
        let to: Vec<String> = self.to.iter().map(|to| format!("<{to}>")).collect();
        let domain = self.from.rsplit('@').next().unwrap_or_default();
        let head = format!(
            "From: {} <{}>\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: <{}@{domain}>\r\nMIME-Version: 1.0\r\n",
            word(&self.from_name),
            self.from,
            to.join(",\r\n "),
            word(&self.subject),
            self.id
        );
        let text =
            "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        let body = lines(self.text.as_bytes());
        match &self.file {
            None => format!("{head}{text}{body}.\r\n"),
            Some((name, content)) => format!(
                "{head}Content-Type: multipart/mixed; boundary=\"=_year\"\r\n\r\n--=_year\r\n{text}{body}\r\n--=_year\r\n\
                 Content-Type: application/octet-stream; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{}\r\n--=_year--\r\n.\r\n",
                lines(content)
            ),
        }
    }
}

/// Base64 in lines.
fn lines(octets: &[u8]) -> String {
    let mut text = String::new();
    for part in octets.chunks(57) {
        text.push_str(&BASE64_STANDARD.encode(part));
        text.push_str("\r\n");
    }
    text
}

impl Wire {
    /// Somebody here submits a message from a terminal; what the server says to it.
    pub(super) async fn submit(
        &self,
        (who, password): (&str, &str),
        from: IpAddr,
        letter: &Letter,
    ) -> Result<String> {
        let mut talk = Talk::open(self, Service::Submissions, from).await?;
        talk.smtp("EHLO terminal.city.example", "250").await?;
        let proof = BASE64_STANDARD.encode(format!("\0{who}\0{password}"));
        talk.smtp(&format!("AUTH PLAIN {proof}"), "235").await?;
        let reply = talk.send(letter).await?;
        talk.end().await?;
        Ok(reply)
    }

    /// Another server hands a message over; what the server says to it.
    pub(super) async fn hand_over(&self, from: IpAddr, letter: &Letter) -> Result<String> {
        let mut talk = Talk::open(self, Service::Smtp, from).await?;
        let domain = letter.from.rsplit('@').next().unwrap_or("unknown.example");
        talk.smtp(&format!("EHLO mail.{domain}"), "250").await?;
        let reply = talk.send(letter).await?;
        talk.end().await?;
        Ok(reply)
    }

    /// Somebody fetches the mail of a mailbox that came since the `read`th; how much there is now.
    pub(super) async fn fetch(
        &self,
        (who, password): (&str, &str),
        from: IpAddr,
        read: u32,
    ) -> Result<u32> {
        let mut talk = Talk::open(self, Service::Imaps, from).await?;
        talk.imap(&format!("LOGIN \"{who}\" \"{password}\""))
            .await?;
        let selected = talk.imap("SELECT INBOX").await?;
        let count = selected.iter().find_map(|line| {
            let number = line.strip_prefix("* ")?.strip_suffix(" EXISTS")?;
            number.parse::<u32>().ok()
        });
        let count = count.ok_or_else(|| miette!("INBOX says no number: {selected:?}"))?;
        if count > read {
            let first = read.saturating_add(1);
            talk.imap(&format!("FETCH {first}:* (FLAGS BODY[])"))
                .await?;
        }
        talk.imap("LOGOUT").await?;
        talk.end().await?;
        Ok(count)
    }

    /// Somebody mistypes a password, and is not let in.
    pub(super) async fn mistype(&self, who: &str, from: IpAddr) -> Result<()> {
        let mut talk = Talk::open(self, Service::Imaps, from).await?;
        let tried = talk.imap(&format!("LOGIN \"{who}\" \"mistyped\"")).await;
        talk.end().await?;
        match tried {
            Ok(_) => Err(miette!("a mistyped password let {who} in")),
            Err(_) => Ok(()),
        }
    }

    /// Somebody tries to have mail relayed that is not for here, and is refused.
    pub(super) async fn try_relay(&self, from: IpAddr) -> Result<()> {
        let mut talk = Talk::open(self, Service::Smtp, from).await?;
        talk.smtp("EHLO relay.example", "250").await?;
        talk.smtp("MAIL FROM:<x@relay.example>", "250").await?;
        talk.smtp("RCPT TO:<y@elsewhere.example>", "5").await?;
        talk.smtp("QUIT", "221").await?;
        talk.end().await
    }

    /// Somebody names addresses that nobody has, until it is turned away; whether it was.
    pub(super) async fn guess(&self, from: IpAddr, names: &[String]) -> Result<bool> {
        let mut talk = Talk::unheard(self, Service::Smtp, from);
        let shut = talk.guess(names).await?;
        talk.end().await?;
        Ok(shut)
    }
}

/// A session, one line at a time.
struct Talk {
    stream: BufReader<Stream>,
    tag: u32,
    /// The server's side.
    served: tokio::task::JoinHandle<()>,
}

impl Talk {
    /// Over TLS where the service begins with it, after the greeting.
    async fn open(wire: &Wire, service: Service, from: IpAddr) -> Result<Self> {
        let mut talk = Self::unheard(wire, service, from);
        if matches!(service, Service::Submissions | Service::Imaps) {
            let name = ServerName::try_from("localhost").into_diagnostic()?;
            let Self {
                stream,
                tag,
                served,
            } = talk;
            let stream = stream.into_inner();
            let stream = stream.connect_tls(Arc::clone(&wire.tls), name).await;
            talk = Self {
                stream: BufReader::new(stream.into_diagnostic()?),
                tag,
                served,
            };
        }
        let greeting = talk.line().await?;
        if !greeting.starts_with("220") && !greeting.starts_with("* OK") {
            return Err(miette!("the year's server greets with {greeting:?}"));
        }
        Ok(talk)
    }

    fn unheard(wire: &Wire, service: Service, from: IpAddr) -> Self {
        let (own, its) = tokio::io::duplex(PIPE);
        let site = Arc::clone(&wire.site);
        // Nobody ends it but the client.
        let (handle, shutdown) = ShutdownHandle::new();
        let served = tokio::spawn(async move {
            let peer = SocketAddr::new(from, 50_000);
            site.session(service, Stream::plain(its), peer, shutdown)
                .await;
            drop(handle);
        });
        Self {
            stream: BufReader::new(Stream::plain(own)),
            tag: 0,
            served,
        }
    }

    /// Hangs up, and waits until the server has written down what it has to: time goes on only then.
    async fn end(self) -> Result<()> {
        drop(self.stream);
        let ended = timeout(REPLY_TIME, self.served).await.into_diagnostic();
        ended
            .wrap_err("a session of the year does not end")?
            .into_diagnostic()
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let read = timeout(REPLY_TIME, self.stream.read_until(b'\n', &mut line));
        let read = read.await.into_diagnostic();
        let read = read.wrap_err("the year's server does not answer")?;
        if read.into_diagnostic()? == 0 {
            return Err(miette!("the year's server hung up"));
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn guess(&mut self, names: &[String]) -> Result<bool> {
        if self.line().await?.starts_with("421") {
            return Ok(true);
        }
        self.smtp("HELO flood.example", "250").await?;
        self.smtp("MAIL FROM:<x@flood.example>", "250").await?;
        for name in names {
            self.say(&format!("RCPT TO:<{name}>")).await?;
            if self.line().await?.starts_with("421") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn say(&mut self, line: &str) -> Result<()> {
        let octets = format!("{line}\r\n");
        self.stream
            .write_all(octets.as_bytes())
            .await
            .into_diagnostic()?;
        self.stream.flush().await.into_diagnostic()
    }

    async fn smtp(&mut self, line: &str, wanted: &str) -> Result<String> {
        self.say(line).await?;
        self.smtp_reply(wanted).await
    }

    async fn smtp_reply(&mut self, wanted: &str) -> Result<String> {
        loop {
            let line = self.line().await?;
            if !line.starts_with(wanted) {
                return Err(miette!("the year's server said {line:?}, not {wanted}"));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }

    /// Sends a message; the reply to it, whatever that is.
    async fn send(&mut self, letter: &Letter) -> Result<String> {
        self.smtp(&format!("MAIL FROM:<{}>", letter.from), "250")
            .await?;
        for to in &letter.to {
            self.smtp(&format!("RCPT TO:<{to}>"), "250").await?;
        }
        self.smtp("DATA", "354").await?;
        let octets = letter.written();
        self.stream
            .write_all(octets.as_bytes())
            .await
            .into_diagnostic()?;
        self.stream.flush().await.into_diagnostic()?;
        let reply = self.smtp_reply("").await?;
        self.smtp("QUIT", "221").await?;
        Ok(reply)
    }

    /// One command; the lines up to its end, which has to be OK.
    async fn imap(&mut self, command: &str) -> Result<Vec<String>> {
        self.tag = self.tag.saturating_add(1);
        let tag = format!("y{} ", self.tag);
        self.say(&format!("{tag}{command}")).await?;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if let Some(end) = line.strip_prefix(&tag) {
                if !end.starts_with("OK") {
                    let verb = command.split(' ').next().unwrap_or_default();
                    return Err(miette!("the year's server said {end:?} to {verb}"));
                }
                return Ok(lines);
            }
            lines.push(line);
        }
    }
}

/// A terminal of somebody at the office: each has its own.
pub(super) fn terminal(person: &Person) -> IpAddr {
    let octets = trail::merkle::sha256(&[person.name.as_bytes()]);
    let [a, b, ..] = octets;
    IpAddr::from([10, 20, a, b.max(1)])
}
