//! One message: envelope, content, outcomes.

use std::collections::VecDeque;

use super::{Ask, Client, Job, Outcome, Phase, Rcpt, Recipient, Stuffer};
use crate::smtp::{
    BodyKind, ForwardPath, Orcpt, Reply, Transaction,
    client::{Delivery, Event, Loss, ReplyError, Stage, Unsendable},
    xtext,
};

impl Client {
    /// Begins a transaction. To be called at [`Event::Ready`].
    ///
    /// Parameters that only inform (SIZE, DSN's) are left out where the server does not know them;
    /// whether DSN went along can be seen in [`Client::capabilities`].
    ///
    /// # Errors
    /// What the transaction needs and the server does not have. Nothing was sent then, and another
    /// transaction can be tried.
    pub fn send(&mut self, transaction: &Transaction) -> Result<(), Unsendable> {
        self.check(transaction)?;
        let mut to_send = VecDeque::new();
        if self.needs_reset {
            to_send.push_back((Ask::Reset, "RSET".to_owned()));
            self.needs_reset = false;
        }
        to_send.push_back((Ask::Mail, self.mail_line(transaction)));
        for (at, rcpt) in transaction.recipients.iter().enumerate() {
            to_send.push_back((Ask::Rcpt(at), self.rcpt_line(rcpt)));
        }
        self.job = Some(Job {
            to_send,
            asked: VecDeque::new(),
            recipients: vec![Recipient::Unanswered; transaction.recipients.len()],
            chunked: transaction.mail.body == BodyKind::BinaryMime,
            stuffer: Stuffer::new(),
            refused: None,
        });
        self.phase = Phase::Envelope;
        self.send_envelope();
        Ok(())
    }

    fn check(&self, transaction: &Transaction) -> Result<(), Unsendable> {
        let can = &self.capabilities;
        let mail = &transaction.mail;
        if self.phase != Phase::Ready {
            return Err(Unsendable::NotReady);
        }
        if transaction.recipients.is_empty() {
            return Err(Unsendable::NoRecipients);
        }
        if let Some(max) = can.max_recipients
            && transaction.recipients.len() > max
        {
            return Err(Unsendable::TooManyRecipients(max));
        }
        if needs_utf8(transaction) && !can.smtputf8 {
            return Err(Unsendable::SmtpUtf8);
        }
        match mail.body {
            BodyKind::EightBitMime if !can.eight_bit_mime && !self.config.force_8bit => {
                return Err(Unsendable::EightBitMime);
            }
            BodyKind::BinaryMime if !(can.binary_mime && can.chunking && can.pipelining) => {
                return Err(Unsendable::BinaryMime);
            }
            _ => {}
        }
        if mail.requiretls && !(can.requiretls && self.tls.is_some()) {
            return Err(Unsendable::RequireTls);
        }
        match (mail.size, can.max_size) {
            (Some(size), Some(max)) if size > max => Err(Unsendable::TooBig(max)),
            _ => Ok(()),
        }
    }

    fn mail_line(&self, transaction: &Transaction) -> String {
        let mail = &transaction.mail;
        let can = &self.capabilities;
        let mut line = format!("MAIL FROM:<{}>", mail.reverse_path);
        if let Some(size) = mail.size.filter(|_| can.size) {
            line.push_str(&format!(" SIZE={size}"));
        }
        match mail.body {
            BodyKind::EightBitMime if !can.eight_bit_mime => {}
            BodyKind::SevenBit => {}
            body => line.push_str(&format!(" BODY={}", body.as_str())),
        }
        if needs_utf8(transaction) {
            line.push_str(" SMTPUTF8");
        }
        if mail.requiretls {
            line.push_str(" REQUIRETLS");
        }
        if can.dsn {
            if let Some(ret) = mail.ret {
                line.push_str(&format!(" RET={}", ret.as_str()));
            }
            if let Some(envid) = &mail.envid {
                line.push_str(&format!(" ENVID={}", xtext::encode(envid)));
            }
        }
        line
    }

    fn rcpt_line(&self, rcpt: &Rcpt) -> String {
        let mut line = format!("RCPT TO:<{}>", rcpt.forward_path);
        if self.capabilities.dsn {
            if let Some(notify) = rcpt.notify {
                line.push_str(&format!(" NOTIFY={notify}"));
            }
            if let Some(orcpt) = &rcpt.orcpt {
                line.push_str(&format!(" ORCPT={}", orcpt_value(orcpt)));
            }
        }
        line
    }

    /// Sends as much of the envelope as the server takes at once.
    fn send_envelope(&mut self) {
        let Some(job) = &mut self.job else { return };
        let at_once = if self.capabilities.pipelining {
            self.config.limits.pipelined_commands.max(1)
        } else {
            1
        };
        while job.asked.len() < at_once
            && let Some((ask, line)) = job.to_send.pop_front()
        {
            self.output.extend_from_slice(line.as_bytes());
            self.output.extend_from_slice(b"\r\n");
            job.asked.push_back(ask);
        }
        if job.asked.is_empty() {
            self.envelope_done();
        }
    }

    fn envelope_done(&mut self) {
        let Some(job) = &mut self.job else { return };
        let any = job.recipients.contains(&Recipient::Accepted);
        if job.refused.is_some() || !any {
            if let Some(job) = self.job.take() {
                self.needs_reset = true;
                self.phase = Phase::Ready;
                self.finish(job, None, true);
            }
        } else if job.chunked {
            self.phase = Phase::Body;
        } else {
            job.asked.push_back(Ask::Data);
            self.phase = Phase::Data;
            self.line("DATA");
        }
    }

    /// Takes a piece of the content, which has CR LF line ends, and dots as they are. To be called at
    /// [`Event::Body`]; otherwise it is thrown away.
    ///
    /// # Errors
    /// [`Loss::Content`] when there is a CR or LF by itself in a content that is not BINARYMIME. The
    /// connection must be closed then; the outcome comes as [`Event::Finished`].
    pub fn body(&mut self, octets: &[u8]) -> Result<(), Loss> {
        let (Phase::Body, Some(job)) = (self.phase, &mut self.job) else {
            return Ok(());
        };
        if octets.is_empty() || job.refused.is_some() {
            return Ok(());
        }
        if job.chunked {
            self.output
                .extend_from_slice(format!("BDAT {}\r\n", octets.len()).as_bytes());
            self.output.extend_from_slice(octets);
            job.asked.push_back(Ask::Chunk);
            return Ok(());
        }
        if job.stuffer.push(octets, &mut self.output).is_none() {
            self.abort_body();
            return Err(Loss::Content);
        }
        Ok(())
    }

    /// The content is complete.
    ///
    /// # Errors
    /// As [`Client::body`], for a CR at the very end.
    pub fn end_body(&mut self) -> Result<(), Loss> {
        let (Phase::Body, Some(job)) = (self.phase, &mut self.job) else {
            return Ok(());
        };
        if job.chunked {
            if job.refused.is_none() {
                self.output.extend_from_slice(b"BDAT 0 LAST\r\n");
                job.asked.push_back(Ask::End);
            }
        } else if job.stuffer.finish(&mut self.output).is_some() {
            job.asked.push_back(Ask::End);
        } else {
            self.abort_body();
            return Err(Loss::Content);
        }
        self.phase = Phase::End;
        self.end_if_answered();
        Ok(())
    }

    /// Takes a transaction back at its first [`Event::Body`], before any content: the session is ready again, and
    /// RSET goes ahead of the next transaction. Only where the content goes by BDAT (BINARYMIME): after DATA there
    /// is no way back. Whether it could be done; if not, nothing has changed.
    pub fn withdraw(&mut self) -> bool {
        let untouched = self
            .job
            .as_ref()
            .is_some_and(|job| job.chunked && job.asked.is_empty() && job.refused.is_none());
        if self.phase != Phase::Body || !untouched || !self.output.is_empty() {
            return false;
        }
        self.job = None;
        self.needs_reset = true;
        self.phase = Phase::Ready;
        true
    }

    /// Gives up on the content. The end of data must never be sent then, so the session ends.
    pub fn abort_body(&mut self) {
        self.output.clear();
        self.lose(Loss::Content);
    }

    pub(super) fn job_answered(&mut self, reply: Reply) {
        let Some(job) = &mut self.job else { return };
        let Some(ask) = job.asked.pop_front() else {
            // Some servers refuse in the middle of the content, and close.
            if reply.is_transient() || reply.is_permanent() {
                return self.refused(Stage::Body, reply, false);
            }
            return self.lose(Loss::Reply(ReplyError::Unexpected));
        };
        match ask {
            Ask::Reset if reply.is_positive() => self.send_envelope(),
            Ask::Reset => self.refused(Stage::Reset, reply, true),
            Ask::Mail => {
                if !reply.is_positive() {
                    job.refused = Some((Stage::Mail, reply));
                    job.to_send.clear();
                }
                self.send_envelope();
            }
            Ask::Rcpt(at) => {
                if let Some(recipient) = job.recipients.get_mut(at) {
                    *recipient = if reply.is_positive() {
                        Recipient::Accepted
                    } else {
                        Recipient::Refused(reply)
                    };
                }
                self.send_envelope();
            }
            Ask::Data if reply.code() == 354 => self.phase = Phase::Body,
            Ask::Data if reply.is_transient() || reply.is_permanent() => {
                job.refused = Some((Stage::Data, reply));
                self.envelope_done();
            }
            Ask::Data => self.lose(Loss::Reply(ReplyError::Unexpected)),
            Ask::Chunk => {
                if !reply.is_positive() && job.refused.is_none() {
                    job.refused = Some((Stage::Body, reply));
                }
                self.end_if_answered();
            }
            Ask::End => self.end_answered(reply),
        }
    }

    /// After a refused chunk no last chunk is sent: when all replies are there, it is over.
    fn end_if_answered(&mut self) {
        let over = self.phase == Phase::End
            && self
                .job
                .as_ref()
                .is_some_and(|job| job.asked.is_empty() && job.refused.is_some());
        if over && let Some(job) = self.job.take() {
            self.needs_reset = true;
            self.phase = Phase::Ready;
            self.finish(job, None, true);
        }
    }

    fn end_answered(&mut self, reply: Reply) {
        if let Some(job) = self.job.take() {
            let outcome = if reply.is_positive() {
                Outcome::Delivered(reply)
            } else if reply.is_intermediate() {
                self.job = Some(job);
                return self.lose(Loss::Reply(ReplyError::Unexpected));
            } else {
                Outcome::Refused(Stage::EndOfData, reply)
            };
            self.needs_reset = job.refused.is_some();
            self.phase = Phase::Ready;
            self.finish(job, Some(outcome), true);
        }
    }

    /// Reports the outcomes. `outcome` holds for all recipients that were not refused one by one, unless
    /// the transaction was refused before.
    pub(super) fn finish(&mut self, job: Job, outcome: Option<Outcome>, reusable: bool) {
        let whole = job
            .refused
            .map(|(stage, reply)| Outcome::Refused(stage, reply))
            .or(outcome)
            .unwrap_or(Outcome::Lost(
                Stage::Rcpt,
                Loss::Reply(ReplyError::Unexpected),
            ));
        let mail_refused = matches!(whole, Outcome::Refused(Stage::Mail, _));
        let outcomes = job
            .recipients
            .into_iter()
            .map(|recipient| match recipient {
                // After a refused MAIL each RCPT only says "MAIL first".
                Recipient::Refused(reply) if !mail_refused => Outcome::Refused(Stage::Rcpt, reply),
                _ => whole.clone(),
            })
            .collect();
        self.events
            .push_back(Event::Finished(Delivery { outcomes, reusable }));
    }
}

fn needs_utf8(transaction: &Transaction) -> bool {
    let mail = &transaction.mail;
    let in_recipients = |rcpt: &Rcpt| match &rcpt.forward_path {
        ForwardPath::Postmaster => false,
        ForwardPath::Address(address) => address.needs_smtputf8(),
    };
    mail.smtputf8
        || mail
            .reverse_path
            .address()
            .is_some_and(message::Address::needs_smtputf8)
        || transaction.recipients.iter().any(in_recipients)
}

fn orcpt_value(orcpt: &Orcpt) -> String {
    let address = if orcpt.kind.eq_ignore_ascii_case("utf-8") {
        xtext::encode_utf8(&orcpt.address)
    } else {
        xtext::encode(&orcpt.address)
    };
    format!("{};{address}", orcpt.kind)
}
