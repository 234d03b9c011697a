//! Whether letters are nothing but known words: passwords that are words and digits alone are guessed by putting words together.
//!
//! The words (`words.txt`, made by `tools/words.py`) are the readings of a Japanese dictionary in romaji and frequent English words and
//! names. Romaji is written in many ways, so both sides are folded: Hepburn and Kunrei, and long vowels however they are shown.

/// One word a line, folded, in the order of octets.
const WORDS: &str = include_str!("words.txt");
/// Letters of a word at least.
const LEAST: usize = 3;
/// Letters of a word at most.
const MOST: usize = 25;
/// What stands between words or behind them, folded; never more of these than of words.
const PARTICLES: [&str; 20] = [
    "no", "ni", "o", "ga", "ha", "wa", "to", "mo", "de", "he", "e", "ka", "na", "ya", "ne", "yo",
    "si", "da", "zo", "ko",
];
/// In this order, one after the other over the whole text; the same in `tools/words.py`.
const FOLDS: [(&str, &str); 24] = [
    ("sh", "sy"),
    ("tch", "tty"),
    ("cch", "tty"),
    ("ch", "ty"),
    ("cy", "ty"),
    ("jy", "zy"),
    ("j", "zy"),
    ("syi", "si"),
    ("tyi", "ti"),
    ("zyi", "zi"),
    ("ts", "t"),
    ("dz", "z"),
    ("f", "h"),
    ("wo", "o"),
    ("mb", "nb"),
    ("mp", "np"),
    ("mm", "nm"),
    ("ou", "o"),
    ("aa", "a"),
    ("ii", "i"),
    ("uu", "u"),
    ("ee", "e"),
    ("oo", "o"),
    ("'", ""),
];

/// Whether `text`, in lower case and with its kana in romaji, is known words with nothing but digits between them, and digits and
/// signs around. Signs between words make the difference.
pub(super) fn alone(text: &str) -> bool {
    let core = text.trim_matches(|c: char| !c.is_alphabetic());
    let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    if core.is_empty() || !core.bytes().all(plain) {
        return false;
    }
    let runs = || {
        core.split(|c: char| c.is_ascii_digit())
            .filter(|run| !run.is_empty())
    };
    are_cut(runs().map(fold), str::to_owned) || are_cut(runs().map(str::to_owned), fold)
}

/// Whether runs of letters, which are ASCII, can be cut into words and particles. Each part is looked up as `known_as` has it, so
/// that a long vowel is never seen across the end of a word.
fn are_cut(mut runs: impl Iterator<Item = String>, known_as: impl Fn(&str) -> String) -> bool {
    runs.try_fold(0, |words, run| cut(&run, words, &known_as))
        .is_some()
}

/// By how many words more than particles there can be at most when `letters` are cut; `words` of them came before.
fn cut(letters: &str, words: usize, known_as: &impl Fn(&str) -> String) -> Option<usize> {
    // For each end that is reached.
    let mut reached: Vec<Option<usize>> = vec![None; letters.len() + 1];
    *reached.first_mut()? = Some(words);
    for begin in 0..letters.len() {
        let Some(words) = reached.get(begin).copied().flatten() else {
            continue;
        };
        for end in begin + 1..=letters.len().min(begin + MOST) {
            let part = known_as(letters.get(begin..end)?);
            let now = if part.len() >= LEAST && is_word(&part) {
                Some(words + 1)
            } else if PARTICLES.contains(&part.as_str()) {
                words.checked_sub(1)
            } else {
                None
            };
            if let Some(slot) = reached.get_mut(end) {
                *slot = (*slot).max(now);
            }
        }
    }
    reached.last().copied().flatten()
}

/// Until there is nothing left to fold.
fn fold(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        if !FOLDS.iter().any(|(many, _)| text.contains(many)) {
            return text;
        }
        for (many, one) in FOLDS {
            text = text.replace(many, one);
        }
    }
}

/// Whether the folded word is in the list: found by halving.
fn is_word(word: &str) -> bool {
    let (mut low, mut high) = (0, WORDS.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let begin = WORDS
            .get(low..middle)
            .and_then(|before| before.rfind('\n'))
            .map_or(low, |newline| low + newline + 1);
        let line = WORDS.get(begin..).and_then(|rest| rest.split('\n').next());
        let line = line.unwrap_or_default();
        match line.cmp(word) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = begin + line.len() + 1,
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_list_is_sorted_and_every_word_is_found() {
        let words: Vec<&str> = WORDS.lines().collect();
        assert!(words.is_sorted() && words.len() > 70_000);
        for word in &words {
            assert!((LEAST..=MOST).contains(&word.len()), "{word}");
            assert!(is_word(word), "{word}");
            assert_eq!(fold(word), *word, "folded twice");
        }
        for other in ["", "a", "qqq", "zzzzzz", "sak", "sakuraa\n"] {
            assert!(!is_word(other), "{other:?}");
        }
    }

    #[test]
    fn however_romaji_is_written() {
        for text in [
            "toukyou",
            "tookyoo",
            "tokyo",
            "shigoto",
            "sigoto",
            "chizu",
            "tizu",
            "shimbun",
            "shinbun",
            "densya",
            "fujisan",
            "huzisan",
            "kaoumi",
            "inu2no3neko",
        ] {
            assert!(alone(text), "{text}");
        }
        for text in [
            "k7mqx2vt",
            "inu-no-neko",
            "xkcdqwv",
            "no",
            "no7inu",
            "i9n8u7",
            "",
        ] {
            assert!(!alone(text), "{text}");
        }
    }

    #[test]
    fn letters_by_chance_are_no_words() {
        // By a generator of our own, so that each run sees the same ones.
        let mut state = 88_172_645_463_325_252_u64;
        let mut draw = |from: &[u8]| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state % from.len() as u64).unwrap();
            char::from(from[at])
        };
        let refused = (0..5000)
            .filter(|_| {
                let text: String = (0..12)
                    .map(|_| draw(b"abcdefghijklmnopqrstuvwxyz0123456789"))
                    .collect();
                alone(&text)
            })
            .count();
        assert!(refused < 5, "{refused} of 5000");
    }
}
