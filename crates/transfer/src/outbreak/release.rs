//! Mail that is set apart is held against the rules in force before staff may have it: what came before a rule was made is as dangerous
//! as what comes after (clause 5.2(2)).

use std::sync::Arc;

use screening::outbreak::{blocked, blocked_inside};
use store::{Error, quarantine::Held};

use super::delivered::inside;
use crate::{Transfer, trace};

/// Whether a rule in force means a message that is set apart.
///
/// # Errors
/// When the message cannot be opened, or it cannot be found out: not known is not "not meant".
pub(crate) async fn is_meant(transfer: &Transfer, held: &Held) -> Result<bool, Error> {
    let rules = Arc::new(transfer.outbreak_rules());
    let Some(first) = held.recipients.first().filter(|_| !rules.is_empty()) else {
        return Ok(false);
    };
    let store = transfer.store();
    let raw = store
        .body(first.to.place.owner(), held.message.body)
        .await?;
    let (sender, shown) = (held.message.sender.clone(), Arc::clone(&rules));
    let look = move || {
        let meant = blocked(&shown, sender.as_ref(), trace::as_it_came(&raw)).is_some();
        Ok::<_, Error>((raw, meant))
    };
    let (raw, meant) = store.blocking(look).await?;
    if meant || !rules.iter().any(|rule| rule.marks.of_parts()) {
        return Ok(meant);
    }
    let files = inside(transfer, trace::as_it_came(&raw)).await?;
    let sender = held.message.sender.clone();
    let look = move || {
        let raw = trace::as_it_came(&raw);
        Ok::<_, Error>(blocked_inside(&rules, sender.as_ref(), raw, &files).is_some())
    };
    store.blocking(look).await
}
