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
    if !template.extra.is_empty() {
        text.push('\n');
        text.push_str(&template.extra);
    }
    text
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
        "# One person may do what the regulation splits between two (clauses 7.1, 9). Set to false as soon as"
    )?;
    writeln!(
        text,
        "# a second person holds a role; `status` shows that it is on."
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
[tls]
certificate = \"keys/tls.crt\"
key = \"keys/tls.key\"

[submission]
# Networks that may submit without authentication (clause 6.1(1)b); explicit ones only.
unauthenticated_networks = []

[limits]
# message_size = \"50MiB\"
# recipients = 1000
# smtp_connections = 1000
# smtp_connections_per_address = 50

[delivery]
# retry = [\"5m\", \"10m\", \"20m\", \"40m\", \"1h\", \"2h\", \"4h\"]
# warn_after = \"4h\"
# expire_after = \"5d\"
# smarthost = { host = \"relay.example.net\", port = 587, tls = \"verified\" }
";
