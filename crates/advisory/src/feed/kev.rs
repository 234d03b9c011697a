//! CISA's catalogue of known exploited vulnerabilities (<https://www.cisa.gov/known-exploited-vulnerabilities-catalog>), JSON.

use serde::Deserialize;
use serde_json::Value;

use super::{Entry, Exploited, FeedError, Hearing, text::maybe};
use crate::limits::{DETAILS, TITLE, line};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Catalogue {
    #[serde(default)]
    date_released: String,
    count: u64,
    vulnerabilities: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vulnerability {
    #[serde(rename = "cveID")]
    cve: String,
    vulnerability_name: String,
    date_added: String,
    #[serde(default)]
    required_action: String,
    #[serde(default)]
    known_ransomware_campaign_use: String,
}

pub(super) fn read(octets: &[u8], hearing: &mut Hearing<'_>) -> Result<(), FeedError> {
    let catalogue: Catalogue =
        serde_json::from_slice(octets).map_err(|error| match error.is_data() {
            true => hearing.form(error.to_string()),
            false => FeedError::Json(error.to_string()),
        })?;
    let found = u64::try_from(catalogue.vulnerabilities.len()).unwrap_or(u64::MAX);
    if found != catalogue.count {
        return Err(hearing.form(format!(
            "it says that it has {} entries, and has {found}",
            catalogue.count
        )));
    }
    hearing.reading.published = maybe(&catalogue.date_released);
    for (number, value) in (1_u64..).zip(catalogue.vulnerabilities) {
        let found = entry(value);
        hearing.record(|| format!("entry {number}"), found)?;
    }
    Ok(())
}

fn entry(value: Value) -> Result<Option<Entry>, String> {
    let one: Vulnerability = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if !crate::record_is_cve(&one.cve) {
        return Err(format!("{:?} is no CVE number", maybe(&one.cve)));
    }
    Ok(Some(Entry::Exploited(Exploited {
        cve: one.cve,
        added: maybe(&one.date_added),
        name: line(&one.vulnerability_name, TITLE),
        action: line(&one.required_action, DETAILS),
        ransomware: one.known_ransomware_campaign_use == "Known",
    })))
}
