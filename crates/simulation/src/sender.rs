//! Clients that give mail to the server: strangers by SMTP, and staff by submission.

use std::sync::Arc;

use transfer::Listener;

use crate::{
    chance::Chance,
    ledger::{Ledger, Way},
    letter::Letter,
    people::PEOPLE,
    server::{REMOTE, Server},
    talk::{Gone, Talk},
};

/// One client.
pub(crate) struct Sender {
    pub(crate) server: Arc<Server>,
    pub(crate) ledger: Ledger,
    pub(crate) chance: Chance,
    pub(crate) listener: Listener,
}

impl Sender {
    /// Sends some letters over some connections.
    pub(crate) async fn run(self) {
        for _ in 0..=self.chance.below(2) {
            // A connection that breaks is what networks do; the ledger knows what was promised.
            self.session().await.ok();
        }
    }

    async fn session(&self) -> Result<(), Gone> {
        let mut talk = Talk::new(self.server.smtp(self.listener));
        talk.reply().await?;
        talk.command("EHLO client.example").await?;
        for _ in 0..=self.chance.below(4) {
            self.letter(&mut talk).await?;
        }
        talk.command("QUIT").await.map(|_| ())
    }

    async fn letter(&self, talk: &mut Talk) -> Result<(), Gone> {
        let lines = match self.chance.below(10) {
            0 => 700 + self.chance.below(700),
            1..=3 => 100 + self.chance.below(100),
            _ => self.chance.below(20),
        };
        let from = if self.listener == Listener::Exchange {
            "stranger@remote.example"
        } else {
            self.chance.pick(&PEOPLE).copied().unwrap_or(PEOPLE[0])
        };
        if talk.command(&format!("MAIL FROM:<{from}>")).await? != 250 {
            return Ok(());
        }
        let mut local = Vec::new();
        let mut remote = Vec::new();
        for person in PEOPLE {
            if self.chance.once_in(2) && talk.command(&format!("RCPT TO:<{person}>")).await? == 250
            {
                local.push(person);
            }
        }
        if self.listener != Listener::Exchange && self.chance.once_in(2) {
            for name in ["alice", "bob"] {
                let recipient = format!("{name}@{REMOTE}");
                if talk.command(&format!("RCPT TO:<{recipient}>")).await? == 250 {
                    remote.push(recipient);
                }
            }
        }
        if local.is_empty() && remote.is_empty() {
            talk.command("RSET").await?;
            return Ok(());
        }
        let letter = self.ledger.book().send(lines, from, Way::Smtp);
        self.content(talk, letter, from, &local, &remote).await
    }

    async fn content(
        &self,
        talk: &mut Talk,
        letter: Letter,
        from: &'static str,
        local: &[&'static str],
        remote: &[String],
    ) -> Result<(), Gone> {
        let text = letter.text(from);
        let chunked = self.chance.once_in(3);
        if !chunked && talk.command("DATA").await? != 354 {
            self.ledger.book().refuse(letter);
            return Ok(());
        }
        self.ledger.book().hand_over(letter, local, remote);
        let code = if chunked {
            talk.write(&format!("BDAT {} LAST\r\n{text}", text.len()))
                .await?;
            talk.reply().await?.0
        } else {
            talk.command(&format!("{text}.")).await?
        };
        let mut book = self.ledger.book();
        if code == 250 {
            book.acknowledge(letter);
        } else {
            book.refuse(letter);
        }
        Ok(())
    }
}
