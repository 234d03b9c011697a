//! AUTH (RFC 4954).

use super::{
    super::{
        answer::{CredentialsAnswer, PasswordAnswer, ProvedAnswer},
        event::{AuthFailed, CloseReason, Event},
    },
    Phase, Session, Waiting,
};
use crate::{
    sasl::{
        ChannelBindings, Mechanism, Nonce, Secret,
        server::{Exchange, Failure, Step},
        wire::{self, ClientLine},
    },
    smtp::{Detail, Refusal, Reply},
};

impl Session {
    pub(super) fn begin_exchange(
        &mut self,
        mechanism: Mechanism,
        nonce: Nonce,
        initial: Option<&Secret>,
    ) {
        let bindings = self.tls.clone().unwrap_or(ChannelBindings::none());
        let plus_offered = self.mechanisms().any(Mechanism::binds_channel);
        let mut exchange = Exchange::new(mechanism, nonce, bindings, plus_offered);
        let step = exchange.start(initial);
        self.exchange = Some(exchange);
        self.take_step(step);
    }

    /// A line that answers a challenge.
    pub(super) fn auth_line(&mut self, line: &[u8]) {
        let response = match wire::decode_line(line, self.config.limits.auth_line) {
            Ok(ClientLine::Response(response)) => response,
            Ok(ClientLine::Cancel) => {
                let refusal = Refusal::new::<501>(Detail::SECURITY, "Authentication cancelled");
                return self.exchange_failed(Failure::Cancelled, &refusal);
            }
            Err(_) => return self.exchange_failed(Failure::Unreadable, &not_base64()),
        };
        if let Some(exchange) = &mut self.exchange {
            let step = exchange.respond(&response);
            self.take_step(step);
        } else {
            self.phase = Phase::Command;
        }
    }

    pub(super) fn take_step(&mut self, step: Step) {
        self.phase = Phase::Command;
        match step {
            Step::Challenge(challenge) => {
                self.phase = Phase::Auth;
                self.output
                    .extend_from_slice(format!("334 {}\r\n", wire::encode(&challenge)).as_bytes());
            }
            Step::Password(claim) => {
                self.ask(Waiting::Password(claim.identity.clone()), |ticket| {
                    Event::Password(claim, PasswordAnswer(ticket))
                });
            }
            Step::Credentials { identity } => {
                self.ask(Waiting::Credentials, |ticket| {
                    Event::Credentials(identity, CredentialsAnswer(ticket))
                });
            }
            Step::Proved { identity, password } => {
                self.ask(Waiting::Proved, |ticket| {
                    Event::Proved(identity, password, ProvedAnswer(ticket))
                });
            }
            Step::Done { identity } => self.authenticated(identity),
            Step::Failed { identity, failure } => {
                let refusal = match failure {
                    Failure::OtherAuthorization
                    | Failure::ChannelBinding
                    | Failure::Downgrade
                    | Failure::WrongProof => Refusal::bad_credentials(),
                    Failure::Malformed
                    | Failure::Cancelled
                    | Failure::Abandoned
                    | Failure::Unreadable
                    | Failure::Unprotected => {
                        Refusal::new::<501>(Detail::SYNTAX, "Malformed authentication message")
                    }
                };
                let mechanism = self.exchange.take().map(|exchange| exchange.mechanism());
                self.auth_failed(mechanism, identity, failure, &refusal);
            }
        }
    }

    pub(super) fn authenticated(&mut self, identity: String) {
        self.exchange = None;
        self.identity = Some(identity.clone());
        self.events.push_back(Event::Authenticated(identity));
        self.say(&Reply::new::<235>(Detail::SECURITY, "Welcome"));
    }

    /// The driver said no: it knows already, so only the client is told.
    pub(super) fn auth_refused(&mut self, refusal: &Refusal) {
        self.exchange = None;
        self.phase = Phase::Command;
        let failed = refusal.reply().is_permanent();
        if failed {
            self.counts.auth_failures = self.counts.auth_failures.saturating_add(1);
        }
        if failed && self.counts.auth_failures >= self.config.limits.auth_failures {
            self.close_with(refusal, CloseReason::Limit);
        } else {
            self.tell(refusal);
        }
    }

    /// The exchange under way comes to nothing.
    fn exchange_failed(&mut self, failure: Failure, refusal: &Refusal) {
        let exchange = self.exchange.take();
        let mechanism = exchange.as_ref().map(Exchange::mechanism);
        let identity = exchange.and_then(|exchange| exchange.claimed().map(str::to_owned));
        self.auth_failed(mechanism, identity, failure, refusal);
    }

    /// An attempt failed before the driver had to judge, perhaps before there was an exchange.
    pub(super) fn auth_failed(
        &mut self,
        mechanism: Option<Mechanism>,
        identity: Option<String>,
        failure: Failure,
        refusal: &Refusal,
    ) {
        self.events.push_back(Event::AuthFailed(AuthFailed {
            mechanism,
            identity,
            failure,
            refusal: refusal.clone(),
        }));
        self.auth_refused(refusal);
    }
}

pub(super) fn not_base64() -> Refusal {
    Refusal::new::<501>(Detail::SYNTAX, "Not base64")
}
