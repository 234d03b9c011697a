//! `person`

use directory::{
    Role,
    command::{Caller, arrival, language, person, role, roster},
};
use serde_json::json;

use super::{Answer, Failure, audit::search::time, order::file};
use crate::{
    cli::{PersonCommand, RoleCommand},
    control::Request,
    site::Site,
};

/// What people are told before they get an account (clause 9.1(2)).
const NOTICE_JA: &str = "電子メールの記録に関する通知

このメールサービスでは、送受信の日時、差出人と宛先、接続元の場所、認証の成否などの記録を保存し、
情報セキュリティのために分析することがあります。記録は少なくとも{years}年間保存されます。
メールの本文は記録の対象ではありません。

上記を了解しました。

  日付                    氏名                              ";
const NOTICE_EN: &str = "Notice on the records of electronic mail

This mail service keeps records of the time, sender and recipients of mail, of the places that it is used from, and of
successful and failed logins. They are kept for at least {years} years and may be analysed for the sake of information
security. The text of mail is not part of these records.

I have taken note of this.

  Date                    Name                              ";

/// The notice, with how long records are kept here.
fn notice(lang: &str, years: u16) -> (&'static str, String) {
    match lang {
        "en" => ("en", NOTICE_EN.replace("{years}", &years.to_string())),
        _ => ("ja", NOTICE_JA.replace("{years}", &years.to_string())),
    }
}

pub(super) async fn run(
    site: &Site,
    caller: &Caller,
    command: PersonCommand,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        PersonCommand::Add {
            name,
            full_name,
            os_user,
        } => {
            let entered = person::Add {
                name,
                full_name,
                os_user,
            };
            answer.row(&person::add(caller, entered).await?).await
        }
        PersonCommand::List => {
            for entry in person::list(caller).await? {
                answer.item(&entry).await?;
            }
            Ok(())
        }
        PersonCommand::Show { name } => answer.row(&person::show(caller, &name).await?).await,
        PersonCommand::Map { name, os_user } => Ok(person::map(caller, &name, &os_user).await?),
        PersonCommand::Language {
            name,
            language: chosen,
        } => {
            // The command line permits nothing else.
            let chosen = chosen.parse().ok();
            answer
                .row(&language::set(caller, &name, chosen).await?)
                .await
        }
        PersonCommand::Notice { name, lang } => {
            let years = site.settings().audit.retain_years;
            let (lang, text) = notice(&lang, years);
            if let Some(name) = name {
                arrival::notify(caller, &name, (lang, years, &text)).await?;
            }
            answer.note(text).await;
            Ok(())
        }
        PersonCommand::Acknowledge { name, on_paper } => {
            let person = arrival::acknowledge(caller, &name, on_paper).await?;
            answer.row(&person).await
        }
        PersonCommand::Roster { .. } => {
            for mismatch in roster::compare(caller, file(request)?.as_bytes()).await? {
                answer.item(&mismatch).await?;
            }
            Ok(())
        }
        PersonCommand::Depart { name, on } => {
            let person = arrival::depart(caller, &name, time(&on)?).await?;
            answer.row(&person).await
        }
        PersonCommand::Leave { name } => {
            let left = person::leave(caller, &name).await?;
            answer
                .row(&json!({"person": name, "accounts": left.accounts}))
                .await?;
            if !left.accounts.is_empty() {
                answer
                    .note(
                        "Each account needs an order to delete it: `order delete` (clause 9.2(1)).",
                    )
                    .await;
            }
            Ok(())
        }
        PersonCommand::Role(RoleCommand::Grant { person, role }) => {
            Ok(role::grant(caller, &person, parse(&role)?).await?)
        }
        PersonCommand::Role(RoleCommand::Revoke { person, role }) => {
            Ok(role::revoke(caller, &person, parse(&role)?).await?)
        }
    }
}

fn parse(role: &str) -> Result<Role, Failure> {
    role.parse()
        .map_err(|error| Failure::Words(format!("{error}")))
}
