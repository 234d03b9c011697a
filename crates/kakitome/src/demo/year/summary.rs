//! What the year came to: every clause with its state and what is behind it, and the review that was forgotten.

use directory::Role;
use miette::Result;
use serde_json::Value;

use super::{
    course::Course,
    work::{FORGOTTEN, text},
};

/// The lines of it.
pub(super) async fn lines(course: &Course) -> Result<Vec<String>> {
    let office = &course.office;
    let clauses = office
        .as_role(Role::SecurityOfficer, &["clause", "list"])
        .await?;
    let mut lines = vec![
        String::new(),
        format!(
            "{:<14} {:<12} {:>6} {:>5} {:>7}  {}",
            "clause", "state", "events", "tasks", "reports", "since"
        ),
    ];
    let mut red = Vec::new();
    for clause in &clauses {
        let (id, state) = (text(clause, "id"), text(clause, "state"));
        let words = ["clause", "evidence", id];
        let behind = office.as_role(Role::SecurityOfficer, &words).await?;
        let count = |what: &str| {
            behind
                .iter()
                .filter(|one| text(one, "what") == what)
                .count()
        };
        let since: String = text(clause, "since").chars().take(10).collect();
        lines.push(format!(
            "{id:<14} {state:<12} {:>6} {:>5} {:>7}  {since} {}",
            count("event"),
            count("task"),
            count("report"),
            text(clause, "title_ja"),
        ));
        if !matches!(state, "met" | "not-adopted") {
            let words = ["clause", "show", id];
            let shown = office.as_role(Role::SecurityOfficer, &words).await?;
            let why = shown.first().map_or("", |shown| text(shown, "why"));
            red.push(format!("  {id} {state}: {why}"));
        }
    }
    lines.push(String::new());
    lines.push("Not met, or not known:".to_owned());
    lines.extend(red);
    lines.push(String::new());
    lines.extend(forgotten(course).await?);
    lines.extend(figures(course).await?);
    Ok(lines)
}

/// The review that nobody did, with its dates.
async fn forgotten(course: &Course) -> Result<Vec<String>> {
    let words = ["task", "list", "--due"];
    let late = course.office.as_role(Role::SystemOfficer, &words).await?;
    let late = late.iter().map(|task| {
        format!(
            "Forgotten: task {} ({} of {}), opened {}, due {}",
            task.get("number").map(Value::to_string).unwrap_or_default(),
            text(task, "workflow"),
            text(task, "period"),
            text(task, "opened_at"),
            text(task, "due_at")
        )
    });
    let lines: Vec<String> = late.collect();
    Ok(match lines.is_empty() {
        true => vec![format!("No {FORGOTTEN} is late.")],
        false => lines,
    })
}

async fn figures(course: &Course) -> Result<Vec<String>> {
    let office = &course.office;
    let incidents = office
        .as_role(Role::SystemOfficer, &["incident", "list"])
        .await?;
    let closed = incidents
        .iter()
        .filter(|one| one.get("closed_at").is_some_and(|at| !at.is_null()));
    let (counts, done) = (course.counts, course.work.done);
    Ok(vec![
        format!(
            "People: {} ({} came, {} went). Mail: {} submitted, {} from outside, {} refused by the rule against the outbreak; \
             mailboxes read {} times.",
            office.people.len(),
            office.came,
            office.went,
            counts.submitted,
            counts.came,
            course.happened.refused,
            counts.read
        ),
        format!(
            "Incidents: {}, {} of them closed. Tasks done: {}; reports acknowledged: {}; volumes on media: {}; copies: {}.",
            incidents.len(),
            closed.count(),
            done.tasks,
            done.reports,
            done.volumes,
            done.copies
        ),
    ])
}
