//! Dovecot: keeps the mailboxes (mdbox, every sync on), takes mail by LMTP, checks passwords for Postfix too.

use std::{fs, os::unix::fs::chown, path::Path};

use super::{PASSWORD, Ports, peers::user};
use crate::Outcome;

/// Writes its configuration below `root`.
pub(super) fn configure(root: &Path, ports: Ports) -> Outcome<()> {
    let (id, group) = user("mail")?;
    fs::create_dir(root.join("mail"))?;
    chown(root.join("mail"), Some(id), Some(group))?;
    fs::write(root.join("dovecot.conf"), dovecot_conf(root, ports))?;
    Ok(())
}

/// Passwords cost nothing to check, login processes serve many clients, processes of IMAP, POP3 and LMTP are there before
/// they are asked for and are used again, and no limit is in the way.
fn dovecot_conf(root: &Path, ports: Ports) -> String {
    let root = root.display();
    let Ports {
        imap, imaps, pop3, ..
    } = ports;
    format!(
        "base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
listen = 127.0.0.1
protocols = imap pop3 lmtp
ssl = yes
ssl_cert = <{root}/tls.crt
ssl_key = <{root}/tls.key
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 1
mail_uid = mail
mail_gid = mail
mail_location = mdbox:{root}/mail/%n
mail_fsync = always
mdbox_rotate_size = 64M
mail_max_userip_connections = 20000
default_process_limit = 1500
default_client_limit = 20000
passdb {{
  driver = static
  args = password={{PLAIN}}{PASSWORD}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={root}/mail/%n allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 2
  process_limit = 4
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  service_count = 0
  process_min_avail = 1
  process_limit = 4
}}
service imap {{
  process_min_avail = 50
  service_count = 1000
}}
service pop3 {{
  process_min_avail = 2
  service_count = 1000
}}
service lmtp {{
  unix_listener {root}/lmtp {{
    mode = 0666
  }}
  process_min_avail = 50
  service_count = 1000
}}
service auth {{
  unix_listener {root}/auth {{
    mode = 0666
  }}
}}
protocol imap {{
  imap_idle_notify_interval = 29 mins
}}
"
    )
}
