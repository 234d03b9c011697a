//! `person`

use directory::{
    Role,
    command::{
        Caller, arrival, language, person,
        roster::{self, Difference, Mismatch},
    },
};
use message::address::Address;
use transfer::notice::Notice;

use super::{Answer, Failure, access::Telling, address, office, order::file};
use crate::{cli::PersonCommand, control::Request, site::Site};

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
        PersonCommand::Map {
            name,
            os_user,
            order,
        } => office::map(site, caller, (&name, &os_user), order, answer).await,
        PersonCommand::Unmap { name, os_user } => {
            office::unmap(site, caller, (&name, &os_user), answer).await
        }
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
        PersonCommand::Announce { name } => {
            answer.row(&arrival::announce(caller, &name).await?).await
        }
        PersonCommand::Notice { name, mail, lang } => {
            let years = site.settings().audit.retain_years;
            let (lang, text) = notice(&lang, years);
            let given = (lang, years, text.as_str());
            match (name, mail) {
                (Some(name), Some(mail)) => mail_notice(site, caller, (&name, &mail), given).await,
                (name, _) => {
                    if let Some(name) = name {
                        arrival::notify(caller, &name, given).await?;
                    }
                    answer.note(text).await;
                    Ok(())
                }
            }
        }
        PersonCommand::Acknowledge { name, on_paper } => {
            let person = arrival::acknowledge(caller, &name, on_paper).await?;
            answer.row(&person).await
        }
        PersonCommand::Roster { .. } => compare_roster(site, caller, file(request)?, answer).await,
        PersonCommand::Depart { name, on } => {
            office::depart(site, caller, (&name, &on), answer).await
        }
        PersonCommand::Leave { name } => office::leave(site, caller, &name, answer).await,
        PersonCommand::Role(command) => office::role(site, caller, command, answer).await,
    }
}

/// Sends the notice to an address of the person's: here, or where they read mail until they have an account.
async fn mail_notice(
    site: &Site,
    caller: &Caller,
    (name, mail): (&str, &str),
    given: (&'static str, u16, &str),
) -> Result<(), Failure> {
    let to = address(mail)?;
    let known = match given.0 {
        "en" => format!(
            "\n\nWho has read this says so to whoever sent it, or with: kakitome person acknowledge {name}\n"
        ),
        _ => format!(
            "\n\n了解した旨を担当者に伝えるか、次の命令で記録してください: kakitome person acknowledge {name}\n"
        ),
    };
    let message = Notice {
        to: vec![to.clone()],
        subject: match given.0 {
            "en" => "[Kakitome] Notice on records of mail".to_owned(),
            _ => "[Kakitome] 電子メールの記録に関する通知".to_owned(),
        },
        text: format!("{}{known}", given.2),
    };
    let unreached = format!("{to} has no mailbox here: nothing was sent");
    let by = Telling::reaching(site, message, unreached);
    Ok(arrival::notify_by_mail(caller, (name, &to), given, by).await?)
}

/// People who are named in the mail to officers at most.
const MOST_NAMED: usize = 200;

/// Holds the personnel's list against the directory, and tells the officers whose accounts are not of anybody on it.
async fn compare_roster(
    site: &Site,
    caller: &Caller,
    list: &str,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let mut officers = Vec::new();
    for role in [Role::SystemOfficer, Role::AccountManager] {
        officers.extend(site.directory.addresses_of(role).await?);
    }
    officers.sort_unstable();
    officers.dedup();
    let tell = move |found: &[Mismatch]| {
        let off =
            |one: &&Mismatch| one.difference == Difference::NotOnList && !one.accounts.is_empty();
        let off: Vec<&Mismatch> = found.iter().filter(off).collect();
        let to = match off.is_empty() {
            true => Vec::new(),
            false => officers,
        };
        Telling::new(site, roster_notice(site, to, &off))
    };
    for mismatch in roster::compare(caller, list.as_bytes(), tell).await? {
        answer.item(&mismatch).await?;
    }
    Ok(())
}

fn roster_notice(site: &Site, to: Vec<Address>, off: &[&Mismatch]) -> Notice {
    let day = |at: Option<jiff::Timestamp>| {
        at.map_or_else(|| "-".to_owned(), |at| site.local(at, "%Y-%m-%d"))
    };
    let mut lines = String::new();
    for one in off.iter().take(MOST_NAMED) {
        lines.push_str(&format!(
            "{}  {}  {} – {}\n",
            one.person,
            one.accounts.join(" "),
            day(one.since),
            day(one.suspends_at)
        ));
    }
    let left_out = off.len().saturating_sub(MOST_NAMED);
    if left_out > 0 {
        lines.push_str(&format!("… {left_out}\n"));
    }
    Notice {
        to,
        subject: format!(
            "[Kakitome] 名簿にない者の識別コード / identifiers of people not on the roster: {}",
            off.len()
        ),
        text: format!(
            "職員の名簿と照合した結果、次の者は名簿にありませんが、識別コードがあります（規程 7.1(3)）。\n\
             転出であれば person leave と order delete を、名簿の誤りであれば正しい名簿で person roster を行ってください。\n\
             右端の日までに名簿に載らなければ利用を停止します（- は停止しません）。届いたメールは失われません。\n\n\
             These people are not on the personnel's list, and have identifiers (clause 7.1(3)).\n\
             Where they have left: `person leave`, `order delete`. Where the list is wrong: `person roster` with the right one.\n\
             Unless they are on a list by the last day shown, these are suspended (-: they are not). Mail that arrives is kept.\n\n{lines}"
        ),
    }
}
