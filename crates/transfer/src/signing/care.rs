//! The life of keys: made, shown by the DNS, signing, stopped, gone. Nothing signs that the DNS does not show, and what has signed
//! is shown for a while more, so a change of keys breaks no signature.

use std::time::Duration;

use jiff::tz::TimeZone;
use message::Domain;
use screening::sign::{Algorithm, make_key, shows};
use store::{Error, Recorded, Refusal, Tx};
use trail::{Actor, By, Event, Kind};

use super::table::{self, Record, Standing, records};
use crate::{Answer, Transfer, parcel};

/// What a site wants of its keys.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The domains whose mail is signed.
    pub domains: Vec<Domain>,
    /// With keys of which kinds. Default both.
    pub algorithms: Vec<Algorithm>,
    /// How long a key signs before the next is made. Default 180 days.
    pub rotate: Duration,
    /// How long the record of a key that has stopped stays needed: longer than mail is under way. Default 14 days.
    pub overlap: Duration,
}

/// What a round of care did.
#[derive(Clone, Debug, Default)]
pub struct Cared {
    /// Keys that were made: their records are to be published.
    pub made: Vec<Record>,
    /// Keys that sign now.
    pub started: Vec<Record>,
    /// Keys whose records may be removed.
    pub gone: Vec<Record>,
}

impl Cared {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.made.is_empty() && self.started.is_empty() && self.gone.is_empty()
    }
}

/// Does what is due: makes the keys that are missing or due, lets those sign whose records the DNS shows, and gives up those
/// whose time is over.
///
/// # Errors
/// The store's; what was done before it is done.
pub async fn care(transfer: &Transfer, rules: &Rules) -> Result<Cared, Error> {
    let mut cared = Cared::default();
    for domain in &rules.domains {
        for algorithm in &rules.algorithms {
            if is_due(transfer, rules, domain, *algorithm).await? {
                let made = make(transfer, domain, *algorithm, &Actor::System.into()).await?;
                cared.made.push(made);
            }
        }
    }
    for key in all(transfer).await? {
        match key.standing {
            Standing::Waiting if is_shown(transfer, &key).await => {
                start(transfer, key.number, &Actor::System.into()).await?;
                cared.started.push(key);
            }
            Standing::Stopped if is_over(transfer, rules, &key) => {
                end(transfer, &key).await?;
                cared.gone.push(key);
            }
            _ => {}
        }
    }
    Ok(cared)
}

async fn all(transfer: &Transfer) -> Result<Vec<Record>, Error> {
    transfer.store().read(|snapshot| records(snapshot)).await
}

/// Whether a key of the kind is missing, or the one that signs is old and no other waits.
async fn is_due(
    transfer: &Transfer,
    rules: &Rules,
    domain: &Domain,
    algorithm: Algorithm,
) -> Result<bool, Error> {
    let mut keys = all(transfer).await?;
    keys.retain(|key| key.domain == domain.as_str() && key.algorithm == algorithm.as_str());
    if keys.iter().any(|key| key.standing == Standing::Waiting) {
        return Ok(false);
    }
    let newest = keys
        .iter()
        .filter(|key| key.standing == Standing::Signing)
        .filter_map(|key| key.signs_from)
        .max();
    let now = transfer.store().now();
    Ok(newest.is_none_or(|from| from + rules.rotate <= now))
}

fn is_over(transfer: &Transfer, rules: &Rules, key: &Record) -> bool {
    let now = transfer.store().now();
    key.signs_until
        .is_some_and(|until| until + rules.overlap <= now)
}

/// Whether the DNS shows a key's record.
async fn is_shown(transfer: &Transfer, key: &Record) -> bool {
    match transfer.resolver().txt(&key.name).await {
        Answer::Found(texts) => texts.iter().any(|text| shows(text, &key.public)),
        _ => false,
    }
}

/// Makes a key, which waits for its record to be shown.
///
/// # Errors
/// The store's, or when none can be made.
pub async fn make(
    transfer: &Transfer,
    domain: &Domain,
    algorithm: Algorithm,
    by: &By,
) -> Result<Record, Error> {
    let key = transfer
        .store()
        .blocking(move || make_key(algorithm).map_err(|error| Error::Database(error.to_string())))
        .await?;
    let selector = selector(transfer, algorithm);
    let (domain, by) = (domain.clone(), by.clone());
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<i64>, Error> {
        let number = table::insert(tx, &domain, &selector, algorithm, &key)?;
        let event = by
            .event(Kind::SigningKeyMade)
            .subject(domain.as_str())
            .detail("selector", selector.as_str())
            .detail("algorithm", algorithm.as_str());
        tx.record(&event, number)
    };
    let number = transfer.store().commit(Vec::new(), work).await?.value;
    let found = all(transfer)
        .await?
        .into_iter()
        .find(|key| key.number == number);
    found.ok_or_else(|| Error::NotFound(format!("the DKIM key {number}")))
}

/// A label that no other server of the domain uses: the day, the kind, and chance.
fn selector(transfer: &Transfer, algorithm: Algorithm) -> String {
    let day = transfer.store().now().to_zoned(TimeZone::UTC);
    let kind = match algorithm {
        Algorithm::Rsa => 'r',
        Algorithm::Ed25519 => 'e',
    };
    let chance = transfer.world().bytes::<2>();
    let chance = u16::from_le_bytes(chance);
    format!("{kind}{}-{chance:04x}", day.strftime("%Y%m%d"))
}

/// Lets a key sign from now on, in place of those of its domain and kind that do: they stop, and their private parts are destroyed.
///
/// # Errors
/// A refusal when it does not wait; the store's.
pub async fn start(transfer: &Transfer, number: i64, by: &By) -> Result<(), Error> {
    let by = by.clone();
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
        let keys = records(tx)?;
        let key = keys.iter().find(|key| key.number == number);
        let key = key.ok_or_else(|| Error::NotFound(format!("the DKIM key {number}")))?;
        let others = keys.iter().filter(|other| {
            other.standing == Standing::Signing
                && (&other.domain, &other.algorithm) == (&key.domain, &key.algorithm)
        });
        if !table::start(tx, number)? {
            return Err(
                Refusal::Limit("a key signs once: this one does already, or has stopped").into(),
            );
        }
        let mut events = vec![told(Kind::SigningKeyStarted, key, &by)];
        for other in others {
            table::stop(tx, other.number)?;
            events.push(told(Kind::SigningKeyStopped, other, &by));
        }
        parcel::record_all(tx, &events)
    };
    transfer.store().commit(Vec::new(), work).await?;
    transfer.load_keys().await
}

/// Stops a key at once, as when it may be known to others: its private part is destroyed, and its record should be taken out of the
/// DNS, or be shown with an empty `p=`.
///
/// # Errors
/// A refusal when it has stopped; the store's.
pub async fn stop(transfer: &Transfer, number: i64, by: &By) -> Result<(), Error> {
    let by = by.clone();
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
        let keys = records(tx)?;
        let key = keys.iter().find(|key| key.number == number);
        let key = key.ok_or_else(|| Error::NotFound(format!("the DKIM key {number}")))?;
        if !table::stop(tx, number)? {
            return Err(Refusal::Limit("this key has stopped already").into());
        }
        tx.record(&told(Kind::SigningKeyStopped, key, &by), ())
    };
    transfer.store().commit(Vec::new(), work).await?;
    transfer.load_keys().await
}

async fn end(transfer: &Transfer, key: &Record) -> Result<(), Error> {
    let key = key.clone();
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
        if !table::end(tx, key.number)? {
            return Err(Refusal::Limit("this key is gone already").into());
        }
        tx.record(&told(Kind::SigningKeyGone, &key, &Actor::System.into()), ())
    };
    transfer.store().commit(Vec::new(), work).await.map(drop)
}

fn told(kind: Kind, key: &Record, by: &By) -> Event {
    by.event(kind)
        .subject(key.domain.as_str())
        .detail("selector", key.selector.as_str())
        .detail("algorithm", key.algorithm.as_str())
}
