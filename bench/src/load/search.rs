//! SEARCH BODY for a Japanese word in 10,000 messages in three charsets: every hit must be found.

use super::{Bench, fill::fill};
use crate::{
    Outcome,
    client::Imap,
    figure::{Figure, Meter, settle},
    mail,
    server::{Server, address},
};

pub(super) const MAILBOX: &str = "Japanese";
const MESSAGES: usize = 10_000;

/// Milliseconds for one search; the median of several within a round.
pub(super) async fn run(bench: &Bench, server: &Server) -> Outcome<Vec<Figure>> {
    let mut session = Imap::logged_in(server.ports.imap, &address(102)).await?;
    if session.select(MAILBOX).await.is_err() {
        fill(&mut session, MAILBOX, MESSAGES, |number| {
            mail::japanese(number).0
        })
        .await?;
        settle(server).await;
        session.select(MAILBOX).await?;
    }
    let wanted: Vec<u32> = (0..MESSAGES)
        .filter(|number| mail::japanese(*number).1)
        .filter_map(|number| u32::try_from(number + 1).ok())
        .collect();
    let mut costs = Vec::new();
    for _ in 0..bench.size(5, 3) {
        let meter = Meter::start(server);
        let mut found = session.search_body(mail::WORD).await?;
        costs.push(meter.stop());
        found.sort_unstable();
        if found != wanted {
            let (have, all) = (found.len(), wanted.len());
            return Err(format!("SEARCH BODY found {have} of {all}, or others").into());
        }
    }
    session.logout().await?;
    costs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let middle = costs.get(costs.len() / 2).copied().unwrap_or_default();
    Ok(vec![Figure::time("SEARCH BODY, Japanese, 10,000", middle)])
}
