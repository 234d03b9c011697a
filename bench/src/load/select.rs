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

pub(super) const MAILBOX: &str = "Large";
/// What is said in place of "cold" where the page cache could not be dropped.
pub(crate) const NEW_PROCESS: &str = "new process";

/// Milliseconds for each.
pub(super) async fn run(bench: &Bench, server: &mut Server) -> Outcome<Vec<Figure>> {
    let messages = bench.size(100_000, 20_000);
    let user = address(101);
    prepare(server, &user, messages).await?;
    server.restart().await?;
    settle(server).await;
    let first = if drop_caches() { "cold" } else { NEW_PROCESS };
    let mut session = Imap::logged_in(server.ports.imap, &user).await?;
    let mut figures = Vec::new();
    // A quick run must not pass for a full one.
    let size = format!("{},000", messages / 1000);
    for heat in [first, "warm"] {
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

/// Whether the kernel forgot what it had read, so that the disk is read: in a container it may not be asked to.
fn drop_caches() -> bool {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "1").is_ok()
}
