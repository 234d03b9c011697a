//! `account`: clauses 4.1, 7.1.

use directory::command::{
    Caller, account, address as addresses, hold, idle, import, shared, writers,
};
use message::address::Address;
use protocol::sasl::Secret;
use serde_json::{Value, json};

use super::{Answer, Failure, access, address, backups, letter, on_behalf, order::file};
use crate::{
    cli::{AccountCommand, DeleteArgs, Queued},
    control::Request,
    site::Site,
};

pub(super) async fn run(
    site: &Site,
    caller: &Caller,
    command: AccountCommand,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        AccountCommand::Issue {
            order,
            hide_password,
        } => issue(caller, (order, !hide_password), answer).await,
        AccountCommand::Delete(DeleteArgs { order, queue }) => {
            let queued = match queue {
                Queued::Keep => account::Queued::Keep,
                Queued::Release => account::Queued::Release,
                Queued::Discard => account::Queued::Discard,
            };
            let written = site.settings().written.to_json();
            let named = move |address: &Address| naming(&written, address);
            let deleted = account::delete_named(caller, order, queued, named).await?;
            site.index.forget(deleted.account).await?;
            answer.row(&deleted).await?;
            backups::after_deletion(site, answer).await
        }
        AccountCommand::Letter(words) => letter::run(site, caller, words, answer).await,
        AccountCommand::Hold {
            address,
            reason,
            lift: false,
        } => Ok(hold::place(caller, &address, &reason).await?),
        AccountCommand::Hold {
            address, reason, ..
        } => Ok(hold::lift(caller, &address, &reason).await?),
        AccountCommand::Suspend { address, reason } => {
            Ok(account::suspend(caller, &address, &reason).await?)
        }
        AccountCommand::Resume { address } => Ok(account::resume(caller, &address).await?),
        AccountCommand::List => {
            for entry in account::list(caller).await? {
                answer.item(&entry).await?;
            }
            Ok(())
        }
        AccountCommand::Idle { act } => {
            if act {
                const WORDS: &str = "account idle --act";
                let look = |me: Caller| async move {
                    site.record(me.given(WORDS)).await?;
                    Ok(crate::idle::look(site).await?)
                };
                caller.permit(WORDS, account::MAY_SUSPEND, look).await?;
            }
            for entry in idle::list(caller).await? {
                answer.item(&entry).await?;
            }
            Ok(())
        }
        AccountCommand::Show { address } => {
            answer.row(&account::show(caller, &address).await?).await
        }
        AccountCommand::Password {
            address,
            stdin,
            order,
        } => {
            let chosen = match (stdin, &request.line) {
                (false, _) => None,
                (true, Some(line)) => Some(Secret::from(line.clone())),
                (true, None) => {
                    return Err(Failure::Words(
                        "no password came with the command".to_owned(),
                    ));
                }
            };
            password(site, caller, (&address, order, chosen), answer).await
        }
        AccountCommand::Share { order } => access::share(site, caller, order, answer).await,
        AccountCommand::Reading(command) => access::reading(site, caller, command, answer).await,
        AccountCommand::Unshare { address } => Ok(shared::unshare(caller, &address).await?),
        AccountCommand::Shared => {
            for entry in shared::list(caller).await? {
                answer.item(&entry).await?;
            }
            Ok(())
        }
        AccountCommand::Forward(command) => access::forward(site, caller, command, answer).await,
        AccountCommand::Writers(words) => {
            let alias = address(&words.alias)?;
            let shown = match words.writers {
                Some(rule) => writers::set(caller, &alias, rule, words.named).await?,
                None => writers::show(caller, &alias).await?,
            };
            answer.row(&shown).await
        }
        AccountCommand::AppPassword(command) => {
            access::app_password(site, caller, command, answer).await
        }
        AccountCommand::SecondFactor(command) => {
            access::second_factor(site, caller, command, answer).await
        }
        AccountCommand::Logins {
            address,
            days,
            most,
        } => access::logins(site, caller, (&address, days, most), answer).await,
        AccountCommand::Services { address, msa, mra } => {
            Ok(account::services(caller, &address, msa, mra).await?)
        }
        AccountCommand::Alias {
            address: main,
            alias,
            remove,
        } => {
            let alias = address(&alias)?;
            if remove {
                addresses::remove_alias(caller, &alias, &main).await?;
                // A site that is made of a backup gives it to nobody else either.
                return backups::after_deletion(site, answer).await;
            }
            Ok(addresses::add_alias(caller, &alias, &main).await?)
        }
        AccountCommand::Role {
            address: main,
            role,
        } => Ok(addresses::role(caller, &address(&role)?, &main).await?),
        AccountCommand::Import { order, .. } => {
            let text = file(request)?.as_bytes();
            let progress = |done: usize, total: usize| {
                answer.progress("accounts", done as u64, Some(total as u64));
            };
            let imported = import::import(caller, order, text, progress).await?;
            answer
                .row(&json!({"made": imported.made, "made_before": imported.made_before}))
                .await
        }
    }
}

/// Settings that name an address, each in words.
fn naming(written: &Value, address: &Address) -> Vec<String> {
    let text = address.to_string();
    let settings = written.as_object().into_iter().flatten();
    let naming = settings.filter(|(_, value)| names(value, &text));
    naming
        .map(|(key, _)| format!("setting {key}: names it; change it"))
        .collect()
}

/// Whether the text stands somewhere in a setting.
fn names(value: &Value, text: &str) -> bool {
    match value {
        Value::String(there) => there.eq_ignore_ascii_case(text),
        Value::Array(list) => list.iter().any(|one| names(one, text)),
        Value::Object(table) => table.values().any(|one| names(one, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

async fn issue(
    caller: &Caller,
    (order, show): (i64, bool),
    answer: &mut Answer,
) -> Result<(), Failure> {
    let ordered = account::Issue {
        order,
        address: None,
        shown: show,
    };
    let issued = account::issue(caller, ordered).await?;
    let mut row = json!({ "identifier": issued.identifier, "person": issued.person });
    if show {
        row["password"] = shown(&issued.password)?.into();
    }
    answer.row(&row).await?;
    answer
        .note(match show {
            true => ONCE.to_owned(),
            false => format!(
                "Nobody knows its password: `account letter {} --to FILE` makes one, in a letter to its holder (clause 7.1(1)c).",
                issued.identifier
            ),
        })
        .await;
    Ok(())
}

async fn password(
    site: &Site,
    caller: &Caller,
    (address, order, chosen): (&str, Option<i64>, Option<Secret>),
    answer: &mut Answer,
) -> Result<(), Failure> {
    // Goes out where it is not the holder who does it.
    let message = on_behalf::notice(site, on_behalf::Act::Password, address).await?;
    let told = !message.to.is_empty();
    let by = access::Telling::new(site, message);
    if let Some(made) = account::password_by(caller, (address, order), chosen, by).await? {
        let row = json!({"identifier": address, "password": shown(&made)?});
        answer.row(&row).await?;
        answer.note(ONCE).await;
    }
    if !told && !is_own(caller, site, address).await? {
        on_behalf::untold(answer).await;
    }
    Ok(())
}

/// Whether the caller holds the account.
async fn is_own(caller: &Caller, site: &Site, address: &str) -> Result<bool, Failure> {
    let holder = site.directory.holder_of(address).await?;
    Ok(holder.as_deref() == caller.person())
}

pub(super) const ONCE: &str = "The password is shown this once and stored nowhere.";

pub(super) fn shown(secret: &Secret) -> Result<&str, Failure> {
    secret
        .expose_str()
        .ok_or_else(|| Failure::Failed("the password made is not text".to_owned()))
}
