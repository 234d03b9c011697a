//! What a flood of mail to nobody and of mail without a sender leaves of the throughput of normal mail.

use std::{
    net::Ipv4Addr,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    task::{JoinSet, LocalSet},
    time::Instant,
};

use super::{Bench, Entry, Transfer, Work};
use crate::{
    Outcome,
    client::Line,
    figure::{Figure, settle},
    server::{DOMAIN, Server},
};

/// Clients that flood, each from an address of its own. Half name people who are not here, half have no sender.
pub(crate) const FLOODERS: u8 = 50;
/// The flood goes on for so long before anything is measured.
const BEFORE: Duration = Duration::from_secs(5);

/// What the flood did.
#[derive(Default)]
struct Tally {
    connections: AtomicU64,
    commands: AtomicU64,
    turned_away: AtomicU64,
}

/// One round: the rate alone, and while it floods.
pub(crate) struct Round {
    pub(crate) alone: f64,
    pub(crate) flooded: f64,
    /// Of the flood, a second: connections, commands, replies 421.
    pub(crate) flood: [f64; 3],
    /// CPU seconds of the load program for a second, flooders among it: alone, and while it floods.
    pub(crate) load: [f64; 2],
}

/// Measures once.
pub(crate) async fn flood(bench: &Bench, server: &mut Server) -> Outcome<Round> {
    let work = Work::Transfer(Transfer {
        entry: Entry::Exchange,
        octets: 4 << 10,
        sessions: 20,
        kept: true,
        messages: bench.size(20_000, 5000),
    });
    let alone = first(work.run(bench, server).await?)?;
    settle(server).await;
    let tally = Rc::new(Tally::default());
    let local = LocalSet::new();
    let port = server.ports.smtp;
    let tasks = JoinSet::new();
    let running = local.run_until(async {
        let mut tasks = tasks;
        for number in 0..FLOODERS {
            tasks.spawn_local(flooder(number, port, Rc::clone(&tally)));
        }
        tokio::time::sleep(BEFORE).await;
        let (before, began) = (counts(&tally), Instant::now());
        let flooded = first(work.run(bench, server).await?)?;
        let seconds = began.elapsed().as_secs_f64();
        let after = counts(&tally);
        if let Some(ended) = tasks.try_join_next() {
            ended??;
        }
        let each = |n: usize| (after[n] - before[n]) as f64 / seconds;
        Ok::<_, crate::Fault>((flooded, [each(0), each(1), each(2)]))
    });
    let (flooded, flood) = running.await?;
    if flood[2] == 0.0 {
        return Err("nobody of the flood was turned away".into());
    }
    Ok(Round {
        alone: alone.value,
        flooded: flooded.value,
        flood,
        load: [&alone, &flooded].map(|figure| figure.cost.load / figure.cost.seconds),
    })
}

fn first(figures: Vec<Figure>) -> Outcome<Figure> {
    let figure = figures.into_iter().next();
    figure.ok_or_else(|| "the load measured nothing".into())
}

fn counts(tally: &Tally) -> [u64; 3] {
    [&tally.connections, &tally.commands, &tally.turned_away]
        .map(|count| count.load(Ordering::Relaxed))
}

/// Comes again as fast as it is answered, as long as it is let.
async fn flooder(number: u8, port: u16, tally: Rc<Tally>) -> Outcome<()> {
    let from = Ipv4Addr::new(127, 0, 1, number.saturating_add(1));
    let commands = match number % 2 {
        0 => [
            "MAIL FROM:<x@spam.test>\r\n".to_owned(),
            format!("RCPT TO:<nobody@{DOMAIN}>\r\n"),
        ],
        _ => ["MAIL FROM:<>\r\n".to_owned(), "RSET\r\n".to_owned()],
    };
    loop {
        let mut line = Line::connect_from(from, port).await?.small();
        tally.connections.fetch_add(1, Ordering::Relaxed);
        if !said(&mut line, None, &tally).await
            || !said(&mut line, Some("EHLO x.test\r\n"), &tally).await
        {
            continue;
        }
        let mut turn = 0;
        while said(
            &mut line,
            commands.get(turn % 2).map(String::as_str),
            &tally,
        )
        .await
        {
            turn += 1;
            if number.is_multiple_of(2) && turn > 1 {
                // MAIL again would be out of order: RCPT again and again.
                turn = 1;
            }
        }
    }
}

/// Says `command` and hears the reply; `false`: the session is over.
async fn said(line: &mut Line, command: Option<&str>, tally: &Tally) -> bool {
    if let Some(command) = command {
        tally.commands.fetch_add(1, Ordering::Relaxed);
        if line.send(command.as_bytes()).await.is_err() {
            return false;
        }
    }
    loop {
        let Ok(reply) = line.line().await else {
            return false;
        };
        if reply.starts_with(b"421") {
            tally.turned_away.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        if reply.get(3) != Some(&b'-') {
            return true;
        }
    }
}
