//! The policy record of DMARC (RFC 9989, section 4.7), and what RFC 7489 let stand in it.

use message::{Address, Domain};

use crate::Published;

/// Octets of a record that are read.
const MOST_OCTETS: usize = 4096;
/// Places for reports of one record that are read.
const MOST_PLACES: usize = 10;

/// What a domain asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DmarcRecord {
    /// `p=`; `None` when it is not there, or is no word of the standard's.
    pub policy: Option<Published>,
    /// `sp=`: for names below it.
    pub below: Option<Published>,
    /// `np=`: for names below it that do not exist.
    pub nonexistent: Option<Published>,
    /// `adkim=s`: the signature's domain has to be the author's very domain.
    pub strict_dkim: bool,
    /// `aspf=s`: the same for SPF.
    pub strict_spf: bool,
    /// `t=y`: the policy is on trial, and is to be taken one step more mildly.
    pub testing: bool,
    /// `psd=`: `Some(true)` for a public suffix, `Some(false)` for the domain of an organisation.
    pub public_suffix: Option<bool>,
    /// `rua=`: where reports of figures are asked for; at most ten.
    pub reports: Vec<ReportPlace>,
    /// Whether `sp=` or `np=` hold something that is no policy.
    faulty: bool,
}

/// A place that a report is asked to go to: `mailto:` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportPlace {
    /// The address.
    pub address: Address,
    /// Octets that a report to it may have (`!10m`, RFC 7489, section 6.2); `None` when nothing is said.
    pub most: Option<u64>,
}

impl DmarcRecord {
    /// Reads a TXT record. `None` when it is none of DMARC's: `v=DMARC1` does not come first. Tags that cannot be read count as not
    /// there.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text.get(..MOST_OCTETS).unwrap_or(text)).ok()?;
        let mut tags = text.split(';').map(|tag| {
            let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
            (name.trim(), value.trim())
        });
        match tags.next() {
            Some((name, "DMARC1")) if name.eq_ignore_ascii_case("v") => {}
            _ => return None,
        }
        let mut record = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in tags {
            let name = name.to_ascii_lowercase();
            // Of two of a kind the first counts.
            if seen.contains(&name) {
                continue;
            }
            record.put(&name, value);
            seen.push(name);
        }
        Some(record)
    }

    fn put(&mut self, name: &str, value: &str) {
        let is = |word: &str| value.eq_ignore_ascii_case(word);
        match name {
            "p" => self.policy = policy(value),
            "sp" => {
                self.below = policy(value);
                self.faulty |= self.below.is_none();
            }
            "np" => {
                self.nonexistent = policy(value);
                self.faulty |= self.nonexistent.is_none();
            }
            "adkim" => self.strict_dkim = is("s"),
            "aspf" => self.strict_spf = is("s"),
            "t" => self.testing = is("y"),
            "psd" if is("y") => self.public_suffix = Some(true),
            "psd" if is("n") => self.public_suffix = Some(false),
            "rua" => {
                let places = value.split(',').filter_map(place);
                self.reports = places.take(MOST_PLACES).collect();
            }
            _ => {}
        }
    }

    /// What the record asks for the domain that it stands at, or for one below it (section 4.10.1). `None` when it asks for nothing
    /// that can be read: then there is no DMARC.
    #[must_use]
    pub fn asked(&self, of: Asked) -> Option<Published> {
        let own = match (self.policy, self.faulty) {
            (Some(policy), false) => policy,
            _ if self.reports.is_empty() => return None,
            _ => return Some(Published::None),
        };
        let asked = match of {
            Asked::Itself => own,
            Asked::Below => self.below.unwrap_or(own),
            Asked::Nonexistent => self.nonexistent.or(self.below).unwrap_or(own),
        };
        Some(match (self.testing, asked) {
            (true, Published::Reject) => Published::Quarantine,
            (true, _) => Published::None,
            (false, asked) => asked,
        })
    }
}

/// Which names a policy is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The domain that the record stands at.
    Itself,
    /// One below it.
    Below,
    /// One below it that the DNS does not know.
    Nonexistent,
}

fn policy(value: &str) -> Option<Published> {
    [Published::None, Published::Quarantine, Published::Reject]
        .into_iter()
        .find(|policy| value.eq_ignore_ascii_case(policy.as_str()))
}

/// `mailto:` with an address in which a comma or an exclamation mark is written `%2C` or `%21`, and the most octets behind `!`.
fn place(uri: &str) -> Option<ReportPlace> {
    let uri = uri.trim();
    let (scheme, rest) = uri.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case("mailto:") {
        return None;
    }
    let (target, size) = match rest.rsplit_once('!') {
        Some((target, size)) => (target, Some(size)),
        None => (rest, None),
    };
    // What a mailto: says of the message itself is not for others to say.
    let target = target.split('?').next().unwrap_or_default();
    Some(ReportPlace {
        address: Address::parse(&decoded(target)?).ok()?,
        most: match size {
            Some(size) => Some(octets(size)?),
            None => None,
        },
    })
}

/// RFC 7489, section 6.2: a number, and a unit of 1024.
fn octets(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match text.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    Some(number.saturating_mul(1_u64 << unit))
}

fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(octets).ok()
}

/// Domains that are asked for a record, from `domain` upwards: its own, and of those above it at most seven (section 4.10).
#[must_use]
pub(crate) fn walk(domain: &Domain) -> Vec<String> {
    const MOST_STEPS: usize = 8;
    let labels: Vec<&str> = domain.as_str().split('.').collect();
    let first_parent = labels.len().saturating_sub(MOST_STEPS - 1).max(1);
    std::iter::once(0)
        .chain(first_parent..labels.len())
        .map(|start| labels.get(start..).unwrap_or_default().join("."))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_is_read() {
        let text = b"v=DMARC1; p=Reject; sp=quarantine;np=none; adkim=s; t=n ; psd=n; \
            rua=mailto:a@x.example!10m, https://x.example/, mailto:b%2Cc@x.example; x=y; p=none";
        let record = DmarcRecord::parse(text).unwrap();
        assert_eq!(record.asked(Asked::Itself), Some(Published::Reject));
        assert_eq!(record.asked(Asked::Below), Some(Published::Quarantine));
        assert_eq!(record.asked(Asked::Nonexistent), Some(Published::None));
        assert!(record.strict_dkim && !record.strict_spf);
        assert_eq!(record.public_suffix, Some(false));
        let places: Vec<(String, Option<u64>)> = record
            .reports
            .iter()
            .map(|place| (place.address.to_string(), place.most))
            .collect();
        assert_eq!(
            places.first().unwrap(),
            &("a@x.example".to_owned(), Some(10 << 20))
        );
        assert!(places.len() <= 2);
    }

    #[test]
    fn what_is_no_record_and_what_asks_for_nothing() {
        for text in [
            "",
            "v=DMARC1x; p=none",
            "p=none; v=DMARC1",
            "v=dmarc1; p=none",
        ] {
            assert_eq!(DmarcRecord::parse(text.as_bytes()), None, "{text}");
        }
        for (text, asked) in [
            ("v=DMARC1", None),
            ("v=DMARC1; p=sometimes", None),
            ("v=DMARC1; rua=mailto:a@x.example", Some(Published::None)),
            (
                "v=DMARC1; p=reject; sp=x; rua=mailto:a@x.example",
                Some(Published::None),
            ),
            ("v=DMARC1; p=reject; t=y", Some(Published::Quarantine)),
            ("v=DMARC1; p=quarantine; t=y", Some(Published::None)),
            ("v=DMARC1;p=reject;", Some(Published::Reject)),
        ] {
            let record = DmarcRecord::parse(text.as_bytes()).unwrap();
            assert_eq!(record.asked(Asked::Itself), asked, "{text}");
        }
    }

    #[test]
    fn long_names_are_asked_for_in_eight_steps() {
        let domain = |text| Domain::parse(text).unwrap();
        assert_eq!(
            walk(&domain("mail.x.example")),
            ["mail.x.example", "x.example", "example"]
        );
        let long = walk(&domain("a.b.c.d.e.f.g.h.i.example"));
        assert_eq!(long.len(), 8);
        assert_eq!(long.get(1).unwrap(), "d.e.f.g.h.i.example");
    }
}
