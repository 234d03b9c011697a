//! One message against the rules.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use malware::{Concern, Limits, Matched, RuleMatch, Weights};
use yara_x::{MetaValue, ScanError, Scanner};

use crate::Rules;

/// The shortest time that a scan is given: the engine counts in seconds.
const LEAST_TIME: Duration = Duration::from_secs(1);
/// Rules that are told.
const MOST_MATCHES: usize = 16;
/// Octets of what a rule says of itself, of each entry.
const LONGEST_META: usize = 128;
/// Entries of that.
const MOST_META: usize = 4;

/// What holds rules against messages, one after the other.
pub struct Matcher<'r> {
    scanner: Scanner<'r>,
    weights: Weights,
    /// It was in the middle of a scan when it was left.
    is_scanning: bool,
}

impl<'r> Matcher<'r> {
    /// With these rules. All that it needs of the system is taken here.
    #[must_use]
    pub fn new(rules: &'r Rules, weights: Weights) -> Self {
        let mut matcher = Self {
            scanner: Scanner::new(&rules.compiled),
            weights,
            is_scanning: false,
        };
        // What the engine makes at its first scan is made here: later there may be no right to it.
        let warmed = matcher.look(b"", LEAST_TIME);
        drop(warmed);
        matcher
    }

    /// Holds the rules against `message` and all that is in it; `None`: the engine broke, and is of no use any more.
    pub fn message(&mut self, message: &[u8], limits: Limits) -> Option<Matched> {
        let ends = Instant::now() + limits.time;
        let mut found = Found::default();
        self.file("", message, ends, &mut found);
        let facts = scanner::inspect_each(message, limits, &mut |path, data| {
            if !self.is_scanning {
                self.file(path, data, ends, &mut found);
            }
        });
        if self.is_scanning {
            return None;
        }
        if found.incomplete.is_empty()
            && let Some(note) = facts.first(Concern::Incomplete)
        {
            found.incomplete = format!("{} was not opened wholly", note.path);
        }
        Some(found.told(&self.weights))
    }

    fn file(&mut self, path: &str, data: &[u8], ends: Instant, found: &mut Found) {
        let left = ends.saturating_duration_since(Instant::now());
        let looked = match left.is_zero() {
            true => Err("there was no time for it".to_owned()),
            false => self.look(data, left.max(LEAST_TIME)),
        };
        match looked {
            Ok(matches) => matches.into_iter().for_each(|one| found.put(one, path)),
            Err(reason) if found.incomplete.is_empty() => {
                let place = if path.is_empty() { "the message" } else { path };
                found.incomplete = format!("{place}: {reason}");
            }
            Err(_) => {}
        }
    }

    fn look(&mut self, data: &[u8], time: Duration) -> Result<Vec<RuleMatch>, String> {
        self.is_scanning = true;
        self.scanner.set_timeout(time);
        let looked = match self.scanner.scan(data) {
            Ok(said) => Ok(said.matching_rules().map(|rule| matched(&rule)).collect()),
            Err(ScanError::Timeout) => Err("the rules took longer than they may".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        self.is_scanning = false;
        looked
    }
}

fn matched(rule: &yara_x::Rule<'_, '_>) -> RuleMatch {
    RuleMatch {
        rule: rule.identifier().to_owned(),
        namespace: rule.namespace().to_owned(),
        tags: rule.tags().map(|tag| tag.identifier().to_owned()).collect(),
        path: String::new(),
        meta: rule
            .metadata()
            .take(MOST_META)
            .map(|(name, value)| (name.to_owned(), words(&value)))
            .collect(),
    }
}

fn words(value: &MetaValue<'_>) -> String {
    let text = match value {
        MetaValue::Integer(number) => number.to_string(),
        MetaValue::Float(number) => number.to_string(),
        MetaValue::Bool(is) => is.to_string(),
        MetaValue::String(text) => (*text).to_owned(),
        MetaValue::Bytes(octets) => octets.to_string(),
    };
    text.chars().take(LONGEST_META).collect()
}

/// What was found so far: each rule once.
#[derive(Default)]
struct Found {
    matches: Vec<RuleMatch>,
    incomplete: String,
}

impl Found {
    fn put(&mut self, one: RuleMatch, path: &str) {
        let is_known =
            |known: &RuleMatch| known.rule == one.rule && known.namespace == one.namespace;
        if !self.matches.iter().any(is_known) {
            let path = path.to_owned();
            self.matches.push(RuleMatch { path, ..one });
        }
    }

    fn told(mut self, weights: &Weights) -> Matched {
        self.matches
            .sort_by_key(|one| Reverse(weights.of(&one.tags)));
        let more = self.matches.len().saturating_sub(MOST_MATCHES);
        self.matches.truncate(MOST_MATCHES);
        Matched {
            matches: self.matches.into_iter().map(RuleMatch::in_bounds).collect(),
            more: u64::try_from(more).unwrap_or(u64::MAX),
            incomplete: self.incomplete,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use malware::RuleFile;

    use super::*;

    pub(crate) fn file(namespace: &str, text: &str) -> RuleFile {
        RuleFile {
            path: format!("rules/{namespace}.yar"),
            namespace: namespace.to_owned(),
            text: text.as_bytes().to_vec(),
        }
    }

    fn held(text: &str, weights: Weights, message: &[u8], limits: Limits) -> Matched {
        let rules = Rules::compile(&[file("site", text)]).unwrap();
        Matcher::new(&rules, weights)
            .message(message, limits)
            .unwrap()
    }

    fn usual(text: &str, message: &str) -> Matched {
        held(
            text,
            Weights::default(),
            message.as_bytes(),
            Limits::default(),
        )
    }

    /// A part in base64, whose words are in the message nowhere as they are.
    const PACKED: &str = "Subject: x\r\nContent-Type: text/plain; name=\"a.txt\"\r\n\
                          Content-Transfer-Encoding: base64\r\n\r\ndmVyeSBiYWQgd29yZHM=\r\n";

    #[test]
    fn the_message_and_what_is_in_it_are_looked_at() {
        let text = "rule inside : odd windows { meta: level = 3 who = \"us\" strings: $a = \"very bad words\" condition: $a }\n\
                    rule header { strings: $a = \"Subject: x\" condition: $a at 0 }\n\
                    rule never { condition: false }\n\
                    private rule hidden { condition: true }";
        let said = usual(text, PACKED);
        assert_eq!((said.more, said.incomplete.as_str()), (0, ""));
        let [header, inside] = said.matches.as_slice() else {
            panic!("{said:?}");
        };
        assert_eq!((header.rule.as_str(), header.path.as_str()), ("header", ""));
        assert_eq!(
            (inside.rule.as_str(), inside.path.as_str()),
            ("inside", "a.txt")
        );
        assert_eq!(inside.namespace, "site");
        assert_eq!(inside.tags, ["odd", "windows"]);
        let meta = [("level", "3"), ("who", "us")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(inside.meta, meta);
    }

    #[test]
    fn the_heaviest_are_told_of_many() {
        let light: String = (0..40)
            .map(|number| format!("rule r{number} : info {{ condition: true }}\n"))
            .collect();
        let text = format!("{light}rule heavy {{ condition: true }}");
        let weights = Weights {
            others: 5,
            tags: [("info".to_owned(), 0)].into(),
        };
        let said = held(&text, weights, b"x", Limits::default());
        assert_eq!(said.matches.first().unwrap().rule, "heavy");
        assert_eq!((said.matches.len(), said.more), (16, 25));
    }

    #[test]
    fn a_rule_that_takes_too_long_is_ended_and_told() {
        let text = "rule slow { condition: for all i in (0..100000) : (for all j in (0..100000) : (i + j >= 0)) }";
        let limits = Limits {
            time: Duration::from_secs(1),
            ..Limits::default()
        };
        let rules = Rules::compile(&[file("site", text)]).unwrap();
        let mut matcher = Matcher::new(&rules, Weights::default());
        let begun = Instant::now();
        for _ in 0..2 {
            let said = matcher.message(PACKED.as_bytes(), limits).unwrap();
            assert!(said.incomplete.contains("took longer"), "{said:?}");
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
    }
}
