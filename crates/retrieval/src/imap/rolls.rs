//! Rolls of mailboxes that were selected lately.
//!
//! A large mailbox takes long to read, and is selected again and again: by each session of each program of its owner. What
//! was read once is kept, brought up to date when it is asked for, and shared until a session hears of something new.

use std::collections::HashMap;

use parking_lot::Mutex;
use store::{MailboxId, mailbox::Roll};

/// Rolls, within a bound on the memory that they take.
pub(crate) struct Rolls {
    most_octets: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: HashMap<MailboxId, Kept>,
    octets: u64,
    /// Ascends with every use: the lowest leaves first.
    clock: u64,
}

struct Kept {
    uid_validity: u32,
    roll: Roll,
    octets: u64,
    used: u64,
}

impl Rolls {
    pub(crate) fn new(most_octets: u64) -> Self {
        Self {
            most_octets,
            state: Mutex::default(),
        }
    }

    /// The roll of a mailbox as it was when it was last kept.
    pub(crate) fn find(&self, mailbox: MailboxId, uid_validity: u32) -> Option<Roll> {
        let mut state = self.state.lock();
        state.clock += 1;
        let now = state.clock;
        let kept = state.kept.get_mut(&mailbox)?;
        kept.used = now;
        (kept.uid_validity == uid_validity).then(|| kept.roll.clone())
    }

    /// Keeps a roll that holds all that the mailbox held at its MODSEQ, unless a later one is kept.
    pub(crate) fn keep(&self, mailbox: MailboxId, uid_validity: u32, roll: &Roll) {
        let octets = u64::try_from(roll.octets()).unwrap_or(u64::MAX);
        if octets > self.most_octets {
            return;
        }
        let mut state = self.state.lock();
        let is_newer =
            |kept: &Kept| kept.uid_validity == uid_validity && kept.roll.modseq >= roll.modseq;
        if state.kept.get(&mailbox).is_some_and(is_newer) {
            return;
        }
        state.clock += 1;
        let kept = Kept {
            uid_validity,
            roll: roll.clone(),
            octets,
            used: state.clock,
        };
        state.octets = state.octets.saturating_add(octets);
        let before = state.kept.insert(mailbox, kept);
        state.octets -= before.map_or(0, |before| before.octets);
        while state.octets > self.most_octets {
            let oldest = state.kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(mailbox, _)| *mailbox) else {
                return;
            };
            let gone = state.kept.remove(&oldest);
            state.octets -= gone.map_or(0, |gone| gone.octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_kept_and_the_least_used_leaves() {
        let one = u64::try_from(Roll::empty_at(1).octets()).unwrap_or(u64::MAX);
        let rolls = Rolls::new(one * 2);
        let modseq = |mailbox, validity| {
            let found = rolls.find(MailboxId(mailbox), validity);
            found.map(|roll| roll.modseq)
        };
        rolls.keep(MailboxId(1), 7, &Roll::empty_at(5));
        rolls.keep(MailboxId(1), 7, &Roll::empty_at(4));
        assert_eq!(modseq(1, 7), Some(5));
        assert_eq!(modseq(1, 8), None);
        rolls.keep(MailboxId(2), 7, &Roll::empty_at(1));
        assert_eq!(modseq(1, 7), Some(5));
        rolls.keep(MailboxId(3), 7, &Roll::empty_at(1));
        assert_eq!(
            [modseq(1, 7), modseq(2, 7), modseq(3, 7)],
            [Some(5), None, Some(1)]
        );
        rolls.keep(MailboxId(1), 9, &Roll::empty_at(2));
        assert_eq!(modseq(1, 9), Some(2));
    }
}
