//! The classifier learns from what people move into Junk and out of it, and says what it knows of a message's words.

use std::time::Duration;

use message::header::Header;
use parking_lot::Mutex;
use screening::{Guess, Seen, Token, Words};
use serde_json::Value;
use store::{
    AccountId, Error, QueueId, Snapshot,
    event::{self, Filter},
    sql::Sql,
    words::{self, Counts, Lesson, SITE},
};
use trail::{Actor, By, Event, Kind};

use crate::{Transfer, acquaintance::Note};

/// Lessons that are read at a time.
const LESSONS: u32 = 100;
/// Between two lessons.
const PAUSE: Duration = Duration::from_millis(20);
/// Accounts of one message that are asked for lessons of their own.
const MOST_ACCOUNTS: usize = 8;

/// What is known of the words of a message for `accounts`; `None`: nobody taught enough. `least` is how many messages of each kind
/// are enough.
///
/// # Errors
/// The store's.
pub(crate) async fn words_of(
    transfer: &Transfer,
    tokens: Vec<Token>,
    accounts: Vec<AccountId>,
    least: u32,
) -> Result<Option<Words>, Error> {
    let look = move |sql: &mut dyn Sql| {
        let site = guess(sql, SITE, &tokens, least)?;
        let mut found = Words {
            site,
            accounts: Vec::new(),
        };
        for account in accounts.into_iter().take(MOST_ACCOUNTS) {
            if let (Some(guess), Ok(number)) = (
                guess(sql, account, &tokens, least)?,
                u64::try_from(account.0),
            ) {
                found.tell(number, guess);
            }
        }
        Ok::<_, Error>((found != Words::default()).then_some(found))
    };
    transfer.store().read(move |snapshot| look(snapshot)).await
}

fn guess(
    sql: &mut dyn Sql,
    account: AccountId,
    tokens: &[Token],
    least: u32,
) -> Result<Option<Guess>, Error> {
    let learned = words::lessons(sql, account)?;
    if learned.good < least.max(1) || learned.junk < least.max(1) {
        return Ok(None);
    }
    let known = words::of(sql, account, tokens)?;
    let known: Vec<Seen> = known.into_iter().map(seen).collect();
    Ok(Some(Guess::of(seen(learned), &known)))
}

fn seen(counts: Counts) -> Seen {
    Seen {
        good: counts.good,
        junk: counts.junk,
    }
}

/// Learns from all lessons that wait, a commit for each; returns how many taught something.
///
/// # Errors
/// The store's. What was learned until then stays learned.
pub async fn learn(transfer: &Transfer) -> Result<u64, Error> {
    let store = transfer.store();
    let mut taught = 0_u64;
    loop {
        let lessons = store.read(|sql| words::waiting(sql, LESSONS)).await?;
        if lessons.is_empty() {
            return Ok(taught);
        }
        for lesson in lessons {
            taught = taught.saturating_add(u64::from(learn_one(transfer, lesson).await?));
            // Each is thousands of rows: who moves a thousand messages does not hold up everybody's mail.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn learn_one(transfer: &Transfer, lesson: Lesson) -> Result<bool, Error> {
    let store = transfer.store();
    let host = transfer.settings().hostname.as_str().to_owned();
    let mut why = Vec::new();
    let words = match store.body(lesson.account, lesson.body).await {
        Ok(raw) => {
            if let Some(id) = taken_as(&raw) {
                why = store.read(move |snapshot| why_marked(snapshot, id)).await?;
            }
            let key = store.words_key();
            let cut = move || {
                let note = Note::of_lesson(&raw, &host, lesson.junk);
                Ok::<_, Error>((screening::tokens(&raw, &key), note))
            };
            Some(store.blocking(cut).await?)
        }
        // It was deleted meanwhile, or its account; or it is damaged, which `verify` tells.
        Err(Error::NotFound(_) | Error::NoKey(_) | Error::Corrupt(_)) => None,
        Err(error) => return Err(error),
    };
    let commit = store.commit::<_, Error>(Vec::new(), move |tx| {
        let of_message = words.as_ref().map(|(words, _)| words.as_slice());
        let taught = words::learn(tx, &lesson, of_message)?;
        if let Some((_, note)) = words.as_ref().filter(|_| taught) {
            note.write(tx)?;
        }
        let mut event = Event::new(Kind::WordsLearned, Actor::System)
            .subject(lesson.account.to_string())
            .detail("junk", lesson.junk)
            .detail("taught", taught);
        // What teaches nothing was said before, and is counted.
        for (name, said) in why.into_iter().filter(|_| taught) {
            event = event.detail(name, said);
        }
        tx.record(&event, taught)
    });
    let taught = commit.await?.value;
    transfer.shared.lessons.change();
    Ok(taught)
}

/// The id that this server took a message as, as its Received field on top has it. Of what was put into a mailbox otherwise it is another
/// server's, which is no message's here.
fn taken_as(raw: &[u8]) -> Option<QueueId> {
    let header = Header::named(raw, &["received"], 1);
    let field = header.iter().next()?.unfolded();
    // The last one: a client may call itself by any word.
    let (_, behind) = field.rsplit_once(" id ")?;
    let id = behind.split([' ', ';']).next()?;
    id.parse().ok()
}

/// Facts of an event that say what had decided.
const WHY: [&str; 2] = ["cause", "criterion"];

/// What had decided that the message of this id went into Junk, as its event tells it; empty: nothing had.
fn why_marked(
    snapshot: &mut Snapshot<'_>,
    id: QueueId,
) -> Result<Vec<(&'static str, Value)>, Error> {
    let filter = Filter {
        subject: Some(id.to_string()),
        kinds: vec![Kind::MailMarked],
        ..Filter::default()
    };
    let found = event::search(snapshot, &filter, 1)?;
    let facts = found.first().map(|recorded| &recorded.event.detail);
    let why = WHY.into_iter().filter_map(|name| {
        let said = facts?.get(name)?;
        Some((name, said.clone()))
    });
    Ok(why.collect())
}

/// Learns from messages that are in no mailbox here, for the whole site, in one commit. `who` brought them.
///
/// # Errors
/// The store's; then nothing was learned of them.
pub async fn learn_from(
    transfer: &Transfer,
    messages: Vec<Vec<u8>>,
    junk: bool,
    who: By,
) -> Result<(), Error> {
    let store = transfer.store();
    let key = store.words_key();
    let cut = move || {
        let words = messages.iter().map(|raw| screening::tokens(raw, &key));
        Ok::<_, Error>(words.collect::<Vec<_>>())
    };
    let all = store.blocking(cut).await?;
    let commit = store.commit::<_, Error>(Vec::new(), move |tx| {
        for words in &all {
            words::learn_for_site(tx, words, junk)?;
        }
        let event = who
            .event(Kind::WordsLearned)
            .detail("junk", junk)
            .detail("messages", all.len());
        tx.record(&event, ())
    });
    commit.await?;
    transfer.shared.lessons.change();
    Ok(())
}

/// How many messages the site learned from, as each message that comes asks: read once, and anew after each lesson.
///
/// # Errors
/// The store's.
pub(crate) async fn known_lessons(transfer: &Transfer) -> Result<Seen, Error> {
    let known = &transfer.shared.lessons;
    let (lesson, seen) = *known.0.lock();
    if let Some(seen) = seen {
        return Ok(seen);
    }
    let read = lessons(transfer).await?;
    let mut known = known.0.lock();
    // Not if there was another lesson meanwhile.
    if known.0 == lesson {
        known.1 = Some(read);
    }
    Ok(read)
}

/// The number of the last lesson since the start, and what the site has learned by then, once that was read.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<(u64, Option<Seen>)>);

impl Known {
    /// There was a lesson.
    fn change(&self) {
        let mut known = self.0.lock();
        *known = (known.0.wrapping_add(1), None);
    }
}

/// How many messages the site learned from.
///
/// # Errors
/// The store's.
pub async fn lessons(transfer: &Transfer) -> Result<Seen, Error> {
    let learned = transfer
        .store()
        .read(|sql| words::lessons(sql, SITE))
        .await?;
    Ok(seen(learned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_message_is_read_in_the_field_on_top() {
        let id = QueueId(123_456_789);
        let received = |helo: &str, rest: &str| {
            format!(
                "Return-Path: <>\r\nReceived: from {helo} ([192.0.2.1]) by mx.example.jp with ESMTP\r\n id {id}{rest}; \
                     Sat, 1 Jan 2026 00:00:00 +0000\r\nReceived: from x by y id z; date\r\n\r\n"
            )
        };
        for (helo, rest) in [
            ("client.example", ""),
            ("id", ""),
            ("client.example", " for <id@example.jp>"),
        ] {
            assert_eq!(
                taken_as(received(helo, rest).as_bytes()),
                Some(id),
                "{helo}{rest}"
            );
        }
        for none in [
            "Subject: id 1\r\n\r\n",
            "Received: from x by y; date\r\n\r\n",
            "",
        ] {
            assert_eq!(taken_as(none.as_bytes()), None, "{none}");
        }
    }
}
