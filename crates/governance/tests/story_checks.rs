//! Each check is met when all is well, and each can be broken: it then turns red, or says that it cannot tell.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod scene;
#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use std::collections::BTreeSet;

use governance::{State, check};
use jiff::SignedDuration;
use scene::{BY_DESIGN, Break, apply, around, breaks, clauses, good, peopled, rules, states};
use site::Site;
use support::{look, state};
use trail::{Kind, Outcome};

#[tokio::test]
async fn a_site_on_which_all_is_well_is_met_in_everything() {
    let site = peopled().await;
    let seen = look(&site, &rules(), &good(&site)).await;
    let mut not: Vec<String> = Vec::new();
    for check in check::all() {
        let standing = &seen[check.name];
        if standing.finding.state != State::Met {
            not.push(format!("{}: {:?}", check.name, standing.finding));
        }
        assert!(!standing.finding.why.ja.is_empty() && !standing.finding.why.en.is_empty());
    }
    assert!(not.is_empty(), "{not:#?}");
}

/// A mirror that answers and is not fed any more: it was read today, and what is newest in it is old (clause 4.3(2)).
#[tokio::test]
async fn a_feed_that_is_read_and_has_nothing_new_is_red() {
    let site = peopled().await;
    for (published, most, expected) in [
        ("", Some(45), State::Met),
        ("2020-01-01T00:00:00Z", None, State::Met),
        ("2020-01-01T00:00:00Z", Some(45), State::NotMet),
        ("2020-01-01", Some(45), State::NotMet),
        ("2020-01-01T00:00:00+0000", Some(45), State::NotMet),
        ("2099-01-01T00:00:00Z", Some(45), State::Met),
        ("once upon a time", Some(45), State::Met),
    ] {
        around(
            &site,
            &format!("UPDATE vuln_feed SET published = '{published}'"),
        )
        .await;
        let mut facts = good(&site);
        facts.feeds.most_published = most.map(|days| SignedDuration::from_hours(24 * days));
        let seen = look(&site, &rules(), &facts).await;
        assert_eq!(
            state(&seen, "vulnerability-feeds"),
            expected,
            "{published} {most:?}"
        );
        if expected == State::NotMet {
            let why = &seen["vulnerability-feeds"].finding.why.en;
            assert!(why.contains(published), "{why}");
        }
    }
}

/// The site's own times are those that count.
#[tokio::test]
async fn a_check_waits_as_long_as_the_site_says() {
    let site = peopled().await;
    let now = site.store.now().as_microsecond();
    let days = |days: i64| now - days * 86_400_000_000;
    let report = format!(
        "INSERT INTO abuse_report (message, at, source, reverse_name, domain, sender, malware, header, state) VALUES (1, {}, '', '', '', '', '', '', 'open')",
        days(20)
    );
    around(&site, &report).await;
    for (most, expected) in [(14, State::NotMet), (21, State::Pending)] {
        let mut facts = good(&site);
        facts.terms.abuse_decided = most;
        let seen = look(&site, &rules(), &facts).await;
        assert_eq!(state(&seen, "abuse-report"), expected, "{most}");
    }
}

/// What the server itself permits is never taken for a trace of somebody who went around it.
#[tokio::test]
async fn imported_passwords_and_an_alias_that_one_of_several_gave_up_break_nothing() {
    let site = peopled().await;
    for scheme in [
        "ARGON2ID",
        "ARGON2I",
        "SHA512-CRYPT",
        "SSHA512",
        "BLF-CRYPT",
    ] {
        around(&site, &format!("UPDATE credential SET scheme = '{scheme}'")).await;
        let seen = look(&site, &rules(), &good(&site)).await;
        assert_eq!(state(&seen, "passwords-hashed"), State::Met, "{scheme}");
    }
    let given_up = "INSERT INTO retired_address (local, domain, account, retired_at) SELECT 'kumi', 'example.jp', MIN(id), 1 FROM account; \
                    INSERT INTO address (local, domain, account, kind, added_at) SELECT 'kumi', 'example.jp', MAX(id), 'alias', 1 FROM account";
    around(&site, given_up).await;
    let seen = look(&site, &rules(), &good(&site)).await;
    assert_eq!(state(&seen, "identifiers-retired"), State::Met);
}

/// Breaks a check on a site on which it is met, and says what is otherwise than the tables have it.
async fn broken(site: &Site, name: &str, how: Break, expected: State) -> Vec<String> {
    let rules = rules();
    let mut wrong = Vec::new();
    let before = look(site, &rules, &good(site)).await;
    if state(&before, name) != State::Met {
        let finding = &before[name].finding;
        wrong.push(format!("{name} was not met before: {finding:?}"));
    }
    let clauses_before = states(site, &rules, &good(site)).await;
    let facts = apply(site, name, how).await;
    let after = look(site, &rules, &facts).await;
    if state(&after, name) != expected {
        wrong.push(format!("{name}: {:?}", after[name].finding));
        return wrong;
    }
    let clauses_after = states(site, &rules, &facts).await;
    for id in clauses::broken_by(name) {
        let (was, is) = (clauses_before[id].state, clauses_after[id].state);
        if was.needs_attention() || is < expected {
            wrong.push(format!("clause {id} by {name}: {was}, then {is}"));
        }
    }
    let told = site.events(Kind::ClauseStanding).await;
    let mut told = told.iter().rev();
    let last = told.find(|one| one.event.subject == name).unwrap();
    assert_eq!(last.event.detail["state"], expected.as_str(), "{name}");
    let failed = last.event.outcome == Outcome::Failure;
    assert_eq!(failed, expected.needs_attention(), "{name}");
    wrong
}

/// Each check turns red, and so does each clause that the table of clauses names for it: by what the server tells of itself.
#[tokio::test]
async fn each_check_turns_red_by_what_the_server_tells() {
    let site = peopled().await;
    let mut wrong = Vec::new();
    for (name, (how, expected)) in breaks() {
        if matches!(how, Break::Facts(_)) {
            wrong.extend(broken(&site, name, how, expected).await);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The same by what is in the store, and by time; a part of them, each on a site of its own.
async fn broken_in_part(part: usize) {
    let mut wrong = Vec::new();
    let all = breaks().into_iter();
    let own = all.filter(|(_, (how, _))| !matches!(how, Break::Facts(_)));
    for (number, (name, (how, expected))) in own.enumerate() {
        if number % PARTS == part {
            let site = peopled().await;
            wrong.extend(broken(&site, name, how, expected).await);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Parts that run side by side.
const PARTS: usize = 4;

#[tokio::test]
async fn each_check_turns_red_by_what_is_there_and_what_is_not() {
    broken_in_part(0).await;
}

#[tokio::test]
async fn each_check_turns_red_by_what_is_there_and_what_is_not_second_part() {
    broken_in_part(1).await;
}

#[tokio::test]
async fn each_check_turns_red_by_what_is_there_and_what_is_not_third_part() {
    broken_in_part(2).await;
}

#[tokio::test]
async fn each_check_turns_red_by_what_is_there_and_what_is_not_last_part() {
    broken_in_part(3).await;
}

#[test]
fn no_check_is_left_out() {
    let broken: BTreeSet<&str> = breaks()
        .into_iter()
        .map(|(name, _)| name)
        .chain(BY_DESIGN.iter().copied())
        .collect();
    let missing: Vec<&str> = check::all()
        .map(|check| check.name)
        .filter(|name| !broken.contains(name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
