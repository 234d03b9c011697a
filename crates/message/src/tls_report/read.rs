//! Reading a report, as hostile text.

use std::{fmt, marker::PhantomData};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};

use super::{
    Applied, Detail, MOST_DETAILS, MOST_OCTETS, MOST_POLICIES, MOST_STRINGS, MOST_TEXT, Policy,
    PolicyKind, Report,
};

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It is longer than any report.
    #[error("it has more than {MOST_OCTETS} octets")]
    TooLong,
    /// It is no JSON, or lacks what a report has.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// It tells of more sessions that failed than there are failed sessions.
    #[error("its failures ({0}) are more than the sessions that it says failed ({1})")]
    Sums(u64, u64),
    /// It ends before it begins.
    #[error("its time ends before it begins")]
    Time,
    /// It tells of nothing.
    #[error("it has no policies")]
    Empty,
}

impl Report {
    /// Reads the standard's form (RFC 8460, section 4.4). Members that are not known are passed over; what is beyond the bounds is
    /// counted in [`Report::left_out`].
    ///
    /// # Errors
    /// Why it is no report.
    pub fn parse(text: &[u8]) -> Result<Self, ReportError> {
        if text.len() > MOST_OCTETS {
            return Err(ReportError::TooLong);
        }
        let whole: Whole = serde_json::from_slice(text)?;
        if whole.dates.end < whole.dates.begin {
            return Err(ReportError::Time);
        }
        let mut left_out = whole.policies.left_out;
        let mut policies = Vec::with_capacity(whole.policies.list.len());
        for one in whole.policies.list {
            left_out = left_out.saturating_add(one.details.left_out);
            policies.push(one.made()?);
        }
        if policies.is_empty() {
            return Err(ReportError::Empty);
        }
        Ok(Self {
            organisation: whole.organisation.0,
            contact: whole.contact.0,
            id: whole.id.0,
            begin: whole.dates.begin,
            end: whole.dates.end,
            policies,
            left_out,
        })
    }
}

#[derive(Deserialize)]
struct Whole {
    #[serde(rename = "organization-name")]
    organisation: Text,
    #[serde(rename = "date-range")]
    dates: Dates,
    #[serde(rename = "contact-info", default)]
    contact: Text,
    #[serde(rename = "report-id")]
    id: Text,
    policies: Bounded<One, MOST_POLICIES>,
}

#[derive(Deserialize)]
struct Dates {
    #[serde(rename = "start-datetime")]
    begin: Timestamp,
    #[serde(rename = "end-datetime")]
    end: Timestamp,
}

#[derive(Deserialize)]
struct One {
    policy: Told,
    summary: Summary,
    #[serde(rename = "failure-details", default)]
    details: Bounded<Failed, MOST_DETAILS>,
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "policy-type")]
    kind: Kind,
    #[serde(rename = "policy-string", default)]
    strings: Texts,
    #[serde(rename = "policy-domain")]
    domain: Text,
    #[serde(rename = "mx-host", default)]
    mx: Texts,
}

#[derive(Deserialize)]
struct Summary {
    #[serde(rename = "total-successful-session-count")]
    successes: u64,
    #[serde(rename = "total-failure-session-count")]
    failures: u64,
}

#[derive(Deserialize)]
struct Failed {
    #[serde(rename = "result-type")]
    result: Text,
    #[serde(rename = "sending-mta-ip", default)]
    from: Option<Text>,
    #[serde(rename = "receiving-mx-hostname", default)]
    mx: Option<Text>,
    #[serde(rename = "receiving-ip", default)]
    to: Option<Text>,
    #[serde(rename = "failed-session-count")]
    sessions: u64,
    #[serde(rename = "additional-information", default)]
    information: Option<Text>,
    #[serde(rename = "failure-reason-code", default)]
    code: Option<Text>,
}

impl One {
    fn made(self) -> Result<Applied, ReportError> {
        let details: Vec<Detail> = self.details.list.into_iter().map(Failed::made).collect();
        let told = details
            .iter()
            .fold(0_u64, |sum, detail| sum.saturating_add(detail.sessions));
        // A session may fail in more than one way, but no more ways than the standard has words.
        let most = self.summary.failures.saturating_mul(11);
        if told > most {
            return Err(ReportError::Sums(told, self.summary.failures));
        }
        Ok(Applied {
            policy: Policy {
                kind: self.policy.kind.0,
                strings: self.policy.strings.0,
                domain: self.policy.domain.0,
                mx: self.policy.mx.0,
            },
            successes: self.summary.successes,
            failures: self.summary.failures,
            details,
        })
    }
}

impl Failed {
    fn made(self) -> Detail {
        let text = |text: Option<Text>| text.map(|text| text.0).filter(|text| !text.is_empty());
        Detail {
            result: self.result.0,
            from: text(self.from),
            mx: text(self.mx),
            to: text(self.to),
            sessions: self.sessions,
            reason: text(self.code).or(text(self.information)),
        }
    }
}

struct Kind(PolicyKind);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = Text::deserialize(from)?;
        let kind = PolicyKind::of(&word.0);
        let kind = kind.ok_or_else(|| de::Error::custom("a policy-type that is none"))?;
        Ok(Self(kind))
    }
}

/// A text, cut to [`MOST_TEXT`] octets.
#[derive(Default)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(from)?;
        let mut end = MOST_TEXT.min(text.len());
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        text.truncate(end);
        text.shrink_to_fit();
        Ok(Self(text))
    }
}

/// A list of texts, or one alone, which some reporters write in its place.
#[derive(Default)]
struct Texts(Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Many(Bounded<Text, MOST_STRINGS>),
            One(Text),
            Nothing(()),
        }
        Ok(Self(match Either::deserialize(from)? {
            Either::Many(many) => many.list.into_iter().map(|text| text.0).collect(),
            Either::One(one) => vec![one.0],
            Either::Nothing(()) => Vec::new(),
        }))
    }
}

/// A list of which no more than `MOST` are kept.
struct Bounded<T, const MOST: usize> {
    list: Vec<T>,
    left_out: u64,
}

impl<T, const MOST: usize> Default for Bounded<T, MOST> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            left_out: 0,
        }
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Bounded<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Items(PhantomData))
    }
}

struct Items<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
    type Value = Bounded<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    /// `null`, which some reporters write for an empty list.
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Bounded::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Bounded::default();
        while all.list.len() < MOST {
            match items.next_element()? {
                Some(item) => all.list.push(item),
                None => return Ok(all),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            all.left_out = all.left_out.saturating_add(1);
        }
        Ok(all)
    }
}
