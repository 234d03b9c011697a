//! What a check has at hand: the plan, names, ways to open sessions, and the recorder of its evidence.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;
use tokio::sync::OnceCell;
use world::World;

use crate::{
    Plan, Protocol, Tls, dialogue::Dialogue, evidence::Recorder, handshake::Handshake,
    relay::Control, reply::Reply, starttls::farewell, trouble::Trouble,
};

/// How a session is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secure {
    /// As a client of this protocol would have it; see [`Tls::AsUsual`].
    AsUsual,
    /// Without STARTTLS. Where TLS begins at once, that stays so.
    Plain,
    /// Under TLS, one way or the other.
    Encrypted,
}

/// What is known of the server before the checks begin.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The name in its greeting, or the one it was called by.
    pub(crate) name: String,
    /// A domain that it takes mail for.
    pub(crate) own: String,
    /// The probe's own address literal, for EHLO.
    pub(crate) me: String,
}

/// What a check has at hand.
pub(crate) struct Context<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) world: &'p World,
    pub(crate) recorder: Recorder,
    pub(crate) handshake: Handshake,
    pub(crate) server: Server,
    /// A local part that nobody has.
    pub(crate) nobody: String,
    /// Whether the server takes mail for its own domain from us.
    pub(crate) control: OnceCell<Control>,
}

/// A session of SMTP after EHLO.
pub(crate) struct Smtp {
    pub(crate) dialogue: Dialogue,
    /// What EHLO lists, in upper case, each with its parameters.
    pub(crate) offers: Vec<String>,
    /// The whole reply to EHLO.
    pub(crate) hello: Reply,
}

impl Smtp {
    /// The parameters of an extension that is offered.
    pub(crate) fn offered(&self, keyword: &str) -> Option<&str> {
        self.offers.iter().find_map(|offer| {
            let (word, rest) = offer.split_once([' ', '=']).unwrap_or((offer, ""));
            (word == keyword).then_some(rest)
        })
    }

    pub(crate) async fn ask(&mut self, command: &str) -> Result<Reply, Trouble> {
        self.dialogue.ask(command).await
    }

    /// A command that has to be taken for the check to go on.
    pub(crate) async fn need(&mut self, command: &str) -> Result<Reply, Trouble> {
        let reply = self.ask(command).await?;
        match reply.is_positive() || reply.code == 354 {
            true => Ok(reply),
            false => Err(Trouble::Refused {
                command: command.to_owned(),
                answer: reply.text(),
            }),
        }
    }

    /// Begins the session: EHLO, and HELO where that is not known.
    async fn hello(mut dialogue: Dialogue, name: &str) -> Result<Self, Trouble> {
        let mut hello = dialogue.ask(&format!("EHLO {name}")).await?;
        if !hello.is_positive() {
            hello = dialogue.ask(&format!("HELO {name}")).await?;
        }
        let offers = hello.lines.iter().skip(1);
        let offers = offers.map(|line| line.to_ascii_uppercase()).collect();
        Ok(Self {
            dialogue,
            offers,
            hello,
        })
    }

    pub(crate) async fn quit(mut self) {
        self.dialogue.farewell("QUIT").await;
    }
}

impl<'p> Context<'p> {
    pub(crate) fn new(
        plan: &'p Plan,
        world: &'p World,
        address: SocketAddr,
    ) -> Result<Self, rustls::Error> {
        let name = ServerName::try_from(plan.certificate_name().to_owned());
        let name = name.unwrap_or_else(|_| ServerName::from(address.ip()));
        Ok(Self {
            plan,
            world,
            recorder: Recorder::default(),
            handshake: Handshake::with(name)?,
            server: Server {
                address,
                name: plan.host.clone(),
                own: String::new(),
                me: "localhost".to_owned(),
            },
            nobody: nobody(world),
            control: OnceCell::new(),
        })
    }

    /// Looks whether the server is there, and learns its names.
    pub(crate) async fn reach(&mut self) -> Result<(), Trouble> {
        let (mut dialogue, local) = self.connect().await?;
        let greeting = self.greeting(&mut dialogue).await?;
        let ip = local.ip();
        self.server.me = literal(ip);
        if self.plan.protocol.is_smtp()
            && let Some(name) = greeting.split_whitespace().next()
            && name.contains('.')
        {
            name.clone_into(&mut self.server.name);
        }
        let of_recipient = self
            .plan
            .recipient
            .as_deref()
            .and_then(|r| r.rsplit_once('@'));
        self.server.own = match (&self.plan.domain, of_recipient) {
            (Some(domain), _) => domain.clone(),
            (None, Some((_, domain))) => domain.to_owned(),
            (None, None) => self.server.name.clone(),
        };
        dialogue.farewell(farewell(self.plan.protocol)).await;
        Ok(())
    }

    /// A connection, under TLS if that begins at once.
    pub(crate) async fn connect(&self) -> Result<(Dialogue, SocketAddr), Trouble> {
        let (dialogue, local) = self.connect_bare().await?;
        match self.plan.tls {
            Tls::Implicit => Ok((dialogue.encrypt(&self.handshake).await?, local)),
            Tls::AsUsual | Tls::StartTls => Ok((dialogue, local)),
        }
    }

    /// A connection on which nothing was said yet.
    pub(crate) async fn connect_bare(&self) -> Result<(Dialogue, SocketAddr), Trouble> {
        let recorder = self.recorder.clone();
        Dialogue::connect(self.server.address, self.plan.step_time, recorder).await
    }

    /// Reads the greeting, whatever is spoken; its text.
    pub(crate) async fn greeting(&self, dialogue: &mut Dialogue) -> Result<String, Trouble> {
        let refused = |answer: String| Trouble::Refused {
            command: "the connection".to_owned(),
            answer,
        };
        match self.plan.protocol {
            Protocol::Smtp | Protocol::Submission => {
                let reply = dialogue.reply().await?;
                match reply.is_positive() {
                    true => Ok(reply.lines.join(" ")),
                    false => Err(refused(reply.text())),
                }
            }
            Protocol::Imap => {
                let line = dialogue.line().await?;
                match line.strip_prefix("* ") {
                    Some(rest) if !rest.starts_with("BYE") => Ok(rest.to_owned()),
                    Some(_) => Err(refused(line)),
                    None => Err(Trouble::Garbled(line.chars().take(80).collect())),
                }
            }
            Protocol::Pop3 => {
                let line = dialogue.pop3_status().await?;
                match line.strip_prefix("+OK") {
                    Some(rest) => Ok(rest.trim().to_owned()),
                    None => Err(refused(line)),
                }
            }
        }
    }

    /// A session after its greeting; in IMAP and POP3 nothing was said yet, or TLS was begun.
    pub(crate) async fn open(&self, secure: Secure) -> Result<Dialogue, Trouble> {
        let (mut dialogue, _) = self.connect().await?;
        self.greeting(&mut dialogue).await?;
        match self.is_wanted(secure) && dialogue.security.is_none() {
            true => self.start_tls(dialogue).await,
            false => Ok(dialogue),
        }
    }

    /// A session of SMTP after EHLO.
    pub(crate) async fn smtp(&self, secure: Secure) -> Result<Smtp, Trouble> {
        self.smtp_as(&self.server.me, secure).await
    }

    /// The same under a name of one's own.
    pub(crate) async fn smtp_as(&self, name: &str, secure: Secure) -> Result<Smtp, Trouble> {
        let (mut dialogue, _) = self.connect().await?;
        self.greeting(&mut dialogue).await?;
        let session = Smtp::hello(dialogue, name).await?;
        if session.dialogue.security.is_some() {
            return Ok(session);
        }
        let usual = secure == Secure::AsUsual
            && self.plan.protocol == Protocol::Submission
            && session.offered("STARTTLS").is_some();
        if !self.is_wanted(secure) && !usual {
            return Ok(session);
        }
        let dialogue = self.start_tls(session.dialogue).await?;
        Smtp::hello(dialogue, name).await
    }

    fn is_wanted(&self, secure: Secure) -> bool {
        match secure {
            Secure::AsUsual => self.plan.tls == Tls::StartTls,
            Secure::Plain => false,
            Secure::Encrypted => true,
        }
    }

    /// Goes on under TLS.
    pub(crate) async fn start_tls(&self, mut dialogue: Dialogue) -> Result<Dialogue, Trouble> {
        self.ask_for_tls(&mut dialogue).await?;
        dialogue.encrypt(&self.handshake).await
    }

    /// Asks for TLS; the handshake comes next.
    pub(crate) async fn ask_for_tls(&self, dialogue: &mut Dialogue) -> Result<(), Trouble> {
        let (taken, answer) = match self.plan.protocol {
            Protocol::Smtp | Protocol::Submission => {
                let reply = dialogue.ask("STARTTLS").await?;
                (reply.code == 220, reply.text())
            }
            Protocol::Imap => {
                let answer = dialogue.tagged("STARTTLS").await?;
                (answer.is_ok(), answer.status)
            }
            Protocol::Pop3 => {
                let line = dialogue.pop3("STLS").await?;
                (line.starts_with("+OK"), line)
            }
        };
        match taken {
            true => Ok(()),
            false => Err(Trouble::NoTls(answer)),
        }
    }

    /// The address that exists, or why the check cannot be made.
    pub(crate) fn recipient(&self) -> Result<&str, Trouble> {
        let missing = "it needs an address that exists (--recipient)";
        self.plan
            .recipient
            .as_deref()
            .ok_or(Trouble::NotAllowed(missing))
    }

    /// An address at the own domain that nobody has.
    pub(crate) fn nobody_here(&self) -> String {
        let of_recipient = self
            .plan
            .recipient
            .as_deref()
            .and_then(|r| r.rsplit_once('@'));
        let domain = of_recipient.map_or(self.server.own.as_str(), |(_, domain)| domain);
        format!("{}@{domain}", self.nobody)
    }
}

/// An address as EHLO and mailboxes name it (RFC 5321, section 4.1.3).
pub(crate) fn literal(ip: std::net::IpAddr) -> String {
    match ip.to_canonical() {
        std::net::IpAddr::V4(ip) => format!("[{ip}]"),
        std::net::IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

fn nobody(world: &World) -> String {
    let number = u64::from_le_bytes(world.bytes());
    format!("nobody-{number:016x}")
}
