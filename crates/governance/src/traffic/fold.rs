//! Old hours become days, and old days are forgotten.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::Date};
use store::{Error, Recorded, Store, Tx, traffic as table};
use traffic::Counts;
use trail::{Actor, Event, Kind};

use super::{Options, begin_of, counts_of, span_of};

/// Hours that one commit folds at most: a month.
const AT_ONCE: usize = 31 * 24;

/// Folds what is older than hours are kept, a month at a time, and forgets days that are older than they are kept. Returns whether there was
/// something to do.
///
/// # Errors
/// When the database fails.
pub(super) async fn fold(store: &Store, options: &Options, now: Timestamp) -> Result<bool, Error> {
    let ago = |time| {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        now.checked_sub(time).unwrap_or(Timestamp::MIN)
    };
    let keep = ago(options.keep_hours);
    // Days are folded whole.
    let day = keep.to_zoned(options.zone.clone()).date();
    let until = begin_of_day(options, day)?;
    let forget = table::hour(ago(options.keep_days));
    let read = move |sql: &mut store::Snapshot<'_>| -> Result<_, Error> {
        let old = table::list(sql, (i64::MIN, forget), 1)?;
        Ok((table::unfolded(sql, until, AT_ONCE)?, !old.is_empty()))
    };
    let (hours, is_old) = store.read(read).await?;
    if hours.is_empty() && !is_old {
        return Ok(false);
    }
    let mut days: BTreeMap<Date, Counts> = BTreeMap::new();
    let mut folded = 0_u64;
    let is_cut = hours.len() == AT_ONCE;
    let day_of =
        |hour| -> Result<Date, Error> { Ok(begin_of(hour)?.to_zoned(options.zone.clone()).date()) };
    let last = match hours.last() {
        // The last day may not be whole yet: it is for the next time.
        Some(last) if is_cut => Some(day_of(last.hour)?),
        _ => None,
    };
    for span in &hours {
        let day = day_of(span.hour)?;
        if Some(day) == last {
            break;
        }
        folded = folded.saturating_add(1);
        let sum = days.entry(day).or_default();
        // What cannot be read is told of by `verify`, and is not kept for years.
        if let Ok(counts) = counts_of(span) {
            sum.join(&counts);
        }
    }
    let mut spans = Vec::with_capacity(days.len());
    for (day, mut counts) in days {
        counts.close();
        let first = begin_of_day(options, day)?;
        let next = begin_of_day(
            options,
            day.tomorrow()
                .map_err(|error| Error::Corrupt(error.to_string()))?,
        )?;
        spans.push(span_of(
            first,
            next.saturating_sub(first).max(1),
            true,
            &counts,
        )?);
    }
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
        let Some(mark) = table::mark(tx)? else {
            return Err(Error::Corrupt(
                "hours were counted, and no mark says how far".to_owned(),
            ));
        };
        for span in &spans {
            table::remove(tx, (span.hour, span.hour.saturating_add(span.hours)))?;
        }
        table::put(tx, &mark, &spans)?;
        let forgotten = table::remove(tx, (i64::MIN, forget))?;
        let event = Event::new(Kind::TrafficFolded, Actor::System)
            .detail("hours", folded)
            .detail("days", spans.len())
            .detail("until", begin_of(until)?.to_string())
            .detail("forgotten", forgotten);
        tx.record(&event, ())
    };
    store.commit(Vec::new(), work).await?;
    Ok(true)
}

fn begin_of_day(options: &Options, day: Date) -> Result<i64, Error> {
    let begin = day.to_zoned(options.zone.clone());
    let begin = begin.map_err(|error| Error::Corrupt(error.to_string()))?;
    // Where a day begins within an hour of UTC, that hour belongs to the day that it begins in.
    Ok(begin
        .timestamp()
        .as_second()
        .saturating_add(3599)
        .div_euclid(3600))
}
