//! `audit analyse` and `audit report`: what the trail says of attacks (clause 8.2(2), (3)).

use std::{io, path::Path};

use directory::{
    Person,
    command::{forward, reading, shared},
};
use jiff::ToSpan as _;
use serde_json::{Value, json};
use store::event::{self, Filter};
use trail::{
    Kind,
    analysis::{Analysis, Beyond, Find, Findings, KINDS, Language, Permitted, Review},
};
use world::Timestamp;

use super::{
    super::{Answer, Failure},
    each_event,
    verify::must_be_absolute,
};
use crate::{
    cli::{Format, PeriodArgs, ReportArgs},
    files::Claimed,
    site::Site,
};

/// Who may read a report that was written.
const MODE: u32 = 0o644;
/// Events counted in one view.
const COUNTED: u32 = 20_000;
/// Months that are looked at, if nothing else is said, and as many before tell what is usual (clause 8.2(2)).
const MONTHS: i64 = 3;

/// From when on, and until when.
type Period = (Timestamp, Timestamp);

pub(super) async fn analyse(
    site: &Site,
    caller: &Person,
    words: &PeriodArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let period = period(site, words)?;
    let findings = findings(site, caller, period, answer).await?;
    for find in &findings.finds {
        answer.item(&shown(find)).await?;
    }
    answer
        .note(match (findings.finds.len(), findings.left_out) {
            (0, 0) => "Nothing is conspicuous in this period.".to_owned(),
            (count, 0) => format!("{count} finds; \"search\" of each shows its events, `audit search --id` one of them."),
            (count, left) => format!(
                "{count} finds; {left} events could not be followed for want of room: make the period shorter."
            ),
        })
        .await;
    Ok(())
}

pub(super) async fn report(
    site: &Site,
    caller: &Person,
    words: &ReportArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    must_be_absolute(&words.file)?;
    let (from, to) = period(site, &words.period)?;
    let findings = findings(site, caller, (from, to), answer).await?;
    let counts = counts(site, (from, to), answer).await?;
    let checkpoint = site.store.checkpoint().await?;
    let review = Review {
        log: site.store.trail_key().name().to_owned(),
        from,
        to,
        person: caller.name.clone(),
        made: site.world.now(),
        counts,
        findings,
        permitted: permitted(site).await?,
        checkpoint: checkpoint.map_or_else(String::new, |signed| signed.note),
    };
    let language = match words.lang.as_str() {
        "en" => Language::En,
        _ => Language::Ja,
    };
    let zone = site.settings().zone();
    let document = match words.format {
        Format::Text => review.text(language, &zone),
        Format::Html => review.html(language, &zone),
    };
    let claimed = Claimed::new(&words.file, MODE).map_err(|error| failed(&words.file, &error))?;
    let digest = trail::volume::hex(&trail::merkle::sha256(&[document.as_bytes()]));
    let event = caller
        .by()
        .event(Kind::TrailReviewed)
        .detail("from", from.to_string())
        .detail("to", to.to_string())
        .detail("finds", review.findings.finds.len())
        .detail("file", words.file.display().to_string())
        .detail("sha256", digest.as_str());
    // What is not on record is not given out.
    site.record(event).await?;
    let filled = claimed.fill(document.as_bytes());
    filled.map_err(|(file, error)| failed(&file, &error))?;
    answer
        .row(&json!({
            "file": words.file.display().to_string(),
            "from": from,
            "to": to,
            "finds": review.findings.finds.len(),
            "sha256": digest,
        }))
        .await
}

/// Forwards, readings and shared identifiers that are in force now (clauses 7.1(4), 8.1).
async fn permitted(site: &Site) -> Result<Vec<Permitted>, Failure> {
    let forwards = forward::found(&site.directory).await?.into_iter();
    let mut permitted: Vec<Permitted> = forwards
        .map(|one| Permitted {
            what: Beyond::Forward,
            identifier: one.identifier,
            whom: one.target.to_string(),
            order: one.order,
            until: one.until,
        })
        .collect();
    let readings = reading::found(&site.directory).await?.into_iter();
    permitted.extend(readings.map(|one| Permitted {
        what: Beyond::Reading,
        identifier: one.identifier,
        whom: format!("{} ({})", one.person, one.purpose),
        order: Some(one.order),
        until: Some(one.until),
    }));
    let shared = shared::found(&site.directory).await?.into_iter();
    permitted.extend(shared.map(|one| Permitted {
        what: Beyond::Shared,
        identifier: one.identifier,
        whom: one.users.join(", "),
        order: Some(one.order),
        until: Some(one.review_at),
    }));
    Ok(permitted)
}

fn failed(file: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{}: {error}", file.display()))
}

/// What was said, or the last three months.
fn period(site: &Site, words: &PeriodArgs) -> Result<Period, Failure> {
    let to = match &words.to {
        Some(to) => site.time(to)?,
        None => site.world.now(),
    };
    let from = match &words.from {
        Some(from) => site.time(from)?,
        None => months_before(site, to),
    };
    match from < to {
        true => Ok((from, to)),
        false => Err(Failure::Words(
            "the period ends before it begins".to_owned(),
        )),
    }
}

fn months_before(site: &Site, at: Timestamp) -> Timestamp {
    let earlier = at
        .to_zoned(site.settings().zone())
        .checked_sub(MONTHS.months());
    earlier.map_or(Timestamp::MIN, |earlier| earlier.timestamp())
}

async fn findings(
    site: &Site,
    caller: &Person,
    (from, to): Period,
    answer: &Answer,
) -> Result<Findings, Failure> {
    let reading = caller.by().event(Kind::TrailRead).detail(
        "analysis",
        json!({ "from": from.to_string(), "to": to.to_string() }),
    );
    site.record(reading).await?;
    let mut analysis = Analysis::new(from, site.settings().audit.analysis.thresholds());
    let filter = Filter {
        from: Some(months_before(site, from)),
        to: Some(to),
        kinds: KINDS.to_vec(),
        ..Filter::default()
    };
    each_event(site, filter, answer, |event| analysis.take(event)).await?;
    Ok(analysis.end())
}

type Counts = std::collections::BTreeMap<(String, String), u64>;

async fn counts(site: &Site, (from, to): Period, answer: &Answer) -> Result<Counts, Failure> {
    let mut filter = Filter {
        from: Some(from),
        to: Some(to),
        ..Filter::default()
    };
    let (mut counts, mut counted) = (Counts::new(), 0);
    loop {
        let part = filter.clone();
        let tally = site
            .store
            .read(move |snapshot| event::tally(snapshot, &part, COUNTED))
            .await?;
        for (name, count) in tally.counts {
            counted += count;
            *counts.entry(name).or_default() += count;
        }
        answer.progress("events counted", counted, None);
        match tally.last {
            Some(last) => filter.after = Some(last),
            None => return Ok(counts),
        }
    }
}

/// A find as a row, with the words that show its events.
fn shown(find: &Find) -> Value {
    let [meaning, _] = find.pattern.words();
    json!({
        "pattern": find.pattern.as_str(),
        "service": (!find.services.is_empty()).then(|| find.place()),
        "count": find.count,
        "first": find.first,
        "last": find.last,
        "identifiers": find.identifiers,
        "addresses": find.addresses,
        "events": find.events,
        "meaning": meaning,
        "search": find.search(),
    })
}
