//! The events behind a clause, however many they are.

use std::collections::BTreeSet;

use regulation::Clause;
use store::{
    Error, Store,
    event::{self, Filter},
};
use trail::Kind;

use super::Wanted;

/// Events read from the store at a time.
const PAGE: usize = 1000;
/// What becomes of a task.
const OF_TASKS: &[Kind] = &[
    Kind::TaskOpened,
    Kind::TaskReminded,
    Kind::TaskDone,
    Kind::TaskApproved,
    Kind::TaskRejected,
];
/// What becomes of a report.
const OF_REPORTS: &[Kind] = &[Kind::ReportMade, Kind::ReportSent, Kind::ReportAcknowledged];

/// The events behind a clause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Their numbers, ascending: the newest of the period.
    pub events: Vec<i64>,
    /// How many earlier ones of the period there are.
    pub left_out: u64,
}

/// The events that a clause's evidence is made of: those of its kinds, those that told how what it rests on stands, and those of its
/// tasks and reports. None matches two of the filters, so each event counts once.
pub(super) fn filters(
    clause: &Clause,
    ways: &[&str],
    wanted: &Wanted,
    tasks: &[i64],
    reports: &[i64],
) -> Vec<Filter> {
    let named = |kind: &Kind| clause.evidence.iter().any(|name| name == kind.as_str());
    let kinds: Vec<Kind> = Kind::ALL
        .iter()
        .copied()
        .filter(|kind| named(kind))
        .collect();
    let about = |kinds: &[Kind], subject: String| Filter {
        from: Some(wanted.from),
        to: Some(wanted.to),
        kinds: kinds.iter().copied().filter(|kind| !named(kind)).collect(),
        subject: Some(subject),
        ..Filter::default()
    };
    let mut filters = vec![Filter {
        from: Some(wanted.from),
        to: Some(wanted.to),
        kinds,
        ..Filter::default()
    }];
    let standing = ways.iter();
    filters.extend(standing.map(|way| about(&[Kind::ClauseStanding], (*way).to_owned())));
    filters.extend(tasks.iter().map(|task| about(OF_TASKS, task.to_string())));
    filters.extend(
        reports
            .iter()
            .map(|report| about(OF_REPORTS, report.to_string())),
    );
    // Without a kind it would mean every event.
    filters.retain(|filter| !filter.kinds.is_empty());
    filters
}

/// The newest `most` events of what `filters` mean, up to the event `last`. Each page is read in a view of its own, so no view is held for
/// long, and memory is bounded by `most`. `progress` hears how many were read.
///
/// # Errors
/// When the store fails.
pub async fn behind(
    store: &Store,
    filters: &[Filter],
    last: i64,
    most: usize,
    mut progress: impl FnMut(u64),
) -> Result<Behind, Error> {
    let mut newest = BTreeSet::new();
    let (mut left_out, mut read) = (0, 0);
    for filter in filters {
        let mut filter = filter.clone();
        loop {
            let page = filter.clone();
            let found = move |snapshot: &mut store::Snapshot<'_>| {
                let found = event::search(snapshot, &page, PAGE)?;
                Ok::<_, Error>(found.into_iter().map(|one| one.id).collect::<Vec<i64>>())
            };
            let found = store.read(found).await?;
            read += found.len() as u64;
            progress(read);
            for id in found.iter().copied().filter(|id| *id <= last) {
                newest.insert(id);
                if newest.len() > most {
                    newest.pop_first();
                    left_out += 1;
                }
            }
            match found.last() {
                Some(id) if found.len() == PAGE && *id < last => filter.after = Some(*id),
                _ => break,
            }
        }
    }
    Ok(Behind {
        events: newest.into_iter().collect(),
        left_out,
    })
}
