//! Mail about clauses at work, to each in their own language.

use directory::{Language, Role};
use governance::plaintext::{self, ToWarn};
use message::Address;
use regulation::Text;
use store::{Error, Tx};
use transfer::notice::{self, Notice};

use crate::site::Site;

/// The same in each of the languages of `to`.
pub(super) async fn versions(
    site: &Site,
    to: Vec<Address>,
    subject: &Text,
    text: &Text,
) -> Result<Vec<Notice>, Error> {
    let otherwise = site.settings().language();
    let readers = site.directory.by_language(to, otherwise).await?;
    let versions = readers.into_iter().map(|(language, to)| Notice {
        to,
        subject: language.choose(&subject.ja, &subject.en, " / "),
        text: language.choose(&text.ja, &text.en, "\n----\n\n"),
    });
    Ok(versions.collect())
}

/// As [`versions`], of a document that is in both languages by itself: those who read both get it once, as in Japanese.
pub(super) async fn reports(
    site: &Site,
    to: Vec<Address>,
    subject: &Text,
    text: &Text,
) -> Result<Vec<Notice>, Error> {
    let otherwise = site.settings().language();
    let readers = site.directory.by_language(to, otherwise).await?;
    let versions = readers.into_iter().map(|(language, to)| Notice {
        to,
        subject: language.choose(&subject.ja, &subject.en, " / "),
        text: match language {
            Language::En => text.en.clone(),
            Language::Ja | Language::Both => text.ja.clone(),
        },
    });
    Ok(versions.collect())
}

/// Where mail reaches those who hold any of the roles, each address once.
pub(super) async fn holders(site: &Site, roles: &[Role]) -> Result<Vec<Address>, Error> {
    let mut addresses = Vec::new();
    for role in roles {
        for address in site.directory.addresses_of(*role).await? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    Ok(addresses)
}

/// Warns holders that their passwords may cross the network unencrypted, where that is so (clause 4.1(2)).
pub(super) async fn warn(site: &Site, facts: &governance::facts::Facts) -> Result<(), Error> {
    let now = site.world.now();
    let known = facts.clone();
    let due = site
        .store
        .read(move |snapshot| plaintext::due(snapshot, &known, now))
        .await?;
    for warned in due {
        match one(site, facts, warned).await {
            // Somebody else warned of it meanwhile.
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn one(site: &Site, facts: &governance::facts::Facts, warned: ToWarn) -> Result<(), Error> {
    let (subject, text) = warned.words(facts);
    let to = warned.address().into_iter().collect();
    let versions = versions(site, to, &subject, &text).await?;
    let networks = facts.plaintext_networks.clone();
    let work = move |tx: &mut Tx<'_>, told: &[Address]| {
        plaintext::note(tx, &warned, &networks, !told.is_empty())
    };
    notice::send_versions(&site.transfer, versions, work)
        .await
        .map(drop)
}
