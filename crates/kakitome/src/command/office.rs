//! `person map | unmap | role | leave | depart`: who gives commands as whom, and who holds which office. Others hear of each change by
//! mail, in its commit: whoever could make a second person, or send one away, would decide alone what takes two.

use directory::{
    Role,
    command::{Caller, arrival, person, role},
};
use message::address::Address;
use serde_json::json;
use transfer::notice::Notice;

use super::{Answer, Failure, access::Telling, on_behalf};
use crate::{cli::RoleCommand, site::Site};

/// `person map`
pub(super) async fn map(
    site: &Site,
    caller: &Caller,
    (name, os_user): (&str, &str),
    order: Option<i64>,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let opens = site.directory.opens_something(name).await?;
    let message = match opens {
        true => on_behalf::notice(site, on_behalf::Act::User, name).await?,
        false => on_behalf::nobody(),
    };
    let told = !message.to.is_empty();
    let by = Telling::new(site, message);
    person::map_by(caller, (name, os_user), order, by).await?;
    if opens && !told {
        on_behalf::untold(answer).await;
    }
    Ok(())
}

/// `person unmap`
pub(super) async fn unmap(
    site: &Site,
    caller: &Caller,
    (name, os_user): (&str, &str),
    answer: &mut Answer,
) -> Result<(), Failure> {
    let opens = site.directory.opens_something(name).await?;
    let message = match opens {
        true => on_behalf::notice(site, on_behalf::Act::NoUser, name).await?,
        false => on_behalf::nobody(),
    };
    let told = !message.to.is_empty();
    person::unmap(caller, (name, os_user), Telling::new(site, message)).await?;
    if opens && !told {
        on_behalf::untold(answer).await;
    }
    Ok(())
}

/// `person role`
pub(super) async fn role(
    site: &Site,
    caller: &Caller,
    command: RoleCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let (name, role, given) = match command {
        RoleCommand::Grant { person, role } => (person, parse(&role)?, true),
        RoleCommand::Revoke { person, role } => (person, parse(&role)?, false),
    };
    let change = match given {
        true => Change {
            ja: format!("{name} に役割 {role} が与えられました。"),
            en: format!("{name} was given the role {role}."),
            kind: "role.granted",
        },
        false => Change {
            ja: format!("{name} の役割 {role} が解かれました。"),
            en: format!("The role {role} was taken from {name}."),
            kind: "role.revoked",
        },
    };
    let office = role.is_officers();
    let message = announced(site, caller, (&name, office), change).await?;
    let told = !message.to.is_empty();
    let by = Telling::new(site, message);
    match given {
        true => role::grant_by(caller, (&name, role), by).await?,
        false => role::revoke_by(caller, (&name, role), by).await?,
    }
    if office && !told {
        untold(answer).await;
    }
    Ok(())
}

/// `person depart`
pub(super) async fn depart(
    site: &Site,
    caller: &Caller,
    (name, on): (&str, &str),
    answer: &mut Answer,
) -> Result<(), Failure> {
    let leaves_at = site.time(on)?;
    let office = site.directory.is_officer(name).await?;
    let change = Change {
        ja: format!(
            "{name} は {on} に転出等をする予定であり、その日から命令を与えることができません。"
        ),
        en: format!("{name} is to leave on {on}, and gives no commands from then on."),
        kind: "person.departs",
    };
    let message = announced(site, caller, (name, office), change).await?;
    let told = !message.to.is_empty();
    let by = Telling::new(site, message);
    let person = arrival::depart_by(caller, (name, leaves_at), by).await?;
    answer.row(&person).await?;
    if office && !told {
        untold(answer).await;
    }
    Ok(())
}

/// `person leave`
pub(super) async fn leave(
    site: &Site,
    caller: &Caller,
    name: &str,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let office = site.directory.is_officer(name).await?;
    let change = Change {
        ja: format!("{name} は転出等をし、その役割はすべて解かれました。"),
        en: format!("{name} has left, and holds no role any more."),
        kind: "person.left",
    };
    let message = announced(site, caller, (name, office), change).await?;
    let told = !message.to.is_empty();
    let left = person::leave_by(caller, name, Telling::new(site, message)).await?;
    answer
        .row(&json!({"person": name, "accounts": left.accounts}))
        .await?;
    if !left.accounts.is_empty() {
        answer
            .note("Each account needs an order to delete it: `order delete` (clause 9.2(1)).")
            .await;
    }
    if office && !told {
        untold(answer).await;
    }
    Ok(())
}

/// What is told of a change, in both languages, and the kind of its event.
struct Change {
    ja: String,
    en: String,
    kind: &'static str,
}

/// The mail that tells of it, if the change is one of an `office`; else to nobody.
async fn announced(
    site: &Site,
    caller: &Caller,
    (name, office): (&str, bool),
    change: Change,
) -> Result<Notice, Failure> {
    let to: Vec<Address> = match office {
        true => site.directory.watchers(caller.person()).await?,
        false => Vec::new(),
    };
    let Change { ja, en, kind } = change;
    Ok(Notice {
        to,
        subject: format!("[Kakitome] 役割の変更 / a change among the officers: {name}"),
        text: format!(
            "{ja}\n二人で行うべき事項を一人で行うために用いられていないか、確認してください(規程 7.1、9)。\n誰が行ったかは次で確認できます。\n\n\
             {en}\nSee that it does not serve one person to do alone what takes two (clauses 7.1, 9). Who did it:\n\n    \
             kakitome audit search --kind {kind} --subject {name}\n"
        ),
    })
}

/// Says so where no officer could be told.
async fn untold(answer: &mut Answer) {
    answer
        .note("No officer has a mailbox here, so that none was told by mail; it is in the audit trail (clause 7.1).")
        .await;
}

fn parse(role: &str) -> Result<Role, Failure> {
    role.parse()
        .map_err(|error| Failure::Words(format!("{error}")))
}
