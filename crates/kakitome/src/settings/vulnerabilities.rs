//! `[vulnerabilities]`: software, feeds of vulnerabilities, and who shares what is decided (clauses 4.3, 8.3).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use advisory::{Limits, feed::Format, inventory::Item};
use rustls::RootCertStore;
use serde::Deserialize;
use toml::Spanned;

use super::{
    SettingsError, Size, Time,
    policy::{At, roots},
    probe::Daily,
};

/// `[vulnerabilities]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VulnerabilityKeys {
    /// When, each day, by the organisation's time zone; `false`: never. Default: 05:10, and never on a site that nobody outside reaches and
    /// that asks nobody.
    daily: Option<Daily>,
    /// A feed that was not read within this time is red.
    pub(crate) limit: Time,
    /// Octets of one feed.
    pub(crate) feed_size: Size,
    /// For fetching one feed.
    pub(crate) feed_time: Time,
    /// Octets of all records of an archive together, unpacked.
    feed_unpacked: Size,
    /// Octets of a feed that is no archive, unpacked.
    feed_document: Size,
    /// Octets of one record.
    feed_record: Size,
    /// Records of one feed.
    feed_records: u64,
    /// A feed is red whose newest record, or whose making, was so long ago by its own word, though it was read in time: a mirror that is
    /// not fed any more.
    pub(crate) stale_after: Time,
    /// PEM file of the roots that vouch for the feeds' hosts; relative to the site's directory. Default: the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// Where dpkg keeps what is installed; empty: the system has no dpkg, and its packages are not listed.
    pub(crate) dpkg_status: PathBuf,
    /// Where the system tells what it is.
    pub(crate) os_release: PathBuf,
    /// Packages of the operating system that the service rests on, as far as they are installed.
    pub(crate) packages: Vec<String>,
    /// Feeds. Default: RustSec, Debian, JVN, CISA KEV and EPSS, from their publishers.
    feeds: Option<Vec<Spanned<FeedKeys>>>,
    /// Other software of the mail service.
    pub(crate) software: Vec<Spanned<SoftwareKeys>>,
    /// Who shares documents (clause 8.3(6)). Default: the first domain.
    pub(crate) publisher: Option<String>,
    /// The publisher's address in the web. Default: https:// and the first domain.
    pub(crate) publisher_url: Option<Spanned<String>>,
}

/// A feed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedKeys {
    /// Its name, by which its state is remembered.
    pub(crate) name: String,
    /// What it is written in.
    pub(crate) format: Format,
    /// Where it is fetched from.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// The file that it is read from; relative to the site's directory.
    #[serde(default)]
    pub(crate) file: Option<PathBuf>,
}

/// Software that the settings name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SoftwareKeys {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its package URL, such as `pkg:deb/debian/postfix?distro=debian-12`.
    #[serde(default)]
    pub(crate) purl: String,
    /// Its CPE name, such as `cpe:2.3:a:postfix:postfix:*:*:*:*:*:*:*:*`.
    #[serde(default)]
    pub(crate) cpe: String,
}

impl Default for VulnerabilityKeys {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            daily: None,
            limit: Time::seconds(36 * 3600),
            feed_size: Size::mebibytes(512),
            feed_time: Time::seconds(600),
            feed_unpacked: Size(limits.unpacked),
            feed_document: Size(limits.document),
            feed_record: Size(limits.record),
            feed_records: limits.records,
            stale_after: Time::seconds(45 * 86_400),
            ca_file: None,
            dpkg_status: "/var/lib/dpkg/status".into(),
            os_release: "/etc/os-release".into(),
            packages: PACKAGES.iter().map(|name| (*name).to_owned()).collect(),
            feeds: None,
            software: Vec::new(),
            publisher: None,
            publisher_url: None,
        }
    }
}

/// What the program is linked to or starts from, and what it is usually put beside: resolvers and scanners.
const PACKAGES: &[&str] = &[
    "libc6",
    "libgcc-s1",
    "ca-certificates",
    "tzdata",
    "systemd",
    "unbound",
    "clamav-daemon",
    "clamav-freshclam",
    "rspamd",
    "opendkim",
    "clamav-milter",
];

/// The publishers' own addresses.
const FEEDS: &[(&str, Format, &str)] = &[
    (
        "rustsec",
        Format::Osv,
        "https://osv-vulnerabilities.storage.googleapis.com/crates.io/all.zip",
    ),
    (
        "debian",
        Format::Osv,
        "https://osv-vulnerabilities.storage.googleapis.com/Debian/all.zip",
    ),
    ("jvn", Format::Jvn, "https://jvndb.jvn.jp/ja/rss/jvndb.rdf"),
    (
        "kev",
        Format::Kev,
        "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
    ),
    (
        "epss",
        Format::Epss,
        "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
    ),
];

impl VulnerabilityKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        let mut names = BTreeSet::new();
        for feed in self.feeds.iter().flatten() {
            let keys = feed.get_ref();
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if keys.name.is_empty() || keys.name.len() > 50 || !keys.name.chars().all(is_name) {
                return Err(at(
                    feed.span(),
                    "a feed's name has 1 to 50 letters, digits, - or _".into(),
                ));
            }
            if !names.insert(&keys.name) {
                return Err(at(
                    feed.span(),
                    format!("two feeds are called {}", keys.name),
                ));
            }
            match (&keys.url, &keys.file) {
                (Some(url), None) => {
                    transfer::fetch::check(url).map_err(|reason| at(feed.span(), reason))?;
                }
                (None, Some(_)) => {}
                _ => return Err(at(feed.span(), "a feed has either a url or a file".into())),
            }
        }
        for software in &self.software {
            item(software.get_ref()).map_err(|reason| at(software.span(), reason))?;
        }
        if let Some(url) = &self.publisher_url
            && !url.get_ref().starts_with("https://")
        {
            return Err(at(
                url.span(),
                "an address that begins with https:// is needed".into(),
            ));
        }
        Ok(())
    }

    /// The files that feeds are read from.
    pub(super) fn feed_files(&self) -> impl Iterator<Item = &PathBuf> {
        let feeds = self.feeds.iter().flatten();
        feeds.filter_map(|feed| feed.get_ref().file.as_ref())
    }

    /// What of a feed is read.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            unpacked: self.feed_unpacked.0,
            document: self.feed_document.0,
            record: self.feed_record.0,
            records: self.feed_records,
        }
    }

    /// The roots, from their file.
    pub(crate) fn roots(&self, directory: &Path) -> Result<Option<RootCertStore>, String> {
        let file = self.ca_file.as_ref();
        file.map(|file| roots(&directory.join(file))).transpose()
    }

    /// When feeds are read each day, if they are.
    pub(super) fn daily(&self, is_alone: bool) -> Option<jiff::civil::Time> {
        match self.daily {
            Some(daily) => daily.0,
            None if is_alone => None,
            None => Some(jiff::civil::time(5, 10, 0, 0)),
        }
    }

    /// The feeds, those first that open cases.
    pub(crate) fn feeds(&self) -> Vec<FeedKeys> {
        let mut feeds: Vec<FeedKeys> = match &self.feeds {
            Some(feeds) => feeds.iter().map(|feed| feed.get_ref().clone()).collect(),
            None => FEEDS
                .iter()
                .map(|(name, format, url)| FeedKeys {
                    name: (*name).to_owned(),
                    format: *format,
                    url: Some((*url).to_owned()),
                    file: None,
                })
                .collect(),
        };
        feeds.sort_by_key(|feed| feed.format);
        feeds
    }

    /// The software that the settings name.
    pub(crate) fn declared(&self) -> Result<Vec<Item>, String> {
        self.software
            .iter()
            .map(|software| item(software.get_ref()))
            .collect()
    }
}

fn item(keys: &SoftwareKeys) -> Result<Item, String> {
    let is_word = |text: &str| {
        !text.is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control)
    };
    if !is_word(&keys.name) || !is_word(&keys.version) {
        return Err("software has a name and a version, each of 1 to 200 characters".into());
    }
    if keys.purl.is_empty() && keys.cpe.is_empty() {
        return Err(format!(
            "{} needs a purl or a cpe, by which feeds know it",
            keys.name
        ));
    }
    Item::declared(&keys.name, &keys.version, &keys.purl, &keys.cpe)
}
