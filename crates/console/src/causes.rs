//! Why mail was set apart, in words for whom it is for.

use transfer::command::quarantine::Apart;

use crate::words::Words;

/// The causes as verdicts have them, in Japanese and English.
const CAUSES: &[(&str, &str, &str)] = &[
    (
        "unclear-author",
        "差出人がはっきりしません",
        "it is not clear who wrote it",
    ),
    (
        "outbreak-rule",
        "出回っている不審なメールの規則に当たります",
        "a rule against mail that is going around means it",
    ),
    (
        "malware-found",
        "不正プログラムが見つかりました",
        "malware was found in it",
    ),
    (
        "yara-rule",
        "内容がこの組織の検査規則に当たります",
        "a rule of this site for what mail holds matches",
    ),
    (
        "executable",
        "実行できるファイルがあります",
        "it holds what can be run",
    ),
    (
        "deception",
        "ファイルの名前や種類が偽られています",
        "a file in it is not what it is shown as",
    ),
    (
        "smuggling",
        "ファイルを作り出すページがあります",
        "it holds a page that brings a file in itself",
    ),
    (
        "macros",
        "マクロを含む文書があります",
        "it holds a document with macros",
    ),
    (
        "encrypted",
        "パスワードの付いたファイルがあります",
        "it holds what opens with a password only",
    ),
    (
        "partial",
        "分割されたメールの一部です",
        "it is a part of a message that comes in several",
    ),
    (
        "external-body",
        "内容の一部が外部に置かれています",
        "a part of it lies elsewhere",
    ),
    (
        "incomplete",
        "検査できない部分があります",
        "something in it could not be looked at",
    ),
    (
        "scanner-down",
        "検査ができませんでした",
        "it could not be scanned",
    ),
    (
        "old-definitions",
        "最新の定義で検査できませんでした",
        "it could not be scanned with definitions that are current",
    ),
    (
        "rule",
        "この組織の規則に当たります",
        "a rule of this site means it",
    ),
    (
        "listed",
        "送信元などがDNSリストに載っています",
        "it comes from, or under, what is on a DNS list",
    ),
    (
        "list-trouble",
        "DNSリストを確認できませんでした",
        "a DNS list could not be asked",
    ),
    (
        "conduct",
        "送信元が大量に送るプログラムのように振る舞いました",
        "its sender behaved as programs do that send much",
    ),
    (
        "bad-history",
        "同じ送信元のメールはこれまで不要とされています",
        "what came from there before was not wanted",
    ),
    (
        "greylisted",
        "初めての送信元です",
        "its sender was not here before",
    ),
    (
        "words",
        "迷惑メールによくある言葉があります",
        "its words are those of unwanted mail",
    ),
    (
        "rspamd",
        "rspamdが迷惑メールと判定しました",
        "rspamd speaks against it",
    ),
    (
        "milter",
        "外部の検査（milter）が迷惑メールと判定しました",
        "a milter speaks against it",
    ),
];

/// The cause in the page's language, and which of the site's criteria of that cause decided, by its name: the DNS list, the rule, the tag,
/// the milter.
pub(crate) fn why(words: &Words, apart: &Apart) -> String {
    let cause = apart.cause.as_str();
    let known = CAUSES.iter().find(|(name, ..)| *name == cause);
    let told = match known {
        Some((_, ja, _)) if words.lang == "ja" => ja,
        Some((.., en)) => en,
        None if cause.starts_with("dmarc-") || cause.starts_with("spf-") => words.why_forged,
        None => words.why_other,
    };
    match apart.criterion.is_empty() {
        true => told.to_owned(),
        false => format!("{told}: {}", apart.criterion),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::words::{EN, JA};

    #[test]
    fn staff_see_which_list_or_rule_it_was() {
        let of = |words, cause: &str, criterion: &str| {
            let apart = Apart {
                id: String::new(),
                since: Timestamp::UNIX_EPOCH,
                until: Timestamp::UNIX_EPOCH,
                sender: String::new(),
                from: String::new(),
                subject: String::new(),
                size: 0,
                cause: cause.to_owned(),
                criterion: criterion.to_owned(),
                strict: false,
                recipients: Vec::new(),
            };
            why(words, &apart)
        };
        for (cause, criterion, ja, en) in [
            (
                "listed",
                "list.example (address)",
                "送信元などがDNSリストに載っています: list.example (address)",
                "it comes from, or under, what is on a DNS list: list.example (address)",
            ),
            (
                "rule",
                "名簿の業者",
                "この組織の規則に当たります: 名簿の業者",
                "a rule of this site means it: 名簿の業者",
            ),
            (
                "yara-rule",
                "suspicious",
                "内容がこの組織の検査規則に当たります: suspicious",
                "a rule of this site for what mail holds matches: suspicious",
            ),
            (
                "dmarc-reject",
                "",
                "差出人を確認できません",
                "its author could not be confirmed",
            ),
            ("new", "x", "疑わしい内容: x", "suspicious content: x"),
        ] {
            assert_eq!(of(&JA, cause, criterion), ja);
            assert_eq!(of(&EN, cause, criterion), en);
        }
    }
}
