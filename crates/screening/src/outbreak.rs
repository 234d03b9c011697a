//! Rules against an outbreak (clause 5.2(2)): what malware is known by before any scanner knows it. They hold from the moment that
//! somebody makes one until it ends, for mail from outside and for submissions.

use ::malware::FileMark;
use message::{
    Address, Domain, Limits,
    header::{AddressItem, Header, decode_words, parse_addresses},
    mime::Structure,
    text::fold,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Cause, Handling};

/// Rules that may hold at once: each message is held against all of them.
pub const MOST_RULES: usize = 200;
/// Characters of a pattern.
pub const MOST_PATTERN: usize = 200;
/// Fields of a kind that are looked at; there should be one of each.
const MOST_FIELDS: usize = 8;
/// Characters of a name or subject that are looked at.
const MOST_TEXT: usize = 2000;

/// What a rule does with what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleHandling {
    /// It is refused for good.
    Refuse,
    /// It is set apart, and only an administrator may release it; of a submission: it is refused.
    Quarantine,
    /// It is to come again: whether a rule means it could not be found out. No rule does that.
    Defer,
}

impl RuleHandling {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Quarantine => "quarantine",
            Self::Defer => "defer",
        }
    }
}

impl From<RuleHandling> for Handling {
    fn from(handling: RuleHandling) -> Self {
        match handling {
            RuleHandling::Refuse => Self::Refuse,
            RuleHandling::Quarantine => Self::Quarantine,
            RuleHandling::Defer => Self::Defer,
        }
    }
}

/// What a rule means: all that it names, at least one thing. File, type and digest are of the same part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marks {
    /// SHA-256 of an attachment's octets, or of the whole message as it came, in lower hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Name of an attachment: `*` is any characters, `?` any one; capitals and widths do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Media type of a part, such as `application/x-iso9660-image`, with the same characters.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Address or domain of the envelope's sender, or of an author in From.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The subject, with the same characters as a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// Why marks mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarksError {
    /// It names nothing, or only what every message has.
    #[error(
        "a rule names at least one of --sha256, --name, --type, --sender and --subject, with something other than * and ?"
    )]
    Everything,
    /// Not 64 hexadecimal digits.
    #[error("{0:?} is no SHA-256: 64 hexadecimal digits are expected")]
    Sha256(String),
    /// Neither an address nor a domain.
    #[error("{0:?} is neither an address nor a domain")]
    Sender(String),
    /// Too long, or with control characters.
    #[error("{0:?} is no pattern: 1 to {MOST_PATTERN} characters, none of which controls")]
    Pattern(String),
}

impl Marks {
    /// The same in one form, if it means something.
    ///
    /// # Errors
    /// [`MarksError`].
    pub fn checked(mut self) -> Result<Self, MarksError> {
        if let Some(digest) = &mut self.sha256 {
            digest.make_ascii_lowercase();
            let is_digest = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
            if !is_digest {
                return Err(MarksError::Sha256(digest.clone()));
            }
        }
        if let Some(sender) = &mut self.sender {
            let text = sender.trim_start_matches('@');
            let form = match Address::parse(text) {
                Ok(address) => Some(address.canonical().to_string()),
                Err(_) => Domain::parse(text).ok().map(|domain| domain.to_string()),
            };
            *sender = form.ok_or_else(|| MarksError::Sender(sender.clone()))?;
        }
        let patterns = [&self.name, &self.media_type, &self.subject];
        for pattern in patterns.into_iter().flatten() {
            let length = pattern.chars().count();
            if length == 0 || length > MOST_PATTERN || pattern.chars().any(char::is_control) {
                return Err(MarksError::Pattern(pattern.clone()));
            }
        }
        let says = |pattern: &Option<String>| {
            let pattern = pattern.as_deref().unwrap_or_default();
            pattern.chars().any(|c| !matches!(c, '*' | '?' | ' '))
        };
        let says_something = self.sha256.is_some()
            || self.sender.is_some()
            || patterns.iter().any(|pattern| says(pattern));
        match says_something {
            true => Ok(self),
            false => Err(MarksError::Everything),
        }
    }

    /// Whether it names something that a part, or a file in one, has.
    #[must_use]
    pub fn of_parts(&self) -> bool {
        self.sha256.is_some() || self.name.is_some() || self.media_type.is_some()
    }

    /// What of `traits` it means, for people; `None`: it does not mean the message.
    #[must_use]
    pub fn meets(&self, traits: &Traits) -> Option<String> {
        if let Some(sender) = &self.sender
            && !traits.senders.iter().any(|one| is_of(one, sender))
        {
            return None;
        }
        if let Some(subject) = &self.subject
            && !traits.subjects.iter().any(|one| is_like(one, subject))
        {
            return None;
        }
        if !self.of_parts() {
            let text = self.subject.as_ref().or(self.sender.as_ref());
            return text.cloned();
        }
        let whole = self.name.is_none() && self.media_type.is_none();
        if whole && self.sha256.as_ref() == Some(&traits.whole) {
            return Some("the whole message".to_owned());
        }
        let mut parts = traits.parts.iter();
        let found = parts.find(|part| {
            let digest = self
                .sha256
                .as_ref()
                .is_none_or(|digest| part.sha256 == *digest);
            let name = self
                .name
                .as_ref()
                .is_none_or(|name| is_like(&part.name, name));
            let kind = self.media_type.as_ref();
            digest && name && kind.is_none_or(|kind| is_like(&part.media_type, kind))
        });
        found.map(|part| match part.name.is_empty() {
            true => part.media_type.clone(),
            false => part.name.clone(),
        })
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number.
    pub number: i64,
    /// What it means.
    pub marks: Marks,
    /// What it does.
    pub handling: RuleHandling,
}

/// The rule that means a message, as its evidence keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The rule's number.
    pub rule: i64,
    /// What it does.
    pub handling: RuleHandling,
    /// What of the message it means.
    pub what: String,
}

/// The strictest of `rules` that means the message, the first of those.
#[must_use]
pub fn blocked(rules: &[Rule], sender: Option<&Address>, raw: &[u8]) -> Option<Blocked> {
    if rules.is_empty() {
        return None;
    }
    let traits = Traits::of(
        sender,
        raw,
        rules.iter().any(|rule| rule.marks.sha256.is_some()),
    );
    strictest(&rules.iter().collect::<Vec<_>>(), &traits)
}

/// The strictest of `rules` that means the message for a file in it that `files` tells of, however deep that lies.
#[must_use]
pub fn blocked_inside(
    rules: &[Rule],
    sender: Option<&Address>,
    raw: &[u8],
    files: &[FileMark],
) -> Option<Blocked> {
    let rules: Vec<&Rule> = rules.iter().filter(|rule| rule.marks.of_parts()).collect();
    if rules.is_empty() || files.is_empty() {
        return None;
    }
    let traits = Traits::of(sender, raw, false).with_files(files);
    strictest(&rules, &traits)
}

fn strictest(rules: &[&Rule], traits: &Traits) -> Option<Blocked> {
    let meeting = rules.iter().filter_map(|rule| {
        let what = rule.marks.meets(traits)?;
        Some(Blocked {
            rule: rule.number,
            handling: rule.handling,
            what: what.chars().take(MOST_PATTERN).collect(),
        })
    });
    // The first of those that are equally strict.
    meeting.min_by_key(|blocked| std::cmp::Reverse(Handling::from(blocked.handling)))
}

impl Blocked {
    /// The stricter of both; of equally strict ones the one with the lower number.
    #[must_use]
    pub fn or_stricter(self, other: Self) -> Self {
        let weight = |one: &Self| (std::cmp::Reverse(Handling::from(one.handling)), one.rule);
        match weight(&other) < weight(&self) {
            true => other,
            false => self,
        }
    }
}

/// What the verdict is, of evidence alone; staff hear of what is done with theirs.
pub(crate) fn vote(blocked: &Blocked) -> crate::malware::Vote {
    crate::malware::Vote {
        handling: blocked.handling.into(),
        cause: Cause::OutbreakRule,
        what: format!("rule {}, {}", blocked.rule, blocked.what),
        criterion: blocked.rule.to_string(),
    }
}

/// What rules can know a message by.
#[derive(Clone, Debug, Default)]
pub struct Traits {
    senders: Vec<Address>,
    subjects: Vec<String>,
    parts: Vec<PartTraits>,
    whole: String,
}

#[derive(Clone, Debug)]
struct PartTraits {
    name: String,
    media_type: String,
    sha256: String,
}

impl Traits {
    /// Reads a message; digests are made only where `digests` says so. Never fails: what is broken has the traits that can be seen.
    #[must_use]
    pub fn of(sender: Option<&Address>, raw: &[u8], digests: bool) -> Self {
        let limits = Limits::default();
        let header = Header::named(raw, &["from", "subject"], MOST_FIELDS);
        let mut senders: Vec<Address> = sender.cloned().into_iter().collect();
        for field in header.all("from") {
            let items = parse_addresses(&field.unfolded(), &limits);
            senders.extend(
                items
                    .iter()
                    .filter_map(AddressItem::mailbox)
                    .filter_map(message::header::Mailbox::address),
            );
        }
        let subjects = header
            .all("subject")
            .map(|field| folded(&decode_words(&field.unfolded())));
        let structure = Structure::parse(raw, &limits);
        let parts = structure.root.walk().into_iter();
        let parts = parts.filter(|part| part.children().is_empty()).map(|part| {
            let body = part.decoded_body(raw);
            PartTraits {
                name: folded(&part.filename().unwrap_or_default()),
                media_type: folded(&format!(
                    "{}/{}",
                    part.content_type.kind, part.content_type.subtype
                )),
                sha256: match (digests, body) {
                    (true, Some(body)) => hex(&body),
                    _ => String::new(),
                },
            }
        });
        Self {
            senders,
            subjects: subjects.collect(),
            parts: parts.collect(),
            whole: match digests {
                true => hex(raw),
                false => String::new(),
            },
        }
    }
}

impl Traits {
    /// The same, of files in it too.
    #[must_use]
    pub fn with_files(mut self, files: &[FileMark]) -> Self {
        self.parts.extend(files.iter().map(|file| PartTraits {
            name: folded(&file.name),
            media_type: folded(&file.kind),
            sha256: file.sha256.clone(),
        }));
        self
    }
}

fn hex(octets: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(octets))
}

fn folded(text: &str) -> String {
    let cut: String = text.chars().take(MOST_TEXT).collect();
    fold(&cut)
}

/// `sender` is an address, or a domain, whose subdomains are meant too.
fn is_of(address: &Address, sender: &str) -> bool {
    if sender.contains('@') {
        return address.canonical().to_string() == *sender;
    }
    let domain = address.domain().as_str();
    domain == sender
        || domain
            .strip_suffix(sender)
            .is_some_and(|rest| rest.ends_with('.'))
}

/// Whether the folded `text` is like `pattern`. In time that grows with the product of their lengths at most.
fn is_like(text: &str, pattern: &str) -> bool {
    let pattern: Vec<char> = fold(pattern).chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut t, mut p) = (0, 0);
    // Where the last star stands, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == c => {
                t += 1;
                p += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    t = taken + 1;
                    p = at + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Evidence, Policy};

    const MAIL: &[u8] = "From: =?utf-8?B?5bGx55Sw?= <yamada@mail.bad.example>\r\nSubject: =?utf-8?B?6KuL5rGC5pu4?= 2026\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee it.\r\n--b\r\n\
        Content-Type: application/x-iso9660-image; name=\"Invoice.ISO\"\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n--b--\r\n"
        .as_bytes();
    /// SHA-256 of `abc` (FIPS 180-2, appendix B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn marks(change: impl FnOnce(&mut Marks)) -> Marks {
        let mut marks = Marks::default();
        change(&mut marks);
        marks.checked().unwrap()
    }

    #[track_caller]
    fn met(marks: &Marks) -> Option<String> {
        let sender = Address::parse("bounce@carrier.example").unwrap();
        marks.meets(&Traits::of(Some(&sender), MAIL, true))
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn each_mark_is_met_by_what_it_names() {
        let whole = hex(MAIL);
        for (yes, mark) in [
            (true, marks(|m| m.sha256 = some(&ABC.to_uppercase()))),
            (true, marks(|m| m.sha256 = some(&whole))),
            (false, marks(|m| m.sha256 = some(&"0".repeat(64)))),
            (true, marks(|m| m.name = some("*.iso"))),
            (true, marks(|m| m.name = some("INVOICE.?so"))),
            (false, marks(|m| m.name = some("invoice"))),
            (true, marks(|m| m.media_type = some("application/x-iso*"))),
            (true, marks(|m| m.sender = some("bad.example"))),
            (true, marks(|m| m.sender = some("@carrier.example"))),
            (true, marks(|m| m.sender = some("Yamada@mail.bad.example"))),
            (false, marks(|m| m.sender = some("ad.example"))),
            (false, marks(|m| m.sender = some("x@bad.example"))),
            (true, marks(|m| m.subject = some("請求書*"))),
            (false, marks(|m| m.subject = some("請求書"))),
        ] {
            assert_eq!(met(&mark).is_some(), yes, "{mark:?}");
        }
    }

    #[test]
    fn all_that_a_rule_names_is_met_by_one_part() {
        let both = |name: &str, kind: &str| {
            let (name, kind) = (some(name), some(kind));
            marks(|m| (m.name, m.media_type) = (name, kind))
        };
        assert_eq!(met(&both("*.iso", "application/*")), some("invoice.iso"));
        assert_eq!(met(&both("*.iso", "text/plain")), None);
        let other = marks(|m| (m.sender, m.name) = (some("bad.example"), some("*.exe")));
        assert_eq!(met(&other), None);
    }

    #[test]
    fn what_means_everything_is_no_rule() {
        let check = |change: fn(&mut Marks)| {
            let mut marks = Marks::default();
            change(&mut marks);
            marks.checked()
        };
        assert_eq!(check(|_| {}), Err(MarksError::Everything));
        assert_eq!(
            check(|m| m.name = Some("*?".into())),
            Err(MarksError::Everything)
        );
        assert!(matches!(
            check(|m| m.sha256 = Some("ab".into())),
            Err(MarksError::Sha256(_))
        ));
        assert!(matches!(
            check(|m| m.sender = Some("a b".into())),
            Err(MarksError::Sender(_))
        ));
        assert!(matches!(
            check(|m| m.name = Some("a\r\nb".into())),
            Err(MarksError::Pattern(_))
        ));
    }

    #[test]
    fn patterns_take_no_time_to_speak_of() {
        let text = "a".repeat(MOST_TEXT);
        let pattern = "a*".repeat(MOST_PATTERN / 2 - 1) + "b";
        assert!(!is_like(&text, &pattern));
        for (text, pattern, yes) in [
            ("", "*", true),
            ("abc", "a*c", true),
            ("abc", "a*b", false),
            ("aXbXc", "a*x*c", false),
            ("ab", "a?b", false),
            ("abab", "*ab", true),
        ] {
            assert_eq!(is_like(text, pattern), yes, "{text} {pattern}");
        }
    }

    #[test]
    fn the_strictest_rule_decides() {
        let rule = |number, handling| Rule {
            number,
            marks: marks(|m| m.name = some("*.iso")),
            handling,
        };
        let rules = [
            rule(1, RuleHandling::Quarantine),
            rule(2, RuleHandling::Refuse),
            rule(3, RuleHandling::Refuse),
        ];
        let found = blocked(&rules, None, MAIL).unwrap();
        assert_eq!((found.rule, found.handling), (2, RuleHandling::Refuse));
        assert_eq!(blocked(&rules[..1], None, MAIL).unwrap().rule, 1);
        assert_eq!(blocked(&[], None, MAIL), None);
        assert_eq!(blocked(&rules, None, b"Subject: x\r\n\r\n"), None);
    }

    #[test]
    fn files_within_are_met_as_parts_are() {
        let rule = |number, handling, marks| Rule {
            number,
            marks,
            handling,
        };
        let inner =
            |name: &str, kind: &str, digit: &str| FileMark::new(name, kind, digit.repeat(64));
        let files = [
            inner("a.txt", "", "1"),
            inner("PLAN.exe", "application/x-msdownload", "2"),
        ];
        let rules = [
            rule(
                1,
                RuleHandling::Quarantine,
                marks(|m| m.name = some("plan.*")),
            ),
            rule(
                2,
                RuleHandling::Refuse,
                marks(|m| m.sha256 = some(&"2".repeat(64))),
            ),
            rule(
                3,
                RuleHandling::Refuse,
                marks(|m| m.subject = some("請求書*")),
            ),
            rule(
                4,
                RuleHandling::Refuse,
                marks(|m| (m.name, m.sha256) = (some("a.txt"), some(&"2".repeat(64)))),
            ),
        ];
        let found = blocked_inside(&rules, None, MAIL, &files).unwrap();
        assert_eq!((found.rule, found.what.as_str()), (2, "plan.exe"));
        assert_eq!(
            blocked_inside(&rules[..1], None, MAIL, &files)
                .unwrap()
                .rule,
            1
        );
        assert_eq!(blocked_inside(&rules[2..], None, MAIL, &files), None);
        assert_eq!(blocked_inside(&rules, None, MAIL, &[]), None);
        let kind = [rule(
            5,
            RuleHandling::Refuse,
            marks(|m| m.media_type = some("application/x-msdownload")),
        )];
        assert_eq!(blocked_inside(&kind, None, MAIL, &files).unwrap().rule, 5);
        // Sender and subject are the message's, however deep the file lies.
        let both = |sender: &str| marks(|m| (m.sender, m.name) = (some(sender), some("plan.exe")));
        let of = |sender: &str| [rule(6, RuleHandling::Refuse, both(sender))];
        assert!(blocked_inside(&of("bad.example"), None, MAIL, &files).is_some());
        assert_eq!(
            blocked_inside(&of("good.example"), None, MAIL, &files),
            None
        );
        let one = blocked_inside(&rules[..1], None, MAIL, &files).unwrap();
        assert_eq!(one.clone().or_stricter(found.clone()), found);
        assert_eq!(found.clone().or_stricter(one), found);
    }

    #[test]
    fn staff_hear_of_what_is_set_apart_from_strangers() {
        let blocked = Blocked {
            rule: 7,
            handling: RuleHandling::Quarantine,
            what: "a.iso".to_owned(),
        };
        let mut evidence = Evidence::unasked("192.0.2.1".parse().unwrap()).with_blocked(blocked);
        let judged = |evidence: &Evidence| {
            let verdict = Policy::default().judge(evidence);
            assert_eq!(verdict.because, Cause::OutbreakRule);
            assert!(verdict.because.is_strict());
            verdict
        };
        assert_eq!(judged(&evidence).handling, Handling::Quarantine);
        evidence.own = true;
        let verdict = judged(&evidence);
        assert_eq!(verdict.handling, Handling::Refuse);
        let refused = verdict.refusal().unwrap();
        assert!(
            refused.code == 554 && refused.text.contains("rule 7, a.iso"),
            "{refused:?}"
        );
    }
}
