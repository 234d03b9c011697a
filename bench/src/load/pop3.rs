//! POP3: a mailbox is read and emptied.

use super::{
    Bench,
    fill::{fill, letters},
};
use crate::{
    Outcome,
    client::{Imap, Pop3},
    figure::{Figure, Meter, settle},
    server::{Server, address},
};

const MESSAGES: usize = 1000;
const OCTETS: usize = 4096;

/// Messages a second, from the connection to the answer to QUIT.
pub(super) async fn run(_bench: &Bench, server: &Server) -> Outcome<Vec<Figure>> {
    let user = address(103);
    let mut session = Imap::logged_in(server.ports.imap, &user).await?;
    let before = session.count("INBOX").await?;
    if before != 0 {
        return Err(format!("{before} messages were left by an earlier round").into());
    }
    fill(&mut session, "INBOX", MESSAGES, letters(OCTETS)).await?;
    session.logout().await?;
    settle(server).await;
    let meter = Meter::start(server);
    let mut session = Pop3::open(server.ports.pop3, &user).await?;
    let count = session.count().await?;
    let mut octets = 0;
    for number in 1..=count {
        octets += session.take(number).await?;
    }
    session.quit().await?;
    let cost = meter.stop();
    let left = Pop3::open(server.ports.pop3, &user).await?.count().await?;
    // The ends of lines are not counted: a twentieth is more than they are.
    if count != MESSAGES || left != 0 || octets < MESSAGES * OCTETS * 19 / 20 {
        return Err(format!("{count} messages, {octets} octets, {left} left").into());
    }
    Ok(vec![Figure::rate("POP3 drain of 1,000", count, cost)])
}
