//! `account app-password`, `account second-factor`, `account forward`, `account logins`: clauses 4.1, 7.1.

use directory::{
    Role,
    command::{
        Caller, CommandError, Commit, Committing, OrderDetails, app_password, app_password::Wish,
        forward, order, own, reading, second_factor, shared,
    },
};
use jiff::ToSpan;
use message::address::Address;
use serde_json::json;
use store::{Recorded, Tx};
use transfer::{
    Transfer,
    notice::{self, Notice},
};

use super::{
    Answer, Failure,
    account::{ONCE, shown},
    address, on_behalf,
};
use crate::{
    cli::{AppPasswordCommand, ForwardCommand, ReadingCommand, SecondFactorCommand},
    site::Site,
};

pub(super) async fn app_password(
    site: &Site,
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
                expires_at: expires.as_deref().map(|at| site.time(at)).transpose()?,
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
    site: &Site,
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
        SecondFactorCommand::Remove {
            address,
            number,
            order,
        } => {
            // Goes out where it is not the holder who does it.
            let message = on_behalf::notice(site, on_behalf::Act::Removal, &address).await?;
            let told = !message.to.is_empty();
            let by = Telling::new(site, message);
            second_factor::remove_by(caller, (&address, number), order, by).await?;
            let holder = site.directory.holder_of(&address).await?;
            if !told && holder.as_deref() != caller.person() {
                on_behalf::untold(answer).await;
            }
            Ok(())
        }
    }
}

pub(super) async fn forward(
    site: &Site,
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
                until: until.as_deref().map(|at| site.time(at)).transpose()?,
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

/// Shares an identifier, and tells the administrators (clause 8.1(2)) and the security officers (clause 7.1(4)).
pub(super) async fn share(
    site: &Site,
    caller: &Caller,
    order: i64,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let ordered = order::details(caller, order).await?;
    let (identifier, day) = (named(&ordered), day(site, &ordered, "%Y-%m-%d"));
    let users = ordered.users.join(", ");
    let mut to = site.directory.addresses_of(Role::Administrator).await?;
    // A way into a mailbox: whoever answers for that hears of it.
    for address in site.directory.addresses_of(Role::SecurityOfficer).await? {
        if !to.contains(&address) {
            to.push(address);
        }
    }
    let message = Notice {
        to,
        subject: format!("[Kakitome] 共有識別コード / shared identifier: {identifier}"),
        text: format!(
            "識別コード {identifier} は命令 {order} により共有されます。\n利用者: {users}\n見直し: {day}\n\n\
             The identifier {identifier} is shared, on order {order}.\nUsed by: {users}\nTo be reviewed: {day}\n"
        ),
    };
    let made = shared::share(caller, order, Telling::new(site, message)).await?;
    answer.row(&made).await
}

/// The address that an order is for; an order of another kind may have none, and is refused.
fn named(ordered: &OrderDetails) -> String {
    let address = ordered.address.as_ref();
    address.map(ToString::to_string).unwrap_or_default()
}

/// Until when an order permits something, in the site's zone.
fn day(site: &Site, ordered: &OrderDetails, form: &str) -> String {
    let until = ordered.until.map(|at| site.local(at, form));
    until.unwrap_or_default()
}

/// A change, and the mail that tells of it, in one commit.
pub(super) struct Telling {
    transfer: Transfer,
    message: Notice,
    /// Why nothing is done where the mail reaches nobody; `None`: it is done all the same.
    unreached: Option<String>,
}

impl Telling {
    pub(super) fn new(site: &Site, message: Notice) -> Self {
        let transfer = site.transfer.clone();
        Self {
            transfer,
            message,
            unreached: None,
        }
    }

    /// The same; the command is refused with the words `unreached` where the mail reaches nobody.
    pub(super) fn reaching(site: &Site, message: Notice, unreached: String) -> Self {
        Self {
            unreached: Some(unreached),
            ..Self::new(site, message)
        }
    }
}

impl Commit for Telling {
    fn commit<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Tx<'_>, &[Address]) -> Result<Recorded<T>, CommandError> + Send + 'static,
    ) -> Committing<T> {
        Box::pin(async move {
            let unreached = self.unreached;
            let work = move |tx: &mut Tx<'_>, told: &[Address]| {
                // What else refuses it comes first: who may not do it hears that. An error undoes what was done.
                let done = work(tx, told)?;
                match unreached {
                    Some(why) if told.is_empty() => Err(CommandError::State(why)),
                    _ => Ok(done),
                }
            };
            let sent = notice::send(&self.transfer, self.message, work).await?;
            Ok(sent.0)
        })
    }
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

/// A reading is announced or does not take place.
const UNTOLD: &str = "no security officer, other than the reader, has a mailbox here whom this could be announced to, so nothing was opened: \
                      give one an account first (clause 7.1(4))";

/// Opens another's mailbox for reading, and tells the security officers (clause 7.1(4)); refused where none can be told.
async fn open_reading(
    site: &Site,
    caller: &Caller,
    order: i64,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let ordered = order::details(caller, order).await?;
    let identifier = named(&ordered);
    let until = day(site, &ordered, "%Y-%m-%d %H:%M");
    let person = ordered.users.join(", ");
    let purpose = ordered.purpose.as_deref().unwrap_or_default();
    // Where one person holds all offices, there is nobody but the reader to tell.
    let single = site.directory.permits_single_person().await?;
    let mut to = Vec::new();
    for address in site.directory.addresses_of(Role::SecurityOfficer).await? {
        let holder = site.directory.holder_of(&address.to_string()).await?;
        if single || !holder.is_some_and(|holder| ordered.users.contains(&holder)) {
            to.push(address);
        }
    }
    let message = Notice {
        to,
        subject: format!("[Kakitome] メールボックスの閲覧 / a mailbox is read: {identifier}"),
        text: format!(
            "命令 {order} により、{person} が {identifier} のメールボックスを閲覧できるようになりました。\n\
             目的: {purpose}\n期限: {until}\n\n\
             On order {order}, {person} may read the mailbox of {identifier}.\n\
             Purpose: {purpose}\nUntil: {until}\n"
        ),
    };
    let by = Telling::reaching(site, message, UNTOLD.to_owned());
    let opened = reading::open(caller, order, by).await?;
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
