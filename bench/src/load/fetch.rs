//! FETCH of a whole mailbox of 10,000 messages: flags, envelopes (the first time and later), bodies.

use super::{
    Bench,
    fill::{fill, letters},
};
use crate::{
    Outcome,
    client::Imap,
    figure::{Figure, Meter, settle},
    server::{Server, address},
};

const MESSAGES: usize = 10_000;
const OCTETS: usize = 4096;

/// Messages a second of each kind of FETCH, over one session.
pub(super) async fn run(bench: &Bench, server: &Server) -> Outcome<Vec<Figure>> {
    let port = server.ports.imap;
    let user = address(100);
    let mailbox = format!("Fetch{}", bench.serial());
    let mut session = Imap::logged_in(port, &user).await?;
    fill(&mut session, &mailbox, MESSAGES, letters(OCTETS)).await?;
    session.logout().await?;
    settle(server).await;
    let mut session = Imap::logged_in(port, &user).await?;
    session.select(&mailbox).await?;
    let mut figures = Vec::new();
    for (name, items, octets) in [
        ("FETCH flags", "FLAGS", 0),
        ("FETCH envelopes, first", "ENVELOPE", 0),
        ("FETCH envelopes, later", "ENVELOPE", 0),
        ("FETCH bodies, first", "BODY.PEEK[]", OCTETS),
        ("FETCH bodies, later", "BODY.PEEK[]", OCTETS),
    ] {
        let meter = Meter::start(server);
        let (mut count, mut held) = (0, 0);
        session
            .each(&format!("FETCH 1:* ({items})"), false, |response| {
                let named = memchr::memmem::find(&response.text, b"FETCH (").is_some();
                count += usize::from(named);
                held += response.literals;
                Ok(())
            })
            .await?;
        let cost = meter.stop();
        if count != MESSAGES || held < octets * MESSAGES {
            return Err(format!("{name}: {count} responses with {held} octets").into());
        }
        figures.push(Figure::rate(format!("{name}, 10,000"), count, cost));
    }
    session.run("CLOSE").await?;
    session.run(&format!("DELETE {mailbox}")).await?;
    session.logout().await?;
    Ok(figures)
}
