//! Notifications to senders (RFC 3461, 3464): made of what became of recipients, and committed together with it.

use std::collections::BTreeSet;

use directory::Resolution;
use jiff::Timestamp;
use message::{StatusCode, address::Address, dsn::Action};
use store::{
    AccountId, BodyId, Error, QueueId,
    event::DETAIL_LIMIT,
    queue::{self, NewQueued, NewRecipient, Queued},
};
use trail::{Actor, By, Event, Kind, Outcome};

use crate::{
    Settings, Transfer,
    command::CommandError,
    content, metrics,
    parcel::{self, Parcel},
    report,
    route::Hop,
    text, trace,
};

/// The message that a notification is about.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Its queue id.
    pub(crate) id: QueueId,
    /// Who is told; `None` is nobody.
    pub(crate) sender: Option<Address>,
    /// ENVID.
    pub(crate) envelope_id: Option<String>,
    /// RET.
    pub(crate) return_full: Option<bool>,
    /// When it came.
    pub(crate) arrived: Timestamp,
    /// Whether its sender knows UTF-8 headers.
    pub(crate) smtputf8: bool,
    /// Whether it was to travel under TLS only (RFC 8689).
    pub(crate) require_tls: bool,
}

impl Origin {
    /// Of a queued message.
    pub(crate) fn of(queued: &Queued) -> Self {
        let message = &queued.message;
        Self {
            id: message.id,
            sender: message.sender.clone(),
            envelope_id: message.envelope_id.clone(),
            return_full: message.return_full,
            arrived: queued.queued_at,
            smtputf8: message.smtputf8,
            require_tls: message.require_tls,
        }
    }
}

/// What a notification says of one recipient.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The recipient as it was tried.
    pub(crate) address: Address,
    /// ORCPT.
    pub(crate) original: Option<String>,
    /// What became of it.
    pub(crate) action: Action,
    /// The same in numbers.
    pub(crate) status: StatusCode,
    /// The server that said so.
    pub(crate) remote: Option<String>,
    /// What it said.
    pub(crate) diagnostic: Option<String>,
    /// Until when it will be tried.
    pub(crate) retry_until: Option<Timestamp>,
}

/// One notification of all `reports`, sealed and addressed, with its event. `None` when there is nothing to say,
/// or nobody to say it to: a message without a sender is never answered (RFC 5321, section 4.5.5). Only the event,
/// of a failure, when the sender is not to be found any more.
///
/// # Errors
/// The store's.
pub(crate) async fn parcel(
    transfer: &Transfer,
    settings: &Settings,
    origin: &Origin,
    reports: Vec<Report>,
    raw: &[u8],
) -> Result<Option<(Option<Parcel>, Event)>, Error> {
    let Some(sender) = origin.sender.as_ref().filter(|_| !reports.is_empty()) else {
        return Ok(None);
    };
    let id = QueueId(transfer.store().next_id());
    let mut text = report::compose(transfer.world(), settings, origin, sender, &reports, raw);
    let actions: BTreeSet<&str> = reports
        .iter()
        .map(|report| report.action.as_str())
        .collect();
    let event = Event::new(Kind::NotificationMade, Actor::System)
        .subject(id.to_string())
        .detail("about", origin.id.to_string())
        .detail("recipients", vec![sender.to_string()])
        .detail("sender", "<>")
        .detail("actions", actions.into_iter().collect::<Vec<_>>());
    let (accounts, queued) = match place(transfer, settings, sender).await? {
        Place::Here(accounts) => {
            text.splice(..0, trace::return_path(None).into_bytes());
            (accounts, None)
        }
        Place::Away(destination) => {
            text = transfer.signed_own(text).await;
            let recipient = NewRecipient {
                address: sender.clone(),
                // A notification is never notified of.
                notify: queue::Notify::NEVER,
                original: None,
                destination,
            };
            (BTreeSet::new(), Some(queued(id, origin, &text, recipient)))
        }
        Place::Nowhere => {
            tracing::warn!(sender = %sender, about = %origin.id, "a notification has nowhere to go");
            let event = event
                .outcome(Outcome::Failure)
                .detail("reason", "the sender has no mailbox here any more");
            return Ok(Some((None, event)));
        }
    };
    let parcel = Parcel::seal(
        transfer.store(),
        text,
        accounts,
        queued.into_iter().collect(),
    )
    .await?;
    metrics::count(metrics::NOTIFIED);
    Ok(Some((Some(parcel), event)))
}

fn queued(id: QueueId, origin: &Origin, text: &[u8], recipient: NewRecipient) -> NewQueued {
    NewQueued {
        id,
        body: BodyId(0),
        size: 0,
        sender: None,
        identifier: None,
        envelope_id: None,
        return_full: None,
        smtputf8: origin.smtputf8
            && (recipient.address.needs_smtputf8() || !content::header_of(text).is_ascii()),
        // RFC 8689, section 5: what is told of the message is no less confidential than it.
        require_tls: origin.require_tls,
        body_type: u8::from(!text.is_ascii()),
        message_id: content::message_id(text),
        recipients: vec![recipient],
    }
}

/// Where mail of this server's own goes.
pub(crate) enum Place {
    Here(BTreeSet<AccountId>),
    Away(String),
    Nowhere,
}

pub(crate) async fn place(
    transfer: &Transfer,
    settings: &Settings,
    address: &Address,
) -> Result<Place, Error> {
    let directory = transfer.directory();
    let is_own = directory.is_own(address.domain());
    if is_own && settings.roles.has_mailboxes() {
        return Ok(match directory.resolve(address, 0).await? {
            Resolution::Local(found) | Resolution::Restricted(found, _) => {
                Place::Here(found.into_iter().map(|local| local.account).collect())
            }
            // It waits in the queue until there is room.
            Resolution::OverQuota | Resolution::Unattended => {
                Place::Away(address.domain().as_str().to_owned())
            }
            Resolution::Unknown | Resolution::Foreign => Place::Nowhere,
        });
    }
    Ok(Place::Away(
        Hop::to(address.domain(), is_own, settings).destination(),
    ))
}

fn returned_by_command(reason: &str) -> String {
    const WORDS: &str = "returned by the administrator";
    if reason == WORDS {
        return WORDS.to_owned();
    }
    format!("{WORDS}: {reason}")
}

/// Returns a queued message's selected recipients to its sender by command; returns how many. Nobody is told of
/// the failure of what was delivered meanwhile.
///
/// # Errors
/// The store's.
pub(crate) async fn bounce(
    transfer: &Transfer,
    queued: &Queued,
    by: &By,
    reason: &str,
) -> Result<u64, CommandError> {
    let id = queued.message.id;
    let mut queued = queued.clone();
    loop {
        match try_bounce(transfer, &queued, by, reason).await {
            Err(CommandError::Store(Error::NotFound(_))) => {}
            result => return result,
        }
        let left = transfer
            .store()
            .read(move |snapshot| queue::load(snapshot, id))
            .await?;
        let before = queued.recipients.len();
        let is_left = |number: u32| {
            left.iter()
                .flat_map(|left| &left.recipients)
                .any(|waiting| waiting.number == number)
        };
        queued.recipients.retain(|waiting| is_left(waiting.number));
        if queued.recipients.is_empty() || queued.recipients.len() == before {
            return Ok(0);
        }
    }
}

async fn try_bounce(
    transfer: &Transfer,
    queued: &Queued,
    by: &By,
    reason: &str,
) -> Result<u64, CommandError> {
    let store = transfer.store();
    let settings = transfer.settings();
    let raw = match store.body(AccountId::QUEUE, queued.message.body).await {
        Ok(raw) => raw,
        Err(error @ (Error::Corrupt(_) | Error::NotFound(_) | Error::NoKey(_))) => {
            let id = queued.message.id;
            tracing::error!(%id, %error, "the body of a queued message is damaged");
            return Err(CommandError::Damaged {
                done: 0,
                damaged: vec![id],
            });
        }
        Err(error) => return Err(error.into()),
    };
    let reports = queued
        .recipients
        .iter()
        .filter(|waiting| waiting.recipient.notify.failure)
        .map(|waiting| Report {
            address: waiting.recipient.address.clone(),
            original: waiting.recipient.original.clone(),
            action: Action::Failed,
            status: StatusCode::permanent(7, 0),
            remote: None,
            diagnostic: Some(returned_by_command(reason)),
            retry_until: None,
        })
        .collect();
    let id = queued.message.id;
    let mut events = Vec::new();
    let mut parcels = Vec::new();
    if let Some((parcel, event)) =
        parcel(transfer, &settings, &Origin::of(queued), reports, &raw).await?
    {
        parcels.extend(parcel);
        events.push(event);
    }
    let recipients: Vec<String> = queued
        .recipients
        .iter()
        .map(|waiting| waiting.recipient.address.to_string())
        .collect();
    events.extend(
        by.event(Kind::QueueBounced)
            .outcome(Outcome::Success)
            .subject(id.to_string())
            .detail("sender", text::path(queued.message.sender.as_ref()))
            .detail("reason", reason)
            .in_parts(DETAIL_LIMIT, vec![("recipients", recipients)]),
    );
    let numbers: Vec<u32> = queued
        .recipients
        .iter()
        .map(|waiting| waiting.number)
        .collect();
    let count = parcel::commit(store, parcels, move |tx| {
        let mut count = 0_u64;
        for number in numbers {
            if !queue::finish(tx, id, number)? {
                return Err(Error::NotFound(format!("recipient {number} of {id}")));
            }
            count = count.saturating_add(1);
        }
        Ok(parcel::record_all(tx, &events)?.map(|()| count))
    })
    .await?;
    Ok(count)
}
