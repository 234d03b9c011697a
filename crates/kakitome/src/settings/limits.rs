//! Limits, times and the tables that are mostly numbers.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::Deserialize;
use toml::Spanned;

use super::{
    SettingsError,
    policy::{At, HopKeys, TlsKeys, name_server, networks},
    units::{Size, Time},
};

/// `[limits]`: what one session may ask for, and how many there may be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitKeys {
    /// Largest message.
    pub(crate) message_size: Option<Size>,
    /// Recipients of one transaction.
    pub(crate) recipients: Option<Spanned<usize>>,
    /// Transactions of one SMTP session.
    pub(crate) transactions: Option<usize>,
    /// Commands of one SMTP session.
    pub(crate) commands: Option<usize>,
    /// Errors of one SMTP session.
    pub(crate) errors: Option<usize>,
    /// Failed authentications of one SMTP session.
    pub(crate) authentication_failures: Option<usize>,
    /// Octets of one SMTP command line.
    pub(crate) line_length: Option<Spanned<usize>>,
    /// Octets of one line of a message's content.
    pub(crate) content_line_length: Option<Spanned<usize>>,
    /// Octets of one line of an SMTP authentication.
    pub(crate) auth_line_length: Option<Spanned<usize>>,
    /// Unknown commands of one SMTP session.
    pub(crate) unknown_commands: Option<usize>,
    /// Refused recipients of one SMTP session.
    pub(crate) refused_recipients: Option<usize>,
    /// Octets of a refused message that are read before its session is closed.
    pub(crate) drained_content: Option<Size>,
    /// Received lines of a message before it counts as looping.
    pub(crate) received_lines: Option<usize>,
    /// Octets of messages in memory at once.
    pub(crate) memory: Option<Size>,
    /// SMTP connections in all.
    pub(crate) smtp_connections: Option<usize>,
    /// SMTP connections from one address.
    pub(crate) smtp_connections_per_address: Option<usize>,
    /// Submission connections in all.
    pub(crate) submission_connections: Option<usize>,
    /// Submission connections from one address.
    pub(crate) submission_connections_per_address: Option<usize>,
    /// IMAP and POP3 connections in all.
    pub(crate) retrieval_connections: Option<usize>,
    /// IMAP and POP3 connections from one address.
    pub(crate) retrieval_connections_per_address: Option<usize>,
    /// Browsers' connections in all.
    pub(crate) web_connections: Option<usize>,
    /// Browsers' connections from one address.
    pub(crate) web_connections_per_address: Option<usize>,
    /// Time for a TLS handshake.
    pub(crate) handshake_time: Option<Time>,
    /// Time from the greeting to EHLO.
    pub(crate) greeting_time: Option<Time>,
    /// Time for one SMTP command.
    pub(crate) command_time: Option<Time>,
    /// Silence while a message is sent.
    pub(crate) data_silence: Option<Time>,
    /// Time for a whole message.
    pub(crate) data_time: Option<Time>,
    /// Octets a second that a message brings at least, once `data_silence` has passed.
    pub(crate) data_rate: Option<Size>,
    /// Time for a whole SMTP session.
    pub(crate) session_time: Option<Time>,
    /// Waiting for room in `memory` before an SMTP client is told to come again.
    pub(crate) memory_time: Option<Time>,
    /// Time for a client to take a reply.
    pub(crate) reply_time: Option<Time>,
    /// Time that sessions in the middle of a message have to end when the server stops.
    pub(crate) shutdown_time: Option<Time>,
    /// Events of refused commands, and as many of refused contents, that one SMTP session may write; the rest is
    /// counted into its last one.
    pub(crate) refusal_events: Option<usize>,
    pub(crate) null_senders_per_minute: Option<usize>,
    pub(crate) null_sender_transactions: Option<usize>,
    pub(crate) null_senders_per_network: Option<usize>,
    pub(crate) unknown_recipients_per_network: Option<usize>,
    pub(crate) unknown_recipients_per_minute: Option<usize>,
    pub(crate) unknown_recipient_sessions: Option<usize>,
    /// How long a client whose network is over waits before it is turned away.
    pub(crate) flood_pause: Option<Time>,
}

impl LimitKeys {
    /// What RFC 5321, section 4.5.3.1, and RFC 4954 oblige every server to take: less would refuse proper mail.
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        for (key, least, source) in [
            (&self.recipients, 100, "RFC 5321, section 4.5.3.1.8"),
            (&self.line_length, 512, "RFC 5321, section 4.5.3.1.4"),
            (
                &self.content_line_length,
                1000,
                "RFC 5321, section 4.5.3.1.6",
            ),
            (&self.auth_line_length, 12_288, "RFC 4954, section 4"),
        ] {
            if let Some(key) = key
                && *key.get_ref() < least
            {
                return Err(at(
                    key.span(),
                    format!("{source}, demands at least {least}"),
                ));
            }
        }
        Ok(())
    }
}

/// How often holders are warned of logins without TLS, if nothing is said: the least and the most that may be.
const DEFAULT_WARNING: Duration = Duration::from_secs(180 * 86_400);
const LEAST_WARNING: Duration = Duration::from_secs(86_400);
const MOST_WARNING: Duration = Duration::from_secs(366 * 86_400);

/// `[retrieval]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetrievalKeys {
    /// Networks whose clients may log in without TLS (option of clause 4.1(2)).
    pub(crate) plaintext_networks: Vec<Spanned<String>>,
    /// How often holders are warned where such networks are named.
    pub(crate) plaintext_warning_every: Option<Spanned<Time>>,
    /// Time from connection to login.
    pub(crate) login_time: Option<Time>,
    /// Silence of an IMAP client.
    pub(crate) imap_silence: Option<Time>,
    /// Silence of a POP3 client.
    pub(crate) pop3_silence: Option<Time>,
    /// Sessions of one identifier.
    pub(crate) sessions_per_identifier: Option<usize>,
    /// Failed logins of one session.
    pub(crate) failed_logins: Option<u32>,
    /// Searches that read message text at once.
    pub(crate) concurrent_searches: Option<usize>,
    /// Octets of lists of messages that are kept of lately selected mailboxes.
    pub(crate) view_cache: Option<Size>,
    /// Octets of message text, and of what searches gather, that all sessions together hold; one identifier gets half at most.
    pub(crate) memory_budget: Option<Size>,
}

/// `[delivery]`: how mail leaves.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeliveryKeys {
    /// The port of MX hosts.
    pub(crate) port: Option<u16>,
    /// The address to connect from.
    pub(crate) bind: Option<IpAddr>,
    /// Next hop by destination domain.
    pub(crate) route: BTreeMap<String, Spanned<HopKeys>>,
    /// Next hop for all other domains.
    pub(crate) smarthost: Option<Spanned<HopKeys>>,
    /// Lowest TLS for domains without an entry in `minimum_tls`.
    pub(crate) default_tls: Option<TlsKeys>,
    /// Lowest TLS by destination domain.
    pub(crate) minimum_tls: BTreeMap<String, Spanned<TlsKeys>>,
    /// Waits after failed attempts; the last repeats.
    pub(crate) retry: Option<Spanned<Vec<Time>>>,
    /// The sender is told of a delay after this time.
    pub(crate) warn_after: Option<Spanned<Time>>,
    /// Mail is returned after this time.
    pub(crate) expire_after: Option<Time>,
    /// Deliveries at once.
    pub(crate) concurrency: Option<usize>,
    /// Deliveries at once to one destination.
    pub(crate) concurrency_per_destination: Option<usize>,
    /// How long an idle connection is kept.
    pub(crate) idle: Option<Time>,
    /// Time to connect.
    pub(crate) connect_time: Option<Time>,
    /// Time for the greeting.
    pub(crate) greeting_time: Option<Time>,
    /// Time for a TLS handshake.
    pub(crate) handshake_time: Option<Time>,
    /// Time for the reply to a command.
    pub(crate) command_time: Option<Time>,
    /// Time for the reply to DATA.
    pub(crate) data_start_time: Option<Time>,
    /// Time for a block of data to be taken.
    pub(crate) data_silence: Option<Time>,
    /// Time for the reply to the end of data.
    pub(crate) data_end_time: Option<Time>,
    /// Time that deliveries have to end when the server stops.
    pub(crate) shutdown_time: Option<Time>,
    /// The queue is looked at this often at least.
    pub(crate) queue_interval: Option<Time>,
    /// Percent that a wait may be longer than `retry` says, by chance.
    pub(crate) retry_jitter: Option<u32>,
    /// Messages over one connection.
    pub(crate) messages_per_connection: Option<usize>,
    /// MX hosts tried in one attempt.
    pub(crate) hosts_per_attempt: Option<usize>,
    /// Addresses of one host tried in one attempt.
    pub(crate) addresses_per_host: Option<usize>,
    /// What becomes of 8-bit text for a server without 8BITMIME.
    pub(crate) eight_bit: Option<EightBitKeys>,
    /// Whether policies of other domains (MTA-STS) are heeded. Unless it is said: except on a site that is on the loopback address alone
    /// and names no name servers.
    pub(crate) mta_sts: Option<bool>,
}

/// What becomes of 8-bit text for a server without 8BITMIME, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EightBitKeys {
    /// It is sent as it is.
    Send,
    /// It is returned to its sender.
    Refuse,
}

impl From<EightBitKeys> for transfer::EightBit {
    fn from(keys: EightBitKeys) -> Self {
        match keys {
            EightBitKeys::Send => Self::Send,
            EightBitKeys::Refuse => Self::Refuse,
        }
    }
}

impl DeliveryKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        for hop in self.route.values().chain(&self.smarthost) {
            hop.get_ref().check(at)?;
        }
        for (domain, hop) in &self.route {
            message::address::Domain::parse(domain)
                .map_err(|e| at(hop.span(), format!("{domain:?} is not a domain: {e}")))?;
        }
        for (domain, tls) in &self.minimum_tls {
            message::address::Domain::parse(domain)
                .map_err(|e| at(tls.span(), format!("{domain:?} is not a domain: {e}")))?;
        }
        let expire_after = self
            .expire_after
            .map_or(transfer::Retry::default().expire_after, |time| time.0);
        if let Some(warn_after) = &self.warn_after
            && warn_after.get_ref().0 >= expire_after
        {
            let reason = "mail is returned (expire_after) before its sender would be warned";
            return Err(at(warn_after.span(), reason.into()));
        }
        match &self.retry {
            Some(retry) if retry.get_ref().is_empty() => {
                Err(at(retry.span(), "the retry schedule is empty".into()))
            }
            _ => Ok(()),
        }
    }
}

/// `[web]`: the pages over HTTPS.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebKeys {
    /// How long a session may be silent.
    pub(crate) silence: Option<Time>,
    /// How long a session lasts at most.
    pub(crate) session_time: Option<Time>,
    /// Time for a request to come, and for its answer.
    pub(crate) request_time: Option<Time>,
    /// How long one connection lasts at most.
    pub(crate) connection_time: Option<Time>,
}

/// `[dns]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DnsKeys {
    /// Name servers to ask. Default: the system's.
    pub(crate) servers: Vec<Spanned<String>>,
    /// Time for one question.
    pub(crate) time: Option<Time>,
    /// Whether the servers are believed in what they say of DNSSEC.
    pub(crate) dnssec: DnssecKeys,
}

/// Whether name servers are believed in what they say of DNSSEC, in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DnssecKeys {
    /// Those of this machine are.
    #[default]
    Auto,
    /// They are.
    Trust,
    /// They are not.
    Off,
}

impl From<DnssecKeys> for transfer::Dnssec {
    fn from(keys: DnssecKeys) -> Self {
        match keys {
            DnssecKeys::Auto => Self::Auto,
            DnssecKeys::Trust => Self::Trust,
            DnssecKeys::Off => Self::Off,
        }
    }
}

/// `[directory]`: identifiers and proofs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DirectoryKeys {
    /// Divides a local part from its sub-address; empty: no sub-addresses.
    pub(crate) tag_separator: String,
    /// How long a proof is remembered.
    pub(crate) proof_lifetime: Time,
    /// Failed logins before answers slow down.
    pub(crate) free_failures: u32,
    /// The longest that an answer is held back.
    pub(crate) longest_delay: Time,
    /// Argon2id memory.
    pub(crate) argon2_memory: Size,
    /// Argon2id passes.
    pub(crate) argon2_passes: u32,
    /// SCRAM iterations.
    pub(crate) scram_iterations: u32,
    /// Quota of new accounts.
    pub(crate) default_quota: Option<Size>,
    /// One person may do what the regulation splits between two.
    pub(crate) allow_single_person: bool,
    /// No account without an acknowledgement of the records (clause 9.1(2)).
    pub(crate) acknowledgement_required: bool,
    /// An initial password opens only the page where it is changed (clause 7.1(1)c).
    pub(crate) initial_only_to_change: bool,
    /// What would let another read a mailbox needs an order (clause 7.1(4)).
    pub(crate) password_needs_order: bool,
    /// What goes on elsewhere stays in the mailbox too.
    pub(crate) forwards_keep_copy: bool,
    /// Holders may forward to outside without an order.
    pub(crate) outside_forwards: bool,
    /// Fewest characters of a chosen password.
    pub(crate) shortest_password: u32,
    /// Chosen passwords are composed to the letter of clause 7.1(1)a, however long.
    pub(crate) strict_2006: bool,
    /// A deletion is carried out in the backups that are at their place, too.
    pub(crate) delete_in_backups: bool,
    /// Who must have a second factor on the pages.
    pub(crate) second_factor: SecondFactor,
    /// The password alone of those who must have one, and have none, opens nothing but the pages.
    pub(crate) second_factor_for_mail: bool,
    /// How long an identifier may lie idle before its holder is warned; 0: for ever.
    pub(crate) idle_after: Time,
    /// How long after that it is suspended; 0: never.
    pub(crate) idle_grace: Time,
    /// How long a person may be off the personnel's list before their identifiers are suspended; 0: for ever.
    pub(crate) roster_grace: Time,
    /// How long an order waits for its approval, and how long it can be used then; how long an officer who ceased to be one counts on.
    pub(crate) order_lifetime: Time,
}

/// Who must have a second factor.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecondFactor {
    Optional,
    Officers,
    Everyone,
}

impl From<SecondFactor> for directory::SecondFactor {
    fn from(who: SecondFactor) -> Self {
        match who {
            SecondFactor::Optional => Self::Optional,
            SecondFactor::Officers => Self::Officers,
            SecondFactor::Everyone => Self::Everyone,
        }
    }
}

impl Default for DirectoryKeys {
    fn default() -> Self {
        Self {
            tag_separator: "+".to_owned(),
            proof_lifetime: Time::seconds(600),
            free_failures: 3,
            longest_delay: Time::seconds(30),
            argon2_memory: Size(19_456 << 10),
            argon2_passes: 2,
            scram_iterations: 10_000,
            default_quota: None,
            allow_single_person: false,
            acknowledgement_required: false,
            initial_only_to_change: false,
            password_needs_order: true,
            forwards_keep_copy: true,
            outside_forwards: false,
            shortest_password: 8,
            strict_2006: false,
            delete_in_backups: true,
            second_factor: SecondFactor::Officers,
            second_factor_for_mail: false,
            idle_after: Time::seconds(90 * 86_400),
            idle_grace: Time::seconds(30 * 86_400),
            roster_grace: Time::seconds(30 * 86_400),
            order_lifetime: Time::seconds(30 * 86_400),
        }
    }
}

/// `[store]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreKeys {
    /// Segments are closed at this size.
    pub(crate) segment_size: Size,
    /// Free room on the disk below which mail is put off.
    pub(crate) reserve: Size,
    /// Dead bytes from which on a segment is written anew, if they are a third of it.
    pub(crate) waste: Size,
    /// Mail smaller than this is kept uncompressed.
    pub(crate) compress_from: Size,
    /// Connections kept for readers.
    pub(crate) readers: usize,
    /// After so long without a change the database's log is emptied.
    pub(crate) log_rest: Time,
}

impl Default for StoreKeys {
    fn default() -> Self {
        Self {
            segment_size: Size::mebibytes(256),
            reserve: Size::mebibytes(64),
            waste: Size::mebibytes(8),
            compress_from: Size(8 << 10),
            readers: 8,
            log_rest: Time::seconds(30),
        }
    }
}

impl StoreKeys {
    /// Whether `other` asks for the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let all = |keys: &Self| {
            let sizes = [
                keys.segment_size,
                keys.reserve,
                keys.waste,
                keys.compress_from,
            ];
            (sizes, keys.readers, keys.log_rest)
        };
        all(self) == all(other)
    }
}

impl super::Settings {
    /// How often holders are warned where networks are named that may log in without TLS.
    pub(crate) fn plaintext_warned_every(&self) -> jiff::SignedDuration {
        let every = self.retrieval.plaintext_warning_every.as_ref();
        let every = every.map_or(DEFAULT_WARNING, |every| every.get_ref().0);
        every.try_into().unwrap_or(jiff::SignedDuration::MAX)
    }

    /// Checks what `[dns]` and `[retrieval]` name; called with the rest of the settings.
    pub(super) fn check_names(&self, at: At<'_>) -> Result<(), SettingsError> {
        for server in &self.dns.servers {
            name_server(server.get_ref()).map_err(|reason| at(server.span(), reason))?;
        }
        networks(&self.retrieval.plaintext_networks, at)?;
        if let Some(every) = &self.retrieval.plaintext_warning_every
            && !(LEAST_WARNING..=MOST_WARNING).contains(&every.get_ref().0)
        {
            let reason = "plaintext_warning_every lies between 1d and 366d".to_owned();
            return Err(at(every.span(), reason));
        }
        Ok(())
    }
}
