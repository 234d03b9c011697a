//! `account app-password`, `account second-factor`, `account forward`, `account logins`: clauses 4.1, 7.1.

use directory::{
    Role,
    command::{
        Caller, app_password, app_password::Wish, forward, own, reading, second_factor, shared,
    },
};
use jiff::{ToSpan, tz::TimeZone};
use serde_json::json;
use transfer::notice::{self, Notice};

use super::{
    Answer, Failure,
    account::{ONCE, shown},
    address,
    audit::search::time,
};
use crate::{
    cli::{AppPasswordCommand, ForwardCommand, ReadingCommand, SecondFactorCommand},
    site::Site,
};

pub(super) async fn app_password(
    caller: &Caller,
    command: AppPasswordCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        AppPasswordCommand::Add {
            address,
            name,
            msa,
            mra,
            expires,
        } => {
            let wish = Wish {
                name,
                msa,
                mra,
                expires_at: expires.as_deref().map(time).transpose()?,
            };
            let made = app_password::add(caller, &address, wish).await?;
            let password = shown(&made.password)?;
            answer
                .row(&json!({"number": made.number, "password": password}))
                .await?;
            answer.note(ONCE).await;
            Ok(())
        }
        AppPasswordCommand::List { address } => {
            for entry in app_password::list(caller, &address).await? {
                answer.item(&entry).await?;
            }
            Ok(())
        }
        AppPasswordCommand::Revoke { address, number } => {
            Ok(app_password::revoke(caller, &address, number).await?)
        }
    }
}

pub(super) async fn second_factor(
    caller: &Caller,
    command: SecondFactorCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        SecondFactorCommand::List { address } => {
            for entry in second_factor::list(caller, &address).await? {
                answer.item(&entry).await?;
            }
            Ok(())
        }
        SecondFactorCommand::Remove { address, number } => {
            Ok(second_factor::remove(caller, &address, number).await?)
        }
    }
}

pub(super) async fn forward(
    caller: &Caller,
    command: ForwardCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        ForwardCommand::Add {
            address: name,
            to,
            order,
            until,
        } => {
            let wish = forward::Wish {
                name,
                target: address(&to)?,
                order,
                until: until.as_deref().map(time).transpose()?,
            };
            Ok(forward::add(caller, wish).await?)
        }
        ForwardCommand::Remove { address: name, to } => {
            Ok(forward::remove(caller, &name, &address(&to)?).await?)
        }
        ForwardCommand::List { address: name } => {
            for entry in forward::list(caller, name.as_deref()).await? {
                answer.item(&entry).await?;
            }
            Ok(())
        }
    }
}

/// Shares an identifier, and tells the administrators (clause 8.1(2)).
pub(super) async fn share(
    site: &Site,
    caller: &Caller,
    order: i64,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let words = format!("account share --order {order}");
    let made = shared::share(caller, order).await?;
    let day = made.review_at.to_zoned(TimeZone::system());
    let (day, users) = (day.strftime("%Y-%m-%d").to_string(), made.users.join(", "));
    let identifier = &made.identifier;
    let message = Notice {
        to: site.directory.addresses_of(Role::Administrator).await?,
        subject: format!("[Kakitome] 共有識別コード / shared identifier: {identifier}"),
        text: format!(
            "識別コード {identifier} は命令 {order} により共有されます。\n利用者: {users}\n見直し: {day}\n\n\
             The identifier {identifier} is shared, on order {order}.\nUsed by: {users}\nTo be reviewed: {day}\n"
        ),
    };
    tell(site, caller, &words, message).await?;
    answer.row(&made).await
}

/// Sends a notice, and records with it who was told on what command.
async fn tell(site: &Site, caller: &Caller, words: &str, message: Notice) -> Result<(), Failure> {
    let event = caller.given(words);
    notice::send(&site.transfer, message, move |tx, told| {
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        tx.record(&event.detail("told", told), ())
    })
    .await?;
    Ok(())
}

pub(super) async fn reading(
    site: &Site,
    caller: &Caller,
    command: ReadingCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        ReadingCommand::Open { order } => open_reading(site, caller, order, answer).await,
        ReadingCommand::End { address, person } => {
            Ok(reading::end(caller, &address, &person).await?)
        }
        ReadingCommand::List => {
            for entry in reading::list(caller).await? {
                answer.item(&entry).await?;
            }
            Ok(())
        }
    }
}

/// Opens another's mailbox for reading, and tells the security officers (clause 7.1(4)).
async fn open_reading(
    site: &Site,
    caller: &Caller,
    order: i64,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let opened = reading::open(caller, order).await?;
    let until = opened.until.to_zoned(TimeZone::system());
    let until = until.strftime("%Y-%m-%d %H:%M").to_string();
    let (identifier, person) = (&opened.identifier, &opened.person);
    let purpose = &opened.purpose;
    let message = Notice {
        to: site.directory.addresses_of(Role::SecurityOfficer).await?,
        subject: format!("[Kakitome] メールボックスの閲覧 / a mailbox is read: {identifier}"),
        text: format!(
            "命令 {order} により、{person} が {identifier} のメールボックスを閲覧できるようになりました。\n\
             目的: {purpose}\n期限: {until}\n\n\
             On order {order}, {person} may read the mailbox of {identifier}.\n\
             Purpose: {purpose}\nUntil: {until}\n"
        ),
    };
    let words = format!("account reading open --order {order}");
    tell(site, caller, &words, message).await?;
    answer.row(&opened).await?;
    answer
        .note(format!(
            "{person} can make an app password for it now: `account app-password add {identifier} --name …`; IMAP only."
        ))
        .await;
    Ok(())
}

pub(super) async fn logins(
    site: &Site,
    caller: &Caller,
    (address, days, most): (&str, u16, u16),
    answer: &mut Answer,
) -> Result<(), Failure> {
    let span = (i64::from(days) * 24).hours();
    let from = site.world.now().checked_sub(span).unwrap_or_default();
    for login in own::logins(caller, address, from, usize::from(most)).await? {
        answer.item(&login).await?;
    }
    Ok(())
}
