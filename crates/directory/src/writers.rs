//! Who may write to an alias (clause 7.1).

use store::AccountId;

/// Who may write to an address that not everybody may write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// The rule.
    pub writers: Writers,
    /// The accounts that may: of [`Writers::Members`] those that the address means, of [`Writers::Named`] those that were named;
    /// of others they do not matter.
    pub accounts: Vec<AccountId>,
}

/// Who may write to an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writers {
    /// Everybody.
    #[default]
    Anyone,
    /// Whoever has logged in.
    Inside,
    /// Whoever has logged in and is one of those whom it means.
    Members,
    /// Whoever has logged in and is one of those who were named.
    Named,
}

impl Writers {
    /// All of them.
    const ALL: [Self; 4] = [Self::Anyone, Self::Inside, Self::Members, Self::Named];

    /// The name on the command line and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Inside => "inside",
            Self::Members => "members",
            Self::Named => "named",
        }
    }
}

impl std::str::FromStr for Writers {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|writers| writers.as_str() == name)
            .ok_or_else(|| format!("{name:?} is none of anyone, inside, members, named"))
    }
}
