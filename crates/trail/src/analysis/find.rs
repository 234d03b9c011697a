//! What is conspicuous.

use std::net::IpAddr;

use jiff::Timestamp;

/// Where passwords are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Submission.
    Msa,
    /// Retrieval: IMAP and POP3.
    Mra,
}

impl Service {
    /// The service that events call so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "msa" => Some(Self::Msa),
            "mra" => Some(Self::Mra),
            _ => None,
        }
    }

    /// Its name in the regulation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Msa => "MSA",
            Self::Mra => "MRA",
        }
    }
}

/// What makes it conspicuous, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// An identifier was proved after many failures: a password may have been found.
    SuccessAfterFailures,
    /// An identifier was proved from two networks within minutes.
    TwoPlaces,
    /// Many failures against one identifier.
    Guessing,
    /// One address fails with many identifiers.
    Spraying,
    /// Many addresses fail with many identifiers.
    Stuffing,
    /// An address tries again and again to relay through the exchange server.
    Relaying,
    /// An identifier was proved from a network that it was never proved from.
    NewPlace,
    /// An identifier was proved by a program that it never used.
    NewClient,
}

impl Pattern {
    /// All of them, the gravest first.
    pub const ALL: [Self; 8] = [
        Self::SuccessAfterFailures,
        Self::TwoPlaces,
        Self::Guessing,
        Self::Spraying,
        Self::Stuffing,
        Self::Relaying,
        Self::NewPlace,
        Self::NewClient,
    ];

    /// Its name on the command line and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SuccessAfterFailures => "success-after-failures",
            Self::TwoPlaces => "two-places",
            Self::Guessing => "guessing",
            Self::Spraying => "spraying",
            Self::Stuffing => "stuffing",
            Self::Relaying => "relaying",
            Self::NewPlace => "new-place",
            Self::NewClient => "new-client",
        }
    }

    /// What it means, in English and in Japanese.
    #[must_use]
    pub fn words(self) -> [&'static str; 2] {
        match self {
            Self::SuccessAfterFailures => [
                "an identifier was proved after many failures: its password may have been found",
                "多数の失敗の後に認証が成功した識別コード(パスワードが知られた可能性)",
            ],
            Self::TwoPlaces => [
                "an identifier was proved from two networks within minutes",
                "数分のうちに二つのネットワークから認証された識別コード",
            ],
            Self::Guessing => [
                "many failures against one identifier",
                "一つの識別コードに対するパスワードの試行",
            ],
            Self::Spraying => [
                "one address fails with many identifiers",
                "一つのアドレスからの多数の識別コードに対する試行",
            ],
            Self::Stuffing => [
                "many addresses fail with many identifiers",
                "多数のアドレスからの多数の識別コードに対する試行",
            ],
            Self::Relaying => [
                "an address tries again and again to relay",
                "不正中継の試行",
            ],
            Self::NewPlace => [
                "an identifier was proved from a network that it was never proved from",
                "これまでにないネットワークからの認証",
            ],
            Self::NewClient => [
                "an identifier was proved by a program that it never used",
                "これまでにないプログラムによる認証",
            ],
        }
    }
}

/// Something conspicuous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    /// Why.
    pub pattern: Pattern,
    /// Where; `None` at the exchange.
    pub service: Option<Service>,
    /// How many events it is about.
    pub count: u64,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// Identifiers, the first few.
    pub identifiers: Vec<String>,
    /// Addresses, the first few.
    pub addresses: Vec<IpAddr>,
    /// Events to begin reading at: the first few by number.
    pub events: Vec<i64>,
}
