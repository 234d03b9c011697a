//! What `init` writes: the settings that most sites touch, each with a comment; the rest by default.

use std::{fmt::Write, net::IpAddr};

use super::Role;

/// What the new settings say.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) hostname: String,
    pub(crate) domains: Vec<String>,
    pub(crate) roles: Vec<Role>,
    pub(crate) listen: Option<IpAddr>,
    pub(crate) port_base: Option<u16>,
    pub(crate) allow_single_person: bool,
    /// Further text, put at the end.
    pub(crate) extra: String,
}

/// The text of `kakitome.toml`.
pub(crate) fn render(template: &Template) -> String {
    let mut text = String::from(HEAD);
    // Writing to a String cannot fail; the results are joined so that none is dropped unseen.
    let written = render_into(&mut text, template);
    debug_assert!(written.is_ok());
    text.push_str(TAIL);
    if !template.extra.contains(SCREENING_HEADER) {
        text.push_str(SCREENING);
    }
    if !template.extra.is_empty() {
        text.push('\n');
        text.push_str(&template.extra);
    }
    let domain = template.domains.first().unwrap_or(&template.hostname);
    text.replace("@DOMAIN", &format!("@{domain}"))
}

fn render_into(text: &mut String, template: &Template) -> std::fmt::Result {
    let roles: Vec<String> = template
        .roles
        .iter()
        .map(|role| quoted(role.as_str()))
        .collect();
    writeln!(text, "[server]")?;
    writeln!(
        text,
        "# The name in the banner, in EHLO and in Received lines; its PTR record should agree."
    )?;
    writeln!(text, "hostname = {}", quoted(&template.hostname))?;
    writeln!(
        text,
        "# \"exchange\" meets the outside world (clause 5); \"mailbox\" keeps mailboxes (clause 6)."
    )?;
    writeln!(text, "roles = [{}]", roles.join(", "))?;
    let alone = |role| template.roles.as_slice() == [role];
    if alone(Role::Exchange) {
        text.push_str(EXCHANGE_ALONE);
    } else if alone(Role::Mailbox) {
        text.push_str(MAILBOX_ALONE);
    }
    writeln!(
        text,
        "\n# Domains whose mail is ours (clauses 5.1(1), 6.1(1)a): mail for any other is refused."
    )?;
    for domain in &template.domains {
        writeln!(text, "[[domain]]\nname = {}", quoted(domain))?;
        writeln!(
            text,
            "# catch_all = {}\n",
            quoted(&format!("info@{domain}"))
        )?;
    }
    writeln!(text, "[listen]")?;
    match template.listen {
        Some(address) => {
            writeln!(text, "addresses = [{}]", quoted(&address.to_string()))?;
            if address.is_loopback() {
                writeln!(text, "metrics_address = {}", quoted(&address.to_string()))?;
            }
        }
        None => writeln!(text, "addresses = [\"::\", \"0.0.0.0\"]")?,
    }
    if let Some(base) = template.port_base {
        writeln!(
            text,
            "# Every port is this plus its standard number modulo 1000."
        )?;
        writeln!(text, "port_base = {base}")?;
    }
    writeln!(
        text,
        "# smtp = false   # switches a listener off; a number sets its port"
    )?;
    writeln!(text, "\n[directory]")?;
    writeln!(
        text,
        "# One person may do what the regulation splits between two (clauses 7.1, 9), until a second person"
    )?;
    writeln!(
        text,
        "# holds an officer's role; `status` shows whether that is so. false: never."
    )?;
    writeln!(
        text,
        "allow_single_person = {}",
        template.allow_single_person
    )
}

/// `text` as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

const HEAD: &str = "\
# Settings of this Kakitome site. Everything not named here has the default that the comments tell.
# Times: \"30s\", \"5m\", \"4h\", \"10d\". Sizes: \"64KiB\", \"50MiB\", \"1GiB\". SIGHUP reloads this file.

";

const EXCHANGE_ALONE: &str = "
[exchange]
# The mailbox server that own-domain mail is handed to, over verified TLS (clause 5.1(1)).
mailbox_server = { host = \"mailbox.example.invalid\", port = 25 } # ca_file = \"keys/mailbox-ca.crt\"
";

const MAILBOX_ALONE: &str = "
[mailbox]
# The exchange servers that may hand over own-domain mail (clause 6.1(1)a).
exchange_servers = [\"192.0.2.1\"]
";

const TAIL: &str = "
# The longest a proof is remembered, so that busy clients do not pay Argon2id each time.
# proof_lifetime = \"10m\"
# tag_separator = \"+\"              # divides name+tag@; empty: no sub-addresses
# free_failures = 3                # failed logins before answers slow down
# longest_delay = \"30s\"
# argon2_memory = \"19MiB\"
# argon2_passes = 2
# scram_iterations = 10000
# default_quota = \"2GiB\"         # default: none
# shortest_password = 8            # characters of a chosen password; NIST SP 800-63B-4 wants 15 without a second factor
# strict_2006 = false              # also of 20 characters or more: letters and others, to the letter of clause 7.1(1)a
# initial_only_to_change = false   # an initial password opens only the web page where it is changed (clause 7.1(1)c)
# password_needs_order = true      # another's password, second factor or operating-system user: on an order, or in an incident, once there are two officers (clause 7.1(4))
# second_factor = \"officers\"     # who must have one (passkey or codes) to use the web pages: optional, officers, everyone
# second_factor_for_mail = false   # until they have one, their password opens no mail program either
# forwards_keep_copy = true        # what goes on elsewhere stays in the mailbox too
# outside_forwards = false         # holders forward to outside without an order (clause 7.1(4))
# delete_in_backups = true         # `account delete` reaches the backups that are at their place (clause 7.1(3)); false: by `backups purge`
# idle_after = \"90d\"              # an identifier not used for so long is reported and its holder warned (clause 7.1(3)); \"0s\": never
# idle_grace = \"30d\"              # so long after the warning it is suspended, unless it is used; \"0s\": never
# roster_grace = \"30d\"            # so long after `person roster` found somebody off the list their identifiers are suspended (clause 7.1(3)); \"0s\": never
# acknowledgement_required = true   # an account only for who has acknowledged that records are kept and analysed (clause 9.1(2))
# order_lifetime = \"30d\"          # how long an order waits for approval, how long it can be used then, and how long an officer who ceased to be one counts (clause 7.1(1))

[tls]
# PEM files, relative to this directory. SIGHUP reads them again.
certificate = \"keys/tls.crt\"
key = \"keys/tls.key\"
# An authority that gives certificates (ACME, RFC 8555), and renews them. It asks back by HTTP at port 80 of this server; read its terms first.
# acme = { directory = \"https://acme-v02.api.letsencrypt.org/directory\", terms_agreed = true, contact = [\"mailto:postmaster@example.org\"] }
# Further keys: names = [\"mail.example.org\"], http_port = 80, challenge = \"tls-alpn-01\" (default http-01) with tls_port = 443 (where the
# site's own pages may be), ca_file = \"acme-ca.pem\" (what vouches for the authority's own server)

[submission]
# Networks that may submit without authentication (clause 6.1(1)b); explicit ones only.
unauthenticated_networks = []

[submission.limits]
# How much one identifier may submit; 0: as much as it likes. Hours are those of the clock (UTC), a day is the last 24 of them.
# messages_per_hour = 500
# messages_per_day = 2000
# recipients_per_hour = 2000
# recipients_per_day = 5000
# except = [{ identifier = \"news@DOMAIN\", recipients_per_hour = 20000, recipients_per_day = 50000 }]

[submission.jump]
# An hour that is many times what is usual for the identifier (the 90th percentile of its hours of 30 days) is held in the queue, with
# what follows, until a security officer decides: `incident list`. Whoever is new has the floor alone.
# enabled = true
# factor = 5                       # times what is usual, in messages or in recipients,
# messages = 150                   # and more than so many messages in the hour
# recipients = 500                 # or so many recipients
# excuse = \"24h\"                 # nothing is compared with the usual for so long after an officer found it in order

[retrieval]
# Networks whose clients may log in without TLS (option of clause 4.1(2)): none.
# plaintext_networks = [\"192.0.2.0/24\"]
# plaintext_warning_every = \"180d\"  # how often everybody with a mailbox is warned of that by mail, from 1d to 366d
# login_time = \"2m\"
# imap_silence = \"31m\"
# pop3_silence = \"11m\"
# sessions_per_identifier = 100
# failed_logins = 3
# concurrent_searches = 4
# view_cache = \"64MiB\"            # lists of messages of lately selected mailboxes, 16 octets a message
# memory_budget = \"256MiB\"        # message text that all sessions hold, and what searches gather; one identifier gets half at most

[web]
# The pages over HTTPS, where staff change their passwords and see their logins (clauses 4.1, 7.1).
# silence = \"15m\"                # of a session, then it ends
# session_time = \"8h\"            # that a session lasts at most
# request_time = \"1m\"            # for a request and its answer; more than longest_delay
# connection_time = \"10m\"

[quarantine]
# Mail that is set apart until somebody releases it (clause 5.3(2)): `quarantine list`, and the pages over HTTPS.
# keep = \"30d\"                   # then it is deleted
# digest = \"07:30\"               # when people are told by mail what is set apart for them, in local time; off: never

[dmarc_reports]
# Domains whose DMARC record asks for it are told once a day what came in their names (RFC 9990), and what others tell of own domains is
# read: `dmarc reports figures`.
# send = true                      # default: where mail is screened, unless the site is on loopback alone and names no [dns] servers
# organisation = \"City of Example\"  # who reports; default: the first domain
# contact = \"postmaster@DOMAIN\"  # whom reports are from; default: postmaster at the server's name
# size = \"10MiB\"                 # of a report as it is sent; a larger one is not sent
# days = 3                         # that are made up for when the server was down
# address = \"dmarc-reports@DOMAIN\"  # where reports about own domains come to; the own DMARC records name it in rua=

[tls_reports]
# Domains that ask for it (_smtp._tls, RFC 8460) are told once a day how connections to their servers came to be, and what others tell of
# own servers is read: `tls reports figures`.
# send = true                      # default: where mail leaves, unless the site is on loopback alone and names no [dns] servers
# organisation = \"City of Example\"  # who reports; default: the first domain
# contact = \"postmaster@DOMAIN\"  # whom reports are from; default: postmaster at the server's name
# size = \"10MiB\"                 # of a report as it is packed; a larger one is not sent
# days = 3                         # that are made up for when the server was down
# address = \"tls-reports@DOMAIN\"  # where reports about own domains come to; the own records (`tls records`) name it in rua=

[capacity]
# What mailboxes take is measured each month (clause 6.2): `clause show 6.2-1`, `task list`.
# keep = \"1080d\"                 # how long it is kept what single mailboxes took; sums are kept for ever
# near_percent = 90                # from so much of its quota on a mailbox is nearly full
# lasts_months = 6                 # the disk has to last so long, as mailboxes grow

[isolation]
# Who submits or appends malware is shut out at once: the identifier suspended, its address blocked, its queued mail held, an incident
# opened for the security officer (clause 5.2(5)). `block list`, `incident list`.
# What is done about incidents is in runbooks (`runbook list`); a site's own are DIR/runbooks/KIND.toml (`runbook export`).
# enabled = true
# except = [\"127.0.0.0/8\", \"::1/128\"]  # networks that are never blocked; name proxies and relays that bring many people's mail
# block_time = \"30d\"             # unless somebody ends it before
# Malware from outside opens an incident with its report of abuse (clause 5.2(6)): one about a source.
# outside_incidents = true
# outside_again_after = \"7d\"     # so long no other is opened about the same source
# outside_most_open = 10          # of the server's own at once, however many sources there are

[checks]                          # within how many days things have to be done before the clause that demands them turns red
# trail_verified_days = 7         # that all of the trail was verified: else it is unknown whether it is whole (4.2)
# conspicuous = 100               # refusals of relaying, or failed logins, of a day from which on somebody has to look closer (8.2(3))
# conspicuous_bounces = 100       # bounces of a day from which on somebody has to look into them (5.5(1))
# analysed_days = 7               # that somebody did: `audit analyse` (8.2(3)), `bounces` (5.5(1))
# analysis_holds_days = 1         # how long that holds
# credential_analysed_days = 1    # that the trail was analysed for an incident about a password (4.1(1)c)
# sharing_told_days = 1           # that administrators and users are told of a decision on a shared identifier (7.1(2), 8.1(2))
# abuse_decided_days = 14         # that a report of abuse is sent or dropped (5.2(6))
# outbreak_told_days = 1          # that staff are told of an outbreak (5.2(2))
# outbreak_pulled_days = 3        # that what was found of it in mailboxes is pulled
# case_reported_days = 3          # that a vulnerability is reported (4.3(3))
# case_acted_days = 30            # that it is planned, approved and ordered, and that what was ordered is done (4.3(4), 8.3(4), 8.3(5))
# case_shared_days = 30           # that it is decided whether officers elsewhere are told of what is exploited (8.3(6))

[traffic]
# Mail is counted by the hour and held against what is usual in that hour of the week (clause 4.4): `traffic list | normal | deviations`.
# When it differs much and service suffers, an incident is opened and the system officers are told.
# look = \"1m\"                    # how often
# weeks = 12                       # from which it is learned what is usual
# keep_hours = \"400d\"            # then hours are folded into days
# keep_days = \"3650d\"
# holidays = \"japan\"             # national holidays, or none
# closed = [\"12-29..01-03\"]      # and days on which the site is closed: MM-DD every year, YYYY-MM-DD once, two with .. between
# What is a large deviation: all of these
# times = 3                        # so many times what is usual
# spreads = 6                      # and so many spreads (robust standard deviations) away from it
# least = 100                      # and so many messages, recipients, refusals or proofs away from it in an hour
# rise = \"1m\"                    # for so long
# fall = \"30m\"                   # and it is over when it stayed away for so long
# When service suffers: one of these
# queue = 500                      # recipients in the queue
# overdue = \"5m\"                 # mail that is due was not tried for so long
# commit = \"1s\"                  # that a commit takes, on average of a minute
# trouble = 20                     # put off in an hour for the server's own trouble: no room, no memory, a scanner that is silent
# turned_away = 500                # by the budgets for floods in an hour
# disk_free_percent = 5            # or less

[signing]
# Mail that leaves is signed in the name of its author's domain (DKIM): `dkim list` tells the records to publish, and a key signs once the
# DNS shows its record.
# enabled = true                   # default: unless the site is on loopback alone and names no [dns] servers
# algorithms = [\"rsa\", \"ed25519\"]
# rotate = \"180d\"                # how long a key signs before the next is made
# overlap = \"14d\"                # how long the record of a key that has stopped stays needed

[return_path]
# Mail that leaves carries a mark in its return path, so that bounces for mail that was never sent from here are known (clause 5.5(2)).
# enabled = true                   # default: where one server sends and receives, unless it is on loopback alone
# key_file = \"keys/return-path.key\"  # two servers of one site have the same
# except = [\"lists.example.org\"]  # own domains whose return paths stay as they are
# unmarked = \"refuse-bounces\"    # bounces to addresses without the mark: refuse-bounces, refuse-all (receipts without a sender too), accept
# surge = 200                      # refused bounces from which on an incident is opened for the security officer; 0: never
# surge_time = \"10m\"             # within which time

[mta_sts]
# Mail to own domains comes over verified TLS (MTA-STS, RFC 8461): others fetch this from https://mta-sts.DOMAIN at port 443 of the pages,
# whose certificate must be for that name too. `check` tells the record to publish. Begin with testing.
# mode = \"testing\"              # testing, enforce, or none to take a policy back; default: nothing is served
# mx = [\"mail.example.org\"]     # the servers of the domains; default: this one
# max_age = \"7d\"                # how long others remember it

[limits]
# message_size = \"50MiB\"
# recipients = 1000                # of one transaction
# transactions = 1000              # of one SMTP session
# commands = 20000                 # of one SMTP session
# errors = 50                      # of one SMTP session
# authentication_failures = 5      # of one SMTP session
# line_length = 2048               # octets of one SMTP command
# content_line_length = 65536      # octets of one line of a message
# auth_line_length = 12288         # octets of one line of an SMTP authentication
# unknown_commands = 10            # of one SMTP session
# refused_recipients = 100         # of one SMTP session: a bound on guessing addresses
# drained_content = \"100MiB\"     # of a refused message that are read before its session is closed
# received_lines = 50              # then a message counts as looping
# memory = \"512MiB\"              # messages in memory at once; more wait
# smtp_connections = 1000
# smtp_connections_per_address = 50
# submission_connections = 1000
# submission_connections_per_address = 100
# retrieval_connections = 20000
# retrieval_connections_per_address = 500
# web_connections = 1000
# web_connections_per_address = 100
# handshake_time = \"30s\"
# greeting_time = \"1m\"
# command_time = \"5m\"
# data_silence = \"3m\"
# data_time = \"30m\"
# data_rate = \"1KiB\"             # that a message brings per second at least, once data_silence has passed
# session_time = \"4h\"
# memory_time = \"20s\"            # waiting for room in `memory`, then the client is told to come again
# reply_time = \"1m\"              # for a client to take a reply
# shutdown_time = \"20s\"          # for messages on their way in when the server stops
# refusal_events = 20              # of one SMTP session, of commands and of contents; the rest is counted
# null_senders_per_minute = 600    # transactions without a sender, of all sessions; more are put off (clause 5.5(3))
# null_sender_transactions = 20    # the same that may be open at once
# null_senders_per_network = 120   # a minute, from one client network (an IPv4 address, a /64 of IPv6); more ends the session
# unknown_recipients_per_network = 120  # a minute; each recipient of accepted mail forgives one; more ends the session
# unknown_recipients_per_minute = 1200  # from all networks that no mail was accepted from lately
# unknown_recipient_sessions = 50  # of such networks, open at once after they named somebody who is not here
# flood_pause = \"1s\"             # before a client is turned away whose network is over

[dns]
# servers = [\"192.0.2.53\", \"127.0.0.1:5353\"]   # default: the system's
# time = \"5s\"
# dnssec = \"auto\"                # believe the servers that DNSSEC proves an answer, which DANE rests on: auto (if they are on this machine), trust, off

[audit]                           # clauses 4.2, 8.2
# checkpoint_interval = \"1m\"      # how long events wait at most for a signed checkpoint over them; at most 1m
# verify = \"02:20\"                # when, each day, all of the trail is verified (4.2); false: never
# verify_share = 25                # how much of one processor that takes at most, in hundredths: mail goes before
# rotate_months = 1                # clause 4.2(2): a volume is sealed whenever so many months have ended
# witnesses = [\"trail@elsewhere.example\"]  # who is sent a checkpoint, to keep it where nobody here can change it
# witness_interval = \"1d\"         # how often
# clock_jump = \"1m\"               # the clock set by more than this is an incident (`incident list`); 0s: it is not watched
# retain_years = 10                # clause 4.2(3): how long volumes that are sealed from now on are kept
# Other systems that are given the trail as it grows, by syslog over TLS (RFC 5425), as \"json\" or \"ocsf\". How far one was given
# it is remembered under its name; from_beginning = true gives a new one all that there is.
# forward = [{ name = \"siem\", host = \"log.example.org\", port = 6514, format = \"json\", ca_file = \"log-ca.pem\" }]

[audit.analysis]                  # clause 8.2(3): from where on something is conspicuous
# window = \"1h\"                   # within this time, whenever it begins:
# guesses = 10                     # failures against one identifier, at all services together
# identifiers = 5                  # identifiers that one host fails to prove (IPv6: one /64)
# hosts = 20                       # hosts that fail, with as many identifiers
# before_success = 5               # failures of an identifier before it succeeds
# relaying = 3                     # refused relaying of one host
# slow_window = \"7d\"              # within this time slow guessing is looked for:
# slow_guesses = 50                # failures against one identifier
# at_once = \"10m\"                 # an identifier that is proved from two networks within this time
# followed = 100000                # identifiers and hosts that are followed; what has no room is counted
# sessions_end = \"10s\"            # how long the report of an incident waits for the end of the sessions that it shut out

[probe]                           # clauses 4.3(6), 5.1(1), 6.1(1)
# daily = \"04:40\"                 # when the own listeners are probed from outside; false: never
# ca_file = \"site-ca.pem\"         # roots that vouch for the certificate; default: the system's

[vulnerabilities]                 # clauses 4.3, 8.3: software is listed and feeds are read each day, cases are opened
# daily = \"05:10\"                 # when; false: never; default: never on a site that is on loopback alone
# limit = \"36h\"                   # a feed that was not read within this time is red; at most 12 hours more than the clause has it
# feed_size = \"512MiB\"            # of one feed
# feed_time = \"10m\"               # for fetching one feed
# feed_unpacked = \"2GiB\"          # of all records of an archive together
# feed_document = \"32MiB\"         # of a feed that is no archive
# feed_record = \"4MiB\"            # of one record; a longer one is passed over
# feed_records = 1000000           # of one feed
# stale_after = \"45d\"             # a feed whose newest record is older is red, though it was read: its mirror is not fed any more
# ca_file = \"feeds-ca.pem\"        # roots that vouch for the feeds' hosts; default: the system's
# dpkg_status = \"/var/lib/dpkg/status\"  # \"\": a system without dpkg; its packages are not listed
# os_release = \"/etc/os-release\"
# packages = [\"libc6\", \"unbound\"]  # packages of the system that the service rests on; default: its libraries, resolvers and scanners
# Feeds, each with a url or a file; format: osv, cve, jvn, kev, epss. Default: RustSec, Debian, JVN, CISA KEV and EPSS from their publishers.
# feeds = [{ name = \"debian\", format = \"osv\", file = \"feeds/debian.zip\" }]
# Other software of the mail service, by its package URL or CPE name.
# software = [{ name = \"Postfix\", version = \"3.7.11-0+deb12u1\", purl = \"pkg:deb/debian/postfix?distro=debian-12\" }]
# publisher = \"City of Example\"   # who shares documents about cases; default: the first domain
# publisher_url = \"https://city.example\"

[regulation]                      # the site's own regulation: `clause list`, `task list`, `regulation show`, `regulation render`
# time_zone = \"Asia/Tokyo\"        # of its calendar, and of times in mail, on pages and in commands; default: the machine's
# year_begins = 4                  # the month from which quarters and years of the work are counted
# organisation = \"City of Example\"  # whose it is; default: the first domain
# due_on_working_days = true       # what is due on a Saturday, a Sunday, a holiday or a day of [traffic] closed is due on the next working day
# language = \"both\"               # of tasks, reminders and warnings by mail: ja, en, both; `person language` sets another for one person
# edition = 1                      # raise it when the regulation is put into force anew
# ordered_by = \"system officer Sato, 2026-04-01\"  # who ordered parameters and options as they stand: written anew whenever they change, or they count as ordered by nobody
# contacts = [{ about = { ja = \"パスワードの漏えい等の届出\", en = \"Leaked passwords\" }, value = \"security@DOMAIN\" }]
# Values and options that no other setting decides; `regulation show` has them all. Own clauses: catalogues in DIR/regulation/*.toml.
# parameters = { trail-review = 3, personnel-contact = { ja = \"人事課\", en = \"the personnel section\" } }
# options = { outside-experts = true, trail-review = true }

[store]
# segment_size = \"256MiB\"
# reserve = \"64MiB\"              # free room on the disk below which mail is put off
# waste = \"8MiB\"                 # dead bytes from which on a segment is written anew, if they are a third of it
# compress_from = \"8KiB\"         # smaller mail is kept uncompressed: it is little of the whole, and faster
# readers = 8
# log_rest = \"30s\"               # after so long without a change the database's log is emptied, its room given back

[delivery]
# retry = [\"5m\", \"10m\", \"20m\", \"40m\", \"1h\", \"2h\", \"4h\"]
# warn_after = \"4h\"
# expire_after = \"5d\"
# concurrency = 100
# concurrency_per_destination = 5
# idle = \"10s\"                   # how long a connection is kept for the next message
# connect_time = \"30s\"
# greeting_time = \"5m\"           # the times that RFC 5321, section 4.5.3.2, grants other servers
# handshake_time = \"1m\"
# command_time = \"5m\"
# data_start_time = \"2m\"
# data_silence = \"3m\"
# data_end_time = \"10m\"
# shutdown_time = \"20s\"          # for deliveries under way when the server stops
# queue_interval = \"1m\"          # the queue is looked at this often at least
# retry_jitter = 20                # percent that a wait may be longer, by chance
# messages_per_connection = 100
# hosts_per_attempt = 10           # MX hosts
# addresses_per_host = 4
# eight_bit = \"send\"             # 8-bit text for a server without 8BITMIME: send, or refuse (RFC 6152)
# mta_sts = true                  # heed what other domains demand (RFC 8461); default: unless the site is on loopback alone and names no [dns] servers
# port = 25
# bind = \"192.0.2.1\"             # the address to connect from; default: the system chooses
# default_tls = \"opportunistic\"  # none, opportunistic or verified
# smarthost = { host = \"relay.example.net\", port = 587, tls = \"verified\", identity = \"us\", password_file = \"keys/relay\" }

# Lowest TLS and next hop by destination domain:
# minimum_tls = { \"partner.example\" = \"verified\" }
# route = { \"branch.example\" = { host = \"mx.branch.example\", port = 25, use_mx = false } }
";

/// Further text may bring its own.
const SCREENING_HEADER: &str = "[screening]\n";

const SCREENING: &str = "
[screening]
# Mail from outside, before it is taken: SPF, DKIM, ARC and DMARC (clauses 5.1, 5.3). `screening explain ID` tells of each message.
# enabled = true                   # default: unless the site is on loopback alone and names no [dns] servers
# time = \"20s\"                    # for all that is asked about one message; the client waits meanwhile
# signatures = 10                  # DKIM signatures of one message that are verified; 20 at most
# dmarc_reject = \"refuse\"         # mail that fails DMARC where the author's domain says p=reject: refuse, mark (into Junk), quarantine, accept
# dmarc_quarantine = \"mark\"       # the same for p=quarantine
# dmarc_exceptions = [\"lists.example.net\", \"192.0.2.7\"]  # domains whose ARC seals, and networks whose mail, pass all the same
# spf_fail = \"accept\"             # mail whose MAIL FROM fails SPF hard, whatever DMARC says: accept, mark, quarantine, refuse
# unclear_author = \"mark\"         # mail whose From is missing (reports without a sender aside), names several domains or none that can be read: accept, mark, quarantine, refuse
# dns_trouble = \"defer\"           # where the DNS does not say what would have decided: defer, accept
# status_field = \"X-Spam-Status\"  # tells filters the verdict on mail from outside, Yes or No and why; others' of that name go; \"\": none
# greeting_wait = \"0s\"            # how long strangers wait for the greeting, to see whether they talk before; 30s at most
# DNS lists (RFC 5782), of the client's address, or of a name: by = address, name, hello, sender, author, or text (the domains that links
# in the text lead to, as SURBL, URIBL and DBL have them; text_domains of one message). answers that count; then, and where
# the list does not answer, trouble = accept or defer. A list that lists everything, or refuses this resolver, counts for nothing.
# text_domains = 20               # domains of one message that lists by text are asked about, each with what it is in
# dns_list = [{ zone = \"bl.example\", answers = [\"127.0.0.2-11\"], then = \"refuse\" }]
# What rules ask for by name; in = subject, text, file-name, header:NAME. Case, width and spaces do not count in texts; expressions are
# regular expressions, which take time in proportion to the text, whatever they are.
# pattern = [{ name = \"bill\", in = \"subject\", texts = [\"未払い請求\"], expressions = [\"invoice +[0-9]{6}\"] }]
# The site's own rules: the first whose conditions all hold decides (accept, mark, quarantine, defer, discard, refuse), in place of all but
# malware and milters. Conditions: peer, peer_name, hello, hello_form, sender, author, signer, spf, dmarc, arc, iprev, listed, pattern, early, tls, known,
# junk_words, size; with submissions = true it is about what own people send. Try a changed copy of this file first: screening try FILE
# rule = [{ name = \"bills\", pattern = [\"bill\"], dmarc = [\"none\", \"fail\"], then = \"quarantine\" }]
# Milters (programs of Sendmail's protocol, such as opendkim) are shown mail from outside and submissions last, in this order; what
# they say is done. More keys of each, with what they are unless said: listeners = \"both\" (or exchange, submission);
# Also may = [\"header\"] (what it may change: header, body; a new body waits outside of [limits] memory); failure = \"defer\" (when it
# fails: defer, accept); concurrency = 20; connect_time = \"5s\"; command_time = \"10s\"; end_time = \"1m\"; and for all of one
# message time = \"2m\".
# milter = [{ name = \"opendkim\", address = \"unix:/run/opendkim/opendkim.sock\" }]

[screening.conduct]
# How clients behave: accept, mark, quarantine, refuse
# early = \"mark\"                 # talked before it was greeted; needs greeting_wait
# hello_own = \"mark\"             # calls itself by this server's name
# hello_address = \"accept\"       # by an address without brackets
# hello_bare = \"accept\"          # by a name without a dot
# no_name = \"accept\"             # its address has no name that has the address
# guessing = \"accept\"            # had many_refused recipients refused before in the session
# many_refused = 5

[screening.history]
# What became of mail that came from the same address, if its domain is shown to send and enough is known of the address, or else the
# same domain, or else the same network; weights halve in 30 days.
# bad = \"mark\"                   # mail from those whose mail was not wanted: accept, mark, quarantine, refuse
# least = 20                       # weight below which nobody has a reputation: 1 a message, 5 where a person moved it or wrote there
# bad_percent = 80                 # of it not wanted: bad
# good_percent = 10                # at most: good; not greylisted, nor judged by words
# addresses = true                 # an address of which enough is known answers before its domain does
# greylisting = \"5m\"             # puts mail off for so long that nobody is shown to send, by SPF or DKIM; default: not at all
# remembers_networks = true        # a client whose mail passed is not put off for other senders

[screening.words]
# A classifier that learns from what people move into Junk and out of it, for the site and for each mailbox.
# junk = \"mark\"                  # mail whose words are those of unwanted mail: accept, mark, quarantine, refuse
# junk_from = 990                  # of 1000
# lessons = 100                    # messages of each kind before it says anything

[screening.rspamd]
# rspamd's normal worker, asked about mail that is not refused or put off so far (clause 5.3):
# address = \"127.0.0.1:11333\"     # or \"unix:/run/rspamd/normal.sock\"; default: none
# listeners = \"exchange\"          # mail from outside; or submission, both
# concurrency = 10                 # messages at once; more wait
# connect_time = \"5s\"
# time = \"30s\"                    # for one message; the client waits meanwhile
# failure = \"defer\"               # mail that it does not answer about: defer, accept
# greylist = \"accept\"             # its actions: accept, mark (into Junk), quarantine, defer, discard, refuse
# soft_reject = \"defer\"
# add_header = \"mark\"
# rewrite_subject = \"mark\"
# quarantine = \"quarantine\"
# discard = \"discard\"
# reject = \"refuse\"

[screening.malware]
# Malware in mail from outside and in submissions (clauses 5.2(3), 5.2(4)). clamd knows it by its definitions; install clamav-daemon
# and clamav-freshclam, in clamd.conf let StreamMaxLength be at least message_size and AlertExceedsMax yes, and say where it is:
# clamd = \"unix:/run/clamav/clamd.ctl\"  # or \"127.0.0.1:3310\"; default: none
# clamd_concurrency = 8            # scans at once; more wait
# clamd_connect_time = \"5s\"
# clamd_time = \"1m\"               # for one scan; the client waits meanwhile
# definitions_max_age = \"3d\"      # older definitions, or of unknown age, are old; \"0s\": never
# old_definitions = \"defer\"       # mail when they are old: defer, accept
# scanner_down = \"defer\"          # mail that a scanner does not look at: defer, accept
# found = \"refuse\"                # malware: refuse, quarantine, discard (mail from outside is taken and thrown away; the trail tells it)
# Attachments and what lies in them are looked into by processes without rights, program kakitome-scanner:
# inspect = true                   # default: unless the program is not there and nobody outside reaches the site
# executables = \"refuse\"          # what can be run: refuse, defer, quarantine, mark (into Junk), accept; the same for the next ones
# tricks = \"refuse\"               # invoice.pdf.exe, names that are shown backwards or cut off, programs called documents
# smuggling = \"mark\"              # pages that bring a file in themselves
# macros = \"mark\"                 # documents with code
# encrypted_archive = \"mark\"      # what opens with a password only
# partial = \"refuse\"             # parts of messages that come in several (message/partial), of which nobody sees the whole
# external_body = \"accept\"       # what a message only says the place of (message/external-body)
# incomplete = \"mark\"             # what lies behind a limit below, is broken, or of a kind that is not opened
# depth = 8                        # archives and messages within each other; 20 at most
# entries = 2000                   # files of one message
# entry_size = \"64MiB\"            # of one file, unpacked
# total_size = \"256MiB\"           # of all files of a message, unpacked
# ratio = 200                      # times that they may be larger than the message, from 16 MiB on
# name_characters = 128
# opening_time = \"15s\"            # after which no further file is opened
# workers = 2                      # processes; more messages wait
# worker_messages = 200            # that one sees before it is replaced; twice as many, if its successor is late
# worker_memory = \"1GiB\"          # that one may have
# worker_time = \"30s\"             # for one message, then the process is killed and the message put off
# scanner = \"/usr/bin/kakitome-scanner\"  # default: beside this program
# append = false                   # whether what mail programs put into mailboxes (IMAP APPEND) is scanned; mark counts as accept
# canary = \"daily 05:10\"          # when a test message is sent to see that it is caught; \"off\": never

[screening.malware.yara]
# Rules of this site's own, held against each message and all that is in it by processes without rights, program kakitome-yara. Files and
# directories (each *.yar and *.yara in them), from this directory; a file's name is the namespace of its rules. Changed rules are in
# force without a restart as soon as they compile; with a fault in them the old ones stay. Write them beside and rename them into place.
# rules = [\"rules\"]               # default: none
# watch = \"30s\"                   # how often it is looked whether they changed; \"0s\": only at `reload`
# tags = { suspicious = \"mark\", info = \"accept\" }  # refuse, defer, quarantine, mark, accept; a rule without such a tag knows malware
# processes = 2                    # more messages wait
# messages = 1000                  # that one sees before it is replaced; twice as many, if its successor is late
# memory = \"1GiB\"                 # that one may have, for the rules and the message
# time = \"30s\"                    # for one message, then the process is killed and the message put off
# scan_time = \"15s\"               # after which no further file is held against the rules, and the message is looked at in part
# program = \"/usr/bin/kakitome-yara\"  # default: beside this program
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::Settings;

    /// The comments are settings too: each must be one that is understood, with a value that is accepted.
    #[test]
    fn every_commented_setting_can_be_switched_on() {
        let text = render(&Template {
            hostname: "mail.example.org".into(),
            domains: vec!["example.org".into()],
            roles: vec![Role::Exchange, Role::Mailbox],
            listen: None,
            port_base: None,
            allow_single_person: false,
            extra: String::new(),
        });
        let is_setting = |line: &str| {
            let key = line
                .trim_start_matches("# ")
                .split(" = ")
                .next()
                .unwrap_or_default();
            line.contains(" = ")
                && !key.is_empty()
                && key
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
        };
        let mut switched = 0;
        let lines: Vec<String> = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting) if is_setting(line) => {
                    switched += 1;
                    setting.to_owned()
                }
                _ => line.to_owned(),
            })
            .collect();
        assert!(switched > 50, "{switched}");
        if let Err(error) = Settings::parse("kakitome.toml", &lines.join("\n")) {
            panic!("{:?}", miette::Report::new(error));
        }
    }
}
