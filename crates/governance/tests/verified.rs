//! The trail is whole as far as it was verified (clauses 4.2(1), 4.2(2)).
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
