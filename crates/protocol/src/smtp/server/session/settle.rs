//! What the driver's answers bring about.

use super::{super::event::Abort, Chunk, Given, Open, Phase, Session, Waiting};
use crate::smtp::{Detail, Mail, Rcpt, Refusal, Reply};

impl Session {
    pub(super) fn settle(&mut self, waiting: Waiting, given: Given) {
        let refusal = match given {
            Given::Refuse(refusal) => refusal,
            given => return self.settle_accepted(waiting, given),
        };
        match waiting {
            Waiting::StartTls | Waiting::Mail(_) => self.tell(&refusal),
            Waiting::Rcpt(_) => self.refuse_rcpt(&refusal),
            Waiting::Auth { .. }
            | Waiting::Password(_)
            | Waiting::Credentials
            | Waiting::Proved => self.auth_refused(&refusal),
            Waiting::Data | Waiting::EndOfData => {
                self.open = None;
                self.tell(&refusal);
            }
            Waiting::FirstChunk { size, last } => {
                if let Some(open) = &mut self.open {
                    open.failed = true;
                }
                self.phase = Phase::Chunk(Chunk {
                    remaining: size,
                    last,
                    refusal: Some(refusal),
                });
            }
        }
    }

    fn settle_accepted(&mut self, waiting: Waiting, given: Given) {
        match (waiting, given) {
            (Waiting::StartTls, Given::Accept) => self.go_tls(),
            (Waiting::Auth { mechanism, initial }, Given::Nonce(nonce)) => {
                self.begin_exchange(mechanism, nonce, initial.as_ref());
            }
            (Waiting::Credentials, Given::Credentials(credentials)) => {
                if let Some(exchange) = &mut self.exchange {
                    let step = exchange.credentials(credentials);
                    self.take_step(step);
                }
            }
            (Waiting::Password(identity), Given::Accept) => self.authenticated(identity),
            (Waiting::Proved, Given::Accept) => {
                if let Some(exchange) = &mut self.exchange {
                    let step = exchange.accept();
                    self.take_step(step);
                }
            }
            (Waiting::Mail(mail), Given::Accept) => self.open_transaction(mail),
            (Waiting::Rcpt(rcpt), Given::Accept) => self.add_recipient(rcpt),
            (Waiting::Data, Given::Accept) => {
                self.phase = Phase::Data(self.new_content());
                self.say(&Reply::plain::<354>("End data with CR LF . CR LF"));
            }
            (Waiting::FirstChunk { size, last }, Given::Accept) => {
                let content = self.new_content();
                if let Some(open) = &mut self.open {
                    open.chunked = Some(content);
                }
                self.phase = Phase::Chunk(Chunk {
                    remaining: size,
                    last,
                    refusal: None,
                });
            }
            (Waiting::EndOfData, Given::AcceptWith(reply)) => {
                self.open = None;
                self.say(&reply);
            }
            // The answer types make other pairs impossible; if one came, 451 is the safe reply.
            (waiting, _) => self.settle(waiting, Given::Refuse(Refusal::temporary())),
        }
    }

    fn go_tls(&mut self) {
        self.say(&Reply::new::<220>(Detail::OTHER, "Ready to start TLS"));
        // RFC 3207, section 4.2; whatever came with STARTTLS was sent in the clear, perhaps by
        // somebody in between, and must not be run under TLS.
        self.signals.injection_at_starttls |= !self.input.is_empty();
        self.input.clear();
        self.abort(Abort::Reset);
        self.phase = Phase::Handshake;
    }

    fn open_transaction(&mut self, mail: Mail) {
        self.counts.transactions = self.counts.transactions.saturating_add(1);
        self.open = Some(Open {
            mail,
            recipients: Vec::new(),
            refused: false,
            chunked: None,
            failed: false,
        });
        self.say(&Reply::new::<250>(Detail::OTHER_ADDRESS, "Sender OK"));
    }

    fn add_recipient(&mut self, rcpt: Rcpt) {
        if let Some(open) = &mut self.open {
            open.recipients.push(rcpt);
        }
        self.say(&Reply::new::<250>(Detail::ADDRESS_VALID, "Recipient OK"));
    }

    fn refuse_rcpt(&mut self, refusal: &Refusal) {
        if let Some(open) = &mut self.open {
            open.refused = true;
        }
        if refusal.reply().is_permanent() {
            self.counts.refused_recipients = self.counts.refused_recipients.saturating_add(1);
            if self.counts.refused_recipients > self.config.limits.refused_recipients {
                return self.limit_reached("", "Too many refused recipients");
            }
        }
        self.tell(refusal);
    }
}
