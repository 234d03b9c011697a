//! Names for the year's people: in kanji, and in romaji for their addresses.

use super::chance::Chance;

/// Romaji and kanji.
type Name = (&'static str, &'static str);

const FAMILY: &[Name] = &[
    ("sato", "佐藤"),
    ("suzuki", "鈴木"),
    ("takahashi", "高橋"),
    ("tanaka", "田中"),
    ("watanabe", "渡辺"),
    ("ito", "伊藤"),
    ("yamamoto", "山本"),
    ("nakamura", "中村"),
    ("kobayashi", "小林"),
    ("kato", "加藤"),
    ("yoshida", "吉田"),
    ("yamada", "山田"),
    ("sasaki", "佐々木"),
    ("yamaguchi", "山口"),
    ("matsumoto", "松本"),
    ("inoue", "井上"),
    ("kimura", "木村"),
    ("hayashi", "林"),
    ("shimizu", "清水"),
    ("saito", "斎藤"),
    ("mori", "森"),
    ("abe", "阿部"),
    ("ikeda", "池田"),
    ("hashimoto", "橋本"),
    ("ishikawa", "石川"),
    ("ogawa", "小川"),
    ("maeda", "前田"),
    ("okada", "岡田"),
    ("hasegawa", "長谷川"),
    ("fujita", "藤田"),
    ("goto", "後藤"),
    ("kondo", "近藤"),
    ("murakami", "村上"),
    ("endo", "遠藤"),
    ("aoki", "青木"),
    ("sakamoto", "坂本"),
];

const GIVEN: &[Name] = &[
    ("haruto", "陽斗"),
    ("misaki", "美咲"),
    ("ichiro", "一郎"),
    ("hanako", "花子"),
    ("takumi", "拓海"),
    ("sakura", "さくら"),
    ("kenta", "健太"),
    ("yui", "結衣"),
    ("daisuke", "大輔"),
    ("akiko", "明子"),
    ("makoto", "誠"),
    ("keiko", "恵子"),
    ("hiroshi", "浩"),
    ("naoko", "直子"),
    ("shota", "翔太"),
    ("mayumi", "真由美"),
    ("kazuya", "和也"),
    ("tomoko", "智子"),
    ("ryota", "亮太"),
    ("kaori", "香織"),
    ("tetsuya", "哲也"),
    ("yoko", "洋子"),
    ("naoki", "直樹"),
    ("emi", "恵美"),
    ("yuta", "勇太"),
    ("mika", "美香"),
    ("koji", "浩二"),
    ("rina", "里奈"),
    ("satoshi", "聡"),
    ("ayaka", "彩花"),
    ("masato", "正人"),
    ("chieko", "千恵子"),
    ("yusuke", "祐介"),
    ("noriko", "典子"),
    ("shinji", "真司"),
    ("megumi", "恵"),
];

/// The most people that have names.
pub(super) const MOST: usize = FAMILY.len() * GIVEN.len();

/// Short names with full names, in an order by chance, none twice.
pub(super) fn all(chance: &mut Chance) -> Vec<(String, String)> {
    let mut names = Vec::with_capacity(MOST);
    for (family, family_kanji) in FAMILY {
        for (given, given_kanji) in GIVEN {
            let short = format!("{family}-{given}");
            names.push((short, format!("{family_kanji} {given_kanji}")));
        }
    }
    chance.shuffle(&mut names);
    names
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nobody_has_the_name_of_another() {
        let names = all(&mut Chance::new(3));
        let short: BTreeSet<&String> = names.iter().map(|(short, _)| short).collect();
        assert_eq!((short.len(), names.len()), (MOST, MOST));
        // The demo's 500, and as many who come.
        const { assert!(MOST >= 1000) };
    }
}
