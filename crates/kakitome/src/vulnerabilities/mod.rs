//! The software is listed and feeds of vulnerabilities are read once a day; who has to act is told by mail (clauses 4.3(1) to (3)).

mod due;
mod feed;
mod software;
mod tell;

use std::{sync::Arc, time::Duration};

use governance::{
    facts::Feeds,
    vuln::{self, Standing, import::Imported, inventory::Listed},
};
use jiff::{SignedDuration, Timestamp};
use wire::Shutdown;

pub(crate) use feed::{Source, import};
pub(crate) use software::{bill, digest_of};

use crate::{probing::daily::is_due, settings::FeedKeys, site::Site};

/// How often it is looked whether the time has come, and what is told as metrics is measured.
const LOOK: Duration = Duration::from_secs(10);
/// How often feeds have to be read where no clause says so.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long after an error of the store a run is gone on with.
const AFTER_ERROR: SignedDuration = SignedDuration::from_mins(10);

/// Lists and reads every day, until the server stops. What was missed while it was down, or not ended, is made up for at once: each
/// feed has its own time of the last try in the store, and each case whether people were told of it.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut listed = None;
    // Whether the run before may have ended before people were told.
    let mut unfinished = true;
    let mut not_before = site.started;
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let standing = match measure(&site).await {
            Ok(standing) => standing,
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "how software and feeds stand was not read; it is tried again");
                continue;
            }
        };
        listed = listed.max(standing.listed_at);
        let now = site.world.now();
        let settings = site.settings();
        let Some(time) = settings.vulnerabilities_daily() else {
            continue;
        };
        if now < not_before {
            continue;
        }
        let zone = settings.zone();
        let is_time = listed.is_none_or(|last| is_due(time, last, now, &zone));
        let all = settings.vulnerabilities.feeds();
        let feeds = due::feeds(all, &standing.feeds, time, now, &zone);
        let is_untold = unfinished && !standing.untold.is_empty();
        if !is_time && feeds.is_empty() && !is_untold {
            unfinished = false;
            continue;
        }
        let work = daily(&site, feeds);
        let done = tokio::select! {
            () = shutdown.begun() => return,
            done = work => done,
        };
        match done {
            Ok(_) => {
                unfinished = false;
                listed = Some(now);
            }
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "software was not listed, or feeds were not read; what is left is tried again in ten minutes");
                unfinished = true;
                not_before = now.checked_add(AFTER_ERROR).unwrap_or(now);
            }
        }
    }
}

/// Lists the software, reads the feeds and tells; returns the feeds that could not be read.
///
/// # Errors
/// The store's.
pub(crate) async fn daily(
    site: &Arc<Site>,
    feeds: Vec<FeedKeys>,
) -> Result<Vec<FeedKeys>, store::Error> {
    let listed = list(site).await?;
    for failed in &listed.failed {
        tracing::warn!(failed, "software could not be listed");
    }
    let mut again = Vec::new();
    for keys in feeds {
        let source = match (&keys.url, &keys.file) {
            (Some(url), _) => Source::Url(url.clone()),
            (None, Some(file)) => Source::File(site.path.join(file)),
            (None, None) => continue,
        };
        match import(site, &keys.name, keys.format, source).await? {
            Ok(imported) => told(&imported),
            Err(why) => {
                tracing::warn!(
                    feed = keys.name,
                    why,
                    "a feed of vulnerabilities could not be read; what was known stays"
                );
                again.push(keys);
            }
        }
    }
    tell::cases(site).await?;
    Ok(again)
}

fn told(imported: &Imported) {
    if let Some(first) = imported.told.first() {
        tracing::warn!(
            feed = imported.feed,
            skipped = imported.skipped,
            first,
            "records of a feed of vulnerabilities cannot be read; what was known of them stays"
        );
    }
    tracing::info!(
        feed = imported.feed,
        records = imported.records,
        skipped = imported.skipped,
        opened = imported.opened.len(),
        "a feed of vulnerabilities was read"
    );
}

/// Looks which software there is, and notes it.
///
/// # Errors
/// The store's.
pub(crate) async fn list(site: &Site) -> Result<Listed, store::Error> {
    let looks = software::look(site).await;
    vuln::inventory::list(&site.store, looks).await
}

/// Tells those who have to act of cases that they were not told of yet.
///
/// # Errors
/// The store's.
pub(crate) async fn tell_of_new(site: &Site) -> Result<(), store::Error> {
    tell::cases(site).await
}

/// The feeds that are read every day, and how old what was read, and what they say of themselves, may be.
pub(crate) fn watched(site: &Site) -> Feeds {
    let settings = site.settings();
    let names = match settings.vulnerabilities_daily() {
        Some(_) => settings
            .vulnerabilities
            .feeds()
            .into_iter()
            .map(|feed| feed.name)
            .collect(),
        None => Vec::new(),
    };
    let keys = &settings.vulnerabilities;
    let time = |time: crate::settings::Time| {
        SignedDuration::try_from(time.0).unwrap_or(SignedDuration::MAX)
    };
    let every = site.rules().interval("vulnerability-feeds");
    Feeds {
        names,
        every: every.unwrap_or(A_DAY),
        most_age: time(keys.limit),
        most_published: Some(time(keys.stale_after)),
    }
}

/// How it stands.
///
/// # Errors
/// The store's.
pub(crate) async fn standing(site: &Site) -> Result<Standing, store::Error> {
    let feeds = watched(site);
    let now = site.world.now();
    site.store
        .read(move |snapshot| vuln::standing(snapshot, &feeds, now))
        .await
}

async fn measure(site: &Site) -> Result<Standing, store::Error> {
    let standing = standing(site).await?;
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let open = [&standing.unreported, &standing.undecided, &standing.ordered]
        .map(Vec::len)
        .iter()
        .sum();
    metrics::gauge!("kakitome_vulnerabilities_open").set(count(open));
    metrics::gauge!("kakitome_vulnerabilities_exploited").set(count(standing.exploited.len()));
    metrics::gauge!("kakitome_vulnerabilities_excepted").set(count(standing.excepted.len()));
    for feed in &standing.feeds {
        let is_good = f64::from(u8::from(feed.trouble.is_none()));
        metrics::gauge!("kakitome_vulnerability_feed_good", "feed" => feed.name.clone())
            .set(is_good);
    }
    Ok(standing)
}

/// What needs attention, in sentences.
pub(crate) fn attention(standing: &Standing, attention: &mut Vec<String>) {
    for failed in &standing.unlisted {
        attention.push(format!(
            "which software runs is not known, {failed} (clause 4.3(1))"
        ));
    }
    for feed in &standing.feeds {
        if let Some(trouble) = &feed.trouble {
            let since = feed
                .good_at
                .map_or_else(|| "never".to_owned(), |at| at.to_string());
            attention.push(format!("the feed {} of vulnerabilities is old, it was read last {since}: {trouble} (clause 4.3(2))", feed.name));
        }
    }
    let mut cases = |cases: &[(i64, Timestamp)], what: &str| {
        if let Some((number, since)) = cases.first() {
            attention.push(format!("{} cases of vulnerability {what}, the first is {number} since {since}: `vuln list`", cases.len()));
        }
    };
    cases(
        &standing.unreported,
        "were not reported to the officer (clause 4.3(3))",
    );
    cases(
        &standing.undecided,
        "wait for the system security officer (clauses 8.3(4), 8.3(5))",
    );
    cases(
        &standing.ordered,
        "wait to be carried out (clauses 4.3(4), 4.3(5))",
    );
    if let Some(first) = standing.exploited_excepted.first() {
        attention.push(format!(
            "{} cases are known to be exploited and let be by an exception, the first is {first} (clause 4.3(4))",
            standing.exploited_excepted.len()
        ));
    }
    if let Some(first) = standing.exploited.first() {
        attention.push(format!(
            "{} open cases are known to be exploited, the first is {first} (clause 4.3(3))",
            standing.exploited.len()
        ));
    }
}
