//! `kakitome.toml`: every setting, with its meaning, unit, default and, where one governs it, its clause.
//!
//! An unknown key, a wrong type or an impossible combination is an error that points at its line. Times
//! are written `30s`, `5m`, `4h`, `10d`; sizes `64KiB`, `50MiB`, `1GiB`.

mod acme;
mod analysis;
mod audit;
mod bounds;
mod capacity;
mod checks;
mod criteria;
mod engines;
mod error;
mod isolation;
mod limits;
mod listen;
mod malware;
mod mta_sts;
mod own_files;
mod policy;
mod probe;
mod quarantine;
mod regulation;
mod reports;
mod return_path;
mod rooms;
mod screening;
mod signing;
mod submission;
mod template;
mod traffic;
mod units;
mod vulnerabilities;
mod written;
mod yara;

use std::path::{Path, PathBuf};

use message::address::{Address, Domain};
use serde::Deserialize;
use toml::Spanned;

use bounds::Places;

pub(crate) use self::regulation::{RegulationKeys, machine_zone};
pub(crate) use self::traffic::TrafficKeys;
pub(crate) use acme::{AcmeKeys, AcmeRules, Challenge};
pub(crate) use audit::{AuditKeys, ForwardTo};
pub(crate) use capacity::CapacityKeys;
pub(crate) use error::SettingsError;
pub(crate) use isolation::IsolationKeys;
pub(crate) use limits::{
    DeliveryKeys, DirectoryKeys, DnsKeys, LimitKeys, RetrievalKeys, StoreKeys, WebKeys,
};
pub(crate) use listen::{ListenKeys, Service};
pub(crate) use malware::{Daily, beside_this};
pub(crate) use mta_sts::{MtaStsKeys, record as sts_record};
pub(crate) use own_files::OwnFiles;
pub(crate) use policy::{ExchangeKeys, MailboxKeys, roots};
pub(crate) use probe::ProbeKeys;
pub(crate) use quarantine::QuarantineKeys;
pub(crate) use reports::ReportKeys;
pub(crate) use return_path::ReturnPathKeys;
pub(crate) use screening::{ScreeningKeys, policy_of};
pub(crate) use signing::SigningKeys;
pub(crate) use submission::SubmissionKeys;
pub(crate) use template::{Template, render};
pub(crate) use units::{Size, Time};
pub(crate) use vulnerabilities::{FeedKeys, VulnerabilityKeys};
pub(crate) use written::Written;

/// The file's name within the site's directory.
pub(crate) const FILE: &str = "kakitome.toml";

/// All of `kakitome.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) server: ServerKeys,
    #[serde(rename = "domain")]
    pub(crate) domains: Vec<DomainKeys>,
    #[serde(default)]
    pub(crate) listen: ListenKeys,
    #[serde(default)]
    pub(crate) tls: TlsKeys,
    #[serde(default)]
    pub(crate) exchange: ExchangeKeys,
    #[serde(default)]
    pub(crate) mailbox: MailboxKeys,
    #[serde(default)]
    pub(crate) submission: SubmissionKeys,
    #[serde(default)]
    pub(crate) retrieval: RetrievalKeys,
    #[serde(default)]
    pub(crate) web: WebKeys,
    #[serde(default)]
    pub(crate) delivery: DeliveryKeys,
    #[serde(default)]
    pub(crate) limits: LimitKeys,
    #[serde(default)]
    pub(crate) dns: DnsKeys,
    #[serde(default)]
    pub(crate) screening: ScreeningKeys,
    #[serde(default)]
    pub(crate) quarantine: QuarantineKeys,
    #[serde(default)]
    pub(crate) dmarc_reports: ReportKeys,
    #[serde(default)]
    pub(crate) tls_reports: ReportKeys,
    #[serde(default)]
    pub(crate) isolation: IsolationKeys,
    #[serde(default)]
    pub(crate) capacity: CapacityKeys,
    #[serde(default)]
    pub(crate) checks: checks::CheckKeys,
    #[serde(default)]
    pub(crate) traffic: TrafficKeys,
    #[serde(default)]
    pub(crate) signing: SigningKeys,
    #[serde(default)]
    pub(crate) return_path: ReturnPathKeys,
    #[serde(default)]
    pub(crate) mta_sts: MtaStsKeys,
    #[serde(default)]
    pub(crate) directory: DirectoryKeys,
    #[serde(default)]
    pub(crate) store: StoreKeys,
    #[serde(default)]
    pub(crate) audit: AuditKeys,
    #[serde(default)]
    pub(crate) probe: ProbeKeys,
    #[serde(default)]
    pub(crate) regulation: RegulationKeys,
    #[serde(default)]
    pub(crate) vulnerabilities: VulnerabilityKeys,
    /// BLAKE3 of the text these were read from, in hexadecimal; for the trail.
    #[serde(skip)]
    pub(crate) digest: String,
    /// What is written in the file.
    #[serde(skip)]
    pub(crate) written: Written,
    /// `[screening]` as the file has it, for those who ask what a policy was.
    #[serde(skip)]
    pub(crate) screening_kept: String,
    /// What is done about incidents; `None` of a text whose site's directory was not looked at.
    #[serde(skip)]
    pub(crate) runbooks: Option<directory::runbook::Runbooks>,
}

/// Who the server is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerKeys {
    /// The name in the banner, in EHLO and in Received.
    pub(crate) hostname: Spanned<String>,
    /// `exchange`, `mailbox` or both.
    pub(crate) roles: Spanned<Vec<Role>>,
}

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Meets the outside world.
    Exchange,
    /// Keeps mailboxes, which staff connect to.
    Mailbox,
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "exchange" => Ok(Self::Exchange),
            "mailbox" => Ok(Self::Mailbox),
            other => Err(format!(
                "{other:?} is no role: exchange or mailbox is expected"
            )),
        }
    }
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Mailbox => "mailbox",
        }
    }
}

/// A domain whose mail is ours.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DomainKeys {
    pub(crate) name: Spanned<String>,
    /// Where mail for unknown addresses of the domain goes. Default: it is refused.
    #[serde(default)]
    pub(crate) catch_all: Option<Spanned<String>>,
}

/// The certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsKeys {
    /// PEM chain, leaf first; relative to the site's directory.
    pub(crate) certificate: PathBuf,
    /// PEM private key; relative to the site's directory.
    pub(crate) key: PathBuf,
    /// The authority that the server has the certificate from by itself. Default: whoever looks after the file.
    pub(crate) acme: Option<AcmeKeys>,
}

impl Default for TlsKeys {
    fn default() -> Self {
        Self {
            certificate: "keys/tls.crt".into(),
            key: "keys/tls.key".into(),
            acme: None,
        }
    }
}

impl Settings {
    /// Reads and checks the settings of the site in `directory`.
    pub(crate) fn load(directory: &Path) -> Result<Self, SettingsError> {
        let path = directory.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| SettingsError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let name = path.display().to_string();
        let mut settings = Self::parse(&name, &text)?;
        let places = Places {
            name: &name,
            text: &text,
        };
        settings.check_files(directory, &places)?;
        settings.check_regulation(directory, &places)?;
        let runbooks = regulation::load(directory)
            .and_then(|regulation| crate::runbooks::load(directory, &regulation));
        settings.runbooks = Some(runbooks.map_err(SettingsError::Runbook)?);
        Ok(settings)
    }

    /// Checks `text`, which came from the file `name`; other files that it names are not looked at.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, SettingsError> {
        let mut settings: Self =
            toml::from_str(text).map_err(|error| SettingsError::syntax(name, text, &error))?;
        let places = Places { name, text };
        settings.check(&|span, message| places.at(span, message))?;
        settings.check_bounds(&places)?;
        settings.digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        settings.written = Written::of(text);
        settings.screening_kept = screening::kept(text);
        Ok(settings)
    }

    fn check(
        &self,
        at: &dyn Fn(std::ops::Range<usize>, String) -> SettingsError,
    ) -> Result<(), SettingsError> {
        let hostname = &self.server.hostname;
        Domain::parse(hostname.get_ref())
            .map_err(|e| at(hostname.span(), format!("this is not a host name: {e}")))?;
        if self.server.roles.get_ref().is_empty() {
            let span = self.server.roles.span();
            return Err(at(
                span,
                "at least one role is needed: \"exchange\", \"mailbox\"".into(),
            ));
        }
        for domain in &self.domains {
            Domain::parse(domain.name.get_ref())
                .map_err(|e| at(domain.name.span(), format!("this is not a domain: {e}")))?;
            if let Some(catch_all) = &domain.catch_all {
                let address = Address::parse(catch_all.get_ref())
                    .map_err(|e| at(catch_all.span(), format!("this is not an address: {e}")))?;
                let own = |keys: &DomainKeys| {
                    Domain::parse(keys.name.get_ref()).is_ok_and(|name| name == *address.domain())
                };
                if !self.domains.iter().any(own) {
                    let reason = "a catch-all is an address of one of this site's own domains";
                    return Err(at(catch_all.span(), reason.into()));
                }
            }
        }
        self.check_duplicates(at)?;
        self.listen.check(at)?;
        self.exchange.check(self, at)?;
        self.mailbox.check(self, at)?;
        self.submission.check(at)?;
        self.limits.check(at)?;
        self.delivery.check(at)?;
        self.audit.check(at)?;
        self.screening.check(at)?;
        self.quarantine.check(at)?;
        for reports in [&self.dmarc_reports, &self.tls_reports] {
            reports.check(&self.own_domains(), at)?;
        }
        self.isolation.check(at)?;
        self.capacity.check(at)?;
        self.checks.check(at)?;
        self.regulation.check(at)?;
        self.traffic.check(at)?;
        self.signing.check(at)?;
        self.return_path.check(at)?;
        self.mta_sts.check(at)?;
        self.vulnerabilities.check(at)?;
        if let Some(acme) = &self.tls.acme {
            acme.check(at)?;
        }
        self.check_names(at)
    }

    fn check_duplicates(
        &self,
        at: &dyn Fn(std::ops::Range<usize>, String) -> SettingsError,
    ) -> Result<(), SettingsError> {
        let mut seen = std::collections::BTreeSet::new();
        for domain in &self.domains {
            if !seen.insert(domain.name.get_ref().to_ascii_lowercase()) {
                return Err(at(domain.name.span(), "this domain is named twice".into()));
            }
        }
        Ok(())
    }

    /// The services that the roles and settings ask for, each with its port.
    pub(crate) fn services(&self) -> Vec<(Service, u16)> {
        Service::ALL
            .into_iter()
            .filter(|service| match service {
                Service::Smtp | Service::Metrics => true,
                _ => self.has(Role::Mailbox),
            })
            .filter_map(|service| Some((service, self.listen.port(service)?)))
            .collect()
    }

    /// Whether mail from outside is screened.
    pub(crate) fn screens(&self) -> bool {
        self.has(Role::Exchange) && self.screening.enabled.unwrap_or(!self.is_alone())
    }

    /// Whether this process has `role`.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.server.roles.get_ref().contains(&role)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LEAST: &str = "[server]\nhostname = \"mail.example.org\"\nroles = [\"exchange\", \"mailbox\"]\n\n[[domain]]\nname = \"example.org\"\n";

    fn fault(extra: &str) -> String {
        let text = format!("{LEAST}\n{extra}");
        let error = Settings::parse("kakitome.toml", &text).unwrap_err();
        format!("{:?}", miette::Report::new(error))
    }

    #[test]
    fn the_least_that_is_needed_is_enough() {
        let settings = Settings::parse("kakitome.toml", LEAST).unwrap();
        assert!(settings.has(Role::Exchange) && settings.has(Role::Mailbox));
    }

    #[test]
    fn an_unknown_key_is_pointed_at() {
        let shown = fault("[limits]\nmesage_size = \"1MiB\"\n");
        assert!(shown.contains("mesage_size"), "{shown}");
        assert!(shown.contains("kakitome.toml:9"), "{shown}");
    }

    #[test]
    fn a_network_that_means_everyone_is_an_error() {
        for everyone in ["0.0.0.0/0", "::/0", "0.0.0.0/1", "10.0.0.0/33"] {
            let shown = fault(&format!(
                "[submission]\nunauthenticated_networks = [\"{everyone}\"]\n"
            ));
            assert!(shown.contains("kakitome.toml:9"), "{shown}");
        }
    }

    #[test]
    fn a_limit_below_what_the_standard_demands_is_pointed_at() {
        for (key, least) in [
            ("recipients", 100),
            ("line_length", 512),
            ("content_line_length", 1000),
            ("auth_line_length", 12_288),
        ] {
            let shown = fault(&format!("[limits]\n{key} = {}\n", least - 1));
            assert!(shown.contains("kakitome.toml:9"), "{shown}");
            let text = format!("{LEAST}\n[limits]\n{key} = {least}\n");
            Settings::parse("kakitome.toml", &text).unwrap();
        }
    }

    /// Nothing may be cut off before the time that the settings give it.
    #[test]
    fn the_time_to_stop_follows_the_settings() {
        use std::time::Duration;
        let read = |extra: &str| {
            let text = format!("{LEAST}\n{extra}");
            Settings::parse("kakitome.toml", &text)
                .unwrap()
                .drain_time()
        };
        assert!(read("") > Duration::from_secs(20));
        for section in ["limits", "delivery"] {
            let longer = read(&format!("[{section}]\nshutdown_time = \"5m\"\n"));
            assert!(longer > Duration::from_secs(300), "{section}");
        }
    }

    #[test]
    fn impossible_combinations_are_pointed_at() {
        for (extra, line) in [
            ("[limits]\nmessage_size = \"1GiB\"\n", 9),
            ("[limits]\nmemory = \"49MiB\"\n", 9),
            ("[delivery]\nport = 25\nconcurrency = 0\n", 10),
            ("[delivery]\nconcurrency_per_destination = 0\n", 9),
            ("[delivery]\nqueue_interval = \"0s\"\n", 9),
            ("[delivery]\nretry = [\"0s\"]\n", 9),
            ("[directory]\nargon2_passes = 0\n", 9),
            ("[directory]\nargon2_memory = \"7KiB\"\n", 9),
            ("[directory]\nscram_iterations = 100\n", 9),
            ("[directory]\ntag_separator = \"abc\"\n", 9),
            ("[directory]\ntag_separator = \"x\"\n", 9),
            ("[limits]\nsmtp_connections = 0\n", 9),
            ("[audit]\nverify_share = 0\n", 9),
            ("[checks]\nconspicuous_bounces = 0\n", 9),
            ("[checks]\nsharing_told_days = 0\n", 9),
            ("[limits]\nrecipients = 0\n", 9),
            ("[limits]\nhandshake_time = \"0s\"\n", 9),
            ("[listen]\nimap = 25\n", 9),
            ("[listen]\nsmtp = 993\nimaps = true\n", 10),
            ("[listen]\nmetrics = 25\n", 9),
            ("[listen]\naddresses = [\"0.0.0.0\", \"127.0.0.1\"]\n", 9),
            ("[store]\nreaders = 0\n", 9),
            ("[quarantine]\nkeep = \"1h\"\n", 9),
            ("[traffic]\nclosed = [\"13-01\"]\n", 9),
            ("[traffic]\nweeks = 100\n", 9),
            ("[traffic]\ntimes = 1\n", 9),
            ("[traffic]\nholidays = \"mars\"\n", 9),
            ("[screening]\ngreeting_wait = \"1m\"\n", 9),
            ("[screening]\ndns_list = [{ zone = \"a b\" }]\n", 9),
            (
                "[screening]\ndns_list = [{ zone = \"x.example\", answers = [\"10.0.0.1\"] }]\n",
                9,
            ),
            (
                "[screening]\nrule = [{ name = \"x\", then = \"refuse\" }]\n",
                9,
            ),
            (
                "[screening]\nrule = [{ name = \"x\", then = \"mark\", pattern = [\"y\"] }]\n",
                9,
            ),
            (
                "[screening]\npattern = [{ name = \"x\", in = \"body\", texts = [\"y\"] }]\n",
                9,
            ),
            (
                "[screening]\npattern = [{ name = \"x\", in = \"text\", expressions = [\"(\"] }]\n",
                9,
            ),
            ("[screening.history]\ngreylisting = \"0s\"\n", 9),
            ("[screening]\nstatus_field = \"Subject\"\n", 9),
            ("[screening.history]\ngood_percent = 90\n", 9),
            ("[screening.words]\njunk_from = 400\n", 9),
            ("[return_path]\nsurge = 1000000\n", 9),
            ("[return_path]\nsurge_time = \"0s\"\n", 9),
            ("[capacity]\nnear_percent = 20\n", 9),
            ("[capacity]\nkeep = \"30d\"\n", 9),
            ("[retrieval]\nplaintext_warning_every = \"1h\"\n", 9),
            ("[regulation]\nlanguage = \"fr\"\n", 9),
            ("[isolation]\nblock_time = \"1s\"\n", 9),
            ("[isolation]\nexcept = [\"0.0.0.0/0\"]\n", 9),
            ("[signing]\nalgorithms = [\"ed25519\"]\n", 9),
            ("[signing]\nrotate = \"1d\"\n", 9),
            ("[return_path]\nexcept = [\"no domain\"]\n", 9),
            ("[return_path]\nunmarked = \"drop\"\n", 9),
            ("[mta_sts]\nmode = \"strict\"\n", 9),
            ("[tls]\nacme = { directory = \"https://a.example/\" }\n", 9),
            (
                "[tls]\nacme = { directory = \"http://a.example/\", terms_agreed = true }\n",
                9,
            ),
            (
                "[tls]\nacme = { directory = \"https://a.example/\", terms_agreed = true, names = [\"*.a.example\"] }\n",
                9,
            ),
            ("[mta_sts]\nmx = [\"*.*.example\"]\n", 9),
            ("[mta_sts]\nmax_age = \"10m\"\n", 9),
            ("[signing]\noverlap = \"1d\"\n", 9),
            ("[signing]\nrotate = \"9999999d\"\n", 9),
            ("[quarantine]\ndigest = \"25:00\"\n", 9),
            ("[dmarc_reports]\nsize = \"0B\"\n", 9),
            ("[tls_reports]\ndays = 15\n", 9),
            ("[dmarc_reports]\naddress = \"a@elsewhere.example\"\n", 9),
            ("[screening]\ntime = \"0s\"\n", 9),
            ("[screening]\ntime = \"10m\"\n", 9),
            ("[screening]\nsignatures = 21\n", 9),
            ("[screening]\nspf_fail = \"defer\"\n", 9),
            ("[screening.malware]\nclamd = \"relative\"\n", 9),
            ("[screening.malware]\nclamd_time = \"10m\"\n", 9),
            ("[screening.malware]\nworkers = 0\n", 9),
            ("[screening.malware]\nworker_messages = 0\n", 9),
            ("[screening.malware]\nworker_memory = \"1MiB\"\n", 9),
            ("[screening.malware]\ndepth = 100\n", 9),
            ("[screening.malware]\nfound = \"mark\"\n", 9),
            ("[screening.malware]\ncanary = \"sometimes\"\n", 9),
            ("[screening.malware.yara]\nrules = [\"\"]\n", 9),
            ("[screening.malware.yara]\nprocesses = 0\n", 9),
            ("[screening.malware.yara]\nmessages = 0\n", 9),
            ("[screening.malware.yara]\nmemory = \"1MiB\"\n", 9),
            ("[screening.malware.yara]\ntime = \"10m\"\n", 9),
            ("[screening.malware.yara]\ntags = { odd = \"burn\" }\n", 9),
            (
                "[screening.malware.yara]\ntags = { \"no tag\" = \"mark\" }\n",
                9,
            ),
            ("[screening.rspamd]\naddress = \"unix:relative\"\n", 9),
            ("[screening.rspamd]\ntime = \"10m\"\n", 9),
            ("[screening.rspamd]\nreject = \"burn\"\n", 9),
            ("[screening.rspamd]\nconcurrency = 0\n", 9),
            (
                "[[screening.milter]]\nname = \"a b\"\naddress = \"h:1\"\n",
                9,
            ),
            (
                "[[screening.milter]]\nname = \"rspamd\"\naddress = \"h:1\"\n",
                9,
            ),
            ("[[screening.milter]]\nname = \"a\"\naddress = \"h\"\n", 10),
            (
                "[[screening.milter]]\nname = \"a\"\naddress = \"h:1\"\ntime = \"6m\"\n",
                11,
            ),
            (
                "[[screening.milter]]\nname = \"a\"\naddress = \"h:1\"\nmay = [\"envelope\"]\n",
                11,
            ),
            (
                "[screening]\nmilter = [{ name = \"a\", address = \"h:1\" }, { name = \"a\", address = \"h:2\" }]\n",
                9,
            ),
            ("[screening]\ndmarc_exceptions = [\"0.0.0.0/0\"]\n", 9),
            ("[screening]\ndmarc_exceptions = [\"list example\"]\n", 9),
            ("catch_all = \"x@elsewhere.test\"\n", 8),
            (
                "[delivery]\nwarn_after = \"9d\"\nexpire_after = \"5d\"\n",
                9,
            ),
            (
                "[delivery]\nsmarthost = { host = \"r.example\", identity = \"u\", password_file = \"p\", tls = \"opportunistic\" }\n",
                9,
            ),
        ] {
            let shown = fault(extra.trim_end_matches('\n'));
            assert!(shown.contains(&format!("kakitome.toml:{line}")), "{shown}");
        }
    }

    #[test]
    fn what_the_template_writes_is_read_back() {
        let text = render(&Template {
            hostname: "mail.example.org".into(),
            domains: vec!["example.org".into(), "example.jp".into()],
            roles: vec![Role::Exchange, Role::Mailbox],
            listen: Some([127, 0, 0, 1].into()),
            port_base: Some(20000),
            allow_single_person: true,
            extra: String::new(),
        });
        let settings = Settings::parse("kakitome.toml", &text).unwrap();
        assert_eq!(settings.domains.len(), 2);
        assert_eq!(settings.listen.port(Service::Smtp), Some(20025));
        assert_eq!(settings.listen.port(Service::Metrics), Some(20090));
    }
}
