//! Two who do the same at once (clauses 7.1, 8.1, 9): one of them does it, the other is refused, and it is done once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::fmt::Debug;

use directory::{
    Role,
    command::{
        Alone, Caller, CommandError, account,
        on_behalf::{self, Whose},
        order, person, reading, register, role, shared,
    },
};
use site::Site;
use trail::{Kind, Outcome};
use world::Clock as _;

const TARO: &str = "taro@example.jp";

/// A site with two account managers, two security officers, and an account of taro's.
async fn site() -> (Site, [Caller; 2], [Caller; 2]) {
    let site = Site::open().await;
    let chief = site.caller("chief").await;
    for (name, part) in [
        ("manager2", Role::AccountManager),
        ("guard2", Role::SecurityOfficer),
    ] {
        let add = person::Add {
            name: name.into(),
            full_name: None,
            os_user: Some(name.into()),
        };
        person::add(&chief, add).await.unwrap();
        role::grant(&chief, name, part).await.unwrap();
    }
    site.issue("taro", TARO).await;
    let managers = [site.caller("manager").await, site.caller("manager2").await];
    let guards = [site.caller("guard").await, site.caller("guard2").await];
    (site, managers, guards)
}

/// The refusal of the one who came second; it is an event, and what was done has one.
async fn one_of<T: Debug>(
    site: &Site,
    kind: Kind,
    results: (Result<T, CommandError>, Result<T, CommandError>),
) -> String {
    let refused = match results {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused.to_string(),
        both => panic!("{both:?}"),
    };
    assert_eq!(site.events(kind).await.len(), 1, "{kind:?}");
    let given = site.events(Kind::CommandGiven).await;
    let recorded = given.iter().any(|given| {
        given.event.outcome == Outcome::Refused && given.event.detail["reason"] == refused.as_str()
    });
    assert!(recorded, "{refused}");
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_deleted_once() {
    let (site, [one, two], _) = site().await;
    person::leave(&site.caller("clerk").await, "taro")
        .await
        .unwrap();
    let args = order::DeleteOrder {
        for_person: "taro".into(),
        address: None,
        not_before: None,
    };
    let number = order::delete(&site.caller("chief").await, args)
        .await
        .unwrap();
    site.approve(number).await;
    let results = tokio::join!(account::delete(&one, number), account::delete(&two, number));
    one_of(&site, Kind::AccountDeleted, results).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identifier_is_shared_once_on_an_order() {
    let (site, [one, two], _) = site().await;
    let month = jiff::SignedDuration::from_hours(24 * 30);
    let wish = shared::ShareOrder {
        address: site::address(TARO),
        users: vec!["taro".to_owned(), "jiro".to_owned()],
        review_at: site.clock.now().checked_add(month).unwrap(),
    };
    let number = shared::order(&site.caller("chief").await, wish)
        .await
        .unwrap();
    site.approve(number).await;
    let alone = || Alone(site.store.clone());
    let results = tokio::join!(
        shared::share(&one, number, alone()),
        shared::share(&two, number, alone())
    );
    let refused = one_of(&site, Kind::IdentifierShared, results).await;
    assert!(refused.contains("used"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_is_opened_to_a_reader_once_on_an_order() {
    let (site, [one, two], _) = site().await;
    let week = jiff::SignedDuration::from_hours(24 * 7);
    let wish = reading::ReadOrder {
        address: site::address(TARO),
        reader: "jiro".to_owned(),
        purpose: "監査第3号".to_owned(),
        until: site.clock.now().checked_add(week).unwrap(),
    };
    let number = reading::order(&site.caller("chief").await, wish)
        .await
        .unwrap();
    site.approve(number).await;
    let alone = || Alone(site.store.clone());
    let results = tokio::join!(
        reading::open(&one, number, alone()),
        reading::open(&two, number, alone())
    );
    let refused = one_of(&site, Kind::ReadingOpened, results).await;
    assert!(refused.contains("used"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_set_once_on_an_order() {
    let (site, [one, two], _) = site().await;
    let whose = Whose {
        person: "taro".to_owned(),
        address: None,
    };
    let number = on_behalf::order_password(&site.caller("chief").await, whose)
        .await
        .unwrap();
    site.approve(number).await;
    let alone = || Alone(site.store.clone());
    let on = (TARO, Some(number));
    let results = tokio::join!(
        account::password_by(&one, on, None, alone()),
        account::password_by(&two, on, None, alone())
    );
    let refused = one_of(&site, Kind::PasswordChanged, results).await;
    assert!(refused.contains("used"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_approved_once() {
    let (site, _, _) = site().await;
    let chief = site.caller("chief").await;
    person::add(
        &chief,
        person::Add {
            name: "deputy2".into(),
            full_name: None,
            os_user: Some("deputy2".into()),
        },
    )
    .await
    .unwrap();
    role::grant(&chief, "deputy2", Role::SystemOfficer)
        .await
        .unwrap();
    let number = site.order_issue("jiro", "jiro@example.jp").await;
    let before = site.events(Kind::OrderApproved).await.len();
    let (one, two) = (site.caller("deputy").await, site.caller("deputy2").await);
    let results = tokio::join!(order::approve(&one, number), order::approve(&two, number));
    assert!(results.0.is_ok() != results.1.is_ok(), "{results:?}");
    assert_eq!(site.events(Kind::OrderApproved).await.len(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_the_register_is_erased_once() {
    let (site, [manager, _], [one, two]) = site().await;
    person::leave(&site.caller("clerk").await, "taro")
        .await
        .unwrap();
    let args = order::DeleteOrder {
        for_person: "taro".into(),
        address: None,
        not_before: None,
    };
    let number = order::delete(&site.caller("chief").await, args)
        .await
        .unwrap();
    site.approve(number).await;
    account::delete(&manager, number).await.unwrap();
    let asked = register::ask_erasure(&manager, TARO, "asked for by taro").await;
    asked.unwrap();
    let results = tokio::join!(
        register::approve_erasure(&one, TARO),
        register::approve_erasure(&two, TARO)
    );
    one_of(&site, Kind::EntryErased, results).await;
    // Nor do the operating-system users on the order to issue it tell who that was.
    let orders = order::list(&site.caller("chief").await).await.unwrap();
    let left = serde_json::to_string(&orders).unwrap();
    let issued = orders.iter().find(|order| order.number == 1).unwrap();
    assert_eq!(issued.details.os_users, [""; 0], "{left}");
    assert!(!left.contains("\"taro\""), "{left}");
}
