//! Connections that wait, and what each costs in memory; and how long a start takes.

use std::net::Ipv4Addr;

use super::Bench;
use crate::{
    Outcome,
    client::{Imap, Line, Trust},
    figure::{Cost, Figure, Meter, Unit, settle},
    process,
    server::{Server, address},
};

/// Accounts among which the connections are spread.
const ACCOUNTS: usize = 200;
/// Connections from one loopback address.
const FROM_EACH: usize = 200;
/// Dovecot keeps a process for each connection: as many as show the cost are enough.
const PROCESSES: usize = 500;

/// Memory of each connection that is logged in, has a mailbox selected and is in IDLE.
///
/// The server is started anew, so that memory that earlier loads left free does not hide any. Two figures: the growth since
/// the start, which holds all that the first logins made too, and the growth from a fifth of the connections to all.
pub(super) async fn run(bench: &Bench, server: &mut Server, secure: bool) -> Outcome<Vec<Figure>> {
    server.restart().await?;
    settle(server).await;
    let forks = server.name != "kakitome";
    let all = match forks {
        true => PROCESSES,
        false => bench.size(10_000, 5_000),
    };
    let first = all / 5;
    let mut sessions = Vec::with_capacity(all);
    let start = process::memory_kib(&server.roots());
    let meter = Meter::start(server);
    open(bench, server, secure, 0, first, &mut sessions).await?;
    settle(server).await;
    let fifth = process::memory_kib(&server.roots());
    open(bench, server, secure, first, all, &mut sessions).await?;
    settle(server).await;
    let end = process::memory_kib(&server.roots());
    let cost = meter.stop();
    // Each must still be there: a server that hung up has not kept it.
    for session in sessions.iter_mut().step_by(97) {
        session.done().await?;
    }
    drop(sessions);
    settle(server).await;
    let tls = if secure { "with TLS" } else { "without TLS" };
    let each = |from: u64, count: usize| end.saturating_sub(from) as f64 / count as f64;
    let unit = Unit::KibibytesEach;
    Ok(vec![
        Figure::new(format!("idle IMAP, {tls}"), unit, each(start, all), cost),
        Figure::new(
            format!("idle IMAP, {tls}, the last four fifths"),
            unit,
            each(fifth, all - first),
            Cost::default(),
        ),
    ])
}

async fn open(
    bench: &Bench,
    server: &Server,
    secure: bool,
    from: usize,
    to: usize,
    sessions: &mut Vec<Imap>,
) -> Outcome<()> {
    const AT_ONCE: usize = 16;
    let port = match secure {
        true => server.ports.imaps,
        false => server.ports.imap,
    };
    for first in (from..to).step_by(AT_ONCE) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in first..to.min(first + AT_ONCE) {
            let trust = secure.then(|| bench.trust.clone());
            tasks.spawn(one(port, trust, number));
        }
        while let Some(done) = tasks.join_next().await {
            sessions.push(done??);
        }
    }
    Ok(())
}

async fn one(port: u16, trust: Option<Trust>, number: usize) -> Outcome<Imap> {
    let host = u8::try_from(1 + number / FROM_EACH % 250)?;
    let mut line = Line::connect_from(Ipv4Addr::new(127, 0, 1, host), port)
        .await?
        .small();
    if let Some(trust) = trust {
        line = line.secure(&trust).await?;
    }
    let mut session = Imap::open(line).await?;
    session.login(&address(number % ACCOUNTS)).await?;
    session.select("INBOX").await?;
    session.idle().await?;
    Ok(session)
}

/// From the start of the programs to a greeting on SMTP and on IMAP, with all accounts there.
pub(super) async fn start(server: &mut Server) -> Outcome<Vec<Figure>> {
    server.stop().await?;
    let time = server.start().await?;
    let cost = Cost {
        seconds: time.as_secs_f64(),
        ..Cost::default()
    };
    Ok(vec![Figure::time("start to serving, 1,000 accounts", cost)])
}
