//! The scheduler: takes what is due out of the queue, bounded in all and per destination.
//!
//! One stuck destination only fills its own share; one message that cannot be read is held and told of, and
//! the rest goes on.

mod settle;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use store::{
    AccountId, Error, QueueId, Topic,
    queue::{self, Due, Recipient, Selection, State},
};
use tokio::task::JoinSet;
use trail::{Actor, Event, Kind, Outcome as EventOutcome};
use wire::Shutdown;

use crate::{
    Settings, Transfer,
    deliver::{self, Job},
    parcel,
    route::Hop,
};

/// While deliveries are under way, their rows are due and hide when the next other row will be.
const BUSY_TICK: Duration = Duration::from_secs(2);
/// After the store failed: it is asked again, and nothing else is done meanwhile.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// What the scheduler keeps in mind between looks at the queue.
#[derive(Default)]
struct Hands {
    /// Messages under way, each with the destination it is under way to.
    in_hand: HashSet<(QueueId, String)>,
    /// How many of them go to each destination.
    per_destination: HashMap<String, usize>,
    /// Messages that could not be read, and were told of.
    damaged: HashSet<QueueId>,
    /// The destination of each task.
    tasks: HashMap<tokio::task::Id, (QueueId, String)>,
}

/// Delivers until shutdown, then lets deliveries in flight end within their limit.
pub(crate) async fn run(transfer: &Transfer, mut shutdown: Shutdown) {
    let mut news = transfer.store().watch(Topic::Queue);
    let mut hands = Hands::default();
    let mut running = JoinSet::new();
    while !shutdown.is_begun() {
        news.mark_unchanged();
        let settings = transfer.settings();
        let wait = match start_due(transfer, &settings, &mut hands, &mut running).await {
            Ok(wait) => wait.min(settings.outbound.longest_sleep),
            Err(error) => {
                tracing::error!(%error, "the queue cannot be read; mail waits");
                AFTER_TROUBLE.min(settings.outbound.longest_sleep)
            }
        };
        transfer
            .pool()
            .sweep(settings.outbound.idle, settings.outbound.waits.quit);
        tokio::select! {
            () = shutdown.begun() => {}
            Some(ended) = running.join_next_with_id() => hands.put_down(ended),
            // A store that is gone never has news; its errors are met above.
            changed = news.changed() => if changed.is_err() { tokio::time::sleep(wait).await },
            () = tokio::time::sleep(wait) => {}
        }
        while let Some(ended) = running.try_join_next_with_id() {
            hands.put_down(ended);
        }
    }
    drain(transfer, running).await;
}

async fn drain(transfer: &Transfer, mut running: JoinSet<()>) {
    let limit = transfer.settings().outbound.drain;
    let all = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, all).await.is_err() {
        tracing::warn!(
            left = running.len(),
            "deliveries were cut off by shutdown; they will be tried again"
        );
        running.shutdown().await;
    }
    transfer
        .pool()
        .sweep(Duration::ZERO, transfer.settings().outbound.waits.quit);
}

/// Starts what is due and has room; returns how long nothing else will be due.
async fn start_due(
    transfer: &Transfer,
    settings: &Arc<Settings>,
    hands: &mut Hands,
    running: &mut JoinSet<()>,
) -> Result<Duration, Error> {
    let room = settings.outbound.concurrency.saturating_sub(running.len());
    if room == 0 {
        return Ok(BUSY_TICK);
    }
    let look = look(transfer, settings, hands, room).await?;
    for (id, error) in look.damaged {
        // Once is enough: should holding not help, the log and the trail must not fill with it.
        if hands.damaged.insert(id) {
            hold_damaged(transfer, id, &error).await;
        }
    }
    for due in look.due {
        let key = (due.id, due.destination.clone());
        let count = hands
            .per_destination
            .entry(due.destination.clone())
            .or_default();
        if *count >= settings.outbound.destination_concurrency || !hands.in_hand.insert(key.clone())
        {
            continue;
        }
        *count = count.saturating_add(1);
        let (transfer, settings) = (transfer.clone(), Arc::clone(settings));
        let task = running.spawn(async move { work(&transfer, &settings, due).await });
        hands.tasks.insert(task.id(), key);
    }
    if !running.is_empty() {
        return Ok(BUSY_TICK);
    }
    Ok(look
        .next
        .map_or(Duration::MAX, |next| until(next, transfer.world().now())))
}

/// What one look at the queue showed.
struct Look {
    due: Vec<Due>,
    damaged: Vec<(QueueId, Error)>,
    next: Option<Timestamp>,
}

async fn look(
    transfer: &Transfer,
    settings: &Settings,
    hands: &Hands,
    room: usize,
) -> Result<Look, Error> {
    let now = transfer.world().now();
    let limit = settings.outbound.destination_concurrency;
    let busy: Vec<String> = hands
        .per_destination
        .iter()
        .filter(|(_, count)| **count >= limit)
        .map(|(destination, _)| destination.clone())
        .collect();
    let in_hand: Vec<(QueueId, String)> = hands.in_hand.iter().cloned().collect();
    transfer
        .store()
        .read(move |snapshot| {
            let mut damaged = Vec::new();
            let due = queue::due(snapshot, now, room, &busy, &in_hand, &mut |id, error| {
                damaged.push((id, error));
            })?;
            let next = queue::next_due(snapshot)?;
            Ok(Look { due, damaged, next })
        })
        .await
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    let micros = at.as_microsecond().saturating_sub(now.as_microsecond());
    // Never a tight loop: a row that is due and was not given out is looked at again soon.
    Duration::from_micros(u64::try_from(micros).unwrap_or(0)).max(Duration::from_millis(50))
}

impl Hands {
    fn put_down(&mut self, ended: Result<(tokio::task::Id, ()), tokio::task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a delivery stopped in an unexpected way; it will be tried again");
                error.id()
            }
        };
        if let Some(key) = self.tasks.remove(&id) {
            if let Some(count) = self.per_destination.get_mut(&key.1) {
                *count = count.saturating_sub(1);
            }
            self.per_destination.retain(|_, count| *count > 0);
            self.in_hand.remove(&key);
        }
    }
}

/// One message to one destination.
async fn work(transfer: &Transfer, settings: &Arc<Settings>, due: Due) {
    let id = due.id;
    let queued = match transfer
        .store()
        .read(move |snapshot| queue::load(snapshot, id))
        .await
    {
        Ok(Some(queued)) => queued,
        // Discarded or delivered since.
        Ok(None) => return,
        Err(error @ Error::Corrupt(_)) => return hold_damaged(transfer, id, &error).await,
        Err(error) => return tracing::error!(%id, %error, "a queued message cannot be read now"),
    };
    let raw = match transfer
        .store()
        .body(AccountId::QUEUE, queued.message.body)
        .await
    {
        Ok(raw) => raw,
        Err(error @ (Error::Corrupt(_) | Error::NotFound(_) | Error::NoKey(_))) => {
            return hold_damaged(transfer, id, &error).await;
        }
        Err(error) => {
            return tracing::error!(%id, %error, "the body of a queued message cannot be read now");
        }
    };
    let now = transfer.world().now();
    let recipients: Vec<Recipient> = queued
        .recipients
        .iter()
        .filter(|waiting| {
            due.recipients.contains(&waiting.number) && waiting.state == State::Waiting
        })
        .cloned()
        .collect();
    for (hop, recipients) in by_hop(transfer, settings, recipients) {
        let job = Job {
            message: &queued.message,
            raw: &raw,
            recipients: &recipients,
        };
        let outcomes = deliver::attempt(transfer, settings, &hop, &job).await;
        settle::settle(
            transfer,
            settings,
            &queued,
            &recipients,
            outcomes,
            &raw,
            now,
        )
        .await;
    }
}

/// Where mail for a recipient goes today.
pub(crate) enum Way {
    /// Into a mailbox here.
    Here,
    /// To another server.
    Away(Hop),
}

/// Recipients that shared a destination when they were queued may go separate ways when settings have changed
/// since.
fn by_hop(
    transfer: &Transfer,
    settings: &Settings,
    recipients: Vec<Recipient>,
) -> Vec<(Way, Vec<Recipient>)> {
    let mut ways: Vec<(String, Way, Vec<Recipient>)> = Vec::new();
    for waiting in recipients {
        let domain = waiting.recipient.address.domain();
        let is_own = transfer.directory().is_own(domain);
        let (key, way) = if is_own && settings.roles.has_mailboxes() {
            (String::new(), Way::Here)
        } else {
            let hop = Hop::to(domain, is_own, settings);
            // Mail for domains of different TLS must not share a transaction over one smarthost by accident.
            (
                format!("{} {:?}", hop.destination(), hop.tls(domain, settings)),
                Way::Away(hop),
            )
        };
        match ways.iter_mut().find(|(other, ..)| *other == key) {
            Some((_, _, group)) => group.push(waiting),
            None => ways.push((key, way, vec![waiting])),
        }
    }
    ways.into_iter()
        .map(|(_, way, group)| (way, group))
        .collect()
}

/// Takes a message that cannot be read out of the way: it is held, and told of, and never tried again by itself.
async fn hold_damaged(transfer: &Transfer, id: QueueId, error: &Error) {
    tracing::error!(%id, %error, "a queued message is damaged; it is held. `queue show` it, then restore it from a backup or discard it");
    let event = Event::new(Kind::QueueHeld, Actor::System)
        .outcome(EventOutcome::Failure)
        .subject(id.to_string())
        .detail("reason", error.to_string());
    let selection = Selection {
        ids: vec![id],
        ..Selection::default()
    };
    let held = parcel::commit(transfer.store(), Vec::new(), move |tx| {
        queue::set_state(tx, &selection, State::Held)?;
        tx.record(&event, ())
    });
    if let Err(error) = held.await {
        tracing::error!(%id, %error, "a damaged message could not be held");
    }
}
