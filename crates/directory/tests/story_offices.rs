//! Who holds an office, who answers for an order, and who hears that this changes (clauses 7.1, 9).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use directory::{
    Role,
    command::{Alone, CommandError, OrderProblem, account, arrival, order, person, role},
};
use site::{Site, address};
use trail::Kind;

fn problem<T: std::fmt::Debug>(result: Result<T, CommandError>) -> OrderProblem {
    match result {
        Err(CommandError::Order { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

fn issue(order: i64) -> account::Issue {
    account::Issue {
        order,
        address: None,
        shown: false,
    }
}

#[tokio::test]
async fn an_order_waits_for_its_approval_as_long_as_it_would_last() {
    let site = Site::open().await;
    let (chief, deputy) = (site.caller("chief").await, site.caller("deputy").await);
    let number = site.order_issue("taro", "taro@example.jp").await;
    site.days(29);
    assert!(!order::show(&chief, number).await.unwrap().expired);
    site.days(1);
    assert!(order::show(&chief, number).await.unwrap().expired);
    let lapsed = problem(order::approve(&deputy, number).await);
    assert_eq!(lapsed, OrderProblem::Expired);

    // One that may not be carried out before a day is approved until as long after that day.
    site.issue("taro", "taro@example.jp").await;
    let days = |days: i64| site.store.now() + jiff::SignedDuration::from_hours(24 * days);
    let args = order::DeleteOrder {
        for_person: "taro".into(),
        address: None,
        not_before: Some(days(40)),
    };
    let number = order::delete(&chief, args).await.unwrap();
    site.days(69);
    order::approve(&deputy, number).await.unwrap();
}

#[tokio::test]
async fn nobody_who_is_gone_answers_for_an_order() {
    let site = Site::open().await;
    let chief = site.caller("chief").await;
    for (name, user) in [("third", "third"), ("fourth", "fourth")] {
        let add = person::Add {
            name: name.into(),
            full_name: None,
            os_user: Some(user.into()),
        };
        person::add(&chief, add).await.unwrap();
        role::grant(&chief, name, Role::SystemOfficer)
            .await
            .unwrap();
    }
    let manager = site.caller("manager").await;
    let ordered = async |by: &str, what: &str| {
        let args = order::IssueOrder {
            for_person: "taro".into(),
            address: address(what),
            name: None,
            quota: None,
        };
        order::issue(&site.caller(by).await, args).await.unwrap()
    };
    // Whoever issued it is gone before it is approved, or after; whoever approved it is.
    let waiting = ordered("third", "a@example.jp").await;
    let issued = ordered("third", "b@example.jp").await;
    let approved = ordered("chief", "c@example.jp").await;
    site.approve(issued).await;
    let fourth = site.caller("fourth").await;
    order::approve(&fourth, approved).await.unwrap();
    role::revoke(&chief, "third", Role::SystemOfficer)
        .await
        .unwrap();
    let day = site.store.now() + jiff::SignedDuration::from_hours(24);
    arrival::depart(&chief, "fourth", day).await.unwrap();
    site.days(2);
    let gone = |name: &str| OrderProblem::Unanswered(name.to_owned());
    let deputy = site.caller("deputy").await;
    let refused = problem(order::approve(&deputy, waiting).await);
    assert_eq!(refused, gone("third"));
    let refused = problem(account::issue(&manager, issue(issued)).await);
    assert_eq!(refused, gone("third"));
    let refused = problem(account::issue(&manager, issue(approved)).await);
    assert_eq!(refused, gone("fourth"));
    assert!(site.events(Kind::AccountIssued).await.is_empty());
}

#[tokio::test]
async fn a_user_is_taken_away_and_the_last_by_whom_an_officer_commands_stays() {
    let site = Site::open().await;
    let (chief, guard) = (site.caller("chief").await, site.caller("guard").await);
    person::map(&chief, "taro", "wrong").await.unwrap();
    let unmap = async |name: &str, user: &str| {
        person::unmap(&guard, (name, user), Alone(site.store.clone())).await
    };
    unmap("taro", "wrong").await.unwrap();
    let event = site.last_event(Kind::PersonUnmapped).await.event;
    assert_eq!(event.subject, "taro");
    assert_eq!(
        event.detail["users_before"],
        serde_json::json!(["taro", "wrong"])
    );
    assert_eq!(event.detail["users_after"], serde_json::json!(["taro"]));
    let nobody = site.directory.person_of_user("wrong").await.unwrap();
    assert!(nobody.is_none());
    // It is free for whose it is.
    person::map(&chief, "jiro", "wrong").await.unwrap();
    let not = unmap("taro", "wrong").await.unwrap_err().to_string();
    assert!(not.contains("taro is not"), "{not}");
    unmap("deputy", "deputy").await.unwrap();
    let last = unmap("chief", "chief").await.unwrap_err().to_string();
    assert!(last.contains("the last"), "{last}");
    let taro = site.caller("taro").await;
    let by = Alone(site.store.clone());
    let staff = person::unmap(&taro, ("taro", "taro"), by).await;
    assert!(matches!(staff.unwrap_err(), CommandError::NotPermitted(_)));
}

#[tokio::test]
async fn others_than_whoever_does_it_hear_that_an_office_changes() {
    let site = Site::open().await;
    for name in ["chief", "deputy", "guard", "taro"] {
        site.issue(name, &format!("{name}@example.jp")).await;
    }
    let told = async |by: &str| {
        let told = site.directory.watchers(Some(by)).await.unwrap();
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        told
    };
    let (chief, deputy, guard) = ("chief@example.jp", "deputy@example.jp", "guard@example.jp");
    // Whoever made the site holds that office too.
    assert_eq!(told("deputy").await, [chief, guard]);
    // A security officer does it, or there is none.
    assert_eq!(told("guard").await, [chief, deputy, guard]);
    let by = site.caller("deputy").await;
    for name in ["guard", "chief"] {
        role::revoke(&by, name, Role::SecurityOfficer)
            .await
            .unwrap();
    }
    assert_eq!(told("deputy").await, [chief, deputy]);
    assert!(site.directory.is_officer("chief").await.unwrap());
    assert!(!site.directory.is_officer("taro").await.unwrap());
}
