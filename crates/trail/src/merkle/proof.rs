//! Proofs: that a leaf is in a tree, and that one tree is the beginning of another.

use super::{Hash, node_hash};

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// Finds the roots of full subtrees: `nodes(level, index)` is that of the `index`-th subtree of 2^`level` leaves.
struct Subtrees<F>(F);

impl<E, F: FnMut(u32, u64) -> Result<Hash, E>> Subtrees<F> {
    /// The root over `size` leaves from `start` on.
    fn root(&mut self, start: u64, size: u64) -> Result<Hash, E> {
        if size.is_power_of_two() && start.is_multiple_of(size) {
            let level = size.trailing_zeros();
            return (self.0)(level, start >> level);
        }
        let left = split(size);
        let left_root = self.root(start, left)?;
        let right_root = self.root(start + left, size - left)?;
        Ok(node_hash(&left_root, &right_root))
    }

    /// PATH of RFC 9162, section 2.1.3.1, over the leaves from `start` on.
    fn path(&mut self, leaf: u64, start: u64, size: u64) -> Result<Vec<Hash>, E> {
        if size <= 1 {
            return Ok(Vec::new());
        }
        let left = split(size);
        let (mut path, beside) = if leaf < left {
            let path = self.path(leaf, start, left)?;
            (path, self.root(start + left, size - left)?)
        } else {
            let path = self.path(leaf - left, start + left, size - left)?;
            (path, self.root(start, left)?)
        };
        path.push(beside);
        Ok(path)
    }

    /// SUBPROOF of RFC 9162, section 2.1.4.1. `known`: who verifies has the root of the first `old` leaves.
    fn subproof(&mut self, old: u64, start: u64, size: u64, known: bool) -> Result<Vec<Hash>, E> {
        if old == size {
            return Ok(match known {
                true => Vec::new(),
                false => vec![self.root(start, size)?],
            });
        }
        let left = split(size);
        let (mut proof, beside) = if old <= left {
            let proof = self.subproof(old, start, left, known)?;
            (proof, self.root(start + left, size - left)?)
        } else {
            let proof = self.subproof(old - left, start + left, size - left, false)?;
            (proof, self.root(start, left)?)
        };
        proof.push(beside);
        Ok(proof)
    }
}

/// The root of the tree of the first `size` leaves, which are at least one. `nodes` as in [`inclusion`].
///
/// # Errors
/// Those of `nodes`.
pub fn root<E>(size: u64, nodes: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    Subtrees(nodes).root(0, size.max(1))
}

/// The proof that leaf number `leaf` (from 0) is in the tree of the first `size` leaves; empty when it is not. `nodes(level, index)`
/// gives the root of the `index`-th full subtree of 2^`level` leaves.
///
/// # Errors
/// Those of `nodes`.
pub fn inclusion<E>(
    leaf: u64,
    size: u64,
    nodes: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    match leaf < size {
        true => Subtrees(nodes).path(leaf, 0, size),
        false => Ok(Vec::new()),
    }
}

/// The proof that the tree of the first `old` leaves is the beginning of that of the first `size`; empty for an empty
/// beginning. `nodes` as in [`inclusion`].
///
/// # Errors
/// Those of `nodes`.
pub fn consistency<E>(
    old: u64,
    size: u64,
    nodes: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    match 0 < old && old <= size {
        true => Subtrees(nodes).subproof(old, 0, size, true),
        false => Ok(Vec::new()),
    }
}

/// Whether `proof` shows that the leaf with this hash is number `leaf` of the tree with `size` leaves and that `root` (RFC 9162,
/// section 2.1.3.2).
#[must_use]
pub fn verify_inclusion(
    leaf: u64,
    leaf_hash: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> bool {
    if leaf >= size {
        return false;
    }
    let (mut index, mut last, mut hash) = (leaf, size - 1, *leaf_hash);
    for beside in proof {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            hash = node_hash(beside, &hash);
            if index & 1 == 0 {
                let shift = index.trailing_zeros().min(63);
                (index, last) = (index >> shift, last >> shift);
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree with `old` leaves and `old_root` is the beginning of the one with `size` leaves and `root` (RFC
/// 9162, section 2.1.4.2).
#[must_use]
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> bool {
    if old == 0 || old > size {
        return false;
    }
    if old == size {
        return proof.is_empty() && old_root == root;
    }
    let mut proof = proof.iter();
    let first = match old.is_power_of_two() {
        true => Some(old_root),
        false => proof.next(),
    };
    let Some(first) = first else {
        return false;
    };
    let shift = (old - 1).trailing_ones();
    let (mut index, mut last) = ((old - 1) >> shift, (size - 1) >> shift);
    let (mut from_old, mut from_new) = (*first, *first);
    for beside in proof {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            from_old = node_hash(beside, &from_old);
            from_new = node_hash(beside, &from_new);
            if index & 1 == 0 {
                let shift = index.trailing_zeros().min(63);
                (index, last) = (index >> shift, last >> shift);
            }
        } else {
            from_new = node_hash(&from_new, beside);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    last == 0 && from_old == *old_root && from_new == *root
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::convert::Infallible;

    use super::{super::*, *};

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    fn tree(leaves: &[Hash]) -> Frontier {
        let mut tree = Frontier::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree
    }

    fn nodes(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> {
        |level, index| {
            let from = usize::try_from(index << level).unwrap();
            Ok(tree(&leaves[from..from + (1 << level)]).root())
        }
    }

    #[test]
    fn every_leaf_of_every_tree_is_proved_and_no_other() {
        for size in 1..40_u64 {
            let leaves = leaves(size);
            let root = tree(&leaves).root();
            assert_eq!(super::root(size, nodes(&leaves)), Ok(root));
            for (leaf, hash) in (0..).zip(&leaves) {
                let proof = inclusion(leaf, size, nodes(&leaves)).unwrap();
                assert!(verify_inclusion(leaf, hash, size, &root, &proof));
                let other = leaf_hash(b"other");
                assert!(!verify_inclusion(leaf, &other, size, &root, &proof));
                assert!(!verify_inclusion(leaf + 1, hash, size, &root, &proof));
                assert!(!verify_inclusion(leaf, hash, size, &other, &proof));
                for place in 0..proof.len() {
                    let mut wrong = proof.clone();
                    wrong[place][7] ^= 1;
                    assert!(!verify_inclusion(leaf, hash, size, &root, &wrong));
                    wrong.remove(place);
                    assert!(!verify_inclusion(leaf, hash, size, &root, &wrong));
                }
            }
        }
    }

    #[test]
    fn every_beginning_is_proved_and_no_fork() {
        for size in 1..40_u64 {
            let leaves = leaves(size);
            let root = tree(&leaves).root();
            for old in 1..=size {
                let beginning = &leaves[..usize::try_from(old).unwrap()];
                let old_root = tree(beginning).root();
                let proof = consistency(old, size, nodes(&leaves)).unwrap();
                assert!(verify_consistency(old, &old_root, size, &root, &proof));
                let mut forked = beginning.to_vec();
                *forked.last_mut().unwrap() = leaf_hash(b"forked");
                let fork = tree(&forked).root();
                assert!(!verify_consistency(old, &fork, size, &root, &proof));
                assert!(!verify_consistency(old, &old_root, size, &fork, &proof));
                let mut longer = proof.clone();
                longer.push(root);
                assert!(!verify_consistency(old, &old_root, size, &root, &longer));
            }
        }
    }
}
