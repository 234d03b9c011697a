//! Mail about clauses at work, to each in their own language.

use directory::{
    Language, Role,
    command::sharing::{self, ToTell},
};
use governance::plaintext::{self, ToWarn};
use jiff::tz::TimeZone;
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

/// Tells administrators and users of decisions on shared identifiers (clauses 7.1(2)a, 8.1(2)).
pub(super) async fn sharing(site: &Site) -> Result<(), Error> {
    for to_tell in sharing::untold(&site.directory).await? {
        tell_decision(site, to_tell).await?;
    }
    Ok(())
}

async fn tell_decision(site: &Site, to_tell: ToTell) -> Result<(), Error> {
    let mut to = to_tell.administrators.clone();
    for user in &to_tell.users {
        if !to.contains(user) {
            to.push(user.clone());
        }
    }
    let (subject, text) = decided(&to_tell.decision, &site.settings().zone());
    let versions = versions(site, to, &subject, &text).await?;
    let identifier = to_tell.decision.identifier.clone();
    let has_administrators = !to_tell.administrators.is_empty();
    let work = move |tx: &mut Tx<'_>, told: &[Address]| sharing::note_told(tx, &to_tell, told);
    notice::send_versions(&site.transfer, versions, work).await?;
    if !has_administrators {
        tracing::warn!(
            identifier,
            "it was decided on a shared identifier, and no administrator has a mailbox here to be told"
        );
    }
    Ok(())
}

/// What was decided, in words.
fn decided(decision: &sharing::Decision, zone: &TimeZone) -> (Text, Text) {
    let identifier = &decision.identifier;
    let order = decision
        .order
        .map_or_else(|| "-".to_owned(), |order| order.to_string());
    let day = decision.review_at.map_or_else(String::new, |at| {
        let day = at.to_zoned(zone.clone());
        day.strftime("%Y-%m-%d").to_string()
    });
    let users = decision.users.join(", ");
    if decision.is_shared() {
        return (
            Text::new(
                format!("[Kakitome] {identifier} は共有識別コードです"),
                format!("[Kakitome] {identifier} is a shared identifier"),
            ),
            Text::new(
                format!(
                    "識別コード {identifier} は、指示 {order} により次の者が共有します: {users}\n\
                     見直しの期限: {day}\n\n\
                     利用者は、それぞれ自らのアプリパスワードで利用し、他の者に知らせないでください。\n"
                ),
                format!(
                    "By order {order} the identifier {identifier} is shared by: {users}\n\
                     To be reviewed by: {day}\n\n\
                     Each of them uses it with an app password of their own, which nobody else is told.\n"
                ),
            ),
        );
    }
    let before = decision.before.join(", ");
    (
        Text::new(
            format!("[Kakitome] {identifier} の共有は終わりました"),
            format!("[Kakitome] {identifier} is shared no more"),
        ),
        Text::new(
            format!(
                "識別コード {identifier}(指示 {order})の共有は終わりました。これまでの利用者: {before}\n\
                 利用者のアプリパスワードは使えなくなりました。\n"
            ),
            format!(
                "The identifier {identifier} (order {order}) is shared no more. It was used by: {before}\n\
                 Their app passwords have ended.\n"
            ),
        ),
    )
}
