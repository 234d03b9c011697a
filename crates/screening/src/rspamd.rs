//! What a site has decided to do about what rspamd recommends, and the verdict of that.

use ::engines::{RspamdAction, RspamdSaid};

use crate::{Cause, Handling, Refused, Treatment, Trouble, Verdict, malware::Vote};

/// What a site has decided about rspamd's actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RspamdPolicy {
    /// With mail that it would greylist. Default accept: it says `soft reject` itself where it keeps a greylist.
    pub greylist: Treatment,
    /// With mail that it would refuse for now. Default defer.
    pub soft_reject: Treatment,
    /// With mail that it would mark. Default mark.
    pub add_header: Treatment,
    /// With mail that it would mark in its subject. Default mark: the subject stays.
    pub rewrite_subject: Treatment,
    /// With mail that it would set apart. Default quarantine.
    pub quarantine: Treatment,
    /// With mail that it would throw away. Default discard.
    pub discard: Treatment,
    /// With mail that it would refuse. Default refuse.
    pub reject: Treatment,
    /// When it fails. Default defer.
    pub failure: Trouble,
}

impl Default for RspamdPolicy {
    fn default() -> Self {
        Self {
            greylist: Treatment::Accept,
            soft_reject: Treatment::Defer,
            add_header: Treatment::Mark,
            rewrite_subject: Treatment::Mark,
            quarantine: Treatment::Quarantine,
            discard: Treatment::Discard,
            reject: Treatment::Refuse,
            failure: Trouble::Defer,
        }
    }
}

impl RspamdPolicy {
    /// What its word comes to; `None` when nothing speaks against the message.
    pub(crate) fn vote(&self, said: Option<&RspamdSaid>) -> Option<Vote> {
        let said = said?;
        let Some(action) = said.action else {
            return Some(Vote {
                handling: self.failure.into(),
                cause: Cause::RspamdDown,
                what: said.reason.clone(),
                criterion: String::new(),
            });
        };
        let treatment = match action {
            RspamdAction::NoAction => return None,
            RspamdAction::Greylist => self.greylist,
            RspamdAction::SoftReject => self.soft_reject,
            RspamdAction::AddHeader => self.add_header,
            RspamdAction::RewriteSubject => self.rewrite_subject,
            RspamdAction::Quarantine => self.quarantine,
            RspamdAction::Discard => self.discard,
            RspamdAction::Reject => self.reject,
        };
        let (score, required) = (f64::from(said.score), f64::from(said.required));
        Some(Vote {
            handling: treatment.into(),
            cause: Cause::Rspamd,
            what: format!("{} ({score:.2} of {required:.2})", action.as_str()),
            criterion: action.as_str().to_owned(),
        })
    }
}

/// What the client is told of a verdict that is rspamd's; `None`: it is about something else. Which rules matched it is not told.
pub(crate) fn refused(verdict: &Verdict) -> Option<Refused> {
    let (code, detail, text) = match (verdict.because, verdict.handling) {
        (Cause::Rspamd, Handling::Refuse) => {
            (550, (7, 1), "The message is taken for unwanted mail")
        }
        (Cause::Rspamd, _) => (451, (7, 1), "The message is not taken now, try again later"),
        (Cause::RspamdDown, _) => (
            451,
            (3, 0),
            "The message cannot be looked at now, try again later",
        ),
        _ => return None,
    };
    Some(Refused {
        code,
        detail,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Evidence, Policy, engines::EnginePolicy};

    fn judged(policy: RspamdPolicy, said: RspamdSaid) -> Verdict {
        let policy = Policy {
            engines: EnginePolicy {
                rspamd: policy,
                ..EnginePolicy::default()
            },
            ..Policy::default()
        };
        let evidence = Evidence::unasked("192.0.2.1".parse().unwrap());
        policy.judge(&evidence.with_rspamd(said))
    }

    fn said(action: RspamdAction) -> RspamdSaid {
        RspamdSaid {
            action: Some(action),
            score: 7.5.into(),
            required: 15.0.into(),
            ..RspamdSaid::default()
        }
    }

    #[test]
    fn each_action_is_the_sites_to_decide() {
        let usual = RspamdPolicy::default();
        for (action, handling) in [
            (RspamdAction::NoAction, Handling::Accept),
            (RspamdAction::Greylist, Handling::Accept),
            (RspamdAction::SoftReject, Handling::Defer),
            (RspamdAction::AddHeader, Handling::Mark),
            (RspamdAction::RewriteSubject, Handling::Mark),
            (RspamdAction::Quarantine, Handling::Quarantine),
            (RspamdAction::Discard, Handling::Discard),
            (RspamdAction::Reject, Handling::Refuse),
        ] {
            assert_eq!(judged(usual, said(action)).handling, handling, "{action:?}");
        }
        let softer = RspamdPolicy {
            reject: Treatment::Quarantine,
            ..usual
        };
        let verdict = judged(softer, said(RspamdAction::Reject));
        assert_eq!(verdict.handling, Handling::Quarantine);
        assert_eq!(verdict.what, "reject (7.50 of 15.00)");
        assert_eq!(verdict.criterion, "reject");
        let refused = judged(usual, said(RspamdAction::Reject)).refusal().unwrap();
        assert_eq!((refused.code, refused.detail), (550, (7, 1)));
    }

    #[test]
    fn silence_is_never_clean() {
        let down = || RspamdSaid {
            reason: "no answer in time".into(),
            ..RspamdSaid::default()
        };
        let verdict = judged(RspamdPolicy::default(), down());
        assert_eq!(
            (verdict.handling, verdict.because),
            (Handling::Defer, Cause::RspamdDown)
        );
        let lenient = RspamdPolicy {
            failure: Trouble::Accept,
            ..RspamdPolicy::default()
        };
        let verdict = judged(lenient, down());
        assert_eq!(
            (verdict.handling, verdict.because),
            (Handling::Accept, Cause::RspamdDown)
        );
    }
}
