//! `screening try` and `screening policies`: what another policy would have decided, and which were in force (clause 5.3(1)).

use std::collections::{BTreeMap, BTreeSet};

use ::screening::{Evidence, ListWord, Policy, Screened};
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
    /// What the evidence tells of each DNS list that the policy has.
    lists: BTreeMap<String, ListTally>,
}

/// What the evidence of many messages tells of one DNS list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ListTally {
    /// Messages that it was asked about, or that have nothing that it could be asked about.
    asked: u64,
    /// Those of them that it lists.
    listed: u64,
    /// Those of them for which it did not answer, or not as a list does.
    unanswered: u64,
    /// Messages that it was not asked about: what it would have said of them is not known.
    not_asked: u64,
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
        self.take_lists(policy, &screened.evidence);
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

    /// What this evidence tells of each list. Lists are asked about mail from outside alone.
    fn take_lists(&mut self, policy: &Policy, evidence: &Evidence) {
        if !evidence.authentication {
            return;
        }
        for list in &policy.lists {
            let tally = self.lists.entry(list.name()).or_default();
            let word = list.word(evidence);
            let counter = match word {
                ListWord::NotAsked => &mut tally.not_asked,
                ListWord::NoAnswer | ListWord::Nothing | ListWord::Listed => &mut tally.asked,
            };
            *counter += 1;
            tally.listed += u64::from(word == ListWord::Listed);
            tally.unanswered += u64::from(word == ListWord::NoAnswer);
        }
    }

    /// What the review of the policy is told of it.
    fn event(&self, policy: &Policy, by: &By, from: Timestamp) -> Event {
        let changes = self.changes.iter().map(|((was, would_be), count)| {
            (format!("{would_be} instead of {was}"), (*count).into())
        });
        let changes: serde_json::Map<String, serde_json::Value> = changes.collect();
        let event = by
            .event(Kind::ScreeningTried)
            .subject(policy.digest().to_string())
            .detail("from", from.to_string())
            .detail("judged", self.looked)
            .detail("otherwise", self.looked.saturating_sub(self.same))
            .detail("changes", serde_json::Value::Object(changes))
            .detail("unreadable", self.unreadable);
        if self.lists.is_empty() {
            return event;
        }
        let lists = self.lists.iter().map(|(name, tally)| {
            let counts = json!({
                "asked": tally.asked,
                "listed": tally.listed,
                "unanswered": tally.unanswered,
                "not_asked": tally.not_asked,
            });
            (name.clone(), counts)
        });
        let lists: serde_json::Map<String, serde_json::Value> = lists.collect();
        event.detail("lists", serde_json::Value::Object(lists))
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
        for (name, tally) in &self.lists {
            answer.note(tally.words(name)).await;
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

impl ListTally {
    fn words(&self, name: &str) -> String {
        let Self {
            asked,
            listed,
            unanswered,
            not_asked,
        } = self;
        let mut words = format!("the DNS list {name} was asked about {asked}, and lists {listed}");
        if *unanswered > 0 {
            words.push_str(&format!("; it gave no answer for {unanswered}"));
        }
        if *not_asked > 0 {
            words.push_str(&format!(
                "; about {not_asked} it was not asked: what it would have said of them is not known"
            ));
        }
        words
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ::screening::{DnsList, ListedBy, Listing, Treatment, Trouble};
    use message::Domain;
    use trail::Actor;

    use super::*;

    fn came(evidence: Evidence) -> Recorded {
        let verdict = Policy::default().judge(&evidence);
        let screened = Screened { evidence, verdict }.to_json();
        Recorded {
            id: 1,
            at: Timestamp::UNIX_EPOCH,
            version: 1,
            event: Event::new(Kind::TransactionAccepted, Actor::Peer).detail("screening", screened),
        }
    }

    #[test]
    fn it_is_told_of_which_messages_a_list_was_never_asked() {
        let list = |zone: &str| DnsList {
            zone: Domain::parse(zone).unwrap(),
            by: ListedBy::Sender,
            answers: Vec::new(),
            then: Treatment::Refuse,
            trouble: Trouble::Accept,
        };
        let policy = Policy {
            lists: vec![list("old.example"), list("new.example")],
            ..Policy::default()
        };
        let of_peer = || Evidence::of_peer("192.0.2.1".parse().unwrap(), "client.example");
        let said = |reason: &str| {
            let mut evidence = of_peer();
            evidence.lists = vec![Listing {
                zone: "old.example".into(),
                by: ListedBy::Sender,
                name: "x.example".into(),
                answers: vec![[127, 0, 0, 2].into()],
                reason: reason.into(),
            }];
            evidence
        };
        let mut silent = of_peer();
        silent.silent_lists = vec!["old.example (sender)".into()];
        let submitted = Evidence::unasked("192.0.2.1".parse().unwrap());
        let mut tally = Tally::default();
        for evidence in [said(""), said("no answer in time"), silent, submitted] {
            tally.take(&policy, &came(evidence));
        }
        let by = By::from("chief");
        let event = tally.event(&policy, &by, Timestamp::UNIX_EPOCH);
        let lists = &event.detail["lists"];
        assert_eq!(
            lists["old.example (sender)"],
            json!({ "asked": 3, "listed": 1, "unanswered": 1, "not_asked": 0 })
        );
        assert_eq!(
            lists["new.example (sender)"],
            json!({ "asked": 0, "listed": 0, "unanswered": 0, "not_asked": 3 })
        );
        let words = tally.lists["new.example (sender)"].words("new.example (sender)");
        assert!(words.contains("about 3 it was not asked"), "{words}");
        assert_eq!(trail::schema::misfit(&event), None);
        let none = Tally::default().event(&Policy::default(), &by, Timestamp::UNIX_EPOCH);
        assert!(!none.detail.contains_key("lists"));
    }
}
