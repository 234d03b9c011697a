//! Filling mailboxes before something is measured, and waiting until what was sent can be read.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    Outcome,
    client::Imap,
    mail::Letter,
    server::{Server, address},
};

/// Messages in one APPEND.
const BATCH: usize = 100;

/// Logs in to the first `count` accounts once, some at a time: the first login of an imported account makes its hash
/// anew, which is not what any load is about.
pub(crate) async fn warm(server: &Server, count: usize) -> Outcome<()> {
    let port = server.ports.imap;
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..8 {
        tasks.spawn(async move {
            for number in (lane..count).step_by(8) {
                Imap::logged_in(port, &address(number))
                    .await?
                    .logout()
                    .await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Appends the messages that `make` gives for `0..count`, to a mailbox that is made if it is not there.
pub(crate) async fn fill(
    session: &mut Imap,
    mailbox: &str,
    count: usize,
    mut make: impl FnMut(usize) -> Vec<u8>,
) -> Outcome<()> {
    if mailbox != "INBOX" {
        session.run(&format!("CREATE {mailbox}")).await?;
    }
    for first in (0..count).step_by(BATCH) {
        let batch: Vec<Vec<u8>> = (first..count.min(first + BATCH)).map(&mut make).collect();
        session
            .append(mailbox, batch.iter().map(Vec::as_slice))
            .await?;
    }
    let have = session.count(mailbox).await?;
    match usize::try_from(have)? >= count {
        true => Ok(()),
        false => Err(format!("{mailbox} holds {have} of {count} messages").into()),
    }
}

/// Letters of one size.
pub(crate) fn letters(octets: usize) -> impl FnMut(usize) -> Vec<u8> {
    let mut letter = Letter::new("tanaka@sender.test", octets, 11);
    move |number| {
        letter.number(number);
        letter.plain().to_vec()
    }
}

/// Sessions that watch the INBOXes that a load sends to.
pub(crate) struct Watch {
    sessions: Vec<Imap>,
    before: Vec<u64>,
}

impl Watch {
    /// Opens a session for each of the accounts, before the clock runs.
    pub(crate) async fn open(server: &Server, accounts: usize) -> Outcome<Self> {
        let (mut sessions, mut before) = (Vec::new(), Vec::new());
        for number in 0..accounts {
            let mut session = Imap::logged_in(server.ports.imap, &address(number)).await?;
            before.push(session.count("INBOX").await?);
            sessions.push(session);
        }
        Ok(Self { sessions, before })
    }

    /// Waits until each has `more` messages than before. One mailbox after the other is asked, so that asking costs
    /// little; none may have too many.
    pub(crate) async fn wait(&mut self, more: u64) -> Outcome<()> {
        const LIMIT: Duration = Duration::from_secs(300);
        let began = Instant::now();
        for (session, before) in self.sessions.iter_mut().zip(&self.before) {
            loop {
                let have = session.count("INBOX").await? - before;
                if have == more {
                    break;
                }
                if have > more || began.elapsed() > LIMIT {
                    return Err(format!("{have} messages came instead of {more}").into());
                }
                sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    /// Reads the newest message of the first mailbox, which must be whole and hold `text`; then says goodbye to all.
    pub(crate) async fn sample(mut self, octets: usize, text: &[u8]) -> Outcome<()> {
        if let Some(session) = self.sessions.first_mut() {
            let count = session.select("INBOX").await?;
            let command = format!("FETCH {count} (BODY.PEEK[])");
            let mut good = false;
            session
                .each(&command, true, |response| {
                    if let Some(body) = response.first {
                        let found = memchr::memmem::find(&body, text).is_some();
                        good |= found && body.len() >= octets;
                    }
                    Ok(())
                })
                .await?;
            if !good {
                return Err("the newest message is not what was sent".into());
            }
        }
        for session in self.sessions {
            session.logout().await?;
        }
        Ok(())
    }
}
