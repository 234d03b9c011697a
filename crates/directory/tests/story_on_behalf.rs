//! What would let whoever does it read another's mail is done on an order, or in an incident that demands it (clause 7.1(4)).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use directory::{
    Options, Role,
    command::{
        Alone, Caller, CommandError, Executor, OrderKind, OrderProblem, account, incident, letter,
        on_behalf::{self, Whose},
        order, person, reading, role, second_factor, shared,
    },
};
use site::{Site, address};
use trail::{Event, Kind};

const TARO: &str = "taro@example.jp";
const JIRO: &str = "jiro@example.jp";

/// A site that demands orders.
async fn strict() -> Site {
    let site = Site::open().await;
    site.directory.reload(Options {
        password_needs_order: true,
        ..site::options()
    });
    site
}

fn whose(person: &str, of: Option<&str>) -> Whose {
    Whose {
        person: person.to_owned(),
        address: of.map(address),
    }
}

async fn ordered(site: &Site, person: &str) -> i64 {
    let chief = site.caller("chief").await;
    on_behalf::order_password(&chief, whose(person, None))
        .await
        .unwrap()
}

async fn approved(site: &Site, person: &str) -> i64 {
    let number = ordered(site, person).await;
    site.approve(number).await;
    number
}

/// `account password NAME --order N`
async fn set(
    site: &Site,
    caller: &Caller,
    name: &str,
    order: Option<i64>,
) -> Result<(), CommandError> {
    let alone = Alone(site.store.clone());
    let set = account::password_by(caller, (name, order), None, alone);
    set.await.map(drop)
}

/// `account letter NAME --order N`
async fn write(
    site: &Site,
    name: &str,
    again: Option<&str>,
    order: Option<i64>,
) -> Result<letter::Made, CommandError> {
    letter::make(
        &site.caller("manager").await,
        (name, "/x.pdf"),
        (again, order),
        (|_: &letter::Facts, _: &str| Vec::new(), |_: &[u8]| Ok(())),
        Alone(site.store.clone()),
    )
    .await
}

async fn own_password(site: &Site, name: &str) {
    let holder = site.caller(name.split('@').next().unwrap()).await;
    let chosen = Some("長い道のり9-ミチ".into());
    account::password(&holder, name, chosen).await.unwrap();
}

fn problem(result: Result<(), CommandError>) -> OrderProblem {
    match result.unwrap_err() {
        CommandError::Order { problem, .. } => problem,
        other => panic!("another error: {other}"),
    }
}

#[track_caller]
fn needs(result: Result<(), CommandError>, wanted: OrderKind) {
    match result.unwrap_err() {
        CommandError::NeedsOrder { kind, .. } => assert_eq!(kind, wanted),
        other => panic!("another error: {other}"),
    }
}

#[tokio::test]
async fn another_sets_a_password_on_an_order_and_once() {
    let site = strict().await;
    site.issue("taro", TARO).await;
    site.issue("jiro", JIRO).await;
    let manager = site.caller("manager").await;
    own_password(&site, TARO).await;
    let refused = set(&site, &manager, TARO, None).await;
    let words = refused.as_ref().unwrap_err().to_string();
    assert!(words.contains("order password"), "{words}");
    needs(refused, OrderKind::Password);
    assert_eq!(
        site.last_event(Kind::CommandGiven).await.event.outcome,
        trail::Outcome::Refused
    );

    let number = ordered(&site, "taro").await;
    let early = set(&site, &manager, TARO, Some(number)).await;
    assert_eq!(problem(early), OrderProblem::NotApproved);
    site.approve(number).await;
    let other = set(&site, &manager, JIRO, Some(number)).await;
    assert_eq!(problem(other), OrderProblem::Address(TARO.to_owned()));
    // Who approved it does not carry it out, whatever else they are; who asked for it may, since another agreed.
    let (chief, deputy) = (site.caller("chief").await, site.caller("deputy").await);
    for name in ["chief", "deputy"] {
        let granted = role::grant(&chief, name, Role::AccountManager);
        granted.await.unwrap();
    }
    let single = set(&site, &deputy, TARO, Some(number)).await;
    assert_eq!(problem(single), OrderProblem::SecondApprover);
    let asked = on_behalf::order_password(&manager, whose("jiro", None));
    let asked = asked.await.unwrap();
    site.approve(asked).await;
    set(&site, &manager, JIRO, Some(asked)).await.unwrap();
    let event = site.last_event(Kind::PasswordChanged).await.event;
    assert!(event.detail.get("single_person").is_none());
    // The holder needs none, and uses none up.
    let taro = site.caller("taro").await;
    let own = set(&site, &taro, TARO, Some(number)).await.unwrap_err();
    assert!(own.to_string().contains("no order is needed"), "{own}");

    set(&site, &manager, TARO, Some(number)).await.unwrap();
    let event = site.last_event(Kind::PasswordChanged).await.event;
    assert_eq!(event.order, Some(number));
    assert_eq!(event.detail["acting_role"], "account-manager");
    let again = set(&site, &manager, TARO, Some(number)).await;
    assert_eq!(problem(again), OrderProblem::Used);
    let shown = order::show(&chief, number).await.unwrap();
    assert_eq!(shown.used_by.as_deref(), Some("manager"));
    assert_eq!(shown.used_for.as_deref(), Some(TARO));

    // One for something else, and one that is over.
    let issue = site.order_issue("jiro", "jiro2@example.jp").await;
    site.approve(issue).await;
    let kind = problem(set(&site, &manager, TARO, Some(issue)).await);
    assert!(matches!(kind, OrderProblem::Kind { .. }), "{kind}");
    let late = approved(&site, "taro").await;
    site.days(31);
    let over = set(&site, &manager, TARO, Some(late)).await;
    assert_eq!(problem(over), OrderProblem::Expired);
}

#[tokio::test]
async fn the_order_to_issue_covers_the_first_letter_alone() {
    let site = strict().await;
    site.issue("taro", TARO).await;
    let issued_on = site.last_event(Kind::AccountIssued).await.event.order;
    assert!(letter::is_first(&site.directory, TARO).await.unwrap());
    write(&site, TARO, None, None).await.unwrap();
    assert!(!letter::is_first(&site.directory, TARO).await.unwrap());
    let event = site.last_event(Kind::PasswordChanged).await.event;
    assert_eq!(event.order, issued_on);
    let made = site.last_event(Kind::LetterMade).await.event;
    assert_eq!(made.order, issued_on);
    let lost = write(&site, TARO, Some("it was lost"), None).await;
    needs(lost.map(drop), OrderKind::Password);
    let number = approved(&site, "taro").await;
    write(&site, TARO, Some("it was lost"), Some(number))
        .await
        .unwrap();
    let event = site.last_event(Kind::PasswordChanged).await.event;
    assert_eq!(event.order, Some(number));
    let made = site.last_event(Kind::LetterMade).await.event;
    assert_eq!(made.order, Some(number));

    // Whose password was in use is no newcomer.
    let initial = site.issue("jiro", JIRO).await;
    site.login(JIRO, &initial).await.unwrap();
    let refused = write(&site, JIRO, None, None).await;
    needs(refused.map(drop), OrderKind::Password);
}

/// Whoever issued the account and was shown its password: another before anybody used it opens nothing more to them.
#[tokio::test]
async fn the_order_to_issue_covers_one_more_password_before_anybody_used_it() {
    let site = strict().await;
    let (chief, manager) = (site.caller("chief").await, site.caller("manager").await);
    // Nobody has seen this one.
    site.issue("jiro", JIRO).await;
    needs(set(&site, &manager, JIRO, None).await, OrderKind::Password);
    let number = site.order_issue("taro", TARO).await;
    site.approve(number).await;
    let issue = account::Issue {
        order: number,
        address: None,
        shown: true,
    };
    account::issue(&manager, issue).await.unwrap();
    site.clock.advance(std::time::Duration::from_secs(1));
    let issued_on = site.last_event(Kind::AccountIssued).await.event.order;
    // Nor has another account manager.
    role::grant(&chief, "guard", Role::AccountManager)
        .await
        .unwrap();
    let guard = site.caller("guard").await;
    needs(set(&site, &guard, TARO, None).await, OrderKind::Password);
    set(&site, &manager, TARO, None).await.unwrap();
    let event = site.last_event(Kind::PasswordChanged).await.event;
    assert_eq!(event.order, issued_on);
    needs(set(&site, &manager, TARO, None).await, OrderKind::Password);
}

/// Who is an operating-system user of somebody's has the mailbox that they are given: the approval has to know of it.
#[tokio::test]
async fn a_user_given_after_the_order_was_issued_gets_no_mailbox_by_it() {
    let site = strict().await;
    let (chief, manager) = (site.caller("chief").await, site.caller("manager").await);
    person::map(&chief, "taro", "taro1").await.unwrap();
    let number = site.order_issue("taro", TARO).await;
    let shown = order::show(&chief, number).await.unwrap();
    assert_eq!(shown.details.os_users, ["taro", "taro1"]);
    site.approve(number).await;
    person::map(&chief, "taro", "mallory").await.unwrap();
    let issue = |order| {
        let (address, shown) = (None, true);
        account::issue(
            &manager,
            account::Issue {
                order,
                address,
                shown,
            },
        )
    };
    let since = problem(issue(number).await.map(drop));
    assert_eq!(since, OrderProblem::UserSince("mallory".to_owned()));
    let anew = site.order_issue("taro", TARO).await;
    site.approve(anew).await;
    issue(anew).await.unwrap();

    // Of those who share an identifier, and of who is to read a mailbox, it is the same.
    let share = shared::ShareOrder {
        address: address(TARO),
        users: vec!["taro".to_owned(), "jiro".to_owned()],
        review_at: site.store.now() + jiff::SignedDuration::from_hours(24),
    };
    let number = shared::order(&chief, share).await.unwrap();
    site.approve(number).await;
    person::map(&chief, "jiro", "mallory2").await.unwrap();
    let by = Alone(site.store.clone());
    let since = problem(shared::share(&manager, number, by).await.map(drop));
    assert_eq!(since, OrderProblem::UserSince("mallory2".to_owned()));
    let read = reading::ReadOrder {
        address: address(TARO),
        reader: "jiro".to_owned(),
        purpose: "audit".to_owned(),
        until: site.store.now() + jiff::SignedDuration::from_hours(24),
    };
    let number = reading::order(&chief, read).await.unwrap();
    site.approve(number).await;
    person::map(&chief, "jiro", "mallory3").await.unwrap();
    let by = Alone(site.store.clone());
    let since = problem(reading::open(&manager, number, by).await.map(drop));
    assert_eq!(since, OrderProblem::UserSince("mallory3".to_owned()));
}

/// One person who holds every office has nobody to approve: it is done, and the event says that it was one person.
#[tokio::test]
async fn one_person_with_every_office_needs_no_order() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    own_password(&site, TARO).await;
    let chief = site.caller("chief").await;
    role::grant(&chief, "chief", Role::AccountManager)
        .await
        .unwrap();
    site.directory.reload(Options {
        password_needs_order: true,
        allow_single_person: true,
        ..site::options()
    });
    // There are others yet.
    needs(set(&site, &chief, TARO, None).await, OrderKind::Password);
    for officer in ["deputy", "manager", "clerk", "guard"] {
        person::leave(&chief, officer).await.unwrap();
    }
    // They count on for as long as an order lasts.
    needs(set(&site, &chief, TARO, None).await, OrderKind::Password);
    site.days(31);
    set(&site, &chief, TARO, None).await.unwrap();
    let event = site.last_event(Kind::PasswordChanged).await.event;
    assert_eq!(event.detail["single_person"], true);
    assert_eq!(event.order, None);
}

async fn open(site: &Site, by: &str, name: &str) -> i64 {
    let open = incident::Open {
        kind: incident::IncidentKind::Credential,
        name: Some(name.to_owned()),
        reason: "stolen".to_owned(),
        since: None,
        peer: None,
    };
    let by = site.caller(by).await;
    incident::open(&by, open).await.unwrap().number
}

#[tokio::test]
async fn an_incident_stands_for_the_order_if_somebody_else_had_a_part_in_it() {
    let site = strict().await;
    for (name, of) in [("taro", TARO), ("jiro", JIRO)] {
        site.issue(name, of).await;
        own_password(&site, of).await;
    }
    let (manager, guard) = (site.caller("manager").await, site.caller("guard").await);
    let theirs = open(&site, "guard", JIRO).await;
    set(&site, &manager, JIRO, None).await.unwrap();
    let event = site.last_event(Kind::PasswordChanged).await.event;
    assert_eq!(event.detail["incident"], theirs);
    assert_eq!(event.order, None);

    let own = open(&site, "manager", TARO).await;
    let refused = set(&site, &manager, TARO, None).await.unwrap_err();
    assert!(refused.to_string().contains("acknowledged"), "{refused}");
    // Somebody else reads what it is about.
    let to = [address("guard@example.jp")];
    let report = move |tx: &mut store::Tx<'_>| incident::note_report(tx, own, &to, "00");
    site.store.commit(Vec::new(), report).await.unwrap();
    let acknowledged = move |tx: &mut store::Tx<'_>, me: &Executor| {
        incident::step_in(
            tx,
            me,
            own,
            "acknowledged",
            "",
            &|_: &mut dyn store::sql::Sql| Ok(true),
        )
        .map(|(_, events): (_, Vec<Event>)| ((), events))
    };
    guard
        .change("incident step", &[Role::SecurityOfficer], acknowledged)
        .await
        .unwrap();
    set(&site, &manager, TARO, None).await.unwrap();
    let event = site.last_event(Kind::PasswordChanged).await.event;
    assert_eq!(event.detail["incident"], own);
    // It is over with the handing-over.
    let handed = incident::step(&manager, own, "handed-over", "in person");
    handed.await.unwrap();
    let after = set(&site, &manager, TARO, None).await;
    needs(after, OrderKind::Password);
}

#[tokio::test]
async fn second_factors_and_users_of_others_need_orders_too() {
    let site = strict().await;
    site.issue("taro", TARO).await;
    own_password(&site, TARO).await;
    let taro = site.caller("taro").await;
    let mut numbers = Vec::new();
    for name in ["phone", "key"] {
        let offer = second_factor::offer(&site.directory, TARO, "mail.example.jp");
        let code = site.code(&offer.secret);
        let added = second_factor::add(&taro, TARO, name, &offer.secret, &code);
        numbers.push(added.await.unwrap().number);
    }
    let manager = site.caller("manager").await;
    let alone = || Alone(site.store.clone());
    let remove = |number, order| second_factor::remove_by(&manager, (TARO, number), order, alone());
    needs(remove(numbers[0], None).await, OrderKind::SecondFactor);
    let chief = site.caller("chief").await;
    let missing = on_behalf::order_removal(&chief, whose("taro", None), 99).await;
    assert!(matches!(missing.unwrap_err(), CommandError::NoSuch { .. }));
    let number = on_behalf::order_removal(&chief, whose("taro", Some(TARO)), numbers[0])
        .await
        .unwrap();
    site.approve(number).await;
    let other = remove(numbers[1], Some(number)).await;
    assert_eq!(problem(other), OrderProblem::SecondFactor(numbers[0]));
    remove(numbers[0], Some(number)).await.unwrap();
    let event = site.last_event(Kind::SecondFactorRemoved).await.event;
    assert_eq!(event.order, Some(number));
    // The holder's own needs none.
    second_factor::remove(&taro, TARO, numbers[1])
        .await
        .unwrap();

    // Who is an operating-system user of somebody's is that person.
    let map = |name, user, order| person::map_by(&chief, (name, user), order, alone());
    needs(map("taro", "mallory", None).await, OrderKind::User);
    map("jiro", "jiro2", None).await.unwrap();
    // So is that of an officer without a mailbox: two such users are two people. And of one who reads a mailbox.
    needs(map("manager", "mallory", None).await, OrderKind::User);
    let read = reading::ReadOrder {
        address: address(TARO),
        reader: "jiro".to_owned(),
        purpose: "audit".to_owned(),
        until: site.store.now() + jiff::SignedDuration::from_hours(24),
    };
    let reads = reading::order(&chief, read).await.unwrap();
    site.approve(reads).await;
    reading::open(&manager, reads, alone()).await.unwrap();
    needs(map("jiro", "mallory", None).await, OrderKind::User);
    assert!(site.directory.opens_something("jiro").await.unwrap());
    let number = on_behalf::order_user(&site.caller("deputy").await, "taro", "taro2")
        .await
        .unwrap();
    order::approve(&chief, number).await.unwrap();
    let guard = site.caller("guard").await;
    let map = |name, user, order| person::map_by(&guard, (name, user), order, alone());
    let user = problem(map("taro", "mallory", Some(number)).await);
    assert_eq!(user, OrderProblem::User("taro2".to_owned()));
    let whom = problem(map("jiro", "taro2", Some(number)).await);
    assert_eq!(whom, OrderProblem::Person("taro".to_owned()));
    map("taro", "taro2", Some(number)).await.unwrap();
    let event = site.last_event(Kind::PersonAdded).await.event;
    assert_eq!(event.order, Some(number));
    let used = problem(map("taro", "taro2", Some(number)).await);
    assert_eq!(used, OrderProblem::Used);
}

/// Where the site does not demand it, all is as before, and an order may be used all the same.
#[tokio::test]
async fn where_it_is_not_demanded_an_order_is_used_all_the_same() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    own_password(&site, TARO).await;
    let manager = site.caller("manager").await;
    set(&site, &manager, TARO, None).await.unwrap();
    let event = site.last_event(Kind::PasswordChanged).await.event;
    assert_eq!(event.order, None);
    assert!(event.detail.get("single_person").is_none());
    let number = approved(&site, "taro").await;
    set(&site, &manager, TARO, Some(number)).await.unwrap();
    let event = site.last_event(Kind::PasswordChanged).await.event;
    assert_eq!(event.order, Some(number));
}
