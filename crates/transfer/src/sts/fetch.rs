//! Fetching a policy over HTTPS (RFC 8461, section 3.3), in bounds of octets and time.

use std::time::Duration;

use hyper::StatusCode;
use message::{
    address::Domain,
    sts::{MOST_OCTETS, Policy},
    tls_report::Failure,
};

use crate::{
    Settings, Transfer,
    https::{Ask, Https},
    tls_reports::Trouble,
};

/// Time for all of it (RFC 8461, section 3.3, suggests a minute).
const TIME: Duration = Duration::from_secs(60);

/// The policy that `domain` serves.
///
/// # Errors
/// Why there is none, in words, and in the word that reports have for it (RFC 8460, section 4.3.2.2).
pub(super) async fn fetch(
    transfer: &Transfer,
    settings: &Settings,
    domain: &Domain,
) -> Result<Policy, Trouble> {
    let failed = |reason| Trouble {
        failure: Failure::StsPolicyFetchError,
        reason,
    };
    let name = format!("mta-sts.{domain}");
    let host = Domain::parse(&name).map_err(|e| failed(format!("{name} cannot be a host: {e}")))?;
    let request = Https {
        host: &host,
        path: "/.well-known/mta-sts.txt",
        ask: Ask::Get("text/plain"),
        most: MOST_OCTETS,
        time: TIME,
    };
    let answered = request.answer(transfer, settings).await;
    let answered = answered.map_err(|error| match error.tls {
        Some(_) => Trouble {
            failure: Failure::StsWebpkiInvalid,
            reason: error.why,
        },
        None => failed(error.why),
    })?;
    // RFC 8461, section 3.3: redirects are not followed.
    if answered.status != StatusCode::OK {
        return Err(failed(format!("{host} answered {}", answered.status)));
    }
    let invalid = |reason| Trouble {
        failure: Failure::StsPolicyInvalid,
        reason,
    };
    let kind = answered.kind.as_str();
    if !is_plain_text(kind) {
        return Err(invalid(format!(
            "{host} served {kind:?} and not text/plain"
        )));
    }
    let text = String::from_utf8(answered.octets);
    let text = text.map_err(|_| invalid("the policy is no UTF-8".to_owned()))?;
    Policy::parse(&text).map_err(invalid)
}

fn is_plain_text(kind: &str) -> bool {
    let media = kind.split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case("text/plain")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_compared_without_its_parameters() {
        assert!(is_plain_text("text/plain"));
        assert!(is_plain_text("Text/Plain; charset=utf-8"));
        assert!(!is_plain_text("text/html"));
        assert!(!is_plain_text(""));
    }
}
