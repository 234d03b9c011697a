//! `account hold`: an account that may not be deleted, whatever the order (a law suit, an investigation).

use trail::Kind;

use super::{
    Caller, CommandError,
    account::{MOST_REASON, present},
    plain_text,
};
use crate::{Role, tables::life};

const MAY_HOLD: &[Role] = &[Role::SecurityOfficer, Role::SystemOfficer];

/// Places a hold on an account.
///
/// # Errors
/// [`CommandError`].
pub async fn place(caller: &Caller, name: &str, reason: &str) -> Result<(), CommandError> {
    let words = format!("account hold {name}");
    let options = caller.directory.options();
    let name = name.to_owned();
    let work = async {
        let reason = plain_text("the reason", reason, MOST_REASON)?;
        caller
            .change(&words, MAY_HOLD, move |tx, me| {
                let account = present(tx, &options, &name)?;
                if let Some(hold) = life::hold(tx, account.id)? {
                    return Err(CommandError::State(format!(
                        "{} is held already, by {} since {}",
                        account.identifier, hold.placed_by, hold.placed_at
                    )));
                }
                life::place_hold(tx, account.id, &reason, me.id)?;
                let event = me.event(Kind::HoldPlaced, account.identifier);
                Ok(((), vec![event.detail("reason", reason)]))
            })
            .await
    };
    caller.run(&words, work).await
}

/// Lifts a hold.
///
/// # Errors
/// [`CommandError`].
pub async fn lift(caller: &Caller, name: &str, reason: &str) -> Result<(), CommandError> {
    let words = format!("account hold {name} --lift");
    let options = caller.directory.options();
    let name = name.to_owned();
    let work = async {
        let reason = plain_text("the reason", reason, MOST_REASON)?;
        caller
            .change(&words, MAY_HOLD, move |tx, me| {
                let account = present(tx, &options, &name)?;
                let hold = life::hold(tx, account.id)?.ok_or_else(|| {
                    CommandError::State(format!("{} is not held", account.identifier))
                })?;
                life::lift_hold(tx, account.id)?;
                let event = me
                    .event(Kind::HoldLifted, account.identifier)
                    .detail("reason", reason)
                    .detail("placed_for", hold.reason)
                    .detail("placed_by", hold.placed_by);
                Ok(((), vec![event]))
            })
            .await
    };
    caller.run(&words, work).await
}
