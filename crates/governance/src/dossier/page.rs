//! Pages in Markdown, for people: Japanese first, since officers read them, and English.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Behind, Clauses};
use crate::{report::ReportText, task::TaskDetails};
use directory::command::incident::IncidentView;

/// A clause: what it demands, how it stands and why, and what is behind it.
#[must_use]
pub fn clause(one: &Clauses, behind: &Behind) -> String {
    let (details, view) = (&one.clause, &one.clause.clause);
    let mut page = Page::default();
    page.line(&format!("# {}", view.id));
    page.both(&view.title_ja, &view.title);
    page.both(&details.demand_ja, &details.demand);
    page.fact("状態 / State", view.state.as_str());
    page.fact("いつから / Since", &time(view.since));
    page.fact("理由 / Why", &format!("{} / {}", view.why_ja, view.why));
    page.fact("確認した時刻 / Looked at", &one.looked_at.to_string());
    page.fact("次の期限 / Next due", &time(view.next_due));
    page.fact("担当 / Owed by", &details.owed_by.join(", "));
    page.fact("時期 / When", &details.schedule);
    for way in &details.ways {
        page.line(&format!("\n## {} ({})\n", way.by, way.way));
        page.fact("状態 / State", way.state.as_str());
        page.fact("いつから / Since", &time(way.since));
        page.fact("理由 / Why", &format!("{} / {}", way.why_ja, way.why));
        page.facts(&way.facts);
    }
    page.line("\n## 証拠 / Evidence\n");
    let numbers = |numbers: &[i64]| {
        let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
        texts.join(", ")
    };
    page.fact("タスク / Tasks", &numbers(&one.tasks));
    page.fact("報告書 / Reports", &numbers(&one.reports));
    page.fact("イベント / Events", &behind.events.len().to_string());
    if behind.left_out > 0 {
        page.both(
            &format!(
                "この期間の、これより古いイベント {} 件は上限を超えるため含まれていない。",
                behind.left_out
            ),
            &format!(
                "{} earlier events of the period are not here: there were more than was permitted.",
                behind.left_out
            ),
        );
    }
    page.text
}

/// A task: what was asked, what was prepared and answered, and its steps.
#[must_use]
pub fn task(one: &TaskDetails) -> String {
    let view = &one.task;
    let mut page = Page::default();
    page.line(&format!("# タスク / Task {}", view.number));
    page.both(&view.title_ja, &view.title);
    page.both(&one.demand_ja, &one.demand);
    page.fact("条項 / Clauses", &one.clauses.join(", "));
    page.fact("対象期間 / Period", &view.period);
    page.fact("状態 / State", view.state);
    page.fact("担当 / Role", &view.role);
    page.fact("開始 / Opened", &view.opened_at.to_string());
    page.fact("期限 / Due", &view.due_at.to_string());
    let by = |by: &Option<String>, at: Option<Timestamp>| match by {
        Some(by) => format!("{by}, {}", time(at)),
        None => "—".to_owned(),
    };
    page.fact("実施者 / Done by", &by(&view.done_by, view.done_at));
    page.fact("完了者 / Closed by", &by(&view.closed_by, view.closed_at));
    for (key, (ja, en)) in &one.points {
        page.both(ja, en);
        let answers = one.answers.as_ref();
        let answer = answers.and_then(|answers| answers.get(key));
        page.quote(answer.and_then(Value::as_str).unwrap_or("—"));
    }
    page.line("\n## 経過 / Steps\n");
    for step in &one.steps {
        let by = step.by.as_deref().unwrap_or("Kakitome");
        page.fact(
            &format!("{} {}", step.at, step.what),
            &format!("{by} {}", step.note),
        );
    }
    page.line("\n## 用意された事実 / What was prepared\n");
    page.facts(&one.facts);
    page.text
}

/// A report, as it was sent.
#[must_use]
pub fn report(one: &ReportText) -> String {
    let view = &one.report;
    let mut page = Page::default();
    page.line(&format!("# 報告書 / Report {}", view.number));
    page.line("");
    page.fact("宛先 / To", &view.to);
    page.fact("作成 / Made", &view.made_at.to_string());
    page.fact("送付 / Sent", &time(view.sent_at));
    let by = view.acknowledged_by.as_deref();
    let at = time(view.acknowledged_at);
    page.fact(
        "確認 / Acknowledged",
        &by.map_or_else(|| at.clone(), |by| format!("{by}, {at}")),
    );
    page.fact("SHA-256", &view.digest);
    page.quote(&one.text);
    page.text
}

/// An incident: why it was opened, what was done, and what is still missing.
#[must_use]
pub fn incident(one: &IncidentView) -> String {
    let mut page = Page::default();
    page.line(&format!("# 事案 / Incident {}", one.number));
    page.line("");
    page.fact("種類 / Kind", &one.kind);
    page.fact("識別コード / Identifier", &one.identifier);
    page.fact("アドレス / Address", one.address.as_deref().unwrap_or("—"));
    page.fact("理由 / Reason", &one.reason);
    let opened = one.opened_by.as_deref().unwrap_or("Kakitome");
    page.fact("開始 / Opened", &format!("{opened}, {}", one.opened_at));
    let closed = one.closed_by.as_deref();
    let closed = closed.map_or_else(
        || "—".to_owned(),
        |by| format!("{by}, {}", time(one.closed_at)),
    );
    page.fact("完了 / Closed", &closed);
    page.line("\n## 経過 / Steps\n");
    for step in &one.steps {
        let by = step.by.as_deref().unwrap_or("Kakitome");
        page.fact(
            &format!("{} {}", step.at, step.step),
            &format!("{by} {}", step.note),
        );
    }
    for missing in &one.missing {
        page.fact("未了 / Still missing", missing.as_str());
    }
    if let Some(facts) = one.facts.as_object() {
        page.line("\n## 判明した事実 / Facts\n");
        page.facts(facts);
    }
    page.text
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "—".to_owned(), |at| at.to_string())
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A text in both languages, a paragraph each.
    fn both(&mut self, ja: &str, en: &str) {
        self.line(&format!("\n{}\n\n{}\n", plain(ja), plain(en)));
    }

    fn fact(&mut self, name: &str, value: &str) {
        let value = match value.trim() {
            "" => "—".to_owned(),
            value => plain(value),
        };
        self.line(&format!("- {name}: {value}"));
    }

    fn facts(&mut self, facts: &Map<String, Value>) {
        for (name, value) in facts {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            self.fact(name, &value);
        }
    }

    /// What somebody wrote, line by line, so that nothing of it is taken for Markdown.
    fn quote(&mut self, text: &str) {
        self.line("");
        for line in text.lines() {
            self.line(&format!("    {line}"));
        }
        self.line("");
    }
}

/// In one line, with nothing that Markdown or HTML would read.
fn plain(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => made.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '&' => {
                made.push('\\');
                made.push(letter);
            }
            letter if letter.is_control() => {}
            letter => made.push(letter),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_stays_text() {
        let mut page = Page::default();
        page.fact("x", "<b>\n# y [z](http://a)");
        page.quote("# no\n    title");
        assert_eq!(
            page.text,
            "- x: \\<b\\> \\# y \\[z\\](http://a)\n\n    # no\n        title\n\n"
        );
    }
}
