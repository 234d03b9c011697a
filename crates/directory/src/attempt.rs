//! An attempt to prove an identifier, as the trail tells of it: what was claimed, from where, and why it was refused.

use protocol::sasl::server::Failure;
use trail::{Actor, Event, Kind, Outcome};

use crate::{Attempt, PasskeyRefusal, Refusal, Service, Unproved, options::MOST_CLAIMED};

/// Why a proof was refused, as the trail tells it; the peer never learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Unknown,
    WrongPassword,
    Suspended,
    NotPermitted,
    /// The account has a second factor, and this was its password alone.
    AppPasswordNeeded,
    /// The account must have a second factor, and has none yet.
    SecondFactorMissing,
    /// The identifier is shared, and whose secret it was does not use it any more.
    NoUser,
    /// Its holder has left, or was to leave before now (clause 9.2(1)).
    HolderLeft,
    /// The password was right, and the second factor was not.
    WrongCode,
    /// Password and passkey were right, and the passkey's device was used elsewhere since: there are two of it.
    CopiedPasskey,
    /// The password was right, and so many codes were wrong that this one was not looked at.
    TooManyCodes,
    /// The password is the initial one, which is good for being changed only.
    InitialPassword,
    Crowded,
    Changed,
    Failed,
    Unproved(Unproved),
    /// What the exchange itself came to.
    Exchange(Failure),
}

impl Reason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::WrongPassword => "wrong password",
            Self::Suspended => "suspended",
            Self::NotPermitted => "not permitted for this service",
            Self::AppPasswordNeeded => "the password alone, where there is a second factor",
            Self::SecondFactorMissing => "the password alone, where there must be a second factor",
            Self::NoUser => "whose secret it is does not use the shared identifier any more",
            Self::HolderLeft => "its holder has left",
            Self::WrongCode => "wrong second factor",
            Self::CopiedPasskey => "the passkey's counter has gone back",
            Self::TooManyCodes => "too many wrong second factors",
            Self::InitialPassword => "the initial password must be changed first",
            Self::Crowded => "too many attempts at once",
            Self::Changed => "the account changed during the check",
            Self::Failed => "the check failed",
            Self::Unproved(unproved) => unproved.as_str(),
            Self::Exchange(failure) => match failure {
                Failure::Malformed => "a malformed message",
                Failure::OtherAuthorization => "another authorisation identity",
                Failure::ChannelBinding => "the channel binding does not match",
                Failure::Downgrade => "the offer of channel binding was removed on its way",
                Failure::WrongProof => "wrong password",
                Failure::Cancelled => "cancelled by the client",
                Failure::Abandoned => "abandoned by the client",
                Failure::Unreadable => "a line that is not base64",
                Failure::Unprotected => "begun without TLS",
            },
        }
    }

    /// Whether it counts as a guess. A password that is right but not enough does too: who guesses must not notice.
    pub(crate) const fn is_guess(self) -> bool {
        matches!(
            self,
            Self::Unknown
                | Self::WrongPassword
                | Self::AppPasswordNeeded
                | Self::WrongCode
                | Self::CopiedPasskey
                | Self::TooManyCodes
                | Self::Exchange(Failure::WrongProof)
        )
    }

    pub(crate) const fn refusal(self) -> Refusal {
        match self {
            Self::Unknown
            | Self::WrongPassword
            | Self::Suspended
            | Self::NotPermitted
            | Self::AppPasswordNeeded
            | Self::NoUser
            | Self::HolderLeft
            | Self::WrongCode
            | Self::TooManyCodes
            | Self::Unproved(_)
            | Self::Exchange(_) => Refusal::Credentials,
            Self::InitialPassword => Refusal::InitialPassword,
            Self::SecondFactorMissing => Refusal::SecondFactorMissing,
            Self::CopiedPasskey => Refusal::Passkey(PasskeyRefusal::Copied),
            Self::Crowded | Self::Changed | Self::Failed => Refusal::Temporary,
        }
    }
}

pub(crate) fn event(attempt: &Attempt, claimed: &str, result: Result<(), &str>) -> Event {
    let claimed = told(claimed);
    let (kind, outcome) = match result {
        Ok(()) => (Kind::AuthenticationSucceeded, Outcome::Success),
        Err(_) => (Kind::AuthenticationFailed, Outcome::Refused),
    };
    let service = match attempt.service {
        Service::Msa => "msa",
        Service::Mra => "mra",
        Service::Web => "web",
    };
    let mut event = Event::new(kind, Actor::Identifier(claimed.clone()))
        .outcome(outcome)
        .address(attempt.peer)
        .subject(claimed)
        .detail("service", service)
        .detail("protocol", attempt.protocol)
        .detail("mechanism", attempt.mechanism)
        .detail("tls", attempt.tls);
    if let Some(client) = &attempt.client {
        event = event.detail("client", told(client));
    }
    if let Err(reason) = result {
        event = event.detail("reason", reason);
    }
    event
}

/// What a client says, as an event may tell it.
pub(crate) fn told(said: &str) -> String {
    said.chars()
        .filter(|c| !c.is_control())
        .take(MOST_CLAIMED)
        .collect()
}
