//! A finding claims no more than what was looked at: how far the trail was verified (clause 4.2), what is scanned (clause 5.2(4)).
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use directory::{Role, command::role};
use governance::{State, expert, report, task};
use jiff::civil::date;
use site::Site;
use store::{QueueId, Tx, params};
use support::{answers, good, look, rules, state, verified};
use trail::{Actor, Event, Kind};

/// What was verified long ago, or never, is unknown and not red; a fault stays red until a verification finds none.
#[tokio::test]
async fn the_trail_is_whole_as_far_as_it_was_verified() {
    let site = Site::open().await;
    let stands = async |most: i64| {
        site.store.checkpoint().await.unwrap();
        let mut facts = good(&site);
        facts.terms.trail_verified = most;
        let mut seen = look(&site, &rules(), &facts).await;
        seen.remove("trail-unbroken").unwrap().finding
    };
    let never = stands(7).await;
    assert_eq!(never.state, State::Unknown);
    assert!(never.why.en.contains("not verified yet"), "{never:?}");
    verified(&site, 0).await;
    assert_eq!(stands(7).await.state, State::Met);
    site.days(8);
    let old = stands(7).await;
    assert_eq!(old.state, State::Unknown);
    assert!(old.why.en.contains("last verified on"), "{old:?}");
    assert_eq!(stands(9).await.state, State::Met);
    verified(&site, 2).await;
    let red = stands(9).await;
    assert_eq!(red.state, State::NotMet);
    assert_eq!(red.facts["findings"], 2);
    assert!(red.facts.contains_key("verified_at"), "{red:?}");
    // It does not grow old into something milder.
    site.days(20);
    assert_eq!(stands(9).await.state, State::NotMet);
    verified(&site, 0).await;
    assert_eq!(stands(9).await.state, State::Met);
}

/// What MTA and MSA take is always scanned; of what mail programs put into mailboxes themselves the finding tells what the settings say.
#[tokio::test]
async fn what_is_scanned_is_told_as_the_settings_have_it() {
    let site = Site::open().await;
    for (append, words) in [(true, "IMAP APPEND is scanned"), (false, "is not scanned")] {
        let mut facts = good(&site);
        facts.scanning.append = append;
        let seen = look(&site, &rules(), &facts).await;
        let finding = &seen["every-path-scanned"].finding;
        assert_eq!(finding.state, State::Met);
        assert_eq!(finding.facts["append"], append);
        assert!(finding.why.en.contains(words), "{finding:?}");
    }
}

async fn write(site: &Site, events: Vec<Event>, statement: Option<&'static str>) {
    let work = move |tx: &mut Tx<'_>| {
        if let Some(statement) = statement {
            tx.execute(statement, params![])?;
        }
        for event in &events {
            drop(tx.record(event, ())?);
        }
        tx.record(&Event::new(Kind::ServerStopped, Actor::System), ())
    };
    let done = site.store.commit::<(), store::Error>(Vec::new(), work);
    done.await.unwrap();
}

/// One criterion that is too harsh is red, however much the others set apart rightly; the review is told of each (clause 5.3).
#[tokio::test]
async fn of_each_criterion_it_is_told_how_much_it_set_apart_wrongly() {
    let site = Site::open().await;
    let rules = rules();
    look(&site, &rules, &good(&site)).await;
    let of = |kind: Kind, cause: &str, count: usize| {
        let event = Event::new(kind, Actor::System).detail("cause", cause);
        vec![event; count]
    };
    let listed = |kind: Kind, list: &str, count: usize| {
        let event = Event::new(kind, Actor::System).detail("cause", "listed");
        vec![event.detail("criterion", list); count]
    };
    site.days(100);
    let events = [
        of(Kind::QuarantineKept, "words", 1000),
        of(Kind::QuarantineExpired, "words", 900),
        of(Kind::QuarantineKept, "dmarc", 30),
        of(Kind::QuarantineReleased, "dmarc", 4),
        of(Kind::QuarantineDeleted, "dmarc", 4),
        // Of one list, which the other hides in what both do together.
        listed(Kind::QuarantineKept, "fine.example", 500),
        listed(Kind::QuarantineKept, "harsh.example", 20),
        listed(Kind::QuarantineReleased, "harsh.example", 5),
    ];
    write(&site, events.concat(), None).await;
    let tried = Event::new(Kind::ScreeningTried, Actor::Person("chief".into()))
        .subject("2-abc")
        .detail("judged", 70)
        .detail("otherwise", 3);
    write(&site, vec![tried], None).await;
    let seen = look(&site, &rules, &good(&site)).await;
    let finding = &seen["quarantine-false-positives"].finding;
    assert_eq!(finding.state, State::NotMet);
    assert!(
        finding
            .why
            .en
            .ends_with(": dmarc (4/30), listed: harsh.example (5/20)"),
        "{finding:?}"
    );
    let rate = |one: &serde_json::Value| (one["cause"].clone(), one["wrong_percent"].clone());
    let rates = finding.facts["by_cause"].as_array().unwrap();
    assert_eq!(rate(&rates[0]), ("dmarc".into(), 50.0.into()));
    assert_eq!(rates[2]["criterion"], "harsh.example");
    assert_eq!(rate(&rates[3]), ("words".into(), 0.0.into()));

    // The review has the same of its whole year, with the trials in it.
    site.days(120);
    look(&site, &rules, &good(&site)).await;
    let chief = site.caller("chief").await;
    role::grant(&chief, "deputy", Role::Administrator)
        .await
        .unwrap();
    let open = task::list(&chief, &rules, task::Which::default())
        .await
        .unwrap();
    let review = open
        .iter()
        .find(|one| one.workflow == "screening-review")
        .unwrap();
    let shown = task::show(&chief, &rules, review.number).await.unwrap();
    let told = shown.facts["false_positives"].as_array().unwrap();
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[0]["released"], 4);
    let trials = shown.facts["trials"].as_array().unwrap();
    assert_eq!(
        (&trials[0]["by"], &trials[0]["otherwise"]),
        (&"person:chief".into(), &3.into())
    );
}

/// A message that several of those release whom it was for was wanted once (clause 5.3(2)).
#[tokio::test]
async fn a_message_that_several_people_release_counts_once() {
    let site = Site::open().await;
    let rules = rules();
    look(&site, &rules, &good(&site)).await;
    site.days(100);
    let new = || QueueId(site.store.next_id()).to_string();
    let ids: Vec<String> = (0..20).map(|_| new()).collect();
    let of = |kind, id: &str| {
        let event = Event::new(kind, Actor::System).subject(id);
        event.detail("cause", "words")
    };
    let kept = ids.iter().map(|id| of(Kind::QuarantineKept, id));
    let mut events: Vec<Event> = kept.collect();
    events.extend(vec![of(Kind::QuarantineReleased, &ids[0]); 3]);
    write(&site, events, None).await;
    let seen = look(&site, &rules, &good(&site)).await;
    let finding = &seen["quarantine-false-positives"].finding;
    assert_eq!(finding.state, State::Met, "{finding:?}");
    assert_eq!(
        (&finding.facts["set_apart"], &finding.facts["released"]),
        (&20.into(), &1.into())
    );
    // Days later, by hours that are over.
    site.days(2);
    let seen = look(&site, &rules, &good(&site)).await;
    let finding = &seen["quarantine-false-positives"].finding;
    let listed = finding.facts["by_cause"].as_array().unwrap();
    assert_eq!(listed[0]["set_apart_released"], 1, "{finding:?}");
    assert_eq!(listed[0]["wrong_percent"], 100.0, "{finding:?}");
}

/// What people take out of Junk counts against what had put it there, though it only marks (clause 5.3(2)).
#[tokio::test]
async fn what_is_taken_out_of_junk_counts_against_what_had_marked_it() {
    let site = Site::open().await;
    let rules = rules();
    look(&site, &rules, &good(&site)).await;
    site.days(100);
    let of = |kind: Kind, rule: &str| {
        let event = Event::new(kind, Actor::System).detail("cause", "rule");
        event.detail("criterion", rule)
    };
    let marked = |rule, count: u64| of(Kind::MailMarked, rule).detail("mailboxes", count);
    let back = |rule| of(Kind::WordsLearned, rule).detail("junk", false);
    let events = [
        vec![marked("fine", 500), back("fine"), marked("harsh", 20)],
        vec![back("harsh"); 3],
    ];
    write(&site, events.concat(), None).await;
    let seen = look(&site, &rules, &good(&site)).await;
    let finding = &seen["quarantine-false-positives"].finding;
    assert_eq!(finding.state, State::NotMet);
    assert!(
        finding.why.en.ends_with(": rule: harsh (3/20)"),
        "{finding:?}"
    );
    let rates = finding.facts["by_cause"].as_array().unwrap();
    assert_eq!(rates[1]["returned_percent"], 15.0);
    assert_eq!(finding.facts["returned"], 4);
}

/// The review of shared identifiers is about each of them, and so is its report to the administrators (clause 8.1).
#[tokio::test]
async fn the_review_of_shared_identifiers_lists_each() {
    let site = Site::open().await;
    let rules = rules();
    site.issue("taro", "taro@example.jp").await;
    let shared = "INSERT INTO shared_identifier (account, order_number, review_at) SELECT id, order_number, 2000000000000000 FROM account LIMIT 1";
    write(&site, Vec::new(), Some(shared)).await;
    let user = "INSERT INTO shared_user (account, person, added_at) SELECT a.id, p.id, 1 FROM account a JOIN person p ON p.name = 'jiro'";
    write(&site, Vec::new(), Some(user)).await;
    look(&site, &rules, &good(&site)).await;
    site.days(366);
    look(&site, &rules, &good(&site)).await;
    let chief = site.caller("chief").await;
    let open = task::list(&chief, &rules, task::Which::default())
        .await
        .unwrap();
    let review = open
        .iter()
        .find(|one| one.workflow == "shared-identifier-review")
        .unwrap();
    let shown = task::show(&chief, &rules, review.number).await.unwrap();
    let listed = shown.facts["shared"].as_array().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["identifier"], "taro@example.jp");
    assert_eq!(listed[0]["users"], serde_json::json!(["jiro"]));
    assert!(listed[0]["review_at"].is_string() && listed[0]["order"].is_i64());
    let all = answers(&rules, "shared-identifier-review");
    let done = task::done(&chief, &rules, review.number, all, Vec::new())
        .await
        .unwrap();
    let report = report::show(&chief, done.reports[0]).await.unwrap();
    assert_eq!(report.report.to, "administrator");
    assert!(
        report.text.contains("taro@example.jp") && report.text.contains("jiro"),
        "{}",
        report.text
    );
}

/// What people owe beside tasks is as events tell; rows that no command made are found.
#[tokio::test]
async fn measures_contracts_and_warnings_are_verified() {
    let site = Site::open().await;
    let rules = rules();
    site.issue("taro", "taro@example.jp").await;
    look(&site, &rules, &good(&site)).await;
    let guard = site.caller("guard").await;
    let new = expert::New {
        name: "Experts Ltd".to_owned(),
        contact: "03-0000-0000".to_owned(),
        from: date(2026, 4, 1),
        until: date(2027, 3, 31),
        renew_by: None,
    };
    let number = expert::add(&guard, &rules, new).await.unwrap().number;
    expert::drill(&guard, &rules, number, None, true, "answered")
        .await
        .unwrap();
    let mut facts = good(&site);
    facts.plaintext_networks = vec!["192.0.2.0/24".to_owned()];
    let (known, now) = (facts.clone(), site.store.now());
    let due = site
        .store
        .read(move |snapshot| governance::plaintext::due(snapshot, &known, now))
        .await
        .unwrap();
    for one in due {
        let note = move |tx: &mut Tx<'_>| governance::plaintext::note(tx, &one, &[], true);
        site.store.commit(Vec::new(), note).await.unwrap();
    }
    assert_eq!(
        state(&look(&site, &rules, &facts).await, "plaintext-warning"),
        State::Met
    );
    let found = async || {
        let all = site.store.verify(|_| {}).await.unwrap();
        all.iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    assert_eq!(found().await, Vec::<String>::new());
    for (statement, words) in [
        (
            "UPDATE capacity SET octets = octets + 1, measured_at = measured_at + 1",
            "measure of",
        ),
        (
            "UPDATE expert SET added_at = added_at + 1",
            "contract with experts 1",
        ),
        (
            "UPDATE expert SET ended_at = added_at, ended_by = added_by",
            "contract with experts 1",
        ),
        ("UPDATE expert_drill SET noted_at = noted_at + 1", "drill 1"),
        (
            "UPDATE plaintext_login SET warned_at = warned_at + 1",
            "warning of account",
        ),
    ] {
        let before = found().await.len();
        write(&site, Vec::new(), Some(statement)).await;
        let after = found().await;
        assert!(after.len() > before, "{statement}: {after:?}");
        assert!(
            after.iter().any(|one| one.contains(words)),
            "{words}: {after:?}"
        );
    }
}
