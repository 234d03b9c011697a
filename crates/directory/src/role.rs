//! The names of roles, as commands and the trail write them.

use std::{fmt, str::FromStr};

use crate::Role;

impl Role {
    /// Every role, in the order of `REQUIREMENTS.md`.
    pub const ALL: [Self; 6] = [
        Self::Administrator,
        Self::AccountManager,
        Self::SystemOfficer,
        Self::SecurityOfficer,
        Self::Staff,
        Self::PersonnelClerk,
    ];

    /// The roles that carry out or decide something: all but staff.
    pub const OFFICERS: [Self; 5] = [
        Self::Administrator,
        Self::AccountManager,
        Self::SystemOfficer,
        Self::SecurityOfficer,
        Self::PersonnelClerk,
    ];

    /// Whether it carries out or decides something.
    #[must_use]
    pub const fn is_officers(self) -> bool {
        !matches!(self, Self::Staff)
    }

    /// The role as a list of its own: what a command needs that only it may give.
    #[must_use]
    pub const fn alone(self) -> &'static [Self] {
        match self {
            Self::Administrator => &[Self::Administrator],
            Self::AccountManager => &[Self::AccountManager],
            Self::SystemOfficer => &[Self::SystemOfficer],
            Self::SecurityOfficer => &[Self::SecurityOfficer],
            Self::Staff => &[Self::Staff],
            Self::PersonnelClerk => &[Self::PersonnelClerk],
        }
    }

    /// The role's key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::AccountManager => "account-manager",
            Self::SystemOfficer => "system-officer",
            Self::SecurityOfficer => "security-officer",
            Self::Staff => "staff",
            Self::PersonnelClerk => "personnel-clerk",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl serde::Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// No role has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no role is called {0:?}; the roles are administrator, account-manager, system-officer, \
     security-officer, staff and personnel-clerk"
)]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse::<Role>().unwrap(), role);
        }
        assert!("Administrator".parse::<Role>().is_err());
    }
}
