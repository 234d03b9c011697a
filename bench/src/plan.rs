//! What is measured, in which order, and how much of it.

use std::{path::Path, time::Duration};

use crate::{
    Outcome,
    figure::Figure,
    load::{Commit, Entry, Room, Transfer, Work, batches, events, rate, raw_log},
};

/// The names that `--only` takes.
pub(crate) const GROUPS: [&str; 13] = [
    "disk",
    "store",
    "events",
    "inbound",
    "submission",
    "relay",
    "mixed",
    "fetch",
    "select",
    "search",
    "pop3",
    "idle",
    "start",
];

/// One thing to measure.
pub(crate) struct Case {
    pub(crate) group: &'static str,
    pub(crate) what: What,
}

/// Of a server, or of the machine.
pub(crate) enum What {
    Server(Work),
    Disk {
        writers: usize,
        room: Room,
    },
    /// The disk by itself: so many records a sync.
    Batches {
        records: usize,
    },
    Store {
        committers: usize,
        commit: Commit,
    },
    Events,
}

impl Case {
    /// The name for messages on the way.
    pub(crate) fn name(&self) -> String {
        match &self.what {
            What::Server(Work::Transfer(load)) => load.name(),
            What::Server(Work::Idle { secure: true }) => "idle, with TLS".to_owned(),
            What::Server(Work::Idle { secure: false }) => "idle, without TLS".to_owned(),
            What::Store { committers, commit } => store_name(*commit, *committers),
            What::Disk { writers, room } => format!("disk, {writers}, {}", room.name()),
            What::Batches { records } => format!("disk, batches of {records}"),
            What::Server(_) | What::Events => self.group.to_owned(),
        }
    }
}

fn store_name(commit: Commit, committers: usize) -> String {
    let what = match commit {
        Commit::Body => "body",
        Commit::Message { .. } => "message into a mailbox",
    };
    let plural = if committers == 1 {
        "committer"
    } else {
        "committers"
    };
    format!("store, 4 KiB {what}, {committers} {plural}")
}

/// Measures the machine or the store, on a thread of its own.
pub(crate) fn measure(what: &What, place: &Path, quick: bool) -> Outcome<Vec<Figure>> {
    let time = Duration::from_secs(if quick { 2 } else { 5 });
    match what {
        What::Disk { writers, room } => Ok(vec![raw_log(place, *writers, *room, time)?]),
        What::Batches { records } => Ok(vec![batches(place, *records, time)?]),
        What::Store { committers, commit } => {
            let name = store_name(*commit, *committers);
            Ok(vec![rate(place, name, *committers, *commit, time)?])
        }
        What::Events => events(place, time),
        What::Server(_) => Err("a server is measured elsewhere".into()),
    }
}

/// All cases whose group is in `only` (empty: all).
pub(crate) fn cases(only: &[String], quick: bool) -> Vec<Case> {
    let mut all = Vec::new();
    let mut put = |group, what| all.push(Case { group, what });
    for room in [Room::Prepared, Room::Growing] {
        for writers in [1, 8, 50] {
            put("disk", What::Disk { writers, room });
        }
    }
    for records in [1, 8, 50] {
        put("disk", What::Batches { records });
    }
    for committers in [1, 8, 50, 200] {
        let commit = Commit::Body;
        put("store", What::Store { committers, commit });
        let commit = Commit::Message { times: 1 };
        put("store", What::Store { committers, commit });
    }
    put("events", What::Events);
    for load in transfers(quick) {
        let group = match load.entry {
            Entry::Exchange => "inbound",
            Entry::Submission | Entry::SubmissionOut => "submission",
            Entry::Relay => "relay",
        };
        put(group, What::Server(Work::Transfer(load)));
    }
    for (group, work) in [
        ("mixed", Work::Mixed),
        ("fetch", Work::Fetch),
        ("select", Work::Select),
        ("search", Work::Search),
        ("pop3", Work::Pop3),
        ("idle", Work::Idle { secure: false }),
        ("idle", Work::Idle { secure: true }),
        ("start", Work::Start),
    ] {
        put(group, What::Server(work));
    }
    all.retain(|case| only.is_empty() || only.iter().any(|name| name == case.group));
    all
}

/// Inbound mail alone.
pub(crate) fn screened(quick: bool) -> Vec<Case> {
    let inbound = transfers(quick)
        .into_iter()
        .filter(|load| load.entry == Entry::Exchange && [10, 50].contains(&load.sessions));
    let case = |load| Case {
        group: "screened",
        what: What::Server(Work::Transfer(load)),
    };
    inbound.map(case).collect()
}

fn transfers(quick: bool) -> Vec<Transfer> {
    let mut all = Vec::new();
    let mut put = |entry, kib: usize, sessions, kept, messages: usize| {
        all.push(Transfer {
            entry,
            octets: kib << 10,
            sessions,
            kept,
            messages: if quick {
                (messages / 250).max(1) * 50
            } else {
                messages
            },
        });
    };
    for kept in [false, true] {
        for (sessions, messages) in [(1, 500), (10, 2000), (50, 5000), (200, 5000)] {
            put(Entry::Exchange, 4, sessions, kept, messages);
        }
    }
    for kept in [false, true] {
        for (sessions, messages) in [(1, 250), (10, 500), (50, 1000), (200, 1000)] {
            put(Entry::Exchange, 100, sessions, kept, messages);
        }
    }
    put(Entry::Submission, 4, 10, false, 1000);
    put(Entry::Submission, 4, 50, true, 3000);
    put(Entry::SubmissionOut, 4, 50, true, 3000);
    put(Entry::Relay, 4, 10, true, 2000);
    put(Entry::Relay, 4, 50, true, 5000);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_cases_and_every_case_a_group() {
        for group in GROUPS {
            assert!(!cases(&[group.to_owned()], true).is_empty(), "{group}");
        }
        for case in cases(&[], false) {
            assert!(GROUPS.contains(&case.group), "{}", case.group);
        }
    }

    #[test]
    fn messages_divide_among_mailboxes() {
        for load in transfers(true).into_iter().chain(transfers(false)) {
            assert_eq!(load.messages % crate::load::MAILBOXES, 0, "{}", load.name());
        }
    }
}
