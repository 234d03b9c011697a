//! Dates and times as IMAP writes them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment with the zone it was written in: APPEND's `date-time` and INTERNALDATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// The instant, whole seconds.
    pub at: Timestamp,
    /// The zone's offset, whole minutes.
    pub offset: Offset,
}

impl DateTime {
    /// An instant told in UTC.
    #[must_use]
    pub const fn utc(at: Timestamp) -> Self {
        Self {
            at,
            offset: Offset::UTC,
        }
    }

    /// Reads `date-time` without its quotes: `17-Jul-1996 02:44:25 -0700`, the day with a space or zero before it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (date, rest) = text.split_at_checked(11)?;
        let date = match date.strip_prefix(b" ") {
            Some(short) => parse_date(short)?,
            None => parse_date(date)?,
        };
        let [
            b' ',
            h1,
            h2,
            b':',
            m1,
            m2,
            b':',
            s1,
            s2,
            b' ',
            sign,
            z1,
            z2,
            z3,
            z4,
        ] = *rest
        else {
            return None;
        };
        let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
        let (zone_hours, zone_minutes) = (two(z1, z2)?, two(z3, z4)?);
        // A leap second is the second before it; jiff knows none.
        let time = jiff::civil::Time::new(hour, minute, second.min(59), 0)
            .ok()
            .filter(|_| second <= 60)?;
        if zone_minutes > 59 {
            return None;
        }
        let seconds = i32::from(zone_hours)
            .saturating_mul(60)
            .saturating_add(i32::from(zone_minutes))
            .saturating_mul(60);
        let offset = match sign {
            b'+' => Offset::from_seconds(seconds),
            b'-' => Offset::from_seconds(seconds.saturating_neg()),
            _ => return None,
        };
        let offset = offset.ok()?;
        let at = offset.to_timestamp(date.to_datetime(time)).ok()?;
        Some(Self { at, offset })
    }

    /// Appends `date-time` without quotes: always 26 octets for years 0 to 9999.
    pub fn write(self, out: &mut Vec<u8>) {
        let civil = self.offset.to_datetime(self.at);
        let day = civil.day();
        if day < 10 {
            out.push(b' ');
            out.push(digit(day));
        } else {
            push_two(out, day);
        }
        push_month_year(out, civil.date());
        out.push(b' ');
        push_two(out, civil.hour());
        out.push(b':');
        push_two(out, civil.minute());
        out.push(b':');
        push_two(out, civil.second());
        let minutes = self.offset.seconds() / 60;
        out.extend_from_slice(if minutes < 0 { b" -" } else { b" +" });
        let minutes = minutes.unsigned_abs();
        push_two(out, i8::try_from(minutes / 60).unwrap_or_default());
        push_two(out, i8::try_from(minutes % 60).unwrap_or_default());
    }
}

/// Reads `date-text` of SEARCH without quotes: `1-Feb-1994`.
#[must_use]
pub fn parse_date(text: &[u8]) -> Option<Date> {
    let mut fields = text.splitn(3, |&octet| octet == b'-');
    let (day, month, year) = (fields.next()?, fields.next()?, fields.next()?);
    let day = match *day {
        [units] => two(b'0', units)?,
        [tens, units] => two(tens, units)?,
        _ => return None,
    };
    let month = MONTHS
        .iter()
        .position(|name| name.as_bytes().eq_ignore_ascii_case(month))?;
    let month = i8::try_from(month.saturating_add(1)).ok()?;
    let [y1, y2, y3, y4] = *year else { return None };
    let year = i16::from(two(y1, y2)?)
        .saturating_mul(100)
        .saturating_add(i16::from(two(y3, y4)?));
    Date::new(year, month, day).ok()
}

fn two(tens: u8, units: u8) -> Option<i8> {
    let value = |octet: u8| octet.is_ascii_digit().then(|| octet.saturating_sub(b'0'));
    let number = value(tens)?
        .saturating_mul(10)
        .saturating_add(value(units)?);
    i8::try_from(number).ok()
}

fn digit(value: i8) -> u8 {
    b'0'.saturating_add(u8::try_from(value.rem_euclid(10)).unwrap_or_default())
}

fn push_two(out: &mut Vec<u8>, value: i8) {
    out.push(digit(value / 10));
    out.push(digit(value));
}

fn push_month_year(out: &mut Vec<u8>, date: Date) {
    let index = usize::from(date.month().unsigned_abs()).saturating_sub(1);
    out.push(b'-');
    out.extend_from_slice(MONTHS.get(index).copied().unwrap_or("Jan").as_bytes());
    out.push(b'-');
    let year = date.year().max(0);
    push_two(out, i8::try_from(year / 100).unwrap_or_default());
    push_two(out, i8::try_from(year % 100).unwrap_or_default());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(moment: DateTime) -> String {
        let mut out = Vec::new();
        moment.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn reads_and_prints_internal_dates() {
        let moment = DateTime::parse(b"17-Jul-1996 02:44:25 -0730").unwrap();
        assert_eq!(moment.at.to_string(), "1996-07-17T10:14:25Z");
        assert_eq!(printed(moment), "17-Jul-1996 02:44:25 -0730");
        assert_eq!(
            printed(DateTime::parse(b" 1-feb-2024 00:00:60 +0900").unwrap()),
            " 1-Feb-2024 00:00:59 +0900"
        );
        assert_eq!(
            DateTime::parse(b"01-Feb-2024 00:00:00 +0000"),
            DateTime::parse(b" 1-Feb-2024 00:00:00 +0000")
        );
    }

    #[test]
    fn refuses_what_is_no_date() {
        for bad in [
            "",
            "17-Jul-1996",
            "32-Jul-1996 02:44:25 -0700",
            "17-Jux-1996 02:44:25 -0700",
            "17-Jul-1996 24:44:25 -0700",
            "17-Jul-1996 02:44:25 -0760",
            "17-Jul-1996 02:44:61 -0700",
            "17-Jul-1996 02:44:25 0700 ",
            "30-Feb-2024 00:00:00 +0000",
            "17-Jul-1996 02:44:25 -9900",
            "1--Feb-1994 02:44:25 +0000",
        ] {
            assert_eq!(DateTime::parse(bad.as_bytes()), None, "{bad}");
        }
        for bad in [
            "1-Feb-94",
            "Feb-1-1994",
            "1-Feb-1994-",
            "0-Feb-1994",
            "001-Feb-1994",
        ] {
            assert_eq!(parse_date(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_date(b"1-FEB-1994"), Date::new(1994, 2, 1).ok());
    }

    proptest! {
        #[test]
        fn moments_survive(seconds in 0i64..253_000_000_000, minutes in -720i32..840) {
            let moment = DateTime { at: Timestamp::from_second(seconds).unwrap(), offset: Offset::from_seconds(minutes * 60).unwrap() };
            prop_assert_eq!(DateTime::parse(printed(moment).as_bytes()), Some(moment));
        }

        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (DateTime::parse(&octets), parse_date(&octets));
        }
    }
}
