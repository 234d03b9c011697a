//! `verify`: is what is stored what was written?

use directory::Role;

use super::{Answer, Failure, need};
use crate::site::Site;

pub(super) async fn run(
    site: &Site,
    caller: &directory::Person,
    answer: &mut Answer,
) -> Result<(), Failure> {
    need(
        caller,
        &[
            Role::Administrator,
            Role::SystemOfficer,
            Role::SecurityOfficer,
        ],
    )?;
    let findings = site
        .store
        .verify(|progress| answer.progress("bodies", progress.checked, Some(progress.total)))
        .await?;
    if findings.is_empty() {
        answer.note("Everything stored is what was written.").await;
        return Ok(());
    }
    for finding in &findings {
        answer
            .item(&serde_json::json!({ "finding": finding }))
            .await?;
    }
    Err(Failure::Failed(format!("{} findings", findings.len())))
}
