//! An account from order to deletion, with the event of each step.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use directory::{
    Refusal, Resolution, Role,
    command::{AccountState, CommandError, account, address as alias, idle, order, person},
};
use protocol::sasl::Secret;
use site::{Site, address};
use store::{Snapshot, Topic, mailbox};
use trail::{Actor, Kind, Outcome};

const TARO: &str = "taro@example.jp";

#[tokio::test]
async fn from_order_to_deletion() {
    let site = Site::open().await;
    let password = site.issue("taro", "Taro@example.jp").await;

    let issued = site.last_event(Kind::AccountIssued).await.event;
    assert_eq!(issued.subject, TARO);
    assert_eq!(issued.actor, Actor::Person("manager".into()));
    assert_eq!(issued.order, Some(1));
    assert!(!issued.detail.contains_key("single_person"));

    let login = site.login("TARO@Example.JP", &password).await.unwrap();
    assert_eq!(
        (login.identifier.as_str(), login.address.clone()),
        (TARO, address(TARO))
    );
    let names = site
        .store
        .read(move |s: &mut Snapshot<'_>| mailbox::list(s, login.account))
        .await
        .unwrap();
    let mut names: Vec<String> = names.into_iter().map(|m| m.name).collect();
    names.sort();
    assert_eq!(
        names,
        ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
    );

    // The holder changes the initial password; what was proved before is void.
    let taro = site.caller("taro").await;
    let view = account::show(&taro, TARO).await.unwrap();
    assert!(view.must_change_password);
    let chosen = Secret::from("Nagai-Michi-9");
    let watched = site.store.watch(Topic::Account(login.account));
    assert!(
        account::password(&taro, TARO, Some(chosen.clone()))
            .await
            .unwrap()
            .is_none()
    );
    assert!(watched.has_changed().unwrap());
    assert!(!site.directory.still_valid(&login).await.unwrap());
    assert_eq!(
        site.login(TARO, &password).await.unwrap_err(),
        Refusal::Credentials
    );
    let login = site.login(TARO, &chosen).await.unwrap();
    assert!(
        !account::show(&taro, TARO)
            .await
            .unwrap()
            .must_change_password
    );

    // Suspended: no login, no session, mail keeps arriving.
    let guard = site.caller("guard").await;
    account::suspend(&guard, TARO, "used by another")
        .await
        .unwrap();
    assert!(!site.directory.still_valid(&login).await.unwrap());
    assert_eq!(
        site.login(TARO, &chosen).await.unwrap_err(),
        Refusal::Credentials
    );
    assert_eq!(site.last_reason().await, "suspended");
    let resolved = site.directory.resolve(&address(TARO), 100).await.unwrap();
    assert!(matches!(resolved, Resolution::Local(_)));

    // Resumed only after a new password, which may not be the old one.
    let refused = account::resume(&guard, TARO).await.unwrap_err();
    assert!(matches!(refused, CommandError::NotRenewed(_)));
    let manager = site.caller("manager").await;
    let same = account::password(&manager, TARO, Some(chosen.clone()))
        .await
        .unwrap_err();
    assert!(matches!(same, CommandError::SamePassword));
    let made = account::password(&manager, TARO, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        site.login(TARO, &made).await.unwrap_err(),
        Refusal::Credentials
    );
    account::resume(&guard, TARO).await.unwrap();
    assert_eq!(
        site.login(TARO, &chosen).await.unwrap_err(),
        Refusal::Credentials
    );
    site.login(TARO, &made).await.unwrap();
    // A second suspension needs a second new password.
    account::suspend(&guard, TARO, "again").await.unwrap();
    assert!(account::resume(&guard, TARO).await.is_err());

    delete(&site, &made).await;
    for (kind, count) in [
        (Kind::PersonAdded, 7),
        (Kind::OrderIssued, 2),
        (Kind::OrderApproved, 2),
        (Kind::AccountIssued, 1),
        (Kind::PasswordChanged, 2),
        (Kind::AccountSuspended, 2),
        (Kind::AccountResumed, 1),
        (Kind::AccountDeleted, 1),
    ] {
        assert_eq!(site.events(kind).await.len(), count, "{}", kind.as_str());
    }
    let all = format!("{:?}", site.events(Kind::CommandGiven).await);
    for secret in [&password, &chosen, &made] {
        assert!(
            !all.contains(secret.expose_str().unwrap()),
            "a password in the trail"
        );
    }
}

async fn delete(site: &Site, password: &Secret) {
    let manager = site.caller("manager").await;
    alias::add_alias(&manager, &address("sales@example.jp"), TARO)
        .await
        .unwrap();
    let chief = site.caller("chief").await;
    person::leave(&site.caller("clerk").await, "taro")
        .await
        .unwrap();
    let args = order::DeleteOrder {
        for_person: "taro".into(),
        address: None,
        not_before: None,
    };
    let number = order::delete(&chief, args).await.unwrap();
    site.approve(number).await;
    let deleted = account::delete(&manager, number).await.unwrap();
    assert_eq!(deleted.identifier, TARO);
    assert_eq!(deleted.references.len(), 1, "{:?}", deleted.references);

    assert_eq!(
        site.login(TARO, password).await.unwrap_err(),
        Refusal::Credentials
    );
    assert_eq!(site.last_reason().await, "unknown");
    for gone in [TARO, "sales@example.jp"] {
        let resolved = site.directory.resolve(&address(gone), 1).await.unwrap();
        assert_eq!(resolved, Resolution::Unknown, "{gone}");
        // Retired for good, for an order and as an alias.
        let args = order::IssueOrder {
            for_person: "jiro".into(),
            address: address(gone),
            name: None,
            quota: None,
        };
        let refused = order::issue(&chief, args).await.unwrap_err();
        assert!(matches!(refused, CommandError::Retired(_)), "{refused}");
    }
    let register = account::list(&chief).await.unwrap();
    assert_eq!(register.len(), 1, "the register keeps it");
    assert_eq!(register.first().unwrap().state, AccountState::Deleted);
    assert!(
        account::delete(&manager, number).await.is_err(),
        "once only"
    );
}

#[tokio::test]
async fn commands_need_their_roles_and_refusals_are_recorded() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let before = site.events(Kind::CommandGiven).await.len();
    let taro = site.caller("taro").await;
    let clerk = site.caller("clerk").await;
    let nobody = site.caller("mallory").await;
    let add = person::Add {
        name: "x".into(),
        ..person::Add::default()
    };
    assert!(matches!(
        person::add(&taro, add.clone()).await,
        Err(CommandError::NotPermitted(_))
    ));
    assert!(matches!(
        person::add(&nobody, add).await,
        Err(CommandError::Nobody(_))
    ));
    let order = order::IssueOrder {
        for_person: "jiro".into(),
        address: address("jiro@example.jp"),
        name: None,
        quota: None,
    };
    assert!(matches!(
        order::issue(&clerk, order).await,
        Err(CommandError::NotPermitted(_))
    ));
    assert!(matches!(
        account::suspend(&taro, TARO, "x").await,
        Err(CommandError::NotPermitted(_))
    ));
    let jiro = site.caller("jiro").await;
    let set = account::password(&jiro, TARO, Some("Nagai-Michi-9".into())).await;
    assert!(matches!(set, Err(CommandError::NotHolder(_))));
    assert!(matches!(
        account::show(&jiro, TARO).await,
        Err(CommandError::NotPermitted(_))
    ));
    assert!(account::show(&taro, TARO).await.is_ok());
    let weak = account::password(&taro, TARO, Some("sakura2024".into())).await;
    assert!(matches!(weak, Err(CommandError::Password(_))));

    let given = site.events(Kind::CommandGiven).await;
    let refused: Vec<_> = given
        .iter()
        .skip(before)
        .filter(|e| e.event.outcome == Outcome::Refused)
        .collect();
    assert_eq!(refused.len(), 7);
    assert_eq!(
        refused.get(1).unwrap().event.actor,
        Actor::Person("user:mallory".into())
    );
    assert!(
        refused
            .iter()
            .all(|e| e.event.detail.contains_key("reason"))
    );
}

/// An identifier whose holder has left is told of, and suspended after the time of grace whoever uses it (clause 7.1(3)).
#[tokio::test]
async fn what_a_leaver_left_behind_is_suspended() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    person::leave(&site.caller("clerk").await, "taro")
        .await
        .unwrap();
    let [warned] = &idle::sweep(&site.directory).await.unwrap()[..] else {
        panic!("nobody is warned");
    };
    assert!(warned.person_left && warned.suspends_at.is_some());
    let warned = warned.clone();
    let note = move |tx: &mut store::Tx<'_>| idle::note_warning(tx, &warned, true);
    site.store.commit(Vec::new(), note).await.unwrap();
    // A mail program that is still about puts it off by nothing.
    for _ in 0..20 {
        site.login(TARO, &password).await.unwrap();
        assert!(idle::sweep(&site.directory).await.unwrap().is_empty());
        site.days(1);
    }
    let grace = site.options.idle_grace.as_secs() / 86_400;
    site.days(grace);
    assert!(idle::sweep(&site.directory).await.unwrap().is_empty());
    let suspended = site.last_event(Kind::AccountSuspended).await.event;
    assert_eq!(suspended.subject, TARO);
    let reason = suspended.detail.get("reason").unwrap().to_string();
    assert!(reason.contains("has left"), "{reason}");
    assert!(site.login(TARO, &password).await.is_err());
}

#[tokio::test]
async fn the_last_system_officer_stays() {
    let site = Site::open().await;
    let guard = site.caller("guard").await;
    person::leave(&guard, "deputy").await.unwrap();
    assert!(person::leave(&guard, "chief").await.is_err());
    let revoke = directory::command::role::revoke(&guard, "chief", Role::SystemOfficer).await;
    assert!(matches!(revoke, Err(CommandError::State(_))));
    assert!(
        directory::bootstrap(&site.store, "again", "again")
            .await
            .is_err()
    );
    let gone = site.directory.person_of_user("deputy").await.unwrap();
    assert!(gone.is_none(), "one who left gives no commands");
    assert!(
        site.directory
            .person_of_user("chief")
            .await
            .unwrap()
            .unwrap()
            .has(Role::SystemOfficer)
    );
}
