//! Grams: the pieces of folded text that the index holds, and what a needle demands of them.
//!
//! Text falls into runs of letters and digits, of scripts that space their words and of those that do not.
//! At each character of a run begins a gram: it and the next characters of the run, three in all for spaced
//! scripts, two for unspaced ones, fewer at the run's end. So a substring is found wherever it begins:
//!
//! - a part of the needle as long as a gram is a gram of the text;
//! - a shorter one that the needle ends with is the beginning of a gram of the text;
//! - a shorter one that something else follows in the needle ends a run of the text too, and is a gram.
//!
//! A character's class depends on nothing beside it: that is what makes this true at every place.

/// What one gram must be for the needle to be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Condition<'a> {
    /// The gram, or how it begins.
    pub(super) gram: &'a str,
    /// Whether more may follow.
    pub(super) prefix: bool,
}

/// Conditions of one needle at most: fewer only find more.
const MAX_CONDITIONS: usize = 32;

/// All grams of `folded`, each once, in an order of their own; `None` when there are more than `limit`.
pub(super) fn grams(folded: &str, limit: usize) -> Option<Vec<&str>> {
    let mut found: Vec<(u64, &str)> = Vec::new();
    let mut look_at = limit.saturating_mul(2).max(1 << 12);
    for run in runs(folded) {
        for (start, end) in run.windows() {
            let gram = run.text.get(start..end).unwrap_or_default();
            found.push((key(gram), gram));
        }
        if found.len() > look_at {
            each_once(&mut found);
            look_at = found.len().saturating_mul(2).max(look_at);
            if found.len() > limit {
                return None;
            }
        }
    }
    each_once(&mut found);
    (found.len() <= limit).then(|| found.into_iter().map(|(_, gram)| gram).collect())
}

fn each_once(found: &mut Vec<(u64, &str)>) {
    found.sort_unstable_by_key(|(key, _)| *key);
    found.dedup_by_key(|(key, _)| *key);
}

/// A number of its own for each gram: three characters of 21 bits fit.
fn key(gram: &str) -> u64 {
    gram.chars()
        .fold(0, |key, c| (key << 21) | (u64::from(u32::from(c)) + 1))
}

/// What the grams of a text must fulfil for it to hold `folded`. Empty: nothing can be said.
pub(super) fn conditions(folded: &str) -> Vec<Condition<'_>> {
    let mut found: Vec<Condition<'_>> = Vec::new();
    for run in runs(folded) {
        let size = run.class.gram();
        for (start, end) in run.windows() {
            let gram = run.text.get(start..end).unwrap_or_default();
            let length = gram.chars().count();
            let first = start == 0;
            let condition = if length == size {
                Some(false)
            } else if !run.touches_end {
                // Of the short grams before a run's end, the longest says most.
                (first || length + 1 == size).then_some(false)
            } else {
                (first && (length > 1 || run.class == Class::Unspaced)).then_some(true)
            };
            let condition = condition.map(|prefix| Condition { gram, prefix });
            found.extend(condition.filter(|condition| !found.contains(condition)));
        }
        if found.len() >= MAX_CONDITIONS {
            found.truncate(MAX_CONDITIONS);
            break;
        }
    }
    found
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Scripts that put spaces between words.
    Spaced,
    /// Scripts that do not.
    Unspaced,
}

impl Class {
    /// Characters of a gram.
    fn gram(self) -> usize {
        match self {
            Self::Spaced => 3,
            Self::Unspaced => 2,
        }
    }

    fn of(c: char) -> Option<Self> {
        if c.is_ascii() {
            return c.is_ascii_alphanumeric().then_some(Self::Spaced);
        }
        if !c.is_alphanumeric() {
            return None;
        }
        Some(if is_unspaced(c) {
            Self::Unspaced
        } else {
            Self::Spaced
        })
    }
}

/// Thai to Myanmar, Khmer, Hangul, and all of kana and Han with their extensions.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3031}'..='\u{303c}' | '\u{3041}'..='\u{30ff}'
        | '\u{3105}'..='\u{318f}' | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}'
        | '\u{1aff0}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}')
}

struct Run<'a> {
    text: &'a str,
    class: Class,
    /// Whether the text ends with this run: in a text that holds it as a part, the run may go on.
    touches_end: bool,
}

impl Run<'_> {
    /// Start and end of each gram.
    fn windows(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let size = self.class.gram();
        let starts = self.text.char_indices().map(|(at, _)| at);
        let mut ends = self
            .text
            .char_indices()
            .map(|(at, _)| at)
            .skip(size)
            .chain(std::iter::repeat(self.text.len()));
        starts.map(move |start| (start, ends.next().unwrap_or(self.text.len())))
    }
}

fn runs(text: &str) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut open: Option<(usize, Class)> = None;
    let mut close = |from: usize, to: usize, class: Class| {
        runs.push(Run {
            text: text.get(from..to).unwrap_or_default(),
            class,
            touches_end: to == text.len(),
        });
    };
    for (at, c) in text.char_indices() {
        let class = Class::of(c);
        match open {
            Some((_, running)) if class == Some(running) => continue,
            Some((from, running)) => close(from, at, running),
            None => {}
        }
        open = class.map(|class| (at, class));
    }
    if let Some((from, class)) = open {
        close(from, text.len(), class);
    }
    runs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Whether an index of `text` would give it as a candidate for `needle`.
    fn is_candidate(text: &str, needle: &str) -> bool {
        let grams = grams(text, usize::MAX).unwrap();
        conditions(needle).iter().all(|condition| {
            if condition.prefix {
                grams.iter().any(|gram| gram.starts_with(condition.gram))
            } else {
                grams.contains(&condition.gram)
            }
        })
    }

    #[test]
    fn grams_of_mixed_text() {
        let mut found: Vec<&str> = grams("mail会議室a1", 99).unwrap();
        found.sort_unstable();
        assert_eq!(
            found,
            ["1", "a1", "ail", "il", "l", "mai", "会議", "室", "議室"]
        );
        assert!(grams("abcdef", 2).is_none());
    }

    #[test]
    fn conditions_narrow() {
        assert!(is_candidate("次の会議は", "会議"));
        assert!(!is_candidate("議会の次", "会議"));
        assert!(!is_candidate("the cat sat", "cats"));
        assert!(!is_candidate("concat nation", "cat and"));
        assert_eq!(
            conditions("会"),
            [Condition {
                gram: "会",
                prefix: true
            }]
        );
        assert!(conditions("!? .").is_empty());
        assert!(conditions("a").is_empty());
        assert_eq!(conditions("a.").len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_text_is_a_candidate_for_each_of_its_parts(
            text in "[ab1 .\u{301}ー会議かガ한ไ@あé]{0,40}",
            from in any::<prop::sample::Index>(),
            length in 0_usize..12,
        ) {
            let chars: Vec<char> = text.chars().collect();
            let from = from.index(chars.len() + 1);
            let needle: String = chars[from..].iter().take(length).collect();
            prop_assert!(is_candidate(&text, &needle), "{text:?} holds {needle:?}");
        }

        #[test]
        fn any_text_at_all(text in any::<String>(), from in any::<prop::sample::Index>(), length in 0_usize..8) {
            let chars: Vec<char> = text.chars().collect();
            let from = from.index(chars.len() + 1);
            let needle: String = chars[from..].iter().take(length).collect();
            prop_assert!(is_candidate(&text, &needle));
        }
    }
}
