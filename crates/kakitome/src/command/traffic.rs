//! `traffic list | normal | deviations`: the normal state, and deviation from it (clause 4.4).

use directory::command::Caller;
use governance::traffic::command;
use jiff::SignedDuration;
use serde_json::json;

use super::{Answer, Failure};
use crate::{cli::TrafficCommand, site::Site, traffic};

pub(super) async fn run(
    site: &Site,
    caller: &Caller,
    words: TrafficCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let (now, options) = (site.store.now(), traffic::options(site));
    let ago = |days: u16| {
        let hours = SignedDuration::from_hours(i64::from(days) * 24);
        now.checked_sub(hours).unwrap_or(jiff::Timestamp::MIN)
    };
    match words {
        TrafficCommand::List { days, series } => {
            for hour in command::list(caller, ago(days), series).await? {
                answer.item(&hour).await?;
            }
        }
        TrafficCommand::Normal { series } => {
            for usual in command::normal(caller, &options, now, series).await? {
                answer.item(&usual).await?;
            }
        }
        TrafficCommand::Deviations { days } => {
            let (standing, changes) =
                command::deviations(caller, &options, (ago(days), now)).await?;
            let since = standing
                .since
                .map_or_else(String::new, |since| format!(" since {since}"));
            answer
                .note(format!(
                    "Traffic is {}{since}; of {} % of the hours of a week it is known what is usual, learned from {} hours.",
                    standing.state.as_str(),
                    standing.known,
                    standing.learned_from
                ))
                .await;
            for change in &changes {
                answer.item(change).await?;
            }
            if let Some(number) = standing.incident {
                answer
                    .item(&json!({ "state": "incident", "incident": number }))
                    .await?;
            }
        }
    }
    Ok(())
}
