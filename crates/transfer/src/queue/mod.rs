//! The scheduler: takes what is due out of the queue, bounded in all and per destination.
//!
//! One stuck destination only fills its own share, and many stuck ones leave a share of all slots to destinations with
//! nothing under way; one message that cannot be read is held and told of, and
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
    tls_report,
};
use tokio::{task::JoinSet, time::Instant};
use trail::{Actor, Event, Kind, Outcome as EventOutcome};
use wire::Shutdown;

use crate::{
    Settings, Transfer,
    deliver::{self, Job},
    parcel,
    route::Hop,
};

/// The part of all slots that is kept for destinations with nothing under way: some destinations that hold every
/// connection for an hour must not hold everybody's mail.
const KEPT_PART: usize = 4;
/// While deliveries are under way, or a domain may have no more mail for now, rows are due and hide when the next other one will be.
const BUSY_TICK: Duration = Duration::from_secs(2);
/// The first rest of a message whose attempt came to no result; each further one doubles it.
const FIRST_REST: Duration = Duration::from_secs(60);
/// The longest.
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// A message whose delivery stopped in an unexpected way so often is held.
const MOST_PANICS: u32 = 3;
/// After the store failed: it is asked again, and nothing else is done meanwhile.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// What the scheduler keeps in mind between looks at the queue.
#[derive(Default)]
struct Hands {
    /// Messages under way, each with the destination it is under way to.
    in_hand: HashSet<(QueueId, String)>,
    /// How many of them go to each destination.
    per_destination: HashMap<String, usize>,
    /// Messages whose attempt came to no result that could be written, and until when they rest.
    resting: HashMap<(QueueId, String), Rest>,
    /// Messages that could not be read, and were told of.
    damaged: HashSet<QueueId>,
    /// The destination of each task.
    tasks: HashMap<tokio::task::Id, (QueueId, String)>,
}

/// Deliveries under way.
type Running = JoinSet<Ended>;

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Its result is in the store, or there was nothing to do.
    Settled,
    /// Nothing could be written: its rows are as they were.
    Unsettled,
}

/// How a message rests after attempts without a result.
struct Rest {
    times: u32,
    panics: u32,
    until: Instant,
}

/// Delivers until shutdown, then lets deliveries in flight end within their limit.
pub(crate) async fn run(transfer: &Transfer, mut shutdown: Shutdown) {
    let mut news = transfer.store().watch(Topic::Queue);
    let mut hands = Hands::default();
    let mut running: Running = JoinSet::new();
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

/// Tries all that is due now, and what becomes due meanwhile, and waits until each attempt has ended. Not while [`run`] runs.
///
/// # Errors
/// When the queue cannot be read.
pub(crate) async fn once(transfer: &Transfer) -> Result<(), Error> {
    let settings = transfer.settings();
    let mut hands = Hands::default();
    let mut running: Running = JoinSet::new();
    loop {
        start_due(transfer, &settings, &mut hands, &mut running).await?;
        match running.join_next_with_id().await {
            Some(ended) => hands.put_down(ended),
            None => return Ok(()),
        }
    }
}

async fn drain(transfer: &Transfer, mut running: Running) {
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
    running: &mut Running,
) -> Result<Duration, Error> {
    hands.hold_broken(transfer).await;
    loop {
        let room = settings.outbound.concurrency.saturating_sub(running.len());
        if room == 0 {
            return Ok(BUSY_TICK);
        }
        let before = running.len();
        let (next, passed_over) = start_some(transfer, settings, hands, running, room).await?;
        // The backlog of a destination that has become busy filled this look: others are due behind it.
        if passed_over && running.len() > before {
            continue;
        }
        let is_limited = !transfer.waiting_domains().is_empty();
        if !running.is_empty() || is_limited || hands.at_rest().next().is_some() {
            return Ok(BUSY_TICK);
        }
        return Ok(next.map_or(Duration::MAX, |next| until(next, transfer.world().now())));
    }
}

/// One look at the queue: starts what has room; returns when the next row is due, and whether something was passed
/// over for want of room.
async fn start_some(
    transfer: &Transfer,
    settings: &Arc<Settings>,
    hands: &mut Hands,
    running: &mut Running,
    room: usize,
) -> Result<(Option<Timestamp>, bool), Error> {
    let mut passed_over = false;
    let limit = most_at_once(settings, running.len());
    let look = look(transfer, hands, room, limit).await?;
    for (id, error) in look.damaged {
        // Once is enough: should holding not help, the log and the trail must not fill with it.
        if hands.damaged.insert(id) {
            hold_damaged(transfer, id, &error).await;
        }
    }
    for due in look.due {
        let key = (due.id, due.destination.clone());
        let most = most_at_once(settings, running.len());
        let count = hands
            .per_destination
            .entry(due.destination.clone())
            .or_default();
        if *count >= most || !hands.in_hand.insert(key.clone()) {
            passed_over = true;
            continue;
        }
        *count = count.saturating_add(1);
        let (transfer, settings) = (transfer.clone(), Arc::clone(settings));
        let task = running.spawn(async move { work(&transfer, &settings, due).await });
        hands.tasks.insert(task.id(), key);
    }
    Ok((look.next, passed_over))
}

/// What one look at the queue showed.
struct Look {
    due: Vec<Due>,
    damaged: Vec<(QueueId, Error)>,
    next: Option<Timestamp>,
}

/// Deliveries to one destination while so many run in all: its own limit, and one once only the kept slots are left.
fn most_at_once(settings: &Settings, running: usize) -> usize {
    let outbound = &settings.outbound;
    let kept = outbound.concurrency.div_euclid(KEPT_PART);
    if running.saturating_add(kept) < outbound.concurrency {
        outbound.destination_concurrency
    } else {
        outbound.destination_concurrency.min(1)
    }
}

async fn look(
    transfer: &Transfer,
    hands: &Hands,
    room: usize,
    limit: usize,
) -> Result<Look, Error> {
    let now = transfer.world().now();
    let busy: Vec<String> = hands
        .per_destination
        .iter()
        .filter(|(_, count)| **count >= limit)
        .map(|(destination, _)| destination.clone())
        .collect();
    let domains = transfer.waiting_domains();
    let in_hand: Vec<(QueueId, String)> = hands
        .in_hand
        .iter()
        .chain(hands.at_rest())
        .cloned()
        .collect();
    transfer
        .store()
        .read(move |snapshot| {
            let mut damaged = Vec::new();
            let skip = queue::Skip {
                busy: &busy,
                in_hand: &in_hand,
                domains: &domains,
            };
            let due = queue::due(snapshot, now, room, skip, &mut |id, error| {
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
    /// Those that rest now.
    fn at_rest(&self) -> impl Iterator<Item = &(QueueId, String)> {
        let now = Instant::now();
        self.resting
            .iter()
            .filter(move |(_, rest)| rest.until > now)
            .map(|(key, _)| key)
    }

    /// Holds what stopped its deliveries too often, and forgets rests of long ago.
    async fn hold_broken(&mut self, transfer: &Transfer) {
        let broken: Vec<QueueId> = self
            .resting
            .iter()
            .filter(|(_, rest)| rest.panics >= MOST_PANICS)
            .map(|((id, _), _)| *id)
            .collect();
        for id in broken {
            let error = Error::Panicked("its delivery stopped in an unexpected way".to_owned());
            hold_damaged(transfer, id, &error).await;
            self.resting.retain(|(other, _), _| *other != id);
        }
        self.resting
            .retain(|_, rest| rest.until.elapsed() < LONGEST_REST.saturating_mul(2));
    }

    /// An attempt came to no result: its rows are still due, and would be tried again without pause.
    fn let_rest(&mut self, key: (QueueId, String), panicked: bool) {
        let now = Instant::now();
        let rest = self.resting.entry(key).or_insert(Rest {
            times: 0,
            panics: 0,
            until: now,
        });
        let length = FIRST_REST
            .saturating_mul(1_u32.checked_shl(rest.times).unwrap_or(u32::MAX))
            .min(LONGEST_REST);
        rest.times = rest.times.saturating_add(1);
        rest.panics = rest.panics.saturating_add(u32::from(panicked));
        rest.until = now.checked_add(length).unwrap_or(now);
    }

    fn put_down(&mut self, ended: Result<(tokio::task::Id, Ended), tokio::task::JoinError>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, Some(ended)),
            Err(error) => {
                tracing::error!(%error, "a delivery stopped in an unexpected way; it will be tried again");
                (error.id(), None)
            }
        };
        if let Some(key) = self.tasks.remove(&id) {
            if let Some(count) = self.per_destination.get_mut(&key.1) {
                *count = count.saturating_sub(1);
            }
            self.per_destination.retain(|_, count| *count > 0);
            self.in_hand.remove(&key);
            match ended {
                Some(Ended::Settled) => {
                    self.resting.remove(&key);
                }
                Some(Ended::Unsettled) => self.let_rest(key, false),
                None => self.let_rest(key, true),
            }
        }
    }
}

/// One message to one destination.
async fn work(transfer: &Transfer, settings: &Arc<Settings>, due: Due) -> Ended {
    let id = due.id;
    let queued = match transfer
        .store()
        .read(move |snapshot| queue::load(snapshot, id))
        .await
    {
        Ok(Some(queued)) => queued,
        // Discarded or delivered since.
        Ok(None) => return Ended::Settled,
        Err(error @ Error::Corrupt(_)) => {
            hold_damaged(transfer, id, &error).await;
            return Ended::Unsettled;
        }
        Err(error) => {
            tracing::error!(%id, %error, "a queued message cannot be read now");
            return Ended::Unsettled;
        }
    };
    let raw = match transfer
        .store()
        .body(AccountId::QUEUE, queued.message.body)
        .await
    {
        Ok(raw) => raw,
        Err(error @ (Error::Corrupt(_) | Error::NotFound(_) | Error::NoKey(_))) => {
            hold_damaged(transfer, id, &error).await;
            return Ended::Unsettled;
        }
        Err(error) => {
            tracing::error!(%id, %error, "the body of a queued message cannot be read now");
            return Ended::Unsettled;
        }
    };
    // Only the server's own mail is such a report, and it has no sender.
    let tells_of_tls = match &queued.message {
        message if message.sender.is_none() && message.identifier.is_none() => {
            let body = message.body;
            let found = transfer
                .store()
                .read(move |sql| tls_report::is_mail(sql, body));
            match found.await {
                Ok(found) => found,
                Err(error) => {
                    let error: Error = error;
                    tracing::error!(%id, %error, "a queued message cannot be read now");
                    return Ended::Unsettled;
                }
            }
        }
        _ => false,
    };
    let mut ended = Ended::Settled;
    let recipients: Vec<Recipient> = queued
        .recipients
        .iter()
        .filter(|waiting| {
            due.recipients.contains(&waiting.number) && waiting.state == State::Waiting
        })
        .cloned()
        .collect();
    let recipients = transfer.within_domains(recipients);
    for (hop, recipients) in by_hop(transfer, settings, recipients) {
        let job = Job {
            message: &queued.message,
            raw: &raw,
            recipients: &recipients,
            tells_of_tls,
        };
        let attempted = deliver::attempt(transfer, settings, &hop, &job).await;
        let settled =
            settle::settle(transfer, settings, &queued, &recipients, attempted, &raw).await;
        if !settled {
            ended = Ended::Unsettled;
        }
    }
    ended
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slots_are_for_destinations_with_nothing_under_way() {
        let mut settings = Settings::default();
        for (concurrency, running, most) in [
            (100, 0, 5),
            (100, 74, 5),
            (100, 75, 1),
            (100, 99, 1),
            (4, 2, 5),
            (4, 3, 1),
            (3, 2, 5),
            (1, 0, 5),
        ] {
            settings.outbound.concurrency = concurrency;
            assert_eq!(
                most_at_once(&settings, running),
                most,
                "{concurrency} {running}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_without_a_result_rest_longer_each_time() {
        let mut hands = Hands::default();
        let key = (QueueId(7), "far.example".to_owned());
        for seconds in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
            hands.let_rest(key.clone(), false);
            tokio::time::advance(Duration::from_secs(seconds - 1)).await;
            assert!(hands.at_rest().any(|resting| *resting == key), "{seconds}");
            tokio::time::advance(Duration::from_secs(2)).await;
            assert!(hands.at_rest().next().is_none(), "{seconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_that_stops_unexpectedly_rests_and_a_result_ends_its_rest() {
        let mut hands = Hands::default();
        let key = (QueueId(7), "far.example".to_owned());
        let mut running: Running = JoinSet::new();
        for (work, resting) in [
            (None, 1),
            (Some(Ended::Unsettled), 1),
            (Some(Ended::Settled), 0),
        ] {
            let task = running.spawn(async move {
                match work {
                    Some(ended) => ended,
                    None => std::panic::resume_unwind(Box::new("stopped")),
                }
            });
            hands.tasks.insert(task.id(), key.clone());
            hands.in_hand.insert(key.clone());
            if let Some(ended) = running.join_next_with_id().await {
                hands.put_down(ended);
            }
            assert_eq!(hands.at_rest().count(), resting);
            assert!(hands.in_hand.is_empty());
        }
    }
}
