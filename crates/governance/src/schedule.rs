//! When things come round: spans of days, and of months that are counted from the month in which the site's year begins.

use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{Date, date},
    tz::TimeZone,
};
use regulation::{Period, PeriodUnit};

/// The day from which spans of several days are counted.
const FIRST_DAY: Date = date(2000, 1, 1);
/// Days that are looked through for one on which people work: a site that is closed for longer is not waited for.
const MOST_CLOSED: u16 = 60;

/// The calendar that a site's work follows.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// The site's time zone.
    pub zone: TimeZone,
    /// The month in which its year begins, 1 to 12.
    pub year_begins: i8,
    /// The days on which people work, if what is due on another day is due on the next of them.
    pub working_days: Option<traffic::Calendar>,
}

/// One span of a period, such as a certain month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its name: its first day, or its first month; names of one period ascend with time.
    pub name: String,
    /// When it begins.
    pub start: Timestamp,
    /// When the next one begins.
    pub end: Timestamp,
    first: Date,
}

/// Months of a period that is counted in them.
fn months(period: Period) -> Option<i64> {
    match period.unit {
        PeriodUnit::Day => None,
        PeriodUnit::Month => Some(i64::from(period.count)),
        PeriodUnit::Year => Some(i64::from(period.count).saturating_mul(12)),
    }
}

impl Calendar {
    /// The day of a time, at the site.
    #[must_use]
    pub fn date(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// The span of `period` in which `at` lies. `None`: beyond the years that a calendar has.
    #[must_use]
    pub fn span(&self, period: Period, at: Timestamp) -> Option<Span> {
        let today = self.date(at);
        let first = match months(period) {
            None => {
                let since = today.since(FIRST_DAY).ok()?.get_days();
                let into = since.rem_euclid(i32::try_from(period.count.max(1)).ok()?);
                today.checked_sub(i64::from(into).days()).ok()?
            }
            Some(months) => {
                let month = i64::from(today.year())
                    .saturating_mul(12)
                    .saturating_add(i64::from(today.month() - self.year_begins));
                let into = month.rem_euclid(months.max(1));
                today.first_of_month().checked_sub(into.months()).ok()?
            }
        };
        self.of(period, first)
    }

    /// The one before `span`.
    #[must_use]
    pub fn before(&self, period: Period, span: &Span) -> Option<Span> {
        let back = span.first.checked_sub(step(period));
        self.of(period, back.ok()?)
    }

    /// What lies between `covered` and the end of `span`, be it less than the span or more, called by its own first month, or its first day
    /// where it begins within a month. `None`: nothing does.
    #[must_use]
    pub fn rest(&self, span: &Span, covered: Timestamp) -> Option<Span> {
        if covered == span.start {
            return Some(span.clone());
        }
        let first = self.date(covered);
        (covered < span.end).then(|| Span {
            name: match first.day() {
                1 if span.is_of_months() => month(first),
                _ => first.to_string(),
            },
            start: covered,
            end: span.end,
            first,
        })
    }

    /// The spans that lie between the one called `last` and `span`, the latest first; at most 1,000.
    pub fn between(&self, period: Period, last: &str, span: &Span) -> impl Iterator<Item = Span> {
        let earlier = move |at: &Span| self.before(period, at);
        let spans = std::iter::successors(earlier(span), earlier);
        spans
            .take_while(move |span| span.name.as_str() > last)
            .take(1000)
    }

    /// How many spans lie between the one called `last` and `span`; at most 1,000 are counted.
    #[must_use]
    pub fn missed(&self, period: Period, last: &str, span: &Span) -> u16 {
        let count = self.between(period, last, span).count();
        u16::try_from(count).unwrap_or(u16::MAX)
    }

    /// The end of the day that lies so many days after `at`, or of the first one after it on which people work.
    #[must_use]
    pub fn days_after(&self, at: Timestamp, days: u16) -> Timestamp {
        let day = self.date(at).checked_add(i64::from(days).days());
        let end = day.ok().and_then(|day| self.end_of(self.working_day(day)));
        end.unwrap_or(at)
    }

    /// `day`, or the first one after it on which people work, where the site counts in such days.
    #[must_use]
    pub fn working_day(&self, day: Date) -> Date {
        let Some(calendar) = &self.working_days else {
            return day;
        };
        let mut found = day;
        for _ in 0..MOST_CLOSED {
            if calendar.kind(found) == traffic::DayKind::Working {
                return found;
            }
            match found.tomorrow() {
                Ok(next) => found = next,
                Err(_) => return day,
            }
        }
        day
    }

    /// When a day of the site has ended. `None`: beyond the years that a calendar has.
    #[must_use]
    pub fn end_of(&self, day: Date) -> Option<Timestamp> {
        let next = day.tomorrow().ok()?;
        let end = next.to_zoned(self.zone.clone()).ok()?;
        Some(end.timestamp())
    }

    /// The last day that is over when `at` has come: what is due at the end of a day is due on that day.
    #[must_use]
    pub fn due_day(&self, at: Timestamp) -> Date {
        let before = at.checked_sub(SignedDuration::from_micros(1));
        self.date(before.unwrap_or(at))
    }

    fn of(&self, period: Period, first: Date) -> Option<Span> {
        let next = first.checked_add(step(period)).ok()?;
        let instant = |day: Date| {
            let at = day.to_zoned(self.zone.clone());
            at.ok().map(|at| at.timestamp())
        };
        Some(Span {
            name: match period.unit {
                PeriodUnit::Day => first.to_string(),
                _ => month(first),
            },
            start: instant(first)?,
            end: instant(next)?,
            first,
        })
    }
}

impl Span {
    /// Whether it is called by a month.
    fn is_of_months(&self) -> bool {
        self.name == month(self.first)
    }
}

fn month(day: Date) -> String {
    format!("{:04}-{:02}", day.year(), day.month())
}

fn step(period: Period) -> jiff::Span {
    match months(period) {
        None => i64::from(period.count).days(),
        Some(months) => months.months(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tokyo(year_begins: i8) -> Calendar {
        Calendar {
            zone: TimeZone::get("Asia/Tokyo").unwrap(),
            year_begins,
            working_days: None,
        }
    }

    const DAILY: Period = every(1, PeriodUnit::Day);
    const MONTHLY: Period = every(1, PeriodUnit::Month);
    const QUARTERLY: Period = every(3, PeriodUnit::Month);
    const YEARLY: Period = every(1, PeriodUnit::Year);

    const fn every(count: u32, unit: PeriodUnit) -> Period {
        Period { count, unit }
    }

    #[test]
    fn years_and_quarters_begin_with_the_site_s_year() {
        let calendar = tokyo(4);
        let name = |period, at: &str| {
            let span = calendar.span(period, at.parse().unwrap()).unwrap();
            (span.name, span.start.to_string())
        };
        // 31 March, 23:59 in Tokyo, and a minute later.
        assert_eq!(
            name(YEARLY, "2026-03-31T14:59:00Z"),
            ("2025-04".to_owned(), "2025-03-31T15:00:00Z".to_owned())
        );
        assert_eq!(name(YEARLY, "2026-03-31T15:00:00Z").0, "2026-04");
        assert_eq!(name(QUARTERLY, "2027-02-01T00:00:00Z").0, "2027-01");
        assert_eq!(name(MONTHLY, "2026-11-30T15:00:00Z").0, "2026-12");
        assert_eq!(name(DAILY, "2026-11-30T15:00:00Z").0, "2026-12-01");
        assert_eq!(
            name(every(10, PeriodUnit::Day), "2000-01-11T00:00:00Z").0,
            "2000-01-11"
        );
        let half = tokyo(2)
            .span(
                every(6, PeriodUnit::Month),
                "2026-01-15T00:00:00Z".parse().unwrap(),
            )
            .unwrap();
        assert_eq!(half.name, "2025-08");
    }

    #[test]
    fn what_was_missed_is_counted() {
        let calendar = tokyo(4);
        let now: Timestamp = "2026-11-28T00:00:00Z".parse().unwrap();
        let month = calendar.span(MONTHLY, now).unwrap();
        assert_eq!(calendar.missed(MONTHLY, "2026-10", &month), 0);
        assert_eq!(calendar.missed(MONTHLY, "2026-07", &month), 3);
        // The clock was put back: nothing was missed.
        assert_eq!(calendar.missed(MONTHLY, "2026-12", &month), 0);
        let day = calendar.span(DAILY, now).unwrap();
        assert_eq!(calendar.missed(DAILY, "2026-11-24", &day), 3);
        assert_eq!(calendar.missed(DAILY, "0001-01-01", &day), 1000);
    }

    #[test]
    fn what_is_left_of_a_span_has_its_own_name() {
        let calendar = tokyo(4);
        let half = every(6, PeriodUnit::Month);
        let half = calendar.span(half, "2026-08-10T00:00:00Z".parse().unwrap());
        let half = half.unwrap();
        let rest = |covered: &str| calendar.rest(&half, covered.parse().unwrap());
        assert_eq!(rest("2026-03-31T15:00:00Z").unwrap(), half);
        // More than the span: the first of January.
        let longer = rest("2025-12-31T15:00:00Z").unwrap();
        assert_eq!((longer.name.as_str(), longer.end), ("2026-01", half.end));
        // The first of July, in Tokyo.
        let quarter = rest("2026-06-30T15:00:00Z").unwrap();
        assert_eq!(quarter.name, "2026-07");
        assert_eq!(quarter.start.to_string(), "2026-06-30T15:00:00Z");
        assert_eq!(quarter.end, half.end);
        assert_eq!(rest("2026-08-10T15:00:00Z").unwrap().name, "2026-08-11");
        assert_eq!(rest("2026-09-30T15:00:00Z"), None);
    }

    #[test]
    fn what_is_due_on_a_holiday_is_due_on_the_next_working_day() {
        let mut calendar = tokyo(4);
        let at = "2026-12-18T03:00:00Z".parse().unwrap();
        // A fortnight later is New Year's Day.
        let due =
            |calendar: &Calendar, days| calendar.due_day(calendar.days_after(at, days)).to_string();
        assert_eq!(due(&calendar, 14), "2027-01-01");
        calendar.working_days = Some(traffic::Calendar {
            japan: true,
            closed: vec!["12-29..01-03".parse().unwrap()],
        });
        assert_eq!(due(&calendar, 14), "2027-01-04");
        assert_eq!(due(&calendar, 3), "2026-12-21");
        // Saturday, Sunday.
        assert_eq!(due(&calendar, 1), "2026-12-21");
        // A site that never works is not waited for.
        calendar.working_days = Some(traffic::Calendar {
            japan: false,
            closed: vec!["01-01..12-31".parse().unwrap()],
        });
        assert_eq!(due(&calendar, 1), "2026-12-19");
    }

    #[test]
    fn days_end_at_midnight_of_the_site() {
        let at = "2026-11-28T03:00:00Z".parse().unwrap();
        let end = tokyo(1).days_after(at, 14);
        assert_eq!(end.to_string(), "2026-12-12T15:00:00Z");
    }
}
