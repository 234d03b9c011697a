//! The authorization state (RFC 1939, section 4): USER and PASS, AUTH, STLS.

use std::sync::Arc;

use directory::{Attempt, Login, Refusal, Service, Unproved};
use protocol::{
    pop3::{Authorization, Command, Event, ResponseCode, Secret},
    sasl::{self, Mechanism, wire},
};
use tokio::time::Instant;

use super::{line::Line, maildrop::Entered};
use crate::{
    Shared,
    audit::End,
    login::{self, INITIAL_PASSWORD, Next, SECOND_FACTOR_MISSING},
};

/// The mechanism of a login that named none that is offered.
const UNKNOWN: &str = "unknown";

/// A session before its login.
pub(super) struct Waiting {
    pub(super) shared: Arc<Shared>,
    pub(super) line: Line,
    state: Authorization,
    failures: u32,
    deadline: Instant,
}

/// What a command led to.
pub(super) enum Turn {
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
                return self.need_privacy(command).await;
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
            let (attempt, why) = (self.attempt(UNKNOWN), Unproved::NoSuchMechanism);
            return self.unproved(&attempt, "", why).await;
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
                    match self.hear_answer().await? {
                        Ok(answer) => step = exchange.respond(&answer),
                        Err(why) => return self.unproved(&attempt, "", why).await,
                    }
                }
            }
        }
    }

    /// The client's answer to a challenge, or why there is none.
    async fn hear_answer(&mut self) -> Result<Result<sasl::Secret, Unproved>, End> {
        let Event::Line(line) = self.line.hear_line(self.deadline).await? else {
            return Ok(Err(Unproved::Malformed));
        };
        Ok(match wire::decode_line(&line, wire::DEFAULT_MAX_LINE) {
            Ok(wire::ClientLine::Response(answer)) => Ok(answer),
            Ok(wire::ClientLine::Cancel) => Err(Unproved::Cancelled),
            Err(_) => Err(Unproved::Malformed),
        })
    }

    /// A login on a connection that does not protect it.
    async fn need_privacy(&mut self, command: Command) -> Result<Turn, End> {
        let why = Unproved::PrivacyRequired;
        match command {
            Command::User(name) => {
                let attempt = self.attempt("USER");
                self.state.user(name.clone());
                self.unproved(&attempt, &name, why).await
            }
            // PASS behind a refused USER, or a question about mechanisms: no login of its own.
            Command::Pass(_) if self.state.pass().is_some() => self.need_tls(),
            Command::Auth {
                mechanism: None, ..
            } => self.need_tls(),
            Command::Pass(_) => {
                let attempt = self.attempt("USER");
                self.unproved(&attempt, "", why).await
            }
            _ => {
                let attempt = self.attempt(UNKNOWN);
                self.unproved(&attempt, "", why).await
            }
        }
    }

    fn need_tls(&mut self) -> Result<Turn, End> {
        self.line.out.err(None, "Begin TLS first");
        self.line.count_bad()?;
        Ok(Turn::Stay)
    }

    /// Records and answers a login that ended before any proof was looked at.
    async fn unproved(
        &mut self,
        attempt: &Attempt,
        claimed: &str,
        why: Unproved,
    ) -> Result<Turn, End> {
        let directory = &self.shared.directory;
        directory.refused_unproved(attempt, claimed, why).await;
        let text = match why {
            Unproved::PrivacyRequired => "Begin TLS first",
            Unproved::NoSuchMechanism => "No such mechanism is offered",
            Unproved::Cancelled => "Cancelled",
            Unproved::Malformed | Unproved::StaleChallenge => "This is no base64",
        };
        self.line.out.err(None, text);
        self.count_failure()
    }

    /// One more login that failed: a session has only so many.
    pub(super) fn count_failure(&mut self) -> Result<Turn, End> {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.line.settings().failed_logins {
            return Err(End::Protocol);
        }
        Ok(Turn::Stay)
    }

    async fn finish(&mut self, verdict: Result<Login, Refusal>) -> Result<Turn, End> {
        match verdict {
            Ok(login) => return self.enter(login).await,
            Err(Refusal::Temporary) => {
                self.line
                    .out
                    .err(Some(ResponseCode::SysTemp), "Try again later");
            }
            Err(Refusal::InitialPassword) => {
                self.line
                    .out
                    .err(Some(ResponseCode::Auth), INITIAL_PASSWORD);
            }
            Err(Refusal::SecondFactorMissing) => {
                self.line
                    .out
                    .err(Some(ResponseCode::Auth), SECOND_FACTOR_MISSING);
            }
            Err(Refusal::Credentials | Refusal::Passkey(_)) => {
                self.line
                    .out
                    .err(Some(ResponseCode::Auth), "Identifier or password is wrong");
            }
        }
        self.count_failure()
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
