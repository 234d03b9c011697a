//! Mail of the server's own to officers: reports that must reach them (clause 4.1(1)d).

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use message::{
    Address,
    build::{Missing, field, text_field},
};
use store::{
    AccountId, BodyId, Error, QueueId, Recorded, Tx,
    queue::{NewQueued, NewRecipient, Notify},
};

use crate::{
    Transfer, content,
    notify::{Place, place},
    parcel::{self, Parcel},
    trace,
};

/// Octets of a line of base64 (RFC 2045, section 6.8).
const LINE: usize = 76;

/// Recipients that the message names at most.
const MOST_NAMED: usize = 20;

/// A message of the server's own.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Whom it is for.
    pub to: Vec<Address>,
    /// Its subject.
    pub subject: String,
    /// Its text, as one part of plain text.
    pub text: String,
}

/// Sends `notice` and does what `work` does, in one commit: the message is in the mailboxes and the queue when this returns.
/// `work` hears who of them it goes to; who has no mailbox here any more is left out, and the message with them if nobody is
/// left.
///
/// # Errors
/// The store's, and those of `work`: then nothing has happened.
pub async fn send<T, E>(
    transfer: &Transfer,
    notice: Notice,
    work: impl FnOnce(&mut Tx<'_>, &[Address]) -> Result<Recorded<T>, E> + Send + 'static,
) -> Result<(T, Vec<Address>), E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let work = move |tx: &mut Tx<'_>, told: &[Address], _: Option<BodyId>| work(tx, told);
    send_known(transfer, notice, work).await
}

/// As [`send`]; `work` hears the body that the message is kept as, too, if it goes to anybody.
///
/// # Errors
/// As [`send`].
pub(crate) async fn send_known<T, E>(
    transfer: &Transfer,
    notice: Notice,
    work: impl FnOnce(&mut Tx<'_>, &[Address], Option<BodyId>) -> Result<Recorded<T>, E>
    + Send
    + 'static,
) -> Result<(T, Vec<Address>), E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let to = notice.to.clone();
    send_all(transfer, &to, |told| compose(transfer, &notice, told), work).await
}

/// The same with a message that `make` makes for those whom it goes to. It is signed where it leaves.
///
/// # Errors
/// As of [`send`].
pub(crate) async fn send_made<T, E>(
    transfer: &Transfer,
    to: &[Address],
    make: impl FnOnce(&[Address]) -> Vec<u8>,
    work: impl FnOnce(&mut Tx<'_>, &[Address]) -> Result<Recorded<T>, E> + Send + 'static,
) -> Result<(T, Vec<Address>), E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let work = move |tx: &mut Tx<'_>, told: &[Address], _: Option<BodyId>| work(tx, told);
    send_all(transfer, to, make, work).await
}

/// As [`send_made`]; `work` hears the body that the message is kept as, too, if it goes to anybody.
///
/// # Errors
/// As [`send`].
pub(crate) async fn send_all<T, E>(
    transfer: &Transfer,
    to: &[Address],
    make: impl FnOnce(&[Address]) -> Vec<u8>,
    work: impl FnOnce(&mut Tx<'_>, &[Address], Option<BodyId>) -> Result<Recorded<T>, E>
    + Send
    + 'static,
) -> Result<(T, Vec<Address>), E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (told, parcel) = pack(transfer, to, make).await?;
    let heard = told.clone();
    let body = parcel.as_ref().map(Parcel::body);
    let work = move |tx: &mut Tx<'_>| work(tx, &heard, body);
    let parcels = parcel.into_iter().collect();
    let value = parcel::commit(transfer.store(), parcels, work).await?;
    Ok((value, told))
}

/// Sends the same in several versions, as in the languages of those whom each is for, and does what `work` does, in one commit; `work`
/// hears who of all of them it goes to.
///
/// # Errors
/// As [`send`].
pub async fn send_versions<T, E>(
    transfer: &Transfer,
    versions: Vec<Notice>,
    work: impl FnOnce(&mut Tx<'_>, &[Address]) -> Result<Recorded<T>, E> + Send + 'static,
) -> Result<(T, Vec<Address>), E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (mut told, mut parcels) = (Vec::new(), Vec::new());
    for notice in versions {
        let make = |told: &[Address]| compose(transfer, &notice, told);
        let (reached, parcel) = pack(transfer, &notice.to, make).await?;
        told.extend(reached);
        parcels.extend(parcel);
    }
    let heard = told.clone();
    let work = move |tx: &mut Tx<'_>| work(tx, &heard);
    let value = parcel::commit(transfer.store(), parcels, work).await?;
    Ok((value, told))
}

/// The message that `make` makes, sealed for those of `to` who can be reached, and who they are.
async fn pack(
    transfer: &Transfer,
    to: &[Address],
    make: impl FnOnce(&[Address]) -> Vec<u8>,
) -> Result<(Vec<Address>, Option<Parcel>), Error> {
    let settings = transfer.settings();
    let mut told = Vec::new();
    let mut accounts: BTreeSet<AccountId> = BTreeSet::new();
    let mut away = Vec::new();
    for address in to {
        match place(transfer, &settings, address).await? {
            Place::Here(found) => accounts.extend(found),
            Place::Away(destination) => away.push(NewRecipient {
                address: address.clone(),
                notify: Notify::NEVER,
                original: None,
                destination,
            }),
            Place::Nowhere => {
                tracing::warn!(%address, "a notice has nowhere to go");
                continue;
            }
        }
        told.push(address.clone());
    }
    if told.is_empty() {
        return Ok((told, None));
    }
    let mut raw = make(&told);
    if !away.is_empty() {
        raw = transfer.signed_own(raw).await;
    }
    let queued = (!away.is_empty()).then(|| queued(transfer, &raw, away));
    if !accounts.is_empty() {
        raw.splice(..0, trace::return_path(None).into_bytes());
    }
    let queued = queued.into_iter().collect();
    let parcel = Parcel::seal(transfer.store(), raw, accounts, queued).await?;
    Ok((told, Some(parcel)))
}

fn queued(transfer: &Transfer, raw: &[u8], recipients: Vec<NewRecipient>) -> NewQueued {
    NewQueued {
        id: QueueId(transfer.store().next_id()),
        body: BodyId(0),
        size: 0,
        sender: None,
        identifier: None,
        envelope_id: None,
        return_full: None,
        smtputf8: recipients
            .iter()
            .any(|recipient| recipient.address.needs_smtputf8()),
        require_tls: false,
        body_type: 0,
        message_id: content::message_id(raw),
        recipients,
    }
}

fn compose(transfer: &Transfer, notice: &Notice, to: &[Address]) -> Vec<u8> {
    let settings = transfer.settings();
    let world = transfer.world();
    let names: Vec<String> = to.iter().map(Address::to_string).collect();
    let mut fields = String::new();
    fields.push_str(&field(
        "From",
        &format!("Kakitome <postmaster@{}>", settings.hostname),
    ));
    // A list of everybody is nobody's business (RFC 5322, section 3.4).
    let named = match names.len() > MOST_NAMED {
        true => "undisclosed-recipients:;".to_owned(),
        false => names.join(", "),
    };
    fields.push_str(&field("To", &named));
    fields.push_str(&text_field("Subject", &notice.subject));
    // Nobody's program is to answer it (RFC 3834, section 5).
    fields.push_str(&field("Auto-Submitted", "auto-generated"));
    fields.push_str(&field("MIME-Version", "1.0"));
    fields.push_str(&field("Content-Type", "text/plain; charset=utf-8"));
    fields.push_str(&field("Content-Transfer-Encoding", "base64"));
    let unique = format!("{:032x}", u128::from_le_bytes(world.bytes()));
    let missing = Missing {
        at: world.now(),
        offset_minutes: 0,
        unique: &unique,
        domain: &settings.hostname,
    };
    fields.push_str(&missing.fields_for(b"\r\n"));
    fields.push_str("\r\n");
    let text = notice.text.replace("\r\n", "\n").replace('\n', "\r\n");
    fields.push_str(&base64(text.as_bytes()));
    fields.into_bytes()
}

/// Lines of base64.
pub(crate) fn base64(octets: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(octets);
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / LINE * 2 + 2);
    for line in encoded.as_bytes().chunks(LINE) {
        lines.push_str(&String::from_utf8_lossy(line));
        lines.push_str("\r\n");
    }
    lines
}
