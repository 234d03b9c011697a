//! Keys for DKIM are looked after: made, put to use once the DNS shows them, changed, given up; and administrators are told what to
//! publish.

use std::{sync::Arc, time::Duration};

use directory::Role;
use tokio::time::Instant;
use trail::{Actor, Event, Kind};
use transfer::{
    notice::{self, Notice},
    signing::{self, Cared, Record},
};
use wire::Shutdown;

use crate::site::Site;

/// How often it is looked what is due, and what the DNS shows.
const LOOK: Duration = Duration::from_secs(600);
/// How long after the start it is looked first.
const FIRST: Duration = Duration::from_secs(5);

/// Looks again and again, until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut due = Instant::now() + FIRST;
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep_until(due) => {}
        }
        due = Instant::now() + LOOK;
        load(&site).await;
        match look(&site).await {
            Ok(_) => {}
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "keys to sign mail with could not be looked after; it is tried again");
            }
        }
    }
}

/// Reads the keys that sign. Mail goes on without if they cannot be read.
pub(crate) async fn load(site: &Site) {
    if let Err(error) = site.transfer.load_keys().await {
        tracing::error!(%error, "the keys to sign mail with cannot be read: it leaves without signatures");
    }
}

/// Does what is due, and tells administrators of it.
///
/// # Errors
/// The store's.
pub(crate) async fn look(site: &Site) -> Result<Cared, store::Error> {
    let Some(rules) = site.settings().signing_rules() else {
        return Ok(Cared::default());
    };
    // Two at once would make a key each, and start the same one.
    let _alone = site.keying.lock().await;
    let cared = signing::care(&site.transfer, &rules).await?;
    for key in &cared.started {
        tracing::info!(
            domain = key.domain,
            selector = key.selector,
            "mail is signed with a new key"
        );
    }
    if !cared.made.is_empty() || !cared.gone.is_empty() {
        tell(site, &cared).await?;
    }
    Ok(cared)
}

async fn tell(site: &Site, cared: &Cared) -> Result<(), store::Error> {
    for key in &cared.made {
        tracing::warn!(
            name = key.name,
            record = key.record,
            "publish this TXT record: mail is signed with its key then"
        );
    }
    let to = site.directory.addresses_of(Role::Administrator).await?;
    let message = Notice {
        to,
        subject: "[Kakitome] DKIM の鍵: DNS の変更 / keys: change the DNS".to_owned(),
        text: text(cared),
    };
    let domains: Vec<String> = cared
        .made
        .iter()
        .chain(&cared.gone)
        .map(|key| key.name.clone())
        .collect();
    let work = move |tx: &mut store::Tx<'_>, told: &[message::address::Address]| {
        let event = Event::new(Kind::SigningTold, Actor::System)
            .detail("records", domains)
            .detail("told", told.len());
        tx.record::<()>(&event, ())
    };
    notice::send(&site.transfer, message, work).await.map(drop)
}

fn text(cared: &Cared) -> String {
    let mut text = String::new();
    if !cared.made.is_empty() {
        text.push_str(
            "次の TXT レコードを DNS に登録してください。登録が確認でき次第、この鍵で署名を始めます。\n\
             Publish these TXT records. Mail is signed with their keys as soon as the DNS shows them.\n\n",
        );
        text.extend(cared.made.iter().map(line));
    }
    if !cared.gone.is_empty() {
        text.push_str(
            "次のレコードは不要になりました。DNS から削除してください。\n\
             These records are not needed any more. Remove them from the DNS.\n\n",
        );
        let names = cared.gone.iter().map(|key| format!("{}.\n", key.name));
        text.extend(names);
    }
    text
}

/// A record as a zone file has it: strings of at most 255 octets (RFC 1035, section 3.3).
fn line(key: &Record) -> String {
    format!("{}. IN TXT {}\n\n", key.name, strings(&key.record))
}

/// A text as the strings of a TXT record.
pub(crate) fn strings(text: &str) -> String {
    let octets: Vec<char> = text.chars().collect();
    let parts = octets.chunks(250);
    let quoted: Vec<String> = parts
        .map(|part| format!("\"{}\"", part.iter().collect::<String>()))
        .collect();
    quoted.join(" ")
}
