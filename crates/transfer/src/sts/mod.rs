//! MTA-STS for mail that leaves (RFC 8461): the policies of other domains, fetched over HTTPS, kept in the store, and made new before
//! they end.

mod fetch;

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use message::address::Domain;
use parking_lot::Mutex;
use store::sts::{self, KeptPolicy};
use tokio::time::Instant;
use trail::{Actor, Event, Kind};
use wire::Shutdown;

pub use message::sts::{Mode, Policy, id};

use crate::{Settings, Transfer, parcel, resolver::Answer, tls_reports::Trouble};

/// A policy that could not be fetched is not asked for again within this time (RFC 8461, section 3.3).
const AFTER_FAILURE: Duration = Duration::from_secs(300);
/// Domains whose policy could not be fetched that are remembered; when there are more, all are forgotten.
const MOST_FAILED: usize = 10_000;
/// How often it is looked for policies that end.
const LOOK: Duration = Duration::from_secs(3600);
/// A policy is fetched again when it ends within this time, so that a day's trouble ends none.
const BEFORE_END: Duration = Duration::from_secs(86_400);
/// Policies that are looked after in one look.
const AT_ONCE: usize = 200;

/// Domains whose policy could not be fetched lately.
#[derive(Default)]
pub(crate) struct Failures {
    since: Mutex<HashMap<Domain, (Instant, Trouble)>>,
}

/// What is known of what a domain demands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demanded {
    /// Its policy.
    pub(crate) policy: Option<Policy>,
    /// Why there is none, although the domain says that it has one.
    pub(crate) trouble: Option<Trouble>,
}

impl Demanded {
    fn kept(kept: Option<&KeptPolicy>, trouble: Option<Trouble>) -> Self {
        let policy = kept.map(of_row);
        Self {
            trouble: trouble.filter(|_| policy.is_none()),
            policy,
        }
    }
}

impl Failures {
    fn recent(&self, domain: &Domain) -> Option<Trouble> {
        let since = self.since.lock();
        let (_, trouble) = since
            .get(domain)
            .filter(|(at, _)| at.elapsed() < AFTER_FAILURE)?;
        Some(trouble.clone())
    }

    fn note(&self, domain: &Domain, trouble: Trouble) {
        let mut since = self.since.lock();
        if since.len() >= MOST_FAILED {
            since.retain(|_, (at, _)| at.elapsed() < AFTER_FAILURE);
        }
        if since.len() >= MOST_FAILED {
            since.clear();
        }
        since.insert(domain.clone(), (Instant::now(), trouble));
    }
}

impl Transfer {
    /// What `domain` demands of those who send it mail, as far as it can be learnt.
    ///
    /// # Errors
    /// When the store cannot say what is known of it, in words: that is no leave to do without.
    pub(crate) async fn sts_policy(
        &self,
        settings: &Settings,
        domain: &Domain,
    ) -> Result<Demanded, String> {
        if !settings.outbound.mta_sts {
            return Ok(Demanded::default());
        }
        let kept = self.kept_policy(domain).await.map_err(|error| {
            format!("the policy (MTA-STS) of {domain} cannot be read from the store: {error}")
        })?;
        let told = match self.resolver().txt(&format!("_mta-sts.{domain}")).await {
            Answer::Found(texts) => id(&texts),
            // Whoever forges the DNS can take the record away: what is known holds on (RFC 8461, section 10.1).
            Answer::NoRecords | Answer::NoName | Answer::Temporary(_) => None,
        };
        let is_news = |id: &String| kept.as_ref().is_none_or(|kept| kept.id != *id);
        let Some(id) = told.filter(is_news) else {
            return Ok(Demanded::kept(kept.as_ref(), None));
        };
        if let Some(trouble) = self.sts_failures().recent(domain) {
            return Ok(Demanded::kept(kept.as_ref(), Some(trouble)));
        }
        match fetch::fetch(self, settings, domain).await {
            Ok(policy) => {
                self.keep_policy(domain, id, &policy).await;
                Ok(Demanded {
                    policy: Some(policy),
                    trouble: None,
                })
            }
            Err(trouble) => {
                let why = trouble.reason.as_str();
                tracing::warn!(%domain, why, "a policy (MTA-STS) cannot be fetched");
                self.sts_failures().note(domain, trouble.clone());
                Ok(Demanded::kept(kept.as_ref(), Some(trouble)))
            }
        }
    }

    async fn kept_policy(&self, domain: &Domain) -> Result<Option<KeptPolicy>, store::Error> {
        let (now, name) = (self.world().now(), domain.clone());
        let kept = self.store().read(move |sql| sts::of(sql, &name)).await?;
        Ok(kept.filter(|kept| kept.expires_at > now))
    }

    /// Keeps a policy. If that fails it holds for this message all the same, and is fetched again for the next.
    async fn keep_policy(&self, domain: &Domain, id: String, policy: &Policy) {
        let now = self.world().now();
        let kept = KeptPolicy {
            domain: domain.clone(),
            id,
            mode: policy.mode.as_str().to_owned(),
            mx: policy.mx.clone(),
            max_age: policy.max_age.as_secs(),
            fetched_at: now,
            expires_at: later(now, policy.max_age),
        };
        let event = Event::new(Kind::StsPolicyKept, Actor::System)
            .subject(domain.to_string())
            .detail("id", kept.id.clone())
            .detail("mode", kept.mode.clone())
            .detail("mx", kept.mx.clone())
            .detail("until", kept.expires_at.to_string());
        let done = parcel::commit(self.store(), Vec::new(), move |tx| {
            sts::keep(tx, &kept)?;
            tx.record(&event, ())
        });
        if let Err(error) = done.await {
            tracing::error!(%domain, %error, "a policy (MTA-STS) could not be kept");
        }
    }

    /// Fetches policies again before they end, and forgets those that have ended, until shutdown. To be run once.
    pub async fn run_policies(&self, mut shutdown: Shutdown) {
        loop {
            self.look_after_policies(&mut shutdown).await;
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn look_after_policies(&self, shutdown: &mut Shutdown) {
        let settings = self.settings();
        let now = self.world().now();
        let end = later(now, BEFORE_END);
        let ending = self
            .store()
            .read(move |sql| sts::ending(sql, end, AT_ONCE))
            .await;
        let ending = match ending {
            Ok(ending) => ending,
            Err(error) => {
                return tracing::error!(%error, "policies (MTA-STS) cannot be read; it is tried again");
            }
        };
        for (domain, kept) in ending {
            if shutdown.is_begun() {
                return;
            }
            let kept = match kept {
                Ok(kept) => kept,
                Err(error) => {
                    tracing::error!(domain, %error, "a policy (MTA-STS) is damaged; mail to the domain waits");
                    continue;
                }
            };
            let fetched = if settings.outbound.mta_sts {
                tokio::select! {
                    () = shutdown.begun() => return,
                    fetched = fetch::fetch(self, &settings, &kept.domain) => {
                        fetched.map_err(|trouble| trouble.reason)
                    }
                }
            } else {
                Err("it is off".to_owned())
            };
            match fetched {
                Ok(policy) => self.keep_policy(&kept.domain, kept.id, &policy).await,
                Err(_) if kept.expires_at <= now => self.forget_policy(&kept.domain).await,
                Err(why) => {
                    tracing::warn!(domain = %kept.domain, why, "a policy (MTA-STS) that ends soon cannot be fetched again");
                }
            }
        }
    }

    async fn forget_policy(&self, domain: &Domain) {
        let event = Event::new(Kind::StsPolicyForgotten, Actor::System).subject(domain.to_string());
        let name = domain.clone();
        let done = parcel::commit(self.store(), Vec::new(), move |tx| {
            sts::forget(tx, &name)?;
            tx.record(&event, ())
        });
        if let Err(error) = done.await {
            tracing::error!(%domain, %error, "a policy (MTA-STS) that has ended could not be removed");
        }
    }
}

fn of_row(kept: &KeptPolicy) -> Policy {
    Policy {
        // The store knows no other words.
        mode: Mode::from_word(&kept.mode).unwrap_or(Mode::Enforce),
        mx: kept.mx.clone(),
        max_age: Duration::from_secs(kept.max_age),
    }
}

fn later(at: Timestamp, time: Duration) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let later = at.as_second().saturating_add(seconds);
    Timestamp::from_second(later).unwrap_or(Timestamp::MAX)
}
