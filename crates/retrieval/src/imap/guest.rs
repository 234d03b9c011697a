//! A session whose client has not logged in: CAPABILITY, STARTTLS, LOGIN, AUTHENTICATE.

use std::sync::Arc;

use directory::{Attempt, Login, Refusal, Service};
use protocol::{
    imap::{Command, ResponseCode, Secret, Status, Tag, Tagged},
    sasl::{Mechanism, wire},
};
use tokio::time::{Instant, timeout_at};

use super::line::{Heard, Line};
use crate::{
    Shared,
    audit::End,
    budget::Counted,
    login::{self, Next},
};

/// A session before its login.
pub(crate) struct Guest {
    shared: Arc<Shared>,
    line: Line,
    failures: u32,
    deadline: Instant,
}

/// What a command of a guest led to.
enum Turn {
    Stay,
    StartTls,
    In(Box<(Login, Counted)>),
}

impl Guest {
    pub(crate) fn new(shared: Arc<Shared>, line: Line) -> Self {
        let deadline = Instant::now() + line.settings().login_timeout;
        Self {
            shared,
            line,
            failures: 0,
            deadline,
        }
    }

    /// Greets the client and serves it until it has logged in. `None` when it never did; then the connection is closed.
    pub(crate) async fn run(mut self) -> Option<(Line, Login, Counted)> {
        let code = ResponseCode::Capability(self.line.capabilities(false));
        self.line
            .out
            .untagged(Status::Ok, Some(&code), "Kakitome is ready");
        let end = loop {
            match self.turn().await {
                Ok(Turn::Stay) => {}
                Ok(Turn::StartTls) => {
                    let identity = self.shared.identity.load_full();
                    match self.line.start_tls(&identity).await {
                        Ok(line) => self.line = line,
                        Err(error) => {
                            tracing::debug!(%error, "a TLS handshake failed");
                            return None;
                        }
                    }
                }
                Ok(Turn::In(login)) => {
                    let (login, counted) = *login;
                    self.line.set_authenticated(login.account);
                    return Some((self.line, login, counted));
                }
                Err(end) => break end,
            }
        };
        self.line.say_bye(end).await;
        self.line.close().await;
        None
    }

    async fn turn(&mut self) -> Result<Turn, End> {
        self.line.flush().await?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let heard = timeout_at(self.deadline, self.line.hear(left))
            .await
            .map_err(|_| End::TimedOut)??;
        let Heard::Command(Tagged { tag, command }, _room) = heard else {
            self.line.count_bad()?;
            return Ok(Turn::Stay);
        };
        match command {
            Command::Capability => {
                let names = self.line.capabilities(false);
                self.line.out.capability(&names);
                self.ok(&tag, "Done");
            }
            Command::Noop => self.ok(&tag, "Done"),
            Command::Id(fields) => {
                super::session::answer_id(&mut self.line, &fields.unwrap_or_default());
                self.ok(&tag, "Done");
            }
            Command::Logout => {
                self.line.out.bye(None, "See you again");
                self.ok(&tag, "Logged out");
                return Err(End::Logout);
            }
            Command::StartTls if self.line.tls().is_none() => {
                self.ok(&tag, "Begin TLS");
                self.line.flush().await?;
                return Ok(Turn::StartTls);
            }
            Command::StartTls => self.bad(&tag, "The connection is encrypted already")?,
            Command::Login { user, password } => {
                return self.log_in(&tag, &user, &password).await;
            }
            Command::Authenticate { mechanism, initial } => {
                return self.authenticate(&tag, &mechanism, initial).await;
            }
            _ => self.bad(&tag, "Log in first")?,
        }
        Ok(Turn::Stay)
    }

    async fn log_in(&mut self, tag: &Tag, user: &str, password: &Secret) -> Result<Turn, End> {
        if !self.line.may_log_in() {
            return Ok(self.need_privacy(tag));
        }
        let attempt = self.attempt("LOGIN");
        // As with SASL, so that one password works however it is told (RFC 4013 preparation).
        let prepared = protocol::sasl::prepare_identity(user);
        let secret = protocol::sasl::Secret::new(password.expose().to_vec());
        let password = protocol::sasl::prepare_password(&secret);
        let user = prepared.as_deref().unwrap_or(user);
        let verdict = self
            .shared
            .directory
            .authenticate(&attempt, user, password.expose())
            .await;
        self.finish(tag, verdict)
    }

    async fn authenticate(
        &mut self,
        tag: &Tag,
        name: &str,
        initial: Option<Secret>,
    ) -> Result<Turn, End> {
        if !self.line.may_log_in() {
            return Ok(self.need_privacy(tag));
        }
        let offered = name.parse::<Mechanism>().ok().filter(|mechanism| {
            login::mechanisms(self.line.tls(), true).any(|offered| offered == *mechanism)
        });
        let Some(mechanism) = offered else {
            let code = ResponseCode::Cannot;
            self.line
                .out
                .tagged(tag, Status::No, Some(&code), "No such mechanism is offered");
            return Ok(Turn::Stay);
        };
        let attempt = self.attempt(mechanism.name());
        let mut exchange = login::exchange(mechanism, self.line.tls(), &self.shared.world);
        let initial = initial.map(|octets| protocol::sasl::Secret::new(octets.expose().to_vec()));
        let mut step = exchange.start(initial.as_ref());
        loop {
            match login::advance(&self.shared.directory, &attempt, &mut exchange, step).await {
                Next::In(login) => return self.finish(tag, Ok(login)),
                Next::Out(refusal) => return self.finish(tag, Err(refusal)),
                Next::Challenge(challenge) => {
                    self.line.out.challenge(&challenge);
                    let Some(answer) = self.hear_answer(tag).await? else {
                        return Ok(Turn::Stay);
                    };
                    step = exchange.respond(&answer);
                }
            }
        }
    }

    /// The client's answer to a challenge; `None` when it gave up, or what came is none: then the command is answered.
    async fn hear_answer(&mut self, tag: &Tag) -> Result<Option<protocol::sasl::Secret>, End> {
        let line = timeout_at(self.deadline, self.line.hear_line(self.deadline))
            .await
            .map_err(|_| End::TimedOut)??;
        let read = line.map(|line| wire::decode_line(&line, wire::DEFAULT_MAX_LINE));
        match read {
            Some(Ok(wire::ClientLine::Response(answer))) => return Ok(Some(answer)),
            Some(Ok(wire::ClientLine::Cancel)) => self.bad(tag, "Cancelled")?,
            Some(Err(_)) | None => self.bad(tag, "This is no base64")?,
        }
        Ok(None)
    }

    fn finish(&mut self, tag: &Tag, verdict: Result<Login, Refusal>) -> Result<Turn, End> {
        match verdict {
            Ok(login) => {
                let limit = self.line.settings().sessions_per_identifier;
                if let Some(counted) = self.shared.sessions.enter(login.account, limit) {
                    let code = ResponseCode::Capability(self.line.capabilities(true));
                    self.line
                        .out
                        .tagged(tag, Status::Ok, Some(&code), "Logged in");
                    return Ok(Turn::In(Box::new((login, counted))));
                }
                let code = ResponseCode::Limit;
                self.line.out.tagged(
                    tag,
                    Status::No,
                    Some(&code),
                    "Too many sessions of this identifier",
                );
            }
            Err(Refusal::Temporary) => {
                let code = ResponseCode::Unavailable;
                self.line
                    .out
                    .tagged(tag, Status::No, Some(&code), "Try again later");
            }
            Err(Refusal::Credentials) => {
                let code = ResponseCode::AuthenticationFailed;
                self.line.out.tagged(
                    tag,
                    Status::No,
                    Some(&code),
                    "Identifier or password is wrong",
                );
            }
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.line.settings().failed_logins {
            return Err(End::Protocol);
        }
        Ok(Turn::Stay)
    }

    fn attempt(&self, mechanism: &'static str) -> Attempt {
        Attempt {
            service: Service::Mra,
            protocol: "imap",
            mechanism,
            peer: self.line.peer().ip(),
            tls: self.line.tls().is_some(),
            client: self.line.client.clone(),
        }
    }

    fn need_privacy(&mut self, tag: &Tag) -> Turn {
        let code = ResponseCode::PrivacyRequired;
        self.line
            .out
            .tagged(tag, Status::No, Some(&code), "Begin TLS first");
        Turn::Stay
    }

    fn ok(&mut self, tag: &Tag, text: &str) {
        self.line.out.tagged(tag, Status::Ok, None, text);
    }

    fn bad(&mut self, tag: &Tag, text: &str) -> Result<(), End> {
        self.line.out.tagged(tag, Status::Bad, None, text);
        self.line.count_bad()
    }
}
