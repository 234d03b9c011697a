//! The rule for passwords (clause 7.1(1)a): made ones satisfy it, chosen ones are checked by it.
//!
//! At least 8 characters (or as many as the site wants), 2 letters, 1 non-letter and 4 different characters, and not a dictionary or common
//! word alone. A chosen password of 20 characters or more may be composed as its holder likes, since length does more than
//! signs do (NIST SP 800-63B-4, 3.1.1.2), unless the site wants the clause to the letter (`strict_2006`). Nor may it be such a word with digits or signs before or after it, or in the spellings that guessing programs try
//! first (`p@ssw0rd1`), nor the address or the name that it belongs to. Common Japanese and some English words are built in, in romaji; kana
//! are compared as romaji. What people elsewhere use most (passwords that were stolen and published, words, names, runs of
//! keys, dates) zxcvbn knows. What is words and digits alone, Japanese or English, is refused below the length of a passphrase ([`words`]).

mod kana;
mod words;

use message::address::Address;
use protocol::sasl::{MAX_PASSWORD, Secret};
use unicode_normalization::UnicodeNormalization;
use world::World;

/// Fewest characters.
pub const MIN_CHARACTERS: usize = 8;
/// Fewest letters.
pub const MIN_LETTERS: usize = 2;
/// Fewest different characters.
pub const MIN_DIFFERENT: usize = 4;
/// From so many characters on, it is not asked which they are.
pub const PASSPHRASE: usize = 20;

/// What a site asks of chosen passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Fewest characters: 8 or more.
    pub shortest: usize,
    /// Letters and non-letters are demanded of passphrases too, to the letter of clause 7.1(1)a.
    pub strict_2006: bool,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            shortest: MIN_CHARACTERS,
            strict_2006: false,
        }
    }
}

const WORDS: &str = include_str!("common.txt");
/// What fingers and counting produce; any part of 4 characters or more is as bad as the whole.
const RUNS: [&str; 5] = [
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qazwsxedcrfvtgbyhnujm",
];
/// A part of the address shorter than this may stand in a password.
const MIN_NAME: usize = 3;
/// The same in scripts whose characters say more.
const MIN_NAME_OTHER: usize = 2;
/// What must be left of a password without its address.
const MIN_BESIDE_NAME: usize = 6;

/// What is wrong with a password, in words for the person who chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Fewer characters than the site's fewest.
    #[error("the password needs at least {0} characters")]
    TooShort(usize),
    /// More than can be checked at a login.
    #[error("the password may not be longer than {MAX_PASSWORD} octets")]
    TooLong,
    /// Fewer than 2 letters.
    #[error("the password needs at least {MIN_LETTERS} letters")]
    FewLetters,
    /// Letters only.
    #[error("the password needs at least one character that is not a letter")]
    OnlyLetters,
    /// Fewer than 4 different characters.
    #[error("the password needs at least {MIN_DIFFERENT} different characters")]
    FewDifferent,
    /// A control character, which no login form can type.
    #[error("the password may not contain control characters")]
    Control,
    /// A word, a name of the list, or a run of keys, alone or with digits or signs around it.
    #[error("the password is a common word or a run of keys with little added")]
    Common,
    /// Nothing but known words and digits, and shorter than a passphrase.
    #[error(
        "the password is made of words and digits alone: put signs between them, or take {PASSPHRASE} characters or more"
    )]
    Words,
    /// The address, the holder's name, or a part of them.
    #[error("the password is made of the address or the name that it is for")]
    Address,
}

/// Checks a chosen password against the rule of the site. `address` is the account's main address, `names` are its holder's.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(
    rule: Rule,
    password: &str,
    address: &Address,
    names: &[&str],
) -> Result<(), Weakness> {
    if password.len() > MAX_PASSWORD {
        return Err(Weakness::TooLong);
    }
    if password.chars().any(char::is_control) {
        return Err(Weakness::Control);
    }
    let characters = password.chars().count();
    let shortest = rule.shortest.max(MIN_CHARACTERS);
    if characters < shortest {
        return Err(Weakness::TooShort(shortest));
    }
    let letters = password.chars().filter(|c| c.is_alphabetic()).count();
    let composed = rule.strict_2006 || characters < PASSPHRASE;
    if composed && letters < MIN_LETTERS {
        return Err(Weakness::FewLetters);
    }
    if composed && letters == characters {
        return Err(Weakness::OnlyLetters);
    }
    let mut different: Vec<char> = password.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < MIN_DIFFERENT {
        return Err(Weakness::FewDifferent);
    }
    let folded: String = password.nfkc().flat_map(char::to_lowercase).collect();
    let plain = kana::romaji(&folded);
    if [&folded, &plain]
        .into_iter()
        .any(|text| is_own(text, address, names))
    {
        return Err(Weakness::Address);
    }
    // Spelled out (`p4ssw0rd`), with digits taken off first (`sakura2024`), and both.
    let respelled: String = plain.chars().map(unleet).collect();
    let stripped: String = bare(&plain).chars().map(unleet).collect();
    if [bare(&plain), bare(&respelled), bare(&stripped)]
        .into_iter()
        .any(is_common)
    {
        return Err(Weakness::Common);
    }
    if is_guessed_early(&folded, address, names) {
        return Err(Weakness::Common);
    }
    if characters < PASSPHRASE
        && [&plain, &respelled, &stripped]
            .into_iter()
            .any(|text| words::alone(text))
    {
        return Err(Weakness::Words);
    }
    Ok(())
}

/// Whether a guessing program that begins with the passwords and words that people use most comes to it among its first
/// hundred million.
fn is_guessed_early(password: &str, address: &Address, names: &[&str]) -> bool {
    let mut own = vec![address.local(), address.domain().as_str()];
    own.extend(names);
    zxcvbn::zxcvbn(password, &own).score() < zxcvbn::Score::Three
}

const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz";
const DIGITS: &[u8] = b"23456789";

/// Makes a password for a new account: `k7mq-…`, four groups of four characters that cannot be taken for
/// one another when read aloud or from paper. About 2⁶⁷ are possible. Satisfies the rule by construction:
/// each group begins with a letter, ends with a digit, and has four different characters.
#[must_use]
pub fn generate(world: &World) -> Secret {
    let mut text = String::with_capacity(19);
    for group in 0..4 {
        if group > 0 {
            text.push('-');
        }
        let mut both: Vec<u8> = [LETTERS, DIGITS].concat();
        let first = draw(world, LETTERS);
        let last = draw(world, DIGITS);
        both.retain(|c| *c != first && *c != last);
        let second = draw(world, &both);
        both.retain(|c| *c != second);
        let third = draw(world, &both);
        text.extend([first, second, third, last].map(char::from));
    }
    Secret::from(text)
}

/// Makes a password for a mail program, which remembers it for people: `abcde-…`, four groups of five. About 2⁸⁹ are
/// possible, so that what is kept of it may be cheap to compute. Satisfies the rule by construction.
#[must_use]
pub fn generate_long(world: &World) -> Secret {
    const GROUPS: usize = 4;
    let mut text = String::with_capacity(24);
    for group in 0..GROUPS {
        if group > 0 {
            text.push('-');
        }
        // A first letter and a last digit in every group, as in those that people type.
        text.push(char::from(draw(world, LETTERS)));
        let both: Vec<u8> = [LETTERS, DIGITS].concat();
        text.extend((0..3).map(|_| char::from(draw(world, &both))));
        text.push(char::from(draw(world, DIGITS)));
    }
    Secret::from(text)
}

fn draw(world: &World, from: &[u8]) -> u8 {
    let bound = u32::try_from(from.len()).unwrap_or(u32::MAX);
    let at = usize::try_from(world.below(bound)).unwrap_or_default();
    from.get(at).copied().unwrap_or(b'x')
}

/// The text without digits and signs at its ends.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_alphabetic())
}

/// The letter that a digit or sign commonly stands for.
fn unleet(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    }
}

fn is_common(core: &str) -> bool {
    let letters = core.chars().count();
    if letters < 3 {
        // Nothing but digits and signs around a letter or two: `a1234567b` has its digits inside.
        return letters == 0;
    }
    WORDS
        .split_ascii_whitespace()
        .any(|word| is_repeated(core, word))
        || letters >= 4 && RUNS.iter().any(|run| run.contains(core))
}

/// Whether `core` is `word`, once or several times.
fn is_repeated(core: &str, word: &str) -> bool {
    let rest = core.replace(word, "");
    rest.is_empty() || rest.len() < core.len() && rest.chars().all(|c| !c.is_alphabetic())
}

/// Whether hardly anything is left without the address and the names.
fn is_own(plain: &str, address: &Address, names: &[&str]) -> bool {
    let local = address.local().to_lowercase();
    let label = address
        .domain()
        .as_str()
        .split('.')
        .next()
        .unwrap_or_default()
        .to_owned();
    let mut rest = plain.to_owned();
    let mut found = false;
    let parts = |text: &str| -> Vec<String> {
        let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
        let both = [folded.clone(), kana::romaji(&folded)];
        let split = |text: &String| -> Vec<String> {
            let parts = text.split(|c: char| !c.is_alphanumeric());
            parts.map(str::to_owned).collect()
        };
        both.iter().flat_map(split).collect()
    };
    let mut own = vec![address.to_string().to_lowercase(), local.clone(), label];
    own.extend(
        names
            .iter()
            .copied()
            .chain([local.as_str()])
            .flat_map(parts),
    );
    // The longest first: what is left of it must not be taken for a part.
    own.sort_by_key(|name| std::cmp::Reverse(name.chars().count()));
    for name in own {
        let least = if name.is_ascii() {
            MIN_NAME
        } else {
            MIN_NAME_OTHER
        };
        if name.chars().count() >= least && rest.contains(&name) {
            rest = rest.replace(&name, "");
            found = true;
        }
    }
    found && rest.chars().count() < MIN_BESIDE_NAME
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn verdict(password: &str) -> Result<(), Weakness> {
        judged(Rule::default(), password)
    }

    fn judged(rule: Rule, password: &str) -> Result<(), Weakness> {
        check(
            rule,
            password,
            &Address::parse("tanaka.taro@soumu.example.jp").unwrap(),
            &["田中 太郎", "Hanako"],
        )
    }

    #[test]
    fn each_rule_is_told() {
        for (password, weakness) in [
            ("abc1234", Weakness::TooShort(8)),
            ("12345678a", Weakness::FewLetters),
            ("correcthorse", Weakness::OnlyLetters),
            ("aaaa1111", Weakness::FewDifferent),
            ("abc\t12345", Weakness::Control),
            ("password1", Weakness::Common),
            ("P@ssw0rd!", Weakness::Common),
            ("Sakura2024", Weakness::Common),
            ("sakurasakura1", Weakness::Common),
            ("sakura-sakura", Weakness::Common),
            ("2024arigatou!!", Weakness::Common),
            ("qwertyu1", Weakness::Common),
            ("abcdefg1", Weakness::Common),
            ("ｓａｋｕｒａ２０２４", Weakness::Common),
            ("tanaka.taro1", Weakness::Address),
            ("tanaka.taro@soumu.example.jp", Weakness::Address),
            ("soumu2024", Weakness::Address),
            ("Tanaka2024", Weakness::Address),
            ("hanako-77", Weakness::Address),
            ("ハナコ19840101", Weakness::Common),
            ("田中太郎a1234", Weakness::Address),
            ("さくらサクラ2024", Weakness::Common),
            // Not in our list, but in everybody's.
            ("hunter2a", Weakness::Common),
            ("liverpool8", Weakness::Common),
            ("abc12def", Weakness::Common),
            ("November2026", Weakness::Common),
            // Words that are put together, and words of Japan.
            ("toukyou2020", Weakness::Words),
            ("kaigishitsu1", Weakness::Words),
            ("shigoto123", Weakness::Words),
            ("taifuu2024", Weakness::Words),
            ("yakyuu2024", Weakness::Words),
            ("ohayougozaimasu1", Weakness::Words),
            ("shiyakusho1", Weakness::Words),
            ("kasumigaseki1", Weakness::Words),
            ("nagatachou1", Weakness::Words),
            ("satouhanako1", Weakness::Words),
            ("sobaudon1", Weakness::Words),
            ("inunoneko1", Weakness::Words),
            ("monbukagaku1", Weakness::Words),
            ("かすみがせき2026", Weakness::Words),
            ("カイギシツ2026", Weakness::Common),
            ("s0baud0n2026", Weakness::Words),
        ] {
            assert_eq!(verdict(password), Err(weakness), "{password}");
        }
        assert_eq!(verdict(&"a1b2".repeat(300)), Err(Weakness::TooLong));
    }

    #[test]
    fn good_ones_pass() {
        for password in [
            "sakura mochi 7",
            "k7mq-x2vt",
            "Nagai-Michi-9",
            "雨の日は本を読む3",
            "tanaka.taro likes tea 3",
            "kasumi-gaseki-no-7",
            "mori kaze 88 umi",
        ] {
            assert_eq!(verdict(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn long_ones_may_be_of_letters_alone_unless_the_clause_holds_to_the_letter() {
        let strict = Rule {
            strict_2006: true,
            ..Rule::default()
        };
        for password in [
            "ameno hiwa honwo yomu michi",
            "amenohihahonwoyomukotonisuru",
            "あめのひはほんをよむことにしています",
        ] {
            let long = password.chars().count() >= PASSPHRASE;
            let letters = password.chars().all(char::is_alphabetic);
            let expected = if letters && !long {
                Err(Weakness::OnlyLetters)
            } else {
                Ok(())
            };
            assert_eq!(verdict(password), expected, "{password}");
            let expected = if letters {
                Err(Weakness::OnlyLetters)
            } else {
                Ok(())
            };
            assert_eq!(judged(strict, password), expected, "{password}");
        }
        // Length alone is not enough.
        let weak = verdict("sakurasakurasakurasakura");
        assert_eq!(weak, Err(Weakness::Common));
        let weak = verdict("ababababababababababab");
        assert_eq!(weak, Err(Weakness::FewDifferent));
        let weak = verdict("38172938471629384712");
        assert_eq!(weak, Err(Weakness::Common));
        let fifteen = Rule {
            shortest: 15,
            ..Rule::default()
        };
        assert_eq!(judged(fifteen, "k7mq-x2vt"), Err(Weakness::TooShort(15)));
        assert_eq!(judged(fifteen, "k7mq-x2vt-9abc-d"), Ok(()));
        let too_low = Rule {
            shortest: 1,
            ..Rule::default()
        };
        assert_eq!(judged(too_low, "a1b2"), Err(Weakness::TooShort(8)));
    }

    struct Constant(u8);
    impl world::Random for Constant {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn made_ones_pass_whatever_chance_gives() {
        for n in 0..=255 {
            let world = World::new(world::ManualClock::default(), Constant(n));
            let made = generate(&world);
            assert_eq!(verdict(made.expose_str().unwrap()), Ok(()), "{n}");
        }
        let world = World::system();
        for _ in 0..500 {
            let made = generate(&world);
            let text = made.expose_str().unwrap();
            assert!(text.len() >= 16 && !text.contains(['0', '1', 'o', 'l', 'i']));
            assert_eq!(verdict(text), Ok(()), "{text}");
        }
        assert_ne!(generate(&world), generate(&world));
    }

    proptest! {
        #[test]
        fn whatever_passes_keeps_the_count_rules(password in ".{0,20}") {
            let characters = password.chars().count();
            if verdict(&password).is_ok() {
                prop_assert!(characters >= 8);
            }
            // Of a passphrase it is not asked which they are, unless a site is strict.
            let rule = Rule { strict_2006: characters >= PASSPHRASE, ..Rule::default() };
            if judged(rule, &password).is_ok() {
                prop_assert!(password.chars().filter(|c| c.is_alphabetic()).count() >= 2);
                prop_assert!(password.chars().any(|c| !c.is_alphabetic()));
            }
        }
    }
}
