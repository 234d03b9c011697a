//! What incidents are about, and the steps that the server takes part in. What a kind demands, its runbook says
//! ([`crate::runbook`]).

use serde::Serialize;

use crate::runbook::Part;

/// What an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentKind {
    /// A password that another may have used (clause 4.1).
    Credential,
    /// Malware that was sent from inside (clause 5.2(5)).
    MalwareInside,
    /// Malware that came from elsewhere (clauses 5.2(2), 5.2(6)).
    MalwareOutside,
    /// A surge of bounces to mail that was never sent from here (clause 5.5(2)).
    Backscatter,
    /// An identifier that submits many times what it usually does (clauses 4.4, 5.5).
    SubmissionSurge,
    /// Traffic that differs much from what is usual, while service suffers (clauses 4.4(2), 8.4).
    Dos,
    /// The own probe found that the server relays, or lets in whom it must not (clauses 4.3(6), 5.1, 6.1).
    Relay,
    /// The audit trail is not what was written (clauses 4.2, 8.2).
    TrailGap,
    /// The clock was set (clause 4.2).
    ClockJump,
    /// Anything else.
    Other,
}

impl IncidentKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Credential,
        Self::MalwareInside,
        Self::MalwareOutside,
        Self::Backscatter,
        Self::SubmissionSurge,
        Self::Dos,
        Self::Relay,
        Self::TrailGap,
        Self::ClockJump,
        Self::Other,
    ];

    /// Its name on the command line, in storage and in the trail, and that of its runbook's file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::MalwareInside => "malware-inside",
            Self::MalwareOutside => "malware-outside",
            Self::Backscatter => "backscatter",
            Self::SubmissionSurge => "submission-surge",
            Self::Dos => "dos",
            Self::Relay => "relay",
            Self::TrailGap => "trail-gap",
            Self::ClockJump => "clock-jump",
            Self::Other => "other",
        }
    }

    /// The text of the runbook that the program has for it.
    #[must_use]
    pub const fn built_in(self) -> &'static str {
        match self {
            Self::Credential => include_str!("../../runbooks/credential.toml"),
            Self::MalwareInside => include_str!("../../runbooks/malware-inside.toml"),
            Self::MalwareOutside => include_str!("../../runbooks/malware-outside.toml"),
            Self::Backscatter => include_str!("../../runbooks/backscatter.toml"),
            Self::SubmissionSurge => include_str!("../../runbooks/submission-surge.toml"),
            Self::Dos => include_str!("../../runbooks/dos.toml"),
            Self::Relay => include_str!("../../runbooks/relay.toml"),
            Self::TrailGap => include_str!("../../runbooks/trail-gap.toml"),
            Self::ClockJump => include_str!("../../runbooks/clock-jump.toml"),
            Self::Other => include_str!("../../runbooks/other.toml"),
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A step of an incident that the server takes part in.
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
    /// Those that runbooks name: all but [`Step::Rejected`], which none demands.
    pub const ALL: [Self; 13] = [
        Self::Suspended,
        Self::AddressBlocked,
        Self::QueueHeld,
        Self::OwnerTold,
        Self::Analysed,
        Self::Reported,
        Self::Acknowledged,
        Self::TerminalCleaned,
        Self::MeasureTaken,
        Self::QueueSettled,
        Self::PasswordRenewed,
        Self::HandedOver,
        Self::Resumed,
    ];

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == name)
    }

    /// What the server's part in it is.
    #[must_use]
    pub const fn part(self) -> Part {
        match self {
            Self::Suspended
            | Self::AddressBlocked
            | Self::QueueHeld
            | Self::OwnerTold
            | Self::Analysed
            | Self::Reported => Part::Does,
            _ => Part::Checks,
        }
    }

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
