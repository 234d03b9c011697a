//! A site's regulation, and facts of a server on which all is well.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::{collections::BTreeMap, sync::Arc};

use governance::{
    Rules, State,
    facts::{Canary, Disk, Facts, Feeds, Probe, Scanning},
    look::{self, Standings},
    schedule::Calendar,
    workflow::Workflow,
};
use jiff::{SignedDuration, tz::TimeZone};
use regulation::{Choices, Regulation};
use store::Tx;
use trail::{Actor, Event, Kind, Outcome};

use crate::site::Site;

/// The regulation of 2006 as it is proposed, with every option that a site can choose.
pub fn rules() -> Rules {
    let regulation = Regulation::built_in().unwrap();
    let mut choices = Choices::proposed(&regulation);
    for option in [
        "initial-password-change",
        "outside-experts",
        "submission-without-authentication",
    ] {
        choices.set_option(&regulation, option, true).unwrap();
    }
    Rules {
        regulation: Arc::new(regulation),
        choices: Arc::new(choices),
        calendar: Calendar {
            zone: TimeZone::get("Asia/Tokyo").unwrap(),
            year_begins: 4,
            working_days: None,
        },
        workflows: Workflow::built_in().unwrap().into(),
    }
}

/// What a whole site serves.
pub const SERVICES: [&str; 7] = [
    "smtp",
    "submission",
    "submissions",
    "imap",
    "imaps",
    "pop3",
    "pop3s",
];

/// Facts of a server on which all is well now.
pub fn good(site: &Site) -> Facts {
    let now = site.store.now();
    Facts {
        mailboxes: true,
        plaintext_warned_every: SignedDuration::from_hours(180 * 24),
        pages: true,
        retain_years: 10,
        rotate_months: 1,
        shortest_password: 8,
        initial_only_to_change: true,
        acknowledgement_required: true,
        order_lifetime: SignedDuration::from_hours(30 * 24),
        default_quota: Some(1 << 30),
        screening: true,
        scanning: Scanning {
            scanners: vec!["clamd".to_owned()],
            has_definitions: true,
            definitions_age: Some(3600),
            puts_off: true,
            canary_daily: true,
            canary: Some(Canary {
                at: now,
                caught: true,
                told: true,
                words: "caught".to_owned(),
            }),
            ..Scanning::default()
        },
        isolation: true,
        return_paths: true,
        null_sender_transactions: 20,
        smtp_connections: 1000,
        expire_after: SignedDuration::from_hours(5 * 24),
        listening: SERVICES.map(str::to_owned).into(),
        probe: Some(Probe {
            at: now,
            listeners: SERVICES.map(str::to_owned).into(),
            failed: Vec::new(),
            could_not_tell: Vec::new(),
            unreached: Vec::new(),
        }),
        probed_daily: true,
        disk: Some(Disk {
            free: 1 << 40,
            size: 1 << 41,
            reserve: 1 << 30,
        }),
        feeds: Feeds {
            names: vec!["rustsec".to_owned()],
            every: SignedDuration::from_hours(24),
            most_age: SignedDuration::from_hours(36),
            most_published: None,
        },
        ..Facts::default()
    }
}

pub async fn look(site: &Site, rules: &Rules, facts: &Facts) -> Standings {
    look::look(&site.store, rules, facts).await.unwrap()
}

pub fn state(seen: &Standings, name: &str) -> State {
    seen[name].finding.state
}

/// An answer to each point of a workflow.
pub fn answers(rules: &Rules, workflow: &str) -> BTreeMap<String, String> {
    let workflow = rules.workflows.iter().find(|one| one.name == workflow);
    let points = workflow.unwrap().points.iter();
    points
        .map(|point| (point.key.clone(), format!("answer to {}", point.key)))
        .collect()
}

/// The trail was verified, and so many faults were found.
pub async fn verified(site: &Site, findings: u64) {
    let work = move |tx: &mut Tx<'_>| tx.record(&verification(findings), ());
    site.store
        .commit::<(), store::Error>(Vec::new(), work)
        .await
        .unwrap();
}

/// What a verification of the trail is told as that found so many faults.
pub fn verification(findings: u64) -> Event {
    let outcome = match findings {
        0 => Outcome::Success,
        _ => Outcome::Failure,
    };
    Event::new(Kind::TrailVerified, Actor::System)
        .outcome(outcome)
        .detail("events", 9)
        .detail("findings", findings)
        .detail("witness", false)
}
