//! Which software there is: this program and what it is built of, packages of the operating system, scanners, and what the settings
//! name (clause 4.3(1)).

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use advisory::{
    inventory::{self, Item, ItemKind},
    sbom,
};
use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use governance::vuln::inventory::Looks;
use rustix::fs::{Mode, OFlags};
use serde_json::Value;

use crate::{settings::VulnerabilityKeys, site::Site};

/// What cargo built the program of.
const BUILD: &str = include_str!(concat!(env!("OUT_DIR"), "/components.txt"));
/// Octets of dpkg's file: some 5,000 packages take 5 MiB.
const MOST_STATUS: u64 = 64 << 20;

/// The program itself.
fn server() -> Item {
    Item {
        kind: ItemKind::Server,
        name: "kakitome".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        purl: format!("pkg:generic/kakitome@{}", env!("CARGO_PKG_VERSION")),
        package: None,
        products: Vec::new(),
    }
}

/// The program's bill of materials (CycloneDX 1.6).
pub(crate) fn bill() -> Value {
    sbom::cyclonedx(&server(), &sbom::components(BUILD))
}

/// Looks at all kinds of software.
pub(super) async fn look(site: &Site) -> Looks {
    let settings = site.settings();
    let keys = &settings.vulnerabilities;
    vec![
        (ItemKind::Server, Ok(vec![server()])),
        (ItemKind::Component, Ok(sbom::components(BUILD))),
        (ItemKind::Package, packages(site, keys).await),
        (ItemKind::Scanner, scanners(site).await),
        (ItemKind::Declared, keys.declared()),
    ]
}

async fn packages(site: &Site, keys: &VulnerabilityKeys) -> Result<Vec<Item>, String> {
    if keys.dpkg_status.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let (status, release) = (
        site.path.join(&keys.dpkg_status),
        site.path.join(&keys.os_release),
    );
    let wanted: BTreeSet<String> = keys.packages.iter().cloned().collect();
    let read = tokio::task::spawn_blocking(move || installed(&status, &release, &wanted));
    read.await.map_err(|error| error.to_string())?
}

fn installed(
    status: &Path,
    release: &Path,
    wanted: &BTreeSet<String>,
) -> Result<Vec<Item>, String> {
    let needed = |path: &Path| {
        let found = text(path)?;
        found.ok_or_else(|| {
            format!(
                "{} is not there; [vulnerabilities] dpkg_status = \"\" says that the system has no dpkg",
                path.display()
            )
        })
    };
    let status_text = needed(status)?;
    // Advisories tell of Debian's own versions: another system's would be held against what is not meant for them.
    let release = inventory::debian_release(&needed(release)?).ok_or_else(|| {
        format!(
            "by {} this is no release of Debian, whose packages alone are known to the feeds",
            release.display()
        )
    })?;
    inventory::dpkg(&status_text, &release, wanted)
        .map_err(|why| format!("{}: {why}", status.display()))
}

/// The text of a file; `None`: there is none.
fn text(path: &Path) -> Result<Option<String>, String> {
    let said = |error: io::Error| format!("{}: {error}", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(said)?,
    };
    let mut octets = Vec::new();
    file.take(MOST_STATUS.saturating_add(1))
        .read_to_end(&mut octets)
        .map_err(said)?;
    match u64::try_from(octets.len()).is_ok_and(|length| length <= MOST_STATUS) {
        true => Ok(Some(String::from_utf8_lossy(&octets).into_owned())),
        false => Err(format!(
            "{} has more than {MOST_STATUS} octets",
            path.display()
        )),
    }
}

async fn scanners(site: &Site) -> Result<Vec<Item>, String> {
    let scanners = site.scanners();
    if scanners.clamd.is_none() {
        return Ok(Vec::new());
    }
    let (definitions, troubles) = scanners.probe().await;
    match definitions {
        Some(known) => {
            // `ClamAV 1.0.7`, as clamd says it.
            let version = known.engine.rsplit(' ').next().unwrap_or(&known.engine);
            Ok(vec![Item::of_scanner("clamd", version)])
        }
        None => {
            let trouble = troubles
                .into_iter()
                .find(|trouble| trouble.scanner == "clamd");
            Err(trouble.map_or_else(
                || "clamd does not tell its version".to_owned(),
                |trouble| trouble.reason,
            ))
        }
    }
}

/// A file, its SHA-256 and its octets; it is read to its end. What is no plain file, or longer than `most`, is refused.
///
/// # Errors
/// Why, in words.
pub(crate) fn digest_of(path: &PathBuf, most: u64) -> Result<(File, String, u64), String> {
    let said = |error: io::Error| format!("{}: {error}", path.display());
    // A pipe would keep the reader waiting for somebody to write.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let mut file = File::from(opened.map_err(|error| said(error.into()))?);
    if !file.metadata().map_err(said)?.is_file() {
        return Err(format!("{} is no plain file", path.display()));
    }
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut room = vec![0_u8; 1 << 16];
    let mut octets = 0_u64;
    loop {
        let read = file.read(&mut room).map_err(said)?;
        if read == 0 {
            return Ok((file, HEXLOWER.encode(hash.finish().as_ref()), octets));
        }
        octets = octets.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if octets > most {
            return Err(format!("{} has more than {most} octets", path.display()));
        }
        hash.update(room.get(..read).unwrap_or_default());
    }
}
