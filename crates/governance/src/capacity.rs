//! What mailboxes take, how that grows, and when they are full (clause 6.2).
//!
//! When a period of the clause begins, the look measures every mailbox; the sums are kept for ever, single mailboxes for as long as the site
//! says. How they grow is taken from the last measures, up to six, and what there is now; from that follows when a mailbox and the
//! disk are full if it goes on like that, and which quota would last a year.

use jiff::{SignedDuration, Timestamp};
use regulation::{Period, PeriodUnit};
use serde::Serialize;
use serde_json::{Value, json};
use store::{Error, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use crate::{
    facts::{Disk, Facts},
    rules::Rules,
    tables::capacity::{self as table, Mailbox, Total},
};

/// The item of the calendar.
pub(crate) const ITEM: &str = "capacity";
/// Measures from which it is taken how mailboxes grow.
const LEARNED_FROM: usize = 6;
/// Measures that are shown.
const MOST_SHOWN: u32 = 24;
/// Mailboxes that are named of each sort.
const MOST_NAMED: usize = 50;
/// Growth is told by months of so many days.
const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);
/// From less time nothing is said of growth.
const LEAST: SignedDuration = SignedDuration::from_hours(24);
/// What a quota is rounded up to.
const STEP: u64 = 64 << 20;

/// How capacity is judged.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long what single mailboxes took is kept.
    pub keep: SignedDuration,
    /// From so much of its quota on, in hundredths, a mailbox is nearly full.
    pub near_percent: u64,
    /// The disk has to last so many months, as mailboxes grow.
    pub lasts_months: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep: SignedDuration::from_hours(36 * 30 * 24),
            near_percent: 90,
            lasts_months: 6,
        }
    }
}

/// A mailbox, and what is to be said of it.
#[derive(Clone, Debug, Serialize)]
pub struct MailboxView {
    /// The identifier.
    pub identifier: String,
    /// What it takes, in octets.
    pub octets: u64,
    /// How many messages.
    pub messages: u64,
    /// Its quota, in octets.
    pub quota: Option<u64>,
    /// By how much it grows in a month, in octets; `None`: not yet known.
    pub growth: Option<u64>,
    /// In how many months it is full, if it goes on like that.
    pub full_in_months: Option<u64>,
    /// The quota that would last a year.
    pub quota_for_a_year: Option<u64>,
}

/// What mailboxes take in all, how that grows, and what is to be done.
#[derive(Clone, Debug, Serialize)]
pub struct Forecast {
    /// How many mailboxes there are.
    pub mailboxes: u64,
    /// What they take, in octets.
    pub octets: u64,
    /// How many messages are in them.
    pub messages: u64,
    /// By how much they grow in a month, in octets; `None`: not yet known.
    pub growth: Option<u64>,
    /// When they were last measured.
    pub measured_at: Option<Timestamp>,
    /// In how many months the disk is full, but for what the store leaves free, if it goes on like that.
    pub disk_full_in_months: Option<u64>,
    /// Mailboxes that are nearly full.
    pub near: Vec<MailboxView>,
    /// How many those are.
    pub near_count: usize,
    /// Those of them that were nearly full at the last measure, too: nobody put them in order.
    pub stayed: Vec<String>,
    /// Mailboxes that will be full within a year, soonest first, without those that are nearly full.
    pub filling: Vec<MailboxView>,
    /// The largest mailboxes.
    pub largest: Vec<MailboxView>,
    /// Mailboxes without a quota.
    pub without_quota: usize,
    /// Earlier measures, the newest first: period, octets and mailboxes.
    pub history: Vec<(String, u64, u64)>,
}

/// How often mailboxes are measured: as the clause says.
pub(crate) fn period(rules: &Rules) -> Period {
    rules.choices.period("capacity-check").unwrap_or(Period {
        count: 1,
        unit: PeriodUnit::Month,
    })
}

/// What mailboxes take now, and what is to be expected.
///
/// # Errors
/// The store's.
pub fn forecast(sql: &mut dyn Sql, facts: &Facts, now: Timestamp) -> Result<Forecast, Error> {
    let options = facts.capacity;
    let history = table::totals(sql, MOST_SHOWN)?;
    let (mailboxes, octets, messages) = table::now(sql)?;
    let kept = now.checked_sub(options.keep).unwrap_or(Timestamp::MIN);
    let mut learned = history.iter().take(LEARNED_FROM).rev();
    let base = learned.find(|total| total.measured_at >= kept);
    let last = history.first();
    let name = |total: Option<&Total>| total.map_or("", |total| total.period.as_str()).to_owned();
    let all = table::mailboxes(sql, &name(base), &name(last))?;
    let growth = base.and_then(|base| grown(base.octets, octets, base.measured_at, now));
    let disk = facts.disk.filter(|disk| disk.size > 0);
    let near = |octets: u64, quota: Option<u64>| {
        quota.is_some_and(|quota| {
            quota > 0 && octets.saturating_mul(100) >= quota.saturating_mul(options.near_percent)
        })
    };
    let stayed = all.iter().filter(|one| {
        let before = one.last.is_some_and(|(octets, quota)| near(octets, quota));
        before && near(one.octets, one.quota)
    });
    let stayed: Vec<String> = stayed
        .map(|one| one.identifier.clone())
        .take(MOST_NAMED)
        .collect();
    let views: Vec<MailboxView> = all.iter().map(|one| view(one, base, now)).collect();
    let (close, others): (Vec<_>, Vec<_>) = views
        .iter()
        .cloned()
        .partition(|one| near(one.octets, one.quota));
    let mut filling: Vec<_> = others
        .into_iter()
        .filter(|one| one.full_in_months.is_some_and(|months| months <= 12))
        .collect();
    filling.sort_by_key(|one| one.full_in_months);
    filling.truncate(MOST_NAMED);
    Ok(Forecast {
        mailboxes,
        octets,
        messages,
        growth,
        measured_at: last.map(|total| total.measured_at),
        disk_full_in_months: disk.and_then(|disk| lasts(room(disk), growth)),
        near_count: close.len(),
        near: close.into_iter().take(MOST_NAMED).collect(),
        stayed,
        filling,
        without_quota: all.iter().filter(|one| one.quota.is_none()).count(),
        largest: views.into_iter().take(10).collect(),
        history: history
            .into_iter()
            .map(|total| (total.period, total.octets, total.mailboxes))
            .collect(),
    })
}

/// What the store may still write.
fn room(disk: Disk) -> u64 {
    disk.free.saturating_sub(disk.reserve)
}

fn view(one: &Mailbox, base: Option<&Total>, now: Timestamp) -> MailboxView {
    let growth = base.and_then(|base| {
        // What was issued since had nothing then.
        let since = base.measured_at.max(one.issued_at);
        grown(one.before.unwrap_or(0), one.octets, since, now)
    });
    let left = one.quota.map(|quota| quota.saturating_sub(one.octets));
    let year = growth.map(|growth| one.octets.saturating_add(growth.saturating_mul(12)));
    MailboxView {
        identifier: one.identifier.clone(),
        octets: one.octets,
        messages: one.messages,
        quota: one.quota,
        growth,
        full_in_months: left.and_then(|left| lasts(left, growth)),
        quota_for_a_year: year.map(|year| year.div_ceil(STEP).max(1).saturating_mul(STEP)),
    }
}

/// By how much something grows in a month; what shrinks does not grow. `None`: the time is too short to tell.
fn grown(before: u64, after: u64, since: Timestamp, now: Timestamp) -> Option<u64> {
    let time = now.duration_since(since);
    if time < LEAST {
        return None;
    }
    let more = u128::from(after.saturating_sub(before));
    let time = u128::try_from(time.as_secs()).ok()?;
    let month = u128::try_from(MONTH.as_secs()).ok()?;
    u64::try_from(more.saturating_mul(month) / time).ok()
}

/// In how many whole months room is filled. `None`: never, or it is not known.
fn lasts(room: u64, growth: Option<u64>) -> Option<u64> {
    growth
        .filter(|growth| *growth > 0)
        .map(|growth| room / growth)
}

/// Measures all mailboxes for a period that has begun; the event.
pub(crate) fn measure(tx: &mut Tx<'_>, period: &str, facts: &Facts) -> Result<Event, Error> {
    let now = tx.now();
    let (mailboxes, octets, messages) = table::now(tx)?;
    let disk = facts.disk;
    let total = Total {
        period: period.to_owned(),
        measured_at: now,
        mailboxes,
        octets,
        messages,
        disk_free: disk.map(|disk| disk.free),
        disk_size: disk.map(|disk| disk.size),
    };
    table::measure(tx, &total)?;
    let before = now
        .checked_sub(facts.capacity.keep)
        .unwrap_or(Timestamp::MIN);
    let dropped = table::drop_old(tx, before)?;
    let near = forecast(tx, facts, now)?.near_count;
    Ok(Event::new(Kind::CapacityMeasured, Actor::System)
        .subject(period)
        .detail("mailboxes", mailboxes)
        .detail("octets", octets)
        .detail("messages", messages)
        .detail("disk_free", total.disk_free)
        .detail("disk_size", total.disk_size)
        .detail("near", near)
        .detail("dropped", dropped))
}

/// The lines of a report about it, from the facts that were prepared for the task.
pub(crate) fn lines(prepared: &Value) -> Vec<String> {
    let mib = |value: &Value| match value.as_u64() {
        Some(octets) => format!("{} MiB", octets >> 20),
        None => "不明 / not known".to_owned(),
    };
    let months = |value: &Value| match value.as_u64() {
        Some(months) => format!("{months} か月 / months"),
        None => "—".to_owned(),
    };
    let mut lines = vec![
        String::new(),
        "メールボックスの容量 / Capacity of mailboxes".to_owned(),
        format!(
            "- 合計 / in all: {} ({} mailboxes), 増加 / growth: {} 月 / a month",
            mib(&prepared["octets"]),
            prepared["mailboxes"],
            mib(&prepared["growth"])
        ),
        format!(
            "- 記録装置が満杯になるまで / until the disk is full: {}",
            months(&prepared["disk_full_in_months"])
        ),
        format!(
            "- 上限のないもの / without a quota: {}",
            prepared["without_quota"]
        ),
    ];
    for (title, key) in [
        ("上限に近いもの / nearly full", "near"),
        ("1年以内に満杯となるもの / full within a year", "filling"),
        ("大きいもの / the largest", "largest"),
    ] {
        let found = prepared[key].as_array();
        lines.push(format!("- {title}: {}", found.map_or(0, Vec::len)));
        for one in found.into_iter().flatten() {
            let name = one["identifier"].as_str().unwrap_or_default();
            lines.push(format!(
                "  {name}: {} / {}, +{} 月 / a month, {}, 1年分の上限 / quota for a year: {}",
                mib(&one["octets"]),
                mib(&one["quota"]),
                mib(&one["growth"]),
                months(&one["full_in_months"]),
                mib(&one["quota_for_a_year"])
            ));
        }
    }
    for one in prepared["history"].as_array().into_iter().flatten() {
        let period = one[0].as_str().unwrap_or_default();
        lines.push(format!(
            "- {period}: {} ({} mailboxes)",
            mib(&one[1]),
            one[2]
        ));
    }
    lines
}

/// The facts for a task.
pub(crate) fn prepared(forecast: &Forecast) -> Value {
    json!(forecast)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn growth_is_told_by_the_month_and_never_of_less_than_a_day() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (since, now) = (at("2026-06-01T00:00:00Z"), at("2026-11-28T00:00:00Z"));
        // 180 days, six months of thirty.
        assert_eq!(grown(1000, 7000, since, now), Some(1000));
        assert_eq!(grown(7000, 1000, since, now), Some(0));
        assert_eq!(grown(0, 7000, at("2026-11-27T12:00:00Z"), now), None);
        assert_eq!(grown(0, u64::MAX, at("2026-11-27T00:00:00Z"), now), None);
        assert_eq!(lasts(5500, Some(1000)), Some(5));
        assert_eq!(lasts(5500, Some(0)), None);
        assert_eq!(lasts(5500, None), None);
    }

    #[test]
    fn a_quota_lasts_a_year_and_is_round() {
        let now = "2026-11-28T00:00:00Z".parse::<Timestamp>().unwrap();
        let base = Total {
            period: "2026-05".to_owned(),
            measured_at: "2026-06-01T00:00:00Z".parse().unwrap(),
            mailboxes: 1,
            octets: 0,
            messages: 0,
            disk_free: None,
            disk_size: None,
        };
        let one = Mailbox {
            identifier: "a@b.example".to_owned(),
            issued_at: Timestamp::MIN,
            octets: 600 << 20,
            messages: 10,
            quota: Some(1 << 30),
            before: None,
            last: None,
        };
        let seen = view(&one, Some(&base), now);
        assert_eq!(seen.growth, Some(100 << 20));
        assert_eq!(seen.full_in_months, Some(4));
        // 600 + 12 * 100 MiB, rounded up to 64 MiB.
        assert_eq!(seen.quota_for_a_year, Some(1856 << 20));
    }
}
