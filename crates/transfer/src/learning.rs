//! The classifier learns from what people move into Junk and out of it, and says what it knows of a message's words.

use std::time::Duration;

use parking_lot::Mutex;
use screening::{Guess, Seen, Token, Words};
use store::{
    AccountId, Error,
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
    let words = match store.body(lesson.account, lesson.body).await {
        Ok(raw) => {
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
        let event = Event::new(Kind::WordsLearned, Actor::System)
            .subject(lesson.account.to_string())
            .detail("junk", lesson.junk)
            .detail("taught", taught);
        tx.record(&event, taught)
    });
    let taught = commit.await?.value;
    transfer.shared.lessons.change();
    Ok(taught)
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
