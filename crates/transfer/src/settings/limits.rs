//! What one session may ask for, and how long it may take.

use std::time::Duration;

/// Limits on what one session may ask for. Each has its reply; none closes a session that keeps to RFC 5321.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message in octets (SIZE). Default 50 MiB.
    pub message_octets: u64,
    /// Recipients of one transaction; RFC 5321, section 4.5.3.1.8, demands 100. Default 1000.
    pub recipients: usize,
    /// Transactions of one session. Default 1000.
    pub transactions: usize,
    /// Commands of one session. Default 20,000.
    pub commands: usize,
    /// Errors of one session (5xx replies) before it is closed. Default 50.
    pub errors: usize,
    /// Failed authentications of one session before it is closed. Default 5.
    pub authentication_failures: usize,
    /// Octets of one command line without AUTH data. Default 2048, for RFC 5321, section 4.5.3.1.4, with extensions.
    pub line_octets: usize,
    /// Octets of one line of content that comes by DATA; RFC 5321, section 4.5.3.1.6, demands 1000. Default 65,536.
    pub content_line_octets: usize,
    /// Octets of an AUTH command, or of a line of its exchange; RFC 4954, section 4, demands 12,288, the default.
    pub auth_line_octets: usize,
    /// Unknown commands of one session before it is closed. Default 10.
    pub unknown_commands: usize,
    /// Recipients of one session that are refused for good before it is closed: a bound on guessing. Default 100.
    pub refused_recipients: usize,
    /// Octets of a refused content that are read and thrown away, so that the client hears the reply, before the
    /// session is closed. Default 100 MiB.
    pub drained_octets: u64,
    /// Octets a second that a message must bring on average once [`Times::data_silence`] has passed since it began;
    /// 0 demands nothing. Default 1 KiB.
    pub data_rate: u64,
    /// Received lines of a message before it counts as looping (RFC 5321, section 6.3). Default 50.
    pub received_lines: usize,
    /// Events of refusal that one session may write; what follows is counted into the session's last one. Default 20.
    pub refusal_events: usize,
    /// Transactions without a sender from outside in a minute, of all sessions; more are put off. Default 600.
    pub null_senders_per_minute: u32,
    /// The same that may be open at once. Default 20.
    pub null_sender_transactions: usize,
    /// Transactions without a sender in a minute from one client network (an IPv4 address, a /64 of IPv6). Default 120.
    pub null_senders_per_network: u32,
    /// Recipients in a minute who are not here, from one client network; each of a message that screening found nothing against forgives
    /// one. Default 120.
    pub unknown_recipients_per_network: u32,
    /// The same from all networks that no such message came from in the last 7 days. Default 1200.
    pub unknown_recipients_per_minute: u32,
    /// Sessions of such networks that may be open at once after they named somebody who is not here; and clients that may wait at once
    /// to be turned away. Default 50.
    pub unknown_recipient_sessions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_octets: 50 << 20,
            recipients: 1000,
            transactions: 1000,
            commands: 20_000,
            errors: 50,
            authentication_failures: 5,
            line_octets: 2048,
            content_line_octets: 65_536,
            auth_line_octets: 12_288,
            unknown_commands: 10,
            refused_recipients: 100,
            drained_octets: 100 << 20,
            data_rate: 1024,
            received_lines: 50,
            refusal_events: 20,
            null_senders_per_minute: 600,
            null_sender_transactions: 20,
            null_senders_per_network: 120,
            unknown_recipients_per_network: 120,
            unknown_recipients_per_minute: 1200,
            unknown_recipient_sessions: 50,
        }
    }
}

/// Time that each phase of a session may take, as a server (RFC 5321, section 4.5.3.2.7, wishes 5 minutes for commands).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The TLS handshake. Default 30 s.
    pub handshake: Duration,
    /// From the greeting to EHLO. Default 1 minute.
    pub greeting: Duration,
    /// One command. Default 5 minutes.
    pub command: Duration,
    /// Silence while a message is sent. Default 3 minutes.
    pub data_silence: Duration,
    /// A whole message, however it trickles. Default 30 minutes.
    pub data: Duration,
    /// Waiting for room in the memory for messages, before the client is told to come again (452). Default 20 s.
    pub memory: Duration,
    /// A whole session. Default 4 hours.
    pub session: Duration,
    /// Writing a reply to a client that does not read. Default 1 minute.
    pub write: Duration,
    /// How long a session in the middle of a message may go on after shutdown began. Default 20 s.
    pub drain: Duration,
    /// How long a client waits before it is turned away, since its network is over a budget of [`Limits`]. Default 1 s.
    pub flood_pause: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(30),
            greeting: Duration::from_secs(60),
            command: Duration::from_secs(300),
            data_silence: Duration::from_secs(180),
            data: Duration::from_secs(1800),
            memory: Duration::from_secs(20),
            session: Duration::from_secs(4 * 3600),
            write: Duration::from_secs(60),
            drain: Duration::from_secs(20),
            flood_pause: Duration::from_secs(1),
        }
    }
}
