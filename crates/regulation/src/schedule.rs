//! How often what a clause demands is due.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// When what a clause demands is due. As text: `continuous`, `on-event`, `daily`, `monthly`, `yearly`, or `every-N-days`,
/// `every-N-months`, `every-N-years` with N from 1 to 999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Schedule {
    /// It holds at all times.
    Continuous,
    /// It is due when something happens.
    OnEvent,
    /// It is due once in each period of the site's calendar.
    Every(Period),
}

/// A period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    /// How many of the unit; at least 1.
    pub count: u32,
    /// Of what.
    pub unit: PeriodUnit,
}

/// What periods are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeriodUnit {
    /// Days.
    Day,
    /// Calendar months.
    Month,
    /// Calendar years.
    Year,
}

/// The text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no schedule: continuous, on-event, daily, monthly, yearly, or every-N-days, every-N-months, every-N-years with N from 1 to 999"
)]
pub struct UnknownSchedule(pub String);

/// The longest period, in its unit.
const MOST: u32 = 999;

impl Schedule {
    /// Once in so many of the unit.
    #[must_use]
    pub const fn every(count: u32, unit: PeriodUnit) -> Self {
        Self::Every(Period { count, unit })
    }
}

impl FromStr for Schedule {
    type Err = UnknownSchedule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownSchedule(text.to_owned());
        match text {
            "continuous" => return Ok(Self::Continuous),
            "on-event" => return Ok(Self::OnEvent),
            "daily" => return Ok(Self::every(1, PeriodUnit::Day)),
            "monthly" => return Ok(Self::every(1, PeriodUnit::Month)),
            "yearly" => return Ok(Self::every(1, PeriodUnit::Year)),
            _ => {}
        }
        let rest = text.strip_prefix("every-").ok_or_else(unknown)?;
        let (count, unit) = rest.split_once('-').ok_or_else(unknown)?;
        let unit = match unit {
            "days" => PeriodUnit::Day,
            "months" => PeriodUnit::Month,
            "years" => PeriodUnit::Year,
            _ => return Err(unknown()),
        };
        let digits = count.bytes().all(|octet| octet.is_ascii_digit());
        let count: u32 = count.parse().map_err(|_| unknown())?;
        if !digits || count == 0 || count > MOST {
            return Err(unknown());
        }
        Ok(Self::every(count, unit))
    }
}

impl TryFrom<String> for Schedule {
    type Error = UnknownSchedule;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Every(Period { count, unit }) = self else {
            return f.write_str(match self {
                Self::OnEvent => "on-event",
                _ => "continuous",
            });
        };
        match (count, unit) {
            (1, PeriodUnit::Day) => f.write_str("daily"),
            (1, PeriodUnit::Month) => f.write_str("monthly"),
            (1, PeriodUnit::Year) => f.write_str("yearly"),
            (count, PeriodUnit::Day) => write!(f, "every-{count}-days"),
            (count, PeriodUnit::Month) => write!(f, "every-{count}-months"),
            (count, PeriodUnit::Year) => write!(f, "every-{count}-years"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_schedule_is_read_and_told_alike() {
        for text in [
            "continuous",
            "on-event",
            "daily",
            "monthly",
            "yearly",
            "every-3-months",
            "every-14-days",
            "every-2-years",
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!(
            "every-1-months".parse::<Schedule>().unwrap().to_string(),
            "monthly"
        );
        for text in [
            "",
            "weekly",
            "every-0-days",
            "every-1000-days",
            "every--1-days",
            "every-+1-days",
            "every-3-weeks",
            "every-",
            "every-3",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
