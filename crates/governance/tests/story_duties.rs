//! What people owe beside reviews: warnings of plaintext logins, faults to be put right, capacity, experts, a closer look at attacks.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use std::collections::BTreeMap;

use directory::{
    Attempt, Language, Role,
    command::{CommandError, language, role},
};
use governance::{State, clause, expert, facts::Facts, fault::Named, plaintext, remind, task};
use jiff::civil::date;
use site::{Site, attempt};
use store::{Tx, params};
use support::{answers, good, look, rules, state};
use trail::{Actor, Event, Kind};

/// A statement that no command would make.
async fn around(site: &Site, statement: &str) {
    let statement = statement.to_owned();
    let work = move |tx: &mut Tx<'_>| {
        tx.execute(&statement, params![])?;
        tx.record(&Event::new(Kind::ServerStopped, Actor::System), ())
    };
    let done = site.store.commit::<(), store::Error>(Vec::new(), work);
    done.await.unwrap();
}

async fn warned(site: &Site, facts: &Facts) -> Vec<String> {
    let (known, now) = (facts.clone(), site.store.now());
    let due = site
        .store
        .read(move |snapshot| plaintext::due(snapshot, &known, now))
        .await
        .unwrap();
    let names = due.iter().map(|one| one.identifier.clone()).collect();
    for one in due {
        let networks = facts.plaintext_networks.clone();
        let note = move |tx: &mut Tx<'_>| plaintext::note(tx, &one, &networks, true);
        site.store.commit(Vec::new(), note).await.unwrap();
    }
    names
}

#[tokio::test]
async fn holders_are_warned_of_logins_without_tls_once_a_period_and_of_their_own() {
    let site = Site::open().await;
    let rules = rules();
    let password = site.issue("taro", "taro@example.jp").await;
    site.issue("jiro", "jiro@example.jp").await;
    let mut facts = good(&site);
    let check = "plaintext-warning";
    assert_eq!(
        state(&look(&site, &rules, &facts).await, check),
        State::NotAdopted
    );
    assert!(warned(&site, &facts).await.is_empty());
    facts.plaintext_networks = vec!["192.0.2.0/24".to_owned()];
    assert_eq!(
        state(&look(&site, &rules, &facts).await, check),
        State::Pending
    );
    site.days(2);
    let seen = look(&site, &rules, &facts).await;
    assert_eq!(state(&seen, check), State::NotMet);
    assert!(seen[check].finding.why.en.contains("taro@example.jp"));
    assert_eq!(
        warned(&site, &facts).await,
        ["taro@example.jp", "jiro@example.jp"]
    );
    assert!(warned(&site, &facts).await.is_empty());
    assert_eq!(state(&look(&site, &rules, &facts).await, check), State::Met);
    // taro's program does log in without TLS; on the machine itself that crosses no network.
    let plain = |peer: &str| Attempt {
        tls: false,
        peer: peer.parse().unwrap(),
        ..attempt("PLAIN")
    };
    let from = plain("127.0.0.1");
    let login = site
        .directory
        .authenticate(&from, "taro@example.jp", password.expose());
    login.await.unwrap();
    assert!(warned(&site, &facts).await.is_empty());
    let from = plain("192.0.2.9");
    let login = site
        .directory
        .authenticate(&from, "taro@example.jp", password.expose());
    login.await.unwrap();
    assert_eq!(
        state(&look(&site, &rules, &facts).await, check),
        State::Pending
    );
    assert_eq!(warned(&site, &facts).await, ["taro@example.jp"]);
    let event = site.last_event(Kind::PlaintextWarned).await.event;
    assert_eq!(event.detail["used_from"], "192.0.2.9");
    assert_eq!(event.detail["used_with"], "imap");
    assert_eq!(event.detail["networks"][0], "192.0.2.0/24");
    // Within the period nobody hears of it again, however often it happens.
    site.days(30);
    let from = plain("192.0.2.9");
    let login = site
        .directory
        .authenticate(&from, "taro@example.jp", password.expose());
    login.await.unwrap();
    assert!(warned(&site, &facts).await.is_empty());
    site.days(151);
    assert_eq!(warned(&site, &facts).await.len(), 2);
}

#[tokio::test]
async fn a_person_is_written_to_in_their_own_language() {
    let site = Site::open().await;
    site.issue("taro", "taro@example.jp").await;
    site.issue("jiro", "jiro@example.jp").await;
    let taro = site.caller("taro").await;
    language::set(&taro, "taro", Some(Language::En))
        .await
        .unwrap();
    let others = language::set(&taro, "jiro", Some(Language::En)).await;
    assert!(
        matches!(others, Err(CommandError::NotPermitted(_))),
        "{others:?}"
    );
    let clerk = site.caller("clerk").await;
    let shown = language::set(&clerk, "jiro", Some(Language::Ja))
        .await
        .unwrap();
    assert_eq!(shown.language, Some(Language::Ja));
    assert_eq!(
        site.last_event(Kind::PersonLanguage).await.event.detail["language"],
        "ja"
    );
    let to = || {
        vec![
            site::address("taro@example.jp"),
            site::address("jiro@example.jp"),
        ]
    };
    let found = site
        .directory
        .by_language(to(), Language::Both)
        .await
        .unwrap();
    assert_eq!(found[&Language::En], [site::address("taro@example.jp")]);
    assert_eq!(found[&Language::Ja], [site::address("jiro@example.jp")]);
    language::set(&clerk, "jiro", None).await.unwrap();
    let found = site
        .directory
        .by_language(to(), Language::Both)
        .await
        .unwrap();
    assert_eq!(found[&Language::Both], [site::address("jiro@example.jp")]);
}

#[tokio::test]
async fn what_a_review_finds_becomes_work_that_keeps_its_clause_red_until_it_is_done() {
    let site = Site::open().await;
    let rules = rules();
    let chief = site.caller("chief").await;
    role::grant(&chief, "deputy", Role::Administrator)
        .await
        .unwrap();
    look(&site, &rules, &good(&site)).await;
    site.days(366);
    look(&site, &rules, &good(&site)).await;
    let deputy = site.caller("deputy").await;
    let review = "configuration-review";
    let open = task::list(&deputy, &rules, task::Which::default())
        .await
        .unwrap();
    let number = open
        .iter()
        .find(|task| task.workflow == review)
        .unwrap()
        .number;
    let all = answers(&rules, review);
    let today = rules.calendar.date(site.store.now());
    let fault = |text: &str, days: i32, role: Option<Role>| Named {
        fault: text.to_owned(),
        due: today.checked_add(jiff::Span::new().days(days)).unwrap(),
        role,
    };
    // A day that is over, and staff, are refused, and nothing is done.
    for wrong in [
        fault("relaying", -1, None),
        fault("relaying", 9, Some(Role::Staff)),
    ] {
        let refused = task::done(&deputy, &rules, number, all.clone(), vec![wrong]).await;
        assert!(
            matches!(refused, Err(CommandError::Argument(_))),
            "{refused:?}"
        );
    }
    let faults = vec![
        fault("relaying is too wide", 10, None),
        fault("letters lie about", 20, Some(Role::AccountManager)),
    ];
    task::done(&deputy, &rules, number, all.clone(), faults.clone())
        .await
        .unwrap();
    // Nothing is opened before another person approved, and a review that is rejected takes its faults with it.
    let corrections = async || {
        let rules = rules.clone();
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            governance::fault::corrections(snapshot, &rules, None)
        };
        site.store.read(read).await.unwrap()
    };
    assert!(corrections().await.is_empty());
    task::reject(&chief, &rules, number, "more is at fault")
        .await
        .unwrap();
    task::done(&deputy, &rules, number, all, faults)
        .await
        .unwrap();
    let closed = task::approve(&chief, &rules, number).await.unwrap();
    let found = corrections().await;
    assert_eq!(found.len(), 2);
    assert!(
        found
            .iter()
            .all(|one| one.clauses.contains(&"4.3-6".to_owned())),
        "{found:?}"
    );
    let report = governance::report::show(&chief, closed.reports[0])
        .await
        .unwrap();
    assert!(report.text.contains("letters lie about"), "{}", report.text);
    let opened = site.events(Kind::TaskOpened).await;
    let of = opened
        .iter()
        .filter(|one| one.event.detail.get("of").is_some());
    assert_eq!(of.count(), 2);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, review), State::Met);

    // Each is owed by its own role and approved by those above it; reminders say so.
    let wide = found
        .iter()
        .find(|one| one.fault.starts_with("relaying"))
        .unwrap();
    let letters = found
        .iter()
        .find(|one| one.fault.starts_with("letters"))
        .unwrap();
    let due = {
        let (rules, now) = (rules.clone(), site.store.now());
        let read = move |snapshot: &mut store::Snapshot<'_>| remind::due(snapshot, &rules, now);
        site.store.read(read).await.unwrap()
    };
    let reminder = due.iter().find(|one| one.task == letters.task).unwrap();
    assert_eq!(reminder.roles, [Role::AccountManager]);
    assert!(reminder.text.ja.contains("letters lie about") && reminder.text.en.contains("4.3-6"));
    let correction = answers(&rules, "correction");
    let refused = task::done(
        &deputy,
        &rules,
        letters.task,
        correction.clone(),
        Vec::new(),
    )
    .await;
    assert!(
        matches!(refused, Err(CommandError::NotPermitted(_))),
        "{refused:?}"
    );

    // One is forgotten.
    let manager = site.caller("manager").await;
    task::done(
        &manager,
        &rules,
        letters.task,
        correction.clone(),
        Vec::new(),
    )
    .await
    .unwrap();
    task::approve(&chief, &rules, letters.task).await.unwrap();
    site.days(12);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(
        state(&seen, review),
        State::NotMet,
        "{:?}",
        seen[review].finding
    );
    assert!(seen[review].finding.why.ja.contains("是正"));
    let view = clause::show(&chief, &rules, &good(&site), "4.3-6")
        .await
        .unwrap();
    assert_eq!(view.clause.state, State::NotMet);
    let more = vec![fault("another", 40, None)];
    let refused = task::done(&deputy, &rules, wide.task, correction.clone(), more).await;
    assert!(
        matches!(refused, Err(CommandError::Argument(_))),
        "{refused:?}"
    );
    task::done(&deputy, &rules, wide.task, correction, Vec::new())
        .await
        .unwrap();
    let own = task::approve(&deputy, &rules, wide.task).await;
    assert!(own.is_err(), "who did it approves it");
    task::approve(&chief, &rules, wide.task).await.unwrap();
    // The report of the review was not acknowledged meanwhile: that is another matter.
    let guard = site.caller("chief").await;
    governance::report::acknowledge(&guard, closed.reports[0])
        .await
        .unwrap();
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(
        state(&seen, review),
        State::Met,
        "{:?}",
        seen[review].finding
    );

    // The next review is told of them.
    site.days(366);
    look(&site, &rules, &good(&site)).await;
    let open = task::list(&chief, &rules, task::Which::default())
        .await
        .unwrap();
    let next = open
        .iter()
        .find(|task| task.workflow == review && task.number != number)
        .unwrap();
    let shown = task::show(&chief, &rules, next.number).await.unwrap();
    assert_eq!(shown.facts["corrections"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn experts_are_at_hand_as_long_as_a_contract_is_in_force_and_they_can_be_reached() {
    let site = Site::open().await;
    let rules = rules();
    let check = "expert-at-hand";
    let guard = site.caller("guard").await;
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::NotMet
    );
    let new = expert::New {
        name: "Experts Ltd".to_owned(),
        contact: "03-0000-0000".to_owned(),
        from: date(2026, 4, 1),
        until: date(2027, 3, 31),
        renew_by: None,
    };
    let deputy = site.caller("deputy").await;
    let refused = expert::add(&deputy, &rules, new.clone()).await;
    assert!(
        matches!(refused, Err(CommandError::NotPermitted(_))),
        "{refused:?}"
    );
    let backwards = expert::New {
        until: date(2026, 3, 1),
        ..new.clone()
    };
    assert!(expert::add(&guard, &rules, backwards).await.is_err());
    let added = expert::add(&guard, &rules, new).await.unwrap();
    assert_eq!(
        (added.state, added.renew_by),
        ("in-force", date(2027, 1, 30))
    );
    assert_eq!(added.drill_by, date(2027, 4, 1));
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::Met
    );
    // They do not answer.
    let number = added.number;
    expert::drill(&guard, &rules, number, None, false, "nobody answered")
        .await
        .unwrap();
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, check), State::NotMet);
    expert::drill(&guard, &rules, number, None, true, "answered at once")
        .await
        .unwrap();
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::Met
    );
    let early = expert::drill(&guard, &rules, number, Some(date(2026, 1, 1)), true, "x").await;
    assert!(early.is_err());

    // A task tells that it is to be renewed, before the day; nobody does.
    site.days(120);
    look(&site, &rules, &good(&site)).await;
    look(&site, &rules, &good(&site)).await;
    let open = task::list(&guard, &rules, task::Which::default())
        .await
        .unwrap();
    let renewals = open.iter().filter(|task| task.workflow == "expert-renewal");
    assert_eq!(renewals.count(), 1);
    site.days(30);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(
        state(&seen, check),
        State::Pending,
        "{:?}",
        seen[check].finding
    );
    site.days(60);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(
        state(&seen, check),
        State::NotMet,
        "{:?}",
        seen[check].finding
    );
    let shorter = expert::renew(&guard, &rules, number, date(2027, 1, 1), None, None).await;
    assert!(shorter.is_err());
    expert::renew(
        &guard,
        &rules,
        number,
        date(2029, 3, 31),
        None,
        Some("03-1111".to_owned()),
    )
    .await
    .unwrap();
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::Met
    );
    // A year later it was not tried again.
    site.days(200);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, check), State::NotMet);
    assert!(
        seen[check].finding.why.en.contains("tried"),
        "{:?}",
        seen[check].finding
    );
    let open = task::list(&guard, &rules, task::Which::default())
        .await
        .unwrap();
    assert!(open.iter().any(|task| task.workflow == "expert-drill"));
    expert::end(&guard, &rules, number, "another is better")
        .await
        .unwrap();
    assert!(
        expert::renew(&guard, &rules, number, date(2030, 1, 1), None, None)
            .await
            .is_err()
    );
    let kinds = [
        Kind::ExpertAdded,
        Kind::ExpertDrilled,
        Kind::ExpertRenewed,
        Kind::ExpertEnded,
    ];
    let mut counts = Vec::new();
    for kind in kinds {
        counts.push(site.events(kind).await.len());
    }
    assert_eq!(counts, [1, 2, 1, 1]);
}

#[tokio::test]
async fn mailboxes_are_measured_each_month_and_what_stays_full_is_red() {
    let site = Site::open().await;
    let rules = rules();
    let check = "mailbox-capacity";
    site.issue("taro", "taro@example.jp").await;
    site.issue("jiro", "jiro@example.jp").await;
    let usage = |bytes: u64, quota: u64| {
        format!("UPDATE account_usage SET bytes = {bytes}, messages = 7, quota = {quota}")
    };
    let mib = |count: u64| count << 20;
    around(&site, &usage(mib(100), mib(1000))).await;
    look(&site, &rules, &good(&site)).await;
    look(&site, &rules, &good(&site)).await;
    assert_eq!(site.events(Kind::CapacityMeasured).await.len(), 1);
    let (mut size, mut seen) = (100, BTreeMap::new());
    for _ in 0..5 {
        site.days(30);
        size += 100;
        around(&site, &usage(mib(size), mib(1000))).await;
        seen = look(&site, &rules, &good(&site)).await;
    }
    let measured = site.events(Kind::CapacityMeasured).await;
    assert!(measured.len() >= 5, "{}", measured.len());
    let last = &measured.last().unwrap().event;
    assert_eq!(last.detail["mailboxes"], 2);
    let finding = &seen[check].finding;
    assert_eq!(finding.state, State::Met, "{finding:?}");
    // Two mailboxes that grow by 100 MiB a month each.
    let growth = finding.facts["growth_a_month"].as_u64().unwrap();
    assert!((mib(195)..mib(205)).contains(&growth), "{growth}");
    // The administrator's task has it all, and its report goes to the officer.
    let chief = site.caller("chief").await;
    role::grant(&chief, "deputy", Role::Administrator)
        .await
        .unwrap();
    let deputy = site.caller("deputy").await;
    let open = task::list(&deputy, &rules, task::Which::default())
        .await
        .unwrap();
    let cleanup = open
        .iter()
        .rfind(|task| task.workflow == "mailbox-cleanup")
        .unwrap();
    let all = answers(&rules, "mailbox-cleanup");
    let done = task::done(&deputy, &rules, cleanup.number, all, Vec::new())
        .await
        .unwrap();
    let filling = done.facts["capacity"]["filling"].as_array().unwrap();
    assert_eq!(filling.len(), 2, "{:?}", done.facts["capacity"]);
    assert!(filling[0]["quota_for_a_year"].as_u64().unwrap() > mib(1500));
    let report = governance::report::show(&chief, done.reports[0])
        .await
        .unwrap();
    assert!(
        report.text.contains("taro@example.jp") && report.text.contains("MiB"),
        "{}",
        report.text
    );

    around(&site, &usage(mib(950), mib(1000))).await;
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::Pending
    );
    site.days(32);
    look(&site, &rules, &good(&site)).await;
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(
        state(&seen, check),
        State::NotMet,
        "{:?}",
        seen[check].finding
    );
    around(&site, &usage(mib(950), mib(9000))).await;
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::Met
    );
    // The disk does not last.
    let mut facts = good(&site);
    facts.disk.as_mut().unwrap().free = facts.disk.unwrap().reserve + mib(300);
    let seen = look(&site, &rules, &facts).await;
    assert_eq!(state(&seen, check), State::NotMet);
    assert!(
        seen[check].finding.why.en.contains("disk"),
        "{:?}",
        seen[check].finding
    );
    // What single mailboxes took goes when its time is over; sums stay.
    facts.capacity.keep = jiff::SignedDuration::from_hours(40 * 24);
    site.days(32);
    look(&site, &rules, &facts).await;
    let last = site.last_event(Kind::CapacityMeasured).await.event;
    assert!(
        last.detail["dropped"].as_u64().unwrap() > 5,
        "{:?}",
        last.detail
    );
}

#[tokio::test]
async fn an_attack_that_nobody_looks_into_is_red_also_when_it_is_over() {
    let site = Site::open().await;
    let rules = rules();
    let check = "analysis-cracking-retrieval";
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::Met
    );
    let attack = async || {
        let work = |tx: &mut Tx<'_>| {
            for _ in 0..3000 {
                let event = Event::new(Kind::AuthenticationFailed, Actor::System)
                    .address("203.0.113.7".parse::<std::net::IpAddr>().unwrap())
                    .detail("protocol", "imap");
                drop(tx.record(&event, ())?);
            }
            tx.record(&Event::new(Kind::ServerStopped, Actor::System), ())
        };
        let done = site.store.commit::<(), store::Error>(Vec::new(), work);
        done.await.unwrap();
    };
    let analyse = async |from: &str, to: &str| {
        let span = serde_json::json!({ "from": from, "to": to });
        let event =
            Event::new(Kind::TrailRead, Actor::Person("chief".into())).detail("analysis", span);
        let work = move |tx: &mut Tx<'_>| tx.record(&event, ());
        let done = site.store.commit::<(), store::Error>(Vec::new(), work);
        done.await.unwrap();
    };
    attack().await;
    let seen = look(&site, &rules, &good(&site)).await;
    let finding = &seen[check].finding;
    assert_eq!(finding.state, State::Pending);
    assert_eq!(finding.facts["of_a_day"], 3000);
    assert_eq!(finding.facts["sources"][0], "203.0.113.7: 3000");
    // The next days are quiet, and nobody has looked.
    site.days(3);
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::Pending
    );
    site.days(5);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(
        state(&seen, check),
        State::NotMet,
        "{:?}",
        seen[check].finding
    );
    site.days(3);
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::NotMet
    );
    // Whoever looks at another time has not looked at it.
    for (from, to) in [
        ("2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        ("2026-09-29T00:00:00Z", "2026-12-01T00:00:00Z"),
    ] {
        analyse(from, to).await;
        let seen = look(&site, &rules, &good(&site)).await;
        assert_eq!(state(&seen, check), State::NotMet, "{from}");
    }
    analyse("2026-09-01T00:00:00Z", "2026-12-01T00:00:00Z").await;
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::Met
    );
    // Another one is another matter, but while somebody is at it.
    attack().await;
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::Met
    );
    site.days(2);
    attack().await;
    assert_eq!(
        state(&look(&site, &rules, &good(&site)).await, check),
        State::Pending
    );
}
