//! What the trail of a period says of attacks, prepared for its review (clause 8.2(2), (3)): refused relaying, failed logins at MRA and
//! MSA, and what an analysis finds conspicuous in them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::{
    Error, Snapshot,
    event::{self, Filter},
};
use trail::{
    Kind, Recorded,
    analysis::{Analysis, Find, KINDS, Thresholds},
};

use crate::schedule::Span;

/// Events that are read at a time.
const PAGE: usize = 2000;
/// Finds that are named, the gravest first; the others are counted.
const MOST_FINDS: usize = 100;
/// Identifiers and addresses of a find that are named.
const MOST_NAMED: usize = 5;
/// What the reply of refused relaying has.
const RELAYING: &str = "5.7.1 ";

/// How often there was what a review looks at.
#[derive(Default)]
struct Counts(Map<String, Value>);

impl Counts {
    fn add(&mut self, what: &str, times: u64) {
        let sum = self.0.get(what).and_then(Value::as_u64);
        let sum = sum.unwrap_or_default().saturating_add(times);
        self.0.insert(what.to_owned(), sum.into());
    }

    fn take(&mut self, one: &Recorded) {
        let detail = |name: &str| one.event.detail.get(name);
        let text = |name: &str| detail(name).and_then(Value::as_str).unwrap_or_default();
        // What came further in the same session was only counted.
        let times = detail("further_refusals").and_then(Value::as_u64);
        let times = times.unwrap_or_default().max(1);
        let refused = match text("reply").contains(RELAYING) {
            true => "relaying",
            false => "other",
        };
        let service = match text("service") {
            "" => "other",
            name => name,
        };
        match one.event.kind {
            Kind::AuthenticationSucceeded => self.add(&format!("login.{service}"), 1),
            Kind::AuthenticationFailed => self.add(&format!("failed.{service}"), 1),
            Kind::TransactionRefused => self.add(&format!("refused.mta.{refused}"), times),
            Kind::SubmissionRefused => self.add(&format!("refused.msa.{refused}"), times),
            _ => {}
        }
    }
}

/// Looks through a period. What was in as much time before it tells what is usual, and is not told of. Memory is bounded by the
/// thresholds.
///
/// # Errors
/// The store's.
pub(crate) fn prepared(
    snapshot: &mut Snapshot<'_>,
    about: &Span,
    thresholds: Thresholds,
) -> Result<Value, Error> {
    let mut analysis = Analysis::new(about.start, thresholds);
    let mut counts = Counts::default();
    let before = about.end.duration_since(about.start);
    let from = about.start.checked_sub(before).unwrap_or(Timestamp::MIN);
    let mut kinds = KINDS.to_vec();
    kinds.push(Kind::SubmissionRefused);
    let mut filter = Filter {
        from: Some(from),
        to: Some(about.end),
        kinds,
        ..Filter::default()
    };
    loop {
        let page = event::search(snapshot, &filter, PAGE)?;
        for one in &page {
            analysis.take(one);
            if one.at >= about.start {
                counts.take(one);
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => filter.after = Some(last.id),
            _ => break,
        }
    }
    let found = analysis.end();
    let more = found.finds.len().saturating_sub(MOST_FINDS);
    let named = found.finds.iter().take(MOST_FINDS).map(told);
    Ok(json!({
        "counts": counts.0,
        "finds": named.collect::<Vec<Value>>(),
        "more_finds": more,
        "not_followed": found.left_out,
    }))
}

fn told(find: &Find) -> Value {
    let [en, ja] = find.pattern.words();
    let identifiers = find.identifiers.iter().take(MOST_NAMED);
    let addresses = find.addresses.iter().take(MOST_NAMED);
    json!({
        "pattern": find.pattern.as_str(),
        "ja": ja,
        "en": en,
        "at": find.place(),
        "count": find.count,
        "first": find.first,
        "last": find.last,
        "identifiers": identifiers.collect::<Vec<_>>(),
        "addresses": addresses.map(ToString::to_string).collect::<Vec<_>>(),
        "search": find.search(),
    })
}

/// What was counted, in the words of a report.
const COUNTED: &[(&str, &str)] = &[
    (
        "refused.mta.relaying",
        "中継の拒否(MTA) / Refused relaying (MTA)",
    ),
    (
        "refused.msa.relaying",
        "中継の拒否(MSA) / Refused relaying (MSA)",
    ),
    (
        "refused.mta.other",
        "その他の拒否(MTA) / Other refusals (MTA)",
    ),
    (
        "refused.msa.other",
        "その他の拒否(MSA) / Other refusals (MSA)",
    ),
    ("failed.mra", "主体認証の失敗(MRA) / Failed logins (MRA)"),
    ("failed.msa", "主体認証の失敗(MSA) / Failed logins (MSA)"),
    ("failed.web", "主体認証の失敗(Web) / Failed logins (Web)"),
    ("login.mra", "主体認証の成功(MRA) / Logins (MRA)"),
    ("login.msa", "主体認証の成功(MSA) / Logins (MSA)"),
    ("login.web", "主体認証の成功(Web) / Logins (Web)"),
];

/// What was prepared, as it stands in a report.
pub(crate) fn lines(prepared: &Value) -> Vec<String> {
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or_default();
    let mut lines = vec![
        String::new(),
        "証跡の分析 / Analysis of the trail".to_owned(),
    ];
    let counts = prepared.get("counts");
    for (key, words) in COUNTED {
        let count = number(counts.and_then(|counts| counts.get(*key)));
        lines.push(format!("- {words}: {count}"));
    }
    let finds = prepared.get("finds").and_then(Value::as_array);
    let finds: Vec<&Value> = finds.into_iter().flatten().collect();
    lines.push("目立つもの / What is conspicuous".to_owned());
    if finds.is_empty() {
        lines.push("- なし / none".to_owned());
    }
    for find in finds {
        let text = |key: &str| find.get(key).and_then(Value::as_str).unwrap_or_default();
        let named = |key: &str| {
            let names = find.get(key).and_then(Value::as_array);
            let names: Vec<&str> = names
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            names.join(", ")
        };
        lines.push(format!(
            "- {} ({}): {} × {}",
            text("ja"),
            text("at"),
            text("pattern"),
            number(find.get("count"))
        ));
        lines.push(format!("  {}", text("en")));
        lines.push(format!("  {} – {}", text("first"), text("last")));
        lines.push(format!(
            "  {} / {}",
            named("identifiers"),
            named("addresses")
        ));
    }
    for (key, words) in [
        ("more_finds", "ほかの目立つもの / More of them"),
        (
            "not_followed",
            "追跡できなかった記録 / Events that could not be followed",
        ),
    ] {
        match number(prepared.get(key)) {
            0 => {}
            count => lines.push(format!("- {words}: {count}")),
        }
    }
    lines
}
