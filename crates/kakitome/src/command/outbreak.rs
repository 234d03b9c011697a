//! `outbreak`: mail that no scanner knows yet is blocked, and staff are told (clause 5.2(2)).

use directory::Person;
use screening::outbreak::{Marks, RuleHandling};
use transfer::outbreak::{self, Begin, OutbreakError, Pulled, Tally};

use super::{Answer, Failure};
use crate::{
    cli::{BeginArgs, HandlingWord, OutbreakCommand, OutbreakNoticeCommand},
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
            let wants_notice = !words.no_notice;
            let shown = outbreak::digest_of(&words.notice);
            let rule = outbreak::begin(transfer, caller, begin(words)).await?;
            if wants_notice {
                let number = rule.number;
                let words = format!(
                    "Staff are told when another administrator or security officer approves it: outbreak notice approve {number} --digest {shown}"
                );
                answer.note(words).await;
            }
            answer.row(&rule).await
        }
        OutbreakCommand::Notice(OutbreakNoticeCommand::Approve { number, digest }) => {
            let rule = outbreak::approve(transfer, caller, number, &digest).await?;
            answer.row(&rule).await
        }
        OutbreakCommand::Notice(OutbreakNoticeCommand::Compose { number, words }) => {
            let composed = outbreak::compose(transfer, caller, number, &words).await?;
            answer.row(&composed).await
        }
        OutbreakCommand::End { number, reason } => {
            Ok(outbreak::end(transfer, caller, number, &reason).await?)
        }
        OutbreakCommand::Search { number, time } => {
            let mut tell =
                |tally: &Tally| answer.progress("messages looked at", tally.looked, None);
            let tally = outbreak::search(transfer, caller, number, time.0, &mut tell).await?;
            answer.row(&tally).await
        }
        OutbreakCommand::Found { number } => {
            for found in outbreak::found(transfer, caller, number).await? {
                answer.item(&found).await?;
            }
            Ok(())
        }
        OutbreakCommand::Pull { number, reason } => {
            let mut tell = |done: &Pulled| answer.progress("messages pulled", done.pulled, None);
            let pulled = outbreak::pull(transfer, caller, number, &reason, &mut tell).await?;
            answer.row(&pulled).await
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
