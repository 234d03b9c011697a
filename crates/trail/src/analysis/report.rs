//! The review of the trail as a document (clause 8.2(2)), in Japanese or English, as text or HTML, ready to be signed.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};

use super::{Find, Findings, Pattern};

/// What a review tells of.
#[derive(Clone, Debug)]
pub struct Review {
    /// Whose trail it is: the name of the log.
    pub log: String,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// Who had it made.
    pub person: String,
    /// When.
    pub made: Timestamp,
    /// Events of the period by kind and outcome.
    pub counts: BTreeMap<(String, String), u64>,
    /// What is conspicuous.
    pub findings: Findings,
    /// What is permitted beyond the rule, and in force when it was made.
    pub permitted: Vec<Permitted>,
    /// The checkpoint over the trail when it was made.
    pub checkpoint: String,
}

/// Something beyond the rule that holds for an identifier: it shows in every review.
#[derive(Clone, Debug)]
pub struct Permitted {
    /// What it is.
    pub what: Beyond,
    /// The identifier.
    pub identifier: String,
    /// To where its mail goes, or who reads it or shares it.
    pub whom: String,
    /// The order, if one was needed.
    pub order: Option<i64>,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// What is beyond the rule that one person alone has the mail of one identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Its mail goes on elsewhere.
    Forward,
    /// Another reads it (clause 7.1(4)).
    Reading,
    /// Several people use it (clause 8.1).
    Shared,
}

impl Beyond {
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::Forward => ["forward", "転送"],
            Self::Reading => ["read by another", "他者による閲覧"],
            Self::Shared => ["shared", "共有"],
        }
    }
}

/// The language of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Japanese.
    Ja,
}

/// The words of a document, in English and in Japanese.
struct Words(Language);

impl Words {
    fn of<'w>(&self, [en, ja]: [&'w str; 2]) -> &'w str {
        match self.0 {
            Language::En => en,
            Language::Ja => ja,
        }
    }
}

/// A part of a document.
enum Part {
    Title(String),
    Heading(String),
    Text(String),
    Table(Vec<String>, Vec<Vec<String>>),
    Verbatim(String),
}

impl Review {
    /// The document as plain text.
    #[must_use]
    pub fn text(&self, language: Language, zone: &TimeZone) -> String {
        let mut out = String::new();
        for part in self.parts(&Words(language), zone) {
            match part {
                Part::Title(title) => out.push_str(&format!("{title}\n")),
                Part::Heading(heading) => out.push_str(&format!("\n# {heading}\n\n")),
                Part::Text(text) => out.push_str(&format!("{text}\n")),
                Part::Table(head, rows) => {
                    for row in std::iter::once(&head).chain(&rows) {
                        out.push_str(&format!("{}\n", row.join("\t")));
                    }
                }
                Part::Verbatim(text) => {
                    text.lines()
                        .for_each(|line| out.push_str(&format!("    {line}\n")));
                }
            }
        }
        out
    }

    /// The document as one page of HTML that needs nothing else.
    #[must_use]
    pub fn html(&self, language: Language, zone: &TimeZone) -> String {
        let words = Words(language);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<meta charset=\"utf-8\">\n<title>{}</title>\n<style>\
             body{{font-family:sans-serif;max-width:60em;margin:2em auto;line-height:1.5}}\
             table{{border-collapse:collapse}}td,th{{border:1px solid #999;padding:.2em .6em;text-align:left;vertical-align:top}}\
             pre{{background:#eee;padding:1em;overflow-x:auto}}</style>\n",
            words.of(["en", "ja"]),
            escaped(words.of(TITLE))
        );
        for part in self.parts(&words, zone) {
            match part {
                Part::Title(title) => out.push_str(&format!("<h1>{}</h1>\n", escaped(&title))),
                Part::Heading(heading) => {
                    out.push_str(&format!("<h2>{}</h2>\n", escaped(&heading)));
                }
                Part::Text(text) => out.push_str(&format!("<p>{}</p>\n", escaped(&text))),
                Part::Table(head, rows) => {
                    out.push_str("<table>\n");
                    push_row(&mut out, "th", &head);
                    rows.iter().for_each(|row| push_row(&mut out, "td", row));
                    out.push_str("</table>\n");
                }
                Part::Verbatim(text) => {
                    out.push_str(&format!("<pre>{}</pre>\n", escaped(&text)));
                }
            }
        }
        out.push_str("</html>\n");
        out
    }

    fn parts(&self, words: &Words, zone: &TimeZone) -> Vec<Part> {
        let time = |at: Timestamp| {
            let at = at.to_zoned(zone.clone());
            at.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
        };
        let head = |names: &[[&str; 2]]| {
            names
                .iter()
                .map(|name| words.of(*name).to_owned())
                .collect()
        };
        let mut parts = vec![
            Part::Title(words.of(TITLE).to_owned()),
            Part::Table(
                head(&[["what", "項目"], ["", "内容"]]),
                vec![
                    vec![words.of(["trail", "証跡"]).to_owned(), self.log.clone()],
                    vec![
                        words.of(["period", "期間"]).to_owned(),
                        format!("{} – {}", time(self.from), time(self.to)),
                    ],
                    vec![
                        words.of(["made", "作成"]).to_owned(),
                        format!("{} {}", time(self.made), self.person),
                    ],
                ],
            ),
            Part::Heading(
                words
                    .of(["What is conspicuous", "注意を要する事象"])
                    .to_owned(),
            ),
        ];
        if self.findings.finds.is_empty() {
            let none = ["Nothing in this period.", "この期間にはありません。"];
            parts.push(Part::Text(words.of(none).to_owned()));
        }
        for pattern in Pattern::ALL {
            let finds = self.findings.finds.iter();
            let finds: Vec<&Find> = finds.filter(|find| find.pattern == pattern).collect();
            if finds.is_empty() {
                continue;
            }
            parts.push(Part::Heading(words.of(pattern.words()).to_owned()));
            let columns = [
                ["where", "対象"],
                ["count", "件数"],
                ["first", "最初"],
                ["last", "最後"],
                ["identifiers", "識別コード"],
                ["addresses", "アドレス"],
                ["events", "証跡番号"],
                ["search", "検索"],
            ];
            let rows = finds.iter().map(|find| row(find, &time)).collect();
            parts.push(Part::Table(head(&columns), rows));
        }
        parts.push(Part::Text(words.of(PLACES).to_owned()));
        if self.findings.left_out > 0 {
            let text = match words.0 {
                Language::En => format!(
                    "{} events could not be followed for want of room: make the period shorter.",
                    self.findings.left_out
                ),
                Language::Ja => format!(
                    "{}件の証跡は容量の制限により分析していません。期間を短くしてください。",
                    self.findings.left_out
                ),
            };
            parts.push(Part::Text(text));
        }
        parts.extend(self.permitted_parts(words, &head, &time));
        parts.push(Part::Heading(
            words
                .of(["Events of the period", "期間中の証跡の件数"])
                .to_owned(),
        ));
        let rows = self
            .counts
            .iter()
            .map(|((kind, outcome), count)| vec![kind.clone(), outcome.clone(), count.to_string()]);
        let columns = [["kind", "種別"], ["result", "結果"], ["count", "件数"]];
        parts.push(Part::Table(head(&columns), rows.collect()));
        parts.push(Part::Heading(
            words.of(["Checkpoint", "署名済み証跡頭部"]).to_owned(),
        ));
        parts.push(Part::Verbatim(self.checkpoint.clone()));
        parts.push(Part::Heading(words.of(["Review", "点検"]).to_owned()));
        let columns = [
            ["result", "点検結果・措置"],
            ["date", "日付"],
            ["name", "氏名"],
        ];
        parts.push(Part::Table(head(&columns), vec![vec![String::new(); 3]]));
        parts
    }
}

impl Review {
    /// What is in force: forwards, readings, shared identifiers.
    fn permitted_parts(
        &self,
        words: &Words,
        head: &impl Fn(&[[&str; 2]]) -> Vec<String>,
        time: &impl Fn(Timestamp) -> String,
    ) -> Vec<Part> {
        let title = [
            "Forwards, readings and shared identifiers in force",
            "現在有効な転送・閲覧・共有",
        ];
        let heading = Part::Heading(words.of(title).to_owned());
        if self.permitted.is_empty() {
            let none = words.of(["None.", "ありません。"]).to_owned();
            return vec![heading, Part::Text(none)];
        }
        let columns = [
            ["what", "種別"],
            ["identifier", "識別コード"],
            ["whom", "相手"],
            ["order", "命令"],
            ["until", "期限"],
        ];
        let rows = self.permitted.iter().map(|one| {
            vec![
                words.of(one.what.words()).to_owned(),
                one.identifier.clone(),
                one.whom.clone(),
                one.order.map(|order| order.to_string()).unwrap_or_default(),
                one.until.map(time).unwrap_or_default(),
            ]
        });
        vec![heading, Part::Table(head(&columns), rows.collect())]
    }
}

/// What a place is, and what is not known of it.
const PLACES: [&str; 2] = [
    "Places are networks (IPv4 /24, IPv6 /48); hosts are addresses (IPv6 /64). In which countries they are, and how far apart, is not \
     known here: two networks within minutes may be one person with two devices.",
    "「場所」はネットワーク(IPv4 は /24、IPv6 は /48)、端末はアドレス(IPv6 は /64)です。所在国や距離の情報は持たないため、\
     数分のうちの二つのネットワークは、一人が二台の端末を使っている場合もあります。",
];

const TITLE: [&str; 2] = [
    "Review of the audit trail (clause 8.2)",
    "証跡点検報告書(第8.2項)",
];

fn row(find: &Find, time: &impl Fn(Timestamp) -> String) -> Vec<String> {
    let addresses: Vec<String> = find.addresses.iter().map(ToString::to_string).collect();
    let events: Vec<String> = find.events.iter().map(ToString::to_string).collect();
    vec![
        find.place(),
        find.count.to_string(),
        time(find.first),
        time(find.last),
        find.identifiers.join(", "),
        addresses.join(", "),
        events.join(", "),
        format!("kakitome {}", find.search()),
    ]
}

fn push_row(out: &mut String, cell: &str, row: &[String]) {
    out.push_str("<tr>");
    for text in row {
        out.push_str(&format!("<{cell}>{}</{cell}>", escaped(text)));
    }
    out.push_str("</tr>\n");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_review_is_told_in_both_languages_and_shows_no_markup_of_others() {
        let at: Timestamp = "2026-10-01T00:00:00Z".parse().unwrap();
        let find = Find {
            pattern: Pattern::Guessing,
            services: vec![super::super::Service::Mra],
            count: 12,
            first: at,
            last: at,
            identifiers: vec!["<script>alert(1)</script>".to_owned()],
            addresses: vec!["192.0.2.1".parse().unwrap()],
            events: vec![77],
        };
        let review = Review {
            log: "mail.example.jp/trail-1".to_owned(),
            from: at,
            to: at,
            person: "佐藤".to_owned(),
            made: at,
            counts: BTreeMap::from([(("smtp.accepted".to_owned(), "success".to_owned()), 5)]),
            findings: Findings {
                finds: vec![find],
                left_out: 3,
            },
            permitted: vec![Permitted {
                what: Beyond::Reading,
                identifier: "kato@example.jp".to_owned(),
                whom: "佐藤".to_owned(),
                order: Some(7),
                until: Some(at),
            }],
            checkpoint: "mail.example.jp/trail-1\n5\n".to_owned(),
        };
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        let japanese = review.html(Language::Ja, &zone);
        for said in [
            "証跡点検報告書",
            "2026-10-01 09:00:00 +09:00",
            "パスワードの試行",
            "&lt;script&gt;",
            "<td>他者による閲覧</td><td>kato@example.jp</td><td>佐藤</td><td>7</td>",
            "3件",
            "所在国や距離の情報は持たない",
            "audit search --from 2026-10-01T00:00:00Z --to 2026-10-01T00:00:00.001Z --kind authentication.failed \
             --subject=&#39;",
        ] {
            assert!(japanese.contains(said), "{said} in {japanese}");
        }
        assert!(!japanese.contains("<script>"));
        let english = review.text(Language::En, &zone);
        for said in [
            "many failures against one identifier",
            "smtp.accepted\tsuccess\t5",
            "    mail.example.jp/trail-1",
        ] {
            assert!(english.contains(said), "{said} in {english}");
        }
    }
}
