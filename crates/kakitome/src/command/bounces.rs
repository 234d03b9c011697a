//! `bounces`: mail that was not delivered elsewhere, by domain, cause and day (clause 5.5(1)), and bounces for mail that was not sent
//! from here (clause 5.5(2)).

use std::collections::BTreeMap;

use directory::{Person, Role};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::event::{self, Filter};
use trail::{Kind, Recorded};

use super::{Answer, Failure, need};
use crate::{
    cli::{BouncesArgs, BouncesBy},
    site::Site,
};

/// Who watches over error mail.
const READERS: &[Role] = &[Role::Administrator, Role::SecurityOfficer];
/// Events that are read at a time.
const PAGE: usize = 500;
/// As the refusal of a bounce for mail that was not sent from here gives its reason.
const FORGED: &str = "forged-sender";

/// How often something bounced, and when last.
struct Count {
    bounces: u64,
    permanent: u64,
    last: Timestamp,
}

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    words: BouncesArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    need(caller, READERS)?;
    let now = site.world.now();
    let from = now - SignedDuration::from_hours(i64::from(words.days) * 24);
    // That somebody looked is what the check on bounces asks for (clause 5.5(1)).
    let reading = caller.by().event(Kind::TrailRead).detail(
        "bounces",
        json!({ "from": from.to_string(), "to": now.to_string() }),
    );
    site.record(reading).await?;
    let mut filter = Filter {
        from: Some(from),
        kinds: vec![Kind::BounceReceived, Kind::TransactionRefused],
        ..Filter::default()
    };
    let mut counts: BTreeMap<(String, String), Count> = BTreeMap::new();
    loop {
        let wanted = filter.clone();
        let events = site
            .store
            .read(move |snapshot| event::search(snapshot, &wanted, PAGE))
            .await?;
        for recorded in &events {
            add(site, &mut counts, &words, recorded);
        }
        match events.last() {
            Some(last) if events.len() == PAGE => filter.after = Some(last.id),
            _ => break,
        }
    }
    let name = match words.by {
        BouncesBy::Domain => "domain",
        BouncesBy::Recipient => "recipient",
        BouncesBy::Day => "day",
    };
    for ((key, cause), count) in counts {
        let row = json!({
            name: key,
            "cause": cause,
            "bounces": count.bounces,
            "permanent": count.permanent,
            "last": count.last,
        });
        answer.item(&row).await?;
    }
    Ok(())
}

fn add(
    site: &Site,
    counts: &mut BTreeMap<(String, String), Count>,
    words: &BouncesArgs,
    recorded: &Recorded,
) {
    let event = &recorded.event;
    let text = |name: &str| {
        let value = event.detail.get(name).and_then(|value| value.as_str());
        value.unwrap_or_default().to_owned()
    };
    let (cause, recipient, domain) = match event.kind {
        Kind::BounceReceived => (text("cause"), text("recipient"), text("domain")),
        // Forged in the name of one of ours: of nobody else anything is known.
        _ if text("reason") == FORGED => {
            // Refused at RCPT, or at the end of the data.
            let named = event.detail.get("recipients").and_then(|all| all.get(0));
            let named = named.and_then(|first| first.as_str()).map(str::to_owned);
            let whose = named.unwrap_or_else(|| text("recipient"));
            let domain = whose.rsplit_once('@').map(|(_, domain)| domain.to_owned());
            (FORGED.to_owned(), whose, domain.unwrap_or_default())
        }
        _ => return,
    };
    let is_wanted = |wanted: &Option<String>, found: &str| {
        wanted
            .as_ref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
    };
    if !is_wanted(&words.domain, &domain) || !is_wanted(&words.cause, &cause) {
        return;
    }
    let key = match words.by {
        BouncesBy::Domain => domain,
        BouncesBy::Recipient => recipient,
        BouncesBy::Day => site.local(recorded.at, "%Y-%m-%d"),
    };
    let permanent = event
        .detail
        .get("permanent")
        .is_none_or(|value| value == true);
    let count = counts.entry((key, cause)).or_insert(Count {
        bounces: 0,
        permanent: 0,
        last: recorded.at,
    });
    count.bounces = count.bounces.saturating_add(1);
    count.permanent = count.permanent.saturating_add(u64::from(permanent));
    count.last = count.last.max(recorded.at);
}
