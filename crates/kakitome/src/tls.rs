//! The site's certificate and key: read from files, or made self-signed for a start.

use std::{fs, io, path::Path};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use wire::{Identity, IdentityError};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::files;

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum TlsError {
    #[error("cannot read {path}: {reason}")]
    #[diagnostic(help("[tls] in kakitome.toml names the certificate and key files"))]
    Unreadable { path: String, reason: String },
    #[error("{path}: {source}")]
    Unusable { path: String, source: IdentityError },
    #[error("cannot make a self-signed certificate: {0}")]
    Making(#[from] rcgen::Error),
    #[error("cannot write the certificate: {0}")]
    Writing(#[from] io::Error),
}

/// Reads the identity that `certificate` and `key` hold.
pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
    let unreadable = |path: &Path, reason: String| TlsError::Unreadable {
        path: path.display().to_string(),
        reason,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| unreadable(certificate, e.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(key, e.to_string()))?;
    Identity::new(chain, private).map_err(|source| TlsError::Unusable {
        path: certificate.display().to_string(),
        source,
    })
}

/// Puts the chain in `pem` in the place of the certificate's file, in one step, once it is known to be for the key and to hold.
pub(crate) fn replace(certificate: &Path, key: &Path, pem: &str) -> Result<Identity, TlsError> {
    let name = certificate.file_name().unwrap_or_default();
    let mut fresh = name.to_os_string();
    fresh.push(".new");
    let fresh = certificate.with_file_name(fresh);
    if fresh.exists() {
        // What an earlier attempt left.
        fs::remove_file(&fresh)?;
    }
    files::write_new(&fresh, pem.as_bytes(), 0o600)?;
    let identity = load(&fresh, key)?;
    fs::rename(&fresh, certificate)?;
    let directory = certificate.parent().unwrap_or_else(|| Path::new("."));
    fs::File::open(directory)?.sync_all()?;
    Ok(identity)
}

/// How long a self-signed certificate is good for: long enough to get a real one, short enough that `status`
/// asks for it.
const SELF_SIGNED_DAYS: i64 = 397;

/// Makes a self-signed certificate for `names`, so that TLS works before a real one is there.
pub(crate) fn make_self_signed(
    certificate: &Path,
    key: &Path,
    names: Vec<String>,
    now: jiff::Timestamp,
) -> Result<(), TlsError> {
    let mut wanted = CertificateParams::new(names)?;
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let midnight = |date: jiff::civil::Date| {
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    wanted.not_before = midnight(today.saturating_sub(jiff::Span::new().days(1)));
    wanted.not_after = midnight(today.saturating_add(jiff::Span::new().days(SELF_SIGNED_DAYS)));
    let pair = KeyPair::generate()?;
    let made = wanted.self_signed(&pair)?;
    files::write_new(key, pair.serialize_pem().as_bytes(), 0o600)?;
    fs::write(certificate, made.pem())?;
    Ok(())
}

/// What a certificate says of itself.
#[derive(Debug)]
pub(crate) struct Facts {
    /// DNS names it is for.
    pub(crate) names: Vec<String>,
    /// Whether it vouches for itself.
    pub(crate) self_signed: bool,
    /// When it began to hold, in seconds since 1970.
    pub(crate) not_before: i64,
    /// When it ends.
    pub(crate) not_after: i64,
}

/// The SHA-256 digest of the public key in the first certificate of the file, as a TLSA record names it (RFC 6698, section 2.1).
pub(crate) fn key_digest(certificate: &Path) -> Result<[u8; 32], TlsError> {
    let unreadable = |reason: String| TlsError::Unreadable {
        path: certificate.display().to_string(),
        reason,
    };
    let leaf = CertificateDer::from_pem_file(certificate).map_err(|e| unreadable(e.to_string()))?;
    let (_, parsed) = X509Certificate::from_der(&leaf).map_err(|e| unreadable(e.to_string()))?;
    let key = parsed.tbs_certificate.subject_pki.raw;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key);
    digest
        .as_ref()
        .try_into()
        .map_err(|_| unreadable("its key has no digest".to_owned()))
}

/// Reads what the first certificate of the file says of itself.
pub(crate) fn describe(certificate: &Path) -> Result<Facts, TlsError> {
    let unreadable = |reason: String| TlsError::Unreadable {
        path: certificate.display().to_string(),
        reason,
    };
    let leaf = CertificateDer::from_pem_file(certificate).map_err(|e| unreadable(e.to_string()))?;
    let (_, parsed) = X509Certificate::from_der(&leaf).map_err(|e| unreadable(e.to_string()))?;
    let names = match parsed.subject_alternative_name() {
        Ok(Some(extension)) => extension
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            })
            .collect(),
        Ok(None) => Vec::new(),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    Ok(Facts {
        names,
        self_signed: parsed.issuer() == parsed.subject(),
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
    })
}
