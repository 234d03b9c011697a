//! The store's own durable commit rate: what inbound mail costs below SMTP.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use store::{
    AccountId, Error, MailboxId, Options, Receipt, Recorded, Store, Tx,
    mailbox::{self, Flags, NewMessage, SpecialUse},
};
use trail::{Actor, Event, Kind};
use world::World;

use super::MAILBOXES;
use crate::{
    Outcome,
    figure::{Cost, Figure},
    mail::Letter,
    process,
};

const OCTETS: usize = 4096;

/// What one commit does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Commit {
    /// Keeps a body and records one event: the least that is durable.
    Body,
    /// What inbound mail does below SMTP: summary, body, a place in an INBOX, and its two events, `times` over.
    Message { times: usize },
}

/// Durable commits of 4 KiB a second.
pub(crate) fn rate(
    directory: &Path,
    name: String,
    committers: usize,
    commit: Commit,
    time: Duration,
) -> Outcome<Figure> {
    let place = tempfile::tempdir_in(directory)?;
    // As many threads as the server would have.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let figure = runtime.block_on(async {
        let store = Store::open(place.path(), &Options::default(), World::system())?;
        let inboxes = inboxes(&store).await?;
        let (began, load) = (Instant::now(), process::own_cpu_seconds());
        let count = drive(&store, &inboxes, committers, commit, time).await?;
        let cost = Cost {
            seconds: began.elapsed().as_secs_f64(),
            load: process::own_cpu_seconds() - load,
            server: 0.0,
        };
        store.close().await;
        Outcome::Ok(Figure::rate(name, count, cost))
    })?;
    Ok(figure)
}

async fn inboxes(store: &Store) -> Outcome<Vec<(AccountId, MailboxId)>> {
    let mut all = Vec::new();
    for _ in 0..MAILBOXES {
        let made: Receipt<_> = store
            .commit(Vec::new(), |tx| {
                let account = AccountId(tx.next_id());
                tx.create_key(account)?;
                mailbox::create_initial(tx, account, &[("Sent", SpecialUse::Sent)])?;
                let inbox = mailbox::by_name(tx, account, "INBOX")?;
                let inbox = inbox.ok_or_else(|| Error::NotFound("the INBOX".to_owned()))?;
                let event = accepted(0);
                tx.record(&event, (account, inbox.id))
            })
            .await?;
        all.push(made.value);
    }
    Ok(all)
}

async fn drive(
    store: &Store,
    inboxes: &[(AccountId, MailboxId)],
    committers: usize,
    commit: Commit,
    time: Duration,
) -> Outcome<usize> {
    let end = Instant::now() + time;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..committers {
        let (store, inboxes) = (store.clone(), inboxes.to_vec());
        tasks.spawn(async move {
            let mut letter = Letter::new("tanaka@sender.test", OCTETS, 3);
            let mut count = 0;
            while Instant::now() < end {
                letter.number(number * 1_000_000 + count);
                let (account, inbox) = inboxes[(number + count) % inboxes.len()];
                match commit {
                    Commit::Body => keep(&store, letter.plain(), account).await?,
                    Commit::Message { times } => {
                        deliver(&store, letter.plain(), account, inbox, times).await?;
                    }
                }
                count += 1;
            }
            Outcome::Ok(count)
        });
    }
    let mut sum = 0;
    while let Some(done) = tasks.join_next().await {
        sum += done??;
    }
    Ok(sum)
}

async fn keep(store: &Store, raw: &[u8], account: AccountId) -> Result<(), Error> {
    let body = store.seal(raw, &[account])?;
    let id = body.id;
    store
        .commit(vec![body], move |tx| {
            tx.retain_body(id, account, account, 1)?;
            tx.record(&accepted(1), ())
        })
        .await
        .map(|receipt: Receipt<()>| receipt.value)
}

async fn deliver(
    store: &Store,
    raw: &[u8],
    account: AccountId,
    inbox: MailboxId,
    times: usize,
) -> Result<(), Error> {
    let body = store.seal(raw, &[account])?;
    let summary = message::Summary::of(raw, &message::Limits::default());
    let message = NewMessage {
        body: body.id,
        size: body.size,
        flags: Flags::default(),
        keywords: Vec::new(),
        internal_date: Timestamp::now(),
        summary: summary.encode(),
        references: summary.message_id().into_iter().collect(),
    };
    store
        .commit(vec![body], move |tx| {
            let placed = mailbox::append(tx, inbox, &message, false)?;
            let number = i64::from(placed.uid);
            for _ in 1..times {
                // Only the last proof is returned; each event is written all the same.
                let _written: [Recorded<()>; 2] = record(tx, number)?;
            }
            let [_first, last] = record(tx, number)?;
            Ok::<_, Error>(last)
        })
        .await
        .map(|receipt: Receipt<()>| receipt.value)
}

/// The two events of an inbound message: accepted, delivered.
fn record(tx: &mut Tx<'_>, number: i64) -> Result<[Recorded<()>; 2], Error> {
    let first = tx.record(&accepted(number), ())?;
    Ok([first, tx.record(&delivered(number), ())?])
}

/// With the facts that the transfer room writes, so that it is as large.
fn accepted(number: i64) -> Event {
    Event::new(Kind::TransactionAccepted, Actor::Peer)
        .address(std::net::IpAddr::from([127, 0, 0, 1]))
        .subject(format!("{number:019}"))
        .detail("sender", "tanaka@sender.test")
        .detail("recipients", vec!["u00001@bench.test"])
        .detail("size", OCTETS)
        .detail("message_id", "000000000042.7@sender.test")
        .detail("reply", "250 2.0.0")
        .detail("hello", "client.bench.test")
}

fn delivered(number: i64) -> Event {
    Event::new(Kind::DeliveryLocal, Actor::System)
        .subject(format!("{number:019}"))
        .detail("sender", "tanaka@sender.test")
        .detail("recipients", vec!["u00001@bench.test"])
        .detail("accounts", vec!["1234567890123456789"])
}
