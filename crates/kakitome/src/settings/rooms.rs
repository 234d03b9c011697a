//! The settings as each room takes them.

use std::{path::Path, sync::Arc, time::Duration};

use message::address::{Address, Domain};
use toml::Spanned;
use wire::ExplicitNetwork;

use super::{
    Role, Settings,
    limits::RetrievalKeys,
    policy::{HopKeys, name_server},
    units::{Size, Time},
};

/// What is left for commits and farewells after the last time to drain is over.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Octets of memory for message text below which a single FETCH may never end.
const LEAST_MEMORY: u64 = 1 << 20;

/// Puts `value` into `place` when it was set.
fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn put_number(place: &mut usize, value: Option<&Spanned<usize>>) {
    put(place, value.map(|number| *number.get_ref()));
}

fn put_time(place: &mut Duration, value: Option<Time>) {
    put(place, value.map(|time| time.0));
}

fn networks(texts: &[Spanned<String>]) -> Result<Vec<ExplicitNetwork>, String> {
    texts
        .iter()
        .map(|text| text.get_ref().parse().map_err(|error| format!("{error}")))
        .collect::<Result<_, _>>()
}

/// A text that was checked when the settings were read.
fn domain(text: &str) -> Result<Domain, String> {
    Domain::parse(text).map_err(|error| format!("{text:?} is not a domain: {error}"))
}

fn next_hop(keys: &Spanned<HopKeys>, directory: &Path) -> Result<transfer::NextHop, String> {
    keys.get_ref()
        .next_hop(directory)
        .map_err(|fault| fault.to_string())
}

impl Settings {
    /// For the directory.
    pub(crate) fn directory_options(&self) -> directory::Options {
        let keys = &self.directory;
        directory::Options {
            domains: self
                .domains
                .iter()
                .filter_map(|keys| {
                    Some(directory::OwnDomain {
                        name: Domain::parse(keys.name.get_ref()).ok()?,
                        catch_all: keys
                            .catch_all
                            .as_ref()
                            .and_then(|address| Address::parse(address.get_ref()).ok()),
                    })
                })
                .collect(),
            tag_separator: keys.tag_separator.chars().next(),
            proof_lifetime: keys.proof_lifetime.0,
            free_failures: keys.free_failures,
            longest_delay: keys.longest_delay.0,
            argon2_memory_kib: u32::try_from(keys.argon2_memory.0 >> 10).unwrap_or(u32::MAX),
            argon2_passes: keys.argon2_passes,
            concurrent_checks: std::thread::available_parallelism().map_or(1, usize::from),
            scram_iterations: keys.scram_iterations,
            default_quota: keys.default_quota.map(|size| size.0),
            allow_single_person: keys.allow_single_person,
            acknowledgement_required: keys.acknowledgement_required,
            initial_only_to_change: keys.initial_only_to_change,
            password_needs_order: keys.password_needs_order,
            forwards_keep_copy: keys.forwards_keep_copy,
            outside_forwards: keys.outside_forwards,
            password_rule: directory::password::Rule {
                shortest: usize::try_from(keys.shortest_password).unwrap_or(usize::MAX),
                strict_2006: keys.strict_2006,
            },
            second_factor: keys.second_factor.into(),
            second_factor_for_mail: keys.second_factor_for_mail,
            idle_after: keys.idle_after.0,
            idle_grace: keys.idle_grace.0,
            roster_grace: keys.roster_grace.0,
            isolation: self.isolation.made(&self.mailbox.exchange_servers),
            outside: self.isolation.outside(),
            submission: self.submission.rule(),
            order_lifetime: keys.order_lifetime.0,
        }
    }

    /// For the transfer room. `directory` is the site's; files that the settings name are read.
    pub(crate) fn transfer_settings(&self, directory: &Path) -> Result<transfer::Settings, String> {
        let mut made = transfer::Settings {
            hostname: domain(self.server.hostname.get_ref())?,
            roles: match (self.has(Role::Exchange), self.has(Role::Mailbox)) {
                (true, false) => transfer::Roles::Exchange,
                (false, true) => transfer::Roles::Mailbox,
                _ => transfer::Roles::Both,
            },
            zone: self.zone(),
            ..transfer::Settings::default()
        };
        self.put_limits(&mut made);
        made.submission_networks = networks(&self.submission.unauthenticated_networks)?;
        made.exchange_peers = networks(&self.mailbox.exchange_servers)?;
        made.exchange_peers_need_tls = self.mailbox.exchange_servers_need_tls;
        if let Some(hop) = &self.exchange.mailbox_server {
            let mut hop = next_hop(hop, directory)?;
            hop.tls = transfer::TlsPolicy::Verified;
            made.mailbox_server = Some(hop);
        }
        self.put_delivery(&mut made, directory)?;
        made.screening = self.screening_settings()?;
        made.status_field = self.screening.status_field();
        made.quarantine_time = self.quarantine.keep.get_ref().0;
        made.return_path = self.return_path.made(directory, self.marks_usually())?;
        made.bounce_surge = self.return_path.bounce_surge();
        made.malware = Some(self.screening.malware.policy());
        let usual = made.screening.is_some() && !self.is_alone();
        let own = self.own_domains();
        made.dmarc_reports = transfer::dmarc_reports::Keys {
            reporter: self.dmarc_reports.reporter(&made.hostname, &own, usual),
            address: self.dmarc_reports.address(),
        };
        let leaves = self.has(Role::Exchange) && !self.is_alone();
        made.tls_reports = transfer::tls_reports::Keys {
            reporter: self.tls_reports.reporter(&made.hostname, &own, leaves),
            address: self.tls_reports.address(),
        };
        made.engines = Arc::new(self.engines()?);
        made.engine_policy = self.screening.engine_policy();
        match made.problems().first() {
            None => Ok(made),
            Some(problem) => Err((*problem).to_owned()),
        }
    }

    fn put_limits(&self, made: &mut transfer::Settings) {
        let keys = &self.limits;
        let limits = &mut made.limits;
        put(
            &mut limits.message_octets,
            keys.message_size.map(|size| size.0),
        );
        put_number(&mut limits.recipients, keys.recipients.as_ref());
        put(&mut limits.transactions, keys.transactions);
        put(&mut limits.commands, keys.commands);
        put(&mut limits.errors, keys.errors);
        put(
            &mut limits.authentication_failures,
            keys.authentication_failures,
        );
        put_number(&mut limits.line_octets, keys.line_length.as_ref());
        put_number(
            &mut limits.content_line_octets,
            keys.content_line_length.as_ref(),
        );
        put_number(&mut limits.auth_line_octets, keys.auth_line_length.as_ref());
        put(&mut limits.unknown_commands, keys.unknown_commands);
        put(&mut limits.refused_recipients, keys.refused_recipients);
        let octets = |size: Option<Size>| size.map(|size| size.0);
        put(&mut limits.drained_octets, octets(keys.drained_content));
        put(&mut limits.data_rate, octets(keys.data_rate));
        put(&mut limits.received_lines, keys.received_lines);
        put(&mut made.memory, keys.memory.map(|size| size.0));
        let times = &mut made.times;
        put_time(&mut times.handshake, keys.handshake_time);
        put_time(&mut times.greeting, keys.greeting_time);
        put_time(&mut times.command, keys.command_time);
        put_time(&mut times.data_silence, keys.data_silence);
        put_time(&mut times.data, keys.data_time);
        put_time(&mut times.session, keys.session_time);
        put_time(&mut times.memory, keys.memory_time);
        put_time(&mut times.write, keys.reply_time);
        put_time(&mut times.drain, keys.shutdown_time);
        put(&mut made.limits.refusal_events, keys.refusal_events);
        put(
            &mut made.limits.null_senders_per_minute,
            keys.null_senders_per_minute
                .map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        );
        put(
            &mut made.limits.null_sender_transactions,
            keys.null_sender_transactions,
        );
        let limits = &mut made.limits;
        for (limit, key) in [
            (
                &mut limits.null_senders_per_network,
                keys.null_senders_per_network,
            ),
            (
                &mut limits.unknown_recipients_per_network,
                keys.unknown_recipients_per_network,
            ),
            (
                &mut limits.unknown_recipients_per_minute,
                keys.unknown_recipients_per_minute,
            ),
        ] {
            let key = key.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
            put(limit, key);
        }
        put(
            &mut limits.unknown_recipient_sessions,
            keys.unknown_recipient_sessions,
        );
        put_time(&mut made.times.flood_pause, keys.flood_pause);
    }

    fn put_delivery(&self, made: &mut transfer::Settings, directory: &Path) -> Result<(), String> {
        let keys = &self.delivery;
        for (name, hop) in &keys.route {
            made.routes.insert(domain(name)?, next_hop(hop, directory)?);
        }
        if let Some(hop) = &keys.smarthost {
            made.default_route = Some(next_hop(hop, directory)?);
        }
        put(&mut made.default_tls, keys.default_tls.map(Into::into));
        for (name, tls) in &keys.minimum_tls {
            made.minimum_tls
                .insert(domain(name)?, (*tls.get_ref()).into());
        }
        let retry = &mut made.retry;
        if let Some(delays) = &keys.retry {
            retry.delays = delays.get_ref().iter().map(|time| time.0).collect();
        }
        put_time(
            &mut retry.warn_after,
            keys.warn_after.as_ref().map(|time| *time.get_ref()),
        );
        put_time(&mut retry.expire_after, keys.expire_after);
        put(&mut retry.jitter_percent, keys.retry_jitter);
        let outbound = &mut made.outbound;
        put(&mut outbound.relay_port, keys.port);
        outbound.bind = keys.bind;
        put(&mut outbound.concurrency, keys.concurrency);
        put(
            &mut outbound.destination_concurrency,
            keys.concurrency_per_destination,
        );
        put_time(&mut outbound.idle, keys.idle);
        put_time(&mut outbound.drain, keys.shutdown_time);
        put_time(&mut outbound.longest_sleep, keys.queue_interval);
        put(
            &mut outbound.messages_per_connection,
            keys.messages_per_connection,
        );
        put(&mut outbound.hosts_per_attempt, keys.hosts_per_attempt);
        put(&mut outbound.addresses_per_host, keys.addresses_per_host);
        put(&mut outbound.eight_bit, keys.eight_bit.map(Into::into));
        outbound.mta_sts = keys.mta_sts.unwrap_or(!self.is_alone());
        let waits = &mut outbound.waits;
        put_time(&mut waits.connect, keys.connect_time);
        put_time(&mut waits.greeting, keys.greeting_time);
        put_time(&mut waits.handshake, keys.handshake_time);
        put_time(&mut waits.command, keys.command_time);
        put_time(&mut waits.data_start, keys.data_start_time);
        put_time(&mut waits.data_block, keys.data_silence);
        put_time(&mut waits.data_end, keys.data_end_time);
        Ok(())
    }

    /// How long the sessions and deliveries of a server that stops may take, with some time for their last words.
    pub(crate) fn drain_time(&self) -> Duration {
        let of_sessions = self.limits.shutdown_time;
        let of_deliveries = self.delivery.shutdown_time;
        let sessions = of_sessions.map_or(transfer::Times::default().drain, |time| time.0);
        let deliveries = of_deliveries.map_or(transfer::Outbound::default().drain, |time| time.0);
        sessions.max(deliveries).saturating_add(LAST_WORDS)
    }

    /// For the resolver.
    pub(crate) fn dns(&self) -> Result<transfer::Dns, String> {
        Ok(transfer::Dns {
            servers: self
                .dns
                .servers
                .iter()
                .map(|server| name_server(server.get_ref()))
                .collect::<Result<_, _>>()?,
            timeout: self.dns.time.map(|time| time.0),
            dnssec: self.dns.dnssec.into(),
        })
    }

    /// How mail from outside is screened; `None`: it is not.
    pub(crate) fn screening_settings(&self) -> Result<Option<transfer::Screening>, String> {
        self.screening.made(self.is_alone())
    }

    /// Who looks for malware in the mail of the site in `directory`.
    pub(crate) fn scanners(&self, directory: &Path) -> Result<malware::Scanners, String> {
        self.screening.malware.scanners(directory, self.is_alone())
    }

    /// Programs of others that judge mail.
    pub(crate) fn engines(&self) -> Result<engines::Engines, String> {
        let usual = Size(transfer::Limits::default().message_octets);
        self.screening
            .engines(self.limits.message_size.unwrap_or(usual))
    }

    /// How mail that leaves is signed; `None`: it is not.
    pub(crate) fn signing_rules(&self) -> Option<transfer::signing::Rules> {
        self.signing.rules(self.own_domains(), self.is_alone())
    }

    /// The domains that the settings name.
    pub(crate) fn own_domains(&self) -> Vec<Domain> {
        let domains = self.domains.iter();
        let parsed = domains.filter_map(|keys| Domain::parse(keys.name.get_ref()).ok());
        parsed.collect()
    }

    /// Makes the keys that the site lacks and that are files.
    pub(crate) fn make_keys(&self, site: &Path, world: &world::World) -> Result<(), String> {
        self.return_path.make_key(site, self.marks_usually(), world)
    }

    /// Whether return paths are signed.
    pub(super) fn signs_return_paths(&self) -> bool {
        self.return_path.enabled.unwrap_or(self.marks_usually())
    }

    /// Whether return paths are signed unless it is said: two servers would need the same key.
    fn marks_usually(&self) -> bool {
        self.has(Role::Exchange) && self.has(Role::Mailbox) && !self.is_alone()
    }

    /// When software is listed and feeds of vulnerabilities are read each day, if they are.
    pub(crate) fn vulnerabilities_daily(&self) -> Option<jiff::civil::Time> {
        // A site on loopback alone is tried out, and fetches nothing from strangers, even if it has name servers.
        let addresses = self.listen.addresses.get_ref();
        let near = addresses.iter().all(std::net::IpAddr::is_loopback);
        self.vulnerabilities.daily(near)
    }

    /// Whether nobody outside reaches the site, and it asks nobody outside.
    pub(super) fn is_alone(&self) -> bool {
        let addresses = self.listen.addresses.get_ref();
        let near = addresses.iter().all(std::net::IpAddr::is_loopback);
        near && self.dns.servers.is_empty()
    }

    /// For the retrieval room.
    pub(crate) fn retrieval_settings(&self) -> Result<retrieval::Settings, String> {
        let mut made = retrieval::Settings::default();
        let RetrievalKeys {
            plaintext_networks,
            plaintext_warning_every: _,
            login_time,
            imap_silence,
            pop3_silence,
            sessions_per_identifier,
            failed_logins,
            concurrent_searches,
            view_cache,
            memory_budget,
        } = &self.retrieval;
        made.plaintext_networks = networks(plaintext_networks)?;
        put_time(&mut made.login_timeout, *login_time);
        put_time(&mut made.imap_timeout, *imap_silence);
        put_time(&mut made.pop3_timeout, *pop3_silence);
        put(&mut made.sessions_per_identifier, *sessions_per_identifier);
        put(&mut made.failed_logins, *failed_logins);
        put(&mut made.concurrent_searches, *concurrent_searches);
        made.append_gated = self.screening.malware.append;
        put(&mut made.view_cache, view_cache.map(|size| size.0));
        put(&mut made.memory_budget, memory_budget.map(|size| size.0));
        if made.memory_budget < LEAST_MEMORY {
            return Err(
                "retrieval.memory_budget: at least 1MiB, else no message is served".to_owned(),
            );
        }
        put_time(&mut made.handshake_timeout, self.limits.handshake_time);
        put(
            &mut made.append_limit,
            self.limits.message_size.map(|size| size.0),
        );
        Ok(made)
    }

    /// For the pages.
    pub(crate) fn web_settings(&self) -> console::Settings {
        let usual = console::Settings::default();
        let mut made = console::Settings {
            hostname: self.server.hostname.get_ref().clone(),
            zone: self.zone(),
            sts_policies: self.sts_policies(),
            ..usual
        };
        put_time(&mut made.silence, self.web.silence);
        put_time(&mut made.session_time, self.web.session_time);
        put_time(&mut made.request_time, self.web.request_time);
        put_time(&mut made.connection_time, self.web.connection_time);
        made
    }
}
