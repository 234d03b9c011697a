//! How a client behaved before its message, which tells programs that were written to send mail from those that were written to
//! send much of it.

use serde::{Deserialize, Serialize};

use crate::{Cause, Choice, Evidence, vote::Vote};

/// What the client did before its message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conduct {
    /// It talked before it was greeted (RFC 5321, section 3.1: it waits).
    #[serde(skip_serializing_if = "is_false")]
    pub early: bool,
    /// What it called itself.
    pub hello: HelloForm,
    /// Whether the message came under TLS.
    pub tls: bool,
    /// Recipients in this session that were refused.
    #[serde(skip_serializing_if = "is_zero")]
    pub refused: u32,
}

/// What a client calls itself in HELO or EHLO (RFC 5321, section 4.1.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HelloForm {
    /// A name with a dot.
    #[default]
    Name,
    /// An address literal.
    Literal,
    /// A name without a dot, such as a machine calls itself at home.
    Bare,
    /// An address without brackets, which the standard does not have.
    Address,
    /// This server's own name.
    Own,
}

impl HelloForm {
    /// What `name` is to a server that is called `own`.
    #[must_use]
    pub fn of(name: &str, own: &str) -> Self {
        if name.eq_ignore_ascii_case(own) {
            Self::Own
        } else if name.starts_with('[') {
            Self::Literal
        } else if name.parse::<std::net::IpAddr>().is_ok() {
            Self::Address
        } else if name.trim_end_matches('.').contains('.') {
            Self::Name
        } else {
            Self::Bare
        }
    }
}

/// What is done with mail of clients that behave so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConductPolicy {
    /// Talked before it was greeted. Default mark.
    pub early: Choice,
    /// Called itself by this server's name. Default mark.
    pub hello_own: Choice,
    /// Called itself by an address without brackets. Default accept.
    pub hello_address: Choice,
    /// Called itself by a name without a dot. Default accept.
    pub hello_bare: Choice,
    /// Its address has no name, or a name that does not have the address (iprev). Default accept.
    pub no_name: Choice,
    /// It had [`ConductPolicy::many_refused`] recipients refused before this message. Default accept.
    pub guessing: Choice,
    /// Recipients. Default 5.
    pub many_refused: u32,
}

impl Default for ConductPolicy {
    fn default() -> Self {
        Self {
            early: Choice::Mark,
            hello_own: Choice::Mark,
            hello_address: Choice::Accept,
            hello_bare: Choice::Accept,
            no_name: Choice::Accept,
            guessing: Choice::Accept,
            many_refused: 5,
        }
    }
}

impl ConductPolicy {
    pub(crate) fn votes(&self, evidence: &Evidence) -> Vec<Vote> {
        let Some(conduct) = &evidence.conduct else {
            return Vec::new();
        };
        let nameless = matches!(
            evidence.iprev.result,
            crate::Finding::Fail | crate::Finding::Permerror
        );
        // Each by the name that it has in the settings.
        let seen = [
            (
                conduct.early,
                self.early,
                "early",
                "it talked before it was greeted",
            ),
            (
                conduct.hello == HelloForm::Own,
                self.hello_own,
                "hello_own",
                "it called itself by the name of this server",
            ),
            (
                conduct.hello == HelloForm::Address,
                self.hello_address,
                "hello_address",
                "it called itself by a bare address",
            ),
            (
                conduct.hello == HelloForm::Bare,
                self.hello_bare,
                "hello_bare",
                "it called itself by a name without a dot",
            ),
            (
                nameless,
                self.no_name,
                "no_name",
                "its address has no name that has the address",
            ),
            (
                conduct.refused >= self.many_refused.max(1),
                self.guessing,
                "guessing",
                "many of its recipients were refused",
            ),
        ];
        let counting = seen
            .into_iter()
            .filter(|(is_so, choice, ..)| *is_so && *choice != Choice::Accept);
        let vote = |(_, choice, name, words): (bool, Choice, &str, &str)| {
            let vote = Vote::new(choice, Cause::Conduct).what(words.to_owned());
            vote.criterion(name)
        };
        counting.map(vote).collect()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Handling, Policy};

    #[test]
    fn names_have_these_forms() {
        let of = |name| HelloForm::of(name, "mx.example.org");
        assert_eq!(of("MX.example.org"), HelloForm::Own);
        assert_eq!(of("[192.0.2.1]"), HelloForm::Literal);
        assert_eq!(of("192.0.2.1"), HelloForm::Address);
        assert_eq!(of("2001:db8::1"), HelloForm::Address);
        assert_eq!(of("localhost"), HelloForm::Bare);
        assert_eq!(of("localhost."), HelloForm::Bare);
        assert_eq!(of("mail.example.net"), HelloForm::Name);
    }

    #[test]
    fn each_conduct_is_judged_as_the_site_says() {
        let policy = Policy {
            conduct: ConductPolicy {
                hello_bare: Choice::Quarantine,
                guessing: Choice::Refuse,
                ..ConductPolicy::default()
            },
            ..Policy::default()
        };
        let judged = |conduct| {
            let mut evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "c.example");
            evidence.conduct = Some(conduct);
            policy.judge(&evidence)
        };
        assert_eq!(judged(Conduct::default()).handling, Handling::Accept);
        let early = judged(Conduct {
            early: true,
            ..Conduct::default()
        });
        assert_eq!(
            (early.handling, early.because),
            (Handling::Mark, Cause::Conduct)
        );
        let both = judged(Conduct {
            early: true,
            hello: HelloForm::Bare,
            ..Conduct::default()
        });
        assert_eq!(both.handling, Handling::Quarantine);
        assert!(both.what.contains("without a dot"), "{}", both.what);
        assert_eq!(both.criterion, "hello_bare");
        let guessing = |refused| {
            judged(Conduct {
                refused,
                ..Conduct::default()
            })
        };
        assert_eq!(guessing(4).handling, Handling::Accept);
        assert_eq!(guessing(5).handling, Handling::Refuse);
    }
}
