//! What `[screening]` decides by beside who mail is from: whether DNS lists answer as lists do, and whether rules believe what
//! anybody may write (clause 5.3(1)).

use std::{net::Ipv4Addr, time::Duration};

use screening::{Evidence, ListedBy, Screener};
use world::World;

use super::{Findings, Level};
use crate::settings::Settings;

/// For all lists together.
const TIME: Duration = Duration::from_secs(10);
/// What each list of addresses lists, so that it can be seen that it works (RFC 5782, section 5).
const ALWAYS_LISTED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

pub(super) async fn check(settings: &Settings, found: &mut Findings) {
    // What is wrong with the settings themselves was told before.
    let (Ok(Some(screening)), Ok(dns)) = (settings.screening_settings(), settings.dns()) else {
        return;
    };
    for rule in screening
        .policy
        .rules
        .iter()
        .filter(|rule| rule.trusts_claims())
    {
        let text = format!(
            "rule {:?} accepts mail for what anybody may write into it: add a condition such as dmarc = [\"pass\"], signer or peer",
            rule.name
        );
        found.add(Level::Warning, "screening", text);
    }
    let mut lists = screening.policy.lists;
    lists.retain(|list| list.by == ListedBy::Address);
    if lists.is_empty() {
        return;
    }
    let screener = match Screener::new(&dns.servers, dns.timeout, World::system()) {
        Ok(screener) => screener,
        Err(error) => return found.add(Level::Error, "screening", error.to_string()),
    };
    let always = Evidence::of_peer(ALWAYS_LISTED.into(), "");
    let said = screener.lists(&lists, (&always, &[]), TIME).await;
    for list in &lists {
        let zone = list.zone.as_str();
        let (level, text) = match said.told.iter().find(|said| said.zone == zone) {
            Some(said) if said.reason.is_empty() => (
                Level::Good,
                format!("the DNS list {zone} answers as a list does"),
            ),
            Some(said) => (
                Level::Warning,
                format!("the DNS list {zone} counts for nothing: {}", said.reason),
            ),
            None => (
                Level::Warning,
                format!(
                    "the DNS list {zone} does not list {ALWAYS_LISTED}, which every list does (RFC 5782): is the zone right?"
                ),
            ),
        };
        found.add(level, "screening", text);
    }
}
