//! The authorization state (RFC 1939, section 4): USER and PASS, AUTH, STLS; and opening the maildrop.

use std::sync::Arc;

use directory::{Attempt, Login, Refusal, Service};
use protocol::{
    pop3::{Authorization, Command, Event, Listed, ResponseCode, Secret},
    sasl::{self, Mechanism, wire},
};
use store::{BodyId, Error, MailboxId, mailbox};
use tokio::time::Instant;

use super::line::Line;
use crate::{
    Shared,
    audit::End,
    budget::{Counted, Opened},
    login::{self, Next},
};

/// A session before its login.
pub(super) struct Waiting {
    shared: Arc<Shared>,
    line: Line,
    state: Authorization,
    failures: u32,
    deadline: Instant,
}

/// A login with its maildrop.
pub(super) struct Entered {
    pub login: Login,
    pub mailbox: MailboxId,
    pub messages: Vec<Message>,
    pub listed: Vec<Listed>,
    pub counted: Counted,
    pub opened: Opened,
}

/// A message of the maildrop.
#[derive(Clone, Copy)]
pub(super) struct Message {
    pub uid: u32,
    pub body: BodyId,
    pub size: u64,
}

enum Turn {
    Stay,
    StartTls,
    In(Box<Entered>),
}

impl Waiting {
    pub(super) fn new(shared: Arc<Shared>, line: Line) -> Self {
        let deadline = Instant::now() + line.settings().login_timeout;
        Self {
            shared,
            line,
            state: Authorization::new(),
            failures: 0,
            deadline,
        }
    }

    /// Greets the client and serves it until it has its maildrop. `None` when it never got one; then the connection is closed.
    pub(super) async fn run(mut self) -> Option<(Line, Entered)> {
        self.line.out.ok("Kakitome is ready");
        let end = loop {
            match self.turn().await {
                Ok(Turn::Stay) => {}
                Ok(Turn::StartTls) => {
                    let identity = self.shared.identity.load_full();
                    match self.line.start_tls(&identity).await {
                        Ok(line) => {
                            self.line = line;
                            self.state = Authorization::new();
                        }
                        Err(error) => {
                            tracing::debug!(%error, "a TLS handshake failed");
                            return None;
                        }
                    }
                }
                Ok(Turn::In(entered)) => return Some((self.line, *entered)),
                Err(end) => break end,
            }
        };
        self.line.close(end).await;
        None
    }

    async fn turn(&mut self) -> Result<Turn, End> {
        self.line.flush().await?;
        match self.line.hear_until(self.deadline).await? {
            Event::Command(command) => self.obey(command).await,
            Event::Error(error) => {
                self.line.out.err(None, &error.to_string());
                self.line.count_bad()?;
                Ok(Turn::Stay)
            }
            Event::Line(_) => Ok(Turn::Stay),
        }
    }

    async fn obey(&mut self, command: Command) -> Result<Turn, End> {
        match command {
            Command::Capa => self.line.tell_capabilities(false),
            Command::Stls if self.line.tls().is_none() => {
                self.line.out.ok("Begin TLS");
                self.line.flush().await?;
                return Ok(Turn::StartTls);
            }
            Command::Stls => self
                .line
                .out
                .err(None, "The connection is encrypted already"),
            Command::Utf8 => self.line.out.ok("UTF-8 it is"),
            Command::Quit => {
                self.line.out.ok("See you again");
                return Err(End::Logout);
            }
            Command::User(_) | Command::Pass(_) | Command::Auth { .. }
                if !self.line.may_log_in() =>
            {
                self.line.out.err(None, "Begin TLS first");
            }
            Command::User(name) => {
                self.state.user(name);
                self.line.out.ok("Now the password");
            }
            Command::Pass(password) => return self.log_in(&password).await,
            Command::Auth {
                mechanism: None, ..
            } => {
                let offered = login::mechanisms(self.line.tls(), true).map(Mechanism::name);
                let offered: Vec<&str> = offered.collect();
                self.line.out.mechanisms(&offered);
            }
            Command::Auth {
                mechanism: Some(name),
                initial,
            } => return self.authenticate(&name, initial).await,
            _ => {
                self.line.out.err(None, "Log in first");
                self.line.count_bad()?;
            }
        }
        Ok(Turn::Stay)
    }

    async fn log_in(&mut self, password: &Secret) -> Result<Turn, End> {
        let Some(user) = self.state.pass() else {
            self.line.out.err(None, "USER first");
            return Ok(Turn::Stay);
        };
        let attempt = self.attempt("USER");
        let user = sasl::prepare_identity(&user).unwrap_or(user);
        let password = sasl::prepare_password(&sasl::Secret::new(password.expose().to_vec()));
        let directory = &self.shared.directory;
        let verdict = directory
            .authenticate(&attempt, &user, password.expose())
            .await;
        self.finish(verdict).await
    }

    async fn authenticate(&mut self, name: &str, initial: Option<Secret>) -> Result<Turn, End> {
        let offered = name.parse::<Mechanism>().ok().filter(|mechanism| {
            login::mechanisms(self.line.tls(), true).any(|offered| offered == *mechanism)
        });
        let Some(mechanism) = offered else {
            self.line.out.err(None, "No such mechanism is offered");
            return Ok(Turn::Stay);
        };
        let attempt = self.attempt(mechanism.name());
        let mut exchange = login::exchange(mechanism, self.line.tls(), &self.shared.world);
        let initial = initial.map(|octets| sasl::Secret::new(octets.expose().to_vec()));
        let mut step = exchange.start(initial.as_ref());
        loop {
            match login::advance(&self.shared.directory, &attempt, &mut exchange, step).await {
                Next::In(login) => return self.finish(Ok(login)).await,
                Next::Out(refusal) => return self.finish(Err(refusal)).await,
                Next::Challenge(challenge) => {
                    self.line.out.challenge(&challenge);
                    let Event::Line(line) = self.line.hear_line(self.deadline).await? else {
                        self.line.out.err(None, "This is no answer");
                        return Ok(Turn::Stay);
                    };
                    match wire::decode_line(&line, wire::DEFAULT_MAX_LINE) {
                        Ok(wire::ClientLine::Response(answer)) => step = exchange.respond(&answer),
                        Ok(wire::ClientLine::Cancel) => {
                            self.line.out.err(None, "Cancelled");
                            return Ok(Turn::Stay);
                        }
                        Err(_) => {
                            self.line.out.err(None, "This is no base64");
                            return Ok(Turn::Stay);
                        }
                    }
                }
            }
        }
    }

    async fn finish(&mut self, verdict: Result<Login, Refusal>) -> Result<Turn, End> {
        match verdict {
            Ok(login) => return Ok(self.enter(login).await),
            Err(Refusal::Temporary) => {
                self.line
                    .out
                    .err(Some(ResponseCode::SysTemp), "Try again later");
            }
            Err(Refusal::Credentials) => {
                self.line
                    .out
                    .err(Some(ResponseCode::Auth), "Identifier or password is wrong");
            }
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.line.settings().failed_logins {
            return Err(End::Protocol);
        }
        Ok(Turn::Stay)
    }

    /// Opens the maildrop of who has logged in.
    async fn enter(&mut self, login: Login) -> Turn {
        let limit = self.line.settings().sessions_per_identifier;
        let Some(counted) = self.shared.sessions.enter(login.account, limit) else {
            self.line.out.err(
                Some(ResponseCode::SysTemp),
                "Too many sessions of this identifier",
            );
            return Turn::Stay;
        };
        let Some(opened) = self.shared.maildrops.open(login.account) else {
            self.line.out.err(
                Some(ResponseCode::InUse),
                "Another session has the maildrop",
            );
            return Turn::Stay;
        };
        match self.read_maildrop(&login).await {
            Ok((mailbox, messages, listed)) => {
                self.line.out.ok(&format!("{} messages", messages.len()));
                Turn::In(Box::new(Entered {
                    login,
                    mailbox,
                    messages,
                    listed,
                    counted,
                    opened,
                }))
            }
            Err(error) => {
                tracing::error!(%error, "a maildrop could not be read");
                self.line.out.err(
                    Some(ResponseCode::SysTemp),
                    "The maildrop cannot be read now",
                );
                Turn::Stay
            }
        }
    }

    async fn read_maildrop(
        &self,
        login: &Login,
    ) -> Result<(MailboxId, Vec<Message>, Vec<Listed>), Error> {
        let account = login.account;
        self.shared
            .store
            .read(move |snapshot| {
                let inbox = mailbox::by_name(snapshot, account, protocol::imap::INBOX)?
                    .ok_or_else(|| Error::NotFound("INBOX".to_owned()))?;
                let entries = mailbox::entries(snapshot, inbox.id, 1, inbox.uid_next)?;
                let listed = entries.iter().map(|entry| Listed {
                    size: entry.size,
                    // UIDs are never used again within a UIDVALIDITY: unique for ever, as UIDL demands.
                    uid: format!("{}.{}", inbox.uid_validity, entry.uid).into(),
                });
                let listed = listed.collect();
                let messages = entries.iter().map(|entry| Message {
                    uid: entry.uid,
                    body: entry.body,
                    size: entry.size,
                });
                Ok((inbox.id, messages.collect(), listed))
            })
            .await
    }

    fn attempt(&self, mechanism: &'static str) -> Attempt {
        Attempt {
            service: Service::Mra,
            protocol: "pop3",
            mechanism,
            peer: self.line.peer().ip(),
            tls: self.line.tls().is_some(),
            client: None,
        }
    }
}
