//! The targets of the project's speed, each judged by this run's medians.

use super::table::short;
use crate::server::Screening;
use crate::{
    figure::{Sheet, Unit},
    load::{EVENT, EVENTS_OF_A_MESSAGE, LARGEST, MEMORY, PEAK},
};

const OURS: &str = "kakitome";
const THEIRS: &str = "postfix+dovecot";
const STORE: &str = "store";
const DISK: &str = "disk";

/// A target, what was measured, and whether it is met; `None` when it was not measured or a round failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) target: String,
    pub(crate) measured: String,
    pub(crate) met: Option<bool>,
}

/// How a target is judged.
enum Rule {
    /// Our rate is at least so many times theirs.
    Times(&'static str, f64),
    /// Our time is no longer than theirs.
    NoSlower(&'static str),
    /// Our figure is at most this.
    Most(&'static str, f64),
    /// The first subject's rate is at least this share of the second's.
    Share([&'static str; 2], [&'static str; 2], f64),
    /// The events of a message are at most this share of its time.
    Events(&'static str, f64),
}

const KEPT_50: &str = "inbound, 4 KiB, 50 sessions, kept";
const STORE_50: &str = "store, 4 KiB body, 50 committers";
const STORE_MESSAGE_50: &str = "store, 4 KiB message into a mailbox, 50 committers";

const RAW_50: &str = "raw group-synced log, over prepared room, 4 KiB, 50 writers";

const TARGETS: [(&str, Rule); 22] = [
    (
        "inbound at 50 sessions ≥ 10 × Postfix and Dovecot",
        Rule::Times("inbound, 4 KiB, 50 sessions, new", 10.0),
    ),
    (
        "inbound at 1 session ≥ 3 × Postfix and Dovecot",
        Rule::Times("inbound, 4 KiB, 1 session, new", 3.0),
    ),
    (
        "inbound, connections kept, 50 sessions ≥ 1/3 of the store's commits of a bare body",
        Rule::Share([OURS, KEPT_50], [STORE, STORE_50], 1.0 / 3.0),
    ),
    (
        "inbound, connections kept, 50 sessions ≥ 1/3 of the store's commits of the same message",
        Rule::Share([OURS, KEPT_50], [STORE, STORE_MESSAGE_50], 1.0 / 3.0),
    ),
    (
        "the store's commits of a bare body, 50 committers ≥ 40 % of the raw log",
        Rule::Share([STORE, STORE_50], [DISK, RAW_50], 0.4),
    ),
    (
        "the store's commits of a message into a mailbox, 50 committers ≥ 40 % of the raw log",
        Rule::Share([STORE, STORE_MESSAGE_50], [DISK, RAW_50], 0.4),
    ),
    (
        "relay ≥ 3 × Postfix",
        Rule::Times("relay, 4 KiB, 50 sessions, kept", 3.0),
    ),
    (
        "IMAP mixed ≥ 3 × Dovecot",
        Rule::Times("IMAP mixed, 50 sessions", 3.0),
    ),
    (
        "SELECT on 100,000, cold ≤ Dovecot",
        Rule::NoSlower("SELECT 100,000, cold"),
    ),
    (
        "SELECT on 100,000 by a new process ≤ Dovecot, where the page cache cannot be dropped",
        Rule::NoSlower("SELECT 100,000, new process"),
    ),
    (
        "SELECT on 100,000, warm ≤ Dovecot",
        Rule::NoSlower("SELECT 100,000, warm"),
    ),
    (
        "SEARCH BODY, Japanese, 10,000 messages ≤ 10 ms, every hit",
        Rule::Most("SEARCH BODY, Japanese, 10,000", 10.0),
    ),
    (
        "FETCH flags ≥ Dovecot",
        Rule::Times("FETCH flags, 10,000", 1.0),
    ),
    (
        "FETCH envelopes, first ≥ Dovecot",
        Rule::Times("FETCH envelopes, first, 10,000", 1.0),
    ),
    (
        "FETCH envelopes, later ≥ Dovecot",
        Rule::Times("FETCH envelopes, later, 10,000", 1.0),
    ),
    (
        "FETCH bodies, first ≥ Dovecot",
        Rule::Times("FETCH bodies, first, 10,000", 1.0),
    ),
    (
        "FETCH bodies, later ≥ Dovecot",
        Rule::Times("FETCH bodies, later, 10,000", 1.0),
    ),
    (
        "idle IMAP without TLS ≤ 16 KiB",
        Rule::Most("idle IMAP, without TLS", 16.0),
    ),
    (
        "idle IMAP with TLS ≤ 48 KiB",
        Rule::Most("idle IMAP, with TLS", 48.0),
    ),
    (
        "start to serving with 1,000 accounts < 200 ms",
        Rule::Most("start to serving, 1,000 accounts", 200.0),
    ),
    (
        "audit events ≤ 5 % of inbound at 50 sessions, new",
        Rule::Events("inbound, 4 KiB, 50 sessions, new", 0.05),
    ),
    (
        "audit events ≤ 5 % of inbound at 50 sessions, kept",
        Rule::Events(KEPT_50, 0.05),
    ),
];

/// Judges all targets.
pub(crate) fn judge(sheet: &Sheet) -> Vec<Verdict> {
    TARGETS
        .iter()
        .map(|(target, rule)| {
            let judged = apply(sheet, rule);
            Verdict {
                target: (*target).to_owned(),
                met: judged.as_ref().map(|(_, met)| *met),
                measured: judged.map_or_else(|| "–".to_owned(), |(measured, _)| measured),
            }
        })
        .collect()
}

/// How much worse a full site may be than an empty one.
const GROWN: f64 = 0.2;

/// Judges growth: no rate of the full site may be less than 80 % of the empty one's, no time longer than 120 %; memory stays within what the settings
/// add up to, and deleting must free the disk.
pub(crate) fn judge_growth(sheet: &Sheet) -> Vec<Verdict> {
    let full = sheet.series.iter().filter(|s| s.subject == "full");
    let mut verdicts: Vec<Verdict> = full
        .filter_map(|series| {
            let (empty, full) = (
                sheet.median("empty", &series.name)?,
                sheet.median("full", &series.name)?,
            );
            let name = &series.name;
            let (target, met) = match series.unit {
                Unit::PerSecond => (
                    format!("{name}: full ≥ 80 % of empty"),
                    full >= (1.0 - GROWN) * empty,
                ),
                Unit::Milliseconds => (
                    format!("{name}: full ≤ 120 % of empty"),
                    full <= (1.0 + GROWN) * empty,
                ),
                _ => return None,
            };
            let (share, unit) = (100.0 * full / empty, series.unit.name());
            let (empty, full) = (short(empty), short(full));
            Some(Verdict {
                target,
                measured: format!("{share:.0} % ({full} to {empty} {unit})"),
                met: Some(met),
            })
        })
        .collect();
    verdicts.extend(judge_memory(sheet));
    let disk = |name| sheet.median("full", name);
    if let (Some(full), Some(half), Some(before), Some(after)) = (
        disk("disk"),
        disk("disk after half was deleted"),
        disk("messages"),
        disk("messages after half was deleted"),
    ) {
        let (freed, deleted) = (1.0 - half / full, 1.0 - after / before);
        verdicts.push(Verdict {
            target:
                "deleting mail frees the disk: at least four fifths of its share of all messages"
                    .to_owned(),
            measured: format!(
                "{:.0} % of {full:.0} MiB freed by {:.0} % of {before:.0} messages",
                100.0 * freed,
                100.0 * deleted
            ),
            met: Some(freed >= 0.8 * deleted),
        });
    }
    verdicts
}

/// What may be held in memory by default, in MiB, whatever there is in the mailboxes: what it is, and how much.
const CACHES: [(&str, f64); 3] = [
    ("the database's pages, the writer's", 64.0),
    ("and those of 8 readers", 8.0 * 8.0),
    ("[retrieval] view_cache", 64.0),
];
/// The same for what is on its way.
const ON_ITS_WAY: [(&str, f64); 2] = [("[limits] memory", 512.0), ("bodies of a batch", 64.0)];
/// The same for what sessions gather and send.
const GATHERED: [(&str, f64); 1] = [("[retrieval] memory_budget", 256.0)];

/// Memory of the full site: no more than the settings add up to, and no more above the empty one's than the caches hold.
fn judge_memory(sheet: &Sheet) -> Vec<Verdict> {
    let memory = |subject| sheet.median(subject, MEMORY);
    let (Some(empty), Some(full)) = (memory("empty"), memory("full")) else {
        return Vec::new();
    };
    let all = [&CACHES[..], &ON_ITS_WAY[..]].concat();
    [
        Verdict {
            target: format!(
                "{MEMORY}, full ≤ what the settings add up to: {:.0} MiB ({})",
                sum(&all),
                words(&all)
            ),
            measured: format!("{full:.0} MiB"),
            met: Some(full <= sum(&all)),
        },
        Verdict {
            target: format!(
                "{MEMORY}, full ≤ empty and what caches may hold: {:.0} MiB ({})",
                sum(&CACHES),
                words(&CACHES)
            ),
            measured: format!("{full:.0} MiB to {empty:.0} MiB"),
            met: Some(full <= empty + sum(&CACHES)),
        },
    ]
    .into_iter()
    .chain(judge_peak(sheet, empty))
    .collect()
}

/// Memory while sessions gather from the largest mailbox of the full site: no more above the empty site's than caches and answers may hold.
fn judge_peak(sheet: &Sheet, empty: f64) -> Option<Verdict> {
    let name = format!("{PEAK} {LARGEST}");
    let peak = sheet.median("full", &name)?;
    let all = [&CACHES[..], &GATHERED[..]].concat();
    Some(Verdict {
        target: format!(
            "{name}, full ≤ empty at rest, what caches may hold and answers: {:.0} MiB ({})",
            sum(&all),
            words(&all)
        ),
        measured: format!("{peak:.0} MiB to {empty:.0} MiB"),
        met: Some(peak <= empty + sum(&all)),
    })
}

fn sum(parts: &[(&str, f64)]) -> f64 {
    parts.iter().map(|(_, size)| size).sum()
}

fn words(parts: &[(&str, f64)]) -> String {
    let parts = parts.iter().map(|(what, size)| format!("{what} {size:.0}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// What screening costs, against the site that looks at nothing.
pub(crate) fn judge_screened(sheet: &Sheet) -> Vec<Verdict> {
    let off = Screening::Off.name();
    let mut verdicts = Vec::new();
    for subject in Screening::ALL.map(Screening::name) {
        for series in sheet
            .series
            .iter()
            .filter(|s| s.subject == off && subject != off)
        {
            let medians = (
                sheet.median(off, &series.name),
                sheet.median(subject, &series.name),
            );
            let (Some(plain), Some(looked)) = medians else {
                continue;
            };
            verdicts.push(Verdict {
                target: format!("{}: {subject} ≥ 60 % of {off}", series.name),
                measured: format!("{:.0} %", 100.0 * looked / plain),
                met: Some(looked >= 0.6 * plain),
            });
        }
    }
    verdicts
}

fn apply(sheet: &Sheet, rule: &Rule) -> Option<(String, bool)> {
    Some(match rule {
        Rule::Times(name, least) => {
            let (ours, theirs) = (sheet.median(OURS, name)?, sheet.median(THEIRS, name)?);
            let times = ours / theirs;
            let (ours, theirs) = (short(ours), short(theirs));
            (
                format!("{times:.2} × ({ours}/s to {theirs}/s)"),
                times >= *least,
            )
        }
        Rule::NoSlower(name) => {
            let (ours, theirs) = (sheet.median(OURS, name)?, sheet.median(THEIRS, name)?);
            let words = format!("{} ms to {} ms", short(ours), short(theirs));
            (words, ours <= theirs)
        }
        Rule::Most(name, most) => {
            let unit = sheet.find(OURS, name)?.unit.name();
            let ours = sheet.median(OURS, name)?;
            (format!("{} {unit}", short(ours)), ours <= *most)
        }
        Rule::Share([who, what], [whose, of], least) => {
            let (part, whole) = (sheet.median(who, what)?, sheet.median(whose, of)?);
            let share = part / whole;
            let (part, whole) = (short(part), short(whole));
            let words = format!("{:.0} % ({part}/s of {whole}/s)", share * 100.0);
            (words, share >= *least)
        }
        Rule::Events(name, most) => {
            let each = sheet.median(STORE, EVENT)?;
            let message = 1000.0 / sheet.median(OURS, name)?;
            let share = EVENTS_OF_A_MESSAGE * each / message;
            let words = format!(
                "{:.1} % (2 × {:.0} µs of {:.0} µs)",
                share * 100.0,
                each * 1000.0,
                message * 1000.0
            );
            (words, share <= *most)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Cost, Figure};

    fn sheet(figures: &[(&str, &str, Unit, f64)]) -> Sheet {
        let mut sheet = Sheet::default();
        for (subject, name, unit, value) in figures {
            sheet.add(
                subject,
                "c",
                Figure::new(*name, *unit, *value, Cost::default()),
            );
        }
        sheet
    }

    #[test]
    fn rates_times_and_shares() {
        let rate = Unit::PerSecond;
        let time = Unit::Milliseconds;
        let sheet = sheet(&[
            (OURS, "x", rate, 40.0),
            (THEIRS, "x", rate, 4.0),
            (OURS, "y", time, 5.0),
            (THEIRS, "y", time, 4.0),
            (STORE, EVENT, time, 0.5),
        ]);
        let met = |rule: &Rule| apply(&sheet, rule).map(|(_, met)| met);
        assert_eq!(met(&Rule::Times("x", 10.0)), Some(true));
        assert_eq!(met(&Rule::Times("x", 10.1)), Some(false));
        assert_eq!(met(&Rule::NoSlower("y")), Some(false));
        assert_eq!(met(&Rule::Most("y", 5.0)), Some(true));
        assert_eq!(
            met(&Rule::Share([THEIRS, "x"], [OURS, "x"], 0.1)),
            Some(true)
        );
        // Two events of half a millisecond in a message of 25 ms.
        assert_eq!(met(&Rule::Events("x", 0.04)), Some(true));
        assert_eq!(met(&Rule::Events("x", 0.03)), Some(false));
        assert_eq!(met(&Rule::Times("z", 1.0)), None);
    }

    #[test]
    fn growth_is_judged_by_rates_times_and_memory() {
        let of = |full: [f64; 3]| {
            judge_growth(&sheet(&[
                ("full", "rate", Unit::PerSecond, full[0]),
                ("empty", "rate", Unit::PerSecond, 100.0),
                ("full", "time", Unit::Milliseconds, full[1]),
                ("empty", "time", Unit::Milliseconds, 10.0),
                ("full", MEMORY, Unit::Mebibytes, full[2]),
                ("empty", MEMORY, Unit::Mebibytes, 250.0),
            ]))
        };
        let met = |full| of(full).iter().map(|one| one.met).collect::<Vec<_>>();
        assert_eq!(met([80.0, 12.0, 442.0]), [Some(true); 4]);
        assert_eq!(
            met([79.0, 12.1, 443.0]),
            [Some(false), Some(false), Some(true), Some(false)]
        );
        assert_eq!(met([80.0, 12.0, 769.0])[2], Some(false));
        assert!(of([80.0, 12.0, 442.0])[2].target.contains("768 MiB"));
    }

    #[test]
    fn memory_at_a_large_mailbox_is_judged_by_what_answers_and_caches_may_hold() {
        let largest = format!("{PEAK} {LARGEST}");
        let judged = |peak| {
            let series = [
                ("empty", MEMORY, Unit::Mebibytes, 100.0),
                ("full", MEMORY, Unit::Mebibytes, 100.0),
                ("full", largest.as_str(), Unit::Mebibytes, peak),
            ];
            judge_growth(&sheet(&series))
                .pop()
                .map(|one| (one.target.contains("448 MiB"), one.met))
        };
        assert_eq!(judged(548.0), Some((true, Some(true))));
        assert_eq!(judged(549.0), Some((true, Some(false))));
    }

    #[test]
    fn both_halves_are_judged_by_a_body_and_by_a_message() {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        for half in ["≥ 1/3 of the store", "≥ 40 % of the raw log"] {
            let rows = names.iter().filter(|name| name.contains(half));
            assert_eq!(rows.count(), 2, "{half}");
        }
    }
}
