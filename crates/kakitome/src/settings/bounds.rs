//! Values that cannot work by themselves or together: each is an error at its line, before anything is served.

use std::{net::IpAddr, ops::Range, path::Path, time::Duration};

use toml::de::DeTable;

use super::{
    Service, Settings, SettingsError,
    units::{Size, Time},
};

/// The file that settings came from: turns a key or a place in it into an error that points there.
pub(super) struct Places<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl Places<'_> {
    /// An error at `span`.
    pub(super) fn at(&self, span: Range<usize>, message: String) -> SettingsError {
        SettingsError::at(self.name, self.text, span, message)
    }

    /// An error at the last key of `path` that stands in the file.
    pub(super) fn at_key(&self, path: &[&str], message: String) -> SettingsError {
        self.at(self.find(path).0, message)
    }

    /// Whether the whole of `path` stands in the file.
    fn has(&self, path: &[&str]) -> bool {
        self.find(path).1
    }

    /// The place of the last part of `path` that is there, and whether that is all of it.
    fn find(&self, path: &[&str]) -> (Range<usize>, bool) {
        let mut place = 0..0;
        let Ok(root) = DeTable::parse(self.text) else {
            return (place, false);
        };
        let mut table = Some(root.get_ref());
        for name in path {
            let found = table.and_then(|table| {
                table
                    .iter()
                    .find(|(key, _)| key.get_ref().as_ref() == *name)
            });
            let Some((key, value)) = found else {
                return (place, false);
            };
            place = key.span();
            table = value.get_ref().as_table();
        }
        (place, true)
    }
}

/// Events wait no longer for a checkpoint over them.
const MOST_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

/// A number that must not be below another.
type Least = (&'static str, &'static str, Option<u64>, u64);
/// A time that must not be nothing.
type Lasting = (&'static str, &'static str, Option<Time>);

impl Settings {
    /// Checks every number and time by itself, and those that depend on each other.
    pub(super) fn check_bounds(&self, places: &Places<'_>) -> Result<(), SettingsError> {
        let counts = self
            .counts_of_limits()
            .into_iter()
            .chain(self.counts_of_rooms());
        for (section, key, value, least) in counts {
            if value.is_some_and(|value| value < least) {
                let message = format!("{key} must be {least} at least");
                return Err(places.at_key(&[section, key], message));
            }
        }
        for (section, key, time) in self.times() {
            if time.is_some_and(|time| time.0.is_zero()) {
                let message = format!("{key} must be longer than no time at all");
                return Err(places.at_key(&[section, key], message));
            }
        }
        self.check_sizes(places)?;
        if self.audit.checkpoint_interval.0 > MOST_CHECKPOINT_INTERVAL {
            let message = "checkpoint_interval must be 1m at most (clause 4.2(2))";
            return Err(places.at_key(&["audit", "checkpoint_interval"], message.into()));
        }
        if let Some((key, why)) = self.audit.analysis.fault() {
            return Err(places.at_key(&["audit", "analysis", key], why));
        }
        self.check_directory(places)?;
        self.check_listeners(places)?;
        if let Some(retry) = &self.delivery.retry
            && retry.get_ref().iter().any(|time| time.0.is_zero())
        {
            let message = "a wait of no time at all would try again without end";
            return Err(places.at(retry.span(), message.into()));
        }
        Ok(())
    }

    fn counts_of_limits(&self) -> Vec<Least> {
        let keys = &self.limits;
        let at_least =
            |least: u64| move |key, value: Option<usize>| ("limits", key, count(value), least);
        let one = at_least(1);
        vec![
            one("transactions", keys.transactions),
            one("commands", keys.commands),
            one("errors", keys.errors),
            one("authentication_failures", keys.authentication_failures),
            one("received_lines", keys.received_lines),
            one("smtp_connections", keys.smtp_connections),
            one(
                "smtp_connections_per_address",
                keys.smtp_connections_per_address,
            ),
            one("submission_connections", keys.submission_connections),
            one(
                "submission_connections_per_address",
                keys.submission_connections_per_address,
            ),
            one("retrieval_connections", keys.retrieval_connections),
            one(
                "retrieval_connections_per_address",
                keys.retrieval_connections_per_address,
            ),
            one("web_connections", keys.web_connections),
            one(
                "web_connections_per_address",
                keys.web_connections_per_address,
            ),
            one("unknown_commands", keys.unknown_commands),
            one("refused_recipients", keys.refused_recipients),
            one("null_senders_per_minute", keys.null_senders_per_minute),
            one("null_sender_transactions", keys.null_sender_transactions),
            one("null_senders_per_network", keys.null_senders_per_network),
            one(
                "unknown_recipients_per_network",
                keys.unknown_recipients_per_network,
            ),
            one(
                "unknown_recipients_per_minute",
                keys.unknown_recipients_per_minute,
            ),
            one(
                "unknown_recipient_sessions",
                keys.unknown_recipient_sessions,
            ),
        ]
    }

    fn counts_of_rooms(&self) -> Vec<Least> {
        let (delivery, retrieval) = (&self.delivery, &self.retrieval);
        let sending = |key, value: Option<usize>| ("delivery", key, count(value), 1);
        let reading = |key, value: Option<usize>| ("retrieval", key, count(value), 1);
        let identity = |key, value: u32, least| ("directory", key, Some(u64::from(value)), least);
        vec![
            sending("concurrency", delivery.concurrency),
            sending(
                "concurrency_per_destination",
                delivery.concurrency_per_destination,
            ),
            sending("messages_per_connection", delivery.messages_per_connection),
            sending("hosts_per_attempt", delivery.hosts_per_attempt),
            sending("addresses_per_host", delivery.addresses_per_host),
            sending("port", delivery.port.map(usize::from)),
            reading("sessions_per_identifier", retrieval.sessions_per_identifier),
            reading("concurrent_searches", retrieval.concurrent_searches),
            (
                "retrieval",
                "failed_logins",
                retrieval.failed_logins.map(u64::from),
                1,
            ),
            identity("argon2_passes", self.directory.argon2_passes, 1),
            // Clause 7.1(1)a
            identity("shortest_password", self.directory.shortest_password, 8),
            // RFC 7677, section 4
            identity("scram_iterations", self.directory.scram_iterations, 4096),
            ("store", "readers", count(Some(self.store.readers)), 1),
            (
                "audit",
                "rotate_months",
                Some(u64::from(self.audit.rotate_months)),
                1,
            ),
            (
                "audit",
                "retain_years",
                Some(u64::from(self.audit.retain_years)),
                1,
            ),
        ]
    }

    fn times(&self) -> Vec<Lasting> {
        let (limits, delivery, retrieval) = (&self.limits, &self.delivery, &self.retrieval);
        vec![
            (
                "audit",
                "checkpoint_interval",
                Some(self.audit.checkpoint_interval),
            ),
            (
                "audit",
                "witness_interval",
                Some(self.audit.witness_interval),
            ),
            ("limits", "handshake_time", limits.handshake_time),
            ("limits", "greeting_time", limits.greeting_time),
            ("limits", "command_time", limits.command_time),
            ("limits", "data_silence", limits.data_silence),
            ("limits", "data_time", limits.data_time),
            ("limits", "session_time", limits.session_time),
            ("limits", "reply_time", limits.reply_time),
            ("delivery", "expire_after", delivery.expire_after),
            ("delivery", "connect_time", delivery.connect_time),
            ("delivery", "greeting_time", delivery.greeting_time),
            ("delivery", "handshake_time", delivery.handshake_time),
            ("delivery", "command_time", delivery.command_time),
            ("delivery", "data_start_time", delivery.data_start_time),
            ("delivery", "data_silence", delivery.data_silence),
            ("delivery", "data_end_time", delivery.data_end_time),
            ("delivery", "queue_interval", delivery.queue_interval),
            ("retrieval", "login_time", retrieval.login_time),
            ("retrieval", "imap_silence", retrieval.imap_silence),
            ("retrieval", "pop3_silence", retrieval.pop3_silence),
            ("web", "silence", self.web.silence),
            ("web", "session_time", self.web.session_time),
            ("web", "request_time", self.web.request_time),
            ("web", "connection_time", self.web.connection_time),
            (
                "directory",
                "order_lifetime",
                Some(self.directory.order_lifetime),
            ),
            ("dns", "time", self.dns.time),
        ]
    }

    fn check_sizes(&self, places: &Places<'_>) -> Result<(), SettingsError> {
        let usual = transfer::Settings::default();
        let largest = self
            .limits
            .message_size
            .map_or(usual.limits.message_octets, |size| size.0);
        let memory = self.limits.memory.map_or(usual.memory, |size| size.0);
        if largest < LEAST_MESSAGE.0 {
            let message = "message_size must be 64KiB at least (RFC 5321, section 4.5.3.1.7)";
            return Err(places.at_key(&["limits", "message_size"], message.into()));
        }
        if memory < largest {
            let message = "message_size is above memory: the largest message must fit into the memory for all of them";
            let key = match self.limits.message_size {
                Some(_) => "message_size",
                None => "memory",
            };
            return Err(places.at_key(&["limits", key], message.into()));
        }
        if self.store.segment_size.0 < LEAST_SEGMENT.0 {
            let message = "segment_size must be 1MiB at least";
            return Err(places.at_key(&["store", "segment_size"], message.into()));
        }
        Ok(())
    }

    fn check_directory(&self, places: &Places<'_>) -> Result<(), SettingsError> {
        let keys = &self.directory;
        if !(LEAST_ARGON2.0..=MOST_ARGON2.0).contains(&keys.argon2_memory.0) {
            let message = "argon2_memory lies between 8KiB and 4GiB; 19MiB is usual";
            return Err(places.at_key(&["directory", "argon2_memory"], message.into()));
        }
        if keys.shortest_password > MOST_SHORTEST {
            let message = format!("shortest_password must be {MOST_SHORTEST} at most");
            return Err(places.at_key(&["directory", "shortest_password"], message));
        }
        let mut characters = keys.tag_separator.chars();
        let divides = |c: char| c.is_ascii_punctuation() && !matches!(c, '@' | '.' | '"' | '\\');
        match (characters.next(), characters.next()) {
            (None, _) => Ok(()),
            (Some(one), None) if divides(one) => Ok(()),
            _ => {
                let message = "tag_separator is one character such as \"+\" or \"-\", or empty for no sub-addresses";
                Err(places.at_key(&["directory", "tag_separator"], message.into()))
            }
        }
    }

    /// No two listeners may want one port of one address.
    fn check_listeners(&self, places: &Places<'_>) -> Result<(), SettingsError> {
        let addresses = self.listen.addresses.get_ref();
        for (at, address) in addresses.iter().enumerate() {
            if addresses
                .iter()
                .take(at)
                .any(|other| overlap(*other, *address))
            {
                let message = format!(
                    "{address} is named twice, or is one of all addresses, which are named too"
                );
                return Err(places.at(self.listen.addresses.span(), message));
            }
        }
        let services = self.services();
        for (at, (service, port)) in services.iter().enumerate() {
            let taken = services
                .iter()
                .take(at)
                .find(|(other, taken)| taken == port && self.meet(*service, *other));
            if let Some((other, _)) = taken {
                let message = format!(
                    "{} and {} cannot both have port {port}",
                    other.name(),
                    service.name()
                );
                let named = |service: &Service| places.has(&["listen", service.name()]);
                let key = if named(service) { service } else { other };
                return Err(places.at_key(&["listen", key.name()], message));
            }
        }
        Ok(())
    }

    /// Whether the two listen on an address that is the same.
    fn meet(&self, one: Service, other: Service) -> bool {
        let others = self.listen.addresses_of(other);
        self.listen
            .addresses_of(one)
            .iter()
            .any(|address| others.iter().any(|other| overlap(*address, *other)))
    }

    /// Reads the files that hops name, as serving will, so that a missing one is told of with its line.
    pub(super) fn check_files(
        &self,
        directory: &Path,
        places: &Places<'_>,
    ) -> Result<(), SettingsError> {
        let mailbox_server = self
            .exchange
            .mailbox_server
            .iter()
            .map(|hop| (vec!["exchange", "mailbox_server"], hop));
        let smarthost = self
            .delivery
            .smarthost
            .iter()
            .map(|hop| (vec!["delivery", "smarthost"], hop));
        let routes = self
            .delivery
            .route
            .iter()
            .map(|(domain, hop)| (vec!["delivery", "route", domain.as_str()], hop));
        for (mut path, hop) in mailbox_server.chain(smarthost).chain(routes) {
            if let Err(fault) = hop.get_ref().next_hop(directory) {
                path.push(fault.key);
                return Err(places.at_key(&path, fault.reason));
            }
        }
        for keys in &self.audit.forward {
            let ready = keys.get_ref().ready(directory);
            ready.map_err(|reason| places.at(keys.span(), reason))?;
        }
        let roots = self.probe.roots(directory);
        roots.map_err(|reason| places.at_key(&["probe", "ca_file"], reason))?;
        let roots = self.vulnerabilities.roots(directory);
        roots.map_err(|reason| places.at_key(&["vulnerabilities", "ca_file"], reason))?;
        Ok(())
    }
}

/// RFC 5321, section 4.5.3.1.7.
const LEAST_MESSAGE: Size = Size(64 << 10);
/// Smaller segments would be one file a message.
const LEAST_SEGMENT: Size = Size::mebibytes(1);
/// Argon2 has no less (RFC 9106, section 3.1: 8 KiB for each lane), and no more than 32 bits of KiB are sensible.
/// More would be a rule that nobody can keep.
const MOST_SHORTEST: u32 = 64;
const LEAST_ARGON2: Size = Size(8 << 10);
const MOST_ARGON2: Size = Size::mebibytes(4096);

fn count(value: Option<usize>) -> Option<u64> {
    value.map(|value| u64::try_from(value).unwrap_or(u64::MAX))
}

/// Whether who listens on the one is in the way of who listens on the other.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    let all = |address: IpAddr| address.is_unspecified() && one.is_ipv4() == other.is_ipv4();
    one == other || all(one) || all(other)
}

/// A key of a hop whose file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct HopFault {
    key: &'static str,
    reason: String,
}

impl HopFault {
    pub(super) fn new(key: &'static str, reason: String) -> Self {
        Self { key, reason }
    }
}
