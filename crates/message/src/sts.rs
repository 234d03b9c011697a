//! What a domain demands of those who send it mail (MTA-STS, RFC 8461, section 3): the text of a policy, and the record that tells of it.

use std::time::Duration;

use crate::address::Domain;

/// Octets of a policy that are read.
pub const MOST_OCTETS: usize = 64 * 1024;
/// Patterns of one policy that are kept.
const MOST_PATTERNS: usize = 256;
/// The longest that a policy may last: a year (RFC 8461, section 3.2).
const LONGEST: u64 = 31_557_600;

/// What a domain asks of those who send it mail (RFC 8461).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What is done where it is not met.
    pub mode: Mode,
    /// The hosts that serve the domain: names, or `*.` and a name for any one label before it. Empty only for [`Mode::None`].
    pub mx: Vec<String>,
    /// How long it may be remembered; at most a year.
    pub max_age: Duration,
}

/// What is done about a host that does not meet a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It gets no mail.
    Enforce,
    /// It gets mail all the same.
    Testing,
    /// There is no policy any more.
    None,
}

impl Mode {
    /// As a policy has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }

    /// Reads the word of a policy.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Enforce, Self::Testing, Self::None]
            .into_iter()
            .find(|mode| mode.as_str() == word)
    }
}

impl Policy {
    /// Its text line by line, as a domain serves it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            "version: STSv1".to_owned(),
            format!("mode: {}", self.mode.as_str()),
        ];
        lines.extend(self.mx.iter().map(|mx| format!("mx: {mx}")));
        lines.push(format!("max_age: {}", self.max_age.as_secs()));
        lines
    }

    /// Reads the text that a domain serves. Keys that are not known are passed over, as the RFC has it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            match key.trim_end() {
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" if mx.len() < MOST_PATTERNS => mx.push(pattern(value)?),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err("the policy does not say version: STSv1".to_owned());
        }
        let mode = mode.ok_or("the policy has no mode")?;
        let mode = Mode::from_word(mode).ok_or_else(|| {
            let shown: String = mode.chars().take(40).collect();
            format!("the policy's mode {shown:?} is none")
        })?;
        let digits = max_age.ok_or("the policy has no max_age")?;
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err("the policy's max_age is no number".to_owned());
        }
        // More digits than fit are more than the longest.
        let seconds: u64 = digits.parse().unwrap_or(LONGEST);
        if mx.is_empty() && mode != Mode::None {
            return Err("the policy names no mx".to_owned());
        }
        Ok(Self {
            mode,
            mx,
            max_age: Duration::from_secs(seconds.min(LONGEST)),
        })
    }

    /// The text to serve.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("version: STSv1\r\nmode: {}\r\n", self.mode.as_str());
        for pattern in &self.mx {
            text.push_str(&format!("mx: {pattern}\r\n"));
        }
        text.push_str(&format!("max_age: {}\r\n", self.max_age.as_secs()));
        text
    }

    /// Whether `host` is one of those that serve the domain. A wildcard stands for exactly one label (RFC 8461, section 4.1).
    #[must_use]
    pub fn names(&self, host: &Domain) -> bool {
        let host = host.as_str();
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.mx
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                Some(rest) => parent == Some(rest),
                None => pattern == host,
            })
    }
}

fn pattern(value: &str) -> Result<String, String> {
    let (wild, name) = match value.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", value),
    };
    let domain = Domain::parse(name.trim_end_matches('.')).map_err(|error| {
        let shown: String = value.chars().take(80).collect();
        format!("the policy's mx {shown:?} is no host: {error}")
    })?;
    Ok(format!("{wild}{}", domain.as_str()))
}

/// The id that the TXT records of `_mta-sts.<domain>` tell; `None` when there is not exactly one record, or it is wrong, which means
/// the same as none (RFC 8461, section 3.1).
#[must_use]
pub fn id(texts: &[String]) -> Option<String> {
    let mut ours = texts
        .iter()
        .filter_map(|text| text.strip_prefix("v=STSv1"))
        .filter(|rest| rest.trim_start().starts_with(';'));
    let (Some(rest), None) = (ours.next(), ours.next()) else {
        return None;
    };
    let mut fields = rest.split(';').map(str::trim);
    let id = fields.find_map(|field| {
        let (key, value) = field.split_once('=')?;
        (key.trim_end() == "id").then(|| value.trim_start())
    })?;
    let is_good =
        (1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    is_good.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn d(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    #[test]
    fn a_policy_is_read_as_the_rfc_shows_it() {
        let text = "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.Example.com.\nmax_age: 604800\n";
        let policy = Policy::parse(text).unwrap();
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.max_age, Duration::from_secs(604_800));
        for host in ["mail.example.com", "a.example.net", "backupmx.example.com"] {
            assert!(policy.names(&d(host)), "{host}");
        }
        for host in [
            "example.net",
            "b.a.example.net",
            "example.com",
            "xmail.example.com",
        ] {
            assert!(!policy.names(&d(host)), "{host}");
        }
        assert_eq!(Policy::parse(&policy.to_text()), Ok(policy));
    }

    #[test]
    fn the_first_of_a_key_counts_and_unknown_keys_do_not() {
        let text = "version: STSv1\r\nmode: none\r\nmode: enforce\r\nnew: thing\r\nrubbish\r\nmax_age: 99999999999999999999999\r\n";
        let policy = Policy::parse(text).unwrap();
        assert_eq!(policy.mode, Mode::None);
        assert_eq!(policy.max_age, Duration::from_secs(LONGEST));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, reason) in [
            ("", "version"),
            ("version: STSv2\nmode: none\nmax_age: 1", "version"),
            ("version: STSv1\nmax_age: 1", "no mode"),
            ("version: STSv1\nmode: strict\nmax_age: 1", "\"strict\""),
            ("version: STSv1\nmode: none", "max_age"),
            ("version: STSv1\nmode: none\nmax_age: -1", "no number"),
            ("version: STSv1\nmode: testing\nmax_age: 1", "no mx"),
            (
                "version: STSv1\nmode: enforce\nmx: *.*.x\nmax_age: 1",
                "no host",
            ),
            ("<html>404</html>", "version"),
        ] {
            let error = Policy::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }

    #[test]
    fn there_is_one_record_or_none() {
        let one = |text: &str| id(&[text.to_owned()]);
        assert_eq!(
            one("v=STSv1; id=20160831085700Z;").as_deref(),
            Some("20160831085700Z")
        );
        assert_eq!(one("v=STSv1;id=1").as_deref(), Some("1"));
        assert_eq!(one("v=STSv1; x=y; id=1;").as_deref(), Some("1"));
        for text in [
            "v=STSv1",
            "v=STSv1;",
            "v=STSv1; id=",
            "v=STSv1; id=a-b",
            "v=STSv10; id=1",
            "v=stsv1; id=1",
            "id=1; v=STSv1",
            "v=STSv1; id=123456789012345678901234567890123",
        ] {
            assert_eq!(one(text), None, "{text}");
        }
        let good = "v=STSv1; id=1".to_owned();
        assert_eq!(id(&[good.clone(), good.clone()]), None);
        assert_eq!(id(&["other".to_owned(), good]).as_deref(), Some("1"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(version: STSv1\n)?[\\PC\n]{0,400}") {
            if let Ok(policy) = Policy::parse(&text) {
                prop_assert_eq!(Policy::parse(&policy.to_text()), Ok(policy));
            }
        }
    }
}
