//! A finding claims no more than what was looked at: how far the trail was verified (clause 4.2), what is scanned (clause 5.2(4)).
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use governance::State;
use site::Site;
use support::{good, look, rules, verified};

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
