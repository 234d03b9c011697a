//! Who holds how much, and who may have more.
//!
//! Messages grow as their octets come, and nobody knows how far. If all that have begun waited for more, none would ever be whole. So
//! more is given only if then, of those that still grow, the largest could become as large as a message can be in what is left: it
//! ends, what it held is there for the next, and so on (the banker's algorithm of Dijkstra, EWD 623, where all have the same claim). What is
//! whole grows no more and will be given back, and counts as left.
//!
//! The same holds in the share of each address. The largest of all is also the largest of its address, so that one message at least may
//! grow in both.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use tokio::sync::oneshot;

/// What all messages hold, in units.
#[derive(Debug)]
pub(super) struct Rooms {
    /// What a message may come to take.
    claim: u32,
    /// What it takes at first; most need no more.
    first: u32,
    common: Pool,
    /// What is left for the first octets of those that find no room elsewhere.
    reserve: u32,
    /// What an address may have.
    share: u32,
    /// Addresses that hold something.
    shares: HashMap<IpAddr, Pool>,
    holders: HashMap<u64, Holder>,
    /// Who waits, whoever came first before the others.
    waiting: BTreeMap<u64, Waiting>,
    last: u64,
}

/// How large everything is, in units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// What a message may come to take.
    pub(super) claim: u32,
    /// What it takes at first.
    pub(super) first: u32,
    /// For all together, but for the reserve; not below `claim`.
    pub(super) common: u32,
    /// For the first octets of those that find no room elsewhere.
    pub(super) reserve: u32,
    /// What an address may have; not below `claim`.
    pub(super) share: u32,
}

/// What came of asking for more.
pub(super) enum Asked {
    /// It holds so much now.
    Has(u32),
    /// It waits in this place, and hears when it has what it asked for.
    Waits(u64, oneshot::Receiver<()>),
}

#[derive(Debug)]
struct Holder {
    peer: Option<IpAddr>,
    common: u32,
    reserve: u32,
    /// It grows no more.
    is_whole: bool,
}

impl Holder {
    fn all(&self) -> u32 {
        self.common.saturating_add(self.reserve)
    }
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    target: u32,
    tell: oneshot::Sender<()>,
}

/// A number of units, and who holds them.
#[derive(Debug, Default)]
struct Pool {
    total: u32,
    held: u32,
    /// What those hold together that still grow.
    growing: u32,
    /// How many of them hold how much.
    sizes: BTreeMap<u32, u32>,
}

impl Pool {
    fn new(total: u32) -> Self {
        Self {
            total,
            ..Self::default()
        }
    }

    /// Whether one that grows, and holds `has`, may have `more`: it is there, and afterwards the largest of those that grow could still come
    /// to `claim`.
    fn permits(&self, has: u32, more: u32, claim: u32) -> bool {
        let free = self.total.saturating_sub(self.held);
        let largest = self.sizes.last_key_value().map_or(0, |(size, _)| *size);
        let largest = largest.max(has.saturating_add(more));
        let others = self.growing.saturating_add(more).saturating_sub(largest);
        more <= free && self.total.saturating_sub(others) >= claim
    }

    /// One that grows holds `to`, in place of `from`.
    fn grow(&mut self, from: u32, to: u32) {
        self.forget(from);
        self.remember(to);
        self.held = self.held.saturating_sub(from).saturating_add(to);
    }

    /// One of `size` grows.
    fn remember(&mut self, size: u32) {
        if size == 0 {
            return;
        }
        self.growing = self.growing.saturating_add(size);
        let count = self.sizes.entry(size).or_default();
        *count = count.saturating_add(1);
    }

    /// One of `size` grows no more.
    fn forget(&mut self, size: u32) {
        if size == 0 {
            return;
        }
        self.growing = self.growing.saturating_sub(size);
        if let Some(count) = self.sizes.get_mut(&size) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sizes.remove(&size);
            }
        }
    }

    fn give_back(&mut self, size: u32, is_whole: bool) {
        if !is_whole {
            self.forget(size);
        }
        self.held = self.held.saturating_sub(size);
    }
}

impl Rooms {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self {
            claim: sizes.claim,
            first: sizes.first,
            common: Pool::new(sizes.common),
            reserve: sizes.reserve,
            share: sizes.share,
            shares: HashMap::new(),
            holders: HashMap::new(),
            waiting: BTreeMap::new(),
            last: 0,
        }
    }

    /// A new holder of nothing, for messages from `peer`; `None` is nobody's in particular, and has no share that bounds it.
    pub(super) fn enter(&mut self, peer: Option<IpAddr>) -> u64 {
        let id = self.number();
        let holder = Holder {
            peer,
            common: 0,
            reserve: 0,
            is_whole: false,
        };
        self.holders.insert(id, holder);
        id
    }

    fn number(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    /// What somebody holds.
    pub(super) fn held(&self, id: u64) -> u32 {
        self.holders.get(&id).map_or(0, Holder::all)
    }

    /// Asks for at least `needed` in all. What is held doubles, so that its bound is what its client really sent, whatever it declared.
    pub(super) fn ask(&mut self, id: u64, needed: u32) -> Asked {
        let has = self.held(id);
        let target = has
            .saturating_mul(2)
            .max(self.first)
            .min(self.claim)
            .max(needed);
        if needed <= has {
            return Asked::Has(has);
        }
        self.grow_again(id);
        let reserve = self.reserve;
        if self.grant(id, target) {
            if self.reserve > reserve {
                self.serve();
            }
            return Asked::Has(target);
        }
        let (tell, told) = oneshot::channel();
        let place = self.number();
        self.waiting.insert(place, Waiting { id, target, tell });
        Asked::Waits(place, told)
    }

    /// Nobody waits in this place any more.
    pub(super) fn leave(&mut self, place: u64) {
        self.waiting.remove(&place);
    }

    /// It has all that it will hold.
    pub(super) fn complete(&mut self, id: u64) {
        let Some(holder) = self.holders.get_mut(&id).filter(|one| !one.is_whole) else {
            return;
        };
        holder.is_whole = true;
        self.common.forget(holder.common);
        let all = holder.all();
        if let Some(share) = holder.peer.and_then(|peer| self.shares.get_mut(&peer)) {
            share.forget(all);
        }
        self.serve();
    }

    /// Who asks for more is not whole, whatever it said.
    fn grow_again(&mut self, id: u64) {
        let Some(holder) = self.holders.get_mut(&id).filter(|one| one.is_whole) else {
            return;
        };
        holder.is_whole = false;
        self.common.remember(holder.common);
        let all = holder.all();
        if let Some(share) = holder.peer.and_then(|peer| self.shares.get_mut(&peer)) {
            share.remember(all);
        }
    }

    /// It holds nothing any more, and is forgotten.
    pub(super) fn release(&mut self, id: u64) {
        let Some(holder) = self.holders.remove(&id) else {
            return;
        };
        self.common.give_back(holder.common, holder.is_whole);
        self.reserve = self.reserve.saturating_add(holder.reserve);
        if let Some(peer) = holder.peer
            && let Some(share) = self.shares.get_mut(&peer)
        {
            share.give_back(holder.all(), holder.is_whole);
            if share.held == 0 {
                self.shares.remove(&peer);
            }
        }
        self.serve();
    }

    /// Gives those who wait what there is for them now. One whose turn it would be and who cannot have it stops nobody behind it: it may
    /// want much, and they little.
    fn serve(&mut self) {
        loop {
            let reserve = self.reserve;
            let places: Vec<u64> = self.waiting.keys().copied().collect();
            for place in places {
                let Some(waiting) = self.waiting.get(&place) else {
                    continue;
                };
                let (id, target) = (waiting.id, waiting.target);
                if self.grant(id, target)
                    && let Some(waiting) = self.waiting.remove(&place)
                {
                    // Who has just given up finds what it has when it looks.
                    let _heard = waiting.tell.send(());
                }
            }
            // What a message gave back of the reserve by growing may be for one before it.
            if self.reserve <= reserve {
                return;
            }
        }
    }

    /// Gives somebody so much in all, if that may be.
    fn grant(&mut self, id: u64, target: u32) -> bool {
        // Who waits still and said meanwhile that it is whole wants nothing.
        let Some(holder) = self.holders.get_mut(&id).filter(|one| !one.is_whole) else {
            return false;
        };
        let (common, reserve, all) = (holder.common, holder.reserve, holder.all());
        if target <= all {
            return true;
        }
        let fits =
            |pool: &Pool, has: u32| pool.permits(has, target.saturating_sub(has), self.claim);
        if let Some(peer) = holder.peer {
            let fits = match self.shares.get(&peer) {
                Some(share) => fits(share, all),
                None => fits(&Pool::new(self.share), all),
            };
            if !fits {
                return false;
            }
        }
        if fits(&self.common, common) {
            // What grows gives the reserve back to those that are small.
            self.common.grow(common, target);
            self.reserve = self.reserve.saturating_add(reserve);
            (holder.common, holder.reserve) = (target, 0);
        } else if all == 0 && target <= self.first && target <= self.reserve {
            self.reserve = self.reserve.saturating_sub(target);
            holder.reserve = target;
        } else {
            return false;
        }
        if let Some(peer) = holder.peer {
            let share = self.shares.entry(peer);
            let share = share.or_insert_with(|| Pool::new(self.share));
            share.grow(all, target);
        }
        true
    }
}

#[cfg(test)]
impl Rooms {
    /// Units that nobody holds: for all, and in the reserve.
    pub(super) fn left(&self) -> (u32, u32) {
        let free = self.common.total.saturating_sub(self.common.held);
        (free, self.reserve)
    }

    /// Addresses that are remembered.
    pub(super) fn addresses(&self) -> usize {
        self.shares.len()
    }

    /// Whether every message that has begun can become whole, one after another, if nobody new comes: found by trying, not by the rule that
    /// grants.
    pub(super) fn can_all_end(&self) -> bool {
        let mut free = u64::from(self.common.total.saturating_sub(self.common.held));
        let mut shares: HashMap<IpAddr, u64> = HashMap::new();
        for (peer, share) in &self.shares {
            shares.insert(*peer, u64::from(share.total.saturating_sub(share.held)));
        }
        let mut left: Vec<&Holder> = self.holders.values().collect();
        loop {
            let before = left.len();
            left.retain(|one| {
                let wants = |has: u32| match one.is_whole {
                    true => 0,
                    false => u64::from(self.claim.saturating_sub(has)),
                };
                let in_share = one.peer.is_none_or(|peer| {
                    shares
                        .get(&peer)
                        .is_none_or(|free| wants(one.all()) <= *free)
                });
                if wants(one.common) > free || !in_share {
                    return true;
                }
                free = free.saturating_add(u64::from(one.common));
                if let Some(free) = one.peer.and_then(|peer| shares.get_mut(&peer)) {
                    *free = free.saturating_add(u64::from(one.all()));
                }
                false
            });
            if left.is_empty() || left.len() == before {
                return left.is_empty();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes {
        claim: 1000,
        first: 64,
        common: 3000,
        reserve: 200,
        share: 1300,
    };

    /// Numbers that look like chance, and are the same each time.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % end
        }
    }

    /// Whatever is asked for, given back and given up, and in which order: at each moment all can become whole one after another.
    #[test]
    fn there_is_always_an_order_in_which_all_become_whole() {
        for seed in 0..10 {
            let (mut rooms, mut chance) = (Rooms::new(SIZES), Chance(seed));
            let mut present: Vec<u64> = Vec::new();
            let mut waiting: Vec<(u64, u64)> = Vec::new();
            for step in 0..600 {
                let chosen = chance.below(present.len().max(1) as u64);
                let chosen = present.get(usize::try_from(chosen).unwrap_or_default());
                match (chance.below(10), chosen.copied()) {
                    (0..=2, _) | (_, None) => {
                        let last = u8::try_from(chance.below(5)).unwrap_or_default();
                        let peer = (last > 0).then(|| IpAddr::from([192, 0, 2, last]));
                        present.push(rooms.enter(peer));
                    }
                    (3, Some(id)) => {
                        rooms.release(id);
                        present.retain(|one| *one != id);
                    }
                    (4, Some(id)) => rooms.complete(id),
                    (5, _) => {
                        if let Some((_, place)) = waiting.pop() {
                            rooms.leave(place);
                        }
                    }
                    (_, Some(id)) if waiting.iter().all(|(one, _)| *one != id) => {
                        // As a session does, it asks for more than it has, and for no more than a message may take.
                        let more = u32::try_from(chance.below(200)).unwrap_or_default();
                        let needed = rooms.held(id).saturating_add(more).min(SIZES.claim);
                        let is_whole = rooms.holders.get(&id).is_some_and(|one| one.is_whole);
                        if !is_whole && let Asked::Waits(place, _) = rooms.ask(id, needed) {
                            waiting.push((id, place));
                        }
                    }
                    _ => {}
                }
                waiting.retain(|(_, place)| rooms.waiting.contains_key(place));
                assert!(rooms.can_all_end(), "seed {seed}, step {step}: {rooms:#?}");
                let (common, reserve) = rooms.left();
                assert!(common <= SIZES.common && reserve <= SIZES.reserve);
            }
            for id in present {
                rooms.release(id);
            }
            assert_eq!(rooms.left(), (SIZES.common, SIZES.reserve));
            assert_eq!((rooms.common.growing, rooms.addresses()), (0, 0));
        }
    }
}
