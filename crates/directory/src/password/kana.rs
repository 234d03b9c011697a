//! Kana as romaji, so that さくら and サクラ are found in the list where sakura stands.

/// The syllables that are written with one kana (Hepburn), by their hiragana.
const SYLLABLES: &str = "あa いi うu えe おo かka きki くku けke こko がga ぎgi ぐgu げge ごgo さsa しshi すsu せse そso \
    ざza じji ずzu ぜze ぞzo たta ちchi つtsu てte とto だda ぢji づzu でde どdo なna にni ぬnu ねne のno はha ひhi ふfu へhe \
    ほho ばba びbi ぶbu べbe ぼbo ぱpa ぴpi ぷpu ぺpe ぽpo まma みmi むmu めme もmo やya ゆyu よyo らra りri るru れre ろro \
    わwa をo んn ゔvu";
/// Between katakana and hiragana.
const KATAKANA: u32 = 0x60;

/// The text with its kana in romaji; everything else stays.
pub(super) fn romaji(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut doubled = false;
    for c in text.chars().map(hiragana) {
        if c == 'っ' {
            doubled = true;
            continue;
        }
        if let Some(vowel) = small(c) {
            contract(&mut out, vowel);
        } else if c == 'ー' {
            // A long vowel is commonly left out.
        } else if let Some(syllable) = syllable(c) {
            if doubled {
                out.extend(syllable.chars().next());
            }
            out.push_str(syllable);
        } else {
            out.push(c);
        }
        doubled = false;
    }
    out
}

fn hiragana(c: char) -> char {
    match c {
        'ァ'..='ヴ' => char::from_u32(u32::from(c) - KATAKANA).unwrap_or(c),
        c => c,
    }
}

fn syllable(c: char) -> Option<&'static str> {
    SYLLABLES
        .split_ascii_whitespace()
        .find_map(|entry| entry.strip_prefix(c))
}

/// The vowel of a small kana.
fn small(c: char) -> Option<&'static str> {
    Some(match c {
        'ゃ' => "ya",
        'ゅ' => "yu",
        'ょ' => "yo",
        'ぁ' => "a",
        'ぃ' => "i",
        'ぅ' => "u",
        'ぇ' => "e",
        'ぉ' => "o",
        _ => return None,
    })
}

/// Contracts the syllable before with a small kana: ki + ya is kya, shi + ya is sha.
fn contract(out: &mut String, vowel: &str) {
    let soft = ["shi", "chi", "ji"].iter().any(|soft| out.ends_with(soft));
    if out.ends_with('i') || !vowel.starts_with('y') {
        out.pop();
    }
    out.push_str(if soft {
        vowel.trim_start_matches('y')
    } else {
        vowel
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_they_are_typed() {
        for (kana, latin) in [
            ("さくら", "sakura"),
            ("サクラ2024", "sakura2024"),
            ("がっこう", "gakkou"),
            ("きょうと", "kyouto"),
            ("しゃしん", "shashin"),
            ("ラーメン", "ramen"),
            ("ファイル", "fairu"),
            ("会議かいぎ", "会議kaigi"),
            ("plain", "plain"),
            ("っゃー", "ya"),
        ] {
            assert_eq!(romaji(kana), latin, "{kana}");
        }
    }
}
