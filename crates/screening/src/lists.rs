//! DNS lists (RFC 5782): who says what of the client's address and of the names that a message comes under.

use std::net::Ipv4Addr;

use message::Domain;
use serde::{Deserialize, Serialize};

use crate::{Cause, Evidence, Treatment, Trouble, vote::Vote};

/// What is looked for in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedBy {
    /// The client's address (RFC 5782, sections 2.1 and 2.4).
    Address,
    /// The name of the client's address, if the name has the address (section 2.2).
    Name,
    /// The name in HELO or EHLO, if it is one.
    Hello,
    /// The domain of MAIL FROM.
    Sender,
    /// The domain in From.
    Author,
    /// The domains that links in the text lead to.
    Text,
}

impl ListedBy {
    /// The word, as it is kept.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Name => "name",
            Self::Hello => "hello",
            Self::Sender => "sender",
            Self::Author => "author",
            Self::Text => "text",
        }
    }
}

/// A list, and what is done with mail that is on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsList {
    /// Where it is asked.
    pub zone: Domain,
    /// What is looked for.
    pub by: ListedBy,
    /// The answers that count; empty: all that say that something is listed.
    pub answers: Vec<Answers>,
    /// With mail that is listed.
    pub then: Treatment,
    /// Where the list does not answer, or not as a list does.
    pub trouble: Trouble,
}

/// A range of answers: `127.0.0.4`, `127.0.0.4-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    first: Ipv4Addr,
    last: u8,
}

impl Answers {
    /// Reads `127.0.0.4` or `127.0.0.4-11`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no answer of a list; write it as 127.0.0.4 or 127.0.0.4-11");
        let (first, last) = text.split_once('-').map_or((text, None), |(first, last)| {
            (first, Some(last.parse::<u8>()))
        });
        let first: Ipv4Addr = first.parse().map_err(|_| wrong())?;
        let last = last.unwrap_or(Ok(first.octets()[3])).map_err(|_| wrong())?;
        match first.is_loopback() && last >= first.octets()[3] {
            true => Ok(Self { first, last }),
            false => Err(wrong()),
        }
    }

    fn holds(self, answer: Ipv4Addr) -> bool {
        let (first, answer) = (self.first.octets(), answer.octets());
        first[..3] == answer[..3] && (first[3]..=self.last).contains(&answer[3])
    }
}

/// What one list said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The list.
    pub zone: String,
    /// What was looked for.
    pub by: ListedBy,
    /// The address or name.
    pub name: String,
    /// What the list answered; empty: it did not, or not as a list does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Ipv4Addr>,
    /// Why it counts for nothing; empty when it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What DNS lists said of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListsSaid {
    /// What those said that list something, or did not answer as lists do: one word of each.
    pub told: Vec<Listing>,
    /// Those that list nothing of it, by [`DnsList::name`]. They were asked, or it has nothing that they could be asked about.
    pub silent: Vec<String>,
}

/// What the evidence of a message tells of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListWord {
    /// Nothing: it was not asked then, so what it would have said is not known.
    NotAsked,
    /// It was asked, and did not answer, or not as a list does.
    NoAnswer,
    /// It lists nothing of the message that the site counts.
    Nothing,
    /// It lists it.
    Listed,
}

/// What an answer means, whatever the list is.
pub(crate) fn is_listing(answer: Ipv4Addr) -> bool {
    // Outside 127/8 somebody answers for all names (a parked zone), 127.0.0.1 is none (section 5), and 127.255.255/24 is how the
    // large lists say that they do not answer whoever asks by this resolver, or so often.
    let [net, b, c, _] = answer.octets();
    net == 127 && answer != Ipv4Addr::LOCALHOST && (b, c) != (255, 255)
}

impl DnsList {
    /// Its name in evidence and figures: the zone, and what is looked for in it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} ({})", self.zone, self.by.as_str())
    }

    /// What this evidence tells of it.
    #[must_use]
    pub fn word(&self, evidence: &Evidence) -> ListWord {
        match self.said(evidence) {
            Some(said) if !said.reason.is_empty() => ListWord::NoAnswer,
            Some(said) if said.answers.iter().any(|answer| self.counts(*answer)) => {
                ListWord::Listed
            }
            Some(_) => ListWord::Nothing,
            None if evidence.silent_lists.contains(&self.name()) => ListWord::Nothing,
            None => ListWord::NotAsked,
        }
    }

    fn said<'e>(&self, evidence: &'e Evidence) -> Option<&'e Listing> {
        let is_own = |said: &&Listing| said.zone == self.zone.as_str() && said.by == self.by;
        evidence.lists.iter().find(is_own)
    }

    /// What this list's word comes to.
    pub(crate) fn vote(&self, evidence: &Evidence) -> Option<Vote> {
        let said = self.said(evidence)?;
        if !said.reason.is_empty() {
            let what = format!("{}: {}", said.zone, said.reason);
            let vote = Vote::new(self.trouble, Cause::ListTrouble).what(what);
            return (self.trouble == Trouble::Defer).then(|| vote.criterion(&self.name()));
        }
        let answer = said.answers.iter().find(|answer| self.counts(**answer))?;
        let what = format!("{} is listed in {} ({answer})", said.name, said.zone);
        let vote = Vote::new(self.then, Cause::Listed).what(what);
        Some(vote.criterion(&self.name()))
    }

    /// Whether an answer is one that the site counts.
    pub(crate) fn counts(&self, answer: Ipv4Addr) -> bool {
        self.answers.is_empty() || self.answers.iter().any(|range| range.holds(answer))
    }

    /// Whether mail counts as listed here.
    pub(crate) fn lists(&self, evidence: &Evidence) -> bool {
        self.vote(evidence)
            .is_some_and(|vote| vote.cause == Cause::Listed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Handling, Policy};

    #[test]
    fn answers_are_ranges_in_the_last_octet() {
        let range = Answers::parse("127.0.0.4-11").unwrap();
        assert!(range.holds([127, 0, 0, 4].into()) && range.holds([127, 0, 0, 11].into()));
        assert!(!range.holds([127, 0, 0, 12].into()) && !range.holds([127, 0, 1, 4].into()));
        let one = Answers::parse("127.0.0.2").unwrap();
        assert!(one.holds([127, 0, 0, 2].into()) && !one.holds([127, 0, 0, 3].into()));
        for wrong in [
            "",
            "10.0.0.1",
            "127.0.0.9-2",
            "127.0.0.2-x",
            "127.0.0.2-300",
        ] {
            assert!(Answers::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_listing_counts_for_nothing() {
        assert!(is_listing([127, 0, 0, 2].into()));
        for none in [
            [127, 0, 0, 1],
            [127, 255, 255, 254],
            [10, 0, 0, 2],
            [192, 0, 2, 1],
        ] {
            assert!(!is_listing(none.into()), "{none:?}");
        }
    }

    #[test]
    fn the_answer_decides_and_silence_accepts_unless_the_site_says_so() {
        let mut list = DnsList {
            zone: Domain::parse("list.example").unwrap(),
            by: ListedBy::Address,
            answers: vec![Answers::parse("127.0.0.4").unwrap()],
            then: Treatment::Refuse,
            trouble: Trouble::Accept,
        };
        let mut evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "client.example");
        evidence.lists.push(Listing {
            zone: "list.example".into(),
            by: ListedBy::Address,
            name: "192.0.2.1".into(),
            answers: vec![[127, 0, 0, 2].into()],
            reason: String::new(),
        });
        let judge = |list: &DnsList, evidence: &Evidence| {
            let policy = Policy {
                lists: vec![list.clone()],
                ..Policy::default()
            };
            policy.judge(evidence)
        };
        assert_eq!(judge(&list, &evidence).handling, Handling::Accept);
        list.answers.clear();
        let verdict = judge(&list, &evidence);
        assert_eq!(verdict.handling, Handling::Refuse);
        assert_eq!(verdict.because, Cause::Listed);
        assert_eq!(verdict.criterion, "list.example (address)");
        assert!(
            verdict
                .refusal()
                .unwrap()
                .text
                .contains("192.0.2.1 is listed in list.example")
        );

        assert_eq!(list.word(&evidence), ListWord::Listed);

        evidence.lists[0].answers.clear();
        evidence.lists[0].reason = "no answer in time".into();
        assert_eq!(list.word(&evidence), ListWord::NoAnswer);
        assert_eq!(judge(&list, &evidence).handling, Handling::Accept);
        list.trouble = Trouble::Defer;
        assert_eq!(judge(&list, &evidence).handling, Handling::Defer);

        evidence.lists.clear();
        assert_eq!(list.word(&evidence), ListWord::NotAsked);
        evidence.silent_lists = vec!["list.example (address)".into()];
        assert_eq!(list.word(&evidence), ListWord::Nothing);
        list.by = ListedBy::Sender;
        assert_eq!(list.word(&evidence), ListWord::NotAsked);
    }
}
