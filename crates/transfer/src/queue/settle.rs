//! What an attempt changes: one commit for all its recipients, with their events and notifications.

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use message::{StatusCode, dsn::Action};
use store::{
    AccountId, Error, QueueId, Tx,
    queue::{self, Queued, Recipient},
    tls_report::{self, Session},
};
use trail::{Actor, Event, Kind, Outcome as EventOutcome};

use crate::{
    Settings, Transfer,
    deliver::Attempted,
    metrics,
    notify::{self, Origin, Report},
    outcome::{Fate, Outcome},
    parcel::{self, Parcel},
    text,
};

/// Seconds between tries to write a result.
const COMMIT_WAITS: [u64; 5] = [1, 2, 5, 10, 30];
/// Seconds between further tries, until shutdown.
const LAST_COMMIT_WAIT: u64 = 60;
/// Longest reply that is kept, in characters.
const REPLY_KEPT: usize = 500;

/// What happens to one recipient's row.
#[derive(Clone)]
enum Change {
    Finish,
    Defer { next: Timestamp, warned: bool },
}

/// Writes what became of `recipients`. What the next server took responsibility for is written until it is
/// durable, since trying again would make it arrive twice.
pub(super) async fn settle(
    transfer: &Transfer,
    settings: &Settings,
    queued: &Queued,
    recipients: &[Recipient],
    attempted: Attempted,
    raw: &[u8],
) -> bool {
    let Attempted { outcomes, sessions } = attempted;
    let id = queued.message.id;
    let taken = outcomes
        .iter()
        .any(|outcome| matches!(outcome.fate, Fate::Relayed { .. }));
    let mut waits = COMMIT_WAITS.into_iter();
    let mut gone = HashSet::new();
    while let Err(error) = try_settle(
        transfer,
        settings,
        queued,
        recipients,
        (&outcomes, &sessions),
        raw,
        &gone,
    )
    .await
    {
        // A command took recipients out of the queue meanwhile: nobody is told of them any more.
        if let Error::NotFound(_) = error
            && let Ok(missing) = missing(transfer, id, recipients).await
            && missing.len() > gone.len()
        {
            gone = missing;
            continue;
        }
        let last = taken.then_some(LAST_COMMIT_WAIT);
        let wait = waits.next().or(last);
        let Some(wait) = wait.filter(|_| !matches!(error, Error::Closed)) else {
            let may_repeat = if taken { "; it may arrive twice" } else { "" };
            tracing::error!(%id, %error, "the result of a delivery could not be written{may_repeat}");
            return false;
        };
        tracing::error!(%id, %error, "the result of a delivery could not be written yet");
        tokio::time::sleep(Duration::from_secs(wait)).await;
    }
    true
}

/// Those of `recipients` that are not in the queue any more.
async fn missing(
    transfer: &Transfer,
    id: QueueId,
    recipients: &[Recipient],
) -> Result<HashSet<u32>, Error> {
    let left = transfer
        .store()
        .read(move |snapshot| queue::load(snapshot, id))
        .await?;
    let left: HashSet<u32> = left
        .into_iter()
        .flat_map(|queued| queued.recipients)
        .map(|waiting| waiting.number)
        .collect();
    Ok(recipients
        .iter()
        .map(|waiting| waiting.number)
        .filter(|number| !left.contains(number))
        .collect())
}

async fn try_settle(
    transfer: &Transfer,
    settings: &Settings,
    queued: &Queued,
    recipients: &[Recipient],
    (outcomes, sessions): (&[Outcome], &[Session]),
    raw: &[u8],
    gone: &HashSet<u32>,
) -> Result<(), Error> {
    // After the attempt: one that took half an hour is not to be repeated at once.
    let now = transfer.world().now();
    let id = queued.message.id;
    let mut ledger = Ledger {
        // One for all: recipients that wait together stay together, and share the next transaction.
        jitter: transfer
            .world()
            .below(settings.retry.jitter_percent.saturating_add(1)),
        ..Ledger::default()
    };
    for (waiting, outcome) in recipients.iter().zip(outcomes) {
        if gone.contains(&waiting.number) {
            ledger.enter_gone(queued, waiting, outcome);
            continue;
        }
        ledger.enter(settings, queued, waiting, outcome, now);
    }
    let origin = Origin::of(queued);
    let mut parcels: Vec<Parcel> = Vec::new();
    for reports in [ledger.failed, ledger.delayed, ledger.succeeded] {
        if let Some((parcel, event)) =
            notify::parcel(transfer, settings, &origin, reports, raw).await?
        {
            parcels.extend(parcel);
            ledger.events.push(event);
        }
    }
    if !ledger.local.is_empty() {
        parcels.push(Parcel::seal(transfer.store(), raw.to_vec(), ledger.local, Vec::new()).await?);
    }
    let (changes, events) = (ledger.changes, ledger.events);
    if events.is_empty() {
        return Ok(());
    }
    let sessions = sessions.to_vec();
    parcel::commit(transfer.store(), parcels, move |tx| {
        tls_report::count(tx, now, &sessions)?;
        for (number, change, reply) in &changes {
            write(tx, id, *number, change, reply)?;
        }
        parcel::record_all(tx, &events)
    })
    .await?;
    for ((waiting, outcome), kind) in recipients.iter().zip(outcomes).zip(ledger.kinds) {
        if let Some(kind) = kind {
            tell(queued, waiting, outcome, kind);
        }
    }
    Ok(())
}

/// What became of a recipient, in the log and in the metrics; the trail has it already.
fn tell(queued: &Queued, waiting: &Recipient, outcome: &Outcome, kind: Kind) {
    let id = queued.message.id;
    let recipient = &waiting.recipient.address;
    let host = outcome.remote.as_ref().map(|remote| remote.host.as_str());
    let reply = kept(outcome.reply());
    let count = match kind {
        Kind::DeliveryRelayed => {
            tracing::info!(%id, %recipient, host, reply, "relayed");
            if let Some(remote) = &outcome.remote {
                metrics::relayed(remote);
            }
            metrics::RELAYED
        }
        Kind::DeliveryLocal => {
            tracing::info!(%id, %recipient, "delivered");
            metrics::DELIVERED
        }
        Kind::DeliveryDeferred => {
            tracing::warn!(%id, %recipient, host, reply, "delivery is put off");
            metrics::DEFERRED
        }
        Kind::DeliveryExpired => {
            tracing::warn!(%id, %recipient, host, reply, "delivery is given up: its time is over");
            metrics::EXPIRED
        }
        _ => {
            tracing::warn!(%id, %recipient, host, reply, "delivery failed");
            metrics::FAILED
        }
    };
    metrics::count(count);
}

fn write(
    tx: &mut Tx<'_>,
    id: QueueId,
    number: u32,
    change: &Change,
    reply: &str,
) -> Result<(), Error> {
    match change {
        Change::Finish => {
            if !queue::finish(tx, id, number)? {
                return Err(Error::NotFound(format!("recipient {number} of {id}")));
            }
        }
        Change::Defer { next, warned } => {
            queue::defer(tx, id, number, *next, reply)?;
            if *warned {
                queue::delay_notified(tx, id, number)?;
            }
        }
    }
    Ok(())
}

/// All that one commit writes.
#[derive(Default)]
struct Ledger {
    changes: Vec<(u32, Change, String)>,
    events: Vec<Event>,
    failed: Vec<Report>,
    delayed: Vec<Report>,
    succeeded: Vec<Report>,
    local: std::collections::BTreeSet<AccountId>,
    /// How each recipient ended, in their order; `None` for those that a command took out.
    kinds: Vec<Option<Kind>>,
    /// Percent that this message's next wait is longer than the schedule has it.
    jitter: u32,
}

impl Ledger {
    /// A recipient that a command took out of the queue during the attempt. What the other server took by then
    /// is a fact all the same.
    fn enter_gone(&mut self, queued: &Queued, waiting: &Recipient, outcome: &Outcome) {
        let relayed = matches!(outcome.fate, Fate::Relayed { .. });
        if relayed {
            let kind = Kind::DeliveryRelayed;
            let event = event(kind, EventOutcome::Success, queued, waiting, outcome).detail(
                "note",
                "taken out of the queue by command while it was delivered",
            );
            self.events.push(event);
        }
        self.kinds.push(relayed.then_some(Kind::DeliveryRelayed));
    }

    fn enter(
        &mut self,
        settings: &Settings,
        queued: &Queued,
        waiting: &Recipient,
        outcome: &Outcome,
        now: Timestamp,
    ) {
        let notify = waiting.recipient.notify;
        let age = seconds_between(queued.queued_at, now);
        let expired = age >= settings.retry.expire_after;
        let report = |action, status| report(waiting, outcome, action, status);
        let (kind, result, change) = match &outcome.fate {
            Fate::Relayed { dsn_passed, .. } => {
                if notify.success && !dsn_passed {
                    self.succeeded
                        .push(report(Action::Relayed, StatusCode::success(0, 0)));
                }
                (Kind::DeliveryRelayed, EventOutcome::Success, Change::Finish)
            }
            Fate::Local { accounts } => {
                self.local.extend(accounts);
                if notify.success {
                    self.succeeded
                        .push(report(Action::Delivered, StatusCode::success(1, 5)));
                }
                (Kind::DeliveryLocal, EventOutcome::Success, Change::Finish)
            }
            Fate::Failed { status, .. } => {
                if notify.failure {
                    self.failed.push(report(Action::Failed, *status));
                }
                (Kind::DeliveryFailed, EventOutcome::Failure, Change::Finish)
            }
            Fate::Deferred { .. } if expired => {
                if notify.failure {
                    // RFC 3463, section 3.5: delivery time expired. The diagnostic says what was wrong.
                    let status = StatusCode::permanent(4, 7);
                    self.failed.push(report(Action::Failed, status));
                }
                (Kind::DeliveryExpired, EventOutcome::Failure, Change::Finish)
            }
            Fate::Deferred { status, .. } => {
                let warned =
                    notify.delay && !waiting.delay_notified && age >= settings.retry.warn_after;
                if warned {
                    let mut late = report(Action::Delayed, *status);
                    late.retry_until = after(queued.queued_at, settings.retry.expire_after);
                    self.delayed.push(late);
                }
                let next = next_attempt(settings, self.jitter, queued, waiting.attempts, now);
                (
                    Kind::DeliveryDeferred,
                    EventOutcome::Deferred,
                    Change::Defer { next, warned },
                )
            }
        };
        self.events
            .push(event(kind, result, queued, waiting, outcome));
        self.kinds.push(Some(kind));
        self.changes
            .push((waiting.number, change, kept(outcome.reply())));
    }
}

fn report(waiting: &Recipient, outcome: &Outcome, action: Action, status: StatusCode) -> Report {
    Report {
        address: waiting.recipient.address.clone(),
        original: waiting.recipient.original.clone(),
        action,
        status,
        remote: outcome.remote.as_ref().map(|remote| remote.host.clone()),
        diagnostic: Some(kept(outcome.reply())),
        retry_until: None,
    }
}

fn event(
    kind: Kind,
    result: EventOutcome,
    queued: &Queued,
    waiting: &Recipient,
    outcome: &Outcome,
) -> Event {
    let message = &queued.message;
    let mut event = Event::new(kind, Actor::System)
        .outcome(result)
        .subject(message.id.to_string())
        .detail("sender", text::path(message.sender.as_ref()))
        .detail("recipient", waiting.recipient.address.to_string())
        .detail("attempt", waiting.attempts.saturating_add(1))
        .detail("reply", kept(outcome.reply()));
    if let Fate::Relayed {
        eight_bit_forced: true,
        ..
    } = outcome.fate
    {
        event = event.detail(
            "note",
            "8-bit text was sent as it is to a server without 8BITMIME",
        );
    }
    if let Some(remote) = &outcome.remote {
        event = event
            .address(remote.address)
            .detail("host", remote.host.clone())
            .detail("tls_policy", remote.policy);
        if let Some(tls) = &remote.tls {
            event = event
                .detail("tls", format!("{} {}", tls.version, tls.cipher))
                .detail("tls_verified", tls.verified);
        }
    }
    event
}

/// When to try again: by schedule, later by chance, and once more at the very end of its time.
fn next_attempt(
    settings: &Settings,
    jitter_percent: u32,
    queued: &Queued,
    attempts: u32,
    now: Timestamp,
) -> Timestamp {
    let retry = &settings.retry;
    let step = usize::try_from(attempts).unwrap_or(usize::MAX);
    let delay = retry
        .delays
        .get(step)
        .or(retry.delays.last())
        .copied()
        .unwrap_or(Duration::from_secs(300));
    let jitter = delay
        .checked_mul(jitter_percent)
        .unwrap_or_default()
        .checked_div(100)
        .unwrap_or_default();
    let next = after(now, delay.saturating_add(jitter)).unwrap_or(now);
    match after(queued.queued_at, retry.expire_after) {
        Some(end) if end > now => next.min(end),
        _ => next,
    }
}

fn after(at: Timestamp, wait: Duration) -> Option<Timestamp> {
    let micros = i64::try_from(wait.as_micros()).ok()?;
    Timestamp::from_microsecond(at.as_microsecond().checked_add(micros)?).ok()
}

fn seconds_between(from: Timestamp, to: Timestamp) -> Duration {
    let micros = to.as_microsecond().saturating_sub(from.as_microsecond());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn kept(reply: &str) -> String {
    reply.chars().take(REPLY_KEPT).collect()
}
