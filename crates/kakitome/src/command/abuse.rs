//! `abuse`: whoever runs a server that malware came from is told (clause 5.2(6)).

use directory::Person;
use transfer::abuse::{self, AbuseError};

use super::{Answer, Failure};
use crate::{cli::AbuseCommand, site::Site};

impl From<AbuseError> for Failure {
    fn from(error: AbuseError) -> Self {
        match error {
            AbuseError::Store(error) => error.into(),
            refused => Self::Refused(refused.to_string()),
        }
    }
}

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    command: AbuseCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let transfer = &site.transfer;
    match command {
        AbuseCommand::List => {
            for report in abuse::list(transfer, caller).await? {
                answer.item(&report).await?;
            }
            Ok(())
        }
        AbuseCommand::Show { id } => {
            let report = abuse::show(transfer, caller, id).await?;
            answer.row(&report).await
        }
        AbuseCommand::Send { id, to, reason } => {
            let sent = abuse::send(transfer, caller, (id, to), &reason).await?;
            answer.row(&sent).await
        }
        AbuseCommand::Drop { id, reason } => {
            Ok(abuse::drop_report(transfer, caller, id, &reason).await?)
        }
    }
}
