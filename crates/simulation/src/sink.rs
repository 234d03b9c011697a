//! The other server: takes mail, or does not, and remembers what it took.

use tokio::io::DuplexStream;

use crate::{
    chance::Chance,
    ledger::Ledger,
    letter::Letter,
    talk::{Gone, Talk},
};

/// A server elsewhere. Clones are the same server.
#[derive(Clone)]
pub(crate) struct Sink {
    chance: Chance,
    ledger: Ledger,
    /// One answer in so many is a refusal; 0: none.
    moods: u64,
}

impl Sink {
    pub(crate) fn new(chance: Chance, ledger: Ledger, moods: u64) -> Self {
        Self {
            chance,
            ledger,
            moods,
        }
    }

    fn in_a_mood(&self) -> bool {
        self.moods > 0 && self.chance.once_in(self.moods)
    }

    /// Whether it refuses this connection.
    pub(crate) fn refuses(&self) -> bool {
        self.in_a_mood()
    }

    /// Serves one connection.
    pub(crate) fn serve(&self, stream: DuplexStream) {
        let sink = self.clone();
        tokio::spawn(async move {
            // That the client is gone is no trouble of the sink's.
            sink.session(Talk::new(stream)).await.ok();
        });
    }

    async fn session(&self, mut talk: Talk) -> Result<(), Gone> {
        talk.write("220 mx.remote.example ESMTP\r\n").await?;
        let mut recipients: Vec<String> = Vec::new();
        loop {
            let line = talk.line().await?;
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let reply = match verb.as_str() {
                "EHLO" => "250-mx.remote.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE",
                "MAIL" | "RSET" => {
                    recipients.clear();
                    "250 2.0.0 ok"
                }
                "RCPT" => self.recipient(&line, &mut recipients),
                "DATA" if recipients.is_empty() => "554 5.5.1 no recipients",
                "DATA" => {
                    talk.write("354 go on\r\n").await?;
                    self.content(&mut talk, &recipients).await?
                }
                "QUIT" => {
                    return talk.write("221 2.0.0 bye\r\n").await;
                }
                _ => "502 5.5.1 what?",
            };
            talk.write(&format!("{reply}\r\n")).await?;
        }
    }

    fn recipient(&self, line: &str, recipients: &mut Vec<String>) -> &'static str {
        if self.in_a_mood() {
            return if self.chance.once_in(3) {
                "550 5.1.1 nobody of that name"
            } else {
                "450 4.2.0 not now"
            };
        }
        let address = line.split(['<', '>']).nth(1).unwrap_or_default();
        recipients.push(address.to_owned());
        "250 2.1.5 ok"
    }

    async fn content(&self, talk: &mut Talk, recipients: &[String]) -> Result<&'static str, Gone> {
        let mut text = String::new();
        loop {
            let line = talk.line().await?;
            if line == "." {
                break;
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
        }
        if self.in_a_mood() {
            return Ok("451 4.3.0 not now");
        }
        let mut book = self.ledger.book();
        if let Some(letter) = Letter::find(&text) {
            let whole = book.letters.get(&letter.number);
            if !whole.is_some_and(|sent| text.ends_with(&letter.text(sent.from))) {
                book.break_promise(format!("letter {} left damaged", letter.number));
            }
            for recipient in recipients {
                *book
                    .delivered
                    .entry((letter.number, recipient.clone()))
                    .or_default() += 1;
            }
        }
        Ok("250 2.0.0 taken")
    }
}
