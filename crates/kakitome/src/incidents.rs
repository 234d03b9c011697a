//! Incidents that the server opens because of what an event tells: both are one commit.

use directory::alarm::{self, Alarm};
use store::{Error, Recorded, Tx};
use trail::Event;

use crate::site::Site;

/// When an incident is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// Unless one of its kind is open.
    NoneOpen,
    /// Unless one of its kind is open, or the last one was about the same, by this fact.
    Unknown(&'static str),
}

/// Records `event`, and opens the incident. Returns whether one was opened.
pub(crate) async fn record(
    site: &Site,
    event: Event,
    alarm: Option<(Alarm, When)>,
) -> Result<bool, Error> {
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<bool>, Error> {
        let opened = match &alarm {
            None => None,
            Some((alarm, When::NoneOpen)) => alarm::open(tx, alarm)?,
            Some((alarm, When::Unknown(key))) => alarm::open_unless_known(tx, alarm, key)?,
        };
        if let Some(opened) = &opened {
            drop(tx.record(opened, ())?);
        }
        tx.record(&event, opened.is_some())
    };
    let receipt = site.store.commit(Vec::new(), work).await?;
    if receipt.value {
        tracing::warn!("an incident was opened: `kakitome incident list`");
    }
    Ok(receipt.value)
}
