//! The events behind a clause, however many they are.

use std::collections::BTreeSet;

use jiff::Timestamp;
use regulation::Clause;
use store::{
    Error, Store,
    event::{self, Filter},
};
use trail::Kind;

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

/// What becomes of an incident; each is evidence where the clause names it.
const OF_INCIDENTS: &[Kind] = &[
    Kind::IncidentOpened,
    Kind::IncidentStep,
    Kind::IncidentActed,
    Kind::IncidentClosed,
];

/// What of a period is a clause's own.
pub(crate) struct Own<'a> {
    /// Not before this.
    pub(crate) from: Timestamp,
    /// Before this; `None`: to the last.
    pub(crate) to: Option<Timestamp>,
    /// What it rests on.
    pub(crate) ways: &'a [&'a str],
    /// The numbers of its tasks.
    pub(crate) tasks: &'a [i64],
    /// Of the reports that came of them, or of its incidents.
    pub(crate) reports: &'a [i64],
    /// Of its incidents; `None`: it rests on no kind of incident, so that all that it names are its evidence.
    pub(crate) incidents: Option<&'a [i64]>,
}

/// The events that a clause's evidence is made of: those of its kinds, those that told how what it rests on stands, and those of its own
/// tasks, reports and incidents: what became of others is the evidence of other clauses. None matches two of the filters, so each event
/// counts once.
pub(crate) fn filters(clause: &Clause, own: &Own<'_>) -> Vec<Filter> {
    let named = |kind: &Kind| clause.evidence.iter().any(|name| name == kind.as_str());
    let is_own = |kind: &Kind| {
        let of_works = *kind == Kind::TaskBegins || OF_TASKS.contains(kind);
        let of_incidents = own.incidents.is_some() && OF_INCIDENTS.contains(kind);
        of_works || of_incidents || OF_REPORTS.contains(kind) || *kind == Kind::ClauseStanding
    };
    let of = |kinds: Vec<Kind>, subject: Option<String>| Filter {
        from: Some(own.from),
        to: own.to,
        kinds,
        subject,
        ..Filter::default()
    };
    let kinds = Kind::ALL.iter().copied();
    let kinds = kinds.filter(|kind| named(kind) && !is_own(kind));
    let mut filters = vec![of(kinds.collect(), None)];
    for way in own.ways {
        let kinds = vec![Kind::ClauseStanding, Kind::TaskBegins];
        filters.push(of(kinds, Some((*way).to_owned())));
    }
    for task in own.tasks {
        filters.push(of(OF_TASKS.to_vec(), Some(task.to_string())));
    }
    for report in own.reports {
        filters.push(of(OF_REPORTS.to_vec(), Some(report.to_string())));
    }
    for incident in own.incidents.unwrap_or_default() {
        let kinds = OF_INCIDENTS.iter().copied().filter(|kind| named(kind));
        filters.push(of(kinds.collect(), Some(incident.to_string())));
    }
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
