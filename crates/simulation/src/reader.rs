//! A mail program: one for each mailbox owner, so that what the owner knows is certain.

use std::sync::Arc;

use crate::{
    chance::Chance,
    ledger::{ARCHIVE, Asked, Change, Flag, INBOX, Ledger, MailboxName, Way},
    letter::Letter,
    server::Server,
    talk::{Gone, Talk},
};

/// One owner's program.
pub(crate) struct Reader {
    pub(crate) server: Arc<Server>,
    pub(crate) ledger: Ledger,
    pub(crate) chance: Chance,
    pub(crate) account: &'static str,
    pub(crate) password: String,
}

/// A message in a mailbox, as FETCH told it.
struct Listed {
    uid: u32,
    number: u64,
    seen: bool,
}

/// How a command ended, and what was said before.
struct Answer {
    ok: bool,
    lines: Vec<String>,
}

impl Reader {
    /// Reads mail in some sessions.
    pub(crate) async fn run(self) {
        for _ in 0..=self.chance.below(3) {
            let pause = std::time::Duration::from_millis(self.chance.below(3000));
            tokio::time::sleep(pause).await;
            // A connection that breaks is what networks do; the ledger knows what was promised.
            self.session().await.ok();
        }
    }

    async fn session(&self) -> Result<(), Gone> {
        let mut talk = Talk::new(self.server.imap());
        talk.line().await?;
        let login = format!("LOGIN {} \"{}\"", self.account, self.password);
        if !self.say(&mut talk, &login).await?.ok {
            return Ok(());
        }
        let mailbox = if self.chance.once_in(4) {
            ARCHIVE
        } else {
            INBOX
        };
        if !self.select(&mut talk, mailbox).await? {
            return Ok(());
        }
        for _ in 0..=self.chance.below(4) {
            let Some(list) = self.list(&mut talk, mailbox).await? else {
                return Ok(());
            };
            // What became of a change without an answer is found out by the next check.
            let settled: Vec<&Listed> = {
                let book = self.ledger.book();
                let open = |message: &&Listed| {
                    let held = book.held.get(&(self.account, message.number));
                    held.is_some_and(|held| held.open.is_some())
                };
                list.iter().filter(|message| !open(message)).collect()
            };
            let Some(some) = self.chance.pick(&settled).copied() else {
                self.append(&mut talk).await?;
                continue;
            };
            match self.chance.below(6) {
                0 => self.append(&mut talk).await?,
                1 => self.expunge(&mut talk, mailbox, some).await?,
                2 if mailbox == INBOX => self.archive(&mut talk, some).await?,
                3 => self.mark(&mut talk, mailbox, some).await?,
                4 => self.read(&mut talk, some).await?,
                _ => self.search(&mut talk, &list, some).await?,
            }
        }
        self.say(&mut talk, "LOGOUT").await.map(|_| ())
    }

    async fn say(&self, talk: &mut Talk, command: &str) -> Result<Answer, Gone> {
        talk.write(&format!("a {command}\r\n")).await?;
        self.hear(talk).await
    }

    async fn hear(&self, talk: &mut Talk) -> Result<Answer, Gone> {
        let mut lines = Vec::new();
        loop {
            let mut line = talk.line().await?;
            while let Some(size) = literal(&line) {
                let octets = talk.octets(size).await?;
                line.push_str(&String::from_utf8_lossy(&octets));
                line.push_str(&talk.line().await?);
            }
            if let Some(end) = line.strip_prefix("a ") {
                let ok = end.starts_with("OK");
                lines.push(line);
                return Ok(Answer { ok, lines });
            }
            lines.push(line);
        }
    }

    /// Notes each MODSEQ that an answer tells of the mailbox that is open.
    fn hear_modseqs(&self, mailbox: MailboxName, answer: &Answer) {
        let mut book = self.ledger.book();
        for line in &answer.lines {
            for name in ["MODSEQ (", "[HIGHESTMODSEQ "] {
                if let Some(modseq) = number_after(line, name) {
                    book.tell_modseq(self.account, mailbox, modseq);
                }
            }
        }
    }

    async fn select(&self, talk: &mut Talk, mailbox: MailboxName) -> Result<bool, Gone> {
        let answer = self
            .say(talk, &format!("SELECT {mailbox} (CONDSTORE)"))
            .await?;
        let number = |name: &str| {
            let name = format!("[{name} ");
            let mut lines = answer.lines.iter();
            lines
                .find_map(|line| number_after(line, &name))
                .unwrap_or(0)
        };
        if answer.ok {
            let validity = u32::try_from(number("UIDVALIDITY")).unwrap_or(0);
            let next = u32::try_from(number("UIDNEXT")).unwrap_or(0);
            let modseq = number("HIGHESTMODSEQ");
            let mut book = self.ledger.book();
            book.tell(self.account, mailbox, validity, next, modseq);
        }
        Ok(answer.ok)
    }

    async fn list(
        &self,
        talk: &mut Talk,
        mailbox: MailboxName,
    ) -> Result<Option<Vec<Listed>>, Gone> {
        let command = "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])";
        let answer = self.say(talk, command).await?;
        if !answer.ok {
            return Ok(None);
        }
        let listed = answer.lines.iter().filter_map(|line| {
            let letter = Letter::find(line)?;
            let (_, uid) = line.split_once("UID ")?;
            let uid = uid.split([' ', ')']).next()?.parse().ok()?;
            Some(Listed {
                uid,
                number: letter.number,
                seen: line.contains("\\Seen"),
            })
        });
        let listed: Vec<Listed> = listed.collect();
        self.hear_modseqs(mailbox, &answer);
        let mut book = self.ledger.book();
        for message in &listed {
            book.see(self.account, mailbox, message.uid, message.number);
            book.arrived(self.account, message.number);
            let held = book.held.get(&(self.account, message.number));
            let seen = held.and_then(|held| held.seen);
            if seen.is_some_and(|seen| seen != message.seen) {
                let what = format!(
                    "{} letter {}: seen is {}",
                    self.account, message.number, message.seen
                );
                book.break_promise(what);
            }
        }
        Ok(Some(listed))
    }

    async fn append(&self, talk: &mut Talk) -> Result<(), Gone> {
        let lines = self.chance.below(60);
        let letter = {
            let mut book = self.ledger.book();
            let letter = book.send(lines, self.account, Way::Append);
            book.expect(self.account, letter, ARCHIVE, Some(Change::Append));
            letter
        };
        let text = letter.text(self.account);
        let command = format!("APPEND {ARCHIVE} {{{}+}}\r\n{text}", text.len());
        let answer = self.say(talk, &command).await?;
        let mut book = self.ledger.book();
        if answer.ok {
            book.done(self.account, letter.number, Some(ARCHIVE));
            match put(&answer, "APPENDUID") {
                Some((validity, uid)) => {
                    book.tell_validity(self.account, ARCHIVE, validity);
                    book.see(self.account, ARCHIVE, uid, letter.number);
                }
                None => book.break_promise(format!("APPEND told no UID: {:?}", answer.lines)),
            }
            if let Some(sent) = book.letters.get_mut(&letter.number) {
                sent.acknowledged = true;
            }
        } else {
            book.refuse(letter);
        }
        Ok(())
    }

    async fn expunge(
        &self,
        talk: &mut Talk,
        mailbox: MailboxName,
        message: &Listed,
    ) -> Result<(), Gone> {
        let uid = message.uid;
        if !self.flag(talk, mailbox, message, Flag::Deleted).await? {
            return Ok(());
        }
        let begin = || {
            let mut book = self.ledger.book();
            book.begin(self.account, message.number, Change::Expunge, None);
        };
        begin();
        let answer = self.say(talk, &format!("UID EXPUNGE {uid}")).await?;
        self.hear_modseqs(mailbox, &answer);
        let mut book = self.ledger.book();
        if answer.ok {
            book.done(self.account, message.number, None);
        } else {
            book.undone(self.account, message.number, mailbox);
        }
        Ok(())
    }

    async fn archive(&self, talk: &mut Talk, message: &Listed) -> Result<(), Gone> {
        let to = Some(ARCHIVE);
        self.ledger
            .book()
            .begin(self.account, message.number, Change::Move, to);
        let answer = self
            .say(talk, &format!("UID MOVE {} {ARCHIVE}", message.uid))
            .await?;
        self.hear_modseqs(INBOX, &answer);
        let mut book = self.ledger.book();
        if answer.ok {
            book.done(self.account, message.number, to);
            match put(&answer, "COPYUID") {
                Some((validity, uid)) => {
                    book.tell_validity(self.account, ARCHIVE, validity);
                    book.see(self.account, ARCHIVE, uid, message.number);
                }
                None => book.break_promise(format!("MOVE told no UID: {:?}", answer.lines)),
            }
        } else {
            book.undone(self.account, message.number, INBOX);
        }
        Ok(())
    }

    async fn mark(
        &self,
        talk: &mut Talk,
        mailbox: MailboxName,
        message: &Listed,
    ) -> Result<(), Gone> {
        let key = (self.account, message.number);
        let note = |seen: Option<bool>| {
            if let Some(held) = self.ledger.book().held.get_mut(&key) {
                held.seen = seen;
            }
        };
        note(None);
        let done = self.flag(talk, mailbox, message, Flag::Seen).await?;
        note(Some(done || message.seen));
        Ok(())
    }

    /// Marks a message; whether the answer was yes.
    async fn flag(
        &self,
        talk: &mut Talk,
        mailbox: MailboxName,
        message: &Listed,
        flag: Flag,
    ) -> Result<bool, Gone> {
        let ask = |change: &dyn Fn(&mut Asked)| {
            let key = (self.account, message.number, flag);
            change(self.ledger.book().flagged.entry(key).or_default());
        };
        ask(&|asked| asked.open += 1);
        let command = format!("UID STORE {} +FLAGS.SILENT ({})", message.uid, flag.name());
        let answer = self.say(talk, &command).await?;
        ask(&|asked| {
            asked.open -= 1;
            asked.done += u64::from(answer.ok);
        });
        self.hear_modseqs(mailbox, &answer);
        let marked = answer.lines.iter().any(|line| line.contains("MODSEQ ("));
        if answer.ok && !marked {
            self.ledger
                .book()
                .break_promise(format!("STORE told no MODSEQ: {:?}", answer.lines));
        }
        Ok(answer.ok)
    }

    async fn read(&self, talk: &mut Talk, message: &Listed) -> Result<(), Gone> {
        let command = format!("UID FETCH {} (BODY.PEEK[])", message.uid);
        let answer = self.say(talk, &command).await?;
        let mut book = self.ledger.book();
        let Some(sent) = book.letters.get(&message.number) else {
            return Ok(());
        };
        let text = sent.letter.text(sent.from);
        let whole = answer.lines.iter().any(|line| line.contains(&text));
        if answer.ok && !whole {
            book.break_promise(format!(
                "{} letter {} is damaged",
                self.account, message.number
            ));
        }
        Ok(())
    }

    async fn search(&self, talk: &mut Talk, list: &[Listed], message: &Listed) -> Result<(), Gone> {
        let words = format!("of letter {}\r\n", message.number);
        let command = format!("UID SEARCH BODY \"{}\"", words.trim_end());
        let answer = self.say(talk, &command).await?;
        let found = answer
            .lines
            .iter()
            .find_map(|line| line.strip_prefix("* SEARCH"));
        let uids: Vec<u32> = found
            .unwrap_or_default()
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let mut book = self.ledger.book();
        let letters = &book.letters;
        let has = |number: &u64| {
            let sent = letters.get(number);
            sent.is_some_and(|sent| sent.letter.text(sent.from).contains(words.trim_end()))
        };
        let hits = list.iter().filter(|message| has(&message.number));
        let missing: Vec<u64> = hits
            .filter(|message| !uids.contains(&message.uid))
            .map(|message| message.number)
            .collect();
        if answer.ok && !missing.is_empty() {
            let what = format!("{}: {words:?} is not found in {missing:?}", self.account);
            book.break_promise(what);
        }
        Ok(())
    }
}

/// The number that stands in a line after `name`.
fn number_after(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    let end = rest.find(|one: char| !one.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

/// Where one message was put, as APPENDUID and COPYUID tell: UIDVALIDITY, and the UID, which stands last.
fn put(answer: &Answer, code: &str) -> Option<(u32, u32)> {
    let told = answer.lines.iter().find_map(|line| {
        let (_, rest) = line.split_once(&format!("[{code} "))?;
        Some(rest.split_once(']')?.0)
    })?;
    let validity = told.split(' ').next()?.parse().ok()?;
    Some((validity, told.rsplit(' ').next()?.parse().ok()?))
}

/// The size of the literal that a line ends with.
fn literal(line: &str) -> Option<usize> {
    let (_, size) = line.strip_suffix('}')?.rsplit_once('{')?;
    size.parse().ok()
}
