//! ARC (RFC 8617): who handed the message on, and what the first of them saw.

use mail_auth::{
    AuthenticatedMessage, DkimResult, arc::ChainValidation, common::crypto::Algorithm,
};
use tokio::time::{Instant, timeout_at};

use super::{Screener, arc_form, dkim::MOST_SIGNED_FIELDS};
use crate::{
    ArcChain, Finding,
    evidence::{self, MOST_SEALERS},
};

/// Octets of an ARC-Authentication-Results field that are read.
const MOST_RESULTS: usize = 8 << 10;
/// RFC 8617, section 5.1.1.1.1.
const MOST_SETS: usize = 50;

impl Screener {
    pub(super) async fn arc(&self, message: &AuthenticatedMessage<'_>, by: Instant) -> ArcChain {
        let sets = message.as_headers.len();
        if sets == 0 && message.ams_headers.is_empty() && !message.has_arc_errors {
            return ArcChain::default();
        }
        // The library has sorted them by instance, unless one of them cannot be read.
        let mut sealers: Vec<String> = Vec::new();
        let mut first_dmarc = String::new();
        if !message.has_arc_errors {
            let named = message.as_headers.iter().take(MOST_SEALERS);
            sealers.extend(named.map(|seal| evidence::name(&seal.header.d)));
            let first = message.aar_headers.first();
            first_dmarc = first
                .and_then(|field| dmarc_of(field.value))
                .unwrap_or_default();
        }
        let ended = message
            .as_headers
            .iter()
            .any(|seal| seal.header.cv == ChainValidation::Fail);
        let (result, reason) = match unacceptable(message) {
            Some(reason) => (Finding::Fail, reason.to_owned()),
            None => match timeout_at(by, self.asking.verify_arc(message)).await {
                Ok(output) => finding(output.result()),
                Err(_) => (Finding::Temperror, "time ran out".to_owned()),
            },
        };
        ArcChain {
            result,
            sets: u32::try_from(sets).unwrap_or(u32::MAX),
            sealers,
            first_dmarc,
            ended,
            reason,
        }
    }
}

fn finding(result: &DkimResult) -> (Finding, String) {
    match result {
        DkimResult::Pass => (Finding::Pass, String::new()),
        DkimResult::None => (Finding::None, String::new()),
        DkimResult::TempError(error) => (Finding::Temperror, evidence::reason(&error.to_string())),
        // Section 4.4: a chain passes or fails; there is nothing between.
        DkimResult::Neutral(error) | DkimResult::Fail(error) | DkimResult::PermError(error) => {
            (Finding::Fail, evidence::reason(&error.to_string()))
        }
    }
}

/// Why the chain is not worth a question.
fn unacceptable(message: &AuthenticatedMessage<'_>) -> Option<&'static str> {
    let mut signatures = message.ams_headers.iter().map(|field| &field.header);
    let mut seals = message.as_headers.iter().map(|field| &field.header);
    let counts = [message.as_headers.len(), message.ams_headers.len()];
    if counts
        .iter()
        .any(|count| *count != message.aar_headers.len())
    {
        // The library takes a seal alone for no chain.
        Some("a set is not whole")
    } else if message.ams_headers.len() > MOST_SETS {
        Some("there are too many sets")
    } else if signatures.clone().any(|it| it.h.len() > MOST_SIGNED_FIELDS) {
        Some("a signature names too many fields")
    } else if signatures.any(|it| it.a == Algorithm::RsaSha1)
        || seals.any(|it| it.a == Algorithm::RsaSha1)
    {
        Some("SHA-1 is not accepted (RFC 8301)")
    } else {
        arc_form::fault(message)
    }
}

/// The DMARC result in an ARC-Authentication-Results field; `None` if it tells of none, or of several.
fn dmarc_of(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(value.get(..MOST_RESULTS).unwrap_or(value));
    let plain = without_comments(&text);
    let mut results = plain.split(';').filter_map(|part| {
        let (method, rest) = part.split_once('=')?;
        if !method.trim().eq_ignore_ascii_case("dmarc") {
            return None;
        }
        let word = rest.trim_start();
        let end = word.find(|c: char| !c.is_ascii_alphabetic());
        Some(word.get(..end.unwrap_or(word.len()))?.to_ascii_lowercase())
    });
    match (results.next(), results.next()) {
        (Some(only), None) => Some(only.chars().take(16).collect()),
        _ => None,
    }
}

/// The text without comments in parentheses, and without what stands in quotes: neither is a result.
fn without_comments(text: &str) -> String {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            _ if quoted => {}
            '(' => depth = depth.saturating_add(1),
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_word_behind_dmarc_is_found() {
        for (value, result) in [
            (
                " i=1; list.example; spf=pass; dmarc=pass header.from=x.example",
                Some("pass"),
            ),
            (
                " i=1; l.example;\r\n\tDMARC = FAIL (p=reject)",
                Some("fail"),
            ),
            (" i=1; l.example; spf=pass (dmarc=pass; dmarc=pass)", None),
            (" i=1; l.example; spf=pass reason=\"; dmarc=pass\"", None),
            (" i=1; l.example; dmarc=fail; dmarc=pass", None),
            (" i=1; l.example; x-dmarc=pass", None),
            ("", None),
        ] {
            assert_eq!(dmarc_of(value.as_bytes()).as_deref(), result, "{value}");
        }
    }
}
