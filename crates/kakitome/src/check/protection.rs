//! What protects mail between servers: DNSSEC here, and the TLSA records of an own host (RFC 7672).

use std::path::Path;

use message::address::Domain;
use transfer::{Answer, HickoryResolver, Resolver};

use super::{Findings, Level};
use crate::{settings::Settings, tls};

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

fn record(name: &str, digest: &[u8; 32]) -> String {
    let hex = data_encoding::HEXLOWER.encode(digest);
    format!("{name}. TLSA 3 1 1 {hex}")
}
