//! What an operator can set about retrieval sessions.

use std::{net::IpAddr, str::FromStr, time::Duration};

/// Limits and times of IMAP and POP3 sessions. Every field has a default that ordinary mail programs stay far below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Networks whose clients may log in without TLS. Default none: clause 4.3 wants passwords protected on their way.
    pub plaintext_networks: Vec<Network>,
    /// The longest TLS handshake. Default 30 s.
    pub handshake_timeout: Duration,
    /// How long a client may stay without having logged in. Default 2 min.
    pub login_timeout: Duration,
    /// How long an authenticated IMAP client may say nothing. RFC 9051, section 5.4 demands 30 min at least. Default 31 min.
    pub imap_timeout: Duration,
    /// How long an authenticated POP3 client may say nothing. RFC 1939, section 3 demands 10 min at least. Default 11 min.
    pub pop3_timeout: Duration,
    /// How often a client in IDLE, or one waiting for a long search, is told that the connection lives. Default 2 min.
    pub keepalive: Duration,
    /// The longest that a client may take nothing of what is written to it, and the longest pause inside a command or
    /// an APPEND literal. Default 1 min.
    pub stall_timeout: Duration,
    /// Octets a second that a client must take of a large answer or give of a large literal, on average, after the first
    /// [`stall_timeout`](Self::stall_timeout). Default 1024.
    pub minimum_rate: u64,
    /// Failed logins after which a session ends. Default 3.
    pub failed_logins: u32,
    /// Commands that cannot be understood, after which a session ends. Default 50.
    pub bad_commands: u32,
    /// Sessions of one identifier at once. Default 100.
    pub sessions_per_identifier: usize,
    /// Octets of one appended message (APPENDLIMIT, RFC 7889). Default 50 MiB.
    pub append_limit: u64,
    /// Octets of all messages of one APPEND (RFC 3502). Default 100 MiB.
    pub append_total: u64,
    /// Messages of one APPEND (RFC 3502). Default 100.
    pub append_count: usize,
    /// Octets of message text that all sessions together may hold in memory: for APPEND, FETCH of bodies, RETR. A session
    /// that needs more waits for others. Default 256 MiB.
    pub memory_budget: u64,
    /// Searches that read message text at once, over all sessions. Default 4.
    pub concurrent_searches: usize,
    /// Octets of one IMAP command without its literals, and of what is read ahead while a long command is carried out.
    /// Default 64 KiB.
    pub line_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            plaintext_networks: Vec::new(),
            handshake_timeout: Duration::from_secs(30),
            login_timeout: Duration::from_mins(2),
            imap_timeout: Duration::from_mins(31),
            pop3_timeout: Duration::from_mins(11),
            keepalive: Duration::from_mins(2),
            stall_timeout: Duration::from_mins(1),
            minimum_rate: 1024,
            failed_logins: 3,
            bad_commands: 50,
            sessions_per_identifier: 100,
            append_limit: 50 << 20,
            append_total: 100 << 20,
            append_count: 100,
            memory_budget: 256 << 20,
            concurrent_searches: 4,
            line_limit: 64 << 10,
        }
    }
}

impl Settings {
    /// Whether a client at `peer` may log in on a connection without TLS.
    #[must_use]
    pub fn permits_plaintext(&self, peer: IpAddr) -> bool {
        self.plaintext_networks
            .iter()
            .any(|network| network.contains(peer))
    }
}

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network: an address is expected, with a prefix length as in 192.0.2.0/24")]
pub struct NotANetwork(pub String);

impl Network {
    /// The network of the first `prefix` bits of `address`; `None` when there are not so many bits.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// Whether `peer` is inside. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(peer)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.prefix));
                let cut = |bits: u32| bits.checked_shr(shift).unwrap_or(0);
                cut(network.to_bits()) == cut(peer.to_bits())
            }
            (IpAddr::V6(network), IpAddr::V6(peer)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.prefix));
                let cut = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                cut(network.to_bits()) == cut(peer.to_bits())
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.parse().map_err(|_| wrong()))?;
        Self::new(address, prefix).ok_or_else(wrong)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn networks_hold_what_they_say() {
        let contains = |network: &str, peer: &str| {
            network
                .parse::<Network>()
                .unwrap()
                .contains(peer.parse().unwrap())
        };
        assert!(contains("192.0.2.0/24", "192.0.2.255"));
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.1"));
        assert!(!contains("192.0.2.0/24", "192.0.3.0"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("127.0.0.1", "127.0.0.1"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        for wrong in [
            "",
            "192.0.2.0/33",
            "::/129",
            "host",
            "192.0.2.0/",
            "1.2.3.4/x",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
