//! The words of `probe`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use probe::{Family, MOST_SAMPLES, Protocol};

use crate::settings::Time;

/// `probe`
#[derive(Debug, Args)]
#[group(id = "what", required = true, args = ["server", "own", "list"])]
pub(crate) struct ProbeArgs {
    /// The server: a name or an address, and a port if it is not the standard one
    #[arg(value_name = "HOST[:PORT]")]
    pub(crate) server: Option<String>,
    /// Have the running site probe its own listeners, as it does every day; with -C DIR
    #[arg(long, conflicts_with_all = [
        "server", "protocol", "tls", "starttls", "domain", "recipient", "from", "outside", "name", "ca", "deliver", "logins",
    ])]
    pub(crate) own: bool,
    /// List all checks
    #[arg(long, conflicts_with_all = ["server", "own"])]
    pub(crate) list: bool,
    /// smtp (between servers), submission, imap or pop3 [default: as the port says, also one that ends like a standard one]
    #[arg(long)]
    pub(crate) protocol: Option<Protocol>,
    /// TLS begins before the greeting [default: as the port says]
    #[arg(long, conflicts_with = "starttls")]
    pub(crate) tls: bool,
    /// Go on after STARTTLS in all checks [default: where a check is about TLS, and at submission]
    #[arg(long)]
    pub(crate) starttls: bool,
    /// A domain that the server should take mail for [default: the recipient's, else the server's name]
    #[arg(long, value_name = "D")]
    pub(crate) domain: Option<String>,
    /// An address that exists there
    #[arg(long, value_name = "A")]
    pub(crate) recipient: Option<String>,
    /// The sender
    #[arg(long, value_name = "A", default_value = "probe@example.net")]
    pub(crate) from: String,
    /// An address that the server should take no mail for
    #[arg(long, value_name = "A", default_value = "relay-probe@example.com")]
    pub(crate) outside: String,
    /// The name that the certificate must have [default: HOST]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// PEM file of the roots that may vouch for the certificate [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Send messages to the recipient, some 25 at most, to find how messages end; without it nothing is delivered
    #[arg(long, requires = "recipient")]
    pub(crate) deliver: bool,
    /// Let logins fail in the recipient's name, which can lock the account for a while
    #[arg(long, requires = "recipient")]
    pub(crate) logins: bool,
    /// Only this family of checks; may be repeated
    #[arg(long, value_name = "FAMILY")]
    pub(crate) only: Vec<Family>,
    /// How long one step may take
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "15s")]
    pub(crate) timeout: Duration,
    /// How long all of it may take
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10m")]
    pub(crate) total_time: Duration,
    /// How often is timed what must take the same time
    #[arg(long, value_name = "N", default_value_t = probe::SAMPLES, value_parser = clap::value_parser!(u16).range(2..=i64::from(MOST_SAMPLES)))]
    pub(crate) samples: u16,
    /// The language of the titles: ja or en
    #[arg(long, default_value = "en", value_parser = ["ja", "en"])]
    pub(crate) lang: String,
    /// Show the dialogue of every check, not only of those that fail
    #[arg(long)]
    pub(crate) verbose: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = Time::parse(text).map(|time| time.0);
    time.filter(|time| !time.is_zero())
        .ok_or_else(|| format!("{text:?} is no time such as 500ms, 15s or 10m"))
}
