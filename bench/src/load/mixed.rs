//! IMAP as mail programs use it: whole sessions, fifty at a time.

use tokio::task::JoinSet;

use super::{
    Bench, MAILBOXES,
    fill::{fill, letters},
};
use crate::{
    Outcome,
    client::Imap,
    figure::{Figure, Meter},
    mail::Letter,
    server::{Server, address},
};

/// Messages in each mailbox at the beginning.
const MESSAGES: usize = 200;

/// Whole sessions a second.
pub(super) async fn run(bench: &Bench, server: &Server) -> Outcome<Vec<Figure>> {
    let loops = bench.size(10, 3);
    let mailbox = format!("Mixed{}", bench.serial());
    for number in 0..MAILBOXES {
        let mut session = Imap::logged_in(server.ports.imap, &address(number)).await?;
        fill(&mut session, &mailbox, MESSAGES, letters(4096)).await?;
        session.logout().await?;
    }
    crate::figure::settle(server).await;
    let meter = Meter::start(server);
    let mut tasks = JoinSet::new();
    for number in 0..MAILBOXES {
        let (port, mailbox) = (server.ports.imap, mailbox.clone());
        tasks.spawn(async move {
            let mut letter = Letter::new("tanaka@sender.test", 4096, 5);
            for turn in 0..loops {
                letter.number(turn);
                visit(port, number, &mailbox, turn, &letter).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let cost = meter.stop();
    let name = "IMAP mixed, 50 sessions";
    Ok(vec![Figure::rate(name, MAILBOXES * loops, cost)])
}

/// One session, from LOGIN to LOGOUT. Each answer is checked for what it must hold.
async fn visit(
    port: u16,
    number: usize,
    mailbox: &str,
    turn: usize,
    letter: &Letter,
) -> Outcome<()> {
    let mut session = Imap::logged_in(port, &address(number)).await?;
    let listed = session.run("LIST \"\" *").await?;
    must(listed.len() >= 2, "LIST")?;
    let count = usize::try_from(session.select(mailbox).await?)?;
    must(count == MESSAGES + turn, "SELECT")?;
    let newest = session
        .run(&format!("FETCH {}:* (UID FLAGS)", count - 49))
        .await?;
    must(newest.len() >= 50, "FETCH FLAGS")?;
    let chosen = 1 + (number * 7 + turn * 13) % MESSAGES;
    let body = session
        .run(&format!("FETCH {chosen} (BODY.PEEK[])"))
        .await?;
    must(body.iter().any(|r| r.literals >= 4096), "FETCH BODY")?;
    let stored = session
        .run(&format!("STORE {chosen} +FLAGS (\\Flagged)"))
        .await?;
    must(!stored.is_empty(), "STORE")?;
    session
        .append(mailbox, std::iter::once(letter.plain()))
        .await?;
    let found = session
        .run("SEARCH SUBJECT \"meeting 000000000042\"")
        .await?;
    must(
        found.iter().any(|r| *r.text == *b"SEARCH 43"),
        "SEARCH SUBJECT",
    )?;
    session.run("NOOP").await?;
    session.logout().await
}

fn must(condition: bool, what: &str) -> Outcome<()> {
    match condition {
        true => Ok(()),
        false => Err(format!("IMAP mixed: the answer to {what} is not what it must be").into()),
    }
}
