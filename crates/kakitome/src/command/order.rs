//! `order`: clauses 7.1(1), 9.

use directory::command::{
    Caller,
    on_behalf::{self, Whose},
    order, reading, shared,
};
use serde_json::json;

use super::{Answer, Failure, address};
use crate::{cli::OrderCommand, control::Request, settings::Size, site::Site};

pub(super) async fn run(
    site: &Site,
    caller: &Caller,
    command: OrderCommand,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let number = match command {
        OrderCommand::Issue {
            person,
            address: text,
            name,
            quota,
        } => {
            let quota = quota
                .map(|text| {
                    Size::parse(&text).map(|size| size.0).ok_or_else(|| {
                        Failure::Words(format!("{text:?} is no size such as 500MiB or 2GiB"))
                    })
                })
                .transpose()?;
            let ordered = order::IssueOrder {
                for_person: person,
                address: address(&text)?,
                name,
                quota,
            };
            order::issue(caller, ordered).await?
        }
        OrderCommand::Delete {
            person,
            address: text,
            not_before,
        } => {
            let ordered = order::DeleteOrder {
                for_person: person,
                address: text.as_deref().map(address).transpose()?,
                not_before: not_before
                    .as_deref()
                    .map(|text| site.time(text))
                    .transpose()?,
            };
            order::delete(caller, ordered).await?
        }
        OrderCommand::Forward {
            address: text,
            to,
            until,
        } => {
            let ordered = order::ForwardOrder {
                address: address(&text)?,
                to: address(&to)?,
                until: until.as_deref().map(|text| site.time(text)).transpose()?,
            };
            order::forward(caller, ordered).await?
        }
        OrderCommand::Shared {
            address: text,
            users,
            review,
        } => {
            let ordered = shared::ShareOrder {
                address: address(&text)?,
                users,
                review_at: site.time(&review)?,
            };
            shared::order(caller, ordered).await?
        }
        OrderCommand::Read {
            address: text,
            person,
            purpose,
            until,
        } => {
            let ordered = reading::ReadOrder {
                address: address(&text)?,
                reader: person,
                purpose,
                until: site.time(&until)?,
            };
            reading::order(caller, ordered).await?
        }
        OrderCommand::Password {
            person,
            address: text,
        } => {
            let address = text.as_deref().map(address).transpose()?;
            on_behalf::order_password(caller, Whose { person, address }).await?
        }
        OrderCommand::SecondFactor {
            person,
            address: text,
            number,
        } => {
            let address = text.as_deref().map(address).transpose()?;
            on_behalf::order_removal(caller, Whose { person, address }, number).await?
        }
        OrderCommand::User { person, os_user } => {
            on_behalf::order_user(caller, &person, &os_user).await?
        }
        OrderCommand::Import { .. } => order::import(caller, file(request)?.as_bytes()).await?,
        OrderCommand::Approve { number } => {
            return answer.row(&order::approve(caller, number).await?).await;
        }
        OrderCommand::List => {
            for entry in order::list(caller).await? {
                answer.item(&entry).await?;
            }
            return Ok(());
        }
        OrderCommand::Show { number } => {
            return answer.row(&order::show(caller, number).await?).await;
        }
    };
    answer.row(&json!({ "number": number })).await
}

/// The text of the file that the words name.
pub(super) fn file(request: &Request) -> Result<&str, Failure> {
    request
        .attachment
        .as_deref()
        .ok_or_else(|| Failure::Words("the file did not come with the command".to_owned()))
}
