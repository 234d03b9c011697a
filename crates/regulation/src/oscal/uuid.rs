//! Universal ids that are made of names (RFC 9562, section 5.5).

use sha1::{Digest, Sha1};

/// The name space for URLs and the like; every name begins with `urn:kakitome:oscal`.
const OURS: [u8; 16] = [
    0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
];

/// The id of what `names` name together, each part told from the next.
pub(super) fn of(names: &[&str]) -> String {
    let mut name = super::NAMESPACE.to_owned();
    for part in names {
        // A part that holds the mark between parts cannot be taken for two.
        name.push('|');
        name.push_str(&part.replace('%', "%25").replace('|', "%7C"));
    }
    version_5(OURS, name.as_bytes())
}

fn version_5(space: [u8; 16], name: &[u8]) -> String {
    let digest: [u8; 20] = Sha1::new()
        .chain_update(space)
        .chain_update(name)
        .finalize()
        .into();
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = digest;
    let version = (g & 0x0f) | 0x50;
    let variant = (i & 0x3f) | 0x80;
    format!(
        "{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-{version:02x}{h:02x}-{variant:02x}{j:02x}-\
         {k:02x}{l:02x}{m:02x}{n:02x}{o:02x}{p:02x}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name space for the DNS and the example of RFC 9562, appendix A.4.
    #[test]
    fn ids_are_as_the_standard_makes_them() {
        let mut dns = OURS;
        if let Some(octet) = dns.get_mut(3) {
            *octet = 0x10;
        }
        assert_eq!(
            version_5(dns, b"www.example.com"),
            "2ed6657d-e927-568b-95e1-2665a8aea6a2"
        );
    }

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(of(&["a|b"]), of(&["a", "b"]));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
    }
}
