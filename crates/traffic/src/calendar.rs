//! Which days are working days: Japan's national holidays, computed, and a site's own closed days.
//!
//! The source is the Act on National Holidays (国民の祝日に関する法律, Act No. 178 of 1948) as amended, with the exceptional moves of
//! 2019 to 2021. The equinoxes follow the formula that the almanacs' dates of 1980 to 2099 agree with; they become law only by the
//! gazette of the February before, so a later year is a forecast.

use jiff::civil::{Date, Weekday, date};
use serde::{Deserialize, Serialize};

/// The first year whose national holidays are known here.
pub const FIRST_YEAR: i16 = 2006;
/// The last one: for it the formula of the equinoxes holds.
pub const LAST_YEAR: i16 = 2099;

/// What kind of day it is for an office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DayKind {
    /// People work.
    Working,
    /// Saturday or Sunday.
    Weekend,
    /// A national holiday, or a day on which the site is closed, whatever day of the week it is.
    Holiday,
}

/// A site's calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Whether Japan's national holidays are kept.
    pub japan: bool,
    /// Days on which the site is closed besides.
    pub closed: Vec<Closed>,
}

/// Days on which a site is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Every year, from one month and day to another; over the year's end if the second is before the first.
    Yearly((i8, i8), (i8, i8)),
    /// Once, from the first to the last.
    Once(Date, Date),
}

impl Calendar {
    /// The kind of a day. Before [`FIRST_YEAR`] and after [`LAST_YEAR`] no national holiday is known.
    #[must_use]
    pub fn kind(&self, day: Date) -> DayKind {
        let is_closed = self.closed.iter().any(|closed| closed.holds(day));
        if is_closed || (self.japan && is_national_holiday(day)) {
            return DayKind::Holiday;
        }
        match day.weekday() {
            Weekday::Saturday | Weekday::Sunday => DayKind::Weekend,
            _ => DayKind::Working,
        }
    }
}

impl Closed {
    fn holds(self, day: Date) -> bool {
        match self {
            Self::Once(first, last) => first <= day && day <= last,
            Self::Yearly(first, last) => {
                let day = (day.month(), day.day());
                match first <= last {
                    true => first <= day && day <= last,
                    false => first <= day || day <= last,
                }
            }
        }
    }
}

impl std::str::FromStr for Closed {
    type Err = String;

    /// `MM-DD` and `MM-DD..MM-DD` every year, `YYYY-MM-DD` and `YYYY-MM-DD..YYYY-MM-DD` once.
    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        if let (Ok(first), Ok(last)) = (first.parse::<Date>(), last.parse::<Date>()) {
            return match first <= last {
                true => Ok(Self::Once(first, last)),
                false => Err(format!("{text:?} ends before it begins")),
            };
        }
        match (month_and_day(first), month_and_day(last)) {
            (Some(first), Some(last)) => Ok(Self::Yearly(first, last)),
            _ => Err(format!(
                "{text:?} is neither MM-DD, MM-DD..MM-DD, YYYY-MM-DD nor YYYY-MM-DD..YYYY-MM-DD"
            )),
        }
    }
}

fn month_and_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    if month.len() != 2 || day.len() != 2 {
        return None;
    }
    // A leap year, so that the 29th of February is a day.
    let found = Date::new(2024, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some((found.month(), found.day()))
}

/// Whether a day is one of Japan's national holidays, one in place of one that falls on a Sunday, or lies between two.
#[must_use]
pub fn is_national_holiday(day: Date) -> bool {
    if !(FIRST_YEAR..=LAST_YEAR).contains(&day.year()) {
        return false;
    }
    is_named(day) || is_substitute(day) || is_between(day)
}

/// The holidays that the law names (article 2), and those of 2019 that acts of their own did.
fn is_named(day: Date) -> bool {
    let year = day.year();
    let nth_monday = |nth: i8| day.weekday() == Weekday::Monday && (day.day() - 1) / 7 + 1 == nth;
    match (day.month(), day.day()) {
        (1, 1) | (2, 11) | (4, 29) | (5, 3 | 5) | (11, 3 | 23) => true,
        (1, _) => nth_monday(2),
        (2, 23) => year >= 2020,
        (3, number) => number == vernal_equinox(year),
        (5, 4) => year >= 2007,
        // The accession of the emperor.
        (5, 1) => year == 2019,
        (7, number) => match year {
            2020 => number == 23 || number == 24,
            2021 => number == 22 || number == 23,
            _ => nth_monday(3),
        },
        (8, number) => match year {
            ..=2015 => false,
            2020 => number == 10,
            2021 => number == 8,
            _ => number == 11,
        },
        (9, number) => number == autumnal_equinox(year) || nth_monday(3),
        // The ceremony of the enthronement; in 2020 and 2021 the sports day was in July.
        (10, number) => match year {
            2020 | 2021 => false,
            2019 if number == 22 => true,
            _ => nth_monday(2),
        },
        (12, 23) => year <= 2018,
        _ => false,
    }
}

/// The first day behind a holiday on a Sunday that is none itself (article 3, paragraph 2); before 2007 the Monday alone.
fn is_substitute(day: Date) -> bool {
    if is_named(day) {
        return false;
    }
    let mut before = day;
    loop {
        let Ok(yesterday) = before.yesterday() else {
            return false;
        };
        before = yesterday;
        if !is_named(before) {
            return false;
        }
        if before.weekday() == Weekday::Sunday {
            return day.year() >= 2007 || day.weekday() == Weekday::Monday;
        }
    }
}

/// A day between two holidays (article 3, paragraph 3).
fn is_between(day: Date) -> bool {
    let named = |day: Result<Date, jiff::Error>| day.is_ok_and(is_named);
    named(day.yesterday()) && named(day.tomorrow()) && day.weekday() != Weekday::Sunday
}

fn vernal_equinox(year: i16) -> i8 {
    equinox(year, 208_431)
}

fn autumnal_equinox(year: i16) -> i8 {
    equinox(year, 232_488)
}

/// The day of the month; `at_1980` and the year's share of a day are in units of 1/10,000 and 1/1,000,000 of a day.
fn equinox(year: i16, at_1980: i64) -> i8 {
    let years = i64::from(year) - 1980;
    let millionths = at_1980 * 100 + 242_194 * years;
    let day = millionths.div_euclid(1_000_000) - years.div_euclid(4);
    i8::try_from(day).unwrap_or(0)
}

/// The national holidays of a year, ascending; empty for a year that is not known.
#[must_use]
pub fn national_holidays(year: i16) -> Vec<Date> {
    if !(FIRST_YEAR..=LAST_YEAR).contains(&year) {
        return Vec::new();
    }
    let first = date(year, 1, 1);
    let days = first.series(jiff::Span::new().days(1));
    days.take_while(|day| day.year() == year)
        .filter(|day| is_national_holiday(*day))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// As the Cabinet Office published them.
    const PUBLISHED: &[(i16, &str)] = &[
        (
            2006,
            "0101 0102 0109 0211 0321 0429 0503 0504 0505 0717 0918 0923 1009 1103 1123 1223",
        ),
        (
            2007,
            "0101 0108 0211 0212 0321 0429 0430 0503 0504 0505 0716 0917 0923 0924 1008 1103 1123 1223 1224",
        ),
        (
            2008,
            "0101 0114 0211 0320 0429 0503 0504 0505 0506 0721 0915 0923 1013 1103 1123 1124 1223",
        ),
        (
            2009,
            "0101 0112 0211 0320 0429 0503 0504 0505 0506 0720 0921 0922 0923 1012 1103 1123 1223",
        ),
        (
            2012,
            "0101 0102 0109 0211 0320 0429 0430 0503 0504 0505 0716 0917 0922 1008 1103 1123 1223 1224",
        ),
        (
            2015,
            "0101 0112 0211 0321 0429 0503 0504 0505 0506 0720 0921 0922 0923 1012 1103 1123 1223",
        ),
        (
            2016,
            "0101 0111 0211 0320 0321 0429 0503 0504 0505 0718 0811 0919 0922 1010 1103 1123 1223",
        ),
        (
            2018,
            "0101 0108 0211 0212 0321 0429 0430 0503 0504 0505 0716 0811 0917 0923 0924 1008 1103 1123 1223 1224",
        ),
        (
            2019,
            "0101 0114 0211 0321 0429 0430 0501 0502 0503 0504 0505 0506 0715 0811 0812 0916 0923 1014 1022 1103 1104 1123",
        ),
        (
            2020,
            "0101 0113 0211 0223 0224 0320 0429 0503 0504 0505 0506 0723 0724 0810 0921 0922 1103 1123",
        ),
        (
            2021,
            "0101 0111 0211 0223 0320 0429 0503 0504 0505 0722 0723 0808 0809 0920 0923 1103 1123",
        ),
        (
            2022,
            "0101 0110 0211 0223 0321 0429 0503 0504 0505 0718 0811 0919 0923 1010 1103 1123",
        ),
        (
            2023,
            "0101 0102 0109 0211 0223 0321 0429 0503 0504 0505 0717 0811 0918 0923 1009 1103 1123",
        ),
        (
            2024,
            "0101 0108 0211 0212 0223 0320 0429 0503 0504 0505 0506 0715 0811 0812 0916 0922 0923 1014 1103 1104 1123",
        ),
        (
            2025,
            "0101 0113 0211 0223 0224 0320 0429 0503 0504 0505 0506 0721 0811 0915 0923 1013 1103 1123 1124",
        ),
        (
            2026,
            "0101 0112 0211 0223 0320 0429 0503 0504 0505 0506 0720 0811 0921 0922 0923 1012 1103 1123",
        ),
        (
            2027,
            "0101 0111 0211 0223 0321 0322 0429 0503 0504 0505 0719 0811 0920 0923 1011 1103 1123",
        ),
    ];

    #[test]
    fn national_holidays_are_those_that_were_published() {
        for (year, days) in PUBLISHED {
            let computed = national_holidays(*year);
            let computed: Vec<String> = computed
                .iter()
                .map(|day| format!("{:02}{:02}", day.month(), day.day()))
                .collect();
            assert_eq!(computed.join(" "), *days, "{year}");
        }
    }

    #[test]
    fn equinoxes_to_2030() {
        let days: Vec<(i8, i8)> = (2006..=2030)
            .map(|year| (vernal_equinox(year), autumnal_equinox(year)))
            .collect();
        let expected = [
            (21, 23),
            (21, 23),
            (20, 23),
            (20, 23),
            (21, 23),
            (21, 23),
            (20, 22),
            (20, 23),
            (21, 23),
            (21, 23),
            (20, 22),
            (20, 23),
            (21, 23),
            (21, 23),
            (20, 22),
            (20, 23),
            (21, 23),
            (21, 23),
            (20, 22),
            (20, 23),
            (20, 23),
            (21, 23),
            (20, 22),
            (20, 23),
            (20, 23),
        ];
        assert_eq!(days, expected);
    }

    #[test]
    fn kinds_of_days_with_those_of_the_site() {
        let calendar = Calendar {
            japan: true,
            closed: ["12-29..01-03", "2026-08-13..2026-08-14", "06-01"]
                .map(|text| text.parse().unwrap())
                .to_vec(),
        };
        for (day, kind) in [
            (date(2026, 11, 27), DayKind::Working),
            (date(2026, 11, 28), DayKind::Weekend),
            (date(2026, 11, 23), DayKind::Holiday),
            (date(2026, 12, 28), DayKind::Working),
            (date(2026, 12, 29), DayKind::Holiday),
            (date(2027, 1, 3), DayKind::Holiday),
            (date(2027, 1, 4), DayKind::Working),
            (date(2026, 8, 13), DayKind::Holiday),
            (date(2027, 8, 13), DayKind::Working),
            (date(2027, 6, 1), DayKind::Holiday),
            // Beyond what is known.
            (date(2101, 5, 5), DayKind::Working),
        ] {
            assert_eq!(calendar.kind(day), kind, "{day}");
        }
        let none = Calendar::default();
        assert_eq!(none.kind(date(2026, 11, 23)), DayKind::Working);
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in [
            "",
            "13-01",
            "02-30",
            "1-1",
            "2026-01-02..2026-01-01",
            "01-01..2026-01-01",
            "x..y",
        ] {
            let error = text.parse::<Closed>().unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }
}
