//! Chance from a seed: the same seed gives the same year. Not for secrets of real sites.

/// A sequence of numbers that its seed decides (SplitMix64, by Steele, Lea and Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// The sequence of `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own for one purpose: what one part of the year uses up changes nothing for the others.
    pub(super) fn apart(&self, purpose: u64) -> Self {
        let mut other = Self(self.0 ^ purpose.wrapping_mul(0xd134_2543_de82_ef95));
        other.next();
        other
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where there is none.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    /// One of `all`.
    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    /// Puts `all` into another order.
    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last.saturating_add(1)));
        }
    }

    /// A password that nobody needs to guess: five groups of four letters and digits.
    pub(super) fn password(&mut self) -> String {
        const SIGNS: &[u8] = b"bcdfghjkmnpqrstvwxz23456789";
        let mut text = String::new();
        for place in 0..20 {
            if place % 4 == 0 && place > 0 {
                text.push('-');
            }
            let sign = self.one_of(SIGNS).copied().unwrap_or(b'x');
            text.push(char::from(sign));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            (0..5).map(|_| chance.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let (mut one, mut other) = (Chance::new(7).apart(1), Chance::new(7).apart(2));
        assert_ne!(one.password(), other.password());
    }

    #[test]
    fn all_stay_and_none_is_left_out() {
        let mut all: Vec<usize> = (0..100).collect();
        Chance::new(1).shuffle(&mut all);
        assert_ne!(all, (0..100).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(Chance::new(1).below(0), 0);
    }
}
