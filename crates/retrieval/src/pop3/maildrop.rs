//! Opening the maildrop of who has logged in.

use directory::Login;
use protocol::pop3::{Listed, ResponseCode};
use store::{BodyId, Error, MailboxId, mailbox};

use super::authorization::{Turn, Waiting};
use crate::{
    audit::{Agent, End, Tally},
    budget::{Counted, Opened},
};

/// A login with its maildrop.
pub(super) struct Entered {
    pub login: Login,
    pub mailbox: MailboxId,
    pub messages: Vec<Message>,
    pub listed: Vec<Listed>,
    pub counted: Counted,
    pub opened: Opened,
}

/// A message of the maildrop.
#[derive(Clone, Copy)]
pub(super) struct Message {
    pub uid: u32,
    pub body: BodyId,
    pub size: u64,
}

impl Waiting {
    /// Opens the maildrop of who has logged in.
    pub(super) async fn enter(&mut self, login: Login) -> Result<Turn, End> {
        let limit = self.line.settings().sessions_per_identifier;
        let Some(counted) = self.shared.sessions.enter(login.account, limit) else {
            let (code, text) = (
                ResponseCode::SysTemp,
                "Too many sessions of this identifier",
            );
            return self.stay_out(&login, code, text, End::TooMany).await;
        };
        let Some(opened) = self.shared.maildrops.open(login.account) else {
            let (code, text) = (ResponseCode::InUse, "Another session has the maildrop");
            return self.stay_out(&login, code, text, End::InUse).await;
        };
        match self.read_maildrop(&login).await {
            Ok((mailbox, messages, listed)) => {
                self.line.out.ok(&format!("{} messages", messages.len()));
                Ok(Turn::In(Box::new(Entered {
                    login,
                    mailbox,
                    messages,
                    listed,
                    counted,
                    opened,
                })))
            }
            Err(error) => {
                tracing::error!(%error, "a maildrop could not be read");
                let (code, text) = (ResponseCode::SysTemp, "The maildrop cannot be read now");
                self.stay_out(&login, code, text, End::Failed).await
            }
        }
    }

    /// Tells somebody who has proved the identifier that no session comes of it. The trail has the proof already; it must have
    /// this, too.
    async fn stay_out(
        &mut self,
        login: &Login,
        code: ResponseCode,
        text: &str,
        end: End,
    ) -> Result<Turn, End> {
        let who = Agent::new(login, self.line.peer().ip(), "pop3");
        Tally::new()
            .record(&self.shared.store, &who, self.line.facts(), end)
            .await;
        self.line.out.err(Some(code), text);
        self.count_failure()
    }

    async fn read_maildrop(
        &self,
        login: &Login,
    ) -> Result<(MailboxId, Vec<Message>, Vec<Listed>), Error> {
        let account = login.account;
        self.shared
            .store
            .read(move |snapshot| {
                let inbox = mailbox::by_name(snapshot, account, protocol::imap::INBOX)?
                    .ok_or_else(|| Error::NotFound("INBOX".to_owned()))?;
                let entries = mailbox::entries(snapshot, inbox.id, 1, inbox.uid_next)?;
                let listed = entries.iter().map(|entry| Listed {
                    size: entry.size,
                    // UIDs are never used again within a UIDVALIDITY: unique for ever, as UIDL demands.
                    uid: format!("{}.{}", inbox.uid_validity, entry.uid).into(),
                });
                let listed = listed.collect();
                let messages = entries.iter().map(|entry| Message {
                    uid: entry.uid,
                    body: entry.body,
                    size: entry.size,
                });
                Ok((inbox.id, messages.collect(), listed))
            })
            .await
    }
}
