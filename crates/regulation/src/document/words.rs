//! Words that every regulation's document has.

use jiff::{Timestamp, tz::TimeZone};

use crate::{Language, Mark, Obligation, Regulation, Schedule, SiteFacts, WayKind};

/// The same in both languages, known when the program is built.
#[derive(Clone, Copy)]
pub(super) struct Words {
    ja: &'static str,
    en: &'static str,
}

impl Words {
    pub(super) const fn of(self, language: Language) -> &'static str {
        match language {
            Language::Ja => self.ja,
            Language::En => self.en,
        }
    }
}

pub(super) const fn words(ja: &'static str, en: &'static str) -> Words {
    Words { ja, en }
}

pub(super) const CONTENTS: Words = words("目次", "Contents");
pub(super) const NOT_ASSESSED: Words = words("未評価", "not yet assessed");
pub(super) const NOT_ADOPTED: Words = words("不採用", "not adopted");

/// The document's title: that of the regulation the site is under.
pub(super) fn title(regulation: &Regulation, language: Language) -> String {
    let first = regulation.catalogues().first();
    first.map_or_else(String::new, |one| one.title.of(language).to_owned())
}

/// Edition, date, server, and catalogues.
pub(super) fn imprint(
    regulation: &Regulation,
    facts: &SiteFacts,
    language: Language,
) -> Vec<String> {
    let date = date(facts.at, &facts.time_zone, language);
    let domains = facts.domains.join(", ");
    let mut lines = match language {
        Language::Ja => vec![
            format!("第{}版", facts.edition),
            date,
            format!("対象サーバ {}", facts.hostname),
            format!("対象ドメイン {domains}"),
        ],
        Language::En => vec![
            format!("Edition {}", facts.edition),
            date,
            format!("Server: {}", facts.hostname),
            format!("Domains: {domains}"),
        ],
    };
    for catalogue in regulation.catalogues() {
        let (source, version) = (catalogue.source.title.of(language), &catalogue.version);
        lines.push(match language {
            Language::Ja => format!("基とした目録 {}（第{version}版）{source}", catalogue.id),
            Language::En => format!(
                "Made from catalogue {}, version {version}: {source}",
                catalogue.id
            ),
        });
    }
    lines
}

/// The day in the site's time zone.
pub(super) fn date(at: Timestamp, zone: &TimeZone, language: Language) -> String {
    let day = at.to_zoned(zone.clone()).date();
    match language {
        Language::Ja => format!("{}年{}月{}日", day.year(), day.month(), day.day()),
        Language::En => format!("{} {} {}", day.day(), month(day.month()), day.year()),
    }
}

fn month(number: i8) -> &'static str {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let at = usize::try_from(number).unwrap_or(1).saturating_sub(1);
    NAMES.get(at).copied().unwrap_or_default()
}

pub(super) const fn mark(mark: Mark) -> Words {
    match mark {
        Mark::ByDesign => words("設計により遵守", "met by design"),
        Mark::Measured => words("測定により遵守を確認", "met, as measured"),
        Mark::Workflow => words("手続により遵守", "met by procedure"),
        Mark::NotMet => words("未遵守", "not met"),
        Mark::Unknown => words("確認不能", "unknown"),
    }
}

pub(super) const fn way(kind: WayKind) -> Words {
    match kind {
        WayKind::Enforce => words("設計", "by design"),
        WayKind::Measure => words("測定", "measured"),
        WayKind::Workflow => words("手続", "procedure"),
    }
}

pub(super) const fn obligation(obligation: Obligation) -> Words {
    match obligation {
        Obligation::Must => words("義務", "must"),
        Obligation::Should => words("努力", "should"),
    }
}

/// When a clause is due, as `every 3 months`.
pub(super) fn schedule(schedule: Schedule, language: Language) -> String {
    use crate::PeriodUnit::{Day, Month, Year};
    let period = match schedule {
        Schedule::Continuous => return words("常時", "at all times").of(language).to_owned(),
        Schedule::OnEvent => return words("都度", "on event").of(language).to_owned(),
        Schedule::Every(period) => period,
    };
    let (count, unit) = match (period.count, period.unit) {
        (months, Month) if months % 12 == 0 => (months / 12, Year),
        other => other,
    };
    let unit = match unit {
        Day => words("日", "day"),
        Month => words("か月", "month"),
        Year => words("年", "year"),
    };
    match (language, count) {
        (Language::Ja, _) => format!("{count}{}ごと", unit.of(language)),
        (Language::En, 1) => format!("every {}", unit.of(language)),
        (Language::En, _) => format!("every {count} {}s", unit.of(language)),
    }
}
