//! `incident step N measure-taken`: what was done about traffic that endangers the service (clauses 4.4(2), 8.4).

use store::sql::Sql;

use super::{
    Caller, CommandError,
    account::MOST_REASON,
    incident::{self, IncidentKind, IncidentView, Step},
    plain_text,
};
use crate::{Role, tables::incident::Entry};

const MAY_ACT: &[Role] = &[Role::Administrator, Role::SystemOfficer];

/// Something was done about it, such as a network that is shut out (`block add`), mail that is held (`queue hold`) or a limit that was
/// set, or it was found that nothing has to be: `note` says what and why. Refused before somebody acknowledged the report.
///
/// # Errors
/// [`CommandError`].
pub async fn measure(
    caller: &Caller,
    number: i64,
    note: &str,
) -> Result<IncidentView, CommandError> {
    let words = format!("incident step {number} {}", Step::MeasureTaken.as_str());
    let note = note.to_owned();
    let work = caller.change(&words, MAY_ACT, move |tx, me| {
        let note = plain_text("the note on what was done", &note, MOST_REASON)?;
        let found = incident::still_open(tx, number)?;
        incident::demanded(&found, Step::MeasureTaken)?;
        if !incident::taken(tx, number, Step::Acknowledged)? {
            return Err(CommandError::State(format!(
                "incident {number} is not acknowledged yet: the system officer reads the report and takes the step {}",
                Step::Acknowledged.as_str()
            )));
        }
        let event = incident::take(tx, me, number, Step::MeasureTaken, &note)?;
        Ok((incident::view_of(tx, number)?, vec![event]))
    });
    caller.run(&words, work).await
}

/// Refuses that an incident of this kind is closed while it goes on.
pub(super) fn may_close(sql: &mut dyn Sql, incident: &Entry) -> Result<(), CommandError> {
    if incident.kind != IncidentKind::Dos.as_str() {
        return Ok(());
    }
    match store::traffic::mark(sql)? {
        Some(mark) if mark.state == "alarm" => Err(CommandError::State(format!(
            "incident {} cannot be closed: it goes on since {} (`traffic deviations`)",
            incident.number, mark.since
        ))),
        _ => Ok(()),
    }
}
