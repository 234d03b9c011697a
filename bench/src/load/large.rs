//! What memory the server takes while sessions work in a large mailbox with the commands that gather most.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use super::{search, select};
use crate::{
    Outcome,
    client::Imap,
    figure::{Cost, Figure, Unit, settle},
    process,
    server::{Server, address},
};

/// Sessions that work in the mailbox at once.
const SESSIONS: usize = 4;
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// What each session does: these gather something for each message of the mailbox.
const COMMANDS: [&str; 6] = [
    "SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL",
    "SEARCH SUBJECT nowhere",
    "FETCH 1:* (UID FLAGS ENVELOPE)",
    "FETCH 1:* (BODY.PEEK[])",
    "STORE 1:* +FLAGS.SILENT ($Looked)",
];
/// How the series begin; what follows is how large the mailbox is.
pub(crate) const PEAK: &str = "memory at most, 4 sessions sort, thread and fetch a mailbox of";
/// The large one of the two mailboxes, in thousands of messages.
pub(crate) const LARGEST: &str = "100,000";

/// A mailbox of some 10,000 messages, and one ten times as large; each with the server started anew. `SELECT` and `SEARCH` have filled them.
pub(super) async fn run(server: &mut Server) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    for (user, mailbox) in [(102, search::MAILBOX), (101, select::MAILBOX)] {
        server.restart().await?;
        settle(server).await;
        let (messages, peak) = peak(server, &address(user), mailbox).await?;
        let name = format!("{PEAK} {},000", messages / 1000);
        let peak = peak as f64 / 1024.0;
        figures.push(Figure::new(name, Unit::Mebibytes, peak, Cost::default()));
    }
    Ok(figures)
}

/// How many messages there are, and the most memory that was seen, in KiB.
async fn peak(server: &Server, user: &str, mailbox: &'static str) -> Outcome<(u64, u64)> {
    let ended = Arc::new(AtomicBool::new(false));
    let looking = tokio::task::spawn_blocking({
        let (ended, roots) = (Arc::clone(&ended), server.roots());
        move || {
            let mut most = 0;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(process::memory_kib(&roots));
                std::thread::sleep(LOOK);
            }
            most
        }
    });
    let mut tasks = JoinSet::new();
    for number in 0..SESSIONS {
        let (user, port) = (user.to_owned(), server.ports.imap);
        tasks.spawn(async move {
            let mut session = Imap::logged_in(port, &user).await?;
            let count = session.select(mailbox).await?;
            // Each begins with another command, so that unlike ones meet.
            for turn in 0..COMMANDS.len() {
                let command = COMMANDS[(number + turn) % COMMANDS.len()];
                session.each(command, false, |_| Ok(())).await?;
            }
            session.logout().await?;
            Outcome::Ok(count)
        });
    }
    let mut worked = Ok(0);
    while let Some(done) = tasks.join_next().await {
        match done? {
            Ok(count) => worked = worked.map(|most: u64| most.max(count)),
            Err(error) => worked = Err(error),
        }
    }
    ended.store(true, Ordering::Relaxed);
    let most = looking.await?;
    Ok((worked?, most))
}
