//! Incidents that lie: people are reminded, clauses turn red; the reports of an opening and of an end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use directory::{
    Role,
    command::{
        CommandError, account,
        incident::{self, IncidentKind, Open},
        order, person, role,
    },
};
use governance::{State, incident as governed, report};
use site::Site;
use store::{Error, Tx};
use support::{good, look, rules, state};
use trail::{Actor, Event, Kind};

async fn open(site: &Site, kind: IncidentKind) -> i64 {
    open_by(site, "guard", kind).await
}

async fn open_by(site: &Site, who: &str, kind: IncidentKind) -> i64 {
    let who = site.caller(who).await;
    let args = Open {
        kind,
        name: None,
        reason: "報告".to_owned(),
        since: None,
        peer: None,
    };
    let view = incident::open(&who, args).await.unwrap();
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
    let guard = site.caller("chief").await;
    let report = report::list(&guard).await.unwrap()[0].number;
    report::acknowledge(&guard, report).await.unwrap();
    let view = incident::show(&guard, number).await.unwrap();
    assert_eq!(view.missing, ["measure-taken"]);
    let twice = report::acknowledge(&guard, report).await;
    assert!(matches!(twice, Err(CommandError::State(_))), "{twice:?}");
}

#[tokio::test]
async fn whoever_opened_an_incident_does_not_acknowledge_it_while_another_could() {
    let site = Site::open().await;
    let rules = rules();
    let (chief, deputy) = (site.caller("chief").await, site.caller("deputy").await);
    let number = open_by(&site, "chief", IncidentKind::Relay).await;
    let report = report::list(&chief).await.unwrap()[0].number;
    let own = report::acknowledge(&chief, report).await.unwrap_err();
    assert!(own.to_string().contains("another person"), "{own}");
    let own = governed::step(&chief, number, "acknowledged", "read").await;
    assert!(own.unwrap_err().to_string().contains("another person"));
    report::acknowledge(&deputy, report).await.unwrap();
    let told = site.events(Kind::ReportAcknowledged).await;
    assert!(!told[0].event.detail.contains_key("single_person"));

    // The one security officer has nobody to turn to, and it is told that they acknowledged it themselves.
    role::revoke(&deputy, "chief", Role::SecurityOfficer)
        .await
        .unwrap();
    let number = open_by(&site, "guard", IncidentKind::Backscatter).await;
    let guard = site.caller("guard").await;
    governed::step(&guard, number, "acknowledged", "read")
        .await
        .unwrap();
    let told = site.events(Kind::IncidentStep).await;
    let last = told
        .iter()
        .rev()
        .find(|one| one.event.detail["step"] == "acknowledged");
    assert_eq!(last.unwrap().event.detail["single_person"], true);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, "backscatter-incident"), State::Pending);
}

/// A report that nobody could be sent is not said to be sent, and one that nobody reads is told of again.
#[tokio::test]
async fn a_report_that_reaches_nobody_is_not_sent_and_one_that_nobody_reads_is_told_of_again() {
    let site = Site::open().await;
    let number = open(&site, IncidentKind::Backscatter).await;
    let report = async || site.store.read(|sql| report::unsent(sql)).await.unwrap();
    assert_eq!(report().await.len(), 1);
    let note = async |told: Vec<message::Address>| {
        let work = move |tx: &mut Tx<'_>| report::note_sent(tx, 1, Role::SecurityOfficer, &told);
        site.store.commit::<_, Error>(Vec::new(), work).await
    };
    note(Vec::new()).await.unwrap();
    // It is told once, and tried again.
    assert!(matches!(note(Vec::new()).await, Err(Error::NotFound(_))));
    let waiting = report().await;
    assert!(waiting.len() == 1 && waiting[0].untold, "{waiting:?}");
    note(vec![site::address("guard@example.jp")]).await.unwrap();
    assert!(report().await.is_empty());
    assert!(matches!(note(Vec::new()).await, Err(Error::NotFound(_))));

    let due = async || {
        let now = site.store.now();
        let read = move |sql: &mut store::Snapshot<'_>| report::unacknowledged(sql, now);
        site.store.read(read).await.unwrap()
    };
    site.days(6);
    assert!(due().await.is_empty());
    site.days(1);
    let again = due().await.remove(0);
    assert_eq!(again.roles, [Role::SecurityOfficer]);
    let told = again.clone();
    let work = move |tx: &mut Tx<'_>| report::note_reminded(tx, &told, &[]);
    site.store
        .commit::<_, Error>(Vec::new(), work)
        .await
        .unwrap();
    let work = move |tx: &mut Tx<'_>| report::note_reminded(tx, &again, &[]);
    let twice = site.store.commit::<_, Error>(Vec::new(), work).await;
    assert!(matches!(twice, Err(Error::NotFound(_))));
    assert!(due().await.is_empty());
    site.days(7);
    let escalated = due().await.remove(0);
    assert_eq!(
        escalated.roles,
        [Role::SecurityOfficer, Role::SystemOfficer]
    );
    let chief = site.caller("chief").await;
    governed::step(&chief, number, "acknowledged", "read")
        .await
        .unwrap();
    assert!(due().await.is_empty());
}

/// The own listeners were probed, with these findings.
async fn probed(site: &Site, facts: &[(&'static str, &str)]) {
    let mut event = Event::new(Kind::ProbeDone, Actor::System)
        .detail("listeners", vec!["smtp"])
        .detail("passed", 9)
        .detail("warned", Vec::<String>::new());
    for name in ["failed", "could-not-tell", "unreached"] {
        let named = facts.iter().filter(|(fact, _)| *fact == name);
        let named: Vec<&str> = named.map(|(_, what)| *what).collect();
        event = event.detail(name, named);
    }
    let work = move |tx: &mut Tx<'_>| tx.record(&event, ());
    site.store
        .commit::<(), Error>(Vec::new(), work)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_relay_incident_ends_when_a_probe_shows_that_every_door_is_shut() {
    let site = Site::open().await;
    let number = open(&site, IncidentKind::Relay).await;
    let chief = site.caller("chief").await;
    let why = async || {
        let refused = governed::close(&chief, number).await;
        refused.unwrap_err().to_string()
    };
    assert!(why().await.contains("were not probed since"));
    for (found, expected) in [
        (("failed", "smtp relay.plain"), "failed: smtp relay.plain"),
        (("unreached", "smtp: it is refused"), "did not reach all"),
        (("could-not-tell", "smtp relay.plain"), "could not tell"),
    ] {
        probed(&site, &[found]).await;
        let why = why().await;
        assert!(why.contains(expected), "{why}");
    }
    // What is no door, and whose times chance decides, keeps nothing open.
    probed(
        &site,
        &[
            ("could-not-tell", "smtp enumeration.recipient-time"),
            ("failed", "smtp tls.tls-1.0"),
        ],
    )
    .await;
    let why = why().await;
    assert!(why.contains("missing"), "{why}");
}

/// Nobody resumes the identifier of one who has left: its incident does not wait for that, or the account could never be deleted.
#[tokio::test]
async fn an_incident_of_one_who_has_left_is_closed_and_the_account_deleted() {
    const TARO: &str = "taro@example.jp";
    let site = Site::open().await;
    let (guard, manager) = (site.caller("guard").await, site.caller("manager").await);
    site.issue("taro", TARO).await;
    let args = Open {
        kind: IncidentKind::Credential,
        name: Some(TARO.to_owned()),
        reason: "報告".to_owned(),
        since: None,
        peer: None,
    };
    let number = incident::open(&guard, args).await.unwrap().number;
    let told = move |tx: &mut Tx<'_>| incident::note_report(tx, number, &[], "00ff");
    site.store
        .commit::<_, Error>(Vec::new(), told)
        .await
        .unwrap();
    let why = async || {
        let refused = governed::close(&guard, number).await;
        refused.unwrap_err().to_string()
    };
    let missing = "acknowledged, password-renewed, handed-over, resumed missing";
    assert!(why().await.contains(missing));
    person::leave(&site.caller("clerk").await, "taro")
        .await
        .unwrap();
    account::password(&manager, TARO, None).await.unwrap();
    assert!(account::resume(&manager, TARO).await.is_err());
    // What can be done is still to be done.
    let why = why().await;
    assert!(
        why.contains("closed: reported, acknowledged missing"),
        "{why}"
    );
    let chief = site.caller("chief").await;
    governed::step(&chief, number, "acknowledged", "read")
        .await
        .unwrap();
    let closed = governed::close(&guard, number).await.unwrap();
    let steps = closed.steps.iter();
    let settled = steps.filter(|step| step.note.contains("has left"));
    let mut settled: Vec<&str> = settled.map(|step| step.step.as_str()).collect();
    settled.sort_unstable();
    assert_eq!(settled, ["handed-over", "password-renewed", "resumed"]);
    let told = site.events(Kind::IncidentStep).await;
    let by_server = told.iter().filter(|one| one.event.actor == Actor::System);
    let noted = by_server.filter(|one| {
        let note = one.event.detail.get("note");
        note.is_some_and(|note| note.to_string().contains("has left"))
    });
    assert_eq!(noted.count(), 3);

    let wish = order::DeleteOrder {
        for_person: "taro".to_owned(),
        address: None,
        not_before: None,
    };
    let number = order::delete(&chief, wish).await.unwrap();
    site.approve(number).await;
    account::delete(&manager, number).await.unwrap();
}
