//! A site of two people on which all is well, and everything that makes it otherwise.
#![allow(
    dead_code,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "each story uses a part"
)]

mod breaks;
pub mod clauses;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use directory::command::{Alone, arrival, letter};
use governance::{
    Rules,
    clause::{self, ClauseView},
    facts::Facts,
    traffic::Options,
};
use jiff::tz::TimeZone;
use store::{Snapshot, Tx, params};
use trail::{Actor, Event, Kind, Outcome};

use crate::{
    site::Site,
    support::{self, verification, verified},
};

pub use breaks::{BY_DESIGN, Break, breaks};

/// The regulation with every option but the one that the server's design rules out.
pub fn rules() -> Rules {
    let mut rules = support::rules();
    let regulation = Arc::clone(&rules.regulation);
    let choices = Arc::make_mut(&mut rules.choices);
    for option in regulation
        .options()
        .filter(|option| option.key != "passwords-unencrypted")
    {
        choices.set_option(&regulation, &option.key, true).unwrap();
    }
    rules
}

/// Facts of a server on which all is well, which watches its traffic and permits logins without TLS from one network.
pub fn good(site: &Site) -> Facts {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    Facts {
        plaintext_networks: vec!["192.0.2.0/24".to_owned()],
        traffic: Some(Options {
            rules: traffic::Rules::default(),
            calendar: traffic::Calendar::default(),
            zone: TimeZone::UTC,
            weeks: 12,
            keep_hours: days(400),
            keep_days: days(3650),
            own: Vec::new(),
        }),
        ..support::good(site)
    }
}

/// How each clause stands.
pub async fn states(site: &Site, rules: &Rules, facts: &Facts) -> BTreeMap<String, ClauseView> {
    let (rules, facts, now) = (rules.clone(), facts.clone(), site.store.now());
    let read = move |snapshot: &mut Snapshot<'_>| clause::states(snapshot, &rules, &facts, now);
    site.store.read(read).await.unwrap()
}

/// Breaks it; what the server tells from then on.
pub async fn apply(site: &Site, name: &str, how: Break) -> Facts {
    let mut change: Option<fn(&mut Facts)> = None;
    match how {
        Break::Facts(told) => change = Some(told),
        Break::Rows("") => events_of(site, name).await,
        Break::Unattended(days) => {
            events_of(site, name).await;
            support::look(site, &rules(), &good(site)).await;
            site.days(days);
        }
        Break::Rows(statements) => around(site, statements).await,
        Break::Days(days, statements) => {
            around(site, statements).await;
            site.days(u64::try_from(days).unwrap());
        }
    }
    let mut facts = good(site);
    if let Some(change) = change {
        change(&mut facts);
    }
    facts
}

/// What a served site does by itself, people use, and the machine's surroundings bring: as if it had all gone on until now.
pub async fn refresh(site: &Site) {
    verified(site, 0).await;
    let now = site.store.now().as_microsecond();
    let hour = now / 3_600_000_000;
    let statements = [
        format!("UPDATE software_look SET looked_at = {now}, seen_at = {now}"),
        format!("UPDATE vuln_feed SET tried_at = {now}, good_at = {now}"),
        "DELETE FROM plaintext_login".to_owned(),
        format!("INSERT INTO plaintext_login (account, warned_at) SELECT id, {now} FROM account"),
        "DELETE FROM traffic_span".to_owned(),
        format!(
            "INSERT INTO traffic_span (hour, hours, closed, content) WITH RECURSIVE h(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM h WHERE n < 1100) \
             SELECT {hour} - n, 1, 1, '{{\"minutes\":60}}' FROM h"
        ),
        "DELETE FROM traffic_mark".to_owned(),
        format!(
            "INSERT INTO traffic_mark (one, event, state, since) SELECT 1, MAX(id), 'normal', {now} FROM event"
        ),
        "DELETE FROM account_use".to_owned(),
        format!("INSERT INTO account_use (account, used_at) SELECT id, {now} FROM account"),
    ];
    around(site, &statements.join("; ")).await;
    site.store.checkpoint().await.unwrap();
}

pub fn fail(facts: &mut Facts, check: &str) {
    facts.probe.as_mut().unwrap().failed.push(check.to_owned());
}

pub fn could_not_tell(facts: &mut Facts, check: &str) {
    let probe = facts.probe.as_mut().unwrap();
    probe.could_not_tell.push(check.to_owned());
}

/// Two people with accounts, who know of the records and were handed their letters.
pub async fn peopled() -> Site {
    let site = Site::open().await;
    for name in ["taro", "jiro"] {
        site.issue(name, &format!("{name}@example.jp")).await;
        let person = site.caller(name).await;
        arrival::acknowledge(&person, name, false).await.unwrap();
        let account = format!("{name}@example.jp");
        let manager = site.caller("manager").await;
        letter::make(
            &manager,
            (&account, "/x.pdf"),
            (None, None),
            (|_: &letter::Facts, _: &str| Vec::new(), |_: &[u8]| Ok(())),
            Alone(site.store.clone()),
        )
        .await
        .unwrap();
        letter::hand(&manager, &account, "in person").await.unwrap();
    }
    // As accounts are that were never suspended.
    around(&site, "UPDATE account SET renewed = 0").await;
    let policy = "INSERT INTO screening_policy (digest, since, settings) VALUES ('d', 1, '')";
    around(&site, policy).await;
    let now = site.store.now().as_microsecond();
    let listed = format!(
        "INSERT INTO software_look (kind, looked_at, seen_at, failed) VALUES ('package', {now}, {now}, ''); INSERT INTO vuln_feed \
         (name, format, tried_at, failed, good_at, digest, published, records, skipped, touched) VALUES ('rustsec', 'osv', {now}, '', {now}, '', '', 1, 0, 0)"
    );
    around(&site, &listed).await;
    let contract = "INSERT INTO expert (number, name, contact, from_day, until_day, renew_by, added_by, added_at) \
         SELECT 1, 'experts', '03-0000-0000', '2026-04-01', '2030-03-31', '2030-01-31', MIN(id), 1 FROM person";
    around(&site, contract).await;
    refresh(&site).await;
    site
}

/// Statements that no command would make, one after the other.
pub async fn around(site: &Site, statements: &str) {
    let statements = statements.to_owned();
    let work = move |tx: &mut Tx<'_>| {
        for statement in statements.split("; ").filter(|one| !one.is_empty()) {
            tx.execute(statement, params![])?;
        }
        tx.record(&Event::new(Kind::ServerStopped, Actor::System), ())
    };
    site.store
        .commit::<(), store::Error>(Vec::new(), work)
        .await
        .unwrap();
}

/// More than a day may hold without somebody looking closer, and more than one page of events.
fn many(one: impl Fn() -> Event) -> Vec<Event> {
    (0..2500).map(|_| one()).collect()
}

/// What is broken by what the trail tells.
pub async fn events_of(site: &Site, name: &str) {
    let events: Vec<Event> = match name {
        "discard-without-bounce" => vec![Event::new(Kind::QueueDiscarded, Actor::System)],
        "quarantine-false-positives" => (0..30)
            .flat_map(|_| [Kind::QuarantineKept, Kind::QuarantineReleased])
            .map(|kind| Event::new(kind, Actor::System))
            .collect(),
        "trail-unbroken" => vec![verification(2)],
        // Decided, and told to nobody who has a mailbox here.
        "sharing-told" => {
            let decided = Event::new(Kind::IdentifierShared, Actor::System)
                .subject("kumi@example.jp")
                .detail("users", vec!["taro"]);
            let told = |of: i64| {
                Event::new(Kind::SharingTold, Actor::System)
                    .subject("kumi@example.jp")
                    .outcome(Outcome::Failure)
                    .detail("decision", of.to_string())
            };
            write(site, vec![decided]).await;
            let of = site.last_event(Kind::IdentifierShared).await.id;
            vec![told(of)]
        }
        "bounces-classified" => many(|| Event::new(Kind::BounceReceived, Actor::System)),
        "analysis-relay-refusals" => many(|| {
            Event::new(Kind::TransactionRefused, Actor::System)
                .detail("reply", "550 5.7.1 relaying is refused")
        }),
        "analysis-cracking-retrieval" => many(|| {
            Event::new(Kind::AuthenticationFailed, Actor::System).detail("protocol", "imap")
        }),
        "analysis-cracking-submission" => many(|| {
            Event::new(Kind::AuthenticationFailed, Actor::System).detail("protocol", "smtp")
        }),
        other => panic!("{other}"),
    };
    write(site, events).await;
}

pub async fn write(site: &Site, events: Vec<Event>) {
    let work = move |tx: &mut Tx<'_>| {
        for event in &events {
            drop(tx.record(event, ())?);
        }
        tx.record(&Event::new(Kind::ServerStopped, Actor::System), ())
    };
    site.store
        .commit::<(), store::Error>(Vec::new(), work)
        .await
        .unwrap();
}
