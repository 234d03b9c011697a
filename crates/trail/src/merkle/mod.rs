//! The Merkle tree over the trail (RFC 9162, section 2.1; the same as that of RFC 6962): SHA-256, leaves and inner nodes told apart by
//! their first octet.
//!
//! ```
//! use trail::merkle::{Frontier, leaf_hash};
//! let mut log = Frontier::default();
//! log.push(leaf_hash(b"first"));
//! let before = log.root();
//! log.push(leaf_hash(b"second"));
//! assert_ne!(log.root(), before);
//! ```

mod proof;

use aws_lc_rs::digest::{Context, SHA256};

pub use proof::{consistency, inclusion, root, verify_consistency, verify_inclusion};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The hash of a leaf that holds `data`.
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    sha256(&[&[0], data])
}

/// The hash of a node above two others.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// SHA-256 of `parts`, one after the other.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.0.update(part);
    }
    hasher.finish()
}

/// SHA-256 of what is written into it.
pub struct Hasher(Context);

impl Default for Hasher {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl std::io::Write for Hasher {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.update(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Hasher {
    /// The digest.
    #[must_use]
    pub fn finish(self) -> Hash {
        let mut hash = Hash::default();
        let digest = self.0.finish();
        for (octet, from) in hash.iter_mut().zip(digest.as_ref()) {
            *octet = *from;
        }
        hash
    }
}

/// The right edge of a tree: all that is needed to let it grow and to tell its root. Its parts are the roots of the
/// largest full subtrees, from the left; there are as many as the size has bits that are 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    parts: Vec<Hash>,
}

impl Frontier {
    /// The edge with these parts; `None` when a tree of `size` leaves has another number of them.
    #[must_use]
    pub fn from_parts(size: u64, parts: Vec<Hash>) -> Option<Self> {
        let fits = usize::try_from(size.count_ones()).is_ok_and(|count| count == parts.len());
        fits.then_some(Self { size, parts })
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the full subtrees, the largest first.
    #[must_use]
    pub fn parts(&self) -> &[Hash] {
        &self.parts
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.grow(leaf, 1);
    }

    /// Adds a full subtree of `leaves` leaves by its root; `false`, and nothing changed, when it does not fit at this place: `leaves`
    /// must be a power of two that the size is a multiple of.
    pub fn push_subtree(&mut self, root: Hash, leaves: u64) -> bool {
        let fits = leaves.is_power_of_two() && self.size.is_multiple_of(leaves);
        if fits {
            self.grow(root, leaves);
        }
        fits
    }

    fn grow(&mut self, mut root: Hash, mut leaves: u64) {
        let grown = self.size.saturating_add(leaves);
        while self.size & leaves != 0
            && let Some(left) = self.parts.pop()
        {
            root = node_hash(&left, &root);
            leaves <<= 1;
        }
        self.parts.push(root);
        self.size = grown;
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut parts = self.parts.iter().rev();
        let Some(last) = parts.next() else {
            return sha256(&[]);
        };
        parts.fold(*last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The leaves and roots by which implementations of RFC 6962 are compared.
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn hex(hash: &Hash) -> String {
        hash.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn roots_are_those_of_other_implementations() {
        let mut log = Frontier::default();
        assert_eq!(hex(&log.root()), ROOTS[0]);
        for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
            log.push(leaf_hash(leaf));
            assert_eq!(hex(&log.root()), *root, "{}", log.size());
        }
    }

    #[test]
    fn full_subtrees_are_as_good_as_their_leaves() {
        let (mut by_leaf, mut by_tile, mut tile) = (
            Frontier::default(),
            Frontier::default(),
            Frontier::default(),
        );
        for number in 0..44_u8 {
            by_leaf.push(leaf_hash(&[number]));
            tile.push(leaf_hash(&[number]));
            if tile.size() == 8 {
                assert!(by_tile.push_subtree(tile.root(), 8));
                tile = Frontier::default();
            }
        }
        assert!(!by_tile.push_subtree(leaf_hash(b"x"), 16));
        assert!(!by_tile.push_subtree(leaf_hash(b"x"), 3));
        for number in 40..44_u8 {
            by_tile.push(leaf_hash(&[number]));
        }
        assert_eq!(by_tile, by_leaf);
        let again = Frontier::from_parts(by_leaf.size(), by_leaf.parts().to_vec()).unwrap();
        assert_eq!(again.root(), by_leaf.root());
        assert!(Frontier::from_parts(43, by_leaf.parts().to_vec()).is_none());
    }
}
