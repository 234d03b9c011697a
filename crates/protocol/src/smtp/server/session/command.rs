//! Commands, and when each may come.

use message::Host;

use super::{
    super::{
        answer::{AuthAnswer, DataAnswer, MailAnswer, RcptAnswer, StartTlsAnswer},
        command::{Allowed, Command, Mistake, parse},
        event::{Abort, CloseReason, Event, Hello},
    },
    Chunk, Phase, Session, Waiting,
    authentication::not_base64,
};
use crate::{
    sasl::{Mechanism, server::Failure, wire},
    smtp::{BodyKind, Detail, Mail, Rcpt, Refusal, Reply},
};

/// Verbs that RFC 5321 knows, and that do not exist here for good reason.
const ABSENT: [&str; 8] = [
    "EXPN", "ETRN", "TURN", "ATRN", "SEND", "SOML", "SAML", "BDAT",
];

impl Session {
    pub(super) fn command_line(&mut self, line: &[u8]) {
        self.counts.commands = self.counts.commands.saturating_add(1);
        if self.counts.commands > self.config.limits.commands {
            return self.limit_reached(&shown(line), "Too many commands");
        }
        match parse(line, self.allowed()) {
            Ok(command) => {
                if let Err(refusal) = self.run(command) {
                    self.refuse_line(line, &refusal);
                }
            }
            Err(Mistake::Unknown) => self.unknown(line),
            Err(Mistake::Wrong(refusal)) => self.refuse_line(line, &refusal),
            Err(Mistake::LostCount(refusal)) => {
                self.note_refused(&shown(line), &refusal);
                self.close_with(&refusal, CloseReason::Limit);
            }
        }
    }

    fn run(&mut self, command: Command<'_>) -> Result<(), Refusal> {
        match command {
            Command::Hello { extended, name } => self.take_hello(extended, name),
            Command::StartTls => self.start_tls()?,
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial)?,
            Command::Mail(mail) => self.mail(mail)?,
            Command::Rcpt(rcpt) => self.rcpt(rcpt)?,
            Command::Data => self.data()?,
            Command::Bdat { size, last } => self.bdat(size, last),
            Command::Rset => {
                self.abort(Abort::Reset);
                self.handled("RSET", &Reply::new::<250>(Detail::OTHER, "Reset"));
            }
            Command::Noop => self.handled("NOOP", &Reply::new::<250>(Detail::OTHER, "OK")),
            // RFC 5321, section 3.5.3: says nothing about the mailbox, true or not.
            Command::Vrfy => self.handled(
                "VRFY",
                &Reply::new::<252>(Detail::OTHER, "Send some mail, and see"),
            ),
            Command::Help => self.handled(
                "HELP",
                &Reply::new::<214>(Detail::OTHER, "See RFC 5321, or ask your postmaster"),
            ),
            Command::Quit => {
                let reply = Reply::new::<221>(Detail::OTHER, "Goodbye");
                self.finish(&reply, Abort::Closed, CloseReason::Quit);
            }
        }
        Ok(())
    }

    fn handled(&mut self, verb: &'static str, reply: &Reply) {
        self.say(reply);
        self.events.push_back(Event::Handled(verb));
    }

    fn take_hello(&mut self, extended: bool, name: &str) {
        self.abort(Abort::Reset);
        let hello = Hello {
            name: name.to_owned(),
            host: Host::parse(name).ok(),
            extended,
        };
        self.hello = Some(hello.clone());
        let lines = if extended {
            self.extensions().join("\n")
        } else {
            self.config.hostname.clone()
        };
        self.say(&Reply::plain::<250>(&lines));
        self.events.push_back(Event::Hello(hello));
    }

    /// The lines of the EHLO reply, as this moment has them.
    fn extensions(&self) -> Vec<String> {
        let config = &self.config;
        let limits = &config.limits;
        let mut lines = vec![config.hostname.clone()];
        let mut add = |offered: bool, line: &str| {
            if offered {
                lines.push(line.to_owned());
            }
        };
        add(true, "PIPELINING");
        add(true, &format!("SIZE {}", limits.message_size));
        add(true, "8BITMIME");
        add(config.smtputf8, "SMTPUTF8");
        add(true, "ENHANCEDSTATUSCODES");
        add(config.starttls && self.tls.is_none(), "STARTTLS");
        add(config.dsn, "DSN");
        add(config.chunking, "CHUNKING");
        add(config.chunking, "BINARYMIME");
        add(config.requiretls && self.tls.is_some(), "REQUIRETLS");
        let offered: Vec<&str> = self.mechanisms().map(Mechanism::name).collect();
        add(
            !offered.is_empty() && self.identity.is_none(),
            &format!("AUTH {}", offered.join(" ")),
        );
        add(
            true,
            &format!(
                "LIMITS MAILMAX={} RCPTMAX={}",
                limits.transactions, limits.recipients
            ),
        );
        lines
    }

    /// The mechanisms that this connection can have: none without TLS.
    pub(super) fn mechanisms(&self) -> impl Iterator<Item = Mechanism> + '_ {
        let tls = self.tls.as_ref();
        self.config
            .mechanisms
            .iter()
            .copied()
            .filter(move |m| tls.is_some_and(|bindings| bindings.any() || !m.binds_channel()))
    }

    fn allowed(&self) -> Allowed {
        let config = &self.config;
        Allowed {
            extended: self.hello.as_ref().is_some_and(|hello| hello.extended),
            smtputf8: config.smtputf8,
            dsn: config.dsn,
            chunking: config.chunking,
            requiretls: config.requiretls && self.tls.is_some(),
            auth: !config.mechanisms.is_empty(),
            lenient_space: config.lenient_space,
            utf8_transaction: self.open.as_ref().is_some_and(|open| open.mail.smtputf8),
        }
    }

    fn start_tls(&mut self) -> Result<(), Refusal> {
        if self.tls.is_some() {
            return Err(out_of_order("TLS is already there"));
        }
        if !self.config.starttls {
            return Err(Refusal::new::<502>(
                Detail::INVALID_COMMAND,
                "STARTTLS is not offered",
            ));
        }
        self.ask(Waiting::StartTls, |ticket| {
            Event::StartTls(StartTlsAnswer(ticket))
        });
        Ok(())
    }

    fn auth(&mut self, name: &str, initial: Option<&str>) -> Result<(), Refusal> {
        let mechanism = name.parse::<Mechanism>().ok();
        if self.config.mechanisms.is_empty() {
            return Err(Refusal::new::<502>(
                Detail::INVALID_COMMAND,
                "AUTH is not offered",
            ));
        }
        if self.tls.is_none() {
            let refusal =
                Refusal::new::<538>(Detail::ENCRYPTION_REQUIRED_FOR_MECHANISM, "STARTTLS first");
            // It may have shown a password to the whole way, which is worth knowing.
            self.auth_failed(mechanism, None, Failure::Unprotected, &refusal);
            return Ok(());
        }
        if !self.allowed().extended || self.identity.is_some() || self.open.is_some() {
            return Err(out_of_order("AUTH comes after EHLO, once, before MAIL"));
        }
        let mechanism = mechanism
            .filter(|wanted| self.mechanisms().any(|m| m == *wanted))
            .ok_or_else(|| {
                Refusal::new::<504>(Detail::INVALID_ARGUMENTS, "Mechanism not offered")
            })?;
        let limit = self.config.limits.auth_line;
        let initial = initial.map(|text| wire::decode_initial(text.as_bytes(), limit));
        let Ok(initial) = initial.transpose() else {
            self.auth_failed(Some(mechanism), None, Failure::Unreadable, &not_base64());
            return Ok(());
        };
        self.ask(Waiting::Auth { mechanism, initial }, |ticket| {
            Event::Auth(mechanism, AuthAnswer(ticket))
        });
        Ok(())
    }

    fn mail(&mut self, mail: Mail) -> Result<(), Refusal> {
        let config = &self.config;
        if self.hello.is_none() {
            return Err(out_of_order("EHLO first"));
        }
        if config.require_tls && self.tls.is_none() {
            return Err(Refusal::new::<530>(Detail::SECURITY, "STARTTLS first"));
        }
        if config.require_auth && self.identity.is_none() {
            return Err(Refusal::new::<530>(
                Detail::SECURITY,
                "Authentication required",
            ));
        }
        if self.open.is_some() {
            return Err(out_of_order("A transaction is open already"));
        }
        if mail
            .size
            .is_some_and(|size| size > config.limits.message_size)
        {
            return Err(too_big());
        }
        if self.counts.transactions >= config.limits.transactions {
            self.limit_reached("MAIL", "Too many messages, connect again");
            return Ok(());
        }
        self.ask(Waiting::Mail(mail.clone()), |ticket| {
            Event::Mail(mail, MailAnswer(ticket))
        });
        Ok(())
    }

    fn rcpt(&mut self, rcpt: Rcpt) -> Result<(), Refusal> {
        let Some(open) = self.open.as_ref().filter(|open| open.chunked.is_none()) else {
            return Err(out_of_order("RCPT comes after MAIL, before the content"));
        };
        if open.recipients.len() >= self.config.limits.recipients {
            return Err(Refusal::new::<452>(
                Detail::TOO_MANY_RECIPIENTS,
                "Too many recipients, send the rest in another transaction",
            ));
        }
        self.ask(Waiting::Rcpt(rcpt.clone()), |ticket| {
            Event::Rcpt(rcpt, RcptAnswer(ticket))
        });
        Ok(())
    }

    fn data(&mut self) -> Result<(), Refusal> {
        let Some(open) = self.open.as_ref().filter(|open| open.chunked.is_none()) else {
            return Err(out_of_order("DATA comes after RCPT, and not after BDAT"));
        };
        if open.mail.body == BodyKind::BinaryMime {
            return Err(out_of_order("BINARYMIME goes by BDAT"));
        }
        if let Some(refusal) = no_recipients(open) {
            return Err(refusal);
        }
        let transaction = open.transaction();
        self.ask(Waiting::Data, |ticket| {
            Event::Data(transaction, DataAnswer(ticket))
        });
        Ok(())
    }

    /// Whatever is wrong, the chunk's octets come, and must not be taken for commands.
    fn bdat(&mut self, size: u64, last: bool) {
        let limits = &self.config.limits;
        if size > limits.message_size.saturating_add(limits.drained_content) {
            let refusal = too_big();
            self.note_refused("BDAT", &refusal);
            return self.close_with(&refusal, CloseReason::Limit);
        }
        let refusal = match &self.open {
            None => Some(out_of_order("BDAT comes after RCPT")),
            Some(open) if open.failed => Some(out_of_order("RSET first")),
            Some(open) => no_recipients(open),
        };
        if let (None, Some(open)) = (&refusal, &self.open)
            && open.chunked.is_none()
        {
            let transaction = open.transaction();
            return self.ask(Waiting::FirstChunk { size, last }, |ticket| {
                Event::Data(transaction, DataAnswer(ticket))
            });
        }
        self.phase = Phase::Chunk(Chunk {
            remaining: size,
            last,
            refusal,
        });
    }

    fn unknown(&mut self, line: &[u8]) {
        // A client that is out of step may send its password here: only the verb is kept.
        let verb = line.get(..4).unwrap_or_default();
        self.counts.unknown = self.counts.unknown.saturating_add(1);
        if self.counts.unknown > self.config.limits.unknown_commands {
            return self.limit_reached(&shown(verb), "Too many unknown commands");
        }
        let refusal = if ABSENT
            .iter()
            .any(|a| a.as_bytes().eq_ignore_ascii_case(verb))
        {
            Refusal::new::<502>(Detail::INVALID_COMMAND, "Not available")
        } else {
            Refusal::new::<500>(Detail::INVALID_COMMAND, "Unknown command")
        };
        self.refuse_command(&shown(verb), &refusal);
    }

    fn refuse_line(&mut self, line: &[u8], refusal: &Refusal) {
        self.refuse_command(&shown(line), refusal);
    }

    /// Tells the client, the driver, and the count of errors.
    pub(super) fn refuse_command(&mut self, command: &str, refusal: &Refusal) {
        if refusal.reply().is_permanent() {
            self.counts.errors = self.counts.errors.saturating_add(1);
            if self.counts.errors > self.config.limits.errors {
                return self.limit_reached(command, "Too many errors");
            }
        }
        self.note_refused(command, refusal);
        self.tell(refusal);
    }

    /// Tells the client; a 421 ends the session (RFC 5321, section 3.8).
    pub(super) fn tell(&mut self, refusal: &Refusal) {
        if refusal.reply().code() == 421 {
            self.close_with(refusal, CloseReason::Driver);
        } else {
            self.say(refusal.reply());
        }
    }

    /// `command` is what reached it; empty when the driver knows already.
    pub(super) fn limit_reached(&mut self, command: &str, text: &str) {
        let refusal = Refusal::new::<421>(Detail::SECURITY, text);
        self.note_refused(command, &refusal);
        self.close_with(&refusal, CloseReason::Limit);
    }
}

fn no_recipients(open: &super::Open) -> Option<Refusal> {
    if !open.recipients.is_empty() {
        return None;
    }
    Some(if open.refused {
        Refusal::new::<554>(Detail::INVALID_COMMAND, "No valid recipients")
    } else {
        out_of_order("RCPT first")
    })
}

pub(super) fn out_of_order(text: &str) -> Refusal {
    Refusal::new::<503>(Detail::INVALID_COMMAND, text)
}

pub(super) fn too_big() -> Refusal {
    Refusal::new::<552>(Detail::MESSAGE_TOO_BIG, "Message too big")
}

/// A line for the trail: printable, short, and without what AUTH may carry.
pub(super) fn shown(line: &[u8]) -> String {
    let is_auth = line
        .get(..4)
        .is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"));
    if is_auth {
        return "AUTH".to_owned();
    }
    String::from_utf8_lossy(line)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(200)
        .collect()
}
