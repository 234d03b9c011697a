//! What an operator can set about retrieval sessions.

use std::{net::IpAddr, time::Duration};

use wire::ExplicitNetwork;

/// Limits and times of IMAP and POP3 sessions. Every field has a default that ordinary mail programs stay far below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Networks whose clients may log in without TLS. Default none: clause 4.3 wants passwords protected on their way.
    pub plaintext_networks: Vec<ExplicitNetwork>,
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
    /// The longest that a client may take nothing of what is written to it, the longest pause inside a command or an
    /// APPEND literal, and the longest wait for [`memory_budget`](Self::memory_budget) before a command is refused.
    /// Default 1 min.
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
    /// Octets of all messages of one APPEND (RFC 3502). A client that is sending a larger literal without having asked is
    /// disconnected (RFC 7888, section 4). Default 100 MiB.
    pub append_total: u64,
    /// Messages of one APPEND (RFC 3502). Default 100.
    pub append_count: usize,
    /// Whether what is appended goes through the [`crate::Gate`], where there is one. Default false.
    pub append_gated: bool,
    /// Octets of message text that all sessions together may hold in memory: for APPEND, FETCH of bodies, RETR. A session
    /// that needs more waits for others, for [`stall_timeout`](Self::stall_timeout) at most; an eighth is kept for texts up to 256 KiB, and one identifier gets half at most.
    /// What SEARCH, SORT and THREAD gather counts as well, as long as it is held: up to 36 octets a message, from 78 octets a message
    /// and its keys, and from 258 octets a message and 136 a reference. What would exceed the half of its identifier is refused
    /// (`NO [LIMIT]`). What happened in the selected mailbox counts from 64 KiB on until it is told, 16 octets for each message that
    /// changed and the lists that are made of it: if there is no room in time, it is told later.
    /// Default 256 MiB.
    pub memory_budget: u64,
    /// Octets that lists of messages of lately selected mailboxes may take, 16 for each message, so that a mailbox is not
    /// read anew by each SELECT. Default 64 MiB.
    ///
    /// A session whose mailbox has changed since it was selected has a list of its own besides, which counts neither here nor in
    /// [`memory_budget`](Self::memory_budget): 16 octets for each message of that one mailbox, so that an identifier's sessions
    /// take at most 16 × messages × [`sessions_per_identifier`](Self::sessions_per_identifier), and 4 more for each message that a
    /// SEARCH saved.
    pub view_cache: u64,
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
            append_gated: false,
            memory_budget: 256 << 20,
            view_cache: 64 << 20,
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
