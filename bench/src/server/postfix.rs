//! Postfix: receives, takes submissions, relays, and hands own mail to Dovecot by LMTP.

use std::{fmt::Write, fs, os::unix::fs::chown, path::Path};

use super::{ACCOUNTS, DOMAIN, Ports, REMOTE, address, peers::user};
use crate::{Outcome, client::HOSTNAME};

/// Writes its configuration below `root`.
pub(super) fn configure(root: &Path, ports: Ports, sink: u16) -> Outcome<()> {
    let folder = root.join("postfix");
    let (id, group) = user("postfix")?;
    fs::create_dir(&folder)?;
    fs::create_dir(root.join("spool"))?;
    fs::create_dir(root.join("data"))?;
    chown(root.join("data"), Some(id), Some(group))?;
    let mut users = String::new();
    for number in 0..ACCOUNTS {
        writeln!(users, "{} x", address(number))?;
    }
    fs::write(folder.join("users"), users)?;
    fs::write(folder.join("main.cf"), main_cf(root, sink))?;
    fs::write(folder.join("master.cf"), master_cf(ports))?;
    Ok(())
}

/// No look-ups in DNS, no delays, no waiting for deliveries on the way in, connections of LMTP and SMTP kept, and as much
/// concurrency as the loads have sessions. Everything that makes mail durable is as Postfix has it.
fn main_cf(root: &Path, sink: u16) -> String {
    let root = root.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
maillog_file = {root}/maillog
maillog_file_prefixes = {root}
myhostname = {HOSTNAME}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
local_transport = error:there are no local users
local_recipient_maps =
alias_maps =
alias_database =
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_maps = texthash:{root}/postfix/users
virtual_transport = lmtp:unix:{root}/lmtp
transport_maps = inline:{{ {{ {REMOTE} = smtp:[127.0.0.1]:{sink} }} }}
default_transport = error:only {REMOTE} is remote
message_size_limit = 60000000
virtual_mailbox_limit = 0
default_process_limit = 400
initial_destination_concurrency = 50
default_destination_concurrency_limit = 50
lmtp_destination_concurrency_limit = 50
default_destination_rate_delay = 0s
qmgr_message_active_limit = 40000
qmgr_message_recipient_limit = 40000
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtp_destination_recipient_limit = 1
smtp_connection_cache_on_demand = yes
smtp_tls_security_level = none
smtpd_tls_security_level = may
smtpd_tls_cert_file = {root}/tls.crt
smtpd_tls_key_file = {root}/tls.key
smtpd_sasl_type = dovecot
smtpd_sasl_path = {root}/auth
biff = no
"
    )
}

/// The services, none in a chroot.
fn master_cf(ports: Ports) -> String {
    let Ports {
        smtp,
        submission,
        submissions,
        ..
    } = ports;
    format!(
        "127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{submission} inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes
127.0.0.1:{submissions} inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"
    )
}
