//! Dates (RFC 5322, sections 3.3 and 4.3).

use jiff::{
    Timestamp, civil,
    tz::{Offset, TimeZone},
};

use super::lex::Lexer;

/// When a message says it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SentDate {
    /// The instant.
    pub at: Timestamp,
    /// The sender's offset from UTC in minutes, east positive.
    pub offset_minutes: i16,
}

impl SentDate {
    /// The day by the sender's clock, as IMAP `SENTON` and its kin compare it (RFC 9051, section 6.4.4).
    #[must_use]
    pub fn local_date(self) -> civil::Date {
        offset(self.offset_minutes).to_datetime(self.at).date()
    }
}

fn offset(minutes: i16) -> Offset {
    Offset::from_seconds(i32::from(minutes).saturating_mul(60)).unwrap_or(Offset::UTC)
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Zones by name, in minutes. Single letters and unknown names count as UTC (RFC 5322, section 4.3).
const ZONES: &[(&str, i16)] = &[
    ("EDT", -4 * 60),
    ("EST", -5 * 60),
    ("CDT", -5 * 60),
    ("CST", -6 * 60),
    ("MDT", -6 * 60),
    ("MST", -7 * 60),
    ("PDT", -7 * 60),
    ("PST", -8 * 60),
    ("JST", 9 * 60),
    ("KST", 9 * 60),
    ("CET", 60),
    ("CEST", 2 * 60),
    ("BST", 60),
];

/// Reads a date from an unfolded value: the standard's form, its obsolete forms (zone names, years of two digits,
/// no seconds), and that of C's `asctime`. Comments and the day of the week are passed over.
#[must_use]
pub fn parse_date(value: &str) -> Option<SentDate> {
    let mut parts = Parts::default();
    for word in words(value) {
        parts.take(&word)?;
    }
    parts.finish()
}

/// The words of a date, without comments; a date needs few, so later ones are left.
fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut lexer = Lexer::new(value);
    while words.len() < 12 {
        lexer.skip_comments();
        let word = lexer.until(&[' ', '\t', ',', '(']);
        if word.is_empty() && lexer.next().is_none() {
            break;
        }
        if !word.is_empty() {
            words.push(word.to_ascii_lowercase());
        }
    }
    words
}

#[derive(Default)]
struct Parts {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    time: Option<civil::Time>,
    offset: Option<i16>,
}

impl Parts {
    /// Puts one word where it belongs. `None` when it cannot be part of a date.
    fn take(&mut self, word: &str) -> Option<()> {
        // `1-Jan-2024`, as some mailers write.
        let dashed: Vec<&str> = word.split('-').collect();
        if let [day, month, year] = dashed.as_slice()
            && !day.is_empty()
        {
            self.take(day)?;
            self.take(month)?;
            return self.take(year);
        }
        if let Some(month) = month(word) {
            self.month.get_or_insert(month);
        } else if self.time.is_some() && word.starts_with(['+', '-']) {
            self.offset.get_or_insert(numeric_zone(word)?);
        } else if word.contains(':') {
            self.time.get_or_insert(time(word)?);
        } else if word.bytes().all(|b| b.is_ascii_digit()) {
            self.number(word)?;
        } else if self.time.is_some()
            && self.offset.is_none()
            && word.bytes().all(|b| b.is_ascii_alphabetic())
        {
            let named = ZONES
                .iter()
                .find(|(name, _)| word.eq_ignore_ascii_case(name));
            self.offset = Some(named.map_or(0, |(_, minutes)| *minutes));
        }
        Some(())
    }

    fn number(&mut self, word: &str) -> Option<()> {
        if self.day.is_none() && word.len() <= 2 {
            self.day = Some(word.parse().ok()?);
        } else if self.year.is_none() {
            let year: i16 = word.parse().ok()?;
            self.year = Some(match (word.len(), year) {
                (1 | 2, 0..50) => year.saturating_add(2000),
                (1 | 2, _) | (3, _) => year.saturating_add(1900),
                _ => year,
            });
        }
        Some(())
    }

    fn finish(self) -> Option<SentDate> {
        let date = civil::Date::new(self.year?, self.month?, self.day?).ok()?;
        let time = self.time.unwrap_or_else(civil::Time::midnight);
        let minutes = self.offset.unwrap_or(0);
        let at = offset(minutes).to_timestamp(date.to_datetime(time)).ok()?;
        Some(SentDate {
            at,
            offset_minutes: minutes,
        })
    }
}

fn month(word: &str) -> Option<i8> {
    let name = word.get(..3)?;
    let index = MONTHS.iter().position(|m| *m == name)?;
    let is_word = word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.');
    if !is_word {
        return None;
    }
    i8::try_from(index.saturating_add(1)).ok()
}

fn time(word: &str) -> Option<civil::Time> {
    let mut numbers = word.split([':', '.']);
    let hour = numbers.next()?.parse().ok()?;
    let minute = numbers.next()?.parse().ok()?;
    let second: i8 = numbers.next().map_or(Some(0), |s| s.parse().ok())?;
    // A leap second is the second before it.
    civil::Time::new(hour, minute, second.min(59), 0).ok()
}

fn numeric_zone(word: &str) -> Option<i16> {
    let digits = word.get(1..)?.replace(':', "");
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i16 = digits.parse().ok()?;
    let minutes = if digits.len() <= 2 {
        number.checked_mul(60)?
    } else {
        (number / 100).checked_mul(60)?.checked_add(number % 100)?
    };
    // Further from UTC than any place on earth: the number means nothing.
    let minutes = if minutes <= 16 * 60 { minutes } else { 0 };
    Some(if word.starts_with('-') {
        minutes.saturating_neg()
    } else {
        minutes
    })
}

/// Writes a date as RFC 5322 does, in the given offset: `Sun, 22 Nov 2026 21:39:03 +0900`.
#[must_use]
pub fn format_date(at: Timestamp, offset_minutes: i16) -> String {
    let zoned = at.to_zoned(TimeZone::fixed(offset(offset_minutes)));
    zoned.strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn utc(value: &str) -> String {
        parse_date(value).map_or_else(|| "none".to_owned(), |d| d.at.to_string())
    }

    #[test]
    fn standard_and_obsolete_forms() {
        for value in [
            "Mon, 1 Jan 2024 10:00:00 +0900",
            "1 Jan 2024 10:00:00 +0900 (JST)",
            "Mon,  1 Jan 24 10:00 JST",
            "Mon Jan  1 01:00:00 2024",
            "Mon, 01 January 2024 01:00:00 GMT",
            "(a (b)) Mon, 1 (c) Jan 2024 01:00:00 Z",
            "1-Jan-2024 10:00:00 +09:00",
            "Sun, 31 Dec 2023 20:00:00 EST",
            "Mon, 1 Jan 2024 01:00:00 -0000",
        ] {
            assert_eq!(utc(value), "2024-01-01T01:00:00Z", "{value}");
        }
        assert_eq!(utc("31 Dec 1998 23:59:60 +0000"), "1998-12-31T23:59:59Z");
        assert_eq!(utc("1 Jan 99 00:00 UT"), "1999-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_date() {
        for value in [
            "",
            "yesterday",
            "32 Jan 2024 00:00 +0000",
            "1 Jan 2024 25:00 +0000",
            "Jan 2024",
            "1 1 1 1 1",
        ] {
            assert_eq!(parse_date(value), None, "{value}");
        }
    }

    #[test]
    fn the_senders_day() {
        let date = parse_date("Tue, 2 Jan 2024 08:00:00 +0900").unwrap();
        assert_eq!(date.local_date().to_string(), "2024-01-02");
        assert_eq!(date.at.to_string(), "2024-01-01T23:00:00Z");
    }

    proptest! {
        #[test]
        fn written_dates_read_back(second in -2_000_000_000_i64..4_000_000_000, minutes in -720_i16..=840) {
            let at = Timestamp::from_second(second).unwrap();
            let date = parse_date(&format_date(at, minutes)).unwrap();
            prop_assert_eq!(date, SentDate { at, offset_minutes: minutes });
        }

        #[test]
        fn never_panics(value in "[0-9a-zA-Z:+(), -]{0,40}|\\PC{0,30}") {
            let _ignored = parse_date(&value);
        }
    }
}
