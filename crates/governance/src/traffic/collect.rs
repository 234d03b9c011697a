//! The collector: what it looks at, and the commits that come of it.

use std::collections::BTreeMap;

use directory::{
    alarm::{self, Alarm},
    command::incident::IncidentKind,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::{
    Error, Recorded, Store, Tx,
    traffic::{self as table, Mark, Span},
};
use tokio::sync::Mutex;
use traffic::{
    Assessment, Counts, Deviation, Gauge, Normal, Slot, State, Watch, Window, assess,
    deviation::quiet,
};
use trail::{Actor, Event, Kind, entry::Entry};

use super::{
    Options, begin_of, count::count, counts_of, fold, normal_at, span_of, standing::state_of,
};

/// Events that are read at a time.
const PAGE: u32 = 2000;
/// How long after its end an hour is closed: what was being committed at its end still counts.
const GRACE: SignedDuration = SignedDuration::from_secs(5);
/// Minutes that one sample stands for at most: the longest `[traffic] look`.
const MOST_MINUTES: i64 = 5;
/// Networks and domains that an incident names.
const MOST_NAMED: usize = 10;

/// Follows the trail. There is one a store.
#[derive(Debug, Default)]
pub struct Collector {
    /// `None`: to be read from the store. It is taken out while a look is under way, so that one that is broken off, or whose commit
    /// failed, leaves nothing that the store does not have.
    memory: Mutex<Option<Memory>>,
}

/// What a look found.
#[derive(Clone, Debug)]
pub struct Look {
    /// How traffic is.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// What the last sixty minutes are by themselves.
    pub found: Assessment,
    /// The state before, if it has changed now.
    pub before: Option<State>,
    /// Whether an incident was opened.
    pub opened: bool,
}

#[derive(Debug)]
struct Memory {
    /// All events up to this one are counted.
    event: i64,
    watch: Watch,
    /// Hours that are not over.
    open: BTreeMap<i64, Counts>,
    /// The hour before the current one, if it is over.
    before: Option<(i64, Counts)>,
    /// What is usual, and the hour for which it was learned.
    normal: (i64, Normal),
    /// The minute in which figures were last sampled.
    sampled: i64,
}

/// What one commit does.
struct Step {
    mark: Mark,
    spans: Vec<Span>,
    events: Vec<Event>,
    /// An incident to open: why, what is known, and since when.
    alarm: Option<(String, Value, Timestamp)>,
}

impl Collector {
    /// Counts what came since, samples `figures`, closes hours that are over, and judges the last sixty minutes. To be called each minute,
    /// or more often.
    ///
    /// # Errors
    /// The store's: what was not committed is done at the next look.
    pub async fn look(
        &self,
        store: &Store,
        options: &Options,
        figures: &BTreeMap<Gauge, u64>,
    ) -> Result<Look, Error> {
        let mut place = self.memory.lock().await;
        let mut memory = match place.take() {
            Some(memory) => memory,
            None => load(store).await?,
        };
        let now = store.now();
        let hour = table::hour(now);
        let is_new = memory.normal.0 != hour;
        if is_new {
            memory.learn(store, options, hour).await?;
        }
        memory.follow(store, options, now).await?;
        let look = memory.judge(store, options, figures, now).await?;
        if is_new {
            // Behind the commit that closed what was over: no hour of a day that is folded is open.
            while fold::fold(store, options, now).await? {}
        }
        *place = Some(memory);
        Ok(look)
    }
}

async fn load(store: &Store) -> Result<Memory, Error> {
    let now = store.now();
    let read = move |sql: &mut store::Snapshot<'_>| -> Result<_, Error> {
        let mark = match table::mark(sql)? {
            Some(mark) => mark,
            // Of the hour in which it begins all is counted.
            None => Mark {
                event: table::event_before(sql, begin_of(table::hour(now))?)?,
                state: State::Unknown.as_str().to_owned(),
                since: now,
            },
        };
        Ok((mark, table::open(sql)?))
    };
    let (mark, spans) = store.read(read).await?;
    let mut open = BTreeMap::new();
    for span in spans {
        let counts = counts_of(&span).unwrap_or_else(|error| {
            // It is closed as an hour of which less is known; to stop for it would be to know nothing of those that follow.
            tracing::error!(%error, "an hour of traffic is counted anew");
            Counts::default()
        });
        open.insert(span.hour, counts);
    }
    Ok(Memory {
        event: mark.event,
        watch: Watch::new(state_of(&mark.state), mark.since),
        open,
        before: None,
        normal: (i64::MIN, Normal::default()),
        sampled: i64::MIN,
    })
}

impl Memory {
    /// Learns anew what is usual.
    async fn learn(&mut self, store: &Store, options: &Options, hour: i64) -> Result<(), Error> {
        let with = options.clone();
        let last = hour.saturating_sub(1);
        let read = move |sql: &mut store::Snapshot<'_>| -> Result<_, Error> {
            let normal = normal_at(sql, &with, hour)?;
            let before = table::list(sql, (last, hour), 1)?;
            Ok((normal, before.into_iter().next()))
        };
        let (normal, before) = store.read(read).await?;
        self.normal = (hour, normal);
        // What cannot be read is as an hour that was not observed.
        if let Some(span) = before.filter(|span| span.closed) {
            let counts = counts_of(&span).unwrap_or_default();
            self.before = Some((span.hour, counts));
        }
        Ok(())
    }

    /// Counts all events that came; after a long time in several commits.
    async fn follow(
        &mut self,
        store: &Store,
        options: &Options,
        now: Timestamp,
    ) -> Result<(), Error> {
        loop {
            let entries = store.entries_after(self.event, PAGE).await?;
            self.take(&entries, options);
            let Some(last) = entries.last() else {
                return Ok(());
            };
            self.event = last.id;
            if entries.len() < PAGE as usize {
                return Ok(());
            }
            let at = Timestamp::from_microsecond(last.at).unwrap_or(now);
            self.commit(store, options, at, None).await?;
        }
    }

    fn take(&mut self, entries: &[Entry], options: &Options) {
        for entry in entries {
            let at = entry.at.div_euclid(1_000_000);
            let mut hour = at.div_euclid(traffic::series::HOUR);
            // Never into an hour that was closed: it counts for the next one.
            if let Some((closed, _)) = &self.before {
                hour = hour.max(closed.saturating_add(1));
            }
            count(self.open.entry(hour).or_default(), entry, &options.own);
        }
    }

    /// Samples the figures, judges, and commits what came of it.
    async fn judge(
        &mut self,
        store: &Store,
        options: &Options,
        figures: &BTreeMap<Gauge, u64>,
        now: Timestamp,
    ) -> Result<Look, Error> {
        let (second, hour) = (now.as_second(), table::hour(now));
        let current = self.open.entry(hour).or_default();
        let minute = second.div_euclid(60);
        if minute != self.sampled {
            // A sample stands for the minutes since the one before: a site may look every five minutes.
            let since = match self.sampled {
                i64::MIN => 1,
                last => minute.saturating_sub(last).clamp(1, MOST_MINUTES),
            };
            current.sample(figures, u32::try_from(since).unwrap_or(1));
            self.sampled = minute;
        }
        let slot = |hour| -> Result<Slot, Error> {
            Ok(Slot::of(begin_of(hour)?, &options.zone, &options.calendar))
        };
        let last = hour.saturating_sub(1);
        let before = self.open.get(&last).or(match &self.before {
            Some((hour, counts)) if *hour == last => Some(counts),
            _ => None,
        });
        let before = before
            .filter(|counts| counts.minutes >= traffic::series::ENOUGH_MINUTES)
            .map(|counts| Ok::<_, Error>((counts, slot(last)?)))
            .transpose()?;
        let nothing = Counts::default();
        #[allow(clippy::cast_precision_loss, reason = "seconds of an hour")]
        let passed = second.rem_euclid(traffic::series::HOUR) as f64 / traffic::series::HOUR as f64;
        let window = Window {
            current: self.open.get(&hour).unwrap_or(&nothing),
            slot: slot(hour)?,
            passed,
            before,
            figures,
        };
        let found = assess(&window, &self.normal.1, &options.rules);
        let mut watch = self.watch;
        let changed = watch.step(found.state, now, &options.rules);
        self.watch = watch;
        if let Some(counts) = self.open.get_mut(&hour) {
            counts.state = counts.state.max(Some(watch.state));
            counts.apart |= watch.state == State::Alarm;
        }
        let change = changed.map(|before| (before, &found));
        let opened = self.commit(store, options, now, change).await?;
        Ok(Look {
            state: watch.state,
            since: watch.since,
            found,
            before: changed,
            opened,
        })
    }

    /// Commits what is counted up to `at`, and closes what was over then. Returns whether an incident was opened.
    async fn commit(
        &mut self,
        store: &Store,
        options: &Options,
        at: Timestamp,
        change: Option<(State, &Assessment)>,
    ) -> Result<bool, Error> {
        let over = table::hour(at.checked_sub(GRACE).unwrap_or(at));
        let mut step = Step {
            mark: Mark {
                event: self.event,
                state: self.watch.state.as_str().to_owned(),
                since: self.watch.since,
            },
            spans: Vec::new(),
            events: Vec::new(),
            alarm: None,
        };
        let incident = store.read(|sql| alarm::open_dos_number(sql)).await?;
        let closed = self.open.split_off(&over);
        let over = std::mem::replace(&mut self.open, closed);
        for (hour, mut counts) in over {
            counts.close();
            counts.state = counts.state.or(Some(State::Unknown));
            counts.apart |= incident.is_some();
            let slot = Slot::of(begin_of(hour)?, &options.zone, &options.calendar);
            let missed = quiet(&counts, slot, &self.normal.1, &options.rules);
            if !missed.is_empty() {
                counts.state = counts.state.max(Some(State::Unusual));
            }
            step.events.push(hour_over(hour, &counts, &missed)?);
            step.spans.push(span_of(hour, 1, true, &counts)?);
            self.before = Some((hour, counts));
        }
        for (hour, counts) in &self.open {
            step.spans.push(span_of(*hour, 1, false, counts)?);
        }
        if let Some((before, found)) = change {
            step.events.push(changed(before, &self.watch, found));
            if self.watch.state == State::Alarm {
                step.alarm = Some(self.alarm(found, at));
            }
        }
        store
            .commit(Vec::new(), move |tx| step.carry_out(tx))
            .await
            .map(|receipt| receipt.value)
    }

    /// What an incident is opened with.
    fn alarm(&self, found: &Assessment, at: Timestamp) -> (String, Value, Timestamp) {
        let now = self.open.get(&table::hour(at));
        let named = |shares: Option<&traffic::Shares>| -> Vec<Value> {
            let largest = shares.map(|shares| shares.largest(MOST_NAMED));
            let largest = largest.into_iter().flatten();
            largest
                .map(|(name, count)| json!({ "name": name, "count": count }))
                .collect()
        };
        let reason = found.deviations.first().map_or_else(String::new, |first| {
            format!(
                "{} in sixty minutes is {}, where {} is usual, and service suffers: {}",
                first.series.as_str(),
                first.seen,
                first.expected,
                found
                    .harms
                    .iter()
                    .map(|harm| format!("{} {}", harm.what, harm.value))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        });
        let facts = json!({
            "deviations": found.deviations,
            "harms": found.harms,
            "sources": named(now.map(|counts| &counts.sources)),
            "destinations": named(now.map(|counts| &counts.destinations)),
        });
        (reason, facts, self.watch.since)
    }
}

impl Step {
    fn carry_out(self, tx: &mut Tx<'_>) -> Result<Recorded<bool>, Error> {
        if self.events.is_empty() && self.alarm.is_none() {
            let counted = table::only_counted(tx, &self.mark, &self.spans)?;
            return Ok(counted.map(|()| false));
        }
        table::put(tx, &self.mark, &self.spans)?;
        let mut events = self.events;
        let mut opened = false;
        if let Some((reason, facts, since)) = self.alarm {
            let alarm = Alarm {
                kind: IncidentKind::Dos,
                reason,
                facts,
                since,
            };
            if let Some(event) = alarm::open(tx, &alarm)? {
                events.push(event);
                opened = true;
            }
        }
        let mut last = None;
        for event in &events {
            last = Some(tx.record(event, opened)?);
        }
        last.ok_or_else(|| Error::Corrupt("a change of traffic without an event".to_owned()))
    }
}

fn hour_over(hour: i64, counts: &Counts, missed: &[Deviation]) -> Result<Event, Error> {
    let service: serde_json::Map<String, Value> = counts
        .service
        .iter()
        .map(|(gauge, samples)| {
            let told = match gauge {
                Gauge::DiskFree => samples.least,
                _ => samples.most,
            };
            (gauge.as_str().to_owned(), told.into())
        })
        .collect();
    let state = counts.state.unwrap_or(State::Unknown);
    let event = Event::new(Kind::TrafficHour, Actor::System)
        .subject(begin_of(hour)?.to_string())
        .detail("state", state.as_str())
        .detail("minutes", counts.minutes)
        .detail("counts", json!(counts.counts))
        .detail("service", service)
        .detail("apart", counts.apart);
    Ok(match missed {
        [] => event,
        missed => event.detail("quiet", json!(missed)),
    })
}

fn changed(before: State, watch: &Watch, found: &Assessment) -> Event {
    Event::new(Kind::TrafficState, Actor::System)
        .subject(watch.state.as_str())
        .detail("before", before.as_str())
        .detail("since", watch.since.to_string())
        .detail("deviations", json!(found.deviations))
        .detail("harms", json!(found.harms))
}
