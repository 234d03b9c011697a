//! A session whose client has not logged in: CAPABILITY, STARTTLS, LOGIN, AUTHENTICATE.

use std::sync::Arc;

use directory::{Attempt, Login, Refusal, Service, Unproved};
use protocol::{
    imap::{Command, ResponseCode, Secret, Status, Tag, Tagged},
    sasl::{Mechanism, wire},
};
use tokio::time::{Instant, timeout_at};

use super::line::{Heard, Line};
use crate::{
    Shared,
    audit::{Agent, End, Tally},
    budget::Counted,
    login::{self, INITIAL_PASSWORD, Next, SECOND_FACTOR_MISSING},
};

/// The mechanism of a login that named none that is offered.
const UNKNOWN: &str = "unknown";

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
        let attempt = self.attempt("LOGIN");
        if !self.line.may_log_in() {
            let why = Unproved::PrivacyRequired;
            return self.unproved(tag, &attempt, user, why).await;
        }
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
        self.finish(tag, verdict).await
    }

    async fn authenticate(
        &mut self,
        tag: &Tag,
        name: &str,
        initial: Option<Secret>,
    ) -> Result<Turn, End> {
        if !self.line.may_log_in() {
            let (attempt, why) = (self.attempt(UNKNOWN), Unproved::PrivacyRequired);
            return self.unproved(tag, &attempt, "", why).await;
        }
        let offered = name.parse::<Mechanism>().ok().filter(|mechanism| {
            login::mechanisms(self.line.tls(), true).any(|offered| offered == *mechanism)
        });
        let Some(mechanism) = offered else {
            let (attempt, why) = (self.attempt(UNKNOWN), Unproved::NoSuchMechanism);
            return self.unproved(tag, &attempt, "", why).await;
        };
        let attempt = self.attempt(mechanism.name());
        let mut exchange = login::exchange(mechanism, self.line.tls(), &self.shared.world);
        let initial = initial.map(|octets| protocol::sasl::Secret::new(octets.expose().to_vec()));
        let mut step = exchange.start(initial.as_ref());
        loop {
            match login::advance(&self.shared.directory, &attempt, &mut exchange, step).await {
                Next::In(login) => return self.finish(tag, Ok(login)).await,
                Next::Out(refusal) => return self.finish(tag, Err(refusal)).await,
                Next::Challenge(challenge) => {
                    self.line.out.challenge(&challenge);
                    match self.hear_answer().await? {
                        Ok(answer) => step = exchange.respond(&answer),
                        Err(why) => return self.unproved(tag, &attempt, "", why).await,
                    }
                }
            }
        }
    }

    /// The client's answer to a challenge, or why there is none.
    async fn hear_answer(&mut self) -> Result<Result<protocol::sasl::Secret, Unproved>, End> {
        let line = timeout_at(self.deadline, self.line.hear_line(self.deadline))
            .await
            .map_err(|_| End::TimedOut)??;
        let read = line.map(|line| wire::decode_line(&line, wire::DEFAULT_MAX_LINE));
        Ok(match read {
            Some(Ok(wire::ClientLine::Response(answer))) => Ok(answer),
            Some(Ok(wire::ClientLine::Cancel)) => Err(Unproved::Cancelled),
            Some(Err(_)) | None => Err(Unproved::Malformed),
        })
    }

    async fn finish(&mut self, tag: &Tag, verdict: Result<Login, Refusal>) -> Result<Turn, End> {
        let (code, text) = match verdict {
            Ok(login) => {
                let limit = self.line.settings().sessions_per_identifier;
                if let Some(counted) = self.shared.sessions.enter(login.account, limit) {
                    let code = ResponseCode::Capability(self.line.capabilities(true));
                    self.line
                        .out
                        .tagged(tag, Status::Ok, Some(&code), "Logged in");
                    return Ok(Turn::In(Box::new((login, counted))));
                }
                // The trail has the proof already; it must also have that no session came of it.
                let who = Agent::new(&login, self.line.peer().ip(), "imap");
                Tally::new()
                    .record(&self.shared.store, &who, self.line.facts(), End::TooMany)
                    .await;
                (ResponseCode::Limit, "Too many sessions of this identifier")
            }
            Err(Refusal::Temporary) => (ResponseCode::Unavailable, "Try again later"),
            Err(Refusal::InitialPassword) => (ResponseCode::Expired, INITIAL_PASSWORD),
            Err(Refusal::SecondFactorMissing) => {
                (ResponseCode::AuthorizationFailed, SECOND_FACTOR_MISSING)
            }
            Err(Refusal::Credentials | Refusal::Passkey(_)) => (
                ResponseCode::AuthenticationFailed,
                "Identifier or password is wrong",
            ),
        };
        self.line.out.tagged(tag, Status::No, Some(&code), text);
        self.count_failure()
    }

    /// Records and answers a login that ended before any proof was looked at.
    async fn unproved(
        &mut self,
        tag: &Tag,
        attempt: &Attempt,
        claimed: &str,
        why: Unproved,
    ) -> Result<Turn, End> {
        let directory = &self.shared.directory;
        directory.refused_unproved(attempt, claimed, why).await;
        let no = |code, text| (Status::No, Some(code), text);
        let (status, code, text) = match why {
            Unproved::PrivacyRequired => no(ResponseCode::PrivacyRequired, "Begin TLS first"),
            Unproved::NoSuchMechanism => no(ResponseCode::Cannot, "No such mechanism is offered"),
            Unproved::Cancelled => (Status::Bad, None, "Cancelled"),
            Unproved::Malformed | Unproved::StaleChallenge => {
                (Status::Bad, None, "This is no base64")
            }
        };
        self.line.out.tagged(tag, status, code.as_ref(), text);
        self.count_failure()
    }

    /// One more login that failed: a session has only so many.
    fn count_failure(&mut self) -> Result<Turn, End> {
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

    fn ok(&mut self, tag: &Tag, text: &str) {
        self.line.out.tagged(tag, Status::Ok, None, text);
    }

    fn bad(&mut self, tag: &Tag, text: &str) -> Result<(), End> {
        self.line.out.tagged(tag, Status::Bad, None, text);
        self.line.count_bad()
    }
}
