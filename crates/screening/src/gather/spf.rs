//! SPF (RFC 7208).

use mail_auth::{SpfOutput, SpfResult, spf::verify::SpfParameters};
use message::Domain;
use tokio::time::{Instant, timeout_at};

use super::{Arrival, Screener};
use crate::{Finding, Spf, evidence};

/// What both identities said.
pub(super) struct Found {
    pub(super) hello: Spf,
    pub(super) sender: Spf,
    /// Of MAIL FROM, for DMARC.
    pub(super) output: SpfOutput,
}

impl Screener {
    /// Checks the name in HELO and MAIL FROM. A null sender is checked as `postmaster` at the name in HELO (section 2.4).
    pub(super) async fn spf(&self, arrival: Arrival<'_>, by: Instant) -> Found {
        let (peer, hello) = (arrival.peer, arrival.hello.trim_end_matches('.'));
        let sender = arrival.sender.map(ToString::to_string);
        let of_hello = SpfParameters::verify_ehlo(peer, hello, hello);
        let checking_sender = async {
            let sender = sender.as_deref()?;
            let domain = arrival
                .sender
                .map_or("", |address| address.domain().as_str());
            let parameters = SpfParameters::verify_mail_from(peer, hello, hello, sender);
            Some(self.check(domain, parameters, by).await)
        };
        let (of_hello, of_sender) = tokio::join!(self.check(hello, of_hello, by), checking_sender);
        let output = of_sender.unwrap_or_else(|| of_hello.clone());
        Found {
            hello: told(&of_hello),
            sender: told(&output),
            output,
        }
    }

    async fn check(&self, domain: &str, parameters: SpfParameters<'_>, by: Instant) -> SpfOutput {
        let failed = |result| SpfOutput::new(domain.to_owned()).with_result(result);
        let Ok(output) = timeout_at(by, self.asking.verify_spf(parameters)).await else {
            return failed(SpfResult::TempError);
        };
        if Domain::parse(domain).is_err() || !domain.contains('.') {
            return output;
        }
        // Section 4.5: of several records none counts. The library takes the first that it can read, and takes one that it
        // cannot read for none when another text follows. The answer is remembered, so this asks nobody.
        let texts = self.texts(domain, by).await.unwrap_or_default();
        match texts.iter().filter(|text| is_record(text)).count() {
            0 => output,
            1 if output.result() != SpfResult::None => output,
            _ => failed(SpfResult::PermError),
        }
    }
}

/// Section 4.5: `v=spf1` alone, or with a space behind it.
fn is_record(text: &[u8]) -> bool {
    let (version, rest) = text.split_at_checked(6).unwrap_or((text, b""));
    version.eq_ignore_ascii_case(b"v=spf1") && matches!(rest.first(), None | Some(b' '))
}

fn told(output: &SpfOutput) -> Spf {
    let result = match output.result() {
        SpfResult::Pass => Finding::Pass,
        SpfResult::Fail => Finding::Fail,
        SpfResult::SoftFail => Finding::Softfail,
        SpfResult::Neutral => Finding::Neutral,
        SpfResult::TempError => Finding::Temperror,
        SpfResult::PermError => Finding::Permerror,
        SpfResult::None => Finding::None,
    };
    Spf {
        result,
        domain: evidence::name(output.domain()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_known_by_their_version() {
        for (text, is) in [
            ("v=spf1", true),
            ("V=SPF1 -all", true),
            ("v=spf10 -all", false),
            ("v=spf", false),
            ("spf2.0/pra", false),
        ] {
            assert_eq!(is_record(text.as_bytes()), is, "{text}");
        }
    }
}
