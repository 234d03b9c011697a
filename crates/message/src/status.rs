//! Enhanced mail system status codes (RFC 3463).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The first number: what became of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusClass {
    /// 2: done.
    Success,
    /// 4: not now; trying later may help.
    TransientFailure,
    /// 5: not at all; trying again will not help.
    PermanentFailure,
}

impl StatusClass {
    /// Its digit.
    #[must_use]
    pub fn digit(self) -> u8 {
        match self {
            Self::Success => 2,
            Self::TransientFailure => 4,
            Self::PermanentFailure => 5,
        }
    }
}

/// `class.subject.detail`, as in `5.1.1`. Subject and detail are at most 999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatusCode {
    /// What became of the message.
    pub class: StatusClass,
    /// What it is about: 1 address, 2 mailbox, 3 mail system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// The particular.
    pub detail: u16,
}

impl StatusCode {
    /// 2.`subject`.`detail`
    #[must_use]
    pub const fn success(subject: u16, detail: u16) -> Self {
        Self {
            class: StatusClass::Success,
            subject,
            detail,
        }
    }

    /// 4.`subject`.`detail`
    #[must_use]
    pub const fn transient(subject: u16, detail: u16) -> Self {
        Self {
            class: StatusClass::TransientFailure,
            subject,
            detail,
        }
    }

    /// 5.`subject`.`detail`
    #[must_use]
    pub const fn permanent(subject: u16, detail: u16) -> Self {
        Self {
            class: StatusClass::PermanentFailure,
            subject,
            detail,
        }
    }

    /// Whether the code says that the message or recipient was refused for good.
    #[must_use]
    pub fn is_permanent(self) -> bool {
        self.class == StatusClass::PermanentFailure
    }

    /// Reads a code that stands by itself, as `5.1.1`. `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.splitn(3, '.');
        let class = match numbers.next()? {
            "2" => StatusClass::Success,
            "4" => StatusClass::TransientFailure,
            "5" => StatusClass::PermanentFailure,
            _ => return None,
        };
        let subject = number(numbers.next()?)?;
        let detail = number(numbers.next()?)?;
        Some(Self {
            class,
            subject,
            detail,
        })
    }

    /// Splits a code off the front of a reply text: `5.1.1 No such user` gives the code and `No such user`.
    #[must_use]
    pub fn split(text: &str) -> (Option<Self>, &str) {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        match Self::parse(first) {
            Some(code) => (Some(code), rest),
            None => (None, text),
        }
    }
}

fn number(text: &str) -> Option<u16> {
    if text.is_empty() || text.len() > 3 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class.digit(), self.subject, self.detail)
    }
}

/// The text is no enhanced status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an enhanced status code (like 5.1.1)")]
pub struct StatusError;

impl FromStr for StatusCode {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        Self::parse(text).ok_or(StatusError)
    }
}

impl TryFrom<String> for StatusCode {
    type Error = StatusError;

    fn try_from(text: String) -> Result<Self, StatusError> {
        text.parse()
    }
}

impl From<StatusCode> for String {
    fn from(code: StatusCode) -> Self {
        code.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        assert_eq!(
            StatusCode::parse("5.1.1"),
            Some(StatusCode::permanent(1, 1))
        );
        assert_eq!(StatusCode::transient(7, 100).to_string(), "4.7.100");
        for bad in [
            "", "3.1.1", "5.1", "5.1.", "5.1.1.1", "5.1000.1", "5.+1.1", "5.1.1 ",
        ] {
            assert_eq!(StatusCode::parse(bad), None, "{bad}");
        }
        assert_eq!(
            StatusCode::split("5.7.1 go away"),
            (Some(StatusCode::permanent(7, 1)), "go away")
        );
        assert_eq!(StatusCode::split("go away"), (None, "go away"));
    }
}
