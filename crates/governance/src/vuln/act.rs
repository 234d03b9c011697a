//! The steps that people take in a case, each with its event and the command's own in one commit.

use advisory::csaf::Justification;
use directory::command::{Caller, CommandError, Commit, Executor};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::{Tx, sql::Sql};
use trail::{Event, Kind};

use super::{
    ADMINISTRATORS, APPROVERS, OFFICERS,
    case::{self, Report, Step, View, Whole},
    plan::{Plan, words},
    table,
};
use crate::report as made;

/// Longest exception: an officer decides again after that.
const MOST_EXCEPTION: SignedDuration = SignedDuration::from_hours(24 * 366);

type Done = Result<(View, Vec<Event>), CommandError>;

fn state(text: impl Into<String>) -> CommandError {
    CommandError::State(text.into())
}

/// The case, which is not closed and has come as far as one of `wanted`.
fn case_in(
    tx: &mut Tx<'_>,
    number: i64,
    wanted: &[Option<Step>],
    what: &str,
) -> Result<Whole, CommandError> {
    let now = tx.now();
    let whole = Whole::find(tx, number, now)?;
    let at = whole.state();
    if wanted.contains(&at) {
        return Ok(whole);
    }
    let at = at.map_or("open", Step::as_str);
    Err(state(format!(
        "case {number} is {at}, so that it cannot be {what}; `vuln show {number}` has its course"
    )))
}

/// Takes a step.
fn step(
    tx: &mut Tx<'_>,
    me: &Executor,
    whole: &Whole,
    step: Step,
    facts: &Value,
    single: bool,
) -> Done {
    let number = whole.case.number;
    table::take(tx, number, step, Some(me.id), facts)?;
    let mut event = case::event(
        me.event(Kind::VulnStep, String::new()),
        number,
        &whole.case.id,
        step,
        facts.clone(),
    );
    if single {
        event = event.detail("single_person", true);
    }
    let now = tx.now();
    Ok((Whole::find(tx, number, now)?.view(), vec![event]))
}

/// Whether it is the same person who took one of the steps, which only a site that permits it allows; an error where it does not.
fn second(
    tx: &mut Tx<'_>,
    me: &Executor,
    whole: &Whole,
    steps: &[Step],
    permitted: &impl Fn(&mut dyn Sql) -> Result<bool, store::Error>,
) -> Result<bool, CommandError> {
    let mut taken = steps.iter().filter_map(|step| whole.last(*step));
    let Some(own) = taken.find(|taken| taken.person.as_ref().is_some_and(|(id, _)| *id == me.id))
    else {
        return Ok(false);
    };
    match permitted(tx)? {
        true => Ok(true),
        false => Err(state(format!(
            "this needs another person than {}, who took the step {} of case {}",
            me.name,
            own.step.as_str(),
            whole.case.number
        ))),
    }
}

/// The step with the report of it to the system officer, which is sent, and acknowledged by another person, as all reports are.
fn reported(
    tx: &mut Tx<'_>,
    me: &Executor,
    whole: &Whole,
    of: (Step, Value, bool),
    (title, lines): (&str, &[String]),
) -> Done {
    let (taken, mut facts, single) = of;
    let title = format!("{title}: {}", whole.case.id);
    let (number, event) = made::of_case(tx, whole.case.number, me.id, &title, lines)?;
    if let Value::Object(facts) = &mut facts {
        facts.insert("report".to_owned(), number.into());
    }
    let (view, mut events) = step(tx, me, whole, taken, &facts, single)?;
    events.push(event);
    Ok((view, events))
}

/// A text of a report's facts, under its heading.
fn part(heading: &str, facts: &Value, name: &str) -> [String; 2] {
    let text = facts.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = text.replace('\n', "\n  ");
    [heading.to_owned(), format!("  {text}")]
}

/// Reports a case to the system officer; what `texts` leaves empty is as the feeds have it (4.3(3)).
///
/// # Errors
/// [`CommandError`].
pub async fn report(caller: &Caller, number: i64, texts: Report) -> Result<View, CommandError> {
    let given = format!("vuln report {number}");
    let change = caller.change(&given, ADMINISTRATORS, move |tx, me| {
        let now = tx.now();
        let whole = Whole::find(tx, number, now)?;
        if whole.state() == Some(Step::Closed) {
            return Err(state(format!("case {number} is closed")));
        }
        if whole.state().is_some_and(|at| at != Step::Reported) {
            return Err(state(format!(
                "case {number} was reported, and an officer has gone on with it"
            )));
        }
        let found = whole.report();
        let filled = |what: &str, own: String, found: String| match own.trim() {
            "" => words(what, &found, 1),
            own => words(what, own, 1),
        };
        let remedy = match found.remedy.as_str() {
            "" => "the sources name none".to_owned(),
            remedy => remedy.to_owned(),
        };
        let scope = match found.scope.as_str() {
            "" => "no software here any more".to_owned(),
            scope => scope.to_owned(),
        };
        let facts = json!({
            "cause": filled("the cause", texts.cause, found.cause)?,
            "scope": filled("the scope", texts.scope, scope)?,
            "remedy": filled("the remedy", texts.remedy, remedy)?,
            "exploit": filled("the exploit", texts.exploit, found.exploit)?,
        });
        let mut lines = about(&whole);
        lines.extend(part("原因 / Cause", &facts, "cause"));
        lines.extend(part("影響の及ぶ範囲 / Scope", &facts, "scope"));
        lines.extend(part("対策 / Remedy", &facts, "remedy"));
        lines.extend(part("攻撃手段の流通 / Exploits", &facts, "exploit"));
        lines.push(String::new());
        lines.push(format!("報告者 / Reported by: {}", me.name));
        lines.push(format!("対策計画 / The plan: kakitome vuln plan {number}"));
        let title = "脆弱性の報告(4.3(3)) / A vulnerability is reported";
        let of = (Step::Reported, facts, false);
        reported(tx, me, &whole, of, (title, &lines))
    });
    caller.run(&given, change).await
}

/// What a case is about, for a report.
fn about(whole: &Whole) -> Vec<String> {
    let mut lines = vec![
        format!("案件 / Case: {} ({})", whole.case.number, whole.case.id),
        format!("題名 / Title: {}", whole.title()),
        "対象 / Software".to_owned(),
    ];
    lines.extend(
        whole
            .touched
            .iter()
            .map(|one| format!("- {}", one.software)),
    );
    lines.push(String::new());
    lines
}

/// Writes a version of the plan: the last one with the answers that `answers` has (8.3(4)). Approval and order of an older version end.
///
/// # Errors
/// [`CommandError`].
pub async fn plan(caller: &Caller, number: i64, answers: Plan) -> Result<View, CommandError> {
    let given = format!("vuln plan {number}");
    let change = caller.change(&given, OFFICERS, move |tx, me| {
        let now = tx.now();
        let whole = Whole::find(tx, number, now)?;
        match whole.state() {
            None => {
                return Err(state(format!(
                    "case {number} was not reported yet: `vuln report {number}`"
                )));
            }
            Some(Step::Closed) => return Err(state(format!("case {number} is closed"))),
            Some(_) => {}
        }
        answers.check()?;
        let plan = whole.plan().unwrap_or_default().with(answers);
        let versions = whole
            .steps
            .iter()
            .filter(|taken| taken.step == Step::Planned)
            .count();
        let mut facts = serde_json::to_value(&plan)
            .map_err(|error| CommandError::Argument(error.to_string()))?;
        if let Value::Object(facts) = &mut facts {
            facts.insert("version".to_owned(), json!(versions.saturating_add(1)));
        }
        step(tx, me, &whole, Step::Planned, &facts, false)
    });
    caller.run(&given, change).await
}

/// Approves the plan in its last version, which has no point without an answer.
///
/// # Errors
/// [`CommandError`].
pub async fn approve(caller: &Caller, number: i64) -> Result<View, CommandError> {
    let (given, permitted) = (format!("vuln approve {number}"), caller.single_person());
    let change = caller
        .change(&given, APPROVERS, move |tx, me| {
            let whole = case_in(tx, number, &[Some(Step::Planned)], "approved")?;
            let plan = whole.plan().ok_or_else(|| state(format!("the plan of case {number} cannot be read")))?;
            let missing = plan.missing();
            if !missing.is_empty() {
                return Err(state(format!(
                    "the plan of case {number} has no answer to {} (clause 8.3(4)): `vuln plan {number}`",
                    missing.join(", ")
                )));
            }
            let single = second(tx, me, &whole, &[Step::Planned], &permitted)?;
            let version = whole.last(Step::Planned).and_then(|taken| taken.facts.get("version").cloned());
            step(tx, me, &whole, Step::Approved, &json!({ "version": version }), single)
        });
    caller.run(&given, change).await
}

/// Orders that the approved plan is carried out (8.3(5)).
///
/// # Errors
/// [`CommandError`].
pub async fn order(caller: &Caller, number: i64, by: impl Commit) -> Result<View, CommandError> {
    let given = format!("vuln order {number}");
    let change = caller.change_by(by, &given, OFFICERS, move |tx, me| {
        let whole = case_in(tx, number, &[Some(Step::Approved)], "ordered")?;
        step(tx, me, &whole, Step::Ordered, &json!({}), false)
    });
    caller.run(&given, change).await
}

/// Takes the order.
///
/// # Errors
/// [`CommandError`].
pub async fn accept(caller: &Caller, number: i64) -> Result<View, CommandError> {
    let (given, permitted) = (format!("vuln accept {number}"), caller.single_person());
    let change = caller.change(&given, ADMINISTRATORS, move |tx, me| {
        let whole = case_in(tx, number, &[Some(Step::Ordered)], "accepted")?;
        let single = second(tx, me, &whole, &[Step::Ordered, Step::Approved], &permitted)?;
        step(tx, me, &whole, Step::Accepted, &json!({}), single)
    });
    caller.run(&given, change).await
}

/// Records a test.
///
/// # Errors
/// [`CommandError`].
pub async fn test(
    caller: &Caller,
    number: i64,
    passed: bool,
    note: String,
) -> Result<View, CommandError> {
    let given = format!(
        "vuln test {number} --result {}",
        if passed { "passed" } else { "failed" }
    );
    let change = caller.change(&given, ADMINISTRATORS, move |tx, me| {
        let wanted = [Some(Step::Accepted), Some(Step::Tested)];
        let whole = case_in(tx, number, &wanted, "tested")?;
        let facts = json!({ "passed": passed, "note": words("the note", &note, 1)? });
        step(tx, me, &whole, Step::Tested, &facts, false)
    });
    caller.run(&given, change).await
}

/// What was installed, and how it is known to be the right thing (4.3(5)).
#[derive(Clone, Debug)]
pub struct Execution {
    /// Where it came from.
    pub source: String,
    /// SHA-256 that the source gives for it, in hexadecimal digits.
    pub sha256: String,
    /// SHA-256 that the file has.
    pub found: String,
    /// The file.
    pub file: String,
    /// Its octets.
    pub octets: u64,
    /// What was done.
    pub note: String,
}

/// Records that the plan was carried out.
///
/// # Errors
/// [`CommandError`]; when the digest is not that of the file.
pub async fn execute(caller: &Caller, number: i64, done: Execution) -> Result<View, CommandError> {
    let given = format!(
        "vuln execute {number} --source {} --sha256 {} --file {}",
        done.source, done.sha256, done.file
    );
    let permitted = caller.single_person();
    caller
        .change(&given, ADMINISTRATORS, move |tx, me| {
            let wanted = [Some(Step::Accepted), Some(Step::Tested), Some(Step::Executed)];
            let whole = case_in(tx, number, &wanted, "executed")?;
            // A test counts for the plan that it was made for.
            let of_plan = whole.last(Step::Tested).filter(|_| whole.state() != Some(Step::Accepted));
            let test = of_plan.and_then(|taken| taken.facts.get("passed")?.as_bool());
            if whole.plan().is_some_and(|plan| plan.tested) && test != Some(true) {
                return Err(state(format!("the plan of case {number} demands a test, and none has passed: `vuln test {number}`")));
            }
            if !done.sha256.eq_ignore_ascii_case(&done.found) {
                return Err(CommandError::Argument(format!(
                    "{} is not what {} tells of: its SHA-256 is {}, not {}; nothing is recorded as done",
                    done.file, done.source, done.found, done.sha256
                )));
            }
            let single = second(tx, me, &whole, &[Step::Ordered, Step::Approved], &permitted)?;
            let tested = match test {
                Some(true) => "合格 / passed",
                Some(false) => "不合格 / failed",
                None => "なし / none",
            };
            let facts = json!({
                "source": words("the source", &done.source, 1)?,
                "sha256": done.found,
                "file": words("the file", &done.file, 1)?,
                "octets": done.octets,
                "note": words("the note", &done.note, 0)?,
            });
            let mut lines = about(&whole);
            lines.extend(part("入手先 / Source", &facts, "source"));
            lines.extend(part("ファイル / File", &facts, "file"));
            lines.extend(part("SHA-256", &facts, "sha256"));
            lines.extend(part("実施内容 / What was done", &facts, "note"));
            lines.push(format!("テスト / Test: {tested}"));
            // No clause asks for a report of the test alone: what it showed is kept with what it was made for.
            if let Some(taken) = of_plan {
                let by = taken.person.as_ref().map_or("", |(_, name)| name.as_str());
                lines.push(format!("テスト実施 / Tested at: {}, {by}", taken.at));
                lines.extend(part("テストの内容 / What was tested", &taken.facts, "note"));
            }
            lines.push(String::new());
            lines.push(format!("実施者 / Carried out by: {}", me.name));
            lines.push(format!("確認 / To verify it: kakitome vuln verify {number}"));
            let title = "脆弱性対策の実施(4.3(5)) / What was ordered about a vulnerability is done";
            let of = (Step::Executed, facts, single);
            reported(tx, me, &whole, of, (title, &lines))
        })
        .await
}

/// Holds the software that is here now against the case: it is verified if none is touched any more. Look at the software before.
///
/// # Errors
/// [`CommandError`]; when some is.
pub async fn verify(caller: &Caller, number: i64) -> Result<View, CommandError> {
    let given = format!("vuln verify {number}");
    caller
        .change(
            &given,
            &[
                directory::Role::Administrator,
                directory::Role::SystemOfficer,
            ],
            move |tx, me| {
                let whole = case_in(tx, number, &[Some(Step::Executed)], "verified")?;
                let left: Vec<&str> = whole
                    .touched
                    .iter()
                    .map(|one| one.software.as_str())
                    .collect();
                if !left.is_empty() {
                    return Err(state(format!(
                        "case {number} still touches {}",
                        left.join(", ")
                    )));
                }
                let looks = table::looks(tx)?;
                let failed: Vec<String> = looks
                    .into_iter()
                    .filter(|look| !look.failed.is_empty())
                    .map(|look| format!("{}: {}", look.kind, look.failed))
                    .collect();
                if !failed.is_empty() {
                    return Err(state(format!(
                        "which software runs is not known: {}",
                        failed.join("; ")
                    )));
                }
                let software = table::software(tx, true)?.len();
                step(
                    tx,
                    me,
                    &whole,
                    Step::Verified,
                    &json!({ "software": software }),
                    false,
                )
            },
        )
        .await
}

/// Closes a case: one that is verified, that all its sources withdrew, or that an officer judges not to matter.
///
/// # Errors
/// [`CommandError`].
pub async fn close(
    caller: &Caller,
    number: i64,
    not_affected: Option<(Justification, String)>,
) -> Result<View, CommandError> {
    let given = match &not_affected {
        None => format!("vuln close {number}"),
        Some((justification, _)) => format!(
            "vuln close {number} --not-affected {}",
            justification.as_str()
        ),
    };
    let permitted = caller.single_person();
    let change = caller
        .change(&given, OFFICERS, move |tx, me| {
            let now = tx.now();
            let whole = Whole::find(tx, number, now)?;
            let left: Vec<&str> = whole.touched.iter().map(|one| one.software.as_str()).collect();
            let (facts, single) = match (whole.state(), not_affected) {
                (Some(Step::Closed), _) => return Err(state(format!("case {number} is closed already"))),
                (None, Some(_)) => return Err(state(format!("case {number} was not reported yet: `vuln report {number}`"))),
                (_, Some((justification, reason))) => {
                    let reason = words("the reason", &reason, 1)?;
                    let single = second(tx, me, &whole, &[Step::Reported], &permitted)?;
                    (json!({ "ending": "not-affected", "justification": justification.as_str(), "reason": reason, "left": left }), single)
                }
                (Some(Step::Verified), None) if left.is_empty() => {
                    let single = second(tx, me, &whole, &[Step::Executed], &permitted)?;
                    (json!({ "ending": "fixed", "left": left }), single)
                }
                (_, None) if whole.is_withdrawn() => (json!({ "ending": "withdrawn", "left": left }), false),
                (at, None) => {
                    let at = at.map_or("open", Step::as_str);
                    return Err(state(format!(
                        "case {number} is {at}: it is closed when it is verified and touches nothing any more, when its sources withdrew it, or with --not-affected"
                    )));
                }
            };
            table::set_closed(tx, number, Some(now))?;
            step(tx, me, &whole, Step::Closed, &facts, single)
        });
    caller.run(&given, change).await
}

/// Lets a case be until a day, once it was reported, and by another person than the one who reported it.
///
/// # Errors
/// [`CommandError`].
pub async fn except(
    caller: &Caller,
    number: i64,
    until: Timestamp,
    reason: String,
) -> Result<View, CommandError> {
    let given = format!("vuln except {number} --until {until}");
    let permitted = caller.single_person();
    let change = caller.change(&given, OFFICERS, move |tx, me| {
        let now = tx.now();
        let whole = Whole::find(tx, number, now)?;
        match whole.state() {
            Some(Step::Closed) => return Err(state(format!("case {number} is closed"))),
            None => {
                return Err(state(format!(
                    "case {number} was not reported yet: `vuln report {number}`"
                )));
            }
            Some(_) => {}
        }
        let most = now.checked_add(MOST_EXCEPTION).unwrap_or(Timestamp::MAX);
        if until <= now || until > most {
            return Err(CommandError::Argument(format!(
                "an exception ends after now and by {most}"
            )));
        }
        let facts =
            json!({ "until": until.to_string(), "reason": words("the reason", &reason, 1)? });
        let single = second(tx, me, &whole, &[Step::Reported], &permitted)?;
        step(tx, me, &whole, Step::Excepted, &facts, single)
    });
    caller.run(&given, change).await
}

/// Notes that a document about a case is sent to officers elsewhere (8.3(6)); `by` sends it.
///
/// # Errors
/// [`CommandError`].
pub async fn share(
    caller: &Caller,
    number: i64,
    document: Document,
    by: impl Commit,
) -> Result<View, CommandError> {
    let given = format!(
        "vuln share {number} --format {} --to {}",
        document.format,
        document.to.join(" --to ")
    );
    let change = caller.change_by(by, &given, OFFICERS, move |tx, me| {
        let now = tx.now();
        let whole = Whole::find(tx, number, now)?;
        let facts =
            json!({ "to": document.to, "format": document.format, "sha256": document.sha256 });
        step(tx, me, &whole, Step::Shared, &facts, false)
    });
    caller.run(&given, change).await
}

/// Notes that officers elsewhere need not be told of a case, and why (8.3(6): as needed).
///
/// # Errors
/// [`CommandError`].
pub async fn need_not_share(
    caller: &Caller,
    number: i64,
    reason: String,
) -> Result<View, CommandError> {
    let given = format!("vuln share {number} --not-needed");
    let change = caller.change(&given, OFFICERS, move |tx, me| {
        let now = tx.now();
        let whole = Whole::find(tx, number, now)?;
        let facts = json!({ "to": [], "reason": words("the reason", &reason, 1)? });
        step(tx, me, &whole, Step::Shared, &facts, false)
    });
    caller.run(&given, change).await
}

/// A document that is shared.
#[derive(Clone, Debug)]
pub struct Document {
    /// Whom it goes to.
    pub to: Vec<String>,
    /// `csaf` or `vex`.
    pub format: &'static str,
    /// SHA-256 of the document, in hexadecimal digits.
    pub sha256: String,
}
