//! What incidents are about, and the steps that each kind demands before it can be closed.

use serde::Serialize;

use crate::Role;

/// What an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentKind {
    /// A password that another may have used (clause 4.1).
    Credential,
    /// Malware that was sent from inside (clause 5.2(5)).
    MalwareInside,
    /// A surge of bounces to mail that was never sent from here (clause 5.5(2)).
    BounceSurge,
    /// An identifier that submits many times what it usually does (clauses 4.4, 5.5).
    SubmissionSurge,
    /// Traffic that differs much from what is usual, while service suffers (clauses 4.4(2), 8.4).
    Dos,
}

impl IncidentKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Credential,
        Self::MalwareInside,
        Self::BounceSurge,
        Self::SubmissionSurge,
        Self::Dos,
    ];

    /// Its name on the command line, in storage and in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::MalwareInside => "malware-inside",
            Self::BounceSurge => "bounce-surge",
            Self::SubmissionSurge => "submission-surge",
            Self::Dos => "dos",
        }
    }

    /// Whose officer reads its report, acknowledges and closes it.
    #[must_use]
    pub const fn officer(self) -> Role {
        match self {
            Self::Dos => Role::SystemOfficer,
            _ => Role::SecurityOfficer,
        }
    }

    /// The kind of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The steps that it cannot be closed without, in the order in which they are usually taken. `about_identifier`: one is known.
    #[must_use]
    pub fn steps(self, about_identifier: bool) -> &'static [Step] {
        match (self, about_identifier) {
            (Self::Credential, _) => &[
                Step::Suspended,
                Step::QueueHeld,
                Step::Analysed,
                Step::Reported,
                Step::Acknowledged,
                Step::PasswordRenewed,
                Step::HandedOver,
                Step::Resumed,
            ],
            (Self::MalwareInside, true) => &[
                Step::Suspended,
                Step::AddressBlocked,
                Step::QueueHeld,
                Step::Analysed,
                Step::Reported,
                Step::Acknowledged,
                Step::TerminalCleaned,
                Step::QueueSettled,
                Step::PasswordRenewed,
                Step::HandedOver,
                Step::Resumed,
            ],
            (Self::MalwareInside, false) => &[
                Step::AddressBlocked,
                Step::Analysed,
                Step::Reported,
                Step::Acknowledged,
                Step::TerminalCleaned,
            ],
            (Self::BounceSurge, _) => &[Step::Analysed, Step::Reported, Step::Acknowledged],
            (Self::SubmissionSurge, _) => &[
                Step::QueueHeld,
                Step::OwnerTold,
                Step::Analysed,
                Step::Reported,
                Step::Acknowledged,
                Step::QueueSettled,
            ],
            (Self::Dos, _) => &[
                Step::Analysed,
                Step::Reported,
                Step::Acknowledged,
                Step::MeasureTaken,
            ],
        }
    }
}

/// A step of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The identifier is suspended (clauses 4.1(1)a, 5.2(5)); by opening.
    Suspended,
    /// Connections from the network address are not taken (clause 5.2(5)), or it is noted why they are; by opening.
    AddressBlocked,
    /// What it has queued is held; by opening. Of a password: what was queued since the owner's last sure use.
    QueueHeld,
    /// The identifier's owner was told, if there is a mailbox; by the server.
    OwnerTold,
    /// The trail was analysed (clause 4.1(1)c); by the server.
    Analysed,
    /// The officer was sent the analysis (clauses 4.1(1)d, 5.2(5)); by the server.
    Reported,
    /// The security officer has read it.
    Acknowledged,
    /// The terminal that it came from was taken off the network, and is clean (clause 5.2(5)).
    TerminalCleaned,
    /// Something was done about it, or it was found that nothing has to be (clause 4.4(2)); the note says what.
    MeasureTaken,
    /// What was held was released, returned or discarded.
    QueueSettled,
    /// What was submitted is not in order: the identifier is suspended, by an incident of its own. No kind demands it.
    Rejected,
    /// A new password is set (clause 4.1(1)b).
    PasswordRenewed,
    /// It was handed over to the owner, and to nobody else.
    HandedOver,
    /// The identifier can be used again.
    Resumed,
}

impl Step {
    /// Its name on the command line and in the trail.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::AddressBlocked => "address-blocked",
            Self::QueueHeld => "queue-held",
            Self::OwnerTold => "owner-told",
            Self::Analysed => "analysed",
            Self::Reported => "reported",
            Self::Acknowledged => "acknowledged",
            Self::TerminalCleaned => "terminal-cleaned",
            Self::MeasureTaken => "measure-taken",
            Self::QueueSettled => "queue-settled",
            Self::Rejected => "rejected",
            Self::PasswordRenewed => "password-renewed",
            Self::HandedOver => "handed-over",
            Self::Resumed => "resumed",
        }
    }
}
