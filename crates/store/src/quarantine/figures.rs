//! How often mail was set apart for which cause, and what became of it, as the trail tells (clause 5.3(2)).

use std::collections::BTreeMap;

use trail::{Event, Kind};

/// How often mail was set apart for one cause, and what became of it. A message counts once for each event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages set apart.
    pub kept: u64,
    /// Released: it should not have been kept from them.
    pub released: u64,
    /// Deleted by command.
    pub deleted: u64,
    /// Nobody wanted it until its time was over.
    pub expired: u64,
}

/// The same by cause, counted event by event.
#[derive(Clone, Debug, Default)]
pub struct ByCause(BTreeMap<String, Figures>);

impl ByCause {
    /// The kinds of events that are counted.
    pub const KINDS: [Kind; 4] = [
        Kind::QuarantineKept,
        Kind::QuarantineReleased,
        Kind::QuarantineDeleted,
        Kind::QuarantineExpired,
    ];

    /// Counts an event; one of another kind is nothing to it.
    pub fn take(&mut self, event: &Event) {
        if !Self::KINDS.contains(&event.kind) {
            return;
        }
        // The further parts of a long list of recipients are the same message.
        let part = event.detail.get("part").and_then(|part| part.as_str());
        if part.is_some_and(|part| !part.starts_with("1 ")) {
            return;
        }
        let cause = event.detail.get("cause").and_then(|cause| cause.as_str());
        let figures = self
            .0
            .entry(cause.unwrap_or_default().to_owned())
            .or_default();
        let counter = match event.kind {
            Kind::QuarantineKept => &mut figures.kept,
            Kind::QuarantineReleased => &mut figures.released,
            Kind::QuarantineDeleted => &mut figures.deleted,
            _ => &mut figures.expired,
        };
        *counter = counter.saturating_add(1);
    }

    /// What was counted, by cause.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Figures)> {
        self.0
            .iter()
            .map(|(cause, figures)| (cause.as_str(), *figures))
    }

    /// All causes together.
    #[must_use]
    pub fn total(&self) -> Figures {
        self.0
            .values()
            .fold(Figures::default(), |sum, one| Figures {
                kept: sum.kept.saturating_add(one.kept),
                released: sum.released.saturating_add(one.released),
                deleted: sum.deleted.saturating_add(one.deleted),
                expired: sum.expired.saturating_add(one.expired),
            })
    }
}

impl Figures {
    /// `released` of what was decided by somebody or by time, in tenths of a percent: wrongly set apart, as far as people said. `None`:
    /// nothing was decided yet.
    #[must_use]
    pub fn wrong(&self) -> Option<u32> {
        let decided = self
            .released
            .saturating_add(self.deleted)
            .saturating_add(self.expired);
        let share = self.released.saturating_mul(1000).checked_div(decided)?;
        Some(u32::try_from(share).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use trail::Actor;

    use super::*;

    #[test]
    fn a_message_counts_once_and_a_share_is_of_what_was_decided() {
        let mut counted = ByCause::default();
        let event = |kind, cause: &str| Event::new(kind, Actor::System).detail("cause", cause);
        assert_eq!(counted.total().wrong(), None);
        for _ in 0..4 {
            counted.take(&event(Kind::QuarantineKept, "spam"));
        }
        counted.take(&event(Kind::QuarantineReleased, "spam"));
        counted.take(&event(Kind::QuarantineReleased, "spam").detail("part", "2 of 2"));
        counted.take(&event(Kind::QuarantineExpired, "spam"));
        counted.take(&event(Kind::QuarantineKept, "dmarc"));
        counted.take(&event(Kind::ServerStopped, "dmarc"));
        let all: Vec<(&str, Figures)> = counted.iter().collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].0, "dmarc");
        assert_eq!((all[1].1.kept, all[1].1.released), (4, 1));
        assert_eq!(all[1].1.wrong(), Some(500));
        assert_eq!(counted.total().kept, 5);
    }
}
