//! From the greeting until the session can take mail: EHLO, STARTTLS, AUTH.

use super::{Client, Phase};
use crate::{
    sasl::{self, ChannelBindings, Mechanism, wire},
    smtp::{
        Reply,
        client::{Capabilities, Failure, Loss, ReplyError, Stage, TlsPolicy},
    },
};

impl Client {
    pub(super) fn greeted(&mut self, reply: Reply) {
        if reply.code() == 220 {
            self.say_hello();
        } else {
            self.refused(Stage::Greeting, reply, true);
        }
    }

    pub(super) fn say_hello(&mut self) {
        self.line(&format!("EHLO {}", self.config.hostname));
        self.phase = Phase::Ehlo;
    }

    pub(super) fn ehlo_answered(&mut self, reply: Reply) {
        if reply.is_positive() {
            self.capabilities = Capabilities::from_ehlo(&reply);
            self.after_hello();
        } else if reply.is_permanent() {
            // RFC 5321, section 3.2: a server that knows no EHLO may know HELO.
            self.capabilities = Capabilities::default();
            self.line(&format!("HELO {}", self.config.hostname));
            self.phase = Phase::Helo;
        } else {
            self.refused(Stage::Hello, reply, true);
        }
    }

    pub(super) fn helo_answered(&mut self, reply: Reply) {
        if reply.is_positive() {
            self.after_hello();
        } else {
            self.refused(Stage::Hello, reply, true);
        }
    }

    fn after_hello(&mut self) {
        if self.tls.is_none() {
            match (self.config.tls, self.capabilities.starttls) {
                (TlsPolicy::IfOffered | TlsPolicy::Required, true) => {
                    self.line("STARTTLS");
                    self.phase = Phase::StartTls;
                    return;
                }
                (TlsPolicy::Required, false) => return self.fail(Failure::NoTls),
                (TlsPolicy::Never | TlsPolicy::IfOffered, _) => {}
            }
        }
        self.authenticate_or_ready();
    }

    pub(super) fn start_tls_answered(&mut self, reply: Reply) {
        if reply.code() == 220 {
            // Octets that came in the clear must not be read as if they came under TLS.
            if self.reader.has_more() {
                return self.lose(Loss::Reply(ReplyError::Injected));
            }
            self.phase = Phase::Handshake;
        } else if self.config.tls == TlsPolicy::Required {
            self.refused(Stage::StartTls, reply, true);
        } else {
            self.authenticate_or_ready();
        }
    }

    fn authenticate_or_ready(&mut self) {
        let Some(login) = self.config.login.clone().filter(|_| !self.authenticated) else {
            self.phase = Phase::Ready;
            return;
        };
        let Some(mechanism) = self.best_mechanism() else {
            return self.fail(Failure::NoMechanism);
        };
        let exchange = sasl::client::Exchange::new(
            mechanism,
            sasl::client::Login {
                identity: login.identity,
                password: login.password,
                nonce: login.nonce,
                bindings: self.tls.clone().unwrap_or(ChannelBindings::none()),
                plus_offered: self
                    .capabilities
                    .mechanisms
                    .iter()
                    .any(|m| m.binds_channel()),
            },
        );
        let mut exchange = match exchange {
            Ok(exchange) => exchange,
            Err(error) => return self.fail(error.into()),
        };
        match exchange.initial() {
            Some(initial) => {
                let initial = wire::encode_initial(initial.expose());
                self.line(&format!("AUTH {mechanism} {initial}"));
            }
            None => self.line(&format!("AUTH {mechanism}")),
        }
        self.exchange = Some(exchange);
        self.phase = Phase::Auth;
    }

    /// The strongest mechanism that both sides have. Nothing at all without TLS.
    fn best_mechanism(&self) -> Option<Mechanism> {
        let bindings = self.tls.as_ref()?;
        Mechanism::ALL
            .into_iter()
            .filter(|m| bindings.any() || !m.binds_channel())
            .find(|m| self.capabilities.mechanisms.contains(m))
    }

    pub(super) fn auth_answered(&mut self, reply: Reply) {
        let Some(exchange) = &mut self.exchange else {
            return self.lose(Loss::Reply(ReplyError::Unexpected));
        };
        if reply.code() == 334 {
            let answer = match decode_challenge(&reply) {
                Some(challenge) => exchange.respond(&challenge),
                None => Err(sasl::client::Error::Unexpected),
            };
            match answer {
                Ok(answer) => self.line(&wire::encode(answer.expose())),
                Err(error) => {
                    self.line("*");
                    self.fail(error.into());
                }
            }
        } else if reply.is_positive() {
            match exchange.finish() {
                Ok(()) => {
                    self.exchange = None;
                    self.authenticated = true;
                    self.phase = Phase::Ready;
                }
                Err(error) => self.fail(error.into()),
            }
        } else {
            self.refused(Stage::Auth, reply, true);
        }
    }
}

fn decode_challenge(reply: &Reply) -> Option<Vec<u8>> {
    let text = reply.lines().first()?;
    match wire::decode_line(text.trim().as_bytes(), wire::DEFAULT_MAX_LINE).ok()? {
        wire::ClientLine::Response(data) => Some(data.expose().to_vec()),
        wire::ClientLine::Cancel => None,
    }
}
