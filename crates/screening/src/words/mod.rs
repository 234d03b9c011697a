//! What a message's words say, to a classifier that learned from what people of this site moved into Junk and out of it.
//!
//! Words are counted by how many messages of each kind had them. Those that tell most are combined as G. Robinson and R. A. Fisher
//! have it: two tests, that these words come together by chance in wanted and in unwanted mail, and how far they differ. What it
//! knows of few messages it does not say.

mod tokens;

use serde::{Deserialize, Serialize};

pub use tokens::{Token, tokens};

use crate::{Cause, Choice, Evidence, vote::Vote};

/// Words that are combined at most: those that tell most.
const MOST_TELLING: usize = 150;
/// How far from even a word must be to tell anything.
const LEAST_TELLING: f64 = 0.1;
/// How many messages' worth of doubt stands against a word that was seen once.
const DOUBT: f64 = 0.45;
/// What a word says that was never seen.
const UNKNOWN: f64 = 0.5;
/// Accounts of one message whose own words are told.
const MOST_PERSONAL: usize = 8;

/// What the words say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Words {
    /// By what the whole site taught; `None`: too little was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Guess>,
    /// By what one account taught, for mailboxes whose holders taught enough. They count in place of the site's, there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<(u64, Guess)>,
}

/// What one body of lessons says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guess {
    /// From 0, wanted, to 1000, unwanted. 500 says nothing.
    pub junk: u16,
    /// Words that were counted.
    pub words: u32,
}

/// How often a word was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Messages that were wanted.
    pub good: u32,
    /// Messages that were not.
    pub junk: u32,
}

/// What is done about what words say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordsPolicy {
    /// With mail whose words are those of unwanted mail. Default mark.
    pub junk: Choice,
    /// From which [`Guess::junk`] on they are. Default 990.
    pub junk_from: u16,
    /// Messages of each kind that must have been learned from before anything is said. Default 100.
    pub lessons: u32,
}

impl Default for WordsPolicy {
    fn default() -> Self {
        Self {
            junk: Choice::Mark,
            junk_from: 990,
            lessons: 100,
        }
    }
}

impl Guess {
    /// What the `words` of a message say, after as many lessons as `learned` tells.
    #[must_use]
    pub fn of(learned: Seen, words: &[Seen]) -> Self {
        let (good, junk) = (
            f64::from(learned.good.max(1)),
            f64::from(learned.junk.max(1)),
        );
        let mut telling: Vec<f64> = words
            .iter()
            .filter_map(|seen| {
                let often = f64::from(seen.good.saturating_add(seen.junk));
                let (in_good, in_junk) = (f64::from(seen.good) / good, f64::from(seen.junk) / junk);
                let share = in_junk / (in_good + in_junk);
                let says = DOUBT.mul_add(UNKNOWN, often * share) / (DOUBT + often);
                (often > 0.0 && (says - UNKNOWN).abs() >= LEAST_TELLING).then_some(says)
            })
            .collect();
        let distance = |says: &f64| (says - UNKNOWN).abs();
        telling.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
        telling.truncate(MOST_TELLING);
        let logs = |of: fn(f64) -> f64| telling.iter().map(|says| of(*says).ln()).sum::<f64>();
        let degrees = telling.len();
        // How improbable so much evidence against it, and for it, is by chance.
        let against = 1.0 - by_chance(-2.0 * logs(|says| 1.0 - says), degrees);
        let for_it = 1.0 - by_chance(-2.0 * logs(|says| says), degrees);
        let junk = (1.0 + against - for_it) / 2.0;
        Self {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 1000"
            )]
            junk: (junk * 1000.0).round().clamp(0.0, 1000.0) as u16,
            words: u32::try_from(degrees).unwrap_or(u32::MAX),
        }
    }
}

/// The probability that chi-squared of `pairs` times two degrees of freedom is as large.
fn by_chance(chi: f64, pairs: usize) -> f64 {
    if pairs == 0 {
        return 1.0;
    }
    let half = chi / 2.0;
    let mut term = (-half).exp();
    let mut sum = term;
    for turn in 1..pairs {
        #[allow(clippy::cast_precision_loss, reason = "at most 150")]
        let turn = turn as f64;
        term *= half / turn;
        sum += term;
    }
    sum.min(1.0)
}

impl WordsPolicy {
    /// What the site's lessons come to.
    pub(crate) fn vote(self, evidence: &Evidence) -> Option<Vote> {
        let guess = evidence.words.as_ref()?.site?;
        if !self.is_junk(guess) || self.junk == Choice::Accept {
            return None;
        }
        let what = format!("{} of 1000 by {} words", guess.junk, guess.words);
        Some(Vote::new(self.junk, Cause::Words).what(what))
    }

    /// Whether that is said of unwanted mail.
    #[must_use]
    pub fn is_junk(self, guess: Guess) -> bool {
        guess.junk >= self.junk_from
    }
}

impl Words {
    /// What is known by the lessons of `account`, in place of the site's.
    #[must_use]
    pub fn of_account(&self, account: u64) -> Option<Guess> {
        let own = self.accounts.iter().find(|(of, _)| *of == account);
        own.map(|(_, guess)| *guess)
    }

    /// Adds what an account's lessons say, within bounds.
    pub fn tell(&mut self, account: u64, guess: Guess) {
        if self.accounts.len() < MOST_PERSONAL {
            self.accounts.push((account, guess));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Handling, Policy};

    const LEARNED: Seen = Seen {
        good: 200,
        junk: 200,
    };

    fn guess(words: &[(u32, u32)]) -> Guess {
        let seen: Vec<Seen> = words
            .iter()
            .map(|(good, junk)| Seen {
                good: *good,
                junk: *junk,
            })
            .collect();
        Guess::of(LEARNED, &seen)
    }

    #[test]
    fn what_was_never_seen_says_nothing_and_what_was_seen_much() {
        assert_eq!(
            guess(&[]),
            Guess {
                junk: 500,
                words: 0
            }
        );
        assert_eq!(
            guess(&[(0, 0); 40]),
            Guess {
                junk: 500,
                words: 0
            }
        );
        assert_eq!(guess(&[(10, 10); 40]).words, 0, "even words tell nothing");
        assert!(guess(&[(0, 20); 20]).junk >= 999);
        assert!(guess(&[(20, 0); 20]).junk <= 1);
        // Much on both sides is doubt, not certainty.
        let both: Vec<_> = [(0, 20); 20].into_iter().chain([(20, 0); 20]).collect();
        assert!(
            (300..700).contains(&guess(&both).junk),
            "{:?}",
            guess(&both)
        );
        // One word is not enough for anything.
        assert!(guess(&[(0, 20)]).junk < 990);
    }

    #[test]
    fn the_most_telling_words_are_counted_however_many_there_are() {
        let mut words = vec![(9, 1); 10_000];
        words.extend([(0, 100); 150]);
        let found = guess(&words);
        assert_eq!(found.words, 150);
        assert!(found.junk >= 999, "{found:?}");
    }

    #[test]
    fn the_site_s_words_are_judged_unless_who_sends_is_known_well() {
        let mut evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "c.example");
        evidence.words = Some(Words {
            site: Some(Guess {
                junk: 995,
                words: 30,
            }),
            accounts: Vec::new(),
        });
        let verdict = Policy::default().judge(&evidence);
        assert_eq!(
            (verdict.handling, verdict.because),
            (Handling::Mark, Cause::Words)
        );
        evidence.history = Some(crate::History {
            domain: Some(crate::Standing {
                name: "x.example".into(),
                good: 50,
                ..crate::Standing::default()
            }),
            ..crate::History::default()
        });
        assert_eq!(
            Policy::default().judge(&evidence).handling,
            Handling::Accept
        );
    }
}
