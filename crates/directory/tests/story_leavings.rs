//! What whoever had a password left behind to come back by (clause 4.1).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use directory::command::{
    account,
    app_password::{self, Wish},
    incident, second_factor,
};
use site::Site;
use trail::Kind;

const TARO: &str = "taro@example.jp";

fn wish(name: &str) -> Wish {
    Wish {
        name: name.to_owned(),
        msa: true,
        mra: true,
        expires_at: None,
    }
}

#[tokio::test]
async fn an_incident_takes_away_what_was_added_since_the_owners_last_sure_use() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let (taro, guard) = (site.caller("taro").await, site.caller("guard").await);
    let chosen = Some("長い道のり9-ミチ".into());
    account::password(&taro, TARO, chosen).await.unwrap();
    let add = async |name: &str| {
        let offer = second_factor::offer(&site.directory, TARO, "mail.example.jp");
        let code = site.code(&offer.secret);
        second_factor::add(&taro, TARO, name, &offer.secret, &code)
            .await
            .unwrap();
    };
    add("the owner's").await;
    app_password::add(&taro, TARO, wish("old phone"))
        .await
        .unwrap();
    site.days(2);
    let sure = site.store.now();
    site.days(1);
    add("the thief's").await;
    app_password::add(&taro, TARO, wish("elsewhere"))
        .await
        .unwrap();
    let open = incident::Open {
        kind: incident::IncidentKind::Credential,
        name: Some(TARO.to_owned()),
        reason: "stolen".to_owned(),
        since: Some(sure),
        peer: None,
    };
    let opened = incident::open(&guard, open).await.unwrap();
    let left = &opened.facts["left_behind"];
    for (kind, name) in [
        ("app_passwords", "elsewhere"),
        ("second_factors", "the thief's"),
    ] {
        let told = left[kind].as_array().unwrap();
        assert_eq!(told.len(), 1, "{left}");
        assert_eq!(told[0]["name"], name);
    }
    // The owner's own factor stays; app passwords go all, since nobody can tell which of them were copied.
    let factors = second_factor::list(&guard, TARO).await.unwrap();
    let names: Vec<_> = factors.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["the owner's"]);
    assert!(app_password::list(&guard, TARO).await.unwrap().is_empty());
    let removed = site.events(Kind::SecondFactorRemoved).await;
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0].event.detail["by"], "incident");
    assert_eq!(removed[0].event.detail["incident"], 1);
    for kind in [Kind::SecondFactorRemoved, Kind::AppPasswordRevoked] {
        for told in site.events(kind).await {
            assert_eq!(told.event.detail["acting_role"], "security-officer");
        }
    }
    assert_eq!(site.events(Kind::AppPasswordRevoked).await.len(), 2);
    // Nothing was queued, so there is nothing to decide.
    assert!(!opened.missing.iter().any(|step| step == "queue-settled"));
}
