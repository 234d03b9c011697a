//! `screening try` and `screening policies`: what another policy would have decided, and which were in force (clause 5.3(1)).

use std::collections::{BTreeMap, BTreeSet};

use ::screening::{Policy, Screened};
use directory::Person;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{
    event::{self, Filter},
    policy,
};
use trail::{By, Event, Kind, Recorded};

use super::{Answer, Failure, screening::SCREENED};
use crate::{cli::TryArgs, control::Request, settings, site::Site};

/// Events that are read at a time.
const PAGE: usize = 500;
/// Messages whose further events are known as theirs.
const MOST_KNOWN: usize = 4096;

/// What the evidence of many messages came to.
#[derive(Default)]
struct Tally {
    looked: u64,
    same: u64,
    /// Evidence that is not whole.
    unreadable: u64,
    /// Messages in which other patterns were looked for than the policy has.
    other_patterns: u64,
    /// How many were treated how, and would be treated how, for another reason.
    changes: BTreeMap<(String, String), u64>,
    /// How many would be treated as they were, for the same reason.
    kept: BTreeMap<String, u64>,
}

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    words: &TryArgs,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let policy = wanted(site, words, request).await?;
    let from = site.world.now() - SignedDuration::from_hours(i64::from(words.days) * 24);
    let reading = caller.by().event(Kind::TrailRead).detail(
        "filter",
        json!({ "from": from, "kinds": SCREENED.map(Kind::as_str) }),
    );
    site.record(reading).await?;
    let mut filter = Filter {
        from: Some(from),
        kinds: SCREENED.to_vec(),
        ..Filter::default()
    };
    let mut tally = Tally::default();
    let mut known = BTreeSet::new();
    let mut shown = 0;
    loop {
        let wanted = filter.clone();
        let events = site
            .store
            .read(move |snapshot| event::search(snapshot, &wanted, PAGE))
            .await?;
        for recorded in &events {
            // A message with many recipients is told in parts.
            if !known.insert(recorded.event.subject.clone()) {
                continue;
            }
            let Some(change) = tally.take(&policy, recorded) else {
                continue;
            };
            if shown < words.most && !words.figures {
                shown += 1;
                answer.item(&change).await?;
            }
        }
        answer.progress("messages judged again", tally.looked, None);
        if known.len() > MOST_KNOWN {
            known.clear();
        }
        match events.last() {
            Some(last) if events.len() == PAGE => filter.after = Some(last.id),
            _ => break,
        }
    }
    if words.figures {
        tally.figures(answer).await?;
    }
    site.record(tally.event(&policy, &caller.by(), from))
        .await?;
    tally.tell(&policy, answer).await;
    Ok(())
}

async fn wanted(site: &Site, words: &TryArgs, request: &Request) -> Result<Policy, Failure> {
    let (name, text) = match (&words.policy, &request.attachment) {
        (Some(digest), _) => {
            let found = version(site, digest).await?;
            (format!("the policy {digest}"), found.settings)
        }
        (None, Some(text)) => {
            let name = words.file.as_ref().map(|file| file.display().to_string());
            (name.unwrap_or_default(), text.clone())
        }
        (None, None) => {
            return Err(Failure::Words(
                "name a settings file, or --policy DIGEST".to_owned(),
            ));
        }
    };
    settings::policy_of(&name, &text).map_err(|error| Failure::Words(error.told()))
}

async fn version(site: &Site, digest: &str) -> Result<policy::Version, Failure> {
    let wanted = digest.to_owned();
    let found = site
        .store
        .read(move |sql| policy::find(sql, &wanted))
        .await?;
    found.ok_or_else(|| {
        Failure::Refused(format!(
            "no policy {digest} was in force here: `screening policies` lists them"
        ))
    })
}

impl Tally {
    /// Judges one message again; what would have been decided otherwise, if it would.
    fn take(&mut self, policy: &Policy, recorded: &Recorded) -> Option<serde_json::Value> {
        let event = &recorded.event;
        let Some(screened) = Screened::from_json(event.detail.get("screening")?) else {
            self.unreadable += 1;
            return None;
        };
        self.looked += 1;
        self.other_patterns += u64::from(policy.looks_for_others(&screened.evidence));
        let now = policy.judge(&screened.evidence);
        let then = &screened.verdict;
        if (now.handling, now.because) == (then.handling, then.because) {
            self.same += 1;
            *self
                .kept
                .entry(then.handling.as_str().to_owned())
                .or_default() += 1;
            return None;
        }
        let key = (
            then.handling.as_str().to_owned(),
            now.handling.as_str().to_owned(),
        );
        *self.changes.entry(key).or_default() += 1;
        Some(json!({
            "id": event.subject,
            "at": recorded.at,
            "sender": event.detail.get("sender"),
            "was": then.handling,
            "because": then.because,
            "would_be": now.handling,
            "then_because": now.because,
            "what": if now.what.is_empty() { now.domain } else { now.what },
        }))
    }

    /// What the review of the policy is told of it.
    fn event(&self, policy: &Policy, by: &By, from: Timestamp) -> Event {
        let changes = self.changes.iter().map(|((was, would_be), count)| {
            (format!("{would_be} instead of {was}"), (*count).into())
        });
        let changes: serde_json::Map<String, serde_json::Value> = changes.collect();
        by.event(Kind::ScreeningTried)
            .subject(policy.digest().to_string())
            .detail("from", from.to_string())
            .detail("judged", self.looked)
            .detail("otherwise", self.looked.saturating_sub(self.same))
            .detail("changes", serde_json::Value::Object(changes))
            .detail("unreadable", self.unreadable)
    }

    async fn figures(&self, answer: &mut Answer) -> Result<(), Failure> {
        for (handling, count) in &self.kept {
            let row = json!({ "was": handling, "would_be": handling, "changed": false, "messages": count });
            answer.item(&row).await?;
        }
        for ((was, would_be), count) in &self.changes {
            let row =
                json!({ "was": was, "would_be": would_be, "changed": true, "messages": count });
            answer.item(&row).await?;
        }
        Ok(())
    }

    async fn tell(&self, policy: &Policy, answer: &mut Answer) {
        answer
            .note(format!(
                "{} messages judged again by the policy {}: {} as before",
                self.looked,
                policy.digest(),
                self.same
            ))
            .await;
        for ((was, would_be), count) in &self.changes {
            let words = match was == would_be {
                true => format!("{count} {was} for another reason"),
                false => format!("{count} {would_be} instead of {was}"),
            };
            answer.note(words).await;
        }
        if self.other_patterns > 0 {
            answer
                .note(format!(
                    "in {} of them other patterns were looked for: what these patterns would have found in them is not known",
                    self.other_patterns
                ))
                .await;
        }
        if self.unreadable > 0 {
            answer
                .note(format!(
                    "of {} the evidence is not whole in the trail",
                    self.unreadable
                ))
                .await;
        }
    }
}

/// The policies that were in force, or the settings of one.
pub(super) async fn policies(
    site: &Site,
    digest: Option<&str>,
    answer: &mut Answer,
) -> Result<(), Failure> {
    if let Some(digest) = digest {
        let found = version(site, digest).await?;
        let row =
            json!({ "policy": found.digest, "since": found.since, "settings": found.settings });
        return answer.row(&row).await;
    }
    let all = site.store.read(|sql| policy::list(sql)).await?;
    for found in all {
        let lines = found.settings.lines().count();
        let row = json!({ "policy": found.digest, "since": found.since, "lines": lines });
        answer.item(&row).await?;
    }
    Ok(())
}
