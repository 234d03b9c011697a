//! SELECT and the first FETCH on a large mailbox, just after the server started and again.

use std::fs;

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

const MAILBOX: &str = "Large";

/// Milliseconds for each.
pub(super) async fn run(bench: &Bench, server: &mut Server) -> Outcome<Vec<Figure>> {
    let messages = bench.size(100_000, 20_000);
    let user = address(101);
    prepare(server, &user, messages).await?;
    server.restart().await?;
    settle(server).await;
    drop_caches();
    let mut session = Imap::logged_in(server.ports.imap, &user).await?;
    let mut figures = Vec::new();
    // A quick run must not pass for a full one.
    let size = format!("{},000", messages / 1000);
    for heat in ["cold", "warm"] {
        let meter = Meter::start(server);
        let count = session.select(MAILBOX).await?;
        figures.push(Figure::time(format!("SELECT {size}, {heat}"), meter.stop()));
        let meter = Meter::start(server);
        let command = format!("FETCH {}:* (UID FLAGS ENVELOPE)", count.saturating_sub(49));
        let found = session.run(&command).await?;
        figures.push(Figure::time(
            format!("first FETCH of 50 in {size}, {heat}"),
            meter.stop(),
        ));
        if count != u64::try_from(messages)? || found.len() < 50 {
            return Err(format!("{count} messages, {} fetched", found.len()).into());
        }
        session.run("CLOSE").await?;
    }
    session.logout().await?;
    Ok(figures)
}

/// Fills the mailbox unless an earlier round did.
async fn prepare(server: &Server, user: &str, messages: usize) -> Outcome<()> {
    let mut session = Imap::logged_in(server.ports.imap, user).await?;
    if session.select(MAILBOX).await.is_err() {
        fill(&mut session, MAILBOX, messages, letters(1024)).await?;
        settle(server).await;
    }
    session.logout().await
}

/// So that the disk is read; only where the kernel lets us.
fn drop_caches() {
    rustix::fs::sync();
    // In a container this is read-only: then "cold" means a new process with a warm page cache, for all servers alike.
    drop(fs::write("/proc/sys/vm/drop_caches", "1"));
}
