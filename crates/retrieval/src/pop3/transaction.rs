//! The transaction and update states (RFC 1939, sections 5 and 6).

use std::sync::Arc;

use directory::Login;
use protocol::pop3::{Command, Event, NeedsMessage, ResponseCode, Transaction};
use store::{
    Error, MailboxId, Topic,
    mailbox::{self, FlagChange, FlagMode, Flags},
};
use tokio::sync::watch;
use trail::Kind;

use super::{
    line::Line,
    maildrop::{Entered, Message},
};
use crate::{
    Shared,
    audit::{Agent, End, Tally},
    budget::{Counted, Opened},
};

/// A session with its maildrop.
pub(super) struct Session {
    shared: Arc<Shared>,
    line: Line,
    login: Login,
    who: Agent,
    tally: Tally,
    mailbox: MailboxId,
    messages: Vec<Message>,
    state: Transaction,
    /// UIDs that RETR gave.
    retrieved: Vec<u32>,
    account_changes: watch::Receiver<u64>,
    counted: Counted,
    /// The maildrop's lock, until the update is done.
    opened: Option<Opened>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, line: Line, entered: Entered) -> Self {
        let mut account_changes = shared.store.watch(Topic::Account(entered.login.account));
        // What happened between the password check and this line must be looked at too.
        account_changes.mark_changed();
        Self {
            who: Agent::new(&entered.login, line.peer().ip(), "pop3"),
            shared,
            line,
            login: entered.login,
            tally: Tally::new(),
            mailbox: entered.mailbox,
            messages: entered.messages,
            state: Transaction::new(entered.listed),
            retrieved: Vec::new(),
            account_changes,
            counted: entered.counted,
            opened: Some(entered.opened),
        }
    }

    /// Serves commands until the session ends, and records it.
    pub(super) async fn run(mut self) {
        let end = loop {
            match self.turn().await {
                Ok(()) => {}
                Err(end) => break end,
            }
        };
        if end == End::Logout {
            self.update().await;
        }
        // Before the client hears of it: whoever reads the answer to QUIT may come back at once.
        drop(self.opened.take());
        if let Err(error) = self.line.flush().await {
            tracing::debug!(?error, "the client did not hear the last answer");
        }
        self.tally
            .record(&self.shared.store, &self.who, self.line.facts(), end)
            .await;
        // Whoever waits for the end of the session waits for its event, not for the client.
        drop(self.counted);
        self.line.close(End::Closed).await;
    }

    async fn turn(&mut self) -> Result<(), End> {
        self.line.flush().await?;
        let silence = self.line.settings().pop3_timeout;
        let event = tokio::select! {
            biased;
            changed = self.account_changes.changed() => {
                return match changed {
                    Ok(()) => self.check_account().await,
                    Err(_) => Err(End::Shutdown),
                };
            }
            event = self.line.hear(silence) => event?,
        };
        match event {
            Event::Command(command) => self.obey(&command).await,
            Event::Error(error) => {
                self.line.out.err(None, &error.to_string());
                self.line.count_bad()
            }
            Event::Line(_) => Ok(()),
        }
    }

    async fn obey(&mut self, command: &Command) -> Result<(), End> {
        match self.state.answer(command, &mut self.line.out) {
            Ok(()) => Ok(()),
            Err(NeedsMessage::Retr(index)) => self.send(index, None).await,
            Err(NeedsMessage::Top { index, lines }) => self.send(index, Some(lines)).await,
            Err(NeedsMessage::Other) => match command {
                Command::Quit => Err(End::Logout),
                Command::Capa => {
                    self.line.tell_capabilities(true);
                    Ok(())
                }
                _ => {
                    self.line
                        .out
                        .err(None, "This cannot be said after the login");
                    self.line.count_bad()
                }
            },
        }
    }

    /// RETR, or TOP with so many lines.
    async fn send(&mut self, index: usize, top: Option<u32>) -> Result<(), End> {
        let Some(message) = self.messages.get(index).copied() else {
            return Ok(());
        };
        // The answer holds the text once more, with its dots doubled.
        let (account, octets) = (self.login.account, message.size.saturating_mul(2));
        let room = self.line.room_for(&self.shared.memory, account, octets);
        let Some(_room) = room.await? else {
            let text = "Other answers take all the memory, try again later";
            self.line.out.err(Some(ResponseCode::SysTemp), text);
            return Ok(());
        };
        match self
            .shared
            .store
            .body(self.login.account, message.body)
            .await
        {
            Ok(raw) => {
                let is_text = match top {
                    Some(lines) => self.line.out.top(&raw, lines),
                    None => {
                        self.line.out.message(&raw);
                        true
                    }
                };
                drop(raw);
                self.line.flush().await?;
                // Programs such as fetchmail fetch whole messages by TOP, so that they stay unread on the server.
                if is_text {
                    self.tally.fetched(self.mailbox, message.uid);
                }
                if top.is_none() {
                    self.retrieved.push(message.uid);
                }
            }
            Err(Error::NotFound(_)) => {
                self.line.out.err(None, "The message is gone");
            }
            Err(error) => {
                tracing::error!(%error, body = %message.body.0, "a message cannot be read");
                self.line.out.err(
                    Some(ResponseCode::SysTemp),
                    "The message cannot be read now",
                );
            }
        }
        Ok(())
    }

    /// The update state: deletes what was deleted and marks what was retrieved, in one commit.
    async fn update(&mut self) {
        let update = std::mem::replace(&mut self.state, Transaction::new(Vec::new())).quit();
        let doomed: Vec<u32> = update
            .deleted
            .iter()
            .filter_map(|index| self.messages.get(*index).map(|message| message.uid))
            .collect();
        let mut seen = std::mem::take(&mut self.retrieved);
        seen.retain(|uid| doomed.binary_search(uid).is_err());
        if doomed.is_empty() && seen.is_empty() {
            self.line.out.ok("See you again");
            return;
        }
        match self.carry_out(doomed, seen).await {
            Ok(deleted) => {
                self.tally.deleted = deleted;
                self.line.out.ok("See you again");
            }
            Err(error) => {
                tracing::error!(%error, "a maildrop could not be updated");
                let text = "Some deleted messages were not removed";
                self.line.out.err(Some(ResponseCode::SysTemp), text);
            }
        }
    }

    async fn carry_out(&self, doomed: Vec<u32>, mut seen: Vec<u32>) -> Result<u64, Error> {
        seen.sort_unstable();
        seen.dedup();
        let (who, mailbox) = (self.who.clone(), self.mailbox);
        let receipt = self
            .shared
            .store
            .commit::<_, Error>(Vec::new(), move |tx| {
                let change = FlagChange {
                    mode: FlagMode::Add,
                    flags: Flags::SEEN,
                    keywords: Vec::new(),
                };
                let flagged = if seen.is_empty() {
                    None
                } else {
                    mailbox::change_flags(tx, mailbox, &seen, &change, None)?;
                    let event = who
                        .event_of(
                            Kind::MessageFlagged,
                            protocol::imap::INBOX,
                            seen.iter().copied(),
                        )
                        .detail("change", "+FLAGS (\\Seen)")
                        .detail("implicit", true);
                    Some(tx.record(&event, 0_u64)?)
                };
                if let (Some(recorded), true) = (flagged, doomed.is_empty()) {
                    return Ok(recorded);
                }
                let gone = mailbox::expunge(tx, mailbox, &doomed)?;
                let event = who.event_of(
                    Kind::MessageExpunged,
                    protocol::imap::INBOX,
                    gone.iter().copied(),
                );
                tx.record(&event, u64::try_from(gone.len()).unwrap_or(u64::MAX))
            })
            .await?;
        Ok(receipt.value)
    }

    async fn check_account(&self) -> Result<(), End> {
        match self.shared.directory.still_valid(&self.login).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(End::AccountChanged),
            Err(error) => {
                tracing::error!(%error, "whether a login still holds could not be read");
                Err(End::Failed)
            }
        }
    }
}
