//! What an auditor is given: all that is behind each clause in a period, and what had to be left out is counted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use std::collections::BTreeSet;

use directory::{
    Role,
    command::{CommandError, incident},
};
use governance::{
    Rules,
    dossier::{Behind, Dossier, Wanted, behind, gather, page},
    task,
};
use jiff::{SignedDuration, Timestamp};
use site::Site;
use store::event::{self, Filter};
use support::{answers, good, look, rules};
use trail::Kind;

const REVIEW: &str = "trail-review";

fn all(from: Timestamp, to: Timestamp) -> Wanted {
    Wanted {
        clause: None,
        from,
        to,
    }
}

async fn dossier(site: &Site, rules: &Rules, wanted: &Wanted) -> Result<Dossier, CommandError> {
    let (rules, facts, now) = (rules.clone(), good(site), site.store.now());
    let wanted = wanted.clone();
    let read =
        move |snapshot: &mut store::Snapshot<'_>| gather(snapshot, &rules, &facts, &wanted, now);
    site.store.read(read).await
}

async fn found(site: &Site, filters: &[Filter], last: i64, most: usize) -> Behind {
    behind(&site.store, filters, last, most, |_| {})
        .await
        .unwrap()
}

/// A quarter's review is done, and an incident is open.
async fn lived() -> (Site, Rules, Timestamp) {
    let site = Site::open().await;
    let rules = rules();
    let begin = site.store.now();
    look(&site, &rules, &good(&site)).await;
    site.issue("taro", "taro@example.jp").await;
    site.days(92);
    look(&site, &rules, &good(&site)).await;
    let chief = site.caller("chief").await;
    let which = task::Which {
        role: Some(Role::SystemOfficer),
        ..task::Which::default()
    };
    let open = task::list(&chief, &rules, which).await.unwrap();
    let review = open.iter().find(|task| task.workflow == REVIEW).unwrap();
    let done = task::done(
        &chief,
        &rules,
        review.number,
        answers(&rules, REVIEW),
        Vec::new(),
    )
    .await;
    done.unwrap();
    (site, rules, begin)
}

#[tokio::test]
async fn all_that_is_behind_a_clause_is_found_and_each_event_once() {
    let (site, rules, begin) = lived().await;
    let end = site
        .store
        .now()
        .checked_add(SignedDuration::from_secs(1))
        .unwrap();
    let made = dossier(&site, &rules, &all(begin, end)).await.unwrap();
    assert!(made.clauses.len() > 90 && !made.more);
    let review = made
        .clauses
        .iter()
        .find(|one| one.clause.clause.id == "8.2-2")
        .unwrap();
    let [number] = review.tasks[..] else {
        panic!("{:?}", review.tasks);
    };
    let behind = found(&site, &review.events, i64::MAX, 10_000).await;
    assert_eq!(behind.left_out, 0);
    assert!(behind.events.is_sorted());
    let once: BTreeSet<i64> = behind.events.iter().copied().collect();
    assert_eq!(once.len(), behind.events.len());
    for kind in [Kind::TaskOpened, Kind::TaskDone] {
        let told = site.events(kind).await;
        let mine = told
            .iter()
            .find(|one| one.event.subject == number.to_string());
        assert!(once.contains(&mine.unwrap().id), "{kind:?}");
    }
    let task = made
        .tasks
        .iter()
        .find(|one| one.task.number == number)
        .unwrap();
    let text = page::task(task);
    assert!(
        text.contains("- 対象期間 / Period: 2026-07") && text.contains("chief"),
        "{text}"
    );
    let text = page::clause(review, &behind);
    assert!(
        text.starts_with("# 8.2-2\n") && text.contains(&number.to_string()),
        "{text}"
    );

    // The newest of them, and how many there were before.
    let few = found(&site, &review.events, i64::MAX, 2).await;
    assert_eq!(few.events, behind.events[behind.events.len() - 2..]);
    assert_eq!(
        few.left_out,
        u64::try_from(behind.events.len() - 2).unwrap()
    );
    // Up to an event, and nothing behind it.
    let first = behind.events[0];
    let until = found(&site, &review.events, first, 10).await;
    assert_eq!((until.events, until.left_out), (vec![first], 0));
}

#[tokio::test]
async fn a_period_has_what_was_in_it() {
    let (site, rules, begin) = lived().await;
    let early = all(
        begin,
        begin.checked_add(SignedDuration::from_hours(24)).unwrap(),
    );
    let made = dossier(&site, &rules, &early).await.unwrap();
    assert!(made.tasks.is_empty() && made.reports.is_empty());
    for clause in &made.clauses {
        for filter in &clause.events {
            assert!(!filter.kinds.is_empty(), "{}", clause.clause.clause.id);
            assert_eq!((filter.from, filter.to), (Some(early.from), Some(early.to)));
        }
    }
    let standing = made
        .clauses
        .iter()
        .find(|one| one.clause.clause.id == "4.2-3")
        .unwrap();
    let behind = found(&site, &standing.events, i64::MAX, 100).await;
    assert!(!behind.events.is_empty());
    let one = Wanted {
        clause: Some("99.9-9".to_owned()),
        ..early.clone()
    };
    let refused = dossier(&site, &rules, &one).await;
    assert!(matches!(refused, Err(CommandError::NoSuch { .. })));

    // Of one clause nothing else is told.
    let end = site
        .store
        .now()
        .checked_add(SignedDuration::from_secs(1))
        .unwrap();
    let manager = site.caller("manager").await;
    let args = incident::Open {
        kind: incident::IncidentKind::Credential,
        name: Some("taro@example.jp".to_owned()),
        peer: None,
        reason: "reported".to_owned(),
        since: None,
    };
    let opened = incident::open(&manager, args).await.unwrap();
    let one = Wanted {
        clause: Some("8.2-2".to_owned()),
        ..all(begin, end)
    };
    let made = dossier(&site, &rules, &one).await.unwrap();
    assert_eq!(made.clauses.len(), 1);
    assert!(made.incidents.is_empty() && made.tasks.iter().all(|one| one.task.workflow == REVIEW));
    let later = all(
        begin,
        end.checked_add(SignedDuration::from_secs(60)).unwrap(),
    );
    let made = dossier(&site, &rules, &later).await.unwrap();
    let [told] = &made.incidents[..] else {
        panic!("{:?}", made.incidents);
    };
    assert_eq!(told.number, opened.number);
    assert!(page::incident(told).contains("- 種類 / Kind: credential"));
}

#[tokio::test]
async fn however_many_there_are_memory_holds_the_newest() {
    let (site, rules, begin) = lived().await;
    let write = |tx: &mut store::Tx<'_>| {
        for number in 0..2500 {
            let event = trail::Event::new(Kind::TrailRead, trail::Actor::System);
            drop(tx.record(
                &event.detail("filter", serde_json::json!({ "limit": number })),
                (),
            )?);
        }
        let last = trail::Event::new(Kind::TrailRead, trail::Actor::System);
        tx.record(&last.detail("filter", serde_json::json!({})), ())
    };
    let written: Result<_, store::Error> = site.store.commit(Vec::new(), write).await;
    written.unwrap();
    let end = site
        .store
        .now()
        .checked_add(SignedDuration::from_secs(1))
        .unwrap();
    let made = dossier(&site, &rules, &all(begin, end)).await.unwrap();
    let reading = made
        .clauses
        .iter()
        .find(|one| one.clause.clause.id == "8.2-1-a")
        .unwrap();
    let behind = found(&site, &reading.events, i64::MAX, 1200).await;
    assert_eq!(behind.events.len(), 1200);
    assert!(behind.left_out >= 1301, "{}", behind.left_out);
    let filter = Filter {
        kinds: vec![Kind::TrailRead],
        ..Filter::default()
    };
    let every = site
        .store
        .read(move |sql| event::search(sql, &filter, 10_000));
    let every: Result<_, store::Error> = every.await;
    let every: Vec<i64> = every.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(behind.events.last(), every.last());
}
