//! The run as JSON, with each round's figure, for programs that compare runs.

use serde_json::{Map, Value, json};

use super::Report;
use crate::{Outcome, figure::Series};

pub(super) fn render(report: &Report<'_>) -> Outcome<String> {
    let facts: Map<String, Value> = report
        .facts
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let verdicts: Vec<Value> = report
        .verdicts
        .iter()
        .map(|verdict| {
            json!({ "target": verdict.target, "measured": verdict.measured, "met": verdict.met })
        })
        .collect();
    let series: Vec<Value> = report.sheet.series.iter().map(one).collect();
    let failures: Vec<Value> = report
        .sheet
        .failures
        .iter()
        .map(|failure| json!({ "subject": failure.subject, "case": failure.case, "why": failure.why }))
        .collect();
    let whole = json!({
        "date": report.date, "facts": facts, "series": series,
        "failures": failures, "targets": verdicts,
    });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

fn one(series: &Series) -> Value {
    let rounds: Vec<Value> = series
        .figures
        .iter()
        .map(|figure| {
            json!({
                "value": figure.value, "seconds": figure.cost.seconds,
                "server_cpu": figure.cost.server, "load_cpu": figure.cost.load,
            })
        })
        .collect();
    let median = series.spread().map(|spread| spread.median);
    json!({
        "load": series.name, "subject": series.subject, "unit": series.unit.name(),
        "median": median, "rounds": rounds,
    })
}
