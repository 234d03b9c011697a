//! FIRST's Exploit Prediction Scoring System: CSV with a remark that tells the model and the day, and the header `cve,epss,percentile`.

use super::{Entry, FeedError, Hearing, Score, text::maybe};

/// Millionths of one.
const ONE: u32 = 1_000_000;

pub(super) fn read(octets: &[u8], hearing: &mut Hearing<'_>) -> Result<(), FeedError> {
    let text = std::str::from_utf8(octets)
        .map_err(|error| hearing.form(format!("it is no UTF-8: {error}")))?;
    let mut is_headed = false;
    for (number, line) in (1_u64..).zip(text.lines()) {
        let line = line.trim();
        if let Some(remark) = line.strip_prefix('#') {
            let mut parts = remark.split(',');
            if let Some(date) = parts.find_map(|part| part.strip_prefix("score_date:")) {
                hearing.reading.published = maybe(date);
            }
        } else if !is_headed {
            if line != "cve,epss,percentile" {
                return Err(hearing.form(format!(
                    "line {number} is not the header cve,epss,percentile"
                )));
            }
            is_headed = true;
        } else if !line.is_empty() {
            hearing.record(|| format!("line {number}"), entry(line))?;
        }
    }
    Ok(())
}

fn entry(line: &str) -> Result<Option<Entry>, String> {
    let mut cells = line.split(',');
    let (Some(cve), Some(probability), Some(percentile), None) =
        (cells.next(), cells.next(), cells.next(), cells.next())
    else {
        return Err("it has not three cells".to_owned());
    };
    if !crate::record_is_cve(cve) {
        return Err(format!("{:?} is no CVE number", maybe(cve)));
    }
    Ok(Some(Entry::Score(Score {
        cve: cve.to_owned(),
        probability: millionths(probability).ok_or("epss is no share of one")?,
        percentile: millionths(percentile).ok_or("percentile is no share of one")?,
    })))
}

/// A share of one, as `0.97`, `1.0` or `1e-05`.
fn millionths(text: &str) -> Option<u32> {
    let share: f64 = text.trim().parse().ok()?;
    let is_share = (0.0..=1.0).contains(&share);
    is_share
        .then(|| format!("{:.0}", share * f64::from(ONE)).parse().ok())
        .flatten()
}
