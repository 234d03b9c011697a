//! What protects mail between servers: DNSSEC here, and the TLSA records of an own host (RFC 7672).

use std::path::Path;

use message::address::Domain;
use transfer::{Answer, HickoryResolver, Resolver};

use super::{Findings, Level};
use crate::{
    settings::{Service, Settings, sts_record},
    tls,
};

/// Whether DANE can be used for mail that leaves.
pub(super) async fn check_dnssec(resolver: &HickoryResolver, found: &mut Findings) {
    if !resolver.believes_proofs() {
        let text = "mail that leaves is not protected by DANE: the name servers are not on this machine. Run a validating resolver here \
                    (unbound, say), or set [dns] dnssec = \"trust\" if nobody can come between";
        return found.add(Level::Note, "DNSSEC", text);
    }
    match resolver.validates().await {
        Ok(true) => found.add(
            Level::Good,
            "DNSSEC",
            "the name server validates: mail that leaves is protected by DANE where its domain has it",
        ),
        Ok(false) => found.add(
            Level::Warning,
            "DNSSEC",
            "the name server does not validate (the root came without AD), so there is no DANE for mail that leaves",
        ),
        Err(why) => found.add(Level::Warning, "DNSSEC", why),
    }
}

/// Whether the TLSA records of the own host, if it has some, name the certificate that the site shows.
pub(super) async fn check_tlsa(
    path: &Path,
    resolver: &HickoryResolver,
    settings: &Settings,
    hostname: &Domain,
    found: &mut Findings,
) {
    // That the certificate cannot be read is told elsewhere.
    let Ok(digest) = tls::key_digest(&path.join(&settings.tls.certificate)) else {
        return;
    };
    let name = format!("_25._tcp.{hostname}");
    let answer = resolver.tlsa(&name).await;
    match answer.answer {
        Answer::Found(records) if transfer::names_certificate(&records, &digest) => {
            let text = format!("{name} names the key of the certificate");
            found.add(Level::Good, "TLSA", text);
        }
        Answer::Found(records) => {
            let kept = records
                .iter()
                .all(|record| record.usage == 3 && record.selector == 1);
            if kept {
                let text = format!(
                    "{name} does not name the key of the certificate: servers that heed DANE deliver nothing here"
                );
                found.add(Level::Error, "TLSA", text);
                found.add(Level::Publish, "TLSA", record(&name, &digest));
            } else {
                let text =
                    format!("{name} has records of other kinds than 3 1, which are not compared");
                found.add(Level::Note, "TLSA", text);
            }
        }
        Answer::Temporary(why) => found.add(Level::Error, "TLSA", why),
        Answer::NoRecords | Answer::NoName => {
            let text = "no DANE record; where the zone is signed with DNSSEC it protects mail to this server. It must change before the \
                        certificate's key does";
            found.add(Level::Note, "TLSA", text);
            found.add(Level::Publish, "TLSA", record(&name, &digest));
        }
    }
}

/// Whether others find the policy of an own domain (MTA-STS, RFC 8461), if one is served.
pub(super) async fn check_sts(
    path: &Path,
    resolver: &HickoryResolver,
    settings: &Settings,
    domain: &Domain,
    found: &mut Findings,
) {
    const SUBJECT: &str = "MTA-STS";
    let Some(policy) = settings.sts_policy() else {
        let text =
            format!("{domain} does not demand TLS of those who send it mail: [mta_sts] mode");
        return found.add(Level::Note, SUBJECT, text);
    };
    let name = format!("_mta-sts.{domain}");
    let wanted = sts_record(&policy);
    let shown = match resolver.txt(&name).await {
        Answer::Found(texts) => transfer::sts::id(&texts),
        Answer::NoRecords | Answer::NoName => None,
        Answer::Temporary(why) => return found.add(Level::Error, SUBJECT, why),
    };
    if shown.is_some() && shown == transfer::sts::id(std::slice::from_ref(&wanted)) {
        let text = format!("{name} tells of the policy ({})", policy.mode.as_str());
        found.add(Level::Good, SUBJECT, text);
    } else {
        let text = format!("{name} does not tell of the policy as it is now, so nobody fetches it");
        found.add(Level::Warning, SUBJECT, text);
        found.add(Level::Publish, SUBJECT, format!("{name}. TXT \"{wanted}\""));
    }
    let Ok(host) = Domain::parse(&format!("mta-sts.{domain}")) else {
        return found.add(
            Level::Error,
            SUBJECT,
            format!("{domain} is too long for mta-sts before it"),
        );
    };
    let (v4, v6) = (resolver.a(&host).await, resolver.aaaa(&host).await);
    if !matches!(v4.answer, Answer::Found(_)) && !matches!(v6.answer, Answer::Found(_)) {
        let text = format!("{host} has no address, so nobody can fetch the policy");
        found.add(Level::Warning, SUBJECT, text);
        let hostname = settings.server.hostname.get_ref();
        found.add(
            Level::Publish,
            SUBJECT,
            format!("{host}. CNAME {hostname}."),
        );
    }
    if let Ok(facts) = tls::describe(&path.join(&settings.tls.certificate))
        && !facts
            .names
            .iter()
            .any(|name| super::is_for(name, host.as_str()))
    {
        let text =
            format!("the certificate is not for {host}: nobody accepts the policy from here");
        found.add(Level::Warning, SUBJECT, text);
    }
    let port = settings.listen.port(Service::Https);
    if port != Some(443) {
        let text = "the pages are not at port 443, the only one where a policy is looked for: something must lead there";
        found.add(Level::Note, SUBJECT, text);
    }
}

fn record(name: &str, digest: &[u8; 32]) -> String {
    let hex = data_encoding::HEXLOWER.encode(digest);
    format!("{name}. TLSA 3 1 1 {hex}")
}
