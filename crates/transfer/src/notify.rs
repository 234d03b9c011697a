//! Notifications to senders.
use crate::{Transfer, command::CommandError};
use store::queue::Queued;
use trail::Actor;

pub(crate) async fn bounce(
    _: &Transfer,
    _: &Queued,
    _: Actor,
    _: &str,
) -> Result<u64, CommandError> {
    Err(CommandError::Store(store::Error::Closed))
}
