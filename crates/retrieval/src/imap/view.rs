//! A mailbox as one session has told it to its client: sequence numbers, flags, and what is still to be told.

use store::mailbox::{Marks, News, Roll, Slot};

/// Octets for a message that goes: its UID twice, its number, and how VANISHED tells of it.
const GONE: usize = 32;
/// Octets for a message that changed: its UID, in a list that grows.
const CHANGED: usize = 8;

/// What the client knows of the selected mailbox.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    roll: Roll,
    /// UIDs that are gone and still have a sequence number, ascending.
    gone: Vec<u32>,
}

/// What the client has to be told after a change of the view.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Sequence numbers expunged, each as it was when the ones before it were gone already.
    pub expunged: Vec<u32>,
    /// Their UIDs, ascending.
    pub vanished: Vec<u32>,
    /// UIDs of messages whose flags changed, ascending.
    pub flagged: Vec<u32>,
    /// Whether messages arrived.
    pub arrived: bool,
}

impl View {
    /// The view of a mailbox that holds what `roll` says.
    pub(crate) fn new(roll: Roll) -> Self {
        Self {
            roll,
            gone: Vec::new(),
        }
    }

    /// Everything up to this MODSEQ is in the view, or noted as gone.
    pub(crate) fn modseq(&self) -> u64 {
        self.roll.modseq
    }

    /// Number of messages as the client counts them.
    pub(crate) fn len(&self) -> usize {
        self.slots().len()
    }

    /// Number of messages as IMAP writes it.
    pub(crate) fn exists(&self) -> u32 {
        u32::try_from(self.slots().len()).unwrap_or(u32::MAX)
    }

    /// All messages, by sequence number.
    pub(crate) fn slots(&self) -> &[Slot] {
        self.roll.slots()
    }

    /// The messages whose UIDs lie in a run: from the first to the last, both included.
    pub(crate) fn within(&self, run: (u32, u32)) -> &[Slot] {
        self.roll.within(run)
    }

    /// Sequence number and message of a UID.
    pub(crate) fn by_uid(&self, uid: u32) -> Option<(u32, Slot)> {
        let index = self.roll.index(uid)?;
        Some((sequence(index), *self.slots().get(index)?))
    }

    /// The message of a sequence number.
    pub(crate) fn by_sequence(&self, number: u32) -> Option<Slot> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.slots().get(index).copied()
    }

    /// The highest UID in the view; 0 when it is empty.
    pub(crate) fn last_uid(&self) -> u32 {
        self.roll.last_uid()
    }

    /// The keywords of a message.
    pub(crate) fn keywords(&self, slot: Slot) -> &[String] {
        self.roll.keywords(slot)
    }

    /// The keywords of each set that messages have, and of some that they had.
    pub(crate) fn keyword_sets(&self) -> impl Iterator<Item = &[String]> {
        self.roll.keyword_sets()
    }

    /// Whether the UID still has a sequence number, but its message is gone.
    pub(crate) fn is_gone(&self, uid: u32) -> bool {
        self.gone.binary_search(&uid).is_ok()
    }

    /// Takes over what the store says happened since [`View::modseq`], up to `modseq`. Messages that are gone keep their
    /// sequence numbers unless `may_expunge`; they go at a later call that may.
    pub(crate) fn apply(&mut self, news: &News, modseq: u64, may_expunge: bool) -> Changes {
        let mut changes = Changes::default();
        self.roll.modseq = self.roll.modseq.max(modseq);
        self.note_gone(&news.vanished);
        if may_expunge {
            self.expunge(&mut changes);
        }
        for slot in news.changed.slots() {
            let marks = news.changed.marks(*slot);
            if self.roll.push(marks) {
                changes.arrived = true;
            } else if self.roll.update(marks) {
                changes.flagged.push(marks.uid);
            }
        }
        changes
    }

    /// Octets that the [`Changes`] of `news` may take, with what is written of them at once.
    pub(crate) fn octets_of_changes(&self, news: &News) -> u64 {
        let runs = news.vanished.iter();
        let vanished: usize = runs.map(|run| self.roll.within(*run).len()).sum();
        let gone = self.gone.len().saturating_add(vanished);
        let changed = news.changed.slots().len();
        let octets = gone.saturating_mul(GONE);
        let octets = octets.saturating_add(changed.saturating_mul(CHANGED));
        u64::try_from(octets).unwrap_or(u64::MAX)
    }

    /// Takes over what this session's own command made of a message, so that [`View::apply`] does not tell it again.
    pub(crate) fn take_own(&mut self, marks: Marks<'_>) {
        self.roll.update(marks);
    }

    fn note_gone(&mut self, vanished: &[(u32, u32)]) {
        for run in vanished {
            let here = self.roll.within(*run).iter();
            self.gone.extend(here.map(|slot| slot.uid));
        }
        self.gone.sort_unstable();
        self.gone.dedup();
    }

    fn expunge(&mut self, changes: &mut Changes) {
        if self.gone.is_empty() {
            return;
        }
        let gone = std::mem::take(&mut self.gone);
        for (removed, uid) in gone.iter().enumerate() {
            if let Some(index) = self.roll.index(*uid) {
                changes
                    .expunged
                    .push(sequence(index.saturating_sub(removed)));
            }
        }
        self.roll.remove(&gone);
        changes.vanished = gone;
    }
}

fn sequence(index: usize) -> u32 {
    u32::try_from(index.saturating_add(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::Timestamp;
    use store::{
        BodyId, EmailId, ThreadId,
        mailbox::{Entry, Flags},
    };

    /// As many sets of keywords as are always kept.
    const FEW_SETS: usize = 256;

    fn entry(uid: u32, modseq: u64, flags: u8, keywords: &[&str]) -> Entry {
        Entry {
            uid,
            email: EmailId(1),
            thread: ThreadId(1),
            body: BodyId(1),
            modseq,
            flags: Flags(flags),
            keywords: keywords.iter().map(|&k| k.to_owned()).collect(),
            size: 1,
            internal_date: Timestamp::UNIX_EPOCH,
            save_date: Timestamp::UNIX_EPOCH,
        }
    }

    fn news(changed: &[Entry], vanished: &[u32]) -> News {
        let mut news = News::default();
        for entry in changed {
            assert!(news.changed.push(entry.marks()));
        }
        news.vanished = vanished.iter().map(|uid| (*uid, *uid)).collect();
        news
    }

    fn view_of(entries: &[Entry]) -> View {
        let mut view = View::new(Roll::empty_at(1));
        view.apply(&news(entries, &[]), 1, true);
        view
    }

    fn four() -> View {
        let entries: Vec<_> = [2, 4, 6, 8].map(|uid| entry(uid, 1, 0, &[])).into();
        view_of(&entries)
    }

    #[test]
    fn expunges_count_down_as_they_go() {
        let mut view = four();
        let changes = view.apply(&news(&[], &[2, 4, 8, 100]), 5, true);
        assert_eq!(changes.expunged, [1, 1, 2]);
        assert_eq!(changes.vanished, [2, 4, 8]);
        assert_eq!(view.by_uid(6).unwrap().0, 1);
        assert_eq!(view.exists(), 1);
    }

    #[test]
    fn a_run_takes_what_lies_in_it() {
        let mut view = four();
        let mut gone = news(&[entry(9, 6, 0, &[])], &[]);
        gone.vanished = vec![(1, 1), (3, 7)];
        let octets = view.octets_of_changes(&gone);
        assert_eq!(octets, u64::try_from(2 * GONE + CHANGED).unwrap());
        let changes = view.apply(&gone, 6, true);
        assert_eq!(
            (changes.expunged, changes.vanished),
            (vec![2, 2], vec![4, 6])
        );
        let left: Vec<u32> = view.slots().iter().map(|slot| slot.uid).collect();
        assert_eq!(left, [2, 8, 9]);
    }

    #[test]
    fn what_is_gone_keeps_its_number_until_it_may_go() {
        let mut view = four();
        let changes = view.apply(&news(&[entry(9, 6, 0, &[])], &[4]), 6, false);
        assert_eq!(changes.expunged, [0_u32; 0]);
        assert!(changes.arrived);
        assert!(view.is_gone(4));
        assert_eq!(view.by_uid(9).unwrap().0, 5);
        let changes = view.apply(&News::default(), 6, true);
        assert_eq!((changes.expunged, changes.vanished), (vec![2], vec![4]));
        assert_eq!(view.by_uid(9).unwrap().0, 4);
    }

    #[test]
    fn own_changes_are_not_told_twice() {
        let mut view = four();
        let own = entry(6, 7, Flags::SEEN.0, &["$Label1"]);
        view.take_own(own.marks());
        let other = entry(8, 8, 0, &["$label1", "x"]);
        let changes = view.apply(&news(&[own, other], &[]), 8, true);
        assert_eq!(changes.flagged, [8]);
        let (_, slot) = view.by_uid(6).unwrap();
        assert_eq!(view.keywords(slot), ["$Label1"]);
        assert_eq!(view.keyword_sets().count(), 2);
    }

    #[test]
    fn keywords_that_no_message_has_any_more_are_forgotten() {
        let mut view = four();
        let changes = 10 * FEW_SETS as u64;
        for modseq in 2..changes {
            let word = format!("k{modseq}");
            view.take_own(entry(4, modseq, Flags::SEEN.0, &[word.as_str()]).marks());
        }
        let last = news(&[entry(8, changes, 0, &["last"])], &[]);
        view.apply(&last, changes, true);
        assert!(view.keyword_sets().count() <= FEW_SETS + 1);
        let keywords = |uid| view.keywords(view.by_uid(uid).unwrap().1).to_vec();
        assert_eq!(keywords(4), [format!("k{}", changes - 1)]);
        assert_eq!(keywords(8), ["last"]);
        assert_eq!(keywords(2), [""; 0]);
        assert_eq!(view.by_uid(4).unwrap().1.flags(), Flags::SEEN);
        // As many sets as messages need are kept.
        let many: Vec<Entry> = (1_u32..)
            .take(3 * FEW_SETS)
            .map(|uid| entry(uid, 1, 0, &[format!("k{uid}").as_str()]))
            .collect();
        let mut view = view_of(&many);
        view.apply(&News::default(), 2, true);
        assert_eq!(view.keyword_sets().count(), many.len());
        assert_eq!(view.keywords(view.slots()[0]), ["k1"]);
    }

    /// A mailbox as the store has it, and a client that believes what it is told.
    #[derive(Default)]
    struct Model {
        stored: Vec<Entry>,
        vanished: Vec<(u32, u64)>,
        uid: u32,
        modseq: u64,
        told: Vec<u32>,
    }

    impl Model {
        fn change(&mut self, what: u8, which: usize) {
            self.modseq += 1;
            let place = which.checked_rem(self.stored.len());
            match (what, place) {
                (0, Some(place)) => {
                    let gone = self.stored.remove(place);
                    self.vanished.push((gone.uid, self.modseq));
                }
                (1, Some(place)) => {
                    self.stored[place].flags.0 ^= Flags::SEEN.0;
                    self.stored[place].modseq = self.modseq;
                }
                _ => {
                    self.uid += 1;
                    self.stored.push(entry(self.uid, self.modseq, 0, &[]));
                }
            }
        }

        fn tell(&mut self, view: &mut View, may_expunge: bool) {
            let since = view.modseq();
            let changed: Vec<Entry> = self
                .stored
                .iter()
                .filter(|e| e.modseq > since)
                .cloned()
                .collect();
            let mut vanished: Vec<u32> = self
                .vanished
                .iter()
                .filter(|(_, modseq)| *modseq > since)
                .map(|(uid, _)| *uid)
                .collect();
            vanished.sort_unstable();
            let changes = view.apply(&news(&changed, &vanished), self.modseq, may_expunge);
            assert!(may_expunge || changes.expunged.is_empty());
            for (number, uid) in changes.expunged.iter().zip(&changes.vanished) {
                assert_eq!(self.told.remove(*number as usize - 1), *uid);
            }
            let known = self.told.len();
            assert_eq!(changes.arrived, view.len() > known);
            self.told
                .extend(view.slots()[known..].iter().map(|slot| slot.uid));
        }
    }

    proptest::proptest! {
        #[test]
        fn the_client_and_the_store_agree(steps in proptest::collection::vec((0_u8..3, 0_usize..20, 0_u8..4), 1..60)) {
            let (mut model, mut view) = (Model::default(), View::default());
            for (what, which, tell) in steps {
                model.change(what, which);
                if tell < 2 {
                    model.tell(&mut view, tell == 0);
                }
                let numbered: Vec<u32> = view.slots().iter().map(|slot| slot.uid).collect();
                proptest::prop_assert_eq!(&numbered, &model.told);
            }
            model.tell(&mut view, true);
            let stored: Vec<(u32, Flags)> = model.stored.iter().map(|e| (e.uid, e.flags)).collect();
            let seen: Vec<(u32, Flags)> = view.slots().iter().map(|slot| (slot.uid, slot.flags())).collect();
            proptest::prop_assert_eq!(seen, stored);
        }
    }
}
