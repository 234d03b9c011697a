//! Passkeys, added by the holder on the pages (WebAuthn Level 3, section 7.1). They are listed and removed as second factors of
//! any kind are.

use super::{
    Caller, CommandError,
    app_password::own,
    plain_text,
    second_factor::{Added, MOST_NAME, has_room, keep},
};
use crate::{
    passkey::{Challenge, Fault, Registration, USER_LEN, registered},
    tables::second_factor,
};

/// What a device needs to make a passkey for an account.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What it has to answer, once.
    pub challenge: Challenge,
    /// The account's user handle: the same for all its passkeys, and it says nothing of whose it is (section 14.6.1).
    pub user: Vec<u8>,
    /// Credentials that the account has already: no device needs two.
    pub present: Vec<Vec<u8>>,
}

/// What a device needs to make a passkey for the caller's own account. Nothing is kept.
///
/// # Errors
/// [`CommandError`].
pub async fn offer(caller: &Caller, name: &str) -> Result<Offer, CommandError> {
    let inner = &caller.directory.inner;
    let (options, name) = (caller.directory.options(), name.to_owned());
    let challenge = inner.challenges.make();
    let fresh: [u8; USER_LEN] = inner.world.bytes();
    caller
        .peek(&[], move |snapshot, me| {
            let account = own(snapshot, &options, &name, me)?;
            let present = second_factor::passkeys_seen(snapshot, account.id)?;
            let user = present
                .first()
                .map_or_else(|| fresh.to_vec(), |passkey| passkey.user.clone());
            Ok(Offer {
                challenge,
                user,
                present: present
                    .into_iter()
                    .map(|passkey| passkey.credential)
                    .collect(),
            })
        })
        .await
}

/// Adds a passkey that was made on `offer` to the caller's own account, called `label`.
///
/// # Errors
/// [`CommandError`]: also when the offer was taken before or is too old, or what the browser says of the passkey is not so.
pub async fn add(
    caller: &Caller,
    name: &str,
    label: &str,
    offer: &Offer,
    registration: &Registration,
) -> Result<Added, CommandError> {
    let words = format!("account second-factor add {name}");
    let (options, name) = (caller.directory.options(), name.to_owned());
    let work = async {
        let label = plain_text("the name", label, MOST_NAME)?;
        if !caller.directory.inner.challenges.spend(&offer.challenge) {
            return Err(Fault::Stale.into());
        }
        let (made, counter) = registered(registration, &offer.challenge, &offer.user)?;
        caller
            .change(&words, &[], move |tx, me| {
                let account = own(tx, &options, &name, me)?;
                has_room(tx, &account)?;
                let present = second_factor::passkeys(tx, account.id)?;
                if present
                    .iter()
                    .any(|(_, it)| it.credential == made.credential)
                {
                    return Err(Fault::Duplicate.into());
                }
                let what = (second_factor::PASSKEY, label);
                let (added, event) = keep(tx, me, &account, what, &made.to_octets()?, counter)?;
                Ok((added, vec![event]))
            })
            .await
    };
    caller.run(&words, work).await
}
