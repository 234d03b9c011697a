//! The digest: staff are told by mail what is set apart for them, so that mail they need is not lost (clause 5.3(2)).

use std::collections::BTreeMap;

use message::{
    Address,
    header::{Header, decode_words},
};
use store::{
    Error, QueueId, Tx,
    quarantine::{self, Held, Place, Selection},
};
use trail::{Actor, Event, Kind, Outcome};

use super::PAGE;
use crate::{
    Transfer,
    notice::{self, Notice},
};

/// Messages that are gathered at once; of more than these somebody may get two digests.
const GATHERED: usize = 5000;
/// Messages that one digest lists; of the others it says how many there are.
const LISTED: usize = 100;
/// From and Subject fields of one message that are looked at; there should be one of each.
const MOST_FIELDS: usize = 4;
/// Characters of a subject, and of the words for an author, that a digest shows.
const SHOWN: usize = 80;

/// What stands below a message that whom it is for cannot release.
const STRICT: &str =
    "  この 1 通は管理者だけが解除できます / only an administrator can release this one\n";

/// What a round of digests did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digested {
    /// Digests that were sent.
    pub digests: usize,
    /// Messages that they tell of, each as often as it is told of.
    pub messages: usize,
}

/// Sends a digest to everyone for whom something was set apart that they were not told of. `page` is where they can look at
/// it themselves: the address of the pages over HTTPS, if there are any.
///
/// # Errors
/// The store's: those who were not told yet are in the next round.
pub async fn digest(transfer: &Transfer, page: Option<&str>) -> Result<Digested, Error> {
    let mut done = Digested::default();
    loop {
        let untold = untold(transfer).await?;
        if untold.is_empty() {
            return Ok(done);
        }
        for (address, held) in untold {
            let mut lines = String::new();
            for one in held.iter().take(LISTED) {
                lines.push_str(&line(transfer, one).await);
            }
            done.digests = done.digests.saturating_add(1);
            done.messages = done.messages.saturating_add(held.len());
            tell(transfer, address, &held, &lines, page).await?;
        }
    }
}

/// What nobody was told of yet, at most [`GATHERED`] messages, by whom it is for; an alias's mail by each account that it leads to.
async fn untold(transfer: &Transfer) -> Result<BTreeMap<Address, Vec<Held>>, Error> {
    let selection = Selection {
        untold: true,
        ..Selection::default()
    };
    let mut all: BTreeMap<Address, Vec<Held>> = BTreeMap::new();
    let (mut after, mut gathered) = (QueueId(0), 0_usize);
    loop {
        let wanted = selection.clone();
        let page = transfer
            .store()
            .read(move |sql| quarantine::select(sql, &wanted, after, PAGE))
            .await?;
        for held in page.held {
            gathered = gathered.saturating_add(held.recipients.len());
            for waiting in &held.recipients {
                let address = match waiting.to.place {
                    Place::Here(account) => transfer.directory().main_address(account).await?,
                    Place::Away(_) => None,
                };
                let address = address.unwrap_or_else(|| waiting.to.address.clone());
                // Others hear nothing of what staff meant to send them.
                if !transfer.directory().is_own(address.domain()) {
                    continue;
                }
                let mut own = held.clone();
                own.recipients = vec![waiting.clone()];
                all.entry(address).or_default().push(own);
            }
        }
        match page.next {
            Some(next) if gathered < GATHERED || all.is_empty() => after = next,
            _ => return Ok(all),
        }
    }
}

/// A message as the digest lists it. One that cannot be opened is listed without what stands in it.
async fn line(transfer: &Transfer, held: &Held) -> String {
    let owner = held.recipients.first().map(|one| one.to.place.owner());
    let raw = match owner {
        Some(owner) => transfer.store().body(owner, held.message.body).await.ok(),
        None => None,
    };
    let (from, subject) = raw.map_or_else(Default::default, |raw| words(&raw));
    let at = transfer.local(held.since, "%Y-%m-%d %H:%M");
    let who = match held.message.strict {
        true => STRICT,
        false => "",
    };
    format!(
        "{at}  {}\n  {}: {from}\n  {}: {subject}\n  {}: {}\n{who}\n",
        held.message.id,
        "差出人 / from",
        "件名 / subject",
        "理由 / cause",
        held.message.why(),
    )
}

/// Author and subject, for people: one line each, shortened.
pub(crate) fn words(raw: &[u8]) -> (String, String) {
    let header = Header::named(raw, &["from", "subject"], MOST_FIELDS);
    let text = |name| header.unfolded(name).map(|value| decode_words(&value));
    let shown = |name| text(name).map_or_else(String::new, |text| shown(&text));
    (shown("from"), shown("subject"))
}

/// Without characters that could change how the lines around it look.
fn shown(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|c| !c.is_control() && !is_direction(*c));
    kept.take(SHOWN).collect()
}

/// Marks that turn the direction of writing (Unicode, annex 9).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

async fn tell(
    transfer: &Transfer,
    address: Address,
    held: &[Held],
    lines: &str,
    page: Option<&str>,
) -> Result<(), Error> {
    let count = held.len();
    let message = Notice {
        to: vec![address.clone()],
        subject: format!("[Kakitome] 隔離されたメール {count} 通 / {count} messages set apart"),
        text: body(transfer, held, lines, page),
    };
    let numbers: Vec<(QueueId, u32)> = held
        .iter()
        .flat_map(|one| one.recipients.iter().map(|to| (one.message.id, to.number)))
        .collect();
    let work = move |tx: &mut Tx<'_>, told: &[Address]| {
        for (id, number) in &numbers {
            quarantine::note_told(tx, *id, *number)?;
        }
        let mut event = Event::new(Kind::QuarantineTold, Actor::System)
            .subject(address.to_string())
            .detail("messages", count);
        if told.is_empty() {
            event = event
                .outcome(Outcome::Failure)
                .detail("reason", "there is no mailbox for a notice to go to");
        }
        tx.record(&event, ())
    };
    notice::send(transfer, message, work).await.map(drop)
}

fn body(transfer: &Transfer, held: &[Held], lines: &str, page: Option<&str>) -> String {
    let more = held.len().saturating_sub(LISTED);
    let more = match more {
        0 => String::new(),
        more => format!("(ほか {more} 通 / and {more} more)\n\n"),
    };
    let first = held.iter().map(|one| one.message.until).min();
    let ends = first.map_or_else(String::new, |first| {
        let first = transfer.local(first, "%Y-%m-%d");
        format!(
            "最も早いものは {first} に削除されます。\nThe first of them is deleted on {first}.\n\n"
        )
    });
    let strict = held.iter().filter(|one| one.message.strict).count();
    let only = match strict {
        0 => String::new(),
        strict => format!(
            "うち {strict} 通は危険な可能性が高いため、本人は受け取れません。必要な場合は、管理者に番号を知らせてください。\n\
             {strict} of them you cannot release yourself, as they are likely to do harm: if you need one, tell an administrator its number.\n\n"
        ),
    };
    let how = match page {
        // There is nothing there that they could release.
        Some(page) if strict == held.len() => format!("一覧 / to look at them: {page}\n\n"),
        Some(page) => format!("受け取り・削除 / to release or delete: {page}\n\n"),
        None => "受け取るには、管理者に上の番号を知らせてください。\n\
                 To get one of them, tell the administrator its number above.\n\n"
            .to_owned(),
    };
    format!(
        "次のメールは配送されず、隔離されています。必要なものは、期限までに受け取ってください。\n\
         These messages were not delivered to you: they are set apart. Release what you need before its time is over.\n\n\
         {lines}{more}{ends}{only}{how}\
         身に覚えのないメールは受け取らないでください。\n\
         Do not release what you do not expect.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_cannot_change_the_lines_around_it() {
        let raw = "From: =?utf-8?B?5bGx55Sw?= <yamada@example.net>\r\n\
                   Subject: =?utf-8?Q?a=0D=0Ab=E2=80=AEtxt.exe?=\r\n\r\nx";
        let (from, subject) = words(raw.as_bytes());
        assert_eq!(from, "山田 <yamada@example.net>");
        assert_eq!(subject, "abtxt.exe");
        let long = format!("Subject: {}\n\n", "x".repeat(500));
        assert_eq!(words(long.as_bytes()).1.chars().count(), SHOWN);
    }
}
