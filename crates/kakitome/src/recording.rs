//! Settings that take effect go into the trail: what changed in them, and who ordered what the site has chosen of its regulation.
//!
//! `[regulation] ordered_by` stands in the file until somebody writes it anew. So it names an order only for the choices that it came
//! with: when they change and it does not, the event says that nobody ordered them, and so does `status` until it is put right.

use std::collections::BTreeSet;

use regulation::Regulation;
use serde_json::{Map, Value, json};
use store::{
    Recorded, Store,
    event::{self, Filter},
};
use trail::{Actor, Event, Kind};
use world::Timestamp;

use crate::{
    remembering,
    settings::{FILE, Settings, Written},
    site::Site,
};

/// Events of settings that are looked at in one go.
const PAGE: usize = 500;
/// Where the file says who ordered.
const ORDERED_BY: &str = "regulation.ordered_by";

/// What the site has chosen of its regulation changed, and nobody is named who ordered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unordered {
    /// Since when.
    pub(crate) since: Timestamp,
    /// The keys that differ from what was ordered; none: it is not known any more which.
    pub(crate) keys: Vec<String>,
}

impl Unordered {
    /// What needs attention.
    pub(crate) fn words(&self) -> String {
        let keys = match self.keys.is_empty() {
            true => String::new(),
            false => format!(" ({})", self.keys.join(", ")),
        };
        format!(
            "what the site has chosen of its regulation was changed{keys}, and since {} nobody is named who ordered that: write anew in [regulation] ordered_by who did and when, \
             or put the values back, and have the settings loaded again",
            self.since
        )
    }
}

/// Records that `settings` take effect, which choose of `regulation`.
///
/// # Errors
/// The store's.
pub(crate) async fn record(
    site: &Site,
    settings: &Settings,
    regulation: &Regulation,
) -> Result<(), store::Error> {
    let past = Past::read(&site.store).await?;
    let deciding = Deciding::of(regulation);
    let (event, unordered) = told(settings, &deciding, &past, site.store.now());
    if let Some(unordered) = &unordered {
        tracing::warn!("{}", unordered.words());
    }
    let years = settings.audit.retain_years;
    let noting = move |tx: &mut store::Tx<'_>| -> Result<Recorded<()>, store::Error> {
        // What is written until a shorter time is in force is kept as long as before (clause 4.2(3)).
        store::tree::note_retention(tx, years)?;
        tx.record(&event, ())
    };
    site.store.commit(Vec::new(), noting).await?;
    *site.unordered.lock() = unordered;
    remembering::keep_policy(site, settings).await?;
    match &settings.runbooks {
        Some(books) => directory::runbook::keep(&site.store, books).await,
        None => Ok(()),
    }
}

/// The event of `settings` that take effect `now`, and what it says of an order that is missing.
fn told(
    settings: &Settings,
    deciding: &Deciding,
    past: &Past,
    now: Timestamp,
) -> (Event, Option<Unordered>) {
    let loaded = Loaded {
        ordered_by: (settings.regulation.ordered_by.as_ref()).map(|by| by.get_ref().clone()),
        choices: deciding.digest(&settings.written),
        written: Some(settings.written.clone()),
    };
    let unordered = past.misses_order(&loaded, deciding).map(|keys| Unordered {
        since: past.unordered_since.unwrap_or(now),
        keys,
    });
    // Settings longer than an event may be are not told whole, and then nothing can be told of what changed.
    let nothing = Written::default();
    let before = match &past.last {
        Some(last) => last.written.as_ref(),
        None => Some(&nothing),
    };
    let changes = before.map(|before| settings.written.changes(before));
    let event = Event::new(Kind::SettingsLoaded, Actor::System)
        .subject(FILE)
        .detail("digest", settings.digest.clone())
        .detail("changes", json!(changes))
        .detail("settings", settings.written.to_json())
        .detail("choices", loaded.choices)
        .detail(
            "allow_single_person",
            settings.directory.allow_single_person,
        );
    let event = match (&unordered, loaded.ordered_by) {
        (Some(_), _) => event.detail("unordered", true),
        (None, Some(by)) => event.detail("ordered_by", by),
        (None, None) => event,
    };
    (event, unordered)
}

/// Which settings decide parameters and options of the regulation.
struct Deciding(BTreeSet<String>);

impl Deciding {
    /// Those of `regulation`, by what its catalogues say.
    fn of(regulation: &Regulation) -> Self {
        let parameters = regulation.parameters().map(|one| &one.setting);
        let options = regulation.options().map(|one| &one.setting);
        Self(parameters.chain(options).flatten().cloned().collect())
    }

    fn has(&self, key: &str) -> bool {
        // A text in two languages is two keys.
        let chosen = ["regulation.parameters.", "regulation.options."];
        chosen.iter().any(|table| key.starts_with(table)) || self.0.contains(key)
    }

    /// The keys of choices that differ.
    fn differing(&self, one: &Written, other: &Written) -> Vec<String> {
        let keys = one.changes(other).into_keys();
        keys.filter(|key| self.has(key)).collect()
    }

    /// BLAKE3 of the choices: short, so that an event that is cut still has it.
    fn digest(&self, written: &Written) -> String {
        let chosen = written.only(|key| self.has(key)).to_json().to_string();
        blake3::hash(chosen.as_bytes()).to_hex().to_string()
    }
}

/// Settings that took effect, as far as they are known.
#[derive(Clone, Debug)]
struct Loaded {
    /// All that the file said; `None`: it was too large for an event.
    written: Option<Written>,
    /// The digest of its choices; empty: the event is from a version that did not tell it.
    choices: String,
    /// Who ordered them, by the file.
    ordered_by: Option<String>,
}

impl Loaded {
    fn of(detail: &Map<String, Value>) -> Self {
        let text = |of: Option<&Value>| of.and_then(Value::as_str).map(str::to_owned);
        let settings = detail.get("settings").filter(|value| value.is_object());
        let in_file = settings.and_then(|settings| settings.get(ORDERED_BY));
        Self {
            written: settings.map(Written::from_json),
            choices: text(detail.get("choices")).unwrap_or_default(),
            ordered_by: text(detail.get("ordered_by")).or_else(|| text(in_file)),
        }
    }

    /// Whether somebody is named here who was not named there.
    fn names_another(&self, before: &Self) -> bool {
        self.ordered_by.is_some() && self.ordered_by != before.ordered_by
    }
}

/// What the trail tells of settings that took effect before.
#[derive(Default)]
struct Past {
    /// The last ones.
    last: Option<Loaded>,
    /// The last ones of which it is not said that nobody ordered them.
    ordered: Option<Loaded>,
    /// When the first ones after those took effect.
    unordered_since: Option<Timestamp>,
}

impl Past {
    async fn read(store: &Store) -> Result<Self, store::Error> {
        let mut filter = Filter {
            kinds: vec![Kind::SettingsLoaded],
            ..Filter::default()
        };
        let mut past = Self::default();
        loop {
            let page = filter.clone();
            let events = store
                .read(move |snapshot| event::search(snapshot, &page, PAGE))
                .await?;
            for event in &events {
                past.take(event);
            }
            let Some(newest) = events.last().filter(|_| events.len() == PAGE) else {
                return Ok(past);
            };
            filter.after = Some(newest.id);
        }
    }

    /// Takes the next event of them.
    fn take(&mut self, recorded: &trail::Recorded) {
        let detail = &recorded.event.detail;
        let loaded = Loaded::of(detail);
        if detail.get("unordered") == Some(&Value::Bool(true)) {
            self.unordered_since.get_or_insert(recorded.at);
        } else {
            self.ordered = Some(loaded.clone());
            self.unordered_since = None;
        }
        self.last = Some(loaded);
    }

    /// If nobody ordered what is chosen now: the keys that differ from what was ordered, as far as they are known. Settings that take effect
    /// as the first ones change nothing.
    fn misses_order(&self, now: &Loaded, deciding: &Deciding) -> Option<Vec<String>> {
        // Without `ordered`, the volume of the trail that told of it was erased.
        let before = self.ordered.as_ref().or(self.last.as_ref())?;
        if now.names_another(before) {
            return None;
        }
        let differing = match (&self.ordered, &before.written, &now.written) {
            (Some(_), Some(before), Some(now)) => {
                let keys = deciding.differing(now, before);
                return Some(keys).filter(|keys| !keys.is_empty());
            }
            (Some(_), ..) => now.choices != before.choices,
            (None, ..) => true,
        };
        differing.then(Vec::new)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LEAST: &str = "[server]\nhostname = \"mail.example.org\"\nroles = [\"exchange\", \"mailbox\"]\n\n[[domain]]\nname = \"example.org\"\n";

    /// A site whose settings take effect, day by day.
    struct Days {
        past: Past,
        deciding: Deciding,
        day: i64,
    }

    impl Days {
        fn new() -> Self {
            Self {
                past: Past::default(),
                deciding: Deciding::of(&Regulation::built_in().unwrap()),
                day: 0,
            }
        }

        fn load(&mut self, extra: &str) -> (Event, Option<Unordered>) {
            self.day += 1;
            let at = Timestamp::from_second(self.day * 86_400).unwrap();
            let settings = Settings::parse(FILE, &format!("{LEAST}\n{extra}")).unwrap();
            let (event, unordered) = told(&settings, &self.deciding, &self.past, at);
            self.keep(event.clone());
            (event, unordered)
        }

        fn keep(&mut self, event: Event) {
            self.past.take(&trail::Recorded {
                id: self.day,
                at: Timestamp::from_second(self.day * 86_400).unwrap(),
                version: 1,
                event,
            });
        }

        /// Who is told to have ordered what takes effect; `Err`: the day since when nobody did, and what.
        fn ordered(&mut self, extra: &str) -> Result<Option<String>, (i64, Vec<String>)> {
            let (event, unordered) = self.load(extra);
            let by = event.detail.get("ordered_by").and_then(Value::as_str);
            let flag = event.detail.get("unordered").and_then(Value::as_bool);
            assert_eq!(flag, unordered.is_some().then_some(true));
            let Some(unordered) = unordered else {
                return Ok(by.map(str::to_owned));
            };
            assert_eq!(by, None, "no order is told that was not given");
            Err((unordered.since.as_second() / 86_400, unordered.keys))
        }
    }

    fn chosen(months: u8, by: &str) -> String {
        format!("[regulation]\nparameters = {{ trail-review = {months} }}\nordered_by = \"{by}\"\n")
    }

    const TRAIL_REVIEW: &str = "regulation.parameters.trail-review";

    #[test]
    fn what_changes_under_an_old_order_is_told_as_ordered_by_nobody_until_it_is_put_right() {
        let mut days = Days::new();
        let first = Ok(Some("Sato, April".to_owned()));
        assert_eq!(days.ordered(&chosen(3, "Sato, April")), first);
        assert_eq!(days.ordered(&chosen(3, "Sato, April")), first);
        let missing = Err((3, vec![TRAIL_REVIEW.to_owned()]));
        assert_eq!(days.ordered(&chosen(6, "Sato, April")), missing);
        // Loaded again, it is not more ordered than it was; nor with nobody named.
        assert_eq!(days.ordered(&chosen(6, "Sato, April")), missing);
        let nobody = "[regulation]\nparameters = { trail-review = 6 }\n";
        assert_eq!(days.ordered(nobody), missing);
        assert_eq!(days.ordered(&chosen(6, "Sato, April")), missing);
        let second = Ok(Some("Sato, July".to_owned()));
        assert_eq!(days.ordered(&chosen(6, "Sato, July")), second);
        assert!(days.ordered(&chosen(12, "Sato, July")).is_err());
        assert_eq!(days.ordered(&chosen(6, "Sato, July")), second);
    }

    #[test]
    fn a_change_that_nobody_ever_ordered_is_told_and_other_settings_are_not() {
        let mut days = Days::new();
        assert_eq!(days.ordered("[audit]\nretain_years = 10\n"), Ok(None));
        let other = "[audit]\nretain_years = 10\n[limits]\nmessage_size = \"1MiB\"\n";
        assert_eq!(days.ordered(other), Ok(None));
        // A parameter of the regulation that another section decides.
        let missing = Err((3, vec!["audit.retain_years".to_owned()]));
        assert_eq!(days.ordered("[audit]\nretain_years = 3\n"), missing);
        assert_eq!(days.ordered("[audit]\nretain_years = 10\n"), Ok(None));
        let option =
            "[audit]\nretain_years = 10\n[regulation]\noptions = { trail-review = true }\n";
        let missing = Err((5, vec!["regulation.options.trail-review".to_owned()]));
        assert_eq!(days.ordered(option), missing);
    }

    #[test]
    fn settings_too_large_for_an_event_are_compared_by_their_choices() {
        let mut days = Days::new();
        for (months, is_ordered) in [(3, true), (3, true), (6, false), (6, false), (3, true)] {
            let (mut event, unordered) = days.load(&chosen(months, "Sato, April"));
            assert_eq!(unordered.is_none(), is_ordered, "day {}", days.day);
            event.detail.remove("settings");
            event.detail.remove("changes");
            days.keep(event);
        }
    }

    #[test]
    fn what_nobody_ordered_is_remembered_when_the_volume_before_it_is_erased() {
        let mut days = Days::new();
        days.load(&chosen(3, "Sato, April"));
        let (event, _) = days.load(&chosen(6, "Sato, April"));
        days.past = Past::default();
        days.keep(event);
        assert_eq!(days.ordered(&chosen(6, "Sato, April")), Err((2, vec![])));
        assert!(days.ordered(&chosen(6, "Sato, July")).is_ok());
    }
}
