//! What is usual in an hour of the week, learned from the weeks before.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};
use serde::Serialize;

use crate::{
    Counts, Series,
    calendar::{Calendar, DayKind},
};

/// Hours from which something is said to be usual.
pub const ENOUGH: usize = 4;
/// What the median of absolute deviations is taken times, so that it is a standard deviation where values are normally distributed.
const MAD_TO_DEVIATION: f64 = 1.4826;
/// No spread is taken to be smaller than this part of what is usual.
const LEAST_PART: f64 = 0.1;

/// An hour as the calendar sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Slot {
    /// The kind of its day.
    pub day: DayKind,
    /// Its day of the week, 1 Monday to 7 Sunday.
    pub weekday: i8,
    /// The hour of its day, 0 to 23.
    pub hour: i8,
}

impl Slot {
    /// That of a time.
    #[must_use]
    pub fn of(at: Timestamp, zone: &TimeZone, calendar: &Calendar) -> Self {
        let local = at.to_zoned(zone.clone());
        Self {
            day: calendar.kind(local.date()),
            weekday: local.weekday().to_monday_one_offset(),
            hour: local.hour(),
        }
    }

    /// All hours of the week, as working days and weekends; then those of holidays.
    pub fn all() -> impl Iterator<Item = Self> {
        let week = (1..=7).flat_map(|weekday| {
            let day = match weekday {
                6 | 7 => DayKind::Weekend,
                _ => DayKind::Working,
            };
            (0..24).map(move |hour| Self { day, weekday, hour })
        });
        let sunday = Weekday::Sunday.to_monday_one_offset();
        let holidays = (0..24).map(move |hour| Self {
            day: DayKind::Holiday,
            weekday: sunday,
            hour,
        });
        week.chain(holidays)
    }
}

/// What usual is said from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The same hour of the same day of the week.
    Weekday,
    /// The same hour of days of the same kind.
    DayKind,
    /// Of a holiday: the same hour of weekends, until there were enough holidays.
    Weekends,
}

/// What is usual of one series in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Usual {
    /// The median.
    pub median: f64,
    /// How much it varies, as a standard deviation: of the median of deviations from it, and never less than what counts vary by
    /// chance (Poisson), nor than a tenth of it.
    pub spread: f64,
    /// From how many hours it was learned.
    pub hours: usize,
    /// Which hours they were.
    pub basis: Basis,
}

/// What is usual, of all series in all hours.
#[derive(Clone, Debug, Default)]
pub struct Normal {
    by_weekday: BTreeMap<Slot, Cell>,
    by_kind: BTreeMap<(DayKind, i8), Cell>,
    hours: usize,
}

/// The values of one hour, by series.
#[derive(Clone, Debug, Default)]
struct Cell {
    values: BTreeMap<Series, Vec<u64>>,
    hours: usize,
}

impl Normal {
    /// Learns from an hour, if it teaches anything.
    pub fn learn(&mut self, slot: Slot, counts: &Counts) {
        if !counts.teaches() {
            return;
        }
        self.hours = self.hours.saturating_add(1);
        if slot.day != DayKind::Holiday {
            self.by_weekday.entry(slot).or_default().learn(counts);
        }
        let pooled = self.by_kind.entry((slot.day, slot.hour)).or_default();
        pooled.learn(counts);
    }

    /// From how many hours it was learned.
    #[must_use]
    pub fn hours(&self) -> usize {
        self.hours
    }

    /// What is usual of `series`; `None`: it is not yet known.
    #[must_use]
    pub fn usual(&self, slot: Slot, series: Series) -> Option<Usual> {
        let (cell, basis) = self.cell(slot)?;
        let mut values = cell.values.get(&series).cloned().unwrap_or_default();
        values.sort_unstable();
        let median = median(&values, cell.hours);
        let mut deviations: Vec<f64> = values
            .iter()
            .map(|value| (real(*value) - median).abs())
            .collect();
        deviations.sort_by(f64::total_cmp);
        // Hours in which nothing was seen are in no list of values.
        let missing = cell.hours.saturating_sub(values.len());
        let mut all = vec![median; missing];
        all.append(&mut deviations);
        all.sort_by(f64::total_cmp);
        let varies = middle(&all) * MAD_TO_DEVIATION;
        let by_chance = (median + 1.0).sqrt();
        Some(Usual {
            median,
            spread: varies.max(by_chance).max(median * LEAST_PART),
            hours: cell.hours,
            basis,
        })
    }

    /// Whether anything is known of an hour.
    #[must_use]
    pub fn knows(&self, slot: Slot) -> bool {
        self.cell(slot).is_some()
    }

    /// How many of the hours of the week, and of holidays, are known, in hundredths.
    #[must_use]
    pub fn known_share(&self) -> u32 {
        let all = Slot::all().count();
        let known = Slot::all().filter(|slot| self.knows(*slot)).count();
        u32::try_from(known.saturating_mul(100) / all.max(1)).unwrap_or(100)
    }

    fn cell(&self, slot: Slot) -> Option<(&Cell, Basis)> {
        let of_kind = |day| self.by_kind.get(&(day, slot.hour));
        let cells = [
            (self.by_weekday.get(&slot), Basis::Weekday),
            (of_kind(slot.day), Basis::DayKind),
            (
                of_kind(DayKind::Weekend).filter(|_| slot.day == DayKind::Holiday),
                Basis::Weekends,
            ),
        ];
        let mut known = cells
            .into_iter()
            .filter_map(|(cell, basis)| Some((cell?, basis)));
        known.find(|(cell, _)| cell.hours >= ENOUGH)
    }
}

impl Cell {
    fn learn(&mut self, counts: &Counts) {
        self.hours = self.hours.saturating_add(1);
        for (series, count) in &counts.counts {
            self.values.entry(*series).or_default().push(*count);
        }
    }
}

/// The median of sorted values and as many zeros as are missing to `count`.
fn median(values: &[u64], count: usize) -> f64 {
    let missing = count.saturating_sub(values.len());
    let mut all = vec![0.0; missing];
    all.extend(values.iter().map(|value| real(*value)));
    middle(&all)
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    match sorted.len() % 2 {
        1 => at(half),
        _ => f64::midpoint(at(half.saturating_sub(1)), at(half)),
    }
}

/// Exact up to 2⁵³, which no count of an hour reaches.
#[allow(clippy::cast_precision_loss, reason = "counts of an hour")]
pub(crate) fn real(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hour(accepted: u64) -> Counts {
        let mut counts = Counts {
            minutes: 60,
            ..Counts::default()
        };
        counts.add(Series::InAccepted, accepted);
        counts
    }

    const MONDAY: Slot = Slot {
        day: DayKind::Working,
        weekday: 1,
        hour: 9,
    };

    #[test]
    fn few_hours_are_not_yet_known() {
        let mut normal = Normal::default();
        for accepted in [100, 110, 90] {
            normal.learn(MONDAY, &hour(accepted));
        }
        assert_eq!(normal.usual(MONDAY, Series::InAccepted), None);
        normal.learn(MONDAY, &hour(105));
        let usual = normal.usual(MONDAY, Series::InAccepted).unwrap();
        assert!((usual.median - 102.5).abs() < 1e-9);
        assert_eq!((usual.hours, usual.basis), (4, Basis::Weekday));
        // Other working days at that hour are known by this one, other hours are not.
        let tuesday = Slot {
            weekday: 2,
            ..MONDAY
        };
        assert_eq!(
            normal.usual(tuesday, Series::InAccepted).unwrap().basis,
            Basis::DayKind
        );
        assert!(!normal.knows(Slot { hour: 10, ..MONDAY }));
        assert_eq!(normal.known_share(), 5 * 100 / 192);
    }

    #[test]
    fn hours_of_incidents_and_unobserved_ones_teach_nothing() {
        let mut normal = Normal::default();
        for _ in 0..9 {
            let mut apart = hour(5000);
            apart.apart = true;
            normal.learn(MONDAY, &apart);
            let mut unobserved = hour(0);
            unobserved.minutes = 10;
            normal.learn(MONDAY, &unobserved);
        }
        assert_eq!(normal.hours(), 0);
        assert!(!normal.knows(MONDAY));
    }

    #[test]
    fn one_wild_hour_does_not_move_what_is_usual() {
        let mut normal = Normal::default();
        for accepted in [100, 104, 98, 101, 9000, 103, 97] {
            normal.learn(MONDAY, &hour(accepted));
        }
        let usual = normal.usual(MONDAY, Series::InAccepted).unwrap();
        assert!((usual.median - 101.0).abs() < 1e-9);
        assert!(usual.spread < 12.0, "{usual:?}");
    }

    #[test]
    fn a_series_that_was_never_seen_is_usually_zero_and_varies_by_chance() {
        let mut normal = Normal::default();
        for _ in 0..5 {
            normal.learn(MONDAY, &hour(3));
        }
        let usual = normal.usual(MONDAY, Series::BouncesIn).unwrap();
        assert!(usual.median.abs() < 1e-9 && (usual.spread - 1.0).abs() < 1e-9);
    }

    #[test]
    fn holidays_are_held_against_weekends_until_there_were_enough() {
        let mut normal = Normal::default();
        let sunday = Slot {
            day: DayKind::Weekend,
            weekday: 7,
            hour: 9,
        };
        let holiday = Slot {
            day: DayKind::Holiday,
            weekday: 2,
            hour: 9,
        };
        for _ in 0..4 {
            normal.learn(sunday, &hour(10));
        }
        assert_eq!(
            normal.usual(holiday, Series::InAccepted).unwrap().basis,
            Basis::Weekends
        );
        for _ in 0..4 {
            normal.learn(holiday, &hour(20));
        }
        let usual = normal.usual(holiday, Series::InAccepted).unwrap();
        assert_eq!(usual.basis, Basis::DayKind);
        assert!((usual.median - 20.0).abs() < 0.5, "{}", usual.median);
    }
}
