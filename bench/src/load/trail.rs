//! Finding events in a large trail: one or two of many millions, by what an officer knows of them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use store::{
    Error, Options, Receipt, Store,
    event::{self, Filter},
};
use trail::{Actor, Event, Kind};
use world::World;

use crate::{Outcome, process};

/// Events of one commit: the trail of a busy minute.
const AT_ONCE: u64 = 2000;
/// Identifiers and places that take turns.
const IDENTIFIERS: u64 = 10_000;
const PLACES: u64 = 50_000;
/// How often each search is made; the median is told.
const ROUNDS: usize = 5;
/// Events that a search shows.
const SHOWN: usize = 1000;

/// Writes `count` events and tells how long each kind of search takes, and in how much memory.
pub(crate) fn trail(directory: &Path, count: u64) -> Outcome<()> {
    let place = tempfile::tempdir_in(directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = Store::open(place.path(), &Options::default(), World::system())?;
        let began = Instant::now();
        let (mut written, mut late) = (0, Timestamp::now());
        while written < count {
            write(&store, written).await?;
            written += AT_ONCE;
            if written <= count / 10 * 9 {
                late = Timestamp::now();
            }
            if written % (count / 10).max(AT_ONCE) < AT_ONCE {
                eprintln!("{written} events after {:.0?}", began.elapsed());
            }
        }
        println!("written: {written} events in {:.1?}", began.elapsed());
        let began = Instant::now();
        store.index_trail().await?;
        println!("the index caught up after {:.1?}", began.elapsed());
        println!("on the disk: {} MiB", octets(place.path())? >> 20);
        let before = process::own_peak_memory();
        searches(&store, written, late).await?;
        println!(
            "memory at its peak: {} MiB, of it while searching: {} MiB",
            process::own_peak_memory() >> 20,
            process::own_peak_memory().saturating_sub(before) >> 20
        );
        store.close().await;
        Ok(())
    })
}

async fn write(store: &Store, first: u64) -> Outcome<()> {
    let done: Receipt<()> = store
        .commit(Vec::new(), move |tx| {
            for number in first..first + AT_ONCE - 1 {
                drop(tx.record(&event_of(number), ())?);
            }
            let last = tx.record(&event_of(first + AT_ONCE - 1), ())?;
            Ok::<_, Error>(last)
        })
        .await?;
    let () = done.value;
    Ok(())
}

fn identifier(number: u64) -> String {
    format!("u{:05}@bench.test", number % IDENTIFIERS)
}

fn message_id(number: u64) -> String {
    format!("{number:012}.7@sender.test")
}

/// Four kinds that take turns, as mail and its reading make them.
fn event_of(number: u64) -> Event {
    let (turn, whose) = (number % 4, number / 4);
    let octet = |shift: u32| u8::try_from((whose % PLACES) >> shift & 0xff).unwrap_or(0);
    let place = std::net::IpAddr::from([10, octet(16), octet(8), octet(0)]);
    let identifier = identifier(whose);
    match turn {
        0 => Event::new(Kind::TransactionAccepted, Actor::Peer)
            .address(place)
            .subject(format!("{whose:013}"))
            .detail("sender", format!("friend{}@sender.test", whose % 1000))
            .detail("recipients", vec![identifier])
            .detail("size", 4096)
            .detail("message_id", message_id(whose))
            .detail("reply", "250 2.0.0"),
        1 => Event::new(Kind::DeliveryLocal, Actor::System)
            .subject(format!("{whose:013}"))
            .detail("recipients", vec![identifier]),
        2 if whose % 500 == 0 => Event::new(
            Kind::AuthenticationFailed,
            Actor::Identifier(identifier.clone()),
        )
        .outcome(trail::Outcome::Refused)
        .address(place)
        .subject(identifier)
        .detail("reason", "wrong password"),
        2 => Event::new(
            Kind::AuthenticationSucceeded,
            Actor::Identifier(identifier.clone()),
        )
        .address(place)
        .subject(identifier)
        .detail("protocol", "imap"),
        _ => Event::new(
            Kind::RetrievalSession,
            Actor::Identifier(identifier.clone()),
        )
        .address(place)
        .subject(identifier)
        .detail("fetched", 3),
    }
}

async fn searches(store: &Store, count: u64, late: Timestamp) -> Outcome<()> {
    let whose = count / 8;
    let filters = [
        (
            "one message by its Message-ID",
            Filter {
                message_id: Some(message_id(whose)),
                ..Filter::default()
            },
        ),
        (
            "all of one mail address",
            Filter {
                address: Some(identifier(whose)),
                ..Filter::default()
            },
        ),
        (
            "all of one network address",
            Filter {
                address: Some("10.0.3.9".to_owned()),
                ..Filter::default()
            },
        ),
        (
            "all that one identifier did",
            Filter {
                actor: Some(identifier(whose)),
                ..Filter::default()
            },
        ),
        (
            "refused logins of one identifier",
            Filter {
                kinds: vec![Kind::AuthenticationFailed],
                subject: Some(identifier(500 * (whose / 500))),
                ..Filter::default()
            },
        ),
        (
            "one kind, of the last tenth of the time",
            Filter {
                kinds: vec![Kind::RetrievalSession],
                from: Some(late),
                ..Filter::default()
            },
        ),
        (
            "one kind, from the beginning",
            Filter {
                kinds: vec![Kind::AuthenticationFailed],
                ..Filter::default()
            },
        ),
        (
            "what is not there",
            Filter {
                address: Some("nobody@nowhere.test".to_owned()),
                ..Filter::default()
            },
        ),
    ];
    for (name, filter) in filters {
        let mut times = Vec::new();
        let mut found = 0;
        for _ in 0..ROUNDS {
            let (asked, began) = (filter.clone(), Instant::now());
            let events = store
                .read(move |snapshot| event::search(snapshot, &asked, SHOWN))
                .await?;
            times.push(began.elapsed());
            found = events.len();
        }
        let first = times.first().copied().unwrap_or(Duration::ZERO);
        times.sort_unstable();
        let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
        println!("{name}: {found} events, first {first:.1?}, median {median:.1?}");
    }
    Ok(())
}

/// Octets of all files below `directory`.
fn octets(directory: &Path) -> Outcome<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        sum += if facts.is_dir() {
            octets(&entry.path())?
        } else {
            facts.len()
        };
    }
    Ok(sum)
}
