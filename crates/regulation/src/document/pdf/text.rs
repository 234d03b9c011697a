//! How wide text is, and where its lines break.

/// Which of the fonts a character is shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// Helvetica, in WinAnsi.
    Latin,
    /// The reader's Japanese font.
    Japanese,
}

/// A piece of text in one font.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) script: Script,
    /// As the font wants it: WinAnsi or UTF-16.
    pub(super) octets: Vec<u8>,
    /// In thousandths of the size.
    pub(super) width: u32,
}

/// Widths of Helvetica from space to tilde, in thousandths of the size (Adobe's metrics of the 14 fonts that every reader has).
#[rustfmt::skip]
const HELVETICA: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// How a character is shown: its font, its octet in WinAnsi if that is Latin, and its width.
fn shown(letter: char) -> (Script, u8, u32) {
    let latin = |octet, width| (Script::Latin, octet, width);
    match letter {
        ' '..='~' => {
            let octet = u8::try_from(u32::from(letter)).unwrap_or(b' ');
            let at = usize::from(octet.saturating_sub(b' '));
            latin(octet, u32::from(HELVETICA.get(at).copied().unwrap_or(556)))
        }
        '\u{2018}' => latin(0x91, 222),
        '\u{2019}' => latin(0x92, 222),
        '\u{201c}' => latin(0x93, 333),
        '\u{201d}' => latin(0x94, 333),
        '\u{2013}' => latin(0x96, 556),
        // Letters with accents are as wide as those without, but for the narrow i.
        '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{de}' => latin(winansi(letter), 722),
        '\u{df}'..='\u{f6}' | '\u{f8}'..='\u{ff}' => latin(winansi(letter), 556),
        _ => (Script::Japanese, 0, 1000),
    }
}

fn winansi(letter: char) -> u8 {
    u8::try_from(u32::from(letter)).unwrap_or(b'?')
}

/// `text` in runs of one font each.
pub(super) fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        let (script, octet, width) = shown(letter);
        if runs.last().is_none_or(|run| run.script != script) {
            runs.push(Run {
                script,
                octets: Vec::new(),
                width: 0,
            });
        }
        let Some(run) = runs.last_mut() else { continue };
        run.width += width;
        match script {
            Script::Latin => run.octets.push(octet),
            Script::Japanese => {
                let mut units = [0; 2];
                let units = letter.encode_utf16(&mut units);
                run.octets
                    .extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
            }
        }
    }
    runs
}

/// How wide `text` is, in thousandths of its size.
pub(super) fn width(text: &str) -> u32 {
    let letters = text.chars().filter(|letter| !letter.is_control());
    letters.map(|letter| shown(letter).2).sum()
}

/// No line begins with one of these (禁則処理).
const NO_START: &str = "、。，．,.!?！？:;：；)）]］}｝」』】〕〉》”’・ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ々ゝゞ…‥％%";
/// No line ends with one of these.
const NO_END: &str = "(（[［{｛「『【〔〈《“‘";

/// `text` in lines of at most `most` thousandths of its size. A line feed ends a line.
pub(super) fn lines(text: &str, most: u32) -> Vec<String> {
    broken(text, most, |_, _| false)
}

/// The same for a title, in which words of katakana are not divided.
pub(super) fn title_lines(text: &str, most: u32) -> Vec<String> {
    let katakana = |letter: char| ('ァ'..='ー').contains(&letter);
    broken(text, most, |before, letter| {
        katakana(before) && katakana(letter)
    })
}

fn broken(text: &str, most: u32, holds: impl Fn(char, char) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for unit in units(paragraph, &holds) {
            let fits = width(&line) + width(&unit) <= most;
            if !fits && !line.is_empty() {
                lines.push(line.trim_end().to_owned());
                line = String::new();
            }
            let unit = if line.is_empty() {
                unit.trim_start()
            } else {
                unit.as_str()
            };
            for letter in unit.chars() {
                // A word that is longer than a line is cut where the line ends.
                if !line.is_empty() && width(&line) + shown(letter).2 > most {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(letter);
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// What is never divided unless it is longer than a line: Latin words with the space before them, and single Japanese characters
/// with what must not be parted from them. `holds` says which others are held together.
fn units(text: &str, holds: &impl Fn(char, char) -> bool) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    let mut before: Option<char> = None;
    for letter in text.chars() {
        let joins = match before {
            None => false,
            Some(' ') => true,
            Some(before) => {
                let word = |one: char| shown(one).0 == Script::Latin && one != ' ';
                (word(before) && word(letter) && !"/_-".contains(before))
                    || holds(before, letter)
                    || NO_START.contains(letter)
                    || NO_END.contains(before)
            }
        };
        match units.last_mut() {
            Some(unit) if joins => unit.push(letter),
            _ => units.push(letter.to_string()),
        }
        before = Some(letter);
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_line_begins_or_ends_where_it_must_not() {
        let text = "情報システムセキュリティ管理者は、証跡を「巻」（月ごとのもの）として保存し、改ざんを防ぐこと。";
        for most in 3000..20_000 {
            for line in lines(text, most) {
                let first = line.chars().next();
                let last = line.chars().last();
                assert!(width(&line) <= most, "{most} {line}");
                assert!(
                    !first.is_some_and(|one| "、。）」".contains(one)),
                    "{most} {line}"
                );
                assert!(
                    !last.is_some_and(|one| "「（".contains(one)),
                    "{most} {line}"
                );
            }
        }
    }

    #[test]
    fn words_stay_whole() {
        let found = lines("the trail is kept for 10 years", 6000);
        assert!(found.len() > 1);
        assert_eq!(found.join(" "), "the trail is kept for 10 years");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "[a-z ()、。「」漢字かな]{0,80}", most in 2000_u32..30_000) {
            let kept = |text: &str| text.chars().filter(|one| *one != ' ').collect::<String>();
            prop_assert_eq!(kept(&lines(&text, most).concat()), kept(&text));
        }
    }
}
