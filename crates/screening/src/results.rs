//! Evidence as an Authentication-Results field (RFC 8601), for the recipient's programs.

use std::fmt::Write;

use crate::{Dmarc, Evidence, Finding, Handling, Iprev, Published, Screened, Signature, Spf};

/// Signatures that the field tells of; the trail has all.
const MOST_TOLD: usize = 10;

impl Evidence {
    /// The field's value, in the name of `host`, which is the authserv-id. Every word in it is ours, or a name of letters,
    /// digits and `-_.`.
    #[must_use]
    pub fn authentication_results(&self, host: &str) -> String {
        let mut value = host.to_owned();
        let mut put = |part: String| {
            value.push_str("; ");
            value.push_str(&part);
        };
        put(iprev(&self.iprev, &self.peer.to_string()));
        put(spf(&self.spf_helo, "helo"));
        if self.spf != self.spf_helo {
            put(spf(&self.spf, "mailfrom"));
        }
        if self.dkim.is_empty() {
            put("dkim=none".to_owned());
        }
        for signature in self.dkim.iter().take(MOST_TOLD) {
            put(dkim(signature));
        }
        if self.arc.sets > 0 {
            let last = self.arc.sealers.last().map_or("", String::as_str);
            let result = self.arc.result.as_str();
            put(format!("arc={result}{}", property("arc.sealer", last)));
        }
        put(dmarc(&self.dmarc));
        value
    }
}

impl Screened {
    /// The verdict, for programs that sort mail by a field such as `X-Spam-Status`: `Yes` or `No`, then words with `=`. `marked` is
    /// whether it goes into Junk, which a mailbox may have taught otherwise. Nothing in it is the message's own words.
    #[must_use]
    pub fn status(&self, marked: bool) -> String {
        let (verdict, evidence) = (&self.verdict, &self.evidence);
        let unwanted = marked || verdict.handling != Handling::Accept;
        let mut value = format!(
            "{}, handling={} because={}",
            if unwanted { "Yes" } else { "No" },
            match (marked, verdict.handling) {
                (true, Handling::Accept) => Handling::Mark,
                (_, handling) => handling,
            }
            .as_str(),
            verdict.because.as_str(),
        );
        let mut put = |name: &str, number: String| {
            value.extend([" ", name, "=", &number]);
        };
        if let Some(guess) = evidence.words.as_ref().and_then(|words| words.site) {
            put("words", guess.junk.to_string());
        }
        if let Some(said) = evidence
            .rspamd
            .as_ref()
            .filter(|said| said.action.is_some())
        {
            put("score", format!("{:.2}", f64::from(said.score)));
            put("required", format!("{:.2}", f64::from(said.required)));
        }
        value
    }
}

/// The domain that answered for a message, as `value` tells it, which [`Evidence::authentication_results`] wrote in the name of `host`; the same as
/// [`Evidence::responsible`] then. `None` also where it is another's field.
#[must_use]
pub fn responsible_in(value: &str, host: &str) -> Option<String> {
    let mut parts = value.split(';').map(str::trim);
    if parts.next() != Some(host) {
        return None;
    }
    let parts: Vec<Vec<&str>> = parts
        .map(|part| part.split_whitespace().collect())
        .collect();
    let of = |result: &str, property: &str| {
        let mut passed = parts.iter().filter(|words| words.first() == Some(&result));
        let told = passed.find_map(|words| {
            let mut values = words.iter().filter_map(|word| word.split_once('='));
            values.find(|(name, _)| *name == property)
        });
        told.map(|(_, domain)| domain.to_owned())
    };
    let has_mailfrom = parts
        .iter()
        .flatten()
        .any(|word| word.starts_with("smtp.mailfrom="));
    let identity = if has_mailfrom {
        "smtp.mailfrom"
    } else {
        "smtp.helo"
    };
    of("dmarc=pass", "header.from")
        .or_else(|| of("spf=pass", identity))
        .or_else(|| of("dkim=pass", "header.d"))
}

fn iprev(iprev: &Iprev, peer: &str) -> String {
    // An IPv6 address has colons, which a token may not (RFC 2045, section 5.1).
    let peer = match peer.contains(':') {
        true => format!("\"{peer}\""),
        false => peer.to_owned(),
    };
    format!("iprev={} policy.iprev={peer}", iprev.result.as_str())
}

fn spf(spf: &Spf, identity: &str) -> String {
    let mut text = format!("spf={}", spf.result.as_str());
    text.push_str(&property(&format!("smtp.{identity}"), &spf.domain));
    text
}

fn dkim(signature: &Signature) -> String {
    let mut text = format!("dkim={}", signature.result.as_str());
    for (name, value) in [
        ("header.d", &signature.domain),
        ("header.s", &signature.selector),
        ("header.a", &signature.algorithm),
    ] {
        text.push_str(&property(name, value));
    }
    text
}

fn dmarc(dmarc: &Dmarc) -> String {
    let mut text = format!("dmarc={}", dmarc.result.as_str());
    if let Some(policy) = dmarc.policy
        && dmarc.result != Finding::None
    {
        let asked = Published::as_str(policy);
        // Writing to a String cannot fail.
        let written = write!(text, " policy.published-domain-policy={asked}");
        debug_assert!(written.is_ok());
    }
    text.push_str(&property("header.from", &dmarc.domain));
    text
}

/// ` name=value`, if the value is a name that needs no quotes.
fn property(name: &str, value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match !value.is_empty() && value.chars().all(plain) {
        true => format!(" {name}={value}"),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{ArcChain, Author};

    fn evidence() -> Evidence {
        let mut evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "[192.0.2.1]");
        evidence.iprev.result = Finding::Permerror;
        evidence.spf = Spf {
            result: Finding::Softfail,
            domain: "x.example".into(),
        };
        evidence.dkim = vec![Signature {
            result: Finding::Pass,
            domain: "x.example".into(),
            selector: "a?b".into(),
            algorithm: "ed25519-sha256".into(),
            reason: String::new(),
        }];
        evidence.dmarc = Dmarc {
            author: Author::One,
            domain: "x.example".into(),
            result: Finding::Pass,
            policy: Some(Published::Reject),
            ..Dmarc::default()
        };
        evidence
    }

    #[test]
    fn each_method_has_its_part() {
        assert_eq!(
            evidence().authentication_results("mx.example.jp"),
            "mx.example.jp; iprev=permerror policy.iprev=192.0.2.1; spf=none; spf=softfail smtp.mailfrom=x.example; \
             dkim=pass header.d=x.example header.a=ed25519-sha256; \
             dmarc=pass policy.published-domain-policy=reject header.from=x.example"
        );
    }

    #[test]
    fn who_answered_is_read_back_from_our_own_word_alone() {
        let read = |evidence: &Evidence| {
            let value = evidence.authentication_results("mx.example.jp");
            assert_eq!(responsible_in(&value, "mx.example"), None);
            responsible_in(&value, "mx.example.jp")
        };
        let mut evidence = evidence();
        for result in [Finding::Pass, Finding::Fail] {
            evidence.dmarc.result = result;
            for result in [Finding::Pass, Finding::Softfail] {
                evidence.spf.result = result;
                evidence.spf.domain = "sender.example".into();
                for result in [Finding::Pass, Finding::Fail] {
                    evidence.dkim[0].result = result;
                    evidence.dkim[0].domain = "signer.example".into();
                    assert_eq!(read(&evidence).as_deref(), evidence.responsible());
                }
            }
        }
        // The null sender stands under the name in HELO.
        evidence.spf_helo.result = Finding::Pass;
        evidence.spf_helo.domain = "mx.example".into();
        evidence.spf = evidence.spf_helo.clone();
        assert_eq!(read(&evidence).as_deref(), Some("mx.example"));
        evidence.spf.result = Finding::Fail;
        assert_eq!(read(&evidence), None);
    }

    #[test]
    fn a_chain_is_told_with_its_last_sealer() {
        let mut evidence = evidence();
        evidence.dkim.clear();
        evidence.dmarc = Dmarc::default();
        evidence.peer = "2001:db8::1".parse().unwrap();
        evidence.arc = ArcChain {
            result: Finding::Pass,
            sets: 1,
            sealers: vec!["list.example".into()],
            ..ArcChain::default()
        };
        let value = evidence.authentication_results("mx.example.jp");
        assert!(value.contains("policy.iprev=\"2001:db8::1\""), "{value}");
        assert!(
            value.ends_with("dkim=none; arc=pass arc.sealer=list.example; dmarc=none"),
            "{value}"
        );
    }

    #[test]
    fn the_verdict_is_told_in_words_that_programs_sort_by() {
        let mut evidence = evidence();
        evidence.dmarc.result = Finding::Fail;
        evidence.dmarc.policy = Some(Published::Quarantine);
        evidence.words = Some(crate::Words {
            site: Some(crate::Guess {
                junk: 995,
                words: 30,
            }),
            accounts: Vec::new(),
        });
        let said = |evidence: &Evidence, marked| {
            let verdict = crate::Policy::default().judge(evidence);
            let evidence = evidence.clone();
            Screened { evidence, verdict }.status(marked)
        };
        let status = said(&evidence, true);
        assert_eq!(
            status,
            "Yes, handling=mark because=dmarc-quarantine words=995"
        );
        let mut plain = Evidence::of_peer("192.0.2.1".parse().unwrap(), "c.example");
        plain.dmarc.author = Author::One;
        assert_eq!(
            said(&plain, false),
            "No, handling=accept because=nothing-against"
        );
        assert_eq!(
            said(&plain, true),
            "Yes, handling=mark because=nothing-against"
        );
    }
}
