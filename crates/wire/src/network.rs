//! Networks that a setting may name, where naming everyone is impossible.

use std::{fmt, net::IpAddr, str::FromStr};

/// Shortest IPv4 prefix of an [`ExplicitNetwork`].
pub const SHORTEST_V4: u8 = 8;
/// Shortest IPv6 prefix of an [`ExplicitNetwork`].
pub const SHORTEST_V6: u8 = 32;

/// A network that is small enough to be somebody's: no `0.0.0.0/0`, no `::/0`, nothing shorter than
/// [`SHORTEST_V4`] or [`SHORTEST_V6`].
///
/// Clause 6.1(1)b: the unauthenticated option accepts the office network only. A network that means
/// everyone cannot be written as a value of this type.
///
/// ```
/// use wire::ExplicitNetwork;
/// let office: ExplicitNetwork = "192.0.2.0/24".parse().unwrap();
/// assert!(office.contains("192.0.2.9".parse().unwrap()));
/// assert!(office.contains("::ffff:192.0.2.9".parse().unwrap()));
/// assert!("0.0.0.0/0".parse::<ExplicitNetwork>().is_err());
/// assert!("::ffff:0:0/96".parse::<ExplicitNetwork>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExplicitNetwork {
    base: IpAddr,
    prefix: u8,
}

/// Why a text is no explicit network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not `address` or `address/prefix`.
    #[error("{0:?} is not a network; write it as 192.0.2.0/24 or 2001:db8:1::/48")]
    Syntax(String),
    /// Bits are set beyond the prefix, which is usually a slip of the pen.
    #[error("{0:?} has bits set beyond its prefix; the network itself is {1}")]
    HostBits(String, String),
    /// So wide that it means everyone (clause 6.1(1)b).
    #[error(
        "{0:?} is too wide: at least /{SHORTEST_V4} (IPv4) or /{SHORTEST_V6} (IPv6) is required, since only named networks may be trusted"
    )]
    TooWide(String),
}

impl ExplicitNetwork {
    /// The network of `prefix` bits at `base`.
    ///
    /// # Errors
    /// [`NetworkError`] when it is too wide, or has bits set beyond its prefix.
    pub fn new(base: IpAddr, prefix: u8) -> Result<Self, NetworkError> {
        let text = || format!("{base}/{prefix}");
        // A mapped network would be a second way to write IPv4, past its limit.
        let (base, prefix) = match (base, base.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(v4)) => {
                let Some(prefix) = prefix.checked_sub(96) else {
                    return Err(NetworkError::TooWide(text()));
                };
                (IpAddr::V4(v4), prefix)
            }
            (_, base) => (base, prefix),
        };
        let (longest, shortest) = match base {
            IpAddr::V4(_) => (32, SHORTEST_V4),
            IpAddr::V6(_) => (128, SHORTEST_V6),
        };
        if prefix > longest {
            return Err(NetworkError::Syntax(text()));
        }
        if prefix < shortest {
            return Err(NetworkError::TooWide(text()));
        }
        let network = masked(base, prefix);
        if network != base {
            return Err(NetworkError::HostBits(
                text(),
                format!("{network}/{prefix}"),
            ));
        }
        if base.is_unspecified() {
            return Err(NetworkError::TooWide(text()));
        }
        Ok(Self { base, prefix })
    }

    /// Whether `address` lies in it. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && masked(address, self.prefix) == self.base
    }

    /// Whether it is the machine's own: what it sends crosses no network.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.base.is_loopback()
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.contains(other.base) || other.contains(self.base)
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX
                .checked_shl(32_u32.saturating_sub(prefix))
                .unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128_u32.saturating_sub(prefix))
                .unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl FromStr for ExplicitNetwork {
    type Err = NetworkError;

    /// Reads `address/prefix`, or one address.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let syntax = || NetworkError::Syntax(text.to_owned());
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => {
                if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(syntax());
                }
                (base, Some(prefix.parse().map_err(|_| syntax())?))
            }
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| syntax())?;
        Self::new(
            base,
            prefix.unwrap_or(if base.is_ipv4() { 32 } else { 128 }),
        )
    }
}

impl fmt::Display for ExplicitNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl fmt::Debug for ExplicitNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn everyone_cannot_be_written() {
        for text in [
            "0.0.0.0/0",
            "::/0",
            "0.0.0.0",
            "::",
            "0.0.0.0/8",
            "128.0.0.0/1",
            "10.0.0.0/7",
            "2000::/3",
            "2001::/31",
            "::ffff:0.0.0.0/96",
            "::ffff:10.0.0.0/100",
        ] {
            assert!(text.parse::<ExplicitNetwork>().is_err(), "{text}");
        }
    }

    #[test]
    fn slips_of_the_pen_are_told() {
        for text in [
            "",
            "x",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/33",
            "10.0.0.1/24",
            "10.0.0.0/8/8",
        ] {
            assert!(text.parse::<ExplicitNetwork>().is_err(), "{text}");
        }
        assert!(matches!(
            "10.1.0.0/8".parse::<ExplicitNetwork>(),
            Err(NetworkError::HostBits(..))
        ));
    }

    #[test]
    fn holds_what_it_should() {
        let v4: ExplicitNetwork = "10.0.0.0/8".parse().unwrap();
        assert!(v4.contains("10.255.0.1".parse().unwrap()));
        assert!(!v4.contains("11.0.0.1".parse().unwrap()));
        assert!(!v4.contains("::a00:1".parse().unwrap()));
        let v6: ExplicitNetwork = "2001:db8::/32".parse().unwrap();
        assert!(v6.contains("2001:db8:ffff::1".parse().unwrap()));
        assert!(!v6.contains("2001:db9::1".parse().unwrap()));
        let mapped: ExplicitNetwork = "::ffff:192.0.2.0/120".parse().unwrap();
        assert_eq!(mapped.to_string(), "192.0.2.0/24");
        let within: ExplicitNetwork = "10.1.2.3".parse().unwrap();
        assert!(v4.meets(&within) && within.meets(&v4) && !v6.meets(&v4));
        let one: ExplicitNetwork = "::1".parse().unwrap();
        assert!(one.contains("::1".parse().unwrap()));
    }
}
