//! The certificate is had from an authority by the server itself (ACME, RFC 8555), and renewed before it ends.
//!
//! The key stays the one in the file, so that nothing that names it (a TLSA record, a client that pinned it) has to change with the
//! certificate, and the certificate's file alone is replaced, in one step. Whoever wants another key replaces both files.

mod answer;
mod order;

use std::{sync::Arc, time::Duration};

use directory::Role;
use jiff::{SignedDuration, Timestamp};
use trail::{Actor, Event, Kind, Outcome};
use transfer::notice::{self, Notice};
use wire::Shutdown;

use crate::{
    settings::AcmeRules,
    site::Site,
    tls::{self, Facts},
};

/// How often it is looked what is due, at least.
const LOOK: Duration = Duration::from_secs(60);
/// How long after the start it is looked first.
const FIRST: Duration = Duration::from_secs(3);
/// What one order may take.
const ORDER_TIME: Duration = Duration::from_secs(600);
/// The first wait after a failure; each further failure doubles it. Authorities count failures by the hour.
const FIRST_WAIT: Duration = Duration::from_secs(300);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);
/// Administrators are told of failures this often at most.
const TOLD_AGAIN: SignedDuration = SignedDuration::from_hours(24);
/// Characters of a failure's reason that are kept.
const REASON_KEPT: usize = 500;

/// What is remembered between looks.
#[derive(Default)]
struct Care {
    /// As the settings were when the failures were counted.
    rules: Option<AcmeRules>,
    failures: u32,
    /// After a failure: not before this.
    not_before: Option<Timestamp>,
    told_at: Option<Timestamp>,
}

/// Looks after the certificate until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut care = Care::default();
    let mut wait = FIRST;
    // Sites that were set up at one time do not come back at one time.
    let chance = site.world.below(1000);
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = tokio::select! {
            () = shutdown.begun() => return,
            wait = care.look(&site, chance) => wait,
        };
    }
}

impl Care {
    /// Does what is due; how long to wait then.
    async fn look(&mut self, site: &Site, chance: u32) -> Duration {
        let settings = site.settings();
        let rules = settings.acme_rules(&site.path);
        if rules != self.rules {
            *self = Self {
                rules: rules.clone(),
                ..Self::default()
            };
        }
        let Some(rules) = rules else {
            return LOOK;
        };
        let now = site.world.now();
        let due = match tls::describe(&site.path.join(&settings.tls.certificate)) {
            Ok(facts) => due(&facts, &rules, chance),
            Err(error) => {
                tracing::warn!(%error, "the certificate cannot be read, and another is asked for");
                Timestamp::MIN
            }
        };
        let due = self.not_before.map_or(due, |after| due.max(after));
        if due > now {
            return until(now, due);
        }
        let ordered = tokio::time::timeout(ORDER_TIME, order::certificate(site, &rules))
            .await
            .unwrap_or_else(|_| Err("it took too long".to_owned()));
        let done = match ordered {
            Ok(chain) => site.install_certificate(&chain, &rules.directory).await,
            Err(why) => Err(why),
        };
        match done {
            Ok(()) => {
                (self.failures, self.not_before, self.told_at) = (0, None, None);
                Duration::from_secs(1)
            }
            Err(why) => self.failed(site, &rules, &why).await,
        }
    }

    async fn failed(&mut self, site: &Site, rules: &AcmeRules, why: &str) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let wait = FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT);
        // By chance a fifth more.
        let more = wait.saturating_mul(site.world.below(200)).div_f32(1000.0);
        self.failures = self.failures.saturating_add(1);
        let now = site.world.now();
        self.not_before = Some(later(now, wait.saturating_add(more)));
        let is_told = self
            .told_at
            .is_some_and(|at| now.duration_since(at) < TOLD_AGAIN);
        let why: String = why.chars().take(REASON_KEPT).collect();
        tracing::error!(
            names = rules.names.join(", "),
            why,
            "no certificate could be had; it is tried again"
        );
        let event = Event::new(Kind::CertificateFailed, Actor::System)
            .outcome(Outcome::Failure)
            .subject(rules.names.join(" "))
            .detail("directory", rules.directory.clone())
            .detail("reason", why.clone())
            .detail("failures", self.failures);
        let recorded = if is_told {
            site.record(event).await
        } else {
            tell(site, rules, &why, event).await
        };
        match recorded {
            Ok(()) if !is_told => self.told_at = Some(now),
            Ok(()) => {}
            Err(error) => {
                tracing::error!(%error, "nobody could be told that no certificate could be had");
            }
        }
        LOOK
    }
}

/// When the next certificate is asked for: at once where this one is not one of an authority for these names, and else when two thirds
/// of its time are over, a little later by chance.
fn due(facts: &Facts, rules: &AcmeRules, chance: u32) -> Timestamp {
    let covers = |name: &String| facts.names.iter().any(|one| one.eq_ignore_ascii_case(name));
    if facts.self_signed || !rules.names.iter().all(covers) {
        return Timestamp::MIN;
    }
    let life = facts.not_after.saturating_sub(facts.not_before).max(0);
    let third = life.div_euclid(3);
    let by_chance = life
        .div_euclid(30)
        .saturating_mul(i64::from(chance))
        .div_euclid(1000);
    let at = facts
        .not_after
        .saturating_sub(third)
        .saturating_add(by_chance);
    Timestamp::from_second(at).unwrap_or(Timestamp::MIN)
}

fn until(now: Timestamp, due: Timestamp) -> Duration {
    let wait = Duration::try_from(due.duration_since(now)).unwrap_or_default();
    wait.clamp(Duration::from_millis(200), LOOK)
}

fn later(at: Timestamp, wait: Duration) -> Timestamp {
    let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(at.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
}

/// Tells administrators, in the commit of the event.
async fn tell(site: &Site, rules: &AcmeRules, why: &str, event: Event) -> Result<(), store::Error> {
    let to = site.directory.addresses_of(Role::Administrator).await?;
    let names = rules.names.join(", ");
    let text = format!(
        "認証局から証明書を取得できませんでした。自動的に再試行します。\n\
         対象の名前: {names}\n\n\
         No certificate could be had from the authority. It is tried again by itself.\n\
         Names: {names}\nAuthority: {}\nReason: {why}\n",
        rules.directory
    );
    let message = Notice {
        to,
        subject: "[Kakitome] 証明書の取得に失敗 / no certificate could be had".to_owned(),
        text,
    };
    let work = move |tx: &mut store::Tx<'_>, _told: &[message::address::Address]| {
        tx.record::<()>(&event, ())
    };
    notice::send(&site.transfer, message, work).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(names: &[&str]) -> AcmeRules {
        AcmeRules {
            directory: "https://authority.example/directory".to_owned(),
            contact: Vec::new(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            challenge: crate::settings::Challenge::Http,
            port: 80,
            ca_file: None,
        }
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_time() {
        let mut facts = Facts {
            names: vec!["Mail.city.example".to_owned()],
            self_signed: false,
            not_before: 0,
            not_after: 90 * 86_400,
        };
        let wanted = rules(&["mail.city.example"]);
        let day = |days: i64| Timestamp::from_second(days * 86_400).unwrap_or_default();
        assert_eq!(due(&facts, &wanted, 0), day(60));
        assert_eq!(
            due(&facts, &wanted, 500),
            day(61) + SignedDuration::from_hours(12)
        );
        assert!(due(&facts, &wanted, 999) < day(63));
        // Another name, or nobody's word but its own: at once.
        let more = rules(&["mail.city.example", "mta-sts.city.example"]);
        assert_eq!(due(&facts, &more, 0), Timestamp::MIN);
        facts.self_signed = true;
        assert_eq!(due(&facts, &wanted, 0), Timestamp::MIN);
    }
}
