//! Incidents that lie: people are reminded, clauses turn red; the reports of an opening and of an end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use directory::command::{
    CommandError,
    incident::{self, IncidentKind, Open},
};
use governance::{State, incident as governed, report};
use site::Site;
use store::{Error, Tx};
use support::{good, look, rules, state};
use trail::Kind;

async fn open(site: &Site, kind: IncidentKind) -> i64 {
    let guard = site.caller("guard").await;
    let args = Open {
        kind,
        name: None,
        reason: "報告".to_owned(),
        since: None,
        peer: None,
    };
    let view = incident::open(&guard, args).await.unwrap();
    // What the server does when it has told the officer.
    let number = view.number;
    let told = site
        .store
        .commit::<_, Error>(Vec::new(), move |tx: &mut Tx<'_>| {
            governed::report_opening(tx, &view, "text", &[])?;
            incident::note_report(tx, number, &[], "00ff")
        });
    told.await.unwrap();
    number
}

/// What is late now, noted as told.
async fn remind(site: &Site) -> Vec<(i64, Vec<String>)> {
    let late = governed::late(&site.directory, &site.store).await.unwrap();
    for one in late.clone() {
        let note = move |tx: &mut Tx<'_>| governed::note_late(tx, &one, &[]);
        site.store
            .commit::<_, Error>(Vec::new(), note)
            .await
            .unwrap();
    }
    let told = late.into_iter().map(|one| (one.incident, one.steps));
    told.collect()
}

#[tokio::test]
async fn who_is_late_is_reminded_and_the_clause_turns_red() {
    let site = Site::open().await;
    let rules = rules();
    let check = "backscatter-incident";
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, check), State::Met);
    let number = open(&site, IncidentKind::Backscatter).await;
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, check), State::Pending);
    assert_eq!(remind(&site).await, []);
    site.days(2);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, check), State::NotMet);
    let late = vec![(number, vec!["acknowledged".to_owned()])];
    assert_eq!(remind(&site).await, late);
    site.days(1);
    assert_eq!(remind(&site).await, [], "once a week");
    site.days(7);
    assert_eq!(remind(&site).await, late);
    assert_eq!(site.events(Kind::IncidentReminded).await.len(), 2);

    // The report is acknowledged with the step, by the officer alone.
    let (guard, chief) = (site.caller("guard").await, site.caller("chief").await);
    let not_hers = governed::step(&chief, number, "acknowledged", "").await;
    let reports = report::list(&guard).await.unwrap();
    assert_eq!(reports.len(), 1);
    if not_hers.is_err() {
        governed::step(&guard, number, "acknowledged", "read")
            .await
            .unwrap();
    }
    let reports = report::list(&guard).await.unwrap();
    assert!(reports[0].acknowledged_by.is_some(), "{reports:?}");
    let closed = governed::close(&guard, number).await.unwrap();
    assert!(closed.missing.is_empty());
    let again = governed::close(&guard, number).await;
    assert!(matches!(again, Err(CommandError::State(_))), "{again:?}");
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, check), State::Met);
    let reports = report::list(&guard).await.unwrap();
    assert_eq!(reports.len(), 2);
    let end = report::show(&guard, reports[0].number).await.unwrap();
    assert!(
        end.text.contains("acknowledged (guard)") || end.text.contains("acknowledged (chief)"),
        "{}",
        end.text
    );
}

#[tokio::test]
async fn an_acknowledged_report_is_the_step() {
    let site = Site::open().await;
    let number = open(&site, IncidentKind::Other).await;
    let guard = site.caller("guard").await;
    let report = report::list(&guard).await.unwrap()[0].number;
    report::acknowledge(&guard, report).await.unwrap();
    let view = incident::show(&guard, number).await.unwrap();
    assert_eq!(view.missing, ["measure-taken"]);
    let twice = report::acknowledge(&guard, report).await;
    assert!(matches!(twice, Err(CommandError::State(_))), "{twice:?}");
}
