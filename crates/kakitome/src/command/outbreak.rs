//! `outbreak`: mail that no scanner knows yet is blocked, and staff are told (clause 5.2(2)).

use directory::Person;
use screening::outbreak::{Marks, RuleHandling};
use transfer::outbreak::{self, Begin, OutbreakError};

use super::{Answer, Failure};
use crate::{
    cli::{BeginArgs, HandlingWord, OutbreakCommand},
    site::Site,
};

impl From<OutbreakError> for Failure {
    fn from(error: OutbreakError) -> Self {
        match error {
            OutbreakError::Store(error) => error.into(),
            refused => Self::Refused(refused.to_string()),
        }
    }
}

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    command: OutbreakCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let transfer = &site.transfer;
    match command {
        OutbreakCommand::Begin(words) => {
            let rule = outbreak::begin(transfer, caller, begin(words)).await?;
            answer
                .note(match rule.told {
                    0 => "Nobody was told.".to_owned(),
                    told => format!("{told} accounts were sent the notice."),
                })
                .await;
            answer.row(&rule).await
        }
        OutbreakCommand::End { number, reason } => {
            Ok(outbreak::end(transfer, caller, number, &reason).await?)
        }
        OutbreakCommand::List => {
            for rule in outbreak::list(transfer, caller).await? {
                answer.item(&rule).await?;
            }
            Ok(())
        }
        OutbreakCommand::Show { number } => {
            let standing = outbreak::show(transfer, caller, number).await?;
            answer.row(&standing).await
        }
    }
}

fn begin(words: BeginArgs) -> Begin {
    Begin {
        marks: Marks {
            sha256: words.sha256,
            name: words.name,
            media_type: words.media_type,
            sender: words.sender,
            subject: words.subject,
        },
        handling: match words.handling {
            HandlingWord::Refuse => RuleHandling::Refuse,
            HandlingWord::Quarantine => RuleHandling::Quarantine,
        },
        reason: words.reason,
        time: words.time.0,
        notice: (!words.no_notice).then_some(words.notice),
    }
}
