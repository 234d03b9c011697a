//! What was seen of one message. Its names are kept in the trail, so a name, once used, keeps its meaning.

use std::net::IpAddr;

use ::engines::{MilterSaid, RspamdSaid};
use malware::Malware;
use serde::{Deserialize, Serialize};

use crate::{Conduct, History, Listing, Words, outbreak::Blocked};

/// Octets of JSON that the evidence of one message takes at most: an event holds 16 KiB, of which its lists need half.
const MOST_OCTETS: usize = 6 << 10;
/// Octets of a name that somebody else wrote (RFC 1035, section 2.3.4).
const MOST_NAME: usize = 253;
/// Octets of an address that somebody else wrote (RFC 5321, section 4.5.3.1).
const MOST_ADDRESS: usize = 320;
/// Octets of a reason.
const MOST_REASON: usize = 120;
/// Sealers of an ARC chain that are named.
pub(crate) const MOST_SEALERS: usize = 10;

/// The word of RFC 8601, section 2.7, that says how a check ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// There was nothing to check.
    #[default]
    None,
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// The domain thinks that it does not hold, and does not want to say so (SPF).
    Softfail,
    /// The domain says nothing either way (SPF), or it cannot be read (DKIM).
    Neutral,
    /// It could not be found out now: trying later may help.
    Temperror,
    /// It cannot be found out: what is published or signed is wrong.
    Permerror,
    /// It holds, or may hold, in a way that this server does not accept.
    Policy,
}

impl Finding {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Softfail => "softfail",
            Self::Neutral => "neutral",
            Self::Temperror => "temperror",
            Self::Permerror => "permerror",
            Self::Policy => "policy",
        }
    }
}

/// All that was seen of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The address that it came from.
    pub peer: IpAddr,
    /// Whether it was asked who it is from: the fields from `iprev` to `dmarc`. Not for submissions, which a login stands for.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub authentication: bool,
    /// Whether it is somebody's of this site, who sends it or keeps it here: who should hear of what is wrong with it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
    /// The name of that address.
    #[serde(default)]
    pub iprev: Iprev,
    /// SPF of the name in HELO or EHLO.
    #[serde(default)]
    pub spf_helo: Spf,
    /// SPF of MAIL FROM; with a null sender, of `postmaster` at the name in HELO (RFC 7208, section 2.4).
    #[serde(default)]
    pub spf: Spf,
    /// The DKIM signatures that were looked at, in the order of their fields.
    #[serde(default)]
    pub dkim: Vec<Signature>,
    /// Signatures that are not in `dkim`, since there were more than are looked at or told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dkim_more: u32,
    /// The ARC chain.
    #[serde(default)]
    pub arc: ArcChain,
    /// DMARC of the author's domain.
    #[serde(default)]
    pub dmarc: Dmarc,
    /// What the scanners said; `None` when there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malware: Option<Malware>,
    /// MAIL FROM; empty is the null sender, `None` was not noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The address in From; `None` where it is not one alone, or was not noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Octets; 0 was not noted.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub size: u64,
    /// What the client did before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conduct: Option<Conduct>,
    /// What DNS lists said that list something, or that did not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<Listing>,
    /// The DNS lists that list nothing of it ([`crate::DnsList::name`]). One that is neither here nor in `lists` was not asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent_lists: Vec<String>,
    /// What is remembered of where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// The names of the site's patterns that were found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// Which patterns were looked for: 64 bits of a digest of all; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub patterns_of: String,
    /// What its words say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Words>,
    /// What rspamd said; `None` when it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rspamd: Option<RspamdSaid>,
    /// What the milters said, in the order in which they were asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub milters: Vec<MilterSaid>,
    /// The rule against an outbreak that means it; `None`: none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Blocked>,
}

/// Whether the peer's address has a name that has the address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iprev {
    /// How it ended.
    pub result: Finding,
    /// The first name of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An SPF check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spf {
    /// How it ended.
    pub result: Finding,
    /// The domain that was asked; empty when the name is none.
    pub domain: String,
}

/// A DKIM signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// How its verification ended.
    pub result: Finding,
    /// Who signed (`d=`); empty when that could not be read.
    pub domain: String,
    /// With which key (`s=`).
    pub selector: String,
    /// How (`a=`).
    pub algorithm: String,
    /// Why it is not a pass; empty when it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// An ARC chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArcChain {
    /// Whether the chain holds.
    pub result: Finding,
    /// Its sets.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sets: u32,
    /// Who sealed them, first to last (`d=` of each ARC-Seal); at most ten are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealers: Vec<String>,
    /// What the first set says of DMARC; empty when it says nothing. Worth as much as the first sealer is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub first_dmarc: String,
    /// A sealer said that it does not hold (`cv=fail`): nobody adds a set to it any more (RFC 8617, section 5.1.2).
    #[serde(default, skip_serializing_if = "is_false")]
    pub ended: bool,
    /// Why it is not a pass; empty when it is, or there is no chain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// DMARC of the author's domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dmarc {
    /// What From says about the author.
    pub author: Author,
    /// The domain in From; empty when there is not one.
    pub domain: String,
    /// How it ended.
    pub result: Finding,
    /// What the domain asks to be done with mail that fails, as it applies to this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Published>,
    /// The domain whose record that is: the author's own, or one above it; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub found_at: String,
    /// SPF passed for a domain that is aligned.
    pub spf_aligned: bool,
    /// A DKIM signature of a domain that is aligned passed.
    pub dkim_aligned: bool,
}

/// What a message says about who wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// One From field, all of whose addresses are of one domain.
    One,
    /// There is no From field.
    #[default]
    Missing,
    /// There are several From fields, or addresses of several domains in one.
    Several,
    /// The From field holds something that is no address.
    Unreadable,
}

/// What a domain asks to be done with mail that fails DMARC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Published {
    /// Nothing.
    None,
    /// It is to be set apart.
    Quarantine,
    /// It is to be refused.
    Reject,
}

impl Published {
    /// The word, as in `p=`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

impl Evidence {
    /// Of a message of which nothing was looked at yet.
    #[must_use]
    pub fn of_peer(peer: IpAddr, hello: &str) -> Self {
        let spf = Spf {
            domain: name(hello),
            ..Spf::default()
        };
        Self {
            peer,
            authentication: true,
            own: false,
            iprev: Iprev::default(),
            spf_helo: spf.clone(),
            spf,
            dkim: Vec::new(),
            dkim_more: 0,
            arc: ArcChain::default(),
            dmarc: Dmarc::default(),
            malware: None,
            sender: None,
            author: None,
            size: 0,
            conduct: None,
            lists: Vec::new(),
            silent_lists: Vec::new(),
            history: None,
            patterns: Vec::new(),
            patterns_of: String::new(),
            words: None,
            rspamd: None,
            milters: Vec::new(),
            blocked: None,
        }
    }

    /// Of a message of which it is not asked who it is from. [`Evidence::own`] is for the caller to say.
    #[must_use]
    pub fn unasked(peer: IpAddr) -> Self {
        Self {
            authentication: false,
            ..Self::of_peer(peer, "")
        }
    }

    /// The same with what the scanners said, in bounds.
    #[must_use]
    pub fn with_malware(mut self, said: Malware) -> Self {
        self.malware = Some(Malware {
            files: Vec::new(),
            ..said
        });
        self.in_bounds()
    }

    /// The same, with the rule against an outbreak that means it.
    #[must_use]
    pub fn with_blocked(mut self, blocked: Blocked) -> Self {
        self.blocked = Some(blocked);
        self.in_bounds()
    }

    /// The same in bounds: what the last signatures say gives way when all of it is more than an event may hold. DMARC, which
    /// they were looked at for, keeps what it found.
    #[must_use]
    pub fn in_bounds(mut self) -> Self {
        while self.octets() > MOST_OCTETS {
            if self.shorten_engines() {
                continue;
            }
            if self.dkim.pop().is_some() {
                self.dkim_more = self.dkim_more.saturating_add(1);
            } else if self.silent_lists.pop().is_none()
                && self.arc.sealers.pop().is_none()
                && self.lists.pop().is_none()
            {
                break;
            }
        }
        self
    }

    fn octets(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |text| text.len())
    }
}

/// A domain or selector that somebody else wrote, in bounds and in characters that can be written anywhere.
pub(crate) fn name(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.[]:".contains(c);
    let plain = text.chars().map(|c| if is_name(c) { c } else { '?' });
    plain
        .take(MOST_NAME)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// An address that somebody else wrote, in bounds. It was parsed, so it has no characters that end a line.
pub(crate) fn address(text: &str) -> String {
    let cut = text.floor_char_boundary(MOST_ADDRESS);
    text.get(..cut).unwrap_or_default().to_owned()
}

/// A reason in bounds, in one line.
pub(crate) fn reason(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(MOST_REASON).collect()
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_nothing(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn however_much_is_signed_the_evidence_fits() {
        let mut evidence = Evidence::of_peer("2001:db8::1".parse().unwrap(), &"h".repeat(9000));
        let long = "d".repeat(MOST_NAME);
        evidence.dkim = vec![
            Signature {
                result: Finding::Fail,
                domain: name(&long),
                selector: name(&long),
                algorithm: "rsa-sha256".into(),
                reason: reason(&"r".repeat(5000)),
            };
            50
        ];
        evidence.arc.sealers = vec![long; MOST_SEALERS];
        let bound = evidence.in_bounds();
        assert!(bound.octets() <= MOST_OCTETS);
        assert_eq!(bound.dkim.len() + bound.dkim_more as usize, 50);
        assert_eq!(bound.arc.sealers.len(), MOST_SEALERS);
    }

    #[test]
    fn what_is_written_is_read_back_and_has_these_words() {
        let mut evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "Client.Example");
        evidence.dmarc = Dmarc {
            author: Author::One,
            domain: "x.example".into(),
            result: Finding::Temperror,
            policy: Some(Published::Quarantine),
            ..Dmarc::default()
        };
        let text = serde_json::to_string(&evidence).unwrap();
        assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), evidence);
        assert_eq!(
            text,
            "{\"peer\":\"192.0.2.1\",\"iprev\":{\"result\":\"none\"},\
             \"spf_helo\":{\"result\":\"none\",\"domain\":\"client.example\"},\
             \"spf\":{\"result\":\"none\",\"domain\":\"client.example\"},\"dkim\":[],\
             \"arc\":{\"result\":\"none\"},\"dmarc\":{\"author\":\"one\",\"domain\":\"x.example\",\
             \"result\":\"temperror\",\"policy\":\"quarantine\",\"spf_aligned\":false,\"dkim_aligned\":false}}"
        );
    }

    #[test]
    fn names_hold_nothing_that_ends_a_field() {
        assert_eq!(name("a.b;\r\n dmarc=pass"), "a.b????dmarc?pass");
        assert_eq!(reason("a\r\nb"), "a  b");
    }
}
