//! Incidents from before runbooks were kept, and what is due when.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use directory::{
    command::{
        CommandError,
        incident::{self, IncidentKind, Open},
    },
    runbook::{self, Runbook, Runbooks},
};
use site::Site;
use trail::Kind;

fn other(reason: &str) -> Open {
    Open {
        kind: IncidentKind::Other,
        name: None,
        reason: reason.to_owned(),
        since: None,
        peer: None,
    }
}

/// The site's own runbook of other incidents: acknowledged within an hour, and one more step.
fn own() -> Runbooks {
    let text = IncidentKind::Other.built_in();
    let text = text.replacen("hours = 24", "hours = 1", 1);
    let step = "[[step]]\nkey = \"press-told\"\nroles = [\"system-officer\"]\n\
                text = { ja = \"広報\", en = \"press\" }\n";
    let book = Runbook::of_site("runbooks/other.toml", &format!("{text}\n{step}")).unwrap();
    let mut books = Runbooks::built_in().unwrap();
    books.put(book);
    books
}

#[tokio::test]
async fn an_incident_goes_by_the_runbook_that_it_was_opened_under() {
    let site = Site::open().await;
    let guard = site.caller("guard").await;
    let before = incident::open(&guard, other("before")).await.unwrap();
    assert_eq!(before.runbook, None);
    runbook::keep(&site.store, &own()).await.unwrap();
    runbook::keep(&site.store, &own()).await.unwrap();
    // One of each kind, and the site's own.
    let kept = site.events(Kind::RunbookInForce).await;
    assert_eq!(kept.len(), 11);
    let adopted = kept
        .iter()
        .find_map(|one| one.event.detail.get("incidents"));
    assert_eq!(adopted.unwrap(), &serde_json::json!([1]));
    let after = incident::open(&guard, other("after")).await.unwrap();
    let before = incident::show(&guard, 1).await.unwrap();
    assert!(before.runbook < after.runbook, "{before:?} {after:?}");
    assert!(!before.missing.contains(&"press-told".to_owned()));
    assert!(after.missing.contains(&"press-told".to_owned()));
    let press = after.due.iter().find(|due| due.step == "press-told");
    assert_eq!(press.unwrap().due_at, None);
    // The role is the runbook's, and the officer closes.
    let why = incident::step(&guard, 2, "press-told", "").await;
    assert!(matches!(why, Err(CommandError::NotOfRoles(_))), "{why:?}");
    let chief = site.caller("chief").await;
    incident::step(&chief, 2, "press-told", "").await.unwrap();
    let taken = incident::step(&chief, 2, "press-told", "").await;
    assert!(matches!(taken, Err(CommandError::State(_))), "{taken:?}");
    runbook::keep(&site.store, &Runbooks::built_in().unwrap())
        .await
        .unwrap();
    assert_eq!(site.events(Kind::RunbookInForce).await.len(), 12);
    let shown = incident::show(&guard, 2).await.unwrap();
    assert_eq!(shown.runbook, after.runbook);
}
