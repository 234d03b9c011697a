//! The three states of RFC 1939, as types.

use super::command::Command;
use super::encoder::Encoder;

/// Before authentication: only the name of USER is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authorization {
    user: Option<String>,
}

impl Authorization {
    /// A session that has just begun.
    #[must_use]
    pub const fn new() -> Self {
        Self { user: None }
    }

    /// USER: PASS may follow. Whether there is such a user is not told.
    pub fn user(&mut self, name: String) {
        self.user = Some(name);
    }

    /// PASS: the name that goes with it, once. `None` when no USER came before.
    pub fn pass(&mut self) -> Option<String> {
        self.user.take()
    }

    /// The client is authenticated and its maildrop locked.
    #[must_use]
    pub fn authenticated(self, maildrop: Vec<Listed>) -> Transaction {
        Transaction::new(maildrop)
    }
}

/// One message of the maildrop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Octets of the message as RETR sends it, without doubled dots.
    pub size: u64,
    /// Unique id: 1 to 70 of `!` to `~` (RFC 1939, section 7), never reused.
    pub uid: Box<str>,
}

/// The maildrop as it was when it was locked, and what the client deleted from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    messages: Vec<(Listed, bool)>,
}

/// The client said QUIT in the transaction state: its deletions are to be carried out now, and only now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "deletions happen only when somebody carries them out"]
pub struct Update {
    /// Places in the list given to [`Transaction::new`], from 0, ascending.
    pub deleted: Vec<usize>,
}

/// A command that [`Transaction::answer`] cannot answer alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedsMessage {
    /// RETR: send the message at this place with [`Encoder::message`].
    Retr(usize),
    /// TOP: send the message at this place with [`Encoder::top`].
    Top {
        /// Place in the list, from 0.
        index: usize,
        /// Lines of the body.
        lines: u32,
    },
    /// A command of another state, or one that the driver answers: CAPA, UTF8, QUIT, STLS, USER, PASS, AUTH.
    Other,
}

const NO_SUCH: &str = "no such message";

impl Transaction {
    /// A locked maildrop. Messages are numbered from 1 in this order.
    #[must_use]
    pub fn new(maildrop: Vec<Listed>) -> Self {
        Self {
            messages: maildrop.into_iter().map(|listed| (listed, false)).collect(),
        }
    }

    /// Answers STAT, LIST, UIDL, DELE, NOOP and RSET, and RETR and TOP of messages that are not there.
    ///
    /// # Errors
    /// [`NeedsMessage`] for what the driver must answer; nothing is written then.
    pub fn answer(&mut self, command: &Command, encoder: &mut Encoder) -> Result<(), NeedsMessage> {
        match *command {
            Command::Stat => {
                let (count, size) = self.totals();
                encoder.numbers(b"+OK ", count, size);
            }
            Command::List(Some(number)) => match self.place(number) {
                Some((_, listed)) => encoder.numbers(b"+OK ", u64::from(number), listed.size),
                None => encoder.err(None, NO_SUCH),
            },
            Command::List(None) => {
                encoder.ok("");
                for (number, listed) in self.remaining() {
                    encoder.numbers(b"", number, listed.size);
                }
                encoder.end();
            }
            Command::Uidl(Some(number)) => match self.place(number) {
                Some((_, listed)) => encoder.numbered(b"+OK ", u64::from(number), &listed.uid),
                None => encoder.err(None, NO_SUCH),
            },
            Command::Uidl(None) => {
                encoder.ok("");
                for (number, listed) in self.remaining() {
                    encoder.numbered(b"", number, &listed.uid);
                }
                encoder.end();
            }
            Command::Retr(number) => match self.place(number) {
                Some((index, _)) => return Err(NeedsMessage::Retr(index)),
                None => encoder.err(None, NO_SUCH),
            },
            Command::Top { message, lines } => match self.place(message) {
                Some((index, _)) => return Err(NeedsMessage::Top { index, lines }),
                None => encoder.err(None, NO_SUCH),
            },
            Command::Dele(number) => self.delete(number, encoder),
            Command::Noop => encoder.ok(""),
            Command::Rset => {
                for (_, deleted) in &mut self.messages {
                    *deleted = false;
                }
                encoder.ok("");
            }
            Command::User(_)
            | Command::Pass(_)
            | Command::Auth { .. }
            | Command::Stls
            | Command::Capa
            | Command::Utf8
            | Command::Quit => return Err(NeedsMessage::Other),
        }
        Ok(())
    }

    /// QUIT. A connection that breaks without it deletes nothing (RFC 1939, section 6): drop the value then.
    pub fn quit(self) -> Update {
        let places = self.messages.iter().enumerate();
        Update {
            deleted: places
                .filter(|(_, (_, deleted))| *deleted)
                .map(|(index, _)| index)
                .collect(),
        }
    }

    fn delete(&mut self, number: u32, encoder: &mut Encoder) {
        let index = self.place(number).map(|(index, _)| index);
        match index.and_then(|index| self.messages.get_mut(index)) {
            Some((_, deleted)) => {
                *deleted = true;
                encoder.ok("deleted");
            }
            None => encoder.err(None, NO_SUCH),
        }
    }

    /// The message of that number, unless it is deleted.
    fn place(&self, number: u32) -> Option<(usize, &Listed)> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let (listed, deleted) = self.messages.get(index)?;
        (!deleted).then_some((index, listed))
    }

    fn remaining(&self) -> impl Iterator<Item = (u64, &Listed)> {
        (1u64..)
            .zip(&self.messages)
            .filter(|(_, (_, deleted))| !deleted)
            .map(|(number, (listed, _))| (number, listed))
    }

    /// How many messages are not deleted, and their octets.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        self.remaining().fold((0, 0), |(count, size), (_, listed)| {
            (
                u64::saturating_add(count, 1),
                u64::saturating_add(size, listed.size),
            )
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn maildrop() -> Transaction {
        let listed = |size, uid: &str| Listed {
            size,
            uid: uid.into(),
        };
        Transaction::new(vec![listed(10, "a"), listed(20, "b"), listed(30, "c")])
    }

    #[test]
    fn a_conversation() {
        let mut session = maildrop();
        for (line, answer) in [
            ("STAT", "+OK 3 60\r\n"),
            ("DELE 2", "+OK deleted\r\n"),
            ("DELE 2", "-ERR no such message\r\n"),
            ("LIST", "+OK\r\n1 10\r\n3 30\r\n.\r\n"),
            ("LIST 2", "-ERR no such message\r\n"),
            ("LIST 3", "+OK 3 30\r\n"),
            ("UIDL", "+OK\r\n1 a\r\n3 c\r\n.\r\n"),
            ("UIDL 1", "+OK 1 a\r\n"),
            ("RETR 2", "-ERR no such message\r\n"),
            ("TOP 4 1", "-ERR no such message\r\n"),
            ("STAT", "+OK 2 40\r\n"),
            ("RSET", "+OK\r\n"),
            ("STAT", "+OK 3 60\r\n"),
        ] {
            let mut encoder = Encoder::new();
            session
                .answer(&Command::parse(line.as_bytes()).unwrap(), &mut encoder)
                .unwrap();
            assert_eq!(String::from_utf8_lossy(encoder.bytes()), answer, "{line}");
        }
        assert!(session.quit().deleted.is_empty());
    }

    #[test]
    fn the_driver_sends_messages() {
        let mut encoder = Encoder::new();
        assert_eq!(
            maildrop().answer(&Command::Retr(3), &mut encoder),
            Err(NeedsMessage::Retr(2))
        );
        let top = Command::Top {
            message: 1,
            lines: 4,
        };
        assert_eq!(
            maildrop().answer(&top, &mut encoder),
            Err(NeedsMessage::Top { index: 0, lines: 4 })
        );
        assert_eq!(
            maildrop().answer(&Command::Quit, &mut encoder),
            Err(NeedsMessage::Other)
        );
        assert!(encoder.bytes().is_empty());
    }

    #[test]
    fn pass_needs_a_user_before_it_each_time() {
        let mut session = Authorization::new();
        assert_eq!(session.pass(), None);
        session.user("a".into());
        assert_eq!(session.pass().as_deref(), Some("a"));
        assert_eq!(session.pass(), None);
    }
}
