//! What the officer of an incident is told whose kind has no text of its own: what its runbook says, and the facts as they are.

use directory::command::incident::IncidentView;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;
use trail::analysis::Language;

/// Characters of a fact.
const MOST_FACT: usize = 500;

pub(super) fn subject(found: &IncidentView, about: &str) -> String {
    let (ja, en, number) = (&found.title.ja, &found.title.en, found.number);
    let about = match about.is_empty() {
        true => String::new(),
        false => format!(" {about}"),
    };
    format!("[Kakitome] インシデント {number}: {ja}{about} / incident {number}: {en}")
}

pub(super) fn head(found: &IncidentView, language: Language, zone: &TimeZone) -> String {
    let ja = language == Language::Ja;
    let word = |in_ja: &'static str, in_en: &'static str| if ja { in_ja } else { in_en };
    let time = |at: Timestamp| {
        let at = at.to_zoned(zone.clone());
        at.strftime("%Y-%m-%d %H:%M %Z").to_string()
    };
    let or_none = |text: &str| match text.is_empty() {
        true => "-".to_owned(),
        false => text.to_owned(),
    };
    let title = if ja { &found.title.ja } else { &found.title.en };
    let by = found.opened_by.as_deref();
    let by = by.unwrap_or_else(|| word("サーバ", "the server"));
    let number = found.number;
    let mut lines = vec![
        title.clone(),
        String::new(),
        format!(
            "{}: {number} ({})",
            word("インシデント番号", "Incident"),
            found.kind
        ),
        format!("{}: {}", word("内容", "What"), found.reason),
        format!(
            "{}: {}",
            word("識別コード", "Identifier"),
            or_none(&found.identifier)
        ),
        format!(
            "{}: {}",
            word("分析の始まり", "Analysed from"),
            time(found.since)
        ),
        format!(
            "{}: {} ({by})",
            word("起こした日時", "Opened"),
            time(found.opened_at)
        ),
    ];
    let facts = facts(&found.facts);
    if !facts.is_empty() {
        lines.push(String::new());
        lines.push(word("# わかっていること", "# What is known").to_owned());
        lines.extend(facts);
    }
    lines.push(String::new());
    lines.push(word("# 次の手順", "# What is to be done").to_owned());
    for due in found.due.iter().filter(|due| !due.roles.is_empty()) {
        let roles: Vec<&str> = due.roles.iter().map(|role| role.as_str()).collect();
        let until = due.due_at.map_or_else(|| "-".to_owned(), time);
        let text = if ja { &due.text.ja } else { &due.text.en };
        lines.push(format!(
            "- {} ({}, {until}): {text}",
            due.step,
            roles.join(", ")
        ));
    }
    lines.push(String::new());
    lines.push(format!(
        "{}: kakitome incident show {number}; kakitome incident step {number} …; kakitome incident close {number}; kakitome runbook show {}",
        word("命令", "Commands"),
        found.kind
    ));
    lines.push(String::new());
    lines.join("\n")
}

/// One line for each fact, and for each entry of a list or object in it.
fn facts(facts: &Value) -> Vec<String> {
    let cut = |value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text.chars().take(MOST_FACT).collect::<String>()
    };
    let mut lines = Vec::new();
    for (name, value) in facts.as_object().into_iter().flatten() {
        match value {
            Value::Object(inner) => {
                let inner = inner.iter();
                lines.extend(inner.map(|(key, value)| format!("{name} {key}: {}", cut(value))));
            }
            Value::Array(list) => {
                lines.extend(list.iter().map(|value| format!("{name}: {}", cut(value))));
            }
            value => lines.push(format!("{name}: {}", cut(value))),
        }
    }
    lines
}
