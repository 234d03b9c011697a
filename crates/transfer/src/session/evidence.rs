//! What can be known of a message at the end of its data: asked of the DNS, of scanners, of what is remembered, and read in it.

use std::{sync::Arc, time::Duration};

use directory::LocalRecipient;
use malware::FileMark;
use message::Domain;
use screening::{
    Arrival, Conduct, Evidence, HelloForm, ListedBy, Policy, Screened, Screener, Words,
    outbreak::{self, Blocked, Rule},
};
use store::AccountId;

use super::{Conversation, envelope::Place};
use crate::{InForce, Settings, acquaintance, learning, outbreak::not_known};

/// Octets of a message that is read where it is: handing it to another thread would cost as much.
const SMALL: usize = 16 << 10;
/// For all DNS lists of one message together, after what else is asked.
const LISTS_TIME: Duration = Duration::from_secs(10);

impl Conversation<'_> {
    /// `None`: nothing is to be asked about it.
    pub(super) async fn evidence_and_verdict(
        &self,
        settings: &Settings,
        raw: &mut Vec<u8>,
    ) -> Option<Screened> {
        let screening = settings
            .screening
            .as_ref()
            .filter(|_| self.is_from_outside());
        let authentication = screening.zip(self.transfer.screener());
        let scanners = settings.malware.as_ref().and(self.transfer.scanners());
        let scanners = scanners.filter(|scanners| scanners.any());
        let policy = settings.policy();
        let has_rules =
            self.listener.is_submission() && policy.rules.iter().any(|rule| rule.submissions);
        let outbreak = self.transfer.outbreak_rules();
        let rules = outbreak.clone();
        let anybody = authentication.is_some() || scanners.is_some() || has_rules;
        if !anybody && outbreak.is_empty() {
            return None;
        }
        // Shared for a while with the threads that read it.
        let shared = Arc::new(std::mem::take(raw));
        let asking = async {
            match &authentication {
                Some((keys, screener)) => {
                    let found = screener.gather(self.arrival(), &shared, keys.limits).await;
                    let most = keys.limits.text_domains;
                    let linked = self.linked(&policy, &shared, most).await;
                    self.of_the_client(screener, &policy, (found, linked)).await
                }
                None => Evidence::unasked(self.peer.ip()),
            }
        };
        let scanning = async {
            let scanners = scanners.as_ref()?;
            Some(scanners.look(&shared, self.transfer.world().now()).await)
        };
        let reading = async {
            let patterns = self.patterns(&policy, &shared).await;
            let words = match authentication.is_some() {
                true => self.words(&policy, &shared).await,
                false => None,
            };
            (patterns, words, self.blocked(outbreak, &shared).await)
        };
        let (mut evidence, said, (patterns, words, blocked)) =
            tokio::join!(asking, scanning, reading);
        evidence.own = self.listener.is_submission();
        evidence.sender = self.open.mail.as_ref().map(|_| match self.open.sender() {
            Some(sender) => sender.to_string(),
            None => String::new(),
        });
        evidence.size = u64::try_from(shared.len()).unwrap_or(u64::MAX);
        if let Some(patterns) = patterns {
            evidence.patterns = patterns;
            evidence.patterns_of = policy.patterns_digest().to_owned();
        }
        evidence.words = words;
        let files = said.as_ref().map_or(&[][..], |said| said.files.as_slice());
        let inside = self.blocked_inside(rules, &shared, files).await;
        *raw = Arc::unwrap_or_clone(shared);
        let blocked = match (blocked, inside) {
            (Some(one), Some(other)) => Some(one.or_stricter(other)),
            (one, other) => one.or(other),
        };
        if let Some(blocked) = blocked {
            evidence = evidence.with_blocked(blocked);
        }
        let evidence = match said {
            Some(said) => evidence.with_malware(said),
            None => evidence.in_bounds(),
        };
        let verdict = policy.judge(&evidence);
        Some(Screened { evidence, verdict })
    }

    fn arrival(&self) -> Arrival<'_> {
        Arrival {
            peer: self.peer.ip(),
            hello: self.hello.as_ref().map_or("", |hello| hello.name.as_str()),
            sender: self.open.sender(),
        }
    }

    /// What lists and this server's memory say of the client and of who answers for the message.
    async fn of_the_client(
        &self,
        screener: &Screener,
        policy: &Policy,
        (mut found, linked): (Evidence, Vec<Domain>),
    ) -> Evidence {
        found.sender = self.open.sender().map(ToString::to_string);
        let hello = self.arrival().hello;
        found.conduct = Some(Conduct {
            early: self.early,
            hello: HelloForm::of(hello, self.settings.hostname.as_str()),
            tls: self.tls().is_some(),
            refused: self.refusals.guessed(),
        });
        if !policy.lists.is_empty() {
            let asked = (&found, linked.as_slice());
            let said = screener.lists(&policy.lists, asked, LISTS_TIME).await;
            (found.lists, found.silent_lists) = (said.told, said.silent);
        }
        match acquaintance::history(self.transfer, &found).await {
            Ok(history) => found.history = Some(history),
            Err(error) => {
                tracing::error!(peer = %self.peer, %error, "what is remembered of the client cannot be read");
            }
        }
        found
    }

    /// Where links in the text lead, if a list is asked about that. What cannot be read leads nowhere: its mail is judged by the rest.
    async fn linked(&self, policy: &Policy, raw: &Arc<Vec<u8>>, most: usize) -> Vec<Domain> {
        if policy.lists.iter().all(|list| list.by != ListedBy::Text) {
            return Vec::new();
        }
        let shared = Arc::clone(raw);
        let look = move || screening::linked_domains(&shared, most);
        self.read_in(raw.len(), look).await.unwrap_or_default()
    }

    /// The rule against an outbreak that means the message. Looked for where blocking is allowed: digests take their time.
    async fn blocked(&self, rules: Vec<Rule>, raw: &Arc<Vec<u8>>) -> Option<Blocked> {
        if rules.is_empty() {
            return None;
        }
        let (sender, shared) = (self.open.sender().cloned(), Arc::clone(raw));
        let look = move || outbreak::blocked(&rules, sender.as_ref(), &shared);
        match self.read_in(raw.len(), look).await {
            Some(blocked) => blocked,
            None => Some(not_known()),
        }
    }

    /// The rule that means the message for a file that the inspection saw in it.
    async fn blocked_inside(
        &self,
        rules: Vec<Rule>,
        raw: &Arc<Vec<u8>>,
        files: &[FileMark],
    ) -> Option<Blocked> {
        if rules.is_empty() || files.is_empty() {
            return None;
        }
        let (sender, shared) = (self.open.sender().cloned(), Arc::clone(raw));
        let (size, files) = (raw.len(), files.to_vec());
        let look = move || outbreak::blocked_inside(&rules, sender.as_ref(), &shared, &files);
        self.read_in(size, look)
            .await
            .unwrap_or_else(|| Some(not_known()))
    }

    /// The names of those that were found; `None`: the reader failed, and the evidence does not say that anything was looked for.
    async fn patterns(&self, policy: &Arc<InForce>, raw: &Arc<Vec<u8>>) -> Option<Vec<String>> {
        if policy.patterns.is_empty() {
            return Some(Vec::new());
        }
        let (policy, shared) = (Arc::clone(policy), Arc::clone(raw));
        let look = move || screening::patterns_found(&policy.patterns, &shared);
        self.read_in(raw.len(), look).await
    }

    /// What its words say; `None` also while too little was learned.
    async fn words(&self, policy: &Policy, raw: &Arc<Vec<u8>>) -> Option<Words> {
        let least = policy.words.lessons;
        let learned = learning::known_lessons(self.transfer).await;
        // Whatever an account taught, the site was taught as well.
        if !learned.is_ok_and(|learned| learned.good >= least && learned.junk >= least) {
            return None;
        }
        let (key, shared) = (self.transfer.store().words_key(), Arc::clone(raw));
        let look = move || screening::tokens(&shared, &key);
        let tokens = self.read_in(raw.len(), look).await?;
        match learning::words_of(self.transfer, tokens, self.mailboxes(), least).await {
            Ok(words) => words,
            Err(error) => {
                tracing::error!(peer = %self.peer, %error, "what was learned of words cannot be read");
                None
            }
        }
    }

    /// Reads in the message, which has so many octets, where that keeps nobody waiting. `None`: the reader failed over it, which is
    /// logged.
    async fn read_in<T: Send + 'static>(
        &self,
        octets: usize,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let read = match octets <= SMALL {
            true => world::here(look),
            false => self.transfer.world().blocking(look).await,
        };
        match read {
            Ok(found) => Some(found),
            Err(panic) => {
                tracing::error!(peer = %self.peer, %panic, "reading a message failed");
                None
            }
        }
    }

    /// The accounts that keep the message.
    fn mailboxes(&self) -> Vec<AccountId> {
        let here = self
            .open
            .targets
            .iter()
            .flat_map(|target| match &target.place {
                Place::Here(recipients) => recipients.as_slice(),
                Place::Nowhere | Place::Sink | Place::Queue(_) => &[],
            });
        let keeps = here.filter(|recipient: &&LocalRecipient| recipient.keeps);
        let mut accounts: Vec<AccountId> = keeps.map(|recipient| recipient.account).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    }
}
