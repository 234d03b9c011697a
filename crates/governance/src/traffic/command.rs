//! `traffic list | normal | deviations`: what was counted, what is usual, and what differed from it. For any officer.

use directory::{
    Role,
    command::{Caller, CommandError},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{
    event::{self, Filter},
    traffic as table,
};
use traffic::{DayKind, Deviation, Gauge, Series, Slot, State, normal::Basis};
use trail::Kind;

use super::{Options, Standing, begin_of, counts_of, normal_at, standing};

/// Rows that one answer has at most.
pub const MOST: usize = 20_000;

/// An hour, or hours that were folded into a day.
#[derive(Clone, Debug, Serialize)]
pub struct HourView {
    /// When it begins.
    pub at: Timestamp,
    /// How many hours it spans.
    pub hours: i64,
    /// Whether it is over.
    pub over: bool,
    /// How it was judged; `None`: not yet.
    pub state: Option<State>,
    /// Whether it belongs to an incident.
    pub apart: bool,
    /// Minutes in which the server ran and looked.
    pub minutes: u32,
    /// What was counted; of all series, or of one.
    pub counts: Map<String, Value>,
    /// Seconds within which half of what other servers took was on its way; `None`: nothing was, or longer than an hour.
    pub latency_median: Option<i64>,
    /// The same of 95 in 100.
    pub latency_95: Option<i64>,
    /// Figures of the service: the mean, the largest and the smallest; what was not sampled is not there.
    pub service: Map<String, Value>,
    /// The networks that most came from.
    pub sources: Map<String, Value>,
    /// The domains that most went to.
    pub destinations: Map<String, Value>,
}

/// The hours of the last time, the oldest first; before hours are kept, days.
///
/// # Errors
/// [`CommandError`].
pub async fn list(
    caller: &Caller,
    from: Timestamp,
    series: Option<Series>,
) -> Result<Vec<HourView>, CommandError> {
    let words = "traffic list";
    caller
        .look(words, &Role::OFFICERS, move |snapshot, _| {
            let range = (table::hour(from), i64::MAX);
            let spans = table::list(snapshot, range, MOST)?;
            let mut views = Vec::with_capacity(spans.len());
            for span in spans {
                let counts = counts_of(&span)?;
                let is_wanted = |one: Series| series.is_none_or(|series| series == one);
                let counted = Series::ALL.iter().copied().filter(|one| is_wanted(*one));
                let counted = counted.map(|one| (one.as_str().to_owned(), counts.of(one).into()));
                let service = Gauge::ALL.iter().filter_map(|gauge| {
                    let samples = counts.service.get(gauge)?;
                    let told = serde_json::json!({ "mean": samples.mean(), "most": samples.most, "least": samples.least });
                    Some((gauge.as_str().to_owned(), told))
                });
                let shares = |shares: &traffic::Shares| -> Map<String, Value> {
                    let named = shares.largest(traffic::series::KEPT).into_iter();
                    let mut all: Map<String, Value> =
                        named.map(|(name, count)| (name.to_owned(), count.into())).collect();
                    let others = shares.sum().saturating_sub(all.values().filter_map(Value::as_u64).sum());
                    if others > 0 {
                        all.insert("others".to_owned(), others.into());
                    }
                    all
                };
                views.push(HourView {
                    at: begin_of(span.hour)?,
                    hours: span.hours,
                    over: span.closed,
                    state: counts.state,
                    apart: counts.apart,
                    minutes: counts.minutes,
                    counts: counted.collect(),
                    latency_median: counts.latency(50),
                    latency_95: counts.latency(95),
                    service: service.collect(),
                    sources: shares(&counts.sources),
                    destinations: shares(&counts.destinations),
                });
            }
            Ok(views)
        })
        .await
}

/// What is usual of a series in an hour of the week.
#[derive(Clone, Debug, Serialize)]
pub struct NormalView {
    /// The kind of the day.
    pub day: DayKind,
    /// Its day of the week, 1 Monday to 7 Sunday; `None`: a holiday, whatever day it is.
    pub weekday: Option<i8>,
    /// The hour of the day in local time.
    pub hour: i8,
    /// The series.
    pub series: &'static str,
    /// How much is usual; `None`: not yet known.
    pub usual: Option<f64>,
    /// How much it varies.
    pub spread: Option<f64>,
    /// From how many hours it was learned.
    pub learned_from: usize,
    /// From which hours.
    pub basis: Option<Basis>,
}

/// What is usual of a series, in every hour of the week and of holidays.
///
/// # Errors
/// [`CommandError`].
pub async fn normal(
    caller: &Caller,
    options: &Options,
    now: Timestamp,
    series: Series,
) -> Result<Vec<NormalView>, CommandError> {
    let options = options.clone();
    caller
        .look("traffic normal", &Role::OFFICERS, move |snapshot, _| {
            let normal = normal_at(snapshot, &options, table::hour(now))?;
            let views = Slot::all().map(|slot| {
                let usual = normal.usual(slot, series);
                let tenth = |value: f64| (value * 10.0).round() / 10.0;
                NormalView {
                    day: slot.day,
                    weekday: (slot.day != DayKind::Holiday).then_some(slot.weekday),
                    hour: slot.hour,
                    series: series.as_str(),
                    usual: usual.map(|usual| tenth(usual.median)),
                    spread: usual.map(|usual| tenth(usual.spread)),
                    learned_from: usual.map_or(0, |usual| usual.hours),
                    basis: usual.map(|usual| usual.basis),
                }
            });
            Ok(views.collect())
        })
        .await
}

/// A change of state, or an hour in which mail stayed away.
#[derive(Clone, Debug, Serialize)]
pub struct ChangeView {
    /// When it was recorded.
    pub at: Timestamp,
    /// The event that tells of it.
    pub event: i64,
    /// The state since then; of an hour in which mail stayed away, `quiet`.
    pub state: String,
    /// Since when.
    pub since: String,
    /// What differed.
    pub deviations: Vec<Deviation>,
    /// By what service suffered.
    pub harms: Vec<traffic::Harm>,
}

/// What differed since `from`, as the trail tells of it, and how it stands now.
///
/// # Errors
/// [`CommandError`].
pub async fn deviations(
    caller: &Caller,
    options: &Options,
    (from, now): (Timestamp, Timestamp),
) -> Result<(Standing, Vec<ChangeView>), CommandError> {
    let options = options.clone();
    caller
        .look("traffic deviations", &Role::OFFICERS, move |snapshot, _| {
            let standing = standing(snapshot, &options, now)?;
            let filter = Filter {
                from: Some(from),
                kinds: vec![Kind::TrafficState, Kind::TrafficHour],
                ..Filter::default()
            };
            let events = event::search(snapshot, &filter, MOST)?;
            let changes = events.into_iter().filter_map(|recorded| {
                let event = &recorded.event;
                let list = |name: &str| event.detail.get(name).cloned().unwrap_or_default();
                let text = |name: &str| {
                    let value = event.detail.get(name).and_then(Value::as_str);
                    value.unwrap_or_default().to_owned()
                };
                let is_hour = event.kind == Kind::TrafficHour;
                let deviations = match is_hour {
                    true => event.detail.get("quiet")?.clone(),
                    false => list("deviations"),
                };
                Some(ChangeView {
                    at: recorded.at,
                    event: recorded.id,
                    state: match is_hour {
                        true => "quiet".to_owned(),
                        false => event.subject.clone(),
                    },
                    since: match is_hour {
                        true => event.subject.clone(),
                        false => text("since"),
                    },
                    deviations: serde_json::from_value(deviations).unwrap_or_default(),
                    harms: serde_json::from_value(list("harms")).unwrap_or_default(),
                })
            });
            Ok((standing, changes.collect()))
        })
        .await
}
