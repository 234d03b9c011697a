//! Whether cost grows with what is kept: the same loads on an empty site and on a full one, and what deleting gives back.

use std::{
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{Bench, Entry, Transfer, Work};
use crate::{
    Outcome,
    client::{Imap, Smtp, envelope},
    figure::{Cost, Figure, Meter, Sheet, Unit, settle},
    mail::Letter,
    process,
    server::{ACCOUNTS, Kakitome, Server, address},
};

/// Sessions that fill.
const SESSIONS: usize = 50;
const OCTETS: usize = 4096;
/// The series that says what memory the server takes after its loads.
pub(crate) const MEMORY: &str = "memory of the server";

/// Measures, fills, measures again, deletes half. `say` is told what goes on.
pub(crate) async fn growth(
    bench: &Bench,
    site: &Kakitome,
    server: &mut Server,
    rounds: usize,
    say: impl Fn(&str),
) -> Outcome<Sheet> {
    let mut sheet = Sheet::default();
    let (messages, accounts) = match bench.quick {
        true => (50_000, 2_000),
        false => (1_000_000, 10_000),
    };
    say("the empty site");
    measure(bench, server, rounds, "empty", &mut sheet).await?;
    say(&format!("{accounts} accounts"));
    site.import(ACCOUNTS, accounts)?;
    say(&format!("{messages} messages by SMTP"));
    let meter = Meter::start(server);
    flood(server, accounts, messages).await?;
    let filled = Figure::rate("filling by SMTP, 50 sessions, kept", messages, meter.stop());
    sheet.add("full", "fill", filled);
    let later = settle(server).await;
    say(&format!("indexing went on for {later:.0} CPU seconds"));
    server.restart().await?;
    settle(server).await;
    super::warm(server, 200).await?;
    say("the full site");
    measure(bench, server, rounds, "full", &mut sheet).await?;
    let full = (disk_at_rest(server).await?, count(server, accounts).await?);
    say("deleting half");
    delete_half(server, accounts).await?;
    say("waiting until no more room is given back");
    let half = (disk_at_rest(server).await?, count(server, accounts).await?);
    for (when, (octets, messages)) in [("", full), (" after half was deleted", half)] {
        let size = octets as f64 / f64::from(1 << 20);
        for (what, unit, value) in [
            ("disk", Unit::Mebibytes, size),
            ("messages", Unit::Count, messages as f64),
        ] {
            let figure = Figure::new(format!("{what}{when}"), unit, value, Cost::default());
            sheet.add("full", "disk", figure);
        }
    }
    Ok(sheet)
}

/// Octets of disk once they have not changed for longer than the server waits before it gives room back.
async fn disk_at_rest(server: &Server) -> Outcome<u64> {
    const LOOK: Duration = Duration::from_secs(5);
    /// Looks in a row without a change: twice `[store] log_rest`, which looks whether anything was done since its last look.
    const REST: u32 = 13;
    const LIMIT: Duration = Duration::from_secs(1800);
    let (mut last, mut rest, began) = (0_u64, 0, Instant::now());
    while rest < REST && began.elapsed() < LIMIT {
        tokio::time::sleep(LOOK).await;
        let now = disk_usage(&server.directory)?;
        rest = if now.abs_diff(last) < 1 << 20 {
            rest + 1
        } else {
            0
        };
        last = now;
    }
    Ok(last)
}

/// All messages of the accounts, as LIST with STATUS tells (RFC 5819).
async fn count(server: &Server, accounts: usize) -> Outcome<u64> {
    let mut sum = 0;
    for number in 0..accounts {
        let mut session = Imap::logged_in(server.ports.imap, &address(number)).await?;
        sum += session.count_all().await?;
        session.logout().await?;
    }
    Ok(sum)
}

async fn measure(
    bench: &Bench,
    server: &mut Server,
    rounds: usize,
    subject: &str,
    sheet: &mut Sheet,
) -> Outcome<()> {
    let transfer = |entry, sessions, messages| {
        Work::Transfer(Transfer {
            entry,
            octets: OCTETS,
            sessions,
            kept: true,
            messages: bench.size(messages, messages / 5),
        })
    };
    let traffic = [
        Work::Start,
        transfer(Entry::Exchange, 1, 500),
        transfer(Entry::Exchange, 50, 10_000),
        transfer(Entry::Relay, 50, 5_000),
        Work::Fetch,
        Work::Mixed,
    ];
    repeat(bench, server, rounds, &traffic, subject, sheet).await?;
    // What follows starts the server anew, and leaves so much in the store that the empty site would be none for what came before.
    settle(server).await;
    let memory = process::memory_kib(&server.roots()) as f64 / 1024.0;
    let memory = Figure::new(MEMORY, Unit::Mebibytes, memory, Cost::default());
    sheet.add(subject, "growth", memory);
    let large = [Work::Search, Work::Select];
    repeat(bench, server, rounds, &large, subject, sheet).await?;
    for figure in super::large::run(server).await? {
        sheet.add(subject, "growth", figure);
    }
    Ok(())
}

async fn repeat(
    bench: &Bench,
    server: &mut Server,
    rounds: usize,
    works: &[Work],
    subject: &str,
    sheet: &mut Sheet,
) -> Outcome<()> {
    for _ in 0..rounds {
        for work in works {
            settle(server).await;
            for mut figure in work.run(bench, server).await? {
                if matches!(work, Work::Start) {
                    // How many accounts there are differs here.
                    "start to serving".clone_into(&mut figure.name);
                }
                sheet.add(subject, "growth", figure);
            }
        }
    }
    Ok(())
}

/// Sends `messages` to `accounts` in turn.
async fn flood(server: &Server, accounts: usize, messages: usize) -> Outcome<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for lane in 0..SESSIONS {
        let (next, port) = (Arc::clone(&next), server.ports.smtp);
        tasks.spawn(async move {
            let mut session = Smtp::open(port).await?;
            let seed = u64::try_from(1_000_000 + lane)?;
            let mut letter = Letter::new("tanaka@sender.test", OCTETS, seed);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= messages {
                    return session.quit().await;
                }
                letter.number(number);
                let to = address(number % accounts);
                session
                    .send(&envelope("tanaka@sender.test", &to), &letter)
                    .await?;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Empties every second INBOX.
async fn delete_half(server: &Server, accounts: usize) -> Outcome<()> {
    let mut tasks = JoinSet::new();
    for lane in 0..4 {
        let port = server.ports.imap;
        tasks.spawn(async move {
            for number in (lane * 2..accounts).step_by(8) {
                let mut session = Imap::logged_in(port, &address(number)).await?;
                if session.select("INBOX").await? > 0 {
                    session.run("STORE 1:* +FLAGS.SILENT (\\Deleted)").await?;
                    session.run("EXPUNGE").await?;
                }
                session.logout().await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Octets of disk that a folder takes, holes not counted.
fn disk_usage(directory: &Path) -> Outcome<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let data = entry.metadata()?;
        sum += data.blocks() * 512;
        if data.is_dir() {
            sum += disk_usage(&entry.path())?;
        }
    }
    Ok(sum)
}
