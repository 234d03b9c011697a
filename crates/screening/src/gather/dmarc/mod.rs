//! DMARC (RFC 9989): whether the author's domain stands behind the message, and what it asks for if not.
//!
//! Our own: of several records at one place none counts, and the library takes the first.

mod places;

use std::collections::BTreeMap;

use hickory_resolver::{
    net::{DnsError, NetError},
    proto::{op::ResponseCode, rr::RecordType},
};
use message::Domain;
pub use places::{DnsTrouble, ReportRequest};
use tokio::time::{Instant, timeout_at};

use super::{
    Screener,
    dkim::Signed,
    spf::{Answer, Dns, absolute},
};
use crate::{
    Author, Dmarc, Finding, Spf,
    dmarc_record::{Asked, DmarcRecord, walk},
};

/// Other organisations that are looked for because of one message: signatures may name any.
const MOST_WALKS: usize = 10;

/// The DNS cannot be asked now.
struct Trouble;

/// What stands on the way up from a domain.
struct Walked {
    /// The domains at which there is a record, from the longest.
    found: Vec<(String, DmarcRecord)>,
    organisation: String,
}

/// What SPF and DKIM showed, and what could not be found out.
struct Shown<'a> {
    spf: (&'a Spf, Option<Domain>),
    signed: &'a [Signed],
}

impl Screener {
    /// The author's domain, against what SPF and DKIM showed. `sender` is the domain that SPF was asked about.
    pub(super) async fn dmarc(
        &self,
        author: Author,
        domain: Option<Domain>,
        spf: (&Spf, Option<Domain>),
        signed: &[Signed],
        by: Instant,
    ) -> Dmarc {
        let Some(domain) = domain else {
            return Dmarc {
                author,
                ..Dmarc::default()
            };
        };
        let found = Dmarc {
            author,
            domain: domain.to_string(),
            ..Dmarc::default()
        };
        let shown = Shown { spf, signed };
        let checking = self.against_record(&found, &domain, &shown);
        match timeout_at(by, checking).await {
            Ok(Ok(found)) => found,
            Ok(Err(Trouble)) | Err(_) => shown.in_doubt(found),
        }
    }

    async fn against_record(
        &self,
        found: &Dmarc,
        author: &Domain,
        shown: &Shown<'_>,
    ) -> Result<Dmarc, Trouble> {
        let walked = self.walk(author).await?;
        // Section 4.10.1: the author's own, the organisation's, the public suffix's.
        let own = walked.found.iter().find(|(at, _)| at == author.as_str());
        let above = || {
            let mut records = walked.found.iter();
            records.find(|(at, _)| *at == walked.organisation)
        };
        let Some((at, record)) = own.or_else(above).or(walked.found.last()) else {
            return Ok(found.clone());
        };
        let of = match at == author.as_str() {
            true => Asked::Itself,
            false => self.below(author, record).await?,
        };
        let Some(policy) = record.asked(of) else {
            return Ok(found.clone());
        };
        let mut organisations = BTreeMap::new();
        organisations.insert(author.clone(), Some(walked.organisation.clone()));
        let (mut spf_aligned, mut dkim_aligned, mut in_doubt) = (false, false, false);
        let (spf, sender) = &shown.spf;
        if let Some(sender) = sender
            && matches!(spf.result, Finding::Pass | Finding::Temperror)
        {
            let aligned = self
                .is_aligned(author, sender, record.strict_spf, &mut organisations)
                .await;
            spf_aligned = aligned == Some(true) && spf.result == Finding::Pass;
            in_doubt |= match spf.result {
                Finding::Pass => aligned.is_none(),
                _ => aligned != Some(false),
            };
        }
        for signed in shown.signed {
            if dkim_aligned {
                break;
            }
            let aligned = self
                .is_aligned(
                    author,
                    &signed.domain,
                    record.strict_dkim,
                    &mut organisations,
                )
                .await;
            dkim_aligned = aligned == Some(true) && signed.passed;
            in_doubt |= match signed.passed {
                true => aligned.is_none(),
                false => aligned != Some(false),
            };
        }
        let result = match (spf_aligned || dkim_aligned, in_doubt) {
            (true, _) => Finding::Pass,
            // Section 5.3.6: what may have passed has not failed.
            (false, true) => Finding::Temperror,
            (false, false) => Finding::Fail,
        };
        Ok(Dmarc {
            result,
            policy: Some(policy),
            found_at: at.clone(),
            spf_aligned,
            dkim_aligned,
            ..found.clone()
        })
    }

    /// Whether the author's domain is there at all decides between `sp=` and `np=`; it is asked for only where they differ.
    async fn below(&self, author: &Domain, record: &DmarcRecord) -> Result<Asked, Trouble> {
        if record.asked(Asked::Below) == record.asked(Asked::Nonexistent) {
            return Ok(Asked::Below);
        }
        let Some(name) = absolute(author.as_str()) else {
            return Ok(Asked::Nonexistent);
        };
        match self.asking.resolver().lookup(name, RecordType::A).await {
            Ok(_) => Ok(Asked::Below),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
                ResponseCode::NXDomain => Ok(Asked::Nonexistent),
                ResponseCode::NoError => Ok(Asked::Below),
                _ => Err(Trouble),
            },
            Err(_) => Err(Trouble),
        }
    }

    /// `None` when it cannot be found out.
    async fn is_aligned(
        &self,
        author: &Domain,
        other: &Domain,
        strict: bool,
        organisations: &mut BTreeMap<Domain, Option<String>>,
    ) -> Option<bool> {
        if author == other {
            return Some(true);
        }
        if strict || !may_be_related(author, other) {
            return Some(false);
        }
        if !organisations.contains_key(other) {
            if organisations.len() > MOST_WALKS {
                return Some(false);
            }
            let walked = self.walk(other).await.ok();
            organisations.insert(other.clone(), walked.map(|walked| walked.organisation));
        }
        let of_author = organisations.get(author)?.as_ref()?;
        let of_other = organisations.get(other)?.as_ref()?;
        Some(of_author == of_other)
    }

    /// The records on the way up, and the domain of the organisation (sections 4.10 and 4.10.2).
    async fn walk(&self, domain: &Domain) -> Result<Walked, Trouble> {
        let mut found = Vec::new();
        for (step, at) in walk(domain).into_iter().enumerate() {
            let Some(record) = self.record_at(&at).await? else {
                continue;
            };
            let suffix = record.public_suffix;
            found.push((at, record));
            // A suffix that is itself the author of mail is asked on, to no avail.
            if suffix == Some(false) || (suffix == Some(true) && step > 0) {
                break;
            }
        }
        let organisation = organisation(domain.as_str(), &found);
        Ok(Walked {
            found,
            organisation,
        })
    }

    /// The one record of this very domain. Of several none counts.
    async fn record_at(&self, domain: &str) -> Result<Option<DmarcRecord>, Trouble> {
        let texts = match self.txt(&format!("_dmarc.{domain}")).await {
            Answer::Found(texts) => texts,
            Answer::Nothing => return Ok(None),
            Answer::Trouble => return Err(Trouble),
        };
        let mut records = texts.iter().filter_map(|text| DmarcRecord::parse(text));
        Ok(match (records.next(), records.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        })
    }
}

impl Shown<'_> {
    /// The record could not be had. What passed for the author's very domain is aligned under every record.
    fn in_doubt(&self, found: Dmarc) -> Dmarc {
        let is_same = |domain: &Domain| domain.as_str() == found.domain;
        let (spf, sender) = &self.spf;
        let passed = spf.result == Finding::Pass;
        let mut signed = self.signed.iter();
        Dmarc {
            result: Finding::Temperror,
            spf_aligned: passed && sender.as_ref().is_some_and(is_same),
            dkim_aligned: signed.any(|it| it.passed && is_same(&it.domain)),
            ..found
        }
    }
}

/// Whether two domains can be of one organisation: they have at least the last label in common. Saves questions about those of
/// strangers.
fn may_be_related(one: &Domain, other: &Domain) -> bool {
    let last = |domain: &Domain| domain.as_str().rsplit('.').next().map(str::to_owned);
    last(one) == last(other)
}

/// Section 4.10.2.
fn organisation(begin: &str, found: &[(String, DmarcRecord)]) -> String {
    for (at, record) in found {
        match record.public_suffix {
            Some(false) => return at.clone(),
            Some(true) if at != begin => return one_below(begin, at),
            _ => {}
        }
    }
    found
        .last()
        .map_or_else(|| begin.to_owned(), |(at, _)| at.clone())
}

/// The domain on the way from `suffix` down to `name` that has one label more.
fn one_below(name: &str, suffix: &str) -> String {
    let more = name.strip_suffix(suffix).unwrap_or_default();
    let more = more.strip_suffix('.').unwrap_or(more);
    match more.rsplit('.').next() {
        Some(label) if !label.is_empty() => format!("{label}.{suffix}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_organisation_is_where_the_standard_says() {
        let organisation = |begin: &str, found: &[(&str, &str)]| {
            let found: Vec<(String, DmarcRecord)> = found
                .iter()
                .map(|(at, tags)| {
                    let text = format!("v=DMARC1; p=none{tags}");
                    (
                        (*at).to_owned(),
                        DmarcRecord::parse(text.as_bytes()).unwrap(),
                    )
                })
                .collect();
            organisation(begin, &found)
        };
        let begin = "a.mail.example.com";
        assert_eq!(organisation(begin, &[]), begin);
        let both = [("mail.example.com", ""), ("example.com", "")];
        assert_eq!(organisation(begin, &both), "example.com");
        let own = [("mail.example.com", "; psd=n"), ("example.com", "")];
        assert_eq!(organisation(begin, &own), "mail.example.com");
        assert_eq!(organisation(begin, &[("com", "; psd=y")]), "example.com");
        assert_eq!(organisation("com", &[("com", "; psd=y")]), "com");
    }
}
