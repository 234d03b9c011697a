//! The conversation with a milter about one message.

use std::{net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    Changes, Edit, MOST_ADDED, MOST_EDITS, MOST_REPLIES, Milter, MilterError, MilterResult,
    MilterSaid, Packets, Reply,
    codec::{Agreement, CHUNK, joined, offer, packet, step},
    edit,
    macros::{Stage, told},
};
use crate::{Envelope, address::Connection, plain};

/// Octets that are read at once.
const PIECE: usize = 16 << 10;

pub(super) struct Talk<'t> {
    connection: Box<dyn Connection>,
    packets: Packets,
    milter: &'t Milter,
    /// The step that it has come to.
    at: &'t mut &'static str,
    agreement: Agreement,
    replies: usize,
}

/// How a step ended.
enum Step {
    Go,
    /// Nothing more of this step is wanted.
    Skip,
    /// Nothing more at all.
    Ended(MilterSaid),
}

/// One step: its name, its command, the bits that say that it is left out or not answered, and its macros.
struct Asked<'a> {
    name: &'static str,
    command: u8,
    data: &'a [u8],
    without: u32,
    mute: u32,
    stage: Option<Stage>,
    recipient: Option<&'a str>,
}

impl<'t> Talk<'t> {
    pub(super) fn new(
        connection: Box<dyn Connection>,
        milter: &'t Milter,
        at: &'t mut &'static str,
    ) -> Self {
        Self {
            connection,
            packets: Packets::default(),
            milter,
            at,
            agreement: Agreement::default(),
            replies: 0,
        }
    }

    /// Agrees on how to speak, and leaves.
    pub(super) async fn agree_only(&mut self) -> Result<(), MilterError> {
        self.agree().await?;
        self.quit().await;
        Ok(())
    }

    /// The whole conversation.
    pub(super) async fn show(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
    ) -> Result<(MilterSaid, Changes), MilterError> {
        self.agree().await?;
        let ended = match self.envelope(envelope).await? {
            Step::Ended(said) => Step::Ended(said),
            _ => self.content(envelope, message).await?,
        };
        let answer = match ended {
            Step::Ended(said) => (said, Changes::default()),
            _ => self.end(envelope).await?,
        };
        self.quit().await;
        Ok(answer)
    }

    async fn agree(&mut self) -> Result<(), MilterError> {
        let may = self.milter.may;
        self.write(&offer(may)).await?;
        let reply = match self.reply(self.milter.limits.command_time).await {
            Ok(reply) => reply,
            Err(MilterError::Broken(error)) => {
                // libmilter says nothing when it may not do what its program was written to do.
                return Err(MilterError::Disagreed(format!(
                    "{error}; it may want to change more than its setting `may` permits"
                )));
            }
            Err(error) => return Err(error),
        };
        self.agreement = Agreement::of(reply, may).map_err(MilterError::Disagreed)?;
        Ok(())
    }

    async fn envelope(&mut self, envelope: &Envelope) -> Result<Step, MilterError> {
        let sender = format!("<{}>", envelope.sender);
        let mut words: Vec<&[u8]> = vec![sender.as_bytes()];
        words.extend(envelope.parameters.iter().map(String::as_bytes));
        let steps = [
            Asked {
                name: "connect",
                command: b'C',
                data: &connected(envelope),
                without: step::NO_CONNECT,
                mute: step::MUTE_CONNECT,
                stage: Some(Stage::Connect),
                recipient: None,
            },
            Asked {
                name: "helo",
                command: b'H',
                data: &joined(&[envelope.hello.as_bytes()]),
                without: step::NO_HELO,
                mute: step::MUTE_HELO,
                stage: Some(Stage::Helo),
                recipient: None,
            },
            Asked {
                name: "mail",
                command: b'M',
                data: &joined(&words),
                without: step::NO_MAIL,
                mute: step::MUTE_MAIL,
                stage: Some(Stage::Mail),
                recipient: None,
            },
        ];
        for asked in &steps {
            if let Step::Ended(said) = self.ask(envelope, asked).await? {
                return Ok(Step::Ended(said));
            }
        }
        for recipient in &envelope.recipients {
            let path = format!("<{recipient}>");
            let asked = Asked {
                name: "rcpt",
                command: b'R',
                data: &joined(&[path.as_bytes()]),
                without: step::NO_RCPT,
                mute: step::MUTE_RCPT,
                stage: Some(Stage::Rcpt),
                recipient: Some(recipient),
            };
            if let Step::Ended(mut said) = self.ask(envelope, &asked).await? {
                if said.result != MilterResult::Accept {
                    said.recipient = plain(recipient);
                }
                return Ok(Step::Ended(said));
            }
        }
        let asked = Asked {
            name: "data",
            command: b'T',
            data: &[],
            without: step::NO_DATA,
            mute: step::MUTE_DATA,
            stage: Some(Stage::Data),
            recipient: None,
        };
        self.ask(envelope, &asked).await
    }

    async fn content(&mut self, envelope: &Envelope, message: &[u8]) -> Result<Step, MilterError> {
        let (fields, begins) = edit::fields(message);
        let mut asked = Asked {
            name: "header",
            command: b'L',
            data: &[],
            without: step::NO_HEADER,
            mute: step::MUTE_HEADER,
            stage: None,
            recipient: None,
        };
        for range in fields {
            let field = message.get(range).unwrap_or_default();
            let Some(shown) = self.shown(field) else {
                continue;
            };
            let asked = Asked {
                data: &shown,
                ..asked
            };
            if let Step::Ended(said) = self.ask(envelope, &asked).await? {
                return Ok(Step::Ended(said));
            }
        }
        asked.command = b'N';
        asked.without = step::NO_EOH;
        asked.mute = step::MUTE_EOH;
        asked.stage = Some(Stage::EndOfHeader);
        if let Step::Ended(said) = self.ask(envelope, &asked).await? {
            return Ok(Step::Ended(said));
        }
        let body = message.get(begins..).unwrap_or_default();
        for chunk in body.chunks(CHUNK) {
            let asked = Asked {
                name: "body",
                command: b'B',
                data: chunk,
                without: step::NO_BODY,
                mute: step::MUTE_BODY,
                stage: None,
                recipient: None,
            };
            match self.ask(envelope, &asked).await? {
                Step::Go => {}
                Step::Skip => break,
                Step::Ended(said) => return Ok(Step::Ended(said)),
            }
        }
        Ok(Step::Go)
    }

    /// A field as milters are shown it: lines end by LF, and a space before the value belongs to it only where that was agreed on.
    fn shown(&self, field: &[u8]) -> Option<Vec<u8>> {
        let name = edit::name_of(field)?;
        let colon = field.iter().position(|octet| *octet == b':')?;
        let value = field.get(colon.saturating_add(1)..)?;
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        let mut value: Vec<u8> = value.to_vec();
        value.retain(|octet| *octet != b'\r');
        let value = match self.agreement.has(step::LEADING_SPACE) {
            true => value.as_slice(),
            false => value.trim_ascii_start(),
        };
        Some(joined(&[name, value]))
    }

    /// One step before the end, and its answer.
    async fn ask(&mut self, envelope: &Envelope, asked: &Asked<'_>) -> Result<Step, MilterError> {
        if self.agreement.has(asked.without) {
            return Ok(Step::Go);
        }
        *self.at = asked.name;
        self.nothing_came().await?;
        let mut octets = Vec::new();
        if let Some(stage) = asked.stage {
            octets = told(stage, &self.agreement, envelope, asked.recipient);
        }
        octets.extend(packet(asked.command, &[asked.data]));
        self.write(&octets).await?;
        if self.agreement.has(asked.mute) {
            return Ok(Step::Go);
        }
        match self.reply(self.milter.limits.command_time).await? {
            Reply::Continue => Ok(Step::Go),
            Reply::Skip if asked.command == b'B' => Ok(Step::Skip),
            reply => self.final_word(reply).map(Step::Ended),
        }
    }

    /// The end of the message: here it may change it, and has the last word.
    async fn end(&mut self, envelope: &Envelope) -> Result<(MilterSaid, Changes), MilterError> {
        *self.at = "end";
        self.nothing_came().await?;
        let mut octets = told(Stage::End, &self.agreement, envelope, None);
        octets.extend(packet(b'E', &[]));
        self.write(&octets).await?;
        let mut changes = Changes::default();
        let mut set_apart = None;
        loop {
            let reply = self.reply(self.milter.limits.end_time).await?;
            match reply {
                Reply::Quarantine(reason) => set_apart = Some(plain(&reason)),
                Reply::AddField(..) | Reply::InsertField(..) | Reply::ChangeField(..) => {
                    self.edit(&mut changes, &reply)?;
                }
                Reply::Body(octets) => self.body(&mut changes, &octets)?,
                Reply::Envelope(what) => return Err(MilterError::MayNot(what)),
                Reply::Continue | Reply::Accept => break,
                reply => return Ok((self.final_word(reply)?, Changes::default())),
            }
        }
        if let Some(body) = changes.body.take() {
            changes.body = Some(edit::body(body)?);
        }
        let mut said = MilterSaid::new(&self.milter.name, MilterResult::Accept, self.at);
        if let Some(reason) = set_apart {
            said.result = MilterResult::Quarantine;
            said.words = reason;
        }
        Ok((said, changes))
    }

    fn edit(&self, changes: &mut Changes, reply: &Reply) -> Result<(), MilterError> {
        if !self.milter.may.fields {
            return Err(MilterError::MayNot("a change of the header"));
        }
        let spaced = self.agreement.has(step::LEADING_SPACE);
        let edit = match reply {
            Reply::AddField(name, value) => Edit::add(name, value, spaced)?,
            Reply::InsertField(place, name, value) => Edit::insert(*place, name, value, spaced)?,
            Reply::ChangeField(which, name, value) => Edit::change(*which, name, value, spaced)?,
            _ => return Err(MilterError::Misplaced),
        };
        changes.edits.push(edit);
        let added: usize = changes.edits.iter().map(Edit::octets).sum();
        if changes.edits.len() > MOST_EDITS || added > MOST_ADDED {
            return Err(MilterError::TooMuch("200 changes, or 256 KiB of fields"));
        }
        Ok(())
    }

    fn body(&self, changes: &mut Changes, octets: &[u8]) -> Result<(), MilterError> {
        if !self.milter.may.body {
            return Err(MilterError::MayNot("another body"));
        }
        let body = changes.body.get_or_insert_default();
        if body.len().saturating_add(octets.len()) > self.milter.limits.body_octets {
            return Err(MilterError::TooMuch("a message may hold"));
        }
        body.extend_from_slice(octets);
        Ok(())
    }

    /// An answer that ends the conversation.
    fn final_word(&self, reply: Reply) -> Result<MilterSaid, MilterError> {
        let (result, words) = match reply {
            Reply::Accept => (MilterResult::Accept, String::new()),
            Reply::Reject => (MilterResult::Reject, String::new()),
            Reply::TempFail => (MilterResult::Tempfail, String::new()),
            Reply::Shutdown => (
                MilterResult::Tempfail,
                "the milter is shutting down".to_owned(),
            ),
            Reply::Discard => (MilterResult::Discard, String::new()),
            Reply::Words(words, true) => (MilterResult::Reject, words),
            Reply::Words(words, false) => (MilterResult::Tempfail, words),
            _ => return Err(MilterError::Misplaced),
        };
        let mut said = MilterSaid::new(&self.milter.name, result, self.at);
        said.words = words;
        Ok(said)
    }

    /// The next reply but those that say that it is still at work, each of which gives it the time anew.
    async fn reply(&mut self, time: Duration) -> Result<Reply, MilterError> {
        loop {
            self.replies = self.replies.saturating_add(1);
            if self.replies > MOST_REPLIES {
                return Err(MilterError::TooMuch("20,000 replies"));
            }
            let next = timeout(time, self.next_reply());
            match next.await.map_err(|_| MilterError::Slow)?? {
                Reply::Progress => {}
                reply => return Ok(reply),
            }
        }
    }

    async fn next_reply(&mut self) -> Result<Reply, MilterError> {
        loop {
            if let Some(reply) = self.packets.next_reply()? {
                return Ok(reply);
            }
            let mut piece = [0; PIECE];
            let count = self.connection.read(&mut piece).await?;
            if count == 0 {
                return Err(MilterError::Broken(
                    std::io::ErrorKind::UnexpectedEof.into(),
                ));
            }
            self.packets.push(piece.get(..count).unwrap_or_default());
        }
    }

    /// An answer that is there before its question would pass for the answer to the next one.
    async fn nothing_came(&mut self) -> Result<(), MilterError> {
        if !self.packets.is_empty() {
            return Err(MilterError::Early);
        }
        let mut octet = [0];
        tokio::select! {
            biased;
            read = self.connection.read(&mut octet) => match read? {
                0 => Err(MilterError::Broken(std::io::ErrorKind::UnexpectedEof.into())),
                _ => Err(MilterError::Early),
            },
            () = std::future::ready(()) => Ok(()),
        }
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), MilterError> {
        let time = self.milter.limits.command_time;
        let writing = timeout(time, self.connection.write_all(octets));
        writing.await.map_err(|_| MilterError::Slow)??;
        Ok(())
    }

    /// Says good-bye. What was said stands, whether or not this is heard.
    async fn quit(&mut self) {
        if let Err(error) = self.write(&packet(b'Q', &[])).await {
            tracing::debug!(milter = self.milter.name, %error, "a milter left first");
        }
    }
}

/// The data of the first step: the client's name, the family of its address, its port, and the address.
fn connected(envelope: &Envelope) -> Vec<u8> {
    let ip = envelope.peer.ip();
    let name = envelope.peer_name.clone();
    let name = name.unwrap_or_else(|| format!("[{ip}]"));
    let family = match ip {
        IpAddr::V4(_) => b'4',
        IpAddr::V6(_) => b'6',
    };
    let mut data = joined(&[name.as_bytes()]);
    data.push(family);
    data.extend_from_slice(&envelope.peer.port().to_be_bytes());
    data.extend(joined(&[ip.to_string().as_bytes()]));
    data
}
