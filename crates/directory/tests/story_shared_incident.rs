//! A shared identifier whose secrets another may have used: each of those who use it begins anew (clauses 4.1, 8.1).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use directory::command::{
    Alone, CommandError, account,
    app_password::{self, Wish},
    incident, person, shared,
};
use protocol::sasl::Secret;
use site::Site;
use trail::{Actor, Kind};

const OFFICE: &str = "office@example.jp";

/// An office that taro, jiro and the clerk share, and their secrets.
async fn office() -> (Site, Vec<Secret>) {
    let site = Site::open().await;
    site.issue("taro", OFFICE).await;
    share(&site, &["taro", "jiro", "clerk"]).await.unwrap();
    let mut secrets = Vec::new();
    for name in ["taro", "jiro", "clerk"] {
        secrets.push(secret(&site, name).await.unwrap());
    }
    (site, secrets)
}

async fn share(site: &Site, users: &[&str]) -> Result<(), CommandError> {
    let review = jiff::SignedDuration::from_hours(24 * 90);
    let wish = shared::ShareOrder {
        address: site::address(OFFICE),
        users: users.iter().map(|name| (*name).to_owned()).collect(),
        review_at: site.store.now().checked_add(review).unwrap(),
    };
    let number = shared::order(&site.caller("chief").await, wish).await?;
    site.approve(number).await;
    let manager = site.caller("manager").await;
    let alone = Alone(site.store.clone());
    shared::share(&manager, number, alone).await.map(drop)
}

async fn secret(site: &Site, name: &str) -> Result<Secret, CommandError> {
    let wish = Wish {
        name: "desk".to_owned(),
        msa: true,
        mra: true,
        expires_at: None,
    };
    let caller = site.caller(name).await;
    let made = app_password::add(&caller, OFFICE, wish).await?;
    Ok(made.password)
}

async fn stolen(site: &Site) -> i64 {
    let open = incident::Open {
        kind: incident::IncidentKind::Credential,
        name: Some(OFFICE.to_owned()),
        reason: "stolen".to_owned(),
        since: None,
        peer: None,
    };
    let guard = site.caller("guard").await;
    incident::open(&guard, open).await.unwrap().number
}

async fn missing(site: &Site, number: i64) -> Vec<String> {
    let guard = site.caller("guard").await;
    incident::show(&guard, number).await.unwrap().missing
}

#[tokio::test]
async fn each_of_those_who_share_it_makes_another_secret_before_it_is_resumed() {
    let (site, secrets) = office().await;
    let manager = site.caller("manager").await;
    let number = stolen(&site).await;
    assert_eq!(site.events(Kind::AppPasswordRevoked).await.len(), 3);
    for old in &secrets {
        assert!(site.login(OFFICE, old).await.is_err());
    }
    let refused = account::resume(&manager, OFFICE).await.unwrap_err();
    let words = refused.to_string();
    assert!(words.contains("clerk, jiro, taro"), "{words}");
    let early = incident::step(&manager, number, "handed-over", "in person").await;
    assert!(early.unwrap_err().to_string().contains("clerk, jiro, taro"));

    let by_taro = secret(&site, "taro").await.unwrap();
    let _by_jiro = secret(&site, "jiro").await.unwrap();
    // They open nothing yet, and others make none.
    assert!(site.login(OFFICE, &by_taro).await.is_err());
    assert_eq!(site.last_reason().await, "suspended");
    let other = secret(&site, "guard").await.unwrap_err();
    assert!(matches!(other, CommandError::OnlyHolder(_)), "{other}");
    let refused = account::resume(&manager, OFFICE).await.unwrap_err();
    assert!(refused.to_string().contains("one: clerk)"), "{refused}");
    let before = missing(&site, number).await;
    assert!(before.iter().any(|step| step == "password-renewed"));

    secret(&site, "clerk").await.unwrap();
    let steps = site.events(Kind::IncidentStep).await;
    let taken: Vec<_> = steps.iter().rev().take(2).collect();
    for step in taken {
        assert_eq!(step.event.actor, Actor::System);
        let note = step.event.detail["note"].to_string();
        assert!(note.contains("each of those"), "{note}");
    }
    let left = missing(&site, number).await;
    for done in ["password-renewed", "handed-over"] {
        assert!(!left.iter().any(|step| step == done), "{left:?}");
    }
    account::resume(&manager, OFFICE).await.unwrap();
    site.login(OFFICE, &by_taro).await.unwrap();
    for old in &secrets {
        assert!(site.login(OFFICE, old).await.is_err());
    }
    let left = missing(&site, number).await;
    assert!(!left.iter().any(|step| step == "resumed"), "{left:?}");
}

#[tokio::test]
async fn another_decision_does_it_too_and_who_has_left_is_not_waited_for() {
    let (site, _) = office().await;
    let (manager, clerk) = (site.caller("manager").await, site.caller("clerk").await);
    let number = stolen(&site).await;
    for name in ["taro", "clerk"] {
        secret(&site, name).await.unwrap();
    }
    // The last who is waited for leaves: a step takes note of it.
    person::leave(&clerk, "jiro").await.unwrap();
    let waiting = missing(&site, number).await;
    assert!(waiting.iter().any(|step| step == "password-renewed"));
    let step = incident::step(&manager, number, "handed-over", "jiro has left");
    step.await.unwrap();
    let event = site.last_event(Kind::IncidentStep).await.event;
    assert_eq!(event.detail["note"], "jiro has left");
    let left = missing(&site, number).await;
    assert!(!left.iter().any(|step| step == "handed-over"), "{left:?}");
    account::resume(&manager, OFFICE).await.unwrap();

    // Elsewhere it is decided anew who uses it, within the incident.
    let (site, _) = office().await;
    let manager = site.caller("manager").await;
    let again = stolen(&site).await;
    let by_taro = secret(&site, "taro").await.unwrap();
    share(&site, &["taro"]).await.unwrap();
    let left = missing(&site, again).await;
    for done in ["password-renewed", "handed-over"] {
        assert!(!left.iter().any(|step| step == done), "{left:?}");
    }
    account::resume(&manager, OFFICE).await.unwrap();
    // Everybody begins anew after a decision.
    assert!(site.login(OFFICE, &by_taro).await.is_err());
    let by_taro = secret(&site, "taro").await.unwrap();
    site.login(OFFICE, &by_taro).await.unwrap();

    // Once it is to be reviewed, secrets do not help: there has to be a decision.
    let (site, _) = office().await;
    let manager = site.caller("manager").await;
    stolen(&site).await;
    site.days(91);
    secret(&site, "taro").await.unwrap_err();
    let refused = account::resume(&manager, OFFICE).await.unwrap_err();
    assert!(refused.to_string().contains("to be reviewed"), "{refused}");
    share(&site, &["taro"]).await.unwrap();
    account::resume(&manager, OFFICE).await.unwrap();
}
