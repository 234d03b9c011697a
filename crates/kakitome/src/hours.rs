//! Times as people of the organisation read and type them: in its zone (`[regulation] time_zone`), which need not be the machine's.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use crate::{command::Failure, site::Site};

impl Site {
    /// A time as people here read it. `format` is that of `strftime`.
    pub(crate) fn local(&self, at: Timestamp, format: &str) -> String {
        let zoned = at.to_zoned(self.settings().zone());
        zoned.strftime(format).to_string()
    }

    /// A time as people here type it: RFC 3339, or a date or a time of a day without a zone, which is then this one.
    ///
    /// # Errors
    /// [`Failure::Words`] where it is none.
    pub(crate) fn time(&self, text: &str) -> Result<Timestamp, Failure> {
        typed(text, self.settings().zone()).ok_or_else(|| {
            Failure::Words(format!(
                "{text:?} is no time such as 2026-11-22T09:00:00+09:00 or 2026-11-22"
            ))
        })
    }
}

fn typed(text: &str, zone: TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let zoned = match text.parse::<DateTime>() {
        Ok(at) => at.to_zoned(zone),
        Err(_) => text.parse::<Date>().ok()?.to_zoned(zone),
    };
    zoned.ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_without_a_zone_is_meant_in_the_organisation_s() {
        let tokyo = || TimeZone::fixed(jiff::tz::offset(9));
        let at = |text: &str| text.parse::<Timestamp>().ok();
        for (text, meant) in [
            ("2026-11-22", at("2026-11-21T15:00:00Z")),
            ("2026-11-22T09:00", at("2026-11-22T00:00:00Z")),
            ("2026-11-22T09:00:00-05:00", at("2026-11-22T14:00:00Z")),
            ("2026-11-22T09:00:00Z", at("2026-11-22T09:00:00Z")),
            ("22.11.2026", None),
            ("", None),
        ] {
            assert_eq!(typed(text, tokyo()), meant, "{text}");
        }
    }
}
