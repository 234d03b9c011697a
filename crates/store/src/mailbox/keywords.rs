//! Keywords: flags that people and programs name.
//!
//! They are compared without regard to case and shown as first written in their mailbox. In a row they
//! stand sorted, divided by spaces.

use crate::{Error, MailboxId, Refusal, params, sql, sql::Sql};

/// Octets of a keyword at most.
pub const MAX_KEYWORD_OCTETS: usize = 128;
/// Keywords on one message at most.
pub const MAX_KEYWORDS: usize = 64;
/// Different keywords in one mailbox at most.
pub const MAX_MAILBOX_KEYWORDS: usize = 512;

/// The keywords of a mailbox: those that stand on a message of it, or once did.
///
/// # Errors
/// When the database fails.
pub fn keywords(sql: &mut dyn Sql, mailbox: MailboxId) -> Result<Vec<String>, Error> {
    let text = sql::first(
        sql,
        "SELECT keywords FROM mailbox WHERE id = ?1",
        params![mailbox],
        |row| row.text(0),
    )?;
    Ok(text.as_deref().map(split).unwrap_or_default())
}

/// The keywords that a mailbox knows, in the spelling it first met.
pub(super) struct Known {
    words: Vec<String>,
}

impl Known {
    pub(super) fn read(text: &str) -> Self {
        Self { words: split(text) }
    }

    pub(super) fn to_text(&self) -> String {
        self.words.join(" ")
    }

    /// `wanted` in the mailbox's spelling, sorted, each once. New words become known; when there are too
    /// many, those that no message of `mailbox` bears are forgotten first.
    pub(super) fn admit(
        &mut self,
        sql: &mut dyn Sql,
        mailbox: MailboxId,
        wanted: &[String],
    ) -> Result<Vec<String>, Error> {
        let mut admitted: Vec<String> = Vec::with_capacity(wanted.len());
        for word in wanted {
            check(word)?;
            let spelled = match self.spelling(word) {
                Some(known) => known.to_owned(),
                None => {
                    self.learn(sql, mailbox, word)?;
                    word.clone()
                }
            };
            admitted.push(spelled);
        }
        admitted.sort_unstable();
        admitted.dedup();
        if admitted.len() > MAX_KEYWORDS {
            return Err(Refusal::Limit("keywords of one message (64)").into());
        }
        Ok(admitted)
    }

    /// How the mailbox spells `word`, if it knows it.
    pub(super) fn spelling(&self, word: &str) -> Option<&str> {
        self.words
            .iter()
            .find(|known| known.eq_ignore_ascii_case(word))
            .map(String::as_str)
    }

    fn learn(&mut self, sql: &mut dyn Sql, mailbox: MailboxId, word: &str) -> Result<(), Error> {
        if self.words.len() >= MAX_MAILBOX_KEYWORDS {
            self.words = in_use(sql, mailbox)?;
        }
        if self.words.len() >= MAX_MAILBOX_KEYWORDS {
            return Err(Refusal::Limit("different keywords of one mailbox (512)").into());
        }
        self.words.push(word.to_owned());
        self.words.sort_unstable();
        Ok(())
    }
}

/// The words of a column.
pub(super) fn split(text: &str) -> Vec<String> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn in_use(sql: &mut dyn Sql, mailbox: MailboxId) -> Result<Vec<String>, Error> {
    let mut words: Vec<String> = sql::rows(
        sql,
        "SELECT DISTINCT keywords FROM message WHERE mailbox = ?1 AND keywords <> ''",
        params![mailbox],
        |row| Ok(split(&row.text(0)?)),
    )?
    .concat();
    words.sort_unstable();
    words.dedup();
    Ok(words)
}

/// A keyword is an atom (RFC 9051, `flag-keyword`): nothing else can be shown to a client again.
fn check(word: &str) -> Result<(), Error> {
    let atom = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
    if word.is_empty() || word.len() > MAX_KEYWORD_OCTETS || !word.bytes().all(atom) {
        return Err(Refusal::Limit("a keyword is an atom of 1 to 128 octets").into());
    }
    Ok(())
}
